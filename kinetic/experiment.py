"""From an experiment to a run and from a run to motions: the one place that knows both settings and classes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np
import torch
from tqdm import tqdm

from kinetic.config import DataConfig, Experiment
from kinetic.data.arrays import mebibytes
from kinetic.data.motion import FARTHEST, MotionSet
from kinetic.data.reading import read_motions
from kinetic.data.storage import MotionWriter
from kinetic.data.synthetic import synthesise
from kinetic.files import clear_stale, holding, inside, make_folder, read_text, replacing, sealed, stale
from kinetic.loading import from_plain, load_experiment, save_experiment, to_plain
from kinetic.messages import complain, safe_line
from kinetic.models.encoder import Encoder
from kinetic.models.stgcn import Critic, Generator
from kinetic.models.tensors import weights_like
from kinetic.nn.noise import GaussianNoise, QuantileNoise, plain_draw
from kinetic.nn.pooling import POOLING
from kinetic.presets import is_preset_name
from kinetic.processes import guarded
from kinetic.skeleton import Skeleton, SkeletonPyramid, load_skeleton
from kinetic.version import __version__, install_hint

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule

    from kinetic.data.module import Scaler

__all__ = ["Prepared", "Run", "build", "fit", "load_experiment", "load_run", "prepare", "sample"]

CHUNK = 256
"""Motions drawn at a time while one call of `sample` is written."""

PATIENCE = 10.0
"""Seconds to wait for a run folder: loader processes of a run that was killed hold it a little longer."""

LARGEST_REFERENCE = 1 << 16
"""Bytes of a file of git that names a commit."""

FOLDERS = ("checkpoints", "samples", "tensorboard", "wandb")
"""What a training makes in its run folder."""


@dataclass(frozen=True)
class Prepared:
    """The motions of an experiment, ready to train on.

    Attributes:
        train, test: the two sides of the split, centred and resampled, in metres
        scaler: metres to network coordinates, from the training side
    """

    train: MotionSet
    test: MotionSet
    scaler: Scaler


def prepare(experiment: Experiment, *, skeleton: Skeleton | None = None) -> Prepared:
    """Open, select, centre and split the motions of an experiment, and fit their scaler on the training side.

    Args:
        skeleton: the one that the experiment names, where it is known already; its file is not read then
    """
    from kinetic.data.module import Scaler

    data = experiment.data
    if data.source == "synthetic":
        made = data.synthetic
        motions = synthesise(
            data.classes,
            subjects=made.subjects,
            repeats=made.repeats,
            frames=data.frames,
            seed=made.seed,
            sensor_noise=made.sensor_noise,
            dropout=made.dropout,
        )
    else:
        motions = read_motions(data.source)
    if chosen := _chosen(data):
        try:
            motions = motions.where(**chosen)
        except ValueError as error:
            raise ValueError(f"{data.source}: {error}") from error
    if experiment.skeleton is not None:
        motions = motions.on(skeleton or load_skeleton(experiment.skeleton))
    match data.fitting:
        case "stretch":
            motions = motions.resampled(data.frames).centred(data.centering)
        case "first":
            motions = motions.cut(data.frames).centred(data.centering)
        case "pad":  # what is centred while it is known to be padding stays zeros
            motions = motions.centred(data.centering).cut(data.frames, hold=False)
    train, test = (motions, motions) if data.split == "none" else motions.split(data.split)
    kind: Literal["minmax", "standard", "none"] = "none" if experiment.model == "encoder" else data.scaling
    return Prepared(train, test, Scaler.fit(train.motion, kind))


def _chosen(data: DataConfig) -> dict[str, Any]:
    """What an experiment selects, as arguments of `MotionSet.where`; synthetic actions are made as chosen."""
    chosen: dict[str, Any] = {"views": data.views}
    if data.subjects is not None:
        chosen["subjects"] = [int(name) if name.isdecimal() else name for name in data.subjects]
    if data.source != "synthetic":
        chosen["classes"] = data.classes
    return {name: value for name, value in chosen.items() if value is not None}


def build(
    experiment: Experiment, *, skeleton: Skeleton, classes: int, scaler: Scaler, steps: int | None = None
) -> LightningModule:
    """The module that an experiment trains, with weights that follow from its seed."""
    from kinetic.training.encoder import EncoderTraining
    from kinetic.training.losses import LOSSES
    from kinetic.training.randomness import seeded
    from kinetic.training.wgan import KineticGAN

    settings = experiment.training
    with seeded(experiment.seed, device=torch.device("cpu")):
        if experiment.model == "encoder":
            own = experiment.encoder
            encoder = Encoder(
                skeleton,
                classes=classes,
                frames=experiment.data.frames,
                widths=own.widths,
                dropout=own.dropout,
                facing=own.facing,
            )
            return EncoderTraining(
                encoder,
                steps=steps or 1,
                learning_rate=settings.learning_rate,
                weight_decay=own.weight_decay,
                smoothing=own.smoothing,
                augment=own.augment,
                angle=math.radians(own.turn),
                mirrored=own.mirror,
                seed=experiment.seed,
            )
        generator, critic = build_networks(experiment, skeleton=skeleton, classes=classes)
    generator.scaler = scaler
    quantile = settings.quantile
    return KineticGAN(
        generator,
        critic,
        learning_rate=settings.learning_rate,
        betas=settings.betas,
        critic_steps=settings.critic_steps,
        penalty=settings.penalty,
        penalty_every=settings.penalty_every,
        loss=LOSSES[settings.loss],
        draw=plain_draw
        if quantile is None
        else QuantileNoise(quantile.q, nudge=quantile.nudge, std=quantile.std, kind=quantile.kind),
        mismatch=settings.mismatch,
        diversity=settings.diversity,
        ema=experiment.generator.ema,
        seed=experiment.seed,
        max_norm=settings.max_norm,
    )


def build_networks(experiment: Experiment, *, skeleton: Skeleton, classes: int) -> tuple[Generator, Critic]:
    """Generator and critic of an experiment, with fresh weights."""
    pyramid, data = SkeletonPyramid.of(skeleton), experiment.data
    own, other = experiment.generator, experiment.critic
    generator = Generator(
        pyramid,
        classes=classes,
        frames=data.frames,
        channels=skeleton.channels,
        latent=own.latent,
        mapping_depth=own.mapping_depth,
        mapping=own.mapping,
        widths=own.widths,
        last_width=own.last_width,
        label_width=own.label_width,
        upsampling=own.upsampling,
        padding=own.padding,
        output=own.output,
        norm=own.norm,
        partition=own.partition,
        halved_top=own.halved_top,
    )
    critic = Critic(
        pyramid,
        classes=classes,
        frames=data.frames,
        channels=skeleton.channels,
        widths=other.widths,
        label=other.label,
        label_width=other.label_width,
        features=other.features,
        pooling=POOLING[other.pooling],
        input_noise=GaussianNoise(other.noise.std, shared=other.noise.shared, decay=other.noise.decay),
        label_smoothing=other.label_smoothing,
        partition=other.partition,
    )
    return generator, critic


@dataclass(frozen=True)
class Run:
    """A trained run, ready to use.

    Attributes:
        path: what was opened
        experiment: every setting
        module: the trained module in evaluation mode
        skeleton, class_names, fps: of the motions it was trained on
        summary: what it was trained on, in words
    """

    path: Path
    experiment: Experiment
    module: LightningModule
    skeleton: Skeleton
    class_names: tuple[str, ...]
    fps: float
    summary: str

    @property
    def generator(self) -> Generator:
        """The generator that samples are drawn from. Raises ValueError when the run trained something else."""
        if self.experiment.model != "gan":
            raise ValueError(f"{self.path}: this run trained a recognition network, which generates nothing")
        return cast(Generator, self.module.sampler)


def load_run(path: str | os.PathLike[str]) -> Run:
    """Open a run folder, or one of its checkpoints, which needs nothing beside it.

    Raises:
        FileNotFoundError: when there is no such folder or file, or the run has no checkpoint yet
        ValueError: names the file and what is wrong with it
    """
    from kinetic.data.module import Scaler
    from kinetic.training.checkpoint import read_checkpoint

    file = Path(path)
    if file.is_dir():
        file = file / "checkpoints" / "last.ckpt"
        if not file.exists():
            raise FileNotFoundError(f"{path}: the run has no checkpoint yet ({file.name} is not there)")
    content = read_checkpoint(file)
    about = content.get("kinetic")
    if not isinstance(about, Mapping) or not {"experiment", "skeleton", "class_names", "fps", "data"} <= set(about):
        raise ValueError(f"{file}: expected a checkpoint of kinetic, found another one")
    try:
        experiment = from_plain(about["experiment"])
        skeleton = Skeleton.from_dict(about["skeleton"])
        class_names, fps = _plain_names(about["class_names"]), float(about["fps"])
        scaler = Scaler.for_shape(skeleton.channels, len(skeleton.joints))
        with torch.device("meta"):  # takes no memory, however large the settings are
            sketch = build(experiment, skeleton=skeleton, classes=len(class_names), scaler=scaler)
        weights = weights_like(file, content["state_dict"], sketch)
        module = build(experiment, skeleton=skeleton, classes=len(class_names), scaler=scaler)
        module.load_state_dict(weights)
    except (ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise _named(file, error) from error
    return Run(Path(path), experiment, module.eval(), skeleton, class_names, fps, str(about["data"]))


def _plain_names(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"class_names must be a list of names, found a {type(names).__name__}")
    return tuple(names)


def _named(file: Path, error: Exception, what: str = "") -> ValueError:
    """The error in one line that begins with the file."""
    reason = " ".join(str(error).split()).removeprefix(f"{file}: ")[:300]
    return ValueError(f"{file}: {what}{reason}")


def draw(
    run: Run,
    label: np.ndarray,
    *,
    seed: int = 0,
    truncation: float | None = None,
    space: Literal["w", "z"] = "w",
) -> MotionSet:
    """Generated motions with these labels (N,), in metres; see `sample` for the rest."""
    _check_truncation(truncation)
    parts = list(_drawn(run.generator, label, seed=seed, truncation=truncation, space=space))
    return MotionSet(
        motion=np.concatenate(parts),
        label=label,
        class_names=run.class_names,
        skeleton=run.skeleton,
        fps=run.fps,
        source="generated",
    )


def _drawn(
    generator: Generator, label: np.ndarray, *, seed: int, truncation: float | None, space: Literal["w", "z"]
) -> Iterator[np.ndarray]:
    """Batches of generated motions; the i-th follows from (seed, i) alone."""
    from kinetic.training.randomness import mixed_seed

    device = generator.embedding.weight.device
    rng = torch.Generator(device)
    for i in range(0, len(label), CHUNK):
        rng.manual_seed(mixed_seed(seed, i))
        wanted = torch.from_numpy(label[i : i + CHUNK]).to(device)
        motion = generator.sample(len(wanted), wanted, truncation=truncation, space=space, generator=rng)
        yield motion.cpu().numpy()


@overload
def sample(
    run: Run | str | os.PathLike[str],
    label: str | int | Sequence[str | int] | None = None,
    *,
    count: int = 10,
    seed: int = 0,
    truncation: float | None = None,
    space: Literal["w", "z"] = "w",
    out: None = None,
    progress: bool = False,
) -> MotionSet: ...


@overload
def sample(
    run: Run | str | os.PathLike[str],
    label: str | int | Sequence[str | int] | None = None,
    *,
    count: int = 10,
    seed: int = 0,
    truncation: float | None = None,
    space: Literal["w", "z"] = "w",
    out: str | os.PathLike[str],
    progress: bool = False,
) -> Path: ...


def sample(
    run: Run | str | os.PathLike[str],
    label: str | int | Sequence[str | int] | None = None,
    *,
    count: int = 10,
    seed: int = 0,
    truncation: float | None = None,
    space: Literal["w", "z"] = "w",
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> MotionSet | Path:
    """Motions of some classes, `count` of each, in metres.

    Args:
        run: a run, its folder, one of its checkpoints, or published weights (`.pth`), whose motions stay in [-1, 1]
        label: names or numbers of classes; None = all
        seed: the same seed and the same counts give the same motions
        truncation: psi, from 0 (one latent for all; the noise of the blocks remains) to 1 (none); None = none
        space: where to truncate
        out: file (.npz) or folder that they are written to batch by batch, so that any number fits in memory; then its
            path is returned
        progress: show a bar while they are written, on a terminal

    Raises:
        ValueError: for a class that is not there (with the nearest names), or numbers out of range
        FileNotFoundError: when there is no such run
    """
    opened = run if isinstance(run, Run) else _open_generator(run)
    if not isinstance(count, (int, np.integer)) or count < 1:
        raise ValueError(f"count must be a whole number from 1 on, got {count}")
    _check_truncation(truncation)
    like = MotionSet(
        motion=np.empty(
            (0, opened.skeleton.channels, opened.experiment.data.frames, len(opened.skeleton.joints)), np.float32
        ),
        label=np.empty(0, np.int64),
        class_names=opened.class_names,
        skeleton=opened.skeleton,
    )
    wanted: Iterable[str | int] = range(len(opened.class_names))
    if label is not None:
        wanted = [label] if isinstance(label, (str, int, np.integer)) else label
    if not (wanted := list(wanted)):
        raise ValueError("no class is named; None stands for all of them")
    labels = np.repeat(np.array([like.class_id(one) for one in wanted], dtype=np.int64), count)
    notes = {
        "run": opened.path.name,
        "seed": seed,
        "truncation": truncation,
        "space": space,
        "trained on": opened.summary,
        "centering": opened.experiment.data.centering,
    }
    if opened.path.suffix == ".pth":
        notes |= {"classes": "numbers", "scaling": "[-1, 1]"}
    if out is None:
        return replace(draw(opened, labels, seed=seed, truncation=truncation, space=space), notes=notes)
    bar = tqdm(total=len(labels), unit="motion", desc="sample", disable=None if progress else True)
    with (
        bar,
        MotionWriter(
            out,
            len(labels),
            frames=opened.experiment.data.frames,
            class_names=opened.class_names,
            skeleton=opened.skeleton,
            fps=opened.fps,
            source="generated",
            notes=notes,
        ) as writer,
    ):
        at = 0
        for motion in _drawn(opened.generator, labels, seed=seed, truncation=truncation, space=space):
            writer.write(motion, labels[at : at + len(motion)])
            at += len(motion)
            bar.update(len(motion))
    return Path(out)


def _check_truncation(truncation: float | None) -> None:
    if truncation is not None and not 0 <= truncation <= 1:
        raise ValueError(f"truncation lies between 0 (one latent for all) and 1 (none), got {truncation}")


def _open_generator(path: str | os.PathLike[str]) -> Run:
    """A run, or a file of published weights taken for one."""
    if Path(path).suffix != ".pth":
        return load_run(path)
    from kinetic.models.weights import load_published_generator
    from kinetic.training.wgan import KineticGAN

    generator = load_published_generator(path)
    pyramid = generator.pyramid
    critic = Critic(pyramid, classes=generator.classes, frames=generator.frames, channels=generator.channels)
    return Run(
        path=Path(path),
        experiment=Experiment(name=Path(path).stem),
        module=KineticGAN(generator, critic).eval(),
        skeleton=replace(pyramid.levels[0], channels=generator.channels),
        class_names=tuple(f"A{number + 1}" for number in range(generator.classes)),
        fps=30.0,
        summary="published weights; coordinates in [-1, 1]",
    )


def fit(
    experiment: Experiment,
    out: str | os.PathLike[str] | None = None,
    *,
    resume: bool = False,
    progress: bool = True,
) -> Path:
    """Train what an experiment describes; returns the run folder.

    The folder holds `config.yaml` (every setting), `environment.json`, `metrics.csv`, `samples/` and `checkpoints/`
    with `last.ckpt` and, for a generator, `best.ckpt`: the one whose motions were nearest to training motions (MMDa).
    That of a recognition network holds `recognition.json`: the hash of its weights and its accuracy on held-out
    motions.

    Args:
        out: the run folder; None = runs/ and the experiment's name
        resume: go on from the last checkpoint there, if there is one; then the end is the same to the last bit as if it
            had never stopped
        progress: show a line of progress

    Raises:
        FileExistsError: when the folder holds a checkpoint and `resume` is not set, or another process trains in it
        ValueError: when the run there has other settings or data, a class has no training motions, or a folder in the
            run folder is a link, so that files would be written elsewhere
        ModuleNotFoundError: when a logger is asked for that is not installed, naming the extra
        Diverged, NotFinite: when training fails; checkpoints stay as they were
        Interrupted: when a signal stopped it; what was done is saved
    """
    from pytorch_lightning.utilities import rank_zero_only

    if not isinstance(experiment, Experiment):
        raise TypeError(f"expected an Experiment, as load_experiment gives it, got {type(experiment).__name__}")
    experiment = _placed(experiment)
    folder = Path(out) if out is not None else Path("runs") / experiment.name
    leader = getattr(rank_zero_only, "rank", 0) == 0
    experiment = _decided(experiment, folder if resume else None, told=leader)
    with _alone(folder) if leader else contextlib.nullcontext():
        for name in FOLDERS:
            inside(folder, name)
        start = _claim(folder, experiment, resume=resume) if leader else resume and _last(folder).exists()
        _train(experiment, folder, start=start, leader=leader, progress=progress)
    return folder


def _train(experiment: Experiment, folder: Path, *, start: bool, leader: bool, progress: bool) -> None:
    """The run in a folder that is ours; `start`: go on from its last checkpoint."""
    from pytorch_lightning import Trainer

    from kinetic.data.module import MotionData
    from kinetic.training.checkpoint import RunCheckpoint, interruptible
    from kinetic.training.watch import MetricsTable, Progress, Sampling, Table

    last, settings = _last(folder), experiment.training
    prepared = prepare(experiment)
    train = prepared.train
    if empty := [name for name, count in train.counts().items() if count == 0]:
        there = [name for name in train.class_names if name not in empty]
        side = "set" if experiment.data.split == "none" else f"training side of {experiment.data.split}"
        raise ValueError(
            f"{train.source}: the {side} has no motions of {', '.join(map(safe_line, empty[:8]))}"
            f"{f' and {len(empty) - 8} more' if len(empty) > 8 else ''}; choose others with data.classes, such as "
            f"--data.classes {json.dumps(','.join(there[:40]), ensure_ascii=False)}"
        )
    odd = train.check(f"{experiment.data.source}: training motions", farthest=FARTHEST)
    if leader:
        for each in odd:
            complain(f"note: {each}")
    _check_shared_memory(experiment.data, train.shape)
    data = MotionData(
        train,
        scaler=prepared.scaler,
        batch_size=experiment.data.batch_size,
        seed=experiment.seed,
        balanced=experiment.data.balanced,
        workers=experiment.data.workers,
    )
    steps = settings.steps or settings.epochs * len(data.sampler)
    module = build(
        experiment, skeleton=train.skeleton, classes=len(train.class_names), scaler=prepared.scaler, steps=steps
    )
    loggers = _loggers(settings.loggers, folder)
    done = 0
    content = _read_last(last) if start else None
    if content is not None:
        try:
            about = _about(experiment, train)
            if changed := [name for name in ("skeleton", "class_names") if content["kinetic"][name] != about[name]]:
                raise ValueError(f"its {' and '.join(changed).replace('_', ' ')} differ from those of the motions now")
            data.load_state_dict(content["data"])
            module.load_state_dict(weights_like(last, content["state_dict"], module))
        except (ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
            raise _named(last, error, "does not fit this experiment: ") from error
        done = int(content["batches"])
    if done >= steps:
        complain(f"{folder} is complete: {done} batches")
        return
    data.steps, data.start = steps, done
    with interruptible() as asked:
        checkpoint = RunCheckpoint(
            last.parent,
            steps=steps,
            save_every=settings.save_every,
            keep_every=settings.keep_every,
            about=_about(experiment, train),
            data=data.state_dict(),
            asked=asked,
            start=content,
        )
        callbacks: list[Any] = [checkpoint]
        if leader:
            _describe(folder, experiment)
            table = Table(folder / "metrics.csv", done=done)
            gan = experiment.model == "gan"
            looking = Sampling(
                every=settings.sample_every,
                steps=steps,
                look=_looker(folder, train) if gan else _tester(folder, experiment, prepared),
                name="mmd/train" if gan else "accuracy/test",
                table=table,
                checkpoint=checkpoint if gan else None,  # the test set selects nothing
            )
            callbacks += [MetricsTable(table, every=settings.log_every), looking]
        if leader and progress:
            shown = ("loss/critic", "loss/generator", "loss/encoder", "accuracy/train")
            callbacks.append(Progress(steps=steps, motions=experiment.data.batch_size, show=shown))
        with _quiet():
            trainer = Trainer(
                accelerator=settings.accelerator,
                devices=settings.devices,
                num_nodes=settings.nodes,
                strategy=_strategy(experiment),
                precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
                max_epochs=1,
                callbacks=callbacks,
                logger=loggers,
                log_every_n_steps=2**31,
                use_distributed_sampler=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                default_root_dir=folder,
            )
            with guarded():  # processes of several devices, and those that load
                trainer.fit(module, datamodule=data)


def _check_shared_memory(data: DataConfig, shape: tuple[int, ...]) -> None:
    """Refuses loader processes that lack the memory to hand batches over: they would die, or wait for ever."""
    place = Path("/dev/shm")
    if not data.workers or not place.is_dir():
        return
    ready = 2 * data.batch_size * 4 * math.prod(shape[1:])  # bytes of the two batches that each of them has ready
    needed, free = data.workers * (ready + (64 << 10)), shutil.disk_usage(place).free
    if free < needed:
        raise ValueError(
            f"data.workers {data.workers}: the loader processes hand batches over in shared memory and need "
            f"{mebibytes(needed)}, {place} has {mebibytes(free)} free; make it larger (docker run --shm-size 1g), "
            f"or set data.workers 0"
        )


def _placed(experiment: Experiment) -> Experiment:
    """The same, with whole paths: a run is used from other folders than the one it was started in."""
    data = experiment.data
    if data.source != "synthetic":
        data = replace(data, source=os.path.abspath(data.source))
    skeleton = experiment.skeleton
    if skeleton is not None and not is_preset_name(skeleton):
        skeleton = os.path.abspath(skeleton)
    return replace(experiment, data=data, skeleton=skeleton)


def _decided(experiment: Experiment, begun: Path | None, *, told: bool) -> Experiment:
    """The same with the precision that `auto` stands for: that of a run that was begun, or the faster one here."""
    from kinetic.training.precision import Precision, choose_precision, slow_request, with_precision

    if experiment.training.precision != "auto":
        if told and (warning := slow_request(experiment.training)):
            complain(f"warning: {warning}")
        return experiment
    chosen = choose_precision(experiment.training)
    if begun is not None and (begun / "config.yaml").is_file():
        before = load_experiment(begun / "config.yaml").training.precision
        if before != "auto":
            chosen = Precision(before, "as the run was begun")
    if told:
        complain(chosen)
    return with_precision(experiment, chosen.name)


def _last(folder: Path) -> Path:
    return folder / "checkpoints" / "last.ckpt"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds a run folder, and makes it if need be; where the system has no such locks, it holds nothing."""
    if files := [each for each in (folder, *folder.parents) if each.exists() and not each.is_dir()]:
        raise FileExistsError(f"{files[0]}: is a file; a run needs a folder")
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with holding(folder, PATIENCE):
            yield
    finally:
        with contextlib.suppress(OSError):  # one of them holds something
            for each in new:
                each.rmdir()


