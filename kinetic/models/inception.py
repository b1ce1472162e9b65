"""The image network of the published FID, and motions as pictures for it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from einops import reduce
from torch import Tensor, nn
from torch.nn import functional

from kinetic.metrics.checks import check_finite, check_motion
from kinetic.models.adapter import load_checkpoint_weights
from kinetic.models.tensors import weights_hash

__all__ = ["Inception", "InceptionFeatures", "load_inception"]

FILE = "pt_inception-2015-12-05-6726825d.pth"
PUBLISHED = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""SHA-256 of that file; its name has the first digits."""

LARGEST = 1 << 28
"""Bytes of the largest file that is hashed; the published one has 95,628,359."""

SIZE = 299
"""Height and width of the network's training pictures."""

CHUNK = 16
"""Pictures in one batch."""


class _Conv(nn.Module):
    """Convolution, normalisation, rectifier: (N, C, H, W) -> (N, D, H', W')."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], *, stride: int = 1, padded: bool) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


def _average(x: Tensor) -> Tensor:
    """Mean of 3 x 3 neighbours without those beyond the edge: as in TensorFlow, unlike torchvision."""
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def _largest(x: Tensor) -> Tensor:
    """Largest of 3 x 3 neighbours."""
    return functional.max_pool2d(x, 3, stride=1, padding=1)


def _halve(x: Tensor) -> Tensor:
    """Largest of 3 x 3 neighbours at every second place."""
    return functional.max_pool2d(x, 3, stride=2)


class _Step(NamedTuple):
    """One convolution of a branch: published name, output channels, kernel; `half` = at every second place."""

    name: str
    outputs: int
    height: int = 1
    width: int = 1
    half: bool = False


Branch = Sequence[_Step | tuple[_Step, _Step]]
"""Convolutions one after the other; the last may be a pair side by side, whose outputs are joined."""


class _Mixed(nn.Module):
    """Branches side by side, joined along channels: (N, C, H, W) -> (N, D, H', W').

    The last branch is `pool`, with a convolution of `pooled` channels after it, or without one for None.
    """

    def __init__(
        self, inputs: int, *branches: Branch, pool: Callable[[Tensor], Tensor], pooled: int | None = None
    ) -> None:
        super().__init__()
        self.pool = pool
        self.names: list[list[list[str]]] = []  # branch -> step -> convolutions side by side
        for branch in branches:
            before, names = inputs, []
            for step in branch:
                beside = [step] if isinstance(step, _Step) else list(step)
                for name, outputs, height, width, half in beside:
                    conv = _Conv(before, outputs, (height, width), stride=1 + half, padded=not half)
                    self.add_module(name, conv)
                before = beside[0].outputs
                names.append([part.name for part in beside])
            self.names.append(names)
        self.branch_pool = None if pooled is None else _Conv(inputs, pooled, (1, 1), padded=True)

    def forward(self, x: Tensor) -> Tensor:
        ends = []
        for branch in self.names:
            y = [x]
            for names in branch:
                y = [self.get_submodule(name)(y[0]) for name in names]
            ends += y
        pooled = self.pool(x)
        ends.append(pooled if self.branch_pool is None else self.branch_pool(pooled))
        return torch.cat(ends, dim=1)


# The five kinds of blocks; names of convolutions are those of the published weights, kernels are height x width.


def _block_a(inputs: int, pooled: int) -> _Mixed:
    """Figure 5 of Szegedy et al.: (N, C, H, W) -> (N, 224 + pooled, H, W)."""
    return _Mixed(
        inputs,
        [_Step("branch1x1", 64)],
        [_Step("branch5x5_1", 48), _Step("branch5x5_2", 64, 5, 5)],
        [_Step("branch3x3dbl_1", 64), _Step("branch3x3dbl_2", 96, 3, 3), _Step("branch3x3dbl_3", 96, 3, 3)],
        pool=_average,
        pooled=pooled,
    )


def _block_b(inputs: int) -> _Mixed:
    """Half the size, with 480 channels more."""
    return _Mixed(
        inputs,
        [_Step("branch3x3", 384, 3, 3, True)],
        [_Step("branch3x3dbl_1", 64), _Step("branch3x3dbl_2", 96, 3, 3), _Step("branch3x3dbl_3", 96, 3, 3, True)],
        pool=_halve,
    )


def _block_c(inputs: int, narrow: int) -> _Mixed:
    """Figure 6: 7 x 7 kernels in one direction after the other; -> (N, 768, H, W)."""
    return _Mixed(
        inputs,
        [_Step("branch1x1", 192)],
        [_Step("branch7x7_1", narrow), _Step("branch7x7_2", narrow, 1, 7), _Step("branch7x7_3", 192, 7, 1)],
        [
            _Step("branch7x7dbl_1", narrow),
            _Step("branch7x7dbl_2", narrow, 7, 1),
            _Step("branch7x7dbl_3", narrow, 1, 7),
            _Step("branch7x7dbl_4", narrow, 7, 1),
            _Step("branch7x7dbl_5", 192, 1, 7),
        ],
        pool=_average,
        pooled=192,
    )


def _block_d(inputs: int) -> _Mixed:
    """Half the size, with 512 channels more."""
    return _Mixed(
        inputs,
        [_Step("branch3x3_1", 192), _Step("branch3x3_2", 320, 3, 3, True)],
        [
            _Step("branch7x7x3_1", 192),
            _Step("branch7x7x3_2", 192, 1, 7),
            _Step("branch7x7x3_3", 192, 7, 1),
            _Step("branch7x7x3_4", 192, 3, 3, True),
        ],
        pool=_halve,
    )


def _block_e(inputs: int, pool: Callable[[Tensor], Tensor]) -> _Mixed:
    """Figure 7: branches that fork; -> (N, 2048, H, W)."""
    return _Mixed(
        inputs,
        [_Step("branch1x1", 320)],
        [_Step("branch3x3_1", 384), (_Step("branch3x3_2a", 384, 1, 3), _Step("branch3x3_2b", 384, 3, 1))],
        [
            _Step("branch3x3dbl_1", 448),
            _Step("branch3x3dbl_2", 384, 3, 3),
            (_Step("branch3x3dbl_3a", 384, 1, 3), _Step("branch3x3dbl_3b", 384, 3, 1)),
        ],
        pool=pool,
        pooled=192,
    )


class Inception(nn.Module):
    """Inception-v3 (Szegedy et al., "Rethinking the Inception Architecture", 2015) as TensorFlow's FID has it.

    Pictures (N, 3, H, W) in [0, 1] -> scores of 1008 classes; `features` stops before the last layer. It is the network
    of pytorch-fid 0.2.0, which differs from torchvision's: average pooling does not count places beyond the
    edge, the last block pools the maximum, and there are no auxiliary scores. Names of weights are torchvision's.

    New weights are random: `load_inception` reads the published ones. The network stays in evaluation mode.
    """

    width = 2048

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Conv(3, 32, (3, 3), stride=2, padded=False)
        self.Conv2d_2a_3x3 = _Conv(32, 32, (3, 3), padded=False)
        self.Conv2d_2b_3x3 = _Conv(32, 64, (3, 3), padded=True)
        self.Conv2d_3b_1x1 = _Conv(64, 80, (1, 1), padded=False)
        self.Conv2d_4a_3x3 = _Conv(80, 192, (3, 3), padded=False)
        self.Mixed_5b = _block_a(192, 32)
        self.Mixed_5c = _block_a(256, 64)
        self.Mixed_5d = _block_a(288, 64)
        self.Mixed_6a = _block_b(288)
        self.Mixed_6b = _block_c(768, 128)
        self.Mixed_6c = _block_c(768, 160)
        self.Mixed_6d = _block_c(768, 160)
        self.Mixed_6e = _block_c(768, 192)
        self.Mixed_7a = _block_d(768)
        self.Mixed_7b = _block_e(1280, _average)
        self.Mixed_7c = _block_e(2048, _largest)  # maximum, an error in the published network that all FIDs share
        self.fc = nn.Linear(self.width, 1008)
        self.eval()

    def train(self, mode: bool = True) -> Inception:
        """Stay in evaluation mode."""
        return super().train(False)

    def features(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 2048). Raises ValueError for other shapes, NaN or infinity."""
        if image.ndim != 4 or image.shape[1] != 3:
            raise ValueError(f"expected pictures (N, 3, H, W), got shape {tuple(image.shape)}")
        check_finite(image, "pictures")
        x = functional.interpolate(image, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
        x = 2 * x - 1
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))  # (N, 64, 147, 147)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_halve(x)))  # (N, 192, 71, 71)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(_halve(x))))  # (N, 288, 35, 35)
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))  # (N, 768, 17, 17)
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # (N, 2048, 8, 8)
        return reduce(x, "n d h w -> n d", "mean")

    def forward(self, image: Tensor) -> Tensor:
        return self.fc(self.features(image))

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with any weight or statistic."""
        return weights_hash(self)


def load_inception(path: str | os.PathLike[str], *, published: bool = True) -> Inception:
    """The network with the weights of a file that the user provides; nothing is downloaded.

    Args:
        path: `pt_inception-2015-12-05-6726825d.pth`, from the releases of pytorch-fid on GitHub (`fid_weights`)
        published: refuse any other file, by its SHA-256; False = any weights with these names and shapes

    Raises:
        FileNotFoundError: when there is no such file, with the name of the file to pass
        ValueError: naming the file and what differs
    """
    if "://" not in os.fspath(path) and not Path(path).exists():
        raise FileNotFoundError(
            f"{os.fspath(path)}: there is no such file; pass the path of {FILE}, which is published with the releases "
            f"of pytorch-fid on GitHub (mseitzer/pytorch-fid, fid_weights). Nothing is downloaded here"
        )
    if published and Path(path).is_file() and not _is_published(Path(path)):
        raise ValueError(
            f"{os.fspath(path)}: expected the published {FILE} with SHA-256 {PUBLISHED[:8]}..., found another file; "
            f"published=False takes other weights, but distances then compare with no published ones"
        )
    network = Inception()
    load_checkpoint_weights(network, path, prefixes=())
    return network


def _is_published(file: Path) -> bool:
    if file.stat().st_size > LARGEST:
        return False
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == PUBLISHED


class InceptionFeatures(nn.Module):
    """Features of motions as pictures: (N, 3, T, V) in [-1, 1] -> (N, 2048).

    Colours are coordinates, rows are frames, and columns are joints in the order of the skeleton. Kinetic-GAN published
    its FID so, from a network that was trained on photographs. Use it only to compare with published numbers. Motions
    must be scaled to [-1, 1] first.

    Args:
        network: with the published weights, see `load_inception`
        range_fault: True = as published: motions in [-1, 1] are passed on as if in [0, 1], so the first layer gets
            [-3, 1] instead of [-1, 1]; False = motions are mapped to [0, 1] first

    Raises:
        ValueError: for motions without three coordinates, NaN or infinity, and motions outside [-1, 1] on average,
            which are not scaled; single joints may lie outside, such as those of new motions scaled by old extremes
    """

    data = "ImageNet"
    frames: int | None = None

    def __init__(self, network: Inception, *, range_fault: bool = True) -> None:
        super().__init__()
        self.network, self.range_fault = network, range_fault
        self.width = network.width
        self.name = "inception, range as published" if range_fault else "inception"
        self.eval()

    def train(self, mode: bool = True) -> InceptionFeatures:
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def features(self, motion: Tensor) -> Tensor:
        """(N, 3, T, V) in [-1, 1] -> (N, 2048), on the network's device."""
        check_motion(motion, "motions")
        if motion.shape[1] != 3:
            raise ValueError(f"pictures have three colours, these motions have {motion.shape[1]} coordinates")
        if len(motion) and (extent := float(motion.abs().double().mean())) > 1:
            raise ValueError(f"motions must be scaled to [-1, 1] before, these are {extent:.3g} from 0 on average")
        like = self.network.fc.weight
        rows = [like.new_empty(0, self.width)]
        for part in motion.split(CHUNK):
            part = part.to(like)
            rows.append(self.network.features(part if self.range_fault else (part + 1) / 2))
        return torch.cat(rows)

    def forward(self, motion: Tensor) -> Tensor:
        return self.features(motion)

    @property
    def hash(self) -> str:
        """Hash of the network; it does not depend on `range_fault`."""
        return self.network.hash

    def extra_repr(self) -> str:
        return f"range_fault={self.range_fault}"
