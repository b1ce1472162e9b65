"""Feature networks: what turns motions into the vectors and classes that scores compare."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from kinetic.metrics.measures import Sample
from kinetic.models.encoder import Encoder
from kinetic.motion.motion_set import MotionSet
from kinetic.runs.run import Run, load_run

__all__ = [
    "Encoders",
    "Network",
    "network_kind",
    "network_of",
    "open_encoders",
    "open_networks",
    "plain_sample",
]

CHUNK = 256
"""Motions whose features are computed together."""

Trained = Run | nn.Module | str | os.PathLike[str]
Encoders = Trained | Sequence[Trained] | None


@dataclass(frozen=True, eq=False)
class Network:
    """A feature network with the facts that a report prints about it.

    Args:
        model: has `features`: (N, C, T, V) in metres -> (N, D), and a `hash` of its weights
        name: its kind
        data: what it was trained on
        class_names: classes of the scores that a call of it returns; None = it recognises nothing
    """

    model: nn.Module
    name: str
    data: str
    class_names: tuple[str, ...] | None

    @property
    def hash(self) -> str:
        """The hash of the weights."""
        return str(self.model.hash)

    @torch.no_grad()
    def sample(self, motions: MotionSet) -> Sample:
        """Motions with their features and, where the network knows their classes, the classes that it recognises."""
        model = self.model.eval()
        device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
        plain = plain_sample(motions)
        features: list[Tensor] = []
        classes: list[Tensor] = []
        for batch in plain.motion.split(CHUNK):
            batch = batch.to(device)
            rows = model.features(batch)  # type: ignore[operator]
            features.append(rows.double().cpu())
            if self.class_names is not None:
                logits = model.head(rows) if isinstance(model, Encoder) else model(batch)
                classes.append(logits.argmax(dim=1).cpu())
        return replace(plain, features=torch.cat(features), predicted=torch.cat(classes) if classes else None)


def plain_sample(motions: MotionSet) -> Sample:
    """Motions without features; memory-mapped ones are copied, because torch has no read-only tensors."""
    return Sample(
        torch.from_numpy(np.require(motions.motion, requirements=("C", "W"))), torch.from_numpy(motions.label)
    )


def open_encoders(encoder: Encoders) -> list[Run | nn.Module]:
    """One encoder or several, with the runs in folders and checkpoints opened.

    Raises:
        ValueError: for the run of a generator
    """
    several: Sequence[Trained] = []
    if isinstance(encoder, Sequence) and not isinstance(encoder, str):
        several = encoder
    elif encoder is not None:
        several = [encoder]
    encoders = [load_run(trained) if isinstance(trained, (str, os.PathLike)) else trained for trained in several]
    for trained in encoders:
        if isinstance(trained, Run):
            trained.recogniser  # noqa: B018, raises for another model
    return encoders


def open_networks(encoders: Sequence[Run | nn.Module], motions: MotionSet) -> tuple[Network, ...]:
    """The feature network of each encoder, for motions that all of them must fit.

    Raises:
        ValueError, TypeError: as `network_of`; also for two encoders with the same weights
    """
    networks = tuple(network_of(trained, motions) for trained in encoders)
    hashes = [network.hash for network in networks]
    for number, digest in enumerate(hashes):
        if digest in hashes[:number]:
            raise ValueError(f"encoder {number + 1} has the weights of one before it ({digest}); name each once")
    return networks


def network_kind(run: Run) -> str:
    """The kind of network with which a run recognises, as labels of scores name it."""
    return str(getattr(run.recogniser, "kind", type(run.recogniser).__name__))


def network_of(trained: Run | nn.Module, motions: MotionSet) -> Network:
    """The feature network in a run, or an adapted module as one, for motions that it must fit.

    Raises:
        ValueError: when joints, frames or, for a run, classes differ
        TypeError: for a module without features, name, data or hash
    """
    if isinstance(trained, Run):
        model = trained.recogniser
        place, name, data, class_names = str(trained.path), network_kind(trained), trained.summary, trained.class_names
        if class_names != motions.class_names or trained.skeleton.hash != motions.skeleton.hash:
            raise ValueError(
                f"{place}: the recognition network knows other classes or joints than these motions have, or has its "
                f"classes in another order"
            )
    else:
        if missing := [name for name in ("features", "name", "data", "hash") if not hasattr(trained, name)]:
            raise TypeError(
                f"{type(trained).__name__} has no {missing[0]}; kinetic.models.adapter.Adapted makes a feature network "
                f"of any module"
            )
        model, place, name, data = trained, str(trained.name), str(trained.name), str(trained.data)
        class_names = tuple(getattr(trained, "class_names", ()))
    frames = getattr(model, "frames", None)
    if frames not in (None, motions.shape[2]):
        raise ValueError(f"{place}: the feature network knows {frames} frames, motions have {motions.shape[2]}")
    return Network(model, name, data, class_names if class_names == motions.class_names else None)
