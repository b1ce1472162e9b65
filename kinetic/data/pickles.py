"""Labels in pickles from strangers: a pickle is a program, which is read here and never run."""

from __future__ import annotations

import codecs
import io
import os
import pickletools
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np

from kinetic.data.arrays import MAX_TEXT, mebibytes

__all__ = ["MAX_DEPTH", "MAX_KEYS", "MAX_OPERATIONS", "decode_pickle"]

MAX_OPERATIONS = 5_000_000
"""Longest program that is read, and most values in what it builds; labels of NTU-120 take up to 2.3 million."""
MAX_KEYS = 20_000
"""Most keys of all mappings: the time that a mapping takes can grow with the square of their number."""
MAX_DEPTH = 16
"""Deepest nesting of lists, tuples and mappings."""


def decode_pickle(source: bytes | str | os.PathLike[str]) -> Any:
    """What a pickle of plain values holds, from its bytes or the path of its file.

    Plain are None, truth values, numbers (whole ones of up to 64 bits), text, bytes, lists, tuples and mappings of
    these, and numpy's arrays and scalars of numbers or text, as Python 2.7 to 3 and numpy write them with every
    protocol. Strings of Python 2 are read as latin-1. An array is read-only, and becomes one only after what it claims
    is compared with the bytes that are there. A name that is not one of the ten or so that numpy's arrays and plain
    bytes need ends the reading; so no code of the file, or that it names, is ever looked up, let alone called.

    Not an unpickler: two places that share one list come back with a list each, and lists that hold themselves are
    refused, as is everything that could need much more memory than the file has bytes.

    Raises:
        ValueError: naming what was found and where.
    """
    if isinstance(source, bytes):
        return _decode(source)
    path = Path(source)
    try:
        if not path.is_file():
            raise ValueError("is missing, or not a plain file")
        if path.stat().st_size > MAX_TEXT:
            raise ValueError(f"is {mebibytes(path.stat().st_size)}, more than the {mebibytes(MAX_TEXT)} that are read")
        return _decode(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def _decode(data: bytes) -> Any:
    if len(data) > MAX_TEXT:
        raise ValueError(f"holds {mebibytes(len(data))}, more than the {mebibytes(MAX_TEXT)} that are read")
    machine = _Machine()
    for count, (name, value, at) in enumerate(_operations(data)):
        if count >= MAX_OPERATIONS:
            raise ValueError(f"has more than {MAX_OPERATIONS} operations")
        try:
            machine.step(name, value)
        except ValueError as error:
            raise ValueError(f"{error} (byte {at})") from error
    return machine.result()


# --------------------------------------------------------------------------------------------------------- operations

_CODES = {ord(operation.code): operation for operation in pickletools.opcodes}
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_READ = {
    *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "FLOAT", "BINFLOAT", *_NUMBERS, *_TEXTS),
    *("EMPTY_LIST", "APPEND", "APPENDS", "LIST", "EMPTY_DICT", "SETITEM", "SETITEMS", "DICT", *_BYTES),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
}


def _operations(data: bytes) -> Iterator[tuple[str, Any, int]]:
    """Name, argument and position of every operation.

    `pickletools.genops` would do, but it takes the strings of Python 2 for ASCII (before 3.13), and reads the arguments
    of what is refused anyway.
    """
    file, end = io.BytesIO(data), len(data)
    while True:
        at = file.tell()
        if at >= end:
            raise ValueError(f"ends after {end} bytes, before the pickle does")
        known = _CODES.get(data[at])
        if known is None:
            raise ValueError(f"is not a pickle: byte {at} is {data[at : at + 1]!r}")
        if known.name not in _READ:
            raise ValueError(f"uses {known.name} at byte {at}, which labels do not need")
        file.seek(at + 1)
        try:
            if known.name == "STRING":
                value: Any = _string(file)
            elif known.name == "GLOBAL":
                value = (_line(file).decode("latin-1"), _line(file).decode("latin-1"))
            else:
                value = None if known.arg is None else known.arg.reader(cast(Any, file))
        except ValueError as error:
            raise ValueError(f"has a damaged {known.name} at byte {at}: {str(error)[:80]}") from error
        yield known.name, value, at
        if known.name == "STOP":
            if file.tell() != end:
                raise ValueError(f"goes on after its end, for {end - file.tell()} bytes")
            return


