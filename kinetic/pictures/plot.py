"""Still pictures and animations of motions and skeletons, without a screen.

People are shown as the camera sees them: Kinect data has x to the sensor's left, so picture x is -x, and a person who
faces the camera has the left hand on the right of the picture.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kinetic.files import checked_target, replacing
from kinetic.messages import safe_line
from kinetic.pictures.charts import new_figure, plain_style, save_figure
from kinetic.pictures.framing import body_size, room
from kinetic.skeleton import Skeleton, SkeletonPyramid
from kinetic.version import install_hint

__all__ = ["animate", "clip_strip", "filmstrip", "sheet", "skeleton_levels"]

LEFT, RIGHT, MIDDLE = (33, 113, 181), (214, 69, 46), (45, 48, 56)
FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf").as_posix()
PAPER, FLOOR, CROSS, INK = (255, 255, 255), (222, 224, 229), (150, 152, 160), (40, 42, 48)
LEAVES = "leaves the frame"
FAR = 1e5
"""Pixels, beyond which all is equally far."""
SMOOTH = 3
"""Pictures are drawn this much larger and then shrunk, which smooths edges."""


@dataclass(frozen=True)
class _Camera:
    """From coordinates to the plane of the picture: x to the right, y up, and depth towards the viewer."""

    turn: float = math.radians(20)
    tilt: float = math.radians(8)

    def see(self, motion: np.ndarray) -> np.ndarray:
        """(..., C, T, V) -> (..., 3, T, V). Two coordinates are shown as they are, y up."""
        if motion.shape[-3] == 2:
            x, y = np.moveaxis(motion, -3, 0)
            return np.stack([x, y, np.zeros_like(x)], axis=-3)
        x, y, z = np.moveaxis(motion, -3, 0)
        right, near = -x, -z
        right, near = (
            right * math.cos(self.turn) + near * math.sin(self.turn),
            near * math.cos(self.turn) - right * math.sin(self.turn),
        )
        near = near - near.mean(axis=-1, keepdims=True)  # the floor stays where it is when a person walks away
        up = y * math.cos(self.tilt) - near * math.sin(self.tilt)
        return np.stack([right, up, near], axis=-3)


def _motions(motion: Any, skeleton: Skeleton) -> np.ndarray:
    motion = np.asarray(motion, dtype=np.float64)
    motion = motion[None] if motion.ndim == 3 else motion
    if motion.ndim != 4 or motion.shape[1] not in (2, 3) or motion.shape[3] != len(skeleton.joints):
        raise ValueError(
            f"expected motions (N, C, T, V) of {len(skeleton.joints)} joints in 2 or 3 coordinates, got {motion.shape}"
        )
    if motion.size == 0:
        raise ValueError(f"there is nothing to draw: the motions have shape {motion.shape}")
    bad = np.argwhere(~np.isfinite(motion).all(axis=(1, 3)))
    if len(bad):
        raise ValueError(f"motion {bad[0, 0]} holds NaN or infinite coordinates in frame {bad[0, 1]}")
    return motion


def _titles(titles: Sequence[str] | None, n: int) -> list[str]:
    if titles is None:
        return [""] * n
    if len(titles) != n:
        raise ValueError(f"expected a title for each of {n} motions, got {len(titles)}")
    return [str(title) for title in titles]


def _sides(skeleton: Skeleton) -> list[tuple[int, int, tuple[int, int, int]]]:
    """Bones with their colours."""
    colours = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}
    return [(a, b, colours[skeleton.side(a, b)]) for a, b in skeleton.bones]


class _Canvas:
    """A picture in which persons are drawn in metres."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.image = Image.new("RGB", (width * SMOOTH, height * SMOOTH), PAPER)
        self.pen = ImageDraw.Draw(self.image)

    def person(
        self,
        pose: np.ndarray,
        skeleton: Skeleton,
        *,
        at: tuple[float, float],
        scale: float,
        fade: float = 0.0,
        inside: tuple[float, float, float, float] | None = None,
    ) -> None:
        """A pose (3, V) with its origin at a pixel, `scale` pixels per metre; far limbs first.

        Args:
            inside: left, upper, right and lower edge, beyond which nothing of it is drawn; None = everywhere
        """
        x, y = at[0] * SMOOTH + pose[0] * scale * SMOOTH, at[1] * SMOOTH - pose[1] * scale * SMOOTH
        x, y = np.clip(x, -FAR, FAR), np.clip(y, -FAR, FAR)
        left, upper, right, lower = (0.0, 0.0, *self.size) if inside is None else inside
        box = (round(left * SMOOTH), round(upper * SMOOTH), round(right * SMOOTH), round(lower * SMOOTH))
        part = self.image if inside is None else self.image.crop(box)
        pen, x, y = ImageDraw.Draw(part), x - box[0], y - box[1]
        thick = max(2.0, 0.052 * scale * SMOOTH)
        bones = sorted(_sides(skeleton), key=lambda bone: pose[2, bone[0]] + pose[2, bone[1]])
        for a, b, colour in bones:
            colour = _faded(colour, fade)
            pen.line([(x[a], y[a]), (x[b], y[b])], fill=colour, width=round(thick))
            for joint in (a, b):
                _dot(pen, x[joint], y[joint], thick / 2, colour)
        if (head := skeleton.head) is not None:
            _dot(pen, x[head], y[head], 0.085 * scale * SMOOTH, _faded(MIDDLE, fade))
        if part is not self.image:
            self.image.paste(part, box)

    def floor(self, x0: float, x1: float, y: float) -> None:
        self.pen.line([(x0 * SMOOTH, y * SMOOTH), (x1 * SMOOTH, y * SMOOTH)], fill=FLOOR, width=2 * SMOOTH)

    def cross(self, x: float, y: float) -> None:
        for across, along in ((6, 0), (0, 6)):
            ends = [((x + sign * across) * SMOOTH, (y + sign * along) * SMOOTH) for sign in (-1, 1)]
            self.pen.line(ends, fill=CROSS, width=2 * SMOOTH)

    def text(self, x: float, y: float, text: str, size: float, anchor: str = "la", width: float | None = None) -> None:
        """A text in one line, with as much cut out of its middle as does not fit."""
        font = ImageFont.truetype(FONT, size * SMOOTH)
        text = safe_line(text)
        shown, left = text, len(text)
        while width is not None and left > 2 and self.pen.textlength(shown, font=font) > width * SMOOTH:
            left -= 1  # out of the middle: names often differ at their ends
            shown = f"{text[: left - left // 2]}…{text[len(text) - left // 2 :]}"
        self.pen.text((x * SMOOTH, y * SMOOTH), shown, fill=INK, font=font, anchor=anchor)

    def done(self) -> Image.Image:
        return self.image.resize(self.size, Image.Resampling.BOX)


