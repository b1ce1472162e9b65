"""Files of Kinetic-GAN and ST-GCN: one .npy of coordinates, and a pickle with the labels beside it."""

from __future__ import annotations

import os
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kinetic.files import checked_target, flush, replacing
from kinetic.formats.mocap import described
from kinetic.formats.pickles import Limits, decode_pickle
from kinetic.motion.arrays import MAX_BYTES, MAX_TEXT, map_array, mebibytes, row_chunks
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.stored import release
from kinetic.skeleton import H36M16, NTU25, NTU25_2D

__all__ = ["label_files", "named_clips", "read_labels", "read_published", "write_published"]

MAX_CLASSES = 10_000
"""The labels end before this number; every class gets a name."""

_SKELETONS = {(3, 25): NTU25, (2, 25): NTU25_2D, (3, 16): H36M16}  # by channels and joints
_LAYOUT = "expected (N, C, T, V) or (N, C, T, V, bodies) with C x V of 3 x 25, 2 x 25 (NTU) or 3 x 16 (Human3.6M)"
_NTU_NAME = re.compile(r"(?:.*[/\\])?S([0-9]{3})C([0-9]{3})P([0-9]{3})R[0-9]{3}A([0-9]{3})(?:\.\w+)?")
_NTU = {"ntu60": (17, 3, 40, 60), "ntu120": (32, 3, 106, 120)}  # the last setup, camera, performer and action


def read_published(path: Path) -> MotionSet:
    """The motions of an .npy file, (N, C, T, V) or (N, C, T, V, bodies), with its labels beside it (`label_files`).

    The labels are `(names, labels)`, a (2, N) array whose second row is used (Kinetic-GAN's generate.py writes the
    labels twice), or N numbers. The first body is the motion, and the second the partner unless it is zeros in all
    motions; both stay on disk where they are float32. Further bodies are not read.

    The files do not state the rest, which is assumed: classes are called A1, A2, ... in the order of their numbers, as
    in NTU RGB+D, the rate is 30 frames per second, and coordinates stay as they are, in metres or from -1 to 1. Where
    all names are those of NTU files (S001C002P003R002A013), they give subjects, views and setups, and the source with
    its official splits.

    Frames of zeros in both bodies at the end are padding. Padding that all motions share is cut off; where some
    remains, the column `frames` says how many frames of each motion come before it.

    `notes` has:

    - labels: the file with the labels
    - classes: "numbers": the names of the classes are their numbers
    - fps: "assumed"
    - range: least and largest coordinate of `motion`
    - file_range: least and largest coordinate of the whole file, all bodies and padding included, by which the
      published code scales; None where some are not finite
    - bodies: bodies in the file, of which the first two are read
    - partners: motions with a second body
    - file_frames: frames in the file
    - padded: motions that end in zeros, after the cut
    - empty: motions of zeros only, which are among the padded
    - gaps: motions with frames of zeros before frames that are not

    Raises:
        ValueError: (to which `read_motions` adds the path) for another shape or type, labels that are missing, damaged,
            or do not fit the motions or their names, first bodies of zeros only, and coordinates that are not finite
    """
    path = Path(path)
    array = map_array(path, "f")
    channels, joints = (array.shape[1], array.shape[3]) if array.ndim in (4, 5) else (0, 0)
    if (channels, joints) not in _SKELETONS:
        raise ValueError(f"has shape {array.shape}, {_LAYOUT}")
    if array.dtype != np.float32 and 4 * array.size > MAX_BYTES:
        raise ValueError(f"has type {array.dtype}; {mebibytes(array.nbytes)} must be float32 to be mapped")
    labels = next((file for file in label_files(path) if file.is_file()), None)
    if labels is None:
        names = ", ".join(file.name for file in label_files(path))
        raise ValueError(f"has no labels beside it; looked for {names}")
    label, clip = read_labels(labels)
    if len(label) != len(array):
        raise ValueError(f"{labels.name} holds {len(label)} labels, expected {len(array)}, one for each motion")
    facts: dict[str, Any] = {"clip": clip}
    if clip:
        try:
            facts |= named_clips(clip, label, joints)
        except ValueError as error:
            raise ValueError(f"{labels.name}: {error}") from error
    scan = _Scan(array)
    if scan.still:
        raise ValueError(f"holds nothing but zeros{' in its first bodies' if array.ndim == 5 else ''}")
    frames = int(scan.frames.max())
    padded = scan.frames < frames
    motions = MotionSet(
        motion=(array[..., 0] if array.ndim == 5 else array)[:, :, :frames],
        partner=array[..., 1][:, :, :frames] if scan.partners else None,
        label=label,
        class_names=tuple(f"A{number + 1}" for number in range(int(label.max()) + 1)),
        skeleton=_SKELETONS[channels, joints],
        columns={"frames": scan.frames} if padded.any() else {},
        **facts,
    )
    extent = _extent(scan.low[:frames], scan.high[:frames])
    if extent is None or not scan.finite:
        _check_finite(motions)
    notes = {
        "labels": labels.name,
        "classes": "numbers",
        "fps": "assumed",
        "range": extent,
        "file_range": _extent(scan.lowest, scan.highest),
        "bodies": array.shape[4] if array.ndim == 5 else 1,
        "file_frames": array.shape[2],
        "partners": scan.partners,
        "padded": int(padded.sum()),
        "empty": int((scan.frames == 0).sum()),
        "gaps": scan.gaps,
    }
    return replace(motions, notes=notes)


