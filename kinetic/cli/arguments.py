"""What the verbs of the command line are made of: arguments, their types, and how a wrong request is answered."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "Verb",
    "WrongRequest",
    "declare_json",
    "frame_rate",
    "json_text",
    "listed",
    "natural",
    "positive",
    "wanted_classes",
]


class WrongRequest(ValueError):
    """What was typed cannot be understood."""


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
    """The option to print JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


def wanted_classes(words: list[str] | None) -> list[str | int] | None:
    """The classes that an option names or numbers; None = all."""
    return None if words is None else [int(word) if word.isdecimal() else word for word in words]


def listed(given: list[str] | None) -> list[str] | None:
    """The names of an option that takes several, separated by commas or given again."""
    return None if given is None else [name.strip() for text in given for name in text.split(",")]


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
    """What `--json` prints: in ASCII, which any terminal can show and any program reads."""
    return json.dumps(plain, indent=2, allow_nan=False)
