"""Notes below a table of scores: what was compared, what is missing and why, and how far to trust a network."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from kinetic.evaluation.reference import like
from kinetic.evaluation.scores import Scores, people_of, plain_value
from kinetic.metrics.frechet import scarce_classes
from kinetic.metrics.intervals import COVERS
from kinetic.metrics.measures import Measure, measure
from kinetic.metrics.recognition import accuracy
from kinetic.metrics.separation import two_sample_test
from kinetic.motion.motion_set import MotionSet

__all__ = ["interval_note", "missing_notes", "network_notes", "numbers_note"]

TRUSTED = 0.7
"""Accuracy on real test motions from which on a recognition network is trusted without a remark."""


def missing_notes(missing: Mapping[str, str]) -> list[str]:
    """The scores without a row, by the reason why."""
    names: dict[str, list[str]] = {}
    for name, reason in missing.items():
        names.setdefault(reason, []).append(name)
    return [f"left out: {', '.join(group)}: {reason}" for reason, group in names.items()]


def network_notes(part: Scores, scored: Container[str]) -> Iterator[str]:
    """What a network is and how far its scores can be trusted; nothing where coordinates alone are scored.

    Args:
        scored: names of the rows of the report
    """
    network, suffix = part.network, part.suffix
    if network is None:
        return
    real, fake = part.memories.real, part.cases[0].fake
    share = None if real.predicted is None else float(accuracy(real.predicted, real.label))
    tested = "" if share is None else f", accuracy {share:.3f} on real test"
    yield f"features{suffix and f' {suffix}'}: {network.name} {network.hash} trained on {network.data}{tested}"
    if share is not None and share < TRUSTED:
        yield "this network recognises few real motions: its scores of generated ones mean little"
    width = real.seen.shape[1]
    if min(len(fake.label), len(real.label)) < width:
        yield f"fewer motions than the {width} features: compare Frechet distances with care"
    if "frechet_class" + suffix in scored and (scarce := scarce_classes(part.generated[0]["frechet_class"], width)):  # type: ignore[arg-type]
        yield f"frechet_class{suffix}: {scarce}"
    if "c2st" + suffix in scored:
        sides = (fake, part.floors["train"].samples[0])
        generated, floor = (float(two_sample_test(side.seen, real.seen)[1]) for side in sides)
        yield (
            f"c2st{suffix}: p {generated:.3f} for the first generated set, {floor:.3f} for real training motions, if "
            f"motions were independent; those of one person are not"
        )


def numbers_note(part: Scores, measures: Sequence[Measure], scored: Container[str]) -> str:
    """A note where the floor has fewer motions than a generated set: scores of as many generated ones."""
    case, floor = part.cases[0], part.floors["train"].samples[0].label.numpy()
    chosen = [kind for kind in measures if kind.numbers and any(name in scored for name in kind.scores)]
    values = measure(case.select(like(case.fake.label.numpy(), floor, 0)), chosen)
    listed = ", ".join(f"{name} {plain_value(value):.3f}" for name, value in values.items() if name in scored)
    equal = f"; for as many generated ones: {listed}" if listed else ""
    return (
        f"the floor has {len(floor)} real training motions, because there are no more of the same classes, and some "
        f"scores change with the number of motions{equal}"
    )


def interval_note(test: MotionSet, sets: int, bootstrap: int) -> str:
    """What the intervals of a report cover."""
    if not bootstrap:
        return COVERS if sets > 1 else "no interval, because there is one set (--bootstrap)"
    _, people = people_of(test)
    others = "other test motions" if people is None else f"other people in the place of the {people} of the test side"
    return f"interval: 95%, over {others} and over draws of the generator, at these numbers of motions"
