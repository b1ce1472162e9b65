"""The engine of one machine, with real processes: their order, their deaths, and that none is left behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import working

from kinetic.engines import local
from kinetic.engines.interface import Event, Task
from kinetic.engines.local import Local

SCRIPT = """
import os, signal, sys, time
from pathlib import Path
import working
from kinetic.engines.interface import Task
from kinetic.engines.local import Local

signal.signal(signal.SIGINT, signal.default_int_handler)  # a test that runs in the background has not inherited it
folders = [Path(folder) for folder in sys.argv[2:]]
run = Local(2, grace=1).run(getattr(working, sys.argv[1]), [Task(folder.name, str(folder)) for folder in folders])
next(run)
if os.fork() == 0:  # now the driver has pipes to inherit
    (folders[0].parent / "forked").write_text(str(os.getpid()))
    time.sleep(100)
    os._exit(0)
for event in run:
    pass
"""
"""A driver without `if __name__ == "__main__"`."""


def tasks_in(tmp_path, *names):
    """A task for each name, with a folder of this name."""
    for name in names:
        (tmp_path / name).mkdir()
    return [Task(name, str(tmp_path / name)) for name in names]


def without_ticks(run):
    return [event for event in run if event.kind != "tick"]


def kinds(events, name):
    return [event.kind for event in events if event.name == name]


def last(events):
    return {event.name: event for event in events}


def spans(folder):
    return [tuple(map(float, line.split())) for line in (folder / "stamps").read_text().splitlines()]


def appeared(path):
    """The text of a file, once it exists."""
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.02)
    return path.read_text()


def assert_gone(pid):
    """Not even a zombie is left, after a while at the latest."""
    until = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until, f"process {pid} still exists"
        time.sleep(0.02)


@pytest.fixture
def driver(tmp_path):
    """Starts drivers, each in its own session."""
    started = []

    def start(work, *names):
        tasks = tasks_in(tmp_path, *names)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parents[1], *sys.path)))}
        (tmp_path / "driver.py").write_text(SCRIPT)
        process = subprocess.Popen(
            [sys.executable, tmp_path / "driver.py", work, *(task.argument for task in tasks)],
            env=environment,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()
        if (tmp_path / "forked").exists():
            os.kill(int((tmp_path / "forked").read_text()), signal.SIGKILL)


def test_every_task_runs_once_and_no_more_than_jobs_at_a_time(tmp_path):
    tasks = tasks_in(tmp_path, *"abcde")
    events = without_ticks(Local(2).run(working.nap, tasks))
    assert all(kinds(events, task.name) == ["started", "ended"] for task in tasks)
    assert [event.name for event in events if event.kind == "started"][0] in "ab"
    stamps = [spans(Path(task.argument)) for task in tasks]
    assert all(len(times) == 1 for times in stamps)
    moments = sorted((moment, 1 - 2 * end) for times in stamps for moment, end in zip(times[0], (0, 1), strict=True))
    running = [sum(change for _, change in moments[: i + 1]) for i in range(len(moments))]
    assert max(running) == 2


def test_one_job_takes_the_tasks_in_their_order(tmp_path):
    events = without_ticks(Local(1).run(working.nap, tasks_in(tmp_path, *"cab")))
    assert [(event.kind, event.name) for event in events] == [
        (kind, name) for name in "cab" for kind in ("started", "ended")
    ]


def test_no_tasks_no_events():
    assert list(Local().run(working.nap, [])) == []


def test_time_ticks(tmp_path):
    run = Local(1).run(working.sleep_long, tasks_in(tmp_path, "a"))
    assert next(run) == Event("started", "a", f"process {appeared(tmp_path / 'a' / 'pid')}")
    assert [next(run), next(run)] == [Event("tick")] * 2
    run.close()


def test_a_killed_task_is_tried_again_after_all_others_and_takes_none_with_it(tmp_path):
    events = without_ticks(Local(1).run(working.vanish_once, tasks_in(tmp_path, "victim", "a", "b")))
    assert kinds(events, "victim") == ["started", "lost", "started", "ended"]
    assert kinds(events, "a") == kinds(events, "b") == ["started", "ended"]
    assert [event.name for event in events if event.kind == "started"] == ["victim", "a", "b", "victim"]
    assert [event.detail for event in events if event.kind == "lost"] == ["attempt 1 of 3: killed by SIGKILL"]
    assert all(len(spans(tmp_path / name)) == 1 for name in ("victim", "a", "b"))


@pytest.mark.parametrize(
    ("work", "reason"),
    [("vanish", "killed by SIGKILL"), ("leave", "ended with status 7"), ("stop", "KeyboardInterrupt: enough")],
)
def test_a_task_that_is_lost_too_often_fails_with_the_reason(tmp_path, work, reason):
    events = without_ticks(Local(1, retries=1).run(getattr(working, work), tasks_in(tmp_path, "a")))
    assert kinds(events, "a") == ["started", "lost", "started", "failed"]
    assert events[-1].detail == f"attempt 2 of 2: {reason}"


def test_an_exception_fails_its_task_alone_and_at_once_in_one_line(tmp_path, capfd):
    events = without_ticks(Local(2).run(working.fail_or_nap, tasks_in(tmp_path, "bad", "good")))
    assert kinds(events, "bad") == ["started", "failed"]
    assert kinds(events, "good") == ["started", "ended"]
    detail = last(events)["bad"].detail
    assert detail.startswith("ValueError: too few motions xxx") and len(detail) <= 300 and "\n" not in detail
    log = (tmp_path / "bad" / "log.txt").read_text()
    assert log.startswith("so far so good\nTraceback") and "in fail_or_nap" in log
    assert capfd.readouterr() == ("", "")


def test_a_log_that_leads_elsewhere_fails_its_task_and_is_not_written(tmp_path):
    linked, piped, good = tasks_in(tmp_path, "linked", "piped", "good")
    (tmp_path / "linked" / "log.txt").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "piped" / "log.txt")
    events = without_ticks(Local(2).run(working.nap, [linked, piped, good]))
    assert [kinds(events, name) for name in ("linked", "piped")] == [["started", "failed"]] * 2
    assert "linked/log.txt: expected no link, found one to" in last(events)["linked"].detail
    assert "piped/log.txt: expected a plain file" in last(events)["piped"].detail
    assert kinds(events, "good") == ["started", "ended"] and not (tmp_path / "elsewhere").exists()


def test_without_a_folder_output_goes_where_the_drivers_goes(capfd):
    events = without_ticks(Local(1).run(working.fail_or_nap, [Task("bad", "/nowhere/bad")]))
    assert last(events)["bad"].kind == "failed"
    assert capfd.readouterr() == ("so far so good\n", "")


def test_closing_stops_all_children_also_a_deaf_one_and_leaves_no_zombie(tmp_path):
    run = Local(2, grace=0.5).run(working.sleep_long_or_deaf, tasks_in(tmp_path, "deaf", "b", "never"))
    pids = [int(appeared(tmp_path / name / "pid")) for name in ("deaf", "b") if next(run)]
    server = Path(f"/proc/{pids[0]}/stat").read_text().split()[3]
    run.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in (*pids, server))
    assert not (tmp_path / "never" / "pid").exists()


def test_an_exception_in_the_loop_asks_the_children_to_stop(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        for _ in Local(1).run(working.sleep_lightly, tasks_in(tmp_path, "a")):
            appeared(tmp_path / "a" / "pid")
            raise KeyboardInterrupt
    assert (tmp_path / "a" / "woken").read_text() == "SIGTERM"
    assert_gone((tmp_path / "a" / "pid").read_text())


def test_children_die_with_a_killed_driver(tmp_path, driver):
    process = driver("sleep_long_or_deaf", "deaf", "b")
    pids = [appeared(tmp_path / name / "pid") for name in ("deaf", "b")]
    appeared(tmp_path / "forked")
    process.kill()
    for pid in pids:
        assert_gone(pid)


def test_ctrl_c_reaches_the_driver_alone_which_asks_the_children_to_stop(tmp_path, driver):
    process = driver("sleep_lightly", "a", "b")
    pids = [appeared(tmp_path / name / "pid") for name in "ab"]
    appeared(tmp_path / "forked")
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert error.count(b"KeyboardInterrupt") >= 1
    assert [(tmp_path / name / "woken").read_text() for name in "ab"] == ["SIGTERM"] * 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_killed_server_is_replaced_and_its_children_stop_before_they_are_tried_again(tmp_path):
    events = without_ticks(Local(2, grace=5).run(working.behead_once, tasks_in(tmp_path, "good", "bad", "later")))
    assert {event.name for event in events if event.kind == "lost"} == {"good", "bad"}
    assert all(kinds(events, name) == ["started", "lost", "started", "ended"] for name in ("good", "bad"))
    assert kinds(events, "later") == ["started", "ended"]
    assert (tmp_path / "good" / "woken").read_text() == "SIGTERM"
    assert "the process that starts the others was killed" in next(e.detail for e in events if e.kind == "lost")


def test_what_a_task_leaves_behind_neither_holds_it_up_nor_stays(tmp_path):
    events = without_ticks(Local(1).run(working.orphan, tasks_in(tmp_path, "a")))
    assert kinds(events, "a") == ["started", "ended"]
    status = Path(f"/proc/{(tmp_path / 'a' / 'pid').read_text()}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"  # where the first process reaps nobody


def test_engines_side_by_side_keep_their_settings_to_themselves(tmp_path):
    before = dict(os.environ)

    def use(name, engine):
        assert last(without_ticks(engine.run(working.look_around, tasks_in(tmp_path, name))))[name].kind == "ended"

    engines = {"a": Local(1, threads=1, preload=["colorsys"]), "b": Local(1, threads=3)}
    threads = [threading.Thread(target=use, args=pair) for pair in engines.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    a, b = (json.loads((tmp_path / name / "surroundings").read_text()) for name in "ab")
    assert [a["OMP_NUM_THREADS"], a["MKL_NUM_THREADS"], a["preloaded"]] == ["1", "1", True]
    assert [b["OMP_NUM_THREADS"], b["MKL_NUM_THREADS"], b["preloaded"]] == ["3", "3", False]
    assert not a["torch"] and a["stdin"] == ""
    assert a["group"] == a["pid"] and a["session"] != os.getsid(0)
    assert dict(os.environ) == before


def test_without_fork_children_are_spawned(tmp_path, monkeypatch):
    monkeypatch.setattr(local.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    events = without_ticks(Local(2, threads=2).run(working.vanish_once, tasks_in(tmp_path, "victim", "a")))
    assert Counter(event.kind for event in events) == {"started": 3, "lost": 1, "ended": 2}
    run = Local(1, grace=0.5).run(working.sleep_deaf, tasks_in(tmp_path, "deaf"))
    next(run)
    pid = appeared(tmp_path / "deaf" / "pid")
    run.close()
    assert not Path(f"/proc/{pid}").exists()


def test_a_module_that_cannot_be_preloaded_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="a module to preload cannot be imported: ModuleNotFoundError.*'nowhere'"):
        list(Local(preload=["nowhere"]).run(working.nap, tasks_in(tmp_path, "a")))


CODE = """
import sys
print("imported", file=open(__file__ + ".log", "a"))
ANSWER = 42
"""


@pytest.mark.parametrize("methods", [["fork", "spawn"], ["spawn"]])
def test_code_is_imported_before_the_work_and_only_once_where_processes_are_forked(tmp_path, monkeypatch, methods):
    monkeypatch.setattr(local.multiprocessing, "get_all_start_methods", lambda: methods)
    (tmp_path / "my-pooling.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    assert (
        last(without_ticks(Local(2, code=["my-pooling.py"]).run(working.use_code, tasks_in(tmp_path, "a", "b"))))[
            "b"
        ].kind
        == "ended"
    )
    assert [(tmp_path / name / "answer").read_text() for name in "ab"] == ["42", "42"]
    assert len((tmp_path / "my-pooling.py.log").read_text().split()) == (1 if "fork" in methods else 2)


def test_code_that_cannot_be_imported_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone.py: no such Python file"):
        Local(code=[tmp_path / "gone.py"]).run(working.nap, [])
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(RuntimeError, match=f"{tmp_path}/bad.py: ZeroDivisionError: division by zero"):
        list(Local(code=[tmp_path / "bad.py"]).run(working.nap, tasks_in(tmp_path, "a")))


def test_work_may_be_anything_that_can_be_imported(tmp_path):
    assert without_ticks(Local().run(working.Work.nested, tasks_in(tmp_path, "a")))[-1] == Event("ended", "a")
    assert (tmp_path / "a" / "nested").exists()


def test_work_that_cannot_be_imported_is_refused_at_once():
    with pytest.raises(ValueError, match="must be a function of a module .* got .*<lambda> of .*test_local"):
        Local().run(lambda folder: None, [])
    code = "from kinetic.engines.local import Local\ndef f(x): pass\nLocal().run(f, [])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stderr.splitlines()[-1].endswith("got f of the script that runs")


def test_names_are_unique():
    with pytest.raises(ValueError, match="a name of its own, 'a' names two"):
        Local().run(working.nap, [Task("a", "x"), Task("b", "y"), Task("a", "z")])


@pytest.mark.parametrize(
    ("setting", "value"), [("jobs", 0), ("retries", -1), ("threads", 0), ("grace", -1), ("grace", float("nan"))]
)
def test_numbers_out_of_range_are_refused(setting, value):
    with pytest.raises(ValueError, match=f"{setting} must be at least"):
        Local(**{setting: value})


def test_preload_is_a_list():
    with pytest.raises(ValueError, match="a list of modules, got the text 'torch'"):
        Local(preload="torch")


def test_tasks_share_the_gpus_evenly(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,5,7")
    tasks = tasks_in(tmp_path, *"abcd")
    list(Local(4, gpus=2).run(working.tell_gpu, tasks))
    assert Counter((tmp_path / name / "gpu").read_text() for name in "abcd") == {"GPU-a": 2, "5": 2}


def test_without_a_number_of_gpus_tasks_see_what_the_driver_sees(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    (task,) = tasks_in(tmp_path, "a")
    list(Local(1).run(working.tell_gpu, [task]))
    assert (tmp_path / "a" / "gpu").read_text() == "3,4"
