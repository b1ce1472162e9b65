"""Sets of motions: arrays with the class, person and camera of each motion, and changes of all motions together."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np

from kinetic.messages import nearest, safe_line
from kinetic.motion.changes import Centre, CentreOn, Cut, Stretch
from kinetic.motion.concatenation import concatenated
from kinetic.motion.coordinates import as_float32, check_shape, chunks, largest_coordinate
from kinetic.motion.fields import different_names, frame_rates, number_column, plain_mapping, row_index, whole_numbers
from kinetic.motion.preview import counted, preview_html
from kinetic.motion.splits import checked_rules, split_rules
from kinetic.motion.stored import Change, StoredMotion, is_stored
from kinetic.skeleton import Skeleton

if TYPE_CHECKING:
    from torch import Tensor

    from kinetic.motion.dataset import MotionDataset

__all__ = ["MotionSet", "class_id"]


@dataclass(frozen=True, eq=False, repr=False)
class MotionSet:
    """Motions of one skeleton, each with its class and, where known, its person and camera.

    It is indexed like an array and like a dataset of torch:

    - `motions[3]` and `motions[-1]` are pairs of a motion, an array (C, T, V), and its label, an int. Iteration yields
      the same pairs.
    - `motions[:10]`, `motions[[4, 2]]` and `motions[motions.label == 0]` are sets (see `select`), so a set of one
      motion is `motions[3:4]`.
    - `a + b` and `MotionSet.concatenate([a, b, c])` put sets together.
    - `DataLoader(motions.as_dataset(), batch_size=32)` gives batches of tensors.

    Motions on the disk stay there: slices, selections and changes read nothing, `motions[3]` reads one motion.

    Args:
        motion: (N, C, T, V) float32, metres, y up; a read-only memory map or a `StoredMotion` where it stays on disk
        label: (N,) numbers into `class_names`
        class_names: names of the actions
        skeleton: names and bones of the V joints; its `channels` is C
        subject: (N,) people: numbers into `subject_names`, or any numbers where that is empty
        view: (N,) numbers of cameras
        setup: (N,) numbers of arrangements of cameras
        subject_names: names of the people
        clip: (N,) names of the recordings that the motions were cut from; motions may share one
        fps: frames per second, one number or one per motion
        source: name of the data set
        splits: split name -> `{"by": "subject" | "view" | "setup", "train": [names or numbers], "test": [...]}`;
            without `test`, everything else tests
        notes: plain JSON that travels with the set, such as its licence or how it was sampled
        columns: further (N,) numbers by name, such as `active` and `primary` of the motion files. Where motions are
            padded with frames of zeros, `frames` counts the frames before the padding.
        partner: (N, C, T, V) float32, a second person in each motion; zeros in frames without one

    Raises:
        ValueError: where these do not fit together. Coordinates are not read: `check` does that.
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
        motion = as_float32(self.motion)
        check_shape(motion.shape, self.skeleton)
        n = len(motion)
        put = object.__setattr__  # frozen for everyone else
        put(self, "motion", motion)
        if self.partner is not None:
            put(self, "partner", as_float32(self.partner))
            if self.partner.shape != motion.shape:
                raise ValueError(f"partner has shape {self.partner.shape}, expected that of motion: {motion.shape}")
        put(self, "class_names", different_names("class_names", self.class_names))
        put(self, "subject_names", different_names("subject_names", self.subject_names))
        put(self, "label", whole_numbers("label", self.label, n, below=len(self.class_names)))
        if self.subject is not None:
            below = len(self.subject_names) or None
            put(self, "subject", whole_numbers("subject", self.subject, n, below=below))
        for name in ("view", "setup"):
            if getattr(self, name) is not None:
                put(self, name, whole_numbers(name, getattr(self, name), n))
        put(self, "clip", tuple(str(clip) for clip in self.clip))
        if self.clip and len(self.clip) != n:
            raise ValueError(f"clip needs one name per motion ({n}), got {len(self.clip)}")
        put(self, "fps", frame_rates(self.fps, n))
        put(self, "splits", checked_rules(self.splits))
        put(self, "notes", plain_mapping("notes", self.notes))
        put(self, "columns", {name: number_column(name, values, n) for name, values in self.columns.items()})

    def __len__(self) -> int:
        return len(self.motion)

    @overload
    def __getitem__(self, rows: int | np.integer[Any]) -> tuple[np.ndarray, int]: ...

    @overload
    def __getitem__(self, rows: np.ndarray | Tensor | Sequence[int] | Sequence[bool] | slice) -> MotionSet: ...

    def __getitem__(self, rows: Any) -> tuple[np.ndarray, int] | MotionSet:
        if isinstance(rows, (bool, np.bool_, str, tuple)):
            hint = "; motions.where(classes=['walk']) looks for names" if isinstance(rows, str) else ""
            raise TypeError(f"expected a number, a slice, a mask or a list of rows, got {rows!r}{hint}")
        if isinstance(rows, (slice, Sequence)) or getattr(rows, "ndim", 0) > 0:
            return self.select(rows)
        row = operator.index(rows)
        if not -len(self) <= row < len(self):
            raise IndexError(f"there is no motion {row}: the set has {len(self)} motions")
        return self.motion[row], int(self.label[row])

    def __iter__(self) -> Iterator[tuple[np.ndarray, int]]:
        return (self[row] for row in range(len(self)))

    def __add__(self, other: MotionSet) -> MotionSet:
        return concatenated([self, other]) if isinstance(other, MotionSet) else NotImplemented

    @staticmethod
    def concatenate(sets: Iterable[MotionSet], *, load: bool = False) -> MotionSet:
        """The motions of all sets, in their order.

        Classes and people are merged by name. Views, setups, people, clips, columns, splits and notes are left out
        unless all sets have them, and so are splits and notes that differ. Motions without a partner get one of zeros
        where other sets have partners. The sources are joined by " + ", so that no official split applies to a mixture.

        Args:
            load: read motions that are on the disk; the result is always in memory

        Raises:
            ValueError: for sets of different skeletons, frames or axes, sets of which only some name their people, no
                set, or motions on the disk without `load`
        """
        sets = list(sets)
        if wrong := [motions for motions in sets if not isinstance(motions, MotionSet)]:
            raise TypeError(f"expected sets of motions, got {type(wrong[0]).__name__}")
        return concatenated(sets, load)

    def as_dataset(self) -> MotionDataset:
        """The motions as a dataset for torch's `DataLoader`: tensors (C, T, V) float32 and their labels, () int64.

        Works with several workers and with motions on the disk, of which a batch is read when it is needed.
        """
        from kinetic.motion.dataset import MotionDataset

        return MotionDataset(self.motion, self.label)

    def __repr__(self) -> str:
        return f"MotionSet({', '.join(counted(self))}, source={self.source!r})"

    def _repr_html_(self) -> str:
        return preview_html(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, T, V)."""
        return tuple(self.motion.shape)

    def class_id(self, name: str | int) -> int:
        """The label of a class; see the function `class_id`."""
        return class_id(name, self.class_names)

    def counts(self) -> dict[str, int]:
        """Motions per class, in the order of the labels."""
        count = np.bincount(self.label, minlength=len(self.class_names))
        return {name: int(number) for name, number in zip(self.class_names, count, strict=True)}

    def select(self, chosen: np.ndarray | Tensor | Sequence[int] | Sequence[bool] | slice) -> MotionSet:
        """The motions of a mask, a list of rows or a slice; `class_names` and `subject_names` stay as they are.

        A slice and a run of rows share the memory of this set, any other choice is a copy. Motions on the disk stay
        there.

        Raises:
            IndexError: for rows that do not exist, and a mask of another length
            TypeError: for anything but a mask, a list of rows or a slice
        """
        rows = row_index(chosen, len(self))
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

        With `classes`, other classes are dropped from `class_names` and labels are renumbered in the old order, so that
        a network for the result has no class without motions.

        Raises:
            ValueError: for an unknown name, or when no motion is left
        """
        keep = np.ones(len(self), dtype=bool)
        labels: list[int] | None = None
        if classes is not None:
            labels = sorted({self.class_id(name) for name in _listed("classes", classes)})
            keep &= np.isin(self.label, labels)
        if subjects is not None:
            keep &= np.isin(self._column("subject"), self._ids("subject", _listed("subjects", subjects)))
        if views is not None:
            keep &= np.isin(self._column("view"), self._ids("view", _listed("views", views)))
        if not keep.any():
            conditions = {"classes": classes, "subjects": subjects, "views": views}
            words = ", ".join(f"{name} {list(values)}" for name, values in conditions.items() if values is not None)
            raise ValueError(f"no motion of {len(self)} has {words}")
        chosen = self.select(keep)
        if labels is None:
            return chosen
        names = tuple(self.class_names[label] for label in labels)
        return replace(chosen, label=np.searchsorted(labels, chosen.label), class_names=names)

    def split_rules(self) -> dict[str, dict[str, Any]]:
        """The splits of this set by name: its own, else those of the official protocol of its source.

        A set without an `xsub` gets one that alternates: of its people in the order of their names (2 before 10), the
        1st, 3rd, 5th ... train and the others test. Without names, people are those whose numbers occur.
        """
        return split_rules(self.source, self.splits, self.subject, self.subject_names)

    def split_rows(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the train and of the test motions under the split of that name; see `split`."""
        rules, owner = self.split_rules(), self.source or "this set"
        if name not in rules:
            names = ", ".join(rules) or "none"
            raise ValueError(f"{owner} has no split {name!r}; splits it has: {names}")
        rule = rules[name]
        ids = self._column(rule["by"])
        train = np.isin(ids, self._ids(rule["by"], rule["train"]))
        test = np.isin(ids, self._ids(rule["by"], rule["test"])) if "test" in rule else ~train
        if (train & test).any():  # a name on one side and its number on the other
            raise ValueError(f"split {name!r} of {owner} has one {rule['by']} on both sides")
        for side, rows in (("train", train), ("test", test)):
            if not rows.any():
                raise ValueError(f"split {name!r} of {owner} leaves no motion to {side}")
        return np.flatnonzero(train), np.flatnonzero(test)

    def split(self, name: str) -> tuple[MotionSet, MotionSet]:
        """Train and test motions under the split of that name: no person (camera, setup) is in both.

        Motions that the rule gives to neither side are left out.

        Raises:
            ValueError: for a split that the set does not have, or one that leaves a side empty.
        """
        train, test = self.split_rows(name)
        return self.select(train), self.select(test)

    def resampled(self, frames: int) -> MotionSet:
        """The same motions with another number of frames, by linear interpolation; first and last frame stay exactly.

        Padding (`columns["frames"]`) is left out, so a short motion is stretched over all frames. `fps` changes, so
        that a motion lasts as long as before. In padded motions and in partners, frames of zeros have no body; a new
        frame between such a frame and another copies the nearer one.
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
            hold: a shorter motion holds its last pose; otherwise it ends in zeros (published), which networks take
                for a pose, and `notes["padded"]` counts such motions
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
        """Positions relative to the centre joint in the first frame (`first`), in every frame (`frame`), or unchanged.

        A partner is moved like the motion, so the two stay where they are to each other. In padded motions and in
        partners, frames without a body stay zeros.
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
        """The motions with y up, for pictures: the recipe of pyskl, if the notes name it, turns z up."""
        if self.notes.get("recipe") != "pyskl" or self.shape[1] != 3:
            return self
        partner = None if self.partner is None else np.asarray(self.partner)[:, [0, 2, 1]]
        return replace(self, motion=np.asarray(self.motion)[:, [0, 2, 1]], partner=partner)

    def _real_frames(self) -> np.ndarray:
        """(N,) frames of each motion before its padding, at least one."""
        n, _, frames, _ = self.shape
        column = self.columns.get("frames")
        return np.full(n, frames) if column is None else np.clip(column.astype(np.int64), 1, frames)

    def _unpadded(self) -> MotionSet:
        if "frames" not in self.columns and not self.notes.get("padded"):
            return self
        columns = {name: values for name, values in self.columns.items() if name != "frames"}
        return replace(self, columns=columns, notes={**self.notes, "padded": 0})

    def _changed(self, change: Change, frames: int, of_partner: Change | None = None) -> MotionSet:
        """Every motion changed: at once in memory, or whenever it is read from the disk."""
        motion, partner = _changed(self.motion, change, frames), self.partner
        if partner is not None:
            partner = _changed(partner, of_partner or change, frames)
        return replace(self, motion=motion, partner=partner)

    def on(self, skeleton: Skeleton) -> MotionSet:
        """The same coordinates with another description of the joints.

        Raises:
            ValueError: for a skeleton of another number of joints or channels
        """
        return replace(self, skeleton=skeleton)

    def check(self, name: str = "", *, farthest: float = math.inf) -> list[str]:
        """Sentences about what is odd but usable, after a look at every coordinate.

        Raises:
            ValueError: for coordinates that are not finite, naming the set (`name`, else its source) and the motions,
                or for a coordinate beyond `farthest`
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
        remarks = []
        empty = [class_name for class_name, count in self.counts().items() if count == 0]
        if empty:
            more = f" and {len(empty) - 8} more" if len(empty) > 8 else ""
            names = ", ".join(map(safe_line, empty[:8]))
            remarks.append(f"no motions of {len(empty)} of {len(self.class_names)} classes: {names}{more}")
        if largest > 100:
            remarks.append(f"the largest coordinate is {largest:.4g}: are these metres?")
        return remarks

    def _column(self, name: str) -> np.ndarray:
        values = getattr(self, name)
        if values is None:
            raise ValueError(f"{self.source or 'this set'} does not say which {name} its motions have")
        return cast(np.ndarray, values)

    def _ids(self, by: str, values: Collection[Any]) -> list[int]:
        """Numbers of people, cameras or setups from their names or numbers."""
        ids = []
        for value in values:
            if isinstance(value, (int, np.integer)):
                ids.append(int(value))
            elif by == "subject" and value in self.subject_names:
                ids.append(self.subject_names.index(value))
            else:
                names = ", ".join(map(safe_line, self.subject_names[:12])) if by == "subject" else ""
                raise ValueError(f"no {by} is called {value!r}; expected numbers{names and ' or names: ' + names}")
        return ids


def class_id(name: str | int, class_names: Sequence[str]) -> int:
    """The label of a class, by name or number. Case, blanks, `-` and `_` do not count in a name.

    Raises:
        ValueError: for an unknown class, with the nearest names
    """
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
        if 0 <= name < len(class_names):
            return int(name)
        raise ValueError(f"class {name} does not exist, expected 0 to {len(class_names) - 1}")
    if name in class_names:
        return class_names.index(str(name))
    loose_names = [_loose(class_name) for class_name in class_names]
    if loose_names.count(_loose(str(name))) == 1:
        return loose_names.index(_loose(str(name)))
    if re.fullmatch(r"[0-9]{1,9}", str(name)):
        return class_id(int(name), class_names)
    matches = nearest(str(name), class_names, count=3, cutoff=0.4) or class_names[:12]
    raise ValueError(
        f"no class is called {safe_line(repr(name))}; "
        f"there are {len(class_names)}, such as {', '.join(map(safe_line, matches))}"
    )


def _listed(name: str, values: Collection[Any]) -> Collection[Any]:
    if isinstance(values, (str, int)):
        raise ValueError(f"{name} needs a list, got {values!r}")
    return values


def _loose(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _taken(motion: Any, rows: slice | np.ndarray) -> Any:
    """Some of the motions; those on the disk stay there."""
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
