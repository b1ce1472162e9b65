"""Motions as a picture, an animation or a page, from a set or a file of motions: `plot` and `view`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np

from kinetic.files import checked_target
from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.pictures import strips
from kinetic.pictures.animation import WRITERS, animate
from kinetic.pictures.page import Scene, write_page

__all__ = ["plot", "view"]


def plot(
    motions: MotionSet | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    label: str | int | Collection[str | int] | None = None,
    count: int = 8,
    sheet: bool = False,
    fps: float | None = None,
) -> Path:
    """Draw motions as a still picture (.png) or an animation (.gif, .webp, .apng, .mp4): `plot(motions, "walk.png")`.

    Args:
        motions: a set, or a path that `read_motions` opens
        label: name or number of a class, or several; None = all
        count: motions at most: the first of every class, then the second of every class, and so on
        sheet: draw a cell instead of a row for each motion, in a .png
        fps: frames per second of an animation; None = as recorded

    Raises:
        ValueError: for another ending, an unknown class, or motions that cannot be drawn
        FileNotFoundError: when there is no such file of motions, or no folder to write to
    """
    target = checked_target(path, (".png", *WRITERS))
    motions = _chosen(motions, label, count)
    motions = motions.select(_in_turn(motions.label, count))
    still = target.suffix.lower() == ".png"
    motions = _without_padding(motions, stretch=still)
    titles = [motions.class_names[number] for number in motions.label.tolist()]
    if still:
        draw = strips.sheet if sheet else strips.filmstrip
        return draw(motions.motion, motions.skeleton, target, titles=titles)
    rate = float(np.mean(motions.fps)) if fps is None else fps
    return animate(motions.motion, motions.skeleton, target, fps=rate, titles=titles)


def view(
    motions: MotionSet | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    label: str | int | Collection[str | int] | None = None,
    count: int = 4,
    title: str | None = None,
) -> Path:
    """Write a page on which motions play, one .html file that any browser opens: `view(motions, "page.html")`.

    The page has a row for each class, with its first `count` motions side by side. Motions with different frame rates
    play at the median rate, and the page says so.

    Args:
        motions: a set, or a path that `read_motions` opens
        label: name or number of a class, or several; None = all
        count: motions of each class at most
        title: heading of the page; None = the name of the file, or "Motions" for a set

    Raises:
        ValueError: for another ending, an unknown class, or motions that `Scene` refuses
        FileNotFoundError: when there is no such file of motions, or no folder to write to
    """
    target = checked_target(path, (".html",))
    if title is None:
        title = "Motions" if isinstance(motions, MotionSet) else Path(motions).name
    motions = _chosen(motions, label, count)
    motions = _without_padding(motions.select(np.flatnonzero(_turns(motions.label) < count)), stretch=False)
    members = {number: np.flatnonzero(motions.label == number) for number in np.unique(motions.label).tolist()}
    rows = {number: f"{motions.class_names[number]} ({len(places)})" for number, places in members.items()}
    columns = tuple(f"motion {k + 1}" for k in range(max(map(len, members.values()))))
    clips = {
        (rows[number], column): motions.motion[place : place + 1]
        for number, places in members.items()
        for column, place in zip(columns, places.tolist(), strict=False)
    }
    rate, slowest, fastest = (float(of(motions.fps)) for of in (np.median, np.min, np.max))
    pace = f"{motions.shape[2]} frames at {rate:.3g} per second"
    if slowest < fastest:
        pace += f" (the median: they were recorded at {slowest:.3g} to {fastest:.3g})"
    subtitle = f"{len(motions)} motions of {len(rows)} classes, {pace}"
    scene = Scene(title, motions.skeleton, rate, columns, tuple(rows.values()), clips)
    return write_page(target, title=title, subtitle=subtitle, blocks=[scene])


def _chosen(
    motions: MotionSet | str | os.PathLike[str], label: str | int | Collection[str | int] | None, count: int
) -> MotionSet:
    """The motions of a set or a file, of some classes."""
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    if not isinstance(motions, MotionSet):
        motions = read_motions(motions)
    if not len(motions):
        raise ValueError("there is nothing to show: the set holds no motions")
    if label is None:
        return motions
    return motions.where(classes=[label] if isinstance(label, str | int) else label)


def _turns(label: np.ndarray) -> np.ndarray:
    """How many motions before each have its class: (N,) -> (N,)."""
    counts: Counter[int] = Counter()
    turns = []
    for number in label.tolist():
        turns.append(counts[number])
        counts[number] += 1
    return np.array(turns)


def _in_turn(label: np.ndarray, count: int) -> np.ndarray:
    """Rows of at most `count` motions, sorted by class: the first of every class, then the second, and so on."""
    rows = np.lexsort((label, _turns(label)))[:count]
    return rows[np.lexsort((rows, label[rows]))]


def _without_padding(motions: MotionSet, *, stretch: bool) -> MotionSet:
    """Motions with y up and as many frames as the longest has: stretched to it, or cut there with their last pose held.

    Motions without padding keep their frames.
    """
    motions = motions.upright()
    if "frames" not in motions.columns:
        return motions
    longest = max(1, int(motions.columns["frames"].max()))
    return motions.resampled(longest) if stretch else motions.cut(longest)
