"""The Frechet distance against closed forms, scipy and the contracts of torchmetrics."""

from __future__ import annotations

import doctest
import pickle

import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from kinetic.metrics.frechet import (
    FrechetDistance,
    _by_content,
    flatten,
    frechet_distance,
    frechet_from_features,
    frechet_infinity,
    frechet_per_class,
    scarce_classes,
)


def draw(n, d, seed=0):
    """Correlated features: (n, d)."""
    rng = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=rng, dtype=torch.float64)
    return torch.randn(n, d, generator=rng, dtype=torch.float64) @ mix + seed


def plain(n, d, seed):
    """Independent features of variance 1."""
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


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
    variance = double([[1.0]])
    assert frechet_distance(double([0.0]), variance, double([3.0]), 4 * variance) == 9 + 1


def test_orthogonal_singular_covariances_are_two_apart():
    zero = double([0.0, 0.0])
    assert frechet_distance(zero, double([[1.0, 0], [0, 0]]), zero, double([[0.0, 0], [0, 1]])) == 2


def test_moved_and_scaled_cloud_has_the_closed_form():
    x = cross(64)
    torch.testing.assert_close(x.T.cov(), torch.eye(64, dtype=torch.float64))
    assert_every_form_gives(x, 0.5 * x + 1, 64 * 1 + 64 * 0.25)


@pytest.mark.parametrize(("n", "d"), [(500, 8), (40, 8), (5, 30), (2, 3)])
def test_the_distance_of_a_set_from_itself_is_zero(n, d):
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


def test_agrees_with_torchmetrics():
    class Features(torch.nn.Module):
        num_features = 20

        def forward(self, x):
            return x

    other = FrechetInceptionDistance(Features())
    a, b = draw(300, 20), draw(200, 20, seed=1)
    other.update(a, real=True)
    other.update(b, real=False)
    assert_every_form_gives(a, b, float(other.compute()), rtol=1e-9)


def test_the_distance_grows_with_the_square_of_the_scale():
    a, b = draw(300, 20), draw(200, 20, seed=1)
    assert_every_form_gives(3 * a, 3 * b, 9 * float(frechet_from_features(a, b)))


def test_rotation_does_not_change_the_distance():
    a, b = draw(300, 20), draw(200, 20, seed=1)
    axes = torch.linalg.qr(draw(20, 20, seed=2)).Q
    assert_every_form_gives(a @ axes, b @ axes, float(frechet_from_features(a, b)))


@pytest.mark.parametrize("dead", [(0,), (1,), (0, 1)])
def test_a_feature_that_never_changes_costs_no_digits(dead):
    sides = [draw(300, 20), draw(200, 20, seed=1)]
    for side in dead:
        sides[side][:, 3] = 1.5
    assert_every_form_gives(*sides, float(frechet_from_features(*sides)))


