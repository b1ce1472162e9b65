"""Maximum mean discrepancy between generated and real motions, per action class.

There are several incompatible "MMDa" and "MMDs" in the literature, so every number carries the name of its estimator.
An estimator takes fake and real motions of one class and a view, which says what a sample is and over what scores are
averaged: `by_frame` (MMDa, one comparison of poses per frame) or `by_sequence` (MMDs, one of whole motions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from kinetic.metrics.checks import check_labels, check_motion

__all__ = [
    "BANDWIDTHS",
    "ESTIMATORS",
    "VIEWS",
    "ClassMMD",
    "MaximumMeanDiscrepancy",
    "by_frame",
    "by_sequence",
    "mmd",
    "mmd_per_class",
    "sagcn",
]

BANDWIDTHS = tuple(10.0**power for power in range(-4, 10))
BLOCK = 2**18  # distances held at once: 2 MB in float64, close to the cache

View = Callable[[Tensor], Tensor]
Estimator = Callable[[Tensor, Tensor, View], Tensor]


def by_frame(motion: Tensor) -> Tensor:
    """Poses of each frame: (N, C, T, V) -> (T, N, V C)."""
    return rearrange(motion, "n c t v -> t n (v c)")


def by_sequence(motion: Tensor) -> Tensor:
    """Whole motions: (N, C, T, V) -> (1, N, T V C)."""
    return rearrange(motion, "n c t v -> 1 n (t v c)")


VIEWS: dict[str, View] = {"frame": by_frame, "sequence": by_sequence}


def sagcn(fake: Tensor, real: Tensor, view: View) -> Tensor:
    """MMD as SA-GCN computes it (Yu et al. 2020): the largest over 14 bandwidths of sqrt(U), averaged over the views.

    ``k(x, y) = exp(-|x - y|^2 / b)``, b from 1e-4 to 1e9, and U is the sum over i != j of
    k(x_i, x_j) + k(y_i, y_j) - 2 k(x_i, y_j), divided by m (m - 1): the paired U-statistic, which leaves i = j out of
    the cross term as well and needs equally many motions on both sides.

    U may be negative when the sets are alike. Where it is, its root counts as 0; it never becomes a NaN that drops out
    of the maximum. The mean over frames comes first, then the maximum, for one view it is the root of the largest U.
    """
    if len(fake) != len(real):
        raise ValueError(
            f"the sagcn estimator pairs motions: it needs as many fake as real, got {len(fake)}, {len(real)}"
        )
    if len(fake) < 2:
        raise ValueError(f"the sagcn estimator needs at least 2 motions on each side, got {len(fake)}")
    return paired_statistic(view(fake), view(real)).clamp(min=0).sqrt().mean(dim=1).max()


ESTIMATORS: dict[str, Estimator] = {"sagcn": sagcn}


def paired_statistic(x: Tensor, y: Tensor, bandwidths: Iterable[float] = BANDWIDTHS) -> Tensor:
    """The paired U-statistic of (G, m, D) and (G, m, D), an estimate of MMD^2 that may be negative: (B, G), float64.

    One matrix of squared distances serves all bandwidths, and only blocks of it exist at a time.
    """
    bandwidths = tuple(bandwidths)
    x, y = x.double(), y.double()
    center = (x.mean(dim=1, keepdim=True) + y.mean(dim=1, keepdim=True)) / 2
    x, y = x - center, y - center
    m = x.shape[1]
    total = _kernel_sums(x, x, bandwidths) + _kernel_sums(y, y, bandwidths) - 2 * _kernel_sums(x, y, bandwidths)
    return total / (m * (m - 1))


def _kernel_sums(x: Tensor, y: Tensor, bandwidths: tuple[float, ...]) -> Tensor:
    """Sum over i != j of exp(-|x_i - y_j|^2 / b): (G, m, D), (G, m, D) -> (B, G)."""
    g, m, _ = x.shape
    sums = x.new_zeros(len(bandwidths), g)
    groups = max(1, BLOCK // m**2)
    rows = min(m, max(1, BLOCK // m))
    square = y.square().sum(dim=2).unsqueeze(1)  # (G, 1, m)
    for start in range(0, g, groups):
        some = slice(start, start + groups)
        for row in range(0, m, rows):
            part = x[some, row : row + rows]
            distance = torch.baddbmm(square[some], part, y[some].mT, alpha=-2)  # (groups, rows, m)
            distance += part.square().sum(dim=2, keepdim=True)
            distance.clamp_(min=0)  # rounding of |x|^2 - 2xy + |y|^2
            distance.diagonal(offset=row, dim1=1, dim2=2).fill_(torch.inf)  # leaves i = j out: exp(-inf) = 0
            least = float(distance.min())
            for i, bandwidth in enumerate(bandwidths):
                if least < 750 * bandwidth:  # else every term is 0 in float64
                    sums[i, some] += distance.mul(-1 / bandwidth).exp_().sum(dim=(1, 2))
    return sums


def mmd(
    fake: Tensor,
    real: Tensor,
    *,
    mode: Literal["frame", "sequence"] = "frame",
    estimator: str = "sagcn",
) -> Tensor:
    """Maximum mean discrepancy between fake and real motions of one class, in float64.

    Args:
        fake, real: (N, C, T, V); alike in C, T and V
        mode: frame = MMDa, poses compared frame by frame; sequence = MMDs, whole motions compared
        estimator: a key of `ESTIMATORS`

    Raises:
        ValueError: for unknown names, shapes that do not fit, NaN or infinity, too few motions

    Example:
        >>> one = torch.zeros(2, 1, 4, 1)
        >>> mmd(one, one + 3.0)                       # two point masses: sqrt(2 - 2 exp(-9 / 1e-4))
        tensor(1.4142, dtype=torch.float64)
    """
    check_motion(fake, "fake motions")
    check_motion(real, "real motions")
    if fake.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"fake and real motions must agree in (C, T, V), got {tuple(fake.shape[1:])} and {tuple(real.shape[1:])}"
        )
    _check_names(mode, estimator)
    return ESTIMATORS[estimator](fake.detach(), real.detach(), VIEWS[mode])


def _check_names(mode: str, estimator: str) -> None:
    for what, name, choices in (("mode", mode, VIEWS), ("estimator", estimator, ESTIMATORS)):
        if name not in choices:
            raise ValueError(f"unknown {what} {name!r}; expected one of: {', '.join(choices)}")


@dataclass(frozen=True, eq=False)
class ClassMMD:
    """What `mmd_per_class` found.

    Args:
        mean: the mean over classes, a number
        value: the score of each class, (K,)
        label: which classes, (K,)
        count: motions used of each class, on each side, (K,)
    """

    mean: Tensor
    value: Tensor
    label: Tensor
    count: Tensor


def mmd_per_class(
    fake: Tensor,
    fake_label: Tensor,
    real: Tensor,
    real_label: Tensor,
    *,
    classes: Iterable[int] | None = None,
    mode: Literal["frame", "sequence"] = "frame",
    estimator: str = "sagcn",
    cap: int = 2000,
    rng: torch.Generator | None = None,
) -> ClassMMD:
    """Maximum mean discrepancy of every class, and its mean over classes.

    A class is compared at equal counts: the smaller of both sides, at most `cap`. Where a side has more, a random part
    of it is used.

    Args:
        fake, real: (N, C, T, V) and (M, C, T, V)
        fake_label, real_label: (N,) and (M,)
        classes: which ones; None = every class that occurs
        mode, estimator: as for `mmd`
        cap: most motions of a class on each side
        rng: draws the part; None = a new generator with seed 0, so that the same sets give the same score

    Raises:
        ValueError: as `mmd`, and for a class with fewer than two motions on a side
    """
    check_motion(fake, "fake motions")
    check_motion(real, "real motions")
    check_labels(fake_label, fake, "fake motions")
    check_labels(real_label, real, "real motions")
    if cap < 2:
        raise ValueError(f"cap must be at least 2, got {cap}")
    rng = torch.Generator().manual_seed(0) if rng is None else rng
    wanted = torch.cat([fake_label, real_label]).unique().tolist() if classes is None else list(classes)
    rows = {k: [(label == k).nonzero().flatten() for label in (fake_label, real_label)] for k in wanted}
    scarce = {k: (len(f), len(r)) for k, (f, r) in rows.items() if min(len(f), len(r)) < 2}
    if scarce or not rows:
        found = ", ".join(f"class {k} has {f} fake and {r} real" for k, (f, r) in scarce.items()) or "no class at all"
        raise ValueError(f"every class needs at least 2 fake and 2 real motions: {found}")
    value, count = [], []
    for f, r in rows.values():
        n = min(len(f), len(r), cap)
        value.append(mmd(fake[_part(f, n, rng)], real[_part(r, n, rng)], mode=mode, estimator=estimator))
        count.append(n)
    values = torch.stack(value)
    return ClassMMD(values.mean(), values, torch.tensor(list(rows)), torch.tensor(count))


def _part(rows: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """`count` of the rows, in their order."""
    if count == len(rows):
        return rows
    chosen = torch.randperm(len(rows), generator=rng, device=rng.device)[:count]
    return rows[chosen.sort().values.to(rows.device)]


class MaximumMeanDiscrepancy(Metric):
    """Mean over classes of the maximum mean discrepancy; keeps all motions until `compute`.

    In a run of several processes each of them must see at least one real and one fake motion. The order of motions then
    differs from that of one process, and with it the part that is drawn of a class with more motions on one side.

    Args:
        mode, estimator, cap: as for `mmd_per_class`
        classes: which ones; None = every class that occurs
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    real: list[Tensor]
    real_label: list[Tensor]
    fake: list[Tensor]
    fake_label: list[Tensor]

    def __init__(
        self,
        *,
        mode: Literal["frame", "sequence"] = "frame",
        estimator: str = "sagcn",
        cap: int = 2000,
        classes: Iterable[int] | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        _check_names(mode, estimator)
        self.mode, self.estimator, self.cap = mode, estimator, cap
        self.classes = None if classes is None else tuple(classes)
        for name in ("real", "real_label", "fake", "fake_label"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, motion: Tensor, label: Tensor, *, real: bool) -> None:
        """Add motions (N, C, T, V) and their labels (N,). Raises ValueError for NaN or infinity."""
        name = "real" if real else "fake"
        if len(motion) == 0:
            return
        check_motion(motion, f"{name} motions")
        check_labels(label, motion, f"{name} motions")
        getattr(self, name).append(motion.detach())
        getattr(self, f"{name}_label").append(label)

    def compute(self) -> Tensor:
        """The mean over classes, a float64 number. Raises ValueError for a class with fewer than two on a side."""
        return self._gathered().mean

    def per_class(self) -> ClassMMD:
        """The score of every class; in a run of several processes all of them must call it."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            return self._gathered()

    def _gathered(self) -> ClassMMD:
        for name, state in (("real", self.real), ("fake", self.fake)):
            if len(state) == 0:
                raise ValueError(f"needs real and fake motions to compare, got no {name} ones")
        return mmd_per_class(
            *(dim_zero_cat(state) for state in (self.fake, self.fake_label, self.real, self.real_label)),
            classes=self.classes,
            mode=self.mode,
            estimator=self.estimator,
            cap=self.cap,
        )

    def extra_repr(self) -> str:
        return f"mode={self.mode!r}, estimator={self.estimator!r}, cap={self.cap}, classes={self.classes}"