def _claim(folder: Path, experiment: Experiment, *, resume: bool) -> bool:
    """Whether the folder holds a checkpoint of this experiment to go on from. Refuses one that is not to be touched."""
    there = set(folder.iterdir()) - set(stale(folder, WRITTEN, alone=True))
    start = _goes_on(folder, experiment, resume=resume) if there else False
    clear_stale(folder, WRITTEN, alone=True)
    return start


def _goes_on(folder: Path, experiment: Experiment, *, resume: bool) -> bool:
    """Whether what a folder holds is a run of this experiment with a checkpoint. Touches nothing."""
    config = folder / "config.yaml"
    if not config.exists():
        raise FileExistsError(f"{folder}: holds something that is no run; choose another folder with --out")
    try:
        before = to_plain(load_experiment(config))
    except (ValueError, OSError) as error:
        raise FileExistsError(
            f"{folder}: holds a config.yaml that is not of a run; choose another folder with --out ({error})"
        ) from error
    if not any((folder / "checkpoints").glob("*.ckpt")):
        if resume:
            complain(f"note: {folder} has no checkpoint yet; it begins anew")
        return False  # it stopped before it had anything to lose
    if not resume:
        raise FileExistsError(f"{folder}: holds a run already; go on with --resume, or choose another with --out")
    free = FREE if experiment.model == "gan" else ("data.workers",)  # an encoder's learning rate knows its end
    if changed := _differences(before, to_plain(experiment), free):
        raise ValueError(f"{folder}: the run there has other settings: {'; '.join(changed[:5])}")
    if not (last := _last(folder)).exists():
        raise ValueError(f"{last}: is not there, though the run was begun; {_instead(last)}")
    return True


