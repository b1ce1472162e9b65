import errno
import io
from types import SimpleNamespace

import pytest
import torch

from kinetic.training.watch import Progress, Table, read_metrics


def test_rows_are_appended_and_read_back(tmp_path):
    table = Table(tmp_path / "metrics.csv")
    table.add(10, {"loss": 0.5, "norm": 2.0})
    table.add(20, {"loss": 0.25, "norm": 3.0})
    assert (tmp_path / "metrics.csv").read_text() == "batches,loss,norm\n10,0.5,2\n20,0.25,3\n"
    assert read_metrics(tmp_path / "metrics.csv") == {"loss": ([10, 20], [0.5, 0.25]), "norm": ([10, 20], [2.0, 3.0])}


def test_a_new_column_and_a_second_value_of_a_batch_keep_the_rows(tmp_path):
    table = Table(tmp_path / "metrics.csv")
    table.add(10, {"loss": 0.5})
    table.add(10, {"mmd": 1.5})
    table.add(20, {"loss": 0.25})
    assert (tmp_path / "metrics.csv").read_text() == "batches,loss,mmd\n10,0.5,1.5\n20,0.25,\n"


def test_a_continued_run_drops_later_rows_and_lines_cut_short(tmp_path):
    path = tmp_path / "metrics.csv"
    whole = Table(path)
    for batches in (10, 20, 30):
        whole.add(batches, {"loss": 1 / batches})
    expected = path.read_bytes()
    path.write_bytes(expected + b"40,0.0")
    continued = Table(path, done=20)
    continued.add(30, {"loss": 1 / 30})
    assert path.read_bytes() == expected


def test_a_new_run_starts_a_new_table(tmp_path):
    (tmp_path / "metrics.csv").write_text("batches,loss\n10,1\n")
    Table(tmp_path / "metrics.csv")
    assert (tmp_path / "metrics.csv").read_text() == "batches\n"


@pytest.mark.parametrize("text", ["", "loss\n1\n", "batches,loss\n1,x\n", "batches,loss\n1,2,3\n"])
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path, text):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(ValueError, match="metrics.csv"):
        read_metrics(tmp_path / "metrics.csv")


def test_progress_stops_when_its_stream_is_closed():
    class Closed(io.StringIO):
        def write(self, text):
            raise OSError(errno.EIO, "Input/output error")

    progress = Progress(steps=1, motions=1, show=(), stream=Closed())
    trainer, module = (
        SimpleNamespace(is_global_zero=True, callback_metrics={}),
        SimpleNamespace(batches=torch.tensor(1)),
    )
    progress.on_train_start(trainer, module)
    for _ in range(2):
        progress.on_train_batch_end(trainer, module, None, None, 0)
    assert progress.closed


def test_progress_prints_batches_rate_and_metrics_in_plain_lines():
    stream = io.StringIO()
    progress = Progress(steps=2, motions=32, show=("loss/critic", "absent"), stream=stream)
    trainer = SimpleNamespace(is_global_zero=True, callback_metrics={"loss/critic": torch.tensor(0.125)})
    module = SimpleNamespace(batches=torch.tensor(0))
    progress.on_train_start(trainer, module)
    for done in (1, 2):
        module.batches.fill_(done)
        progress.on_train_batch_end(trainer, module, None, None, 0)
    assert stream.getvalue().count("\n") == 1
    assert "2/2 batches" in stream.getvalue() and "loss/critic 0.125" in stream.getvalue()
