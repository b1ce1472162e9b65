"""Accuracy: the share of generated motions that a recognition network assigns to the requested class.

It depends on generator and network: print the network's accuracy on real test motions beside it. Generated motions that
are easier than real ones, such as the typical walk over and over, exceed that; `variance_ratio` shows such a collapse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from kinetic.metrics.checks import check_labels

__all__ = ["ClassAccuracy", "accuracy", "class_accuracy", "confusion"]


@dataclass(frozen=True, eq=False)
class ClassAccuracy:
    """Accuracy of each class, the result of `class_accuracy`.

    Args:
        mean: the mean over classes, a number
        value: the share recognised of each class, (K,)
        label: number of each class, (K,)
        count: motions of each class, (K,)
    """

    mean: Tensor
    value: Tensor
    label: Tensor
    count: Tensor


def accuracy(predicted: Tensor, label: Tensor) -> Tensor:
    """Share of motions recognised as their class, a float64 number.

    Every motion has the same weight; for the same weight of every class, use the mean of `class_accuracy`.

    Args:
        predicted: (N,) numbers of the recognised classes
        label: (N,) numbers of the requested classes

    Raises:
        ValueError: for anything but whole numbers, one per motion, or no motion
    """
    _check(predicted, label)
    return (predicted == label).double().mean()


def class_accuracy(predicted: Tensor, label: Tensor, *, classes: Iterable[int] | None = None) -> ClassAccuracy:
    """Share recognised of the motions of each class, and the mean of these shares over classes, in float64.

    Args:
        predicted, label: (N,), as for `accuracy`
        classes: numbers of the classes; None = every class of `label`

    Raises:
        ValueError: as `accuracy`, and for classes without a motion
    """
    _check(predicted, label)
    numbers = label.unique() if classes is None else torch.tensor(list(classes), dtype=torch.long, device=label.device)
    member = label[:, None] == numbers  # (N, K)
    count = member.sum(dim=0)
    if len(numbers) == 0 or (count == 0).any():
        missing = ", ".join(map(str, numbers[count == 0].tolist())) or "any"
        raise ValueError(f"every class needs a motion to be recognised; there is none of class {missing}")
    value = (member & (predicted == label)[:, None]).sum(dim=0).double() / count
    return ClassAccuracy(value.mean(), value, numbers, count)


def confusion(predicted: Tensor, label: Tensor, classes: int) -> Tensor:
    """Counts (K, K): entry [i, j] is the number of motions of class i that were recognised as class j.

    A class without motions has a row of zeros.

    Args:
        predicted, label: (N,), as for `accuracy`
        classes: K, the number of classes of the network

    Raises:
        ValueError: as `accuracy`, and for numbers outside 0 to K - 1
    """
    _check(predicted, label)
    for numbers, what in ((predicted, "recognised"), (label, "requested")):
        outside = (numbers < 0) | (numbers >= classes)
        if outside.any():
            values = ", ".join(map(str, numbers[outside].unique().tolist()[:10]))
            raise ValueError(f"classes {what} must be numbers from 0 to {classes - 1}, got {values}")
    return torch.bincount(label.long() * classes + predicted.long(), minlength=classes**2).view(classes, classes)


def _check(predicted: Tensor, label: Tensor) -> None:
    if label.ndim != 1 or len(label) == 0:
        raise ValueError(f"expected the class of at least one motion, (N,), got labels of shape {tuple(label.shape)}")
    check_labels(label, label, "classes requested")
    check_labels(predicted, label, "classes recognised")
