"""The size of a frame around motions: a collapsed or exploded motion does not set the scale of the others."""

from __future__ import annotations

import numpy as np

__all__ = ["body_size", "room"]

PERSON = (0.5, 2.6)
"""Metres: the smallest and the largest size of a person, measured as `body_size` does."""


def body_size(motion: np.ndarray) -> np.ndarray:
    """Largest side of the box around each body, the median over its frames: (N, C, T, V) -> (N,)."""
    return np.median(np.ptp(motion, axis=3).max(axis=1), axis=1)


def room(reach: np.ndarray, size: np.ndarray) -> float:
    """The reach of a frame in one direction: that of the furthest motion, but at most twice the median.

    Only bodies as large as people count, when there are any. The lower of two middle motions is the median.

    Args:
        reach: distance that each motion goes in that direction, (N,)
        size: `body_size` of each motion, (N,)
    """
    people = reach[(size >= PERSON[0]) & (size <= PERSON[1])]
    ordered = np.sort(people if len(people) else reach)
    return float(min(ordered[-1], 2 * ordered[(len(ordered) - 1) // 2]))
