"""Run an ablation: an engine runs the cells without a result, and all results go into one table."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from kinetic.ablation.cell import fail, failure, place, prepare_place, read_result, trained_batches, work
from kinetic.ablation.keys import SCHEME, OlderResults
from kinetic.ablation.page import write_pages
from kinetic.ablation.recipes import Ablation, Cell, read_ablation
from kinetic.ablation.results import begun_precision, read_grid
from kinetic.ablation.table import GridTable
from kinetic.engines.choice import choose_engine
from kinetic.engines.interface import Engine, Task
from kinetic.files import holding, replacing
from kinetic.messages import LONGEST_MESSAGE, safe_line
from kinetic.processes import load_code
from kinetic.settings.ablation import RayConfig, SlurmConfig
from kinetic.training.precision import Precision

__all__ = ["PRELOAD", "Plan", "ablate", "engine_for", "plan", "table"]

PATIENCE = 10.0
"""Seconds to wait for the folder of an ablation, which another process may be about to leave."""

PRELOAD = ("kinetic.ablation.cell", "kinetic.training.batches", "kinetic.training.wgan", "kinetic.training.encoder")
"""Modules that the processes of all cells import."""

TRAINED = 0.9
"""Share of training in the work of a cell; the rest is scoring."""

State = Literal["done", "failed", "begun", "new"]


@dataclass(frozen=True)
class Plan:
    """The cells of an ablation and their states.

    Args:
        networks: cells of recognition networks
        cells: cells of generators, in the order in which they run
        homes: key -> folder
        states: key -> state: a result, an error, a part of the training, nothing
        precision: the one in place of `training.precision: auto` in these cells
    """

    networks: Sequence[Cell]
    cells: Sequence[Cell]
    homes: Mapping[str, Path]
    states: Mapping[str, State]
    precision: Precision

    def share(self, cell: Cell) -> float:
        """Progress of a cell when the plan was made, from 0 to 1; a failed one is at its end."""
        return 1.0 if self.states[cell.key] in ("done", "failed") else self.trained(cell)

    def trained(self, cell: Cell) -> float:
        """Progress of a cell without a result now, from 0 to 1."""
        return TRAINED * min(1.0, trained_batches(self.homes[cell.key]) / cell.batches)

    def to_text(self) -> str:
        """A line for each cell, and the number of cells in each state."""
        lines = []
        for cell in (*self.networks, *self.cells):
            state = self.states[cell.key]
            word = f"begun, {self.share(cell):.0%}" if state == "begun" else state
            lines.append(
                f"{cell.key}  {word:11}  {f'{cell.batches} batches':15} {safe_line(cell.title, LONGEST_MESSAGE)}"
            )
        counts = Counter(self.states[cell.key] for cell in self.cells)
        numbers = ", ".join(f"{counts[state]} {state}" for state in ("done", "failed", "begun", "new") if counts[state])
        return "\n".join([*lines, f"{len(self.cells)} cells: {numbers}"]) + "\n"


def plan(ablation: Ablation, out: str | os.PathLike[str]) -> Plan:
    """The cells of an ablation in a folder and their states, seed after seed, so that all recipes advance together.

    Raises:
        ValueError, FileNotFoundError: for unusable motions or recognition networks
    """
    begun = begun_precision(Path(out))
    precision = ablation.precision() if begun is None else Precision(begun, "as this ablation was begun")
    networks, cells = _recorded(Path(out), *ablation.cells(precision))
    cells = sorted(cells, key=lambda cell: cell.seed)
    homes = {cell.key: place(Path(out), cell) for cell in (*networks, *cells)}
    return Plan(networks, cells, homes, {key: _state(home, key) for key, home in homes.items()}, precision)


def _recorded(out: Path, networks: Sequence[Cell], cells: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The cells, with the key of an older scheme where the folder holds a result under it."""
    older = OlderResults(out)

    def by_old_key(cell: Cell) -> Cell:
        if not older.cells or any(out.glob(f"cells/*-{cell.key}")):
            return cell
        key = older.key(cell.experiment, cell.scores, **cell.circumstances)
        return replace(cell, recorded=key) if key else cell

    renamed = [by_old_key(cell) for cell in networks]
    keys = {before.key: after.key for before, after in zip(networks, renamed, strict=True)}
    return renamed, [by_old_key(replace(cell, encoder=keys.get(cell.encoder, cell.encoder))) for cell in cells]


def _state(home: Path, key: str) -> State:
    if read_result(home, key) is not None:
        return "done"
    if failure(home) is not None:
        return "failed"
    return "begun" if trained_batches(home) else "new"


