"""Tests of kinetic/motion/concatenation.py, through `MotionSet.concatenate` and `+`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toys import STICK, assert_same_motions, padded_motions, some_motions

from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.skeleton import NTU25


def test_parts_of_a_set_make_the_set_again():
    motions = some_motions()
    assert_same_motions(motions[:5] + motions[5:], motions)
    assert_same_motions(MotionSet.concatenate([motions[:2], motions[2:2], motions[2:7], motions[7:]]), motions)
    assert_same_motions(MotionSet.concatenate([motions]), motions)
    assert_same_motions(MotionSet.concatenate(motions[row : row + 1] for row in range(12)), motions)


def test_classes_and_people_are_merged_by_name():
    first = some_motions(2, class_names=("walk", "run"), label=[0, 1], subject=[0, 1], subject_names=("anna", "ben"))
    second = some_motions(2, class_names=("sit", "walk"), label=[0, 1], subject=[1, 0], subject_names=("cleo", "anna"))
    both = first + second
    assert both.class_names == ("walk", "run", "sit")
    assert both.label.tolist() == [0, 1, 2, 0]
    assert both.subject_names == ("anna", "ben", "cleo")
    assert both.subject.tolist() == [0, 1, 0, 2]
    assert both.counts() == {"walk": 2, "run": 1, "sit": 1}


def test_numbers_of_people_are_kept_and_do_not_mix_with_names():
    named, numbered = some_motions(3), some_motions(3, subject_names=(), subject=np.array([7, 8, 9]))
    assert (numbered + numbered).subject.tolist() == [7, 8, 9, 7, 8, 9]
    with pytest.raises(ValueError, match="some sets name their people and others number them"):
        named + numbered


def test_what_some_sets_lack_is_left_out():
    whole = some_motions(3)
    bare = replace(
        whole, subject=None, subject_names=(), view=None, setup=None, clip=(), columns={}, splits={}, notes={}
    )
    for both in (whole + bare, bare + whole):
        assert (both.subject, both.subject_names, both.view, both.setup, both.clip) == (None, (), None, None, ())
        assert (both.columns, both.splits, both.notes) == ({}, {}, {})


def test_only_splits_and_notes_that_agree_are_kept():
    names = {"by": "subject", "train": ["anna"]}
    numbers = {"by": "subject", "train": [0]}
    first = some_motions(3, splits={"names": names, "numbers": numbers}, notes={"a": 1, "b": 2, "padded": 1})
    second = some_motions(
        3, splits={"names": names, "numbers": numbers}, notes={"a": 1, "b": 3, "padded": 2}, subject_names=tuple("wxyz")
    )
    assert (first + second).splits == {"names": names}  # person 0 is another one in the second set
    assert (first + first).splits == {"names": names, "numbers": numbers}
    assert (first + second).notes == {"a": 1, "padded": 3}


def test_a_mixture_of_sources_has_no_official_split():
    first, second = some_motions(source="ntu60", splits={}), some_motions(source="", splits={})
    assert (first + first).source == "ntu60"
    assert (second + second).source == ""
    assert (first + second).source == "ntu60 + unknown"
    assert "xview" not in (first + second).split_rules()


def test_one_rate_stays_one_rate():
    assert (some_motions(2, fps=30.0) + some_motions(3, fps=30.0)).fps == 30.0
    assert (some_motions(2, fps=30.0) + some_motions(1, fps=[25.0])).fps.tolist() == [30, 30, 25]


def test_padding_and_partners_are_filled_in():
    padded, whole = padded_motions(), some_motions(2, frames=6)
    both = whole + padded
    assert both.columns["frames"].tolist() == [6, 6, *padded.columns["frames"].tolist()]
    assert (both.partner[:2] == 0).all()
    np.testing.assert_array_equal(both.partner[2:], padded.partner)
    np.testing.assert_array_equal((padded + whole).partner[:12], padded.partner)
    assert (whole + whole).partner is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"skeleton": replace(STICK, name="other")},
            r"another skeleton than set 0 \(other, not stick\).*\.on\(skeleton\)",
        ),
        ({"motion": np.ones((12, 3, 25, 3), np.float32)}, r"set 1 has 25 frames, set 0 has 4: use \.resampled\(4\)"),
        ({"notes": {"recipe": "pyskl"}}, r"z points up in one of set 0 and set 1.*\.upright\(\)"),
        ({"notes": {"camera": "kinect2"}}, "set 0 was projected by camera None, set 1 by 'kinect2'"),
    ],
)
def test_sets_of_other_coordinates_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        some_motions() + some_motions(**changes)


def test_only_sets_are_added():
    with pytest.raises(TypeError, match="unsupported operand"):
        some_motions() + 1
    with pytest.raises(ValueError, match="at least one set"):
        MotionSet.concatenate([])
    with pytest.raises(TypeError, match="expected sets of motions, got ndarray"):
        MotionSet.concatenate([some_motions(), np.zeros(3)])


def test_motions_on_the_disk_are_read_only_on_request(tmp_path):
    motions = some_motions()
    write_motions(motions, tmp_path / "folder")
    stored = read_motions(tmp_path / "folder")
    with pytest.raises(ValueError, match=r"motions of set 1 are on the disk.*1728 bytes.*load=True"):
        motions[:6] + stored[6:]
    both = MotionSet.concatenate([stored[:6], motions[6:]], load=True)
    assert_same_motions(both, motions)
    assert type(both.motion) is np.ndarray


def test_another_skeleton_is_named_in_the_error():
    with pytest.raises(ValueError, match="ntu25, not stick"):
        some_motions() + MotionSet(np.ones((1, 3, 4, 25), np.float32), [0], ("walk",), NTU25)
