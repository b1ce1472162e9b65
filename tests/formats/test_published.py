"""Tests of kinetic/formats/published.py: files as Kinetic-GAN and ST-GCN write them."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinetic.formats import published
from kinetic.formats.published import label_files, read_published, write_published
from kinetic.formats.reading import read_motions
from kinetic.motion import arrays
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.skeleton import COCO17, H36M16, NTU25, NTU25_2D

NAMES = [f"S{i % 3 + 1:03}C{i % 2 + 1:03}P{i // 2 + 1:03}R001A{i % 4 + 1:03}.skeleton" for i in range(8)]
LABELS = [i % 4 for i in range(8)]


def some_array(n: int = 8, c: int = 3, t: int = 6, v: int = 25, m: int = 0) -> np.ndarray:
    shape = (n, c, t, v, m) if m else (n, c, t, v)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def publish(
    folder: Path, array: np.ndarray | None = None, labels=LABELS, name: str = "train", protocol: int = 2
) -> Path:
    """A pair of files as the published code reads them."""
    np.save(folder / f"{name}_data.npy", some_array() if array is None else array)
    (folder / f"{name}_label.pkl").write_bytes(pickle.dumps(labels, protocol))
    return folder / f"{name}_data.npy"


# ------------------------------------------------------------------------------------------------------------- shapes


def test_generated_files_open_as_generate_py_writes_them(tmp_path, shared):
    golden = np.load(shared / "data" / "reference" / "golden.npz")
    motion, label = golden["motion"], golden["label"]
    np.save(tmp_path / "60_1000__gen_data.npy", np.expand_dims(motion, axis=-1))
    both = np.concatenate((np.expand_dims(label, 0), np.expand_dims(label, 0)), axis=0)
    with open(tmp_path / "60_1000__gen_label.pkl", "wb") as file:
        pickle.dump(both, file)
    motions = read_motions(tmp_path / "60_1000__gen_data.npy")
    np.testing.assert_array_equal(motions.motion, motion)
    np.testing.assert_array_equal(motions.label, label)
    assert motions.skeleton == NTU25 and motions.fps == 30 and motions.source == "" and motions.columns == {}
    assert motions.class_names == tuple(f"A{number}" for number in range(1, 61))
    assert motions.clip == () and motions.subject is None
    assert motions.notes == {
        "labels": "60_1000__gen_label.pkl",
        "classes": "numbers",
        "fps": "assumed",
        "range": [-1.0, 1.0],
        "file_range": [-1.0, 1.0],
        "bodies": 1,
        "partners": 0,
        "file_frames": 64,
        "padded": 0,
        "empty": 0,
        "gaps": 0,
    }


@pytest.mark.parametrize(("c", "v", "skeleton"), [(3, 25, NTU25), (2, 25, NTU25_2D), (3, 16, H36M16)])
@pytest.mark.parametrize("bodies", [0, 1, 2])
def test_channels_and_joints_give_the_skeleton(tmp_path, c, v, skeleton, bodies):
    array = some_array(c=c, v=v, m=bodies)
    motions = read_motions(publish(tmp_path, array))
    assert motions.skeleton == skeleton
    assert motions.notes["bodies"] == max(1, bodies)
    assert motions.notes["partners"] == (8 if bodies == 2 else 0)
    np.testing.assert_array_equal(motions.motion, array[..., 0] if bodies else array)


@pytest.mark.parametrize("shape", [(8, 6, 25, 3), (8, 2, 6, 16), (8, 3, 6, 17), (8, 75), (8, 3, 6, 25, 1, 1), (8, 512)])
def test_other_shapes_are_refused(tmp_path, shape):
    path = publish(tmp_path, np.ones(shape, dtype=np.float32))
    with pytest.raises(ValueError, match=r"train_data\.npy: has shape \(8, .*expected \(N, C, T, V\) or"):
        read_motions(path)


def test_motions_stay_on_disk(tmp_path):
    for bodies in (0, 2):
        motions = read_motions(publish(tmp_path, some_array(m=bodies)))
        assert isinstance(motions.motion, np.memmap) and not motions.motion.flags.writeable


@pytest.mark.parametrize("kind", ["f2", ">f4", "f8"])
def test_other_floats_become_float32(tmp_path, kind):
    array = some_array(m=2).astype(kind)
    motions = read_motions(publish(tmp_path, array))
    np.testing.assert_array_equal(motions.motion, array[..., 0].astype(np.float32))
    assert motions.notes["range"] == [motions.motion.min(), motions.motion.max()]


def test_other_floats_than_float32_must_fit_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "MAX_BYTES", 1000)
    assert len(read_motions(publish(tmp_path))) == 8
    with pytest.raises(ValueError, match="has type float64; 28800 bytes must be float32 to be mapped"):
        read_motions(publish(tmp_path, some_array().astype(np.float64)))


def test_a_set_goes_through_our_own_files(tmp_path):
    array = some_array()
    array[3, :, 4:] = 0
    motions = read_motions(publish(tmp_path, array, (NAMES, LABELS)))
    write_motions(motions, tmp_path / "own.npz")
    again = read_motions(tmp_path / "own.npz")
    np.testing.assert_array_equal(again.motion, motions.motion)
    np.testing.assert_array_equal(again.columns["frames"], motions.columns["frames"])
    assert again.notes == motions.notes and again.clip == motions.clip and again.source == motions.source


# ------------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        tuple(LABELS),
        np.array(LABELS),
        np.array(LABELS, dtype=np.uint8),
        list(np.array(LABELS)),
        np.array([LABELS, LABELS]),
        [LABELS, LABELS],
        np.array([[9] * 8, LABELS]),
        (NAMES, LABELS),
        [NAMES, np.array(LABELS)],
        (np.array(NAMES), list(np.array(LABELS))),
        ([name.encode() for name in NAMES], LABELS),
        (np.array(NAMES, dtype=bytes), LABELS),
        np.array([NAMES, LABELS]),  # text
    ],
    ids=range(14),
)
def test_all_forms_of_labels_are_read(tmp_path, labels):
    motions = read_motions(publish(tmp_path, labels=labels))
    assert motions.label.tolist() == LABELS
    assert motions.class_names == ("A1", "A2", "A3", "A4")
    named = "S001" in str(labels)
    assert motions.clip == (tuple(NAMES) if named else ())
    assert motions.source == ("ntu60" if named else "")


def test_two_motions_are_no_pair(tmp_path):
    assert read_motions(publish(tmp_path, some_array(2), [1, 0])).label.tolist() == [1, 0]
    assert read_motions(publish(tmp_path, some_array(2), (["a", "b"], [1, 0]))).clip == ("a", "b")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:-1], "holds 7 labels, expected 8, one for each motion"),
        (np.array([LABELS[:-1]] * 2), "holds 7 labels"),
        ((NAMES[:-1], LABELS), "holds 7 names and 8 labels"),
        (np.array(LABELS, dtype=np.float32), "labels of type float32, expected .names, labels."),
        ([0.0] * 8, "labels of type float"),
        ([True] * 8, "labels of type bool"),
        (["walk"] * 8, "labels of type str"),
        ((NAMES, NAMES), "labels of type str"),
        (np.array([NAMES, ["walk"] * 8]), "labels of type <U"),
        (np.array(LABELS).reshape(1, 8), r"an array of int64 and shape \(1, 8\), expected"),
        (np.array(3), r"an array of int64 and shape \(\)"),
        ({"label": LABELS}, "holds a dict"),
        (None, "holds nothing"),
        ([], "holds no labels"),
        ((NAMES, LABELS, LABELS), "labels of type list"),
        ([-1] * 8, r"label 0 is -1, expected 0 to 9999 \(8 such labels\)"),
        ([0] * 7 + [1 << 40], "label 7 is 1099511627776, expected 0 to 9999"),
        ([0] * 7 + [2**64 - 1], "beyond 64 bits"),
        (np.array([2**64 - 1] * 8, dtype=np.uint64), "label 0 is 18446744073709551615"),
        (os.system, "names '(posix|nt).system', which is not run"),
    ],
    ids=range(20),
)
def test_other_labels_are_refused(tmp_path, labels, message):
    path = publish(tmp_path, labels=labels)
    with pytest.raises(ValueError, match=rf"train_data\.npy: train_label\.pkl.*{message}"):
        read_motions(path)


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("train_data.npy", "train_label.pkl"),
        ("val_data.npy", "val_labels.npy"),
        ("60_1000_trunc0.95_gen_data.npy", "60_1000_trunc0.95_gen_label.pkl"),
        ("train_data_joint.npy", "train_label.pkl"),
        ("data.npy", "label.pkl"),
        ("data.npy", "labels.npy"),
        ("mine.npy", "mine_label.pkl"),
        ("mine.npy", "mine.pkl"),
        ("mine.npy", "mine_labels.npy"),
        ("mine.npy", "mine_label.npy"),
        ("train_data.npy", "train_data_label.pkl"),
    ],
)
def test_labels_lie_beside_the_motions(tmp_path, name, beside):
    np.save(tmp_path / name, some_array())
    with pytest.raises(ValueError, match=rf"has no labels beside it; looked for .*{beside}"):
        read_motions(tmp_path / name)
    if beside.endswith(".npy"):
        np.save(tmp_path / beside, np.array(LABELS))
    else:
        (tmp_path / beside).write_bytes(pickle.dumps(LABELS))
    motions = read_motions(tmp_path / name)
    assert motions.label.tolist() == LABELS and motions.notes["labels"] == beside


def test_bones_and_velocities_are_not_taken_for_joints():
    """2s-AGCN writes them to files of the same shape, with the same labels."""
    for name in ("train_data_bone.npy", "train_data_joint_motion.npy"):
        assert "train_label.pkl" not in [file.name for file in label_files(Path(name))]


def test_the_first_of_several_files_of_labels_is_read(tmp_path):
    path = publish(tmp_path)
    np.save(tmp_path / "train_labels.npy", np.zeros(8, dtype=int))
    assert read_motions(path).notes["labels"] == "train_label.pkl"


# -------------------------------------------------------------------------------------------------------------- names


def test_names_of_ntu_give_subjects_views_and_setups(tmp_path):
    motions = read_motions(publish(tmp_path, labels=(NAMES, LABELS)))
    assert motions.subject.tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert motions.view.tolist() == [1, 2] * 4
    assert motions.setup.tolist() == [1, 2, 3, 1, 2, 3, 1, 2]
    train, test = motions.split("xsub")
    assert set(train.subject) == {1, 2, 4} and set(test.subject) == {3}
    train, test = motions.split("xview")
    assert set(train.view) == {2} and set(test.view) == {1}


@pytest.mark.parametrize(
    ("name", "label", "source"),
    [
        ("S017C003P040R002A060", 59, "ntu60"),
        ("S018C003P040R002A060", 59, "ntu120"),
        ("S001C001P041R001A001", 0, "ntu120"),
        ("S032C003P106R002A120", 119, "ntu120"),
        ("/data/ntu/S001C001P001R001A061.skeleton", 60, "ntu120"),
        ("S001C001P001R001A121", 120, ""),
        ("S033C001P001R001A001", 0, ""),
        ("S001C004P001R001A001", 0, ""),
        ("S000C001P001R001A001", 0, ""),
    ],
)
def test_numbers_in_the_names_give_the_data_set(tmp_path, name, label, source):
    motions = read_motions(publish(tmp_path, labels=([name] * 8, [label] * 8)))
    assert motions.source == source
    assert motions.subject.tolist() == [int(name.split("P")[1][:3])] * 8
    assert ("xsub" in motions.split_rules()) == bool(source)


@pytest.mark.parametrize(
    "odd", ["walk", "S001C001P001R001", "S1C1P1R1A1", "S٠٠١C001P001R001A001", "xS001C001P001R001A001"]
)
def test_one_other_name_leaves_only_names(tmp_path, odd):
    names = [odd, *NAMES[1:]]
    motions = read_motions(publish(tmp_path, labels=(names, LABELS)))
    assert motions.clip == tuple(names) and motions.source == "" and motions.subject is None


def test_names_of_ntu_give_no_facts_about_another_skeleton(tmp_path):
    motions = read_motions(publish(tmp_path, some_array(v=16), (NAMES, LABELS)))
    assert motions.clip == tuple(NAMES) and motions.source == "" and motions.subject is None


def test_names_and_labels_must_agree(tmp_path):
    path = publish(tmp_path, labels=(NAMES, [*LABELS[:-1], 0]))
    with pytest.raises(ValueError, match=r"motion 7 is called 'S002.*A004\.skeleton', but its label is 0 instead of 3"):
        read_motions(path)


# -------------------------------------------------------------------------------------------------------- coordinates


def test_padding_that_all_share_is_cut_off(tmp_path):
    array = some_array(t=300, m=2)
    array[:, :, 64:] = 0
    motions = read_motions(publish(tmp_path, array))
    assert motions.shape == (8, 3, 64, 25) and isinstance(motions.motion, np.memmap)
    assert motions.columns == {} and motions.notes["padded"] == 0 and motions.notes["file_frames"] == 300


def test_padding_that_remains_is_counted_for_each_motion(tmp_path):
    array = some_array(t=10)
    array[:, :, 8:] = 0
    array[2, :, 5:] = 0
    array[5] = 0
    array[6, :, 3] = 0
    motions = read_motions(publish(tmp_path, array))
    assert motions.shape == (8, 3, 8, 25)
    assert motions.columns["frames"].tolist() == [8, 8, 5, 8, 8, 0, 8, 8]
    notes = {name: motions.notes[name] for name in ("padded", "empty", "gaps", "file_frames")}
    assert notes == {"padded": 2, "empty": 1, "gaps": 1, "file_frames": 10}


def test_one_coordinate_makes_a_frame(tmp_path):
    array = some_array(t=10)
    array[:, :, 5:] = 0
    array[0, 2, 8, 24] = 1e-30
    motions = read_motions(publish(tmp_path, array))
    assert motions.shape[2] == 9 and motions.columns["frames"].tolist() == [9, 5, 5, 5, 5, 5, 5, 5]
    assert motions.notes["gaps"] == 1


def test_the_second_body_is_the_partner_and_stays_on_disk(tmp_path):
    array = some_array(t=10, m=3)
    array[:, :, 5:, :, 0] = 0
    array[:, :, 8:, :, 1] = 0
    array[1:, ..., 1] = 0
    motions = read_motions(publish(tmp_path, array))
    assert motions.shape[2] == 8 and motions.columns["frames"].tolist() == [8] + [5] * 7
    np.testing.assert_array_equal(motions.partner, array[:, :, :8, :, 1])
    assert isinstance(motions.partner, np.memmap) and not motions.partner.flags.writeable
    assert motions.notes["partners"] == 1 and motions.notes["bodies"] == 3 and motions.notes["gaps"] == 0


def test_a_second_body_of_zeros_is_no_partner(tmp_path):
    array = some_array(m=2)
    array[..., 1] = 0
    motions = read_motions(publish(tmp_path, array))
    assert motions.partner is None and motions.notes["partners"] == 0


def test_a_file_of_zeros_is_refused(tmp_path):
    array = some_array(m=2)
    array[..., 0] = 0
    with pytest.raises(ValueError, match=r"train_data\.npy: holds nothing but zeros in its first bodies"):
        read_motions(publish(tmp_path, array))


def test_the_range_is_that_of_the_motions_and_of_the_file(tmp_path):
    array = some_array(t=4, m=2) + 3  # body 0 in 2 .. 4
    array[..., 1] = -7
    array[:, :, 3] = 0
    array[0, 0, 0, 0, 0], array[7, 2, 2, 24, 0] = 1.5, 9.25
    notes = read_motions(publish(tmp_path, array)).notes
    assert notes["range"] == [1.5, 9.25] and notes["file_range"] == [-7, 9.25]


def test_chunks_make_no_difference(tmp_path, monkeypatch):
    array = some_array(t=9, m=2)
    array[3:, :, 7:] = 0
    array[1] = 0
    path = publish(tmp_path, array)
    whole = read_motions(path)
    for size in (1, 12_000):
        monkeypatch.setattr(arrays, "CHUNK", size)
        parts = read_motions(path)
        assert parts.notes == whole.notes
        np.testing.assert_array_equal(parts.columns["frames"], whole.columns["frames"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_motions_that_are_not_finite_are_named(tmp_path, value):
    array = some_array(m=2)
    array[2, 1, 3, 4, 0] = value
    path = publish(tmp_path, array)
    with pytest.raises(
        ValueError, match=r"train_data\.npy: 1 of 8 motions hold NaN or infinite coordinates: motions 2"
    ):
        read_motions(path)
    with pytest.raises(ValueError, match="motions 2"):
        read_published(path)
    array[2, 1, 3, 4] = 0, value
    path = publish(tmp_path, array)
    with pytest.raises(ValueError, match=r"^partner: 1 of 8 motions hold NaN or infinite coordinates: motions 2"):
        read_published(path)
    array = some_array(m=3)
    array[2, 1, 3, 4, 2] = value  # a body that is not read
    notes = read_motions(publish(tmp_path, array)).notes
    assert notes["file_range"] is None and np.isfinite(notes["range"]).all()


def test_coordinates_beyond_float32_are_named(tmp_path):
    array = some_array().astype(np.float64)
    array[4, 0, 0, 0] = 1e300
    with pytest.raises(ValueError, match="motions 4"):
        read_motions(publish(tmp_path, array))


# ----------------------------------------------------------------------------------------------------------- writing


def a_set(n: int = 8, t: int = 6, partner: bool = False, **facts) -> MotionSet:
    array = some_array(n, t=t, m=2)
    array[3, :, 4:] = 0
    array[4, ..., 1] = 0
    classes = tuple(f"A{i + 1}" for i in range(4))
    second = array[..., 1] if partner else None
    return MotionSet(array[..., 0], np.array(LABELS[:n]), classes, NTU25, partner=second, **facts)


def assert_same_motions(one: MotionSet, other: MotionSet) -> None:
    np.testing.assert_array_equal(one.motion, other.motion)
    np.testing.assert_array_equal(one.label, other.label)
    assert (one.partner is None) == (other.partner is None)
    if one.partner is not None:
        np.testing.assert_array_equal(one.partner, other.partner)
    assert one.class_names == other.class_names and one.clip == other.clip


@pytest.mark.parametrize("bodies", [0, 1, 2])
@pytest.mark.parametrize("clip", [(), tuple(NAMES)])
@pytest.mark.parametrize("partner", [False, True])
def test_written_motions_come_back(tmp_path, monkeypatch, bodies, clip, partner):
    monkeypatch.setattr(arrays, "CHUNK", 5000)
    motions = a_set(partner=partner, clip=clip)
    write_published(motions, tmp_path / "val_data.npy", bodies=bodies)
    again = read_motions(tmp_path / "val_data.npy")
    assert_same_motions(again, motions if bodies == 2 else replace(motions, partner=None))
    assert again.columns["frames"].tolist() == [6, 6, 6, 4, 6, 6, 6, 6]
    assert np.load(tmp_path / "val_data.npy").shape == (8, 3, 6, 25, bodies)[: 5 if bodies else 4]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["val_data.npy", "val_label.pkl"]


@pytest.mark.parametrize(("c", "v", "skeleton"), [(2, 25, NTU25_2D), (3, 16, H36M16)])
def test_other_published_skeletons_are_written(tmp_path, c, v, skeleton):
    motions = MotionSet(some_array(c=c, v=v), np.array(LABELS), ("A1", "A2", "A3", "A4"), skeleton)
    write_published(motions, tmp_path / "x.npy", bodies=0)
    assert_same_motions(read_motions(tmp_path / "x.npy"), motions)


def test_real_motions_come_back(shared, tmp_path):
    motions = read_motions(shared / "data" / "motion" / "nw_ucla.npz")
    write_published(motions, tmp_path / "x_data.npy")
    again = read_motions(tmp_path / "x_data.npy")
    np.testing.assert_array_equal(again.motion, motions.motion)
    np.testing.assert_array_equal(again.label, motions.label)
    assert again.clip == motions.clip and again.partner is None


def test_the_labels_are_two_plain_lists_for_the_published_loaders(tmp_path):
    write_published(a_set(clip=tuple(NAMES)), tmp_path / "train_data.npy")
    data = (tmp_path / "train_label.pkl").read_bytes()
    assert data[:2] == b"\x80\x02" and b"numpy" not in data
    assert pickle.loads(data) == (NAMES, LABELS)
    write_published(a_set(), tmp_path / "train_data.npy")
    assert pickle.loads((tmp_path / "train_label.pkl").read_bytes()) == (LABELS, LABELS)


def test_a_set_on_the_disk_is_written_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "CHUNK", 1)
    array = some_array(m=2)
    motions = read_motions(publish(tmp_path, array))
    (tmp_path / "again").mkdir()
    write_published(motions, tmp_path / "again" / "train_data.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "again" / "train_data.npy"), array)


def test_motions_that_could_not_be_read_again_are_not_written(tmp_path):
    path = tmp_path / "train_data.npy"
    with pytest.raises(ValueError, match=r"train_data\.npy: motion 7 is called .*but its label is 3 instead of 0"):
        write_published(a_set(clip=(*NAMES[:7], NAMES[0])), path)
    with pytest.raises(ValueError, match="motions have 2 x 17 coordinates a frame, expected"):
        write_published(MotionSet(some_array(c=2, v=17), np.zeros(8, dtype=int), ("a",), COCO17), path)
    with pytest.raises(ValueError, match="there are no motions"):
        write_published(a_set().select([]), path)
    with pytest.raises(ValueError, match=r"ends in \.npy"):
        write_published(a_set(), tmp_path / "x.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["motion", "partner"])
def test_motions_that_are_not_finite_replace_no_file(tmp_path, where):
    path = tmp_path / "train_data.npy"
    write_published(a_set(), path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    motions = a_set(partner=True)
    getattr(motions, where)[5, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="motions 5"):
        write_published(motions, path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_an_array_that_claims_too_much_is_refused(tmp_path):
    path = publish(tmp_path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r"train_data\.npy: .*claims shape \(8, 3, 6, 25\)"):
        read_motions(path)
    np.save(path, np.array([None]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"type '\|O'"):
        read_motions(path)
    np.save(path, np.zeros((8, 3, 6, 25), dtype=int))
    with pytest.raises(ValueError, match="type int64, expected float16"):
        read_motions(path)
