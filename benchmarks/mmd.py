"""MMDa, the maximum mean discrepancy between poses averaged over frames, by the estimator `paired`.

The number that matters is the ratio of `kinetic` to `literal`: the same score with one kernel matrix for each bandwidth
and each frame, from differences of all pairs of poses. That form computes in float32, as scripts do, and `kinetic` in
float64. All frames cost the same, so `literal` is timed on some and counted for all.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.pairs import require
from kinetic.metrics.mmd import BANDWIDTHS, mmd

params = {"motions": 300, "frames": 64, "width": 75}
BASELINE = "literal"
COMPARED = 50  # motions on each side in a comparison: the literal form takes seconds for them already
TIMED = 8  # frames
MODES = 6  # of the motions, which make distances differ as those of real motions do


@dataclass
class State:
    """Motions on both sides, (N, 1, T, width)."""

    fake: Tensor
    real: Tensor


def setup(device: torch.device, *, motions: int, frames: int, width: int) -> State:
    rng = torch.Generator().manual_seed(0)
    modes = torch.randn(MODES, frames * width, generator=rng)

    def draw(shift: float) -> Tensor:
        weight = torch.randn(motions, MODES, generator=rng) + shift
        noise = torch.randn(motions, frames * width, generator=rng)
        return (0.15 * weight @ modes + 0.02 * noise).view(motions, 1, frames, width).to(device)

    return State(draw(0.2), draw(0.0))


def literal(fake: Tensor, real: Tensor) -> Tensor:
    """The score of (N, 1, T, width), bandwidth by bandwidth, frame by frame and matrix by matrix."""

    def kernel(a: Tensor, b: Tensor, bandwidth: float) -> Tensor:
        return torch.exp(-(a.unsqueeze(1) - b).pow(2).sum(dim=2) / bandwidth)

    m, frames = fake.shape[0], fake.shape[2]
    best = fake.new_zeros(())
    for bandwidth in BANDWIDTHS:
        score = fake.new_zeros(())
        for t in range(frames):
            x, y = fake[:, 0, t], real[:, 0, t]
            h = kernel(x, x, bandwidth) + kernel(y, y, bandwidth) - 2 * kernel(x, y, bandwidth)
            statistic = (h - h.diag().diag()).sum() / (m * (m - 1))
            score += statistic.clamp(min=0).sqrt() / frames
        best = torch.maximum(best, score)
    return best


def check(state: State) -> dict[str, float]:
    fake, real = state.fake[:COMPARED], state.real[:COMPARED]
    ours = float(mmd(fake, real))
    if not math.isfinite(ours) or ours <= 0:
        raise ValueError(f"a score of motions that differ is {ours}")
    return require({"difference of scores in float64": abs(ours / float(literal(fake.double(), real.double())) - 1)})


def time_literal(state: State) -> float:
    frames = state.fake.shape[2]
    timed = min(TIMED, frames)
    began = time.perf_counter()
    float(literal(state.fake[:, :, :timed], state.real[:, :, :timed]))
    return (time.perf_counter() - began) * frames / timed


def time_kinetic(state: State) -> Tensor:
    return mmd(state.fake, state.real)


def facts(state: State, seconds: dict[str, float]) -> dict[str, float]:
    m, _, frames, _ = state.fake.shape
    pairs = frames * (2 * m**2 - m)  # within both sides, once each, and between them
    return {
        "difference of scores in float32": abs(
            float(literal(state.fake[:COMPARED], state.real[:COMPARED]))
            / float(mmd(state.fake[:COMPARED], state.real[:COMPARED]))
            - 1
        ),
        "nanoseconds a pair of poses, literal": 1e9 * seconds["literal"] / pairs,
        "nanoseconds a pair of poses, kinetic": 1e9 * seconds["kinetic"] / pairs,
    }
