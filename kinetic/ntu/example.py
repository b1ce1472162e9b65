"""Raw NTU files of synthetic people, with which everything can be tried without a licence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from kinetic.files import flush, working_folder
from kinetic.motion.synthetic import CAMERAS, DISTANCE, synthesise
from kinetic.ntu.facts import MISSING, ClipName
from kinetic.ntu.recording import Recording, recording_bytes

__all__ = ["write_example"]

ALONE = {
    1: "drink water", 7: "throw", 8: "sit down", 9: "stand up", 10: "clap", 23: "wave", 24: "kick", 26: "hop",
    27: "jump up", 38: "salute", 80: "sit down", 93: "punch", 98: "wave", 99: "walk",
}  # fmt: skip
"""NTU's number of an action -> the synthetic action that stands for it."""
TOGETHER = {
    50: ("punch", "hop"), 51: ("kick", "hop"), 59: ("walk", "walk"), 112: ("wave", "wave"),
    113: ("drink water", "drink water"),
}  # fmt: skip
"""NTU's number of an action of two people -> the synthetic actions of both, who face each other."""
SETUPS = {False: (1, 2), True: (18, 19)}
"""Setups of the actions up to A060, and of later ones: an even and an odd number each."""
PEOPLE = tuple(number for pair in zip((1, 2, 4, 5, 8, 9, 13, 14), (3, 6, 7, 10, 11, 12, 20, 21), strict=True)
               for number in pair)  # fmt: skip
"""Performers, alternately of the train and of the test side of both data sets."""
FAULTS = ("a ghost", "a new id", "frames without a body")
BREAKS = ("a frame too few", "a frame too many", "cut", "a word")
APART = 0.45
"""Metres from each of two people to the middle between them, when they are nearest."""
WALK = 1.2
"""Metres that each of two people walks at most: a Kinect does not see far to the side."""
TIPS = (21, 22, 23, 24)


