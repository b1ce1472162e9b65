"""Training of the recognition network: what disturbs the motions, the schedule, and going on exactly."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import pytest
import torch
from pytorch_lightning import Trainer
from torch.utils.data import DataLoader, TensorDataset

from kinetic.models.encoder import Encoder
from kinetic.settings.encoder import EncoderConfig
from kinetic.skeleton import NTU25, NTU25_2D
from kinetic.training.encoder import EncoderTraining, crop, disturb, mirror, resize, schedule, turn

STEPS = 40


def motions(n=4, *, frames=16, channels=3):
    return torch.randn(n, channels, frames, 25, generator=torch.Generator().manual_seed(0))


def task(n=8):
    """Two classes that differ in whether an arm rises."""
    label = torch.arange(n) % 2
    motion = torch.randn(1, 3, 1, 25, generator=torch.Generator().manual_seed(1)).repeat(n, 1, 16, 1) * 0.3
    motion[label == 1, 1, :, 10:12] += torch.linspace(0, 0.8, 16)[:, None]
    return motion, label


def module(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = Encoder(NTU25, classes=2, frames=16, widths=(4, 8))
    return EncoderTraining(encoder, steps=STEPS, **options)


def trained(model, batches, *, optimizer=None):
    """The module after so many batches more; the optimiser is returned as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(
            max_steps=batches, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        if optimizer is not None:
            model.on_train_start = lambda: trainer.optimizers[0].load_state_dict(optimizer)
        trainer.fit(model, DataLoader(TensorDataset(*task()), batch_size=8))
    return trainer


def test_a_quarter_turn_takes_x_to_minus_z_and_leaves_height():
    motion = torch.tensor([1.0, 2.0, 0.0]).view(1, 3, 1, 1)
    turned = turn(motion, torch.tensor([math.pi / 2])).flatten()
    torch.testing.assert_close(turned, torch.tensor([0.0, 2.0, -1.0]), atol=1e-6, rtol=0)


def test_a_turn_keeps_lengths():
    motion = motions()
    torch.testing.assert_close(turn(motion, torch.rand(4) * 6).norm(dim=1), motion.norm(dim=1))


def test_cropping_all_changes_nothing():
    motion = motions()
    torch.testing.assert_close(crop(motion, torch.rand(4), torch.ones(4)), motion, rtol=0, atol=1e-5)


def test_cropping_half_of_a_line_is_half_of_the_line():
    line = torch.arange(9.0).view(1, 1, 9, 1).repeat(2, 1, 1, 1)
    part = crop(line, torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5])).squeeze()
    torch.testing.assert_close(part, torch.stack([torch.linspace(0, 4, 9), torch.linspace(4, 8, 9)]))


def test_resizing_multiplies_each_motion():
    assert torch.equal(resize(torch.ones(2, 3, 4, 5), torch.tensor([1.0, 2.0]))[1], torch.full((3, 4, 5), 2.0))


def test_a_mirror_swaps_left_and_right_and_negates_x():
    motion = motions(2)
    image, left, right = mirror(motion, torch.tensor([True, False]), NTU25), list(NTU25.left), list(NTU25.right)
    assert torch.equal(image[1], motion[1])
    assert torch.equal(image[0, 0, :, left], -motion[0, 0, :, right])
    assert torch.equal(image[0, 1:, :, right], motion[0, 1:, :, left])
    assert torch.equal(image[0, 0, :, NTU25.center], -motion[0, 0, :, NTU25.center])


@pytest.mark.parametrize("skeleton", [NTU25, NTU25_2D], ids=lambda skeleton: skeleton.name)
def test_two_mirrors_show_the_motion_itself(skeleton):
    motion, chosen = motions(channels=skeleton.channels), torch.tensor([True, True, False, False])
    before = motion.clone()
    assert torch.equal(mirror(mirror(motion, chosen, skeleton), chosen, skeleton), motion)
    assert torch.equal(motion, before)


def test_a_mirror_keeps_lengths_of_symmetric_bones():
    motion, every = motions(), torch.ones(4, dtype=torch.bool)
    image = mirror(motion, every, NTU25)
    arm, other = motion[..., 5] - motion[..., 4], image[..., 9] - image[..., 8]
    torch.testing.assert_close(other.norm(dim=1), arm.norm(dim=1))


def test_a_mirror_needs_sides():
    with pytest.raises(ValueError, match="left and right"):
        mirror(motions(), torch.ones(4, dtype=torch.bool), replace(NTU25, left=(), right=()))


