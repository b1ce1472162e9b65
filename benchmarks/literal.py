"""The published formulation of Kinetic-GAN, written out literally: every speed-up here is measured against it.

The same functions as `kinetic.models.stgcn`, computed the way the paper and its code describe them: maps are
(N, C, T, V), every channel map is a convolution, the label is painted onto every joint and frame, joints are dropped
and frames thinned only after they were computed, latent vectors pass the mapping network one by one, and the mean that
truncation needs is drawn anew at each call. Weights carry the published names, so that published files load strictly.

This is our own code after Degardin et al., "Generative Adversarial Graph Convolutional Networks for Human Action
Synthesis" (WACV 2022). Where the description leaves a choice, this code takes the cheaper form, so that no speed-up
comes from the choice: missing joints are inserted all at once, and the critic's step does not reach back into the
generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional

from kinetic.skeleton import NTU25, SkeletonPyramid

__all__ = ["Critic", "Generator", "critic_loss", "generator_loss", "gradient_penalty"]

SLOPE = 0.2
"""Slope of every LeakyReLU below zero."""

DRAWS = 1000
"""Draws behind the mean that truncation pulls towards."""


class Mapping(nn.Module):
    """Latent vector to w, one at a time or many: (..., width) -> (..., width)."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for _ in range(depth):
            linear = nn.Linear(width, width)
            nn.init.normal_(linear.weight)
            nn.init.zeros_(linear.bias)
            parts += [linear, nn.LeakyReLU(SLOPE)]
        self.mlp = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


class GraphConv(nn.Module):
    """Channels for all three groups at once, then neighbours: (N, C, T, V) -> (N, D, T, V)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 3 * outputs, 1, bias=False)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        x = rearrange(self.conv(x), "n (k d) t v -> n k d t v", k=3)
        return torch.einsum("nkdtv,kvw->ndtw", x, adjacency)


class Noise(nn.Module):
    """Adds one noise (N, 1, T, V) to every channel, weighted: (N, C, T, V) -> (N, C, T, V)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        return x + self.weight * noise