def _line(file: BinaryIO) -> bytes:
    line = file.readline()
    if not line.endswith(b"\n"):
        raise ValueError("a line without an end")
    return line[:-1]


_QUOTED = re.compile(rb"""(['"])((?:[^\\]++|\\[\\'"nrt]|\\x[0-9a-f]{2})*+)""", re.DOTALL)


def _string(file: BinaryIO) -> str:
    """What Python 2 wrote with repr."""
    line = _line(file)
    found = _QUOTED.fullmatch(line[:-1])
    if not found or line[-1:] != found[1]:
        raise ValueError("not a quoted string")
    return codecs.escape_decode(found[2])[0].decode("latin-1")  # type: ignore[attr-defined,no-any-return,unused-ignore]


# -------------------------------------------------------------------------------------------------------- the machine


class _Known(Enum):
    """Names that a pickle of labels may mention, and what stands for them here."""

    ARRAY = "an empty array, which a BUILD fills"
    BUFFER = "an array over bytes"
    SCALAR = "a number or text of numpy"
    DTYPE = "a type of numpy"
    NDARRAY = "the class of arrays, an argument of ARRAY only"
    ENCODE = "bytes out of text, as Python 3 writes them for Python 2"
    BYTES = "no bytes at all, likewise"


_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _Known.ARRAY,
    ("numpy._core.multiarray", "_reconstruct"): _Known.ARRAY,
    ("numpy.core.numeric", "_frombuffer"): _Known.BUFFER,
    ("numpy._core.numeric", "_frombuffer"): _Known.BUFFER,
    ("numpy.core.multiarray", "scalar"): _Known.SCALAR,
    ("numpy._core.multiarray", "scalar"): _Known.SCALAR,
    ("numpy", "dtype"): _Known.DTYPE,
    ("numpy", "ndarray"): _Known.NDARRAY,
    ("_codecs", "encode"): _Known.ENCODE,
    ("__builtin__", "bytes"): _Known.BYTES,
    ("builtins", "bytes"): _Known.BYTES,
}


class _Type:
    """A type whose byte order a BUILD tells."""

    __slots__ = ("dtype", "word")

    def __init__(self, word: str) -> None:
        self.word = word
        self.dtype: np.dtype[Any] | None = None


class _Array:
    """An array that a BUILD fills."""

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray | None = None) -> None:
        self.values = values


