"""Plain values (mappings, lists, words, numbers, true, false, null) from YAML and JSON texts, and YAML texts of them.

YAML is read by version 1.2 (the core schema): `yes`, `12:30:00` and `2020-01-01` are words, `1e-4` is a number. Whole
numbers that begin with a zero are words too: `0777` is 511 in one version and 777 in the other. Tags are refused, so
that a text cannot choose the types built from it. Aliases and merge keys (`<<`) are followed and count as the values
that they stand for: a few lines can stand for billions of values.

libyaml, which every wheel of PyYAML contains, scans the text: it reads or refuses any text of 1 MiB in 0.2 seconds.
PyYAML's scanner in Python takes up to 4 seconds; it is used when libyaml is missing.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from kinetic.messages import safe_line

__all__ = ["DEEPEST", "LONGEST_NUMBER", "MOST_VALUES", "json_values", "yaml_text", "yaml_values"]

MOST_VALUES = 20_000
"""Limit of keys and values in a YAML text; a skeleton of 1000 joints has 6000, a table mapping for it 14,000."""

DEEPEST = 50
"""Limit of lists and mappings inside one another."""

LONGEST_NUMBER = 100
"""Limit of letters in a number, so that every whole number fits into a float."""

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
    """The plain values of a YAML text with one document; None for an empty text.

    Args:
        words: leave words and numbers as text

    Raises:
        ValueError: in one line that begins with the line number, such as `line 3: `
    """
    text = text.removeprefix("\ufeff")
    if odd := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        raise ValueError(f"line {line}: expected text, found the character {odd[0].encode('unicode_escape').decode()}")
    if tags := _TAGS.search(text):  # libyaml compares every tag with all tags before it
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
    size: int  # number of its keys and values
    depth: int  # levels of lists and mappings in it


class _Document:
    """Builds values from the events of a YAML text."""

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
                _refuse(event, f"*{safe_line(event.anchor)} refers to no anchor that is complete before it")
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
        values: dict[Any, Any] = {}
        nodes, keys = [], set()
        merged: dict[Any, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key, value = self.node(event, level), self.node(next(self.events), level)
            nodes += [key, value]
            if type(key.value) not in (str, int):
                _refuse(event, f"expected a word or a whole number as a key, found {_shown(key.value)}; quote a word")
            if str(key.value) in keys:
                _refuse(event, f"the key {_shown(key.value)} is repeated")
            keys.add(str(key.value))
            if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == "<<":
                merged = _merged(event, value.value)
            else:
                values[key.value] = value.value
        return _Node(merged | values, 1 + _size(nodes), 1 + _depth(nodes))

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
            _refuse(event, f"{text} is too large for a number; quote it if it is a word")
        return number


def _size(nodes: list[_Node]) -> int:
    return sum(node.size for node in nodes)


def _depth(nodes: list[_Node]) -> int:
    return max((node.depth for node in nodes), default=0)


def _merged(event: Any, value: Any) -> dict[Any, Any]:
    """The values that `<<` takes from a mapping or a list of mappings, where earlier mappings win."""
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
    """A value as YAML writes it, shortened for a message."""
    names = {None: "null", True: "true", False: "false"}
    return names[value] if value is None or isinstance(value, bool) else _SHORT.repr(value)


class _Dumper(yaml.SafeDumper):
    """YAML's safe dumper for readers of both versions: it quotes words that either version reads as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True  # every value is written out


_Dumper.add_representer(list, lambda dumper, rows: dumper.represent_sequence("tag:yaml.org,2002:seq", rows, True))
for _tag, _pattern in (
    ("int", r"0o[0-7]+"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"),
):
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list("-+.0123456789"))


def yaml_text(plain: Mapping[str, Any]) -> str:
    """Nested plain values as YAML, sections as blocks and lists in one line; `yaml_values` reads equal values back."""
    options: dict[str, Any] = {"Dumper": _Dumper, "sort_keys": False, "width": 120}
    text = yaml.dump(dict(plain), allow_unicode=True, **options)
    safe = all(safe_line(line, None) == line for line in text.split("\n"))
    return text if safe else yaml.dump(dict(plain), **options)  # with escapes, which mean the same


def json_values(text: str) -> Any:
    """The plain values of a JSON text.

    Raises:
        ValueError: in one line, for a text that is not JSON, repeated keys, numbers that are not finite or longer than
            `LONGEST_NUMBER`, and lists and mappings more than `DEEPEST` inside one another
    """
    try:
        value = json.loads(text, parse_int=_whole, parse_constant=_no_number, object_pairs_hook=_mapping)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    level, depth = [value], 0
    while level:
        nested = [entry for entry in level if isinstance(entry, dict | list)]
        if nested and depth == DEEPEST:
            raise ValueError(TOO_DEEP)
        if any(isinstance(entry, float) and math.isinf(entry) for entry in level):
            raise ValueError("found a number that is too large, expected finite numbers")
        level = [inner for entry in nested for inner in (entry.values() if isinstance(entry, dict) else entry)]
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
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"the key {_shown(counts.most_common(1)[0][0])} is repeated")
    return mapping
