"""The table of all families, by the name that settings call them."""

from __future__ import annotations

from kinetic.families.encoder import ENCODER
from kinetic.families.interface import Family
from kinetic.families.kinetic_gan import KINETIC_GAN
from kinetic.messages import safe_line
from kinetic.settings.experiment import Experiment
from kinetic.settings.reading import unknown

__all__ = ["FAMILIES", "family_called", "family_of"]

FAMILIES: dict[str, Family] = {family.name: family for family in (KINETIC_GAN, ENCODER)}
"""Name -> family. A family of your own joins by `FAMILIES[family.name] = family`, before its settings are read."""


def family_called(name: object) -> Family:
    """The family of that name. Raises ValueError with the names that there are."""
    if not isinstance(name, str) or name not in FAMILIES:
        near = unknown(str(name), FAMILIES)
        raise ValueError(f"model: unknown family {safe_line(repr(name), 60)}; {near}")
    return FAMILIES[name]


def family_of(experiment: Experiment) -> Family:
    """The family of an experiment. Raises ValueError for one that belongs to none."""
    return family_called(experiment.model)
