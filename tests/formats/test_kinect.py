"""Tests of kinetic/formats/kinect.py: UTD-MHAD, NW-UCLA, Kinder-Gator and IRDS."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from kinetic.formats import kinect
from kinetic.formats.kinect import kinder_gator_take, read_irds, read_kinder_gator, read_nw_ucla, read_utd_mhad
from kinetic.formats.reading import read_motions
from kinetic.motion.storage import write_motions
from kinetic.skeleton import KINECT20, NTU25

UTD, UCLA = "a2_s7_t3_skeleton.mat", "a09_s10_e01_v03.json"
GATOR, IRDS = "POSE-p103_07-Throw-a-ball--1455370152780.csv", "216_18_2_11_3_wheelchair.txt"
READERS = {"utd_mhad": read_utd_mhad, "nw_ucla": read_nw_ucla, "kinder_gator": read_kinder_gator, "irds": read_irds}


def some_frames(frames: int = 5, joints: int = 20) -> np.ndarray:
    return np.random.default_rng(0).uniform(-2, 2, (frames, joints, 3)).round(6)


def write_utd(folder: Path, motion: np.ndarray | None = None, name: str = UTD, **more) -> Path:
    motion = some_frames() if motion is None else motion
    order = [3, 2, 1, 0, *range(4, 20)]  # head, shoulder centre, spine, hip centre
    scipy.io.savemat(folder / name, {"d_skel": motion[:, order].transpose(1, 2, 0), **more}, do_compression=True)
    return folder / name


def write_ucla(folder: Path, motion: np.ndarray | None = None, name: str = UCLA, **more) -> Path:
    motion = some_frames() if motion is None else motion
    content = {"file_name": name.removesuffix(".json"), "skeletons": motion.tolist(), "label": 8, **more}
    (folder / name).write_text(json.dumps(content))
    return folder / name


def gator_lines(motion: np.ndarray, times: np.ndarray) -> list[str]:
    header = ["Timestamp", *(f"{joint}{axis}" for joint in KINECT20.joints for axis in "XYZ"), "User-ID", "Action", ""]
    rows = [
        ",".join([f"{time:.4f}", *(f"{value:.7g}" for value in frame.ravel()), "103", "Throw-a-ball", ""])
        for time, frame in zip(times, motion, strict=True)
    ]
    return [",".join(header), *rows]


def irds_lines(motion: np.ndarray, times: np.ndarray, state: str = "Tracked") -> list[str]:
    def joint(name: str, place: np.ndarray) -> str:
        return f"({name},{state},{','.join(f'{value:.7g}' for value in place)},257.6859,225.47)"

    rows = []
    for i, (time, frame) in enumerate(zip(times, motion, strict=True)):
        joints = (joint(name, place) for name, place in zip(NTU25.joints, frame, strict=True))
        rows.append(f"{7813 + i},5,{time:.0f},{','.join(joints)}")
    return ["Version0.1", *rows]


def write_lines(folder: Path, name: str, lines: list[str], end: str = "\n") -> Path:
    (folder / name).write_bytes((end.join(lines) + end).encode())
    return folder / name


TIMES = 48_546_673 + 100 * np.arange(5)  # 10 Hz: three frames at 30 Hz of each


def write_gator(folder: Path, lines: list[str] | None = None, name: str = GATOR, end: str = "\n") -> Path:
    return write_lines(folder, name, lines or gator_lines(some_frames(), TIMES), end)


def write_irds(folder: Path, lines: list[str] | None = None, name: str = IRDS, end: str = "\r\n") -> Path:
    return write_lines(folder, name, lines or irds_lines(some_frames(5, 25), TIMES), end)


WRITERS = {"utd_mhad": write_utd, "nw_ucla": write_ucla, "kinder_gator": write_gator, "irds": write_irds}


# -------------------------------------------------------------------------------------------------------------- content


def test_utd_mhad_is_read(tmp_path):
    motions = read_utd_mhad(write_utd(tmp_path))
    np.testing.assert_allclose(motions.motion[0].transpose(1, 2, 0), some_frames(), atol=1e-6)
    assert motions.skeleton == KINECT20 and motions.fps == 30 and motions.source == "utd_mhad"
    assert len(motions.class_names) == 27 and motions.class_names[motions.label[0]] == "swipe-right"
    assert motions.subject_names == ("7",) and motions.columns["trial"].tolist() == [3]


def test_one_frame_of_utd_mhad_is_read(tmp_path):
    assert read_utd_mhad(write_utd(tmp_path, some_frames(1))).shape == (1, 3, 1, 20)


def test_nw_ucla_is_read(tmp_path):
    motions = read_nw_ucla(write_ucla(tmp_path))
    np.testing.assert_allclose(motions.motion[0].transpose(1, 2, 0), some_frames(), atol=1e-6)
    assert motions.skeleton == KINECT20 and motions.fps == 15 and motions.notes["fps"] == "estimated"
    assert len(motions.class_names) == 10 and motions.class_names[motions.label[0]] == "doffing"
    assert motions.subject_names == ("10",) and motions.view.tolist() == [3]
    assert motions.columns["repetition"].tolist() == [1]
    train, test = read_nw_ucla(write_ucla(tmp_path, name="a09_s10_e01_v01.json").parent).split("xview")
    assert train.view.tolist() == [1] and test.view.tolist() == [3]


def test_kinder_gator_is_read(tmp_path):
    motions = read_kinder_gator(write_gator(tmp_path))
    np.testing.assert_allclose(motions.motion[0, :, ::3].transpose(1, 2, 0), some_frames(), atol=1e-5)
    assert motions.shape == (1, 3, 13, 20) and motions.fps == 30 and motions.skeleton == KINECT20
    assert len(motions.class_names) == 58 and motions.class_names[motions.label[0]] == "throw-a-ball"
    assert motions.subject_names == ("103",) and motions.columns["place"].tolist() == [7]


def test_kinder_gator_has_the_times_of_frames(tmp_path):
    take = kinder_gator_take(write_gator(tmp_path))
    np.testing.assert_allclose(take.seconds, TIMES / 1000)
    np.testing.assert_allclose(take.motion, some_frames())


def test_irds_is_read(tmp_path):
    lines = irds_lines(some_frames(5, 25), TIMES)
    lines[1] = lines[1].replace("(Head,Tracked", "(Head,Inferred").replace("(Neck,Tracked", "(Neck,NotTracked")
    motions = read_irds(write_irds(tmp_path, lines))
    np.testing.assert_allclose(motions.motion[0, :, ::3].transpose(1, 2, 0), some_frames(5, 25), atol=1e-5)
    assert motions.shape == (1, 3, 13, 25) and motions.fps == 30 and motions.skeleton == NTU25
    assert len(motions.class_names) == 9 and motions.class_names[motions.label[0]] == "shoulder-flexion-right"
    assert motions.subject_names == ("216",)
    columns = {name: values[0] for name, values in motions.columns.items()}
    assert columns == {"repetition": 11, "correctness": 3, "standing": 0, "inferred": 2 / 125}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_ends_of_lines_do_not_matter(tmp_path, end):
    assert read_kinder_gator(write_gator(tmp_path, end=end)).shape[2] == 13
    assert read_irds(write_irds(tmp_path, end=end)).shape[2] == 13


@pytest.mark.parametrize("source", READERS)
def test_raw_samples_are_read_and_kept(shared, tmp_path, source):
    folder = shared / "data" / "raw" / source
    motions = READERS[source](folder)
    assert motions.check() == [] or "no motions of" in motions.check()[0]
    one = READERS[source](folder / f"{motions.clip[0]}{next(folder.glob(motions.clip[0] + '.*')).suffix}")
    frames = one.shape[2]
    np.testing.assert_array_equal(one.motion[0], motions.motion[0][:, :frames])
    write_motions(motions, tmp_path / "kept.npz")
    again = read_motions(tmp_path / "kept.npz")
    np.testing.assert_array_equal(again.motion, motions.motion)
    assert again.clip == motions.clip and again.source == source


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (read_utd_mhad, "a28_s1_t1_skeleton.mat"), (read_utd_mhad, "a0_s1_t1_skeleton.mat"),
        (read_utd_mhad, "a1_s9_t1_skeleton.mat"), (read_utd_mhad, "Skeleton_joint_order.txt"),
        (read_nw_ucla, "a13_s01_e00_v01.json"), (read_nw_ucla, "a01_s01_e00_v04.json"), (read_nw_ucla, "label.json"),
        (read_kinder_gator, "POSE-p103_Raise-1455370152780.csv"), (read_kinder_gator, "POSE-px_01-Raise-145.csv"),
        (read_irds, "216_18_9_1_1_stand.txt"), (read_irds, "readme.txt"), (read_irds, "\u0661_18_1_1_1_stand.txt"),
    ],
)  # fmt: skip
def test_other_names_are_refused(tmp_path, read, name):
    (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match="is called '.*', expected a name like"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"d_skel": np.zeros((25, 3, 4))}, r"d_skel has shape \(25, 3, 4\), expected \(20, 3, frames\)"),
        ({"d_skel": np.zeros((20, 3, 0))}, "1 to 100000 frames"),
        ({"d_skel": np.full((20, 3, 4), np.nan)}, "d_skel, frame 0, joint 0: found nan, expected metres"),
        ({"d_skel": np.full((20, 3, 4), np.inf)}, "found inf"),
        ({"d_skel": np.full((20, 3, 4), 1000.0)}, "found 1000"),
        ({"d_skel": "text"}, "d_skel is text"),
    ],
    ids=range(6),
)
def test_wrong_files_of_utd_mhad_are_refused(tmp_path, more, message):
    with pytest.raises(ValueError, match=message):
        read_utd_mhad(write_utd(tmp_path, **more))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"file_name": "a01_s10_e01_v03"},
            "file_name: found 'a01_s10_e01_v03', the file's name says 'a09_s10_e01_v03'",
        ),
        ({"label": 9}, "label: found '9', the file's name says 8"),
        ({"skeletons": {}}, "no list `skeletons`"),
        ({"skeletons": []}, "found 0 frames"),
        ({"skeletons": [[[0, 0, 0]] * 19]}, r"skeletons\[0\]: found a list of 19, expected 20 joints"),
        ({"skeletons": [[[0, 0, 0]] * 20, 5]}, r"skeletons\[1\]: found '5', expected 20 joints"),
        ({"skeletons": [[[0, 0]] * 20]}, r"skeletons\[0\]\[0\]: found a list of 2, expected 3 numbers"),
        ({"skeletons": [[["0", 0, 0]] * 20]}, "expected 3 numbers"),
        ({"skeletons": [[[True, 0, 0]] * 20]}, "expected 3 numbers"),
        ({"skeletons": [[[None, 0, 0]] * 20]}, "expected 3 numbers"),
        ({"skeletons": [[[10**99, 0, 0]] * 20]}, "joint 0: found 1e\\+99, expected metres"),
        ({"skeletons": [[[1e3, 0, 0]] * 20]}, "skeletons, frame 0, joint 0: found 1000, expected metres"),
        ({"skeletons": [[[float("nan"), 0, 0]] * 20]}, "found NaN, expected finite numbers"),
    ],
    ids=range(13),
)
def test_wrong_files_of_nw_ucla_are_refused(tmp_path, more, message):
    with pytest.raises(ValueError, match=message):
        read_nw_ucla(write_ucla(tmp_path, **more))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: not JSON"),
        ('{"file_name":\n1e', "line 2, column"),
        ("[" * 100_000, "nested too deeply"),
        ("[1]", "no list `skeletons`"),
        ('{"skeletons": [[' + "[1e400,0,0]," * 19 + "[0,0,0]]]}", "a number that is too large"),
        ('{"skeletons": ' + "1" * 5000 + "}", "expected a number of at most 100 letters"),
    ],
    ids=range(6),
)
def test_wrong_texts_of_nw_ucla_are_refused(tmp_path, text, message):
    (tmp_path / UCLA).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_nw_ucla(tmp_path / UCLA)


def changed(lines: list[str], line: int, old: str, new: str) -> list[str]:
    assert old in lines[line]
    return [text.replace(old, new, 1) if i == line else text for i, text in enumerate(lines)]


GATOR_LINES, IRDS_LINES = gator_lines(some_frames(), TIMES), irds_lines(some_frames(5, 25), TIMES)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (changed(GATOR_LINES, 0, "SpineX", "SpineW"), "line 1, column 5: found 'SpineW', expected SpineX"),
        (GATOR_LINES[1:], "line 1, column 1: found '48546673.0000', expected Timestamp"),
        (["Timestamp", "1"], "line 1, column 2: found the end of the line, expected HipCenterX"),
        (GATOR_LINES[:1], "found 1 lines, expected a header and 1 to 100000 frames"),
        (changed(GATOR_LINES, 3, ",", ""), "line 4: found 63 fields, expected 64"),
        (changed(GATOR_LINES, 3, f"{some_frames()[2, 0, 1]:.7g}", "nan"), "line 4, column HipCenterY: found 'nan'"),
        (changed(GATOR_LINES, 3, "48546873.0000", "48_546_873"), "line 4, column Timestamp: found '48_546_873'"),
        (
            changed(GATOR_LINES, 3, "48546873.0000", "48546773.0000"),
            "line 4: found the time 48546773 after 48546773 ms",
        ),
        (
            changed(GATOR_LINES, 3, f"{some_frames()[2, 1, 0]:.7g}", "200"),
            "line 4, joint 1: found 200, expected metres",
        ),
        ([*GATOR_LINES[:3], "", *GATOR_LINES[3:]], "line 4: found 1 fields, expected 64"),
        (changed(GATOR_LINES, 2, "103", "1" * 9000), "line 3: found 9.* letters, expected at most 8192"),
        (changed(GATOR_LINES, 5, "48547073.0000", "1e14"), "more than 100000 frames"),
        ([*GATOR_LINES[:4], "\0"], "found a zero, expected text"),
    ],
    ids=range(13),
)
def test_wrong_tables_of_kinder_gator_are_refused(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        read_kinder_gator(write_gator(tmp_path, lines))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (IRDS_LINES[1:], "line 1: found '7813,5,.*', expected Version0.1"),
        (changed(IRDS_LINES, 2, "(Neck", "(Nose"), "line 3: found .*Nose.*, expected .Neck,Tracked,x,y,z,column,row"),
        (changed(IRDS_LINES, 2, "Tracked", "Guessed"), "line 3: found .*Guessed.*, expected .SpineBase,Tracked"),
        (changed(IRDS_LINES, 2, ")", ""), "line 3: found .*, expected .SpineBase"),
        (changed(IRDS_LINES, 4, ",5,", ","), "line 5: found 177 fields, expected 178"),
        (changed(IRDS_LINES, 1, f"{some_frames(5, 25)[0, 3, 2]:.7g}", "inf"), "line 2, Head: found 'inf'"),
        (changed(IRDS_LINES, 1, "48546673", "x"), "line 2, time: found 'x', expected a decimal number"),
        (changed(IRDS_LINES, 2, "48546773", "48546673"), "line 3: found the time 48546673 after 48546673 ms"),
    ],
    ids=range(8),
)
def test_wrong_lines_of_irds_are_refused(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        read_irds(write_irds(tmp_path, lines))


def test_large_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(kinect, "LARGEST", 100)
    for source, write in WRITERS.items():
        with pytest.raises(ValueError, match="of at most 100 bytes"):
            READERS[source](write(tmp_path))


@pytest.mark.parametrize("source", READERS)
def test_damaged_files_are_read_or_refused(tmp_path, source):
    path, rng = WRITERS[source](tmp_path), random.Random(0)
    data = path.read_bytes()
    for _ in range(300):
        damaged = bytearray(data[: rng.choice([len(data), rng.randrange(len(data))])])
        for _ in range(rng.randrange(1, 4)):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.choice([rng.randrange(256), *b"0-e,.\n()"])
        path.write_bytes(damaged)
        try:
            assert np.isfinite(READERS[source](path).motion).all()
        except ValueError as error:
            assert len(str(error)) < 500
