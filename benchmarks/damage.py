"""`python -m benchmarks.damage`: which score sees which damage.

Real held-out motions are cut at random into halves. One half stands for generated motions, undamaged or damaged in a
chosen way, the other is the reference; they are scored as `kinetic evaluate` scores generated motions. The effect of a
damage on a score is given in standard deviations of the undamaged score over the random halves, positive where the
score calls the damaged motions worse. A score that stays within 3 does not see the damage; one far below 0 rewards it.

The table includes the scores with published faults (`published`, `mugl`), and the shares of motions that are copies of
the reference (`held_out`, `held_out_features`), on which the alarm "no test" of `kinetic evaluate` rests.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks import harness
from kinetic.evaluation.augmentation import learned
from kinetic.evaluation.networks import network_of
from kinetic.evaluation.reference import like
from kinetic.families.motions import prepare
from kinetic.files import replacing
from kinetic.metrics.classes import PerClass
from kinetic.metrics.measures import BETTER, MEASURES, Case, Memories, Sample, Space, measure
from kinetic.metrics.mmd import mmd, mmd_per_class
from kinetic.motion.motion_set import MotionSet
from kinetic.pictures.charts import heat_chart
from kinetic.runs.run import Run, load_run

SEEN = 3.0
"""A score sees a damage from this many standard deviations on."""

LEAST = 1e-3
"""The smallest standard deviation that is assumed, in units of the score; some scores never move."""

Damage = Callable[[MotionSet, MotionSet, np.random.Generator], MotionSet]


def _moved(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Damage:
    """A damage that changes coordinates (N, C, T, V) alone."""

    def damage(motions: MotionSet, train: MotionSet, rng: np.random.Generator) -> MotionSet:
        return replace(motions, motion=change(np.array(motions.motion), rng).astype(np.float32))

    return damage


def displaced(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every joint 3 cm off in a direction that stays for the whole motion."""
    n, c, _, v = motion.shape
    return motion + 0.03 * rng.standard_normal((n, c, 1, v))


