"""Tests of kinetic/motion/storage.py: files of motions, and the writer of large ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys import ALONE, STICK, assert_same_motions, padded_motions, some_motions

from kinetic.formats.reading import read_motions
from kinetic.motion.storage import MotionWriter, restore_target, write_motions

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
    monkeypatch.setattr("kinetic.motion.coordinates.CHUNK", 400)
    monkeypatch.setattr("kinetic.motion.arrays.CHUNK", 100)
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


def writer(path: Path, n: int = 12, work: Path | None = None) -> MotionWriter:
    return MotionWriter(path, n, frames=4, class_names=("walk", "jump-up", "hand waving"), skeleton=STICK, work=work)


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
def test_an_unfinished_set_replaces_nothing(tmp_path, name):
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


def test_ctrl_c_between_the_renames_leaves_the_old_set(tmp_path, monkeypatch):
    motions, rename = some_motions(), os.rename
    write_motions(motions, tmp_path / "set")
    renames = []

    def interrupted(old, new):
        renames.append(new)
        if len(renames) == 2:
            raise KeyboardInterrupt
        rename(old, new)

    with pytest.raises(KeyboardInterrupt), writer(tmp_path / "set") as file:
        file.write(motions.motion, motions.label)
        monkeypatch.setattr(os, "rename", interrupted)
    assert len(renames) == 3
    assert_same_motions(read_motions(tmp_path / "set"), motions)
    assert [entry.name for entry in tmp_path.iterdir()] == ["set"]


def test_writers_work_in_the_folder_that_is_named(tmp_path):
    motions, work = some_motions(), tmp_path / "work"
    for error in (None, RuntimeError("out of power")):
        with suppress(RuntimeError), writer(tmp_path / "set", work=work) as file, writer(tmp_path / "other") as second:
            assert (work / "folder").is_dir()
            with pytest.raises(FileExistsError), writer(tmp_path / "set", work=work):
                pass
            for target in (file, second):
                target.write(motions.motion, motions.label)
            if error is not None:
                raise error
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other", "set"]


@pytest.mark.parametrize(
    ("content", "left", "expected"),
    [
        ("", ("folder", "old"), "old"),  # between the renames
        ("new", ("old",), "new"),  # after them
        ("", ("old",), ""),  # after them, and the result was removed since: the rest may be incomplete
        ("new", ("folder",), "new"),  # before them
        ("", ("folder",), ""),
        ("new", (), "new"),
    ],
)
def test_the_folder_of_a_killed_writer_is_removed_and_the_old_set_comes_back(tmp_path, content, left, expected):
    path, work = tmp_path / "set", tmp_path / "work"
    for folder, words in [(path, content)] * bool(content) + [(work / name, name) for name in left]:
        folder.mkdir(parents=True)
        (folder / "words").write_text(words)
    restore_target(path, work)
    assert (path / "words").read_text() == expected if expected else not path.exists()
    assert not work.exists()


WRITING = """
import sys, time
from toys import some_motions
from kinetic.cli.main import Stopped, _signals_stop
from kinetic.motion.storage import MotionWriter
motions = some_motions()
with _signals_stop(), MotionWriter(sys.argv[1], 100, frames=4, class_names=motions.class_names,
                                   skeleton=motions.skeleton) as writer:
    writer.write(motions.motion, motions.label)
    print("writing", flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize("name", ["set.npz", "set"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_stopped_writer_leaves_nothing_and_the_next_one_removes_what_a_killed_one_left(tmp_path, name, number):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parents[1], *sys.path)))}
    write_motions(some_motions(), tmp_path / name)
    command = [sys.executable, "-c", WRITING, str(tmp_path / name)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == b"writing\n"
        assert len(list(tmp_path.iterdir())) == 2
        process.send_signal(number)
    left = [entry.name for entry in tmp_path.iterdir() if entry.name != name]
    assert left == ([f".{name}.{process.pid}.tmp"] if number == signal.SIGKILL else [])
    write_motions(some_motions(5), tmp_path / name)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert len(read_motions(tmp_path / name)) == 5


def test_the_set_that_a_killed_writer_moved_away_comes_back(tmp_path):
    write_motions(some_motions(), tmp_path / "set")
    left = tmp_path / ".set.999999999.tmp"
    (left / "folder").mkdir(parents=True)
    (tmp_path / "set").rename(left / "old")
    with (
        pytest.raises(RuntimeError),
        MotionWriter(tmp_path / "set", 1, frames=4, class_names=("walk",), skeleton=STICK),
    ):
        raise RuntimeError
    assert_same_motions(read_motions(tmp_path / "set"), some_motions())
    assert [entry.name for entry in tmp_path.iterdir()] == ["set"]


def test_a_batch_must_fit_the_announced_set(tmp_path):
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
