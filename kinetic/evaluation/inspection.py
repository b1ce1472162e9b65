"""Faults of a set of motions: what spoils training or makes an evaluation misleading."""

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
"""Metres: least and most of the largest side of the box around a body, in the median over the motions."""
ONE_BODY = (0.3, 3.2)
"""Metres: the same of one motion, from a person who curls up to a tall one with raised arms."""
LONGEST = 0.9
"""Metres: the longest bone, in the median over the motions; longer ones mean joints in another order."""
OFTEN = 0.1
"""Share of a motion's frames that may be faster than `FAST`; real Kinect data has single such frames."""
BENDING = 0.25
"""Standard deviation over mean length that half of the bones of a motion stay below."""
GAPS = 0.5
"""Share of a motion's frames that may be missing or repeated."""
SWAPPED = -0.3
"""Below this the sides are swapped: 1 has left joints on the left, judging by the feet, -1 has them on the right."""

UPRIGHT = 0.7
"""Cosine of 45 degrees: an axis is up where people point along it so much from feet to head, in the median."""
FEW = 5
"""In a set of fewer motions, all people may lie."""
LETTERS = 200
"""Letters that a name may have."""
ALIKE = 3.0
"""Times that a partner may be larger or smaller than the motion, in the median: as an adult beside a child."""
ROOM = 10.0
"""Metres: a larger partner has other units; objects that sensors take for a person are smaller."""

UNITS = {"decimetres": 10.0, "inches": 39.37, "centimetres": 100.0, "millimetres": 1000.0}


@dataclass(frozen=True)
class Fault:
    """One fault of a set.

    Args:
        severity: `fault` where it spoils training or evaluation, `remark` where it may be intended
        what: its kind in a word or two, the same for every set
        text: a sentence with numbers, units and the first motions
        motions: rows of all the motions; empty where the whole set has the fault
    """

    severity: Literal["fault", "remark"]
    what: str
    text: str
    motions: tuple[int, ...] = ()


def inspect(motions: MotionSet, surveyed: Survey | None = None) -> list[Fault]:
    """The faults of a set, then the remarks; all motions are read and none is changed.

    Args:
        surveyed: the result of `survey`, where it is there already; a survey is the only pass over the coordinates
    """
    facts = survey(motions) if surveyed is None else surveyed
    return _faults_first(
        [
            *_frames(motions, facts),
            *_bodies(motions, facts),
            *_measures(motions, facts),
            *_partners(motions, facts),
            *_copies(motions, facts),
            *_classes(motions),
            *_splits(motions),
            *_names(motions),
            *_spelling(motions),
        ]
    )


def inspect_bodies(motions: MotionSet, surveyed: Survey | None = None) -> list[Fault]:
    """The faults that `inspect` finds in coordinates: units, the axis that points up, sides, order of joints, zeros.

    These mean a broken file. Signs of poor motions are left out (stretching bones, jumps, odd sizes, stillness of
    single motions), and so are names and splits.

    Args:
        surveyed: as for `inspect`
    """
    facts = survey(motions) if surveyed is None else surveyed
    faults = [*_bodies(motions, facts), *_measures(motions, facts)]
    return _faults_first(
        [fault for fault in faults if not fault.motions or fault.what in ("not finite", "empty", "gaps")]
    )


def _faults_first(faults: list[Fault]) -> list[Fault]:
    return sorted(faults, key=lambda fault: fault.severity != "fault")


def inspection_text(faults: Sequence[Fault]) -> str:
    """A line for each fault or remark, and one that counts them."""
    count = sum(fault.severity == "fault" for fault in faults)
    lines = [f"{fault.severity:8}{fault.what}: {fault.text}" for fault in faults]
    return "\n".join([*lines, f"{_many(count, 'fault')}, {_many(len(faults) - count, 'remark')}"])


def _many(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'s' * (count != 1)}"


def _about(
    motions: MotionSet, severity: Literal["fault", "remark"], what: str, rows: Iterable[int] | np.ndarray, text: str
) -> Iterator[Fault]:
    """A fault of some motions; nothing where `rows` is empty."""
    numbers = [int(row) for row in rows]
    if numbers:
        sentence = f"{_many(len(numbers), 'motion')} {text}: {named(motions, numbers)}"
        yield Fault(severity, what, sentence, tuple(numbers))


