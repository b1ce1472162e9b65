"""Cleaning recipes: from a recording, in which bodies come and go, to a clip of an actor and perhaps a partner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kinetic.ntu.recording import Recording

__all__ = ["CLEANING", "Clip", "Unusable", "restored"]

NOISE_FRAMES = 11
"""Frames of the longest body that counts as noise (CTR-GCN, pyskl, kinetic)."""
WIDE = 0.8
"""A body is too wide in a frame where its width exceeds this share of its height (CTR-GCN, pyskl, kinetic)."""
WIDE_SHARE = 0.69754
"""A body that is too wide in this share of its frames, or more, is noise (CTR-GCN, pyskl, kinetic)."""
NOTHING = 1e-3
"""A frame is empty if the absolute values of its coordinates sum up to less (pyskl)."""

MOST_IDS = 500
"""Different bodies in a recording; for two people a Kinect uses at most a dozen ids (all recipes but st-gcn)."""

FILLED = 10
"""Frames of the longest gap that is filled, a third of a second (kinetic)."""
REJOINED = 30
"""A body that appears at most so many frames after another was lost may be the same person (kinetic)."""
REJOINED_WITHIN = (0.3, 0.02)
"""Metres that it may be away from the place where the other was lost, and metres more for each frame between."""
HEIGHTS = (0.6, 2.4)
"""Metres along the bones from ankle to head, the median over time; other bodies are not people (kinetic)."""
HEIGHT_VARIES = 0.25
"""Standard deviation of that height over its mean; bodies that vary more are not people (kinetic)."""
STILL = 0.01
"""Root mean square distance of a person's joints from their mean places, in metres; furniture has less (kinetic)."""
LONG_SHARE = 0.5
"""The actor has at least this share of the frames of the longest body, and a partner of the actor's (kinetic)."""
FACING_FRAMES = 10
"""Frames at the beginning from which the actor's direction is computed (kinetic)."""

_BASE, _MIDDLE, _SHOULDER_L, _SHOULDER_R, _HIP_L, _HIP_R, _TOP = 0, 1, 4, 8, 12, 16, 20
_FEET = (14, 15, 18, 19)
_HEIGHT_BONES = np.array([(0, 1), (1, 20), (20, 2), (2, 3), (12, 13), (13, 14), (16, 17), (17, 18)])
_HEIGHT_WEIGHTS = np.array([1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5])  # two legs count as one


class Unusable(ValueError):
    """No body of the recording fits the recipe; the message says why."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording after a recipe: the actor, and the partner where there is one.

    Attributes:
        motion: (M, T, V, 3) float32, metres, M = 1 or 2, the actor first; zeros in frames where a body is absent
        origin: (3,) float64, in the space of the camera
        rotation: (3, 3) float64; motion = rotation @ (recorded - origin) wherever a body is present
        kept: (T,) int64, the number in the recording of each frame; the actor's, where it is present
        remarks: sentences on what was dropped, filled or turned, and why
    """

    motion: np.ndarray
    origin: np.ndarray
    rotation: np.ndarray
    kept: np.ndarray
    remarks: tuple[str, ...] = ()


