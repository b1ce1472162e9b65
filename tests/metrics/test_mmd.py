"""Maximum mean discrepancy against plain loops and closed forms; properties and faults of each estimator."""

from __future__ import annotations

import itertools
import math
import pickle
import warnings
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks import mmd as benchmark
from kinetic.metrics import mmd as module
from kinetic.metrics.classes import PerClass
from kinetic.metrics.mmd import (
    BANDWIDTHS,
    ESTIMATORS,
    PAIRED,
    PublishedFault,
    by_frame,
    by_sequence,
    median_bandwidths,
    mmd,
    mmd_per_class,
    paired_statistic,
    permutation_test,
    typical_bandwidth,
    unbiased_statistic,
)

quiet = pytest.mark.filterwarnings("ignore::kinetic.metrics.mmd.PublishedFault")


def draw(n, seed=0, *, c=3, t=4, v=2, scale=0.3, shift=0.0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, c, t, v, generator=rng) * scale + shift


def kernel(a, b, bandwidth):
    return math.exp(-sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) / bandwidth)


def literal_paired(x, y, bandwidth):
    """The paired U-statistic in plain loops, for two lists of vectors."""
    m, total = len(x), 0.0
    for i in range(m):
        for j in range(m):
            if i != j:
                total += (
                    kernel(x[i], x[j], bandwidth) + kernel(y[i], y[j], bandwidth) - 2 * kernel(x[i], y[j], bandwidth)
                )
    return total / (m * (m - 1))


def literal_biased(x, y, bandwidth):
    m = len(x)
    return (
        sum(
            kernel(x[i], x[j], bandwidth) + kernel(y[i], y[j], bandwidth) - 2 * kernel(x[i], y[j], bandwidth)
            for i in range(m)
            for j in range(m)
        )
        / m**2
    )


def literal_unbiased(x, y, bandwidth):
    def within(z):
        pairs = [(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j]
        return sum(kernel(a, b, bandwidth) for a, b in pairs) / len(pairs)

    between = sum(kernel(a, b, bandwidth) for a in x for b in y) / (len(x) * len(y))
    return within(x) + within(y) - 2 * between


def literal_median(x, y):
    squares = sorted(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) for a, b in itertools.combinations(x + y, 2))
    return squares[(len(squares) - 1) // 2]


def samples(motion, mode):
    """Lists of vectors, one list per frame, or one of whole motions."""
    if mode == "sequence":
        return [motion.double().flatten(1).tolist()]
    return [motion[:, :, t].double().flatten(1).tolist() for t in range(motion.shape[2])]


def literal_clamped(fake, real, mode):
    pairs = list(zip(samples(fake, mode), samples(real, mode), strict=True))
    return max(sum(math.sqrt(max(0, literal_paired(x, y, b))) for x, y in pairs) / len(pairs) for b in BANDWIDTHS)


def literal_sagcn(fake, real, mode):
    """SA-GCN's class for one action, by its formulas in numpy, as it runs there; and how many bandwidths became NaN."""

    def rbf(x, y, bandwidth):
        return np.exp(-np.sum((x[:, None] - y) ** 2, axis=-1) / bandwidth)

    def rkhs(x, y, bandwidth):
        h = rbf(x, x, bandwidth) + rbf(y, y, bandwidth) - 2 * rbf(x, y, bandwidth)
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.sum(h - np.diag(np.diag(h))) / (len(x) * (len(x) - 1)))

    fake, real = (motion.double().permute(0, 2, 3, 1).flatten(2).numpy() for motion in (fake, real))  # (N, T, V C)
    if mode == "sequence":
        fake, real = (x.reshape(len(x), 1, -1) for x in (fake, real))
    best, lost = 0, 0
    for power in range(-4, 10):
        score = sum(rkhs(fake[:, t], real[:, t], 10.0**power) / fake.shape[1] for t in range(fake.shape[1]))
        lost += bool(np.isnan(score))
        if score > best:
            best = score
    return float(best), lost


def literal_published(fake, real, mode):
    """The first motion on either side, joints as samples, roots of negative numbers as NaN; and how many were lost."""
    joints_first = [motion[0].permute(2, 0, 1).unsqueeze(3) for motion in (fake, real)]  # (V, C, T, 1)
    best, lost = 0.0, 0
    for bandwidth in BANDWIDTHS:
        score = 0.0
        frames = list(zip(*(samples(motion, mode) for motion in joints_first), strict=True))
        for x, y in frames:
            statistic = literal_paired(x, y, bandwidth)
            score += (math.sqrt(statistic) if statistic >= 0 else math.nan) / len(frames)
        lost += math.isnan(score)
        if score > best:
            best = score
    return best, lost


