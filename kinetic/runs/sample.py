"""From a run to motions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
import torch
from tqdm import tqdm

from kinetic.models.stgcn import Critic, Generator
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import MotionWriter
from kinetic.settings.sections import Experiment

if TYPE_CHECKING:
    pass

from kinetic.runs.run import Run, load_run

__all__ = ["draw", "open_generator", "sample"]


CHUNK = 256
"""Motions drawn at a time while one call of `sample` is written."""


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
    parts = list(drawn(run.generator, label, seed=seed, truncation=truncation, space=space))
    return MotionSet(
        motion=np.concatenate(parts),
        label=label,
        class_names=run.class_names,
        skeleton=run.skeleton,
        fps=run.fps,
        source="generated",
    )


def drawn(
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
    opened = run if isinstance(run, Run) else open_generator(run)
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
        for motion in drawn(opened.generator, labels, seed=seed, truncation=truncation, space=space):
            writer.write(motion, labels[at : at + len(motion)])
            at += len(motion)
            bar.update(len(motion))
    return Path(out)


def _check_truncation(truncation: float | None) -> None:
    if truncation is not None and not 0 <= truncation <= 1:
        raise ValueError(f"truncation lies between 0 (one latent for all) and 1 (none), got {truncation}")


def open_generator(path: str | os.PathLike[str]) -> Run:
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
