"""The files that an ablation ends in: its table in four formats, pictures, and one page with motions that play."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from kinetic.ablation.pictures import curve_chart, metric_chart
from kinetic.ablation.recipes import REAL
from kinetic.ablation.results import Grid, read_grid
from kinetic.ablation.table import GridTable
from kinetic.ablation.writers import Sheet
from kinetic.files import make_folder, replacing
from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.pictures.page import Block, PictureBlock, Scene, TableBlock, TableCell, TextBlock, write_page
from kinetic.runs.prepare import prepare
from kinetic.settings.reading import load_experiment, to_plain

__all__ = ["FORMATS", "write_pages"]

FORMATS: Mapping[str, Callable[[GridTable], str]] = {
    ".md": GridTable.to_markdown,
    ".csv": GridTable.to_csv,
    ".tex": GridTable.to_latex,
    ".json": lambda table: json.dumps(table.to_dict(), indent=1, allow_nan=False) + "\n",
}
"""Ending of a table's file -> how it is written."""


def write_pages(folder: Path) -> None:
    """Write the table of what is there so far into an ablation's folder, with pictures and `report.html`.

    Raises:
        ValueError: for results that cannot be compared
    """
    grid = read_grid(folder)
    for ending, form in FORMATS.items():
        with replacing(folder / f"table{ending}") as beside:
            beside.write_text(form(grid.table), encoding="utf-8")
    if not grid.findings:
        (folder / "report.html").unlink(missing_ok=True)  # of results that are no longer there
        return
    blocks: list[Block] = [TextBlock("What was compared", _about(grid))]
    for benchmark in grid.benchmarks:
        if any(finding.benchmark == benchmark for finding in grid.findings):
            blocks += _blocks(grid, benchmark)
    write_page(folder / "report.html", title=grid.name, subtitle=grid.about, blocks=blocks)


def _about(grid: Grid) -> tuple[str, ...]:
    done, all_cells = len(grid.findings), len(grid.findings) + len(grid.missing)
    seeds = {seed for _, _, seed in (*grid.homes, *grid.missing)}
    told = [
        f"{len(grid.rows)} recipes on {len(grid.benchmarks)} benchmarks, each trained from {len(seeds)} seeds: "
        f"{done} of {all_cells} cells have a result. Numbers are means over training seeds; real (floor) is what real "
        "motions reach among themselves.",
        *(f"{row.name}: {row.about}." for row in grid.rows if row.about),
    ]
    return tuple(told)


def _blocks(grid: Grid, benchmark: str) -> list[Block]:
    """Table, reading, pictures and motions of one benchmark."""
    words = _file_names(grid.benchmarks)[benchmark]
    table, blocks = grid.table, list[Block]()
    for sheet in table.sheets(benchmark, mark="bold"):
        blocks.append(_table(f"{benchmark}: {sheet.title}" if sheet.title else benchmark, sheet))
    if words_of := table.reading(benchmark):
        blocks.append(TextBlock(f"{benchmark}: what stands", words_of))
    picture = metric_chart(table, benchmark, grid.folder / f"scores_{words}.png")
    blocks.append(PictureBlock(f"{benchmark}: scores", picture, f"every score of every recipe on {benchmark}"))
    metric = grid.metrics[0]
    if any(metric in values for each in grid.findings if each.benchmark == benchmark for _, values in each.curve):
        column = table.columns.get((benchmark, metric))
        target = grid.folder / f"curves_{words}.png"
        floor = None if column is None else column.floor
        picture = curve_chart(grid.findings, grid.rows, benchmark, metric, target, floor=floor)
        blocks.append(PictureBlock(f"{benchmark}: {metric} over epochs", picture, f"{metric} over epochs"))
    scene = _scene(grid, benchmark)
    return blocks if scene is None else [*blocks, scene]


def _table(title: str, sheet: Sheet) -> TableBlock:
    body = tuple(tuple(TableCell(cell.text, bold=cell.marked) for cell in line) for line in sheet.lines)
    return TableBlock(title, tuple(sheet.header), body, tuple(sheet.notes))


def _scene(grid: Grid, benchmark: str) -> Scene | None:
    """Real motions and those of each recipe, of every class one of each training seed; None where none were kept."""
    homes = {(recipe, seed): home for (where, recipe, seed), home in sorted(grid.homes.items()) if where == benchmark}
    made: dict[str, list[MotionSet]] = {}
    for (recipe, _), home in homes.items():
        if (home / "samples.npz").exists():
            made.setdefault(recipe, []).append(read_motions(home / "samples.npz"))
    if not made:
        return None
    some = next(iter(made.values()))[0]
    real = _real(grid, benchmark, next(iter(homes.values())), count=max(map(len, made.values())))
    clips: dict[tuple[str, str], np.ndarray] = {}
    for k, name in enumerate(some.class_names):
        for recipe, sets in made.items():
            rows = [each.motion[each.label == k][:1] for each in sets]
            if any(map(len, rows)):
                clips[name, recipe] = np.concatenate(rows)
        if real is not None and (real.label == k).any():
            clips[name, REAL] = real.motion[real.label == k]
    columns = (REAL, *(row.name for row in grid.rows if row.name in made))
    fps = float(np.median(some.fps))
    return Scene(f"{benchmark}: motions", some.skeleton, fps, columns, some.class_names, clips, REAL)


def _real(grid: Grid, benchmark: str, home: Path, *, count: int) -> MotionSet | None:
    """Some held-out motions of each class, kept in the folder; None where their file has gone."""
    experiment = load_experiment(home / "run" / "config.yaml")
    plain = to_plain(experiment)
    asked = json.dumps([plain["data"], plain["skeleton"], count])
    mark = hashlib.sha256(asked.encode()).hexdigest()[:8]
    file = make_folder(grid.folder, "real") / f"{_file_names(grid.benchmarks)[benchmark]}-{mark}.npz"
    if not file.exists():
        try:
            test = prepare(experiment).test
        except (OSError, ValueError):
            return None
        rows = [_spread(np.flatnonzero(test.label == k), count) for k in range(len(test.class_names))]
        write_motions(test.select(np.concatenate(rows)), file)
    return read_motions(file)


def _file_names(benchmarks: Iterable[str]) -> dict[str, str]:
    """What the files of each benchmark are called, each otherwise."""
    words: dict[str, str] = {}
    for i, name in enumerate(benchmarks):
        words[name] = re.sub("[^A-Za-z0-9]+", "_", name)[:60]
        while not words[name] or [each.lower() for each in words.values()].count(words[name].lower()) > 1:
            words[name] += f"_{i}"
    return words


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """So many of them, from first to last."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).round().astype(np.int64))] if len(rows) else rows
