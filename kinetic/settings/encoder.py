"""The settings of the family `encoder`: the recognition network whose features feed the scores."""

from __future__ import annotations

from dataclasses import dataclass, field

from kinetic.settings.checks import channel_counts, within
from kinetic.settings.experiment import Experiment

__all__ = ["EncoderConfig", "EncoderExperiment"]


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """The recognition network, whose features feed the metrics.

    Args:
        widths: channels of its blocks; a block that widens also halves the frames
        dropout: share of the last features that is set to zero while training
        smoothing: label smoothing of the cross entropy
        facing: turn all persons the same way first, by their shoulders and hips in the first frame
        augment: turn, resize and shift the training motions, and add noise
        turn: largest turn about the vertical in degrees, with `augment`
        mirror: mirror half of the motions, with `augment`; not for classes of left and right
        weight_decay: weight decay of AdamW, as a share of the learning rate
    """

    widths: tuple[int, ...] = (32, 32, 64, 64, 128)
    dropout: float = 0.2
    smoothing: float = 0.1
    facing: bool = False
    augment: bool = True
    turn: float = 30.0
    mirror: bool = False
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        channel_counts("encoder", "widths", self.widths)
        within("encoder", 0, 0.95, dropout=self.dropout, smoothing=self.smoothing)
        within("encoder", 0, 180, turn=self.turn)
        within("encoder", 0, 10, weight_decay=self.weight_decay)


@dataclass(frozen=True, kw_only=True)
class EncoderExperiment(Experiment):
    """A recognition network.

    Args:
        encoder: the recognition network
    """

    name: str = "encoder"
    model: str = "encoder"
    encoder: EncoderConfig = field(default_factory=EncoderConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        widths = self.encoder.widths
        halved = sum(width > before for before, width in zip(widths, widths[1:], strict=False))
        if self.data.frames % 2 ** (1 + halved):
            raise ValueError(
                f"data.frames must be a multiple of {2 ** (1 + halved)}, because the encoder takes frames in pairs and "
                f"halves them where encoder.widths grow, got {self.data.frames}"
            )
