"""Output of a training for people: the table of its metrics, a line of progress, and when the model is looked at.

What is drawn and measured then, a family says: `kinetic.families.interface.Watch`.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from pytorch_lightning import Callback, LightningModule, Trainer
from tqdm import tqdm

from kinetic.files import read_bytes, replacing
from kinetic.training.checkpoint import RunCheckpoint

__all__ = ["MetricsTable", "Progress", "Sampling", "Table", "read_metrics"]

LARGEST = 1 << 30
"""Bytes of the largest metrics.csv that is read: ten million rows."""


def read_metrics(path: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Metric -> (batches, values) of a metrics.csv. Raises ValueError, naming file and line, for anything else."""
    metrics: dict[str, tuple[list[int], list[float]]] = {}
    for batches, row in _rows(path):
        for name, text in row.items():
            steps, values = metrics.setdefault(name, ([], []))
            steps.append(batches)
            values.append(float(text))
    return metrics


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Batches and filled cells of every complete row; a last line without its end is left out."""
    text = read_bytes(path, LARGEST).decode(errors="replace")
    text = text[: text.rfind("\n") + 1]
    lines = list(csv.reader(io.StringIO(text)))
    if not lines or lines[0][:1] != ["batches"]:
        raise ValueError(f"{path}: expected a table that begins with batches, found {text[:30]!r}")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            cells = dict(zip(lines[0][1:], line[1:], strict=True))
            [float(cell) for cell in cells.values() if cell]
            rows.append((int(line[0]), {name: cell for name, cell in cells.items() if cell}))
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path}, line {number}: expected {len(lines[0])} numbers, found {line}") from error
    return rows


class Table:
    """metrics.csv of a run: a row per logged batch, appended at once; a new column rewrites the file.

    It holds nothing that differs between a run and its repetition, so an interrupted run ends with the same bytes.

    Args:
        path: the file
        done: batches done when the run continues; later rows are dropped. 0 = a new table
    """

    def __init__(self, path: Path, *, done: int = 0) -> None:
        self.path = path
        self.rows: list[tuple[int, dict[str, str]]] = []
        if done and path.exists():
            self.rows = [row for row in _rows(path) if row[0] <= done]
        self.columns: list[str] = []
        for _, cells in self.rows:
            self.columns += [name for name in cells if name not in self.columns]
        self._rewrite()

    def add(self, batches: int, values: Mapping[str, float]) -> None:
        """Append a row, or add values to the last row if it is of the same batch."""
        cells = {name: f"{value:.9g}" for name, value in values.items()}
        if self.rows and self.rows[-1][0] == batches:
            self.rows[-1][1].update(cells)
            changed = True
        else:
            self.rows.append((batches, cells))
            changed = False
        missing = [name for name in cells if name not in self.columns]
        self.columns += missing
        if changed or missing:
            self._rewrite()
        else:
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(self._line(batches, cells))
                file.flush()
                os.fsync(file.fileno())  # before a checkpoint counts this batch, its row must be safe

    def _line(self, batches: int, cells: Mapping[str, str]) -> list[object]:
        return [batches, *(cells.get(name, "") for name in self.columns)]

    def _rewrite(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["batches", *self.columns])
        writer.writerows(self._line(batches, cells) for batches, cells in self.rows)
        with replacing(self.path) as beside:
            beside.write_text(text.getvalue(), encoding="utf-8", newline="")


class MetricsTable(Callback):
    """Writes the module's logged values to a `Table` and to further loggers at every `every`-th batch."""

    def __init__(self, table: Table, *, every: int) -> None:
        self.table, self.every = table, every

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done = int(pl_module.batches)  # type: ignore[arg-type]
        if done % self.every == 0 and trainer.is_global_zero:
            values = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
            self.table.add(done, values)
            for logger in trainer.loggers:
                logger.log_metrics(values, step=done)


class Progress(Callback):
    """One line: batches done and to do, motions per second, time left, and some of the metrics.

    On a terminal it is a bar, elsewhere a plain line every ten seconds. When the stream is closed, as that of a closed
    terminal, the output ends and the training continues.

    Args:
        steps: batches of the whole run
        motions: per batch
        show: metrics, in order
        stream: destination; None = standard error
    """

    def __init__(self, *, steps: int, motions: int, show: Sequence[str], stream: TextIO | None = None) -> None:
        self.steps, self.motions, self.show = steps, motions, tuple(show)
        self.stream = sys.stderr if stream is None else stream
        self.bar: tqdm[Any] | None = None
        self.closed = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        self.first = int(pl_module.batches)  # type: ignore[arg-type]
        self.start = self.last = time.monotonic()
        if self.stream.isatty():
            self.bar = tqdm(
                total=self.steps, initial=self.first, file=self.stream, dynamic_ncols=True, unit="batch", desc="fit"
            )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not trainer.is_global_zero or self.closed:
            return
        try:
            self._show(trainer, int(pl_module.batches))  # type: ignore[arg-type]
        except OSError:
            self.closed = True

    def _show(self, trainer: Trainer, done: int) -> None:
        now = time.monotonic()
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
        final = done == self.steps
        if not final and now - self.last < (0.5 if self.bar is not None else 10):
            return
        self.last = now
        rate = (done - self.first) / max(now - self.start, 1e-9)
        values = trainer.callback_metrics
        metrics = " ".join(f"{name} {float(values[name]):.3g}" for name in self.show if name in values)
        if self.bar is not None:
            self.bar.set_postfix_str(f"{rate * self.motions:.0f} motions/s {metrics}", refresh=final)
        else:
            left = _clock((self.steps - done) / max(rate, 1e-9))
            share = f"{done}/{self.steps} batches, {rate * self.motions:.0f} motions/s, {left} left"
            print(f"{share}, {metrics}", file=self.stream, flush=True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.teardown(trainer, pl_module, "fit")  # Lightning does not call it after an exception

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.bar is not None:
            with contextlib.suppress(OSError):
                self.bar.close()
            self.bar = None


def _clock(seconds: float) -> str:
    hours, rest = divmod(math.ceil(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class Sampling(Callback):
    """Looks at the model at intervals, and lets the checkpoint keep the best.

    Args:
        every: batches from one look to the next; 0 = only at the end
        steps: batches of the whole run
        look: (module, batches done) -> value of which less is better, or None; also draws the pictures
        name: of that value in the table
        table: for the value
        checkpoint: keeps the best; None = it is not kept
    """

    def __init__(
        self,
        *,
        every: int,
        steps: int,
        look: Callable[[LightningModule, int], float | None],
        name: str,
        table: Table,
        checkpoint: RunCheckpoint | None,
    ) -> None:
        self.every, self.steps, self.look, self.name = every, steps, look, name
        self.table, self.checkpoint = table, checkpoint

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done = int(pl_module.batches)  # type: ignore[arg-type]
        due = (self.every and done % self.every == 0) or done == self.steps
        if not due or not trainer.is_global_zero:
            return
        value = self.look(pl_module, done)
        if value is not None:
            self.table.add(done, {self.name: value})
            for logger in trainer.loggers:
                logger.log_metrics({self.name: value}, step=done)
            if self.checkpoint is not None:
                self.checkpoint.offer(trainer, pl_module, value)
