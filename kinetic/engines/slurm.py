"""Slurm: every task is a job of the cluster, and goes back into the queue when its time runs out.

Slurm itself is the book of what runs: the name of a job says which task of which folder it has, so that a new call
finds the jobs of one that died. A task ended when the file in which submitit puts what the work returned says so;
a job that left the queue without that file died, and Slurm's accounting is asked what of.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from kinetic.engines.interface import Event, Task
from kinetic.formats.pickles import decode_pickle
from kinetic.messages import complain
from kinetic.processes import variables
from kinetic.version import install_hint

if TYPE_CHECKING:
    import submitit

__all__ = ["Slurm"]

PROGRAMS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "srun")
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
OUT_OF_TIME = ("TIMEOUT", "PREEMPTED", "DEADLINE")
OURS = frozenset({"array", "error", "job_name", "nodes", "ntasks", "open_mode", "output", "requeue", "no_requeue",
                  "signal", "wrap"})  # fmt: skip
"""Options of sbatch that the engine needs for itself."""

SETTLING = 15.0
"""Seconds that a file may take from a node to here."""
ANSWERING = 60.0
"""Seconds that one of Slurm's programs may take to answer."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Slurm:
    """Runs tasks as jobs of a Slurm cluster, through submitit.

    A job is warned before its time runs out: the work gets a SIGTERM, saves what it has, and the job puts itself back
    into the queue, whether or not the process that submitted it still lives. Should that process die, the jobs go on,
    and a new call with the same folder, work and tasks adopts those that wait or run. A job that dies otherwise is
    submitted again by the living process only. Slurm lets a job that went back wait for two minutes.

    Args:
        folder: where submitit keeps its files and the jobs their logs; all nodes see it
        partition: of the cluster; None = its default
        minutes: a job may run; the work goes on in the next one
        cpus: processors of a task, also its OMP_NUM_THREADS
        gpus: of a task
        memory: of a task in GiB; None = the cluster's default
        jobs: at most so many are in the queue at a time; None = all at once, and Slurm decides
        retries: of a task whose process or node died
        timeouts: how often a task may run out of time, or make room for others
        notice: seconds before the end of its time at which the work is asked to save; Slurm may ask a minute earlier
        grace: seconds that cancelled jobs are waited for
        poll: seconds between two questions to Slurm
        more: options of sbatch by name, such as `{"account": "lab", "time": "2-00:00:00"}`; they win

    Raises:
        ValueError: when an argument is out of its range
    """

    folder: str | os.PathLike[str]
    _: KW_ONLY
    partition: str | None = None
    minutes: int = 60
    cpus: int = 1
    gpus: int = 0
    memory: int | None = None
    jobs: int | None = None
    retries: int = 2
    timeouts: int = 50
    notice: int = 60
    grace: float = 60.0
    poll: float = 5.0
    more: Mapping[str, str | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("minutes", "cpus", "memory", "jobs", "notice"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        for name in ("gpus", "retries", "timeouts", "grace"):
            if (value := getattr(self, name)) < 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        if not self.poll > 0:
            raise ValueError(f"poll must be positive, got {self.poll}")
        if "%" in os.fspath(self.folder):
            raise ValueError(f"folder must have no % in its name, which Slurm would replace, got {self.folder}")
        for name, value in self.more.items():
            if not re.fullmatch("[a-z][a-z_-]+", name):
                raise ValueError(f"expected long names of sbatch's options without dashes before them, got {name!r}")
            if name.replace("-", "_") in OURS:
                raise ValueError(f"the engine itself sets sbatch's option {name!r}")
            if not str(value).isprintable():
                raise ValueError(f"the option {name!r} must be one printable line, got {value!r}")

    def run(self, work: Callable[[str], None], tasks: Sequence[Task]) -> Generator[Event, None, None]:
        """Run all tasks; see `Engine`.

        While Slurm does not answer, ticks say so and the jobs go on. What sbatch refuses, as for too many jobs, waits
        until another job is over.

        Raises:
            ModuleNotFoundError: without submitit
            RuntimeError: without Slurm's programs or its accounting; in the loop also when no job can be submitted
        """
        executor = self._executor(work)
        return self._run(executor, work, {self._name(work, task): _Course(task) for task in tasks})

    def _executor(self, work: Callable[[str], None]) -> submitit.SlurmExecutor:
        """What submits jobs, after a look at whether that is possible."""
        try:
            import submitit
        except ModuleNotFoundError:
            raise ModuleNotFoundError(f"jobs are submitted with submitit: {install_hint('slurm')}") from None
        for program in PROGRAMS:
            if not shutil.which(program):
                raise RuntimeError(f"found no program {program}; the tasks can be started where Slurm's jobs are")
        try:
            _ask("sacct", "--noheader", "--jobs=1")
        except _NoAnswer as error:
            raise RuntimeError(f"Slurm's accounting is needed, to learn what jobs died of: {error}") from None
        # One process from the start: the shell becomes the python that the signals are for. Submitit starts it with -m:
        # without -P and the variables below it would import from the folder that the jobs are submitted from.
        executor = submitit.SlurmExecutor(folder=self._folder, python=f"exec {shlex.quote(sys.executable)} -P")
        executor.update_parameters(
            use_srun=False,
            time=self.minutes,
            cpus_per_task=self.cpus,
            setup=[
                f"export OMP_NUM_THREADS={self.cpus}",
                *(f"export {name}={shlex.quote(value)}" for name, value in variables(work.__module__).items()),
                "unset SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID",  # of a job that the tasks are started from
                "trap '' USR2",  # a warning that comes before python can listen is not the end
            ],
            **({} if self.partition is None else {"partition": self.partition}),
            **({} if self.memory is None else {"mem": f"{self.memory}G"}),
            **({} if self.gpus == 0 else {"gpus_per_node": self.gpus}),
            additional_parameters={
                "requeue": True,
                "signal": f"B:USR2@{self.notice}",
                **{name.replace("-", "_"): value for name, value in self.more.items()},
            },
        )
        return executor

    @property
    def _folder(self) -> Path:
        return Path(self.folder).expanduser().absolute()

    def _name(self, work: Callable[[str], None], task: Task) -> str:
        """Of the job that has a task: the same for the same work, task and folder only."""
        what = [str(self._folder), work.__module__, work.__qualname__, task.name, task.argument]
        mark = hashlib.sha256("\0".join(what).encode()).hexdigest()[:16]
        return f"{re.sub('[^A-Za-z0-9_.-]+', '_', task.name)[:80]}.{mark}"

    def _run(
        self, executor: submitit.SlurmExecutor, work: Callable[[str], None], courses: _Courses
    ) -> Generator[Event, None, None]:
        try:
            with ThreadPoolExecutor(1) as pool:
                while courses:
                    try:
                        yield from self._look(pool, courses)
                        yield from self._submit(pool, executor, work, courses)
                    except _NoAnswer as error:
                        yield Event("tick", detail=str(error))
                    if courses:
                        yield from self._pause()
        finally:
            if courses:
                self._cancel(courses)

    def _pause(self) -> Iterator[Event]:
        end = time.monotonic() + self.poll
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))
            yield Event("tick")

    def _look(self, pool: ThreadPoolExecutor, courses: _Courses) -> Iterator[Event]:
        """What became of the tasks since the last time; those that came to an end leave `courses`."""
        queue = yield from _meanwhile(pool, _queue)
        dead = []
        for name, course in list(courses.items()):
            seen = queue.get(name)
            course.leaving = seen is not None and seen.job in course.over
            if seen is not None and (seen.job == course.job or not (course.job or course.leaving)):
                yield from course.follow(seen)
            elif course.job:
                if outcome := self._outcome(course.job):
                    del courses[name]
                    yield from course.end(*outcome)
                elif course.missed():
                    dead.append(name)
        if dead:
            states = yield from _meanwhile(pool, _states, [courses[name].job for name in dead])
            for name in dead:
                yield from self._bury(name, courses, *states.get(courses[name].job, ("UNKNOWN", "")))

    def _outcome(self, job: str) -> tuple[bool, str] | None:
        """Whether the work returned, and else why not; None as long as the job has written nothing."""
        os.listdir(self._folder)  # makes a network file system look again
        try:
            kind, content = decode_pickle(self._folder / f"{job}_0_result.pkl")
        except (OSError, ValueError):  # not there, or not whole
            return None
        if kind == "success":
            return True, ""
        last = str(content).strip().splitlines()[-1]
        return False, _line(last.removeprefix(f"{_Failed.__module__}.{_Failed.__qualname__}: "))

    def _bury(self, name: str, courses: _Courses, state: str, node: str) -> Iterator[Event]:
        """A job is no more, and has left nothing."""
        course = courses[name]
        if node and not course.since:
            yield Event("started", course.task.name, f"job {course.job} on {node}")
        late = state.startswith(OUT_OF_TIME)
        course.late += late
        course.deaths += not late
        detail = f"job {course.job}: {state}" + (f" on {node}" if node else "")
        course.over.add(course.job)
        course.job = course.since = ""
        course.gone = None
        if course.deaths <= self.retries and course.late <= self.timeouts:
            yield Event("lost", course.task.name, detail)
        else:
            del courses[name]
            yield Event("failed", course.task.name, f"{detail}; jobs that had it: {len(course.over)}")

    def _submit(
        self,
        pool: ThreadPoolExecutor,
        executor: submitit.SlurmExecutor,
        work: Callable[[str], None],
        courses: _Courses,
    ) -> Iterator[Event]:
        """Submit what has no job, as far as there is room."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        for name, course in courses.items():
            there = sum(bool(other.job) for other in courses.values())
            if self.jobs is not None and there >= self.jobs:
                return
            if course.job or course.leaving:
                continue
            if course.refused is not None and there >= course.refused:
                return
            executor.update_parameters(job_name=name)
            try:
                job = yield from _meanwhile(pool, executor.submit, _carry, work, course.task.argument, self.timeouts)
            except (FailedJobError, FailedSubmissionError, OSError) as error:
                if not there:
                    raise RuntimeError(f"could not submit a job: {_line(error)}") from None
                course.refused = there
                return
            course.job = str(job.job_id)
            yield Event("tick")

    def _cancel(self, names: Container[str]) -> None:
        """Cancel what is in the queue, also what went there unnoticed, and wait until it has left."""
        end = time.monotonic() + self.grace
        while True:
            with contextlib.suppress(_NoAnswer):
                jobs = [seen.job for name, seen in _queue().items() if name in names]
                if not jobs:
                    return
                _ask("scancel", "--quiet", *jobs)
            if time.monotonic() > end:
                return
            time.sleep(min(1.0, self.poll))


class _Seen(NamedTuple):
    """A job in the queue."""

    job: str
    state: str
    since: str
    node: str


@dataclass
class _Course:
    """What is known of a task.

    Args:
        task: which
        job: has it now; empty = none
        since: when Slurm started the job; empty = it waits
        gone: when the queue was first seen without the job
        over: jobs that died with it
        leaving: whether one of these is still in the queue
        deaths: jobs that died
        late: jobs whose time ran out
        refused: how many jobs there were when sbatch did not want this one
    """

    task: Task
    job: str = ""
    since: str = ""
    gone: float | None = None
    over: set[str] = field(default_factory=set)
    leaving: bool = False
    deaths: int = 0
    late: int = 0
    refused: int | None = None

    def follow(self, seen: _Seen) -> Iterator[Event]:
        """What a look into the queue tells."""
        self.job, self.gone = seen.job, None
        since = self.since  # a job that is leaving has a new time of start already, and no new start
        if seen.state == "RUNNING":
            since = seen.since
        elif seen.state in WAITING:
            since = ""
        if self.since and since != self.since:
            yield Event("lost", self.task.name, f"job {seen.job} went back into the queue")
        if since and since != self.since:
            yield Event("started", self.task.name, f"job {seen.job} on {seen.node}")
        self.since = since

    def missed(self) -> bool:
        """Whether the job has been out of the queue for so long that its result would be here."""
        if self.gone is None:
            self.gone = time.monotonic()
        return time.monotonic() - self.gone >= SETTLING

    def end(self, well: bool, detail: str) -> Iterator[Event]:
        """The work came to its end, maybe so fast that nobody saw it start."""
        if not self.since:
            yield Event("started", self.task.name, f"job {self.job}")
        yield Event("ended" if well else "failed", self.task.name, detail or f"job {self.job}")


_Courses = dict[str, _Course]


class _NoAnswer(Exception):
    """One of Slurm's programs ended with an error."""


