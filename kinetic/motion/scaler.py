"""The scaler: an affine map between metres and the coordinates that networks see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from kinetic.motion.motion_set import MotionSet
from kinetic.motion.stored import release

__all__ = ["Scaler"]

SMALLEST_STD = 0.05
"""Least standard deviation of a coordinate, as a share of the largest: joints that hardly move are not amplified."""

CHUNK = 512
"""Motions that `fit` reads at a time."""


class Scaler(nn.Module):
    """An affine map between metres and network coordinates: (N, C, T, V) -> (N, C, T, V).

        network = (metres - shift) / scale          metres = network * scale + shift

    `shift` and `scale` are buffers of shape (C, 1, V), so they travel with a checkpoint and follow the module's device
    and dtype. `fit` computes them from motions, which should be the training split and nothing else.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        if shift.ndim != 3 or shift.shape[1] != 1 or shift.shape != scale.shape:
            raise ValueError(
                f"shift and scale need one shape (C, 1, V), got {tuple(shift.shape)} and {tuple(scale.shape)}"
            )
        if not (torch.isfinite(shift).all() and torch.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError("shift must be finite, scale finite and positive")
        self.register_buffer("shift", shift.detach().clone())
        self.register_buffer("scale", scale.detach().clone())

    @classmethod
    def for_shape(cls, channels: int, joints: int) -> Scaler:
        """The map that changes nothing, to load the buffers of another scaler into."""
        return cls(torch.zeros(channels, 1, joints), torch.ones(channels, 1, joints))

    @classmethod
    def fit(
        cls, motion: MotionSet | np.ndarray | Tensor, kind: Literal["minmax", "standard", "none"] = "minmax"
    ) -> Scaler:
        """The map for these motions (N, C, T, V).

        ``minmax`` is one map for all coordinates, from the smallest at -1 to the largest at 1 (published).
        ``standard`` subtracts the mean pose and divides by the standard deviation, both over motions and frames, of
        every channel and joint; a deviation below 5% of the largest is raised to that. ``none`` changes nothing.

        Raises:
            ValueError: for an unknown kind, or motions that are empty, not finite, or all the same
        """
        if isinstance(motion, MotionSet):
            motion = motion.motion
        values = motion.detach().cpu().numpy() if isinstance(motion, Tensor) else motion
        if values.ndim != 4 or not values.size:
            raise ValueError(f"a scaler needs motions (N, C, T, V), got shape {values.shape}")
        if kind not in _KINDS:
            raise ValueError(f"unknown scaling {kind!r}; expected one of: {', '.join(_KINDS)}")
        shift, scale = _KINDS[kind](values)  # (C, V) float64
        if not (np.isfinite(shift).all() and np.isfinite(scale).all()):
            raise ValueError("a scaler needs finite coordinates; MotionSet.check names the motions that are not")
        if not scale.max() > 0:
            raise ValueError("a scaler needs motions that differ, all coordinates here are the same")
        pair = (torch.as_tensor(rearrange(value, "c v -> c 1 v"), dtype=torch.float32) for value in (shift, scale))
        return cls(*pair)

    def forward(self, motion: Tensor) -> Tensor:
        """Metres to network coordinates."""
        self._check(motion)
        return (motion - self.shift) / self.scale

    def inverse(self, motion: Tensor) -> Tensor:
        """Network coordinates to metres."""
        self._check(motion)
        return motion * self.scale + self.shift

    def _check(self, motion: Tensor) -> None:
        channels, _, joints = self.shift.shape
        if motion.ndim != 4 or motion.shape[1] != channels or motion.shape[3] != joints:
            raise ValueError(f"this scaler expects motions (N, {channels}, T, {joints}), got {tuple(motion.shape)}")

    def extra_repr(self) -> str:
        channels, _, joints = self.shift.shape
        return f"channels={channels}, joints={joints}"


def _parts(motion: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(motion), CHUNK):
        yield np.asarray(motion[start : start + CHUNK])
        release(motion)


def _minmax(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.inf, -np.inf
    for part in _parts(motion):  # np.minimum keeps NaN, min() would not
        low, high = float(np.minimum(low, part.min())), float(np.maximum(high, part.max()))
    shape = (motion.shape[1], motion.shape[3])
    return np.full(shape, (high + low) / 2), np.full(shape, (high - low) / 2)


def _standard(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = motion.shape[0] * motion.shape[2]
    mean = sum(part.sum(axis=(0, 2), dtype=np.float64) for part in _parts(motion)) / count  # (C, V)
    square = np.zeros_like(mean)
    for part in _parts(motion):
        square += np.square(part - mean[:, None]).sum(axis=(0, 2))
    std = np.sqrt(square / count)
    return mean, np.maximum(std, SMALLEST_STD * std.max())


def _none(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shape = (motion.shape[1], motion.shape[3])
    return np.zeros(shape), np.ones(shape)


_KINDS = {"minmax": _minmax, "standard": _standard, "none": _none}
