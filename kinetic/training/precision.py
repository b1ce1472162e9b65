"""The meaning of `training.precision: auto` on this machine: bfloat16 where it is measurably faster, else float32."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from kinetic.settings.experiment import Experiment, TrainingConfig

__all__ = ["Precision", "choose_precision", "race", "slow_request", "with_precision"]

SIZE = 192
"""Rows and columns of the matrices that race: large enough for a clear result, yet fast where bf16 is emulated."""

FASTER = 1.2
"""How many times as fast bf16 must be to be chosen; below, its conversions cost more than it gains."""

SLOWER = 0.8
"""Below this, a request for bf16 by name gets a warning."""


@dataclass(frozen=True)
class Precision:
    """A choice of `training.precision`.

    Attributes:
        name: 32 or bf16
        why: the reason for it, in words
    """

    name: Literal["32", "bf16"]
    why: str

    def __str__(self) -> str:
        return f"precision {self.name}: {self.why}"


@cache
def race() -> float:
    """Speed of a matrix product in bfloat16 over that in float32 on this CPU; takes some 20 ms.

    A processor without units for bfloat16 emulates it, and is 10 to 150 times slower; names of processors do not tell
    which have them. One thread runs, and its processor time counts, so that other processes have no influence.
    """
    single = torch.ones(SIZE, SIZE)
    half = single.to(torch.bfloat16)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _seconds(single), _seconds(half)  # the first products also load code
        best = [_seconds(single), _seconds(half)]
        if best[1] < 10 * best[0]:  # else the result is clear
            for _ in range(12):
                best = [min(best[0], _seconds(single)), min(best[1], _seconds(half))]
    finally:
        torch.set_num_threads(threads)
    return best[0] / best[1]


def _seconds(matrix: Tensor) -> float:
    start = time.thread_time()
    torch.mm(matrix, matrix)
    return time.thread_time() - start


def choose_precision(training: TrainingConfig) -> Precision:
    """The precision for `auto` on this machine, with the devices of these settings."""
    if training.accelerator != "cpu" and torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        if major >= 8:
            return Precision("bf16", f"the GPU has units for it (compute capability {major}.{minor})")
        return Precision("32", f"the GPU has no units for bf16 (compute capability {major}.{minor}, 8.0 has)")
    if training.accelerator == "gpu" or (training.accelerator == "auto" and torch.backends.mps.is_available()):
        return Precision("32", "bf16 is chosen on CPUs and CUDA devices only")
    if training.devices * training.nodes > 1:
        return Precision("32", "several processes must agree; ask for bf16 by name")
    return _choose(race())


def _choose(factor: float) -> Precision:
    if factor >= FASTER:
        return Precision("bf16", f"a matrix product is {factor:.1f} times as fast as in float32 on this CPU")
    return Precision("32", f"in bf16 a matrix product takes {1 / factor:.1f} times as long on this CPU")


def with_precision(experiment: Experiment, chosen: Literal["32", "bf16"]) -> Experiment:
    """The same experiment, with `chosen` in the place of auto."""
    if experiment.training.precision != "auto":
        return experiment
    return replace(experiment, training=replace(experiment.training, precision=chosen))


def slow_request(training: TrainingConfig) -> str | None:
    """A warning if the settings name bf16 where float32 is faster; None otherwise."""
    on_cpu = training.accelerator == "cpu" or (training.accelerator == "auto" and not torch.cuda.is_available())
    if training.precision != "bf16" or not on_cpu or (factor := race()) >= SLOWER:
        return None
    return (
        f"training.precision bf16: a matrix product takes {1 / factor:.1f} times as long as in float32 on this CPU; "
        "32 or auto is faster"
    )
