"""Tests of kinetic/formats/human36m.py: Human3.6M in the files of VideoPose3D."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from kinetic.evaluation.inspection import inspect
from kinetic.formats import mocap
from kinetic.formats.human36m import read_human36m
from kinetic.skeleton import COCO17, H36M16


def space(frames, joints=32, first=0.0):
    """Each joint stands at (its number, frame, 1000 + its number)."""
    positions = np.empty((frames, joints, 3), dtype=np.float32)
    positions[..., 0], positions[..., 1], positions[..., 2] = (
        np.arange(joints),
        np.arange(frames)[:, None],
        1000 + np.arange(joints),
    )
    return positions + np.float32(first)


POSITIONS = {
    "S1": {"Walking 1": space(130), "Walking": space(64), "Photo 1": space(70)},
    "S9": {"TakingPhoto 2": space(64)},
    "S11": {"Eating": space(20)},
}


def npz(path, **objects):
    np.savez_compressed(path, **{name: np.array(value, dtype=object) for name, value in objects.items()})
    return path


def written(path, value, protocol, name="positions_3d"):
    """The file that numpy would write with another protocol of pickles."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    pickle.dump(np.array(value, dtype=object), file, protocol=protocol)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.npy", file.getvalue())
    return path


def test_recordings_become_windows(tmp_path):
    motions = read_human36m(npz(tmp_path / "a.npz", positions_3d=POSITIONS))
    assert motions.shape == (5, 3, 64, 16) and motions.fps == 50 and motions.skeleton == H36M16
    assert motions.class_names == ("Photo", "Walking")
    assert motions.counts() == {"Photo": 2, "Walking": 3}
    assert motions.clip == ("S1 Walking 1", "S1 Walking 1", "S1 Walking", "S1 Photo 1", "S9 TakingPhoto 2")
    assert motions.columns["start"].tolist() == [0, 64, 0, 0, 0]
    assert [motions.subject_names[i] for i in motions.subject] == ["S1"] * 4 + ["S9"]
    train, test = motions.split("xsub")
    assert len(train) == 4 and len(test) == 1 and motions.view is None


def test_joints_and_axes_are_those_of_the_skeleton(tmp_path):
    motions = read_human36m(npz(tmp_path / "a.npz", positions_3d=POSITIONS))
    joints = [0, 1, 2, 3, 6, 7, 8, 12, 13, 15, 17, 18, 19, 25, 26, 27]
    assert motions.motion[1, 0, 0].tolist() == joints  # x
    assert motions.motion[1, 1, 0].tolist() == [1000 + joint for joint in joints]  # y is what z was
    assert motions.motion[1, 2, :, 0].tolist() == [-(64 + frame) for frame in range(64)]  # z is the opposite of y


@pytest.mark.parametrize(("joints", "kept"), [(17, [*range(9), *range(10, 17)]), (16, list(range(16)))])
def test_fewer_joints_are_taken_too(tmp_path, joints, kept):
    file = npz(tmp_path / "a.npz", positions_3d={"S1": {"Walking": space(4, joints)}})
    assert read_human36m(file, 4).motion[0, 0, 0].tolist() == kept


def test_whole_recordings_are_padded(tmp_path):
    motions = read_human36m(npz(tmp_path / "a.npz", positions_3d=POSITIONS), None)
    assert motions.shape == (5, 3, 130, 16)
    assert motions.columns["frames"].tolist() == [130, 64, 70, 64, 20]
    assert not motions.motion[1, :, 64:].any() and motions.motion[1, :, :64].any()


def test_every_takes_each_nth_frame(tmp_path):
    motions = read_human36m(npz(tmp_path / "a.npz", positions_3d=POSITIONS), 30, every=2)
    assert motions.fps == 25 and motions.columns["start"].tolist() == [0, 60, 0, 0, 0]
    assert motions.motion[0, 2, :3, 0].tolist() == [0, -2, -4]


