"""What generated motions are worth as training data: GAN-train, GAN-test and the gain of augmentation.

After Shmelkov et al., "How good is my GAN?" (ECCV 2018): a recognition network trained on generated motions alone and
tested on real ones (GAN-train) falls short where motions are unlike real ones or lack variety; one trained on real
motions and tested on generated ones (GAN-test, the `accuracy` of `kinetic evaluate`) only where they are unlike.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from kinetic.evaluation.comparison import Comparison
from kinetic.evaluation.networks import network_kind, network_of
from kinetic.evaluation.report import Row
from kinetic.metrics.intervals import interval
from kinetic.metrics.recognition import accuracy
from kinetic.metrics.score import SHARE, Score
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.runs.fit import fit
from kinetic.runs.run import Run, load_run
from kinetic.settings.reading import to_plain

__all__ = ["learned", "train_on_generated"]


def train_on_generated(
    comparison: Comparison, recogniser: Run, *, seeds: int = 3, truncation: float | None = None, progress: bool = False
) -> tuple[Row, ...]:
    """Accuracies on real test motions of recognition networks that learned from generated motions: two rows.

    `gan_train` learns from generated motions alone, as many of each class as there are real training motions (of a
    file: from those in it); `augmented` from these and the real ones together. The floor of both learns from the real
    ones. All follow the recipe of `recogniser` for as many batches, so that only the motions differ.

    Args:
        comparison: what is scored, of `open_comparison`
        recogniser: the run of a recognition network, whose recipe is followed
        seeds: trainings of each kind, every one with its own motions and weights
        truncation: psi of the generated motions; None = none
        progress: show a bar on a terminal

    Raises:
        ValueError: when `recogniser` is the run of a generator, or knows other classes
    """
    kind = network_kind(recogniser)
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    subject, train, test = comparison.subject, comparison.reference.train, comparison.reference.test
    if recogniser.class_names != test.class_names:
        raise ValueError(f"{recogniser.path}: the recognition network knows other classes than these motions have")
    if subject.motions is not None and (absent := set(train.label.tolist()) - set(subject.motions.label.tolist())):
        raise ValueError(f"{subject.name}: there is no motion of {train.class_names[min(absent)]!r} to learn from")
    accuracies: dict[str, list[float]] = {"gan_train": [], "augmented": [], "real": []}
    n_fake = 0
    bar = tqdm(total=3 * seeds, unit="training", desc="gan-train", disable=None if progress else True)
    with bar:
        for seed in range(seeds):
            fake = subject.draw(train.label, seed=seed, truncation=truncation)
            n_fake = len(fake)
            for name, sets in (("gan_train", [fake]), ("augmented", [train, fake]), ("real", [train])):
                accuracies[name].append(learned(recogniser, _joined(sets), test, seed=seed))
                bar.update()
    label = comparison.label(count=None, seeds=seeds, truncation=truncation) | {
        "balance": "as given" if subject.run is None else "training motions",
        "seeds": tuple(range(seeds)),
        "estimator": "accuracy on real test",
        "network": f"{kind}, trained anew by recipe {_recipe(recogniser)}",
    }
    real_label = label | {"n_fake": len(train), "truncation": None, "network_data": recogniser.summary}
    both = {"network_data": f"generated motions and {recogniser.summary}"}
    rows = []
    for name, facts in (("gan_train", {"n_fake": n_fake}), ("augmented", {"n_fake": n_fake + len(train), **both})):
        score = _score(name, accuracies[name], **label | facts)
        rows.append(Row(score, _score(name, accuracies["real"], **real_label), "high"))
    return tuple(rows)


def _score(metric: str, values: Sequence[float], **facts: Any) -> Score:
    return Score(value=float(np.mean(values)), interval=interval(values, bounds=SHARE), metric=metric, **facts)


def _joined(sets: Sequence[MotionSet]) -> MotionSet:
    """Sets of the same classes as one, with the fields that a recognition network learns from."""
    first = sets[0]
    return MotionSet(
        motion=np.concatenate([motions.motion for motions in sets]),
        label=np.concatenate([motions.label for motions in sets]),
        class_names=first.class_names,
        skeleton=first.skeleton,
        fps=float(np.mean(first.fps)),
        source="training",
    )


def _recipe(recogniser: Run) -> str:
    """Six hexadecimal digits that stand for a network's settings and how it is trained."""
    settings = to_plain(recogniser.experiment)
    recipe = {name: value for name, value in settings.items() if name not in ("name", "seed", "skeleton", "data")}
    text = json.dumps([recipe, recogniser.batches], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def learned(recogniser: Run, motions: MotionSet, test: MotionSet, *, seed: int) -> float:
    """Accuracy on test motions of a network that learns these motions by the recipe of another one, as many batches."""
    recipe = recogniser.experiment
    with tempfile.TemporaryDirectory() as folder:
        write_motions(motions, Path(folder) / "motions")
        experiment = replace(
            recipe,
            seed=seed,
            skeleton=None,
            data=replace(
                recipe.data, source=str(Path(folder) / "motions"), split="none", classes=None, centering="none"
            ),
            training=replace(recipe.training, steps=recogniser.batches, sample_every=0, loggers=()),
        )
        run = load_run(fit(experiment, Path(folder) / "run", progress=False))
    sample = network_of(run, test).sample(test)
    if sample.predicted is None:
        raise ValueError(f"{recogniser.path}: its recipe makes no recognition network")
    return float(accuracy(sample.predicted, sample.label))
