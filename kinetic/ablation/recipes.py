"""The parts of an ablation: recipes, benchmarks, and a cell for each pair of them and each seed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kinetic.ablation.keys import cell_key, digest
from kinetic.ablation.table import FLOOR_ROW
from kinetic.families.experiments import from_plain, layered, read_by
from kinetic.families.interface import Family
from kinetic.families.motions import prepare
from kinetic.families.table import FAMILIES, family_of
from kinetic.files import check_sealed, read_json, read_yaml
from kinetic.messages import LONGEST_MESSAGE, safe_line, suggestion
from kinetic.metrics.measures import BETTER, choose
from kinetic.presets import preset_file, presets
from kinetic.runs.folder import read_settings
from kinetic.settings.ablation import AblationConfig, ProfileConfig, RecipeConfig, ScoresConfig, load_ablation
from kinetic.settings.checks import check_name
from kinetic.settings.experiment import Experiment
from kinetic.settings.reading import to_plain
from kinetic.skeleton import SKELETONS
from kinetic.training.precision import Precision, choose_precision, with_precision

__all__ = ["REAL", "Ablation", "Benchmark", "Cell", "Recipe", "network_hash", "read_ablation"]

MOST = 300
"""Rows of an ablation, benchmarks, and files that a profile names."""

REAL = "real"
"""The name of recorded motions beside the recipes."""


@dataclass(frozen=True)
class Recipe:
    """A row of the table: a change to the settings of another row.

    Args:
        name: name of the row
        changes: settings of an experiment in which it differs, sections or dotted keys
        after: the row that it builds on, and is compared with; None = the common start of all recipes
        about: a description in words
    """

    name: str
    changes: Mapping[str, object] = field(default_factory=dict)
    after: str | None = None
    about: str = ""


@dataclass(frozen=True)
class Benchmark:
    """The motions on which recipes are compared.

    Args:
        name: name of the column
        settings: settings of an experiment: the motions, their split, and what else belongs to them
        encoder: settings of a recognition network to train, or the folder of a trained one
        about: a description in words
    """

    name: str
    settings: Mapping[str, object]
    encoder: Mapping[str, object] | Path
    about: str = ""


@dataclass(frozen=True)
class Cell:
    """A training with one recipe on one benchmark from one seed, or that of a benchmark's recognition network.

    Args:
        benchmark, recipe, seed: its place; an empty recipe stands for the recognition network
        experiment: settings of the training
        scores: how it is scored; None = a recognition network
        encoder: key of the recognition network, or the hash of the weights of a trained one
        network: run folder of the trained one; None = the ablation trains it
        recorded: the key of its result from an older version; empty where there is none
        data: digest of the motions' file
        per_epoch: training batches of an epoch
        threads: threads of the process
    """

    benchmark: str
    recipe: str
    seed: int
    experiment: Experiment
    scores: ScoresConfig | None
    encoder: str
    data: str
    per_epoch: int
    threads: int
    network: Path | None = None
    recorded: str = ""

    @cached_property
    def key(self) -> str:
        """Twelve hexadecimal digits that stand for all causes of the result."""
        return self.recorded or cell_key(self.experiment, self.scores, **self.circumstances)

    @property
    def circumstances(self) -> dict[str, Any]:
        """The causes of a result beside the settings."""
        return {"encoder": self.encoder, "data": self.data, "threads": self.threads}

    @property
    def batches(self) -> int:
        """Training batches in all."""
        training = self.experiment.training
        return training.steps or training.epochs * self.per_epoch

    @property
    def title(self) -> str:
        """Its name for readers, in one line."""
        text = f"{self.benchmark}: {self.recipe}, seed {self.seed}" if self.recipe else f"{self.benchmark}: encoder"
        return safe_line(text, None)


@dataclass(frozen=True)
class Ablation:
    """A grid: every recipe on every benchmark with every seed.

    Args:
        name: name of the ablation
        recipes: the rows, each after the one that it builds on
        benchmarks: the columns, in the order of the tables
        base: settings that all recipes start from
        encoder: settings of all recognition networks, over those of the benchmarks
        seeds: training seeds of each recipe
        scores: how generators are scored
        published: benchmark -> recipe -> score -> the published number
        threads: threads of each cell on a CPU
        about: its size, in words

    Raises:
        ValueError: for unknown or impossible settings, and for unknown or repeated names
    """

    recipes: Sequence[Recipe]
    benchmarks: Sequence[Benchmark]
    name: str = "ablation"
    base: Mapping[str, object] = field(default_factory=dict)
    encoder: Mapping[str, object] = field(default_factory=dict)
    seeds: int = 3
    scores: ScoresConfig = field(default_factory=ScoresConfig)
    published: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    threads: int = 1
    about: str = ""

    def __post_init__(self) -> None:
        for what, entries in (("recipe", self.recipes), ("benchmark", self.benchmarks)):
            names = [entry.name for entry in entries]
            if not names:
                raise ValueError(f"{self.name}: an ablation takes one {what} or more, there is none")
            if repeated := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"{self.name}: two {what}s have the name {repeated[0]!r}")
        check_name(self.name)
        for recipe in self.recipes:
            if recipe.name in (REAL, FLOOR_ROW):
                raise ValueError(f"{self.name}: {recipe.name!r} is the name of recorded motions; choose another name")
        if self.seeds < 1:
            raise ValueError(f"{self.name}: seeds must be at least 1, got {self.seeds}")
        choose(self.scores.only)
        for recipe in self.recipes:
            self._chain(recipe)
        for benchmark in self.benchmarks:
            measured = [_measured(self._settings(benchmark, recipe)) for recipe in self.recipes]
            for recipe, settings in zip(self.recipes, measured, strict=True):
                if changed := [name for name, value in settings.items() if value != measured[0][name]]:
                    raise ValueError(
                        f"{benchmark.name}, {recipe.name}: {changed[0]}: a recipe must not change what it is scored "
                        f"with; {self.recipes[0].name} has {measured[0][changed[0]]}, this has {settings[changed[0]]}"
                    )

    def experiment(self, benchmark: Benchmark, recipe: Recipe, seed: int) -> Experiment:
        """The experiment of a cell."""
        name = f"{recipe.name}, seed {seed}".replace("/", "-").replace("\\", "-").replace("\0", "")
        return replace(self._settings(benchmark, recipe), name=name, seed=seed)

    def recogniser(self, benchmark: Benchmark) -> Experiment | None:
        """The experiment of a benchmark's recognition network; None where it names a trained one."""
        if isinstance(benchmark.encoder, Path):
            return None
        first = to_plain(self._settings(benchmark, self.recipes[0]))
        data = first["data"]
        same: dict[str, object] = {"skeleton": first["skeleton"]}
        same["data"] = {name: data[name] for name in ("source", "split", "classes", "frames", "synthetic")}
        where = f"encoder of {benchmark.name}"
        settings = layered(benchmark.encoder, self.encoder, same, where=where)
        experiment = from_plain({"model": _recognising().name} | settings, where=where)
        if not family_of(experiment).recognises:
            raise ValueError(f"{where}: model: expected a recognition network, got {experiment.model}")
        if data["centering"] == "frame":  # generators do not learn the place of a person: the network must do without
            experiment = replace(experiment, data=replace(experiment.data, centering="frame"))
        return replace(experiment, name="encoder")

    def _settings(self, benchmark: Benchmark, recipe: Recipe) -> Experiment:
        layers = [benchmark.settings, *(row.changes for row in self._chain(recipe))]
        where = f"{benchmark.name}, {recipe.name}"
        experiment = from_plain(layered(self.base, *layers, where=where), where=where)
        if not family_of(experiment).generates:
            raise ValueError(f"{where}: model: an ablation compares generators of motions, got {experiment.model}")
        if experiment.data.split == "none":
            raise ValueError(f"{where}: data.split none holds no motions out to score with; use xsub, xview or xsetup")
        return experiment

    def _chain(self, recipe: Recipe) -> list[Recipe]:
        """The recipes that it builds on, first to last, and itself."""
        rows, chain = {row.name: row for row in self.recipes}, [recipe]
        while (after := chain[0].after) is not None:
            if after not in rows:
                raise ValueError(
                    f"recipes.{chain[0].name}.after: there is no recipe {after!r}; {suggestion(after, rows)}"
                )
            if any(row.name == after for row in chain):
                raise ValueError(f"recipes.{recipe.name}.after: it builds on itself, by way of {after!r}")
            chain.insert(0, rows[after])
        return chain

    def precision(self) -> Precision:
        """The precision in place of `training.precision: auto` on this machine."""
        return choose_precision(self._settings(self.benchmarks[0], self.recipes[0]).training)

    def cells(self, precision: Precision | None = None) -> tuple[list[Cell], list[Cell]]:
        """The cells of recognition networks and those of generators, which wait for the former.

        It opens the motions and counts the batches of an epoch; where `training.steps` is null, epochs become steps.

        Args:
            precision: the one in place of `training.precision: auto` in all cells; None = the faster one here

        Raises:
            ValueError, FileNotFoundError: for unusable motions or recognition networks, naming the benchmark
        """
        networks, cells = [], []
        if precision is None:
            precision = self.precision()
        opened: dict[str, tuple[str, int]] = {}

        def motions(experiment: Experiment) -> tuple[str, int]:
            """Digest of its motions and batches of an epoch; most recipes share them."""
            plain = to_plain(experiment)
            source = json.dumps([plain["data"], plain["skeleton"]])
            if source not in opened:
                opened[source] = _content(experiment), _batches(experiment)
            return opened[source]

        for benchmark in self.benchmarks:
            try:
                network = benchmark.encoder if isinstance(benchmark.encoder, Path) else None
                encoder = "" if network is None else network_hash(network)
                if network is not None:
                    _check_network(network, self.experiment(benchmark, self.recipes[0], 0))
                if (learner := self.recogniser(benchmark)) is not None:
                    learner = with_precision(learner, precision.name)
                    cell = Cell(benchmark.name, "", learner.seed, learner, None, "", *motions(learner), self.threads)
                    networks.append(cell)
                    encoder = cell.key
                for recipe in self.recipes:
                    data, per_epoch = motions(self.experiment(benchmark, recipe, 0))
                    for seed in range(self.seeds):
                        experiment = with_precision(self.experiment(benchmark, recipe, seed), precision.name)
                        experiment = _counted(experiment, per_epoch, self.scores.points)
                        place = (benchmark.name, recipe.name, seed, experiment, self.scores)
                        cells.append(Cell(*place, encoder, data, per_epoch, self.threads, network))
            except (ValueError, FileNotFoundError) as error:
                raise type(error)(f"benchmarks.{benchmark.name}: {error}") from error
        return networks, cells


