"""The parts of a build."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from kinetic.ntu import parts


def test_quaternions_are_those_of_the_rotations():
    turns = Rotation.from_rotvec(2 * np.random.default_rng(0).normal(size=(200, 3)))
    half = Rotation.from_rotvec(np.pi * np.eye(3))  # no w at all
    for turn in [*turns, *half]:
        w, x, y, z = parts._quaternion(turn.as_matrix())
        assert w >= 0
        np.testing.assert_allclose(Rotation.from_quat([x, y, z, w]).as_matrix(), turn.as_matrix(), atol=1e-14)
    assert parts._quaternion(np.eye(3)).tolist() == [1, 0, 0, 0]
