"""Alarms of a report: collapse, copies, leaks, and motions in other units or axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from kinetic.evaluation.comparison import Comparison
from kinetic.evaluation.inspection import inspect_bodies
from kinetic.evaluation.report import ClassTable, Row
from kinetic.evaluation.scores import Scores
from kinetic.metrics.alignment import Poses, align
from kinetic.metrics.measures import Space
from kinetic.metrics.memory import Neighbours, edits
from kinetic.metrics.variety import COLLAPSED
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import Skeleton

__all__ = ["COPIED", "collapse", "copies", "faults"]

COPIED = 0.05
"""A larger share of copies, among generated or held-out motions, raises an alarm."""

FEW = 5
"""Fewer copies in features raise no alarm: where features tell little but the class, a few lie together by chance."""
MOST = 200
"""Copies whose edits are measured."""

SPACES: dict[str, Space] = {"duplicates": "coordinates", "duplicates_features": "features"}
"""Score -> what it compares."""
WHERE: dict[Space, str] = {"coordinates": "", "features": "in the features{} "}


def collapse(table: ClassTable) -> Iterator[str]:
    """The classes whose generated motions are nearly all the same."""
    ratios = zip(table.class_names, table.scores.get("variance", []), strict=False)
    collapsed = {name: ratio for name, ratio in ratios if ratio is not None and ratio < COLLAPSED}
    if collapsed:
        listed = ", ".join(f"{name} ({ratio:.2f})" for name, ratio in collapsed.items())
        yield f"collapse: the variance within these classes is below {COLLAPSED} of the real one: {listed}"


def copies(rows: Sequence[Row], part: Scores, *, by_anyone: bool = False) -> Iterator[str]:
    """Motions that are copies of others, in coordinates after alignment or in features, and how they were edited.

    Args:
        rows: of the report; copies are looked for where it has scores of duplicates
        part: the scores through one network, whose first generated set is looked at
        by_anyone: motions of a file, which may be held-out ones; that is checked whatever is scored
    """
    case, memories = part.cases[0], part.memories
    train, test, skeleton = case.train.motion, case.real.motion, case.skeleton
    by_space = {space: row for row in rows for name, space in SPACES.items() if row.score.metric == name + part.suffix}
    for space, row in by_space.items():
        where = WHERE[space].format(part.suffix)
        if _many(row.floor.value, row.floor.n_fake, space):
            how = _edits(memories.near(memories.real, space, None).real, test, train, skeleton)
            yield f"leak: {where}{row.floor.value:.1%} of the held-out real motions are copies of training motions{how}"
        if _many(row.score.value - row.floor.value, row.score.n_fake, space):
            how = _edits(case.near(space).fake, case.fake.motion, train, skeleton)
            yield (
                f"copies: {where}{row.score.value:.0%} of the motions belong to one training motion each, and not to "
                f"its neighbours{how}"
            )
    spaces: list[Space] = [*by_space]
    if by_anyone and "coordinates" not in by_space:
        spaces.append("coordinates")
    for space in spaces:
        nearest = memories.held_out(case.fake, space)
        share = float(nearest.copied.double().mean())
        if _many(share, len(case.fake.label), space):
            how = _edits(nearest, case.fake.motion, test, skeleton)
            what = f"{share:.0%} of these motions are held-out real motions that they are scored against"
            yield f"no test: {WHERE[space].format(part.suffix)}{what}{how}"


def faults(comparison: Comparison, fake: MotionSet) -> Iterator[tuple[bool, str]]:
    """What `kinetic data check` says of the coordinates of each side, and whether it is a fault.

    A generator learns units and axes from its training motions, so that a fault of what it makes is poor quality and
    no broken file.
    """
    reference = comparison.reference
    for name, side in {"scored": fake, "real test": reference.test, "real training": reference.train}.items():
        for fault in inspect_bodies(side):
            generated = side is fake and comparison.subject.run is not None
            yield fault.severity == "fault" and not generated, f"{name} motions: {fault.what}: {fault.text}"


def _many(share: float, count: int, space: Space) -> bool:
    return share > COPIED and (space == "coordinates" or share * count >= FEW)


def _edits(nearest: Neighbours, motion: Tensor, pool: Tensor, skeleton: Skeleton) -> str:
    """How copies differ from the motions of the pool: `: 98% mirrored; 3 mm off in the median`."""
    rows = nearest.copied.nonzero().flatten()[:MOST]
    if len(rows) == 0:  # the copies are in other sets
        return ""
    sides = (motion[rows], pool[nearest.number[rows, 0]])
    copy, original = (Poses.of(side, skeleton).to(torch.float64) for side in sides)
    return f": {edits(align(copy, original))}"