def _read_last(last: Path) -> dict[str, Any]:
    """The checkpoint to go on from. Raises ValueError that names another one, where this one is damaged."""
    from kinetic.training.checkpoint import read_checkpoint

    try:
        return read_checkpoint(last)
    except ValueError as error:
        raise ValueError(f"{error}; {_instead(last)}") from error


def _instead(last: Path) -> str:
    """How to go on without `last.ckpt`, as the end of a sentence."""
    from kinetic.training.checkpoint import newest_checkpoint

    if (newest := newest_checkpoint(last.parent)) is None:
        return "the folder holds no other whole checkpoint; begin anew with another --out"
    file, batches = newest
    return (
        f"to go on from the newest that is whole, after {batches} batches, type `cp {shlex.quote(str(file))} "
        f"{shlex.quote(str(last))}` and the same command with --resume"
    )


WRITTEN = r"config\.yaml|environment\.json|metrics\.csv|recognition\.json"
"""Files of a run folder that are replaced whole."""

FREE = ("training.steps", "training.epochs", "training.save_every", "data.workers")
"""Settings that may change when the run of a generator goes on."""


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], free: Sequence[str], prefix: str = "") -> list[str]:
    changed = []
    for key, value in now.items():
        old, name = before.get(key), f"{prefix}{key}"
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            changed += _differences(old, value, free, f"{name}.")
        elif value != old and name not in free:
            changed.append(f"{name} was {old}, is {value}")
    return changed


