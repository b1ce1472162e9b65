"""Tests of kinetic/motion/synthetic.py: what a set holds, and whether its people move as people do."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from kinetic.motion.synthetic import ACTIONS, BONES, CAMERAS, synthesise
from kinetic.skeleton import NTU25

JOINT = {name: number for number, name in enumerate(NTU25.joints)}
PAIRS = np.array(NTU25.bones)


@pytest.fixture(scope="module")
def everything():
    """Every action, without the noise of a sensor."""
    return synthesise(subjects=6, repeats=2, sensor_noise=0)


@pytest.fixture(scope="module")
def sensed():
    """Every action, with the noise of a sensor."""
    return synthesise(subjects=8, repeats=3)


def front(motions, action):
    """(M, 3, T, V) of one action in camera 2, with the floor at y = 0."""
    chosen = motions.where(classes=[action], views=[2]).motion.astype(np.float64)
    chosen[:, 1] += 1.0
    return chosen


def joint(motion, name):
    return motion[..., JOINT[name]]


def speed(path, fps=30.0):
    return np.linalg.norm(np.diff(path, axis=2), axis=1) * fps


def lengths(motion):
    return np.linalg.norm(motion[..., PAIRS[:, 0]] - motion[..., PAIRS[:, 1]], axis=1)


def assert_planted(foot, share, slide=0.001):
    """The foot (M, 3, T) is at its lowest for a share of the time and, inside those stretches, stands still."""
    low = foot[:, 1] < foot[:, 1].min(axis=1, keepdims=True) + 0.001
    inside = low[:, :-3] & low[:, 1:-2] & low[:, 2:-1] & low[:, 3:]
    step = np.linalg.norm(np.diff(foot, axis=2), axis=1)[:, 1:-1]
    assert low.mean() >= share
    assert inside.any()
    assert step[inside].max() <= slide


# ------------------------------------------------------------------------------------------------- what the set holds


def test_every_performance_is_three_motions_with_one_clip_name():
    motions = synthesise(["walk", "throw"], subjects=3, repeats=2, frames=20, fps=15.0)
    assert motions.shape == (2 * 3 * 2 * 3, 3, 20, 25)
    assert motions.motion.dtype == np.float32
    assert motions.class_names == ("walk", "throw")
    assert motions.skeleton == NTU25
    assert motions.fps == 15.0
    assert motions.source == "synthetic"
    motions.check()
    for clip in set(motions.clip):
        rows = [row for row, name in enumerate(motions.clip) if name == clip]
        assert motions.view[rows].tolist() == [1, 2, 3]
        assert len(set(motions.label[rows])) == len(set(motions.subject[rows])) == 1
    assert len(set(motions.clip)) == 2 * 3 * 2


def test_there_are_a_dozen_actions_and_each_is_as_frequent():
    motions = synthesise(subjects=2, repeats=1, frames=4)
    assert motions.class_names == tuple(ACTIONS)
    assert len(ACTIONS) == 12
    assert set(motions.counts().values()) == {2 * 3}


@pytest.mark.parametrize("name", ["xsub", "xview"])
def test_every_motion_is_on_one_side_of_a_split(name):
    motions = synthesise(["walk", "throw"], subjects=5, repeats=1, frames=4)
    train, test = motions.split(name)
    assert len(train) + len(test) == len(motions)
    value = {"xsub": "subject", "xview": "view"}[name]
    assert not set(getattr(train, value)) & set(getattr(test, value))


def test_odd_people_and_cameras_2_and_3_train():
    motions = synthesise(["walk"], subjects=5, repeats=1, frames=4)
    train, _ = motions.split("xsub")
    assert {motions.subject_names[number] for number in train.subject} == {"p001", "p003", "p005"}
    train, _ = motions.split("xview")
    assert set(train.view) == {2, 3}


def test_notes_say_how_the_set_was_made():
    motions = synthesise(["walk"], subjects=2, repeats=1, frames=4, seed=7, sensor_noise=0.01, dropout=0.1)
    notes = json.loads(json.dumps(motions.notes))
    assert (notes["seed"], notes["sensor_noise"], notes["dropout"]) == (7, 0.01, 0.1)


# --------------------------------------------------------------------------------------------------------- randomness


def test_the_seed_decides_the_set():
    kwargs = {"subjects": 2, "repeats": 2, "frames": 16, "dropout": 0.2}
    first, again, other = synthesise(**kwargs), synthesise(**kwargs), synthesise(**kwargs, seed=1)
    assert np.array_equal(first.motion, again.motion)
    assert not np.isclose(first.motion, other.motion, atol=1e-4).all(axis=(1, 2, 3)).any()


def test_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    synthesise(["walk"], subjects=2, repeats=1, frames=4, dropout=0.5)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_smaller_set_is_part_of_a_larger_one():
    small = synthesise(["wave", "hop"], subjects=2, repeats=1, frames=16, dropout=0.2)
    large = synthesise(subjects=4, repeats=3, frames=16, dropout=0.2)
    where = {(clip, view): row for row, (clip, view) in enumerate(zip(large.clip, large.view, strict=True))}
    rows = [where[clip, view] for clip, view in zip(small.clip, small.view, strict=True)]
    assert np.array_equal(small.motion, large.motion[rows])


def test_people_differ_in_bones_and_keep_them(everything):
    by_person = [lengths(everything.motion[everything.subject == who]) for who in range(6)]
    own = np.array([person.mean(axis=(0, 1)) for person in by_person])
    within = np.array([np.ptp(person, axis=(0, 1)) for person in by_person])
    assert within.max() < 2e-6
    height = own[:, [0, 1]].sum(axis=1)
    assert np.ptp(height) > 0.02
    assert (own.std(axis=0) > 1e-3).all()


def test_the_bones_in_the_notes_are_those_of_the_people(everything):
    bones = everything.notes["bones"]
    assert list(bones) == list(BONES)
    for who in range(6):
        motion = everything.motion[everything.subject == who]
        for bone, ends in (("thigh", ("HipLeft", "KneeLeft")), ("forearm", ("ElbowRight", "WristRight"))):
            length = np.linalg.norm(joint(motion, ends[0]) - joint(motion, ends[1]), axis=1)
            assert np.abs(length - bones[bone][who]).max() < 1e-4


def test_repetitions_differ_in_movement_direction_and_place():
    motions = synthesise(["wave"], subjects=2, repeats=12, sensor_noise=0).where(views=[2])
    pelvis = joint(motions.motion, "SpineBase")[:, [0, 2]].mean(axis=2)
    across = (joint(motions.motion, "HipRight") - joint(motions.motion, "HipLeft")).mean(axis=2)
    assert (pelvis.std(axis=0) > 0.05).all()
    assert 3 < np.rad2deg(np.arctan2(across[:, 2], across[:, 0]).std()) < 12
    hand = (joint(motions.motion, "HandRight") - joint(motions.motion, "ShoulderRight"))[:, :, 20:50]
    assert (hand.reshape(24, -1).std(axis=0) > 0.02).mean() > 0.9


# ------------------------------------------------------------------------------------------------------------ bodies


def test_bones_keep_their_lengths(everything):
    assert np.ptp(lengths(everything.motion), axis=1).max() < 2e-6


def test_people_stay_above_the_floor_and_below_a_giant(everything):
    height = everything.motion[:, 1] + 1.0
    assert height.min() > 0
    head = height[..., JOINT["Head"]][:, 0]
    assert 1.2 < head[everything.label != everything.class_id("stand up")].min()
    assert head.max() < 2.1


def test_knees_bend_forward(everything):
    motion = everything.where(views=[2]).motion
    ahead = np.cross([0.0, 1.0, 0.0], joint(motion, "HipRight") - joint(motion, "HipLeft"), axisb=1, axisc=1)
    for side in ("Left", "Right"):
        hip, knee, ankle = (joint(motion, part + side) for part in ("Hip", "Knee", "Ankle"))
        along = (ankle - hip) / np.linalg.norm(ankle - hip, axis=1, keepdims=True)
        aside = (knee - hip) - ((knee - hip) * along).sum(axis=1, keepdims=True) * along
        assert ((aside * ahead).sum(axis=1) > 0).mean() > 0.98


def test_elbows_of_clapping_arms_are_outside_the_hands(everything):
    motion = front(everything, "clap")[:, :, 20:50]
    outward = joint(motion, "HipRight") - joint(motion, "HipLeft")  # from the right side
    for side, sign in (("Left", -1), ("Right", 1)):
        assert (sign * ((joint(motion, f"Elbow{side}") - joint(motion, f"Hand{side}")) * outward).sum(axis=1) > 0).all()


def test_nothing_moves_faster_than_people_do(everything):
    for view in (1, 2, 3):
        assert speed(everything.where(views=[view]).motion).max() < 14.0


def test_joints_never_jump():
    """No elbow or thumb flips over: accelerations stay at those of a fast throw."""
    motion = synthesise(repeats=8, sensor_noise=0).where(views=[2]).motion
    assert np.linalg.norm(np.diff(motion, n=2, axis=2), axis=1).max() < 0.19  # metres per frame and frame


# ----------------------------------------------------------------------------------------------------------- actions


@pytest.mark.parametrize("action", ["wave", "clap", "salute", "drink water", "punch", "sit down", "stand up"])
def test_feet_stay_where_they_are_planted(everything, action):
    motion = front(everything, action)
    for side in ("Left", "Right"):
        assert_planted(joint(motion, f"Foot{side}"), share=1.0, slide=1e-5)
        assert_planted(joint(motion, f"Ankle{side}"), share=1.0, slide=1e-5)


@pytest.mark.parametrize(("action", "foot"), [("kick", "FootLeft"), ("throw", "FootRight")])
def test_the_standing_foot_of_a_one_sided_action_stays(everything, action, foot):
    assert_planted(joint(front(everything, action), foot), share=1.0, slide=1e-5)


def test_walkers_advance_on_alternating_planted_feet(everything):
    motion = front(everything, "walk")
    pelvis = joint(motion, "SpineBase")
    advance = pelvis[:, 2, 0] - pelvis[:, 2, -1]  # towards the camera
    assert 1.5 < advance.min() and advance.max() < 4.0
    left, right = joint(motion, "FootLeft"), joint(motion, "FootRight")
    for foot in (left, right):
        assert_planted(foot, share=0.4)
    apart = left[:, 2] - right[:, 2]
    assert (apart.max(axis=1) > 0.4).all() and (apart.min(axis=1) < -0.4).all()
    low = np.minimum(left[:, 1], right[:, 1])
    assert low.max() < 0.06  # one foot is always on the floor


def test_arms_swing_against_the_legs(everything):
    motion = front(everything, "walk")
    for side in ("Left", "Right"):
        pelvis = joint(motion, "SpineBase")[:, 2]
        hand, foot = joint(motion, f"Hand{side}")[:, 2] - pelvis, joint(motion, f"Ankle{side}")[:, 2] - pelvis
        assert max(np.corrcoef(a, b)[0, 1] for a, b in zip(hand, foot, strict=True)) < -0.7


def test_jumpers_leave_the_ground_with_both_feet_and_come_back(everything):
    motion = front(everything, "jump up")
    lower = np.minimum(joint(motion, "FootLeft")[:, 1], joint(motion, "FootRight")[:, 1])
    assert (lower.max(axis=1) > 0.15).all()
    assert (lower[:, 0] < 0.04).all() and (lower[:, -1] < 0.04).all()
    pelvis = joint(motion, "SpineBase")[:, 1]
    assert (pelvis[:, 0] - pelvis.min(axis=1) > 0.15).all()  # they crouch
    assert (joint(motion, "HandLeft")[:, 1].max(axis=1) > joint(motion, "Head")[:, 1].max(axis=1)).all()


def test_hoppers_leave_the_ground_again_and_again_on_one_foot(everything):
    motion = front(everything, "hop")
    right, left = joint(motion, "FootRight")[:, 1], joint(motion, "FootLeft")[:, 1]
    off = right > 0.04
    assert ((off[:, 1:] & ~off[:, :-1]).sum(axis=1) >= 2).all()
    assert left.min() > 0.1


@pytest.mark.parametrize(("action", "before", "after"), [("sit down", 0, -1), ("stand up", -1, 0)])
def test_sitting_lowers_the_hips_by_a_chair(everything, action, before, after):
    motion = front(everything, action)
    hips = joint(motion, "SpineBase")[:, 1]
    drop = hips[:, before] - hips[:, after]
    assert 0.35 < drop.min() and drop.max() < 0.55
    knees = joint(motion, "KneeLeft")[:, 1, after]
    assert (np.abs(hips[:, after] - knees) < 0.15).all()


def test_kickers_swing_the_right_leg_back_then_forward(everything):
    motion = front(everything, "kick")
    ahead = joint(motion, "SpineBase")[:, 2] - joint(motion, "AnkleRight")[:, 2]
    assert (ahead.max(axis=1) > 0.5).all() and (ahead.min(axis=1) < -0.25).all()
    assert (ahead.argmin(axis=1) < ahead.argmax(axis=1)).all()
    assert (joint(motion, "FootRight")[:, 1].max(axis=1) > 0.3).all()


def test_wavers_raise_the_right_hand_and_swing_it(everything):
    motion = front(everything, "wave")[:, :, 24:46]
    hand = joint(motion, "HandRight") - joint(motion, "ShoulderRight")
    assert (hand[:, 1] > 0.15).all()
    turns = np.diff(np.sign(np.diff(hand[:, 0], axis=1)), axis=1) != 0
    assert (turns.sum(axis=1) >= 2).all()
    assert (np.ptp(hand[:, 0], axis=1) > 0.15).all()


def test_clapping_hands_meet_and_never_pass_through_each_other(everything):
    motion = front(everything, "clap")
    left, right = joint(motion, "HandLeft"), joint(motion, "HandRight")
    apart = np.linalg.norm(left - right, axis=1)[:, 14:52]
    assert (apart.min(axis=1) < 0.08).all() and (apart.max(axis=1) > 0.25).all()
    assert ((np.diff(np.sign(np.diff(apart, axis=1)), axis=1) > 0).sum(axis=1) >= 2).all()  # several claps
    assert (right[:, 0] > left[:, 0]).all()


def test_throwing_hands_are_fastest_on_the_way_forward(everything):
    motion = front(everything, "throw")
    hand = joint(motion, "HandRight")
    fastest = speed(hand).argmax(axis=1)
    forward = hand[np.arange(len(hand)), 2, fastest] - hand[np.arange(len(hand)), 2, fastest + 1]
    assert (forward > 0.1).all()
    assert (speed(hand).max(axis=1) > 4.0).all()


def test_punches_reach_out_twice_and_drinks_reach_the_mouth(everything):
    motion = front(everything, "punch")
    reach = np.linalg.norm(joint(motion, "WristRight") - joint(motion, "ShoulderRight"), axis=1)
    out = reach[:, 8:-8] > 0.4
    assert ((out[:, 1:] & ~out[:, :-1]).sum(axis=1) == 2).all()
    motion = front(everything, "drink water")
    mouth = np.linalg.norm(joint(motion, "HandRight") - joint(motion, "Head"), axis=1)
    assert (mouth.min(axis=1) < 0.32).all() and (mouth[:, 0] > 0.5).all()


def test_saluting_hands_are_beside_the_head_and_still(everything):
    motion = front(everything, "salute")[:, :, 27:38]
    hand, head = joint(motion, "HandTipRight"), joint(motion, "Head")
    assert np.linalg.norm(hand - head, axis=1).max() < 0.3
    assert speed(hand).max() < 0.8


# ----------------------------------------------------------------------------------------------------- camera, sensor


def test_a_person_who_faces_the_camera_has_the_left_hand_at_smaller_x(everything):
    motion = everything.where(classes=["sit down"], views=[2]).motion
    assert (joint(motion, "HandLeft")[:, 0] < joint(motion, "HandRight")[:, 0]).all()
    ankle, toe = joint(motion, "AnkleLeft"), joint(motion, "FootLeft")
    assert (toe[:, 2] < ankle[:, 2]).all()  # toes point at the camera, and z grows away from it
    assert 2.0 < joint(motion, "SpineBase")[:, 2].mean() < 4.0


def test_cameras_see_one_motion_turned_about_the_vertical(everything):
    recorded = {view: everything.where(views=[view]).motion.astype(np.float64) for view in (1, 2, 3)}
    for view, degrees in ((1, -45), (3, 45)):
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        about = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        turned = np.einsum("ij,njtv->nitv", about, recorded[2])
        left_over = recorded[view] - turned
        assert np.ptp(left_over, axis=(2, 3)).max() < 1e-5  # a constant shift per motion
        assert np.ptp(left_over[:, 1]) < 1e-5


def test_the_right_side_is_nearer_to_camera_3(everything):
    for view, sign in ((1, 1), (3, -1)):
        motion = everything.where(classes=["salute"], views=[view]).motion
        assert (sign * (joint(motion, "HipRight") - joint(motion, "HipLeft"))[:, 2] > 0).all()


def test_sensor_noise_has_its_standard_deviation_and_twice_that_at_hands_and_feet():
    kwargs = {"actions": ["walk", "wave"], "subjects": 4, "repeats": 4}
    noise = synthesise(**kwargs, sensor_noise=0.01).motion - synthesise(**kwargs, sensor_noise=0).motion
    size = noise.std(axis=(0, 1, 2))
    assert size[JOINT["SpineMid"]] == pytest.approx(0.01, rel=0.1)
    assert size[JOINT["FootLeft"]] == pytest.approx(0.02, rel=0.1)
    together = (noise[:, :, 1:] * noise[:, :, :-1]).mean() / (noise**2).mean()
    assert together == pytest.approx(0.6, abs=0.05)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_dropout_is_the_share_of_frames_without_a_limb(share):
    kwargs = {"actions": ["walk", "hop"], "subjects": 5, "repeats": 4, "sensor_noise": 0}
    clean, lost = synthesise(**kwargs).motion, synthesise(**kwargs, dropout=share).motion
    changed = np.abs(clean - lost).max(axis=1) > 1e-6  # (N, T, V)
    assert changed.any(axis=2).mean() == pytest.approx(share, abs=0.06)
    assert changed.sum(axis=2).max() == 5  # one arm, never more
    assert not changed[..., [JOINT["SpineBase"], JOINT["Head"], JOINT["ShoulderLeft"], JOINT["HipRight"]]].any()


def test_a_lost_limb_is_frozen_or_elsewhere():
    kwargs = {"actions": ["walk"], "subjects": 5, "repeats": 4, "sensor_noise": 0}
    clean, lost = synthesise(**kwargs).motion, synthesise(**kwargs, dropout=0.3).motion
    hand = JOINT["HandLeft"]
    changed = np.abs(clean - lost)[..., hand].max(axis=1) > 1e-6
    still = np.abs(np.diff(lost[..., hand], axis=2)).max(axis=1) < 1e-9
    share = (still & changed[:, 1:]).sum() / changed[:, 1:].sum()
    assert 0.2 < share < 0.8


def test_full_dropout_and_two_frames_are_possible():
    motions = synthesise(["walk", "jump up"], subjects=2, repeats=1, frames=2, dropout=1.0)
    motions.check()
    assert motions.shape == (12, 3, 2, 25)


# ------------------------------------------------------------------------------------------------------- distribution


def features(motions):
    """Joints relative to the first place of the pelvis, turned to the front, and their spread."""
    motion = motions.motion - motions.motion[:, :, :1, :1]
    angle = -CAMERAS[motions.view - 1][:, None, None]
    x, y, z = motion[:, 0], motion[:, 1], motion[:, 2]
    motion = np.stack([np.cos(angle) * x + np.sin(angle) * z, y, np.cos(angle) * z - np.sin(angle) * x], axis=1)
    blocks = motion.reshape(len(motion), 3, 16, -1, 25)
    parts = [blocks.mean(axis=3), 2 * blocks.std(axis=3)]
    return np.concatenate([part.reshape(len(motion), -1) for part in parts], axis=1)


@pytest.mark.parametrize("split", ["xsub", "xview"])
def test_the_nearest_class_mean_recognises_the_actions_of_new_people(sensed, split):
    train, test = sensed.split(split)
    a, b = features(train), features(test)
    means = np.stack([a[train.label == label].mean(axis=0) for label in range(len(ACTIONS))])
    guess = np.linalg.norm(b[:, None] - means, axis=2).argmin(axis=1)
    assert (guess == test.label).mean() > 0.85


def test_no_two_motions_of_a_class_are_alike(sensed):
    for label in range(len(ACTIONS)):
        motion = sensed.motion[(sensed.label == label) & (sensed.view == 2)]
        flat = (motion - motion[:, :, :1, :1]).reshape(len(motion), -1)
        gap = np.linalg.norm(flat[:, None] - flat, axis=2) + np.eye(len(flat)) * 1e9
        assert gap.min() / np.sqrt(64 * 25) > 0.015  # metres per joint and frame, far above the noise


# ---------------------------------------------------------------------------------------------------------- refusals


def test_an_unknown_action_is_refused_with_the_nearest_name_and_all_names():
    with pytest.raises(ValueError, match=r"no action is called 'jumpup'; did you mean 'jump up'\?.*walk"):
        synthesise(["jumpup"])
    with pytest.raises(ValueError, match="drink water, throw.*walk"):
        synthesise(["xyzzy"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"actions": []}, "at least one"),
        ({"actions": ["walk", "walk"]}, "different"),
        ({"actions": "walk"}, "did you mean ['walk']"),
        ({"subjects": 1}, "at least 2 subjects"),
        ({"repeats": 0}, "1 repeat"),
        ({"frames": 1}, "2 frames"),
        ({"fps": 0.0}, "positive fps"),
        ({"fps": float("nan")}, "positive fps"),
        ({"seed": -1}, "seed must not be negative"),
        ({"sensor_noise": -0.1}, "sensor_noise"),
        ({"sensor_noise": float("inf")}, "sensor_noise"),
        ({"dropout": 1.5}, "dropout between 0 and 1"),
        ({"dropout": float("nan")}, "dropout between 0 and 1"),
    ],
)
def test_arguments_out_of_range_are_refused(changes, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        synthesise(**{"actions": ["walk"], "subjects": 2, "repeats": 1, "frames": 4, **changes})


def test_sizes_must_be_whole_numbers():
    with pytest.raises(TypeError):
        synthesise(["walk"], subjects=2.5)
