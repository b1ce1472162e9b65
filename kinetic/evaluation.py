"""Scores of generated motions beside the floor that real motions reach among themselves."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn
from tqdm import tqdm

import kinetic
from kinetic.config import DataConfig, Experiment
from kinetic.data.module import Scaler
from kinetic.data.motion import MotionSet, read_motions
from kinetic.experiment import Prepared, Run, draw, load_run, prepare
from kinetic.metrics.classes import PerClass
from kinetic.metrics.frechet import frechet_from_features
from kinetic.metrics.measures import BETTER, LACKING, Case, Measure, Sample, available, choose, measure
from kinetic.metrics.mmd import mmd_per_class
from kinetic.metrics.recognition import accuracy, confusion
from kinetic.metrics.score import Score
from kinetic.metrics.variety import COLLAPSED
from kinetic.models.encoder import Encoder
from kinetic.report import ClassTable, Report, Row

__all__ = ["Contest", "Network", "evaluate", "evaluate_published", "interval", "network_of", "open_contest"]

CHUNK = 256
"""Motions whose features are computed together."""

PUBLISHED_COUNT, PUBLISHED_TRUNCATION = 1000, 0.95
"""Motions per class and psi of Kinetic-GAN's evaluation."""

COPIED = 0.05
"""From this share of duplicates above that of unseen real motions on, a report raises an alarm."""


@dataclass(frozen=True, eq=False)
class Network:
    """A feature network and what must be said of it.

    Args:
        model: has `features`: (N, C, T, V) in metres -> (N, D), and a `hash` of its weights
        name: of its kind
        data: what it was trained on
        class_names: of the scores that it gives when called; None = it recognises nothing
    """

    model: nn.Module
    name: str
    data: str
    class_names: tuple[str, ...] | None

    @property
    def hash(self) -> str:
        """Of the weights."""
        return str(self.model.hash)

    @torch.no_grad()
    def look(self, motions: MotionSet) -> Sample:
        """Motions with their features and, where the network knows their classes, what it takes them for."""
        model = self.model.eval()
        device = next((each.device for each in model.parameters()), torch.device("cpu"))
        features: list[Tensor] = []
        predicted: list[Tensor] = []
        for batch in torch.from_numpy(np.require(motions.motion, requirements=("C", "W"))).split(CHUNK):
            batch = batch.to(device)
            found = model.features(batch)  # type: ignore[operator]
            features.append(found.double().cpu())
            if self.class_names is not None:
                scores = model.head(found) if isinstance(model, Encoder) else model(batch)
                predicted.append(scores.argmax(dim=1).cpu())
        plain = _plain(motions)
        return replace(plain, features=torch.cat(features), predicted=torch.cat(predicted) if predicted else None)


def _plain(motions: MotionSet) -> Sample:
    """Motions without features; those of a memory-mapped file are copied, for torch knows no read-only tensors."""
    return Sample(
        torch.from_numpy(np.require(motions.motion, requirements=("C", "W"))), torch.from_numpy(motions.label)
    )


@dataclass(frozen=True, eq=False)
class Contest:
    """What is compared with what, before anything is generated.

    Args:
        name: of what is scored
        run: the generator; None = motions of a file
        motions: those; None = a generator
        network: of the features; None = coordinates alone
        real: training and held-out motions
        data: where they come from
        notes: in words
    """

    name: str
    run: Run | None
    motions: MotionSet | None
    network: Network | None
    real: Prepared
    data: DataConfig
    notes: tuple[str, ...]

    def look(self, motions: MotionSet) -> Sample:
        """Motions with all that scores look at."""
        return _plain(motions) if self.network is None else self.network.look(motions)

    def fakes(self, *, count: int | None, seeds: int, truncation: float | None) -> list[MotionSet]:
        """Generated motions of each seed, with the labels of the held-out ones or `count` of each class."""
        if self.run is None:
            assert self.motions is not None
            return [self.motions]
        classes = np.unique(self.real.test.label)
        label = self.real.test.label if count is None else np.repeat(classes, count)
        return [draw(self.run, label, seed=seed, truncation=truncation) for seed in range(seeds)]

    def label(self, *, count: int | None, seeds: int, truncation: float | None) -> dict[str, Any]:
        """What a score must say beside metric, estimator, counts and network."""
        made, test = self.run is not None, self.real.test
        return {
            "reference": f"{test.source or 'motions'}/{self.data.split}/test",
            "n_real": len(test),
            "balance": ("reference" if count is None else "balanced") if made else "as given",
            "seeds": tuple(range(seeds)) if made else (),
            "truncation": (1.0 if truncation is None else truncation) if made else None,
            "scaling": f"metres, centred: {self.data.centering}",
            "frames": test.shape[2],
            "fps": None if isinstance(test.fps, np.ndarray) else test.fps,
            "version": kinetic.__version__,
        }


