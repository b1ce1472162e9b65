"""What is looked at while a run trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kinetic.files import make_folder, replacing, sealed
from kinetic.messages import complain
from kinetic.motion.motion_set import MotionSet
from kinetic.settings.sections import Experiment

if TYPE_CHECKING:
    pass

from kinetic.runs.folder import about_run
from kinetic.runs.prepare import Prepared

__all__ = ["recognition_watcher", "sample_watcher"]

CHUNK = 256
"""Held-out motions that are recognised together."""


def sample_watcher(folder: Path, train: MotionSet) -> Callable[[Any, int], float | None]:
    """Draws sheets and an animation of samples, and measures how far they are from training motions (MMDa)."""
    from kinetic.metrics.mmd import mmd_per_class
    from kinetic.pictures.animation import animate
    from kinetic.pictures.strips import sheet

    classes = len(train.class_names)
    rng = np.random.default_rng(0)
    rows = [rng.permutation(np.flatnonzero(train.label == each))[:16] for each in range(classes)]
    compared = [part for part in rows if len(part) >= 2]  # a discrepancy takes two motions
    real = train.select(np.sort(np.concatenate(compared or rows)))
    truth, label = torch.from_numpy(np.require(real.motion, requirements=("C", "W"))), torch.from_numpy(real.label)
    shown = torch.arange(min(16, max(classes, 8))) % classes
    fps = float(np.mean(train.fps))

    def look(module: Any, done: int) -> float | None:
        sampler = module.sampler
        device = sampler.embedding.weight.device
        generator = torch.Generator(device).manual_seed(0)
        motion = sampler.sample(len(shown), shown.to(device), generator=generator).cpu().numpy()
        fake = sampler.sample(len(label), label.to(device), generator=generator).cpu()
        if not np.isfinite(motion).all() or not bool(fake.isfinite().all()):
            return float("nan")
        samples = make_folder(folder, "samples")
        titles = [train.class_names[each] for each in shown.tolist()]
        sheet(motion, train.skeleton, samples / f"{done:08d}.png", titles=titles)
        animate(motion[:8], train.skeleton, samples / "latest.webp", titles=titles[:8], fps=fps)
        return float(mmd_per_class(fake, label, truth, label).mean) if compared else None

    return look


def recognition_watcher(folder: Path, experiment: Experiment, prepared: Prepared) -> Callable[[Any, int], float | None]:
    """Measures the recognition network on the held-out motions, prints it, and keeps it in `recognition.json`."""
    from kinetic.metrics.recognition import accuracy, class_accuracy

    test, about = prepared.test, about_run(experiment, prepared.train)

    @torch.no_grad()
    def look(module: Any, done: int) -> float | None:
        if experiment.data.split == "none":  # nothing is held out
            return None
        encoder = module.encoder
        device = next(encoder.parameters()).device
        encoder.eval()
        found = []
        for i in range(0, len(test), CHUNK):
            motion = torch.from_numpy(np.require(test.motion[i : i + CHUNK], requirements=("C", "W"))).to(device)
            found.append(encoder(motion).argmax(dim=1).cpu())
        encoder.train()
        predicted, label = torch.cat(found), torch.from_numpy(test.label)
        share, classes = float(accuracy(predicted, label)), class_accuracy(predicted, label)
        facts = {
            "hash": encoder.hash,
            "batches": done,
            "trained on": about["data"],
            "tested on": f"{test.source or 'motions'}/{experiment.data.split}/test ({len(test)} motions)",
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

    return look