def literal_mugl(fake, real, mode):
    pairs = list(zip(samples(fake, mode), samples(real, mode), strict=True))
    best, running = 0.0, []
    for bandwidth in BANDWIDTHS:
        best = max(best, sum(literal_biased(x, y, bandwidth) for x, y in pairs) / len(pairs))
        running.append(best)
    return sum(running) / len(running)


def test_bandwidths_are_fourteen_decades():
    assert pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]) == BANDWIDTHS


def test_views_keep_coordinates_of_one_sample_together():
    motion = draw(2)
    assert by_frame(motion).shape == (4, 2, 6)
    assert set(by_frame(motion)[1, 0].tolist()) == set(motion[0, :, 1].flatten().tolist())
    assert by_sequence(motion).shape == (1, 2, 24)


@pytest.mark.parametrize("mode", ["frame", "sequence"])
@pytest.mark.parametrize(("m", "shift"), [(2, 0.5), (5, 0.0), (7, 0.1)])
def test_paired_agrees_with_the_literal_loops(mode, m, shift):
    fake, real = draw(m), draw(m, seed=1, shift=shift)
    assert mmd(fake, real, mode=mode).item() == pytest.approx(literal_clamped(fake, real, mode), rel=1e-10)


@quiet
@pytest.mark.parametrize("mode", ["frame", "sequence"])
@pytest.mark.parametrize("shift", [0.0, 0.02, 0.1, 0.5])
@pytest.mark.parametrize("m", [2, 5, 30])
@pytest.mark.parametrize("scale", [0.01, 0.3, 30.0])
def test_sagcn_agrees_with_the_class_of_its_authors(mode, m, shift, scale):
    for seed in range(4):
        fake, real = draw(m, 2 * seed, scale=scale), draw(m, 2 * seed + 1, scale=scale, shift=shift * scale)
        expected, _ = literal_sagcn(fake, real, mode)
        assert mmd(fake, real, mode=mode, estimator="sagcn").item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("mode", ["frame", "sequence"])
def test_sagcn_and_paired_are_one_number_where_no_statistic_is_negative(mode):
    fake, real = draw(20), draw(20, seed=1, shift=0.4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs = mmd(fake, real, mode=mode, estimator="sagcn")
    assert theirs.item() == pytest.approx(mmd(fake, real, mode=mode).item(), rel=1e-10)


def test_sagcn_loses_a_bandwidth_to_one_frame_that_is_alike_and_paired_does_not():
    # Frame 0: two points on either side, swapped, U < 0 at bandwidths that see them apart, which are the lower ones.
    # Frame 1: point masses 0.3 apart, best seen at the lowest bandwidths.
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])[:, None, :, None]
    y = torch.tensor([[1.0, 0.3], [0.0, 0.3]])[:, None, :, None]
    assert mmd(x, y).item() == pytest.approx(math.sqrt(2) / 2, rel=1e-9)
    expected, lost = literal_sagcn(x, y, "frame")
    assert 0 < lost <= 14
    with pytest.warns(PublishedFault, match=f"the sagcn estimator took .* {lost} of 14 bandwidths") as caught:
        assert mmd(x, y, estimator="sagcn").item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert expected < 0.1 and "estimator='paired' loses none" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_sagcn_scores_0_where_every_bandwidth_is_lost_and_warns_once_for_all_classes():
    x = torch.tensor([[0.0], [1.0]])[:, :, None, None]
    fake, real, label = torch.cat([x, x]), torch.cat([x.flip(0), x + 3]), torch.tensor([0, 0, 1, 1])
    with pytest.warns(PublishedFault, match="in 1 of 2 classes; 1 lost all of them and scores 0") as caught:
        scores = mmd_per_class(fake, label, real, label, estimator="sagcn")
    assert len(caught) == 1 and caught[0].filename == __file__
    assert scores.value[0] == 0 and scores.value[1].item() == pytest.approx(mmd(x, x + 3).item(), rel=1e-9)
    assert scores.n_fake.tolist() == scores.n_real.tolist() == [2, 2]


@quiet
@pytest.mark.parametrize("mode", ["frame", "sequence"])
@pytest.mark.parametrize("shift", [0.0, 0.1, 1.0])
def test_published_agrees_with_the_literal_loops(mode, shift):
    fake, real = draw(3, v=6), draw(5, seed=1, v=6, shift=shift)
    expected, _ = literal_published(fake, real, mode)
    assert mmd(fake, real, mode=mode, estimator="published").item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("mode", ["frame", "sequence"])
