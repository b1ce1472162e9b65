"""Checks of the inputs of a metric: a set with NaN or infinity gets an error that names the rows, never a score."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["check_features", "check_finite", "check_labels", "check_motion"]


def check_finite(x: Tensor, what: str) -> None:
    """Raise ValueError for NaN or infinity in (N, ...), naming the rows."""
    broken = (~torch.isfinite(x).flatten(1).all(dim=1)).nonzero().flatten().tolist()
    if broken:
        numbers = ", ".join(map(str, broken[:10])) + (f" and {len(broken) - 10} more" if len(broken) > 10 else "")
        raise ValueError(f"{what}: {len(broken)} of {len(x)} rows hold NaN or infinity: rows {numbers}")


def check_motion(motion: Tensor, what: str) -> None:
    """Raise ValueError for anything but a finite (N, C, T, V)."""
    if motion.ndim != 4:
        raise ValueError(f"{what}: a motion batch has four axes (N, C, T, V), got shape {tuple(motion.shape)}")
    check_finite(motion, what)


def check_features(features: Tensor, what: str, *, width: int | None = None) -> None:
    """Raise ValueError for anything but a finite (N, D) with D = `width`, or any D for None."""
    if features.ndim != 2 or width not in (None, features.shape[1]):
        raise ValueError(
            f"{what}: expected one row of features per motion, (N, {width or 'D'}), got shape {tuple(features.shape)}"
        )
    check_finite(features, what)


def check_labels(label: Tensor, motion: Tensor, what: str) -> None:
    """Raise ValueError for anything but one whole number per motion."""
    if label.shape != motion.shape[:1] or label.is_floating_point() or label.is_complex():
        raise ValueError(
            f"{what}: expected {len(motion)} whole numbers as labels, got {label.dtype} of shape {tuple(label.shape)}"
        )
