"""Variety of motions against literal pairs, closed forms and real motions."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from scipy.spatial.distance import pdist

from kinetic.formats.reading import read_motions
from kinetic.metrics import variety as module
from kinetic.metrics.variety import COLLAPSED, joint_deviation, pairwise_distance, variance_ratio, vendi_score


def draw(n, d=6, seed=0, scale=1.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def double(value):
    return torch.tensor(value, dtype=torch.float64)


def test_three_points_have_three_distances():
    assert pairwise_distance(double([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]])) == (5 + 4 + 3) / 3


def test_distances_are_averaged_within_classes_and_then_over_classes():
    x = double([[0.0], [2.0], [10.0], [11.0], [12.0]])
    label = torch.tensor([4, 4, 1, 1, 1])
    assert pairwise_distance(x, label) == (2 + (1 + 1 + 2) / 3) / 2


def test_agrees_with_scipy_on_whole_motions():
    motion = draw(40, 3 * 5 * 4).view(40, 3, 5, 4)
    expected = pdist(motion.flatten(1).numpy()).mean()
    assert pairwise_distance(motion).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("block", [1, 2, 7, 19, 20])
def test_the_distance_does_not_depend_on_blocks(monkeypatch, block):
    x = draw(20)
    whole = pairwise_distance(x)
    monkeypatch.setattr(module, "BLOCK", block)
    torch.testing.assert_close(pairwise_distance(x), whole, rtol=1e-12, atol=0)


def test_a_motion_is_never_paired_with_itself():
    # 200 random pairs with replacement would be half too small here.
    assert pairwise_distance(double([[0.0], [1.0]])) == 1


def test_the_distance_depends_on_scale_and_not_on_place():
    x = draw(30)
    torch.testing.assert_close(pairwise_distance(x + 1000), pairwise_distance(x), rtol=1e-9, atol=0)
    torch.testing.assert_close(pairwise_distance(x * 3), pairwise_distance(x) * 3, rtol=1e-12, atol=0)


def test_float32_far_from_zero_keeps_its_digits():
    x = (draw(30) + 1000).float()
    distance = pairwise_distance(x)
    assert distance.dtype == torch.float64
    assert distance.item() == pytest.approx(pdist(x.double().numpy()).mean(), rel=1e-9)


def test_copies_of_one_motion_have_no_variety():
    x = draw(1).float().expand(50, -1) + 3
    assert pairwise_distance(x) == 0
    assert pairwise_distance(x, torch.arange(50) % 2) == 0


def test_the_distance_does_not_depend_on_order():
    x, label = draw(20), torch.arange(20) % 3
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(pairwise_distance(x[order], label[order]), pairwise_distance(x, label))


def test_classes_without_a_pair_are_named():
    with pytest.raises(ValueError, match="at least 2 of each class; there is one of class 1, 7"):
        pairwise_distance(draw(4), torch.tensor([0, 0, 7, 1]))
    with pytest.raises(ValueError, match="at least 2 of them, got 1"):
        pairwise_distance(draw(1))
    with pytest.raises(ValueError, match="at least 2 of them, got 0"):
        pairwise_distance(draw(0), torch.zeros(0, dtype=torch.long))


def test_nan_is_refused_with_its_rows():
    x = draw(4)
    x[2, 0] = float("nan")
    with pytest.raises(ValueError, match="rows 2"):
        pairwise_distance(x)
    label = torch.zeros(4, dtype=torch.long)
    with pytest.raises(ValueError, match="fake motions: 1 of 4 rows hold NaN or infinity: rows 2"):
        variance_ratio(x, label, draw(4), label)
    with pytest.raises(ValueError, match="rows 1"):
        joint_deviation(torch.stack([draw(2), x[1:3]]).view(2, 2, 3, 2, 1))


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="4 whole numbers as labels"):
        pairwise_distance(draw(4), torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="4 whole numbers as labels"):
        pairwise_distance(draw(4), torch.zeros(4))


def test_ratio_is_that_of_squared_distances_of_pairs():
    fake, real = draw(7), draw(9, seed=1, scale=2)
    squares = [
        sum(float((a - b).square().sum()) for a, b in combinations(x, 2)) / (len(x) * (len(x) - 1) / 2)
        for x in (fake, real)
    ]
    label = torch.zeros(9, dtype=torch.long)
    ratios = variance_ratio(fake, label[:7], real, label)
    assert ratios.value.item() == pytest.approx(squares[0] / squares[1], rel=1e-12)
    assert (ratios.n_fake.item(), ratios.n_real.item()) == (7, 9)


def test_half_and_double_cancel_out():
    x = draw(10)
    both, label = torch.cat([x, x + 5]), torch.arange(20) // 10
    fake = torch.cat([x * 2**0.5, x / 2**0.5])
    ratios = variance_ratio(fake, label, both, label)
    torch.testing.assert_close(ratios.value, double([2.0, 0.5]))
    assert ratios.mean.item() == pytest.approx(1, rel=1e-12)


def test_distance_between_classes_does_not_hide_a_collapse():
    x, label = draw(20), torch.arange(20) % 2
    x[label == 1] += 100
    fake = torch.stack([x[label == k][0] for k in label.tolist()]) + draw(20, seed=1, scale=0.1)
    ratios = variance_ratio(fake, label, x, label)
    assert (ratios.value < COLLAPSED).all()
    assert fake.var(dim=0).sum() > 0.9 * x.var(dim=0).sum()


def test_a_class_of_one_repeated_motion_has_ratio_zero_and_so_has_the_mean():
    x, label = draw(20), torch.arange(20) % 2
    fake = torch.where(label[:, None] == 1, 1.0, x)
    ratios = variance_ratio(fake, label, x, label)
    assert ratios.value.tolist() == pytest.approx([1, 0])
    assert ratios.mean == 0


def test_real_motions_without_variance_are_refused_by_class():
    x, label = draw(12), torch.arange(12) % 3
    still = torch.where((label == 2)[:, None], 1.0, x)
    with pytest.raises(ValueError, match="the same in class 2"):
        variance_ratio(x, label, still, label)
    with pytest.raises(ValueError, match="the same in class 2"):
        variance_ratio(still, label, still, label)


def test_a_class_with_one_fake_is_named():
    with pytest.raises(ValueError, match="class 1 has 1 fake and 2 real"):
        variance_ratio(draw(3), torch.tensor([0, 0, 1]), draw(4), torch.tensor([0, 0, 1, 1]))


def test_two_repetitions_deviate_by_their_distance_over_root_two():
    motion = torch.zeros(1, 2, 3, 4, 5)
    motion[0, 1, :, :, 2] = torch.tensor([0.0, 3.0, 4.0])[:, None]
    torch.testing.assert_close(joint_deviation(motion), double([0, 0, 5 / 2**0.5, 0, 0]))


def test_latents_and_frames_are_averaged_as_squares():
    motion = torch.zeros(2, 2, 1, 2, 1, dtype=torch.float64)
    motion[0, 1, 0, 0] = 2.0  # in one of two latents and one of two frames the variance is 2
    assert joint_deviation(motion).item() == pytest.approx((2 / 4) ** 0.5)


def test_the_deviation_of_noise_joins_its_coordinates():
    rng = torch.Generator().manual_seed(0)
    scale = torch.tensor([0.1, 0.2, 0.4])
    place = torch.randn(6, 1, 3, 8, 3, generator=rng) * 5  # differs between latents, not between repetitions
    motion = place + scale * torch.randn(6, 200, 3, 8, 3, generator=rng)
    torch.testing.assert_close(joint_deviation(motion), 3**0.5 * scale.double(), rtol=0.02, atol=0)


def test_without_noise_nothing_deviates():
    motion = torch.randn(4, 1, 3, 8, 5, generator=torch.Generator().manual_seed(0)).expand(-1, 6, -1, -1, -1)
    assert joint_deviation(motion).max() < 1e-12


@pytest.mark.parametrize("shape", [(2, 1, 3, 4, 5), (2, 3, 4, 5), (0, 2, 3, 4, 5)])
def test_deviation_needs_repetitions(shape):
    with pytest.raises(ValueError, match="two repetitions"):
        joint_deviation(torch.zeros(shape))


def test_copies_of_one_motion_are_collapsed_and_real_people_are_not(shared):
    motions = read_motions(shared / "data" / "motion" / "nw_ucla.npz")
    x, label = (torch.from_numpy(values.copy()) for values in (motions.motion, motions.label))
    some = torch.from_numpy(motions.subject % 2 == 0)
    ratios = variance_ratio(x[some], label[some], x[~some], label[~some])
    assert ratios.value.min() > 2 * COLLAPSED
    assert 0.7 < ratios.mean < 1.4
    first = torch.stack([x[label == k][0] for k in range(len(motions.class_names))])[label]
    noisy = first + 0.01 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert variance_ratio(noisy, label, x, label).value.max() < COLLAPSED / 10


def test_directions_at_right_angles_are_counted():
    assert vendi_score(torch.eye(5)).item() == pytest.approx(5, rel=1e-12)
    assert vendi_score(torch.ones(7, 3)).item() == pytest.approx(1, rel=1e-12)
    # two of one kind and one of another: exp(-2/3 log 2/3 - 1/3 log 1/3)
    expected = (3 / 2) ** (2 / 3) * 3 ** (1 / 3)
    assert vendi_score(double([[1.0, 0.0], [2.0, 0.0], [0.0, 5.0]])).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "d"), [(8, 20), (20, 8), (1, 4), (12, 12)])
def test_the_vendi_score_is_that_of_the_matrix_of_cosines(n, d):
    x = draw(n, d)
    cosine = torch.nn.functional.cosine_similarity(x[:, None], x[None], dim=2)
    value = torch.linalg.eigvalsh(cosine / n)
    value = value[value > 1e-12]
    expected = (-(value * value.log()).sum()).exp().item()
    assert vendi_score(x).item() == pytest.approx(expected, rel=1e-9) and 1 - 1e-9 <= expected <= min(n, d) + 1e-9


def test_length_rotation_order_and_repetition_do_not_change_a_vendi_score():
    x = draw(30)
    turn = torch.linalg.qr(draw(6, 6, seed=1)).Q
    for same in (x * torch.linspace(0.1, 9, 30)[:, None], x @ turn, x.flip(0), torch.cat([x, x, x])):
        torch.testing.assert_close(vendi_score(same), vendi_score(x), rtol=1e-9, atol=0)


def test_noise_around_one_motion_has_a_vendi_score_near_one_about_another_center():
    real = draw(40)
    collapsed = real[:1] + draw(40, seed=1, scale=1e-3)
    assert vendi_score(collapsed, center=real.mean(dim=0)) < 1.01 < 5 < vendi_score(real, center=real.mean(dim=0))
    assert vendi_score(collapsed, center=collapsed.mean(dim=0)) > 5  # why a set's own mean would not do
    torch.testing.assert_close(vendi_score(real + 7, center=real.new_full((6,), 7.0)), vendi_score(real))


def test_a_vendi_score_needs_directions():
    with pytest.raises(ValueError, match="length 0: rows 2"):
        vendi_score(draw(4).index_fill(0, torch.tensor([2]), 0.0))
    with pytest.raises(ValueError, match="at least 1 motion, got 0"):
        vendi_score(torch.zeros(0, 3))
    with pytest.raises(ValueError, match="features: 1 of 4 rows hold NaN"):
        vendi_score(draw(4).index_fill(0, torch.tensor([2]), torch.nan))
