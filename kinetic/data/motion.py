"""Motions as arrays: what a set of them holds, how it is split, and the files it is kept in."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, cast

import numpy as np

from kinetic.data.arrays import CHUNK, MAX_BYTES, MAX_TEXT, Archive, map_array, mebibytes
from kinetic.data.changes import Centre, CentreOn, Cut, Stretch
from kinetic.data.stored import Change, StoredMotion, is_stored, release
from kinetic.files import flush
from kinetic.skeleton import NTU25, Skeleton

__all__ = ["READERS", "Contents", "MotionSet", "MotionWriter", "Reader", "read_motions", "write_motions"]

FORMAT, VERSION = "kinetic-motions", 1

_NTU60_TRAIN = [1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38]
_NTU120_TRAIN = [45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89]
_NTU120_TRAIN += [91, 92, 93, 94, 95, 97, 98, 100, 103]

# The official protocols, in the numbers that the data sets use (performer, camera, setup), by `MotionSet.source`.
# NTU: Shahroudy et al. 2016, Liu et al. 2019. NW-UCLA: Wang et al. 2014, the third view is held out.
SPLITS: dict[str, dict[str, dict[str, Any]]] = {
    "nw_ucla": {"xview": {"by": "view", "train": [1, 2], "test": [3]}},
    "ntu60": {
        "xsub": {"by": "subject", "train": _NTU60_TRAIN},
        "xview": {"by": "view", "train": [2, 3], "test": [1]},
    },
    "ntu120": {
        "xsub": {"by": "subject", "train": _NTU60_TRAIN + _NTU120_TRAIN},
        "xsetup": {"by": "setup", "train": list(range(2, 33, 2))},
    },
}


# --------------------------------------------------------------------------------------------------- the set itself


@dataclass(frozen=True, eq=False, repr=False)
class MotionSet:
    """Motions of one skeleton, with what is known about each of them.

    Args:
        motion: (N, C, T, V) float32, metres, y up; a read-only memory map or a `StoredMotion` where it stays on disk
        label: (N,) numbers into `class_names`
        class_names: what is done in the motions
        skeleton: names and bones of the V joints; its `channels` is C
        subject: (N,) who moves: numbers into `subject_names`, or any numbers where that is empty
        view: (N,) which camera
        setup: (N,) which arrangement of cameras
        subject_names: names of the people
        clip: (N,) names of the recordings that the motions were cut from; motions may share one
        fps: frames per second, one number or one per motion
        source: name of the data set
        splits: split name -> `{"by": "subject" | "view" | "setup", "train": [names or numbers], "test": [...]}`;
            without `test`, everything else tests
        notes: plain JSON that travels with the set, such as its licence or how it was sampled
        columns: further (N,) numbers by name, such as `active` and `primary` of the motion files. Where motions are
            padded with frames of zeros, `frames` says how many frames come before.
        partner: (N, C, T, V) float32, a second person in each motion; zeros where, or as long as, there is none

    Raises:
        ValueError: where these do not fit together. Coordinates are not looked at: `check` does that.
    """

    motion: np.ndarray
    label: np.ndarray
    class_names: tuple[str, ...]
    skeleton: Skeleton
    subject: np.ndarray | None = None
    view: np.ndarray | None = None
    setup: np.ndarray | None = None
    subject_names: tuple[str, ...] = ()
    clip: tuple[str, ...] = ()
    fps: float | np.ndarray = 30.0
    source: str = ""
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    partner: np.ndarray | None = None

    def __post_init__(self) -> None:
        motion = _float32(self.motion)
        _check_shape(motion.shape, self.skeleton)
        n = len(motion)
        put = object.__setattr__  # frozen for everyone else
        put(self, "motion", motion)
        if self.partner is not None:
            put(self, "partner", _float32(self.partner))
            if self.partner.shape != motion.shape:
                raise ValueError(f"partner has shape {self.partner.shape}, expected that of motion: {motion.shape}")
        put(self, "class_names", _names("class_names", self.class_names))
        put(self, "subject_names", _names("subject_names", self.subject_names))
        put(self, "label", _numbers("label", self.label, n, below=len(self.class_names)))
        if self.subject is not None:
            below = len(self.subject_names) or None
            put(self, "subject", _numbers("subject", self.subject, n, below=below))
        for name in ("view", "setup"):
            if getattr(self, name) is not None:
                put(self, name, _numbers(name, getattr(self, name), n))
        put(self, "clip", tuple(str(clip) for clip in self.clip))
        if self.clip and len(self.clip) != n:
            raise ValueError(f"clip needs one name per motion ({n}), got {len(self.clip)}")
        put(self, "fps", _rates(self.fps, n))
        put(self, "splits", _split_rules(self.splits))
        put(self, "notes", _plain("notes", self.notes))
        put(self, "columns", {name: _column(name, values, n) for name, values in self.columns.items()})

    def __len__(self) -> int:
        return len(self.motion)

    def __repr__(self) -> str:
        parts = [f"{len(self)} motions of {tuple(self.motion.shape[1:])}", f"{len(self.class_names)} classes"]
        for name in ("subject", "view", "setup"):
            values = getattr(self, name)
            if values is not None:
                parts.append(f"{len(np.unique(values))} {name}s")
        if self.partner is not None:
            parts.append("with partners")
        splits = ", ".join(self.split_rules()) or "none"
        return f"MotionSet({', '.join(parts)}, source={self.source!r}, splits: {splits})"

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, T, V)."""
        return tuple(self.motion.shape)

    def class_id(self, name: str | int) -> int:
        """The label of a class, by name or number. Case, blanks, `-` and `_` do not count in a name.

        Raises:
            ValueError: for a class that is not there, with the nearest names.
        """
        if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
            if 0 <= name < len(self.class_names):
                return int(name)
            raise ValueError(f"class {name} is not there: the set has classes 0 to {len(self.class_names) - 1}")
        if name in self.class_names:
            return self.class_names.index(str(name))
        loose = [_loose(known) for known in self.class_names]
        if loose.count(_loose(str(name))) == 1:
            return loose.index(_loose(str(name)))
        if re.fullmatch(r"[0-9]{1,9}", str(name)):
            return self.class_id(int(name))
        near = difflib.get_close_matches(str(name), self.class_names, n=3, cutoff=0.4) or self.class_names[:12]
        raise ValueError(f"no class is called {name!r}; there are {len(self.class_names)}, such as {', '.join(near)}")

    def counts(self) -> dict[str, int]:
        """Motions per class, in the order of the labels."""
        count = np.bincount(self.label, minlength=len(self.class_names))
        return {name: int(number) for name, number in zip(self.class_names, count, strict=True)}

    def select(self, chosen: np.ndarray | Sequence[int] | Sequence[bool] | slice) -> MotionSet:
        """The motions of a mask, a list of rows or a slice; classes and names stay as they are.

        A contiguous choice is a view of the same memory, any other is a copy. What lies on the disk stays there.
        """
        rows = _rows(chosen, len(self))
        index = np.arange(len(self))[rows]

        def take(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[rows]

        return replace(
            self,
            motion=_taken(self.motion, rows),
            partner=None if self.partner is None else _taken(self.partner, rows),
            label=self.label[rows],
            subject=take(self.subject),
            view=take(self.view),
            setup=take(self.setup),
            clip=tuple(self.clip[row] for row in index) if self.clip else (),
            fps=self.fps[rows] if isinstance(self.fps, np.ndarray) else self.fps,
            columns={name: values[rows] for name, values in self.columns.items()},
        )

    def where(
        self,
        classes: Collection[str | int] | None = None,
        subjects: Collection[str | int] | None = None,
        views: Collection[int] | None = None,
    ) -> MotionSet:
        """The motions of some classes, people and cameras.

        With `classes`, the result knows only those: its labels are renumbered from 0, in the order of the old ones,
        so that a network for it has no class that it never sees.

        Raises:
            ValueError: for a name that is not there, or when no motion is left.
        """
        keep = np.ones(len(self), dtype=bool)
        labels: list[int] | None = None
        if classes is not None:
            labels = sorted({self.class_id(name) for name in _several("classes", classes)})
            keep &= np.isin(self.label, labels)
        if subjects is not None:
            keep &= np.isin(self._of("subject"), self._ids("subject", _several("subjects", subjects)))
        if views is not None:
            keep &= np.isin(self._of("view"), self._ids("view", _several("views", views)))
        if not keep.any():
            asked = {"classes": classes, "subjects": subjects, "views": views}
            words = ", ".join(f"{name} {list(value)}" for name, value in asked.items() if value is not None)
            raise ValueError(f"no motion of {len(self)} has {words}")
        chosen = self.select(keep)
        if labels is None:
            return chosen
        names = tuple(self.class_names[label] for label in labels)
        return replace(chosen, label=np.searchsorted(labels, chosen.label), class_names=names)

    def split_rules(self) -> dict[str, dict[str, Any]]:
        """The splits of this set: its own, else the protocol of its source, else xsub by position.

        The last one serves sets without a protocol: of their people, in the order of their names (numbers by value),
        the 1st, 3rd, 5th ... train, the others test. It looks at `subject_names`, or where these are missing at
        the numbers that occur.
        """
        rules = {**SPLITS.get(self.source, {}), **self.splits}
        if self.subject_names and "xsub" in rules and "xsub" not in self.splits:
            # The protocol's numbers are those in the names (P001), whatever the rows of `subject_names` are.
            train = set(rules["xsub"]["train"])
            names = [name for name in self.subject_names if int("0" + re.sub("[^0-9]", "", name)) in train]
            rules["xsub"] = {"by": "subject", "train": names}
        if "xsub" not in rules and self.subject is not None:
            if self.subject_names:
                people: list[Any] = sorted(self.subject_names, key=_natural)
            else:
                people = [int(person) for person in np.unique(self.subject)]
            if len(people) > 1:
                rules = {"xsub": {"by": "subject", "train": people[::2], "test": people[1::2]}, **rules}
        return rules

    def split(self, name: str) -> tuple[MotionSet, MotionSet]:
        """Train and test motions under the split of that name: no person (camera, setup) is in both.

        Motions that the rule gives to neither are left out.

        Raises:
            ValueError: for a split that the set does not have, or one that leaves a side empty.
        """
        rules = self.split_rules()
        if name not in rules:
            known = ", ".join(rules) or "none"
            raise ValueError(f"{self.source or 'this set'} has no split {name!r}; splits it has: {known}")
        rule = rules[name]
        ids = self._of(rule["by"])
        train = np.isin(ids, self._ids(rule["by"], rule["train"]))
        test = np.isin(ids, self._ids(rule["by"], rule["test"])) if "test" in rule else ~train
        if (train & test).any():  # a name on one side and its number on the other
            raise ValueError(f"split {name!r} of {self.source or 'this set'} has one {rule['by']} on both sides")
        for side, chosen in (("train", train), ("test", test)):
            if not chosen.any():
                raise ValueError(f"split {name!r} of {self.source or 'this set'} leaves no motion to {side}")
        return self.select(train), self.select(test)

    def resampled(self, frames: int) -> MotionSet:
        """The same motions with another number of frames, linear in time; first and last frame stay exactly.

        Padding (`columns["frames"]`) is left out, so a short motion is stretched over all frames. The rate changes with
        it: a motion lasts as long as before. In padded motions and partners a frame of zeros is one without a body:
        between it and another there is nothing to blend, the nearer one is taken.
        """
        old = self.shape[2]
        if frames < 1:
            raise ValueError(f"frames must be at least 1, got {frames}")
        real = self._real_frames()
        if frames == old and (real == old).all():
            return self._unpadded()
        rate = np.where((real > 1) & (frames > 1), (frames - 1) / np.maximum(real - 1, 1), 1.0)
        rates = self.fps * (float(rate[0]) if len(rate) and (rate == rate[0]).all() else rate)
        stretch = Stretch(real, frames, gaps="frames" in self.columns)
        changed = self._changed(stretch, frames, of_partner=replace(stretch, gaps=True))
        return replace(changed, fps=rates)._unpadded()

    def cut(self, frames: int, *, hold: bool = True) -> MotionSet:
        """The first `frames` frames of each motion.

        Args:
            hold: a shorter motion holds its last pose; otherwise it ends in zeros, which networks take for a pose
                (published), and `notes["padded"]` says how many do
        """
        if frames < 1:
            raise ValueError(f"frames must be at least 1, got {frames}")
        real = self._real_frames()
        if frames == self.shape[2] and (real == frames).all():
            return self._unpadded()
        cut = self._changed(Cut(real, frames, hold), frames)._unpadded()
        short = int((real < frames).sum())
        return cut if hold or not short else replace(cut, notes={**cut.notes, "padded": short})

    def centred(self, mode: Literal["none", "first", "frame"]) -> MotionSet:
        """Positions relative to the centre joint: of the first frame (`first`), of every frame (`frame`), or as is.

        A partner is moved like the motion, so where the two stand stays the same. In padded motions and in partners,
        frames without a body stay zeros.
        """
        if mode == "none":
            return self
        if mode not in ("first", "frame"):
            raise ValueError(f"unknown centering {mode!r}; expected one of: none, first, frame")
        center = self.skeleton.center
        gaps = "frames" in self.columns
        of_partner = CentreOn(center, mode, gaps, self.motion)
        return self._changed(Centre(center, mode, gaps), self.shape[2], of_partner=of_partner)

    def _real_frames(self) -> np.ndarray:
        """(N,) frames of each motion before its padding, at least one."""
        n, _, frames, _ = self.shape
        known = self.columns.get("frames")
        return np.full(n, frames) if known is None else np.clip(known.astype(np.int64), 1, frames)

    def _unpadded(self) -> MotionSet:
        if "frames" not in self.columns and not self.notes.get("padded"):
            return self
        columns = {name: values for name, values in self.columns.items() if name != "frames"}
        return replace(self, columns=columns, notes={**self.notes, "padded": 0})

    def _changed(self, change: Change, frames: int, of_partner: Change | None = None) -> MotionSet:
        """Every row changed: now where it is in memory, whenever it is read where it lies on the disk."""
        motion, partner = _changed(self.motion, change, frames), self.partner
        if partner is not None:
            partner = _changed(partner, of_partner or change, frames)
        return replace(self, motion=motion, partner=partner)

    def on(self, skeleton: Skeleton) -> MotionSet:
        """The same coordinates on another description of the same joints.

        Raises:
            ValueError: if that has another number of joints or channels.
        """
        return replace(self, skeleton=skeleton)

    def check(self, name: str = "") -> list[str]:
        """Looks at every coordinate, and returns what is odd but usable, one sentence each.

        Raises:
            ValueError: naming the set (`name`, else its source) and the motions whose coordinates are not finite.
        """
        name = name or self.source
        try:
            largest = _largest(self.motion)
        except ValueError as error:
            raise ValueError(f"{name}: {error}" if name else str(error)) from error
        odd = []
        empty = [known for known, count in self.counts().items() if count == 0]
        if empty:
            more = f" and {len(empty) - 8} more" if len(empty) > 8 else ""
            odd.append(f"no motions of {len(empty)} of {len(self.class_names)} classes: {', '.join(empty[:8])}{more}")
        if largest > 100:
            odd.append(f"the largest coordinate is {largest:.4g}: are these metres?")
        return odd

    def _of(self, name: str) -> np.ndarray:
        values = getattr(self, name)
        if values is None:
            raise ValueError(f"{self.source or 'this set'} does not say which {name} its motions have")
        return cast(np.ndarray, values)

    def _ids(self, by: str, wanted: Collection[Any]) -> list[int]:
        """Numbers of people, cameras or setups that are given by name or number."""
        ids = []
        for value in wanted:
            if isinstance(value, (int, np.integer)):
                ids.append(int(value))
            elif by == "subject" and value in self.subject_names:
                ids.append(self.subject_names.index(value))
            else:
                known = ", ".join(self.subject_names[:12]) if by == "subject" else ""
                raise ValueError(f"no {by} is called {value!r}; expected numbers{known and ' or names: ' + known}")
        return ids


def _several(name: str, values: Collection[Any]) -> Collection[Any]:
    if isinstance(values, (str, int)):
        raise ValueError(f"{name} needs a list, got {values!r}")
    return values


def _loose(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _natural(name: str) -> tuple[Any, ...]:
    """Sorting key: 2 before 10, also inside names."""
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"([0-9]+)", name) if part
    )


