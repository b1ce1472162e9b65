"""From settings to networks and the module that trains them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from kinetic.models.encoder import Encoder
from kinetic.models.stgcn import Critic, Generator
from kinetic.nn.noise import GaussianNoise, QuantileNoise, plain_draw
from kinetic.nn.pooling import POOLING
from kinetic.settings.sections import Experiment
from kinetic.skeleton import Skeleton, SkeletonPyramid

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule

    from kinetic.motion.scaler import Scaler


__all__ = ["build", "build_networks"]


def build(
    experiment: Experiment, *, skeleton: Skeleton, classes: int, scaler: Scaler, steps: int | None = None
) -> LightningModule:
    """The module that an experiment trains, with weights that follow from its seed."""
    from kinetic.training.encoder import EncoderTraining
    from kinetic.training.losses import LOSSES
    from kinetic.training.randomness import seeded
    from kinetic.training.wgan import KineticGAN

    settings = experiment.training
    with seeded(experiment.seed, device=torch.device("cpu")):
        if experiment.model == "encoder":
            own = experiment.encoder
            encoder = Encoder(
                skeleton,
                classes=classes,
                frames=experiment.data.frames,
                widths=own.widths,
                dropout=own.dropout,
                facing=own.facing,
            )
            return EncoderTraining(
                encoder,
                steps=steps or 1,
                learning_rate=settings.learning_rate,
                weight_decay=own.weight_decay,
                smoothing=own.smoothing,
                augment=own.augment,
                angle=math.radians(own.turn),
                mirrored=own.mirror,
                seed=experiment.seed,
            )
        generator, critic = build_networks(experiment, skeleton=skeleton, classes=classes)
    generator.scaler = scaler
    quantile = settings.quantile
    return KineticGAN(
        generator,
        critic,
        learning_rate=settings.learning_rate,
        betas=settings.betas,
        critic_steps=settings.critic_steps,
        penalty=settings.penalty,
        penalty_every=settings.penalty_every,
        loss=LOSSES[settings.loss],
        draw=plain_draw
        if quantile is None
        else QuantileNoise(quantile.q, nudge=quantile.nudge, std=quantile.std, kind=quantile.kind),
        mismatch=settings.mismatch,
        diversity=settings.diversity,
        ema=experiment.generator.ema,
        seed=experiment.seed,
        max_norm=settings.max_norm,
    )


def build_networks(experiment: Experiment, *, skeleton: Skeleton, classes: int) -> tuple[Generator, Critic]:
    """Generator and critic of an experiment, with fresh weights."""
    pyramid, data = SkeletonPyramid.of(skeleton), experiment.data
    own, other = experiment.generator, experiment.critic
    generator = Generator(
        pyramid,
        classes=classes,
        frames=data.frames,
        channels=skeleton.channels,
        latent=own.latent,
        mapping_depth=own.mapping_depth,
        mapping=own.mapping,
        widths=own.widths,
        last_width=own.last_width,
        label_width=own.label_width,
        upsampling=own.upsampling,
        padding=own.padding,
        output=own.output,
        norm=own.norm,
        partition=own.partition,
        halved_top=own.halved_top,
    )
    critic = Critic(
        pyramid,
        classes=classes,
        frames=data.frames,
        channels=skeleton.channels,
        widths=other.widths,
        label=other.label,
        label_width=other.label_width,
        features=other.features,
        pooling=POOLING[other.pooling],
        input_noise=GaussianNoise(other.noise.std, shared=other.noise.shared, decay=other.noise.decay),
        label_smoothing=other.label_smoothing,
        partition=other.partition,
    )
    return generator, critic
