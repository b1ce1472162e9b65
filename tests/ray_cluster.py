"""A real Ray cluster on this machine for a while; its nodes are network namespaces."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = "10.77.0.1"

WORK = '''
"""Work that leaves traces in files: `argument` is a path and what to do, with a blank between."""

import os
import signal
import sys
import threading
import time
from pathlib import Path


def trace(path, text):
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)


def nap(argument):
    path, seconds = argument.split()
    time.sleep(float(seconds))
    trace(Path(path), "done")


def look_around(argument):
    main = threading.current_thread() is threading.main_thread()
    names = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    trace(Path(argument), f"{main} {os.getcwd()} {[os.environ.get(name) for name in names]}")


def answer(argument):
    trace(Path(argument), str(sys.modules["kinetic_code_my_pooling"].ANSWER))


def refuse(argument):
    if argument.endswith("bad"):
        raise ValueError(f"two\\nlines")
    trace(Path(argument), "done")


def die_once(argument):
    path = Path(argument)
    if not path.with_suffix(".first").exists():
        trace(path.with_suffix(".first"), str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    trace(path, "done")


def kill_worker_once(argument):
    path = Path(argument)
    if not path.with_suffix(".first").exists():
        trace(path.with_suffix(".first"), str(os.getpid()))
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    trace(path, "done")


def die(argument):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(argument):
    sys.exit(0)


def note_sigterm(argument):
    def stop(number, frame):
        trace(Path(argument), "SIGTERM")
        sys.exit(143)

    signal.signal(signal.SIGTERM, stop)
    trace(Path(argument), str(os.getpid()))
    time.sleep(60)


def deaf(argument):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    trace(Path(argument), str(os.getpid()))
    time.sleep(60)
'''
DRIVER = """
import contextlib, json, signal, sys
import ray_work
from kinetic.engines.interface import Task
from kinetic.engines.ray import Ray
name, arguments, options, enough = json.loads(sys.argv[1])
before = signal.getsignal(signal.SIGTERM)
tasks = [Task(f"task{i}", argument) for i, argument in enumerate(arguments)]
events = Ray(**options).run(getattr(ray_work, name), tasks)
started = 0
with contextlib.closing(events):
    for event in events:
        print(json.dumps([event.kind, event.name, event.detail]), flush=True)
        started += event.kind == "started"
        if started == enough:
            break
