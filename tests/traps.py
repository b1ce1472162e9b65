"""Modules of a stranger that lie in the current folder: each leaves a mark when something imports it."""

from __future__ import annotations

from pathlib import Path

NAMES = (
    *("json", "multiprocessing", "platform", "typing", "random", "csv", "subprocess", "argparse"),  # of Python
    *("torch", "numpy", "yaml", "scipy", "matplotlib", "PIL", "tqdm", "einops", "pytorch_lightning"),  # of libraries
    *("wandb", "tensorboard", "av", "hydra", "ray", "submitit", "rich"),  # that are looked for and may not be there
    *("sitecustomize", "usercustomize"),  # that every Python looks for
)
TRAP = """
from pathlib import Path
with open(Path(__file__).with_name("SPRUNG"), "a") as file:
    file.write(__name__ + " ")
raise SystemExit("a module of the current folder ran")
"""


def set_traps(folder: Path, *more: str) -> Path:
    """The folder with one module of each of these names, and more."""
    for name in (*NAMES, *more):
        (folder / f"{name}.py").write_text(TRAP, encoding="utf-8")
    return folder


def sprung(folder: Path) -> str:
    """The names of those that something imported."""
    mark = folder / "SPRUNG"
    return mark.read_text(encoding="utf-8") if mark.exists() else ""
