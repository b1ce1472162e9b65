"""The command line: help, wrong words, errors, signals and exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace

import pytest

import kinetic
from kinetic.cli import main as cli
from kinetic.cli.arguments import Verb
from kinetic.cli.main import main


def verb(monkeypatch, run):
    monkeypatch.setitem(cli.VERBS, "work", Verb(run, lambda parser: None, "for a test"))


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_the_help_names_every_verb(capsys, words):
    with pytest.raises(SystemExit, match="0"):
        main(words)
    out = capsys.readouterr().out
    assert [name for name in cli.VERBS if f"  {name} " not in out] == []


def test_a_group_of_verbs_has_a_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["skeleton", "--help"])
    out = capsys.readouterr().out
    assert "skeleton check" in out
    assert "evaluate" not in out


@pytest.mark.parametrize("name", list(cli.VERBS))
def test_every_verb_has_a_help(capsys, name):
    with pytest.raises(SystemExit, match="0"):
        main([*name.split(), "--help"])
    assert capsys.readouterr().out.startswith(f"usage: kinetic {name} ")


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"kinetic {kinetic.__version__}\n"


def test_help_and_settings_are_fast_and_need_no_torch():
    code = (
        "import sys; from kinetic.cli.main import main\n"
        "try: main(['fit', '--help'])\n"
        "except SystemExit: pass\n"
        "main(['fit', '--print-config'])\n"
        "print([m for m in ('torch', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - start)
    assert done.stdout.endswith("[]\n")
    assert min(seconds) < 1.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data", "inof", "x"], "data inof: unknown verb; expected one of: data info"),
        (["skeleton", "x"], "skeleton x: unknown verb; expected one of: skeleton check, skeleton show"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(refusal, words, message):
    assert refusal(*words).startswith(message)


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("what came\n and what was expected"), 2, "kinetic: what came and what was expected\n"),
        (FileNotFoundError("a: no such file"), 2, "kinetic: a: no such file\n"),
        (FileExistsError("a: is there already"), 2, "kinetic: a: is there already\n"),
        (RuntimeError("the loss is not a number"), 1, "kinetic: RuntimeError: the loss is not a number\n"),
        (
            PermissionError(13, "Permission denied", "a"),
            1,
            "kinetic: PermissionError: [Errno 13] Permission denied: 'a'\n",
        ),
        (ModuleNotFoundError("an .mp4 needs PyAV"), 2, "kinetic: an .mp4 needs PyAV\n"),
        (KeyError("a"), 1, "kinetic: KeyError: 'a'\n"),
        (MemoryError(), 1, "kinetic: MemoryError\n"),
        (KeyboardInterrupt(), 130, "kinetic: interrupted\n"),
    ],
)
def test_errors_are_one_line_and_a_status(capsys, monkeypatch, error, status, line):
    def run(request: Namespace) -> None:
        raise error

    verb(monkeypatch, run)
    assert main(["work"]) == status
    assert capsys.readouterr() == ("", line)


def test_debug_shows_the_traceback(capsys, monkeypatch):
    def run(request: Namespace) -> None:
        raise RuntimeError("the loss is not a number")

    verb(monkeypatch, run)
    assert main(["work", "--debug"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("kinetic: RuntimeError: the loss is not a number\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_at_once_with_its_status(monkeypatch, number, status):
    before = signal.getsignal(number)

    def run(request: Namespace) -> None:
        os.kill(os.getpid(), number)
        pytest.fail("the work went on")

    verb(monkeypatch, run)
    assert main(["work"]) == status
    assert signal.getsignal(number) == before


def test_python_m_kinetic_is_the_same_and_survives_a_closed_pipe(motions):
    command = f"{sys.executable} -m kinetic fit --print-config | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "name: kinetic-gan\n"
    assert done.stderr == ""
