"""The reader of settings: YAML files and overrides into the frozen dataclasses of this package, and back.

A file holds differences from the defaults. pydantic checks plain values against the annotations of the dataclasses;
nothing is imported or called because a file says so. An error is one line with the file, the dotted key and what is
possible there.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import reprlib
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
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
from kinetic.messages import LONGEST_MESSAGE, listed, nearest, safe_line
from kinetic.plain import DEEPEST, LONGEST_NUMBER, yaml_values
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
    "value_from_text",
]

Owner = TypeVar("Owner")

WORDS: dict[Any, str] = {str: "a word", bool: "true or false", int: "a whole number", float: "a number"}
PLURALS: dict[Any, str] = {str: "words", int: "whole numbers", float: "numbers"}

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2  # as in `kinetic.skeleton`
_SHORT.maxstring = _SHORT.maxother = 60


@dataclass(frozen=True)
class Setting:
    """One key of an experiment: `training.penalty`, say.

    Attributes:
        kind: its annotation
        default: its default value
        meaning: its line in the docstring
    """

    kind: Any
    default: object
    meaning: str

    @property
    def possible(self) -> str:
        """The possible values, in words."""
        return _possible(self.kind)


class Layer(NamedTuple):
    """Settings from one place; later layers win over earlier ones.

    Args:
        where: the beginning of an error about it, such as "demo.yaml: "
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
        ValueError: for a value that is no mapping, a key that is no word, and a value that no file can hold
    """
    if not isinstance(flat, Mapping):
        raise ValueError(f"{where}expected settings such as `seed: 0`, got {_shown(flat)}")
    result: dict[str, Any] = {}
    for key, value in flat.items():
        parts = str(key).split(".") if dots else [str(key)]
        if len(parts) > DEEPEST or not _is_text(str(key)):
            raise ValueError(f"{where}{safe_line(key)}: unknown key")
        value = _plain_value(value, str(key), where)
        for part in reversed(parts):
            value = {part: value}
        result = merged(result, value)
    return result


def _plain_value(value: Any, key: str, where: str, depth: int = 1) -> Any:
    """A value with mappings, lists, words, numbers and truth values only: those that JSON can hold."""
    start = f"{where}{safe_line(key)}: "
    if depth > DEEPEST:
        raise ValueError(f"{start}nested too deeply, expected at most {DEEPEST} lists and mappings inside one another")
    if isinstance(value, Mapping):
        if odd := [name for name in value if not _is_text(name) or not name]:
            raise ValueError(f"{start}expected names, got {_shown(odd[0])}; quote a name that is a number")
        return {name: _plain_value(inner, f"{key}.{name}", where, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(inner, key, where, depth + 1) for inner in value]
    if getattr(value, "shape", None) == () and hasattr(value, "item"):  # a number of numpy or torch
        value = value.item()
    if isinstance(value, str) and not _is_text(value):
        raise ValueError(f"{start}expected text that UTF-8 can hold, got {_shown(value)}")
    if isinstance(value, int) and abs(value) >= 10**LONGEST_NUMBER:
        raise ValueError(f"{start}expected a number of at most {LONGEST_NUMBER} digits, got a longer one")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(f"{start}expected a plain value, got {_shown(value)}")


def _is_text(name: object) -> bool:
    """Whether a name is a string without halves of surrogate pairs, which no file can hold."""
    return isinstance(name, str) and not re.search("[\ud800-\udfff]", name)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with those of `new` over those of `old`."""
    result = dict(old)
    for key, value in new.items():
        before = result.get(key)
        result[key] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return result


def dotted_keys(plain: Mapping[str, Any], prefix: str = "") -> set[str]:
    """The dotted names of all sections and keys of nested settings."""
    keys = set()
    for key, value in plain.items():
        keys |= {f"{prefix}{key}"} | (dotted_keys(value, f"{prefix}{key}.") if isinstance(value, Mapping) else set())
    return keys


