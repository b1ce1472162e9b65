"""Tests of kinetic/motion/summary.py, which `kinetic data info` prints."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from kinetic.cli.arguments import json_text
from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.motion.summary import FAST, length_variation, named, overview, summarise, summary_text, survey
from kinetic.pictures.charts import overview_chart
from kinetic.skeleton import COCO17, NTU25, NTU25_2D, Skeleton


def rigid(n=3, frames=4):
    """Rigid bodies: no bone changes its length."""
    body = np.random.default_rng(0).normal(size=(1, 3, 1, 25))
    path = np.random.default_rng(1).normal(size=(n, 3, frames, 1))
    return (body + path).astype(np.float32)


def motions(**changes):
    values = {
        "motion": rigid(),
        "label": np.array([0, 0, 1]),
        "class_names": ("walk", "jump"),
        "skeleton": NTU25,
        "subject": np.array([0, 1, 1]),
        "subject_names": ("ann", "bob"),
        "view": np.array([1, 2, 2]),
        "source": "made up",
        "splits": {"xsub": {"by": "subject", "train": ["ann"]}},
    }
    return MotionSet(**(values | changes))


def test_a_split_with_an_empty_side_is_a_remark():
    summary = summarise(motions(subject=np.array([0, 0, 0])))
    assert summary["splits"] == {} and any("xsub" in remark for remark in summary["remarks"])


def test_bones_of_a_rigid_body_do_not_vary():
    assert length_variation(rigid(), NTU25.bones).max() < 1e-6


def test_variation_is_the_standard_deviation_over_the_mean():
    motion = np.zeros((1, 3, 2, 2))
    motion[0, 0, :, 1] = [1.0, 3.0]  # lengths 1 and 3: mean 2, standard deviation 1
    assert length_variation(motion, ((0, 1),)).tolist() == [[0.5]]


def test_a_bone_without_length_does_not_divide_by_zero():
    assert length_variation(np.zeros((1, 3, 2, 2)), ((0, 1),)).tolist() == [[0.0]]


def test_counts_are_by_name():
    summary = summarise(motions())
    assert summary["classes"] == {"walk": 2, "jump": 1}
    assert summary["subjects"] == {"ann": 1, "bob": 2}
    assert summary["views"] == {"1": 1, "2": 2}
    assert summary["splits"] == {"xsub": [1, 2]}
    assert summary["fps"] == [30.0]
    assert "setups" not in summary


def test_the_bone_that_varies_most_is_named():
    motion = rigid()
    motion[:, 0, ::2, 3] += 0.5  # the head, on the neck
    bones = summarise(motions(motion=motion))["bone_variation"]
    assert set(bones["worst_bone"].split(" - ")) == {NTU25.joints[2], NTU25.joints[3]}
    assert bones["worst"] > 0.01
    assert bones["median"] < 1e-5


def test_a_large_set_is_read_in_parts(monkeypatch):
    whole = summarise(motions())
    monkeypatch.setattr("kinetic.motion.summary.PART", 1)
    assert summarise(motions()) == whole


def test_every_axis_has_its_range():
    motion = rigid()
    motion[2, 1, 3, 7], motion[0, 1, 0, 0] = 50.0, -60.0
    ranges = summarise(motions(motion=motion))["range"]
    assert ranges[1] == [-60.0, 50.0]
    assert ranges[0] == [round(float(motion[:, 0].min()), 4), round(float(motion[:, 0].max()), 4)]


def test_a_summary_is_json_and_text():
    summary = summarise(motions(fps=np.array([15.0, 30.0, 30.0])))
    assert json.loads(json.dumps(summary)) == summary
    text = summary_text(summary)
    assert "3 of 4 frames at 15 to 30 per second" in text
    assert "2: walk 2, jump 1" in text
    assert "xsub: 1 to train, 2 to test" in text


def test_empty_classes_are_remarked():
    assert any("squat" in remark for remark in summarise(motions(class_names=("walk", "jump", "squat")))["remarks"])


def padded(frames, n=3, length=8, **changes):
    """Rigid bodies of these numbers of frames, padded with zeros."""
    motion = rigid(n, length)
    motion *= (np.arange(length) < np.array(frames)[:, None])[:, None, :, None]
    return motions(motion=motion, columns={"frames": np.array(frames)}, **changes)


def test_padding_does_not_count():
    summary = summarise(padded([8, 5, 2]))
    assert summary["lengths"] == {"min": 2, "median": 5.0, "max": 8, "padded": 2}
    assert summary["odd"] == {} and summary["bone_variation"]["worst"] < 1e-5
    surveyed = survey(padded([8, 5, 2]))
    assert surveyed.bodies.tolist() == [8, 5, 2] and surveyed.gaps.tolist() == [0, 0, 0] and not surveyed.tail.any()
    assert "2 to 8 frames, median 5; 2 padded" in summary_text(summary)


def test_padding_is_left_out_of_range_and_speed():
    far = padded([8, 5, 2])
    shifted = replace(far, motion=np.where(far.motion == 0, 0, far.motion + 100).astype(np.float32))
    summary = summarise(shifted)
    assert summary["range"][0][0] > 90
    assert survey(shifted).speed.max() < 1000  # one step to the padding would be 3000 a second


def test_padding_other_than_zeros_is_noticed():
    assert survey(motions(columns={"frames": np.array([4, 3, 4])})).tail.tolist() == [False, True, False]


def test_padding_that_repeats_the_last_frame_does_not_count_either():
    motion = rigid(3, 8)
    motion[1, :, 5:], motion[2, :, :5], motion[2, :, 5:] = 50, motion[1, :, :5], -50
    held = motions(motion=motion, columns={"frames": np.array([8, 5, 5])})
    surveyed = survey(held)
    assert surveyed.bodies.tolist() == [8, 5, 5] and abs(surveyed.high).max() < 40 and surveyed.copies() == [[1, 2]]


@pytest.mark.parametrize("frames", [[9, -1, 2], [np.nan, -0.5, 2.0]])
def test_impossible_lengths_become_the_nearest_possible_ones(frames):
    assert survey(motions(columns={"frames": np.array(frames)})).frames.tolist() == [4, 0, 2]


def test_frames_without_a_body_are_counted_and_give_no_speed():
    motion = rigid(3, 8)
    calm = survey(motions(motion=motion)).speed
    motion[1, :, 3:5] = 0
    surveyed = survey(motions(motion=motion))
    assert surveyed.gaps.tolist() == [0, 2, 0] and (surveyed.speed <= calm + 1e-9).all()
    summary = summarise(motions(motion=motion, clip=("a", "b", "c")))
    assert summary["odd"]["frames without a body"] == {"motions": 1, "first": ["1 (b)"]}


def test_empty_and_still_motions_are_listed():
    motion = rigid(3, 8)
    motion[0], motion[2] = 0, motion[2, :, :1]
    summary = summarise(motions(motion=motion))
    assert summary["odd"]["empty"]["first"] == ["0"]
    assert summary["odd"]["still"]["first"] == ["2"]


def test_repeated_frames_are_counted():
    motion = rigid(3, 8)
    motion[1, :, 4:6] = motion[1, :, 3:4]
    assert survey(motions(motion=motion)).held.tolist() == [0, 2, 0]


def test_speed_is_distance_times_rate():
    motion = np.zeros((1, 3, 3, 25), dtype=np.float32) + 1
    motion[0, :, 2, 7] += [0.3, 0.0, 0.4]  # half a metre in a frame
    surveyed = survey(motions(motion=motion, label=np.array([0]), subject=None, view=None, fps=30.0))
    assert surveyed.speed[0] == pytest.approx(15, rel=1e-6)
    assert surveyed.where.tolist() == [[2, 7]] and surveyed.fast.tolist() == [1]
    assert surveyed.speeds.sum() == 2


def test_the_worst_speeds_are_named_by_clip():
    motion = np.cumsum(np.full((30, 3, 8, 25), 0.001, dtype=np.float32), axis=2)
    motion[20, 0, 4:, 11] += 1.0
    summary = summarise(
        motions(
            motion=motion,
            label=np.zeros(30, dtype=int),
            subject=None,
            view=None,
            clip=tuple(f"clip{i}" for i in range(30)),
        )
    )
    assert summary["speed"]["outliers"] == 1
    worst = summary["speed"]["worst"][0]
    assert (worst["motion"], worst["frame"], worst["joint"]) == ("20 (clip20)", 4, "HandRight")
    assert "20 (clip20): 30 m/s, HandRight, frame 4" in summary_text(summary).replace("30.03", "30")


def test_a_slow_set_has_a_lower_limit():
    motion = np.cumsum(np.random.default_rng(0).uniform(0.001, 0.002, (40, 3, 8, 25)), axis=2).astype(np.float32)
    motion[3, 0, 5:] += 0.1  # 3 m/s, while others reach 0.1 m/s
    surveyed = survey(motions(motion=motion, label=np.zeros(40, dtype=int), subject=None, view=None))
    assert surveyed.limit(True) < FAST and surveyed.outliers(True).tolist() == [3]
    assert surveyed.outliers(False).tolist() == [3]


def test_copies_may_differ_in_label_and_padding():
    motion = rigid(5, 8)
    motion[3, :, :4] = motion[1, :, :4]
    motion[[1, 3], :, 4:] = 0
    motion[4] = 0
    motion[0] = 0
    many = motions(
        motion=motion, label=np.arange(5) % 2, subject=None, view=None, columns={"frames": np.array([8, 4, 8, 4, 8])}
    )
    assert survey(many).copies() == [[1, 3]]
    assert summarise(many)["copies"] == {"motions": 1, "first": [["1", "3"]]}
    assert "1 motion repeats another one exactly" in summary_text(summarise(many))


def test_minus_zero_equals_zero():
    motion = np.zeros((2, 3, 2, 25), dtype=np.float32)
    motion[:, 0], motion[1, 1] = 1, -0.0
    assert survey(motions(motion=motion, label=np.array([0, 1]), subject=None, view=None)).copies() == [[0, 1]]


def test_motions_that_are_not_finite_are_named_and_left_out():
    motion = rigid()
    rest = survey(motions(motion=motion).select([0, 2]))
    motion[1, 0, 0, 0] = np.nan
    surveyed = survey(motions(motion=motion))
    assert surveyed.finite.tolist() == [True, False, True]
    assert np.array_equal(surveyed.low, rest.low) and np.array_equal(surveyed.speeds, rest.speeds)
    summary = summarise(motions(motion=motion))
    assert summary["odd"] == {"not finite": {"motions": 1, "first": ["1"]}}
    assert "not finite in 1 motion: 1" in summary_text(summary)


def test_left_joints_are_to_the_left_of_the_direction_of_the_feet():
    person = np.zeros((1, 3, 2, 25), dtype=np.float32)
    joint = {name: i for i, name in enumerate(NTU25.joints)}
    for name, place in {
        "HipLeft": (0.1, 1, 0), "HipRight": (-0.1, 1, 0), "ShoulderLeft": (0.2, 1.5, 0),
        "ShoulderRight": (-0.2, 1.5, 0), "AnkleLeft": (0.1, 0.1, 0), "AnkleRight": (-0.1, 0.1, 0),
        "FootLeft": (0.1, 0, 0.2), "FootRight": (-0.1, 0, 0.2),
    }.items():  # fmt: skip
        person[0, :, :, joint[name]] = np.array(place)[:, None]  # faces z: the left is where x grows
    one = {"label": np.array([0]), "subject": None, "view": None}
    assert survey(motions(motion=person, **one)).side[0] == pytest.approx(1)
    mirrored = person * np.array([-1, 1, 1], dtype=np.float32)[:, None, None]
    assert survey(motions(motion=mirrored, **one)).side[0] == pytest.approx(-1)
    turned = person[:, [2, 1, 0]] * np.array([1, 1, -1], dtype=np.float32)[:, None, None]  # about y by 90 degrees
    assert survey(motions(motion=turned, **one)).side[0] == pytest.approx(1)


def test_a_skeleton_without_feet_has_no_side():
    stick = Skeleton(joints=("hip", "neck"), bones=((0, 1),), center=0)
    few = MotionSet(np.ones((2, 3, 4, 2), dtype=np.float32), np.array([0, 0]), ("a",), stick)
    assert np.isnan(survey(few).side).all()
    assert summarise(few)["bone_variation"]["worst"] == 0


def test_names_are_short_and_in_one_line():
    some = motions(clip=("a\n\x1b[31m", "b" * 200, "c"))
    text = named(some, [0, 1, 2], most=2)
    assert text.endswith("and 1 more") and text.isprintable() and len(text) < 100


def test_many_classes_are_not_listed():
    some = motions(class_names=tuple(f"A{i}" for i in range(120)))
    assert "classes   120: 0 (A2) to 2 (A0) motions each, median 0" in summary_text(summarise(some))


def test_a_picture_is_made_of_plain_numbers():
    drawn = overview(motions())
    assert drawn["classes"] == {"walk": 2, "jump": 1}
    assert drawn["table"].tolist() == [[1, 0], [0, 2]]
    assert drawn["columns"] == ["ann", "bob"] and drawn["rows"] == ["view 1", "view 2"]
    assert list(drawn["poses"]) == ["mean", "walk", "jump"]
    assert all(pose.shape == (3, 25) for pose in drawn["poses"].values())
    assert drawn["variation"].shape == (3, len(drawn["bones"]))
    body = rigid()[0, :, 0] - rigid()[0, :, 0, NTU25.center, None]  # the same in all motions
    np.testing.assert_allclose(drawn["poses"]["mean"], body, atol=1e-5)


def test_sets_without_people_bodies_or_motions_are_summarised():
    bare = motions(subject=None, view=None, subject_names=(), splits={})
    assert overview(bare)["table"].tolist() == [[3]]
    for odd in (bare.select([]), replace(bare, motion=np.zeros_like(bare.motion))):
        assert summary_text(summarise(odd)) and overview(odd)["poses"] == {}


def test_two_coordinates_have_no_metres():
    flat = motions(motion=rigid()[:, :2], skeleton=NTU25_2D)
    assert overview(flat)["fast"] is None and "units/s" in summary_text(summarise(flat))


def test_a_second_body_is_counted():
    partner = np.zeros((3, 3, 4, 25), dtype=np.float32)
    partner[1, :, 2:] = 1
    pair = motions(partner=partner)
    assert survey(pair).partner.bodies.tolist() == [0, 2, 0]
    assert summarise(pair)["partner"] == {"motions": 1, "frames": 2}
    assert "a second body in 1 motion" in summary_text(summarise(pair))


def test_a_second_body_is_measured_where_it_exists(monkeypatch):
    partner = np.zeros((3, 3, 4, 25), dtype=np.float32)
    partner[2, :, 1:] = 3 * rigid()[2, :, 1:]
    pair, alone = motions(partner=partner), motions(motion=3 * rigid())
    for part in (1, 8 << 20):
        monkeypatch.setattr("kinetic.motion.summary.PART", part)
        second, first = survey(pair).partner, survey(alone)
        assert second.bodies.tolist() == [0, 0, 3] and np.isnan(second.size[:2]).all()
        np.testing.assert_allclose(second.size[2], first.size[2], rtol=1e-5)
        np.testing.assert_allclose(second.length[2], first.length[2], rtol=1e-5)
        assert np.array_equal(second.high, partner[2].max(axis=(1, 2)))
    assert survey(motions()).partner is None


def test_a_second_body_that_copies_the_first_is_counted_frame_by_frame():
    partner = np.zeros((3, 3, 4, 25), dtype=np.float32)
    partner[0], partner[1, :, :2] = rigid()[0], rigid()[1, :, :2]
    partner[1, :, 2:] = 1
    assert survey(motions(partner=partner)).twin.tolist() == [4, 2, 0]
    short = motions(partner=partner, columns={"frames": np.array([3, 1, 4])})
    assert survey(short).twin.tolist() == [3, 1, 0]


def test_a_second_body_may_not_be_finite():
    partner = np.zeros((3, 3, 4, 25), dtype=np.float32)
    partner[1, 0, 2, 3] = np.nan
    surveyed = survey(motions(partner=partner))
    assert surveyed.finite.all() and surveyed.partner.finite.tolist() == [True, False, True]


def standing(joints, skeleton=NTU25, **changes):
    """Motions of one frame with some joints, by name and place, and the others at 0."""
    motion = np.zeros((1, skeleton.channels, 1, len(skeleton.joints)), dtype=np.float32)
    for name, place in joints.items():
        motion[0, :, 0, skeleton.joints.index(name)] = place
    return MotionSet(motion, np.array([0]), ("a",), skeleton, **changes)


def test_the_head_rises_above_the_feet():
    body = {"Head": (0.1, 1.7, 0), "AnkleLeft": (0, 0.2, 0), "AnkleRight": (0.2, 0.1, 0), "FootRight": (0.1, 0, 0)}
    np.testing.assert_allclose(survey(standing(body)).rise, [[0, 1.6, 0]], atol=1e-6)


def test_undetected_joints_do_not_count_for_the_direction_up():
    assert np.isnan(survey(standing({"Head": (0, 1.7, 0)})).rise).all()
    # The nose is the centre of COCO-17: 0 there is a place.
    np.testing.assert_allclose(survey(standing({"AnkleLeft": (0, -1.5)}, COCO17)).rise, [[0, 1.5]], atol=1e-6)


def test_padding_does_not_count_for_the_direction_up():
    one = standing({"Head": (0, 1.5, 0), "FootLeft": (0, 0.5, 0)})
    two = np.concatenate([one.motion, -one.motion], axis=2)
    np.testing.assert_allclose(survey(replace(one, motion=two)).rise, [[0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(
        survey(replace(one, motion=two, columns={"frames": np.array([1])})).rise, [[0, 1, 0]], atol=1e-6
    )


def test_a_set_without_finite_motions_is_summarised_and_drawn(tmp_path):
    nothing = motions(motion=np.full((3, 3, 4, 25), np.nan, dtype=np.float32))
    summary = summarise(nothing)
    assert json.loads(json_text(summary))["odd"]["not finite"]["motions"] == 3
    assert "not finite in 3 motions" in summary_text(summary)
    overview_chart(tmp_path / "nothing.png", **overview(nothing))
    some = rigid()
    some[0, 1, 2, 3], some[0, 1, 2, 4] = np.inf, -np.inf
    drawn = overview(motions(motion=some))
    assert all(np.isfinite(pose).all() for pose in drawn["poses"].values()) and "jump" in drawn["poses"]
    assert np.isfinite(drawn["variation"]).all() and drawn["speeds"].sum() == 6


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1e30, 3e38, -3e38, np.inf])
def test_coordinates_whose_squares_are_infinite_are_not_finite(value):
    motion = rigid()
    motion[1, 1, 2, 3], motion[1, 1, 3, 3] = value, -value
    some = motions(motion=motion, partner=motion)
    surveyed = survey(some)
    assert surveyed.finite.tolist() == surveyed.partner.finite.tolist() == [True, False, True]
    assert json_text(summarise(some, surveyed))


def test_names_from_files_are_printable():
    odd = replace(NTU25, name="a\ud800\x1b", joints=("b\ud800\x1b", *NTU25.joints[1:]))
    moving = rigid(frames=40)
    moving[:, 0, 20, 0] += 50
    summary = summarise(motions(motion=moving, source="c\ud800\x1b", skeleton=odd))
    name = r"b\ud800\x1b"
    assert name in summary["bone_variation"]["worst_bone"] and summary["speed"]["worst"][0]["joint"] == name
    for text in (json_text(summary), summary_text(summary)):
        assert text.replace("\n", "").isprintable()
        text.encode()


def test_a_set_on_the_disk_has_the_same_summary(tmp_path):
    write_motions(motions(), tmp_path / "set")
    assert summarise(read_motions(tmp_path / "set")) == summarise(motions())


def test_nw_ucla_holds_59_copies(shared):
    surveyed = survey(read_motions(shared / "data" / "motion" / "nw_ucla.npz"))
    assert sum(len(rows) - 1 for rows in surveyed.copies()) == 59
    assert (surveyed.side > 0).mean() > 0.95
