"""Pictures of the levels of a skeleton."""

import warnings
from dataclasses import replace

import pytest
from drawn import pixels, where

from kinetic.pictures.drawing import LEFT, RIGHT
from kinetic.pictures.levels import skeleton_levels
from kinetic.skeleton import COCO17, NTU25, SkeletonPyramid


@pytest.mark.parametrize("skeleton", [NTU25, COCO17], ids=lambda s: s.name)
def test_all_levels_of_a_skeleton_are_drawn(tmp_path, skeleton):
    assert pixels(skeleton_levels(SkeletonPyramid.of(skeleton), tmp_path / "levels.png")).std() > 5


def test_a_skeleton_faces_the_camera(tmp_path):
    picture = pixels(skeleton_levels(SkeletonPyramid.of(NTU25), tmp_path / "a.png"))[:, :220]  # level 0
    assert where(picture, LEFT) > where(picture, RIGHT) + 20


@pytest.mark.parametrize("title", ["a\nb", "\x1b[31m\x00", "\ud800", "x" * 5000, "$\\frac{$", "\u202e", "\U0001f483"])
def test_a_joint_may_have_any_name(tmp_path, title):
    skeleton = replace(NTU25, joints=(title, *NTU25.joints[1:]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        skeleton_levels(SkeletonPyramid.of(skeleton), tmp_path / "a.png")
