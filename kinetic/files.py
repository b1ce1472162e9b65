"""Files of strangers and of ours: read with care, replaced whole, and written nowhere but where they belong."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from kinetic.messages import safe_line
from kinetic.plain import json_values, yaml_values

__all__ = [
    "LARGEST_TEXT",
    "LARGEST_YAML",
    "check_sealed",
    "checked_target",
    "clear_stale",
    "flush",
    "holding",
    "inside",
    "make_folder",
    "not_plain",
    "open_log",
    "open_plain",
    "read_bytes",
    "read_json",
    "read_text",
    "read_yaml",
    "replacing",
    "sealed",
    "stale",
    "temporary",
    "working_folder",
]

LARGEST_TEXT = 64 << 20
"""Bytes of the largest text of ours, such as the result of a cell, that is read unless it is known to be smaller."""

LARGEST_YAML = 1 << 20
"""Bytes of the largest YAML file that is opened."""

_OTHERS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def open_plain(path: str | os.PathLike[str], most: int, what: str = "plain file") -> BinaryIO:
    """A plain file, open for reading. A pipe is not waited for, and a device not opened.

    Args:
        most: bytes that it may have
        what: is expected, in words

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: without the name of the file, for something else than a plain file of at most so many bytes
    """
    _check_plain(os.stat(path), most, what)
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))
    try:
        _check_plain(os.fstat(file.fileno()), most, what)  # another file may have taken its place
    except ValueError:
        file.close()
        raise
    return file


def not_plain(found: os.stat_result) -> str | None:
    """What it is, in words, that is no plain file; None for a plain file."""
    if stat.S_ISREG(found.st_mode):
        return None
    return next((word for test, word in _OTHERS if test(found.st_mode)), "something else")


def _check_plain(found: os.stat_result, most: int, what: str) -> None:
    if kind := not_plain(found):
        raise ValueError(f"expected a {what}, found {kind}")
    if found.st_size > most:
        raise ValueError(f"expected a {what} of at most {most} bytes, found {found.st_size}")


def read_bytes(path: str | os.PathLike[str], most: int = LARGEST_TEXT, what: str = "plain file") -> bytes:
    """What is in a plain file; see `open_plain`.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: naming the file, for something else than a plain file of at most so many bytes
    """
    try:
        with open_plain(path, most, what) as file:
            return file.read(os.fstat(file.fileno()).st_size) or b""  # what a system shows as a file may have no end
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
            raise
        raise FileNotFoundError(f"{safe_line(path, 200)}: there is no such file") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_text(path: str | os.PathLike[str], most: int = LARGEST_TEXT, what: str = "plain file") -> str:
    """The text of a plain file in UTF-8; see `read_bytes`, whose errors it shares."""
    try:
        return read_bytes(path, most, what).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, found something else at byte {error.start}") from None


def inside(folder: Path, *names: str) -> Path:
    """What is called so in a folder, and again in that, when no link on the way leads out of the folder.

    Raises:
        ValueError: naming the link and where it leads
    """
    path = folder
    for name in names:
        path = path / name
        if path.is_symlink():
            raise ValueError(
                f"{path}: expected no link, found one to {os.readlink(path)!r}; what is written there would leave "
                f"{folder}. Remove the link"
            )
    return path


def make_folder(folder: Path, *names: str) -> Path:
    """The folder of that name in a folder, see `inside`; it is made if need be."""
    path = inside(folder, *names)
    path.mkdir(parents=True, exist_ok=True)
    return path


def open_log(path: Path) -> int:
    """The handle of a plain file of our folders to append to; it is made if need be, and no link is followed.

    Raises:
        ValueError: naming the file, for a link and for something else than a plain file
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(inside(path.parent, path.name), flags, 0o666)
    except OSError as error:
        if path.exists() and not path.is_file():
            raise ValueError(f"{path}: expected a plain file, found something else") from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError(f"{path}: expected a plain file, found something else")
    return handle


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """The plain values of a YAML file, see `yaml_values`; None for an empty one.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: names the file and the line
    """
    text = read_text(path, LARGEST_YAML, "YAML file")
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


def temporary(path: Path) -> Path:
    """Where this process writes what is to become a file or folder: `.NAME.PID.tmp`, beside it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def stale(folder: Path, names: str = ".+", *, alone: bool = False) -> list[Path]:
    """What processes that are no more have left where they wrote (`temporary`) into a folder.

    That is files and folders with such a name, no links, whose process is not alive and that none holds: processes of
    other machines are seen by what they hold only.

    Args:
        names: of what they wrote, as a regular expression
        alone: nobody else writes there, so a process that is alive has the number of one that is no more
    """
    if sys.platform == "win32":  # which cannot tell
        return []
    pattern = re.compile(rf"\.(?:{names})\.([1-9][0-9]{{0,8}})\.tmp", re.DOTALL)
    left = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (match := pattern.fullmatch(entry.name)) is None or (not alone and _alive(int(match[1]))):
                continue
            if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError), holding(Path(entry.path), patience=0):
                    left.append(folder / entry.name)
    return sorted(left)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def clear_stale(folder: Path, names: str = ".+", *, alone: bool = False) -> None:
    """Remove what is `stale`, as far as the system lets us."""
    for left in stale(folder, names, alone=alone):
        with contextlib.suppress(OSError):
            _remove(left)


def _remove(path: Path) -> None:
    """A file, a folder with all that is in it, or a link itself; or nothing, where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file to write beside `path`; it takes the place of `path` when the block ends well, and is removed otherwise.

    At every moment the old or the complete new one is there, also after a power cut: the file is flushed to the disk,
    renamed, and the folder flushed. A link in its place is replaced, not followed. What a killed process leaves behind
    (`temporary`) is removed when the same file is written again.

    Raises:
        OSError: what the disk refused, with the name of `path`; also where torch hid it behind an error of its own
    """
    path = Path(path)
    beside = temporary(path)
    try:
        clear_stale(path.parent, re.escape(path.name))
        _remove(beside)  # of a process that had this number before, or a link to somewhere else
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        with holding(beside, patience=1):
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


@contextlib.contextmanager
def working_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` (`temporary`) in which it is made; what is in it at the end is removed.

    What killed processes left is removed before.

    Raises:
        FileExistsError: when this process makes the same already
    """
    folder = temporary(path)
    clear_stale(path.parent, re.escape(path.name))
    if folder.is_dir() and not folder.is_symlink():
        with holding(folder, patience=0):
            pass
    _remove(folder)  # of a process that had this number before
    folder.mkdir()
    try:
        with holding(folder, patience=1):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
    """Inside, no other process holds this folder or file; where the system has no such locks, nothing is held.

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
