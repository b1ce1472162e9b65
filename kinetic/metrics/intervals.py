"""Confidence intervals of mean scores, inside the bounds of the score."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

__all__ = ["COVERS", "UNBOUNDED", "interval", "interval_from", "student_interval"]

COVERS = (
    "interval: 95% for the mean over draws of this generator, against these real motions; not for other people "
    "(--bootstrap)"
)
"""Note of a report on what its intervals cover."""

UNBOUNDED = (-math.inf, math.inf)
"""Bounds of a number without bounds."""

OUTSIDE = 1e-6
"""A mean may lie outside its bounds by this much, or this share of it, since features have single precision."""


def interval(
    values: Sequence[float], *, bounds: tuple[float, float] = UNBOUNDED, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Lower and upper end of the confidence interval of the mean of independent values; None for fewer than two.

    It covers the mean of infinitely many such values: with one value per draw of a generator, the expected score of
    this generator against the same real motions, not against other real motions. The interval of equal values has no
    width, although the next value may differ.

    Args:
        values: K numbers, one per repetition
        bounds, confidence: as for `interval_from`

    Raises:
        ValueError: for values that are not finite, and as `interval_from`

    Example:
        >>> low, high = interval([2.0, 4.0, 3.0])                  # 3 -+ 4.303 / sqrt(3)
        >>> low, high = interval([0.2, 0.4, 0.9], bounds=(0, 1))   # 0.5 [0.06, 0.94], where Student's t has 0.5 +- 0.90
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ValueError(f"an interval needs a list of finite numbers, got {list(values)}")
    if len(numbers) < 2:
        return None
    mean, freedom = math.fsum(numbers) / len(numbers), len(numbers) - 1
    variance = 0.0 if np.ptp(numbers) == 0 else float(np.var(numbers, ddof=1)) / len(numbers)
    return interval_from(mean, variance, freedom, bounds=bounds, confidence=confidence)


def interval_from(
    mean: float,
    variance: float,
    freedom: float,
    *,
    bounds: tuple[float, float] = UNBOUNDED,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Lower and upper end of the confidence interval of a mean, from an estimate of its variance.

    Without bounds it is Student's: ``mean -+ t sqrt(variance)``, where t is the quantile of his distribution.

    With one bound, such as 0 for a distance, Student's interval is cut there. Its coverage is the same, because the
    true mean is inside the bounds.

    With two bounds, scaled to 0 and 1, it is the score interval of Wilson (1927) for a share, with t in the place of
    the normal quantile and an effective number n of trials in the place of their number. A share p of n independent
    trials has variance ``p (1 - p) / n``, so the estimated variance v at the mean m is that of ``n = m (1 - m) / v``
    trials (Kish 1965; Korn and Graubard 1998 use this n with another interval). The ends are the two p at which
    ``(m - p)^2 = t^2 p (1 - p) / n``: ::

        p = (m + w / 2 -+ sqrt(t^2 v + w^2 / 4)) / (1 + w),   w = t^2 / n = t^2 v / (m (1 - m))

    This assumes that the variance falls towards the bounds as that of a share does, and the interval never leaves them.
    For small v it is Student's. If the mean equals a bound, n is 0 and nothing is excluded, unless v is 0. It covers
    94 to 96% of the time at rates from 0.02 to 0.99 over draws of one generator; if seeds differ widely and the mean is
    at 0.02 or 0.99, where few seeds are informative, 64 to 85%, and Student's 54 to 78% (`benchmarks/intervals.py`).

    Args:
        mean: an estimate
        variance: of this mean, that is, the squared standard error; 0 gives an interval of no width
        freedom: degrees of freedom of the variance; K - 1 where it comes from K independent values
        bounds: least and largest possible mean; see `kinetic.metrics.score.bounds_of`
        confidence: how often the interval covers the true mean, between 0 and 1

    Raises:
        ValueError: for numbers that are not finite, a negative variance, freedom or confidence out of range, bounds in
            the wrong order, or a mean outside of them
    """
    low, high = bounds
    if not low < high:
        raise ValueError(f"bounds are the least and the largest possible mean, got {low:g} and {high:g}")
    start, end = student_interval(mean, variance, freedom, confidence=confidence)
    least = OUTSIDE * max(1.0, abs(mean))
    if not low - least <= mean <= high + least:
        raise ValueError(f"a mean of {mean:g} is outside its bounds, {low:g} to {high:g}")
    if math.isfinite(low) and math.isfinite(high):
        size = high - low
        share = min(max((mean - low) / size, 0.0), 1.0)
        start, end = _wilson(share, variance / size**2, _quantile(freedom, confidence))
        start, end = low + size * start, low + size * end
    return min(max(start, low), mean), max(min(end, high), mean)


def student_interval(mean: float, variance: float, freedom: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval ``mean -+ t sqrt(variance)`` of a mean without bounds; arguments as of `interval_from`."""
    if not (math.isfinite(mean) and math.isfinite(variance) and variance >= 0):
        raise ValueError(f"an interval needs a finite mean and a variance of at least 0, got {mean} and {variance}")
    if not freedom > 0 or not 0 < confidence < 1:
        raise ValueError(
            f"expected degrees of freedom above 0 and a confidence between 0 and 1, got {freedom} and {confidence}"
        )
    half = _quantile(freedom, confidence) * math.sqrt(variance)
    return mean - half, mean + half


def _quantile(freedom: float, confidence: float) -> float:
    """The t whose absolute value a Student variable exceeds with probability 1 - confidence."""
    return float(special.stdtrit(freedom, (1 + confidence) / 2))


def _wilson(mean: float, variance: float, t: float) -> tuple[float, float]:
    """Ends of Wilson's interval with bounds 0 and 1, see `interval_from`."""
    if variance == 0:
        return mean, mean
    if mean * (1 - mean) == 0:
        return 0.0, 1.0
    w = t**2 * variance / (mean * (1 - mean))
    root = math.sqrt(t**2 * variance + w**2 / 4)
    high = (mean + w / 2 + root) / (1 + w)
    return mean**2 / ((1 + w) * high), high  # from the product of both ends, because their difference would lose digits
