"""A family of the user in one file: motions are a Gaussian around the mean motion of their class."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from kinetic.families.interface import Family, Option
from kinetic.families.motions import open_motions
from kinetic.families.table import FAMILIES
from kinetic.families.watching import watch_samples
from kinetic.settings.checks import at_least
from kinetic.settings.experiment import Experiment
from kinetic.training.randomness import seeded


@dataclass(frozen=True, kw_only=True)
class GaussianConfig:
    """What the Gaussian looks like.

    Args:
        spread: standard deviation around the mean, as a share of that of the training motions
    """

    spread: float = 1.0

    def __post_init__(self) -> None:
        at_least("gaussian", 0, spread=self.spread)


@dataclass(frozen=True, kw_only=True)
class GaussianExperiment(Experiment):
    """A Gaussian around the mean motion of each class.

    Args:
        gaussian: the Gaussian
    """

    name: str = "gaussian"
    model: str = "gaussian"
    gaussian: GaussianConfig = field(default_factory=GaussianConfig)


class Gaussian(LightningModule):
    """Learns the mean motion of each class by gradient steps, and draws motions around it."""

    batches: Tensor

    def __init__(self, shape, classes, scaler, *, spread, learning_rate, seed):
        super().__init__()
        self.mean = nn.Parameter(0.01 * torch.randn(classes, *shape))
        self.scaler, self.spread, self.learning_rate, self.seed = scaler, spread, learning_rate, seed
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)

    def training_step(self, batch, batch_idx):
        motion, label = batch
        with seeded(self.seed, int(self.batches), device=motion.device):
            loss = (self.mean[label] - motion + 0.01 * torch.randn_like(motion)).square().mean()
        self.batches += 1
        self.log("loss/mean", loss.detach())
        return loss

    @torch.no_grad()
    def sample(self, n, label=None, *, generator, tightness=1.0):
        mean = self.mean[torch.arange(n) % len(self.mean) if label is None else label]
        noise = torch.randn(mean.shape, generator=generator, device=self.device)
        return self.scaler.inverse(mean + tightness * self.spread * noise)


def _build(experiment, about):
    shape = (about.skeleton.channels, experiment.data.frames, len(about.skeleton.joints))
    with seeded(experiment.seed, device=torch.device("cpu")):
        return Gaussian(
            shape,
            len(about.class_names),
            about.scaler,
            spread=experiment.gaussian.spread,
            learning_rate=experiment.training.learning_rate,
            seed=experiment.seed,
        )


def _itself(module):
    return module


GAUSSIAN = Family(
    name="gaussian",
    settings=GaussianExperiment,
    version=1,
    open=lambda experiment: open_motions(experiment, scaling="standard"),
    build=_build,
    watch=lambda experiment, material, folder: watch_samples(material.train, folder, _itself),
    sampler=_itself,
    options={"tightness": Option("factor of the noise", float, default=1.0)},
    shown=("loss/mean",),
)
FAMILIES[GAUSSIAN.name] = GAUSSIAN
