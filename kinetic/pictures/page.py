"""Pages of tables, pictures, texts and motions that play: one HTML file, complete in itself."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from kinetic.files import checked_target, read_bytes, replacing
from kinetic.pictures.framing import body_size, room
from kinetic.skeleton import Skeleton

__all__ = ["PictureBlock", "Scene", "TableBlock", "TableCell", "TextBlock", "write_page"]

STEP = 0.00025
"""Metres between two stored coordinates: 16 bits reach from -8.19 to 8.19 m, with an error of at most 0.125 mm."""

LARGEST_CODE = 32767
"""The largest stored number; the step of a clip that reaches further than 8.19 m grows until the clip fits."""

FURTHEST = 1e6
"""The largest coordinate that a scene accepts, in metres."""

MARGIN = 0.12
"""Metres added around the motions of a frame: heads and hands are thicker than joints."""

STRETCH = (1.5, 0.3)
"""A frame grows for a motion whose reach is at most 1.5 times that of its reference plus 0.3 m."""

SMALLEST = 0.3
"""Metres of the smallest frame; a smaller one would magnify motions that hardly move."""

DIRECTIONS = ("to a side", "forwards or backwards", "below its feet", "upwards")


@dataclass(frozen=True)
class Scene:
    """Motions side by side under one clock: rows such as classes, columns such as real motions and recipes.

    Args:
        name: heading, such as the name of a benchmark
        skeleton: of all motions
        fps: frames per second of all motions
        columns: names from left to right
        rows: names from top to bottom
        clips: (row, column) -> motions (K, C, T, V) in metres, y up, C 2 or 3; pairs may be missing, K and T may
            differ. Three coordinates are shown as the camera sees them: x to its left, z away from it.
        reference: a column, such as that of real motions, whose motions always fit into their frames. The frame of a
            row fits its reference (those of all rows when it has none) and motions that reach not much further.
            Without a reference column it fits most motions of the row. Motions that leave their frame are cut off and
            marked.

    Raises:
        ValueError: for repeated names, clips of unknown rows or columns, no clips, an unknown reference, other shapes,
            or coordinates that are not finite or further than 1000 km away
    """

    name: str
    skeleton: Skeleton
    fps: float
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    clips: Mapping[tuple[str, str], np.ndarray]
    reference: str | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"{self.name}: fps must be positive, got {self.fps}")
        for what, names in (("row", self.rows), ("column", self.columns)):
            if repeated := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"{self.name}: two {what}s are called {repeated[0]!r}")
        if not self.clips:
            raise ValueError(f"{self.name}: there are no motions to show")
        if self.reference is not None and self.reference not in self.columns:
            raise ValueError(f"{self.name}: the reference {self.reference!r} is no column")
        for (row, column), motion in self.clips.items():
            where = f"{self.name}, {column}, {row}"
            if row not in self.rows or column not in self.columns:
                raise ValueError(f"{where}: there is no such row and column")
            _check(np.asarray(motion), len(self.skeleton.joints), where)
        if len({np.shape(motion)[1] for motion in self.clips.values()}) > 1:
            raise ValueError(f"{self.name}: some motions have 2 coordinates and some 3, expected the same for all")

    def frames(self) -> dict[str, tuple[float, float, float, float]]:
        """Frames by row: metres from the middle to the sides, to front and back, to the bottom and to the top.

        The middle of a motion is the middle of its path, on the floor.
        """
        placed = {pair: _placed(np.asarray(motion), self.skeleton.center) for pair, motion in self.clips.items()}
        references = [reach for (_, column), (_, reach, _) in placed.items() if column == self.reference]
        frames = {}
        for row in dict.fromkeys(row for row, _ in placed):
            cells = {column: (reach, size) for (other, column), (_, reach, size) in placed.items() if other == row}
            reach, size = (np.concatenate(parts) for parts in zip(*cells.values(), strict=True))
            if references:
                reference = [cells[self.reference][0]] if self.reference in cells else references
                least = np.concatenate(reference).max(axis=0)
                near = np.where(reach <= STRETCH[0] * least + STRETCH[1], reach, 0)
                fitted = np.maximum(least, near.max(axis=0))
            else:
                fitted = np.array([room(distances, size) for distances in reach.T])
            sides = np.maximum(fitted, (SMALLEST, SMALLEST, 0, SMALLEST)) + MARGIN
            frames[row] = (float(sides[0]), float(sides[1]), float(sides[2]), float(sides[3]))
        return frames

    def to_dict(self) -> dict[str, Any]:
        """The scene for the script of the page. The data of a clip are little-endian 16-bit numbers (K, T, V, C).

        `step` is the unit of the data, `origin` the middle of each motion, `leaves` where each leaves its frame ("" for
        a motion that stays inside).
        """
        frames = self.frames()
        clips = []
        for i, row in enumerate(self.rows):
            for j, column in enumerate(self.columns):
                if (row, column) in self.clips:
                    motion = np.asarray(self.clips[row, column])
                    origin, reach, _ = _placed(motion, self.skeleton.center)
                    clips.append(
                        {
                            "row": i,
                            "column": j,
                            "origin": origin.round(6).tolist(),
                            "leaves": [_leaves(distances, frames[row]) for distances in reach],
                            **_packed(motion),
                        }
                    )
        return {
            "fps": float(self.fps),
            "columns": list(self.columns),
            "rows": list(self.rows),
            "frames": [frames.get(row) for row in self.rows],
            "bones": [[a, b, self.skeleton.side(a, b)] for a, b in self.skeleton.bones],
            "center": self.skeleton.center,
            "head": self.skeleton.head,
            "clips": clips,
        }


@dataclass(frozen=True)
class TableCell:
    """A text in a table.

    Args:
        note: shown when the pointer rests on the text, and below the table
    """

    text: str
    bold: bool = False
    muted: bool = False
    note: str = ""


@dataclass(frozen=True)
class TableBlock:
    """A table whose first column names its rows.

    Args:
        remarks: paragraphs below it

    Raises:
        ValueError: for a row with more or fewer cells than `head`
    """

    title: str
    head: tuple[str, ...]
    body: tuple[tuple[TableCell, ...], ...]
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for i, row in enumerate(self.body):
            if len(row) != len(self.head):
                raise ValueError(
                    f"{self.title}: row {i} has {len(row)} cells, expected {len(self.head)} as in the head"
                )


@dataclass(frozen=True)
class PictureBlock:
    """A PNG file, whose content becomes part of the page.

    Args:
        alt: a description for readers who cannot see the picture
        caption: the text below the picture
    """

    title: str
    path: str | os.PathLike[str]
    alt: str = ""
    caption: str = ""


@dataclass(frozen=True)
class TextBlock:
    """Paragraphs of plain text."""

    title: str
    paragraphs: tuple[str, ...]


Block = Scene | TableBlock | PictureBlock | TextBlock


def write_page(path: str | os.PathLike[str], *, title: str, blocks: Sequence[Block], subtitle: str = "") -> Path:
    """Write blocks, in their order, as one HTML file; the same blocks give the same bytes.

    Every text is shown letter by letter: HTML in a class name stays text. The security policy of the page runs its own
    script only and loads nothing.

    Raises:
        ValueError: for another suffix, or a picture that is not a PNG
        FileNotFoundError: for a missing folder or picture
    """
    target = checked_target(path, (".html",))
    parts = {name: resources.files(__package__).joinpath(name).read_text("utf-8") for name in PARTS}
    html, script, style = (parts[name] for name in PARTS)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    # UTF-8 holds all letters, in the data as in the text; jinja escapes <, > and & in both.
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    text = environment.from_string(html).render(
        title=title,
        subtitle=subtitle,
        policy=f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        script=Markup(script),
        style=Markup(style),
        blocks=[_plain(block) for block in blocks],
        scenes=[block.to_dict() for block in blocks if isinstance(block, Scene)],
    )
    with replacing(target) as beside:
        beside.write_bytes(text.encode("utf-8", "replace"))  # half a surrogate pair in a name becomes a question mark
    return target


PARTS = ("page.html", "page.js", "page.css")
PNG = b"\x89PNG\r\n\x1a\n"
NUMBER = re.compile(r"[-+\N{MINUS SIGN}]?\.?[0-9].*|\W*|nan|inf", re.DOTALL)
"""Texts that are aligned to the right: numbers, with a unit or an interval or without, and dashes."""


def _check(motion: np.ndarray, joints: int, where: str) -> None:
    if motion.ndim != 4 or motion.shape[1] not in (2, 3) or motion.shape[3] != joints or not motion.size:
        raise ValueError(
            f"{where}: expected motions (K, C, T, V) of {joints} joints in 2 or 3 coordinates, got {motion.shape}"
        )
    good = np.isfinite(motion).all(axis=(1, 3))  # (K, T)
    if not good.all():
        k, t = np.argwhere(~good)[0]
        raise ValueError(f"{where}: motion {k} holds NaN or infinite coordinates in frame {t}")
    if (far := float(np.abs(motion).max())) > FURTHEST:
        raise ValueError(f"{where}: a joint is {far:.3g} m from the origin, expected metres")


def _placed(motion: np.ndarray, center: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middles, reaches and body sizes of motions: (K, C, T, V) -> (K, 3), (K, 4) in the order of `DIRECTIONS`, (K,).

    The middle is that of the path of the centre joint, at the height of the feet (without the lowest twentieth of the
    frames).
    """
    motion = np.asarray(motion, dtype=np.float64)
    flat = motion.shape[1] == 2
    x, y, z = np.moveaxis(motion, 1, 0) if not flat else (*np.moveaxis(motion, 1, 0), np.zeros_like(motion[:, 0]))
    path = np.stack([x[:, :, center], z[:, :, center]])  # (2, K, T)
    middle = (path.min(axis=2) + path.max(axis=2)) / 2
    floor = np.sort(y.min(axis=2), axis=1)[:, int(0.05 * motion.shape[2])]
    origin = np.stack([middle[0], floor, middle[1]], axis=1)
    x, y, z = (part - origin[:, axis, None, None] for axis, part in enumerate((x, y, z)))
    sides = [np.abs(x).max(axis=(1, 2)), np.abs(z).max(axis=(1, 2)), -y.min(axis=(1, 2)), y.max(axis=(1, 2))]
    return origin, np.stack(sides, axis=1), body_size(motion)


