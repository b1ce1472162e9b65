"""Tests of kinetic/formats/pyskl.py: files of PYSKL and MMAction2, read and written."""

from __future__ import annotations

import os
import pickle
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetic.formats import pyskl
from kinetic.formats.pyskl import read_pyskl, unpack_pyskl, write_pyskl
from kinetic.formats.reading import read_motions
from kinetic.motion import arrays
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import COCO17, H36M16, NTU25, NTU25_2D

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
LENGTHS = [4, 7, 5, 7, 6, 3, 7, 1]
NAMES = [f"S{i % 3 + 1:03}C{i % 2 + 1:03}P{i // 2 + 1:03}R001A{i % 4 + 1:03}" for i in range(8)]


def annotation(i: int, joints: int = 25, channels: int = 3, name: str = "", **changes: Any) -> dict[str, Any]:
    """One clip as ntu_preproc.py writes it; every third has two bodies."""
    rng = np.random.default_rng(i)
    keypoint = rng.uniform(-2, 2, (2 if i % 3 == 0 else 1, LENGTHS[i], joints, channels)).astype(np.float16)
    facts = {"frame_dir": name or NAMES[i], "label": i % 4, "keypoint": keypoint, "total_frames": LENGTHS[i]}
    return {key: value for key, value in (facts | changes).items() if value is not None}


ANNOTATIONS = [annotation(i) for i in range(8)]
SPLIT = {
    "xsub_train": [name for name in NAMES if name[8:12] in ("P001", "P002", "P004")],
    "xsub_val": [name for name in NAMES if name[8:12] == "P003"],
    "xview_train": [name for name in NAMES if "C002" in name],
    "xview_val": [name for name in NAMES if "C001" in name],
}