@pytest.mark.parametrize(("m", "shift"), [(1, 0.5), (5, 0.0), (7, 0.5)])
def test_mugl_agrees_with_the_literal_loops(mode, m, shift):
    fake, real = draw(m), draw(m, seed=1, shift=shift)
    score = mmd(fake, real, mode=mode, estimator="mugl").item()
    assert score == pytest.approx(literal_mugl(fake, real, mode), rel=1e-10)


@pytest.mark.parametrize("mode", ["frame", "sequence"])
@pytest.mark.parametrize(("m", "n"), [(2, 2), (3, 6), (7, 5)])
def test_unbiased_agrees_with_the_literal_loops(mode, m, n):
    fake, real = draw(m), draw(n, seed=1, shift=0.1)
    pairs = list(zip(samples(fake, mode), samples(real, mode), strict=True))
    by_median = sum(literal_unbiased(x, y, literal_median(x, y)) for x, y in pairs) / len(pairs)
    assert mmd(fake, real, mode=mode, estimator="unbiased").item() == pytest.approx(by_median, rel=1e-9)
    chosen = [3.0, 0.2, 0.7]
    swept = sum(literal_unbiased(x, y, b) for x, y in pairs for b in chosen) / len(pairs) / len(chosen)
    score = mmd(fake, real, mode=mode, estimator="unbiased", bandwidths=chosen).item()
    assert score == pytest.approx(swept, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_every_bandwidth_is_exact_in_any_unit(scale):
    # Metres, millimetres and kilometres: series, powers of other kernels, and kernels that are 0 all occur.
    x, y = draw(6, c=1, t=1, scale=scale), draw(6, seed=1, c=1, t=1, scale=scale, shift=0.1 * scale)
    expected = [literal_paired(*samples(x, "sequence"), *samples(y, "sequence"), b) for b in BANDWIDTHS]
    statistics = paired_statistic(by_sequence(x), by_sequence(y)).flatten().tolist()
    assert statistics == pytest.approx(expected, rel=1e-9, abs=1e-14)


def test_bandwidths_come_in_any_order_and_one_by_one():
    x, y = by_frame(draw(8)), by_frame(draw(8, seed=1))
    chosen = [1.0, 1e-3, 7.0, 100.0, 0.1, 10.0, 0.01, 0.7]
    together = unbiased_statistic(x, y, chosen)
    alone = torch.cat([unbiased_statistic(x, y, [b]) for b in chosen])
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-13)


def test_a_kernel_far_down_the_decades_is_as_exact_as_the_first():
    # Points at distances of all sizes, so that no decade can be skipped and one kernel would be a power of all others.
    place = torch.logspace(-3, 3, 25, dtype=torch.float64).view(1, 25, 1)
    x, y = place, -1.3 * place
    alone = torch.cat([paired_statistic(x, y, [b]) for b in BANDWIDTHS])
    torch.testing.assert_close(paired_statistic(x, y), alone, rtol=1e-12, atol=1e-14)


