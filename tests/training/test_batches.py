"""Tests of kinetic/training/batches.py."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from toys import STICK

from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.scaler import Scaler
from kinetic.motion.storage import write_motions
from kinetic.training.batches import EpochSampler, MotionData


def numbered_motions(n: int = 23, frames: int = 4) -> MotionSet:
    """Every coordinate of motion i is i, so that a batch shows which motions it holds."""
    motion = np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None, None], (n, 3, frames, 3)).copy()
    return MotionSet(motion, np.arange(n) % 5 % 3, ("walk", "jump", "wave"), STICK)


def some_data(n: int = 23, **changes) -> MotionData:
    return MotionData(numbered_motions(n), **{"scaler": Scaler.for_shape(3, 3), "batch_size": 4, **changes})


def rows_of(loader) -> list[list[int]]:
    return [[int(value) for value in motion[:, 0, 0, 0]] for motion, _ in loader]


# ----------------------------------------------------------------------------------------------------------- sampler


def test_an_epoch_holds_every_motion_once():
    batches = list(EpochSampler(20, 4, seed=0))
    assert len(batches) == 5
    assert sorted(chain.from_iterable(batches)) == list(range(20))


def test_the_order_follows_from_seed_and_epoch():
    def batches(seed: int, epoch: int) -> list[list[int]]:
        sampler = EpochSampler(23, 4, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert batches(1, 5) == batches(1, 5)
    assert len({str(batches(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_a_complete_iteration_moves_to_the_next_epoch():
    sampler = EpochSampler(23, 4, seed=0)
    first, second = list(sampler), list(sampler)
    assert first != second
    assert sampler.epoch == 2
    sampler.set_epoch(0)
    assert list(sampler) == first


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("done", [0, 1, 4, 5, 7, 12])
def test_a_sampler_goes_on_at_any_batch(done, balanced):
    label = np.arange(23) % 3 if balanced else None
    sampler = EpochSampler(23, 4, seed=0, label=label)
    whole = [batch for _ in range(4) for batch in sampler]
    again = EpochSampler(23, 4, seed=0, label=label)
    again.epoch, again.start = divmod(done, len(again))
    rest = [batch for _ in range(4 - again.epoch) for batch in again]
    assert rest == whole[done:]
    assert len(again) == 5


def test_naming_the_present_epoch_keeps_the_start():
    sampler = EpochSampler(23, 4, seed=0)
    sampler.epoch, sampler.start = 3, 2
    sampler.set_epoch(3)
    assert len(list(sampler)) == 3
    sampler.epoch, sampler.start = 3, 2
    sampler.set_epoch(4)
    assert len(list(sampler)) == 5


def test_balanced_batches_hold_every_class_equally():
    label = np.repeat([0, 1, 2, 5], [100, 10, 7, 3])
    sampler = EpochSampler(120, 8, seed=0, label=label)
    for batch in sampler:
        assert sorted(label[batch].tolist()) == [0, 0, 1, 1, 2, 2, 5, 5]
    drawn = sampler.order(0)  # a rare motion comes again only after all others of its class
    _, counts = np.unique(drawn[label[drawn] == 1], return_counts=True)
    assert set(counts) == {3}


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("world", [2, 4])
def test_ranks_share_every_batch_without_padding(world, balanced):
    label = np.arange(101) % 7 if balanced else None
    whole = list(EpochSampler(101, 8, seed=3, label=label))
    parts = [list(EpochSampler(101, 8, seed=3, label=label, rank=rank, world=world)) for rank in range(world)]
    assert {len(part) for part in parts} == {12}
    assert [list(chain.from_iterable(shares)) for shares in zip(*parts, strict=True)] == whole
    assert all(len(batch) == 8 // world for part in parts for batch in part)


def test_the_rest_can_be_kept():
    batches = list(EpochSampler(10, 4, seed=0, drop_last=False))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(chain.from_iterable(batches)) == list(range(10))
    assert [len(batch) for batch in EpochSampler(3, 4, seed=0, drop_last=False)] == [3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": 3}, "3 training motions do not fill one batch of 4; use a batch_size of at most 3"),
        ({"n": 0}, "positive count"),
        ({"world": 3}, "batch_size 4 cannot be shared equally by 3"),
        ({"world": 4, "drop_last": False}, "last batch of 3 cannot be shared equally by 4"),
        ({"rank": 2, "world": 2}, "rank 2 of 2"),
        ({"seed": -1}, "not negative"),
        ({"batch_size": 0}, "positive"),
        ({"label": np.zeros(5)}, "label must have shape"),
    ],
)
def test_a_sampler_refuses_what_cannot_work(given, message):
    with pytest.raises(ValueError, match=message):
        EpochSampler(**{"n": 23, "batch_size": 4, "seed": 0, **given})


# -------------------------------------------------------------------------------------------------------------- data


def test_batches_are_scaled_motions_with_their_labels():
    motions = numbered_motions()
    data = MotionData(motions, scaler=Scaler.fit(motions), batch_size=5)
    batches = list(data.train_dataloader())
    assert len(batches) == 4
    for motion, label in batches:
        assert (motion.shape, motion.dtype, label.dtype) == ((5, 3, 4, 3), torch.float32, torch.int64)
        assert motion.min() >= -1
        assert motion.max() <= 1
        rows = data.scaler.inverse(motion)[:, 0, 0, 0].round().long()
        assert torch.equal(label, torch.as_tensor(motions.label)[rows])


def test_workers_do_not_change_the_batches():
    one, two = (some_data(workers=workers).train_dataloader() for workers in (0, 2))
    assert [rows_of(one), rows_of(one)] == [rows_of(two), rows_of(two)]


def test_loading_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    list(some_data().train_dataloader())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_memory_mapped_set_gives_the_same_batches(tmp_path):
    write_motions(numbered_motions(), tmp_path / "set")
    mapped = MotionData(read_motions(tmp_path / "set"), scaler=Scaler.for_shape(3, 3), batch_size=4)
    assert rows_of(mapped.train_dataloader()) == rows_of(some_data().train_dataloader())
    assert mapped.state_dict() == some_data().state_dict()


def test_data_resume_at_the_exact_batch():
    loader = some_data().train_dataloader()
    epochs = rows_of(loader) + rows_of(loader) + rows_of(loader)
    for start in (0, 3, 5, 8, 15):
        assert rows_of(some_data(steps=15, start=start).train_dataloader()) == epochs[start:]
    with pytest.raises(ValueError, match="between 0 and steps, got 16 of 15"):
        some_data(steps=15, start=16).train_dataloader()


def test_the_state_is_plain_and_recognises_the_same_data(tmp_path):
    torch.save(some_data().state_dict(), tmp_path / "state.pt")
    some_data().load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))


def test_other_data_are_refused_by_name():
    state = some_data().state_dict()
    with pytest.raises(ValueError, match=r"motions was 23, is 24.*fingerprint was"):
        some_data(24).load_state_dict(state)
    with pytest.raises(ValueError, match=r"batch_size was 4, is 8; seed was 0, is 1$"):
        some_data(batch_size=8, seed=1).load_state_dict(state)
    changed = some_data()
    changed.train.motion[22] += 1
    with pytest.raises(ValueError, match="exactly with these data: fingerprint"):
        changed.load_state_dict(state)
    with pytest.raises(ValueError, match="motions was not saved"):
        some_data().load_state_dict({})


def test_a_scaler_of_another_skeleton_is_refused():
    with pytest.raises(ValueError, match="the scaler has 3 channels and 25 joints, the motions have shape"):
        some_data(scaler=Scaler.for_shape(3, 25))


class Watcher(LightningModule):
    """Keeps the rows of its training batches."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)
        self.rows: list[tuple[int, list[int]]] = []

    def training_step(self, batch, index):
        self.rows.append((self.current_epoch, [int(value) for value in batch[0][:, 0, 0, 0]]))
        return self.linear(batch[0].mean().reshape(1, 1)).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def train(data: MotionData, epochs: int, **changes) -> Watcher:
    watcher = Watcher()
    Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **changes,
    ).fit(watcher, datamodule=data)
    return watcher


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("workers", [0, 2])
def test_lightning_gets_the_order_of_every_epoch(workers):
    data = some_data(workers=workers)
    expected = [(epoch, sorted(batch)) for epoch in range(3) for batch in some_batches(epoch)]
    for _ in range(2):  # a second fit begins again
        assert [(epoch, sorted(rows)) for epoch, rows in train(data, 3).rows] == expected


def some_batches(epoch: int) -> list[list[int]]:
    sampler = EpochSampler(23, 4, seed=0)
    sampler.set_epoch(epoch)
    return list(sampler)


@pytest.mark.filterwarnings("ignore")
def test_an_epoch_that_lightning_cuts_short_is_followed_by_the_next():
    batches = train(some_data(), 2, limit_train_batches=2).rows
    assert [rows for _, rows in batches] == some_batches(0)[:2] + some_batches(1)[:2]


def test_real_motions_scale_to_the_unit_range(shared):
    train_set, test_set = read_motions(shared / "data" / "motion" / "nw_ucla.npz").split("xsub")
    data = MotionData(train_set, scaler=Scaler.fit(train_set), batch_size=32, balanced=True)
    assert data.sampler.n == len(train_set)
    for motion, label in data.train_dataloader():
        assert motion.abs().max() <= 1 + 1e-6
        assert (torch.bincount(label, minlength=8) == 4).all()
    held_out = torch.from_numpy(test_set.motion)
    torch.testing.assert_close(data.scaler.inverse(data.scaler(held_out)), held_out, atol=1e-6, rtol=0)
