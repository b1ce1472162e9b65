"""Diagrams without a screen: training curves, quality under truncation, confusion of classes, deviation of joints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kinetic.files import checked_target, replacing

__all__ = ["confusion_chart", "curves", "heat_chart", "joint_chart", "new_figure", "save_figure", "truncation_chart"]

BLUE, RED, GREY = "#2171b5", "#d6452e", "#8a8d96"


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches, drawn without a screen."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all; the same figure gives the same bytes."""
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=100, metadata={"Software": None})
    return path


def curves(table: Mapping[str, tuple[Sequence[float], Sequence[float]]], path: str | os.PathLike[str]) -> Path:
    """A PNG with a small plot for each column of a table: name -> (batches, values)."""
    target = checked_target(path, (".png",))
    if not table:
        raise ValueError("there is nothing to draw: the table has no columns")
    columns = min(4, len(table))
    rows = -(-len(table) // columns)
    figure = new_figure(11, 2.3 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (name, (steps, values)) in zip(axes, table.items(), strict=False):
        ax.plot(steps, values, color=BLUE, linewidth=1.0, marker="." if len(steps) < 20 else None)
        ax.set_title(name, fontsize=9, parse_math=False)
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


def truncation_chart(
    psi: Sequence[float],
    scores: Mapping[str, Sequence[float]],
    floors: Mapping[str, float],
    path: str | os.PathLike[str],
    *,
    trade: tuple[str, str],
) -> Path:
    """A PNG of quality against variety as truncation is released.

    Args:
        psi: truncations, (P,)
        scores: name -> one value per psi
        floors: name -> what real motions reach, a dashed line
        trade: the names of the score of quality and that of variety that the first plot sets against each other
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
        ax.set_title(name, fontsize=9, parse_math=False)
        ax.set_xlabel("truncation psi", fontsize=8)
    for ax in axes[: len(scores) + 1]:
        ax.tick_params(labelsize=7)
        ax.grid(alpha=0.25)
    for ax in axes[len(scores) + 1 :]:
        ax.axis("off")
    return save_figure(figure, target)


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
    """A PNG of a table of numbers as colours: (R, C), with a text in each cell.

    Args:
        texts: what the cells say; None = the numbers
        extent: colours reach from -extent to extent, larger numbers look like these; None = from 0 to the largest
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
    ax.set_xticks(range(len(columns)), columns, rotation=45, ha="right", fontsize=8, parse_math=False)
    ax.set_yticks(range(len(rows)), rows, fontsize=8, parse_math=False)
    for i, row in enumerate(table):
        for j, value in enumerate(row):
            text = f"{value:g}" if texts is None else texts[i][j]
            middle = low + (high - low) * (0.5 if extent is not None else 0.0)
            dark = abs(min(max(value, low), high) - middle) > 0.6 * (high - middle)
            ax.text(j, i, text, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")
    ax.set_title(title, fontsize=10, parse_math=False)
    return save_figure(figure, target)


def confusion_chart(
    counts: Sequence[Sequence[int]] | np.ndarray, class_names: Sequence[str], path: str | os.PathLike[str]
) -> Path:
    """A PNG of which actions generated motions are taken for: counts (K, K), rows what was asked for."""
    table = np.asarray(counts, dtype=float)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    texts = [[_percent(value) if value else "" for value in row] for row in share]
    for row, counted in zip(texts, table.sum(axis=1), strict=True):
        if not counted:
            row[:] = ["-"] * len(row)
    title = "share of each action asked for (rows) that is recognised as (columns), percent; - = none asked for"
    return heat_chart(share, class_names, class_names, path, title=title, texts=texts, colours="Blues")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.005 else "<1"


def joint_chart(
    joints: Sequence[str], deviations: Mapping[str, Sequence[float]], path: str | os.PathLike[str], *, unit: str
) -> Path:
    """A PNG of the standard deviation of each joint, one group of bars per joint.

    Args:
        joints: names, (V,)
        deviations: whose they are -> one number per joint, NaN where there is none
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
    ax.set_xticks(range(len(joints)), joints, rotation=60, ha="right", fontsize=8, parse_math=False)
    ax.set_ylabel(f"standard deviation, {unit}", fontsize=8)
    ax.tick_params(axis="y", labelsize=7)
    ax.grid(axis="y", alpha=0.25)
    ax.legend(fontsize=8)
    ax.set_title("how far each joint moves when only the noise of the blocks is drawn anew", fontsize=10)
    return save_figure(figure, target)