@quiet
@pytest.mark.parametrize("block", [1, 7, 40, 2**20])
def test_scores_do_not_depend_on_blocks(monkeypatch, block):
    x, y = draw(9, t=5), draw(9, seed=1, t=5)

    def everything():
        test = permutation_test(x, y[:6], permutations=20)
        return torch.stack(
            [
                paired_statistic(by_frame(x), by_frame(y)).sum(),
                test,
                *(mmd(x, y, estimator=name) for name in PAIRED),
                *(mmd(x, y[:n], estimator=name) for name, n in (("mugl", 7), ("unbiased", 6))),
            ]
        )

    whole = everything()
    monkeypatch.setattr(module, "BLOCK", block)
    torch.testing.assert_close(everything(), whole, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("bandwidth", [0.1, 1.0, 10.0])
def test_two_point_masses_have_the_closed_form(bandwidth):
    x = torch.zeros(1, 3, 2)
    y = torch.tensor([0.6, 0.8]).expand(1, 3, 2)
    expected = 2 - 2 * math.exp(-1 / bandwidth)
    assert paired_statistic(x, y, [bandwidth]).item() == pytest.approx(expected, rel=1e-6)
    assert unbiased_statistic(x, y[:, :2], [bandwidth]).item() == pytest.approx(expected, rel=1e-6)


def test_mugl_of_two_point_masses_averages_what_came_before():
    apart = torch.zeros(3, 1, 2, 1), torch.full((3, 1, 2, 1), 3.0)
    assert mmd(*apart, estimator="mugl").item() == pytest.approx(2 - 2 * math.exp(-9 / 1e-4), rel=1e-12)


@pytest.mark.parametrize(
    ("deviation", "delta", "bandwidth", "expected"), [(1.0, 1.0, 2.0, 0.059089), (2.0, 0.0, 5.0, 0.145365)]
)
def test_gaussians_have_the_closed_form(deviation, delta, bandwidth, expected):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3000, 3, generator=rng)
    y = torch.randn(1, 3000, 3, generator=rng) * deviation
    y[..., 0] += delta

    def mean_kernel(variances, square):
        return (bandwidth / (bandwidth + 2 * variances)) ** 1.5 * math.exp(-square / (bandwidth + 2 * variances))

    closed = mean_kernel(2, 0) + mean_kernel(2 * deviation**2, 0) - 2 * mean_kernel(1 + deviation**2, delta**2)
    assert closed == pytest.approx(expected, abs=1e-6)
    assert paired_statistic(x, y, [bandwidth]).item() == pytest.approx(closed, rel=0.06)
    assert unbiased_statistic(x, y[:, :2000], [bandwidth]).item() == pytest.approx(closed, rel=0.06)


def test_a_negative_statistic_gives_a_score_of_zero_not_nan():
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


@pytest.mark.parametrize("mode", ["frame", "sequence"])
@pytest.mark.parametrize("count", [2, 20, 300])
def test_the_distance_of_a_set_from_itself_is_zero(mode, count):
    x = draw(count) + 3
    assert mmd(x, x, mode=mode) == 0
    assert mmd(x, x, mode=mode, estimator="mugl") < 1e-11
    assert mmd(x, x, mode=mode, estimator="unbiased") < 0  # the same points in both sets are nearer than chance has it


@quiet
@pytest.mark.parametrize("estimator", ["paired", "sagcn", "mugl", "unbiased"])
def test_scores_do_not_depend_on_position_and_order_of_motions(estimator):
    x, y = draw(10).double(), draw(10, seed=1, shift=0.1).double()
    score = partial(mmd, estimator=estimator)
    torch.testing.assert_close(score(x + 100, y + 100), score(x, y), rtol=1e-9, atol=0)
    if estimator not in PAIRED:  # which leaves out pairs of the same place in order
        torch.testing.assert_close(score(x.flip(0), y), score(x, y), rtol=1e-9, atol=0)
    torch.testing.assert_close(score(y, x), score(x, y), rtol=1e-9, atol=0)


@quiet
def test_motions_are_not_changed():
    x, y = draw(5, c=1).double().requires_grad_(), draw(5, seed=1, c=1).double()
    before = x.detach().clone(), y.clone()
    for estimator in ("paired", "sagcn", "mugl", "unbiased"):
        assert not mmd(x, y, mode="sequence", estimator=estimator).requires_grad  # a view without a copy
    permutation_test(x, y, mode="sequence", permutations=1)
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])


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


# What the published estimator makes of cases that a score must tell apart, beside what the others do.


def toy(n, seed, *, t=16, shift=0.0):
    """Motions of 25 joints: one pose, and each motion elsewhere, with a habit of its own and a little noise."""
    rng = torch.Generator().manual_seed(seed)
    pose = 0.4 * torch.randn(3, 1, 25, generator=torch.Generator().manual_seed(99))
    place = 0.1 * torch.randn(n, 3, 1, 1, generator=rng) + 0.05 * torch.randn(n, 3, 1, 25, generator=rng)
    return pose + place + 0.05 * torch.randn(n, 3, t, 25, generator=rng) + shift


@quiet
@pytest.mark.parametrize("mode", ["frame", "sequence"])
def test_published_is_several_times_paired_where_nothing_differs(mode):
    sets = [(toy(100, 2 * i), toy(100, 2 * i + 1)) for i in range(6)]
    null = {
        name: torch.stack([mmd(*each, mode=mode, estimator=name) for each in sets]).mean()
        for name in ("paired", "published")
    }
    assert 3 * null["paired"] < null["published"] < 0.3
    assert null["paired"] < 0.05


