"""An articulated human who performs a dozen NTU actions, seen by three cameras: motions with known ground truth.

People are made by forward kinematics from curves of where the pelvis, the trunk, the wrists and the ankles are; elbows
and knees follow by two-bone inverse kinematics, so bones keep their lengths and planted feet stay where they are.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from kinetic.data.motion import MotionSet
from kinetic.skeleton import NTU25

__all__ = ["ACTIONS", "synthesise"]

# Inside, directions are those of the person: (left, up, forward). A Kinect looks along z with x to its own left, so a
# person who faces it has x = -left and z = distance - forward.

CAMERAS = np.deg2rad([-45.0, 0.0, 45.0])
"""Where cameras 1, 2, 3 stand around the person."""
DISTANCE, CAMERA_HEIGHT = 3.0, 1.0
SMOOTH = 0.6
"""Correlation of the sensor noise from frame to frame."""

# Metres of an average adult, as Kinect v2 sees the bones.
BONES = {
    "spine": 0.31, "chest": 0.22, "neck": 0.08, "head": 0.15, "shoulder": 0.175, "upper arm": 0.27, "forearm": 0.25,
    "hand": 0.08, "tip": 0.08, "thumb": 0.05, "hip": 0.09, "thigh": 0.41, "shin": 0.40, "ankle": 0.08, "foot": 0.15,
}  # fmt: skip


@dataclass
class _Person:
    """The people of one action: numbers (M, 1), lengths in metres."""

    size: dict[str, np.ndarray]
    tempo: np.ndarray
    vigour: np.ndarray
    onset: np.ndarray
    phase: np.ndarray
    lean: np.ndarray
    width: np.ndarray

    @property
    def leg(self) -> np.ndarray:
        return self.size["thigh"] + self.size["shin"]

    @property
    def stand(self) -> np.ndarray:
        """Height of the pelvis over the floor when standing, with knees a little bent."""
        return 0.985 * self.leg + 0.03 + self.size["ankle"]


@dataclass
class _Script:
    """Where the body is meant to be: curves (M, T) or (M, T, 3) in the person's directions, at rest if not said.

    Attributes:
        pelvis: of the pelvis over the floor: left, up, forward
        lean, turn, twist: of the trunk forward, of the person about the vertical, of the shoulders against the hips
        nod: of the head forward
        wrists: left and right, relative to the shoulder, in arm lengths: outward, up, forward
        elbows: where the elbows point: outward, up, forward
        feet: left and right ankle over the floor: left, up, forward
        toes: how far each foot points down
    """

    pelvis: np.ndarray
    lean: np.ndarray
    turn: np.ndarray
    twist: np.ndarray
    nod: np.ndarray
    wrists: list[np.ndarray]
    elbows: list[np.ndarray]
    feet: list[np.ndarray]
    toes: list[np.ndarray] = field(default_factory=list)


def _vector(*parts: object) -> np.ndarray:
    return np.stack(np.broadcast_arrays(*[np.asarray(part, dtype=np.float64) for part in parts]), axis=-1)


def _ease(x: np.ndarray) -> np.ndarray:
    """From 0 at 0 to 1 at 1, without a jerk at the ends."""
    x = np.clip(x, 0, 1)
    return x * x * x * (x * (6 * x - 15) + 10)


def _hold(s: np.ndarray, begin: float, up: float, down: float, end: float) -> np.ndarray:
    """0, rises from `begin` to `up`, 1, falls from `down` to `end`."""
    return _ease((s - begin) / (up - begin)) * (1 - _ease((s - down) / (end - down)))


def _mix(a: np.ndarray, b: object, share: np.ndarray) -> np.ndarray:
    """From a to b by a share (M, T)."""
    return a + (np.asarray(b) - a) * share[..., None]


def _rest(p: _Person, s: np.ndarray, t: np.ndarray) -> _Script:
    """Standing, breathing, swaying a little."""
    sway = 0.008 * np.sin(2 * np.pi * (0.35 * t + p.phase))
    zero = np.zeros_like(s)
    breath = 0.006 * np.sin(2 * np.pi * (0.3 * t + 2 * p.phase))
    wrist = _vector(0.16 + breath + 0.5 * (p.width - 0.1), -0.955 + zero, 0.10 + breath)
    elbow = _vector(0.35 + zero, 0.0, -1.0)
    feet = [_vector(side * (p.width + zero), p.size["ankle"], zero) for side in (1, -1)]
    return _Script(
        pelvis=_vector(sway, p.stand + breath, 0.3 * sway),
        lean=p.lean + zero,
        turn=zero.copy(),
        twist=zero.copy(),
        nod=0.02 * np.sin(2 * np.pi * (0.2 * t + p.phase)),
        wrists=[wrist.copy(), wrist.copy()],
        elbows=[elbow.copy(), elbow.copy()],
        feet=feet,
        toes=[zero.copy(), zero.copy()],
    )


def _walk(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    pace = 0.95 * p.tempo
    stride = 1.15 * p.vigour * p.leg / 0.81
    body.pelvis[..., 2] = stride * pace * (t - t.mean())
    for i in range(2):
        step = pace * (t - t.mean()) + p.phase + 0.5 * i
        whole, part = np.floor(step), step - np.floor(step)
        swing = np.clip((part - 0.6) / 0.4, 0, 1)
        body.feet[i][..., 2] = (whole + _ease(swing) + 0.3 - p.phase - 0.5 * i) * stride
        body.feet[i][..., 1] += 0.13 * p.vigour * np.sin(np.pi * swing) ** 2
        body.feet[i][..., 0] *= 0.75
        body.toes[i] = 0.7 * np.sin(np.pi * np.clip((part - 0.45) / 0.4, 0, 1)) ** 2
        away = np.cos(2 * np.pi * (step - 0.02))
        body.wrists[i][..., 2] += -0.48 * p.vigour * away
        body.wrists[i][..., 1] += 0.12 * p.vigour * away**2
    both = 2 * np.pi * (pace * (t - t.mean()) + p.phase)
    body.pelvis[..., 1] += -0.035 - 0.022 * np.cos(2 * both)
    body.pelvis[..., 0] += 0.02 * np.sin(both + 0.6)
    body.twist += 0.14 * np.cos(both)
    body.lean += 0.05


def _flight(p: _Person, x: np.ndarray, height: np.ndarray) -> np.ndarray:
    """A parabola over 0..1, 0 elsewhere."""
    x = np.clip(x, 0, 1)
    return 4 * height * x * (1 - x)


def _hop(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    beat = 1.75 * p.tempo * t + p.phase
    part = beat - np.floor(beat)
    high = _flight(p, (part - 0.35) / 0.55, 0.15 * p.vigour)
    crouch = 0.085 * np.sin(np.pi * np.clip(((part + 0.1) % 1.0) / 0.45, 0, 1)) ** 2
    body.pelvis[..., 1] += high - crouch - 0.01
    body.pelvis[..., 0] -= 0.6 * p.width
    body.feet[1][..., 0] *= 0.35
    body.feet[1][..., 1] += high
    body.toes[1] = 0.5 * np.clip(high / 0.1, 0, 1)
    body.feet[0] = body.feet[0] + _vector(0, 0.36 * p.vigour + high - 0.4 * crouch, -0.30)
    body.toes[0] += 1.0
    for wrist in body.wrists:
        wrist[:] = _mix(wrist, [0.45, -0.45, 0.35], np.full_like(s, 0.9))
        wrist[..., 1] += 1.1 * high
    body.lean += 0.08


def _jump(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    crouch = 0.25 * p.vigour * (_hold(s, 0.05, 0.32, 0.34, 0.45) + 0.75 * _hold(s, 0.69, 0.76, 0.78, 0.98))
    high = _flight(p, (s - 0.44) / 0.27, 0.38 * p.vigour)
    body.pelvis[..., 1] += high - crouch
    body.lean += 1.6 * crouch
    reach, back = _hold(s, 0.32, 0.5, 0.62, 0.85), _hold(s, 0.05, 0.28, 0.32, 0.44)
    for i in range(2):
        body.feet[i][..., 1] += high
        body.toes[i] = 0.9 * np.clip(high / 0.1, 0, 1)
        body.wrists[i] = _mix(_mix(body.wrists[i], [0.3, -0.7, -0.55], back), [0.22, 0.93, 0.2], reach)
        body.elbows[i] = _mix(body.elbows[i], [1.0, 0.0, 0.1], reach)


def _kick(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    back, out = _hold(s, 0.08, 0.30, 0.32, 0.46), _hold(s, 0.34, 0.52, 0.56, 0.86)
    body.feet[1] = body.feet[1] + back[..., None] * _vector(0.0, 0.24, -0.42)
    body.feet[1] = body.feet[1] + (out * p.vigour)[..., None] * _vector(0.04, 0.56 * p.leg, 0.82 * p.leg)
    body.toes[1] = 1.0 * back + 0.2 * out
    body.pelvis[..., 0] += 0.07 * _hold(s, 0.03, 0.2, 0.75, 0.97)
    body.pelvis[..., 1] -= 0.03 * _hold(s, 0.05, 0.3, 0.6, 0.9)
    body.lean += 0.18 * back - 0.26 * out
    body.twist += 0.25 * back - 0.3 * out
    balance = (([0.6, -0.55, 0.5], [0.75, -0.35, -0.1]), ([0.5, -0.7, -0.4], [0.6, -0.6, -0.3]))
    for i, (first, second) in enumerate(balance):
        body.wrists[i] = _mix(_mix(body.wrists[i], first, 0.8 * back), second, 0.8 * out)


def _wave(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    up = _hold(s, 0.0, 0.22, 0.82, 1.05)
    beat = np.sin(2 * np.pi * (1.9 * p.tempo * t + p.phase))
    target = _vector(0.42 + 0.26 * p.vigour * beat, 0.62 - 0.05 * np.abs(beat), 0.28)
    body.wrists[1] = _mix(body.wrists[1], target, up)
    body.elbows[1] = _mix(body.elbows[1], [1.0, -0.7, 0.1], up)


def _clap(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    up = _hold(s, -0.05, 0.15, 0.9, 1.1)
    apart = 0.5 - 0.5 * np.cos(2 * np.pi * (2.2 * p.tempo * t + p.phase))
    inward = p.size["shoulder"] / (p.size["upper arm"] + p.size["forearm"])
    for i in range(2):
        target = _vector(-inward + 0.06 + 0.42 * p.vigour * apart, -0.22 + 0 * s, 0.62)
        body.wrists[i] = _mix(body.wrists[i], target, up)
        body.elbows[i] = _mix(body.elbows[i], [0.8, -0.8, -0.2], up)


def _throw(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    back, out = _hold(s, 0.05, 0.36, 0.42, 0.55), _hold(s, 0.42, 0.56, 0.6, 0.95)
    body.wrists[1] = _mix(body.wrists[1], [0.5, 0.5, -0.5], back)
    body.wrists[1] = _mix(body.wrists[1], [0.0, 0.28, 0.95], out)
    body.elbows[1] = _mix(_mix(body.elbows[1], [1.0, 0.3, -0.2], back), [1.0, -0.3, 0.0], out)
    body.wrists[0] = _mix(body.wrists[0], [0.25, 0.05, 0.8], 0.85 * back)
    body.wrists[0] = _mix(body.wrists[0], [0.3, -0.75, -0.4], 0.7 * out)
    step = _ease((s - 0.28) / 0.2) * (0.30 * p.vigour)
    body.feet[0][..., 2] += step
    body.feet[0][..., 1] += 0.09 * _hold(s, 0.26, 0.37, 0.4, 0.5)
    body.pelvis[..., 2] += 0.6 * step - 0.08 * back
    body.pelvis[..., 1] -= 0.05 * _ease((s - 0.3) / 0.2)
    body.twist += p.vigour * (-0.65 * back + 0.5 * out)
    body.lean += 0.30 * out - 0.12 * back


def _sit(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script, seated: np.ndarray | None = None) -> None:
    down = _ease((s - 0.12) / 0.55) if seated is None else seated
    bend = np.sin(np.pi * np.clip(down, 0, 1)) ** 2
    body.pelvis = body.pelvis + down[..., None] * _vector(0, 0.47 * p.vigour**0.3 * -p.leg / 0.81 * 0.92, -0.40)
    body.lean += 0.62 * bend + 0.02 * down
    for i in range(2):
        body.wrists[i] = _mix(body.wrists[i], [0.05, -0.62, 0.66], _ease(1.25 * down))
        body.elbows[i] = _mix(body.elbows[i], [0.6, -0.2, -1.0], down)
        body.wrists[i][..., 2] += 0.25 * bend


def _stand_up(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    _sit(p, s, t, body, seated=1 - _ease((s - 0.25) / 0.55))


def _punch(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    guard = _hold(s, -0.1, 0.14, 0.9, 1.1)
    hit = _hold(s, 0.22, 0.34, 0.37, 0.52) + _hold(s, 0.56, 0.68, 0.71, 0.86)
    for i in range(2):
        body.wrists[i] = _mix(body.wrists[i], [-0.08, 0.02, 0.42], guard)
        body.elbows[i] = _mix(body.elbows[i], [0.45, -1.0, 0.1], guard)
    body.wrists[1] = _mix(body.wrists[1], [-0.22, 0.06, 1.0], hit)
    body.feet[0][..., 2] += 0.16
    body.feet[1][..., 2] -= 0.16
    body.pelvis[..., 1] -= 0.06
    body.pelvis[..., 2] += 0.07 * hit * p.vigour
    body.twist += -0.35 * guard + 0.75 * hit * p.vigour
    body.lean += 0.06 + 0.08 * hit


def _salute(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    up = _hold(s, 0.06, 0.32, 0.72, 0.98)
    inward = p.size["shoulder"] / (p.size["upper arm"] + p.size["forearm"])
    body.wrists[1] = _mix(body.wrists[1], _vector(-inward + 0.34 + 0 * s, 0.40, 0.22), up)
    body.elbows[1] = _mix(body.elbows[1], [1.0, 0.1, 0.15], up)
    body.wrists[0] = _mix(body.wrists[0], [0.03, -0.99, 0.02], up)
    body.lean -= 0.03 * up


def _drink(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    up, tilt = _hold(s, 0.05, 0.36, 0.76, 1.02), _hold(s, 0.34, 0.5, 0.66, 0.8)
    inward = p.size["shoulder"] / (p.size["upper arm"] + p.size["forearm"])
    body.wrists[1] = _mix(body.wrists[1], _vector(-0.85 * inward + 0 * s, 0.21 + 0.09 * tilt * p.vigour, 0.40), up)
    body.elbows[1] = _mix(body.elbows[1], [0.55, -1.0, 0.15], up)
    body.nod += -0.45 * tilt * p.vigour
    body.lean -= 0.06 * tilt


Action = Callable[[_Person, np.ndarray, np.ndarray, _Script], None]

ACTIONS: dict[str, Action] = {
    "drink water": _drink,
    "throw": _throw,
    "sit down": _sit,
    "stand up": _stand_up,
    "clap": _clap,
    "wave": _wave,
    "kick": _kick,
    "hop": _hop,
    "jump up": _jump,
    "salute": _salute,
    "punch": _punch,
    "walk": _walk,
}
"""What people can do, by name, in the order of NTU RGB+D. Arms and legs that act alone are the right ones."""


def synthesise(
    actions: Sequence[str] | None = None,
    *,
    subjects: int = 10,
    repeats: int = 4,
    frames: int = 64,
    fps: float = 30.0,
    seed: int = 0,
    sensor_noise: float = 0.004,
    dropout: float = 0.0,
) -> MotionSet:
    """Motions of NTU-25 people in metres, in the coordinates of three Kinect-like cameras.

    Every performance is three items with the same clip name: views 1, 2, 3 stand at -45, 0 and 45 degrees, 3 m away.
    People differ in bone lengths, tempo, vigour and posture; repetitions in onset, phase, vigour, place and direction.
    An item follows from the seed and its own action, person, repetition and view, so a smaller set is part of a larger.

    Splits: `xsub` trains on people 1, 3, 5 ..., `xview` on views 2 and 3 (as NTU RGB+D does).

    Args:
        actions: names; None = all of `ACTIONS`
        subjects: how many people
        repeats: performances of each action by each person
        frames: length of the motions
        fps: frames per second; actions that are done once fill the whole length
        seed: of everything
        sensor_noise: standard deviation of the joints, in metres; twice as much at hands and feet
        dropout: share of frames in which one limb stays where it was, as when a Kinect loses it

    Raises:
        ValueError: for an unknown action (with the nearest names), or sizes out of range
    """
    names = tuple(ACTIONS) if actions is None else tuple(actions)
    for name in names:
        if name not in ACTIONS:
            near = difflib.get_close_matches(name, ACTIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(ACTIONS)}"
            raise ValueError(f"no action is called {name!r}; {hint}")
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"actions must be different and at least one, got {list(names)}")
    if subjects < 2 or repeats < 1 or frames < 2 or not fps > 0:
        raise ValueError(
            "at least 2 subjects, 1 repeat, 2 frames and a positive fps are needed, "
            f"got {subjects}, {repeats}, {frames}, {fps}"
        )
    if not sensor_noise >= 0 or not 0 <= dropout <= 1:
        raise ValueError(f"sensor_noise must not be negative, dropout between 0 and 1; got {sensor_noise}, {dropout}")
    who, again = (part.ravel() for part in np.meshgrid(np.arange(subjects), np.arange(repeats), indexing="ij"))
    motion, label, clip = [], [], []
    for number, name in enumerate(names):
        keys = [(seed, list(ACTIONS).index(name), int(w), int(r)) for w, r in zip(who, again, strict=True)]
        world, turn, place = _perform(ACTIONS[name], keys, frames, fps)
        for view, camera in enumerate(CAMERAS):
            seen = _see(world, turn + camera, place)
            _disturb(seen, [(*key, view + 1) for key in keys], sensor_noise, dropout)
            motion.append(seen)
        label.append(np.full(3 * len(who), number))
        clip += 3 * [f"{name.replace(' ', '_')}_p{w + 1:03d}_r{r + 1:02d}" for w, r in zip(who, again, strict=True)]
    n = len(names)
    return MotionSet(
        motion=np.concatenate(motion).astype(np.float32),
        label=np.concatenate(label).astype(np.int64),
        class_names=names,
        skeleton=NTU25,
        subject=np.tile(who, 3 * n).astype(np.int64),
        view=np.tile(np.repeat([1, 2, 3], len(who)), n).astype(np.int64),
        subject_names=tuple(f"p{i + 1:03d}" for i in range(subjects)),
        clip=tuple(clip),
        fps=float(fps),
        source="synthetic",
        splits={
            "xsub": {"by": "subject", "train": [f"p{i + 1:03d}" for i in range(0, subjects, 2)]},
            "xview": {"by": "view", "train": [2, 3], "test": [1]},
        },
        notes={"seed": seed, "repeats": repeats, "sensor_noise": sensor_noise, "dropout": dropout},
    )


def _perform(
    action: Action, keys: Sequence[tuple[int, ...]], frames: int, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints (M, T, V, 3) in the person's directions, where each person looks (M,), and stands (M, 2)."""
    person, turn, place = _cast(keys)
    t = np.arange(frames)[None] / fps  # (1, T)
    s = (np.arange(frames)[None] / (frames - 1) - person.onset) * person.tempo**0.5
    body = _rest(person, s, t + 0 * s)
    action(person, s, t + 0 * s, body)
    return _joints(person, body), turn, place


