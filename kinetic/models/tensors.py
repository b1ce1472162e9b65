"""Weight files: read without running code in them, and compared with the expected names and shapes."""

from __future__ import annotations

import hashlib
import io
import os
import pickletools
import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from kinetic.files import replacing

__all__ = [
    "check_like",
    "check_names",
    "named_tensors",
    "read_weights",
    "shortened",
    "some_names",
    "weights_hash",
    "weights_like",
    "write_weights",
]

LARGEST_FILE = 4 * 2**30
"""Bytes of the largest weight file that is read."""

LARGEST_PICKLE = 16 * 2**20
"""Bytes of the names and plain values beside the tensors, at most; a run has some 50 KB."""

OPERATIONS = 500_000
"""Operations of a pickle, at most; a tensor takes about 30."""

TUPLE = (1000, 50)
"""Values in a tuple and all tuples in it, and depth of nesting, at most; hashing visits them all."""

KEYS = 10_000
"""Keys of tables that are not texts, at most; their time can grow with the square of their number."""

MEMBERS = 50_000
"""Members of a zip archive, at most; each tensor takes one."""

WORK = 2_000_000
"""Values that a pickle makes Python hash, copy or print, at most; a value can be used many times."""

SHARED = 4
"""Bytes of all tensors over bytes of the file, at most; some tensors share their numbers."""

SEAL = b"kinetic sha256 "
"""Text before the checksum at the end of a file; both are the comment of its zip archive, which other readers skip."""

PLAIN = re.compile(
    r"collections (OrderedDict|Counter)|torch\._utils _rebuild_(tensor|tensor_v2|parameter)"
    r"|torch\.nn\.parameter Parameter|torch (\w+Storage|Size|device|bool|bfloat16|u?int\d+|float\d+|complex\d+)"
)
"""The globals that a pickle of tensors and plain values may name."""


def write_weights(path: str | os.PathLike[str], content: object) -> None:
    """Write tensors and plain values durably, as a torch file that ends with a checksum."""
    with replacing(path) as beside, open(beside, "w+b") as file:
        torch.save(content, file)
        file.seek(-2, os.SEEK_END)  # the last field of a zip archive is the length of its comment
        file.write((len(SEAL) + 64).to_bytes(2, "little"))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.write(SEAL + digest.encode())


def read_weights(path: str | os.PathLike[str]) -> Any:
    """The content of a torch file, read by the weights-only loader, which builds only tensors and plain values.

    The checksum of `write_weights` is verified; without one, those of all members of the zip archive. The size of the
    file bounds time and memory, whatever the file claims.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: naming the file, for addresses, folders, devices, files over 4 GiB, damaged files, and files that
            are no torch files of tensors
    """
    name = os.fspath(path)
    if "://" in name:
        raise ValueError(f"{name}: weights are read from local files, not from addresses")
    file = Path(name)
    if not file.exists():
        raise FileNotFoundError(f"{name}: there is no such file")
    if not file.is_file():
        raise ValueError(f"{name}: expected a file with weights, found a folder or device")
    if (size := file.stat().st_size) > LARGEST_FILE:
        raise ValueError(f"{name}: expected at most {LARGEST_FILE} bytes, found {size}")
    if os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "").lower() not in ("", "0", "false", "no"):
        raise ValueError(
            f"{name}: not opened, because TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set and would let the file run code"
        )
    with open(file, "rb") as stream:
        try:
            sealed = _check_seal(stream, size)
            stream.seek(0)
            if stream.read(4) == b"PK\3\4":  # torch distinguishes its formats in the same way
                _check_archive(stream, size, sealed=sealed)
            else:
                stream.seek(0)
                _check_legacy(stream)
            stream.seek(0)
            content = torch.load(stream, map_location="cpu", weights_only=True)
            _check_amount(content, size)
        except _Refused as error:
            raise ValueError(f"{name}: {error}") from error
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ValueError(
                f"{name}: expected a torch file of tensors, found something else ({reason[:200]})"
            ) from error
    return content


class _Refused(ValueError):
    """A torch file that breaks a rule of this module; the message says which."""


def _check_seal(file: BinaryIO, size: int) -> bool:
    """Whether a file ends with a checksum; raises `_Refused` when the content does not match it."""
    length = len(SEAL) + 64
    file.seek(max(0, size - length))
    seal = file.read()
    if not seal.startswith(SEAL):
        return False
    digest, left = hashlib.sha256(), size - length
    file.seek(0)
    while left > 0 and (part := file.read(min(left, 1 << 20))):
        digest.update(part)
        left -= len(part)
    if seal[len(SEAL) :] != digest.hexdigest().encode():
        raise _Refused("is damaged: its content does not match its checksum")
    return True


