"""The public names, and the cost of importing the package."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

import kinetic

NAMES = sorted(kinetic.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_public_name_is_the_object_of_its_module(name):
    assert getattr(kinetic, name) is getattr(import_module(kinetic._HOMES[name]), name)


def test_the_promised_names_exist():
    promised = """Skeleton SkeletonPyramid NTU25 NTU25_2D H36M16 COCO17 MotionSet read_motions write_motions synthesise
        Generator Critic KineticGAN Experiment load_experiment fit load_run sample evaluate animate filmstrip
        load_published_generator load_published_critic save_published_generator save_published_critic
        frechet_distance FrechetDistance mmd plot view"""
    assert set(promised.split()) <= set(NAMES)
    assert set(NAMES) <= set(dir(kinetic))


def test_type_checkers_see_the_same_names_from_the_same_modules():
    tree = ast.parse(Path(kinetic.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    names = {entry.asname: line.module for line in block.body for entry in line.names}
    assert names == kinetic._HOMES


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Generatr'"):
        kinetic.Generatr  # noqa: B018


def fresh(code):
    """The output of a new interpreter for the code, and its seconds beyond those of an empty program."""
    seconds = []
    for text in ("pass", code):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - start)
    return done.stdout, seconds[1] - seconds[0]


def test_import_is_instant_and_brings_in_nothing_heavy():
    code = "import sys, kinetic; print([m for m in ('torch', 'numpy', 'matplotlib', 'yaml') if m in sys.modules])"
    results = [fresh(code) for _ in range(3)]
    assert {printed for printed, _ in results} == {"[]\n"}
    assert min(seconds for _, seconds in results) < 0.1


def test_motions_and_skeletons_come_without_torch():
    code = "import sys, kinetic; kinetic.NTU25, kinetic.MotionSet, kinetic.Experiment; print('torch' in sys.modules)"
    assert fresh(code)[0] == "False\n"
