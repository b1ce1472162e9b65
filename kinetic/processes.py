"""Python processes of our own: how they start, where they import from, and how they end with the one that started them.

Servers of local cells, workers of a build and the processes of Ray's cells are each a `Child`. The jobs of Slurm start
with the same command, `isolated`, but have no pipes: they outlive the process that submitted them.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from itertools import takewhile
from multiprocessing.connection import Connection, Pipe
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = [
    "Child",
    "close_in_forks",
    "code_files",
    "end_with",
    "ending",
    "guarded",
    "isolated",
    "kill_group",
    "load_code",
    "processors",
    "search_path",
    "stop_signals",
    "thread_variables",
    "variables",
]

BOOT = """
import importlib, json, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
sys.path[:], function, arguments = json.loads(sys.argv.pop(1))
module, _, name = function.partition(":")
getattr(importlib.import_module(module), name)(*arguments)
"""


def isolated(function: str, *arguments: object, path: Sequence[str] | None = None) -> list[str]:
    """The command of a Python process that calls `module:function` with these plain values.

    Python itself puts the current folder first where it starts with `-c` or `-m`, so that a `json.py` there would run.
    This process imports from `path` alone, whatever the environment says, and leaves Ctrl-C to the one that started it.

    Args:
        path: where it looks for modules; None = `search_path()`
    """
    call = json.dumps([list(search_path() if path is None else path), function, arguments])
    return [sys.executable, "-I", f"-Xutf8={sys.flags.utf8_mode}", "-c", BOOT, call]


class Child:
    """An isolated process that calls `function(orders, replies, *arguments)`, and the pipes to it.

    It is the leader of its own session, so the Ctrl-C of a terminal does not reach it. It dies with this process: a
    third pipe, the lifeline, closes then.

    Args:
        function: `module:function`, called with the read end of `orders`, the write end of `replies` and the arguments
        arguments: plain values
        path: where it looks for modules; None = `search_path()`
        folder: its current folder; None = that of this process
        threads: of OpenMP and the libraries of linear algebra
        lifeline: whether it is killed when this process dies; if not, the function must return when its orders end

    Attributes:
        orders: takes messages for the child; closing it tells the child that there are no more
        replies: gives the messages of the child, and EOFError when the child is gone
        process: for its number and its exit status
    """

    def __init__(
        self,
        function: str,
        *arguments: object,
        path: Sequence[str] | None = None,
        folder: str | None = None,
        threads: int = 1,
        lifeline: bool = True,
    ) -> None:
        orders, self.orders = Pipe(duplex=False)
        self.replies, replies = Pipe(duplex=False)
        watched, self._lifeline = Pipe(duplex=False)
        ends = (orders, replies, watched)
        with orders, replies, watched:
            if sys.platform == "win32":  # the child fetches the handles itself
                numbers: Any = [bytes(ForkingPickler.dumps(end)).hex() for end in ends]
            else:
                numbers = [end.fileno() for end in ends]
            self.process = subprocess.Popen(
                isolated("kinetic.processes:_call", function, numbers, lifeline, arguments, path=path),
                cwd=folder,
                env=os.environ | thread_variables(threads),
                stdin=subprocess.DEVNULL,
                pass_fds=() if sys.platform == "win32" else numbers,
                start_new_session=True,
            )
        close_in_forks(self.orders, self._lifeline)

    def end(self, grace: float) -> str:
        """Wait until the child ends by itself, kill it and all it started after `grace` seconds; how it ended."""
        self.orders.close()
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            pass
        finally:  # also after a second Ctrl-C
            kill_group(self.process.pid)
            self.process.kill()
            self.process.wait()
            self.replies.close()
            self._lifeline.close()
        return ending(self.process.returncode)


def _call(function: str, numbers: Sequence[Any], lifeline: bool, arguments: Sequence[object]) -> None:
    """Body of a child."""
    if sys.platform == "win32":
        ends = [pickle.loads(bytes.fromhex(number)) for number in numbers]
    else:
        for number in numbers:
            os.set_inheritable(number, False)
        ends = [Connection(number) for number in numbers]
    if lifeline:
        end_with(ends[2])
    module, _, name = function.partition(":")
    getattr(importlib.import_module(module), name)(*ends[:2], *arguments)


def end_with(lifeline: Connection, grace: float = 0.0) -> None:
    """Have this process end when the other end of the lifeline closes, as it does when its owner dies.

    The main thread gets SIGTERM first; `grace` seconds later the whole process group, which this process must lead, is
    killed. Without a grace it is killed at once.
    """
    threading.Thread(target=_watch, args=(lifeline, grace), daemon=True).start()


def _watch(lifeline: Connection, grace: float) -> None:
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv()
    if sys.platform == "win32":
        os._exit(1)
    if grace > 0:
        # to the main thread, so that it wakes up when it waits for something
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        time.sleep(grace)
    os.killpg(0, signal.SIGKILL)


_WRITE_ENDS: weakref.WeakSet[Connection] = weakref.WeakSet()


def close_in_forks(*connections: Connection) -> None:
    """Close these ends of pipes in every process that this one forks: it would keep them open after our death."""
    _WRITE_ENDS.update(connections)


def _close_write_ends() -> None:
    for connection in _WRITE_ENDS:
        connection.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_write_ends)


def kill_group(leader: int | None) -> None:
    """Kill all processes of a group, those that its leader left behind too."""
    if sys.platform != "win32" and leader is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def ending(status: int) -> str:
    """How a process ended, in words, from its exit status; signals are negative."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_variables(threads: int) -> dict[str, str]:
    """The variables of an environment in which numerical libraries use this many threads."""
    return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))


