"""Tasks on the nodes of a Ray cluster that somebody else has started."""

from __future__ import annotations

import contextlib
import importlib
import logging
import multiprocessing
import operator
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kinetic.engines.interface import Event, Task, import_path
from kinetic.processes import isolated, search_path
from kinetic.version import install_hint

__all__ = ["Ray"]


@dataclass(frozen=True)
class Ray:
    """Carries tasks to the nodes of a running Ray cluster; it never starts one.

    The call is made on a node of the cluster. The nodes share what is used here: the same paths lead to the same
    Python with `kinetic`, the module of the work, the working directory and the folders that the tasks name. Where the
    cluster wants a token (`RAY_AUTH_MODE`), the environment has it, as for any program that uses Ray.

    Each task is a task of Ray in whose worker the work runs as a process of its own, in that process's main thread. It
    is stopped with SIGTERM and killed `grace` seconds later; it dies at once with its worker. A node that dies
    closes its connections, and its tasks move at once. One that is cut off (a pulled cable, no power) may go on with
    tasks that are already being tried elsewhere, and Ray waits for its answers for some minutes, in which tasks that
    have not started, or the exit of the calling process, may hang. (Probing connections sooner, by Ray's own settings,
    makes healthy workers refuse them.)

    Args:
        address: HOST:PORT of the cluster's head; "auto" = what RAY_ADDRESS says, else the cluster of this node
        cpus: that Ray reserves for a task; it uses as many threads
        gpus: that Ray reserves for a task
        retries: how often a task that was lost is tried again
        grace: seconds between asking a task to stop and killing it
        jobs: most tasks at a time; None = as many as the cluster has room for
    """

    address: str = "auto"
    _: KW_ONLY
    cpus: float = 1
    gpus: float = 0
    retries: int = 2
    grace: float = 60.0
    jobs: int | None = None

    def __post_init__(self) -> None:
        _parts(self.address)
        for name in ("cpus", "gpus", "retries", "grace"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"jobs must be at least 1, got {self.jobs}")

    def run(self, work: Callable[[str], None], tasks: Sequence[Task]) -> Generator[Event, None, None]:
        """Run all tasks; see `Engine`.

        Raises:
            ModuleNotFoundError: when Ray is not installed
            ConnectionError: when there is no cluster at the address
            ValueError: when the work is not a function of a module, or no node has the CPUs and GPUs of a task
        """
        reference = import_path(work)
        with _connected(self.address) as ray:
            _check_room(ray, self.cpus, self.gpus)
            yield from self._events(ray, reference, tasks)

    def _events(self, ray: Any, reference: str, tasks: Sequence[Task]) -> Iterator[Event]:
        carry = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(_carry)
        place = (os.getcwd(), search_path(reference.partition(":")[0]))
        waiting = deque(_Attempt(task) for task in tasks)
        running: dict[Any, _Attempt] = {}
        try:
            while waiting or running:
                while waiting and (self.jobs is None or len(running) < self.jobs):
                    attempt = waiting.popleft()
                    running[carry.remote(reference, attempt.task.argument, *place, self.cpus, self.grace)] = attempt
                ready, _ = ray.wait(list(running), timeout=0.5)
                heard = [(stream, _next(ray, stream)) for stream in ready]
                if not heard:
                    yield Event("tick")
                    heard = _silenced(ray, running)
                for stream, (news, node) in heard:
                    attempt = running[stream]
                    attempt.node = node
                    if news.kind != "started":
                        del running[stream]
                    if news.kind == "lost":
                        attempt.losses += 1
                        if attempt.losses <= self.retries:
                            waiting.append(attempt)
                        else:
                            news = Event("failed", detail=f"lost {attempt.losses} times; the last time: {news.detail}")
                    yield Event(news.kind, attempt.task.name, news.detail)
        finally:
            _cancel(ray, list(running), self.grace)


@dataclass
class _Attempt:
    """A task on its way, how often it was lost, and Ray's name for the node where it runs."""

    task: Task
    losses: int = 0
    node: str = ""


