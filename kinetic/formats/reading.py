"""The reader of motions in files of any known kind, which it recognises by content and name."""

from __future__ import annotations

import importlib
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from einops import rearrange

from kinetic.motion.arrays import MAX_TEXT, Archive
from kinetic.motion.coordinates import largest_coordinate
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import read_archive, read_folder
from kinetic.plain import json_values
from kinetic.skeleton import NTU25

__all__ = ["READERS", "Contents", "Reader", "read_motions"]

RAW = "raw recordings; `kinetic data build ntu --raw ...` makes a set of them"


@dataclass(frozen=True)
class Contents:
    """The first bytes of a file, or the names in a folder or zip file, by which a reader is chosen.

    Args:
        path: the file or folder
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
        with zipfile.ZipFile(path) as packed:  # may have more members than an `Archive` takes
            if any(name.lower().endswith(".skeleton") for name in packed.namelist()[:1000]):
                raise ValueError(f"is an archive of {RAW}")
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
    """One kind of motion file: the test that recognises it, and the function that reads it."""

    recognises: Callable[[Contents], bool]
    read: Callable[[Path], MotionSet]


def read_motions(path: str | os.PathLike[str], *, finite: bool = True) -> MotionSet:
    """The motions of a file or folder of any known kind (see `READERS`).

    No code in the file is run, and the sizes that it claims are checked before anything is allocated. Every coordinate
    is checked. Folders of motions and bare .npy files are memory-mapped, other files are read into memory. A folder of
    files of one kind is one set.

    Args:
        finite: refuses motions with NaN or infinite coordinates; False leaves the check out where the kind of file
            allows it, for the inspection of faulty sets only

    Raises:
        FileNotFoundError: for a path that does not exist
        ValueError: with the path, what it holds and what was expected
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
        if finite:
            largest_coordinate(motions.motion)
        if finite and motions.partner is not None:
            try:
                largest_coordinate(motions.partner)
            except ValueError as error:
                raise ValueError(f"partner: {error}") from error
    except (ValueError, OSError, EOFError, RuntimeError, OverflowError, MemoryError, struct.error) as error:
        raise ValueError(f"{path}: {str(error) or type(error).__name__}") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: a damaged zip file: {error}") from error
    return motions


# ------------------------------------------------------------------------------------------------------------- readers

_WINDOWS = ("data", "label", "subject", "view", "fps", "class_names", "subject_names", "joint_names", "clip", "meta")


def _read_windows(path: Path) -> MotionSet:
    """Windows of real motion capture in the joint order of NTU-25, with the arrays `_WINDOWS` and perhaps more."""
    with Archive(path) as archive:
        joints = archive.words("joint_names")
        if joints != NTU25.joints:
            raise ValueError(
                f"joint_names are {', '.join(joints[:4])} ..., expected the 25 joints of Kinect v2 in order"
            )
        try:
            meta = json_values(archive.text("meta"))
        except ValueError as error:
            raise ValueError(f"meta: {error}") from error
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


def _read_recording(path: Path) -> MotionSet:
    """One raw recording of NTU RGB+D, cleaned by the recipe `kinetic`."""
    from kinetic.ntu.cleaning import CLEANING
    from kinetic.ntu.facts import BENCHMARKS, ClipName
    from kinetic.ntu.recording import read_recording

    if path.is_dir():
        raise ValueError(f"is a folder of {RAW}")
    name = ClipName.parse(path.name)
    names = BENCHMARKS["ntu60-xsub" if name.action <= 60 else "ntu120-xsub"].class_names
    clip = CLEANING["kinetic"](read_recording(path))
    bodies = rearrange(clip.motion, "m t v c -> m 1 c t v")
    return MotionSet(
        motion=bodies[0],
        label=np.array([name.action - 1]),
        class_names=names,
        skeleton=NTU25,
        subject=np.array([name.performer]),
        view=np.array([name.camera]),
        setup=np.array([name.setup]),
        clip=(str(name),),
        source="ntu60" if len(names) == 60 else "ntu120",
        notes={"recipe": "kinetic", "remarks": list(clip.remarks)},
        partner=bodies[1] if len(bodies) > 1 else None,
    )


def _later(module: str, name: str) -> Callable[[Path], MotionSet]:
    """A reader whose module is imported when the reader is called, because a file needs only one of the many."""
    return lambda path: getattr(importlib.import_module(f"kinetic.{module}"), name)(path)


def _holds(*names: str) -> Callable[[Contents], bool]:
    """The test for archives with all of these arrays."""
    return lambda contents: bool(contents.head) and {f"{name}.npy" for name in names} <= set(contents.names)


def _begins(head: bytes) -> Callable[[Contents], bool]:
    return lambda contents: contents.head.startswith(head)


def _called(pattern: str) -> Callable[[Contents], bool]:
    """The test for files with such a name, and for folders that hold one."""
    regex = re.compile(pattern, re.IGNORECASE)
    return lambda contents: any(
        regex.fullmatch(name) for name in (contents.names if contents.path.is_dir() else (contents.path.name,))
    )


READERS: dict[str, Reader] = {
    "motions in an .npz (motion, label, meta)": Reader(_holds("motion", "label", "meta"), read_archive),
    "a folder (motion.npy, labels.npy, meta.json)": Reader(
        lambda contents: {"motion.npy", "labels.npy", "meta.json"} <= set(contents.names), read_folder
    ),
    "windows in an .npz (data, label, subject, view, fps, clip, joint_names, meta)": Reader(
        _holds(*_WINDOWS), _read_windows
    ),
    "published arrays (x_data.npy, and x_label.pkl beside it)": Reader(
        _begins(b"\x93NUMPY"), _later("formats.published", "read_published")
    ),
    "CTR-GCN's .npz (x_train, y_train, x_test, y_test)": Reader(
        _holds("x_train", "y_train", "x_test", "y_test"), _later("formats.ctrgcn", "read_ctrgcn")
    ),
    "PYSKL's .pkl": Reader(
        lambda contents: bool(contents.head) and contents.path.suffix in (".pkl", ".pickle"),
        _later("formats.pyskl", "read_pyskl"),
    ),
    "NTU RGB+D's .skeleton": Reader(_called(r".*\.skeleton"), _read_recording),
    "UTD-MHAD (a1_s1_t1_skeleton.mat)": Reader(
        _called(r"a\d+_s\d+_t\d+_skeleton\.mat"), _later("formats.kinect", "read_utd_mhad")
    ),
    "NW-UCLA (a01_s01_e00_v01.json)": Reader(
        _called(r"a\d+_s\d+_e\d+_v\d+\.json"), _later("formats.kinect", "read_nw_ucla")
    ),
    "Kinder-Gator (POSE-p*.csv)": Reader(_called(r"POSE-p.*\.csv"), _later("formats.kinect", "read_kinder_gator")),
    "IRDS (215_18_1_1_2_stand.txt)": Reader(_called(r"(\d+_){5}[a-z-]+\.txt"), _later("formats.kinect", "read_irds")),
    "ASF/AMC (.amc)": Reader(_called(r".*\.amc"), _later("formats.acclaim", "read_amc")),
    "BVH (.bvh)": Reader(_called(r".*\.bvh"), _later("formats.bvh", "read_bvh")),
    "Human3.6M (positions_3d or positions_2d in an .npz)": Reader(
        lambda contents: bool({"positions_3d.npy", "positions_2d.npy"} & set(contents.names)),
        _later("formats.human36m", "read_human36m"),
    ),
}
"""The kinds of file that `read_motions` opens, in the order in which it tries them."""