assert signal.getsignal(signal.SIGTERM) is before
print(json.dumps(["closed", "", ""]), flush=True)
"""


class Cluster:
    """A head without CPUs, and nodes beside it; each has its own network namespace."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.spaces, self.nodes, self.cleaning = folder, [], {}, contextlib.ExitStack()
        self.environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
            "RAY_AUTH_MODE": "disabled",  # the same on every node; nothing outside reaches the namespaces
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_health_check_timeout_ms": "2000",  # a node that is silent for about 10 seconds is dead
            "RAY_health_check_period_ms": "1000",
        }
        (folder / "ray_work.py").write_text(WORK, encoding="utf-8")

    def begin(self) -> None:
        head = self.space("head")
        run("ip", "-n", head, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", head, "address", "add", f"{HEAD}/24", "dev", "bridge")
        run("ip", "-n", head, "link", "set", "bridge", "up")
        self.start(head, HEAD, "--head", "--port=6379", "--include-dashboard=false", "--num-cpus=0", "--num-gpus=0")
        self.join(11)
        self.join(12)

    def space(self, name: str) -> str:
        space = f"kinetic-{os.getpid()}-{name}"
        run("ip", "netns", "add", space)
        self.spaces.append(space)
        self.cleaning.callback(run, "ip", "netns", "delete", space)
        self.cleaning.callback(self.kill, space)
        run("ip", "-n", space, "link", "set", "lo", "up")
        return space

    def join(self, number: int) -> None:
        """Start one more node, 10.77.0.NUMBER, with 2 CPUs and 1 pretended GPU."""
        self.nodes[number] = space = self.space(f"node{number}")
        head = self.spaces[0]
        run("ip", "-n", head, "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", space)
        run("ip", "-n", head, "link", "set", f"v{number}", "master", "bridge", "up")
        run("ip", "-n", space, "address", "add", f"10.77.0.{number}/24", "dev", "eth0")
        run("ip", "-n", space, "link", "set", "eth0", "up")
        self.start(space, f"10.77.0.{number}", f"--address={HEAD}:6379", "--num-cpus=2", "--num-gpus=1")

    def start(self, space: str, address: str, *options: str) -> None:
        log = self.folder / f"{space}.log"
        program = "import sys; from ray.scripts.scripts import main; sys.argv[0] = 'ray'; sys.exit(main())"
        command = [
            "ip",
            "netns",
            "exec",
            space,
            sys.executable,
            "-c",
            program,
            "start",
            "--block",
            "--disable-usage-stats",
        ]
        command += [f"--node-ip-address={address}", "--include-log-monitor=false", "--object-store-memory=80000000"]
        command += [f"--temp-dir={self.folder / address}", *options]  # in a shared folder their sockets collide
        with log.open("wb") as file:
            node = subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        self.cleaning.callback(node.wait)
        self.cleaning.callback(node.kill)
        wait_for(lambda: "Ray runtime started" in log.read_text() or node.poll() is not None, 60)
        assert node.poll() is None, log.read_text()

    def drive(
        self, work: str, arguments: list[str], *, enough: int = -1, folder: Path | None = None, **options: object
    ) -> subprocess.Popen[str]:
        """A program on the head that runs tasks and closes the iterator when `enough` have started.

        Args:
            folder: where the program runs
        """
        call = json.dumps([work, arguments, {"address": f"{HEAD}:6379", **options}, enough])
        command = ["ip", "netns", "exec", self.spaces[0], sys.executable, "-P", "-c", DRIVER, call]
        return subprocess.Popen(
            command,
            env=self.environment,
            cwd=folder or self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def events(self, work: str, arguments: list[str], **options: object) -> list[tuple[str, str, str]]:
        """All events but ticks of a program that succeeds and prints no error."""
        driver = self.drive(work, arguments, **options)
        try:
            out, err = driver.communicate(timeout=90)
        finally:
            driver.kill()
        assert (driver.returncode, err) == (0, "")
        return [tuple(event) for event in map(json.loads, out.splitlines()) if event[0] != "tick"]

    def kill(self, space: str) -> None:
        """Kill all processes of a namespace, as a power cut does."""
        for _ in range(50):
            if not (processes := run("ip", "netns", "pids", space).split()):
                return
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            time.sleep(0.1)
        raise RuntimeError(f"{space}: {processes} survive SIGKILL")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_for(true: Callable[[], bool], seconds: float) -> None:
    """Wait until a condition is true; fail after this many seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not true after {seconds} s"
        time.sleep(0.05)


def missing() -> str:
    """The reason why this machine cannot run a cluster; empty = it can."""
    if importlib.util.find_spec("ray") is None:
        return "Ray is not installed"
    if shutil.which("ip") is None:
        return "no program ip (iproute2), which makes network namespaces"
    try:
        run("ip", "netns", "add", f"kinetic-{os.getpid()}-trial")
        run("ip", "netns", "delete", f"kinetic-{os.getpid()}-trial")
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not permitted: {error.stderr.strip()}"
    return ""


@contextlib.contextmanager
def ray_cluster() -> Iterator[Cluster]:
    """A cluster of a head and two nodes; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="kinetic-ray-"))  # short: paths of sockets may have 107 letters
    cluster = Cluster(folder)
    with cluster.cleaning:  # all of it, also where a part fails
        cluster.cleaning.callback(shutil.rmtree, folder)
        cluster.begin()
        yield cluster
