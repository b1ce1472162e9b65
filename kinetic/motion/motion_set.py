"""Motions as arrays: what a set of them holds, how it is split, and what can be done to all of it."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np

from kinetic.messages import nearest, safe_line
from kinetic.motion.arrays import CHUNK
from kinetic.motion.changes import Centre, CentreOn, Cut, Stretch
from kinetic.motion.stored import Change, StoredMotion, is_stored, release
from kinetic.plain import json_values
from kinetic.skeleton import Skeleton

__all__ = ["FARTHEST", "SPLITS", "MotionSet", "check_shape", "chunks", "largest_coordinate", "natural_order"]

FARTHEST = 1e5
"""Largest coordinate that is trained on or scored; not even millimetres and pixels of real people come near."""

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
        check_shape(motion.shape, self.skeleton)
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
        near = nearest(str(name), self.class_names, count=3, cutoff=0.4) or self.class_names[:12]
        known = f"there are {len(self.class_names)}, such as {', '.join(map(safe_line, near))}"
        raise ValueError(f"no class is called {safe_line(repr(name))}; {known}")

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
                people: list[Any] = sorted(self.subject_names, key=natural_order)
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

    def upright(self) -> MotionSet:
        """For pictures: y up also where the notes name a recipe that turns z up, as pyskl's does."""
        if self.notes.get("recipe") != "pyskl" or self.shape[1] != 3:
            return self
        partner = None if self.partner is None else np.asarray(self.partner)[:, [0, 2, 1]]
        return replace(self, motion=np.asarray(self.motion)[:, [0, 2, 1]], partner=partner)

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

    def check(self, name: str = "", *, farthest: float = math.inf) -> list[str]:
        """Looks at every coordinate, and returns what is odd but usable, one sentence each.

        Raises:
            ValueError: naming the set (`name`, else its source) and the motions whose coordinates are not finite, or a
                coordinate beyond `farthest`.
        """
        name = name or self.source
        try:
            largest = largest_coordinate(self.motion)
        except ValueError as error:
            raise ValueError(f"{name}: {error}" if name else str(error)) from error
        if largest > farthest:
            raise ValueError(
                f"{name and f'{name}: '}the largest coordinate is {largest:.4g}, expected metres (millimetres and "
                f"pixels are possible) of at most {farthest:g}; the file is damaged, or in another unit"
            )
        odd = []
        empty = [known for known, count in self.counts().items() if count == 0]
        if empty:
            more = f" and {len(empty) - 8} more" if len(empty) > 8 else ""
            some = ", ".join(map(safe_line, empty[:8]))
            odd.append(f"no motions of {len(empty)} of {len(self.class_names)} classes: {some}{more}")
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
                known = ", ".join(map(safe_line, self.subject_names[:12])) if by == "subject" else ""
                raise ValueError(f"no {by} is called {value!r}; expected numbers{known and ' or names: ' + known}")
        return ids


def _several(name: str, values: Collection[Any]) -> Collection[Any]:
    if isinstance(values, (str, int)):
        raise ValueError(f"{name} needs a list, got {values!r}")
    return values


def _loose(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def natural_order(name: str) -> tuple[Any, ...]:
    """Sorting key: 2 before 10, also inside names."""
    parts = re.split(r"([0-9]{1,18})", name)
    return tuple((0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part) for part in parts if part)


def check_shape(shape: tuple[int, ...], skeleton: Skeleton) -> None:
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
    with np.errstate(over="ignore", invalid="ignore"):  # becomes inf or NaN, which `check` finds
        for rows in chunks(motion):
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
    for rows in chunks(motion):
        out[rows] = change(motion[rows], np.arange(rows.start, rows.stop))
    return out


def _names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"{what} must be a list of words, got {str(names)[:80]!r}")
    plain = tuple(str(name) for name in names)
    if any("\ud800" <= letter <= "\udfff" for name in plain for letter in name):
        raise ValueError(f"{what} has a name that is no text: {ascii(plain)[:80]}")
    if len(set(plain)) != len(plain):
        twice = [name for name, count in Counter(plain).items() if count > 1]
        raise ValueError(f"{what} has a name twice: {', '.join(map(safe_line, twice[:5]))}")
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
        return cast(dict[str, Any], json_values(json.dumps(dict(value), allow_nan=False)))
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


def chunks(motion: np.ndarray) -> Iterator[slice]:
    """Slices of rows that hold about CHUNK bytes each."""
    size = max(1, int(np.prod(motion.shape[1:]))) * max(4, motion.dtype.itemsize)
    step = max(1, CHUNK // size)
    for start in range(0, len(motion), step):
        yield slice(start, min(start + step, len(motion)))


def largest_coordinate(motion: np.ndarray, first: int = 0) -> float:
    """The largest absolute coordinate; an error names the rows (counted from `first`) that are not finite."""
    largest, count = 0.0, 0
    wrong: list[int] = []
    for rows in chunks(motion):
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