def restored(motion: np.ndarray, origin: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """The coordinates before centring and turning, (M, T, V, 3) -> (M, T, V, 3) float64; absent bodies stay zeros."""
    back = motion.astype(np.float64) @ rotation + origin  # row vectors: the inverse of a rotation is its transpose
    return np.where(_present(motion)[..., None, None], back, 0.0)


def _present(motion: np.ndarray) -> np.ndarray:
    """Whether frames hold a body: (..., V, 3) -> (...) bool."""
    return np.any(motion, axis=(-2, -1))


# ------------------------------------------------------------------------------------------------------------ st-gcn


def _st_gcn(recording: Recording) -> Clip:
    """The first two bodies of each frame, in the order of the file; they may change from frame to frame."""
    frame = recording.frame
    if not len(frame):
        raise Unusable(f"none of the {recording.frames} frames holds a body")
    place = np.arange(len(frame)) - np.searchsorted(frame, frame)  # of a body among those of its frame
    first = place < 2
    motion = np.zeros((1 + int(place.max() > 0), recording.frames, *recording.joints.shape[1:]), np.float32)
    motion[place[first], frame[first]] = recording.joints[first]
    remarks = [f"{count} bodies beyond the first two of their frame"] if (count := int((~first).sum())) else []
    if empty := int((~_present(motion[0])).sum()):
        remarks.append(f"{empty} of {recording.frames} frames without a body are zeros")
    return Clip(motion, np.zeros(3), np.eye(3), np.arange(recording.frames), tuple(remarks))


# -------------------------------------------------------------------------------------------------- ctr-gcn and pyskl


@dataclass(eq=False)
class _Run:
    """A body as in the published scripts: without the frames in which it is missing."""

    body: int
    frame: np.ndarray  # (F,) of the recording
    joints: np.ndarray  # (F, V, 3) float32
    start: int  # its first frame; only frames with a body count
    motion: np.float32  # its amount of motion, which ranks the bodies

    @property
    def end(self) -> int:
        return self.start + len(self.joints)


def _runs(recording: Recording, remarks: list[str]) -> tuple[list[_Run], np.ndarray]:
    """The bodies in the order of their appearance, and the frames with at least one."""
    frames = np.unique(recording.frame)
    if not len(frames):
        raise Unusable(f"none of the {recording.frames} frames holds a body")
    if empty := recording.frames - len(frames):
        remarks.append(f"{empty} of {recording.frames} frames without a body dropped")
    runs = []
    for body, frame, joints in _bodies(recording, remarks):
        start = int(np.searchsorted(frames, frame[0]))
        joints = joints.astype(np.float32)
        if missing := int(np.searchsorted(frames, frame[-1])) - start + 1 - len(frame):
            remarks.append(f"body {body}: missing in {missing} frames, what follows comes too early, as published")
        runs.append(_Run(body, frame, joints, start, _pooled_variance(joints)))
    return runs, frames


def _bodies(recording: Recording, remarks: list[str]) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """The id, frames and joints of every body, in the order of appearance."""
    ids, first, owner = np.unique(recording.body, return_index=True, return_inverse=True)
    if len(ids) > MOST_IDS:
        raise Unusable(f"{len(ids)} different bodies, expected at most {MOST_IDS}")
    bodies = []
    for number in np.argsort(first):
        rows = np.arange(len(owner)) if len(ids) == 1 else np.flatnonzero(owner == number)
        frame = recording.frame[rows]
        repeats = np.flatnonzero(frame[1:] == frame[:-1]) + 1
        if len(repeats):
            remarks.append(f"body {ids[number]}: {len(repeats)} times twice in one frame, the first counts")
            rows, frame = np.delete(rows, repeats), np.delete(frame, repeats)
        bodies.append((int(ids[number]), frame, recording.joints[rows]))
    return bodies


def _pooled_variance(joints: np.ndarray) -> np.float32:
    """The sum of the variances of x, y and z over all frames and joints; the size of the body adds to it."""
    return np.float32(joints.reshape(-1, 3).var(axis=0).sum())


def _too_wide(joints: np.ndarray) -> np.ndarray:
    """Whether a body is wider than a standing person, frame by frame: (F, V, 3) -> (F,) bool."""
    width, height = (joints[..., axis].max(axis=1) - joints[..., axis].min(axis=1) for axis in (0, 1))
    return width > WIDE * height


def _short(name: str, frames: int) -> str:
    return f"{name}: {frames} frames, at most {NOISE_FRAMES} are noise"


def _wide(name: str, share: float) -> str:
    return f"{name}: too wide for a person in {share:.0%} of its frames, from {WIDE_SHARE:.1%} on it is noise"


def _unusable(remarks: Iterable[str]) -> Unusable:
    return Unusable("; ".join(["no body is left", *remarks]))


def _long_enough(runs: list[_Run], remarks: list[str]) -> list[_Run]:
    """The bodies that are long enough; the only body of a recording always is."""
    if len(runs) > 1:
        remarks += [_short(f"body {run.body}", len(run.joints)) for run in runs if len(run.joints) <= NOISE_FRAMES]
        runs = [run for run in runs if len(run.joints) > NOISE_FRAMES]
    if not runs:
        raise _unusable(remarks)
    return runs


def _narrow_enough(runs: list[_Run], remarks: list[str], *, spare_last: bool) -> list[_Run]:
    """The bodies that are narrow enough; their amounts of motion no longer include wide frames."""
    left = list(runs)
    for run in runs if len(runs) > 1 else ():
        if spare_last and len(left) == 1:
            break
        wide = _too_wide(run.joints)
        count = int(wide.sum())
        if count / len(wide) >= WIDE_SHARE:
            left.remove(run)
            remarks.append(_wide(f"body {run.body}", count / len(wide)))
        elif count:
            run.motion = min(run.motion, _pooled_variance(run.joints[~wide]))
    if not left:
        raise _unusable(remarks)
    return left


def _by_motion(runs: list[_Run]) -> list[_Run]:
    return sorted(runs, key=lambda run: -run.motion)


def _two_rows(runs: Sequence[_Run], length: int, least: int, remarks: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Two rows of bodies (2, T, V, 3), each body in the first row that is free in its frames, and their frames (2, T).

    A row is occupied from the first to the last frame of its bodies, and the second from frame 0 on, as in the
    published scripts. `least` is the number of common frames at which two bodies overlap.
    """
    motion = np.zeros((2, length, *runs[0].joints.shape[1:]), np.float32)
    kept = np.full((2, length), -1)
    occupied = [(runs[0].start, runs[0].end), (0, least - 1)]
    for run in runs:
        for row, (start, end) in enumerate(occupied):
            if run is runs[0] or min(end, run.end) - max(start, run.start) < least:
                motion[row, run.start : run.end] = run.joints
                kept[row, run.start : run.end] = run.frame
                occupied[row] = (min(start, run.start), max(end, run.end))
                break
        else:
            remarks.append(f"body {run.body}: {len(run.joints)} frames beside two bodies that move more")
    return motion, kept


def _ctr_gcn(recording: Recording) -> Clip:
    """The recipe of CTR-GCN and SGN: `get_raw_skes_data.py`, `get_raw_denoised_data.py`, `seq_transformation.py`."""
    remarks: list[str] = []
    runs, frames = _runs(recording, remarks)
    runs = _by_motion(_narrow_enough(_long_enough(runs, remarks), remarks, spare_last=True))
    motion, kept = _two_rows(runs, len(frames), 2, remarks)
    present = _present(motion)
    if not present[0].any():
        raise _unusable([*remarks, f"body {runs[0].body}: nothing but zeros"])
    occupied = present.any(axis=0)
    if lost := len(frames) - int(occupied.sum()):
        remarks.append(f"{lost} frames without any of the bodies that are left dropped")
    motion, kept, present = motion[:, occupied], kept[:, occupied], present[:, occupied]
    origin = motion[0, present[0].argmax(), _MIDDLE].copy()
    motion -= np.where(present[..., None, None], origin, np.float32(0))
    return _clip(motion, origin, np.eye(3), kept, remarks)


def _pyskl(recording: Recording) -> Clip:
    """The recipe of pyskl's `tools/data/ntu_preproc.py` and `PreNormalize3D` in `pose_related.py`, without rounding."""
    remarks: list[str] = []
    runs, _ = _runs(recording, remarks)
    runs = _long_enough(_by_motion(runs), remarks)
    runs = _by_motion(_narrow_enough(runs, remarks, spare_last=False))
    if len(runs) == 1:
        motion, kept = runs[0].joints[None], runs[0].frame[None]
    else:
        motion, kept = _two_rows(runs, max(run.end for run in runs), 1, remarks)
        occupied = np.flatnonzero(np.abs(motion).sum(axis=(0, 2, 3)) >= NOTHING)
        if len(occupied):
            rows = slice(occupied[0], occupied[-1] + 1)
            motion, kept = motion[:, rows], kept[:, rows]
            begins = np.abs(motion[:, 0, _MIDDLE]).sum(axis=-1)
            if begins[0] < NOTHING < begins[1]:
                motion, kept = motion[::-1], kept[::-1]
                remarks.append("the second body is there from the beginning, and comes first")
    present = _present(motion)
    actor = int(present.sum(axis=1).argmax())  # of equals, the first
    if actor:
        motion, kept, present = motion[::-1], kept[::-1], present[::-1]
        remarks.append("the second body is there in more frames, and comes first")
    if not present[0].any():
        raise _unusable([*remarks, "nothing but zeros"])
    if lost := int((~present[0]).sum()):
        remarks.append(f"{lost} frames without the first body dropped")
    motion, kept = motion[:, present[0]], kept[:, present[0]]
    origin = motion[0, 0, _MIDDLE].copy()
    centred = np.where(motion.any(axis=-1, keepdims=True), motion - origin, np.float32(0))  # joints of zeros stay
    spine = (centred[0, 0, _MIDDLE] - centred[0, 0, _BASE]).astype(np.float64)
    upright = _turned_onto(spine, np.array([0.0, 0.0, 1.0]))
    shoulders = upright @ (centred[0, 0, _SHOULDER_R] - centred[0, 0, _SHOULDER_L])
    rotation = _turned_onto(shoulders, np.array([1.0, 0.0, 0.0])) @ upright
    return _clip(centred @ rotation.T, origin, rotation, kept, remarks)


def _turned_onto(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The smallest rotation of a vector onto an axis (Rodrigues' formula); the identity for zero and parallel vectors.

    scipy's `Rotation.align_vectors` takes 4 times as long, and changes last bits of the cleaned coordinates.
    """
    length = np.linalg.norm(vector)
    normal = np.cross(vector, axis)
    if np.abs(vector).sum() < 1e-6 or np.abs(normal).sum() < 1e-6:
        return np.eye(3)
    cosine, (x, y, z) = vector @ axis / length, normal / length
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross * ((1 - cosine) / (x * x + y * y + z * z))


def _clip(
    motion: np.ndarray, origin: np.ndarray, rotation: np.ndarray, kept: np.ndarray, remarks: Sequence[str]
) -> Clip:
    if len(motion) == 2 and not motion[1].any():
        motion = motion[:1]
    frames = np.where(kept[0] < 0, kept[-1], kept[0])
    return Clip(np.ascontiguousarray(motion, np.float32), origin.astype(np.float64), rotation, frames, tuple(remarks))


# ----------------------------------------------------------------------------------------------------------- kinetic


@dataclass(eq=False)
class _Track:
    """A person: one body, or several in succession."""

    bodies: tuple[int, ...]
    frame: np.ndarray  # (F,) ascending
    joints: np.ndarray  # (F, V, 3) float64

    @property
    def name(self) -> str:
        return f"{'body' if len(self.bodies) == 1 else 'bodies'} {', '.join(map(str, self.bodies))}"


def _kinetic(recording: Recording) -> Clip:
    """The recipe for motion synthesis: whole motions of people without gaps, on the floor, facing the camera."""
    remarks: list[str] = []
    people = _people(_tracks(recording, remarks), remarks)
    if not people:
        raise _unusable(remarks or [f"none of the {recording.frames} frames holds one"])
    spread = {track.bodies: _square_distance(track.joints) for track in people}
    enough = LONG_SHARE * max(len(track.frame) for track in people)
    people.sort(key=lambda track: (len(track.frame) < enough, -spread[track.bodies], track.bodies))
    actor, others = people[0], people[1:]
    frames, joints, filled = _longest_stretch(actor)
    if len(frames) <= NOISE_FRAMES:
        raise _unusable([*remarks, f"{actor.name}: only {len(frames)} frames in a row"])
    if lost := recording.frames - len(frames):
        remarks.append(f"{lost} of {recording.frames} frames before or after the longest stretch of the actor dropped")
    motion = joints[None]
    for track in others:
        partner, absent, added = _beside(track, frames)
        if spread[track.bodies] < STILL**2:
            remarks.append(f"{track.name}: moves by {1000 * spread[track.bodies] ** 0.5:.0f} mm, as furniture does")
        elif absent > (1 - LONG_SHARE) * len(frames):
            remarks.append(
                f"{track.name}: beside the actor in {len(frames) - absent} of {len(frames)} frames, a partner is there "
                f"in {LONG_SHARE:.0%}"
            )
        elif len(motion) == 2:
            remarks.append(f"{track.name}: beside two people that move more")
        else:
            motion, filled = np.stack((joints, partner)), filled + added
    if filled:
        remarks.append(f"{filled} missing poses filled in between their neighbours")
    floor = np.median(joints[:, _FEET, 1].min(axis=1))
    origin = np.array([joints[0, _BASE, 0], floor, joints[0, _BASE, 2]])
    rotation = _facing(joints, remarks)
    turned = np.where(_present(motion)[..., None, None], (motion - origin) @ rotation.T, 0.0)
    return _clip(turned, origin, rotation, frames[None], remarks)


def _tracks(recording: Recording, remarks: list[str]) -> list[_Track]:
    """The bodies by id, joined where one seems to continue another."""
    tracks = []
    for body, frame, joints in _bodies(recording, remarks):
        present = _present(joints)
        if not present.all():
            frame, joints = frame[present], joints[present]
        if len(frame):
            tracks.append(_Track((body,), frame, joints))
    if len(tracks) < 2:
        return tracks
    first, last = (np.array([track.frame[end] for track in tracks]) for end in (0, -1))
    torso = [np.stack([track.joints[end, (_BASE, _MIDDLE, _TOP)] for track in tracks]).mean(axis=1) for end in (0, -1)]
    apart = np.linalg.norm(torso[1][:, None] - torso[0], axis=-1)  # [a, b]: from the end of a to the beginning of b
    wait = first - last[:, None]
    close = (wait > 0) & (wait <= REJOINED) & (apart <= REJOINED_WITHIN[0] + REJOINED_WITHIN[1] * wait)
    after: dict[int, int] = {}
    order = sorted((apart[a, b], tracks[a].bodies, tracks[b].bodies, a, b) for a, b in np.argwhere(close).tolist())
    for *_, a, b in order:
        if a not in after and b not in after.values():
            after[a] = b
    joined = []
    for number in range(len(tracks)):
        if number in after.values():
            continue
        chain = [number]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        parts = [tracks[part] for part in chain]
        if len(parts) > 1:
            remarks.append(f"{' and '.join(part.name for part in parts)}: taken for one person")
            parts[0] = _Track(
                tuple(part.bodies[0] for part in parts),
                np.concatenate([part.frame for part in parts]),
                np.concatenate([part.joints for part in parts]),
            )
        joined.append(parts[0])
    return joined


def _people(tracks: list[_Track], remarks: list[str]) -> list[_Track]:
    """The tracks that are people: long enough, with a person's bones, and not wide while a narrower one moves."""
    people, wide = [], []
    for track in tracks:
        ends = track.joints[:, _HEIGHT_BONES]  # (F, bones, 2, 3)
        height = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=-1) @ _HEIGHT_WEIGHTS
        usual, varies = float(np.median(height)), float(height.std() / max(height.mean(), 1e-9))
        share = float(_too_wide(track.joints).mean())
        if len(track.frame) <= NOISE_FRAMES:
            remarks.append(_short(track.name, len(track.frame)))
        elif not HEIGHTS[0] <= usual <= HEIGHTS[1]:
            low, high = HEIGHTS
            remarks.append(f"{track.name}: {usual:.2f} m from ankle to head, people have {low} to {high} m")
        elif varies > HEIGHT_VARIES:
            remarks.append(f"{track.name}: its size varies by {varies:.0%}, that of people by {HEIGHT_VARIES:.0%}")
        elif share >= WIDE_SHARE:
            wide.append((track, share))
        else:
            people.append(track)
    if any(_square_distance(track.joints) >= STILL**2 for track in people):
        remarks += [_wide(track.name, share) for track, share in wide]
        return people
    return [*people, *(track for track, _ in wide)]  # people who lie or spread their arms, perhaps next to furniture


def _square_distance(joints: np.ndarray) -> float:
    """Mean square distance of the joints from their mean places over time: (F, V, 3) -> one number."""
    return float(3 * joints.var(axis=0).mean())


def _longest_stretch(track: _Track) -> tuple[np.ndarray, np.ndarray, int]:
    """The longest part without a gap too long to fill: frames (T,), poses (T, V, 3), number of filled frames."""
    breaks = np.flatnonzero(np.diff(track.frame) > FILLED + 1) + 1
    begin, end = np.append(0, breaks), np.append(breaks, len(track.frame))
    best = int((track.frame[end - 1] - track.frame[begin]).argmax())
    part = _Track(track.bodies, track.frame[begin[best] : end[best]], track.joints[begin[best] : end[best]])
    frames = np.arange(part.frame[0], part.frame[-1] + 1)
    joints, _, filled = _beside(part, frames)
    return frames, joints, filled


def _beside(track: _Track, frames: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The poses in some frames, (T, V, 3), zeros in long gaps; the numbers of absent and of filled poses."""
    if len(track.frame) == len(frames) and track.frame[0] == frames[0] and track.frame[-1] == frames[-1]:
        return track.joints, 0, 0
    before = np.searchsorted(track.frame, frames, side="right") - 1
    after = np.searchsorted(track.frame, frames)
    within = (before >= 0) & (after < len(track.frame))
    before, after = np.where(within, before, 0), np.where(within, after, 0)
    gap = track.frame[after] - track.frame[before]  # 0 in frames with the body
    within &= gap <= FILLED + 1
    weight = (frames - track.frame[before]) / np.maximum(gap, 1)
    earlier, later = track.joints[before], track.joints[after]
    poses = earlier + weight[:, None, None] * (later - earlier)
    poses[~within] = 0
    return poses, int((~within).sum()), int((within & (gap > 0)).sum())


def _facing(joints: np.ndarray, remarks: list[str]) -> np.ndarray:
    """The rotation about the vertical of the line through hips and shoulders onto x, with the left at smaller x."""
    across = joints[:, _SHOULDER_R] - joints[:, _SHOULDER_L] + joints[:, _HIP_R] - joints[:, _HIP_L]
    for vectors in (across[:FACING_FRAMES], across):
        x, _, z = vectors.mean(axis=0)
        length = float(np.hypot(x, z))
        if length > 0.05:
            x, z = x / length, z / length
            return np.array([[x, 0, z], [0, 1, 0], [-z, 0, x]])
    remarks.append("which way the actor faces cannot be told, so it is not turned")
    return np.eye(3)


CLEANING: dict[str, Callable[[Recording], Clip]] = {
    "st-gcn": _st_gcn,
    "ctr-gcn": _ctr_gcn,
    "pyskl": _pyskl,
    "kinetic": _kinetic,
}
"""The recipes by name; each raises `Unusable` for a recording without a usable body."""
