"""Scores of generated motions beside the floor that real motions reach among themselves."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from tqdm import tqdm

from kinetic.contest import Contest, Encoders, Network, open_contest, plain_sample
from kinetic.data.inspection import inspect_bodies
from kinetic.data.module import Scaler
from kinetic.data.motion import MotionSet
from kinetic.experiment import Run
from kinetic.metrics.classes import PerClass
from kinetic.metrics.frechet import frechet_from_features
from kinetic.metrics.measures import BETTER, Case, Measure, Sample, choose, measure
from kinetic.metrics.mmd import mmd_per_class
from kinetic.metrics.recognition import accuracy, confusion
from kinetic.metrics.score import Score
from kinetic.metrics.separation import two_sample_test
from kinetic.metrics.variety import COLLAPSED
from kinetic.report import ClassTable, Report, Row

__all__ = ["evaluate", "evaluate_published", "interval", "plain_value"]

CHUNK = 32
"""Motions that Inception sees before the bar moves on."""

PUBLISHED_COUNT, PUBLISHED_TRUNCATION = 1000, 0.95
"""Motions per class and psi of Kinetic-GAN's evaluation."""

TRUSTED = 0.7
"""Accuracy on real test motions from which on a recognition network is trusted without a remark."""

COPIED = 0.05
"""From this share of copies on, among generated or held-out motions, a report raises an alarm; by chance it is 1%."""


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
    scaled: bool = False,
    progress: bool = False,
) -> Report:
    """Score a run, or motions made by anyone, against held-out real motions.

    Real motions are those that the run did not train on, or that the recognition network did not when motions are
    scored. Generated ones have the labels of the real ones unless `count` is given. The floor compares real training
    motions, as many as generated where there are, with the same real test motions; of several draws it is the mean.
    Where a score looks at one side only, or at how near it is to the training motions, the floor is that of the real
    test motions.

    Args:
        subject: a run of a generator, its folder or checkpoint, or motions with labels, or a file of them, or a contest
        encoder: a run of the recognition network, or any feature network as `kinetic.models.adapter.Adapted`; None
            leaves out all scores that compare features. With several, scores that look at features are those of the
            first, and follow again as `frechet@2` for the second and so on
        reference: a file of real motions; None = the data of the run, else of the encoder
        split: which of them are held out; None = as in the experiment
        count: motions generated per class; None = as many as there are real ones
        seeds: how often motions are generated; their spread gives the 95% interval
        truncation: psi of the generated motions; None = none
        only: names of scores, of `kinetic.metrics.measures.BETTER`; None = all
        scaled: motions of a file lie in [-1, 1], by the extremes of the training motions, as published generators leave
            them
        progress: show a bar on a terminal

    What cannot be computed, for want of a network or of motions, is left out, and the notes say why.

    Raises:
        ValueError: when nothing says what to compare with, when a network was trained on what is held out, joints,
            frames, classes or centering of the sides differ, or coordinates are not finite
        FileNotFoundError: when there is no such run or file
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    only = None if only is None else tuple(only)
    measures = choose(only)
    contest = _contest(subject, encoder=encoder, reference=reference, split=split, scaled=scaled)
    fakes = contest.fakes(count=count, seeds=seeds, truncation=truncation)
    test, train = contest.sides
    draws = [_like(train.label, fakes[0].label, seed) for seed in range(seeds)]
    if len(draws[0]) == int(torch.isin(train.label, torch.from_numpy(fakes[0].label)).sum()):
        draws = draws[:1]  # every draw takes them all
    contests = [contest, *(replace(contest, network=network, others=()) for network in contest.others)]
    suffixes = ["", *(f"@{number}" for number in range(2, len(contests) + 1))]
    total = len(contests) * (len(fakes) + len(draws) + 1)
    bar = tqdm(total=total, unit="set", desc="evaluate", disable=None if progress else True)
    with bar:
        seen = [
            _look(each, fakes, draws, [one for one in measures if each is contest or one.needs], bar.update)
            for each in contests
        ]
    label = contest.label(count=count, seeds=seeds, truncation=truncation)
    rows: list[Row] = []
    missing: dict[str, str] = {}
    for each, own, suffix in zip(contests, seen, suffixes, strict=True):
        some = _rows(own.measures, own.found, own.among, own.itself, label, each.network, len(fakes[0]), len(draws[0]))
        some = [row for row in some if only is None or row.score.metric in only]
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
    if len(draws[0]) != len(fakes[0]):
        notes.append(f"the floor has {len(draws[0])} real training motions, for there are no more of the same classes")
    scored = {row.score.metric for row in rows}
    for each, own, suffix in zip(contests, seen, suffixes, strict=True):
        notes += _network_notes(each, own, suffix, "c2st" + suffix in scored)
    notes.append(f"coordinates: {label['scaling']}; floor: real motions; interval: 95%")
    tables = [_by_class(contest.real.test.class_names, own.found, own.looked) for own in seen]
    by_class = {
        name + suffix: each for one, suffix in zip(tables, suffixes, strict=True) for name, each in one.scores.items()
    }
    table = replace(tables[0], scores=by_class)
    alarms = _alarms(rows, table)
    for fault, text in _faults(contest, fakes[0]):
        (alarms if fault else notes).append(text)
    if contest.motions is not None and (share := _held_out(contest.motions, contest.real.test)) > COPIED:
        alarms.append(f"no test: {share:.0%} of these motions are held-out real motions that they are scored against")
    return Report(contest.name, tuple(rows), tuple(notes), tuple(alarms), table)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What one network makes of all sets.

    Args:
        measures: those that were computed
        looked: each generated set
        floors: each draw of training motions
        found, among, itself: scores of generated sets, of draws of training motions, and of the test motions
        reasons: why scores are left out
    """

    measures: Sequence[Measure]
    looked: Sequence[Sample]
    floors: Sequence[Sample]
    found: Sequence[Mapping[str, Any]]
    among: Sequence[Mapping[str, Any]]
    itself: Mapping[str, Any]
    reasons: Mapping[str, str]


