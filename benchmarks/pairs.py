"""Both formulations with the same weights, and the differences of their results and gradients."""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from benchmarks import literal
from kinetic.models.stgcn import Critic, Generator
from kinetic.models.weights import (
    load_published_critic,
    load_published_generator,
    save_published_critic,
    save_published_generator,
)

__all__ = [
    "MOTIONS",
    "TOLERANCE",
    "apart",
    "critics",
    "few",
    "generators",
    "gradients",
    "in_double",
    "overall",
    "require",
]

Model = TypeVar("Model", bound=nn.Module)

TOLERANCE = 1e-6
"""Largest relative difference between two formulations in float64, whose constants are in float32."""

MOTIONS = 8
"""Motions in a comparison, fewer than are timed."""


def critics(device: torch.device) -> tuple[literal.Critic, Critic]:
    """The published critic and ours with the same random weights, ready to train."""
    model = literal.Critic()
    _loosen(model)
    with tempfile.TemporaryDirectory() as folder:
        torch.save(model.state_dict(), file := Path(folder) / "critic.pth")
        ours = load_published_critic(file)
    return model.to(device).train(), ours.to(device).train()


def generators(device: torch.device) -> tuple[literal.Generator, Generator]:
    """The published generator and ours with the same random weights, ready to train.

    The mapping network is scaled so that activations keep their size: as it starts in the paper, it multiplies them by
    1e5, tanh saturates, and comparisons are meaningless.
    """
    model = literal.Generator()
    _loosen(model)
    with torch.no_grad():
        for part in model.mlp.mlp:
            if isinstance(part, nn.Linear):
                part.weight.mul_(math.sqrt(2 / (1 + literal.SLOPE**2) / part.in_features))
    with tempfile.TemporaryDirectory() as folder:
        torch.save(model.state_dict(), file := Path(folder) / "generator.pth")
        ours = load_published_generator(file)
    return model.to(device).train(), ours.to(device).train()


@torch.no_grad()
def _loosen(model: nn.Module) -> None:
    """Move weights and statistics away from ones and zeros, which would hide differences."""
    for name, weight in model.named_parameters():
        if "noise" in name or "edge_importance" in name:
            weight.add_(0.1 * torch.randn_like(weight))
    for name, value in model.named_buffers():
        if "running" in name:
            value.add_(0.1 * torch.rand_like(value))


def in_double(model: Model) -> Model:
    """A copy of a network in float64.

    In float32 a gradient may differ by 1e-3 between equal formulations, since rounding moves an entry to the other side
    of the kink of a LeakyReLU; in float64 a difference of this size is a mistake.
    """
    return copy.deepcopy(model).double()


def few(*batch: Tensor, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """The first `MOTIONS` entries of each tensor; real numbers become `dtype`."""
    return [x[:MOTIONS].to(dtype) if x.is_floating_point() else x[:MOTIONS] for x in batch]


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """The gradient of each weight under its published name, whichever formulation holds it."""
    if not isinstance(model, (Generator, Critic)):
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    shadow = copy.deepcopy(model)
    for weight, source in zip(shadow.parameters(), model.parameters(), strict=True):
        weight.data = torch.zeros_like(source) if source.grad is None else source.grad.clone()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gradients.pth"
        if isinstance(shadow, Generator):
            save_published_generator(shadow, file)
        else:
            save_published_critic(shadow, file)
        return torch.load(file, weights_only=True)


def apart(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """The largest relative difference of a tensor of `first` from its namesake: |a - b| / |a|.

    Tensors far smaller than the rest (some gradients are zero but for rounding) are measured by the rest.
    """
    floor = 1e-3 * max(float(a.norm()) for a in first.values())
    return max(float((a - second[name].to(a)).norm()) / max(float(a.norm()), floor) for name, a in first.items())


def overall(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """The relative difference of all tensors taken as one long vector: |a - b| / |a|."""
    gap = math.fsum(float((a - second[name].to(a)).square().sum()) for name, a in first.items())
    return math.sqrt(gap / math.fsum(float(a.square().sum()) for a in first.values()))


def require(differences: dict[str, float]) -> dict[str, float]:
    """The differences themselves. Raises ValueError when one is too large."""
    for name, value in differences.items():
        if not value < TOLERANCE:
            raise ValueError(f"{name}: the two formulations differ by {value:.1e}, more than {TOLERANCE:.0e}")
    return differences
