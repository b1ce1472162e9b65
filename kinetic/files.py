"""Safe reading and writing of files: bounded reads of plain files, atomic replacement, no links out of a folder."""

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
"""Default limit in bytes for reading a text that kinetic wrote, such as the result of a cell."""

LARGEST_YAML = 1 << 20
"""Limit in bytes for reading a YAML file."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def open_plain(path: str | os.PathLike[str], most: int, what: str = "plain file") -> BinaryIO:
    """Open a plain file for reading; a pipe or a device is refused without waiting for it.

    Args:
        most: limit of its size in bytes
        what: name of the expected kind of file, for the message

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: for a larger file or anything but a plain file; the message does not name the file
    """
    _check_plain(os.stat(path), most, what)
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))
    try:
        _check_plain(os.fstat(file.fileno()), most, what)  # another file may be there by now
    except ValueError:
        file.close()
        raise
    return file


def not_plain(status: os.stat_result) -> str | None:
    """The kind of a file that is not plain, such as "a folder"; None for a plain file."""
    if stat.S_ISREG(status.st_mode):
        return None
    return next((word for test, word in _KINDS if test(status.st_mode)), "something else")


def _check_plain(status: os.stat_result, most: int, what: str) -> None:
    if kind := not_plain(status):
        raise ValueError(f"expected a {what}, found {kind}")
    if status.st_size > most:
        raise ValueError(f"expected a {what} of at most {most} bytes, found {status.st_size}")


def read_bytes(path: str | os.PathLike[str], most: int = LARGEST_TEXT, what: str = "plain file") -> bytes:
    """The content of a plain file; see `open_plain`.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: for a larger file or anything but a plain file; the message names the file
    """
    try:
        with open_plain(path, most, what) as file:
            return file.read(os.fstat(file.fileno()).st_size) or b""  # a file in /proc may have no end
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
            raise
        raise FileNotFoundError(f"{safe_line(path, 200)}: there is no such file") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_text(path: str | os.PathLike[str], most: int = LARGEST_TEXT, what: str = "plain file") -> str:
    """The text of a plain file in UTF-8, with the errors of `read_bytes`."""
    try:
        return read_bytes(path, most, what).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, found something else at byte {error.start}") from None


def inside(folder: Path, *names: str) -> Path:
    """The path of nested names in a folder, none of which is a link.

    Raises:
        ValueError: for a link, naming it and its target
    """
    path = folder
    for name in names:
        path = path / name
        if path.is_symlink():
            raise ValueError(
                f"{path}: expected no link, found one to {os.readlink(path)!r}; files written there would land outside "
                f"{folder}, remove the link"
            )
    return path


def make_folder(folder: Path, *names: str) -> Path:
    """Make the folder of nested names in a folder, unless it exists; see `inside`."""
    path = inside(folder, *names)
    path.mkdir(parents=True, exist_ok=True)
    return path


def open_log(path: Path) -> int:
    """Open or create a plain file to append to, and return its handle; links are not followed.

    Raises:
        ValueError: for a link or anything but a plain file, naming it
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
    """The plain values of a YAML file, see `yaml_values`; None for an empty file.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: for another text, naming the file and the line
    """
    text = read_text(path, LARGEST_YAML, "YAML file")
    try:
        return yaml_values(text)
    except ValueError as error:
        raise ValueError(f"{path}, {error}") from None


