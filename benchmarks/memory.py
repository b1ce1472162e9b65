"""The search for copies of training motions, with a tenth of the motions of NTU-60 (xsub) on each side.

The number that matters is the minutes for all of NTU-60, which grow with the product of both sides. `products` is the
search for nearest training motions in float64 among all 4,800 numbers of a motion; `rows` finds the same motions in
float32 and checks the nearest few in float64; `aligned` finds them after turn, mirror, size, place, time shift and
tempo are removed, and `aligned_to_few` among a tenth of the training motions; `features` is the search among 256
features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from benchmarks.pairs import require
from kinetic.metrics.alignment import Poses, nearest_aligned
from kinetic.metrics.memory import Neighbours, row_memory
from kinetic.skeleton import NTU25

params = {"motions": 1649, "training": 4009, "frames": 64, "width": 256}
BASELINE = "products"
TENTH = 10
"""NTU-60 has this many times the motions on each side."""
MODES = 20
"""Modes of the motions, which make distances differ as those of real motions do."""


@dataclass
class State:
    """Motions (N, 3, T, 25) and (P, 3, T, 25), and features of them."""

    motion: Tensor
    training: Tensor
    features: Tensor
    training_features: Tensor


def setup(device: torch.device, *, motions: int, training: int, frames: int, width: int) -> State:
    rng = torch.Generator().manual_seed(0)
    time = torch.linspace(0, 1, frames)
    waves = torch.cos(torch.pi * torch.arange(8)[:, None] * time)  # smooth in time, as motions are
    modes = torch.randn(MODES, 75, 8, generator=rng) @ waves / 8
    standing = torch.randn(75, generator=rng) / 3

    def draw(n: int) -> Tensor:
        x = torch.einsum("nm,mdt->ndt", torch.randn(n, MODES, generator=rng), modes) / 3 + standing[:, None]
        x += 0.005 * torch.randn(n, 75, frames, generator=rng)
        return rearrange(x, "n (c v) t -> n c t v", c=3).to(device)

    motion, training_motion = draw(motions), draw(training)
    project = (torch.randn(75 * frames, width, generator=rng) / (75 * frames) ** 0.5).to(device)
    return State(motion, training_motion, motion.flatten(1) @ project, training_motion.flatten(1) @ project)


def neighbours_of(motion: Tensor, training: Tensor) -> Neighbours:
    """The nearest training motions of each motion."""
    return row_memory(training, motion).unseen


def check(state: State) -> dict[str, float]:
    motion = state.motion[:64]
    distance = torch.cdist(motion.flatten(1).double(), state.training.flatten(1).double()).sort(dim=1)
    neighbours = neighbours_of(motion, state.training)
    if not torch.equal(neighbours.number[:, 0], distance.indices[:, 0]):
        raise ValueError("the nearest training motion is not that of all differences in float64")
    return require({"distance, of its size": float((neighbours.first / distance.values[:, 0] - 1).abs().max())})


def time_products(state: State) -> Tensor:
    best = []
    training = state.training.flatten(1).double()
    for rows in state.motion.flatten(1).split(512):
        distance = torch.cdist(rows.double(), training, compute_mode="use_mm_for_euclid_dist")
        best.append(distance.topk(2, dim=1, largest=False).values)
    return torch.cat(best)


def time_rows(state: State) -> Tensor:
    return neighbours_of(state.motion, state.training).first


def time_aligned(state: State) -> Tensor:
    return nearest_aligned(Poses.of(state.motion, NTU25), Poses.of(state.training, NTU25))[0]


def time_aligned_to_few(state: State) -> Tensor:
    few = state.training[: len(state.training) // TENTH]
    return nearest_aligned(Poses.of(state.motion, NTU25), Poses.of(few, NTU25))[0]


def time_features(state: State) -> Tensor:
    return neighbours_of(state.features, state.training_features).first


def facts(state: State, seconds: Mapping[str, float]) -> dict[str, float]:
    search = (seconds["aligned"] - seconds["aligned_to_few"]) / (1 - 1 / TENTH)  # grows with both sides
    rest = seconds["aligned"] - search  # aligning candidates grows with the motions alone
    minutes = {way: seconds[way] * TENTH**2 for way in ("products", "rows", "features")}
    minutes["aligned"] = search * TENTH**2 + rest * TENTH
    return {f"{way}: minutes at {TENTH} times both sides": value / 60 for way, value in minutes.items()}
