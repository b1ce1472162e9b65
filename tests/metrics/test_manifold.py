"""Precision, recall, density and coverage against cases by hand, brute force and expectations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kinetic.metrics import manifold as module
from kinetic.metrics.manifold import Manifold, manifold


def draw(n, d=5, seed=0, shift=0.0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64) + shift


def line(*points):
    return torch.tensor(points, dtype=torch.float64)[:, None]


def brute_force(fake, real, k):
    """The definitions, distance by distance."""
    fake, real = np.asarray(fake), np.asarray(real)

    def distances(x, y):
        return np.array([[math.sqrt(sum((p - q) ** 2)) for q in y] for p in x])

    def radii(x):
        return np.array([sorted(np.delete(row, i))[k - 1] for i, row in enumerate(distances(x, x))])

    between = distances(real, fake)
    in_real, in_fake = between <= radii(real)[:, None], between <= radii(fake)
    return in_real.any(0).mean(), in_fake.any(1).mean(), in_real.sum() / (k * len(fake)), in_real.any(1).mean()


def assert_manifold(result, expected):
    assert isinstance(result, Manifold)
    assert [float(x) for x in result] == pytest.approx([float(x) for x in expected], rel=1e-12)


def test_points_on_a_line():
    # Real balls reach 1; that of 2 is empty. Fake balls reach 3.4, 3.4, 1, 1, and the first two hold all that is real.
    result = manifold(line(0.5, 3.9, 10, 11), line(0, 1, 2, 3), neighbours=1)
    assert_manifold(result, (2 / 4, 4 / 4, (2 + 1) / 4, 3 / 4))


def test_the_second_neighbour_reaches_further():
    # Real balls reach 2, 1, 1, 2: 4.5 is in one; 1.5 is in all four.
    result = manifold(line(4.5, 1.5, 20), line(0, 1, 2, 3), neighbours=2)
    assert result.density.item() == pytest.approx((1 + 4 + 0) / (2 * 3))
    assert result.precision.item() == pytest.approx(2 / 3)
    assert result.coverage == 1


def test_the_surface_of_a_ball_is_inside():
    assert manifold(line(3, 50), line(0, 1, 2), neighbours=1).precision == 0.5
    assert manifold(line(3.001, 50), line(0, 1, 2), neighbours=1).precision == 0


def test_a_motion_is_not_its_own_neighbour_but_its_copy_is():
    # Copies have a ball of radius 0, which holds what lies on it.
    assert_manifold(manifold(line(0, 5), line(0, 0), neighbours=1), (1 / 2, 1, 2 / 2, 1))
    assert_manifold(manifold(line(0.1, 5), line(0, 0), neighbours=1), (0, 1, 0, 0))


@pytest.mark.parametrize(("n", "m", "d", "k"), [(30, 40, 3, 1), (25, 25, 8, 5), (12, 40, 2, 3)])
def test_agrees_with_brute_force(n, m, d, k):
    fake, real = draw(n, d, shift=0.5), draw(m, d, seed=1)
    assert_manifold(manifold(fake, real, neighbours=k), brute_force(fake, real, k))


def test_agrees_with_brute_force_on_ties():
    rng = torch.Generator().manual_seed(0)
    fake, real = (torch.randint(4, (40, 3), generator=rng).double() for _ in range(2))
    for offset in (0, 7777):
        assert_manifold(manifold(fake + offset, real + offset, neighbours=4), brute_force(fake, real, 4))


@pytest.mark.parametrize("offset", [0, 1e3])
@pytest.mark.parametrize(("n", "d", "k"), [(300, 40, 5), (50, 3, 1), (60, 500, 3)])
def test_a_set_with_itself_fills_every_ball(n, d, k, offset):
    # Each ball holds its centre and k others, of which the last is on the surface: none may be lost to rounding.
    x = draw(n, d, shift=offset)
    assert_manifold(manifold(x.flip(0), x, neighbours=k), (1, 1, (k + 1) / k, 1))
    single = x.float()
    assert_manifold(manifold(single, single, neighbours=k), (1, 1, (k + 1) / k, 1))


def test_sets_far_apart_share_nothing():
    assert_manifold(manifold(draw(30, shift=100), draw(20)), (0, 0, 0, 0))


def test_collapse_to_one_motion_keeps_precision_and_loses_the_rest():
    real = draw(200)
    result = manifold(real[:1] + 1e-3 * draw(200, seed=1), real)
    assert result.precision == 1
    assert result.recall < 0.02
    assert result.coverage < 0.2


def test_one_outlier_among_the_fakes_raises_recall_but_not_coverage():
    real = draw(200)
    fake = real[:1] + 1e-3 * draw(200, seed=1)
    before = manifold(fake, real)
    fake[0] += 100
    result = manifold(fake, real)
    assert result.recall > before.recall + 0.8
    assert result.coverage <= before.coverage


def exactly(fake, real, k):
    """The definitions in whole numbers of any size."""

    def squares(x, y):
        return [[sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) for b in y] for a in x]

    fake, real = ([[int(value) for value in row] for row in x.tolist()] for x in (fake, real))
    fake_reach, real_reach = ([sorted(row)[k] for row in squares(x, x)] for x in (fake, real))  # the first is itself
    between = squares(real, fake)
    inside = [[square <= reach for square in row] for row, reach in zip(between, real_reach, strict=True)]
    recalled = [any(square <= reach for square, reach in zip(row, fake_reach, strict=True)) for row in between]
    return (
        sum(map(any, zip(*inside, strict=True))) / len(fake),
        sum(recalled) / len(real),
        sum(map(sum, inside)) / (k * len(fake)),
        sum(map(any, inside)) / len(real),
    )


@pytest.mark.parametrize("side", ["fake", "real", "both"])
@pytest.mark.parametrize("power", [3, 6, 9, 12, 15, 20, 30, 100])
def test_an_extreme_motion_on_either_side_gives_the_exact_scores(power, side):
    fake, real = ((100 * draw(n, 3, seed=n)).round() for n in (40, 50))
    away = (10.0**power * draw(1, 3, seed=7)).round()
    fake = torch.cat([fake, away]) if side != "real" else fake
    real = torch.cat([real, away]) if side != "fake" else real
    assert_manifold(manifold(fake, real, neighbours=3), exactly(fake, real, 3))


@pytest.mark.parametrize("d", [3, 64])
@pytest.mark.parametrize("away", [1e3, 1e9, 1e16, 1e30])
def test_an_extreme_motion_changes_no_score_by_more_than_its_share(away, d):
    fake, real = draw(300, d, shift=0.3), draw(400, d, seed=1)
    before = manifold(fake, real)
    with_fake = manifold(torch.cat([fake, away * draw(1, d, seed=2)]), real)
    for name, share in (("precision", 1 / 301), ("density", float(before.density) / 301), ("coverage", 0)):
        assert abs(getattr(with_fake, name) - getattr(before, name)) <= share + 1e-12
    with_real = manifold(fake, torch.cat([real, away * draw(1, d, seed=2)]))
    for name in ("recall", "coverage"):
        assert abs(getattr(with_real, name) - getattr(before, name)) <= 1 / 401 + 1e-12
    # By definition the ball of the extreme motion holds all but its 5 nearest: about the share of 5 motions.
    assert abs(with_real.density - before.density) < 5 / 300
    assert abs(with_real.precision - before.precision) < 10 / 300
    assert abs(with_fake.recall - before.recall) < 10 / 400


@pytest.mark.parametrize("away", [1e3, 1e9, 1e30])
def test_a_set_with_itself_fills_every_ball_also_with_an_extreme_motion(away):
    x = torch.cat([draw(200, 20), away * draw(1, 20, seed=2)])
    assert_manifold(manifold(x.flip(0), x), (1, 1, 6 / 5, 1))


def test_features_whose_squares_overflow_are_refused():
    for sides in ((draw(9) * 1e160, draw(9)), (draw(9), draw(9) * 1e160)):
        with pytest.raises(ValueError, match="motions are too large"):
            manifold(*sides)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "m", "d", "k"), [(300, 200, 16, 5), (150, 400, 64, 3)])
def test_ordinary_features_get_the_values_of_prdc(n, m, d, k, dtype):
    # prdc 0.2 by its formulas; it leaves the surface of a ball out, which matters to ties only.
    fake, real = draw(n, d, shift=0.2).to(dtype), draw(m, d, seed=1).to(dtype)
    between, within_fake, within_real = (
        torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")
        for x, y in ((real, fake), (fake, fake), (real, real))
    )
    in_real = between < within_real.kthvalue(k + 1, dim=1).values[:, None]
    in_fake = between < within_fake.kthvalue(k + 1, dim=1).values
    expected = (
        in_real.any(dim=0).double().mean(),
        in_fake.any(dim=1).double().mean(),
        in_real.sum(dim=0).double().mean() / k,
        in_real.any(dim=1).double().mean(),
    )
    assert_manifold(manifold(fake, real, neighbours=k), expected)


def test_noise_lowers_precision_and_missing_parts_lower_recall_and_coverage():
    real, fake = draw(400), draw(400, seed=1)
    noisy = [manifold(fake * (1 + noise), real) for noise in (0, 0.5, 2)]
    assert noisy[0].precision > noisy[1].precision > noisy[2].precision
    assert noisy[0].density > noisy[1].density > noisy[2].density
    half = manifold(fake[fake[:, 0] > 0], real)
    assert half.recall < noisy[0].recall - 0.1
    assert half.coverage < noisy[0].coverage - 0.1


def test_sets_of_one_distribution_have_the_expected_density_and_coverage():
    n, m, k = 60, 90, 3
    result = [manifold(draw(n, 2, seed=i), draw(m, 2, seed=1000 + i), neighbours=k) for i in range(100)]
    density, coverage = (torch.stack([getattr(x, name) for x in result]) for name in ("density", "coverage"))
    expected = 1 - math.prod((m - i) / (n + m - i) for i in range(1, k + 1))
    assert density.mean().item() == pytest.approx(1, abs=4 * density.std().item() / 10)
    assert coverage.mean().item() == pytest.approx(expected, abs=4 * coverage.std().item() / 10)


def test_the_result_does_not_depend_on_order_and_every_motion_counts():
    fake, real = draw(50, shift=0.4), draw(80, seed=1)
    result = manifold(fake, real)
    assert_manifold(manifold(fake.flip(0), real.roll(31, 0)), result)
    extended = manifold(torch.cat([fake, draw(30, seed=2, shift=100)]), real)
    assert extended.precision.item() == pytest.approx(result.precision.item() * 50 / 80)


def test_the_result_does_not_depend_on_place_scale_and_axes():
    fake, real = draw(50, shift=0.4), draw(80, seed=1)
    axes = torch.linalg.qr(draw(5, seed=2)).Q
    assert_manifold(manifold(3 * fake @ axes + 10, 3 * real @ axes + 10), manifold(fake, real))


def test_swapping_the_sides_swaps_precision_and_recall():
    fake, real = draw(50, shift=0.4), draw(80, seed=1)
    there, back = manifold(fake, real), manifold(real, fake)
    assert (there.precision, there.recall) == (back.recall, back.precision)


@pytest.mark.parametrize("block", [1, 60, 500])
def test_the_result_does_not_depend_on_blocks(monkeypatch, block):
    fake, real = draw(30, shift=0.4), draw(41, seed=1)
    whole = manifold(fake, real)
    monkeypatch.setattr(module, "BLOCK", block)
    assert_manifold(manifold(fake, real), whole)


def test_every_number_is_float64():
    assert {x.dtype for x in manifold(draw(9).float(), draw(9, seed=1).float())} == {torch.float64}


def test_wrong_input_is_refused():
    broken = draw(9)
    broken[4, 1] = float("nan")
    with pytest.raises(ValueError, match="fake motions: 1 of 9 rows hold NaN or infinity: rows 4"):
        manifold(broken, draw(9))
    with pytest.raises(ValueError, match=r"\(N, 5\), got shape \(9, 4\)"):
        manifold(draw(9), draw(9, 4))
    with pytest.raises(ValueError, match="at least 6 motions on each side, got 5 fake and 9 real"):
        manifold(draw(5), draw(9))
    with pytest.raises(ValueError, match="neighbours must be at least 1"):
        manifold(draw(9), draw(9), neighbours=0)
