"""Distances between motions after the best alignment in turn, mirror, size, place, time shift and tempo."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from kinetic.metrics.checks import check_motion
from kinetic.skeleton import Skeleton

__all__ = ["Aligned", "Poses", "align", "aligned_distances", "nearest_aligned"]

FRAMES = 64
"""Frames of motions in comparison, at most; longer motions are resampled."""
SMOOTH = 13
"""Frames per average: 5 of 64, so that trembling of a centimetre does not hide a copy."""
SHIFT = 4
"""Frames per largest time shift: a motion may be shifted by a quarter of its length."""
TEMPI = (1 / 2, 2 / 3, 4 / 5, 5 / 4)
"""Tempi besides 1, in frames of the training motion per frame of the other; 1/2 = at half speed."""
SIZES = (0.5, 2.0)
"""Least and largest factor of enlargement."""
CANDIDATES = 12
"""Training motions to align for a near mean pose, and as many for a similar course."""
WINDOWS = ((0, 1), (0, 0.5), (0.25, 0.75), (0.5, 1))
"""Parts of the time of a training motion with a mean pose of their own: the whole, and those visible at half speed."""
COARSE = 8
"""Parts of the time in the coarse comparison."""
KEPT = 4
"""Nearest training motions in the result; their distances are computed over all frames in float64."""
QUERIES, PAIRS = 64, 256
"""Motions, and pairs of motions, in one block; larger blocks do not fit the cache."""


@dataclass(frozen=True, eq=False)
class Poses:
    """Motions about their own centre, smoothed over a few frames, ready to be aligned.

    Args:
        ground: horizontal coordinates, x + i z, complex (N, T, V); the imaginary part is 0 where there is no depth
        height: vertical coordinate y, (N, T, V)
        turns: whether motions may be turned about the vertical axis
        swap: joints with left and right exchanged, (V,); None = the skeleton has no sides
    """

    ground: Tensor
    height: Tensor
    turns: bool
    swap: Tensor | None

    @classmethod
    def of(cls, motion: Tensor, skeleton: Skeleton) -> Poses:
        """Poses of motions (N, C, T, V) in metres, y up. Raises ValueError for NaN, infinity or another skeleton."""
        check_motion(motion, "motions")
        if motion.shape[1] != skeleton.channels or motion.shape[3] != len(skeleton.joints):
            raise ValueError(
                f"skeleton {skeleton.name!r} has {len(skeleton.joints)} joints in {skeleton.channels} dimensions, "
                f"the motions have {motion.shape[3]} in {motion.shape[1]}"
            )
        x = torch.cat([_smoothed(part) for part in motion.detach().split(QUERIES)]) if len(motion) else motion.float()
        depth = x[:, 2] if skeleton.channels == 3 else torch.zeros_like(x[:, 0])
        swap = torch.from_numpy(skeleton.mirrored()).to(x.device) if skeleton.left else None
        return cls(torch.complex(x[:, 0], depth), x[:, 1], skeleton.channels == 3, swap)

    def __len__(self) -> int:
        return len(self.height)

    def select(self, rows: Tensor) -> Poses:
        """The motions of some rows."""
        return replace(self, ground=self.ground[rows], height=self.height[rows])

    def mirrored(self) -> Poses:
        """The same people with left and right exchanged."""
        if self.swap is None:
            raise ValueError("a skeleton without left and right joints has no mirror image")
        return replace(
            self, ground=-self.ground.conj().resolve_conj()[..., self.swap], height=self.height[..., self.swap]
        )

    def thinned(self) -> Poses:
        """Every second frame; all frames of a short motion."""
        step = 2 if self.height.shape[1] >= FRAMES // 2 else 1
        return replace(self, ground=self.ground[:, ::step], height=self.height[:, ::step])

    def to(self, dtype: torch.dtype) -> Poses:
        """The poses in float32 or float64."""
        return replace(self, ground=self.ground.to(dtype.to_complex()), height=self.height.to(dtype))


class Aligned(NamedTuple):
    """Pairs of motions after the best alignment; each is (N,).

    Args:
        distance: root mean square distance of a joint in metres, at the size of the second motion
        mirrored: whether the first is nearer to the mirror image of the second
        turn: degrees about the vertical axis from the second to the first
        size: the first over the second
        shift: frames by which the first is later than the second
        tempo: frames of the second per frame of the first; 1/2 = the first is at half speed
    """

    distance: Tensor
    mirrored: Tensor
    turn: Tensor
    size: Tensor
    shift: Tensor
    tempo: Tensor


def align(first: Poses, second: Poses) -> Aligned:
    """The best alignment of N pairs of motions: mirror, turn, size, place, time shift and tempo.

    Place and turn are removed exactly (with complex numbers for the plane, the best turn leaves the modulus of the
    inner product), and so is size within `SIZES`. Time shifts up to a quarter of the motion and a few tempi are tried;
    the distance is over the frames that both motions then have.
    """
    best: list[Tensor] = []
    for mirrored in (False, True) if second.swap is not None else (False,):
        distance, line, turn, size = _along_lines(first, second.mirrored() if mirrored else second)
        fit = [distance, torch.full_like(line, mirrored, dtype=torch.bool), turn, size, line]
        if best:
            nearer = distance < best[0]
            fit = [torch.where(nearer, new, old) for new, old in zip(fit, best, strict=True)]
        best = fit
    distance, flipped, turn, size, line = best
    lines = _lines(first.height.shape[1])
    shift, tempo = (values.to(line.device)[line] for values in (lines.shift, lines.tempo))
    return Aligned(distance, flipped, turn, size, shift, tempo)


def nearest_aligned(motion: Poses, train: Poses, *, left_out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Distances (N, K) to the nearest training motions after alignment, in order, and their numbers; K is `KEPT`.

    Alignment of every pair would take hours, so only candidates are aligned: the training motions with the nearest mean
    pose, which a time shift hardly changes, and those with the nearest course in eight parts of the time, both under
    the best turn and mirror. Copies at the same tempo were always among them. For real motions that are no copies (60
    of each of four sets), the result is the nearest of all in 60 to 100 of 100 cases, and at most 1.25 times as far.
    Candidates are aligned over every second frame in float32, the nearest few over all frames in float64.

    Args:
        motion: N motions
        train: P training motions, at least two
        left_out: (N,) numbers of the training motions that they are themselves, to leave out; None = none

    Raises:
        ValueError: for motions of different frames or joints, or fewer than two training motions to compare with
    """
    if motion.height.shape[1:] != train.height.shape[1:]:
        raise ValueError(
            f"motions have frames and joints {tuple(motion.height.shape[1:])}, "
            f"training motions {tuple(train.height.shape[1:])}"
        )
    others = len(train) - (left_out is not None)
    if others < 2:
        raise ValueError(f"training motions: needs at least 2 to compare with, got {others}")
    sides = [train, train.mirrored()] if train.swap is not None else [train]
    signatures = [
        [_signature(side, 1, window) for side in sides for window in WINDOWS],
        [_signature(side, COARSE) for side in sides],
    ]
    thin, thin_train = motion.thinned(), train.thinned()
    distances, numbers = [], []
    for rows in torch.arange(len(motion), device=motion.height.device).split(QUERIES):
        queries = motion.select(rows)
        excluded = None if left_out is None else left_out[rows]
        candidates = [
            _most_similar(_signature(queries, parts), pool, excluded, min(CANDIDATES, others), motion.turns)
            for parts, pool in zip((1, COARSE), signatures, strict=True)
        ]
        near = _nearest_of(thin.select(rows), thin_train, torch.cat(candidates, dim=1), min(KEPT, others))
        pairs = rows[:, None].expand_as(near)
        distance = aligned_distances(motion, train, pairs.flatten(), near.flatten(), torch.float64).view(near.shape)
        distance, order = distance.sort(dim=1, stable=True)
        distances.append(distance)
        numbers.append(near.gather(1, order))
    return torch.cat(distances), torch.cat(numbers)


