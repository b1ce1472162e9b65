"""`python -m benchmarks [name ...]`: how many times faster than the usual formulation."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import harness

NAMES = ("critic_step", "cycle", "sampling", "frechet", "mmd", "memory", "recording")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition(":")[2].strip())
    parser.add_argument("names", nargs="*", metavar="name", help=f"of: {', '.join(NAMES)}; none = all")
    parser.add_argument("--repeats", type=int, default=7, help="timed runs of each way (default 7)")
    parser.add_argument("--threads", type=int, help="threads that torch may use; default: its own choice")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help="change a parameter")
    parser.add_argument("--compile", action="store_true", help="also what torch.compile makes of it (takes minutes)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to a file")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}")
    if options.repeats < 1 or (options.threads is not None and options.threads < 1):
        parser.error("repeats and threads must be at least 1")
    benchmarks = [importlib.import_module(f"benchmarks.{name}") for name in options.names or NAMES]
    try:
        changes = {name: int(value) for name, _, value in (text.partition("=") for text in options.set)}
    except ValueError:
        parser.error(f"--set takes name=number, got {' '.join(options.set)}")
    parameters = {name for benchmark in benchmarks for name in benchmark.params}
    if unknown_parameters := sorted(set(changes) - parameters):
        parser.error(
            f"no benchmark has a parameter {unknown_parameters[0]!r}; there are: {', '.join(sorted(parameters))}"
        )
    if any(value < 1 for value in changes.values()):
        parser.error(f"parameters must be at least 1, got {' '.join(options.set)}")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    where = harness.machine(device)
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    if where["load"] > 0.5:
        print(f"other programs are running (load {where['load']}): trust the ratios, not the times", file=sys.stderr)
    reports = []
    for benchmark in benchmarks:
        torch.manual_seed(0)
        report = harness.run(
            benchmark, repeats=options.repeats, device=device, changes=changes, compiled=options.compile
        )
        print(f"\n{harness.show(report)}", flush=True)
        reports.append(report.to_dict())
    if options.json is not None:
        _write(options.json, json.dumps({"machine": where, "benchmarks": reports}, indent=1) + "\n")
    return 0


def _write(path: Path, text: str) -> None:
    """Replace a file in one step."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


if __name__ == "__main__":
    sys.exit(main())
