"""Experiments from YAML files and overrides, and back: the typed reader of `kinetic.settings.sections`.

A file holds differences from the defaults. Only plain values are read, and only into what the annotations of the
dataclasses allow: nothing is imported or called because a file says so. Every complaint is one line with the file, the
dotted key and what is possible there. (jsonargparse was tried first: it takes `critik: {}` and `critic: 3` in silence,
and explains a wrong value under an optional section in ten lines.)
"""

from __future__ import annotations

import difflib
import os
import re
import reprlib
import sys
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from itertools import islice
from numbers import Integral, Real
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from kinetic.files import read_yaml, replacing
from kinetic.messages import LONGEST_MESSAGE, safe_line
from kinetic.plain import DEEPEST, yaml_text, yaml_values
from kinetic.presets import preset_file
from kinetic.settings.sections import AblationConfig, Experiment

__all__ = [
    "Setting",
    "ablation_settings",
    "ablation_to_plain",
    "checked_settings",
    "from_plain",
    "load_ablation",
    "load_experiment",
    "save_experiment",
    "settings",
    "to_plain",
    "unknown",
    "value_from_text",
]

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2  # as in `kinetic.skeleton`
_SHORT.maxstring = _SHORT.maxother = 60


@dataclass(frozen=True)
class Setting:
    """One key of an experiment: `training.penalty`, say.

    Attributes:
        kind: its annotation
        default: its value when nobody says otherwise
        meaning: its line in the docstring
    """

    kind: Any
    default: object
    meaning: str

    @property
    def possible(self) -> str:
        """What may stand there, in words."""
        return _possible(self.kind)


def load_experiment(*paths: str | os.PathLike[str], **overrides: Any) -> Experiment:
    """The experiment that files describe; later files win over earlier ones, overrides over all.

    A file is a path, or the name of a preset (see `kinetic.presets`): `load_experiment("demo", "fast")`. Overrides are
    sections, or dotted keys: `load_experiment("a.yaml", seed=1, critic={"pooling": "max"})` or
    `load_experiment("a.yaml", **{"critic.pooling": "max"})`.

    Raises ValueError naming file, key and what is possible, and FileNotFoundError.
    """
    loaded: Experiment = _loaded(Experiment, paths, overrides)
    return loaded


def load_ablation(*paths: str | os.PathLike[str], **overrides: Any) -> AblationConfig:
    """The ablation that files describe, as `load_experiment` reads experiments.

    What its profile says of seeds and scores goes over the files, overrides over all. Settings of experiments are not
    looked at yet.

    Raises ValueError naming file, key and what is possible, and FileNotFoundError.
    """
    loaded: AblationConfig = _loaded(AblationConfig, paths, overrides)
    if loaded.profile is None:
        return loaded
    where = paths[-1] if paths else "profiles"
    if loaded.profile not in loaded.profiles:
        wanted = safe_line(repr(loaded.profile))
        raise ValueError(f"{where}: there is no profile {wanted}; {unknown(loaded.profile, loaded.profiles)}")
    profile = loaded.profiles[loaded.profile]
    own: dict[str, Any] = {"scores": dict(profile.scores)} | ({} if profile.seeds is None else {"seeds": profile.seeds})
    final: AblationConfig = _loaded(
        AblationConfig, paths, overrides, between=(f"{where}: profiles.{loaded.profile}.", own)
    )
    return final


def _loaded(
    owner: type,
    paths: Iterable[str | os.PathLike[str]],
    overrides: Mapping[str, Any],
    between: tuple[str, Mapping[str, Any]] | None = None,
) -> Any:
    """What files say, what `between` says (of whom, what), and what overrides say, the latter over the former."""
    sources = [(f"{path}: ", _checked(_read_file(path, owner), f"{path}: ", owner)) for path in paths]
    if between is not None:
        sources.append((between[0], _checked(_nested(between[1]), between[0], owner)))
    sources.append(("", _checked(_nested(overrides), "", owner)))
    plain: dict[str, Any] = {}
    for _, source in sources:
        plain = _merged(plain, source)
    try:
        return _built(owner, plain)
    except ValueError as error:  # a value out of its range: blame the last one who named it
        word = str(error).split()[0]
        named = [where for where, source in sources if any(f".{key}".endswith(f".{word}") for key in _dotted(source))]
        raise ValueError(f"{named[-1] if named else ''.join(where for where, _ in sources)}{_line(error)}") from None