def _dot(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
    pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)


def _faded(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    r, g, b = (round(c + (p - c) * share) for c, p in zip(colour, PAPER, strict=True))
    return r, g, b


def _rooted(seen: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Each pose moved so that the centre joint is at x 0; up and down stay: (N, 3, T, V)."""
    seen = seen.copy()
    seen[:, 0] -= seen[:, 0, :, skeleton.center, None]
    return seen


def _grounded(seen: np.ndarray) -> np.ndarray:
    """Each motion moved so that its feet are at y 0 when they are lowest: (N, 3, T, V)."""
    seen = seen.copy()
    lowest = np.quantile(seen[:, 1].min(axis=2), 0.05, axis=1)  # (N,): robust against a single wild frame
    seen[:, 1] -= lowest[:, None, None]
    return seen


def _extent(seen: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Half width and height of a frame for motions (N, 3, T, V), and which of them leave it: (N,)."""
    reach, size = np.quantile(np.abs(seen[:, :2]), 0.999, axis=(2, 3)), body_size(seen)  # but for single wild joints
    half, high = (room(each, size) for each in reach.T)
    leaves = (reach > (max(half, 0.6 * high), high)).any(axis=1)  # spread arms are no fault
    high = max(high + 0.12, 0.5)
    return max(half, 0.25 * high), high, leaves


def filmstrip(
    motion: Any,
    skeleton: Skeleton,
    path: str | os.PathLike[str],
    *,
    titles: Sequence[str] | None = None,
    frames: int = 8,
) -> Path:
    """A PNG with a row for each motion (N, C, T, V): `frames` poses in time order, on one scale, titles on the left.

    The scale fits most of the motions; what leaves the frame is cut off there, and the picture says so.

    Raises:
        ValueError: for another suffix, other shapes, or coordinates that are not finite
    """
    motion = _motions(motion, skeleton)
    target = checked_target(path, (".png",))
    names = _titles(titles, len(motion))
    if frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}")
    chosen = np.linspace(0, motion.shape[2] - 1, frames).round().astype(int)
    seen = _grounded(_rooted(_Camera().see(motion), skeleton))[:, :, chosen]
    half, high, leaves = _extent(seen)
    margin = 118 if any(names) else 10
    cell = (1000 - margin - 10) / frames
    scale = min(cell / (1.75 * half), 150 / high)
    height = scale * high + 26
    canvas = _Canvas(1000, round(height * len(motion)))
    for row, (poses, name) in enumerate(zip(seen, names, strict=True)):
        bottom = (row + 1) * height - 10
        canvas.floor(margin, 990, bottom + 2)
        canvas.text(10, bottom - height / 2 + 8, name, 14, "lm", margin - 14)
        for i in range(frames):
            left = margin + i * cell
            inside = (left, row * height + 2, left + cell, bottom + 1) if leaves[row] else None
            canvas.person(poses[:, i], skeleton, at=(left + cell / 2, bottom), scale=scale, inside=inside)
        if leaves[row]:
            canvas.text(margin, row * height + 2, LEAVES, 10)
    return _save(target, canvas.done())


def sheet(
    motion: Any, skeleton: Skeleton, path: str | os.PathLike[str], *, titles: Sequence[str] | None = None
) -> Path:
    """A contact sheet as PNG: a cell for each motion (N, C, T, V), with five poses from pale to dark.

    Raises:
        ValueError: for another suffix, other shapes, or coordinates that are not finite
    """
    motion = _motions(motion, skeleton)
    target = checked_target(path, (".png",))
    names = _titles(titles, len(motion))
    poses = 5
    chosen = np.linspace(0, motion.shape[2] - 1, poses).round().astype(int)
    seen = _grounded(_rooted(_Camera().see(motion), skeleton))[:, :, chosen]
    half, high, leaves = _extent(seen)
    columns = min(4, len(motion))
    rows = -(-len(motion) // columns)
    width = 1000 / columns
    step = width / (poses + 0.6)
    scale = min(step / (1.15 * half), 150 / high)
    height = scale * high + 34
    canvas = _Canvas(1000, round(rows * height))
    for i, (own, name) in enumerate(zip(seen, names, strict=True)):
        left, bottom = (i % columns) * width, (i // columns + 1) * height - 8
        canvas.floor(left + 8, left + width - 8, bottom + 2)
        canvas.text(left + width / 2, bottom - height + 12, name, 13, "ma", width - 20)
        inside = (left + 8, bottom - height + 28, left + width - 8, bottom + 1) if leaves[i] else None
        for j in range(poses):
            at, fade = (left + (j + 0.8) * step, bottom), 0.55 * (1 - j / (poses - 1))
            canvas.person(own[:, j], skeleton, at=at, scale=scale, fade=fade, inside=inside)
        if leaves[i]:
            canvas.text(left + 10, bottom - height + 28, LEAVES, 10)
    return _save(target, canvas.done())


def clip_strip(
    clips: Sequence[np.ndarray],
    skeleton: Skeleton,
    path: str | os.PathLike[str],
    *,
    titles: Sequence[str] | None = None,
    up: Sequence[int] | None = None,
    frames: int = 7,
) -> Path:
    """A PNG with a row for each clip (M, T, V, 3) of M bodies, where they are: nothing is moved to a common place.

    A row has its own number of frames, of which `frames` are shown from first to last. A grey cross is the origin of
    the coordinates, and all that a frame without a body shows; the second body is paler.

    Args:
        titles: one for each clip; lines are separated by a newline
        up: the axis (1 or 2) of each clip that points up; None = y

    Raises:
        ValueError: for another suffix, other shapes, or coordinates that are not finite
    """
    target = checked_target(path, (".png",))
    names = _titles(titles, len(clips))
    axes = [1] * len(clips) if up is None else list(up)
    if frames < 1 or len(axes) != len(clips) or not clips:
        raise ValueError(
            f"expected clips, an axis for each and at least one frame, got {len(clips)}, {up} and {frames}"
        )
    rows = []
    for clip, axis in zip(clips, axes, strict=True):
        if clip.ndim != 4 or clip.shape[2:] != (len(skeleton.joints), 3) or not clip.size:
            raise ValueError(f"expected clips (M, T, {len(skeleton.joints)}, 3), got shape {clip.shape}")
        if not np.isfinite(clip).all():
            raise ValueError("a clip holds NaN or infinite coordinates")
        chosen = np.linspace(0, clip.shape[1] - 1, frames).round().astype(int)
        right, high, near = -clip[..., 0], clip[..., axis], -clip[..., 3 - axis]  # as the camera sees it
        rows.append(np.stack([right, high, near], axis=2)[:, chosen])  # (M, frames, 3, V)
    west = min(float(row[:, :, 0].min()) for row in rows)
    east = max(float(row[:, :, 0].max()) for row in rows)
    reach = [(float(row[:, :, 1].min()) - 0.1, float(row[:, :, 1].max()) + 0.2) for row in rows]
    margin, space = 150, 14
    cell = (1000 - margin - 10) / frames
    scale = min(cell / max(0.8, east - west + 0.3), 150 / max(top - low for low, top in reach))
    heights = [scale * (top - low) + space for low, top in reach]
    canvas = _Canvas(1000, round(sum(heights)))
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
    return _save(target, canvas.done())


def animate(
    motion: Any,
    skeleton: Skeleton,
    path: str | os.PathLike[str],
    *,
    fps: float = 30.0,
    titles: Sequence[str] | None = None,
    size: int = 220,
) -> Path:
    """Motions (N, C, T, V) side by side as .gif, .webp, .apng or .mp4 (the last needs the extra `video`).

    GIF counts time in hundredths of a second: its frames are chosen so that the motion keeps its pace.

    Args:
        fps: frames per second of the motion
        titles: one for each motion
        size: height of a panel, in pixels

    Raises:
        ValueError: for an unknown suffix, other shapes, or coordinates that are not finite
        ModuleNotFoundError: for .mp4 without PyAV, naming the extra
    """
    motion = _motions(motion, skeleton)
    target = checked_target(path, tuple(WRITERS))
    names = _titles(titles, len(motion))
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be positive, got {fps}")
    seen = _Camera().see(motion)
    seen[:, 0] -= seen[:, 0, :, skeleton.center].mean(axis=1)[:, None, None]
    seen = _grounded(seen)
    half, high, leaves = _extent(seen)
    columns = min(len(motion), 4)
    rows = -(-len(motion) // columns)
    scale = (size - 34) / high
    width = max(2.15 * half * scale, 0.55 * size)

    def frame(t: int) -> Image.Image:
        canvas = _Canvas(2 * round(columns * width / 2), 2 * round(rows * size / 2))
        for i, name in enumerate(names):
            left, bottom = (i % columns) * width, (i // columns + 1) * size - 10
            canvas.floor(left + 8, left + width - 8, bottom + 2)
            canvas.text(left + width / 2, bottom - size + 14, name, 12, "ma", width - 10)
            inside = (left + 8, bottom - size + 30, left + width - 8, bottom + 1) if leaves[i] else None
            canvas.person(seen[i][:, t], skeleton, at=(left + width / 2, bottom), scale=scale, inside=inside)
            if leaves[i]:
                canvas.text(left + 10, bottom - size + 28, LEAVES, 9)
        return canvas.done()

    with replacing(target) as beside:
        WRITERS[target.suffix.lower()](beside, frame, motion.shape[2], fps)
    return target


def _write_gif(path: Path, frame: Callable[[int], Image.Image], count: int, fps: float) -> None:
    """Frames at whole hundredths of a second, at least two, which viewers keep."""
    step = max(2, round(100 / fps))
    shown = max(1, round(count * 100 / fps / step))
    images = [frame(min(count - 1, round(i * step * fps / 100))) for i in range(shown)]
    palette = _palette()
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    images[0].save(path, "GIF", save_all=True, append_images=images[1:], duration=step * 10, loop=0)


def _palette() -> Image.Image:
    """The colours of a drawing and what lies between them and the paper, so that the paper of a GIF stays white."""
    shades = [_faded(colour, share / 24) for colour in (LEFT, RIGHT, MIDDLE, INK) for share in range(25)]
    shades.append(FLOOR)
    image = Image.new("P", (1, 1))
    image.putpalette([value for shade in shades for value in shade])
    return image


def _write_pillow(kind: str, **options: Any) -> Callable[[Path, Callable[[int], Image.Image], int, float], None]:
    def write(path: Path, frame: Callable[[int], Image.Image], count: int, fps: float) -> None:
        marks = [round(1000 * i / fps) for i in range(count + 1)]
        duration = [b - a for a, b in zip(marks, marks[1:], strict=False)]
        images = [frame(t) for t in range(count)]
        images[0].save(path, kind, save_all=True, append_images=images[1:], duration=duration, loop=0, **options)

    return write


def _write_mp4(path: Path, frame: Callable[[int], Image.Image], count: int, fps: float) -> None:
    try:
        import av
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"an .mp4 needs PyAV: {install_hint('video')}; or choose .gif or .webp") from error
    with av.open(str(path), "w", format="mp4") as file:
        stream: Any = None
        for t in range(count):
            image = frame(t)
            if stream is None:
                stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
                stream.width, stream.height, stream.pix_fmt = image.width, image.height, "yuv420p"
                stream.options = {"crf": "20"}
            for packet in stream.encode(av.VideoFrame.from_image(image)):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)


WRITERS: dict[str, Callable[[Path, Callable[[int], Image.Image], int, float], None]] = {
    ".gif": _write_gif,
    ".webp": _write_pillow("WEBP", quality=85, method=2),
    ".apng": _write_pillow("PNG"),
    ".mp4": _write_mp4,
}


# Where joints are when a person faces the camera: x to the left of the person, on the right of the picture; y up.
REST = {
    "ntu25": "0,0 0,3 0,6.2 0,7.6 1.6,5.3 2.2,3.4 2.6,1.5 2.8,.6 -1.6,5.3 -2.2,3.4 -2.6,1.5 -2.8,.6 .8,-.4 .9,-4 "
    ".9,-7.4 1.5,-8 -.8,-.4 -.9,-4 -.9,-7.4 -1.5,-8 0,5.5 3,-.3 2.3,.1 -3,-.3 -2.3,.1",
    "h36m16": "0,0 -.8,-.2 -.9,-4 -.9,-7.6 .8,-.2 .9,-4 .9,-7.6 0,3 0,5.5 0,7.6 1.6,5.3 2.2,3.4 2.6,1.5 -1.6,5.3 "
    "-2.2,3.4 -2.6,1.5",
    "coco17": "0,7 .5,7.5 -.5,7.5 1.1,7.2 -1.1,7.2 1.6,5.3 -1.6,5.3 2.2,3.4 -2.2,3.4 2.6,1.5 -2.6,1.5 .9,0 -.9,0 "
    ".9,-4 -.9,-4 .9,-7.6 -.9,-7.6",
}


def _layout(skeleton: Skeleton) -> np.ndarray:
    """A place for each joint (V, 2): a standing person where one is known, else the tree from its centre down."""
    known = REST.get(skeleton.name.removesuffix("_2d"), "").split()
    if len(known) == len(skeleton.joints):
        return np.array([[float(value) for value in pair.split(",")] for pair in known])
    parents, place = skeleton.parents(), np.zeros((len(skeleton.joints), 2))
    hops = skeleton.hops()[skeleton.center]
    leaf = 0.0

    def put(joint: int) -> float:
        nonlocal leaf
        xs = [put(int(child)) for child in np.flatnonzero(parents == joint)]
        if not xs:
            leaf += 1
        place[joint] = (float(np.mean(xs)) if xs else leaf), -2.0 * hops[joint]
        return float(place[joint, 0])

    put(skeleton.center)
    return place


@plain_style
def skeleton_levels(pyramid: SkeletonPyramid, path: str | os.PathLike[str]) -> Path:
    """A PNG of all levels of a pyramid: joints with their numbers in the first level, whose names are listed beside."""
    target = checked_target(path, (".png",))
    place = _layout(pyramid.levels[0])
    figure = new_figure(11, 4.6)
    names = pyramid.levels[0].joints
    axes = figure.subplots(1, len(pyramid.levels) + 1, width_ratios=[*[1] * len(pyramid.levels), 0.9])
    for level, (skeleton, keep, ax) in enumerate(zip(pyramid.levels, pyramid.keep, axes, strict=False)):
        own = place[list(keep)]
        for a, b, colour in _sides(skeleton):
            ax.plot(*own[[a, b]].T, color=np.array(colour) / 255, linewidth=2.5, solid_capstyle="round", zorder=1)
        ax.scatter(*own.T, s=120, color="white", edgecolors=np.array(INK) / 255, zorder=2)
        for number, (x, y) in zip(keep, own, strict=True):
            ax.text(x, y, str(number), ha="center", va="center", fontsize=6.5, zorder=3)
        ax.set_title(f"level {level}: {len(keep)} joint{'s' if len(keep) > 1 else ''}", fontsize=10)
        ax.set_xlim(place[:, 0].min() - 1, place[:, 0].max() + 1)
        ax.set_ylim(place[:, 1].min() - 1, place[:, 1].max() + 1)
    for ax in axes:
        ax.axis("off")
    half = -(-len(names) // 2) if len(names) > 20 else len(names)
    for column, begin in enumerate(range(0, len(names), half)):
        text = "\n".join(f"{i} {safe_line(names[i], 24)}" for i in range(begin, min(begin + half, len(names))))
        axes[-1].text(0.55 * column, 0.95, text, fontsize=6.5, va="top", transform=axes[-1].transAxes, parse_math=False)
    return save_figure(figure, target)


def _save(target: Path, image: Image.Image) -> Path:
    with replacing(target) as beside:
        image.save(beside, "PNG")
    return target
