"""`python -m benchmarks.streaming`: training on motions that do not fit into memory.

A folder as large as NTU RGB+D 120 with both bodies of all frames, 20.6 GB, is generated, opened, prepared and trained
on as in an experiment. Two numbers matter: the growth of memory in each phase, and the training batches a second as a
share of those from a small set in memory. Memory is the peak of the process (VmHWM of Linux) above its memory after
imports, the mapped parts of the file included. Before the cold phase the system drops the file from its cache.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Trainer

from benchmarks.harness import machine
from kinetic.families.experiments import load_experiment
from kinetic.families.interface import About
from kinetic.families.kinetic_gan import KINETIC_GAN
from kinetic.families.motions import prepare
from kinetic.motion.scaler import Scaler
from kinetic.motion.storage import MotionWriter
from kinetic.settings.experiment import Experiment
from kinetic.skeleton import NTU25
from kinetic.training.batches import MotionData

BATCH = 32


def write(folder: Path, clips: int, frames: int) -> None:
    """Clips of different length, two bodies each, padded with zeros; 106 people, 32 setups, 120 classes."""
    rng = np.random.default_rng(0)
    pool = np.cumsum(rng.normal(0, 0.01, (256, 3, frames, 25)).astype(np.float32), axis=2)
    pool += rng.normal(0, 0.4, (1, 3, 1, 25)).astype(np.float32)
    real = rng.integers(frames // 4, frames + 1, len(pool))
    for row, length in enumerate(real):
        pool[row, :, length:] = 0
    names = [f"A{number}" for number in range(1, 121)]
    with MotionWriter(folder, clips, frames=frames, class_names=names, skeleton=NTU25, source="ntu120") as writer:
        for start in range(0, clips, len(pool)):
            rows = np.arange(start, min(start + len(pool), clips))
            motion = pool[: len(rows)] * np.float32(1 + 0.2 * rng.random())
            writer.write(
                motion,
                rows % 120,
                subject=rows % 106 + 1,
                setup=rows % 32 + 1,
                partner=motion[::-1],
                columns={"frames": real[: len(rows)]},
            )


def _status(field: str) -> int:
    """A field of the status of this process, in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) // 1024
    raise ValueError(f"/proc/self/status has no line {field}; this benchmark needs Linux")


@contextmanager
def phase(name: str, results: dict[str, Any], base: int) -> Iterator[dict[str, Any]]:
    """Measures the seconds and the peak memory of a block."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
    began = time.perf_counter()
    result: dict[str, Any] = {}
    yield result
    result["seconds"] = round(time.perf_counter() - began, 2)
    result["peak_mib"] = _status("VmHWM") - base
    results[name] = result
    print(f"{name:<28}" + "  ".join(f"{key} {value}" for key, value in result.items()), flush=True)


def forget(folder: Path) -> None:
    """Ask the system to drop the files from its cache."""
    for file in folder.iterdir():
        handle = os.open(file, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def rate(data: MotionData, batches: int) -> float:
    """Motions a second from the loader alone."""
    loader = iter(data.train_dataloader())
    next(loader)
    began = time.perf_counter()
    for _ in range(batches):
        next(loader)
    return round(batches * BATCH / (time.perf_counter() - began))


def training_rate(experiment: Experiment, data: MotionData, scaler: Scaler, steps: int) -> float:
    """Training batches a second of the experiment's networks, inside a Lightning trainer."""
    classes = tuple(f"A{k}" for k in range(1, 121))
    about = About(class_names=classes, data="", skeleton=NTU25, scaler=scaler)
    module = KINETIC_GAN.build(experiment, about)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, datamodule=data)
    return steps / (time.perf_counter() - began)


def measure(folder: Path, *, batches: int, steps: int, repeats: int) -> dict[str, Any]:
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.ERROR)
    results: dict[str, Any] = {"file_gib": round(sum(file.stat().st_size for file in folder.iterdir()) / 2**30, 1)}
    base = _status("VmRSS")
    fast = load_experiment(Path(__file__).parents[1] / "experiments" / "fast.yaml")
    experiment = replace(
        fast, data=replace(fast.data, source=str(folder), split="xsub", centering="first", frames=64, batch_size=BATCH)
    )
    forget(folder)
    with phase("open, split, fit scaler", results, base):
        prepared = prepare(experiment)
        scaler = Scaler.fit(prepared.train.motion, experiment.data.scaling)
    data = MotionData(prepared.train, scaler=scaler, batch_size=BATCH)
    forget(folder)
    with phase("batches, cold", results, base) as result:
        result["motions_per_second"] = rate(data, batches)
    with phase("batches, again", results, base) as result:
        result["motions_per_second"] = rate(MotionData(prepared.train, scaler=scaler, batch_size=BATCH), batches)
    few = prepared.train.select(slice(0, 2048))
    memory = MotionData(replace(few, motion=np.asarray(few.motion)), scaler=scaler, batch_size=BATCH)
    results["memory"] = {"motions_per_second": rate(memory, min(batches, len(memory.sampler) - 1))}
    forget(folder)
    ways: dict[str, Callable[[], MotionData]] = {
        "stored": lambda: MotionData(prepared.train, scaler=scaler, batch_size=BATCH),
        "in memory": lambda: MotionData(memory.train, scaler=scaler, batch_size=BATCH),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with phase("training", results, base) as result:
        for turn in range(repeats + 1):
            for way, make in ways.items():
                batches_per_second = training_rate(experiment, make(), scaler, steps)
                if turn:  # the first warms up
                    seconds[way].append(batches_per_second)
        result["batches_per_second"] = {
            way: round(statistics.median(batches_per_second), 2) for way, batches_per_second in seconds.items()
        }
        pairs = [a / b for a, b in zip(seconds["stored"], seconds["in memory"], strict=True)]
        result["ratio"] = [round(value, 3) for value in (statistics.median(pairs), min(pairs), max(pairs))]
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__.partition(":")[2])
    parser.add_argument("--clips", type=int, default=114_480, help="motions (default: those of NTU RGB+D 120)")
    parser.add_argument("--frames", type=int, default=300, help="frames of each (default 300)")
    parser.add_argument("--folder", type=Path, help="where the set is written and removed (default: a temporary one)")
    parser.add_argument("--batches", type=int, default=500, help="batches from the loader alone (default 500)")
    parser.add_argument("--steps", type=int, default=60, help="training batches of a turn (default 60)")
    parser.add_argument("--repeats", type=int, default=3, help="turns (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to a file")
    options = parser.parse_args(arguments)
    where = machine(torch.device("cpu"))
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    home = Path(tempfile.mkdtemp(prefix="streaming-", dir=options.folder))
    try:
        began = time.perf_counter()
        write(home / "set", options.clips, options.frames)
        print(f"written in {time.perf_counter() - began:.0f} s", flush=True)
        results = measure(home / "set", batches=options.batches, steps=options.steps, repeats=options.repeats)
    finally:
        shutil.rmtree(home)
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": where, **results}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
