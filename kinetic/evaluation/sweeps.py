"""How a generator's two knobs change its motions: truncation, which trades variety for quality, and block noise."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from kinetic.evaluation.comparison import Comparison
from kinetic.evaluation.evaluate import evaluate
from kinetic.evaluation.report import Report
from kinetic.metrics.variety import joint_deviation
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.scaler import Scaler
from kinetic.pictures.charts import joint_chart, truncation_chart
from kinetic.runs.run import Run

__all__ = [
    "PSI",
    "PUBLISHED_DEVIATION",
    "JointVariation",
    "draw_joint_variation",
    "draw_truncation",
    "joint_variation",
    "truncation_curve",
]

PSI = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
"""Truncations at which a curve is drawn."""

SHOWN = ("frechet", "precision", "recall", "accuracy", "multimodality", "variance", "mmd_sequence")
SHOWN_WITHOUT = ("apd", "variance", "mmd_sequence")
"""Scores of a curve, with a feature network and without."""

TRADE = (("frechet", "multimodality"), ("mmd_sequence", "apd"))
"""Quality and variety that a chart sets against each other, with a feature network and without."""

# Per-joint standard deviation under stochastic variation of Kinetic-GAN on NTU RGB+D, read from the figure of the paper
# (Degardin et al., WACV 2022); coordinates in [-1, 1].
_SPINE = {"SpineBase": 0.145, "SpineMid": 0.117, "SpineShoulder": 0.098, "Neck": 0.097, "Head": 0.092}
_LIMBS = ("Shoulder", "Elbow", "Wrist", "Hand", "Thumb", "HandTip", "Hip", "Knee", "Ankle", "Foot")
_SIDES = {
    "Left": (0.099, 0.119, 0.143, 0.148, 0.151, 0.151, 0.144, 0.180, 0.213, 0.210),
    "Right": (0.097, 0.109, 0.131, 0.137, 0.140, 0.141, 0.143, 0.171, 0.193, 0.193),
}
PUBLISHED_DEVIATION: dict[str, float] = _SPINE | {
    f"{limb}{side}": value for side, values in _SIDES.items() for limb, value in zip(_LIMBS, values, strict=True)
}
"""NTU-25 joint -> standard deviation of Kinetic-GAN's motions under stochastic variation, in [-1, 1] coordinates."""


def truncation_curve(
    comparison: Comparison,
    *,
    psi: Sequence[float] = PSI,
    seeds: int = 3,
    count: int | None = None,
    progress: bool = False,
) -> dict[float, Report]:
    """The scores of a generator at each truncation.

    Args:
        comparison: of a run, by `open_comparison`
        psi: truncations, from 0 (one latent for all) to 1 (none)
        seeds: generated sets at each
        count: motions of each class; None = as many as there are real ones

    Raises:
        ValueError: when motions of a file are scored, which no truncation changes
    """
    if comparison.subject.run is None:
        raise ValueError(f"{comparison.subject.name}: only a generator can be truncated, these are motions")
    names = SHOWN_WITHOUT if comparison.network is None else SHOWN
    bar = tqdm(psi, unit="psi", desc="truncation", disable=None if progress else True)
    return {
        truncation: evaluate(comparison, seeds=seeds, count=count, truncation=truncation, only=names)
        for truncation in bar
    }


def draw_truncation(curve: dict[float, Report], path: str | os.PathLike[str]) -> Path:
    """A PNG of a truncation curve. Raises ValueError where neither pair of `TRADE` could be computed."""
    psi = sorted(curve)
    rows = curve[psi[-1]].rows
    values = [{row.score.metric: row.score.value for row in curve[truncation].rows} for truncation in psi]
    names = [row.score.metric for row in rows if all(row.score.metric in scores for scores in values)]
    scores = {name: [point[name] for point in values] for name in names}
    floors = {row.floor.metric: row.floor.value for row in rows}
    trade = next((pair for pair in TRADE if set(pair) <= set(names)), None)
    if trade is None:
        raise ValueError(
            f"a curve needs {' or '.join(' and '.join(pair) for pair in TRADE)}; with these motions there are "
            f"{', '.join(names) or 'none'}: each class needs two real test motions"
        )
    return truncation_chart(psi, scores, floors, path, trade=trade)


@dataclass(frozen=True)
class JointVariation:
    """How far each joint moves when only the noise of the blocks is drawn anew.

    Args:
        joints: names of the V joints
        metres: standard deviations, (V,)
        scaled: the same in coordinates that reach from -1 to 1 at the extremes of the training motions, (V,)
        latents, draws: number of latents, and of draws of the noise for each
    """

    joints: tuple[str, ...]
    metres: tuple[float, ...]
    scaled: tuple[float, ...]
    latents: int
    draws: int


@torch.no_grad()
def joint_variation(
    run: Run, train: MotionSet, *, latents: int = 120, draws: int = 20, seed: int = 0
) -> JointVariation:
    """Per-joint standard deviation under stochastic variation: fixed latents and actions, noise drawn many times.

    The bar chart of Kinetic-GAN (Degardin et al., WACV 2022), whose numbers are `PUBLISHED_DEVIATION`.

    Args:
        train: the training motions, whose extremes set the scale
        latents: number of latents, for all actions in turn
        draws: motions of each latent, at least 2

    Raises:
        ValueError: for fewer than one latent or two draws, and for a model without noise beside its latents
    """
    if latents < 1 or draws < 2:
        raise ValueError(f"a deviation needs a latent and two draws of the noise, got {latents} and {draws}")
    generator: Any = run.sampler
    if not hasattr(generator, "draw_noise"):
        raise ValueError(f"{run.path}: model {run.experiment.model} has no noise beside its latents to vary")
    generator.eval()
    weight = generator.embedding.weight
    rng = torch.Generator(weight.device).manual_seed(seed)
    parts = []
    for first in range(0, latents, 12):
        label = torch.arange(first, min(first + 12, latents), device=weight.device) % generator.classes
        z = torch.randn(len(label), generator.latent, generator=rng, device=weight.device, dtype=weight.dtype)
        w = generator.map(z, label).repeat_interleave(draws, dim=0)
        motion = generator.synthesize(w, generator.draw_noise(len(w), like=w, rng=rng))
        if generator.scaler is not None:
            motion = generator.scaler.inverse(motion)  # type: ignore[operator]
        parts.append(motion.unflatten(0, (len(label), draws)).cpu())
    metres = joint_deviation(torch.cat(parts))
    scale = float(Scaler.fit(train, "minmax").scale.max())
    return JointVariation(run.skeleton.joints, tuple(metres.tolist()), tuple((metres / scale).tolist()), latents, draws)


def draw_joint_variation(variation: JointVariation, path: str | os.PathLike[str]) -> Path:
    """A PNG of a joint variation, beside the published one where joints have the names of NTU-25."""
    bars: dict[str, Sequence[float]] = {"this generator": variation.scaled}
    if set(variation.joints) <= set(PUBLISHED_DEVIATION):
        published = [PUBLISHED_DEVIATION[joint] for joint in variation.joints]
        bars["Kinetic-GAN (figure of the paper, NTU RGB+D)"] = published
    return joint_chart(variation.joints, bars, path, unit="coordinates in [-1, 1]")