class GeneratorBlock(nn.Module):
    """Spread joints, repeat frames, graph and temporal convolution, noise: (N, C, T, V) -> (N, D, T', V')."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        frames: int,
        *,
        insert: Callable[[Tensor], Tensor] | None,
        norm: bool,
        residual: str,
        activation: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.frames, self.insert, self.activation = frames, insert, activation
        self.gcn = GraphConv(inputs, outputs)
        tcn: list[nn.Module] = [nn.Conv2d(outputs, outputs, (3, 1), padding=(1, 0))]
        self.tcn = nn.Sequential(*tcn, nn.BatchNorm2d(outputs)) if norm else nn.Sequential(*tcn)
        self.skips = residual != "none"
        if residual == "conv":
            self.residual: nn.Module = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))
        else:
            self.residual = nn.Identity()
        self.noise = Noise(outputs)

    def forward(self, x: Tensor, adjacency: Tensor, noise: Tensor | None) -> Tensor:
        if self.insert is not None:
            x = self.insert(x)  # (N, C, T, V')
        x = functional.interpolate(x, size=(self.frames, x.shape[3]))  # (N, C, T', V')
        y = self.tcn(self.gcn(x, adjacency))
        if self.skips:
            y = y + self.residual(x)
        if noise is None:
            noise = torch.randn(len(y), 1, *y.shape[2:], device=y.device, dtype=y.dtype)
        return self.activation(self.noise(y, noise))


class CriticBlock(nn.Module):
    """Graph and temporal convolution, then drop joints and frames: (N, C, T, V) -> (N, D, T', V')."""

    def __init__(self, inputs: int, outputs: int, frames: int, *, keep: Sequence[int] | None, residual: str) -> None:
        super().__init__()
        self.frames, self.keep = frames, keep
        self.gcn = GraphConv(inputs, outputs)
        self.tcn = nn.Conv2d(outputs, outputs, (3, 1), padding=(1, 0))
        self.skips = residual != "none"
        self.residual: nn.Module = nn.Conv2d(inputs, outputs, 1) if residual == "conv" else nn.Identity()

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        y = self.tcn(self.gcn(x, adjacency))
        if self.skips:
            y = y + self.residual(x)
        if self.keep is not None:
            y = y[..., self.keep]  # (N, D, T, V')
        y = functional.interpolate(y, size=(self.frames, y.shape[3]))  # (N, D, T', V')
        return functional.leaky_relu(y, SLOPE)


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)


def _survivors(pyramid: SkeletonPyramid, level: int) -> list[int]:
    """The joints of a level that are in the next one."""
    return [pyramid.keep[level].index(joint) for joint in pyramid.keep[level + 1]]


def _inserter(pyramid: SkeletonPyramid, level: int) -> Callable[[Tensor], Tensor]:
    """A function that maps features to a level: kept joints stay, a missing joint is the mean of its kept neighbours.

    Where one joint becomes several, that mean is halved.
    """
    skeleton, kept = pyramid.levels[level], _survivors(pyramid, level)
    share = 0.5 if len(kept) == 1 else 1.0
    sources: list[list[int]] = []
    for joint in range(len(skeleton.joints)):
        others = {a + b - joint for a, b in skeleton.bones if joint in (a, b)}
        sources.append([kept.index(other) for other in sorted(others) if other in kept])

    def insert(x: Tensor) -> Tensor:
        columns = [
            x[..., kept.index(joint)] if joint in kept else share * x[..., near].mean(dim=-1)
            for joint, near in enumerate(sources)
        ]
        return torch.stack(columns, dim=-1)

    return insert


class _Buffers(nn.Module):
    """A list of tensors that follow their module to its device and precision, but are no weights."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        for i, tensor in enumerate(tensors):
            self.register_buffer(str(i), tensor, persistent=False)

    def __getitem__(self, i: int) -> Tensor:
        return self.get_buffer(str(i))

    def __iter__(self) -> Iterator[Tensor]:
        return self.buffers()


def _adjacency(pyramid: SkeletonPyramid, levels: Sequence[int]) -> _Buffers:
    """The partitions of the level of each block: (3, V, V) each."""
    return _Buffers([torch.as_tensor(pyramid.levels[i].partitions(reach=1), dtype=torch.float32) for i in levels])


