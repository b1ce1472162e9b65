"""Scores of generated motions beside the floor that real motions reach among themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor

import kinetic
from kinetic.config import DataConfig, Experiment
from kinetic.data.motion import MotionSet, read_motions
from kinetic.experiment import Prepared, Run, draw, load_run, prepare
from kinetic.metrics.frechet import FrechetDistance
from kinetic.metrics.mmd import mmd_per_class
from kinetic.metrics.score import Score
from kinetic.models.encoder import Encoder

__all__ = ["Report", "Row", "evaluate"]

CHUNK = 256
"""Motions whose features are computed together."""


class Row(NamedTuple):
    """A score of generated motions and, beside it, the same score of real ones."""

    score: Score
    floor: Score


@dataclass(frozen=True)
class Report:
    """What `evaluate` found: rows in a fixed order, and what was compared, in words."""

    subject: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {
            "subject": self.subject,
            "scores": {row.score.metric: row.score.to_dict() for row in self.rows},
            "floors": {row.floor.metric: row.floor.to_dict() for row in self.rows},
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """A table: metric, generated, floor; then what was compared."""
        lines = [("metric", "generated", "real (floor)", "estimator")]
        for score, floor in self.rows:
            lines.append((score.metric, _number(score), _number(floor), score.estimator))
        widths = [max(len(line[i]) for line in lines) for i in range(4)]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        table.insert(1, "-" * (sum(widths) + 6))
        return "\n".join([self.subject, *table, *self.notes]) + "\n"


def _number(score: Score) -> str:
    text = f"{score.value:.3f}"
    return text if score.interval is None else f"{text} +- {score.interval:.3f}"


def evaluate(
    subject: Run | MotionSet | str | os.PathLike[str],
    *,
    encoder: Run | str | os.PathLike[str] | None = None,
    reference: str | os.PathLike[str] | None = None,
    split: str | None = None,
    count: int | None = None,
    seeds: int = 5,
    truncation: float | None = None,
) -> Report:
    """Score a run, or motions made by anyone, against held-out real motions.

    Real motions are those that the run did not train on, or that the recognition network did not when motions are
    scored. Generated ones have the labels of the real ones unless `count` is given. The floor compares real training
    motions, as many as generated, with the same real test motions; it has an interval where there are more of them than
    it takes. The floor of `accuracy` is the accuracy on the real test motions.

    Args:
        subject: a run of a generator, its folder or checkpoint, or motions with labels, or a file of them
        encoder: a run of the recognition network; None leaves out `frechet` and `accuracy`
        reference: a file of real motions; None = the data of the run, else of the encoder
        split: which of them are held out; None = as in the experiment
        count: motions generated per class; None = as many as there are real ones
        seeds: how often motions are generated; their spread gives the 95% interval
        truncation: psi of the generated motions; None = none

    Raises:
        ValueError: when nothing says what to compare with, when a network was trained on what is held out, or joints,
            frames or classes of the sides differ
        FileNotFoundError: when there is no such run or file
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    network = load_run(encoder) if isinstance(encoder, (str, os.PathLike)) else encoder
    if network is not None and network.experiment.model != "encoder":
        raise ValueError(f"{network.path}: expected the run of a recognition network, found a generator")
    run, motions, name = _subject(subject)
    source = run if run is not None else network
    if source is None and reference is None:
        raise ValueError(f"{name}: nothing says which real motions to compare with; pass a reference or an encoder")
    experiment = source.experiment if source is not None else Experiment()
    data = _data(experiment, reference, split, run)
    for trained in (run, network):
        if trained is not None:
            _check_unseen(trained, data)
    if source is None and motions is not None:
        data = replace(data, centering=motions.notes.get("centering", data.centering))
    real = prepare(replace(experiment, data=data), skeleton=None if source is None else source.skeleton)
    if run is not None:
        _check(run, real)
        real = replace(real, train=_numbered(real.train, run.class_names), test=_numbered(real.test, run.class_names))
    notes = []
    if motions is not None:
        known = np.isin(np.array(real.test.class_names), [name for name, n in motions.counts().items() if n])
        if not known[real.test.label].any():
            raise ValueError(f"{name}: there are no real test motions of its classes to compare with")
        if not known.all():
            notes.append(f"only classes that there are motions of: {', '.join(np.array(real.test.class_names)[known])}")
            train, test = (side.select(known[side.label]) for side in (real.train, real.test))
            real = replace(real, train=train, test=test)
    elif missing := [each for each, n in real.test.counts().items() if not n]:
        notes.append(f"not scored, for want of real test motions: {', '.join(missing)}")
    fakes = _fakes(run, motions, real, count=count, seeds=seeds, truncation=truncation, centering=data.centering)
    floors = [_like(real.train, fakes[0].label, seed) for seed in range(seeds)]
    if len(floors[0]) == np.isin(real.train.label, fakes[0].label).sum():  # every draw takes them all
        floors = floors[:1]
    label = {
        "reference": f"{real.test.source or 'motions'}/{data.split}/test",
        "n_real": len(real.test),
        "balance": "reference" if count is None and run is not None else "balanced" if run is not None else "as given",
        "seeds": tuple(range(seeds)) if run is not None else (),
        "truncation": (1.0 if truncation is None else truncation) if run is not None else None,
        "scaling": f"metres, centred: {data.centering}",
        "frames": real.test.shape[2],
        "fps": None if isinstance(real.test.fps, np.ndarray) else real.test.fps,
        "version": kinetic.__version__,
    }
    rows = []
    notes += [f"{len(real.test)} real motions ({label['reference']}), {len(fakes[0])} generated, {len(fakes)} seeds"]
    if network is not None:
        model, own = _encoder(network, real.test), dict(label)
        own |= {"network": "st-gcn encoder", "network_data": network.summary, "network_hash": model.hash}
        accuracy = _accuracy(model, real.test)
        rows.append(_row("frechet", "gaussian", own, fakes, floors, lambda found: _frechet(model, found, real.test)))
        hit = _row("accuracy", "recognised", own, fakes, [real.test], lambda found: _accuracy(model, found))
        rows.append(hit)
        notes.append(
            f"features: st-gcn encoder {model.hash} trained on {network.summary}, accuracy {accuracy:.3f} on real test"
        )
    rows.append(_row("mmd_frame", "sagcn", label, fakes, floors, lambda found: _mmd(found, real.test, "frame")))
    rows.append(_row("mmd_sequence", "sagcn", label, fakes, floors, lambda found: _mmd(found, real.test, "sequence")))
    notes.append(f"coordinates: {label['scaling']}; floor: real training motions with the same labels; interval: 95%")
    return Report(name, tuple(rows), tuple(notes))


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
            f"{path}: published weights make motions in [-1, 1], which cannot be compared with real ones in metres; "
            f"sample them, scale them back, and pass the file of motions"
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


