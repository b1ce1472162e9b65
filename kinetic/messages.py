"""What a terminal may show: names and texts from files in a safe form, and the only place that prints.

A name from a file may hold anything: a newline that breaks a table, an escape sequence that clears the screen or sets
its title, letters that turn the reading direction, half of a surrogate pair, five thousand letters.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO

__all__ = [
    "LONGEST_MESSAGE",
    "LONGEST_NAME",
    "complain",
    "open_streams",
    "safe_line",
    "say",
    "settle_streams",
    "speaking",
]

LONGEST_NAME = 60
"""Letters of a name that are shown."""

LONGEST_MESSAGE = 600
"""Letters of an error, a warning or a note that are shown."""

PLAIN = {"±": "+-", "−": "-", "…": "...", "–": "-", "—": "-", "×": "x", "‘": "'", "’": "'", "│": "|"}
"""What stands for common signs where the encoding of a terminal does not have them."""


def safe_line(text: object, most: int | None = LONGEST_NAME) -> str:
    r"""A text as one safe line of at most so many letters: `safe_line("walk\n")` is `walk\n` with a backslash and an n.

    Whatever is no letter, digit, sign or plain space (control characters, line ends, marks of direction, halves of
    surrogate pairs, code points without a meaning) is written as Python would write it. What is too long is cut out of
    the middle: names often differ at their ends.

    Args:
        most: letters; None = all
    """
    letters = str(text)
    if most is not None and len(letters) > 2 * most:  # the middle is not looked at
        letters = letters[:most] + letters[-most:]
    pieces = [letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in letters]
    if most is None or sum(map(len, pieces)) <= most:
        return "".join(pieces)
    room = most - 3
    head = _fitting(pieces, room - room // 2)
    tail = _fitting(pieces[::-1], room // 2)[::-1]
    return f"{''.join(head)}...{''.join(tail)}"


def say(text: str, *, error: bool = False) -> None:
    """Print lines on standard output, or on standard error; each is shown whole, in any encoding.

    Raises:
        OSError: where standard output cannot be written
    """
    lines = "\n".join(safe_line(line, None) for line in text.split("\n"))
    if not error:
        if sys.stdout is not None:
            print(_encodable(lines, sys.stdout), flush=True)
    elif sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # nobody listens
            print(_encodable(lines, sys.stderr), file=sys.stderr, flush=True)


def complain(text: object) -> None:
    """Print an error, a warning or a note as one line on standard error, cut in the middle where it is too long."""
    say(f"kinetic: {safe_line(' '.join(str(text).split()), LONGEST_MESSAGE)}", error=True)


@contextlib.contextmanager
def speaking() -> Iterator[None]:
    """Inside, a warning is one line on standard error."""
    before = warnings.showwarning

    def show(
        message: Warning | str, category: type[Warning], file: str, line: int, to: TextIO | None = None, code: str = ""
    ) -> None:
        complain(f"warning: {message}")

    warnings.showwarning = show  # type: ignore[assignment]
    try:
        yield
    finally:
        warnings.showwarning = before


def open_streams() -> None:
    """Open on nothing whichever of the three standard streams is closed, so that no file takes its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))


def settle_streams() -> None:
    """Write what is left to be written; a stream that cannot be is silenced, so that the end does not fail too."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fitting(pieces: list[str], room: int) -> list[str]:
    """The first pieces, as many as fit; none is cut in two."""
    used = 0
    for i, piece in enumerate(pieces):
        used += len(piece)
        if used > room:
            return pieces[:i]
    return pieces


def _encodable(text: str, stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "kinetic.plain").decode(encoding)


def _substitute(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(PLAIN.get(x, x.encode("ascii", "backslashreplace").decode()) for x in letters), error.end


codecs.register_error("kinetic.plain", _substitute)
