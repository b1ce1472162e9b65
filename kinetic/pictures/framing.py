"""How large a frame around motions is, so that a collapsed or exploded one does not set the scale of the others."""

from __future__ import annotations

import numpy as np

__all__ = ["body_size", "room"]

PERSON = (0.5, 2.6)
"""Metres: between these is the largest side of the box around a person."""


def body_size(motion: np.ndarray) -> np.ndarray:
    """Largest side of the box around each body, the median over its frames: (N, C, T, V) -> (N,)."""
    return np.median(np.ptp(motion, axis=3).max(axis=1), axis=1)


def room(reach: np.ndarray, size: np.ndarray) -> float:
    """How far a frame goes in one direction: as far as the furthest motion, but at most twice as far as the middle one.

    Bodies as large as people decide where there are any; of two motions the lesser one is the middle.

    Args:
        reach: of each motion in that direction, (N,)
        size: of each body, (N,), as `body_size` gives it
    """
    people = reach[(size >= PERSON[0]) & (size <= PERSON[1])]
    ordered = np.sort(people if len(people) else reach)
    return float(min(ordered[-1], 2 * ordered[(len(ordered) - 1) // 2]))
