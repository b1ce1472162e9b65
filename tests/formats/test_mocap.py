"""Tests of kinetic/formats/mocap.py: sets from files, and the parts of their readers."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetic.formats import mocap
from kinetic.formats.mocap import Take, brief, bytes_of, decimals, evenly, gathered, mirrored, placed, text_of
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import ACCLAIM31, NTU25, Skeleton

STICK = Skeleton(("hip", "neck", "head"), ((0, 1), (1, 2)), 0)
NAMES = re.compile(r"([a-z]+)_([0-9]+)_([0-9]+)\.txt")


def take_of(path: Path) -> Take:
    """A motion whose coordinates are all the file's first number, of as many frames as the second says."""
    label, person, _ = NAMES.fullmatch(path.name).groups()
    value, frames = path.read_text().split()
    motion = np.full((int(frames), 3, 3), float(value))
    return Take(path.stem, motion, STICK, label, 30.0, person, view=1, columns={"value": float(value)})


def gather(path: Path, read=take_of, **changes) -> MotionSet:
    return gathered(path, read, **{"names": NAMES, "example": "walk_1_1.txt", "source": "toy", **changes})


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "more").mkdir()
    for name, text in {"walk_2_1": "1 4", "jump_10_1": "2 2", "walk_1_1": "3 3", "more/bow_2_2": "4 4"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    (tmp_path / "readme.txt").write_text("about")
    (tmp_path / "walk_3_1.txt.bak").write_text("1 4")
    return tmp_path


# --------------------------------------------------------------------------------------------------------------- sets


def test_a_folder_becomes_a_set(folder):
    motions = gather(folder, classes=("bow", "walk"), notes={"licence": "none"})
    assert motions.clip == ("jump_10_1", "bow_2_2", "walk_1_1", "walk_2_1")
    assert motions.class_names == ("bow", "walk", "jump") and motions.label.tolist() == [2, 0, 1, 1]
    assert motions.subject_names == ("1", "2", "10") and motions.subject.tolist() == [2, 1, 0, 1]
    assert motions.view.tolist() == [1] * 4 and motions.fps == 30 and motions.source == "toy"
    assert motions.columns["value"].tolist() == [2, 4, 3, 1] and motions.notes == {"licence": "none"}


def test_shorter_motions_end_in_zeros(folder):
    motions = gather(folder)
    assert motions.shape == (4, 3, 4, 3) and motions.columns["frames"].tolist() == [2, 4, 3, 4]
    for motion, frames, value in zip(motions.motion, (2, 4, 3, 4), (2, 4, 3, 1), strict=True):
        assert (motion[:, :frames] == value).all() and (motion[:, frames:] == 0).all()


def test_motions_of_one_length_are_not_padded(folder):
    assert "frames" not in gather(folder / "more").columns
    assert gather(folder / "walk_1_1.txt").shape == (1, 3, 3, 3)


def test_a_set_has_people_and_views_where_all_files_have_them(folder):
    def read(path: Path) -> Take:
        return Take(**{**vars(take_of(path)), **({"subject": "", "view": None} if "jump" in path.name else {})})

    motions = gather(folder, read)
    assert motions.subject is None and motions.view is None and motions.subject_names == ()
    assert gather(folder / "more", read).subject_names == ("2",)


def test_names_must_fit_the_pattern(folder):
    with pytest.raises(ValueError, match=r"is called 'readme.txt', expected a name like walk_1_1.txt"):
        gather(folder / "readme.txt")
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="a folder without files whose names look like walk_1_1.txt"):
        gather(folder / "empty")


def test_files_that_cannot_be_read_are_named(folder):
    def read(path: Path) -> Take:
        if path.stem.endswith("_1"):
            raise ValueError("line 3: found nothing")
        return take_of(path)

    with pytest.raises(ValueError, match=r"3 of 4 files cannot be read: jump_10_1\.txt: line 3: .*; walk_1_1\.txt: "):
        gather(folder, read)
    with pytest.raises(ValueError, match="^line 3: found nothing$"):
        gather(folder / "walk_1_1.txt", read)
    for i in range(20):
        (folder / f"run_{i}_1.txt").write_text("")
    with pytest.raises(ValueError, match="; and 18 more$"):
        gather(folder, read)


