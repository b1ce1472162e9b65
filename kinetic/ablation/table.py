"""The table of a grid: every recipe's scores over its training seeds, and what they differ by from the row before."""

from __future__ import annotations

import csv
import html
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy import special

from kinetic.evaluation.report import Report
from kinetic.messages import safe_line
from kinetic.metrics.intervals import UNBOUNDED, interval
from kinetic.metrics.measures import BETTER
from kinetic.metrics.score import SHARE, Score, bounds_of, half_width

__all__ = [
    "ALPHA",
    "FLOOR_ROW",
    "AsPublished",
    "Column",
    "Difference",
    "Entry",
    "Finding",
    "GridTable",
    "RowInfo",
    "Sheet",
    "SheetCell",
    "corrected",
    "holm",
    "paired",
    "shown",
    "table_of",
]

ALPHA = 0.05
"""A difference stands when its corrected p is not above this."""

SAME = 1e-6
"""Differences that agree to this share of the scores are equal: features are computed in single precision."""

FLOORS_AGREE = 1e-3
"""Floors of the same real motions may differ by this share between processors, not more."""

FLOOR_ROW = "real (floor)"
"""Name of the last row of every table."""

ARROWS = {"low": "↓", "high": "↑", "real": "→real"}
PLAIN = {"±": "+-", "↓": "(lower)", "↑": "(higher)", "→real": "(= real)"}
PUBLISHED_ORDER = ("fid", "mmd_frame", "mmd_sequence")

Key = TypeVar("Key")


@dataclass(frozen=True)
class Finding:
    """What one cell of the grid found.

    Args:
        report: scores of the cell's generator, with floor
        published: the same generator scored as Kinetic-GAN was; None = it was not
        curve: (epochs, score name -> value), taken during training
    """

    benchmark: str
    recipe: str
    seed: int
    report: Report
    published: Report | None = None
    curve: tuple[tuple[float, Mapping[str, float]], ...] = ()

    @property
    def cell(self) -> str:
        """Its name in messages."""
        return f"{self.recipe!r} seed {self.seed}"


@dataclass(frozen=True)
class RowInfo:
    """A recipe's place in the table.

    Args:
        after: name of the row that it builds on; None = none
        about: what it changes, in words
    """

    name: str
    after: str | None = None
    about: str = ""


@dataclass(frozen=True)
class Difference:
    """A row's scores minus those of the row it builds on, over the seeds that both have.

    Args:
        mean: of the differences
        interval: lower and upper end of its 95% interval (paired t), inside -1 and 1 for shares; None for one seed
        p: of the paired t-test, two-sided; None where there is nothing to test with: one seed, or differences that are
            all equal but not zero
        adjusted: p after Holm's correction over all differences of the same benchmark, of every row and metric
        effect: Cohen's d_z times Hedges' correction, see `paired`; None where it is not defined
    """

    after: str
    seeds: tuple[int, ...]
    mean: float
    interval: tuple[float, float] | None
    p: float | None
    effect: float | None
    adjusted: float | None = None

    @property
    def stands(self) -> bool:
        """Whether it is told from noise after correction."""
        return self.adjusted is not None and self.adjusted <= ALPHA


@dataclass(frozen=True)
class Entry:
    """One score of one row.

    Args:
        values: training seed -> score
        interval: lower and upper end of the 95% interval of the mean over training seeds (Student's t, for shares as
            Wilson's; `kinetic.metrics.intervals`); None for one seed
        best: no row of this benchmark has a better mean
        difference: to the row it builds on; None = there is none, or no common seed
    """

    values: Mapping[int, float]
    mean: float
    interval: tuple[float, float] | None
    best: bool = False
    difference: Difference | None = None


@dataclass(frozen=True)
class Column:
    """What all entries of one benchmark and metric have in common.

    Args:
        better: low, high or real
        floor: what real motions reach
        label: of the scores, but for the result
        fingerprint: six digits that stand for the label
    """

    better: str
    floor: float
    label: Mapping[str, object]
    fingerprint: str


class AsPublished(NamedTuple):
    """A number of the published table and, beside it, ours by the same procedure; None where there is none."""

    theirs: float | None
    ours: Entry | None


