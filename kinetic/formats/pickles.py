"""Plain values from untrusted pickles: a pickle is a program, which is read here and never run."""

from __future__ import annotations

import codecs
import math
import mmap
import os
import pickletools
import re
import struct
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from kinetic.motion.arrays import MAX_TEXT, mebibytes

__all__ = ["MAX_DEPTH", "Limits", "decode_pickle"]

MAX_DEPTH = 16
"""Deepest nesting of lists, tuples and mappings."""

OPERATIONS = 5_000_000
"""Operations that a program of any size may have; labels of NTU-120 take up to 2.3 million."""

LONG = 1024
"""Bytes from which on text and bytes are copied only when their value is needed."""


@dataclass(frozen=True)
class Limits:
    """The most that a pickle may hold; the defaults suffice for the annotations of NTU-120 (114,480 clips of 7 keys).

    They bound the memory of reading: up to about 150 bytes for each operation, and for copies of text and numbers the
    smaller of `size` and 128 MiB plus four times the file.

    Args:
        size: bytes of the file
        operations: operations of the program, but beyond 5 million only one for every 16 bytes of the file (large
            genuine files are mostly numbers); also values in the result
        keys: keys of all mappings together
        collisions: a key that is a number counts the keys of its mapping, as if it collided with all of them; this
            bounds the time. Text does not count: Python salts its hash
    """

    size: int = 8 << 30
    operations: int = 30_000_000
    keys: int = 2_000_000
    collisions: int = 200_000_000


def decode_pickle(source: bytes | str | os.PathLike[str], limits: Limits = Limits()) -> Any:
    """The plain values in a pickle, given by its bytes or the path of its file.

    Plain values are None, truth values, numbers (whole ones of up to 64 bits), text, bytes, lists, tuples and mappings
    of these, and numpy's arrays and scalars of numbers or text, as Python 2.7 to 3 and numpy write them with every
    protocol. Strings of Python 2 are read as latin-1. The claims of an array are compared with its bytes before the
    array is made; it is read-only. A pickle may name the ten or so functions that numpy's arrays and plain bytes need;
    any other name is an error. No code in the file, or that it names, is ever looked up or called.

    Arrays whose bytes the file holds unchanged (protocol 3 and later, and Python 2's binary ones) are views of the
    file; a file of more than 128 MiB is memory-mapped, so that these arrays stay on the disk until they are used.

    This is not an unpickler: a list that two places share becomes two lists. Lists that contain themselves are refused,
    and so is everything that could need much more memory than the file has bytes.

    Raises:
        ValueError: with what the pickle holds and where
    """
    if isinstance(source, bytes):
        if len(source) > limits.size:
            raise ValueError(f"holds {mebibytes(len(source))}, more than the {mebibytes(limits.size)} that are read")
        return _Machine(source, limits).run()
    path = Path(source)
    try:
        if not path.is_file():
            raise ValueError("is missing, or not a plain file")
        size = path.stat().st_size
        if size > limits.size:
            raise ValueError(f"is {mebibytes(size)}, more than the {mebibytes(limits.size)} that are read")
        if size <= MAX_TEXT:
            return _Machine(path.read_bytes(), limits).run()
        with open(path, "rb") as file:
            return _Machine(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), limits).run()
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


# ------------------------------------------------------------------------------------------------ values on the stack


class _Name(Enum):
    """The functions and classes that a pickle of plain values may name."""

    ARRAY = "makes an empty array, which a BUILD fills"
    BUFFER = "makes an array of bytes"
    SCALAR = "makes a number or text of numpy"
    DTYPE = "makes a type of numpy"
    NDARRAY = "the class of arrays, an argument of ARRAY only"
    ENCODE = "makes bytes from text, as Python 3 writes them for Python 2"
    BYTES = "makes empty bytes, as Python 3 writes them for Python 2"


