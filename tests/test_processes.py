"""Processes of our own import nothing from the current folder, end with their parent, and load a user's code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from traps import set_traps, sprung

from kinetic.processes import (
    Child,
    code_files,
    ending,
    guarded,
    isolated,
    load_code,
    search_path,
    stop_signals,
    thread_variables,
    variables,
)

ROOT = Path(__file__).resolve().parent.parent
TINY = [
    *("--data.classes", "walk,wave", "--data.frames", "16", "--data.batch_size", "4", "--data.synthetic.subjects", "4"),
    *("--data.synthetic.repeats", "1", "--training.accelerator", "cpu", "--training.steps", "2"),
]
GAN = ["--generator.widths", "8,8,8,8,8", "--generator.latent", "8", "--critic.widths", "8,8,8,8,8,8"]
ENCODER = ["--model", "encoder", "--encoder.widths", "8,8"]
GRID = """
name: tiny
seeds: 1
recipes: {Baseline: {about: as published}}
benchmarks: {people: {about: synthetic, encoder: ./encoder}}
scores: {only: [frechet], draws: 1, shown: 1}
"""
VERBS = [
    ["fit", *TINY, *ENCODER, "--out", "encoder", "--quiet"],
    ["fit", *TINY, *GAN, "--out", "gan", "--quiet", "--data.workers", "1"],
    ["sample", "gan", "--count", "4", "-o", "made.npz"],
    ["evaluate", "gan", "--encoder", "encoder", "--seeds", "1", "--count", "4", "-o", "a.json", "--only", "frechet"],
    ["evaluate", "gan", "--encoder", "encoder", "--seeds", "1", "--count", "4", "-o", "b.json", "--only", "frechet"],
    ["compare", "a.json", "b.json"],
    ["ablate", "grid.yaml", *TINY, *GAN, "-o", "grid", "--jobs", "1"],
    ["plot", "made.npz", "-o", "made.png", "--count", "2"],
    ["plot", "gan", "-o", "curves.png"],
    ["view", "made.npz", "-o", "page.html"],
    ["data", "example", "-o", "raw", "--clips", "140"],
    ["data", "build", "ntu", "--raw", "raw", "--benchmark", "ntu60-xsub", "-o", "ntu", "--workers", "2", "--quiet",
     "--allow-failures"],
    ["data", "info", "ntu"],
    ["data", "check", "ntu"],
    ["data", "convert", "ntu", "-o", "ntu.npz"],
    ["skeleton", "check", "ntu25"],
    ["skeleton", "show", "ntu25", "-o", "skeleton.png"],
]  # fmt: skip
ALL = """
import json, sys
from kinetic.cli.main import main
sys.exit([main(verb) for verb in json.loads(sys.argv[1])] != [0] * {count})
"""
"""What the console script does, with one verb after the other: importing everything once takes long enough."""


@pytest.fixture
def folder(tmp_path):
    """The current folder, with traps."""
    (tmp_path / "grid.yaml").write_text(GRID)
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\ntext.latex.preamble: \\input{trap}\n")  # would run TeX
    return set_traps(tmp_path)


def output(command, folder, **environment):
    """What a program prints that runs in a folder and succeeds."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_no_verb_imports_from_the_current_folder(folder):
    output([sys.executable, "-P", "-c", ALL.format(count=len(VERBS)), json.dumps(VERBS)], folder)
    assert (folder / "grid" / "report.html").exists() and (folder / "ntu" / "motion.npy").exists()
    assert sprung(folder) == ""
    # With -m, Python searches the current folder first, until our code runs.
    output([sys.executable, "-m", "kinetic", *("again" if word == "grid" else word for word in VERBS[6])], folder)
    for verb in {" ".join(words[: 2 if words[0] in ("data", "skeleton") else 1]) for words in VERBS}:
        output([sys.executable, "-m", "kinetic", *verb.split(), "--help"], folder)
    assert sprung(folder) == ""