def ablate(
    ablation: Ablation | str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    engine: Engine | None = None,
    code: Sequence[str | os.PathLike[str]] = (),
    retry: bool = False,
    progress: bool = True,
    **options: Any,
) -> GridTable:
    """Train and score every recipe on every benchmark with every seed; returns the table of all results.

    The folder holds a folder for each cell, the table as `table.md`, `table.csv`, `table.tex` and `table.json`,
    pictures, and `report.html`. A cell with a result, by the key of its settings, does not run again; an interrupted
    cell resumes where it stopped; the error of a cell that fails is recorded, and the others go on.

    Args:
        ablation: an ablation, or a file of one
        out: the folder; None = runs/ and the name of the ablation
        engine: where cells run; None = processes of this machine, as many as it has processors, or GPUs if they train
        code: Python files of yours that add a pooling, a loss or a family; imported here and, without `engine`, in the
            process of each cell
        retry: run failed cells again
        progress: show a line of progress on a terminal, and a line for each cell that ends
        options: options of `read_ablation`, where `ablation` is a file: `profile="tiny"`, `seeds=5`

    Raises:
        ValueError, FileNotFoundError: for unusable files, settings, motions and recognition networks
        FileExistsError: when another process works in the folder
    """
    for file in code:
        load_code(file)
    if not isinstance(ablation, Ablation):
        ablation, _ = read_ablation(ablation, **options)
    elif options:
        raise ValueError(f"{next(iter(options))}: an option of ablation files; expected a file, got an Ablation")
    folder = Path(out) if out is not None else Path("runs") / ablation.name
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder}: is a file; an ablation needs a folder")
    planned = plan(ablation, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with holding(folder, PATIENCE):
        _keep(folder, ablation, planned)
        _run(planned, engine or engine_for(ablation, folder, code=code), folder, retry=retry, shown=progress)
        write_pages(folder)
    return table(folder)


def table(out: str | os.PathLike[str]) -> GridTable:
    """The table of the results so far in an ablation's folder.

    Raises:
        FileNotFoundError: when the folder holds no ablation
        ValueError: for results that cannot be compared
    """
    return read_grid(Path(out)).table


def engine_for(
    ablation: Ablation,
    out: str | os.PathLike[str],
    name: Literal["local", "ray", "slurm"] = "local",
    *,
    jobs: int | None = None,
    code: Sequence[str | os.PathLike[str]] = (),
    ray: RayConfig | None = None,
    slurm: SlurmConfig | None = None,
) -> Engine:
    """The engine of that name for the cells of an ablation.

    Args:
        out: folder of the ablation
        jobs: cells at a time; None = one for each processor of this machine, or GPU if they train
        code: Python files that the process of each cell imports first
        ray, slurm: settings of these engines; None = their defaults
    """
    import torch

    training = ablation.experiment(ablation.benchmarks[0], ablation.recipes[0], 0).training
    gpus = 0 if training.accelerator == "cpu" else torch.cuda.device_count()
    threads = ablation.threads
    return choose_engine(
        name,
        folder=out,
        jobs=jobs,
        threads=threads,
        preload=PRELOAD,
        gpus=gpus,
        code=code,
        ray=ray,
        slurm=slurm,
    )


def _keep(folder: Path, ablation: Ablation, planned: Plan) -> None:
    """Write rows, benchmarks and the places of cells to `grid.json`, so that the folder explains itself."""
    content = {
        "format": "kinetic-grid",
        "keys": SCHEME,
        "name": ablation.name,
        "about": ablation.about,
        "precision": planned.precision.name,
        "rows": [{"name": row.name, "after": row.after, "about": row.about} for row in ablation.recipes],
        "benchmarks": [{"name": column.name, "about": column.about} for column in ablation.benchmarks],
        "scores": asdict(ablation.scores),
        "published": {
            name: {row: dict(scores) for row, scores in rows.items()} for name, rows in ablation.published.items()
        },
        "cells": [
            {"benchmark": cell.benchmark, "recipe": cell.recipe, "seed": cell.seed, "key": cell.key}
            for cell in planned.cells
        ],
    }
    with replacing(folder / "grid.json") as beside:
        beside.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _run(planned: Plan, engine: Engine, folder: Path, *, retry: bool, shown: bool) -> None:
    """Run recognition networks that cells wait for, then the cells of generators."""
    skipped = {"done"} if retry else {"done", "failed"}
    cells = _once(cell for cell in planned.cells if planned.states[cell.key] not in skipped)
    needed = {cell.encoder for cell in cells}
    networks = [cell for cell in planned.networks if cell.key in needed]
    with _Watch(planned, cells, shown) as watch:
        _carry(engine, folder, _once(cell for cell in networks if planned.states[cell.key] != "done"), {}, watch)
        runs = {cell.key: place(folder, cell) for cell in networks}
        broken = {
            key: why
            for key, home in runs.items()
            if read_result(home, key) is None and (why := failure(home)) is not None
        }
        for cell in cells:
            if cell.encoder in broken:
                fail(prepare_place(folder, cell, None), f"its recognition network failed: {broken[cell.encoder]}")
                watch.tell(cell, "failed", "its recognition network failed")
        ready = [cell for cell in cells if cell.encoder not in broken]
        _carry(engine, folder, ready, {key: home / "run" for key, home in runs.items()}, watch)


def _once(cells: Iterable[Cell]) -> list[Cell]:
    """The cells without repeated keys: recipes with the same settings share a cell."""
    first: dict[str, Cell] = {}
    for cell in cells:
        first.setdefault(cell.key, cell)
    return list(first.values())


def _carry(engine: Engine, folder: Path, cells: Sequence[Cell], networks: Mapping[str, Path], watch: _Watch) -> None:
    """Run cells on an engine; whether they are done follows from their files, not from the engine."""
    by_name = {f"{cell.title} ({cell.key})": cell for cell in cells}
    homes = {
        name: prepare_place(folder, cell, cell.network or networks.get(cell.encoder)) for name, cell in by_name.items()
    }
    if not homes:
        return
    tasks = [Task(name, str(home.absolute())) for name, home in homes.items()]
    with contextlib.closing(engine.run(work, tasks)) as events:
        for event in events:
            if event.kind == "tick":
                watch.tick()
                continue
            cell, home, kind, why = by_name[event.name], homes[event.name], event.kind, event.detail
            if kind in ("ended", "failed"):
                if read_result(home, cell.key) is not None:
                    kind, why = "ended", ""
                elif (error := failure(home)) is not None:
                    kind, why = "failed", error
                else:
                    kind, why = "failed", why or "it ended without a result"
                    fail(home, why)
            watch.tell(cell, kind, why)


class _Watch:
    """The line of progress of a whole grid, and a line for each cell that ends."""

    def __init__(self, planned: Plan, cells: Sequence[Cell], shown: bool) -> None:
        self.plan, self.shown = planned, shown
        self.running: dict[str, Cell] = {}
        self.states: dict[str, str] = {**planned.states, **{cell.key: "new" for cell in cells}}
        self.shares = {cell.key: planned.share(cell) for cell in planned.cells}
        self.shares |= {cell.key: planned.trained(cell) for cell in cells}
        self.bar = tqdm(
            total=len(planned.cells),
            initial=self._sum(),
            desc="ablate",
            disable=None if shown else True,
            bar_format="{desc} {percentage:3.0f}%|{bar:20}| {n:.1f} of {total} [{elapsed}<{remaining}]{postfix}",
        )

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def tell(self, cell: Cell, kind: str, why: str) -> None:
        """Note an event of a cell and print it."""
        if kind == "started":
            self.running[cell.key] = cell
            return self.tick()
        self.running.pop(cell.key, None)
        if kind in ("ended", "failed"):
            self.states[cell.key] = "done" if kind == "ended" else "failed"
            self.shares[cell.key] = 1.0
        if self.shown:
            done = sum(self.states[other.key] == "done" for other in self.plan.cells)
            word = {"ended": "done", "lost": "lost, to be tried again"}.get(kind, kind)
            line = f"kinetic: {done} of {len(self.plan.cells)} done; {cell.title}: {word}{f': {why}' if why else ''}"
            tqdm.write(safe_line(line, LONGEST_MESSAGE), file=sys.stderr)
        return self.tick()

    def tick(self) -> None:
        """Update the progress of the running cells."""
        lines = []
        for key, cell in self.running.items():
            self.shares[key] = share = self.plan.trained(cell)
            lines.append(f"{cell.title} {share:.0%}")
        failed = sum(self.states[cell.key] == "failed" for cell in self.plan.cells)
        self.bar.n = self._sum()
        running = safe_line(", ".join(lines), LONGEST_MESSAGE)
        self.bar.set_postfix_str(f"{f'{failed} failed; ' if failed else ''}{len(lines)} running: {running}")

    def _sum(self) -> float:
        return round(sum(self.shares[cell.key] for cell in self.plan.cells), 3)
