"""Tests of kinetic/formats/bvh.py: hierarchies of joints and their motions."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from kinetic.formats import bvh, mocap
from kinetic.formats.bvh import read_bvh
from kinetic.formats.reading import read_motions
from kinetic.motion.storage import write_motions

ARM = """HIERARCHY
ROOT Hips
{
  OFFSET 0.0 0.0 0.0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftArm
  {
    OFFSET -20 50 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET -30 0 0
    }
  }
  JOINT RightArm
  {
    OFFSET 20 50 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 30 0 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.025
1 100 2  0 0 0  0 0 0  0 0 0
1 100 2  0 0 0  -90 0 0  0 0 90
"""


def write(folder: Path, text: str = ARM, name: str = "arm.bvh") -> Path:
    (folder / name).write_text(text)
    return folder / name


def assert_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        read_bvh(write(tmp_path, text))
    assert len(str(refusal.value)) < 300 and "\n" not in str(refusal.value)


# -------------------------------------------------------------------------------------------------------------- motion


def rotation(axes: str, *degrees: float) -> np.ndarray:
    """The product of right-handed rotations about the axes, in their order: (3, 3)."""
    matrix = np.eye(3)
    for axis, angle in zip(axes, np.radians(degrees), strict=True):
        i = "XYZ".index(axis)
        j, k = (i + 1) % 3, (i + 2) % 3
        step = np.eye(3)
        step[[j, j, k, k], [j, k, j, k]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        matrix = matrix @ step
    return matrix


def test_arms_turn_by_their_angles(tmp_path):
    motions = read_bvh(write(tmp_path))
    skeleton = motions.skeleton
    assert skeleton.joints == ("Hips", "LeftArm", "LeftArmEnd", "RightArm", "RightArmEnd") and skeleton.center == 0
    assert skeleton.bones == ((0, 1), (1, 2), (0, 3), (3, 4)) and (skeleton.left, skeleton.right) == ((1, 2), (3, 4))
    assert motions.fps == pytest.approx(40) and motions.class_names == ("motion",) and motions.clip == ("arm",)
    still, moved = motions.motion[0].transpose(1, 2, 0)  # (V, 3) metres
    np.testing.assert_allclose(
        still,
        [[0.01, 1, 0.02], [-0.19, 1.5, 0.02], [-0.49, 1.5, 0.02], [0.21, 1.5, 0.02], [0.51, 1.5, 0.02]],
        atol=1e-6,
    )
    # The left arm turns by -90 degrees about z, from -x up to y; the right one about y, from x to -z.
    np.testing.assert_allclose(moved[[2, 4]], [[-0.19, 1.8, 0.02], [0.21, 1.5, -0.28]], atol=1e-6)


def test_the_unit_scales_everything(tmp_path):
    path = write(tmp_path)
    np.testing.assert_allclose(read_bvh(path, metres=1.0).motion, 100 * read_bvh(path).motion, rtol=1e-5)
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="metres must be positive"):
            read_bvh(path, metres=wrong)


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_channels_turn_in_their_order(tmp_path, order):
    channels = " ".join(f"{axis}rotation" for axis in order)
    text = ARM.replace("CHANNELS 3 Zrotation Xrotation Yrotation", f"CHANNELS 3 {channels}")
    text = text.replace("1 100 2  0 0 0  -90 0 0  0 0 90", "1 100 2  10 20 30  40 50 60  70 80 90")
    moved = 100 * read_bvh(write(tmp_path, text)).motion[0, :, 1].T  # (V, 3)
    hips, left = rotation("ZXY", 10, 20, 30), rotation(order, 40, 50, 60)
    expected = np.array([1, 100, 2]) + hips @ (np.array([-20, 50, 0]) + left @ [-30, 0, 0])
    np.testing.assert_allclose(moved[2], expected, atol=1e-4)


def test_joints_may_have_positions_only_or_no_channels(tmp_path):
    text = ARM.replace("CHANNELS 3 Zrotation Xrotation Yrotation", "CHANNELS 1 Xposition", 1)
    text = text.replace("    CHANNELS 3 Zrotation Xrotation Yrotation\n", "", 1)
    text = text.replace("  0 0 0  0 0 0\n", "  -25\n").replace("  -90 0 0  0 0 90", "  -35")
    moved = 100 * read_bvh(write(tmp_path, text)).motion[0].transpose(1, 2, 0)
    np.testing.assert_allclose(moved[:, 1], [[-24, 150, 2], [-34, 150, 2]], atol=1e-4)
    np.testing.assert_allclose(moved[:, 3], [[21, 150, 2]] * 2, atol=1e-4)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n", "\r\n"), ("  ", "\t"), ("Frames: 2", "Frames:\t2\n"), ("HIERARCHY", "hierarchy"), ("JOINT", "Joint"),
        ("Zrotation", "zrotation"), ("}\nMOTION", "}\n\nMOTION"), ("0 0 90\n", "0 0 90\n\n \n"),
        ("OFFSET 0.0 0.0 0.0", "OFFSET -0 0e5 0.000000"), ("0 0 90\n", "0 0 90"),
    ],
)  # fmt: skip
def test_blanks_case_and_empty_lines_do_not_matter(tmp_path, old, new):
    assert old in ARM
    expected = read_bvh(write(tmp_path)).motion
    (tmp_path / "arm.bvh").write_bytes(ARM.replace(old, new).encode())
    np.testing.assert_array_equal(read_bvh(tmp_path / "arm.bvh").motion, expected)


def test_a_folder_has_one_skeleton(tmp_path):
    write(tmp_path)
    write(tmp_path, ARM.replace("Frames: 2", "Frames: 1").rpartition("1 100")[0], "short.BVH")
    motions = read_bvh(tmp_path)
    assert motions.clip == ("arm", "short") and motions.columns["frames"].tolist() == [2, 1]
    write_motions(motions, tmp_path / "kept.npz")
    np.testing.assert_array_equal(read_motions(tmp_path / "kept.npz").motion, motions.motion)
    write(tmp_path, ARM.replace("LeftArm", "LeftHand"), "other.bvh")
    with pytest.raises(ValueError, match="other has another skeleton"):
        read_bvh(tmp_path)


def test_a_motion_read_in_parts_is_the_same(tmp_path, monkeypatch):
    whole = read_bvh(write(tmp_path)).motion
    monkeypatch.setattr(mocap, "PART", 1)
    monkeypatch.setattr(bvh, "PART_WORDS", 1)
    np.testing.assert_array_equal(read_bvh(tmp_path / "arm.bvh").motion, whole)
    assert_refused(tmp_path, ARM.replace("  -90 0 0", "  -90 0 inf"), "frame 2, channel 9: found 'inf'")


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "MOTION", "line 1: found MOTION, expected HIERARCHY"),
        ("ROOT Hips", "JOINT Hips", "line 2: found JOINT Hips, expected ROOT"),
        ("ROOT Hips", "ROOT", "line 2: found ROOT, expected ROOT"),
        ("ROOT Hips\n{", "ROOT Hips\n", "line 4: found OFFSET 0.0 0.0 0.0, expected {"),
        ("OFFSET 0.0 0.0 0.0", "OFFSET 0.0 0.0", "line 4: found OFFSET 0.0 0.0, expected OFFSET and 3 numbers"),
        ("OFFSET 0.0 0.0 0.0", "OFFSET 0.0 0.0 nan", "line 4: found 'nan', expected a decimal number"),
        ("  OFFSET 0.0 0.0 0.0\n", "", "line 4: found CHANNELS .*, expected OFFSET"),
        ("CHANNELS 6", "CHANNELS 5", "line 5: found CHANNELS 5 .*, expected CHANNELS, their number"),
        ("CHANNELS 6", "CHANNELS 99999999999", "line 5: found"),
        ("Xposition", "Wposition", "line 5: found 'Wposition', expected Xposition ... Zrotation"),
        ("Xposition", "Yposition", "line 5: found 'Yposition', expected .* each once"),
        ("JOINT RightArm", "JOINT LeftArm", "joint names must differ"),
        ("      OFFSET -30 0 0\n", "", "line 12: found }, expected OFFSET"),
        ("}\nMOTION", "MOTION", "line 24: found MOTION, expected OFFSET, CHANNELS, JOINT, End Site or }"),
        ("}\nMOTION", "}\nROOT Hips\n{\nMOTION", "line 25: found ROOT Hips, expected MOTION"),
        ("Frames: 2", "Frames: 2.0", "line 26: found Frames: 2.0, expected Frames: and a number"),
        ("Frames: 2", "Frames: 0", "line 26: found Frames: 0"),
        ("Frames: 2", "Frames: 999999999", "line 26: found Frames: 999999999, expected .* from 1 to 100000"),
        ("Frames: 2", "Frames: 3", "found 2 frames, expected 3 as announced"),
        ("Frames: 2", "Frames: 1", "found 2 frames, expected 1 as announced"),
        ("Frame Time: 0.025", "Frame Time: 0", "line 27: found Frame Time: 0, expected seconds between"),
        ("Frame Time: 0.025", "Frame Time: x", "line 27: found 'x', expected a decimal number"),
        ("Frame Time: 0.025", "Time: 1", "line 27: found Time: 1, expected Frame Time"),
        ("  -90 0 0", "  -90 0", "line 29: found 11 numbers, expected 12, one for each channel"),
        ("  -90 0 0", "  -90 0 inf", "frame 2, channel 9: found 'inf', expected a decimal number"),
        ("  -90 0 0", "  -90 0 1e30", "frame 2, channel 9: found '1e30', expected a number between"),
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path, old, new, message):
    assert old in ARM
    assert_refused(tmp_path, ARM.replace(old, new, 1), message)


def test_two_wrong_lines_with_the_right_total_are_refused(tmp_path):
    assert_refused(
        tmp_path, ARM.replace("-90 0 0 ", "-90 0 ").replace("1 100 2  0 0 0 ", "1 100 2  0 0 0 5 ", 1), "line 28"
    )


@pytest.mark.parametrize("end", range(0, len(ARM) - 60, 7))
def test_files_that_are_cut_off_are_refused(tmp_path, end):
    assert_refused(tmp_path, ARM[:end], "line|ends|found")


FRAME = "10 " * 12 + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ARM + FRAME * 40_000, "found 40002 frames, expected 2 as announced"),
        (ARM.rstrip() + " 10" * 500_000, "line 29: found more than 12 numbers, expected 12"),
        (ARM.replace("Frames: 2", "Frames: 100000") + FRAME * 40_000, "found 40002 frames, expected 100000"),
        (ARM.replace("Frames: 2", "Frames: 40003") + FRAME * 40_000 + "10 " * 12 + "x", "line 40030: found more than"),
        (ARM.replace("Frames: 2", "Frames: 40003") + FRAME * 40_000 + "10 " * 11 + "x", "frame 40003, channel 12"),
        (ARM.replace("ROOT Hips", "ROOT Hips" + " a0" * 500_000), "line 2: found 1500009 letters, expected at most"),
        (ARM.replace("Frames: 2", "Frames: 2" + " a0" * 500_000), "line 26: found 1500009 letters, expected at most"),
        (ARM.replace("MOTION", "\n" * 1_500_000 + "MOTION"), "found 1500029 lines, expected at most 400000"),
    ],
    ids=["more-frames", "long-line", "fewer-frames", "last-line", "last-word", "name", "head", "empty-lines"],
)
def test_memory_for_refused_files_is_a_small_multiple_of_their_size(tmp_path, text, message):
    path = write(tmp_path, text)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            read_bvh(path)
        assert tracemalloc.get_traced_memory()[1] < 12 * len(text)
    finally:
        tracemalloc.stop()


def test_a_hierarchy_without_channels_is_refused(tmp_path):
    still = "\n".join(line for line in ARM.split("\n") if "CHANNELS" not in line)
    assert_refused(tmp_path, still, "found no channels")


def test_deep_and_large_hierarchies_are_refused(tmp_path, monkeypatch):
    deep = "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n" + "".join(f"JOINT j{i}\n{{\nOFFSET 0 0 0\n" for i in range(100_000))
    assert_refused(tmp_path, deep, "found joint 1001, expected at most 1000")
    monkeypatch.setattr(mocap, "MOST_PLACES", 9)
    assert_refused(tmp_path, ARM, "found 2 frames of 5 joints, expected at most 9")
    monkeypatch.setattr(bvh, "LARGEST", 100)
    assert_refused(tmp_path, ARM, "of at most 100 bytes")


def test_damaged_files_are_read_or_refused(tmp_path):
    rng = random.Random(0)
    for _ in range(400):
        damaged = list(ARM[: rng.choice([len(ARM), len(ARM), rng.randrange(len(ARM))])])
        for _ in range(rng.randrange(4)):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.choice(["", " ", "\n", "9", "-", "{", "}", "\u00e9"])
        try:
            assert np.isfinite(read_bvh(write(tmp_path, "".join(damaged))).motion).all()
        except ValueError as error:
            assert len(str(error)) < 300
