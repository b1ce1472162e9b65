"""Tests of kinetic/motion/preview.py: what a notebook shows of a set."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from toys import STICK, padded_motions, some_motions

from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.motion.stored import StoredMotion
from kinetic.motion.synthetic import synthesise


def parsed(motions: MotionSet) -> ElementTree.Element:
    return ElementTree.fromstring(motions._repr_html_())


def texts(motions: MotionSet) -> list[str]:
    return [text.strip() for text in parsed(motions).itertext() if text.strip()]


def strip(motions: MotionSet) -> ElementTree.Element | None:
    return parsed(motions).find("{http://www.w3.org/2000/svg}svg")


def standing(height: float, **changes) -> MotionSet:
    """One motion of two frames: a stick stands upright, then its head leans to the side."""
    motion = np.zeros((1, 3, 2, 3), np.float32)
    motion[0, 1] = [0, height / 2, height]
    motion[0, 0, 1, 2] = -height  # on the right of the picture
    return some_motions(1, motion=motion, label=[0], **changes)


def test_counts_classes_and_splits_are_listed():
    words = texts(some_motions())
    assert words[:2] == ["toy", ": 12 motions, 4 frames, 3 joints, 3 classes, 4 people, 3 views, 2 setups"]
    assert "walk 4, jump-up 4, hand waving 4" in words
    assert "xsub, xview" in words
    assert "15 to 26" in words
    assert "1728 bytes in memory" in words


def test_many_classes_are_cut_short():
    names = tuple(f"class {i}" for i in range(20))
    assert any(
        text.endswith("class 7 1 and 12 more") for text in texts(some_motions(20, class_names=names, label=range(20)))
    )


def test_each_class_shows_one_pose_with_its_name():
    figure = strip(some_motions())
    assert figure.get("aria-label") == "one pose of each of 3 classes"
    assert [text.text for text in figure.iter("{http://www.w3.org/2000/svg}text")] == ["walk", "jump-up", "hand waving"]
    assert len(list(figure.iter("{http://www.w3.org/2000/svg}circle"))) == 3  # heads


def test_the_pose_is_the_one_least_like_the_first_and_fills_the_strip():
    path = strip(standing(2.0)).find("{http://www.w3.org/2000/svg}path")
    numbers = [float(number) for number in re.findall(r"[0-9.]+", path.get("d"))]
    (hip_x, hip_y, neck_x, neck_y), (_, _, head_x, head_y) = numbers[:4], numbers[4:]
    assert hip_x == neck_x < head_x
    assert hip_y == 114 and neck_y == pytest.approx((hip_y + head_y) / 2, abs=0.1)
    again = strip(standing(20.0)).find("{http://www.w3.org/2000/svg}path").get("d")
    assert again == path.get("d")


def test_left_right_and_middle_have_their_colours():
    figure = strip(synthesise(["walk"], subjects=2, repeats=1))
    strokes = [path.get("stroke") for path in figure.iter("{http://www.w3.org/2000/svg}path")]
    assert strokes == ["currentColor", "#2171b5", "#d6452e"]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", 'a"b&c', "line\nend"])
def test_names_cannot_bring_html_along(name):
    skeleton = replace(STICK, name=name)
    html = standing(1.0, class_names=(name,), source=name, skeleton=skeleton, splits={})._repr_html_()
    assert "<script>" not in html and "\n" not in html
    shown = texts(standing(1.0, class_names=(name,), source=name, skeleton=skeleton, splits={}))
    assert name.replace("\n", "\\n") in shown


def test_sets_without_motions_or_bodies_have_no_strip():
    motions = some_motions()
    broken = motions.motion.copy()
    broken[0] = np.nan
    assert strip(motions[:0]) is None
    assert strip(replace(motions, motion=np.zeros_like(motions.motion))) is None
    assert strip(replace(motions, motion=broken)[:1]) is None


def test_padding_is_no_pose():
    assert strip(padded_motions()).get("aria-label") == "one pose of each of 3 classes"


def test_a_set_on_the_disk_is_read_for_its_poses_only(tmp_path, monkeypatch):
    write_motions(some_motions(60), tmp_path / "folder")
    motions = read_motions(tmp_path / "folder").resampled(8)
    reads = []
    read = StoredMotion._read
    monkeypatch.setattr(StoredMotion, "_read", lambda stored, rows: reads.append(len(rows)) or read(stored, rows))
    assert any("on the disk" in text for text in texts(motions))
    assert reads == [1, 1, 1]
