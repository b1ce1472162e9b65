"""Motion capture in Acclaim's files, a skeleton (.asf) and motions of it (.amc), as HDM05 and CMU publish it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from kinetic.formats.mocap import MOST_FRAMES, Take, decimals, gathered, mirrored, placed, quoted, text_of, turns
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import ACCLAIM31, Skeleton

__all__ = ["AcclaimSkeleton", "read_amc", "read_asf"]

LARGEST_ASF, LARGEST_AMC = 1 << 20, 64 << 20
"""Bytes of the largest files that are read; those of HDM05 have 7 KB, and 0.1 to 20 MB."""
MOST_BONES = 300
INCH = 0.0254

_NAME = re.compile(r"[^\x00-\x1f\x7f/\\\ud800-\udfff]+\.amc", re.IGNORECASE)
_HDM05 = re.compile(r"HDM_([a-z]{2})_(\w+?)_([0-9]{3})_([0-9]{2,3})", re.ASCII)
_FPS = 120.0  # of HDM05 and, with few exceptions, of CMU; .amc files do not say


@dataclass(frozen=True)
class _Bone:
    """A bone: where it ends when nothing moves (3,) metres, how its own axes are turned (3, 3), and what may turn."""

    name: str
    end: np.ndarray
    axes: np.ndarray
    freedom: str  # of "xyz"


@dataclass(frozen=True, eq=False)
class AcclaimSkeleton:
    """What an .asf file says.

    Attributes:
        skeleton: the root and the far end of each bone
        parents: for each bone, the number of the joint that it starts from: 0 is the root, i + 1 is the end of bone i
        order: the bones, parents before children
        metres: of a unit of the file
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
        unit = math.pi / 180 if (self.degrees if degrees is None else degrees) else 1.0

        def place(rows: slice) -> np.ndarray:
            return self._joints({name: values[rows] for name, values in channels.items()}, unit)

        return placed(place, len(channels["root"]), len(self.skeleton.joints))

    def _joints(self, channels: Mapping[str, np.ndarray], unit: float) -> np.ndarray:
        root = channels["root"]  # (T, 6)
        place = np.stack([root[:, self.root.index(f"T{axis}")] for axis in "XYZ"], axis=-1)
        turning = [(i, name[1].lower()) for i, name in enumerate(self.root) if name[0] == "R"]
        at = np.empty((len(root), len(self.skeleton.joints), 3))  # (T, V, 3)
        turned = np.empty((len(root), len(self.skeleton.joints), 3, 3))
        at[:, 0] = place * self.metres
        # What stands first turns first.
        turned[:, 0] = turns("".join(axis for _, axis in turning[::-1]), unit * root[:, [i for i, _ in turning[::-1]]])
        for i in self.order:
            bone, parent = self.bones[i], self.parents[i]
            turned[:, i + 1] = turned[:, parent]
            if bone.freedom:
                own = turns(bone.freedom[::-1], unit * channels[bone.name][:, ::-1])
                turned[:, i + 1] = turned[:, parent] @ (bone.axes @ own @ bone.axes.T)
            at[:, i + 1] = at[:, parent] + turned[:, i + 1] @ bone.end
        return at


def read_amc(path: str | Path, asf: str | Path | None = None) -> MotionSet:
    """Motions of an .amc file, or of a folder of them, by forward kinematics: metres, y up, 120 Hz.

    The skeleton has the root and the far end of each bone: `ACCLAIM31` for HDM05 and CMU. Where the names are those of
    HDM05 (`HDM_bd_grabHighR_001_120.amc`) they tell person, class, number of the take and rate. Otherwise the class
    is `motion`.

    Args:
        asf: the skeleton; None = the .asf beside a motion whose name begins like the motion's (`HDM_bd.asf`, `01.asf`),
            or the only one there

    Raises:
        ValueError: (to which `read_motions` adds the path) as `gathered` does, and without a skeleton
    """
    known: dict[Path, AcclaimSkeleton] = {}

    def take(file: Path) -> Take:
        own = _skeleton_beside(file) if asf is None else Path(asf)
        if own not in known:
            try:
                known[own] = read_asf(own)
            except ValueError as error:
                raise ValueError(f"{own.name}: {error}") from error
        return _take(file, known[own])

    motions = gathered(Path(path), take, names=_NAME, example="HDM_bd_grabHighR_001_120.amc", source="acclaim")
    if all(_HDM05.fullmatch(clip) for clip in motions.clip):
        notes = {"licence": "CC BY-SA 3.0", "cite": "The data used in this project was obtained from HDM05"}
        return replace(motions, source="hdm05", notes=notes)
    return motions