_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _Name.ARRAY,
    ("numpy._core.multiarray", "_reconstruct"): _Name.ARRAY,
    ("numpy.core.numeric", "_frombuffer"): _Name.BUFFER,
    ("numpy._core.numeric", "_frombuffer"): _Name.BUFFER,
    ("numpy.core.multiarray", "scalar"): _Name.SCALAR,
    ("numpy._core.multiarray", "scalar"): _Name.SCALAR,
    ("numpy", "dtype"): _Name.DTYPE,
    ("numpy", "ndarray"): _Name.NDARRAY,
    ("_codecs", "encode"): _Name.ENCODE,
    ("__builtin__", "bytes"): _Name.BYTES,
    ("builtins", "bytes"): _Name.BYTES,
}


class _Type:
    """A type of numpy; a BUILD gives its byte order."""

    __slots__ = ("dtype", "word")

    def __init__(self, word: str) -> None:
        self.word = word
        self.dtype: np.dtype[Any] | None = None


class _Array:
    """An array; a BUILD gives its values."""

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray | None = None) -> None:
        self.values = values


class _Slice:
    """Long text, or bytes (whose encoding is empty), as a view of the file."""

    __slots__ = ("encoding", "view")

    def __init__(self, view: memoryview, encoding: str) -> None:
        self.view = view
        self.encoding = encoding

    def value(self) -> str | bytes:
        return str(self.view, self.encoding, "surrogatepass") if self.encoding else bytes(self.view)


# -------------------------------------------------------------------------------------------------------- the machine


class _Damaged(ValueError):
    """The argument of an operation is wrong."""


_U2, _U4, _U8 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")
_I4, _F8 = struct.Struct("<i"), struct.Struct(">d")
_CODES = {ord(operation.code): operation.name for operation in pickletools.opcodes}
_WHOLE = re.compile(rb"[-+]?[0-9]{1,25}")
_FLOAT = re.compile(rb"[-+]?([0-9]{1,400}(\.[0-9]{0,40})?(e[-+]?[0-9]{1,4})?|inf|nan)")
_QUOTED = re.compile(rb"""(['"])((?:[^\\]++|\\[\\'"nrt]|\\x[0-9a-f]{2})*+)""", re.DOTALL)