def jitter(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every joint of every frame 1 cm off."""
    return motion + 0.01 * rng.standard_normal(motion.shape)


def frozen(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The second half of the frames repeats the pose in the middle."""
    motion[:, :, motion.shape[2] // 2 :] = motion[:, :, motion.shape[2] // 2, None]
    return motion


def smoothed(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every frame is the mean of 15 neighbours."""
    padded = np.pad(motion, ((0, 0), (0, 0), (7, 7), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 15, axis=2).mean(axis=-1)


def reversed_(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The frames run backwards; every motion starts where it started."""
    back = motion[:, :, ::-1]
    return back - back[:, :, :1, :1] + motion[:, :, :1, :1]


def slowed(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The first half of a motion takes all of its frames."""
    t = motion.shape[2]
    place = np.linspace(0, (t - 1) / 2, t)
    low = np.floor(place).astype(int)
    share = (place - low)[None, None, :, None]
    return motion[:, :, low] * (1 - share) + motion[:, :, np.minimum(low + 1, t - 1)] * share


def sliding(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The person slides 30 cm to a side."""
    return motion + np.array([0.3, 0.0, 0.0])[:, None, None] * np.linspace(0, 1, motion.shape[2])[None, :, None]


def turned(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The person looks 30 degrees to a side."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    return np.einsum("ij,njtv->nitv", np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), motion)


def enlarged(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every person is 10% larger."""
    return 1.1 * motion


def stretching(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The person grows and shrinks by 10%, three times in a motion."""
    wave = 1 + 0.1 * np.sin(np.linspace(0, 6 * np.pi, motion.shape[2]))
    return motion * wave[None, None, :, None]


def mirrored(motions: MotionSet, train: MotionSet, rng: np.random.Generator) -> MotionSet:
    """Left and right change places."""
    order = np.arange(len(motions.skeleton.joints))
    left, right = list(motions.skeleton.left), list(motions.skeleton.right)
    order[left], order[right] = right, left
    motion = np.array(motions.motion)[..., order]
    motion[:, 0] *= -1
    return replace(motions, motion=motion)


def swapped(motions: MotionSet, train: MotionSet, rng: np.random.Generator) -> MotionSet:
    """A fifth of the motions changes labels among themselves."""
    rows = rng.permutation(len(motions))[: len(motions) // 5]
    label = motions.label.copy()
    label[rows] = label[np.roll(rows, 1)]
    return replace(motions, label=label)


def collapsed(motions: MotionSet, train: MotionSet, rng: np.random.Generator) -> MotionSet:
    """Two motions of each class replace all, 1 mm apart."""
    rows = np.arange(len(motions))
    for number in np.unique(motions.label):
        members = np.flatnonzero(motions.label == number)
        rows[members] = np.resize(rng.permutation(members)[:2], len(members))
    motion = np.array(motions.motion)[rows] + 0.001 * rng.standard_normal(motions.shape)
    return replace(motions, motion=motion.astype(np.float32))


def averaged(motions: MotionSet, train: MotionSet, rng: np.random.Generator) -> MotionSet:
    """Every motion goes half of the way to the mean of its class."""
    motion = np.array(motions.motion)
    for number in np.unique(motions.label):
        members = motions.label == number
        motion[members] = 0.5 * (motion[members] + motion[members].mean(axis=0))
    return replace(motions, motion=motion)


def copied(motions: MotionSet, train: MotionSet, rng: np.random.Generator) -> MotionSet:
    """Training motions with the same labels replace the motions, each of them once where there are enough."""
    rows = np.empty(len(motions), dtype=int)
    for number in np.unique(motions.label):
        places = np.flatnonzero(motions.label == number)
        sources = np.flatnonzero(train.label == number)
        if not len(sources):
            raise ValueError(f"there are no training motions of {motions.class_names[number]}")
        rows[places] = np.resize(rng.permutation(sources), len(places))
    return replace(motions, motion=np.array(train.motion)[rows])


def leaked(motions: MotionSet, reference: MotionSet, rng: np.random.Generator) -> MotionSet:
    """Motions of the reference with the same labels replace the motions."""
    return copied(motions, reference, rng)


def _then(first: Damage, *others: Damage) -> Damage:
    """A damage that applies several, one after the other."""

    def damage(motions: MotionSet, train: MotionSet, rng: np.random.Generator) -> MotionSet:
        for change in (first, *others):
            motions = change(motions, train, rng)
        return motions

    return damage


def trembling(metres: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """A change that adds noise of this standard deviation to each coordinate of each frame."""
    return lambda motion, rng: motion + metres * rng.standard_normal(motion.shape)


def later(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The motion begins at its seventh frame; its last frame is repeated."""
    t = motion.shape[2]
    return motion[:, :, np.minimum(np.arange(t) + 6, t - 1)]


def halved(motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coordinates in half precision."""
    return motion.astype(np.float16)


DAMAGES: dict[str, Damage] = {
    "noise: joints 3 cm off": _moved(displaced),
    "jitter: 1 cm in each frame": _moved(jitter),
    "frozen from the middle on": _moved(frozen),
    "smoothed over 15 frames": _moved(smoothed),
    "time reversed": _moved(reversed_),
    "half speed": _moved(slowed),
    "mirrored": mirrored,
    "turned by 30 degrees": _moved(turned),
    "sliding by 30 cm": _moved(sliding),
    "10% larger": _moved(enlarged),
    "growing and shrinking by 10%": _moved(stretching),
    "a fifth has another label": swapped,
    "half-way to the class mean": averaged,
    "collapse: two motions a class": collapsed,
    "copies of training motions": copied,
    "copies, trembling by 1 cm": _then(copied, _moved(trembling(0.01))),
    "copies, mirrored": _then(copied, mirrored),
    "copies, turned by 30 degrees": _then(copied, _moved(turned)),
    "copies, 6 frames later": _then(copied, _moved(later)),
    "copies at half speed": _then(copied, _moved(slowed)),
    "copies, 10% larger": _then(copied, _moved(enlarged)),
    "the reference in half precision": _then(leaked, _moved(halved)),
    "the reference, trembling by 4 mm": _then(leaked, _moved(trembling(0.004))),
}

LEAKS = tuple(name for name in DAMAGES if name.startswith("the reference"))
"""Damages that take motions from the reference in the place of training motions."""

FLAWED: dict[str, tuple[str, str]] = {
    "mmd_frame (published)": ("frame", "published"),
    "mmd_sequence (published)": ("sequence", "published"),
    "mmd_frame (mugl)": ("frame", "mugl"),
    "mmd_sequence (mugl)": ("sequence", "mugl"),
}
"""Scores under published names that are not in the table of `kinetic evaluate`: name -> mode and estimator."""


HELD_OUT: dict[str, Space] = {"held_out": "coordinates", "held_out_features": "features"}
"""Shares of motions that are copies of the reference: name -> space of the comparison."""


def scores(case: Case, memories: Memories) -> dict[str, float]:
    """All scores of a case, those of `FLAWED` and `HELD_OUT` included."""
    values: dict[str, Any] = measure(case)
    values |= {name: memories.held_out(case.fake, space).copied.double().mean() for name, space in HELD_OUT.items()}
    plain = {name: float(value.mean if isinstance(value, PerClass) else value) for name, value in values.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the published script loses bandwidths, which the table shows
        for name, (mode, estimator) in FLAWED.items():
            plain[name] = _flawed(case.fake, case.real, mode, estimator)
    return plain


def _flawed(fake: Sample, real: Sample, mode: Any, estimator: str) -> float:
    if estimator == "mugl":
        n = min(len(fake.label), len(real.label))
        return float(mmd(fake.motion[:n], real.motion[:n], mode=mode, estimator=estimator))
    return float(mmd_per_class(fake.motion, fake.label, real.motion, real.label, mode=mode, estimator=estimator).mean)


def halves(label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves with equal numbers of each class, in random order."""
    first, second = [], []
    for number in np.unique(label):
        members = rng.permutation(np.flatnonzero(label == number))
        half = len(members) // 2
        first.append(members[:half])
        second.append(members[half : 2 * half])
    return rng.permutation(np.concatenate(first)), rng.permutation(np.concatenate(second))


def study(
    run: Run, test: MotionSet, train: MotionSet, *, repeats: int, damages: Sequence[str], trainings: int = 0
) -> dict[str, list[dict[str, float]]]:
    """Scores of undamaged and of damaged motions: damage (`none` first) -> one mapping per repeat.

    Args:
        run: the run of the recognition network
        trainings: repeats in which a network learns from the motions by the recipe of `run` and is tested on the
            reference (`gan_train`)
    """
    network = network_of(run, test)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in ("none", *damages)}
    training, label = network.sample(train), np.asarray(train.label)
    bar = tqdm(total=repeats * len(results), unit="set", desc="damage", disable=None)
    with bar:
        for repeat in range(repeats):
            rng = np.random.default_rng([repeat, 7])
            first, second = halves(test.label, rng)
            fake, other = test.select(first), test.select(second)
            real = network.sample(other)
            memories = Memories(real, training, test.skeleton)
            best = {f"{score} of real": value for score, value in _of_real(memories, label, other.label).items()}
            for name, rows in results.items():
                source = other if name in LEAKS else train
                damaged = fake if name == "none" else DAMAGES[name](fake, source, np.random.default_rng([repeat, 8]))
                values = (
                    scores(Case(network.sample(damaged), real, training, test.skeleton, memories=memories), memories)
                    | best
                )
                if repeat < trainings:
                    values["gan_train"] = learned(run, damaged, other, seed=repeat)
                rows.append({name: float(f"{value:.6g}") for name, value in values.items()})
                bar.update()
    return results


def _of_real(memories: Memories, train_label: np.ndarray, test_label: np.ndarray) -> dict[str, float]:
    """The values of real motions in the scores that are best at such a value.

    That of copying comes from training motions that are left out one at a time, as in `kinetic evaluate`.
    """
    real, train = memories.real, memories.train
    rows = like(train_label, test_label, seed=0)
    left = Case(train.select(rows), real, train, memories.skeleton, left_out=rows, memories=memories)
    itself = Case(real, real, train, memories.skeleton, memories=memories)
    values: dict[str, Any] = {}
    for entry in MEASURES:
        if "real" in entry.scores.values():
            values |= measure(left if entry.floor == "left out" else itself, [entry])
    return {name: float(value.mean if isinstance(value, PerClass) else value) for name, value in values.items()}


def worse(name: str, values: Mapping[str, float]) -> float:
    """A score turned so that larger is worse, in its own unit."""
    way = "high" if name == "gan_train" else BETTER.get(name, "low")
    if way == "real":
        return abs(values[name] - values[f"{name} of real"])
    return -values[name] if way == "high" else values[name]


def deviations(scores: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """damage -> score -> how much worse, in standard deviations of the undamaged score."""
    clean = scores["none"]
    names = [name for name in clean[0] if not name.endswith(" of real")]
    result: dict[str, dict[str, float]] = {}
    for damage, damaged in scores.items():
        if damage == "none":
            continue
        result[damage] = {}
        for name in names:
            pairs = [
                (worse(name, before_row), worse(name, after_row))
                for before_row, after_row in zip(clean, damaged, strict=True)
                if name in before_row and name in after_row
            ]
            before, after = np.array(pairs).reshape(-1, 2).T
            if len(before) >= 2:
                spread = max(float(before.std(ddof=1)), LEAST * max(1.0, float(np.abs(before).mean())))
                result[damage][name] = float((after - before).mean() / spread)
    return result


def table(scores: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Markdown: how many scores see each damage, which see it most, and which call it better."""
    lines = ["| damage | scores that see it | most of all | call it better |", "| --- | --- | --- | --- |"]
    for damage, row in deviations(scores).items():
        visible = sorted((name for name in row if row[name] >= SEEN), key=row.__getitem__, reverse=True)
        strongest = ", ".join(f"`{name}`" for name in visible[:4])
        misled = ", ".join(f"`{name}`" for name in row if row[name] <= -SEEN)
        lines.append(f"| {damage} | {len(visible)} of {len(row)} | {strongest} | {misled} |")
    return "\n".join(lines)


def picture(scores: Mapping[str, Sequence[Mapping[str, float]]], path: Path, *, title: str) -> None:
    """A PNG: scores as rows, damages as columns; red = called worse, blue = called better, white = not seen."""
    rows = deviations(scores)
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    values = np.array([[row.get(name, 0.0) for row in rows.values()] for name in names])
    texts = [[_short(value) if abs(value) >= SEEN else "" for value in row] for row in values]
    shown = np.where(np.abs(values) >= SEEN, np.sign(values) * np.log10(np.abs(values) + 1e-12), 0.0)
    heat_chart(shown, names, list(rows), path, title=title, texts=texts, extent=2.0)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) < 1000 else f"{'-' if value < 0 else ''}>999"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.damage", description=__doc__.partition(":")[2].strip())
    parser.add_argument("--encoder", help="run of a recognition network; its held-out motions are damaged")
    parser.add_argument("--repeats", type=int, default=20, help="random halves (default 20)")
    parser.add_argument("--trainings", type=int, default=0, help="repeats with gan_train (default 0: it takes long)")
    parser.add_argument("--damage", action="append", choices=list(DAMAGES), help="some damages; default: all")
    parser.add_argument("--title", default="", help="of the picture")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="where the numbers are kept (.json)")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw them")
    parser.add_argument("--show", type=Path, metavar="FILE", help="show the numbers of a file, and damage nothing")
    options = parser.parse_args(arguments)
    if options.show is not None:
        results = json.loads(options.show.read_text(encoding="utf-8"))
    else:
        if options.encoder is None or options.out is None:
            parser.error("--encoder and --out are required")
        if options.repeats < 2:
            parser.error("a standard deviation needs at least 2 repeats")
        if options.trainings == 1 or not 0 <= options.trainings <= options.repeats:
            parser.error("--trainings takes 0, or from 2 to the number of repeats")
        run = load_run(options.encoder)
        real = prepare(run.experiment, skeleton=run.skeleton)
        scores = study(
            run,
            real.test,
            real.train,
            repeats=options.repeats,
            damages=options.damage or list(DAMAGES),
            trainings=options.trainings,
        )
        results = {
            "machine": harness.machine(torch.device("cpu")),
            "network": {"hash": network_of(run, real.test).hash, "data": run.summary},
            "repeats": options.repeats,
            "found": scores,
        }
        with replacing(options.out) as beside:
            beside.write_text(json.dumps(results) + "\n", encoding="utf-8")
    print(table(results["found"]))
    if options.picture is not None:
        picture(results["found"], options.picture, title=options.title)
    return 0


if __name__ == "__main__":
    sys.exit(main())
