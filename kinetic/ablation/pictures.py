"""Pictures of a grid: each score by recipe with its interval, and scores over the epochs of training."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kinetic.ablation.statistics import Finding, RowInfo, average
from kinetic.ablation.table import GridTable
from kinetic.ablation.writers import ARROWS
from kinetic.files import checked_target
from kinetic.messages import safe_line
from kinetic.metrics.intervals import interval
from kinetic.metrics.score import bounds_of
from kinetic.pictures.charts import BLUE, GREY, RED, new_figure, plain_style, save_figure

__all__ = ["curve_chart", "metric_chart"]

LONGEST = 30
"""Letters of a name in a picture, at most."""

WIDE = 100
"""Above this ratio of the largest to the smallest number, an axis is logarithmic."""

PALE = "#c9cbd1"


@plain_style
def metric_chart(table: GridTable, benchmark: str, path: str | os.PathLike[str]) -> Path:
    """A PNG with a panel per metric: a line per recipe with its mean, the 95% interval and every training seed.

    A dashed line is the floor. An interval much wider than the spread of all recipes is cut at the edge of its panel.

    Raises:
        ValueError: for another ending than .png, an unknown benchmark, or one without results
    """
    target = checked_target(path, (".png",))
    if benchmark not in table.benchmarks:
        raise ValueError(f"there is no benchmark {benchmark!r}; there are: {', '.join(table.benchmarks)}")
    metrics = [name for name in table.metrics if (benchmark, name) in table.columns]
    if not metrics:
        raise ValueError(f"there is nothing to draw: {benchmark} has no results")
    down, across = _grid(len(metrics))
    figure = new_figure(2.4 + 2.6 * across, 0.5 + down * (0.9 + 0.28 * len(table.rows)))
    axes = figure.subplots(down, across, squeeze=False, sharey=True)
    for ax, metric in zip(axes.ravel(), metrics, strict=False):
        _panel(ax, table, benchmark, metric)
    for ax in axes.ravel()[len(metrics) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        names = [safe_line(row.name, LONGEST) for row in table.rows]
        ax.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
        ax.set_ylim(len(names) - 0.4, -0.6)  # the first row on top
    meaning = "mean, 95% interval over seeds, every seed; red: best mean; dashed: real"
    _title(figure, f"{safe_line(benchmark, LONGEST)}: {meaning}")
    return save_figure(figure, target)


def _panel(ax: Axes, table: GridTable, benchmark: str, metric: str) -> None:
    column = table.columns[benchmark, metric]
    places = [table.entries.get((benchmark, row.name, metric)) for row in table.rows]
    entries = [entry for entry in places if entry is not None]
    ends = [end for entry in entries for end in entry.interval or (entry.mean,)]
    low, high, logarithmic = _limits([column.floor, *(v for entry in entries for v in entry.values.values())], ends)
    ax.set_title(f"{metric} {ARROWS[column.better]}", fontsize=9, parse_math=False)
    if logarithmic:
        ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.axvline(column.floor, color=GREY, linestyle="--", linewidth=1)
    for place, entry in enumerate(places):
        if entry is None:
            ax.text(0.5, place, "no result", transform=ax.get_yaxis_transform(), color=GREY, fontsize=7, ha="center",
                    va="center")  # fmt: skip
            continue
        colour = RED if entry.best else BLUE
        if entry.interval is not None:
            left, right = max(entry.interval[0], low), min(entry.interval[1], high)
            ax.plot([left, right], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
        values = list(entry.values.values())
        ax.plot(values, [place + 0.27] * len(values), ".", color=GREY, markersize=4, markeredgewidth=0)
        ax.plot(entry.mean, place, "o", color=colour, markersize=5)
    ax.tick_params(axis="x", labelsize=7)
    ax.tick_params(axis="y", length=0)
    ax.grid(alpha=0.25)


@plain_style
def curve_chart(
    findings: Iterable[Finding],
    rows: Sequence[RowInfo],
    benchmark: str,
    metric: str,
    path: str | os.PathLike[str],
    *,
    floor: float | None = None,
) -> Path:
    """A PNG with a panel per recipe: a score over epochs, its mean and 95% interval over the training seeds.

    In the background, the row that it builds on is dashed and all others are pale, so many recipes stay legible. Seeds
    without a common epoch have one line each.

    Args:
        rows: in the order of the panels; those without a curve are left out
        floor: the score of real motions, a dotted line

    Raises:
        ValueError: for another ending than .png, or when no finding of the benchmark has a curve of this score
    """
    target = checked_target(path, (".png",))
    curves: dict[str, list[dict[float, float]]] = {}
    for finding in sorted(findings, key=lambda finding: finding.seed):
        points = {
            epoch: scores[metric] for epoch, scores in finding.curve if math.isfinite(scores.get(metric, math.nan))
        }
        if finding.benchmark == benchmark and points:
            curves.setdefault(finding.recipe, []).append(dict(sorted(points.items())))
    panels = [row for row in rows if row.name in curves]
    if not panels:
        raise ValueError(f"there is nothing to draw: no cell of {benchmark} has a curve of {metric}")
    lines = {row.name: _lines(curves[row.name], bounds_of(metric)) for row in panels}
    down, across = _grid(len(panels))
    figure = new_figure(max(5.0, 2.8 * across), 0.6 + 2.1 * down)
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    values = [v for row in panels for seed in curves[row.name] for v in seed.values()]
    bands = [end for parts in lines.values() for _, _, ends in parts for pair in ends for end in pair]
    low, high, logarithmic = _limits([*values, *([] if floor is None else [floor])], bands)
    for ax, row in zip(axes.ravel(), panels, strict=False):
        for other in panels:
            if other.name not in (row.name, row.after):
                for epochs, means, _ in lines[other.name]:
                    ax.plot(epochs, means, color=PALE, linewidth=0.8)
        for epochs, means, _ in lines.get(row.after or "", []):
            ax.plot(epochs, means, color="black", linestyle="--", linewidth=1)
        for epochs, means, ends in lines[row.name]:
            lower, upper = np.transpose(ends)
            lower = np.maximum(lower, low)  # a logarithmic axis has no place below zero
            ax.fill_between(epochs, lower, upper, color=BLUE, alpha=0.2, linewidth=0)
            ax.plot(epochs, means, color=BLUE, linewidth=1.6, marker="." if len(epochs) < 20 else None)
        if floor is not None:
            ax.axhline(floor, color=GREY, linestyle=":", linewidth=1.2)
        seeds = len(curves[row.name])
        ax.set_title(f"{safe_line(row.name, LONGEST)} ({seeds} seed{'s' * (seeds > 1)})", fontsize=8, parse_math=False)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.25)
        if logarithmic:
            ax.set_yscale("log")
        ax.set_ylim(low, high)
    for ax in axes.ravel()[len(panels) :]:
        ax.axis("off")
    for ax in axes.ravel()[max(0, len(panels) - across) : len(panels)]:
        ax.set_xlabel("epochs", fontsize=8)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.tick_params(labelbottom=True)
    meaning = "band: 95% interval over seeds; dashed: the row it builds on; pale: the others"
    _title(figure, f"{safe_line(benchmark, LONGEST)}: {metric}; {meaning}{'' if floor is None else '; dotted: real'}")
    return save_figure(figure, target)


def _lines(
    seeds: Sequence[dict[float, float]], bounds: tuple[float, float]
) -> list[tuple[list[float], list[float], list[tuple[float, float]]]]:
    """Epochs, means and intervals over the epochs that all seeds have; one line per seed if they have none."""
    common = [epoch for epoch in seeds[0] if all(epoch in curve for curve in seeds)]
    if not common:
        return [(list(curve), list(curve.values()), [(value, value) for value in curve.values()]) for curve in seeds]
    by_epoch = [[curve[epoch] for curve in seeds] for epoch in common]
    means = [average(values) for values in by_epoch]
    ends = [interval(values, bounds=bounds) or (values[0], values[0]) for values in by_epoch]
    return [(common, means, ends)]


def _limits(values: Sequence[float], ends: Sequence[float]) -> tuple[float, float, bool]:
    """Ends of an axis that holds all values and as much of the intervals as leaves values legible; whether it is log.

    The interval of two seeds is 12.7 standard errors to each side, and would fill the axis.
    """
    low, high = min(values), max(values)
    if low > 0 and high > WIDE * low:
        ends = [end for end in ends if end > 0]
        least, most = min([low, *ends]), max([high, *ends])
        return max(least, low / 3) / 1.3, min(most, high * 3) * 1.3, True
    span = (high - low) or abs(high) or 1.0
    least, most = max(min([low, *ends]), low - span / 2), min(max([high, *ends]), high + span / 2)
    return least - 0.06 * span, most + 0.06 * span, False


def _grid(panels: int) -> tuple[int, int]:
    """Rows and columns of panels: at most four columns, and rows of nearly equal length."""
    down = -(-panels // 4)
    return down, -(-panels // down)


def _title(figure: Figure, text: str) -> None:
    """Set a title above all panels, in as many lines as it needs."""
    figure.suptitle(textwrap.fill(text, int(14 * figure.get_figwidth())), fontsize=9, parse_math=False)
