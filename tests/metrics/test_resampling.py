"""Half-samples: literal halves, and variances that are those of the sampling distribution."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from kinetic.metrics.kernel import kernel_distance
from kinetic.metrics.measures import Case, Sample, choose
from kinetic.metrics.resampling import (
    Variance,
    half_sample_variance,
    half_samples,
    joined,
    variance_over_draws,
    variance_over_people,
)
from kinetic.skeleton import NTU25


def halves(group, count=100, seed=0):
    return half_samples(np.array(group), count=count, rng=np.random.default_rng(seed))


def test_all_halves_of_few_people():
    rows, factor = halves([0, 0, 1, 2, 2, 2])
    assert [each.tolist() for each in rows] == [[0, 1, 2], [0, 1, 3, 4, 5], [2, 3, 4, 5]]
    assert factor == 2  # two of three are kept, one is left out
    assert halves([7, 9])[1] == 1 and halves(range(5))[1] == 1.5


def test_of_many_people_random_halves_are_drawn():
    group = np.arange(40) % 20
    rows, factor = halves(group, count=30)
    assert len(rows) == 30 and factor == 1
    for each in rows:
        assert len(set(group[each])) == 10 and len(each) == 20  # whole people
    again, _ = halves(group, count=30)
    assert all(np.array_equal(a, b) for a, b in zip(rows, again, strict=True))
    assert not np.array_equal(rows[0], halves(group, count=30, seed=1)[0][0])


@pytest.mark.parametrize("people", [4, 5, 9])
def test_the_variance_of_a_mean_is_that_over_people(people):
    values = np.random.default_rng(0).standard_normal(people)
    rows, factor = halves(range(people), count=200)
    variance = half_sample_variance([values[each].mean() for each in rows], factor)
    assert variance == pytest.approx(values.var(ddof=1) / people, rel=1e-12)


def test_joined_variances():
    assert joined([Variance(2.0, 5.0)]) == (2.0, 5.0)
    assert joined([Variance(1.0, 4.0), Variance(1.0, 4.0)]) == (2.0, 8.0)
    assert joined([Variance(0.0, 3.0), Variance(3.0, 2.0)]) == (3.0, 2.0)
    assert joined([Variance(0.0, 3.0)]) == (0.0, math.inf)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="at least two groups, such as people, got 1"):
        halves([3, 3])
    with pytest.raises(ValueError, match="at least two halves, got 1"):
        halves([1, 2], count=1)


def people(case_people, motions, seed):
    """Features of some people, each a point with motions about it, two classes."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(case_people, 1, 4, generator=rng) + 0.3 * torch.randn(case_people, motions, 4, generator=rng)
    label = torch.arange(motions) % 2
    return Sample(torch.zeros(case_people * motions, 3, 2, 25), label.repeat(case_people), x.flatten(0, 1).double())


def case_of(real):
    return Case(people(30, 4, seed=99), real, people(10, 4, seed=98), NTU25)


def test_the_variance_over_people_agrees_with_that_of_new_people():
    # The distance between features of two motions of a class (multimodality) does not look at the real side.
    wanted = choose(["kernel", "multimodality"])
    variances = [
        variance_over_people(
            case_of(people(30, 6, seed=seed)), wanted, np.arange(180) // 6, halves=20, rng=np.random.default_rng(0)
        )
        for seed in range(20)
    ]
    assert all(each["multimodality"].value == 0 and each["kernel"].freedom == 29 for each in variances)
    real = np.var([float(kernel_distance(case_of(None).fake.seen, people(30, 6, seed=s).seen)) for s in range(200)])
    assert (
        0.7 < np.mean([each["kernel"].value for each in variances]) / real < 1.8
    )  # a little too much, as it is curved


def test_generated_motions_of_a_class_that_a_half_lacks_are_left_out():
    real = people(4, 6, seed=1)
    only = dataclasses.replace(real, label=(torch.arange(24) // 12).long())  # two people do one thing, two the other
    told = []
    variances = variance_over_people(
        case_of(only),
        choose(["kernel_class"]),
        np.arange(24) // 6,
        halves=20,
        rng=np.random.default_rng(0),
        tell=lambda: told.append(0),
    )
    assert variances["kernel_class"].value > 0 and len(told) == 6


def test_variance_over_draws_is_smaller_for_more_motions():
    def variance(n):
        case = dataclasses.replace(case_of(people(10, 6, seed=1)), fake=people(n, 4, seed=5))
        rng = np.random.default_rng(0)
        return variance_over_draws(case, choose(["kernel"]), halves=20, rng=rng, tell=lambda: None)["kernel"]

    few, many = variance(8), variance(80)
    assert many.value < few.value / 3 and few.freedom == 31
