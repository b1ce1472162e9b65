"""Concatenation: several sets of motions as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from kinetic.messages import safe_line
from kinetic.motion.arrays import mebibytes
from kinetic.motion.coordinates import chunks
from kinetic.motion.stored import is_stored, release

__all__ = ["concatenated"]

Motions: TypeAlias = Any
"""A `MotionSet`; its module imports this one."""


def concatenated(sets: Sequence[Motions], load: bool = False) -> Motions:
    """The motions of all sets, in their order; see `MotionSet.concatenate`."""
    if not sets:
        raise ValueError("concatenate needs at least one set of motions")
    first = sets[0]
    for number, motions in enumerate(sets):
        _check_alike(first, motions, number)
    stored = [str(number) for number, motions in enumerate(sets) if is_stored(motions.motion)]
    if stored and not load:
        size = mebibytes(sum(motions.motion.nbytes for motions in sets))
        raise ValueError(
            f"motions of set {', '.join(stored)} are on the disk, their concatenation ({size}) would be in memory; "
            "write MotionSet.concatenate(sets, load=True) to read them"
        )
    class_names, labels = _merged([motions.class_names for motions in sets])
    subject_names, subject = _people(sets)
    partners = [motions.partner for motions in sets]
    sources = dict.fromkeys(motions.source or "unknown" for motions in sets)
    return replace(
        first,
        motion=_joined([motions.motion for motions in sets]),
        partner=None if all(partner is None for partner in partners) else _joined(partners, like=sets),
        label=np.concatenate([new[motions.label] for new, motions in zip(labels, sets, strict=True)]),
        class_names=class_names,
        subject=subject,
        subject_names=subject_names,
        view=_numbers([motions.view for motions in sets]),
        setup=_numbers([motions.setup for motions in sets]),
        clip=_clips(sets),
        fps=_rates(sets),
        source=" + ".join(sources) if len(sources) > 1 else first.source,
        splits=_splits(sets),
        notes=_notes(sets),
        columns=_columns(sets),
    )


def _check_alike(first: Motions, motions: Motions, number: int) -> None:
    """Raise ValueError where the coordinates of a set do not mean the same as those of the first one."""
    if motions.skeleton != first.skeleton:
        names = [safe_line(some.skeleton.name or "one without a name") for some in (motions, first)]
        raise ValueError(
            f"set {number} has another skeleton than set 0 ({names[0]}, not {names[1]}): "
            "`.on(skeleton)` describes the same joints anew, kinetic.motion.joints.on_ntu25 maps other joints"
        )
    frames, expected = motions.shape[2], first.shape[2]
    if frames != expected:
        raise ValueError(f"set {number} has {frames} frames, set 0 has {expected}: use .resampled({expected}) first")
    if (motions.notes.get("recipe") == "pyskl") != (first.notes.get("recipe") == "pyskl"):
        raise ValueError(f"z points up in one of set 0 and set {number}, y in the other: use .upright() first")
    cameras = [some.notes.get("camera") for some in (first, motions)]
    if cameras[0] != cameras[1]:
        raise ValueError(f"set 0 was projected by camera {cameras[0]!r}, set {number} by {cameras[1]!r}")


def _merged(names: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """All names once, and for each list of names their numbers among all."""
    merged = tuple(dict.fromkeys(name for names_of_set in names for name in names_of_set))
    number = {name: i for i, name in enumerate(merged)}
    return merged, [np.array([number[name] for name in names_of_set], dtype=np.int64) for names_of_set in names]


def _people(sets: Sequence[Motions]) -> tuple[tuple[str, ...], np.ndarray | None]:
    subjects = [motions.subject for motions in sets]
    if any(subject is None for subject in subjects):
        return (), None
    if not any(motions.subject_names for motions in sets):
        return (), _numbers(subjects)
    if not all(motions.subject_names for motions in sets):
        raise ValueError("some sets name their people and others number them: give all sets subject_names, or none")
    names, numbers = _merged([motions.subject_names for motions in sets])
    return names, _numbers([new[motions.subject] for new, motions in zip(numbers, sets, strict=True)])


def _numbers(values: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """One column from those of all sets; None where a set has none."""
    columns = [column for column in values if column is not None]
    return np.concatenate(columns) if len(columns) == len(values) else None


def _joined(motions: Sequence[Any], like: Sequence[Motions] = ()) -> np.ndarray:
    """Motions of all sets in memory; zeros for a set without, as large as its motions in `like`."""
    sizes = [len(part) for part in (like or motions)]
    shape = next(part.shape[1:] for part in motions if part is not None)
    out = np.zeros((sum(sizes), *shape), dtype=np.float32)
    for begin, part in zip(np.cumsum([0, *sizes]).tolist(), motions, strict=False):
        for rows in () if part is None else chunks(part):
            out[begin + rows.start : begin + rows.stop] = part[rows]
            release(part)
    return out


def _clips(sets: Sequence[Motions]) -> tuple[str, ...]:
    if any(len(motions) and not motions.clip for motions in sets):
        return ()
    return tuple(clip for motions in sets for clip in motions.clip)


def _rates(sets: Sequence[Motions]) -> float | np.ndarray:
    rates = [motions.fps for motions in sets]
    if all(isinstance(rate, float) for rate in rates) and len(set(rates)) == 1:
        return rates[0]
    return np.concatenate([np.broadcast_to(motions.fps, len(motions)) for motions in sets])


def _splits(sets: Sequence[Motions]) -> dict[str, dict[str, Any]]:
    """Rules that all sets share; numbers of people mean the same only where their names are the same."""
    first = sets[0]
    same_people = all(motions.subject_names == first.subject_names for motions in sets)
    return {
        name: rule
        for name, rule in first.splits.items()
        if all(motions.splits.get(name) == rule for motions in sets)
        and (
            same_people
            or rule["by"] != "subject"
            or all(isinstance(value, str) for value in [*rule["train"], *rule.get("test", [])])
        )
    }


def _notes(sets: Sequence[Motions]) -> dict[str, Any]:
    """Notes that all sets share; the motions that end in zeros are counted together."""
    first, *others = (motions.notes for motions in sets)
    notes = {key: value for key, value in first.items() if all(key in more and more[key] == value for more in others)}
    padded = sum(motions.notes.get("padded", 0) for motions in sets)
    return {**notes, "padded": padded} if padded else notes


def _columns(sets: Sequence[Motions]) -> dict[str, np.ndarray]:
    """Columns that all sets have, and `frames` where any set is padded."""
    names = [name for name in sets[0].columns if all(name in motions.columns for motions in sets)]
    columns = {name: np.concatenate([motions.columns[name] for motions in sets]) for name in names}
    if any("frames" in motions.columns for motions in sets):
        columns["frames"] = np.concatenate(
            [motions.columns.get("frames", np.full(len(motions), motions.shape[2])) for motions in sets]
        )
    return columns
