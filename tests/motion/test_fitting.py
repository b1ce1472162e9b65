"""Tests of kinetic/motion/fitting.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetic.motion.fitting import FITTING

LENGTHS = st.integers(1, 40)


def counting(*rows: list[float]) -> np.ndarray:
    """(M, T, 2, 3): every coordinate of a pose is one number."""
    return np.array(rows, dtype=np.float32)[:, :, None, None] * np.ones((2, 3), np.float32)


def numbers(motion: np.ndarray) -> list[list[float]]:
    assert (motion == motion[:, :, :1, :1]).all()
    return motion[:, :, 0, 0].tolist()


@pytest.mark.parametrize(
    ("how", "frames", "expected"),
    [
        ("pad", 2, [1, 2]),
        ("pad", 4, [1, 2, 4, 8]),
        ("pad", 6, [1, 2, 4, 8, 0, 0]),
        ("crop", 1, [2]),
        ("crop", 2, [2, 4]),
        ("crop", 3, [1, 2, 4]),
        ("crop", 6, [1, 2, 4, 8, 8, 8]),
        ("stretch", 1, [1]),
        ("stretch", 2, [1, 8]),
        ("stretch", 3, [1, 3, 8]),
        ("stretch", 4, [1, 2, 4, 8]),
        ("stretch", 7, [1, 1.5, 2, 3, 4, 6, 8]),
    ],
)
def test_four_frames_become_any_number(how, frames, expected):
    assert numbers(FITTING[how](counting([1, 2, 4, 8]), frames)) == [expected]


@pytest.mark.parametrize(("how", "expected"), [("pad", [3, 0, 0]), ("crop", [3, 3, 3]), ("stretch", [3, 3, 3])])
def test_one_frame_is_enough(how, expected):
    assert numbers(FITTING[how](counting([3]), 3)) == [expected]


@pytest.mark.parametrize(
    ("partner", "stretched"),
    [
        ([0, 0, 4, 8], [0, 0, 0, 4, 4, 6, 8]),
        ([4, 8, 0, 0], [4, 6, 8, 0, 0, 0, 0]),
        ([0, 2, 0, 4], [0, 2, 2, 0, 0, 4, 4]),
        ([0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_a_partner_who_comes_or_goes_is_there_or_not(partner, stretched):
    clip = counting([1, 2, 4, 8], partner)
    assert numbers(FITTING["stretch"](clip, 7)) == [[1, 1.5, 2, 3, 4, 6, 8], stretched]


def test_the_nearer_frame_tells_whether_a_partner_is_there():
    clip = counting([1, 1, 1], [0, 6, 6])
    # 0, 0.4, 0.8, 1.2, 1.6, 2
    assert numbers(FITTING["stretch"](clip, 6))[1] == [0, 0, 6, 6, 6, 6]


def test_an_absent_partner_stays_absent_where_the_last_pose_is_held():
    assert numbers(FITTING["crop"](counting([1, 2], [3, 0]), 4)) == [[1, 2, 2, 2], [3, 0, 0, 0]]


@given(LENGTHS, LENGTHS, st.sampled_from(sorted(FITTING)), st.sampled_from([1, 2]))
@settings(deadline=None)
def test_shape_and_type_are_as_promised(length, frames, how, bodies):
    clip = np.random.default_rng(0).normal(size=(bodies, length, 25, 3)).astype(np.float32)
    before = clip.copy()
    fitted = FITTING[how](clip, frames)
    assert fitted.shape == (bodies, frames, 25, 3) and fitted.dtype == np.float32
    np.testing.assert_array_equal(clip, before)
    assert not np.shares_memory(fitted, clip)
    if length == frames:
        np.testing.assert_array_equal(fitted, clip)


@given(LENGTHS, st.integers(2, 40))
@settings(deadline=None)
def test_a_stretched_clip_is_what_numpy_interpolates_with_exact_ends(length, frames):
    clip = np.random.default_rng(0).normal(size=(1, length, 25, 3)).astype(np.float32)
    fitted = FITTING["stretch"](clip, frames)
    np.testing.assert_array_equal(fitted[:, 0], clip[:, 0])
    np.testing.assert_array_equal(fitted[:, -1], clip[:, -1])
    at = np.linspace(0, length - 1, frames)
    for joint, axis in ((0, 0), (7, 2), (24, 1)):
        expected = np.interp(at, np.arange(length), clip[0, :, joint, axis])
        np.testing.assert_allclose(fitted[0, :, joint, axis], expected, atol=1e-6)


@given(st.lists(st.booleans(), min_size=1, max_size=30), LENGTHS)
@settings(deadline=None)
def test_no_stretched_pose_is_nearer_to_zero_than_the_poses_of_the_clip(present, frames):
    clip = counting([1.0] * len(present), [5.0 if there else 0.0 for there in present])
    assert set(numbers(FITTING["stretch"](clip, frames))[1]) <= {0.0, 5.0}


@pytest.mark.parametrize("how", FITTING)
def test_what_cannot_be_fitted_is_refused(how):
    with pytest.raises(ValueError, match="frames must be at least 1, got 0"):
        FITTING[how](counting([1, 2]), 0)
    with pytest.raises(ValueError, match=r"at least one frame, got shape \(1, 0, 25, 3\)"):
        FITTING[how](np.zeros((1, 0, 25, 3), np.float32), 4)
    with pytest.raises(ValueError, match=r"four axes .*, got shape \(25, 3\)"):
        FITTING[how](np.zeros((25, 3), np.float32), 4)