def _check_shape(shape: tuple[int, ...], skeleton: Skeleton) -> None:
    if len(shape) != 4:
        raise ValueError(f"motion has shape {shape}, expected four axes (N, C, T, V)")
    _, channels, frames, joints = shape
    if joints != len(skeleton.joints):
        named = f"skeleton {skeleton.name}" if skeleton.name else "the skeleton"
        raise ValueError(f"motion has {joints} joints, {named} has {len(skeleton.joints)}; expected shape (N, C, T, V)")
    if channels not in (2, 3) or channels != skeleton.channels:
        raise ValueError(f"motion has {channels} channels, expected {skeleton.channels} (2 or 3: x, y and perhaps z)")
    if frames < 1:
        raise ValueError("motion has no frames")


def _float32(motion: Any) -> Any:
    """Native float32; as it is where it is that already."""
    if isinstance(motion, StoredMotion):
        return motion
    motion = np.asanyarray(motion)
    if motion.dtype == np.float32:
        return motion
    if motion.dtype.kind != "f" or motion.dtype.itemsize not in (2, 4, 8):
        raise ValueError(f"motion has type {motion.dtype}, expected float16, float32 or float64")
    out = np.empty(motion.shape, dtype=np.float32)
    with np.errstate(over="ignore"):  # becomes inf, which `check` finds
        for rows in _chunks(motion):
            out[rows] = motion[rows]
    return out


