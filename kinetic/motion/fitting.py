"""Fitting: clips of any length brought to one number of frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["FITTING"]


def _pad(motion: np.ndarray, frames: int) -> np.ndarray:
    """Zeros after the end, as the published sets have them; longer clips lose their end."""
    fitted = np.zeros((len(motion), _checked(motion, frames), *motion.shape[2:]), motion.dtype)
    fitted[:, : motion.shape[1]] = motion[:, :frames]
    return fitted


def _stretch(motion: np.ndarray, frames: int) -> np.ndarray:
    """The clip played slower or faster: poses between frames are on the line between them, the ends stay as they are.

    A body that is absent in one of the two frames is there, or not, as in the nearer one, and never between its pose
    and zeros.
    """
    length = motion.shape[1]
    at = np.linspace(0, length - 1, _checked(motion, frames))
    before = at.astype(np.int64)  # at least 0, so this rounds down
    after = np.minimum(before + 1, length - 1)
    weight = at - before
    nearer = np.where(weight < 0.5, before, after)
    present = np.any(motion, axis=(2, 3))
    both = present[:, before] & present[:, after]  # (M, frames)
    before, after = np.where(both, before, nearer), np.where(both, after, nearer)
    body = np.arange(len(motion))[:, None]
    poses = motion[body, before]
    return poses + weight.astype(motion.dtype)[:, None, None] * (motion[body, after] - poses)


def _crop(motion: np.ndarray, frames: int) -> np.ndarray:
    """The middle of the clip; shorter ones hold their last pose."""
    length = motion.shape[1]
    begin = max(0, (length - _checked(motion, frames)) // 2)
    return motion[:, np.minimum(np.arange(begin, begin + frames), length - 1)]


def _checked(motion: np.ndarray, frames: int) -> int:
    if motion.ndim != 4 or not motion.size:
        raise ValueError(f"a clip has four axes (M, T, V, C) and at least one frame, got shape {motion.shape}")
    if frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}")
    return frames


FITTING: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"pad": _pad, "stretch": _stretch, "crop": _crop}
"""By name: (M, T, V, 3) and a number of frames -> (M, frames, V, 3). Of a clip of T frames, `stretch` fills all frames
with motion, the others the first min(T, frames): after them come zeros (`pad`) or the last pose (`crop`)."""
