"""Files of CTR-GCN: one .npz with the coordinates and labels of both sides of a split."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange

from kinetic.files import checked_target, replacing
from kinetic.motion.arrays import MAX_TEXT, Archive, row_chunks
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.stored import release
from kinetic.skeleton import NTU25

__all__ = ["read_ctrgcn", "write_ctrgcn"]

FRAMES = 300
"""Frames of every motion in the published files."""
MAX_CLASSES = 10_000

_SIDES = ("train", "test")
_WIDTH = 2 * 25 * 3  # bodies, joints, coordinates
_SPLITS = {"CS": "xsub", "CSUB": "xsub", "CV": "xview", "CSET": "xsetup"}  # by the end of a published file's name


def read_ctrgcn(path: Path) -> MotionSet:
    """The motions of an .npz with x_train, y_train, x_test and y_test, as CTR-GCN's seq_transformation.py writes it.

    x is (N, T, 150): two bodies of 25 joints of x, y and z in every frame; y is (N, classes), 1 for the class and
    0 for others. The train side comes first. The second body is the partner. A motion has no partner if its second
    body is zeros (as in the files of NTU RGB+D 60) or a copy of the first (as in those of NTU RGB+D 120).

    The file has no people, cameras or setups, only the sides of a split. A split needs one of these three, so `setup`
    is 1 on the train side and 2 on the test side. The split is called xsub, xview or xsetup where the name of the file
    ends in CS, CSub, CV or CSet, else `published`. Classes are called A1, A2, ..., and the rate is assumed to be 30
    frames per second.

    Frames of zeros in both bodies at the end are padding. Padding that all motions share is cut off; where some
    remains, the column `frames` says how many frames of each motion come before it.

    Reading takes 180 kB for each motion of 300 frames, and as much again for those of the larger side while it is
    unpacked: up to 17 GB for NTU RGB+D 60, and 32 GB for 120.

    `notes` has: classes ("numbers"), fps ("assumed"), setup (its meaning), file_frames (frames in the file), partners
    (motions with a second body), repeated (motions whose second body is a copy of the first), padded (motions that end
    in zeros, after the cut) and empty (motions of zeros only).

    Raises:
        ValueError: (to which `read_motions` adds the path) for arrays that are missing or have another shape, labels
            that are not exactly one 1 in a row, and a file of zeros only. Coordinates are not checked here:
            `read_motions` and `MotionSet.check` do that.
    """
    with Archive(path) as archive:
        tables = [_labels(archive.array(f"y_{side}", "fiub", MAX_TEXT), f"y_{side}") for side in _SIDES]
        label = np.concatenate([labels for labels, _ in tables])
        classes = tables[0][1]
        if tables[1][1] != classes:
            raise ValueError(f"y_train has {classes} classes, y_test {tables[1][1]}")
        counts = [len(labels) for labels, _ in tables]
        sides: Any = None
        first = repeated = 0
        for side, count in zip(_SIDES, counts, strict=True):
            x = archive.array(f"x_{side}", "f")
            if x.ndim != 3 or x.shape[0] != count or x.shape[2] != _WIDTH or not x.shape[1]:
                raise ValueError(f"x_{side} has shape {x.shape}, expected ({count}, frames, {_WIDTH})")
            if sides is None:
                # Pages of zeros take memory only when they are written, so partners that never occur take none.
                sides = _Bodies(len(label), x.shape[1])
            elif x.shape[1] != sides.motion.shape[2]:
                raise ValueError(f"x_train has {sides.motion.shape[2]} frames, x_{side} {x.shape[1]}")
            repeated += sides.fill(first, x)
            first += count
            del x  # before the next side is read
    frames = int(sides.frames.max())
    if not sides.moves:
        raise ValueError("holds nothing but zeros in its first bodies")
    padded = sides.frames < frames
    match = re.search(r"_(CS|CV|CSub|CSet)$", Path(path).stem, re.IGNORECASE)
    return MotionSet(
        motion=sides.motion[:, :, :frames],
        partner=sides.partner[:, :, :frames] if sides.partners else None,
        label=label,
        class_names=tuple(f"A{number + 1}" for number in range(classes)),
        skeleton=NTU25,
        setup=np.repeat([1, 2], counts),
        splits={_SPLITS[match[1].upper()] if match else "published": {"by": "setup", "train": [1], "test": [2]}},
        columns={"frames": sides.frames} if padded.any() else {},
        notes={
            "classes": "numbers",
            "fps": "assumed",
            "setup": "1 = train side of the file, 2 = its test side",
            "file_frames": sides.motion.shape[2],
            "partners": sides.partners,
            "repeated": repeated,
            "padded": int(padded.sum()),
            "empty": int((sides.frames == 0).sum()),
        },
    )


class _Bodies:
    """Arrays of two bodies, (N, 3, T, 25) each, and counts over their motions."""

    def __init__(self, n: int, frames: int) -> None:
        self.motion = np.zeros((n, 3, frames, 25), dtype=np.float32)
        self.partner = np.zeros((n, 3, frames, 25), dtype=np.float32)
        self.frames = np.zeros(n, dtype=np.int64)  # before the zeros at the end of both
        self.partners = 0
        self.moves = False

    def fill(self, first: int, x: np.ndarray) -> int:
        """Writes (n, T, 150) from row `first` on; returns how many of them have the same body twice."""
        repeated = 0
        t = x.shape[1]
        for rows in row_chunks(len(x), x[0].nbytes):
            body, other = rearrange(x[rows], "n t (m v c) -> m n c t v", m=2, c=3)
            same = (body == other).all(axis=(1, 2, 3)) & (body != 0).any(axis=(1, 2, 3))
            second = (other != 0).any(axis=(1, 2, 3)) & ~same
            target = slice(first + rows.start, first + rows.stop)
            with np.errstate(over="ignore", invalid="ignore"):  # becomes inf or NaN, which `check` finds
                self.motion[target] = body
                self.partner[target][second] = other[second]
            moves = (body != 0).any(axis=(1, 3)) | (other != 0).any(axis=(1, 3))  # (n, T)
            self.frames[target] = np.where(moves.any(axis=1), t - moves[:, ::-1].argmax(axis=1), 0)
            self.moves |= bool((body != 0).any())
            self.partners += int(second.sum())
            repeated += int(same.sum())
        return repeated


def _labels(table: np.ndarray, name: str) -> tuple[np.ndarray, int]:
    """The column of the 1 in each row, (n,), and the number of columns."""
    if table.ndim != 2 or not len(table) or not 1 <= table.shape[1] <= MAX_CLASSES:
        raise ValueError(f"{name} has shape {table.shape}, expected (motions, classes)")
    wrong = np.flatnonzero(((table != 0) & (table != 1)).any(axis=1) | ((table == 1).sum(axis=1) != 1))
    if len(wrong):
        raise ValueError(f"{name} has other than one 1 among zeros in row {wrong[0]} ({len(wrong)} such rows)")
    return table.argmax(axis=1).astype(np.int64), table.shape[1]


def write_ctrgcn(
    motions: MotionSet, path: str | os.PathLike[str], split: str = "xsub", *, repeated: bool = False
) -> None:
    """Writes the two sides of a split to an .npz with x_train, y_train, x_test and y_test, as CTR-GCN reads it.

    Motions are padded with zeros to 300 frames (longer ones keep their length), and the arrays are compressed. Writing
    takes the memory of one chunk and the labels; the file is replaced only when it is complete. It holds no class
    names, people, cameras, clip names, rate, notes or columns, and no motion that is on neither side.

    Args:
        path: ends in .npz; the names of CTR-GCN's own files are NTU60_CS, NTU60_CV, NTU120_CSub and NTU120_CSet
        split: one of `motions.split_rules()`
        repeated: a person without a partner is written as both bodies, as in CTR-GCN's files of NTU RGB+D 120, instead
            of beside zeros

    Raises:
        ValueError: for another skeleton than the 25 joints of NTU RGB+D in three dimensions, a split that the set does
            not have, and coordinates that are not finite.
    """
    target = checked_target(path, [".npz"])
    _, channels, frames, joints = motions.shape
    if (channels, joints) != (3, 25):
        raise ValueError(f"{target}: motions have {channels} x {joints} coordinates a frame, expected 3 x 25")
    try:
        sides = motions.split_rows(split)
    except ValueError as error:
        raise ValueError(f"{target}: {error}") from error
    frames = max(FRAMES, frames)
    with replacing(target) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for side, chosen in zip(_SIDES, sides, strict=True):
            with archive.open(f"x_{side}.npy", "w", force_zip64=True) as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": (len(chosen), frames, _WIDTH)}
                np.lib.format.write_array_header_1_0(file, header)
                for rows in row_chunks(len(chosen), 4 * frames * _WIDTH):
                    x = _frames(motions, chosen[rows], frames, repeated)
                    if not np.isfinite(x).all():
                        wrong = chosen[rows][~np.isfinite(x).all(axis=(1, 2))]
                        raise ValueError(f"{target}: NaN or infinite coordinates in motion {wrong[0]}")
                    file.write(x.data)
            with archive.open(f"y_{side}.npy", "w", force_zip64=True) as file:
                table = motions.label[chosen, None] == np.arange(len(motions.class_names))
                np.lib.format.write_array(file, table.astype(np.float64))


def _frames(motions: MotionSet, rows: np.ndarray, frames: int, repeated: bool) -> np.ndarray:
    """Both bodies of some motions, padded with zeros: (n, frames, 150)."""
    body = motions.motion[rows]
    other = np.zeros_like(body) if motions.partner is None else motions.partner[rows]
    release(motions.motion)
    release(motions.partner)
    if repeated:
        alone = ~(other != 0).any(axis=(1, 2, 3), keepdims=True)
        other = np.where(alone, body, other)
    out = np.zeros((len(body), frames, _WIDTH), dtype="<f4")
    out[:, : body.shape[2]] = rearrange([body, other], "m n c t v -> n t (m v c)")
    return out
