"""Changes of motions, row by row: another number of frames, another origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["Centre", "CentreOn", "Cut", "Stretch", "blended_frames"]


@dataclass(frozen=True, eq=False)
class Stretch:
    """Linear interpolation in time from the real frames of each motion: (n, C, T, V) -> (n, C, frames, V).

    Args:
        real: (N,) frames of each motion before its padding
        frames: frames of each motion afterwards
        gaps: frames of zeros have no body; a new frame between such a frame and another copies the nearer one
    """

    real: np.ndarray
    frames: int
    gaps: bool = False

    def __call__(self, part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        real = self.real[rows]
        if len(real) and (real == real[0]).all():  # the usual case needs no table for every motion
            before, after, share = blended_frames(real[:1], self.frames)
            low, high = part[:, :, before[0]], part[:, :, after[0]]
        else:
            before, after, share = blended_frames(real, self.frames)
            low = np.take_along_axis(part, before[:, None, :, None], axis=2)
            high = np.take_along_axis(part, after[:, None, :, None], axis=2)
        weight = share.astype(np.float32)[:, None, :, None]  # (n or 1, 1, frames, 1)
        out = low * (1 - weight) + high * weight
        if self.gaps:
            one_body = _has_body(low) != _has_body(high)  # (n, 1, frames, 1)
            out = np.where(one_body, np.where(weight < 0.5, low, high), out)
        return np.asarray(out, dtype=np.float32)


def blended_frames(length: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The old frames before and after each new frame, and the share of the later one: (n,) -> 3 x (n, frames).

    New frames are evenly spaced from the first to the last of `length` old frames, and these two are exact.
    """
    position = np.linspace(0, length - 1, frames, axis=-1)
    before = position.astype(np.int64)  # at least 0, so this rounds down
    after = np.minimum(before + 1, (length - 1)[:, None])
    return before, after, position - before


def _has_body(motion: np.ndarray) -> np.ndarray:
    """Frames with a coordinate other than zero: (n, C, T, V) -> (n, 1, T, 1)."""
    return (motion != 0).any(axis=(1, 3), keepdims=True)


@dataclass(frozen=True, eq=False)
class Cut:
    """The first frames of each motion: (n, C, T, V) -> (n, C, frames, V).

    Args:
        real: (N,) frames of each motion before its padding
        frames: frames of each motion afterwards
        hold: a shorter motion holds its last pose; otherwise it ends in zeros, as in published arrays
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
        mode: relative to the joint in the `first` frame, or in every `frame`
        gaps: frames of zeros have no body; they stay zeros and do not count as the first frame
    """

    joint: int
    mode: Literal["first", "frame"]
    gaps: bool = False

    def __call__(self, part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        out = part - self.origin(part)
        return np.where(_has_body(part), out, np.float32(0)) if self.gaps else out

    def origin(self, actor: np.ndarray) -> np.ndarray:
        """The positions to subtract: (n, C, T, V) -> (n, C, T or 1, 1)."""
        origin = actor[..., self.joint : self.joint + 1]  # (n, C, T, 1)
        if self.mode == "first" and self.gaps:
            first = _has_body(actor)[:, 0, :, 0].argmax(axis=1)  # (n,), 0 where no frame has a body
            return np.take_along_axis(origin, first[:, None, None, None], axis=2)
        return origin[:, :, :1] if self.mode == "first" else origin


@dataclass(frozen=True, eq=False)
class CentreOn(Centre):
    """Partners relative to a joint of the first person; a partner's frames of zeros have no body and stay zeros.

    Args:
        actors: (N, C, T, V) the motions of the first person
    """

    actors: Any = None

    def __call__(self, part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        moved = part - self.origin(np.asarray(self.actors[rows]))
        return np.where(_has_body(part), moved, np.float32(0))
