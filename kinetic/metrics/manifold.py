"""Precision, recall, density, coverage: the share of fakes that look real, and of the real motions that they cover."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from kinetic.metrics.checks import check_features

__all__ = ["Manifold", "manifold"]

BLOCK = 2**20  # distances held at once: 8 MB in float64


class Manifold(NamedTuple):
    """Precision, recall, density and coverage, each a number; the result of `manifold`.

    Args:
        precision: share of fake motions that lie in the ball of at least one real motion
        recall: share of real motions that lie in the ball of at least one fake motion
        density: average number of balls of real motions around a fake one, over `neighbours`; may exceed 1
        coverage: share of real motions whose ball holds at least one fake motion
    """

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def manifold(fake: Tensor, real: Tensor, *, neighbours: int = 5) -> Manifold:
    """Precision, recall, density and coverage of features (N, D) and (M, D), in float64.

    The first two are defined by Kynkaanniemi et al. 2019 (k = 3), the others by Naeem et al. 2020 (k = 5). The radius
    of a motion's ball is the distance to its k-th nearest neighbour on the same side, not counting itself; the surface
    belongs to the ball. Distances are Euclidean, and all rows are used. Precision and recall depend on single balls, so
    an outlier can raise them: its ball reaches back to its k-th nearest neighbour and holds everything in between.
    Density and coverage are less sensitive. A motion far away costs the distances between the others no digits.

    N fake and M real motions of one distribution have a density of 1 on average, and a coverage of
    ``1 - (M - 1) ... (M - k) / ((N + M - 1) ... (N + M - k))``. A set compared with itself has a density of
    ``(k + 1) / k``, because each of its motions is in its own ball too.

    Args:
        fake, real: (N, D) and (M, D)
        neighbours: k

    Raises:
        ValueError: for sides with no more than `neighbours` rows, different widths, NaN or infinity, or features so
            large that their squares overflow
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
    centre = real.median(dim=0).values  # not the mean, which a single motion can move far away
    fake, real = fake - centre, real - centre
    fake_square, real_square = fake.square().sum(dim=1), real.square().sum(dim=1)
    for side, square in (("fake", fake_square), ("real", real_square)):
        if not torch.isfinite(square).all():
            raise ValueError(f"features of {side} motions are too large: their squares are no numbers in float64")
    fake_reach, real_reach = _reaches(fake, neighbours), _reaches(real, neighbours)
    share = _rounding(fake)
    fake_and_norm = torch.cat([fake, fake_square.sqrt()[:, None]], dim=1)
    real_and_norm = torch.cat([real, share * real_square.sqrt()[:, None]], dim=1)
    precise = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    recalled, covered, inside_count = [], [], 0
    for rows in torch.arange(len(real), device=real.device).split(max(1, BLOCK // len(fake))):
        product = real_and_norm[rows] @ fake_and_norm.T  # r . f + share |r| |f|
        product *= -2
        inside = product + (1 - share) * fake_square <= real_reach[rows, None]
        precise |= inside.any(dim=0)
        covered.append(inside.any(dim=1))
        inside_count += int(inside.sum())
        recalled.append((product + (1 - share) * real_square[rows, None] <= fake_reach).any(dim=1))
    return Manifold(
        precision=precise.double().mean(),
        recall=torch.cat(recalled).double().mean(),
        density=fake.new_tensor(inside_count / (neighbours * len(fake))),
        coverage=torch.cat(covered).double().mean(),
    )


# Whether x is in the ball about c is decided by |x|^2 - 2 c . x, the squared distance without |c|^2. It orders points
# as the distance from c does, and its rounding error is at most a share of |x|^2 + 2 |c| |x|. With |c|^2, the
# differences between points would be lost where c is far from them. The error is added to the ball on both sides of a
# comparison, so that a point on the surface counts as inside.


def _reaches(x: Tensor, neighbours: int) -> Tensor:
    """|z|^2 - 2 c . z of each row c and its k-th nearest other row z, plus the rounding error: (N, D) -> (N,)."""
    reaches = []
    square, share = x.square().sum(dim=1), _rounding(x)
    norm = square.sqrt()
    rows = max(1, BLOCK // len(x))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        nearness = square.expand(len(part), -1).addmm(part, x.T, alpha=-2)
        nearness.diagonal(offset=start).fill_(torch.inf)
        reach, last = nearness.kthvalue(neighbours, dim=1)
        reaches.append(reach + share * (square[last] + 2 * norm[start : start + rows] * norm[last]))
    return torch.cat(reaches)


def _rounding(x: Tensor) -> float:
    """Largest rounding error of a sum of products over (N, D), as a share of the sum of their sizes."""
    return 2 * (x.shape[1] + 1) * torch.finfo(x.dtype).eps
