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

import numpy as np
from tqdm import tqdm

from kinetic.evaluation.comparison import Contest, network_of
from kinetic.evaluation.report import Row
from kinetic.metrics.intervals import interval
from kinetic.metrics.recognition import accuracy
from kinetic.metrics.score import SHARE, Score
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.runs.fit import fit
from kinetic.runs.run import Run, load_run
from kinetic.runs.sample import draw
from kinetic.settings.reading import to_plain

__all__ = ["learned", "train_on_generated"]


def train_on_generated(
    contest: Contest, recogniser: Run, *, seeds: int = 3, truncation: float | None = None, progress: bool = False
) -> tuple[Row, ...]:
    """Accuracies on real test motions of recognition networks that learned from generated motions: two rows.

    `gan_train` learns from generated motions alone, as many of each class as there are real training motions (of a
    file: from those in it); `augmented` from these and the real ones together. The floor of both learns from the real
    ones. All follow the recipe of `recogniser` for as many batches, so that only the motions differ.

    Args:
        contest: what is scored, of `open_contest`
        recogniser: the run of a recognition network, whose recipe is followed
        seeds: trainings of each kind, every one with its own motions and weights
        truncation: psi of the generated motions; None = none
        progress: show a bar on a terminal

    Raises:
        ValueError: when `recogniser` is none, or knows other classes
    """
    if recogniser.experiment.model != "encoder":
        raise ValueError(f"{recogniser.path}: expected the run of a recognition network, found a generator")
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    train, test = contest.real.train, contest.real.test
    if recogniser.class_names != test.class_names:
        raise ValueError(f"{recogniser.path}: the recognition network knows other classes than these motions have")
    if contest.motions is not None and (absent := set(train.label.tolist()) - set(contest.motions.label.tolist())):
        raise ValueError(f"{contest.name}: there is no motion of {train.class_names[min(absent)]!r} to learn from")
    found: dict[str, list[float]] = {"gan_train": [], "augmented": [], "real": []}
    n_fake = 0
    bar = tqdm(total=3 * seeds, unit="training", desc="gan-train", disable=None if progress else True)
    with bar:
        for seed in range(seeds):
            fake = contest.motions
            if contest.run is not None:
                fake = draw(contest.run, train.label, seed=seed, truncation=truncation)
            if fake is None:
                raise ValueError(f"{contest.name}: there is nothing to learn from")
            n_fake = len(fake)
            for name, sets in (("gan_train", [fake]), ("augmented", [train, fake]), ("real", [train])):
                found[name].append(learned(recogniser, _joined(sets), test, seed=seed))
                bar.update()
    made = contest.run is not None
    label = contest.label(count=None, seeds=seeds, truncation=truncation) | {
        "balance": "training motions" if made else "as given",
        "seeds": tuple(range(seeds)),
        "network": f"st-gcn encoder, trained anew by recipe {_recipe(recogniser)}",
    }
    rows = []
    for name, n in (("gan_train", n_fake), ("augmented", n_fake + len(train))):
        score = Score(
            value=float(np.mean(found[name])),
            interval=interval(found[name], bounds=SHARE),
            metric=name,
            estimator="accuracy on real test",
            n_fake=n,
            **(
                label | ({"network_data": f"generated motions and {recogniser.summary}"} if name == "augmented" else {})
            ),
        )
        floor = replace(
            score,
            value=float(np.mean(found["real"])),
            interval=interval(found["real"], bounds=SHARE),
            n_fake=len(train),
            truncation=None,
            network_data=recogniser.summary,
        )
        rows.append(Row(score, floor, "high"))
    return tuple(rows)


def _joined(sets: Sequence[MotionSet]) -> MotionSet:
    """Sets of the same classes as one, with what a recogniser learns from."""
    first = sets[0]
    return MotionSet(
        motion=np.concatenate([each.motion for each in sets]),
        label=np.concatenate([each.label for each in sets]),
        class_names=first.class_names,
        skeleton=first.skeleton,
        fps=float(np.mean(first.fps)),
        source="training",
    )


def _recipe(recogniser: Run) -> str:
    """Six hexadecimal digits of what a network is and how it is trained."""
    plain = to_plain(recogniser.experiment)
    text = json.dumps([plain["encoder"], plain["training"], int(recogniser.module.batches)], sort_keys=True)  # type: ignore[arg-type]
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
            training=replace(
                recipe.training,
                steps=int(recogniser.module.batches),  # type: ignore[arg-type]
                sample_every=0,
                loggers=(),
            ),
        )
        run = load_run(fit(experiment, Path(folder) / "run", progress=False))
    found = network_of(run, test).look(test)
    if found.predicted is None:
        raise ValueError(f"{recogniser.path}: its recipe makes no recognition network")
    return float(accuracy(found.predicted, found.label))
