"""Batches of scaled motions: the order of an epoch, and the data module."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from kinetic.motion.motion_set import MotionSet
from kinetic.motion.scaler import Scaler

__all__ = ["EpochSampler", "MotionData", "StepSampler"]


class EpochSampler(Sampler[list[int]]):
    """The batches of an epoch, in an order that follows from (seed, epoch) alone.

    One global order is cut into global batches of `batch_size`, and every rank takes its slice of each batch. So the
    batches of one process equal the joined batches of several, nothing is padded, and all ranks get equally many
    motions.

    Set `epoch` and `start` to continue within an epoch: the next iteration yields its batches from `start` on. A
    complete iteration moves to the next epoch. The length is always that of a whole epoch.

    Args:
        n: number of motions
        batch_size: motions per batch, over all ranks
        seed: seed of all orders
        label: (n,) classes, to draw every class equally often and spread them evenly over batches; None = draw every
            motion once
        drop_last: leave out the last motions that do not fill a batch
        rank, world: number of this process, and of all processes

    Raises:
        ValueError: where no batch is left, or ranks would get different numbers of motions
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        *,
        seed: int,
        label: np.ndarray | None = None,
        drop_last: bool = True,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"n must be a positive count of motions, got {n!r}")
        if batch_size < 1 or seed < 0:
            raise ValueError(f"batch_size must be positive and seed not negative, got {batch_size} and {seed}")
        if label is not None and label.shape != (n,):
            raise ValueError(f"label must have shape ({n},), got {label.shape}")
        if drop_last and n < batch_size:
            raise ValueError(
                f"{n} training motions do not fill one batch of {batch_size}; use a batch_size of at most {n}"
            )
        self.n, self.batch_size, self.seed = n, batch_size, seed
        # Called `drop_last`, Lightning would try to rebuild the sampler instead of asking for
        # `use_distributed_sampler=False`.
        self.only_full = drop_last
        self.label = label
        self.epoch = 0
        self.start = 0
        self.place(rank, world)

    def place(self, rank: int, world: int) -> None:
        """Set the number of this process, and of all processes."""
        if not 0 <= rank < world:
            raise ValueError(f"rank must lie between 0 and world - 1, got rank {rank} of {world}")
        if self.batch_size % world:
            raise ValueError(f"batch_size {self.batch_size} cannot be shared equally by {world} processes")
        if not self.only_full and self.n % self.batch_size % world:
            rest = self.n % self.batch_size
            raise ValueError(f"the last batch of {rest} cannot be shared equally by {world} processes; use drop_last")
        self.rank, self.world = rank, world

    @property
    def sampler(self) -> EpochSampler:
        """Where Lightning looks for `set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Move to the beginning of another epoch; the number of the current one changes nothing."""
        if epoch != self.epoch:
            self.epoch, self.start = epoch, 0

    def order(self, epoch: int) -> np.ndarray:
        """All rows of an epoch in their order: (n,)."""
        rng = np.random.default_rng([self.seed, epoch])
        if self.label is None:
            return rng.permutation(self.n)
        class_rows = [np.flatnonzero(self.label == label) for label in np.unique(self.label)]
        rounds = -(-self.n // len(class_rows))
        order = np.empty((rounds, len(class_rows)), dtype=np.int64)  # a round holds every class once
        for column, rows in enumerate(class_rows):
            passes = [rng.permutation(rows) for _ in range(-(-rounds // len(rows)))]
            order[:, column] = np.concatenate(passes)[:rounds]
        return rng.permuted(order, axis=1).reshape(-1)[: self.n]

    def __len__(self) -> int:
        return self.n // self.batch_size if self.only_full else -(-self.n // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, start = self.epoch, self.start
        order = self.order(epoch)
        for batch in range(start, len(self)):
            rows = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            share = len(rows) // self.world
            yield rows[self.rank * share : (self.rank + 1) * share].tolist()
        if (self.epoch, self.start) == (epoch, start):  # unless the caller moved it during the iteration
            self.epoch, self.start = epoch + 1, 0


class StepSampler(Sampler[list[int]]):
    """The batches of many epochs as one stream, from batch `start` to batch `steps`, counted over all epochs.

    So the number of finished batches is all that a resumed run needs.
    """

    def __init__(self, sampler: EpochSampler, *, start: int, steps: int) -> None:
        if not 0 <= start <= steps:
            raise ValueError(f"start must lie between 0 and steps, got {start} of {steps}")
        self.epochs, self.start, self.steps = sampler, start, steps

    def __len__(self) -> int:
        return self.steps - self.start

    def __iter__(self) -> Iterator[list[int]]:
        done = self.start
        while done < self.steps:
            self.epochs.epoch, self.epochs.start = divmod(done, len(self.epochs))
            for rows in self.epochs:
                yield rows
                done += 1
                if done == self.steps:
                    return


class _Batches(Dataset[tuple[Tensor, Tensor]]):
    """Whole batches of scaled motions."""

    def __init__(self, motions: MotionSet, scaler: Scaler) -> None:
        self.dataset, self.scaler = motions.as_dataset(), scaler

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        motion, label = self.dataset.batch(rows)
        with torch.no_grad():
            return self.scaler(motion), label


def _unchanged(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return batch


class MotionData(LightningDataModule):
    """Training batches `(motion (N, C, T, V) float32 in network coordinates, label (N,) int64)`.

    The order follows from (seed, epoch), see `EpochSampler`, whatever the number of workers and processes. Several
    processes need `Trainer(use_distributed_sampler=False)`; their rank is that of the trainer.

    Args:
        train: the training split
        scaler: metres to network coordinates, fitted on `train`
        batch_size: motions per training step, over all processes
        seed: seed of the order
        balanced: draw every class equally often
        workers: loader processes; 0 is fastest, since a batch is a single gather
        drop_last: leave out the last motions that do not fill a batch
        rank, world: number of this process, and of all processes, without a trainer
        steps: yield the batches up to this one, counted over all epochs, as one long epoch; None = epoch by epoch
        start: number of batches to skip at the beginning of that stream
    """

    def __init__(
        self,
        train: MotionSet,
        *,
        scaler: Scaler,
        batch_size: int = 32,
        seed: int = 0,
        balanced: bool = False,
        workers: int = 0,
        drop_last: bool = True,
        rank: int = 0,
        world: int = 1,
        steps: int | None = None,
        start: int = 0,
    ) -> None:
        super().__init__()
        if workers < 0:
            raise ValueError(f"workers must not be negative, got {workers}")
        channels, _, joints = scaler.shift.shape
        if (channels, joints) != (train.shape[1], train.shape[3]):
            raise ValueError(
                f"the scaler has {channels} channels and {joints} joints, the motions have shape {train.shape}"
            )
        self.train, self.scaler, self.workers = train, scaler, workers
        self.steps, self.start = steps, start
        self.sampler = EpochSampler(
            len(train),
            batch_size,
            seed=seed,
            label=train.label if balanced else None,
            drop_last=drop_last,
            rank=rank,
            world=world,
        )

    def setup(self, stage: str) -> None:
        if self.trainer is not None and self.trainer.world_size > 1:
            self.sampler.place(self.trainer.global_rank, self.trainer.world_size)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        order: Sampler[list[int]] = self.sampler
        if self.steps is not None:
            order = StepSampler(self.sampler, start=self.start, steps=self.steps)
        elif self.trainer is not None:  # it fetches batches before it calls `set_epoch`
            self.sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        scaler = copy.deepcopy(self.scaler).cpu().float().requires_grad_(False)
        return DataLoader(
            _Batches(self.train, scaler),
            batch_sampler=order,
            collate_fn=_unchanged,  # type: ignore[arg-type]
            num_workers=self.workers,
            generator=torch.Generator().manual_seed(self.sampler.seed),  # leaves torch's global one alone
        )

    def state_dict(self) -> dict[str, Any]:
        """Settings and motions that must stay the same for a resumed run to get the same batches."""
        sampler = self.sampler
        return {
            "motions": sampler.n,
            "batch_size": sampler.batch_size,
            "seed": sampler.seed,
            "balanced": sampler.label is not None,
            "drop_last": sampler.only_full,
            "fingerprint": _fingerprint(self.train),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Compare with the interrupted run.

        Raises:
            ValueError: for data that differ, naming every difference
        """
        changed = [
            f"{name} was {state_dict.get(name, 'not saved')}, is {value}"
            for name, value in self.state_dict().items()
            if name not in state_dict or state_dict[name] != value
        ]
        if changed:
            raise ValueError(f"the run cannot go on exactly with these data: {'; '.join(changed)}")


def _fingerprint(motions: MotionSet) -> str:
    """A hash of shape, classes, labels and 64 of the motions."""
    digest = hashlib.sha256(repr((motions.shape, motions.class_names)).encode())
    digest.update(np.ascontiguousarray(motions.label, dtype="<i8").tobytes())
    rows = np.unique(np.linspace(0, len(motions) - 1, 64).astype(np.int64))
    digest.update(np.ascontiguousarray(motions.motion[rows], dtype="<f4").tobytes())
    return digest.hexdigest()[:16]
