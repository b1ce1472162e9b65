"""What is drawn and measured every so often while a generator of motions trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinetic.families.interface import Watch

if TYPE_CHECKING:
    from kinetic.families.interface import Sampler
    from kinetic.motion.motion_set import MotionSet

__all__ = ["watch_samples"]


def watch_samples(train: MotionSet, folder: Path, sampler_of: Callable[[Any], Sampler]) -> Watch:
    """Draws sheets and an animation of samples, and measures how far they are from training motions (MMDa)."""
    import numpy as np
    import torch

    from kinetic.files import make_folder
    from kinetic.metrics.mmd import mmd_per_class
    from kinetic.pictures.animation import animate
    from kinetic.pictures.strips import sheet

    classes = len(train.class_names)
    rng = np.random.default_rng(0)
    rows = [rng.permutation(np.flatnonzero(train.label == k))[:16] for k in range(classes)]
    compared = [part for part in rows if len(part) >= 2]  # a discrepancy takes two motions
    real = train.select(np.sort(np.concatenate(compared or rows)))
    truth, label = torch.from_numpy(np.require(real.motion, requirements=("C", "W"))), torch.from_numpy(real.label)
    shown = torch.arange(min(16, max(classes, 8))) % classes
    fps = float(np.mean(train.fps))

    def look(module: Any, done: int) -> float | None:
        sampler = sampler_of(module)
        generator = torch.Generator(sampler.device).manual_seed(0)
        motion = sampler.sample(len(shown), shown.to(sampler.device), generator=generator).cpu().numpy()
        fake = sampler.sample(len(label), label.to(sampler.device), generator=generator).cpu()
        if not np.isfinite(motion).all() or not bool(fake.isfinite().all()):
            return float("nan")
        samples = make_folder(folder, "samples")
        titles = [train.class_names[k] for k in shown.tolist()]
        sheet(motion, train.skeleton, samples / f"{done:08d}.png", titles=titles)
        animate(motion[:8], train.skeleton, samples / "latest.webp", titles=titles[:8], fps=fps)
        return float(mmd_per_class(fake, label, truth, label).mean) if compared else None

    return Watch(look, "mmd/train", selects=True)
