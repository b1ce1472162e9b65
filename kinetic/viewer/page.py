"""One HTML file with tables, pictures, texts and motions to play; it opens from the disk and asks for nothing else."""

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
from kinetic.skeleton import Skeleton

__all__ = ["PictureBlock", "Scene", "TableBlock", "TableCell", "TextBlock", "view", "write_page"]

STEP = 0.00025
"""Metres between two stored coordinates: 16 bits reach from -8.19 to 8.19 m, each at most 0.125 mm off."""

LARGEST_CODE = 32767
"""The largest stored number; where a clip reaches further than 8.19 m, its step grows until the clip fits."""

FURTHEST = 1e6
"""Metres from the origin beyond which nothing is a motion."""


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

    Raises:
        ValueError: for names given twice, clips of rows or columns that are not there or none at all, other shapes,
            coordinates that are not finite or more than 1000 km away
    """

    name: str
    skeleton: Skeleton
    fps: float
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    clips: Mapping[tuple[str, str], np.ndarray]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"{self.name}: fps must be positive, got {self.fps}")
        for what, names in (("row", self.rows), ("column", self.columns)):
            if twice := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"{self.name}: two {what}s are called {twice[0]!r}")
        if not self.clips:
            raise ValueError(f"{self.name}: there are no motions to show")
        for (row, column), motion in self.clips.items():
            where = f"{self.name}, {column}, {row}"
            if row not in self.rows or column not in self.columns:
                raise ValueError(f"{where}: there is no such row and column")
            _check(np.asarray(motion), len(self.skeleton.joints), where)
        if len({np.shape(motion)[1] for motion in self.clips.values()}) > 1:
            raise ValueError(f"{self.name}: some motions have 2 coordinates and some 3, expected the same for all")

    def to_dict(self) -> dict[str, Any]:
        """What the page's script reads. A clip's data are little-endian 16-bit numbers (K, T, V, C) of steps."""
        left, right = set(self.skeleton.left), set(self.skeleton.right)

        def side(a: int, b: int) -> str:
            return "left" if {a, b} & left else "right" if {a, b} & right else "middle"

        clips = []
        for i, row in enumerate(self.rows):
            for j, column in enumerate(self.columns):
                if (row, column) in self.clips:
                    clips.append({"row": i, "column": j, **_packed(np.asarray(self.clips[row, column]))})
        joints = [name.lower() for name in self.skeleton.joints]
        return {
            "fps": float(self.fps),
            "columns": list(self.columns),
            "rows": list(self.rows),
            "bones": [[a, b, side(a, b)] for a, b in self.skeleton.bones],
            "center": self.skeleton.center,
            "head": next((joints.index(name) for name in ("head", "nose") if name in joints), None),
            "clips": clips,
        }


@dataclass(frozen=True)
class TableCell:
    """A text in a table.

    Args:
        note: said where the pointer rests on the text, and below the table
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
        ValueError: where a row has more or fewer cells than `head`
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
    """A PNG file, which the page takes into itself.

    Args:
        alt: what there is to see, for who cannot see it
        caption: below the picture
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
    """Write the blocks, in their order, as one HTML file; the same blocks give the same bytes.

    Every text is shown as it is: what looks like HTML in a class name is not HTML on the page, whose security policy
    lets nothing run but its own script and nothing load from anywhere.

    Raises:
        ValueError: for another suffix, or a picture that is no PNG
        FileNotFoundError: for a missing folder or picture
    """
    target = checked_target(path, (".html",))
    parts = {name: resources.files(__package__).joinpath(name).read_text("utf-8") for name in PARTS}
    html, script, style = (parts[name] for name in PARTS)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    # The file's encoding looks after rare letters, in the data as in the text; <, > and & are escaped in any case.
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


def view(
    motion: np.ndarray,
    label: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    skeleton: Skeleton,
    path: str | os.PathLike[str],
    *,
    fps: float | np.ndarray = 30.0,
    title: str = "Motions",
    most: int = 4,
) -> Path:
    """A page of motions (N, C, T, V): a row for each class that has some, with up to `most` of them side by side.

    Where a class has more, those shown are spread evenly over them; the page says how many there are. Motions that were
    brought to one length have a frame rate each: they are played side by side at the median, and the page says so.

    Args:
        fps: frames per second, one number or one per motion

    Raises:
        ValueError: for labels that are not one per motion or name no class, and for what `Scene` and `write_page`
            refuse
    """
    motion, label = np.asanyarray(motion), np.asarray(label)
    if label.shape != (len(motion),) or not len(motion):
        raise ValueError(f"expected motions and a label for each, got shapes {motion.shape} and {label.shape}")
    if wrong := sorted({int(k) for k in label} - set(range(len(class_names)))):
        raise ValueError(f"label {wrong[0]} names none of the {len(class_names)} classes")
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    counts = np.bincount(label, minlength=len(class_names))
    columns = tuple(f"motion {k + 1}" for k in range(min(most, counts.max())))
    rows, clips = [], {}
    for k in np.flatnonzero(counts).tolist():
        members = np.flatnonzero(label == k)
        row = f"{class_names[k]} ({counts[k]})"
        rows.append(row)
        chosen = members[np.linspace(0, len(members) - 1, min(len(columns), len(members))).round().astype(int)]
        for column, i in zip(columns, chosen, strict=False):
            clips[row, column] = motion[i : i + 1]
    rate = float(np.median(fps))
    pace = f"{motion.shape[-2]} frames at {rate:.3g} per second"
    if (slowest := np.min(fps)) < (fastest := np.max(fps)):
        pace += f" (the median: they were recorded at {slowest:.3g} to {fastest:.3g})"
    more = f"; at most {len(columns)} of a class are shown" if counts.max() > len(columns) else ""
    subtitle = f"{len(motion)} motions of {len(rows)} classes, {pace}{more}"
    scene = Scene(title, skeleton, rate, columns, tuple(rows), clips)
    return write_page(path, title=title, subtitle=subtitle, blocks=[scene])


PARTS = ("page.html", "page.js", "page.css")
PNG = b"\x89PNG\r\n\x1a\n"
NUMBER = re.compile(r"[-+\N{MINUS SIGN}]?\.?[0-9].*|\W*|nan|inf", re.DOTALL)
"""What stands at the right of a column: numbers, whatever follows them, and dashes."""


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


def _step(motion: np.ndarray) -> float:
    return max(STEP, float(np.abs(motion).max()) / LARGEST_CODE)


def _packed(motion: np.ndarray) -> dict[str, Any]:
    step = _step(motion)
    codes = np.rint(np.asarray(motion, dtype=np.float64) / step).astype("<i2")  # (K, C, T, V)
    k, c, t, _ = codes.shape
    data = base64.b64encode(codes.transpose(0, 2, 3, 1).tobytes()).decode("ascii")
    return {"samples": k, "channels": c, "frames": t, "step": step, "data": data}


def _plain(block: Block) -> dict[str, Any]:
    """What the template shows of a block."""
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


def _digest(text: str) -> str:
    """How a security policy names an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
