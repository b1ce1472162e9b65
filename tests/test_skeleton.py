"""Tests of kinetic/skeleton.py: facts, files, refusals, and the pyramid beside the published one."""

import os
import re
import stat
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetic.plain import yaml_text, yaml_values
from kinetic.skeleton import (
    ACCLAIM31,
    COCO17,
    H36M16,
    KINECT20,
    MEDIAPIPE33,
    NTU25,
    NTU25_2D,
    OPENPOSE18,
    SKELETONS,
    Skeleton,
    SkeletonPyramid,
    coarsen,
    load_skeleton,
    save_skeleton,
)

KINECT20_FILE = Path(__file__).parent.parent / "experiments" / "skeletons" / "kinect20.yaml"
BUILT_IN = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
CHAIN = Skeleton(joints=("hip", "neck", "head"), bones=((0, 1), (1, 2)), center=1)


def path(joints: int, center: int = 0) -> Skeleton:
    bones = tuple((i, i + 1) for i in range(joints - 1))
    return Skeleton(tuple(f"joint{i}" for i in range(joints)), bones, center)


@st.composite
def trees(draw: st.DrawFn, least: int = 1, most: int = 40) -> Skeleton:
    joints = draw(st.integers(least, most))
    bones = tuple((draw(st.integers(0, i - 1)), i) for i in range(1, joints))
    order = draw(st.permutations(range(joints)))  # numbers do not follow depth
    center = draw(st.integers(0, joints - 1))
    return Skeleton(tuple(f"joint{i}" for i in range(joints)), tuple((order[a], order[b]) for a, b in bones), center)