def write_example(
    folder: str | os.PathLike[str],
    *,
    clips: int = 240,
    frames: tuple[int, int] = (50, 110),
    faults: float = 0.0,
    broken: int = 0,
    seed: int = 0,
) -> dict[str, str]:
    """Write synthetic people as `SsssCcccPpppRrrrAaaa.skeleton` files into a new folder; return the clips' faults.

    Three cameras see every performance, so three successive files are one motion from three sides. Setups, performers
    and replications are such that every official split has both sides. Nineteen actions occur, five of them of two
    people; each is played by a similar one of `kinetic.motion.synthetic.ACTIONS`. Clips that the authors of NTU RGB+D
    list as missing hold no body. The same arguments write the same bytes.

    Args:
        folder: a folder that does not exist yet, or is empty
        clips: number of files
        frames: frames of the shortest and of the longest clip
        faults: share of the clips with a fault of a Kinect: a ghost body, a person whose id changes, or frames without
            a body
        broken: number of unreadable files: cut, with a word in place of a number, or with a wrong number of frames
        seed: seed of all random numbers

    Returns:
        name of the clip -> its fault, or an empty text

    Raises:
        ValueError: for numbers out of range, or a folder that is not empty
    """
    folder = Path(folder)
    most = 3 * len(PEOPLE) * 2 * 2 * (len(ALONE) + len(TOGETHER))
    if not 1 <= clips <= most or not 0 <= broken <= clips or not 0 <= faults <= 1 or seed < 0:
        raise ValueError(
            f"expected 1 to {most} clips, no more broken ones, faults from 0 to 1 and a seed from 0 on; "
            f"got {clips}, {broken}, {faults} and {seed}"
        )
    if not 2 <= frames[0] <= frames[1] <= 1000:
        raise ValueError(f"frames must be two numbers from 2 to 1000, the shortest first, got {frames}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: expected a new or an empty folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    names = list(islice((ClipName(s, c, p, r, a) for s, p, r, a in _takes() for c in (1, 2, 3)), clips))
    rng = np.random.default_rng([seed, 0])
    rows = sorted(rng.choice(clips, broken, replace=False).tolist())
    breaks = {i: BREAKS[k % len(BREAKS)] for k, i in enumerate(rows)}
    wrong = {}
    with working_folder(folder) as work:
        for i, name in enumerate(names):
            recording, fault = _recorded(name, frames, faults, seed)
            data = recording_bytes(recording)
            if i in breaks:
                fault = breaks[i]
                data = _broken(data, fault)
            (work / f"{name}.skeleton").write_bytes(data)
            wrong[str(name)] = fault
        if folder.exists():
            folder.rmdir()
        os.rename(work, folder)
    flush(folder.parent)
    return dict(sorted(wrong.items()))


def _takes() -> Iterator[tuple[int, int, int, int]]:
    """Setup, performer, replication and action of every performance: all actions, then all with the next people."""
    actions = sorted({**ALONE, **TOGETHER})
    for turn in range(2 * 2 * len(PEOPLE)):
        for i, action in enumerate(actions):
            repeat, first = divmod(turn, len(PEOPLE))
            person = (first + i) % len(PEOPLE)
            setup = SETUPS[action > 60][(person // 2 + repeat // 2) % 2]  # independent of the person's side
            yield setup, PEOPLE[person], 1 + repeat % 2, action


def _recorded(name: ClipName, frames: tuple[int, int], faults: float, seed: int) -> tuple[Recording, str]:
    """A clip and its fault. All cameras see the same performance; their faults differ."""
    take = (name.setup, name.performer, name.replication, name.action)
    length = int(np.random.default_rng([seed, 1, *take]).integers(frames[0], frames[1], endpoint=True))
    if str(name) in MISSING:
        return _observed(name, length, []), "no body at all"
    if name.action in ALONE:
        people = [_person(name, name.performer, ALONE[name.action], length, seed)]
    else:
        actor, reactor = TOGETHER[name.action]
        partner = PEOPLE[(PEOPLE.index(name.performer) + 2) % len(PEOPLE)]
        people = [
            _facing(_person(name, name.performer, actor, length, seed), name.camera, 1),
            _facing(_person(name, partner, reactor, length, seed), name.camera, -1),
        ]
    rng = np.random.default_rng([seed, 2, *take, name.camera])
    first = 72057594037900000 + int(rng.integers(0, 30000))
    bodies = [(first + 3 * i, 0, joints) for i, joints in enumerate(people)]
    fault = str(rng.choice(FAULTS)) if rng.random() < faults else ""
    if fault == "a ghost":
        bodies.append((first - 7, *_ghost(rng, length)))
    elif fault == "a new id":
        number, _, joints = bodies.pop(0)
        at = int(rng.integers(1, length))
        bodies[:0] = [(number, 0, joints[:at]), (number + 1, at, joints[at:])]
    gap = range(0)
    if fault == "frames without a body":
        at = int(rng.integers(0, length - 1))
        gap = range(at, min(at + int(rng.integers(1, 8)), length - 1))
    return _observed(name, length, bodies, gap, rng), fault


def _person(name: ClipName, performer: int, action: str, frames: int, seed: int) -> np.ndarray:
    """One person alone before a camera: (T, V, 3). A performer has the same bones in every clip."""
    repeat = 2 * (name.setup % 2) + name.replication
    motions = synthesise(
        [action], subjects=2, repeats=repeat, frames=frames, seed=seed * 1000 + performer, sensor_noise=0.004
    )
    row = np.flatnonzero((motions.subject == 0) & (motions.view == name.camera))[repeat - 1]
    return motions.motion[row].transpose(1, 2, 0).astype(np.float64)  # (T, V, 3)


def _facing(person: np.ndarray, camera: int, side: int) -> np.ndarray:
    """A person who faces the middle camera, turned and moved to face a partner on the other side."""
    path = person[:, 0, [0, 2]]  # of the base of the spine
    travel = float(np.linalg.norm(path[-1] - path[0]))
    surplus = max(0.0, 1 - WALK / max(travel, 1e-9)) * np.linspace(path[0], path[-1], len(path))  # beyond WALK metres
    across = person[..., [0, 2]] - surplus[:, None]
    across = across - across[:, 0].mean(axis=0)
    away = APART + min(travel, WALK) / 2
    place = _turned(np.array([side * away, 0.0]), CAMERAS[camera - 1]) + [0.0, DISTANCE]
    facing = person.copy()
    facing[..., [0, 2]] = _turned(across, side * np.pi / 2) + place
    return facing


def _turned(across: np.ndarray, angle: float) -> np.ndarray:
    """x and z (..., 2) after a turn to the person's left."""
    x, z = across[..., 0], across[..., 1]
    return np.stack([x * np.cos(angle) + z * np.sin(angle), z * np.cos(angle) - x * np.sin(angle)], axis=-1)


def _ghost(rng: np.random.Generator, frames: int) -> tuple[int, np.ndarray]:
    """The first frame and the joints (T, V, 3) of a ghost: furniture, or a flash of a few frames."""
    if rng.random() < 0.5:
        still = rng.normal(size=(1, 25, 3)) * [0.6, 0.15, 0.1] + [1.2, -0.4, 3.6]
        return 0, still + rng.normal(scale=0.002, size=(frames, 25, 3))
    length = min(int(rng.integers(2, 9)), frames)
    start = int(rng.integers(0, frames - length + 1))
    return start, rng.normal(scale=0.3, size=(length, 25, 3)) + [-1.0, 0.2, 2.5]


def _observed(
    name: ClipName,
    frames: int,
    bodies: list[tuple[int, int, np.ndarray]],
    gap: range = range(0),
    rng: np.random.Generator | None = None,
) -> Recording:
    """The recording of bodies (id, first frame, joints), frame by frame, without the frames in the gap."""
    no_ids = np.empty(0, dtype=np.int64)
    frame = np.concatenate([no_ids, *(np.arange(start, start + len(joints)) for _, start, joints in bodies)])
    body = np.concatenate([no_ids, *(np.full(len(joints), number) for number, _, joints in bodies)])
    joints = np.concatenate([np.empty((0, 25, 3)), *(joints for _, _, joints in bodies)])
    order = np.argsort(frame, kind="stable")
    order = order[~np.isin(frame[order], np.array(gap))]
    tracking = np.full((len(order), 25), 2, dtype=np.uint8)
    if rng is not None:
        tracking[:, TIPS] -= (rng.random((len(order), len(TIPS))) < 0.1).astype(np.uint8)
    return Recording(str(name), frames, frame[order], body[order], joints[order], tracking)


def _broken(data: bytes, how: str) -> bytes:
    count, _, rest = data.partition(b"\r\n")
    if how == "cut":
        return data[: len(data) * 2 // 3]
    if how == "a word":
        return data.rstrip()[:-1] + b"two\r\n"
    return b"%d\r\n%b" % (int(count) + (1 if how == "a frame too few" else -1), rest)