def _look(
    contest: Contest,
    fakes: Sequence[MotionSet],
    draws: Sequence[Tensor],
    measures: Sequence[Measure],
    done: Callable[[], object],
) -> _Seen:
    """All sets through the first network of a contest, with their scores; `done` is called after each set."""
    test, train = contest.sides
    floors = [train.select(rows) for rows in draws]
    reasons: dict[str, str] = {}

    def taken(fake: Sample, floor: str | None = None) -> dict[str, Any]:
        some = [each for each in measures if floor in (None, each.floor)]
        found = measure(Case(fake, test, train, contest.real.test.skeleton), some, reasons=reasons)
        done()
        return found

    looked = [contest.look(fake) for fake in fakes]
    found = [taken(fake) for fake in looked]
    among = [taken(each, "train") for each in floors]
    return _Seen(measures, looked, floors, found, among, taken(test, "test"), reasons)


def _named(row: Row, metric: str) -> Row:
    return row._replace(score=replace(row.score, metric=metric), floor=replace(row.floor, metric=metric))


def _network_notes(contest: Contest, seen: _Seen, suffix: str, separated: bool) -> list[str]:
    """What must be said of a network and of what it sees; nothing where there is none."""
    network, test, known = contest.network, contest.sides[0], ""
    if network is None:
        return []
    notes = []
    if test.predicted is not None:
        known = f", accuracy {float(accuracy(test.predicted, test.label)):.3f} on real test"
    notes.append(f"features{suffix and f' {suffix}'}: {network.name} {network.hash} trained on {network.data}{known}")
    if test.predicted is not None and float(accuracy(test.predicted, test.label)) < TRUSTED:
        notes.append("this network recognises few real motions: what it says of generated ones is worth little")
    if min(len(seen.looked[0].label), len(test.label)) < test.seen.shape[1]:
        notes.append(f"fewer motions than the {test.seen.shape[1]} features: compare Frechet distances with care")
    if separated:
        made, real = (float(two_sample_test(each.seen, test.seen)[1]) for each in (seen.looked[0], seen.floors[0]))
        notes.append(
            f"c2st{suffix}: p {made:.3f} for the first generated set, {real:.3f} for real training motions, if motions "
            f"were independent; those of one person are not"
        )
    return notes


