"""Tests of kinetic/motion/stored.py: motions that stay on the disk."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from kinetic.motion.changes import Stretch
from kinetic.motion.stored import StoredMotion, is_stored, release


@pytest.fixture
def file(tmp_path):
    """Eight motions on the disk; every coordinate of motion i is i."""
    values = np.broadcast_to(np.arange(8, dtype=np.float32)[:, None, None, None], (8, 3, 5, 2))
    np.save(tmp_path / "motion.npy", values)
    return np.load(tmp_path / "motion.npy", mmap_mode="r")


def rows_of(motion: np.ndarray) -> list[int]:
    return [int(value) for value in motion[:, 0, 0, 0]]


@pytest.mark.parametrize(
    "key",
    [
        slice(None),
        slice(2, 5),
        slice(None, None, 3),
        slice(3, 3),
        [5, 1, 1],
        np.arange(8) % 2 == 0,
        np.array([7]),
        3,
        np.int64(-1),
        (slice(1, 3), 0),
        (2, slice(None), 4),
        (..., 0),
        ([1, 2], ..., slice(0, 1)),
    ],
)
def test_it_is_indexed_like_the_array_in_the_file(file, key):
    motion = StoredMotion(file)[key]
    assert type(motion) is np.ndarray
    np.testing.assert_array_equal(motion, np.array(file)[key])


def test_rows_are_taken_in_any_order(file):
    stored = StoredMotion(file).taken(np.array([6, 2, 4, 0])).taken(slice(1, None))
    assert stored.shape == (3, 3, 5, 2)
    assert rows_of(stored[:]) == [2, 4, 0]
    assert rows_of(np.asarray(stored)) == [2, 4, 0]
    assert [int(motion[0, 0, 0]) for motion in stored] == [2, 4, 0]


def test_changes_get_the_numbers_of_their_motions(file):
    numbers = []

    def note(part, rows):
        numbers.append(rows.tolist())
        return part[:, :, :2] + 100

    stored = StoredMotion(file).taken(np.array([6, 2, 4])).changed(note, frames=2).taken([2, 0])
    assert stored.shape == (2, 3, 2, 2)
    assert numbers == []
    assert rows_of(stored[:]) == [104, 106]
    assert numbers == [[2, 0]]


def test_changes_are_applied_in_order(file):
    stored = StoredMotion(file).changed(lambda part, rows: part + 1).changed(lambda part, rows: part * 10)
    assert rows_of(stored[:3]) == [10, 20, 30]
    assert rows_of(np.array(file)[:3]) == [0, 1, 2]


def test_other_types_become_float32(tmp_path):
    np.save(tmp_path / "half.npy", np.ones((2, 3, 4, 5), np.float16))
    motion = StoredMotion(np.load(tmp_path / "half.npy", mmap_mode="r"))[:]
    assert motion.dtype == np.float32


def test_motions_on_the_disk_are_recognised(file):
    assert is_stored(file)
    assert is_stored(file[2:4, :, :3])
    assert is_stored(StoredMotion(file))
    assert is_stored(np.asarray(file))
    assert not is_stored(np.array(file))


def test_releasing_changes_no_value(file):
    release(file)
    release(np.zeros(3))
    np.testing.assert_array_equal(file[3], np.full((3, 5, 2), 3))


@pytest.mark.parametrize("part", [slice(None), slice(2, 7), (slice(1, None, 2), slice(None), slice(1, 4))], ids=str)
def test_another_process_opens_the_file_itself(file, part):
    stored = StoredMotion(file[part]).taken([2, 0]).changed(Stretch(np.array([3, 2]), 4), frames=4)
    sent = pickle.dumps(stored)
    again = pickle.loads(sent)
    assert len(sent) < 3000
    np.testing.assert_array_equal(again[:], stored[:])
    assert again.shape == stored.shape
    assert is_stored(again)


def test_a_deep_copy_is_the_object_itself(file):
    stored = StoredMotion(file)
    assert copy.deepcopy(stored) is stored


def test_changes_in_a_private_map_are_not_lost(file):
    private = np.load(file.filename, mmap_mode="c")
    private -= 3
    release(private)
    assert private[5, 0, 0, 0] == 2
    StoredMotion(private)[:]
    assert private[5, 0, 0, 0] == 2
