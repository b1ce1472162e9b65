"""Motions from a trained run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from tqdm import tqdm

from kinetic.families.interface import Sampler
from kinetic.families.table import FAMILIES
from kinetic.motion.motion_set import MotionSet, class_id
from kinetic.motion.storage import MotionWriter
from kinetic.runs.run import Run, load_run

__all__ = ["draw", "sample"]

CHUNK = 256
"""Motions that one call of a sampler draws."""

Classes = str | int | Sequence[str | int] | None


def draw(run: Run, label: np.ndarray, *, seed: int = 0, **options: Any) -> MotionSet:
    """Generated motions with these labels (N,), in metres; see `sample` for the arguments."""
    run.family.check_options(options)
    return MotionSet(
        motion=np.concatenate(list(_batches(run.sampler, label, seed, options))),
        label=label,
        class_names=run.class_names,
        skeleton=run.skeleton,
        fps=run.fps,
        source="generated",
    )


def _batches(sampler: Sampler, label: np.ndarray, seed: int, options: dict[str, Any]) -> Iterator[np.ndarray]:
    """Batches of generated motions; the i-th follows from (seed, i) alone."""
    from kinetic.training.randomness import mixed_seed

    options = {name: value for name, value in options.items() if value is not None}
    rng = torch.Generator(sampler.device)
    for i in range(0, len(label), CHUNK):
        rng.manual_seed(mixed_seed(seed, i))
        part = torch.from_numpy(label[i : i + CHUNK]).to(sampler.device)
        yield sampler.sample(len(part), part, generator=rng, **options).cpu().numpy()


@overload
def sample(
    run: Run | str | os.PathLike[str],
    label: Classes = None,
    *,
    count: int = 10,
    seed: int = 0,
    out: None = None,
    progress: bool = False,
    **options: Any,
) -> MotionSet: ...


@overload
def sample(
    run: Run | str | os.PathLike[str],
    label: Classes = None,
    *,
    count: int = 10,
    seed: int = 0,
    out: str | os.PathLike[str],
    progress: bool = False,
    **options: Any,
) -> Path: ...


def sample(
    run: Run | str | os.PathLike[str],
    label: Classes = None,
    *,
    count: int = 10,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
    **options: Any,
) -> MotionSet | Path:
    """Motions of some classes, `count` of each, in metres.

    Args:
        run: a run, its folder, one of its checkpoints, or published weights (`.pth`), whose motions stay in [-1, 1]
        label: names or numbers of classes; None = all
        seed: the same seed and the same counts give the same motions
        out: file (.npz) or folder for the motions, which are written batch by batch, so that any number fits in memory;
            `sample` then returns its path
        progress: show a bar while they are written, on a terminal
        options: options of the model's family; Kinetic-GAN has `truncation`, psi from 0 (one latent for all; the noise
            of the blocks remains) to 1 (none), and `space`, "w" or "z", in which latents are truncated

    Raises:
        ValueError: for an unknown class (with the nearest names), a model that makes no motions, an unknown option, or
            numbers out of range
        FileNotFoundError: when there is no such run
    """
    opened = run if isinstance(run, Run) else _open(Path(run))
    if not isinstance(count, (int, np.integer)) or count < 1:
        raise ValueError(f"count must be a whole number from 1 on, got {count}")
    opened.family.check_options(options)
    labels = np.repeat(_class_numbers(opened, label), count)
    defaults = {name: option.default for name, option in opened.family.options.items()}
    notes = {
        "run": opened.path.name,
        "seed": seed,
        **defaults,
        **{name: value for name, value in options.items() if value is not None},
        "trained on": opened.about.data,
        "centering": opened.experiment.data.centering,
        **opened.about.more.get("notes", {}),
    }
    if out is None:
        return replace(draw(opened, labels, seed=seed, **options), notes=notes)
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
        start = 0
        for motion in _batches(opened.sampler, labels, seed, options):
            writer.write(motion, labels[start : start + len(motion)])
            start += len(motion)
            bar.update(len(motion))
    return Path(out)


def _class_numbers(run: Run, label: Classes) -> np.ndarray:
    """The numbers of classes by name or number (N,)."""
    names: Iterable[str | int] = range(len(run.class_names))
    if label is not None:
        names = [label] if isinstance(label, (str, int, np.integer)) else label
    if not (names := list(names)):
        raise ValueError("no class is named; None stands for all of them")
    return np.array([class_id(name, run.class_names) for name in names], dtype=np.int64)


def _open(path: Path) -> Run:
    """A run, or a file of weights of others that a family opens."""
    for family in FAMILIES.values():
        if path.suffix in family.foreign:
            experiment, module, about = family.foreign[path.suffix](path)
            return Run(path, experiment, module.eval(), about)
    return load_run(path)
