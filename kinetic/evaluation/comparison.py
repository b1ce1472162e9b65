"""What is compared with what: the motions or the generator that are scored, the real motions, the feature network."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinetic.formats.reading import read_motions
from kinetic.messages import safe_line
from kinetic.metrics.measures import Sample
from kinetic.models.encoder import Encoder
from kinetic.models.tensors import weights_hash
from kinetic.motion.coordinates import FARTHEST, chunks
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.scaler import Scaler
from kinetic.motion.stored import release
from kinetic.motion.synthetic import ACTIONS
from kinetic.runs.prepare import Prepared, prepare
from kinetic.runs.run import Run, load_run
from kinetic.runs.sample import draw
from kinetic.settings.sections import DataConfig, Experiment
from kinetic.version import __version__

__all__ = ["Contest", "Encoders", "Network", "network_of", "open_contest", "plain_sample"]

CHUNK = 256
"""Motions whose features are computed together."""


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
        plain = plain_sample(motions)
        return replace(plain, features=torch.cat(features), predicted=torch.cat(predicted) if predicted else None)


def plain_sample(motions: MotionSet) -> Sample:
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
        others: further networks, whose scores of features stand beside those of the first
    """

    name: str
    run: Run | None
    motions: MotionSet | None
    network: Network | None
    real: Prepared
    data: DataConfig
    notes: tuple[str, ...]
    others: tuple[Network, ...] = ()

    def look(self, motions: MotionSet) -> Sample:
        """Motions with all that scores look at."""
        return plain_sample(motions) if self.network is None else self.network.look(motions)

    @cached_property
    def sides(self) -> tuple[Sample, Sample]:
        """The held-out and the training motions with all that scores look at."""
        return self.look(self.real.test), self.look(self.real.train)

    def fakes(self, *, count: int | None, seeds: int, truncation: float | None) -> list[MotionSet]:
        """Generated motions of each seed, with the labels of the held-out ones or `count` of each class.

        Of a class with fewer training than held-out motions there are as many as training motions, so that the floor
        has equal numbers.

        Raises:
            ValueError: for a count or a truncation of motions that are there already
        """
        if self.motions is not None:
            if count is not None or truncation is not None:
                raise ValueError(f"{self.name}: only a generator takes a count and a truncation, these are motions")
            return [self.motions]
        if self.run is None:
            raise ValueError("there is nothing to score: neither a run nor motions")
        if count is not None and count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        classes = np.unique(self.real.test.label)
        label = self._as_many() if count is None else np.repeat(classes, count)
        return [draw(self.run, label, seed=seed, truncation=truncation) for seed in range(seeds)]

    def _as_many(self) -> np.ndarray:
        """The labels of the held-out motions, of each class no more than there are training motions for the floor."""
        label, known = self.real.test.label, self.real.train.label
        rows = [np.flatnonzero(label == k)[: np.count_nonzero(known == k) or None] for k in np.unique(label)]
        return label[np.sort(np.concatenate(rows))]

    def label(self, *, count: int | None, seeds: int, truncation: float | None) -> dict[str, Any]:
        """What a score must say beside metric, estimator, counts and network."""
        made, test = self.run is not None, self.real.test
        return {
            "reference": f"{test.source or 'motions'}/{self.data.split}/test",
            "reference_hash": self.reference_hash,
            "n_real": len(test),
            "balance": ("reference" if count is None else "balanced") if made else "as given",
            "seeds": tuple(range(seeds)) if made else (),
            "truncation": (1.0 if truncation is None else truncation) if made else None,
            "scaling": f"metres, centred: {self.data.centering}",
            "frames": test.shape[2],
            "fps": _rate(test),
            "version": __version__,
        }

    @cached_property
    def reference_hash(self) -> str:
        """Six hexadecimal digits that stand for the real motions of both sides, their classes, rates and skeleton.

        Nothing but the order of the motions and differences of rounding leave it as it is (see `_sketch`): the same
        synthetic motions differ in their last bits from machine to machine.
        """
        digest = hashlib.sha256(self.real.test.skeleton.hash.encode())
        for name, side in (("train", self.real.train), ("test", self.real.test)):
            digest.update(f"{side.shape[1:]} {np.unique(np.round(side.fps, 3)).tolist()}\0".encode())
            for class_name, count in sorted(side.counts().items()):
                if count:
                    digest.update(f"{class_name}\0{count}\0".encode())
            digest.update(f"{_sketch(side, name).tolist()}".encode())
        return digest.hexdigest()[:6]


