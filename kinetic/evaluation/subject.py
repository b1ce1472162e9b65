"""What is scored: a generator's run, or motions, brought into the form of the real ones."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from kinetic.evaluation.reference import Reference
from kinetic.families.motions import prepare
from kinetic.formats.reading import read_motions
from kinetic.messages import safe_line
from kinetic.motion.coordinates import FARTHEST
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.scaler import Scaler
from kinetic.motion.synthetic import ACTIONS
from kinetic.runs.run import Run, load_run
from kinetic.runs.sample import draw

__all__ = ["Subject", "fitted", "open_subject"]

SHOWN = 12
"""Numbers of classes that a note lists with their names."""
IN_RANGE = 1.001
"""Largest coordinate of motions in [-1, 1], with room for rounding."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What is scored: the run of a generator, or motions; one of the two.

    Args:
        name: as reports print it
        run: the run of a generator; None = motions are scored
        motions: motions by anyone; None = a generator is scored
    """

    name: str
    run: Run | None = None
    motions: MotionSet | None = None

    def __post_init__(self) -> None:
        if (self.run is None) == (self.motions is None):
            raise ValueError(f"{self.name}: a subject is either a run or motions")

    def draw(self, label: np.ndarray, *, seed: int, truncation: float | None) -> MotionSet:
        """Generated motions with these labels (N,); motions by anyone are returned as they are."""
        if self.run is None:
            return self.motions  # type: ignore[return-value]
        return draw(self.run, label, seed=seed, truncation=truncation)


def open_subject(subject: Run | MotionSet | str | os.PathLike[str]) -> Subject:
    """The subject in a run or a set, or in the folder, checkpoint or file of one.

    Raises:
        TypeError: for anything else
        ValueError: for published weights, or the run of a recognition network
        FileNotFoundError: when there is no such run or file
    """
    if isinstance(subject, Run):
        return Subject(str(subject.path), run=subject)
    if isinstance(subject, MotionSet):
        return Subject(subject.source or "motions", motions=subject)
    if not isinstance(subject, (str, os.PathLike)):
        raise TypeError(f"expected a run, a MotionSet or the path of one, got {type(subject).__name__}")
    path = Path(subject)
    if path.suffix == ".pth":
        raise ValueError(
            f"{path}: published weights make motions in [-1, 1]; write some to a file (kinetic sample), and evaluate "
            f"that with --scaled"
        )
    if (path / "config.yaml").exists() or path.suffix == ".ckpt":
        run = load_run(path)
        run.sampler  # noqa: B018, raises for a model that makes no motions
        return Subject(str(path), run=run)
    return Subject(str(path), motions=read_motions(path))


def fitted(name: str, motions: MotionSet, reference: Reference, *, scaled: bool) -> tuple[MotionSet, list[str]]:
    """Motions by anyone with the classes, coordinates and frames of the real ones, and notes of what was assumed.

    Motions of classes without held-out real motions are left out.

    Args:
        name: for messages
        scaled: the motions lie in [-1, 1] and are turned into metres

    Raises:
        ValueError: for coordinates that are not finite or in another unit, another skeleton, unknown classes, padding,
            or no motion of a class that is held out
    """
    test, notes = reference.test, list[str]()
    motions.check(name, farthest=FARTHEST)
    if motions.skeleton.hash != test.skeleton.hash:
        raise ValueError(f"{name}: has another skeleton than the real motions")
    if motions.notes.get("padded"):
        raise ValueError(
            f"{name}: {motions.notes['padded']} motions end in frames of zeros, which are no motion; cut them"
        )
    numbered = motions.notes.get("classes") == "numbers"
    if scaled:
        notes.append("motions in [-1, 1] were scaled to metres by the extremes of the training motions")
    if numbered:
        motions = _named(name, motions, reference)
        numbers = np.unique(motions.label).tolist()
        listed = ", ".join(f"{k} = {safe_line(motions.class_names[k])}" for k in numbers[:SHOWN])
        notes.append(f"classes of the file are numbers: {listed}{' ...' if len(numbers) > SHOWN else ''}")
    motions = _with_classes(name, motions, test.class_names)
    if motions.shape[2] != test.shape[2]:
        notes.append(f"motions of {motions.shape[2]} frames were resampled to {test.shape[2]}")
    motions = motions.resampled(test.shape[2])
    motions = replace(motions, motion=np.asarray(motions.motion))  # scores read all of them several times
    low, high = float(motions.motion.min()), float(motions.motion.max())
    in_range = max(-low, high) <= IN_RANGE
    if scaled and not in_range:
        raise ValueError(f"{name}: scaled motions lie in [-1, 1], these reach from {low:.3g} to {high:.3g}")
    if numbered and not scaled and in_range:
        raise ValueError(
            f"{name}: its coordinates reach from {low:.3g} to {high:.3g}, as those of published generators do; "
            f"pass --scaled to turn them into metres by the extremes of the training motions"
        )
    if scaled:
        metres = _recorded_scaler(reference).inverse(torch.from_numpy(np.array(motions.motion)))
        motions = replace(motions, motion=metres.numpy())
    motions = motions.centred(reference.data.centering)
    motions = motions.select(np.isin(motions.label, test.label))
    if not len(motions):
        raise ValueError(f"{name}: there are no real test motions of its classes to compare with")
    return motions, notes


def _named(name: str, motions: MotionSet, reference: Reference) -> MotionSet:
    """Motions whose classes are numbers, with the names that these numbers have in the source of the real motions."""
    source = reference.data.source
    names = tuple(ACTIONS) if source == "synthetic" else read_motions(source).class_names
    if len(motions.class_names) > len(names):
        raise ValueError(
            f"{name}: has class {len(motions.class_names) - 1}, the real motions have 0 to {len(names) - 1}"
        )
    return replace(motions, class_names=names[: len(motions.class_names)])


def _with_classes(name: str, motions: MotionSet, class_names: tuple[str, ...]) -> MotionSet:
    """Motions with their classes matched by name to these."""
    used = np.unique(motions.label)
    if unknown := sorted({motions.class_names[k] for k in used.tolist()} - set(class_names)):
        raise ValueError(f"{name}: the real motions have no class {unknown[0]!r}; theirs: {', '.join(class_names)}")
    number = np.full(len(motions.class_names), -1)
    number[used] = [class_names.index(motions.class_names[k]) for k in used.tolist()]
    return replace(motions, label=number[motions.label], class_names=class_names)


def _recorded_scaler(reference: Reference) -> Scaler:
    """Metres to [-1, 1] by the extremes of the training motions as recorded, which published files are scaled by."""
    experiment = reference.experiment
    recorded = replace(experiment, data=replace(experiment.data, centering="none"))
    return Scaler.fit(prepare(recorded, skeleton=reference.test.skeleton).train, "minmax")
