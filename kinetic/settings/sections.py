"""Every default, once, with its meaning: the frozen dataclasses behind experiment files and the command line.

Defaults reproduce Kinetic-GAN (Degardin et al., WACV 2022) as published. Whatever is better is a named option, and
the preset `fast` is the list of those that make people on a CPU within minutes. Only `kinetic.runs.experiment` turns
these into objects; no constructor takes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "AblationConfig",
    "BenchmarkConfig",
    "CriticConfig",
    "DataConfig",
    "EncoderConfig",
    "Experiment",
    "GeneratorConfig",
    "NoiseConfig",
    "ProfileConfig",
    "QuantileConfig",
    "RayConfig",
    "RecipeConfig",
    "ScoresConfig",
    "SlurmConfig",
    "SyntheticConfig",
    "TrainingConfig",
    "check_name",
]


def _at_least(owner: str, least: float, **values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not value >= least:
            raise ValueError(f"{f'{owner}.' if owner else ''}{name} must be at least {least}, got {value}")


def _within(owner: str, low: float, high: float, why: str = "", /, **values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not low <= value <= high:
            key = f"{owner}.{name}" if owner else name
            raise ValueError(f"{key} must lie between {low} and {high}{why and f', for {why}'}, got {value}")


WIDEST = 16384
"""Channels of the widest layer: one such layer of the mapping network takes a GiB."""


def _widths(owner: str, name: str, values: Iterable[int], count: int | None = None) -> None:
    values = tuple(values)
    many = len(values) == count if count else 1 <= len(values) <= 64
    if not many or not all(1 <= width <= WIDEST for width in values):
        some = f"{str(list(values[:10]))[:-1]}{', ...' if len(values) > 10 else ''}]"
        raise ValueError(f"{owner}.{name} needs {count or '1 to 64'} channel counts from 1 to {WIDEST}, got {some}")


def check_name(name: str) -> None:
    """Raises ValueError for what cannot be the name of a file."""
    if not name or any(letter in name for letter in "/\\\0") or name in {".", ".."}:
        raise ValueError(f"name must be a plain file name, got {name!r}")


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """How the embedded synthetic set is made (`data.source: synthetic`).

    Args:
        subjects: how many people
        repeats: clips of each action by each person, every one seen by all three cameras
        seed: seed of the whole set
        sensor_noise: standard deviation of the joint noise, in metres
        dropout: share of frames in which a limb is lost, as a Kinect loses it
    """

    subjects: int = 10
    repeats: int = 4
    seed: int = 0
    sensor_noise: float = 0.004
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _within("synthetic", 2, 10_000, subjects=self.subjects)
        _within("synthetic", 1, 10_000, repeats=self.repeats)
        _at_least("synthetic", 0, sensor_noise=self.sensor_noise)
        _within("synthetic", 0, 1, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which motions are learned, and in which coordinates.

    Args:
        source: `synthetic`, or a file or folder that `kinetic.read_motions` opens
        split: which clips train: by person (xsub), camera (xview), recording setup (xsetup), by another split that the
            set names, or all of them (none)
        classes: names of the actions to use; null = all
        subjects: names or numbers of the people to use; null = all
        views: numbers of the cameras to use; null = all
        frames: frames of a motion
        fitting: how clips of another length come to `frames`: stretch = resampled from first to last, linear in time;
            first = their first frames, shorter clips hold the last pose; pad = likewise, ending in zeros (published)
        centering: what is subtracted: nothing, the centre joint of the first frame, or of every frame
        scaling: minmax = one affine map of all coordinates to [-1, 1] (published); standard = offsets from the mean
            training pose in units of their standard deviation
        batch_size: motions per step
        balanced: draw every class equally often
        workers: loader processes; 0 is fastest for sets in memory
        synthetic: how the synthetic set is made
    """

    source: str = "synthetic"
    split: str = "xsub"
    classes: list[str] | None = None
    subjects: list[str] | None = None
    views: list[int] | None = None
    frames: int = 64
    fitting: Literal["stretch", "first", "pad"] = "stretch"
    centering: Literal["none", "first", "frame"] = "none"
    scaling: Literal["minmax", "standard"] = "minmax"
    batch_size: int = 32
    balanced: bool = False
    workers: int = 0
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)

    def __post_init__(self) -> None:
        _within("data", 16, 1024, frames=self.frames)
        _at_least("data", 1, batch_size=self.batch_size)
        _within("data", 0, 256, "each is a process", workers=self.workers)
        if self.frames % 16:
            raise ValueError(f"data.frames must be a multiple of 16, got {self.frames}")


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """What the generator looks like.

    Args:
        latent: width of the latent vector z
        mapping_depth: linear layers between z and w
        mapping: start of those layers: published = weights from N(0, 1); equalized = the same, scaled down by the
            square root of the width at run time (StyleGAN), with z and label normalised
        widths: channels after blocks 0 to 4
        last_width: channels after block 5; null = the coordinates of a joint (published)
        label_width: width of the label embedding; null = the number of classes (published)
        upsampling: how frames are doubled
        padding: what convolutions see beyond the first and last frame: zeros (published), or from block 4 on copies of
            these (edge)
        output: last activation; tanh needs data scaled to [-1, 1]
        norm: batch normalisation (published), or pixel: every joint and frame by itself
        partition: joints grouped by distance to the centre up to one hop (published) or by their true distance (full)
        halved_top: halve the mean of the neighbours at the first joint expansion (published)
        ema: decay of the averaged copy of the weights that samples are drawn from; 0 = none
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
        _within("generator", 1, 64, mapping_depth=self.mapping_depth)
        _within("generator", 1, WIDEST, latent=self.latent, last_width=self.last_width, label_width=self.label_width)
        _widths("generator", "widths", self.widths, 5)
        _within("generator", 0, 0.99999, ema=self.ema)


@dataclass(frozen=True, kw_only=True)
class NoiseConfig:
    """Gaussian noise on the critic's down-sampled maps.

    Args:
        std: standard deviation; 0 = none
        shared: draw one number per call (as in the fork's comment), per motion, or per entry
        decay: training batches over which std falls linearly to 0; null = it stays
    """

    std: float = 0.0
    shared: Literal["call", "sample", "entry"] = "entry"
    decay: int | None = None

    def __post_init__(self) -> None:
        _at_least("critic.noise", 0, std=self.std)
        _at_least("critic.noise", 1, decay=self.decay)


@dataclass(frozen=True, kw_only=True)
class CriticConfig:
    """What the critic looks like.

    Args:
        widths: channels after blocks 0 to 5
        label: paint = the label embedding as constant input channels (published); project = an inner product of the
            last features with the label embedding (Miyato and Koyama 2018)
        label_width: width of the painted embedding; null = the number of classes (published)
        features: what is shown beside the joint positions: their velocities, the bone vectors
        pooling: how the last map becomes one vector
        noise: noise on the down-sampled maps
        label_smoothing: standard deviation of the noise on the label embedding; 0 = none
        partition: as in the generator
    """

    widths: tuple[int, int, int, int, int, int] = (32, 64, 128, 256, 512, 512)
    label: Literal["paint", "project"] = "paint"
    label_width: int | None = None
    features: tuple[Literal["velocity", "bone"], ...] = ()
    pooling: Literal["mean", "max", "gem", "attention"] = "mean"
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    label_smoothing: float = 0.0
    partition: Literal["published", "full"] = "published"

    def __post_init__(self) -> None:
        _widths("critic", "widths", self.widths, 6)
        _within("critic", 1, WIDEST, label_width=self.label_width)
        _at_least("critic", 0, label_smoothing=self.label_smoothing)
        if len(set(self.features)) != len(self.features):
            raise ValueError(f"critic.features names one twice: {list(self.features)}")


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """What the recognition network looks like whose features feed the metrics.

    Args:
        widths: channels of its blocks; a block that widens also halves the frames
        dropout: share of the last features that is hidden while training
        smoothing: label smoothing of the cross entropy
        facing: it turns all persons the same way before it looks, by their shoulders and hips in the first frame
        augment: turn, resize, shift in time and disturb the training motions
        turn: degrees about the vertical by which they are turned at most, if they are disturbed
        mirror: mirror every second of them, if they are disturbed; not where a class is one of left or right
        weight_decay: of AdamW, by which weights shrink in each step as a share of the learning rate
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
        _widths("encoder", "widths", self.widths)
        _within("encoder", 0, 0.95, dropout=self.dropout, smoothing=self.smoothing)
        _within("encoder", 0, 180, turn=self.turn)
        _within("encoder", 0, 10, weight_decay=self.weight_decay)


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
        _within("training.quantile", 0, 1, q=self.q)
        _at_least("training.quantile", 0, nudge=self.nudge, std=self.std)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How it is trained, watched and saved.

    Args:
        steps: training batches in all; null = `epochs` times the batches of an epoch
        epochs: passes over the training split, when `steps` is null
        loss: wasserstein = WGAN-GP (published); softplus = non-saturating with R1
        penalty: weight of the gradient penalty (wasserstein) or of R1 (softplus)
        penalty_every: critic steps from one penalty to the next; its weight is multiplied accordingly
        critic_steps: critic steps to one generator step
        learning_rate: of Adam, for both networks
        betas: of Adam, for both networks
        quantile: quantile-masked stochastic noise; null = none
        mismatch: share of real motions with a wrong label among what the critic is to reject; 0 = none (published)
        diversity: weight of mode seeking in the generator's loss; 0 = none (published)
        precision: 32 = float32; bf16 = mixed precision with bfloat16; auto = the one that is measured to be faster on
            this machine, noted in the run as what it came to
        log_every: batches from one row of metrics.csv to the next
        save_every: batches from one checkpoint to the next
        sample_every: batches from one sheet of samples to the next; 0 = only at the end
        keep_every: batches from one checkpoint that is kept for good to the next; 0 = only last and best
        accelerator: cpu, gpu or auto
        devices: how many of them
        nodes: how many machines
        loggers: besides metrics.csv
        max_norm: stop with an error when the critic's gradient is longer than this; null = never
    """

    steps: int | None = None
    epochs: int = 1200
    loss: Literal["wasserstein", "softplus"] = "wasserstein"
    penalty: float = 10.0
    penalty_every: int = 1
    critic_steps: int = 5
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    quantile: QuantileConfig | None = None
    mismatch: float = 0.0
    diversity: float = 0.0
    precision: Literal["auto", "32", "bf16"] = "32"
    log_every: int = 10
    save_every: int = 500
    sample_every: int = 1000
    keep_every: int = 0
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    nodes: int = 1
    loggers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    max_norm: float | None = 1e6

    def __post_init__(self) -> None:
        _at_least("training", 1, steps=self.steps, epochs=self.epochs, penalty_every=self.penalty_every)
        _at_least("training", 1, critic_steps=self.critic_steps, log_every=self.log_every, save_every=self.save_every)
        _within("training", 1, 256, "each is a process of this machine", devices=self.devices)
        _within("training", 1, 4096, "each is a machine", nodes=self.nodes)
        _at_least(
            "training",
            0,
            penalty=self.penalty,
            diversity=self.diversity,
            sample_every=self.sample_every,
            keep_every=self.keep_every,
        )
        if not self.learning_rate > 0:
            raise ValueError(f"training.learning_rate must be positive, got {self.learning_rate}")
        _within("training", 0, 0.99, mismatch=self.mismatch)
        for beta in self.betas:
            _within("training", 0, 0.999999, betas=beta)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One run: what is trained, on what, how.

    Args:
        name: name of the run, also of its folder under runs/
        model: gan = generator and critic; encoder = the recognition network that scores are computed with
        seed: of weights, batches and noise
        skeleton: a built-in skeleton, a preset or a YAML file of one; null = the one that the data name
        data: the motions
        generator: the generator
        critic: the critic
        encoder: the recognition network
        training: the optimisation
    """

    name: str = "kinetic-gan"
    model: Literal["gan", "encoder"] = "gan"
    seed: int = 0
    skeleton: str | None = None
    data: DataConfig = field(default_factory=DataConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        _within("experiment", 0, 2**63 - 1, seed=self.seed)
        check_name(self.name)
        if self.generator.output == "tanh" and self.data.scaling == "standard" and self.model == "gan":
            raise ValueError("generator.output tanh cannot reach data scaled by data.scaling standard; use linear")


@dataclass(frozen=True, kw_only=True)
class RecipeConfig:
    """A row of an ablation table.

    Args:
        about: what it is, in words
        after: the row that it builds on; null = none
        changes: settings of an experiment that it has otherwise than that row
        sweep: one setting and a list of values for it: one row for each value
    """

    about: str = ""
    after: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    sweep: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.sweep and (len(self.sweep) > 1 or not all(isinstance(v, list) and v for v in self.sweep.values())):
            raise ValueError(f"sweep needs one setting with a list of values, got {str(self.sweep)[:60]}")


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """What all recipes are compared on.

    Args:
        about: what it is, in words
        settings: of an experiment: the motions, their split, and what else belongs to them
        encoder: the recognition network that all its generators are scored with: an experiment file, by which one is
            trained first, or the folder of a trained one; paths are relative to the ablation file
    """

    about: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    encoder: str = ""


@dataclass(frozen=True, kw_only=True)
class ScoresConfig:
    """How every generator of an ablation is scored.

    Args:
        only: names of the scores
        draws: how often each generator is drawn from
        count: motions per class; null = as many as there are real ones
        truncation: psi; null = none
        points: moments of the training at which it is scored too, for curves
        published: motions per class that are also scored as Kinetic-GAN was, for its published tables; 0 = not
        inception: file of the weights that its FID needs; null = without FID
        shown: motions of each class that are kept to look at
    """

    only: tuple[str, ...] = ("frechet", "accuracy", "mmd_frame", "mmd_sequence", "variance", "bones")
    draws: int = 3
    count: int | None = None
    truncation: float | None = None
    points: int = 0
    published: int = 0
    inception: str | None = None
    shown: int = 2

    def __post_init__(self) -> None:
        _at_least("scores", 1, draws=self.draws, count=self.count, shown=self.shown)
        _at_least("scores", 0, points=self.points, published=self.published)
        _within("scores", 0, 1, truncation=self.truncation)
        if not self.only or len(set(self.only)) != len(self.only):
            raise ValueError(f"scores.only needs one name or more, each once, got {list(self.only)}")


@dataclass(frozen=True, kw_only=True)
class ProfileConfig:
    """How large an ablation is.

    Args:
        about: what it is, in words
        files: experiment files that all recipes start from, relative to the ablation file, or presets
        settings: of experiments, over those of the files
        encoder: settings of the recognition networks, over those of their files
        recipes: names of those that are run; null = all
        benchmarks: names of those that are run; null = all
        seeds: training seeds of each recipe; null = as in the file
        scores: how generators are scored, over what the file says
    """

    about: str = ""
    files: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    encoder: dict[str, Any] = field(default_factory=dict)
    recipes: tuple[str, ...] | None = None
    benchmarks: tuple[str, ...] | None = None
    seeds: int | None = None
    scores: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _within("profile", 1, 1000, seeds=self.seeds)


@dataclass(frozen=True, kw_only=True)
class RayConfig:
    """Where cells run with `--engine ray`.

    Args:
        address: of the cluster that is running; auto = the one of this machine
        cpus: processors of a cell
        gpus: GPUs of a cell
    """

    address: str = "auto"
    cpus: float = 1
    gpus: float = 0

    def __post_init__(self) -> None:
        _at_least("ray", 0, cpus=self.cpus, gpus=self.gpus)


@dataclass(frozen=True, kw_only=True)
class SlurmConfig:
    """Where cells run with `--engine slurm`.

    Args:
        partition: of the cluster; null = its default
        minutes: after which a job is stopped, saved and queued again
        cpus: processors of a cell
        gpus: GPUs of a cell
        memory: GiB of a cell; null = the cluster's default
        options: further options of sbatch, by name
    """

    partition: str | None = None
    minutes: int = 60
    cpus: int = 1
    gpus: int = 0
    memory: int | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _at_least("slurm", 1, minutes=self.minutes, cpus=self.cpus, memory=self.memory)
        _at_least("slurm", 0, gpus=self.gpus)


@dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """A grid of recipes, benchmarks and seeds that ends in one table.

    Args:
        name: of the ablation, also of its folder under runs/
        profile: which of the profiles; null = none
        profiles: sizes that it can be run at
        benchmarks: what recipes are compared on, in the order of the table
        recipes: its rows, in their order
        seeds: training seeds of each recipe
        scores: how generators are scored
        published: benchmark -> recipe -> score -> the number that was published for it
        threads: of each cell on a CPU; the last bits of results depend on it
        ray: where cells run with `--engine ray`
        slurm: where cells run with `--engine slurm`
    """

    name: str = "ablation"
    profile: str | None = None
    profiles: dict[str, ProfileConfig] = field(default_factory=dict)
    benchmarks: dict[str, BenchmarkConfig] = field(default_factory=dict)
    recipes: dict[str, RecipeConfig] = field(default_factory=dict)
    seeds: int = 3
    scores: ScoresConfig = field(default_factory=ScoresConfig)
    published: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    threads: int = 1
    ray: RayConfig = field(default_factory=RayConfig)
    slurm: SlurmConfig = field(default_factory=SlurmConfig)

    def __post_init__(self) -> None:
        _within("", 1, 1000, seeds=self.seeds, threads=self.threads)
        check_name(self.name)