def _taken(motion: Any, rows: slice | np.ndarray) -> Any:
    """Some motions, on the disk where they are there."""
    if not is_stored(motion) or (isinstance(rows, slice) and not isinstance(motion, StoredMotion)):
        return motion[rows]
    return StoredMotion.of(motion).taken(rows)


def _changed(motion: Any, change: Change, frames: int) -> Any:
    if is_stored(motion):
        return StoredMotion.of(motion).changed(change, frames=frames)
    n, channels, _, joints = motion.shape
    out = np.empty((n, channels, frames, joints), dtype=np.float32)
    for rows in _chunks(motion):
        out[rows] = change(motion[rows], np.arange(rows.start, rows.stop))
    return out


def _names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"{what} must be a list of words, got {str(names)[:80]!r}")
    plain = tuple(str(name) for name in names)
    if len(set(plain)) != len(plain):
        twice = [name for name, count in Counter(plain).items() if count > 1]
        raise ValueError(f"{what} has a name twice: {', '.join(twice[:5])}")
    return plain


def _numbers(what: str, values: Any, n: int, below: int | None = None) -> np.ndarray:
    values = np.asarray(values)
    if values.shape != (n,):
        raise ValueError(f"{what} has shape {values.shape}, expected one number per motion: ({n},)")
    if values.dtype.kind not in "iu" and n:
        raise ValueError(f"{what} has type {values.dtype}, expected whole numbers")
    if values.dtype == np.uint64 and n and values.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{what} has numbers beyond 64 bits")
    values = values.astype(np.int64)
    if below is not None and n:
        wrong = np.flatnonzero((values < 0) | (values >= below))
        if len(wrong):
            first = wrong[0]
            raise ValueError(
                f"{what} of motion {first} is {values[first]}, expected 0 to {below - 1} ({len(wrong)} such motions)"
            )
    return cast(np.ndarray, values)


