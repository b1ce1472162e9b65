"""The kernel distance between two sets of features, known as KID for images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kinetic.metrics.checks import check_features
from kinetic.metrics.classes import PerClass, per_class

__all__ = ["kernel_distance", "kernel_distance_subsets", "kernel_per_class"]

BLOCK = 2**20  # values of the kernel held at once: 8 MB in float64


def kernel_distance(
    fake: Tensor, real: Tensor, *, degree: int = 3, coefficient: float = 1.0, gamma: float | None = None
) -> Tensor:
    """Squared maximum mean discrepancy between features (N, D) and (M, D) under a polynomial kernel, in float64.

    ``k(x, y) = (gamma x . y + coefficient)^degree``, and the estimate is the mean of k over pairs of different fakes,
    plus that over pairs of different real ones, minus twice that over mixed pairs (Binkowski et al. 2018;
    Gretton et al. 2012, eq. 3). It is unbiased at any N and M, so it is often below 0 for two sets of one
    distribution; the sign is kept. It changes when all features move or grow.

    Args:
        fake, real: (N, D) and (M, D); all of them are used
        gamma: None = 1 / D

    Raises:
        ValueError: for fewer than two rows on a side, different widths, NaN or infinity

    Example:
        >>> kernel_distance(torch.ones(2, 1), torch.zeros(2, 1))        # 2^3 + 1 - 2 * 1
        tensor(7., dtype=torch.float64)
    """
    fake, real = _checked(fake, real, degree)
    gamma = 1 / fake.shape[1] if gamma is None else gamma
    n, m = len(fake), len(real)
    within = [_sum_of_pairs(x, degree, coefficient, gamma) for x in (fake, real)]
    across = fake.new_zeros(())
    rows = max(1, BLOCK // m)
    for part in fake.split(rows):
        across += _kernel(part, real, degree, coefficient, gamma).sum()
    return within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2 * across / (n * m)


def kernel_per_class(fake: Tensor, fake_label: Tensor, real: Tensor, real_label: Tensor, **options: Any) -> PerClass:
    """Kernel distance of every class between features (N, D) and (M, D), and its mean over classes, in float64.

    Unlike `frechet_per_class` it is unbiased at any number of motions of a class, so classes and models of different
    counts may be compared; it is noisy for small classes. Time grows as the sum over classes of N_k M_k D.

    Args:
        fake, real: (N, D) and (M, D)
        fake_label, real_label: (N,) and (M,)
        options: as for `per_class`

    Raises:
        ValueError: as `per_class`, and for anything but features
    """
    check_features(fake, "features of fake motions")
    check_features(real, "features of real motions", width=fake.shape[1])
    return per_class(kernel_distance, fake, fake_label, real, real_label, **options)


def kernel_distance_subsets(
    fake: Tensor,
    real: Tensor,
    *,
    subsets: int = 100,
    size: int = 1000,
    degree: int = 3,
    coefficient: float = 1.0,
    gamma: float | None = None,
    rng: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the kernel distance over random subsets of features (N, D) and (M, D), in float64.

    This is how papers report it (Binkowski et al. 2018). The mean is a noisier `kernel_distance`; the deviation is that
    of a distance between `size` motions, not an error of the mean, because subsets overlap.

    Args:
        subsets: number of subsets, by which the variance is divided
        size: motions of each subset on either side, drawn without replacement
        rng: draws the subsets; None = a new generator with seed 0, so that the same sets give the same values

    Raises:
        ValueError: as `kernel_distance`, and when a side has fewer than `size` motions
    """
    fake, real = _checked(fake, real, degree)
    if subsets < 1 or size < 2:
        raise ValueError(f"needs at least 1 subset of at least 2 motions, got {subsets} of {size}")
    if size > min(len(fake), len(real)):
        raise ValueError(
            f"a subset of {size} different motions cannot be drawn from {len(fake)} fake and {len(real)} real ones; "
            f"choose a size of at most {min(len(fake), len(real))}, or use kernel_distance, which takes all"
        )
    rng = torch.Generator().manual_seed(0) if rng is None else rng
    distances = []
    for _ in range(subsets):
        parts = [x[torch.randperm(len(x), generator=rng, device=rng.device)[:size].to(x.device)] for x in (fake, real)]
        distances.append(kernel_distance(*parts, degree=degree, coefficient=coefficient, gamma=gamma))
    values = torch.stack(distances)
    return values.mean(), values.std(correction=0)


def _checked(fake: Tensor, real: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """Both sides, checked, in float64."""
    check_features(fake, "features of fake motions")
    check_features(real, "features of real motions", width=fake.shape[1])
    if min(len(fake), len(real)) < 2:
        raise ValueError(
            f"a kernel distance needs at least 2 motions on each side, got {len(fake)} fake and {len(real)} real"
        )
    if degree < 1:
        raise ValueError(f"degree must be at least 1, got {degree}")
    return fake.detach().double(), real.detach().double()


def _kernel(x: Tensor, y: Tensor, degree: int, coefficient: float, gamma: float) -> Tensor:
    """(N, D), (M, D) -> (N, M)."""
    return (x @ y.T).mul_(gamma).add_(coefficient).pow_(degree)


def _sum_of_pairs(x: Tensor, degree: int, coefficient: float, gamma: float) -> Tensor:
    """Sum of the kernel over ordered pairs i != j; each block is computed once and counted for its mirror image too."""
    total = x.new_zeros(())
    rows = max(1, min(BLOCK // len(x), -(-len(x) // 8)))  # in a triangle of 8 steps, little is computed twice
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        values = _kernel(part, x[start:], degree, coefficient, gamma)
        values[:, : len(part)].tril_()  # in the square on the diagonal, only pairs below it
        values.diagonal().zero_()
        total += 2 * values.sum()
    return total