def _about(experiment: Experiment, train: MotionSet) -> dict[str, Any]:
    """What makes a checkpoint complete: plain values only, so that it can be read safely."""
    split = experiment.data.split
    return {
        "experiment": to_plain(experiment),
        "skeleton": train.skeleton.to_dict(),
        "class_names": list(train.class_names),
        "fps": float(np.mean(train.fps)),
        "data": f"{train.source or 'motions'}/{split}/train ({len(train)} motions)",
    }


def _describe(folder: Path, experiment: Experiment) -> None:
    """Make the folder tell what it holds, before anything long begins."""
    folder.mkdir(parents=True, exist_ok=True)
    save_experiment(experiment, folder / "config.yaml")
    facts = {
        "seed": experiment.seed,
        "started with": sys.argv[1:],
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "threads": torch.get_num_threads(),
        "versions": {"kinetic": __version__}
        | {name: _version(name) for name in ("torch", "pytorch-lightning", "numpy")},
        "commit": _commit(),
    }
    with replacing(folder / "environment.json") as beside:
        beside.write_text(json.dumps(facts, indent=2), encoding="utf-8")


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str | None:
    """The commit of the library's checkout, if it is in one; read from its files, since git may run what they name."""
    git = Path(__file__).parents[1] / ".git"
    try:
        if git.is_file():  # of a worktree
            git = git.parent / read_text(git, LARGEST_REFERENCE).strip().removeprefix("gitdir: ")
        head = read_text(git / "HEAD", LARGEST_REFERENCE).strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        common = git / "commondir"
        shared = git / read_text(common, LARGEST_REFERENCE).strip() if common.exists() else git
        for place in (git, shared):
            if (place / name).exists():
                return read_text(place / name, LARGEST_REFERENCE).strip()
        lines = read_text(shared / "packed-refs").splitlines()
        return next((line.split()[0] for line in lines if line.endswith(f" {name}")), None)
    except (OSError, ValueError):
        return None


