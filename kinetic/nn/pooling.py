"""Global pooling: from a motion's feature map to one vector."""

from __future__ import annotations

from einops import rearrange, reduce
from torch import Tensor

from kinetic.settings.kinetic_gan import POOLING

__all__ = ["POOLING", "attention_pool", "gem_pool", "max_pool", "mean_pool"]


def mean_pool(x: Tensor) -> Tensor:
    """Average over time and joints: (N, C, T, V) -> (N, C). Kinetic-GAN's critic uses it."""
    return reduce(x, "n c t v -> n c", "mean")


def max_pool(x: Tensor) -> Tensor:
    """Strongest response over time and joints: (N, C, T, V) -> (N, C)."""
    return reduce(x, "n c t v -> n c", "max")


def gem_pool(x: Tensor, *, power: float = 3.0, floor: float = 1e-6) -> Tensor:
    """Generalised mean of the positive responses: (N, C, T, V) -> (N, C).

    power 1 averages, a large power approaches `max_pool` (Radenovic et al. 2019, eq. 3). Responses below `floor` count
    as `floor`, because a negative mean has no real root.
    """
    return reduce(x.clamp(min=floor) ** power, "n c t v -> n c", "mean") ** (1 / power)


def attention_pool(x: Tensor) -> Tensor:
    """Average weighted by a softmax of the channel mean at each frame and joint: (N, C, T, V) -> (N, C).

    It has no weights to learn: a place counts more the more strongly it responds.
    """
    x = rearrange(x, "n c t v -> n c (t v)")
    weight = reduce(x, "n c p -> n 1 p", "mean").softmax(dim=-1)
    return (x * weight).sum(dim=-1)  # (N, C)


POOLING.update({"mean": mean_pool, "max": max_pool, "gem": gem_pool, "attention": attention_pool})
