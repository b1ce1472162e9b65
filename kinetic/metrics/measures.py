"""All scores of `kinetic evaluate`, in the order of its table.

A measure is one computation that yields one score or several: a row of `MEASURES` says which inputs it needs, which way
is better, and which real motions take the place of the generated ones for the floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Literal, NamedTuple

from torch import Tensor

from kinetic.metrics import plausibility
from kinetic.metrics.checks import check_features, check_labels, check_motion
from kinetic.metrics.classes import PerClass
from kinetic.metrics.frechet import flatten, frechet_from_features, frechet_infinity, frechet_per_class
from kinetic.metrics.kernel import kernel_distance, kernel_per_class
from kinetic.metrics.manifold import manifold
from kinetic.metrics.memory import Memory, Neighbours, aligned_memory, nearer, row_memory
from kinetic.metrics.mmd import mmd_per_class, typical_bandwidth
from kinetic.metrics.recognition import accuracy
from kinetic.metrics.separation import two_sample_test
from kinetic.metrics.variety import pairwise_distance, variance_ratio, vendi_score
from kinetic.skeleton import Skeleton

__all__ = ["BETTER", "MEASURES", "Case", "Measure", "Memories", "Near", "Sample", "Space", "choose", "measure"]


MODES: tuple[Literal["frame", "sequence"], ...] = ("frame", "sequence")


@dataclass(frozen=True, eq=False)
class Sample:
    """Motions of one side with all inputs of the scores.

    Args:
        motion: (N, C, T, V) in metres
        label: (N,) their classes; for generated motions, those requested
        features: (N, D) of a feature network; None = there is no network
        predicted: (N,) classes according to a recognition network; None = there is no network
    """

    motion: Tensor
    label: Tensor
    features: Tensor | None = None
    predicted: Tensor | None = None

    def select(self, rows: Tensor) -> Sample:
        """The motions of some rows."""
        features = None if self.features is None else self.features[rows]
        return Sample(
            self.motion[rows], self.label[rows], features, None if self.predicted is None else self.predicted[rows]
        )

    @cached_property
    def bandwidths(self) -> tuple[float, ...]:
        """Typical squared distances within a class, of poses and of whole motions; cached."""
        return tuple(typical_bandwidth(self.motion, self.label, mode=mode) for mode in MODES)

    @property
    def seen(self) -> Tensor:
        """The features. Raises ValueError if there are none."""
        if self.features is None:
            raise ValueError(LACKING["features"])
        return self.features


Space = Literal["coordinates", "features"]


class Near(NamedTuple):
    """The training motions that are nearest to the motions of both sides."""

    fake: Neighbours
    real: Neighbours


@dataclass(frozen=True, eq=False)
class Memories:
    """Distances of motions to the training motions, in coordinates and in features; those of real motions are cached.

    Args:
        real, train, skeleton: of the cases that share it
    """

    real: Sample
    train: Sample
    skeleton: Skeleton

    @cached_property
    def coordinates(self) -> Memory:
        """The memory of training motions after alignment."""
        return aligned_memory(self.train.motion, self.real.motion, self.skeleton)

    @cached_property
    def features(self) -> Memory:
        """The memory of features of training motions. Raises ValueError if there are none."""
        return row_memory(self.train.seen, self.real.seen)

    def held_out(self, fake: Sample, space: Space) -> Neighbours:
        """The held-out real motions that are nearest to motions, in one of the two spaces."""
        usual = getattr(self, space).usual
        if space == "coordinates":
            pool = aligned_memory(self.real.motion, self.train.motion, self.skeleton, usually=usual)
            return pool.look(fake.motion)
        return row_memory(self.real.seen, self.train.seen, usually=usual).look(fake.seen)

    def near(self, fake: Sample, space: Space, left_out: Tensor | None) -> Near:
        """The training motions that are nearest to motions, in one of the two spaces."""
        memory: Memory = getattr(self, space)
        if fake is self.real:
            return Near(memory.unseen, memory.unseen)
        return Near(memory.look(fake.motion if space == "coordinates" else fake.seen, left_out), memory.unseen)


@dataclass(frozen=True, eq=False)
class Case:
    """The input of a measure.

    Args:
        fake: the motions to score
        real: held-out real motions
        train: the training motions of the generator
        skeleton: of all motions
        left_out: numbers (N,) of the training motions that the fakes are, to leave them out of the search; None = the
            fakes are no training motions
        memories: shared by cases with the same real motions; None = computed for this case alone
    """

    fake: Sample
    real: Sample
    train: Sample
    skeleton: Skeleton
    left_out: Tensor | None = None
    memories: Memories | None = None
    _near: dict[Space, Near] = field(default_factory=dict, init=False, repr=False)

    def near(self, space: Space) -> Near:
        """The training motions that are nearest to both sides; cached."""
        if space not in self._near:
            memories = self.memories or Memories(self.real, self.train, self.skeleton)
            self._near[space] = memories.near(self.fake, space, self.left_out)
        return self._near[space]

    def select(self, fake: Tensor | None = None, real: Tensor | None = None) -> Case:
        """The case of some motions of either side, which keeps their nearest training motions."""
        sides = [side if rows is None else side.select(rows) for side, rows in ((self.fake, fake), (self.real, real))]
        left_out = self.left_out if fake is None or self.left_out is None else self.left_out[fake]
        case = replace(self, fake=sides[0], real=sides[1], left_out=left_out)
        for space, (near_fake, near_real) in self._near.items():
            case._near[space] = Near(
                near_fake if fake is None else near_fake.select(fake),
                near_real if real is None else near_real.select(real),
            )
        return case


Value = Tensor | PerClass
Better = Literal["low", "high", "real"]
Need = Literal["features", "predicted"]


@dataclass(frozen=True)
class Measure:
    """One computation and the scores that come out of it.

    Args:
        scores: name -> which way is better: low, high, or as near as possible to real motions (real)
        estimator: how they are estimated
        compute: the case -> one number per name, or numbers per class
        needs: features or predicted classes of a network
        floor: the real motions that take the place of the generated ones: training motions; the held-out ones, if the
            score depends on one side only; or training motions left out of the training set one at a time, which are
            like those of an ideal generator
        numbers: whether scores depend on the number of motions, so that only equal numbers may be compared
    """

    scores: Mapping[str, Better]
    estimator: str
    compute: Callable[[Case], Sequence[Value]]
    needs: tuple[Need, ...] = ()
    floor: Literal["train", "test", "left out"] = "train"
    numbers: bool = False


def _of_features(score: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Case], Sequence[Value]]:
    return lambda case: (score(case.fake.seen, case.real.seen),)


def _frechet_class(case: Case) -> Sequence[Value]:
    return (frechet_per_class(case.fake.seen, case.fake.label, case.real.seen, case.real.label),)


def _kernel_class(case: Case) -> Sequence[Value]:
    return (kernel_per_class(case.fake.seen, case.fake.label, case.real.seen, case.real.label),)


def _accuracy(case: Case) -> Sequence[Value]:
    if case.fake.predicted is None:
        raise ValueError(LACKING["predicted"])
    return (accuracy(case.fake.predicted, case.fake.label),)


def _mmd(case: Case) -> Sequence[Value]:
    fake, real = case.fake, case.real
    return [mmd_per_class(fake.motion, fake.label, real.motion, real.label, mode=mode) for mode in MODES]


def _mmd2(case: Case) -> Sequence[Value]:
    fake, real, train = case.fake, case.real, case.train
    return [
        mmd_per_class(
            fake.motion,
            fake.label,
            real.motion,
            real.label,
            mode=mode,
            estimator="unbiased",
            bandwidths=[bandwidth],
        )
        for mode, bandwidth in zip(MODES, train.bandwidths, strict=True)
    ]


def _variance(case: Case) -> Sequence[Value]:
    fake, real = case.fake, case.real
    return (variance_ratio(flatten(fake.motion), fake.label, flatten(real.motion), real.label),)


def _copying(case: Case, *, space: Space) -> Sequence[Value]:
    near = case.near(space)
    if near.real.first.median() == 0:
        raise ValueError("at least half of the test motions are training motions: there is nothing to compare with")
    return (nearer(near.fake.first, near.real.first),)


def _duplicates(case: Case, *, space: Space) -> Sequence[Value]:
    return (case.near(space).fake.copied.double().mean(),)


def _gap(case: Case, *, quantity: Callable[[Tensor, Skeleton], Tensor]) -> Sequence[Value]:
    fake, real = (quantity(side.motion, case.skeleton) for side in (case.fake, case.real))
    return (plausibility.gap(fake, real),)


NEIGHBOURS = 5
"""k: the radius of a motion's ball is the distance to its k-th nearest neighbour (Naeem et al. 2020)."""