def _strategy(experiment: Experiment) -> Any:
    """One process, or as many as there are devices; parts of a network that a step does not use are expected."""
    settings = experiment.training
    if settings.devices * settings.nodes == 1:
        return "auto"
    from pytorch_lightning.strategies import DDPStrategy

    backend = None if settings.accelerator == "gpu" else "gloo"
    return DDPStrategy(process_group_backend=backend, find_unused_parameters=experiment.model == "gan")


def _loggers(names: Sequence[str], folder: Path) -> Any:
    from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

    made: list[Any] = []
    for name in names:
        try:
            if name == "tensorboard":
                made.append(TensorBoardLogger(folder, name="", version="tensorboard"))
            else:
                os.environ.setdefault("WANDB_DISABLE_GIT", "true")  # git runs what a repository around us names
                made.append(WandbLogger(name=folder.name, save_dir=folder))
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"training.loggers {name} needs an extra: {install_hint(name)}") from error
    return made or False


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's remarks on what is meant here are not for the user."""
    import logging
    import warnings

    log = logging.getLogger("pytorch_lightning")
    level = log.level
    log.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\..*")
        warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
        try:
            yield
        finally:
            log.setLevel(level)


def _looker(folder: Path, train: MotionSet) -> Callable[[Any, int], float | None]:
    """Draws sheets and an animation of samples, and measures how far they are from training motions (MMDa)."""
    from kinetic.metrics.mmd import mmd_per_class
    from kinetic.plot import animate, sheet

    classes = len(train.class_names)
    rng = np.random.default_rng(0)
    rows = [rng.permutation(np.flatnonzero(train.label == each))[:16] for each in range(classes)]
    compared = [part for part in rows if len(part) >= 2]  # a discrepancy takes two motions
    real = train.select(np.sort(np.concatenate(compared or rows)))
    truth, label = torch.from_numpy(np.require(real.motion, requirements=("C", "W"))), torch.from_numpy(real.label)
    shown = torch.arange(min(16, max(classes, 8))) % classes
    fps = float(np.mean(train.fps))

    def look(module: Any, done: int) -> float | None:
        sampler = module.sampler
        device = sampler.embedding.weight.device
        generator = torch.Generator(device).manual_seed(0)
        motion = sampler.sample(len(shown), shown.to(device), generator=generator).cpu().numpy()
        fake = sampler.sample(len(label), label.to(device), generator=generator).cpu()
        if not np.isfinite(motion).all() or not bool(fake.isfinite().all()):
            return float("nan")
        samples = make_folder(folder, "samples")
        titles = [train.class_names[each] for each in shown.tolist()]
        sheet(motion, train.skeleton, samples / f"{done:08d}.png", titles=titles)
        animate(motion[:8], train.skeleton, samples / "latest.webp", titles=titles[:8], fps=fps)
        return float(mmd_per_class(fake, label, truth, label).mean) if compared else None

    return look