def test_about_half_of_the_disturbed_motions_are_mirrored():
    motion = motions(1).repeat(400, 1, 1, 1)
    off = {"angle": 0, "size": 0, "share": 1, "noise": 0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        other = disturb(motion, **off, mirrored=NTU25)
    image = mirror(motion[:1], torch.ones(1, dtype=torch.bool), NTU25)
    same = (other - motion).abs().amax((1, 2, 3)) < 1e-5
    turned = (other - image).abs().amax((1, 2, 3)) < 1e-5
    assert (same ^ turned).all()
    assert 150 < same.sum() < 250


def test_without_a_mirror_nothing_more_is_drawn():
    motion, left = motions(), []
    for options in ({}, {"angle": EncoderConfig().turn * math.pi / 180, "mirrored": None}):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            left.append((disturb(motion, **options), torch.randn(1)))
    assert torch.equal(left[0][0], left[1][0])
    assert torch.equal(left[0][1], left[1][1])


@pytest.mark.parametrize("channels", [2, 3])
def test_disturbed_motions_stay_close_and_differ(channels):
    motion = motions(64, channels=channels) * 0 + 1
    other = disturb(motion)
    assert other.shape == motion.shape
    assert other.dtype == motion.dtype
    assert 0 < (other - motion).abs().mean() < 0.3
    assert other.std(dim=0).min() > 1e-3


def test_all_disturbance_off_changes_nothing():
    motion = motions()
    torch.testing.assert_close(disturb(motion, angle=0, size=0, share=1, noise=0), motion)


def test_the_schedule_rises_then_falls_to_zero():
    rates = [schedule(done, 100) for done in range(101)]
    assert max(rates) == 1
    assert rates.index(1) == 10
    assert rates[0] > 0
    assert rates[100] == 0
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert schedule(1000, 100) == 0
    assert 0 < schedule(0, 1) <= 1


def test_it_learns_and_counts():
    model = module(learning_rate=0.02)
    trainer = trained(model, STEPS)
    assert model.batches == STEPS
    assert model.batches.dtype == torch.int64
    assert set(trainer.logged_metrics) == {"loss/encoder", "accuracy/train"}
    motion, label = task()
    assert trainer.logged_metrics["accuracy/train"] == 1
    assert trainer.logged_metrics["loss/encoder"] < 0.6
    assert torch.equal(model.eval().encoder(motion).argmax(dim=1), label)


def test_a_run_that_was_interrupted_goes_on_exactly():
    whole = module()
    trained(whole, 5)
    first = module()
    optimizer = trained(first, 2).optimizers[0].state_dict()
    torch.randn(7)  # anything else that draws
    second = module()
    second.load_state_dict(first.state_dict())
    trained(second, 3, optimizer=optimizer)
    assert second.batches == 5
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_global_randomness_is_left_alone():
    model = module()
    model.optimizers = lambda: torch.optim.SGD(model.parameters(), lr=0.1)
    model.log_dict = lambda *args, **kwargs: None
    torch.manual_seed(3)
    expected = torch.randn(2)
    torch.manual_seed(3)
    model.training_step(task(), 0)
    assert torch.equal(torch.randn(2), expected)


def test_seed_and_batch_decide_the_disturbance():
    losses = []
    for seed, done in ((0, 0), (0, 0), (1, 0), (0, 1)):
        model = module(seed=seed)
        model.batches += done
        model.optimizers = lambda model=model: torch.optim.SGD(model.parameters(), lr=0.1)
        model.log_dict = lambda *args, **kwargs: None
        losses.append(model.training_step(task(), 0).item())
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3


def test_turned_and_mirrored_runs_go_on_exactly_too():
    options = {"angle": math.pi, "mirrored": True}
    whole = module(**options)
    trained(whole, 4)
    first = module(**options)
    optimizer = trained(first, 2).optimizers[0].state_dict()
    second = module(**options)
    second.load_state_dict(first.state_dict())
    trained(second, 2, optimizer=optimizer)
    plain = module()
    trained(plain, 4)
    assert not torch.equal(plain.encoder.head.weight, whole.encoder.head.weight)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_mirrored_training_needs_sides():
    encoder = Encoder(replace(NTU25, left=(), right=()), classes=2, frames=16, widths=(4, 8))
    with pytest.raises(ValueError, match="left and right"):
        EncoderTraining(encoder, steps=STEPS, mirrored=True)


@pytest.mark.parametrize("degrees", [-1, 181])
def test_nobody_is_turned_further_than_all_around(degrees):
    with pytest.raises(ValueError, match=r"encoder\.turn"):
        EncoderConfig(turn=degrees)


@pytest.mark.parametrize("wrong", [{"learning_rate": 0.0}, {"smoothing": 1.0}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        module(**wrong)