def _rates(fps: Any, n: int) -> float | np.ndarray:
    values = np.asarray(fps, dtype=np.float64)
    if values.shape not in ((), (n,)):
        raise ValueError(f"fps has shape {values.shape}, expected one number, or one per motion: ({n},)")
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError("fps must be positive")
    return float(values) if values.ndim == 0 else values


def _column(name: str, values: Any, n: int) -> np.ndarray:
    values = np.asarray(values)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
        raise ValueError(f"a column needs a plain name, got {name!r}")
    if values.dtype.kind not in "biuf" or values.dtype.itemsize > 8:
        raise ValueError(f"column {name} has type {values.dtype}, expected numbers")
    if values.shape != (n,):
        raise ValueError(f"column {name} has shape {values.shape}, expected one number per motion: ({n},)")
    return cast(np.ndarray, values)


def _split_rules(splits: Any) -> dict[str, dict[str, Any]]:
    plain = _plain("splits", splits)
    for name, rule in plain.items():
        if not isinstance(rule, dict) or rule.get("by") not in ("subject", "view", "setup"):
            raise ValueError(f"split {name!r} needs `by`: subject, view or setup; got {str(rule)[:80]}")
        if set(rule) - {"by", "train", "test"} or not isinstance(rule.get("train"), list):
            raise ValueError(f"split {name!r} needs `by`, `train` and perhaps `test`, got {', '.join(rule)}")
        for side in ("train", "test"):
            values = rule.get(side, [])
            if not isinstance(values, list) or not all(type(value) in (str, int) for value in values):
                raise ValueError(f"split {name!r}: {side} must list names or whole numbers")
        both = [value for value in rule["train"] if value in rule.get("test", [])]
        if both:
            raise ValueError(f"split {name!r} has {rule['by']} {both[0]!r} in train and in test")
    return plain


