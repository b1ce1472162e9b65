"""The list of scores: properties that all of them have."""

import dataclasses

import numpy as np
import pytest
import torch

from kinetic.metrics.classes import PerClass
from kinetic.metrics.measures import BETTER, MEASURES, Case, Memories, Sample, choose, measure
from kinetic.metrics.memory import Memory
from kinetic.skeleton import COCO17, NTU25

CLASSES = 2
FROM_FEATURES = {name for row in MEASURES if "features" in row.needs for name in row.scores}


def motions(n=40, seed=0, *, shift=0.0, t=8):
    """Two classes of people who sway, with 1 cm of noise."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % CLASSES
    rest = np.random.default_rng(9).normal(0, 0.4, (1, 3, 1, 25))
    sway = np.cumsum(rng.normal(0, 0.05, (n, 3, t, 1)), axis=2) + label[:, None, None, None] * 0.2
    motion = rest + sway + rng.normal(0, 0.01, (n, 3, t, 25)) + shift
    return torch.from_numpy(motion.astype(np.float32)), torch.from_numpy(label)


def sample(n=40, seed=0, **options):
    motion, label = motions(n, seed, **options)
    features = motion.mean(dim=2)[:, :, :4].flatten(1).double()
    return Sample(motion, label, features, label.flip(0))


@pytest.fixture
def case():
    return Case(sample(seed=0), sample(seed=1), sample(n=60, seed=2), NTU25)


def number(value):
    return float(value.mean if isinstance(value, PerClass) else value)


def scores(case):
    return {name: number(value) for name, value in measure(case).items()}


def test_every_score_occurs_once_and_is_finite(case):
    by_name = scores(case)
    assert list(by_name) == list(BETTER)
    assert len(BETTER) == sum(len(row.scores) for row in MEASURES)
    assert all(np.isfinite(value) for value in by_name.values())
    values = [each.mean if isinstance(each, PerClass) else each for each in measure(case).values()]
    assert all(value.dtype == torch.float64 for value in values)


def test_the_order_of_motions_does_not_matter(case):
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    shuffled = dataclasses.replace(case, fake=case.fake.select(order), real=case.real.select(order.flip(0)))
    before, after = scores(case), scores(shuffled)
    for name in BETTER:
        # halves are random ones; and the paired statistic leaves out what stands at the same place on the other side
        if name not in ("frechet_infinity", "mmd_frame", "mmd_sequence"):
            assert after[name] == pytest.approx(before[name], rel=1e-6, abs=1e-9), name


def test_the_same_case_has_the_same_scores(case):
    assert scores(case) == scores(case)


def test_equal_sets_have_the_best_scores(case):
    values = scores(dataclasses.replace(case, fake=case.real))
    for name in ("frechet", "frechet_class", "mmd_frame", "mmd_sequence", "bones", "speed", "jerk", "skating"):
        assert values[name] == pytest.approx(0, abs=1e-6), name
    assert values["c2st"] <= 0.5 and values["kernel_class"] <= 0
    assert values["precision"] == values["recall"] == values["coverage"] == values["variance"] == 1
    assert values["copying"] == 0.5
    assert (
        values["kernel"] <= 0 and values["mmd2_frame"] <= 0
    )  # unbiased: below 0 where sets are more alike than chance


SIGHTLESS = {"accuracy", "diversity", "multimodality", "vendi", "apd", "variance"}
SIGHTLESS |= {"copying", "copying_features", "duplicates", "duplicates_features"}


def noisy(noise):
    motion, label = motions(seed=0)
    motion = motion + noise * torch.randn(motion.shape, generator=torch.Generator().manual_seed(0))
    features = motion.mean(dim=2)[:, :, :4].flatten(1).double()  # the mean over frames takes most of the noise away
    features = features + noise * torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
    return scores(Case(Sample(motion, label, features, label), sample(seed=1), sample(60, 2), NTU25))


@pytest.fixture(scope="module")
def noises():
    return [noisy(noise) for noise in (0.0, 0.1, 0.4)]


@pytest.mark.parametrize("name", sorted(set(BETTER) - SIGHTLESS - {"recall"}))  # noise surrounds everything: recall 1
def test_scores_of_likeness_worsen_as_noise_grows(noises, name):
    sign = -1 if BETTER[name] == "high" else 1
    low, middle, high = (sign * values[name] for values in noises)
    assert low < middle <= high


def test_moving_everybody_changes_no_score_of_coordinates(case):
    moved = [
        dataclasses.replace(side, motion=side.motion.double() + 0.5) for side in (case.fake, case.real, case.train)
    ]
    sides = [dataclasses.replace(side, motion=side.motion.double()) for side in (case.fake, case.real, case.train)]
    before, after = scores(Case(*sides, NTU25)), scores(Case(*moved, NTU25))
    for name in set(BETTER) - FROM_FEATURES:
        assert after[name] == pytest.approx(before[name], rel=1e-6, abs=1e-9), name


def test_scores_that_cannot_be_computed_are_left_out_with_a_reason(case):
    plain = [Sample(side.motion, side.label) for side in (case.fake, case.real, case.train)]
    why = {}
    values = measure(Case(*plain, NTU25), reasons=why)
    assert not FROM_FEATURES & set(values) and "accuracy" not in values and {"mmd_frame", "skating"} <= set(values)
    assert why["frechet"] == "without a feature network" and "recognition network" in why["accuracy"]
    assert set(why) | set(values) == set(BETTER)
    few, why = dataclasses.replace(case, fake=case.fake.select(torch.tensor([0, 1, 2]))), {}
    values = measure(few, reasons=why)
    assert {"accuracy", "diversity", "copying", "bones"} <= set(values)
    assert "class 1 has 1 fake" in why["mmd_frame"] and "neighbours" in why["recall"]
    single, why = dataclasses.replace(case, fake=case.fake.select(torch.tensor([0]))), {}
    assert "accuracy" in measure(single, reasons=why) and "at least 2" in why["frechet"]


def test_nan_and_infinity_are_errors(case):
    broken = case.fake.motion.clone()
    broken[3, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="generated motions: 1 of 40 rows hold NaN or infinity: rows 3"):
        measure(dataclasses.replace(case, fake=dataclasses.replace(case.fake, motion=broken)))
    with pytest.raises(ValueError, match="features of real test motions"):
        measure(dataclasses.replace(case, real=dataclasses.replace(case.real, features=case.real.seen / 0)))


def test_flat_skeletons_have_no_skating_score(case):
    flat = [dataclasses.replace(side, motion=side.motion[:, :2, :, :17]) for side in (case.fake, case.real, case.train)]
    values = scores(Case(*flat, COCO17))
    assert "skating" not in values and "bones" in values


def test_scores_are_chosen_by_name():
    assert choose(None) == MEASURES
    assert [list(row.scores) for row in choose(["recall", "accuracy"])] == [
        ["precision", "recall", "density", "coverage"],
        ["accuracy"],
    ]
    with pytest.raises(ValueError, match="no score 'fid'; there are: frechet,"):
        choose(["fid"])


def test_a_score_of_features_without_a_network_says_so(case):
    bare = dataclasses.replace(case, fake=Sample(case.fake.motion, case.fake.label))
    with pytest.raises(ValueError, match="without a feature network"):
        choose(["frechet"])[0].compute(bare)


def test_a_case_of_some_motions_keeps_their_neighbours(case, monkeypatch):
    whole = dataclasses.replace(case, memories=Memories(case.real, case.train, NTU25))
    for space in ("coordinates", "features"):
        whole.near(space)
    fake, real = torch.arange(0, len(case.fake.label), 2), torch.arange(1, len(case.real.label), 3)
    monkeypatch.setattr(Memory, "look", None)
    part = whole.select(fake, real)
    for space in ("coordinates", "features"):
        assert torch.equal(part.near(space).fake.first, whole.near(space).fake.first[fake])
        assert torch.equal(part.near(space).real.copied, whole.near(space).real.copied[real])
    assert torch.equal(part.fake.label, case.fake.label[fake]) and len(part.real.motion) == len(real)
    assert whole.select().near("features").fake is whole.near("features").fake


def test_a_case_of_other_motions_has_new_neighbours(case):
    case.near("features")
    other = dataclasses.replace(case, fake=case.real)
    assert other.near("features").fake.first is not case.near("features").fake.first


def test_neighbours_of_real_motions_are_searched_once_for_all_cases(case, monkeypatch):
    queries = []
    plain = Memory.look

    def look(self, motion, left_out=None):
        queries.append(motion)
        return plain(self, motion, left_out)

    monkeypatch.setattr(Memory, "look", look)
    memories = Memories(case.real, case.train, NTU25)
    for fake in (case.fake, case.real, case.fake):
        measure(Case(fake, case.real, case.train, NTU25, memories=memories), choose(["copying", "duplicates"]))
    assert len(queries) == 2  # once for each set of fakes; those of real motions are cached
    assert all(motion is case.fake.motion for motion in queries)


def test_copies_of_held_out_motions_are_found_by_their_memories(case):
    memories = Memories(case.real, case.train, NTU25)
    for space in ("coordinates", "features"):
        assert memories.held_out(case.real, space).copied.all()
        assert memories.held_out(case.fake, space).copied.double().mean() < 0.1


def test_copying_is_left_out_when_half_of_the_held_out_motions_are_training_motions(case):
    leaky = dataclasses.replace(case, real=case.train)
    reasons = {}
    values = measure(leaky, choose(["copying", "duplicates"]), reasons=reasons)
    assert "duplicates" in values and "at least half of the test motions" in reasons["copying"]