def test_skeletons_must_be_the_same(folder):
    def read(path: Path) -> Take:
        take = take_of(path)
        other = Skeleton(("hip", "chest", "head"), ((0, 1), (1, 2)), 0)
        return Take(**{**vars(take), "skeleton": other if take.subject == "1" else STICK})

    with pytest.raises(ValueError, match="walk_1_1 has another skeleton"):
        gather(folder, read)


def test_motions_that_exceed_the_memory_limit_are_refused(folder, monkeypatch):
    monkeypatch.setattr(mocap, "MAX_BYTES", 500)  # 13 frames of 36 bytes, 16 with padding
    with pytest.raises(
        ValueError, match="4 motions are 576 bytes, more than the 500 bytes .* fewer files or shorter motions"
    ):
        gather(folder)
    monkeypatch.setattr(mocap, "MAX_BYTES", 300)
    with pytest.raises(ValueError, match="cannot be read: walk_1_1.txt: 3 motions are 324 bytes"):
        gather(folder)
    monkeypatch.setattr(mocap, "MOST_FILES", 3)
    with pytest.raises(ValueError, match="a folder of 4 files, expected at most 3"):
        gather(folder)


def test_files_that_exhaust_the_memory_are_named(folder):
    def read(path: Path) -> Take:
        raise MemoryError

    with pytest.raises(ValueError, match=r"jump_10_1\.txt: needs more memory than this machine has"):
        gather(folder, read)
    with pytest.raises(ValueError, match="^needs more memory than this machine has$"):
        gather(folder / "walk_1_1.txt", read)


def test_frames_with_times_are_resampled_to_even_times(folder):
    def read(path: Path) -> Take:
        take = take_of(path)
        return Take(**{**vars(take), "seconds": np.arange(len(take.motion)) / 10})

    motions = gather(folder, read)
    assert motions.shape[2] == 10 and motions.columns["frames"].tolist() == [4, 10, 7, 10] and motions.fps == 30


# --------------------------------------------------------------------------------------------------------------- times


def test_even_times_are_linear_between_frames():
    motion = np.array([0.0, 1.0, 3.0])[:, None, None] * np.ones((3, 2, 3))
    even = evenly(motion, np.array([5.0, 5.1, 5.3]), 20)
    np.testing.assert_allclose(even[:, 0, 0], [0, 0.5, 1, 1.5, 2, 2.5, 3])
    np.testing.assert_allclose(evenly(motion, np.array([0, 0.1, 0.29]), 20)[-1, 0, 0], 1 + 2 * 0.15 / 0.19)


def test_a_single_frame_is_even():
    np.testing.assert_array_equal(evenly(np.ones((1, 2, 3)), np.array([7.0]), 30), np.ones((1, 2, 3)))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.001, 0.2), min_size=1, max_size=20), st.floats(1, 200), st.floats(-1e6, 1e6))
def test_even_times_follow_a_straight_line(steps, fps, start):
    seconds = start + np.concatenate([[0], np.cumsum(steps)])
    even = evenly((seconds - start)[:, None, None], seconds, fps)
    np.testing.assert_allclose(even[:, 0, 0], np.arange(len(even)) / fps, atol=1e-6)
    assert len(even) - 1 <= (seconds[-1] - seconds[0]) * fps + 1e-6 < len(even) + 1e-5


@pytest.mark.parametrize("last", [1e9, 1e300, np.inf])
def test_very_long_times_are_refused(last):
    with pytest.raises(ValueError, match="more than 100000 frames"):
        evenly(np.zeros((2, 1, 3)), np.array([0.0, last]), 30)


# --------------------------------------------------------------------------------------------------------------- words


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9)))
def test_numbers_are_read_exactly(values):
    assert decimals([repr(value) for value in values], str).tolist() == values


@pytest.mark.parametrize("word", ["1", "-1", "+1.", ".5", "1e-5", "2.5E+3", "-1.7e-014", "007"])
def test_plain_numbers_are_read(word):
    assert decimals([word], str)[0] == float(word)


@pytest.mark.parametrize(
    "word",
    ["", "nan", "inf", "-inf", "1_000", "\u0661", "0x10", "1,5", "1e", "--1", "e5", ".", "1 2", "1\n2", "1e400", "2e9"],
)
def test_other_numbers_are_refused_with_their_place(word):
    with pytest.raises(ValueError, match="^word 2: found "):
        decimals(["1", "2", word, "x"], lambda i: f"word {i}")


