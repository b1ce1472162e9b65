"""Maximum mean discrepancy between generated and real motions, by named estimators, and a test for a difference.

The literature has several incompatible "MMDa" and "MMDs", so every number carries the name of its estimator:

=========== ============================================================================================ =============
`paired`    paired U-statistic, its root, a negative one counts as 0; largest of 14 bandwidths           the default
`sagcn`     SA-GCN's code with its fault: as `paired`, but a negative U loses its bandwidth as NaN       to reproduce
`published` Kinetic-GAN's script with its faults: one pair of motions per class, NaN left out            to reproduce
`mugl`      MUGL and DSAG: V-statistic without root, mean of the running maximum; blind to labels        to reproduce
`unbiased`  MMD^2 with its sign, own counts on both sides, median bandwidth                              to conclude
=========== ============================================================================================ =============

An estimator takes fake and real motions of one class and a view, which defines the samples and the groups over which
scores are averaged: `by_frame` (MMDa, one comparison of poses per frame) or `by_sequence` (MMDs, one of whole motions).
All use the kernel ``k(x, y) = exp(-|x - y|^2 / b)``, without a factor 2.

`paired` and `sagcn` are the same number if no U is negative. The default, also of `kinetic evaluate`, is `paired`: in
`sagcn` a single frame with similar sets can lose the bandwidth that separates the others.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor

from kinetic.metrics.checks import check_labels, check_motion
from kinetic.metrics.classes import PerClass, per_class

__all__ = [
    "BANDWIDTHS",
    "ESTIMATORS",
    "VIEWS",
    "PublishedFault",
    "by_frame",
    "by_sequence",
    "mmd",
    "mmd_per_class",
    "mugl",
    "paired_mmd",
    "permutation_test",
    "published",
    "sagcn",
    "typical_bandwidth",
    "unbiased",
]

BANDWIDTHS = tuple(10.0**power for power in range(-4, 10))
BLOCK = 2**17  # distances in one block: 1 MB in float64, which fits the cache
MEDIAN_OF = 2000  # most motions, of both sides together, for a median of their distances
FAR = 60.0  # above this d^2 / b a kernel counts as exp(-60) = 9e-27: smaller ones change nothing, and can be slow
NEAR, TERMS = 0.1, 8  # up to this d^2 / b a kernel is a series of so many terms; the next one is below 3e-15
ROUNDING = 1e-12  # of a statistic in float64

View = Callable[[Tensor], Tensor]
Estimator = Callable[[Tensor, Tensor, View], Tensor]
Mode = Literal["frame", "sequence"]


class PublishedFault(UserWarning):
    """Warning that a fault of published code, kept in `sagcn` and `published`, changed the score.

    Bandwidths were lost to the root of a negative number, and a class without any left scored 0.
    """


def by_frame(motion: Tensor) -> Tensor:
    """Poses of each frame: (N, C, T, V) -> (T, N, V C)."""
    return rearrange(motion, "n c t v -> t n (v c)")


def by_sequence(motion: Tensor) -> Tensor:
    """Whole motions: (N, C, T, V) -> (1, N, T V C)."""
    return rearrange(motion, "n c t v -> 1 n (t v c)")


VIEWS: dict[str, View] = {"frame": by_frame, "sequence": by_sequence}


def paired_mmd(fake: Tensor, real: Tensor, view: View) -> Tensor:
    """MMD by SA-GCN's estimator without its fault: the largest over 14 bandwidths of sqrt(U), averaged over the views.

    b goes from 1e-4 to 1e9, and U is the sum over i != j of k(x_i, x_j) + k(y_i, y_j) - 2 k(x_i, y_j), divided by
    m (m - 1): the paired U-statistic, which leaves i = j out of the cross term as well and needs equally many motions
    on both sides (Yu et al. 2020).

    U can be negative for similar sets. The root of a negative U, or one of mere rounding, counts as 0 and not as a NaN
    that drops out of the maximum. The mean over frames comes first, then the maximum; for one view it is the root of
    the largest U.
    """
    _check_pairs(fake, real, "paired")
    statistic = paired_statistic(view(fake), view(real))
    return torch.where(statistic > ROUNDING, statistic, 0).sqrt().mean(dim=1).max()


def sagcn(fake: Tensor, real: Tensor, view: View) -> Tensor:
    """The estimator of SA-GCN's code (Yu et al. 2020, `evaluation.py`), with its fault.

    It is that of `paired_mmd`, but the root of a negative U is NaN, and NaN > best is False: one such frame loses the
    bandwidth for all frames, and if all bandwidths are lost the score is 0, which is perfect. So frames with similar
    sides change the score of the others.

    Issues `PublishedFault` when bandwidths were lost. It computes differences kernel by kernel, as their class does,
    and is slower than `paired_mmd`. It uses float64; theirs has the precision of its arrays.
    """
    score, lost = _sagcn(fake, real, view)
    _warn([lost], "sagcn", stacklevel=4)
    return score


def _sagcn(fake: Tensor, real: Tensor, view: View) -> tuple[Tensor, int]:
    """The score, and the number of lost bandwidths."""
    _check_pairs(fake, real, "sagcn")
    x, y = view(fake).double(), view(real).double()  # (G, m, D)
    groups, m, _ = x.shape
    sums = x.new_zeros(len(BANDWIDTHS), groups)
    rows = max(1, BLOCK // m)
    for g in range(groups):
        for start in range(0, m, rows):
            pairs = ((x, x), (y, y), (x, y))
            xx, yy, xy = (_from_differences(a[g, start : start + rows], b[g]) for a, b in pairs)
            if not (torch.isfinite(xx).all() and torch.isfinite(yy).all() and torch.isfinite(xy).all()):
                raise ValueError("coordinates are too large: their squares are no numbers in float64")
            for i, bandwidth in enumerate(BANDWIDTHS):
                h = (-xx / bandwidth).exp() + (-yy / bandwidth).exp() - 2 * (-xy / bandwidth).exp()
                h.diagonal(offset=start).zero_()
                sums[i, g] += h.sum()
    return _largest((sums / (m * (m - 1))).sqrt().mean(dim=1))


def _from_differences(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances, exactly 0 between equal points: (r, D), (n, D) -> (r, n)."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()


def _largest(scores: Tensor) -> tuple[Tensor, int]:
    """The largest of (B,) and 0 without NaN, as in published code, where NaN > best is False; and the count of NaN."""
    lost = scores.isnan()
    return torch.where(lost, 0, scores).max(), int(lost.sum())


def published(fake: Tensor, real: Tensor, view: View) -> Tensor:
    """The estimator of Kinetic-GAN's `mmd-actions.py` for one class, with its faults; only to compare with its numbers.

    It uses the first motion of either side, with joints as samples: m = V, D = C. So it is a distance between the poses
    of one fake and one real motion, not between distributions: fakes that are all the same motion score 0 if that
    motion is the first real one. As in `sagcn`, the origin of the script, i = j is left out everywhere (here the same
    joint on both sides), the score is the largest of 14 bandwidths, the root of a negative U is NaN, one such frame
    loses its bandwidth, and if all are lost the score is 0, which is perfect.

    Issues `PublishedFault` when bandwidths were lost. It uses float64; the script has the precision of its files.
    """
    score, lost = _published(fake, real, view)
    _warn([lost], "published", stacklevel=4)
    return score


def _published(fake: Tensor, real: Tensor, view: View) -> tuple[Tensor, int]:
    """The score, and the number of lost bandwidths."""
    _check_counts(fake, real, "published", least=1)
    x, y = (view(rearrange(motion[0], "c t v -> v c t 1")).double() for motion in (fake, real))  # (G, V, D)
    joints = x.shape[1]
    if joints < 2:
        raise ValueError(f"the published estimator reads joints as samples and needs at least 2, got {joints}")
    xx, yy, xy = ((a.unsqueeze(2) - b.unsqueeze(1)).square().sum(dim=3) for a, b in ((x, x), (y, y), (x, y)))
    scores = []
    for bandwidth in BANDWIDTHS:
        h = (-xx / bandwidth).exp() + (-yy / bandwidth).exp() - 2 * (-xy / bandwidth).exp()
        h.diagonal(dim1=1, dim2=2).zero_()
        scores.append((h.sum(dim=(1, 2)) / (joints * (joints - 1))).sqrt().mean())
    return _largest(torch.stack(scores))


def _warn(lost: Sequence[int], estimator: str, *, stacklevel: int) -> None:
    """Warn of the lost bandwidths of some classes, at the line of the caller."""
    if not any(lost):
        return
    of, all_lost = len(BANDWIDTHS), sum(count == len(BANDWIDTHS) for count in lost)
    message = (
        f"the {estimator} estimator took roots of negative numbers: {sum(lost)} of {of * len(lost)} bandwidths "
        f"vanished from the maximum, in {sum(map(bool, lost))} of {len(lost)} classes"
    )
    if all_lost:
        message += f"; {all_lost} lost all of them and score{'s' * (all_lost == 1)} 0, as if perfect"
    if estimator == "sagcn":
        message += "; estimator='paired' loses none"
    warnings.warn(message, PublishedFault, stacklevel=stacklevel)


def mugl(fake: Tensor, real: Tensor, view: View) -> Tensor:
    """The estimator of MUGL and DSAG (Maheshwari et al. 2022): a V-statistic, no root, all motions in one set.

    The mean of k(x_i, x_j) + k(y_i, y_j) - 2 k(x_i, y_j) over all i and j, averaged over the views; then the running
    maximum from the smallest bandwidth to the largest; the score is the mean of those 14 numbers. So it depends on the
    number of bandwidths beyond the best one. Labels are ignored.

    i = j is included, which biases it: between samples of one distribution it is up to 2 / m, most at small bandwidths.
    Compare only at equal counts. Theirs needs as many fake as real motions; for unequal counts this is the V-statistic
    with separate means.
    """
    _check_counts(fake, real, "mugl", least=1)
    x, y = view(fake), view(real)
    m, n = x.shape[1], y.shape[1]
    within_x, within_y, between = _gaps(x, y, BANDWIDTHS)
    statistic = 2 * between / (m * n) - within_x / m**2 - within_y / n**2
    return statistic.mean(dim=1).clamp(min=0).cummax(dim=0).values.mean()


def unbiased(fake: Tensor, real: Tensor, view: View, *, bandwidths: Iterable[float] | None = None) -> Tensor:
    """MMD^2 without bias, with its sign (Gretton et al. 2012, eq. 3), averaged over the views.

    Mean of k(x_i, x_j) over i != j, plus that of k(y_i, y_j), less twice the mean of all k(x_i, y_j). Its expectation
    is 0 for two sets of one distribution, so it is negative about half of the time: it is no distance, and has no root.
    `permutation_test` returns the probability of such a value by chance.

    The bandwidth of each view is the median of the squared distances in the union of both sides; of more than 2,000
    motions, evenly spaced ones are used. It depends on the fakes: to rank generators, give `bandwidths`, such as
    `typical_bandwidth` of other real motions. Kernels of several bandwidths are averaged.
    """
    _check_counts(fake, real, "unbiased")
    x, y, bandwidths = _scaled(view(fake), view(real), bandwidths)
    return unbiased_statistic(x, y, bandwidths).mean()


ESTIMATORS: dict[str, Estimator] = {
    "paired": paired_mmd,
    "sagcn": sagcn,
    "published": published,
    "mugl": mugl,
    "unbiased": unbiased,
}
PAIRED = frozenset({"paired", "sagcn"})
"""Estimators that need equal counts."""


def _check_counts(fake: Tensor, real: Tensor, estimator: str, *, least: int = 2) -> None:
    if min(len(fake), len(real)) < least:
        raise ValueError(
            f"the {estimator} estimator needs at least {least} motions on each side, got {len(fake)}, {len(real)}"
        )


def _check_pairs(fake: Tensor, real: Tensor, estimator: str) -> None:
    if len(fake) != len(real):
        raise ValueError(
            f"the {estimator} estimator pairs motions: it needs as many fake as real, got {len(fake)}, {len(real)}"
        )
    _check_counts(fake, real, estimator)


def paired_statistic(x: Tensor, y: Tensor, bandwidths: Iterable[float] = BANDWIDTHS) -> Tensor:
    """The paired U-statistic of (G, m, D) and (G, m, D), an estimate of MMD^2 that may be negative: (B, G), float64."""
    m = x.shape[1]
    within_x, within_y, between = _gaps(x, y, bandwidths, paired=True)
    return (2 * between - within_x - within_y) / (m * (m - 1))


def unbiased_statistic(x: Tensor, y: Tensor, bandwidths: Iterable[float] = BANDWIDTHS) -> Tensor:
    """The U-statistic of (G, m, D) and (G, n, D), an unbiased estimate of MMD^2: (B, G), float64."""
    m, n = x.shape[1], y.shape[1]
    within_x, within_y, between = _gaps(x, y, bandwidths)
    return 2 * between / (m * n) - within_x / (m * (m - 1)) - within_y / (n * (n - 1))


def median_bandwidths(*sides: Tensor) -> Tensor:
    """The median of squared distances within the union of sides, (G, m, D) each: (G,), float64.

    A view in which all points are the same gets 1, because every bandwidth gives 0 there.

    Raises:
        ValueError: if so many points are the same that the median is 0
    """
    step = -(-sum(side.shape[1] for side in sides) // MEDIAN_OF)
    groups = []
    for group in zip(*(side.split(1) for side in sides), strict=True):
        z = torch.cat([part.double() for part in group], dim=1)[:, ::step]
        z = z - z.mean(dim=1, keepdim=True)
        pairs = [
            distance[torch.ones_like(distance, dtype=torch.bool).triu(1)]
            for _, parts in _blocks(z, z, triangle=True)
            for _, distance in parts
        ]
        distances = torch.cat(pairs)
        groups.append(distances.median() if distances.any() else distances.new_ones(()))
    medians = torch.stack(groups)
    if not medians.all():
        raise ValueError(
            f"in {int((medians == 0).sum())} of {len(medians)} views more than half of all pairs of motions are the "
            "same point, so their median distance is no bandwidth; give bandwidths"
        )
    return medians


def typical_bandwidth(motion: Tensor, label: Tensor, *, mode: Mode = "frame") -> float:
    """A bandwidth from motions (N, C, T, V) and labels (N,): the typical squared distance within a class.

    The median over classes and frames of the median over pairs. If it comes from other motions than those compared,
    `unbiased` stays unbiased, and all generators have the same kernel. Classes of one motion are left out.

    Raises:
        ValueError: for NaN or infinity, labels that do not fit, no class of two motions, or where most pairs of motions
            are the same
    """
    check_motion(motion, "motions")
    check_labels(label, motion, "motions")
    counts = zip(*label.unique(return_counts=True), strict=True)
    classes = [VIEWS[mode](motion[label == k]) for k, count in counts if count >= 2]
    if not classes:
        raise ValueError("a bandwidth needs a class with two motions")
    return float(torch.cat([median_bandwidths(groups) for groups in classes]).median())


def _scaled(x: Tensor, y: Tensor, bandwidths: Iterable[float] | None) -> tuple[Tensor, Tensor, tuple[float, ...]]:
    """Points and bandwidths; for None, points divided by the root of the median, and a bandwidth of 1."""
    if bandwidths is not None:
        return x, y, _checked(bandwidths)
    unit = rearrange(median_bandwidths(x, y).sqrt(), "g -> g 1 1")
    x, y = _centred(x, y)
    return x.div_(unit), y.div_(unit), (1.0,)


def _checked(bandwidths: Iterable[float]) -> tuple[float, ...]:
    bandwidths = tuple(map(float, bandwidths))
    if not bandwidths or not all(0 < bandwidth < math.inf for bandwidth in bandwidths):
        raise ValueError(f"bandwidths must be positive numbers, at least one, got {bandwidths}")
    return bandwidths


def _centred(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Copies in float64 about a common centre, which keeps squares of coordinates small."""
    x, y = (part.to(torch.float64, copy=True) for part in (x, y))
    center = (x.mean(dim=1, keepdim=True) + y.mean(dim=1, keepdim=True)) / 2
    return x.sub_(center), y.sub_(center)