@quiet
@pytest.mark.parametrize("mode", ["frame", "sequence"])
def test_published_is_less_moved_by_a_real_difference(mode):
    sets = [(toy(60, 2 * i, shift=shift), toy(60, 2 * i + 1)) for shift in (0.0, 0.2) for i in range(4)]
    gain = {}
    for name in ("paired", "published"):
        null, apart = torch.stack([mmd(*each, mode=mode, estimator=name) for each in sets]).view(2, 4).mean(dim=1)
        gain[name] = apart - null
    assert gain["paired"] > 0.4 > 0.2 > gain["published"]


@quiet
@pytest.mark.parametrize("mode", ["frame", "sequence"])
def test_published_calls_a_collapsed_model_perfect(mode):
    real = toy(50, 0)
    collapsed = real[:1].expand_as(real)
    assert mmd(collapsed, real, mode=mode, estimator="published") == 0
    for name in ("paired", "sagcn", "mugl", "unbiased"):
        assert mmd(collapsed, real, mode=mode, estimator=name) > 0.2


@quiet
@pytest.mark.parametrize("mode", ["frame", "sequence"])
def test_published_ignores_all_motions_after_the_first(mode):
    real = toy(50, 0)
    garbage = torch.cat([real[:1], 5 * torch.randn(49, 3, 16, 25, generator=torch.Generator().manual_seed(1))])
    assert mmd(garbage, real, mode=mode, estimator="published") == 0
    assert mmd(garbage, real, mode=mode) > 0.9


def test_published_warns_with_the_number_of_lost_bandwidths():
    fake, real = draw(1, v=6), draw(1, seed=2, v=6, shift=0.3)
    value, lost = literal_published(fake, real, "frame")
    assert 0 < lost < 14
    with pytest.warns(PublishedFault, match=f"{lost} of 14 bandwidths vanished from the maximum, in 1 of 1 classes$"):
        assert mmd(fake, real, estimator="published").item() == pytest.approx(value, rel=1e-10)


def test_published_warns_when_all_bandwidths_are_lost():
    # Joints on the same two places, swapped: U < 0 at bandwidths that see a difference, and 0 at the others.
    x = torch.tensor([0.0, 0.05]).view(1, 1, 1, 2)
    with pytest.warns(PublishedFault, match="1 lost all of them and scores 0, as if perfect"):
        assert mmd(x, x.flip(3), estimator="published") == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mmd(x, x, estimator="published") == 0  # nothing vanished: U = 0


def test_one_warning_covers_all_classes():
    x = torch.tensor([0.0, 0.05]).view(1, 1, 1, 2)
    fake = torch.cat([x, x, x])
    real = torch.cat([x.flip(3), x.flip(3), x + 1])
    label = torch.tensor([0, 1, 2])
    fake, real, label = torch.cat([fake[:1], fake]), torch.cat([real[:1], real]), torch.cat([label[:1], label])
    with pytest.warns(PublishedFault) as caught:
        scores = mmd_per_class(fake, label, real, label, estimator="published")
    assert len(caught) == 1 and caught[0].filename == __file__
    text = str(caught[0].message)
    assert "of 42 bandwidths" in text and "in 2 of 3 classes; 2 lost all of them and score 0" in text
    assert scores.value[:2].tolist() == [0, 0] and scores.value[2] > 1


@quiet
def test_published_takes_the_first_of_each_class_but_skips_index_0_for_all_but_the_first():
    fake, real = draw(6, v=6), draw(6, seed=1, v=6, shift=0.5)
    fake_label, real_label = torch.tensor([0, 1, 0, 1, 1, 0]), torch.tensor([1, 0, 0, 1, 1, 0])
    scores = mmd_per_class(fake, fake_label, real, real_label, estimator="published")
    expected = [literal_published(fake[f : f + 1], real[r : r + 1], "frame")[0] for f, r in ((0, 1), (1, 3))]
    assert scores.value.tolist() == pytest.approx(expected, rel=1e-10)
    assert scores.label.tolist() == [0, 1]
    assert scores.n_fake.tolist() == scores.n_real.tolist() == [1, 1]
    # The other way round class 1 is the first, for which index 0 counts, and class 0 loses it.
    turned = mmd_per_class(fake, fake_label, real, real_label, estimator="published", classes=[1, 0])
    expected = [literal_published(fake[f : f + 1], real[r : r + 1], "frame")[0] for f, r in ((1, 0), (2, 1))]
    assert turned.value.tolist() == pytest.approx(expected, rel=1e-10)


