"""The table of all families, by the name that settings give them."""

from __future__ import annotations

from kinetic.families.encoder import ENCODER
from kinetic.families.interface import Family
from kinetic.families.kinetic_gan import KINETIC_GAN
from kinetic.messages import safe_line, suggestion
from kinetic.settings.experiment import Experiment

__all__ = ["FAMILIES", "family_called", "family_of"]

FAMILIES: dict[str, Family] = {family.name: family for family in (KINETIC_GAN, ENCODER)}
"""Name -> family. Add a family of your own with `FAMILIES[family.name] = family`, before its settings are read."""


def family_called(name: object) -> Family:
    """The family of that name. Raises ValueError with the known names."""
    if not isinstance(name, str) or name not in FAMILIES:
        raise ValueError(f"model: unknown family {safe_line(repr(name))}; {suggestion(str(name), FAMILIES)}")
    return FAMILIES[name]


def family_of(experiment: Experiment) -> Family:
    """The family of an experiment. Raises ValueError where its model is unknown."""
    return family_called(experiment.model)