MEASURES: tuple[Measure, ...] = (
    Measure({"frechet": "low"}, "gaussian", _of_features(frechet_from_features), ("features",), numbers=True),
    Measure(
        {"frechet_infinity": "low"},
        "gaussian, extrapolated in 1/N",
        _of_features(frechet_infinity),
        ("features",),
    ),
    Measure({"frechet_class": "low"}, "gaussian, mean over classes", _frechet_class, ("features",), numbers=True),
    Measure({"kernel": "low"}, "cubic kernel, unbiased", _of_features(kernel_distance), ("features",)),
    Measure({"kernel_class": "low"}, "cubic kernel, unbiased, mean over classes", _kernel_class, ("features",)),
    Measure(
        {"c2st": "low"},
        "ridge, leave one out",
        lambda case: two_sample_test(case.fake.seen, case.real.seen, permutations=0)[:1],
        ("features",),
        numbers=True,
    ),
    Measure(
        {"precision": "high", "recall": "high", "density": "high", "coverage": "high"},
        f"{NEIGHBOURS} nearest neighbours",
        lambda case: manifold(case.fake.seen, case.real.seen, neighbours=NEIGHBOURS),
        ("features",),
        numbers=True,
    ),
    Measure({"accuracy": "high"}, "recognised", _accuracy, ("predicted",), floor="test"),
    Measure(
        {"diversity": "real"},
        "all pairs of features",
        lambda case: (pairwise_distance(case.fake.seen),),
        ("features",),
        floor="test",
    ),
    Measure(
        {"multimodality": "real"},
        "all pairs of features in a class",
        lambda case: (pairwise_distance(case.fake.seen, case.fake.label),),
        ("features",),
        floor="test",
    ),
    Measure(
        {"vendi": "real"},
        "cosines of features about the real mean",
        lambda case: (vendi_score(case.fake.seen, center=case.real.seen.mean(dim=0)),),
        ("features",),
        floor="test",
        numbers=True,
    ),
    Measure(
        {"apd": "real"},
        "all pairs in a class, metres",
        lambda case: (pairwise_distance(flatten(case.fake.motion), case.fake.label),),
        floor="test",
    ),
    Measure({"variance": "real"}, "within class, over real", _variance, floor="test"),
    Measure({"mmd_frame": "low", "mmd_sequence": "low"}, "paired", _mmd, numbers=True),
    Measure(
        {"mmd2_frame": "low", "mmd2_sequence": "low"},
        "unbiased, bandwidth of training",
        _mmd2,
    ),
    Measure(
        {"copying": "real"},
        "nearest training motion, aligned",
        partial(_copying, space="coordinates"),
        floor="left out",
    ),
    Measure(
        {"copying_features": "real"},
        "nearest training motion",
        partial(_copying, space="features"),
        ("features",),
        floor="left out",
    ),
    Measure(
        {"duplicates": "low"},
        "nearest training motion, aligned",
        partial(_duplicates, space="coordinates"),
        floor="test",
    ),
    Measure(
        {"duplicates_features": "low"},
        "nearest training motion",
        partial(_duplicates, space="features"),
        ("features",),
        floor="test",
    ),
    Measure({"bones": "low"}, "length variation, gap", partial(_gap, quantity=plausibility.bone_variation)),
    Measure({"speed": "low"}, "mean joint speed, gap", partial(_gap, quantity=lambda x, _: plausibility.speed(x))),
    Measure({"jerk": "low"}, "third difference, gap", partial(_gap, quantity=lambda x, _: plausibility.jerk(x))),
    Measure(
        {"skating": "low"},
        "foot that moves least, gap",
        partial(_gap, quantity=plausibility.foot_skating),
    ),
)

