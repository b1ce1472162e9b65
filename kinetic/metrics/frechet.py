"""The Frechet distance between two sets of features, each described by its mean and covariance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import scipy.linalg
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from kinetic.metrics.checks import check_features, check_finite
from kinetic.metrics.classes import PerClass, per_class
from kinetic.metrics.gathered import ONE_SIDED, evaluated, keep_last, origin

__all__ = [
    "FrechetDistance",
    "flatten",
    "frechet_distance",
    "frechet_from_features",
    "frechet_infinity",
    "frechet_per_class",
    "scarce_classes",
]

ASYMMETRY = 1e-6
"""Largest |cov - cov.T| from rounding, as a share of |cov|; for float16 and bfloat16, 8 of their units."""

HINT = (
    "features are rows (N, D) that a recognition network computes from motions (N, C, T, V): pass the method "
    "`features` of an Encoder (load_run(run).module.encoder) or of kinetic.models.adapter.Adapted, or `flatten` for "
    "coordinates"
)
"""Where features come from, at the end of an error."""


def flatten(motion: Tensor) -> Tensor:
    """The coordinates as features: (N, C, T, V) -> (N, C T V)."""
    return motion.flatten(1)


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> Tensor:
    """Squared Frechet distance between two Gaussians (Dowson and Landau 1982, eq. 4), in float64.

    ``|mean1 - mean2|^2 + tr(cov1 + cov2 - 2 (cov1 cov2)^(1/2))``. No matrix root is computed: the last trace is the
    sum of the roots of the eigenvalues of cov1 cov2, a generalised symmetric problem, for which LAPACK has a routine
    (dsygv). If the product is close to singular, those roots would lose half of the digits; with cov = R R^T, the trace
    is then the sum of singular values of R1^T R2. Both run on the CPU.

    Covariances of fewer motions than features are singular and accepted, with an error of about 1e-8 of the variance;
    `frechet_from_features` is exact there.

    Args:
        mean1, mean2: (D,)
        cov1, cov2: (D, D), symmetric up to rounding, and positive semi-definite

    Raises:
        ValueError: for shapes that do not fit, NaN or infinity, or a matrix that is no covariance: not symmetric, or
            with a negative eigenvalue
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
    device = mean1.device
    cov1, cov2 = _symmetric(cov1, "cov1"), _symmetric(cov2, "cov2")
    mean1, mean2 = (value.detach().cpu().double() for value in (mean1, mean2))
    roots = _roots_of_product(cov1, cov2)
    if roots is None:
        roots = torch.linalg.svdvals(_root(cov1, "cov1").T @ _root(cov2, "cov2"))
    distance = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * roots.sum()
    return distance.clamp(min=0).to(device)  # a square, negative only by rounding


