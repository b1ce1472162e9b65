"""Graph convolution over joints and convolution over time, arranged so that nothing is computed that does not survive.

Inside the networks a map is (V, N, T, C): with joints first, a sum over neighbours is one matrix product with all
motions, frames and channels as columns; with channels last, a sum over channels is one with all else as rows.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "BatchNorm",
    "GraphConv",
    "JointMap",
    "PointConv",
    "Resize",
    "TemporalConv",
    "from_joints_first",
    "to_joints_first",
]


def to_joints_first(motion: Tensor) -> Tensor:
    """(N, C, T, V) -> (V, N, T, C), contiguous."""
    return rearrange(motion, "n c t v -> v n t c").contiguous()


def from_joints_first(x: Tensor) -> Tensor:
    """(V, N, T, C) -> (N, C, T, V), a view."""
    return rearrange(x, "v n t c -> n c t v")


def _joints(matrix: Tensor, x: Tensor) -> Tensor:
    """Apply a (V, W) matrix to the joints of (V, N, T, C): (W, N, T, C)."""
    _, n, t, c = x.shape
    return (matrix.T @ x.reshape(len(x), -1)).view(-1, n, t, c)


def _uniform(tensor: Tensor, fan_in: int) -> nn.Parameter:
    """A parameter from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as torch starts its convolutions."""
    bound = 1 / math.sqrt(fan_in)
    return nn.Parameter(tensor.uniform_(-bound, bound))


class JointMap(nn.Module):
    """A fixed linear map over joints: (V, N, T, C) -> (W, N, T, C)."""

    matrix: Tensor

    def __init__(self, matrix: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.as_tensor(matrix, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return _joints(self.matrix, x)

    def extra_repr(self) -> str:
        return f"{self.matrix.shape[0]} -> {self.matrix.shape[1]}"


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation over joints, motions and frames: (V, N, T, C) -> (V, N, T, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, 2)).view_as(x)


class PointConv(nn.Module):
    """A linear map of the channels at every joint and frame: (V, N, T, C) -> (V, N, T, D)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = _uniform(torch.empty(outputs, inputs), inputs)
        self.bias = _uniform(torch.empty(outputs), inputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]} -> {self.weight.shape[0]}"


class GraphConv(nn.Module):
    """Graph convolution with one weight per neighbour group: (V, N, T, C) -> (W, N, T, D).

    y = sum over groups k of (A_k * importance_k)^T x W_k^T, no bias (Yan et al. 2018, eq. 10). Joints may be spread
    before (V -> V') and selected after (V' -> W); both are folded into A, so only joints that survive are computed.
    Channels are transformed before or after the joints, whichever is cheaper. Groups without an edge cost nothing;
    their weights exist, since published weight files hold them.

    Args:
        adjacency: (K, V', V')
        inputs, outputs: channels
        spread: (V, V') applied to the joints before; None = none
        select: (V', W) applied after; None = none
        constant: further input channels, placed before the others, that are the same at every joint and frame of a
            motion; `forward` takes them as (N, constant)
    """

    adjacency: Tensor
    spread: Tensor | None
    select: Tensor | None

    def __init__(
        self,
        adjacency: np.ndarray,
        inputs: int,
        outputs: int,
        *,
        spread: np.ndarray | None = None,
        select: np.ndarray | None = None,
        constant: int = 0,
    ) -> None:
        super().__init__()
        groups, joints, _ = adjacency.shape
        self.inputs, self.outputs, self.constant = inputs, outputs, constant
        self.groups = [k for k in range(groups) if adjacency[k].any()]
        self.weight = _uniform(torch.empty(groups, outputs, constant + inputs), constant + inputs)
        self.importance = nn.Parameter(torch.ones(groups, joints, joints))
        for name, value in (("adjacency", adjacency), ("spread", spread), ("select", select)):
            tensor = None if value is None else torch.as_tensor(value, dtype=torch.float32)
            self.register_buffer(name, tensor, persistent=False)
        before = joints if spread is None else len(spread)
        after = joints if select is None else select.shape[1]
        channels_first = before * inputs * outputs + before * after * outputs
        joints_first = before * after * inputs + after * inputs * outputs
        self.channels_first = channels_first < joints_first
        self.joints = (before, after)

    def maps(self) -> Tensor:
        """The weighted adjacency of the groups that have edges, spread and selected: (K', V, W)."""
        maps = (self.adjacency * self.importance)[self.groups]
        if self.spread is not None:
            maps = self.spread @ maps
        return maps if self.select is None else maps @ self.select

    def forward(self, x: Tensor, constant: Tensor | None = None) -> Tensor:
        v, n, t, _ = x.shape
        maps = self.maps()
        weight = self.weight[self.groups]  # (K', D, constant + C)
        varying = weight[:, :, self.constant :]
        k, d, c = varying.shape
        # one product over joints, one over channels, and between them a copy that brings their operands side by side
        if self.channels_first:
            y = x @ rearrange(varying, "k d c -> c (k d)")
            y = rearrange(y, "v n t (k d) -> (k v) (n t d)", k=k)
            y = rearrange(maps, "k v w -> w (k v)") @ y
        else:
            y = rearrange(maps, "k v w -> (k w) v") @ x.reshape(v, -1)
            y = rearrange(y, "(k w) (m c) -> (w m) (k c)", k=k, c=c)
            y = y @ rearrange(varying, "k d c -> (k c) d")
        y = y.view(-1, n, t, d)  # (W, N, T, D)
        if constant is not None:
            reach = maps.sum(dim=1)  # (K', W)
            y = y + torch.einsum("nc,kdc,kw->wnd", constant, weight[:, :, : self.constant], reach).unsqueeze(2)
        return y

    def extra_repr(self) -> str:
        constant = f"{self.constant} constant + " if self.constant else ""
        return f"{constant}{self.inputs} -> {self.outputs}, joints {self.joints[0]} -> {self.joints[1]}"