@pytest.mark.parametrize("word", ["1e400", "-1e400", "2e9", "1" * 10])
def test_large_numbers_are_refused(word):
    with pytest.raises(ValueError, match="^word 1: found '.*', expected a number between -1e.09 and 1e.09"):
        decimals(["1", word], lambda i: f"word {i}")
    assert decimals(["1e12"], str, most=1e15) == 1e12


def test_long_words_are_refused_and_shown_cut():
    with pytest.raises(ValueError, match=r"^0: found '1{37}\.\.\.', expected a decimal number"):
        decimals(["1" * 1_000_000 + "x", "2"], str)
    with pytest.raises(ValueError, match="expected a decimal number"):
        decimals(["0" * 1_000_000], str)
    with pytest.raises(ValueError, match=r"^0: found 'x{37}\.\.\.', expected"):
        decimals(["x" * 10_000], str)


def test_only_the_shown_part_of_a_value_is_formatted():
    class Deep:
        def __repr__(self) -> str:
            raise AssertionError("formatted")

    assert brief([[[Deep()]], {"a": {"b": Deep()}}]) == "[[[...]], {'a': {...}}]"
    nested = ["lol"]
    for _ in range(60):
        nested = [nested] * 9
    assert len(brief(nested)) < 150 and len(brief("x" * 10**6)) <= 60


def test_text_with_any_line_ends_is_read(tmp_path):
    file = tmp_path / "a.txt"
    for data in (b"a\nb\n", b"a\r\nb\r\n", b"a\rb\r", b"\xef\xbb\xbfa\nb\n"):
        file.write_bytes(data)
        assert text_of(file, 100) == "a\nb\n"
    file.write_bytes("f\xfcr Bonn".encode("latin-1"))
    assert text_of(file, 100) == "f\xfcr Bonn"


def test_other_files_than_text_are_refused(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes("12".encode("utf-16"))
    with pytest.raises(ValueError, match="byte 3: found a zero, expected text"):
        text_of(file, 100)
    file.write_bytes(bytes(101))
    with pytest.raises(ValueError, match="^expected a plain file of at most 100 bytes, found 101$"):
        bytes_of(file, 100)
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path, "folder"), (tmp_path / "pipe", "pipe"), (Path("/dev/zero"), "device")):
        with pytest.raises(ValueError, match=f"^expected a plain file, found a {kind}$"):
            bytes_of(path, 100)


# -------------------------------------------------------------------------------------------------------------- places


def test_joints_are_placed_part_by_part(monkeypatch):
    table = np.arange(10.0)

    def place(rows: slice) -> np.ndarray:
        return table[rows, None, None] * np.ones((1, 2, 3))

    whole = placed(place, 10, 2)
    monkeypatch.setattr(mocap, "PART", 3)
    np.testing.assert_array_equal(placed(place, 10, 2), whole)
    assert whole.dtype == np.float32
    with pytest.raises(ValueError, match="found 1000000 frames of 21 joints"):
        placed(place, 1_000_000, 21)


# --------------------------------------------------------------------------------------------------------------- sides


@pytest.mark.parametrize(
    "names",
    [
        ["Hips", "LeftArm", "RightArm", "LeftFoot", "RightFoot"],
        ["hips", "arm_l", "arm_r", "foot_l", "foot_r"],
        ["Hips", "Arm.L", "Arm.R", "Foot.L", "Foot.R"],
        ["Pelvis", "L_Arm", "R_Arm", "LFoot", "RFoot"],
        ["lowerback", "lfemur", "rfemur", "lfoot", "rfoot"],
        ["Laugh", "bip_left_arm", "bip_right_arm", "FootLeft", "FootRight"],
    ],
)
def test_names_give_the_sides(names):
    assert mirrored(names) == ((1, 3), (2, 4))


def test_sides_of_known_skeletons():
    for skeleton in (NTU25, ACCLAIM31):
        assert mirrored(skeleton.joints) == (skeleton.left, skeleton.right)
    assert mirrored(["hip", "LeftArm", "neck"]) == ((), ())