def assert_refused(tmp_path: Path, text: str, *words: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(ValueError) as refusal:
        load_skeleton(file)
    message = str(refusal.value)
    assert re.match(rf"{re.escape(str(file))}(, line \d+)?: ", message)
    assert "\n" not in message
    for word in words:
        assert word in message


# distances and neighbours


def test_hops_count_bones():
    assert CHAIN.hops().tolist() == [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    assert CHAIN.hops().dtype == np.int64


def test_parents_lead_to_the_centre():
    assert CHAIN.parents().tolist() == [1, -1, 1]
    assert path(4).parents().tolist() == [-1, 0, 1, 2]


def test_partitions_are_self_closer_and_further():
    own, closer, further = path(3).partitions()
    assert own.tolist() == [[1 / 2, 0, 0], [0, 1 / 3, 0], [0, 0, 1 / 2]]
    assert closer.tolist() == [[0, 0, 0], [1 / 2, 0, 0], [0, 1 / 3, 0]]
    assert further.tolist() == [[0, 1 / 3, 0], [0, 0, 1 / 2], [0, 0, 0]]


def test_joints_beyond_reach_count_as_equally_far():
    _, closer, further = path(3).partitions(reach=0)
    assert closer.tolist() == [[0, 0, 0], [1 / 2, 0, 1 / 2], [0, 1 / 3, 0]]
    assert further.tolist() == [[0, 1 / 3, 0], [0, 0, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match="not negative, got -1"):
        path(3).partitions(reach=-1)


@pytest.mark.parametrize(("level", "moved", "entries"), [(0, 16, 48), (1, 2, 20), (2, 0, 10), (3, 0, 0)])
def test_published_reach_puts_bones_in_the_wrong_group(level, moved, entries):
    skeleton = SkeletonPyramid.of(NTU25).levels[level]
    assert 2 * len(skeleton.bones) == entries
    assert (skeleton.partitions() != skeleton.partitions(reach=1)).any(axis=0).sum() == moved


@settings(max_examples=50, deadline=None)
@given(trees(), st.sampled_from([None, 0, 1, 2]))
def test_partitions_share_out_one_normalised_adjacency(skeleton, reach):
    parts = skeleton.partitions(reach)
    assert parts.dtype == np.float64
    np.testing.assert_allclose(parts.sum(axis=(0, 1)), 1)
    assert ((parts > 0).sum(axis=0) <= 1).all()
    assert ((parts.sum(axis=0) > 0) == skeleton.adjacency() + np.eye(len(skeleton.joints), dtype=bool)).all()


@settings(max_examples=50, deadline=None)
@given(trees())
def test_parents_are_one_bone_nearer(skeleton):
    hops, parents = skeleton.hops()[skeleton.center], skeleton.parents()
    for joint, parent in enumerate(parents):
        if joint == skeleton.center:
            assert parent == -1
        else:
            assert skeleton.adjacency()[joint, parent]
            assert hops[parent] == hops[joint] - 1


# the published pyramid


@pytest.mark.parametrize("level", range(4))
def test_adjacency_is_the_published_one(shared, level):
    with np.load(shared / "data" / "reference" / "golden.npz", allow_pickle=False) as golden:
        ours = SkeletonPyramid.of(NTU25).levels[level].partitions(reach=1)
        np.testing.assert_allclose(ours, golden[f"adjacency_{level}"], atol=1e-7)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_kept_joints_are_the_published_ones(shared, level):
    with np.load(shared / "data" / "reference" / "golden.npz", allow_pickle=False) as golden:
        pyramid = SkeletonPyramid.of(NTU25)
        survivors = pyramid.down(level - 1).argmax(axis=0)
        assert survivors.tolist() == golden[f"kept_{level}"].tolist()
        assert coarsen(pyramid.levels[level - 1]) == tuple(golden[f"kept_{level}"])


def test_ntu_levels():
    pyramid = SkeletonPyramid.of(NTU25)
    assert pyramid.keep == (
        tuple(range(25)),
        (0, 2, 5, 7, 9, 11, 13, 14, 17, 18, 20),
        (5, 9, 13, 17, 20),
        (20,),
    )
    assert [level.bones for level in pyramid.levels[1:]] == [
        ((0, 6), (0, 8), (0, 10), (1, 10), (2, 3), (2, 10), (4, 5), (4, 10), (6, 7), (8, 9)),
        ((0, 4), (1, 4), (2, 3), (2, 4), (3, 4)),
        (),
    ]
    assert pyramid.levels[2].joints == ("ElbowLeft", "ElbowRight", "KneeLeft", "KneeRight", "SpineShoulder")
    assert (pyramid.levels[2].left, pyramid.levels[2].right) == ((0, 2), (1, 3))


def test_human36m_levels_are_what_the_rule_gives_with_joint_9_protected():
    first = coarsen(H36M16, protect=(9,))
    levels = SkeletonPyramid.of(H36M16).levels
    second = coarsen(levels[1])
    third = coarsen(levels[2])
    derived = (first, tuple(first[j] for j in second), tuple(first[second[j]] for j in third))
    assert H36M16.keep == derived == ((0, 2, 5, 8, 9, 11, 14), (0, 8), (8,))
    assert 9 not in coarsen(H36M16)


def test_coco_levels():
    assert [len(kept) for kept in SkeletonPyramid.of(COCO17).keep] == [17, 9, 3, 1]


def test_expansion_copies_kept_joints_and_averages_their_neighbours():
    assert SkeletonPyramid.of(path(3), depth=3, keep=[(0, 2)]).up(0).tolist() == [[1, 0.5, 0], [0, 0.5, 1]]


def test_halved_expansion_halves_only_what_was_missing():
    pyramid = SkeletonPyramid.of(NTU25)
    assert pyramid.up(2).tolist() == [[1, 1, 1, 1, 1]]
    assert pyramid.up(2, halved=True).tolist() == [[0.5, 0.5, 0.5, 0.5, 1]]


def test_joints_far_from_all_kept_ones_take_the_nearest():
    up = SkeletonPyramid.of(path(6), depth=3, keep=[(0, 5)]).up(0)
    assert up.tolist() == [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]
    assert SkeletonPyramid.of(path(6), depth=2).up(0).tolist() == [[1, 1, 1, 1, 1, 1]]


# coarsening and pyramids in general


def test_a_circle_drops_all_that_is_not_marked():
    circle = Skeleton(tuple("abcde"), ((0, 1), (1, 2), (2, 3), (3, 4), (4, 0)), center=2)
    assert coarsen(circle) == (2,)
    assert coarsen(circle, protect=(0,)) == (0, 2)


@settings(max_examples=100, deadline=None)
@given(trees(least=2), st.data())
def test_coarsening_shrinks_and_spares_the_centre_and_the_protected(skeleton, data):
    protect = data.draw(st.sets(st.integers(0, len(skeleton.joints) - 1), max_size=3))
    kept = coarsen(skeleton, protect)
    assert {skeleton.center, *protect} <= set(kept)
    assert list(kept) == sorted(set(kept))
    assert len(coarsen(skeleton)) < len(skeleton.joints)


def assert_sound(pyramid: SkeletonPyramid) -> None:
    skeleton = pyramid.levels[0]
    assert pyramid.keep[-1] == (skeleton.center,)
    for i, (level, kept) in enumerate(zip(pyramid.levels, pyramid.keep, strict=True)):
        assert level.joints == tuple(skeleton.joints[j] for j in kept)
        assert kept[level.center] == skeleton.center
        assert level.channels == skeleton.channels
        if i + 1 < len(pyramid.levels):
            coarse = pyramid.keep[i + 1]
            down, up = pyramid.down(i), pyramid.up(i)
            assert len(coarse) < len(kept) or len(kept) == 1
            assert down.shape == up.T.shape == (len(kept), len(coarse))
            assert (down.sum(axis=0) == 1).all()
            assert set(np.unique(down)) <= {0, 1}
            assert (np.array(kept) @ down == coarse).all()
            np.testing.assert_allclose(up.sum(axis=0), 1)
            assert (up @ down == np.eye(len(coarse))).all()
            halved = np.where(down.any(axis=1), up, up / 2)
            np.testing.assert_array_equal(pyramid.up(i, halved=True), halved)


@settings(max_examples=100, deadline=None)
@given(trees(), st.integers(2, 6))
def test_any_tree_has_a_sound_pyramid(skeleton, depth):
    pyramid = SkeletonPyramid.of(skeleton, depth)
    assert len(pyramid.levels) == depth
    assert_sound(pyramid)


@settings(max_examples=50, deadline=None)
@given(trees(least=4), st.data())
def test_any_choice_of_joints_has_a_sound_pyramid(skeleton, data):
    joints = st.integers(0, len(skeleton.joints) - 1)
    most = len(skeleton.joints) - 2
    first = data.draw(st.sets(joints, min_size=2, max_size=most).map(lambda kept: kept | {skeleton.center}))
    assert_sound(SkeletonPyramid.of(skeleton, keep=[sorted(first)]))


@BUILT_IN
def test_built_in_pyramids_are_sound(skeleton):
    assert_sound(SkeletonPyramid.of(skeleton))


def test_the_last_level_of_a_large_skeleton_is_the_centre_all_the_same():
    assert [len(kept) for kept in SkeletonPyramid.of(path(200)).keep] == [200, 100, 50, 1]


def test_a_small_skeleton_repeats_its_last_joint():
    assert SkeletonPyramid.of(CHAIN).keep == ((0, 1, 2), (1,), (1,), (1,))


def test_sides_survive_in_pairs():
    skeleton = Skeleton(tuple("cabde"), ((0, 1), (1, 2), (0, 3), (3, 4)), 0, left=(1, 2), right=(3, 4))
    level = SkeletonPyramid.of(skeleton, depth=3, keep=[(0, 1, 4)]).levels[1]  # upper left and lower right: no pair
    assert (level.left, level.right) == ((), ())
    level = SkeletonPyramid.of(skeleton, depth=3, keep=[(0, 1, 3, 4)]).levels[1]
    assert (level.left, level.right) == ((1,), (2,))


def test_wrong_requests_of_a_pyramid_are_refused():
    circle = Skeleton(tuple("abcd"), ((0, 1), (1, 2), (2, 0), (2, 3)), center=0)
    with pytest.raises(ValueError, match="circle.* among a, b, c$"):
        SkeletonPyramid.of(circle)
    with pytest.raises(ValueError, match="at least 2 levels, got 1"):
        SkeletonPyramid.of(NTU25, depth=1)
    with pytest.raises(ValueError, match="3 levels have 2 reductions, got joints to keep for 3"):
        SkeletonPyramid.of(H36M16, depth=3)
    with pytest.raises(ValueError, match=r"keep\[0\] must hold the centre SpineShoulder, got Neck"):
        SkeletonPyramid.of(NTU25, keep=[(2,)])
    with pytest.raises(ValueError, match=r"keep\[1\] holds SpineBase, which did not survive"):
        SkeletonPyramid.of(NTU25, keep=[(2, 3, 20), (0, 20)])
    with pytest.raises(ValueError, match=r"the centre alone, keep\[2\] holds SpineMid, SpineShoulder"):
        SkeletonPyramid.of(NTU25, keep=[(1, 2, 3, 20), (1, 2, 20), (1, 20)])
    for level in (-1, 3):
        with pytest.raises(ValueError, match=f"one of 0 to 2.* got {level}"):
            SkeletonPyramid.of(NTU25).down(level)


def test_unknown_protected_joints_are_refused():
    with pytest.raises(ValueError, match="protect names joint 25, expected joints 0 to 24"):
        coarsen(NTU25, protect=(25,))


# what a skeleton refuses


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints": ()}, "1 to 1000 joints, got 0"),
        ({"joints": ("hip", "hip", "head")}, "'hip' is listed more than once"),
        ({"bones": ((0, 1), (1, 3))}, r"bone \(1, 3\) points outside the 3 joints"),
        ({"bones": ((0, 1), (-1, 1))}, r"bone \(-1, 1\) points outside"),
        ({"bones": ((0, 1), (2, 2))}, "joins head to itself"),
        ({"bones": ((0, 1), (1, 2), (1, 0))}, r"bone \(0, 1\) from hip to neck is listed more than once"),
        ({"bones": ((0, 1),)}, "not connected to the centre neck: head"),
        ({"center": 3}, "center names joint 3, expected joints 0 to 2"),
        ({"center": -1}, "center names joint -1"),
        ({"left": (0,)}, r"1 joints on the left \(hip\) and 0 on the right \(none\)"),
        ({"left": (0,), "right": (0,)}, "share no joint, both name hip"),
        ({"left": (0, 0), "right": (2, 2)}, "left names a joint twice"),
        ({"right": (5,)}, "right names joint 5"),
        ({"channels": 4}, "2 or 3, got 4"),
        ({"keep": ((0, 1, 2),)}, r"keep\[0\] must hold fewer joints than the level before, got all 3"),
        ({"keep": ((0, 1), (1, 1))}, r"keep\[1\] names a joint twice"),
    ],
)
def test_unsound_skeletons_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(CHAIN, **changes)


def test_only_files_and_pyramids_insist_on_a_tree_of_two_joints_or_more():
    alone = Skeleton(("center",), (), 0)  # what every pyramid ends in
    assert alone.hops().tolist() == [[0]]
    with pytest.raises(ValueError, match="at least two joints"):
        Skeleton.from_dict(alone.to_dict())
    coarse = SkeletonPyramid.of(NTU25).levels[2]
    with pytest.raises(ValueError, match="circle.*KneeLeft, KneeRight, SpineShoulder"):
        Skeleton.from_dict(coarse.to_dict())


# built-in skeletons


def mirrored(joint: str) -> str:
    """The name of the same joint on the right, where this is one of the left; nothing otherwise."""
    if joint.startswith("l"):  # Acclaim
        return f"r{joint[1:]}"
    return joint.replace("Left", "Right") if "Left" in joint else ""


@BUILT_IN
def test_built_in_skeletons_are_trees_with_mirrored_sides(skeleton):
    assert len(skeleton.bones) == len(skeleton.joints) - 1
    for left, right in zip(skeleton.left, skeleton.right, strict=True):
        assert mirrored(skeleton.joints[left]) == skeleton.joints[right]
    assert len(skeleton.left) == sum(mirrored(joint) in skeleton.joints for joint in skeleton.joints)


def test_joint_names_are_those_of_the_recorded_motions(shared):
    with np.load(shared / "data" / "motion" / "irds.npz", allow_pickle=False) as motions:
        assert tuple(motions["joint_names"]) == NTU25.joints


def test_names_of_built_in_skeletons():
    assert list(SKELETONS) == [
        "ntu25", "ntu25_2d", "h36m16", "coco17", "kinect20", "openpose18", "mediapipe33", "acclaim31"
    ]  # fmt: skip
    assert [len(skeleton.joints) for skeleton in SKELETONS.values()] == [25, 25, 16, 17, 20, 18, 33, 31]
    assert [skeleton.channels for skeleton in SKELETONS.values()] == [3, 2, 3, 2, 3, 2, 3, 3]
    assert replace(NTU25_2D, channels=3, name="ntu25") == NTU25


def test_the_example_of_a_skeleton_file_is_the_built_in_one():
    example = load_skeleton(KINECT20_FILE)
    assert example.hash == KINECT20.hash
    assert (example.left, example.right) == (KINECT20.left, KINECT20.right)


def test_acclaim_bones_are_those_of_the_recorded_people(shared):
    for file in (shared / "data" / "raw" / "hdm05").glob("*.asf"):
        lines = file.read_text(encoding="latin-1").partition(":hierarchy")[2].splitlines()
        families = [line.split() for line in lines if len(line.split()) > 1]
        bones = {(parent, child) for parent, *children in families for child in children}
        assert bones == {(ACCLAIM31.joints[a], ACCLAIM31.joints[b]) for a, b in ACCLAIM31.bones}


def test_a_bone_is_on_the_side_of_either_end():
    hip, left, right = (NTU25.joints.index(name) for name in ("SpineBase", "HipLeft", "HipRight"))
    assert [NTU25.side(joint) for joint in (hip, left, right)] == ["middle", "left", "right"]
    assert [NTU25.side(hip, left), NTU25.side(right, hip)] == ["left", "right"]


def test_mirrored_joints_exchange_the_sides():
    skeleton = Skeleton(tuple("cabde"), ((0, 1), (1, 2), (0, 3), (3, 4)), 0, left=(1, 2), right=(3, 4))
    assert skeleton.mirrored().tolist() == [0, 3, 4, 1, 2]
    assert CHAIN.mirrored().tolist() == [0, 1, 2]


def test_the_head_is_called_head_or_else_nose():
    assert NTU25.head == NTU25.joints.index("Head")
    assert COCO17.head == COCO17.joints.index("Nose")
    assert replace(CHAIN, joints=("hip", "neck", "HEAD")).head == 2
    assert replace(CHAIN, joints=("nose", "neck", "head")).head == 2
    assert path(3).head is None


def test_distances_from_the_centre_grow_along_limbs():
    ends = {
        "FootLeft": (KINECT20, 6),
        "AnkleLeft": (OPENPOSE18, 4),
        "HeelLeft": (MEDIAPIPE33, 5),
        "ltoes": (ACCLAIM31, 8),
    }
    for joint, (skeleton, bones) in ends.items():
        hops = skeleton.hops()[skeleton.center]
        assert hops[skeleton.joints.index(joint)] == hops.max() == bones


# hash, dictionaries and files


def test_hash_tells_graphs_apart_whatever_their_name_sides_or_order_of_bones():
    same = replace(NTU25, name="other", left=(), right=(), bones=tuple((b, a) for a, b in reversed(NTU25.bones)))
    assert same.hash == NTU25.hash
    others = [replace(NTU25, center=1), NTU25_2D, replace(NTU25, bones=NTU25.bones[:-1] + ((24, 23),)), COCO17]
    others.append(replace(NTU25, joints=("Pelvis", *NTU25.joints[1:])))
    assert len({NTU25.hash, *(other.hash for other in others)}) == 6


@BUILT_IN
def test_a_skeleton_survives_a_dictionary_and_a_file(skeleton, tmp_path):
    assert Skeleton.from_dict(skeleton.to_dict()) == skeleton
    save_skeleton(skeleton, tmp_path / "own.yaml")
    assert load_skeleton(tmp_path / "own.yaml") == skeleton
    assert [file.name for file in tmp_path.iterdir()] == ["own.yaml"]


@settings(max_examples=30, deadline=None)
@given(trees(least=2))
def test_any_tree_survives_a_dictionary(skeleton):
    assert Skeleton.from_dict(yaml_values(yaml_text(skeleton.to_dict()))) == skeleton


def test_joints_may_be_called_anything(tmp_path):
    names = ("yes", "on", "12:30:00", "0777", "1e4", "null", "~", "2020-01-01", "", " a: b", "<<", "\u202e", "a\nb")
    skeleton = replace(path(len(names)), joints=names, name="1.5")
    save_skeleton(skeleton, tmp_path / "own.yaml")
    assert load_skeleton(tmp_path / "own.yaml") == skeleton


def test_what_no_file_holds_is_not_written(tmp_path):
    (tmp_path / "own.yaml").write_text("precious")
    with pytest.raises(ValueError, match="circle"):
        save_skeleton(SkeletonPyramid.of(NTU25).levels[2], tmp_path / "own.yaml")
    assert (tmp_path / "own.yaml").read_text() == "precious"


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    (tmp_path / "own.yaml").write_text("precious")
    monkeypatch.setattr(yaml, "dump", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_skeleton(NTU25, tmp_path / "own.yaml")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("own.yaml", "precious")]


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_written_skeleton_may_be_read_by_whom_other_files_may(tmp_path):
    (tmp_path / "plain").write_text("")
    save_skeleton(NTU25, tmp_path / "own.yaml")
    assert stat.S_IMODE((tmp_path / "own.yaml").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_joints_may_be_named_or_numbered(tmp_path):
    (tmp_path / "own.yaml").write_text(
        "joints: [hip, neck, hand, palm]\nbones: [[hip, 1], [neck, hand], [1, palm]]\ncenter: neck\n"
        "left: [hand]\nright: [3]\nkeep: [[hip, 1]]\n"
    )
    skeleton = load_skeleton(tmp_path / "own.yaml")
    expected = Skeleton(("hip", "neck", "hand", "palm"), ((0, 1), (1, 2), (1, 3)), 1, (2,), (3,), ((0, 1),))
    assert skeleton == replace(expected, name="own")


def test_the_example_file_is_sound():
    skeleton = load_skeleton(KINECT20_FILE)
    assert (skeleton.name, len(skeleton.joints), skeleton.joints[skeleton.center]) == ("kinect20", 20, "ShoulderCenter")
    assert len(skeleton.left) == 8
    assert_sound(SkeletonPyramid.of(skeleton))


HEAD = "joints: [hip, neck, head]\n"
SOUND = HEAD + "bones: [[hip, neck], [neck, head]]\ncenter: neck\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SOUND + "lefts: [hip]", ["unknown key 'lefts'", "did you mean left?", "joints, bones, center"]),
        (HEAD + "center: neck", ["bones is missing"]),
        (HEAD + "bones: [[hip, nek], [neck, head]]\ncenter: neck", ["no joint 'nek'", "did you mean neck?"]),
        (HEAD + "bones: [[hip, neck, head]]\ncenter: neck", ["joins two joints", "[0, 1, 2]"]),
        (HEAD + "bones: hip\ncenter: neck", ["bones must be a list", "'hip'"]),
        (HEAD + "bones: [hip]\ncenter: neck", ["a bone must be a list of joints", "'hip'"]),
        (HEAD + "bones: [[hip, neck], [neck, head], [head, hip]]\ncenter: neck", ["circle", "hip, neck, head"]),
        (HEAD + "bones: [[hip, neck]]\ncenter: neck", ["not connected to the centre neck: head"]),
        (HEAD + "bones: [[hip, neck], [neck, head]]\ncenter: true", ["a joint is a name or a number", "True"]),
        (HEAD + "bones: [[hip, neck], [neck, head]]\ncenter: 2024-13-45", ["no joint '2024-13-45'"]),
        ("joints: [hip, 3, head]\nbones: []\ncenter: 0", ["joints must be a list of names"]),
        ("joints: [false, true]\nbones: [[0, 1]]\ncenter: 0", ["joints must be a list of names", "False"]),
        ("joints: [hip]\nbones: []\ncenter: hip", ["at least two joints"]),
        (SOUND + "channels: '3'", ["channels a whole number"]),
        (SOUND + "name: 3", ["name must be a string"]),
        (SOUND + "keep: [[hip]]", ["keep[0] must hold the centre neck, got hip"]),
        (SOUND + "center: hip", ["'center' is repeated", "line 4"]),
        ("- hip\n- neck", ["expected joints, bones and center, found list"]),
        ("", ["found NoneType"]),
        ("joints: [hip", ["own.yaml, line 1: did not find expected ',' or ']'"]),
        (
            "joints: !!python/object/apply:os.getcwd []",
            ["own.yaml, line 1: found the tag !!python/object/apply:os.getcwd"],
        ),
        ("[" * 100_000, ["nested too deeply"]),
    ],
)
def test_wrong_files_are_refused_with_what_was_found(tmp_path, text, words):
    assert_refused(tmp_path, text, *words)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "own.yaml").write_bytes(b"\xff\xfe\x00joints")
    with pytest.raises(ValueError, match="own.yaml: expected text in UTF-8"):
        load_skeleton(tmp_path / "own.yaml")


