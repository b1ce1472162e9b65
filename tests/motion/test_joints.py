"""Tests of kinetic/motion/joints.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinetic.motion import joints
from kinetic.motion.joints import MEDIAPIPE_AXES, NTU25_MAPS, on_ntu25, to_ntu25
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import ACCLAIM31, COCO17, H36M16, KINECT20, MEDIAPIPE33, NTU25, NTU25_2D, OPENPOSE18, Skeleton

MAPS = pytest.mark.parametrize("joint_map", NTU25_MAPS.values(), ids=NTU25_MAPS)


def some_motion(skeleton: Skeleton, n: int = 3, frames: int = 4, seed: int = 0) -> np.ndarray:
    shape = (n, skeleton.channels, frames, len(skeleton.joints))
    return np.random.default_rng(seed).normal(size=shape)


def at(motion: np.ndarray, skeleton: Skeleton, joint: str) -> np.ndarray:
    return motion[..., skeleton.joints.index(joint)]


def one_hot(skeleton: Skeleton, joint: str) -> np.ndarray:
    """A frame in which one joint is 1 m up and all others are at zero: (1, C, 1, V)."""
    motion = np.zeros((1, skeleton.channels, 1, len(skeleton.joints)))
    motion[0, 1, 0, skeleton.joints.index(joint)] = 1
    return motion


# ------------------------------------------------------------------------------------------------------ all the maps


@MAPS
def test_a_shifted_body_is_shifted_on_the_joints_of_ntu(joint_map):
    motion = some_motion(joint_map.skeleton)
    shift = np.arange(1.0, joint_map.skeleton.channels + 1)[None, :, None, None]
    np.testing.assert_allclose(
        to_ntu25(motion + shift, joint_map.skeleton), to_ntu25(motion, joint_map.skeleton) + shift, atol=1e-12
    )


@MAPS
def test_a_larger_and_turned_body_is_larger_and_turned_on_the_joints_of_ntu(joint_map):
    motion, channels = some_motion(joint_map.skeleton), joint_map.skeleton.channels
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(channels, channels)))
    turn *= 2 * np.sign(np.linalg.det(turn))
    np.testing.assert_allclose(
        to_ntu25(np.einsum("ij,njtv->nitv", turn, motion), joint_map.skeleton),
        np.einsum("ij,njtv->nitv", turn, to_ntu25(motion, joint_map.skeleton)),
        atol=1e-12,
    )


@MAPS
def test_left_and_right_are_treated_alike(joint_map):
    skeleton = joint_map.skeleton
    motion = some_motion(skeleton)

    def swapped(motion: np.ndarray, skeleton: Skeleton) -> np.ndarray:
        order = np.arange(len(skeleton.joints))
        order[[*skeleton.left, *skeleton.right]] = [*skeleton.right, *skeleton.left]
        mirror = np.ones(skeleton.channels)
        mirror[0] = -1
        return motion[..., order] * mirror[:, None, None]

    np.testing.assert_allclose(
        to_ntu25(swapped(motion, skeleton), skeleton),
        swapped(to_ntu25(motion, skeleton), NTU25 if skeleton.channels == 3 else NTU25_2D),
        atol=1e-12,
    )


@MAPS
def test_joints_of_the_same_name_are_copied(joint_map):
    motion = some_motion(joint_map.skeleton)
    mapped = to_ntu25(motion, joint_map.skeleton)
    same = set(joint_map.skeleton.joints) & {NTU25.joints[i] for i in range(25) if i not in joint_map.derived}
    for joint in same:
        np.testing.assert_array_equal(at(mapped, NTU25, joint), at(motion, joint_map.skeleton, joint))
    assert len(same) >= 12 or joint_map.skeleton is ACCLAIM31


@MAPS
def test_frames_of_zeros_stay_zeros(joint_map):
    motion = some_motion(joint_map.skeleton)
    motion[1, :, 2:] = 0
    mapped = to_ntu25(motion, joint_map.skeleton)
    assert (mapped[1, :, 2:] == 0).all() and np.isfinite(mapped).all() and (mapped[1, :, :2] != 0).any()


@MAPS
def test_weights_add_up_to_one_and_derived_joints_are_those_that_are_not_copied(joint_map):
    total = joint_map.matrix.sum(axis=0)
    placed = [i for i, joint in enumerate(NTU25.joints) if joint_map.hands and joint.startswith(("HandTip", "Thumb"))]
    np.testing.assert_allclose(np.delete(total, placed), 1, atol=1e-12)
    assert (total[placed] == 0).all() and set(placed) <= set(joint_map.derived)
    copied = [i for i in range(25) if i not in joint_map.derived]
    assert np.isin(joint_map.matrix[:, copied], (0, 1)).all()


def test_derived_joints_by_name():
    def names(skeleton: Skeleton) -> str:
        return " ".join(NTU25.joints[i] for i in NTU25_MAPS[skeleton.name].derived)

    hands = "HandTipLeft ThumbLeft HandTipRight ThumbRight"
    assert names(KINECT20) == f"SpineBase SpineMid SpineShoulder {hands}"
    assert names(ACCLAIM31) == "SpineMid"
    trunk = "SpineBase SpineMid Neck Head HandLeft HandRight"
    assert names(MEDIAPIPE33) == f"{trunk} SpineShoulder HandTipLeft HandTipRight"
    assert names(COCO17) == f"{trunk} FootLeft FootRight SpineShoulder {hands}"
    assert names(OPENPOSE18) == f"{trunk} FootLeft FootRight {hands}"


# -------------------------------------------------------------------------------------------------------- each of them


def test_the_hips_of_a_kinect_v1_are_lowered_to_those_of_v2():
    motion = some_motion(KINECT20)
    mapped = to_ntu25(motion, KINECT20)
    middle = (at(motion, KINECT20, "HipLeft") + at(motion, KINECT20, "HipRight")) / 2
    np.testing.assert_allclose(at(mapped, NTU25, "SpineBase"), middle)
    np.testing.assert_array_equal(at(mapped, NTU25, "Neck"), at(motion, KINECT20, "ShoulderCenter"))
    moved = motion.copy()
    moved[..., [0, 1]] += 1  # HipCenter and Spine
    np.testing.assert_array_equal(to_ntu25(moved, KINECT20), mapped)


def test_a_straight_arm_to_the_side_ends_in_a_straight_hand_and_a_thumb_in_front():
    """The person faces a sensor: x is to its left, so the left hand is at negative x, and the front at negative z."""
    motion = np.zeros((1, 3, 1, 20))
    places = {"ShoulderLeft": (-0.2, 1.4), "ShoulderRight": (0.2, 1.4), "HipLeft": (-0.1, 1), "HipRight": (0.1, 1)}
    places |= {
        "ShoulderCenter": (0, 1.5),
        "ElbowLeft": (-0.5, 1.4),
        "WristLeft": (-0.75, 1.4),
        "HandLeft": (-0.85, 1.4),
    }
    for joint, (x, y) in places.items():
        motion[0, :2, 0, KINECT20.joints.index(joint)] = x, y
    mapped = to_ntu25(motion, KINECT20)[0, :, 0]  # (3, 25)
    np.testing.assert_allclose(at(mapped, NTU25, "HandTipLeft"), [-0.85 - 0.32 * 0.25, 1.4, 0], atol=1e-12)
    np.testing.assert_allclose(at(mapped, NTU25, "ThumbLeft"), [-0.75 - 0.27 * 0.25, 1.4, -0.23 * 0.25], atol=1e-12)
    np.testing.assert_allclose(at(mapped, NTU25, "SpineShoulder"), [0, 0.39 * 1.5 + 0.61 * 1.4, 0])
    np.testing.assert_allclose(at(mapped, NTU25, "SpineMid"), [0, 0.577 * (0.39 * 1.5 + 0.61 * 1.4) + 0.423, 0])


def test_hands_of_a_kinect_v1_keep_their_length():
    motion = to_ntu25(some_motion(KINECT20), KINECT20)
    for side in ("Left", "Right"):
        forearm = np.linalg.norm(at(motion, NTU25, f"Wrist{side}") - at(motion, NTU25, f"Elbow{side}"), axis=1)
        tip = np.linalg.norm(at(motion, NTU25, f"HandTip{side}") - at(motion, NTU25, f"Hand{side}"), axis=1)
        thumb = np.linalg.norm(at(motion, NTU25, f"Thumb{side}") - at(motion, NTU25, f"Wrist{side}"), axis=1)
        np.testing.assert_allclose(tip, 0.32 * forearm)
        np.testing.assert_allclose(thumb, np.hypot(0.27, 0.23) * forearm)


@pytest.mark.parametrize(
    ("landmark", "joint", "weight"),
    [
        (23, "SpineBase", 1 / 2), (24, "SpineMid", 1 / 4), (11, "SpineMid", 1 / 4), (12, "SpineShoulder", 1 / 2),
        (7, "Head", 1 / 2), (8, "Neck", 1 / 6), (11, "Neck", 1 / 3), (13, "ElbowLeft", 1), (16, "WristRight", 1),
        (17, "HandLeft", 1 / 2), (20, "HandRight", 1 / 2), (17, "HandTipLeft", 1), (15, "HandTipLeft", -1),
        (22, "ThumbRight", 1), (25, "KneeLeft", 1), (28, "AnkleRight", 1), (31, "FootLeft", 1), (32, "FootRight", 1),
    ],
)  # fmt: skip
def test_landmarks_of_mediapipe_have_their_weights(landmark, joint, weight):
    mapped = to_ntu25(one_hot(MEDIAPIPE33, MEDIAPIPE33.joints[landmark]), MEDIAPIPE33)
    assert at(mapped, NTU25, joint)[0, 1, 0] == pytest.approx(weight)


def test_world_landmarks_are_turned_to_the_axes_of_a_kinect():
    assert np.prod(MEDIAPIPE_AXES) == 1  # a rotation, no mirror image
    right, down, away = np.diag(MEDIAPIPE_AXES)
    assert right[0] < 0 and down[1] < 0 and away[2] > 0


@pytest.mark.parametrize("skeleton", [COCO17, OPENPOSE18])
def test_missing_hands_and_feet_continue_the_limbs(skeleton):
    mapped = to_ntu25(some_motion(skeleton), skeleton)
    assert mapped.shape == (3, 2, 4, 25)
    for side in ("Left", "Right"):
        forearm = at(mapped, NTU25, f"Wrist{side}") - at(mapped, NTU25, f"Elbow{side}")
        np.testing.assert_allclose(
            at(mapped, NTU25, f"Hand{side}"), at(mapped, NTU25, f"Wrist{side}") + 0.23 * forearm, atol=1e-12
        )


def test_the_neck_of_openpose_is_between_the_shoulders():
    motion = some_motion(OPENPOSE18)
    mapped = to_ntu25(motion, OPENPOSE18)
    np.testing.assert_array_equal(at(mapped, NTU25, "SpineShoulder"), at(motion, OPENPOSE18, "Neck"))
    ears = (at(motion, OPENPOSE18, "EarLeft") + at(motion, OPENPOSE18, "EarRight")) / 2
    np.testing.assert_allclose(at(mapped, NTU25, "Neck"), 2 / 3 * at(motion, OPENPOSE18, "Neck") + ears / 3)


def test_keypoints_with_depth_are_mapped_too():
    lifted = replace(COCO17, channels=3)
    assert to_ntu25(some_motion(lifted), lifted).shape == (3, 3, 4, 25)


def test_motions_on_the_joints_of_ntu_stay_as_they_are():
    motion = some_motion(NTU25)
    assert to_ntu25(motion, NTU25) is motion


# ------------------------------------------------------------------------------------------------------------ refusals


def test_a_skeleton_without_a_map_is_refused_with_a_list_of_the_maps():
    with pytest.raises(ValueError, match="no map leads from skeleton h36m16 to ntu25; .* kinect20, .*acclaim31"):
        to_ntu25(some_motion(H36M16), H36M16)
    with pytest.raises(ValueError, match="this skeleton"):
        to_ntu25(np.zeros((1, 3, 1, 2)), Skeleton(("a", "b"), ((0, 1),), 0))


def test_other_shapes_are_refused():
    for shape in ((1, 3, 4, 25), (3, 4, 20)):
        with pytest.raises(ValueError, match=r"expected \(N, C, T, 20\)"):
            to_ntu25(np.zeros(shape), KINECT20)


def test_thumbs_need_depth():
    with pytest.raises(ValueError, match="2 channels, the thumbs of kinect20 need 3"):
        to_ntu25(np.zeros((1, 2, 4, 20)), replace(KINECT20, channels=2))


# ---------------------------------------------------------------------------------------------------------------- sets


def some_set(skeleton: Skeleton, **changes) -> MotionSet:
    motion = some_motion(skeleton, n=5).astype(np.float32)
    given = {"label": np.zeros(5, int), "class_names": ("walk",), "skeleton": skeleton, "notes": {"licence": "none"}}
    return MotionSet(motion, **{**given, "columns": {"frames": np.array([4, 4, 3, 4, 2])}, **changes})


@MAPS
def test_a_set_says_which_joints_are_derived(joint_map):
    motions = on_ntu25(some_set(joint_map.skeleton))
    assert motions.skeleton is (NTU25 if joint_map.skeleton.channels == 3 else NTU25_2D)
    assert motions.notes == {
        "licence": "none", "joints_from": joint_map.skeleton.name, "derived_joints": list(joint_map.derived)
    }  # fmt: skip
    np.testing.assert_array_equal(motions.columns["frames"], [4, 4, 3, 4, 2])
    expected = to_ntu25(some_motion(joint_map.skeleton, n=5).astype(np.float32), joint_map.skeleton)
    np.testing.assert_allclose(motions.motion, expected, atol=1e-6)


def test_chunks_make_no_difference(monkeypatch):
    whole = on_ntu25(some_set(KINECT20)).motion
    monkeypatch.setattr(joints, "CHUNK", 1)
    np.testing.assert_array_equal(on_ntu25(some_set(KINECT20)).motion, whole)


def test_partners_come_along():
    motions = some_set(KINECT20)
    both = on_ntu25(replace(motions, partner=motions.motion * 2))
    np.testing.assert_allclose(both.partner, on_ntu25(motions).motion * 2, atol=1e-6)


def test_a_set_on_the_joints_of_ntu_stays_as_it_is():
    motions = some_set(NTU25)
    assert on_ntu25(motions) is motions
