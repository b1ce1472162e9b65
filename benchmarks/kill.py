"""`python -m benchmarks.kill`: kills a training again and again; its results must not change by a bit.

One run is left alone. Others with the same settings are stopped at random moments, by SIGKILL or SIGTERM, and resume
from their folder. When a run ends, its metrics.csv, weights, optimiser states and best checkpoint are compared bit for
bit with those of the first, and the next begins, until there were enough kills. The number that matters is that of the
runs that differ: 0.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kinetic.families.experiments import from_plain
from kinetic.runs.fit import fit
from kinetic.settings.experiment import Experiment
from kinetic.training.checkpoint import Interrupted, read_checkpoint

SETTINGS: dict[str, dict[str, Any]] = {
    "gan": {
        "seed": 3,
        "data": {"frames": 16, "batch_size": 8, "scaling": "standard", "synthetic": {"subjects": 2, "repeats": 1}},
        "generator": {
            "latent": 8,
            "mapping_depth": 2,
            "widths": [16, 8, 8, 8, 8],
            "mapping": "equalized",
            "output": "linear",
            "ema": 0.9,
        },
        "critic": {"widths": [8] * 6, "noise": {"std": 0.1, "decay": 50}, "label_smoothing": 0.1},
        "training": {"critic_steps": 2, "sample_every": 40, "quantile": {"std": 0.1}},
    },
    "encoder": {
        "model": "encoder",
        "seed": 3,
        "data": {"frames": 16, "batch_size": 8, "synthetic": {"subjects": 2, "repeats": 1}},
        "encoder": {"widths": [8, 8]},
        "training": {"sample_every": 40},
    },
}
"""Small experiments that use every component whose state must survive."""


def experiment(model: str, steps: int) -> Experiment:
    """An experiment so small that most of its time goes by between two saves."""
    settings = SETTINGS[model]
    training = {**settings["training"], "steps": steps, "log_every": 3, "save_every": 5, "accelerator": "cpu"}
    return from_plain({**settings, "training": training})


def work(experiment: Experiment, folder: Path, threads: int, log: Path) -> None:
    """Train or resume, in a process whose exit status says how it ended."""
    with open(log, "ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    torch.set_num_threads(threads)
    try:
        fit(experiment, folder, resume=True, progress=False)
    except Interrupted as stop:
        sys.exit(stop.status)


def start(experiment: Experiment, folder: Path, threads: int) -> BaseProcess:
    """A process that works in this folder, forked from one with all imports done."""
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["kinetic.runs.fit", "kinetic.training.batches", "kinetic.training.wgan"])
    process = forking.Process(target=work, args=(experiment, folder, threads, folder.with_suffix(".log")))
    process.start()
    return process


def differences(first: Path, second: Path) -> list[str]:
    """Names of the parts of two run folders that differ in any bit."""
    names = [] if (first / "metrics.csv").read_bytes() == (second / "metrics.csv").read_bytes() else ["metrics.csv"]
    files = [sorted(file.name for file in (folder / "checkpoints").iterdir()) for folder in (first, second)]
    if files[0] != files[1]:
        names.append(f"checkpoints: {files[0]} and {files[1]}")
    for name in sorted(set(files[0]) & set(files[1])):
        contents = [read_checkpoint(folder / "checkpoints" / name) for folder in (first, second)]
        names += [f"{name}: {key}" for key in contents[0] if not same(contents[0][key], contents[1].get(key))]
    return names


def same(first: Any, second: Any) -> bool:
    """Whether two nested values are equal, tensors bit by bit."""
    if isinstance(first, Tensor):
        return (
            isinstance(second, Tensor)
            and (first.dtype, first.shape) == (second.dtype, second.shape)
            and first.contiguous().numpy().tobytes() == second.contiguous().numpy().tobytes()
        )
    if isinstance(first, Mapping):
        return (
            isinstance(second, Mapping)
            and first.keys() == second.keys()
            and all(same(first[k], second[k]) for k in first)
        )
    if isinstance(first, list | tuple):
        return isinstance(second, list | tuple) and len(first) == len(second) and all(map(same, first, second))
    return type(first) is type(second) and bool(first == second)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__.partition(":")[2].strip())
    parser.add_argument("--model", choices=sorted(SETTINGS), default="gan", help="what is trained (default gan)")
    parser.add_argument("--kills", type=int, default=100, help="how often to kill (default 100)")
    parser.add_argument("--steps", type=int, default=120, help="training batches of a run (default 120)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each run (default 1)")
    options = parser.parse_args(arguments)
    if options.kills < 1 or options.steps < 1 or options.threads < 1:
        parser.error("kills, steps and threads must be at least 1")
    rng, settings = random.Random(options.seed), experiment(options.model, options.steps)
    with tempfile.TemporaryDirectory(prefix="kinetic-kill-") as scratch:
        whole, seconds = Path(scratch) / "whole", []
        for folder in (Path(scratch) / "first", whole):
            since = time.monotonic()
            process = start(settings, folder, options.threads)
            process.join()
            seconds.append(time.monotonic() - since)
            if process.exitcode != 0:
                print(folder.with_suffix(".log").read_text(errors="replace"), file=sys.stderr)
                return 1
        shortest = min(seconds)
        print(f"{options.model}: a run of {options.steps} batches takes {shortest:.1f} s", flush=True)
        kills: Counter[str] = Counter()
        runs, differing, since = 0, 0, time.monotonic()
        while kills.total() < options.kills:
            folder, alive, code = Path(scratch) / f"run{runs}", 0, None
            while code != 0:
                process = start(settings, folder, options.threads)
                if kills.total() < options.kills:
                    process.join(rng.uniform(0, 0.4 * shortest))
                    if process.is_alive() and process.pid is not None:
                        number = rng.choice([signal.SIGKILL, signal.SIGTERM])
                        os.kill(process.pid, number)
                        kills[number.name] += 1
                        alive += 1
                process.join()
                code = process.exitcode
                if code not in (0, -signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM):
                    print(f"run {runs} ended with status {code}:", file=sys.stderr)
                    print(folder.with_suffix(".log").read_text(errors="replace"), file=sys.stderr)
                    return 1
            runs += 1
            names = differences(whole, folder)
            differing += bool(names)
            print(f"run {runs}: {alive} kills, {'; '.join(names) or 'the same bits'}", flush=True)
    counts = ", ".join(f"{count} {name}" for name, count in sorted(kills.items()))
    print(f"{differing} of {runs} runs differ after {counts} in {time.monotonic() - since:.0f} s")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