def _frames(motions: MotionSet, facts: Survey) -> Iterator[Fault]:
    """Numbers of frames that cannot be, and padding that holds coordinates."""
    if "frames" not in motions.columns:
        return
    values = np.asarray(motions.columns["frames"], dtype=np.float64)
    possible = (values >= 0) & (values <= motions.shape[2]) & (values == np.round(values))  # NaN is not
    text = f"whose column frames is not a count from 0 to {motions.shape[2]}"
    yield from _about(motions, "fault", "frames", np.flatnonzero(~possible), text)
    text = "with coordinates other than zero in the padding"
    yield from _about(motions, "remark", "padding", np.flatnonzero(facts.tail), text)


def _bodies(motions: MotionSet, facts: Survey) -> Iterator[Fault]:
    """Coordinates that are not finite, and frames without a body, without movement or repeated."""
    rows, has_body = np.flatnonzero, facts.bodies > 0
    missing = facts.gaps / np.maximum(facts.frames, 1)
    repeated = facts.held / np.maximum(facts.bodies, 1)
    text = "with coordinates that are NaN, infinite or beyond 1e15"
    yield from _about(motions, "fault", "not finite", rows(~facts.finite), text)
    yield from _about(motions, "fault", "empty", rows(facts.finite & ~has_body), "whose coordinates are all zero")
    text = "in which no joint moves by a tenth of a millimetre"
    yield from _about(motions, "fault", "still", rows(facts.still), text)
    text = f"with zeros in more than {GAPS:.0%} of the frames"
    yield from _about(motions, "fault", "gaps", rows(has_body & (missing > GAPS)), text)
    text = "with frames of zeros before the end, which networks take for a pose"
    yield from _about(motions, "remark", "gaps", rows(has_body & (missing > 0) & (missing <= GAPS)), text)
    text = f"with more than {GAPS:.0%} repeated frames"
    yield from _about(motions, "remark", "held", rows((repeated > GAPS) & ~facts.still), text)


def _measures(motions: MotionSet, facts: Survey) -> Iterator[Fault]:
    """The axis that points up, units, speeds, bones and sides; motions of two coordinates have no metres to check."""
    has_body = facts.bodies > 0
    lying = list(_up(motions, facts))
    yield from lying
    if motions.shape[1] != 3 or not has_body.any():
        return
    bones = motions.skeleton.bones
    size = float(np.median(facts.size[has_body]))
    if not BODY[0] <= size <= BODY[1]:
        yield Fault("fault", "units", f"bodies are {size:.4g} large, expected {BODY[0]} to {BODY[1]} m{_unit(size)}")
    else:
        with np.errstate(invalid="ignore"):  # NaN where there is no body
            odd = (facts.size < ONE_BODY[0]) | (facts.size > ONE_BODY[1])
        text = f"of bodies smaller than {ONE_BODY[0]} m or larger than {ONE_BODY[1]} m"
        yield from _about(motions, "fault", "size", np.flatnonzero(odd & has_body), text)
        yield from _speeds(motions, facts)
        length = np.median(facts.length[has_body], axis=0)  # (bones,)
        if bones and length.max() > LONGEST:
            ends = " - ".join(safe_line(motions.skeleton.joints[joint]) for joint in bones[int(length.argmax())])
            text = f"{ends} is {length.max():.2f} m long: do the joints stand in the order of the skeleton?"
            yield Fault("fault", "joints", text)
    if bones:
        bending = np.median(facts.variation, axis=1) > BENDING
        text = f"in which half of the bones vary by more than {BENDING:.0%} in length"
        yield from _about(motions, "fault", "bones", np.flatnonzero(bending & has_body), text)
    if not lying:  # sides are seen from above
        yield from _sides(motions, facts)


def _up(motions: MotionSet, facts: Survey) -> Iterator[Fault]:
    """Another axis than y from the feet to the head, in the median: some people may lie or turn over."""
    height = np.linalg.norm(facts.rise, axis=1)
    visible = height > 0  # false for NaN too
    if not visible.any():
        return
    middle = np.median(facts.rise[visible] / height[visible, None], axis=0)  # (C,)
    axis = int(np.abs(middle).argmax())
    if np.abs(middle[axis]) < UPRIGHT or (axis == 1 and middle[axis] > 0):
        return
    points = f"{'xyz'[axis]} points {'up' if middle[axis] > 0 else 'down'}"
    text = f"{points}, judging by heads and feet ({middle[axis]:.2f} in the median of -1 to 1), expected y"
    if motions.notes.get("recipe") == "pyskl" and points == "z points up":
        yield Fault("remark", "up", f"{text}: the recipe pyskl turns motions so")
    elif visible.sum() < FEW:
        yield Fault("remark", "up", f"{text}, or do people lie in {_many(int(visible.sum()), 'motion')}?")
    else:
        yield Fault("fault", "up", text)


