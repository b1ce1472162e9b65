"""Motion capture in Acclaim's files: a skeleton (.asf) and its motions (.amc), as HDM05 and CMU publish them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
from scipy.spatial.transform import Rotation

from kinetic.formats.mocap import MOST_FRAMES, Take, decimals, fail_at, gathered, mirrored, placed, quoted, text_of
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import ACCLAIM31, Skeleton

__all__ = ["AcclaimSkeleton", "read_amc", "read_asf"]

LARGEST_ASF, LARGEST_AMC = 1 << 20, 64 << 20
"""Bytes of the largest files that are read; HDM05 has .asf of 7 KB and .amc of 0.1 to 20 MB."""
MOST_BONES = 300
INCH = 0.0254

_NAME = re.compile(r"[^\x00-\x1f\x7f/\\\ud800-\udfff]+\.amc", re.IGNORECASE)
_HDM05 = re.compile(r"HDM_([a-z]{2})_(\w+?)_([0-9]{3})_([0-9]{2,3})", re.ASCII)
_FPS = 120.0  # the rate of HDM05 and, with few exceptions, of CMU; .amc files do not state it


@dataclass(frozen=True)
class _Bone:
    """A bone at rest, and the axes that it may turn about.

    Attributes:
        end: (3,) metres, from the bone's beginning to its end
        axes: rotation of the bone's own axes
        freedom: some of "xyz", in the order in which the bone turns about them
    """

    name: str
    end: np.ndarray
    axes: Rotation
    freedom: str


@dataclass(frozen=True, eq=False)
class AcclaimSkeleton:
    """The skeleton of an .asf file.

    Attributes:
        skeleton: the root and the far end of each bone
        parents: for each bone, the number of the joint that it starts from: 0 is the root, i + 1 is the end of bone i
        order: numbers of the bones, parents before children
        metres: length of the file's unit
        root: channels of the root, as in `TX TY TZ RX RY RZ`
        degrees: whether angles are in degrees, where an .amc does not say
    """

    skeleton: Skeleton
    bones: tuple[_Bone, ...]
    parents: tuple[int, ...]
    order: tuple[int, ...]
    metres: float
    root: tuple[str, ...]
    degrees: bool

    def joints(self, channels: Mapping[str, np.ndarray], degrees: bool | None = None) -> np.ndarray:
        """Forward kinematics: the channels of the root and each bone that moves, (T, n) each -> (T, V, 3) metres."""
        degrees = self.degrees if degrees is None else degrees

        def place(rows: slice) -> np.ndarray:
            return self._joints({name: values[rows] for name, values in channels.items()}, degrees)

        return placed(place, len(channels["root"]), len(self.skeleton.joints))

    def _joints(self, channels: Mapping[str, np.ndarray], degrees: bool) -> np.ndarray:
        root = channels["root"]  # (T, 6)
        moves = [self.root.index(f"T{axis}") for axis in "XYZ"]
        turns = [i for i, name in enumerate(self.root) if name[0] == "R"]
        axes = "".join(self.root[i][1].lower() for i in turns)
        positions = np.empty((len(root), len(self.skeleton.joints), 3))  # (T, V, 3)
        positions[:, 0] = root[:, moves] * self.metres
        # Small letters: the first angle turns first, and all axes stay where they are.
        rotations = {0: Rotation.from_euler(axes, root[:, turns], degrees=degrees)}
        for i in self.order:
            bone, parent = self.bones[i], self.parents[i]
            rotation = rotations[parent]
            if bone.freedom:
                turn = Rotation.from_euler(bone.freedom, channels[bone.name], degrees=degrees)
                rotation = rotation * (bone.axes * turn * bone.axes.inv())
            positions[:, i + 1] = positions[:, parent] + rotation.apply(bone.end)
            rotations[i + 1] = rotation
        return positions


def read_amc(path: str | Path, asf: str | Path | None = None) -> MotionSet:
    """The motions of an .amc file, or of a folder of them, by forward kinematics: metres, y up, 120 Hz.

    The skeleton has the root and the far end of each bone: `ACCLAIM31` for HDM05 and CMU. Names like those of HDM05
    (`HDM_bd_grabHighR_001_120.amc`) give person, class, number of the take and rate. Otherwise the class is `motion`.

    Args:
        asf: the skeleton; None = the .asf in the folder of the motion whose name the motion's begins with
            (`HDM_bd.asf`, `01.asf`), or the only .asf in that folder

    Raises:
        ValueError: (to which `read_motions` adds the path) as `gathered` does, and without a skeleton
    """
    skeletons: dict[Path, AcclaimSkeleton] = {}

    def take(file: Path) -> Take:
        source = _skeleton_beside(file) if asf is None else Path(asf)
        if source not in skeletons:
            try:
                skeletons[source] = read_asf(source)
            except ValueError as error:
                raise ValueError(f"{source.name}: {error}") from error
        return _take(file, skeletons[source])

    motions = gathered(Path(path), take, names=_NAME, example="HDM_bd_grabHighR_001_120.amc", source="acclaim")
    if all(_HDM05.fullmatch(clip) for clip in motions.clip):
        notes = {"licence": "CC BY-SA 3.0", "cite": "The data used in this project was obtained from HDM05"}
        return replace(motions, source="hdm05", notes=notes)
    return motions


def _skeleton_beside(file: Path) -> Path:
    skeletons = sorted(entry for entry in file.parent.iterdir() if entry.suffix.lower() == ".asf")
    matches = [entry for entry in skeletons if file.stem.startswith(entry.stem)]
    if matches:
        return max(matches, key=lambda entry: len(entry.stem))
    if len(skeletons) != 1:
        names = ", ".join(entry.name for entry in skeletons[:10])
        raise ValueError(f"needs the .asf of its skeleton in the same folder; found {names or 'none'}")
    return skeletons[0]


def _take(path: Path, skeleton: AcclaimSkeleton) -> Take:
    channels, degrees = _channels(text_of(path, LARGEST_AMC), skeleton)
    match = _HDM05.fullmatch(path.stem)
    subject, label, number, fps = match.groups() if match else ("", "motion", "0", str(_FPS))
    return Take(
        clip=path.stem,
        motion=skeleton.joints(channels, degrees),
        skeleton=skeleton.skeleton,
        label=label,
        fps=float(fps),
        subject=subject,
        columns={"take": int(number)},
    )


# ---------------------------------------------------------------------------------------------------------------- .asf


class _Lines:
    """The words of each line that has some, with the number of the line; `#` begins a comment."""

    def __init__(self, text: str) -> None:
        numbered = ((number, line.split("#")[0].split()) for number, line in enumerate(text.split("\n"), 1))
        self.lines = [(number, words) for number, words in numbered if words]
        self.at = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        while self.at < len(self.lines):
            self.at += 1
            yield self.lines[self.at - 1]


def read_asf(path: str | Path) -> AcclaimSkeleton:
    """The skeleton in an .asf file.

    Lengths are inches divided by the file's unit `length`, which is 0.45 in HDM05 and CMU.

    Raises:
        ValueError: (without the path) with the line, what it holds and what was expected
    """
    lines = _Lines(text_of(Path(path), LARGEST_ASF))
    units = {"length": 1.0, "angle": 1.0}
    root: tuple[str, ...] = ()
    bones: list[_Bone] = []
    family: list[tuple[int, list[str]]] = []
    section = ""
    for number, words in lines:
        if words[0].startswith(":"):
            section = words[0][1:].lower()
        elif section == "units" and words[0] == "length":
            (units["length"],) = _numbers(number, words, 1)
            if units["length"] <= 0:
                fail_at(number, words[1], "a positive length")
        elif section == "units" and words[0] == "angle":
            if words[1:] not in (["deg"], ["rad"]):
                fail_at(number, " ".join(words), "angle deg, or angle rad")
            units["angle"] = float(words[1] == "deg")
        elif section == "root" and words[0] == "order":
            root = tuple(word.upper() for word in words[1:])
            if sorted(root) != ["RX", "RY", "RZ", "TX", "TY", "TZ"]:
                fail_at(number, " ".join(words), "order TX TY TZ RX RY RZ, in any order")
        elif section == "root" and words[0] in ("position", "orientation"):
            if _numbers(number, words, 3) != [0, 0, 0]:
                fail_at(number, " ".join(words), f"{words[0]} 0 0 0; no other is read")
        elif section == "bonedata" and words == ["begin"]:
            bones.append(_bone(number, lines, units["angle"] > 0, INCH / units["length"]))
            if len(bones) > MOST_BONES:
                fail_at(number, f"bone {len(bones)}", f"at most {MOST_BONES}")
        elif section == "bonedata":
            fail_at(number, " ".join(words), "begin")
        elif section == "hierarchy" and words[0] not in ("begin", "end"):
            family.append((number, words))
    if not root or not bones or not family:
        missing = "root order" if not root else "bonedata" if not bones else "hierarchy"
        raise ValueError(f"found no {missing}, expected the sections :root, :bonedata and :hierarchy")
    return _joined(bones, family, root, units)


def _bone(first: int, lines: _Lines, degrees: bool, metres: float) -> _Bone:
    """The bone after a `begin`, up to its `end`."""
    entries: dict[str, tuple[int, list[str]]] = {}
    for number, words in lines:
        if words == ["end"]:
            break
        entries.setdefault(words[0], (number, words))
    else:
        fail_at(first, "a bone without an end", "end")
    for key in ("name", "direction", "length", "axis"):
        if key not in entries:
            fail_at(first, f"a bone without {key}", "name, direction, length and axis")
    number, words = entries["axis"]
    if len(words) != 5 or sorted(words[4].upper()) != ["X", "Y", "Z"]:
        fail_at(number, " ".join(words), "axis, three angles and their order, such as XYZ")
    axes = Rotation.from_euler(words[4].lower(), _numbers(number, words[:4], 3), degrees=degrees)
    freedom = ""
    if "dof" in entries:
        number, words = entries["dof"]
        freedom = "".join(word[-1:].lower() for word in words[1:])
        if any(word.lower() not in ("rx", "ry", "rz") for word in words[1:]) or len(set(freedom)) < len(freedom):
            fail_at(number, " ".join(words), "dof with some of rx, ry and rz; no other is read")
    direction = np.array(_numbers(*entries["direction"], 3))
    (length,) = _numbers(*entries["length"], 1)
    number, words = entries["name"]
    if len(words) != 2 or words[1] == "root":
        fail_at(number, " ".join(words), "name and one word, other than root")
    return _Bone(words[1], direction * length * metres, axes, freedom)


def _joined(
    bones: list[_Bone], family: list[tuple[int, list[str]]], root: tuple[str, ...], units: dict[str, float]
) -> AcclaimSkeleton:
    joints = ("root", *(bone.name for bone in bones))
    number_of = {name: i for i, name in enumerate(joints)}
    if len(number_of) < len(joints):
        twice = next(name for i, name in enumerate(joints) if number_of[name] != i)
        raise ValueError(f"found two bones called {quoted(twice)}")
    parents: dict[int, int] = {}
    for line, words in family:
        for word in words:
            if word not in number_of:
                fail_at(line, quoted(word), "the name of a bone, or root")
        for word in words[1:]:
            child = number_of[word]
            if child in parents or child == 0:
                fail_at(line, f"{quoted(word)} as a child again", "one parent for each bone")
            parents[child] = number_of[words[0]]
    order = [0]
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    for joint in order:  # the loop reaches the children that it appends
        order += children.get(joint, [])
    if len(order) < len(joints):
        lost = next(name for i, name in enumerate(joints) if i not in order)
        raise ValueError(f"the hierarchy leaves out bone {quoted(lost)}, expected a path from the root to every bone")
    pairs = tuple(sorted((parent, child) for child, parent in parents.items()))
    left, right = mirrored(joints)
    skeleton = Skeleton(joints, pairs, 0, left, right, name="acclaim")
    if joints == ACCLAIM31.joints and sorted(pairs) == sorted(ACCLAIM31.bones):
        skeleton = ACCLAIM31
    return AcclaimSkeleton(
        skeleton=skeleton,
        bones=tuple(bones),
        parents=tuple(parents[i + 1] for i in range(len(bones))),
        order=tuple(i - 1 for i in order[1:]),
        metres=INCH / units["length"],
        root=root,
        degrees=units["angle"] > 0,
    )


# ---------------------------------------------------------------------------------------------------------------- .amc


def _channels(text: str, skeleton: AcclaimSkeleton) -> tuple[dict[str, np.ndarray], bool | None]:
    """The channels of each bone, (T, n), and whether they are in degrees; None where the file does not say.

    A frame is a line with its number, then one line for each bone, in the order of the first frame.
    """
    head, _, body = _split(text)
    degrees = True if ":DEGREES" in head else False if ":RADIANS" in head else None
    words = body.split()
    layout = _layout(body, skeleton)
    stride = 1 + sum(1 + len(columns) for columns in layout.values())
    frames, rest = divmod(len(words), stride)
    if frames > MOST_FRAMES:
        raise ValueError(f"found {frames} frames, expected at most {MOST_FRAMES}")
    start = words[0]
    regular = not rest and words[::stride] == [str(int(start) + t) for t in range(frames)]
    for name, columns in layout.items():
        at = columns.start - 1
        regular = regular and words[at::stride] == [name] * frames
    if not regular:
        _explain(text, layout)
    return {
        name: decimals(
            [word for t in range(frames) for word in words[t * stride + columns.start : t * stride + columns.stop]],
            lambda i, name=name, columns=columns: f"frame {int(start) + i // len(columns)}, {name}",  # type: ignore[misc]
        ).reshape(frames, len(columns))
        for name, columns in layout.items()
    }, degrees


def _split(text: str) -> tuple[list[str], int, str]:
    """The comments and switches at the top, the number of the line after them, and the rest."""
    head: list[str] = []
    at = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith(("#", ":")):
            return head, number, text[at:]
        head.append(line.strip().upper())
        at += len(line) + 1
    raise ValueError("found no frames, expected the number of a frame and the angles of its bones")


def _layout(body: str, skeleton: AcclaimSkeleton) -> dict[str, range]:
    """The words of the first frame that hold the channels of each bone; word 0 is the number of the frame."""
    counts = {"root": 6} | {bone.name: len(bone.freedom) for bone in skeleton.bones if bone.freedom}
    layout: dict[str, range] = {}
    at = 1
    for i, line in enumerate(body.split("\n", 2 * MOST_BONES)[: 2 * MOST_BONES]):
        words = line.split()
        if i == 0:
            if len(words) != 1 or not re.fullmatch("0|[1-9][0-9]{0,8}", words[0]):
                raise ValueError(f"found {quoted(line)}, expected the number of the first frame")
            continue
        if len(words) == 1:
            break
        if not words:
            continue
        if words[0] not in counts or words[0] in layout or len(words) != 1 + counts[words[0]]:
            raise ValueError(
                f"first frame: found {quoted(line)}, expected "
                + (f"{words[0]} once, and {counts[words[0]]} numbers" if words[0] in counts else "bones that may turn")
            )
        layout[words[0]] = range(at + 1, at + len(words))
        at += len(words)
        if len(layout) == len(counts):
            break
    if missing := set(counts) - set(layout):
        raise ValueError(f"first frame: found no line for {sorted(missing)[0]}, expected one for every bone that turns")
    return layout


def _explain(text: str, layout: Mapping[str, range]) -> NoReturn:
    """Raises the error for the first line that differs in form from its line in the first frame."""
    _, first, body = _split(text)
    expected = list(layout.items())
    frame, place = 0, len(expected)
    for number, line in enumerate(body.split("\n"), first):
        words = line.split()
        if not words:
            continue
        if place == len(expected):
            if frame and words != [str(frame + 1)] or not frame and not words[0].isdecimal():
                fail_at(number, line, f"frame {frame + 1}")
            frame, place = int(words[0]), 0
            continue
        name, columns = expected[place]
        if words[0] != name or len(words) != 1 + len(columns):
            fail_at(number, line, f"{name} and {len(columns)} numbers")
        place += 1
    raise ValueError(f"ends within frame {frame}, expected {expected[min(place, len(expected) - 1)][0]}")


def _numbers(number: int, words: list[str], count: int) -> list[float]:
    """The numbers after the first word of a line."""
    if len(words) != 1 + count:
        fail_at(number, " ".join(words), f"{words[0]} and {count} numbers")
    return [float(value) for value in decimals(words[1:], lambda _: f"line {number}")]
