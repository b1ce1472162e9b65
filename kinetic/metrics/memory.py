"""Whether generated motions are copies of training motions."""

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
"""Rows on either side of the distances held at once: 16 MB in float32."""
MEDIAN_OF = 2000
"""Rows that the centre is taken of, at most."""
KEPT, RECHECKED = 4, 8
"""Nearest training motions that are kept, and those whose distance is computed again in float64."""
COPY = 3
"""A motion is a copy when it is less than a third as far from the nearest training motion as from the next.

Two training motions are one and the same, such as a performance that two cameras saw, when they are less than a third
as far from each other as an unseen motion usually is from the nearest.
"""


class Neighbours(NamedTuple):
    """The nearest training motions of N motions.

    Args:
        distance: to the K nearest, in order, (N, K)
        number: which training motions they are, (N, K)
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
        """Which motions belong to one training motion and not to its neighbours, (N,) of bool (Yoon et al. 2023)."""
        return (COPY * self.first < self.next) | (self.first == 0)

    def select(self, rows: Tensor) -> Neighbours:
        """Those of some motions."""
        return Neighbours(self.distance[rows], self.number[rows], self.next[rows])


@dataclass(frozen=True, eq=False)
class Memory:
    """How far motions are from a pool of motions that they may be copies of; `row_memory` and `aligned_memory` make it.

    Args:
        nearest: motions, and which of the pool each of them is itself or None -> distances (N, K), numbers (N, K)
        between: two lists of numbers of the pool -> the distances of these pairs, (N,)
        test: unseen real motions; their median distance to the nearest of the pool is what is usual
        usually: that distance, where it is known already; None = it is found out
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
        return self._known(*self._of_test)

    def look(self, motion: Tensor, left_out: Tensor | None = None) -> Neighbours:
        """The neighbours of motions.

        Args:
            motion: N motions or rows of features
            left_out: which of the pool each of them is itself, (N,), so that it is left out, and its copies with it,
                such as the same performance seen by another camera: what is less than a third as far as is usual;
                None = none
        """
        distance, number = self.nearest(motion, left_out)
        if left_out is not None:
            apart = COPY * distance >= self.usual
            apart[:, -1] = True
            order = (~apart).int().argsort(dim=1, stable=True)  # copies come last
            distance, number = distance.gather(1, order), number.gather(1, order)
            return Neighbours(distance, number, torch.where(apart.sum(dim=1) > 1, distance[:, 1], distance[:, 0]))
        return self._known(distance, number)

    def _known(self, distance: Tensor, number: Tensor) -> Neighbours:
        """With the distance to the next motion; where the pool holds one twice, the second is not the next."""
        n, k = number.shape
        others = number[:, 1:].flatten()
        first = number[:, :1].expand(-1, k - 1).flatten()
        # only these can be copies by what is next, and only their neighbours need be told apart
        wanted = COPY * distance[:, 0] < distance[:, -1]
        wanted = wanted[:, None].expand(-1, k - 1).flatten()
        twin = torch.zeros_like(others, dtype=torch.bool)
        twin[wanted] = COPY * self.between(first[wanted], others[wanted]) < self.usual
        far = torch.where(twin.view(n, k - 1), torch.inf, distance[:, 1:]).amin(dim=1)
        return Neighbours(distance, number, torch.where(far.isinf(), self.usual, far))


def row_memory(pool: Tensor, test: Tensor, *, usually: float | None = None) -> Memory:
    """A memory of rows (P, D), such as features, which are compared as they are; `test` is (M, D)."""
    rows = pool.detach().flatten(1)

    def between(one: Tensor, other: Tensor) -> Tensor:
        pairs = zip(one.split(QUERIES), other.split(QUERIES), strict=True)
        return torch.cat([(rows[a].double() - rows[b].double()).norm(dim=1) for a, b in pairs])

    return Memory(lambda motion, left_out: _nearest(motion.detach().flatten(1), rows, left_out), between, test, usually)


def aligned_memory(pool: Tensor, test: Tensor, skeleton: Skeleton, *, usually: float | None = None) -> Memory:
    """A memory of motions (P, C, T, V) that are compared after alignment, in metres per joint; see `alignment`."""
    poses = Poses.of(pool, skeleton)
    return Memory(
        lambda motion, left_out: nearest_aligned(Poses.of(motion, skeleton), poses, left_out=left_out),
        lambda one, other: aligned_distances(poses, poses, one, other, torch.float64),
        test,
        usually,
    )


def nearer(fake: Tensor, test: Tensor) -> Tensor:
    """P(fake < test) + P(fake = test) / 2 of distances (N,) and (M,): the statistic of Mann and Whitney, in float64."""
    ranks = test.sort().values
    below = torch.searchsorted(ranks, fake.contiguous())  # test motions that are nearer
    up_to = torch.searchsorted(ranks, fake.contiguous(), right=True)  # or as near
    return 1 - (below + up_to).double().mean() / (2 * len(ranks))


