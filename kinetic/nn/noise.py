"""Noise against overfitting critics: on their maps, their labels, and the fakes that they score."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from kinetic.settings.kinetic_gan import CriticConfig, NoiseConfig, QuantileConfig

__all__ = ["GaussianNoise", "LabelEmbedding", "QuantileNoise", "plain_draw", "quantile_mask"]


class GaussianNoise(nn.Module):
    """Adds Gaussian noise to a map (V, N, T, C) while training, and is the identity otherwise.

    Args:
        std: standard deviation; 0 = none
        shared: `call` draws one number for the whole map (the fork of Kinetic-GAN), `sample` one per motion, `entry`
            one per entry
        decay: batches over which the noise falls linearly to zero, counted by `fade`; None = it stays
    """

    def __init__(
        self,
        std: float = NoiseConfig.std,
        *,
        shared: Literal["call", "sample", "entry"] = NoiseConfig.shared,
        decay: int | None = NoiseConfig.decay,
    ) -> None:
        super().__init__()
        if not std >= 0:
            raise ValueError(f"std must not be negative, got {std}")
        if shared not in ("call", "sample", "entry"):
            raise ValueError(f"shared must be call, sample or entry, got {shared!r}")
        if decay is not None and decay < 1:
            raise ValueError(f"decay counts batches and must be at least 1, got {decay}")
        self.std, self.shared, self.decay = std, shared, decay
        self.strength = 1.0

    def fade(self, batches: int) -> None:
        """Set the strength after this many training batches."""
        if self.decay is not None:
            self.strength = max(0.0, 1.0 - batches / self.decay)

    def forward(self, x: Tensor) -> Tensor:
        std = self.std * self.strength
        if not self.training or std == 0:
            return x
        shape = {"call": (1, 1, 1, 1), "sample": (1, x.shape[1], 1, 1), "entry": x.shape}[self.shared]
        return x + std * torch.randn(shape, device=x.device, dtype=x.dtype)

    def extra_repr(self) -> str:
        return f"std={self.std}, shared={self.shared!r}, decay={self.decay}"


class LabelEmbedding(nn.Embedding):
    """One learned vector per class, disturbed by Gaussian noise while training: (N,) -> (N, width).

    The label of Kinetic-GAN is an embedding, not a target between 0 and 1, so its smoothing is noise.
    """

    def __init__(self, classes: int, width: int, *, smoothing: float = CriticConfig.label_smoothing) -> None:
        if not smoothing >= 0:
            raise ValueError(f"smoothing is a standard deviation and must not be negative, got {smoothing}")
        super().__init__(classes, width)
        self.smoothing = smoothing

    def forward(self, label: Tensor) -> Tensor:
        vector = super().forward(label)
        if not self.training or self.smoothing == 0:
            return vector
        return vector + self.smoothing * torch.randn_like(vector)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, smoothing={self.smoothing}"


def quantile_mask(a: Tensor, b: Tensor, q: float) -> Tensor:
    """Where ``|a - b|`` reaches its q-quantile over all entries: a boolean tensor of the shape of a."""
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile lies between 0 and 1, got {q}")
    change = (a - b).abs()
    rank = math.ceil(q * (change.numel() - 1)) + 1
    return change >= change.flatten().kthvalue(rank).values


def plain_draw(generator: Callable[..., Tensor], z: Tensor, label: Tensor) -> Tensor:
    """Fakes without further noise: (N, Z), (N,) -> (N, C, T, V)."""
    return generator(z, label)


class QuantileNoise:
    """Fakes that are disturbed where the generator is most sensitive: (N, Z), (N,) -> (N, C, T, V).

    z is nudged by N(0, nudge^2); entries of the motion whose change reaches the q-quantile receive noise, either added
    (`add`: one number per entry) or as a gain (`gain`: times 1 + one number for all, as in a comment of the fork of
    Kinetic-GAN). The generator's stochastic inputs are the same for both motions, which differ in z only.
    """

    def __init__(
        self,
        q: float = QuantileConfig.q,
        *,
        nudge: float = QuantileConfig.nudge,
        std: float = QuantileConfig.std,
        kind: Literal["add", "gain"] = QuantileConfig.kind,
    ) -> None:
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile lies between 0 and 1, got {q}")
        if kind not in ("add", "gain"):
            raise ValueError(f"kind must be add or gain, got {kind!r}")
        if not (nudge >= 0 and std >= 0):
            raise ValueError(f"nudge and std must not be negative, got {nudge} and {std}")
        self.q, self.nudge, self.std, self.kind = q, nudge, std, kind

    def __call__(self, generator: nn.Module, z: Tensor, label: Tensor) -> Tensor:
        noise = generator.draw_noise(len(z), like=z)  # type: ignore[operator]
        motion = generator(z, label, noise)
        with torch.no_grad():
            nudged = generator(z + self.nudge * torch.randn_like(z), label, noise)
            mask = quantile_mask(motion, nudged, self.q)
        if self.kind == "gain":
            return motion * (1 + mask * (self.std * torch.randn((), device=z.device, dtype=motion.dtype)))
        return motion + mask * (self.std * torch.randn_like(motion))

    def __repr__(self) -> str:
        return f"QuantileNoise(q={self.q}, nudge={self.nudge}, std={self.std}, kind={self.kind!r})"
