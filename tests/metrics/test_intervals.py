"""Intervals of means: numbers worked out by hand, Student's and Wilson's as special cases, ends inside the bounds."""

import math

import numpy as np
import pytest
from scipy import stats

from kinetic.metrics.intervals import interval, interval_from, student_interval

SHARE, POSITIVE = (0.0, 1.0), (0.0, math.inf)
T1 = math.tan(0.475 * math.pi)  # Student's t of 97.5% at one degree of freedom, 12.71
T2 = 0.95 * math.sqrt(2 / (4 * 0.975 * 0.025))  # at two, 4.303


def test_unbounded_values_have_students_interval():
    assert interval([2.0, 4.0, 3.0]) == pytest.approx((3 - T2 / math.sqrt(3), 3 + T2 / math.sqrt(3)), rel=1e-12)
    assert interval([1.0, 3.0]) == pytest.approx((2 - T1, 2 + T1), rel=1e-12)
    values = np.random.default_rng(0).normal(size=9)
    expected = stats.t.interval(0.8, 8, values.mean(), stats.sem(values))
    assert interval(values.tolist(), confidence=0.8) == pytest.approx(expected, rel=1e-12)


def test_one_value_has_no_interval_and_equal_values_have_one_of_width_0():
    assert interval([0.5]) is None and interval([]) is None
    for value in (0.0, 0.1, 1.0):
        assert interval([value] * 7, bounds=SHARE) == (value, value) == interval([value] * 7)


def test_a_distance_has_students_interval_cut_at_zero():
    start, end = interval([1.0, 3.0])
    assert start < 0
    assert interval([1.0, 3.0], bounds=POSITIVE) == (0.0, end)
    assert interval([-1.0, -3.0], bounds=(-math.inf, 0.0)) == (-end, 0.0)
    assert interval([100.0, 101.0], bounds=POSITIVE) == interval([100.0, 101.0])


def test_shares_have_the_ends_that_are_t_standard_errors_from_the_mean():
    # 0.2 and 0.6: m 0.4, v = 0.04, n = 0.24 / 0.04 = 6; (0.4 - p)^2 = t^2 p (1 - p) / 6
    for end in interval([0.2, 0.6], bounds=SHARE):
        assert (0.4 - end) ** 2 == pytest.approx(T1**2 * end * (1 - end) / 6, rel=1e-9)
    low, high = interval([0.2, 0.6], bounds=SHARE)
    assert 0 < low < 0.2 and 0.6 < high < 1


def test_a_share_of_independent_trials_has_the_interval_of_wilson():
    trials, hits = 40, 37
    wilson = stats.binomtest(hits, trials).proportion_ci(0.95, method="wilson")
    m = hits / trials
    ends = interval_from(m, m * (1 - m) / trials, 1e9, bounds=SHARE)  # so much freedom makes t the normal quantile
    assert ends == pytest.approx((wilson.low, wilson.high), rel=1e-6)


@pytest.mark.parametrize("seed", range(50))
def test_shares_never_leave_their_bounds_and_hold_their_mean(seed):
    rng = np.random.default_rng(seed)
    values = rng.beta(*10.0 ** rng.uniform(-3, 3, 2), int(rng.integers(2, 12)))
    low, high = interval(values.tolist(), bounds=SHARE)
    assert 0 <= low <= values.mean() <= high <= 1 or low == high == pytest.approx(values.mean())


def test_a_share_and_its_complement_have_mirrored_intervals():
    values = np.array([0.99, 0.95, 1.0])
    low, high = interval(values.tolist(), bounds=SHARE)
    assert interval((1 - values).tolist(), bounds=SHARE) == pytest.approx((1 - high, 1 - low), rel=1e-9)
    assert interval((10 + 5 * values).tolist(), bounds=(10, 15)) == pytest.approx((10 + 5 * low, 10 + 5 * high))


def test_near_shares_have_nearly_students_interval():
    values = [0.5001, 0.4999, 0.5003]
    assert interval(values, bounds=SHARE) == pytest.approx(interval(values), rel=1e-5)


def test_a_tiny_share_loses_no_digits():
    low, high = interval_from(1e-12, 1e-20, 4, bounds=SHARE)
    m, w = 1e-12, special_t(4) ** 2 * 1e-20 / 1e-12
    assert high == pytest.approx((m + w) / (1 + w), rel=1e-3)
    assert low == pytest.approx(m**2 / (1 + w) / high, rel=1e-9, abs=0) and low > 0


def special_t(freedom):
    return float(stats.t.ppf(0.975, freedom))


def test_a_mean_at_its_bound_excludes_nothing_unless_there_is_no_variance():
    assert interval_from(0.0, 0.01, 4, bounds=SHARE) == (0, 1) == interval_from(1.0, 0.01, 4, bounds=SHARE)
    assert interval_from(1.0, 0.0, 4, bounds=SHARE) == (1, 1)
    assert interval_from(0.0, 0.01, 4, bounds=POSITIVE) == (0, pytest.approx(0.1 * special_t(4)))


def test_a_mean_outside_its_bounds_by_rounding_is_kept():
    assert interval_from(1 + 1e-9, 0.0, 4, bounds=SHARE)[1] == 1 + 1e-9
    expected = (-1.5e-9, (T1 - 3) * 0.5e-9)
    assert interval([-2e-9, -1e-9], bounds=POSITIVE) == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interval([1.0, math.nan]), "list of finite numbers"),
        (lambda: interval([[1.0, 2.0]]), "list of finite numbers"),
        (lambda: interval([1.1, 1.3], bounds=SHARE), "mean of 1.2 is outside its bounds, 0 to 1"),
        (lambda: interval([-1.0, -3.0], bounds=POSITIVE), "mean of -2 is outside its bounds, 0 to inf"),
        (lambda: interval([1.0, 2.0], bounds=(1.0, 0.0)), "least and the largest"),
        (lambda: interval([1.0, 2.0], confidence=1.0), "confidence between 0 and 1"),
        (lambda: interval_from(1.0, -1.0, 2), "variance of at least 0"),
        (lambda: interval_from(math.inf, 1.0, 2), "finite mean"),
        (lambda: student_interval(1.0, 1.0, 0), "degrees of freedom above 0"),
    ],
)
def test_wrong_requests_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
