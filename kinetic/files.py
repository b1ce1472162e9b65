"""Small files, read with care and replaced whole."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kinetic.messages import safe_line
from kinetic.plain import json_values, yaml_values

__all__ = [
    "LARGEST_TEXT",
    "LARGEST_YAML",
    "checked_target",
    "flush",
    "holding",
    "read_json",
    "read_text",
    "read_yaml",
    "replacing",
]

LARGEST_TEXT = 64 << 20
"""Bytes of the largest text of ours, such as the result of a cell, that is read unless it is known to be smaller."""

LARGEST_YAML = 1 << 20
"""Bytes of the largest YAML file that is opened."""


def read_text(path: str | os.PathLike[str], most: int = LARGEST_TEXT) -> str:
    """The text of a plain file in UTF-8.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: naming the file, for something else than a plain text file of at most so many bytes
    """
    path = Path(path)
    try:
        there = path.exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        there = False
    if not there:
        raise FileNotFoundError(f"{safe_line(path, 200)}: there is no such file")
    if not path.is_file():
        raise ValueError(f"{path}: expected a plain file, found something else")
    if (size := path.stat().st_size) > most:
        raise ValueError(f"{path}: expected a file of at most {most} bytes, found {size}")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, found another byte at {error.start}") from None


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """The plain values of a YAML file, see `yaml_values`; None for an empty one.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: names the file and the line
    """
    text = read_text(path, LARGEST_YAML)
    try:
        return yaml_values(text)
    except ValueError as error:
        raise ValueError(f"{path}, {error}") from None


def read_json(path: str | os.PathLike[str], most: int = LARGEST_TEXT) -> Any:
    """The plain values of a JSON file of at most so many bytes, see `json_values`.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: names the file
    """
    text = read_text(path, most)
    try:
        return json_values(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


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
