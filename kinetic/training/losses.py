"""Adversarial losses and gradient penalties: tensors in, one number out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from kinetic.settings.kinetic_gan import LOSSES

__all__ = [
    "LOSSES",
    "SOFTPLUS",
    "WASSERSTEIN",
    "Loss",
    "gradient_penalty",
    "r1_penalty",
    "softplus_loss",
    "wasserstein_loss",
]


def wasserstein_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Loss of the critic: mean score of fakes minus mean score of reals (Arjovsky et al. 2017, eq. 2)."""
    return fake.mean() - real.mean()


def softplus_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Non-saturating logistic loss of the critic (Goodfellow et al. 2014, section 3; Mescheder et al. 2018)."""
    return functional.softplus(fake).mean() + functional.softplus(-real).mean()


def gradient_penalty(
    score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, alpha: Tensor | None = None
) -> Tensor:
    """Squared gap between 1 and the critic's slope on lines from fake to real (Gulrajani et al. 2017, eq. 3).

    Args:
        score: motions (N, C, T, V) to scores (N,)
        alpha: (N, 1, 1, 1) share of the real motion in each point; None draws it from U(0, 1)
    """
    if alpha is None:
        alpha = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
    between = torch.lerp(fake.detach(), real, alpha).requires_grad_(True)
    (slope,) = torch.autograd.grad(score(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def r1_penalty(score: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Half the mean squared slope of the critic at real motions (Mescheder et al. 2018, eq. 9, without its weight)."""
    real = real.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(score(real).sum(), real, create_graph=True)
    return slope.square().sum(dim=(1, 2, 3)).mean() / 2


def _wasserstein_generator(fake: Tensor) -> Tensor:
    return -fake.mean()


def _softplus_generator(fake: Tensor) -> Tensor:
    return functional.softplus(-fake).mean()


def _r1(score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, alpha: Tensor | None = None) -> Tensor:
    return r1_penalty(score, real)


class Loss(NamedTuple):
    """The losses of critic and generator, and the critic's penalty.

    Attributes:
        critic: scores of reals (N,) and fakes (N,) -> the critic's loss
        generator: scores of fakes (N,) -> the generator's loss
        penalty: (score, real, fake, alpha) -> a penalty on steep critics
    """

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    penalty: Callable[..., Tensor]


WASSERSTEIN = Loss(wasserstein_loss, _wasserstein_generator, gradient_penalty)
SOFTPLUS = Loss(softplus_loss, _softplus_generator, _r1)
LOSSES.update({"wasserstein": WASSERSTEIN, "softplus": SOFTPLUS})
