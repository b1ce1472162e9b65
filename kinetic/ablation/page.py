"""The files of a finished ablation: its table in four formats, pictures, and one page with animated motions."""

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
from kinetic.families.experiments import load_experiment
from kinetic.families.motions import prepare
from kinetic.files import make_folder, replacing
from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.pictures.page import Block, PictureBlock, Scene, TableBlock, TableCell, TextBlock, write_page
from kinetic.settings.reading import to_plain

__all__ = ["FORMATS", "write_pages"]

FORMATS: Mapping[str, Callable[[GridTable], str]] = {
    ".md": GridTable.to_markdown,
    ".csv": GridTable.to_csv,
    ".tex": GridTable.to_latex,
    ".json": lambda table: json.dumps(table.to_dict(), indent=1, allow_nan=False) + "\n",
}
"""Ending of a table's file -> its text."""


def write_pages(folder: Path) -> None:
    """Write the table of all results so far into an ablation's folder, with pictures and `report.html`.

    Raises:
        ValueError: for results that cannot be compared
    """
    grid = read_grid(folder)
    for ending, form in FORMATS.items():
        with replacing(folder / f"table{ending}") as beside:
            beside.write_text(form(grid.table), encoding="utf-8")
    if not grid.findings:
        (folder / "report.html").unlink(missing_ok=True)  # its results have been removed
        return
    blocks: list[Block] = [TextBlock("What was compared", _about(grid))]
    for benchmark in grid.benchmarks:
        if any(finding.benchmark == benchmark for finding in grid.findings):
            blocks += _blocks(grid, benchmark)
    write_page(folder / "report.html", title=grid.name, subtitle=grid.about, blocks=blocks)


def _about(grid: Grid) -> tuple[str, ...]:
    done, all_cells = len(grid.findings), len(grid.findings) + len(grid.missing)
    seeds = {seed for _, _, seed in (*grid.homes, *grid.missing)}
    return (
        f"{len(grid.rows)} recipes on {len(grid.benchmarks)} benchmarks, each trained from {len(seeds)} seeds: "
        f"{done} of {all_cells} cells have a result. Numbers are means over training seeds; real (floor) is what real "
        "motions reach among themselves.",
        *(f"{row.name}: {row.about}." for row in grid.rows if row.about),
    )


def _blocks(grid: Grid, benchmark: str) -> list[Block]:
    """Table, reading, pictures and motions of one benchmark."""
    stem = _file_names(grid.benchmarks)[benchmark]
    table, blocks = grid.table, list[Block]()
    for sheet in table.sheets(benchmark, mark="bold"):
        blocks.append(_table(f"{benchmark}: {sheet.title}" if sheet.title else benchmark, sheet))
    if reading := table.reading(benchmark):
        blocks.append(TextBlock(f"{benchmark}: what stands", reading))
    picture = metric_chart(table, benchmark, grid.folder / f"scores_{stem}.png")
    blocks.append(PictureBlock(f"{benchmark}: scores", picture, f"every score of every recipe on {benchmark}"))
    metric = grid.metrics[0]
    if any(metric in scores for f in grid.findings if f.benchmark == benchmark for _, scores in f.curve):
        column = table.columns.get((benchmark, metric))
        target = grid.folder / f"curves_{stem}.png"
        floor = None if column is None else column.floor
        picture = curve_chart(grid.findings, grid.rows, benchmark, metric, target, floor=floor)
        blocks.append(PictureBlock(f"{benchmark}: {metric} over epochs", picture, f"{metric} over epochs"))
    scene = _scene(grid, benchmark)
    return blocks if scene is None else [*blocks, scene]


def _table(title: str, sheet: Sheet) -> TableBlock:
    body = tuple(tuple(TableCell(cell.text, bold=cell.marked) for cell in line) for line in sheet.lines)
    return TableBlock(title, tuple(sheet.header), body, tuple(sheet.notes))


def _scene(grid: Grid, benchmark: str) -> Scene | None:
    """Motions of every class, one per training seed of each recipe beside real ones; None without stored motions."""
    homes = {(recipe, seed): home for (where, recipe, seed), home in sorted(grid.homes.items()) if where == benchmark}
    generated: dict[str, list[MotionSet]] = {}
    for (recipe, _), home in homes.items():
        if (home / "samples.npz").exists():
            generated.setdefault(recipe, []).append(read_motions(home / "samples.npz"))
    if not generated:
        return None
    first = next(iter(generated.values()))[0]
    real = _real(grid, benchmark, next(iter(homes.values())), count=max(map(len, generated.values())))
    clips: dict[tuple[str, str], np.ndarray] = {}
    for k, name in enumerate(first.class_names):
        for recipe, sets in generated.items():
            rows = [motions.motion[motions.label == k][:1] for motions in sets]
            if any(map(len, rows)):
                clips[name, recipe] = np.concatenate(rows)
        if real is not None and (real.label == k).any():
            clips[name, REAL] = real.motion[real.label == k]
    columns = (REAL, *(row.name for row in grid.rows if row.name in generated))
    fps = float(np.median(first.fps))
    return Scene(f"{benchmark}: motions", first.skeleton, fps, columns, first.class_names, clips, REAL)


def _real(grid: Grid, benchmark: str, home: Path, *, count: int) -> MotionSet | None:
    """Held-out motions of each class, stored in the ablation's folder; None if their source is gone."""
    experiment = load_experiment(home / "run" / "config.yaml")
    plain = to_plain(experiment)
    source = json.dumps([plain["data"], plain["skeleton"], count])
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    file = make_folder(grid.folder, "real") / f"{_file_names(grid.benchmarks)[benchmark]}-{digest}.npz"
    if not file.exists():
        try:
            test = prepare(experiment).test
        except (OSError, ValueError):
            return None
        rows = [_spread(np.flatnonzero(test.label == k), count) for k in range(len(test.class_names))]
        write_motions(test.select(np.concatenate(rows)), file)
    return read_motions(file)


def _file_names(benchmarks: Iterable[str]) -> dict[str, str]:
    """Benchmark -> a unique name for its files."""
    stems: dict[str, str] = {}
    for i, name in enumerate(benchmarks):
        stems[name] = re.sub("[^A-Za-z0-9]+", "_", name)[:60]
        while not stems[name] or [stem.lower() for stem in stems.values()].count(stems[name].lower()) > 1:
            stems[name] += f"_{i}"
    return stems


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the rows, evenly spaced from first to last."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).round().astype(np.int64))] if len(rows) else rows
