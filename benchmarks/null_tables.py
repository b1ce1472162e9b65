"""`python -m benchmarks.null_tables`: how many tables of equal rows claim a difference.

All rows of a grid get scores from the same distribution, as six recipes that change nothing would, each built on the
one before. `table_of` makes the table. The number that matters is the share of tables in which at least one difference
stands at 0.05 after correction: at most 5% may. Beside it is the share with p-values corrected within each column, as
they once were, and with p-values that are not corrected.

The scores of a cell are correlated (0 or 0.7: a seed is good or bad in many scores), and the rows share their seeds
(half of the variance belongs to the seed).
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from kinetic.ablation.statistics import ALPHA, Difference, Finding, RowInfo, holm
from kinetic.ablation.table import GridTable, table_of
from kinetic.evaluation.report import Report, Row
from kinetic.metrics.score import Score

ROWS = 6
SEEDS, SCORES, CORRELATIONS = (3, 5, 6), (4, 9, 26), (0.0, 0.7)
FACTS = {"estimator": "drawn", "reference": "none", "n_real": 1, "n_fake": 1, "frames": 1, "version": "0"}


def null_values(seeds: int, scores: int, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Scores of equal rows: (ROWS, seeds, scores), of mean 0 and variance 2."""

    def correlated(rows: int) -> np.ndarray:
        shared, single = rng.standard_normal((rows, seeds, 1)), rng.standard_normal((rows, seeds, scores))
        return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * single

    return correlated(1) + correlated(ROWS)


def null_table(values: np.ndarray) -> GridTable:
    """The table of scores (rows, seeds, scores); each row builds on the one before."""
    rows = [RowInfo(f"row {i}", f"row {i - 1}" if i else None) for i in range(len(values))]
    floors = [Score(value=0.0, metric=f"score {k}", **FACTS) for k in range(values.shape[2])]
    findings = [
        Finding("null", row.name, seed, Report("", tuple(
            Row(Score(value=value, metric=floor.metric, **FACTS), floor)
            for value, floor in zip(values[i, seed].tolist(), floors, strict=True)
        )))
        for i, row in enumerate(rows)
        for seed in range(values.shape[1])
    ]  # fmt: skip
    return table_of(findings, rows=rows, benchmarks=["null"])


def standing(table: GridTable) -> dict[str, bool]:
    """Whether any difference stands: corrected as the table does, within each column, and not corrected."""
    columns: dict[str, list[Difference]] = {}
    for (_, _, metric), entry in table.entries.items():
        if entry.difference is not None:
            columns.setdefault(metric, []).append(entry.difference)
    p = [[difference.p for difference in column if difference.p is not None] for column in columns.values()]
    return {
        "uncorrected": any(value <= ALPHA for value in itertools.chain(*p)),
        "per column": any(value <= ALPHA for column in p for value in holm(column)),
        "now": any(difference.stands for column in columns.values() for difference in column),
    }


def study(repeats: int, *, seed: int = 0, progress: bool = True) -> dict[tuple[int, int, float], dict[str, float]]:
    """(seeds, scores, correlation) -> way of correction -> share of null tables in which a difference stands."""
    cases = list(itertools.product(SEEDS, SCORES, CORRELATIONS))
    bar = tqdm(total=len(cases) * repeats, unit="table", disable=None if progress else True)
    shares = {}
    with bar:
        for case in cases:
            rng = np.random.default_rng([seed, *case[:2], int(10 * case[2])])
            tables = []
            for _ in range(repeats):
                tables.append(standing(null_table(null_values(*case, rng))))
                bar.update()
            shares[case] = {way: float(np.mean([table[way] for table in tables])) for way in tables[0]}
    return shares


def show(cases: dict[tuple[int, int, float], dict[str, float]], repeats: int) -> str:
    """A Markdown table."""
    lines = [
        "| seeds | scores | correlation | differences | uncorrected | Holm per column | Holm over all (now) |",
        "| --: | --: | --: | --: | --: | --: | --: |",
    ]
    for (seeds, scores, correlation), shares in cases.items():
        cells = " | ".join(f"{shares[way]:.1%}" for way in ("uncorrected", "per column", "now"))
        lines.append(f"| {seeds} | {scores} | {correlation:g} | {(ROWS - 1) * scores} | {cells} |")
    error = 2 * np.sqrt(ALPHA * (1 - ALPHA) / repeats)
    return "\n".join([*lines, "", f"{repeats} tables each; two standard errors of a share of 5% are {error:.1%}"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.null_tables", description=__doc__.partition(":")[2].strip()
    )
    parser.add_argument("--repeats", type=int, default=2000, help="tables of each kind (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (default 0)")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error(f"repeats must be at least 1, got {options.repeats}")
    print(show(study(options.repeats, seed=options.seed), options.repeats))
    return 0


if __name__ == "__main__":
    sys.exit(main())