class _Failed(Exception):
    """An exception of the work in one line, the last one of what submitit writes."""


def _line(text: object) -> str:
    return " ".join(str(text).split())[:300]


def _ask(*command: str) -> str:
    """What a program of Slurm says."""
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=ANSWERING)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _NoAnswer(_line(error)) from None
    if told.returncode:
        raise _NoAnswer(_line(told.stderr) or f"{command[0]} ended with status {told.returncode}")
    return told.stdout


def _queue() -> dict[str, _Seen]:
    """Our jobs by name; the oldest of a name."""
    lines = _ask("squeue", "--noheader", f"--user={os.getuid()}", "--format=%i|%T|%S|%N|%j").splitlines()
    parts = [line.strip().split("|", 4) for line in lines]
    jobs = [(name, _Seen(*seen)) for *seen, name in parts if seen[0].isdigit()]  # not those of an array
    return dict(sorted(jobs, key=lambda each: -int(each[1].job)))


def _states(jobs: Sequence[str]) -> dict[str, tuple[str, str]]:
    """How jobs ended, as accounting knows it, and on which node; without one it never started."""
    told = _ask("sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={','.join(jobs)}",
                "--format=JobID,State,ExitCode,NodeList")  # fmt: skip
    states = {}
    for line in told.splitlines():
        job, state, code, node = line.split("|")
        status, _, number = code.partition(":")
        how = f", signal {number}" if number.strip("0") else f", status {status}" if status.strip("0") else ""
        states[job] = state + how, "" if node == "None assigned" else node
    return states