@pytest.mark.parametrize("seed", range(6))
def test_one_direction_without_variance_costs_no_digits(seed):
    # As many motions as features: the product has one eigenvalue that is rounding, and its root is not small.
    a, b = plain(300, 40, seed), plain(40, 40, seed + 100)
    expected = frechet_from_features(a, b)
    for x, y in ((a, b), (b, a)):
        torch.testing.assert_close(frechet_distance(*moments(x), *moments(y)), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("power", [1, 2, 3])
def test_variances_of_many_magnitudes_cost_few_digits(power):
    # Axes that are rotated hide from the factorisation which directions are small.
    scale = torch.arange(1, 41, dtype=torch.float64) ** -power
    axes = torch.linalg.qr(draw(40, 40, seed=2)).Q
    a, b = (plain(200, 40, seed) * scale @ axes for seed in range(2))
    expected = frechet_from_features(a, b)
    torch.testing.assert_close(frechet_distance(*moments(a), *moments(b)), expected, rtol=0, atol=1e-9)
    assert frechet_distance(*moments(a), *moments(a)) <= 1e-9


def test_fewer_motions_than_features_agree_with_the_distance_in_their_subspace():
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


def test_features_far_from_zero_lose_no_digits():
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
def test_the_distance_does_not_depend_on_batches(cut):
    a, b = draw(64, 5), draw(50, 5, seed=1)
    torch.testing.assert_close(measured(a, b, cut=cut), frechet_from_features(a, b), rtol=1e-10, atol=0)


def test_each_class_has_the_closed_form():
    # Class 4 of the fakes is moved by 2 in 3 features, class 1 is halved.
    x = cross(3)
    fake, real = torch.cat([x + 2, x / 2]), torch.cat([x, x])
    label = torch.tensor([4] * len(x) + [1] * len(x))
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    distances = frechet_per_class(fake, label, real[order], label[order])
    assert distances.label.tolist() == [1, 4]
    torch.testing.assert_close(distances.value, double([3 / 4, 12]))
    torch.testing.assert_close(distances.mean, double(12.75 / 2))
    assert distances.n_fake.tolist() == distances.n_real.tolist() == [6, 6]


def test_classes_with_fewer_motions_than_features_are_exact():
    x, label = draw(12, 40), torch.arange(12) % 3
    assert frechet_per_class(x, label, x, label).value.max() < 1e-10


def test_classes_can_be_compared_at_equal_counts():
    fake, real = draw(30, 4), draw(21, 4, seed=1)
    distances = frechet_per_class(fake, torch.arange(30) % 2, real, torch.arange(21) % 2, equal=True)
    assert distances.n_fake.tolist() == distances.n_real.tolist() == [11, 10]
    only = frechet_per_class(fake, torch.arange(30) % 2, real, torch.arange(21) % 2, classes=[1], cap=7)
    assert (only.n_fake.tolist(), only.n_real.tolist(), only.label.tolist()) == ([7], [7], [1])


def test_classes_with_fewer_motions_than_features_are_counted():
    label = torch.tensor([0] * 5 + [1] * 3 + [2] * 4)
    distances = frechet_per_class(draw(12, 4), label, draw(14, 4, seed=1), torch.cat([label, torch.tensor([1, 2])]))
    assert scarce_classes(distances, 3) is None
    assert scarce_classes(distances, 4) == (
        "1 of 3 classes have fewer motions (least 3) than the 4 features: mostly bias, compare at equal counts only"
    )
    assert scarce_classes(distances, 6).startswith("3 of 3 classes have fewer motions (least 3) than the 6 features")


def test_a_class_with_one_motion_is_named():
    with pytest.raises(ValueError, match="class 1 has 1 fake and 2 real"):
        frechet_per_class(draw(3, 2), torch.tensor([0, 0, 1]), draw(4, 2), torch.tensor([0, 0, 1, 1]))
    with pytest.raises(ValueError, match=r"real motions: expected one row of features per motion, \(N, 2\)"):
        frechet_per_class(draw(3, 2), torch.tensor([0, 0, 1]), draw(4, 3), torch.tensor([0, 0, 1, 1]))


def test_sets_of_one_distribution_have_the_documented_bias():
    for n, d in ((400, 16), (300, 40)):
        distances = torch.stack([frechet_from_features(plain(n, d, 2 * i), plain(n, d, 2 * i + 1)) for i in range(6)])
        assert distances.mean().item() == pytest.approx(d * (d + 5) / (2 * n), rel=0.1)


def test_two_points_give_the_line_through_halves_and_whole():
    fake, real = plain(40, 3, 0) + 1, plain(60, 3, 1)
    rng = torch.Generator().manual_seed(7)
    halves = [x[_by_content(x)][torch.randperm(len(x), generator=rng)].chunk(2) for x in (fake, real)]
    at_2 = (frechet_from_features(halves[0][0], halves[1][0]) + frechet_from_features(halves[0][1], halves[1][1])) / 2
    expected = 2 * frechet_from_features(fake, real) - at_2
    distance = frechet_infinity(fake, real, points=2, rng=torch.Generator().manual_seed(7))
    torch.testing.assert_close(distance, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 300, 16), (150, 600, 32), (140, 140, 64)])
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.2, 1.1)])
def test_extrapolation_removes_most_of_the_bias(n, m, d, shift, scale):
    true = d * shift**2 + d * (scale - 1) ** 2
    pairs = [(plain(n, d, 2 * i) * scale + shift, plain(m, d, 2 * i + 1)) for i in range(4)]
    finite = torch.stack([frechet_from_features(*pair) for pair in pairs])
    extrapolated = torch.stack([frechet_infinity(*pair, points=3) for pair in pairs])
    assert ((extrapolated - true).abs() < (finite - true).abs() / 2).all()
    assert (extrapolated.mean() - true).abs() < (finite.mean() - true).abs() / 5


