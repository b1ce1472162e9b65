"""`python -m benchmarks.intervals`: how often a 95% interval covers the truth.

Toy people: a person is a point in feature space, and motions scatter around their person. The real motions, the
reference, come from a few people; the generator makes motions of ever new people, with a small error. So an interval
over draws of the generator can be compared with three truths:

- this reference: the expected score of the generator against the same real motions, which the interval is meant for
- other people: the expected score against as many motions of as many other people
- population: the score of infinitely many motions of infinitely many people

The number that matters is the coverage of the first, which should be 95%. An interval over draws does not claim the
other two. `--bootstrap` claims the second: its intervals, over halves of the people and over draws, are compared with
it for 3 to 20 people; again 95% is right.

Shares (accuracy) are compared with the rate they are drawn with: the same for every seed, as for repeated draws of one
generator, or rates that scatter, as those of training seeds do. The table shows Student's interval too.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from kinetic.metrics.frechet import frechet_from_features
from kinetic.metrics.intervals import interval, interval_from
from kinetic.metrics.kernel import kernel_distance
from kinetic.metrics.recognition import accuracy
from kinetic.metrics.resampling import Variance, half_sample_variance, half_samples, joined
from kinetic.metrics.score import SHARE, bounds_of

SEEDS = (3, 5, 10)
RATES = (0.02, 0.3, 0.9, 0.99)
WIDTH, PEOPLE, MOTIONS = 16, 10, 20  # features, people of a reference, motions of each
SPREAD = 0.7  # standard deviation of people, where that of a person's motions is 1
SHIFT, GAIN = 0.2, 0.9  # of the generator, in each feature
TESTED, DRAWS, HALVES = (3, 5, 10, 20), 5, 20  # people, draws of the generator and halves of a bootstrap
OTHERS = 40  # draws beside those of an interval, whose mean is the truth of this reference
SHARED_MOTIONS = 340  # motions that an accuracy is a share of
SCATTER = {"one rate": math.inf, "rates that scatter": 10.0}  # pseudo-counts of the beta distribution of rates

Score = Callable[[Tensor, Tensor], Tensor]
Kind = Callable[[Sequence[float]], tuple[float, float] | None]
"""Scores of several draws -> their interval."""

FEATURE_SCORES: dict[str, Score] = {"kernel": kernel_distance, "frechet": frechet_from_features}


@dataclass(frozen=True)
class Coverage:
    """The coverage of intervals of one kind.

    Args:
        share: truth -> share of intervals that cover it
        width: mean width
        outside: share that reach outside of the bounds of the score
    """

    share: dict[str, float]
    width: float
    outside: float


def coverage(values: np.ndarray, truths: dict[str, np.ndarray], kind: Kind, bounds: tuple[float, float]) -> Coverage:
    """The coverage of each truth (repeats,) by the intervals of values (repeats, seeds)."""
    ends = np.array([kind(row) for row in values.tolist()])
    slack = 1e-12  # equal values are not off by rounding
    share = {
        name: float(np.mean((ends[:, 0] - slack <= truth) & (truth <= ends[:, 1] + slack)))
        for name, truth in truths.items()
    }
    outside = float(np.mean((ends[:, 0] < bounds[0] - slack) | (ends[:, 1] > bounds[1] + slack)))
    return Coverage(share, float(np.mean(ends[:, 1] - ends[:, 0])), outside)


def real_people(people: int, motions: int, rng: torch.Generator) -> Tensor:
    """Features of some motions of some people: (people motions, WIDTH)."""
    person = SPREAD * torch.randn(people, 1, WIDTH, generator=rng, dtype=torch.float64)
    return (person + torch.randn(people, motions, WIDTH, generator=rng, dtype=torch.float64)).flatten(0, 1)


def generated(motions: int, rng: torch.Generator) -> Tensor:
    """Features of motions of the generator, each of a new person: (motions, WIDTH)."""
    return SHIFT + GAIN * real_people(motions, 1, rng)


def of_population(rng: torch.Generator, repeats: int) -> dict[str, float]:
    """The scores of the generator against the population: Frechet's by formula, the kernel's by a mean."""
    variance = 1 + SPREAD**2
    number = PEOPLE * MOTIONS
    kernels = [kernel_distance(generated(number, rng), real_people(number, 1, rng)).item() for _ in range(repeats)]
    return {
        "kernel": float(np.mean(kernels)),
        "frechet": WIDTH * (SHIFT**2 + variance * (1 - GAIN) ** 2),
    }


def drawn_scores(repeats: int, rng: torch.Generator, *, progress: bool = True) -> dict[str, np.ndarray]:
    """Score -> values of many draws of the generator against each of many references: (repeats, draws)."""
    draws = max(SEEDS) + OTHERS
    values = {name: np.empty((repeats, draws)) for name in FEATURE_SCORES}
    for i in tqdm(range(repeats), unit="reference", disable=None if progress else True):
        real = real_people(PEOPLE, MOTIONS, rng)
        for j in range(draws):
            fake = generated(len(real), rng)
            for name, score in FEATURE_SCORES.items():
                values[name][i, j] = score(fake, real).item()
    return values


def study_scores(repeats: int, *, seed: int = 0, progress: bool = True) -> list[tuple[str, int, Coverage]]:
    """(score, seeds, coverage) of the intervals over draws of a generator.

    The truth of a reference is the mean of `OTHERS` draws. Its error makes the variance of its difference from the mean
    of an interval larger by 1 + seeds / OTHERS; the difference is divided by the root of that factor.
    """
    rng = torch.Generator().manual_seed(seed)
    values = drawn_scores(repeats, rng, progress=progress)
    expected = of_population(rng, 10 * repeats)
    rows = []
    for name, seeds in itertools.product(FEATURE_SCORES, SEEDS):
        drawn, reference_mean = values[name][:, :seeds], values[name][:, max(SEEDS) :].mean(axis=1)
        gap = (reference_mean - drawn.mean(axis=1)) / math.sqrt(1 + seeds / OTHERS)
        truths = {
            "this reference": drawn.mean(axis=1) + gap,
            "other people": np.full(repeats, values[name].mean()),
            "population": np.full(repeats, expected[name]),
        }
        bounds = bounds_of(name)
        rows.append((name, seeds, coverage(drawn, truths, lambda row, b=bounds: interval(row, bounds=b), bounds)))  # type: ignore[misc]
    return rows


def half_sample_interval(
    values: Sequence[float], halves: Sequence[float], factor: float, people: int, bounds: tuple[float, float]
) -> tuple[float, float]:
    """The interval of `kinetic evaluate --bootstrap`: over people, by halves of them, and over draws."""
    of_draws = Variance(float(np.var(values, ddof=1)) / len(values), len(values) - 1)
    of_people = Variance(half_sample_variance(halves, factor), people - 1)
    return interval_from(float(np.mean(values)), *joined([of_draws, of_people]), bounds=bounds)


def study_people(
    repeats: int, *, seed: int = 0, progress: bool = True
) -> list[tuple[str, int, dict[str, tuple[float, float]]]]:
    """(score, people, kind of interval -> share that covers the score against other people, mean width)."""
    rng, numbers = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    rows = []
    for people in TESTED:
        ends: dict[tuple[str, str], list[tuple[float, float]]] = {}
        values: dict[str, list[list[float]]] = {name: [] for name in FEATURE_SCORES}
        for _ in tqdm(range(repeats), unit="reference", disable=None if progress else True):
            real = real_people(people, MOTIONS, rng)
            fakes = [generated(len(real), rng) for _ in range(DRAWS)]
            rows_of, factor = half_samples(np.arange(len(real)) // MOTIONS, count=HALVES, rng=numbers)
            for name, score in FEATURE_SCORES.items():
                drawn = [score(fake, real).item() for fake in fakes]
                halves = [score(fakes[0], real[kept]).item() for kept in rows_of]
                values[name].append(drawn)
                bounds = bounds_of(name)
                ends.setdefault((name, "draws"), []).append(interval(drawn, bounds=bounds) or (math.nan, math.nan))
                both = half_sample_interval(drawn, halves, factor, people, bounds)
                ends.setdefault((name, "people and draws"), []).append(both)
        for name in FEATURE_SCORES:
            truth, covered = float(np.mean(values[name])), {}
            for kind in ("draws", "people and draws"):
                low, high = np.array(ends[name, kind]).T
                covered[kind] = float(np.mean((low <= truth) & (truth <= high))), float(np.mean(high - low))
            rows.append((name, people, covered))
    return rows


def show_people(rows: Sequence[tuple[str, int, dict[str, tuple[float, float]]]]) -> str:
    """A Markdown table."""
    kinds = list(rows[0][2])
    head = " | ".join(f"over {kind}, covers | mean width" for kind in kinds)
    lines = [f"| score | people | {head} |", "| --- | --: |" + " --: |" * (2 * len(kinds))]
    for name, people, covered in rows:
        cells = " | ".join(f"{share:.1%} | {width:.3g}" for share, width in covered.values())
        lines.append(f"| `{name}` | {people} | {cells} |")
    return "\n".join(lines)


def drawn_shares(rate: float, scatter: float, repeats: int, seeds: int, rng: np.random.Generator) -> np.ndarray:
    """Accuracies of `SHARED_MOTIONS` motions each, of which `rate` are recognised on average: (repeats, seeds).

    Each rate is drawn from the beta distribution of this mean and `scatter` pseudo-counts.
    """
    rates = np.full((repeats, seeds), rate)
    if math.isfinite(scatter):
        rates = rng.beta(scatter * rate, scatter * (1 - rate), (repeats, seeds))
    label = torch.zeros(SHARED_MOTIONS, dtype=torch.int64)
    values = [
        accuracy(torch.from_numpy(rng.random(SHARED_MOTIONS) >= share).long(), label).item() for share in rates.flat
    ]
    return np.array(values).reshape(repeats, seeds)


def study_shares(
    repeats: int, *, seed: int = 0, progress: bool = True
) -> list[tuple[str, float, int, Coverage, Coverage]]:
    """(name of the scatter, rate, seeds, coverage of our interval, that of Student's)."""
    rng = np.random.default_rng(seed)
    rows = []
    cases = list(itertools.product(SCATTER.items(), RATES, SEEDS))
    for (name, scatter), rate, seeds in tqdm(cases, unit="case", disable=None if progress else True):
        values, truth = drawn_shares(rate, scatter, repeats, seeds, rng), {"rate": np.full(repeats, rate)}
        ours = coverage(values, truth, lambda row: interval(row, bounds=SHARE), SHARE)
        rows.append((name, rate, seeds, ours, coverage(values, truth, interval, SHARE)))
    return rows


def show_scores(rows: Sequence[tuple[str, int, Coverage]]) -> str:
    """A Markdown table."""
    lines = ["| score | seeds | this reference | other people | population |", "| --- | --: | --: | --: | --: |"]
    for name, seeds, result in rows:
        lines.append(f"| `{name}` | {seeds} | {' | '.join(f'{share:.1%}' for share in result.share.values())} |")
    return "\n".join(lines)


def show_shares(rows: Sequence[tuple[str, float, int, Coverage, Coverage]]) -> str:
    """A Markdown table."""
    lines = [
        "| accuracies | rate | seeds | covers | Student's | mean width | Student's | Student's outside [0, 1] |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name, rate, seeds, ours, students in rows:
        lines.append(
            f"| {name} | {rate:g} | {seeds} | {ours.share['rate']:.1%} | {students.share['rate']:.1%} | "
            f"{ours.width:.3f} | {students.width:.3f} | {students.outside:.1%} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.intervals", description=__doc__.partition(":")[2].strip()
    )
    parser.add_argument("--repeats", type=int, default=2000, help="intervals of each kind (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (default 0)")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error(f"repeats must be at least 1, got {options.repeats}")
    print(show_scores(study_scores(options.repeats, seed=options.seed)), end="\n\n")
    print(show_people(study_people(max(1, options.repeats // 4), seed=options.seed)), end="\n\n")
    print(show_shares(study_shares(options.repeats, seed=options.seed)), end="\n\n")
    error = 2 * math.sqrt(0.95 * 0.05 / options.repeats)
    print(
        f"{options.repeats} intervals each, of people a quarter; two standard errors of a share of 95% are {error:.1%}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
