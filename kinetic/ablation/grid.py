"""Running an ablation: cells that have no result yet are brought to an engine, and their results to one table."""

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
"""Seconds to wait for the folder of an ablation that another process may be about to leave."""

PRELOAD = ("kinetic.ablation.cell", "kinetic.training.batches", "kinetic.training.wgan", "kinetic.training.encoder")
"""What the processes of cells have in common."""

TRAINED = 0.9
"""Share of a cell's work that is behind it when it is trained but not scored."""

State = Literal["done", "failed", "begun", "new"]


@dataclass(frozen=True)
class Plan:
    """What is there of an ablation, and what is still to be done.

    Args:
        networks: cells of recognition networks
        cells: those of generators, in the order in which they are run
        homes: key -> folder
        states: key -> what is there: a result, an error, some of the training, nothing
        precision: what `training.precision: auto` stands for in these cells
    """

    networks: Sequence[Cell]
    cells: Sequence[Cell]
    homes: Mapping[str, Path]
    states: Mapping[str, State]
    precision: Precision

    def share(self, cell: Cell) -> float:
        """How much of a cell was behind it when the plan was made, from 0 to 1; a failed one came to an end."""
        return 1.0 if self.states[cell.key] in ("done", "failed") else self.trained(cell)

    def trained(self, cell: Cell) -> float:
        """How much of a cell that has no result is behind it now."""
        return TRAINED * min(1.0, trained_batches(self.homes[cell.key]) / cell.batches)

    def to_text(self) -> str:
        """A line for each cell, and how many there are of each state."""
        lines = []
        for cell in (*self.networks, *self.cells):
            state = self.states[cell.key]
            word = f"begun, {self.share(cell):.0%}" if state == "begun" else state
            lines.append(
                f"{cell.key}  {word:11}  {f'{cell.batches} batches':15} {safe_line(cell.title, LONGEST_MESSAGE)}"
            )
        counts = Counter(self.states[cell.key] for cell in self.cells)
        told = ", ".join(f"{counts[state]} {state}" for state in ("done", "failed", "begun", "new") if counts[state])
        return "\n".join([*lines, f"{len(self.cells)} cells: {told}"]) + "\n"


def plan(ablation: Ablation, out: str | os.PathLike[str]) -> Plan:
    """What is there and what is to be done, seed after seed: an interrupted ablation has as many of all recipes.

    Raises:
        ValueError, FileNotFoundError: for motions or recognition networks that cannot be used
    """
    begun = begun_precision(Path(out))
    precision = ablation.precision() if begun is None else Precision(begun, "as this ablation was begun")
    networks, cells = _recorded(Path(out), *ablation.cells(precision))
    cells = sorted(cells, key=lambda cell: cell.seed)
    homes = {cell.key: place(Path(out), cell) for cell in (*networks, *cells)}
    return Plan(networks, cells, homes, {key: _state(home, key) for key, home in homes.items()}, precision)