def _fakes(
    run: Run | None,
    motions: MotionSet | None,
    real: Prepared,
    *,
    count: int | None,
    seeds: int,
    truncation: float | None,
    centering: Literal["none", "first", "frame"],
) -> list[MotionSet]:
    if run is not None:
        label = real.test.label if count is None else np.repeat(np.arange(len(run.class_names)), count)
        return [draw(run, label, seed=seed, truncation=truncation) for seed in range(seeds)]
    if motions is None:
        raise ValueError("there is nothing to score: pass a run or motions")
    if motions.skeleton.hash != real.test.skeleton.hash:
        raise ValueError("the generated motions have another skeleton than the real ones")
    if motions.class_names != real.test.class_names:
        known = [name for name in motions.class_names if name in real.test.class_names]
        if len(known) < len(motions.class_names):
            missing = sorted(set(motions.class_names) - set(known))
            raise ValueError(
                f"the real motions have no class {missing[0]!r}; theirs: {', '.join(real.test.class_names)}"
            )
        motions = _numbered(motions, real.test.class_names)
    return [motions.resampled(real.test.shape[2]).centred(centering)]


def _numbered(motions: MotionSet, class_names: tuple[str, ...]) -> MotionSet:
    """The same motions, with these numbers for their classes."""
    number = np.array([class_names.index(name) for name in motions.class_names])
    return replace(motions, label=number[motions.label], class_names=class_names)


def _like(motions: MotionSet, label: np.ndarray, seed: int) -> MotionSet:
    """As many motions of each class as there are labels of it, or all where there are fewer, without repetition."""
    rng = np.random.default_rng([seed, 1])
    rows = []
    for each, wanted in zip(*np.unique(label, return_counts=True), strict=True):
        own = np.flatnonzero(motions.label == each)
        rows.append(rng.permutation(own)[:wanted])
    return motions.select(np.sort(np.concatenate(rows)))


def _row(
    metric: str,
    estimator: str,
    label: dict[str, Any],
    fakes: Sequence[MotionSet],
    floors: Sequence[MotionSet],
    measure: Callable[[MotionSet], float],
) -> Row:
    found, real = [measure(motions) for motions in fakes], [measure(motions) for motions in floors]
    score = Score(
        metric=metric,
        estimator=estimator,
        value=float(np.mean(found)),
        interval=_interval(found),
        n_fake=len(fakes[0]),
        **label,
    )
    floor = replace(
        score,
        value=float(np.mean(real)),
        interval=_interval(real),
        n_fake=len(floors[0]),
        truncation=None,
        seeds=tuple(range(len(floors))),
    )
    return Row(score, floor)


def _interval(values: Sequence[float]) -> float | None:
    """Half of the 95% confidence interval of the mean, by Student's t; None for one value."""
    if len(values) < 2:
        return None
    spread = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(stats.t.ppf(0.975, len(values) - 1)) * spread


def _encoder(run: Run, motions: MotionSet) -> Encoder:
    model: Encoder = run.module.encoder  # type: ignore[assignment]
    if run.class_names != motions.class_names or run.skeleton.hash != motions.skeleton.hash:
        raise ValueError(f"{run.path}: the recognition network knows other classes or joints than these motions have")
    if model.frames != motions.shape[2]:
        raise ValueError(
            f"{run.path}: the recognition network knows {model.frames} frames, motions have {motions.shape[2]}"
        )
    return model.eval()


def _batches(motions: MotionSet) -> list[Tensor]:
    return [
        torch.from_numpy(np.ascontiguousarray(motions.motion[i : i + CHUNK])) for i in range(0, len(motions), CHUNK)
    ]


def _frechet(model: Encoder, fake: MotionSet, real: MotionSet) -> float:
    metric = FrechetDistance(model.features, model.width)
    for motions, is_real in ((real, True), (fake, False)):
        for batch in _batches(motions):
            metric.update(batch, real=is_real)
    return float(metric.compute())


@torch.no_grad()
def _accuracy(model: Encoder, motions: MotionSet) -> float:
    found = torch.cat([model(batch).argmax(dim=1) for batch in _batches(motions)])
    return float((found == torch.from_numpy(motions.label)).double().mean())


def _mmd(fake: MotionSet, real: MotionSet, mode: Any) -> float:
    values = (
        torch.from_numpy(np.ascontiguousarray(part)) for part in (fake.motion, fake.label, real.motion, real.label)
    )
    return float(mmd_per_class(*values, mode=mode).mean)
