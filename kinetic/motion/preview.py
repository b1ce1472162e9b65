"""Preview: what a notebook shows of a set of motions, as HTML with a strip of poses."""

from __future__ import annotations

import math
from html import escape
from typing import Any, TypeAlias

import numpy as np

from kinetic.messages import safe_line
from kinetic.motion.arrays import mebibytes
from kinetic.motion.stored import is_stored
from kinetic.skeleton import Skeleton

__all__ = ["counted", "preview_html"]

Motions: TypeAlias = Any
"""A `MotionSet`; its module imports this one."""

POSES = 8
"""Poses in the strip, each of another class."""
NAMES = 8
"""Classes that are listed with their counts."""
CELL, HEIGHT, CAPTION = 92, 120, 20
"""Pixels: width and height of a pose, height of the name below it."""
COLOURS = {"middle": "currentColor", "left": "#2171b5", "right": "#d6452e"}
TURN = math.radians(20)
"""The viewer stands a little to the side, so that arms before the body can be told from it."""


def counted(motions: Motions) -> list[str]:
    """Words such as `1440 motions`, `64 frames`, `25 joints`, `12 classes`, `10 people` and `3 views`."""
    n, channels, frames, joints = motions.shape
    people, views, setups = (
        None if values is None else len(np.unique(values)) for values in (motions.subject, motions.view, motions.setup)
    )
    upto = "up to " if "frames" in motions.columns else ""
    parts = [
        _count(n, "motion"),
        upto + _count(frames, "frame"),
        _count(joints, "joint") + (" in two dimensions" if channels == 2 else ""),
        f"{len(motions.class_names)} class{'es' * (len(motions.class_names) != 1)}",
    ]
    if people is not None:
        parts.append(f"{people} {'person' if people == 1 else 'people'}")
    parts += [_count(count, name) for name, count in (("view", views), ("setup", setups)) if count is not None]
    return parts + ["with partners"] * (motions.partner is not None)


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'s' * (number != 1)}"


def preview_html(motions: Motions) -> str:
    """Counts and a few poses; reads one motion for each pose."""
    classes = motions.counts()
    names = ", ".join(f"{_text(name)} {count}" for name, count in list(classes.items())[:NAMES])
    more = f" and {len(classes) - NAMES} more" if len(classes) > NAMES else ""
    rates = np.unique(np.ravel(motions.fps))
    fps = " to ".join(f"{rate:.4g}" for rate in (rates if len(rates) < 2 else (rates[0], rates[-1])))
    place = "on the disk" if is_stored(motions.motion) else "in memory"
    rows = {
        "classes": names + more,
        "skeleton": _text(motions.skeleton.name or "without a name"),
        "fps": fps,
        "splits": ", ".join(map(_text, motions.split_rules())) or "none",
        "coordinates": f"{mebibytes(motions.motion.nbytes)} {place}",
    }
    table = "".join(
        f'<tr><th style="text-align:left;vertical-align:top">{name}</th><td style="text-align:left">{text}</td></tr>'
        for name, text in rows.items()
    )
    title = f"<b>{_text(motions.source or 'Motions')}</b>: {', '.join(counted(motions))}"
    size = 'style="font-size:13px"'
    return f"<div><div {size}>{title}</div>{_strip(motions)}<table {size}>{table}</table></div>"


def _text(name: str) -> str:
    return escape(safe_line(name, 60))


def _strip(motions: Motions) -> str:
    """One pose of each of several classes side by side, on one scale; empty where no motion has a body."""
    poses = _poses(motions)
    if not poses:
        return ""
    high = max(float(pose[1].max()) for _, pose in poses)
    wide = max(float(np.abs(pose[0]).max()) for _, pose in poses)
    scale = min((HEIGHT - 18) / max(high, 1e-9), (CELL / 2 - 5) / max(wide, 1e-9))
    people = []
    for place, (name, pose) in enumerate(poses):
        middle = (place + 0.5) * CELL
        pixels = np.stack([middle + scale * pose[0], HEIGHT - 6 - scale * pose[1]])
        people.append(_figure(pixels, motions.skeleton) + _caption(name, middle))
    width, height = CELL * len(poses), HEIGHT + CAPTION
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="one pose of each of {len(poses)} classes" '
        f'stroke-linecap="round" stroke-width="3" fill="none">{"".join(people)}</svg>'
    )


def _poses(motions: Motions) -> list[tuple[str, np.ndarray]]:
    """Class names and poses (2, V): right and up, above the lowest joint and beside the middle of the body."""
    labels = np.unique(motions.label)
    labels = labels[np.unique(np.linspace(0, len(labels) - 1, min(POSES, len(labels))).round().astype(int))]
    poses = []
    for label in labels:
        row = int(np.flatnonzero(motions.label == label)[0])
        motion = np.asarray(motions.select([row]).upright().motion[0], dtype=np.float64)  # (C, T, V)
        bodies = motion[:, np.isfinite(motion).all(axis=(0, 2)) & (motion != 0).any(axis=(0, 2))]
        if not bodies.shape[1]:
            continue
        change = np.square(bodies - bodies[:, :1]).sum(axis=(0, 2))
        pose = bodies[:, change.argmax()]  # (C, V): least like the first one, which often just stands
        right = pose[0] if len(pose) == 2 else -pose[0] * math.cos(TURN) - pose[2] * math.sin(TURN)
        right = right - (right.min() + right.max()) / 2
        poses.append((motions.class_names[label], np.stack([right, pose[1] - pose[1].min()])))
    return poses


def _figure(pixels: np.ndarray, skeleton: Skeleton) -> str:
    """A stick figure with its joints at pixels (2, V)."""
    x, y = pixels
    lines = dict.fromkeys(COLOURS, "")
    for a, b in skeleton.bones:
        lines[skeleton.side(a, b)] += f"M{x[a]:.1f} {y[a]:.1f}L{x[b]:.1f} {y[b]:.1f}"
    figure = "".join(f'<path d="{path}" stroke="{COLOURS[side]}"/>' for side, path in lines.items() if path)
    if (head := skeleton.head) is not None:
        figure += f'<circle cx="{x[head]:.1f}" cy="{y[head]:.1f}" r="5" fill="currentColor"/>'
    return figure


def _caption(name: str, middle: float) -> str:
    return (
        f'<text x="{middle:.0f}" y="{HEIGHT + 12}" text-anchor="middle" font-size="11" fill="currentColor">'
        f"{escape(safe_line(name, 14))}<title>{_text(name)}</title></text>"
    )
