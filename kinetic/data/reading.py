"""Motions in files of any known kind, recognised by what they hold."""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinetic.data.arrays import MAX_TEXT, Archive
from kinetic.data.motion import MotionSet, largest_coordinate
from kinetic.data.storage import read_archive, read_folder
from kinetic.skeleton import NTU25

__all__ = ["READERS", "Contents", "Reader", "read_motions"]


@dataclass(frozen=True)
class Contents:
    """What a file or folder shows before it is read: its first bytes, or the names of what it holds.

    Args:
        path: where it is
        head: first 512 bytes of a file; empty for a folder
        names: entries of a folder, or members of a zip file
    """

    path: Path
    head: bytes = b""
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path) -> Contents:
        if path.is_dir():
            return cls(path, names=tuple(sorted(entry.name for entry in path.iterdir())))
        if not path.is_file():
            raise ValueError("neither a plain file nor a folder")
        with open(path, "rb") as file:
            head = file.read(512)
        if not head.startswith(b"PK"):
            return cls(path, head)
        with Archive(path) as archive:
            return cls(path, head, archive.names)

    def describe(self) -> str:
        if self.names:
            return f"{'a zip file' if self.head else 'a folder'} with {', '.join(self.names[:12])}"
        if not self.head:
            return "an empty folder" if self.path.is_dir() else "an empty file"
        return f"a file that begins with {self.head[:16]!r}"


@dataclass(frozen=True)
class Reader:
    """One kind of motion file: how it is recognised, and what reads it."""

    recognises: Callable[[Contents], bool]
    read: Callable[[Path], MotionSet]


def read_motions(path: str | os.PathLike[str]) -> MotionSet:
    """Opens motions of any known kind, recognised by content (see `READERS`).

    Nothing in the file is run, and nothing is allocated before what it claims is compared with what it holds. Every
    coordinate is looked at. A folder and a bare .npy file are memory-mapped, everything else is read into memory.

    Raises:
        FileNotFoundError: if there is nothing of that name.
        ValueError: naming the file, what it holds and what was expected.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    try:
        contents = Contents.of(path)
        for reader in READERS.values():
            if reader.recognises(contents):
                motions = reader.read(path)
                break
        else:
            raise ValueError(
                f"found {contents.describe()}; expected one of: {'; '.join(READERS)}; "
                f"kinetic.write_motions makes such a file from arrays"
            )
        if not len(motions):
            raise ValueError("holds no motions")
        largest_coordinate(motions.motion)
        if motions.partner is not None:
            try:
                largest_coordinate(motions.partner)
            except ValueError as error:
                raise ValueError(f"partner: {error}") from error
    except (ValueError, OSError, EOFError, RuntimeError, OverflowError, MemoryError, struct.error) as error:
        raise ValueError(f"{path}: {str(error) or type(error).__name__}") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: a damaged zip file: {error}") from error
    return motions


# ------------------------------------------------------------------------------------------------------ what is known

_WINDOWS = ("data", "label", "subject", "view", "fps", "class_names", "subject_names", "joint_names", "clip", "meta")


def _read_windows(path: Path) -> MotionSet:
    """Windows of real motion capture in the NTU-25 joint order: keys data, label, subject, view, fps, clip, meta ..."""
    with Archive(path) as archive:
        joints = archive.words("joint_names")
        if joints != NTU25.joints:
            raise ValueError(
                f"joint_names are {', '.join(joints[:4])} ..., expected the 25 joints of Kinect v2 in order"
            )
        try:
            meta = json.loads(archive.text("meta"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"meta is not JSON: {error}") from error
        if not isinstance(meta, dict) or not isinstance(meta.get("source", ""), str):
            raise ValueError("meta must be a mapping with a source")
        notes = {name: value for name, value in meta.items() if name != "source"}
        members = set(archive.names)
        for name in ("derived_joints", "group_names"):
            if f"{name}.npy" in members:
                notes[name] = archive.array(name, "iuU", MAX_TEXT).tolist()
        columns = ("start", "group", "bone_cv", "max_speed", "energy", "active", "primary")
        return MotionSet(
            motion=archive.array("data", "f"),
            label=archive.array("label", "iu"),
            class_names=archive.words("class_names"),
            skeleton=NTU25,
            subject=archive.array("subject", "iu"),
            view=archive.array("view", "iu"),
            subject_names=archive.words("subject_names"),
            clip=archive.words("clip"),
            fps=archive.array("fps", "f"),
            source=meta.get("source", ""),
            notes=notes,
            columns={name: archive.array(name, "biuf") for name in columns if f"{name}.npy" in members},
        )


def _read_published(path: Path) -> MotionSet:
    from kinetic.data.published import read_published  # which makes sets, so it imports this module

    return read_published(path)


def _holds(*names: str) -> Callable[[Contents], bool]:
    return lambda contents: set(names) <= set(contents.names)


def _is_array(contents: Contents) -> bool:
    return contents.head.startswith(b"\x93NUMPY")


READERS: dict[str, Reader] = {
    "motions in an .npz (motion, label, meta)": Reader(_holds("motion.npy", "label.npy", "meta.npy"), read_archive),
    "a folder (motion.npy, labels.npy, meta.json)": Reader(
        _holds("motion.npy", "labels.npy", "meta.json"), read_folder
    ),
    "windows in an .npz (data, label, subject, view, fps, clip, joint_names, meta)": Reader(
        _holds(*(f"{name}.npy" for name in _WINDOWS)), _read_windows
    ),
    "published arrays (x_data.npy, and x_label.pkl beside it)": Reader(_is_array, _read_published),
}
"""Every kind of file that `read_motions` opens, in the order in which they are tried."""