def _leaves(reach: np.ndarray, frame: Sequence[float]) -> str:
    """The direction and distance in which a motion leaves its frame, "" for one that stays inside."""
    excess = reach - np.asarray(frame)
    if (excess <= -MARGIN / 2).all():
        return ""
    worst = int(excess.argmax())
    return f"reaches {reach[worst]:.3g} m {DIRECTIONS[worst]}, its frame {frame[worst]:.3g} m"


def _step(motion: np.ndarray) -> float:
    return max(STEP, float(np.abs(motion).max()) / LARGEST_CODE)


def _packed(motion: np.ndarray) -> dict[str, Any]:
    step = _step(motion)
    codes = np.rint(np.asarray(motion, dtype=np.float64) / step).astype("<i2")  # (K, C, T, V)
    k, c, t, _ = codes.shape
    data = base64.b64encode(codes.transpose(0, 2, 3, 1).tobytes()).decode("ascii")
    return {"samples": k, "channels": c, "frames": t, "step": step, "data": data}


def _plain(block: Block) -> dict[str, Any]:
    """The values of a block for the template."""
    match block:
        case Scene():
            step = max(_step(np.asarray(motion)) for motion in block.clips.values())
            return {
                "kind": "scene",
                "title": block.name,
                "rows": block.rows,
                "samples": max(len(motion) for motion in block.clips.values()),
                "frames": max(np.shape(motion)[2] for motion in block.clips.values()),
                "sides": bool(block.skeleton.left),
                "leaving": _leaving(block),
                "coarse": f"Some motions reach so far that they are stored in steps of {1000 * step:.2g} mm."
                if step > STEP
                else "",
            }
        case TableBlock():
            notes = list(dict.fromkeys(cell.note for row in block.body for cell in row if cell.note))
            return {
                "kind": "table",
                "title": block.title,
                "head": block.head,
                "body": block.body,
                "remarks": block.remarks,
                "number": {note: i for i, note in enumerate(notes, start=1)},
                "numeric": [
                    i > 0 and all(NUMBER.fullmatch(row[i].text) for row in block.body) for i in range(len(block.head))
                ],
            }
        case PictureBlock():
            data = read_bytes(block.path)
            if not data.startswith(PNG):
                raise ValueError(f"{block.path}: expected a PNG picture, found something else")
            return {
                "kind": "picture",
                "title": block.title,
                "data": base64.b64encode(data).decode("ascii"),
                "width": int.from_bytes(data[16:20], "big"),
                "height": int.from_bytes(data[20:24], "big"),
                "alt": block.alt or block.title,
                "caption": block.caption,
            }
        case TextBlock():
            return {"kind": "text", "title": block.title, "paragraphs": block.paragraphs}
    raise TypeError(f"expected a Scene, TableBlock, PictureBlock or TextBlock, got {type(block).__name__}")


def _leaving(scene: Scene) -> str:
    """A sentence about the motions that leave their frames, "" when all stay inside."""
    frames, center = scene.frames(), scene.skeleton.center
    leaves = [
        bool(_leaves(reach, frames[row]))
        for (row, _), motion in scene.clips.items()
        for reach in _placed(np.asarray(motion), center)[1]
    ]
    if not any(leaves):
        return ""
    follows = "most of its motions" if scene.reference is None else f"its motions in the column {scene.reference}"
    count = sum(leaves)
    words = f"{count} of {len(leaves)} motions {'leaves its frame' if count == 1 else 'leave their frames'}"
    return f"The scale of a class follows {follows}; {words}, marked by a dashed edge."


def _digest(text: str) -> str:
    """The name of an inline script or style in a security policy: a hash of its text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
