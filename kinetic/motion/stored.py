"""Motions that stay on the disk: rows are read and changed (resampled, centred ...) when they are indexed."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Change", "StoredMotion", "is_stored", "release"]

KEPT = 256 << 20
"""Bytes that are read through a memory map before they are released from the process's memory."""

Change = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A change of rows (n, C, T, V), whose numbers in the file are (n,)."""


class StoredMotion:
    """Motions (N, C, T, V) float32 in a file, of which only the rows in use are in memory.

    It is indexed like an array: by a number, a slice, a list of rows or a mask, or a tuple that begins with one of
    these; the result is an array. `numpy.asarray` reads all rows.

    Args:
        file: the memory-mapped array
        rows: numbers of its rows, in the order of the motions; None = all
        frames: frames of a motion after the changes; None = those of the file
        changes: changes that are applied in this order to rows when they are read; a row does not depend on others
    """

    def __init__(
        self,
        file: np.ndarray,
        rows: np.ndarray | None = None,
        *,
        frames: int | None = None,
        changes: tuple[Change, ...] = (),
    ) -> None:
        self._file, self._changes = np.asarray(file), changes
        self._held = 0  # bytes read since the last release; releasing after every read would take five times as long
        self._rows = np.arange(len(file)) if rows is None else rows
        n, channels, stored, joints = len(self._rows), *file.shape[1:]
        self.shape = (n, channels, stored if frames is None else frames, joints)

    dtype = np.dtype(np.float32)
    ndim = 4

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Bytes of all rows, if they were in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"StoredMotion(shape={self.shape}, {len(self._changes)} changes)"

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *others = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, others = slice(None), [Ellipsis, *others]
        if isinstance(first, (int, np.integer)):
            return np.asarray(self._read(self._rows[[int(first)]])[0][tuple(others)])
        motion = self._read(self._rows[first])
        return np.asarray(motion[(slice(None), *others)]) if others else motion

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("these motions are in a file; an array of them is a copy")
        return np.asarray(self[:], dtype=dtype)

    def __deepcopy__(self, memo: object) -> StoredMotion:
        return self  # it is immutable

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file itself; only rows and changes are pickled."""
        root: Any = self._file
        while not isinstance(root.base, mmap.mmap):
            root = root.base
        begin, (address, _) = root.__array_interface__["data"][0], self._file.__array_interface__["data"]
        offset = address - begin + root.offset
        layout = (self._file.shape, self._file.dtype, offset, self._file.strides)
        return _reopened, (str(root.filename), *layout, self._rows, self.shape[2], self._changes)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        whole = len(rows) > 0 and int(rows[-1]) - int(rows[0]) == len(rows) - 1 and bool((np.diff(rows) == 1).all())
        part = self._file[int(rows[0]) : int(rows[-1]) + 1].copy() if whole else self._file[rows]
        part = np.ascontiguousarray(part, dtype=np.float32)  # (n, C, T, V)
        self._held += part.nbytes
        if self._held > KEPT:
            release(self._file)
            self._held = 0
        for change in self._changes:
            part = change(part, rows)
        return part

    def taken(self, rows: np.ndarray | slice) -> StoredMotion:
        """The motions of some rows; nothing is read."""
        return StoredMotion(self._file, self._rows[rows], frames=self.shape[2], changes=self._changes)

    def changed(self, change: Change, *, frames: int | None = None) -> StoredMotion:
        """The same rows with one more change, after which they may have another number of frames.

        `change` gets the numbers of rows in this object, not in the file.
        """
        place = np.full(len(self._file), -1)
        place[self._rows] = np.arange(len(self._rows))
        changes: tuple[Change, ...] = (*self._changes, _Placed(change, place))
        return StoredMotion(self._file, self._rows, frames=self.shape[2] if frames is None else frames, changes=changes)

    @classmethod
    def of(cls, motion: Any) -> StoredMotion:
        """A memory map, or a `StoredMotion`, as a `StoredMotion`."""
        return motion if isinstance(motion, StoredMotion) else cls(motion)


@dataclass(frozen=True, eq=False)
class _Placed:
    """A change of some rows of a file that gets their places among these rows."""

    change: Change
    place: np.ndarray

    def __call__(self, part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return self.change(part, self.place[rows])


def _reopened(
    path: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    offset: int,
    strides: tuple[int, ...],
    rows: np.ndarray,
    frames: int,
    changes: tuple[Change, ...],
) -> StoredMotion:
    whole = np.memmap(path, np.uint8, "r")
    return StoredMotion(np.ndarray(shape, dtype, whole, offset, strides), rows, frames=frames, changes=changes)


def is_stored(motion: Any) -> bool:
    """Whether motions are on the disk: in a memory map, a view of one, or a `StoredMotion`."""
    return isinstance(motion, StoredMotion) or _map(motion) is not None


def release(array: Any) -> None:
    """Releases the pages of a memory map from this process's memory; the system may still cache them.

    Without it all pages that were ever read count as memory of the process, up to the size of the file. A writeable map
    is left alone, because changes in a private one would be lost.
    """
    pages = _map(array)
    if pages is not None and not _writeable(array) and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)


def _writeable(array: Any) -> bool:
    if isinstance(array, StoredMotion):
        array = array._file
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return True
        array = array.base
    return False


def _map(array: Any) -> mmap.mmap | None:
    if isinstance(array, StoredMotion):
        array = array._file
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None
