"""Fitting: clips of any length in one number of frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kinetic.motion.changes import blended_frames

__all__ = ["FITTING"]


def _pad(motion: np.ndarray, frames: int) -> np.ndarray:
    """The clip and zeros after it, as in published sets; a longer clip loses its end."""
    fitted = np.zeros((len(motion), _checked(motion, frames), *motion.shape[2:]), motion.dtype)
    fitted[:, : motion.shape[1]] = motion[:, :frames]
    return fitted


def _stretch(motion: np.ndarray, frames: int) -> np.ndarray:
    """The clip played slower or faster, by linear interpolation; the first and the last pose stay exactly.

    Where a body is absent in one of two frames, the nearer frame is copied: poses are never blended with zeros.

    The sum is written differently in `changes.Stretch`, which rounds differently: each keeps the bits of its arrays.
    """
    before, after, share = (row[0] for row in blended_frames(np.array(motion.shape[1:2]), _checked(motion, frames)))
    nearer = np.where(share < 0.5, before, after)
    present = np.any(motion, axis=(2, 3))
    both = present[:, before] & present[:, after]  # (M, frames)
    before, after = np.where(both, before, nearer), np.where(both, after, nearer)
    body = np.arange(len(motion))[:, None]
    poses = motion[body, before]
    return poses + share.astype(motion.dtype)[:, None, None] * (motion[body, after] - poses)


def _crop(motion: np.ndarray, frames: int) -> np.ndarray:
    """The middle of the clip; a shorter clip holds its last pose."""
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
"""Ways to fit a clip, by name: (M, T, V, 3) and a number of frames -> (M, frames, V, 3).

`stretch` fills all frames with motion. `pad` and `crop` fill the first min(T, frames); after them come zeros (`pad`) or
the last pose (`crop`)."""
