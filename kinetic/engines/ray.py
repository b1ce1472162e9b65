"""Tasks on the nodes of a Ray cluster that somebody else has started."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import platform
import signal
import socket
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

from kinetic.engines.interface import Event, Task, detail_line, import_path, load_work
from kinetic.processes import Child, code_files, ending, load_code, search_path
from kinetic.version import install_hint

__all__ = ["Ray"]


@dataclass(frozen=True)
class Ray:
    """Carries tasks to the nodes of a running Ray cluster; it never starts one.

    The call is made on a node of the cluster. The nodes share what is used here: the same paths lead to the same
    Python with `kinetic`, the module of the work, the working directory and the folders that the tasks name. Where the
    cluster wants a token (`RAY_AUTH_MODE`), the environment has it, as for any program that uses Ray.

    Each task is a task of Ray, whose worker starts a process for the work and runs it in that process's main thread. It
    is stopped with SIGTERM and killed `grace` seconds later; it dies at once with its worker. A node that dies
    closes its connections, and its tasks move at once. One that is cut off (a pulled cable, no power) may go on with
    tasks that already run again elsewhere, and Ray waits for its answers for some minutes, in which tasks that
    have not started, or the exit of the calling process, may hang. (Probing connections sooner, by Ray's own settings,
    makes healthy workers refuse them.)

    Args:
        address: HOST:PORT of the cluster's head; "auto" = what RAY_ADDRESS says, else the cluster of this node
        cpus: that Ray reserves for a task; it uses as many threads
        gpus: that Ray reserves for a task
        retries: how often a task that was lost is tried again
        grace: seconds between asking a task to stop and killing it
        jobs: most tasks at a time; None = as many as the cluster has room for
        code: Python files that each process imports before its work; the same paths lead to them on all nodes
    """

    address: str = "auto"
    _: KW_ONLY
    cpus: float = 1
    gpus: float = 0
    retries: int = 2
    grace: float = 60.0
    jobs: int | None = None
    code: Sequence[str | os.PathLike[str]] = ()

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
            ValueError, FileNotFoundError: when `code` holds something else than Python files
        """
        reference, code = import_path(work), code_files(self.code)
        with _connected(self.address) as ray:
            _check_room(ray, self.cpus, self.gpus)
            yield from self._events(ray, reference, code, tasks)

    def _events(self, ray: Any, reference: str, code: list[str], tasks: Sequence[Task]) -> Iterator[Event]:
        carry = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(_carry)
        place = (os.getcwd(), search_path(reference.partition(":")[0]))
        waiting = deque(_Attempt(task) for task in tasks)
        running: dict[Any, _Attempt] = {}
        try:
            while waiting or running:
                while waiting and (self.jobs is None or len(running) < self.jobs):
                    attempt = waiting.popleft()
                    stream = carry.remote(reference, attempt.task.argument, code, *place, self.cpus, self.grace)
                    running[stream] = attempt
                ready, _ = ray.wait(list(running), timeout=0.5)
                reports = [(stream, _next(ray, stream)) for stream in ready]
                if not reports:
                    yield Event("tick")
                    reports = _silenced(ray, running)
                for stream, (news, node) in reports:
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
    """A task that waits or runs, how often it was lost, and Ray's name for the node where it runs."""

    task: Task
    losses: int = 0
    node: str = ""


def _parts(address: str) -> tuple[str, int] | None:
    """Host and port; None for auto."""
    host, _, port = address.rpartition(":")
    if address == "auto":
        return None
    if not host or "/" in host or not port.isdecimal():  # for some other words, Ray would start a cluster
        raise ValueError(f"address must be auto or HOST:PORT of a running Ray cluster, got {address!r}")
    return host.strip("[]"), int(port)


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """The library, connected to the cluster; an older connection is used, and left open."""
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # else it prints every death, which the events report
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
    except (OSError, RuntimeError, ray.exceptions.RayError, SystemExit) as error:  # Ray may end the whole process
        raise ConnectionError(
            f"no Ray cluster can be reached at {address} from this machine, which must be one of its nodes"
            f" (ray start): {detail_line(error)}"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Restore the handler of SIGTERM, which Ray replaces as it connects."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _check_room(ray: Any, cpus: float, gpus: float) -> None:
    """Refuse tasks that no node is large enough for: Ray would wait for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    sizes = sorted({(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in nodes})
    if not any(size[0] >= cpus and size[1] >= gpus for size in sizes):
        rooms = ", ".join(f"{size[0]:g} and {size[1]:g}" for size in sizes)
        raise ValueError(f"no node has the {cpus:g} CPUs and {gpus:g} GPUs of a task; the cluster's nodes have {rooms}")


def _next(ray: Any, stream: Any) -> tuple[Event, str]:
    """The next event of a task of Ray, without the name of our task, and Ray's name for the node where it runs."""
    try:
        kind, detail, node = ray.get(next(stream))
        return Event(kind, detail=detail), node
    except ray.exceptions.RayTaskError as error:  # of _carry; those of the work arrive as events
        return Event("failed", detail=detail_line(error.cause)), ""
    except ray.exceptions.RayError as error:
        return Event("lost", detail=detail_line(error)), ""


def _silenced(ray: Any, running: Mapping[Any, _Attempt]) -> list[tuple[Any, tuple[Event, str]]]:
    """Losses of the tasks on dead nodes: Ray itself waits minutes for the answer of one that was cut off."""
    dead = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if not node["Alive"]}
    return [
        (stream, (Event("lost", detail=f"the node {dead[attempt.node]} died"), ""))
        for stream, attempt in running.items()
        if attempt.node in dead
    ]


def _cancel(ray: Any, running: Sequence[Any], grace: float) -> None:
    """Stop what runs, and return when it has stopped."""
    left = list(running)
    try:
        for stream in left:
            ray.cancel(stream)
        deadline = time.monotonic() + grace + 10  # the workers themselves kill after the grace
        while left and time.monotonic() < deadline:
            ready, _ = ray.wait(left, timeout=0.5)
            for stream in ready:
                if _next(ray, stream)[0].kind != "started":
                    left.remove(stream)
    finally:
        for stream in left:
            ray.cancel(stream, force=True)


def _carry(
    reference: str, argument: str, code: Sequence[str], folder: str, path: Sequence[str], cpus: float, grace: float
) -> Iterator[tuple[str, str, str]]:
    """In a worker of Ray: run a piece of work in a process of its own; yields two events as kind, detail and node."""
    ray: Any = importlib.import_module("ray")
    threads = max(1, int(cpus))
    child = Child("kinetic.engines.ray:_work", reference, argument, code, path=path, folder=folder, threads=threads)
    try:
        where = f"{platform.node()} ({ray.util.get_node_ip_address()}), process {child.process.pid}"
        yield "started", where, ray.get_runtime_context().get_node_id()
        while child.process.poll() is None:
            time.sleep(0.1)  # an interruption by ray.cancel comes between two of these
        died = "lost", f"process {child.process.pid} {ending(child.process.returncode)} before the work was done", ""
        try:
            yield child.replies.recv() if child.replies.poll() else died
        except EOFError:
            yield died
    finally:
        child.process.terminate()  # does nothing after its end
        child.end(grace)


def _work(orders: Connection, replies: Connection, reference: str, argument: str, code: Sequence[str]) -> None:
    """Body of the process of a piece of work: runs it and reports how it ended."""
    try:
        for file in code:
            load_code(file)
        load_work(reference)(argument)
    except Exception as error:
        traceback.print_exc()  # into the log of the worker
        replies.send(("failed", detail_line(error), ""))
        sys.exit(1)
    replies.send(("ended", "", ""))
