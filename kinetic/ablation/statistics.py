"""Statistics of a grid: means over training seeds, paired differences between rows, and which are significant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy import special

from kinetic.evaluation.report import Report
from kinetic.evaluation.report import Row as ReportRow
from kinetic.metrics.intervals import UNBOUNDED, interval
from kinetic.metrics.score import bounds_of

__all__ = [
    "ALPHA",
    "SAME",
    "Column",
    "Difference",
    "Entry",
    "Finding",
    "RowInfo",
    "average",
    "columns_of",
    "compared",
    "corrected",
    "entries_of",
    "holm",
    "paired",
]

ALPHA = 0.05
"""A difference is significant when its corrected p is at most this."""

SAME = 1e-6
"""Scores closer than this share of their size are equal, since features are computed in single precision."""

FLOORS_AGREE = 1e-3
"""Floors of the same real motions may differ by this share between processors."""

Key = TypeVar("Key")


@dataclass(frozen=True)
class Finding:
    """The result of one cell of the grid.

    Args:
        report: scores of the cell's generator, with floor
        published: the same generator scored as Kinetic-GAN was; None = it was not
        curve: (epochs, score name -> value), taken during training
    """

    benchmark: str
    recipe: str
    seed: int
    report: Report
    published: Report | None = None
    curve: tuple[tuple[float, Mapping[str, float]], ...] = ()

    @property
    def cell(self) -> str:
        """Name of the cell in messages."""
        return f"{self.recipe!r} seed {self.seed}"


@dataclass(frozen=True)
class RowInfo:
    """A recipe's place in the table.

    Args:
        after: name of the row that it builds on; None = none
        about: what it changes, in words
    """

    name: str
    after: str | None = None
    about: str = ""


@dataclass(frozen=True)
class Difference:
    """A row's scores minus those of the row it builds on, over the seeds that both have.

    Args:
        mean: of the differences
        interval: lower and upper end of its 95% interval (paired t), inside -1 and 1 for shares; None for one seed
        p: of the paired t-test, two-sided; None for one seed, and for differences that are all equal but not zero
        adjusted: p after Holm's correction over all differences of the benchmark, of every row and metric
        effect: Cohen's d_z times Hedges' correction, see `paired`; None where it is not defined
    """

    after: str
    seeds: tuple[int, ...]
    mean: float
    interval: tuple[float, float] | None
    p: float | None
    effect: float | None
    adjusted: float | None = None

    @property
    def stands(self) -> bool:
        """Whether the difference is significant after correction."""
        return self.adjusted is not None and self.adjusted <= ALPHA


@dataclass(frozen=True)
class Entry:
    """One score of one row.

    Args:
        values: training seed -> score
        interval: lower and upper end of the 95% interval of the mean over training seeds (Student's t, for shares as
            Wilson's; `kinetic.metrics.intervals`); None for one seed
        best: no row of this benchmark has a better mean
        difference: to the row it builds on; None = there is no such row, or no common seed
    """

    values: Mapping[int, float]
    mean: float
    interval: tuple[float, float] | None
    best: bool = False
    difference: Difference | None = None


@dataclass(frozen=True)
class Column:
    """What all entries of one benchmark and metric have in common.

    Args:
        better: low, high or real
        floor: the score of real motions
        label: of the scores, without the result
        fingerprint: six digits that identify the label
    """

    better: str
    floor: float
    label: Mapping[str, object]
    fingerprint: str


def average(values: Sequence[float]) -> float:
    """The mean, summed without rounding errors."""
    return math.fsum(values) / len(values)


def columns_of(benchmark: str, cells: Sequence[tuple[Finding, Report]]) -> dict[str, Column]:
    """Metric -> what the scores of one benchmark have in common.

    Raises:
        ValueError: naming two cells, for labels, directions or floors that differ
    """
    first: dict[str, Finding] = {}
    scores: dict[str, list[ReportRow]] = {}
    for finding, report in cells:
        for row in report.rows:
            metric = row.score.metric
            scores.setdefault(metric, []).append(row)
            score, floor, better = scores[metric][0]
            where = f"{benchmark}: {metric}: {first.setdefault(metric, finding).cell} and {finding.cell}"
            for prefix, mine, theirs in (("", score, row.score), ("floor: ", floor, row.floor)):
                try:
                    mine.check_comparable(theirs)
                except ValueError as error:
                    raise ValueError(f"{where}: {prefix}{error}") from error
            if better != row.better:
                raise ValueError(f"{where}: better is {better!r} and {row.better!r}")
            if not math.isclose(floor.value, row.floor.value, rel_tol=FLOORS_AGREE, abs_tol=1e-6):
                raise ValueError(f"{where}: the floor of the same label is {floor.value:g} and {row.floor.value:g}")
    columns = {}
    for metric, rows in scores.items():
        score, _, better = rows[0]
        columns[metric] = Column(better, average([row.floor.value for row in rows]), score.label, score.fingerprint)
    return columns


def entries_of(cells: Sequence[tuple[Finding, Report]], metric: str) -> dict[str, Entry]:
    """Row -> entry of one benchmark and metric, without differences."""
    scores: dict[str, dict[int, float]] = {}
    for finding, report in cells:
        for row in report.rows:
            if row.score.metric == metric:
                scores.setdefault(finding.recipe, {})[finding.seed] = row.score.value
    entries = {}
    for name, by_seed in scores.items():
        values = list(by_seed.values())
        try:
            entries[name] = Entry(by_seed, average(values), interval(values, bounds=bounds_of(metric)))
        except ValueError as error:
            raise ValueError(f"{cells[0][0].benchmark}: {metric}: {name!r}: {error}") from error
    return entries


def compared(entries: Mapping[str, Entry], rows: Sequence[RowInfo], column: Column, metric: str) -> dict[str, Entry]:
    """The same entries with the best marked, and with differences to the rows that they build on."""
    losses = {name: _loss(entry.mean, column) for name, entry in entries.items()}
    least = min(losses.values(), default=0.0)
    best = {name for name, loss in losses.items() if math.isclose(loss, least, rel_tol=1e-12, abs_tol=0.0)}
    low, high = bounds_of(metric)
    bounds = (low - high, high - low)
    differences = {
        row.name: paired(entries[row.name].values, entries[row.after].values, after=row.after, bounds=bounds)
        for row in rows
        if row.after is not None and row.after in entries and row.name in entries
    }
    return {
        name: replace(entry, best=name in best, difference=differences.get(name)) for name, entry in entries.items()
    }


def _loss(mean: float, column: Column) -> float:
    """A number that is smaller for a better mean."""
    return {"low": mean, "high": -mean, "real": abs(mean - column.floor)}[column.better]


def corrected(entries: Mapping[Key, Entry]) -> dict[Key, Entry]:
    """The same entries, their p-values corrected for the number of all that have one (Holm 1979)."""
    tested = {
        key: entry.difference
        for key, entry in entries.items()
        if entry.difference is not None and entry.difference.p is not None
    }
    adjusted = holm([difference.p for difference in tested.values() if difference.p is not None])
    result = dict(entries)
    for (key, difference), p in zip(tested.items(), adjusted, strict=True):
        result[key] = replace(entries[key], difference=replace(difference, adjusted=p))
    return result


def paired(
    values: Mapping[int, float],
    base: Mapping[int, float],
    *,
    after: str = "",
    bounds: tuple[float, float] = UNBOUNDED,
) -> Difference | None:
    """Values minus base over the seeds that both have; None when they have no seed in common.

    The interval is Student's, cut at `bounds`, the least and the largest possible difference.

    The effect size is d_z = mean / standard deviation of the differences (Cohen 1988, section 2.3; named so by Lakens
    2013), times J(m) = G(m/2) / (sqrt(m/2) G((m-1)/2)) with m = n - 1 and the gamma function G (Hedges 1981, eq. 6e),
    because d_z is too large with few seeds. J(1) is 0, so two seeds have no effect size. Equal differences have neither
    test nor effect size, unless they are zero (p 1, effect 0).
    """
    seeds = tuple(sorted(set(values) & set(base)))
    if not seeds:
        return None
    ours, theirs = ([float(side[seed]) for seed in seeds] for side in (values, base))
    differences = np.subtract(ours, theirs)
    mean, ends, m = average(differences.tolist()), interval(differences.tolist()), len(seeds) - 1
    if ends is None:
        return Difference(after, seeds, mean, None, None, None)
    ends = max(ends[0], min(bounds[0], mean)), min(ends[1], max(bounds[1], mean))
    spread, least = float(np.std(differences, ddof=1)), SAME * float(np.abs([ours, theirs]).max())
    if spread <= least:
        zero = abs(mean) <= least
        return Difference(after, seeds, mean, ends, 1.0 if zero else None, 0.0 if zero else None)
    p = 2 * float(special.stdtr(m, -abs(mean) / spread * math.sqrt(len(seeds))))  # Student's, paired and two-sided
    effect = None
    if m > 1:
        correction = math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2)) / math.sqrt(m / 2)
        effect = correction * mean / spread
    return Difference(after, seeds, mean, ends, p, effect)


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), in the same order."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return adjusted
