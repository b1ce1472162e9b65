"""Tests of kinetic/engines/slurm.py, most of them on a real Slurm that is started for them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from slurm_cluster import inside, missing, slurm_cluster
from traps import set_traps, sprung

from kinetic.engines import slurm
from kinetic.engines.interface import Event, Task
from kinetic.engines.slurm import Slurm

pytest.importorskip("submitit", reason="submitit is not installed")
TESTS = Path(__file__).resolve().parents[1]


# The work of jobs. It writes lines to the file "log" of its folder.


def note(folder: str, text: str) -> None:
    with open(Path(folder, "log"), "a") as file:
        file.write(f"{text}\n")


def noted(folder: Path) -> list[str]:
    path = folder / "log"
    return path.read_text().splitlines() if path.exists() else []


def return_at_once(folder: str) -> None:
    note(folder, "ran")


def tell_surroundings(folder: str) -> None:
    for text in (sys.executable, os.environ["OMP_NUM_THREADS"], os.environ["KINETIC_TEST"]):
        note(folder, text)


def tell_answer(folder: str) -> None:
    note(folder, sys.modules["kinetic_code_my_pooling"].ANSWER)


def raise_for_bad(folder: str) -> None:
    note(folder, "ran")
    if Path(folder).name == "bad":
        raise ValueError("no such\nmotion")


def die_once(folder: str) -> None:
    note(folder, "ran")
    if len(noted(Path(folder))) == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def die(folder: str) -> None:
    note(folder, "ran")
    os.kill(os.getpid(), signal.SIGKILL)


def exit_well_without_returning(folder: str) -> None:
    note(folder, "ran")
    os._exit(0)


def wait_for_permission(folder: str) -> None:
    note(folder, f"began as {os.environ['SLURM_JOB_ID']}")
    while not Path(folder, "go").exists():
        time.sleep(0.1)
    note(folder, "done")


def take_turns(folder: str) -> None:
    note(str(Path(folder).parent), "in")
    time.sleep(1)
    note(str(Path(folder).parent), "out")


def count_until_resumed(folder: str) -> None:
    """Count until the request to stop, save as a training does, and end some steps after the job came back."""
    from kinetic.training.checkpoint import Interrupted, interruptible  # slow, so only here

    saved = Path(folder, "saved")
    steps = int(saved.read_text()) if saved.exists() else 0
    note(folder, f"from {steps}")
    end = steps + 3 if steps else 1_000_000
    with interruptible() as request:
        while steps < end:
            time.sleep(0.1)
            steps += 1
            if request.number is not None:
                saved.write_text(str(steps))
                note(folder, f"saved {steps}")
                raise Interrupted(request.number)


def save_when_asked(folder: str) -> None:
    def save(number, frame):
        note(folder, "saved")
        sys.exit(143)

    signal.signal(signal.SIGTERM, save)
    note(folder, "began")
    time.sleep(1000)


def hear_nothing_once(folder: str) -> None:
    """Ignore all requests the first time."""
    note(folder, "ran")
    if len(noted(Path(folder))) == 1:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM])
        time.sleep(1000)


# Without Slurm


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"minutes": 0}, "minutes must be at least 1, got 0"),
        ({"cpus": 0}, "cpus must be at least 1"),
        ({"memory": 0}, "memory must be at least 1"),
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"gpus": -1}, "gpus must not be negative, got -1"),
        ({"retries": -1}, "retries must not be negative"),
        ({"timeouts": -1}, "timeouts must not be negative"),
        ({"grace": -0.5}, "grace must not be negative"),
        ({"poll": 0}, "poll must be positive"),
        ({"more": {"signal": "TERM"}}, "itself sets sbatch's option 'signal'"),
        ({"more": {"job-name": "x"}}, "itself sets sbatch's option 'job-name'"),
        ({"more": {"--account": "x"}}, "without dashes before them, got '--account'"),
        ({"more": {"account": "x\nrm -r ."}}, "'account' must be one printable line"),
    ],
)
def test_an_argument_out_of_range_is_refused(options, reason, tmp_path):
    with pytest.raises(ValueError, match=reason):
        Slurm(tmp_path, **options)


def test_a_folder_that_slurm_would_rename_is_refused():
    with pytest.raises(ValueError, match="no % in its name"):
        Slurm("grid-%j")


def test_without_slurm_nothing_begins(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="found no program sbatch"):
        Slurm(tmp_path / "jobs").run(return_at_once, [Task("a", str(tmp_path))])
    assert not (tmp_path / "jobs").exists()


def test_without_submitit_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kinetic-motion\[slurm\]'"):
        Slurm(tmp_path).run(return_at_once, [Task("a", str(tmp_path))])


PROGRAM = """#!/bin/sh
case "$(basename "$0")" in
sbatch) SLURM_JOB_ID=7 SLURM_JOBID=7 nohup sh "$1" >log.txt 2>&1 & echo Submitted batch job 7;;
esac
"""
"""Stands for each of Slurm's programs; as sbatch, it runs the job in its current folder, as the cluster does."""


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """Makes engines on a Slurm that is a shell script."""
    for name in slurm.PROGRAMS:
        (tmp_path / name).write_text(PROGRAM)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(slurm, "SETTLING", 30.0)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda **options: Slurm(tmp_path / "jobs", poll=0.2, **options)


