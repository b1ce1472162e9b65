"""The training data of families that learn motions: opened, selected, centred, split and scaled."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kinetic.families.interface import About, Material
from kinetic.messages import safe_line
from kinetic.settings.experiment import DataConfig, Experiment

if TYPE_CHECKING:
    from kinetic.motion.motion_set import MotionSet
    from kinetic.skeleton import Skeleton

__all__ = ["Prepared", "open_motions", "prepare", "side_text"]


@dataclass(frozen=True)
class Prepared:
    """The motions of an experiment, in metres.

    Attributes:
        train, test: the two sides of the split, centred and resampled
    """

    train: MotionSet
    test: MotionSet


def prepare(experiment: Experiment, *, skeleton: Skeleton | None = None) -> Prepared:
    """Open, select, centre and split the motions of an experiment.

    Args:
        skeleton: the skeleton of the experiment; None = the one that its settings name, read from its file
    """
    from kinetic.formats.reading import read_motions
    from kinetic.motion.synthetic import synthesise
    from kinetic.skeleton import load_skeleton

    data = experiment.data
    if data.source == "synthetic":
        synthetic = data.synthetic
        motions = synthesise(
            data.classes,
            subjects=synthetic.subjects,
            repeats=synthetic.repeats,
            frames=data.frames,
            seed=synthetic.seed,
            sensor_noise=synthetic.sensor_noise,
            dropout=synthetic.dropout,
        )
    else:
        motions = read_motions(data.source)
    if selection := _selection(data):
        try:
            motions = motions.where(**selection)
        except ValueError as error:
            raise ValueError(f"{data.source}: {error}") from error
    if experiment.skeleton is not None:
        motions = motions.on(skeleton or load_skeleton(experiment.skeleton))
    match data.fitting:
        case "stretch":
            motions = motions.resampled(data.frames).centred(data.centering)
        case "first":
            motions = motions.cut(data.frames).centred(data.centering)
        case "pad":  # motions are centred while their padding is known, so that it stays zeros
            motions = motions.centred(data.centering).cut(data.frames, hold=False)
    train, test = (motions, motions) if data.split == "none" else motions.split(data.split)
    return Prepared(train, test)


def _selection(data: DataConfig) -> dict[str, Any]:
    """The arguments of `MotionSet.where` for an experiment; only chosen synthetic actions are made."""
    selection: dict[str, Any] = {"views": data.views}
    if data.subjects is not None:
        selection["subjects"] = [int(name) if name.isdecimal() else name for name in data.subjects]
    if data.source != "synthetic":
        selection["classes"] = data.classes
    return {name: value for name, value in selection.items() if value is not None}


def side_text(motions: MotionSet, split: str, side: Literal["train", "test"]) -> str:
    """One side of a split in words: `nw_ucla/xsub/train (1020 motions)`."""
    return f"{motions.source or 'motions'}/{split}/{side} ({len(motions)} motions)"


def open_motions(experiment: Experiment, *, scaling: Literal["minmax", "standard", "none"]) -> Material:
    """The training data of a family that learns motions, scaled for its networks.

    Raises:
        ValueError: for a class without training motions, and for motions that are not finite
    """
    import numpy as np

    from kinetic.motion.coordinates import FARTHEST
    from kinetic.motion.scaler import Scaler
    from kinetic.training.batches import MotionData

    data = experiment.data
    prepared = prepare(experiment)
    train = prepared.train
    scaler = Scaler.fit(train.motion, scaling)
    if empty := [name for name, count in train.counts().items() if count == 0]:
        present = [name for name in train.class_names if name not in empty]
        side = "set" if data.split == "none" else f"training side of {data.split}"
        raise ValueError(
            f"{train.source}: the {side} has no motions of {', '.join(map(safe_line, empty[:8]))}"
            f"{f' and {len(empty) - 8} more' if len(empty) > 8 else ''}; choose others with data.classes, such as "
            f"--data.classes {json.dumps(','.join(present[:40]), ensure_ascii=False)}"
        )
    remarks = train.check(f"{data.source}: training motions", farthest=FARTHEST)
    _check_shared_memory(data, train.shape)
    loader = MotionData(
        train,
        scaler=scaler,
        batch_size=data.batch_size,
        seed=experiment.seed,
        balanced=data.balanced,
        workers=data.workers,
    )
    about = About(
        class_names=train.class_names,
        data=side_text(train, data.split, "train"),
        skeleton=train.skeleton,
        fps=float(np.mean(train.fps)),
        scaler=scaler,
    )
    return Material(about, loader, train, prepared.test, tuple(remarks))


def _check_shared_memory(data: DataConfig, shape: tuple[int, ...]) -> None:
    """Raises ValueError where shared memory is too small for the loader processes: they would die, or wait for ever."""
    from kinetic.motion.arrays import mebibytes

    place = Path("/dev/shm")
    if not data.workers or not place.is_dir():
        return
    ready = 2 * data.batch_size * 4 * math.prod(shape[1:])  # bytes of the two batches that a process has ready
    needed, free = data.workers * (ready + (64 << 10)), shutil.disk_usage(place).free
    if free < needed:
        raise ValueError(
            f"data.workers {data.workers}: the loader processes hand batches over in shared memory and need "
            f"{mebibytes(needed)}, {place} has {mebibytes(free)} free; make it larger (docker run --shm-size 1g), "
            f"or set data.workers 0"
        )
