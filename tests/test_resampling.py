"""Half-samples: literal halves, and variances that are those of the sampling distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kinetic.metrics.resampling import Variance, half_sample_variance, half_samples, joined


def halves(group, count=100, seed=0):
    return half_samples(np.array(group), count=count, rng=np.random.default_rng(seed))


def test_all_halves_of_few_people():
    rows, factor = halves([0, 0, 1, 2, 2, 2])
    assert [each.tolist() for each in rows] == [[0, 1, 2], [0, 1, 3, 4, 5], [2, 3, 4, 5]]
    assert factor == 2  # two of three are kept, one is left out
    assert halves([7, 9])[1] == 1 and halves(range(5))[1] == 1.5


def test_of_many_people_some_halves_are_drawn():
    group = np.arange(40) % 20
    rows, factor = halves(group, count=30)
    assert len(rows) == 30 and factor == 1
    for each in rows:
        assert len(set(group[each])) == 10 and len(each) == 20  # whole people
    again, _ = halves(group, count=30)
    assert all(np.array_equal(one, other) for one, other in zip(rows, again, strict=True))
    assert not np.array_equal(rows[0], halves(group, count=30, seed=1)[0][0])


@pytest.mark.parametrize("people", [4, 5, 9])
def test_for_a_mean_it_is_the_variance_of_the_mean_over_people(people):
    values = np.random.default_rng(0).standard_normal(people)
    rows, factor = halves(range(people), count=200)
    found = half_sample_variance([values[each].mean() for each in rows], factor)
    assert found == pytest.approx(values.var(ddof=1) / people, rel=1e-12)


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
