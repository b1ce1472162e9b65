"""The settings that all families share: the motions, the course of a training, and the experiment around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from kinetic.settings.checks import at_least, check_name, within
from kinetic.settings.choice import Choice

__all__ = ["DataConfig", "Experiment", "SyntheticConfig", "TrainingConfig"]


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """The synthetic set (`data.source: synthetic`).

    Args:
        subjects: number of people
        repeats: clips of each action by each person, each recorded by all three cameras
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
        within("synthetic", 2, 10_000, subjects=self.subjects)
        within("synthetic", 1, 10_000, repeats=self.repeats)
        at_least("synthetic", 0, sensor_noise=self.sensor_noise)
        within("synthetic", 0, 1, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The motions that a model learns, and their coordinates.

    Args:
        source: `synthetic`, or a file or folder that `kinetic.read_motions` opens
        split: the training clips: by person (xsub), camera (xview), recording setup (xsetup), by another split that the
            set names, or all of them (none)
        classes: names of the actions to use; null = all
        subjects: names or numbers of the people to use; null = all
        views: numbers of the cameras to use; null = all
        frames: frames of a motion
        fitting: how clips of another length get `frames`: stretch = resampled from first to last, linear in time;
            first = their first frames, shorter clips hold the last pose; pad = likewise, ending in zeros (published)
        centering: origin of the coordinates: as recorded, the centre joint of the first frame, or of every frame
        batch_size: motions per step
        balanced: draw every class equally often
        workers: loader processes; 0 is fastest for sets in memory
        synthetic: the synthetic set
    """

    source: str = "synthetic"
    split: str = "xsub"
    classes: list[str] | None = None
    subjects: list[str] | None = None
    views: list[int] | None = None
    frames: int = 64
    fitting: Literal["stretch", "first", "pad"] = "stretch"
    centering: Literal["none", "first", "frame"] = "none"
    batch_size: int = 32
    balanced: bool = False
    workers: int = 0
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)

    def __post_init__(self) -> None:
        within("data", 2, 1024, frames=self.frames)
        at_least("data", 1, batch_size=self.batch_size)
        within("data", 0, 256, "each is a process", workers=self.workers)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained, watched and saved.

    Args:
        steps: training batches in all; null = `epochs` times the batches of an epoch
        epochs: passes over the training split, when `steps` is null
        learning_rate: of the optimiser; the highest where it rises and falls
        precision: 32 = float32; bf16 = mixed precision with bfloat16; auto = the faster one on this machine, by a
            measurement, whose result is noted in the run
        log_every: batches from one row of metrics.csv to the next
        save_every: batches from one checkpoint to the next
        sample_every: batches from one look at the model to the next; 0 = only at the end
        keep_every: batches from one permanent checkpoint to the next; 0 = only last and best
        accelerator: cpu, gpu or auto
        devices: number of devices of a machine
        nodes: number of machines
        loggers: loggers besides metrics.csv
    """

    steps: int | None = None
    epochs: int = 1200
    learning_rate: float = 2e-4
    precision: Annotated[Literal["auto", "32", "bf16"], Choice(("auto", "32", "bf16"))] = "32"
    log_every: int = 10
    save_every: int = 500
    sample_every: int = 1000
    keep_every: int = 0
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    nodes: int = 1
    loggers: tuple[Literal["tensorboard", "wandb"], ...] = ()

    def __post_init__(self) -> None:
        at_least("training", 1, steps=self.steps, epochs=self.epochs, log_every=self.log_every)
        at_least("training", 1, save_every=self.save_every)
        at_least("training", 0, sample_every=self.sample_every, keep_every=self.keep_every)
        within("training", 1, 256, "each is a process of this machine", devices=self.devices)
        within("training", 1, 4096, "each is a machine", nodes=self.nodes)
        if not self.learning_rate > 0:
            raise ValueError(f"training.learning_rate must be positive, got {self.learning_rate}")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One run: a model, its motions and its training. Each family of models has its own dataclass and sections.

    `kinetic.load_experiment` returns the one of the family that `model` names.

    Args:
        name: name of the run, also of its folder under runs/
        model: the family of the model: gan = generator and critic; encoder = the recognition network of the scores
        seed: of weights, batches and noise
        skeleton: a built-in skeleton, a preset or a YAML file of one; null = that of the data
        data: the motions
        training: the optimisation
    """

    name: str = "run"
    model: str = ""
    seed: int = 0
    skeleton: str | None = None
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        within("", 0, 2**63 - 1, seed=self.seed)
        check_name(self.name)