def _sides(motions: MotionSet, facts: Survey) -> Iterator[Fault]:
    """Left joints on the right, of the whole set or of some motions."""
    visible = ~np.isnan(facts.side)
    if not visible.any():
        return
    middle = float(np.median(facts.side[visible]))
    if middle < SWAPPED:
        text = f"left joints are on the right of where the feet point ({middle:.2f} in the median of -1 to 1)"
        yield Fault("fault", "sides", f"{text}: are left and right swapped, or is the set mirrored?")
    else:
        with np.errstate(invalid="ignore"):
            swapped = np.flatnonzero(facts.side < SWAPPED)
        yield from _about(motions, "remark", "sides", swapped, "whose left joints are on the right of where feet point")


def _unit(size: float) -> str:
    """A guess at the units, by how large a body of 1.5 m is in them."""
    nearest = min(UNITS, key=lambda unit: abs(np.log(size / UNITS[unit] / 1.5)) if size > 0 else 0.0)
    if size > 0 and 0.5 < size / UNITS[nearest] < 3:
        return f": are these {nearest}?"
    return ": are they scaled, to -1 to 1 for example?" if size < BODY[0] else ""


def _speeds(motions: MotionSet, facts: Survey) -> Iterator[Fault]:
    """Motions with frames that are too fast, the fastest motion first."""
    share = facts.fast / np.maximum(facts.bodies, 1)
    often = (facts.fast > 1) & (share > OFTEN)
    order = np.argsort(-facts.speed, kind="stable")
    text = f"with a joint faster than {FAST:g} m/s in more than {OFTEN:.0%} of the frames"
    yield from _about(motions, "fault", "speed", order[often[order]], text)
    text = f"with single frames faster than {FAST:g} m/s, the worst first"
    yield from _about(motions, "remark", "speed", order[((facts.fast > 0) & ~often)[order]], text)


def _partners(motions: MotionSet, facts: Survey) -> Iterator[Fault]:
    """Faults of the second bodies, which may come and go.

    Some published recipes keep objects that sensors take for a person: such partners are a remark unless they are most
    of the partners.
    """
    if (second := facts.partner) is None:
        return
    rows = np.flatnonzero
    present = second.bodies > 0
    both = present & (facts.bodies > 0)
    faults = [*_bodies(motions, second), *_measures(motions, second)]
    if motions.shape[1] == 2 and both.any():
        ratio = float(np.median(second.size[both] / np.maximum(facts.size[both], 1e-9)))
        if not 1 / ALIKE <= ratio <= ALIKE:
            faults.append(Fault("fault", "units", f"partners are {ratio:.4g} times as large as the motions"))
    for fault in faults:
        if fault.what in ("empty", "gaps") or (fault.what, fault.severity) == ("up", "remark"):
            continue
        mistake = fault.what in ("still", "size", "speed", "bones") and 2 * len(fault.motions) <= present.sum()
        yield replace(fault, what=f"partner {fault.what}", severity="remark" if mistake else fault.severity)
    if motions.shape[1] == 3 and "units" not in {fault.what for fault in faults}:
        huge = rows(present & (second.size > ROOM))
        yield from _about(motions, "fault", "partner units", huge, f"whose partner is larger than {ROOM:g} m")
    yield from _about(motions, "remark", "partner padding", rows(second.tail), "with a partner in the padding")
    same = both & (facts.twin == second.bodies)
    yield from _about(motions, "fault", "partner copy", rows(same), "whose partner is an exact copy of the motion")
    text = "whose partner is an exact copy of the motion in some frames"
    yield from _about(motions, "remark", "partner copy", rows((facts.twin > 0) & ~same), text)


