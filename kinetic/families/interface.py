"""What a family of models is, and what draws samples from a trained one: the two protocols that the verbs know.

`fit`, `sample`, `evaluate`, `ablate`, `plot` and `view` know no family by name. A family is a row of `FAMILIES` (see
`kinetic.families.table`); one of your own enters the same way, from Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kinetic.settings.experiment import Experiment

if TYPE_CHECKING:
    import torch
    from pytorch_lightning import LightningDataModule, LightningModule
    from torch import Tensor, nn

    from kinetic.motion.scaler import Scaler
    from kinetic.skeleton import Skeleton

__all__ = ["About", "Family", "Material", "Option", "Sampler", "Watch"]


class Sampler(Protocol):
    """What draws motions from a trained model; an `nn.Module`, whose weights give it a hash.

    Its options, such as truncation, are those that its family lists.
    """

    @property
    def device(self) -> torch.device:
        """Where its weights are, and where the generator of its randomness must be."""

    def sample(self, n: int, label: Tensor | None = None, *, generator: torch.Generator, **options: Any) -> Tensor:
        """n motions (n, C, T, V) in metres, of the classes `label` (n,); None = every class in turn."""


@dataclass(frozen=True)
class Option:
    """A choice that somebody makes when a model is sampled.

    Args:
        meaning: one line for the help
        parse: the value of a text on the command line. Raises ValueError
        check: raises ValueError, naming the option, for a value that is not possible
        default: the value when nothing else is said
        choices: all values; () = any that `check` lets pass
    """

    meaning: str
    parse: Callable[[str], Any] = str
    check: Callable[[Any], None] = lambda value: None
    default: Any = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class About:
    """What a checkpoint tells of the training data, so that it can be opened with nothing beside it.

    Args:
        class_names: of the labels
        data: the training data in words
        skeleton, fps: of the motions; None for a family that learns something else
        steps: training batches in all; None where nothing is trained any more
        scaler: metres to network coordinates; None where the weights of a checkpoint will fill it
        more: what else a family keeps, plain values; `notes` go into the files of its samples
    """

    class_names: tuple[str, ...]
    data: str
    skeleton: Skeleton | None = None
    fps: float | None = None
    steps: int | None = None
    scaler: Scaler | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def motion_skeleton(self) -> Skeleton:
        """The skeleton of the motions. Raises ValueError where a model learned something else."""
        if self.skeleton is None:
            raise ValueError("expected a model of motions, which has a skeleton; this one learned something else")
        return self.skeleton


@dataclass(frozen=True)
class Material:
    """What a family learns from, opened and ready.

    Args:
        about: for checkpoints
        loader: the batches, as `kinetic.training.batches.MotionData` gives them: with `sampler`, whose length is that
            of an epoch, `steps`, `start`, `state_dict` and `load_state_dict`
        train, test: both sides of the split, as the family's `watch` takes them
        remarks: on the data, for the user
    """

    about: About
    loader: LightningDataModule
    train: Any
    test: Any
    remarks: tuple[str, ...] = ()


class Watch(NamedTuple):
    """What is looked at every so often while a model trains.

    Args:
        look: (module, batches done) -> a value, or None; draws what a person wants to see
        metric: the column of metrics.csv for that value
        selects: a smaller value is better, and the checkpoint with the smallest is kept as best.ckpt
    """

    look: Callable[[Any, int], float | None]
    metric: str
    selects: bool


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of model: its settings, how it is built, watched while it trains, and what it makes.

    Args:
        name: the value of `model` in its settings
        settings: the dataclass of its experiments; what it does not read, no file may say
        version: of its procedure; raised by hand when the same settings and seed give another result, so that
            ablations train their cells again
        open: the training data of an experiment
        build: (experiment, about) -> the LightningModule, with weights that follow from the seed. It counts the batches
            that are done in a persistent buffer `batches`
        watch: (experiment, material, folder of the run) -> what is looked at while it trains
        sampler: the module's sampler of motions; None = it makes no motions
        recogniser: the module's feature network: `features` (N, C, T, V) -> (N, D), class scores when called, and a
            `hash`; None = it recognises nothing
        options: of the sampler
        foreign: ending of a file of others' weights -> what opens it, for sampling
        shown: metrics in the line of progress, in order
        free: settings that may change when a run goes on
        cycle: batches after which what a batch costs repeats
        partial: a step leaves out parts of the network, which several devices must be told
    """

    name: str
    settings: type[Experiment]
    version: int
    open: Callable[[Any], Material]
    build: Callable[[Any, About], LightningModule]
    watch: Callable[[Any, Material, Path], Watch]
    sampler: Callable[[Any], Sampler] | None = None
    recogniser: Callable[[Any], nn.Module] | None = None
    options: Mapping[str, Option] = field(default_factory=dict)
    foreign: Mapping[str, Callable[[Path], tuple[Experiment, LightningModule, About]]] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    free: tuple[str, ...] = ("data.workers",)
    cycle: Callable[[Any], int] = lambda experiment: 1
    partial: bool = False

    @property
    def generates(self) -> bool:
        """Whether it makes motions."""
        return self.sampler is not None

    @property
    def recognises(self) -> bool:
        """Whether it names the class of a motion."""
        return self.recogniser is not None

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError for an option that the sampler lacks, or that cannot have its value; None is no value."""
        for name, value in options.items():
            if value is None:
                continue
            if name not in self.options:
                names = f"it has {', '.join(self.options)}" if self.options else "it has none"
                raise ValueError(f"{name}: no option of model {self.name}; {names}")
            self.options[name].check(value)