def edits(found: Aligned) -> str:
    """In words: what was done to the training motions that N motions are copies of."""
    parts = []
    for what, changed in (
        ("mirrored", found.mirrored),
        ("turned", found.turn.abs() > 2),
        ("larger or smaller", (found.size - 1).abs() > 0.02),
        ("shifted in time", (found.shift.abs() >= 1) & (found.tempo == 1)),
        ("at another tempo", found.tempo != 1),
    ):
        if (share := float(changed.double().mean())) >= 0.05:
            parts.append(f"{share:.0%} {what}")
    how = ", ".join(parts) or "as they are"
    off = 1000 * float(found.distance.median())
    return f"{how}; {'less than 0.1' if off < 0.1 else f'{off:.2g}'} mm off in the median"


class Memorisation(NamedTuple):
    """What `memorisation` found.

    Args:
        nearer: probability that a fake is nearer to the training motions than a real test motion is
        ratio: median distance of a fake over that of a real test motion
        duplicates: share of fakes that belong to one training motion and not to its neighbours
        leaked: the same share of the real test motions
        distance: of each fake to the nearest training motion, (N,)
        nearest: which training motion that is, (N,)
    """

    nearer: Tensor
    ratio: Tensor
    duplicates: Tensor
    leaked: Tensor
    distance: Tensor
    nearest: Tensor


def memorisation(fake: Tensor, test: Tensor, train: Tensor, *, skeleton: Skeleton | None = None) -> Memorisation:
    """Compare how near fakes and real test motions are to the training motions.

    `nearer` is the statistic of Mann and Whitney on the distances to the nearest training motion, P(fake < test) +
    P(fake = test) / 2 (Meehan et al. 2020): 0.5 = as far from the training motions as real test motions, 1 = always
    nearer; by chance it strays from 0.5 by about sqrt((N + M + 1) / (12 N M)). `ratio` is 1 or 0 then. A value below
    0.5 is no virtue: noise is far from everything.

    `nearer` alone is no proof of copies. Fakes that stay close to the mean of their class are nearer to everything. And
    0.5 is what an ideal generator scores where test motions are new performances by the *same* people. Under a split by
    person real motions that were held out from the training people reach 0.6 to 0.9: compare with what the training
    motions themselves score, each left out in turn, as `kinetic evaluate` does.

    `duplicates` tells copies from both: the share of fakes that equal a training motion, or are less than a third as
    far from the nearest as from the next that is not the same one (Yoon et al. 2023). `leaked` should be 0; where it is
    not, test motions are duplicates of training motions, and every score that uses them flatters.

    Rows are compared in float32 and the nearest few again in float64, so that a copy is at 0. With a skeleton, motions
    are compared after alignment: turned, mirrored, larger, moved, shifted or slower copies are copies.

    Args:
        fake, test, train: (N, ...), (M, ...) and (P, ...), motions or features, alike but for their numbers; fakes and
            test motions with the same mix of classes
        skeleton: of motions (N, C, T, V) that are compared after alignment; None = rows are compared as they are

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
    """Distances to the nearest of a pool, and which they are: (N, D), (P, D) -> (N, K), (N, K) in float64.

    They are found from products of rows in float32, which is quick but blurs small distances; those of the nearest few
    are then computed from differences in float64.
    """
    others = len(pool) - (left_out is not None)
    if others < 2:
        raise ValueError(f"training motions: needs at least 2 to compare with, got {others}")
    step = -(-len(pool) // MEDIAN_OF)
    centre = pool[::step].median(dim=0).values.double()  # one absurd row does not move it, as it would the mean
    unit = max(float((part.double() - centre).abs().max()) for part in pool.split(BLOCK)) or 1.0

    def small(rows: Tensor) -> Tensor:
        return ((rows.double() - centre) / unit).float()

    kept, checked = min(KEPT, others), min(RECHECKED, others)
    blocks = [(start, small(pool[start : start + BLOCK])) for start in range(0, len(pool), BLOCK)]
    squares = [block.square().sum(dim=1) for _, block in blocks]
    distances, numbers = [], []
    for rows in torch.arange(len(x), device=x.device).split(QUERIES):
        some = small(x[rows])
        best = some.new_full((len(rows), checked), torch.inf)
        number = torch.zeros_like(best, dtype=torch.long)
        for (start, block), square in zip(blocks, squares, strict=True):
            gap = torch.addmm(square, some, block.T, alpha=-2)  # less |x|^2, which all of a row share
            if left_out is not None:
                own = left_out[rows] - start
                here = ((own >= 0) & (own < len(block))).nonzero().flatten()
                gap[here, own[here]] = torch.inf
            gap, chosen = gap.topk(min(checked, len(block)), dim=1, largest=False)
            best, order = torch.cat([best, gap], dim=1).topk(checked, dim=1, largest=False)
            number = torch.cat([number, chosen + start], dim=1).gather(1, order)
        mine = x[rows].double()
        exact = torch.stack([(mine - pool[k].double()).norm(dim=1) for k in number.T], dim=1)  # (rows, checked)
        exact, order = exact.sort(dim=1, stable=True)
        distances.append(exact[:, :kept])
        numbers.append(number.gather(1, order)[:, :kept])
    return torch.cat(distances), torch.cat(numbers)
