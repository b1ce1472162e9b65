"""Runs that are killed and continued: they end with the same bits and lose no file."""

from __future__ import annotations

import errno
import fcntl
import io
import math
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import termios
import time
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.nn import functional

from kinetic.motion.motion_set import MotionSet
from kinetic.motion.scaler import Scaler
from kinetic.skeleton import Skeleton
from kinetic.training.batches import MotionData
from kinetic.training.checkpoint import (
    Interrupted,
    NotFinite,
    RunCheckpoint,
    interruptible,
    newest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from kinetic.training.randomness import seeded
from kinetic.training.watch import MetricsTable, Table

STEPS = 60
"""Batches of a whole run: twelve epochs of five."""


class Game(LightningModule):
    """A generator against a critic: two optimisers, manual optimisation."""

    batches: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.generator = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Linear(16, 36))
            self.critic = nn.Sequential(nn.Linear(36, 16), nn.LeakyReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, ...]:
        return tuple(torch.optim.Adam(part.parameters(), lr=1e-2) for part in (self.generator, self.critic))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        motion, _ = batch
        done = int(self.batches)
        generator_optimizer, critic_optimizer = self.optimizers()
        with seeded(0, done, device=motion.device):
            fake = self.generator(torch.randn(len(motion), 4))
            loss = self.critic(fake.detach()).mean() - self.critic(motion.flatten(1)).mean()
            self.descend(critic_optimizer, loss)
            if done % 3 == 0:
                self.descend(generator_optimizer, -self.critic(fake).mean())
        self.batches += 1
        self.log("loss/critic", loss.detach())
        if done >= 7:  # a column that the first rows lack
            self.log("late", float(done))

    def descend(self, optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()


class Classifier(LightningModule):
    """One network with one optimiser that Lightning steps."""

    batches: Tensor

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.network = nn.Sequential(nn.Linear(36, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-2)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        motion, label = batch
        done = int(self.batches)
        for group in self.optimizers().param_groups:
            group["lr"] = 1e-2 / (1 + done)
        with seeded(0, done, device=motion.device):
            loss = functional.cross_entropy(self.network(motion.flatten(1)), label)
        self.batches += 1
        self.log("loss/classifier", loss.detach())
        return loss


class At(Callback):
    """Does something to trainer and module at the end of one batch, before it is saved."""

    def __init__(self, batch: int, action) -> None:
        self.batch, self.action = batch, action

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if int(pl_module.batches) == self.batch:
            self.action(trainer, pl_module)


class Pause(Callback):
    """Takes a little time for every batch."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        time.sleep(self.seconds)


def toy_data(*, steps: int, start: int, workers: int) -> MotionData:
    rng = np.random.default_rng(0)
    motions = MotionSet(
        motion=rng.normal(size=(22, 3, 4, 3)).astype(np.float32),
        label=rng.integers(3, size=22),
        class_names=("a", "b", "c"),
        skeleton=Skeleton(joints=("x", "y", "z"), bones=((0, 1), (1, 2)), center=1),
    )
    return MotionData(motions, scaler=Scaler.fit(motions), batch_size=4, workers=workers, steps=steps, start=start)


def train(
    folder: Path,
    make: type[LightningModule] = Game,
    *,
    steps: int = STEPS,
    save_every: int = 3,
    callback: Callback | None = None,
    workers: int = 0,
) -> None:
    """A small run in a folder, or the rest of one."""
    last = folder / "checkpoints" / "last.ckpt"
    content = read_checkpoint(last) if last.exists() else None
    done = 0 if content is None else content["batches"]
    module, data = make(), toy_data(steps=steps, start=done, workers=workers)
    if content is not None:
        module.load_state_dict(content["state_dict"])
    folder.mkdir(exist_ok=True)
    table = Table(folder / "metrics.csv", done=done)
    with interruptible() as request, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|torch)\..*")
        checkpoint = RunCheckpoint(
            last.parent,
            steps=steps,
            save_every=save_every,
            keep_every=20,
            about={},
            data=data.state_dict(),
            request=request,
            start=content,
        )
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=1,
            callbacks=[MetricsTable(table, every=2), callback or Pause(0), checkpoint],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        trainer.fit(module, datamodule=data)


def in_a_process(folder: Path, make: type[LightningModule], pause: float, limit: int, options: dict) -> None:
    torch.set_num_threads(1)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        train(folder, make, callback=Pause(pause), **options)
    except Interrupted as stop:
        sys.exit(stop.status)
    except OSError as error:
        sys.exit(3 if error.errno == errno.EFBIG and "last.ckpt" in str(error) else 4)


def started(folder: Path, make: type[LightningModule] = Game, *, pause: float = 0, limit: int = 0, **options):
    """A process that trains, forked from one that has loaded torch, so that it starts at once."""
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(
        ["kinetic.training.batches", "kinetic.training.checkpoint", "kinetic.training.watch"]
    )
    process = forking.Process(target=in_a_process, args=(folder, make, pause, limit, options))
    process.start()
    return process


def status(process) -> int:
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def saved(folder: Path, name: str = "last.ckpt") -> dict:
    return read_checkpoint(folder / "checkpoints" / name)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def assert_same(a, b, name="content"):
    """Equal to the last bit."""
    assert type(a) is type(b), name
    if isinstance(a, Tensor):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), name
        assert a.numpy().tobytes() == b.numpy().tobytes(), name
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), name
        for key in a:
            assert_same(a[key], b[key], f"{name}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), name
        for i, pair in enumerate(zip(a, b, strict=True)):
            assert_same(*pair, f"{name}[{i}]")
    else:
        assert a == b, name


@pytest.fixture(autouse=True)
def one_thread():
    """The last bits depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=[Game, Classifier])
def whole(request, tmp_path_factory):
    """An uninterrupted run, and its module."""
    folder = tmp_path_factory.mktemp("whole")
    assert status(started(folder, request.param)) == 0
    return folder, request.param


def test_a_run_keeps_last_and_every_20th(whole):
    folder, make = whole
    assert names(folder / "checkpoints") == ["last.ckpt", "step-20.ckpt", "step-40.ckpt", "step-60.ckpt"]
    assert saved(folder)["batches"] == STEPS
    assert len(saved(folder)["optimizer_states"]) == (2 if make is Game else 1)


def test_a_run_killed_at_random_moments_ends_with_the_same_bits(whole, tmp_path):
    expected, make = whole
    rng, kills, code = random.Random(0), 0, None
    while code != 0:
        process = started(tmp_path, make, pause=0.02)
        if kills < 8:
            process.join(rng.uniform(0.2, 0.8))
            if process.is_alive():
                os.kill(process.pid, rng.choice([signal.SIGKILL, signal.SIGTERM]))
        code = status(process)
        assert code in (0, -signal.SIGKILL, -signal.SIGTERM, 143)
        kills += code != 0
    assert kills >= 3
    assert (tmp_path / "metrics.csv").read_bytes() == (expected / "metrics.csv").read_bytes()
    assert names(tmp_path / "checkpoints") == names(expected / "checkpoints")
    for name in names(expected / "checkpoints"):
        assert_same(saved(tmp_path, name), saved(expected, name), name)


def test_workers_do_not_change_the_bits(whole, tmp_path):
    expected, make = whole
    train(tmp_path, make, workers=2, steps=31)
    train(tmp_path, make, workers=1)
    for name in ("state_dict", "optimizer_states"):
        assert_same(saved(tmp_path)[name], saved(expected)[name], name)


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_saves_at_the_end_of_the_batch(number, expected, tmp_path):
    process = started(tmp_path, pause=0.05, save_every=1000)
    table = tmp_path / "metrics.csv"
    while process.is_alive() and (not table.exists() or table.read_text().count("\n") < 4):
        time.sleep(0.005)
    os.kill(process.pid, number)
    assert status(process) == expected
    assert 6 <= saved(tmp_path)["batches"] < STEPS


def test_a_signal_after_the_check_of_a_batch_stops_the_next(tmp_path):
    """Lightning's own handler would end the run there, unsaved and with status 0."""

    class Late(Game):
        def on_train_batch_end(self, *_):  # called after all callbacks
            if int(self.batches) == 5:
                signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted) as stopped:
        train(tmp_path, Late)
    assert stopped.value.status == 143
    assert saved(tmp_path)["batches"] == 6


