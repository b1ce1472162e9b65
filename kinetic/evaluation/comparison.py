"""A comparison: a subject beside the real motions and the feature networks that it is scored with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kinetic.evaluation.networks import Encoders, Network, open_encoders, open_networks, plain_sample
from kinetic.evaluation.reference import Reference, common_rate, open_reference, reference_settings
from kinetic.evaluation.subject import Subject, fitted, open_subject
from kinetic.metrics.measures import Sample
from kinetic.motion.motion_set import MotionSet
from kinetic.runs.run import Run
from kinetic.settings.experiment import DataConfig
from kinetic.version import __version__

__all__ = ["Comparison", "as_comparison", "open_comparison"]

RATES = 0.01
"""Frame rates that differ by no more than this share are the same."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What is compared with what, before anything is generated.

    Args:
        subject: the run of a generator, or motions
        reference: the real motions
        networks: feature networks; none = coordinates alone are compared. Scores of the second and further ones stand
            beside those of the first
        notes: what was assumed, in sentences
    """

    subject: Subject
    reference: Reference
    networks: tuple[Network, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def network(self) -> Network | None:
        """The first feature network; None = there is none."""
        return self.networks[0] if self.networks else None

    def by_network(self) -> list[Comparison]:
        """The same comparison with one network at a time, this one itself in the first place."""
        return [self, *(replace(self, networks=(network,)) for network in self.networks[1:])]

    def sample(self, motions: MotionSet) -> Sample:
        """Motions with all that scores read, through the first network."""
        return plain_sample(motions) if self.network is None else self.network.sample(motions)

    @cached_property
    def sides(self) -> tuple[Sample, Sample]:
        """The held-out and the training motions with all that scores read; computed once."""
        return self.sample(self.reference.test), self.sample(self.reference.train)

    def fakes(self, *, count: int | None, seeds: int, truncation: float | None) -> list[MotionSet]:
        """Generated motions of each seed, with labels as `Reference.labels` counts them; motions of a file as they are.

        Raises:
            ValueError: for a count or a truncation of motions of a file, or one out of range
        """
        if self.subject.motions is not None:
            if count is not None or truncation is not None:
                raise ValueError(
                    f"{self.subject.name}: only a generator takes a count and a truncation, these are motions"
                )
            return [self.subject.motions]
        if count is not None and count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        label = self.reference.labels(count)
        return [self.subject.draw(label, seed=seed, truncation=truncation) for seed in range(seeds)]

    def label(self, *, count: int | None, seeds: int, truncation: float | None) -> dict[str, Any]:
        """The label of a score, apart from metric, estimator, number of generated motions and network."""
        generated, test = self.subject.run is not None, self.reference.test
        return {
            "reference": self.reference.name(),
            "reference_hash": self.reference.hash,
            "n_real": len(test),
            "balance": ("reference" if count is None else "balanced") if generated else "as given",
            "seeds": tuple(range(seeds)) if generated else (),
            "truncation": (1.0 if truncation is None else truncation) if generated else None,
            "scaling": f"metres, centred: {self.reference.data.centering}",
            "frames": test.shape[2],
            "fps": common_rate(test),
            "version": __version__,
        }


def open_comparison(
    subject: Run | MotionSet | str | os.PathLike[str],
    *,
    encoder: Encoders = None,
    reference: str | os.PathLike[str] | None = None,
    split: str | None = None,
    scaled: bool = False,
) -> Comparison:
    """Open a subject, the real motions and the feature networks that score it; the arguments are those of `evaluate`.

    Raises:
        ValueError, FileNotFoundError: as `evaluate`
    """
    encoders = open_encoders(encoder)
    scored = open_subject(subject)
    if scored.run is not None and scaled:
        raise ValueError(f"{scored.run.path}: a run makes motions in metres; scaled is for files of motions in [-1, 1]")
    runs = [trained for trained in (scored.run, *encoders) if isinstance(trained, Run)]
    if not runs and reference is None:
        raise ValueError(
            f"{scored.name}: nothing says which real motions to compare with; pass a reference or an encoder"
        )
    real = _open_real(runs, scored.motions, reference, split)
    notes: list[str] = []
    names = np.array(real.test.class_names)
    tested = np.isin(np.arange(len(names)), real.test.label)
    if not tested.all():
        notes.append(f"not scored, without real test motions: {', '.join(names[~tested])}")
    if scored.run is not None:
        notes.append(f"generator: {scored.run.sampler_hash} after {scored.run.batches} batches")
    if scored.motions is not None:
        motions, remarks = fitted(scored.name, scored.motions, real, scaled=scaled)
        notes += remarks
        scored = replace(scored, motions=motions)
        classes = np.isin(np.arange(len(names)), motions.label)
        if not classes[tested].all():
            notes.append(f"only these classes have motions: {', '.join(names[classes])}")
            real = real.select(classes)
        notes += _rate_note(motions, real.test)
    return Comparison(scored, real, open_networks(encoders, real.test), tuple(notes))


def _open_real(
    runs: Sequence[Run], motions: MotionSet | None, path: str | os.PathLike[str] | None, split: str | None
) -> Reference:
    """Real motions that no run has learned from, with the classes of the first run in its order."""
    run = runs[0] if runs else None
    settings = reference_settings(run, motions, path, split)
    for learner in runs:
        _check_unseen(learner, settings.data)
        _check_centering(learner, settings.data)
    real = open_reference(settings, None if run is None else run.skeleton)
    for learner in runs:
        _check_unseen(learner, settings.data, real.test.source)
    if run is None:
        return real
    _check_knows(run, real)
    return real.numbered(run.class_names)


def _rate_note(motions: MotionSet, test: MotionSet) -> list[str]:
    """A note where the frames of the two sides last for different times."""
    rate, real = common_rate(motions), common_rate(test)
    if rate is None or real is None or abs(rate - real) <= RATES * real:
        return []
    return [f"these motions have {rate:g} frames per second, real ones {real:g}; frames are compared, not seconds"]


def as_comparison(subject: Run | MotionSet | str | os.PathLike[str] | Comparison, **options: Any) -> Comparison:
    """A comparison as it is, or the one that `open_comparison` opens with these options.

    Raises:
        ValueError: for options beside a comparison, which is open already
    """
    if not isinstance(subject, Comparison):
        return open_comparison(subject, **options)
    if extra := [name for name, value in options.items() if value not in (None, False)]:
        raise ValueError(f"{extra[0]} belongs to open_comparison: this comparison is open already")
    return subject


def _check_unseen(run: Run, data: DataConfig, source: str = "") -> None:
    """Refuses held-out motions that a run learned from: by the path of their file, and by the name of the data set."""
    learned = run.experiment.data
    same = learned.source == data.source or Path(learned.source).resolve() == Path(data.source).resolve()
    same |= bool(source) and run.summary.startswith(f"{source}/")
    if same and learned.split != data.split:
        raise ValueError(
            f"{run.path}: trained on {learned.source} split by {learned.split}, and so on some of the motions that "
            f"{data.split} holds out"
        )


def _check_centering(run: Run, data: DataConfig) -> None:
    """Refuses motions centred in every frame for a run that learned others, and the reverse."""
    learned = run.experiment.data.centering
    if learned != data.centering and "frame" in (learned, data.centering):
        raise ValueError(
            f"{run.path}: learned motions centred: {learned}, these are centred: {data.centering}; train one "
            f"with --data.centering {data.centering}"
        )


def _check_knows(run: Run, reference: Reference) -> None:
    """Refuses real motions of other classes or joints than a run knows."""
    class_names = reference.test.class_names
    if set(run.class_names) != set(class_names):
        raise ValueError(
            f"{run.path}: knows {len(run.class_names)} classes ({', '.join(run.class_names[:3])} ...), "
            f"the real motions have {len(class_names)} ({', '.join(class_names[:3])} ...)"
        )
    if run.skeleton.hash != reference.test.skeleton.hash:
        raise ValueError(f"{run.path}: knows the joints of another skeleton than the real motions have")