def _parts(address: str) -> tuple[str, int] | None:
    """Host and port; None for auto."""
    host, _, port = address.rpartition(":")
    if address == "auto":
        return None
    if not host or "/" in host or not port.isdecimal():  # Ray would start a cluster for some other words
        raise ValueError(f"address must be auto or HOST:PORT of a running Ray cluster, got {address!r}")
    return host.strip("[]"), int(port)


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """The library, connected to the cluster; a connection that is there already is used and left."""
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # else it prints every death, which the events tell
    try:
        ray: Any = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ModuleNotFoundError(f"Ray is not installed: {install_hint('ray')}", name="ray") from None
    if ray.is_initialized():
        yield ray
        return
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or "auto"
    try:
        if (parts := _parts(address)) is not None:
            socket.create_connection(parts, timeout=10).close()  # Ray itself tries for two minutes
        # Ray has its workers import first from what is the current folder now, where anything may lie
        with _own_sigterm(), contextlib.chdir(Path(__file__).parents[2]):
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (
        OSError,
        RuntimeError,
        ray.exceptions.RayError,
        SystemExit,
    ) as error:  # Ray ends the process where it is lost
        raise ConnectionError(
            f"no Ray cluster can be reached at {address} from this machine, which must be one of its nodes"
            f" (ray start): {_line(error)}"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Give back the handler of SIGTERM, which Ray replaces as it connects."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _check_room(ray: Any, cpus: float, gpus: float) -> None:
    """Ray would wait for ever for a node that is large enough."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    sizes = sorted({(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in nodes})
    if not any(size[0] >= cpus and size[1] >= gpus for size in sizes):
        found = ", ".join(f"{size[0]:g} and {size[1]:g}" for size in sizes)
        raise ValueError(f"no node has the {cpus:g} CPUs and {gpus:g} GPUs of a task; the cluster's nodes have {found}")


def _next(ray: Any, stream: Any) -> tuple[Event, str]:
    """What a task of Ray says next, without the name of ours, and Ray's name for the node where it runs."""
    try:
        kind, detail, node = ray.get(next(stream))
        return Event(kind, detail=detail), node
    except ray.exceptions.RayTaskError as error:  # of _carry; those of the work are told by itself
        return Event("failed", detail=_line(error.cause)), ""
    except ray.exceptions.RayError as error:
        return Event("lost", detail=_line(error)), ""


def _silenced(ray: Any, running: Mapping[Any, _Attempt]) -> list[tuple[Any, tuple[Event, str]]]:
    """What runs on nodes that are dead: Ray itself waits minutes for the answer of one that was cut off."""
    dead = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if not node["Alive"]}
    return [
        (stream, (Event("lost", detail=f"the node {dead[attempt.node]} died"), ""))
        for stream, attempt in running.items()
        if attempt.node in dead
    ]


def _line(error: BaseException) -> str:
    """Type and message of an error, in one line that is not too long."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) <= 300 else text[:300] + ' ...'}".rstrip(": ")


def _cancel(ray: Any, running: Sequence[Any], grace: float) -> None:
    """Stop what runs, and return when it has stopped."""
    left = list(running)
    try:
        for stream in left:
            ray.cancel(stream)
        patience = time.monotonic() + grace + 10  # the workers themselves kill after the grace
        while left and time.monotonic() < patience:
            ready, _ = ray.wait(left, timeout=0.5)
            for stream in ready:
                if _next(ray, stream)[0].kind != "started":
                    left.remove(stream)
    finally:
        for stream in left:
            ray.cancel(stream, force=True)


def _carry(
    reference: str, argument: str, folder: str, paths: Sequence[str], cpus: float, grace: float
) -> Iterator[tuple[str, str, str]]:
    """In a worker of Ray: run a piece of work in a process of its own; yields two events as kind, detail and node."""
    ray: Any = importlib.import_module("ray")
    mine, its = multiprocessing.Pipe()
    with mine:
        with its:
            process = subprocess.Popen(
                isolated("kinetic.engines.ray:_work", its.fileno(), reference, argument, path=paths),
                cwd=folder,
                env=os.environ | {"OMP_NUM_THREADS": str(max(1, int(cpus)))},
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
            )
        try:
            where = f"{platform.node()} ({ray.util.get_node_ip_address()}), process {process.pid}"
            yield "started", where, ray.get_runtime_context().get_node_id()
            while process.poll() is None:
                time.sleep(0.1)  # an interruption by ray.cancel comes between two of these
            try:
                yield mine.recv() if mine.poll() else _death(process)
            except EOFError:
                yield _death(process)
        finally:
            _stop(process, grace)


def _death(process: subprocess.Popen[bytes]) -> tuple[str, str, str]:
    """The event of a process that ended without a word."""
    status = process.returncode
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    return "lost", f"process {process.pid} {how} before the work was done", ""


def _stop(process: subprocess.Popen[bytes], grace: float) -> None:
    """Ask a process to end, and make it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait()


def _work(handle: int, reference: str, argument: str) -> None:
    """In the process of a piece of work: run it and tell the worker, through a pipe, how it ended."""
    os.set_inheritable(handle, False)
    worker = Connection(handle)
    threading.Thread(target=_die_with, args=(worker,), daemon=True).start()
    module, _, name = reference.partition(":")
    try:
        operator.attrgetter(name)(importlib.import_module(module))(argument)
    except Exception as error:
        traceback.print_exc()  # into the log of the worker
        worker.send(("failed", _line(error), ""))
        sys.exit(1)
    worker.send(("ended", "", ""))


def _die_with(worker: Connection) -> None:
    """End this process when the worker is no more, whatever it is doing: another may already do the same work."""
    with contextlib.suppress(EOFError, OSError):
        worker.recv()
    os.kill(os.getpid(), signal.SIGKILL)
