"""Numbers in untrusted .mat files of MATLAB 5 to 7.2.

No objects are decoded, and header values are checked before anything is allocated. `scipy.io.loadmat` is not used: a
damaged tag ends its process with a segmentation fault (scipy 1.17), so every element would have to be checked first,
which is nearly all of this module.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import islice
from typing import NoReturn

import numpy as np

from kinetic.motion.arrays import mebibytes

__all__ = ["matlab_array"]

MOST_BYTES = 64 << 20
"""Bytes of all variables of a file, unpacked."""
MOST_VARIABLES = 1000

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # in the file
_MATRIX, _PACKED = 14, 15
_CLASSES = {
    1: "a cell array",
    2: "a struct",
    3: "an object",
    4: "text",
    5: "a sparse matrix",
    16: "a function",
    17: "an object",
}
_NUMBERS = range(6, 16)  # classes of float64, float32, and int8 to uint64


def matlab_array(data: bytes, name: str) -> np.ndarray:
    """The real numbers of the variable `name` in a .mat file, as float64 in MATLAB's shape.

    Raises:
        ValueError: for other files (MATLAB 7.3 writes HDF5), damaged files, a file without that variable, and a
            variable of anything but real numbers
    """
    if b"MATLAB 7.3" in data[:128] or data[:512].find(b"\x89HDF\r\n") >= 0:
        raise ValueError("is a file of MATLAB 7.3 (HDF5), which is not read; in MATLAB, save it with -v7")
    if len(data) < 128 or data[126:128] not in (b"IM", b"MI") or not data.startswith(b"MATLAB 5.0"):
        raise ValueError(f"begins with {data[:16]!r}, expected 'MATLAB 5.0 MAT-file'")
    order = "<" if data[126:128] == b"IM" else ">"
    names: list[str] = []
    room = MOST_BYTES
    for kind, content in _elements(data[128:], order):
        if kind == _PACKED:
            unpacked = _unpacked(content, room)
            room -= len(unpacked)
            kind, content = next(_elements(unpacked, order), (0, b""))
        if kind != _MATRIX:
            raise ValueError(f"holds an element of type {kind}, expected a variable")
        parts = list(islice(_elements(content, order), 5))  # flags, shape, name, real and imaginary parts
        if len(parts) < 3 or parts[0][0] != 6 or len(parts[0][1]) != 8 or parts[1][0] != 5:
            raise ValueError("holds a damaged variable")
        variable = parts[2][1].decode("latin-1")
        if variable == name:
            flags = int.from_bytes(parts[0][1][:4], "little" if order == "<" else "big")
            return _numbers(parts[1:], flags, order, name)
        names.append(variable[:40])
        if len(names) > MOST_VARIABLES:
            raise ValueError(f"holds more than {MOST_VARIABLES} variables")
    raise ValueError(f"{name} is not in the file; found {', '.join(names[:10]) or 'nothing'}")


def _unpacked(content: bytes, room: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(content, room + 1)
    except zlib.error as error:
        raise ValueError(f"holds a damaged variable: {error}") from error
    if len(unpacked) > room:
        raise ValueError(f"unpacks to more than {mebibytes(MOST_BYTES)}")
    if not stream.eof:
        raise ValueError("holds a variable that is cut off")
    return unpacked


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """The type and the content of each element."""
    at, byte_order = 0, "little" if order == "<" else "big"
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("is cut off")
        kind = int.from_bytes(data[at : at + 4], byte_order)  # type: ignore[arg-type]
        size = int.from_bytes(data[at + 4 : at + 8], byte_order)  # type: ignore[arg-type]
        if kind >> 16:  # a short element, whose up to four bytes are part of the tag
            kind, size = kind & 0xFFFF, kind >> 16
            start, end = at + 4, at + 8
            if size > 4:
                raise ValueError(f"holds a short element of {size} bytes, expected at most 4")
        else:
            start = at + 8
            end = start + size + (-size % 8 if kind != _PACKED else 0)
        if start + size > len(data):
            raise ValueError(f"is cut off: an element claims {size} bytes, the file has {len(data) - start} more")
        yield kind, data[start : start + size]
        at = end


def _numbers(parts: list[tuple[int, bytes]], flags: int, order: str, name: str) -> np.ndarray:
    kind = flags & 0xFF
    if kind not in _NUMBERS:
        _fail(name, f"is {_CLASSES.get(kind, 'a variable of another class')}, expected an array of numbers")
    if flags & 0x800:
        _fail(name, "holds complex numbers, expected real ones")
    if flags & 0x200:
        _fail(name, "holds truth values, expected numbers")
    dimensions = np.frombuffer(parts[0][1][: len(parts[0][1]) // 4 * 4], dtype=f"{order}i4").tolist()
    if not 2 <= len(dimensions) <= 8 or min(dimensions) < 0:
        _fail(name, f"has shape {dimensions[:8]}")
    if len(parts) != 3 or parts[2][0] not in _TYPES:
        _fail(name, "holds no plain numbers")
    stored = np.dtype(_TYPES[parts[2][0]]).newbyteorder(order)  # type: ignore[arg-type]
    content = parts[2][1]
    count = 1
    for length in dimensions:
        count *= length
    if count * stored.itemsize != len(content):
        _fail(name, f"claims shape {tuple(dimensions)} of {stored}, but holds {len(content)} bytes")
    return np.frombuffer(content, dtype=stored).astype(np.float64).reshape(dimensions, order="F")


def _fail(name: str, reason: str) -> NoReturn:
    raise ValueError(f"{name} {reason}")