@dataclass(frozen=True)
class GridTable:
    """Scores of a grid; `table_of` makes it.

    Args:
        rows: in the order of the table
        benchmarks: in the order of the table
        metrics: name -> which way is better
        seeds: benchmark -> training seeds that any of its cells has
        entries: (benchmark, row, metric) -> what was found; rows without a finished cell have none
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
        """Training seeds that a row has results of."""
        found = (self.entries.get((benchmark, row, metric)) for metric in self.metrics)
        return tuple(sorted({seed for entry in found if entry is not None for seed in entry.values}))

    def reading(self, benchmark: str) -> tuple[str, ...]:
        """In words: how many differences stand, how many look so by luck, and a line per score for those that do."""
        tested = [
            entry.difference
            for (where, _, _), entry in self.entries.items()
            if where == benchmark and entry.difference is not None and entry.difference.p is not None
        ]
        if not tested:
            return ()
        n, stand = len(tested), sum(difference.stands for difference in tested)
        alone = sum(difference.p <= ALPHA for difference in tested if difference.p is not None)
        told = (
            f"{n} difference{'s were' if n > 1 else ' was'} tested; {alone} {'has' if alone == 1 else 'have'} "
            f"p <= {ALPHA:g} by {'itself' if alone == 1 else 'themselves'}, {n * ALPHA:.2g} would by luck; "
            f"{stand} stand{'s' * (stand == 1)} after correction over all {n}"
        )
        return (told, *(words for metric in self.metrics if (words := self._standing(benchmark, metric))))

    def to_markdown(self) -> str:
        """For each benchmark: scores, differences, published numbers where they belong, and the reading."""
        parts = [f"- **{_markdown(row.name)}**: {_markdown(row.about)}" for row in self.rows if row.about]
        parts = ["\n".join(parts)] if parts else []
        for benchmark in self.benchmarks:
            parts.append(f"## {_markdown(benchmark)}")
            for sheet in self.sheets(benchmark, mark="bold"):
                parts += [f"### {sheet.title}"] if sheet.title else []
                rule = "|" + "".join(":--|" if i < sheet.names else "--:|" for i in range(len(sheet.header)))
                lines = [_bar(_markdown(cell) for cell in sheet.header), rule]
                lines += [_bar(_mark(cell, _markdown, "**{}**") for cell in line) for line in sheet.lines]
                parts += ["\n".join(lines), "\n".join(f"- {_markdown(note)}" for note in sheet.notes)]
            if words := self.reading(benchmark):
                parts += ["### Reading", "\n".join(f"- {_markdown(each)}" for each in words)]
        return "\n\n".join(part for part in parts if part) + "\n"

    def to_latex(self) -> str:
        """The same tables for a paper, which loads the package booktabs."""
        parts = ["% \\usepackage{booktabs}"]
        for benchmark in self.benchmarks:
            for sheet in self.sheets(benchmark, mark="bold"):
                caption = _latex(f"{benchmark}: {sheet.title}" if sheet.title else benchmark)
                columns = "l" * sheet.names + "r" * (len(sheet.header) - sheet.names)
                lines = [" & ".join(_mark(cell, _latex, "\\textbf{{{}}}") for cell in line) for line in sheet.lines]
                parts += [
                    "\\begin{table}\n\\centering",
                    f"\\caption{{{caption}}}",
                    f"\\begin{{tabular}}{{{columns}}}\n\\toprule",
                    " & ".join(_latex(cell) for cell in sheet.header) + " \\\\\n\\midrule",
                    *(f"{line} \\\\" for line in lines),
                    "\\bottomrule\n\\end{tabular}\n",
                    *(f"\\par {{\\footnotesize {_latex(note)}}}" for note in sheet.notes),
                    "\\end{table}\n",
                ]
        return "\n".join(parts)

    def to_text(self, width: int = 120) -> str:
        """The same for a terminal, in ASCII but for names; columns that do not fit side by side come below."""
        parts = []
        for benchmark in self.benchmarks:
            parts.append(f"== {_clean(benchmark)} ==")
            for sheet in self.sheets(benchmark, mark="*"):
                parts += [f"-- {sheet.title}"] if sheet.title else []
                lines = [list(sheet.header), *([_mark(cell, str, "{} *") for cell in line] for line in sheet.lines)]
                plain = [[safe_line(_plain(cell)) for cell in line] for line in lines]
                parts += [*_blocks(plain, sheet.names, width), "\n".join(_plain(note) for note in sheet.notes)]
            parts.append("\n".join(_plain(each) for each in self.reading(benchmark)))
        return "\n\n".join(part for part in parts if part) + "\n"

    def to_csv(self) -> str:
        """One line for each benchmark, row and metric, with all digits.

        `scoring` is `published` for scores by the published procedure, whose `published` column holds their number.
        Names that a spreadsheet would take for a formula begin with an apostrophe.
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(CSV_HEADER)
        for benchmark in self.benchmarks:
            for row in self.rows:
                place = [_cell(benchmark), _cell(row.name)]
                for metric, better in self.metrics.items():
                    column = self.columns.get((benchmark, metric))
                    entry = self.entries.get((benchmark, row.name, metric))
                    line = [*place, _cell(metric), "default", better, *self._counted(benchmark, entry)]
                    if column is None:
                        line += ["", "", "", ""]
                    else:
                        line += [repr(column.floor), "", _cell(str(column.label["estimator"])), column.fingerprint]
                    writer.writerow([*line, *_difference_cells(row, entry)])
                for (where, name, metric), (theirs, ours) in self.published.items():
                    if (where, name) == (benchmark, row.name):
                        line = [*place, _cell(metric), "published", "low", *self._counted(benchmark, ours)]
                        writer.writerow([*line, "", _digits(theirs), "", "", *_difference_cells(row, None)])
        return out.getvalue()

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
        def of_row(name: str) -> dict[str, Any]:
            found = {metric: self.entries.get((benchmark, name, metric)) for metric in self.metrics}
            return {metric: _plain_entry(entry) for metric, entry in found.items() if entry is not None}

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
            "rows": {row.name: of_row(row.name) for row in self.rows},
            "published": published,
            "reading": list(self.reading(benchmark)),
        }

    def _counted(self, benchmark: str, entry: Entry | None) -> list[str]:
        planned = str(len(self.seeds[benchmark]))
        if entry is None:
            return ["0", planned, "", "", "", "", ""]
        values = " ".join(f"{seed}={value!r}" for seed, value in entry.values.items())
        best = "yes" if entry.best else "no"
        return [str(len(entry.values)), planned, values, repr(entry.mean), *_ends(entry.interval), best]

    def sheets(self, benchmark: str, *, mark: str) -> list[Sheet]:
        """Scores, differences and published numbers of a benchmark, where there are any.

        Args:
            mark: how the best are marked, for the notes: bold, or *
        """
        sheets = [self._scores(benchmark, mark), self._differences(benchmark, mark), self._as_published(benchmark)]
        return [sheet for sheet in sheets if sheet.lines]

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
        floor = [SheetCell(FLOOR_ROW), SheetCell("")]
        for metric in self.metrics:
            column = self.columns.get((benchmark, metric))
            floor.append(SheetCell("-" if column is None else shown(column.floor)))
        notes = [
            "mean, ± half of its 95% interval or [its ends]: over training seeds, against these real motions, not "
            f"other people; {mark}: best mean, which is no evidence by itself"
        ]
        found = [column.label for metric in self.metrics if (column := self.columns.get((benchmark, metric)))]
        sides = dict.fromkeys(
            f"{each['n_real']} real motions ({each['reference']}), {each['n_fake']} generated" for each in found
        )
        notes += sides
        for (where, name, seed), reason in self.missing.items():
            if where == benchmark:
                notes.append(f"no result of {name}, seed {seed}: {reason}")
        return Sheet("", 1, ["recipe", "seeds", *self._header()], [*lines, floor], notes)

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
                    line.append(SheetCell(_told(difference, planned), difference.stands))
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
        notes = ["by the published procedure, faults included: theirs is one run, ours as above; not to be compared"]
        notes[0] += " with the scores above"
        return Sheet("As published", 1, header, lines, notes)

    def _standing(self, benchmark: str, metric: str) -> str:
        found = []
        for row in self.rows:
            entry = self.entries.get((benchmark, row.name, metric))
            if entry is None or (difference := entry.difference) is None or not difference.stands:
                continue
            base = self.entries[benchmark, difference.after, metric]
            way = _way(self.columns[benchmark, metric], entry, base, difference)
            amount = shown(difference.mean, difference.interval, sign=True)
            found.append(f"{row.name} is {way} than {difference.after} ({amount}, {_p(difference.adjusted or 0.0)})")
        return f"{metric}: {', '.join(found)}" if found else ""


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
    """The table of what the cells of a grid found; the same findings in any order give the same table.

    Args:
        rows, benchmarks: in the order of the table
        metrics: scores to show, in this order; None = all that were found
        published: benchmark -> row -> score -> number that others published; shown only beside scores by the published
            procedure, of a benchmark of this name
        missing: (benchmark, row, seed) -> why there is no result

    Raises:
        ValueError: for rows, benchmarks or scores that are not known, a cell given twice, scores of one benchmark whose
            labels, directions or floors differ (naming two cells), or a published number that is not finite
    """
    names = [row.name for row in rows]
    for what, given in (("row", names), ("benchmark", list(benchmarks))):
        if twice := [name for name in given if given.count(name) > 1]:
            raise ValueError(f"{what} {twice[0]!r} is given twice")
    for row in rows:
        if row.after is not None and (row.after not in names or row.after == row.name):
            raise ValueError(f"row {row.name!r} builds on {row.after!r}, expected another row of: {', '.join(names)}")
    places = {name: i for i, name in enumerate(names)}
    cells: dict[tuple[str, str, int], Finding] = {}
    for finding in findings:
        key = (finding.benchmark, finding.recipe, finding.seed)
        _check_known(key, names, benchmarks)
        if key in cells:
            raise ValueError(f"{finding.benchmark}: {finding.cell} is given twice")
        cells[key] = finding
    gaps = dict(missing or {})
    for key in gaps:
        _check_known(key, names, benchmarks)
        if key in cells:
            raise ValueError(f"{key[0]}: {cells[key].cell} is among the findings and among the missing")

    def order(key: tuple[str, str, int]) -> tuple[int, int, int]:
        return list(benchmarks).index(key[0]), places[key[1]], key[2]

    ordered = [cells[key] for key in sorted(cells, key=order)]
    columns: dict[tuple[str, str], Column] = {}
    for benchmark in benchmarks:
        here = [(finding, finding.report) for finding in ordered if finding.benchmark == benchmark]
        columns |= {(benchmark, metric): column for metric, column in _columns(benchmark, here).items()}
        # not kept: a published table shows no floor; labels that differ are refused all the same
        _columns(benchmark, [(f, f.published) for f in ordered if f.benchmark == benchmark and f.published is not None])
    directions = _directions(columns, metrics)
    entries: dict[tuple[str, str, str], Entry] = {}
    for benchmark in benchmarks:
        here = [(finding, finding.report) for finding in ordered if finding.benchmark == benchmark]
        own: dict[tuple[str, str, str], Entry] = {}
        for metric in directions:
            if (benchmark, metric) in columns:
                made = _compared(_entries(here, metric), rows, columns[benchmark, metric], metric)
                own |= {(benchmark, name, metric): made[name] for name in names if name in made}
        entries |= corrected(own)
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
        _beside(ordered, names, benchmarks, published or {}),
        {key: gaps[key] for key in sorted(gaps, key=order)},
    )


