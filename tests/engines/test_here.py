"""Tasks in the process that asks for them."""

import os
import sys

import pytest

from kinetic.engines.here import Here
from kinetic.engines.interface import Event, Task


def test_tasks_run_one_after_another_in_this_process():
    calls = []
    events = Here().run(lambda argument: calls.append((os.getpid(), argument)), [Task("a", "1"), Task("b", "2")])
    assert [next(events).kind, calls] == ["started", []]
    assert next(events) == Event("ended", "a") and calls == [(os.getpid(), "1")]
    assert [(event.kind, event.name) for event in events] == [("started", "b"), ("ended", "b")]
    assert calls == [(os.getpid(), "1"), (os.getpid(), "2")]


def test_no_tasks_no_events():
    assert list(Here().run(print, [])) == []


def test_an_exception_fails_its_task_alone(capsys):
    def work(argument):
        if argument == "bad":
            raise ValueError("two\nlines")

    events = list(Here().run(work, [Task("a", "bad"), Task("b", "good")]))
    assert [event.kind for event in events] == ["started", "failed", "started", "ended"]
    assert events[1].detail == "ValueError: two lines"
    assert "in work" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_means_stop_leaves_the_loop(stop):
    def work(argument):
        raise stop

    with pytest.raises(stop):
        list(Here().run(work, [Task("a", ""), Task("b", "")]))


def test_code_is_imported_before_the_first_task(tmp_path):
    (tmp_path / "here_code.py").write_text("ANSWER = 42")
    answers = []

    def work(argument):
        answers.append(sys.modules["kinetic_code_here_code"].ANSWER)

    list(Here([tmp_path / "here_code.py"]).run(work, [Task("a", "")]))
    assert answers == [42]
    del sys.modules["kinetic_code_here_code"]
    with pytest.raises(FileNotFoundError, match="gone.py"):
        list(Here([tmp_path / "gone.py"]).run(work, [Task("a", "")]))
