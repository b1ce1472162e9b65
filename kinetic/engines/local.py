"""The engine of one machine: a process for each task, forked from one that has imported what the work needs.

Three kinds of processes take part. The driver hands out tasks. The server, a `Child` of the driver for each call of
`run`, imports the modules to preload and the user's code, forks a process for each task, and reports how each ended; no
script is imported again, and other uses of multiprocessing in the driver are left alone. Each task's process ends with
the server, and the server stops them when the driver dies. `multiprocessing.forkserver` is not used, since its one
instance belongs to all code of a process, and imports `__main__` again; `ProcessPoolExecutor` is not, since one dead
process takes all others with it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import KW_ONLY, dataclass
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from kinetic.engines.interface import Event, Task, detail_line, import_path, load_work
from kinetic.files import open_log
from kinetic.processes import (
    Child,
    close_in_forks,
    code_files,
    end_with,
    ending,
    guarded,
    kill_group,
    load_code,
    search_path,
    thread_variables,
)

__all__ = ["Local"]

PATIENCE = 5.0
"""Seconds after the grace until the driver itself kills what neither ended nor was killed by the server."""


@dataclass(frozen=True)
class Local:
    """Runs tasks in processes of this machine.

    Without fork (on Windows) every process is spawned instead and imports everything anew, the script too.

    The output of a task whose argument is a folder goes to `log.txt` in it; the engine makes that file, or appends to a
    plain one. An `Exception` of the work is the end of its task. Any other end than with status 0 is a loss: a signal,
    a status, and exceptions that mean "stop" such as `KeyboardInterrupt` or `kinetic.training.checkpoint.Interrupted`.
    A lost task is tried again after all others.

    Args:
        jobs: tasks at a time
        retries: how often a task that was lost is tried again
        grace: seconds that a process has to stop by itself after SIGTERM
        preload: modules that are imported once, for all tasks; none of them may touch CUDA or start threads
        code: Python files that are imported once, after the modules; the same holds for them
        threads: that numerical libraries use for each task
        gpus: of this machine, of which each task sees the one that fewest others use; 0 = tasks see all

    Raises:
        ValueError: for numbers out of range
    """

    jobs: int = 2
    _: KW_ONLY
    retries: int = 2
    grace: float = 60.0
    preload: Sequence[str] = ()
    code: Sequence[str | os.PathLike[str]] = ()
    threads: int = 1
    gpus: int = 0

    def __post_init__(self) -> None:
        for name, least in (("jobs", 1), ("retries", 0), ("grace", 0), ("threads", 1), ("gpus", 0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if isinstance(self.preload, str):
            raise ValueError(f"preload must be a list of modules, got the text {self.preload!r}")

    def run(self, work: Callable[[str], None], tasks: Sequence[Task]) -> Generator[Event, None, None]:
        """Run all tasks and yield what happens; see `Engine`.

        Raises:
            ValueError: when two tasks have the same name, or other processes cannot import the work
            ValueError, FileNotFoundError: when `code` holds something else than Python files
            RuntimeError: while running, when a module to preload or a file of `code` cannot be imported
        """
        repeated = [name for name, count in Counter(task.name for task in tasks).items() if count > 1]
        if repeated:
            raise ValueError(f"every task needs a name of its own, {repeated[0]!r} names two")
        return self._run(import_path(work), list(tasks), code_files(self.code))

    def _run(self, work: str, tasks: list[Task], code: list[str]) -> Generator[Event, None, None]:
        waiting, running = deque(range(len(tasks))), set[int]()
        attempts, outcomes = Counter[int](), dict[int, tuple[str, str]]()
        server, ticked = None, time.monotonic()
        devices, used = _devices(self.gpus), dict[int, str]()

        def end(number: int, kind: str, detail: str) -> Event:
            running.discard(number)
            if kind == "lost":
                detail = f"attempt {attempts[number]} of {self.retries + 1}: {detail}"
                if attempts[number] > self.retries:
                    kind = "failed"
                else:
                    waiting.append(number)
            return Event(kind, tasks[number].name, detail)  # type: ignore[arg-type]

        try:
            while waiting or running:
                server = server or _Server(self, work, code)
                while waiting and len(running) < self.jobs:
                    taken = [used[number] for number in running if number in used]
                    device = min(devices, key=taken.count, default="")
                    if not server.order(waiting[0], work, tasks[waiting[0]], device):
                        break
                    used[waiting[0]] = device
                    attempts[waiting[0]] += 1
                    running.add(waiting.popleft())
                try:
                    kind, number, detail = server.report(0.5) or ("nothing", -1, None)
                except EOFError:  # the server was killed, and its processes with it
                    server.close()
                    server = None
                    for number in sorted(running):
                        yield end(number, "lost", "the process that starts the others was killed")
                    continue
                if kind == "broken":
                    raise RuntimeError(detail)
                if kind == "started":
                    yield Event("started", tasks[number].name, f"process {detail}")
                elif kind in ("failed", "lost"):
                    outcomes[number] = kind, str(detail)
                elif kind == "gone":
                    outcome = ("lost", ending(detail)) if detail else ("ended", "")
                    yield end(number, *outcomes.pop(number, outcome))
                if time.monotonic() - ticked >= 0.5:
                    ticked = time.monotonic()
                    yield Event("tick")
        finally:
            if server is not None:
                server.close()


class _Server:
    """The driver's side of a server: two pipes, and the numbers of the processes that it started."""

    def __init__(self, engine: Local, work: str, code: list[str]) -> None:
        self.grace, self.pids, self.given_up = engine.grace, dict[int, int](), float("inf")
        settings = [list(engine.preload), code, engine.grace, engine.threads]
        self.child: Child | None = None
        if "fork" in multiprocessing.get_all_start_methods():
            self.child = Child(
                "kinetic.engines.local:_serve",
                "fork",
                *settings,
                path=search_path(work.partition(":")[0], *engine.preload),
                threads=engine.threads,
                lifeline=False,  # it has to stop its processes first; and what forks has no other threads
            )
            self.orders, self.reports = self.child.orders, self.child.replies
        else:
            orders, self.orders = Pipe(duplex=False)
            self.reports, reports = Pipe(duplex=False)
            threading.Thread(target=_serve, args=(orders, reports, "spawn", *settings), daemon=True).start()

    def order(self, number: int, work: str, task: Task, device: str) -> bool:
        """Have a task run on a GPU, or on none in particular; False when the server is gone."""
        try:
            self.orders.send((number, work, task.argument, device))
        except OSError:
            return False
        return True

    def report(self, seconds: float) -> tuple[str, int, Any] | None:
        """The next message: its kind, the number of the task, a detail; None when there is none in time.

        Raises:
            EOFError: when the server and all its processes are gone
        """
        if not self.reports.poll(seconds):
            if self.child is not None and self.child.process.poll() is not None:
                self.given_up = min(self.given_up, time.monotonic() + self.grace + PATIENCE)
            if time.monotonic() > self.given_up:
                raise EOFError
            return None
        kind, number, detail = self.reports.recv()
        if kind == "started":
            self.pids[number] = detail
        elif kind == "gone":
            self.pids.pop(number, None)
        return kind, number, detail

    def close(self) -> None:
        """Have everything stop, by force after the grace, and return when it is gone."""
        self.orders.close()
        self.given_up = min(self.given_up, time.monotonic() + self.grace + PATIENCE)
        try:
            while True:
                self.report(0.5)
        except EOFError:
            pass
        finally:  # also after a second Ctrl-C
            for pid in self.pids.values():
                kill_group(pid)
            self.reports.close()
            if self.child is not None:
                self.child.end(PATIENCE)