def dump(path: Path, value: Any, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def assert_holds(motions: MotionSet, annotations: list[dict[str, Any]]) -> None:
    frames = motions.columns.get("frames", np.full(len(motions), motions.shape[2]))
    assert len(motions) == len(annotations)
    for row, one in enumerate(annotations):
        keypoint = one["keypoint"].astype(np.float32)
        assert frames[row] == one["total_frames"] and motions.clip[row] == one["frame_dir"]
        bodies = [motions.motion[row], *([] if motions.partner is None else [motions.partner[row]])]
        for number, body in enumerate(bodies):
            want = keypoint[number] if number < len(keypoint) else np.zeros_like(keypoint[0])
            np.testing.assert_array_equal(body[:, : frames[row]].transpose(1, 2, 0), want)
            assert not body[:, frames[row] :].any()
        assert motions.label[row] == one["label"]


# ------------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("whole", [False, True])
def test_both_shapes_are_read_in_every_protocol(tmp_path, protocol, whole):
    value = {"split": SPLIT, "annotations": ANNOTATIONS} if whole else ANNOTATIONS
    motions = read_pyskl(dump(tmp_path / "x.pkl", value, protocol))
    assert_holds(motions, ANNOTATIONS)
    assert motions.shape == (8, 3, 7, 25) and motions.skeleton == NTU25 and motions.motion.dtype == np.float32
    assert motions.class_names == ("A1", "A2", "A3", "A4") and motions.source == "ntu60"
    assert motions.subject.tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert motions.notes == {
        "classes": "numbers",
        "fps": "assumed",
        "precision": "float16",
        "bodies": 2,
        "partners": 3,
        "padded": 5,
        "left_out": [],
    }


def test_motions_of_one_length_have_no_column_of_frames(tmp_path):
    motions = read_pyskl(dump(tmp_path / "x.pkl", [annotation(1), annotation(3)]))
    assert motions.columns == {} and motions.notes["padded"] == 0
    motions = read_pyskl(dump(tmp_path / "x.pkl", [annotation(1), annotation(4)]))
    assert motions.partner is None and motions.notes["partners"] == 0


@pytest.mark.parametrize("kind", ["f4", "f8", ">f2"])
def test_other_floats_and_orders_are_read(tmp_path, kind):
    arrays = [{**one, "keypoint": np.asfortranarray(one["keypoint"].astype(kind))} for one in ANNOTATIONS]
    assert_holds(read_pyskl(dump(tmp_path / "x.pkl", arrays, 4)), ANNOTATIONS)


def test_numbers_of_numpy_are_read(tmp_path):
    counted = [{**one, "label": np.int64(one["label"]), "total_frames": np.int32(7)} for one in ANNOTATIONS[1:4:2]]
    assert_holds(read_pyskl(dump(tmp_path / "x.pkl", counted)), ANNOTATIONS[1:4:2])


def test_splits_are_rules_where_people_and_cameras_separate_the_sides(tmp_path):
    split = {**SPLIT, "halves_train": NAMES[::3], "halves_val": NAMES[1::3], "xset_train": NAMES[1::3]}
    motions = read_pyskl(dump(tmp_path / "x.pkl", {"split": split, "annotations": ANNOTATIONS}))
    assert motions.splits == {
        "xsub": {"by": "subject", "train": [1, 2, 4], "test": [3]},
        "xview": {"by": "view", "train": [2], "test": [1]},
        "halves": {"by": "setup", "train": [1], "test": [2]},
    }
    assert motions.notes["other_splits"] == ["xsetup"]


def test_lists_of_other_names_become_setups_that_splits_go_by(tmp_path):
    names = [f"clip {i}" for i in range(8)]
    split = {"train1": names[:4], "test1": names[4:], "train2": names[::2], "val2": names[1::2], "train3": names[:1]}
    value = {"split": split, "annotations": [annotation(i, name=names[i]) for i in range(8)]}
    motions = read_pyskl(dump(tmp_path / "x.pkl", value))
    for name, train in (("1", names[:4]), ("2", names[::2])):
        one, other = motions.split(name)
        assert list(one.clip) == train and set(other.clip) == set(names) - set(train)
    assert motions.notes["other_splits"] == ["3"] and motions.subject is None
    assert motions.notes["setup"].startswith("which lists")
    value["split"] = {"train": names[:2], "val": names[2:3], "test": names[3:]}
    train, test = read_pyskl(dump(tmp_path / "x.pkl", value)).split("published")
    assert train.clip == tuple(names[:2]) and test.clip == tuple(names[3:])


def test_an_official_split_goes_by_its_own_column_where_several_would_do(tmp_path):
    names = [f"S00{i}C00{i}P00{i}R001A00{j}" for i in (1, 2) for j in (1, 2)]
    annotations = [annotation(i % 2, name=names[i]) for i in range(4)]
    split = {f"{name}_{side}": half for name in ("xset", "xview", "xsub", "mine") for side, half in
             (("train", names[:2]), ("val", names[2:]))}  # fmt: skip
    rules = read_pyskl(dump(tmp_path / "x.pkl", {"split": split, "annotations": annotations})).splits
    assert {name: rule["by"] for name, rule in rules.items()} == {
        "xsetup": "setup",
        "xview": "view",
        "xsub": "subject",
        "mine": "subject",
    }


def test_clips_that_a_split_leaves_out_are_on_neither_side(tmp_path):
    split = {"some_train": NAMES[:2], "some_val": NAMES[2:4], "fewer_train": NAMES[:1], "fewer_val": NAMES[2:]}
    motions = read_pyskl(dump(tmp_path / "x.pkl", {"split": split, "annotations": ANNOTATIONS}))
    assert motions.splits == {"some": {"by": "subject", "train": [1], "test": [2]}}
    assert motions.notes["other_splits"] == ["fewer"]  # people, cameras and setups are the same on its sides


def test_clips_on_both_sides_make_no_split(tmp_path):
    split = {"xsub_train": NAMES, "xsub_val": NAMES[:1]}
    motions = read_pyskl(dump(tmp_path / "x.pkl", {"split": split, "annotations": ANNOTATIONS}))
    assert motions.splits == {} and motions.notes["other_splits"] == ["xsub"]


def test_pictures_of_people_point_up(tmp_path):
    pictures = [
        annotation(
            i, 17, 2, img_shape=(1080, 1920 + i), original_shape=(1080, 1920), keypoint_score=np.ones((1, 2, 17), "f2")
        )
        for i in range(8)
    ]
    motions = read_pyskl(dump(tmp_path / "x.pkl", pictures))
    assert motions.skeleton == COCO17 and motions.source == "ntu60"
    np.testing.assert_array_equal(motions.motion[1, 0], pictures[1]["keypoint"][0, ..., 0])
    np.testing.assert_array_equal(motions.motion[1, 1], -pictures[1]["keypoint"][0, ..., 1].astype(np.float32))
    assert motions.columns["height"].tolist() == [1080] * 8 and motions.columns["width"][7] == 1927
    assert motions.notes["left_out"] == ["keypoint_score"] and "pixels" in motions.notes["coordinates"]
    pictures[3]["img_shape"] = None
    assert set(read_pyskl(dump(tmp_path / "x.pkl", pictures)).columns) == {"frames"}


def test_a_clip_without_bodies_is_zeros(tmp_path):
    empty = annotation(1, keypoint=np.zeros((0, 7, 25, 3), np.float16))
    motions = read_pyskl(dump(tmp_path / "x.pkl", [empty, annotation(3)]))
    assert not motions.motion[0].any() and motions.motion[1].any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("layout", [(25, 3), (17, 2)])
@pytest.mark.parametrize("bits", [np.array([0xFC01], "u2"), np.array([0x7F800001], "u4")], ids=["f2", "f4"])
def test_nan_is_left_to_the_check(tmp_path, bits, layout):
    signals = bits.view(f"f{bits.itemsize}")  # a NaN that signals
    keypoint = np.broadcast_to(signals, (2, 3, *layout))
    motions = read_pyskl(dump(tmp_path / "x.pkl", [annotation(0, keypoint=keypoint, total_frames=3)]))
    assert np.isnan(motions.motion).all() and np.isnan(motions.partner).all()
    with pytest.raises(ValueError, match="motion 0 has coordinates that float16 does not hold"):
        write_pyskl(motions, tmp_path / "y.pkl")


def test_arrays_of_a_large_file_stay_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr("kinetic.formats.pickles.MAX_TEXT", 1000)  # larger files are memory-mapped
    for protocol in PROTOCOLS:
        assert_holds(read_pyskl(dump(tmp_path / "x.pkl", ANNOTATIONS, protocol)), ANNOTATIONS)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "holds a list of 0, expected a list of annotations, or a mapping"),
        ((1, 2), "holds a tuple of 2, expected"),
        (np.zeros(3), r"holds an array of float64 and shape \(3,\), expected"),
        ({"split": SPLIT}, "holds a dict of 1, expected"),
        ({"annotations": ANNOTATIONS, "split": NAMES}, "split is a list of 8, expected a mapping"),
        ({"annotations": ANNOTATIONS, "split": {"train": 3}}, "split 'train' is an int, expected a list of names"),
        ({"annotations": ANNOTATIONS, "split": {"train": [3]}}, "split 'train' is a list of 1, expected"),
        ([annotation(0), None], "annotation 1: is nothing, expected a mapping"),
        ([{"raw_file": "kp.pkl"}], "annotation 0: has no frame_dir; it has raw_file"),
        ([annotation(0, keypoint=None)], "annotation 0: has no keypoint; it has frame_dir, label, total_frames"),
        ([annotation(0, frame_dir=3)], "frame_dir is an int, expected the name"),
        ([annotation(0, label=-1)], "label is -1, expected a whole number from 0 to 9999"),
        ([annotation(0, label=10_000)], "label is 10000, expected"),
        ([annotation(0, label=True)], "label is True, expected"),
        ([annotation(0, label=[1, 2])], "label is a list of 2, expected"),
        ([annotation(0, total_frames=5)], "total_frames is 5, but keypoint has 4 frames"),
        ([annotation(0, keypoint=[[1.0]])], "keypoint is a list of 1, expected an array of floats"),
        ([annotation(0, keypoint=np.zeros((1, 4, 25, 3), int))], "keypoint is an array of int64 and shape"),
        ([annotation(0, keypoint=np.zeros((4, 25, 3)))], r"keypoint has shape \(4, 25, 3\), expected \(bodies, "),
        ([annotation(0, keypoint=np.zeros((1, 4, 18, 2)))], r"keypoint has shape \(1, 4, 18, 2\), expected"),
        ([annotation(0, keypoint=np.zeros((1, 0, 25, 3)), total_frames=0)], r"keypoint has shape \(1, 0, 25, 3\)"),
        (
            [annotation(0), annotation(1, 17, 2)],
            r"annotation 1: .* \(1, 7, 17, 2\), the annotations before it \(\.\.\., 25",
        ),
        ([annotation(0, label=3)], "motion 0 is called 'S001C001P001R001A001', but its label is 3 instead of 0"),
        (os.system, r"^names '(posix|nt).system', which is not run"),
    ],
    ids=range(24),
)
def test_other_contents_are_refused(tmp_path, value, message):
    with pytest.raises(ValueError, match=message):
        read_pyskl(dump(tmp_path / "x.pkl", value))


