"""The two protocols between verbs and models: a family of models, and the sampler of a trained one.

`fit`, `sample`, `evaluate`, `ablate`, `plot` and `view` know no family by name. A family is a row of `FAMILIES` (see
`kinetic.families.table`); add your own from Python in the same way.
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
    """Draws motions from a trained model; an `nn.Module`, whose weights give it a hash.

    Its family lists its options, such as truncation.
    """

    @property
    def device(self) -> torch.device:
        """The device of its weights, on which the generator of its randomness must be too."""

    def sample(self, n: int, label: Tensor | None = None, *, generator: torch.Generator, **options: Any) -> Tensor:
        """n motions (n, C, T, V) in metres, of the classes `label` (n,); None = every class in turn."""


@dataclass(frozen=True)
class Option:
    """An option of a sampler.

    Args:
        meaning: one line for the help
        parse: turns a text of the command line into a value. Raises ValueError
        check: raises ValueError, naming the option, for an impossible value
        default: the default value
        choices: all values; () = any value that passes `check`
    """

    meaning: str
    parse: Callable[[str], Any] = str
    check: Callable[[Any], None] = lambda value: None
    default: Any = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class About:
    """The training data as a checkpoint describes them, so that it opens with nothing beside it.

    Args:
        class_names: names of the labels
        data: the training data in words
        skeleton, fps: skeleton and frame rate of the motions; None for a family that learns something else
        steps: training batches in all; None after training
        scaler: metres to network coordinates; None where the weights of a checkpoint will fill it
        more: more plain values of a family; `notes` go into the files of its samples
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
    """The opened training data of a family.

    Args:
        about: their description for checkpoints
        loader: the batches, as `kinetic.training.batches.MotionData` gives them: with `sampler`, whose length is that
            of an epoch, `steps`, `start`, `state_dict` and `load_state_dict`
        train, test: both sides of the split, as the family's `watch` takes them
        remarks: notes on the data for the user
    """

    about: About
    loader: LightningDataModule
    train: Any
    test: Any
    remarks: tuple[str, ...] = ()


class Watch(NamedTuple):
    """A look at a model, repeated while it trains.

    Args:
        look: (module, batches done) -> a value, or None; it may draw pictures too
        metric: the column of metrics.csv for that value
        selects: a smaller value is better, and best.ckpt is the checkpoint with the smallest
    """

    look: Callable[[Any, int], float | None]
    metric: str
    selects: bool


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of model: its settings, training data, networks, and sampler or recognition network.

    Args:
        name: the value of `model` in its settings
        settings: the dataclass of its experiments; other settings are refused
        version: version of its procedure; raised by hand when the same settings and seed give another result, so that
            ablations train their cells again
        open: experiment -> its training data
        build: (experiment, about) -> the LightningModule, with weights that follow from the seed. It counts its
            training batches in a persistent buffer `batches`
        watch: (experiment, material, folder of the run) -> the look at it while it trains
        sampler: module -> its sampler of motions; None = it makes no motions
        recogniser: module -> its feature network: `features` (N, C, T, V) -> (N, D), class scores when called, and a
            `hash`; None = it recognises nothing
        options: options of the sampler
        foreign: file ending -> function that opens weights of others for sampling
        shown: metrics in the line of progress, in order
        free: settings that may change when a run resumes
        cycle: experiment -> batches after which the costs of batches repeat
        partial: a step leaves parts of the network out, and training on several devices must know
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
