"""The command line: `kinetic VERB ...`. Each verb is one plain function of the parsed arguments.

Exit status: 0 done, 1 the work failed, 2 the request was wrong, 129 SIGHUP, 130 Ctrl-C, 143 SIGTERM. An error is one
line on standard error; `--debug` prints the traceback before it. Output for other programs goes to standard output.
"""

from __future__ import annotations

import re
import shutil
import signal
import sys
import traceback
from argparse import ArgumentParser, HelpFormatter, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NoReturn

from kinetic.cli.ablate import ABLATE_VERBS
from kinetic.cli.arguments import WRONG_REQUEST, Stopped, Verb, WrongRequest
from kinetic.cli.data import DATA_VERBS
from kinetic.cli.evaluate import EVALUATE_VERBS
from kinetic.cli.fit import FIT_VERBS
from kinetic.cli.look import LOOK_VERBS, SKELETON_VERBS
from kinetic.cli.sample import SAMPLE_VERBS
from kinetic.messages import complain, error_line, nearest, open_streams, say, settle_streams, speaking, suggestion
from kinetic.processes import load_code, stop_signals
from kinetic.version import __version__

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["VERBS", "main", "parse"]

VERBS: dict[str, Verb] = {
    **FIT_VERBS,
    **SAMPLE_VERBS,
    **EVALUATE_VERBS,
    **ABLATE_VERBS,
    **LOOK_VERBS,
    **DATA_VERBS,
    **SKELETON_VERBS,
}
"""Every verb by what is typed after `kinetic`, in the order of the help."""

EXIT_STATUS = """\
Exit status: 0 done, 1 the work failed, 2 the request was wrong;
stopped: 130 by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that the arguments name (those of the process by default); returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in arguments
    open_streams()
    with _signals_stop(), speaking():
        try:
            request = parse(arguments)
            request.run(request)
        except KeyboardInterrupt:
            complain("interrupted")
            return 130
        except Stopped as stop:
            return 128 + stop.number
        except BrokenPipeError:  # `kinetic ... | head`: the reader has enough
            return 0
        except Exception as error:
            if debug:
                say(traceback.format_exc().rstrip("\n"), error=True)
            complain(error_line(error, plain=WRONG_REQUEST))
            return 2 if isinstance(error, WRONG_REQUEST) else 1
        finally:
            settle_streams()
        return 0


def parse(arguments: Sequence[str]) -> Namespace:
    """The parsed arguments, whose `run` is the function of their verb. `--help` prints and exits.

    Raises:
        WrongRequest: for an unknown verb or arguments that the verb does not take
    """
    words = list(arguments)
    verb = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in VERBS), None)
    if verb is None:
        _no_verb(words)
    words = words[len(verb.split()) :]
    _load_code(words)  # before the arguments are declared, since it may add some
    parser = _Parser(prog=f"kinetic {verb}", description=VERBS[verb].run.__doc__, allow_abbrev=False)
    VERBS[verb].declare(parser)
    code = "a Python file of yours to import first, with a part or a model of your own; again for more"
    parser.add_argument("--code", action="append", default=[], metavar="FILE", help=code)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_intermixed_args(words, Namespace(run=VERBS[verb].run))


def _load_code(words: Sequence[str]) -> None:
    """Import the files that `--code` names."""
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        if word == "--code" or word.startswith("--code="):
            load_code(word.partition("=")[2] or following)


class _Parser(ArgumentParser):
    """An argument parser whose errors are one line, with the nearest option for an unknown one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, **options)

    def error(self, message: str) -> NoReturn:
        if match := re.search(r"^unrecognized arguments: (--[^\s=]+)", message):
            word = match[1]
            near = nearest(word, [option for option in self._option_string_actions if option.startswith("--")])
            advice = f"did you mean {near[0]}?" if near else f"see {self.prog} --help"
            message = f"{word}: unknown option; {advice}"
        raise WrongRequest(f"{self.prog.removeprefix('kinetic ')}: {message}")


class _Help(HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=min(120, shutil.get_terminal_size((100, 24)).columns))


@contextmanager
def _signals_stop() -> Iterator[None]:
    """A context in which SIGTERM and SIGHUP raise Stopped. Training sets handlers of its own while it runs."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise Stopped(number)

    try:
        before = {number: signal.signal(number, stop) for number in stop_signals()}
    except ValueError:  # only the main thread may set handlers
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _no_verb(words: list[str]) -> NoReturn:
    """Answer words without a verb: help, the version, or an error."""
    group = [verb for verb in VERBS if words and verb.startswith(f"{words[0]} ")]
    if not words or {"-h", "--help"} & set(words[:2]):
        say("usage: kinetic VERB ...   (kinetic VERB --help says more)\n")
        for verb in group or VERBS:
            say(f"  {verb:16}{VERBS[verb].meaning}")
        if not group:
            say(f"\n{EXIT_STATUS}")
        raise SystemExit(0)
    if words[0] == "--version":
        say(f"kinetic {__version__}")
        raise SystemExit(0)
    if group:
        raise WrongRequest(f"{' '.join(words[:2])}: unknown verb; expected one of: {', '.join(group)}")
    raise WrongRequest(f"{words[0]}: unknown verb; {suggestion(words[0], VERBS)}")
