"""`python -m benchmarks.options`: the worth of each option of the fast recipe, as scores over training time.

A row is the first recipe of the study with one option changed, to the value that Kinetic-GAN published or to the one in
its name. Each row trains on one core for the same processor time, and is scored on held-out motions at the same
moments, so an option that makes steps slower pays for it. The row `start` is trained with several seeds: differences
within their spread are luck. The row `fast` is the recipe that the study led to, trained with as many seeds.

A cell (row, seed) that is in the folder is not trained again, so an interrupted study goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from pytorch_lightning import Callback, LightningModule, Trainer

from benchmarks import harness
from kinetic.families.experiments import load_experiment
from kinetic.families.kinetic_gan import KINETIC_GAN
from kinetic.files import replacing
from kinetic.metrics.frechet import FrechetDistance
from kinetic.metrics.mmd import mmd_per_class
from kinetic.models.encoder import Encoder
from kinetic.motion.motion_set import MotionSet
from kinetic.runs.run import Run, load_run
from kinetic.runs.sample import draw
from kinetic.settings.experiment import Experiment
from kinetic.training.batches import MotionData
from kinetic.training.precision import choose_precision, with_precision
from kinetic.training.wgan import Diverged

FAST = Path(__file__).parents[1] / "experiments" / "fast.yaml"

START: dict[str, Any] = {
    "generator.partition": "full",
    "generator.halved_top": False,
    "generator.padding": "zeros",
    "critic.partition": "full",
}
"""The differences of the first recipe of the study from `experiments/fast.yaml`."""

PUBLISHED_SIZES: dict[str, Any] = {
    "generator.latent": 512,
    "generator.widths": [512, 256, 128, 64, 32],
    "generator.label_width": None,
    "critic.widths": [32, 64, 128, 256, 512, 512],
    "critic.label_width": None,
}

ROWS: dict[str, dict[str, Any]] = {
    "start": {},
    "scaling minmax, output tanh": {"data.scaling": "minmax", "generator.output": "tanh"},
    "centering none": {"data.centering": "none"},
    "published sizes": PUBLISHED_SIZES,
    "last_width null": {"generator.last_width": None},
    "mapping published": {"generator.mapping": "published"},
    "mapping_depth 4": {"generator.mapping_depth": 4},
    "upsampling nearest": {"generator.upsampling": "nearest"},
    "padding edge": {"generator.padding": "edge"},
    "ema 0": {"generator.ema": 0.0},
    "label paint": {"critic.label": "paint"},
    "features none": {"critic.features": []},
    "features velocity": {"critic.features": ["velocity"]},
    "features bone": {"critic.features": ["bone"]},
    "partition published": {
        "generator.partition": "published",
        "critic.partition": "published",
        "generator.halved_top": True,
    },
    "loss wasserstein": {"training.loss": "wasserstein", "training.penalty": 10.0, "training.penalty_every": 1},
    "penalty_every 1": {"training.penalty_every": 1},
    "critic_steps 5": {"training.critic_steps": 5},
    "mismatch 0": {"training.mismatch": 0.0},
    "mismatch 0.2": {"training.mismatch": 0.2},
    "diversity 0": {"training.diversity": 0.0},
    "diversity 0.3": {"training.diversity": 0.3},
    "learning_rate 2e-4": {"training.learning_rate": 2e-4},
    "learning_rate 2e-3": {"training.learning_rate": 2e-3},
    "betas 0.5 0.999": {"training.betas": [0.5, 0.999]},
    "precision 32": {"training.precision": "32"},
    "fast": {},
}
"""Row -> its changes of the first recipe of the study; `fast` is the recipe that it led to."""

SEEDED = ("start", "fast")
"""Rows that are trained with several seeds."""


def changes(row: str) -> dict[str, Any]:
    """The differences of a row from `experiments/fast.yaml`."""
    return START | ROWS[row] if row != "fast" else {}


def cells(rows: Sequence[str], seeds: int) -> list[tuple[str, int]]:
    """The cells of a study: every row with seed 0, and those of `SEEDED` with all seeds."""
    return [(row, seed) for row in rows for seed in range(seeds if row in SEEDED else 1)]


def experiment(row: str, seed: int, source: str) -> Experiment:
    return load_experiment(FAST, **{"data.source": source, "seed": seed, **changes(row)})


class Judge:
    """Scores motions against the held-out side of a split, whose features are computed once."""

    def __init__(self, encoder: Encoder, real: MotionSet) -> None:
        self.real, self.encoder = real, encoder.eval()
        self.truth = self.features(real)[0]

    @torch.no_grad()
    def features(self, motions: MotionSet) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (N, D) and recognised labels (N,)."""
        parts = torch.from_numpy(np.ascontiguousarray(motions.motion)).split(256)
        return torch.cat([self.encoder.features(part) for part in parts]), torch.cat(
            [self.encoder(part).argmax(dim=1) for part in parts]
        )

    def __call__(self, motions: MotionSet) -> dict[str, float]:
        features, recognised = self.features(motions)
        frechet = FrechetDistance(torch.nn.Identity(), features.shape[1])
        frechet.update(self.truth, real=True)
        frechet.update(features, real=False)
        label = torch.from_numpy(motions.label)
        fake, real = (torch.from_numpy(np.ascontiguousarray(side.motion)) for side in (motions, self.real))
        return {
            "frechet": float(frechet.compute()),
            "accuracy": float((recognised == label).double().mean()),
            "mmd_frame": float(mmd_per_class(fake, label, real, torch.from_numpy(self.real.label)).mean),
        }