LACKING: dict[Need, str] = {
    "features": "without a feature network",
    "predicted": "without a recognition network that knows the classes",
}
"""Need -> reason for leaving out a measure without it."""

BETTER: dict[str, Better] = {name: better for row in MEASURES for name, better in row.scores.items()}
"""Score -> which way is better."""


def choose(only: Iterable[str] | None) -> tuple[Measure, ...]:
    """The measures with these scores; all for None. Raises ValueError for an unknown name, listing the known ones."""
    if only is None:
        return MEASURES
    names = set(only)
    if unknown := sorted(names - set(BETTER)):
        raise ValueError(f"there is no score {unknown[0]!r}; there are: {', '.join(BETTER)}")
    return tuple(row for row in MEASURES if names & set(row.scores))


def measure(
    case: Case, measures: Iterable[Measure] = MEASURES, *, reasons: dict[str, str] | None = None
) -> dict[str, Value]:
    """The scores of a case: name -> a number, or numbers per class whose mean is the score.

    Scores that cannot be computed are left out, for example without a network, enough motions, or feet.

    Args:
        reasons: filled with the reason for each score that is left out

    Raises:
        ValueError: for NaN or infinity, in motions or features
    """
    for what, side in (("generated", case.fake), ("real test", case.real), ("real training", case.train)):
        check_motion(side.motion, f"{what} motions")
        check_labels(side.label, side.motion, f"{what} motions")
        if side.features is not None:
            check_features(side.features, f"features of {what} motions")
    values: dict[str, Value] = {}
    for row in measures:
        try:
            _require(case, row)
            values |= zip(row.scores, row.compute(case), strict=True)
        except ValueError as error:  # such as too few motions, or constant ones
            if reasons is not None:
                reasons.update(dict.fromkeys(row.scores, str(error)))
    return values


def _require(case: Case, row: Measure) -> None:
    """Raise ValueError, naming the network, if a measure needs one that is missing."""
    missing = {"features": case.fake.features is None or case.real.features is None}
    missing["predicted"] = case.fake.predicted is None
    for need in row.needs:
        if missing[need]:
            raise ValueError(LACKING[need])
