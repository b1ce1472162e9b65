"""Coordinates of a set of motions: their shape, their type and their size, read part by part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kinetic.motion.arrays import CHUNK
from kinetic.motion.stored import StoredMotion, release
from kinetic.skeleton import Skeleton

__all__ = ["FARTHEST", "as_float32", "check_shape", "chunks", "largest_coordinate"]

FARTHEST = 1e5
"""Largest coordinate that is trained on or scored; real people in millimetres or pixels stay far below it."""


def check_shape(shape: tuple[int, ...], skeleton: Skeleton) -> None:
    """Raise ValueError for anything but (N, C, T, V) with the channels and joints of the skeleton."""
    if len(shape) != 4:
        raise ValueError(f"motion has shape {shape}, expected four axes (N, C, T, V)")
    _, channels, frames, joints = shape
    if joints != len(skeleton.joints):
        named = f"skeleton {skeleton.name}" if skeleton.name else "the skeleton"
        raise ValueError(f"motion has {joints} joints, {named} has {len(skeleton.joints)}; expected shape (N, C, T, V)")
    if channels not in (2, 3) or channels != skeleton.channels:
        raise ValueError(f"motion has {channels} channels, expected {skeleton.channels} (2 or 3: x, y and perhaps z)")
    if frames < 1:
        raise ValueError("motion has no frames")


def as_float32(motion: Any) -> Any:
    """Motions in native float32; the same object where they are that already."""
    if isinstance(motion, StoredMotion):
        return motion
    motion = np.asanyarray(motion)
    if motion.dtype == np.float32:
        return motion
    if motion.dtype.kind != "f" or motion.dtype.itemsize not in (2, 4, 8):
        raise ValueError(f"motion has type {motion.dtype}, expected float16, float32 or float64")
    out = np.empty(motion.shape, dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # becomes inf or NaN, which `MotionSet.check` reports
        for rows in chunks(motion):
            out[rows] = motion[rows]
    return out


def chunks(motion: np.ndarray) -> Iterator[slice]:
    """Slices of rows that hold about CHUNK bytes each."""
    size = max(1, int(np.prod(motion.shape[1:]))) * max(4, motion.dtype.itemsize)
    step = max(1, CHUNK // size)
    for start in range(0, len(motion), step):
        yield slice(start, min(start + step, len(motion)))


def largest_coordinate(motion: np.ndarray, first: int = 0) -> float:
    """The largest absolute coordinate.

    Raises:
        ValueError: naming the rows (counted from `first`) that are not finite
    """
    largest, count = 0.0, 0
    broken_rows: list[int] = []
    for rows in chunks(motion):
        part = np.asarray(motion[rows])
        release(motion)
        top = max(float(part.max()), -float(part.min())) if part.size else 0.0  # NaN passes through max and min
        if np.isfinite(top):
            largest = max(largest, top)
            continue
        broken = np.flatnonzero(~np.isfinite(part).all(axis=(1, 2, 3))) + rows.start + first
        count += len(broken)
        broken_rows += broken[: 10 - len(broken_rows)].tolist()
    if count:
        more = ", ..." if count > len(broken_rows) else ""
        listed = ", ".join(map(str, broken_rows))
        raise ValueError(f"{count} of {len(motion)} motions hold NaN or infinite coordinates: motions {listed}{more}")
    return largest
