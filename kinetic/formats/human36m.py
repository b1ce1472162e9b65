"""Human3.6M in the files of VideoPose3D, data_3d_h36m.npz and data_2d_h36m_*.npz, on the joints of `H36M16`."""

from __future__ import annotations

import pickletools
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kinetic.formats.mocap import Take, assembled, brief, check_room, described, quoted
from kinetic.formats.pickles import Limits, decode_pickle
from kinetic.motion.arrays import mebibytes
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import COCO17, H36M16, Skeleton

__all__ = ["read_human36m"]

LARGEST = 1 << 30
"""Bytes of the largest array of a file; all seven people, in space or from four cameras, take half of it."""
RATE = 50.0
"""Frames per second."""
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
SPLIT = {"by": "subject", "train": ["S1", "S5", "S6", "S7", "S8"], "test": ["S9", "S11"]}
"""The standard protocol (Martinez et al. 2017, Pavllo et al. 2019)."""
SAME = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}
"""Two spellings of one action; the second becomes the class."""
HEIGHTS = (1002, 1000, 1000, 1002)
"""Pixels from top to bottom of the pictures of the four cameras; all are 1000 pixels wide."""

# The joints of H36M16 among all 32 of the recordings, and among the 17 that move (H36M16 and a nose).
_OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 15, 17, 18, 19, 25, 26, 27)
_OF_17 = (*range(9), *range(10, 17))
_JOINTS = {32: _OF_32, 17: _OF_17, 16: tuple(range(16))}


def read_human36m(path: Path, frames: int | None = 64, *, every: int = 1) -> MotionSet:
    """The motions of a file of positions in space, or in the pictures of four cameras, by subject and action.

    `positions_3d` are (T, 32, 3) metres with z up, which become y up: (x, z, -y). `positions_2d` are lists with
    (T, 17, 2) pixels for each camera, y down; they become -1 to 1 across the width of the picture, y up. VideoPose3D
    trains on the same numbers with the opposite sign of y. Of 32 or 17 joints the 16 of `H36M16` stay; key points of
    COCO stay as they are. "Walking 1" and "Walking" are one action. Cameras are the views 1 to 4.

    Both arrays are pickles, which are read and not run.

    Args:
        frames: cuts each recording into pieces of that many frames, without overlap; the rest at its end, and shorter
            recordings, are left out. None: whole recordings, padded with zeros; the column `frames` says how many
            frames come before
        every: takes each second, third ... frame only; the recordings have 50 frames per second

    Raises:
        ValueError: (to which `read_motions` adds the path) for other contents, and coordinates that are not finite
    """
    if (frames is not None and frames < 1) or every < 1:
        raise ValueError(f"frames and every must be at least 1, got {frames} and {every}")
    arrays = _members(Path(path))
    kind = next((name for name in ("positions_3d", "positions_2d") if name in arrays), None)
    if kind is None:
        raise ValueError(f"holds {', '.join(arrays) or 'nothing'}, expected positions_3d or positions_2d")
    layout = arrays.get("metadata", {})
    skeleton = _skeleton(kind, layout if isinstance(layout, dict) else {})
    recordings: list[Take] = []
    size = 0
    for recording in _recordings(arrays[kind], kind, skeleton, every):  # a pickle can use one array many times
        recordings.append(recording)
        size += recording.motion.nbytes
        check_room(size, len(recordings))
    pieces = [piece for recording in recordings for piece in _cut(recording, frames, every)]
    if not pieces:
        longest = max((len(recording.motion) for recording in recordings), default=0)
        raise ValueError(f"holds no recording of {frames} frames; the longest of {len(recordings)} has {longest}")
    notes = {"recordings": len(recordings), "array": kind}
    motions = assembled(pieces, source="human36m", people=SUBJECTS, notes=notes)
    columns = motions.columns
    if frames is None:
        columns = {**columns, "frames": np.array([len(piece.motion) for piece in pieces])}
    motions = replace(motions, splits={"xsub": SPLIT}, columns=columns)
    motions.check()
    return motions


