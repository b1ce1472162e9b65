"""Slurm: every task is a job of the cluster, and goes back into the queue when its time runs out.

Slurm itself keeps the record of what runs: the name of a job says which task of which folder it has, so that a new call
finds the jobs of a call that died. A task has ended when the file in which submitit puts the result of the work says
so; a job that left the queue without that file died, and Slurm's accounting knows the cause.
"""

from __future__ import annotations

import contextlib
import functools
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

from kinetic.engines.interface import Event, Task, detail_line, import_path, load_work
from kinetic.formats.pickles import decode_pickle
from kinetic.messages import complain
from kinetic.processes import code_files, ending, isolated, load_code, search_path, thread_variables
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
        cpus: processors of a task, and threads of its numerical libraries
        gpus: of a task
        memory: of a task in GiB; None = the cluster's default
        jobs: most jobs in the queue at a time; None = all at once, and Slurm decides
        retries: of a task whose process or node died
        timeouts: how often a task may run out of time, or make room for others
        notice: seconds between the request to save and the end of a job's time; Slurm may ask a minute earlier
        grace: seconds to wait for cancelled jobs
        poll: seconds between two questions to Slurm
        more: options of sbatch by name, such as `{"account": "lab", "time": "2-00:00:00"}`; they win
        code: Python files that each job imports before its work; all nodes see them

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
    code: Sequence[str | os.PathLike[str]] = ()

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

        While Slurm does not answer, ticks say so and the jobs go on. A job that sbatch refuses, as for too many jobs,
        waits until another job is over.

        Raises:
            ModuleNotFoundError: without submitit
            RuntimeError: without Slurm's programs or its accounting; in the loop also when no job can be submitted
            ValueError: when other processes cannot import the work
            ValueError, FileNotFoundError: when `code` holds something else than Python files
        """
        carried = functools.partial(_carry, import_path(work), code_files(self.code), self.timeouts)
        executor = self._executor(work)
        return self._run(executor, carried, {self._name(work, task): _Course(task) for task in tasks})

    def _executor(self, work: Callable[[str], None]) -> submitit.SlurmExecutor:
        """Submitit's executor, once it is clear that jobs can be submitted."""
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
        # One process from the start: the shell becomes the python that the signals are for. Submitit appends its own
        # `-u -m submitit.core._submit FOLDER`, of which `_job` reads the folder.
        python, *options = isolated("kinetic.engines.slurm:_job", path=search_path(work.__module__))
        executor = submitit.SlurmExecutor(folder=self._folder, python=f"exec {shlex.join([python, '-u', *options])}")
        executor.update_parameters(
            use_srun=False,
            time=self.minutes,
            cpus_per_task=self.cpus,
            setup=[
                *(f"export {name}={value}" for name, value in thread_variables(self.cpus).items()),
                "unset SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID",  # of a job that submits the tasks
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
        """The name of the job that has a task: the same for the same work, task and folder only."""
        parts = [str(self._folder), work.__module__, work.__qualname__, task.name, task.argument]
        mark = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        return f"{re.sub('[^A-Za-z0-9_.-]+', '_', task.name)[:80]}.{mark}"

    def _run(
        self, executor: submitit.SlurmExecutor, carried: Callable[[str], None], courses: _Courses
    ) -> Generator[Event, None, None]:
        try:
            with ThreadPoolExecutor(1) as pool:
                while courses:
                    try:
                        yield from self._look(pool, courses)
                        yield from self._submit(pool, executor, carried, courses)
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
        """The events since the last look; tasks that came to an end leave `courses`."""
        queue = yield from _meanwhile(pool, _queue)
        dead = []
        for name, course in list(courses.items()):
            entry = queue.get(name)
            course.leaving = entry is not None and entry.job in course.over
            if entry is not None and (entry.job == course.job or not (course.job or course.leaving)):
                yield from course.follow(entry)
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
        """Whether the work returned, and if not, why; None as long as the job has written nothing."""
        os.listdir(self._folder)  # makes a network file system refresh its view
        try:
            kind, content = decode_pickle(self._folder / f"{job}_0_result.pkl")
        except (OSError, ValueError):  # absent or incomplete
            return None
        if kind == "success":
            return True, ""
        last = str(content).strip().splitlines()[-1]
        return False, detail_line(last.removeprefix(f"{_Failed.__module__}.{_Failed.__qualname__}: "))

    def _bury(self, name: str, courses: _Courses, state: str, node: str) -> Iterator[Event]:
        """Record the death of a job that left no result."""
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
            yield Event("failed", course.task.name, f"{detail}; jobs that died with this task: {len(course.over)}")

    def _submit(
        self,
        pool: ThreadPoolExecutor,
        executor: submitit.SlurmExecutor,
        carried: Callable[[str], None],
        courses: _Courses,
    ) -> Iterator[Event]:
        """Submit the tasks without a job, as far as there is room."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        for name, course in courses.items():
            submitted = sum(bool(other.job) for other in courses.values())
            if self.jobs is not None and submitted >= self.jobs:
                return
            if course.job or course.leaving:
                continue
            if course.refused is not None and submitted >= course.refused:
                return
            executor.update_parameters(job_name=name)
            try:
                job = yield from _meanwhile(pool, executor.submit, carried, course.task.argument)
            except (FailedJobError, FailedSubmissionError, OSError) as error:
                if not submitted:
                    raise RuntimeError(f"could not submit a job: {detail_line(str(error))}") from None
                course.refused = submitted
                return
            course.job = str(job.job_id)
            yield Event("tick")

    def _cancel(self, names: Container[str]) -> None:
        """Cancel the jobs in the queue, those that entered it unnoticed too, and wait until they have left."""
        end = time.monotonic() + self.grace
        while True:
            with contextlib.suppress(_NoAnswer):
                jobs = [entry.job for name, entry in _queue().items() if name in names]
                if not jobs:
                    return
                _ask("scancel", "--quiet", *jobs)
            if time.monotonic() > end:
                return
            time.sleep(min(1.0, self.poll))


class _Entry(NamedTuple):
    """A job in the queue."""

    job: str
    state: str
    since: str
    node: str


@dataclass
class _Course:
    """The course of a task from its first job to its end.

    Args:
        task: which
        job: that has it now; empty = none
        since: when Slurm started the job; empty = it waits
        gone: when the job was first missing from the queue
        over: jobs that died with the task
        leaving: whether one of these is still in the queue
        deaths: how many jobs died
        late: how many jobs ran out of time
        refused: how many jobs were submitted when sbatch refused the next
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

    def follow(self, entry: _Entry) -> Iterator[Event]:
        """The events that an entry of the queue shows."""
        self.job, self.gone = entry.job, None
        since = self.since  # a job that is leaving already shows a new time of start, but does not start
        if entry.state == "RUNNING":
            since = entry.since
        elif entry.state in WAITING:
            since = ""
        if self.since and since != self.since:
            yield Event("lost", self.task.name, f"job {entry.job} went back into the queue")
        if since and since != self.since:
            yield Event("started", self.task.name, f"job {entry.job} on {entry.node}")
        self.since = since

    def missed(self) -> bool:
        """Whether the job has been out of the queue for so long that its result would be here."""
        if self.gone is None:
            self.gone = time.monotonic()
        return time.monotonic() - self.gone >= SETTLING

    def end(self, returned: bool, detail: str) -> Iterator[Event]:
        """The events of the end of the work, which may come before a look at the queue showed its start."""
        if not self.since:
            yield Event("started", self.task.name, f"job {self.job}")
        yield Event("ended" if returned else "failed", self.task.name, detail or f"job {self.job}")


_Courses = dict[str, _Course]


class _NoAnswer(Exception):
    """One of Slurm's programs ended with an error."""


class _Failed(Exception):
    """An exception of the work in one line; submitit writes it last."""


def _ask(*command: str) -> str:
    """The answer of one of Slurm's programs."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ANSWERING)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _NoAnswer(detail_line(str(error))) from None
    if answer.returncode:
        raise _NoAnswer(detail_line(answer.stderr) or f"{command[0]} {ending(answer.returncode)}")
    return answer.stdout


def _queue() -> dict[str, _Entry]:
    """Our jobs by name; the oldest of a name."""
    lines = _ask("squeue", "--noheader", f"--user={os.getuid()}", "--format=%i|%T|%S|%N|%j").splitlines()
    parts = [line.strip().split("|", 4) for line in lines]
    jobs = [(name, _Entry(*entry)) for *entry, name in parts if entry[0].isdigit()]  # not those of an array
    return dict(sorted(jobs, key=lambda job: -int(job[1].job)))


def _states(jobs: Sequence[str]) -> dict[str, tuple[str, str]]:
    """How jobs ended according to Slurm's accounting, and on which node; empty for a job that never started."""
    answer = _ask("sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={','.join(jobs)}",
                  "--format=JobID,State,ExitCode,NodeList")  # fmt: skip
    states = {}
    for line in answer.splitlines():
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


def _job() -> None:
    """Body of the process of a job: what `python -m submitit.core._submit FOLDER` does, but isolated.

    It has no lifeline: the job outlives the process that submitted it.
    """
    from submitit.core.submission import process_job

    process_job(sys.argv[-1])


def _carry(reference: str, code: Sequence[str], timeouts: int, argument: str) -> None:
    """Run the work in the process of a job, and put the job back into the queue when its time runs out."""
    warned = False

    def warn(number: int, frame: FrameType | None) -> None:
        nonlocal warned
        warned = True
        signal.raise_signal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    try:
        signal.signal(signal.SIGTERM, stop)  # until the work handles it itself
        signal.signal(signal.SIGUSR2, warn)
        try:
            for file in code:
                load_code(file)
            load_work(reference)(argument)
        finally:
            for number in (signal.SIGTERM, signal.SIGUSR2):
                signal.signal(number, signal.SIG_IGN)  # the rest is short
    except Exception as error:
        raise _Failed(detail_line(error)) from error
    except BaseException as stopped:
        if warned:
            _requeue(timeouts)
        raise SystemExit(getattr(stopped, "status", 128 + signal.SIGTERM)) from stopped


def _requeue(timeouts: int) -> None:
    """Put the job of this process back into the queue; where that fails, the process that submitted it does.

    Only a running job: a cancelled one would come back to life.
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
