"""A training cycle: five critic steps and one generator step.

The number that matters is the ratio of `lightning` to `literal`: `KineticGAN` as users train it, inside a Lightning
trainer, with all its logging and monitoring. `kinetic` is the bare arithmetic of the same cycle; the gap between the
two is the price of the framework.

In the literal cycle every batch computes its fakes with a graph for gradients, and the generator's step computes them
anew from the latents and labels of the batch.
"""

from __future__ import annotations

import copy
import logging
import time
import warnings
from dataclasses import dataclass

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks import literal
from benchmarks.critic_step import critic_loss
from benchmarks.harness import multiply_adds
from benchmarks.pairs import apart, critics, few, generators, gradients, in_double, require
from kinetic.models.stgcn import Critic, Generator
from kinetic.training.losses import WASSERSTEIN
from kinetic.training.wgan import KineticGAN

params = {"batch": 32}
BASELINE = "literal"
CRITIC_STEPS = 5
"""Critic steps to one generator step."""


@dataclass
class State:
    """Both formulations of both networks, and one batch of motions that serves all steps."""

    published: tuple[literal.Generator, literal.Critic]
    ours: tuple[Generator, Critic]
    gan: KineticGAN
    published_optimizers: list[torch.optim.Optimizer]
    ours_optimizers: list[torch.optim.Optimizer]
    real: Tensor
    label: Tensor


def setup(device: torch.device, *, batch: int) -> State:
    generator, critic = generators(device), critics(device)
    published, ours = (generator[0], critic[0]), (generator[1], critic[1])
    return State(
        published=published,
        ours=ours,
        gan=KineticGAN(copy.deepcopy(ours[0]), copy.deepcopy(ours[1]), critic_steps=CRITIC_STEPS),
        published_optimizers=[torch.optim.Adam(m.parameters(), lr=2e-4, betas=(0.5, 0.999)) for m in published],
        ours_optimizers=[torch.optim.Adam(m.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True) for m in ours],
        real=torch.rand(batch, 3, 64, 25, device=device) * 2 - 1,
        label=torch.arange(batch, device=device) % 60,
    )


def _draw(state: State) -> tuple[Tensor, Tensor]:
    """z and alpha of one batch."""
    n, device = len(state.real), state.real.device
    return torch.randn(n, state.ours[0].latent, device=device), torch.rand(n, 1, 1, 1, device=device)


def check(state: State) -> dict[str, float]:
    """Compares the generator's step; `critic_step` compares the critic's."""
    z, label = few(_draw(state)[0], state.label, dtype=torch.float64)
    noise = state.ours[0].draw_noise(len(z), like=z)
    motions, slopes = [], []
    for pair in (state.published, state.ours):
        generator, critic = in_double(pair[0]), in_double(pair[1])
        fake = generator(z, label, noise)
        critic(fake, label).mean().backward()
        motions.append({"motion": fake.detach()})
        slopes.append(gradients(generator))
    return require(
        {
            "difference of motions while training in float64": apart(*motions),
            "largest difference of a weight's gradient in float64": apart(*slopes),
        }
    )


def _step(model: nn.Module, loss: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach()


def time_literal(state: State) -> Tensor:
    generator, critic = state.published
    generator_optimizer, critic_optimizer = state.published_optimizers
    for i in range(CRITIC_STEPS):
        z, alpha = _draw(state)
        fake = generator(z, state.label)
        _step(critic, literal.critic_loss(critic, state.real, fake, state.label, alpha), critic_optimizer)
        if i == 0:
            fake = generator(z, state.label)
            loss = _step(generator, literal.generator_loss(critic, fake, state.label), generator_optimizer)
    return loss


def time_kinetic(state: State) -> Tensor:
    generator, critic = state.ours
    generator_optimizer, critic_optimizer = state.ours_optimizers
    for i in range(CRITIC_STEPS):
        z, alpha = _draw(state)
        with torch.set_grad_enabled(i == 0):
            fake = generator(z, state.label)
        _step(critic, critic_loss(critic, state.real, fake.detach(), state.label, alpha), critic_optimizer)
        if i == 0:
            critic.requires_grad_(False)
            loss = _step(generator, WASSERSTEIN.generator(critic(fake, state.label)), generator_optimizer)
            critic.requires_grad_(True)
    return loss


class _Clock(Callback):
    """Seconds from the start of the second cycle to the end of the last."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: object, batch_idx: int) -> None:
        if batch_idx == CRITIC_STEPS:
            self.began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        self.ended = time.perf_counter()


def time_lightning(state: State) -> float:
    clock, device = _Clock(), state.real.device
    batches = [(state.real.cpu(), state.label.cpu())] * (2 * CRITIC_STEPS)
    talk = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = talk.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        talk.setLevel(logging.ERROR)
        trainer = Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[clock],
        )
        try:
            trainer.fit(state.gan, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
        finally:
            talk.setLevel(level)
    return clock.ended - clock.began


def facts(state: State, seconds: dict[str, float]) -> dict[str, float]:
    published, ours = multiply_adds(lambda: time_literal(state)), multiply_adds(lambda: time_kinetic(state))
    return {
        "multiply-adds of a cycle, literal to kinetic": published / ours,
        "batches a second, lightning": CRITIC_STEPS / seconds["lightning"],
    }