def frechet_from_features(a: Tensor, b: Tensor) -> Tensor:
    """Squared Frechet distance between two sets of features, (N, D) and (M, D), in float64; exact for N < D too.

    ``|mean a - mean b|^2 + |R1|_F^2 + |R2|_F^2 - 2 |R1 R2^T|_*``, where R^T R is a covariance, R comes from a QR of the
    centred features, and ``|.|_*`` is the sum of singular values. It never squares a feature, so it loses no digits.

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


def frechet_per_class(fake: Tensor, fake_label: Tensor, real: Tensor, real_label: Tensor, **options: Any) -> PerClass:
    """Squared Frechet distance of every class between features (N, D) and (M, D), and its mean over classes.

    The value is exact for a class with fewer motions than features, but then mostly bias, which falls with their
    number: compare two models, or two classes, at equal counts only. `scarce_classes` lists such classes;
    `kernel_distance` has no bias.

    Args:
        fake, real: (N, D) and (M, D)
        fake_label, real_label: (N,) and (M,)
        options: as for `per_class`

    Raises:
        ValueError: as `per_class`, and for anything but features
    """
    check_features(fake, "features of fake motions")
    check_features(real, "features of real motions", width=fake.shape[1])
    return per_class(frechet_from_features, fake, fake_label, real, real_label, **options)


def scarce_classes(distances: PerClass, width: int) -> str | None:
    """A note on classes with fewer motions than features; None if there are none.

    Args:
        distances: from `frechet_per_class`
        width: D
    """
    least = torch.minimum(distances.n_fake, distances.n_real)
    scarce = int((least < width).sum())
    if not scarce:
        return None
    return (
        f"{scarce} of {len(least)} classes have fewer motions (least {int(least.min())}) than the {width} features: "
        "mostly bias, compare at equal counts only"
    )


def frechet_infinity(fake: Tensor, real: Tensor, *, points: int = 5, rng: torch.Generator | None = None) -> Tensor:
    """Squared Frechet distance of infinitely many motions, extrapolated from features (N, D) and (M, D), in float64.

    The bias of the distance falls as 1 / N, so a line is fitted to distances of parts over 1 / share, and its value at
    0 is returned (Chong and Forsyth 2020). They use parts of the fake motions only; here both sides are finite, and
    parts of both have the same share, from a half to all. Motions are shuffled and cut into 2 (points - 1) blocks; a
    part is a run of neighbouring blocks, and each size is averaged over all such runs. So all motions have the same
    weight, and only one covariance per block is computed from motions.

    The order of motions does not matter: they are sorted by their projection onto a fixed direction before they are
    shuffled, so that the same sets are cut into the same blocks.

    For sets of one distribution the estimate is positive or negative; the sign is kept. Its spread is a little wider
    than that of the distance itself: if that spread is larger than the bias, little is gained.

    Args:
        fake, real: (N, D) and (M, D)
        points: sizes of parts; each costs 2 (points - 1) distances between covariances
        rng: shuffles; None = a new generator with seed 0, so that the same sets give the same value

    Raises:
        ValueError: for NaN or infinity, different widths, fewer than two points, or when half of a side has no more
            motions than features, where the bias is not linear
    """
    check_features(fake, "features of fake motions")
    check_features(real, "features of real motions", width=fake.shape[1])
    if points < 2:
        raise ValueError(f"a line needs at least 2 points, got {points}")
    blocks = 2 * (points - 1)
    least = max(fake.shape[1] + 1, blocks)
    if min(len(fake), len(real)) < 2 * least:
        raise ValueError(
            f"extrapolation from halves needs at least {2 * least} motions on each side for {fake.shape[1]} features "
            f"and {points} points, got {len(fake)} fake and {len(real)} real"
        )
    rng = torch.Generator().manual_seed(0) if rng is None else rng
    sides = [_block_moments(x, blocks, rng) for x in (fake, real)]
    inverse, distance = [], []
    for size in range(blocks // 2, blocks + 1):
        runs = [[(i + j) % blocks for j in range(size)] for i in range(blocks if size < blocks else 1)]
        distances = [_between(*(_merge(side[run]) for side in sides)) for run in runs]
        inverse.append(blocks / size)
        distance.append(torch.stack(distances).mean())
    x, y = fake.new_tensor(inverse, dtype=torch.float64), torch.stack(distance)
    x_mean, y_mean = x.mean(), y.mean()
    slope = ((x - x_mean) * (y - y_mean)).sum() / (x - x_mean).square().sum()
    return y_mean - slope * x_mean


def _block_moments(features: Tensor, blocks: int, rng: torch.Generator) -> Tensor:
    """Moments of random parts of equal size: (N, D) -> (blocks, D + 2, D)."""
    features = features.detach().double()
    order = torch.randperm(len(features), generator=rng, device=rng.device).to(features.device)
    order = _by_content(features)[order]
    return torch.stack([_moments(features[rows]) for rows in order.tensor_split(blocks)])


def _by_content(features: Tensor) -> Tensor:
    """Numbers of the rows of (N, D) in an order that depends on their content only: (N,)."""
    direction = torch.randn(features.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    middle = features.median(dim=0).values  # the same in any order, to the last digit
    return torch.mv(features - middle, direction.to(features.device)).argsort()


def _between(a: Tensor, b: Tensor) -> Tensor:
    """The distance between two sets from their moments, (D + 2, D) each."""
    return frechet_distance(a[1], a[2:] / (a[0, 0] - 1), b[1], b[2:] / (b[0, 0] - 1))


def _symmetric(cov: Tensor, name: str) -> Tensor:
    """The symmetric part of a covariance, (D, D), on the CPU in float64.

    Raises:
        ValueError: for a matrix that is not symmetric up to rounding
    """
    tolerance = max(ASYMMETRY, 8 * torch.finfo(cov.dtype).eps if cov.is_floating_point() else 0)
    cov = cov.detach().cpu().double()
    size, gap = cov.norm(), (cov - cov.T).norm()
    if gap > tolerance * size:
        raise ValueError(
            f"{name} is no covariance: it is not symmetric, |{name} - {name}.T| is {float(gap / size):.2g} |{name}|; "
            "give the covariance of the features with themselves, such as features.T.cov()"
        )
    return (cov + cov.T) / 2


def _roots_of_product(cov1: Tensor, cov2: Tensor) -> Tensor | None:
    """Roots of the eigenvalues of cov1 cov2, (D,); None if the least could be mere rounding."""
    try:
        value = scipy.linalg.eigvalsh(cov2.numpy(), cov1.numpy(), type=2, driver="gv", check_finite=False)
    except scipy.linalg.LinAlgError:  # cov1 is singular
        return None
    values = torch.from_numpy(value)
    rounding = 4 * torch.finfo(values.dtype).eps * cov1.norm() * cov2.norm()
    return values.sqrt() if values.min() > rounding else None


def _root(cov: Tensor, name: str) -> Tensor:
    """R with R R^T = cov, for any positive semi-definite matrix, without directions that are mere rounding."""
    value, vector = torch.linalg.eigh(cov)
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


# Count, mean and scatter are one state, because they can only be merged together: row 0 holds the count, row 1 the
# mean, and the others the sum of outer products about that mean: (D + 2, D).


def _moments(features: Tensor) -> Tensor:
    """Count, mean and scatter of (N, D): (D + 2, D)."""
    mean = features.mean(dim=0)
    centred = features - mean
    count = torch.full_like(mean, len(features))
    return torch.cat([count[None], mean[None], centred.T @ centred])


def _merge(moments: Tensor) -> Tensor:
    """The moments of a union from those of its sets: (R, D + 2, D) -> (D + 2, D) (Chan et al. 1979, eq. 2.1).

    Scatter is computed about the mean of each set and moved by the distance between means, so features far from 0 lose
    no digits.
    """
    count, means, scatter = moments[:, :1, :1], moments[:, 1], moments[:, 2:]
    total = count.sum()
    if total == 0:
        return moments[0]
    share = count[:, :, 0] / total
    first = means[count.flatten().argmax()]  # any point near the data; the mean of an empty set is none
    mean = first + (share * (means - first)).sum(dim=0)
    gap = means - mean
    scatter = scatter.sum(dim=0) + (gap * count[:, :, 0]).T @ gap
    return torch.cat([torch.full_like(mean, float(total))[None], mean[None], scatter])


class FrechetDistance(Metric):
    """Squared Frechet distance between the features of real and of fake motions, gathered batch by batch in float64.

    It holds two covariances, for any number of motions, and the result does not depend on batches or processes. It is
    biased upwards: two sets of N motions of one distribution, with independent features of variance 1, are about
    D (D + 5) / (2 N) apart. Compare only at equal N.

    Features are numbers that say what a motion shows: one row (D,) per motion, which a recognition network gives to its
    last layer. They come from a run that trained such a network (`kinetic.load_run("runs/encoder").module.encoder`), or
    from any other one in `kinetic.models.adapter.Adapted`, as below. Metrics are given motions, not features.
    `flatten` makes features of the coordinates themselves, so many that their distance is hardly more than its bias.

    Args:
        features: motion (N, C, T, V) -> (N, D), such as `encoder.features`; a module is in eval mode while it runs, a
            method of one is called as it is
        width: D, such as `encoder.width`
        reset_real_features: whether `reset` also forgets the real motions

    Raises:
        TypeError: for features that cannot be called
        ValueError: for a width below 1

    Example:
        >>> from kinetic import synthesise
        >>> from kinetic.models.adapter import Adapted
        >>> train, test = synthesise(["walk", "wave"], subjects=4, repeats=1).split("xsub")
        >>> layers = nn.Flatten(), nn.Linear(3 * 64 * 25, 8), nn.ReLU(), nn.Linear(8, 2)  # a trained network of yours
        >>> network = Adapted(nn.Sequential(*layers), name="mine", data="synthetic")
        >>> metric = FrechetDistance(network.features, network.width)
        >>> metric.update(torch.from_numpy(train.motion), real=True)
        >>> metric.update(torch.from_numpy(test.motion), real=False)
        >>> metric.compute() > 0
        tensor(True)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    real: Tensor
    fake: Tensor
    origin: Tensor

    def __init__(
        self, features: Callable[[Tensor], Tensor], width: int, *, reset_real_features: bool = True, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        if not callable(features):
            raise TypeError(f"features must be called with motions, got {type(features).__name__}; {HINT}")
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        self.features, self.width, self.reset_real_features = features, width, reset_real_features
        for name in ("real", "fake"):
            state = torch.zeros(width + 2, width, dtype=torch.float64)
            self.add_state(name, state, dist_reduce_fx=_merge)
        self.add_state("origin", torch.zeros(64, dtype=torch.uint8), dist_reduce_fx=keep_last)

    @torch.no_grad()
    def update(self, motion: Tensor, *, real: bool) -> None:
        """Add motions (N, C, T, V). Raises ValueError for NaN or infinity, in the motions or in their features."""
        name = "real" if real else "fake"
        self.origin = origin(self.features, self.reset_real_features).to(self.device)
        if len(motion) == 0:
            return
        check_finite(motion, f"{name} motions")
        features = evaluated(self.features, motion).to(self.real.device)
        if features.ndim != 2 or features.shape[1] != self.width:
            shape = f"expected (N, {self.width}), got {tuple(features.shape)}"
            raise ValueError(f"features of {name} motions: {shape}; {HINT}")
        check_features(features, f"features of {name} motions")
        state = getattr(self, name)
        setattr(self, name, _merge(torch.stack([state, _moments(features.to(state.dtype))])))

    @property
    def counts(self) -> tuple[int, int]:
        """Numbers of real and fake motions in this process."""
        return int(self.real[0, 0]), int(self.fake[0, 0])

    def compute(self) -> Tensor:
        """The distance, a float64 number. Raises ValueError when either side has fewer than two motions."""
        real, fake = self.counts
        if min(real, fake) < 2:
            if self._is_synced:  # torchmetrics would keep the sums of all processes instead of those of this one
                self.unsync()
            raise ValueError(
                f"a covariance needs at least 2 motions of each kind, and many more than its {self.width} features, "
                f"got {real} real and {fake} fake"
            )
        return _between(self.fake, self.real)

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Add the motions of another metric of the same features."""
        self._computed = None  # torchmetrics would return the earlier distance
        if isinstance(incoming_state, dict):
            incoming_state = {"origin": self.origin} | incoming_state
        super().merge_state(incoming_state)

    def forward(self, *args: object, **kwargs: object) -> None:
        """Raise TypeError: a batch belongs to one side and has no score."""
        raise TypeError(ONE_SIDED)

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> nn.Module:
        """Move to another device; sums stay in float64 even if the module is converted."""
        self._computed = None
        super()._apply(fn, exclude_state=(*exclude_state, *self._defaults))
        for name in self._defaults:
            setattr(self, name, getattr(self, name).to(self.device))
        return self

    def reset(self) -> None:
        """Forget the motions, the real ones only if `reset_real_features`."""
        real = self.real
        super().reset()
        if not self.reset_real_features:
            self.real = real

    def extra_repr(self) -> str:
        name = getattr(self.features, "__qualname__", type(self.features).__name__)
        return f"features={name}, width={self.width}, reset_real_features={self.reset_real_features}"
