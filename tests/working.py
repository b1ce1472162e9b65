"""Functions that the tests of engines run in other processes."""

import json
import os
import signal
import sys
import time
from pathlib import Path


def note(folder, name, content=""):
    """Write a file that appears whole or not at all."""
    beside = Path(folder) / f".{name}"
    beside.write_text(str(content))
    beside.rename(Path(folder) / name)


def first_time(folder):
    """Whether this is the first call for the folder."""
    try:
        (Path(folder) / "tried").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def nap(folder):
    with open(Path(folder) / "stamps", "a") as file:
        file.write(f"{time.monotonic()} ")
        file.flush()
        time.sleep(0.3)
        file.write(f"{time.monotonic()}\n")


def vanish_once(folder):
    if Path(folder).name == "victim" and first_time(folder):
        os.kill(os.getpid(), signal.SIGKILL)
    nap(folder)


def vanish(folder):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(folder):
    os._exit(7)


def stop(folder):
    raise KeyboardInterrupt("enough")


def fail_or_nap(folder):
    print("so far so good")
    if Path(folder).name == "bad":
        raise ValueError("too few\nmotions " + "x" * 1000)
    nap(folder)


def tell_gpu(folder):
    note(folder, "gpu", os.environ.get("CUDA_VISIBLE_DEVICES"))
    nap(folder)


def sleep_long(folder):
    note(folder, "pid", os.getpid())
    time.sleep(100)


def sleep_deaf(folder):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep_long(folder)


def sleep_lightly(folder):
    """Sleep long, unless a signal comes."""

    def wake(number, frame):
        note(folder, "woken", signal.Signals(number).name)
        sys.exit(128 + number)

    signal.signal(signal.SIGINT, wake)
    signal.signal(signal.SIGTERM, wake)
    sleep_long(folder)


def sleep_long_or_deaf(folder):
    (sleep_deaf if Path(folder).name == "deaf" else sleep_long)(folder)


def behead_once(folder):
    """Kill the server, the first time that the task is `bad`."""
    if Path(folder).name == "bad" and first_time(folder):
        while not (Path(folder).parent / "good" / "pid").exists():
            time.sleep(0.02)
        note(folder, "pid", os.getpid())
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(100)
    elif Path(folder).name == "good" and first_time(folder):
        sleep_lightly(folder)


def orphan(folder):
    """Leave a process behind that holds all inherited files."""
    if (pid := os.fork()) == 0:
        time.sleep(100)
        os._exit(0)
    note(folder, "pid", pid)


def look_around(folder):
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    surroundings = {name: os.environ.get(name) for name in names}
    surroundings |= {"preloaded": "colorsys" in sys.modules, "torch": "torch" in sys.modules}
    surroundings |= {"group": os.getpgid(0), "session": os.getsid(0), "pid": os.getpid(), "stdin": sys.stdin.read()}
    note(folder, "surroundings", json.dumps(surroundings))


def use_code(folder):
    """Note a value of a file of the user."""
    module = sys.modules.get("kinetic_code_my_pooling")
    note(folder, "answer", getattr(module, "ANSWER", None))


class Work:
    @staticmethod
    def nested(folder):
        note(folder, "nested")
