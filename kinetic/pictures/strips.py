"""Still pictures of motions: a row or a cell for each, and clips of several bodies side by side in time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinetic.files import checked_target
from kinetic.pictures.drawing import (
    LEAVES,
    Camera,
    Canvas,
    checked_motions,
    checked_titles,
    extent,
    grounded,
    rooted,
    save_image,
)
from kinetic.skeleton import Skeleton

__all__ = ["clip_strip", "filmstrip", "sheet"]


def filmstrip(
    motion: Any,
    skeleton: Skeleton,
    path: str | os.PathLike[str],
    *,
    titles: Sequence[str] | None = None,
    frames: int = 8,
) -> Path:
    """Write a PNG with a row for each motion (N, C, T, V): `frames` poses in time order, the title on the left.

    All rows have one scale, which fits most of the motions; poses that leave their frame are cut off and marked.

    Raises:
        ValueError: for another suffix, other shapes, or coordinates that are not finite
    """
    motion = checked_motions(motion, skeleton)
    target = checked_target(path, (".png",))
    names = checked_titles(titles, len(motion))
    if frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}")
    times = np.linspace(0, motion.shape[2] - 1, frames).round().astype(int)
    view = grounded(rooted(Camera().see(motion), skeleton))[:, :, times]
    half, high, leaves = extent(view)
    margin = 118 if any(names) else 10
    cell = (1000 - margin - 10) / frames
    scale = min(cell / (1.75 * half), 150 / high)
    height = scale * high + 26
    canvas = Canvas(1000, round(height * len(motion)))
    for row, (poses, name) in enumerate(zip(view, names, strict=True)):
        bottom = (row + 1) * height - 10
        canvas.floor(margin, 990, bottom + 2)
        canvas.text(10, bottom - height / 2 + 8, name, 14, "lm", margin - 14)
        for i in range(frames):
            left = margin + i * cell
            inside = (left, row * height + 2, left + cell, bottom + 1) if leaves[row] else None
            canvas.person(poses[:, i], skeleton, at=(left + cell / 2, bottom), scale=scale, inside=inside)
        if leaves[row]:
            canvas.text(margin, row * height + 2, LEAVES, 10)
    return save_image(target, canvas.done())


def sheet(
    motion: Any, skeleton: Skeleton, path: str | os.PathLike[str], *, titles: Sequence[str] | None = None
) -> Path:
    """Write a contact sheet as PNG: a cell for each motion (N, C, T, V), with five poses from pale to dark.

    Raises:
        ValueError: for another suffix, other shapes, or coordinates that are not finite
    """
    motion = checked_motions(motion, skeleton)
    target = checked_target(path, (".png",))
    names = checked_titles(titles, len(motion))
    frames = 5
    times = np.linspace(0, motion.shape[2] - 1, frames).round().astype(int)
    view = grounded(rooted(Camera().see(motion), skeleton))[:, :, times]
    half, high, leaves = extent(view)
    columns = min(4, len(motion))
    rows = -(-len(motion) // columns)
    width = 1000 / columns
    step = width / (frames + 0.6)
    scale = min(step / (1.15 * half), 150 / high)
    height = scale * high + 34
    canvas = Canvas(1000, round(rows * height))
    for i, (poses, name) in enumerate(zip(view, names, strict=True)):
        left, bottom = (i % columns) * width, (i // columns + 1) * height - 8
        canvas.floor(left + 8, left + width - 8, bottom + 2)
        canvas.text(left + width / 2, bottom - height + 12, name, 13, "ma", width - 20)
        inside = (left + 8, bottom - height + 28, left + width - 8, bottom + 1) if leaves[i] else None
        for j in range(frames):
            at, fade = (left + (j + 0.8) * step, bottom), 0.55 * (1 - j / (frames - 1))
            canvas.person(poses[:, j], skeleton, at=at, scale=scale, fade=fade, inside=inside)
        if leaves[i]:
            canvas.text(left + 10, bottom - height + 28, LEAVES, 10)
    return save_image(target, canvas.done())


def clip_strip(
    clips: Sequence[np.ndarray],
    skeleton: Skeleton,
    path: str | os.PathLike[str],
    *,
    titles: Sequence[str] | None = None,
    up: Sequence[int] | None = None,
    frames: int = 7,
) -> Path:
    """Write a PNG with a row for each clip (M, T, V, 3) of M bodies, in the coordinates of the clip.

    A row shows `frames` frames of its clip, from the first to the last; clips may differ in length. A grey cross is the
    origin of the coordinates, and stands alone in a frame without a body. The second body is paler.

    Args:
        titles: one for each clip; a newline begins a new line
        up: the axis (1 or 2) of each clip that points up; None = y

    Raises:
        ValueError: for another suffix, other shapes, or coordinates that are not finite
    """
    target = checked_target(path, (".png",))
    names = checked_titles(titles, len(clips))
    axes = [1] * len(clips) if up is None else list(up)
    if frames < 1 or len(axes) != len(clips) or not clips:
        raise ValueError(
            f"expected clips, an axis for each and at least one frame, "
            f"got {len(clips)} clips, axes {up} and {frames} frames"
        )
    rows = []
    for clip, axis in zip(clips, axes, strict=True):
        if clip.ndim != 4 or clip.shape[2:] != (len(skeleton.joints), 3) or not clip.size:
            raise ValueError(f"expected clips (M, T, {len(skeleton.joints)}, 3), got shape {clip.shape}")
        if not np.isfinite(clip).all():
            raise ValueError("a clip holds NaN or infinite coordinates")
        times = np.linspace(0, clip.shape[1] - 1, frames).round().astype(int)
        right, high, near = -clip[..., 0], clip[..., axis], -clip[..., 3 - axis]  # as the camera sees it
        rows.append(np.stack([right, high, near], axis=2)[:, times])  # (M, frames, 3, V)
    west = min(float(row[:, :, 0].min()) for row in rows)
    east = max(float(row[:, :, 0].max()) for row in rows)
    reach = [(float(row[:, :, 1].min()) - 0.1, float(row[:, :, 1].max()) + 0.2) for row in rows]
    margin, space = 150, 14
    cell = (1000 - margin - 10) / frames
    scale = min(cell / max(0.8, east - west + 0.3), 150 / max(top - low for low, top in reach))
    heights = [scale * (top - low) + space for low, top in reach]
    canvas = Canvas(1000, round(sum(heights)))
    bottom = 0.0
    for row, name, height, (low, _) in zip(rows, names, heights, reach, strict=True):
        bottom += height
        ground = bottom - space / 2 + scale * low
        lines = name.split("\n")
        for i, line in enumerate(lines):
            y = bottom - height / 2 + (i - (len(lines) - 1) / 2) * 17
            canvas.text(10, y, line, 14 if i == 0 else 11, "lm", margin - 14)
        canvas.floor(0, 1000, bottom)
        for i in range(frames):
            x = margin + (i + 0.5) * cell - scale * (west + east) / 2
            canvas.cross(x, ground)
            for body in reversed(range(len(row))):
                if row[body, i].any():
                    canvas.person(row[body, i], skeleton, at=(x, ground), scale=scale, fade=0.55 * body)
    return save_image(target, canvas.done())
