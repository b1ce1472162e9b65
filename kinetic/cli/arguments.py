"""What all verbs share: a verb with its arguments, the types of arguments, wrong requests and stopped work."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass

from kinetic.messages import say
from kinetic.presets import Preset, presets

__all__ = [
    "WRONG_REQUEST",
    "Stopped",
    "Verb",
    "WrongRequest",
    "declare_json",
    "declare_label",
    "declare_presets",
    "frame_rate",
    "json_text",
    "label_from_words",
    "natural",
    "positive",
    "print_presets",
    "separated",
]


class WrongRequest(ValueError):
    """The command line asks for something impossible."""


WRONG_REQUEST = (
    ValueError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    ModuleNotFoundError,
)
"""Errors that answer a wrong request, such as a missing extra; all others mean that the work failed."""


class Stopped(BaseException):
    """A signal stopped the work.

    Attributes:
        number: of the signal
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Verb:
    """One thing that the command line does.

    Attributes:
        run: does it
        declare: adds its arguments to a parser
        meaning: one line for the help
    """

    run: Callable[[Namespace], None]
    declare: Callable[[ArgumentParser], None]
    meaning: str


def declare_json(parser: ArgumentParser) -> None:
    """Add the option that prints JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


def declare_label(parser: ArgumentParser) -> None:
    """Add the option that chooses classes; `label_from_words` reads it."""
    parser.add_argument(
        "--label", action="append", metavar="CLASS", help="name or number; again for more; default: all"
    )


def declare_presets(parser: ArgumentParser, kind: Preset) -> None:
    """Add the files of an experiment or an ablation, and the option that lists its presets."""
    meaning = f"{kind}s: presets by name, or files; later ones win over earlier ones"
    parser.add_argument("files", nargs="*", metavar="NAME|FILE", help=meaning)
    parser.add_argument("--list", action="store_true", help="print the presets and what each is, and stop")


def print_presets(kind: Preset) -> None:
    """Print the presets of a kind, a line for each."""
    say("\n".join(f"{name:22} {about}" for name, about in presets(kind).items()))


def label_from_words(words: list[str] | None) -> list[str | int] | None:
    """The classes that `--label` names or numbers; None = all."""
    return None if words is None else [int(word) if word.isdecimal() else word for word in words]


def separated(texts: list[str] | None) -> list[str] | None:
    """The names of an option that takes several, separated by commas or in repeated options."""
    return None if texts is None else [name.strip() for text in texts for name in text.split(",")]


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def natural(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError(f"expected a whole number from 0 on, got {text!r}")
    return int(text)


def frame_rate(text: str) -> float:
    """Frames per second."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1000:
        raise ArgumentTypeError(f"expected frames per second up to 1000, got {text!r}")
    return rate


def json_text(plain: object) -> str:
    """The text that `--json` prints: JSON in ASCII, which every terminal shows and every program reads."""
    return json.dumps(plain, indent=2, allow_nan=False)
