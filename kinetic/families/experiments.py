"""Experiments from files and overrides, and back: the settings of the family that `model` names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from kinetic.families.interface import Family
from kinetic.families.table import FAMILIES, family_called
from kinetic.files import replacing
from kinetic.messages import safe_line
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
    unknown,
)

__all__ = ["experiment_settings", "from_plain", "layered", "load_experiment", "read_by", "save_experiment"]


def load_experiment(*paths: str | os.PathLike[str], **overrides: Any) -> Any:
    """The experiment that files describe; later files win over earlier ones, overrides over all.

    A file is a path, or the name of a preset (see `kinetic.presets`): `load_experiment("demo", "fast")`. Overrides are
    sections, or dotted keys: `load_experiment("a.yaml", seed=1, critic={"pooling": "max"})` or
    `load_experiment("a.yaml", **{"critic.pooling": "max"})`.

    The result is the dataclass of the family that `model` names: `kinetic.settings.kinetic_gan.GanExperiment`, say.
    A setting that this family does not read is refused, unless a later file chooses the model: what earlier ones say
    to another model is then left out.

    Raises ValueError naming file, key and what is possible, and FileNotFoundError.
    """
    layers = [file_layer(path, "experiment") for path in paths]
    return _experiment([*layers, Layer("", nested(overrides))])


def from_plain(plain: Mapping[str, Any], *, where: str = "", strict: bool = True) -> Any:
    """The experiment that `to_plain` gave, or that differs from the defaults as `plain` says.

    Args:
        where: of the settings, for an error
        strict: refuse settings that another family reads; False leaves them out, as in run folders of version 0.1,
            which hold the settings of all families

    Raises ValueError.
    """
    prefix = f"{where}: " if where else ""
    values = nested(plain, prefix, dots=False)
    if not strict:
        values = _without(values, _unread(_family([Layer(prefix, values)])))
    return _experiment([Layer(prefix, values)])


def layered(*layers: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Settings of an experiment, sections or dotted keys, later layers over earlier ones, as nested plain values.

    A layer that names another model drops what earlier ones say to the model before. Raises ValueError that begins
    with `where`.
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
        settings = {**_settings(family), **settings}
    return settings


def read_by(key: str) -> list[Family]:
    """The families that read a setting or a section."""
    return [family for family in FAMILIES.values() if key in _keys(family)]


def _check_names(layer: Layer) -> None:
    """Raises ValueError for a key that no family reads."""
    names = set().union(*(_keys(family) for family in FAMILIES.values()))
    for key in sorted(dotted_keys(layer.values)):
        section, dot, _ = key.rpartition(".")
        siblings = [name for name in names if name.rpartition(".")[0] == section]
        if key not in names and siblings:
            raise ValueError(f"{layer.where}{safe_line(key)}: unknown key; {unknown(key, sorted(siblings))}")


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


def _unread(family: Family) -> dict[str, str]:
    """Settings and sections that other families read and this one does not -> why, in words."""
    own = _keys(family)
    others: dict[str, list[str]] = {}
    for other in FAMILIES.values():
        for key in _keys(other) - own:
            others.setdefault(key, []).append(other.name)
    return {
        key: f"model {family.name} does not read it; {' and '.join(names)} {'does' if len(names) == 1 else 'do'}"
        for key, names in others.items()
    }


def _without(values: Mapping[str, Any], keys: Iterable[str], prefix: str = "") -> dict[str, Any]:
    """Nested settings without some dotted keys."""
    gone = set(keys)
    return {
        key: _without(value, gone, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in values.items()
        if f"{prefix}{key}" not in gone
    }


def _family(layers: Sequence[Layer]) -> Family:
    """The family that the last layer chooses which names one; the first of the table where none does."""
    for layer in reversed(layers):
        if "model" in layer.values:
            try:
                return family_called(layer.values["model"])
            except ValueError as error:
                raise ValueError(f"{layer.where}{error}") from None
    return next(iter(FAMILIES.values()))


def _kept(layers: Sequence[Layer]) -> list[Layer]:
    """The layers without what they say to a model that a later layer replaces."""
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
