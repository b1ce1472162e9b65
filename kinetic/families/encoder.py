"""The family `encoder`: the recognition network whose features feed the scores."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinetic.families.interface import About, Family, Material, Watch
from kinetic.families.motions import open_motions, side_text
from kinetic.settings.encoder import EncoderExperiment

if TYPE_CHECKING:
    from kinetic.models.encoder import Encoder
    from kinetic.training.encoder import EncoderTraining

__all__ = ["ENCODER"]

CHUNK = 256
"""Held-out motions in one batch."""


def _build(experiment: EncoderExperiment, about: About) -> EncoderTraining:
    import torch

    from kinetic.models.encoder import Encoder
    from kinetic.training.encoder import EncoderTraining
    from kinetic.training.randomness import seeded

    settings = experiment.encoder
    with seeded(experiment.seed, device=torch.device("cpu")):
        encoder = Encoder(
            about.motion_skeleton,
            classes=len(about.class_names),
            frames=experiment.data.frames,
            widths=settings.widths,
            dropout=settings.dropout,
            facing=settings.facing,
        )
    return EncoderTraining(
        encoder,
        steps=about.steps or 1,
        learning_rate=experiment.training.learning_rate,
        weight_decay=settings.weight_decay,
        smoothing=settings.smoothing,
        augment=settings.augment,
        angle=math.radians(settings.turn),
        mirrored=settings.mirror,
        seed=experiment.seed,
    )


def _open(experiment: EncoderExperiment) -> Material:
    return open_motions(experiment, scaling="none")


def _recogniser(module: EncoderTraining) -> Encoder:
    return module.encoder


def _watch(experiment: EncoderExperiment, material: Material, folder: Path) -> Watch:
    """Measures the network on the held-out motions, prints it, and keeps it in `recognition.json`."""
    import numpy as np
    import torch

    from kinetic.files import replacing, sealed
    from kinetic.messages import complain
    from kinetic.metrics.recognition import accuracy, class_accuracy

    test, split = material.test, experiment.data.split

    @torch.no_grad()
    def look(module: Any, done: int) -> float | None:
        if split == "none":  # nothing is held out
            return None
        encoder = module.encoder
        device = next(encoder.parameters()).device
        encoder.eval()
        parts = []
        for i in range(0, len(test), CHUNK):
            motion = torch.from_numpy(np.require(test.motion[i : i + CHUNK], requirements=("C", "W"))).to(device)
            parts.append(encoder(motion).argmax(dim=1).cpu())
        encoder.train()
        predicted, label = torch.cat(parts), torch.from_numpy(test.label)
        share, classes = float(accuracy(predicted, label)), class_accuracy(predicted, label)
        facts = {
            "hash": encoder.hash,
            "batches": done,
            "trained on": material.about.data,
            "tested on": side_text(test, split, "test"),
            "accuracy": share,
            "class accuracy": {
                test.class_names[k]: value
                for k, value in zip(classes.label.tolist(), classes.value.tolist(), strict=True)
            },
        }
        with replacing(folder / "recognition.json") as beside:
            beside.write_text(json.dumps(sealed(facts), indent=2) + "\n", encoding="utf-8")
        complain(f"after {done} batches {share:.3f} of {len(test)} test motions are recognised ({facts['hash']})")
        return share

    return Watch(look, "accuracy/test", selects=False)  # the test set selects nothing


ENCODER = Family(
    name="encoder",
    settings=EncoderExperiment,
    version=1,
    open=_open,
    build=_build,
    watch=_watch,
    recogniser=_recogniser,
    shown=("loss/encoder", "accuracy/train"),
    cycle=lambda experiment: 4,
)
"""A small ST-GCN that names the action of a motion; its learning rate depends on `steps`, which cannot change later."""
