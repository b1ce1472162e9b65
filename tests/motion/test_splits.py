"""Tests of kinetic/motion/splits.py."""

from __future__ import annotations

import numpy as np
from toys import some_motions

from kinetic.motion.splits import SPLITS, natural_order


def test_without_a_protocol_every_second_person_trains():
    motions = some_motions(source="own", subject_names=("10", "9", "1", "2"))
    assert motions.split_rules()["xsub"] == {"by": "subject", "train": ["1", "9"], "test": ["2", "10"]}
    numbered = some_motions(source="own", subject_names=(), subject=np.arange(12) % 5 * 10)
    assert numbered.split_rules()["xsub"]["train"] == [0, 20, 40]


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


def test_numbers_in_names_are_sorted_by_value():
    assert sorted(["p10", "p2", "10", "a", "9"], key=natural_order) == ["9", "10", "a", "p2", "p10"]
