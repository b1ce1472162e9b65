"""The published protocol: Kinetic-GAN's own evaluation, faults included, for numbers beside published ones."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from kinetic.evaluation.comparison import Comparison, as_comparison
from kinetic.evaluation.networks import plain_sample
from kinetic.evaluation.report import Report, Row
from kinetic.metrics.frechet import frechet_from_features
from kinetic.metrics.mmd import mmd_per_class
from kinetic.metrics.score import Score
from kinetic.models.inception import InceptionFeatures, load_inception
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.scaler import Scaler
from kinetic.runs.run import Run

__all__ = ["evaluate_published"]

PUBLISHED_COUNT, PUBLISHED_TRUNCATION = 1000, 0.95
"""Motions per class and psi of Kinetic-GAN's evaluation."""

CHUNK = 32
"""Motions that Inception reads before the bar moves on."""

MODES: tuple[Literal["frame", "sequence"], ...] = ("frame", "sequence")


def evaluate_published(
    subject: Run | MotionSet | str | os.PathLike[str] | Comparison,
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

    MMDa and MMDs come from its script, whose faults make them a distance between one pair of motions per class; FID
    compares ImageNet features of motions read as images, where the weights are there. All coordinates are scaled to
    [-1, 1] by the extremes of the training motions, which are also the reference. The floor compares real held-out
    motions with them. `docs/protocol.md` says why these numbers should not be trusted.

    Args:
        subject, reference, split, scaled, progress: as for `evaluate`
        inception: the weights that pytorch-fid publishes; None leaves FID out
        range_fault: feed [-1, 1] to a network that expects [0, 1], as published
        count: motions of each class; None = 1000 (published)
        truncation: psi; None = 0.95 (published)

    Raises:
        ValueError, FileNotFoundError: as `evaluate`; also for weights that are not there or not those
    """
    network = None if inception is None else InceptionFeatures(load_inception(inception), range_fault=range_fault)
    comparison = as_comparison(subject, reference=reference, split=split, scaled=scaled)
    if comparison.subject.run is not None:
        count = PUBLISHED_COUNT if count is None else count
        truncation = PUBLISHED_TRUNCATION if truncation is None else truncation
    (fake,) = comparison.fakes(count=count, seeds=1, truncation=truncation)
    test, train = comparison.reference.test, comparison.reference.train
    scaler = Scaler.fit(train, "minmax")
    train = train.select(np.isin(train.label, test.label))
    label = comparison.label(count=count, seeds=1, truncation=truncation) | {
        "reference": comparison.reference.name("train"),
        "n_real": len(train),
        "scaling": f"[-1, 1] by the extremes of the training motions, centred: {comparison.reference.data.centering}",
    }
    real, generated, held_out = (scaler(plain_sample(motions).motion) for motions in (train, fake, test))
    rows: list[Row] = []
    notes = [*comparison.notes]

    def add(metric: str, estimator: str, values: Sequence[float], **facts: Any) -> None:
        facts = label | {"metric": metric, "estimator": estimator} | facts
        score = Score(value=values[0], n_fake=len(fake), **facts)
        floor = replace(score, value=values[1], n_fake=len(test), truncation=None, seeds=())
        rows.append(Row(score, floor, "low"))

    if network is None:
        notes.append("fid: left out; pass the Inception weights of pytorch-fid (--inception FILE)")
    else:
        motions = len(train) + len(fake) + len(test)
        with tqdm(total=motions, unit="motion", desc="inception", disable=not progress or None) as bar:
            reference_features = _features(network, real, bar)
            sides = [_features(network, motion, bar) for motion in (generated, held_out)]
        add(
            "fid",
            f"gaussian, input in {'[-3, 1] (published)' if range_fault else '[-1, 1]'}",
            [float(frechet_from_features(features, reference_features)) for features in sides],
            network=network.name,
            network_data=network.data,
            network_hash=network.hash,
        )
    real_label = torch.from_numpy(train.label)
    for mode in MODES:
        values = []
        for name, motion, side in (("generated", generated, fake), ("real", held_out, test)):
            side_label = torch.from_numpy(side.label)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                per_class = mmd_per_class(motion, side_label, real, real_label, mode=mode, estimator="published")
            notes.extend(f"mmd_{mode}, {name}: {warning.message}" for warning in caught)
            values.append(float(per_class.mean))
        add(f"mmd_{mode}", "published", values)
    notes.append(f"{len(train)} real motions ({label['reference']}), {len(fake)} generated, one run")
    notes.append("as published, faults included: compare with published numbers only")
    return Report(comparison.subject.name, tuple(rows), tuple(notes))


def _features(network: InceptionFeatures, motion: Tensor, bar: tqdm[Any]) -> Tensor:
    """Features of scaled motions, batch by batch: (N, C, T, V) -> (N, D)."""
    parts = []
    for batch in motion.split(CHUNK):
        parts.append(network.features(batch))
        bar.update(len(batch))
    return torch.cat(parts)
