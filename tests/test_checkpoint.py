import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from kinetic.training.checkpoint import (
    Interrupted,
    NotFinite,
    RunCheckpoint,
    interruptible,
    read_checkpoint,
    replace_file,
    write_checkpoint,
)

TINY = """
name: tiny
seed: 3
data: {frames: 16, batch_size: 8, scaling: standard, centering: first, synthetic: {subjects: 2, repeats: 1}}
generator: {latent: 8, mapping_depth: 2, widths: [16, 8, 8, 8, 8], mapping: equalized, output: linear, ema: 0.9}
critic: {widths: [8, 8, 8, 8, 8, 8], noise: {std: 0.1, decay: 50}, label_smoothing: 0.1}
training:
  {steps: 60, critic_steps: 2, log_every: 3, save_every: 5, sample_every: 25, accelerator: cpu, quantile: {std: 0.1}}
"""


def command(tmp_path, folder, *options):
    (tmp_path / "tiny.yaml").write_text(TINY)
    return [sys.executable, "-m", "kinetic", "fit", str(tmp_path / "tiny.yaml"), "--out", str(folder), *options]


def start(tmp_path, folder, *options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(tmp_path, folder, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )


def wait_for_rows(process, folder, rows):
    table, deadline = folder / "metrics.csv", time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if table.exists() and table.read_text().count("\n") > rows:
            return
        time.sleep(0.005)


def run_to_the_end(tmp_path, folder, *options):
    process = start(tmp_path, folder, *options)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said.decode()


def test_a_run_that_was_killed_ends_with_the_same_bits(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run_to_the_end(tmp_path, whole)
    for number, rows, status in ((signal.SIGKILL, 5, -9), (signal.SIGTERM, 9, 143), (signal.SIGINT, 13, 130)):
        process = start(tmp_path, broken, "--resume")
        wait_for_rows(process, broken, rows)
        process.send_signal(number)
        _, said = process.communicate(timeout=240)
        assert process.returncode == status, said.decode()
    run_to_the_end(tmp_path, broken, "--resume")
    assert (whole / "metrics.csv").read_bytes() == (broken / "metrics.csv").read_bytes()
    assert (whole / "metrics.csv").read_text().count("\n") == 1 + 20 + 2  # 60 / 3 rows, and the looks at 25 and 50
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (read_checkpoint(folder / "checkpoints" / name) for folder in (whole, broken))
        assert one["batches"] == other["batches"] and one["best"] == other["best"]
        assert_same(one["state_dict"], other["state_dict"])
        assert_same(one["optimizer_states"], other["optimizer_states"])


def assert_same(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


def test_a_checkpoint_is_read_back_and_leaves_nothing_beside_it(tmp_path):
    write_checkpoint(tmp_path / "a.ckpt", {"state_dict": {"w": torch.arange(3.0)}, "batches": 7})
    again = read_checkpoint(tmp_path / "a.ckpt")
    assert again["batches"] == 7 and torch.equal(again["state_dict"]["w"], torch.arange(3.0))
    assert os.listdir(tmp_path) == ["a.ckpt"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_never_replace_the_last_good_file(tmp_path, bad):
    path = tmp_path / "last.ckpt"
    write_checkpoint(path, {"state_dict": {"w": torch.ones(2)}})
    with pytest.raises(NotFinite, match=r"optimizer_states\[1\].state.0.exp_avg"):
        write_checkpoint(
            path, {"optimizer_states": [{}, {"state": {0: {"exp_avg": torch.tensor([1.0, bad])}}}], "state_dict": {}}
        )
    assert torch.equal(read_checkpoint(path)["state_dict"]["w"], torch.ones(2))


def test_a_full_disk_costs_nothing(tmp_path):
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"good")

    def write(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        replace_file(path, write)
    assert path.read_bytes() == b"good" and os.listdir(tmp_path) == ["last.ckpt"]


def test_what_is_no_checkpoint_is_refused_by_name(tmp_path):
    torch.save({"weights": 1}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="other.ckpt.*state_dict"):
        read_checkpoint(tmp_path / "other.ckpt")


def test_the_first_signal_is_noted_and_the_second_stops():
    before = signal.getsignal(signal.SIGINT)  # a background job ignores it
    with interruptible() as asked:
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.number == signal.SIGTERM
        with pytest.raises(Interrupted, match="SIGINT"):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
    assert signal.getsignal(signal.SIGINT) is before


def test_best_is_the_least_and_never_nan(tmp_path):
    module = SimpleNamespace(state_dict=dict, batches=torch.tensor(1))
    trainer = SimpleNamespace(
        is_global_zero=True, optimizers=[], world_size=1, precision="32-true",
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )  # fmt: skip
    keeper = RunCheckpoint(tmp_path, steps=9, save_every=1, about={}, data={})
    kept = []
    for value in (3.0, float("nan"), 4.0, 2.0):
        keeper.offer(trainer, module, value)
        kept.append(read_checkpoint(tmp_path / "best.ckpt")["best"])
    assert kept == [3.0, 3.0, 3.0, 2.0]