def _skeleton_beside(file: Path) -> Path:
    there = sorted(entry for entry in file.parent.iterdir() if entry.suffix.lower() == ".asf")
    fitting = [entry for entry in there if file.stem.startswith(entry.stem)]
    if fitting:
        return max(fitting, key=lambda entry: len(entry.stem))
    if len(there) != 1:
        names = ", ".join(entry.name for entry in there[:10])
        raise ValueError(f"needs the .asf of its skeleton beside it, or named; found {names or 'none'}")
    return there[0]


def _take(path: Path, skeleton: AcclaimSkeleton) -> Take:
    channels, degrees = _channels(text_of(path, LARGEST_AMC), skeleton)
    named = _HDM05.fullmatch(path.stem)
    subject, label, number, fps = named.groups() if named else ("", "motion", "0", str(_FPS))
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
    """Lines of a file that say something, split into words, with their numbers."""

    def __init__(self, text: str) -> None:
        split = ((number, line.split("#")[0].split()) for number, line in enumerate(text.split("\n"), 1))
        self.lines = [(number, words) for number, words in split if words]
        self.at = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        while self.at < len(self.lines):
            self.at += 1
            yield self.lines[self.at - 1]


def read_asf(path: str | Path) -> AcclaimSkeleton:
    """The skeleton in an .asf file.

    Lengths are inches over the file's unit `length`, as HDM05 and CMU have them (0.45).

    Raises:
        ValueError: (without the path) with the line, what was found there and what was expected
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
                _fail(number, words[1], "a positive length")
        elif section == "units" and words[0] == "angle":
            if words[1:] not in (["deg"], ["rad"]):
                _fail(number, " ".join(words), "angle deg, or angle rad")
            units["angle"] = float(words[1] == "deg")
        elif section == "root" and words[0] == "order":
            root = tuple(word.upper() for word in words[1:])
            if sorted(root) != ["RX", "RY", "RZ", "TX", "TY", "TZ"]:
                _fail(number, " ".join(words), "order TX TY TZ RX RY RZ, in any order")
        elif section == "root" and words[0] in ("position", "orientation"):
            if _numbers(number, words, 3) != [0, 0, 0]:
                _fail(number, " ".join(words), f"{words[0]} 0 0 0: others are not read")
        elif section == "bonedata" and words == ["begin"]:
            bones.append(_bone(number, lines, units["angle"] > 0, INCH / units["length"]))
            if len(bones) > MOST_BONES:
                _fail(number, f"bone {len(bones)}", f"at most {MOST_BONES}")
        elif section == "bonedata":
            _fail(number, " ".join(words), "begin")
        elif section == "hierarchy" and words[0] not in ("begin", "end"):
            family.append((number, words))
    if not root or not bones or not family:
        missing = "root order" if not root else "bonedata" if not bones else "hierarchy"
        raise ValueError(f"found no {missing}, expected the sections :root, :bonedata and :hierarchy")
    return _joined(bones, family, root, units)


def _bone(first: int, lines: _Lines, degrees: bool, metres: float) -> _Bone:
    """The bone whose `begin` was just read, up to its `end`."""
    found: dict[str, tuple[int, list[str]]] = {}
    for number, words in lines:
        if words == ["end"]:
            break
        found.setdefault(words[0], (number, words))
    else:
        _fail(first, "a bone without an end", "end")
    for key in ("name", "direction", "length", "axis"):
        if key not in found:
            _fail(first, f"a bone without {key}", "name, direction, length and axis")
    number, words = found["axis"]
    if len(words) != 5 or sorted(words[4].upper()) != ["X", "Y", "Z"]:
        _fail(number, " ".join(words), "axis, three angles and their order, such as XYZ")
    order = words[4].lower()
    angles = np.array(_numbers(number, words[:4], 3)) * (math.pi / 180 if degrees else 1)
    freedom = ""
    if "dof" in found:
        number, words = found["dof"]
        freedom = "".join(word[-1:].lower() for word in words[1:])
        if any(word.lower() not in ("rx", "ry", "rz") for word in words[1:]) or len(set(freedom)) < len(freedom):
            _fail(number, " ".join(words), "dof with some of rx, ry and rz: others are not read")
    direction = np.array(_numbers(*found["direction"], 3))
    (length,) = _numbers(*found["length"], 1)
    number, words = found["name"]
    if len(words) != 2 or words[1] == "root":
        _fail(number, " ".join(words), "name and one word, other than root")
    return _Bone(words[1], direction * length * metres, turns(order[::-1], angles[::-1]), freedom)


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
                _fail(line, quoted(word), "the name of a bone, or root")
        for word in words[1:]:
            child = number_of[word]
            if child in parents or child == 0:
                _fail(line, f"{quoted(word)} as a child again", "one parent for each bone")
            parents[child] = number_of[words[0]]
    order = [0]
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    for joint in order:  # grows while it is read
        order += children.get(joint, [])
    if len(order) < len(joints):
        lost = next(name for i, name in enumerate(joints) if i not in order)
        raise ValueError(f"the hierarchy leaves out bone {quoted(lost)}, expected a way from the root to each")
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
    """What each bone does, (T, n) each, and whether in degrees where the file says so.

    Every frame holds its number, then one line for each bone, in the order of the first frame.
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
    """The remarks and switches on top, the number of the line after them, and the rest."""
    head: list[str] = []
    at = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith(("#", ":")):
            return head, number, text[at:]
        head.append(line.strip().upper())
        at += len(line) + 1
    raise ValueError("found no frames, expected the number of a frame and the angles of bones after it")