def _check_archive(file: BinaryIO, size: int, *, sealed: bool) -> None:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if (unpacked := sum(member.file_size for member in members)) > size:
            raise _Refused(f"holds {size} bytes that unpack to {unpacked}; torch packs nothing")
        if len(members) > MEMBERS:
            raise _Refused(f"holds {len(members)} members, expected at most {MEMBERS}")
        if not sealed and (wrong := archive.testzip()) is not None:
            raise _Refused(f"is damaged: {shortened(wrong)} in it does not match its checksum")
        # read by torch, because Python's zipfile could find another record of this name
        file.seek(0)
        program = torch._C.PyTorchFileReader(file).get_record("data.pkl")
    if len(program) > LARGEST_PICKLE:
        raise _Refused(f"holds {len(program)} bytes beside its tensors, expected at most {LARGEST_PICKLE}")
    _Program().run(program)


def _check_legacy(file: BinaryIO) -> None:
    """Check the five pickles of a file from before torch 1.6: two numbers, system facts, content, storages."""
    program, head = _Program(), io.BytesIO(file.read(LARGEST_PICKLE))
    for _ in range(5):
        program.run(head)


class _Value:
    """A value on the stack of a pickle, reduced to what bounds the work that it can cause.

    `size` counts the values that hashing or copying visits; `parts` are those of a tuple; `text` is true for a text.
    """

    __slots__ = ("depth", "parts", "size", "text")

    def __init__(self, parts: Sequence[_Value] = (), *, text: bool = False) -> None:
        self.parts, self.text = parts, text
        self.size: int = 1 + sum(part.size if part.parts else 1 for part in parts)
        self.depth: int = 1 + max((part.depth for part in parts), default=0)
        if parts and (self.size > TUPLE[0] or self.depth > TUPLE[1]):
            raise _Refused(f"holds a tuple of more than {TUPLE[0]} values, or more than {TUPLE[1]} deep")


class _Program:
    """Walks through a pickle of tensors and plain values without building them; refuses one that would take long."""

    def __init__(self) -> None:
        self.operations = self.work = self.keys = 0

    def run(self, source: bytes | io.BytesIO) -> None:
        stack: list[_Value] = []
        marks: list[list[_Value]] = []
        memo: dict[object, _Value] = {}

        def fill(values: Sequence[_Value], keys: Sequence[_Value]) -> None:
            stack[-1].size += len(values)
            self.keys += sum(not key.text for key in keys)
            if self.keys > KEYS:
                raise _Refused(f"holds more than {KEYS} keys that are no text")

        for operation, argument, _ in pickletools.genops(source):
            self.operations += 1
            if self.operations > OPERATIONS:
                raise _Refused(f"takes more than {OPERATIONS} steps to name its tensors")
            match operation.name:
                case "GLOBAL":
                    if not PLAIN.fullmatch(str(argument)):
                        raise _Refused(
                            f"holds {shortened(str(argument).replace(' ', '.', 1))} beside plain tensors; if you trust "
                            f"its source, open it and save the weights alone: "
                            f"torch.save(checkpoint['state_dict'], path)"
                        )
                    stack.append(_Value())
                case "MARK":
                    marks.append(stack)
                    stack = []
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "TUPLE":
                    parts, stack = stack, marks.pop()
                    stack.append(_Value(parts))
                case "TUPLE1" | "TUPLE2" | "TUPLE3":
                    count = int(operation.name[-1])
                    stack[-count:] = [_Value(stack[-count:])]
                case "APPEND":
                    fill([stack.pop()], ())
                case "APPENDS":
                    parts, stack = stack, marks.pop()
                    fill(parts, ())
                case "SETITEM":
                    pair = [stack.pop(), stack.pop()]
                    fill(pair, pair[1:])
                case "SETITEMS":
                    parts, stack = stack, marks.pop()
                    fill(parts, parts[::2])
                case "REDUCE" | "NEWOBJ":
                    arguments = stack.pop()
                    self._spend(sum(part.size for part in arguments.parts))
                    stack[-1] = _Value()
                case "BUILD":
                    self._spend(stack.pop().size)
                case "BINPERSID":
                    stack[-1] = _Value()
                case "PROTO" | "FRAME" | "STOP":
                    pass
                case _:  # a value without parts; torch refuses operations that it does not know
                    stack.append(_Value(text=isinstance(argument, str)))

    def _spend(self, values: int) -> None:
        self.work += values
        if self.work > WORK:
            raise _Refused(f"uses what it holds more than {WORK} times")


