"""Tests of kinetic/motion/projection.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.projection import PROJECTIONS, projected
from kinetic.motion.storage import write_motions
from kinetic.skeleton import NTU25, NTU25_2D, Skeleton

STICK = Skeleton(joints=("hip", "head"), bones=((0, 1),), center=0, name="stick")


def motions(*poses, **changes):
    """One motion of two joints, frame by frame."""
    motion = np.array(poses, dtype=np.float32).transpose(2, 0, 1)[None]  # (1, 3, T, 2)
    values = {"motion": motion, "label": np.array([0]), "class_names": ("walk",), "skeleton": STICK}
    return MotionSet(**(values | changes))


POSE = [(0.5, -0.25, 2.0), (-1.0, 0.5, 4.0)]


def test_the_orthographic_view_drops_depth():
    flat = projected(motions(POSE))
    assert flat.motion[0, :, 0].tolist() == [[0.5, -1.0], [-0.25, 0.5]]
    assert flat.skeleton == replace(STICK, channels=2, name="stick_2d") and flat.notes["camera"] == "orthographic"


def test_perspective_divides_by_depth():
    x, y = projected(motions(POSE), "kinect2-pixels").motion[0, :, 0]
    assert x == pytest.approx([959.5 + 1081.37 * 0.552 / 2, 959.5 - 1081.37 * 0.948 / 4], rel=1e-6)
    assert y == pytest.approx([539.5 + 1081.37 * 0.125, 539.5 - 1081.37 * 0.125], rel=1e-6)


def test_documented_joints_of_ntu_come_out_at_their_pixels():
    joints = [(0.2181153, 0.1725972, 3.785547), (0.2323292, 0.4326636, 3.714767)]  # and their colour pixels
    x, y = projected(motions(joints), "kinect2-pixels").motion[0, :, 0]
    assert x == pytest.approx([1036.233, 1041.918], abs=0.5)
    assert y == pytest.approx([519.1677, 444.3235], abs=32)
    assert np.diff(y) == pytest.approx([444.3235 - 519.1677], abs=2)


def test_kinect2_counts_half_widths_from_the_middle_with_y_up():
    pixels, widths = (projected(motions(POSE), name).motion[0, :, 0] for name in ("kinect2-pixels", "kinect2"))
    assert widths[0] == pytest.approx((pixels[0] - 959.5) / 960, rel=1e-5)
    assert widths[1] == pytest.approx((539.5 - pixels[1]) / 960, rel=1e-5)


@pytest.mark.parametrize("camera", PROJECTIONS)
def test_frames_without_a_body_stay_zeros(camera):
    flat = projected(motions(POSE, [(0, 0, 0)] * 2, POSE), camera)
    assert not flat.motion[0, :, 1].any() and np.array_equal(flat.motion[0, :, 0], flat.motion[0, :, 2])


def test_ntu_becomes_ntu_2d_and_the_rest_stays():
    motion = np.ones((2, 3, 4, 25), dtype=np.float32)
    whole = MotionSet(
        motion, np.array([1, 0]), ("a", "b"), NTU25, partner=2 * motion, view=np.array([1, 2]), clip=("x", "y"),
        columns={"frames": np.array([4, 3])}, source="ntu60", notes={"kept": True},
    )  # fmt: skip
    flat = projected(whole, "kinect2")
    assert flat.skeleton == NTU25_2D and flat.shape == (2, 2, 4, 25)
    assert flat.partner.shape == flat.shape and not np.array_equal(flat.partner, flat.motion)
    for name in ("label", "view"):
        assert np.array_equal(getattr(flat, name), getattr(whole, name))
    assert (flat.clip, flat.source, flat.notes["kept"]) == (whole.clip, "ntu60", True)


def test_parts_of_a_set_on_the_disk_give_the_whole(tmp_path, monkeypatch):
    motion = np.random.default_rng(0).uniform(1, 3, (7, 3, 4, 25)).astype(np.float32)
    whole = MotionSet(motion, np.zeros(7, dtype=int), ("a",), NTU25)
    write_motions(whole, tmp_path / "set")
    monkeypatch.setattr("kinetic.motion.projection.CHUNK", 1)
    stored = projected(read_motions(tmp_path / "set"), "kinect2")
    monkeypatch.undo()
    assert np.array_equal(stored.motion, projected(whole, "kinect2").motion)


@pytest.mark.parametrize(
    ("make", "camera", "message"),
    [
        (lambda: projected(motions(POSE)), "orthographic", "2 coordinates already"),
        (lambda: motions(POSE), "fisheye", "no camera 'fisheye', expected one of: orthographic, kinect2"),
        (lambda: motions(POSE, [(0, 1, 0), (1, 1, 1)]), "kinect2", "motion 0 reaches z = 0, expected metres"),
        (lambda: motions([(0, 1, -2), (1, 1, 1)]), "kinect2-pixels", "z = -2"),
    ],
)
def test_wrong_requests_are_refused(make, camera, message):
    with pytest.raises(ValueError, match=message):
        projected(make(), camera)
