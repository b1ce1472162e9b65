"""The reader of settings: YAML files and overrides into the frozen dataclasses of this package, and back.

A file holds differences from the defaults. pydantic checks plain values against the annotations of the dataclasses;
nothing is imported or called because a file says so. An error is one line with the file, the dotted key and what is
possible there.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import reprlib
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from itertools import islice
from numbers import Real
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from kinetic.files import read_yaml
from kinetic.messages import LONGEST_MESSAGE, safe_line
from kinetic.plain import DEEPEST, yaml_values
from kinetic.presets import Preset, preset_file
from kinetic.settings.choice import Choice

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "Layer",
    "Setting",
    "build",
    "differences",
    "dotted_keys",
    "file_layer",
    "merged",
    "nested",
    "settings_of",
    "to_plain",
    "unknown",
    "value_from_text",
]

Owner = TypeVar("Owner")

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2  # as in `kinetic.skeleton`
_SHORT.maxstring = _SHORT.maxother = 60


@dataclass(frozen=True)
class Setting:
    """One key of an experiment: `training.penalty`, say.

    Attributes:
        kind: its annotation
        default: its value when nothing else is said
        meaning: its line in the docstring
    """

    kind: Any
    default: object
    meaning: str

    @property
    def possible(self) -> str:
        """The values that it may have, in words."""
        return _possible(self.kind)


class Layer(NamedTuple):
    """Settings from one place; later layers win over earlier ones.

    Args:
        where: the beginning of an error about it, such as `demo.yaml: `
        values: nested plain values
    """

    where: str
    values: dict[str, Any]


def file_layer(path: str | os.PathLike[str], kind: Preset) -> Layer:
    """The settings in a YAML file, or in a preset. Raises ValueError and FileNotFoundError naming it."""
    values = read_yaml(preset_file(path, kind))
    return Layer(f"{path}: ", nested({} if values is None else values, f"{path}: ", dots=False))


def nested(flat: object, where: str = "", *, dots: bool = True) -> dict[str, Any]:
    """Sections and dotted keys as nested plain values: `{"critic.pooling": "max"}` as `{"critic": {"pooling": "max"}}`.

    Args:
        where: the beginning of an error
        dots: a dot separates a section from its key; False = it is part of a key, which no setting has

    Raises:
        ValueError: for what is no mapping, keys that are no words, and values that no file can hold
    """
    if not isinstance(flat, Mapping):
        raise ValueError(f"{where}expected settings such as `seed: 0`, got {_shown(flat)}")
    result: dict[str, Any] = {}
    for key, value in flat.items():
        parts = str(key).split(".") if dots else [key]
        if len(parts) > DEEPEST:
            raise ValueError(f"{where}{safe_line(key)}: unknown key")
        value = _plain_value(value, str(key), where)
        for part in reversed(parts):
            value = {part: value}
        result = merged(result, value)
    return result


def _plain_value(value: Any, key: str, where: str) -> Any:
    """Mappings, lists, words, numbers and truth values alone: what JSON can hold."""
    if isinstance(value, Mapping):
        if odd := [name for name in value if not isinstance(name, str) or not name]:
            name = safe_line(key)
            raise ValueError(f"{where}{name}: expected names, got {_shown(odd[0])}; quote a name that is a number")
        return {name: _plain_value(inner, f"{key}.{name}", where) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(inner, key, where) for inner in value]
    if hasattr(value, "item") and hasattr(value, "dtype"):  # a number of numpy
        value = value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(f"{where}{safe_line(key)}: expected a plain value, got {_shown(value)}")


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with those of `new` over those of `old`."""
    result = dict(old)
    for key, value in new.items():
        before = result.get(key)
        result[key] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return result


def build(owner: type[Owner], layers: Sequence[Layer], *, unread: Mapping[str, str] | None = None) -> Owner:
    """The settings that layers describe, as the dataclass `owner`.

    Args:
        unread: dotted key or section that `owner` does not read -> why, for the message

    Raises:
        ValueError: in one line, with the last layer that names the key, the key, and what is possible there
    """
    from pydantic import ValidationError

    values: dict[str, Any] = {}
    for layer in layers:
        values = merged(values, layer.values)
    try:
        cached: Any = owner
        (built,) = _adapter(cached).validate_json(json.dumps([values]), strict=True)
        return cast(Owner, built)
    except ValidationError as errors:
        error = errors.errors(include_url=False)[0]
    # without the list around it and, where a list is too short, without the number of what it lacks
    error["loc"] = error["loc"][1 : -1 if error["type"] == "missing" else None]
    if error["type"] == "value_error" and not _is_choice(owner, error["loc"]):
        message = str(error["ctx"]["error"])
        word = message.split()[0]
        if is_named := _named_section(owner, error["loc"]):
            message = f"{is_named}: {message}"
    else:
        word, message = _explained(owner, error, unread or {})
    blamed = [
        layer.where for layer in layers if any(f".{key}".endswith(f".{word}") for key in dotted_keys(layer.values))
    ]
    where = blamed[-1] if blamed else "".join(layer.where for layer in layers)
    raise ValueError(safe_line(f"{where}{message}", LONGEST_MESSAGE))


