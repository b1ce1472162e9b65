"""`python -m benchmarks.kill`: kills a training again and again; it must end as if nobody had, to the last bit.

A run that is left alone is the measure. Others with the same settings are stopped at random moments, by SIGKILL or
SIGTERM, and go on from what they find in their folder. When one ends, its metrics.csv, weights, optimiser states and
best checkpoint are compared bit for bit, and the next begins, until there were enough kills. The number that matters is
that of the runs that differ: 0.
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
"""Small experiments that use everything whose state must survive."""


def experiment(model: str, steps: int) -> Experiment:
    """What is trained, so small that most of its time goes by between two saves."""
    settings = SETTINGS[model]
    training = {**settings["training"], "steps": steps, "log_every": 3, "save_every": 5, "accelerator": "cpu"}
    return from_plain({**settings, "training": training})


def work(asked: Experiment, folder: Path, threads: int, log: Path) -> None:
    """Train or go on, in a process of its own, whose exit status says how it ended."""
    with open(log, "ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    torch.set_num_threads(threads)
    try:
        fit(asked, folder, resume=True, progress=False)
    except Interrupted as stop:
        sys.exit(stop.status)


def start(asked: Experiment, folder: Path, threads: int) -> BaseProcess:
    """A process that works in this folder, forked from one that has everything imported."""
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["kinetic.runs.fit", "kinetic.training.batches", "kinetic.training.wgan"])
    process = forking.Process(target=work, args=(asked, folder, threads, folder.with_suffix(".log")))
    process.start()
    return process


def differences(one: Path, other: Path) -> list[str]:
    """What is not the same, to the last bit, in two run folders."""
    found = [] if (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes() else ["metrics.csv"]
    listed = [sorted(file.name for file in (folder / "checkpoints").iterdir()) for folder in (one, other)]
    if listed[0] != listed[1]:
        found.append(f"checkpoints: {listed[0]} and {listed[1]}")
    for name in sorted(set(listed[0]) & set(listed[1])):
        contents = [read_checkpoint(folder / "checkpoints" / name) for folder in (one, other)]
        found += [f"{name}: {key}" for key in contents[0] if not same(contents[0][key], contents[1].get(key))]
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two nested values are equal, tensors bit by bit."""
    if isinstance(one, Tensor):
        return (
            isinstance(other, Tensor)
            and (one.dtype, one.shape) == (other.dtype, other.shape)
            and one.contiguous().numpy().tobytes() == other.contiguous().numpy().tobytes()
        )
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


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
    rng, asked = random.Random(options.seed), experiment(options.model, options.steps)
    with tempfile.TemporaryDirectory(prefix="kinetic-kill-") as scratch:
        whole, seconds = Path(scratch) / "whole", []
        for folder in (Path(scratch) / "first", whole):
            begun = time.monotonic()
            process = start(asked, folder, options.threads)
            process.join()
            seconds.append(time.monotonic() - begun)
            if process.exitcode != 0:
                print(folder.with_suffix(".log").read_text(errors="replace"), file=sys.stderr)
                return 1
        shortest = min(seconds)
        print(f"{options.model}: a run of {options.steps} batches takes {shortest:.1f} s", flush=True)
        kills: Counter[str] = Counter()
        runs, bad, begun = 0, 0, time.monotonic()
        while kills.total() < options.kills:
            folder, alive, code = Path(scratch) / f"run{runs}", 0, None
            while code != 0:
                process = start(asked, folder, options.threads)
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
            found = differences(whole, folder)
            bad += bool(found)
            print(f"run {runs}: {alive} kills, {'; '.join(found) or 'the same bits'}", flush=True)
    counts = ", ".join(f"{count} {name}" for name, count in sorted(kills.items()))
    print(f"{bad} of {runs} runs differ after {counts} in {time.monotonic() - begun:.0f} s")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