def test_nothing_of_the_folder_where_jobs_are_submitted_is_imported(tmp_path, pretended):
    set_traps(tmp_path / "here", "kinetic")
    events = by_task(pretended().run(return_at_once, tasks_in(tmp_path, "a")))["a"]
    assert kinds(events) == ["started", "ended"]
    assert noted(tmp_path / "a") == ["ran"] and sprung(tmp_path / "here") == ""


def test_a_job_imports_the_code_of_the_user_first(tmp_path, pretended):
    (tmp_path / "here" / "my-pooling.py").write_text("ANSWER = 42")
    events = by_task(pretended(code=["my-pooling.py"]).run(tell_answer, tasks_in(tmp_path, "a")))["a"]
    assert kinds(events) == ["started", "ended"] and noted(tmp_path / "a") == ["42"]


def test_a_job_whose_code_cannot_be_imported_fails_and_names_the_file(tmp_path, pretended):
    (tmp_path / "bad.py").write_text("1 / 0")
    events = by_task(pretended(code=[tmp_path / "bad.py"]).run(return_at_once, tasks_in(tmp_path, "a")))["a"]
    assert kinds(events) == ["started", "failed"]
    assert events[-1].detail == f"ImportError: {tmp_path}/bad.py: ZeroDivisionError: division by zero"
    with pytest.raises(FileNotFoundError, match="gone.py: no such Python file"):
        pretended(code=["gone.py"]).run(return_at_once, [])


def test_another_task_work_or_folder_is_another_job(tmp_path):
    engine, task = Slurm(tmp_path), Task("a b", "c")
    name = engine._name(return_at_once, task)
    assert name.startswith("a_b.")
    assert name == Slurm(tmp_path, cpus=4)._name(return_at_once, Task("a b", "c"))
    others = [
        engine._name(return_at_once, Task("a b", "d")),
        engine._name(return_at_once, Task("a-b", "c")),
        engine._name(die, task),
        Slurm(tmp_path / "other")._name(return_at_once, task),
    ]
    assert len({name, *others}) == 5


# On a real Slurm


@pytest.fixture(scope="module")
def cluster():
    if lacking := missing():
        pytest.skip(f"no Slurm here: {', '.join(lacking)} not installed")
    with slurm_cluster() as folder:
        yield folder


@pytest.fixture
def engine(cluster, tmp_path, monkeypatch):
    """Makes engines that ask often."""
    monkeypatch.setenv("PYTHONPATH", f"{TESTS.parent}{os.pathsep}{TESTS}")
    monkeypatch.setattr(slurm, "SETTLING", 2.0)
    yield lambda **options: Slurm(tmp_path / "jobs", **{"poll": 1.0, "notice": 1, **options})
    subprocess.run(["scancel", f"--user={os.getuid()}"], check=True)


