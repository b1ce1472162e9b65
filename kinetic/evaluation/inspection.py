"""What is wrong with a set of motions: what spoils training or makes an evaluation say too much."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from kinetic.messages import safe_line
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.splits import SPLITS
from kinetic.motion.summary import FAST, Survey, named, survey

__all__ = ["Fault", "inspect", "inspect_bodies", "inspection_text"]

BODY = (0.7, 2.6)
"""Metres: between these is, in the median over the motions, the largest side of the box around a body."""
ONE_BODY = (0.3, 3.2)
"""The same for each motion: a person who curls up, and a tall one with raised arms."""
LONGEST = 0.9
"""Metres: no bone is longer, in the median over the motions, or joints stand in another order."""
OFTEN = 0.1
"""Share of the frames of a motion that may be faster than `FAST`; real Kinect data has single such frames."""
BENDING = 0.25
"""Most that half of the bones of one motion may vary (standard deviation over mean length)."""
GAPS = 0.5
"""Most that may be missing of a motion's frames."""
SWAPPED = -0.3
"""From 1 (left joints are where the left is, judging by the feet) to -1 (they are on the right)."""

UPRIGHT = 0.7
"""Cosine of 45 degrees: from the feet to the head people point so much along one axis, in the median over motions."""
FEW = 5
"""Motions, below which all of the people may lie."""
LETTERS = 200
"""Most letters of a name."""
ALIKE = 3.0
"""Times that a partner may be larger than the motion or smaller, in the median: one is a child at most."""
ROOM = 10.0
"""Metres: a partner who is larger stands in other units; what sensors take for a person by mistake is smaller."""

