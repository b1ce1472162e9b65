"""Synthetic people who perform a dozen NTU actions before three cameras: motions with known ground truth.

Forward kinematics turns curves of pelvis, trunk, wrists and ankles into joints. Elbows and knees follow by two-bone
inverse kinematics, so bones keep their lengths and planted feet stay where they are.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kinetic.messages import nearest
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import NTU25

__all__ = ["ACTIONS", "synthesise"]

# Directions in this file are those of the person: (left, up, forward). A Kinect looks along z with x to its left, so
# for a person who faces it x = -left and z = distance - forward.

CAMERAS = np.deg2rad([-45.0, 0.0, 45.0])
"""Directions of cameras 1, 2 and 3 around the person, in radians."""
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
    """People and how they perform an action this time: numbers (M, 1), lengths in metres.

    Attributes:
        size: length of each of `BONES`
        tempo, vigour: speed and size of the movements, about 1
        onset: beginning of the action, as a share of the clip
        phase: beginning of a repeated movement in its cycle, 0 to 1
        lean: angle of the trunk forward, in radians
        width: distance from the middle to each foot
        flare: distance of the arms from the body, in arm lengths
        aim: (M, 1, 3) offset of the wrists from the average target, in arm lengths
    """

    size: dict[str, np.ndarray]
    tempo: np.ndarray
    vigour: np.ndarray
    onset: np.ndarray
    phase: np.ndarray
    lean: np.ndarray
    width: np.ndarray
    flare: np.ndarray
    aim: np.ndarray

    @property
    def leg(self) -> np.ndarray:
        return self.size["thigh"] + self.size["shin"]

    @property
    def inward(self) -> np.ndarray:
        """Distance from a shoulder to the middle of the body, in arm lengths."""
        return 0.95 * self.size["shoulder"] / (self.size["upper arm"] + self.size["forearm"])

    @property
    def flat(self) -> np.ndarray:
        """Angle by which a foot points down from its ankle when the sole is on the floor."""
        return np.arcsin(np.clip(0.75 * self.size["ankle"] / self.size["foot"], 0, 1))

    @property
    def stand(self) -> np.ndarray:
        """Height of the pelvis over the floor when the person stands with knees a little bent."""
        return 0.985 * self.leg + 0.03 + self.size["ankle"]


@dataclass
class _Script:
    """Targets of the body: curves (M, T) or (M, T, 3) in the person's directions.

    Attributes:
        pelvis: place over the floor: left, up, forward
        lean, turn, twist: angles of the trunk forward, of the person about the vertical, of shoulders against hips
        nod: angle of the head forward
        wrists: places of left and right, relative to the shoulder, in arm lengths: outward, up, forward
        elbows: directions in which the elbows point: outward, up, forward
        hands: directions in which the hands bend out of the line of the forearm: outward, up, forward
        feet: places of left and right ankle over the floor: left, up, forward
        toes: angles by which the feet point down
    """

    pelvis: np.ndarray
    lean: np.ndarray
    turn: np.ndarray
    twist: np.ndarray
    nod: np.ndarray
    wrists: list[np.ndarray]
    elbows: list[np.ndarray]
    hands: list[np.ndarray]
    feet: list[np.ndarray]
    toes: list[np.ndarray]


def _vector(*parts: object) -> np.ndarray:
    return np.stack(np.broadcast_arrays(*[np.asarray(part, dtype=np.float64) for part in parts]), axis=-1)


def _ease(x: np.ndarray) -> np.ndarray:
    """A curve from 0 at 0 to 1 at 1, without a jerk at the ends."""
    x = np.clip(x, 0, 1)
    return x * x * x * (x * (6 * x - 15) + 10)


def _hold(s: np.ndarray, begin: float, up: float, down: float, end: float) -> np.ndarray:
    """A curve that rises from 0 at `begin` to 1 at `up` and falls from 1 at `down` to 0 at `end`."""
    return _ease((s - begin) / (up - begin)) * (1 - _ease((s - down) / (end - down)))


def _mix(a: np.ndarray, b: object, share: np.ndarray) -> np.ndarray:
    """The point between a and b at a share (M, T) of the way."""
    return a + (np.asarray(b) - a) * share[..., None]


def _arc(a: np.ndarray, b: object, share: np.ndarray) -> np.ndarray:
    """The point between wrists at a and b, on a way around the shoulder: close to it the elbow would whip about."""
    return _mix(a, b, share) + (4 * share * (1 - share))[..., None] * np.array([0.12, 0.0, 0.25])


def _through(s: np.ndarray, *poses: tuple[float, object]) -> np.ndarray:
    """A smooth curve (M, T, 3) through poses (vectors or (M, T, 3)) at their times, at rest at both ends."""
    times = np.array([time for time, _ in poses])
    point = np.stack([np.broadcast_to(np.asarray(pose, dtype=np.float64), (*s.shape, 3)) for _, pose in poses])
    slope = np.zeros_like(point)
    slope[1:-1] = (point[2:] - point[:-2]) / (times[2:] - times[:-2])[:, None, None, None]
    piece = np.clip(np.searchsorted(times, s, side="right") - 1, 0, len(poses) - 2)
    length = (times[piece + 1] - times[piece])[..., None]
    x = np.clip((s - times[piece])[..., None] / length, 0, 1)

    def pick(values: np.ndarray, number: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, number[None, ..., None], axis=0)[0]

    p, q, u, v = pick(point, piece), pick(point, piece + 1), pick(slope, piece), pick(slope, piece + 1)
    bump = x * x * (3 - 2 * x)
    return p + (q - p) * bump + length * x * (1 - x) * ((1 - x) * u - x * v)  # cubic Hermite


def _tiptoe(p: _Person, body: _Script, side: int, pitch: np.ndarray, lift: bool = True) -> None:
    """Point a foot down by `pitch` about its toes, which stay: the ankle moves ahead and, with `lift`, up."""
    foot, flat = p.size["foot"], p.flat
    ahead = foot * (np.cos(flat) - np.cos(flat + pitch))
    up = foot * (np.sin(flat + pitch) - np.sin(flat)) if lift else 0.0
    body.feet[side] = body.feet[side] + _vector((0.2, -0.2)[side] * ahead, up, 0.98 * ahead)
    body.toes[side] = body.toes[side] + pitch


def _off(p: _Person, body: _Script, side: int, high: np.ndarray) -> None:
    """Raise an ankle by `high`; the toes leave the floor last and reach it first."""
    pitch = np.arcsin(np.clip(np.sin(p.flat) + high / p.size["foot"], 0, 0.85)) - p.flat
    body.feet[side] = body.feet[side] + _vector(0, high, 0)
    _tiptoe(p, body, side, np.maximum(pitch, 0), lift=False)


def _rest(p: _Person, s: np.ndarray, t: np.ndarray) -> _Script:
    """Standing, breathing, swaying a little."""
    sway = 0.008 * np.sin(2 * np.pi * (0.35 * t + p.phase))
    zero = np.zeros_like(s)
    breath = 0.006 * np.sin(2 * np.pi * (0.3 * t + 2 * p.phase))
    wrist = _vector(0.16 + breath + p.flare, -0.955 + 0.1 * p.flare, 0.10 + breath)
    elbow = _vector(0.35 + 2 * p.flare + zero, 0.0, -1.0)
    feet = [_vector(side * (p.width + zero), p.size["ankle"], zero) for side in (1, -1)]
    return _Script(
        pelvis=_vector(sway, p.stand + breath, 0.3 * sway),
        lean=p.lean + zero,
        turn=zero.copy(),
        twist=zero.copy(),
        nod=0.02 * np.sin(2 * np.pi * (0.2 * t + p.phase)),
        wrists=[wrist.copy(), wrist.copy()],
        elbows=[elbow.copy(), elbow.copy()],
        hands=[np.zeros_like(wrist), np.zeros_like(wrist)],
        feet=feet,
        toes=[zero.copy(), zero.copy()],
    )


def _walk(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    pace = 0.95 * p.tempo
    stride = 1.15 * p.vigour * p.leg / 0.81
    beat = pace * (t - t.mean()) + p.phase  # a whole number when the left foot touches down
    body.pelvis[..., 2] = stride * (beat - p.phase)
    for i in range(2):
        step = beat + 0.5 * i
        whole, part = np.floor(step), step - np.floor(step)
        swing = np.clip((part - 0.62) / 0.38, 0, 1)
        body.feet[i][..., 2] = (whole + swing * swing * (3 - 2 * swing) + 0.25 - p.phase - 0.5 * i) * stride
        body.feet[i][..., 1] += 0.05 * p.vigour * np.sin(np.pi * swing) ** 2
        body.feet[i][..., 0] *= 0.75
        _tiptoe(p, body, i, 0.8 * np.sin(np.pi * np.clip((part - 0.38) / 0.56, 0, 1)) ** 2)
        body.toes[i] = body.toes[i] - 0.25 * np.sin(np.pi * np.clip(((part + 0.2) % 1.0) / 0.32, 0, 1)) ** 2
        away = np.cos(2 * np.pi * (step - 0.02))
        body.wrists[i][..., 2] += -0.46 * p.vigour * away
        body.wrists[i][..., 1] += 0.12 * p.vigour * away**2
    both = 2 * np.pi * beat
    body.pelvis[..., 1] += -0.03 - 0.02 * np.cos(2 * both)
    body.pelvis[..., 0] += 0.02 * np.sin(both + 0.6)
    body.twist += 0.14 * np.cos(both)
    body.lean += 0.05


def _hop(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    beat = 1.75 * p.tempo * t + p.phase
    part, air = beat - np.floor(beat), 0.55
    flight, ground = np.clip(part / air, 0, 1), np.clip((part - air) / (1 - air), 0, 1)
    high = 4 * 0.13 * p.vigour * flight * (1 - flight)
    crouch = 4 * 0.13 * p.vigour * (1 - air) / air * ground * (1 - ground)  # lands and leaves at the same speed
    body.pelvis[..., 1] += high - crouch - 0.02
    body.pelvis[..., 0] -= 0.6 * p.width
    body.feet[1][..., 0] *= 0.35
    _off(p, body, 1, high)
    body.feet[0] = body.feet[0] + _vector(0, 0.36 * p.vigour + high - 0.4 * crouch, -0.30)
    body.toes[0] += 1.0
    for wrist in body.wrists:
        wrist[:] = _mix(wrist, [0.45, -0.45, 0.35], np.full_like(s, 0.9))
        wrist[..., 1] += 0.9 * (high - 0.5 * crouch)
    body.lean += 0.08


def _jump(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    off, air, height, deep, soft = 0.44, 0.27, 0.38, 0.25, 0.19
    slope = 4 * height / air  # of the flight at its ends, which the legs give and take
    push, take = 2 * deep / slope, 2 * soft / slope
    part = np.clip((s - off) / air, 0, 1)
    high = p.vigour * 4 * height * part * (1 - part)
    down = np.where(
        s < off - push, _ease((s - 0.04) / (off - push - 0.04)), 1 - np.clip((s - off + push) / push, 0, 1) ** 2
    )
    caught = 1 - np.clip(1 - (s - off - air) / take, 0, 1) ** 2
    crouch = p.vigour * (deep * down + soft * caught * (1 - _ease((s - off - air - take) / 0.2)))
    body.pelvis[..., 1] += high - crouch
    body.pelvis[..., 2] -= 0.25 * crouch
    body.lean += 1.8 * crouch
    for i in range(2):
        _off(p, body, i, high)
        rest, above = body.wrists[i], [0.2, 0.93, 0.18]
        body.wrists[i] = _through(
            s, (0.04, rest), (0.26, [0.3, -0.72, -0.52]), (0.41, [0.25, -0.35, 0.72]), (0.51, above), (0.63, above),
            (0.76, [0.4, -0.2, 0.7]), (0.97, rest),
        )  # fmt: skip
        body.elbows[i] = _mix(body.elbows[i], [1.0, -0.3, 0.2], _hold(s, 0.32, 0.5, 0.66, 0.9))


def _kick(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    back, out = _hold(s, 0.08, 0.30, 0.32, 0.46), _hold(s, 0.34, 0.52, 0.56, 0.86)
    lift = _hold(s, 0.06, 0.24, 0.34, 0.5)
    body.feet[1] = body.feet[1] + _vector(0, 0.24 * lift, -0.42 * back)
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
    body.wrists[1] = _arc(body.wrists[1], target, up)
    body.elbows[1] = _mix(body.elbows[1], [1.0, -0.7, 0.1], up)


def _clap(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    up = _hold(s, -0.05, 0.15, 0.9, 1.1)
    apart = 0.5 - 0.5 * np.cos(2 * np.pi * (2.2 * p.tempo * t + p.phase))
    for i in range(2):
        target = _vector(-p.inward + 0.06 + 0.36 * p.vigour * apart, -0.22 + 0 * s, 0.60)
        body.wrists[i] = _mix(body.wrists[i], target, up)
        body.elbows[i] = _mix(body.elbows[i], [0.8, -0.8, -0.2], up)
        body.hands[i] = _mix(body.hands[i], [0.5, 0.55, 0.5], up)


def _throw(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    back, out = _hold(s, 0.05, 0.36, 0.42, 0.55), _hold(s, 0.42, 0.56, 0.6, 0.95)
    rest, hang = body.wrists[1], body.elbows[1]
    body.wrists[1] = _through(
        s, (0.05, rest), (0.23, [0.55, -0.45, -0.25]), (0.37, [0.62, 0.35, -0.40]), (0.45, [0.50, 0.60, -0.28]),
        (0.52, [0.28, 0.66, 0.50]), (0.58, [0.00, 0.32, 0.90]), (0.68, [-0.32, -0.40, 0.66]), (0.96, rest),
    )  # fmt: skip
    body.elbows[1] = _through(
        s, (0.05, hang), (0.23, [-0.3, -0.6, -0.8]), (0.37, [0.4, -1.0, -0.2]), (0.45, [0.8, -0.6, 0.1]),
        (0.58, [1.0, -0.5, 0.1]), (0.68, [1.0, -0.4, 0.0]), (0.96, hang),
    )  # fmt: skip
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
        body.wrists[i] = _mix(body.wrists[i], [0.0, -0.74, 0.55], _ease(1.25 * down))
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
    body.wrists[1] = _arc(body.wrists[1], _vector(-p.inward + 0.34 + 0 * s, 0.40, 0.22), up)
    body.elbows[1] = _mix(body.elbows[1], [1.0, 0.1, 0.15], up)
    body.wrists[0] = _mix(body.wrists[0], [0.03, -0.99, 0.02], up)
    body.lean -= 0.03 * up


def _drink(p: _Person, s: np.ndarray, t: np.ndarray, body: _Script) -> None:
    up, tilt = _hold(s, 0.05, 0.36, 0.76, 1.02), _hold(s, 0.34, 0.5, 0.66, 0.8)
    body.wrists[1] = _mix(body.wrists[1], _vector(-0.7 * p.inward + 0 * s, 0.24 + 0.09 * tilt * p.vigour, 0.42), up)
    body.hands[1] = _mix(body.hands[1], [-0.6, -0.25, -0.45], up)
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
"""The actions by name, in the order of NTU RGB+D. Single arms and legs that act are the right ones."""


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
    """Motions of synthetic people on the joints of NTU25, in metres, as three Kinect-like cameras record them.

    Every performance is three motions with the same clip name: views 1, 2, 3 stand at -45, 0 and 45 degrees, 3 m away.
    A person looks to the left of the picture from camera 1, into camera 2, and to the right of the picture from 3.
    People differ in bone lengths, tempo, vigour and posture, repetitions in tempo, vigour, onset, phase, place and
    direction, and both in the targets of the hands. A motion follows from the seed, its action, person, repetition and
    view, so a smaller set is part of a larger set of the same frames.

    Splits: `xsub` trains on people 1, 3, 5 ..., `xview` on views 2 and 3 (as NTU RGB+D does). The notes hold the
    arguments and, as `bones`, the true lengths in metres, one per person.

    Args:
        actions: names; None = all of `ACTIONS`
        subjects: number of people
        repeats: performances of each action by each person
        frames: length of the motions
        fps: frames per second; actions that are performed once fill the whole length
        seed: seed of all random numbers
        sensor_noise: standard deviation of the joints, in metres; twice as much at hands and feet
        dropout: average share of frames in which a limb freezes or jumps elsewhere, as when a Kinect loses it

    Raises:
        ValueError: for an unknown action (with the nearest name), or sizes out of range
    """
    names = _checked(actions)
    subjects, repeats, frames, seed = (operator.index(number) for number in (subjects, repeats, frames, seed))
    if subjects < 2 or repeats < 1 or frames < 2 or not 0 < fps < np.inf:
        raise ValueError(
            "at least 2 subjects, 1 repeat, 2 frames and a positive fps are needed, "
            f"got {subjects}, {repeats}, {frames}, {fps}"
        )
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    if not 0 <= sensor_noise < np.inf or not 0 <= dropout <= 1:
        raise ValueError(f"sensor_noise must not be negative, dropout between 0 and 1; got {sensor_noise}, {dropout}")
    people, rounds = (part.ravel() for part in np.meshgrid(np.arange(subjects), np.arange(repeats), indexing="ij"))
    motion, label, clip = [], [], []
    for number, name in enumerate(names):
        keys = [(seed, list(ACTIONS).index(name), int(w), int(r)) for w, r in zip(people, rounds, strict=True)]
        world, turn, place = _perform(ACTIONS[name], keys, frames, fps)
        for view, camera in enumerate(CAMERAS):
            recorded = _record(world, turn + camera, place)
            _disturb(recorded, [(*key, view + 1) for key in keys], sensor_noise, dropout)
            motion.append(recorded)
        label.append(np.full(3 * len(people), number))
        clip += 3 * [f"{name.replace(' ', '_')}_p{w + 1:03d}_r{r + 1:02d}" for w, r in zip(people, rounds, strict=True)]
    n = len(names)
    size = _cast([(seed, 0, w, 0) for w in range(subjects)])[0].size
    bones = {name: [round(float(metres), 4) for metres in length[:, 0]] for name, length in size.items()}
    return MotionSet(
        motion=np.concatenate(motion).astype(np.float32),
        label=np.concatenate(label).astype(np.int64),
        class_names=names,
        skeleton=NTU25,
        subject=np.tile(people, 3 * n).astype(np.int64),
        view=np.tile(np.repeat([1, 2, 3], len(people)), n).astype(np.int64),
        subject_names=tuple(f"p{i + 1:03d}" for i in range(subjects)),
        clip=tuple(clip),
        fps=float(fps),
        source="synthetic",
        splits={
            "xsub": {"by": "subject", "train": [f"p{i + 1:03d}" for i in range(0, subjects, 2)]},
            "xview": {"by": "view", "train": [2, 3], "test": [1]},
        },
        notes={"seed": seed, "repeats": repeats, "sensor_noise": sensor_noise, "dropout": dropout, "bones": bones},
    )


def _checked(actions: Sequence[str] | None) -> tuple[str, ...]:
    """Names of actions. Raises ValueError for unknown and repeated names, and for none."""
    if actions is None:
        return tuple(ACTIONS)
    if isinstance(actions, str):
        raise ValueError(f"actions must be a list of names, got {actions!r}; did you mean [{actions!r}]?")
    names = tuple(actions)
    for name in names:
        if name not in ACTIONS:
            matches = nearest(str(name).replace("_", " "), ACTIONS)
            hint = f"did you mean {matches[0]!r}? " if matches else ""
            raise ValueError(f"no action is called {name!r}; {hint}expected some of: {', '.join(ACTIONS)}")
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"actions must be different and at least one, got {list(names)}")
    return names


def _perform(
    action: Action, keys: Sequence[tuple[int, ...]], frames: int, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints (M, T, V, 3) in the person's directions, and direction (M,) and place (M, 2) of each person."""
    person, turn, place = _cast(keys)
    t = np.arange(frames)[None] / fps  # (1, T)
    s = (np.arange(frames)[None] / (frames - 1) - person.onset) * person.tempo**0.5
    body = _rest(person, s, t + 0 * s)
    hanging = [wrist.copy() for wrist in body.wrists]
    action(person, s, t + 0 * s, body)
    for i, rest in enumerate(hanging):
        raised = np.linalg.norm(body.wrists[i] - rest, axis=-1, keepdims=True)
        body.wrists[i] = body.wrists[i] + person.aim * np.tanh(1.5 * raised)
    return _joints(person, body), turn, place


