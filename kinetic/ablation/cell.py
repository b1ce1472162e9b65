"""One cell of an ablation: train, sample, score, and write a result file.

Each cell has a folder. It is done when `result.json` is in it with the key of its settings; the exit status of a
process does not count. `error.json` holds the error of a cell that failed.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from kinetic.ablation.keys import SCHEME, SILENT
from kinetic.ablation.recipes import Cell, network_hash
from kinetic.evaluation.comparison import Comparison, open_comparison
from kinetic.evaluation.evaluate import evaluate
from kinetic.evaluation.published import evaluate_published
from kinetic.evaluation.report import Report
from kinetic.evaluation.scores import plain_value
from kinetic.evaluation.subject import open_subject
from kinetic.families.experiments import from_plain, save_experiment
from kinetic.files import (
    check_sealed,
    clear_stale,
    holding,
    inside,
    make_folder,
    open_plain,
    read_text,
    replacing,
    sealed,
)
from kinetic.metrics.measures import Case, choose, measure
from kinetic.presets import is_preset_name
from kinetic.runs.fit import fit
from kinetic.runs.folder import read_settings
from kinetic.runs.run import load_run
from kinetic.runs.sample import sample
from kinetic.settings.ablation import ScoresConfig
from kinetic.settings.experiment import Experiment
from kinetic.settings.reading import to_plain
from kinetic.training.checkpoint import Interrupted

__all__ = ["Result", "fail", "failure", "place", "prepare_place", "read_result", "trained_batches", "work"]

PATIENCE = 120.0
"""Seconds to wait for a cell's folder, which a process that is about to end may still hold."""

WRITTEN = r"(cell|result|error)\.json|seconds\.txt|samples\.npz"
"""Files of a cell's folder that are replaced whole."""


@dataclass(frozen=True)
class Result:
    """The result of a cell.

    Args:
        key: key of the cell's settings
        report: scores of its generator; None = a recognition network
        published: scores of the generator by the published protocol; None = without them
        curve: (epochs, score -> value) at moments of the training
        seconds: seconds of training and of scoring, in all attempts that noted them
        network: hash of the recognition network's weights
    """

    key: str
    report: Report | None
    published: Report | None
    curve: tuple[tuple[float, Mapping[str, float]], ...]
    seconds: Mapping[str, float]
    network: str


def place(out: Path, cell: Cell) -> Path:
    """The folder of a cell: the one whose name ends with its key, or a new name that people can read."""
    words = f"{cell.benchmark}-{cell.recipe}-{cell.seed}" if cell.recipe else f"{cell.benchmark}-encoder"
    folders = sorted(out.glob(f"cells/*-{cell.key}"))
    return folders[0] if folders else out / "cells" / f"{re.sub('[^A-Za-z0-9.]+', '-', words)[:60]}-{cell.key}"


def prepare_place(out: Path, cell: Cell, encoder: Path | None) -> Path:
    """Make the folder of a cell and write its task to `cell.json`.

    Args:
        encoder: run folder of the recognition network that scores it; None = it is one itself

    Raises:
        ValueError: when a link leads out of the ablation's folder
    """
    home = make_folder(out, "cells", place(out, cell).name)
    inside(home, "run")
    plain, scores = to_plain(cell.experiment), None if cell.scores is None else asdict(cell.scores)
    if plain["data"]["source"] != "synthetic":
        plain["data"]["source"] = os.path.abspath(plain["data"]["source"])
    if plain["skeleton"] is not None and not is_preset_name(plain["skeleton"]):
        plain["skeleton"] = os.path.abspath(plain["skeleton"])
    if scores is not None and scores["inception"] is not None:
        scores["inception"] = os.path.abspath(scores["inception"])
    content = {
        "format": "kinetic-cell",
        "keys": SCHEME,
        "key": cell.key,
        "title": cell.title,
        "experiment": plain,
        "scores": scores,
        "encoder": None if encoder is None else os.path.abspath(encoder),
        "per_epoch": cell.per_epoch,
        "threads": cell.threads,
    }
    _write(home / "cell.json", content)
    return home


def work(folder: str) -> None:
    """Run the cell in this folder to its end, from where it stopped; engines call this function.

    An error of the cell is written to `error.json` and not raised, since another attempt would fail too. SIGTERM during
    training saves a checkpoint and ends the process with status 143.

    Raises:
        FileExistsError: when another process keeps working in the folder
        ValueError: naming the file, for a cell.json or result.json that is something else, and for links in the folder
        SystemExit: when a signal stops it
    """
    home = Path(folder)
    with holding(home, PATIENCE):
        task = _read(home / "cell.json")
        if read_result(home, task["key"]) is None:
            torch.set_num_threads(int(task["threads"]))
            try:
                _finish(home, task)
            except Interrupted as stop:
                raise SystemExit(stop.status) from stop
            except Exception as error:
                fail(home, f"{type(error).__name__}: {error}", traceback.format_exc())
                return
        (home / "error.json").unlink(missing_ok=True)
        clear_stale(home, WRITTEN, alone=True)
        for file in inside(home, "run", "checkpoints").glob("step-*.ckpt"):
            file.unlink()  # the points of the curve are scored


