"""The classifier two-sample test against classifiers that are fitted one by one, and against chance."""

from __future__ import annotations

import pytest
import torch

from kinetic.metrics import separation as module
from kinetic.metrics.separation import two_sample_test


def draw(n, d=6, seed=0, shift=0.0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64) + shift


def accuracy(fake, real):
    return two_sample_test(fake, real, permutations=0)[0].item()


def test_distant_sides_are_always_separated():
    assert accuracy(torch.arange(8.0)[:, None], torch.arange(8.0)[:, None] + 100) == 1


def test_both_sides_have_equal_weight_at_any_counts():
    fake, real = torch.tensor([0.0, 0.1, 0.2, 0.3, 10.0]), torch.tensor([10.1, 10.2])
    assert accuracy(fake[:, None], real[:, None]) == pytest.approx((4 / 5 + 1) / 2)


@pytest.mark.parametrize(("n", "m", "d"), [(7, 11, 5), (6, 6, 20), (12, 5, 17)])
def test_agrees_with_classifiers_fitted_without_each_motion(n, m, d):
    fake, real = draw(n, d), draw(m, d, seed=1, shift=0.4)
    x = torch.cat([fake, real])
    x = (x - x.mean(dim=0)) / x.std(dim=0, correction=0)
    y = torch.cat([torch.ones(n), -torch.ones(m)]).double()
    value = torch.linalg.svdvals(x).square()
    value, freedom = value[value > 1e-9], min(min(n + m, d) / 2, (n + m) / 5)
    low, high = 1e-9, 1e9
    for _ in range(200):  # the penalty that gives so many degrees of freedom
        penalty = (low * high) ** 0.5
        low, high = (penalty, high) if (value / (value + penalty)).sum() > freedom else (low, penalty)
    right = []
    for i in range(n + m):
        others = torch.arange(n + m) != i
        own, signs = x[others], y[others]
        weights = torch.linalg.solve(own.T @ own + penalty * torch.eye(d), own.T @ signs)
        threshold = ((own @ weights)[signs > 0].mean() + (own @ weights)[signs < 0].mean()) / 2
        right.append(float(torch.sign(x[i] @ weights - threshold) == y[i]))
    expected = (sum(right[:n]) / n + sum(right[n:]) / m) / 2
    assert accuracy(fake, real) == pytest.approx(expected, abs=1e-12) and 0.3 < expected < 1


def test_constant_features_give_one_half():
    assert accuracy(torch.ones(4, 3), torch.ones(5, 3)) == 0.5


def test_twins_on_the_other_side_are_classified_wrongly():
    assert accuracy(draw(20), draw(20)) == 0


def test_the_result_does_not_depend_on_place_scale_order_and_constant_features():
    fake, real = draw(30, seed=2), draw(40, seed=3, shift=0.5)
    expected = accuracy(fake, real)
    scale = torch.tensor([1e-3, 1.0, 2.0, 50.0, 1e3, -1.0])
    assert accuracy(fake * scale + 7, real * scale + 7) == pytest.approx(expected, abs=1e-12)
    assert accuracy(fake.flip(0), real.flip(0)) == pytest.approx(expected, abs=1e-12)
    assert accuracy(real, fake) == pytest.approx(expected, abs=1e-12)
    more = [torch.cat([side, torch.full((len(side), 2), 3.0)], dim=1) for side in (fake, real)]
    assert accuracy(*more) == pytest.approx(expected, abs=1e-12)
    assert 0.5 < expected < 1


@pytest.mark.parametrize(("n", "m", "d"), [(15, 15, 4), (10, 30, 4), (20, 20, 60)])
def test_sets_of_one_distribution_are_rejected_at_the_level_of_the_test(n, m, d):
    rng = torch.Generator().manual_seed(4)
    results = [
        two_sample_test(torch.randn(n, d, generator=rng), torch.randn(m, d, generator=rng), permutations=39, rng=rng)
        for _ in range(400)
    ]
    accuracies, p = (torch.stack(side) for side in zip(*results, strict=True))
    for level in (0.05, 0.25):  # accuracies come in steps, so that it rejects a little less often
        share, deviation = (p <= level).double().mean(), (level * (1 - level) / 400) ** 0.5
        assert level - 5 * deviation - 0.03 < share < level + 3 * deviation
    assert accuracies.mean().item() == pytest.approx(0.5, abs=3 * accuracies.std().item() / 20)


def test_a_larger_difference_gives_a_higher_accuracy_and_a_lower_p():
    results = [two_sample_test(draw(60, 20), draw(60, 20, seed=1, shift=shift)) for shift in (0.0, 0.3, 1.0)]
    (none, chance), (some, rare), (much, rarest) = results
    assert none < 0.6 < some < much and chance > 0.05 > rare
    assert much > 0.95 and rarest == pytest.approx(1 / 1000)


def test_the_result_does_not_depend_on_chunks_of_permutations(monkeypatch):
    fake, real = draw(20, seed=5), draw(25, seed=6, shift=0.2)
    whole = two_sample_test(fake, real, permutations=50)
    monkeypatch.setattr(module, "CHUNK", 7 * 45)
    assert two_sample_test(fake, real, permutations=50) == whole and 0 < whole[1] < 1


def test_without_permutations_there_is_no_p():
    assert two_sample_test(draw(10), draw(10, seed=1), permutations=0)[1] == 1


def test_float32_features_give_float64():
    result = two_sample_test(draw(10).float(), draw(10, seed=1).float(), permutations=3)
    assert all(value.dtype == torch.float64 and value.ndim == 0 for value in result)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="at least 2 motions on each side, got 1 fake and 5 real"):
        two_sample_test(draw(1), draw(5))
    with pytest.raises(ValueError, match=r"features of real motions: .*\(N, 6\)"):
        two_sample_test(draw(4), draw(4, 5))
    with pytest.raises(ValueError, match="features of fake motions: 1 of 4 rows hold NaN"):
        two_sample_test(draw(4).index_fill(0, torch.tensor([2]), torch.nan), draw(4))
    with pytest.raises(ValueError, match="permutations must not be negative, got -1"):
        two_sample_test(draw(4), draw(4), permutations=-1)