def test_several_devices_import_nothing_from_the_current_folder(folder):
    set_traps(folder, "contextlib")  # which Python with -m imports before anything of ours
    devices = ["--training.devices", "2", "--out", "two"]
    output([sys.executable, "-P", "-m", "kinetic", "fit", *TINY, *ENCODER, *devices], folder)
    assert (folder / "two" / "checkpoints" / "last.ckpt").exists() and sprung(folder) == ""


def test_a_checkout_runs_from_its_own_folder():
    libraries = os.pathsep.join(entry for entry in sys.path if entry != str(ROOT))
    printed = output([sys.executable, "-S", "-m", "kinetic", "skeleton", "check", "ntu25"], ROOT, PYTHONPATH=libraries)
    assert printed.startswith("ntu25: sound")


def tell(*arguments):
    print(json.dumps([arguments, sys.path, bool(sys.flags.isolated)]))


def test_an_isolated_process_imports_from_its_path_alone(folder):
    path = [str(Path(__file__).parent), *search_path()]
    command = isolated("test_processes:tell", 1, "two", ["three"], path=path)
    arguments, searched, alone = json.loads(output(command, folder, PYTHONPATH=f"{folder}{os.pathsep}."))
    assert (arguments, searched, alone) == ([1, "two", ["three"]], path, True)
    assert sprung(folder) == ""


def test_relative_entries_are_left_out_unless_modules_came_from_there(tmp_path, monkeypatch):
    (tmp_path / "own_work_of_a_notebook.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", ".", "tests", *sys.path])
    before = search_path()
    assert all(map(os.path.isabs, before)) and str(tmp_path) not in before
    __import__("own_work_of_a_notebook")
    assert search_path("own_work_of_a_notebook.and.more") == [str(tmp_path), *before]
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(ROOT)])
    assert search_path()[0] == str(ROOT)  # kinetic itself is always found


def test_the_variables_hold_what_stands_before_the_standard_library(monkeypatch, tmp_path):
    standard = [entry for entry in sys.path if "python3" in entry]
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *standard, "/last"])
    assert variables()["PYTHONSAFEPATH"] == "1"
    entries = variables()["PYTHONPATH"].split(os.pathsep)
    assert entries[:2] == [str(ROOT), str(tmp_path)]
    assert "/last" not in entries and standard[0] not in entries