def _cast(keys: Sequence[tuple[int, ...]]) -> tuple[_Person, np.ndarray, np.ndarray]:
    """Who performs, and how this time."""
    own: dict[int, np.ndarray] = {}
    rows, sizes = [], []
    for seed, action, who, again in keys:
        if who not in own:
            rng = np.random.default_rng([seed, 0, who])
            own[who] = np.concatenate([rng.normal(size=6), rng.normal(size=len(BONES))])
        now = np.random.default_rng([seed, 1, action, who, again])
        rows.append(np.concatenate([own[who][:6], now.normal(size=4), now.uniform(size=2)]))
        sizes.append(own[who][6:])
    z, size = np.clip(np.array(rows), -2, 2), np.clip(np.array(sizes), -2, 2)
    height = np.exp(0.055 * z[:, 0])
    column = lambda values: values[:, None]  # noqa: E731
    person = _Person(
        size={
            name: column(length * height * np.exp(0.03 * size[:, i])) for i, (name, length) in enumerate(BONES.items())
        },
        tempo=column(np.exp(0.08 * z[:, 1] + 0.05 * z[:, 6])),
        vigour=column(np.exp(0.07 * z[:, 2] + 0.05 * z[:, 7])),
        onset=column(0.035 * z[:, 8]),
        phase=column(np.array(rows)[:, 10]),
        lean=column(0.04 + 0.03 * z[:, 3]),
        width=column(np.clip(0.11 + 0.015 * z[:, 4], 0.07, 0.16)),
    )
    uniform = np.array(rows)[:, 11]
    turn = np.deg2rad(6 * z[:, 9] + 6 * (uniform - 0.5))
    place = np.stack([0.12 * z[:, 8], DISTANCE + 0.12 * z[:, 7]], axis=1)
    return person, turn, place


