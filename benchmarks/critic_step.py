"""One critic step: scores, gradient penalty, backward pass, Adam. Training spends its time in this step.

The number that matters is the ratio of `kinetic` to `literal`. `share of the machine` is the rate of the counted
multiply-adds of `kinetic` over the rate of one large matrix product, measured in the same process: it bounds the gain
of code that computes as much. `bf16` runs the forward passes under autocast; the errors of all gradients are measured
against float64, since a fast step in a wrong direction is worthless. Real and fake come from the same noise here, so
that their scores nearly cancel: a hard case for 8 bits of mantissa.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks import literal
from benchmarks.harness import PRODUCT, multiply_adds
from benchmarks.pairs import apart, critics, few, gradients, in_double, overall, require
from kinetic.models.stgcn import Critic
from kinetic.training.losses import gradient_penalty, wasserstein_loss

params = {"batch": 32}
BASELINE = "literal"


@dataclass
class State:
    """Two critics of equal weights and a batch."""

    published: literal.Critic
    ours: Critic
    coarse: Critic
    published_optimizer: torch.optim.Optimizer
    ours_optimizer: torch.optim.Optimizer
    coarse_optimizer: torch.optim.Optimizer
    real: Tensor
    fake: Tensor
    label: Tensor
    alpha: Tensor
    compiled: Callable[..., Tensor] | None = None
    extras: dict[str, float] = field(default_factory=dict)


def setup(device: torch.device, *, batch: int) -> State:
    published, ours = critics(device)
    coarse = copy.deepcopy(ours)
    return State(
        published=published,
        ours=ours,
        coarse=coarse,
        published_optimizer=torch.optim.Adam(published.parameters(), lr=2e-4, betas=(0.5, 0.999)),
        ours_optimizer=torch.optim.Adam(ours.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True),
        coarse_optimizer=torch.optim.Adam(coarse.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True),
        real=torch.rand(batch, 3, 64, 25, device=device) * 2 - 1,
        fake=torch.rand(batch, 3, 64, 25, device=device) * 2 - 1,
        label=torch.arange(batch, device=device) % 60,
        alpha=torch.rand(batch, 1, 1, 1, device=device),
    )


def critic_loss(critic: Critic, real: Tensor, fake: Tensor, label: Tensor, alpha: Tensor) -> Tensor:
    """The loss of a critic step of `KineticGAN`: reals and fakes are scored in one batch."""
    real_score, fake_score = critic(torch.cat([real, fake]), label.repeat(2)).float().chunk(2)
    penalty = gradient_penalty(lambda motion: critic(motion, label).float(), real, fake, alpha)
    return wasserstein_loss(real_score, fake_score) + 10 * penalty


def _coarse_loss(critic: Critic, real: Tensor, *others: Tensor) -> Tensor:
    with torch.autocast(real.device.type, dtype=torch.bfloat16):
        return critic_loss(critic, real, *others)


def _step(loss: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach()


def _batch(state: State) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return state.real, state.fake, state.label, state.alpha


def _slope(loss: Tensor, model: nn.Module) -> dict[str, Tensor]:
    model.zero_grad(set_to_none=True)
    loss.backward()
    return gradients(model)


def check(state: State) -> dict[str, float]:
    published, ours = in_double(state.published), in_double(state.ours)
    batch = few(*_batch(state), dtype=torch.float64)
    real, _, label, _ = batch
    with torch.no_grad():
        scores = published(real, label)[:, 0], ours(real, label)
    losses = literal.critic_loss(published, *batch), critic_loss(ours, *batch)
    exact = _slope(losses[0], published)
    rounded = few(*_batch(state))
    for way, loss, model in (
        ("literal", literal.critic_loss(state.published, *rounded), state.published),
        ("kinetic", critic_loss(state.ours, *rounded), state.ours),
        ("bf16", _coarse_loss(state.coarse, *rounded), state.coarse),
    ):
        state.extras[f"error of the gradient, {way}"] = overall(exact, slope := _slope(loss, model))
        state.extras[f"error of the gradient of the worst weight, {way}"] = apart(exact, slope)
    return require(
        {
            "difference of scores in float64": apart({"score": scores[0]}, {"score": scores[1]}),
            "difference of losses in float64": apart({"loss": losses[0].detach()}, {"loss": losses[1].detach()}),
            "largest difference of a weight's gradient in float64": apart(exact, _slope(losses[1], ours)),
        }
    )


def time_literal(state: State) -> Tensor:
    return _step(literal.critic_loss(state.published, *_batch(state)), state.published_optimizer)


def time_kinetic(state: State) -> Tensor:
    return _step(critic_loss(state.ours, *_batch(state)), state.ours_optimizer)


def time_bf16(state: State) -> Tensor:
    return _step(_coarse_loss(state.coarse, *_batch(state)), state.coarse_optimizer)


def _traceable_loss(critic: Critic, real: Tensor, fake: Tensor, label: Tensor, alpha: Tensor) -> Tensor:
    """`critic_loss` in a form that torch.compile can follow: autograd may not differentiate compiled code twice."""

    def total(motion: Tensor) -> Tensor:
        return critic(motion, label).sum()

    real_score, fake_score = critic(torch.cat([real, fake]), label.repeat(2)).chunk(2)
    slope = torch.func.grad(total)(torch.lerp(fake, real, alpha))
    penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    return wasserstein_loss(real_score, fake_score) + 10 * penalty


def time_compiled(state: State) -> Tensor:
    began = time.perf_counter()
    if first := state.compiled is None:
        state.compiled = torch.compile(_traceable_loss, fullgraph=True)
    loss = _step(state.compiled(state.ours, *_batch(state)), state.ours_optimizer)
    if first:
        state.extras["seconds to compile (few if torch has it cached)"] = time.perf_counter() - began
    return loss


def facts(state: State, seconds: dict[str, float]) -> dict[str, float]:
    with torch.no_grad():
        batch = state.real[:1], state.label[:1]
        published, ours = (multiply_adds(partial(m, *batch)) for m in (state.published, state.ours))
    step = {way.__name__: multiply_adds(partial(way, state)) for way in (time_literal, time_kinetic)}
    possible = 1 / seconds[PRODUCT]
    return {
        "million multiply-adds to score a motion, literal": published / 1e6,
        "million multiply-adds to score a motion, kinetic": ours / 1e6,
        "multiply-adds of a step, literal to kinetic": step["time_literal"] / step["time_kinetic"],
        "billion multiply-adds a second in a matrix product": possible / 1e9,
        "share of the machine, literal": step["time_literal"] / seconds["literal"] / possible,
        "share of the machine, kinetic": step["time_kinetic"] / seconds["kinetic"] / possible,
        **state.extras,
    }
