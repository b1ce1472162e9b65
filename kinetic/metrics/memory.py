"""Whether generated motions are copies of training motions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from kinetic.metrics.checks import check_finite

__all__ = ["Memorisation", "memorisation"]

BLOCK = 512  # motions on either side of the distances held at once


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


def memorisation(fake: Tensor, test: Tensor, train: Tensor) -> Memorisation:
    """Compare how near fakes and real test motions are to the training motions, in float64.

    `nearer` is the statistic of Mann and Whitney on the distances to the nearest training motion, P(fake < test) +
    P(fake = test) / 2 (Meehan et al. 2020): 0.5 = as far from the training motions as unseen real ones, 1 = always
    nearer; by chance it strays from 0.5 by about sqrt((N + M + 1) / (12 N M)). `ratio` is 1 or 0 then. A value below
    0.5 is no virtue: noise is far from everything.

    `nearer` alone is no proof of copies. Fakes that stay close to the mean of their class are nearer to everything. And
    it presumes that test motions are new performances by the *same* people: under a split by person, real ones that
    were held out from the training people reach 0.65 to 0.9. Compare runs under the same split.

    `duplicates` tells copies from both: the share of fakes that equal a training motion, or are less than a third as
    far from the nearest as from the second nearest (Yoon et al. 2023). It does not see rough copies of a motion that
    the training set holds twice. `leaked` should be 0; where it is not, test motions are duplicates of training
    motions, and every score that uses them flatters.

    Args:
        fake, test, train: (N, ...), (M, ...) and (P, ...), motions or features, alike but for their numbers; fakes and
            test motions with the same mix of classes

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
    train = train.detach().flatten(1)
    ours, nearest = _nearest_two(fake.detach().flatten(1), train)
    theirs, _ = _nearest_two(test.detach().flatten(1), train)
    distance, usual = ours[:, 0].contiguous(), theirs[:, 0].median()
    if usual == 0:
        raise ValueError("at least half of the test motions are training motions: there is nothing to compare with")
    ranks = theirs[:, 0].sort().values
    below = torch.searchsorted(ranks, distance)  # test motions that are nearer
    up_to = torch.searchsorted(ranks, distance, right=True)  # or as near
    nearer = 1 - (below + up_to).double().mean() / (2 * len(ranks))
    ratio = distance.median() / usual
    return Memorisation(nearer, ratio, _copied(ours), _copied(theirs), distance, nearest[:, 0])


def _copied(distances: Tensor) -> Tensor:
    """Share of rows that are copies, from their distances to the two nearest: (N, 2)."""
    first, second = distances.unbind(dim=1)
    return ((3 * first < second) | (first == 0)).double().mean()


def _nearest_two(x: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """Distances to the two nearest training motions, and which they are: (N, D), (P, D) -> (N, 2), (N, 2).

    They are found from products of rows, which is quick but may give a copy a distance of 1e-6; those of the two that
    were found are then computed from differences, so that a copy is at 0.
    """
    center = train.mean(dim=0, dtype=torch.float64)
    distances, numbers = [], []
    for rows in x.split(BLOCK):
        rows = rows.double() - center
        best = rows.new_full((len(rows), 2), torch.inf)
        number = torch.zeros_like(best, dtype=torch.long)
        for start in range(0, len(train), BLOCK):
            some = train[start : start + BLOCK].double() - center
            distance = torch.cdist(rows, some, compute_mode="use_mm_for_euclid_dist")
            own = torch.arange(start, start + len(some), device=x.device).expand_as(distance)
            best, chosen = torch.cat([best, distance], dim=1).topk(2, dim=1, largest=False)
            number = torch.cat([number, own], dim=1).gather(1, chosen)
        exact = torch.stack([(rows - (train[k].double() - center)).norm(dim=1) for k in number.T], dim=1)  # (rows, 2)
        exact, order = exact.sort(dim=1, stable=True)
        distances.append(exact)
        numbers.append(number.gather(1, order))
    return torch.cat(distances), torch.cat(numbers)
