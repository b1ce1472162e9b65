"""Animations of motions: people side by side in a .gif, .webp, .apng or .mp4 file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from kinetic.files import checked_target, replacing
from kinetic.pictures.drawing import (
    FLOOR,
    INK,
    LEAVES,
    LEFT,
    MIDDLE,
    RIGHT,
    Camera,
    Canvas,
    checked_motions,
    checked_titles,
    extent,
    faded,
    grounded,
)
from kinetic.skeleton import Skeleton
from kinetic.version import install_hint

__all__ = ["WRITERS", "animate"]


def animate(
    motion: Any,
    skeleton: Skeleton,
    path: str | os.PathLike[str],
    *,
    fps: float = 30.0,
    titles: Sequence[str] | None = None,
    size: int = 220,
) -> Path:
    """Write motions (N, C, T, V) side by side as .gif, .webp, .apng or .mp4 (the last needs the extra `video`).

    GIF counts time in hundredths of a second, so a GIF drops or repeats frames to keep the pace of the motion.

    Args:
        fps: frames per second of the motion
        titles: one for each motion
        size: height of a panel, in pixels

    Raises:
        ValueError: for an unknown suffix, other shapes, or coordinates that are not finite
        ModuleNotFoundError: for .mp4 without PyAV, naming the extra
    """
    motion = checked_motions(motion, skeleton)
    target = checked_target(path, tuple(WRITERS))
    names = checked_titles(titles, len(motion))
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be positive, got {fps}")
    view = Camera().see(motion)
    view[:, 0] -= view[:, 0, :, skeleton.center].mean(axis=1)[:, None, None]
    view = grounded(view)
    half, high, leaves = extent(view)
    columns = min(len(motion), 4)
    rows = -(-len(motion) // columns)
    scale = (size - 34) / high
    width = max(2.15 * half * scale, 0.55 * size)

    def frame(t: int) -> Image.Image:
        canvas = Canvas(2 * round(columns * width / 2), 2 * round(rows * size / 2))
        for i, name in enumerate(names):
            left, bottom = (i % columns) * width, (i // columns + 1) * size - 10
            canvas.floor(left + 8, left + width - 8, bottom + 2)
            canvas.text(left + width / 2, bottom - size + 14, name, 12, "ma", width - 10)
            inside = (left + 8, bottom - size + 30, left + width - 8, bottom + 1) if leaves[i] else None
            canvas.person(view[i][:, t], skeleton, at=(left + width / 2, bottom), scale=scale, inside=inside)
            if leaves[i]:
                canvas.text(left + 10, bottom - size + 28, LEAVES, 9)
        return canvas.done()

    with replacing(target) as beside:
        WRITERS[target.suffix.lower()](beside, frame, motion.shape[2], fps)
    return target


def _write_gif(path: Path, frame: Callable[[int], Image.Image], count: int, fps: float) -> None:
    """Write frames that last whole hundredths of a second, at least two: viewers slow down shorter ones."""
    step = max(2, round(100 / fps))
    steps = max(1, round(count * 100 / fps / step))
    images = [frame(min(count - 1, round(i * step * fps / 100))) for i in range(steps)]
    palette = _palette()
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    images[0].save(path, "GIF", save_all=True, append_images=images[1:], duration=step * 10, loop=0)


def _palette() -> Image.Image:
    """The colours of a drawing in 25 shades from full to paper, so that the paper of a GIF stays white."""
    shades = [faded(colour, share / 24) for colour in (LEFT, RIGHT, MIDDLE, INK) for share in range(25)]
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
"""Endings and what writes such a file: path, frame number -> picture, number of frames, frames per second."""