def _smoothed(motion: Tensor) -> Tensor:
    """At most `FRAMES` frames, each the mean of its neighbours, about the centre: (N, C, T, V) -> (N, C, t, V)."""
    n, c, t, v = motion.shape
    flat = rearrange(motion.double(), "n c t v -> n (c v) t")
    if t > FRAMES:
        flat = functional.interpolate(flat, FRAMES, mode="linear", align_corners=True)
    half = round(flat.shape[2] / SMOOTH) // 2
    padded = functional.pad(flat, (half, half), mode="replicate")
    flat = functional.avg_pool1d(padded, 2 * half + 1, stride=1)
    x = rearrange(flat, "n (c v) t -> n c t v", c=c)
    return (x - x.mean(dim=(2, 3), keepdim=True)).float()


@dataclass(frozen=True, eq=False)
class _Lines:
    """All L ways, called lines, to pair the frames of two motions.

    Frame t of the first is paired with the place ``tempo t + start`` of the second, interpolated between its frames.

    Args:
        pairs: (T T, L) weight of frame s of the second for frame t of the first
        first, second: (T, L) weight of each frame
        square: (T, L) weight of each frame's square in the square of the second, which is interpolated
        following: (T, L) the same of the product of each frame with the next
        shift, tempo: of each line, (L,)
    """

    pairs: Tensor
    first: Tensor
    second: Tensor
    square: Tensor
    following: Tensor
    shift: Tensor
    tempo: Tensor


