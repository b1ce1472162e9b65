"""Reports: the scores of one evaluation as a table, and several side by side where their labels allow it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kinetic.files import checked_target, read_json, replacing
from kinetic.messages import LONGEST_MESSAGE, safe_line
from kinetic.metrics.score import Score

__all__ = ["ClassTable", "Report", "Row", "compare", "read_report", "write_report"]


class Row(NamedTuple):
    """A score of generated motions beside the same score of real ones; `better` is low, high or real."""

    score: Score
    floor: Score
    better: str = "low"


@dataclass(frozen=True)
class ClassTable:
    """Scores of each class.

    Args:
        class_names: names of the K classes
        scores: name -> (K,) numbers, None where a class has too few motions
        confusion: (K, K) counts over all seeds, rows the labels, columns the recognised classes; None = there is no
            recognition network
    """

    class_names: tuple[str, ...]
    scores: Mapping[str, Sequence[float | None]]
    confusion: Sequence[Sequence[int]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {
            "class_names": list(self.class_names),
            "scores": {name: list(values) for name, values in self.scores.items()},
            "confusion": None if self.confusion is None else [list(row) for row in self.confusion],
        }

    def to_text(self) -> str:
        """A table: one row per class, one column per score, and the class that each is most often mistaken for."""
        lines = [("class", *self.scores, *(("taken for",) if self.confusion is not None else ()))]
        for k, name in enumerate(self.class_names):
            cells = ["-" if values[k] is None else f"{values[k]:.3f}" for values in self.scores.values()]
            lines.append((name, *cells, *((self._mistaken(k),) if self.confusion is not None else ())))
        return _table(lines)

    def _mistaken(self, k: int) -> str:
        row = list((self.confusion or ())[k])
        total, row[k] = sum(row), 0
        most = max(range(len(row)), key=row.__getitem__)
        return f"{self.class_names[most]} ({row[most] / total:.1%})" if row[most] else ""


@dataclass(frozen=True)
class Report:
    """The result of `evaluate`.

    Args:
        subject: the name of what was scored
        rows: scores, in a fixed order
        notes: sentences on what was compared, and how far to trust it
        alarms: sentences that a reader must not overlook: collapse, copies
        classes: the scores of each class; None = the report has none
    """

    subject: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    classes: ClassTable | None = None

    def __getitem__(self, metric: str) -> Row:
        """The row of a metric. Raises KeyError that lists the metrics of the report."""
        for row in self.rows:
            if row.score.metric == metric:
                return row
        raise KeyError(f"no score {metric!r} in this report; it has {', '.join(row.score.metric for row in self.rows)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {
            "format": "kinetic-report",
            "subject": self.subject,
            "rows": [
                {"score": row.score.to_dict(), "floor": row.floor.to_dict(), "better": row.better} for row in self.rows
            ],
            "alarms": list(self.alarms),
            "notes": list(self.notes),
            "classes": None if self.classes is None else self.classes.to_dict(),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Report:
        """The report that `to_dict` wrote, without its table of classes. Raises ValueError for anything else."""
        if not isinstance(plain, Mapping) or plain.get("format") != "kinetic-report":
            raise ValueError("this is no report; `kinetic evaluate -o` writes one")
        if missing := sorted({"subject", "rows", "notes", "alarms"} - set(plain)):
            raise ValueError(f"an incomplete report: it lacks {', '.join(missing)}")
        if wrong := [name for name in ("rows", "notes", "alarms") if not isinstance(plain[name], list)]:
            raise ValueError(f"an incomplete report: {wrong[0]} must be a list")
        if not all(isinstance(row, Mapping) and {"score", "floor", "better"} <= set(row) for row in plain["rows"]):
            raise ValueError("an incomplete report: each of its rows needs a score, a floor and what is better")
        try:
            rows = tuple(
                Row(Score.from_dict(row["score"]), Score.from_dict(row["floor"]), str(row["better"]))
                for row in plain["rows"]
            )
            if unknown := {row.better for row in rows} - set(WAYS):
                raise ValueError(f"better is {unknown.pop()!r}, expected one of: {', '.join(WAYS)}")
            notes, alarms = (tuple(map(str, plain[name])) for name in ("notes", "alarms"))
            return cls(str(plain["subject"]), rows, notes, alarms)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"an incomplete report: {type(error).__name__} {error}") from error

    def to_text(self) -> str:
        """A table of metric, generated, floor, which way is better, estimator and label; then alarms and notes."""
        lines = [("metric", "generated", "real (floor)", "better", "estimator", "label")]
        for score, floor, better in self.rows:
            lines.append(
                (score.metric, _number(score), _number(floor), WAYS[better], score.estimator, score.fingerprint)
            )
        parts = [safe_line(self.subject, None), _table(lines)]
        if self.classes is not None:
            parts.append(self.classes.to_text())
        sentences = [*(f"ALARM: {alarm}" for alarm in self.alarms), *self.notes]
        return "\n".join([*parts, *(safe_line(sentence, None) for sentence in sentences)]) + "\n"


WAYS = {"low": "lower", "high": "higher", "real": "= real"}
"""Which way is better -> its words in a table."""


def write_report(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a report to a file (.json), whole or not at all; `read_report` opens it."""
    target = checked_target(path, (".json",))
    with replacing(target) as beside:
        beside.write_text(json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_report(path: str | os.PathLike[str]) -> Report:
    """The report in a file that `write_report` or `kinetic evaluate -o` wrote.

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: naming the file, when it is no report
    """
    try:
        plain = read_json(path)
    except ValueError as error:
        raise ValueError(f"{error}; this is no report, `kinetic evaluate -o` writes one") from error
    try:
        return Report.from_dict(plain)
    except ValueError as error:
        raise ValueError(f"{path}: {safe_line(error, LONGEST_MESSAGE)}") from error


def compare(reports: Sequence[Report], *, ignore: Iterable[str] = ()) -> str:
    """A table with one column per report, and the floor, of the scores that all reports have.

    Args:
        ignore: fields of the label that may differ, such as seeds; a note lists them

    Raises:
        ValueError: for fewer than two reports, reports without a common score, or scores whose labels differ, naming
            the fields
    """
    if len(reports) < 2:
        raise ValueError(f"a comparison takes two reports, got {len(reports)}")
    ignore = tuple(ignore)
    if never := sorted({"metric", "estimator"} & set(ignore)):
        raise ValueError(f"{never[0]} cannot be ignored: what is measured must be the same")
    columns = [{row.score.metric: row for row in report.rows} for report in reports]
    common = [name for name in columns[0] if all(name in column for column in columns)]
    if not common:
        raise ValueError("these reports have no score in common")
    lines = [("metric", *(report.subject for report in reports), "real (floor)", "better", "estimator")]
    for name in common:
        first = columns[0][name]
        for report, column in zip(reports[1:], columns[1:], strict=True):
            try:
                first.score.check_comparable(column[name].score, ignore=ignore)
            except ValueError as error:
                raise ValueError(f"{reports[0].subject} and {report.subject}: {name}: {error}") from error
        cells = [_number(column[name].score) for column in columns]
        lines.append((name, *cells, _number(first.floor), WAYS[first.better], first.score.estimator))
    notes = [f"labels may differ in: {', '.join(ignore)}"] if ignore else []
    if floors := [name for name in common if len({column[name].floor.value for column in columns}) > 1]:
        notes.append(f"the floor is that of {reports[0].subject}; others have another one for: {', '.join(floors)}")
    if alone := sorted({name for column in columns for name in column} - set(common)):
        notes.append(f"not in all of them: {', '.join(alone)}")
    notes += [f"{report.subject}: ALARM: {alarm}" for report in reports for alarm in report.alarms]
    return "\n".join([_table(lines), *(safe_line(note, LONGEST_MESSAGE) for note in notes)]) + "\n"


def _number(score: Score) -> str:
    """`3.640 +- 0.094`, or `0.320 [0.050, 0.810]` where the interval is not symmetric, as for all shares."""
    text = f"{score.value:.3f}"
    if score.interval is None:
        return text
    if (half := score.half_width) is not None:
        return f"{text} +- {half:.3f}"
    return "{} [{:.3f}, {:.3f}]".format(text, *score.interval)


def _table(lines: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell, a rule below the first line."""
    lines = [tuple(map(safe_line, line)) for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([text[0], "-" * (sum(widths) + 2 * len(widths) - 2), *text[1:]])
