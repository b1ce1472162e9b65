"""From a set of motions to scaled batches: the scaler, the order of an epoch, and the data module."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import torch
from einops import rearrange
from pytorch_lightning import LightningDataModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from kinetic.data.motion import MotionSet
from kinetic.data.stored import StoredMotion, is_stored, release

__all__ = ["EpochSampler", "MotionData", "Scaler", "StepSampler"]

SMALLEST_STD = 0.05
"""Least standard deviation of a coordinate, as a share of the largest one: joints that hardly move stay quiet."""

CHUNK = 512
"""Motions looked at together while a scaler is fitted."""


class Scaler(nn.Module):
    """An affine map between metres and network coordinates: (N, C, T, V) -> (N, C, T, V).

        network = (metres - shift) / scale          metres = network * scale + shift

    `shift` and `scale` are buffers of shape (C, 1, V), so they travel with a checkpoint and follow the module's device
    and dtype. `fit` makes one from motions, which should be the training split and nothing else.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        if shift.ndim != 3 or shift.shape[1] != 1 or shift.shape != scale.shape:
            raise ValueError(
                f"shift and scale need one shape (C, 1, V), got {tuple(shift.shape)} and {tuple(scale.shape)}"
            )
        if not (torch.isfinite(shift).all() and torch.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError("shift must be finite, scale finite and positive")
        self.register_buffer("shift", shift.detach().clone())
        self.register_buffer("scale", scale.detach().clone())

    @classmethod
    def for_shape(cls, channels: int, joints: int) -> Scaler:
        """The map that changes nothing; the place to load another one's buffers into."""
        return cls(torch.zeros(channels, 1, joints), torch.ones(channels, 1, joints))

    @classmethod
    def fit(
        cls, motion: MotionSet | np.ndarray | Tensor, kind: Literal["minmax", "standard", "none"] = "minmax"
    ) -> Scaler:
        """The map that suits these motions (N, C, T, V).

        ``minmax`` is one map for all coordinates, which takes the smallest to -1 and the largest to 1 (published).
        ``standard`` makes offsets from the mean pose in units of their standard deviation, both over motions and
        frames, for every channel and joint; a deviation below 5% of the largest counts as that much. ``none`` changes
        nothing.

        Raises:
            ValueError: for an unknown kind, or motions that are empty, not finite, or all alike.
        """
        if isinstance(motion, MotionSet):
            motion = motion.motion
        values = motion.detach().cpu().numpy() if isinstance(motion, Tensor) else motion
        if values.ndim != 4 or not values.size:
            raise ValueError(f"a scaler needs motions (N, C, T, V), got shape {values.shape}")
        if kind not in _KINDS:
            raise ValueError(f"unknown scaling {kind!r}; expected one of: {', '.join(_KINDS)}")
        shift, scale = _KINDS[kind](values)  # (C, V) float64
        if not (np.isfinite(shift).all() and np.isfinite(scale).all()):
            raise ValueError("a scaler needs finite coordinates; MotionSet.check names the motions that are not")
        if not scale.max() > 0:
            raise ValueError("a scaler needs motions that differ; all coordinates here are the same")
        pair = (torch.as_tensor(rearrange(value, "c v -> c 1 v"), dtype=torch.float32) for value in (shift, scale))
        return cls(*pair)

    def forward(self, motion: Tensor) -> Tensor:
        """Metres to network coordinates."""
        self._expect(motion)
        return (motion - self.shift) / self.scale

    def inverse(self, motion: Tensor) -> Tensor:
        """Network coordinates to metres."""
        self._expect(motion)
        return motion * self.scale + self.shift

    def _expect(self, motion: Tensor) -> None:
        channels, _, joints = self.shift.shape
        if motion.ndim != 4 or motion.shape[1] != channels or motion.shape[3] != joints:
            raise ValueError(f"this scaler knows motions (N, {channels}, T, {joints}), got shape {tuple(motion.shape)}")

    def extra_repr(self) -> str:
        channels, _, joints = self.shift.shape
        return f"channels={channels}, joints={joints}"


def _parts(motion: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(motion), CHUNK):
        yield np.asarray(motion[start : start + CHUNK])
        release(motion)


def _minmax(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.inf, -np.inf
    for part in _parts(motion):  # np.minimum keeps NaN, min() would not
        low, high = float(np.minimum(low, part.min())), float(np.maximum(high, part.max()))
    shape = (motion.shape[1], motion.shape[3])
    return np.full(shape, (high + low) / 2), np.full(shape, (high - low) / 2)


def _standard(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = motion.shape[0] * motion.shape[2]
    mean = sum(part.sum(axis=(0, 2), dtype=np.float64) for part in _parts(motion)) / count  # (C, V)
    square = np.zeros_like(mean)
    for part in _parts(motion):
        square += np.square(part - mean[:, None]).sum(axis=(0, 2))
    std = np.sqrt(square / count)
    return mean, np.maximum(std, SMALLEST_STD * std.max())


def _none(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shape = (motion.shape[1], motion.shape[3])
    return np.zeros(shape), np.ones(shape)


_KINDS = {"minmax": _minmax, "standard": _standard, "none": _none}


class EpochSampler(Sampler[list[int]]):
    """The batches of an epoch, in an order that follows from (seed, epoch) alone.

    One global order is cut into global batches of `batch_size`; each rank takes its slice of every one, so the batches
    of one process and the joined batches of several are the same, nothing is padded, and all ranks get equally many.

    Set `epoch` and `start` to go on in the middle: the next iteration delivers the batches of that epoch from `start`
    on. A complete iteration moves to the next epoch. The length is always that of a whole epoch.

    Args:
        n: how many motions there are
        batch_size: motions per batch, over all ranks
        seed: seed of all orders
        label: (n,) classes; if given, every class is drawn equally often, and batches hold them evenly
        drop_last: leave out the rest that does not fill a batch
        rank, world: which of how many processes this is

    Raises:
        ValueError: where there would be no batch, or ranks would get different numbers of motions.
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
        """Says which of how many processes this is."""
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
        """Moves to the beginning of another epoch; naming the present one changes nothing."""
        if epoch != self.epoch:
            self.epoch, self.start = epoch, 0

    def order(self, epoch: int) -> np.ndarray:
        """All rows of an epoch, in the order of their use: (n,)."""
        rng = np.random.default_rng([self.seed, epoch])
        if self.label is None:
            return rng.permutation(self.n)
        rows_of = [np.flatnonzero(self.label == label) for label in np.unique(self.label)]
        rounds = -(-self.n // len(rows_of))
        drawn = np.empty((rounds, len(rows_of)), dtype=np.int64)  # a round holds every class once
        for column, rows in enumerate(rows_of):
            passes = [rng.permutation(rows) for _ in range(-(-rounds // len(rows)))]
            drawn[:, column] = np.concatenate(passes)[:rounds]
        return rng.permuted(drawn, axis=1).reshape(-1)[: self.n]

    def __len__(self) -> int:
        return self.n // self.batch_size if self.only_full else -(-self.n // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, start = self.epoch, self.start
        order = self.order(epoch)
        for batch in range(start, len(self)):
            rows = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            share = len(rows) // self.world
            yield rows[self.rank * share : (self.rank + 1) * share].tolist()
        if (self.epoch, self.start) == (epoch, start):  # nobody has moved it meanwhile
            self.epoch, self.start = epoch + 1, 0


class StepSampler(Sampler[list[int]]):
    """The batches of many epochs as one stream, from batch `start` to batch `steps`, counted over all epochs.

    A run that goes on needs to know no more than how many batches are done.
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
    """Whole batches of scaled motions, gathered at once."""

    def __init__(self, motions: MotionSet, scaler: Scaler) -> None:
        motion = motions.motion
        self.motion = StoredMotion.of(motion) if is_stored(motion) else np.asarray(motion)
        self.label = torch.as_tensor(motions.label)
        self.scaler = scaler

    def __len__(self) -> int:
        return len(self.motion)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        motion, label = self.__getitems__([row])
        return motion[0], label[0]

    def __getitems__(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return self.scaler(torch.from_numpy(self.motion[rows])), self.label[rows]


def _as_it_is(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return batch


class MotionData(LightningDataModule):
    """Training batches `(motion (N, C, T, V) float32 in network coordinates, label (N,) int64)`.

    The order follows from (seed, epoch), see `EpochSampler`; the number of workers and of processes does not matter.
    Several processes need `Trainer(use_distributed_sampler=False)`; their rank is taken from the trainer.

    Args:
        train: the training split
        scaler: metres to network coordinates, fitted on it
        batch_size: motions per training step, over all processes
        seed: seed of the order
        balanced: draw every class equally often
        workers: loader processes; 0 is fastest, since a batch is one gather
        drop_last: leave out the rest that does not fill a batch
        rank, world: which of how many processes this is, without a trainer
        steps: deliver the batches up to this one, counted over all epochs, as one long epoch; None = epoch by epoch
        start: batches of that stream that are done already
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
                f"the scaler knows {channels} channels and {joints} joints, the motions have shape {train.shape}"
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
        elif self.trainer is not None:  # it begins to fetch before it names the epoch
            self.sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        scaler = copy.deepcopy(self.scaler).cpu().float().requires_grad_(False)
        return DataLoader(
            _Batches(self.train, scaler),
            batch_sampler=order,
            collate_fn=_as_it_is,  # type: ignore[arg-type]
            num_workers=self.workers,
            generator=torch.Generator().manual_seed(self.sampler.seed),  # leaves the global one alone
        )

    def resume(self, batches: int) -> None:
        """Goes on after that many training batches, counted over all epochs."""
        if batches < 0:
            raise ValueError(f"batches must not be negative, got {batches}")
        self.sampler.epoch, self.sampler.start = divmod(batches, len(self.sampler))

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must find unchanged for its batches to be the same."""
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
        """Compares with the run that is to be continued.

        Raises:
            ValueError: naming everything that has changed.
        """
        changed = [
            f"{name} was {state_dict.get(name, 'not saved')}, is {value}"
            for name, value in self.state_dict().items()
            if name not in state_dict or state_dict[name] != value
        ]
        if changed:
            raise ValueError(f"the run cannot go on exactly with these data: {'; '.join(changed)}")


def _fingerprint(motions: MotionSet) -> str:
    """A hash of shape, classes, labels and some of the motions."""
    digest = hashlib.sha256(repr((motions.shape, motions.class_names)).encode())
    digest.update(np.ascontiguousarray(motions.label, dtype="<i8").tobytes())
    rows = np.unique(np.linspace(0, len(motions) - 1, 64).astype(np.int64))
    digest.update(np.ascontiguousarray(motions.motion[rows], dtype="<f4").tobytes())
    return digest.hexdigest()[:16]
