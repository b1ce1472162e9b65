import math

import pytest
import torch

from kinetic.training.losses import LOSSES, gradient_penalty, r1_penalty, softplus_loss, wasserstein_loss


def plane(x):
    """A critic of slope 1 everywhere."""
    return x.sum((1, 2, 3)) / x[0].numel() ** 0.5


def test_losses_of_known_scores():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, -2.0])
    assert wasserstein_loss(real, fake).item() == -3.0
    zero = torch.zeros(2)
    assert softplus_loss(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert LOSSES["wasserstein"].generator(fake).item() == 1.0
    assert LOSSES["softplus"].generator(zero).item() == pytest.approx(math.log(2))


def test_unit_slope_has_no_penalty():
    assert gradient_penalty(plane, torch.randn(4, 3, 8, 5), torch.randn(4, 3, 8, 5)) < 1e-10


def test_penalties_of_a_steeper_plane():
    real, fake = torch.randn(4, 3, 8, 5), torch.randn(4, 3, 8, 5)
    assert gradient_penalty(lambda x: 3 * plane(x), real, fake).item() == pytest.approx(4.0, rel=1e-4)
    assert r1_penalty(lambda x: 3 * plane(x), real).item() == pytest.approx(4.5, rel=1e-4)


def test_penalty_is_taken_between_real_and_fake():
    def bowl(x):
        return x.square().sum((1, 2, 3)) / 2

    real, fake = torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 5.0)
    alpha = torch.full((1, 1, 1, 1), 0.75)
    assert gradient_penalty(bowl, real, fake, alpha).item() == pytest.approx((2.0 - 1) ** 2)
    assert r1_penalty(bowl, real).item() == pytest.approx(0.5)


def test_the_penalty_has_a_gradient_for_the_critic_and_none_for_the_fakes():
    weight, fake = torch.tensor(2.0, requires_grad=True), torch.randn(4, 3, 8, 5, requires_grad=True)
    gradient_penalty(lambda x: weight * plane(x), torch.randn(4, 3, 8, 5), fake).backward()
    assert weight.grad.item() == pytest.approx(2.0, rel=1e-3) and fake.grad is None
