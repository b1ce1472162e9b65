"""Imports only go down, every module has its room and its test beside it, and a public name has one home."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import kinetic
from benchmarks.rooms import arrows, imported, modules, room

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (
    "version",
    "messages",
    "plain",
    "files",
    "presets",
    "processes",
    "skeleton",
    "settings",
    "nn",
    "motion",
    "ntu",
    "formats",
    "metrics",
    "pictures",
    "engines",
    "models",
    "training",
    "families",
    "runs",
    "evaluation",
    "ablation",
    "cli",
    "__main__",
)
"""Each may import those above it."""
LEVEL = {name: level for level, name in enumerate(LAYERS)}
LIGHTNING = {"pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities"}
OFF_LIMITS = {
    **dict.fromkeys(("nn", "models", "metrics", "motion", "ntu", "formats", "pictures", "engines"), LIGHTNING),
    **{
        part: {"torch", "pytorch_lightning", "matplotlib", "numpy", *(["yaml"] if part != "plain" else [])}
        for part in ("version", "messages", "plain", "files", "presets", "processes", "settings")
    },
    "skeleton": {"torch", "pytorch_lightning", "matplotlib", "yaml"},
}
MODULES = modules(ROOT)
FLAT = {*LAYERS[: LAYERS.index("settings")], "__main__", "__init__"}
"""Modules that lie flat in the package; all others lie in a room."""
TESTS_OF_MORE = {
    "test_benchmarks.py": "the folder benchmarks",
    "test_conversion.py": "benchmarks/conversion.py",
    "test_docs.py": "the folder docs",
    "test_init.py": "kinetic/__init__.py",
    "test_layers.py": "all modules",
    "test_package.py": "the wheel",
}
"""Tests that have no module of their name, and what they test."""


def faults(module: str, names: Iterable[str]) -> list[str]:
    """Imports that go up, or to a library that the room does without."""
    here, messages = room(module), []
    for name in names:
        if name.split(".")[0] in OFF_LIMITS.get(here, ()):
            messages.append(f"{module} imports {name}: {here} does without it")
        target = room(name) if name.startswith("kinetic.") else ""
        if not target or target == here or target not in LEVEL:
            continue  # another library, the same room, or a name that kinetic/__init__.py gathers
        if LEVEL[target] >= LEVEL[here]:
            messages.append(f"{module} imports {name}: {target} is not below {here}")
    return messages


@pytest.mark.parametrize("module", [name for name in MODULES if room(name)])
def test_imports_only_go_down(module):
    path = MODULES[module]
    assert room(module) in LEVEL, f"give {module} a layer in tests/test_layers.py"
    names = imported(ast.parse(path.read_text(encoding="utf-8")), module, path.name == "__init__.py")
    assert faults(module, names) == []


@pytest.mark.parametrize("module", [name for name in MODULES if room(name)])
def test_names_come_from_their_modules_and_not_from_the_package(module):
    """`kinetic.Generator` and `from kinetic import Generator` would hide an import that goes up."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    names = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "kinetic"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "kinetic":
            names |= {entry.name for entry in node.names}
    assert names & set(kinetic.__all__) == set()


def test_modules_do_not_import_in_circles():
    """Not inside functions either, nor for type checkers alone; `kinetic` itself only gathers names."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for importer, imported_module in arrows(MODULES):
        if "kinetic" not in (importer, imported_module):
            sorter.add(importer, imported_module)
    sorter.prepare()  # raises CycleError


def test_only_ground_rooms_lie_flat():
    assert {path.stem for path in (ROOT / "kinetic").glob("*.py")} == FLAT


def test_every_package_has_a_sentence_that_says_what_it_holds():
    for path in (ROOT / "kinetic").glob("*/__init__.py"):
        (sentence,) = ast.parse(path.read_text(encoding="utf-8")).body
        assert ast.get_docstring(ast.Module([sentence], [])), path


def test_tests_stand_where_their_modules_do():
    tests = ROOT / "tests"
    files = [path.relative_to(tests) for path in tests.rglob("test_*.py")]
    strays = {str(file) for file in files if not (ROOT / "kinetic" / file.with_name(file.name[5:])).exists()}
    assert strays == set(TESTS_OF_MORE)


@pytest.mark.parametrize(
    ("module", "code", "fault"),
    [
        ("kinetic.nn.graph", "from kinetic.models.stgcn import Critic", "models is not below nn"),
        ("kinetic.nn.graph", "def f():\n    import kinetic.training.wgan", "training is not below nn"),
        ("kinetic.nn.graph", "from kinetic.motion import motion_set", "motion is not below nn"),
        ("kinetic.nn.graph", "from ..metrics import mmd", "metrics is not below nn"),
        ("kinetic.metrics.mmd", "from pytorch_lightning import Trainer", "metrics does without it"),
        ("kinetic.models.stgcn", "import lightning_fabric.utilities", "models does without it"),
        ("kinetic.files", "if TYPE_CHECKING:\n    from kinetic.skeleton import Skeleton", "not below files"),
        ("kinetic.settings.experiment", "import torch", "settings does without it"),
        ("kinetic.pictures.strips", "import_module('kinetic.runs.fit')", "runs is not below pictures"),
        ("kinetic.training.wgan", "from kinetic.runs.fit import fit", "runs is not below training"),
    ],
)
def test_a_wrong_import_is_a_fault(module, code, fault):
    (message,) = faults(module, imported(ast.parse(code), module))
    assert fault in message


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("kinetic.nn.graph", "from kinetic.nn.noise import GaussianNoise"),
        ("kinetic.nn.graph", "from .noise import GaussianNoise"),
        ("kinetic.training.wgan", "from pytorch_lightning import LightningModule"),
        ("kinetic.metrics.mmd", "from torchmetrics import Metric"),
        ("kinetic.runs.fit", "from kinetic.settings.reading import load_experiment"),
    ],
)
def test_a_right_import_is_no_fault(module, code):
    assert faults(module, imported(ast.parse(code), module)) == []


def test_a_public_name_has_one_home():
    homes = defaultdict(list)
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        defined |= {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        for name in defined & set(public(tree)):
            homes[name].append(module)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.name != "__init__.py"])
def test_every_module_says_what_it_holds_and_lists_its_names(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    if module != "kinetic.__main__":
        names = public(tree)
        assert names
        bound = {node.name for node in tree.body if hasattr(node, "name")} | {
            name.id for node in tree.body for name in ast.walk(node) if isinstance(name, ast.Name)
        }
        bound |= {a.asname or a.name for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names}
        assert set(names) <= bound, f"{module} lists names that it does not have"


def public(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value) if isinstance(node.value, ast.List | ast.Tuple) else []
    return []
