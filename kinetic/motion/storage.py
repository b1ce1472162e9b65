"""Kinetic's own files of motions: an .npz that is read whole, and a folder that is memory-mapped."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np

from kinetic.files import flush, stale, temporary, working_folder
from kinetic.messages import LONGEST_MESSAGE, safe_line
from kinetic.motion.arrays import MAX_BYTES, MAX_TEXT, Archive, map_array, mebibytes
from kinetic.motion.coordinates import check_shape, chunks, largest_coordinate
from kinetic.motion.motion_set import MotionSet
from kinetic.plain import json_values
from kinetic.skeleton import Skeleton

__all__ = ["MotionWriter", "check_target", "read_archive", "read_folder", "restore_target", "write_motions"]

FORMAT, VERSION = "kinetic-motions", 1
_META = ("format", "version", "class_names", "skeleton", "subject_names", "clip", "fps", "source", "splits", "notes")
_ROWS = ("subject", "view", "setup")


def _decode_meta(text: str) -> dict[str, Any]:
    """The JSON text of a file as arguments of `MotionSet`; an `fps` of None stands for an array."""
    try:
        meta = json_values(text)
    except ValueError as error:
        raise ValueError(f"meta: {error}") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise ValueError(f"meta does not say that its format is {FORMAT}")
    if meta.get("version") != VERSION:
        raise ValueError(f"meta has version {str(meta.get('version'))[:20]}, this library reads version {VERSION}")
    missing, unknown = set(_META) - set(meta), set(meta) - set(_META)
    if missing or unknown:
        raise ValueError(f"meta lacks {sorted(missing)}, and has unknown keys {safe_line(sorted(unknown)[:5], 200)}")
    for name in ("class_names", "subject_names", "clip"):
        if not isinstance(meta[name], list) or not all(isinstance(word, str) for word in meta[name]):
            raise ValueError(f"meta.{name} must be a list of words")
    fps = meta["fps"]  # whole numbers in JSON may be of any size
    if fps is not None and (type(fps) not in (int, float) or (type(fps) is int and abs(fps) > 10**9)):
        raise ValueError("meta.fps must be a number, or null where there is one per motion")
    if not isinstance(meta["source"], str):
        raise ValueError("meta.source must be a word")
    skeleton = meta["skeleton"]
    if not isinstance(skeleton, dict) or not all(
        len(value) < 1000 for value in skeleton.values() if hasattr(value, "__len__")
    ):
        raise ValueError("meta.skeleton must be a mapping with fewer than 1000 joints, and letters in its name")
    try:
        meta["skeleton"] = Skeleton.from_dict(meta["skeleton"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"meta.skeleton: {safe_line(error, LONGEST_MESSAGE)}") from error
    return {name: value for name, value in meta.items() if name not in ("format", "version")}


def _assemble(
    motion: np.ndarray,
    partner: np.ndarray | None,
    label: np.ndarray,
    meta: dict[str, Any],
    names: Collection[str],
    get: Any,
) -> MotionSet:
    """A set from its parts; `get(name, kinds)` opens an array, and `names` are the arrays that exist."""
    check_shape(motion.shape, meta["skeleton"])
    if meta["fps"] is None:
        meta["fps"] = get("fps", "f")
    rows = {name: get(name, "iu") for name in _ROWS if name in names}
    prefix = "column_"
    columns = {name.removeprefix(prefix): get(name, "biuf") for name in sorted(names) if name.startswith(prefix)}
    return MotionSet(motion, label, **meta, **rows, columns=columns, partner=partner)


def read_archive(path: Path) -> MotionSet:
    with Archive(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.names]
        meta = _decode_meta(archive.text("meta"))
        partner = archive.array("partner", "f") if "partner" in names else None
        motion, label = archive.array("motion", "f"), archive.array("label", "iu")
        return _assemble(motion, partner, label, meta, names, archive.array)


def read_folder(path: Path) -> MotionSet:
    file = path / "meta.json"
    if not file.is_file() or file.stat().st_size > MAX_TEXT:
        raise ValueError(f"meta.json must be a plain file of at most {mebibytes(MAX_TEXT)}")
    meta = _decode_meta(file.read_text(encoding="utf-8"))
    names = [entry.name.removesuffix(".npy") for entry in path.iterdir() if entry.name.endswith(".npy")]

    def get(name: str, kinds: str) -> np.ndarray:
        return np.array(map_array(path / f"{name}.npy", kinds, MAX_BYTES >> 4))

    def mapped(name: str) -> np.ndarray:
        motion = map_array(path / f"{name}.npy", "f")
        if motion.dtype != np.float32 and 4 * motion.size > MAX_BYTES:
            raise ValueError(f"{name}.npy has type {motion.dtype}; a set of this size must be float32 to be mapped")
        return motion

    partner = mapped("partner") if "partner" in names else None
    return _assemble(mapped("motion"), partner, get("labels", "iu"), meta, names, get)


# ----------------------------------------------------------------------------------------------------------- writing


def write_motions(motions: MotionSet, path: str | os.PathLike[str]) -> None:
    """Writes a set to a file (`.npz`, compressed) or a folder (no suffix), from which it is read back exactly.

    The target is replaced only when everything is written.

    Raises:
        ValueError: for another suffix, an empty set, or coordinates that are not finite
    """
    writer = MotionWriter(
        path,
        len(motions),
        frames=motions.shape[2],
        class_names=motions.class_names,
        skeleton=motions.skeleton,
        subject_names=motions.subject_names,
        fps=30.0 if isinstance(motions.fps, np.ndarray) else motions.fps,
        source=motions.source,
        splits=motions.splits,
        notes=motions.notes,
    )

    def part(values: np.ndarray | None, rows: slice) -> np.ndarray | None:
        return None if values is None else values[rows]

    with writer:
        for rows in chunks(motions.motion):
            writer.write(
                motions.motion[rows],
                motions.label[rows],
                subject=part(motions.subject, rows),
                view=part(motions.view, rows),
                setup=part(motions.setup, rows),
                clip=motions.clip[rows],
                fps=motions.fps[rows] if isinstance(motions.fps, np.ndarray) else None,
                columns={name: values[rows] for name, values in motions.columns.items()},
                partner=part(motions.partner, rows),
            )


class MotionWriter:
    """Writes a set batch by batch, with the memory of one batch; the target is replaced when the set is complete.

        with MotionWriter("motions.npz", 60_000, frames=64, class_names=names, skeleton=NTU25) as writer:
            for motion, label in batches:
                writer.write(motion, label)

    Args:
        path: `.npz` for a compressed file, a name without suffix for a folder that can be memory-mapped
        n: the number of motions
        frames: frames of every motion; joints and channels are those of the skeleton
        class_names, skeleton, subject_names, fps, source, splits, notes: as in `MotionSet`
        work: a new folder to work in, on the same disk as `path`; the caller cleans up with `restore_target` after a
            kill. None = a temporary folder beside `path`

    Raises:
        ValueError: at the end of the `with` block if fewer than `n` motions were written. After this and any other
            exception the target is as it was before.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        n: int,
        *,
        frames: int,
        class_names: Sequence[str],
        skeleton: Skeleton,
        subject_names: Sequence[str] = (),
        fps: float = 30.0,
        source: str = "",
        splits: Mapping[str, Any] | None = None,
        notes: Mapping[str, Any] | None = None,
        work: Path | None = None,
    ) -> None:
        self.path, self.n, self._place = Path(path), n, work
        if n < 1:
            raise ValueError(f"{self.path}: a file needs at least one motion, got {n}")
        if self.path.suffix not in (".npz", ""):
            raise ValueError(f"{self.path}: expected a name that ends in .npz, or a folder name without suffix")
        # A set without motions checks the rest, and is the template of every batch.
        self._like = MotionSet(
            np.empty((0, skeleton.channels, frames, len(skeleton.joints)), dtype=np.float32),
            np.empty(0, dtype=np.int64),
            tuple(class_names),
            skeleton,
            subject_names=tuple(subject_names),
            fps=fps,
            source=source,
            splits=dict(splits or {}),
            notes=dict(notes or {}),
        )
        self._written = 0
        self._rows: dict[str, list[np.ndarray]] = {}
        self._clip: list[str] = []
        self._keys: set[str] | None = None
        self._work: Path | None = None
        self._zip: zipfile.ZipFile | None = None
        self._file: Any = None
        self._temporary = contextlib.ExitStack()
        self._partner: Any = None  # a zip file takes one array at a time, so partners go to a file of their own first

    def __enter__(self) -> MotionWriter:
        check_target(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._place is None:
            for leftover in (*stale(self.path.parent, re.escape(self.path.name)), temporary(self.path)):
                _bring_back(self.path, leftover)
            self._work = self._temporary.enter_context(working_folder(self.path))
        else:
            self._place.mkdir()
            self._work = self._place
        try:
            if self.path.suffix == ".npz":
                self._zip = zipfile.ZipFile(self._work / "file.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
                self._file = self._zip.open("motion.npy", "w", force_zip64=True)
            else:
                (self._work / "folder").mkdir()
                self._file = open(self._work / "folder" / "motion.npy", "wb")
            self._begin(self._file)
        except BaseException:
            self._abandon()
            raise
        return self

    def write(
        self,
        motion: np.ndarray,
        label: np.ndarray,
        *,
        subject: np.ndarray | None = None,
        view: np.ndarray | None = None,
        setup: np.ndarray | None = None,
        clip: Sequence[str] = (),
        fps: np.ndarray | None = None,
        columns: Mapping[str, np.ndarray] | None = None,
        partner: np.ndarray | None = None,
    ) -> None:
        """Appends a batch: (n, C, T, V) metres and (n,) labels; the rest as in `MotionSet`, the same in every batch.

        Raises:
            ValueError: for a batch of other frames, beyond `n` motions or with other facts than the batches before, and
                for coordinates that are not finite
        """
        if self._file is None:
            raise ValueError("a MotionWriter writes inside its `with` block only")
        batch = replace(
            self._like,
            motion=motion,
            label=label,
            subject=subject,
            view=view,
            setup=setup,
            clip=tuple(clip),
            fps=self._like.fps if fps is None else np.asarray(fps),
            columns=dict(columns or {}),
            partner=partner,
        )
        if batch.shape[1:] != self._like.shape[1:]:
            raise ValueError(f"{self.path}: expected motions of {self._like.shape[1:]}, got {batch.shape[1:]}")
        if self._written + len(batch) > self.n:
            raise ValueError(f"{self.path}: {self.n} motions were announced, got {self._written + len(batch)}")
        if not len(batch):
            return
        try:
            largest_coordinate(batch.motion, self._written)
            if batch.partner is not None:
                largest_coordinate(batch.partner, self._written)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error
        rows = {"label": batch.label, **{name: getattr(batch, name) for name in _ROWS}}
        rows |= {f"column_{name}": values for name, values in batch.columns.items()}
        if isinstance(batch.fps, np.ndarray):
            rows["fps"] = batch.fps
        rows = {name: values for name, values in rows.items() if values is not None}
        keys = set(rows) | ({"clip"} if batch.clip else set()) | ({"partner"} if batch.partner is not None else set())
        if self._keys is not None and keys != self._keys:
            raise ValueError(f"{self.path}: earlier batches had {sorted(self._keys)}, this one has {sorted(keys)}")
        self._keys = keys
        self._file.write(_bytes(batch.motion))
        if batch.partner is not None:
            if self._partner is None:
                self._partner = open(cast(Path, self._work) / "partner.npy", "wb")
                self._begin(self._partner)
            self._partner.write(_bytes(batch.partner))
        for name, values in rows.items():
            self._rows.setdefault(name, []).append(values)
        self._clip += batch.clip
        self._written += len(batch)

    def _begin(self, file: Any) -> None:
        shape = (self.n, *self._like.shape[1:])
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if self._written != self.n:
                    raise ValueError(f"{self.path}: {self.n} motions were announced, {self._written} came")
                self._finish()
        finally:
            self._abandon()

    def _finish(self) -> None:
        arrays = {name: np.concatenate(values) for name, values in self._rows.items()}
        meta = {
            "format": FORMAT,
            "version": VERSION,
            "class_names": self._like.class_names,
            "skeleton": self._like.skeleton.to_dict(),
            "subject_names": self._like.subject_names,
            "clip": self._clip,
            "fps": None if "fps" in arrays else self._like.fps,
            "source": self._like.source,
            "splits": self._like.splits,
            "notes": self._like.notes,
        }
        text = json.dumps(meta, allow_nan=False)
        work = cast(Path, self._work)
        if self._partner is not None:
            self._partner.close()
        if self._zip is not None:
            self._file.close()
            if self._partner is not None:
                self._zip.write(work / "partner.npy", "partner.npy")
            arrays["meta"] = np.array(text)
            for name, values in arrays.items():
                with self._zip.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(cast(Any, file), values, allow_pickle=False)
            self._zip.close()
            flush(work / "file.npz")
            check_target(self.path)
            os.replace(work / "file.npz", self.path)
        else:
            self._file.close()
            folder = work / "folder"
            if self._partner is not None:
                os.rename(work / "partner.npy", folder / "partner.npy")
            arrays["labels"] = arrays.pop("label")
            for name, values in arrays.items():
                np.save(folder / f"{name}.npy", values, allow_pickle=False)
            (folder / "meta.json").write_text(text, encoding="utf-8")
            for entry in folder.iterdir():
                flush(entry)
            flush(folder)
            check_target(self.path)
            try:
                if self.path.exists():  # a folder cannot replace another in one rename
                    os.rename(self.path, work / "old")
                os.rename(folder, self.path)
            except BaseException:  # also for Ctrl-C between the two
                _bring_back(self.path, work)
                raise
        flush(self.path.parent)

    def _abandon(self) -> None:
        """Closes all files and removes the working folder."""
        for handle in (self._file, self._partner, self._zip):
            if handle is not None:
                with contextlib.suppress(OSError, ValueError):
                    handle.close()
        self._file = self._partner = self._zip = None
        self._temporary.close()
        if self._work is not None:
            shutil.rmtree(self._work, ignore_errors=True)
            self._work = None


def _bytes(motion: np.ndarray) -> memoryview:
    return np.ascontiguousarray(motion, dtype="<f4").data.cast("B")


def restore_target(path: Path, work: Path) -> None:
    """Removes the working folder of a `MotionWriter` that was killed; no other process may work in it.

    A writer that was killed between its two renames has moved the older set away; this moves it back.
    """
    if work.is_dir():
        _bring_back(path, work)
        shutil.rmtree(work)


def _bring_back(path: Path, work: Path) -> None:
    """Moves the older set back where the first rename happened and the second did not."""
    if (work / "folder").is_dir() and (work / "old").is_dir() and not path.exists():
        os.rename(work / "old", path)


def check_target(path: Path) -> None:
    """Checks that nothing but motions would be replaced."""
    if path.suffix == ".npz":
        if path.is_dir():
            raise ValueError(f"{path}: is a folder")
        return
    if path.is_dir():
        files = re.compile(r"(motion|partner|labels|fps|subject|view|setup|column_\w+)\.npy|meta\.json")
        others = [entry.name for entry in path.iterdir() if not files.fullmatch(entry.name)]
        if others:
            raise ValueError(f"{path}: is a folder that holds other things ({others[0]}); it is not replaced")
    elif path.exists():
        raise ValueError(f"{path}: is a file; a name without suffix makes a folder")
