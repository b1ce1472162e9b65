"""The Frechet distance against closed forms, scipy and the contracts of torchmetrics."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.linalg
import torch

from kinetic.metrics.frechet import FrechetDistance, flatten, frechet_distance, frechet_from_features


def draw(n, d, seed=0):
    """Correlated features: (n, d)."""
    rng = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=rng, dtype=torch.float64)
    return torch.randn(n, d, generator=rng, dtype=torch.float64) @ mix + seed


def moments(x):
    return x.mean(dim=0), x.T.cov()


def cross(d):
    """Points whose covariance is the identity: (2 d, d)."""
    points = torch.eye(d, dtype=torch.float64) * ((2 * d - 1) / 2) ** 0.5
    return torch.cat([points, -points])


def motions(features):
    """Motions whose coordinates are these features: (N, D, 1, 1)."""
    return features[:, :, None, None]


def measured(real, fake, *, cut=10**9):
    metric = FrechetDistance(flatten, real.shape[1])
    for part in real.split(cut):
        metric.update(motions(part), real=True)
    for part in fake.split(cut):
        metric.update(motions(part), real=False)
    return metric.compute()


def double(value):
    return torch.tensor(value, dtype=torch.float64)


def assert_every_form_gives(a, b, expected, rtol=1e-10):
    expected = double(expected)
    torch.testing.assert_close(frechet_distance(*moments(a), *moments(b)), expected, rtol=rtol, atol=1e-7)
    torch.testing.assert_close(frechet_from_features(a, b), expected, rtol=rtol, atol=1e-10)
    torch.testing.assert_close(measured(a, b), expected, rtol=rtol, atol=1e-7)


def test_two_numbers_differ_by_mean_and_deviation():
    one = double([[1.0]])
    assert frechet_distance(double([0.0]), one, double([3.0]), 4 * one) == 9 + 1


def test_orthogonal_singular_covariances_are_two_apart():
    zero = double([0.0, 0.0])
    assert frechet_distance(zero, double([[1.0, 0], [0, 0]]), zero, double([[0.0, 0], [0, 1]])) == 2


def test_moved_and_scaled_cloud_has_the_closed_form():
    x = cross(64)
    torch.testing.assert_close(x.T.cov(), torch.eye(64, dtype=torch.float64))
    assert_every_form_gives(x, 0.5 * x + 1, 64 * 1 + 64 * 0.25)


@pytest.mark.parametrize(("n", "d"), [(500, 8), (40, 8), (5, 30), (2, 3)])
def test_a_set_is_no_distance_from_itself(n, d):
    x = draw(n, d)
    assert 0 <= frechet_from_features(x, x) <= 5e-12
    assert 0 <= frechet_distance(*moments(x), *moments(x)) <= 1e-7
    assert 0 <= measured(x, x.flip(0)) <= 1e-7


def test_agrees_with_scipy():
    a, b = draw(300, 20), draw(200, 20, seed=1)
    (mean1, cov1), (mean2, cov2) = moments(a), moments(b)
    root = scipy.linalg.sqrtm((cov1 @ cov2).numpy())
    expected = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * np.trace(root).real
    assert_every_form_gives(a, b, float(expected), rtol=1e-11)


def test_fewer_motions_than_features_agree_with_their_own_subspace():
    # Both sets lie in one subspace of 6 of 40 dimensions; a rotation into it changes no distance.
    inside_a, inside_b = draw(50, 6), draw(60, 6, seed=1)
    axes = torch.linalg.qr(draw(40, 6, seed=2)).Q
    expected = float(frechet_distance(*moments(inside_a), *moments(inside_b)))
    assert_every_form_gives(inside_a @ axes.T, inside_b @ axes.T, expected, rtol=1e-9)


def test_fewer_motions_than_features_agree_between_forms():
    a, b = draw(10, 40), draw(12, 40, seed=1)
    assert_every_form_gives(a, b, float(frechet_from_features(a, b)), rtol=1e-8)


def test_symmetric_in_its_arguments():
    a, b = draw(100, 6), draw(80, 6, seed=1)
    torch.testing.assert_close(frechet_from_features(a, b), frechet_from_features(b, a))
    torch.testing.assert_close(measured(a, b), measured(b, a))


def test_features_far_from_zero_do_not_matter():
    a, b = draw(100, 6), draw(80, 6, seed=1)
    near = measured(a, b, cut=7)
    torch.testing.assert_close(measured(a + 1000, b + 1000, cut=7), near, rtol=1e-10, atol=0)
    torch.testing.assert_close(measured(a + 1e6, b + 1e6, cut=7), near, rtol=1e-7, atol=0)


def test_float32_motions_are_summed_in_float64():
    a, b = draw(100, 6).float(), draw(80, 6, seed=1).float()
    assert measured(a, b, cut=9).dtype == torch.float64
    torch.testing.assert_close(measured(a, b, cut=9), frechet_from_features(a.double(), b.double()), rtol=1e-11, atol=0)
    assert measured(a, a, cut=9) < 1e-10


@pytest.mark.parametrize("cut", [1, 3, 64])
def test_batches_do_not_matter(cut):
    a, b = draw(64, 5), draw(50, 5, seed=1)
    torch.testing.assert_close(measured(a, b, cut=cut), frechet_from_features(a, b), rtol=1e-10, atol=0)


def test_two_halves_merged_are_the_whole():
    a, b = draw(64, 5), draw(50, 5, seed=1) + 1000
    one, two = FrechetDistance(flatten, 5), FrechetDistance(flatten, 5)
    for metric, some in ((one, slice(0, 20)), (two, slice(20, None))):
        metric.update(motions(a[some]), real=True)
        metric.update(motions(b[some]), real=False)
    one.merge_state(two)
    assert one.counts == (64, 50)
    torch.testing.assert_close(one.compute(), frechet_from_features(a, b), rtol=1e-10, atol=0)


def test_a_process_without_motions_changes_nothing():
    a, b = draw(64, 5) + 1000, draw(50, 5, seed=1) + 1000
    metric = FrechetDistance(flatten, 5)
    metric.update(motions(a), real=True)
    metric.update(motions(b), real=False)
    before = metric.compute()
    metric.merge_state(FrechetDistance(flatten, 5))
    torch.testing.assert_close(metric.compute(), before, rtol=1e-12, atol=0)


def test_pickle_keeps_the_motions():
    metric = FrechetDistance(flatten, 3)
    metric.update(motions(draw(10, 3)), real=True)
    again = pickle.loads(pickle.dumps(metric))
    again.update(motions(draw(10, 3, seed=1)), real=False)
    assert again.counts == (10, 10)
    assert torch.isfinite(again.compute())


def test_reset_forgets_real_motions_only_when_asked():
    for forgets in (True, False):
        metric = FrechetDistance(flatten, 3, reset_real_features=forgets)
        metric.update(motions(draw(10, 3)), real=True)
        metric.update(motions(draw(10, 3)), real=False)
        metric.reset()
        assert metric.counts == ((0, 0) if forgets else (10, 0))


def test_half_and_float_leave_the_sums_alone():
    metric = FrechetDistance(flatten, 3).half().float()
    assert metric.real.dtype == torch.float64


def test_network_moves_with_the_metric_and_learns_nothing():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 2))
    metric = FrechetDistance(network, 2)
    metric.update(torch.randn(4, 3, 2, 1), real=True)
    assert metric.features is network
    assert not metric.real.requires_grad


@pytest.mark.parametrize("counts", [(1, 5), (5, 1), (0, 5)])
def test_fewer_than_two_motions_are_refused(counts):
    a, b = (draw(n, 3) for n in counts)
    with pytest.raises(ValueError, match="at least 2 motions"):
        measured(a, b)
    with pytest.raises(ValueError, match="at least 2 motions"):
        frechet_from_features(a, b)


def test_nan_is_refused_with_its_rows_and_leaves_the_sums_alone():
    x = draw(6, 3)
    x[1, 0], x[4, 2] = float("nan"), float("inf")
    metric = FrechetDistance(flatten, 3)
    with pytest.raises(ValueError, match="real motions: 2 of 6 rows hold NaN or infinity: rows 1, 4"):
        metric.update(motions(x), real=True)
    assert metric.counts == (0, 0)
    with pytest.raises(ValueError, match="rows 1, 4"):
        frechet_from_features(draw(6, 3), x)
    with pytest.raises(ValueError, match="cov1"):
        frechet_distance(x[0], x[:3], x[0], x[:3])


def test_nan_made_by_the_network_is_refused():
    metric = FrechetDistance(lambda motion: motion.flatten(1).log(), 3)
    with pytest.raises(ValueError, match="features of fake motions: 1 of 2 rows"):
        metric.update(motions(torch.tensor([[1.0, 1, 1], [1, -1, 1]])), real=False)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(N, 4\)"):
        FrechetDistance(flatten, 4).update(motions(draw(5, 3)), real=True)
    with pytest.raises(ValueError, match=r"cov2 must have shape \(3, 3\)"):
        frechet_distance(torch.zeros(3), torch.eye(3), torch.zeros(3), torch.eye(4))
    with pytest.raises(ValueError, match="no covariance"):
        frechet_distance(torch.zeros(2), -torch.eye(2), torch.zeros(2), torch.eye(2))
