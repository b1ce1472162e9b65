"""Tests of kinetic/formats/ctrgcn.py: files of CTR-GCN, read and written."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinetic.formats.ctrgcn import read_ctrgcn, write_ctrgcn
from kinetic.formats.reading import read_motions
from kinetic.motion import arrays
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import NTU25, NTU25_2D

CLASSES = tuple(f"A{number}" for number in range(1, 6))
SUBJECTS = [1, 1, 2, 2, 3, 3, 7]
SIDES = {"by": "subject", "train": [1, 3], "test": [2]}


def a_set(t: int = 9, partner: bool = True, **facts) -> MotionSet:
    """Seven motions: six of three people, and one of a fourth who is on no side."""
    rng = np.random.default_rng(0)
    motion, second = rng.uniform(-1, 1, (2, 7, 3, t, 25)).astype(np.float32)
    motion[1, :, 5:] = second[1, :, 5:] = 0
    second[2] = 0
    second[3, :, 6:] = 0
    return MotionSet(
        motion,
        np.arange(7) % 5,
        CLASSES,
        NTU25,
        subject=np.array(SUBJECTS),
        splits={"xsub": SIDES},
        partner=second if partner else None,
        **facts,
    )


def published(folder: Path, twice: bool, name: str = "NTU60_CS.npz", **changes: np.ndarray) -> Path:
    """A small file like those of seq_transformation.py: one body of 5 frames, then two of 7; a test side of one."""
    rng = np.random.default_rng(1)
    single, both, test = rng.normal(size=(5, 75)), rng.normal(size=(7, 150)), rng.normal(size=(6, 75))
    alone = [np.hstack((body, body if twice else np.zeros_like(body))) for body in (single, test)]
    x_train, x_test = np.zeros((2, 300, 150), np.float32), np.zeros((1, 300, 150), np.float32)
    x_train[0, :5], x_train[1, :7], x_test[0, :6] = alone[0], both, alone[1]
    arrays = {"x_train": x_train, "y_train": np.eye(60)[[4, 59]], "x_test": x_test, "y_test": np.eye(60)[[0]]}
    np.savez(folder / name, **(arrays | changes))
    return folder / name


@pytest.mark.parametrize("twice", [False, True])
def test_bodies_joints_and_coordinates_agree_with_the_published_loader(tmp_path, twice):
    path = published(tmp_path, twice)
    motions = read_ctrgcn(path)
    x = np.load(path)["x_train"]
    loaded = x.reshape(2, 300, 2, 25, 3).transpose(0, 4, 1, 3, 2)  # feeder_ntu.py: N C T V M
    np.testing.assert_array_equal(motions.motion[:2], loaded[:, :, :7, :, 0])
    np.testing.assert_array_equal(motions.partner[1], loaded[1, :, :7, :, 1])
    assert not motions.partner[0].any() and not motions.partner[2].any()
    assert motions.label.tolist() == [4, 59, 0] and motions.class_names[59] == "A60"
    assert motions.shape == (3, 3, 7, 25) and motions.columns["frames"].tolist() == [5, 7, 6]
    assert motions.skeleton == NTU25 and motions.source == "" and motions.subject is None
    assert motions.notes == {
        "classes": "numbers",
        "fps": "assumed",
        "setup": "1 = train side of the file, 2 = its test side",
        "file_frames": 300,
        "partners": 1,
        "repeated": 2 if twice else 0,
        "padded": 2,
        "empty": 0,
    }


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("NTU60_CS.npz", "xsub"),
        ("NTU60_CV.npz", "xview"),
        ("NTU120_CSub.npz", "xsub"),
        ("NTU120_CSet.npz", "xsetup"),
        ("mine.npz", "published"),
    ],
)
def test_the_sides_of_the_file_are_its_only_split(tmp_path, name, split):
    motions = read_ctrgcn(published(tmp_path, False, name))
    assert list(motions.split_rules()) == [split]
    train, test = motions.split(split)
    assert train.label.tolist() == [4, 59] and test.label.tolist() == [0]


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("partner", [False, True])
def test_written_motions_come_back(tmp_path, monkeypatch, partner, repeated):
    monkeypatch.setattr(arrays, "CHUNK", 400_000)
    motions = a_set(partner=partner)
    write_ctrgcn(motions, tmp_path / "mine_CSub.npz", repeated=repeated)
    again = read_ctrgcn(tmp_path / "mine_CSub.npz")
    for side, other in zip(again.split("xsub"), motions.split("xsub"), strict=True):
        np.testing.assert_array_equal(side.motion, other.motion)
        np.testing.assert_array_equal(side.label, other.label)
        assert (side.partner is None) == (not partner)
        if partner:
            np.testing.assert_array_equal(side.partner, other.partner)
    assert len(again) == 6 and again.class_names == CLASSES
    assert again.columns["frames"].tolist() == [9, 5, 9, 9, 9, 9]
    assert again.notes["repeated"] == (0 if not repeated else 1 if partner else 6)
    assert [file.name for file in tmp_path.iterdir()] == ["mine_CSub.npz"]


def test_numpy_reads_written_files(tmp_path):
    motions = a_set()
    write_ctrgcn(motions, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as file:
        assert sorted(file) == ["x_test", "x_train", "y_test", "y_train"]
        assert file["x_train"].shape == (4, 300, 150) and file["x_train"].dtype == np.float32
        assert file["y_test"].tolist() == np.eye(5)[[2, 3]].tolist()
        np.testing.assert_array_equal(file["x_test"][1, 2, 75 + 4 * 3 + 1], motions.partner[3, 1, 2, 4])


def test_long_motions_keep_their_length(tmp_path):
    motions = a_set(t=310)
    write_ctrgcn(motions, tmp_path / "x.npz")
    assert read_ctrgcn(tmp_path / "x.npz").shape == (6, 3, 310, 25)


@pytest.mark.filterwarnings("error")
def test_coordinates_beyond_float32_are_left_to_the_check(tmp_path):
    x = np.full((2, 300, 150), 1e300)
    x[1] = np.array([0x7FF0000000000001], "u8").view("f8")[0]  # a NaN that signals
    motions = read_ctrgcn(published(tmp_path, False, x_train=x))
    assert np.isinf(motions.motion[0]).all() and np.isnan(motions.motion[1]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_train": np.ones((2, 300, 75), np.float32)},
            r"x_train has shape \(2, 300, 75\), expected \(2, frames, 150",
        ),
        ({"x_test": np.ones((2, 300, 150), np.float32)}, r"x_test has shape \(2, 300, 150\), expected \(1, "),
        ({"x_test": np.ones((1, 200, 150), np.float32)}, "x_train has 300 frames, x_test 200"),
        ({"x_train": np.ones((2, 0, 150), np.float32)}, r"x_train has shape \(2, 0, 150\)"),
        ({"x_train": np.ones((2, 300, 150), int)}, "x_train has type int64, expected float16"),
        ({"y_train": np.array([4, 59])}, r"y_train has shape \(2,\), expected \(motions, classes\)"),
        ({"y_train": np.zeros((2, 60))}, r"y_train has other than one 1 among zeros in row 0 \(2 such rows\)"),
        ({"y_train": np.eye(60)[[4, 59]] * 2}, "y_train has other than one 1"),
        ({"y_train": np.full((2, 60), np.nan)}, "y_train has other than one 1"),
        ({"y_test": np.eye(120)[[0]]}, "y_train has 60 classes, y_test 120"),
        ({"y_test": np.zeros((0, 60))}, r"y_test has shape \(0, 60\)"),
        ({"y_test": np.zeros((1, 20_000))}, r"y_test has shape \(1, 20000\)"),
        ({"x_train": np.zeros((2, 300, 150)), "x_test": np.zeros((1, 300, 150))}, "nothing but zeros in its first bod"),
        ({"x_train": np.array([None])}, r"x_train has type '\|O'"),
    ],
)
def test_other_arrays_are_refused(tmp_path, changes, message):
    path = published(tmp_path, False, **changes)
    with pytest.raises(ValueError, match=message):
        read_ctrgcn(path)


def test_a_missing_array_is_named(tmp_path):
    np.savez(tmp_path / "x.npz", x_train=np.ones(3), y_train=np.eye(3))
    with pytest.raises(ValueError, match=r"has no array 'y_test'; it holds x_train\.npy"):
        read_ctrgcn(tmp_path / "x.npz")


def test_an_array_that_claims_too_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("y_train.npy", b"\0" * ((1 << 28) + 1))
    with pytest.raises(ValueError, match=r"y_train claims 256\.0 MiB in .* of the file"):
        read_ctrgcn(tmp_path / "x.npz")


def test_motions_that_do_not_fit_are_not_written(tmp_path):
    path = tmp_path / "x.npz"
    flat = MotionSet(np.ones((2, 2, 4, 25), np.float32), np.zeros(2, int), ("a",), NTU25_2D)
    with pytest.raises(ValueError, match=r"x\.npz: motions have 2 x 25 coordinates a frame, expected 3 x 25"):
        write_ctrgcn(flat, path)
    with pytest.raises(ValueError, match=r"x\.npz: this set has no split 'xview'; splits it has: xsub"):
        write_ctrgcn(a_set(), path, "xview")
    with pytest.raises(ValueError, match=r"ends in \.npz"):
        write_ctrgcn(a_set(), tmp_path / "x.npy")
    for where in ("motion", "partner"):
        motions = a_set()
        getattr(motions, where)[4, 0, 0, 0] = np.nan
        with pytest.raises(ValueError, match=r"x\.npz: NaN or infinite coordinates in motion 4"):
            write_ctrgcn(motions, path)
    assert list(tmp_path.iterdir()) == []
    write_ctrgcn(replace(a_set(), splits={"halves": SIDES}), path, "halves")
    assert path.exists()


def test_real_motions_survive(shared, tmp_path):
    motions = read_motions(shared / "data" / "motion" / "nw_ucla.npz")
    write_ctrgcn(motions, tmp_path / "nw_ucla_CV.npz", "xview")
    again = read_ctrgcn(tmp_path / "nw_ucla_CV.npz")
    for side, other in zip(again.split("xview"), motions.split("xview"), strict=True):
        np.testing.assert_array_equal(side.motion, other.motion)
        np.testing.assert_array_equal(side.label, other.label)