def _cast(keys: Sequence[tuple[int, ...]]) -> tuple[_Person, np.ndarray, np.ndarray]:
    """People as they perform this time, with their directions (M,) in radians and places (M, 2) in metres."""
    traits: dict[int, np.ndarray] = {}
    of_person, of_round, uniform = [], [], []
    for seed, action, person_number, repeat in keys:
        if person_number not in traits:
            traits[person_number] = np.random.default_rng([seed, 0, person_number]).normal(size=9 + len(BONES))
        rng = np.random.default_rng([seed, 1, action, person_number, repeat])
        of_person.append(traits[person_number])
        of_round.append(rng.normal(size=9))
        uniform.append(rng.uniform())
    a, b = np.clip(np.array(of_person), -2, 2), np.clip(np.array(of_round), -2, 2)  # no giants
    height, size = np.exp(0.055 * a[:, :1]), np.exp(0.03 * a[:, 9:])
    person = _Person(
        size={name: length * height * size[:, i : i + 1] for i, (name, length) in enumerate(BONES.items())},
        tempo=np.exp(0.08 * a[:, 1:2] + 0.05 * b[:, 0:1]),
        vigour=np.exp(0.07 * a[:, 2:3] + 0.05 * b[:, 1:2]),
        onset=0.035 * b[:, 2:3],
        phase=np.array(uniform)[:, None],
        lean=0.04 + 0.03 * a[:, 3:4],
        width=0.11 + 0.015 * a[:, 4:5],
        flare=0.02 * a[:, 5:6],
        aim=_vector(0.0, *(0.045 * a[:, 6:8] + 0.035 * b[:, 3:5]).T)[:, None],
    )
    turn = np.deg2rad(4 * a[:, 8] + 6 * b[:, 5])
    return person, turn, np.stack([0.12 * b[:, 6], DISTANCE + 0.12 * b[:, 7]], axis=1)


