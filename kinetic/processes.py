"""Python processes that import from where this one does, never from the current folder; and what stops a process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from itertools import takewhile

__all__ = ["guarded", "isolated", "search_path", "stop_signals", "variables"]

BOOT = """
import importlib, json, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
sys.path[:], function, arguments = json.loads(sys.argv.pop())
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
    whole = json.dumps([list(search_path() if path is None else path), function, arguments])
    return [sys.executable, "-I", f"-Xutf8={sys.flags.utf8_mode}", "-c", BOOT, whole]


def search_path(*modules: str) -> list[str]:
    """Where this process looks for modules, as whole paths, and in any case the homes of kinetic and of these modules.

    Relative entries, such as the empty one that stands for the current folder, are left out: another process would look
    elsewhere. What was imported through one, as in a notebook, is still found: its folder stands first then.
    """
    path = [entry for entry in sys.path if os.path.isabs(entry)]
    return [*(home for home in _homes(modules) if home not in path), *path]


def variables(*modules: str) -> dict[str, str]:
    """The variables of an environment in which every Python looks for modules as `search_path` says.

    They hold what stands before the standard library: the rest any process of this Python finds by itself.
    """
    paths = sysconfig.get_paths()
    archive = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    first = takewhile(
        lambda entry: entry not in (paths["stdlib"], paths["platstdlib"]) and os.path.basename(entry) != archive,
        search_path(*modules),
    )
    homes = (home for home in _homes(modules) if home not in (paths["purelib"], paths["platlib"]))
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(dict.fromkeys([*first, *homes]))}


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Inside, what libraries start as Python leaves the current folder alone too, by `variables` in the environment."""
    wanted = variables()
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _homes(modules: Sequence[str]) -> list[str]:
    """The folders from which kinetic and these modules, as far as they are imported, came."""
    homes = []
    for name in ("kinetic", *modules):
        top = sys.modules.get(name.partition(".")[0])
        place = next(iter(getattr(top, "__path__", ())), None) or getattr(top, "__file__", None)
        if place:
            homes.append(os.path.dirname(os.path.abspath(place)))
    return list(dict.fromkeys(homes))


def stop_signals() -> tuple[int, ...]:
    """The signals that ask this process to stop: SIGTERM, and the end of its terminal unless it is to outlive that."""
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:  # Windows; nohup
        return (signal.SIGTERM,)
    return (signal.SIGTERM, hangup)
