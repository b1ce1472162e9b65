"""Copies: the distances of generated motions to training motions, compared with those of unseen real motions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from kinetic.metrics.alignment import Aligned, Poses, aligned_distances, nearest_aligned
from kinetic.metrics.checks import check_finite
from kinetic.skeleton import Skeleton

__all__ = [
    "Memorisation",
    "Memory",
    "Neighbours",
    "aligned_memory",
    "edits",
    "memorisation",
    "nearer",
    "row_memory",
]

QUERIES, BLOCK = 512, 8192
"""Rows on either side of a block of distances: 16 MB in float32."""
MEDIAN_OF = 2000
"""Rows whose median is the centre, at most."""
KEPT, RECHECKED = 4, 8
"""Nearest training motions in the result, and those whose distances are computed again in float64."""
COPY = 3
"""A motion is a copy if its distance to the nearest training motion is less than a third of that to the next.

Two training motions count as the same, such as one performance before two cameras, if their distance is less than a
third of the usual distance from an unseen motion to its nearest.
"""


class Neighbours(NamedTuple):
    """The nearest training motions of N motions.

    Args:
        distance: to the K nearest, in order, (N, K)
        number: of these training motions, (N, K)
        next: distance to the nearest that is not the same motion as the first, (N,)
    """

    distance: Tensor
    number: Tensor
    next: Tensor

    @property
    def first(self) -> Tensor:
        """Distance to the nearest, (N,)."""
        return self.distance[:, 0]

    @property
    def copied(self) -> Tensor:
        """Whether each motion is close to one training motion and not to the next, (N,) of bool (Yoon et al. 2023)."""
        return (COPY * self.first < self.next) | (self.first == 0)

    def select(self, rows: Tensor) -> Neighbours:
        """The neighbours of some of the motions."""
        return Neighbours(self.distance[rows], self.number[rows], self.next[rows])


@dataclass(frozen=True, eq=False)
class Memory:
    """Searches a pool of motions for the nearest of others; `row_memory` and `aligned_memory` make one.

    Args:
        nearest: motions, and their own numbers in the pool or None -> distances (N, K), numbers (N, K)
        between: two lists of numbers in the pool -> the distances of these pairs, (N,)
        test: unseen real motions; their median distance to the nearest of the pool is the usual one
        usually: the usual distance, if it is known; None = computed
    """

    nearest: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]
    between: Callable[[Tensor, Tensor], Tensor]
    test: Tensor
    usually: float | None = None

    @cached_property
    def _of_test(self) -> tuple[Tensor, Tensor]:
        return self.nearest(self.test, None)

    @cached_property
    def usual(self) -> float:
        """Median distance of an unseen real motion to the nearest of the pool."""
        return float(self._of_test[0][:, 0].median()) if self.usually is None else self.usually

    @cached_property
    def unseen(self) -> Neighbours:
        """The neighbours of the unseen real motions."""
        return self._without_twins(*self._of_test)

    def look(self, motion: Tensor, left_out: Tensor | None = None) -> Neighbours:
        """The neighbours of motions.

        Args:
            motion: N motions or rows of features
            left_out: their own numbers in the pool, (N,), to leave out themselves and their copies, such as the same
                performance before another camera: motions nearer than a third of the usual distance; None = none
        """
        distance, number = self.nearest(motion, left_out)
        if left_out is not None:
            apart = COPY * distance >= self.usual
            apart[:, -1] = True
            order = (~apart).int().argsort(dim=1, stable=True)  # copies come last
            distance, number = distance.gather(1, order), number.gather(1, order)
            return Neighbours(distance, number, torch.where(apart.sum(dim=1) > 1, distance[:, 1], distance[:, 0]))
        return self._without_twins(distance, number)

    def _without_twins(self, distance: Tensor, number: Tensor) -> Neighbours:
        """Neighbours with the distance to the next motion that is not the same as the first."""
        n, k = number.shape
        others = number[:, 1:].flatten()
        first = number[:, :1].expand(-1, k - 1).flatten()
        # only these can be copies, so only their neighbours are compared with each other
        candidate = COPY * distance[:, 0] < distance[:, -1]
        candidate = candidate[:, None].expand(-1, k - 1).flatten()
        twin = torch.zeros_like(others, dtype=torch.bool)
        twin[candidate] = COPY * self.between(first[candidate], others[candidate]) < self.usual
        far = torch.where(twin.view(n, k - 1), torch.inf, distance[:, 1:]).amin(dim=1)
        return Neighbours(distance, number, torch.where(far.isinf(), self.usual, far))


def row_memory(pool: Tensor, test: Tensor, *, usually: float | None = None) -> Memory:
    """A memory of rows (P, D), such as features, by their distance without alignment; `test` is (M, D)."""
    rows = pool.detach().flatten(1)

    def between(first: Tensor, second: Tensor) -> Tensor:
        pairs = zip(first.split(QUERIES), second.split(QUERIES), strict=True)
        return torch.cat([(rows[a].double() - rows[b].double()).norm(dim=1) for a, b in pairs])

    return Memory(lambda motion, left_out: _nearest(motion.detach().flatten(1), rows, left_out), between, test, usually)


def aligned_memory(pool: Tensor, test: Tensor, skeleton: Skeleton, *, usually: float | None = None) -> Memory:
    """A memory of motions (P, C, T, V) by their distance after alignment, in metres per joint; see `alignment`."""
    poses = Poses.of(pool, skeleton)
    return Memory(
        lambda motion, left_out: nearest_aligned(Poses.of(motion, skeleton), poses, left_out=left_out),
        lambda first, second: aligned_distances(poses, poses, first, second, torch.float64),
        test,
        usually,
    )


def nearer(fake: Tensor, test: Tensor) -> Tensor:
    """P(fake < test) + P(fake = test) / 2 of distances (N,) and (M,): the statistic of Mann and Whitney, in float64."""
    ranks = test.sort().values
    below = torch.searchsorted(ranks, fake.contiguous())  # test motions that are nearer
    up_to = torch.searchsorted(ranks, fake.contiguous(), right=True)  # or equally near
    return 1 - (below + up_to).double().mean() / (2 * len(ranks))


def edits(pairs: Aligned) -> str:
    """The common changes from training motions to their copies, in words."""
    parts = []
    for what, changed in (
        ("mirrored", pairs.mirrored),
        ("turned", pairs.turn.abs() > 2),
        ("larger or smaller", (pairs.size - 1).abs() > 0.02),
        ("shifted in time", (pairs.shift.abs() >= 1) & (pairs.tempo == 1)),
        ("at another tempo", pairs.tempo != 1),
    ):
        if (share := float(changed.double().mean())) >= 0.05:
            parts.append(f"{share:.0%} {what}")
    how = ", ".join(parts) or "as they are"
    off = 1000 * float(pairs.distance.median())
    return f"{how}; {'less than 0.1' if off < 0.1 else f'{off:.2g}'} mm off in the median"


class Memorisation(NamedTuple):
    """Distances of fakes to training motions beside those of test motions, the result of `memorisation`.

    Args:
        nearer: probability that a fake is nearer to the training motions than a real test motion is
        ratio: median distance of a fake over that of a real test motion
        duplicates: share of fakes that are close to one training motion and not to the next
        leaked: the same share of the real test motions
        distance: of each fake to the nearest training motion, (N,)
        nearest: number of that training motion, (N,)
    """

    nearer: Tensor
    ratio: Tensor
    duplicates: Tensor
    leaked: Tensor
    distance: Tensor
    nearest: Tensor


def memorisation(fake: Tensor, test: Tensor, train: Tensor, *, skeleton: Skeleton | None = None) -> Memorisation:
    """Compare the distances of fakes and of real test motions to the training motions.

    `nearer` is the statistic of Mann and Whitney on the distances to the nearest training motion, P(fake < test) +
    P(fake = test) / 2 (Meehan et al. 2020): 0.5 = as far from the training motions as real test motions, 1 = always
    nearer; its deviation from 0.5 by chance is about sqrt((N + M + 1) / (12 N M)). `ratio` is then 1 or 0. A value
    below 0.5 is not better: noise is far from everything.

    `nearer` alone does not prove copies. Fakes close to the mean of their class are nearer to everything. And an ideal
    generator scores 0.5 only if test motions are new performances by the *same* people. Under a split by person, held
    out motions of the training people reach 0.6 to 0.9: compare with the score of the training motions themselves, each
    left out in turn, as `kinetic evaluate` does.

    `duplicates` separates copies from both cases: the share of fakes that equal a training motion, or whose distance to
    the nearest is less than a third of that to the next different one (Yoon et al. 2023). `leaked` should be 0;
    otherwise test motions are duplicates of training motions, and every score that uses them is too good.

    Rows are compared in float32 and the nearest few again in float64, so the distance of a copy is 0. With a skeleton,
    motions are compared after alignment: turned, mirrored, larger, moved, shifted or slower copies are copies.

    Args:
        fake, test, train: (N, ...), (M, ...) and (P, ...), motions or features of one shape; fakes and test motions
            with the same mix of classes
        skeleton: of motions (N, C, T, V), which are then aligned; None = rows are compared without alignment

    Raises:
        ValueError: for NaN or infinity, shapes that do not fit, no fake or test motion, fewer than two training
            motions, or when half of the test motions are training motions
    """
    for x, what, least in ((fake, "fake motions", 1), (test, "test motions", 1), (train, "training motions", 2)):
        check_finite(x, what)
        if x.shape[1:] != train.shape[1:]:
            raise ValueError(f"{what} have shape {tuple(x.shape[1:])}, training motions {tuple(train.shape[1:])}")
        if len(x) < least:
            raise ValueError(f"{what}: needs at least {least}, got {len(x)}")
    memory = row_memory(train, test) if skeleton is None else aligned_memory(train, test, skeleton)
    if memory.usual == 0:
        raise ValueError("at least half of the test motions are training motions: there is nothing to compare with")
    ours, theirs = memory.look(fake), memory.unseen
    return Memorisation(
        nearer(ours.first, theirs.first),
        ours.first.median() / memory.usual,
        ours.copied.double().mean(),
        theirs.copied.double().mean(),
        ours.first,
        ours.number[:, 0],
    )


def _nearest(x: Tensor, pool: Tensor, left_out: Tensor | None) -> tuple[Tensor, Tensor]:
    """Distances to the nearest rows of a pool, and their numbers: (N, D), (P, D) -> (N, K), (N, K) in float64.

    The search uses products of rows in float32, which is fast but inexact for small distances; the distances of the
    nearest few are then computed from differences in float64.
    """
    others = len(pool) - (left_out is not None)
    if others < 2:
        raise ValueError(f"training motions: needs at least 2 to compare with, got {others}")
    step = -(-len(pool) // MEDIAN_OF)
    centre = pool[::step].median(dim=0).values.double()  # not the mean, which a single row can move far away
    unit = max(float((part.double() - centre).abs().max()) for part in pool.split(BLOCK)) or 1.0

    def small(rows: Tensor) -> Tensor:
        return ((rows.double() - centre) / unit).float()

    kept, checked = min(KEPT, others), min(RECHECKED, others)
    blocks = [(start, small(pool[start : start + BLOCK])) for start in range(0, len(pool), BLOCK)]
    squares = [block.square().sum(dim=1) for _, block in blocks]
    distances, numbers = [], []
    for rows in torch.arange(len(x), device=x.device).split(QUERIES):
        queries = small(x[rows])
        best = queries.new_full((len(rows), checked), torch.inf)
        number = torch.zeros_like(best, dtype=torch.long)
        for (start, block), square in zip(blocks, squares, strict=True):
            gap = torch.addmm(square, queries, block.T, alpha=-2)  # without |x|^2, the same for all of a row
            if left_out is not None:
                column = left_out[rows] - start
                inside = ((column >= 0) & (column < len(block))).nonzero().flatten()
                gap[inside, column[inside]] = torch.inf
            gap, columns = gap.topk(min(checked, len(block)), dim=1, largest=False)
            best, order = torch.cat([best, gap], dim=1).topk(checked, dim=1, largest=False)
            number = torch.cat([number, columns + start], dim=1).gather(1, order)
        part = x[rows].double()
        exact = torch.stack([(part - pool[k].double()).norm(dim=1) for k in number.T], dim=1)  # (rows, checked)
        exact, order = exact.sort(dim=1, stable=True)
        distances.append(exact[:, :kept])
        numbers.append(number.gather(1, order)[:, :kept])
    return torch.cat(distances), torch.cat(numbers)