def _layout(body: str, skeleton: AcclaimSkeleton) -> dict[str, range]:
    """Where the first frame holds the channels of each bone, counted in words from its number on."""
    wanted = {"root": 6} | {bone.name: len(bone.freedom) for bone in skeleton.bones if bone.freedom}
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
        if words[0] not in wanted or words[0] in layout or len(words) != 1 + wanted[words[0]]:
            raise ValueError(
                f"first frame: found {quoted(line)}, expected "
                + (f"{words[0]} once, and {wanted[words[0]]} numbers" if words[0] in wanted else "bones that may turn")
            )
        layout[words[0]] = range(at + 1, at + len(words))
        at += len(words)
        if len(layout) == len(wanted):
            break
    if missing := set(wanted) - set(layout):
        raise ValueError(
            f"first frame: found nothing of {sorted(missing)[0]}, expected all that the skeleton lets turn"
        )
    return layout


def _explain(text: str, layout: Mapping[str, range]) -> NoReturn:
    """Says where a file departs from the form of its first frame."""
    _, first, body = _split(text)
    expected = list(layout.items())
    frame, place = 0, len(expected)
    for number, line in enumerate(body.split("\n"), first):
        words = line.split()
        if not words:
            continue
        if place == len(expected):
            if frame and words != [str(frame + 1)] or not frame and not words[0].isdecimal():
                _fail(number, line, f"frame {frame + 1}")
            frame, place = int(words[0]), 0
            continue
        name, columns = expected[place]
        if words[0] != name or len(words) != 1 + len(columns):
            _fail(number, line, f"{name} and {len(columns)} numbers")
        place += 1
    raise ValueError(f"ends within frame {frame}, expected {expected[min(place, len(expected) - 1)][0]}")


def _numbers(number: int, words: list[str], count: int) -> list[float]:
    """The numbers after the first word of a line."""
    if len(words) != 1 + count:
        _fail(number, " ".join(words), f"{words[0]} and {count} numbers")
    return [float(value) for value in decimals(words[1:], lambda _: f"line {number}")]


def _fail(number: int, found: str, expected: str) -> NoReturn:
    found = found if len(found) <= 80 else f"{found[:77]}..."
    raise ValueError(f"line {number}: found {found}, expected {expected}")
