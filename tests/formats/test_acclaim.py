"""Tests of kinetic/formats/acclaim.py: skeletons in .asf and motions in .amc."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from kinetic.formats import acclaim
from kinetic.formats.acclaim import read_amc, read_asf
from kinetic.motion.storage import write_motions
from kinetic.skeleton import ACCLAIM31, Skeleton

ASF = """# a leg that bends at the knee, and a tail that does not move
:version 1.10
:name test
:units
  mass 1.0
  length 0.5
  angle deg
:documentation
   begin of a tale
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name thigh
     direction 0 -1 0
     length 10
     axis 0 0 0  XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
     id 2
     name shin
     direction 0 -1 0
     length 8
     axis 0 90 0  XYZ
    dof rx
    limits (-10.0 170.0)
  end
  begin
     id 3
     name tail
     direction 0 0 -1
     length 2
     axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root thigh tail
    thigh shin
  end
"""
AMC = """#!OML:ASF
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
thigh 0 0 0
shin 0
2
root 1 2 3 0 0 90
thigh 90 0 0
shin 90
"""
INCH = 0.0254


def write(folder: Path, amc: str = AMC, asf: str = ASF, name: str = "test") -> Path:
    (folder / "test.asf").write_text(asf)
    (folder / f"{name}.amc").write_text(amc)
    return folder / f"{name}.amc"


def assert_refused(tmp_path: Path, message: str, **files: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        read_amc(write(tmp_path, **files))
    assert len(str(refusal.value)) < 400 and "\n" not in str(refusal.value)


# -------------------------------------------------------------------------------------------------------------- motion


def test_a_leg_hangs_and_then_bends(tmp_path):
    motions = read_amc(write(tmp_path))
    assert motions.skeleton == Skeleton(("root", "thigh", "shin", "tail"), ((0, 1), (0, 3), (1, 2)), 0, name="acclaim")
    assert motions.fps == 120 and motions.class_names == ("motion",) and motions.source == "acclaim"
    still, bent = motions.motion[0].transpose(1, 2, 0) / (INCH / 0.5)  # (T, V, 3) in units
    np.testing.assert_allclose(still, [[1, 2, 3], [1, -8, 3], [1, -16, 3], [1, 2, 1]], atol=1e-4)
    # The thigh turns about x, from -y to -z. The shin bends about the x of its own axes, which the file turned by 90
    # degrees about y, to -z: from -y to -x. The turn of the thigh leaves it there, that of the root makes it -y.
    np.testing.assert_allclose(bent, [[1, 2, 3], [1, 2, -7], [1, -6, -7], [1, 2, 1]], atol=1e-4)


def test_angles_may_be_radians(tmp_path):
    in_degrees = read_amc(write(tmp_path)).motion
    turned = AMC.replace("90", repr(np.pi / 2))
    np.testing.assert_allclose(
        read_amc(write(tmp_path, turned.replace(":DEGREES", ":RADIANS"))).motion, in_degrees, atol=1e-6
    )
    radians = ASF.replace("angle deg", "angle rad").replace("axis 0 90 0", f"axis 0 {np.pi / 2!r} 0")
    np.testing.assert_allclose(
        read_amc(write(tmp_path, turned.replace(":DEGREES\n", ""), radians)).motion, in_degrees, atol=1e-6
    )


def test_the_order_of_the_root_counts(tmp_path):
    amc = AMC.replace("root 1 2 3 0 0 90", "root 90 0 0 1 2 3")
    amc = amc.replace("root 1 2 3 0 0 0", "root 0 0 0 1 2 3")
    asf = ASF.replace("order TX TY TZ RX RY RZ", "order RZ RY RX TX TY TZ")
    np.testing.assert_allclose(read_amc(write(tmp_path, amc, asf)).motion, read_amc(write(tmp_path)).motion, atol=1e-6)


def test_lengths_of_bones_do_not_change(tmp_path):
    rng = np.random.default_rng(0)
    frames = [
        f"{t}\nroot {' '.join(f'{x:.3f}' for x in rng.uniform(-90, 90, 6))}\n"
        f"thigh {' '.join(f'{x:.3f}' for x in rng.uniform(-90, 90, 3))}\nshin {rng.uniform(-90, 90):.3f}\n"
        for t in range(5, 45)
    ]
    motion = read_amc(write(tmp_path, "".join(frames))).motion[0] / (INCH / 0.5)
    for a, b, length in ((0, 1, 10), (1, 2, 8), (0, 3, 2)):
        np.testing.assert_allclose(np.linalg.norm(motion[..., a] - motion[..., b], axis=0), length, rtol=1e-5)


def test_parents_may_come_after_their_children(tmp_path):
    swapped = ASF.replace("    root thigh tail\n    thigh shin\n", "    thigh shin\n    root tail thigh\n")
    np.testing.assert_array_equal(read_amc(write(tmp_path, asf=swapped)).motion, read_amc(write(tmp_path)).motion)


def test_names_of_hdm05_give_person_class_take_and_rate(tmp_path):
    for name in ("HDM_bd_grabHighR_001_120", "HDM_mm_sneak2StepsLStart_011_120"):
        motions = read_amc(write(tmp_path, name=name).parent)
    assert motions.source == "hdm05" and motions.class_names == ("grabHighR", "sneak2StepsLStart")
    assert motions.subject_names == ("bd", "mm") and motions.columns["take"].tolist() == [1, 11]
    assert motions.fps == 120 and "CC BY-SA" in motions.notes["licence"]
    write(tmp_path, name="01_01")
    assert read_amc(tmp_path).source == "acclaim"


# ---------------------------------------------------------------------------------------------- choice of skeleton


def test_the_skeleton_with_the_longest_matching_name_is_used(tmp_path):
    path = write(tmp_path, name="HDM_bd_walk_001_120")
    (tmp_path / "HDM_bd.asf").write_text(ASF.replace("length 0.5", "length 0.25"))
    (tmp_path / "HDM_b.asf").write_text("nothing")
    twice = read_amc(path).motion
    np.testing.assert_allclose(twice, 2 * read_amc(path, asf=tmp_path / "test.asf").motion, rtol=1e-6)


def test_a_motion_needs_a_skeleton(tmp_path):
    path = write(tmp_path, name="walk")
    read_amc(path)  # the folder has one skeleton only
    (tmp_path / "other.asf").write_text(ASF)
    with pytest.raises(ValueError, match=r"needs the \.asf .* found other\.asf, test\.asf"):
        read_amc(path)
    (tmp_path / "other.asf").unlink()
    (tmp_path / "test.asf").unlink()
    with pytest.raises(ValueError, match="found none"):
        read_amc(path)


def test_errors_in_a_skeleton_name_its_file(tmp_path):
    assert_refused(
        tmp_path, r"test\.asf: line 6: found 'x', expected a decimal", asf=ASF.replace("length 0.5", "length x")
    )


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("length 0.5", "length 0", "line 6: found 0, expected a positive length"),
        ("angle deg", "angle grad", "line 7: found angle grad, expected angle deg"),
        ("order TX TY TZ RX RY RZ", "order TX TY TZ", "line 11: found order TX TY TZ, expected order"),
        ("   order TX TY TZ RX RY RZ\n", "", "found no root order"),
        ("position 0 0 0", "position 0 1 0", "line 13: found position 0 1 0, expected position 0 0 0"),
        ("     name thigh\n", "", "line 16: found a bone without name"),
        ("     length 8\n", "", "line 27: found a bone without length"),
        ("name shin", "name thigh", "two bones called 'thigh'"),
        ("name shin", "name root", "line 29: found name root"),
        ("direction 0 0 -1", "direction 0 0", "line 39: found direction 0 0, expected direction and 3 numbers"),
        ("direction 0 0 -1", "direction 0 0 nan", "line 39: found 'nan'"),
        ("axis 0 90 0  XYZ", "axis 0 90 0", "line 32: found axis 0 90 0, expected axis, three angles"),
        ("axis 0 90 0  XYZ", "axis 0 90 0 XYY", "line 32: found"),
        ("dof rx ry rz", "dof rx ry l", "line 22: found dof rx ry l, expected dof"),
        ("dof rx ry rz", "dof rx ry rx", "line 22: found dof rx ry rx"),
        ("  begin\n     id 1", "  start\n     id 1", "line 16: found start, expected begin"),
        ("    thigh shin\n", "    thigh foot\n", "line 46: found 'foot', expected the name of a bone"),
        ("    thigh shin\n", "", "leaves out bone 'shin'"),
        ("    thigh shin\n", "    shin shin\n", "leaves out bone 'shin'"),
        ("    thigh shin\n", "    thigh shin tail\n", "line 46: found 'tail' as a child again"),
        (":hierarchy", ":family", "found no hierarchy"),
        (":bonedata", ":bones", "found no bonedata"),
    ],
)  # fmt: skip
def test_other_skeletons_are_refused(tmp_path, old, new, message):
    assert old in ASF
    (tmp_path / "test.asf").write_text(ASF.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_asf(tmp_path / "test.asf")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1\nroot", "root", "found 'root 1 2 3 0 0 0', expected the number of the first frame"),
        ("2\nroot", "3\nroot", "line 8: found 3, expected frame 2"),
        ("2\nroot", "root", "line 8: found root 1 2 3 0 0 90, expected frame 2"),
        ("thigh 0 0 0\n", "thigh 0 0 0\nthigh 0 0 0\n", "found 'thigh 0 0 0', expected thigh once, and 3 numbers"),
        ("thigh 0 0 0", "thigh 0 0", "first frame: found 'thigh 0 0', expected thigh once, and 3 numbers"),
        ("thigh 0 0 0", "foot 0 0 0", "first frame: found 'foot 0 0 0', expected bones that may turn"),
        ("shin 0\n", "", "first frame: found no line for shin"),
        ("shin 0\n", "shin 0\nshin 0\n", "line 8: found shin 0, expected frame 2"),
        ("thigh 90 0 0", "thigh 90 0", "line 10: found thigh 90 0, expected thigh and 3 numbers"),
        ("thigh 90 0 0", "thighs 90 0 0", "line 10: found thighs 90 0 0, expected thigh and 3 numbers"),
        ("thigh 90 0 0", "shin 90", "line 10: found shin 90, expected thigh"),
        ("shin 90\n", "", "ends within frame 2, expected shin"),
        ("shin 90\n", "shin 90\n3\n", "ends within frame 3, expected root"),
        ("shin 90", "shin nan", "frame 2, shin: found 'nan', expected a decimal number"),
        ("thigh 90 0 0", "thigh 90 0 1_0", "frame 2, thigh: found '1_0'"),
        ("thigh 90 0 0", "thigh 90 0 1e400", "frame 2, thigh: found '1e400'"),
    ],
)  # fmt: skip
def test_other_motions_are_refused(tmp_path, old, new, message):
    assert old in AMC
    assert_refused(tmp_path, message, amc=AMC.replace(old, new, 1))


@pytest.mark.parametrize("text", ["", "# nothing\n:DEGREES\n", "\n\n"])
def test_motions_without_frames_are_refused(tmp_path, text):
    assert_refused(tmp_path, "found no frames", amc=text)


def test_large_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(acclaim, "LARGEST_AMC", 100)
    assert_refused(tmp_path, "of at most 100 bytes")
    monkeypatch.setattr(acclaim, "LARGEST_ASF", 50)
    assert_refused(tmp_path, r"test\.asf: expected a plain file of at most 50 bytes")
    monkeypatch.undo()
    monkeypatch.setattr(acclaim, "MOST_FRAMES", 1)
    assert_refused(tmp_path, "found 2 frames, expected at most 1")
    monkeypatch.setattr(acclaim, "MOST_BONES", 2)
    assert_refused(tmp_path, r"test\.asf: line 36: found bone 3, expected at most 2")


def test_damaged_files_are_read_or_refused(tmp_path):
    path, rng = write(tmp_path), random.Random(0)
    for _ in range(300):
        for name, text in (("test.amc", AMC), ("test.asf", ASF)):
            damaged = list(text[: rng.choice([len(text), len(text), rng.randrange(len(text))])])
            for _ in range(rng.randrange(3)):
                if damaged:
                    damaged[rng.randrange(len(damaged))] = rng.choice(["", " ", "\n", "0", "-", "e", ":", "\u00e9"])
            (tmp_path / name).write_text("".join(damaged))
        try:
            assert np.isfinite(read_amc(path).motion).all()
        except ValueError as error:
            assert len(str(error)) < 500


# ------------------------------------------------------------------------------------------------------- real motions


def test_recorded_people_have_the_acclaim_skeleton_and_stand_on_the_floor(shared, tmp_path):
    motions = read_amc(shared / "data" / "raw" / "hdm05")
    assert motions.skeleton is ACCLAIM31 and len(motions) == 8 and motions.fps == 120
    for motion, frames in zip(motions.motion, motions.columns["frames"], strict=True):
        height = motion[1, :frames]  # (T, V)
        assert -0.1 < height.min() < 0.1 and 1.2 < height[0].max() < 2.1
    write_motions(motions, tmp_path / "kept.npz")


def test_a_missing_line_in_a_recorded_motion_is_reported_with_its_number(shared, tmp_path):
    raw = shared / "data" / "raw" / "hdm05"
    (tmp_path / "HDM_bd.asf").write_bytes((raw / "HDM_bd.asf").read_bytes())
    lines = (raw / "HDM_bd_squat1Reps_001_120.amc").read_text(encoding="latin-1").splitlines()
    del lines[1000]
    path = tmp_path / "HDM_bd_squat1Reps_001_120.amc"
    path.write_text("\n".join(lines), encoding="latin-1")
    with pytest.raises(ValueError, match=re.escape("line 1001: found")):
        read_amc(path)
