"""A trained run, opened from its folder or from one of its checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kinetic.families.experiments import from_plain
from kinetic.families.interface import About, Family, Sampler
from kinetic.families.table import family_of
from kinetic.messages import LONGEST_MESSAGE, safe_line
from kinetic.models.tensors import weights_hash, weights_like
from kinetic.settings.experiment import Experiment
from kinetic.settings.reading import nested, to_plain
from kinetic.skeleton import Skeleton

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule
    from torch import nn

__all__ = ["Run", "about_from_plain", "about_to_plain", "load_run", "named_error"]

FASTEST = 1e6
"""Most frames per second of motions."""


@dataclass(frozen=True, repr=False)
class Run:
    """A trained run, ready to use.

    Attributes:
        path: the folder or file of the run
        experiment: every setting
        module: the trained module in evaluation mode
        about: its training data
    """

    path: Path
    experiment: Experiment
    module: LightningModule
    about: About

    def __repr__(self) -> str:
        return (
            f"Run({str(self.path)!r}, {self.experiment.model}, {len(self.class_names)} classes, "
            f"{self.batches} batches, trained on {safe_line(self.about.data, LONGEST_MESSAGE)})"
        )

    @property
    def family(self) -> Family:
        """The family of its model."""
        return family_of(self.experiment)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of its classes, in the order of their numbers."""
        return self.about.class_names

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of its motions. Raises ValueError for a model of something else."""
        return self.about.motion_skeleton

    @property
    def fps(self) -> float:
        """Frames per second of its motions."""
        return 30.0 if self.about.fps is None else self.about.fps

    @property
    def summary(self) -> str:
        """Its training data in words."""
        return self.about.data

    @property
    def batches(self) -> int:
        """Number of training batches behind it."""
        return int(self.module.batches)  # type: ignore[arg-type]

    @property
    def sampler(self) -> Sampler:
        """The sampler of its motions. Raises ValueError when the model makes no motions."""
        if (sampler_of := self.family.sampler) is None:
            raise ValueError(f"{self.path}: model {self.experiment.model} makes no motions; expected a generator")
        return sampler_of(self.module)

    @property
    def sampler_hash(self) -> str:
        """Twelve hexadecimal digits that stand for the weights that samples are drawn with. Raises ValueError."""
        return weights_hash(self.sampler)  # type: ignore[arg-type]

    @property
    def recogniser(self) -> nn.Module:
        """The network that names the class of a motion. Raises ValueError when the model recognises nothing."""
        if (recogniser_of := self.family.recogniser) is None:
            raise ValueError(
                f"{self.path}: model {self.experiment.model} recognises nothing; expected a recognition network"
            )
        return recogniser_of(self.module)


def load_run(path: str | os.PathLike[str]) -> Run:
    """Open a run folder, or one of its checkpoints, which needs nothing beside it.

    Raises:
        FileNotFoundError: when there is no such folder or file, or the run has no checkpoint yet
        ValueError: names the file and what is wrong with it
    """
    from kinetic.training.checkpoint import read_checkpoint

    file = Path(path)
    if file.is_dir():
        file = file / "checkpoints" / "last.ckpt"
        if not file.exists():
            raise FileNotFoundError(f"{path}: the run has no checkpoint yet ({file.name} is not there)")
    content = read_checkpoint(file)
    plain = content.get("kinetic")
    if not isinstance(plain, Mapping) or not {"experiment", "skeleton", "class_names", "fps", "data"} <= set(plain):
        raise ValueError(f"{file}: expected a checkpoint of kinetic, got one of something else")
    try:
        experiment = from_plain(plain["experiment"], strict=False)
        about = about_from_plain(plain)
        family = family_of(experiment)
        with torch.device("meta"):  # takes no memory, however large the settings are
            sketch = family.build(experiment, about)
        weights = weights_like(file, content["state_dict"], sketch)
        module = family.build(experiment, about)
        module.load_state_dict(weights)
    except (ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise named_error(file, error) from error
    return Run(Path(path), experiment, module.eval(), about)


def about_to_plain(experiment: Experiment, about: About) -> dict[str, Any]:
    """The part of a checkpoint that describes it: plain values only, which are safe to read."""
    return {
        "experiment": to_plain(experiment),
        "skeleton": None if about.skeleton is None else about.skeleton.to_dict(),
        "class_names": list(about.class_names),
        "fps": about.fps,
        "data": about.data,
        "more": dict(about.more),
    }


def about_from_plain(plain: Mapping[str, Any]) -> About:
    """The training data in the result of `about_to_plain`. Raises ValueError, TypeError and KeyError for anything else.

    A checkpoint may come from a stranger: every value is checked.
    """
    from kinetic.motion.scaler import Scaler

    names, data, fps, more = plain["class_names"], plain["data"], plain["fps"], plain.get("more", {})
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"class_names must be a list of names, got a {type(names).__name__}")
    if not isinstance(data, str):
        raise ValueError(f"data must be a text, got a {type(data).__name__}")
    if fps is not None and not (isinstance(fps, int | float) and 0 < fps <= FASTEST):
        raise ValueError(f"fps must be a number above 0 and at most {FASTEST}, got {str(fps)[:40]}")
    if not isinstance(more, dict) or not isinstance(more.get("notes", {}), dict):
        raise ValueError("more and its notes must hold names and values")
    skeleton = None if plain["skeleton"] is None else Skeleton.from_dict(plain["skeleton"])
    return About(
        class_names=tuple(names),
        data=data,
        skeleton=skeleton,
        fps=None if fps is None else float(fps),
        scaler=None if skeleton is None else Scaler.for_shape(skeleton.channels, len(skeleton.joints)),
        more=nested(more, "more: ", dots=False),
    )


def named_error(file: Path, error: Exception, what: str = "") -> ValueError:
    """The error in one line that begins with the file."""
    reason = safe_line(" ".join(str(error).split()).removeprefix(f"{file}: "), 300)
    return ValueError(f"{file}: {what}{reason}")