def _check_known(key: tuple[str, str, int], names: Sequence[str], benchmarks: Sequence[str]) -> None:
    for what, name, known in (("benchmark", key[0], benchmarks), ("row", key[1], names)):
        if name not in known:
            raise ValueError(f"there is no {what} {name!r}; there are: {', '.join(known)}")


def _columns(benchmark: str, cells: Sequence[tuple[Finding, Report]]) -> dict[str, Column]:
    """What the scores of one benchmark have in common. Raises ValueError, naming two cells, where they have not."""
    first: dict[str, Finding] = {}
    found: dict[str, list[tuple[Score, Score, str]]] = {}
    for finding, report in cells:
        for row in report.rows:
            metric = row.score.metric
            known = found.setdefault(metric, [])
            known.append(row)
            score, floor, better = known[0]
            where = f"{benchmark}: {metric}: {first.setdefault(metric, finding).cell} and {finding.cell}"
            for what, mine, theirs in (("", score, row.score), ("floor: ", floor, row.floor)):
                try:
                    mine.check_comparable(theirs)
                except ValueError as error:
                    raise ValueError(f"{where}: {what}{error}") from error
            if better != row.better:
                raise ValueError(f"{where}: better is {better!r} and {row.better!r}")
            if not math.isclose(floor.value, row.floor.value, rel_tol=FLOORS_AGREE, abs_tol=1e-6):
                raise ValueError(f"{where}: the floor of the same label is {floor.value:g} and {row.floor.value:g}")
    columns = {}
    for metric, known in found.items():
        score, _, better = known[0]
        columns[metric] = Column(
            better, _average([floor.value for _, floor, _ in known]), score.label, score.fingerprint
        )
    return columns