def to_plain(settings: Any) -> dict[str, Any]:
    """Every setting, as dictionaries, lists, words and numbers: the form in run folders and checkpoints."""
    plain: dict[str, Any] = _plain(settings)
    return plain


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def differences(settings: Any, base: Any = None) -> dict[str, Any]:
    """The settings that differ from those of `base`, as nested plain values; None = the defaults of their dataclass.

    A setting that a later version adds, off by default, does not change the result.
    """
    changed = {}
    for entry in fields(settings):
        value = getattr(settings, entry.name)
        before = _default(entry) if base is None else getattr(base, entry.name)
        if value != before:
            same_kind = before if type(before) is type(value) else None
            changed[entry.name] = differences(value, same_kind) if is_dataclass(value) else _plain(value)
    return changed


def _default(entry: Any) -> Any:
    """The default of a field; MISSING where there is none."""
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


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
    cached: Any = owner
    try:
        (built,) = _adapter(cached).validate_json(json.dumps([values]), strict=True)
        return cast(Owner, built)
    except ValidationError as errors:
        key, message = _explained(owner, errors.errors(include_url=False)[0], unread or {})
    raise ValueError(safe_line(f"{_blamed(layers, key)}{message}", LONGEST_MESSAGE))


@cache
def _adapter(owner: Any) -> TypeAdapter[list[Any]]:
    from pydantic import ConfigDict, TypeAdapter

    # a list, which takes a configuration; the dataclasses in it follow it
    return TypeAdapter(list[owner], config=ConfigDict(extra="forbid", allow_inf_nan=False))


def _blamed(layers: Sequence[Layer], key: str) -> str:
    """The beginning of an error: the last layer with this key, or with one that ends so; all layers if none has it."""
    names = [(layer.where, dotted_keys(layer.values)) for layer in layers]
    exact = [where for where, keys in names if key in keys]
    similar = [where for where, keys in names if any(name.endswith(f".{key}") for name in keys)]
    return [*similar, *exact][-1] if similar or exact else "".join(where for where, _ in names)


def _walk(owner: Any, location: Sequence[Any]) -> tuple[Any, list[str]]:
    """The annotation at a place, and the names that lead there."""
    kind, names = owner, []
    for part in location:
        section: Any = _without_none(kind)[0]
        inner = get_args(section)
        if get_origin(section) is Union:  # pydantic names its parts
            break
        if isinstance(part, int):
            kind = inner[part] if get_origin(section) is tuple and inner[-1] is not Ellipsis else inner[0]
            continue
        names.append(part)
        kind = _kinds(cast(Any, section)).get(part) if is_dataclass(section) else inner[-1] if inner else Any
    return kind, names


def _explained(owner: Any, error: Mapping[str, Any], unread: Mapping[str, str]) -> tuple[str, str]:
    """The dotted key of an error of pydantic, and the error in our words."""
    reason, value, location = error["type"], error["input"], error["loc"][1:]  # without the list around it
    if reason == "missing" and isinstance(location[-1], int):  # a list is too short
        reason, location = "too_short", location[:-1]
    kind, names = _walk(owner, location)
    key, shown = ".".join(names), ".".join(map(safe_line, names))
    if reason in ("unexpected_keyword_argument", "extra_forbidden"):
        return key, _unread(key, value, unread) or f"{shown}: unknown key; {_instead(owner, names)}"
    if reason in ("value_error", "assertion_error") and _choice(_without_none(kind)[0]) is None:
        message = str(error["ctx"]["error"])
        word = message.partition(" ")[0]
        if not names or get_origin(_walk(owner, location[:-1])[0]) is not dict:
            return word, message
        section: Any = _without_none(kind)[0]  # its checks do not know its name, such as `recipes.A`
        is_field = is_dataclass(section) and word in _kinds(cast(Any, section))
        return f"{key}.{word}", f"{shown}.{message}" if is_field else f"{shown}: {message}"
    if reason == "missing":
        return key, f"{shown}: expected {_possible(kind)}, got nothing"
    return key, f"{shown}: expected {_possible(kind)}, got {_shown(value)}{_advice(kind, value)}"


def _unread(key: str, value: Any, unread: Mapping[str, str]) -> str | None:
    """Why `owner` does not read an unknown key, or one inside it, that another reads."""
    inner = [f"{key}.{name}" for name in dotted_keys(value)] if isinstance(value, Mapping) else []
    return next((f"{safe_line(name)}: {unread[name]}" for name in (key, *inner) if name in unread), None)