def _copies(motions: MotionSet, facts: Survey) -> Iterator[Fault]:
    """Exact copies, those with different labels and those on both sides of a split."""
    groups = facts.copies()
    repeats = [row for group in groups for row in group[1:]]
    yield from _about(motions, "remark", "copies", repeats, "repeating another one exactly")
    mixed = [group for group in groups if len(set(motions.label[group].tolist())) > 1]
    if mixed:
        text = f"{_many(len(mixed), 'group')} of exact copies with different labels: {_groups(motions, mixed)}"
        yield Fault("fault", "labels", text, tuple(row for group in mixed for row in group))
    for name in motions.split_rules() if groups else ():
        try:
            train, test = (set(side.tolist()) for side in motions.split_rows(name))
        except ValueError:  # `_splits` says why
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
    """Classes without motions."""
    empty = [name for name, count in motions.counts().items() if not count]
    if empty:
        text = f"no motions to learn from in {len(empty)} of {len(motions.class_names)} classes: {_some(empty)}"
        yield Fault("remark", "classes", text)


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(safe_line, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _splits(motions: MotionSet) -> Iterator[Fault]:
    """Empty sides, classes on one side only, and recordings or people on both sides.

    Where neither the set nor its source defines a split, empty sides and untrained classes are remarks.
    """
    for name, rule in motions.split_rules().items():
        defined = name in motions.splits or name in SPLITS.get(motions.source, {})
        severity: Literal["fault", "remark"] = "fault" if defined else "remark"
        by = "" if defined else ", by the positions of the people's names"
        try:
            train, test = motions.split_rows(name)
        except ValueError as error:  # an empty side, or a person on both
            yield Fault(severity, "split", f"{error}{by}")
            continue
        untrained = np.setdiff1d(motions.label[test], motions.label[train])
        untested = np.setdiff1d(motions.label[train], motions.label[test])
        if len(untrained):
            text = _class_list(motions, untrained, "tested and without motions to train")
            yield Fault(severity, "split", f"split {name}{by}: {text}")
        if len(untested):
            text = _class_list(motions, untested, "trained and not tested")
            yield Fault("remark", "split", f"split {name}{by}: {text}")
        if motions.clip and rule["by"] != "view":  # several cameras may share the name of a recording
            trained = {motions.clip[row] for row in train.tolist()}
            shared = [row for row in test.tolist() if motions.clip[row] in trained]
            text = f"tested under {name}, cut from recordings that train too"
            yield from _about(motions, "fault", "leak", shared, text)
        if rule["by"] == "subject" and motions.subject is not None and motions.subject_names:
            yield from _people(motions.subject, motions.subject_names, name, train, test)


def _class_list(motions: MotionSet, classes: np.ndarray, what: str) -> str:
    names = _some([motions.class_names[k] for k in classes])
    return f"{len(classes)} class{'es are' if len(classes) > 1 else ' is'} {what}: {names}"


def _people(
    subject: np.ndarray, names: Sequence[str], split: str, train: np.ndarray, test: np.ndarray
) -> Iterator[Fault]:
    """People on both sides of a split, under two spellings of their name."""
    spellings = defaultdict(set)
    for number in np.unique(subject[train]).tolist():
        spellings[_loose(names[number])].add(names[number])
    for number in np.unique(subject[test]).tolist():
        name = names[number]
        for other in sorted(spellings.get(_loose(name), ())):
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
    """Clips whose names contradict the rest of the set, in sets of NTU RGB+D."""
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
    text = "on the list of missing or incomplete skeletons, which evaluations leave out"
    yield from _about(motions, "fault", "missing list", listed, text)
    first: dict[ClipName, int] = {}
    repeated = [row for row, clip in enumerate(clips) if first.setdefault(clip, row) != row]
    yield from _about(motions, "fault", "names", repeated, "with the clip name of an earlier motion")
    if len(motions.class_names) == {"ntu60": 60, "ntu120": 120}[motions.source]:
        other = [row for row, clip in enumerate(clips) if clip.action != motions.label[row] + 1]
        yield from _about(motions, "fault", "labels", other, "whose label is not the action in the name minus one")
    fields = {"subject": "performer", "view": "camera", "setup": "setup"}
    for kind in {rule["by"] for rule in SPLITS[motions.source].values()}:
        values = getattr(motions, kind)
        if values is None or (kind == "subject" and motions.subject_names):
            continue
        other = [row for row, clip in enumerate(clips) if getattr(clip, fields[kind]) != values[row]]
        yield from _about(motions, "fault", "names", other, f"whose {kind} is not the {fields[kind]} in the name")