def test_after_sigterm_only_ctrl_c_stops_at_once():
    with interruptible() as request:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert request.number == signal.SIGTERM
        with pytest.raises(Interrupted) as stopped:
            signal.raise_signal(signal.SIGINT)
    assert stopped.value.status == 130


def test_under_nohup_a_hangup_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        train(tmp_path, steps=3, callback=At(2, lambda *_: signal.raise_signal(signal.SIGHUP)))
    finally:
        assert signal.signal(signal.SIGHUP, before) == signal.SIG_IGN
    assert saved(tmp_path)["batches"] == 3


def test_a_training_whose_terminal_is_closed_saves_its_state(tmp_path):
    """Progress that cannot be printed any more is no error of the training."""
    folder, (master, slave) = tmp_path / "run", os.openpty()
    process = subprocess.Popen(
        command(tmp_path, folder, "--training.steps", "3000"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),  # its controlling terminal
    )
    os.close(slave)
    wait_for_rows(process, folder, 3)
    os.close(master)
    assert process.wait(60) == 129
    assert 9 <= read_checkpoint(folder / "checkpoints" / "last.ckpt")["batches"] < 3000


def test_handlers_are_as_before_after_a_run(tmp_path):
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    train(tmp_path, steps=3)
    with pytest.raises(Interrupted):
        train(tmp_path, steps=6, callback=At(5, lambda *_: signal.raise_signal(signal.SIGINT)))
    assert [signal.getsignal(number) for number in numbers] == before


