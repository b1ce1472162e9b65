"""The words of errors and what a terminal may show: one-line texts, the nearest names, the only place that prints.

A name from a file may hold anything: a newline that breaks a table, an escape sequence that clears the screen or sets
its title, letters that turn the reading direction, half of a surrogate pair, five thousand letters.
"""

from __future__ import annotations

import codecs
import contextlib
import difflib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TextIO

__all__ = [
    "LONGEST_MESSAGE",
    "LONGEST_NAME",
    "complain",
    "error_line",
    "listed",
    "nearest",
    "one_line",
    "open_streams",
    "safe_line",
    "say",
    "settle_streams",
    "speaking",
    "suggestion",
]

LONGEST_NAME = 60
"""Letters of a name that are shown."""

LONGEST_MESSAGE = 600
"""Letters of an error, a warning or a note that are shown."""

LONGEST_LIST = 400
"""Letters of a list of names that are shown."""

PLAIN = {"±": "+-", "−": "-", "…": "...", "–": "-", "—": "-", "×": "x", "‘": "'", "’": "'", "│": "|"}
"""Common signs and their spelling for a terminal whose encoding lacks them."""


# ------------------------------------------------------------------------------------------------------ safe one-liners


def safe_line(text: object, most: int | None = LONGEST_NAME) -> str:
    r"""A text as one safe line of at most `most` letters: the newline of `safe_line("walk\n")` becomes `\` and `n`.

    Anything but letters, digits, signs and plain spaces (control characters, line ends, marks of direction, halves of
    surrogate pairs, code points without a meaning) is written as Python would write it. A long text loses its middle,
    because names often differ at their ends.

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


def one_line(text: object, most: int | None = LONGEST_MESSAGE) -> str:
    """A text or the message of an error as one safe line: line ends and runs of blanks become single spaces."""
    return safe_line(" ".join(str(text).split()), most)


def error_line(
    error: BaseException, most: int | None = LONGEST_MESSAGE, *, plain: tuple[type[BaseException], ...] = ()
) -> str:
    """Type and message of an error as one safe line: `KeyError: 'walk'`.

    Args:
        most: letters; None = all
        plain: types of errors whose message is enough
    """
    message = one_line(error, None)
    if not message:
        return type(error).__name__
    return safe_line(message if isinstance(error, plain) else f"{type(error).__name__}: {message}", most)


# -------------------------------------------------------------------------------------------------------- nearest names


def nearest(word: str, names: Iterable[str], *, count: int = 1, cutoff: float = 0.6) -> list[str]:
    """The names most like a word, at most `count`, the most similar first.

    The comparison takes long, so it looks at the first 1000 names and the first 100 letters of the word, and leaves
    longer names out.

    Args:
        cutoff: similarity from 0 (none) to 1 (equal) below which a name is not near
    """
    candidates = [name for name in islice(names, 1000) if len(name) <= 100]
    return difflib.get_close_matches(word[:100], candidates, n=count, cutoff=cutoff)


def suggestion(word: str, names: Iterable[str]) -> str:
    """What to type instead of an unknown word: "did you mean walk?", or the list of names when none is near."""
    names = list(names)
    near = nearest(word, names)
    return f"did you mean {safe_line(near[0])}?" if near else f"expected one of: {listed(names)}"


def listed(names: Iterable[str]) -> str:
    """Names separated by commas, as many as a message has room for: "walk, jump and 98 more"."""
    lines = [safe_line(name) for name in names]
    count, size = 0, 0
    for line in lines:
        size += len(line) + 2
        if size > LONGEST_LIST:
            break
        count += 1
    rest = len(lines) - count
    return ", ".join(lines[:count]) + (f" and {rest} more" if rest else "")


# ------------------------------------------------------------------------------------------------------------- printing


def say(text: str, *, error: bool = False) -> None:
    """Print lines on standard output, or on standard error; each is shown whole, in any encoding.

    Raises:
        OSError: when standard output cannot be written
    """
    lines = "\n".join(safe_line(line, None) for line in text.split("\n"))
    if not error:
        if sys.stdout is not None:
            print(_encodable(lines, sys.stdout), flush=True)
    elif sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # no reader is left
            print(_encodable(lines, sys.stderr), file=sys.stderr, flush=True)


def complain(text: object) -> None:
    """Print an error, a warning or a note as one line on standard error; a long one loses its middle."""
    say(f"kinetic: {one_line(text)}", error=True)


@contextlib.contextmanager
def speaking() -> Iterator[None]:
    """A context in which a warning is one line on standard error."""
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


# -------------------------------------------------------------------------------------------------------------- streams


def open_streams() -> None:
    """Open the null device for each closed standard stream, so that no other file takes its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))


def settle_streams() -> None:
    """Flush standard output and standard error; one that fails is sent to the null device, so that the exit works."""
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
