"""Variation of generated motions: between all of them, within a class, and from one draw of the noise to the next.

A good `pairwise_distance` equals that of real motions; a large one is not better, because noise is diverse too.
`variance_ratio` includes the comparison with real motions, class by class.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from kinetic.metrics.checks import check_features, check_finite, check_labels
from kinetic.metrics.classes import PerClass, per_class

__all__ = ["COLLAPSED", "joint_deviation", "pairwise_distance", "variance_ratio", "vendi_score"]

BLOCK = 1024  # rows on either side of the distances held at once: 8 MB in float64

COLLAPSED = 0.25
"""A class with a `variance_ratio` below this has collapsed: a convention, not a test.

In three sets of real motions (8 to 53 classes, 5 to 14 people), the variance of half of the people is 0.29 to 2.4
times that of the other half in 98 of 100 classes. So real motions rarely fall below a quarter by chance; those of a
single person do, in up to half of the classes.
"""


def pairwise_distance(x: Tensor, label: Tensor | None = None) -> Tensor:
    """Mean distance between two different rows of (N, ...), in float64; with labels, between two of the same class.

    Three measures in the literature are special cases:

    - *diversity* (Guo et al. 2020): of features, without labels
    - *multimodality* (ibid.): of features, with labels
    - *average pairwise distance*, APD (Yuan and Kitani 2020): of the coordinates of whole motions, with the observed
      past as label. A distance is the root of the sum of squares over all coordinates, joints and frames, so it grows
      with their numbers.

    Their code draws 200 random pairs, or 20 per class, and a pair can hold the same motion twice. Here the mean is over
    all N (N - 1) / 2 pairs of different rows, in blocks. With labels it is the mean within each class, then over
    classes with equal weight.

    Args:
        x: (N, ...), features or motions
        label: (N,)

    Raises:
        ValueError: for NaN or infinity, labels that do not fit, fewer than two rows, or a class with one row, naming it
    """
    check_finite(x, "motions or features")
    if len(x) < 2:
        raise ValueError(f"a distance between motions needs at least 2 of them, got {len(x)}")
    x = x.detach().flatten(1)
    if label is None:
        return _mean_distance(x)
    check_labels(label, x, "motions or features")
    classes, count = label.unique(return_counts=True)
    if (count < 2).any():
        scarce = ", ".join(map(str, classes[count < 2].tolist()))
        raise ValueError(f"a distance between motions needs at least 2 of each class; there is one of class {scarce}")
    return torch.stack([_mean_distance(x[label == k]) for k in classes]).mean()


def variance_ratio(fake: Tensor, fake_label: Tensor, real: Tensor, real_label: Tensor) -> PerClass:
    """Variance of the fakes of each class over that of the real ones: 1 = as varied, 0 = all the same motion.

    The variance is the trace of the covariance, half of the mean squared distance of a pair. `mean` is the geometric
    mean over classes, in which half and double cancel out. Look at the classes too: a class below `COLLAPSED` is an
    alarm, whatever the mean. A value near 1 does not show *what* varies; trembling counts as much as style.

    Args:
        fake, real: (N, ...) and (M, ...), motions or features
        fake_label, real_label: (N,) and (M,)

    Raises:
        ValueError: for NaN or infinity, labels that do not fit, fewer than two motions of a class on a side, or a class
            whose real motions are all the same
    """
    ratios = per_class(lambda f, r: _variance(f) / _variance(r), fake, fake_label, real, real_label)
    constant = ~torch.isfinite(ratios.value)
    if constant.any():
        numbers = ", ".join(map(str, ratios.label[constant.cpu()].tolist()))
        raise ValueError(f"there is no variance to compare with: all real motions are the same in class {numbers}")
    return replace(ratios, mean=ratios.value.log().mean().exp())


def vendi_score(x: Tensor, *, center: Tensor | None = None) -> Tensor:
    """Effective number of different motions in features (N, D): 1 = all alike, at most min(N, D); in float64.

    The Vendi score (Friedman and Dieng 2023, eq. 1): ``exp(-sum of v log v)`` over the eigenvalues v of K / N, where K
    holds the cosines between rows. The paper allows any K with ones on its diagonal, and uses cosines of features too.
    Features after a ReLU all point to one side, so their cosines and the score are near 1 for any motions. About the
    mean of real features, as `center`, they point in all directions; do not use the mean of the set itself, because the
    score of a collapsed set would then be that of the noise around it.

    It grows with the number of motions, up to a limit: compare sets of equal size. A set repeated as a whole has the
    same score. Noise is diverse too, so the target is the score of real motions. Time grows as N D min(N, D), memory as
    N D.

    Args:
        x: (N, D)
        center: (D,) subtracted first; None = nothing (published)

    Raises:
        ValueError: for no rows, NaN or infinity, or a row at the center, which has no direction

    Example:
        >>> vendi_score(torch.eye(3))        # three directions at right angles
        tensor(3.0000, dtype=torch.float64)
    """
    check_features(x, "features")
    if len(x) == 0:
        raise ValueError("a Vendi score needs at least 1 motion, got 0")
    x = x.detach().double()
    x = x if center is None else x - center
    length = x.norm(dim=1, keepdim=True)
    if zeros := (length.flatten() == 0).nonzero().flatten().tolist():
        raise ValueError(f"no cosine with features of length 0: rows {', '.join(map(str, zeros[:10]))}")
    x = x / length
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x  # the same eigenvalues except zeros
    value = torch.linalg.eigvalsh(gram / len(x)).clamp(min=0)
    return torch.special.entr(value).sum().exp()


def joint_deviation(motion: Tensor) -> Tensor:
    """Deviation of each joint under the generator's noise: (L, R, C, T, V) -> (V,), in float64.

    Each of L latents with its label is generated R times with other noise on the maps. A joint's deviation is the root
    mean square, over latents and frames, of its distance from the mean of its R positions: the root of the sum of
    unbiased variances over coordinates. Degardin et al. (2022) show such bars, in units of the network, without saying
    how they join the coordinates. With the mean instead of the sum, bars would be shorter by sqrt(C).

    Raises:
        ValueError: for other shapes, fewer than two repetitions, NaN or infinity
    """
    if motion.ndim != 5 or len(motion) == 0 or motion.shape[1] < 2:
        raise ValueError(
            "expected at least one latent and two repetitions, (L, R, C, T, V) with R >= 2, "
            f"got shape {tuple(motion.shape)}"
        )
    check_finite(motion, "motions of one latent each")
    variance = torch.stack([x.detach().double().var(dim=0).sum(dim=0).mean(dim=0) for x in motion])  # (L, V)
    return variance.mean(dim=0).sqrt()


def _variance(x: Tensor) -> Tensor:
    return x.detach().flatten(1).double().var(dim=0).sum()


def _mean_distance(x: Tensor) -> Tensor:
    """Mean distance between different rows of (N, D), N >= 2.

    Rows are centred first, because distances from products of rows have errors of about 1e-8 of the distance from 0.
    """
    n = len(x)
    center = x.mean(dim=0, dtype=torch.float64)
    total = center.new_zeros(())
    for i in range(0, n, BLOCK):
        rows = x[i : i + BLOCK].double() - center
        for j in range(i, n, BLOCK):
            others = rows if i == j else x[j : j + BLOCK].double() - center
            distance = torch.cdist(rows, others, compute_mode="use_mm_for_euclid_dist")
            total += (distance.triu(diagonal=1) if i == j else distance).sum()
    return total / (n * (n - 1) / 2)