def test_nothing_is_saved_after_an_exception(tmp_path):
    def fail(*_):
        raise KeyError("something else")

    with pytest.raises(KeyError):
        train(tmp_path, callback=At(6, fail))
    assert saved(tmp_path)["batches"] == 3


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    def spoil(trainer, module):
        module.critic[3].weight.data[0, 2] = math.nan

    with pytest.raises(NotFinite, match=r"critic\.3\.weight"):
        train(tmp_path, callback=At(6, spoil))
    assert saved(tmp_path)["batches"] == 3
    assert names(tmp_path / "checkpoints") == ["last.ckpt"]


def test_optimiser_states_that_are_not_finite_are_not_saved(tmp_path):
    def spoil(trainer, module):
        for state in trainer.optimizers[1].state.values():
            state["exp_avg_sq"].fill_(math.inf)

    with pytest.raises(NotFinite, match=r"optimizer_states\[1\].*exp_avg_sq"):
        train(tmp_path, callback=At(6, spoil))
    assert saved(tmp_path)["batches"] == 3


@pytest.mark.parametrize("limit", [3_000, 20_000])
def test_a_full_disk_leaves_the_last_checkpoint_as_it_was(limit, tmp_path):
    assert status(started(tmp_path, steps=6)) == 0
    last = tmp_path / "checkpoints" / "last.ckpt"
    before = last.read_bytes()
    assert len(before) > limit
    assert status(started(tmp_path, limit=limit)) == 3
    assert names(tmp_path / "checkpoints") == ["last.ckpt"]
    assert last.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    folder = Path("/proc/kinetic") if os.geteuid() == 0 else tmp_path / "shut"
    if os.geteuid():
        folder.mkdir(mode=0o500)
    with pytest.raises(OSError, match=folder.name):
        write_checkpoint(folder / "last.ckpt", {"state_dict": {}})


