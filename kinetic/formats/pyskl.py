"""Files of PYSKL and MMAction2: a pickle of one mapping for each clip, with float16 joints."""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from einops import rearrange

from kinetic.files import checked_target, replacing
from kinetic.formats.mocap import described
from kinetic.formats.pickles import decode_pickle
from kinetic.formats.published import named_clips
from kinetic.motion.arrays import MAX_BYTES, mebibytes, row_chunks
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import MotionWriter
from kinetic.motion.stored import release
from kinetic.skeleton import COCO17, NTU25, NTU25_2D

__all__ = ["read_pyskl", "unpack_pyskl", "write_pyskl"]

MAX_CLASSES = 10_000
MOST_UNPACKED = 1 << 40
"""Bytes of the largest set that is written to a folder."""
MAX_SWELL = (256 << 20, 200)
"""A set of more bytes than the first number may be as many times as large as its file as the second, not more."""

_SKELETONS = {(25, 3): NTU25, (25, 2): NTU25_2D, (17, 2): COCO17}  # by joints and coordinates
_LAYOUT = "expected (bodies, frames, joints, coordinates) with 25 x 3, 25 x 2 (NTU) or 17 x 2 (COCO)"
_KEYS = ("frame_dir", "label", "keypoint", "total_frames")
_SIDE = re.compile(r"(?:(.+)_)?(train|val|test)([0-9]*)")
_OFFICIAL = {"xset": "xsetup"}  # what PYSKL calls one of the splits of NTU RGB+D 120
_SHORT = {name: short for short, name in _OFFICIAL.items()}
_BY = {"xsub": "subject", "xview": "view", "xsetup": "setup"}  # what the official splits go by


def read_pyskl(path: Path) -> MotionSet:
    """The motions of a .pkl of PYSKL or MMAction2: a list of annotations, or a mapping of `split` and `annotations`.

    An annotation is a mapping with frame_dir (the name of the clip), label, keypoint (bodies, frames, joints,
    coordinates) and total_frames. It is decoded, never unpickled (`decode_pickle`). The first body is the motion, and
    the second is the partner unless it is zeros; further bodies, scores and other keys are not read. Motions are padded
    with zeros to the longest; where lengths differ, the column `frames` has them.

    The number of joints gives the skeleton: 25 is NTU RGB+D in three or two dimensions, 17 is COCO. Its coordinates are
    pixels with y down; here y points up, so it is the negative of the file's. Where every annotation has an img_shape,
    the columns `height` and `width` have it.

    Classes are called A1, A2, ..., and the rate is assumed to be 30 frames per second. Where all names are those of NTU
    RGB+D, they give subjects, views, setups and the source with its official splits. The file's own splits
    (`NAME_train` and `NAME_val` or `NAME_test`; one without a name is called `published`) are kept where subjects,
    views or setups separate the sides. Where the names are not of NTU RGB+D, `setup` numbers the clips by the lists
    that they are in, and the splits go by it.

    Reading takes memory: float32 for the result, 90 kB a body for 300 frames of NTU RGB+D, and the arrays of the file,
    which stay on the disk where the file was written in protocol 3 or later. A result of more than 16 GiB, such as that
    of NTU RGB+D 120, is refused: `unpack_pyskl` writes it to a folder.

    `notes` has: classes ("numbers"), fps ("assumed"), precision (the type of the coordinates in the file), bodies (the
    most in a motion), partners (motions with a second body), padded (motions shorter than the longest), left_out (keys
    that are not read) and, where they apply, coordinates (that they are pixels), setup (its meaning, where it is not
    NTU's) and other_splits (those that are not kept).

    Raises:
        ValueError: (to which `read_motions` adds the path) with the annotation, what it holds and what was expected.
            Coordinates are not checked here: `read_motions` and `MotionSet.check` do that.
    """
    content = _Content(Path(path))
    motion, partner = content.padded(slice(None))
    return MotionSet(motion=motion, partner=partner, **content.shared, **content.rows)


