"""Imports only go down, Lightning stays out of the networks, and a public name has one home."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import kinetic

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
LEVEL = {part: level for level, part in enumerate(LAYERS)}
LIGHTNING = {"pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities"}
OFF_LIMITS = {
    **dict.fromkeys(("nn", "models", "metrics", "motion", "ntu", "formats", "pictures", "engines"), LIGHTNING),
    **{
        part: {"torch", "pytorch_lightning", "matplotlib", "numpy", *(["yaml"] if part != "plain" else [])}
        for part in ("version", "messages", "plain", "files", "presets", "processes", "settings")
    },
    "skeleton": {"torch", "pytorch_lightning", "matplotlib", "yaml"},
}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "kinetic").rglob("*.py"))
}


def imported(tree: ast.AST, module: str, is_package: bool = False) -> Iterator[str]:
    """Every dotted name that code imports, wherever in it: inside functions and for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (entry.name for entry in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            base = parts[: len(parts) - node.level + is_package] if node.level else []
            home = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{home}.{entry.name}" for entry in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str))


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def faults(module: str, names: Iterator[str] | list[str]) -> list[str]:
    """Imports that go up, sideways, or to a library that has no business there."""
    mine, found = part(module), []
    for name in names:
        if name.split(".")[0] in OFF_LIMITS.get(mine, ()):
            found.append(f"{module} imports {name}: {mine} does without it")
        other = part(name) if name.startswith("kinetic.") else ""
        if not other or other == mine or other not in LEVEL:
            continue  # another library, the same package, or a name that kinetic/__init__.py holds
        if LEVEL[other] >= LEVEL[mine]:
            found.append(f"{module} imports {name}: {other} is not below {mine}")
    return found


@pytest.mark.parametrize("module", [name for name in MODULES if part(name)])
def test_imports_only_go_down(module):
    path = MODULES[module]
    assert part(module) in LEVEL, f"give {module} a layer in tests/test_layers.py"
    names = list(imported(ast.parse(path.read_text(encoding="utf-8")), module, path.name == "__init__.py"))
    assert faults(module, names) == []


@pytest.mark.parametrize("module", [name for name in MODULES if part(name)])
def test_names_come_from_their_modules_and_not_from_the_package(module):
    """`kinetic.Generator` and `from kinetic import Generator` would hide an import that goes up."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    taken = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "kinetic"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "kinetic":
            taken |= {entry.name for entry in node.names}
    assert taken & set(kinetic.__all__) == set()


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
def test_a_wrong_import_is_found(module, code, fault):
    (found,) = faults(module, list(imported(ast.parse(code), module)))
    assert fault in found


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
def test_a_right_import_is_left_alone(module, code):
    assert faults(module, list(imported(ast.parse(code), module))) == []


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