def _meanwhile(
    pool: ThreadPoolExecutor, call: Callable[..., Answer], *arguments: Any
) -> Generator[Event, None, Answer]:
    """Call, with ticks until it returns."""
    future: Future[Answer] = pool.submit(call, *arguments)
    while not wait([future], timeout=1.0).done:
        yield Event("tick")
    return future.result()


def _carry(work: Callable[[str], None], argument: str, timeouts: int) -> None:
    """What the process of a job calls: the work, and the way back into the queue when its time runs out."""
    warned = False

    def warn(number: int, frame: FrameType | None) -> None:
        nonlocal warned
        warned = True
        signal.raise_signal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    try:
        signal.signal(signal.SIGTERM, stop)  # until the work listens itself
        signal.signal(signal.SIGUSR2, warn)
        try:
            work(argument)
        finally:
            for number in (signal.SIGTERM, signal.SIGUSR2):
                signal.signal(number, signal.SIG_IGN)  # what is left to be done is short
    except Exception as error:
        raise _Failed(_line(f"{type(error).__name__}: {error}")) from error
    except BaseException as stopped:
        if warned:
            _requeue(timeouts)
        raise SystemExit(getattr(stopped, "status", 128 + signal.SIGTERM)) from stopped


def _requeue(timeouts: int) -> None:
    """Put the job that this process is of back into the queue; where that fails, who submitted it has to.

    Only while it runs: this would bring back to life what was cancelled.
    """
    job = os.environ["SLURM_JOB_ID"]
    try:
        state, restarts = _ask("squeue", "--noheader", f"--jobs={job}", "--Format=State,RestartCnt").split()
        if int(restarts) >= timeouts:
            raise _Failed(f"its time ran out, and it was started {int(restarts) + 1} times")
        if state == "RUNNING":
            _ask("scontrol", "requeue", job)
    except (_NoAnswer, ValueError) as error:
        complain(f"job {job} was not put back into the queue: {error}")
