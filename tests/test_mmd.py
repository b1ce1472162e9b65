"""Maximum mean discrepancy against literal loops, closed forms and the contracts of torchmetrics."""

from __future__ import annotations

import math
import pickle

import pytest
import torch

from kinetic.metrics import mmd as module
from kinetic.metrics.mmd import (
    BANDWIDTHS,
    ESTIMATORS,
    MaximumMeanDiscrepancy,
    by_frame,
    by_sequence,
    mmd,
    mmd_per_class,
    paired_statistic,
)


def draw(n, seed=0, *, c=3, t=4, v=2, scale=0.3, shift=0.0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, c, t, v, generator=rng) * scale + shift


def literal(x, y, bandwidth):
    """The paired U-statistic as it is written, for two lists of vectors."""

    def kernel(a, b):
        return math.exp(-sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) / bandwidth)

    m, total = len(x), 0.0
    for i in range(m):
        for j in range(m):
            if i != j:
                total += kernel(x[i], x[j]) + kernel(y[i], y[j]) - 2 * kernel(x[i], y[j])
    return total / (m * (m - 1))


def literal_mmd(fake, real, mode):
    scores = []
    for bandwidth in BANDWIDTHS:
        if mode == "sequence":
            frames = [(fake.flatten(1).tolist(), real.flatten(1).tolist())]
        else:
            frames = [
                (fake[:, :, t].flatten(1).tolist(), real[:, :, t].flatten(1).tolist()) for t in range(fake.shape[2])
            ]
        scores.append(sum(math.sqrt(max(0, literal(x, y, bandwidth))) for x, y in frames) / len(frames))
    return max(scores)


def test_bandwidths_are_fourteen_decades():
    assert pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]) == BANDWIDTHS


def test_views_keep_coordinates_of_one_sample_together():
    motion = draw(2)
    assert by_frame(motion).shape == (4, 2, 6)
    assert set(by_frame(motion)[1, 0].tolist()) == set(motion[0, :, 1].flatten().tolist())
    assert by_sequence(motion).shape == (1, 2, 24)


@pytest.mark.parametrize("mode", ["frame", "sequence"])
@pytest.mark.parametrize(("m", "shift"), [(2, 0.5), (5, 0.0), (7, 0.1)])
def test_agrees_with_the_literal_loops(mode, m, shift):
    fake, real = draw(m), draw(m, seed=1, shift=shift)
    expected = literal_mmd(fake.double(), real.double(), mode)
    assert mmd(fake, real, mode=mode).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("block", [1, 7, 40, 2**20])
def test_blocks_do_not_matter(monkeypatch, block):
    x, y = draw(9, t=5), draw(9, seed=1, t=5)
    whole = paired_statistic(by_frame(x), by_frame(y))
    monkeypatch.setattr(module, "BLOCK", block)
    torch.testing.assert_close(paired_statistic(by_frame(x), by_frame(y)), whole, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("bandwidth", [0.1, 1.0, 10.0])
def test_two_point_masses_have_the_closed_form(bandwidth):
    x = torch.zeros(1, 3, 2)
    y = torch.tensor([0.6, 0.8]).expand(1, 3, 2)
    expected = 2 - 2 * math.exp(-1 / bandwidth)
    assert paired_statistic(x, y, [bandwidth]).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("deviation", "delta", "bandwidth", "expected"), [(1.0, 1.0, 2.0, 0.059089), (2.0, 0.0, 5.0, None)]
)
def test_gaussians_have_the_closed_form(deviation, delta, bandwidth, expected):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3000, 3, generator=rng)
    y = torch.randn(1, 3000, 3, generator=rng) * deviation
    y[..., 0] += delta

    def mean_kernel(variances, square):
        return (bandwidth / (bandwidth + 2 * variances)) ** 1.5 * math.exp(-square / (bandwidth + 2 * variances))

    closed = mean_kernel(2, 0) + mean_kernel(2 * deviation**2, 0) - 2 * mean_kernel(1 + deviation**2, delta**2)
    assert expected is None or closed == pytest.approx(expected, abs=1e-6)
    assert paired_statistic(x, y, [bandwidth]).item() == pytest.approx(closed, rel=0.06)


def test_alike_sets_give_a_signed_statistic_and_a_score_of_zero_not_nan():
    # Two points on either side, swapped: the cross term is 1 and the others less, so U < 0 at every bandwidth.
    x = torch.tensor([[0.0], [1.0]])[:, :, None, None]
    y = x.flip(0)
    statistic = paired_statistic(by_frame(x), by_frame(y))
    assert (statistic <= 0).all()
    assert statistic.min() < -0.5
    assert mmd(x, y) == 0
    assert mmd(x, y, mode="sequence") == 0


def test_a_negative_frame_counts_as_zero_in_the_mean():
    # Frame 0 as above; in frame 1 two point masses far apart, root sqrt(2). No bandwidth is lost to the first frame.
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])[:, None, :, None]
    y = torch.tensor([[1.0, 9.0], [0.0, 9.0]])[:, None, :, None]
    assert mmd(x, y).item() == pytest.approx(math.sqrt(2) / 2, rel=1e-9)


def test_a_set_is_no_distance_from_itself():
    x = draw(20)
    assert mmd(x, x) < 1e-7
    assert mmd(x, x, mode="sequence") < 1e-7


def test_position_in_space_does_not_matter():
    x, y = draw(10).double(), draw(10, seed=1, shift=0.1).double()
    torch.testing.assert_close(mmd(x + 100, y + 100), mmd(x, y), rtol=1e-9, atol=0)


