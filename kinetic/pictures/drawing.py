"""People on a canvas without a screen: the camera, the pen, and the frame around motions.

The camera sees people as a Kinect does: its x points to the sensor's left, so picture x is -x, and a person who faces
the camera has the left hand on the right of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kinetic.files import replacing
from kinetic.messages import safe_line
from kinetic.pictures.framing import body_size, room
from kinetic.skeleton import Skeleton

__all__ = [
    "CROSS",
    "FLOOR",
    "INK",
    "LEAVES",
    "LEFT",
    "MIDDLE",
    "RIGHT",
    "Camera",
    "Canvas",
    "bone_colours",
    "checked_motions",
    "checked_titles",
    "extent",
    "faded",
    "grounded",
    "rooted",
    "save_image",
]

LEFT, RIGHT, MIDDLE = (33, 113, 181), (214, 69, 46), (45, 48, 56)
FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf").as_posix()
PAPER, FLOOR, CROSS, INK = (255, 255, 255), (222, 224, 229), (150, 152, 160), (40, 42, 48)
LEAVES = "leaves the frame"
FAR = 1e5
"""Pixels to which coordinates are clipped."""
SMOOTH = 3
"""Scale of the canvas, which is shrunk to the picture at the end so that edges are smooth."""


# ------------------------------------------------------------------------------------------------------------- checking


def checked_motions(motion: Any, skeleton: Skeleton) -> np.ndarray:
    """Motions (N, C, T, V) as float64; one motion (C, T, V) becomes a batch of one.

    Raises:
        ValueError: for other shapes, no motions, or coordinates that are not finite
    """
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


def checked_titles(titles: Sequence[str] | None, n: int) -> list[str]:
    """A title for each of `n` motions, empty ones for None. Raises ValueError for another number of titles."""
    if titles is None:
        return [""] * n
    if len(titles) != n:
        raise ValueError(f"expected a title for each of {n} motions, got {len(titles)}")
    return [str(title) for title in titles]


# ------------------------------------------------------------------------------------------------- camera and placement


@dataclass(frozen=True)
class Camera:
    """Projects coordinates to the plane of the picture: x to the right, y up, and depth towards the viewer."""

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


def rooted(view: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Poses with the centre joint at x 0 in every frame; their heights stay: (N, 3, T, V)."""
    view = view.copy()
    view[:, 0] -= view[:, 0, :, skeleton.center, None]
    return view


def grounded(view: np.ndarray) -> np.ndarray:
    """Motions with their lowest feet at y 0: (N, 3, T, V)."""
    view = view.copy()
    lowest = np.quantile(view[:, 1].min(axis=2), 0.05, axis=1)  # (N,): robust against a single wild frame
    view[:, 1] -= lowest[:, None, None]
    return view


def extent(view: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Half width and height of a frame for motions (N, 3, T, V), and which of them leave it: (N,)."""
    reach, size = np.quantile(np.abs(view[:, :2]), 0.999, axis=(2, 3)), body_size(view)  # but for single wild joints
    half, high = (room(distances, size) for distances in reach.T)
    leaves = (reach > (max(half, 0.6 * high), high)).any(axis=1)  # spread arms are no fault
    high = max(high + 0.12, 0.5)
    return max(half, 0.25 * high), high, leaves


# -------------------------------------------------------------------------------------------------------------- drawing


def bone_colours(skeleton: Skeleton) -> list[tuple[int, int, tuple[int, int, int]]]:
    """The bones of a skeleton with their colours: (joint, joint, colour)."""
    colours = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}
    return [(a, b, colours[skeleton.side(a, b)]) for a, b in skeleton.bones]


class Canvas:
    """A picture in which people are drawn in metres."""

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
        """Draw a pose (3, V), far limbs first.

        Args:
            at: the pixel of its origin
            scale: pixels per metre
            fade: share of paper in its colours
            inside: left, upper, right and lower edge, where the pose is cut off; None = nowhere
        """
        x, y = at[0] * SMOOTH + pose[0] * scale * SMOOTH, at[1] * SMOOTH - pose[1] * scale * SMOOTH
        x, y = np.clip(x, -FAR, FAR), np.clip(y, -FAR, FAR)
        left, upper, right, lower = (0.0, 0.0, *self.size) if inside is None else inside
        box = (round(left * SMOOTH), round(upper * SMOOTH), round(right * SMOOTH), round(lower * SMOOTH))
        part = self.image if inside is None else self.image.crop(box)
        pen, x, y = ImageDraw.Draw(part), x - box[0], y - box[1]
        thick = max(2.0, 0.052 * scale * SMOOTH)
        bones = sorted(bone_colours(skeleton), key=lambda bone: pose[2, bone[0]] + pose[2, bone[1]])
        for a, b, colour in bones:
            colour = faded(colour, fade)
            pen.line([(x[a], y[a]), (x[b], y[b])], fill=colour, width=round(thick))
            for joint in (a, b):
                _dot(pen, x[joint], y[joint], thick / 2, colour)
        if (head := skeleton.head) is not None:
            _dot(pen, x[head], y[head], 0.085 * scale * SMOOTH, faded(MIDDLE, fade))
        if part is not self.image:
            self.image.paste(part, box)

    def floor(self, x0: float, x1: float, y: float) -> None:
        self.pen.line([(x0 * SMOOTH, y * SMOOTH), (x1 * SMOOTH, y * SMOOTH)], fill=FLOOR, width=2 * SMOOTH)

    def cross(self, x: float, y: float) -> None:
        for across, along in ((6, 0), (0, 6)):
            ends = [((x + sign * across) * SMOOTH, (y + sign * along) * SMOOTH) for sign in (-1, 1)]
            self.pen.line(ends, fill=CROSS, width=2 * SMOOTH)

    def text(self, x: float, y: float, text: str, size: float, anchor: str = "la", width: float | None = None) -> None:
        """Write a text in one line; a text wider than `width` loses its middle."""
        font = ImageFont.truetype(FONT, size * SMOOTH)
        text = safe_line(text)
        line, letters = text, len(text)
        while width is not None and letters > 2 and self.pen.textlength(line, font=font) > width * SMOOTH:
            letters -= 1  # out of the middle: names often differ at their ends
            line = f"{text[: letters - letters // 2]}…{text[len(text) - letters // 2 :]}"
        self.pen.text((x * SMOOTH, y * SMOOTH), line, fill=INK, font=font, anchor=anchor)

    def done(self) -> Image.Image:
        """The finished picture."""
        return self.image.resize(self.size, Image.Resampling.BOX)


def faded(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    """A colour mixed with a share of paper: 0 = the colour, 1 = paper."""
    r, g, b = (round(c + (p - c) * share) for c, p in zip(colour, PAPER, strict=True))
    return r, g, b


def save_image(target: Path, image: Image.Image) -> Path:
    """Write an image as PNG, whole or not at all."""
    with replacing(target) as beside:
        image.save(beside, "PNG")
    return target


def _dot(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
    pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
