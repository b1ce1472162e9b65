"""Scores of generated sets through each feature network, beside the floor that real motions reach among themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from kinetic.evaluation.comparison import Comparison
from kinetic.evaluation.networks import Network
from kinetic.evaluation.reference import like
from kinetic.evaluation.report import ClassTable, Row
from kinetic.metrics.classes import PerClass
from kinetic.metrics.intervals import interval, interval_from
from kinetic.metrics.measures import BETTER, Case, Measure, Memories, Sample, measure
from kinetic.metrics.recognition import confusion
from kinetic.metrics.resampling import Variance, joined, variance_over_draws, variance_over_people
from kinetic.metrics.score import Score, bounds_of
from kinetic.motion.motion_set import MotionSet

__all__ = ["Floor", "Scores", "class_table", "people_of", "plain_value", "score_sets"]

Values = Mapping[str, Tensor | PerClass]
"""Name of a score -> its value, as `measure` returns them."""


class Floor(NamedTuple):
    """Real motions that play the generated ones, in one draw or several, and the scores of each draw."""

    samples: Sequence[Sample]
    values: Sequence[Values]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of the generated sets and of the floor, through one feature network or of coordinates alone.

    Args:
        network: None = coordinates alone
        suffix: of the names of these scores in a report: empty for the first network, @2 for the second
        names: scores that a report shows
        measures: the computations behind them
        cases: one for each generated set
        memories: shared by the cases
        generated: the scores of each case
        floors: which real motions they are, as `Measure.floor` names them -> the floor
        variances: of the mean scores, over people and draws; None = no bootstrap
        reasons: name of a score -> why it is missing
    """

    network: Network | None
    suffix: str
    names: Collection[str]
    measures: Sequence[Measure]
    cases: Sequence[Case]
    memories: Memories
    generated: Sequence[Values]
    floors: Mapping[str, Floor]
    variances: Mapping[str, Variance] | None
    reasons: Mapping[str, str]

    def rows(self, label: Mapping[str, Any]) -> list[Row]:
        """A row for each score that all sets have; `label` holds the facts that the rows share."""
        rows = []
        for kind in self.measures:
            facts = dict(label) | {"estimator": kind.estimator}
            if self.network is not None and kind.needs:
                facts |= {
                    "network": self.network.name,
                    "network_data": self.network.data,
                    "network_hash": self.network.hash,
                }
            floor = self.floors[kind.floor]
            floor_facts = facts | {"truncation": None, "seeds": tuple(range(len(floor.values)))}
            for name in self._complete(kind):
                score = self._mean(name, self.generated, n_fake=len(self.cases[0].fake.label), **facts)
                real = self._mean(name, floor.values, n_fake=len(floor.samples[0].label), **floor_facts)
                if self.variances is not None:
                    variance = self.variances.get(name)
                    bounds = bounds_of(name)
                    score = replace(score, interval=variance and interval_from(score.value, *variance, bounds=bounds))
                real = replace(real, interval=None)  # draws of one set are not independent
                rows.append(Row(score, real, BETTER[name]))
        return rows

    def missing(self) -> dict[str, str]:
        """Name of a score without a row -> why."""
        complete = {name for kind in self.measures for name in self._complete(kind)}
        missing = [name for name in self.reasons if name in self.names and name not in complete]
        return {name + self.suffix: self.reasons[name] for name in missing}

    def by_class(self, classes: int) -> dict[str, list[float | None]]:
        """Name of a score -> its mean over the sets for each of K classes, None where a class has too few motions."""
        table: dict[str, list[float | None]] = {}
        if (counts := self.confusion(classes)) is not None:
            shares = (counts.diagonal().double() / counts.sum(dim=1)).tolist()
            table["accuracy"] = [None if math.isnan(share) else share for share in shares]
        for name, first in self.generated[0].items():
            if isinstance(first, PerClass):
                mean = torch.stack([values[name].value for values in self.generated]).mean(dim=0)  # type: ignore[union-attr]
                of_class = dict(zip(first.label.tolist(), mean.tolist(), strict=True))
                table[name] = [of_class.get(k) for k in range(classes)]
        return {name + self.suffix: values for name, values in table.items()}

    def confusion(self, classes: int) -> Tensor | None:
        """(K, K) counts over all sets, rows the labels, columns what is recognised; None = nothing is."""
        fakes = [case.fake for case in self.cases]
        counts = [confusion(fake.predicted, fake.label, classes) for fake in fakes if fake.predicted is not None]
        return torch.stack(counts).sum(dim=0) if counts else None

    def _complete(self, kind: Measure) -> list[str]:
        """The scores of a measure that a report shows and all sets have."""
        sets = (*self.generated, *self.floors[kind.floor].values)
        return [name for name in kind.scores if name in self.names and all(name in values for values in sets)]

    def _mean(self, name: str, sets: Sequence[Values], **facts: Any) -> Score:
        values = [plain_value(scores[name]) for scores in sets]
        ends = interval(values, bounds=bounds_of(name))
        return Score(value=float(np.mean(values)), interval=ends, metric=name + self.suffix, **facts)