def _directions(columns: Mapping[tuple[str, str], Column], metrics: Sequence[str] | None) -> dict[str, str]:
    """The scores of the table and which way is better."""
    found: dict[str, str] = {}
    for (benchmark, metric), column in columns.items():
        if found.setdefault(metric, column.better) != column.better:
            raise ValueError(f"{benchmark}: {metric}: better is {column.better!r}, elsewhere {found[metric]!r}")
    known = {name: found.get(name, better) for name, better in BETTER.items()}
    known |= {name: found[name] for name in sorted(set(found) - set(known))}
    if metrics is None:
        return {name: better for name, better in known.items() if name in found}
    if unknown := [name for name in metrics if name not in known]:
        raise ValueError(f"there is no score {unknown[0]!r}; there are: {', '.join(known)}")
    return {name: known[name] for name in metrics}


def _entries(cells: Sequence[tuple[Finding, Report]], metric: str) -> dict[str, Entry]:
    """The entries of one benchmark and metric, by row."""
    values: dict[str, dict[int, float]] = {}
    for finding, report in cells:
        for row in report.rows:
            if row.score.metric == metric:
                values.setdefault(finding.recipe, {})[finding.seed] = row.score.value
    entries = {}
    for name, found in values.items():
        each = list(found.values())
        try:
            entries[name] = Entry(found, _average(each), interval(each, bounds=bounds_of(metric)))
        except ValueError as error:
            raise ValueError(f"{cells[0][0].benchmark}: {metric}: {name!r}: {error}") from error
    return entries


