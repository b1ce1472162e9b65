"""Blocks of spatio-temporal graph convolution, up and down a skeleton pyramid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinetic.nn.graph import BatchNorm, GraphConv, JointMap, PointConv, Resize, TemporalConv, stride, to_joints_first
from kinetic.nn.noise import GaussianNoise

__all__ = ["NORMS", "SLOPE", "DownBlock", "PixelNorm", "UpBlock"]

SLOPE = 0.2
"""Slope of every LeakyReLU below zero."""


class PixelNorm(nn.Module):
    """Brings channels at every joint and frame to unit mean square, then scales and shifts: (V, N, T, C), same shape.

    A motion's result does not depend on other motions (Karras et al. 2018, 4.2).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        size = x.square().mean(dim=-1, keepdim=True).add(1e-6).rsqrt()
        return x * size * self.weight + self.bias


NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": BatchNorm, "pixel": PixelNorm}
"""Name -> normalisation of so many channels."""


class UpBlock(nn.Module):
    """One block of the generator: (V, N, T, C) -> (V', N, T', D).

    Joints and frames are spread after the channels are transformed: the result is the same, the cost lower.

    Args:
        adjacency: (K, V', V')
        spread: (V, V') from the joints of the block before; None = the same joints
        inputs, outputs: channels C and D
        frames: T and T'
        norm: of the map; None = none
        skip_norm: of the residual, where it is `conv`; None = none
        residual: `none`, a `conv` of one point, or the `identity`, for which C = D
        upsampling, padding: as in `kinetic.nn.graph.Resize` and `TemporalConv`
        activation: of the sum of map, residual and stochastic input
    """

    def __init__(
        self,
        adjacency: np.ndarray,
        spread: np.ndarray | None,
        inputs: int,
        outputs: int,
        frames: tuple[int, int],
        *,
        norm: Callable[[int], nn.Module] | None,
        skip_norm: Callable[[int], nn.Module] | None,
        residual: Literal["none", "conv", "identity"],
        upsampling: Literal["nearest", "linear"],
        padding: Literal["zeros", "edge"],
        activation: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.graph = GraphConv(adjacency, inputs, outputs, spread=spread)
        self.resize = Resize(*frames, kind=upsampling)
        self.time = TemporalConv(outputs, outputs, padding=padding)
        self.norm = norm(outputs) if norm is not None else None
        self.spread = JointMap(spread) if spread is not None else None
        self.residual = residual
        self.skip = PointConv(inputs, outputs) if residual == "conv" else None
        self.skip_norm = skip_norm(outputs) if residual == "conv" and skip_norm is not None else None
        self.noise = nn.Parameter(torch.zeros(outputs))
        self.activation = activation

    def _skip(self, x: Tensor) -> Tensor:
        if self.skip is not None:
            x = functional.linear(x, self.skip.weight)
        if self.spread is not None:
            x = self.spread(x)
        x = self.resize(x)
        if self.skip is not None:
            x = x + self.skip.bias
        return x if self.skip_norm is None else self.skip_norm(x)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        y = self.time(self.resize(self.graph(x)))  # (V', N, T', D)
        if self.norm is not None:
            y = self.norm(y)
        if self.residual != "none":
            y = y + self._skip(x)
        return self.activation(y + self.noise * to_joints_first(noise))


class DownBlock(nn.Module):
    """One block of the critic: (V, N, T, C) -> (V', N, T', D), computed only at surviving joints and frames.

    Args:
        adjacency: (K, V, V)
        keep: (V, V'), the joints that survive; None = all
        inputs, outputs: channels C and D, without the constant ones
        frames: T and T'
        residual: `none`, a `conv` of one point, or the `identity`, for which C = D
        noise: for the map, if joints are dropped
        constant: further input channels, the same at every joint and frame; `forward` takes them as (N, constant)
    """

    def __init__(
        self,
        adjacency: np.ndarray,
        keep: np.ndarray | None,
        inputs: int,
        outputs: int,
        frames: tuple[int, int],
        *,
        residual: Literal["none", "conv", "identity"],
        noise: GaussianNoise,
        constant: int = 0,
    ) -> None:
        super().__init__()
        self.graph = GraphConv(adjacency, inputs, outputs, select=keep, constant=constant)
        self.time = TemporalConv(outputs, outputs)
        self.residual = residual
        self.skip = PointConv(inputs, outputs) if residual == "conv" else None
        self.noise = noise if keep is not None else None
        self.frames = frames[1]
        self.stride = stride(*frames)
        self.keep: list[int] | None = None if keep is None else keep.argmax(axis=0).tolist()

    def forward(self, x: Tensor, constant: Tensor | None = None) -> Tensor:
        y = self.time(self.graph(x, constant), self.frames)  # (V', N, T', D)
        if self.residual != "none":
            skip = x[:, :, :: self.stride]
            if self.keep is not None:
                skip = skip[self.keep]
            y = y + (skip if self.skip is None else self.skip(skip))
        if self.noise is not None:
            y = self.noise(y)
        return functional.leaky_relu(y, SLOPE, inplace=self.residual != "none")