def unpack_pyskl(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Writes the set that `read_pyskl` would return to a folder (or .npz) of motions; it may exceed the memory.

    Takes the memory of one chunk, and that of the file's arrays where it was written in a protocol before 3.

    Raises:
        ValueError: with the path, as `read_pyskl` does, and for coordinates that are not finite
    """
    path = Path(path)
    try:
        content = _Content(path, MOST_UNPACKED)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    n, _, longest, _ = content.shape
    clip, columns = content.rows["clip"], content.rows["columns"]
    numbers = {name: content.rows[name] for name in ("label", "subject", "view", "setup") if name in content.rows}
    with MotionWriter(folder, n, frames=longest, **content.shared) as writer:
        for rows in row_chunks(n, 4 * math.prod(content.shape[1:])):
            motion, partner = content.padded(rows)
            writer.write(
                motion,
                clip=clip[rows],
                columns={name: values[rows] for name, values in columns.items()},
                partner=partner,
                **{name: values[rows] for name, values in numbers.items()},
            )


class _Content:
    """The annotations of a file, with their joints not yet padded.

    Attributes:
        shape: (N, C, T, V) of the motions when they are padded
        shared: facts of the whole set, as arguments of `MotionSet` and `MotionWriter`
        rows: facts of each motion, as arguments of `MotionSet`
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        try:
            split, annotations = _parts(decode_pickle(path))
        except ValueError as error:  # the caller adds the path
            raise ValueError(str(error).removeprefix(f"{path.name}: ")) from error
        joints = None
        for number, annotation in enumerate(annotations):
            try:
                joints = _check_annotation(annotation, joints)
            except ValueError as error:
                raise ValueError(f"annotation {number}: {error}") from error
        self.skeleton = _SKELETONS[cast(tuple[int, int], joints)]
        self.keypoints: list[np.ndarray] = [annotation["keypoint"] for annotation in annotations]
        self.frames = np.array([keypoint.shape[1] for keypoint in self.keypoints], dtype=np.int64)
        self.second = [len(keypoint) > 1 and bool((keypoint[1] != 0).any()) for keypoint in self.keypoints]
        longest = int(self.frames.max())
        self.shape = (len(annotations), self.skeleton.channels, longest, len(self.skeleton.joints))
        self._check_size(path.stat().st_size, MAX_BYTES if limit is None else limit)
        clip = tuple(str(annotation["frame_dir"]) for annotation in annotations)
        label = np.array([int(annotation["label"]) for annotation in annotations], dtype=np.int64)
        facts = named_clips(clip, label)
        padded = self.frames < longest
        columns = {"frames": self.frames} if padded.any() else {}
        notes: dict[str, Any] = {
            "classes": "numbers",
            "fps": "assumed",
            "precision": ", ".join(sorted({keypoint.dtype.name for keypoint in self.keypoints})),
            "bodies": max(len(keypoint) for keypoint in self.keypoints),
            "partners": sum(self.second),
            "padded": int(padded.sum()),
        }
        read = set(_KEYS)
        if self.skeleton is COCO17:
            notes["coordinates"] = "pixels; y is the negative of the file's, so that it points up"
            if sizes := _picture_sizes(annotations):
                columns |= sizes
                read |= {"img_shape", "original_shape"}
        keys = {str(key)[:40] for annotation in annotations for key in annotation if key not in read}
        notes["left_out"] = sorted(keys)[:20]
        rules, others, setup = _rules(split, clip, facts)
        if setup is not None:
            facts["setup"] = setup
            notes["setup"] = "which lists of the file's splits a motion is in"
        if others:
            notes["other_splits"] = others
        self.shared: dict[str, Any] = {
            "class_names": tuple(f"A{number + 1}" for number in range(int(label.max()) + 1)),
            "skeleton": self.skeleton,
            "source": facts.pop("source", ""),
            "splits": rules,
            "notes": notes,
        }
        self.rows: dict[str, Any] = {"label": label, "clip": clip, "columns": columns, **facts}

    def _check_size(self, file_size: int, limit: int) -> None:
        n, _, longest, _ = self.shape
        size = 4 * math.prod(self.shape) * (2 if any(self.second) else 1)
        what = f"holds {n} motions of up to {longest} frames: {mebibytes(size)} when they are padded"
        if size > limit:
            raise ValueError(
                f"{what}, more than the {mebibytes(limit)} that are read into memory; unpack it to a folder"
            )
        if size > MAX_SWELL[0] and size > MAX_SWELL[1] * file_size:
            raise ValueError(f"{what}, out of {mebibytes(file_size)}")

    def padded(self, rows: slice) -> tuple[np.ndarray, np.ndarray | None]:
        """(n, C, T, V) of the first bodies, and of the second where any motion of the file has one."""
        keypoints, second = self.keypoints[rows], self.second[rows]
        motion = np.zeros((len(keypoints), *self.shape[1:]), dtype=np.float32)
        partner = np.zeros(motion.shape, dtype=np.float32) if any(self.second) else None
        with np.errstate(over="ignore", invalid="ignore"):  # becomes inf or NaN, which `check` finds
            for row, (keypoint, two) in enumerate(zip(keypoints, second, strict=True)):
                frames = keypoint.shape[1]
                if len(keypoint):
                    motion[row, :, :frames] = rearrange(keypoint[0], "t v c -> c t v")
                if partner is not None and two:
                    partner[row, :, :frames] = rearrange(keypoint[1], "t v c -> c t v")
            if self.skeleton is COCO17:
                for body in (motion, partner):
                    if body is not None:
                        np.subtract(0, body[:, 1], out=body[:, 1])
        return motion, partner


def _parts(value: Any) -> tuple[dict[str, list[str]], list[Any]]:
    """The lists of clips by name, and the annotations."""
    split: Any = {}
    annotations = value
    if isinstance(value, dict):
        split, annotations = value.get("split", {}), value.get("annotations")
    if not isinstance(annotations, list) or not annotations:
        raise ValueError(
            f"holds {described(value)}, expected a list of annotations, or a mapping of split and annotations"
        )
    if not isinstance(split, dict):
        raise ValueError(f"split is {described(split)}, expected a mapping of names to lists of clips")
    for name, listed in split.items():
        if not isinstance(name, str) or not isinstance(listed, list) or not all(isinstance(c, str) for c in listed):
            raise ValueError(f"split {str(name)[:40]!r} is {described(listed)}, expected a list of names of clips")
    return split, annotations


def _check_annotation(annotation: Any, shape: tuple[int, int] | None) -> tuple[int, int]:
    """The numbers of joints and coordinates of an annotation; `shape` has those of the annotations before it."""
    if not isinstance(annotation, dict):
        raise ValueError(f"is {described(annotation)}, expected a mapping")
    if missing := [key for key in _KEYS if key not in annotation]:
        keys = ", ".join(str(key)[:40] for key in list(annotation)[:10])
        raise ValueError(f"has no {missing[0]}; it has {keys or 'nothing'}")
    name, label, keypoint, total = (annotation[key] for key in _KEYS)
    if not isinstance(name, str):
        raise ValueError(f"frame_dir is {described(name)}, expected the name of the clip")
    for key, number, most in (("label", label, MAX_CLASSES - 1), ("total_frames", total, 1 << 31)):
        if not isinstance(number, (int, np.integer)) or isinstance(number, bool) or not 0 <= number <= most:
            value = number if isinstance(number, (int, np.integer)) else described(number)
            raise ValueError(f"{key} is {value}, expected a whole number from 0 to {most}")
    if not isinstance(keypoint, np.ndarray) or keypoint.dtype.kind != "f":
        raise ValueError(f"keypoint is {described(keypoint)}, expected an array of floats")
    if keypoint.ndim != 4 or keypoint.shape[2:] not in _SKELETONS or not keypoint.shape[1]:
        raise ValueError(f"keypoint has shape {keypoint.shape}, {_LAYOUT}")
    if shape not in (None, keypoint.shape[2:]):
        raise ValueError(
            f"keypoint has shape {keypoint.shape}, the annotations before it (..., {shape[0]}, {shape[1]})"
        )
    if total != keypoint.shape[1]:
        raise ValueError(f"total_frames is {total}, but keypoint has {keypoint.shape[1]} frames")
    return cast(tuple[int, int], keypoint.shape[2:])


def _picture_sizes(annotations: list[Any]) -> dict[str, np.ndarray]:
    """The columns `height` and `width`, where every annotation has an img_shape; else none."""
    sizes = [annotation.get("img_shape") for annotation in annotations]
    for size in sizes:
        if not (isinstance(size, (list, tuple)) and len(size) == 2):
            return {}
        if not all(isinstance(side, (int, np.integer)) and 0 < side < 1 << 31 for side in size):
            return {}
    table = np.array(sizes, dtype=np.int64)  # (N, 2)
    return {"height": table[:, 0], "width": table[:, 1]}


def _rules(
    split: Mapping[str, list[str]], clip: tuple[str, ...], facts: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], list[str], np.ndarray | None]:
    """The file's splits as rules, the names of splits that no rule describes, and the `setup` that the rules use."""
    lists: dict[str, dict[str, np.ndarray]] = {}
    for name, listed in split.items():
        if match := _SIDE.fullmatch(name):
            title = f"{match[1] or ''}{match[3]}" or "published"
            members = set(listed)
            lists.setdefault(_OFFICIAL.get(title, title), {})[match[2]] = np.array([name in members for name in clip])
    table = np.array([mask for sides in lists.values() for mask in sides.values()])  # (lists, N)
    setup = None
    if lists and not facts:
        setup = np.unique(table, axis=1, return_inverse=True)[1].reshape(len(clip)).astype(np.int64) + 1
    values = {"setup": setup} if setup is not None else {by: facts[by] for by in _BY.values() if by in facts}
    rules: dict[str, dict[str, Any]] = {}
    for name, sides in lists.items():
        test = sides.get("test", sides.get("val"))
        if "train" not in sides or test is None:
            continue
        first = _BY.get(name)
        for by in sorted(values, key=lambda by: by != first):
            ids = [np.unique(values[by][mask]) for mask in (sides["train"], test, ~(sides["train"] | test))]
            together = np.concatenate(ids)
            if len(ids[0]) and len(ids[1]) and len(np.unique(together)) == len(together):
                rules[name] = {"by": by, "train": ids[0].tolist(), "test": ids[1].tolist()}
                break
    return rules, [name for name in lists if name not in rules], setup