@functools.lru_cache(maxsize=8)
def _lines(frames: int) -> _Lines:
    """All time shifts up to a quarter at the same tempo, and all places at the other tempi."""
    t = np.arange(frames)
    lines: list[tuple[np.ndarray, int, float]] = []
    for tempo in (1.0, *TEMPI):
        slack = frames - 1 - int(np.ceil(tempo * (frames - 1)))
        most = frames // SHIFT if tempo == 1 else 0
        for start in range(min(0, slack) - most, max(0, slack) + most + 1):
            place = tempo * t + start
            inside = (place > -1e-9) & (place < frames - 1 + 1e-9)
            if inside.sum() >= max(1, frames - frames // SHIFT) and (tempo == 1 or frames > 1):
                lines.append((np.where(inside, place, -1), start, tempo))
    pairs = np.zeros((frames, frames, len(lines)))
    for k, (place, _, _) in enumerate(lines):
        rows = t[place >= -1e-9]
        low = np.clip(np.floor(place[rows] + 1e-9).astype(int), 0, max(0, frames - 2))
        share = np.clip(place[rows] - low, 0, 1)
        pairs[rows, low, k] += 1 - share
        pairs[rows, np.minimum(low + 1, frames - 1), k] += share
    following = np.zeros((frames, len(lines)))
    following[:-1] = 2 * (pairs[:, :-1] * pairs[:, 1:]).sum(axis=0)
    return _Lines(
        pairs=torch.from_numpy(pairs.reshape(frames * frames, -1)),
        first=torch.from_numpy(pairs.sum(axis=1)),
        second=torch.from_numpy(pairs.sum(axis=0)),
        square=torch.from_numpy(np.square(pairs).sum(axis=0)),
        following=torch.from_numpy(following),
        shift=torch.tensor([-start / tempo for _, start, tempo in lines], dtype=torch.float64),
        tempo=torch.tensor([tempo for _, _, tempo in lines], dtype=torch.float64),
    )


def _along_lines(one: Poses, other: Poses) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Distance of N pairs along their best line, its number, turn and size; each (N,).

    With frames paired along a line, and u complex and h real coordinates about their centres over these frames, the
    inner product under the best turn is ``|sum conj(u) u'| + sum h h'``, and the best size is that over the norm.
    """
    lines = _lines(one.height.shape[1])
    pairs, first, second, square, following = (
        weights.to(one.height) for weights in (lines.pairs, lines.first, lines.second, lines.square, lines.following)
    )
    count = first.sum(dim=0) * one.height.shape[2]  # joints of all frames of a line: (L,)
    ground, other_ground = (torch.view_as_real(poses.ground).flatten(2) for poses in (one, other))  # (N, T, V 2)
    quarter = torch.view_as_real(other.ground * -1j).flatten(2)  # its inner product is the imaginary part
    height, real, imaginary = (
        (a @ b.mT).flatten(1) @ pairs
        for a, b in ((one.height, other.height), (ground, other_ground), (ground, quarter))
    )  # (N, L)
    (x1, y1, z1), (x2, y2, z2) = (
        [part.sum(dim=2) @ weight for part in (poses.ground.real, poses.height, poses.ground.imag)]
        for poses, weight in ((one, first), (other, second))
    )  # sums over the frames of a line, (N, L)
    height = height - y1 * y2 / count
    real = real - (x1 * x2 + z1 * z2) / count
    imaginary = imaginary - (x1 * z2 - z1 * x2) / count
    inner = height + (torch.hypot(real, imaginary) if one.turns else real)
    whole, other_whole = torch.cat([ground, one.height], dim=2), torch.cat([other_ground, other.height], dim=2)
    square1 = whole.square().sum(dim=2) @ first - (x1.square() + y1.square() + z1.square()) / count
    square2 = other_whole.square().sum(dim=2) @ square - (x2.square() + y2.square() + z2.square()) / count
    square2 += (other_whole[:, :-1] * other_whole[:, 1:]).sum(dim=2) @ following[:-1]
    tiny = torch.finfo(inner.dtype).tiny
    size = (inner / square1.clamp(min=tiny)).clamp(*SIZES)  # factor of the first
    squares = (square2 - 2 * size * inner + size.square() * square1).clamp(min=0) / count
    least, line = squares.min(dim=1)
    turn, size = (x.gather(1, line[:, None]).squeeze(1) for x in (torch.atan2(imaginary, real).rad2deg(), size))
    return least.sqrt(), line, turn if one.turns else torch.zeros_like(turn), 1 / size


def _signature(poses: Poses, parts: int, window: tuple[float, float] = (0, 1)) -> tuple[Tensor, Tensor]:
    """Mean poses in equal parts of a window of the time, about the centre: complex and real (N, parts V)."""
    frames = poses.height.shape[1]
    start = min(int(window[0] * frames), frames - 1)
    inside = torch.eye(frames, dtype=poses.height.dtype, device=poses.height.device)
    inside = inside[:, start : max(start + 1, int(window[1] * frames))]
    share = functional.adaptive_avg_pool1d(inside, min(parts, inside.shape[1]))  # (T, parts)
    ground = torch.view_as_complex(
        torch.einsum("ntvr,tp->npvr", torch.view_as_real(poses.ground), share).contiguous()
    ).flatten(1)
    height = torch.einsum("ntv,tp->npv", poses.height, share).flatten(1)
    return ground - ground.mean(dim=1, keepdim=True), height - height.mean(dim=1, keepdim=True)


def _most_similar(
    query: tuple[Tensor, Tensor],
    pool: list[tuple[Tensor, Tensor]],
    left_out: Tensor | None,
    count: int,
    turns: bool,
) -> Tensor:
    """Numbers of the training motions with the nearest signatures under the best turn, mirror and size: (N, count)."""
    ground, height = query
    best: Tensor | None = None
    real = torch.view_as_real(ground).flatten(1)
    for other, other_height in pool:
        quarter = torch.view_as_real(other * -1j).flatten(1)
        similarity = real @ torch.view_as_real(other).flatten(1).T
        if turns:
            similarity = torch.hypot(similarity, real @ quarter.T)
        similarity += height @ other_height.T
        norm = (torch.view_as_real(other).flatten(1).square().sum(dim=1) + other_height.square().sum(dim=1)).sqrt()
        similarity /= norm.clamp(min=torch.finfo(norm.dtype).tiny)
        best = similarity if best is None else torch.maximum(best, similarity)
    if best is None:
        raise ValueError("there are no training motions to compare with")
    if left_out is not None:
        best.scatter_(1, left_out[:, None], -torch.inf)
    return best.topk(count, dim=1).indices


def _nearest_of(motion: Poses, train: Poses, candidates: Tensor, count: int) -> Tensor:
    """Numbers of the nearest of candidates (N, K), which may hold a number twice: (N, count)."""
    candidates = candidates.sort(dim=1).values
    repeated = functional.pad(candidates[:, 1:] == candidates[:, :-1], (1, 0))
    rows = torch.arange(len(motion), device=candidates.device)[:, None].expand_as(candidates)
    distance = torch.full(candidates.shape, torch.inf, dtype=motion.height.dtype, device=candidates.device)
    distance[~repeated] = aligned_distances(motion, train, rows[~repeated], candidates[~repeated])
    return candidates.gather(1, distance.topk(count, dim=1, largest=False).indices)


def aligned_distances(
    motion: Poses, train: Poses, rows: Tensor, numbers: Tensor, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Aligned distances of K pairs of a row of `motion` and a row of `train`, in metres, (K,); block by block."""
    pairs = zip(rows.split(PAIRS), numbers.split(PAIRS), strict=True)
    return torch.cat([align(motion.select(a).to(dtype), train.select(b).to(dtype)).distance for a, b in pairs])
