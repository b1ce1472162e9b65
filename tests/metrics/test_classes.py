"""Scores per class against literal sums, and what they refuse."""

import pytest
import torch

from kinetic.metrics.classes import per_class


def gap(fake, real):
    return (fake.mean() - real.mean()).double()


FAKE = torch.tensor([1.0, 3.0, 10.0, 20.0])[:, None]
REAL = torch.tensor([0.0, 0.0, 5.0, 5.0, 5.0])[:, None]
FAKE_LABEL, REAL_LABEL = torch.tensor([0, 0, 2, 2]), torch.tensor([0, 0, 2, 2, 2])


def test_each_class_has_a_score_and_the_mean_is_over_classes():
    scores = per_class(gap, FAKE, FAKE_LABEL, REAL, REAL_LABEL)
    assert scores.value.tolist() == [2.0, 10.0]
    assert scores.mean == 6
    assert scores.label.tolist() == [0, 2]
    assert scores.n_fake.tolist() == [2, 2] and scores.n_real.tolist() == [2, 3]


def test_only_requested_classes_are_scored():
    assert per_class(gap, FAKE, FAKE_LABEL, REAL, REAL_LABEL, classes=[2]).value.tolist() == [10.0]


def test_equal_counts_cut_the_larger_side_and_a_cap_cuts_both():
    real, label = torch.arange(50.0)[:, None], torch.zeros(50, dtype=torch.long)
    fake = real[:20]
    scores = per_class(gap, fake, label[:20], real, label, equal=True)
    assert (int(scores.n_fake), int(scores.n_real)) == (20, 20)
    scores = per_class(gap, fake, label[:20], real, label, cap=10)
    assert (int(scores.n_fake), int(scores.n_real)) == (10, 10)
    whole = per_class(gap, fake, label[:20], real, label)
    assert (int(whole.n_fake), int(whole.n_real)) == (20, 50)


def test_the_same_part_is_drawn_unless_a_generator_is_given():
    real, label = torch.arange(50.0)[:, None], torch.zeros(50, dtype=torch.long)
    cut = {"fake": real, "fake_label": label, "real": real.flip(0), "real_label": label, "cap": 10}
    first, second = per_class(gap, **cut), per_class(gap, **cut)
    other = per_class(gap, **cut, rng=torch.Generator().manual_seed(1))
    assert first.mean == second.mean != other.mean


def test_scarce_classes_and_odd_input_are_refused():
    with pytest.raises(ValueError, match="class 1 has 0 fake and 1 real"):
        per_class(gap, FAKE, FAKE_LABEL, FAKE, torch.tensor([0, 0, 2, 1]))
    with pytest.raises(ValueError, match="no class at all"):
        per_class(gap, FAKE[:0], FAKE_LABEL[:0], REAL[:0], REAL_LABEL[:0])
    with pytest.raises(ValueError, match="rows 1"):
        per_class(gap, torch.tensor([1.0, float("nan")])[:, None], FAKE_LABEL[:2], REAL, REAL_LABEL)
    with pytest.raises(ValueError, match="whole numbers"):
        per_class(gap, FAKE, FAKE_LABEL.double(), REAL, REAL_LABEL)
    with pytest.raises(ValueError, match="cap"):
        per_class(gap, FAKE, FAKE_LABEL, REAL, REAL_LABEL, cap=1)
