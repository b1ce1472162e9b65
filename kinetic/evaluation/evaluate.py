"""Scores of generated motions beside the floor that real motions reach among themselves."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from kinetic.evaluation.alarms import collapse, copies, faults
from kinetic.evaluation.comparison import Contest, Encoders, Network, open_contest, plain_sample
from kinetic.evaluation.report import ClassTable, Report, Row
from kinetic.metrics.classes import PerClass
from kinetic.metrics.frechet import frechet_from_features, scarce_classes
from kinetic.metrics.intervals import COVERS, interval, interval_from
from kinetic.metrics.measures import BETTER, Case, Measure, Memories, Sample, choose, measure
from kinetic.metrics.mmd import mmd_per_class
from kinetic.metrics.recognition import accuracy, confusion
from kinetic.metrics.resampling import Variance, joined, variance_over_draws, variance_over_people
from kinetic.metrics.score import Score, bounds_of
from kinetic.metrics.separation import two_sample_test
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.scaler import Scaler
from kinetic.runs.run import Run

__all__ = ["evaluate", "evaluate_published", "like", "plain_value"]

CHUNK = 32
"""Motions that Inception sees before the bar moves on."""

PUBLISHED_COUNT, PUBLISHED_TRUNCATION = 1000, 0.95
"""Motions per class and psi of Kinetic-GAN's evaluation."""

TRUSTED = 0.7
"""Accuracy on real test motions from which on a recognition network is trusted without a remark."""


