"""Nothing of the current folder is imported by any verb, whatever starts it, nor by any process that it starts."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from traps import set_traps, sprung

from kinetic.processes import guarded, isolated, search_path, stop_signals, variables

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


def ended(command, folder, **environment):
    """A program that ended well in a folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_verb_imports_from_the_current_folder(folder):
    ended([sys.executable, "-P", "-c", ALL.format(count=len(VERBS)), json.dumps(VERBS)], folder)
    assert (folder / "grid" / "report.html").exists() and (folder / "ntu" / "motion.npy").exists()
    assert sprung(folder) == ""
    # With -m, Python searches the current folder first, until we are asked.
    ended([sys.executable, "-m", "kinetic", *("again" if word == "grid" else word for word in VERBS[6])], folder)
    for verb in {" ".join(words[: 2 if words[0] in ("data", "skeleton") else 1]) for words in VERBS}:
        ended([sys.executable, "-m", "kinetic", *verb.split(), "--help"], folder)
    assert sprung(folder) == ""


def test_several_devices_import_nothing_from_the_current_folder(folder):
    set_traps(folder, "contextlib")  # which Python with -m imports before anything of ours
    devices = ["--training.devices", "2", "--out", "two"]
    ended([sys.executable, "-P", "-m", "kinetic", "fit", *TINY, *ENCODER, *devices], folder)
    assert (folder / "two" / "checkpoints" / "last.ckpt").exists() and sprung(folder) == ""


def test_a_checkout_runs_from_its_own_folder():
    libraries = os.pathsep.join(entry for entry in sys.path if entry != str(ROOT))
    told = ended([sys.executable, "-S", "-m", "kinetic", "skeleton", "check", "ntu25"], ROOT, PYTHONPATH=libraries)
    assert told.startswith("ntu25: sound")


def tell(*arguments):
    print(json.dumps([arguments, sys.path, bool(sys.flags.isolated)]))


def test_an_isolated_process_has_the_path_that_it_is_given_and_nothing_else(folder):
    path = [str(Path(__file__).parent), *search_path()]
    command = isolated("test_processes:tell", 1, "two", ["three"], path=path)
    arguments, found, alone = json.loads(ended(command, folder, PYTHONPATH=f"{folder}{os.pathsep}."))
    assert (arguments, found, alone) == ([1, "two", ["three"]], path, True)
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
    found = variables()
    assert found["PYTHONSAFEPATH"] == "1"
    assert found["PYTHONPATH"].split(os.pathsep)[:2] == [str(ROOT), str(tmp_path)]
    assert "/last" not in found["PYTHONPATH"] and standard[0] not in found["PYTHONPATH"].split(os.pathsep)


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
