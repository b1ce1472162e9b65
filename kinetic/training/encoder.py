"""Training of the recognition network: cross entropy on turned, resized and shifted motions with noise."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn import functional

from kinetic.models.encoder import Encoder
from kinetic.settings.encoder import EncoderConfig
from kinetic.skeleton import Skeleton
from kinetic.training.randomness import seeded

__all__ = ["EncoderTraining", "crop", "disturb", "mirror", "resize", "schedule", "turn"]


def turn(motion: Tensor, angle: Tensor) -> Tensor:
    """Turn each motion (N, 3, T, V) about the vertical by its angle (N,), in radians."""
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    x, y, z = motion.unbind(dim=1)
    return torch.stack([cosine * x + sine * z, y, cosine * z - sine * x], dim=1)


def crop(motion: Tensor, start: Tensor, share: Tensor) -> Tensor:
    """Stretch a part of each motion (N, C, T, V) over all its frames: `share` (N,) of the frames, 0 < share <= 1.

    `start` (N,) lies between 0, for the first such part, and 1, for the last. Frames are interpolated linearly.
    """
    n, c, t, v = motion.shape
    last = t - 1
    place = torch.linspace(0, 1, t, device=motion.device, dtype=motion.dtype)
    place = last * (start * (1 - share))[:, None] + last * share[:, None] * place  # (N, T)
    left = place.floor().clamp(0, last)
    right = (left + 1).clamp(max=last)
    between = rearrange(place - left, "n t -> n 1 t 1").clamp(0, 1)

    def at(frame: Tensor) -> Tensor:
        return motion.gather(2, rearrange(frame.long(), "n t -> n 1 t 1").expand(n, c, t, v))

    return torch.lerp(at(left), at(right), between)


def resize(motion: Tensor, factor: Tensor) -> Tensor:
    """Make each person (N, C, T, V) larger or smaller by its factor (N,)."""
    return motion * factor[:, None, None, None]


def mirror(motion: Tensor, chosen: Tensor, skeleton: Skeleton) -> Tensor:
    """Motions (N, C, T, V), the chosen ones (N,) in a mirror: left and right limbs change places, and x is negated.

    A wave with the left hand becomes one with the right; a walk to the left becomes one to the right.

    Raises:
        ValueError: for a skeleton without left and right joints
    """
    if not skeleton.left:
        raise ValueError("a mirror needs a skeleton with left and right joints")
    image = motion[..., torch.from_numpy(skeleton.mirrored()).to(motion.device)]
    image[:, 0] *= -1
    return torch.where(rearrange(chosen, "n -> n 1 1 1"), image, motion)


def disturb(
    motion: Tensor,
    *,
    angle: float = math.pi / 6,
    size: float = 0.1,
    share: float = 0.8,
    noise: float = 0.005,
    mirrored: Skeleton | None = None,
) -> Tensor:
    """Motions (N, C, T, V) with random turns, sizes, parts and noise, drawn from torch's global generator.

    Args:
        angle: largest turn about the vertical, in radians; only for three coordinates
        size: largest change of size, as a share
        share: smallest part of the frames, which is stretched over all frames
        noise: standard deviation of the joints, in metres
        mirrored: the skeleton whose sides change places in a mirror, for half of the motions; None = no mirror
    """

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(len(motion)).to(motion) * (high - low) + low

    if mirrored is not None:
        motion = mirror(motion, uniform(0, 1) < 0.5, mirrored)
    if motion.shape[1] == 3:
        motion = turn(motion, uniform(-angle, angle))
    motion = resize(motion, uniform(1 - size, 1 + size))
    motion = crop(motion, uniform(0, 1), uniform(share, 1))
    return motion + noise * torch.randn(motion.shape).to(motion)


def schedule(done: int, steps: int, *, warmup: float = 0.1) -> float:
    """Share of the highest learning rate: a line up over the first `warmup` of all steps, then half a cosine to 0."""
    rise = max(1.0, warmup * steps)
    if done < rise:
        return (done + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - rise) / max(1.0, steps - rise))))


class EncoderTraining(LightningModule):
    """Trains an encoder on batches (motion (N, C, T, V) in metres, label (N,)).

    The count of batches is the persistent buffer `batches`; learning rate and randomness of a step follow from it and
    `seed`, so that a resumed run gives the same result as one without a stop.

    Args:
        encoder: the network
        steps: training batches in all, over which the learning rate rises and falls
        learning_rate: the highest learning rate of AdamW
        weight_decay: weight decay of AdamW
        smoothing: label smoothing of the cross entropy
        augment: disturb the training motions
        angle: largest turn, in radians
        mirrored: mirror half of the motions; not for classes of left and right
        seed: seed of all randomness
    """

    batches: Tensor

    def __init__(
        self,
        encoder: Encoder,
        *,
        steps: int,
        learning_rate: float = 4e-3,
        weight_decay: float = EncoderConfig.weight_decay,
        smoothing: float = EncoderConfig.smoothing,
        augment: bool = EncoderConfig.augment,
        angle: float = math.radians(EncoderConfig.turn),
        mirrored: bool = EncoderConfig.mirror,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if steps < 1 or learning_rate <= 0:
            raise ValueError(f"steps and learning_rate must be positive, got {steps} and {learning_rate}")
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing must be at least 0 and below 1, got {smoothing}")
        if mirrored and not encoder.skeleton.left:
            raise ValueError("mirrored needs a skeleton with left and right joints")
        self.encoder = encoder
        self.steps, self.learning_rate, self.weight_decay = steps, learning_rate, weight_decay
        self.smoothing, self.augment, self.seed = smoothing, augment, seed
        self.angle, self.mirrored = angle, encoder.skeleton if mirrored else None
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            self.encoder.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True
        )

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        motion, label = batch
        done = int(self.batches)
        rank = 0 if self._trainer is None else self._trainer.global_rank
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]
            group["lr"] = self.learning_rate * schedule(done, self.steps)
        with seeded(self.seed, done, rank, device=motion.device):
            if self.augment:
                motion = disturb(motion, angle=self.angle, mirrored=self.mirrored)
            scores = self.encoder(motion)
        loss = functional.cross_entropy(scores, label, label_smoothing=self.smoothing)
        self.batches += 1
        accuracy = (scores.argmax(dim=1) == label).float().mean()
        self.log_dict(
            {"loss/encoder": loss.detach(), "accuracy/train": accuracy}, on_step=True, on_epoch=False, sync_dist=True
        )
        return loss
