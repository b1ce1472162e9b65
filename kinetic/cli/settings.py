"""Settings of experiments and ablations as options: `--critic.pooling max`."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinetic.settings.reading import Setting

__all__ = ["declare_settings", "settings_of_ablations", "settings_of_experiments", "typed_settings"]


def settings_of_experiments() -> Mapping[str, Setting]:
    """Every setting of an experiment, by its dotted key."""
    from kinetic.families.experiments import experiment_settings

    return experiment_settings()


def settings_of_ablations() -> Mapping[str, Setting]:
    """Every setting of an ablation that is an option, by its dotted key."""
    from kinetic.settings.ablation import ablation_settings

    return ablation_settings()


def typed_settings(request: Namespace, settings: Mapping[str, Setting]) -> dict[str, object]:
    """The values of those settings that the command line names."""
    from kinetic.settings.reading import value_from_text

    return {key: value_from_text(settings[key], text) for key, text in vars(request).items() if key in settings}


def declare_settings(
    parser: ArgumentParser, title: str, settings: Mapping[str, Setting], without: Collection[str] = ()
) -> None:
    """Add an option for every setting, under a heading of the help."""
    group = parser.add_argument_group(title)
    for key, setting in settings.items():
        if key not in without:
            default = "null" if setting.default is None else _shown(setting.default)
            meaning = f"{setting.meaning} ({setting.possible}; {default}{_models(key)})".replace("%", "%%")
            group.add_argument(f"--{key}", default=SUPPRESS, metavar="X", help=meaning)


def _models(key: str) -> str:
    """The models that read a setting, where others do not."""
    from kinetic.families.experiments import read_by
    from kinetic.families.table import FAMILIES

    models = [family.name for family in read_by(key)]
    return f"; model {' or '.join(models)}" if 0 < len(models) < len(FAMILIES) else ""


def _shown(value: object) -> str:
    """A value as a file of settings has it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
