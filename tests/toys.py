"""Small sets of motions, and their comparison."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import Skeleton

ALONE = {"subject": None, "view": None, "setup": None, "clip": (), "fps": 30.0, "columns": {}, "splits": {}}
STICK = Skeleton(joints=("hip", "neck", "head"), bones=((0, 1), (1, 2)), center=1, name="stick")


def some_motions(n: int = 12, frames: int = 4, **changes) -> MotionSet:
    rng = np.random.default_rng(0)
    fields = {
        "motion": rng.normal(size=(n, 3, frames, 3)).astype(np.float32),
        "label": np.arange(n) % 3,
        "class_names": ("walk", "jump-up", "hand waving"),
        "skeleton": STICK,
        "subject": np.arange(n) % 4,
        "view": np.arange(n) % 3 + 1,
        "setup": np.arange(n) % 2,
        "subject_names": ("anna", "ben", "cleo", "dan"),
        "clip": tuple(f"clip {i // 2}" for i in range(n)),
        "fps": 15.0 + np.arange(n),
        "source": "toy",
        "splits": {"xview": {"by": "view", "train": [1, 2], "test": [3]}},
        "notes": {"licence": "none", "list": [1, 2.5, None, True]},
        "columns": {"active": np.arange(n) % 2 == 0, "energy": np.linspace(0, 1, n, dtype=np.float32)},
    }
    return MotionSet(**{**fields, **changes})


def assert_same_motions(a: MotionSet, b: MotionSet) -> None:
    assert a.motion.dtype == b.motion.dtype == np.float32
    for name in ("motion", "label", "subject", "view", "setup", "fps"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name in ("class_names", "skeleton", "subject_names", "clip", "source", "splits", "notes"):
        assert getattr(a, name) == getattr(b, name), name
    assert sorted(a.columns) == sorted(b.columns)
    for name, values in a.columns.items():
        np.testing.assert_array_equal(values, b.columns[name])
        assert values.dtype == b.columns[name].dtype


def padded_motions(partner: bool = True) -> MotionSet:
    """Twelve motions of 3 to 6 frames, padded to 6; every second motion has a partner from its second frame on."""
    motions = some_motions(frames=6, columns={"frames": np.arange(12) % 4 + 3})
    motion = motions.motion.copy()
    beside = motions.motion[::-1].copy()
    for row, frames in enumerate(motions.columns["frames"]):
        motion[row, :, frames:] = beside[row, :, frames:] = 0
    beside[:, :, 0] = beside[1::2] = 0
    return replace(motions, motion=motion, partner=beside if partner else None)