SKETCHES = 4
"""Numbers that stand for the motions of a side: each would miss a swapped label, say, once in a hundred times."""
STEP = 0.01
"""To which they are rounded. A millimetre of one motion moves them by 0.03, rounding of 1000 motions by 3e-6."""


def _sketch(motions: MotionSet, side: str) -> np.ndarray:
    """Whole numbers (SKETCHES,) that tell sets of motions apart, and agree where they differ in rounding or order.

    Each is a sum over motions of cos(2 w . x + b), in units of STEP: a value of their characteristic function, as
    random Fourier features have it (Rahimi and Recht 2007). w is of unit length and holds 0 and another number, in an
    order that a hash of the side, the class and the number of the sketch gives, and so has b. A cosine is not linear,
    so that no exchange of parts between motions goes unseen; half of w is 0, so that one millimetre of shift adds up.
    """
    size = int(np.prod(motions.shape[1:]))
    wave, phase = {}, {}
    for k in np.unique(motions.label).tolist():
        key = [f"{side}\0{motions.class_names[k]}\0{j}".encode() for j in range(SKETCHES)]
        raw = np.array([np.frombuffer(hashlib.shake_256(each).digest(size // 8 + 9), np.uint8) for each in key])
        half = np.unpackbits(raw[:, 8:], axis=1)[:, :size].astype(np.float64)
        wave[k] = 2 * half / np.linalg.norm(half, axis=1, keepdims=True).clip(min=1)  # (SKETCHES, C T V)
        phase[k] = raw[:, 0] / 256 * 2 * np.pi
    total = np.zeros(SKETCHES)
    for rows in chunks(motions.motion):
        part = np.asarray(motions.motion[rows]).reshape(-1, size).astype(np.float64)
        release(motions.motion)
        for k in np.unique(motions.label[rows]).tolist():
            total += np.cos(part[motions.label[rows] == k] @ wave[k].T + phase[k]).sum(axis=0)
    return np.round(total / STEP).astype(np.int64)


def _rate(motions: MotionSet) -> float | None:
    """Frames per second; None where motions have different rates."""
    rates = np.unique(motions.fps)
    return float(rates[0]) if len(rates) == 1 else None


Trained = Run | nn.Module | str | os.PathLike[str]
Encoders = Trained | Sequence[Trained] | None


def open_contest(
    subject: Run | MotionSet | str | os.PathLike[str],
    *,
    encoder: Encoders = None,
    reference: str | os.PathLike[str] | None = None,
    split: str | None = None,
    scaled: bool = False,
) -> Contest:
    """Open what is to be scored and what it is scored against; the arguments are those of `evaluate`.

    Raises:
        ValueError, FileNotFoundError: as `evaluate`
    """
    encoders: list[Trained] = []
    if isinstance(encoder, Sequence) and not isinstance(encoder, str):
        encoders = list(encoder)
    elif encoder is not None:
        encoders = [encoder]
    opened = [load_run(each) if isinstance(each, (str, os.PathLike)) else each for each in encoders]
    recognisers = [each for each in opened if isinstance(each, Run)]
    for recogniser in recognisers:
        if recogniser.experiment.model != "encoder":
            raise ValueError(f"{recogniser.path}: expected the run of a recognition network, found a generator")
    run, motions, name = _subject(subject)
    if run is not None and scaled:
        raise ValueError(f"{run.path}: a run makes motions in metres; scaled is for files of motions in [-1, 1]")
    source = run if run is not None else next(iter(recognisers), None)
    if source is None and reference is None:
        raise ValueError(f"{name}: nothing says which real motions to compare with; pass a reference or an encoder")
    experiment = source.experiment if source is not None else Experiment()
    data = _data(experiment, reference, split, source)
    learned = [*([] if run is None else [run]), *recognisers]
    for trained in learned:
        _check_unseen(trained, data)
    if motions is not None:
        noted = motions.notes.get("centering")
        if source is None:
            own = motions.shape[2]  # what is scored stays as it is, where an experiment may have so many frames
            frames = own if own % 16 == 0 and 16 <= own <= 1024 else data.frames
            data = replace(data, frames=frames, centering=noted or data.centering)
        elif noted == "frame":  # where they were is lost: real motions must lose it too
            data = replace(data, centering="frame")
    for recogniser in recognisers:
        centerings = {recogniser.experiment.data.centering, data.centering}
        if "frame" in centerings and len(centerings) > 1:
            raise ValueError(
                f"{recogniser.path}: learned motions centred: {recogniser.experiment.data.centering}, these are "
                f"centred: {data.centering}; train one with --data.centering {data.centering}"
            )
    real = prepare(replace(experiment, data=data), skeleton=None if source is None else source.skeleton)
    for trained in learned:
        _check_unseen(trained, data, real.test.source)
    if motions is not None:
        motions.check(name, farthest=FARTHEST)
    for side in (real.train, real.test):
        side.check(data.source, farthest=FARTHEST)
        if side.notes.get("empty"):
            raise ValueError(f"{data.source}: {side.notes['empty']} motions are nothing but zeros")
        if side.notes.get("padded"):
            raise ValueError(
                f"{data.source}: {side.notes['padded']} motions end in frames of zeros, which are no motion; score a "
                f"network that was trained with --data.fitting stretch or first"
            )
    notes: list[str] = []
    if source is not None:
        _check(source, real)
        real = replace(
            real, train=_numbered(real.train, source.class_names), test=_numbered(real.test, source.class_names)
        )
    tested = np.isin(np.arange(len(real.test.class_names)), real.test.label)
    if not tested.all():
        missing = np.array(real.test.class_names)[~tested]
        notes.append(f"not scored, for want of real test motions: {', '.join(missing)}")
    if motions is not None:
        scaler = None
        if scaled:  # published files are scaled as they were recorded, whatever is centred here
            plain = replace(experiment, data=replace(data, centering="none"))
            scaler = Scaler.fit(prepare(plain, skeleton=real.train.skeleton).train, "minmax")
            notes.append("motions in [-1, 1] were brought to metres by the extremes of the training motions")
        motions = _fitting(name, motions, real, data, scaler, notes)
        motions = motions.select(tested[motions.label])
        if not len(motions):
            raise ValueError(f"{name}: there are no real test motions of its classes to compare with")
        known = np.isin(np.arange(len(tested)), motions.label)
        if not known[tested].all():
            notes.append(f"only classes that there are motions of: {', '.join(np.array(real.test.class_names)[known])}")
            train, test = (side.select(known[side.label]) for side in (real.train, real.test))
            real = replace(real, train=train, test=test)
        rates = _rate(motions), _rate(real.test)
        if None not in rates and abs(rates[0] - rates[1]) > 0.01 * rates[1]:  # type: ignore[operator]
            notes.append(f"these motions have {rates[0]:g} frames per second, real ones {rates[1]:g}; both as frames")
    else:
        sampler = run.generator  # type: ignore[union-attr]
        batches = int(run.module.batches)  # type: ignore[union-attr, arg-type]
        notes.append(f"generator: {weights_hash(sampler)} after {batches} batches")
    networks = [network_of(each, real.test) for each in opened]
    for number, network in enumerate(networks):
        if network.hash in {each.hash for each in networks[:number]}:
            raise ValueError(f"encoder {number + 1} has the weights of one before it ({network.hash}); name each once")
    return Contest(name, run, motions, networks[0] if networks else None, real, data, tuple(notes), tuple(networks[1:]))


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
    experiment: Experiment, reference: str | os.PathLike[str] | None, split: str | None, trained: Run | None
) -> DataConfig:
    """Which real motions, and which of them are held out; of another file those of the classes that a run knows."""
    data = experiment.data
    if reference is not None:
        data = replace(
            data, source=os.fspath(reference), classes=None if trained is None else list(trained.class_names)
        )
    if split is not None:
        data = replace(data, split=split)  # type: ignore[arg-type]
    if data.split == "none":
        raise ValueError(f"{data.source}: split none holds no motions out to score with; pass xsub, xview or xsetup")
    return data


def _check_unseen(trained: Run, data: DataConfig, source: str = "") -> None:
    """Refuses held-out motions that a run learned from: by the path of their file, and by the name of the data set."""
    own = trained.experiment.data
    same = own.source == data.source or Path(own.source).resolve() == Path(data.source).resolve()
    same |= bool(source) and trained.summary.startswith(f"{source}/")
    if same and own.split != data.split:
        raise ValueError(
            f"{trained.path}: trained on {own.source} split by {own.split}, and so on some of the motions that "
            f"{data.split} holds out"
        )


def _check(run: Run, real: Prepared) -> None:
    if set(run.class_names) != set(real.test.class_names):
        raise ValueError(
            f"{run.path}: knows {len(run.class_names)} classes ({', '.join(run.class_names[:3])} ...), "
            f"the real motions have {len(real.test.class_names)} ({', '.join(real.test.class_names[:3])} ...)"
        )
    if run.skeleton.hash != real.test.skeleton.hash:
        raise ValueError(f"{run.path}: knows the joints of another skeleton than the real motions have")


def _fitting(
    name: str, motions: MotionSet, real: Prepared, data: DataConfig, scaler: Scaler | None, notes: list[str]
) -> MotionSet:
    """Motions of a file with the classes, coordinates and frames of the real ones.

    Args:
        scaler: metres to the coordinates of the file; None = they are metres
        notes: is told what was assumed
    """
    test = real.test
    if motions.skeleton.hash != test.skeleton.hash:
        raise ValueError(f"{name}: has another skeleton than the real motions")
    if motions.notes.get("padded"):
        raise ValueError(
            f"{name}: {motions.notes['padded']} motions end in frames of zeros, which are no motion; cut them"
        )
    if motions.notes.get("classes") == "numbers":
        names = _all_classes(data)
        if len(motions.class_names) > len(names):
            raise ValueError(
                f"{name}: has class {len(motions.class_names) - 1}, the real motions have 0 to {len(names) - 1}"
            )
        numbers = np.unique(motions.label).tolist()
        shown = ", ".join(f"{k} = {safe_line(names[k])}" for k in numbers[:12])
        notes.append(f"classes of the file are numbers: {shown}{' ...' if len(numbers) > 12 else ''}")
        motions = replace(motions, class_names=names[: len(motions.class_names)])
    if unknown := sorted({motions.class_names[k] for k in motions.label.tolist()} - set(test.class_names)):
        raise ValueError(
            f"{name}: the real motions have no class {unknown[0]!r}; theirs: {', '.join(test.class_names)}"
        )
    used = np.unique(motions.label)
    number = np.full(len(motions.class_names), -1)
    number[used] = [test.class_names.index(motions.class_names[k]) for k in used.tolist()]
    if motions.shape[2] != test.shape[2]:
        notes.append(f"motions of {motions.shape[2]} frames were resampled to {test.shape[2]}")
    motions = replace(motions, label=number[motions.label], class_names=test.class_names).resampled(test.shape[2])
    motions = replace(motions, motion=np.asarray(motions.motion))  # all of them are looked at again and again
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


def _all_classes(data: DataConfig) -> tuple[str, ...]:
    """The classes of a source in the order of their numbers there, those included that are not used."""
    if data.source == "synthetic":
        return tuple(ACTIONS)
    return read_motions(data.source).class_names


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
            raise ValueError(
                f"{what}: the recognition network knows other classes or joints than these motions have, or has its "
                f"classes in another order"
            )
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