def test_a_duplicate_far_away_stays_a_duplicate():
    # In float32 a squared distance of equal points may come out below 0 and its kernel as infinity.
    x = draw(2).expand(2, 3, 4, 2)[:1].repeat(4, 1, 1, 1) + 50
    statistic = paired_statistic(by_sequence(x), by_sequence(x + 1))
    assert torch.isfinite(statistic).all()
    assert statistic.max() <= 2


def test_score_grows_with_the_shift_and_falls_at_the_null():
    real = draw(100, seed=1)
    scores = [mmd(draw(100, shift=shift), real).item() for shift in (0.0, 0.1, 0.3)]
    assert scores[0] < 0.1 < scores[1] < 0.4 < scores[2]


def test_the_collapse_to_one_real_motion_is_seen():
    real = draw(50)
    assert mmd(real[:1].expand_as(real), real) > 0.5


def test_unequal_counts_and_single_motions_are_refused():
    with pytest.raises(ValueError, match="as many fake as real, got 3, 4"):
        mmd(draw(3), draw(4))
    with pytest.raises(ValueError, match="at least 2"):
        mmd(draw(1), draw(1))


def test_wrong_input_is_refused():
    broken = draw(4)
    broken[2, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="real motions: 1 of 4 rows hold NaN or infinity: rows 2"):
        mmd(draw(4), broken)
    with pytest.raises(ValueError, match="four axes"):
        mmd(draw(4)[0], draw(4))
    with pytest.raises(ValueError, match="agree in"):
        mmd(draw(4, t=3), draw(4))
    with pytest.raises(ValueError, match="unknown mode 'avg'; expected one of: frame, sequence"):
        mmd(draw(4), draw(4), mode="avg")
    with pytest.raises(ValueError, match="unknown estimator 'x'; expected one of: sagcn"):
        mmd(draw(4), draw(4), estimator="x")


def test_another_estimator_is_one_entry_in_a_dictionary(monkeypatch):
    monkeypatch.setitem(ESTIMATORS, "gap", lambda fake, real, view: (view(fake).mean() - view(real).mean()).double())
    assert mmd(draw(3) + 1, draw(3), estimator="gap").item() == pytest.approx(1, rel=1e-6)


def test_classes_are_scored_apart_and_averaged():
    label = torch.tensor([3, 0] * 6)
    fake, real = draw(12, shift=0.2), draw(12, seed=1)
    found = mmd_per_class(fake, label, real, label)
    assert found.label.tolist() == [0, 3]
    assert found.count.tolist() == [6, 6]
    assert found.value[1] == mmd(fake[label == 3], real[label == 3])
    assert found.mean == found.value.mean()
    only = mmd_per_class(fake, label, real, label, classes=[3])
    assert only.mean == found.value[1]


def test_counts_are_equal_and_capped_and_the_part_is_the_same_every_time():
    fake, real = draw(30), draw(9, seed=1)
    fake_label, real_label = torch.arange(30) % 2, torch.arange(9) % 2
    found = mmd_per_class(fake, fake_label, real, real_label)
    assert found.count.tolist() == [5, 4]
    assert mmd_per_class(fake, fake_label, real, real_label, cap=3).count.tolist() == [3, 3]
    assert torch.equal(mmd_per_class(fake, fake_label, real, real_label).value, found.value)
    other = mmd_per_class(fake, fake_label, real, real_label, rng=torch.Generator().manual_seed(1))
    assert not torch.equal(other.value, found.value)


def test_a_class_without_motions_is_named_not_skipped():
    with pytest.raises(ValueError, match="class 1 has 0 fake and 3 real"):
        mmd_per_class(draw(3), torch.tensor([0, 0, 0]), draw(6), torch.tensor([0, 0, 0, 1, 1, 1]))
    with pytest.raises(ValueError, match="whole numbers"):
        mmd_per_class(draw(3), torch.zeros(3), draw(3), torch.zeros(3))


@pytest.mark.parametrize("mode", ["frame", "sequence"])
def test_metric_gathers_batches_and_halves_to_the_whole(mode):
    fake, real, label = draw(12, shift=0.1), draw(12, seed=1), torch.arange(12) % 3
    metrics = [MaximumMeanDiscrepancy(mode=mode) for _ in range(2)]
    for metric, some in zip(metrics, (slice(0, 5), slice(5, 12)), strict=True):
        metric.update(real[some], label[some], real=True)
        metric.update(fake[some], label[some], real=False)
    metrics[1].merge_state(metrics[0])
    metrics[0].reset()
    expected = mmd_per_class(fake, label, real, label, mode=mode)
    torch.testing.assert_close(metrics[1].compute(), expected.mean, rtol=1e-10, atol=0)
    torch.testing.assert_close(metrics[1].per_class().value, expected.value, rtol=1e-10, atol=0)


def test_metric_survives_pickle_and_forgets_on_reset():
    metric = MaximumMeanDiscrepancy()
    metric.update(draw(6), torch.zeros(6, dtype=torch.long), real=True)
    metric.update(draw(6, seed=1), torch.zeros(6, dtype=torch.long), real=False)
    assert pickle.loads(pickle.dumps(metric)).compute() == metric.compute()
    assert metric.compute().dtype == torch.float64
    metric.reset()
    with pytest.raises(ValueError, match="got no real ones"):
        metric.compute()


def test_metric_refuses_unknown_names_and_nan_at_once():
    with pytest.raises(ValueError, match="unknown estimator"):
        MaximumMeanDiscrepancy(estimator="x")
    metric = MaximumMeanDiscrepancy()
    with pytest.raises(ValueError, match="fake motions: 1 of 2 rows"):
        metric.update(torch.tensor([1.0, float("nan")])[:, None, None, None], torch.tensor([0, 0]), real=False)
    assert not metric.fake