# ----------------------------------------------------------------------------------------------------------- writing


def write_pyskl(motions: MotionSet, path: str | os.PathLike[str], splits: Collection[str] = ()) -> None:
    """Writes a .pkl that PYSKL and MMAction2 read: a list of annotations, or with splits a mapping with their lists.

    Coordinates become float16, as in the published files: 1 mm at 1 to 2 m. Padding (`columns["frames"]`) is left out,
    and a partner that is not all zeros is the second body. Motions without names are called motion000000, motion000001,
    ... The lists of a split are called `NAME_train` and `NAME_val` (`xset` for xsetup, and only `train` and `val` for
    one called `published`). For joints of COCO, y points down again, and the columns `height` and `width` become
    img_shape and original_shape.

    The file is a pickle of protocol 3, for numpy 1 and 2, that names only functions of numpy's arrays. Writing takes
    the memory of one chunk; the file is replaced only when it is complete.

    Raises:
        ValueError: for other joints than the 25 of NTU RGB+D and the 17 of COCO, coordinates that are not finite in
            float16, a split that the set does not have, two clips of one name in a set with splits, or names of NTU
            RGB+D with other actions than the labels
    """
    target = checked_target(path, [".pkl"])
    n, channels, frames, joints = motions.shape
    if (joints, channels) not in _SKELETONS:
        raise ValueError(f"{target}: motions have {joints} x {channels} coordinates a frame, {_LAYOUT}")
    if not n:
        raise ValueError(f"{target}: there are no motions to write")
    clip = motions.clip or tuple(f"motion{number:06}" for number in range(n))
    if splits and len(set(clip)) < n:
        raise ValueError(f"{target}: two motions are called {max(clip, key=clip.count)!r}; a split goes by names")
    try:
        named_clips(clip, motions.label)
        sides = {name: motions.split_rows(name) for name in splits}
    except ValueError as error:
        raise ValueError(f"{target}: {error}") from error
    with replacing(target) as beside, open(beside, "wb") as file:
        file.write(b"\x80\x03")
        if splits:
            file.write(b"}(" + _text("split") + b"}(")
            for name, pair in sides.items():
                prefix = "" if name == "published" else f"{_SHORT.get(name, name)}_"
                for side, rows in zip(("train", "val"), pair, strict=True):
                    file.write(_text(prefix + side) + b"](" + b"".join(_text(clip[row]) for row in rows) + b"e")
            file.write(b"u" + _text("annotations"))
        file.write(b"](")
        for row, keypoint in enumerate(_keypoints(motions)):
            if not np.isfinite(keypoint).all():
                raise ValueError(f"{target}: motion {row} has coordinates that float16 does not hold")
            file.write(_annotation(clip[row], int(motions.label[row]), keypoint, _picture_size(motions, row)))
        file.write(b"eu." if splits else b"e.")


