"""Files that are replaced whole: at every moment the old or the complete new one is there, also after a power cut."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["flush", "replacing"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file to write beside `path`; it takes the place of `path` when the block ends well, and is removed otherwise.

    The file is flushed to the disk, renamed, and the folder flushed. What a killed process leaves behind is named
    `.NAME.PID.tmp`.

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
    """Make the disk keep a file, or the entries of a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