def test_extrapolation_keeps_its_sign():
    distances = torch.stack([frechet_infinity(plain(80, 4, i), plain(80, 4, 100 + i), points=2) for i in range(20)])
    assert distances.min() < 0 < distances.max()


def test_extrapolation_is_reproducible_unless_a_generator_is_given():
    fake, real = plain(60, 4, 0), plain(60, 4, 1)
    assert frechet_infinity(fake, real) == frechet_infinity(fake, real)
    other = frechet_infinity(fake, real, rng=torch.Generator().manual_seed(1))
    assert other != frechet_infinity(fake, real)
    torch.testing.assert_close(frechet_infinity(fake + 1000, real + 1000), frechet_infinity(fake, real))
    assert frechet_infinity(fake.float(), real.float()).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0, 1e6])
def test_extrapolation_does_not_depend_on_the_order_of_motions(dtype, offset):
    fake, real = ((plain(n, 8, n) + offset).to(dtype) for n in (301, 200))
    fake[7] = fake[100] = fake[250]  # copies, whose order is undefined
    expected = frechet_infinity(fake, real)
    for seed in range(5):
        rng = torch.Generator().manual_seed(seed)
        shuffled_fake, shuffled_real = (x[torch.randperm(len(x), generator=rng)] for x in (fake, real))
        torch.testing.assert_close(frechet_infinity(shuffled_fake, shuffled_real), expected, rtol=1e-9, atol=1e-9)


def test_extrapolation_from_few_motions_is_refused():
    with pytest.raises(ValueError, match="at least 18 motions on each side for 8 features and 5 points, got 18 fake"):
        frechet_infinity(plain(18, 8, 0), plain(17, 8, 1))
    assert torch.isfinite(frechet_infinity(plain(18, 8, 0), plain(18, 8, 1)))
    with pytest.raises(ValueError, match="at least 2 points"):
        frechet_infinity(plain(18, 8, 0), plain(18, 8, 1), points=1)
    with pytest.raises(ValueError, match=r"\(N, 8\)"):
        frechet_infinity(plain(18, 8, 0), plain(18, 7, 1))


def test_two_halves_merged_are_the_whole():
    a, b = draw(64, 5), draw(50, 5, seed=1) + 1000
    first, second = FrechetDistance(flatten, 5), FrechetDistance(flatten, 5)
    for metric, rows in ((first, slice(0, 20)), (second, slice(20, None))):
        metric.update(motions(a[rows]), real=True)
        metric.update(motions(b[rows]), real=False)
    first.merge_state(second)
    assert first.counts == (64, 50)
    torch.testing.assert_close(first.compute(), frechet_from_features(a, b), rtol=1e-10, atol=0)


def test_a_process_without_motions_changes_nothing():
    a, b = draw(64, 5) + 1000, draw(50, 5, seed=1) + 1000
    metric = FrechetDistance(flatten, 5)
    metric.update(motions(a), real=True)
    metric.update(motions(b), real=False)
    before = metric.compute()
    metric.merge_state(FrechetDistance(flatten, 5))
    assert metric.counts == (64, 50)
    torch.testing.assert_close(metric.compute(), before, rtol=1e-12, atol=0)


def test_pickle_keeps_the_motions():
    metric = FrechetDistance(flatten, 3)
    metric.update(motions(draw(10, 3)), real=True)
    again = pickle.loads(pickle.dumps(metric))
    again.update(motions(draw(10, 3, seed=1)), real=False)
    assert again.counts == (10, 10)
    assert torch.isfinite(again.compute())


def test_reset_removes_real_motions_only_on_request():
    for forgets in (True, False):
        metric = FrechetDistance(flatten, 3, reset_real_features=forgets)
        metric.update(motions(draw(10, 3)), real=True)
        metric.update(motions(draw(10, 3)), real=False)
        metric.reset()
        assert metric.counts == ((0, 0) if forgets else (10, 0))


def test_conversion_does_not_change_the_sums():
    metric = FrechetDistance(flatten, 3).half().float()
    assert metric.real.dtype == torch.float64
    assert torch.nn.ModuleList([metric]).to(torch.bfloat16)[0].real.dtype == torch.float64
    assert metric.set_dtype(torch.float32).real.dtype == torch.float64


