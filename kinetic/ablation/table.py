"""The table of a grid: every recipe's scores over its training seeds, and how they differ from the row before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kinetic.ablation.statistics import (
    ALPHA,
    Column,
    Difference,
    Entry,
    Finding,
    RowInfo,
    average,
    columns_of,
    compared,
    corrected,
    entries_of,
)
from kinetic.ablation.writers import ARROWS, Section, Sheet, SheetCell, shown, to_csv, to_latex, to_markdown, to_text
from kinetic.metrics.measures import BETTER
from kinetic.metrics.score import SHARE, bounds_of

__all__ = ["FLOOR_ROW", "AsPublished", "GridTable", "table_of"]

FLOOR_ROW = "real (floor)"
"""Name of the last row of every table."""

PUBLISHED_ORDER = ("fid", "mmd_frame", "mmd_sequence")


class AsPublished(NamedTuple):
    """A number of the published table beside ours by the same procedure; None where there is none."""

    theirs: float | None
    ours: Entry | None


@dataclass(frozen=True)
class GridTable:
    """Scores of a grid; `table_of` makes it.

    Args:
        rows: in the order of the table
        benchmarks: in the order of the table
        metrics: name -> which way is better
        seeds: benchmark -> training seeds of all its cells
        entries: (benchmark, row, metric) -> scores; rows without a finished cell have none
        columns: (benchmark, metric) -> what its entries have in common
        published: (benchmark, row, metric) -> scores by the published procedure
        missing: (benchmark, row, seed) -> why there is no result
    """

    rows: tuple[RowInfo, ...]
    benchmarks: tuple[str, ...]
    metrics: Mapping[str, str]
    seeds: Mapping[str, tuple[int, ...]]
    entries: Mapping[tuple[str, str, str], Entry]
    columns: Mapping[tuple[str, str], Column]
    published: Mapping[tuple[str, str, str], AsPublished] = field(default_factory=dict)
    missing: Mapping[tuple[str, str, int], str] = field(default_factory=dict)

    def done(self, benchmark: str, row: str) -> tuple[int, ...]:
        """Training seeds for which a row has results."""
        entries = (self.entries.get((benchmark, row, metric)) for metric in self.metrics)
        return tuple(sorted({seed for entry in entries if entry is not None for seed in entry.values}))

    def reading(self, benchmark: str) -> tuple[str, ...]:
        """In words: how many differences are significant, how many would be by luck, and for each score which."""
        tested = [
            entry.difference
            for (where, _, _), entry in self.entries.items()
            if where == benchmark and entry.difference is not None and entry.difference.p is not None
        ]
        if not tested:
            return ()
        n, stand = len(tested), sum(difference.stands for difference in tested)
        alone = sum(difference.p <= ALPHA for difference in tested if difference.p is not None)
        counts = (
            f"{n} difference{'s were' if n > 1 else ' was'} tested; {alone} {'has' if alone == 1 else 'have'} "
            f"p <= {ALPHA:g} by {'itself' if alone == 1 else 'themselves'}, {n * ALPHA:.2g} would by luck; "
            f"{stand} stand{'s' * (stand == 1)} after correction over all {n}"
        )
        return (counts, *(words for metric in self.metrics if (words := self._significant(benchmark, metric))))

    def sheets(self, benchmark: str, *, mark: str) -> list[Sheet]:
        """Scores, differences and published numbers of a benchmark, without those that have no lines.

        Args:
            mark: name of the mark of the best and of what is significant, for the notes: bold, or *
        """
        sheets = [self._scores(benchmark, mark), self._differences(benchmark, mark), self._as_published(benchmark)]
        return [sheet for sheet in sheets if sheet.lines]

    def to_markdown(self) -> str:
        """For each benchmark: scores, differences, published numbers where they belong, and the reading."""
        return to_markdown(self._sections("bold"), about=[(row.name, row.about) for row in self.rows if row.about])

    def to_latex(self) -> str:
        """The same tables for a paper, which loads the package booktabs."""
        return to_latex(self._sections("bold"))

    def to_text(self, width: int = 120) -> str:
        """The same for a terminal, in ASCII except for names; columns that do not fit side by side come below."""
        return to_text(self._sections("*"), width=width)

    def to_csv(self) -> str:
        """One line for each benchmark, row and metric, with all digits.

        `scoring` is `published` for scores by the published procedure, whose `published` column holds their number.
        Names that a spreadsheet would take for a formula begin with an apostrophe.
        """
        lines: list[list[str | float | None]] = []
        for benchmark in self.benchmarks:
            for row in self.rows:
                place = (benchmark, row.name)
                for metric, better in self.metrics.items():
                    column, entry = self.columns.get((benchmark, metric)), self.entries.get((*place, metric))
                    common: list[str | float | None] = [None] * 4
                    if column is not None:
                        common = [column.floor, None, str(column.label["estimator"]), column.fingerprint]
                    counts = self._counts(benchmark, entry)
                    lines.append([*place, metric, "default", better, *counts, *common, *_difference_cells(row, entry)])
                for (where, name, metric), (theirs, ours) in self.published.items():
                    if (where, name) == place:
                        common = [None, None if theirs is None else float(theirs), None, None]
                        counts = self._counts(benchmark, ours)
                        lines.append(
                            [*place, metric, "published", "low", *counts, *common, *_difference_cells(row, None)]
                        )
        return to_csv(CSV_HEADER, lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as strict JSON holds them."""
        return {
            "format": "kinetic-table",
            "rows": [vars(row).copy() for row in self.rows],
            "metrics": dict(self.metrics),
            "benchmarks": [self._plain_benchmark(benchmark) for benchmark in self.benchmarks],
            "missing": [
                {"benchmark": benchmark, "row": row, "seed": seed, "reason": reason}
                for (benchmark, row, seed), reason in self.missing.items()
            ],
        }

    def _plain_benchmark(self, benchmark: str) -> dict[str, Any]:
        rows: dict[str, dict[str, Any]] = {row.name: {} for row in self.rows}
        for row in self.rows:
            for metric in self.metrics:
                if (entry := self.entries.get((benchmark, row.name, metric))) is not None:
                    rows[row.name][metric] = _plain_entry(entry)
        published: dict[str, dict[str, Any]] = {}
        for (where, name, metric), (theirs, ours) in self.published.items():
            if where == benchmark:
                plain = {"theirs": theirs, "ours": None if ours is None else _plain_entry(ours)}
                published.setdefault(name, {})[metric] = plain
        return {
            "name": benchmark,
            "seeds": list(self.seeds[benchmark]),
            "metrics": {
                metric: {
                    "floor": column.floor,
                    "fingerprint": column.fingerprint,
                    "label": {k: list(v) if isinstance(v, tuple) else v for k, v in column.label.items()},
                }
                for metric in self.metrics
                if (column := self.columns.get((benchmark, metric))) is not None
            },
            "rows": rows,
            "published": published,
            "reading": list(self.reading(benchmark)),
        }

    def _counts(self, benchmark: str, entry: Entry | None) -> list[str | float | None]:
        """CSV cells from `seeds` to `best`."""
        planned = len(self.seeds[benchmark])
        if entry is None:
            return [0, planned, None, None, None, None, None]
        values = " ".join(f"{seed}={value!r}" for seed, value in entry.values.items())
        best = "yes" if entry.best else "no"
        return [len(entry.values), planned, values, entry.mean, *_ends(entry.interval), best]

    def _sections(self, mark: str) -> list[Section]:
        return [Section(name, self.sheets(name, mark=mark), self.reading(name)) for name in self.benchmarks]

    def _header(self) -> list[str]:
        return [f"{metric} {ARROWS[better]}" for metric, better in self.metrics.items()]

    def _scores(self, benchmark: str, mark: str) -> Sheet:
        planned, lines = len(self.seeds[benchmark]), []
        for row in self.rows:
            done = len(self.done(benchmark, row.name))
            count = f"{done} of {planned} seeds" if done < planned else str(done)
            line = [SheetCell(row.name), SheetCell(count)]
            for metric in self.metrics:
                entry = self.entries.get((benchmark, row.name, metric))
                line.append(SheetCell("-") if entry is None else SheetCell(_mean(entry, done, metric), entry.best))
            lines.append(line)
        columns = [self.columns.get((benchmark, metric)) for metric in self.metrics]
        floors = [SheetCell("-" if column is None else shown(column.floor)) for column in columns]
        lines.append([SheetCell(FLOOR_ROW), SheetCell(""), *floors])
        notes = [
            "mean, ± half of its 95% interval or [its ends]: over training seeds, against these real motions, not "
            f"other people; {mark}: best mean, which is no evidence by itself"
        ]
        labels = [column.label for column in columns if column is not None]
        notes += dict.fromkeys(
            f"{label['n_real']} real motions ({label['reference']}), {label['n_fake']} generated" for label in labels
        )
        for (where, name, seed), reason in self.missing.items():
            if where == benchmark:
                notes.append(f"no result of {name}, seed {seed}: {reason}")
        return Sheet("", 1, ["recipe", "seeds", *self._header()], lines, notes)

    def _differences(self, benchmark: str, mark: str) -> Sheet:
        planned, lines = len(self.seeds[benchmark]), []
        for row in self.rows:
            if row.after is None:
                continue
            line = [SheetCell(row.name), SheetCell(row.after)]
            for metric in self.metrics:
                entry = self.entries.get((benchmark, row.name, metric))
                difference = None if entry is None else entry.difference
                if difference is None:
                    line.append(SheetCell("-"))
                else:
                    line.append(SheetCell(_tested(difference, planned), difference.stands))
            lines.append(line)
        notes = [
            "difference of means over common seeds, ± half of its 95% interval; p: paired t-test; d: Cohen's d_z with "
            f"Hedges' correction; {mark}: stands at {ALPHA:g} after Holm's correction over all of these differences"
        ]
        header = ["recipe", "builds on", *self._header()]
        return Sheet("Differences to the row it builds on", 2, header, lines, notes)

    def _as_published(self, benchmark: str) -> Sheet:
        here = {(row, metric): pair for (where, row, metric), pair in self.published.items() if where == benchmark}
        metrics, lines = list(dict.fromkeys(metric for _, metric in here)), []
        for row in self.rows:
            if any(name == row.name for name, _ in here):
                line = [SheetCell(row.name)]
                for metric in metrics:
                    theirs, ours = here.get((row.name, metric), AsPublished(None, None))
                    line.append(SheetCell("-" if theirs is None else f"{theirs:.6g}"))
                    done = len(self.done(benchmark, row.name))
                    line.append(SheetCell("-" if ours is None else _mean(ours, done, metric)))
                lines.append(line)
        header = ["recipe", *(f"{metric} {whose}" for metric in metrics for whose in ("theirs", "ours"))]
        note = (
            "by the published procedure, faults included: theirs is one run, ours as above; not to be compared with "
            "the scores above"
        )
        return Sheet("As published", 1, header, lines, [note])

    def _significant(self, benchmark: str, metric: str) -> str:
        """A sentence for each row that differs significantly in a score; empty when there is none."""
        sentences = []
        for row in self.rows:
            entry = self.entries.get((benchmark, row.name, metric))
            if entry is None or (difference := entry.difference) is None or not difference.stands:
                continue
            base = self.entries[benchmark, difference.after, metric]
            way = _way(self.columns[benchmark, metric], entry, base, difference)
            amount = shown(difference.mean, difference.interval, sign=True)
            p = _p(difference.adjusted or 0.0)
            sentences.append(f"{row.name} is {way} than {difference.after} ({amount}, {p})")
        return f"{metric}: {', '.join(sentences)}" if sentences else ""


