"""Plain values (mappings, lists, words, numbers, true, false, null) from YAML and JSON texts, and YAML texts of them.

YAML is read as its version 1.2 has it (the core schema): `yes`, `12:30:00` and `2020-01-01` are words, `1e-4` is a
number. Whole numbers that begin with a zero are words too: `0777` is 511 to one version and 777 to the other. Tags are
refused, so that a text never says what is built from it. Aliases and merge keys (`<<`) are followed, and what they
stand for counts as if it were written out: a few lines can stand for billions of values.

The events come from libyaml, which every wheel of PyYAML holds: no text of 1 MiB takes 0.2 seconds until it is read or
refused, where PyYAML's scanner in Python takes up to 4. That one takes its place where libyaml is missing.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from kinetic.messages import safe_line

__all__ = ["DEEPEST", "LONGEST_NUMBER", "MOST_VALUES", "json_values", "yaml_text", "yaml_values"]

MOST_VALUES = 20_000
"""Keys and values of a YAML text; a skeleton of 1000 joints has 6000, a table mapping for it 14,000."""

DEEPEST = 50
"""Lists and mappings inside one another."""

LONGEST_NUMBER = 100
"""Letters of a number; every whole number fits into a float."""

TOO_DEEP = f"nested too deeply, expected at most {DEEPEST} lists and mappings inside one another"

_EVENTS = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS = re.compile("(?:\\A|[\n\r\x85\u2028\u2029])%TAG")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ENDLESS = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NAMED: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 60, 60


def yaml_values(text: str, *, words: bool = False) -> Any:
    """The plain values of a YAML text, which is one document; None for an empty one.

    Args:
        words: leave every word and number the text that it is

    Raises:
        ValueError: in one line that begins with the number of that in the text, such as `line 3: `
    """
    text = text.removeprefix("\ufeff")
    if odd := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        raise ValueError(f"line {line}: expected text, found the character {odd[0].encode('unicode_escape').decode()}")
    if tags := _TAGS.search(text):  # libyaml compares each with all before it
        raise ValueError(
            f"line {text.count(chr(10), 0, tags.end()) + 1}: found %TAG, expected plain values without tags"
        )
    try:
        return _Document(text, words).value()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line, text.count("\n")) + 1 if mark else 1
        tab = "; YAML takes no tab there, write spaces" if mark and text[mark.index : mark.index + 1] == "\t" else ""
        reason = " ".join(filter(None, (error.problem, error.context)))
        raise ValueError(f"line {line}: {safe_line(reason, 200)}{tab}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"line 1: {safe_line(error, 200)}") from None


@dataclass(frozen=True)
class _Node:
    value: Any
    size: int  # keys and values that it stands for
    depth: int  # of lists and mappings in it


class _Document:
    """Values made from the events of a YAML text."""

    def __init__(self, text: str, words: bool) -> None:
        self.events: Iterator[Any] = yaml.parse(text, Loader=_EVENTS)
        self.words = words
        self.anchors: dict[str, _Node] = {}
        self.size = 0

    def value(self) -> Any:
        next(self.events)  # the stream begins
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return None
        node = self.node(next(self.events), 0)
        next(self.events)  # the document ends
        if isinstance(event := next(self.events), yaml.DocumentStartEvent):
            _refuse(event, "a second document begins, expected one")
        return node.value

    def node(self, event: Any, level: int) -> _Node:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                _refuse(event, f"*{safe_line(event.anchor)} stands for nothing that is complete before it")
            node = self.anchors[event.anchor]
            self.check(event, node.size, level + node.depth)
            return node
        if event.tag is not None:
            tag = safe_line(event.tag.replace("tag:yaml.org,2002:", "!!"))
            _refuse(event, f"found the tag {tag}, expected plain values without tags")
        if event.anchor is not None:
            self.anchors.pop(event.anchor, None)
        if isinstance(event, yaml.ScalarEvent):
            self.check(event, 1, level)
            node = _Node(self.scalar(event), 1, 0)
        else:
            self.check(event, 1, level + 1)
            node = (self.mapping if isinstance(event, yaml.MappingStartEvent) else self.sequence)(level + 1)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def check(self, event: Any, size: int, depth: int) -> None:
        self.size += size
        if self.size > MOST_VALUES:
            _refuse(event, f"expected at most {MOST_VALUES} keys and values, found more, those behind aliases included")
        if depth > DEEPEST:
            _refuse(event, TOO_DEEP)

    def sequence(self, level: int) -> _Node:
        nodes = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            nodes.append(self.node(event, level))
        return _Node([node.value for node in nodes], 1 + _size(nodes), 1 + _depth(nodes))

    def mapping(self, level: int) -> _Node:
        own: dict[Any, Any] = {}
        nodes, known = [], set()
        merged: dict[Any, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key, value = self.node(event, level), self.node(next(self.events), level)
            nodes += [key, value]
            if type(key.value) not in (str, int):
                _refuse(event, f"expected a word or a whole number as a key, found {_shown(key.value)}; quote a word")
            if str(key.value) in known:
                _refuse(event, f"{_shown(key.value)} stands there twice")
            known.add(str(key.value))
            if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == "<<":
                merged = _merged(event, value.value)
            else:
                own[key.value] = value.value
        return _Node(merged | own, 1 + _size(nodes), 1 + _depth(nodes))

    def scalar(self, event: Any) -> Any:
        text: str = event.value
        if self.words or not event.implicit[0]:  # in quotes, or a block
            return text
        if text in _NAMED:
            return _NAMED[text]
        if _ENDLESS.fullmatch(text):
            return float(text.replace(".", ""))
        whole = _WHOLE.fullmatch(text)
        if not whole and not _DECIMAL.fullmatch(text):
            return text
        if len(text) > LONGEST_NUMBER:
            _refuse(event, f"expected a number of at most {LONGEST_NUMBER} letters, found one of {len(text)}")
        number = int(text, 0) if whole else float(text)
        if math.isinf(number):
            _refuse(event, f"{text} is larger than any number; quote it where it is a word")
        return number


def _size(nodes: list[_Node]) -> int:
    return sum(node.size for node in nodes)


def _depth(nodes: list[_Node]) -> int:
    return max((node.depth for node in nodes), default=0)


def _merged(event: Any, value: Any) -> dict[Any, Any]:
    """What `<<` takes over: from a mapping or several, of which the first has the last word."""
    sources = value if isinstance(value, list) else [value]
    merged: dict[Any, Any] = {}
    for source in reversed(sources):
        if not isinstance(source, dict):
            _refuse(event, f"<< takes a mapping or a list of them, found {_shown(source)}")
        merged |= source
    return merged


def _refuse(event: Any, reason: str) -> NoReturn:
    raise ValueError(f"line {event.start_mark.line + 1}: {reason}")


def _shown(value: object) -> str:
    """A value as YAML would have it, written out only as far as it is shown."""
    names = {None: "null", True: "true", False: "false"}
    return names[value] if value is None or isinstance(value, bool) else _SHORT.repr(value)


class _Dumper(yaml.SafeDumper):
    """YAML's safe dumper, for readers of both versions: words are quoted that one of them takes for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True  # nothing by reference