def test_published_refuses_a_class_without_motions():
    label = torch.tensor([1, 0])
    with pytest.raises(ValueError, match="class 1 has 0 fake and 0 real"):  # it stands at index 0 only
        mmd_per_class(draw(2), label, draw(2), label, estimator="published")
    with pytest.raises(ValueError, match="joints as samples and needs at least 2, got 1"):
        mmd(draw(2, v=1), draw(2, v=1), estimator="published")
    with pytest.raises(ValueError, match="at least 1 motions"):
        mmd(draw(0), draw(2), estimator="published")


@pytest.mark.parametrize("m", [20, 50, 100])
def test_mugl_has_a_floor_of_two_over_m(m):
    score = mmd(draw(m, v=25), draw(m, seed=1, v=25), estimator="mugl").item()
    assert 2 / m <= score < 2.5 / m


def test_mugl_is_blind_to_labels_and_says_so():
    label = torch.zeros(4, dtype=torch.long)
    with pytest.raises(ValueError, match="mugl estimator ignores labels.*use mmd"):
        mmd_per_class(draw(4), label, draw(4), label, estimator="mugl")


@pytest.mark.parametrize(("m", "n"), [(3, 3), (2, 4)])
def test_unbiased_is_exactly_zero_on_average_over_all_labellings(m, n):
    union = draw(m + n)
    scores = []
    for chosen in itertools.combinations(range(m + n), m):
        rest = [i for i in range(m + n) if i not in chosen]
        scores.append(mmd(union[list(chosen)], union[rest], estimator="unbiased").item())
    assert sum(scores) / len(scores) == pytest.approx(0, abs=1e-12)
    assert min(scores) < -1e-3 < 1e-3 < max(scores)


def test_unbiased_is_zero_on_average_over_samples_and_the_others_are_not():
    sets = [(draw(12, 2 * i), draw(12, 2 * i + 1)) for i in range(200)]
    scores = torch.stack([mmd(*each, estimator="unbiased") for each in sets])
    error = scores.std() / len(scores) ** 0.5
    assert scores.mean().abs() < 3 * error and error < 2e-3
    assert 0.3 < (scores < 0).double().mean() < 0.8
    for name in ("paired", "mugl"):
        assert torch.stack([mmd(*each, estimator=name) for each in sets[:20]]).mean() > 20 * error


