"""Precision, recall, density, coverage: how many fakes look real, and how much of what is real they show."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from kinetic.metrics.checks import check_features

__all__ = ["Manifold", "manifold"]

BLOCK = 2**20  # distances held at once: 8 MB in float64


class Manifold(NamedTuple):
    """What `manifold` found, each a number.

    Args:
        precision: share of fake motions that lie in the ball of at least one real motion
        recall: share of real motions that lie in the ball of at least one fake motion
        density: balls of real motions that a fake one lies in, on average, over `neighbours`; may exceed 1
        coverage: share of real motions whose ball holds at least one fake motion
    """

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def manifold(fake: Tensor, real: Tensor, *, neighbours: int = 5) -> Manifold:
    """Precision, recall, density and coverage of features (N, D) and (M, D), in float64.

    The first two are of Kynkaanniemi et al. 2019 (k = 3), the others of Naeem et al. 2020 (k = 5). The ball of a motion
    reaches to its k-th nearest neighbour on its own side, itself left out, its surface included. Distances are
    Euclidean, and all rows are used. Precision and recall rest on single balls, so one outlier on the side of the balls
    raises them; density and coverage were made to mind less.

    N fake and M real motions drawn alike have a density of 1 on average, and a coverage of
    ``1 - (M - 1) ... (M - k) / ((N + M - 1) ... (N + M - k))``. A set with itself has a density of ``(k + 1) / k``, for
    each of its motions is in its own ball too.

    Args:
        fake, real: (N, D) and (M, D)
        neighbours: k

    Raises:
        ValueError: for sides with no more than `neighbours` rows, different widths, NaN or infinity
    """
    check_features(fake, "features of fake motions")
    check_features(real, "features of real motions", width=fake.shape[1])
    if neighbours < 1:
        raise ValueError(f"neighbours must be at least 1, got {neighbours}")
    if min(len(fake), len(real)) <= neighbours:
        raise ValueError(
            f"{neighbours} neighbours besides itself need at least {neighbours + 1} motions on each side, "
            f"got {len(fake)} fake and {len(real)} real"
        )
    fake, real = fake.detach().double(), real.detach().double()
    centre = (fake.mean(dim=0) + real.mean(dim=0)) / 2
    fake, real = fake - centre, real - centre
    fake_radius, real_radius = _radii(fake, neighbours), _radii(real, neighbours)
    precise = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    recalled, covered, inside_count = [], [], 0
    rows = max(1, BLOCK // len(fake))
    for part, radius in zip(real.split(rows), real_radius.split(rows), strict=True):
        distance = _squares(part, fake, shrink=True)
        inside = distance <= radius[:, None]
        precise |= inside.any(dim=0)
        covered.append(inside.any(dim=1))
        inside_count += int(inside.sum())
        recalled.append((distance <= fake_radius).any(dim=1))
    return Manifold(
        precision=precise.double().mean(),
        recall=torch.cat(recalled).double().mean(),
        density=fake.new_tensor(inside_count / (neighbours * len(fake))),
        coverage=torch.cat(covered).double().mean(),
    )


def _radii(x: Tensor, neighbours: int) -> Tensor:
    """Squared distance of each row to its k-th nearest other row: (N, D) -> (N,)."""
    found = []
    rows = max(1, BLOCK // len(x))
    for start in range(0, len(x), rows):
        distance = _squares(x[start : start + rows], x)
        distance.diagonal(offset=start).fill_(torch.inf)
        found.append(distance.kthvalue(neighbours, dim=1).values)
    return torch.cat(found)


def _squares(x: Tensor, y: Tensor, *, shrink: bool = False) -> Tensor:
    """Squared distances: (N, D), (M, D) -> (N, M); on request smaller by what rounding can do, so that ties hold.

    The rounding of |x|^2 + |y|^2 - 2 x . y is a share of |x|^2 + |y|^2.
    """
    share = 1 - 4 * (x.shape[1] + 1) * torch.finfo(x.dtype).eps if shrink else 1
    squares = (x.square().sum(dim=1)[:, None] + y.square().sum(dim=1)) * share
    return squares.addmm_(x, y.T, alpha=-2)