def _finish(home: Path, task: Mapping[str, Any]) -> None:
    """Train, score and write the result."""
    experiment = from_plain(task["experiment"], strict=False)
    _adopt(home / "run" / "config.yaml", experiment)
    begun = time.monotonic()
    try:
        fit(experiment, home / "run", resume=True, progress=False)
    finally:
        trained = _spent(home) + time.monotonic() - begun
        _note(home, trained)
    begun = time.monotonic()
    scores = _recogniser(home) if task["scores"] is None else _generator(home, task)
    seconds = {"training": trained, "scoring": time.monotonic() - begun}
    about = {"seconds": seconds, "machine": f"{platform.node()}, {platform.machine()}, {os.cpu_count()} processors"}
    _write(home / "result.json", {"format": "kinetic-cell", "key": task["key"], **scores, **about})


def _adopt(config: Path, experiment: Experiment) -> None:
    """Copy settings that change no result, such as name and path of the motions, to a run that will resume."""
    if config.exists():
        before, now = to_plain(read_settings(config.parent)), to_plain(experiment)
        for name in SILENT:
            *sections, last = name.split(".")
            old, new = before, now
            for section in sections:
                old, new = old[section], new[section]
            old[last] = new[last]
        save_experiment(from_plain(before), config)


def _recogniser(home: Path) -> dict[str, Any]:
    return {"network": network_hash(home / "run")}


def _generator(home: Path, task: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of the trained generator and of its kept checkpoints; it also writes motions to look at."""
    plain = dict(task["scores"])
    scores = ScoresConfig(**plain | {"only": tuple(plain["only"])})
    run = load_run(home / "run")
    comparison = open_comparison(run, encoder=task["encoder"])
    if comparison.network is None:
        raise ValueError(f"{home}: no recognition network is named")
    report = evaluate(
        comparison, only=scores.only, seeds=scores.draws, count=scores.count, truncation=scores.truncation
    )
    published = None
    if scores.published:
        published = evaluate_published(run, inception=scores.inception, count=scores.published)
    sample(run, count=scores.shown, seed=0, truncation=scores.truncation, out=home / "samples.npz")
    return {
        "network": comparison.network.hash,
        "report": replace(report, subject=task["title"]).to_dict(),
        "published": None if published is None else replace(published, subject=task["title"]).to_dict(),
        "curve": _curve(home, comparison, scores, int(task["per_epoch"])),
    }


def _curve(
    home: Path, comparison: Comparison, scores: ScoresConfig, per_epoch: int
) -> list[tuple[float, dict[str, float]]]:
    """(epochs, score -> value) at each checkpoint that was kept, from one draw."""
    test, train = comparison.sides
    measures, curve = choose(scores.only), []
    for file in (home / "run" / "checkpoints").glob("step-*.ckpt"):
        earlier = replace(comparison, subject=open_subject(file))
        (fake,) = earlier.fakes(count=scores.count, seeds=1, truncation=scores.truncation)
        case = Case(comparison.sample(fake), test, train, comparison.reference.test.skeleton)
        values = {name: plain_value(value) for name, value in measure(case, measures).items() if name in scores.only}
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        curve.append((int(file.stem.removeprefix("step-")) / per_epoch, finite))
    return sorted(curve, key=lambda point: point[0])


def read_result(home: Path, key: str) -> Result | None:
    """The result in a cell's folder; None where there is none, or one of other settings.

    Raises:
        ValueError: naming the file, for a file that is no result
    """
    file = home / "result.json"
    if not file.exists():
        return None
    plain = _read(file)
    if plain["key"] != key:
        return None
    try:
        report, published = (
            None if plain.get(name) is None else Report.from_dict(plain[name]) for name in ("report", "published")
        )
        curve = tuple((float(at), dict(values)) for at, values in plain.get("curve", ()))
        return Result(key, report, published, curve, dict(plain["seconds"]), str(plain["network"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: expected the result of a cell: {error}") from error


def failure(home: Path) -> str | None:
    """The error of the cell in a folder, in one line; None when it did not fail."""
    file = home / "error.json"
    return str(_unsealed(file).get("error", "it does not say why")) if file.exists() else None


def trained_batches(home: Path) -> int:
    """Number of training batches of the cell in a folder so far, from its table of metrics."""
    try:
        with open_plain(home / "run" / "metrics.csv", 1 << 40) as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 4096))
            lines = file.read().split(b"\n")[:-1]
        return int(lines[-1].split(b",")[0])
    except (OSError, ValueError, IndexError):
        return 0


def fail(home: Path, why: str, details: str = "") -> None:
    """Write the error of a cell into its folder, in one line, with details such as a traceback."""
    line = " ".join(why.split())[:500]
    _write(home / "error.json", {"format": "kinetic-cell", "key": "", "error": line, "details": details[-20_000:]})


def _spent(home: Path) -> float:
    """Seconds of training in earlier attempts."""
    try:
        return float(read_text(home / "seconds.txt", 100))
    except (OSError, ValueError):
        return 0.0


def _note(home: Path, seconds: float) -> None:
    with replacing(home / "seconds.txt") as beside:
        beside.write_text(f"{seconds:.1f}\n", encoding="utf-8")


def _read(file: Path) -> dict[str, Any]:
    plain = _unsealed(file)
    try:
        check_sealed(plain)
    except ValueError as error:
        raise ValueError(f"{file}: {error}; remove it, and `kinetic ablate` makes it again") from error
    return plain


def _unsealed(file: Path) -> dict[str, Any]:
    text = read_text(file)
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: expected a file of an ablation, found no JSON: {error}") from error
    if not isinstance(plain, dict) or plain.get("format") != "kinetic-cell" or "key" not in plain:
        raise ValueError(f"{file}: expected a file of an ablation, found another one")
    return plain


def _write(file: Path, content: Mapping[str, Any]) -> None:
    with replacing(file) as beside:
        beside.write_text(json.dumps(sealed(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")
