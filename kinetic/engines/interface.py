"""What an engine is: it carries pieces of work to processes and reports what became of them.

An engine knows nothing of recipes and scores. The files of a piece of work say whether it is done; an engine only
brings it to a processor, brings it there again when the process or its machine died, and stops it on request.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, Protocol

from kinetic.messages import error_line, one_line

__all__ = ["Engine", "Event", "Task", "import_path", "load_work", "detail_line"]

LONGEST_LINE = 300
"""Characters of the detail of an event; a pipe takes as many in one piece."""


@dataclass(frozen=True)
class Task:
    """A piece of work.

    Args:
        name: unlike that of any other task of the same call
        argument: what the work is called with, such as the path of a folder
    """

    name: str
    argument: str


@dataclass(frozen=True)
class Event:
    """Something that happened to a task.

    Args:
        kind: started; ended = the work returned; lost = its process or machine died, or its time ran out, and the
            engine tries it again; failed = the engine does not try it again; tick = time passed and nothing happened
        name: of the task; empty for a tick
        detail: one line: where it runs, why it was lost or failed
    """

    kind: Literal["started", "ended", "lost", "failed", "tick"]
    name: str = ""
    detail: str = ""


class Engine(Protocol):
    """Something that runs tasks.

    The work is a function of a module, so that any process can import it. The engine may call it again for a task that
    was lost, and it must then go on where it stopped. SIGTERM asks it to stop early; it then ends with an exception or
    a status other than 0.
    """

    def run(self, work: Callable[[str], None], tasks: Sequence[Task]) -> Generator[Event, None, None]:
        """Run all tasks and yield what happens, a tick at least every second, until every task ended or failed.

        An exception of the work fails its task at once, for it would come again; a death of its process does not.
        Closing the generator early, as Ctrl-C in the loop over it does, stops what runs: first by a request (SIGTERM),
        then by force.
        """
        ...


def import_path(work: Callable[[str], None]) -> str:
    """Where other processes find the work, as `module:name`.

    Raises:
        ValueError: for what they cannot import: a lambda, a function inside another or of the script that runs
    """
    module, name = getattr(work, "__module__", None), getattr(work, "__qualname__", None)
    try:
        same = load_work(f"{module}:{name}") is work if module in sys.modules else False
    except AttributeError:
        same = False
    if module == "__main__" or not same:
        raise ValueError(
            f"the work must be a function of a module that other processes can import, got {name or repr(work)} of "
            f"{'the script that runs' if module == '__main__' else module}"
        )
    return f"{module}:{name}"


def load_work(reference: str) -> Any:
    """The work that `import_path` calls `module:name`."""
    module, _, name = reference.partition(":")
    return attrgetter(name)(importlib.import_module(module))


def detail_line(text: object) -> str:
    """A text, or the type and message of an error, as the one line of an event's detail."""
    return error_line(text, LONGEST_LINE) if isinstance(text, BaseException) else one_line(text, LONGEST_LINE)
