"""A score carries its label, and refuses comparison with another label."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kinetic.metrics.score import Score

SCORE = Score(
    value=1.5, metric="frechet", estimator="unbiased covariance", reference="synthetic/xsub/test",
    n_real=360, n_fake=360, seeds=(0, 1, 2), truncation=1.0, frames=64, fps=30.0, network="encoder",
    network_data="synthetic/xsub/train", network_hash="abc", version="0.1.0",
)  # fmt: skip


def test_scores_with_equal_labels_are_compared_by_value():
    other = replace(SCORE, value=1.0, interval=0.2)
    assert SCORE.comparable(other)
    assert other < SCORE
    assert not other > SCORE
    assert SCORE - other == 0.5


@pytest.mark.parametrize("change", [{"n_fake": 100}, {"truncation": 0.95}, {"network_hash": "def"}, {"seeds": (0,)}])
def test_one_differing_field_forbids_comparison_and_is_named(change):
    other = replace(SCORE, **change)
    assert not SCORE.comparable(other)
    for compare in (lambda: other > SCORE, lambda: SCORE - other, lambda: SCORE.check_comparable(other)):
        with pytest.raises(ValueError, match=next(iter(change))):
            compare()


def test_the_refusal_lists_every_differing_field_with_both_values():
    with pytest.raises(ValueError, match=r"n_real: 360 and 10; .*fps: 30.0 and None"):
        SCORE.check_comparable(replace(SCORE, n_real=10, fps=None))


def test_fields_can_be_ignored_by_name_only():
    other = replace(SCORE, seeds=(), truncation=None)
    assert SCORE.comparable(other, ignore=("seeds", "truncation"))
    with pytest.raises(ValueError, match="no seed;"):
        SCORE.comparable(other, ignore=("seed",))


def test_dictionary_survives_json():
    assert Score.from_dict(json.loads(json.dumps(SCORE.to_dict()))) == SCORE


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