class Generator(nn.Module):
    """(N, Z), (N,) -> (N, C, T, V), as published."""

    def __init__(
        self,
        pyramid: SkeletonPyramid | None = None,
        *,
        classes: int = 60,
        frames: int = 64,
        channels: int = 3,
        latent: int = 512,
        mapping_depth: int = 4,
        widths: Sequence[int] = (512, 256, 128, 64, 32),
    ) -> None:
        super().__init__()
        pyramid = SkeletonPyramid.of(NTU25) if pyramid is None else pyramid
        self.latent = latent
        levels = (3, 3, 2, 2, 1, 1, 0)
        times = (1, frames // 16, frames // 16, frames // 8, frames // 4, frames // 2, frames)
        sizes = (classes + latent, *widths, channels, channels)
        self.label_emb = nn.Embedding(classes, classes)
        self.mlp = Mapping(classes + latent, mapping_depth)
        self.st_gcn_networks = nn.ModuleList()
        for i, level in enumerate(levels):
            climbs = i > 0 and levels[i - 1] != level
            self.st_gcn_networks.append(
                GeneratorBlock(
                    sizes[i],
                    sizes[i + 1],
                    times[i],
                    insert=_inserter(pyramid, level) if climbs else None,
                    norm=i in (1, 3, 5),
                    residual=("none", "conv", "conv", "conv", "conv", "conv", "identity")[i],
                    activation=torch.tanh if i == 6 else _leaky,
                )
            )
        self.adjacency = _adjacency(pyramid, levels)
        self.edge_importance = nn.ParameterList([torch.ones_like(a) for a in self.adjacency])

    def map(self, x: Tensor) -> Tensor:
        """Label embedding and z to w, vector by vector: (N, width) -> (N, width)."""
        return torch.stack([self.mlp(vector) for vector in x])

    def mean(self) -> Tensor:
        """The mean of w over fresh draws, in which noise stands for the label embedding too: (width,)."""
        width = self.label_emb.embedding_dim + self.latent
        like = self.label_emb.weight
        return self.map(torch.randn(DRAWS, width, device=like.device, dtype=like.dtype)).mean(dim=0)

    def forward(
        self, z: Tensor, label: Tensor, noise: Sequence[Tensor] | None = None, *, truncation: float | None = None
    ) -> Tensor:
        w = self.map(torch.cat([self.label_emb(label), z], dim=1))  # (N, width)
        if truncation is not None:
            mean = self.mean()
            w = mean + truncation * (w - mean)
        x = w[:, :, None, None]  # (N, width, 1, 1)
        for i, block in enumerate(self.st_gcn_networks):
            x = block(x, self.adjacency[i] * self.edge_importance[i], None if noise is None else noise[i])
        return x


class Critic(nn.Module):
    """(N, C, T, V), (N,) -> (N, 1), as published."""

    def __init__(
        self,
        pyramid: SkeletonPyramid | None = None,
        *,
        classes: int = 60,
        frames: int = 64,
        channels: int = 3,
        widths: Sequence[int] = (32, 64, 128, 256, 512, 512),
    ) -> None:
        super().__init__()
        pyramid = SkeletonPyramid.of(NTU25) if pyramid is None else pyramid
        levels = (0, 1, 1, 2, 2, 3)
        times = (frames, frames, frames // 2, frames // 4, frames // 8, frames // 16)
        sizes = (classes + channels, *widths)
        self.label_emb = nn.Embedding(classes, classes)
        self.st_gcn_networks = nn.ModuleList(
            CriticBlock(
                sizes[i],
                sizes[i + 1],
                times[i],
                keep=_survivors(pyramid, level) if i in (0, 2, 4) else None,
                residual=("none", "conv", "conv", "conv", "conv", "identity")[i],
            )
            for i, level in enumerate(levels)
        )
        self.adjacency = _adjacency(pyramid, levels)
        self.edge_importance = nn.ParameterList([torch.ones_like(a) for a in self.adjacency])
        self.fcn = nn.Linear(widths[-1], 1)

    def forward(self, motion: Tensor, label: Tensor) -> Tensor:
        _, _, t, v = motion.shape
        painted = repeat(self.label_emb(label), "n c -> n c t v", t=t, v=v)
        x = torch.cat([painted, motion], dim=1)  # (N, classes + C, T, V)
        for i, block in enumerate(self.st_gcn_networks):
            x = block(x, self.adjacency[i] * self.edge_importance[i])
        x = functional.avg_pool2d(x, x.shape[2:])  # (N, D, 1, 1)
        return self.fcn(x.flatten(1))


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, label: Tensor, alpha: Tensor) -> Tensor:
    """Squared gap between 1 and the critic's slope between real and fake; alpha (N, 1, 1, 1) is the share of real."""
    between = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    score = critic(between, label)
    (slope,) = torch.autograd.grad(
        score, between, grad_outputs=torch.ones_like(score), create_graph=True, retain_graph=True
    )
    return ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


def critic_loss(
    critic: Critic, real: Tensor, fake: Tensor, label: Tensor, alpha: Tensor, *, penalty: float = 10.0
) -> Tensor:
    """The loss of a critic step; the critic runs three times: on reals, on fakes and between them."""
    fake = fake.detach()
    real_score, fake_score = critic(real, label), critic(fake, label)
    return fake_score.mean() - real_score.mean() + penalty * gradient_penalty(critic, real, fake, label, alpha)


def generator_loss(critic: Critic, fake: Tensor, label: Tensor) -> Tensor:
    """The loss of a generator step."""
    return -critic(fake, label).mean()
