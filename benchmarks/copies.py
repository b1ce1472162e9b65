"""`python -m benchmarks.copies FILE...`: what trivial edits hide from the alarms of `kinetic evaluate`, before and now.

For each set of real motions (split by person): held-out motions handed in as generated ones, and training motions
handed in as generated ones, after edits that anybody may make. A cell tells the share of motions that are called
copies, by the former rule and by today's. For `copying` the table tells what real motions of the training
people reach that are left out one at a time, which is what an ideal generator would.

Before, held-out motions were known by coordinates to the centimetre, and copies of training motions by the distance of
all coordinates as they are to the nearest two.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.damage import enlarged, halved, later, mirrored, slowed, trembling, turned
from kinetic.evaluation.reference import like
from kinetic.formats.reading import read_motions
from kinetic.metrics.measures import Case, Memories, Sample
from kinetic.metrics.memory import nearer
from kinetic.motion.motion_set import MotionSet

Edit = Callable[[np.ndarray, np.random.Generator], np.ndarray]

LEAKS: dict[str, Edit | None] = {
    "as they are": None,
    "in half precision": halved,
    "1 mm of noise": trembling(0.001),
    "4 mm of noise": trembling(0.004),
    "10 mm of noise": trembling(0.01),
}
COPIES: dict[str, Edit | None] = {
    "as they are": None,
    "10 mm of noise": trembling(0.01),
    "mirrored": None,
    "turned by 30 degrees": turned,
    "10% larger": enlarged,
    "6 frames later": later,
    "at half speed": slowed,
}


def edited(motions: MotionSet, what: str, edit: Edit | None) -> MotionSet:
    """Motions after one of the edits."""
    rng = np.random.default_rng(0)
    if what == "mirrored":
        return mirrored(motions, motions, rng)
    if edit is None:
        return motions
    return replace(motions, motion=edit(np.array(motions.motion), rng).astype(np.float32))


def known_to_the_centimetre(motions: MotionSet, pool: MotionSet) -> float:
    """Share of motions that the pool holds, all coordinates rounded to centimetres."""
    known = {each.tobytes() for each in np.round(pool.motion, 2) + 0.0}
    return float(np.mean([each.tobytes() in known for each in np.round(motions.motion, 2) + 0.0]))


def near_as_they_are(motions: MotionSet, pool: MotionSet) -> float:
    """Share of motions less than a third as far from the nearest as from the second nearest."""
    first, second = distances(motions, pool)
    return float(((3 * first < second) | (first == 0)).double().mean())


def distances(motions: MotionSet, pool: MotionSet) -> Tensor:
    """Distances of all coordinates as they are to the nearest two: (2, N)."""
    x, y = (torch.from_numpy(np.array(each.motion)).flatten(1).double() for each in (motions, pool))
    return torch.cdist(x, y).topk(2, dim=1, largest=False).values.T


def sample(motions: MotionSet) -> Sample:
    """Motions without features."""
    return Sample(torch.from_numpy(np.array(motions.motion)), torch.from_numpy(motions.label))


def study(train: MotionSet, test: MotionSet) -> dict[str, tuple[float, float]]:
    """What is done -> share called copies before and now; and what an ideal generator reaches in `copying`."""
    real, known = sample(test), sample(train)
    memories = Memories(real, known, test.skeleton)
    found: dict[str, tuple[float, float]] = {}
    for what, edit in LEAKS.items():
        made = edited(test, what, edit)
        now = memories.held_out(sample(made), "coordinates").copied.double().mean()
        found[f"held-out motions {what}"] = known_to_the_centimetre(made, test), float(now)
    for what, edit in COPIES.items():
        made = edited(train, what, edit)
        now = Case(sample(made), real, known, test.skeleton, memories=memories).near("coordinates").fake.copied
        found[f"training motions {what}"] = near_as_they_are(made, train), float(now.double().mean())
    honest = Case(real, real, known, test.skeleton, memories=memories).near("coordinates").fake.copied
    found["held-out motions against training motions"] = near_as_they_are(test, train), float(honest.double().mean())
    rows = like(train.label, test.label, 0)
    left = Case(known.select(rows), real, known, test.skeleton, left_out=rows, memories=memories).near("coordinates")
    found["copying: floor"] = 0.5, float(nearer(left.fake.first, left.real.first))
    return found


def table(found: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """Markdown: a row for each edit, and for each set the share before and now."""
    lines = ["| " + " | ".join(["what is handed in", *found]) + " |", "| --- |" + " --- |" * len(found)]
    for what in next(iter(found.values())):
        cells = [f"{each[what][0]:.2f} → {each[what][1]:.2f}" for each in found.values()]
        lines.append("| " + " | ".join([what, *cells]) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.copies", description=__doc__.partition(":")[2].strip())
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="sets of real motions")
    parser.add_argument("--split", default="xsub", help="how they are split (default xsub)")
    options = parser.parse_args(arguments)
    print(table({file.stem: study(*read_motions(file).split(options.split)) for file in options.files}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
