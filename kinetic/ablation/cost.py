"""What the rest of an ablation will cost: measured by training a few batches of each recipe, or told by its cells."""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from kinetic.ablation.cell import read_result
from kinetic.ablation.grid import Plan
from kinetic.ablation.recipes import Cell
from kinetic.families.table import family_of
from kinetic.runs.fit import fit
from kinetic.settings.experiment import Experiment

__all__ = ["Cost", "estimate", "seconds_per_batch"]


@dataclass(frozen=True)
class Cost:
    """What is still to be done of an ablation, and how long that takes.

    Attributes:
        parts: in words, how many of what take how long
        seconds: of all, one process at a time
    """

    parts: tuple[str, ...]
    seconds: float

    def to_text(self, jobs: int = 1) -> str:
        """A line for each part, then the whole, for one process and for `jobs` at a time."""
        if not self.parts:
            return "nothing is left to do\n"
        whole = f"about {_span(self.seconds)} for one process at a time"
        if jobs > 1:
            whole += f", {_span(self.seconds / jobs)} for {jobs}"
        return "\n".join([*self.parts, whole]) + "\n"


def estimate(plan: Plan, *, retry: bool = False) -> Cost:
    """How long all takes that is still to be done.

    Cells that are done tell what the others will take; where there is none, a few batches are trained here, of one
    recognition network and of one recipe for all, without scoring.

    Args:
        retry: also cells that failed will be run again
    """
    parts, whole = [], 0.0
    states = ("new", "begun", "failed") if retry else ("new", "begun")
    for what, cells in (("recognition networks", plan.networks), ("cells", plan.cells)):
        todo = list({cell.key: cell for cell in cells if plan.states[cell.key] in states}.values())
        if not todo:
            continue
        took = [each for cell in cells if (each := _took(plan, cell)) is not None]
        source = f"as {len(took)} of them took"
        if not took:
            took = [seconds_per_batch(todo[0].experiment, threads=todo[0].threads)]
            source = f"measured on {todo[0].recipe}, without scoring" if todo[0].recipe else "measured"
        batch = sum(took) / len(took)
        seconds = batch * sum(cell.batches * (1 - plan.trained(cell)) for cell in todo)
        parts.append(f"{len(todo)} {what}: {batch:.3f} s a batch ({source}), {_span(seconds)}")
        whole += seconds
    return Cost(tuple(parts), whole)


def seconds_per_batch(experiment: Experiment, *, threads: int = 1) -> float:
    """Seconds of a training batch on this machine, from trainings of different length in a temporary folder."""
    training, cycle = experiment.training, family_of(experiment).cycle(experiment)
    lengths, took = (1, cycle, 3 * cycle), []  # the first pays for imports
    with _threads(threads), tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stderr(io.StringIO()):
        for i, steps in enumerate(lengths):
            short = replace(training, steps=steps, sample_every=0, keep_every=0, save_every=2**31)
            begun = time.monotonic()
            fit(replace(experiment, training=short), Path(scratch) / str(i), progress=False)
            took.append(time.monotonic() - begun)
    return max(0.0, took[2] - took[1]) / (lengths[2] - lengths[1])


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _took(plan: Plan, cell: Cell) -> float | None:
    """Seconds of a batch, scoring included, of a cell that is done."""
    result = read_result(plan.homes[cell.key], cell.key)
    return None if result is None else sum(result.seconds.values()) / cell.batches


def _span(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
