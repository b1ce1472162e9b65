"""Estimated time for the rest of an ablation: from its finished cells, or from a short training of one recipe."""

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
    """Estimated time for the rest of an ablation.

    Attributes:
        parts: number and time of recognition networks and cells, in words
        seconds: seconds of all, one process at a time
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
    """Estimated time for the cells without a result.

    It follows from the time of finished cells; where there is none, from a few training batches on this machine, of one
    recognition network and of one recipe for all, without scoring.

    Args:
        retry: count failed cells too
    """
    parts, whole = [], 0.0
    states = ("new", "begun", "failed") if retry else ("new", "begun")
    for what, cells in (("recognition networks", plan.networks), ("cells", plan.cells)):
        todo = list({cell.key: cell for cell in cells if plan.states[cell.key] in states}.values())
        if not todo:
            continue
        times = [seconds for cell in cells if (seconds := _batch_time(plan, cell)) is not None]
        source = f"as {len(times)} of them took"
        if not times:
            times = [seconds_per_batch(todo[0].experiment, threads=todo[0].threads)]
            source = f"measured on {todo[0].recipe}, without scoring" if todo[0].recipe else "measured"
        batch = sum(times) / len(times)
        rest = batch * sum(cell.batches * (1 - plan.trained(cell)) for cell in todo)
        parts.append(f"{len(todo)} {what}: {batch:.3f} s a batch ({source}), {_span(rest)}")
        whole += rest
    return Cost(tuple(parts), whole)


def seconds_per_batch(experiment: Experiment, *, threads: int = 1) -> float:
    """Seconds of a training batch on this machine, from trainings of three lengths in a temporary folder."""
    training, cycle = experiment.training, family_of(experiment).cycle(experiment)
    lengths, times = (1, cycle, 3 * cycle), []  # the first pays for imports
    with _threads(threads), tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stderr(io.StringIO()):
        for i, steps in enumerate(lengths):
            short = replace(training, steps=steps, sample_every=0, keep_every=0, save_every=2**31)
            begun = time.monotonic()
            fit(replace(experiment, training=short), Path(scratch) / str(i), progress=False)
            times.append(time.monotonic() - begun)
    return max(0.0, times[2] - times[1]) / (lengths[2] - lengths[1])


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batch_time(plan: Plan, cell: Cell) -> float | None:
    """Seconds of a batch, scoring included, of a finished cell; None for another cell."""
    result = read_result(plan.homes[cell.key], cell.key)
    return None if result is None else sum(result.seconds.values()) / cell.batches


def _span(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