class TemporalConv(nn.Module):
    """Convolution over frames, only at frames that survive: (V, N, T, C) -> (V, N, T', D).

    Of the T results every (T / T')-th is computed, beginning with the first: the same as all of them followed by a
    nearest-neighbour resize to T' frames. Beyond the ends are zeros, or copies of the first and last frame (`edge`).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 3,
        bias: bool = True,
        padding: Literal["zeros", "edge"] = "zeros",
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, got {kernel}")
        if padding not in ("zeros", "edge"):
            raise ValueError(f"padding must be zeros or edge, got {padding!r}")
        self.kernel, self.padding = kernel, padding
        self.weight = _uniform(torch.empty(outputs, inputs, 1, kernel), kernel * inputs)
        self.bias = _uniform(torch.empty(outputs), kernel * inputs) if bias else None

    def forward(self, x: Tensor, frames: int | None = None) -> Tensor:
        v, _, t, _ = x.shape
        step, beyond = (1, stride(t, frames or t)), self.kernel // 2
        if self.padding == "edge":
            x = torch.cat([x[:, :, :1].expand(-1, -1, beyond, -1), x, x[:, :, -1:].expand(-1, -1, beyond, -1)], dim=2)
            beyond = 0
        x = rearrange(x, "v n t c -> (v n) c 1 t")  # a view: channels stay last in memory, which convolutions like best
        y = functional.conv2d(x, self.weight, self.bias, step, (0, beyond))
        return rearrange(y, "(v n) c 1 t -> v n t c", v=v)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]} -> {self.weight.shape[0]}, kernel={self.kernel}, padding={self.padding!r}"


def stride(frames: int, kept: int) -> int:
    """Frames from one kept frame to the next. Raises ValueError when `kept` does not divide `frames`."""
    if kept < 1 or frames % kept:
        raise ValueError(f"{frames} frames cannot be thinned evenly to {kept}")
    return frames // kept


class Resize(nn.Module):
    """More frames, by repeating them or along straight lines between them: (V, N, T, C) -> (V, N, T', C)."""

    matrix: Tensor | None

    def __init__(self, frames: int, to: int, *, kind: Literal["nearest", "linear"] = "nearest") -> None:
        super().__init__()
        self.times = stride(to, frames)
        self.kind = kind
        matrix = None
        if kind == "linear":
            matrix = functional.interpolate(torch.eye(frames)[None], size=to, mode="linear")[0].T.contiguous()
        elif kind != "nearest":
            raise ValueError(f"kind must be nearest or linear, got {kind!r}")
        self.register_buffer("matrix", matrix, persistent=False)  # (T', T)

    def forward(self, x: Tensor) -> Tensor:
        if self.times == 1:
            return x
        return x.repeat_interleave(self.times, dim=2) if self.matrix is None else self.matrix @ x

    def extra_repr(self) -> str:
        return f"x{self.times}, kind={self.kind!r}"
