"""Tests of kinetic/formats/reading.py and kinetic/motion/arrays.py."""

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
from toys import assert_same_motions, some_motions

from kinetic.formats.reading import read_motions
from kinetic.motion import arrays
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.skeleton import NTU25

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


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MAX_RATIO", (1 << 20, 200))
    parts = members(some_motions(), tmp_path / "good.npz")
    swelling = npy("<f4", (50_000, 3, 4, 3), b"\0" * (50_000 * 144))
    path = pack(tmp_path / "bad.npz", {**parts, "motion.npy": swelling})
    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match=r"bad\.npz: motion claims 6\.9 MiB in"):
        read_motions(path)


def test_a_zip_with_a_false_size_is_refused(tmp_path):
    parts = members(some_motions(), tmp_path / "good.npz")
    claim = npy("<f4", (1 << 20, 3, 4, 3), b"")
    path = pack(tmp_path / "bad.npz", {**parts, "motion.npy": claim})
    size, lie = len(claim), len(claim) + (1 << 20) * 144
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), lie.to_bytes(4, "little")))
    with pytest.raises(ValueError, match=r"bad\.npz: motion claims 144\.0 MiB in"):
        read_motions(path)


def test_an_array_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    write_motions(some_motions(), tmp_path / "a.npz")
    monkeypatch.setattr("kinetic.motion.arrays.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"motion is 1728 bytes, more than the 1000 bytes"):
        read_motions(tmp_path / "a.npz")


def test_letters_outside_unicode_are_refused(tmp_path):
    parts = members(some_motions(), tmp_path / "good.npz")
    path = pack(tmp_path / "bad.npz", {**parts, "meta.npy": npy("<U2", (), b"\xff" * 8)})
    with pytest.raises(ValueError, match=r"bad\.npz: meta holds letters outside Unicode"):
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
        ("fps", float("nan"), "found NaN, expected finite numbers"),
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


def test_an_unknown_file_is_described_and_the_known_kinds_are_listed(tmp_path):
    (tmp_path / "page.html").write_text("<html>")
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    os.mkfifo(tmp_path / "pipe")
    os.symlink("/dev/zero", tmp_path / "zero")
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        for number in range(1200):
            archive.writestr(f"nturgb+d_skeletons/{number}.skeleton", "1")
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "train_data.npy").write_bytes(b"")
    (tmp_path / "published" / "train_label.pkl").write_bytes(b"")
    (tmp_path / "unpacked").mkdir()
    for part in ("motion", "label", "meta"):
        np.save(tmp_path / "unpacked" / f"{part}.npy", np.zeros(3))
    for name, message in {
        "page.html": "begins with b'<html>'; expected one of: .*labels.npy",
        "nothing": "an empty file",
        "empty": "an empty folder",
        "other.npz": "a zip file with x.npy",
        "raw.zip": "is an archive of raw recordings; `kinetic data build ntu",
        "published": "a folder with train_data.npy, train_label.pkl; expected one of",
        "unpacked": "a folder with label.npy, meta.npy, motion.npy; expected one of",
        "pipe": "neither",
        "zero": "neither",
    }.items():
        with pytest.raises(ValueError, match=f"{name}: .*{message}"):
            read_motions(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="absent"):
        read_motions(tmp_path / "absent")


def test_coordinates_that_are_not_finite_are_read_on_request(tmp_path):
    motions = some_motions()
    for name, part in (("motion", "motion.npy"), ("pair", "partner.npy")):
        write_motions(replace(motions, partner=motions.motion), tmp_path / name)
        array = np.load(tmp_path / name / part)
        array[2, 0, 1, 1] = np.nan
        np.save(tmp_path / name / part, array)
        with pytest.raises(ValueError, match="NaN or infinite"):
            read_motions(tmp_path / name)
        opened = read_motions(tmp_path / name, finite=False)
        assert np.isnan(opened.motion if name == "motion" else opened.partner).sum() == 1


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
            # the directory at the end holds the sizes
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
def test_a_real_file_comes_back_from_our_formats(shared, tmp_path, suffix):
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