def _check_amount(content: object, size: int) -> None:
    """Refuse content that is small in the file but unbounded in memory."""
    work = claimed = 0

    def visit(value: object, name: str, depth: int) -> None:
        nonlocal work, claimed
        work += 1 + (len(value) if isinstance(value, str | bytes) else 0)
        if work > LARGEST_PICKLE or depth > TUPLE[1]:
            raise _Refused(f"holds values more than {TUPLE[1]} deep, or some so often that they fill gigabytes")
        if isinstance(value, Tensor):
            claimed += value.numel() * value.itemsize
            if claimed > SHARED * size:
                raise _Refused(f"{shortened(name)} claims shape {tuple(value.shape)}, more numbers than the file holds")
        elif isinstance(value, Mapping):
            for key, item in value.items():
                visit(key, "", depth + 1)
                visit(item, str(key) if isinstance(key, str | int) else "", depth + 1)
        elif isinstance(value, list | tuple):
            for item in value:
                visit(item, name, depth + 1)

    visit(content, "", 0)


def named_tensors(path: str | os.PathLike[str], content: object) -> dict[str, Tensor]:
    """The content of a file as a table of plain tensors with all their numbers. Raises ValueError, naming the file."""
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path}: expected a table of named tensors, found {_kind(content)}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(f"{path}: expected a table of named tensors, found {_kind(value)} named {shortened(name)}")
        if value.layout is not torch.strided or value.is_nested or value.is_quantized or value.device.type != "cpu":
            raise ValueError(
                f"{path}: {shortened(name)} is no plain tensor: it is sparse, nested, quantized or not on the CPU"
            )
        if value.numel() * value.itemsize > value.untyped_storage().nbytes():
            raise ValueError(
                f"{path}: {shortened(name)} claims shape {tuple(value.shape)}, more numbers than the file holds"
            )
    return dict(content)


def check_names(path: str | os.PathLike[str], names: Collection[str], expected: Collection[str]) -> None:
    """Raise ValueError, with some of the names, for weights of other names than expected."""
    missing, unknown = sorted(set(expected) - set(names)), sorted(set(names) - set(expected))
    if missing or unknown:
        raise ValueError(
            f"{path}: {len(missing)} weights are missing{some_names(missing)}, "
            f"{len(unknown)} are unknown{some_names(unknown)}"
        )


def weights_like(path: str | os.PathLike[str], content: object, module: nn.Module) -> dict[str, Tensor]:
    """The content of a file as weights with the names and shapes of a module, which may be on `meta`.

    Raises:
        ValueError: naming the file and what differs; also for NaN and infinity
    """
    tensors, weights = named_tensors(path, content), module.state_dict()
    check_names(path, tensors, weights)
    for name, expected in weights.items():
        check_like(path, name, tensors[name], expected)
    return tensors


def check_like(path: str | os.PathLike[str], name: str, value: Tensor, expected: Tensor) -> None:
    """Raise ValueError for a tensor of another shape or kind of number than expected, and for NaN or infinity."""
    if value.shape != expected.shape:
        raise ValueError(f"{path}: {name} must have shape {tuple(expected.shape)}, found {tuple(value.shape)}")
    if value.dtype != expected.dtype and not (value.is_floating_point() and expected.is_floating_point()):
        raise ValueError(f"{path}: {name} must hold {expected.dtype}, found {value.dtype}")
    if not value.to(expected.dtype).isfinite().all():
        raise ValueError(f"{path}: {name} holds NaN or infinite numbers")


def weights_hash(module: nn.Module) -> str:
    """Twelve hexadecimal digits that change with any weight or statistic of a module."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def _kind(value: object) -> str:
    return "an empty table" if isinstance(value, Mapping) and not value else f"a {type(value).__name__}"


def shortened(name: object) -> str:
    """A name from a file, in one line of at most 80 characters."""
    text = repr(name) if not isinstance(name, str) or not name.isprintable() else name
    return text if len(text) <= 80 else f"{text[:76]} ..."


def some_names(names: Sequence[str]) -> str:
    """The first three names in brackets, with a blank before; empty for no names."""
    return f" ({', '.join(map(shortened, names[:3]))}{', ...' if len(names) > 3 else ''})" if names else ""
