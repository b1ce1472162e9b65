"""Any score as a torchmetrics metric: rows are gathered batch by batch, in one process or many, and scored together."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat
from torchmetrics.utilities.distributed import gather_all_tensors

from kinetic.metrics.checks import check_finite, check_labels

__all__ = ["Gathered", "evaluated", "gather_rows", "keep_last", "origin"]

ONE_SIDED = (
    "a batch holds real or fake motions and has no score of its own; call update(motion, real=True) or "
    "update(motion, real=False) for each batch, and then compute()"
)
"""Error of `forward`, which would score each batch, also when a MetricCollection calls it."""


@torch.no_grad()
def evaluated(features: Callable[[Tensor], Tensor], motion: Tensor) -> Tensor:
    """Features of motions, without gradients; a module runs in eval mode and then returns to its own mode.

    For a bound method such as `network.features`, the caller must set the mode of the network.
    """
    training = [part for part in features.modules() if part.training] if isinstance(features, nn.Module) else []
    for part in training:
        part.training = False
    try:
        return features(motion)
    finally:
        for part in training:
            part.training = True


def origin(features: Callable[[Tensor], Tensor] | None, *options: object) -> Tensor:
    """64 bits that are equal for two metrics if they store the same for every motion: (64,).

    A `MetricCollection` lets metrics share one state for good if their states are equal after the first batch. States
    of different networks are equal too if that batch is empty, or its features are zero. These bits, as a further
    state, separate them, and group metrics of the same network. They are valid within one process, and computed with
    each batch.

    Args:
        features: an object, or a method of an object; compared by identity
        options: other options that change what is stored
    """
    owner, function = getattr(features, "__self__", None), getattr(features, "__func__", features)
    digest = hashlib.blake2b(repr((id(owner), id(function), options)).encode(), digest_size=8).digest()
    return torch.from_numpy(np.unpackbits(np.frombuffer(digest, dtype=np.uint8)))


def keep_last(states: Tensor) -> Tensor:
    """The last `origin` of several processes or metrics, (R, 64) -> (64,); those of other processes have no meaning."""
    return states[-1]


def gather_rows(rows: Tensor, group: Any = None) -> list[Tensor]:
    """The rows (N, ...) of every process; a process without rows takes part with (0, ...) of the common shape.

    torchmetrics itself would send an empty vector of another type from such a process, and the exchange fails or hangs.

    Raises:
        ValueError: in all processes, for rows of different shapes
    """
    facts = (len(rows), tuple(rows.shape[1:]), rows.dtype)
    all_facts: list[Any] = [facts] * torch.distributed.get_world_size(group)
    torch.distributed.all_gather_object(all_facts, facts, group=group)
    shapes = {shape for count, shape, _ in all_facts if count}
    if len(shapes) > 1:
        raise ValueError(f"processes hold rows of different shapes: {', '.join(map(str, sorted(shapes)))}")
    if not shapes:
        return [rows]
    dtype = functools.reduce(torch.promote_types, (dtype for count, _, dtype in all_facts if count))
    rows = rows.to(dtype) if len(rows) else rows.new_empty(0, *shapes.pop(), dtype=dtype)
    return gather_all_tensors(rows, group)


class Gathered(Metric):
    """A score of all fake and real motions, which come batch by batch; stores their rows until `compute`.

    Rows are sorted by label and by a digest of the motion before they are scored. So batches, order of arrival and
    processes do not change the result, even of a score that draws random parts. Motions that differ by rounding have
    other digests, so other parts are drawn. A process may have motions of one side only, or none.

    Args:
        score: (fake, real) -> result, or (fake, fake_label, real, real_label) -> result if `labelled`
        features: motion (N, C, T, V) -> (N, D); None = the score takes motions
        labelled: whether the score takes labels

    Example:
        >>> metric = Gathered(lambda fake, real: fake.mean() - real.mean())
        >>> metric.update(torch.ones(2, 3, 4, 1), real=True)
        >>> metric.update(torch.zeros(5, 3, 4, 1), real=False)
        >>> metric.compute()
        tensor(-1.)
    """

    is_differentiable = False
    full_state_update = False
    origin: Tensor

    def __init__(
        self,
        score: Callable[..., Any],
        *,
        features: Callable[[Tensor], Tensor] | None = None,
        labelled: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__(**({"dist_sync_fn": gather_rows} | kwargs))
        self.score, self.features, self.labelled = score, features, labelled
        for side in ("fake", "real"):
            for name in (side, f"{side}_digest") + ((f"{side}_label",) if labelled else ()):
                self.add_state(name, [], dist_reduce_fx="cat")
        self.add_state("origin", torch.zeros(64, dtype=torch.uint8), dist_reduce_fx=keep_last)

    @torch.no_grad()
    def update(self, motion: Tensor, label: Tensor | None = None, *, real: bool) -> None:
        """Add motions (N, C, T, V), or other rows (N, ...), and their labels (N,), which only a labelled score needs.

        Raises:
            ValueError: for NaN or infinity in the motions or their features, missing or wrong labels, or rows of
                another shape than before; the batch is then not added
        """
        side = "real" if real else "fake"
        self.origin = origin(self.features).to(self.device)
        if motion.ndim < 2:
            raise ValueError(f"{side} motions: expected a batch (N, ...), got shape {tuple(motion.shape)}")
        if len(motion) == 0:
            return
        check_finite(motion, f"{side} motions")
        if label is not None:
            check_labels(label, motion, f"{side} motions")
        elif self.labelled:
            raise ValueError(f"{side} motions: this score compares class by class and needs labels")
        rows = motion
        if self.features is not None:
            rows = evaluated(self.features, motion)
            if len(rows) != len(motion):
                raise ValueError(f"features of {side} motions: {len(motion)} motions gave {len(rows)} rows")
            check_finite(rows, f"features of {side} motions")
        stored = getattr(self, side)
        if stored and stored[0].shape[1:] != rows.shape[1:]:
            raise ValueError(
                f"{side} rows have shape {tuple(rows.shape[1:])}, those before had {tuple(stored[0].shape[1:])}"
            )
        stored.append(rows.detach().to(self.device))
        getattr(self, f"{side}_digest").append(_digest(motion).to(self.device))
        if self.labelled and label is not None:
            getattr(self, f"{side}_label").append(label.long().to(self.device))

    def compute(self) -> Any:
        """The score; of scores per class, their mean. Raises ValueError when a side has no motions."""
        result = self._scored()
        return result if isinstance(result, (Tensor, dict, tuple)) else result.mean

    def result(self) -> Any:
        """The score with its parts, as the function returns it; of several processes all must call this."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self.sync_on_compute):
            return self._scored()

    def _scored(self) -> Any:
        try:
            for side in ("real", "fake"):
                if len(getattr(self, side)) == 0:
                    raise ValueError(f"needs real and fake motions to compare, got no {side} ones")
            return self.score(*self._sorted("fake"), *self._sorted("real"))
        except Exception:
            if self._is_synced:  # torchmetrics would keep the rows of all processes instead of those of this one
                self.unsync()
            raise

    def _sorted(self, side: str) -> tuple[Tensor, ...]:
        """Rows, and labels if the score takes them, in an order that depends on their content only."""
        parts = [dim_zero_cat(getattr(self, side))]
        order = dim_zero_cat(getattr(self, f"{side}_digest")).argsort()
        if self.labelled:
            parts.append(dim_zero_cat(getattr(self, f"{side}_label")))
            order = order[parts[1][order].argsort(stable=True)]
        return tuple(part[order] for part in parts)

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Add the rows of another metric of the same score."""
        self._computed = None  # torchmetrics would return the earlier result
        if isinstance(incoming_state, dict):
            incoming_state = {"origin": self.origin} | incoming_state
        super().merge_state(incoming_state)

    def forward(self, *args: object, **kwargs: object) -> None:
        """Raise TypeError: a batch belongs to one side and has no score."""
        raise TypeError(ONE_SIDED)

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> nn.Module:
        """Move to another device; states keep their type even if the module is converted."""
        self._computed = None
        super()._apply(fn, exclude_state=(*exclude_state, *self._defaults))
        for name in self._defaults:
            state = getattr(self, name)
            moved = state.to(self.device) if isinstance(state, Tensor) else [x.to(self.device) for x in state]
            setattr(self, name, moved)
        return self

    def extra_repr(self) -> str:
        features = None if self.features is None else _name(self.features)
        return f"{_name(self.score)}, features={features}, labelled={self.labelled}"


def _digest(motion: Tensor) -> Tensor:
    """A whole number for each motion that depends on its bytes only: (N, ...) -> (N,).

    It is taken of motions, not of features, which differ by rounding from batch to batch.
    """
    rows = motion.detach().cpu().flatten(1).contiguous().view(torch.uint8).numpy()
    digests = b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rows)
    return torch.from_numpy(np.frombuffer(digests, dtype=np.int64).copy())


def _name(function: Callable[..., Any]) -> str:
    if isinstance(function, partial):
        options = [*map(repr, function.args), *(f"{name}={value!r}" for name, value in function.keywords.items())]
        return f"{_name(function.func)}({', '.join(options)})"
    return getattr(function, "__qualname__", type(function).__name__)