def test_leftovers_of_killed_runs_are_removed(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    foreign = (folder / "mine.tmp", folder / ".mine.ckpt.tmp", folder / ".mine.999999998.tmp")
    for path in (folder / ".last.ckpt.999999999.tmp", *foreign, tmp_path / ".metrics.csv.999999999.tmp"):
        path.write_bytes(b"half")
    train(tmp_path, steps=3)
    assert names(folder) == [".mine.999999998.tmp", ".mine.ckpt.tmp", "last.ckpt", "mine.tmp"]
    assert names(tmp_path) == ["checkpoints", "metrics.csv"]


def test_changed_circumstances_are_reported(tmp_path):
    train(tmp_path, steps=3)
    content = saved(tmp_path)
    threads = content["circumstances"]["threads"]
    content["circumstances"]["threads"] = 99
    write_checkpoint(tmp_path / "checkpoints" / "last.ckpt", content)
    with pytest.warns(UserWarning, match=f"threads was 99, is {threads}$"):
        train(tmp_path, steps=6)


def test_states_of_other_optimisers_are_refused(tmp_path):
    train(tmp_path, steps=3)
    content = saved(tmp_path)
    del content["optimizer_states"][0]
    write_checkpoint(tmp_path / "checkpoints" / "last.ckpt", content)
    with pytest.raises(ValueError, match="1 optimisers, the module has 2"):
        train(tmp_path, steps=6)


class Payload:
    def __reduce__(self):
        return os.mkdir, ("a-folder-that-must-not-be-made",)


@pytest.mark.parametrize("kind", ["cut", "text", "empty", "code", "tensor", "folder", "fifo", "missing"])
def test_files_that_are_no_checkpoints_are_refused_by_name(kind, whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"{kind}.ckpt"
    if kind in ("cut", "text", "empty"):
        good = (whole[0] / "checkpoints" / "last.ckpt").read_bytes()
        path.write_bytes({"cut": good[: len(good) // 2], "text": b"not a checkpoint", "empty": b""}[kind])
    elif kind in ("code", "tensor"):
        torch.save({"state_dict": {}, "x": Payload()} if kind == "code" else torch.zeros(3), path)
    elif kind != "missing":
        path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(FileNotFoundError if kind == "missing" else ValueError, match=rf"{kind}\.ckpt"):
        read_checkpoint(path)
    assert not (tmp_path / "a-folder-that-must-not-be-made").exists()


def test_addresses_and_unsafe_reading_are_refused(whole, monkeypatch):
    with pytest.raises(ValueError, match="address"):
        read_checkpoint("https://example.org/last.ckpt")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ValueError, match="TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"):
        saved(whole[0])


def test_a_checkpoint_is_read_back_and_leaves_nothing_beside_it(tmp_path):
    write_checkpoint(tmp_path / "a.ckpt", {"state_dict": {"w": torch.arange(3.0)}, "batches": 7})
    again = read_checkpoint(tmp_path / "a.ckpt")
    assert again["batches"] == 7 and torch.equal(again["state_dict"]["w"], torch.arange(3.0))
    assert os.listdir(tmp_path) == ["a.ckpt"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_do_not_replace_a_good_file(tmp_path, bad):
    path = tmp_path / "last.ckpt"
    write_checkpoint(path, {"state_dict": {"w": torch.ones(2)}})
    with pytest.raises(NotFinite, match=r"optimizer_states\[1\].state.0.exp_avg"):
        write_checkpoint(
            path, {"optimizer_states": [{}, {"state": {0: {"exp_avg": torch.tensor([1.0, bad])}}}], "state_dict": {}}
        )
    assert torch.equal(read_checkpoint(path)["state_dict"]["w"], torch.ones(2))


def test_the_first_signal_is_noted_and_the_second_stops():
    before = signal.getsignal(signal.SIGINT)  # a background job ignores it
    with interruptible() as request:
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.number == signal.SIGTERM
        with pytest.raises(Interrupted, match="SIGINT"):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
    assert signal.getsignal(signal.SIGINT) is before


def outcome(path: Path, damaged: bytes, expected: dict) -> bool:
    """Whether a damaged file is refused by its name; an accepted one must have the expected content."""
    path.write_bytes(damaged)
    try:
        content = read_checkpoint(path)
    except ValueError as error:
        assert path.name in str(error)
        return True
    assert_same(content, expected)
    return False


def test_no_flipped_bit_and_no_missing_end_changes_what_a_checkpoint_holds(whole, tmp_path):
    good = (whole[0] / "checkpoints" / "last.ckpt").read_bytes()
    expected, path = saved(whole[0]), tmp_path / "last.ckpt"
    archive = zipfile.ZipFile(io.BytesIO(good))
    program = archive.getinfo(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    end = good.rindex(b"PK\5\6")  # of the directory; its comment is the checksum
    rng = random.Random(0)
    places = {
        "anywhere": rng.sample(range(len(good)), 300),
        "names and plain values": rng.sample(range(program.header_offset, program.header_offset + 2000), 60),
        "the directory of the archive": rng.sample(range(archive.start_dir, end), 60),
        "its end and the checksum": range(end, len(good)),
    }

    def flipped(at: int) -> bytes:
        return good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1 :]

    refused = {where: [outcome(path, flipped(at), expected) for at in positions] for where, positions in places.items()}
    assert all(refused["names and plain values"]) and all(refused["the directory of the archive"])
    assert 80 <= sum(refused["its end and the checksum"]) < len(refused["its end and the checksum"])
    assert sum(refused["anywhere"]) >= 297  # all except the mark of the checksum itself
    assert all(outcome(path, good[:-cut], expected) for cut in (200, 1000, len(good) - 10))


def test_a_checkpoint_without_a_checksum_is_read_and_its_members_are_compared(tmp_path):
    content = {"state_dict": {"w": torch.arange(1000.0)}, "batches": 7}
    path = tmp_path / "last.ckpt"
    torch.save(content, path)
    good = path.read_bytes()
    assert_same(read_checkpoint(path), content)
    at = good.index(torch.arange(1000.0).numpy().tobytes()) + 100
    path.write_bytes(good[:at] + b"\xff" + good[at + 1 :])
    with pytest.raises(ValueError, match=r"last\.ckpt: is damaged: \S+/data/0 in it does not match its checksum"):
        read_checkpoint(path)


def test_the_newest_whole_checkpoint_is_found(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    for name, batches in (("best", 30), ("step-9", 9), ("step-20", 20), ("step-40", 40), ("last", 50)):
        write_checkpoint(tmp_path / f"{name}.ckpt", {"state_dict": {}, "batches": batches})
    assert newest_checkpoint(tmp_path) == (tmp_path / "step-40.ckpt", 40)
    (tmp_path / "step-40.ckpt").write_bytes((tmp_path / "step-40.ckpt").read_bytes()[:-100])
    assert newest_checkpoint(tmp_path) == (tmp_path / "best.ckpt", 30)
    (tmp_path / "best.ckpt").unlink()
    assert newest_checkpoint(tmp_path) == (tmp_path / "step-20.ckpt", 20)


def test_best_is_the_least_and_never_nan(tmp_path):
    module = SimpleNamespace(state_dict=dict, batches=torch.tensor(1))
    trainer = SimpleNamespace(
        is_global_zero=True, optimizers=[], world_size=1, precision="32-true",
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )  # fmt: skip
    checkpoint = RunCheckpoint(tmp_path, steps=9, save_every=1, about={}, data={})
    best = []
    for value in (3.0, float("nan"), 4.0, 2.0):
        checkpoint.offer(trainer, module, value)
        best.append(read_checkpoint(tmp_path / "best.ckpt")["best"])
    assert best == [3.0, 3.0, 3.0, 2.0]


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
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()


def test_a_generator_that_was_killed_at_the_command_line_ends_with_the_same_bits(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run_to_the_end(tmp_path, whole)
    for number, rows, status in ((signal.SIGKILL, 5, -9), (signal.SIGTERM, 9, 143), (signal.SIGINT, 13, 130)):
        process = start(tmp_path, broken, "--resume")
        wait_for_rows(process, broken, rows)
        process.send_signal(number)
        _, errors = process.communicate(timeout=240)
        assert process.returncode == status, errors.decode()
    run_to_the_end(tmp_path, broken, "--resume")
    assert (whole / "metrics.csv").read_bytes() == (broken / "metrics.csv").read_bytes()
    assert (whole / "metrics.csv").read_text().count("\n") == 1 + 20 + 2  # 60 / 3 rows, and the looks at 25 and 50
    for name in ("last.ckpt", "best.ckpt"):
        expected, content = (read_checkpoint(folder / "checkpoints" / name) for folder in (whole, broken))
        for key in ("batches", "best", "state_dict", "optimizer_states"):
            assert_same(content[key], expected[key], key)
