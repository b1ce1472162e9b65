"""The folder of a run: its lock, its files, and the decision whether a training can resume in it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from kinetic.families.experiments import from_plain, save_experiment
from kinetic.families.table import family_of
from kinetic.files import clear_stale, holding, read_text, read_yaml, replacing, stale
from kinetic.messages import complain
from kinetic.settings.experiment import Experiment
from kinetic.settings.reading import to_plain
from kinetic.version import __version__

__all__ = ["alone", "claim", "describe", "last_checkpoint", "read_last", "read_settings"]

PATIENCE = 10.0
"""Seconds to wait for a run folder: loader processes of a killed run hold it a little longer."""

LARGEST_REFERENCE = 1 << 16
"""Bytes of a file of git that names a commit."""

WRITTEN = r"config\.yaml|environment\.json|metrics\.csv|recognition\.json"
"""Files of a run folder that are replaced whole."""


def last_checkpoint(folder: Path) -> Path:
    return folder / "checkpoints" / "last.ckpt"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds a run folder, and makes it where it is missing; it holds nothing where the system has no such locks."""
    paths = (folder, *folder.parents)
    if files := [path for path in paths if path.exists() and not path.is_dir()]:
        raise FileExistsError(f"{files[0]}: is a file; a run needs a folder")
    new = [path for path in paths if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with holding(folder, PATIENCE):
            yield
    finally:
        with contextlib.suppress(OSError):  # a folder is not empty
            for path in new:
                path.rmdir()


def claim(folder: Path, experiment: Experiment, *, resume: bool) -> bool:
    """Whether the folder holds a checkpoint of this experiment to resume from. Raises where it holds something else."""
    content = set(folder.iterdir()) - set(stale(folder, WRITTEN, alone=True))
    start = _goes_on(folder, experiment, resume=resume) if content else False
    clear_stale(folder, WRITTEN, alone=True)
    return start


def read_settings(folder: Path) -> Experiment:
    """The settings of the run in a folder. Raises ValueError and OSError naming its config.yaml."""
    config = folder / "config.yaml"
    return from_plain(read_yaml(config), where=str(config), strict=False)


def _goes_on(folder: Path, experiment: Experiment, *, resume: bool) -> bool:
    """Whether a folder holds a run of this experiment with a checkpoint. Changes no file."""
    config = folder / "config.yaml"
    if not config.exists():
        raise FileExistsError(f"{folder}: holds something that is no run; choose another folder with --out")
    try:
        before = to_plain(read_settings(folder))
    except (ValueError, OSError) as error:
        raise FileExistsError(
            f"{folder}: holds a config.yaml that is not of a run; choose another folder with --out ({error})"
        ) from error
    if not any((folder / "checkpoints").glob("*.ckpt")):
        if resume:
            complain(f"note: {folder} has no checkpoint yet; it begins anew")
        return False
    if not resume:
        raise FileExistsError(f"{folder}: holds a run already; go on with --resume, or choose another with --out")
    if changed := _differences(before, to_plain(experiment), family_of(experiment).free):
        raise ValueError(f"{folder}: the run there has other settings: {'; '.join(changed[:5])}")
    if not (last := last_checkpoint(folder)).exists():
        raise ValueError(f"{last}: is not there, though the run was begun; {_instead(last)}")
    return True


def read_last(last: Path) -> dict[str, Any]:
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


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], free: Sequence[str], prefix: str = "") -> list[str]:
    changed = []
    for key, value in now.items():
        old, name = before.get(key), f"{prefix}{key}"
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            changed += _differences(old, value, free, f"{name}.")
        elif value != old and name not in free:
            changed.append(f"{name} was {old}, is {value}")
    return changed


def describe(folder: Path, experiment: Experiment) -> None:
    """Write settings and environment of a run into its folder, before the training begins."""
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
    """The commit of the library's checkout, if there is one; read from its files, since git may run their commands."""
    git = Path(__file__).parents[2] / ".git"
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
