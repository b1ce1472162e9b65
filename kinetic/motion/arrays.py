"""Arrays in untrusted .npy and .npz files; the claims of their headers are checked before anything is allocated."""

from __future__ import annotations

import ast
import math
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np

__all__ = ["CHUNK", "MAX_BYTES", "MAX_TEXT", "Archive", "Header", "map_array", "mebibytes", "row_chunks"]

MAX_BYTES = 16 << 30
"""Bytes of the largest array that is read into memory; larger sets belong in a folder, which is memory-mapped."""
MAX_TEXT = 128 << 20
"""Bytes of the largest text (names, notes) beside the motions."""
MAX_RATIO = (256 << 20, 200)
"""An array of more bytes than the first number may be compressed by the second, not more."""
CHUNK = 32 << 20
"""Bytes that are scanned, converted or copied at a time."""


class Archive:
    """An untrusted zip file of arrays, as numpy writes them."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        self._members: dict[str, zipfile.ZipInfo] = {}
        members = self._zip.infolist()
        if len(members) > 1000:
            self._zip.close()
            raise ValueError(f"holds {len(members)} members, expected a dozen arrays")
        for member in members:
            if member.filename in self._members:
                self._zip.close()
                raise ValueError(f"holds two members called {member.filename!r}")
            self._members[member.filename] = member

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def array(self, name: str, kinds: str, limit: int | None = None) -> np.ndarray:
        """The array of that name, if its type is one of `kinds` (numpy's letters)."""
        if f"{name}.npy" not in self._members:
            raise ValueError(f"has no array {name!r}; it holds {', '.join(self.names[:12])}")
        member = self._members[f"{name}.npy"]
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name} is encrypted or compressed in a way that numpy does not use")
        packed, size = max(1, member.compress_size), member.file_size
        # Deflate compresses by at most 1032, and motions by at most 2 unless nothing moves.
        if size > 1100 * packed or (size > MAX_RATIO[0] and size > MAX_RATIO[1] * packed):
            raise ValueError(
                f"{name} claims {mebibytes(size)} in {mebibytes(packed)} of the file: motions do not compress like that"
            )
        with self._zip.open(member) as file:
            stream = cast(BinaryIO, file)
            header = Header.read(stream, name, size)
            header.expect(name, kinds, size, MAX_BYTES if limit is None else limit)
            flat = np.empty(header.count, dtype=header.dtype)
            buffer = flat.view(np.uint8).data
            at = 0
            while at < len(buffer):
                count = stream.readinto(buffer[at : at + CHUNK])  # type: ignore[attr-defined]
                if not count:
                    raise ValueError(f"{name} ends after {at} of {len(buffer)} bytes")
                at += count
            if stream.read(1):  # reading the end also checks the member's checksum
                raise ValueError(f"{name} has bytes after its last number")
        if header.dtype.kind == "U" and flat.size:
            letters = flat.view(np.dtype(np.uint32).newbyteorder(header.dtype.byteorder))
            if letters.max() > 0x10FFFF:  # numpy would fail with a SystemError
                raise ValueError(f"{name} holds letters outside Unicode")
        return flat.reshape(header.shape, order=header.order)

    def text(self, name: str) -> str:
        """The text in an array without axes."""
        value = self.array(name, "U", MAX_TEXT)
        if value.shape != ():
            raise ValueError(f"{name} has shape {value.shape}, expected a single text")
        return str(value)

    def words(self, name: str) -> tuple[str, ...]:
        """The names in an array with one axis."""
        values = self.array(name, "U", MAX_TEXT)
        if values.ndim != 1 or len(values) > 5_000_000:
            raise ValueError(f"{name} has shape {values.shape}, expected a list of names")
        return tuple(str(value) for value in values)


@dataclass(frozen=True)
class Header:
    """The header of a .npy file: type, shape and order, and the byte at which the numbers begin."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    offset: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @classmethod
    def read(cls, file: BinaryIO, name: str, size: int) -> Header:
        magic = file.read(8)
        if magic[:6] != b"\x93NUMPY" or len(magic) < 8 or magic[6] not in (1, 2, 3):
            raise ValueError(f"{name} is not a numpy array: it begins with {magic!r}")
        width = 2 if magic[6] == 1 else 4
        length = int.from_bytes(file.read(width), "little")
        offset = 8 + width + length
        if length > 10_000 or offset > size:
            raise ValueError(f"{name} announces a header of {length} bytes")
        try:
            fields = ast.literal_eval(file.read(length).decode("utf-8" if magic[6] == 3 else "latin-1").strip())
            descr, order, shape = fields["descr"], fields["fortran_order"], fields["shape"]
        except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
            raise ValueError(f"{name} has a damaged header") from error
        if not isinstance(descr, str) or not re.fullmatch(r"[<>|=]?[biufU][0-9]{1,9}", descr):
            raise ValueError(f"{name} has type {str(descr)[:40]!r}, expected plain numbers or text")
        if type(order) is not bool or type(shape) is not tuple or len(shape) > 8:
            raise ValueError(f"{name} has a damaged header")
        if not all(type(length) is int and 0 <= length < 1 << 48 for length in shape):
            raise ValueError(f"{name} has shape {str(shape)[:80]}, expected counts")
        try:
            dtype = np.dtype(descr)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} has type {descr!r}, which numpy does not know") from error
        if not dtype.itemsize:
            raise ValueError(f"{name} has type {descr!r}, which holds nothing")
        return cls(dtype, shape, "F" if order else "C", offset)

    def expect(self, name: str, kinds: str, size: int, limit: int) -> None:
        """Checks the type, and the number of bytes against the `size` of the file and a limit."""
        if self.dtype.kind not in kinds or (self.dtype.kind == "f" and self.dtype.itemsize not in (2, 4, 8)):
            words = {
                "f": "float16, float32 or float64",
                "i": "whole numbers",
                "u": "",
                "b": "true or false",
                "U": "text",
            }
            expected = ", ".join(words[kind] for kind in kinds if words[kind])
            raise ValueError(f"{name} has type {self.dtype}, expected {expected}")
        claimed = self.count * self.dtype.itemsize
        if claimed != size - self.offset:
            raise ValueError(
                f"{name} claims shape {self.shape} of {self.dtype}, {claimed} bytes, but holds {size - self.offset}"
            )
        if claimed > limit:
            raise ValueError(
                f"{name} is {mebibytes(claimed)}, more than the {mebibytes(limit)} that are read into memory"
            )


def mebibytes(size: float) -> str:
    """A number of bytes in words."""
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size:.0f} bytes"


def row_chunks(n: int, size: int) -> Iterator[slice]:
    """Slices of n rows of `size` bytes each; a slice holds about `CHUNK` bytes."""
    step = max(1, CHUNK // max(1, size))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def map_array(path: Path, kinds: str, limit: int = 1 << 62) -> np.memmap[Any, Any]:
    """A .npy file as a read-only memory map, if its header agrees with its size."""
    if not path.is_file():
        raise ValueError(f"{path.name} is missing, or not a plain file")
    size = path.stat().st_size
    with open(path, "rb") as file:
        header = Header.read(file, path.name, size)
    header.expect(path.name, kinds, size, limit)
    if not header.count:
        raise ValueError(f"{path.name} holds nothing")
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, header.order)
