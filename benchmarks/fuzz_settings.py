"""`python -m benchmarks.fuzz_settings`: reads twenty thousand damaged YAML and JSON files.

Experiments, ablations, skeletons and mappings of tables (YAML), reports, grids, notes of stored sets and recordings of
NW-UCLA (JSON) are damaged one to three times: bits flip, lines vanish, repeat or change places, words become tags,
aliases, numbers beyond all limits, lists without end. A file may be read, or refused with a ValueError or a
FileNotFoundError in one short line that names it; nothing else may happen: no other exception, no warning, no slow
file.

The number that matters is that of all other files: 0. The seed and its number alone make a file, so that any can be
made again (`--start`, `--files 1`).
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from benchmarks.fuzz_recordings import Late, cut, drop, flip, glue, hole, layout, repeat, swap_lines
from kinetic.ablation.recipes import read_ablation
from kinetic.ablation.results import read_grid
from kinetic.evaluation.report import Report, Row, read_report
from kinetic.families.experiments import load_experiment
from kinetic.files import replacing
from kinetic.formats.reading import read_motions
from kinetic.formats.tabular import read_table_mapping
from kinetic.messages import LONGEST_MESSAGE
from kinetic.metrics.score import Score
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.plain import yaml_text
from kinetic.settings.reading import to_plain
from kinetic.skeleton import KINECT20, NTU25, load_skeleton

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"

NASTY = (
    *("yes", "off", "null", "~", "true", "[]", "{}", "''", '""', "<<", "=", "?", "-", ":", "|", ">", "%", "@", "`"),
    *("0777", "0o17", "0x1F", "1_000", "1e3", "1e999", "-1e400", ".inf", "-.inf", ".nan", "NaN", "Infinity", "-0"),
    *("-1", "0", "2", "1.5", "9" * 19, "9" * 100, "9" * 101, "9" * 5000, "0." + "3" * 500, "12:30:00", "2020-01-01"),
    *("!!str a", "!!python/object/apply:os.getcwd []", "!!set {a}", "! a", "!<x> a", "&a b", "*a", "*x", "<<: *a"),
    *("&a [*a]", "{<<: {seed: 1}}", "{1: 2}", "{null: 1}", "{[a]: 1}", "{a: 1, a: 2}", '{"a": 1, "a": 1}', "[a, [b]]"),
    *("[" * 60, "[" * 2000, "{a: " * 60, '{"a":' * 2000, "- " * 60, "]" * 9, "}" * 9, "'", '"', "#", "\t", "---"),
    *('"\\e[2J"', '"\\n\\n"', '"\\0"', '"\\u202e"', '"\\ud800"', "\0", "\x1b[2J", "\x85", "\ufeff", "é", "\U0001f600"),
    *("k" * 300, "k" * 5000, "a/b", "..", "../x.yaml", "a.b.c", ".".join("a" * 200), "seed", "name", "fast.yaml"),
    *(f"[{'a, ' * 3000}a]", f"[{'1, ' * 3000}1]", f"{{{', '.join(f'k{i}: {i}' for i in range(3000))}}}"),
)
"""Texts that replace words and numbers."""


def word(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
    """A word or number becomes another one, or a text that is neither."""
    words = _words(data)
    if not words:
        return data
    begin, end = rng.choice(words)
    if rng.random() < 0.3:
        other = rng.choice(files)
        begins = _words(other)
        new = other[slice(*rng.choice(begins))] if begins else b""
    else:
        new = rng.choice(NASTY).encode()
    return data[:begin] + new + data[end:]


def insert(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
    """A nasty text is inserted."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice((" ", "\n", "\n  ", ", ", ": ")).encode() + rng.choice(NASTY).encode() + data[at:]