CSV_HEADER = (
    *("benchmark", "row", "metric", "scoring", "better", "seeds", "planned", "values", "mean"),
    *("interval_low", "interval_high", "best", "floor", "published", "estimator", "label", "after", "common"),
    *("difference", "difference_low", "difference_high", "p", "p_holm", "effect", "stands"),
)


def table_of(
    findings: Iterable[Finding],
    *,
    rows: Sequence[RowInfo],
    benchmarks: Sequence[str],
    metrics: Sequence[str] | None = None,
    published: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
    missing: Mapping[tuple[str, str, int], str] | None = None,
) -> GridTable:
    """The table of a grid's findings; the same findings in any order give the same table.

    Args:
        rows, benchmarks: in the order of the table
        metrics: scores to show, in this order; None = all that the findings have
        published: benchmark -> row -> score -> number that others published; shown only beside scores by the published
            procedure, of a benchmark of this name
        missing: (benchmark, row, seed) -> why there is no result

    Raises:
        ValueError: for unknown rows, benchmarks or scores, two findings of one cell, scores of one benchmark whose
            labels, directions or floors differ (naming two cells), or a published number that is not finite
    """
    names = [row.name for row in rows]
    for kind, values in (("row", names), ("benchmark", list(benchmarks))):
        if repeated := [name for name in values if values.count(name) > 1]:
            raise ValueError(f"{kind} {repeated[0]!r} is given twice")
    for row in rows:
        if row.after is not None and (row.after not in names or row.after == row.name):
            raise ValueError(f"row {row.name!r} builds on {row.after!r}, expected another row of: {', '.join(names)}")
    cells: dict[tuple[str, str, int], Finding] = {}
    for finding in findings:
        key = (finding.benchmark, finding.recipe, finding.seed)
        _check_names(key, names, benchmarks)
        if key in cells:
            raise ValueError(f"{finding.benchmark}: {finding.cell} is given twice")
        cells[key] = finding
    gaps = dict(missing or {})
    for key in gaps:
        _check_names(key, names, benchmarks)
        if key in cells:
            raise ValueError(f"{key[0]}: {cells[key].cell} is among the findings and among the missing")

    def order(key: tuple[str, str, int]) -> tuple[int, int, int]:
        return list(benchmarks).index(key[0]), names.index(key[1]), key[2]

    ordered = [cells[key] for key in sorted(cells, key=order)]
    reports = {
        benchmark: [(finding, finding.report) for finding in ordered if finding.benchmark == benchmark]
        for benchmark in benchmarks
    }
    columns: dict[tuple[str, str], Column] = {}
    for benchmark in benchmarks:
        columns |= {(benchmark, metric): column for metric, column in columns_of(benchmark, reports[benchmark]).items()}
        # not kept, because the published table shows no floor; called for its refusal of labels that differ
        columns_of(benchmark, [(f, f.published) for f, _ in reports[benchmark] if f.published is not None])
    directions = _directions(columns, metrics)
    entries: dict[tuple[str, str, str], Entry] = {}
    for benchmark in benchmarks:
        uncorrected: dict[tuple[str, str, str], Entry] = {}
        for metric in directions:
            if (benchmark, metric) in columns:
                by_row = compared(entries_of(reports[benchmark], metric), rows, columns[benchmark, metric], metric)
                uncorrected |= {(benchmark, name, metric): by_row[name] for name in names if name in by_row}
        entries |= corrected(uncorrected)
    seeds = {
        benchmark: tuple(sorted({seed for where, _, seed in (*cells, *gaps) if where == benchmark}))
        for benchmark in benchmarks
    }
    return GridTable(
        tuple(rows),
        tuple(benchmarks),
        directions,
        seeds,
        entries,
        columns,
        _published(ordered, names, benchmarks, published or {}),
        {key: gaps[key] for key in sorted(gaps, key=order)},
    )