def score_sets(
    comparison: Comparison,
    fakes: Sequence[MotionSet],
    measures: Sequence[Measure],
    names: Collection[str],
    *,
    seeds: int,
    bootstrap: int,
    progress: bool,
) -> list[Scores]:
    """The scores of generated sets, with those of the coordinates, through each network of a comparison.

    Args:
        names: scores that a report shows, of those that `measures` compute
        seeds, bootstrap, progress: as for `evaluate`
    """
    draws = comparison.reference.floor(fakes[0].label, seeds)
    parts = comparison.by_network()
    steps = len(fakes) + len(draws) + 2 + bootstrap * (1 if len(fakes) > 1 else 2)
    bar = tqdm(total=len(parts) * steps, unit="set", desc="evaluate", disable=None if progress else True)
    with bar:
        return [
            _scores(
                part,
                fakes,
                draws,
                [kind for kind in measures if part is comparison or kind.needs],
                names,
                suffix="" if part is comparison else f"@{number}",
                bootstrap=bootstrap,
                tell=bar.update,
            )
            for number, part in enumerate(parts, start=1)
        ]


def _scores(
    comparison: Comparison,
    fakes: Sequence[MotionSet],
    draws: Sequence[Tensor],
    measures: Sequence[Measure],
    names: Collection[str],
    *,
    suffix: str,
    bootstrap: int,
    tell: Callable[[], object],
) -> Scores:
    """The scores of all sets through the first network of a comparison; `tell` is called after each set."""
    test, train = comparison.sides
    skeleton, reasons = comparison.reference.test.skeleton, dict[str, str]()
    memories = Memories(test, train, skeleton)
    left_out = like(train.label.numpy(), test.label.numpy(), 0)

    def case_of(sample: Sample, rows: Tensor | None = None) -> Case:
        return Case(sample, test, train, skeleton, rows, memories)

    def measured(case: Case, chosen: Sequence[Measure]) -> Values:
        values = measure(case, chosen, reasons=reasons)
        tell()
        return values

    def floor(side: str, samples: Sequence[Sample], rows: Tensor | None = None) -> Floor:
        chosen = [kind for kind in measures if kind.floor == side]
        return Floor(samples, [measured(case_of(sample, rows), chosen) for sample in samples])

    cases, generated = [], []
    for fake in fakes:
        cases.append(case_of(comparison.sample(fake)))
        generated.append(measured(cases[-1], measures))
    floors = {
        "train": floor("train", [train.select(rows) for rows in draws]),
        "test": floor("test", [test]),
        "left out": floor("left out", [train.select(left_out)], left_out),
    }
    variances = None
    if bootstrap:
        people, _ = people_of(comparison.reference.test)
        variances = _variances(cases, generated, measures, people, halves=bootstrap, tell=tell)
    return Scores(comparison.network, suffix, names, measures, cases, memories, generated, floors, variances, reasons)


def _variances(
    cases: Sequence[Case],
    generated: Sequence[Values],
    measures: Sequence[Measure],
    people: np.ndarray,
    *,
    halves: int,
    tell: Callable[[], object],
) -> dict[str, Variance]:
    """Variances of the mean of each score over other test people and other draws of the generator."""
    rng = np.random.default_rng(0)
    over_people = variance_over_people(cases[0], measures, people, halves=halves, rng=rng, tell=tell)
    if len(cases) == 1:
        over_draws = variance_over_draws(cases[0], measures, halves=halves, rng=rng, tell=tell)
    else:
        over_draws = {}
        for name in generated[0]:
            values = [plain_value(scores[name]) for scores in generated if name in scores]
            if len(values) == len(cases):
                over_draws[name] = Variance(float(np.var(values, ddof=1)) / len(values), len(values) - 1)
    return {name: joined([over_people[name], over_draws[name]]) for name in over_people if name in over_draws}


def people_of(test: MotionSet) -> tuple[np.ndarray, int | None]:
    """The person of each motion, (N,), and their number; each motion by itself and None where people are unknown."""
    subject = test.subject
    if subject is None or len(np.unique(subject)) < 2:
        return np.arange(len(test)), None
    return np.asarray(subject), len(np.unique(subject))


def class_table(parts: Sequence[Scores], class_names: tuple[str, ...]) -> ClassTable:
    """The scores of each class through all networks; confusions are those of the first network."""
    columns = {name: values for part in parts for name, values in part.by_class(len(class_names)).items()}
    counts = parts[0].confusion(len(class_names))
    return ClassTable(class_names, columns, None if counts is None else counts.tolist())


def plain_value(value: Tensor | PerClass) -> float:
    """A score as one number: of classes their mean."""
    return float(value.mean if isinstance(value, PerClass) else value)
