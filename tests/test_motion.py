"""Tests of kinetic/data/motion.py and kinetic/data/arrays.py."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinetic.data import arrays
from kinetic.data.motion import SPLITS, MotionSet, MotionWriter, read_motions, write_motions
from kinetic.data.stored import StoredMotion
from kinetic.skeleton import NTU25, Skeleton

ALONE = {"subject": None, "view": None, "setup": None, "clip": (), "fps": 30.0, "columns": {}, "splits": {}}
STICK = Skeleton(joints=("hip", "neck", "head"), bones=((0, 1), (1, 2)), center=1, name="stick")


def some_motions(n: int = 12, frames: int = 4, **changes) -> MotionSet:
    rng = np.random.default_rng(0)
    given = {
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
    return MotionSet(**{**given, **changes})


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


# ----------------------------------------------------------------------------------------------------------- the set


def test_a_set_says_what_it_holds():
    motions = some_motions()
    assert len(motions) == 12
    assert motions.shape == (12, 3, 4, 3)
    assert motions.counts() == {"walk": 4, "jump-up": 4, "hand waving": 4}
    assert "12 motions" in repr(motions)
    assert "xview" in repr(motions)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"motion": np.zeros((12, 3, 4), np.float32)}, r"\(12, 3, 4\), expected four axes"),
        ({"motion": np.zeros((12, 3, 4, 5), np.float32)}, "5 joints.*stick has 3"),
        ({"motion": np.zeros((12, 4, 4, 3), np.float32)}, "4 channels, expected 3"),
        ({"motion": np.zeros((12, 3, 0, 3), np.float32)}, "no frames"),
        ({"motion": np.zeros((12, 3, 4, 3), np.int32)}, "int32, expected float16, float32 or float64"),
        ({"label": np.zeros(11, int)}, r"label has shape \(11,\)"),
        ({"label": np.full(12, 3)}, "label of motion 0 is 3, expected 0 to 2"),
        ({"label": np.full(12, -1)}, "label of motion 0 is -1"),
        ({"label": np.zeros(12)}, "float64, expected whole numbers"),
        ({"class_names": ("walk", "walk", "run")}, "twice: walk"),
        ({"subject": np.full(12, 4)}, "subject of motion 0 is 4"),
        ({"clip": ("a",)}, "clip needs one name per motion"),
        ({"fps": 0.0}, "fps must be positive"),
        ({"fps": np.ones(3)}, "fps has shape"),
        ({"splits": {"x": {"by": "shoe", "train": []}}}, "needs `by`"),
        ({"splits": {"x": {"by": "view", "train": [1], "test": [1]}}}, "view 1 in train and in test"),
        ({"notes": {"path": Path(".")}}, "plain JSON"),
        ({"notes": {"loss": float("nan")}}, "plain JSON"),
        ({"columns": {"a": np.zeros(3)}}, "column a has shape"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        some_motions(**changes)


def test_other_floats_become_float32():
    for dtype in ("f2", ">f4", "f8"):
        motions = some_motions(motion=np.ones((12, 3, 4, 3), dtype))
        assert motions.motion.dtype == np.dtype("float32")
        assert (motions.motion == 1).all()


def test_a_class_is_found_by_number_name_and_loose_name():
    motions = some_motions()
    assert [motions.class_id(name) for name in (1, "1", "jump-up", "Jump up", np.int64(1))] == [1] * 5
    with pytest.raises(ValueError, match=r"'hand wave'.*hand waving"):
        motions.class_id("hand wave")
    with pytest.raises(ValueError, match="0 to 2"):
        motions.class_id(3)
    with pytest.raises(ValueError, match="0 to 2"):
        motions.class_id("3")


def test_select_takes_everything_along():
    motions = some_motions()
    mask = motions.label == 1
    for chosen in (mask, np.flatnonzero(mask), np.flatnonzero(mask).tolist(), slice(1, None, 3)):
        part = motions.select(chosen)
        np.testing.assert_array_equal(part.motion, motions.motion[1::3])
        np.testing.assert_array_equal(part.fps, motions.fps[1::3])
        np.testing.assert_array_equal(part.columns["active"], motions.columns["active"][1::3])
        assert part.clip == motions.clip[1::3]
    assert motions.select([-1]).clip == motions.clip[-1:]
    assert len(motions.select([])) == 0


def test_a_contiguous_selection_shares_memory():
    motions = some_motions()
    assert np.shares_memory(motions.select([3, 4, 5]).motion, motions.motion)
    assert not np.shares_memory(motions.select([3, 5]).motion, motions.motion)


@pytest.mark.parametrize("chosen", [[12], [-13], np.ones(11, bool), [0.5], [[1]]])
def test_select_refuses_rows_that_are_not_there(chosen):
    with pytest.raises(ValueError, match=r"row 12 |row -13 |11 entries|expected a mask or a list"):
        some_motions().select(chosen)


def test_where_renumbers_the_classes_that_are_left():
    motions = some_motions()
    part = motions.where(classes=["hand waving", "walk"], subjects=["anna", "ben"], views=[1, 3])
    assert part.class_names == ("walk", "hand waving")
    np.testing.assert_array_equal(part.label, [0, 1, 1, 0])  # rows 0, 5, 8, 9
    assert set(part.subject) <= {0, 1}
    assert set(part.view) <= {1, 3}
    assert motions.where(subjects=[2]).class_names == motions.class_names


def test_where_refuses_unknown_names_and_empty_results():
    motions = some_motions()
    with pytest.raises(ValueError, match="no class is called 'swim'"):
        motions.where(classes=["swim"])
    with pytest.raises(ValueError, match=r"no subject is called 'eve'.*anna"):
        motions.where(subjects=["eve"])
    with pytest.raises(ValueError, match=r"no motion of 12 has.*'walk'"):
        motions.where(classes=["walk"], views=[2])
    with pytest.raises(ValueError, match="needs a list"):
        motions.where(classes="walk")
    with pytest.raises(ValueError, match="which view"):
        replace(motions, view=None, splits={}).where(views=[1])


def test_check_lists_classes_without_motions_and_odd_units():
    motions = some_motions()
    assert motions.check() == []
    empty, units = replace(motions, label=np.zeros(12, int), motion=motions.motion * 1000).check()
    assert "no motions of 2 of 3 classes: jump-up, hand waving" in empty
    assert "metres" in units


def test_check_names_the_motions_that_are_not_finite():
    motion = some_motions().motion.copy()
    motion[3, 0, 0, 0], motion[7, 2, 3, 2] = np.nan, -np.inf
    with pytest.raises(ValueError, match=r"a file: 2 of 12 motions hold NaN.*motions 3, 7$"):
        some_motions(motion=motion).check("a file")


# ------------------------------------------------------------------------------------------------------------ splits


@pytest.mark.parametrize(("name", "by"), [("xsub", "subject"), ("xview", "view")])
def test_train_and_test_share_nobody(name, by):
    motions = some_motions(60)
    train, test = motions.split(name)
    assert not set(getattr(train, by)) & set(getattr(test, by))
    assert len(train) + len(test) == len(motions)


def test_without_a_protocol_every_second_person_trains():
    motions = some_motions(source="own", subject_names=("10", "9", "1", "2"))
    assert motions.split_rules()["xsub"] == {"by": "subject", "train": ["1", "9"], "test": ["2", "10"]}
    numbered = some_motions(source="own", subject_names=(), subject=np.arange(12) % 5 * 10)
    assert numbered.split_rules()["xsub"]["train"] == [0, 20, 40]


def test_positions_count_people_that_are_not_in_a_selection():
    motions = some_motions()
    assert set(motions.where(subjects=["ben", "cleo"]).split("xsub")[0].subject) == {2}


def test_an_own_split_comes_before_the_protocol():
    motions = some_motions(source="nw_ucla")
    assert set(motions.split("xview")[1].view) == {3}
    own = replace(motions, splits={"xview": {"by": "view", "train": [3]}})
    assert set(own.split("xview")[1].view) == {1, 2}


def test_a_split_that_is_not_there_lists_those_that_are():
    with pytest.raises(ValueError, match="toy has no split 'xsetup'; splits it has: xsub, xview"):
        some_motions().split("xsetup")
    alone = some_motions(splits={}, subject=None, subject_names=(), view=None, setup=None)
    with pytest.raises(ValueError, match="splits it has: none"):
        alone.split("xview")


def test_a_split_that_leaves_a_side_empty_is_refused():
    with pytest.raises(ValueError, match="no motion to test"):
        some_motions(view=np.ones(12, int)).split("xview")
    with pytest.raises(ValueError, match="both sides"):
        some_motions(splits={"own": {"by": "subject", "train": ["anna"], "test": [0, 1]}}).split("own")


def test_the_official_ntu_lists_have_their_known_sizes():
    train60 = SPLITS["ntu60"]["xsub"]["train"]
    train120 = SPLITS["ntu120"]["xsub"]["train"]
    assert (len(set(train60)), len(set(train120))) == (20, 53)
    test60 = [3, 6, 7, 10, 11, 12, 20, 21, 22, 23, 24, 26, 29, 30, 32, 33, 36, 37, 39, 40]
    assert sorted(train60 + test60) == list(range(1, 41))
    assert set(train60) < set(train120)
    assert max(train120) == 103


def test_ntu_names_follow_the_protocol_whatever_their_rows():
    motions = some_motions(source="ntu60", subject_names=("P007", "P002", "P003", "P001"), setup=np.arange(12) % 4)
    train, _ = motions.split("xsub")
    assert {motions.subject_names[i] for i in train.subject} == {"P001", "P002"}
    numbers = some_motions(source="ntu60", subject_names=(), subject=np.arange(12) % 4)
    assert set(numbers.split("xsub")[0].subject) == {1, 2}


# ---------------------------------------------------------------------------------------------- time and coordinates


def test_resampling_is_linear_and_keeps_the_ends():
    motion = np.zeros((1, 3, 3, 3), np.float32)
    motion[0, 1, :, 2] = [0.0, 2.0, 10.0]
    out = some_motions(motion=motion, label=[0], **ALONE).resampled(5)
    np.testing.assert_allclose(out.motion[0, 1, :, 2], [0, 1, 2, 6, 10])
    assert out.fps == 60.0


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 16, 64, 113])
def test_resampling_keeps_first_and_last_frame_exactly(frames):
    motions = some_motions(frames=37)
    out = motions.resampled(frames)
    assert out.shape == (12, 3, frames, 3)
    np.testing.assert_array_equal(out.motion[:, :, 0], motions.motion[:, :, 0])
    if frames > 1:
        np.testing.assert_array_equal(out.motion[:, :, -1], motions.motion[:, :, -1])
        np.testing.assert_allclose((frames - 1) / out.fps, 36 / motions.fps)


def test_resampling_to_the_same_length_changes_nothing():
    motions = some_motions()
    assert motions.resampled(4) is motions
    assert some_motions(frames=1).resampled(3).shape == (12, 3, 3, 3)
    with pytest.raises(ValueError, match="at least 1"):
        motions.resampled(0)


def padded_motions(partner: bool = True) -> MotionSet:
    """Twelve motions of 3 to 6 frames, padded to 6; every second one has a partner from its second frame on."""
    motions = some_motions(frames=6, columns={"frames": np.arange(12) % 4 + 3})
    motion = motions.motion.copy()
    beside = motions.motion[::-1].copy()
    for row, frames in enumerate(motions.columns["frames"]):
        motion[row, :, frames:] = beside[row, :, frames:] = 0
    beside[:, :, 0] = beside[1::2] = 0
    return replace(motions, motion=motion, partner=beside if partner else None)


def test_resampling_leaves_padding_out():
    motion = np.zeros((2, 3, 4, 3), np.float32)
    motion[:, 1, :, 2] = [[1, 3, 0, 0], [1, 2, 3, 4]]
    given = {"motion": motion, "label": [0, 1], "fps": 30.0, **ALONE}
    out = some_motions(**{**given, "columns": {"frames": np.array([2, 4])}}).resampled(4)
    np.testing.assert_allclose(out.motion[:, 1, :, 2], [[1, 5 / 3, 7 / 3, 3], [1, 2, 3, 4]], rtol=1e-6)
    np.testing.assert_allclose(out.fps, [90, 30])
    assert out.columns == {}


def test_resampling_at_the_same_length_still_stretches_what_is_padded():
    motions = padded_motions()
    assert (motions.resampled(6).motion[:, :, -1] != 0).all()


def test_cutting_holds_the_last_pose_or_keeps_the_zeros():
    motions = padded_motions()
    held, published = motions.cut(5), motions.cut(5, hold=False)
    np.testing.assert_array_equal(held.motion[0, :, 3:], motions.motion[0][:, [2, 2]])
    np.testing.assert_array_equal(published.motion, motions.motion[:, :, :5])
    assert held.columns == {}
    with pytest.raises(ValueError, match="at least 1"):
        motions.cut(0)


def test_a_partner_goes_where_its_motion_goes():
    motions = padded_motions()
    chosen = motions.select([4, 2])
    np.testing.assert_array_equal(chosen.partner, motions.partner[[4, 2]])
    np.testing.assert_array_equal(motions.where(views=[2]).partner, motions.partner[motions.view == 2])
    centred, center = motions.centred("first"), STICK.center
    np.testing.assert_allclose(
        centred.partner[0, :, 1] - centred.motion[0, :, 1],
        motions.partner[0, :, 1] - motions.motion[0, :, 1],
        atol=1e-6,
    )
    assert (centred.motion[:, :, 0, center] == 0).all()
    assert (centred.partner[:, :, 0] == 0).all()
    assert (centred.partner[1] == 0).all()
    assert motions.resampled(11).partner.shape == (12, 3, 11, 3)


def test_a_partner_needs_the_shape_of_the_motions():
    with pytest.raises(
        ValueError, match=r"partner has shape \(12, 3, 4, 3\), expected that of motion: \(12, 3, 6, 3\)"
    ):
        replace(padded_motions(), partner=some_motions().motion)


@pytest.mark.parametrize("name", ["motions.npz", "motions"])
def test_a_partner_comes_back_from_a_file(tmp_path, name):
    motions = padded_motions()
    write_motions(motions, tmp_path / name)
    back = read_motions(tmp_path / name)
    assert_same_motions(back, motions)
    np.testing.assert_array_equal(back.partner, motions.partner)
    write_motions(padded_motions(partner=False), tmp_path / name)
    assert read_motions(tmp_path / name).partner is None


def test_a_partner_that_is_not_finite_is_refused(tmp_path):
    motions = padded_motions()
    write_motions(motions, tmp_path / "motions")
    broken = motions.partner.copy()
    broken[5, 0, 0, 0] = np.nan
    np.save(tmp_path / "motions" / "partner.npy", broken)
    with pytest.raises(ValueError, match="partner: 1 of 12 motions hold NaN or infinite coordinates: motions 5"):
        read_motions(tmp_path / "motions")
    with pytest.raises(ValueError, match="motions 5"):
        write_motions(replace(motions, partner=broken), tmp_path / "other")


@pytest.mark.parametrize(
    "change",
    [
        lambda motions: motions.select([7, 1, 4]),
        lambda motions: motions.where(classes=["walk", "jump-up"], views=[1, 3]),
        lambda motions: motions.split("xview")[0],
        lambda motions: motions.resampled(16),
        lambda motions: motions.cut(4),
        lambda motions: motions.centred("first"),
        lambda motions: motions.select([3, 2, 9, 10]).resampled(9).centred("frame").select([0, 2]),
        lambda motions: motions.resampled(8).split("xsub")[1].centred("first"),
    ],
)
def test_motions_on_the_disk_change_as_those_in_memory(tmp_path, change):
    motions = padded_motions()
    write_motions(motions, tmp_path / "folder")
    stored, expected = change(read_motions(tmp_path / "folder")), change(motions)
    assert isinstance(stored.motion, StoredMotion)
    assert isinstance(stored.partner, StoredMotion)
    for name in ("motion", "partner"):
        np.testing.assert_array_equal(np.asarray(getattr(stored, name)), getattr(expected, name))
    np.testing.assert_array_equal(stored.fps, expected.fps)
    write_motions(stored, tmp_path / "again.npz")
    np.testing.assert_array_equal(read_motions(tmp_path / "again.npz").motion, expected.motion)


def test_centring_puts_the_centre_joint_at_the_origin():
    motions = some_motions()
    assert motions.centred("none") is motions
    first, frame = motions.centred("first"), motions.centred("frame")
    assert (first.motion[:, :, 0, 1] == 0).all()
    assert (frame.motion[:, :, :, 1] == 0).all()
    np.testing.assert_allclose(np.diff(first.motion, axis=2), np.diff(motions.motion, axis=2), atol=1e-6)
    with pytest.raises(ValueError, match="none, first, frame"):
        motions.centred("middle")


def test_another_skeleton_must_have_as_many_joints():
    motions = some_motions()
    assert motions.on(replace(STICK, center=0)).skeleton.center == 0
    with pytest.raises(ValueError, match="ntu25 has 25"):
        motions.on(NTU25)


# ------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("name", ["set.npz", "set"])
def test_a_set_comes_back_exactly(tmp_path, name):
    motions = some_motions()
    write_motions(motions, tmp_path / name)
    assert_same_motions(read_motions(tmp_path / name), motions)
    bare = some_motions(**ALONE, subject_names=(), notes={}, source="")
    write_motions(bare, tmp_path / name)  # also replaces
    assert_same_motions(read_motions(tmp_path / name), bare)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_set_larger_than_a_chunk_comes_back_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr("kinetic.data.motion.CHUNK", 400)
    monkeypatch.setattr("kinetic.data.arrays.CHUNK", 100)
    motions = some_motions(50)
    write_motions(motions, tmp_path / "set.npz")
    assert_same_motions(read_motions(tmp_path / "set.npz"), motions)


def test_a_folder_is_memory_mapped_and_read_only(tmp_path):
    write_motions(some_motions(), tmp_path / "set")
    motions = read_motions(tmp_path / "set")
    assert isinstance(motions.motion, np.memmap)
    assert isinstance(motions.select(slice(2, 4)).motion, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        motions.motion[0] = 0
    assert np.load(tmp_path / "set" / "motion.npy").shape == (12, 3, 4, 3)


def test_our_file_opens_with_plain_numpy(tmp_path):
    write_motions(some_motions(), tmp_path / "set.npz")
    with np.load(tmp_path / "set.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["motion"], some_motions().motion)
        assert json.loads(str(file["meta"]))["class_names"][0] == "walk"


def test_the_same_set_makes_the_same_bytes(tmp_path):
    write_motions(some_motions(), tmp_path / "a.npz")
    write_motions(some_motions(), tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_nothing_but_motions_is_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("meow")
    (tmp_path / "plain").write_text("text")
    (tmp_path / "folder.npz").mkdir()
    for name, message in (("photos", "cat.png"), ("plain", "is a file"), ("folder.npz", "is a folder")):
        with pytest.raises(ValueError, match=message):
            write_motions(some_motions(), tmp_path / name)
    with pytest.raises(ValueError, match=r"ends in \.npz"):
        write_motions(some_motions(), tmp_path / "set.h5")
    assert (tmp_path / "photos" / "cat.png").read_text() == "meow"
    assert len(list(tmp_path.iterdir())) == 3


def test_motions_that_are_not_finite_are_not_written(tmp_path):
    motion = some_motions().motion.copy()
    motion[5] = np.nan
    with pytest.raises(ValueError, match=r"set\.npz: 1 of 12.*motions 5"):
        write_motions(some_motions(motion=motion), tmp_path / "set.npz")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------------------------ writer


def writer(path: Path, n: int = 12) -> MotionWriter:
    return MotionWriter(path, n, frames=4, class_names=("walk", "jump-up", "hand waving"), skeleton=STICK)


@pytest.mark.parametrize("name", ["set.npz", "set"])
def test_batches_make_a_set(tmp_path, name):
    motions = some_motions()
    with writer(tmp_path / name) as file:
        for start in (0, 5, 10):
            rows = slice(start, start + 5)
            file.write(motions.motion[rows], motions.label[rows], view=motions.view[rows])
            assert not (tmp_path / name).exists()
    result = read_motions(tmp_path / name)
    np.testing.assert_array_equal(result.motion, motions.motion)
    np.testing.assert_array_equal(result.view, motions.view)


@pytest.mark.parametrize("name", ["set.npz", "set"])
def test_an_unfinished_set_leaves_the_old_one(tmp_path, name):
    motions = some_motions()
    write_motions(motions, tmp_path / name)

    def write(rows: int, stop: Exception | None = None) -> None:
        with writer(tmp_path / name) as file:
            file.write(motions.motion[:rows], motions.label[:rows])
            if stop is not None:
                raise stop

    with pytest.raises(ValueError, match="12 motions were announced, 5 came"):
        write(5)
    with pytest.raises(RuntimeError, match="out of power"):
        write(12, RuntimeError("out of power"))
    assert_same_motions(read_motions(tmp_path / name), motions)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_batch_must_keep_the_announcement(tmp_path):
    motions = some_motions()

    def write(*batches: dict) -> None:
        with writer(tmp_path / "a.npz") as file:
            for batch in batches:
                file.write(**batch)

    whole = {"motion": motions.motion, "label": motions.label}
    half = {"motion": motions.motion[:6], "label": motions.label[:6]}
    with pytest.raises(ValueError, match="announced, got 24"):
        write(whole, whole)
    with pytest.raises(ValueError, match="expected motions of"):
        write({**whole, "motion": motions.motion[:, :, :2]})
    with pytest.raises(ValueError, match="expected 0 to 2"):
        write({**whole, "label": motions.label + 1})
    with pytest.raises(ValueError, match="earlier batches had"):
        write({**half, "view": motions.view[:6]}, half)
    with pytest.raises(ValueError, match="with"):
        writer(tmp_path / "a.npz").write(**whole)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------------------ hostile files


def npy(descr: str, shape: object, data: bytes) -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def members(motions: MotionSet, path: Path) -> dict[str, bytes]:
    write_motions(motions, path)
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def pack(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in parts.items():
            file.writestr(name, data)
    return path


HOSTILE = {
    "claims 256 GiB": (npy("<f4", (4 << 30, 3, 4, 3), b"\0" * 64), "claims shape.*but holds 64"),
    "claims too little": (npy("<f4", (1, 3, 4, 3), b"\0" * 1728), "claims shape.*but holds 1728"),
    "pickled objects": (npy("|O", (12,), b"\x80\x04N."), "type '|O'"),
    "structured": (npy([("a", "<f4")], (12,), b"\0" * 48), "expected plain numbers"),
    "no size": (npy("<U0", (1 << 40,), b""), "holds nothing"),
    "negative": (npy("<f4", (-1, 3, 4, 3), b""), "expected counts"),
    "long double": (npy("<f16", (1,), b"\0" * 16), "expected float16, float32"),
    "whole numbers": (npy("<i4", (12, 3, 4, 3), b"\0" * 1728), "expected float16, float32"),
    "three axes": (npy("<f4", (12, 12, 3), b"\0" * 1728), "four axes"),
    "code in the header": (npy("<f4", (1,), b"\0" * 4).replace(b"'<f4'", b"f(10)"), "damaged header"),
    "deep header": (b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000, "damaged header"),
    "endless header": (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "header of"),
    "not numpy": (b"hello", "not a numpy array"),
    "nan": (npy("<f4", (12, 3, 4, 3), b"\xff" * 1728), "12 of 12 motions hold NaN"),
    "beyond float32": (npy("<f8", (12, 3, 4, 3), np.full(432, 1e300).tobytes()), "NaN or infinite"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_array_is_refused_with_the_name_of_the_file(tmp_path, case):
    data, message = HOSTILE[case]
    parts = members(some_motions(), tmp_path / "good.npz")
    path = pack(tmp_path / "bad.npz", {**parts, "motion.npy": data})
    with pytest.raises(ValueError, match=rf"bad\.npz: .*{message}"):
        read_motions(path)
    write_motions(some_motions(), tmp_path / "bad")
    (tmp_path / "bad" / "motion.npy").write_bytes(data)
    with pytest.raises(ValueError, match=r"bad: "):
        read_motions(tmp_path / "bad")


def test_a_zip_that_swells_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MAX_RATIO", (1 << 20, 200))
    parts = members(some_motions(), tmp_path / "good.npz")
    swelling = npy("<f4", (50_000, 3, 4, 3), b"\0" * (50_000 * 144))
    path = pack(tmp_path / "bad.npz", {**parts, "motion.npy": swelling})
    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match=r"bad\.npz: motion claims 6\.9 MiB in"):
        read_motions(path)


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path):
    parts = members(some_motions(), tmp_path / "good.npz")
    claim = npy("<f4", (1 << 20, 3, 4, 3), b"")
    path = pack(tmp_path / "bad.npz", {**parts, "motion.npy": claim})
    size, lie = len(claim), len(claim) + (1 << 20) * 144
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), lie.to_bytes(4, "little")))
    with pytest.raises(ValueError, match=r"bad\.npz: motion claims 144\.0 MiB in"):
        read_motions(path)


def test_an_array_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    write_motions(some_motions(), tmp_path / "a.npz")
    monkeypatch.setattr("kinetic.data.arrays.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"motion is 1728 bytes, more than the 1000 bytes"):
        read_motions(tmp_path / "a.npz")


def test_letters_that_do_not_exist_are_refused(tmp_path):
    parts = members(some_motions(), tmp_path / "good.npz")
    path = pack(tmp_path / "bad.npz", {**parts, "meta.npy": npy("<U2", (), b"\xff" * 8)})
    with pytest.raises(ValueError, match=r"bad\.npz: meta holds letters that do not exist"):
        read_motions(path)


META = {
    "not json": b"{",
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "other version": json.dumps({"format": "kinetic-motions", "version": 2}).encode(),
    "lacks keys": json.dumps({"format": "kinetic-motions", "version": 1}).encode(),
}


@pytest.mark.parametrize("case", META)
def test_damaged_notes_are_refused(tmp_path, case):
    write_motions(some_motions(), tmp_path / "bad")
    (tmp_path / "bad" / "meta.json").write_bytes(META[case])
    with pytest.raises(ValueError, match=r"bad: meta"):
        read_motions(tmp_path / "bad")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("class_names", ["walk"], "label of motion 1 is 1, expected 0 to 0"),
        ("class_names", "walk", "list of words"),
        ("skeleton", {"joints": ["a"]}, "meta.skeleton"),
        ("skeleton", None, "meta.skeleton"),
        ("fps", "fast", "meta.fps"),
        ("fps", float("nan"), "fps must be positive"),
        ("clip", ["one"], "clip needs one name"),
        ("splits", [1], "splits must be a mapping"),
        ("notes", "none", "notes must be a mapping"),
        ("source", 5, "meta.source"),
        ("extra", 5, "unknown keys"),
    ],
)
def test_wrong_values_in_the_notes_are_refused(tmp_path, key, value, message):
    write_motions(some_motions(fps=30.0), tmp_path / "bad")
    meta = json.loads((tmp_path / "bad" / "meta.json").read_text())
    (tmp_path / "bad" / "meta.json").write_text(json.dumps({**meta, key: value}))
    with pytest.raises(ValueError, match=f"bad: .*{message}"):
        read_motions(tmp_path / "bad")


def test_what_is_not_motions_says_what_was_found_and_what_is_known(tmp_path):
    (tmp_path / "page.html").write_text("<html>")
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    os.mkfifo(tmp_path / "pipe")
    os.symlink("/dev/zero", tmp_path / "zero")
    for name, message in {
        "page.html": "begins with b'<html>'; expected one of: .*labels.npy",
        "nothing": "an empty file",
        "empty": "an empty folder",
        "other.npz": "a zip file with x.npy",
        "pipe": "neither",
        "zero": "neither",
    }.items():
        with pytest.raises(ValueError, match=f"{name}: .*{message}"):
            read_motions(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="absent"):
        read_motions(tmp_path / "absent")


def test_a_folder_whose_array_is_a_device_is_refused(tmp_path):
    write_motions(some_motions(), tmp_path / "set")
    (tmp_path / "set" / "motion.npy").unlink()
    os.symlink("/dev/zero", tmp_path / "set" / "motion.npy")
    with pytest.raises(ValueError, match=r"set: motion\.npy is missing, or not a plain file"):
        read_motions(tmp_path / "set")


def test_any_damaged_file_ends_in_a_clear_error(tmp_path):
    write_motions(some_motions(), tmp_path / "good.npz")
    good, rng, path = (tmp_path / "good.npz").read_bytes(), random.Random(0), tmp_path / "bad.npz"
    refused = 0
    for trial in range(400):
        bad = bytearray(good)
        if trial % 4 == 0:
            del bad[rng.randrange(len(bad)) :]
        else:
            # the directory at the end is where the claims are
            start = 0 if trial % 4 == 1 else len(bad) - 900
            for _ in range(rng.choice([1, 1, 2, 8])):
                bad[rng.randrange(start, len(bad))] = rng.choice([0, 1, 255, rng.randrange(256)])
        path.write_bytes(bad)
        try:
            read_motions(path)
        except ValueError as error:
            refused += "bad.npz: " in str(error)
    assert refused > 200


# --------------------------------------------------------------------------------------------------------- real files

REAL = {
    "kinder_gator": (2271, 53, 14, {"xsub"}),
    "nw_ucla": (792, 8, 7, {"xsub", "xview"}),
    "utd_mhad": (452, 24, 5, {"xsub"}),
    "hdm05": (180, 9, 4, {"xsub"}),
    "irds": (160, 8, 2, {"xsub"}),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_open_as_they_are(shared, name):
    n, classes, people, splits = REAL[name]
    motions = read_motions(shared / "data" / "motion" / f"{name}.npz")
    assert (len(motions), len(motions.class_names), len(motions.subject_names)) == (n, classes, people)
    assert (motions.source, motions.skeleton, motions.shape[1:]) == (name, NTU25, (3, 64, 25))
    assert motions.check() == []
    assert set(motions.split_rules()) == splits
    assert "licence" in motions.notes
    assert motions.columns["primary"].dtype == bool
    with np.load(shared / "data" / "motion" / f"{name}.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(motions.motion, file["data"])
        np.testing.assert_array_equal(motions.label, file["label"])
    for split in splits:
        train, test = motions.split(split)
        by = motions.split_rules()[split]["by"]
        assert not set(getattr(train, by)) & set(getattr(test, by))
        assert len(train) + len(test) == n


def test_the_real_camera_split_holds_out_the_third(shared):
    train, test = read_motions(shared / "data" / "motion" / "nw_ucla.npz").split("xview")
    assert (len(train), len(test), set(train.view), set(test.view)) == (532, 260, {1, 2}, {3})


@pytest.mark.parametrize("suffix", [".npz", ""])
def test_a_real_file_survives_our_formats(shared, tmp_path, suffix):
    motions = read_motions(shared / "data" / "motion" / "nw_ucla.npz")
    write_motions(motions, tmp_path / f"copy{suffix}")
    assert_same_motions(read_motions(tmp_path / f"copy{suffix}"), motions)


def test_windows_of_another_skeleton_are_refused(shared, tmp_path):
    with np.load(shared / "data" / "motion" / "irds.npz", allow_pickle=False) as file:
        parts = {name: file[name] for name in file.files}
    parts["joint_names"] = parts["joint_names"][::-1]
    buffer = io.BytesIO()
    np.savez(buffer, **parts)
    (tmp_path / "bad.npz").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match=r"bad\.npz: joint_names are ThumbRight"):
        read_motions(tmp_path / "bad.npz")
