"""Checkpoints that survive kills and full disks, and runs that continue from them bit for bit.

A run is one pass over a stream of batches whose order follows from (seed, number of the batch), and all randomness of a
step follows from (seed, number of the step). So weights, optimisers and one counter are the whole state; Lightning's
own progress is not saved.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from kinetic.files import clear_stale, make_folder
from kinetic.models.tensors import read_weights, write_weights
from kinetic.processes import stop_signals

__all__ = [
    "Interrupted",
    "NotFinite",
    "RunCheckpoint",
    "interruptible",
    "newest_checkpoint",
    "read_checkpoint",
    "write_checkpoint",
]


class Interrupted(BaseException):
    """A signal ended the run; its state is saved, and `kinetic fit --resume` continues.

    Attributes:
        number: of the signal
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number

    @property
    def status(self) -> int:
        """Exit status for the process: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.number


class NotFinite(RuntimeError):
    """Weights or optimiser states are no longer finite numbers, so they are not saved."""


class _StopRequest:
    """The first signal that asked the run to stop, if any."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.numbers = (signal.SIGINT, *stop_signals())
        self.listens = False

    def listen(self) -> None:
        """Become the handler of these signals. Raises ValueError outside the main thread."""
        for number in self.numbers:
            signal.signal(number, self.note)
        self.listens = True

    def note(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None and number == signal.SIGINT:
            raise Interrupted(number)
        self.number = self.number or number


@contextlib.contextmanager
def interruptible() -> Iterator[_StopRequest]:
    """Inside, the first SIGINT, SIGTERM or SIGHUP is only noted, and the training stops at the end of a batch.

    A SIGHUP that is ignored, as under nohup, stays ignored. After the first signal, SIGINT raises `Interrupted` at
    once, so that two Ctrl-C end everything; SIGTERM, which batch systems may send more than once, does not. Outside the
    main thread nothing changes.
    """
    request = _StopRequest()
    handlers = {number: signal.getsignal(number) for number in request.numbers}
    with contextlib.suppress(ValueError):  # not the main thread
        request.listen()
    try:
        yield request
    finally:
        if request.listens:
            for number, handler in handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values durably, with a checksum. Raises `NotFinite` before anything is written."""
    _check_finite(content)
    write_weights(path, dict(content))


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a checkpoint; no code in the file runs.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: naming the file, for addresses, folders, damaged files, and files that are no checkpoint
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


def newest_checkpoint(folder: Path) -> tuple[Path, int] | None:
    """The readable checkpoint with the most batches, `last.ckpt` apart, and its batches; None where there is none."""
    steps = sorted(folder.glob("step-*.ckpt"), key=lambda file: int(re.sub("[^0-9]", "", file.stem) or 0), reverse=True)
    checkpoints: list[tuple[int, Path]] = []
    for file in (*steps, folder / "best.ckpt"):
        if checkpoints and file in steps:
            continue  # it has fewer batches
        with contextlib.suppress(ValueError, KeyError, TypeError, OSError):
            checkpoints.append((int(read_checkpoint(file)["batches"]), file))
    return (max(checkpoints)[1], max(checkpoints)[0]) if checkpoints else None


class RunCheckpoint(Checkpoint):
    """Writes `last.ckpt` of a run and, on `offer`, `best.ckpt`; stops at the end of a batch after a signal.

    The module counts its training batches in the persistent buffer `batches`. Nothing is saved after an exception,
    because it may have come between the steps of two optimisers.

    Args:
        folder: where the checkpoints are
        steps: batches of the whole run; the last one is always saved
        save_every: batches from one `last.ckpt` to the next
        keep_every: batches from one `step-N.ckpt` to the next, which is never removed; 0 = none
        about: plain values for every checkpoint, such as the settings
        data: state of the data, compared when the run continues
        request: from `interruptible`; None = signals do not stop the run
        start: content of the checkpoint to continue from; None = a new run
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
        request: _StopRequest | None = None,
        start: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder, self.steps, self.save_every, self.keep_every = folder, steps, save_every, keep_every
        self.about, self.data, self.start = dict(about), dict(data), start
        self.request = request or _StopRequest()
        self.best: float | None = None if start is None else start.get("best")

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            folder = make_folder(self.folder.parent, self.folder.name)
            clear_stale(folder, r".+\.ckpt", alone=True)  # of a run that was killed
        if self.start is not None:
            _warn_of_changes(self.start, _circumstances(trainer))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.request.listens:
            self.request.listen()  # Lightning's handler, installed since, may end a run unsaved, with status 0
        if self.start is not None:
            states = self.start["optimizer_states"]
            if len(states) != len(trainer.optimizers):
                raise ValueError(
                    f"the checkpoint holds the states of {len(states)} optimisers, the module has "
                    f"{len(trainer.optimizers)}"
                )
            for optimizer, state in zip(trainer.optimizers, states, strict=True):
                optimizer.load_state_dict(state)
            self.start = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done = int(pl_module.batches)  # type: ignore[arg-type]
        stop = self._stop(trainer, done)
        if (
            self.keep_every and done % self.keep_every == 0
        ):  # before last.ckpt, so that a run that continues from it has this one
            self._save(trainer, pl_module, f"step-{done}.ckpt")
        if stop or done % self.save_every == 0 or done == self.steps:
            self._save(trainer, pl_module, "last.ckpt")
        if stop and done < self.steps:
            raise Interrupted(self.request.number or signal.SIGTERM)

    def offer(self, trainer: Trainer, module: LightningModule, value: float) -> None:
        """Write `best.ckpt` if the value is the least so far; less is better, and NaN is never the least."""
        if value < (float("inf") if self.best is None else self.best):
            self.best = value
            self._save(trainer, module, "best.ckpt")

    def _stop(self, trainer: Trainer, done: int) -> bool:
        """Whether a signal asked any process to stop; several processes agree on it at every tenth batch."""
        if trainer.world_size == 1:
            return self.request.number is not None
        return done % 10 == 0 and bool(
            trainer.strategy.reduce_boolean_decision(self.request.number is not None, all=False)
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
    """Facts besides the settings on which the last bits of a training depend."""
    return {
        "torch": str(torch.__version__),
        "pytorch-lightning": version("pytorch-lightning"),
        "device": _device(trainer.strategy.root_device),
        "processes": trainer.world_size,
        "threads": torch.get_num_threads(),
        "precision": str(trainer.precision),
    }


def _device(device: torch.device) -> str:
    """The model of a GPU, or the instruction set that torch uses on a CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()


def _warn_of_changes(start: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    before = start.get("circumstances", {})
    changed = [f"{name} was {before.get(name)}, is {value}" for name, value in now.items() if before.get(name) != value]
    if changed:
        warnings.warn(f"the run goes on, but not to the last bit as before: {'; '.join(changed)}", stacklevel=2)
