"""How much scores would change with other people and other draws: variances from half-samples, and variances joined.

Drawing people with replacement, as the usual bootstrap does, puts motions twice into a set: balls of nearest neighbours
shrink to nothing, and statistics without bias get one. Halves hold no motion twice.
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
"""Share of halves on which a score must be known, or it gets no variance."""
LEAST = 2
"""Motions of a class on either side, without which it takes no part in a half."""


class Variance(NamedTuple):
    """An estimated variance of a mean, and its degrees of freedom."""

    value: float
    freedom: float


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


def joined(parts: Iterable[Variance]) -> Variance:
    """The sum of independent variances, with its degrees of freedom (Satterthwaite 1946, eq. 17)."""
    known = list(parts)
    total = math.fsum(part.value for part in known)
    spread = math.fsum(part.value**2 / part.freedom for part in known if part.value)
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
    """Variance of each score over other real people in the place of these, at the same numbers.

    Scores of halves of the people; generated motions of classes that a half lacks are left out of it.

    Args:
        case: one set of generated motions for all halves, so that their spread is that of people alone
        people: (M,) who each real motion is of; numbers of the motions themselves where nobody knows
        halves: how many
        rng: draws them
        tell: is called after each of them

    Raises:
        ValueError: for fewer than two people or halves
    """
    rows, factor = half_samples(people, count=halves, rng=rng)
    found = []
    for kept in rows:
        real = torch.from_numpy(kept)
        found.append(_scores(case, _common(case.fake.label, case.real.label[real]), real, measures))
        tell()
    return _variances(found, factor, len(np.unique(people)) - 1)


def variance_over_draws(
    case: Case, measures: Iterable[Measure], *, halves: int, rng: np.random.Generator, tell: Callable[[], object]
) -> dict[str, Variance]:
    """Variance of each score over other generated motions in the place of these, where there is one set of them alone.

    As `variance_over_people`, from halves of the generated motions; motions are taken to be independent.
    """
    rows, factor = half_samples(np.arange(len(case.fake.label)), count=halves, rng=rng)
    found = []
    for kept in rows:
        fake = torch.from_numpy(kept)
        real = _common(case.real.label, case.fake.label[fake])
        found.append(_scores(case, fake[_common(case.fake.label[fake], case.real.label[real])], real, measures))
        tell()
    return _variances(found, factor, len(case.fake.label) - 1)


def _common(label: Tensor, other: Tensor) -> Tensor:
    """Rows of the classes of which the other side has enough motions, for a score within a class."""
    classes, count = other.unique(return_counts=True)
    return torch.isin(label, classes[count >= LEAST]).nonzero().flatten()


def _scores(case: Case, fake: Tensor, real: Tensor, measures: Iterable[Measure]) -> dict[str, float]:
    some = real[torch.isin(case.real.label[real], case.fake.label[fake])]
    found: Mapping[str, Tensor | PerClass] = measure(case.select(fake, some), measures)
    return {name: float(each.mean if isinstance(each, PerClass) else each) for name, each in found.items()}


def _variances(found: Sequence[Mapping[str, float]], factor: float, freedom: int) -> dict[str, Variance]:
    values: dict[str, list[float]] = {}
    for each in found:
        for name, value in each.items():
            values.setdefault(name, []).append(value)
    known = {name: own for name, own in values.items() if len(own) >= max(2, ENOUGH * len(found))}
    return {name: Variance(half_sample_variance(own, factor), freedom) for name, own in known.items()}
