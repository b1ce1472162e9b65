"""Generator and critic of Kinetic-GAN: spatio-temporal graph convolutions up and down a skeleton pyramid.

The architecture is that of Degardin et al., "Generative Adversarial Graph Convolutional Networks for Human Action
Synthesis" (WACV 2022); the formulation is our own and computes the same function with a third of the multiplications.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinetic.nn.blocks import NORMS, SLOPE, DownBlock, UpBlock
from kinetic.nn.graph import from_joints_first, to_joints_first
from kinetic.nn.noise import GaussianNoise, LabelEmbedding
from kinetic.nn.pooling import mean_pool
from kinetic.settings.experiment import DataConfig
from kinetic.settings.kinetic_gan import CriticConfig, GeneratorConfig
from kinetic.skeleton import Skeleton, SkeletonPyramid

__all__ = ["Critic", "Generator", "MappingNetwork"]


def _same(a: Tensor, b: Tensor) -> bool:
    return a.device == b.device and a.dtype == b.dtype and torch.equal(a, b)


def _checked_label(label: Tensor, n: int, classes: int) -> Tensor:
    if label.shape != (n,) or label.is_floating_point():
        raise ValueError(f"expected {n} integer labels, got shape {tuple(label.shape)} of {label.dtype}")
    if torch.compiler.is_compiling() or label.device.type != "cpu":
        return label  # a check would make a GPU wait; the embedding itself refuses labels out of range
    if n and not (0 <= int(label.min()) and int(label.max()) < classes):
        raise ValueError(f"labels lie between 0 and {classes - 1}, got {int(label.min())} to {int(label.max())}")
    return label


class MappingNetwork(nn.Module):
    """z and label embedding to w: (N, width) -> (N, width), `depth` x (linear, LeakyReLU).

    `published` starts from weights N(0, 1) and zero biases, so that activations grow about 24-fold per layer at width
    572. `equalized` scales each such layer by sqrt(2 / (1 + slope^2) / width) when it runs (Karras et al. 2018, 4.1),
    so that activations keep their size and every weight learns at the same pace.
    """

    def __init__(self, width: int, depth: int, *, start: Literal["published", "equalized"] = "published") -> None:
        super().__init__()
        if start not in ("published", "equalized"):
            raise ValueError(f"start must be published or equalized, got {start!r}")
        self.start = start
        self.gain = math.sqrt(2 / (1 + SLOPE**2) / width) if start == "equalized" else 1.0
        self.weights = nn.ParameterList([torch.randn(width, width) for _ in range(depth)])
        self.biases = nn.ParameterList([torch.zeros(width) for _ in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = functional.leaky_relu(functional.linear(x, weight * self.gain, bias), SLOPE)
        return x

    def extra_repr(self) -> str:
        return f"width={len(self.biases[0])}, depth={len(self.weights)}, start={self.start!r}"


def _partitions(skeleton: Skeleton, partition: str) -> np.ndarray:
    if partition not in ("published", "full"):
        raise ValueError(f"partition must be published or full, got {partition!r}")
    return skeleton.partitions(reach=1 if partition == "published" else None)


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)


def _identity(x: Tensor) -> Tensor:
    return x


class Generator(nn.Module):
    """Latent vectors and action labels to motions: (N, Z), (N,) -> (N, C, T, V).

    Args:
        pyramid: the skeleton at four resolutions, the last of them one joint
        classes: number of actions
        frames: T, a multiple of 16 from 16 to 1024
        channels: coordinates per joint, 2 or 3
        latent: Z
        mapping_depth: linear layers of the mapping network
        mapping: its start, `published` or `equalized` (which also brings z and label embedding to unit size)
        widths: channels after blocks 0 to 4
        last_width: channels after block 5; None = `channels`, as published, a bottleneck of 3 numbers per joint
        label_width: width of the label embedding; None = `classes`, as published
        upsampling: `nearest` (published) or `linear` in time
        padding: what convolutions see beyond the first and last frame: `zeros` (published), or from block 4 on copies
            of these frames (`edge`); in earlier blocks only the zeros distinguish one frame from another
        output: `tanh` (published) or `linear`
        norm: `batch` (published) or `pixel`, which does not depend on other motions (Karras et al. 2018, 4.2)
        partition: `published` groups joints by distances known up to one hop, `full` by true distances
        halved_top: halve the mean of the neighbours where one joint becomes several (published)

    With a `scaler` attached, `sample` returns metres. Outputs agree with those of the published networks to 1e-5.
    """

    def __init__(
        self,
        pyramid: SkeletonPyramid,
        *,
        classes: int,
        frames: int = DataConfig.frames,
        channels: int = 3,
        latent: int = GeneratorConfig.latent,
        mapping_depth: int = GeneratorConfig.mapping_depth,
        mapping: Literal["published", "equalized"] = GeneratorConfig.mapping,
        widths: Sequence[int] = GeneratorConfig.widths,
        last_width: int | None = GeneratorConfig.last_width,
        label_width: int | None = GeneratorConfig.label_width,
        upsampling: Literal["nearest", "linear"] = GeneratorConfig.upsampling,
        padding: Literal["zeros", "edge"] = GeneratorConfig.padding,
        output: Literal["tanh", "linear"] = GeneratorConfig.output,
        norm: Literal["batch", "pixel"] = GeneratorConfig.norm,
        partition: Literal["published", "full"] = GeneratorConfig.partition,
        halved_top: bool = GeneratorConfig.halved_top,
    ) -> None:
        super().__init__()
        _check_sizes(pyramid, classes=classes, frames=frames, channels=channels)
        if output not in ("tanh", "linear"):
            raise ValueError(f"output must be tanh or linear, got {output!r}")
        if norm not in NORMS:
            raise ValueError(f"norm must be batch or pixel, got {norm!r}")
        if len(widths) != 5:
            raise ValueError(f"widths are the channels after blocks 0 to 4, got {len(widths)} of them")
        self.pyramid = pyramid
        self.classes, self.frames, self.channels, self.latent = classes, frames, channels, latent
        self.partition, self.halved_top, self.upsampling, self.output = partition, halved_top, upsampling, output
        self.norm, self.padding = norm, padding
        self.last_width = last_width or channels
        label_width = classes if label_width is None else label_width
        self.embedding = nn.Embedding(classes, label_width)
        width = label_width + latent
        self.mapping = MappingNetwork(width, mapping_depth, start=mapping)
        levels = (3, 3, 2, 2, 1, 1, 0)
        times = (1, frames // 16, frames // 16, frames // 8, frames // 4, frames // 2, frames)
        sizes = (width, *widths, self.last_width, channels)
        residuals: list[Literal["none", "conv", "identity"]] = ["none", *["conv"] * 5]  # type: ignore[list-item]
        residuals.append("identity" if sizes[6] == channels else "conv")
        adjacency = [_partitions(level, partition) for level in pyramid.levels]
        self.blocks = nn.ModuleList()
        for i, level in enumerate(levels):
            before = levels[max(i - 1, 0)]
            spread = None if before == level else pyramid.up(level, halved=halved_top and level == 2)
            last = i == len(levels) - 1
            self.blocks.append(
                UpBlock(
                    adjacency[level],
                    spread,
                    sizes[i],
                    sizes[i + 1],
                    (times[max(i - 1, 0)], times[i]),
                    norm=NORMS[norm] if i in (1, 3, 5) else None,
                    skip_norm=None if last else NORMS[norm],
                    residual=residuals[i],
                    upsampling=upsampling,
                    padding=padding if i >= 4 else "zeros",
                    activation=_leaky if not last else torch.tanh if output == "tanh" else _identity,
                )
            )
        self.noise_shapes = [(times[i], len(pyramid.levels[level].joints)) for i, level in enumerate(levels)]
        self.scaler: nn.Module | None = None
        self._center: tuple[list[Tensor], Tensor] | None = None

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.embedding.weight.device

    def draw_noise(self, n: int, *, like: Tensor, rng: torch.Generator | None = None) -> list[Tensor]:
        """The stochastic inputs of all blocks: (N, 1, T_i, V_i) each, N(0, 1)."""
        return [
            torch.randn(n, 1, t, v, device=like.device, dtype=like.dtype, generator=rng) for t, v in self.noise_shapes
        ]

    def map(self, z: Tensor, label: Tensor) -> Tensor:
        """(N, Z), (N,) -> w of shape (N, label width + Z)."""
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise ValueError(f"z has shape (N, {self.latent}), got {tuple(z.shape)}")
        vector = self.embedding(_checked_label(label, len(z), self.classes))
        if self.mapping.start == "equalized":
            z = z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
            vector = vector * (vector.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        return self.mapping(torch.cat([vector, z], dim=1))

    def synthesize(self, w: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """w to motions in network coordinates: (N, label width + Z) -> (N, C, T, V)."""
        noise = self.draw_noise(len(w), like=w) if noise is None else noise
        x = w[None, :, None, :]  # (1, N, 1, width)
        for block, block_noise in zip(self.blocks, noise, strict=True):
            x = block(x, block_noise)
        return from_joints_first(x)

    def forward(self, z: Tensor, label: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        return self.synthesize(self.map(z, label), noise)

    def center(self) -> Tensor:
        """The mean of w over 1000 draws, towards which `truncation` pulls: (1, width).

        As published, N(0, 1) replaces the label embedding too. The draws have a fixed seed, and the mean is cached
        until a weight of the mapping changes.
        """
        weights = [p.detach() for p in self.mapping.parameters()]
        if self._center is None or not all(map(_same, weights, self._center[0])):
            like = weights[0]
            rng = torch.Generator().manual_seed(0)
            x = torch.randn(1000, like.shape[1], generator=rng, dtype=like.dtype).to(like.device)
            with torch.no_grad():
                self._center = ([weight.clone() for weight in weights], self.mapping(x).mean(dim=0, keepdim=True))
        return self._center[1]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        label: Tensor | None = None,
        *,
        truncation: float | None = None,
        space: Literal["w", "z"] = "w",
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """n motions in evaluation mode: (n, C, T, V), in metres when a scaler is attached.

        Args:
            label: (n,) action of each; None = every action in turn
            truncation: psi; w becomes center + psi * (w - center), which trades diversity for typicality
            space: where to truncate; the centre of z is 0
            generator: source of all randomness, on the device of the weights; None = the global one
        """
        if space not in ("w", "z"):
            raise ValueError(f"space must be w or z, got {space!r}")
        like = self.embedding.weight
        label = torch.arange(n, device=like.device) % self.classes if label is None else label.to(like.device)
        training = self.training
        self.eval()
        try:
            z = torch.randn(n, self.latent, device=like.device, dtype=like.dtype, generator=generator)
            if truncation is not None and space == "z":
                z = truncation * z
            w = self.map(z, label)
            if truncation is not None and space == "w":
                w = torch.lerp(self.center(), w, truncation)
            motion = self.synthesize(w, self.draw_noise(n, like=w, rng=generator))
        finally:
            self.train(training)
        return motion if self.scaler is None else self.scaler.inverse(motion)  # type: ignore[operator]


class Critic(nn.Module):
    """Motions and action labels to one score each: (N, C, T, V), (N,) -> (N,).

    Args:
        pyramid, classes, frames, channels, partition: as in `Generator`
        widths: channels after blocks 0 to 5
        label: `paint` puts the label embedding before the motion as constant channels (published); `project` adds the
            inner product of the last features with the label embedding, over the square root of its width (Miyato and
            Koyama 2018, eq. 3)
        label_width: width of the painted embedding; None = `classes`, as published
        features: further inputs beside the positions: `velocity` (difference to the frame before) and `bone` (vector
            from the parent joint)
        pooling: (N, C, T, V) -> (N, C)
        input_noise: noise on the map after each joint down-sampling; None = none
        label_smoothing: standard deviation of the noise on the label embedding
    """

    parents: Tensor

    def __init__(
        self,
        pyramid: SkeletonPyramid,
        *,
        classes: int,
        frames: int = DataConfig.frames,
        channels: int = 3,
        widths: Sequence[int] = CriticConfig.widths,
        label: Literal["paint", "project"] = CriticConfig.label,
        label_width: int | None = CriticConfig.label_width,
        features: Sequence[Literal["velocity", "bone"]] = CriticConfig.features,
        pooling: Callable[[Tensor], Tensor] = mean_pool,
        input_noise: GaussianNoise | None = None,
        label_smoothing: float = CriticConfig.label_smoothing,
        partition: Literal["published", "full"] = CriticConfig.partition,
    ) -> None:
        super().__init__()
        _check_sizes(pyramid, classes=classes, frames=frames, channels=channels)
        if label not in ("paint", "project"):
            raise ValueError(f"label must be paint or project, got {label!r}")
        if unknown := set(features) - {"velocity", "bone"}:
            raise ValueError(f"features are velocity and bone, got {', '.join(sorted(unknown))}")
        if len(widths) != 6:
            raise ValueError(f"widths are the channels after blocks 0 to 5, got {len(widths)} of them")
        self.pyramid = pyramid
        self.classes, self.frames, self.channels = classes, frames, channels
        self.painted, self.features, self.pooling = label == "paint", tuple(features), pooling
        self.partition = partition
        label_width = classes if label_width is None else label_width
        self.embedding = LabelEmbedding(classes, label_width if self.painted else widths[-1], smoothing=label_smoothing)
        parents = np.eye(len(pyramid.levels[0].joints), dtype=np.float32)
        for joint, parent in enumerate(pyramid.levels[0].parents()):
            parents[parent if parent >= 0 else joint, joint] -= 1
        self.register_buffer("parents", torch.from_numpy(parents), persistent=False)
        self.input_noise = GaussianNoise() if input_noise is None else input_noise
        levels = (0, 1, 1, 2, 2, 3)
        times = (frames, frames, frames, frames // 2, frames // 4, frames // 8, frames // 16)
        sizes = (channels * (1 + len(self.features)), *widths)
        residuals: list[Literal["none", "conv", "identity"]] = ["none", *["conv"] * 4, "identity"]  # type: ignore[list-item]
        if widths[4] != widths[5]:
            raise ValueError(f"the last two widths must be equal, got {widths[4]} and {widths[5]}")
        adjacency = [_partitions(level, partition) for level in pyramid.levels]
        self.blocks = nn.ModuleList(
            DownBlock(
                adjacency[level],
                pyramid.down(level) if i in (0, 2, 4) else None,
                sizes[i],
                sizes[i + 1],
                (times[i], times[i + 1]),
                residual=residuals[i],
                noise=self.input_noise,
                constant=label_width if self.painted and i == 0 else 0,
            )
            for i, level in enumerate(levels)
        )
        self.score = nn.Linear(widths[-1], 1)

    def _inputs(self, x: Tensor) -> Tensor:
        """Positions with the further inputs: (V, N, T, C) -> (V, N, T, C')."""
        inputs = [x]
        if "velocity" in self.features:
            inputs.append(functional.pad(x[:, :, 1:] - x[:, :, :-1], (0, 0, 1, 0)))
        if "bone" in self.features:
            v = len(x)
            inputs.append((self.parents.T @ x.reshape(v, -1)).view_as(x))
        return torch.cat(inputs, dim=-1) if len(inputs) > 1 else x

    def forward(self, motion: Tensor, label: Tensor) -> Tensor:
        label = _checked_label(label, len(motion), self.classes)
        if self.painted:
            return self.score(self._pooled(motion, self.embedding(label))).squeeze(1)
        return self.judge(self.observe(motion), label)

    def observe(self, motion: Tensor) -> Tensor:
        """Features of motions that do not depend on a label, for `judge`: (N, C, T, V) -> (N, D).

        Raises:
            ValueError: for a critic that paints labels on the motions, whose features depend on them
        """
        if self.painted:
            raise ValueError("a critic with painted labels has no features without a label; use label='project'")
        return self._pooled(motion)

    def judge(self, features: Tensor, label: Tensor) -> Tensor:
        """Scores of motions under labels, from the features of `observe`: (N, D), (N,) -> (N,)."""
        vector = self.embedding(_checked_label(label, len(features), self.classes))
        return self.score(features).squeeze(1) + (features * vector).sum(dim=1) / vector.shape[1] ** 0.5

    def _pooled(self, motion: Tensor, paint: Tensor | None = None) -> Tensor:
        self._check(motion)
        x = self._inputs(to_joints_first(motion))
        for i, block in enumerate(self.blocks):
            x = block(x, paint) if i == 0 else block(x)
        return self.pooling(from_joints_first(x))  # (N, D)

    def _check(self, motion: Tensor) -> None:
        expected = (self.channels, self.frames, len(self.parents))
        if motion.ndim != 4 or tuple(motion.shape[1:]) != expected:
            raise ValueError(
                f"this critic scores motions (N, {expected[0]}, {expected[1]}, {expected[2]}) as (N, C, T, V), "
                f"got {tuple(motion.shape)}"
            )


def _check_sizes(pyramid: SkeletonPyramid, *, classes: int, frames: int, channels: int) -> None:
    if len(pyramid.levels) != 4 or len(pyramid.levels[3].joints) != 1:
        raise ValueError(
            "a pyramid of four levels that ends in one joint is needed, got levels of "
            f"{[len(level.joints) for level in pyramid.levels]} joints"
        )
    if classes < 1:
        raise ValueError(f"classes must be at least 1, got {classes}")
    if not 16 <= frames <= 1024 or frames % 16:
        raise ValueError(f"frames must be a multiple of 16 between 16 and 1024, got {frames}")
    if channels not in (2, 3):
        raise ValueError(f"channels must be 2 or 3, got {channels}")
