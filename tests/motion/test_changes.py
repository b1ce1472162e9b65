"""Tests of kinetic/motion/changes.py."""

from __future__ import annotations

import numpy as np
import pytest

from kinetic.motion.changes import Centre, CentreOn, Cut, Stretch

ROWS = np.arange(2)


def ramp(*heights: float) -> np.ndarray:
    """Two motions of one joint and one coordinate, with these numbers frame by frame."""
    return np.array([heights, heights], dtype=np.float32)[:, None, :, None]  # (2, 1, T, 1)


def heights(motion: np.ndarray, row: int = 0) -> list[float]:
    return motion[row, 0, :, 0].tolist()


def test_stretching_is_linear_over_the_real_frames_of_each_motion():
    out = Stretch(np.array([3, 2]), 5)(ramp(1, 3, 5, 0), ROWS)
    assert heights(out, 0) == [1, 2, 3, 4, 5]
    assert heights(out, 1) == [1, 1.5, 2, 2.5, 3]


def test_stretching_takes_the_lengths_of_its_rows():
    change = Stretch(np.array([4, 3, 2]), 3)
    assert heights(change(ramp(1, 3, 5, 9), np.array([2, 1])), 0) == [1, 2, 3]
    assert heights(change(ramp(1, 3, 5, 9), np.array([2, 1])), 1) == [1, 3, 5]


def test_one_real_frame_becomes_a_still():
    assert heights(Stretch(np.array([1, 1]), 3)(ramp(7, 0, 0), ROWS)) == [7, 7, 7]


def test_equal_and_unequal_lengths_give_the_same_numbers():
    motion = np.random.default_rng(0).normal(size=(2, 3, 30, 5)).astype(np.float32)
    alone = Stretch(np.array([30, 30]), 64)(motion, ROWS)
    beside = Stretch(np.array([30, 17]), 64)(motion, ROWS)
    np.testing.assert_array_equal(alone[0], beside[0])
    assert np.abs(alone[1] - beside[1]).max() > 0.1


def test_a_body_is_not_blended_with_a_frame_without_one():
    plain, gaps = Stretch(np.array([3, 3]), 5), Stretch(np.array([3, 3]), 5, gaps=True)
    assert heights(plain(ramp(0, 4, 6), ROWS)) == [0, 2, 4, 5, 6]
    assert heights(gaps(ramp(0, 4, 6), ROWS)) == [0, 4, 4, 5, 6]


@pytest.mark.parametrize(("hold", "rest"), [(True, [3, 3]), (False, [0, 0])])
def test_a_short_motion_holds_its_last_pose_or_ends_in_zeros(hold, rest):
    out = Cut(np.array([3, 5]), 5, hold)(ramp(1, 2, 3, 9, 8), ROWS)
    assert heights(out, 0) == [1, 2, 3, *rest]
    assert heights(out, 1) == [1, 2, 3, 9, 8]


def test_a_long_motion_is_cut_after_its_first_frames():
    assert heights(Cut(np.array([4, 4]), 2, True)(ramp(1, 2, 3, 4), ROWS)) == [1, 2]


@pytest.mark.parametrize(("mode", "expected"), [("first", [0, 1, 3]), ("frame", [0, 0, 0])])
def test_centring_subtracts_the_joint_of_the_first_or_of_every_frame(mode, expected):
    assert heights(Centre(0, mode)(ramp(5, 6, 8), ROWS)) == expected


def test_frames_without_a_body_stay_zeros_and_are_not_the_first():
    assert heights(Centre(0, "first")(ramp(0, 6, 8), ROWS)) == [0, 6, 8]
    assert heights(Centre(0, "first", gaps=True)(ramp(0, 6, 8, 0), ROWS)) == [0, 0, 2, 0]


def test_a_partner_moves_with_the_actor_and_its_empty_frames_stay_zeros():
    actors, partner = ramp(5, 6, 8), ramp(0, 7, 0)
    assert heights(CentreOn(0, "first", actors=actors)(partner, ROWS)) == [0, 2, 0]
    assert heights(CentreOn(0, "frame", actors=actors)(partner, ROWS)) == [0, 1, 0]