def checked_settings(*layers: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Settings of an experiment, sections or dotted keys, later layers over earlier ones, as nested plain values.

    Each is of the type that its key wants; together they need not be possible yet. Raises ValueError that begins with
    `where`.
    """
    plain: dict[str, Any] = {}
    for layer in layers:
        plain = _merged(plain, _checked(_nested(layer), f"{where}: " if where else ""))
    return plain


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as sections."""
    given: dict[str, Any] = {}
    for key, value in flat.items():
        parts = str(key).split(".")
        if len(parts) > DEEPEST:
            raise ValueError(f"{safe_line(key)}: unknown key")
        for part in reversed(parts):
            value = {part: value}
        given = _merged(given, value)
    return given


def from_plain(plain: Mapping[str, Any], *, where: str = "") -> Experiment:
    """The experiment that `to_plain` gave, or that differs from the defaults as `plain` says. Raises ValueError."""
    prefix = f"{where}: " if where else ""
    try:
        return _built(Experiment, _checked(plain, ""))
    except ValueError as error:
        raise ValueError(f"{prefix}{_line(error)}") from None


def to_plain(experiment: Experiment) -> dict[str, Any]:
    """Every setting, as dictionaries, lists, words and numbers: what run folders and checkpoints hold."""
    plain: dict[str, Any] = _plain(experiment)
    return plain


def ablation_to_plain(ablation: AblationConfig) -> dict[str, Any]:
    """Every setting of an ablation, as `to_plain` gives those of an experiment."""
    plain: dict[str, Any] = _plain(ablation)
    return plain


def save_experiment(experiment: Experiment, path: str | os.PathLike[str]) -> None:
    """Write every setting, defaults included, as YAML that `load_experiment` reads back to an equal experiment."""
    with replacing(path) as beside:
        beside.write_text(yaml_text(to_plain(experiment)), encoding="utf-8")


@cache
def settings() -> Mapping[str, Setting]:
    """Every key that a file or the command line may set, by its dotted name, in the order of the sections."""
    return types.MappingProxyType(dict(_settings(Experiment, "")))


@cache
def ablation_settings() -> Mapping[str, Setting]:
    """Every key of an ablation file that the command line may set too: those that hold no names of its own."""
    return types.MappingProxyType(
        {key: each for key, each in _settings(AblationConfig, "") if get_origin(each.kind) is not dict}
    )


def value_from_text(setting: Setting, text: str) -> object:
    """The value that somebody typed after `--key` on a command line, before it is checked.

    Words stay words where a word is expected; lists need no brackets: `--data.classes "walk,sit down"`.
    """
    kind, optional = _without_none(setting.kind)
    if optional and text == "null":
        return None
    if kind is str or get_origin(kind) is Literal:
        return text
    if get_origin(kind) in (list, tuple) and not text.lstrip().startswith("["):
        text = f"[{text}]"
    try:
        return yaml_values(text, words=get_origin(kind) is list and get_args(kind) == (str,))
    except ValueError:
        return text


def _read_file(path: str | os.PathLike[str], owner: type) -> object:
    plain = read_yaml(preset_file(path, "ablation" if owner is AblationConfig else "experiment"))
    return {} if plain is None else plain


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(old)
    for key, value in new.items():
        before = result.get(key)
        result[key] = _merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return result


def _dotted(plain: Mapping[str, Any], prefix: str = "") -> set[str]:
    keys = set()
    for key, value in plain.items():
        keys |= {f"{prefix}{key}"} | (_dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else set())
    return keys


def _checked(plain: object, prefix: str, owner: type = Experiment) -> dict[str, Any]:
    """The same nested values, each of the type its annotation wants."""
    if not isinstance(plain, Mapping):
        raise ValueError(f"{prefix}expected settings such as `seed: 0`, got {_shown(plain)}")
    try:
        return _checked_section(owner, plain, "")
    except ValueError as error:
        raise ValueError(f"{prefix}{_line(error)}") from None


def _line(error: ValueError) -> str:
    return safe_line(error, LONGEST_MESSAGE)


def _checked_section(owner: type, plain: Mapping[Any, Any], prefix: str) -> dict[str, Any]:
    kinds = _kinds(owner)
    result = {}
    for key, value in plain.items():
        if key not in kinds:
            raise ValueError(f"{prefix}{safe_line(key)}: unknown key; {_instead(str(key), prefix, list(kinds))}")
        result[key] = _checked_value(kinds[key], value, prefix + key)
    return result


@cache
def _kinds(owner: Any) -> dict[str, Any]:
    return get_type_hints(owner)


def _instead(key: str, prefix: str, known: list[str]) -> str:
    section, dot, rest = key.partition(".")
    if dot and section in known:
        return f"in a file, sections nest: {section}: {{{safe_line(rest)}: ...}}"
    near = _nearest(key, known)
    return f"did you mean {prefix}{near}?" if near else f"expected one of: {_listed(prefix + name for name in known)}"


def _checked_value(kind: Any, value: Any, key: str) -> Any:
    wanted, optional = _without_none(kind)
    origin, inner = get_origin(wanted), get_args(wanted)
    if value is None and optional:
        return None
    if is_dataclass(wanted) and isinstance(value, Mapping):
        return _checked_section(wanted, value, f"{key}.")  # type: ignore[arg-type]
    text = "" if isinstance(value, (Mapping, list)) else str(value)
    if origin is Literal and not isinstance(value, bool) and text in inner:
        return text  # `precision: 32` is a number to YAML
    if origin in (list, tuple) and isinstance(value, list | tuple):
        if origin is list or inner[-1] is Ellipsis:
            return [_checked_value(inner[0], entry, key) for entry in value]
        if len(inner) == len(value):
            return [_checked_value(one, entry, key) for one, entry in zip(inner, value, strict=True)]
    if origin is dict and isinstance(value, Mapping):
        if odd := [each for each in value if not isinstance(each, str) or not each]:
            raise ValueError(f"{key}: expected names, got {_shown(odd[0])}; quote a name that is a number")
        return {each: _checked_value(inner[1], own, f"{key}.{safe_line(each)}") for each, own in value.items()}
    if wanted is Any:
        return value
    if wanted is str and isinstance(value, str):
        return value
    if wanted is bool and isinstance(value, bool):
        return value
    if wanted is int and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if wanted is float and not isinstance(value, bool):
        if isinstance(value, Real) and -sys.float_info.max <= value <= sys.float_info.max:  # type: ignore[operator]
            return float(value)
    if near := _nearest(text, inner if origin is Literal else ()):
        advice = f"; did you mean {near!r}?"
    elif wanted is int and isinstance(value, float) and value.is_integer():
        advice = f"; write {value:.0f}"
    else:
        advice = "; put a word in quotes" if wanted is str and isinstance(value, Real) else ""
    raise ValueError(f"{key}: expected {_possible(kind)}, got {_shown(value)}{advice}")


def _built(owner: Any, plain: Mapping[str, Any]) -> Any:
    kinds = _kinds(owner)
    values = {}
    for key, value in plain.items():
        wanted, _ = _without_none(kinds[key])
        if is_dataclass(wanted) and value is not None:
            value = _built(wanted, value)
        elif get_origin(wanted) is dict and is_dataclass(of := get_args(wanted)[1]):
            value = {name: _named(f"{key}.{name}", of, own) for name, own in value.items()}
        elif get_origin(wanted) is tuple and value is not None:
            value = tuple(value)
        values[key] = value
    return owner(**values)


def _named(key: str, owner: Any, plain: Mapping[str, Any]) -> Any:
    try:
        return _built(owner, plain)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(own) for name, own in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def _settings(owner: Any, prefix: str) -> Iterable[tuple[str, Setting]]:
    kinds = _kinds(owner)
    meanings = _meanings(owner.__doc__ or "")
    for entry in fields(owner):
        kind = kinds[entry.name]
        section, optional = _without_none(kind)
        if not is_dataclass(section) or optional:
            default = entry.default if entry.default is not MISSING else None
            yield prefix + entry.name, Setting(kind, default, meanings.get(entry.name, ""))
        if is_dataclass(section):
            yield from _settings(section, f"{prefix}{entry.name}.")


def _meanings(docstring: str) -> dict[str, str]:
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", docstring, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _without_none(kind: Any) -> tuple[Any, bool]:
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (part for part in get_args(kind) if part is not type(None))
        return kind, True
    return kind, False


def _possible(kind: Any) -> str:
    wanted, optional = _without_none(kind)
    origin, inner = get_origin(wanted), get_args(wanted)
    if is_dataclass(wanted):
        words = f"a section with {', '.join(entry.name for entry in fields(wanted))}"
    elif origin is dict:
        words = "names, each with what it stands for"
    elif origin is Literal:
        words = f"one of {', '.join(map(str, inner))}"
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