class _Machine:
    """The stack, the marks and the memory of a pickle that is read, with plain values only.

    Every operation has a method `on_NAME`, which takes the position of the operation's argument and returns that of
    the next operation.
    """

    def __init__(self, data: bytes | mmap.mmap, limits: Limits) -> None:
        self.data, self.end, self.limits = data, len(data), limits
        self.view = memoryview(data)
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.most_bytes = min(limits.size, MAX_TEXT + 4 * self.end)
        self.most = min(limits.operations, OPERATIONS + self.end // 16)
        self.most_values = self.most
        self.bytes = self.keys = self.collisions = self.values = 0
        self.stopped = False

    def run(self) -> Any:
        """The value that the whole pickle builds."""
        data, end, most = self.data, self.end, self.most
        table = [getattr(self, f"on_{_CODES.get(code, '').lower()}", self.unknown) for code in range(256)]
        at = count = 0
        try:
            while at < end:
                count += 1
                if count > most:
                    raise ValueError(f"has more than {most} operations")
                at = table[data[at]](at + 1)
        except (_Damaged, struct.error, IndexError) as error:
            raise ValueError(f"has a damaged {_CODES[data[at]]} at byte {at}: {str(error)[:80]}") from error
        except ValueError as error:
            raise ValueError(f"{error} (byte {at})") from error
        if not self.stopped:
            raise ValueError(f"ends after {end} bytes without a STOP")
        if self.marks:
            raise ValueError("ends before a mark is used")
        value = self.pop()
        if self.stack:
            raise ValueError(f"leaves {len(self.stack) + 1} values, expected one")
        self.bytes = 0
        self.most_values = min(most, 1_000_000 + 4 * count)
        return self.plain(value, 0)

    # ------------------------------------------------------------------------------------------- stack, marks, memory

    def pay(self, size: int) -> None:
        """Counts bytes that are copied or searched: a pickle can use one value many times."""
        self.bytes += size
        if self.bytes > self.most_bytes:
            raise ValueError(f"builds more than {mebibytes(self.most_bytes)}")

    def top(self) -> Any:
        if not self.stack:
            raise ValueError("takes a value from an empty stack")
        return self.stack[-1]

    def pop(self) -> Any:
        if not self.stack:
            raise ValueError("takes a value from an empty stack")
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        if not self.marks:
            raise ValueError("goes back to a mark, but has none")
        values, self.stack = self.stack, self.marks.pop()
        return values

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise ValueError(f"recalls {key}, which it never stored")
        self.stack.append(self.memo[key])

    def unknown(self, at: int) -> int:
        name = _CODES.get(self.data[at - 1])
        if name is None:
            raise ValueError(f"is not a pickle: it has {self.data[at - 1 : at]!r} where an operation belongs")
        raise ValueError(f"uses {name}, which plain values do not need")

    def on_proto(self, at: int) -> int:
        if self.data[at] > 5:
            raise ValueError(f"has protocol {self.data[at]}, expected 0 to 5")
        return at + 1

    def on_frame(self, at: int) -> int:
        _U8.unpack_from(self.data, at)  # the length of a frame, which this reader does not need
        return at + 8

    def on_stop(self, at: int) -> int:
        if at != self.end:
            raise ValueError(f"has {self.end - at} bytes after its end")
        self.stopped = True
        return at

    def on_mark(self, at: int) -> int:
        self.marks.append(self.stack)
        self.stack = []
        return at

    def on_memoize(self, at: int) -> int:
        self.memo[len(self.memo)] = self.top()
        return at

    def on_binput(self, at: int) -> int:
        self.memo[self.data[at]] = self.top()
        return at + 1

    def on_long_binput(self, at: int) -> int:
        self.memo[_U4.unpack_from(self.data, at)[0]] = self.top()
        return at + 4

    def on_put(self, at: int) -> int:
        number, at = self.whole(at)
        self.memo[number] = self.top()
        return at

    def on_binget(self, at: int) -> int:
        self.recall(self.data[at])
        return at + 1

    def on_long_binget(self, at: int) -> int:
        self.recall(_U4.unpack_from(self.data, at)[0])
        return at + 4

    def on_get(self, at: int) -> int:
        number, at = self.whole(at)
        self.recall(number)
        return at

    # ---------------------------------------------------------------------------------------------------- plain values

    def on_none(self, at: int) -> int:
        self.stack.append(None)
        return at

    def on_newtrue(self, at: int) -> int:
        self.stack.append(True)
        return at

    def on_newfalse(self, at: int) -> int:
        self.stack.append(False)
        return at

    def on_binint1(self, at: int) -> int:
        self.stack.append(self.data[at])
        return at + 1

    def on_binint2(self, at: int) -> int:
        self.stack.append(_U2.unpack_from(self.data, at)[0])
        return at + 2

    def on_binint(self, at: int) -> int:
        self.stack.append(_I4.unpack_from(self.data, at)[0])
        return at + 4

    def on_int(self, at: int) -> int:
        line, after = self.line(at)
        if line in (b"00", b"01"):
            self.stack.append(line == b"01")
            return after
        number, at = self.whole(at)
        return self.number(number, at)

    def on_long(self, at: int) -> int:
        return self.number(*self.whole(at))

    def on_long1(self, at: int) -> int:
        return self.long(at + 1, self.data[at])

    def on_long4(self, at: int) -> int:
        return self.long(at + 4, _I4.unpack_from(self.data, at)[0])

    def on_float(self, at: int) -> int:
        line, at = self.line(at)
        if not _FLOAT.fullmatch(line):
            raise _Damaged("not a number")
        self.stack.append(float(line))
        return at

    def on_binfloat(self, at: int) -> int:
        self.stack.append(_F8.unpack_from(self.data, at)[0])
        return at + 8

    def on_string(self, at: int) -> int:
        line, at = self.line(at)
        match = _QUOTED.fullmatch(line[:-1])
        if not match or line[-1:] != match[1]:
            raise _Damaged("not a quoted string")
        self.stack.append(codecs.escape_decode(match[2])[0].decode("latin-1"))  # type: ignore[attr-defined,unused-ignore]
        return at

    def on_short_binstring(self, at: int) -> int:
        return self.text(at + 1, self.data[at], "latin-1")

    def on_binstring(self, at: int) -> int:
        return self.text(at + 4, _I4.unpack_from(self.data, at)[0], "latin-1")

    def on_unicode(self, at: int) -> int:
        line, at = self.line(at)
        try:
            self.stack.append(line.decode("raw-unicode-escape"))
        except UnicodeDecodeError as error:
            raise _Damaged(str(error)) from error
        return at

    def on_short_binunicode(self, at: int) -> int:
        return self.text(at + 1, self.data[at], "utf-8")

    def on_binunicode(self, at: int) -> int:
        return self.text(at + 4, _U4.unpack_from(self.data, at)[0], "utf-8")

    def on_binunicode8(self, at: int) -> int:
        return self.text(at + 8, _U8.unpack_from(self.data, at)[0], "utf-8")

    def on_short_binbytes(self, at: int) -> int:
        return self.text(at + 1, self.data[at], "")

    def on_binbytes(self, at: int) -> int:
        return self.text(at + 4, _U4.unpack_from(self.data, at)[0], "")

    def on_binbytes8(self, at: int) -> int:
        return self.text(at + 8, _U8.unpack_from(self.data, at)[0], "")

    on_bytearray8 = on_binbytes8

    def line(self, at: int) -> tuple[bytes, int]:
        end = self.data.find(b"\n", at)
        if end < 0:
            raise _Damaged("a line without an end")
        return self.data[at:end], end + 1

    def whole(self, at: int) -> tuple[int, int]:
        """The whole number in a line, which may end in the L of Python 2."""
        line, at = self.line(at)
        digits = line.removesuffix(b"L")
        if not _WHOLE.fullmatch(digits):
            raise _Damaged("not a whole number of at most 25 digits")
        return int(digits), at

    def long(self, at: int, size: int) -> int:
        if not 0 <= size <= self.end - at:
            raise _Damaged(f"claims {size} bytes, the file has {self.end - at} more")
        return self.number(int.from_bytes(self.data[at : at + size], "little", signed=True), at + size)

    def number(self, value: int, at: int) -> int:
        if value.bit_length() > 64:
            raise ValueError(f"holds a whole number of {value.bit_length()} bits, expected at most 64")
        self.stack.append(value)
        return at

    def text(self, at: int, size: int, encoding: str) -> int:
        if not 0 <= size <= self.end - at:
            raise _Damaged(f"claims {size} bytes, the file has {self.end - at} more")
        end = at + size
        if size >= LONG:
            self.stack.append(_Slice(self.view[at:end], encoding))
        elif encoding:
            try:
                self.stack.append(self.data[at:end].decode(encoding, "surrogatepass"))
            except UnicodeDecodeError as error:
                raise _Damaged(str(error)) from error
        else:
            self.stack.append(self.data[at:end])
        return end

    # -------------------------------------------------------------------------------------- lists, tuples and mappings

    def on_empty_list(self, at: int) -> int:
        self.stack.append([])
        return at

    def on_empty_dict(self, at: int) -> int:
        self.stack.append({})
        return at

    def on_empty_tuple(self, at: int) -> int:
        self.stack.append(())
        return at

    def on_tuple1(self, at: int) -> int:
        self.stack.append((self.pop(),))
        return at

    def on_tuple2(self, at: int) -> int:
        second, first = self.pop(), self.pop()
        self.stack.append((first, second))
        return at

    def on_tuple3(self, at: int) -> int:
        third, second, first = self.pop(), self.pop(), self.pop()
        self.stack.append((first, second, third))
        return at

    def on_tuple(self, at: int) -> int:
        values = self.pop_mark()
        self.stack.append(tuple(values))
        return at

    def on_list(self, at: int) -> int:
        values = self.pop_mark()
        self.stack.append(values)
        return at

    def on_dict(self, at: int) -> int:
        values = self.pop_mark()
        self.stack.append({})
        self.put(values)
        return at

    def on_append(self, at: int) -> int:
        self.extend([self.pop()])
        return at

    def on_appends(self, at: int) -> int:
        self.extend(self.pop_mark())
        return at

    def on_setitem(self, at: int) -> int:
        second, first = self.pop(), self.pop()
        self.put([first, second])
        return at

    def on_setitems(self, at: int) -> int:
        self.put(self.pop_mark())
        return at

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
        if self.keys > self.limits.keys:
            raise ValueError(f"holds mappings with more than {self.limits.keys} keys")
        for key, value in zip(values[::2], values[1::2], strict=True):
            # No tuples: the hash of one whose parts are the same tuple, many levels deep, takes forever.
            if not (key is None or isinstance(key, (bool, int, float, str, bytes, np.generic))):
                raise ValueError(f"has {_kind(key)} as a key")
            if not isinstance(key, (str, bytes)):
                self.collisions += len(target)
                if self.collisions > self.limits.collisions:
                    raise ValueError(f"holds mappings whose keys may collide {self.limits.collisions} times")
            target[key] = value

    # ----------------------------------------------------------------------------------------------------------- numpy

    def on_global(self, at: int) -> int:
        module, at = self.line(at)
        name, at = self.line(at)
        self.stack.append(_name_of(module.decode("latin-1"), name.decode("latin-1")))
        return at

    def on_stack_global(self, at: int) -> int:
        second, first = self.pop(), self.pop()
        self.stack.append(_name_of(first, second))
        return at

    def on_reduce(self, at: int) -> int:
        arguments, name = self.pop(), self.pop()
        self.stack.append(self.call(name, arguments))
        return at

    def on_build(self, at: int) -> int:
        self.fill(self.pop())
        return at

    def call(self, name: Any, arguments: Any) -> Any:
        """The value that a call of a function of numpy or of bytes returns."""
        match name, arguments:
            case _Name.ARRAY, (_Name.NDARRAY, tuple(), str() | bytes()):
                return _Array()
            case _Name.DTYPE, (str(word), bool() | int(), bool() | int()):
                if not re.fullmatch(r"b1|[iu][1248]|f[248]|[US][1-9][0-9]{0,7}", word):
                    what = "an array of objects" if word[:1] == "O" else f"an array of type {word[:40]!r}"
                    raise ValueError(f"has {what}, expected plain numbers or text")
                return _Type(word)
            case _Name.SCALAR, (_Type() as kind, bytes() | str() | _Slice() as raw):
                self.pay(kind.dtype.itemsize if kind.dtype is not None else 0)
                return self.array(raw, kind, (), "C")[()]
            case _Name.BUFFER, (bytes() | _Slice(encoding="") as raw, _Type() as kind, shape, "C" | "F" as order):
                return _Array(self.array(raw, kind, shape, cast(Any, order)))
            case _Name.BUFFER, (bytes() | _Slice(encoding="") as raw, _Type() as kind, shape, "K", tuple(axes)):
                values = self.array(raw, kind, shape, "C")
                if not _counts(axes) or sorted(axes) != list(range(values.ndim)):
                    raise ValueError("has an array with wrong axes")
                return _Array(values.transpose(axes))
            case _Name.ENCODE, (str() | _Slice(encoding="utf-8" | "latin-1") as text, "latin1" | "latin-1"):
                self.pay(len(text) if isinstance(text, str) else len(text.view))
                return cast(str, _opened(text)).encode("latin-1")
            case _Name.BYTES, ():
                return b""
        word = name.name if isinstance(name, _Name) else _kind(name)
        raise ValueError(f"calls {word} with {_kind(arguments)} that does not fit")

    def fill(self, state: Any) -> None:
        """Completes the type or the array on top of the stack."""
        target = self.top()
        match target, state:
            case _Type(), (3, "<" | ">" | "|" as order, None, None, None, int(), int(), int()):
                target.dtype = np.dtype(order + target.word)
            case _Array(), (1, shape, _Type() as kind, bool() | 0 | 1 as fortran, bytes() | str() | _Slice() as raw):
                target.values = self.array(raw, kind, shape, "F" if fortran else "C")
            case _Type(), _:
                raise ValueError("has an array of a structured type, expected plain numbers or text")
            case _:
                raise ValueError(f"sets the state of {_kind(target)} to {_kind(state)} that does not fit")

    def array(self, raw: bytes | str | _Slice, kind: _Type, shape: Any, order: Literal["C", "F"]) -> np.ndarray:
        """A read-only array of bytes whose number fits the shape; a view of the file where it holds them unchanged."""
        if kind.dtype is None:
            raise ValueError(f"has an array of type {kind.word} without its byte order")
        if not _counts(shape) or len(shape) > 8:
            raise ValueError("has an array whose shape is not at most 8 counts")
        if isinstance(raw, _Slice) and raw.encoding == "utf-8":
            self.pay(len(raw.view))
            raw = raw.value()
        buffer = raw.view if isinstance(raw, _Slice) else raw
        size = kind.dtype.itemsize * math.prod(shape)
        if size != len(buffer):
            raise ValueError(
                f"has an array that claims shape {shape} of {kind.dtype}, {size} bytes, but holds {len(buffer)}"
            )
        if isinstance(buffer, str):  # Python 2
            self.pay(len(buffer))
            buffer = buffer.encode("latin-1")
        flat = np.frombuffer(buffer, dtype=kind.dtype) if size else np.empty(0, dtype=kind.dtype)
        if not kind.dtype.isnative:
            self.pay(flat.nbytes)
            flat = flat.astype(kind.dtype.newbyteorder("="))
        if flat.size and kind.dtype.kind in "bU":
            self.pay(flat.nbytes)
            if kind.dtype.kind == "b" and flat.view(np.uint8).max() > 1:
                raise ValueError("has truth values other than 0 and 1")
            if kind.dtype.kind == "U" and flat.view(np.uint32).max() > 0x10FFFF:
                raise ValueError("has letters outside Unicode")  # numpy would fail with a SystemError
        flat.flags.writeable = False
        return flat.reshape(shape, order=order)

    # ---------------------------------------------------------------------------------------------------------- result

    def plain(self, value: Any, depth: int) -> Any:
        """A copy of plain values and arrays, in which no two places share a list or a mapping."""
        self.values += 1
        if self.values > self.most_values:
            raise ValueError(f"holds more than {self.most_values} values")
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
            case _Slice():
                self.pay(len(value.view))
                return value.value()
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


def _opened(value: Any) -> Any:
    return value.value() if isinstance(value, _Slice) else value


def _name_of(module: Any, function: Any) -> _Name:
    name = _NAMES.get((module, function)) if isinstance(module, str) and isinstance(function, str) else None
    if name is None:
        what = ".".join(part[:60] if isinstance(part, str) else _kind(part) for part in (module, function))
        raise ValueError(f"names {what!r}, which is not run; a pickle may hold numbers, text, lists and numpy arrays")
    return name


def _counts(values: Any) -> bool:
    return type(values) is tuple and all(type(value) is int and 0 <= value < 1 << 48 for value in values)


def _kind(value: Any) -> str:
    """The kind of a value in words, without its content, which may be of any length."""
    if isinstance(value, _Name):
        return f"the name of {value.name}"
    if isinstance(value, _Type):
        return "a type of numpy"
    if isinstance(value, _Array):
        return "an unfinished array" if value.values is None else "an array"
    if isinstance(value, _Slice):
        return "a long text" if value.encoding else "many bytes"
    return "nothing" if value is None else f"a {type(value).__name__}"