# -------------------------------------------------------------------------------------------------- where modules are


def search_path(*modules: str) -> list[str]:
    """Where this process looks for modules, as whole paths, with the homes of kinetic and of these modules.

    Relative entries, such as the empty one that stands for the current folder, are left out: another process would look
    elsewhere. A module that was imported through one, as in a notebook, is still found: its folder comes first then.
    """
    path = [entry for entry in sys.path if os.path.isabs(entry)]
    return [*(home for home in _homes(modules) if home not in path), *path]


def variables() -> dict[str, str]:
    """The variables of an environment in which every Python looks for modules as `search_path` says.

    They hold the entries before the standard library: any process of this Python finds the rest by itself.
    """
    paths = sysconfig.get_paths()
    archive = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    first = takewhile(
        lambda entry: entry not in (paths["stdlib"], paths["platstdlib"]) and os.path.basename(entry) != archive,
        search_path(),
    )
    homes = (home for home in _homes(()) if home not in (paths["purelib"], paths["platlib"]))
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(dict.fromkeys([*first, *homes]))}


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Inside, the Python processes that libraries start leave the current folder alone too, by `variables`."""
    changes = variables()
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _homes(modules: Sequence[str]) -> list[str]:
    """The folders that hold kinetic and these modules, as far as they are imported."""
    homes = []
    for name in ("kinetic", *modules):
        top = sys.modules.get(name.partition(".")[0])
        place = next(iter(getattr(top, "__path__", ())), None) or getattr(top, "__file__", None)
        if place:
            homes.append(os.path.dirname(os.path.abspath(place)))
    return list(dict.fromkeys(homes))


# ---------------------------------------------------------------------------------------------------- code of a user


def code_files(code: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Whole paths of Python files.

    Raises:
        ValueError: for one path instead of a list, and for a file that does not end in .py
        FileNotFoundError: for a file that does not exist
    """
    if isinstance(code, (str, os.PathLike)):
        raise ValueError(f"code must be a list of Python files, got {os.fspath(code)!r}; write [{os.fspath(code)!r}]")
    paths = [Path(file).expanduser().absolute() for file in code]
    for path in paths:
        if path.suffix != ".py":
            raise ValueError(f"{path}: expected a Python file, whose name ends in .py")
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such Python file")
    return [str(path) for path in paths]


def load_code(file: str | os.PathLike[str]) -> ModuleType:
    """Import a Python file by its path, once per process; the module.

    The module of `my-loss.py` is called `kinetic_code_my_loss`, in every process. Its folder is not searched for the
    modules that it imports.

    Raises:
        ValueError: when the file does not end in .py, or another file of this name is loaded already
        FileNotFoundError: when there is no such file
        ImportError: when the file itself raises an error
    """
    (path,) = code_files([file])
    name = f"kinetic_code_{re.sub('[^A-Za-z0-9_]', '_', Path(path).stem)}"
    module = sys.modules.get(name)
    if module is not None:
        if not os.path.samefile(path, str(module.__file__)):
            raise ValueError(f"{path}: {module.__file__} is loaded under the same name, {name}; rename one of the two")
        return module
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # as for every name in .py
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ImportError(f"{path}: {type(error).__name__}: {error}", path=path) from error
    return module


def stop_signals() -> tuple[int, ...]:
    """The signals that ask this process to stop: SIGTERM, and the end of its terminal unless it is to outlive that."""
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:  # Windows; nohup
        return (signal.SIGTERM,)
    return (signal.SIGTERM, hangup)
