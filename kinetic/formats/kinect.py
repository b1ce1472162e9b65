"""Readers of four data sets that were recorded with a Kinect: UTD-MHAD, NW-UCLA, Kinder-Gator and IRDS."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from kinetic.formats.matlab import matlab_array
from kinetic.formats.mocap import MOST_FRAMES, Take, bytes_of, decimals, gathered, quoted, text_of
from kinetic.motion.motion_set import MotionSet
from kinetic.plain import json_values
from kinetic.skeleton import KINECT20, NTU25

__all__ = ["kinder_gator_take", "read_irds", "read_kinder_gator", "read_nw_ucla", "read_utd_mhad"]

LARGEST = 16 << 20
"""Bytes of the largest file that is read; the files of the four sets have 10 to 500 KB."""
LONGEST_LINE = 8192
FARTHEST = 100.0
"""Metres along an axis; a Kinect sees 8."""
FPS = 30.0
"""The nominal rate of both kinds of Kinect."""

_UNSTATED = "none stated"


# ----------------------------------------------------------------------------------------------------------- UTD-MHAD

_UTD_NAME = re.compile(r"a([1-9]|1[0-9]|2[0-7])_s([1-8])_t([1-9])_skeleton\.mat")
_UTD_CLASSES = (
    "swipe-left swipe-right wave clap throw cross-arms basketball-shoot draw-x draw-circle-cw draw-circle-ccw "
    "draw-triangle bowling boxing baseball-swing tennis-forehand arm-curl tennis-serve two-hand-push knock catch "
    "pick-up-and-throw jog-in-place walk-in-place sit-to-stand stand-to-sit lunge squat"
).split()
_UTD_ORDER = [3, 2, 1, 0, *range(4, 20)]  # head, shoulder centre, spine, hip centre; then as in KINECT20


def read_utd_mhad(path: str | Path) -> MotionSet:
    """UTD-MHAD (Chen et al. 2015): `a1_s1_t1_skeleton.mat`, or a folder of such files, on `KINECT20` at 30 Hz.

    The name gives action, subject and trial. A file holds one array, `d_skel` (20, 3, frames), metres, y up.

    Raises:
        ValueError: (to which `read_motions` adds the path) as `gathered` does
    """
    return gathered(
        Path(path),
        _utd_mhad_take,
        names=_UTD_NAME,
        example="a1_s1_t1_skeleton.mat",
        source="utd_mhad",
        classes=_UTD_CLASSES,
        notes={"licence": _UNSTATED, "cite": "Chen et al., ICIP 2015"},
    )


def _utd_mhad_take(path: Path) -> Take:
    action, subject, trial = _parts(_UTD_NAME, path)
    array = matlab_array(bytes_of(path, LARGEST), "d_skel")
    if array.ndim == 2:  # MATLAB drops an axis of one frame
        array = array[:, :, None]
    if array.shape[:2] != (20, 3) or not 1 <= array.shape[2] <= MOST_FRAMES:
        raise ValueError(f"d_skel has shape {array.shape}, expected (20, 3, frames) with 1 to {MOST_FRAMES} frames")
    motion = array.transpose(2, 0, 1)[:, _UTD_ORDER]  # (T, 20, 3)
    _check_metres(motion, "d_skel, frame")
    return Take(
        clip=path.stem,
        motion=motion,
        skeleton=KINECT20,
        label=_UTD_CLASSES[int(action) - 1],
        fps=FPS,
        subject=subject,
        columns={"trial": int(trial)},
    )


# ------------------------------------------------------------------------------------------------------------ NW-UCLA

_UCLA_NAME = re.compile(r"a(0[1-9]|1[0-2])_s([0-9]{2})_e([0-9]{2})_v(0[1-3])\.json")
_UCLA_CLASSES = {
    1: "pick-up-with-one-hand", 2: "pick-up-with-two-hands", 3: "drop-trash", 4: "walk-around", 5: "sit-down",
    6: "stand-up", 8: "donning", 9: "doffing", 11: "throw", 12: "carry",
}  # fmt: skip
_UCLA_FPS = 15.0  # estimated: the files do not say


def read_nw_ucla(path: str | Path) -> MotionSet:
    """NW-UCLA (Wang et al. 2014) as JSON: `a01_s01_e00_v01.json`, or a folder of such files, on `KINECT20`.

    CTR-GCN distributes the set in this form: `skeletons` holds frames of 20 joints, metres, y up. The name gives
    action, subject, repetition and view; `file_name` and `label` (1 to 10, optional) must agree with it. The files do
    not state the rate; it is assumed to be 15 Hz.

    Raises:
        ValueError: (to which `read_motions` adds the path) as `gathered` does
    """
    return gathered(
        Path(path),
        _nw_ucla_take,
        names=_UCLA_NAME,
        example="a01_s01_e00_v01.json",
        source="nw_ucla",
        classes=tuple(_UCLA_CLASSES.values()),
        notes={"licence": _UNSTATED, "cite": "Wang et al., CVPR 2014", "fps": "estimated"},
    )


def _nw_ucla_take(path: Path) -> Take:
    action, subject, repetition, view = (int(part) for part in _parts(_UCLA_NAME, path))
    if action not in _UCLA_CLASSES:
        raise ValueError(f"is called {path.name}, but the set has no action {action}")
    content = json_values(text_of(path, LARGEST))
    if not isinstance(content, dict) or not isinstance(content.get("skeletons"), list):
        raise ValueError("found no list `skeletons`, expected a mapping with file_name and skeletons")
    number = list(_UCLA_CLASSES).index(action) + 1
    for key, expected in (("file_name", path.stem), ("label", number)):
        if key in content and content[key] != expected:
            raise ValueError(f"{key}: found {quoted(str(content[key]))}, the file's name says {expected!r}")
    motion = _frames_of(content["skeletons"])
    _check_metres(motion, "skeletons, frame")
    return Take(
        clip=path.stem,
        motion=motion,
        skeleton=KINECT20,
        label=_UCLA_CLASSES[action],
        fps=_UCLA_FPS,
        subject=str(subject),
        view=view,
        columns={"repetition": repetition},
    )


def _frames_of(frames: list[Any]) -> np.ndarray:
    """Nested lists as an array (T, 20, 3)."""
    if not 1 <= len(frames) <= MOST_FRAMES:
        raise ValueError(f"skeletons: found {len(frames)} frames, expected 1 to {MOST_FRAMES}")
    numbers = []
    for t, frame in enumerate(frames):
        if not isinstance(frame, list) or len(frame) != 20:
            raise ValueError(f"skeletons[{t}]: found {_counted(frame)}, expected 20 joints")
        for v, joint in enumerate(frame):
            if not isinstance(joint, list) or len(joint) != 3 or not all(type(x) in (int, float) for x in joint):
                raise ValueError(f"skeletons[{t}][{v}]: found {_counted(joint)}, expected 3 numbers")
            numbers += joint
    return np.array(numbers, dtype=np.float64).reshape(-1, 20, 3)


def _counted(value: object) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else quoted(str(value)[:100])


# ------------------------------------------------------------------------------------------------------- Kinder-Gator

_GATOR_NAME = re.compile(r"POSE-p([0-9]{1,6})_([0-9]{2})-([A-Za-z][A-Za-z-]{0,99}?)-+([0-9]{1,16})\.csv")
_GATOR_COLUMNS = ["Timestamp", *(joint + axis for joint in KINECT20.joints for axis in "XYZ")]
_GATOR_CLASSES = (
    "bend-your-knee-while-raising-your-leg bend-your-other-knee-while-raising-your-leg bow climb-and-imaginary-ladder "
    "do-a-forward-lunge do-two-jumping-jacks draw-a-circle draw-a-square draw-a-triangle draw-the-letter-a "
    "draw-the-letter-c draw-the-letter-k draw-the-letter-m draw-the-letter-x fly-like-a-bird fly-like-an-airplane jump "
    "jump-as-high-as-you-can kick-a-ball kick-a-ball-as-far-as-you-can "
    "kick-a-ball-as-far-as-you-can-with-the-other-leg kick-a-ball-with-the-other-leg lift-your-leg-to-one-side "
    "lift-your-leg-to-the-other-side make-the-letter-a make-the-letter-c make-the-letter-k make-the-letter-m "
    "make-the-letter-p make-the-letter-t make-the-letter-x make-the-letter-y point-at-the-camera punch "
    "push-an-imaginary-button-in-front-of-you put-your-hands-on-your-hips-and-lean-to-the-other-side "
    "put-your-hands-on-your-hips-and-lean-to-the-side put-your-hands-on-your-hips-and-twist raise-your-arm-to-one-side "
    "raise-your-arm-to-the-other-side raise-your-hand raise-your-other-hand run-in-place "
    "run-in-place-as-fast-as-you-can signal-someone-to-come-here signal-someone-to-stop "
    "swipe-across-an-imaginary-screen-in-front-of-you-from-left-to-right "
    "swipe-across-an-imaginary-screen-in-front-of-you-from-right-to-left swim throw-a-ball "
    "throw-a-ball-as-far-as-you-can throw-a-ball-as-far-as-you-can-with-the-other-arm "
    "throw-a-ball-with-your-other-arm touch-your-toes walk-in-place walk-in-place-as-fast-as-you-can wave-your-hand "
    "wave-your-other-hand"
).split()


def read_kinder_gator(path: str | Path) -> MotionSet:
    """Kinder-Gator (Aloba et al. 2018): `POSE-p103_01-Raise-your-hand-1455370152780.csv`, or a folder of such files.

    The name gives person, place in the session, action and time. A row holds a time in milliseconds and the joints of
    `KINECT20`, metres, y up; the times are about 1/30 s apart, and the motions are resampled to 30 Hz. Most recordings
    begin with a T-pose, which calibrated the sensor; it stays in the motion.

    Raises:
        ValueError: (to which `read_motions` adds the path) as `gathered` does
    """
    return gathered(
        Path(path),
        kinder_gator_take,
        names=_GATOR_NAME,
        example="POSE-p103_01-Raise-your-hand-1455370152780.csv",
        source="kinder_gator",
        classes=_GATOR_CLASSES,
        notes={"licence": _UNSTATED, "cite": "Aloba et al., Eurographics 2018"},
    )


def kinder_gator_take(path: Path) -> Take:
    """One recording of Kinder-Gator, not resampled, with the times of its frames.

    Raises:
        ValueError: with the line, what it holds and what was expected
    """
    subject, place, action, _ = _parts(_GATOR_NAME, path)
    lines = _lines(path)
    header = lines[0].split(",")
    if header[: len(_GATOR_COLUMNS)] != _GATOR_COLUMNS:
        wrong = next(i for i, name in enumerate(_GATOR_COLUMNS) if header[i : i + 1] != [name])
        title = quoted(header[wrong]) if wrong < len(header) else "the end of the line"
        raise ValueError(f"line 1, column {wrong + 1}: found {title}, expected {_GATOR_COLUMNS[wrong]}")
    rows = _table(lines, len(header))
    words = [word for row in rows for word in row[: len(_GATOR_COLUMNS)]]

    def where(i: int) -> str:
        row, column = divmod(i, len(_GATOR_COLUMNS))
        return f"line {row + 2}, column {_GATOR_COLUMNS[column]}"

    table = decimals(words, where, most=1e15).reshape(len(rows), -1)  # (T, 61)
    motion = table[:, 1:].reshape(-1, 20, 3)
    _check_metres(motion, "line", first=2)
    return Take(
        clip=path.stem,
        motion=motion,
        skeleton=KINECT20,
        label=action.rstrip("-").lower(),
        fps=FPS,
        subject=subject,
        seconds=_seconds(table[:, 0]),
        columns={"place": int(place)},
    )


# --------------------------------------------------------------------------------------------------------------- IRDS

_IRDS_NAME = re.compile(r"([0-9]{1,6})_([0-9]{1,6})_([0-8])_([0-9]{1,4})_([0-9])_([A-Za-z][A-Za-z-]{0,30})\.txt")
_IRDS_CLASSES = (
    "elbow-flexion-right elbow-flexion-left shoulder-flexion-right shoulder-flexion-left shoulder-abduction-right "
    "shoulder-abduction-left shoulder-forward-elevation side-tap-right side-tap-left"
).split()
_IRDS_STATES = {"Tracked", "Inferred", "NotTracked"}
_IRDS_FIELDS = 3 + 7 * len(NTU25.joints)


def read_irds(path: str | Path) -> MotionSet:
    """IntelliRehabDS (Miron et al. 2021): `216_18_2_1_2_stand.txt`, or a folder of such files, on `NTU25` at 30 Hz.

    The name gives subject, date, gesture (0 to 8), repetition, correctness and the position of the person. The data
    set's list of gestures swaps left and right; the class names here are those of the joints that move. A line holds
    the number of the frame, a time in milliseconds and 25 joints of a Kinect v2 by name, in metres, y up; the motions
    are resampled to even times. The column `inferred` is the share of joints that were not tracked.

    Raises:
        ValueError: (to which `read_motions` adds the path) as `gathered` does
    """
    return gathered(
        Path(path),
        _irds_take,
        names=_IRDS_NAME,
        example="216_18_2_1_2_stand.txt",
        source="irds",
        classes=_IRDS_CLASSES,
        notes={"licence": "CC BY 4.0", "cite": "Miron et al., Data 2021, 6, 46"},
    )


def _irds_take(path: Path) -> Take:
    subject, _, gesture, repetition, correct, position = _parts(_IRDS_NAME, path)
    lines = _lines(path)
    if not re.fullmatch(r"Version[0-9]\.[0-9]", lines[0]):
        raise ValueError(f"line 1: found {quoted(lines[0])}, expected Version0.1")
    rows = _table(lines, _IRDS_FIELDS)
    untracked = 0
    for v, joint in enumerate(NTU25.joints):
        at = 3 + 7 * v
        for t, row in enumerate(rows):
            if row[at] != f"({joint}" or row[at + 1] not in _IRDS_STATES or row[at + 6][-1:] != ")":
                words = quoted(",".join(row[at : at + 7]))
                raise ValueError(f"line {t + 2}: found {words}, expected ({joint},Tracked,x,y,z,column,row)")
            untracked += row[at + 1] != "Tracked"
    columns = [2, *(3 + 7 * v + axis for v in range(25) for axis in (2, 3, 4))]  # the time, and x, y and z

    def where(i: int) -> str:
        row, column = divmod(i, len(columns))
        return f"line {row + 2}, {NTU25.joints[(column - 1) // 3] if column else 'time'}"

    table = decimals([row[at] for row in rows for at in columns], where, most=1e15).reshape(len(rows), -1)  # (T, 76)
    motion = table[:, 1:].reshape(-1, 25, 3)
    _check_metres(motion, "line", first=2)
    return Take(
        clip=path.stem,
        motion=motion,
        skeleton=NTU25,
        label=_IRDS_CLASSES[int(gesture)],
        fps=FPS,
        subject=subject,
        seconds=_seconds(table[:, 0]),
        columns={
            "repetition": int(repetition),
            "correctness": int(correct),
            "standing": int(position.lower().startswith("stand")),
            "inferred": untracked / (25 * len(rows)),
        },
    )


# -------------------------------------------------------------------------------------------------------------- parts


def _parts(names: re.Pattern[str], path: Path) -> tuple[str, ...]:
    match = names.fullmatch(path.name)
    if match is None:
        raise ValueError(f"is called {quoted(path.name)}, expected a name that describes its content")
    return match.groups()


def _lines(path: Path) -> list[str]:
    """A header and at least one more line; empty lines at the end do not count."""
    lines = text_of(path, LARGEST).rstrip("\n").split("\n")
    if not 2 <= len(lines) <= MOST_FRAMES + 1:
        raise ValueError(f"found {len(lines)} lines, expected a header and 1 to {MOST_FRAMES} frames")
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise ValueError(f"line {number}: found {len(line)} letters, expected at most {LONGEST_LINE}")
    return lines


def _table(lines: list[str], fields: int) -> list[list[str]]:
    rows = [line.split(",") for line in lines[1:]]
    for number, row in enumerate(rows, 2):
        if len(row) != fields:
            raise ValueError(f"line {number}: found {len(row)} fields, expected {fields}")
    return rows


def _seconds(milliseconds: np.ndarray) -> np.ndarray:
    """The times of frames in seconds; each must be later than the one before."""
    steps = np.diff(milliseconds)
    if (steps <= 0).any():
        t = int(np.argmax(steps <= 0)) + 1
        raise ValueError(f"line {t + 2}: found the time {milliseconds[t]:.10g} after {milliseconds[t - 1]:.10g} ms")
    return np.asarray(milliseconds / 1000)


def _check_metres(motion: np.ndarray, what: str, first: int = 0) -> None:
    """Checks that all joints of frames (T, V, 3) lie within `FARTHEST`; no Kinect sees farther."""
    wrong = ~(np.abs(motion) <= FARTHEST)
    if wrong.any():
        t, v, axis = (int(index[0]) for index in np.nonzero(wrong))
        raise ValueError(
            f"{what} {t + first}, joint {v}: found {motion[t, v, axis]:g}, expected metres within {FARTHEST:g} of zero"
        )