def _check_names(key: tuple[str, str, int], names: Sequence[str], benchmarks: Sequence[str]) -> None:
    for kind, name, choices in (("benchmark", key[0], benchmarks), ("row", key[1], names)):
        if name not in choices:
            raise ValueError(f"there is no {kind} {name!r}; there are: {', '.join(choices)}")


def _directions(columns: Mapping[tuple[str, str], Column], metrics: Sequence[str] | None) -> dict[str, str]:
    """The scores of the table and which way is better."""
    directions: dict[str, str] = {}
    for (benchmark, metric), column in columns.items():
        if directions.setdefault(metric, column.better) != column.better:
            raise ValueError(f"{benchmark}: {metric}: better is {column.better!r}, elsewhere {directions[metric]!r}")
    choices = {name: directions.get(name, better) for name, better in BETTER.items()}
    choices |= {name: directions[name] for name in sorted(set(directions) - set(choices))}
    if metrics is None:
        return {name: better for name, better in choices.items() if name in directions}
    if unknown := [name for name in metrics if name not in choices]:
        raise ValueError(f"there is no score {unknown[0]!r}; there are: {', '.join(choices)}")
    return {name: choices[name] for name in metrics}


def _published(
    findings: Sequence[Finding],
    names: Sequence[str],
    benchmarks: Sequence[str],
    numbers: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> dict[tuple[str, str, str], AsPublished]:
    """Scores by the published procedure; the numbers of others only for a benchmark that has such scores."""
    pairs: dict[tuple[str, str, str], AsPublished] = {}
    for benchmark in benchmarks:
        ours = [(f, f.published) for f in findings if f.benchmark == benchmark and f.published is not None]
        theirs = numbers.get(benchmark, {}) if ours else {}
        for name, row in theirs.items():
            for metric, number in row.items():
                if not math.isfinite(number):
                    raise ValueError(f"{benchmark}: {name}: published {metric} is {number}, expected a finite number")
        metrics = {row.score.metric for _, report in ours for row in report.rows}
        metrics |= {metric for row in theirs.values() for metric in row}
        for metric in sorted(metrics, key=lambda metric: (metric not in PUBLISHED_ORDER, metric)):
            entries = entries_of(ours, metric)
            for name in names:
                pair = AsPublished(theirs.get(name, {}).get(metric), entries.get(name))
                if pair != (None, None):
                    pairs[benchmark, name, metric] = pair
    return pairs


def _mean(entry: Entry, done: int, metric: str) -> str:
    """Mean and interval; and the number of seeds where the row has more."""
    text = shown(entry.mean, entry.interval, brackets=bounds_of(metric) == SHARE)
    return text if len(entry.values) == done else f"{text} (n {len(entry.values)})"


def _tested(difference: Difference, planned: int) -> str:
    """`+0.12 ± 0.30 (p 0.41, d 0.3)`."""
    details = [f"n {len(difference.seeds)}"] if len(difference.seeds) < planned else []
    if difference.p is None:
        details = ["one seed" if len(difference.seeds) == 1 else "the same at every seed", "no test"]
    else:
        effect = [] if difference.effect is None else [f"d {difference.effect:.1f}".replace("-0.0", "0.0")]
        details = [_p(difference.p), *effect, *details]
    return f"{shown(difference.mean, difference.interval, sign=True)} ({', '.join(details)})"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p {p:.2g}"


def _way(column: Column, entry: Entry, base: Entry, difference: Difference) -> str:
    """Better or worse; for a score that should equal that of real motions: higher or lower, nearer or further."""
    if column.better != "real":
        return "better" if (difference.mean < 0) == (column.better == "low") else "worse"
    ours, theirs = (
        abs(average([side.values[seed] for seed in difference.seeds]) - column.floor) for side in (entry, base)
    )
    return f"{'higher' if difference.mean > 0 else 'lower'}, {'nearer to' if ours < theirs else 'further from'} real,"


def _ends(interval: tuple[float, float] | None) -> list[float | None]:
    return [None, None] if interval is None else [float(end) for end in interval]


def _difference_cells(row: RowInfo, entry: Entry | None) -> list[str | float | None]:
    """CSV cells from `after` to `stands`."""
    if entry is None or (difference := entry.difference) is None:
        return [row.after, *[None] * 8]
    tests = (difference.p, difference.adjusted, difference.effect)
    return [
        row.after,
        len(difference.seeds),
        float(difference.mean),
        *_ends(difference.interval),
        *(None if number is None else float(number) for number in tests),
        "yes" if difference.stands else "no",
    ]


def _plain_entry(entry: Entry) -> dict[str, Any]:
    difference = entry.difference
    return {
        "values": {str(seed): value for seed, value in entry.values.items()},
        "mean": entry.mean,
        "interval": _listed(entry.interval),
        "best": entry.best,
        "difference": None
        if difference is None
        else vars(difference)
        | {
            "seeds": list(difference.seeds),
            "interval": _listed(difference.interval),
            "stands": difference.stands,
        },
    }


def _listed(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
