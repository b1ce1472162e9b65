"""Sampling motions with truncation, the work of a trained generator.

The number that matters is the ratio of `kinetic` to `literal`. `first_call` also draws the mean that truncation needs,
which is kept until a weight changes; the published form draws it at every call. `share of the machine` is as in
`critic_step`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks import literal
from benchmarks.harness import PRODUCT, multiply_adds
from benchmarks.pairs import apart, few, generators, in_double, require
from kinetic.models.stgcn import Generator

params = {"motions": 256}
BASELINE = "literal"
TRUNCATION = 0.95


@dataclass
class State:
    """Two generators of equal weights and the actions to show."""

    published: literal.Generator
    ours: Generator
    label: Tensor


def setup(device: torch.device, *, motions: int) -> State:
    published, ours = generators(device)
    return State(published.eval(), ours.eval(), torch.arange(motions, device=device) % 60)


@torch.no_grad()
def check(state: State) -> dict[str, float]:
    published, ours, (label,) = in_double(state.published), in_double(state.ours), few(state.label)
    z = torch.randn(len(label), ours.latent, device=label.device, dtype=torch.float64)
    noise = ours.draw_noise(len(z), like=z)
    motions = published(z, label, noise), ours(z, label, noise)
    return require({"difference of motions in float64": apart({"motion": motions[0]}, {"motion": motions[1]})})


@torch.no_grad()
def time_literal(state: State) -> Tensor:
    z = torch.randn(len(state.label), state.published.latent, device=state.label.device)
    return state.published(z, state.label, truncation=TRUNCATION)


def time_kinetic(state: State) -> Tensor:
    return state.ours.sample(len(state.label), state.label, truncation=TRUNCATION)


def time_first_call(state: State) -> Tensor:
    with torch.no_grad():
        state.ours.mapping.biases[0].add_(0)  # counts as a change of weights
    return state.ours.sample(len(state.label), state.label, truncation=TRUNCATION)


def facts(state: State, seconds: dict[str, float]) -> dict[str, float]:
    n = len(state.label)
    call = {way.__name__: multiply_adds(partial(way, state)) for way in (time_literal, time_kinetic)}
    possible = 1 / seconds[PRODUCT]
    return {
        "million multiply-adds a motion, literal": call["time_literal"] / n / 1e6,
        "million multiply-adds a motion, kinetic": call["time_kinetic"] / n / 1e6,
        "share of the machine, literal": call["time_literal"] / seconds["literal"] / possible,
        "share of the machine, kinetic": call["time_kinetic"] / seconds["kinetic"] / possible,
        "motions a second, kinetic": n / seconds["kinetic"],
    }