def _tester(folder: Path, experiment: Experiment, prepared: Prepared) -> Callable[[Any, int], float | None]:
    """Measures the recognition network on the held-out motions, prints it, and keeps it in `recognition.json`."""
    from kinetic.metrics.recognition import accuracy, class_accuracy

    test, about = prepared.test, _about(experiment, prepared.train)

    @torch.no_grad()
    def look(module: Any, done: int) -> float | None:
        if experiment.data.split == "none":  # nothing is held out
            return None
        encoder = module.encoder
        device = next(encoder.parameters()).device
        encoder.eval()
        found = []
        for i in range(0, len(test), CHUNK):
            motion = torch.from_numpy(np.require(test.motion[i : i + CHUNK], requirements=("C", "W"))).to(device)
            found.append(encoder(motion).argmax(dim=1).cpu())
        encoder.train()
        predicted, label = torch.cat(found), torch.from_numpy(test.label)
        share, classes = float(accuracy(predicted, label)), class_accuracy(predicted, label)
        facts = {
            "hash": encoder.hash,
            "batches": done,
            "trained on": about["data"],
            "tested on": f"{test.source or 'motions'}/{experiment.data.split}/test ({len(test)} motions)",
            "accuracy": share,
            "class accuracy": {
                test.class_names[k]: value
                for k, value in zip(classes.label.tolist(), classes.value.tolist(), strict=True)
            },
        }
        with replacing(folder / "recognition.json") as beside:
            beside.write_text(json.dumps(sealed(facts), indent=2) + "\n", encoding="utf-8")
        complain(f"after {done} batches {share:.3f} of {len(test)} test motions are recognised ({facts['hash']})")
        return share

    return look
