"""From an experiment to a run."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinetic.files import inside
from kinetic.messages import complain, safe_line
from kinetic.models.tensors import weights_like
from kinetic.motion.arrays import mebibytes
from kinetic.motion.motion_set import FARTHEST
from kinetic.presets import is_preset_name
from kinetic.processes import guarded
from kinetic.settings.reading import load_experiment
from kinetic.settings.sections import DataConfig, Experiment
from kinetic.version import install_hint

if TYPE_CHECKING:
    pass

from kinetic.runs.build import build
from kinetic.runs.folder import about_run, alone, claim, describe, last_checkpoint, read_last
from kinetic.runs.prepare import prepare
from kinetic.runs.run import named_error
from kinetic.runs.watch import recognition_watcher, sample_watcher

__all__ = ["fit"]


FOLDERS = ("checkpoints", "samples", "tensorboard", "wandb")
"""What a training makes in its run folder."""


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
    with alone(folder) if leader else contextlib.nullcontext():
        for name in FOLDERS:
            inside(folder, name)
        start = claim(folder, experiment, resume=resume) if leader else resume and last_checkpoint(folder).exists()
        _train(experiment, folder, start=start, leader=leader, progress=progress)
    return folder


def _train(experiment: Experiment, folder: Path, *, start: bool, leader: bool, progress: bool) -> None:
    """The run in a folder that is ours; `start`: go on from its last checkpoint."""
    from pytorch_lightning import Trainer

    from kinetic.training.batches import MotionData
    from kinetic.training.checkpoint import RunCheckpoint, interruptible
    from kinetic.training.watch import MetricsTable, Progress, Sampling, Table

    last, settings = last_checkpoint(folder), experiment.training
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
    content = read_last(last) if start else None
    if content is not None:
        try:
            about = about_run(experiment, train)
            if changed := [name for name in ("skeleton", "class_names") if content["kinetic"][name] != about[name]]:
                raise ValueError(f"its {' and '.join(changed).replace('_', ' ')} differ from those of the motions now")
            data.load_state_dict(content["data"])
            module.load_state_dict(weights_like(last, content["state_dict"], module))
        except (ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
            raise named_error(last, error, "does not fit this experiment: ") from error
        done = int(content["batches"])
    if done >= steps:
        complain(f"{folder} is complete: {done} batches")
        return
    data.steps, data.start = steps, done
    with interruptible() as request:
        checkpoint = RunCheckpoint(
            last.parent,
            steps=steps,
            save_every=settings.save_every,
            keep_every=settings.keep_every,
            about=about_run(experiment, train),
            data=data.state_dict(),
            request=request,
            start=content,
        )
        callbacks: list[Any] = [checkpoint]
        if leader:
            describe(folder, experiment)
            table = Table(folder / "metrics.csv", done=done)
            gan = experiment.model == "gan"
            looking = Sampling(
                every=settings.sample_every,
                steps=steps,
                look=sample_watcher(folder, train) if gan else recognition_watcher(folder, experiment, prepared),
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
