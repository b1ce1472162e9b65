"""The family `gan`: Kinetic-GAN (Degardin et al., WACV 2022), a conditional ST-GCN generator and critic."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kinetic.families.interface import About, Family, Material, Option, Sampler, Watch
from kinetic.families.motions import open_motions
from kinetic.families.watching import watch_samples
from kinetic.settings.kinetic_gan import LOSSES, POOLING, GanExperiment

if TYPE_CHECKING:
    from kinetic.models.stgcn import Critic, Generator
    from kinetic.training.wgan import KineticGAN

__all__ = ["KINETIC_GAN", "build_networks", "build_trainer"]


def build_networks(experiment: GanExperiment, about: About) -> tuple[Generator, Critic]:
    """Generator and critic of an experiment, with fresh weights from torch's global generator."""
    from kinetic.models.stgcn import Critic, Generator
    from kinetic.nn.noise import GaussianNoise
    from kinetic.skeleton import SkeletonPyramid

    skeleton = about.motion_skeleton
    shape = {
        "classes": len(about.class_names),
        "frames": experiment.data.frames,
        "channels": skeleton.channels,
    }
    pyramid = SkeletonPyramid.of(skeleton)
    settings, other = experiment.generator, experiment.critic
    generator = Generator(
        pyramid,
        **shape,
        latent=settings.latent,
        mapping_depth=settings.mapping_depth,
        mapping=settings.mapping,
        widths=settings.widths,
        last_width=settings.last_width,
        label_width=settings.label_width,
        upsampling=settings.upsampling,
        padding=settings.padding,
        output=settings.output,
        norm=settings.norm,
        partition=settings.partition,
        halved_top=settings.halved_top,
    )
    critic = Critic(
        pyramid,
        **shape,
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


def build_trainer(experiment: GanExperiment, about: About, generator: Generator, critic: Critic) -> KineticGAN:
    """The module that trains two networks with the settings of an experiment; the networks may be your own."""
    from kinetic.nn.noise import QuantileNoise, plain_draw
    from kinetic.training.wgan import KineticGAN

    settings = experiment.training
    quantile = settings.quantile
    generator.scaler = about.scaler
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


def _build(experiment: GanExperiment, about: About) -> KineticGAN:
    import torch

    from kinetic.training.randomness import seeded

    with seeded(experiment.seed, device=torch.device("cpu")):
        generator, critic = build_networks(experiment, about)
    return build_trainer(experiment, about, generator, critic)


def _open(experiment: GanExperiment) -> Material:
    return open_motions(experiment, scaling=experiment.data.scaling)


def _sampler(module: KineticGAN) -> Sampler:
    return cast(Sampler, module.sampler)


def _watch(experiment: GanExperiment, material: Material, folder: Path) -> Watch:
    return watch_samples(material.train, folder, _sampler)


def _cycle(experiment: GanExperiment) -> int:
    return math.lcm(experiment.training.critic_steps, experiment.training.penalty_every)


def _open_published(path: Path) -> tuple[GanExperiment, KineticGAN, About]:
    """Published weights of a generator (`.pth`) as if they were a run; their motions stay in [-1, 1]."""
    from kinetic.models.stgcn import Critic
    from kinetic.models.weights import load_published_generator
    from kinetic.training.wgan import KineticGAN

    generator = load_published_generator(path)
    critic = Critic(generator.pyramid, classes=generator.classes, frames=generator.frames, channels=generator.channels)
    about = About(
        class_names=tuple(f"A{number + 1}" for number in range(generator.classes)),
        data="published weights; coordinates in [-1, 1]",
        skeleton=replace(generator.pyramid.levels[0], channels=generator.channels),
        fps=30.0,
        more={"notes": {"classes": "numbers", "scaling": "[-1, 1]"}},
    )
    return GanExperiment(name=path.stem), KineticGAN(generator, critic), about


def _check_truncation(psi: float) -> None:
    if not 0 <= psi <= 1:
        raise ValueError(f"truncation lies between 0 (one latent for all) and 1 (none), got {psi}")


def _check_space(space: str) -> None:
    if space not in ("w", "z"):
        raise ValueError(f"space must be w or z, got {space!r}")


KINETIC_GAN = Family(
    name="gan",
    settings=GanExperiment,
    version=1,
    open=_open,
    build=_build,
    watch=_watch,
    sampler=_sampler,
    options={
        "truncation": Option("pull latents to their mean: 1 = none, 0 = all", float, _check_truncation),
        "space": Option("the latents that are truncated", str, _check_space, default="w", choices=("w", "z")),
    },
    foreign={".pth": _open_published},
    shown=("loss/critic", "loss/generator"),
    free=("training.steps", "training.epochs", "training.save_every", "data.workers"),
    cycle=_cycle,
    partial=True,
)
"""Kinetic-GAN with WGAN-GP as published, and with further options."""
