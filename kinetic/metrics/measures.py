"""Every score that `kinetic evaluate` can tell, in the order of its table.

A measure is one computation that yields one score or several: a row of `MEASURES` says what it looks at, which way is
better, and which real motions play the generated ones for the floor beside it.
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
    """Motions of one side with all that scores look at.

    Args:
        motion: (N, C, T, V) in metres
        label: (N,) what was asked for
        features: (N, D) of a feature network; None = there is none
        predicted: (N,) what a recognition network takes them for; None = there is none
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
        """Typical squared distances within a class, of poses and of whole motions; computed once."""
        return tuple(typical_bandwidth(self.motion, self.label, mode=mode) for mode in MODES)

    @property
    def seen(self) -> Tensor:
        """The features. Raises ValueError where there are none."""
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
    """How far motions are from the training motions, in coordinates and in features; the real ones are looked up once.

    Args:
        real, train, skeleton: as of the cases that share it
    """

    real: Sample
    train: Sample
    skeleton: Skeleton

    @cached_property
    def coordinates(self) -> Memory:
        """After alignment."""
        return aligned_memory(self.train.motion, self.real.motion, self.skeleton)

    @cached_property
    def features(self) -> Memory:
        """Of the feature network. Raises ValueError where there is none."""
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
    """What a measure is given.

    Args:
        fake: the motions that are scored
        real: held-out real motions
        train: the real motions that a generator learned from
        skeleton: of them all
        left_out: which of the training motions the fakes are themselves, (N,); None = they are none of them
        memories: shared by cases with the same real motions; None = this case makes its own
    """

    fake: Sample
    real: Sample
    train: Sample
    skeleton: Skeleton
    left_out: Tensor | None = None
    memories: Memories | None = None
    _near: dict[Space, Near] = field(default_factory=dict, init=False, repr=False)

    def near(self, space: Space) -> Near:
        """The training motions that are nearest to both sides; computed once."""
        if space not in self._near:
            memories = self.memories or Memories(self.real, self.train, self.skeleton)
            self._near[space] = memories.near(self.fake, space, self.left_out)
        return self._near[space]

    def select(self, fake: Tensor | None = None, real: Tensor | None = None) -> Case:
        """The case of some motions on either side; what is nearest to them is not looked up again."""
        sides = [side if rows is None else side.select(rows) for side, rows in ((self.fake, fake), (self.real, real))]
        left_out = self.left_out if fake is None or self.left_out is None else self.left_out[fake]
        some = replace(self, fake=sides[0], real=sides[1], left_out=left_out)
        for space, (near_fake, near_real) in self._near.items():
            some._near[space] = Near(
                near_fake if fake is None else near_fake.select(fake),
                near_real if real is None else near_real.select(real),
            )
        return some


Found = Tensor | PerClass
Better = Literal["low", "high", "real"]
Need = Literal["features", "predicted"]


@dataclass(frozen=True)
class Measure:
    """One computation and the scores that come out of it.

    Args:
        scores: name -> which way is better: low, high, or as near to that of real motions as can be (real)
        estimator: how they are estimated
        compute: the case -> one number per name, with those of each class where it has them
        needs: features or predicted of a network
        floor: which real motions play the generated ones: training motions; the held-out ones themselves, where the
            score looks at one side only; or training motions that are left out of the training set one at a time, as
            an ideal generator would make them
        numbers: whether scores change with the number of motions, so that they are compared at equal numbers only
    """

    scores: Mapping[str, Better]
    estimator: str
    compute: Callable[[Case], Sequence[Found]]
    needs: tuple[Need, ...] = ()
    floor: Literal["train", "test", "left out"] = "train"
    numbers: bool = False


def _of_features(score: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Case], Sequence[Found]]:
    return lambda case: (score(case.fake.seen, case.real.seen),)


def _frechet_class(case: Case) -> Sequence[Found]:
    return (frechet_per_class(case.fake.seen, case.fake.label, case.real.seen, case.real.label),)


def _kernel_class(case: Case) -> Sequence[Found]:
    return (kernel_per_class(case.fake.seen, case.fake.label, case.real.seen, case.real.label),)


def _accuracy(case: Case) -> Sequence[Found]:
    if case.fake.predicted is None:
        raise ValueError(LACKING["predicted"])
    return (accuracy(case.fake.predicted, case.fake.label),)


def _mmd(case: Case) -> Sequence[Found]:
    fake, real = case.fake, case.real
    return [mmd_per_class(fake.motion, fake.label, real.motion, real.label, mode=mode) for mode in MODES]


def _mmd2(case: Case) -> Sequence[Found]:
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


def _variance(case: Case) -> Sequence[Found]:
    fake, real = case.fake, case.real
    return (variance_ratio(flatten(fake.motion), fake.label, flatten(real.motion), real.label),)


def _copying(case: Case, *, space: Space) -> Sequence[Found]:
    near = case.near(space)
    if near.real.first.median() == 0:
        raise ValueError("at least half of the test motions are training motions: there is nothing to compare with")
    return (nearer(near.fake.first, near.real.first),)


def _duplicates(case: Case, *, space: Space) -> Sequence[Found]:
    return (case.near(space).fake.copied.double().mean(),)


def _gap(case: Case, *, quantity: Callable[[Tensor, Skeleton], Tensor]) -> Sequence[Found]:
    fake, real = (quantity(side.motion, case.skeleton) for side in (case.fake, case.real))
    return (plausibility.gap(fake, real),)


NEIGHBOURS = 5
"""k: a motion's ball reaches to its k-th nearest neighbour (Naeem et al. 2020)."""

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
"""Why a measure is left out where what it needs is not there."""

BETTER: dict[str, Better] = {name: better for each in MEASURES for name, better in each.scores.items()}
"""Which way is better, of every score."""


def choose(only: Iterable[str] | None) -> tuple[Measure, ...]:
    """The measures with these scores. Raises ValueError for an unknown name, listing the known ones."""
    if only is None:
        return MEASURES
    wanted = set(only)
    if unknown := sorted(wanted - set(BETTER)):
        raise ValueError(f"there is no score {unknown[0]!r}; there are: {', '.join(BETTER)}")
    return tuple(each for each in MEASURES if wanted & set(each.scores))


def measure(
    case: Case, measures: Iterable[Measure] = MEASURES, *, reasons: dict[str, str] | None = None
) -> dict[str, Found]:
    """The scores of a case: name -> a number, or numbers per class whose mean is the score.

    What cannot be computed is left out: for want of a network, of motions, of feet.

    Args:
        reasons: is told why, for each score that is left out

    Raises:
        ValueError: for NaN or infinity, in motions or features
    """
    for what, side in (("generated", case.fake), ("real test", case.real), ("real training", case.train)):
        check_motion(side.motion, f"{what} motions")
        check_labels(side.label, side.motion, f"{what} motions")
        if side.features is not None:
            check_features(side.features, f"features of {what} motions")
    found: dict[str, Found] = {}
    for each in measures:
        try:
            _require(case, each)
            found |= zip(each.scores, each.compute(case), strict=True)
        except ValueError as error:  # too few motions, or too much alike: the measure says what it lacks
            if reasons is not None:
                reasons.update(dict.fromkeys(each.scores, str(error)))
    return found


def _require(case: Case, wanted: Measure) -> None:
    """Raises ValueError that says which network is missing."""
    missing = {"features": case.fake.features is None or case.real.features is None}
    missing["predicted"] = case.fake.predicted is None
    for need in wanted.needs:
        if missing[need]:
            raise ValueError(LACKING[need])
