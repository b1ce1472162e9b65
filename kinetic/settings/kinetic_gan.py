"""The settings of the family `gan`, whose defaults reproduce Kinetic-GAN (Degardin et al., WACV 2022) as published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from kinetic.settings.checks import WIDEST, at_least, channel_counts, within
from kinetic.settings.choice import Choice
from kinetic.settings.experiment import DataConfig, Experiment, TrainingConfig

__all__ = [
    "LOSSES",
    "POOLING",
    "CriticConfig",
    "GanDataConfig",
    "GanExperiment",
    "GanTrainingConfig",
    "GeneratorConfig",
    "NoiseConfig",
    "QuantileConfig",
]


POOLING: dict[str, Any] = dict.fromkeys(("mean", "max", "gem", "attention"))
"""Name -> function from (N, C, T, V) to (N, C), for `critic.pooling`; `kinetic.nn.pooling` and users add to it."""

LOSSES: dict[str, Any] = dict.fromkeys(("wasserstein", "softplus"))
"""Name -> the game of generator and critic, for `training.loss`; `kinetic.training.losses` and users add to it."""


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """The generator.

    Args:
        latent: width of the latent vector z
        mapping_depth: linear layers between z and w
        mapping: start of those layers: published = weights from N(0, 1); equalized = the same, scaled down by the
            square root of the width at run time (StyleGAN), with z and label normalised
        widths: channels after blocks 0 to 4
        last_width: channels after block 5; null = the coordinates of a joint (published)
        label_width: width of the label embedding; null = the number of classes (published)
        upsampling: how frames are doubled
        padding: the input of convolutions beyond the first and last frame: zeros (published), or from block 4 on copies
            of these (edge)
        output: last activation; tanh needs data scaled to [-1, 1]
        norm: batch normalisation (published), or pixel = each joint and frame by itself
        partition: joints grouped by distance to the centre up to one hop (published) or by their true distance (full)
        halved_top: halve the mean of the neighbours at the first joint expansion (published)
        ema: decay of the averaged copy of the weights, which makes the samples; 0 = none
    """

    latent: int = 512
    mapping_depth: int = 4
    mapping: Literal["published", "equalized"] = "published"
    widths: tuple[int, int, int, int, int] = (512, 256, 128, 64, 32)
    last_width: int | None = None
    label_width: int | None = None
    upsampling: Literal["nearest", "linear"] = "nearest"
    padding: Literal["zeros", "edge"] = "zeros"
    output: Literal["tanh", "linear"] = "tanh"
    norm: Literal["batch", "pixel"] = "batch"
    partition: Literal["published", "full"] = "published"
    halved_top: bool = True
    ema: float = 0.0

    def __post_init__(self) -> None:
        within("generator", 1, 64, mapping_depth=self.mapping_depth)
        within("generator", 1, WIDEST, latent=self.latent, last_width=self.last_width, label_width=self.label_width)
        channel_counts("generator", "widths", self.widths, 5)
        within("generator", 0, 0.99999, ema=self.ema)


@dataclass(frozen=True, kw_only=True)
class NoiseConfig:
    """Gaussian noise on the critic's down-sampled maps.

    Args:
        std: standard deviation; 0 = none
        shared: draw one number per call (as in the fork's comment), per motion, or per entry
        decay: training batches over which std falls linearly to 0; null = it is constant
    """

    std: float = 0.0
    shared: Literal["call", "sample", "entry"] = "entry"
    decay: int | None = None

    def __post_init__(self) -> None:
        at_least("critic.noise", 0, std=self.std)
        at_least("critic.noise", 1, decay=self.decay)


@dataclass(frozen=True, kw_only=True)
class CriticConfig:
    """The critic.

    Args:
        widths: channels after blocks 0 to 5
        label: paint = the label embedding as constant input channels (published); project = an inner product of the
            last features with the label embedding (Miyato and Koyama 2018)
        label_width: width of the painted embedding; null = the number of classes (published)
        features: further inputs beside the joint positions: their velocities, the bone vectors
        pooling: how the last map becomes one vector
        noise: noise on the down-sampled maps
        label_smoothing: standard deviation of the noise on the label embedding; 0 = none
        partition: as in the generator
    """

    widths: tuple[int, int, int, int, int, int] = (32, 64, 128, 256, 512, 512)
    label: Literal["paint", "project"] = "paint"
    label_width: int | None = None
    features: tuple[Literal["velocity", "bone"], ...] = ()
    pooling: Annotated[str, Choice(POOLING)] = "mean"
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    label_smoothing: float = 0.0
    partition: Literal["published", "full"] = "published"

    def __post_init__(self) -> None:
        channel_counts("critic", "widths", self.widths, 6)
        within("critic", 1, WIDEST, label_width=self.label_width)
        at_least("critic", 0, label_smoothing=self.label_smoothing)
        if len(set(self.features)) != len(self.features):
            raise ValueError(f"critic.features must not repeat a name, got {list(self.features)}")


@dataclass(frozen=True, kw_only=True)
class QuantileConfig:
    """Quantile-masked stochastic noise on the fakes that the critic sees.

    Args:
        q: entries that move most under a nudge of z, from this quantile on, receive noise
        nudge: standard deviation of the nudge of z
        std: standard deviation of the noise
        kind: add noise per entry (the text), or multiply by 1 + one number (the comment)
    """

    q: float = 0.5
    nudge: float = 0.01
    std: float = 1.0
    kind: Literal["add", "gain"] = "add"

    def __post_init__(self) -> None:
        within("training.quantile", 0, 1, q=self.q)
        at_least("training.quantile", 0, nudge=self.nudge, std=self.std)


@dataclass(frozen=True, kw_only=True)
class GanDataConfig(DataConfig):
    """The motions, and their coordinates in the networks.

    Args:
        scaling: minmax = one affine map of all coordinates to [-1, 1] (published); standard = offsets from the mean
            training pose in units of their standard deviation
    """

    scaling: Literal["minmax", "standard"] = "minmax"


@dataclass(frozen=True, kw_only=True)
class GanTrainingConfig(TrainingConfig):
    """How generator and critic are trained against each other.

    Args:
        learning_rate: of Adam, for both networks
        betas: of Adam, for both networks
        loss: wasserstein = WGAN-GP (published); softplus = non-saturating with R1
        penalty: weight of the gradient penalty (wasserstein) or of R1 (softplus)
        penalty_every: critic steps from one penalty to the next; its weight is multiplied accordingly
        critic_steps: critic steps to one generator step
        quantile: quantile-masked stochastic noise; null = none
        mismatch: share of real motions with a wrong label among those that the critic must reject; 0 = none (published)
        diversity: weight of mode seeking in the generator's loss; 0 = none (published)
        max_norm: the longest gradient of the critic, beyond which training stops with an error; null = no limit
    """

    betas: tuple[float, float] = (0.5, 0.999)
    loss: Annotated[str, Choice(LOSSES)] = "wasserstein"
    penalty: float = 10.0
    penalty_every: int = 1
    critic_steps: int = 5
    quantile: QuantileConfig | None = None
    mismatch: float = 0.0
    diversity: float = 0.0
    max_norm: float | None = 1e6

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("training", 1, penalty_every=self.penalty_every, critic_steps=self.critic_steps)
        at_least("training", 0, penalty=self.penalty, diversity=self.diversity)
        within("training", 0, 0.99, mismatch=self.mismatch)
        for beta in self.betas:
            within("training", 0, 0.999999, betas=beta)


@dataclass(frozen=True, kw_only=True)
class GanExperiment(Experiment):
    """A generator and a critic, trained against each other.

    Args:
        generator: the generator
        critic: the critic
    """

    name: str = "kinetic-gan"
    model: str = "gan"
    data: GanDataConfig = field(default_factory=GanDataConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    training: GanTrainingConfig = field(default_factory=GanTrainingConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        within("data", 16, 1024, frames=self.data.frames)
        if self.data.frames % 16:
            raise ValueError(f"data.frames must be a multiple of 16, got {self.data.frames}")
        if self.generator.output == "tanh" and self.data.scaling == "standard":
            raise ValueError("generator.output tanh cannot reach data scaled by data.scaling standard; use linear")
