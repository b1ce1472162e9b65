"""A trained run, opened from its folder or a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from kinetic.models.stgcn import Generator
from kinetic.models.tensors import weights_like
from kinetic.settings.reading import from_plain
from kinetic.settings.sections import Experiment
from kinetic.skeleton import Skeleton

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule


from kinetic.runs.build import build

__all__ = ["Run", "load_run", "named_error"]


@dataclass(frozen=True)
class Run:
    """A trained run, ready to use.

    Attributes:
        path: what was opened
        experiment: every setting
        module: the trained module in evaluation mode
        skeleton, class_names, fps: of the motions it was trained on
        summary: what it was trained on, in words
    """

    path: Path
    experiment: Experiment
    module: LightningModule
    skeleton: Skeleton
    class_names: tuple[str, ...]
    fps: float
    summary: str

    @property
    def generator(self) -> Generator:
        """The generator that samples are drawn from. Raises ValueError when the run trained something else."""
        if self.experiment.model != "gan":
            raise ValueError(f"{self.path}: this run trained a recognition network, which generates nothing")
        return cast(Generator, self.module.sampler)


def load_run(path: str | os.PathLike[str]) -> Run:
    """Open a run folder, or one of its checkpoints, which needs nothing beside it.

    Raises:
        FileNotFoundError: when there is no such folder or file, or the run has no checkpoint yet
        ValueError: names the file and what is wrong with it
    """
    from kinetic.motion.scaler import Scaler
    from kinetic.training.checkpoint import read_checkpoint

    file = Path(path)
    if file.is_dir():
        file = file / "checkpoints" / "last.ckpt"
        if not file.exists():
            raise FileNotFoundError(f"{path}: the run has no checkpoint yet ({file.name} is not there)")
    content = read_checkpoint(file)
    about = content.get("kinetic")
    if not isinstance(about, Mapping) or not {"experiment", "skeleton", "class_names", "fps", "data"} <= set(about):
        raise ValueError(f"{file}: expected a checkpoint of kinetic, found another one")
    try:
        experiment = from_plain(about["experiment"])
        skeleton = Skeleton.from_dict(about["skeleton"])
        class_names, fps = _plain_names(about["class_names"]), float(about["fps"])
        scaler = Scaler.for_shape(skeleton.channels, len(skeleton.joints))
        with torch.device("meta"):  # takes no memory, however large the settings are
            sketch = build(experiment, skeleton=skeleton, classes=len(class_names), scaler=scaler)
        weights = weights_like(file, content["state_dict"], sketch)
        module = build(experiment, skeleton=skeleton, classes=len(class_names), scaler=scaler)
        module.load_state_dict(weights)
    except (ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise named_error(file, error) from error
    return Run(Path(path), experiment, module.eval(), skeleton, class_names, fps, str(about["data"]))


def _plain_names(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"class_names must be a list of names, found a {type(names).__name__}")
    return tuple(names)


def named_error(file: Path, error: Exception, what: str = "") -> ValueError:
    """The error in one line that begins with the file."""
    reason = " ".join(str(error).split()).removeprefix(f"{file}: ")[:300]
    return ValueError(f"{file}: {what}{reason}")
