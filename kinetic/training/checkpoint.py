"""Checkpoints that survive everything, and runs that go on from them bit for bit.

A run is one pass over a stream of batches whose order follows from (seed, number of the batch), and all randomness of a
step follows from (seed, number of the step). So weights, optimisers and one counter are the whole state, and Lightning's
own progress is not needed to go on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from kinetic.models.weights import read_weights

__all__ = [
    "Interrupted",
    "NotFinite",
    "RunCheckpoint",
    "interruptible",
    "read_checkpoint",
    "replace_file",
    "write_checkpoint",
]


class Interrupted(BaseException):
    """A signal asked to stop; what was done is saved, and `kinetic fit --resume` goes on.

    Attributes:
        number: of the signal
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class NotFinite(RuntimeError):
    """Weights or optimiser states are no longer finite numbers, so they are not saved."""


class _Asked:
    """Which signal has asked to stop, if any."""

    number: int | None = None


@contextlib.contextmanager
def interruptible() -> Iterator[_Asked]:
    """Inside, the first SIGINT or SIGTERM is only noted, for the training to stop at the end of a batch.

    A second one raises `Interrupted` at once. In another thread than the main one nothing changes.
    """
    asked = _Asked()

    def note(number: int, frame: FrameType | None) -> None:
        if asked.number is not None:
            raise Interrupted(number)
        asked.number = number

    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):  # not the main thread
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def replace_file(path: Path, write: Callable[[Any], None]) -> None:
    """Write a file so that at every moment either the old or the complete new one is there, also after a power cut.

    One temporary file beside the target, flushed to the disk, renamed, and the folder flushed. When writing fails, the
    target stays as it was and the temporary file is removed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values durably. Raises `NotFinite` before anything is written."""
    _check_finite(content)
    replace_file(path, lambda file: torch.save(dict(content), file))


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a checkpoint, without running anything in it.

    Raises:
        FileNotFoundError: when there is none
        ValueError: names the file, for addresses, folders, files cut short, and files that are something else
    """
    content = read_weights(path)
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise ValueError(f"{path}: expected a checkpoint with a state_dict, found {type(content).__name__}")
    return content


def _check_finite(content: Any, name: str = "") -> None:
    if isinstance(content, Tensor):
        if content.is_floating_point() and not bool(content.isfinite().all()):
            raise NotFinite(f"{name or 'a tensor'} holds NaN or infinite numbers; the checkpoint is not written")
    elif isinstance(content, Mapping):
        for key, value in content.items():
            _check_finite(value, f"{name}.{key}" if name else str(key))
    elif isinstance(content, (list, tuple)):
        for i, value in enumerate(content):
            _check_finite(value, f"{name}[{i}]")


class RunCheckpoint(Checkpoint):
    """Keeps `last.ckpt` of a run, `best.ckpt` when told, and stops at the end of a batch when a signal asks for it.

    The module counts its training batches in the persistent buffer `batches`. Nothing is saved after an exception,
    since it may have struck between the steps of two optimisers.

    Args:
        folder: where the checkpoints are
        steps: batches of the whole run; the last one is always saved
        save_every: batches from one `last.ckpt` to the next
        keep_every: batches from one `step-N.ckpt` to the next, which is never removed; 0 = none
        about: plain values that are kept in every checkpoint, and make it complete
        data: state of the data, compared when the run goes on
        asked: of `interruptible`
        start: content of the checkpoint to go on from; None = a new run
    """

    def __init__(
        self,
        folder: Path,
        *,
        steps: int,
        save_every: int,
        keep_every: int = 0,
        about: Mapping[str, Any],
        data: Mapping[str, Any],
        asked: _Asked | None = None,
        start: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder, self.steps, self.save_every, self.keep_every = folder, steps, save_every, keep_every
        self.about, self.data, self.asked, self.start = dict(about), dict(data), asked or _Asked(), start
        self.best: float | None = None if start is None else start.get("best")

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob(".*.ckpt.*.tmp"):  # of a run that was killed while it wrote
                left.unlink()
        if self.start is not None:
            _warn_of_changes(self.start, _circumstances(trainer))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.start is not None:
            for optimizer, state in zip(trainer.optimizers, self.start["optimizer_states"], strict=True):
                optimizer.load_state_dict(state)
            self.start = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done = int(pl_module.batches)  # type: ignore[arg-type]
        stop = self._stop(trainer, done)
        if stop or done % self.save_every == 0 or done == self.steps:
            self._save(trainer, pl_module, "last.ckpt")
        if self.keep_every and done % self.keep_every == 0:
            self._save(trainer, pl_module, f"step-{done}.ckpt")
        if stop and done < self.steps:
            raise Interrupted(self.asked.number or signal.SIGTERM)

    def offer(self, trainer: Trainer, module: LightningModule, value: float) -> None:
        """Keep `best.ckpt` when the value, of which less is better, is the least so far. NaN never is."""
        if value < (float("inf") if self.best is None else self.best):
            self.best = value
            self._save(trainer, module, "best.ckpt")

    def _stop(self, trainer: Trainer, done: int) -> bool:
        """Whether any process was asked to stop; several processes agree on it at every tenth batch."""
        if trainer.world_size == 1:
            return self.asked.number is not None
        return done % 10 == 0 and bool(
            trainer.strategy.reduce_boolean_decision(self.asked.number is not None, all=False)
        )

    def _save(self, trainer: Trainer, module: LightningModule, name: str) -> None:
        if not trainer.is_global_zero:
            return
        content = {
            "state_dict": module.state_dict(),
            "optimizer_states": [optimizer.state_dict() for optimizer in trainer.optimizers],
            "batches": int(module.batches),  # type: ignore[arg-type]
            "best": self.best,
            "kinetic": self.about,
            "data": self.data,
            "circumstances": _circumstances(trainer),
        }
        write_checkpoint(self.folder / name, content)


def _circumstances(trainer: Trainer) -> dict[str, Any]:
    """What the last bits of a training depend on besides its settings."""
    return {
        "torch": str(torch.__version__),
        "pytorch-lightning": str(pytorch_lightning.__version__),
        "device": trainer.strategy.root_device.type,
        "processes": trainer.world_size,
        "threads": torch.get_num_threads(),
        "precision": str(trainer.precision),
    }


def _warn_of_changes(start: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    before = start.get("circumstances", {})
    changed = [f"{name} was {before.get(name)}, is {value}" for name, value in now.items() if before.get(name) != value]
    if changed:
        warnings.warn(f"the run goes on, but not to the last bit as before: {'; '.join(changed)}", stacklevel=2)