def evaluate(
    subject: Run | MotionSet | str | os.PathLike[str] | Contest,
    *,
    encoder: Run | nn.Module | str | os.PathLike[str] | None = None,
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
    motions, as many as generated, with the same real test motions; it has an interval where there are more of them than
    it takes. Where a score looks at one side only, or at how near it is to the training motions, the floor is that of
    the real test motions.

    Args:
        subject: a run of a generator, its folder or checkpoint, or motions with labels, or a file of them, or a contest
        encoder: a run of the recognition network, or any feature network as `kinetic.models.adapter.Adapted`; None
            leaves out all scores that compare features
        reference: a file of real motions; None = the data of the run, else of the encoder
        split: which of them are held out; None = as in the experiment
        count: motions generated per class; None = as many as there are real ones
        seeds: how often motions are generated; their spread gives the 95% interval
        truncation: psi of the generated motions; None = none
        only: names of scores, of `kinetic.metrics.measures.BETTER`; None = all
        scaled: motions of a file lie in [-1, 1], by the extremes of the training motions, as published generators leave
            them
        progress: show a bar on a terminal

    Raises:
        ValueError: when nothing says what to compare with, when a network was trained on what is held out, or joints,
            frames or classes of the sides differ
        FileNotFoundError: when there is no such run or file
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    measures = choose(only)
    contest = (
        subject
        if isinstance(subject, Contest)
        else open_contest(subject, encoder=encoder, reference=reference, split=split, scaled=scaled)
    )
    fakes = contest.fakes(count=count, seeds=seeds, truncation=truncation)
    test, train = contest.look(contest.real.test), contest.look(contest.real.train)
    floors = [train.select(_like(train.label, fakes[0].label, seed)) for seed in range(seeds)]
    if len(floors[0].label) == int(torch.isin(train.label, torch.from_numpy(fakes[0].label)).sum()):
        floors = floors[:1]  # every draw takes them all
    skeleton = contest.real.test.skeleton
    bar = tqdm(total=len(fakes) + len(floors) + 1, unit="set", desc="evaluate", disable=None if progress else True)
    with bar:

        def case(fake: Sample) -> Case:
            return Case(fake, test, train, skeleton)

        def taken(fake: Sample, some: Iterable[Measure]) -> dict[str, Any]:
            found = measure(case(fake), some)
            bar.update()
            return found

        looked = [contest.look(fake) for fake in fakes]
        found = [taken(fake, measures) for fake in looked]
        among = [taken(floor, [each for each in measures if each.floor == "train"]) for floor in floors]
        itself = taken(test, [each for each in measures if each.floor == "test"])
    label = contest.label(count=count, seeds=seeds, truncation=truncation)
    rows = _rows(measures, found, among, itself, label, contest.network, len(fakes[0]), len(floors[0].label))
    sets = f"{len(fakes)} seeds" if contest.run is not None else "one set"
    notes = [*contest.notes, *_left_out(measures, {row.score.metric for row in rows}, available(case(looked[0])))]
    notes.append(f"{len(test.label)} real motions ({label['reference']}), {len(fakes[0])} generated, {sets}")
    if contest.network is not None:
        network, known = contest.network, ""
        if test.predicted is not None:
            known = f", accuracy {float(accuracy(test.predicted, test.label)):.3f} on real test"
        notes.append(f"features: {network.name} {network.hash} trained on {network.data}{known}")
        if min(len(fakes[0]), len(test.label)) < test.seen.shape[1]:
            notes.append(f"fewer motions than the {test.seen.shape[1]} features: compare Frechet distances with care")
    notes.append(f"coordinates: {label['scaling']}; floor: real motions; interval: 95%")
    table = _by_class(contest.real.test.class_names, found, looked)
    return Report(contest.name, tuple(rows), tuple(notes), tuple(_alarms(rows, table)), table)


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
            rows.append(Row(score, floor, BETTER[name]))
    return rows


def _left_out(measures: Sequence[Measure], told: set[str], has: Collection[str]) -> list[str]:
    """Which scores are not in the table, and why."""
    reasons: dict[str, list[str]] = {}
    for each in measures:
        if missing := [name for name in each.scores if name not in told]:
            lacking = [LACKING[need] for need in each.needs if need not in has]
            reasons.setdefault(lacking[0] if lacking else "for too few real motions", []).extend(missing)
    return [f"left out {why}: {', '.join(names)}" for why, names in reasons.items()]


def _score(found: Sequence[Tensor | PerClass], **label: Any) -> Score:
    values = [float(each.mean if isinstance(each, PerClass) else each) for each in found]
    return Score(value=float(np.mean(values)), interval=interval(values), **label)


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
        if row.score.metric == "duplicates" and row.score.value > row.floor.value + COPIED:
            share = f"{row.score.value:.0%}"
            found.append(
                f"copies: {share} of the motions belong to one training motion each, and not to its neighbours"
            )
    return found


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
    contest = (
        subject
        if isinstance(subject, Contest)
        else open_contest(subject, reference=reference, split=split, scaled=scaled)
    )
    count = PUBLISHED_COUNT if count is None else count
    truncation = PUBLISHED_TRUNCATION if truncation is None else truncation
    fake = contest.fakes(count=count, seeds=1, truncation=truncation)[0]
    train, test = contest.real.train, contest.real.test
    scaler = Scaler.fit(train, "minmax")
    label = contest.label(count=count, seeds=1, truncation=truncation) | {
        "reference": f"{train.source or 'motions'}/{contest.data.split}/train",
        "n_real": len(train),
        "scaling": f"[-1, 1] by the extremes of the training motions, centred: {contest.data.centering}",
    }
    rows: list[Row] = []
    notes = [*contest.notes]

    def scaled_part(motions: MotionSet) -> Tensor:
        return scaler(_plain(motions).motion)

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
            for batch in scaled_part(motions).split(CHUNK // 8):
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


def open_contest(
    subject: Run | MotionSet | str | os.PathLike[str],
    *,
    encoder: Run | nn.Module | str | os.PathLike[str] | None = None,
    reference: str | os.PathLike[str] | None = None,
    split: str | None = None,
    scaled: bool = False,
) -> Contest:
    """Open what is to be scored and what it is scored against; the arguments are those of `evaluate`.

    Raises:
        ValueError, FileNotFoundError: as `evaluate`
    """
    opened = load_run(encoder) if isinstance(encoder, (str, os.PathLike)) else encoder
    recogniser = opened if isinstance(opened, Run) else None
    if recogniser is not None and recogniser.experiment.model != "encoder":
        raise ValueError(f"{recogniser.path}: expected the run of a recognition network, found a generator")
    run, motions, name = _subject(subject)
    source = run if run is not None else recogniser
    if source is None and reference is None:
        raise ValueError(f"{name}: nothing says which real motions to compare with; pass a reference or an encoder")
    experiment = source.experiment if source is not None else Experiment()
    data = _data(experiment, reference, split, run)
    for trained in (run, recogniser):
        if trained is not None:
            _check_unseen(trained, data)
    if source is None and motions is not None:
        own = motions.shape[2]  # what is scored stays as it is, where an experiment may have so many frames
        frames = own if own % 16 == 0 and 16 <= own <= 1024 else data.frames
        data = replace(data, centering=motions.notes.get("centering", data.centering), frames=frames)
    real = prepare(replace(experiment, data=data), skeleton=None if source is None else source.skeleton)
    notes: list[str] = []
    if run is not None:
        if scaled:
            raise ValueError(f"{run.path}: a run makes motions in metres; scaled is for files of motions in [-1, 1]")
        _check(run, real)
        real = replace(real, train=_numbered(real.train, run.class_names), test=_numbered(real.test, run.class_names))
    if motions is not None:
        scaler = None
        if scaled:  # published files are scaled as they were recorded, whatever is centred here
            plain = replace(experiment, data=replace(data, centering="none"))
            scaler = Scaler.fit(prepare(plain, skeleton=real.train.skeleton).train, "minmax")
        motions = _fitting(name, motions, real, data, scaler)
        known = np.isin(np.arange(len(real.test.class_names)), motions.label)
        if not known[real.test.label].any():
            raise ValueError(f"{name}: there are no real test motions of its classes to compare with")
        if not known.all():
            notes.append(f"only classes that there are motions of: {', '.join(np.array(real.test.class_names)[known])}")
            train, test = (side.select(known[side.label]) for side in (real.train, real.test))
            real = replace(real, train=train, test=test)
        if scaled:
            notes.append("motions in [-1, 1] were brought to metres by the extremes of the training motions")
    elif missing := [each for each, n in real.test.counts().items() if not n]:
        notes.append(f"not scored, for want of real test motions: {', '.join(missing)}")
    network = None if opened is None else network_of(opened, real.test)
    return Contest(name, run, motions, network, real, data, tuple(notes))


def _subject(subject: Run | MotionSet | str | os.PathLike[str]) -> tuple[Run | None, MotionSet | None, str]:
    if isinstance(subject, Run):
        return subject, None, str(subject.path)
    if isinstance(subject, MotionSet):
        return None, subject, subject.source or "motions"
    if not isinstance(subject, (str, os.PathLike)):
        raise TypeError(f"expected a run, a MotionSet or the path of one, got {type(subject).__name__}")
    path = Path(subject)
    if path.suffix == ".pth":
        raise ValueError(
            f"{path}: published weights make motions in [-1, 1]; write some to a file (kinetic sample), and evaluate "
            f"that with --scaled"
        )
    if (path / "config.yaml").exists() or path.suffix == ".ckpt":
        run = load_run(path)
        if run.experiment.model != "gan":
            raise ValueError(f"{path}: expected the run of a generator, or motions, found a recognition network")
        return run, None, str(path)
    return None, read_motions(path), str(path)


def _data(
    experiment: Experiment, reference: str | os.PathLike[str] | None, split: str | None, run: Run | None
) -> DataConfig:
    """Which real motions, and which of them are held out."""
    data = experiment.data
    if reference is not None:
        classes = None if run is None or run.experiment.data.classes is None else list(run.class_names)
        data = replace(data, source=os.fspath(reference), classes=classes)
    if split is not None:
        data = replace(data, split=split)  # type: ignore[arg-type]
    if data.split == "none":
        raise ValueError(f"{data.source}: split none holds no motions out to score with; pass xsub, xview or xsetup")
    return data


def _check_unseen(trained: Run, data: DataConfig) -> None:
    own = trained.experiment.data
    same = own.source == data.source or Path(own.source).resolve() == Path(data.source).resolve()
    if same and own.split != data.split:
        raise ValueError(
            f"{trained.path}: trained on {own.source} split by {own.split}, and so on some of the motions that "
            f"{data.split} holds out"
        )


def _check(run: Run, real: Prepared) -> None:
    if set(run.class_names) != set(real.test.class_names):
        raise ValueError(
            f"{run.path}: generates {len(run.class_names)} classes ({', '.join(run.class_names[:3])} ...), "
            f"the real motions have {len(real.test.class_names)} ({', '.join(real.test.class_names[:3])} ...)"
        )
    if run.skeleton.hash != real.test.skeleton.hash:
        raise ValueError(f"{run.path}: generates the joints of another skeleton than the real motions have")


def _fitting(name: str, motions: MotionSet, real: Prepared, data: DataConfig, scaler: Scaler | None) -> MotionSet:
    """Motions of a file with the classes, coordinates and frames of the real ones.

    Args:
        scaler: metres to the coordinates of the file; None = they are metres
    """
    test = real.test
    if motions.skeleton.hash != test.skeleton.hash:
        raise ValueError(f"{name}: has another skeleton than the real motions")
    if motions.notes.get("padded"):
        raise ValueError(
            f"{name}: {motions.notes['padded']} motions end in frames of zeros, which are no motion; cut them"
        )
    if motions.notes.get("classes") == "numbers" and len(motions.class_names) <= len(test.class_names):
        motions = replace(motions, class_names=test.class_names[: len(motions.class_names)])
    if unknown := sorted({motions.class_names[k] for k in motions.label.tolist()} - set(test.class_names)):
        raise ValueError(
            f"{name}: the real motions have no class {unknown[0]!r}; theirs: {', '.join(test.class_names)}"
        )
    used = np.unique(motions.label)
    number = np.full(len(motions.class_names), -1)
    number[used] = [test.class_names.index(motions.class_names[k]) for k in used.tolist()]
    motions = replace(motions, label=number[motions.label], class_names=test.class_names).resampled(test.shape[2])
    low, high = float(motions.motion.min()), float(motions.motion.max())
    if scaler is not None:
        if max(-low, high) > 1.001:
            raise ValueError(f"{name}: scaled motions lie in [-1, 1], these reach from {low:.3g} to {high:.3g}")
        metres = scaler.inverse(torch.from_numpy(np.array(motions.motion))).numpy()
        return replace(motions, motion=metres).centred(data.centering)
    if motions.notes.get("classes") == "numbers" and max(-low, high) <= 1.001:
        raise ValueError(
            f"{name}: its coordinates reach from {low:.3g} to {high:.3g}, as those of published generators do; "
            f"pass --scaled to bring them to metres by the extremes of the training motions"
        )
    return motions.centred(data.centering)


def _numbered(motions: MotionSet, class_names: tuple[str, ...]) -> MotionSet:
    """The same motions, with these numbers for their classes."""
    number = np.array([class_names.index(name) for name in motions.class_names])
    return replace(motions, label=number[motions.label], class_names=class_names)


def network_of(trained: Run | nn.Module, motions: MotionSet) -> Network:
    """The feature network in a run, or an adapted one, for motions that it must fit.

    Raises:
        ValueError: when joints, frames or, for a run, classes differ
        TypeError: for a network without features, name or hash
    """
    if isinstance(trained, Run):
        model: nn.Module = trained.module.encoder  # type: ignore[assignment]
        what, name, data, class_names = str(trained.path), "st-gcn encoder", trained.summary, trained.class_names
        if class_names != motions.class_names or trained.skeleton.hash != motions.skeleton.hash:
            raise ValueError(f"{what}: the recognition network knows other classes or joints than these motions have")
    else:
        if missing := [each for each in ("features", "name", "data", "hash") if not hasattr(trained, each)]:
            raise TypeError(
                f"{type(trained).__name__} has no {missing[0]}; kinetic.models.adapter.Adapted makes a feature network "
                f"of any module"
            )
        model, what, name, data = trained, str(trained.name), str(trained.name), str(trained.data)
        class_names = tuple(getattr(trained, "class_names", ()))
    frames = getattr(model, "frames", None)
    if frames not in (None, motions.shape[2]):
        raise ValueError(f"{what}: the feature network knows {frames} frames, motions have {motions.shape[2]}")
    return Network(model, name, data, class_names if class_names == motions.class_names else None)


def _like(own: Tensor, label: np.ndarray, seed: int) -> Tensor:
    """Rows with as many motions of each class as there are labels of it, or all where there are fewer, none twice."""
    rng = np.random.default_rng([seed, 1])
    rows = []
    for each, wanted in zip(*np.unique(label, return_counts=True), strict=True):
        rows.append(rng.permutation(np.flatnonzero(own.numpy() == each))[:wanted])
    return torch.from_numpy(np.sort(np.concatenate(rows)))
