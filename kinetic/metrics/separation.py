"""How well a classifier separates generated motions from real ones, and the probability of such a result by chance."""

from __future__ import annotations

import torch
from torch import Tensor

from kinetic.metrics.checks import check_features

__all__ = ["two_sample_test"]

CHUNK = 2**22
"""Numbers of (N + M, permutations) held at once: 32 MB in float64."""


def two_sample_test(
    fake: Tensor, real: Tensor, *, permutations: int = 999, rng: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Balanced accuracy of a classifier between features (N, D) and (M, D), and its p-value, in float64.

    The classifier two-sample test (Lopez-Paz and Oquab 2017): 0.5 = indistinguishable, 1 = always separated. It is the
    mean of the accuracies on fakes and on real ones, so counts may differ; a tie counts half. Well below 0.5, motions
    have near copies on the other side, which teach the classifier the wrong class.

    The classifier is a ridge regression of +1 and -1 on features that are centred and scaled to unit deviation over
    both sides, with the threshold midway between the two sides' means. Its penalty gives it min(D, N + M) / 2 or
    (N + M) / 5 degrees of freedom, whichever is less (the trace of its hat matrix), for any labels. Each motion is
    classified from all others: with the hat matrix H and y of +1 and -1, the prediction without motion i is
    (H y - h_i y)_i / (1 - h_i), and the predictions of the others without it follow in the same way. This is exact and
    takes one decomposition, of time (N + M) min(N + M, D)^2.

    The p-value is the share of label permutations that reach the accuracy, the true labels among them; all share H. It
    is valid for independent motions. Motions of one person are not independent: real motions of different people can be
    separated too, so compare with the floor.

    Args:
        fake, real: (N, D) and (M, D)
        permutations: number of permutations; 0 = the accuracy alone, p is 1
        rng: permutes; None = a new generator with seed 0, so that the same sets give the same p

    Raises:
        ValueError: for fewer than two rows on a side, different widths, NaN or infinity

    Example:
        >>> two_sample_test(torch.arange(8.0)[:, None], torch.arange(8.0)[:, None] + 100)[0]
        tensor(1., dtype=torch.float64)
    """
    check_features(fake, "features of fake motions")
    check_features(real, "features of real motions", width=fake.shape[1])
    n, m = len(fake), len(real)
    if min(n, m) < 2:
        raise ValueError(f"a two-sample test needs at least 2 motions on each side, got {n} fake and {m} real")
    if permutations < 0:
        raise ValueError(f"permutations must not be negative, got {permutations}")
    rng = torch.Generator().manual_seed(0) if rng is None else rng
    root = _hat_root(torch.cat([fake, real]).detach().cpu().double())
    is_fake = (torch.arange(n + m) < n).double()
    width = max(1, CHUNK // (n + m))
    parts = []
    for start in range(0, permutations + 1, width):  # column 0 holds the true labels
        columns = [
            is_fake if i == 0 else is_fake[torch.randperm(n + m, generator=rng, device=rng.device).cpu()]
            for i in range(start, min(start + width, permutations + 1))
        ]
        parts.append(_balanced_accuracy(root, torch.stack(columns, dim=1)))
    accuracy = torch.cat(parts)
    reached = accuracy >= accuracy[0] - 1e-12
    return accuracy[0].to(fake.device), reached.double().mean().to(fake.device)


def _hat_root(x: Tensor) -> Tensor:
    """Q (N, R) with Q Q^T = H, the hat matrix of a ridge regression on (N, D) without an intercept."""
    n, d = x.shape
    x = x - x.mean(dim=0)
    deviation = x.square().mean(dim=0).sqrt()
    varies = deviation > 1e-12 * deviation.max()
    x = x[:, varies] / deviation[varies]
    left, value, _ = torch.linalg.svd(x, full_matrices=False)
    square = value.square()
    freedom = min(len(square) / 2, n / 5)
    low, high = square.new_tensor(-40.0), square.new_tensor(40.0)  # of the logarithm of the penalty
    for _ in range(100):
        middle = (low + high) / 2
        shrunk = square / (square + middle.exp())
        low, high = (middle, high) if shrunk.sum() > freedom else (low, middle)
    return left * shrunk.sqrt()


def _balanced_accuracy(root: Tensor, is_fake: Tensor) -> Tensor:
    """Leave-one-out accuracy for each column of labels, 1 = fake and 0 = real: (N, R), (N, P) -> (P,).

    H 1 = 0, since features are centred, so H y = 2 H is_fake. Without motion i, the prediction for j falls by
    H_ji e_i with e = (y - H y) / (1 - h), and so does the mean over each side, which sets the threshold.
    """
    leverage = root.square().sum(dim=1, keepdim=True)  # (N, 1), the diagonal of H
    onto_fake = root @ (root.T @ is_fake)  # (N, P): the sum of H over the fakes
    predicted = 2 * onto_fake
    error = (2 * is_fake - 1 - predicted) / (1 - leverage)
    threshold = torch.zeros_like(predicted)
    for member, onto in ((is_fake, onto_fake), (1 - is_fake, -onto_fake)):
        total = (member * predicted).sum(dim=0) - member * predicted - error * (onto - member * leverage)
        threshold += total / (member.sum(dim=0) - member) / 2
    side = torch.sign(predicted - leverage * error - threshold)
    right = (1 + side * (2 * is_fake - 1)) / 2  # 1, or 0, or a half
    shares = [(member * right).sum(dim=0) / member.sum(dim=0) for member in (is_fake, 1 - is_fake)]
    return torch.stack(shares).mean(dim=0)
