"""Training of generator against critic: WGAN-GP as published, or the non-saturating game with R1."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import cast

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from kinetic.models.stgcn import Critic, Generator
from kinetic.nn.noise import GaussianNoise, plain_draw
from kinetic.settings.kinetic_gan import GanTrainingConfig, GeneratorConfig
from kinetic.training.losses import WASSERSTEIN, Loss
from kinetic.training.randomness import mixed_seed, seeded

__all__ = ["Diverged", "KineticGAN"]


class Diverged(RuntimeError):
    """Training cannot succeed any more: a loss is not a finite number, or a gradient is too long."""


class KineticGAN(LightningModule):
    """Trains a generator and a critic against each other on batches (motion (N, C, T, V), label (N,)).

    Each batch makes one critic step, on a fake for every real motion with the same label; every `critic_steps`-th batch
    also makes a generator step, on the same latents and labels. The count is the persistent buffer `batches`, since
    Lightning's `global_step` counts the steps of both optimisers. The randomness of a step follows from (seed, batches,
    rank).

    Args:
        generator, critic: the networks
        learning_rate, betas: settings of Adam, for both
        critic_steps: critic steps to one generator step
        penalty: weight of the loss's penalty
        penalty_every: critic steps from one penalty to the next; the weight is multiplied by it (Karras et al. 2020)
        loss: the losses of critic and generator, and the penalty
        draw: (generator, z, label) -> fakes for the critic
        mismatch: share of real motions with a wrong label in the weight of fakes in the critic's loss, which teaches
            the critic the meaning of labels (Reed et al. 2016, algorithm 1); 0 = none
        diversity: weight of the distance of two latents over that of their motions, which keeps a class from shrinking
            to one motion (Mao et al. 2019, eq. 5); 0 = none
        ema: decay of the averaged generator, smaller at first, when n steps average over about n / 9; 0 = none
        seed: seed of all randomness
        max_norm: longest gradient of the critic, beyond which training stops with `Diverged`; None = no limit
    """

    batches: Tensor
    latest: Tensor

    def __init__(
        self,
        generator: Generator,
        critic: Critic,
        *,
        learning_rate: float = GanTrainingConfig.learning_rate,
        betas: tuple[float, float] = GanTrainingConfig.betas,
        critic_steps: int = GanTrainingConfig.critic_steps,
        penalty: float = GanTrainingConfig.penalty,
        penalty_every: int = GanTrainingConfig.penalty_every,
        loss: Loss = WASSERSTEIN,
        draw: Callable[[nn.Module, Tensor, Tensor], Tensor] = plain_draw,
        mismatch: float = GanTrainingConfig.mismatch,
        diversity: float = GanTrainingConfig.diversity,
        ema: float = GeneratorConfig.ema,
        seed: int = 0,
        max_norm: float | None = GanTrainingConfig.max_norm,
    ) -> None:
        super().__init__()
        for what in ("classes", "frames", "channels"):
            if (a := getattr(generator, what)) != (b := getattr(critic, what)):
                raise ValueError(f"generator and critic must agree: {what} is {a} in one and {b} in the other")
        if critic_steps < 1 or penalty_every < 1:
            raise ValueError(f"critic_steps and penalty_every must be at least 1, got {critic_steps}, {penalty_every}")
        if not 0 <= ema < 1:
            raise ValueError(f"ema is a decay between 0 and 1, got {ema}")
        self.automatic_optimization = False
        self.generator, self.critic = generator, critic
        self.average = _frozen_copy(generator) if ema > 0 else None
        self.learning_rate, self.betas = learning_rate, betas
        self.critic_steps, self.penalty, self.penalty_every = critic_steps, penalty, penalty_every
        if not 0 <= mismatch < 1 or (mismatch and generator.classes < 2):
            raise ValueError(f"mismatch is a share from 0 to 1 and needs two classes, got {mismatch}")
        self.loss, self.draw, self.ema, self.seed, self.max_norm = loss, draw, ema, seed, max_norm
        self.mismatch, self.diversity = mismatch, diversity
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.register_buffer("latest", torch.zeros(2))

    @property
    def sampler(self) -> Generator:
        """The generator for samples: the averaged one, if there is one."""
        return self.generator if self.average is None else self.average

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        return tuple(
            torch.optim.Adam(model.parameters(), lr=self.learning_rate, betas=self.betas, fused=True)
            for model in (self.generator, self.critic)
        )  # type: ignore[return-value]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        motion, label = batch
        done = int(self.batches)
        generator_optimizer, critic_optimizer = cast(list[torch.optim.Optimizer], self.optimizers())
        with seeded(self.seed, done, device=motion.device):
            z = self._share(torch.randn, len(motion), self.generator.latent, like=motion)
            alpha = self._share(torch.rand, len(motion), 1, 1, 1, like=motion)
            torch.manual_seed(mixed_seed(self.seed, done, self._rank + 1))
            for noise in self.critic.modules():
                if isinstance(noise, GaussianNoise):
                    noise.fade(done)
            generator_turn = done % self.critic_steps == 0
            with torch.set_grad_enabled(generator_turn):
                fake = self.draw(self.generator, z, label)
            values = self._critic_step(critic_optimizer, motion, fake.detach(), label, alpha, done)
            if generator_turn:
                self._generator_step(generator_optimizer, fake, z, label)
        self.batches += 1
        logged = {**values, "loss/generator": self.latest[0], "norm/generator": self.latest[1]}
        self.log_dict(logged, on_step=True, on_epoch=False, sync_dist=True)

    def _critic_step(
        self,
        optimizer: torch.optim.Optimizer,
        real: Tensor,
        fake: Tensor,
        label: Tensor,
        alpha: Tensor,
        done: int,
    ) -> dict[str, Tensor]:
        def score(motion: Tensor) -> Tensor:
            return self.critic(motion, label).float()

        real_score, fake_score, *mismatched = self._scores(real, fake, label)
        loss = self.loss.critic(real_score, fake_score)
        if mismatched:
            loss = torch.lerp(loss, self.loss.critic(real_score, mismatched[0]), self.mismatch)
        penalty = loss.new_zeros(())
        if done % self.penalty_every == 0:
            penalty = self.loss.penalty(score, real, fake, alpha)
            loss = loss + self.penalty * self.penalty_every * penalty
        norm = self._step(optimizer, self.critic, loss)
        self._watch(loss, norm)
        return {
            "loss/critic": loss.detach(),
            "loss/penalty": penalty.detach(),
            "score/real": real_score.detach().mean(),
            "score/fake": fake_score.detach().mean(),
            "norm/critic": norm,
        }

    def _scores(self, real: Tensor, fake: Tensor, label: Tensor) -> tuple[Tensor, ...]:
        """Scores of reals and fakes and, with `mismatch`, of reals with wrong labels."""
        motion, labels = torch.cat([real, fake]), [label, label]
        if self.mismatch:
            step = torch.randint(1, self.critic.classes, label.shape, device=label.device)
            labels.append((label + step) % self.critic.classes)
        if self.mismatch and not getattr(self.critic, "painted", True):  # features do not depend on labels
            features = self.critic.observe(motion)
            score = self.critic.judge(torch.cat([features, features[: len(real)]]), torch.cat(labels))
        else:
            motion = torch.cat([motion, real]) if self.mismatch else motion
            score = self.critic(motion, torch.cat(labels))
        return score.float().split(len(real))

    def _generator_step(self, optimizer: torch.optim.Optimizer, fake: Tensor, z: Tensor, label: Tensor) -> None:
        self.critic.requires_grad_(False)
        try:
            loss = self.loss.generator(self.critic(fake, label).float())
            if self.diversity:
                other = torch.randn_like(z)
                gap = (fake - self.draw(self.generator, other, label)).abs().mean()
                loss = loss + self.diversity * (z - other).abs().mean() / (gap + 1e-5)
            norm = self._step(optimizer, self.generator, loss)
        finally:
            self.critic.requires_grad_(True)
        self._watch(loss, norm)
        self.latest.copy_(torch.stack([loss.detach(), norm]))
        if self.average is not None:
            steps = int(self.batches) // self.critic_steps
            _average(self.average, self.generator, min(self.ema, (1 + steps) / (10 + steps)))

    def _step(self, optimizer: torch.optim.Optimizer, model: nn.Module, loss: Tensor) -> Tensor:
        """One step of one network; returns the length of its gradient."""
        optimizer.zero_grad(set_to_none=True)
        self.manual_backward(loss)
        norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        optimizer.step()
        return norm.detach()

    def _watch(self, loss: Tensor, norm: Tensor) -> None:
        """Raise `Diverged` when training cannot succeed. On a GPU only at every tenth batch, since the check waits."""
        done = int(self.batches)
        if loss.device.type == "cuda" and done % 10:
            return
        if not torch.isfinite(loss + norm):
            raise Diverged(
                f"the loss or its gradient is no longer a finite number after {done} batches; try a smaller "
                "training.learning_rate, generator.mapping equalized, or precision 32, and check the data"
            )
        if self.max_norm is not None and norm > self.max_norm:
            raise Diverged(
                f"a gradient has length {float(norm):.3g} after {done} batches, more than training.max_norm "
                f"{self.max_norm:g}; try a larger training.penalty, a smaller training.learning_rate, or another "
                "critic.pooling"
            )

    @property
    def _rank(self) -> int:
        return self._trainer.global_rank if self._trainer is not None else 0

    def _share(self, draw: Callable[..., Tensor], n: int, *shape: int, like: Tensor) -> Tensor:
        """This rank's share of a draw for the batches of all ranks, so that results do not depend on their number."""
        world = self._trainer.world_size if self._trainer is not None else 1
        whole = draw(world * n, *shape, device=like.device, dtype=like.dtype)
        return whole[self._rank * n : (self._rank + 1) * n]


def _frozen_copy(model: Generator) -> Generator:
    return copy.deepcopy(model).requires_grad_(False).eval()


@torch.no_grad()
def _average(target: nn.Module, source: nn.Module, decay: float) -> None:
    """Move weights and running statistics by 1 - decay towards those of source; copy counts."""
    torch._foreach_lerp_(_list(target.parameters()), _list(source.parameters()), 1 - decay)
    for buffer, new in zip(target.buffers(), source.buffers(), strict=True):
        if buffer.is_floating_point():
            buffer.lerp_(new, 1 - decay)
        else:
            buffer.copy_(new)


def _list(tensors: Iterable[Tensor]) -> list[Tensor]:
    return list(tensors)