def _turned(vector: np.ndarray, turn: np.ndarray, lean: np.ndarray | float = 0.0) -> np.ndarray:
    """A vector (..., 3) leaned forward, then turned to the left about the vertical."""
    left, up, forward = vector[..., 0], vector[..., 1], vector[..., 2]
    up, forward = up * np.cos(lean) - forward * np.sin(lean), forward * np.cos(lean) + up * np.sin(lean)
    return _vector(left * np.cos(turn) + forward * np.sin(turn), up, forward * np.cos(turn) - left * np.sin(turn))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def _bend(
    root: np.ndarray, end: np.ndarray, first: np.ndarray, second: np.ndarray, towards: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Elbow and wrist (or knee and ankle) for the target `end`, and the direction of the joint, close to `towards`."""
    reach = end - root
    length = np.linalg.norm(reach, axis=-1)
    direction = reach / np.maximum(length, 1e-9)[..., None]
    length = np.clip(length, np.abs(first - second) + 1e-3, 0.995 * (first + second))
    cosine = np.clip((first**2 + length**2 - second**2) / (2 * first * length), -1, 1)
    side = _across(towards, direction)
    middle = root + (first * cosine)[..., None] * direction + (first * np.sqrt(1 - cosine**2))[..., None] * side
    return middle, root + length[..., None] * direction, side


def _across(vector: np.ndarray, along: np.ndarray) -> np.ndarray:
    """The unit vector along the part of a vector that is perpendicular to the unit vector `along`."""
    return _unit(vector - (vector * along).sum(axis=-1, keepdims=True) * along)


def _lowered(pelvis: np.ndarray, hips: list[np.ndarray], feet: list[np.ndarray], leg: np.ndarray) -> np.ndarray:
    """The pelvis, lowered by a soft minimum until both legs reach their feet."""
    heights = [pelvis[..., 1]]
    for hip, foot in zip(hips, feet, strict=True):
        apart = ((foot - pelvis - hip)[..., [0, 2]] ** 2).sum(axis=-1)
        free = 4 * np.maximum(foot[..., 1] - 0.2, 0)  # a foot in the air does not pull the body down
        heights.append(foot[..., 1] - hip[..., 1] + free + np.sqrt(np.maximum((0.992 * leg) ** 2 - apart, 0)))
    soft = 0.008
    lowest = np.min(heights, axis=0)
    height = lowest - soft * np.log(sum(np.exp((lowest - height) / soft) for height in heights))
    return _vector(pelvis[..., 0], height, pelvis[..., 2])


def _joints(p: _Person, body: _Script) -> np.ndarray:
    """Joints (M, T, V, 3): left, up and forward of a point on the floor."""
    size, hips, chest = p.size, body.turn, body.turn + body.twist
    zero = np.zeros_like(hips)
    sides = (("Left", 1.0), ("Right", -1.0))
    sockets = [_turned(_vector(sign * size["hip"] + zero, -0.35 * size["hip"], zero), hips) for _, sign in sides]
    at: dict[str, np.ndarray] = {"SpineBase": _lowered(body.pelvis, sockets, body.feet, p.leg)}

    def put(name: str, parent: str, vector: np.ndarray) -> None:
        at[name] = at[parent] + vector

    def up(bone: str) -> np.ndarray:
        return _vector(zero, size[bone] + zero, zero)

    put("SpineMid", "SpineBase", _turned(up("spine"), hips, body.lean))
    put("SpineShoulder", "SpineMid", _turned(up("chest"), chest, 1.15 * body.lean))
    put("Neck", "SpineShoulder", _turned(up("neck"), chest, 1.1 * body.lean + 0.1))
    put("Head", "Neck", _turned(up("head"), chest, 0.6 * body.lean + body.nod + 0.05))
    arm = size["upper arm"] + size["forearm"]
    for i, (side, sign) in enumerate(sides):
        outward = np.array([sign, 1.0, 1.0])
        shoulder = _vector(sign * 0.95 * size["shoulder"] + zero, -0.3 * size["shoulder"], zero)
        put(f"Shoulder{side}", "SpineShoulder", _turned(shoulder, chest, 1.1 * body.lean))
        wrist = at[f"Shoulder{side}"] + _turned(body.wrists[i] * outward * arm[..., None], chest, 0.5 * body.lean)
        at[f"Elbow{side}"], at[f"Wrist{side}"], bent = _bend(
            at[f"Shoulder{side}"], wrist, size["upper arm"] + zero, size["forearm"] + zero,
            _turned(body.elbows[i] * outward, chest),
        )  # fmt: skip
        along = _unit(at[f"Wrist{side}"] - at[f"Elbow{side}"])
        thumb = _across(_vector(-0.3 * sign + zero, zero, zero) - bent, along)  # on the inner side of the elbow
        hand = _unit(along + _turned(body.hands[i] * outward, chest))
        put(f"Hand{side}", f"Wrist{side}", size["hand"][..., None] * hand)
        put(f"HandTip{side}", f"Hand{side}", size["tip"][..., None] * hand)
        put(f"Thumb{side}", f"Hand{side}", size["thumb"][..., None] * _unit(thumb + 0.3 * hand))
        put(f"Hip{side}", "SpineBase", sockets[i])
        ahead = _turned(_vector(0.12 * sign + zero, 0.25, 1.0), hips)
        at[f"Knee{side}"], at[f"Ankle{side}"], _ = _bend(
            at[f"Hip{side}"], body.feet[i], size["thigh"] + zero, size["shin"] + zero, ahead
        )
        toe = body.toes[i] + p.flat
        foot = _unit(_vector(0.2 * sign * np.cos(toe), -np.sin(toe), 0.98 * np.cos(toe)))
        put(f"Foot{side}", f"Ankle{side}", size["foot"][..., None] * _turned(foot, hips))
    return np.stack([at[name] for name in NTU25.joints], axis=2)


def _record(world: np.ndarray, turn: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Motions (M, 3, T, V) in the coordinates of a camera, of people turned to their left by `turn` (M,)."""
    turned = _turned(world, turn[:, None, None])
    x, y, z = -turned[..., 0], turned[..., 1] - CAMERA_HEIGHT, -turned[..., 2]
    return np.stack([x + place[:, 0, None, None], y, z + place[:, 1, None, None]], axis=1)


SHAKY = [7, 11, 15, 19, 21, 22, 23, 24]
"""Hands and feet, which a Kinect measures worst."""

LIMBS = ((5, 6, 7, 21, 22), (9, 10, 11, 23, 24), (13, 14, 15), (17, 18, 19))
"""Joints that a Kinect loses together: arms and legs from the elbow or knee on."""

LOST = 5.0
"""Average number of frames for which a limb is lost."""


def _disturb(motion: np.ndarray, keys: Sequence[tuple[int, ...]], noise: float, dropout: float) -> None:
    """Add the noise and the losses of a sensor, in place."""
    n, _, frames, joints = motion.shape
    streams = [np.random.default_rng([key[0], 2, *key[1:]]) for key in keys]
    if noise > 0:
        steps = np.stack([rng.standard_normal((frames, 3, joints)) for rng in streams])
        for frame in range(1, frames):
            steps[:, frame] = SMOOTH * steps[:, frame - 1] + np.sqrt(1 - SMOOTH**2) * steps[:, frame]
        steps[..., SHAKY] *= 2.0
        motion += noise * steps.transpose(0, 2, 1, 3)
    if dropout > 0:
        for body, key in zip(motion, keys, strict=True):
            _lose(body, np.random.default_rng([key[0], 3, *key[1:]]), dropout)


def _lose(motion: np.ndarray, rng: np.random.Generator, share: float) -> None:
    """Lose one limb at a time in a share of the frames of a motion (3, T, V), in place."""
    leave = min(1 / LOST, (1 - share) / share)  # a chain of two states whose stationary share is `share`
    enter = leave * share / (1 - share) if share < 1 else 1.0
    frames = motion.shape[1]
    lost = [bool(rng.random() < share)]
    while len(lost) < frames:
        lost.append(bool(rng.random() >= leave if lost[-1] else rng.random() < enter))
    frame = 0
    while frame < frames:
        if not lost[frame]:
            frame += 1
            continue
        end = frame
        while end < frames and lost[end]:
            end += 1
        limb = list(LIMBS[int(rng.integers(len(LIMBS)))])
        away = 0.15 * rng.normal(size=(3, 1, 1))
        if frame > 0 and rng.uniform() < 0.5:
            motion[:, frame:end, limb] = motion[:, frame - 1 : frame, limb]
        else:
            motion[:, frame:end, limb] += away
        frame = end
