"""Faults of a set of motions: each is put into a sound set, and the inspection reports it and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinetic.evaluation.inspection import inspect, inspect_bodies, inspection_text
from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.motion.summary import survey
from kinetic.motion.synthetic import synthesise
from kinetic.skeleton import COCO17, NTU25, NTU25_2D

SOUND = synthesise(["walk", "sit down", "clap"], subjects=4, repeats=2, frames=32)


def sound(**changes) -> MotionSet:
    return replace(SOUND, **changes)


def changed(edit) -> MotionSet:
    motion = SOUND.motion.copy()
    edit(motion)
    return sound(motion=motion)


def test_names_that_cannot_be_shown_are_a_fault():
    odd = ("a\nb", "\x1b[31m", "\u202e", "x" * 5000)
    for changes in (
        {"class_names": (*odd[:2], "clap")},
        {"subject_names": odd, "subject": np.arange(len(SOUND)) % 4},
        {"skeleton": replace(SOUND.skeleton, joints=(*odd, *SOUND.skeleton.joints[4:]))},
        {"skeleton": replace(SOUND.skeleton, name=odd[0])},
        {"clip": tuple(f"{odd[i % 4]}{i}" for i in range(len(SOUND)))},
        {"source": odd[1]},
        {"splits": {odd[2]: {"by": "view", "train": [1]}}},
    ):
        faults = [fault for fault in inspect(sound(**changes)) if fault.what == "spelling"]
        assert len(faults) == 1 and faults[0].severity == "fault" and faults[0].text.isprintable()
        assert len(faults[0].text) < 800
    assert not [fault for fault in inspect(sound(class_names=("wäg", "走る", "$\\frac{$"))) if fault.what == "spelling"]


def kinds(motions) -> dict[tuple[str, str], tuple[int, ...]]:
    return {(fault.severity, fault.what): fault.motions for fault in inspect(motions)}


def put(rows, value):
    def edit(motion):
        motion[rows] = value

    return edit


def test_a_sound_set_has_no_faults():
    assert inspect(SOUND) == [] and inspection_text([]) == "no faults, no remarks"


def test_coordinates_that_are_not_finite_are_a_fault():
    def edit(motion):
        motion[3, 0, 5, 7], motion[8, 1, 0, 0] = np.nan, np.inf

    assert kinds(changed(edit)) == {("fault", "not finite"): (3, 8)}


def test_motions_of_zeros_are_a_fault():
    assert kinds(changed(put([2, 9], 0))) == {("fault", "empty"): (2, 9)}


def test_motions_that_stand_still_are_a_fault():
    assert kinds(changed(put(4, SOUND.motion[4, :, :1]))) == {("fault", "still"): (4,)}


def test_many_frames_without_a_body_are_a_fault_and_few_a_remark():
    def edit(motion):
        motion[1, :, 4:9], motion[2, :, 2:30] = 0, 0

    faults = kinds(changed(edit))
    assert faults[("remark", "gaps")] == (1,) and faults[("fault", "gaps")] == (2,)
    assert set(faults) == {("remark", "gaps"), ("fault", "gaps")}


def test_repeated_frames_are_a_remark():
    def edit(motion):
        motion[6, :, 5:28] = motion[6, :, 5:6]

    assert kinds(changed(edit))[("remark", "held")] == (6,)


@pytest.mark.parametrize(
    ("factor", "word"),
    [(100, "centimetres"), (1000, "millimetres"), (39.37, "inches"), (0.2, "scaled"), (10, "decimetres")],
)
def test_other_units_than_metres_are_a_fault_that_guesses_them(factor, word):
    faults = inspect(sound(motion=SOUND.motion * np.float32(factor)))
    assert [fault.what for fault in faults] == ["units"] and word in faults[0].text


def test_one_body_that_is_too_large_is_a_fault():
    assert kinds(changed(put(5, 2.5 * SOUND.motion[5])))[("fault", "size")] == (5,)


def test_a_single_jump_is_a_remark_and_many_are_a_fault():
    def edit(motion):
        motion[0, 0, 20, 11] += 2
        motion[1, 0, ::2, 11] += 2

    faults = kinds(changed(edit))
    assert faults[("remark", "speed")] == (0,) and faults[("fault", "speed")] == (1,)


def test_bones_that_change_their_length_are_a_fault():
    def edit(motion):
        motion[7] *= np.linspace(0.4, 1.6, 32, dtype=np.float32)[:, None]

    assert kinds(changed(edit))[("fault", "bones")] == (7,)


def test_joints_in_another_order_are_a_fault():
    order = np.random.default_rng(0).permutation(25)
    assert ("fault", "joints") in kinds(sound(motion=SOUND.motion[..., order]))


def test_sets_with_swapped_sides_or_mirrored_are_a_fault():
    order = np.arange(25)
    order[[*NTU25.left, *NTU25.right]] = [*NTU25.right, *NTU25.left]
    assert kinds(sound(motion=SOUND.motion[..., order])) == {("fault", "sides"): ()}
    mirrored = SOUND.motion * np.array([-1, 1, 1], dtype=np.float32)[:, None, None]
    assert kinds(sound(motion=mirrored)) == {("fault", "sides"): ()}


def test_a_few_mirrored_motions_are_a_remark():
    assert kinds(changed(lambda motion: motion[3].__imul__(np.array([[[-1]], [[1]], [[1]]]))))[("remark", "sides")] == (
        3,
    )


def turned(*axes, motion=SOUND.motion):
    """Motions with other axes: each new axis is an old one by its number from 1, negative where it is reversed."""
    return np.stack([np.sign(axis) * motion[:, abs(axis) - 1] for axis in axes], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("axes", "points"),
    [
        ((1, -3, 2), "z points up"),
        ((1, 3, -2), "z points down"),
        ((1, -2, -3), "y points down"),
        ((1, -2, 3), "y points down"),
        ((2, -1, 3), "x points up"),
    ],
)
def test_another_axis_that_points_up_is_a_fault(axes, points):
    (fault,) = inspect(sound(motion=turned(*axes)))
    assert (fault.severity, fault.what, fault.motions) == ("fault", "up", ()) and points in fault.text


def test_the_axis_that_points_up_is_checked_with_two_coordinates_too():
    flat = replace(SOUND, motion=SOUND.motion[:, :2], skeleton=NTU25_2D)
    assert inspect(flat) == []
    assert kinds(replace(flat, motion=turned(1, -2, motion=flat.motion))) == {("fault", "up"): ()}
    pixels = np.zeros((6, 2, 4, 17), dtype=np.float32)  # noses and ankles alone, and few of those
    pixels[:, 1, :, 0], pixels[:2, 1, :, 15] = 100, 700
    six = MotionSet(pixels, np.zeros(6, dtype=int), ("a",), COCO17)
    assert ("remark", "up") in kinds(six)
    assert ("fault", "up") in kinds(replace(six, motion=pixels[:2].repeat(3, axis=0)))
    assert not {what for _, what in kinds(replace(six, motion=-pixels))} & {"up"}


def test_motions_turned_by_their_recipe_are_a_remark():
    lying = sound(motion=turned(1, -3, 2), notes={"recipe": "pyskl"})
    (fault,) = inspect(lying)
    assert (fault.severity, fault.what) == ("remark", "up") and "pyskl" in fault.text
    assert kinds(replace(lying, motion=turned(1, 3, -2))) == {("fault", "up"): ()}
    assert kinds(replace(lying, notes={"recipe": "kinetic"})) == {("fault", "up"): ()}


def test_people_who_lie_or_stand_on_their_hands_in_some_classes_are_no_fault():
    for axes in ((1, -3, 2), (-1, -2, 3)):
        motion = np.where((SOUND.label == 2)[:, None, None, None], turned(*axes), SOUND.motion)
        assert "up" not in {what for _, what in kinds(sound(motion=motion))}


def test_most_motions_decide_which_axis_points_up():
    motion = np.where((SOUND.label != 2)[:, None, None, None], turned(1, -3, 2), SOUND.motion)
    assert ("fault", "up") in kinds(sound(motion=motion))


def test_a_few_motions_that_lie_are_a_remark():
    assert kinds(sound(motion=turned(1, -3, 2)).select([0, 1, 2]))[("remark", "up")] == ()


def paired(edit=None, frames=slice(4, 20), **changes) -> MotionSet:
    """The motions of another row as partners, a metre beside, in every second motion and in some frames."""
    partner = np.zeros_like(SOUND.motion)
    partner[::2, :, frames] = np.roll(SOUND.motion, 2, axis=0)[::2, :, frames]
    partner[::2, 0, frames] += 1
    if edit is not None:
        edit(partner)
    return sound(partner=partner, **changes)


def test_sound_partners_have_no_faults():
    assert inspect(paired()) == []


@pytest.mark.parametrize(("factor", "word"), [(1000, "millimetres"), (100, "centimetres"), (0.1, "scaled")])
def test_partners_in_other_units_are_a_fault(factor, word):
    (fault,) = inspect(paired(lambda partner: partner.__imul__(factor)))
    assert (fault.severity, fault.what) == ("fault", "partner units") and word in fault.text
    flat = paired(lambda partner: partner.__imul__(factor))
    flat = replace(flat, motion=flat.motion[:, :2], partner=flat.partner[:, :2], skeleton=NTU25_2D)
    assert kinds(flat) == {("fault", "partner units"): ()}


def test_one_partner_in_other_units_is_a_fault():
    assert kinds(paired(lambda partner: partner[4].__imul__(1000)))[("fault", "partner units")] == (4,)


def test_partners_that_are_not_finite_are_a_fault():
    def edit(partner):
        partner[6, 1, 9, 3], partner[7, 1, 9, 3] = np.nan, np.inf

    assert kinds(paired(edit)) == {("fault", "partner not finite"): (6, 7)}


def test_partners_that_stand_still_are_a_remark():
    def edit(partner):
        partner[8, :, 4:20] = partner[8, :, 4:5]

    assert kinds(paired(edit)) == {("remark", "partner still"): (8,)}


@pytest.mark.parametrize("size", [0.1, 0.5])
def test_one_partner_of_noise_is_a_remark_and_all_are_a_fault(size):
    def edit(partner):
        partner[2, :, 4:20] = np.random.default_rng(0).normal(0, size, size=(3, 16, 25))

    assert kinds(paired(edit))[("remark", "partner bones")] == (2,)

    def all_of_them(partner):
        partner[::2, :, 4:20] = np.random.default_rng(0).normal(0, size, size=(len(partner[::2]), 3, 16, 25))

    assert kinds(paired(all_of_them))[("fault", "partner bones")] == tuple(range(0, len(SOUND), 2))


def test_partners_that_jump_are_a_remark():
    def edit(partner):
        partner[2, 0, 4:20:2] += 2

    assert kinds(paired(edit)) == {("remark", "partner speed"): (2,)}


def test_partners_that_copy_their_motion_are_a_fault_and_in_some_frames_a_remark():
    def edit(partner):
        partner[2, :, 4:20], partner[6, :, 4:9] = SOUND.motion[2, :, 4:20], SOUND.motion[6, :, 4:9]

    faults = kinds(paired(edit))
    assert faults[("fault", "partner copy")] == (2,) and faults[("remark", "partner copy")] == (6,)


def test_partners_in_the_padding_are_a_remark():
    frames = np.full(len(SOUND), 32)
    frames[4] = 10
    motion = SOUND.motion.copy()
    motion[4, :, 10:] = 0
    assert kinds(paired(motion=motion, columns={"frames": frames})) == {("remark", "partner padding"): (4,)}


def test_partners_with_another_axis_up_are_a_fault():
    pair = paired()
    assert kinds(replace(pair, partner=turned(1, -3, 2, motion=pair.partner))) == {("fault", "partner up"): ()}


def test_copies_on_both_sides_of_a_split_are_a_leak():
    train, test = SOUND.split("xsub")
    rows = np.arange(len(SOUND))
    people = {name: rows[np.isin(SOUND.subject, side.subject)] for name, side in (("train", train), ("test", test))}
    a = people["train"][0]
    b = next(row for row in people["test"] if SOUND.label[row] == SOUND.label[a])
    faults = inspect(changed(put(b, SOUND.motion[a])))
    (leak,) = [fault for fault in faults if fault.what == "leak" and "xsub" in fault.text]
    assert leak.severity == "fault" and leak.motions == (b,)
    assert f"{min(a, b)} (" in leak.text and " = " in leak.text


def test_copies_with_other_labels_are_a_fault_and_copies_alone_a_remark():
    alone = sound(subject=None, view=None, subject_names=(), splits={}, source="", clip=())
    same = np.flatnonzero(alone.label == alone.label[0])
    motion = alone.motion.copy()
    motion[same[1]] = motion[same[0]]
    assert kinds(replace(alone, motion=motion)) == {("remark", "copies"): (same[1],)}
    other = int(np.flatnonzero(alone.label != alone.label[0])[0])
    motion = alone.motion.copy()
    motion[other] = motion[0]
    assert kinds(replace(alone, motion=motion)) == {("remark", "copies"): (other,), ("fault", "labels"): (0, other)}


def test_classes_without_motions_are_a_remark():
    (fault,) = inspect(sound(class_names=(*SOUND.class_names, "hop")))
    assert (fault.severity, fault.what) == ("remark", "classes") and "1 of 4" in fault.text and "hop" in fault.text


def test_a_class_that_is_tested_and_not_trained_is_a_fault():
    train, _ = SOUND.split("xsub")
    label = SOUND.label.copy()
    in_train = np.isin(SOUND.subject, train.subject)
    label[in_train & (label == 2)] = 1
    faults = [fault for fault in inspect(sound(label=label)) if "xsub" in fault.text]
    assert [fault.severity for fault in faults] == ["fault"] and SOUND.class_names[2] in faults[0].text


def test_faults_of_a_split_that_no_one_defined_are_remarks():
    bare = sound(splits={}, source="")
    train, _ = bare.split("xsub")
    label = bare.label.copy()
    label[np.isin(bare.subject, train.subject) & (label == 2)] = 1
    label[~np.isin(bare.subject, train.subject) & (label == 0)] = 1
    faults = inspect(replace(bare, label=label))
    assert [(fault.severity, fault.what) for fault in faults] == [("remark", "split")] * 2
    assert "1 class is tested" in faults[0].text and "by the positions" in faults[0].text
    rule = {"xsub": {"by": "subject", "train": [bare.subject_names[i] for i in np.unique(train.subject)]}}
    defined = inspect(replace(bare, label=label, splits=rule))
    assert [fault.severity for fault in defined] == ["fault", "remark"] and "positions" not in defined[0].text
    alone = bare.select(bare.subject == train.subject[0])
    assert {(fault.severity, fault.what) for fault in inspect(alone)} == {("remark", "split")}


def test_an_empty_side_is_a_fault():
    (fault,) = [f for f in inspect(sound(splits={"xsub": {"by": "subject", "train": []}})) if f.what == "split"]
    assert fault.severity == "fault" and "leaves no motion to train" in fault.text


def test_a_person_on_both_sides_is_a_fault():
    names = [*SOUND.subject_names[:1], *SOUND.subject_names[1:]]
    rule = {"by": "subject", "train": [names[0]], "test": [0]}
    assert any("both sides" in f.text for f in inspect(sound(splits={"xsub": rule})))


def test_a_person_under_two_spellings_on_both_sides_is_a_leak():
    names = ("P01", "p1", "P02", "P03")
    faults = inspect(sound(subject_names=names, splits={"xsub": {"by": "subject", "train": ["P01"]}}))
    (fault,) = [fault for fault in faults if fault.what == "leak"]
    assert "'P01' trains and 'p1' tests" in fault.text and "P02" not in fault.text


def test_windows_of_one_recording_on_both_sides_are_a_leak():
    clip = list(SOUND.clip)
    clip[0] = clip[-1] = "one clip"
    rule = {"x": {"by": "subject", "train": [SOUND.subject_names[SOUND.subject[0]]]}}
    faults = inspect(sound(clip=tuple(clip), splits=rule))
    assert any(f.what == "leak" and f.motions == (len(SOUND) - 1,) and "recordings" in f.text for f in faults)


@pytest.mark.parametrize("values", [[33], [-1], [1.5], [np.nan]])
def test_impossible_numbers_of_frames_are_a_fault(values):
    frames = np.full(len(SOUND), 32.0)
    frames[5] = values[0]
    faults = kinds(sound(columns={"frames": frames}))
    assert faults[("fault", "frames")] == (5,)


def test_padding_with_coordinates_is_a_remark():
    frames = np.full(len(SOUND), 32)
    frames[4] = 20
    assert kinds(sound(columns={"frames": frames})) == {("remark", "padding"): (4,)}


def ntu(clips, label=None):
    n = len(clips)
    action = np.array([int(clip[-3:]) for clip in clips])
    return MotionSet(
        SOUND.motion[:n], action - 1 if label is None else label, tuple(f"A{i}" for i in range(1, 61)), NTU25,
        subject=np.array([int(clip[9:12]) for clip in clips]), view=np.array([int(clip[5:8]) for clip in clips]),
        clip=tuple(clips), source="ntu60",
    )  # fmt: skip


def test_clips_of_the_missing_list_and_repeated_clips_are_a_fault():
    faults = kinds(ntu(["S001C002P005R002A008", "S001C001P001R001A001", "S001C001P001R001A001"]))
    assert faults[("fault", "missing list")] == (0,) and faults[("fault", "names")] == (2,)


def test_labels_and_views_that_contradict_the_clip_name_are_a_fault():
    set_ = ntu(["S001C001P001R001A001", "S001C001P002R001A002"], label=np.array([0, 5]))
    assert kinds(set_)[("fault", "labels")] == (1,)
    assert kinds(replace(set_, view=np.array([1, 3])))[("fault", "names")] == (1,)


def test_clip_names_of_others_are_a_remark_in_sets_of_ntu():
    odd = replace(ntu(["S001C001P001R001A001"]), clip=("drink",))
    assert ("remark", "names") in kinds(odd)


def test_motions_of_two_coordinates_have_no_units_to_check():
    flat = replace(SOUND, motion=1000 * SOUND.motion[:, :2], skeleton=NTU25_2D)
    assert inspect(flat) == []


def test_faults_come_first_and_name_ten_motions():
    def edit(motion):
        motion[:12, 0, 0, 0] = np.nan
        motion[13, 0, 20, 11] += 2

    faults = inspect(changed(edit))
    assert [fault.severity for fault in faults] == ["fault", "remark"]
    assert faults[0].text.endswith(" and 2 more") and len(faults[0].motions) == 12
    assert inspection_text(faults).splitlines()[-1] == "1 fault, 1 remark"


def test_checks_of_bodies_leave_out_names_and_poor_motions():
    def poor(motion):
        motion[1] = motion[1, :, :1]  # still
        motion[2, 0, ::2, 11] += 2  # jumps
        motion[3] *= 2.5  # too large
        motion[7] *= np.linspace(0.4, 1.6, 32, dtype=np.float32)[:, None]  # bones that stretch

    assert len(inspect(changed(poor))) >= 4 and inspect_bodies(changed(poor)) == []
    assert inspect_bodies(sound(class_names=("a\nb", "x", "y"))) == []
    large = sound(motion=SOUND.motion * np.float32(1000))
    assert inspect_bodies(large) == inspect(large) != []
    assert [fault.motions for fault in inspect_bodies(changed(put([2, 9], 0)))] == [(2, 9)]


def test_a_survey_replaces_the_pass_over_the_coordinates():
    surveyed = survey(SOUND)
    assert inspect(sound(motion=np.zeros_like(SOUND.motion)), surveyed) == []


def test_a_set_on_the_disk_has_the_same_faults(tmp_path):
    odd = changed(put([2, 9], 0))
    write_motions(odd, tmp_path / "set")
    assert inspect(read_motions(tmp_path / "set")) == inspect(odd)


def test_a_real_set_with_copies_on_both_sides_leaks(shared):
    faults = inspect(read_motions(shared / "data" / "motion" / "nw_ucla.npz"))
    (leak,) = [fault for fault in faults if fault.what == "leak"]
    assert "xview" in leak.text and len(leak.motions) == 59
    assert not {fault.what for fault in faults if fault.severity == "fault"} & {"sides", "up"}


@pytest.mark.parametrize("name", ["utd_mhad", "nw_ucla", "kinder_gator", "irds", "hdm05"])
def test_real_recordings_have_no_faults(shared, name):
    official = {"nw_ucla": {"split"}}  # a class that two cameras did not see
    faults = inspect(read_motions(shared / "data" / "raw" / name))
    assert {fault.what for fault in faults if fault.severity == "fault"} == official.get(name, set())


@pytest.mark.parametrize("name", ["utd_mhad", "hdm05", "irds"])
def test_real_sets_have_no_faults(shared, name):
    assert not [f for f in inspect(read_motions(shared / "data" / "motion" / f"{name}.npz")) if f.severity == "fault"]