def _content(experiment: Experiment) -> str:
    """Digest of the files of its motions and its skeleton."""
    source, skeleton = experiment.data.source, experiment.skeleton
    motions = digest(None if source == "synthetic" else source)
    if skeleton is None or skeleton in SKELETONS:
        return motions
    return motions + digest(preset_file(skeleton, "skeleton", names=SKELETONS))


def _batches(experiment: Experiment) -> int:
    """Training batches of an epoch; at least one, since the cell refuses a batch that it cannot fill."""
    return max(1, len(prepare(experiment).train) // experiment.data.batch_size)


def _recognising() -> Family:
    """The family of recognition networks where settings name none."""
    return next(family for family in FAMILIES.values() if family.recognises)


def _counted(experiment: Experiment, per_epoch: int, points: int) -> Experiment:
    """The experiment with its steps counted, and checkpoints at so many points of the training."""
    training = experiment.training
    steps = training.steps or training.epochs * per_epoch
    keep = -(-steps // points) if points else 0
    return replace(experiment, training=replace(training, steps=steps, keep_every=keep))


def _measured(experiment: Experiment) -> dict[str, object]:
    """The settings that all generators of a benchmark must share."""
    plain = to_plain(experiment)
    shared = ("source", "split", "classes", "frames", "centering", "synthetic")
    return {"skeleton": plain["skeleton"], **{f"data.{name}": plain["data"][name] for name in shared}}


def _check_network(folder: Path, experiment: Experiment) -> None:
    """Raises ValueError for a recognition network that learned another side of the motions."""
    learned = read_settings(folder).data
    for name in ("split", "classes", "frames"):
        theirs, ours = getattr(learned, name), getattr(experiment.data, name)
        if theirs != ours:
            raise ValueError(f"{folder}: learned motions with data.{name} {theirs}, these have {ours}")


def network_hash(folder: Path) -> str:
    """Hash of the weights of a trained recognition network, from its run folder.

    Raises FileNotFoundError and ValueError, naming the file, for a folder without it.
    """
    file = folder / "recognition.json"
    try:
        plain = read_json(file)
        check_sealed(plain)
        return str(plain["hash"])
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{folder}: expected an experiment file or the run of a recognition network; there is no {file.name}"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{file}: expected the file of a trained recognition network: {error}") from error


def read_ablation(
    *paths: str | os.PathLike[str],
    recipes: Iterable[str] | None = None,
    benchmarks: Iterable[str] | None = None,
    settings: Mapping[str, object] | None = None,
    **overrides: Any,
) -> tuple[Ablation, AblationConfig]:
    """The ablation of a file at one of its profiles, and all settings of the file.

    Args:
        paths: ablation files, or names of presets (see `kinetic.presets`); later ones win over earlier ones; paths in
            them are relative to the last file
        recipes, benchmarks: names of those to run, a sweep's name standing for its rows; None = those of the profile.
            The changes of a recipe that another one builds on count even if it is not run itself
        settings: settings of all experiments, over those of profile and benchmark, below those of recipes
        overrides: keys of an ablation file: `profile="tiny"`, `seeds=5`, `scores={"draws": 1}`

    Raises:
        ValueError: naming file and key
        FileNotFoundError: when there is no such file
    """
    config = load_ablation(*paths, **overrides)
    where = preset_file(paths[-1], "ablation").parent if paths else Path()
    name = "" if config.profile is None else f"profiles.{config.profile}."
    profile = ProfileConfig() if config.profile is None else config.profiles[config.profile]
    over, networks = _routed(settings or {})
    try:
        groups = {row: _swept(row, entry) for row, entry in config.recipes.items()}
        rows = [row for group in groups.values() for row in group]
        for what, entries in (("rows", rows), ("benchmarks", config.benchmarks), ("files", profile.files)):
            if len(entries) > MOST:
                raise ValueError(f"found {len(entries)} {what}, expected at most {MOST}")
        shared = [preset_file(file, "experiment", folder=where) for file in profile.files]
        files = [layered(_mapping(file), where=str(file)) for file in shared]
        names = groups | {row.name: [row] for row in rows}
        chosen = _chosen("recipe", names, profile.recipes if recipes is None else recipes)
        kept = {row.name for entry in chosen for row in names[entry]}
        columns = _chosen("benchmark", config.benchmarks, profile.benchmarks if benchmarks is None else benchmarks)
        _check_published(config)
        ablation = Ablation(
            name=config.name if config.profile is None else f"{config.name}_{config.profile}",
            recipes=_folded(rows, kept),
            benchmarks=[
                Benchmark(
                    column,
                    layered(entry.settings, over, where=f"benchmarks.{column}.settings"),
                    _encoder(where, column, entry.encoder),
                    entry.about,
                )
                for column, entry in config.benchmarks.items()
                if column in columns
            ],
            base=layered(*files, profile.settings, where=f"{name}settings"),
            encoder=layered(profile.encoder, networks, where=f"{name}encoder"),
            seeds=config.seeds,
            scores=config.scores,
            published=config.published,
            threads=config.threads,
            about=profile.about,
        )
    except (ValueError, FileNotFoundError) as error:
        line = safe_line(error, LONGEST_MESSAGE)
        raise type(error)(f"{paths[-1]}: {line}" if paths else line) from error
    return ablation, config


def _routed(settings: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of generators, and those that only recognition networks read; both get the accelerator."""
    generators: dict[str, object] = {}
    networks: dict[str, object] = {}
    for key, value in _leaves(layered(settings)):
        families = read_by(key)
        if not families or any(family.generates for family in families):
            generators[key] = value
        if families and (key == "training.accelerator" or not any(family.generates for family in families)):
            networks[key] = value
    return layered(generators), layered(networks)


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of nested settings with their values."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _mapping(path: Path) -> Mapping[str, object]:
    plain = read_yaml(path)
    if not isinstance(plain, Mapping):
        raise ValueError(f"{path}: expected settings of an experiment such as `seed: 0`")
    return plain


def _swept(name: str, recipe: RecipeConfig) -> list[Recipe]:
    """The row of a recipe, or those of its sweep."""
    if not recipe.sweep:
        return [Recipe(name, recipe.changes, recipe.after, recipe.about)]
    ((key, values),) = recipe.sweep.items()
    return [Recipe(f"{name} {value}", recipe.changes | {key: value}, recipe.after, recipe.about) for value in values]


def _chosen(what: str, entries: Mapping[str, object], choice: Iterable[str] | None) -> list[str]:
    names = list(entries) if choice is None else list(choice)
    for name in names:
        if name not in entries:
            raise ValueError(f"there is no {what} {name!r}; {suggestion(name, entries)}")
    return names


def _folded(rows: Sequence[Recipe], kept: set[str]) -> list[Recipe]:
    """The kept rows; a row that is not kept becomes part of those that build on it."""
    by_name = {row.name: row for row in rows}
    whole: dict[str, Recipe] = {}  # rows that are not kept, with all changes that they build on
    folded = []
    for row in rows:
        if row.name not in kept:
            continue
        chain = [row]
        names = {row.name}
        while (after := chain[-1].after) in by_name and not (after in kept or after in names or after in whole):
            chain.append(by_name[after])
            names.add(after)
        while chain:
            row = chain.pop()
            if (parent := whole.get(row.after or "")) is not None:
                changes = layered(parent.changes, row.changes, where=f"recipes.{row.name}")
                row = replace(row, after=parent.after, changes=changes)
            if chain:
                whole[row.name] = row
        folded.append(row)
    return folded


def _encoder(where: Path, name: str, encoder: str) -> Mapping[str, object] | Path:
    path = where / encoder
    if not encoder:
        raise ValueError(f"benchmarks.{name}.encoder: expected an experiment file or the run of a recognition network")
    try:
        if encoder in presets("experiment") and path.exists():
            raise ValueError(
                f"{encoder} is a preset and there is {path}; write ./{encoder}, or move it to mean the preset"
            )
        return path if path.is_dir() else _mapping(preset_file(encoder, "experiment", folder=where))
    except (ValueError, OSError) as error:
        raise ValueError(f"benchmarks.{name}.encoder: {str(error)[:300]}") from error


def _check_published(config: AblationConfig) -> None:
    """Raises ValueError for published numbers of an unknown benchmark, recipe or score."""
    rows = {row.name for name, recipe in config.recipes.items() for row in _swept(name, recipe)}
    scores = ("fid", *BETTER)
    for benchmark, recipes in config.published.items():
        if benchmark not in config.benchmarks:
            raise ValueError(f"published.{benchmark}: no benchmark; {suggestion(benchmark, config.benchmarks)}")
        for recipe, numbers in recipes.items():
            if recipe not in rows:
                raise ValueError(f"published.{benchmark}.{recipe}: no recipe; {suggestion(recipe, rows)}")
            for score in numbers:
                if score not in scores:
                    raise ValueError(f"published.{benchmark}.{recipe}.{score}: no score; {suggestion(score, scores)}")