def test_a_set_that_exceeds_the_memory_limit_is_refused_before_it_is_allocated(tmp_path, monkeypatch):
    path = dump(tmp_path / "x.pkl", ANNOTATIONS)
    monkeypatch.setattr(pyskl, "MAX_BYTES", 30_000)
    with pytest.raises(
        ValueError, match=r"holds 8 motions of up to 7 frames: 33600 bytes when they are padded, more than the 30000"
    ):
        read_pyskl(path)


@pytest.mark.parametrize(("frames", "fits"), [(500, True), (2000, False)])
def test_one_long_clip_may_not_pad_many_short_ones_without_limit(tmp_path, frames, fits):
    long = annotation(1, keypoint=np.ones((1, frames, 25, 3), "f2"), total_frames=frames)
    path = dump(tmp_path / "x.pkl", [long] + [annotation(7)] * 600)
    if fits:
        assert len(read_pyskl(path)) == 601
    else:
        with pytest.raises(
            ValueError, match=r"601 motions of up to 2000 frames: 343\.9 MiB when they are padded, out of \d+ bytes"
        ):
            read_pyskl(path)


@pytest.mark.parametrize("target", ["folder", "one.npz"])
@pytest.mark.parametrize("joints", [25, 17])
def test_an_unpacked_set_equals_the_one_that_is_read(tmp_path, monkeypatch, target, joints):
    monkeypatch.setattr(arrays, "CHUNK", 7000)
    monkeypatch.setattr(pyskl, "MAX_BYTES", 1)  # does not limit a folder
    channels = 3 if joints == 25 else 2
    annotations = [annotation(i, joints, channels, img_shape=(1080, 1920 + i)) for i in range(8)]
    path = dump(tmp_path / "x.pkl", {"split": SPLIT, "annotations": annotations})
    unpack_pyskl(path, tmp_path / target)
    with pytest.raises(ValueError, match="unpack it to a folder"):
        read_pyskl(path)
    monkeypatch.undo()
    unpacked, read = read_motions(tmp_path / target), read_pyskl(path)
    assert_same_motions(unpacked, read)
    assert unpacked.notes == read.notes and unpacked.splits == read.splits and unpacked.skeleton == read.skeleton
    assert set(unpacked.columns) == set(read.columns)


