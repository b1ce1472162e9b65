"""The engine of one machine: a process for each task, forked from one that has imported what the work needs.

Three kinds of processes take part. The driver asks for tasks. The server, a process of its own for each call of `run`,
imports the modules to preload, forks a child for each task, and tells how each ended; no script is imported again, and
what else in the driver uses multiprocessing is left alone. A child holds the read end of a pipe, the lifeline, whose
write end only the server holds, and the server reads orders from a pipe whose write end only the driver holds: so
whichever of them dies, the children hear of it. `multiprocessing.forkserver` is not used, since its one instance
belongs to all code of a process, and imports `__main__` again; `ProcessPoolExecutor` is not, since one dead process
takes all others with it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import KW_ONLY, dataclass
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.process import BaseProcess
from operator import attrgetter
from pathlib import Path
from typing import Any

from kinetic.engines.interface import Event, Task, import_path
from kinetic.files import open_log
from kinetic.processes import guarded, isolated, search_path

__all__ = ["Local"]

LONGEST_LINE = 300
"""Characters of what a child says about its end; short enough for a pipe to take it in one piece."""

PATIENCE = 5.0
"""Seconds after the grace until the driver itself kills what neither ended nor was killed by the server."""


@dataclass(frozen=True)
class Local:
    """Runs tasks in processes of this machine.

    Without fork (on Windows) every child is spawned instead and imports everything anew, the script too.

    The output of a task whose argument is a folder goes to `log.txt` in it, which is made, or is a plain file. An
    `Exception` of the work is the end of its task. Any other end than with status 0 is a loss: a signal, a status, and
    exceptions that mean "stop" such as `KeyboardInterrupt` or `kinetic.training.checkpoint.Interrupted`. A lost task is
    tried again after all others.

    Args:
        jobs: tasks at a time
        retries: how often a task that was lost is tried again
        grace: seconds that a child has to stop by itself after SIGTERM
        preload: modules that are imported once, for all children; none of them may touch CUDA or start threads
        threads: that OpenMP and MKL use in each child
        gpus: of this machine, of which each child sees the one that fewest others use; 0 = children see all

    Raises:
        ValueError: for numbers out of range
    """

    jobs: int = 2
    _: KW_ONLY
    retries: int = 2
    grace: float = 60.0
    preload: Sequence[str] = ()
    threads: int = 1
    gpus: int = 0

    def __post_init__(self) -> None:
        for name, least in (("jobs", 1), ("retries", 0), ("grace", 0), ("threads", 1), ("gpus", 0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if isinstance(self.preload, str):
            raise ValueError(f"preload must be a list of modules, got the text {self.preload!r}")

    def run(self, work: Callable[[str], None], tasks: Sequence[Task]) -> Generator[Event, None, None]:
        """Run all tasks and tell what happens; see `Engine`.

        Raises:
            ValueError: when two tasks have the same name, or other processes cannot import the work
            RuntimeError: while running, when a module to preload cannot be imported
        """
        repeated = [name for name, count in Counter(task.name for task in tasks).items() if count > 1]
        if repeated:
            raise ValueError(f"every task needs a name of its own, {repeated[0]!r} stands there twice")
        return self._run(import_path(work), list(tasks))

    def _run(self, work: str, tasks: list[Task]) -> Generator[Event, None, None]:
        waiting, running = deque(range(len(tasks))), set[int]()
        attempts, said = Counter[int](), dict[int, tuple[str, str]]()
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
                server = server or _Server(self, work)
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
                except EOFError:  # somebody killed the server; its children have heard of it, and are gone
                    server.close()
                    server = None
                    for number in sorted(running):
                        yield end(number, "lost", "the process that starts the others was killed")
                    continue
                if kind == "broken":
                    raise RuntimeError(f"a module to preload cannot be imported: {detail}")
                if kind == "started":
                    yield Event("started", tasks[number].name, f"process {detail}")
                elif kind in ("failed", "lost"):
                    said[number] = kind, str(detail)
                elif kind == "gone":
                    how = ("lost", _reason(detail)) if detail else ("ended", "")
                    yield end(number, *said.pop(number, how))
                if time.monotonic() - ticked >= 0.5:
                    ticked = time.monotonic()
                    yield Event("tick")
        finally:
            if server is not None:
                server.close()


class _Server:
    """What the driver knows of a server: two pipes, and the children that it started."""

    def __init__(self, engine: Local, work: str) -> None:
        self.grace, self.pids, self.given_up = engine.grace, dict[int, int](), float("inf")
        orders, self.orders = Pipe(duplex=False)
        self.reports, reports = Pipe(duplex=False)
        threads = str(engine.threads)
        self.process: subprocess.Popen[bytes] | None = None
        if "fork" in multiprocessing.get_all_start_methods():
            options = (orders.fileno(), reports.fileno(), list(engine.preload), engine.grace, threads)
            path = search_path(work.partition(":")[0], *engine.preload)
            self.process = subprocess.Popen(
                isolated("kinetic.engines.local:_listen", *options, path=path),
                stdin=subprocess.DEVNULL,
                pass_fds=(orders.fileno(), reports.fileno()),
                env={**os.environ, **_environment(threads)},
                start_new_session=True,  # where the Ctrl-C of a terminal does not come
            )
            orders.close()
            reports.close()
        else:
            serve = threading.Thread(
                target=_serve, args=(orders, reports, "spawn", [], engine.grace, threads), daemon=True
            )
            serve.start()
        _ORDERS.add(self.orders)

    def order(self, number: int, work: str, task: Task, device: str) -> bool:
        """Ask for a task on a GPU, or none in particular; False when nobody listens any more."""
        try:
            self.orders.send((number, work, task.argument, device))
        except OSError:
            return False
        return True

    def report(self, seconds: float) -> tuple[str, int, Any] | None:
        """What happened next: what, to which task, and more about it; None when nothing did.

        Raises:
            EOFError: when the server and all its children are gone
        """
        if not self.reports.poll(seconds):
            if self.process is not None and self.process.poll() is not None:
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
                _kill_group(pid)
            self.reports.close()
            if self.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(PATIENCE)
                self.process.kill()
                self.process.wait()


_ORDERS: weakref.WeakSet[Connection] = weakref.WeakSet()


def _let_go() -> None:
    for orders in _ORDERS:
        orders.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)  # what the driver forks would keep its children alive after its death


def _listen(orders: int, reports: int, preload: list[str], grace: float, threads: str) -> None:
    """Be a server, in a process of its own, with the pipes that it has inherited."""
    pipes = Connection(orders, writable=False), Connection(reports, readable=False)
    _serve(*pipes, "fork", preload, grace, threads)


def _serve(
    orders: Connection, reports: Connection, method: str, preload: list[str], grace: float, threads: str
) -> None:
    """What a server does: start a process for each order and tell how it ended, until there are no more orders."""
    if method == "fork":
        for connection in (orders, reports):
            os.set_inheritable(connection.fileno(), False)  # by what a child executes
    try:
        for name in preload:
            importlib.import_module(name)
    except Exception as error:
        _tell(reports, "broken", -1, _line(error))
        return
    if method == "fork":
        gc.freeze()  # or the first collection of every child would touch, and so copy, all that was imported
    context: Any = multiprocessing.get_context(method)
    lifeline, alive = Pipe(duplex=False)
    inherited = [orders, alive] if method == "fork" else []
    running: dict[int, BaseProcess] = {}
    listening, deadline = True, float("inf")
    while listening or running:
        # A process that a dead child left behind may hold its sentinel: therefore the time limit.
        ready = wait([*([orders] if listening else []), *(child.sentinel for child in running.values())], 1.0)
        if orders in ready:
            try:
                number, *order = orders.recv()
            except EOFError:
                listening, deadline = False, time.monotonic() + grace
                alive.close()
            else:
                child = context.Process(
                    target=_live, args=(number, *order, lifeline, reports, inherited, grace, threads)
                )
                try:
                    with guarded() if method == "spawn" else contextlib.nullcontext():
                        child.start()
                    running[number] = child
                except OSError as error:  # no memory, too many processes
                    _tell(reports, "lost", number, _line(error))
                    _tell(reports, "gone", number, 1)
        for number, child in list(running.items()):
            if child.exitcode is not None:
                _kill_group(child.pid)  # what it left behind
                _tell(reports, "gone", number, child.exitcode)
                del running[number]
            elif time.monotonic() > deadline:
                _kill_group(child.pid)
                child.kill()
    reports.close()


def _live(
    number: int,
    work: str,
    argument: str,
    device: str,
    lifeline: Connection,
    reports: Connection,
    inherited: list[Connection],
    grace: float,
    threads: str,
) -> None:
    """What a child does."""
    for connection in inherited:
        connection.close()
    if sys.platform != "win32":
        os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    multiprocessing.set_start_method(None, force=True)  # that of any other process, not that of this one
    os.environ.update(_environment(threads))
    if device:  # before anything looks for GPUs
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    threading.Thread(target=_watch, args=(lifeline, grace), daemon=True).start()
    _tell(reports, "started", number, os.getpid())
    logged = os.path.isdir(argument)
    if logged:
        try:
            log = open_log(Path(argument) / "log.txt")
        except (OSError, ValueError) as error:
            _tell(reports, "failed", number, _line(error))
            sys.exit(1)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.close(log)
    try:
        module, _, name = work.partition(":")
        attrgetter(name)(importlib.import_module(module))(argument)
    except SystemExit:
        raise
    except BaseException as error:
        if logged:
            sys.stdout.flush()  # what was said before stands before it
            traceback.print_exc()
        _tell(reports, "failed" if isinstance(error, Exception) else "lost", number, _line(error))
        sys.exit(1)


def _watch(lifeline: Connection, grace: float) -> None:
    """End this process soon after the server, or the driver."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv()
    if sys.platform == "win32":
        os._exit(1)
    # to the main thread, so that it wakes up when it waits for something
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(grace)
    os.killpg(0, signal.SIGKILL)


def _tell(reports: Connection, kind: str, number: int, detail: str | int) -> None:
    with contextlib.suppress(OSError):  # the driver is gone
        reports.send((kind, number, detail))


def _kill_group(pid: int | None) -> None:
    if sys.platform != "win32" and pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _environment(threads: str) -> dict[str, str]:
    return {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}


def _devices(gpus: int) -> list[str]:
    """What CUDA calls so many GPUs that this process may use."""
    known = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return known[:gpus] if known else [str(i) for i in range(gpus)]


def _reason(status: int) -> str:
    """How a process ended, from its exit status; signals are negative."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def _line(error: BaseException) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 4]} ..."