class _Machine:
    """The stack, the marks in it and the memory of a pickle, with plain values only."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.bytes = self.keys = self.values = 0

    # One value can be used many times: whatever copies or looks through one is paid for.
    def pay(self, size: int) -> None:
        self.bytes += size
        if self.bytes > MAX_TEXT:
            raise ValueError(f"builds more than {mebibytes(MAX_TEXT)}")

    def top(self) -> Any:
        if not self.stack:
            raise ValueError("takes a value where there is none")
        return self.stack[-1]

    def pop(self) -> Any:
        value = self.top()
        self.stack.pop()
        return value

    def pop_mark(self) -> list[Any]:
        if not self.marks:
            raise ValueError("goes back to a mark where there is none")
        values, self.stack = self.stack, self.marks.pop()
        return values

    def step(self, name: str, value: Any) -> None:
        match name:
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.top()
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[value] = self.top()
            case "GET" | "BINGET" | "LONG_BINGET":
                if value not in self.memo:
                    raise ValueError(f"remembers {value}, which it never kept")
                self.stack.append(self.memo[value])
            case "PROTO":
                if value > 5:
                    raise ValueError(f"has protocol {value}, expected 0 to 5")
            case "FRAME" | "STOP":
                pass
            case "MARK":
                self.marks.append(self.stack)
                self.stack = []
            case "NONE":
                self.stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                self.stack.append(name == "NEWTRUE")
            case "FLOAT" | "BINFLOAT":
                self.stack.append(value)
            case "EMPTY_LIST":
                self.stack.append([])
            case "EMPTY_DICT":
                self.stack.append({})
            case "EMPTY_TUPLE":
                self.stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                values = [self.pop() for _ in range(int(name[-1]))]
                self.stack.append(tuple(reversed(values)))
            case "TUPLE":
                values = self.pop_mark()
                self.stack.append(tuple(values))
            case "LIST":
                values = self.pop_mark()
                self.stack.append(values)
            case "DICT":
                values = self.pop_mark()
                self.stack.append({})
                self.put(values)
            case "APPEND":
                self.extend([self.pop()])
            case "APPENDS":
                self.extend(self.pop_mark())
            case "SETITEM":
                second, first = self.pop(), self.pop()
                self.put([first, second])
            case "SETITEMS":
                self.put(self.pop_mark())
            case "GLOBAL":
                self.stack.append(_named(*value))
            case "STACK_GLOBAL":
                second, first = self.pop(), self.pop()
                self.stack.append(_named(first, second))
            case "REDUCE":
                arguments, known = self.pop(), self.pop()
                self.stack.append(self.made(known, arguments))
            case "BUILD":
                self.fill(self.pop())
            case _ if name in _NUMBERS:
                if value.bit_length() > 64:
                    raise ValueError(f"holds a whole number of {value.bit_length()} bits, expected at most 64")
                self.stack.append(value)
            case _ if name in _TEXTS:
                self.stack.append(value)
            case _ if name in _BYTES:
                self.stack.append(bytes(value))
            case _:  # pragma: no cover
                raise ValueError(f"uses {name}, which labels do not need")

    def extend(self, values: list[Any]) -> None:
        target = self.top()
        if type(target) is not list:
            raise ValueError(f"appends to {_kind(target)}")
        target.extend(values)

    def put(self, values: list[Any]) -> None:
        target = self.top()
        if type(target) is not dict or len(values) % 2:
            raise ValueError(f"puts {len(values)} keys and values into {_kind(target)}")
        self.keys += len(values) // 2
        if self.keys > MAX_KEYS:
            raise ValueError(f"holds mappings with more than {MAX_KEYS} keys")
        for key, value in zip(values[::2], values[1::2], strict=True):
            # The hash of a tuple can take forever, where its parts are the same tuple again and again.
            if not (key is None or isinstance(key, (bool, int, float, str, bytes, np.generic))):
                raise ValueError(f"has {_kind(key)} as a key")
            target[key] = value

    # ------------------------------------------------------------------------------------------------------- numpy

    def made(self, known: Any, arguments: Any) -> Any:
        """What a call that the pickle asks for would return."""
        match known, arguments:
            case _Known.ARRAY, (_Known.NDARRAY, tuple(), str() | bytes()):
                return _Array()
            case _Known.DTYPE, (str(word), bool() | int(), bool() | int()):
                if not re.fullmatch(r"b1|[iu][1248]|f[248]|[US][1-9][0-9]{0,7}", word):
                    what = "an array of objects" if word[:1] == "O" else f"an array of type {word[:40]!r}"
                    raise ValueError(f"has {what}, expected plain numbers or text")
                return _Type(word)
            case _Known.SCALAR, (_Type() as kind, bytes() | str() as raw):
                return self.array(raw, kind, (), "C")[()]
            case _Known.BUFFER, (bytes(raw), _Type() as kind, shape, "C" | "F" as order):
                return _Array(self.array(raw, kind, shape, cast(Any, order)))
            case _Known.BUFFER, (bytes(raw), _Type() as kind, shape, "K", tuple(axes)):
                values = self.array(raw, kind, shape, "C")
                if not _counts(axes) or sorted(axes) != list(range(values.ndim)):
                    raise ValueError("has an array with wrong axes")
                return _Array(values.transpose(axes))
            case _Known.ENCODE, (str(text), "latin1" | "latin-1"):
                self.pay(len(text))
                return text.encode("latin-1")
            case _Known.BYTES, ():
                return b""
        name = known.name if isinstance(known, _Known) else _kind(known)
        raise ValueError(f"makes {name} from {_kind(arguments)} that do not fit")

    def fill(self, state: Any) -> None:
        """Gives the type or the array on top what it lacks."""
        target = self.top()
        match target, state:
            case _Type(), (3, "<" | ">" | "|" as order, None, None, None, int(), int(), int()):
                target.dtype = np.dtype(order + target.word)
            case _Array(), (1, shape, _Type() as kind, bool() | 0 | 1 as fortran, bytes() | str() as raw):
                target.values = self.array(raw, kind, shape, "F" if fortran else "C")
            case _Type(), _:
                raise ValueError("has an array of a type with parts or notes, expected plain numbers or text")
            case _:
                raise ValueError(f"sets parts of {_kind(target)} that do not fit")

    def array(self, raw: bytes | str, kind: _Type, shape: Any, order: Literal["C", "F"]) -> np.ndarray:
        """A read-only array of bytes, after they were counted."""
        if kind.dtype is None:
            raise ValueError(f"has an array of type {kind.word} without its byte order")
        if not _counts(shape) or len(shape) > 8:
            raise ValueError("has an array whose shape is not a few counts")
        size = kind.dtype.itemsize
        for length in shape:
            size *= length
        if size != len(raw):
            raise ValueError(
                f"has an array that claims shape {shape} of {kind.dtype}, {size} bytes, but holds {len(raw)}"
            )
        self.pay(len(raw))
        if isinstance(raw, str):  # Python 2
            raw = raw.encode("latin-1")
        flat = np.frombuffer(raw, dtype=kind.dtype) if raw else np.empty(0, dtype=kind.dtype)
        if not kind.dtype.isnative:
            self.pay(flat.nbytes)
            flat = flat.astype(kind.dtype.newbyteorder("="))
        if raw and kind.dtype.kind == "b" and flat.view(np.uint8).max() > 1:
            raise ValueError("has truth values other than 0 and 1")
        if raw and kind.dtype.kind == "U" and flat.view(np.uint32).max() > 0x10FFFF:
            raise ValueError("has letters that do not exist")  # numpy would fail with a SystemError
        flat.flags.writeable = False
        return flat.reshape(shape, order=order)

    # ------------------------------------------------------------------------------------------------------ result

    def result(self) -> Any:
        """The value on top, when all is done."""
        if self.marks:
            raise ValueError("ends before a mark is used")
        value = self.pop()
        if self.stack:
            raise ValueError(f"leaves {len(self.stack) + 1} values, expected one")
        self.bytes = 0
        return self.plain(value, 0)

    def plain(self, value: Any, depth: int) -> Any:
        """A copy, in which nothing is shared and arrays are arrays."""
        self.values += 1
        if self.values > MAX_OPERATIONS:
            raise ValueError(f"holds more than {MAX_OPERATIONS} values")
        if depth > MAX_DEPTH:
            raise ValueError(f"nests lists more than {MAX_DEPTH} deep")
        match value:
            case None | bool() | int() | float() if not isinstance(value, np.generic):
                return value
            case np.generic():
                self.pay(value.nbytes)
                return value
            case str() | bytes():
                self.pay(len(value))
                return value
            case list():
                return [self.plain(entry, depth + 1) for entry in value]
            case tuple():
                return tuple(self.plain(entry, depth + 1) for entry in value)
            case dict():
                return {self.plain(key, depth + 1): self.plain(entry, depth + 1) for key, entry in value.items()}
            case _Array(values=np.ndarray() as values):
                self.pay(values.nbytes)
                return values
        raise ValueError(f"holds {_kind(value)} where a value was expected")


def _named(module: Any, name: Any) -> _Known:
    known = _NAMES.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
    if known is None:
        what = ".".join(part[:60] if isinstance(part, str) else _kind(part) for part in (module, name))
        raise ValueError(f"names {what!r}, which is not run; labels are numbers, text, lists and numpy arrays of these")
    return known


def _counts(values: Any) -> bool:
    return type(values) is tuple and all(type(value) is int and 0 <= value < 1 << 48 for value in values)


def _kind(value: Any) -> str:
    """The kind of a value in a word; its content may be anything, and of any length."""
    if isinstance(value, _Known):
        return f"the name of {value.name}"
    if isinstance(value, _Type):
        return "a type of numpy"
    if isinstance(value, _Array):
        return "an unfinished array" if value.values is None else "an array"
    return "nothing" if value is None else f"a {type(value).__name__}"