def test_a_file_that_cannot_be_unpacked_leaves_no_folder(tmp_path):
    dump(tmp_path / "x.pkl", [annotation(0), annotation(1, total_frames=3)])
    with pytest.raises(ValueError, match=r"x\.pkl: annotation 1: total_frames is 3"):
        unpack_pyskl(tmp_path / "x.pkl", tmp_path / "folder")
    dump(tmp_path / "x.pkl", [annotation(1), annotation(3, keypoint=np.full((1, 7, 25, 3), np.nan))])
    with pytest.raises(ValueError, match="motions 1"):
        unpack_pyskl(tmp_path / "x.pkl", tmp_path / "folder")
    assert [file.name for file in tmp_path.iterdir()] == ["x.pkl"]


# ------------------------------------------------------------------------------------------------------------ writing


def a_set(partner: bool = True, **facts: Any) -> MotionSet:
    rng = np.random.default_rng(0)
    motion, second = rng.uniform(-2, 2, (2, 8, 3, 7, 25)).astype(np.float16).astype(np.float32)
    for row, length in enumerate(LENGTHS):
        motion[row, :, length:] = second[row, :, length:] = 0
    second[::3] = 0
    subjects = {"subject": np.arange(8) // 2 + 1, "view": np.arange(8) % 2 + 1, "setup": np.arange(8) % 3 + 1}
    facts = {"clip": tuple(NAMES), "columns": {"frames": np.array(LENGTHS)}, **subjects, "source": "ntu60"} | facts
    names = ("A1", "A2", "A3", "A4")
    return MotionSet(motion, np.arange(8) % 4, names, NTU25, partner=second if partner else None, **facts)


def assert_same_motions(one: MotionSet, other: MotionSet) -> None:
    np.testing.assert_array_equal(one.motion, other.motion)
    np.testing.assert_array_equal(one.label, other.label)
    assert (one.partner is None) == (other.partner is None)
    if one.partner is not None:
        np.testing.assert_array_equal(one.partner, other.partner)
    assert one.clip == other.clip and one.class_names == other.class_names and one.source == other.source
    for name in ("subject", "view", "setup"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in other.columns:
        np.testing.assert_array_equal(one.columns[name], other.columns[name])


@pytest.mark.parametrize("partner", [False, True])
@pytest.mark.parametrize("splits", [(), ("xsub", "xview")])
def test_written_motions_come_back(tmp_path, monkeypatch, partner, splits):
    monkeypatch.setattr(arrays, "CHUNK", 7000)
    motions = a_set(partner)
    write_pyskl(motions, tmp_path / "x.pkl", splits)
    again = read_pyskl(tmp_path / "x.pkl")
    assert_same_motions(again, motions)
    assert set(again.splits) == set(splits)
    for name in splits:
        for one, other in zip(again.split(name), motions.split(name), strict=True):
            assert one.clip == other.clip
    assert [file.name for file in tmp_path.iterdir()] == ["x.pkl"]


def test_pickle_reads_written_files(tmp_path):
    motions = a_set()
    write_pyskl(motions, tmp_path / "x.pkl", ["xsub"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = pickle.loads((tmp_path / "x.pkl").read_bytes())
    assert value["split"] == {"xsub_train": SPLIT["xsub_train"], "xsub_val": SPLIT["xsub_val"]}
    for row, one in enumerate(value["annotations"]):
        assert list(one) == ["frame_dir", "label", "keypoint", "total_frames"]
        assert one["keypoint"].dtype == np.float16 and one["keypoint"].flags.writeable
        assert len(one["keypoint"]) == (1 if row % 3 == 0 else 2)
    assert_holds(motions, value["annotations"])
    write_pyskl(motions, tmp_path / "x.pkl")
    assert_holds(motions, pickle.loads((tmp_path / "x.pkl").read_bytes()))


def test_sizes_of_pictures_come_back(tmp_path):
    pictures = [annotation(i, 17, 2, img_shape=(1080, 1920), original_shape=(1080, 1920)) for i in range(8)]
    write_pyskl(read_pyskl(dump(tmp_path / "x.pkl", pictures)), tmp_path / "y.pkl")
    again = pickle.loads((tmp_path / "y.pkl").read_bytes())
    for one, other in zip(again, pictures, strict=True):
        np.testing.assert_array_equal(one.pop("keypoint"), other.pop("keypoint"))
        assert one == other


def test_splits_of_setups_and_without_a_name_keep_their_names(tmp_path):
    rule = {"by": "setup", "train": [2], "test": [1, 3]}
    motions = a_set(source="ntu120", splits={"xsetup": rule, "published": rule})
    write_pyskl(motions, tmp_path / "x.pkl", ["xsetup", "published"])
    assert set(pickle.loads((tmp_path / "x.pkl").read_bytes())["split"]) == {"xset_train", "xset_val", "train", "val"}
    assert read_pyskl(tmp_path / "x.pkl").splits == {"xsetup": rule, "published": rule}


def test_motions_without_names_are_numbered(tmp_path):
    write_pyskl(a_set(clip=()), tmp_path / "x.pkl", ["xsub"])
    again = read_pyskl(tmp_path / "x.pkl")
    assert again.clip[7] == "motion000007"
    np.testing.assert_array_equal(again.split("xsub")[0].motion, a_set().split("xsub")[0].motion[:, :, :7])


def test_real_motions_come_back_up_to_float16(shared, tmp_path):
    motions = read_motions(shared / "data" / "motion" / "nw_ucla.npz")
    names = tuple(f"{clip} {row}" for row, clip in enumerate(motions.clip))  # windows of one clip share its name
    write_pyskl(replace(motions, clip=names), tmp_path / "x.pkl", ["xview"])
    again = read_pyskl(tmp_path / "x.pkl")
    np.testing.assert_array_equal(again.motion, motions.motion.astype(np.float16).astype(np.float32))
    assert [len(side) for side in again.split("xview")] == [len(side) for side in motions.split("xview")]
    write_pyskl(again, tmp_path / "y.pkl")
    np.testing.assert_array_equal(read_pyskl(tmp_path / "y.pkl").motion, again.motion)


def test_coordinates_are_rounded_to_float16(tmp_path):
    motions = a_set()
    moved = replace(motions, motion=np.where(motions.motion == 0, 0, motions.motion + np.float32(1e-5)))
    write_pyskl(moved, tmp_path / "x.pkl")
    again = read_pyskl(tmp_path / "x.pkl")
    np.testing.assert_array_equal(again.motion, moved.motion.astype(np.float16).astype(np.float32))
    assert np.abs(again.motion - moved.motion).max() < 1e-3


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_set_comes_back(tmp_path_factory, data):
    skeleton = data.draw(st.sampled_from([NTU25, NTU25_2D, COCO17]))
    n, t = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    shape = (n, skeleton.channels, t, len(skeleton.joints))
    motion, partner = rng.uniform(-100, 100, (2, *shape)).astype(np.float16).astype(np.float32)
    frames = rng.integers(1, t + 1, n)
    frames[0] = t
    for row in range(n):
        motion[row, :, frames[row] :] = partner[row, :, frames[row] :] = 0
    names = tuple(data.draw(st.lists(st.text(max_size=8), min_size=n, max_size=n)))
    label = rng.integers(0, 3, n)
    label[0] = 2
    motions = MotionSet(motion, label, ("A1", "A2", "A3"), skeleton, clip=names, partner=partner)
    motions = replace(motions, columns={"frames": frames} if (frames < t).any() else {})
    path = tmp_path_factory.mktemp("any") / "x.pkl"
    write_pyskl(motions, path)
    assert_same_motions(read_pyskl(path), motions)


def test_motions_that_could_not_be_read_again_are_not_written(tmp_path):
    path = tmp_path / "x.pkl"
    wide = MotionSet(np.ones((2, 3, 4, 16), np.float32), np.zeros(2, int), ("a",), H36M16)
    with pytest.raises(ValueError, match=r"x\.pkl: motions have 16 x 3 coordinates a frame, expected"):
        write_pyskl(wide, path)
    with pytest.raises(ValueError, match="there are no motions"):
        write_pyskl(a_set().select([]), path)
    with pytest.raises(ValueError, match=r"ends in \.pkl"):
        write_pyskl(a_set(), tmp_path / "x.npz")
    with pytest.raises(ValueError, match=r"x\.pkl: ntu60 has no split 'xsetup'"):
        write_pyskl(a_set(), path, ["xsetup"])
    with pytest.raises(ValueError, match="two motions are called 'b'; a split goes by names"):
        write_pyskl(a_set(clip=("a", "b", "b", *"cdefg")), path, ["xsub"])
    with pytest.raises(ValueError, match="but its label is 3 instead of 0"):
        write_pyskl(a_set(clip=(*NAMES[:7], NAMES[0])), path)
    for where, value in (("motion", np.nan), ("partner", 1e5)):
        motions = a_set()
        getattr(motions, where)[4, 0, 0, 0] = value
        with pytest.raises(ValueError, match=r"x\.pkl: motion 4 has coordinates that float16 does not hold"):
            write_pyskl(motions, path)
    assert list(tmp_path.iterdir()) == []