def tasks_in(folder: Path, *names: str) -> list[Task]:
    for name in names:
        (folder / name).mkdir()
    return [Task(name, str(folder / name)) for name in names]


def by_task(events) -> dict[str, list[Event]]:
    tasks = defaultdict(list)
    for event in events:
        if event.kind != "tick":
            tasks[event.name].append(event)
    return tasks


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def queue() -> list[str]:
    command = ["squeue", "--noheader", "--format=%i %T"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def warn_jobs() -> None:
    """As Slurm does when their time runs out."""
    subprocess.run(["scancel", "--batch", "--signal=USR2", f"--user={os.getuid()}"], check=True)
    time.sleep(0.5)


def preempt_jobs() -> None:
    """As Slurm does when others need the place."""
    for line in queue():
        subprocess.run(["scontrol", "requeue", line.split()[0]], check=True)
    time.sleep(0.5)


def job(event: Event) -> str:
    return event.detail.split()[1]


@pytest.mark.slurm
def test_an_exception_fails_its_task_alone_and_is_not_tried_again(engine, tmp_path):
    tasks = tasks_in(tmp_path, "a", "bad", "c")
    events = by_task(engine().run(raise_for_bad, tasks))
    assert kinds(events["a"]) == kinds(events["c"]) == ["started", "ended"]
    assert kinds(events["bad"]) == ["started", "failed"]
    assert events["bad"][-1].detail == "ValueError: no such motion"
    assert [noted(tmp_path / name) for name in ("a", "bad", "c")] == [["ran"]] * 3
    assert queue() == []


@pytest.mark.slurm
def test_a_job_has_our_python_our_environment_and_its_threads(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("KINETIC_TEST", "passed on")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "77")  # as where the tasks are started from a job
    events = by_task(engine(cpus=2, memory=1, partition="all", more={"comment": "it's"}).run(
        tell_surroundings, tasks_in(tmp_path, "a")))  # fmt: skip
    assert kinds(events["a"]) == ["started", "ended"]
    assert noted(tmp_path / "a") == [sys.executable, "2", "passed on"]


@pytest.mark.slurm
def test_what_cannot_be_imported_fails(engine, tmp_path, monkeypatch):
    (tmp_path / "vanishing_work.py").write_text("def work(folder): pass")
    monkeypatch.syspath_prepend(tmp_path)
    import vanishing_work

    (tmp_path / "vanishing_work.py").unlink()
    events = by_task(engine().run(vanishing_work.work, tasks_in(tmp_path, "a")))
    assert kinds(events["a"]) == ["started", "failed"]
    assert events["a"][-1].detail == "ModuleNotFoundError: No module named 'vanishing_work'"


@pytest.mark.slurm
def test_a_killed_process_is_tried_again_until_its_retries_are_used_up(engine, tmp_path):
    events = by_task(engine(retries=1).run(die_once, tasks_in(tmp_path, "once")))["once"]
    assert kinds(events) == ["started", "lost", "started", "ended"]
    assert "FAILED, signal 9 on" in events[1].detail
    assert noted(tmp_path / "once") == ["ran", "ran"]
    events = by_task(engine(retries=1).run(die, tasks_in(tmp_path, "always")))["always"]
    assert kinds(events) == ["started", "lost", "started", "failed"]
    assert "signal 9" in events[-1].detail
    assert noted(tmp_path / "always") == ["ran", "ran"]


@pytest.mark.slurm
def test_an_exit_status_of_0_is_not_an_end(engine, tmp_path):
    events = by_task(engine(retries=0).run(exit_well_without_returning, tasks_in(tmp_path, "a")))["a"]
    assert kinds(events) == ["started", "failed"]
    assert "COMPLETED" in events[-1].detail


@pytest.mark.slurm
@pytest.mark.parametrize("ask", [warn_jobs, preempt_jobs])
def test_a_job_that_is_asked_to_saves_goes_back_into_the_queue_and_goes_on(ask, engine, tmp_path):
    history = []
    for event in engine(retries=0).run(count_until_resumed, tasks_in(tmp_path, "a")):
        history.append(event)
        if noted(tmp_path / "a") == ["from 0"]:
            ask()
    events = by_task(history)["a"]
    assert kinds(events) == ["started", "lost", "started", "ended"]
    assert job(events[0]) == job(events[2])
    assert_went_on(noted(tmp_path / "a"))


def assert_went_on(lines: list[str]) -> None:
    first, saved, second = lines
    assert first == "from 0"
    assert saved.removeprefix("saved ") == second.removeprefix("from ")


@pytest.mark.slurm
def test_there_is_an_end_to_going_back_into_the_queue(engine, tmp_path):
    history = []
    for event in engine(timeouts=0).run(save_when_asked, tasks_in(tmp_path, "a")):
        history.append(event)
        if noted(tmp_path / "a") == ["began"]:
            warn_jobs()
    events = by_task(history)["a"]
    assert kinds(events) == ["started", "failed"]
    assert "its time ran out" in events[-1].detail


@pytest.mark.slurm
def test_when_time_runs_out_a_job_goes_on_whether_it_listens_or_not(engine, tmp_path):
    """This test alone waits for Slurm's clock, which counts in minutes."""
    brief = engine(retries=0, minutes=1)
    listening, deaf = tasks_in(tmp_path, "listening", "deaf")
    deaf_events = brief.run(hear_nothing_once, [deaf])
    history = []
    for event in brief.run(count_until_resumed, [listening]):
        history += [event, next(deaf_events, Event("tick"))]
    history += deaf_events
    events = by_task(history)
    assert kinds(events["listening"]) == ["started", "lost", "started", "ended"]
    assert job(events["listening"][0]) == job(events["listening"][2])
    assert_went_on(noted(tmp_path / "listening"))
    assert kinds(events["deaf"]) == ["started", "lost", "started", "ended"]
    assert "TIMEOUT" in events["deaf"][1].detail
    assert noted(tmp_path / "deaf") == ["ran", "ran"]


@pytest.mark.slurm
def test_a_task_comes_back_when_its_node_fails(engine, tmp_path):
    (task,) = tasks_in(tmp_path, "a")
    history = []
    for event in engine(retries=0).run(wait_for_permission, [task]):
        history.append(event)
        if event.kind == "started" and not Path(task.argument, "go").exists():
            node = event.detail.split()[-1]
            subprocess.run(["scontrol", "update", f"node={node}", "state=down", "reason=test"], check=True)
            Path(task.argument, "go").touch()
    events = by_task(history)["a"]
    assert kinds(events) == ["started", "lost", "started", "ended"]
    assert job(events[0]) == job(events[2])


DRIVER = """
import sys
from pathlib import Path
from kinetic.engines.interface import Task
from kinetic.engines.slurm import Slurm
from tests.engines.test_slurm import wait_for_permission
folder = Path(sys.argv[1])
tasks = [Task(name, str(folder / name)) for name in "abc"]
for event in Slurm(folder / "jobs", poll=1.0, notice=1).run(wait_for_permission, tasks):
    if event.kind != "tick":
        print(event.kind, flush=True)
"""


@pytest.mark.slurm
def test_jobs_outlive_who_submitted_them_and_are_adopted(engine, tmp_path):
    tasks = tasks_in(tmp_path, "a", "b", "c")
    with subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as driver:
        assert [driver.stdout.readline() for _ in tasks] == ["started\n"] * 3
        driver.kill()
    before = sorted(queue())
    assert len(before) == 3
    history = []
    for event in engine().run(wait_for_permission, tasks):
        history.append(event)
        if event.kind == "started":
            assert sorted(queue()) == before
            Path(tmp_path, event.name, "go").touch()
    events = by_task(history)
    assert [kinds(events[task.name]) for task in tasks] == [["started", "ended"]] * 3
    for task in tasks:
        assert noted(Path(task.argument)) == [f"began as {job(events[task.name][0])}", "done"]


@pytest.mark.slurm
def test_closing_cancels_what_runs_and_what_waits(engine, cluster, tmp_path):
    tasks = tasks_in(tmp_path, *"abcdef")
    events = engine().run(save_when_asked, tasks)
    while sum(bool(noted(Path(task.argument))) for task in tasks) < 4:
        next(events)
    assert sorted(line.split()[1] for line in queue()) == ["PENDING"] * 2 + ["RUNNING"] * 4
    events.close()
    assert queue() == []
    logs = [noted(Path(task.argument)) for task in tasks]
    assert logs == [["began", "saved"]] * 4 + [[]] * 2
    jobs = [pid for pid in inside(cluster) if b"submitit" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert jobs == []


@pytest.mark.slurm
def test_no_more_jobs_at_a_time_than_allowed(engine, tmp_path):
    events = by_task(engine(jobs=1).run(take_turns, tasks_in(tmp_path, "a", "b", "c")))
    assert all(kinds(events[name]) == ["started", "ended"] for name in "abc")
    assert noted(tmp_path) == ["in", "out"] * 3


@pytest.mark.slurm
def test_what_sbatch_says_is_passed_on(engine, tmp_path):
    with pytest.raises(RuntimeError, match="could not submit a job: .*invalid partition"):
        list(engine(partition="nowhere").run(return_at_once, tasks_in(tmp_path, "a")))
    assert queue() == []


@pytest.mark.slurm
def test_what_sbatch_refuses_waits_for_another_job_to_end(engine, tmp_path, monkeypatch):
    strict = tmp_path / "bin" / "sbatch"
    strict.parent.mkdir()
    strict.write_text(
        f"""#!/bin/bash
if [ "$(squeue --noheader | wc --lines)" -ge 1 ]; then echo "Job violates accounting/QOS policy" >&2; exit 1; fi
exec {shutil.which("sbatch")} "$@"
"""
    )
    strict.chmod(0o755)
    monkeypatch.setenv("PATH", f"{strict.parent}{os.pathsep}{os.environ['PATH']}")
    events = by_task(engine().run(take_turns, tasks_in(tmp_path, "a", "b")))
    assert kinds(events["a"]) == kinds(events["b"]) == ["started", "ended"]
    assert noted(tmp_path) == ["in", "out"] * 2


@pytest.mark.slurm
def test_while_slurm_is_silent_the_ticks_say_so_and_the_job_goes_on(engine, tmp_path, monkeypatch, cluster):
    (task,) = tasks_in(tmp_path, "a")
    nowhere = tmp_path / "slurm.conf"
    nowhere.write_text(
        (cluster / "slurm.conf").read_text().replace("SlurmctldPort=", "MessageTimeout=2\nSlurmctldPort=1")
    )
    history = []
    for event in engine().run(wait_for_permission, [task]):
        history.append(event)
        if event.kind == "started":
            monkeypatch.setenv("SLURM_CONF", str(nowhere))
        if event.kind == "tick" and event.detail:
            monkeypatch.setenv("SLURM_CONF", str(cluster / "slurm.conf"))
            Path(task.argument, "go").touch()
    assert any("slurm" in event.detail for event in history if event.kind == "tick")
    assert kinds(by_task(history)["a"]) == ["started", "ended"]


@pytest.mark.slurm
def test_without_accounting_nothing_begins(engine, cluster, tmp_path, monkeypatch):
    lines = (cluster / "slurm.conf").read_text().splitlines()
    (tmp_path / "slurm.conf").write_text("\n".join(line for line in lines if not line.startswith("Accounting")))
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    with pytest.raises(RuntimeError, match="accounting is needed.* disabled"):
        engine().run(return_at_once, tasks_in(tmp_path, "a"))
    monkeypatch.setenv("SLURM_CONF", str(cluster / "slurm.conf"))
    assert queue() == []
