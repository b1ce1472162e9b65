"""The Frechet distance between two sets of features, each described by its mean and covariance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric

from kinetic.metrics.checks import check_features, check_finite

__all__ = ["FrechetDistance", "flatten", "frechet_distance", "frechet_from_features"]


def flatten(motion: Tensor) -> Tensor:
    """The coordinates themselves as features: (N, C, T, V) -> (N, C T V)."""
    return motion.flatten(1)


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> Tensor:
    """Squared Frechet distance between two Gaussians (Dowson and Landau 1982, eq. 4), in float64.

    ``|mean1 - mean2|^2 + tr(cov1 + cov2 - 2 (cov1 cov2)^(1/2))``. No matrix root is taken: with cov = L L^T the last
    trace is the sum of the roots of the eigenvalues of L1^T cov2 L1, which is symmetric. Where a covariance is close to
    singular, those roots would lose half of the digits; the trace is then the sum of singular values of L1^T L2.

    Covariances of fewer motions than features are singular and fine, but what they lost in float64 stays lost (about
    1e-8 of the variance); `frechet_from_features` is exact there.

    Args:
        mean1, mean2: (D,)
        cov1, cov2: (D, D), symmetric and positive semi-definite

    Raises:
        ValueError: for shapes that do not fit, NaN or infinity, or a matrix that is no covariance
    """
    width = mean1.numel()
    for name, value, shape in (
        ("mean1", mean1, (width,)),
        ("mean2", mean2, (width,)),
        ("cov1", cov1, (width, width)),
        ("cov2", cov2, (width, width)),
    ):
        if tuple(value.shape) != shape:
            raise ValueError(f"{name} must have shape {shape}, got {tuple(value.shape)}")
        check_finite(value[None] if value.ndim == 1 else value, name)
    mean1, cov1, mean2, cov2 = (value.detach().double() for value in (mean1, cov1, mean2, cov2))
    root1, regular1 = _cholesky(cov1)
    _, regular2 = _cholesky(cov2)
    if regular1 and regular2:
        between = torch.linalg.eigvalsh(root1.T @ cov2 @ root1).clamp(min=0).sqrt().sum()
    else:
        between = torch.linalg.svdvals(_root(cov1, "cov1").T @ _root(cov2, "cov2")).sum()
    distance = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * between
    return distance.clamp(min=0)  # it is a square: only rounding is cut off


def frechet_from_features(a: Tensor, b: Tensor) -> Tensor:
    """Squared Frechet distance between two sets of features, (N, D) and (M, D), in float64; exact for N < D too.

    ``|mean a - mean b|^2 + |R1|_F^2 + |R2|_F^2 - 2 |R1 R2^T|_*``, where R^T R is a covariance, R comes from a QR of the
    centred features, and ``|.|_*`` is the sum of singular values. It never squares a feature, so nothing is lost.

    Raises:
        ValueError: for fewer than two rows, different widths, NaN or infinity
    """
    check_features(a, "first set of features")
    check_features(b, "second set of features", width=a.shape[1])
    mean1, root1 = _mean_and_root(a, "first")
    mean2, root2 = _mean_and_root(b, "second")
    between = torch.linalg.svdvals(root1 @ root2.T).sum()
    distance = (mean1 - mean2).square().sum() + root1.square().sum() + root2.square().sum() - 2 * between
    return distance.clamp(min=0)


def _cholesky(cov: Tensor) -> tuple[Tensor, bool]:
    """L with L L^T = cov, and whether the smallest direction is at least 1e-8 of the largest variance."""
    root, info = torch.linalg.cholesky_ex(cov)
    diagonal = root.diagonal()
    return root, bool(info == 0) and bool(diagonal.min() > 1e-4 * diagonal.max())


def _root(cov: Tensor, name: str) -> Tensor:
    """R with R R^T = cov, for any positive semi-definite matrix; directions that are rounding are left out."""
    value, vector = torch.linalg.eigh((cov + cov.T) / 2)
    rounding = len(cov) * torch.finfo(cov.dtype).eps * value.abs().max()
    if value.min() < -1e-6 * value.abs().max():
        raise ValueError(f"{name} is no covariance: its smallest eigenvalue is {value.min():.3g}")
    return vector * torch.where(value > rounding, value, 0).sqrt()


def _mean_and_root(features: Tensor, which: str) -> tuple[Tensor, Tensor]:
    """Mean (D,) and R (min(N, D), D) with R^T R = covariance."""
    n, d = features.shape
    if n < 2:
        raise ValueError(f"a covariance needs at least 2 motions, the {which} set has {n}")
    features = features.detach().double()
    mean = features.mean(dim=0)
    root = (features - mean) / (n - 1) ** 0.5
    return mean, torch.linalg.qr(root, mode="r").R if n > d else root


# Count, mean and scatter are one state, because two of them can only be merged together: row 0 holds the count, row 1
# the mean, the others the sum of outer products about that mean: (D + 2, D).


def _moments(features: Tensor) -> Tensor:
    """Count, mean and scatter of (N, D): (D + 2, D)."""
    mean = features.mean(dim=0)
    centred = features - mean
    count = torch.full_like(mean, len(features))
    return torch.cat([count[None], mean[None], centred.T @ centred])


def _merge(moments: Tensor) -> Tensor:
    """The moments of a union of sets from the moments of each: (R, D + 2, D) -> (D + 2, D) (Chan et al. 1979, eq. 2.1).

    Scatter is taken about the mean of its own set and moved by the distance between means, so that features far from 0
    lose no digits.
    """
    count, means, scatter = moments[:, :1, :1], moments[:, 1], moments[:, 2:]
    total = count.sum()
    if total == 0:
        return moments[0]
    share = count[:, :, 0] / total
    first = means[count.flatten().argmax()]  # any point near the data; an empty set's mean is not
    mean = first + (share * (means - first)).sum(dim=0)
    gap = means - mean
    scatter = scatter.sum(dim=0) + (gap * count[:, :, 0]).T @ gap
    return torch.cat([torch.full_like(mean, float(total))[None], mean[None], scatter])


class FrechetDistance(Metric):
    """Squared Frechet distance between the features of real and of fake motions, gathered batch by batch in float64.

    Memory is two covariances, whatever the number of motions, and the result does not depend on how they are cut into
    batches or spread over processes. It is biased upwards by about D / N: compare only at equal N.

    Args:
        features: motion (N, C, T, V) -> (N, D); a recognition network's `features` in eval mode, or `flatten`
        width: D
        reset_real_features: whether `reset` also forgets the real motions

    Example:
        >>> metric = FrechetDistance(flatten, 3)
        >>> metric.update(torch.eye(3).view(3, 3, 1, 1), real=True)
        >>> metric.update(torch.eye(3).view(3, 3, 1, 1) + 2, real=False)
        >>> metric.compute()
        tensor(12., dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    real: Tensor
    fake: Tensor

    def __init__(
        self, features: Callable[[Tensor], Tensor], width: int, *, reset_real_features: bool = True, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        self.features, self.width, self.reset_real_features = features, width, reset_real_features
        for name in ("real", "fake"):
            state = torch.zeros(width + 2, width, dtype=torch.float64)
            self.add_state(name, state, dist_reduce_fx=_merge)

    @torch.no_grad()
    def update(self, motion: Tensor, *, real: bool) -> None:
        """Add motions (N, C, T, V). Raises ValueError for NaN or infinity, in the motions or in their features."""
        name = "real" if real else "fake"
        if len(motion) == 0:
            return
        check_finite(motion, f"{name} motions")
        features = self.features(motion).to(self.real.device)
        check_features(features, f"features of {name} motions", width=self.width)
        state = getattr(self, name)
        setattr(self, name, _merge(torch.stack([state, _moments(features.to(state.dtype))])))

    @property
    def counts(self) -> tuple[int, int]:
        """How many real and fake motions this process has seen."""
        return int(self.real[0, 0]), int(self.fake[0, 0])

    def compute(self) -> Tensor:
        """The distance, a float64 number. Raises ValueError when either side has fewer than two motions."""
        real, fake = self.counts
        if min(real, fake) < 2:
            raise ValueError(f"a covariance needs at least 2 motions of each kind, got {real} real and {fake} fake")
        return frechet_distance(self.real[1], self.real[2:] / (real - 1), self.fake[1], self.fake[2:] / (fake - 1))

    def reset(self) -> None:
        """Forget the motions, the real ones only if `reset_real_features`."""
        real = self.real
        super().reset()
        if not self.reset_real_features:
            self.real = real

    def extra_repr(self) -> str:
        name = getattr(self.features, "__qualname__", type(self.features).__name__)
        return f"features={name}, width={self.width}, reset_real_features={self.reset_real_features}"