def _compared(entries: Mapping[str, Entry], rows: Sequence[RowInfo], column: Column, metric: str) -> dict[str, Entry]:
    """The same entries, the best marked, with differences to the rows that they build on."""
    losses = {name: _loss(entry.mean, column) for name, entry in entries.items()}
    least = min(losses.values(), default=0.0)
    best = {name for name, loss in losses.items() if math.isclose(loss, least, rel_tol=1e-12, abs_tol=0.0)}
    differences = {}
    for row in rows:
        if row.after is not None and row.after in entries and row.name in entries:
            low, high = bounds_of(metric)
            found = paired(
                entries[row.name].values, entries[row.after].values, after=row.after, bounds=(low - high, high - low)
            )
            if found is not None:
                differences[row.name] = found
    return {
        name: replace(entry, best=name in best, difference=differences.get(name)) for name, entry in entries.items()
    }


def corrected(entries: Mapping[Key, Entry]) -> dict[Key, Entry]:
    """The same entries, their p-values corrected for the number of all of them that have one (Holm 1979)."""
    tested = {
        key: entry.difference
        for key, entry in entries.items()
        if entry.difference is not None and entry.difference.p is not None
    }
    adjusted = holm([found.p for found in tested.values() if found.p is not None])
    told = dict(entries)
    for (key, found), number in zip(tested.items(), adjusted, strict=True):
        told[key] = replace(entries[key], difference=replace(found, adjusted=number))
    return told


def _loss(mean: float, column: Column) -> float:
    """Smaller is better."""
    return {"low": mean, "high": -mean, "real": abs(mean - column.floor)}[column.better]