def read_json(path: str | os.PathLike[str], most: int = LARGEST_TEXT) -> Any:
    """The plain values of a JSON file of at most `most` bytes, see `json_values`.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: for another text or a larger file, naming the file
    """
    text = read_text(path, most)
    try:
        return json_values(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def checked_target(path: str | os.PathLike[str], endings: Sequence[str]) -> Path:
    """The path of a file to write, which has one of these endings and whose folder exists.

    Raises:
        ValueError: for another ending
        FileNotFoundError: when there is no such folder
    """
    target = Path(path)
    if target.suffix.lower() not in endings:
        raise ValueError(
            f"{target}: expected a name that ends in {', '.join(endings)}, got {target.suffix or 'no suffix'}"
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: there is no folder {target.parent}")
    return target


def temporary(path: Path) -> Path:
    """The temporary path of this process for a file or folder: `.NAME.PID.tmp`, beside it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def stale(folder: Path, names: str = ".+", *, alone: bool = False) -> list[Path]:
    """The temporary files and folders (`temporary`) that ended processes left in a folder.

    A file is stale when its process is not alive here and no process holds it; processes of other machines show only by
    what they hold. Links are left out.

    Args:
        names: of the files that the processes wrote, as a regular expression
        alone: no other process writes in the folder, so a living process only has the number of an ended one
    """
    if sys.platform == "win32":  # has no test for living processes
        return []
    pattern = re.compile(rf"\.(?:{names})\.([1-9][0-9]{{0,8}})\.tmp", re.DOTALL)
    paths = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (match := pattern.fullmatch(entry.name)) is None or (not alone and _alive(int(match[1]))):
                continue
            if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError), holding(Path(entry.path), patience=0):
                    paths.append(folder / entry.name)
    return sorted(paths)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


def clear_stale(folder: Path, names: str = ".+", *, alone: bool = False) -> None:
    """Remove the `stale` files and folders that the system allows to remove."""
    for path in stale(folder, names, alone=alone):
        with contextlib.suppress(OSError):
            _remove(path)


def _remove(path: Path) -> None:
    """Remove a file, a folder with its content, or a link itself, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file that replaces `path` when the block ends well, and is removed otherwise.

    `path` is the old or the complete new file at every moment, also after a power cut: the file is flushed to the disk,
    renamed, and the folder flushed. A link at `path` is replaced, not followed. Files that killed processes left
    (`temporary`) are removed when the same path is written again.

    Raises:
        OSError: when the disk refuses, with the name of `path`, even if torch hides it behind another error
    """
    path = Path(path)
    beside = temporary(path)
    try:
        clear_stale(path.parent, re.escape(path.name))
        _remove(beside)  # left by a process that had this number, or a link to somewhere else
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
    """An empty temporary folder beside `path` to build it in; the folder and its content are removed at the end.

    Folders that killed processes left are removed first.

    Raises:
        FileExistsError: when this process is building the same path already
    """
    folder = temporary(path)
    clear_stale(path.parent, re.escape(path.name))
    if folder.is_dir() and not folder.is_symlink():
        with holding(folder, patience=0):
            pass
    _remove(folder)  # left by a process that had this number
    folder.mkdir()
    try:
        with holding(folder, patience=1):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sealed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values for a JSON file, with their checksum under the key `checksum`."""
    return {**plain, "checksum": _digest(plain)}


def check_sealed(plain: Mapping[str, Any]) -> None:
    """Compare plain values with the checksum from `sealed`. Raises ValueError for another or no checksum."""
    content = dict(plain)
    checksum = content.pop("checksum", None)
    if checksum is None:
        raise ValueError("it has no checksum: another version wrote it")
    if checksum != _digest(content):
        raise ValueError("it does not match its checksum: it is damaged or was edited")


def _digest(plain: Mapping[str, Any]) -> str:
    content = json.loads(json.dumps(plain))  # as a reader sees it: every key is text
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def flush(path: Path) -> None:
    """Make the disk keep a file, or the entries of a folder; Windows cannot flush folders and does not need to."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def holding(folder: Path, patience: float) -> Iterator[None]:
    """A context that holds a lock on a folder or file; on a system without such locks it does nothing.

    Args:
        patience: seconds to wait for another process

    Raises:
        FileExistsError: when another process still holds it then
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise FileExistsError(f"{folder}: another process is at work in it") from None
                time.sleep(0.2)
            except OSError:  # a file system without locks
                break
        yield
    finally:
        os.close(handle)