def _rows(
    measures: Sequence[Measure],
    found: Sequence[Mapping[str, Any]],
    among: Sequence[Mapping[str, Any]],
    itself: Mapping[str, Any],
    label: Mapping[str, Any],
    network: Network | None,
    n_fake: int,
    n_floor: int,
) -> list[Row]:
    rows = []
    for each in measures:
        own = dict(label)
        if network is not None and {"features", "predicted"} & set(each.needs):
            own |= {"network": network.name, "network_data": network.data, "network_hash": network.hash}
        floors, n = (among, n_floor) if each.floor == "train" else ([itself], label["n_real"])
        for name in each.scores:
            if any(name not in one for one in (*found, *floors)):
                continue
            own_floor = own | {"truncation": None, "seeds": tuple(range(len(floors)))}
            score, floor = (
                _score([one[name] for one in sets], metric=name, estimator=each.estimator, n_fake=count, **facts)
                for sets, count, facts in ((found, n_fake, own), (floors, n, own_floor))
            )
            rows.append(
                Row(score, replace(floor, interval=None), BETTER[name])
            )  # draws from one set are not independent
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
    return Score(value=float(np.mean(values)), interval=interval(values), **label)


def plain_value(found: Tensor | PerClass) -> float:
    """A score as one number; of classes the mean."""
    return float(found.mean if isinstance(found, PerClass) else found)


def interval(values: Sequence[float]) -> float | None:
    """Half of the 95% confidence interval of the mean, by Student's t; None for one value."""
    if len(values) < 2:
        return None
    spread = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(stats.t.ppf(0.975, len(values) - 1)) * spread


def _by_class(class_names: tuple[str, ...], found: Sequence[Mapping[str, Any]], looked: Sequence[Sample]) -> ClassTable:
    """The mean over seeds of each class's scores."""
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


def _alarms(rows: Sequence[Row], table: ClassTable) -> list[str]:
    """What a reader must not overlook."""
    found = []
    ratios = table.scores.get("variance", [])
    still = {name: ratio for name, ratio in zip(table.class_names, ratios, strict=False) if ratio is not None}
    if collapsed := {name: ratio for name, ratio in still.items() if ratio < COLLAPSED}:
        listed = ", ".join(f"{name} ({ratio:.2f})" for name, ratio in collapsed.items())
        found.append(f"collapse: the variance within these classes is below {COLLAPSED} of the real one: {listed}")
    for row in rows:
        if row.score.metric == "duplicates" and row.floor.value > COPIED:
            found.append(f"leak: {row.floor.value:.1%} of the held-out real motions are copies of training motions")
        if row.score.metric == "duplicates" and row.score.value > row.floor.value + COPIED:
            share = f"{row.score.value:.0%}"
            found.append(
                f"copies: {share} of the motions belong to one training motion each, and not to its neighbours"
            )
    return found


def _faults(contest: Contest, fake: MotionSet) -> Iterator[tuple[bool, str]]:
    """What is wrong with the coordinates of each side, as `kinetic data check` has it, and whether it is a fault.

    A generator makes metres and axes of its training motions, so that what looks otherwise is poor and not broken.
    """
    sides = {"scored": fake, "real test": contest.real.test, "real training": contest.real.train}
    for what, side in sides.items():
        for fault in inspect_bodies(side):
            poor = side is fake and contest.run is not None
            yield fault.severity == "fault" and not poor, f"{what} motions: {fault.what}: {fault.text}"


def _held_out(motions: MotionSet, test: MotionSet) -> float:
    """Share of motions that are test motions, to the centimetre."""

    def digests(side: MotionSet) -> list[bytes]:
        return [hashlib.blake2b((np.round(each, 2) + 0.0).tobytes()).digest() for each in side.motion]

    known = set(digests(test))
    return float(np.mean([each in known for each in digests(motions)]))


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


def _like(own: Tensor, label: np.ndarray, seed: int) -> Tensor:
    """Rows with as many motions of each class as there are labels of it, or all where there are fewer, none twice."""
    rng = np.random.default_rng([seed, 1])
    rows = []
    for each, wanted in zip(*np.unique(label, return_counts=True), strict=True):
        rows.append(rng.permutation(np.flatnonzero(own.numpy() == each))[:wanted])
    return torch.from_numpy(np.sort(np.concatenate(rows)))