def paired(
    values: Mapping[int, float],
    base: Mapping[int, float],
    *,
    after: str = "",
    bounds: tuple[float, float] = UNBOUNDED,
) -> Difference | None:
    """Values minus base over the seeds that both have; None where they have none in common.

    Its interval is Student's, cut at `bounds`, the least and the largest difference that there can be.

    The effect size is d_z = mean / standard deviation of the differences (Cohen 1988, section 2.3; named so by Lakens
    2013), times J(m) = G(m/2) / (sqrt(m/2) G((m-1)/2)) with m = n - 1 and the gamma function G (Hedges 1981, eq. 6e),
    for d_z is too large with few seeds. J(1) is 0, so two seeds have no effect size. Equal differences have none
    either, nor a test, unless they are zero (p 1, effect 0).
    """
    seeds = tuple(sorted(set(values) & set(base)))
    if not seeds:
        return None
    ours, theirs = ([float(side[seed]) for seed in seeds] for side in (values, base))
    differences = np.subtract(ours, theirs)
    mean, ends, m = _average(differences.tolist()), interval(differences.tolist()), len(seeds) - 1
    if ends is None:
        return Difference(after, seeds, mean, None, None, None)
    ends = max(ends[0], min(bounds[0], mean)), min(ends[1], max(bounds[1], mean))
    spread, least = float(np.std(differences, ddof=1)), SAME * float(np.abs([ours, theirs]).max())
    if spread <= least:
        zero = abs(mean) <= least
        return Difference(after, seeds, mean, ends, 1.0 if zero else None, 0.0 if zero else None)
    p = 2 * float(special.stdtr(m, -abs(mean) / spread * math.sqrt(len(seeds))))  # Student's, paired and two-sided
    effect = None
    if m > 1:
        correction = math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2)) / math.sqrt(m / 2)
        effect = correction * mean / spread
    return Difference(after, seeds, mean, ends, p, effect)


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), in the order given."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return adjusted