def test_pixels_become_shares_of_the_width_of_the_picture(tmp_path):
    flat = np.zeros((3, 17, 2), dtype=np.float32)
    flat[:] = [[1000, 1002]]
    flat[1] = [500, 501]
    metadata = {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": [[4], [1]]}
    positions = {"S1": {"Sitting 1": [flat, flat + 1]}, "S9": {"Sitting": [flat]}}
    motions = read_human36m(npz(tmp_path / "a.npz", positions_2d=positions, metadata=metadata), 3)
    assert motions.shape == (3, 2, 3, 16) and motions.view.tolist() == [1, 2, 1]
    assert motions.motion[0, :, 0, 0] == pytest.approx([1, -1.002])  # right and below
    assert motions.motion[0, :, 1, 0].tolist() == [0, 0]
    assert motions.skeleton.bones == H36M16.bones and motions.skeleton.channels == 2


def test_key_points_of_coco_stay(tmp_path):
    positions = {"S1": {"Sitting": [np.full((3, 17, 2), 400, dtype=np.float32)]}}
    file = npz(tmp_path / "a.npz", positions_2d=positions, metadata={"layout_name": "coco"})
    assert read_human36m(file, 3).skeleton == COCO17


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_every_protocol_are_read(tmp_path, protocol):
    positions = {"S1": {"Walking 1": space(300), "Walking": np.asfortranarray(space(5))}, "S5": {"Walking": space(700)}}
    motions = read_human36m(written(tmp_path / "a.npz", positions, protocol), 5)
    plain = read_human36m(npz(tmp_path / "b.npz", positions_3d=positions), 5)
    assert len(motions) == 201 and np.array_equal(motions.motion, plain.motion)


def test_one_array_in_two_places_is_read_twice(tmp_path):
    same = space(5)
    motions = read_human36m(npz(tmp_path / "a.npz", positions_3d={"S1": {"A": same}, "S5": {"A": same}}), 5)
    assert np.array_equal(motions.motion[0], motions.motion[1])


class Exploit:
    def __reduce__(self):
        return os.system, ("touch it-was-run",)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "value", [Exploit(), {"S1": {"A": Exploit()}}, {"S1": Exploit()}, {Exploit: 1}, {"S1": {"A": print}}]
)
def test_nothing_is_run(tmp_path, monkeypatch, protocol, value):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="names .*which is not run"):
        read_human36m(written(tmp_path / "a.npz", value, protocol))
    assert not os.path.exists("it-was-run")


def test_nothing_before_or_after_the_object_is_run(tmp_path):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    head = file.getvalue()
    good = pickle.dumps(np.array({}, dtype=object), protocol=4)
    attack = b"cposix\nsystem\n(S'true'\ntR"
    for data in (
        attack + b".",
        good[:2] + attack + good[2:],
        good[:-1] + attack + b".",
        good[:-5] + attack + good[-5:],
    ):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("positions_3d.npy", head + data)
        with pytest.raises(ValueError, match="not run|one object|leaves"):
            read_human36m(tmp_path / "a.npz")


def flat(**changes):
    return {"S1": {"A": [np.full((3, 17, 2), 400.0)]}} | changes


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ({"other": 1}, "expected positions_3d"),
        ({"positions_3d": [1, 2]}, "header .* expected one object"),
        ({"positions_3d": {"S1": [1]}}, "positions_3d of S1 holds a list"),
        ({"positions_3d": {1: {}}}, "expected a mapping by name"),
        ({"positions_3d": {"S1": {"A": space(64, 31)}}}, r"'A' has shape \(64, 31, 3\), expected \(T, 32 or 17 or 16"),
        ({"positions_3d": {"S1": {"A": space(64)[0]}}}, "expected an array"),
        ({"positions_3d": {"S1": {"A": space(64).astype(int)}}}, "array of int64"),
        ({"positions_3d": {"S1": {"A": space(63)}}}, "no recording of 64 frames; the longest of 1 has 63"),
        ({"positions_3d": {}}, "no recording"),
        ({"positions_3d": {"S1": {"A": space(64, first=np.nan)}}}, "NaN"),
        ({"positions_2d": flat(S1={"A": space(3)})}, "expected a list with an array for each of 4 cameras"),
        ({"positions_2d": flat(), "metadata": {"layout_name": "mpii"}}, "layout 'mpii'"),
        ({"positions_2d": flat(S1={"A": [np.full((3, 17, 2), 0.5)]})}, "expected pixels"),
    ],
)
def test_other_contents_are_refused(tmp_path, objects, message):
    with pytest.raises(ValueError, match=message):
        read_human36m(npz(tmp_path / "a.npz", **objects))


