"""The kernel distance against literal loops, closed forms and torchmetrics."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from kinetic.metrics import kernel as module
from kinetic.metrics.kernel import kernel_distance, kernel_distance_subsets, kernel_per_class


def draw(n, d=6, seed=0, shift=0.0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64) + shift


def literal(fake, real, degree=3, coefficient=1.0, gamma=None):
    """The formula in plain loops, for two lists of vectors."""
    gamma = 1 / len(fake[0]) if gamma is None else gamma

    def kernel(a, b):
        return (gamma * sum(p * q for p, q in zip(a, b, strict=True)) + coefficient) ** degree

    n, m = len(fake), len(real)
    within_fake = sum(kernel(fake[i], fake[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_real = sum(kernel(real[i], real[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_fake + within_real - 2 * sum(kernel(a, b) for a in fake for b in real) / (n * m)


def test_two_point_masses_on_a_line():
    # k(1, 1) = 2^3, k(0, 0) = k(0, 1) = 1
    assert kernel_distance(torch.ones(2, 1), torch.zeros(5, 1)) == 8 + 1 - 2


@pytest.mark.parametrize(("n", "m"), [(2, 2), (7, 7), (5, 9)])
@pytest.mark.parametrize("options", [{}, {"degree": 2, "coefficient": 0.5, "gamma": 2.0}, {"degree": 1}])
def test_agrees_with_the_literal_loops(n, m, options):
    fake, real = draw(n, shift=0.3), draw(m, seed=1)
    expected = literal(fake.tolist(), real.tolist(), **options)
    assert kernel_distance(fake, real, **options).item() == pytest.approx(expected, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_agrees_with_torchmetrics(shift):
    fake, real = draw(80, 20, shift=shift), draw(80, 20, seed=1)
    torch.testing.assert_close(kernel_distance(fake, real), poly_mmd(real, fake), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("block", [1, 7, 40, 100])
def test_the_distance_does_not_depend_on_blocks(monkeypatch, block):
    fake, real = draw(11, shift=0.2), draw(9, seed=1)
    whole = kernel_distance(fake, real)
    monkeypatch.setattr(module, "BLOCK", block)
    torch.testing.assert_close(kernel_distance(fake, real), whole, rtol=1e-11, atol=1e-13)


def test_it_is_unbiased():
    # The mean over all parts of two finite sets is the distance of the whole.
    fake, real = draw(5, shift=0.2), draw(6, seed=1)
    parts = [
        kernel_distance(fake[list(f)], real[list(r)])
        for f in combinations(range(5), 3)
        for r in combinations(range(6), 2)
    ]
    torch.testing.assert_close(torch.stack(parts).mean(), kernel_distance(fake, real), rtol=1e-10, atol=0)


def test_numbers_are_compared_by_their_first_three_moments():
    # E (x y + 1)^3 is a sum over moments, so MMD^2 = 3 (m1 - n1)^2 + 3 (m2 - n2)^2 + (m3 - n3)^2.
    # Uniform on (0, 1) they are 1/2, 1/3, 1/4; on (0, 2) they are 1, 4/3, 2.
    fake, real = torch.rand(2, 5000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert kernel_distance(2 * fake, real).item() == pytest.approx(3 / 4 + 3 + 1.75**2, rel=0.03)


def test_sets_of_one_distribution_scatter_about_zero():
    distances = torch.stack([kernel_distance(draw(100, seed=i), draw(60, seed=1000 + i)) for i in range(60)])
    assert (distances < 0).sum() >= 20
    assert (distances > 0).sum() >= 10
    assert distances.mean().abs() < 3 * distances.std() / 60**0.5


def test_the_distance_does_not_depend_on_order_and_sides():
    fake, real = draw(30, shift=0.3), draw(40, seed=1)
    there = kernel_distance(fake, real)
    torch.testing.assert_close(kernel_distance(real, fake), there)
    torch.testing.assert_close(kernel_distance(fake.flip(0), real.roll(7, 0)), there)


def test_rotation_does_not_change_the_distance():
    fake, real = draw(30, shift=0.3), draw(40, seed=1)
    axes = torch.linalg.qr(draw(6, seed=2)).Q
    torch.testing.assert_close(kernel_distance(fake @ axes, real @ axes), kernel_distance(fake, real))


def test_it_grows_with_noise():
    real = draw(400, seed=1)
    distances = [kernel_distance(draw(400) * (1 + noise), real).item() for noise in (0.0, 0.2, 0.5, 1.0)]
    assert distances == sorted(distances)
    assert distances[0] < 0.01 < distances[1]


def test_float32_features_are_compared_in_float64():
    fake, real = draw(50, shift=0.1).float(), draw(50, seed=1).float()
    assert torch.equal(kernel_distance(fake, real), kernel_distance(fake.double(), real.double()))
    assert kernel_distance(fake, real).dtype == torch.float64


def test_subsets_are_those_that_torchmetrics_would_score():
    fake, real = draw(50, shift=0.2), draw(40, seed=1)
    rng, scores = torch.Generator().manual_seed(5), []
    for _ in range(4):
        f, r = torch.randperm(50, generator=rng)[:15], torch.randperm(40, generator=rng)[:15]
        scores.append(poly_mmd(real[r], fake[f]))
    mean, std = kernel_distance_subsets(fake, real, subsets=4, size=15, rng=torch.Generator().manual_seed(5))
    torch.testing.assert_close(mean, torch.stack(scores).mean(), rtol=1e-10, atol=0)
    torch.testing.assert_close(std, torch.stack(scores).std(unbiased=False), rtol=1e-10, atol=0)


def test_one_subset_of_all_is_the_distance():
    fake, real = draw(20, shift=0.2), draw(20, seed=1)
    mean, std = kernel_distance_subsets(fake, real, subsets=1, size=20)
    torch.testing.assert_close(mean, kernel_distance(fake, real))
    assert std == 0


def test_subsets_are_reproducible_unless_a_generator_is_given():
    fake, real = draw(50, shift=0.2), draw(40, seed=1)
    once, again = (kernel_distance_subsets(fake, real, subsets=3, size=9) for _ in range(2))
    assert once == again
    other = kernel_distance_subsets(fake, real, subsets=3, size=9, rng=torch.Generator().manual_seed(1))
    assert other != once


def test_mean_over_subsets_is_close_to_the_whole():
    fake, real = draw(200, shift=0.2), draw(150, seed=1)
    mean, std = kernel_distance_subsets(fake, real, subsets=50, size=60)
    assert abs(mean - kernel_distance(fake, real)) < 3 * std / 50**0.5


def test_subsets_larger_than_a_side_are_refused():
    with pytest.raises(ValueError, match="a subset of 6 different motions cannot be drawn from 9 fake and 5 real"):
        kernel_distance_subsets(draw(9), draw(5), size=6)
    with pytest.raises(ValueError, match="at most 5"):
        kernel_distance_subsets(draw(5), draw(9))
    with pytest.raises(ValueError, match="at least 1 subset"):
        kernel_distance_subsets(draw(5), draw(9), subsets=0, size=2)
    with pytest.raises(ValueError, match="at least 2 motions"):
        kernel_distance_subsets(draw(5), draw(9), size=1)


def test_wrong_input_is_refused():
    broken = draw(4)
    broken[2, 1] = float("inf")
    with pytest.raises(ValueError, match="real motions: 1 of 4 rows hold NaN or infinity: rows 2"):
        kernel_distance(draw(4), broken)
    with pytest.raises(ValueError, match=r"\(N, 6\), got shape \(4, 5\)"):
        kernel_distance(draw(4), draw(4, 5))
    with pytest.raises(ValueError, match="at least 2 motions on each side, got 1 fake and 4 real"):
        kernel_distance(draw(1), draw(4))
    with pytest.raises(ValueError, match="degree"):
        kernel_distance(draw(4), draw(4), degree=0)


def test_each_class_has_the_kernel_distance_of_its_motions():
    fake, real = draw(9), draw(12, seed=1)
    fake_label, real_label = torch.arange(9) % 2, torch.arange(12) % 2
    distances = kernel_per_class(fake, fake_label, real, real_label)
    expected = [kernel_distance(fake[fake_label == k], real[real_label == k]) for k in (0, 1)]
    assert distances.value.tolist() == [value.item() for value in expected] and distances.n_fake.tolist() == [5, 4]
    assert distances.mean.item() == pytest.approx(sum(value.item() for value in expected) / 2, rel=1e-12)


def test_swapped_classes_are_far_apart_in_equal_sets():
    label = torch.arange(80) % 2
    shift = 4.0 * label[:, None]
    fake, real = draw(80) + shift, draw(80, seed=1) + shift.flip(0)
    assert kernel_per_class(fake, label, real, label).mean > 10 * kernel_distance(fake, real).abs()
    with pytest.raises(ValueError, match="class 1 has 1 fake"):
        kernel_per_class(fake[:3], label[:3], real, label)
    with pytest.raises(ValueError, match="one row of features per motion"):
        kernel_per_class(fake[:, :, None], label, real, label)