def evaluate(
    subject: Run | MotionSet | str | os.PathLike[str] | Contest,
    *,
    encoder: Encoders = None,
    reference: str | os.PathLike[str] | None = None,
    split: str | None = None,
    count: int | None = None,
    seeds: int = 5,
    truncation: float | None = None,
    only: Iterable[str] | None = None,
    bootstrap: int = 0,
    scaled: bool = False,
    progress: bool = False,
) -> Report:
    """Score a run, or motions made by anyone, against held-out real motions.

    Real motions are those that the run did not train on, or that the recognition network did not when motions are
    scored. Generated ones have the labels of the real ones unless `count` is given, of a class no more than there are
    training motions. The floor compares real training motions, as many as generated where there are, with the same
    real test motions; of several draws it is the mean. Where a score looks at one side only, the floor is that of the
    real test motions; for copying it is that of training motions, each left out of them in turn.

    Args:
        subject: a run of a generator, its folder or checkpoint, or motions with labels, or a file of them, or a contest
        encoder: a run of the recognition network, or any feature network as `kinetic.models.adapter.Adapted`; None
            leaves out all scores that compare features. With several, scores that look at features are those of the
            first, and follow again as `frechet@2` for the second and so on
        reference: a file of real motions; None = the data of the run, else of the encoder
        split: which of them are held out; None = as in the experiment
        count: motions generated per class; None = as many as there are real ones
        seeds: how often motions are generated; their spread gives the 95% interval of their mean
        truncation: psi of the generated motions; None = none
        only: names of scores, of `kinetic.metrics.measures.BETTER`; None = all
        bootstrap: halves of the test people that all is scored against, so that the interval covers other people too;
            0 = it covers other draws of the generator alone
        scaled: motions of a file lie in [-1, 1], by the extremes of the training motions, as published generators leave
            them
        progress: show a bar on a terminal

    What cannot be computed, for want of a network or of motions, is left out, and the notes say why.

    Raises:
        ValueError: when nothing says what to compare with, when a network was trained on what is held out, joints,
            frames, classes or centering of the sides differ, or coordinates are not finite
        FileNotFoundError: when there is no such run or file
    """
    if seeds < 1 or bootstrap < 0 or bootstrap == 1:
        raise ValueError(f"seeds must be at least 1 and bootstrap 0 or at least 2, got {seeds} and {bootstrap}")
    only = None if only is None else tuple(only)
    measures = choose(only)
    contest = _contest(subject, encoder=encoder, reference=reference, split=split, scaled=scaled)
    fakes = contest.fakes(count=count, seeds=seeds, truncation=truncation)
    test, train = contest.sides
    draws = [like(train.label.numpy(), fakes[0].label, seed) for seed in range(seeds)]
    if len(draws[0]) == int(torch.isin(train.label, torch.from_numpy(fakes[0].label)).sum()):
        draws = draws[:1]  # every draw takes them all
    contests = [contest, *(replace(contest, network=network, others=()) for network in contest.others)]
    suffixes = ["", *(f"@{number}" for number in range(2, len(contests) + 1))]
    each_looks_at = len(fakes) + len(draws) + 2 + bootstrap * (1 if len(fakes) > 1 else 2)
    with tqdm(
        total=len(contests) * each_looks_at, unit="set", desc="evaluate", disable=None if progress else True
    ) as bar:
        seen = [
            _look(each, fakes, draws, [one for one in measures if each is contest or one.needs], bootstrap, bar.update)
            for each in contests
        ]
    label = contest.label(count=count, seeds=seeds, truncation=truncation)
    rows: list[Row] = []
    missing: dict[str, str] = {}
    for each, own, suffix in zip(contests, seen, suffixes, strict=True):
        some = [row for row in _rows(own, label, each.network) if only is None or row.score.metric in only]
        told = {row.score.metric for row in some}
        for name, why in own.reasons.items():
            if name not in told and (only is None or name in only):
                missing[name + suffix] = why
        rows += [_named(row, row.score.metric + suffix) for row in some]
    if not rows:
        raise ValueError(f"{contest.name}: nothing of it can be scored: {'; '.join(_left_out(missing))}")
    sets = f"{len(fakes)} seed{'s' * (len(fakes) > 1)}" if contest.run is not None else "one set"
    notes = [*contest.notes, *_left_out(missing)]
    notes.append(f"{len(test.label)} real motions ({label['reference']}), {len(fakes[0])} generated, {sets}")
    scored = {row.score.metric for row in rows}
    if len(draws[0]) != len(fakes[0]):
        notes.append(_at_equal_numbers(seen[0], measures, scored))
    for each, own, suffix in zip(contests, seen, suffixes, strict=True):
        notes += _network_notes(each, own, suffix, scored)
    notes.append(f"coordinates: {label['scaling']}; floor: real motions; {_covers(contest, len(fakes), bootstrap)}")
    tables = [_by_class(contest.real.test.class_names, own) for own in seen]
    by_class = {
        name + suffix: each for one, suffix in zip(tables, suffixes, strict=True) for name, each in one.scores.items()
    }
    table = replace(tables[0], scores=by_class)
    alarms = list(collapse(table))
    for own, suffix in zip(seen, suffixes, strict=True):
        by_anyone = contest.motions is not None and not suffix
        alarms += copies(rows, own.cases[0], own.memories, suffix, by_anyone=by_anyone)
    for fault, text in faults(contest, fakes[0]):
        (alarms if fault else notes).append(text)
    return Report(contest.name, tuple(rows), tuple(notes), tuple(alarms), table)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What one network makes of all sets.

    Args:
        measures: those that were computed
        cases: one for each generated set
        memories: shared by them
        found: scores of each of them
        floors: kind of floor -> real motions that play the generated ones, in one or several draws
        among: kind of floor -> scores of each draw
        variances: of the mean scores; None = the spread over the sets says it
        reasons: why scores are left out
    """

    measures: Sequence[Measure]
    cases: Sequence[Case]
    memories: Memories
    found: Sequence[Mapping[str, Any]]
    floors: Mapping[str, Sequence[Sample]]
    among: Mapping[str, Sequence[Mapping[str, Any]]]
    variances: Mapping[str, Variance] | None
    reasons: Mapping[str, str]


def _look(
    contest: Contest,
    fakes: Sequence[MotionSet],
    draws: Sequence[Tensor],
    measures: Sequence[Measure],
    bootstrap: int,
    done: Callable[[], object],
) -> _Seen:
    """All sets through the first network of a contest, with their scores; `done` is called after each set."""
    test, train = contest.sides
    skeleton, reasons = contest.real.test.skeleton, dict[str, str]()
    memories = Memories(test, train, skeleton)

    def taken(fake: Sample, kind: str | None = None, left_out: Tensor | None = None) -> tuple[Case, dict[str, Any]]:
        case = Case(fake, test, train, skeleton, left_out, memories)
        found = measure(case, [each for each in measures if kind in (None, each.floor)], reasons=reasons)
        done()
        return case, found

    cases, found = zip(*(taken(contest.look(fake)) for fake in fakes), strict=True)
    rows = like(train.label.numpy(), test.label.numpy(), 0)
    floors = {"train": [train.select(each) for each in draws], "test": [test], "left out": [train.select(rows)]}
    among = {
        kind: [taken(each, kind, rows if kind == "left out" else None)[1] for each in sets]
        for kind, sets in floors.items()
    }
    variances = _variances(cases, found, measures, contest, bootstrap, done) if bootstrap else None
    return _Seen(measures, cases, memories, found, floors, among, variances, reasons)


def _named(row: Row, metric: str) -> Row:
    return row._replace(score=replace(row.score, metric=metric), floor=replace(row.floor, metric=metric))


def _network_notes(contest: Contest, seen: _Seen, suffix: str, scored: Container[str]) -> list[str]:
    """What must be said of a network and of what it sees; nothing where there is none."""
    network, test, fake, known = contest.network, seen.memories.real, seen.cases[0].fake, ""
    if network is None:
        return []
    notes = []
    if test.predicted is not None:
        known = f", accuracy {float(accuracy(test.predicted, test.label)):.3f} on real test"
    notes.append(f"features{suffix and f' {suffix}'}: {network.name} {network.hash} trained on {network.data}{known}")
    if test.predicted is not None and float(accuracy(test.predicted, test.label)) < TRUSTED:
        notes.append("this network recognises few real motions: what it says of generated ones is worth little")
    width = test.seen.shape[1]
    if min(len(fake.label), len(test.label)) < width:
        notes.append(f"fewer motions than the {width} features: compare Frechet distances with care")
    if "frechet_class" + suffix in scored and (scarce := scarce_classes(seen.found[0]["frechet_class"], width)):
        notes.append(f"frechet_class{suffix}: {scarce}")
    if "c2st" + suffix in scored:
        made, real = (float(two_sample_test(each.seen, test.seen)[1]) for each in (fake, seen.floors["train"][0]))
        notes.append(
            f"c2st{suffix}: p {made:.3f} for the first generated set, {real:.3f} for real training motions, if motions "
            f"were independent; those of one person are not"
        )
    return notes


def _variances(
    cases: Sequence[Case],
    found: Sequence[Mapping[str, Any]],
    measures: Sequence[Measure],
    contest: Contest,
    halves: int,
    tell: Callable[[], object],
) -> dict[str, Variance]:
    """Variance of the mean of each score over other test people and other draws of the generator."""
    rng = np.random.default_rng(0)
    people, _ = _people(contest)
    real = variance_over_people(cases[0], measures, people, halves=halves, rng=rng, tell=tell)
    if len(cases) > 1:
        drawn = {}
        for name in found[0]:
            values = [plain_value(each[name]) for each in found if name in each]
            if len(values) == len(cases):
                drawn[name] = Variance(float(np.var(values, ddof=1)) / len(values), len(values) - 1)
    else:
        drawn = variance_over_draws(cases[0], measures, halves=halves, rng=rng, tell=tell)
    return {name: joined([real[name], drawn[name]]) for name in real if name in drawn}


def _people(contest: Contest) -> tuple[np.ndarray, int | None]:
    """Who each held-out motion is of, and how many these are; where there is one or nobody knows, each motion alone."""
    subject = contest.real.test.subject
    if subject is None or len(np.unique(subject)) < 2:
        return np.arange(len(contest.real.test)), None
    return np.asarray(subject), len(np.unique(subject))


def _covers(contest: Contest, sets: int, bootstrap: int) -> str:
    if not bootstrap:
        return COVERS if sets > 1 else "no interval, for there is one set (--bootstrap)"
    _, people = _people(contest)
    who = "other test motions" if people is None else f"other people in the place of the {people} of the test side"
    return f"interval: 95%, over {who} and over draws of the generator, at these numbers of motions"


def _at_equal_numbers(seen: _Seen, measures: Sequence[Measure], scored: Container[str]) -> str:
    """Scores that change with the number of motions, of as many generated ones as the floor has."""
    case, floor = seen.cases[0], seen.floors["train"][0].label.numpy()
    wanted = [each for each in measures if each.numbers and any(name in scored for name in each.scores)]
    found = measure(case.select(like(case.fake.label.numpy(), floor, 0)), wanted)
    listed = ", ".join(f"{name} {plain_value(value):.3f}" for name, value in found.items() if name in scored)
    equal = f"; of as many generated ones: {listed}" if listed else ""
    return (
        f"the floor has {len(floor)} real training motions, for there are no more of the same classes, and some scores "
        f"change with the number of motions{equal}"
    )


def _rows(seen: _Seen, label: Mapping[str, Any], network: Network | None) -> list[Row]:
    """A row for each score that all sets have."""
    rows = []
    n_fake = len(seen.cases[0].fake.label)
    for each in seen.measures:
        own = dict(label)
        if network is not None and {"features", "predicted"} & set(each.needs):
            own |= {"network": network.name, "network_data": network.data, "network_hash": network.hash}
        floors, n_floor = seen.among[each.floor], len(seen.floors[each.floor][0].label)
        own_floor = own | {"truncation": None, "seeds": tuple(range(len(floors)))}
        for name in each.scores:
            if any(name not in one for one in (*seen.found, *floors)):
                continue
            score, floor = (
                _score([one[name] for one in sets], metric=name, estimator=each.estimator, n_fake=n, **facts)
                for sets, n, facts in ((seen.found, n_fake, own), (floors, n_floor, own_floor))
            )
            if seen.variances is not None:
                known = seen.variances.get(name)
                score = replace(score, interval=known and interval_from(score.value, *known, bounds=bounds_of(name)))
            rows.append(Row(score, replace(floor, interval=None), BETTER[name]))  # draws of one set are not independent
    return rows


def _left_out(missing: Mapping[str, str]) -> list[str]:
    """Which scores are not in the table, and why."""
    reasons: dict[str, list[str]] = {}
    for name, why in missing.items():
        reasons.setdefault(why, []).append(name)
    return [f"left out: {', '.join(names)}: {why}" for why, names in reasons.items()]


def _contest(subject: Any, **options: Any) -> Contest:
    """The contest that is scored, opened if need be. Raises ValueError for options that an open one cannot follow."""
    if not isinstance(subject, Contest):
        return open_contest(subject, **options)
    if given := [name for name, value in options.items() if value not in (None, False)]:
        raise ValueError(f"{given[0]} belongs to open_contest: this contest is open already")
    return subject


def _score(found: Sequence[Tensor | PerClass], **label: Any) -> Score:
    values = [plain_value(each) for each in found]
    return Score(value=float(np.mean(values)), interval=interval(values, bounds=bounds_of(label["metric"])), **label)


def plain_value(found: Tensor | PerClass) -> float:
    """A score as one number; of classes the mean."""
    return float(found.mean if isinstance(found, PerClass) else found)


def _by_class(class_names: tuple[str, ...], seen: _Seen) -> ClassTable:
    """The mean over seeds of each class's scores."""
    found, looked = seen.found, [each.fake for each in seen.cases]
    scores: dict[str, list[float | None]] = {}
    for name, first in found[0].items():
        if isinstance(first, PerClass):
            mean = torch.stack([one[name].value for one in found]).mean(dim=0)
            known = dict(zip(first.label.tolist(), mean.tolist(), strict=True))
            scores[name] = [known.get(k) for k in range(len(class_names))]
    if looked[0].predicted is None:
        return ClassTable(class_names, scores)
    counts = torch.stack(
        [confusion(one.predicted, one.label, len(class_names)) for one in looked if one.predicted is not None]
    ).sum(dim=0)
    right = counts.diagonal().double() / counts.sum(dim=1)
    shares = [None if value != value else value for value in right.tolist()]
    return ClassTable(class_names, {"accuracy": shares, **scores}, counts.tolist())


