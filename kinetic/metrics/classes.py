"""Scores of each action class, and their mean over classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from kinetic.metrics.checks import check_finite, check_labels

__all__ = ["PerClass", "per_class"]


@dataclass(frozen=True, eq=False)
class PerClass:
    """A score of each class, the result of `per_class`.

    Args:
        mean: the mean over classes, a number
        value: the score of each class, (K,)
        label: number of each class, (K,)
        n_fake, n_real: motions used of each class on either side, (K,)
    """

    mean: Tensor
    value: Tensor
    label: Tensor
    n_fake: Tensor
    n_real: Tensor


def per_class(
    score: Callable[[Tensor, Tensor], Tensor],
    fake: Tensor,
    fake_label: Tensor,
    real: Tensor,
    real_label: Tensor,
    *,
    classes: Iterable[int] | None = None,
    least: int = 2,
    equal: bool = False,
    cap: int | None = None,
    rng: torch.Generator | None = None,
) -> PerClass:
    """The score of every class, from its motions alone.

    Args:
        score: (fake, real) of one class -> a number
        fake, real: (N, ...) and (M, ...), motions or features
        fake_label, real_label: (N,) and (M,)
        classes: which ones; None = every class that occurs on a side
        least: fewest motions of a class on each side
        equal: compare at equal counts: of the larger side a random part is used
        cap: most motions of a class on each side, a random part of them; None = all
        rng: draws the parts; None = a new generator with seed 0, so that the same sets give the same score

    Raises:
        ValueError: for NaN or infinity, labels that do not fit, or a class with fewer than `least` on a side
    """
    for x, label, what in ((fake, fake_label, "fake motions"), (real, real_label, "real motions")):
        check_finite(x, what)
        check_labels(label, x, what)
    if cap is not None and cap < least:
        raise ValueError(f"cap must be at least {least}, got {cap}")
    rng = torch.Generator().manual_seed(0) if rng is None else rng
    classes = torch.cat([fake_label, real_label]).unique().tolist() if classes is None else list(classes)
    rows = {k: [(label == k).nonzero().flatten() for label in (fake_label, real_label)] for k in classes}
    scarce = {k: (len(f), len(r)) for k, (f, r) in rows.items() if min(len(f), len(r)) < least}
    if scarce or not rows:
        counts = ", ".join(f"class {k} has {f} fake and {r} real" for k, (f, r) in scarce.items()) or "no class at all"
        raise ValueError(f"every class needs at least {least} fake and {least} real motions: {counts}")
    value, n_fake, n_real = [], [], []
    for f, r in rows.values():
        most = min(len(f), len(r)) if equal else max(len(f), len(r))
        most = most if cap is None else min(most, cap)
        f, r = _part(f, most, rng), _part(r, most, rng)
        value.append(score(fake[f], real[r]))
        n_fake.append(len(f))
        n_real.append(len(r))
    values = torch.stack(value)
    return PerClass(values.mean(), values, torch.tensor(list(rows)), torch.tensor(n_fake), torch.tensor(n_real))


def _part(rows: Tensor, most: int, rng: torch.Generator) -> Tensor:
    """At most `most` of the rows, drawn at random, in their order."""
    if most >= len(rows):
        return rows
    chosen = torch.randperm(len(rows), generator=rng, device=rng.device)[:most]
    return rows[chosen.sort().values.to(rows.device)]
