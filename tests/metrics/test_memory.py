"""Copies of training motions: literal distances, known cases, and a real set that holds motions twice."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import mannwhitneyu

from kinetic.formats.reading import read_motions
from kinetic.metrics import memory as module
from kinetic.metrics.alignment import Aligned
from kinetic.metrics.memory import aligned_memory, edits, memorisation, row_memory
from kinetic.skeleton import NTU25


def draw(n, d=6, seed=0, scale=1.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def double(value):
    return torch.tensor(value, dtype=torch.float64)


def line(*places):
    """Motions of one number each."""
    return double(places)[:, None]


def test_places_on_a_line():
    result = memorisation(line(0.5, 10.0, 19.0), line(1.0, 8.0, 14.0), line(0.0, 10.0, 20.0))
    assert result.distance.tolist() == [0.5, 0, 1]
    assert result.nearest.tolist() == [0, 1, 2]
    # Test motions are 1, 2 and 4 away: nearer than 3 of 3, 3 of 3, and 2 of 3 with one as near.
    assert result.nearer.item() == pytest.approx((3 + 3 + 2.5) / 9)
    assert result.ratio.item() == 0.5 / 2
    assert result.duplicates == 1  # 3 x 0.5 < 9.5, equal, 3 x 1 < 9
    assert result.leaked.item() == pytest.approx(2 / 3)  # 3 x 1 < 9, 3 x 2 < 8, but not 3 x 4 < 6


def test_agrees_with_scipy():
    fake, test, train = draw(70, scale=0.9), draw(50, seed=1), draw(90, seed=2)
    result = memorisation(fake, test, train)
    distance = torch.cdist(fake, train).min(dim=1)
    theirs = torch.cdist(test, train).min(dim=1).values
    torch.testing.assert_close(result.distance, distance.values)
    assert torch.equal(result.nearest, distance.indices)
    expected = mannwhitneyu(theirs.numpy(), distance.values.numpy()).statistic / (70 * 50)
    assert result.nearer.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("block", [1, 2, 3, 20, 33])
def test_the_result_does_not_depend_on_blocks(monkeypatch, block):
    fake, test, train = draw(20), draw(15, seed=1), draw(33, seed=2)
    whole = memorisation(fake, test, train)
    monkeypatch.setattr(module, "BLOCK", block)
    for value, expected in zip(memorisation(fake, test, train), whole, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)


def test_new_draws_of_the_same_distribution_are_as_far_away_as_unseen_motions():
    result = memorisation(draw(1000), draw(1000, seed=1), draw(1000, seed=2))
    assert abs(result.nearer - 0.5) < 3 * (2001 / 12e6) ** 0.5
    assert 0.9 < result.ratio < 1.1
    assert result.duplicates < 0.01


def test_the_test_motions_themselves_score_one_half():
    test, train = draw(40), draw(60, seed=1)
    result = memorisation(test, test, train)
    assert result.nearer == 0.5
    assert result.ratio == 1
    assert result.duplicates == result.leaked


def test_copies_are_found_with_the_numbers_of_their_originals():
    train = draw(60, d=40, seed=1).float() + 100  # products of rows alone would leave a distance of 1e-4 here
    rows = torch.arange(0, 60, 3)
    result = memorisation(train[rows], draw(40, d=40).float() + 100, train)
    assert result.nearer == 1
    assert result.ratio == 0
    assert result.duplicates == 1
    assert (result.distance == 0).all()
    assert torch.equal(result.nearest, rows)


def test_noisy_copies_are_still_copies():
    train = draw(60, d=40, seed=1)
    result = memorisation(train[:20] + draw(20, d=40, seed=2, scale=0.1), draw(40, d=40), train)
    assert result.nearer == 1
    assert result.duplicates == 1
    assert result.ratio < 0.2


def test_a_copy_of_a_duplicated_motion_is_a_copy():
    train = draw(20, seed=1).repeat(2, 1)
    assert memorisation(train[:5], draw(9), train).duplicates == 1


def test_averages_are_near_and_no_copies():
    result = memorisation(draw(50, d=40, scale=0.3), draw(50, d=40, seed=1), draw(50, d=40, seed=2))
    assert result.nearer > 0.95
    assert result.ratio > 0.5
    assert result.duplicates == 0


def test_noise_is_far_from_everything():
    result = memorisation(draw(50, scale=5), draw(50, seed=1), draw(50, seed=2))
    assert result.nearer < 0.1
    assert result.duplicates < 0.1


def test_nearer_grows_with_the_share_of_copies():
    test, train, fake = draw(100, seed=1), draw(100, seed=2), draw(100)
    result = [memorisation(torch.cat([train[:k], fake[k:]]), test, train) for k in (0, 30, 60, 100)]
    for name in ("nearer", "duplicates"):
        values = [float(getattr(each, name)) for each in result]
        assert values == sorted(values)
        assert values[-1] == 1
    assert result[1].duplicates.item() == pytest.approx(0.3, abs=0.05)


def test_a_leaking_split_is_detected():
    train = draw(50, d=20, seed=1)
    test = torch.cat([draw(30, d=20), train[:10]])
    assert memorisation(draw(9, d=20, seed=2), test, train).leaked == 0.25


def test_the_result_does_not_depend_on_place_and_order():
    fake, test, train = draw(20), draw(15, seed=1), draw(33, seed=2)
    whole, moved = memorisation(fake, test, train), memorisation(fake + 1e4, test + 1e4, train + 1e4)
    torch.testing.assert_close(moved.distance, whole.distance, rtol=1e-8, atol=0)
    assert torch.equal(moved.nearest, whole.nearest)
    turned = memorisation(fake.flip(0), test.flip(0), train.flip(0))
    assert turned[:4] == whole[:4]
    assert torch.equal(turned.nearest, 32 - whole.nearest.flip(0))


def test_motions_are_compared_by_their_coordinates():
    fake, test, train = draw(4, d=24), draw(5, d=24, seed=1), draw(6, d=24, seed=2)
    whole = memorisation(*(x.view(-1, 3, 4, 2) for x in (fake, test, train)))
    assert torch.equal(whole.distance, memorisation(fake, test, train).distance)


def test_wrong_input_is_refused():
    broken = draw(5)
    broken[3, 1] = float("inf")
    with pytest.raises(ValueError, match="training motions: 1 of 5 rows hold NaN or infinity: rows 3"):
        memorisation(draw(4), draw(4), broken)
    with pytest.raises(ValueError, match="fake motions have shape"):
        memorisation(draw(4, d=5), draw(4), draw(4))
    with pytest.raises(ValueError, match="training motions: needs at least 2, got 1"):
        memorisation(draw(4), draw(4), draw(1))
    with pytest.raises(ValueError, match="test motions: needs at least 1, got 0"):
        memorisation(draw(4), draw(0), draw(4))
    with pytest.raises(ValueError, match="half of the test motions are training motions"):
        memorisation(draw(4), broken[:2], broken[:3])


def test_duplicates_in_a_real_set_are_detected(shared):
    # In this copy of NW-UCLA, two of eight classes have the same files in view 3, which tests, as in view 2.
    motions = read_motions(shared / "data" / "motion" / "nw_ucla.npz")
    train, test = motions.split("xview")
    x, y = torch.from_numpy(test.motion.copy()), torch.from_numpy(train.motion.copy())
    result = memorisation(x, x, y)
    assert result.leaked.item() == 59 / len(test)
    copies = result.distance == 0
    assert {test.class_names[k] for k in test.label[copies.numpy()]} == {"pick-up-with-two-hands", "drop-trash"}


def test_a_noisy_copy_of_a_duplicated_motion_is_a_copy():
    train = draw(20, d=40, seed=1).repeat(2, 1)
    train[20:] += draw(20, d=40, seed=3, scale=0.01)  # the second time almost the same
    result = memorisation(train[:5] + draw(5, d=40, seed=2, scale=0.1), draw(9, d=40), train)
    assert result.duplicates == 1


def test_a_motion_left_out_and_its_copy_are_no_neighbours():
    train = line(0.0, 0.1, 10.0, 20.0, 40.0)  # the first two are one motion
    memory = row_memory(train, line(5.0, 15.0, 30.0))  # 5, 5 and 10 away
    assert memory.usual == 5
    result = memory.look(train, torch.arange(5))
    assert result.first.tolist() == pytest.approx([10, 9.9, 9.9, 10, 20])
    assert result.number[:, 0].tolist() == [2, 2, 1, 2, 3]
    assert not result.copied.any()
    distance, number = memory.nearest(train, torch.arange(5))
    assert (number != torch.arange(5)[:, None]).all() and (distance > 0).all()


def test_near_and_distant_features_are_separated():
    train = torch.cat([draw(50, seed=1), draw(1, seed=3, scale=1e9)])  # one is absurd
    result = memorisation(train[:10], draw(20), train)
    assert (result.distance == 0).all() and torch.equal(result.nearest, torch.arange(10))


def test_copies_are_found_in_half_precision_and_with_a_little_noise():
    train = draw(60, d=40, seed=1)
    for hidden in (train[:20].half().double(), train[:20] + draw(20, d=40, seed=4, scale=0.02)):
        assert memorisation(hidden, draw(40, d=40), train).duplicates == 1


def people(n, seed):
    """Random walks of 25 joints, (n, 3, 32, 25)."""
    x = torch.randn(n, 3, 32, 25, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 0.05 * x.cumsum(dim=2) + 0.3 * x[:, :, :1]


def test_with_a_skeleton_turned_and_larger_copies_are_copies():
    train = people(20, 1)
    fake = 1.2 * torch.stack([-train[:, 2], train[:, 1], train[:, 0]], dim=1)[:6] + 3
    as_they_are = memorisation(fake, people(9, 2), train)
    aligned = memorisation(fake, people(9, 2), train, skeleton=NTU25)
    assert as_they_are.duplicates == 0
    assert aligned.duplicates == 1 and aligned.nearer == 1
    assert aligned.distance.max() < 1e-6
    assert torch.equal(aligned.nearest, torch.arange(6))
    assert aligned.leaked == 0


def test_a_memory_searches_neighbours_of_real_motions_once():
    memory = aligned_memory(people(20, 1), people(9, 2), NTU25)
    assert memory.unseen is memory.unseen
    torch.testing.assert_close(memory.unseen.first, memory.look(people(9, 2)).first)
    part = memory.unseen.select(torch.tensor([3, 5]))
    assert torch.equal(part.first, memory.unseen.first[[3, 5]]) and len(part.copied) == 2


def test_edits_are_described_in_words():
    zeros = torch.zeros(4, dtype=torch.float64)
    plain = Aligned(zeros + 0.008, zeros.bool(), zeros, zeros + 1, zeros, zeros + 1)
    assert edits(plain) == "as they are; 8 mm off in the median"
    moved = plain._replace(mirrored=torch.tensor([True, True, True, False]), turn=zeros + 30, tempo=zeros + 0.5)
    assert edits(moved) == "75% mirrored, 100% turned, 100% at another tempo; 8 mm off in the median"
    assert edits(plain._replace(shift=zeros - 3, size=zeros + 1.1)).startswith("100% larger or smaller, 100% shifted")


@pytest.mark.parametrize(
    ("name", "least", "most"), [("utd_mhad", 0.8, 1.0), ("hdm05", 0.7, 0.95), ("nw_ucla", 0.4, 0.7)]
)
def test_the_training_people_themselves_are_nearer_than_others(shared, name, least, most):
    # What an ideal generator reaches under a split by person: new performances of the training people.
    train, test = read_motions(shared / "data" / "motion" / f"{name}.npz").split("xsub")
    x, y = torch.from_numpy(test.motion.copy()), torch.from_numpy(train.motion.copy())
    memory = aligned_memory(y, x, train.skeleton)
    rows = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))[:80]
    own = memory.look(y[rows], rows).first
    share = float((own[:, None] < memory.unseen.first).double().mean())
    assert least < share < most
    assert memory.unseen.copied.double().mean() == 0  # no false alarm
