"""Tests of kinetic/motion/dataset.py."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from toys import some_motions

from kinetic.formats.reading import read_motions
from kinetic.motion.storage import write_motions


@pytest.fixture
def stored(tmp_path):
    write_motions(some_motions(), tmp_path / "folder")
    return read_motions(tmp_path / "folder")


def test_an_item_is_a_motion_and_its_label():
    motions = some_motions()
    dataset = motions.as_dataset()
    assert len(dataset) == 12
    motion, label = dataset[4]
    assert (motion.shape, motion.dtype, label.shape, label.dtype) == ((3, 4, 3), torch.float32, (), torch.int64)
    assert torch.equal(motion, torch.as_tensor(motions.motion[4]))
    assert label == 1


def test_a_change_of_a_tensor_leaves_the_set_alone():
    motions = some_motions()
    expected = motions.motion.copy()
    motions.as_dataset()[0][0].zero_()
    np.testing.assert_array_equal(motions.motion, expected)


def test_rows_that_do_not_exist_are_refused(stored):
    for motions in (some_motions(), stored):
        with pytest.raises(IndexError):
            motions.as_dataset()[12]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_every_motion_in_order(stored, workers):
    for motions in (some_motions(), stored, stored.resampled(7)[[3, 1, 8]]):
        batches = list(DataLoader(motions.as_dataset(), batch_size=5, num_workers=workers))
        np.testing.assert_array_equal(torch.cat([motion for motion, _ in batches]), np.asarray(motions.motion))
        assert torch.cat([label for _, label in batches]).tolist() == motions.label.tolist()
        assert batches[0][0].dtype == torch.float32


def test_a_batch_is_read_at_once(stored, monkeypatch):
    reads = []
    dataset = stored.as_dataset()
    read = type(dataset.motion)._read
    monkeypatch.setattr(
        type(dataset.motion), "_read", lambda motion, rows: reads.append(len(rows)) or read(motion, rows)
    )
    list(DataLoader(dataset, batch_size=5))
    assert reads == [5, 5, 2]


def test_another_process_opens_the_file_for_itself(stored):
    sent = pickle.dumps(stored.as_dataset())
    assert len(sent) < 3000
    assert torch.equal(pickle.loads(sent)[3][0], stored.as_dataset()[3][0])


def test_the_set_itself_is_a_dataset_too():
    motions = some_motions()
    motion, label = next(iter(DataLoader(motions, batch_size=4)))
    np.testing.assert_array_equal(motion, motions.motion[:4])
    assert label.tolist() == [0, 1, 2, 0]