def _cut(recording: Take, frames: int | None, every: int) -> Iterator[Take]:
    size = frames or max(1, len(recording.motion))
    for start in range(0, len(recording.motion) - size + 1, size):
        yield replace(recording, motion=recording.motion[start : start + size], columns={"start": start * every})


def _skeleton(kind: str, metadata: dict[Any, Any]) -> Skeleton:
    layout = metadata.get("layout_name", "h36m")
    if kind == "positions_3d":
        return H36M16
    if not isinstance(layout, str) or layout not in ("h36m", "coco"):
        raise ValueError(f"has key points of layout {brief(layout)}, expected h36m or coco")
    if layout == "coco":
        return COCO17
    return replace(H36M16, channels=2, name=f"{H36M16.name}_2d")


def _recordings(array: Any, kind: str, skeleton: Skeleton, every: int) -> Iterator[Take]:
    def take(motion: np.ndarray, view: int | None = None) -> Take:
        return Take(f"{subject} {name}", motion, skeleton, action, RATE / every, subject, view)

    for subject, actions in _named(array, kind).items():
        for name, values in _named(actions, f"{kind} of {quoted(subject)[1:-1]}").items():
            where = f"{kind} of {quoted(subject)[1:-1]}, {quoted(name)}"
            action = re.sub(r" [0-9]+$", "", name)
            action = SAME.get(action, action)
            if kind == "positions_3d":
                space = _positions(values, where, skeleton)[::every]
                yield take(space[..., [0, 2, 1]] * np.array([1, 1, -1], dtype=np.float32))
                continue
            if not isinstance(values, (list, tuple)) or len(values) > len(HEIGHTS):
                raise ValueError(
                    f"{where} holds {described(values)}, expected a list with an array for each of 4 cameras"
                )
            for camera, pixels in enumerate(values):
                points = _positions(pixels, f"{where}, camera {camera + 1}", skeleton)[::every]
                if np.abs(points).max(initial=0) <= 2 and len(points):
                    raise ValueError(f"{where} has coordinates of at most 2, expected pixels")
                middle = np.array([500, HEIGHTS[camera] / 2], dtype=np.float32)
                yield take((points - middle) / np.array([500, -500], dtype=np.float32), camera + 1)


def _named(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(name, str) and name.strip() for name in value):
        raise ValueError(f"{what} holds {described(value)}, expected a mapping by name")
    return value


def _positions(values: Any, where: str, skeleton: Skeleton) -> np.ndarray:
    """The positions (T, V, C) float32 of the skeleton's joints."""
    joints = {len(COCO17.joints): range(len(COCO17.joints))} if skeleton is COCO17 else _JOINTS
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim != 3:
        raise ValueError(
            f"{where} holds {described(values)}, expected an array (T, joints, {skeleton.channels}) of floats"
        )
    if values.shape[1] not in joints or values.shape[2] != skeleton.channels:
        counts = " or ".join(map(str, joints))
        raise ValueError(f"{where} has shape {values.shape}, expected (T, {counts}, {skeleton.channels})")
    return np.asarray(values[:, list(joints[values.shape[1]])], dtype=np.float32)


# ---------------------------------------------------------------------------------------------- pickles inside arrays


def _members(path: Path) -> dict[str, Any]:
    """The objects in the arrays of a zip file; each array is one object in a pickle."""
    objects: dict[str, Any] = {}
    if not path.is_file():  # opening a pipe would block
        raise ValueError("is not a plain file")
    room = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        if len(archive.infolist()) > 16:
            raise ValueError(f"holds {len(archive.infolist())} members, expected positions_2d or positions_3d")
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name not in ("positions_3d", "positions_2d", "metadata"):
                continue
            if name in objects:
                raise ValueError(f"holds two members called {name}")
            if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{name} is encrypted or compressed in a way that numpy does not use")
            if member.compress_size > room:
                raise ValueError(f"{name} claims {mebibytes(member.compress_size)} in a file of {mebibytes(room)}")
            if member.file_size > min(LARGEST, 1100 * max(1, member.compress_size)):
                raise ValueError(
                    f"{name} claims {mebibytes(member.file_size)} in {mebibytes(member.compress_size)} of the file, "
                    f"expected at most {mebibytes(LARGEST)}"
                )
            try:
                with archive.open(member) as file:
                    data = file.read(member.file_size)
                objects[name] = _object(data)
            except (ValueError, NotImplementedError, zlib.error) as error:
                raise ValueError(f"{name}: {error}") from error
    return objects