def test_what_a_library_starts_leaves_the_current_folder_alone(folder, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    before = dict(os.environ)
    code = "import json, multiprocessing, yaml, kinetic.cli.main"
    with guarded():
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    assert dict(os.environ) == before and sprung(folder) == ""
    assert subprocess.run([sys.executable, "-c", code], cwd=folder, stderr=subprocess.DEVNULL).returncode == 1
    assert sprung(folder) == "json "  # the traps work


def test_an_ignored_hangup_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert stop_signals() == (signal.SIGTERM,)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert stop_signals() == (signal.SIGTERM, signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


# -------------------------------------------------------------------------------------------------------------- a child


def answer(orders, replies, greeting):
    """Body of a child: answers every order until there are no more."""
    replies.send([greeting, os.getcwd(), os.environ["OMP_NUM_THREADS"], sys.stdin.read(), os.getpgid(0) == os.getpid()])
    while True:
        try:
            replies.send(orders.recv() * 2)
        except EOFError:
            return


def sleep_with_another(orders, replies):
    """Body of a child that is deaf to its orders, as is the process that it forks."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    other = os.fork()
    if other:
        replies.send(other)
    time.sleep(100)


def child(function, *arguments, **options):
    return Child(f"test_processes:{function}", *arguments, path=[str(Path(__file__).parent), *search_path()], **options)


def alive(pid):
    """Whether a process runs; one that is dead and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_gone(pid):
    until = time.monotonic() + 30
    while alive(pid):
        assert time.monotonic() < until, f"process {pid} still runs"
        time.sleep(0.02)


def test_a_child_answers_until_its_orders_end(tmp_path):
    process = child("answer", "hello", folder=str(tmp_path), threads=3)
    assert process.replies.recv() == ["hello", str(tmp_path), "3", "", True]
    process.orders.send(21)
    assert process.replies.recv() == 42
    assert process.end(30) == "ended with status 0"


def test_a_child_that_does_not_end_is_killed_with_all_that_it_started():
    process = child("sleep_with_another")
    other = process.replies.recv()
    process.process.terminate()
    assert process.end(0.1) == "killed by SIGKILL"
    assert_gone(other)


@pytest.mark.parametrize("fork", [False, True], ids=["", "although it left a fork behind"])
def test_a_child_dies_with_its_parent(fork):
    code = (
        "import os, sys, time; sys.path[:0] = [sys.argv[1]]; import test_processes\n"
        "process = test_processes.child('sleep_with_another')\n"
        "print(process.process.pid, process.replies.recv(), flush=True)\n"
        f"if {fork}: print(os.fork(), flush=True)\n"
        "time.sleep(100)\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        left = [parent.stdout.readline() for _ in range(2)] if fork else []
        assert all(map(alive, pids))
        parent.kill()
        for pid in pids:
            assert_gone(pid)
        for pid in filter(None, map(int, left)):  # the fork prints 0
            os.kill(pid, signal.SIGKILL)


def test_the_end_of_a_process_in_words():
    assert ending(0) == "ended with status 0"
    assert ending(-signal.SIGSEGV) == "killed by SIGSEGV"
    assert ending(-63) == "killed by signal 63"


def test_all_numerical_libraries_use_as_many_threads():
    assert thread_variables(2) == {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}


# ------------------------------------------------------------------------------------------------------- code of a user


@pytest.fixture
def modules():
    """Forgets the modules of loaded files."""
    yield
    for name in [name for name in sys.modules if name.startswith("kinetic_code_")]:
        del sys.modules[name]


def test_a_file_is_imported_once_under_a_stable_name(tmp_path, modules):
    (tmp_path / "my-loss.py").write_text("import sys\nsys.argv.append('loaded')\nclass Loss: pass\n")
    before = list(sys.argv)
    module = load_code(tmp_path / "my-loss.py")
    assert load_code(str(tmp_path / "my-loss.py")) is module is sys.modules["kinetic_code_my_loss"]
    assert sys.argv == [*before, "loaded"] and module.Loss.__module__ == "kinetic_code_my_loss"
    sys.argv[:] = before
    assert code_files([tmp_path / "my-loss.py"]) == [str(tmp_path / "my-loss.py")]


def test_a_relative_path_is_made_whole(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert code_files(["a.py"]) == [str(tmp_path / "a.py")]


def test_what_is_no_python_file_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone.py: no such Python file"):
        load_code(tmp_path / "gone.py")
    (tmp_path / "loss.txt").write_text("")
    with pytest.raises(ValueError, match="loss.txt: expected a Python file, whose name ends in .py"):
        load_code(tmp_path / "loss.txt")
    with pytest.raises(ValueError, match=r"code must be a list of Python files, got 'loss.py'; write \['loss.py'\]"):
        code_files("loss.py")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("1 / 0", "ZeroDivisionError: division by zero"), ("import nowhere", "No module named 'nowhere'"),
     ("def", "SyntaxError: "), ("raise SystemExit(3)", "SystemExit: 3")],
)  # fmt: skip
def test_the_error_of_a_file_is_told_with_its_name_and_leaves_no_module(tmp_path, text, reason):
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(ImportError, match=f"bad.py: .*{reason}"):
        load_code(tmp_path / "bad.py")
    assert "kinetic_code_bad" not in sys.modules


def test_two_files_of_one_name_are_refused(tmp_path, modules):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "loss.py").write_text("")
    load_code(tmp_path / "a" / "loss.py")
    with pytest.raises(ValueError, match="b/loss.py: .*a/loss.py is loaded under the same name.*rename one"):
        load_code(tmp_path / "b" / "loss.py")