def _beside(
    findings: Sequence[Finding],
    names: Sequence[str],
    benchmarks: Sequence[str],
    numbers: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> dict[tuple[str, str, str], AsPublished]:
    """Scores by the published procedure; the numbers of others only where there are such scores of the benchmark."""
    found: dict[tuple[str, str, str], AsPublished] = {}
    for benchmark in benchmarks:
        ours = [(f, f.published) for f in findings if f.benchmark == benchmark and f.published is not None]
        theirs = numbers.get(benchmark, {}) if ours else {}
        for name, row in theirs.items():
            for metric, number in row.items():
                if not math.isfinite(number):
                    raise ValueError(f"{benchmark}: {name}: published {metric} is {number}, expected a finite number")
        known = {row.score.metric for _, report in ours for row in report.rows}
        known |= {metric for row in theirs.values() for metric in row}
        for metric in sorted(known, key=lambda each: (each not in PUBLISHED_ORDER, each)):
            entries = _entries(ours, metric)
            for name in names:
                pair = AsPublished(theirs.get(name, {}).get(metric), entries.get(name))
                if pair != (None, None):
                    found[benchmark, name, metric] = pair
    return found


def shown(
    value: float, interval: tuple[float, float] | None = None, *, sign: bool = False, brackets: bool = False
) -> str:
    """`3.14 ± 0.25`, or `0.32 [0.05, 0.81]` where the interval is not symmetric; `3.14` without one.

    It has two digits of half the interval's width, or three of the value where there is none.

    Args:
        interval: its lower and upper end
        sign: put a plus before a value above 0
        brackets: show both ends in any case, as for shares
    """
    half = 0.0 if interval is None else (interval[1] - interval[0]) / 2
    places = 2 - _size(value, 3)
    if half > SAME * abs(value):
        places = 1 - _size(half, 2)
    form = f".{max(0, places)}f"
    if max(abs(value), half) >= 1e6 or places > 8:
        form = ".2e"

    def told(number: float, sign: str = "") -> str:
        text = f"{number:{sign}{form}}"
        return text.lstrip("-+") if re.fullmatch(r"[-+]?0(\.0*)?", text) else text  # no minus before zero

    text = told(value, "+" if sign else "")
    if interval is None:
        return text
    if brackets or half_width(value, interval) is None:
        return f"{text} [{told(interval[0])}, {told(interval[1])}]"
    return f"{text} ± {half:{form}}"


def _size(value: float, digits: int) -> int:
    """Power of ten of the first digit, when rounded to so many; 0 for zero."""
    return int(f"{value:.{digits - 1}e}".split("e")[1])


def _average(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _mean(entry: Entry, done: int, metric: str) -> str:
    """Mean and interval; and the number of seeds where the row has more."""
    text = shown(entry.mean, entry.interval, brackets=bounds_of(metric) == SHARE)
    return text if len(entry.values) == done else f"{text} (n {len(entry.values)})"


def _told(difference: Difference, planned: int) -> str:
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
    """Better, worse, or for a score that should be as that of real motions: higher or lower, and where that leads."""
    if column.better != "real":
        return "better" if (difference.mean < 0) == (column.better == "low") else "worse"
    ours, theirs = (
        abs(_average([side.values[seed] for seed in difference.seeds]) - column.floor) for side in (entry, base)
    )
    return f"{'higher' if difference.mean > 0 else 'lower'}, {'nearer to' if ours < theirs else 'further from'} real,"


def _digits(number: float | None) -> str:
    return "" if number is None else repr(float(number))


def _ends(interval: tuple[float, float] | None) -> list[str]:
    return ["", ""] if interval is None else [repr(float(end)) for end in interval]


def _difference_cells(row: RowInfo, entry: Entry | None) -> list[str]:
    after = "" if row.after is None else _cell(row.after)
    if entry is None or (found := entry.difference) is None:
        return [after, *[""] * 8]
    numbers = [_digits(each) for each in (found.p, found.adjusted, found.effect)]
    stands = "yes" if found.stands else "no"
    return [after, str(len(found.seeds)), repr(float(found.mean)), *_ends(found.interval), *numbers, stands]


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


class SheetCell(NamedTuple):
    """A text of a sheet; marked ones are set in bold, or starred."""

    text: str
    marked: bool = False


class Sheet(NamedTuple):
    """What every format shows; the first columns are names."""

    title: str
    names: int
    header: list[str]
    lines: list[list[SheetCell]]
    notes: list[str]


def _mark(cell: SheetCell, escape: Any, form: str) -> str:
    text = escape(cell.text)
    return form.format(text) if cell.marked else text


def _clean(text: str) -> str:
    """In one line, without what moves the cursor, hides or turns round what follows."""
    return safe_line(" ".join(text.split()), None)


def _plain(text: str) -> str:
    text = _clean(text)
    for sign, word in PLAIN.items():
        text = text.replace(sign, word)
    return text


def _markdown(text: str) -> str:
    """Text that stays text in Markdown and in the HTML made of it, also in a cell of a table."""
    marks = r"([\\`*_{}\[\]|~$#!@^]|:(?=//)|(?<=www)\.)"  # the last two make links of addresses
    return html.escape(re.sub(marks, r"\\\1", _clean(text)), quote=False)


def _bar(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$", "↓": r"$\downarrow$",
    "↑": r"$\uparrow$", "→": r"$\rightarrow$", "[": "{[}", "]": "{]}", "*": "{*}", "`": "{`}",
} | {sign: f"\\{sign}" for sign in "&%_#${}"}  # fmt: skip
"""What LaTeX would act upon; a bracket or star after the end of a line is taken for its option."""


def _latex(text: str) -> str:
    escaped = "".join(LATEX.get(c, c) for c in _clean(text))
    return re.sub(r"(?<![\w$)}-])-(?=\d)", "$-$", escaped)


def _cell(text: str) -> str:
    """A cell of CSV that no spreadsheet takes for a formula."""
    text = _clean(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _blocks(lines: Sequence[Sequence[str]], names: int, width: int) -> list[str]:
    """Aligned columns, the columns of names repeated where the others do not fit side by side."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    fixed = list(range(names))
    blocks: list[list[int]] = [[]]
    for i in range(names, len(widths)):
        if blocks[-1] and sum(widths[j] + 2 for j in (*fixed, *blocks[-1], i)) - 2 > width:
            blocks.append([])
        blocks[-1].append(i)
    texts = []
    for block in blocks:
        kept = [*fixed, *block]
        text = ["  ".join(line[i].ljust(widths[i]) for i in kept).rstrip() for line in lines]
        texts.append("\n".join([text[0], "-" * (sum(widths[i] + 2 for i in kept) - 2), *text[1:]]))
    return texts
