"""The engine without processes: tasks run one after another where it is called, for notebooks and tests."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from kinetic.engines.interface import Event, Task, detail_line
from kinetic.processes import code_files, load_code

__all__ = ["Here"]


@dataclass(frozen=True)
class Here:
    """Runs tasks in this process, in their order.

    The work may be any function, also one of a notebook. There are no ticks while it runs. An `Exception` fails its
    task, and its traceback goes to standard error; anything else, such as `KeyboardInterrupt`, leaves the loop.

    Args:
        code: Python files that are imported before the first task
    """

    code: Sequence[str | os.PathLike[str]] = ()

    def run(self, work: Callable[[str], None], tasks: Sequence[Task]) -> Generator[Event, None, None]:
        """Run all tasks; see `Engine`.

        Raises:
            ValueError, FileNotFoundError, ImportError: when a file of `code` cannot be imported
        """
        for file in code_files(self.code):
            load_code(file)
        for task in tasks:
            yield Event("started", task.name, f"process {os.getpid()}")
            try:
                work(task.argument)
            except Exception as error:
                traceback.print_exc()
                yield Event("failed", task.name, detail_line(error))
            else:
                yield Event("ended", task.name)
