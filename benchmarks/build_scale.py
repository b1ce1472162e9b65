"""`python -m benchmarks.build_scale`: the cost of a file in builds of 500 to 5,000 files.

Synthetic people are written as raw NTU files, a few dozen different recordings under many names. Each build runs in a
process of its own, in turns, and reports its seconds, the processor time of all its processes (without its imports,
with those of workers), and the most memory that one process held. The numbers that matter: the cost per file of the
largest build over that of the smallest (1 = flat; in processor time, since other programs disturb the clock), its
memory likewise, and the speed of two workers over that of one. The time for NTU RGB+D 60 and 120 follows from the
largest build.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import harness
from kinetic.files import replacing
from kinetic.ntu.build import OTHERWISE
from kinetic.ntu.example import write_example
from kinetic.ntu.facts import MISSING, ClipName

WHOLE = {"NTU RGB+D 60": 56_880, "NTU RGB+D 120": 114_480}
"""Files of the real data sets."""

BUILD = """
import json, re, resource, sys
from kinetic.ntu.build import build_ntu
def processor():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
raw, out, recipe, workers = sys.argv[1:]
before = processor()
report = build_ntu(raw, out, benchmark="ntu60-xsub", recipe=recipe, workers=int(workers))
assert not report.failed
spent = processor() - before
# ru_maxrss would begin with the memory of whoever started this process.
memory = int(re.search("VmHWM:[^0-9]*([0-9]+)", open("/proc/self/status").read()).group(1)) * 1024
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps({
    "files": report.motions, "bytes": report.size, "seconds": report.seconds, "processor": spent,
    "memory": memory, "worker_memory": children,
}))
"""


def names() -> Iterator[ClipName]:
    """Clips of NTU RGB+D 60 that are not missing: all actions and cameras of one person after the other."""
    for performer, replication, action, camera in itertools.product(range(1, 41), (1, 2), range(1, 61), (1, 2, 3)):
        clip = ClipName(1 + performer % 17, camera, performer, replication, action)
        if str(clip) not in MISSING:
            yield clip


def write_files(folder: Path, counts: Sequence[int], different: int) -> dict[int, Path]:
    """Write folders of these numbers of files, the smaller ones as hard links into the largest: number -> folder."""
    write_example(folder / "different", clips=different, frames=(60, 110))
    bodies = [path.read_bytes() for path in sorted((folder / "different").iterdir())]
    largest = folder / str(max(counts))
    largest.mkdir()
    files = []
    for i, name in enumerate(itertools.islice(names(), max(counts))):
        files.append(largest / f"{name}.skeleton")
        # An id of its own makes every file different at no cost.
        files[-1].write_bytes(bodies[i % len(bodies)].replace(b"\r\n7205759403", b"\r\n%010d" % (10**9 + i)))
    for count in set(counts) - {max(counts)}:
        (folder / str(count)).mkdir()
        for file in files[:count]:
            (folder / str(count) / file.name).hardlink_to(file)
    return {count: folder / str(count) for count in counts}


def measure(raw: Path, out: Path, recipe: str, workers: int) -> dict[str, Any]:
    """The numbers of one build, which runs in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(raw), str(out), recipe, str(workers)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    shutil.rmtree(out)
    return {"workers": workers, **json.loads(done.stdout)}


def per_file(builds: Sequence[dict[str, Any]], files: int, workers: int, key: str) -> float:
    """The median over the repeats of a build: milliseconds for one file, or bytes of the whole."""
    values = [build[key] for build in builds if (build["files"], build["workers"]) == (files, workers)]
    return statistics.median(values) * (1000 / files if key in ("seconds", "processor") else 1)


def facts(builds: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Ratios between builds, and times extrapolated to the real data sets."""
    counts = sorted({build["files"] for build in builds})
    small, large = counts[0], counts[-1]
    size = next(build["bytes"] for build in builds if build["files"] == large)
    alone = per_file(builds, large, 1, "seconds")
    pair = per_file(builds, large, 2, "seconds")
    numbers = {
        "MB of a file": size / large / 1e6,
        "cost of a file, largest over smallest (processor time)": per_file(builds, large, 1, "processor")
        / per_file(builds, small, 1, "processor"),
        "cost of a file, largest over smallest (seconds)": alone / per_file(builds, small, 1, "seconds"),
        "memory, largest over smallest": per_file(builds, large, 1, "memory") / per_file(builds, small, 1, "memory"),
        "files/s, 1 worker": 1000 / alone,
        "MB/s, 1 worker": size / large / alone / 1000,
        "files/s, 2 workers": 1000 / pair,
        "speed of 2 workers over 1": alone / pair,
    }
    for name, files in WHOLE.items():
        numbers |= {f"minutes for {name} ({files:,} files), 1 worker": files * alone / 60_000}
        numbers |= {f"minutes for {name} ({files:,} files), 2 workers": files * pair / 60_000}
    return numbers


def show(results: dict[str, Any]) -> str:
    """A table of the builds, and the facts below it."""
    builds = results["builds"]
    lines = [f"recipe {results['recipe']}, median of {results['repeats']}", ""]
    lines.append(f"{'files':>8}{'workers':>9}{'ms/file':>10}{'cpu ms/file':>13}{'peak MiB':>10}{'a worker':>10}")
    for files, workers in sorted({(build["files"], build["workers"]) for build in builds}):
        values = [per_file(builds, files, workers, key) for key in ("seconds", "processor", "memory", "worker_memory")]
        lines.append(
            f"{files:>8,}{workers:>9}{values[0]:>10.2f}{values[1]:>13.2f}{values[2] / 2**20:>10.0f}"
            + (f"{values[3] / 2**20:>10.0f}" if workers > 1 else "")
        )
    return "\n".join([*lines, "", *(f"{name:<62}{value:>10.4g}" for name, value in results["facts"].items())])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.build_scale", description=__doc__.partition(":")[2].strip()
    )
    parser.add_argument("--counts", default="500,1500,5000", help="numbers of files (default 500,1500,5000)")
    parser.add_argument("--recipe", choices=list(OTHERWISE), default="kinetic", help="default kinetic")
    parser.add_argument("--repeats", type=int, default=3, help="builds of each kind (default 3)")
    parser.add_argument("--different", type=int, default=60, help="different recordings among them (default 60)")
    parser.add_argument(
        "--folder", type=Path, help="where the files are written, 0.3 MB each; default: a temporary one"
    )
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="where the numbers are kept (.json)")
    options = parser.parse_args(arguments)
    try:
        counts = sorted({int(count) for count in options.counts.split(",")})
    except ValueError:
        parser.error(f"--counts takes numbers, got {options.counts}")
    if options.repeats < 1 or options.different < 1 or not 1 <= counts[0] <= counts[-1] <= 14_000:
        parser.error("repeats and different must be at least 1, counts from 1 to 14,000")
    where = harness.machine(torch.device("cpu"))
    builds = []
    with tempfile.TemporaryDirectory(prefix="kinetic-build-", dir=options.folder) as scratch:
        raw = write_files(Path(scratch), counts, options.different)
        for repeat, workers, count in itertools.product(range(options.repeats), (1, 2), counts):
            builds.append({"repeat": repeat, **measure(raw[count], Path(scratch) / "out", options.recipe, workers)})
            print(f"{count} files, workers {workers}: {builds[-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    results = {
        "machine": where,
        "recipe": options.recipe,
        "repeats": options.repeats,
        "different": options.different,
        "builds": builds,
        "facts": facts(builds),
    }
    if options.out is not None:
        with replacing(options.out) as beside:
            beside.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(show(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