def test_a_merge_after_compute_changes_the_result():
    first, second = FrechetDistance(flatten, 3), FrechetDistance(flatten, 3)
    for metric, seed in ((first, 0), (second, 1)):
        metric.update(motions(draw(10, 3, seed=seed)), real=True)
        metric.update(motions(draw(10, 3, seed=seed + 5)), real=False)
    before = first.compute()
    first.merge_state(second)
    assert first.compute() != before


def test_the_network_moves_with_the_metric_and_gets_no_gradients():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 2))
    metric = FrechetDistance(network, 2)
    metric.update(torch.randn(4, 3, 2, 1), real=True)
    assert metric.features is network
    assert not metric.real.requires_grad


def test_the_network_runs_in_eval_mode():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.9))
    metric = FrechetDistance(network, 6)
    motion = torch.ones(4, 3, 2, 1)
    metric.update(motion, real=True)
    assert torch.equal(metric.real[1], torch.ones(6, dtype=torch.float64))
    assert network[1].training


def test_the_example_runs():
    results = doctest.DocTestRunner()
    for example in doctest.DocTestFinder(recurse=False).find(FrechetDistance):
        results.run(example)
    assert (results.tries, results.failures) == (9, 0)


@pytest.mark.parametrize(
    ("features", "width", "shape"),
    [
        (lambda motion: motion, 3, r"expected \(N, 3\), got \(4, 3, 2, 1\)"),
        (flatten, 3, r"expected \(N, 3\), got \(4, 6\)"),
    ],
)
def test_motions_in_the_place_of_features_are_explained(features, width, shape):
    metric = FrechetDistance(features, width)
    with pytest.raises(ValueError, match=rf"features of real motions: {shape}; features are rows .*Adapted"):
        metric.update(torch.ones(4, 3, 2, 1), real=True)
    assert metric.counts == (0, 0)


def test_features_are_called():
    with pytest.raises(TypeError, match="features must be called with motions, got Tensor; .*Adapted"):
        FrechetDistance(draw(4, 3), 3)


@pytest.mark.parametrize("counts", [(1, 5), (5, 1), (0, 5)])
def test_fewer_than_two_motions_are_refused(counts):
    a, b = (draw(n, 3) for n in counts)
    with pytest.raises(ValueError, match="at least 2 motions"):
        measured(a, b)
    with pytest.raises(ValueError, match="at least 2 motions"):
        frechet_from_features(a, b)


def test_nan_is_refused_with_its_rows_and_does_not_change_the_sums():
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


def test_nan_from_the_network_is_refused():
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("which", ["cov1", "cov2"])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_a_matrix_that_is_not_symmetric_is_refused_and_rounding_is_not(dtype, which, scale):
    (mean1, cov1), (mean2, cov2) = moments(draw(50, 6)), moments(draw(60, 6, seed=1))
    given = {"mean1": mean1, "cov1": cov1 * scale, "mean2": mean2, "cov2": cov2 * scale}
    given = {name: value.to(dtype) for name, value in given.items()}
    expected = frechet_distance(**given)
    skew = torch.zeros(6, 6, dtype=dtype)
    skew[1, 4] = given[which].norm()
    rounded = given | {which: given[which] + 1e-7 * skew}
    torch.testing.assert_close(frechet_distance(**rounded), expected, rtol=1e-5, atol=0)
    for wrong in (skew, 1e-4 * skew):
        with pytest.raises(ValueError, match=f"{which} is no covariance: it is not symmetric"):
            frechet_distance(**given | {which: given[which] + wrong})


def test_a_call_with_one_batch_is_refused_and_changes_no_state():
    metric = FrechetDistance(flatten, 3)
    metric.update(motions(draw(10, 3)), real=True)
    before = {name: value.clone() for name, value in metric.metric_state.items()}
    with pytest.raises(TypeError, match=r"call update\(motion, real=True\).* and then compute"):
        metric(motions(draw(10, 3, seed=1)), real=True)
    assert all(torch.equal(value, before[name]) for name, value in metric.metric_state.items())
    assert metric.update_count == 1
    metric.update(motions(draw(10, 3, seed=1)), real=False)
    assert metric.counts == (10, 10) and torch.isfinite(metric.compute())