_HEADER = re.compile(rb"\{'descr': '\|O', 'fortran_order': (True|False), 'shape': \(\), \} *\n")
_STORES = ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "FRAME")
_FRAME = rb"(?:\x95.{8})?"
_STORE = rb"(?:\x94|q.|r.{4})?"
_TAIL = re.compile(_FRAME.join([b"", b"a", b"t", _STORE, b"b", rb"\."]) + rb"\Z", re.DOTALL)


def _object(data: bytes) -> Any:
    """The object in an array without axes, as numpy writes it: a header, and a pickle.

    The pickle builds an array of one object. `decode_pickle` refuses arrays of objects, so the pickle is cut at the
    places that all of numpy's pickles have, and joined to one that builds a mapping, {None: [object]}: it first puts
    the empty array and then its type under None, and overwrites them. So the memory of the pickle (which holds the
    names of numpy's functions, each only once) is the same when the object is built.
    """
    if data[:6] != b"\x93NUMPY" or data[6:7] not in (b"\x01", b"\x02", b"\x03"):
        raise ValueError(f"is not a numpy array: it begins with {data[:8]!r}")
    width = 2 if data[6] == 1 else 4
    begin = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    if begin > 10_000 or not _HEADER.fullmatch(data[8 + width : begin]):
        raise ValueError(f"has the header {data[8 + width : min(begin, 200)]!r}, expected one object without axes")
    tail = _TAIL.search(data, max(begin, len(data) - 64))
    places = _seams(data[begin : begin + 2000])
    if tail is None or places is None:
        raise ValueError("does not hold one object, as numpy writes it in a pickle of protocol 2 to 5")
    first, mark, kind, built, held = (begin + place for place in places)
    pickle = b"".join(
        [
            data[begin:first] + b"}N",
            data[first:mark] + b"s",  # {None: empty array}
            b"N" + data[kind:built].replace(b"O8", b"f8", 1) + b"s",  # {None: type}, of numbers
            b"N" + data[held : tail.start()] + b"as.",  # {None: [object]}
        ]
    )
    mapping = decode_pickle(pickle, Limits(size=LARGEST))
    if not isinstance(mapping, dict) or not isinstance(mapping.get(None), list) or len(mapping[None]) != 1:
        raise ValueError("does not hold one object")
    return mapping[None][0]


def _seams(head: bytes) -> tuple[int, int, int, int, int] | None:
    """The places in an array's pickle where its first value, state, type, end of type and list begin; or None."""
    steps: list[tuple[str, Any, int]] = []
    try:
        for operation, value, at in pickletools.genops(head):
            steps.append((operation.name, value, at or 0))
            if operation.name == "EMPTY_LIST" or len(steps) > 80:
                break
    except (ValueError, UnicodeError):
        return None
    plain = [(name, value, at) for name, value, at in steps if name not in _STORES]
    names = [name for name, _, _ in plain]
    if names[:1] != ["PROTO"] or names[-3:] != ["BUILD", "NEWFALSE", "EMPTY_LIST"]:
        return None
    for i in range(len(plain) - 4):
        if names[i : i + 4] == ["REDUCE", "MARK", "BININT1", "EMPTY_TUPLE"] and plain[i + 2][1] == 1:
            return plain[1][2], plain[i + 1][2], plain[i + 4][2], plain[-2][2], plain[-1][2]
    return None
