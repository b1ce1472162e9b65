"""Which engine the command line and configuration files mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kinetic.engines.here import Here
from kinetic.engines.interface import Engine
from kinetic.engines.local import Local
from kinetic.files import inside
from kinetic.processes import processors
from kinetic.settings.ablation import RayConfig, SlurmConfig

__all__ = ["choose_engine"]


def choose_engine(
    name: Literal["local", "ray", "slurm", "here"],
    *,
    folder: str | os.PathLike[str],
    jobs: int | None = None,
    threads: int = 1,
    preload: Sequence[str] = (),
    code: Sequence[str | os.PathLike[str]] = (),
    gpus: int = 0,
    ray: RayConfig | None = None,
    slurm: SlurmConfig | None = None,
) -> Engine:
    """The engine of that name, with its section of a configuration.

    Args:
        folder: where an engine may keep files of its own, on a file system that all machines share
        jobs: tasks at a time; None = as many as there is room for
        threads: of each task on this machine
        preload: modules that tasks on this machine have in common
        code: Python files that every process imports before its task; they come from the caller only, never from a
            configuration file
        gpus: of this machine that tasks use, one each; 0 = none
        ray, slurm: sections of a configuration; None = their defaults

    Raises:
        ValueError: for numbers out of range, and when the folder of an engine is a link to another place
        ModuleNotFoundError: when an extra is missing, when it runs
    """
    if name == "here":
        return Here(code)
    if name == "ray":
        from kinetic.engines.ray import Ray

        ray = ray or RayConfig()
        return Ray(ray.address, cpus=ray.cpus, gpus=ray.gpus, jobs=jobs, code=code)
    if name == "slurm":
        from kinetic.engines.slurm import Slurm

        slurm = slurm or SlurmConfig()
        return Slurm(
            inside(Path(folder), "slurm"),
            partition=slurm.partition,
            minutes=slurm.minutes,
            cpus=slurm.cpus,
            gpus=slurm.gpus,
            memory=slurm.memory,
            jobs=jobs,
            more=slurm.options,
            code=code,
        )
    room = min(gpus, processors()) if gpus else processors() // threads
    return Local(jobs or max(1, room), preload=preload, code=code, threads=threads, gpus=gpus)
