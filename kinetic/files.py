"""Small files, read with care and replaced whole."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

__all__ = [
    "LARGEST_YAML",
    "check_sealed",
    "checked_target",
    "flush",
    "holding",
    "leftovers",
    "read_yaml",
    "replacing",
    "sealed",
]

LARGEST_YAML = 1 << 20
"""Bytes of the largest YAML file that is opened."""


class _Loader(yaml.SafeLoader):
    """YAML's safe loader that refuses a key given twice, which YAML itself forgives in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} stands there twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> object:
    """The plain values of a YAML file; None for an empty one.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: names the file, and the line where YAML knows it
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    if not path.is_file():
        raise ValueError(f"{path}: expected a YAML file, found something else")
    if (size := path.stat().st_size) > LARGEST_YAML:
        raise ValueError(f"{path}: expected a YAML file of at most {LARGEST_YAML} bytes, found {size}")
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{path}{line}: {_short(error.problem or error.context)}") from None
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path}: not a YAML text file: {_short(error)}") from None


def _short(reason: object) -> str:
    """In one line, also where it repeats a file."""
    text = " ".join(str(reason).split())
    return text if len(text) <= 200 else f"{text[:100]} ... {text[-100:]}"


def checked_target(path: str | os.PathLike[str], known: Sequence[str]) -> Path:
    """A path that a file can be written to, with one of the known endings.

    Raises:
        ValueError: for another ending
        FileNotFoundError: when there is no such folder
    """
    target = Path(path)
    if target.suffix.lower() not in known:
        raise ValueError(
            f"{target}: expected a name that ends in {', '.join(known)}, got {target.suffix or 'no suffix'}"
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: there is no folder {target.parent}")
    return target


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file to write beside `path`; it takes the place of `path` when the block ends well, and is removed otherwise.

    At every moment the old or the complete new one is there, also after a power cut: the file is flushed to the disk,
    renamed, and the folder flushed. What a killed process leaves behind is named `.NAME.PID.tmp`.

    Raises:
        OSError: what the disk refused, with the name of `path`; also where torch hid it behind an error of its own
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield beside
        flush(beside)
        os.replace(beside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        reason = error.__context__ if isinstance(error, RuntimeError) else error
        if isinstance(reason, OSError) and reason.errno is not None and reason.filename in (None, str(beside)):
            raise OSError(reason.errno, f"{reason.strerror}; the file was not written", str(path)) from error
        raise
    flush(path.parent)


def leftovers(folder: Path, names: Iterable[str]) -> list[Path]:
    """What killed processes left in a folder while `replacing` files of these names, such as metrics.csv or *.ckpt."""
    matches = ((entry, re.fullmatch(r"\.(.+)\.[0-9]+\.tmp", entry.name)) for entry in folder.glob(".*.tmp"))
    names = tuple(names)
    return [
        entry
        for entry, match in matches
        if match and any(fnmatch.fnmatchcase(match[1], name) for name in names) and entry.is_file()
    ]


def sealed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values with a checksum of them under `checksum`, for a file of JSON."""
    return {**plain, "checksum": _digest(plain)}


def check_sealed(plain: Mapping[str, Any]) -> None:
    """Compares what was read with the checksum that `sealed` put into it. Raises ValueError."""
    content = dict(plain)
    checksum = content.pop("checksum", None)
    if checksum is None:
        raise ValueError("it has no checksum: another version wrote it")
    if checksum != _digest(content):
        raise ValueError("it does not match its checksum: it is damaged or was edited")


def _digest(plain: Mapping[str, Any]) -> str:
    content = json.loads(json.dumps(plain))  # as it comes back, with keys that are words
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def flush(path: Path) -> None:
    """Make the disk keep a file, or the entries of a folder (which Windows neither opens nor needs to)."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def holding(folder: Path, patience: float) -> Iterator[None]:
    """Inside, no other process holds this folder; where the system has no such locks, nothing is held.

    Raises:
        FileExistsError: when another process still holds it after so many seconds
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise FileExistsError(f"{folder}: another process is at work in it") from None
                time.sleep(0.2)
            except OSError:  # a file system without locks
                break
        yield
    finally:
        os.close(handle)