def _instead(owner: Any, names: Sequence[str]) -> str:
    """What to type instead of an unknown key."""
    *sections, word = names
    keys = list(_kinds(_without_none(_walk(owner, sections)[0])[0]))
    section, dot, rest = word.partition(".")
    if dot and section in keys:
        return f"in a file, sections nest: {section}: {{{safe_line(rest)}: ...}}"
    prefix = "".join(f"{safe_line(name)}." for name in sections)
    if near := nearest(word, keys):
        return f"did you mean {prefix}{near[0]}?"
    return f"expected one of: {listed(prefix + name for name in keys)}"


def _advice(kind: Any, value: Any) -> str:
    kind, _ = _without_none(kind)
    choice = _choice(kind)
    names = choice.names if choice is not None else get_args(kind) if get_origin(kind) is Literal else ()
    if isinstance(value, str) and (near := nearest(value, map(str, names))):
        return f"; did you mean {near[0]!r}?"
    if choice is not None and isinstance(choice.names, dict):  # a table, to which users add
        return "; import a part of your own first (--code FILE)"
    if kind is int and isinstance(value, float) and value.is_integer():
        return f"; write {value:.0f}"
    return "; put a word in quotes" if kind is str and isinstance(value, Real) and not isinstance(value, bool) else ""


def _possible(kind: Any) -> str:
    kind, optional = _without_none(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        words = f"a section with {', '.join(entry.name for entry in fields(kind))}"
    elif origin is dict:
        words = "names, each with what it stands for"
    elif origin is Literal:
        words = f"one of {', '.join(map(str, inner))}"
    elif (choice := _choice(kind)) is not None:
        words = f"one of {', '.join(choice.names)}"
    elif origin in (list, tuple):
        many = "" if origin is list or inner[-1] is Ellipsis else f"{len(inner)} "
        words = f"a list of {many}{PLURALS.get(inner[0]) or _possible(inner[0]).removeprefix('one of ')}"
    elif origin is Union:
        words = " or ".join(map(_possible, inner))
    else:
        words = WORDS.get(kind, str(getattr(kind, "__name__", kind)))
    return f"{words}, or null" if optional else words


def _shown(value: object) -> str:
    if value is None:
        return "null"
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else _SHORT.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def settings_of(owner: type) -> Mapping[str, Setting]:
    """Every key that a file or the command line may set, by its dotted name, in the order of the sections."""
    return types.MappingProxyType(dict(_settings(owner, "")))


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
    lines = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", inspect.cleandoc(docstring), flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in lines}


def value_from_text(setting: Setting, text: str) -> object:
    """The value of a text on the command line, `--key TEXT`, before it is checked.

    Words stay words where a word is expected; lists need no brackets: `--data.classes "walk,sit down"`.
    """
    kind, optional = _without_none(setting.kind)
    if optional and text == "null":
        return None
    if _is_word(kind):
        return text
    is_list = get_origin(kind) in (list, tuple)
    if is_list and not text.lstrip().startswith("["):
        text = f"[{text}]"
    try:
        return yaml_values(text, words=is_list and _is_word(get_args(kind)[0]))
    except ValueError:
        return text


def _is_word(kind: Any) -> bool:
    is_names = get_origin(kind) is Literal and all(isinstance(name, str) for name in get_args(kind))
    return kind is str or is_names or _choice(kind) is not None


@cache
def _kinds(owner: Any) -> dict[str, Any]:
    return get_type_hints(owner, include_extras=True)


def _without_none(kind: Any) -> tuple[Any, bool]:
    """An annotation without None, and whether None is possible."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind, False
    parts = get_args(kind)
    return Union[tuple(part for part in parts if part is not type(None))], type(None) in parts  # noqa: UP007


def _choice(kind: Any) -> Choice | None:
    """The choice that annotates a kind, if there is one."""
    metadata = getattr(kind, "__metadata__", ()) if get_origin(kind) is Annotated else ()
    return next((entry for entry in metadata if isinstance(entry, Choice)), None)
