"""Changes of motions row by row: another number of frames, another origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["Centre", "CentreOn", "Cut", "Stretch"]


@dataclass(frozen=True, eq=False)
class Stretch:
    """Linear in time from the real frames of each motion to all of another number: (n, C, T, V) -> (n, C, frames, V).

    Args:
        real: (N,) frames of each motion before its padding
        frames: how many there shall be
        gaps: a frame of zeros is one without a body: between it and another there is nothing to blend, the nearer one
            is taken
    """

    real: np.ndarray
    frames: int
    gaps: bool = False

    def __call__(self, part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        real = self.real[rows]
        if len(real) and (real == real[0]).all():  # the usual case needs no table for every motion
            below, above, share = _between(real[:1], self.frames)
            low, high = part[:, :, below[0]], part[:, :, above[0]]
        else:
            below, above, share = _between(real, self.frames)
            low = np.take_along_axis(part, below[:, None, :, None], axis=2)
            high = np.take_along_axis(part, above[:, None, :, None], axis=2)
        weight = share[:, None, :, None]  # (n or 1, 1, frames, 1)
        out = low * (1 - weight) + high * weight
        if self.gaps:
            apart = _present(low) != _present(high)  # (n, 1, frames, 1)
            out = np.where(apart, np.where(weight < 0.5, low, high), out)
        return np.asarray(out, dtype=np.float32)


def _between(real: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The frames below and above each new one, and the share of the one above: 3 x (n, frames)."""
    position = np.linspace(0, real - 1, frames, axis=-1)
    below = np.minimum(position.astype(np.int64), np.maximum(real - 2, 0)[:, None])
    above = np.minimum(below + 1, (real - 1)[:, None])
    return below, above, (position - below).astype(np.float32)


def _present(motion: np.ndarray) -> np.ndarray:
    """Where there is a body: (n, C, T, V) -> (n, 1, T, 1)."""
    return (motion != 0).any(axis=(1, 3), keepdims=True)


@dataclass(frozen=True, eq=False)
class Cut:
    """The first frames of each motion: (n, C, T, V) -> (n, C, frames, V).

    Args:
        real: (N,) frames of each motion before its padding
        frames: how many there shall be
        hold: a motion with fewer real ones holds its last pose; otherwise zeros follow, as in published arrays
    """

    real: np.ndarray
    frames: int
    hold: bool

    def __call__(self, part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        kept = np.minimum(np.arange(self.frames), self.real[rows, None] - 1)  # (n, frames)
        if (kept == np.arange(self.frames)).all():
            return np.asarray(part[:, :, : self.frames])
        out = np.take_along_axis(part, kept[:, None, :, None], axis=2)
        if not self.hold:
            out *= (kept == np.arange(self.frames))[:, None, :, None]
        return out


@dataclass(frozen=True, eq=False)
class Centre:
    """Positions relative to one joint.

    Args:
        joint: number of the joint
        mode: whose joint: that of the `first` frame, or of each `frame`
        gaps: a frame of zeros is one without a body: it stays so, and does not count as the first
    """

    joint: int
    mode: Literal["first", "frame"]
    gaps: bool = False

    def __call__(self, part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        out = part - self.origin(part)
        return np.where(_present(part), out, np.float32(0)) if self.gaps else out

    def origin(self, actor: np.ndarray) -> np.ndarray:
        """What is subtracted: (n, C, T, V) -> (n, C, T or 1, 1)."""
        origin = actor[..., self.joint : self.joint + 1]  # (n, C, T, 1)
        if self.mode == "first" and self.gaps:
            first = _present(actor)[:, 0, :, 0].argmax(axis=1)  # (n,), 0 where there never is one
            return np.take_along_axis(origin, first[:, None, None, None], axis=2)
        return origin[:, :, :1] if self.mode == "first" else origin


@dataclass(frozen=True, eq=False)
class CentreOn(Centre):
    """A partner moved by the joint of the one it is with; its frames of zeros always are frames without a body.

    Args:
        actors: the motions (N, C, T, V) that the partners belong to
    """

    actors: Any = None

    def __call__(self, part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        moved = part - self.origin(np.asarray(self.actors[rows]))
        return np.where(_present(part), moved, np.float32(0))
