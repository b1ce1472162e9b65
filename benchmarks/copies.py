"""`python -m benchmarks.copies FILE...`: which trivial edits hide copies from the alarms of `kinetic evaluate`.

For each set of real motions (split by person), held-out motions and training motions are handed in as generated ones
after simple edits. A cell shows the share of motions that are called copies, by the former rule and by the present one.
The row `copying` shows the score of real motions of the training people, left out one at a time: that of an ideal
generator.

The former rule compared held-out motions by coordinates rounded to centimetres, and training motions by the distances
of unaligned coordinates to the nearest two.
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


def edited(motions: MotionSet, name: str, edit: Edit | None) -> MotionSet:
    """Motions after one of the edits."""
    rng = np.random.default_rng(0)
    if name == "mirrored":
        return mirrored(motions, motions, rng)
    if edit is None:
        return motions
    return replace(motions, motion=edit(np.array(motions.motion), rng).astype(np.float32))


def equal_in_centimetres(motions: MotionSet, pool: MotionSet) -> float:
    """Share of motions that the pool holds, with all coordinates rounded to centimetres."""
    contents = {motion.tobytes() for motion in np.round(pool.motion, 2) + 0.0}
    return float(np.mean([motion.tobytes() in contents for motion in np.round(motions.motion, 2) + 0.0]))


def near_as_they_are(motions: MotionSet, pool: MotionSet) -> float:
    """Share of motions less than a third as far from the nearest as from the second nearest."""
    first, second = distances(motions, pool)
    return float(((3 * first < second) | (first == 0)).double().mean())


def distances(motions: MotionSet, pool: MotionSet) -> Tensor:
    """Distances of unaligned coordinates to the nearest two motions of the pool: (2, N)."""
    x, y = (torch.from_numpy(np.array(side.motion)).flatten(1).double() for side in (motions, pool))
    return torch.cdist(x, y).topk(2, dim=1, largest=False).values.T


def sample(motions: MotionSet) -> Sample:
    """Motions without features."""
    return Sample(torch.from_numpy(np.array(motions.motion)), torch.from_numpy(motions.label))


def study(train: MotionSet, test: MotionSet) -> dict[str, tuple[float, float]]:
    """Edit -> share called copies before and now; and the score of an ideal generator in `copying`."""
    real, training = sample(test), sample(train)
    memories = Memories(real, training, test.skeleton)
    shares: dict[str, tuple[float, float]] = {}
    for name, edit in LEAKS.items():
        changed = edited(test, name, edit)
        now = memories.held_out(sample(changed), "coordinates").copied.double().mean()
        shares[f"held-out motions {name}"] = equal_in_centimetres(changed, test), float(now)
    for name, edit in COPIES.items():
        changed = edited(train, name, edit)
        now = Case(sample(changed), real, training, test.skeleton, memories=memories).near("coordinates").fake.copied
        shares[f"training motions {name}"] = near_as_they_are(changed, train), float(now.double().mean())
    honest = Case(real, real, training, test.skeleton, memories=memories).near("coordinates").fake.copied
    shares["held-out motions against training motions"] = near_as_they_are(test, train), float(honest.double().mean())
    rows = like(train.label, test.label, 0)
    left = Case(training.select(rows), real, training, test.skeleton, left_out=rows, memories=memories).near(
        "coordinates"
    )
    shares["copying: floor"] = 0.5, float(nearer(left.fake.first, left.real.first))
    return shares


def table(studies: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """Markdown: a row for each edit, and for each set the share before and now."""
    lines = ["| " + " | ".join(["what is handed in", *studies]) + " |", "| --- |" + " --- |" * len(studies)]
    for name in next(iter(studies.values())):
        cells = [f"{shares[name][0]:.2f} → {shares[name][1]:.2f}" for shares in studies.values()]
        lines.append("| " + " | ".join([name, *cells]) + " |")
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
