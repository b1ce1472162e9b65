"""A score carries its label, and refuses comparison with another label."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kinetic.metrics.measures import BETTER
from kinetic.metrics.score import BOUNDS, Score, bounds_of, half_width

SCORE = Score(
    value=1.5, metric="frechet", estimator="unbiased covariance", reference="synthetic/xsub/test",
    n_real=360, n_fake=360, seeds=(0, 1, 2), truncation=1.0, frames=64, fps=30.0, network="encoder",
    network_data="synthetic/xsub/train", network_hash="abc", version="0.1.0",
)  # fmt: skip


def test_scores_with_equal_labels_are_compared_by_value():
    other = replace(SCORE, value=1.0, interval=(0.9, 1.2))
    SCORE.check_comparable(other)
    assert other < SCORE
    assert not other > SCORE
    assert SCORE - other == 0.5


@pytest.mark.parametrize("change", [{"n_fake": 100}, {"truncation": 0.95}, {"network_hash": "def"}, {"seeds": (0,)}])
def test_one_differing_field_forbids_comparison_and_is_named(change):
    other = replace(SCORE, **change)
    assert SCORE.differences(other)
    for compare in (lambda: other > SCORE, lambda: SCORE - other, lambda: SCORE.check_comparable(other)):
        with pytest.raises(ValueError, match=next(iter(change))):
            compare()


def test_the_refusal_lists_every_differing_field_with_both_values():
    with pytest.raises(ValueError, match=r"n_real: 360 and 10; .*fps: 30.0 and None"):
        SCORE.check_comparable(replace(SCORE, n_real=10, fps=None))


def test_fields_can_be_ignored_by_name_only():
    other = replace(SCORE, seeds=(), truncation=None)
    assert not SCORE.differences(other, ignore=("seeds", "truncation"))
    with pytest.raises(ValueError, match="no seed;"):
        SCORE.differences(other, ignore=("seed",))


@pytest.mark.parametrize("interval", [None, (1.25, 1.75), (0.0, 2.0)])
def test_a_score_is_the_same_after_json(interval):
    score = replace(SCORE, interval=interval)
    assert score.to_dict()["interval"] == (None if interval is None else list(interval))
    assert Score.from_dict(json.loads(json.dumps(score.to_dict()))) == score


def test_a_single_number_of_old_reports_is_half_of_the_interval():
    assert Score.from_dict(SCORE.to_dict() | {"interval": 0.5}).interval == (1.0, 2.0)


@pytest.mark.parametrize("interval", ["wide", [1.0, "2"], {"low": 1.0}])
def test_an_interval_that_is_no_pair_of_numbers_is_refused(interval):
    with pytest.raises(ValueError, match="incomplete score: interval must be two numbers"):
        Score.from_dict(SCORE.to_dict() | {"interval": interval})


@pytest.mark.parametrize(
    ("interval", "message"),
    [
        ((1.6, 1.7), "1.5 is outside its interval, 1.6 to 1.7"),
        ((1.0, 1.4), "1.5 is outside its interval, 1 to 1.4"),
        ((2.0, 1.0), "1.5 is outside its interval, 2 to 1"),
        ((1.0, float("inf")), "finite"),
        ((float("nan"), 2.0), "finite"),
        ((1.0, 1.5, 2.0), "expected its lower and upper end"),
        (0.5, "expected its lower and upper end"),
    ],
)
def test_an_interval_is_two_finite_numbers_around_the_value(interval, message):
    with pytest.raises(ValueError, match=f"score frechet: .*{message}"):
        replace(SCORE, interval=interval)
    value = 0.1 + 0.2
    assert replace(SCORE, value=value, interval=[0.3, 0.3]).interval == (0.3, 0.3)  # but for rounding


@pytest.mark.parametrize(
    ("metric", "interval", "text"),
    [
        ("frechet", None, "frechet 1.5 (360"),
        ("frechet", (1.25, 1.75), "frechet 1.5 +- 0.25 (360"),
        ("frechet", (0.0, 4.0), "frechet 1.5 [0, 4] (360"),
        ("recall", (1.25, 1.75), "recall 1.5 [1.25, 1.75] (360"),
    ],
)
def test_intervals_that_are_not_symmetric_and_those_of_shares_are_shown_by_their_ends(metric, interval, text):
    assert str(replace(SCORE, metric=metric, interval=interval)).startswith(text)


def test_the_half_width_needs_an_interval_symmetric_to_rounding():
    assert half_width(0.3, (0.2, 0.4)) == pytest.approx(0.1) and half_width(2.0, (2.0, 2.0)) == 0
    assert half_width(1e9, (1e9 - 0.1, 1e9 + 0.1)) == pytest.approx(0.1)
    assert half_width(0.3, (0.2, 0.41)) is None


def test_known_scores_have_bounds_and_unknown_ones_none():
    assert bounds_of("recall") == bounds_of("copying_features") == bounds_of("c2st") == (0, 1)
    assert bounds_of("frechet") == (0, float("inf")) and bounds_of("vendi") == (1, float("inf"))
    free = {"frechet_infinity", "kernel", "mmd2_frame", "mmd2_sequence"}  # unbiased or extrapolated: may be negative
    assert free <= set(BETTER) - set(BOUNDS)
    assert bounds_of("kernel") == bounds_of("weather") == (-float("inf"), float("inf"))


def test_dictionary_with_unknown_or_missing_keys_is_refused():
    with pytest.raises(ValueError, match="no colour"):
        Score.from_dict(SCORE.to_dict() | {"colour": "red"})
    with pytest.raises(ValueError, match="metric"):
        Score.from_dict({"value": 1.0})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_is_finite(value):
    with pytest.raises(ValueError, match="finite"):
        replace(SCORE, value=value)


def test_counts_are_positive():
    with pytest.raises(ValueError, match="n_fake"):
        replace(SCORE, n_fake=0)