def test_damaged_files_are_refused(tmp_path):
    file = npz(tmp_path / "a.npz", positions_3d={"S1": {"A": space(70)}})
    with zipfile.ZipFile(file) as archive:
        data = archive.read("positions_3d.npy")
    rng = np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(data[: rng.integers(1, len(data))] if rng.random() < 0.3 else data)
        for place in rng.integers(0, min(len(broken), 1500), 3):
            broken[place] = rng.integers(256)
        with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
            archive.writestr("positions_3d.npy", bytes(broken))
        try:
            read_human36m(tmp_path / "b.npz")
        except ValueError:
            pass


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_only_what_numpy_writes_is_unpacked(tmp_path, method):
    file = npz(tmp_path / "a.npz", positions_3d={"S1": {"A": space(70)}})
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(tmp_path / "b.npz", "w", method) as other:
        other.writestr("positions_3d.npy", archive.read("positions_3d.npy"))
    data = bytearray((tmp_path / "b.npz").read_bytes())
    (tmp_path / "c.npz").write_bytes(data[:100] + bytes(200) + data[300:])
    for name in ("b.npz", "c.npz"):
        with pytest.raises(ValueError, match="compressed in a way that numpy does not use"):
            read_human36m(tmp_path / name)


def test_members_larger_than_the_file_are_refused(tmp_path):
    file = npz(tmp_path / "a.npz", positions_3d={"S1": {"A": space(70)}})
    data = bytearray(file.read_bytes())
    at = data.rindex(b"PK\1\2")
    data[at + 20 : at + 28] = (1 << 29).to_bytes(4, "little") * 2
    file.write_bytes(data)
    with pytest.raises(ValueError, match="positions_3d claims 512.0 MiB in a file of"):
        read_human36m(file)


def test_a_pipe_is_not_opened(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "a.npz")
    monkeypatch.setattr(zipfile, "ZipFile", lambda path: pytest.fail("opened"))
    with pytest.raises(ValueError, match="not a plain file"):
        read_human36m(tmp_path / "a.npz")


def test_nested_lists_are_not_formatted_whole(tmp_path):
    layout = ["lol"]
    for _ in range(4):
        layout = [layout] * 9
    file = npz(tmp_path / "a.npz", positions_2d=flat(), metadata={"layout_name": layout})
    with pytest.raises(ValueError, match=r"has key points of layout \[\[.*, expected h36m or coco") as refusal:
        read_human36m(file)
    assert len(str(refusal.value)) < 300


def test_motions_that_exceed_the_memory_limit_are_refused(tmp_path, monkeypatch):
    array = space(40)
    many = npz(
        tmp_path / "a.npz", positions_3d={"S1": {f"A {i}": array for i in range(50)}}
    )  # the pickle holds it once
    monkeypatch.setattr(mocap, "MAX_BYTES", 4 * 3 * 16 * 40 * 30)
    with pytest.raises(ValueError, match="31 motions are .* more than"):
        read_human36m(many)
    uneven = {"long": space(1000), **{f"short {i}": space(1) for i in range(20)}}
    with pytest.raises(ValueError, match="21 motions are .* more than"):
        read_human36m(npz(tmp_path / "b.npz", positions_3d={"S1": uneven}), None)


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("positions_3d.npy", "w", force_zip64=True) as file:
            for _ in range(30):
                file.write(bytes(1 << 20))
    monkeypatch.setattr("kinetic.formats.human36m.LARGEST", 20 << 20)
    with pytest.raises(ValueError, match="claims 30.0 MiB"):
        read_human36m(tmp_path / "a.npz")


@pytest.mark.parametrize("options", [{"frames": 0}, {"every": 0}])
def test_impossible_requests_are_refused(tmp_path, options):
    with pytest.raises(ValueError, match="at least 1"):
        read_human36m(tmp_path / "a.npz", **options)


def test_inspection_takes_them(tmp_path):
    motions = read_human36m(npz(tmp_path / "a.npz", positions_3d=POSITIONS))
    assert "units" in {fault.what for fault in inspect(motions)}  # these joints are thousands of metres apart