def _turned(vector: np.ndarray, turn: np.ndarray, lean: np.ndarray | float = 0.0) -> np.ndarray:
    """A vector (..., 3) leaned forward, then turned to the left about the vertical."""
    left, up, forward = vector[..., 0], vector[..., 1], vector[..., 2]
    up, forward = up * np.cos(lean) - forward * np.sin(lean), forward * np.cos(lean) + up * np.sin(lean)
    return _vector(left * np.cos(turn) + forward * np.sin(turn), up, forward * np.cos(turn) - left * np.sin(turn))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def _bend(
    root: np.ndarray, end: np.ndarray, first: np.ndarray, second: np.ndarray, towards: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Elbow and wrist (or knee and ankle) for a wanted end, the joint pointing as `towards` as it can."""
    reach = end - root
    length = np.linalg.norm(reach, axis=-1)
    direction = reach / np.maximum(length, 1e-9)[..., None]
    length = np.clip(length, np.abs(first - second) + 1e-3, 0.999 * (first + second))
    cosine = np.clip((first**2 + length**2 - second**2) / (2 * first * length), -1, 1)
    side = _unit(towards - (towards * direction).sum(axis=-1, keepdims=True) * direction)
    middle = root + (first * cosine)[..., None] * direction + (first * np.sqrt(1 - cosine**2))[..., None] * side
    return middle, root + length[..., None] * direction


def _joints(p: _Person, body: _Script) -> np.ndarray:
    """All joints (M, T, V, 3): left, up, forward of a point on the floor."""
    size, hips, chest = p.size, body.turn, body.turn + body.twist
    zero = np.zeros_like(hips)
    at: dict[str, np.ndarray] = {"SpineBase": body.pelvis}

    def put(name: str, parent: str, vector: np.ndarray) -> None:
        at[name] = at[parent] + vector

    up = lambda length: _vector(zero, length + zero, zero)  # noqa: E731
    put("SpineMid", "SpineBase", _turned(up(size["spine"]), hips, body.lean))
    put("SpineShoulder", "SpineMid", _turned(up(size["chest"]), chest, 1.15 * body.lean))
    put("Neck", "SpineShoulder", _turned(up(size["neck"]), chest, 1.1 * body.lean + 0.1))
    put("Head", "Neck", _turned(up(size["head"]), chest, 0.6 * body.lean + body.nod + 0.05))
    arm = size["upper arm"] + size["forearm"]
    for i, (side, sign) in enumerate((("Left", 1.0), ("Right", -1.0))):
        outward = np.array([sign, 1.0, 1.0])
        shoulder = _vector(sign * 0.95 * size["shoulder"] + zero, -0.3 * size["shoulder"], zero)
        put(f"Shoulder{side}", "SpineShoulder", _turned(shoulder, chest, 1.1 * body.lean))
        wrist = at[f"Shoulder{side}"] + _turned(body.wrists[i] * outward * arm[..., None], chest, 0.5 * body.lean)
        elbow, wrist = _bend(
            at[f"Shoulder{side}"], wrist, size["upper arm"] + zero, size["forearm"] + zero,
            _turned(body.elbows[i] * outward, chest),
        )  # fmt: skip
        at[f"Elbow{side}"], at[f"Wrist{side}"] = elbow, wrist
        along = _unit(wrist - elbow)
        put(f"Hand{side}", f"Wrist{side}", size["hand"][..., None] * along)
        put(f"HandTip{side}", f"Hand{side}", size["tip"][..., None] * along)
        inward = _turned(_vector(-sign + zero, zero, 0.4), chest)
        across = _unit(inward - (inward * along).sum(axis=-1, keepdims=True) * along)
        put(f"Thumb{side}", f"Hand{side}", size["thumb"][..., None] * _unit(across + 0.3 * along))
        hip = _vector(sign * size["hip"] + zero, -0.35 * size["hip"], zero)
        put(f"Hip{side}", "SpineBase", _turned(hip, hips))
        ahead = _turned(_vector(0.12 * sign + zero, 0.25, 1.0), hips)
        knee, ankle = _bend(at[f"Hip{side}"], body.feet[i], size["thigh"] + zero, size["shin"] + zero, ahead)
        at[f"Knee{side}"], at[f"Ankle{side}"] = knee, ankle
        flat = np.arcsin(np.clip(0.75 * size["ankle"] / size["foot"], 0, 1))
        toe = body.toes[i] + flat
        foot = _vector(0.2 * sign * np.cos(toe), -np.sin(toe), 0.98 * np.cos(toe))
        put(f"Foot{side}", f"Ankle{side}", size["foot"][..., None] * _turned(_unit(foot), hips))
    return np.stack([at[name] for name in NTU25.joints], axis=2)


def _see(world: np.ndarray, turn: np.ndarray, place: np.ndarray) -> np.ndarray:
    """What a camera sees of persons turned to their left by `turn` (M,): (M, 3, T, V) in its coordinates."""
    seen = _turned(world, turn[:, None, None])
    x, y, z = -seen[..., 0], seen[..., 1] - CAMERA_HEIGHT, -seen[..., 2]
    return np.stack([x + place[:, 0, None, None], y, z + place[:, 1, None, None]], axis=1)


LIMBS = [[5, 6, 7, 21, 22], [9, 10, 11, 23, 24], [13, 14, 15], [17, 18, 19]]


def _disturb(motion: np.ndarray, keys: Sequence[tuple[int, ...]], noise: float, dropout: float) -> None:
    """Add what a sensor adds, in place."""
    strength = np.ones(25)
    strength[[7, 11, 15, 19, 21, 22, 23, 24]] = 2.0
    _, _, frames, _ = motion.shape
    fresh = np.sqrt(1 - SMOOTH**2)
    for own, key in zip(motion, keys, strict=True):
        rng = np.random.default_rng([key[0], 2, *key[1:]])
        if noise > 0:
            step = rng.standard_normal((frames, 3, 25))
            for frame in range(1, frames):
                step[frame] = SMOOTH * step[frame - 1] + fresh * step[frame]
            own += noise * step.transpose(1, 0, 2) * strength
        if dropout > 0:
            left = int(round(dropout * frames))
            while left > 0:
                length = min(left, int(rng.integers(3, 9)))
                begin = int(rng.integers(1, max(2, frames - length)))
                limb = LIMBS[int(rng.integers(4))]
                own[:, begin : begin + length, limb] = own[:, begin - 1 : begin, limb]
                left -= length