def label_files(path: Path) -> tuple[Path, ...]:
    """The files that may hold the labels of an .npy file, in the order in which they are tried.

    The labels of `train_data.npy` (Kinetic-GAN, ST-GCN) and `train_data_joint.npy` (2s-AGCN) are in `train_label.pkl`,
    those of `x.npy` in `x_label.pkl` or `x.pkl`. The name may have `labels` for `label`, and end in .npy for .pkl.
    """
    stem = path.name.removesuffix(".npy")
    stems = [f"{stem}_label"]
    if match := re.fullmatch(r"(.*_)?data(_joint)?", stem):
        stems.insert(0, f"{match[1] or ''}label")
    names = [stem + ending for ending in (".pkl", "s.pkl", ".npy", "s.npy") for stem in stems]
    return tuple(path.with_name(name) for name in [*names, f"{stem}.pkl"])


# ------------------------------------------------------------------------------------------------------------ labels


def read_labels(file: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The numbers of classes, (N,), in a pickle or an .npy file, and the names of the motions, if it has any.

    Raises:
        ValueError: with the name of the file, what it holds and what was expected
    """
    if file.suffix == ".npy":
        table = np.array(map_array(file, "iu", MAX_TEXT))
    else:
        table = decode_pickle(file, Limits(size=MAX_TEXT))
    names: Any = ()
    if isinstance(table, np.ndarray) and table.ndim == 2 and len(table) == 2:
        names, table = table
    elif isinstance(table, (list, tuple)) and len(table) == 2 and all(_is_row(part) for part in table):
        names, table = table
    label, clip = _whole(table, file.name), _words(names)
    if clip and len(clip) != len(label):
        raise ValueError(f"{file.name} holds {len(clip)} names and {len(label)} labels")
    wrong = np.flatnonzero((label < 0) | (label >= MAX_CLASSES))
    if len(wrong):
        raise ValueError(
            f"{file.name}: label {wrong[0]} is {label[wrong[0]]}, expected 0 to {MAX_CLASSES - 1} "
            f"({len(wrong)} such labels)"
        )
    return label.astype(np.int64), clip


def _is_row(part: Any) -> bool:
    return isinstance(part, (list, tuple)) or (isinstance(part, np.ndarray) and part.ndim == 1)


def _whole(values: Any, name: str) -> np.ndarray:
    expected = "expected (names, labels), a (2, N) array or N whole numbers"
    if not _is_row(values):
        raise ValueError(f"{name} holds {described(values)}, {expected}")
    if not len(values):
        raise ValueError(f"{name} holds no labels, {expected}")
    if isinstance(values, np.ndarray):
        kind: Any = values.dtype
        if values.dtype.kind in "iu":
            return values
        if values.dtype.kind == "U":  # numpy makes text of names and numbers in one array
            values = values.tolist()
            if all(re.fullmatch(r"[0-9]{1,9}", value) for value in values):
                return np.array([int(value) for value in values], dtype=np.int64)
    else:
        kind = next((type(value) for value in values if type(value) is not int), None)
        if all(type(value) is int or isinstance(value, np.integer) for value in values):
            return _int64(values, name)
    kind = kind.__name__ if isinstance(kind, type) else kind
    raise ValueError(f"{name} holds labels of type {kind}, {expected}")


def _int64(values: Any, name: str) -> np.ndarray:
    try:
        return np.array([int(value) for value in values], dtype=np.int64)
    except OverflowError as error:
        raise ValueError(f"{name} holds labels beyond 64 bits") from error


def _words(names: Any) -> tuple[str, ...]:
    """The names as text; () where they are numbers."""
    words = names.tolist() if isinstance(names, np.ndarray) else list(names)
    words = [word.decode("latin-1") if isinstance(word, bytes) else word for word in words]
    return tuple(str(word) for word in words) if all(isinstance(word, str) for word in words) else ()


def named_clips(clip: tuple[str, ...], label: np.ndarray, joints: int = 25) -> dict[str, Any]:
    """Setups, views, subjects and the source of motions, from names of NTU RGB+D, as arguments of `MotionSet`.

    The result is empty unless all names are of NTU RGB+D and the skeleton has the 25 joints of Kinect v2.

    Raises:
        ValueError: for a motion whose name has another action than its label
    """
    matches = [_NTU_NAME.fullmatch(name) for name in clip]
    if joints != 25 or not matches or not all(matches):
        return {}
    table = np.array([[int(number) for number in match.groups()] for match in matches if match])  # (N, 4)
    other = np.flatnonzero(table[:, 3] != label + 1)
    if len(other):
        first = other[0]
        raise ValueError(
            f"motion {first} is called {clip[first]!r}, but its label is {label[first]} instead of "
            f"{table[first, 3] - 1} ({len(other)} such motions)"
        )
    setup, view, subject, _ = table.T
    sources = (name for name, last in _NTU.items() if (table >= 1).all() and (table <= last).all())
    return {"setup": setup, "view": view, "subject": subject, "source": next(sources, "")}


# ------------------------------------------------------------------------------------------------------- coordinates


class _Scan:
    """Counts and extremes of the bodies of (N, C, T, V) or (N, C, T, V, bodies), from one pass over the array."""

    def __init__(self, array: np.ndarray) -> None:
        n, _, t = array.shape[:3]
        self.frames = np.zeros(n, dtype=np.int64)  # before the zeros at the end of both
        self.partners = self.gaps = 0
        self.still = self.finite = True
        self.low, self.high = np.full(t, np.inf), np.full(t, -np.inf)  # of the first body, frame by frame
        self.lowest, self.highest = np.inf, -np.inf
        for rows in row_chunks(n, array[0].nbytes):
            part = np.asarray(array[rows])
            release(array)
            # NaN passes through the minimum and maximum of numpy, but not through those of Python.
            self.lowest = float(np.minimum(self.lowest, part.min()))
            self.highest = float(np.maximum(self.highest, part.max()))
            body = np.ascontiguousarray(part[..., 0] if part.ndim == 5 else part)
            # Reducing two axes and then one is five times as fast as reducing three at once.
            self.low = np.minimum(self.low, body.min(axis=(0, 1)).min(axis=1))
            self.high = np.maximum(self.high, body.max(axis=(0, 1)).max(axis=1))
            moves = (body != 0).any(axis=(1, 3))  # (n, T)
            self.still &= not moves.any()
            if part.ndim == 5 and part.shape[4] > 1:
                body = np.ascontiguousarray(part[..., 1])
                second = (body != 0).any(axis=(1, 3))  # (n, T)
                self.partners += int(second.any(axis=1).sum())
                self.finite &= bool(np.isfinite(body.min()) and np.isfinite(body.max()))
                moves |= second
            frames = np.where(moves.any(axis=1), t - moves[:, ::-1].argmax(axis=1), 0)
            self.frames[rows] = frames
            self.gaps += int((moves.sum(axis=1) < frames).sum())


def _check_finite(motions: MotionSet) -> None:
    motions.check()  # names the motions
    if motions.partner is not None:
        try:
            replace(motions, motion=motions.partner, partner=None).check()
        except ValueError as error:
            raise ValueError(f"partner: {str(error).removeprefix(f'{motions.source}: ')}") from error


def _extent(low: Any, high: Any) -> list[float] | None:
    """The least and the largest number as float32, or None where they are not finite."""
    with np.errstate(over="ignore"):
        ends = np.array([np.min(low), np.max(high)], dtype=np.float64).astype(np.float32)
    return ends.tolist() if np.isfinite(ends).all() else None


# ----------------------------------------------------------------------------------------------------------- writing


def write_published(motions: MotionSet, path: str | os.PathLike[str], *, bodies: Literal[0, 1, 2] = 2) -> None:
    """Writes `x_data.npy` and, beside it, the labels in `x_label.pkl`, as ST-GCN and Kinetic-GAN read them.

    The array is float32 (N, C, T, V, bodies), with the partner as second body, or zeros without a partner. The pickle
    holds (names, labels) as plain lists, in protocol 2, which Python 2 and 3 read; for motions without names it holds
    the labels twice, as Kinetic-GAN's own files do. Writing takes the memory of one chunk; both files are replaced only
    when both are complete.

    Such files hold no class names, people, rate, splits, notes or columns; `read_published` recovers people and cameras
    from names of NTU RGB+D, and the padding from its zeros.

    Args:
        path: ends in .npy; `label_files(path)[0]` gets the labels
        bodies: 2; 1 leaves the partner out, 0 also the last axis: (N, C, T, V), as for Human3.6M

    Raises:
        ValueError: for what `read_published` would not read: another number of joints or channels, no motions,
            coordinates that are not finite, or names of NTU RGB+D with other actions than the labels
    """
    target = checked_target(path, [".npy"])
    n, channels, frames, joints = motions.shape
    if (channels, joints) not in _SKELETONS:
        raise ValueError(f"{target}: motions have {channels} x {joints} coordinates a frame, {_LAYOUT}")
    if not n:
        raise ValueError(f"{target}: there are no motions to write")
    try:
        named_clips(motions.clip, motions.label, joints)
    except ValueError as error:
        raise ValueError(f"{target}: {error}") from error
    label = motions.label.tolist()
    shape = (n, channels, frames, joints, bodies) if bodies else (n, channels, frames, joints)
    with replacing(target) as beside, replacing(label_files(target)[0]) as labels:
        with open(beside, "wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            for rows in row_chunks(n, 4 * channels * frames * joints * max(1, bodies)):
                part = _people(motions, rows)[..., :bodies] if bodies else motions.motion[rows]
                if not np.isfinite(part).all():
                    _check_finite(motions)
                file.write(np.ascontiguousarray(part, dtype="<f4").data)
                release(motions.motion)
                release(motions.partner)
        labels.write_bytes(pickle.dumps((list(motions.clip) or label, label), protocol=2))
        flush(beside)  # now, so that the two files are renamed at nearly the same time


def _people(motions: MotionSet, rows: slice) -> np.ndarray:
    """The motions of some rows and their partners: (n, C, T, V, 2)."""
    motion = motions.motion[rows]
    partner = np.zeros_like(motion) if motions.partner is None else motions.partner[rows]
    return np.stack([motion, partner], axis=-1)
