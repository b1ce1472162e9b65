"""What a reader of a report must not overlook: collapse, copies, leaks, and motions in other units or axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from kinetic.evaluation.comparison import Contest
from kinetic.evaluation.inspection import inspect_bodies
from kinetic.evaluation.report import ClassTable, Row
from kinetic.metrics.alignment import Poses, align
from kinetic.metrics.measures import Case, Memories, Space
from kinetic.metrics.memory import Neighbours, edits
from kinetic.metrics.variety import COLLAPSED
from kinetic.motion.motion_set import MotionSet

__all__ = ["COPIED", "collapse", "copies", "faults"]

COPIED = 0.05
"""From this share of copies on, among generated or held-out motions, a report raises an alarm."""

FEW = 5
"""Copies below which features raise no alarm: a few may lie together by chance where they tell little but the class."""
MOST = 200
"""Copies whose edits are looked at."""

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


def copies(
    rows: Sequence[Row], case: Case, memories: Memories, suffix: str = "", *, by_anyone: bool = False
) -> Iterator[str]:
    """Motions that are copies of others, in coordinates after alignment or in features, and what was done to them.

    Args:
        rows: of the report; without its scores of duplicates nothing is looked for
        case: the first set of generated motions
        memories: of that case
        suffix: of the scores of its network, such as @2
        by_anyone: motions of a file, which may be held-out ones: that is looked for whatever is scored
    """
    known = {space: row for row in rows for name, space in SPACES.items() if row.score.metric == name + suffix}
    for space, row in known.items():
        where = WHERE[space].format(suffix)
        if _many(row.floor.value, row.floor.n_fake, space):
            how = _edits(memories.near(memories.real, space, None).real, case.real.motion, case, memories.train.motion)
            yield f"leak: {where}{row.floor.value:.1%} of the held-out real motions are copies of training motions{how}"
        if _many(row.score.value - row.floor.value, row.score.n_fake, space):
            how = _edits(case.near(space).fake, case.fake.motion, case, case.train.motion)
            yield (
                f"copies: {where}{row.score.value:.0%} of the motions belong to one training motion each, and not to "
                f"its neighbours{how}"
            )
    wanted: list[Space] = [*known]
    if by_anyone and "coordinates" not in known:
        wanted.append("coordinates")
    for space in wanted:
        found = memories.held_out(case.fake, space)
        share = float(found.copied.double().mean())
        if _many(share, len(case.fake.label), space):
            how = _edits(found, case.fake.motion, case, case.real.motion)
            what = f"{share:.0%} of these motions are held-out real motions that they are scored against"
            yield f"no test: {WHERE[space].format(suffix)}{what}{how}"


def faults(contest: Contest, fake: MotionSet) -> Iterator[tuple[bool, str]]:
    """What is wrong with the coordinates of each side, as `kinetic data check` has it, and whether it is a fault.

    A generator makes metres and axes of its training motions, so that what looks otherwise is poor and not broken.
    """
    sides = {"scored": fake, "real test": contest.real.test, "real training": contest.real.train}
    for what, side in sides.items():
        for fault in inspect_bodies(side):
            poor = side is fake and contest.run is not None
            yield fault.severity == "fault" and not poor, f"{what} motions: {fault.what}: {fault.text}"


def _many(share: float, count: int, space: Space) -> bool:
    return share > COPIED and (space == "coordinates" or share * count >= FEW)


def _edits(found: Neighbours, motion: Tensor, case: Case, pool: Tensor) -> str:
    """What was done to the motions that some are copies of: `: 98% mirrored; 3 mm off in the median`."""
    rows = found.copied.nonzero().flatten()[:MOST]
    if len(rows) == 0:  # of several sets others hold them
        return ""
    one, other = (
        Poses.of(each, case.skeleton).to(torch.float64) for each in (motion[rows], pool[found.number[rows, 0]])
    )
    return f": {edits(align(one, other))}"
