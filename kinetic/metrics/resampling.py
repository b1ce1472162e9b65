"""Variance of scores over other people and other draws, from half-samples; and sums of variances.

The usual bootstrap draws people with replacement, so a set holds motions twice: balls of nearest neighbours shrink to
nothing, and unbiased statistics become biased. A half-sample holds no motion twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kinetic.metrics.classes import PerClass
from kinetic.metrics.measures import Case, Measure, measure

__all__ = ["Variance", "half_sample_variance", "half_samples", "joined", "variance_over_draws", "variance_over_people"]

ENOUGH = 2 / 3
"""Share of halves that must have a score; otherwise it gets no variance."""
LEAST = 2
"""Least motions of a class on either side; a class with fewer is left out of a half."""


class Variance(NamedTuple):
    """An estimated variance of a mean, and its degrees of freedom."""

    value: float
    freedom: float


def half_samples(group: np.ndarray, *, count: int, rng: np.random.Generator) -> tuple[list[np.ndarray], float]:
    """Rows of random halves of the groups, and the factor from the spread of their scores to a variance.

    Each half has r = ceil(G / 2) of the G groups. There are `count` halves, or all that exist if these are fewer. The
    factor is r / (G - r) (the delete-d jackknife, Shao and Wu 1989, eq. 2.3).

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
        halves = [names[list(numbers)] for numbers in combinations(range(len(names)), size)]
    else:
        halves = [rng.permutation(names)[:size] for _ in range(count)]
    return [np.flatnonzero(np.isin(group, half)) for half in halves], size / (len(names) - size)


def half_sample_variance(values: Sequence[float], factor: float) -> float:
    """Variance of a score over other groups, from its values on halves (Shao and Wu 1989, eq. 2.3)."""
    return factor * float(np.var(values))


def joined(parts: Iterable[Variance]) -> Variance:
    """The sum of independent variances, with its degrees of freedom (Satterthwaite 1946, eq. 17)."""
    variances = list(parts)
    total = math.fsum(part.value for part in variances)
    spread = math.fsum(part.value**2 / part.freedom for part in variances if part.value)
    return Variance(total, total**2 / spread if spread else math.inf)


def variance_over_people(
    case: Case,
    measures: Iterable[Measure],
    people: np.ndarray,
    *,
    halves: int,
    rng: np.random.Generator,
    tell: Callable[[], object] = lambda: None,
) -> dict[str, Variance]:
    """Variance of each score over other real people, at the same numbers, from scores of halves of the people.

    Generated motions of classes that a half lacks are left out.

    Args:
        case: one set of generated motions for all halves, so that only people cause the spread
        people: (M,) the person of each real motion; if unknown, the numbers of the motions
        halves: number of halves
        rng: draws the halves
        tell: called after each half

    Raises:
        ValueError: for fewer than two people or halves
    """
    rows, factor = half_samples(people, count=halves, rng=rng)
    scores = []
    for half in rows:
        real = torch.from_numpy(half)
        scores.append(_scores(case, _common(case.fake.label, case.real.label[real]), real, measures))
        tell()
    return _variances(scores, factor, len(np.unique(people)) - 1)


def variance_over_draws(
    case: Case, measures: Iterable[Measure], *, halves: int, rng: np.random.Generator, tell: Callable[[], object]
) -> dict[str, Variance]:
    """Variance of each score over other generated motions, for a case with a single set of them.

    Like `variance_over_people`, from halves of the generated motions, which are assumed to be independent.
    """
    rows, factor = half_samples(np.arange(len(case.fake.label)), count=halves, rng=rng)
    scores = []
    for half in rows:
        fake = torch.from_numpy(half)
        real = _common(case.real.label, case.fake.label[fake])
        scores.append(_scores(case, fake[_common(case.fake.label[fake], case.real.label[real])], real, measures))
        tell()
    return _variances(scores, factor, len(case.fake.label) - 1)


def _common(label: Tensor, other: Tensor) -> Tensor:
    """Rows of the classes that have at least `LEAST` motions on the other side."""
    classes, count = other.unique(return_counts=True)
    return torch.isin(label, classes[count >= LEAST]).nonzero().flatten()


def _scores(case: Case, fake: Tensor, real: Tensor, measures: Iterable[Measure]) -> dict[str, float]:
    common = real[torch.isin(case.real.label[real], case.fake.label[fake])]
    scores: Mapping[str, Tensor | PerClass] = measure(case.select(fake, common), measures)
    return {name: float(score.mean if isinstance(score, PerClass) else score) for name, score in scores.items()}


def _variances(scores: Sequence[Mapping[str, float]], factor: float, freedom: int) -> dict[str, Variance]:
    by_name: dict[str, list[float]] = {}
    for half in scores:
        for name, value in half.items():
            by_name.setdefault(name, []).append(value)
    return {
        name: Variance(half_sample_variance(values, factor), freedom)
        for name, values in by_name.items()
        if len(values) >= max(2, ENOUGH * len(scores))
    }
