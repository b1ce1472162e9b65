"""Tests of kinetic/ntu/cleaning.py: the clip that each recipe makes of a recording."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetic.ntu.cleaning import CLEANING, Clip, Unusable, restored
from kinetic.ntu.recording import Recording

ANN, BOB, CY = 72057594037944738, 72057594037944739, 72057594037944742
PUBLISHED = ("ctr-gcn", "pyskl")

# A person of 1.67 m who faces the camera, seen by it: the left hand at smaller x, the floor at y = 0.
STANDING = np.array([
    (0, .9, 0), (0, 1.2, 0), (0, 1.5, 0), (0, 1.65, 0),
    (-.18, 1.4, 0), (-.22, 1.13, 0), (-.24, .88, -.02), (-.24, .8, -.03),
    (.18, 1.4, 0), (.22, 1.13, 0), (.24, .88, -.02), (.24, .8, -.03),
    (-.09, .88, 0), (-.1, .47, 0), (-.1, .07, .02), (-.1, .02, -.12),
    (.09, .88, 0), (.1, .47, 0), (.1, .07, .02), (.1, .02, -.12),
    (0, 1.43, 0), (-.24, .72, -.03), (-.21, .79, -.06), (.24, .72, -.03), (.21, .79, -.06),
])  # fmt: skip


def turn(degrees: float) -> np.ndarray:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def person(frames: int, at=(0.0, -0.8, 3.0), swing: float = 0.3, facing: float = 0.0) -> np.ndarray:
    """A person whose arms swing by `swing` metres: (F, 25, 3)."""
    poses = np.repeat(STANDING[None], frames, axis=0)
    moved = swing * np.sin(np.arange(frames) / 5)[:, None]
    poses[:, (5, 6, 7, 21, 22), 2] += moved
    poses[:, (9, 10, 11, 23, 24), 2] -= moved
    return poses @ turn(facing).T + at


def wide(poses: np.ndarray) -> np.ndarray:
    """The poses, lying on the side."""
    return poses[..., (1, 0, 2)]


def recorded(frames: int, *bodies: tuple[int, np.ndarray | range, np.ndarray]) -> Recording:
    """A recording of bodies (id, frames, poses), in this order within frames."""
    body = np.concatenate([[], *(np.full(len(where), number, dtype=object) for number, where, _ in bodies)])
    frame = np.concatenate([[], *(np.asarray(where) for _, where, _ in bodies)]).astype(np.int64)
    joints = np.concatenate([np.empty((0, 25, 3)), *(poses for _, _, poses in bodies)])
    order = np.argsort(frame, kind="stable")
    return Recording(
        name="S001C001P001R001A001",
        frames=frames,
        frame=frame[order],
        body=body[order].astype(np.int64),
        joints=joints[order],
        tracking=np.full((len(order), 25), 2, dtype=np.uint8),
    )


def reordered(recording: Recording) -> Recording:
    """The recording with the bodies of every frame in the opposite order."""
    order = np.lexsort((-np.arange(len(recording.frame)), recording.frame))
    arrays = {name: getattr(recording, name)[order] for name in ("frame", "body", "joints", "tracking")}
    return replace(recording, **arrays)


def random_recording(seed: int, *, gaps: bool = True, ghosts: bool = True) -> Recording:
    """Bodies that come and go, some of them wide, short or still."""
    rng = np.random.default_rng(seed)
    frames = int(rng.integers(15, 70))
    bodies = []
    for number in rng.permutation(int(rng.integers(1, 6))):
        first = int(rng.integers(0, frames - 2))
        last = int(rng.choice([frames, rng.integers(first + 1, frames + 1)]))
        where = np.arange(first if rng.random() < 0.6 else 0, last)
        if gaps and rng.random() < 0.5:
            where = where[rng.random(len(where)) < rng.choice([0.5, 0.95])]
        at = (rng.uniform(-1.5, 1.5), rng.uniform(-1.2, -0.4), rng.uniform(2, 4))
        poses = person(len(where), at, rng.uniform(0, 0.6), rng.uniform(-180, 180))
        poses += rng.normal(0, 0.01, poses.shape)
        if ghosts:
            bad = rng.random(len(where)) < rng.choice([0, 0, 0.3, 0.7, 1])
            poses[bad] = wide(poses[bad])
        if len(where):
            bodies.append((ANN + int(number), where, poses))
    return recorded(frames, *bodies)


def cleaned(recipe: str, recording: Recording) -> Clip | None:
    try:
        return CLEANING[recipe](recording)
    except Unusable:
        return None


def assert_same(clip: Clip, motion: np.ndarray, kept, tolerance: float = 0) -> None:
    assert clip.motion.dtype == np.float32 and clip.origin.dtype == clip.rotation.dtype == np.float64
    np.testing.assert_allclose(clip.motion, motion, rtol=0, atol=tolerance)
    assert clip.kept.tolist() == list(kept)


# ------------------------------------------------------------------------------------------------------ every recipe


@pytest.mark.parametrize("recipe", CLEANING)
def test_a_recording_without_a_body_is_unusable(recipe):
    with pytest.raises(Unusable, match="none of the 30 frames holds"):
        CLEANING[recipe](recorded(30))


@pytest.mark.parametrize("recipe", ["ctr-gcn", "pyskl", "kinetic"])
def test_a_recording_of_zeros_is_unusable(recipe):
    with pytest.raises(Unusable):
        CLEANING[recipe](recorded(30, (ANN, range(30), np.zeros((30, 25, 3)))))


@pytest.mark.parametrize("recipe", CLEANING)
@pytest.mark.parametrize("seed", range(30))
def test_rotations_turn_and_never_mirror(recipe, seed):
    if clip := cleaned(recipe, random_recording(seed)):
        np.testing.assert_allclose(clip.rotation @ clip.rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(clip.rotation) == pytest.approx(1)


@pytest.mark.parametrize("recipe", CLEANING)
def test_restored_poses_are_those_of_the_recording(recipe):
    used = 0
    for seed in range(60):
        recording = random_recording(seed, gaps=False)
        if (clip := cleaned(recipe, recording)) is None or any("filled in" in remark for remark in clip.remarks):
            continue
        used += 1
        back = restored(clip.motion, clip.origin, clip.rotation)
        assert back.dtype == np.float64 and back.shape == clip.motion.shape
        for row, t in np.ndindex(back.shape[:2]):
            poses = recording.joints[recording.frame == clip.kept[t]]
            if clip.motion[row, t].any():
                assert np.abs(poses - back[row, t]).max(axis=(1, 2)).min() < 2e-6
            else:
                assert not back[row, t].any()
    assert used > 25


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_kept_names_the_frames_of_the_actor_even_where_gaps_were_closed(recipe):
    for seed in range(60):
        recording = random_recording(seed)
        if clip := cleaned(recipe, recording):
            back = restored(clip.motion, clip.origin, clip.rotation)[0]
            for t in np.flatnonzero(clip.motion[0].any(axis=(1, 2))):
                poses = recording.joints[recording.frame == clip.kept[t]]
                assert np.abs(poses - back[t]).max(axis=(1, 2)).min() < 2e-6


@pytest.mark.parametrize("recipe", ["ctr-gcn", "pyskl", "kinetic"])
def test_the_order_of_bodies_in_a_frame_does_not_matter(recipe):
    used = 0
    for seed in range(60):
        recording = random_recording(seed, ghosts=recipe != "ctr-gcn")
        clip, other = cleaned(recipe, recording), cleaned(recipe, reordered(recording))
        assert (clip is None) == (other is None)
        if clip and other:
            used += len(recording.body) > len(np.unique(recording.frame))
            assert_same(other, clip.motion, clip.kept)
            assert sorted(other.remarks) == sorted(clip.remarks)
    assert used > 25


@pytest.mark.parametrize("recipe", ["ctr-gcn", "pyskl", "kinetic"])
def test_a_body_twice_in_a_frame_counts_once(recipe):
    once = recorded(20, (ANN, range(20), person(20)))
    twice = recorded(20, (ANN, range(20), person(20)), (ANN, range(5), person(5, (1, -0.8, 3))))
    clip = CLEANING[recipe](twice)
    assert_same(clip, CLEANING[recipe](once).motion, range(20))
    assert f"body {ANN}: 5 times twice in one frame, the first counts" in clip.remarks


@pytest.mark.parametrize("recipe", ["ctr-gcn", "pyskl", "kinetic"])
def test_a_new_id_for_every_pose_is_refused(recipe):
    bodies = [(ANN + number, [number], person(1)) for number in range(501)]
    with pytest.raises(Unusable, match="501 different bodies, expected at most 500"):
        CLEANING[recipe](recorded(501, *bodies))


# ------------------------------------------------------------------------------------------------------------ st-gcn


def test_st_gcn_uses_two_bodies_in_the_order_of_the_file():
    ann, bob, cy = person(4), person(4, (1, -0.8, 3)), person(4, (-1, -0.8, 3))
    recording = recorded(6, (BOB, [1, 2], bob[:2]), (ANN, [1, 2, 4], ann[:3]), (CY, [0, 1], cy[:2]))
    clip = CLEANING["st-gcn"](recording)
    zeros = np.zeros((25, 3))
    rows = [[cy[0], bob[0], bob[1], zeros, ann[2], zeros], [zeros, ann[0], ann[1], zeros, zeros, zeros]]
    assert_same(clip, np.array(rows, dtype=np.float32), range(6))
    assert not clip.origin.any() and (clip.rotation == np.eye(3)).all()
    assert clip.remarks == (
        "1 bodies beyond the first two of their frame",
        "2 of 6 frames without a body are zeros",
    )


def test_st_gcn_swaps_people_with_the_order_of_the_file():
    recording = recorded(20, (ANN, range(20), person(20)), (BOB, range(20), person(20, (1, -0.8, 3))))
    clip, other = CLEANING["st-gcn"](recording), CLEANING["st-gcn"](reordered(recording))
    assert_same(other, clip.motion[::-1], range(20))
    assert (clip.motion[0] != clip.motion[1]).any()


def test_st_gcn_has_one_row_without_a_second_body():
    clip = CLEANING["st-gcn"](recorded(3, (ANN, [0], person(1)), (BOB, [2], person(1))))
    assert clip.motion.shape == (1, 3, 25, 3) and clip.remarks == ("1 of 3 frames without a body are zeros",)


# ----------------------------------------------------------------------------------- ctr-gcn and pyskl, rule by rule


def test_a_lone_body_counts_whatever_its_length_and_width():
    poses = wide(person(3))
    for recipe in PUBLISHED:
        assert CLEANING[recipe](recorded(3, (ANN, range(3), poses))).motion.shape == (1, 3, 25, 3)


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_eleven_frames_are_noise_and_twelve_are_not(recipe):
    for frames, bodies in ((11, 1), (12, 2)):
        recording = recorded(
            20, (ANN, range(20), person(20, swing=0.1)), (BOB, range(frames), person(frames, (1, -0.8, 3), swing=0.1))
        )
        clip = CLEANING[recipe](recording)
        assert len(clip.motion) == bodies
        assert (f"body {BOB}: 11 frames, at most 11 are noise" in clip.remarks) == (bodies == 1)


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_nothing_but_noise_is_unusable(recipe):
    with pytest.raises(Unusable, match=f"no body is left; body {ANN}: 11 frames, .*; body {BOB}: 5 frames"):
        CLEANING[recipe](recorded(11, (ANN, range(11), person(11)), (BOB, range(5), person(5))))


@pytest.mark.parametrize("recipe", PUBLISHED)
@pytest.mark.parametrize(("lying", "bodies"), [(13, 2), (14, 1)])
def test_bodies_that_are_too_wide_in_seventy_percent_of_their_frames_are_noise(recipe, lying, bodies):
    poses = person(20, (1, -0.8, 3))
    poses[:lying] = wide(poses[:lying])
    clip = CLEANING[recipe](recorded(20, (ANN, range(20), person(20)), (BOB, range(20), poses)))
    assert len(clip.motion) == bodies
    if bodies == 1:
        said = f"body {BOB}: too wide for a person in 70% of its frames, from 69.8% on it is noise"
        assert clip.remarks == (said,)


@pytest.mark.parametrize("recipe", ["ctr-gcn", "pyskl", "kinetic"])
@pytest.mark.parametrize(("ratio", "bodies"), [(0.79, 2), (0.81, 1)])
def test_too_wide_is_more_than_four_fifths_of_the_height(recipe, ratio, bodies):
    poses = person(20, (0, 0, 3))
    poses[..., 0] *= ratio * np.ptp(poses[0, :, 1]) / np.ptp(poses[0, :, 0])
    clip = CLEANING[recipe](recorded(20, (ANN, range(20), person(20)), (BOB, range(20), poses)))
    assert len(clip.motion) == bodies


def test_ctr_gcn_spares_the_last_body_and_pyskl_none():
    recording = recorded(20, (ANN, range(20), wide(person(20))), (BOB, range(20), wide(person(20, swing=0.1))))
    clip = CLEANING["ctr-gcn"](recording)
    bob = wide(person(20, swing=0.1)).astype(np.float32)
    assert_same(clip, (bob - bob[0, 1])[None], range(20))
    other = CLEANING["ctr-gcn"](reordered(recording))  # the last of them in the file: Ann
    assert np.ptp(other.motion[0, :, 7, 2]) > np.ptp(clip.motion[0, :, 7, 2])
    with pytest.raises(Unusable, match="no body is left; body .* too wide .*; body .* too wide"):
        CLEANING["pyskl"](recording)


def test_wide_frames_do_not_count_as_motion():
    poses = person(20, (1, -0.8, 3), swing=0.1)
    poses[10:13] = wide(poses[10:13])  # lies 2 m away for a moment
    recording = recorded(20, (ANN, range(20), poses), (BOB, range(20), person(20, swing=0.4)))
    for recipe in PUBLISHED:
        clip = CLEANING[recipe](recording)
        np.testing.assert_allclose(clip.origin, person(20, swing=0.4)[0, 1], atol=1e-6)


def test_ctr_gcn_subtracts_the_middle_of_the_spine_of_the_first_frame_with_the_actor():
    ann, bob = person(15, swing=0.5), person(20, (1, -0.8, 3), swing=0.1)
    clip = CLEANING["ctr-gcn"](recorded(20, (BOB, range(20), bob), (ANN, range(5, 20), ann)))
    ann, bob = ann.astype(np.float32), bob.astype(np.float32)
    expected = np.zeros((2, 20, 25, 3), np.float32)
    expected[0, 5:], expected[1] = ann - ann[0, 1], bob - ann[0, 1]
    assert_same(clip, expected, range(20))
    assert not clip.motion[0, 5, 1].any() and not clip.motion[0, :5].any()
    np.testing.assert_array_equal(clip.origin, ann[0, 1])


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_bodies_that_follow_each_other_become_one(recipe):
    poses = person(30)
    recording = recorded(32, (ANN, range(14), poses[:14]), (BOB, range(16, 32), poses[14:]))
    clip = CLEANING[recipe](recording)
    assert len(clip.motion) == 1
    assert clip.kept.tolist() == [*range(14), *range(16, 32)]
    assert clip.remarks == ("2 of 32 frames without a body dropped",)


@pytest.mark.parametrize(("recipe", "rows"), [("ctr-gcn", 1), ("pyskl", 2)])
def test_one_common_frame_is_no_overlap_to_ctr_gcn(recipe, rows):
    first, second = person(15, swing=0.5), person(15, (1, -0.8, 3), swing=0.1)
    clip = CLEANING[recipe](recorded(29, (ANN, range(15), first), (BOB, range(14, 29), second)))
    assert len(clip.motion) == rows
    back = restored(clip.motion, clip.origin, clip.rotation)
    np.testing.assert_allclose(back[0, 14], (second[0] if rows == 1 else first[14]), atol=1e-5)


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_the_second_row_is_occupied_from_the_beginning(recipe):
    """A published fault: a body that ends before the second one begins is dropped as if they overlapped."""
    people = [person(40, swing=0.6), person(15, (1, -0.8, 3), swing=0.3), person(15, (-1, -0.8, 3), swing=0.1)]
    recording = recorded(40, (ANN, range(40), people[0]), (BOB, range(25, 40), people[1]), (CY, range(15), people[2]))
    clip = CLEANING[recipe](recording)
    assert clip.motion[1].any(axis=(1, 2)).tolist() == [False] * 25 + [True] * 15
    assert f"body {CY}: 15 frames beside two bodies that move more" in clip.remarks


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_gaps_in_a_body_are_closed(recipe):
    """A published fault: after a gap a body comes too early, beside an earlier pose of the other."""
    ann, bob = person(30, swing=0.6), person(27, (1, -0.8, 3), swing=0.1)
    where = np.delete(np.arange(30), [10, 11, 12])
    clip = CLEANING[recipe](recorded(30, (ANN, range(30), ann), (BOB, where, bob)))
    back = restored(clip.motion, clip.origin, clip.rotation)
    np.testing.assert_allclose(back[1, :27], bob, atol=1e-5)
    assert not back[1, 27:].any() and clip.kept.tolist() == list(range(30))
    assert clip.remarks == (f"body {BOB}: missing in 3 frames, what follows comes too early, as published",)


def test_pyskl_turns_the_shoulders_of_the_first_frame_onto_x_after_the_spine_onto_z():
    poses = person(20, facing=35)
    poses[:, 8, 1] += 0.1  # shoulders that are not level
    clip = CLEANING["pyskl"](recorded(20, (ANN, range(20), poses)))
    shoulders = clip.motion[0, 0, 8] - clip.motion[0, 0, 4]
    assert shoulders[0] > 0.3
    np.testing.assert_allclose(shoulders[1:], 0, atol=1e-6)
    assert not clip.motion[0, 0, 1].any()
    spine = clip.motion[0, 0, 1] - clip.motion[0, 0, 0]
    assert spine[2] > 0.28 and abs(spine[0]) > 0.01  # the second turn tilts it again


@pytest.mark.parametrize("tilt", [0, 1e-9, 1e-6, 1e-5, 1e-3, 3.0])
def test_pyskl_rotates_whatever_the_spine_and_the_shoulders_point_at(tilt):
    for down in (np.eye(3)[[0, 2, 1]] * [1, 1, -1], np.eye(3)[[2, 0, 1]], np.diag([-1, 1, -1])):
        away = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
        clip = CLEANING["pyskl"](recorded(20, (ANN, range(20), STANDING @ (away @ down).T + np.zeros((20, 1, 1)))))
        np.testing.assert_allclose(clip.rotation @ clip.rotation.T, np.eye(3), atol=1e-9)


def test_pyskl_drops_frames_without_the_first_body():
    ann, bob = person(15, swing=0.6), person(12, (1, -0.8, 3), swing=0.1)
    clip = CLEANING["pyskl"](recorded(22, (BOB, range(12), bob), (ANN, range(7, 22), ann)))
    # At first Bob is alone and therefore comes first; then Ann does again, who is there more often.
    assert clip.kept.tolist() == list(range(7, 22))
    np.testing.assert_allclose(clip.origin, ann[0, 1], atol=1e-6)
    assert clip.motion[1].any(axis=(1, 2)).tolist() == [True] * 5 + [False] * 10
    assert clip.remarks == (
        "the second body is there from the beginning, and comes first",
        "the second body is there in more frames, and comes first",
        "7 frames without the first body dropped",
    )


# -------------------------------------------------------------------------------- ctr-gcn and pyskl, told a second time


def literal_bodies(recording: Recording) -> tuple[int, dict[int, dict]]:
    """The number of frames with a body, and the bodies by id, computed line by line as the published readers do."""
    bodies: dict[int, dict] = {}
    count = 0
    for frame in range(recording.frames):
        rows = [row for row in range(len(recording.frame)) if recording.frame[row] == frame]
        if not rows:
            continue
        for row in rows:
            body = bodies.setdefault(int(recording.body[row]), {"start": count, "poses": []})
            body["poses"].append(recording.joints[row].astype(np.float32))
        count += 1
    for body in bodies.values():
        body["motion"] = literal_motion(body["poses"])
    return count, bodies


def literal_motion(poses: list[np.ndarray]) -> float:
    return np.var(np.concatenate(poses), axis=0).sum()


def literal_narrow(poses: list[np.ndarray]) -> list[np.ndarray]:
    narrow = []
    for pose in poses:
        if max(pose[:, 0]) - min(pose[:, 0]) <= 0.8 * (max(pose[:, 1]) - min(pose[:, 1])):
            narrow.append(pose)
    return narrow


def literal_ctr_gcn(recording: Recording) -> np.ndarray | None:
    count, bodies = literal_bodies(recording)
    if len(bodies) > 1:
        bodies = {number: body for number, body in bodies.items() if len(body["poses"]) > 11}
        if not bodies:
            return None
    for number in list(bodies):
        if len(bodies) == 1:
            break
        poses = bodies[number]["poses"]
        narrow = literal_narrow(poses)
        if (len(poses) - len(narrow)) / len(poses) >= 0.69754:
            del bodies[number]
        elif len(narrow) < len(poses):
            bodies[number]["motion"] = min(bodies[number]["motion"], literal_motion(narrow))
    order = sorted(bodies.values(), key=lambda body: body["motion"], reverse=True)
    rows: list[list] = [[None] * count, [None] * count]
    spans = [None, [0, 0]]  # first and last frame
    for body in order:
        first, last = body["start"], body["start"] + len(body["poses"]) - 1
        for row in range(2):
            span = spans[row]
            if span is None or min(span[1], last) - max(span[0], first) <= 0:
                rows[row][first : last + 1] = body["poses"]
                spans[row] = [first, last] if span is None else [min(span[0], first), max(span[1], last)]
                break
    pairs = [(a, b) for a, b in zip(*rows, strict=True) if a is not None or b is not None]
    origin = next(a for a, _ in pairs if a is not None)[1]
    zeros = np.zeros((25, 3), np.float32)
    return np.array([[zeros if pose is None else pose - origin for pose in pair] for pair in pairs]).swapaxes(0, 1)


def literal_pyskl(recording: Recording) -> np.ndarray | None:
    _, by_id = literal_bodies(recording)
    bodies = sorted(by_id.values(), key=lambda body: -body["motion"])
    if len(bodies) > 1:
        bodies = [body for body in bodies if len(body["poses"]) > 11]
        if len(bodies) != 1:
            left = []
            for body in bodies:
                narrow = literal_narrow(body["poses"])
                if 1 - len(narrow) / len(body["poses"]) < 0.69754:
                    if len(narrow) < len(body["poses"]):
                        body["motion"] = min(body["motion"], literal_motion(narrow))
                    left.append(body)
            bodies = sorted(left, key=lambda body: -body["motion"])
    if not bodies:
        return None
    if len(bodies) == 1:
        poses = np.array([bodies[0]["poses"]])
    else:
        poses = np.zeros((2, max(body["start"] + len(body["poses"]) for body in bodies), 25, 3), np.float32)
        spans = [[bodies[0]["start"], bodies[0]["start"] + len(bodies[0]["poses"])], [0, 0]]
        poses[0, slice(*spans[0])] = bodies[0]["poses"]
        for body in bodies[1:]:
            first, end = body["start"], body["start"] + len(body["poses"])
            for row in range(2):
                if max(spans[row][0], first) >= min(spans[row][1], end):
                    poses[row, first:end] = body["poses"]
                    spans[row] = [min(spans[row][0], first), max(spans[row][1], end)]
                    break
        while np.abs(poses[:, 0]).sum() < 1e-3:
            poses = poses[:, 1:]
        while np.abs(poses[:, -1]).sum() < 1e-3:
            poses = poses[:, :-1]
        if np.abs(poses[0, 0, 1]).sum() < 1e-3 and np.abs(poses[1, 0, 1]).sum() > 1e-3:
            poses = poses[::-1]
    there = [[t for t in range(poses.shape[1]) if not np.allclose(row[t], 0)] for row in poses]
    if len(poses) == 2 and len(there[0]) < len(there[1]):
        poses, there = poses[::-1], there[::-1]
    poses = poses[:, there[0]]
    poses = (poses - poses[0, 0, 1]) * (poses != 0).any(axis=-1, keepdims=True)
    for a, b, axis in ((0, 1, [0, 0, 1]), (4, 8, [1, 0, 0])):
        vector = poses[0, 0, b] - poses[0, 0, a]
        angle = np.arccos(np.clip(vector @ axis / np.linalg.norm(vector), -1, 1))
        normal = np.cross(vector, axis)
        normal = normal / np.linalg.norm(normal) * np.sin(angle / 2)
        poses = quaternion_turned(poses, np.cos(angle / 2), normal)
    return poses


def quaternion_turned(points: np.ndarray, real: float, imaginary: np.ndarray) -> np.ndarray:
    twice = 2 * np.cross(imaginary, points)
    return points + real * twice + np.cross(imaginary, twice)


@pytest.mark.parametrize(
    ("recipe", "literal", "tolerance"), [("ctr-gcn", literal_ctr_gcn, 0), ("pyskl", literal_pyskl, 2e-6)]
)
@pytest.mark.parametrize("gaps", [False, True])
def test_published_recipes_agree_with_a_literal_version(recipe, literal, tolerance, gaps):
    counts = {None: 0, 1: 0, 2: 0}
    for seed in range(150):
        recording = random_recording(seed, gaps=gaps)
        clip, expected = cleaned(recipe, recording), literal(recording)
        if clip is None or expected is None:
            assert clip is expected is None
            counts[None] += 1
            continue
        if len(expected) == 2 and not expected[1].any():
            expected = expected[:1]
        assert clip.motion.shape == expected.shape
        np.testing.assert_allclose(clip.motion, expected, rtol=0, atol=tolerance)
        counts[len(expected)] += 1
    assert min(counts.values()) > 2, counts


# ----------------------------------------------------------------------------------------------------------- kinetic


def kinetic(*bodies: tuple[int, np.ndarray | range, np.ndarray], frames: int = 40) -> Clip:
    return CLEANING["kinetic"](recorded(frames, *bodies))


def test_the_actor_stands_on_the_floor_at_the_middle():
    clip = kinetic((ANN, range(40), person(40, at=(0.7, -0.8, 3.2))))
    base, feet = clip.motion[0, :, 0], clip.motion[0, :, (14, 15, 18, 19), 1]
    np.testing.assert_allclose(base[0], [0, 0.9 - 0.02, 0], atol=1e-6)
    np.testing.assert_allclose(feet.min(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(clip.origin, [0.7, -0.78, 3.2])
    assert clip.remarks == ()


def test_a_jump_leaves_the_floor():
    poses = person(40)
    poses[15:25, :, 1] += 0.3
    clip = kinetic((ANN, range(40), poses))
    lowest = clip.motion[0, :, (14, 15, 18, 19), 1].min(axis=0)
    np.testing.assert_allclose(lowest, np.where((np.arange(40) >= 15) & (np.arange(40) < 25), 0.3, 0), atol=1e-6)


@given(st.floats(-180, 180), st.floats(-3, 3), st.floats(-2, 2), st.floats(1, 5), st.booleans())
@settings(deadline=None, max_examples=60)
def test_the_place_of_the_camera_does_not_matter(degrees, x, y, z, partner):
    bodies = [(ANN, range(40), person(40, swing=0.5))]
    if partner:
        bodies.append((BOB, range(40), person(40, (0.8, -0.8, 3.3), 0.2, 160)))
    plain = kinetic(*bodies)
    moved = kinetic(*((body, where, (poses @ turn(degrees).T) + (x, y, z)) for body, where, poses in bodies))
    np.testing.assert_allclose(moved.motion, plain.motion, atol=2e-5)
    assert len(plain.motion) == 1 + partner


@pytest.mark.parametrize("degrees", [0, 30, 90, 179, -120])
def test_the_actor_faces_the_camera(degrees):
    clip = kinetic((ANN, range(40), person(40, facing=degrees)))
    across = clip.motion[0, 0, (8, 16)] - clip.motion[0, 0, (4, 12)]
    assert (across[:, 0] > 0.15).all()
    np.testing.assert_allclose(across[:, 2], 0, atol=1e-6)
    assert clip.motion[0, 0, 15, 2] < clip.motion[0, 0, 14, 2]  # toes point towards the camera
    np.testing.assert_allclose(clip.rotation[1], [0, 1, 0])
    np.testing.assert_allclose(clip.rotation, turn(-degrees), atol=1e-12)


def test_cleaning_a_clean_clip_changes_nothing():
    clip = kinetic((ANN, range(40), person(40, swing=0.5, facing=70)), (BOB, range(40), person(40, (1, -0.8, 3), 0.2)))
    again = kinetic((ANN, range(40), clip.motion[0]), (BOB, range(40), clip.motion[1]))
    np.testing.assert_allclose(again.motion, clip.motion, atol=1e-6)
    np.testing.assert_allclose(again.rotation, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(again.origin, 0, atol=1e-6)


def test_a_direction_that_is_unclear_at_first_is_that_of_the_whole_clip():
    poses = person(40, facing=50)
    poses[:10, :, (0, 2)] = poses[:10, :1, (0, 2)]  # flat, seen from nowhere
    poses[:10, :, 1] += np.linspace(0, 1e-3, 10)[:, None]
    np.testing.assert_allclose(kinetic((ANN, range(40), poses)).rotation, turn(-50), atol=1e-12)


def test_without_a_direction_nothing_is_turned():
    poses = person(40)
    poses[..., (0, 2)] = poses[:, :1, (0, 2)]
    clip = kinetic((ANN, range(40), poses))
    np.testing.assert_array_equal(clip.rotation, np.eye(3))
    assert "which way the actor faces cannot be told, so it is not turned" in clip.remarks


def test_the_person_who_moves_most_is_the_actor_and_the_other_keeps_the_relative_place():
    ann, bob = person(40, swing=0.1), person(40, (0.9, -0.8, 3.4), 0.5, 120)
    clip = kinetic((ANN, range(40), ann), (BOB, range(40), bob))
    np.testing.assert_allclose(clip.origin, [0.9, -0.78, 3.4])
    apart = np.linalg.norm(clip.motion[0] - clip.motion[1], axis=-1)
    np.testing.assert_allclose(apart, np.linalg.norm(bob - ann, axis=-1), atol=1e-5)


def test_posture_does_not_count_as_motion():
    """The published scripts rank by a variance over joints, which is larger for larger people."""
    tall, short = 1.3 * person(40, (0, -0.6, 2.5), swing=0.1), person(40, (1, -0.8, 3), swing=0.3)
    recording = recorded(40, (ANN, range(40), tall), (BOB, range(40), short))
    np.testing.assert_allclose(CLEANING["kinetic"](recording).origin[0], 1)
    np.testing.assert_allclose(CLEANING["ctr-gcn"](recording).origin[0], 0)


def test_passers_by_are_not_the_actor():
    passing = person(49, swing=0.1) + np.linspace((-2, 0, 1), (2, 0, 1), 49)[:, None]
    clip = kinetic((ANN, range(100), person(100, swing=0.5)), (BOB, range(20, 69), passing), frames=100)
    assert clip.motion.shape[:2] == (1, 100)
    assert clip.remarks == (f"body {BOB}: beside the actor in 49 of 100 frames, a partner is there in 50%",)


@pytest.mark.parametrize(
    ("wait", "away", "joined"),
    [(1, 0.1, True), (30, 0.1, True), (31, 0.1, False), (1, 0.5, False), (20, 0.6, True), (20, 0.8, False)],
)
def test_a_lost_person_continues_under_another_id(wait, away, joined):
    first, second = person(30, swing=0.3), person(30, (away, -0.8, 3))
    begin = 29 + wait
    clip = kinetic((ANN, range(30), first), (BOB, range(begin, begin + 30), second), frames=begin + 30)
    said = f"body {ANN} and body {BOB}: taken for one person"
    assert (said in clip.remarks) == joined
    assert clip.motion.shape[:2] == (1, begin + 30 if joined and wait <= 11 else 30)


def test_short_parts_count_together_when_they_are_joined():
    poses = person(30)
    bodies = [(ANN + i, range(10 * i, 10 * i + 10), poses[10 * i : 10 * i + 10]) for i in range(3)]
    clip = kinetic(*bodies, frames=30)
    assert clip.kept.tolist() == list(range(30))
    assert clip.remarks == (f"body {ANN} and body {ANN + 1} and body {ANN + 2}: taken for one person",)


def test_the_nearer_body_continues():
    poses = person(60)
    clip = kinetic(
        (ANN, range(30), poses[:30]),
        (BOB, range(30, 60), person(30, (0.3, -0.8, 3), swing=0.1)),
        (CY, range(30, 60), poses[30:]),
        frames=60,
    )
    np.testing.assert_allclose(clip.motion[0], (poses - clip.origin).astype(np.float32), atol=1e-5)
    assert f"body {ANN} and body {CY}: taken for one person" in clip.remarks


def test_a_body_continues_as_one_body_only():
    clip = kinetic(
        (ANN, range(30), person(30)),
        (BOB, range(30), person(30, (0.3, -0.8, 3), swing=0.1)),
        (CY, range(30, 60), person(30, (0.1, -0.8, 3))),
        frames=60,
    )
    assert [remark for remark in clip.remarks if "one person" in remark] == [
        f"body {ANN} and body {CY}: taken for one person"
    ]
    assert len(clip.motion) == 2 and not clip.motion[1, 30:].any()


def test_a_body_does_not_continue_as_one_that_was_present_before():
    clip = kinetic((ANN, range(25), person(25)), (BOB, range(24, 60), person(36, (0.1, -0.8, 3))), frames=60)
    assert not any("one person" in remark for remark in clip.remarks)


@pytest.mark.parametrize(
    ("poses", "why"),
    [
        (person(11), "11 frames, at most 11 are noise"),
        (0.3 * person(40), "0.47 m from ankle to head, people have 0.6 to 2.4 m"),
        (1.7 * person(40), "2.65 m from ankle to head, people have 0.6 to 2.4 m"),
        (
            np.linspace(0.4, 1.4, 40)[:, None, None] * person(40),
            "its size varies by 33%, that of people by 25%",
        ),
        (wide(person(40)), "too wide for a person in 100% of its frames, from 69.8% on it is noise"),
        (person(40, (1.5, -0.8, 3), swing=0.01), "moves by 4 mm, as furniture does"),
        (person(15, (1.5, -0.8, 3)), "beside the actor in 15 of 40 frames, a partner is there in 50%"),
    ],
)
def test_ghosts_are_dropped(poses, why):
    clip = kinetic((BOB, range(len(poses)), poses), (ANN, range(40), person(40, swing=0.5)))
    assert len(clip.motion) == 1 and clip.kept.tolist() == list(range(40))
    assert clip.remarks == (f"body {BOB}: {why}",)
    np.testing.assert_allclose(clip.origin, [0, -0.78, 3])


def test_two_people_are_enough():
    clip = kinetic(
        (ANN, range(40), person(40, (0, -0.8, 3), 0.1)),
        (BOB, range(40), person(40, (1, -0.8, 3), 0.5)),
        (CY, range(40), person(40, (2, -0.8, 3), 0.3)),
    )
    back = restored(clip.motion, clip.origin, clip.rotation)
    np.testing.assert_allclose(back[:, 0, 0, 0], [1, 2], atol=1e-6)
    assert clip.remarks == (f"body {ANN}: beside two people that move more",)


def test_a_lone_person_may_lie_or_spread_the_arms():
    assert kinetic((ANN, range(40), wide(person(40)))).motion.shape == (1, 40, 25, 3)


def test_a_person_on_the_floor_is_preferred_to_furniture():
    lying, chair = wide(person(40)), person(40, at=(1.0, -0.8, 3.4), swing=0.0)
    clip = kinetic((ANN, range(40), lying), (BOB, range(40), chair))
    np.testing.assert_allclose(restored(clip.motion, clip.origin, clip.rotation)[0], lying, atol=1e-5)
    assert any("furniture" in remark and str(BOB) in remark for remark in clip.remarks)


def test_a_recording_of_ghosts_is_unusable_and_says_why():
    with pytest.raises(
        Unusable, match=rf"no body is left; body {ANN}: 9 frames, at most 11 are noise; body {BOB}: 0\.47 m"
    ):
        kinetic((ANN, range(9), person(9)), (BOB, range(40), 0.3 * person(40)))


def test_frames_before_and_after_the_actor_are_dropped():
    clip = kinetic((ANN, range(5, 30), person(25)))
    assert clip.kept.tolist() == list(range(5, 30))
    assert clip.remarks == ("15 of 40 frames before or after the longest stretch of the actor dropped",)


def test_short_gaps_are_filled_on_a_line():
    poses = person(40)
    clip = kinetic((ANN, np.delete(np.arange(40), np.arange(15, 25)), np.delete(poses, np.arange(15, 25), axis=0)))
    share = np.arange(1, 11)[:, None, None] / 11
    poses[15:25] = (1 - share) * poses[14] + share * poses[25]
    assert_same(clip, (poses - clip.origin)[None], range(40), 1e-6)
    assert clip.remarks == ("10 missing poses filled in between their neighbours",)


def test_long_gaps_leave_the_longest_stretch():
    where = np.concatenate([np.arange(13), np.arange(24, 40)])
    clip = kinetic((ANN, where, person(29)))
    assert clip.kept.tolist() == list(range(24, 40))
    with pytest.raises(Unusable, match=f"body {ANN}: only 11 frames in a row"):
        kinetic((ANN, np.concatenate([np.arange(10), np.arange(21, 32)]), person(21)))


def test_a_partner_is_absent_in_long_gaps_and_filled_in_short_ones():
    ann, bob = person(40, swing=0.5), person(40, (1, -0.8, 3), 0.2)
    where = np.concatenate([np.arange(2, 10), np.arange(13, 20), np.arange(32, 40)])
    clip = kinetic((ANN, range(40), ann), (BOB, where, bob[where]))
    there = clip.motion[1].any(axis=(1, 2))
    assert np.flatnonzero(there).tolist() == [*range(2, 20), *range(32, 40)]
    assert clip.remarks == ("3 missing poses filled in between their neighbours",)
    back = restored(clip.motion, clip.origin, clip.rotation)
    np.testing.assert_allclose(back[1, where], bob[where], atol=1e-5)
    np.testing.assert_allclose(back[1, 11], (bob[9] + bob[13]) / 2, atol=1e-5)


def test_poses_of_zeros_are_absent():
    poses = person(40)
    poses[3:5] = 0
    clip = kinetic((ANN, range(40), poses))
    assert clip.motion[0].any(axis=(1, 2)).all() and clip.remarks[0].startswith("2 missing poses")


def test_actors_are_present_from_the_first_frame_to_the_last():
    used = [0, 0, 0]
    for seed in range(150):
        recording = random_recording(seed)
        if clip := cleaned("kinetic", recording):
            used[len(clip.motion)] += 1
            there = clip.motion.any(axis=(2, 3))
            assert there[0].all() and (there.mean(axis=1) >= 0.5).all()
            assert (np.diff(clip.kept) == 1).all() and len(clip.kept) == clip.motion.shape[1] >= 12
            assert clip.kept[0] >= 0 and clip.kept[-1] < recording.frames
        else:
            used[0] += 1
    assert min(used) > 10, used


def test_real_people_are_people(shared):
    """No person in the windows of five sets, four of them by a Kinect, counts as a ghost."""
    for name in ("irds", "kinder_gator", "nw_ucla", "utd_mhad", "hdm05"):
        with np.load(shared / "data" / "motion" / f"{name}.npz") as file:
            motions = file["data"][::5].transpose(0, 2, 3, 1)
        for motion in motions:
            clip = kinetic((ANN, range(64), motion), frames=64)
            assert clip.motion.shape == (1, 64, 25, 3) and not any("body" in remark for remark in clip.remarks)
            across = (clip.motion[0, :10, (8, 16)] - clip.motion[0, :10, (4, 12)]).mean(axis=(0, 1))
            if np.hypot(across[0], across[2]) > 0.03:
                assert across[0] > 0.03 and abs(across[2]) < 1e-5
            np.testing.assert_allclose(restored(clip.motion, clip.origin, clip.rotation)[0], motion, atol=1e-5)


def test_how_near_real_people_come_to_ghosts(shared):
    """The numbers in docs/cleaning.md on the thresholds for height and for standing still."""
    heights, varies, still = [], [], 0
    for name in ("irds", "kinder_gator", "nw_ucla", "utd_mhad", "hdm05"):
        with np.load(shared / "data" / "motion" / f"{name}.npz") as file:
            motions = file["data"].transpose(0, 2, 3, 1).astype(np.float64)  # (N, T, V, 3)
        bones = motions[:, :, [0, 1, 20, 2]] - motions[:, :, [1, 20, 2, 3]]
        legs = motions[:, :, [12, 13, 16, 17]] - motions[:, :, [13, 14, 17, 18]]
        height = np.linalg.norm(bones, axis=-1).sum(axis=-1) + np.linalg.norm(legs, axis=-1).sum(axis=-1) / 2
        heights += np.median(height, axis=1).tolist()
        varies += (height.std(axis=1) / height.mean(axis=1)).tolist()
        away = np.square(motions - motions.mean(axis=1, keepdims=True)).sum(axis=-1).mean(axis=(1, 2))
        still += int((away < 0.01**2).sum())
    assert len(heights) == 3855
    assert 0.6 < min(heights) and max(heights) < 2.4
    assert 0.20 < max(varies) < 0.215
    assert still == 13