def test_lists_within_lists_do_not_fill_the_message(tmp_path):
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in pairwise("abcdefghi"))
    nested = yaml.safe_load(bomb)["i"]
    with pytest.raises(ValueError, match="a joint is a name") as refusal:
        Skeleton.from_dict({"joints": ["hip", "neck"], "bones": [[0, 1]], "center": nested})
    assert len(str(refusal.value)) < 1000


def test_long_lists_of_joints_are_cut_short():
    with pytest.raises(ValueError, match="centre joint0: joint2, joint3, .*, joint11 and 38 more$"):
        replace(path(50), bones=((0, 1),))


def test_missing_and_overlarge_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="own.yaml: no such file; expected a YAML file or a name: ntu25, "):
        load_skeleton(tmp_path / "own.yaml")
    with pytest.raises(ValueError, match="expected a YAML file, found a folder"):
        load_skeleton(tmp_path)
    assert_refused(tmp_path, f"joints: [{'a, ' * 1001}]\nbones: [[b, c]]\ncenter: 0", "1 to 1000 joints, got 1001")
    assert_refused(tmp_path, SOUND + f"{'k' * 500}: 1", "unknown key 'kkk")
    assert_refused(tmp_path, "#" * (1 << 20) + "#", "at most 1048576 bytes")


def test_a_thousand_joints_are_the_most():
    assert len(path(1000).joints) == 1000
    with pytest.raises(ValueError, match="1 to 1000 joints, got 1001"):
        path(1001)
