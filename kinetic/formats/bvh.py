"""Motion capture in Biovision's files (.bvh): a hierarchy of joints and the angles of each frame."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from scipy.spatial.transform import Rotation

from kinetic.formats.mocap import MOST_FRAMES, Take, decimals, fail_at, gathered, mirrored, placed, quoted, text_of
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import MOST_JOINTS, Skeleton

__all__ = ["read_bvh"]

LARGEST = 64 << 20
"""Bytes of the largest file that is read."""
MOST_LINES = 4 * MOST_FRAMES
"""Lines of a file: one for each frame, perhaps an empty line between them, and up to 6 for each joint."""
LONGEST_LINE = 10_000
"""Letters of a line of the hierarchy."""
PART_WORDS = 1 << 16
"""Words that are split at a time: a word in memory is up to 20 times as large as in the file."""

_NAME = re.compile(r"[^\x00-\x1f\x7f/\\\ud800-\udfff]+\.bvh", re.IGNORECASE)
_CHANNEL = re.compile(r"([XYZ])(position|rotation)", re.IGNORECASE)


def read_bvh(path: str | Path, metres: float = 0.01) -> MotionSet:
    """The motions of a .bvh file, or of a folder of them that share a skeleton, by forward kinematics.

    The skeleton has the joints of the file and the ends of its limbs, which are called `HeadEnd` after the joint before
    them; its centre is the root. A file does not say what its person does, so the class is `motion`. Position channels
    of a joint replace its OFFSET, as in Blender. Axes stay as they are: y up, as most programs write them.

    Args:
        metres: length of the file's unit, which the file does not state; most are in centimetres

    Raises:
        ValueError: (to which `read_motions` adds the path) as `gathered` does
    """
    if not (math.isfinite(metres) and metres > 0):
        raise ValueError(f"metres must be positive, got {metres}")
    return gathered(
        Path(path),
        lambda file: _take(file, metres),
        names=_NAME,
        example="walk.bvh",
        source="bvh",
        notes={"metres_per_unit": metres},
    )


@dataclass(eq=False)
class _Joint:
    """A joint as the hierarchy describes it."""

    name: str
    parent: int
    offset: list[float]
    positions: list[tuple[int, int]]  # channel and axis of each position
    rotations: list[int]  # channel of each rotation
    axes: str  # axis of each rotation, X, Y or Z


def _take(path: Path, metres: float) -> Take:
    lines = _lines(path)
    joints, channels, at = _hierarchy(lines)
    frames, seconds, at = _motion_head(lines, at)
    skeleton = _skeleton(joints)
    table = _table(lines, at, frames, channels)
    motion = placed(lambda rows: metres * _joints(joints, table[rows]), frames, len(joints))
    return Take(clip=path.stem, motion=motion, skeleton=skeleton, label="motion", fps=1 / seconds)


def _lines(path: Path) -> list[str]:
    text = text_of(path, LARGEST)
    if (count := text.count("\n")) > MOST_LINES:
        raise ValueError(f"found {count} lines, expected at most {MOST_LINES}")
    return text.split("\n")


def _table(lines: list[str], at: int, frames: int, channels: int) -> np.ndarray:
    """The numbers (frames, channels) in the lines from `at` on; memory is a small multiple of the file's size."""
    filled = [i for i in range(at, len(lines)) if lines[i] and not lines[i].isspace()]
    # A number has at least one digit, and a blank before the next number.
    if len(filled) != frames or any(len(lines[i]) < 2 * channels - 1 for i in filled):
        _explain(lines, at, frames, channels)
    table = np.empty((frames, channels))
    step = max(1, PART_WORDS // channels)
    for start in range(0, frames, step):
        words: list[str] = []
        for i in filled[start : start + step]:
            numbers = lines[i].split(None, channels)  # at most one part too many
            if len(numbers) != channels:
                _explain(lines, at, frames, channels)
            words += numbers

        def place(i: int, start: int = start) -> str:
            return f"frame {start + i // channels + 1}, channel {i % channels + 1}"

        table[start : start + step] = decimals(words, place).reshape(-1, channels)
    return table


def _joints(joints: Sequence[_Joint], values: np.ndarray) -> np.ndarray:
    """Forward kinematics: (T, channels), angles in degrees -> (T, V, 3) in the units of the file."""
    positions = np.zeros((len(values), len(joints), 3))
    rotations: list[Rotation] = []
    for i, joint in enumerate(joints):  # parents come first
        place = np.tile(np.array(joint.offset), (len(values), 1))  # (T, 3)
        for channel, axis in joint.positions:
            place[:, axis] = values[:, channel]
        rotation = Rotation.identity()
        if joint.parent >= 0:
            rotation = rotations[joint.parent]
            place = positions[:, joint.parent] + rotation.apply(place)
        if joint.axes:  # capital letters: each rotation is about the axes that the one before it has turned
            rotation = rotation * Rotation.from_euler(joint.axes, values[:, joint.rotations], degrees=True)
        positions[:, i] = place
        rotations.append(rotation)
    return positions


def _skeleton(joints: Sequence[_Joint]) -> Skeleton:
    names = tuple(joint.name for joint in joints)
    left, right = mirrored(names)
    bones = tuple((joint.parent, i) for i, joint in enumerate(joints) if joint.parent >= 0)
    return Skeleton(names, bones, 0, left, right, name="bvh")


def _hierarchy(lines: list[str]) -> tuple[list[_Joint], int, int]:
    """The joints in the order of the file, the number of their channels, and the line after the word MOTION."""
    joints: list[_Joint] = []
    opened: list[int] = []
    channels = 0
    expected = "HIERARCHY"
    for number, line in enumerate(lines, 1):
        _check_length(number, line)
        words = line.split()
        if not words:
            continue
        key = words[0].upper()
        here = joints[opened[-1]] if opened else None
        if expected in ("HIERARCHY", "{"):
            if words != [expected] and key != expected:
                fail_at(number, line, expected)
            expected = "ROOT" if key == "HIERARCHY" else "OFFSET"
        elif expected == "ROOT" and key == "ROOT" and len(words) > 1 and not joints:
            joints.append(_Joint(" ".join(words[1:]), -1, [], [], [], ""))
            opened.append(0)
            expected = "{"
        elif here is not None and key == "OFFSET" and not here.offset:
            if len(words) != 4:
                fail_at(number, line, "OFFSET and 3 numbers")
            here.offset = decimals(words[1:], lambda _, number=number: f"line {number}").tolist()  # type: ignore[misc]
            expected = ""
        elif here is not None and key == "CHANNELS" and here.offset and not (here.positions or here.rotations):
            channels = _read_channels(here, words, channels, number, line)
        elif here is not None and key in ("JOINT", "END") and here.offset and len(words) > 1:
            name = f"{here.name}End" if key == "END" else " ".join(words[1:])
            opened.append(len(joints))
            joints.append(_Joint(name, opened[-2], [], [], [], ""))
            if len(joints) > MOST_JOINTS:
                fail_at(number, f"joint {len(joints)}", f"at most {MOST_JOINTS}")
            expected = "{"
        elif here is not None and key == "}" and here.offset:
            opened.pop()
            expected = "" if opened else "MOTION"
        elif expected == "MOTION" and words == ["MOTION"]:
            if not channels:
                raise ValueError("found no channels, expected at least one joint with channels")
            return joints, channels, number
        else:
            fail_at(number, line, expected or "OFFSET, CHANNELS, JOINT, End Site or }")
    raise ValueError(f"ends within the hierarchy, expected {expected or 'more of it'}")


def _read_channels(joint: _Joint, words: list[str], first: int, number: int, line: str) -> int:
    """Adds the channels of a line to a joint, and returns the number of channels up to here."""
    if len(words) < 2 or not re.fullmatch("[0-9]", words[1]) or len(words) != 2 + int(words[1]):
        fail_at(number, line, "CHANNELS, their number, and as many names")
    names = set()
    for i, word in enumerate(words[2:], first):
        match = _CHANNEL.fullmatch(word)
        if not match or word.lower() in names:
            fail_at(number, quoted(word), "Xposition ... Zrotation, each once")
        names.add(word.lower())
        axis = match[1].upper()
        if match[2].lower() == "position":
            joint.positions.append((i, "XYZ".index(axis)))
        else:
            joint.rotations.append(i)
            joint.axes += axis
    return first + len(words) - 2


def _motion_head(lines: list[str], at: int) -> tuple[int, float, int]:
    """The number of frames, the seconds between them, and the line after both; `at` is the line after MOTION."""
    head: list[tuple[int, str]] = []
    for number, line in enumerate(lines[at:], at + 1):
        _check_length(number, line)
        if line.strip():
            head.append((number, " ".join(line.split())))
        if len(head) == 2:
            break
    if len(head) < 2:
        raise ValueError("ends after MOTION, expected Frames: and Frame Time:")
    (number, line), (last, time) = head
    count = re.fullmatch(r"Frames: ?([0-9]{1,9})", line, re.IGNORECASE)
    if not count or not 1 <= int(count[1]) <= MOST_FRAMES:
        fail_at(number, line, f"Frames: and a number from 1 to {MOST_FRAMES}")
    length = re.fullmatch(r"Frame Time: ?([^ ]+)", time, re.IGNORECASE)
    if not length:
        fail_at(last, time, "Frame Time: and seconds")
    seconds = float(decimals([length[1]], lambda _: f"line {last}")[0])
    if not 1e-6 <= seconds <= 1e3:
        fail_at(last, time, "seconds between 0.000001 and 1000")
    return int(count[1]), seconds, last


def _explain(lines: list[str], at: int, frames: int, channels: int) -> NoReturn:
    """Raises the error for the first line with another number of words, or for another number of frames."""
    filled = 0
    for number, line in enumerate(lines[at:], at + 1):
        count = len(line.split(None, channels))
        if count not in (0, channels):
            words = f"{count} numbers" if count < channels else f"more than {channels} numbers"
            fail_at(number, words, f"{channels}, one for each channel")
        filled += count > 0
    raise ValueError(f"found {filled} frames, expected {frames} as announced")


def _check_length(number: int, line: str) -> None:
    if len(line) > LONGEST_LINE:
        fail_at(number, f"{len(line)} letters", f"at most {LONGEST_LINE}")
