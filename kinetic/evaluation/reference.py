"""The real motions that others are compared with: which they are, and a hash that stands for them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from kinetic.families.motions import prepare
from kinetic.motion.coordinates import FARTHEST, chunks
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.stored import release
from kinetic.runs.run import Run
from kinetic.settings.experiment import DataConfig, Experiment
from kinetic.skeleton import Skeleton

__all__ = ["Reference", "common_rate", "like", "open_reference", "reference_settings"]


@dataclass(frozen=True, eq=False)
class Reference:
    """The real motions on both sides of a split.

    Args:
        train: motions that a generator or a recognition network learned from
        test: held-out motions, which a subject is compared with
        experiment: the settings that name, select and centre both
    """

    train: MotionSet
    test: MotionSet
    experiment: Experiment

    @property
    def data(self) -> DataConfig:
        """The settings of the motions."""
        return self.experiment.data

    def name(self, side: Literal["train", "test"] = "test") -> str:
        """The name of a side in labels of scores, such as `synthetic/xsub/test`."""
        return f"{getattr(self, side).source or 'motions'}/{self.data.split}/{side}"

    def labels(self, count: int | None = None) -> np.ndarray:
        """Labels of motions to generate: those of the held-out motions, or `count` of each of their classes.

        A class with fewer training than held-out motions gets as many labels as training motions, so that the floor
        can have equal numbers.
        """
        test, train = self.test.label, self.train.label
        classes = np.unique(test)
        if count is not None:
            return np.repeat(classes, count)
        rows = [np.flatnonzero(test == k)[: np.count_nonzero(train == k) or None] for k in classes]
        return test[np.sort(np.concatenate(rows))]

    def floor(self, label: np.ndarray, draws: int) -> list[Tensor]:
        """Rows of training motions with as many motions of each class as there are labels, one set per draw.

        Where every draw takes all motions of these classes, there is one set.
        """
        rows = [like(self.train.label, label, seed) for seed in range(draws)]
        return rows[:1] if len(rows[0]) == np.isin(self.train.label, label).sum() else rows

    def select(self, classes: np.ndarray) -> Reference:
        """The reference with the motions of some classes alone, where `classes` (K,) is true."""
        train, test = (side.select(classes[side.label]) for side in (self.train, self.test))
        return replace(self, train=train, test=test)

    def numbered(self, class_names: tuple[str, ...]) -> Reference:
        """The same reference, with the same classes in another order."""
        return replace(self, train=_numbered(self.train, class_names), test=_numbered(self.test, class_names))

    @cached_property
    def hash(self) -> str:
        """Six hexadecimal digits that stand for the motions of both sides, their classes, rates and skeleton.

        Only the order of the motions and differences of rounding leave the hash as it is (see `_sketch`): the same
        synthetic motions differ in their last bits from machine to machine.
        """
        digest = hashlib.sha256(self.test.skeleton.hash.encode())
        for name, side in (("train", self.train), ("test", self.test)):
            digest.update(f"{side.shape[1:]} {np.unique(np.round(side.fps, 3)).tolist()}\0".encode())
            for class_name, count in sorted(side.counts().items()):
                if count:
                    digest.update(f"{class_name}\0{count}\0".encode())
            digest.update(f"{_sketch(side, name).tolist()}".encode())
        return digest.hexdigest()[:6]


def reference_settings(
    run: Run | None, motions: MotionSet | None, path: str | os.PathLike[str] | None, split: str | None
) -> Experiment:
    """The settings that open a reference: those of a run, or the defaults, changed where a comparison needs it.

    Args:
        run: names the real motions; None = `path` does, and their frames and centering are those of `motions`
        motions: what is scored; None = a run is
        path: other real motions, reduced to the classes that the run knows
        split: another split

    Raises:
        ValueError: for a split that holds no motions out
    """
    experiment = Experiment() if run is None else run.experiment
    data = experiment.data
    if path is not None:
        data = replace(data, source=os.fspath(path), classes=None if run is None else list(run.class_names))
    if split is not None:
        data = replace(data, split=split)  # type: ignore[arg-type]
    if data.split == "none":
        raise ValueError(f"{data.source}: split none holds no motions out to score with; pass xsub, xview or xsetup")
    if motions is not None:
        centering = motions.notes.get("centering")
        if run is None:
            frames = motions.shape[2] if _usual_frames(motions.shape[2]) else data.frames
            data = replace(data, frames=frames, centering=centering or data.centering)
        elif centering == "frame":  # the path through the room is lost: real motions must lose it too
            data = replace(data, centering="frame")
    return replace(experiment, data=data)


def _usual_frames(frames: int) -> bool:
    """Whether motions of so many frames are compared as they are; others are resampled to the default."""
    return frames % 16 == 0 and 16 <= frames <= 1024


def open_reference(experiment: Experiment, skeleton: Skeleton | None) -> Reference:
    """The real motions of some settings, checked.

    Args:
        skeleton: as for `prepare`

    Raises:
        ValueError: for coordinates that are not finite, or motions that are or end in zeros
    """
    real = prepare(experiment, skeleton=skeleton)
    source = experiment.data.source
    for side in (real.train, real.test):
        side.check(source, farthest=FARTHEST)
        if side.notes.get("empty"):
            raise ValueError(f"{source}: {side.notes['empty']} motions hold zeros only; leave them out")
        if side.notes.get("padded"):
            raise ValueError(
                f"{source}: {side.notes['padded']} motions end in frames of zeros, which are no motion; score a "
                f"network that was trained with --data.fitting stretch or first"
            )
    return Reference(real.train, real.test, experiment)


def like(candidates: np.ndarray, label: np.ndarray, seed: int) -> Tensor:
    """Rows with as many motions of each class as there are labels of it, or all where there are fewer, none twice.

    Args:
        candidates: (N,) labels of the rows to choose from
        label: (M,) labels whose numbers the rows match
        seed: of the choice
    """
    rng = np.random.default_rng([seed, 1])
    rows = []
    for k, count in zip(*np.unique(label, return_counts=True), strict=True):
        rows.append(rng.permutation(np.flatnonzero(candidates == k))[:count])
    return torch.from_numpy(np.sort(np.concatenate(rows)))


def common_rate(motions: MotionSet) -> float | None:
    """Frames per second of a set; None where its motions have different rates."""
    rates = np.unique(motions.fps)
    return float(rates[0]) if len(rates) == 1 else None


def _numbered(motions: MotionSet, class_names: Sequence[str]) -> MotionSet:
    """The same motions, with their classes numbered in this order."""
    number = np.array([class_names.index(name) for name in motions.class_names])
    return replace(motions, label=number[motions.label], class_names=tuple(class_names))


SKETCHES = 4
"""Numbers that stand for the motions of a side: each would miss a swapped label, say, once in a hundred times."""
STEP = 0.01
"""The unit that sketches are rounded to. A millimetre of one motion moves them by 0.03, rounding of 1000 by 3e-6."""


def _sketch(motions: MotionSet, side: str) -> np.ndarray:
    """Whole numbers (SKETCHES,) that tell sets of motions apart, and agree where sets differ in rounding or order.

    Each is a sum over motions of cos(2 w . x + b), in units of STEP: a value of their characteristic function, as
    random Fourier features have it (Rahimi and Recht 2007). w has unit length and holds 0 and one other number, in an
    order that follows from a hash of the side, the class and the number of the sketch; b follows from the same hash.
    A cosine is not linear, so that an exchange of parts between motions changes the sum; half of w is 0, so that a
    shift by one millimetre adds up.
    """
    size = int(np.prod(motions.shape[1:]))
    wave, phase = {}, {}
    for k in np.unique(motions.label).tolist():
        keys = [f"{side}\0{motions.class_names[k]}\0{j}".encode() for j in range(SKETCHES)]
        raw = np.array([np.frombuffer(hashlib.shake_256(key).digest(size // 8 + 9), np.uint8) for key in keys])
        half = np.unpackbits(raw[:, 8:], axis=1)[:, :size].astype(np.float64)
        wave[k] = 2 * half / np.linalg.norm(half, axis=1, keepdims=True).clip(min=1)  # (SKETCHES, C T V)
        phase[k] = raw[:, 0] / 256 * 2 * np.pi
    total = np.zeros(SKETCHES)
    for rows in chunks(motions.motion):
        part = np.asarray(motions.motion[rows]).reshape(-1, size).astype(np.float64)
        release(motions.motion)
        for k in np.unique(motions.label[rows]).tolist():
            total += np.cos(part[motions.label[rows] == k] @ wave[k].T + phase[k]).sum(axis=0)
    return np.round(total / STEP).astype(np.int64)