def bomb(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
    """A few lines that stand for billions of values."""
    pattern = rng.choice(("{{<<: [{}]}}", "[{}]", "{{a: [{}]}}"))
    lines = ["m0: &m0 {a: 1}"]
    lines += [f"m{i}: &m{i} " + pattern.format(", ".join([f"*m{i - 1}"] * 9)) for i in range(1, rng.choice((3, 5, 30)))]
    return "\n".join(lines).encode() + b"\n" + data


def lines(change: Callable[[list[bytes], random.Random], None]) -> Callable[..., bytes]:
    """A damage of a file that changes its lines."""

    def damage(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
        parts = data.split(b"\n")
        change(parts, rng)
        return b"\n".join(parts)

    return damage


def indent(parts: list[bytes], rng: random.Random) -> None:
    """The indent of a line changes."""
    at = rng.randrange(len(parts))
    parts[at] = rng.choice((b" ", b"  ", b"\t", b"")) + (parts[at].strip() if rng.random() < 0.5 else parts[at])


DAMAGES: tuple[Callable[..., bytes], ...] = (
    *(flip, cut, hole, glue, layout, insert, word, word, word, word, word, bomb),
    *map(lines, (repeat, drop, swap_lines, indent)),
)


def _words(data: bytes) -> list[tuple[int, int]]:
    """Begin and end of each word and number."""
    places, begin = [], -1
    for i, letter in enumerate(data + b" "):
        inside = chr(letter).isalnum() or letter in b"._-+<\"'"
        if inside and begin < 0:
            begin = i
        elif not inside and begin >= 0:
            places.append((begin, i))
            begin = -1
    return places


def damaged(rng: random.Random, files: Sequence[bytes]) -> bytes:
    """A file with one to three damages."""
    data = rng.choice(files)
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(DAMAGES)(data, rng, files)[:200_000]
    return data


@dataclass(frozen=True)
class Kind:
    """Files of one kind: genuine contents, the path of a damaged file, the target that is read, and its reader."""

    files: Sequence[bytes]
    path: Path
    target: Path
    read: Callable[[Path], object]


def kinds(scratch: Path) -> Mapping[str, Kind]:
    """All kinds of files, in an empty folder."""
    experiments = [file.read_bytes() for file in sorted(EXPERIMENTS.glob("*.yaml")) if file.stem != "ablation"]
    for file in EXPERIMENTS.glob("*.yaml"):  # which an ablation names
        shutil.copy(file, scratch)
    skeletons = [(EXPERIMENTS / "skeletons" / "kinect20.yaml").read_bytes(), yaml_text(NTU25.to_dict()).encode()]
    tables = [
        (EXPERIMENTS / "tables" / "kinect20_csv.yaml").read_bytes(),
        b"skeleton: {joints: [hip, head], bones: [[0, 1]], center: hip}\n"
        b"coordinates: {hip: [x, y, z], head: [a, b, c]}\nunit: cm\naxes: [x, z, -y]\nfps: 30\n"
        b"columns: {time: t}\nheader: true\nfile_name: s{subject:d}_{label}\n"
        b"constant: {view: 1}\nclasses: {0: walk, b: wave}\n",
    ]
    score = Score(
        value=1.5, interval=(1.4, 1.6), metric="frechet", estimator="gaussian", reference="nw_ucla/xsub/test",
        n_real=340, n_fake=340, seeds=(0, 1), frames=64, fps=30.0, version="0.1.0",
    )  # fmt: skip
    report = Report("a run", (Row(score, score, "low"),), notes=("motions: 3",), alarms=("copies",))
    grid = {
        "format": "kinetic-grid",
        "name": "a",
        "about": "small",
        "scores": {"only": ["frechet"]},
        "rows": [{"name": "Baseline", "after": None, "about": ""}, {"name": "A", "after": "Baseline", "about": "x"}],
        "benchmarks": [{"name": "xsub", "about": ""}],
        "cells": [{"benchmark": "xsub", "recipe": "A", "seed": 0, "key": "0123456789ab"}],
        "published": {"xsub": {"A": {"fid": 1.5}}},
    }
    motions = MotionSet(
        np.zeros((2, 3, 4, 25), np.float32), np.array([0, 1]), ("walk", "wave"), NTU25, clip=("a", "b"), fps=30.0,
        splits={"odd": {"by": "subject", "train": [0], "test": [1]}}, subject=np.array([0, 1]), notes={"cite": "x"},
    )  # fmt: skip
    write_motions(motions, scratch / "stored")
    ucla = "a01_s01_e00_v01"
    clip = {"file_name": ucla, "label": 1, "skeletons": [[[0.1, 0.2, 3]] * len(KINECT20.joints)] * 2}
    home = scratch / "grid"
    home.mkdir()
    own, stored = scratch / "own.yaml", scratch / "stored"

    def text(plain: object) -> list[bytes]:
        return [json.dumps(plain).encode(), json.dumps(plain, indent=1).encode()]

    return {
        "experiments": Kind([*experiments, yaml_text(to_plain(load_experiment())).encode()], own, own, load_experiment),
        "ablations": Kind([(EXPERIMENTS / "ablation.yaml").read_bytes()], own, own, read_ablation),
        "skeletons": Kind(skeletons, own, own, load_skeleton),
        "mappings of tables": Kind(tables, own, own, read_table_mapping),
        "reports": Kind(text(report.to_dict()), scratch / "a.json", scratch / "a.json", read_report),
        "grids": Kind(text(grid), home / "grid.json", home, lambda folder: read_grid(folder).table),
        "stored sets": Kind([(stored / "meta.json").read_bytes()], stored / "meta.json", stored, read_motions),
        "NW-UCLA": Kind(text(clip), scratch / f"{ucla}.json", scratch / f"{ucla}.json", read_motions),
    }


def outcome_of(kind: Kind) -> tuple[str, str]:
    """The outcome of reading the file of a kind, which is right if it is `read` or `refused`, and the message."""
    try:
        kind.read(kind.target)
    except (ValueError, FileNotFoundError) as error:
        message = str(error)
        if type(error) not in (ValueError, FileNotFoundError):
            return f"refused with {type(error).__name__}", message
        if not message.isprintable() or str(kind.target.parent) not in message:
            return "refused in more than a line, or without a name", message
        if len(message) > LONGEST_MESSAGE + 3 * len(str(kind.path)):
            return "refused at too great length", message
        return "refused", message
    return "read", ""


def fuzz(numbers: range, seed: int, limit: float, scratch: Path) -> dict[str, Any]:
    """Damage and read the files of these numbers, of all kinds in turn; the counts of their outcomes."""
    all_kinds = kinds(scratch)
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in all_kinds}
    slowest = dict.fromkeys(all_kinds, 0.0)
    messages: list[str] = []
    for kind in all_kinds.values():  # so that Python has imported all that it imports on first use
        for data in kind.files:
            kind.path.write_bytes(data)
            kind.read(kind.target)
    start = time.perf_counter()
    for number in numbers:
        name = list(all_kinds)[number % len(all_kinds)]
        kind = all_kinds[name]
        kind.path.write_bytes(damaged(random.Random(f"{seed} {number}"), kind.files))
        signal.setitimer(signal.ITIMER_PROF, limit)
        since, message = time.process_time(), ""
        try:
            outcome, message = outcome_of(kind)
        except Late:
            outcome = "late"
        except Exception as error:  # the faults that this benchmark looks for
            outcome, message = f"failed with {type(error).__name__}", str(error)
        signal.setitimer(signal.ITIMER_PROF, 0)
        slowest[name] = max(slowest[name], time.process_time() - since)
        outcomes[name][outcome] += 1
        if outcome not in ("read", "refused"):
            messages.append(f"file {number} ({name}): {outcome}: {message[:300]!r}")
            print(messages[-1], file=sys.stderr, flush=True)
    return {
        "files": len(numbers),
        "first": numbers.start,
        "outcomes": {name: dict(value) for name, value in outcomes.items()},
        "slowest_seconds": {name: round(value, 3) for name, value in slowest.items()},
        "seconds": round(time.perf_counter() - start, 1),
        "found": messages[:100],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    summary = (__doc__ or "").partition(":")[2].partition("\n")[0].strip()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_settings", description=summary)
    parser.add_argument("--files", type=int, default=20_000, help="how many (default 20000)")
    parser.add_argument("--start", type=int, default=0, help="number of the first (default 0)")
    parser.add_argument("--seed", type=int, default=0, help="of the damages (default 0)")
    parser.add_argument("--limit", type=float, default=1.0, help="seconds of CPU that a file may take (default 1)")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="where the numbers are kept (.json)")
    options = parser.parse_args(arguments)
    if options.files < 1 or options.start < 0 or options.limit <= 0:
        parser.error("there must be files, and the limit must be positive")

    def late(number: int, frame: FrameType | None) -> None:
        raise Late

    signal.signal(signal.SIGPROF, late)
    shared = Path("/dev/shm")  # memory, where the system has it
    with (
        tempfile.TemporaryDirectory(prefix="kinetic-fuzz-", dir=shared if shared.is_dir() else None) as scratch,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        result = fuzz(range(options.start, options.start + options.files), options.seed, options.limit, Path(scratch))
    for name, outcomes in result["outcomes"].items():
        summary = ", ".join(f"{many} {outcome}" for outcome, many in sorted(outcomes.items()))
        print(f"{name}: {summary}; the slowest {result['slowest_seconds'][name]} s")
    print(f"{len(result['found'])} files were neither read nor refused; {result['seconds']:.0f} s")
    if options.out is not None:
        document = {
            "machine": harness.machine(torch.device("cpu")),
            "seed": options.seed,
            "limits": {"seconds": options.limit},
            "result": result,
        }
        with replacing(options.out) as beside:
            beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return int(bool(result["found"]))


if __name__ == "__main__":
    sys.exit(main())