UNITS = {"decimetres": 10.0, "inches": 39.37, "centimetres": 100.0, "millimetres": 1000.0}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Args:
        severity: `fault` where it spoils training or evaluation, `remark` where it may be meant so
        what: its kind in a word or two, the same for every set
        text: a sentence with numbers, units and the first motions
        motions: rows of the motions, all of them; empty where it is about the whole set
    """

    severity: Literal["fault", "remark"]
    what: str
    text: str
    motions: tuple[int, ...] = ()


def inspect(motions: MotionSet, surveyed: Survey | None = None) -> list[Fault]:
    """What is wrong with a set, faults first; none of it changes the set, and all motions are looked at.

    Args:
        surveyed: what `survey` found, where it has been there already; it takes the only pass over the coordinates
    """
    seen = survey(motions) if surveyed is None else surveyed
    found = [
        *_frames(motions, seen),
        *_bodies(motions, seen),
        *_measures(motions, seen),
        *_partners(motions, seen),
        *_copies(motions, seen),
        *_classes(motions),
        *_splits(motions),
        *_names(motions),
        *_spelling(motions),
    ]
    return sorted(found, key=lambda fault: fault.severity != "fault")


def inspect_bodies(motions: MotionSet, surveyed: Survey | None = None) -> list[Fault]:
    """Whether coordinates are what they should be: units, what points up, sides, order of joints, zeros; faults first.

    Of what `inspect` tells, that which means a broken file rather than poor motions: nothing of stretching bones,
    jumps, odd sizes or stillness of single motions, nor of names and splits.

    Args:
        surveyed: as for `inspect`
    """
    seen = survey(motions) if surveyed is None else surveyed
    found = [*_bodies(motions, seen), *_measures(motions, seen)]
    kept = [fault for fault in found if not fault.motions or fault.what in ("not finite", "empty", "gaps")]
    return sorted(kept, key=lambda fault: fault.severity != "fault")


def inspection_text(found: Sequence[Fault]) -> str:
    """The same for people: a line each, and one that counts."""
    faults = sum(fault.severity == "fault" for fault in found)
    lines = [f"{fault.severity:8}{fault.what}: {fault.text}" for fault in found]
    return "\n".join([*lines, f"{_many(faults, 'fault')}, {_many(len(found) - faults, 'remark')}"])


def _many(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'s' * (count != 1)}"


def _about(
    motions: MotionSet, severity: Literal["fault", "remark"], what: str, rows: Iterable[int] | np.ndarray, text: str
) -> Iterator[Fault]:
    """A fault of some motions, where there are any."""
    these = [int(row) for row in rows]
    if these:
        named_rows = f"{_many(len(these), 'motion')} {text}: {named(motions, these)}"
        yield Fault(severity, what, named_rows, tuple(these))


def _frames(motions: MotionSet, seen: Survey) -> Iterator[Fault]:
    told = motions.columns.get("frames")
    if told is not None:
        values = np.asarray(told, dtype=np.float64)
        wrong = ~((values >= 0) & (values <= motions.shape[2]) & (values == np.round(values)))  # NaN too
        if wrong.any():
            text = f"whose column frames is not a count from 0 to {motions.shape[2]}"
            yield from _about(motions, "fault", "frames", np.flatnonzero(wrong), text)
        yield from _about(
            motions, "remark", "padding", np.flatnonzero(seen.tail), "with something else than zeros in the padding"
        )


def _bodies(motions: MotionSet, seen: Survey) -> Iterator[Fault]:
    bodily = seen.bodies > 0
    missing = seen.gaps / np.maximum(seen.frames, 1)
    rows = np.flatnonzero
    yield from _about(
        motions, "fault", "not finite", rows(~seen.finite), "with coordinates that are NaN, infinite or beyond 1e15"
    )
    yield from _about(motions, "fault", "empty", rows(seen.finite & ~bodily), "of nothing but zeros")
    yield from _about(motions, "fault", "still", rows(seen.still), "in which no joint moves by a tenth of a millimetre")
    yield from _about(
        motions, "fault", "gaps", rows(bodily & (missing > GAPS)), f"with zeros in more than {GAPS:.0%} of the frames"
    )
    yield from _about(
        motions,
        "remark",
        "gaps",
        rows(bodily & (missing > 0) & (missing <= GAPS)),
        "with frames of zeros before the end, which networks take for a pose",
    )
    held = seen.held / np.maximum(seen.bodies, 1)
    yield from _about(
        motions, "remark", "held", rows((held > GAPS) & ~seen.still), f"with more than {GAPS:.0%} repeated frames"
    )


def _measures(motions: MotionSet, seen: Survey) -> Iterator[Fault]:
    """What points up, units, speeds, bones and sides; two coordinates have no metres to be judged by."""
    bodily = seen.bodies > 0
    upright = not (lying := list(_up(motions, seen)))
    yield from lying
    if motions.shape[1] != 3 or not bodily.any():
        return
    size = float(np.median(seen.size[bodily]))
    metric = BODY[0] <= size <= BODY[1]
    if not metric:
        yield Fault("fault", "units", f"bodies are {size:.4g} large, expected {BODY[0]} to {BODY[1]} m{_unit(size)}")
    else:
        with np.errstate(invalid="ignore"):  # NaN where there is no body
            odd = (seen.size < ONE_BODY[0]) | (seen.size > ONE_BODY[1])
        text = f"of bodies smaller than {ONE_BODY[0]} m or larger than {ONE_BODY[1]} m"
        yield from _about(motions, "fault", "size", np.flatnonzero(odd & bodily), text)
        yield from _speeds(motions, seen)
        if motions.skeleton.bones:
            length = np.median(seen.length[bodily], axis=0)  # (bones,)
            a, b = motions.skeleton.bones[int(length.argmax())]
            if length.max() > LONGEST:
                ends = " - ".join(safe_line(motions.skeleton.joints[joint]) for joint in (a, b))
                text = f"{ends} is {length.max():.2f} m long"
                yield Fault("fault", "joints", f"{text}: do the joints stand in the order of the skeleton?")
    if motions.skeleton.bones:
        bending = np.median(seen.variation, axis=1) > BENDING
        text = f"in which half of the bones vary by more than {BENDING:.0%} in length"
        yield from _about(motions, "fault", "bones", np.flatnonzero(bending & bodily), text)
    if upright:  # sides are seen from above
        yield from _sides(motions, seen)


def _up(motions: MotionSet, seen: Survey) -> Iterator[Fault]:
    """Another axis than y from the feet to the head; people who lie or turn in some of the motions do not count."""
    long = np.linalg.norm(seen.rise, axis=1)
    known = long > 0  # not NaN either
    if not known.any():
        return
    middle = np.median(seen.rise[known] / long[known, None], axis=0)  # (C,)
    axis = int(np.abs(middle).argmax())
    if np.abs(middle[axis]) < UPRIGHT or (axis == 1 and middle[axis] > 0):
        return
    points = f"{'xyz'[axis]} points {'up' if middle[axis] > 0 else 'down'}"
    text = f"{points}, judging by heads and feet ({middle[axis]:.2f} in the median of -1 to 1), expected y"
    if motions.notes.get("recipe") == "pyskl" and points == "z points up":
        yield Fault("remark", "up", f"{text}: the recipe pyskl turns motions so")
    elif known.sum() < FEW:
        yield Fault("remark", "up", f"{text}, or do people lie in {_many(int(known.sum()), 'motion')}?")
    else:
        yield Fault("fault", "up", text)


def _sides(motions: MotionSet, seen: Survey) -> Iterator[Fault]:
    known = ~np.isnan(seen.side)
    if known.any() and (middle := float(np.median(seen.side[known]))) < SWAPPED:
        text = f"left joints are on the right of where the feet point ({middle:.2f} in the median of -1 to 1)"
        yield Fault("fault", "sides", f"{text}: are left and right swapped, or is the set mirrored?")
    elif known.any():
        with np.errstate(invalid="ignore"):
            turned = np.flatnonzero(seen.side < SWAPPED)
        yield from _about(motions, "remark", "sides", turned, "whose left joints are on the right of where feet point")


def _unit(size: float) -> str:
    """What a body of 1.5 m would be in other units."""
    near = min(UNITS, key=lambda unit: abs(np.log(size / UNITS[unit] / 1.5)) if size > 0 else 0.0)
    if size > 0 and 0.5 < size / UNITS[near] < 3:
        return f": are these {near}?"
    return ": are they scaled, to -1 to 1 for example?" if size < BODY[0] else ""


def _speeds(motions: MotionSet, seen: Survey) -> Iterator[Fault]:
    share = seen.fast / np.maximum(seen.bodies, 1)
    order = np.argsort(-seen.speed, kind="stable")
    often = [row for row in order if seen.fast[row] > 1 and share[row] > OFTEN]
    some = [row for row in order if seen.fast[row] and not (seen.fast[row] > 1 and share[row] > OFTEN)]
    text = f"with a joint faster than {FAST:g} m/s in more than {OFTEN:.0%} of the frames"
    yield from _about(motions, "fault", "speed", often, text)
    yield from _about(motions, "remark", "speed", some, f"with single frames faster than {FAST:g} m/s, the worst first")


def _partners(motions: MotionSet, seen: Survey) -> Iterator[Fault]:
    """The same of the second bodies, which may come and go.

    What sensors take for a person by mistake stays in by some published recipes, so that it is a remark unless most
    partners are such.
    """
    if (second := seen.partner) is None:
        return
    rows = np.flatnonzero
    there = second.bodies > 0
    both = there & (seen.bodies > 0)
    found = [*_bodies(motions, second), *_measures(motions, second)]
    if motions.shape[1] == 2 and both.any():
        share = float(np.median(second.size[both] / np.maximum(seen.size[both], 1e-9)))
        if not 1 / ALIKE <= share <= ALIKE:
            found.append(Fault("fault", "units", f"partners are {share:.4g} times as large as the motions"))
    for fault in found:
        if fault.what in ("empty", "gaps") or (fault.what, fault.severity) == ("up", "remark"):
            continue
        mistake = fault.what in ("still", "size", "speed", "bones") and 2 * len(fault.motions) <= there.sum()
        yield replace(fault, what=f"partner {fault.what}", severity="remark" if mistake else fault.severity)
    if motions.shape[1] == 3 and "units" not in {fault.what for fault in found}:
        huge = rows(there & (second.size > ROOM))
        yield from _about(motions, "fault", "partner units", huge, f"whose partner is larger than {ROOM:g} m")
    yield from _about(motions, "remark", "partner padding", rows(second.tail), "with a partner in the padding")
    same = both & (seen.twin == second.bodies)
    yield from _about(motions, "fault", "partner copy", rows(same), "whose partner is an exact copy of the motion")
    text = "whose partner is an exact copy of the motion in some frames"
    yield from _about(motions, "remark", "partner copy", rows((seen.twin > 0) & ~same), text)


def _copies(motions: MotionSet, seen: Survey) -> Iterator[Fault]:
    groups = seen.copies()
    if not groups:
        return
    rows = [row for group in groups for row in group[1:]]
    yield from _about(motions, "remark", "copies", rows, "repeating another one exactly")
    torn = [group for group in groups if len(set(motions.label[group].tolist())) > 1]
    if torn:
        text = f"{_many(len(torn), 'group')} of exact copies with different labels"
        yield Fault(
            "fault", "labels", f"{text}: {_groups(motions, torn)}", tuple(row for group in torn for row in group)
        )
    for name in motions.split_rules():
        try:
            train, test = (set(side.tolist()) for side in motions.split_rows(name))
        except ValueError:  # which is told elsewhere
            continue
        both = [group for group in groups if train.intersection(group) and test.intersection(group)]
        if both:
            text = f"split {name}: {_many(len(both), 'motion')} {'is' if len(both) == 1 else 'are'} on both sides"
            leaked = tuple(sorted(row for group in both for row in group if row in test))
            yield Fault("fault", "leak", f"{text}, as exact copies: {_groups(motions, both)}", leaked)


def _groups(motions: MotionSet, groups: list[list[int]]) -> str:
    more = f" and {len(groups) - 5} more" if len(groups) > 5 else ""
    return "; ".join(named(motions, group, 3).replace(", ", " = ") for group in groups[:5]) + more


def _classes(motions: MotionSet) -> Iterator[Fault]:
    empty = [name for name, count in motions.counts().items() if not count]
    if empty:
        words = _some(empty)
        text = (
            f"no motions of {len(empty)} of {len(motions.class_names)} classes, which would never be learned: {words}"
        )
        yield Fault("remark", "classes", text)


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(safe_line, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _splits(motions: MotionSet) -> Iterator[Fault]:
    """Empty sides and classes on one side only are remarks where neither the set nor its source has such a split."""
    for name, rule in motions.split_rules().items():
        own = name in motions.splits or name in SPLITS.get(motions.source, {})
        severity: Literal["fault", "remark"] = "fault" if own else "remark"
        by = "" if own else ", by the positions of the people's names"
        try:
            train, test = motions.split_rows(name)
        except ValueError as error:  # an empty side, or somebody on both
            yield Fault(severity, "split", f"{error}{by}")
            continue
        missing = np.setdiff1d(motions.label[test], motions.label[train])
        if len(missing):
            words = _some([motions.class_names[label] for label in missing])
            count = f"{len(missing)} class{'es are' if len(missing) > 1 else ' is'}"
            yield Fault(severity, "split", f"split {name}{by}: {count} tested and without motions to train: {words}")
        untested = np.setdiff1d(motions.label[train], motions.label[test])
        if len(untested):
            words = _some([motions.class_names[label] for label in untested])
            count = f"{len(untested)} class{'es are' if len(untested) > 1 else ' is'}"
            yield Fault("remark", "split", f"split {name}{by}: {count} trained and not tested: {words}")
        if motions.clip and rule["by"] != "view":  # several cameras may share the name of what they record
            first = {motions.clip[row] for row in train.tolist()}
            shared = [row for row in test.tolist() if motions.clip[row] in first]
            text = f"tested under {name}, cut from recordings that train too"
            yield from _about(motions, "fault", "leak", shared, text)
        if rule["by"] == "subject" and motions.subject is not None and motions.subject_names:
            yield from _people(motions, name, train, test)


def _people(motions: MotionSet, split: str, train: np.ndarray, test: np.ndarray) -> Iterator[Fault]:
    """One person on both sides, under two spellings."""
    if motions.subject is None:
        return
    known = defaultdict(set)
    for number in np.unique(motions.subject[train]).tolist():
        known[_loose(motions.subject_names[number])].add(motions.subject_names[number])
    for number in np.unique(motions.subject[test]).tolist():
        name = motions.subject_names[number]
        for other in sorted(known.get(_loose(name), ())):
            both = f"{safe_line(repr(other))} trains and {safe_line(repr(name))} tests"
            yield Fault("fault", "leak", f"split {split}: {both}: is this one person?")


def _loose(name: str) -> str:
    """A name without case, marks, and zeros before numbers: P01, p1 and "P 1" are alike."""
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", re.sub(r"[\W_]+", "", name)).casefold()


def _spelling(motions: MotionSet) -> Iterator[Fault]:
    """Names that no terminal, table or picture can show as they are."""
    kinds: dict[str, Iterable[str]] = {
        "class": motions.class_names,
        "person": motions.subject_names,
        "joint": motions.skeleton.joints,
        "recording": motions.clip,
        "split": motions.splits,
        "source": [motions.source],
        "skeleton": [motions.skeleton.name],
    }
    for kind, names in kinds.items():
        odd = [name for name in dict.fromkeys(names) if safe_line(name, LETTERS) != name]
        if odd:
            text = f"{_many(len(odd), 'name')} of a {kind} with control characters, line ends, letters that cannot be "
            yield Fault("fault", "spelling", f"{text}shown, or more than {LETTERS} letters: {_some(odd)}")


def _names(motions: MotionSet) -> Iterator[Fault]:
    """The names of NTU RGB+D, where all clips have such names and the set says that it is one."""
    if motions.source not in ("ntu60", "ntu120") or not motions.clip:
        return
    from kinetic.ntu.facts import MISSING, ClipName  # a list of 535 names, which other sets do not need

    clips: list[ClipName] = []
    for clip in motions.clip:
        try:
            clips.append(ClipName.parse(clip))
        except ValueError as error:
            yield Fault("remark", "names", f"not all clips have names of NTU RGB+D: {error}")
            return
    listed = [row for row, clip in enumerate(clips) if str(clip) in MISSING]
    text = "on the list of missing or incomplete skeletons, which nobody evaluates on"
    yield from _about(motions, "fault", "missing list", listed, text)
    first: dict[ClipName, int] = {}
    twice = [row for row, clip in enumerate(clips) if first.setdefault(clip, row) != row]
    yield from _about(motions, "fault", "names", twice, "whose clip stands there before")
    if len(motions.class_names) == {"ntu60": 60, "ntu120": 120}[motions.source]:
        other = [row for row, clip in enumerate(clips) if clip.action != motions.label[row] + 1]
        yield from _about(motions, "fault", "labels", other, "whose label is not the action of the name less one")
    told = {"subject": "performer", "view": "camera", "setup": "setup"}
    for kind in {rule["by"] for rule in SPLITS[motions.source].values()}:
        values = getattr(motions, kind)
        if values is None or (kind == "subject" and motions.subject_names):
            continue
        other = [row for row, clip in enumerate(clips) if getattr(clip, told[kind]) != values[row]]
        yield from _about(motions, "fault", "names", other, f"whose {kind} is not the {told[kind]} of the name")