@cache
def _adapter(owner: Any) -> TypeAdapter[list[Any]]:
    from pydantic import ConfigDict, TypeAdapter

    # a list, for which a configuration can be given; the dataclasses in it follow it
    return TypeAdapter(list[owner], config=ConfigDict(extra="forbid", allow_inf_nan=False))


def _walk(owner: Any, location: Sequence[Any]) -> tuple[Any, str]:
    """The annotation at a place, and its dotted key."""
    kind, words = owner, []
    for part in location:
        inner, _ = _without_none(kind)
        if isinstance(part, int):
            options = get_args(inner)
            kind = options[part] if get_origin(inner) is tuple and options[-1] is not Ellipsis else options[0]
            continue
        words.append(safe_line(part))
        section: Any = inner
        kind = _kinds(section).get(part) if is_dataclass(inner) else get_args(inner)[1] if get_args(inner) else Any
    return kind, ".".join(words)


def _is_choice(owner: Any, location: Sequence[Any]) -> bool:
    kind, _ = _walk(owner, location)
    return _choice(_without_none(kind)[0]) is not None


def _named_section(owner: Any, location: Sequence[Any]) -> str:
    """The dotted key of a section that a name leads to, such as `recipes.A`; empty for any other place."""
    kind, key = _walk(owner, location[:-1]) if location else (None, "")
    return _walk(owner, location)[1] if get_origin(kind) is dict else ""


def _explained(owner: Any, error: Mapping[str, Any], unread: Mapping[str, str]) -> tuple[str, str]:
    """The dotted key of an error of pydantic, and the error in our words."""
    location, value = error["loc"], error["input"]
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        *sections, word = location
        kind, prefix = _walk(owner, sections)
        key = f"{prefix}.{word}" if prefix else str(word)
        section, _ = _without_none(kind)
        if (why := _unread(key, value, unread)) is not None:
            return why
        names = list(_kinds(section))
        return key, f"{safe_line(key)}: unknown key; {_instead(str(word), f'{prefix}.' if prefix else '', names)}"
    kind, key = _walk(owner, location)
    return key, f"{key}: expected {_possible(kind)}, got {_shown(value)}{_advice(kind, value)}"


def _unread(key: str, value: Any, unread: Mapping[str, str]) -> tuple[str, str] | None:
    """An unknown key, or one inside it, that another owner reads, and why this one does not."""
    inner = [f"{key}.{name}" for name in dotted_keys(value)] if isinstance(value, Mapping) else []
    for name in (key, *inner):
        if name in unread:
            return key, f"{safe_line(name)}: {unread[name]}"
    return None


def _advice(kind: Any, value: Any) -> str:
    wanted, _ = _without_none(kind)
    choice = _choice(wanted)
    names = choice.names if choice is not None else get_args(wanted) if get_origin(wanted) is Literal else ()
    if isinstance(value, str) and (near := _nearest(value, names)):
        return f"; did you mean {near!r}?"
    if wanted is int and isinstance(value, float) and value.is_integer():
        return f"; write {value:.0f}"
    return "; put a word in quotes" if wanted is str and isinstance(value, Real) and not isinstance(value, bool) else ""


def to_plain(settings: Any) -> dict[str, Any]:
    """Every setting, as dictionaries, lists, words and numbers: what run folders and checkpoints hold."""
    plain: dict[str, Any] = _plain(settings)
    return plain


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def differences(settings: Any) -> dict[str, Any]:
    """The settings that are not as their dataclass has them by default, as nested plain values.

    A setting that a later version adds, off by default, does not change what this gives.
    """
    changed = {}
    for entry in fields(settings):
        value, default = getattr(settings, entry.name), _default(entry)
        if value != default:
            changed[entry.name] = differences(value) if is_dataclass(value) else _plain(value)
    return changed


def _default(entry: Any) -> Any:
    return entry.default_factory() if entry.default is MISSING else entry.default


def settings_of(owner: type) -> Mapping[str, Setting]:
    """Every key that a file or the command line may set, by its dotted name, in the order of the sections."""
    return types.MappingProxyType(dict(_settings(owner, "")))