def _blocks(x: Tensor, y: Tensor, *, triangle: bool = False) -> Iterator[tuple[slice, Iterator[tuple[slice, Tensor]]]]:
    """Squared distances of (G, m, D) from (G, n, D), block by block.

    Yields a slice of rows with its parts, each a slice of groups with distances (groups, rows, n). For a triangle x is
    y, and columns before the first row are left out: (groups, rows, n - first row).
    """
    groups, m, _ = x.shape
    n = y.shape[1]
    rows = max(1, min(BLOCK // n, -(-m // 4)))  # in a triangle of 4 steps, little is computed twice
    step = max(1, BLOCK // (rows * n))
    square_x = torch.linalg.vecdot(x, x)
    square_y = square_x if y is x else torch.linalg.vecdot(y, y)
    if not (torch.isfinite(square_x).all() and torch.isfinite(square_y).all()):
        raise ValueError("coordinates are too large: their squares are no numbers in float64")

    def parts(part_rows: slice, columns: slice) -> Iterator[tuple[slice, Tensor]]:
        for start in range(0, groups, step):
            part = slice(start, start + step)
            distance = torch.baddbmm(
                square_y[part, None, columns], x[part, part_rows], y[part, columns].mT, alpha=-2
            )  # (groups, rows, columns)
            distance += square_x[part, part_rows, None]
            yield part, distance.clamp_(min=0)  # rounding of |x|^2 - 2xy + |y|^2

    for row in range(0, m, rows):
        part_rows = slice(row, min(row + rows, m))
        yield part_rows, parts(part_rows, slice(row if triangle else 0, n))


def _gaps(x: Tensor, y: Tensor, bandwidths: Iterable[float], *, paired: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of 1 - k over pairs within (G, m, D), within (G, n, D) and between them; 3 times (B, G).

    In every estimate the ones cancel. Sums of 1 - k lose no digits if k is close to 1, and i = j, for which k is 1,
    adds nothing within a side. With `paired`, i = j is left out of the sum between the sides.
    """
    bandwidths = _checked(bandwidths)
    x, y = _centred(x, y)
    within_x, within_y, between = x.new_zeros(3, len(bandwidths), x.shape[0])
    for within, z in ((within_x, x), (within_y, y)):
        for rows, parts in _blocks(z, z, triangle=True):
            weight = z.new_full((z.shape[1] - rows.start,), 2)  # each pair counts twice ...
            weight[: rows.stop - rows.start] = 1  # ... except in the square on the diagonal, which has both
            for groups, distance in parts:
                within[:, groups] += _gap_sums(distance, weight, bandwidths, distance.diagonal(dim1=1, dim2=2))
    weight = y.new_ones(y.shape[1])
    for rows, parts in _blocks(x, y):
        for groups, distance in parts:
            same = distance.diagonal(rows.start, dim1=1, dim2=2) if paired else None
            between[:, groups] += _gap_sums(distance, weight, bandwidths, same)
    return within_x, within_y, between


def _gap_sums(distance: Tensor, weight: Tensor, bandwidths: Sequence[float], left_out: Tensor | None) -> Tensor:
    """Weighted sums of 1 - exp(-distance / b): (G, r, c) and (c,) -> (B, G); `left_out` is a view on some distances.

    One block serves all bandwidths. For large bandwidths all kernels follow from the same few moments; for small ones
    all kernels are 0; and the kernel of a bandwidth is the tenth power of that of a ten times larger one.
    """
    sums = distance.new_empty(len(bandwidths), len(distance))
    pairs = float(distance.shape[1] * weight.sum())
    if left_out is not None:
        pairs -= left_out.shape[1]
        left_out.zero_()
    far = float(distance.max())
    large = [i for i, bandwidth in enumerate(bandwidths) if far <= NEAR * bandwidth]
    if large:
        sums[large] = _series(distance, weight, far, [bandwidths[i] for i in large])
    if left_out is not None:
        left_out.fill_(torch.inf)
    near = float(distance.min())
    kernel, before, powers = distance, 0.0, 0
    for i in sorted(set(range(len(bandwidths))) - set(large), key=bandwidths.__getitem__, reverse=True):
        bandwidth = bandwidths[i]
        if near > FAR * bandwidth:
            sums[i] = pairs
            continue
        if powers < 3 and math.isclose(before, 10 * bandwidth, rel_tol=1e-12):
            kernel.clamp_(min=math.exp(-FAR / 10))
            square = kernel * kernel
            torch.mul(square, square, out=kernel)
            kernel.mul_(kernel).mul_(square)  # (k^4)^2 k^2
            powers += 1  # each power makes the rounding error ten times as large
        else:
            kernel, powers = torch.mul(distance, -1 / bandwidth).clamp_(min=-FAR).exp_(), 0
        before = bandwidth
        sums[i] = pairs - (kernel @ weight).sum(dim=1)
    return sums


def _series(distance: Tensor, weight: Tensor, far: float, bandwidths: Sequence[float]) -> Tensor:
    """Weighted sums of 1 - exp(-distance / b) where no distance is over a tenth of any b: (B, G).

    ``1 - exp(-u) = u - u^2 / 2 + u^3 / 6 - ...``, so all bandwidths share the sums of powers of the distances.
    """
    if far == 0:
        return distance.new_zeros(len(bandwidths), len(distance))
    unit = distance / far
    power, moments = unit.clone(), []
    for _ in range(TERMS):
        moments.append((power @ weight).sum(dim=1))
        power *= unit
    factors = [
        [-((-far / bandwidth) ** k) / math.factorial(k) for k in range(1, TERMS + 1)] for bandwidth in bandwidths
    ]
    return distance.new_tensor(factors) @ torch.stack(moments)


def mmd(
    fake: Tensor,
    real: Tensor,
    *,
    mode: Mode = "frame",
    estimator: str = "paired",
    bandwidths: Iterable[float] | None = None,
) -> Tensor:
    """Maximum mean discrepancy between fake and real motions of one class, or of one set, in float64.

    Args:
        fake, real: (N, C, T, V) and (M, C, T, V), finite; N = M for `paired` and `sagcn`
        mode: frame = MMDa, poses compared frame by frame; sequence = MMDs, whole motions compared
        estimator: a key of `ESTIMATORS`; scores of different estimators cannot be compared
        bandwidths: of `unbiased`, whose kernel is the mean over them; None = the median of squared distances. The other
            estimators define their bandwidths

    Raises:
        ValueError: for unknown names, shapes that do not fit, NaN or infinity, too few motions, and bandwidths that are
            not positive or for another estimator

    Example:
        >>> x = torch.zeros(2, 1, 4, 1)
        >>> mmd(x, x + 3.0)                           # two point masses: sqrt(2 - 2 exp(-9 / 1e-4))
        tensor(1.4142, dtype=torch.float64)
    """
    _check(fake, real)
    _check_names(mode, estimator, bandwidths)
    if bandwidths is not None:
        return unbiased(fake.detach(), real.detach(), VIEWS[mode], bandwidths=bandwidths)
    return ESTIMATORS[estimator](fake.detach(), real.detach(), VIEWS[mode])


def _check(fake: Tensor, real: Tensor) -> None:
    check_motion(fake, "fake motions")
    check_motion(real, "real motions")
    if fake.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"fake and real motions must agree in (C, T, V), got {tuple(fake.shape[1:])} and {tuple(real.shape[1:])}"
        )


def _check_names(mode: str, estimator: str, bandwidths: Iterable[float] | None = None) -> None:
    for what, name, choices in (("mode", mode, VIEWS), ("estimator", estimator, ESTIMATORS)):
        if name not in choices:
            raise ValueError(f"unknown {what} {name!r}; expected one of: {', '.join(choices)}")
    if bandwidths is not None and estimator != "unbiased":
        raise ValueError(f"the {estimator} estimator has its own bandwidths; only unbiased takes others")


def mmd_per_class(
    fake: Tensor,
    fake_label: Tensor,
    real: Tensor,
    real_label: Tensor,
    *,
    classes: Iterable[int] | None = None,
    mode: Mode = "frame",
    estimator: str = "paired",
    bandwidths: Iterable[float] | None = None,
    cap: int = 2000,
    rng: torch.Generator | None = None,
) -> PerClass:
    """Maximum mean discrepancy of every class, and its mean over classes.

    `paired` and `sagcn` compare at equal counts: that of the smaller side, at most `cap`. `unbiased` uses all motions,
    at most `cap` of either side. Of a larger side, a random part is used.

    `published` selects as the script does: the first motion of each class, where index 0 only counts for the first
    class. Unlike the script, it accepts classes with fewer than 100 motions, and any `classes` instead of 10 or 60. The
    score depends on the order of motions.

    Args:
        fake, real: (N, C, T, V) and (M, C, T, V)
        fake_label, real_label: (N,) and (M,)
        classes: numbers of the classes; None = every class that occurs
        mode, estimator, bandwidths: as for `mmd`
        cap: most motions of a class on each side
        rng: draws the part; None = a new generator with seed 0, so that the same sets give the same score

    Raises:
        ValueError: as `mmd`, for a class with too few motions on a side, and for `mugl`, which has no score per class
    """
    _check(fake, real)
    _check_names(mode, estimator, bandwidths)
    if estimator == "mugl":
        raise ValueError(
            "the mugl estimator ignores labels, as its authors' code does: it compares all motions as one set, and has "
            "no score per class; use mmd(fake, real, estimator='mugl')"
        )
    kernels = None if bandwidths is None else _checked(bandwidths)
    faulty, lost = {"sagcn": _sagcn, "published": _published}.get(estimator), []

    def score(x: Tensor, y: Tensor) -> Tensor:
        if faulty is None:
            return mmd(x, y, mode=mode, estimator=estimator, bandwidths=kernels)
        value, vanished = faulty(x.detach(), y.detach(), VIEWS[mode])
        lost.append(vanished)
        return value

    if estimator == "published":
        check_labels(fake_label, fake, "fake motions")
        check_labels(real_label, real, "real motions")
        classes = torch.cat([fake_label, real_label]).unique().tolist() if classes is None else list(classes)
        f, r = _first_of_each(fake_label, classes), _first_of_each(real_label, classes)
        scores = per_class(score, fake[f], fake_label[f], real[r], real_label[r], classes=classes, least=1)
    else:
        equal = estimator in PAIRED
        scores = per_class(score, fake, fake_label, real, real_label, classes=classes, equal=equal, cap=cap, rng=rng)
    _warn(lost, estimator, stacklevel=3)
    return scores


def _first_of_each(label: Tensor, classes: Sequence[int]) -> Tensor:
    """First row of each class; as in the script, the search for all but the first class starts at index 1."""
    by_class = [(label == k).nonzero().flatten() for k in classes]
    return torch.cat([rows[rows >= min(i, 1)][:1] for i, rows in enumerate(by_class)])


def permutation_test(
    fake: Tensor,
    real: Tensor,
    *,
    mode: Mode = "frame",
    permutations: int = 1000,
    bandwidths: Iterable[float] | None = None,
    rng: torch.Generator | None = None,
) -> Tensor:
    """p-value of the difference between fake and real motions of one class, in float64.

    The share of relabellings of the union whose MMD^2 (`unbiased`, averaged over the views) is at least that of the
    true labels, which count as one of them: the smallest p-value is 1 / (permutations + 1). It is valid for independent
    motions, not for windows of one recording.

    A large p-value means that the sets are too small to separate them, not that they are equal.

    Args:
        fake, real: (N, C, T, V) and (M, C, T, V), at least 2 each
        mode, bandwidths: as for `mmd`
        permutations: number of random relabellings
        rng: draws the relabellings; None = a new generator with seed 0

    Raises:
        ValueError: as `mmd`, and for fewer than one permutation
    """
    _check(fake, real)
    _check_names(mode, "unbiased")
    _check_counts(fake, real, "unbiased")
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, got {permutations}")
    rng = torch.Generator().manual_seed(0) if rng is None else rng
    view = VIEWS[mode]
    x, y, bandwidths = _scaled(view(fake.detach()), view(real.detach()), bandwidths)
    z = torch.cat(_centred(x, y), dim=1)
    m, total = len(fake), len(fake) + len(real)
    n = total - m
    member = z.new_zeros(total, permutations + 1)  # 1 if a motion counts as fake in a relabelling
    member[:m, 0] = 1
    for i in range(1, permutations + 1):
        member[torch.randperm(total, generator=rng, device=rng.device)[:m].to(z.device), i] = 1
    # With K the kernel matrix, 0 on its diagonal, and s a column of `member`: s'Ks is the sum within the fakes, and
    # s'K1 - s'Ks that between both sides. K is the mean over views and bandwidths, so one K serves all of them.
    within = z.new_zeros(permutations + 1)  # s'Ks
    row_sums = z.new_zeros(total)  # K1
    for rows, parts in _blocks(z, z, triangle=True):
        count = rows.stop - rows.start
        kernel = z.new_zeros(count, total - rows.start)
        for _, distance in parts:
            for bandwidth in bandwidths:
                kernel += torch.mul(distance, -1 / bandwidth).clamp_(min=-FAR).exp_().sum(dim=0)
        kernel /= len(z) * len(bandwidths)
        kernel.diagonal().zero_()
        row_sums[rows] += kernel.sum(dim=1)
        row_sums[rows.stop :] += kernel[:, count:].sum(dim=0)
        kernel[:, count:] *= 2  # counts for its mirror image too
        within += (member[rows] * (kernel @ member[rows.start :])).sum(dim=0)
    between = row_sums @ member - within
    others = row_sums.sum() - 2 * between - within
    statistic = within / (m * (m - 1)) + others / (n * (n - 1)) - 2 * between / (m * n)
    return (statistic >= statistic[0] - ROUNDING).double().mean()
