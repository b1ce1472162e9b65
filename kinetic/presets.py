"""Presets: the experiments, ablations, skeletons and table mappings that travel with the library, by their names.

A text names a preset when it holds no `/` or `\\` and does not end in `.yaml` or `.yml`: `demo` is the preset, whatever
the current folder holds; `demo.yaml`, `./demo` and a `Path` are files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from kinetic.messages import listed, suggestion

__all__ = ["Preset", "is_preset_name", "preset_file", "presets"]

Preset = Literal["experiment", "ablation", "skeleton", "table"]
"""The kinds of presets."""

_INSTALLED = Path(__file__).parent / "experiments"
FOLDER = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1] / "experiments"
"""The folder of all presets: in the installed package, or beside it in a checkout."""

PATTERNS: dict[Preset, str] = {
    "experiment": "*.yaml",
    "ablation": "ablation*.yaml",
    "skeleton": "skeletons/*.yaml",
    "table": "tables/*.yaml",
}


def _files(kind: Preset) -> dict[str, Path]:
    ablations = set(FOLDER.glob(PATTERNS["ablation"])) if kind == "experiment" else set()
    return {file.stem: file for file in sorted(FOLDER.glob(PATTERNS[kind])) if file not in ablations}


def presets(kind: Preset) -> dict[str, str]:
    """The names of all presets of a kind, each with the first line of the comment at the head of its file."""
    return {name: _about(file) for name, file in _files(kind).items()}


def _about(file: Path) -> str:
    with open(file, encoding="utf-8") as lines:
        return next((line.lstrip("# ").rstrip() for line in lines if line.startswith("#")), "")


def is_preset_name(word: object) -> bool:
    """Whether a word names a preset, so that it is never read as a path."""
    if not isinstance(word, str) or word in ("", ".", ".."):
        return False
    return "/" not in word and "\\" not in word and not word.lower().endswith((".yaml", ".yml"))


def preset_file(
    word: str | os.PathLike[str], kind: Preset, *, folder: Path = Path(), names: Iterable[str] = ()
) -> Path:
    """The file of the preset of this name, or the file at this path.

    Args:
        word: name of a preset, or a path
        kind: what the file holds
        folder: where relative paths begin
        names: further names that the caller accepts, for the message

    Raises:
        FileNotFoundError: when there is no such preset or file, with the nearest preset
    """
    files = _files(kind)
    accepted = list(dict.fromkeys([*names, *files]))
    if is_preset_name(word):
        if word in files:
            return files[str(word)]
        name = str(word)[:60]
        other_kinds = [other for other in get_args(Preset) if other != kind and word in _files(other)]
        reason = "no preset has this name"
        if other_kinds:
            reason = f"the preset of this name is for another use ({other_kinds[0]})"
        raise FileNotFoundError(
            f"{name}: {reason}; {suggestion(name, accepted)}; a file of yours is written {name}.yaml or ./{name}"
        )
    path = folder / word
    if not path.exists():
        if path.stem in files:
            raise FileNotFoundError(f"{path}: no such file; the preset is called {path.stem}")
        raise FileNotFoundError(f"{path}: no such file; expected a YAML file or a name: {listed(accepted)}")
    return path
