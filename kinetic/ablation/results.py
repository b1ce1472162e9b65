"""What an ablation's folder holds: which cell stands where, and what each of them found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kinetic.ablation.cell import failure, read_result
from kinetic.ablation.table import Finding, GridTable, RowInfo, table_of
from kinetic.files import read_text

__all__ = ["Grid", "read_grid"]


@dataclass(frozen=True)
class Grid:
    """An ablation as its folder tells it.

    Args:
        folder: of the ablation
        name, about: of the ablation and its size
        rows: recipes in the order of the table
        benchmarks: name -> what it is, in words, in the order of the table
        metrics: scores in the order of the table
        published: benchmark -> recipe -> score -> the number that was published for it
        homes: (benchmark, recipe, seed) -> folder of the cell that has a result
        findings: what those cells found
        missing: (benchmark, recipe, seed) -> why there is no result
        seconds: of all training and scoring
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
        """Of all that is there. Raises ValueError for results that cannot be compared."""
        return table_of(
            self.findings,
            rows=self.rows,
            benchmarks=list(self.benchmarks),
            metrics=self.metrics if self.findings else None,
            published=self.published,
            missing=self.missing,
        )


def read_grid(folder: Path) -> Grid:
    """What is there of the ablation in a folder.

    Raises:
        FileNotFoundError: when the folder holds no ablation
        ValueError: naming the file, for one that is something else
    """
    file = folder / "grid.json"
    if not file.exists():
        raise FileNotFoundError(f"{folder}: holds no ablation, for there is no {file.name}; `kinetic ablate` makes one")
    text = read_text(file)
    try:
        plain = json.loads(text)
        if plain["format"] != "kinetic-grid":
            raise ValueError("another format")
        rows = tuple(RowInfo(str(each["name"]), each["after"], str(each["about"])) for each in plain["rows"])
        benchmarks = {str(each["name"]): str(each["about"]) for each in plain["benchmarks"]}
        cells = {(str(c["benchmark"]), str(c["recipe"]), int(c["seed"])): str(c["key"]) for c in plain["cells"]}
        metrics = tuple(str(name) for name in plain["scores"]["only"])
        name, about = str(plain["name"]), str(plain["about"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{file}: expected what `kinetic ablate` leaves: {error}") from error
    found, homes, missing, seconds = [], {}, {}, {}
    for where, key in cells.items():
        home = next(iter(sorted(folder.glob(f"cells/*-{key}"))), folder / "cells" / key)
        result = read_result(home, key)
        if result is None or result.report is None:
            missing[where] = failure(home) or "not run yet"
            continue
        found.append(Finding(*where, result.report, result.published, result.curve))
        homes[where] = home
        seconds[key] = sum(result.seconds.values())
    published: Any = plain.get("published", {})
    return Grid(
        folder, name, about, rows, benchmarks, metrics, published, homes, tuple(found),
        missing, sum(seconds.values()),
    )  # fmt: skip