def _keypoints(motions: MotionSet) -> Iterator[np.ndarray]:
    """(bodies, frames, V, C) float16 of each motion, without its padding."""
    n, channels, longest, joints = motions.shape
    frames = np.maximum(motions.columns.get("frames", np.full(n, longest)), 1)
    for rows in row_chunks(n, 4 * channels * longest * joints):
        bodies = [part[rows] for part in (motions.motion, motions.partner) if part is not None]
        release(motions.motion)
        release(motions.partner)
        for row in range(len(bodies[0])):
            people = [body[row] for number, body in enumerate(bodies) if not number or (body[row] != 0).any()]
            keypoint = rearrange(np.stack(people), "m c t v -> m t v c")[:, : int(frames[rows.start + row])]
            with np.errstate(over="ignore", invalid="ignore"):  # becomes inf or NaN, which is refused
                if (joints, channels) == (17, 2):
                    keypoint = np.stack([keypoint[..., 0], 0 - keypoint[..., 1]], axis=-1)
                half = np.ascontiguousarray(keypoint, dtype="<f2")
            yield half


def _picture_size(motions: MotionSet, row: int) -> tuple[int, int] | None:
    if motions.skeleton.channels == 3 or not {"height", "width"} <= set(motions.columns):
        return None
    return int(motions.columns["height"][row]), int(motions.columns["width"][row])


# The operations of a pickle, as `pickletools.dis` shows them. They are written one by one because `pickle.dump` needs
# all motions in memory, and names numpy's modules as numpy 1 does not.


def _text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def _whole(*values: int) -> bytes:
    return b"".join(b"J" + struct.pack("<i", value) for value in values)


_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
_FLOAT16 = b"cnumpy\ndtype\n" + _text("f2") + b"\x89\x88\x87R(K\x03" + _text("<") + b"NNN" + _whole(-1, -1) + b"K\x00tb"


def _annotation(name: str, label: int, keypoint: np.ndarray, size: tuple[int, int] | None) -> bytes:
    raw = keypoint.tobytes()
    array = (
        _ARRAY + b"(K\x01(" + _whole(*keypoint.shape) + b"t" + _FLOAT16 + b"\x89B" + struct.pack("<I", len(raw)) + raw
    )
    parts = [_text("frame_dir"), _text(name), _text("label"), _whole(label), _text("keypoint"), array, b"tb"]
    parts += [_text("total_frames"), _whole(keypoint.shape[1])]
    if size is not None:
        for key in ("img_shape", "original_shape"):
            parts += [_text(key), _whole(*size), b"\x86"]
    return b"}(" + b"".join(parts) + b"u"
