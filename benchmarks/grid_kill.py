"""`python -m benchmarks.grid_kill`: kills an ablation again and again; its table must not change.

A small ablation of twelve cells and two recognition networks runs undisturbed. In another with the same settings, the
cells, the process that starts them and the driver are killed at random moments, by SIGKILL or SIGTERM; the driver is
started again whenever it is gone, as a user would start it. At the end every cell must have finished once, with the
result of the undisturbed run, and the table files must have the same bytes. The numbers that matter are those of cells
and files that differ: 0.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.kill import SETTINGS
from kinetic.ablation.grid import PRELOAD, ablate
from kinetic.ablation.recipes import Ablation, Benchmark, Recipe
from kinetic.engines.interface import Event, Task
from kinetic.engines.local import Local
from kinetic.settings.ablation import ScoresConfig

TABLES = ("table.md", "table.csv", "table.tex", "table.json")


def ablation(steps: int) -> Ablation:
    """Two recipes on two splits from three seeds, with every component whose state must survive."""
    settings = SETTINGS["gan"]
    training = {**settings["training"], "steps": steps, "log_every": 3, "save_every": 5, "accelerator": "cpu"}
    data = {**settings["data"], "classes": ["walk", "wave", "kick"], "synthetic": {"subjects": 4, "repeats": 1}}
    encoder = {**SETTINGS["encoder"], "data": {"batch_size": 8}, "training": {"steps": steps, "accelerator": "cpu"}}
    encoder.pop("seed")
    return Ablation(
        [Recipe("Baseline"), Recipe("A", {"critic.pooling": "max"}, "Baseline")],
        [Benchmark(split, {"data": {"split": split}}, encoder) for split in ("xsub", "xview")],
        base={"data": data, "generator": settings["generator"], "critic": settings["critic"], "training": training},
        seeds=3,
        scores=ScoresConfig(only=("frechet", "mmd_frame", "bones"), draws=1, points=2, shown=1),
    )


class Listed:
    """An engine that writes the processes of its tasks into a file, so that they can be killed."""

    def __init__(self, engine: Local, file: Path) -> None:
        self.engine, self.file = engine, file

    def run(self, work: Callable[[str], None], tasks: Sequence[Task]) -> Generator[Event, None, None]:
        for event in self.engine.run(work, tasks):
            if event.kind == "started":
                with open(self.file, "a", encoding="utf-8") as file:
                    file.write(f"{event.detail.split()[-1]}\n")
            yield event


def drive(folder: Path, steps: int) -> int:
    """The driver; its exit status is 0 when every cell has a result."""
    engine = Listed(Local(2, retries=1000, grace=10, preload=PRELOAD), folder.with_suffix(".pids"))
    return int(bool(ablate(ablation(steps), folder, engine=engine, progress=False).missing))


def start(folder: Path, steps: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.grid_kill", "--drive", str(folder), "--steps", str(steps)]
    with open(folder.with_suffix(".log"), "ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def victims(folder: Path, driver: subprocess.Popen[bytes]) -> dict[str, int]:
    """The processes that can be killed now: the driver, the process that starts cells, and a cell."""
    processes = {"driver": driver.pid}
    with suppress(OSError, IndexError):
        children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
        processes["starter"] = int(children[0])
    with suppress(OSError, ValueError, IndexError):
        last = int(folder.with_suffix(".pids").read_text().split()[-1])
        if "python" in Path(f"/proc/{last}/cmdline").read_text():
            processes["cell"] = last
    return processes


def results(folder: Path) -> dict[str, object]:
    """Key of a cell -> its result without time, machine and the checksum, which covers both."""
    contents = {}
    for file in folder.glob("cells/*/result.json"):
        result = json.loads(file.read_text())
        contents[file.parent.name] = {name: result[name] for name in result.keys() - {"seconds", "machine", "checksum"}}
    return contents


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grid_kill", description=__doc__.partition(":")[2])
    parser.add_argument("--kills", type=int, default=20, help="how often to kill at most (default 20)")
    parser.add_argument("--every", type=float, default=6.0, help="seconds between kills, on average (default 6)")
    parser.add_argument("--steps", type=int, default=200, help="training batches of a cell (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.drive is not None:
        return drive(options.drive, options.steps)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="kinetic-grid-") as scratch:
        whole, hit = Path(scratch) / "whole", Path(scratch) / "hit"
        since = time.monotonic()
        if start(whole, options.steps).wait() != 0:
            print(whole.with_suffix(".log").read_text(errors="replace"), file=sys.stderr)
            return 1
        print(f"undisturbed: {len(results(whole))} cells in {time.monotonic() - since:.0f} s", flush=True)
        since, kills, starts, stamps = time.monotonic(), Counter[str](), 0, dict[Path, set[int]]()
        code: int | None = None
        while code != 0:
            driver, starts = start(hit, options.steps), starts + 1
            while (code := driver.poll()) is None:
                until = time.monotonic() + rng.expovariate(1 / options.every)
                while time.monotonic() < until and driver.poll() is None:
                    time.sleep(0.05)
                    for file in hit.glob("cells/*/result.json"):
                        with suppress(OSError):
                            stamps.setdefault(file, set()).add(file.stat().st_mtime_ns)
                if kills.total() < options.kills and driver.poll() is None:
                    who, pid = rng.choice(sorted(victims(hit, driver).items()))
                    how = rng.choice([signal.SIGKILL, signal.SIGTERM])
                    with suppress(ProcessLookupError):
                        os.kill(pid, how)
                        kills[f"{who} by {how.name}"] += 1
            if code == 1:
                print(hit.with_suffix(".log").read_text(errors="replace")[-3000:], file=sys.stderr)
                return 1
        seconds, disturbed, undisturbed = time.monotonic() - since, results(hit), results(whole)
        unequal = [name for name in undisturbed | disturbed if undisturbed.get(name) != disturbed.get(name)]
        twice = [file.parent.name for file, times in stamps.items() if len(times) > 1]
        files = [name for name in TABLES if (whole / name).read_bytes() != (hit / name).read_bytes()]
        counts = ", ".join(f"{count} {what}" for what, count in sorted(kills.items()))
        print(f"disturbed: {len(disturbed)} cells in {seconds:.0f} s, driver started {starts} times; killed: {counts}")
        print(
            f"{len(unequal)} cells differ, {len(twice)} were finished twice, {len(files)} of {len(TABLES)} files differ"
        )
    return int(bool(unequal or twice or files))


if __name__ == "__main__":
    sys.exit(main())
