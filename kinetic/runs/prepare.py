"""The motions of an experiment, opened, selected, centred and split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.synthetic import synthesise
from kinetic.settings.sections import DataConfig, Experiment
from kinetic.skeleton import Skeleton, load_skeleton

if TYPE_CHECKING:
    from kinetic.motion.scaler import Scaler


__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """The motions of an experiment, ready to train on.

    Attributes:
        train, test: the two sides of the split, centred and resampled, in metres
        scaler: metres to network coordinates, from the training side
    """

    train: MotionSet
    test: MotionSet
    scaler: Scaler


def prepare(experiment: Experiment, *, skeleton: Skeleton | None = None) -> Prepared:
    """Open, select, centre and split the motions of an experiment, and fit their scaler on the training side.

    Args:
        skeleton: the one that the experiment names, where it is known already; its file is not read then
    """
    from kinetic.motion.scaler import Scaler

    data = experiment.data
    if data.source == "synthetic":
        made = data.synthetic
        motions = synthesise(
            data.classes,
            subjects=made.subjects,
            repeats=made.repeats,
            frames=data.frames,
            seed=made.seed,
            sensor_noise=made.sensor_noise,
            dropout=made.dropout,
        )
    else:
        motions = read_motions(data.source)
    if chosen := _chosen(data):
        try:
            motions = motions.where(**chosen)
        except ValueError as error:
            raise ValueError(f"{data.source}: {error}") from error
    if experiment.skeleton is not None:
        motions = motions.on(skeleton or load_skeleton(experiment.skeleton))
    match data.fitting:
        case "stretch":
            motions = motions.resampled(data.frames).centred(data.centering)
        case "first":
            motions = motions.cut(data.frames).centred(data.centering)
        case "pad":  # what is centred while it is known to be padding stays zeros
            motions = motions.centred(data.centering).cut(data.frames, hold=False)
    train, test = (motions, motions) if data.split == "none" else motions.split(data.split)
    kind: Literal["minmax", "standard", "none"] = "none" if experiment.model == "encoder" else data.scaling
    return Prepared(train, test, Scaler.fit(train.motion, kind))


def _chosen(data: DataConfig) -> dict[str, Any]:
    """What an experiment selects, as arguments of `MotionSet.where`; synthetic actions are made as chosen."""
    chosen: dict[str, Any] = {"views": data.views}
    if data.subjects is not None:
        chosen["subjects"] = [int(name) if name.isdecimal() else name for name in data.subjects]
    if data.source != "synthetic":
        chosen["classes"] = data.classes
    return {name: value for name, value in chosen.items() if value is not None}