_Dumper.add_representer(list, lambda dumper, rows: dumper.represent_sequence("tag:yaml.org,2002:seq", rows, True))
for _tag, _pattern in (
    ("int", r"0o[0-7]+"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"),
):
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list("-+.0123456789"))


def yaml_text(plain: Mapping[str, Any]) -> str:
    """Nested plain values as YAML, sections as blocks and lists in one line; `yaml_values` gives equal ones back."""
    options: dict[str, Any] = {"Dumper": _Dumper, "sort_keys": False, "width": 120}
    text = yaml.dump(dict(plain), allow_unicode=True, **options)
    safe = all(safe_line(line, None) == line for line in text.split("\n"))
    return text if safe else yaml.dump(dict(plain), **options)  # with escapes, which mean the same


def json_values(text: str) -> Any:
    """The plain values of a JSON text.

    Raises:
        ValueError: in one line, for a text that is no JSON; for keys that stand there twice, numbers that are not
            finite or longer than `LONGEST_NUMBER`, and lists and mappings more than `DEEPEST` inside one another
    """
    try:
        value = json.loads(text, parse_int=_whole, parse_constant=_no_number, object_pairs_hook=_mapping)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    level, depth = [value], 0
    while level:
        outer = [each for each in level if isinstance(each, dict | list)]
        if outer and depth == DEEPEST:
            raise ValueError(TOO_DEEP)
        if any(isinstance(each, float) and math.isinf(each) for each in level):
            raise ValueError("found a number that is larger than any, expected finite ones")
        level = [inner for each in outer for inner in (each.values() if isinstance(each, dict) else each)]
        depth += 1
    return value


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"expected a number of at most {LONGEST_NUMBER} letters, found one of {len(digits)}")
    return int(digits)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"found {word}, expected finite numbers")


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        known: set[str] = set()
        twice = next(key for key, _ in pairs if key in known or known.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{_shown(twice)} stands there twice")
    return mapping
