"""Paired differences and Holm's correction against numbers worked out by hand."""

import math
import warnings
from dataclasses import replace

import pytest

from kinetic.ablation.statistics import holm, paired

T1 = math.tan(0.475 * math.pi)  # Student's t of 97.5% at one degree of freedom, 12.71
T2 = 0.95 * math.sqrt(2 / (4 * 0.975 * 0.025))  # at two, 4.303


def test_a_difference_is_tested_in_pairs_of_seeds():
    difference = paired({0: 2.0, 1: 4.0, 2: 3.0}, {0: 1.0, 1: 2.0, 2: 3.0}, after="A")  # 1, 2, 0: mean 1, deviation 1
    assert (difference.after, difference.seeds, difference.mean) == ("A", (0, 1, 2), 1.0)
    half = T2 / math.sqrt(3)
    assert difference.interval == pytest.approx((1 - half, 1 + half), rel=1e-12)
    assert difference.p == pytest.approx(
        1 - math.sqrt(3 / 5), rel=1e-12
    )  # t = sqrt(3); at 2 degrees 1 - t / sqrt(2 + t^2)
    assert difference.effect == pytest.approx(1 / math.sqrt(math.pi), rel=1e-12)  # d_z 1, J(2) = G(1) / G(1/2)


def test_the_effect_of_four_seeds_is_corrected_less():
    difference = paired(dict(enumerate([2.0, 0.0, 4.0, 2.0])), dict.fromkeys(range(4), 0.0))  # mean 2, variance 8/3
    assert difference.effect == pytest.approx(
        2 / math.sqrt(8 / 3) * math.sqrt(math.pi / 6), rel=1e-12
    )  # J(3) = sqrt(pi/6)


def test_two_seeds_have_a_test_and_no_effect_size():
    difference = paired({0: 1.0, 1: 3.0}, {0: 0.0, 1: 0.0})
    assert difference.p == pytest.approx(1 - 2 / math.pi * math.atan(2.0), rel=1e-12)  # t = 2 at 1 degree
    assert difference.effect is None and difference.interval == pytest.approx((2 - T1, 2 + T1))
    cut = paired({0: 1.0, 1: 3.0}, {0: 0.0, 1: 0.0}, bounds=(-4.0, 4.0))
    assert cut == replace(difference, interval=(-4.0, 4.0))


def test_only_common_seeds_are_compared():
    difference = paired({0: 5.0, 2: 4.0, 7: 1.0}, {2: 1.0, 3: 9.0})
    assert (difference.seeds, difference.mean, difference.interval, difference.p, difference.effect) == (
        (2,),
        3.0,
        None,
        None,
        None,
    )
    assert paired({0: 1.0}, {1: 1.0}) is None


def test_identical_rows_differ_by_nothing_with_p_1_and_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        difference = paired({0: 0.1, 1: 0.7}, {0: 0.1, 1: 0.7})
    assert (difference.mean, difference.interval, difference.p, difference.effect) == (0.0, (0.0, 0.0), 1.0, 0.0)


def test_holm_multiplies_the_smallest_most_and_never_falls():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02] and holm([]) == []