class Marks(Callback):
    """Scores the generator at marks, in seconds of processor time, and stops training after the last.

    The time of scoring does not count.
    """

    def __init__(self, marks: Sequence[float], score: Callable[[], dict[str, float]]) -> None:
        self.marks, self.score = list(marks), score
        self.scores: list[dict[str, float]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.begun = time.process_time()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.process_time()
        if now - self.begun < self.marks[len(self.scores)]:
            return
        batches = int(pl_module.batches)  # type: ignore[arg-type]
        self.scores.append({"seconds": now - self.begun, "batches": batches} | self.score())
        trainer.should_stop = len(self.scores) == len(self.marks)
        self.begun += time.process_time() - now


def train(row: str, seed: int, source: str, encoder: str, marks: Sequence[float], file: Path) -> None:
    """Train one cell, score it at every mark and write its scores."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning\..*")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    settings = experiment(row, seed, source)
    material, network = KINETIC_GAN.open(settings), load_run(encoder)
    training, test, scaler = material.train, material.test, material.about.scaler
    judge = Judge(network.recogniser, test.centred("first"))  # type: ignore[arg-type]
    settings = with_precision(settings, choose_precision(settings.training).name)
    module = KINETIC_GAN.build(settings, material.about)
    run = Run(Path(row), settings, module, material.about)

    def score() -> dict[str, float]:
        module.eval()
        scores = judge(draw(run, test.label, seed=seed).centred("first"))
        module.train()
        return scores

    clock = Marks(marks, score)
    trainer = Trainer(
        accelerator="cpu",
        precision="bf16-mixed" if settings.training.precision == "bf16" else "32-true",
        max_epochs=1,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    error = None
    try:
        trainer.fit(
            module,
            datamodule=MotionData(training, scaler=scaler, batch_size=settings.data.batch_size, seed=seed, steps=10**9),
        )
    except Diverged as reason:
        error = str(reason)
    cell = {"row": row, "seed": seed, "changes": changes(row), "marks": clock.scores, "error": error}
    _write(file, cell | {"floor": judge(training.centred("first"))})


def _write(file: Path, plain: Mapping[str, Any]) -> None:
    text = json.dumps(plain, indent=1) + "\n"
    with replacing(file) as beside:
        beside.write_text(text, encoding="utf-8")


def name_of(row: str, seed: int) -> str:
    return f"{row.replace(', ', '-').replace(' ', '_')}-{seed}.json"


def table(cells: Sequence[Mapping[str, Any]], minutes: Sequence[float]) -> str:
    """Markdown: a line for each row, with frechet at every mark and the other scores at the last, nearest first."""
    head = ["row", *(f"frechet, {minute:g} min" for minute in minutes), "accuracy", "MMDa", "batches"]
    lines = {}
    for row in dict.fromkeys(cell["row"] for cell in cells):
        runs = [cell["marks"] for cell in cells if cell["row"] == row and len(cell["marks"]) == len(minutes)]
        if not runs:
            lines[row] = (float("inf"), ["diverged" for _ in head[1:]])
            continue
        frechet = np.array([[mark["frechet"] for mark in marks] for marks in runs])  # (runs, marks)
        ends = {name: np.array([marks[-1][name] for marks in runs]) for name in ("accuracy", "mmd_frame", "batches")}
        texts = [_spread(column, ".1f") for column in frechet.T]
        texts += [_spread(ends[name], form) for name, form in zip(ends, (".2f", ".2f", ".0f"), strict=True)]
        lines[row] = (float(frechet[:, -1].mean()), texts)
    floor = cells[0]["floor"]
    last = ["real (floor)", *("" for _ in minutes[1:]), f"{floor['frechet']:.1f}", "", f"{floor['mmd_frame']:.2f}", ""]
    body = [[row, *texts] for row, (_, texts) in sorted(lines.items(), key=lambda line: line[1][0])]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *body, last])


def picture(cells: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A PNG: for each row its frechet over the minutes, on the band that the seeds of `start` span."""
    curves = [(cell["row"], np.array([(m["seconds"] / 60, m["frechet"]) for m in cell["marks"]]).T) for cell in cells]
    start = [curve for row, curve in curves if row == "start"]
    rows = {row: [curve for name, curve in curves if name == row and curve.size] for row, _ in curves}
    rows.pop("start", None)
    columns = 6
    figure = Figure(figsize=(12, 1.9 * -(-len(rows) // columns)), layout="constrained")
    axes = figure.subplots(-(-len(rows) // columns), columns, sharex=True, sharey=True, squeeze=False).ravel()
    for ax, (row, runs) in zip(axes, rows.items(), strict=False):
        if start:
            spread = np.array([frechet for _, frechet in start])
            ax.fill_between(start[0][0], spread.min(axis=0), spread.max(axis=0), color="0.85")
        for curve in runs:
            ax.plot(*curve, marker=".", color="tab:blue")
        ax.set(yscale="log")
        ax.set_title(row, fontsize=8)
        ax.tick_params(which="both", labelsize=6)
        ax.grid(alpha=0.25)
    if start:  # the table has the values above the picture
        values = np.concatenate([curve[1] for _, curve in curves if curve.size])
        axes[0].set_ylim(0.7 * values.min(), 8 * max(curve[1].max() for curve in start))
    for ax in axes[len(rows) :]:
        ax.axis("off")
    figure.supxlabel("minutes on one core (grey: where the study starts, all seeds)", fontsize=8)
    figure.supylabel("frechet", fontsize=8)
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=100, metadata={"Software": None})


def _spread(values: np.ndarray, form: str) -> str:
    low, high = f"{values.min():{form}}", f"{values.max():{form}}"
    return low if low == high else f"{low} to {high}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.options", description=__doc__.partition(":")[2].strip())
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of: {'; '.join(ROWS)} (default: all)")
    parser.add_argument("--source", default="synthetic", help="motions, split by person (default synthetic)")
    parser.add_argument("--encoder", help="run of the recognition network that scores are computed with")
    parser.add_argument(
        "--minutes", default="1,2,3", help="moments of scoring; the last ends training (default %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs of the rows start and fast (default 3)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cells at a time (default: one per core)")
    parser.add_argument("-o", "--out", type=Path, metavar="FOLDER", help="where cells, all.json and all.png are kept")
    parser.add_argument("--show", type=Path, metavar="FILE", help="print the table of an all.json, and train nothing")
    options = parser.parse_args(arguments)
    if options.show is not None:
        document = json.loads(options.show.read_text())
        print(table(document["cells"], document["minutes"]))
        return 0
    if options.encoder is None or options.out is None:
        parser.error("--encoder and --out are required")
    if unknown := [row for row in options.rows if row not in ROWS]:
        parser.error(f"there is no row {unknown[0]!r}; there are: {'; '.join(ROWS)}")
    try:
        minutes = [float(text) for text in options.minutes.split(",")]
    except ValueError:
        parser.error(f"--minutes takes numbers between commas, got {options.minutes}")
    if options.seeds < 1 or options.jobs < 1 or minutes != sorted(set(minutes)) or minutes[0] <= 0:
        parser.error("seeds and jobs must be at least 1, and minutes positive and rising")
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = cells(options.rows or list(ROWS), options.seeds)
    untrained = [cell for cell in chosen if not (options.out / name_of(*cell)).exists()]
    torch.set_num_threads(1)
    marks, since = [60 * minute for minute in minutes], time.monotonic()
    with ProcessPoolExecutor(
        options.jobs, mp_context=multiprocessing.get_context("forkserver"), max_tasks_per_child=1
    ) as pool:
        running = {
            pool.submit(train, row, seed, options.source, options.encoder, marks, options.out / name_of(row, seed)): row
            for row, seed in untrained
        }
        for number, future in enumerate(as_completed(running), start=1):
            future.result()
            left = (time.monotonic() - since) / number * (len(untrained) - number)
            print(f"{number}/{len(untrained)} {running[future]}, {left / 60:.0f} min left", file=sys.stderr, flush=True)
    results = [json.loads((options.out / name_of(*cell)).read_text()) for cell in chosen]
    print(table(results, minutes))
    picture(results, options.out / "all.png")
    document = {"machine": harness.machine(torch.device("cpu")), "minutes": minutes, "cells": results}
    _write(options.out / "all.json", document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
