"""Tests of kinetic/motion/motion_set.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import ALONE, STICK, padded_motions, some_motions

from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet, class_id
from kinetic.motion.storage import write_motions
from kinetic.motion.stored import StoredMotion
from kinetic.skeleton import NTU25

# ----------------------------------------------------------------------------------------------------------- the set


def test_a_set_says_what_it_holds():
    motions = some_motions()
    assert len(motions) == 12
    assert motions.shape == (12, 3, 4, 3)
    assert motions.counts() == {"walk": 4, "jump-up": 4, "hand waving": 4}
    assert repr(motions) == (
        "MotionSet(12 motions, 4 frames, 3 joints, 3 classes, 4 people, 3 views, 2 setups, source='toy')"
    )
    one = padded_motions()[:1]
    assert repr(replace(one, setup=None, view=None)) == (
        "MotionSet(1 motion, up to 6 frames, 3 joints, 3 classes, 1 person, with partners, source='toy')"
    )


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
        ({"class_names": ("walk", "jump-up", "\ud800")}, "a name that is no text"),
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
    for name in (1, "1", "jump-up", "Jump up", np.int64(1)):
        assert motions.class_id(name) == class_id(name, motions.class_names) == 1
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


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        ([12], IndexError, "no motion 12: the set has 12 motions"),
        ([-13], IndexError, "no motion -13"),
        (np.ones(11, bool), IndexError, "11 entries, the set 12 motions"),
        ([0.5], TypeError, "expected a mask, a list of rows or a slice, got float64"),
        ([[1]], TypeError, r"int64 of shape \(1, 1\)"),
    ],
)
def test_rows_that_do_not_exist_are_refused(chosen, error, message):
    for choose in (some_motions().select, some_motions().__getitem__):
        with pytest.raises(error, match=message):
            choose(chosen)


@pytest.mark.parametrize("row", [3, -9, np.int64(3), np.array(3), torch.tensor(3)])
def test_a_number_gives_a_motion_and_its_label(row):
    motions = some_motions()
    motion, label = motions[row]
    assert motion.shape == (3, 4, 3)
    np.testing.assert_array_equal(motion, motions.motion[3])
    assert (label, type(label)) == (0, int)
    assert np.shares_memory(motion, motions.motion)


@pytest.mark.parametrize(
    "rows",
    [
        slice(1, None, 3),
        [1, 4, 7, 10],
        [1, -8, 7, -2],
        range(1, 12, 3),
        np.arange(1, 12, 3),
        np.arange(12) % 3 == 1,
        (np.arange(12) % 3 == 1).tolist(),
        torch.arange(1, 12, 3),
        torch.arange(12) % 3 == 1,
    ],
)
def test_slices_lists_and_masks_give_sets(rows):
    motions = some_motions()
    part = motions[rows]
    assert isinstance(part, MotionSet)
    np.testing.assert_array_equal(part.motion, motions.motion[1::3])
    assert part.clip == motions.clip[1::3]


def test_one_row_in_a_list_or_slice_is_a_set_of_one():
    motions = some_motions()
    for rows in (slice(3, 4), [3], np.array([3]), torch.tensor([3])):
        assert motions[rows].shape == (1, 3, 4, 3)
    assert len(motions[:0]) == 0


def test_iteration_yields_every_motion_with_its_label():
    motions = some_motions()
    pairs = list(motions)
    np.testing.assert_array_equal([motion for motion, _ in pairs], motions.motion)
    assert [label for _, label in pairs] == motions.label.tolist()


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        (12, IndexError, "no motion 12: the set has 12 motions"),
        (-13, IndexError, "no motion -13"),
        (True, TypeError, "got True"),
        (1.0, TypeError, "float"),
        ((1, 2), TypeError, r"got \(1, 2\)"),
        ("walk", TypeError, r"got 'walk'; motions.where\(classes=\['walk'\]\)"),
        (None, TypeError, "NoneType"),
    ],
)
def test_anything_but_a_row_or_rows_is_refused(row, error, message):
    with pytest.raises(error, match=message):
        some_motions()[row]


def test_motions_on_the_disk_are_read_one_at_a_time(tmp_path, monkeypatch):
    write_motions(some_motions(), tmp_path / "folder")
    motions = read_motions(tmp_path / "folder").resampled(9)
    reads = []
    read = StoredMotion._read
    monkeypatch.setattr(StoredMotion, "_read", lambda stored, rows: reads.append(len(rows)) or read(stored, rows))
    assert isinstance(motions[[5, 2]][::-1].motion, StoredMotion)
    assert len(motions[motions.label == 1]) == 4
    assert reads == []
    motion, label = motions[-1]
    assert (type(motion), motion.shape, label, reads) == (np.ndarray, (3, 9, 3), 2, [1])
    assert len(list(motions)) == 12
    assert reads == [1] * 13


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


def test_rows_of_a_split_are_its_motions():
    motions = some_motions()
    for rows, side in zip(motions.split_rows("xview"), motions.split("xview"), strict=True):
        np.testing.assert_array_equal(motions.motion[rows], side.motion)


def test_a_split_that_leaves_a_side_empty_is_refused():
    with pytest.raises(ValueError, match="no motion to test"):
        some_motions(view=np.ones(12, int)).split("xview")
    with pytest.raises(ValueError, match="both sides"):
        some_motions(splits={"own": {"by": "subject", "train": ["anna"], "test": [0, 1]}}).split("own")


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


def test_the_recipe_of_pyskl_is_turned_upright():
    motions = padded_motions()
    assert motions.upright() is motions
    turned = replace(motions, notes={"recipe": "pyskl"})
    np.testing.assert_array_equal(turned.upright().motion, motions.motion[:, [0, 2, 1]])
    np.testing.assert_array_equal(turned.upright().partner, motions.partner[:, [0, 2, 1]])


def test_another_skeleton_must_have_as_many_joints():
    motions = some_motions()
    assert motions.on(replace(STICK, center=0)).skeleton.center == 0
    with pytest.raises(ValueError, match="ntu25 has 25"):
        motions.on(NTU25)
