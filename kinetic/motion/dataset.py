"""A set of motions as a dataset of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from kinetic.motion.stored import StoredMotion, is_stored

__all__ = ["MotionDataset"]


class MotionDataset(Dataset[tuple[Tensor, Tensor]]):
    """Motions (C, T, V) float32 and labels () int64 for a `DataLoader`; a batch is read at once.

    Args:
        motion, label: of a `MotionSet`

    Tensors are copies, and motions on the disk are read when a batch needs them, by each worker for itself.
    """

    def __init__(self, motion: Any, label: np.ndarray) -> None:
        self.motion = StoredMotion.of(motion) if is_stored(motion) else np.asarray(motion)
        self.label = torch.as_tensor(label)

    def __len__(self) -> int:
        return len(self.motion)

    def batch(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Motions (n, C, T, V) and labels (n,) of some rows."""
        rows = list(rows)
        return torch.from_numpy(self.motion[rows]), self.label[rows]

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        motion, label = self.batch([row])
        return motion[0], label[0]

    def __getitems__(self, rows: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        return list(zip(*self.batch(rows), strict=True))