def test_median_is_of_all_pairs_of_the_union_and_views_have_their_own():
    x, y = by_frame(draw(5)).double(), by_frame(draw(8, seed=1, shift=1.0)).double()
    expected = [literal_median(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert median_bandwidths(x, y).tolist() == pytest.approx(expected, rel=1e-12)


def test_median_of_many_is_that_of_some(monkeypatch):
    x, y = by_frame(draw(300)), by_frame(draw(300, seed=1))
    whole = median_bandwidths(x, y)
    monkeypatch.setattr(module, "MEDIAN_OF", 200)
    torch.testing.assert_close(median_bandwidths(x, y), whole, rtol=0.1, atol=0)
    assert not torch.equal(median_bandwidths(x, y), whole)


def test_a_frame_that_is_one_point_counts_as_no_difference_and_one_that_nearly_is_asks_for_bandwidths():
    fake, real = draw(5), draw(4, seed=1, shift=0.5)
    rest = mmd(fake[:, :, 1:], real[:, :, 1:], estimator="unbiased")
    fake[:, :, 0] = real[:, :, 0] = 0
    assert mmd(fake, real, estimator="unbiased").item() == pytest.approx(0.75 * rest.item(), rel=1e-12)
    fake[0, :, 0] = 1
    with pytest.raises(ValueError, match="in 1 of 4 views more than half .* give bandwidths"):
        mmd(fake, real, estimator="unbiased")
    assert mmd(fake, real, estimator="unbiased", bandwidths=[1.0]).isfinite()


@pytest.mark.parametrize("mode", ["frame", "sequence"])
@pytest.mark.parametrize("bandwidths", [None, [0.3, 2.0]])
def test_p_value_is_the_share_of_relabellings_that_differ_as_much(mode, bandwidths):
    fake, real = draw(5), draw(7, seed=1, shift=0.15)
    union, rng = torch.cat([fake, real]), torch.Generator().manual_seed(3)
    orders = [torch.arange(12), *(torch.randperm(12, generator=rng) for _ in range(50))]
    score = partial(mmd, mode=mode, estimator="unbiased", bandwidths=bandwidths)
    scores = torch.stack([score(union[order[:5]], union[order[5:]]) for order in orders])
    expected = (scores >= scores[0] - 1e-12).double().mean()
    rng = torch.Generator().manual_seed(3)
    p = permutation_test(fake, real, mode=mode, permutations=50, bandwidths=bandwidths, rng=rng)
    assert p == expected and p.dtype == torch.float64
    assert 1 / 51 < p < 0.5


def test_p_values_are_uniform_where_nothing_differs():
    p = torch.stack(
        [permutation_test(draw(10, 2 * i, t=2), draw(14, 2 * i + 1, t=2), permutations=99) for i in range(200)]
    )
    share = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    below = (p.unsqueeze(1) <= share).double().mean(dim=0)
    assert (below - share).abs().max() < 0.1  # 1.36 / sqrt(200), Kolmogorov and Smirnov at 5%


def test_p_value_is_the_smallest_there_is_under_a_shift_and_one_where_all_is_the_same():
    real = draw(30, seed=1)
    assert permutation_test(draw(20, shift=0.3), real, permutations=200).item() == pytest.approx(1 / 201)
    assert permutation_test(real, real, permutations=200) == 1
    same = torch.ones(4, 3, 2, 2)
    assert permutation_test(same, same, permutations=10) == 1


def test_the_p_value_is_reproducible_unless_a_generator_is_given():
    fake, real = draw(10), draw(10, seed=1)
    assert permutation_test(fake, real) == permutation_test(fake, real)
    others = {permutation_test(fake, real, rng=torch.Generator().manual_seed(i)).item() for i in range(5)}
    assert len(others) > 1
    torch.manual_seed(0)
    before = torch.get_rng_state()
    permutation_test(fake, real)
    assert torch.equal(torch.get_rng_state(), before)


def test_too_few_motions_are_refused():
    with pytest.raises(ValueError, match="as many fake as real, got 3, 4"):
        mmd(draw(3), draw(4))
    for name in PAIRED:
        with pytest.raises(ValueError, match=f"{name} estimator pairs motions: .* got 3, 4"):
            mmd(draw(3), draw(4), estimator=name)
        with pytest.raises(ValueError, match=f"{name} estimator needs at least 2 motions on each side, got 1, 1"):
            mmd(draw(1), draw(1), estimator=name)
    for score in (partial(mmd, estimator="unbiased"), permutation_test):
        with pytest.raises(ValueError, match="at least 2 motions on each side, got 5, 1"):
            score(draw(5), draw(1))
    with pytest.raises(ValueError, match="permutations must be at least 1, got 0"):
        permutation_test(draw(5), draw(5), permutations=0)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_wrong_motions_are_refused_by_every_estimator(estimator):
    broken = draw(4)
    broken[2, 0, 0, 0] = float("nan")
    label = torch.zeros(4, dtype=torch.long)
    for score in (
        partial(mmd, estimator=estimator),
        lambda fake, real: mmd_per_class(fake, label, real, label, estimator=estimator),
        permutation_test,
    ):
        with pytest.raises(ValueError, match="real motions: 1 of 4 rows hold NaN or infinity: rows 2"):
            score(draw(4), broken)
        with pytest.raises(ValueError, match="four axes"):
            score(draw(4)[0], draw(4))
        with pytest.raises(ValueError, match="agree in"):
            score(draw(4, t=3), draw(4))


@pytest.mark.parametrize("estimator", ["paired", "sagcn", "mugl", "unbiased"])
def test_coordinates_that_overflow_are_refused_and_not_scored_0(estimator):
    with pytest.raises(ValueError, match="too large"):
        mmd(draw(4).double() * 1e200, draw(4, seed=1).double(), estimator=estimator)


def test_wrong_names_and_bandwidths_are_refused():
    with pytest.raises(ValueError, match="unknown mode 'avg'; expected one of: frame, sequence"):
        mmd(draw(4), draw(4), mode="avg")
    with pytest.raises(ValueError, match="unknown estimator 'x'; expected one of: paired, sagcn, published, mugl"):
        mmd(draw(4), draw(4), estimator="x")
    with pytest.raises(ValueError, match="paired estimator has its own bandwidths"):
        mmd(draw(4), draw(4), bandwidths=[1.0])
    for wrong in ([], [0.0], [1.0, -1.0], [math.inf], [math.nan]):
        with pytest.raises(ValueError, match="bandwidths must be positive"):
            mmd(draw(4), draw(4), estimator="unbiased", bandwidths=wrong)


def test_another_estimator_is_one_entry_in_a_dictionary(monkeypatch):
    monkeypatch.setitem(ESTIMATORS, "gap", lambda fake, real, view: (view(fake).mean() - view(real).mean()).double())
    assert mmd(draw(3) + 1, draw(3), estimator="gap").item() == pytest.approx(1, rel=1e-6)


def test_classes_are_scored_apart_and_averaged():
    label = torch.tensor([3, 0] * 6)
    fake, real = draw(12, shift=0.2), draw(12, seed=1)
    scores = mmd_per_class(fake, label, real, label)
    assert isinstance(scores, PerClass)
    assert scores.label.tolist() == [0, 3]
    assert scores.n_fake.tolist() == scores.n_real.tolist() == [6, 6]
    assert scores.value[1] == mmd(fake[label == 3], real[label == 3])
    assert scores.mean == scores.value.mean()
    only = mmd_per_class(fake, label, real, label, classes=[3])
    assert only.mean == scores.value[1]


def test_counts_are_equal_and_capped_and_the_part_is_the_same_every_time():
    fake, real = draw(30), draw(9, seed=1)
    fake_label, real_label = torch.arange(30) % 2, torch.arange(9) % 2
    scores = mmd_per_class(fake, fake_label, real, real_label)
    assert scores.n_fake.tolist() == scores.n_real.tolist() == [5, 4]
    assert mmd_per_class(fake, fake_label, real, real_label, cap=3).n_fake.tolist() == [3, 3]
    assert torch.equal(mmd_per_class(fake, fake_label, real, real_label).value, scores.value)
    other = mmd_per_class(fake, fake_label, real, real_label, rng=torch.Generator().manual_seed(1))
    assert not torch.equal(other.value, scores.value)


def test_unbiased_uses_all_motions_of_a_class():
    fake, real = draw(30), draw(9, seed=1)
    fake_label, real_label = torch.arange(30) % 2, torch.arange(9) % 2
    bandwidths = (b for b in (0.5, 2.0))  # used for every class, though it can be read once
    scores = mmd_per_class(fake, fake_label, real, real_label, estimator="unbiased", bandwidths=bandwidths)
    assert scores.n_fake.tolist() == [15, 15] and scores.n_real.tolist() == [5, 4]
    alone = mmd(fake[fake_label == 1], real[real_label == 1], estimator="unbiased", bandwidths=[0.5, 2.0])
    assert scores.value[1] == alone


def test_a_class_without_motions_is_named_not_skipped():
    with pytest.raises(ValueError, match="class 1 has 0 fake and 3 real"):
        mmd_per_class(draw(3), torch.tensor([0, 0, 0]), draw(6), torch.tensor([0, 0, 0, 1, 1, 1]))
    for estimator in ("paired", "sagcn", "published"):
        with pytest.raises(ValueError, match="whole numbers"):
            mmd_per_class(draw(3), torch.zeros(3), draw(3), torch.zeros(3), estimator=estimator)


@pytest.mark.parametrize("score", [mmd, mmd_per_class, permutation_test])
def test_a_score_with_its_options_can_be_pickled(score):
    assert pickle.loads(pickle.dumps(partial(score, mode="sequence"))).keywords == {"mode": "sequence"}


def test_benchmark_compares_with_the_literal_form():
    state = benchmark.setup(torch.device("cpu"), motions=6, frames=3, width=4)
    assert benchmark.check(state)["difference of scores in float64"] < 1e-10
    fake, real = state.fake.double(), state.real.double()
    assert float(benchmark.literal(fake, real)) == pytest.approx(literal_clamped(fake, real, "frame"), rel=1e-10)
    assert set(benchmark.facts(state, {"literal": 1.0, "kinetic": 0.1}))


def test_a_typical_bandwidth_is_the_median_within_classes():
    motion, label = draw(9), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2])
    motion[4:8] += 5  # far from the others, and as wide
    bandwidth = typical_bandwidth(motion, label, mode="sequence")
    both = sorted(literal_median([], samples(motion[label == k], "sequence")[0]) for k in (0, 1))
    assert bandwidth == pytest.approx(both[0], rel=1e-9)
    frames = [literal_median([], each) for k in (0, 1) for each in samples(motion[label == k], "frame")]
    assert typical_bandwidth(motion, label) == pytest.approx(sorted(frames)[(len(frames) - 1) // 2], rel=1e-9)
    with pytest.raises(ValueError, match="a class with two motions"):
        typical_bandwidth(motion[-1:], label[-1:])
    with pytest.raises(ValueError, match="same point"):
        typical_bandwidth(motion[[0, 0, 0, 0, 1]], torch.zeros(5, dtype=torch.long))
