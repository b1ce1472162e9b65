"""How much a score would change with other people: variance from half-samples, and variances joined.

Drawing people with replacement, as the usual bootstrap does, puts motions twice into a set: balls of nearest neighbours
shrink to nothing, and statistics without bias get one. Halves hold no motion twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

__all__ = ["half_samples", "half_sample_variance", "joined"]


def half_samples(group: np.ndarray, *, count: int, rng: np.random.Generator) -> tuple[list[np.ndarray], float]:
    """Rows of halves of the groups, and the factor that makes their spread a variance.

    Of G groups each half has r = ceil(G / 2). There are at most `count` halves, all that exist where these are fewer.
    The factor is r / (G - r) (the delete-d jackknife, Shao and Wu 1989, eq. 2.3).

    Args:
        group: (N,) the group of each row, such as the person
        count: of halves
        rng: draws them

    Raises:
        ValueError: for fewer than two groups or halves
    """
    names = np.unique(group)
    if len(names) < 2:
        raise ValueError(f"halves need at least two groups, such as people, got {len(names)}")
    if count < 2:
        raise ValueError(f"a spread needs at least two halves, got {count}")
    size = (len(names) + 1) // 2
    if math.comb(len(names), size) <= count:
        chosen = [names[list(each)] for each in combinations(range(len(names)), size)]
    else:
        chosen = [rng.permutation(names)[:size] for _ in range(count)]
    return [np.flatnonzero(np.isin(group, each)) for each in chosen], size / (len(names) - size)


def half_sample_variance(values: Sequence[float], factor: float) -> float:
    """Variance of a score over sets of other groups, from its values on halves (Shao and Wu 1989, eq. 2.3)."""
    return factor * float(np.var(values))


def joined(parts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """The sum of independent variances and its degrees of freedom (Satterthwaite 1946, eq. 17).

    Args:
        parts: variance and degrees of freedom of each
    """
    known = list(parts)
    variance = math.fsum(v for v, _ in known)
    spread = math.fsum(v**2 / freedom for v, freedom in known if v)
    return variance, variance**2 / spread if spread else math.inf
