"""Diagrams without a screen: training curves, quality under truncation, confusion of classes, a set of motions."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from kinetic.files import checked_target, replacing
from kinetic.messages import safe_line
from kinetic.pictures.framing import room

__all__ = [
    "confusion_chart",
    "curves",
    "heat_chart",
    "joint_chart",
    "new_figure",
    "overview_chart",
    "plain_style",
    "save_figure",
    "truncation_chart",
]

BLUE, RED, GREY = "#2171b5", "#d6452e", "#8a8d96"


plain_style = matplotlib.rc_context(matplotlib.rcParamsDefault)
"""Decorator that draws with the defaults of matplotlib, whatever a `matplotlibrc` in the current folder says."""


def new_figure(width: float, height: float) -> Figure:
    """A figure of this size in inches, drawn without a screen."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all; the same figure gives the same bytes."""
    with replacing(path) as beside, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box is drawn instead
        figure.savefig(beside, format="png", dpi=100, metadata={"Software": None})
    return path


@plain_style
def curves(table: Mapping[str, tuple[Sequence[float], Sequence[float]]], path: str | os.PathLike[str]) -> Path:
    """Write a PNG with a small plot for each column of a table: name -> (batches, values)."""
    target = checked_target(path, (".png",))
    if not table:
        raise ValueError("there is nothing to draw: the table has no columns")
    columns = min(4, len(table))
    rows = -(-len(table) // columns)
    figure = new_figure(11, 2.3 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (name, (steps, values)) in zip(axes, table.items(), strict=False):
        ax.plot(steps, values, color=BLUE, linewidth=1.0, marker="." if len(steps) < 20 else None)
        ax.set_title(safe_line(name, 40), fontsize=9, parse_math=False)
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.25)
        finite = np.asarray(values)[np.isfinite(values)]
        if len(finite) and finite.min() > 0 and finite.max() > 100 * finite.min():
            ax.set_yscale("log")
    for ax in axes[len(table) :]:
        ax.axis("off")
    for ax in axes[max(0, len(table) - columns) : len(table)]:
        ax.set_xlabel("batches", fontsize=8)
    return save_figure(figure, target)


@plain_style
def truncation_chart(
    psi: Sequence[float],
    scores: Mapping[str, Sequence[float]],
    floors: Mapping[str, float],
    path: str | os.PathLike[str],
    *,
    trade: tuple[str, str],
) -> Path:
    """Write a PNG of quality against variety as truncation is released.

    Args:
        psi: truncations, (P,)
        scores: name -> one value per psi
        floors: name -> score of real motions, a dashed line
        trade: names of the score of quality and of the score of variety in the first plot
    """
    target = checked_target(path, (".png",))
    if len(psi) < 2 or any(len(values) != len(psi) for values in scores.values()):
        raise ValueError(f"a curve needs at least two psi and one value for each, got {len(psi)}")
    columns = 4
    rows = -(-(len(scores) + 1) // columns)
    figure = new_figure(12, 2.7 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    quality, variety = trade
    first: Axes = axes[0]
    first.plot(scores[variety], scores[quality], color=RED, marker="o", markersize=4, linewidth=1.2)
    for i in (0, len(psi) // 2, len(psi) - 1):
        place = (scores[variety][i], scores[quality][i])
        first.annotate(f"psi {psi[i]:g}", place, textcoords="offset points", xytext=(4, 4), fontsize=7)
    first.margins(0.2)
    if quality in floors and variety in floors:
        first.plot(floors[variety], floors[quality], "k*", markersize=9)
        first.annotate(
            "real", (floors[variety], floors[quality]), xytext=(4, 4), textcoords="offset points", fontsize=7
        )
    first.set_xlabel(variety, fontsize=8)
    first.set_ylabel(quality, fontsize=8)
    first.set_title("quality against variety", fontsize=9)
    for ax, (name, values) in zip(axes[1:], scores.items(), strict=False):
        ax.plot(psi, values, color=BLUE, marker="o", markersize=3, linewidth=1.2)
        if name in floors:
            ax.axhline(floors[name], color=GREY, linestyle="--", linewidth=1, label="real (floor)")
            ax.legend(fontsize=6, frameon=False)
        ax.set_title(safe_line(name, 40), fontsize=9, parse_math=False)
        ax.set_xlabel("truncation psi", fontsize=8)
    for ax in axes[: len(scores) + 1]:
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.25)
    for ax in axes[len(scores) + 1 :]:
        ax.axis("off")
    return save_figure(figure, target)


@plain_style
def heat_chart(
    values: Sequence[Sequence[float]] | np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    path: str | os.PathLike[str],
    *,
    title: str = "",
    texts: Sequence[Sequence[str]] | None = None,
    extent: float | None = None,
    colours: str = "RdBu_r",
) -> Path:
    """Write a PNG of a table of numbers as colours: (R, C), with a text in each cell.

    Args:
        texts: texts of the cells; None = the numbers
        extent: colours go from -extent to extent, and numbers beyond look like these; None = from 0 to the largest
    """
    target = checked_target(path, (".png",))
    table = np.asarray(values, dtype=float)
    if table.shape != (len(rows), len(columns)) or not table.size:
        raise ValueError(f"expected {len(rows)} rows of {len(columns)} numbers, got shape {table.shape}")
    size = 0.62 if texts is not None or len(columns) <= 24 else 0.3
    figure = new_figure(2.5 + size * len(columns), 1.5 + 0.3 * len(rows))
    ax = figure.subplots()
    low = 0.0 if extent is None else -extent
    high = float(np.nanmax(table)) or 1.0 if extent is None else extent
    ax.imshow(table, cmap=colours, vmin=low, vmax=high, aspect="auto")
    ax.set_xticks(
        range(len(columns)),
        [safe_line(name, 32) for name in columns],
        rotation=45,
        ha="right",
        fontsize=8,
        parse_math=False,
    )
    ax.set_yticks(range(len(rows)), [safe_line(name, 32) for name in rows], fontsize=8, parse_math=False)
    for i, row in enumerate(table):
        for j, value in enumerate(row):
            text = f"{value:g}" if texts is None else texts[i][j]
            middle = low + (high - low) * (0.5 if extent is not None else 0.0)
            dark = abs(min(max(value, low), high) - middle) > 0.6 * (high - middle)
            ax.text(j, i, text, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")
    ax.set_title(safe_line(title, 150), fontsize=10, parse_math=False)
    return save_figure(figure, target)


def confusion_chart(
    counts: Sequence[Sequence[int]] | np.ndarray, class_names: Sequence[str], path: str | os.PathLike[str]
) -> Path:
    """Write a PNG of the actions recognised in generated motions: counts (K, K), a row for each requested action."""
    table = np.asarray(counts, dtype=float)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    texts = [[_percent(value) if value else "" for value in row] for row in share]
    for row, count in zip(texts, table.sum(axis=1), strict=True):
        if not count:
            row[:] = ["-"] * len(row)
    title = "share of each action asked for (rows) that is recognised as (columns), percent; - = none asked for"
    return heat_chart(share, class_names, class_names, path, title=title, texts=texts, colours="Blues")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.005 else "<1"


@plain_style
def joint_chart(
    joints: Sequence[str], deviations: Mapping[str, Sequence[float]], path: str | os.PathLike[str], *, unit: str
) -> Path:
    """Write a PNG of the standard deviation of each joint, one group of bars per joint.

    Args:
        joints: names, (V,)
        deviations: name of a source -> one number per joint, NaN for none
        unit: of the deviations
    """
    target = checked_target(path, (".png",))
    if not deviations or any(len(values) != len(joints) for values in deviations.values()):
        raise ValueError(f"expected {len(joints)} deviations of each, got {[len(v) for v in deviations.values()]}")
    figure = new_figure(12, 3.6)
    ax = figure.subplots()
    width = 0.8 / len(deviations)
    for i, ((name, values), colour) in enumerate(zip(deviations.items(), (BLUE, RED, GREY), strict=False)):
        place = np.arange(len(joints)) + (i - (len(deviations) - 1) / 2) * width
        ax.bar(place, np.nan_to_num(np.asarray(values, dtype=float)), width, color=colour, label=name)
    ax.set_xticks(
        range(len(joints)),
        [safe_line(name, 24) for name in joints],
        rotation=60,
        ha="right",
        fontsize=8,
        parse_math=False,
    )
    ax.set_ylabel(f"standard deviation, {unit}", fontsize=8)
    ax.tick_params(axis="y", labelsize=7)
    ax.grid(axis="y", alpha=0.25)
    ax.legend(fontsize=8)
    ax.set_title("how far each joint moves when only the noise of the blocks is drawn anew", fontsize=10)
    return save_figure(figure, target)


@plain_style
def overview_chart(
    path: str | os.PathLike[str],
    *,
    title: str,
    classes: Mapping[str, int],
    table: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    lengths: np.ndarray,
    bones: Sequence[str],
    variation: np.ndarray,
    edges: np.ndarray,
    speeds: np.ndarray,
    fast: float | None,
    poses: Mapping[str, np.ndarray],
    links: Sequence[tuple[int, int]],
    left: Sequence[int],
    right: Sequence[int],
) -> Path:
    """Write a PNG of a set of motions: classes, people and cameras, lengths, bones, speeds and some bodies.

    Args:
        classes: name -> number of motions
        table: motions by camera (rows) and person (columns), (R, P)
        lengths: frames of each motion, (N,)
        bones: names
        variation: of each bone's length, in shares of it: three quantiles over the motions, (3, bones)
        edges: speeds between the bars of the histogram, (S + 1,), growing by a factor
        speeds: steps in each bar, (S,)
        fast: metres per second that people do not reach; None for coordinates in other units
        poses: bodies (C, V) by name, y up; with three coordinates x goes to the left of the picture, as a Kinect has it
        links, left, right: bones and sides of the body, as in `Skeleton`
    """
    target = checked_target(path, (".png",))
    if not classes or np.shape(table) != (len(rows), len(columns)) or np.shape(variation) != (3, len(bones)):
        raise ValueError(
            f"expected classes, {len(rows)} x {len(columns)} counts and 3 x {len(bones)} variations, got "
            f"{len(classes)} classes, {np.shape(table)} and {np.shape(variation)}"
        )
    blocks = min(4, -(-len(classes) // 40)) if len(classes) <= 160 else 1
    wide = 2.2 + 1.5 * blocks
    figure = new_figure(10.5 + wide, 9.2)
    figure.suptitle(safe_line(title, 150), fontsize=12, parse_math=False)
    beside, main = cast(Sequence[SubFigure], figure.subfigures(1, 2, width_ratios=[wide, 10.5]))
    _class_bars(beside, classes, blocks)
    top, low = cast(Sequence[SubFigure], main.subfigures(2, 1, height_ratios=[6.0, 3.0]))
    (people, length), (bone, speed) = top.subplots(2, 2, width_ratios=[1.3, 1])
    _people(people, np.asarray(table), rows, columns)
    _lengths(length, np.asarray(lengths))
    _bones(bone, bones, np.asarray(variation))
    _speeds(speed, np.asarray(edges), np.asarray(speeds), fast)
    if poses:
        _bodies(low, poses, links, set(left), set(right))
    return save_figure(figure, target)


def _class_bars(figure: SubFigure, classes: Mapping[str, int], blocks: int) -> None:
    """Draw bars in `blocks` columns, or a curve for very many classes."""
    names, counts = list(classes), np.array(list(classes.values()), dtype=float)
    heading = f"{len(names)} classes: motions of each"
    if len(names) > 40 * blocks:
        ax = figure.subplots()
        ax.plot(np.sort(counts)[::-1], color=BLUE)
        ax.set_xlabel("classes, the most frequent first", fontsize=8)
        ax.set_title(heading, fontsize=9)
        ax.set_ylim(bottom=0)
        _plain(ax)
        return
    size = -(-len(names) // blocks)
    axes = figure.subplots(1, blocks, squeeze=False)[0]
    figure.suptitle(heading, fontsize=9)
    for i, ax in enumerate(axes):
        part = slice(i * size, (i + 1) * size)
        labels = [safe_line(name, 22) for name in names[part]]
        place = np.arange(len(labels))
        colours = [BLUE if count else RED for count in counts[part]]
        ax.barh(place, counts[part], 0.8, color=colours)
        ax.set_yticks(place, labels, fontsize=8 if size <= 25 else 6.5, parse_math=False)
        for y, count in zip(place, counts[part], strict=True):
            ax.text(count, y, f" {count:.0f}", va="center", fontsize=6.5, color=GREY if count else RED)
        ax.set_ylim(max(size, 16) - 0.4, -0.6)
        ax.set_xlim(0, 1.25 * max(1.0, counts.max()))
        ax.tick_params(axis="x", labelsize=6.5)
        ax.spines[["top", "right"]].set_visible(False)


def _people(ax: Axes, table: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Draw counts as colours, with numbers if they fit."""
    ax.imshow(table, cmap="Blues", vmin=0, vmax=max(1, table.max()) * 1.25, aspect="auto")
    step = -(-len(columns) // 30)
    labels = [safe_line(name, 14) for name in columns[::step]]
    angle = 45 if max(map(len, labels)) > 4 and len(labels) > 5 else 0
    align = "right" if angle else "center"
    ax.set_xticks(range(0, len(columns), step), labels, fontsize=7, rotation=angle, ha=align, parse_math=False)
    ax.set_yticks(range(len(rows)) if len(rows) <= 33 else [], rows if len(rows) <= 33 else [], fontsize=7)
    if len(columns) <= 16 and len(rows) <= 12:
        for (i, j), count in np.ndenumerate(table):
            ax.text(j, i, str(count), ha="center", va="center", fontsize=7, color="black" if count else RED)
    missing = int((table == 0).sum())
    gaps = f"; {missing} of {table.size} pairs without a motion" if missing else ""
    ax.set_title(f"motions by person ({len(columns)}) and camera ({len(rows)}){gaps}", fontsize=9)


def _lengths(ax: Axes, lengths: np.ndarray) -> None:
    if len(lengths) and lengths.min() < lengths.max():
        width = -(-int(lengths.max() - lengths.min() + 1) // 40)  # whole frames: uneven bars look like gaps
        ax.hist(lengths, bins=np.arange(lengths.min(), lengths.max() + width + 1, width).tolist(), color=BLUE)
    else:
        ax.bar([float(lengths[0]) if len(lengths) else 0.0], [len(lengths)], width=1.0, color=BLUE)
        ax.margins(x=2.0)
    ax.set_title("motions by their number of frames, padding left out", fontsize=9)
    ax.set_xlabel("frames", fontsize=8)
    ax.tick_params(axis="x", labelsize=7)
    _plain(ax)


def _bones(ax: Axes, bones: Sequence[str], variation: np.ndarray) -> None:
    order = np.argsort(-variation[1], kind="stable")[:30]
    low, middle, high = 100 * variation[:, order]
    place = np.arange(len(order))
    ax.bar(place, middle, 0.75, color=BLUE)
    ax.vlines(place, low, high, color="black", linewidth=1.0)
    names = [safe_line(bones[i], 26) for i in order]
    ax.set_xticks(place, names, rotation=55, ha="right", rotation_mode="anchor", fontsize=6, parse_math=False)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("percent of the length", fontsize=8)
    ax.set_title("how much bones change length within a motion: median, 10 to 90 percent", fontsize=9)
    _plain(ax)


def _speeds(ax: Axes, edges: np.ndarray, speeds: np.ndarray, fast: float | None) -> None:
    total = max(1.0, float(speeds.sum()))
    ax.stairs(np.where(speeds > 0, speeds / total, np.nan), edges, color=BLUE, fill=True, baseline=0.5 / total)
    ax.set_xscale("log")
    ax.set_yscale("log")
    bars = np.flatnonzero(speeds)
    if len(bars):
        ax.set_xlim(edges[bars[0]] * 0.7, max(edges[bars[-1] + 1], fast or 0.0) * 1.5)
    if fast is not None:
        beyond = speeds[edges[:-1] >= fast * 0.999].sum()
        ax.axvline(fast, color=RED, linewidth=1.0)
        words = f"{beyond:.0f} of {speeds.sum():.0f} steps are faster than {fast:g} m/s"
        ax.text(0.01, 0.97, words, fontsize=7, color=RED, va="top", transform=ax.transAxes)
    ax.set_xlabel("metres per second" if fast is not None else "units per second", fontsize=8)
    ax.set_ylabel("share of all steps between frames", fontsize=8)
    ax.set_title("speed of the fastest joint", fontsize=9)
    ax.tick_params(axis="x", labelsize=7)
    _plain(ax)


def _bodies(
    figure: SubFigure,
    poses: Mapping[str, np.ndarray],
    links: Sequence[tuple[int, int]],
    left: set[int],
    right: set[int],
) -> None:
    """Draw bodies side by side on one scale, left limbs blue, right ones red."""
    axes = figure.subplots(1, len(poses), squeeze=False)[0]
    figure.suptitle("the mean body, and of some classes the frame that is least like it", fontsize=9)
    bodies = [np.stack([-pose[0] if len(pose) == 3 else pose[0], pose[1]]) for pose in poses.values()]
    sizes = np.array([np.ptp(pose, axis=1).max() for pose in bodies])
    whole = sizes <= room(sizes, sizes)  # an exploded body does not shrink the others
    fitted = [pose for pose, fits in zip(bodies, whole, strict=True) if fits]
    low, high = np.min([s.min(axis=1) for s in fitted], axis=0), np.max([s.max(axis=1) for s in fitted], axis=0)
    half = max(0.5 * float(high[1] - low[1]), 1e-6) * 1.08
    reach = max(0.6 * half, *(0.52 * float(np.ptp(x)) for x, _ in fitted))
    for ax, (x, y), name, fits in zip(axes, bodies, poses, whole, strict=True):
        for a, b in links:
            colour = BLUE if {a, b} & left else RED if {a, b} & right else "#2d3038"
            ax.plot(x[[a, b]], y[[a, b]], color=colour, linewidth=2.0, solid_capstyle="round")
        ax.set_aspect("equal")
        middle = 0.5 * float(x.max() + x.min())
        ax.set_xlim(middle - reach, middle + reach)
        ax.set_ylim(0.5 * float(high[1] + low[1]) - half, 0.5 * float(high[1] + low[1]) + half)
        ax.set_title(safe_line(name, 17) + ("" if fits else "\n(leaves the frame)"), fontsize=7, parse_math=False)
        ax.axis("off")


def _plain(ax: Axes) -> None:
    ax.tick_params(axis="y", labelsize=7)
    ax.grid(axis="y", alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
