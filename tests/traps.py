"""Traps: modules in the current folder that leave a mark when they are imported."""

from __future__ import annotations

from pathlib import Path

NAMES = (
    *("json", "multiprocessing", "platform", "typing", "random", "csv", "subprocess", "argparse"),  # of Python
    *("torch", "numpy", "yaml", "scipy", "matplotlib", "PIL", "tqdm", "einops", "pytorch_lightning"),  # of libraries
    *("wandb", "tensorboard", "av", "hydra", "ray", "submitit", "rich"),  # that are optional
    *("sitecustomize", "usercustomize"),  # that every Python imports at its start
)
TRAP = """
from pathlib import Path
with open(Path(__file__).with_name("SPRUNG"), "a") as file:
    file.write(__name__ + " ")
raise SystemExit("a module of the current folder ran")
"""


def set_traps(folder: Path, *names: str) -> Path:
    """Put a trap of each usual name and of these names into a folder, and return the folder."""
    for name in (*NAMES, *names):
        (folder / f"{name}.py").write_text(TRAP, encoding="utf-8")
    return folder


def sprung(folder: Path) -> str:
    """The names of the traps that were imported, each followed by a blank."""
    mark = folder / "SPRUNG"
    return mark.read_text(encoding="utf-8") if mark.exists() else ""