def _recorded(out: Path, networks: Sequence[Cell], cells: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The cells, those under the keys of an older scheme whose results are there by these keys."""
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
    """Train and score every recipe on every benchmark with every seed, and put what came out into one table.

    The folder holds a folder for each cell, the table as `table.md`, `table.csv`, `table.tex` and `table.json`,
    pictures, and `report.html`. A cell that has a result, by the key of its settings, is not run again; one that was
    interrupted goes on where it stopped; one that fails is recorded with its error, and the others go on.

    Args:
        ablation: one that was made in Python, or a file of one
        out: the folder; None = runs/ and the name of the ablation
        engine: where cells run; None = processes of this machine, as many as it has processors, or GPUs if they train
        code: Python files of yours that add a pooling, a loss or a family; imported here and, unless `engine` is given,
            in the process of each cell
        retry: also run those cells again that failed before
        progress: show a line of progress on a terminal, and a line for each cell that ended
        options: of `read_ablation`, where `ablation` is a file: `profile="tiny"`, `seeds=5`

    Raises:
        ValueError, FileNotFoundError: for files, settings, motions and recognition networks that cannot be used
        FileExistsError: when another process works in the folder
    """
    for file in code:
        load_code(file)
    if not isinstance(ablation, Ablation):
        ablation, _ = read_ablation(ablation, **options)
    elif options:
        raise ValueError(f"{next(iter(options))} belongs to an ablation file: this ablation is made already")
    folder = Path(out) if out is not None else Path("runs") / ablation.name
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder}: is a file; an ablation needs a folder")
    asked = plan(ablation, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with holding(folder, PATIENCE):
        _keep(folder, ablation, asked)
        _run(asked, engine or engine_for(ablation, folder, code=code), folder, retry=retry, shown=progress)
        write_pages(folder)
    return table(folder)


def table(out: str | os.PathLike[str]) -> GridTable:
    """The table of an ablation's folder, of what is there so far.

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
    """The engine of that name, made for the cells of an ablation.

    Args:
        out: folder of the ablation
        jobs: cells at a time; None = as many as there is room for: processors of this machine, or GPUs if they train
        code: Python files that the process of each cell imports first
        ray, slurm: what is asked of these; None = their defaults
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


def _keep(folder: Path, ablation: Ablation, asked: Plan) -> None:
    """Write down which cell stands where in the table, so that the folder explains itself."""
    content = {
        "format": "kinetic-grid",
        "keys": SCHEME,
        "name": ablation.name,
        "about": ablation.about,
        "precision": asked.precision.name,
        "rows": [{"name": each.name, "after": each.after, "about": each.about} for each in ablation.recipes],
        "benchmarks": [{"name": each.name, "about": each.about} for each in ablation.benchmarks],
        "scores": asdict(ablation.scores),
        "published": {name: {row: dict(own) for row, own in rows.items()} for name, rows in ablation.published.items()},
        "cells": [
            {"benchmark": cell.benchmark, "recipe": cell.recipe, "seed": cell.seed, "key": cell.key}
            for cell in asked.cells
        ],
    }
    with replacing(folder / "grid.json") as beside:
        beside.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _run(asked: Plan, engine: Engine, folder: Path, *, retry: bool, shown: bool) -> None:
    """Bring to an end what can be: recognition networks that somebody waits for, then generators."""
    skipped = {"done"} if retry else {"done", "failed"}
    cells = _once(cell for cell in asked.cells if asked.states[cell.key] not in skipped)
    wanted = {cell.encoder for cell in cells}
    networks = [cell for cell in asked.networks if cell.key in wanted]
    with _Watch(asked, cells, shown) as watch:
        _carry(engine, folder, _once(cell for cell in networks if asked.states[cell.key] != "done"), {}, watch)
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
    """Each key once: recipes that come to the same settings share a cell."""
    first: dict[str, Cell] = {}
    for cell in cells:
        first.setdefault(cell.key, cell)
    return list(first.values())


def _carry(engine: Engine, folder: Path, cells: Sequence[Cell], networks: Mapping[str, Path], watch: _Watch) -> None:
    """Let an engine run cells; what became of them their files say, not the engine."""
    known = {f"{cell.title} ({cell.key})": cell for cell in cells}
    homes = {
        name: prepare_place(folder, cell, cell.network or networks.get(cell.encoder)) for name, cell in known.items()
    }
    if not homes:
        return
    tasks = [Task(name, str(home.absolute())) for name, home in homes.items()]
    with contextlib.closing(engine.run(work, tasks)) as events:
        for event in events:
            if event.kind == "tick":
                watch.tick()
                continue
            cell, home, kind, why = known[event.name], homes[event.name], event.kind, event.detail
            if kind in ("ended", "failed"):
                if read_result(home, cell.key) is not None:
                    kind, why = "ended", ""
                elif (told := failure(home)) is not None:
                    kind, why = "failed", told
                else:
                    kind, why = "failed", why or "it ended without a result"
                    fail(home, why)
            watch.tell(cell, kind, why)


class _Watch:
    """The line of progress of a whole grid, and a line for each cell that ended."""

    def __init__(self, asked: Plan, cells: Sequence[Cell], shown: bool) -> None:
        self.asked, self.shown = asked, shown
        self.running: dict[str, Cell] = {}
        self.states: dict[str, str] = {**asked.states, **{cell.key: "new" for cell in cells}}
        self.shares = {cell.key: asked.share(cell) for cell in asked.cells}
        self.shares |= {cell.key: asked.trained(cell) for cell in cells}
        self.bar = tqdm(
            total=len(asked.cells),
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
        """Note what became of a cell, and say it."""
        if kind == "started":
            self.running[cell.key] = cell
            return self.tick()
        self.running.pop(cell.key, None)
        if kind in ("ended", "failed"):
            self.states[cell.key] = "done" if kind == "ended" else "failed"
            self.shares[cell.key] = 1.0
        if self.shown:
            done = sum(self.states[each.key] == "done" for each in self.asked.cells)
            word = {"ended": "done", "lost": "lost, to be tried again"}.get(kind, kind)
            line = f"kinetic: {done} of {len(self.asked.cells)} done; {cell.title}: {word}{f': {why}' if why else ''}"
            tqdm.write(safe_line(line, LONGEST_MESSAGE), file=sys.stderr)
        return self.tick()

    def tick(self) -> None:
        """Look how far the running cells are."""
        told = []
        for key, cell in self.running.items():
            self.shares[key] = share = self.asked.trained(cell)
            told.append(f"{cell.title} {share:.0%}")
        failed = sum(self.states[each.key] == "failed" for each in self.asked.cells)
        self.bar.n = self._sum()
        running = safe_line(", ".join(told), LONGEST_MESSAGE)
        self.bar.set_postfix_str(f"{f'{failed} failed; ' if failed else ''}{len(told)} running: {running}")

    def _sum(self) -> float:
        return round(sum(self.shares[cell.key] for cell in self.asked.cells), 3)