def evaluate_published(
    subject: Run | MotionSet | str | os.PathLike[str] | Contest,
    *,
    inception: str | os.PathLike[str] | None = None,
    range_fault: bool = True,
    reference: str | os.PathLike[str] | None = None,
    split: str | None = None,
    count: int | None = None,
    truncation: float | None = None,
    scaled: bool = False,
    progress: bool = False,
) -> Report:
    """Score as Kinetic-GAN was scored, so that its published numbers and those of forks can be put beside ours.

    MMDa and MMDs by its script, whose faults make it a distance between one pair of motions per class; FID on ImageNet
    features of motions taken for images, where the weights are given. All coordinates are scaled to [-1, 1] by the
    extremes of the training motions, which are also the reference. The floor compares real held-out motions with them.
    `docs/protocol.md` says why these numbers should not be trusted.

    Args:
        subject, reference, split, scaled, progress: as for `evaluate`
        inception: the weights that pytorch-fid publishes; None leaves FID out
        range_fault: feed [-1, 1] to a network that expects [0, 1], as published
        count: motions of each class; None = 1000 (published)
        truncation: psi; None = 0.95 (published)

    Raises:
        ValueError, FileNotFoundError: as `evaluate`; also for weights that are not there or not those
    """
    from kinetic.models.inception import InceptionFeatures, load_inception

    network = None
    if inception is not None:
        network = InceptionFeatures(load_inception(inception), range_fault=range_fault)
    contest = _contest(subject, encoder=None, reference=reference, split=split, scaled=scaled)
    if contest.run is not None:
        count = PUBLISHED_COUNT if count is None else count
        truncation = PUBLISHED_TRUNCATION if truncation is None else truncation
    fake = contest.fakes(count=count, seeds=1, truncation=truncation)[0]
    test = contest.real.test
    scaled_by, train = contest.real.train, contest.real.train.select(np.isin(contest.real.train.label, test.label))
    scaler = Scaler.fit(scaled_by, "minmax")
    label = contest.label(count=count, seeds=1, truncation=truncation) | {
        "reference": f"{train.source or 'motions'}/{contest.data.split}/train",
        "n_real": len(train),
        "scaling": f"[-1, 1] by the extremes of the training motions, centred: {contest.data.centering}",
    }
    rows: list[Row] = []
    notes = [*contest.notes]

    def scaled_part(motions: MotionSet) -> Tensor:
        return scaler(plain_sample(motions).motion)

    def add(metric: str, estimator: str, score: Callable[[MotionSet], float], **more: Any) -> None:
        own = label | more
        values = [score(fake), score(test)]
        generated = Score(value=values[0], metric=metric, estimator=estimator, n_fake=len(fake), **own)
        floor = replace(generated, value=values[1], n_fake=len(test), truncation=None, seeds=())
        rows.append(Row(generated, floor, "low"))

    if network is not None:
        images = network
        bar = tqdm(
            total=len(train) + len(fake) + len(test), unit="motion", desc="inception", disable=not progress or None
        )

        def features(motions: MotionSet) -> Tensor:
            parts = []
            for batch in scaled_part(motions).split(CHUNK):
                parts.append(images.features(batch))
                bar.update(len(batch))
            return torch.cat(parts)

        with bar:
            real = features(train)
            add(
                "fid",
                f"gaussian, input in {'[-3, 1] (published)' if range_fault else '[-1, 1]'}",
                lambda motions: float(frechet_from_features(features(motions), real)),
                network=network.name,
                network_data=network.data,
                network_hash=network.hash,
            )
    else:
        notes.append("fid: left out; pass the Inception weights of pytorch-fid (--inception FILE)")
    kept = torch.from_numpy(train.label)
    known = scaled_part(train)
    for mode in ("frame", "sequence"):

        def discrepancy(motions: MotionSet, mode: Any = mode) -> float:
            own = torch.from_numpy(motions.label)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                value = mmd_per_class(scaled_part(motions), own, known, kept, mode=mode, estimator="published").mean
            side = "generated" if motions is fake else "real"
            notes.extend(f"mmd_{mode}, {side}: {each.message}" for each in caught)
            return float(value)

        add(f"mmd_{mode}", "published", discrepancy)
    notes.append(f"{len(train)} real motions ({label['reference']}), {len(fake)} generated, one run")
    notes.append("as published, faults included: compare with published numbers only")
    return Report(contest.name, tuple(rows), tuple(notes))


def like(own: np.ndarray, label: np.ndarray, seed: int) -> Tensor:
    """Rows with as many motions of each class as there are labels of it, or all where there are fewer, none twice.

    Args:
        own: (N,) labels of the rows to choose from
        label: labels whose numbers are wanted
        seed: of the choice
    """
    rng = np.random.default_rng([seed, 1])
    rows = []
    for each, wanted in zip(*np.unique(label, return_counts=True), strict=True):
        rows.append(rng.permutation(np.flatnonzero(own == each))[:wanted])
    return torch.from_numpy(np.sort(np.concatenate(rows)))
