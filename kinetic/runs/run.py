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
from kinetic.models.tensors import weights_hash, weights_like
from kinetic.settings.experiment import Experiment
from kinetic.settings.reading import to_plain
from kinetic.skeleton import Skeleton

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule
    from torch import nn

__all__ = ["Run", "about_from_plain", "about_to_plain", "load_run", "named_error"]


@dataclass(frozen=True, repr=False)
class Run:
    """A trained run, ready to use.

    Attributes:
        path: the folder or file that was opened
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
            f"{self.batches} batches, trained on {self.about.data})"
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
        """Training batches that are done."""
        return int(self.module.batches)  # type: ignore[arg-type]

    @property
    def sampler(self) -> Sampler:
        """What samples are drawn with. Raises ValueError when the model makes no motions."""
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
        raise ValueError(f"{file}: expected a checkpoint of kinetic, found another one")
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
    """What makes a checkpoint complete: plain values only, so that it can be read safely."""
    return {
        "experiment": to_plain(experiment),
        "skeleton": None if about.skeleton is None else about.skeleton.to_dict(),
        "class_names": list(about.class_names),
        "fps": about.fps,
        "data": about.data,
        "more": dict(about.more),
    }


def about_from_plain(plain: Mapping[str, Any]) -> About:
    """What `about_to_plain` wrote down. Raises ValueError, TypeError and KeyError for anything else."""
    from kinetic.motion.scaler import Scaler

    names, fps, more = plain["class_names"], plain["fps"], plain.get("more", {})
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"class_names must be a list of names, found a {type(names).__name__}")
    if not isinstance(more, dict):
        raise ValueError(f"more must hold names and values, found a {type(more).__name__}")
    skeleton = None if plain["skeleton"] is None else Skeleton.from_dict(plain["skeleton"])
    return About(
        class_names=tuple(names),
        data=str(plain["data"]),
        skeleton=skeleton,
        fps=None if fps is None else float(fps),
        scaler=None if skeleton is None else Scaler.for_shape(skeleton.channels, len(skeleton.joints)),
        more=more,
    )


def named_error(file: Path, error: Exception, what: str = "") -> ValueError:
    """The error in one line that begins with the file."""
    reason = " ".join(str(error).split()).removeprefix(f"{file}: ")[:300]
    return ValueError(f"{file}: {what}{reason}")