def value_from_text(setting: Setting, text: str) -> object:
    """The value that stands after `--key` on a command line, before it is checked.

    Words stay words where a word is expected; lists need no brackets: `--data.classes "walk,sit down"`.
    """
    kind, optional = _without_none(setting.kind)
    if optional and text == "null":
        return None
    if kind is str or get_origin(kind) is Literal or _choice(kind) is not None:
        return text
    if get_origin(kind) in (list, tuple) and not text.lstrip().startswith("["):
        text = f"[{text}]"
    try:
        return yaml_values(text, words=get_origin(kind) is list and get_args(kind) == (str,))
    except ValueError:
        return text


def dotted_keys(plain: Mapping[str, Any], prefix: str = "") -> set[str]:
    """The dotted names of all sections and keys of nested settings."""
    keys = set()
    for key, value in plain.items():
        keys |= {f"{prefix}{key}"} | (dotted_keys(value, f"{prefix}{key}.") if isinstance(value, Mapping) else set())
    return keys


@cache
def _kinds(owner: Any) -> dict[str, Any]:
    return get_type_hints(owner, include_extras=True)


def _instead(key: str, prefix: str, known: list[str]) -> str:
    section, dot, rest = key.partition(".")
    if dot and section in known:
        return f"in a file, sections nest: {section}: {{{safe_line(rest)}: ...}}"
    near = _nearest(key, known)
    return f"did you mean {prefix}{near}?" if near else f"expected one of: {_listed(prefix + name for name in known)}"


def _settings(owner: Any, prefix: str) -> Iterable[tuple[str, Setting]]:
    kinds = _kinds(owner)
    meanings: dict[str, str] = {}
    for base in reversed(owner.__mro__[:-1]):
        meanings |= _meanings(base.__doc__ or "")
    for entry in fields(owner):
        kind = kinds[entry.name]
        section, optional = _without_none(kind)
        if not is_dataclass(section) or optional:
            default = entry.default if entry.default is not MISSING else None
            yield prefix + entry.name, Setting(kind, default, meanings.get(entry.name, ""))
        if is_dataclass(section):
            yield from _settings(section, f"{prefix}{entry.name}.")


def _meanings(docstring: str) -> dict[str, str]:
    lines = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", docstring, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in lines}


def _without_none(kind: Any) -> tuple[Any, bool]:
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (part for part in get_args(kind) if part is not type(None))
        return kind, True
    return kind, False


def _choice(kind: Any) -> Choice | None:
    """The choice that annotates a kind, if there is one."""
    metadata = getattr(kind, "__metadata__", ()) if get_origin(kind) is Annotated else ()
    return next((entry for entry in metadata if isinstance(entry, Choice)), None)


def _possible(kind: Any) -> str:
    wanted, optional = _without_none(kind)
    origin, inner = get_origin(wanted), get_args(wanted)
    if is_dataclass(wanted):
        words = f"a section with {', '.join(entry.name for entry in fields(wanted))}"
    elif origin is dict:
        words = "names, each with what it stands for"
    elif origin is Literal:
        words = f"one of {', '.join(map(str, inner))}"
    elif (choice := _choice(wanted)) is not None:
        words = f"one of {', '.join(choice.names)}"
    elif origin in (list, tuple):
        many = "" if origin is list or inner[-1] is Ellipsis else f"{len(inner)} "
        words = f"a list of {many}{PLURALS.get(inner[0]) or _possible(inner[0]).removeprefix('one of ')}"
    else:
        words = WORDS[wanted]
    return f"{words}, or null" if optional else words


WORDS: dict[Any, str] = {str: "a word", bool: "true or false", int: "a whole number", float: "a number"}
PLURALS: dict[Any, str] = {str: "words", int: "whole numbers", float: "numbers"}


def _shown(value: object) -> str:
    if value is None:
        return "null"
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else _SHORT.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _nearest(word: str, known: Iterable[str]) -> str | None:
    some = [name for name in islice(known, 1000) if len(name) <= 100]  # comparing takes long
    return next(iter(difflib.get_close_matches(word[:100], some, n=1)), None)


def _listed(names: Iterable[str]) -> str:
    """As many names as a message has room for."""
    names = [safe_line(name) for name in names]
    some, size = [], 0
    for name in names:
        size += len(name) + 2
        if size > 400:
            break
        some.append(name)
    return ", ".join(some) + (f" and {len(names) - len(some)} more" if len(some) < len(names) else "")


def unknown(word: str, known: Iterable[str]) -> str:
    """What to say after an unknown word: the one that was probably meant, or the list of all."""
    known = list(known)
    near = _nearest(word, known)
    return f"did you mean {safe_line(near)}?" if near else f"expected one of: {_listed(known)}"
