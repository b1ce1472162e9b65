"""One cell of an ablation: its folder, its result, its failures, and going on where it stopped."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from kinetic.ablation import cell as cell_module
from kinetic.ablation.cell import fail, failure, place, prepare_place, read_result, trained_batches, work
from kinetic.ablation.recipes import Cell
from kinetic.families.experiments import from_plain, load_experiment
from kinetic.files import sealed
from kinetic.formats.reading import read_motions
from kinetic.runs.fit import fit
from kinetic.settings.ablation import ScoresConfig

SCORES = ScoresConfig(only=("frechet", "mmd_frame", "bones"), draws=2, points=2, shown=1, published=2)


@pytest.fixture(scope="module")
def cell(gan, encoder) -> Cell:
    """The cell that trains as the small generator of other tests did."""
    experiment = load_experiment(gan / "config.yaml", training={"steps": 4, "keep_every": 2})
    return Cell("xsub", "A", 0, experiment, SCORES, "net", "", 1, 1, encoder)


@pytest.fixture(scope="module")
def done(cell, tmp_path_factory):
    """Its folder, after it was run."""
    home = prepare_place(tmp_path_factory.mktemp("grid"), cell, cell.network)
    work(str(home))
    assert failure(home) is None
    return home


def test_a_cell_ends_in_a_result_with_its_scores(cell, done):
    result = read_result(done, cell.key)
    assert [row.score.metric for row in result.report.rows] == ["frechet", "mmd_frame", "bones"]
    assert result.report.subject == "xsub: A, seed 0"
    assert result.report["frechet"].score.seeds == (0, 1)
    assert result.network == result.report["frechet"].score.network_hash
    assert set(result.seconds) == {"training", "scoring"}
    assert trained_batches(done) == 4


def test_a_generator_is_also_scored_as_published_where_that_is_asked_for(cell, done):
    published = read_result(done, cell.key).published
    assert [row.score.metric for row in published.rows] == ["mmd_frame", "mmd_sequence"]
    assert {row.score.estimator for row in published.rows} == {"published"}
    assert published["mmd_frame"].score.n_fake == 2 * 3


def test_its_curve_has_a_point_for_each_checkpoint_that_was_kept_and_the_checkpoints_go(cell, done):
    result = read_result(done, cell.key)
    assert [at for at, _ in result.curve] == [2.0, 4.0]
    assert all(set(values) == {"frechet", "mmd_frame", "bones"} for _, values in result.curve)
    assert sorted(file.name for file in (done / "run" / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_the_last_point_of_the_curve_is_the_generator_that_was_scored(cell, done):
    """The curve has one draw and the report two, so they are only nearly equal."""
    result = read_result(done, cell.key)
    assert result.curve[-1][1]["bones"] == pytest.approx(result.report["bones"].score.value, rel=0.1)


def test_it_leaves_motions_to_look_at(cell, done):
    motions = read_motions(done / "samples.npz")
    assert motions.counts() == dict.fromkeys(motions.class_names, 1)


def test_a_cell_that_is_done_is_left_alone(cell, done):
    before = (done / "result.json").stat().st_mtime_ns
    work(str(done))
    assert (done / "result.json").stat().st_mtime_ns == before


def test_the_same_cell_in_another_folder_has_the_same_result(cell, done, tmp_path):
    home = prepare_place(tmp_path, cell, cell.network)
    work(str(home))
    assert read_result(home, cell.key).report == read_result(done, cell.key).report
    assert read_result(home, cell.key).curve == read_result(done, cell.key).curve


def test_a_result_of_other_settings_is_none(cell, done):
    assert read_result(done, "0" * 12) is None


def test_a_folder_is_found_by_its_key_whatever_it_is_called(cell, tmp_path):
    home = prepare_place(tmp_path, cell, None)
    assert home.name == f"xsub-A-0-{cell.key}"
    assert place(tmp_path, replace(cell, recipe="renamed")) == home
    odd = replace(cell, recipe="../../<b> & \n", benchmark="", seed=1)
    assert place(tmp_path / "other", odd).parent == tmp_path / "other" / "cells"


def test_a_network_is_a_cell_of_its_own(tmp_path, encoder):
    experiment = load_experiment(encoder / "config.yaml", training={"steps": 2})
    home = prepare_place(tmp_path, cell := Cell("xsub", "", 0, experiment, None, "", "", 1, 1), None)
    work(str(home))
    assert failure(home) is None
    facts = json.loads((home / "run" / "recognition.json").read_text())
    assert read_result(home, cell.key).network == facts["hash"]
    assert read_result(home, cell.key).report is None


def test_an_error_is_kept_and_not_raised(cell, tmp_path):
    """The networks of the cell and of the motions know other classes."""
    data = replace(cell.experiment.data, classes=["walk", "wave"])
    wrong = replace(cell, experiment=replace(cell.experiment, data=data))
    home = prepare_place(tmp_path, wrong, wrong.network)
    work(str(home))
    assert read_result(home, wrong.key) is None
    assert failure(home).startswith("ValueError: ")
    assert "Traceback" in json.loads((home / "error.json").read_text())["details"]
    assert trained_batches(home) == 4  # it was trained before it failed


def test_a_failure_is_forgotten_when_the_cell_is_done(cell, tmp_path):
    home = prepare_place(tmp_path, cell, cell.network)
    fail(home, "the disk\nwas full")
    assert failure(home) == "the disk was full"
    work(str(home))
    assert failure(home) is None
    assert read_result(home, cell.key) is not None


def test_a_cell_that_is_told_to_stop_saves_and_goes_on_to_the_same_result(cell, done, tmp_path):
    training = replace(cell.experiment.training, steps=40, keep_every=20)
    longer = replace(cell, experiment=replace(cell.experiment, training=training))
    whole, stopped = (prepare_place(tmp_path / name, longer, longer.network) for name in ("whole", "stopped"))
    code = f"from kinetic.ablation.cell import work; work({str(stopped)!r})"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        while trained_batches(stopped) < 10 and process.poll() is None:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait() == 143
    assert read_result(stopped, longer.key) is None
    assert failure(stopped) is None
    assert 10 <= trained_batches(stopped) < 40
    for home in (stopped, whole):
        work(str(home))
    assert read_result(stopped, longer.key).report == read_result(whole, longer.key).report
    assert read_result(stopped, longer.key).curve == read_result(whole, longer.key).curve


def test_a_cell_that_was_begun_goes_on_under_another_name_and_with_other_intervals_of_its_log(cell, done, tmp_path):
    home = prepare_place(tmp_path, cell, cell.network)
    training = replace(cell.experiment.training, steps=2, log_every=1)
    fit(replace(cell.experiment, name="before", training=training), home / "run", progress=False)
    work(str(home))
    assert failure(home) is None
    assert read_result(home, cell.key).report == read_result(done, cell.key).report


def test_a_score_that_is_not_finite_leaves_a_gap_in_the_curve(cell, tmp_path, monkeypatch):
    original, values = cell_module.plain_value, []

    def sometimes(value):
        values.append(value)
        return original(value) if len(values) > 3 else float("inf")

    monkeypatch.setattr(cell_module, "plain_value", sometimes)
    home = prepare_place(tmp_path, cell, cell.network)
    work(str(home))
    assert failure(home) is None
    assert sorted(len(values) for _, values in read_result(home, cell.key).curve) == [0, 3]


def test_what_a_killed_process_left_is_removed_when_the_cell_is_done(cell, done, tmp_path):
    home = tmp_path / "cells" / done.name
    shutil.copytree(done, home)
    left = [home / ".result.json.999999999.tmp", home / "run" / "checkpoints" / "step-2.ckpt", home / "error.json"]
    for file in left:
        file.write_text("{}")
    work(str(home))
    assert not any(file.exists() for file in left)


def test_how_far_a_cell_is_can_be_asked_before_it_began(tmp_path):
    assert trained_batches(tmp_path) == 0
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.csv").write_text("batches,loss\n")
    assert trained_batches(tmp_path) == 0
    (tmp_path / "run" / "metrics.csv").write_text("batches,loss\n10,1\n20,")
    assert trained_batches(tmp_path) == 10


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "kinetic-cell"}', "[" * 100_000])
def test_a_file_that_is_something_else_is_named(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ValueError, match=r"result.json: expected a file of an ablation"):
        read_result(tmp_path, "key")


def test_what_is_no_plain_file_in_the_folder_of_a_cell_is_never_waited_for(tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("result.json", "error.json", "seconds.txt", "run/metrics.csv", "cell.json"):
        os.mkfifo(tmp_path / name)
    for call in (lambda: read_result(tmp_path, "key"), lambda: failure(tmp_path), lambda: work(str(tmp_path))):
        with pytest.raises(ValueError, match=r"\.json: expected a plain file, found a pipe"):
            call()
    assert trained_batches(tmp_path) == 0 and cell_module._spent(tmp_path) == 0
    (tmp_path / "result.json").unlink()
    (tmp_path / "result.json").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="result.json: expected a plain file, found a device"):
        read_result(tmp_path, "key")


@pytest.mark.parametrize("parts", [("cells",), ("cells", ""), ("cells", "", "run")])
def test_the_folder_of_a_cell_leads_nowhere_else(cell, tmp_path, parts):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path.joinpath("grid", *(part or place(tmp_path / "grid", cell).name for part in parts))
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"{link.name}: expected no link, found one to"):
        prepare_place(tmp_path / "grid", cell, cell.network)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_checkpoints_of_another_folder_stay_when_the_cell_is_done(cell, done, tmp_path):
    home = tmp_path / "cells" / done.name
    shutil.copytree(done, home)
    shutil.move(home / "run" / "checkpoints", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "step-2.ckpt").write_text("mine")
    (home / "run" / "checkpoints").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="run/checkpoints: expected no link"):
        work(str(home))
    assert (tmp_path / "elsewhere" / "step-2.ckpt").read_text() == "mine"


def test_a_result_that_lacks_something_is_named(tmp_path):
    (tmp_path / "result.json").write_text(json.dumps(sealed({"format": "kinetic-cell", "key": "k"})))
    with pytest.raises(ValueError, match=r"result.json: expected the result of a cell"):
        read_result(tmp_path, "k")


def test_an_edited_or_damaged_result_is_refused_by_name(cell, done, tmp_path):
    shutil.copytree(done, home := tmp_path / done.name)
    good = (home / "result.json").read_bytes()
    plain = json.loads(good)
    plain["report"]["rows"][0]["score"]["value"] /= 2
    del (bare := json.loads(good))["checksum"]
    for text, reason in ((json.dumps(plain), "does not match its checksum"), (json.dumps(bare), "has no checksum")):
        (home / "result.json").write_text(text)
        with pytest.raises(ValueError, match=rf"result\.json: it {reason}.*remove it, and `kinetic ablate`"):
            read_result(home, cell.key)
    expected, rng = read_result(done, cell.key), random.Random(0)
    for bit in rng.sample(range(8 * len(good)), 300):
        damaged = bytearray(good)
        damaged[bit // 8] ^= 1 << bit % 8
        (home / "result.json").write_bytes(damaged)
        try:
            assert read_result(home, cell.key) == expected, f"bit {bit}"
        except ValueError as error:
            assert "result.json" in str(error)


def test_only_its_own_temporary_files_are_removed(cell, done, tmp_path):
    shutil.copytree(done, home := tmp_path / done.name)
    mine, theirs = home / ".result.json.12.tmp", [home / ".thesis.tmp", home / ".notes.txt.12.tmp"]
    for file in (mine, *theirs):
        file.write_text("text")
    (home / ".samples.npz.12.tmp").mkdir()
    work(str(home))
    assert not mine.exists() and all(file.exists() for file in theirs)
    assert not (home / ".samples.npz.12.tmp").exists()


def test_paths_of_a_cell_do_not_depend_on_where_it_is_run(cell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = replace(cell.experiment, data=replace(cell.experiment.data, source="own.npz"))
    home = prepare_place(tmp_path, replace(cell, experiment=experiment), cell.network)
    task = json.loads((home / "cell.json").read_text())
    assert from_plain(task["experiment"]).data.source == str(tmp_path / "own.npz")
    assert os.path.isabs(task["encoder"])
