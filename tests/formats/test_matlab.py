"""Tests of kinetic/formats/matlab.py: numbers in .mat files."""

from __future__ import annotations

import io
import random
import struct
import zlib

import numpy as np
import pytest
import scipy.io

from kinetic.formats import matlab
from kinetic.formats.matlab import matlab_array

NUMBERS = np.random.default_rng(0).normal(size=(20, 3, 4))


def mat(compressed: bool = True, **variables) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=compressed)
    return file.getvalue()


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8 if kind != 15 else 0)


def variable(shape, content: bytes, name: bytes = b"d", kind: int = 6, stored: int = 9, flags: int = 0) -> bytes:
    """A variable as MATLAB writes it, of float64 by default."""
    parts = element(6, struct.pack("<II", kind | flags, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, parts + element(1, name) + element(stored, content))


def file_of(*elements: bytes) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"".join(elements)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8"])
def test_numbers_come_back(kind, compressed):
    array = (100 * NUMBERS).astype(kind)
    numbers = matlab_array(mat(compressed, other=np.eye(2), d=array, more="text"), "d")
    assert numbers.dtype == np.float64
    np.testing.assert_array_equal(numbers, array.astype(np.float64))


def test_numbers_stored_in_fewer_bytes_come_back():
    content = bytes(range(6))
    np.testing.assert_array_equal(
        matlab_array(file_of(variable((2, 3), content, stored=2)), "d"), [[0, 2, 4], [1, 3, 5]]
    )


def test_both_byte_orders_are_read():
    data = bytearray(file_of(variable((1, 1), struct.pack("<d", 2.5))))
    assert matlab_array(bytes(data), "d") == 2.5
    big = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    parts = struct.pack(">IIII", 6, 8, 6, 0) + struct.pack(">IIii", 5, 8, 1, 1) + struct.pack(">HH", 1, 1) + b"d\0\0\0"
    parts += struct.pack(">IId", 9, 8, 2.5)
    assert matlab_array(big + struct.pack(">II", 14, len(parts)) + parts, "d") == 2.5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "begins with b''"),
        (b"PK\x03\x04" + bytes(200), "begins with b'PK"),
        (b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n", r"MATLAB 7.3 \(HDF5\).*save it with -v7"),
        (b"\x89HDF\r\n\x1a\n" + bytes(200), "MATLAB 7.3"),
        (mat(e=NUMBERS), "d is not in the file; found e"),
        (file_of(), "d is not in the file; found nothing"),
        (mat(d="text"), "d is text"),
        (mat(d={"a": 1}), "d is a struct"),
        (mat(d=np.array(["a", 1], dtype=object)), "d is a cell array"),
        (mat(d=scipy.sparse.eye(3)), "d is a sparse matrix"),
        (mat(d=NUMBERS + 1j), "d holds complex numbers"),
        (mat(d=NUMBERS > 0), "d holds truth values"),
        (file_of(variable((2, 1), bytes(8), kind=17)), "d is an object"),
        (
            file_of(variable((1 << 30, 1 << 30), bytes(8))),
            r"claims shape \(1073741824, 1073741824\) of float64, but hold",
        ),
        (file_of(variable((2, -1), bytes(8))), r"d has shape \[2, -1\]"),
        (file_of(variable((1,), bytes(8))), r"d has shape \[1\]"),
        (file_of(variable((1, 1), bytes(8), stored=99)), "d holds no plain numbers"),
        (file_of(struct.pack("<II", 14, 1 << 31)), "an element claims 2147483648 bytes, the file has 0 more"),
        (file_of(element(14, b"")), "damaged variable"),
        (file_of(element(1, b"abc")), "an element of type 1, expected a variable"),
        (file_of(struct.pack("<II", 9 << 16 | 1, 0)), "a short element of 9 bytes"),
        (file_of(b"1234"), "is cut off"),
        (file_of(element(15, b"no zlib at all")), "damaged variable: Error"),
        (file_of(element(15, zlib.compress(bytes(1000))[:-6])), "cut off"),
        (mat()[:128] + mat(d=NUMBERS)[128:-20], "cut off|claims"),
    ],
    ids=range(25),
)
def test_other_files_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        matlab_array(data, "d")


def test_a_file_that_unpacks_to_too_many_bytes_is_refused(monkeypatch):
    monkeypatch.setattr(matlab, "MOST_BYTES", 100_000)
    bomb = file_of(element(15, zlib.compress(variable((1, 200_000), bytes(1_600_000)))))
    with pytest.raises(ValueError, match="unpacks to more than"):
        matlab_array(bomb, "d")
    small = element(15, zlib.compress(variable((1, 5000), bytes(40_000), name=b"x")))
    with pytest.raises(ValueError, match="unpacks to more than"):
        matlab_array(file_of(small, small, small), "d")


def test_many_variables_are_refused():
    with pytest.raises(ValueError, match="more than 1000 variables"):
        matlab_array(file_of(*[variable((0, 0), b"", name=b"x")] * 2000), "d")


@pytest.mark.parametrize("compressed", [True, False])
def test_damaged_files_are_read_or_refused(compressed):
    data, rng = mat(compressed, d=NUMBERS), random.Random(0)
    for _ in range(2000):
        damaged = bytearray(data[: rng.choice([len(data), rng.randrange(len(data))])])
        for _ in range(rng.randrange(1, 4)):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            assert matlab_array(bytes(damaged), "d").dtype == np.float64
        except ValueError as error:
            assert len(str(error)) < 300
