"""Randomness of a training step as a pure function of the seed and the number of the step.

A run that was interrupted then needs no random state to go on exactly, and nothing that another part of the program
draws can change it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["mixed_seed", "seeded"]


def mixed_seed(*numbers: int) -> int:
    """One well-mixed seed from several non-negative integers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def seeded(*numbers: int, device: torch.device) -> Iterator[None]:
    """Inside, torch draws on the CPU and on `device` from a seed made of `numbers`; after, as if nothing had been."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(mixed_seed(*numbers))
        yield
