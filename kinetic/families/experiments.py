"""Experiments from files and overrides, and back: the settings of the family that `model` names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, get_origin

from kinetic.families.interface import Family
from kinetic.families.table import FAMILIES, family_called
from kinetic.files import replacing
from kinetic.messages import safe_line, suggestion
from kinetic.plain import yaml_text
from kinetic.settings.experiment import Experiment
from kinetic.settings.reading import (
    Layer,
    Setting,
    build,
    dotted_keys,
    file_layer,
    merged,
    nested,
    settings_of,
    to_plain,
)

__all__ = ["experiment_settings", "from_plain", "layered", "load_experiment", "read_by", "save_experiment"]


def load_experiment(*paths: str | os.PathLike[str], **overrides: Any) -> Any:
    """The experiment that files describe; later files win over earlier ones, overrides over all.

    A file is a path, or the name of a preset (see `kinetic.presets`): `load_experiment("demo", "fast")`. Overrides are
    sections, or dotted keys: `load_experiment("a.yaml", seed=1, critic={"pooling": "max"})` or
    `load_experiment("a.yaml", **{"critic.pooling": "max"})`.

    The result is the dataclass of the family that `model` names: `kinetic.settings.kinetic_gan.GanExperiment`, say.
    A setting that this family does not read is refused. Where a later file chooses the model, the settings of other
    models in earlier files are dropped.

    Raises ValueError naming file, key and what is possible, and FileNotFoundError.
    """
    layers = [file_layer(path, "experiment") for path in paths]
    return _experiment([*layers, Layer("", nested(overrides))])


def from_plain(plain: Mapping[str, Any], *, where: str = "", strict: bool = True) -> Any:
    """The experiment of the result of `to_plain`, or of a part of it; the rest is as by default.

    Args:
        where: place of the settings, for an error
        strict: refuse settings of another family; False drops them, for run folders of version 0.1, which hold the
            settings of all families

    Raises ValueError.
    """
    prefix = f"{where}: " if where else ""
    values = nested(plain, prefix, dots=False)
    if not strict:
        values = _without(values, _unread(_family([Layer(prefix, values)])))
    return _experiment([Layer(prefix, values)])


def layered(*layers: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Settings of an experiment, sections or dotted keys, later layers over earlier ones, as nested plain values.

    A layer that names another model drops the settings of the model before. Raises ValueError that begins with `where`.
    """
    prefix = f"{where}: " if where else ""
    named = [Layer(prefix, nested(layer, prefix)) for layer in layers]
    for layer in named:
        _check_names(layer)
    return _merged(named)


def save_experiment(experiment: Experiment, path: str | os.PathLike[str]) -> None:
    """Write every setting, defaults included, as YAML that `load_experiment` reads back to an equal experiment."""
    with replacing(path) as beside:
        beside.write_text(yaml_text(to_plain(experiment)), encoding="utf-8")


def experiment_settings() -> Mapping[str, Setting]:
    """Every key that a file or the command line may set, of any family, by its dotted name."""
    settings: dict[str, Setting] = {}
    for family in FAMILIES.values():
        for key, setting in _settings(family).items():
            settings.setdefault(key, setting)
    return settings


def read_by(key: str) -> list[Family]:
    """The families that read a setting or a section."""
    return [family for family in FAMILIES.values() if _reads(family, key)]


def _check_names(layer: Layer) -> None:
    """Raises ValueError for a key that no family reads."""
    names = set().union(*(_keys(family) for family in FAMILIES.values()))
    for key in sorted(dotted_keys(layer.values)):
        section = key.rpartition(".")[0]
        siblings = [name for name in names if name.rpartition(".")[0] == section]
        if siblings and not read_by(key):
            raise ValueError(f"{layer.where}{safe_line(key)}: unknown key; {suggestion(key, sorted(siblings))}")


@cache
def _settings_of(owner: Any) -> Mapping[str, Setting]:
    return settings_of(owner)


def _settings(family: Family) -> Mapping[str, Setting]:
    owner: Any = family.settings
    return _settings_of(owner)


def _keys(family: Family) -> frozenset[str]:
    owner: Any = family.settings
    return _keys_of(owner)


@cache
def _keys_of(owner: Any) -> frozenset[str]:
    """The dotted names of all settings and sections."""
    keys = set(_settings_of(owner))
    return frozenset(keys | {key[:i] for key in keys for i, letter in enumerate(key) if letter == "."})


def _reads(family: Family, key: str) -> bool:
    """Whether a family has a setting or section of this name, or a mapping with names of the user that it is in."""
    outer = [key[:i] for i, letter in enumerate(key) if letter == "."]
    settings = _settings(family)
    return key in _keys(family) or any(name in settings and get_origin(settings[name].kind) is dict for name in outer)


def _unread(family: Family) -> dict[str, str]:
    """Settings and sections that other families read and this one does not -> an explanation."""
    readers: dict[str, list[str]] = {}
    for other in FAMILIES.values():
        for key in _keys(other):
            if not _reads(family, key):
                readers.setdefault(key, []).append(other.name)
    return {
        key: f"model {family.name} does not read it; {' and '.join(names)} {'does' if len(names) == 1 else 'do'}"
        for key, names in readers.items()
    }


def _without(values: Mapping[str, Any], keys: Iterable[str], prefix: str = "") -> dict[str, Any]:
    """Nested settings without some dotted keys."""
    dropped = set(keys)
    return {
        key: _without(value, dropped, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in values.items()
        if f"{prefix}{key}" not in dropped
    }


def _family(layers: Sequence[Layer]) -> Family:
    """The family of the last `model` in the layers; the first of the table where none names a model."""
    for layer in reversed(layers):
        if "model" in layer.values:
            try:
                return family_called(layer.values["model"])
            except ValueError as error:
                raise ValueError(f"{layer.where}{error}") from None
    return next(iter(FAMILIES.values()))


def _kept(layers: Sequence[Layer]) -> list[Layer]:
    """The layers without the settings of a model that a later layer replaces."""
    family = _family(layers)
    chosen = max((i for i, layer in enumerate(layers) if "model" in layer.values), default=0)
    unread = _unread(family)
    return [
        layer._replace(values=_without(layer.values, unread)) if i < chosen else layer for i, layer in enumerate(layers)
    ]


def _merged(layers: Sequence[Layer]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for layer in _kept(layers):
        values = merged(values, layer.values)
    return values


def _experiment(layers: Sequence[Layer]) -> Experiment:
    family = _family(layers)
    return build(family.settings, _kept(layers), unread=_unread(family))
