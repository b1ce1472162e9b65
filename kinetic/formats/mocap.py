"""Readers of other motion data sets: the contents of one file, a set from a folder of files, and parts of readers."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from kinetic.files import open_plain
from kinetic.motion.arrays import MAX_BYTES, mebibytes
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import Skeleton

__all__ = [
    "MOST_FRAMES",
    "Take",
    "assembled",
    "brief",
    "bytes_of",
    "check_room",
    "decimals",
    "described",
    "evenly",
    "fail_at",
    "gathered",
    "mirrored",
    "placed",
    "quoted",
    "text_of",
]

MOST_FRAMES = 100_000
"""Frames of the longest motion that is read: a quarter of an hour at 120 Hz."""
MOST_PLACES = 20_000_000
"""Joints times frames of the largest file whose joints are computed: a quarter of an hour of 200 joints."""
PART = 4096
"""Frames whose joints are computed at a time."""
MOST_FILES = 200_000
"""Files of the largest folder that is read."""


@dataclass(frozen=True, eq=False)
class Take:
    """The contents of one file.

    Attributes:
        clip: name of the file without its ending
        motion: (T, V, C) metres, y up
        skeleton: names and bones of the V joints
        label: name of the class
        fps: frames per second; with `seconds`, the rate that the motion is resampled to
        subject: name of the person; a set has subjects and views only where all its files have them
        view: number of the camera
        seconds: (T,) the times of the frames, ascending; None = the frames are `1 / fps` apart
        columns: further numbers by name
    """

    clip: str
    motion: np.ndarray
    skeleton: Skeleton
    label: str
    fps: float
    subject: str = ""
    view: int | None = None
    seconds: np.ndarray | None = None
    columns: Mapping[str, float] = field(default_factory=dict)


def gathered(
    path: Path,
    read: Callable[[Path], Take],
    *,
    names: re.Pattern[str],
    example: str,
    source: str,
    classes: Sequence[str] = (),
    notes: Mapping[str, Any] | None = None,
) -> MotionSet:
    """One set from a single file, or from all files in a folder and its subfolders, in the order of their paths.

    Shorter motions end in zeros, and the column `frames` says how many frames come before. Motions whose files give
    the times of frames are resampled to even times (`evenly`).

    Args:
        read: reads one file
        names: pattern of the whole name of such a file; other files in a folder are ignored
        example: a name that fits the pattern
        source: name of the data set
        classes: classes of the data set; further labels of the files follow them in alphabetical order

    Raises:
        ValueError: for a name that does not fit, a folder without such files, files that do not fit each other, and
            unreadable files, with the first reasons
    """
    if path.is_dir():
        files = sorted(entry for entry in path.rglob("*") if names.fullmatch(entry.name) and not entry.is_dir())
        if not files:
            raise ValueError(f"is a folder without files whose names look like {example}")
        if len(files) > MOST_FILES:
            raise ValueError(f"is a folder of {len(files)} files, expected at most {MOST_FILES}")
    elif names.fullmatch(path.name):
        files = [path]
    else:
        raise ValueError(f"is called {quoted(path.name)}, expected a name like {example}, which describes its content")
    takes, faults, size = [], [], 0
    for file in files:
        try:
            takes.append(_even(read(file)))
            size += takes[-1].motion.nbytes
            check_room(size, len(takes))
        except (ValueError, OSError, MemoryError) as error:
            reason = "needs more memory than this machine has" if isinstance(error, MemoryError) else str(error)
            if file == path and isinstance(error, MemoryError):
                raise ValueError(reason) from error
            if file == path:
                raise
            faults.append(f"{file.relative_to(path)}: {reason}")
    if faults:
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise ValueError(f"{len(faults)} of {len(files)} files cannot be read: {'; '.join(faults[:5])}{more}")
    return assembled(takes, source=source, classes=classes, notes=notes)


def _even(take: Take) -> Take:
    motion = take.motion if take.seconds is None else evenly(take.motion, take.seconds, take.fps)
    return replace(take, motion=motion.astype(np.float32, copy=False), seconds=None)


def assembled(
    takes: Sequence[Take],
    *,
    source: str,
    classes: Sequence[str] = (),
    people: Sequence[str] = (),
    notes: Mapping[str, Any] | None = None,
) -> MotionSet:
    """One set of motions without `seconds`; shorter ones end in zeros, and the column `frames` has their lengths.

    Args:
        classes: classes of the data set; further labels follow in alphabetical order
        people: people of the data set; further subjects follow, shorter names first

    Raises:
        ValueError: for motions of different skeletons, and a set that exceeds the memory
    """
    first = takes[0]
    for take in takes:
        if take.skeleton != first.skeleton:
            raise ValueError(
                f"{take.clip} has another skeleton ({len(take.skeleton.joints)} joints) than {first.clip} "
                f"({len(first.skeleton.joints)} joints); a set has one"
            )
    frames = np.array([len(take.motion) for take in takes])
    longest, (joints, channels) = int(frames.max()), first.motion.shape[1:]
    check_room(4 * len(takes) * longest * joints * channels, len(takes))  # every motion is padded to the longest
    motion = np.zeros((len(takes), channels, longest, joints), dtype=np.float32)
    for row, take in enumerate(takes):
        motion[row, :, : len(take.motion)] = take.motion.transpose(2, 0, 1)
    labels = [*classes, *sorted({take.label for take in takes} - set(classes))]
    names = {take.subject for take in takes}
    has_people = "" not in names
    people = [*people, *sorted(names - set(people), key=lambda name: (len(name), name))]  # 2 before 10
    label_id = {label: i for i, label in enumerate(labels)}
    person_id = {name: i for i, name in enumerate(people)}
    views = [take.view for take in takes if take.view is not None]
    fps = np.array([take.fps for take in takes])
    return MotionSet(
        motion=motion,
        label=np.array([label_id[take.label] for take in takes]),
        class_names=tuple(labels),
        skeleton=first.skeleton,
        subject=np.array([person_id[take.subject] for take in takes]) if has_people else None,
        subject_names=tuple(people) if has_people else (),
        view=np.array(views) if len(views) == len(takes) else None,
        clip=tuple(take.clip for take in takes),
        fps=float(fps[0]) if (fps == fps[0]).all() else fps,
        source=source,
        notes=dict(notes or {}),
        columns={name: np.array([take.columns[name] for take in takes]) for name in first.columns}
        | ({"frames": frames} if (frames < longest).any() else {}),
    )


# --------------------------------------------------------------------------------------------------- parts of readers


def check_room(size: int, motions: int) -> None:
    """Checks that motions of `size` bytes fit into memory, before they are allocated.

    Raises:
        ValueError: for more than `MAX_BYTES`
    """
    if size > MAX_BYTES:
        raise ValueError(
            f"{motions} motions are {mebibytes(size)}, more than the {mebibytes(MAX_BYTES)} that are held in memory; "
            f"read fewer files or shorter motions at a time"
        )


def evenly(motion: np.ndarray, seconds: np.ndarray, fps: float) -> np.ndarray:
    """Frames (T, V, C) at times (T,) -> (F, V, C) at `fps` from the first time on, by linear interpolation.

    Raises:
        ValueError: for a result of more than `MOST_FRAMES`
    """
    steps = float(seconds[-1] - seconds[0]) * fps + 1e-9  # keeps a last step that just fits
    if not steps < MOST_FRAMES:
        raise ValueError(f"lasts {steps / fps:.6g} s, which are more than {MOST_FRAMES} frames at {fps:g} Hz")
    times = seconds[0] + np.arange(int(steps) + 1) / fps  # (F,)
    below = np.clip(np.searchsorted(seconds, times, side="right") - 1, 0, max(len(seconds) - 2, 0))
    above = np.minimum(below + 1, len(seconds) - 1)
    gap = np.where(above > below, seconds[above] - seconds[below], 1)
    share = np.clip((times - seconds[below]) / gap, 0, 1)[:, None, None]  # (F, 1, 1)
    return np.asarray(motion[below] * (1 - share) + motion[above] * share)


def placed(place: Callable[[slice], np.ndarray], frames: int, joints: int) -> np.ndarray:
    """Joints (T, V, 3) float32 of all frames; `place` computes those of `PART` frames at a time.

    Raises:
        ValueError: for more than `MOST_PLACES`
    """
    if frames * joints > MOST_PLACES:
        raise ValueError(
            f"found {frames} frames of {joints} joints, expected at most {MOST_PLACES} joints in all frames"
        )
    motion = np.empty((frames, joints, 3), dtype=np.float32)
    for start in range(0, frames, PART):
        rows = slice(start, min(start + PART, frames))
        motion[rows] = place(rows)
    return motion


def bytes_of(path: Path, most: int) -> bytes:
    """The content of a plain file of at most `most` bytes.

    Raises:
        ValueError: (without the path) for another kind of file, a larger one, and one that changes meanwhile
    """
    with open_plain(path, most) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1)
    if len(data) != size:
        raise ValueError(f"found {len(data)} bytes, expected {size}: the file changes while it is read")
    return data


def text_of(path: Path, most: int) -> str:
    """The content of a text file with any line ends. Its numbers are ASCII; names may hold other letters."""
    data = bytes_of(path, most)
    if b"\0" in data:
        raise ValueError(f"byte {data.index(0)}: found a zero, expected text")
    return data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")


def fail_at(line: int, found: str, expected: str) -> NoReturn:
    """Raises the error for a line of a file."""
    found = " ".join(found.split())
    found = found if len(found) <= 80 else f"{found[:77]}..."
    raise ValueError(f"line {line}: found {found}, expected {expected}")


_DECIMALS = re.compile(r"[0-9eE+.\n-]*")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
LONGEST_NUMBER = 400
"""Letters of the longest number; the largest float64, written out, has 309."""


def decimals(words: Sequence[str], place: Callable[[int], str], most: float = 1e9) -> np.ndarray:
    """Plain decimal numbers of absolute value up to `most`, (len(words),) float64.

    Raises:
        ValueError: with `place(i)` for the first word i that is no such number
    """
    short = max(map(len, words), default=0) <= LONGEST_NUMBER
    if short and _DECIMALS.fullmatch("\n".join(words)):  # float() would also take nan, 1_000 and Arabic digits
        try:
            values = np.array(words, dtype=np.float64)
        except ValueError:
            pass
        else:
            if (np.abs(values) <= most).all():
                return values
    for i, word in enumerate(words):
        if len(word) > LONGEST_NUMBER or not _DECIMAL.fullmatch(word):
            raise ValueError(f"{place(i)}: found {quoted(word)}, expected a decimal number")
        if not abs(float(word)) <= most:
            raise ValueError(f"{place(i)}: found {quoted(word)}, expected a number between {-most:g} and {most:g}")
    raise AssertionError("unreachable: some word is no number")  # pragma: no cover


_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 2  # YAML and pickles nest lists by reference: a kilobyte can be written out as gigabytes
_BRIEF.maxlist = _BRIEF.maxdict = 3
_BRIEF.maxstring = _BRIEF.maxother = 60


def brief(value: object) -> str:
    """A value from a file for a message; only the part that is shown is formatted."""
    return _BRIEF.repr(value)


def described(value: object) -> str:
    """The type of a value from a file for a message, and its shape or length."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} and shape {value.shape}"
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    kind = type(value).__name__
    return "nothing" if value is None else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def quoted(word: str) -> str:
    """A word from a file for a message: in quotes, cut to 40 letters."""
    return repr(word if len(word) <= 40 else f"{word[:37]}...")


def mirrored(names: Sequence[str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Joints of the left side and, in the same order, of the right, by pairs of names.

    It finds names like LeftArm, ArmLeft, left_arm, L_Arm, Arm.L, lArm and lfemur.
    """
    joint = {name: i for i, name in enumerate(names)}
    swaps = [("Left", "Right"), ("left", "right"), ("LEFT", "RIGHT"), ("^L", "R"), ("^l", "r")]
    swaps += [(r"([._])L$", r"\1R"), (r"([._])l$", r"\1r")]
    left, right = [], []
    for name in names:
        candidates = [re.sub(old, new, name, count=1) for old, new in swaps]
        partner = next((other for other in candidates if other != name and other in joint), None)
        if partner is not None and joint[partner] not in right:
            left.append(joint[name])
            right.append(joint[partner])
    return tuple(left), tuple(right)
