"""The recognition network: a small ST-GCN that names the action of a motion, and whose features feed the metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn import functional

from kinetic.models.tensors import weights_hash
from kinetic.nn.graph import BatchNorm, GraphConv, PointConv, TemporalConv
from kinetic.settings.encoder import EncoderConfig
from kinetic.settings.experiment import DataConfig
from kinetic.skeleton import Skeleton

__all__ = ["Encoder"]


class _Block(nn.Module):
    """Graph convolution, then convolution over frames, around a residual: (V, N, T, C) -> (V, N, T', D)."""

    def __init__(self, adjacency: np.ndarray, inputs: int, outputs: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.graph = GraphConv(adjacency, inputs, outputs)
        self.graph_norm = BatchNorm(outputs)
        self.time = TemporalConv(outputs, outputs, kernel=kernel, bias=False)
        self.time_norm = BatchNorm(outputs)
        self.skip = PointConv(inputs, outputs) if inputs != outputs else None
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.graph_norm(self.graph(x)))
        y = self.time_norm(self.time(y, x.shape[2] // self.stride))
        skip = x[:, :, :: self.stride]
        return functional.relu(y + (skip if self.skip is None else self.skip(skip)))


class Encoder(nn.Module):
    """Motions in metres to class scores: (N, C, T, V) -> (N, classes); `features` stops before the last layer.

    It normalises its input: the centre joint of the first frame becomes the origin and, with `facing`, the person is
    turned about the vertical so that left and right limbs meet the trunk along x. So features do not depend on where a
    person stands or, with `facing`, looks. Inputs are positions, bone vectors and velocities. After Yan et al.,
    "Spatial Temporal Graph Convolutional Networks" (AAAI 2018), with fewer and narrower blocks.

    Use it in `eval()` mode, in which a motion's features do not depend on other motions.

    Args:
        skeleton: of the motions; `facing` needs its left and right joints
        classes: number of actions
        frames: T, divisible by 2 once and once more for every block that widens
        channels: C, a check: it must be that of the skeleton; None = no check
        widths: channels of the blocks; a block with more than the one before halves the frames
        dropout: share of the features that is hidden while training
        kernel: frames of a convolution over time
        facing: turn all persons the same way; needs three coordinates

    Raises:
        ValueError: for a skeleton, frames or widths that do not fit, and motions of another shape than built for
    """

    kind = "st-gcn encoder"
    """The name of such networks in labels of scores."""

    parents: Tensor
    across: Tensor

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        classes: int,
        frames: int = DataConfig.frames,
        channels: int | None = None,
        widths: Sequence[int] = EncoderConfig.widths,
        dropout: float = EncoderConfig.dropout,
        kernel: int = 5,
        facing: bool = EncoderConfig.facing,
    ) -> None:
        super().__init__()
        if classes < 2 or not widths or min(widths) < 1:
            raise ValueError(
                f"an encoder needs two classes and a width, got {classes} classes and widths {list(widths)}"
            )
        if channels not in (None, skeleton.channels):
            raise ValueError(f"the skeleton has {skeleton.channels} coordinates per joint, got channels={channels}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, got {kernel}")
        if facing and (skeleton.channels != 3 or not skeleton.left or not skeleton.right):
            raise ValueError("facing needs a skeleton with three coordinates and with left and right joints")
        self.skeleton = skeleton
        self.classes, self.frames, self.channels = classes, frames, skeleton.channels
        self.widths, self.width = tuple(widths), widths[-1]
        self.facing = facing
        joints = len(skeleton.joints)
        parents = torch.from_numpy(skeleton.parents().copy())
        parents[skeleton.center] = skeleton.center
        self.register_buffer("parents", parents, persistent=False)
        self.register_buffer("across", torch.as_tensor(_across(skeleton), dtype=torch.float32), persistent=False)
        if frames % 2:
            raise ValueError(f"frames are taken in pairs, got {frames} of them")
        frames //= 2
        inputs = 6 * skeleton.channels
        self.norm = nn.BatchNorm1d(inputs * joints)
        adjacency = skeleton.partitions()
        blocks: list[nn.Module] = []
        for before, width in zip((inputs, *widths), widths, strict=False):
            stride = 2 if width > before and blocks else 1
            if frames % stride:
                raise ValueError(f"{self.frames} frames cannot be halved at every block that widens: {list(widths)}")
            frames //= stride
            blocks.append(_Block(adjacency, before, width, kernel=kernel, stride=stride))
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.width, classes)

    def normalise(self, motion: Tensor) -> Tensor:
        """Origin at the centre joint of the first frame and, with `facing`, turned the same way: same shape."""
        motion = motion - motion[:, :, :1, self.skeleton.center, None]
        if not self.facing:
            return motion
        x, _, z = (motion[:, :, 0] @ self.across).unbind(dim=1)  # from right to left: (N,) each
        length = torch.hypot(x, z).clamp(min=1e-6)
        cosine, sine = (x / length)[:, None, None], (z / length)[:, None, None]
        x, y, z = motion.unbind(dim=1)
        return torch.stack([cosine * x + sine * z, y, cosine * z - sine * x], dim=1)

    def _inputs(self, motion: Tensor) -> Tensor:
        """Positions, bones and velocities of frames in pairs, all normalised: (N, C, T, V) -> (V, N, T / 2, 6 C)."""
        position = self.normalise(motion)
        bone = position - position[..., self.parents]
        velocity = functional.pad(position[:, :, 1:] - position[:, :, :-1], (0, 0, 0, 1))
        x = torch.cat([position, bone, velocity], dim=1)
        x = self.norm(rearrange(x, "n c (t pair) v -> n (v pair c) t", pair=2))
        return rearrange(x, "n (v c) t -> v n t c", v=motion.shape[3]).contiguous()

    def features(self, motion: Tensor) -> Tensor:
        """(N, C, T, V) in metres -> (N, D)."""
        expected = (self.channels, self.frames, len(self.skeleton.joints))
        if motion.ndim != 4 or tuple(motion.shape[1:]) != expected:
            raise ValueError(
                f"this encoder was built for motions (N, {', '.join(map(str, expected))}) in axes "
                f"(N, C, T, V), got shape {tuple(motion.shape)}"
            )
        return reduce(self.blocks(self._inputs(motion)), "v n t d -> n d", "mean")

    def forward(self, motion: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(motion)))

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with any weight or statistic, and with `facing`."""
        digits = weights_hash(self)
        return hashlib.sha256(f"{digits} facing".encode()).hexdigest()[:12] if self.facing else digits

    def extra_repr(self) -> str:
        return f"classes={self.classes}, frames={self.frames}, widths={self.widths}, facing={self.facing}"


def _across(skeleton: Skeleton) -> np.ndarray:
    """Weights over joints whose sum is the vector from the right to the left of the trunk: (V,).

    The joints are those where limbs meet the trunk: shoulders and hips.
    """
    weights = np.zeros(len(skeleton.joints))
    parents = skeleton.parents()
    for sign, side in ((1, skeleton.left), (-1, skeleton.right)):
        roots = [joint for joint in side if skeleton.side(parents[joint]) == "middle"]
        weights[roots] = sign / max(1, len(roots))
    return weights