def _serve(
    orders: Connection,
    reports: Connection,
    method: str,
    preload: Sequence[str],
    code: Sequence[str],
    grace: float,
    threads: int,
) -> None:
    """Body of a server: starts a process for each order and reports how it ended, until there are no more orders."""
    context: Any = multiprocessing.get_context(method)
    lifeline, alive = Pipe(duplex=False)
    if method == "fork":
        try:
            for name in preload:
                importlib.import_module(name)
        except Exception as error:
            _report(reports, "broken", -1, f"a module to preload cannot be imported: {detail_line(error)}")
            return
        try:
            for file in code:
                load_code(file)
        except Exception as error:
            _report(reports, "broken", -1, detail_line(str(error)))
            return
        gc.freeze()  # or the first collection of every process would touch, and so copy, all that was imported
        close_in_forks(alive, orders)
    running: dict[int, BaseProcess] = {}
    listening, deadline = True, float("inf")
    while listening or running:
        # A process that a dead one left behind may hold its sentinel: therefore the time limit.
        ready = wait([*([orders] if listening else []), *(process.sentinel for process in running.values())], 1.0)
        if orders in ready:
            try:
                number, *order = orders.recv()
            except EOFError:
                listening, deadline = False, time.monotonic() + grace
                alive.close()
            else:
                process = context.Process(target=_live, args=(number, *order, code, lifeline, reports, grace, threads))
                try:
                    with guarded() if method == "spawn" else contextlib.nullcontext():
                        process.start()
                    running[number] = process
                except OSError as error:  # no memory, too many processes
                    _report(reports, "lost", number, detail_line(error))
                    _report(reports, "gone", number, 1)
        for number, process in list(running.items()):
            if process.exitcode is not None:
                kill_group(process.pid)  # what it left behind
                _report(reports, "gone", number, process.exitcode)
                del running[number]
            elif time.monotonic() > deadline:
                kill_group(process.pid)
                process.kill()
    reports.close()


def _live(
    number: int,
    work: str,
    argument: str,
    device: str,
    code: Sequence[str],
    lifeline: Connection,
    reports: Connection,
    grace: float,
    threads: int,
) -> None:
    """Body of a task's process."""
    if sys.platform != "win32":
        os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    multiprocessing.set_start_method(None, force=True)  # that of any other process, not that of this one
    os.environ.update(thread_variables(threads))
    if device:  # before anything looks for GPUs
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    end_with(lifeline, grace)
    _report(reports, "started", number, os.getpid())
    logged = os.path.isdir(argument)
    if logged:
        try:
            log = open_log(Path(argument) / "log.txt")
        except (OSError, ValueError) as error:
            _report(reports, "failed", number, detail_line(error))
            sys.exit(1)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.close(log)
    try:
        for file in code:  # what the server has imported is not imported again
            load_code(file)
        load_work(work)(argument)
    except SystemExit:
        raise
    except BaseException as error:
        if logged:
            sys.stdout.flush()  # what was printed before comes before it
            traceback.print_exc()
        _report(reports, "failed" if isinstance(error, Exception) else "lost", number, detail_line(error))
        sys.exit(1)


def _report(reports: Connection, kind: str, number: int, detail: str | int) -> None:
    with contextlib.suppress(OSError):  # the driver is gone
        reports.send((kind, number, detail))


def _devices(gpus: int) -> list[str]:
    """What CUDA calls the first `gpus` GPUs that this process may use."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return visible[:gpus] if visible else [str(i) for i in range(gpus)]
