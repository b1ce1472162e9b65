"""The content of an ablation's folder: the grid of cells and their results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from kinetic.ablation.cell import failure, read_result
from kinetic.ablation.statistics import Finding, RowInfo
from kinetic.ablation.table import GridTable, table_of
from kinetic.files import read_json
from kinetic.messages import safe_line

__all__ = ["Grid", "begun_precision", "read_grid"]


@dataclass(frozen=True)
class Grid:
    """An ablation, read from its folder.

    Args:
        folder: folder of the ablation
        name, about: name of the ablation and its size in words
        rows: recipes in the order of the table
        benchmarks: name -> description in words, in the order of the table
        metrics: scores in the order of the table
        published: benchmark -> recipe -> score -> the published number
        homes: (benchmark, recipe, seed) -> folder of the cell, where it has a result
        findings: results of those cells
        missing: (benchmark, recipe, seed) -> why there is no result
        seconds: seconds of all training and scoring
    """

    folder: Path
    name: str
    about: str
    rows: tuple[RowInfo, ...]
    benchmarks: Mapping[str, str]
    metrics: tuple[str, ...]
    published: Mapping[str, Mapping[str, Mapping[str, float]]]
    homes: Mapping[tuple[str, str, int], Path]
    findings: tuple[Finding, ...]
    missing: Mapping[tuple[str, str, int], str]
    seconds: float

    @cached_property
    def table(self) -> GridTable:
        """The table of all results. Raises ValueError for results that cannot be compared."""
        return table_of(
            self.findings,
            rows=self.rows,
            benchmarks=list(self.benchmarks),
            metrics=self.metrics if self.findings else None,
            published=self.published,
            missing=self.missing,
        )


def begun_precision(folder: Path) -> Literal["32", "bf16"] | None:
    """The precision in place of `training.precision: auto` of the ablation in a folder; None where there is none.

    Raises:
        ValueError: naming the file, for a file that is something else
    """
    if not (folder / "grid.json").exists():
        return None
    name = _read(folder / "grid.json").get("precision")
    if name not in ("32", "bf16"):
        raise ValueError(f"{folder / 'grid.json'}: precision: expected 32 or bf16, got {str(name)[:40]}")
    return name


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise FileNotFoundError(
            f"{file.parent}: holds no ablation: there is no {file.name}; `kinetic ablate` makes one"
        )
    try:
        plain: dict[str, Any] = read_json(file)
        if plain["format"] != "kinetic-grid":
            raise ValueError("another format")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: expected what `kinetic ablate` leaves: {safe_line(error, 200)}") from error
    return plain


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def read_grid(folder: Path) -> Grid:
    """The ablation in a folder, with the results so far.

    Raises:
        FileNotFoundError: when the folder holds no ablation
        ValueError: naming the file, for a file that is something else
    """
    file = folder / "grid.json"
    plain = _read(file)
    try:
        rows = tuple(RowInfo(str(row["name"]), _word(row["after"]), str(row["about"])) for row in plain["rows"])
        benchmarks = {str(column["name"]): str(column["about"]) for column in plain["benchmarks"]}
        cells = {(str(c["benchmark"]), str(c["recipe"]), int(c["seed"])): str(c["key"]) for c in plain["cells"]}
        names = {row.name for row in rows}
        if strange := [where for where in cells if where[0] not in benchmarks or where[1] not in names]:
            raise ValueError(f"found a cell of {safe_line(strange[0], 100)}, which is no row or benchmark")
        if lost := [row for row in rows if row.after is not None and row.after not in names - {row.name}]:
            raise ValueError(f"row {safe_line(repr(lost[0].name))} builds on {safe_line(repr(lost[0].after))}")
        if odd := [key for key in cells.values() if not re.fullmatch("[0-9a-f]{12}", key)]:
            raise ValueError(f"found {safe_line(repr(odd[0]))} as the key of a cell")
        metrics = tuple(str(name) for name in plain["scores"]["only"])
        name, about = str(plain["name"]), str(plain["about"])
        published = {
            benchmark: {
                recipe: {score: float(number) for score, number in row.items()} for recipe, row in column.items()
            }
            for benchmark, column in plain.get("published", {}).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: expected what `kinetic ablate` leaves: {safe_line(error, 200)}") from error
    findings, homes, missing, seconds = [], {}, {}, {}
    for where, key in cells.items():
        home = next(iter(sorted(folder.glob(f"cells/*-{key}"))), folder / "cells" / key)
        result = read_result(home, key)
        if result is None or result.report is None:
            missing[where] = failure(home) or "not run yet"
            continue
        findings.append(Finding(*where, result.report, result.published, result.curve))
        homes[where] = home
        seconds[key] = sum(result.seconds.values())
    return Grid(
        folder, name, about, rows, benchmarks, metrics, published, homes, tuple(findings),
        missing, sum(seconds.values()),
    )  # fmt: skip
