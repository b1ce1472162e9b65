"""What an engine is: it carries pieces of work to processes and says what became of them.

An engine knows nothing of recipes and scores. Whether a piece of work is done, its own files say; an engine only brings
it to a processor, brings it there again when the process or its machine died, and stops it when asked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, Protocol

__all__ = ["Engine", "Event", "Task", "import_path"]


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
        kind: started; ended = the work returned; lost = its process or machine died, or its time ran out, and it will
            be tried again; failed = it will not be tried again; tick = nothing happened, time went by
        name: of the task; empty for a tick
        detail: one line: where it runs, why it was lost or failed
    """

    kind: Literal["started", "ended", "lost", "failed", "tick"]
    name: str = ""
    detail: str = ""


class Engine(Protocol):
    """Something that runs tasks.

    The work is a function of a module, so that any process can import it. It may be called again for a task that was
    lost, and must then go on where it stopped. SIGTERM asks it to stop early; it then ends with an exception or a
    status other than 0.
    """

    def run(self, work: Callable[[str], None], tasks: Sequence[Task]) -> Generator[Event, None, None]:
        """Run all tasks and tell what happens, a tick at least every second; ends when every task ended or failed.

        An exception of the work fails its task at once, for it would come again; a death of its process does not.
        Closing the generator early, as Ctrl-C in the loop over it does, stops what runs: asked first (SIGTERM), then
        forced.
        """
        ...


def import_path(work: Callable[[str], None]) -> str:
    """Where other processes find the work, as `module:name`.

    Raises:
        ValueError: for what they cannot import: a lambda, a function inside another or of the script that runs
    """
    module, name = getattr(work, "__module__", None), getattr(work, "__qualname__", None)
    try:
        found = attrgetter(name or "")(sys.modules[module or ""])
    except (AttributeError, KeyError):
        found = None
    if module == "__main__" or found is not work:
        raise ValueError(
            f"the work must be a function of a module that other processes can import, got {name or repr(work)} of "
            f"{'the script that runs' if module == '__main__' else module}"
        )
    return f"{module}:{name}"