def _plain(what: str, value: Any) -> dict[str, Any]:
    """A copy as it comes back from a file."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} must be a mapping, got {type(value).__name__}")
    try:
        return cast(dict[str, Any], json.loads(json.dumps(dict(value), allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{what} must be plain JSON (numbers, words, lists, mappings): {error}") from error


def _rows(chosen: Any, n: int) -> slice | np.ndarray:
    if isinstance(chosen, slice):
        return chosen
    chosen = np.asarray(chosen)
    if chosen.size == 0 and chosen.dtype.kind != "b":
        chosen = chosen.astype(np.int64)
    if chosen.ndim != 1 or chosen.dtype.kind not in "biu":
        raise ValueError(f"expected a mask or a list of rows, got {chosen.dtype} of shape {chosen.shape}")
    if chosen.dtype.kind == "b":
        if len(chosen) != n:
            raise ValueError(f"the mask has {len(chosen)} entries, the set {n} motions")
        chosen = np.flatnonzero(chosen)
    else:
        wrong = chosen[(chosen < -n) | (chosen >= n)]
        if len(wrong):
            raise ValueError(f"row {wrong[0]} is not there: the set has {n} motions")
        chosen = chosen.astype(np.int64) % max(n, 1)
    if len(chosen) and (np.diff(chosen) == 1).all():
        return slice(int(chosen[0]), int(chosen[-1]) + 1)
    return cast(np.ndarray, chosen)


def _chunks(motion: np.ndarray) -> Iterator[slice]:
    """Slices of rows that hold about CHUNK bytes each."""
    size = max(1, int(np.prod(motion.shape[1:]))) * max(4, motion.dtype.itemsize)
    step = max(1, CHUNK // size)
    for start in range(0, len(motion), step):
        yield slice(start, min(start + step, len(motion)))


def _largest(motion: np.ndarray, first: int = 0) -> float:
    """The largest absolute coordinate; an error names the rows (counted from `first`) that are not finite."""
    largest, count = 0.0, 0
    wrong: list[int] = []
    for rows in _chunks(motion):
        part = np.asarray(motion[rows])
        release(motion)
        top = max(float(part.max()), -float(part.min())) if part.size else 0.0  # NaN passes through max and min
        if np.isfinite(top):
            largest = max(largest, top)
            continue
        bad = np.flatnonzero(~np.isfinite(part).all(axis=(1, 2, 3))) + rows.start + first
        count += len(bad)
        wrong += bad[: 10 - len(wrong)].tolist()
    if count:
        more = ", ..." if count > len(wrong) else ""
        listed = ", ".join(str(row) for row in wrong)
        raise ValueError(f"{count} of {len(motion)} motions hold NaN or infinite coordinates: motions {listed}{more}")
    return largest


# ------------------------------------------------------------------------------------------------- files from others


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
        _largest(motions.motion)
        if motions.partner is not None:
            try:
                _largest(motions.partner)
            except ValueError as error:
                raise ValueError(f"partner: {error}") from error
    except (ValueError, OSError, EOFError, RuntimeError, OverflowError, MemoryError, struct.error) as error:
        raise ValueError(f"{path}: {str(error) or type(error).__name__}") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: a damaged zip file: {error}") from error
    return motions


# ------------------------------------------------------------------------------------------------------- our formats

_META = ("format", "version", "class_names", "skeleton", "subject_names", "clip", "fps", "source", "splits", "notes")
_ROWS = ("subject", "view", "setup")


def _decode_meta(text: str) -> dict[str, Any]:
    """The json text of our formats as arguments of a MotionSet, where it says whether `fps` is an array (null)."""
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"meta is not JSON: {error}") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise ValueError(f"meta does not say that its format is {FORMAT}")
    if meta.get("version") != VERSION:
        raise ValueError(f"meta has version {str(meta.get('version'))[:20]}, this library reads version {VERSION}")
    missing, unknown = set(_META) - set(meta), set(meta) - set(_META)
    if missing or unknown:
        raise ValueError(f"meta lacks {sorted(missing)}, and has unknown keys {sorted(unknown)[:5]}")
    for name in ("class_names", "subject_names", "clip"):
        if not isinstance(meta[name], list) or not all(isinstance(word, str) for word in meta[name]):
            raise ValueError(f"meta.{name} must be a list of words")
    if meta["fps"] is not None and type(meta["fps"]) not in (int, float):
        raise ValueError("meta.fps must be a number, or null where there is one per motion")
    if not isinstance(meta["source"], str):
        raise ValueError("meta.source must be a word")
    skeleton = meta["skeleton"]
    if not isinstance(skeleton, dict) or not all(
        len(value) < 1000 for value in skeleton.values() if hasattr(value, "__len__")
    ):
        raise ValueError("meta.skeleton must be a mapping with fewer than 1000 joints")
    try:
        meta["skeleton"] = Skeleton.from_dict(meta["skeleton"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"meta.skeleton: {error}") from error
    return {name: value for name, value in meta.items() if name not in ("format", "version")}


def _assemble(
    motion: np.ndarray,
    partner: np.ndarray | None,
    label: np.ndarray,
    meta: dict[str, Any],
    names: Collection[str],
    get: Any,
) -> MotionSet:
    """A set from its parts; `get(name, kinds)` opens the array of that name, `names` are those that exist."""
    _check_shape(motion.shape, meta["skeleton"])
    if meta["fps"] is None:
        meta["fps"] = get("fps", "f")
    rows = {name: get(name, "iu") for name in _ROWS if name in names}
    prefix = "column_"
    columns = {name.removeprefix(prefix): get(name, "biuf") for name in sorted(names) if name.startswith(prefix)}
    return MotionSet(motion, label, **meta, **rows, columns=columns, partner=partner)


def _read_archive(path: Path) -> MotionSet:
    with Archive(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.names]
        meta = _decode_meta(archive.text("meta"))
        partner = archive.array("partner", "f") if "partner" in names else None
        motion, label = archive.array("motion", "f"), archive.array("label", "iu")
        return _assemble(motion, partner, label, meta, names, archive.array)


def _read_folder(path: Path) -> MotionSet:
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
    "motions in an .npz (motion, label, meta)": Reader(_holds("motion.npy", "label.npy", "meta.npy"), _read_archive),
    "a folder (motion.npy, labels.npy, meta.json)": Reader(
        _holds("motion.npy", "labels.npy", "meta.json"), _read_folder
    ),
    "windows in an .npz (data, label, subject, view, fps, clip, joint_names, meta)": Reader(
        _holds(*(f"{name}.npy" for name in _WINDOWS)), _read_windows
    ),
    "published arrays (x_data.npy, and x_label.pkl beside it)": Reader(_is_array, _read_published),
}
"""Every kind of file that `read_motions` opens, in the order in which they are tried."""


# ----------------------------------------------------------------------------------------------------------- writing


def write_motions(motions: MotionSet, path: str | os.PathLike[str]) -> None:
    """Keeps a set in a file (`.npz`, compressed) or a folder (no suffix), from which it comes back exactly.

    The target is replaced only when everything is written.

    Raises:
        ValueError: for another suffix, an empty set, or coordinates that are not finite.
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
        for rows in _chunks(motions.motion):
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
    """Writes a set batch by batch, with the memory of one batch, and shows it only when it is complete.

        with MotionWriter("motions.npz", 60_000, frames=64, class_names=names, skeleton=NTU25) as writer:
            for motion, label in batches:
                writer.write(motion, label)

    Args:
        path: `.npz` for a compressed file, a name without suffix for a folder that can be memory-mapped
        n: how many motions there will be
        frames: frames of every motion; joints and channels are those of the skeleton
        class_names, skeleton, subject_names, fps, source, splits, notes: as in `MotionSet`

    Raises:
        ValueError: on the way out when fewer motions than announced were written. After this and after any other
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
    ) -> None:
        self.path, self.n = Path(path), n
        if n < 1:
            raise ValueError(f"{self.path}: a file needs at least one motion, got {n}")
        if self.path.suffix not in (".npz", ""):
            raise ValueError(f"{self.path}: expected a name that ends in .npz, or a folder name without suffix")
        # An empty set checks the rest.
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
        self._kept: dict[str, list[np.ndarray]] = {}
        self._clip: list[str] = []
        self._keys: set[str] | None = None
        self._work: Path | None = None
        self._zip: zipfile.ZipFile | None = None
        self._file: Any = None
        self._partner: Any = None  # a zip file takes one array at a time, so the second waits beside it

    def __enter__(self) -> MotionWriter:
        _check_target(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._work = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", suffix=".tmp", dir=self.path.parent))
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
            ValueError: for a batch that does not fit the announcement, or coordinates that are not finite.
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
            _largest(batch.motion, self._written)
            if batch.partner is not None:
                _largest(batch.partner, self._written)
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
            self._kept.setdefault(name, []).append(values)
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
        arrays = {name: np.concatenate(values) for name, values in self._kept.items()}
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
            _check_target(self.path)
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
            _check_target(self.path)
            if self.path.exists():  # two renames: a folder cannot replace another in one step
                os.rename(self.path, work / "old")
            try:
                os.rename(folder, self.path)
            except OSError:
                with contextlib.suppress(FileNotFoundError):
                    os.rename(work / "old", self.path)
                raise
        flush(self.path.parent)

    def _abandon(self) -> None:
        """Leaves nothing behind but the target."""
        for handle in (self._file, self._partner, self._zip):
            if handle is not None:
                with contextlib.suppress(OSError, ValueError):
                    handle.close()
        self._file = self._partner = self._zip = None
        if self._work is not None:
            shutil.rmtree(self._work, ignore_errors=True)
            self._work = None


def _bytes(motion: np.ndarray) -> memoryview:
    return np.ascontiguousarray(motion, dtype="<f4").data.cast("B")


def _check_target(path: Path) -> None:
    """Refuses to replace what is not motions."""
    if path.suffix == ".npz":
        if path.is_dir():
            raise ValueError(f"{path}: is a folder")
        return
    if path.is_dir():
        mine = re.compile(r"(motion|partner|labels|fps|subject|view|setup|column_\w+)\.npy|meta\.json")
        others = [entry.name for entry in path.iterdir() if not mine.fullmatch(entry.name)]
        if others:
            raise ValueError(f"{path}: is a folder that holds other things ({others[0]}); it is not replaced")
    elif path.exists():
        raise ValueError(f"{path}: is a file; a name without suffix makes a folder")
