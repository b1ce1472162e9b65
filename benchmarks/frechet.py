"""The Frechet distance between two sets of features, which evaluation computes for every epoch, class and seed.

The number that matters is the ratio of `kinetic` to `scipy`. Both start from means and covariances, as does
`torchmetrics`, which takes eigenvalues of a product that is not symmetric. `from_features` starts from the features
themselves, so it does more than the others. Numbers are float64 throughout. numpy has threads of its own:
OMP_NUM_THREADS sets both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from benchmarks.pairs import require
from kinetic.metrics.frechet import frechet_distance, frechet_from_features

params = {"width": 1024, "motions": 4096}
BASELINE = "scipy"


class _Features(nn.Module):
    """A network that passes features on, since torchmetrics asks for a network."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features


@dataclass
class State:
    """Features of both sides, their moments, and a metric of torchmetrics that holds them."""

    fake: Tensor
    real: Tensor
    moments: tuple[Tensor, Tensor, Tensor, Tensor]
    other: FrechetInceptionDistance


def setup(device: torch.device, *, width: int, motions: int) -> State:
    mixed = torch.eye(width, dtype=torch.float64) + torch.randn(width, width, dtype=torch.float64) / width**0.5
    fake, real = ((torch.randn(motions, width, dtype=torch.float64) @ mixed).to(device) for _ in range(2))
    fake = 1.1 * fake + 0.1
    other = FrechetInceptionDistance(_Features(width), compute_with_cache=False).to(device)
    other.update(fake, real=False)
    other.update(real, real=True)
    return State(fake, real, (fake.mean(dim=0), fake.T.cov(), real.mean(dim=0), real.T.cov()), other)


def check(state: State) -> dict[str, float]:
    expected = time_scipy(state)
    ways = {"torchmetrics": time_torchmetrics, "kinetic": time_kinetic, "from_features": time_from_features}
    return require(
        {
            f"relative difference of {name} to scipy": float((way(state).cpu() - expected).abs() / expected)
            for name, way in ways.items()
        }
    )


def time_scipy(state: State) -> Tensor:
    mean1, cov1, mean2, cov2 = (x.cpu().numpy() for x in state.moments)
    root = scipy.linalg.sqrtm(cov1 @ cov2)
    distance = np.square(mean1 - mean2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * np.trace(root).real
    return torch.tensor(float(distance), dtype=torch.float64)


def time_torchmetrics(state: State) -> Tensor:
    return state.other.compute()


def time_kinetic(state: State) -> Tensor:
    return frechet_distance(*state.moments)


def time_from_features(state: State) -> Tensor:
    return frechet_from_features(state.fake, state.real)


def facts(state: State, seconds: dict[str, float]) -> dict[str, float]:
    return {
        "times faster than torchmetrics, kinetic": seconds["torchmetrics"] / seconds["kinetic"],
        "distances a minute, kinetic": 60 / seconds["kinetic"],
        "motions over features": len(state.fake) / state.fake.shape[1],
    }
