"""From an experiment to a run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kinetic.families.table import family_of
from kinetic.files import inside
from kinetic.messages import complain
from kinetic.models.tensors import weights_like
from kinetic.presets import is_preset_name
from kinetic.processes import guarded
from kinetic.runs.folder import alone, claim, describe, last_checkpoint, read_last, read_settings
from kinetic.runs.run import about_to_plain, named_error
from kinetic.settings.experiment import Experiment
from kinetic.version import install_hint

__all__ = ["fit"]

FOLDERS = ("checkpoints", "samples", "tensorboard", "wandb")
"""The folders that a training makes in its run folder."""


def fit(
    experiment: Experiment,
    out: str | os.PathLike[str] | None = None,
    *,
    resume: bool = False,
    progress: bool = True,
) -> Path:
    """Train the model of an experiment; returns the run folder.

    The folder holds `config.yaml` (every setting), `environment.json`, `metrics.csv`, `samples/` and `checkpoints/`
    with `last.ckpt` and, for a generator, `best.ckpt`: the checkpoint whose motions are nearest to training motions
    (MMDa). That of a recognition network holds `recognition.json`: the hash of its weights and its accuracy on held-out
    motions.

    Args:
        out: the run folder; None = runs/ and the experiment's name
        resume: go on from the last checkpoint in the folder, if there is one; the result is the same to the last bit as
            without a stop
        progress: show a line of progress

    Raises:
        FileExistsError: when the folder holds a checkpoint and `resume` is not set, or another process trains in it
        ValueError: when the run in the folder has other settings or data, a class has no training motions, or a folder
            in the run folder is a link, so that files would be written elsewhere
        ModuleNotFoundError: when a logger is not installed, naming the extra
        Diverged, NotFinite: when training fails; checkpoints stay as they were
        Interrupted: when a signal stops it; the batches so far are saved
    """
    from pytorch_lightning.utilities import rank_zero_only

    if not isinstance(experiment, Experiment):
        raise TypeError(f"expected an Experiment, as load_experiment gives it, got {type(experiment).__name__}")
    experiment = _placed(experiment)
    folder = Path(out) if out is not None else Path("runs") / experiment.name
    leader = getattr(rank_zero_only, "rank", 0) == 0
    experiment = _with_precision(experiment, folder if resume else None, speak=leader)
    with alone(folder) if leader else contextlib.nullcontext():
        for name in FOLDERS:
            inside(folder, name)
        start = claim(folder, experiment, resume=resume) if leader else resume and last_checkpoint(folder).exists()
        _train(experiment, folder, start=start, leader=leader, progress=progress)
    return folder


def _train(experiment: Experiment, folder: Path, *, start: bool, leader: bool, progress: bool) -> None:
    """Train in a folder that we hold; `start`: go on from its last checkpoint."""
    from pytorch_lightning import Trainer

    from kinetic.training.checkpoint import RunCheckpoint, interruptible
    from kinetic.training.watch import MetricsTable, Progress, Sampling, Table

    last, settings, family = last_checkpoint(folder), experiment.training, family_of(experiment)
    material = family.open(experiment)
    if leader:
        for remark in material.remarks:
            complain(f"note: {remark}")
    data: Any = material.loader
    steps = settings.steps or settings.epochs * len(data.sampler)
    about = replace(material.about, steps=steps)
    module = family.build(experiment, about)
    loggers = _loggers(settings.loggers, folder)
    done = 0
    content = read_last(last) if start else None
    if content is not None:
        try:
            now = about_to_plain(experiment, about)
            if changed := [name for name in ("skeleton", "class_names") if content["kinetic"][name] != now[name]]:
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
            about=about_to_plain(experiment, about),
            data=data.state_dict(),
            request=request,
            start=content,
        )
        callbacks: list[Any] = [checkpoint]
        if leader:
            describe(folder, experiment)
            table = Table(folder / "metrics.csv", done=done)
            watch = family.watch(experiment, material, folder)
            sampling = Sampling(
                every=settings.sample_every,
                steps=steps,
                look=watch.look,
                name=watch.metric,
                table=table,
                checkpoint=checkpoint if watch.selects else None,
            )
            callbacks += [MetricsTable(table, every=settings.log_every), sampling]
        if leader and progress:
            callbacks.append(Progress(steps=steps, motions=experiment.data.batch_size, show=family.shown))
        with _quiet():
            trainer = Trainer(
                accelerator=settings.accelerator,
                devices=settings.devices,
                num_nodes=settings.nodes,
                strategy=_strategy(experiment, partial=family.partial),
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
            with guarded():  # processes of several devices, and loader processes
                trainer.fit(module, datamodule=data)


def _placed(experiment: Experiment) -> Experiment:
    """The experiment with absolute paths: other commands use a run from other folders."""
    data = experiment.data
    if data.source != "synthetic":
        data = replace(data, source=os.path.abspath(data.source))
    skeleton = experiment.skeleton
    if skeleton is not None and not is_preset_name(skeleton):
        skeleton = os.path.abspath(skeleton)
    return replace(experiment, data=data, skeleton=skeleton)


def _with_precision(experiment: Experiment, folder: Path | None, *, speak: bool) -> Experiment:
    """The experiment with a precision in place of `auto`: that of the run in a folder, or the faster one here."""
    from kinetic.training.precision import Precision, choose_precision, slow_request, with_precision

    if experiment.training.precision != "auto":
        if speak and (warning := slow_request(experiment.training)):
            complain(f"warning: {warning}")
        return experiment
    chosen = choose_precision(experiment.training)
    if folder is not None and (folder / "config.yaml").is_file():
        before = read_settings(folder).training.precision
        if before != "auto":
            chosen = Precision(before, "as the run was begun")
    if speak:
        complain(chosen)
    return with_precision(experiment, chosen.name)


def _strategy(experiment: Experiment, *, partial: bool) -> Any:
    """One process, or one for each device; `partial`: a step leaves parts of a network out."""
    settings = experiment.training
    if settings.devices * settings.nodes == 1:
        return "auto"
    from pytorch_lightning.strategies import DDPStrategy

    backend = None if settings.accelerator == "gpu" else "gloo"
    return DDPStrategy(process_group_backend=backend, find_unused_parameters=partial)


def _loggers(names: Sequence[str], folder: Path) -> Any:
    from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

    loggers: list[Any] = []
    for name in names:
        try:
            if name == "tensorboard":
                loggers.append(TensorBoardLogger(folder, name="", version="tensorboard"))
            else:
                os.environ.setdefault("WANDB_DISABLE_GIT", "true")  # git may run commands of a repository around us
                loggers.append(WandbLogger(name=folder.name, save_dir=folder))
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"training.loggers {name} needs an extra: {install_hint(name)}") from error
    return loggers or False


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences remarks of Lightning that are of no use to the user."""
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
