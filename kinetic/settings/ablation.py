"""The settings of an ablation: recipes, benchmarks, sizes, scores and engines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_origin

from kinetic.messages import safe_line, suggestion
from kinetic.settings.checks import at_least, check_name, within
from kinetic.settings.reading import Layer, Setting, build, file_layer, nested, settings_of

__all__ = [
    "AblationConfig",
    "BenchmarkConfig",
    "ProfileConfig",
    "RayConfig",
    "RecipeConfig",
    "ScoresConfig",
    "SlurmConfig",
    "ablation_settings",
    "load_ablation",
]


@dataclass(frozen=True, kw_only=True)
class RecipeConfig:
    """A row of an ablation table.

    Args:
        about: a description in words
        after: the row that it builds on; null = none
        changes: settings of an experiment in which it differs from that row
        sweep: one setting and a list of values for it: one row for each value
    """

    about: str = ""
    after: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    sweep: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.sweep and (len(self.sweep) > 1 or not all(isinstance(v, list) and v for v in self.sweep.values())):
            raise ValueError(f"sweep needs one setting with a list of values, got {str(self.sweep)[:60]}")


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """The motions on which all recipes are compared.

    Args:
        about: a description in words
        settings: settings of an experiment: the motions, their split, and what else belongs to them
        encoder: the recognition network that scores all its generators: an experiment file to train one, or the folder
            of a trained one; paths are relative to the ablation file
    """

    about: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    encoder: str = ""


@dataclass(frozen=True, kw_only=True)
class ScoresConfig:
    """How every generator of an ablation is scored.

    Args:
        only: names of the scores
        draws: how often samples are drawn from each generator
        count: motions per class; null = as many as there are real ones
        truncation: psi; null = none
        points: moments of the training at which it is scored too, for curves
        published: motions per class for the scores of the published tables of Kinetic-GAN; 0 = without them
        inception: file of the weights that its FID needs; null = without FID
        shown: motions of each class that are kept to look at
    """

    only: tuple[str, ...] = ("frechet", "accuracy", "mmd_frame", "mmd_sequence", "variance", "bones")
    draws: int = 3
    count: int | None = None
    truncation: float | None = None
    points: int = 0
    published: int = 0
    inception: str | None = None
    shown: int = 2

    def __post_init__(self) -> None:
        at_least("scores", 1, draws=self.draws, count=self.count, shown=self.shown)
        at_least("scores", 0, points=self.points, published=self.published)
        within("scores", 0, 1, truncation=self.truncation)
        if not self.only or len(set(self.only)) != len(self.only):
            raise ValueError(f"scores.only needs one name or more, each once, got {list(self.only)}")


@dataclass(frozen=True, kw_only=True)
class ProfileConfig:
    """How large an ablation is.

    Args:
        about: a description in words
        files: experiment files that all recipes start from, relative to the ablation file, or presets
        settings: settings of experiments, over those of the files
        encoder: settings of the recognition networks, over those of their files
        recipes: names of the recipes to run; null = all
        benchmarks: names of the benchmarks to run; null = all
        seeds: training seeds of each recipe; null = as in the file
        scores: how generators are scored, over `scores` of the file
    """

    about: str = ""
    files: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    encoder: dict[str, Any] = field(default_factory=dict)
    recipes: tuple[str, ...] | None = None
    benchmarks: tuple[str, ...] | None = None
    seeds: int | None = None
    scores: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        within("", 1, 1000, seeds=self.seeds)


@dataclass(frozen=True, kw_only=True)
class RayConfig:
    """Where cells run with `--engine ray`.

    Args:
        address: address of the running cluster; auto = the one of this machine
        cpus: processors of a cell
        gpus: GPUs of a cell
    """

    address: str = "auto"
    cpus: float = 1
    gpus: float = 0

    def __post_init__(self) -> None:
        at_least("ray", 0, cpus=self.cpus, gpus=self.gpus)


@dataclass(frozen=True, kw_only=True)
class SlurmConfig:
    """Where cells run with `--engine slurm`.

    Args:
        partition: partition of the cluster; null = its default
        minutes: a job is stopped after this time, saved and queued again
        cpus: processors of a cell
        gpus: GPUs of a cell
        memory: GiB of a cell; null = the cluster's default
        options: more options of sbatch, by name
    """

    partition: str | None = None
    minutes: int = 60
    cpus: int = 1
    gpus: int = 0
    memory: int | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at_least("slurm", 1, minutes=self.minutes, cpus=self.cpus, memory=self.memory)
        at_least("slurm", 0, gpus=self.gpus)


@dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """A grid of recipes, benchmarks and seeds that ends in one table.

    Args:
        name: name of the ablation, also of its folder under runs/
        profile: name of the profile; null = none
        profiles: the sizes that it can have
        benchmarks: the motions on which recipes are compared, in the order of the table
        recipes: its rows, in their order
        seeds: training seeds of each recipe
        scores: how generators are scored
        published: benchmark -> recipe -> score -> the published number
        threads: threads of each cell on a CPU; the last bits of results depend on it
        ray: where cells run with `--engine ray`
        slurm: where cells run with `--engine slurm`
    """

    name: str = "ablation"
    profile: str | None = None
    profiles: dict[str, ProfileConfig] = field(default_factory=dict)
    benchmarks: dict[str, BenchmarkConfig] = field(default_factory=dict)
    recipes: dict[str, RecipeConfig] = field(default_factory=dict)
    seeds: int = 3
    scores: ScoresConfig = field(default_factory=ScoresConfig)
    published: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    threads: int = 1
    ray: RayConfig = field(default_factory=RayConfig)
    slurm: SlurmConfig = field(default_factory=SlurmConfig)

    def __post_init__(self) -> None:
        within("", 1, 1000, seeds=self.seeds, threads=self.threads)
        check_name(self.name)


def load_ablation(*paths: str | os.PathLike[str], **overrides: Any) -> AblationConfig:
    """The ablation that files describe, as `kinetic.load_experiment` reads experiments.

    Seeds and scores of the profile win over those of the files, overrides over all. Settings of experiments are not
    checked yet.

    Raises ValueError naming file, key and what is possible, and FileNotFoundError.
    """
    files = [file_layer(path, "ablation") for path in paths]
    above = Layer("", nested(overrides))
    config = build(AblationConfig, [*files, above])
    if config.profile is None:
        return config
    if config.profile not in config.profiles:
        where = f"{paths[-1]}: " if paths else ""
        instead = suggestion(config.profile, config.profiles) if config.profiles else "the ablation has no profiles"
        raise ValueError(f"{where}there is no profile {safe_line(repr(config.profile))}; {instead}")
    sizes = [_size(layer, config.profile) for layer in (*files, above)]
    return build(AblationConfig, [*files, *sizes, above])


def _size(layer: Layer, profile: str) -> Layer:
    """Seeds and scores of a profile, as far as a layer names them, as settings of the ablation."""
    section: Any = layer.values
    for name in ("profiles", profile):
        section = section.get(name) if isinstance(section, Mapping) else None
    values = {name: section[name] for name in ("seeds", "scores") if (section or {}).get(name) is not None}
    return Layer(f"{layer.where}profiles.{safe_line(profile)}.", values)


@cache
def ablation_settings() -> Mapping[str, Setting]:
    """Every key of an ablation file that the command line may set too: not those that hold names of the user."""
    return {key: entry for key, entry in settings_of(AblationConfig).items() if get_origin(entry.kind) is not dict}
