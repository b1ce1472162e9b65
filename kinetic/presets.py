"""Presets: the experiments, ablations, skeletons and mappings of tables that travel with the library, by their names.

A word is the name of a preset when it is a text without `/` or `\\` that does not end in `.yaml` or `.yml`: `demo` is
the preset, whatever the current folder holds; `demo.yaml`, `./demo` and a `Path` are files.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

__all__ = ["Preset", "is_preset_name", "preset_file", "presets"]

Preset = Literal["experiment", "ablation", "skeleton", "table"]
"""What a preset may be a preset of."""

_INSTALLED = Path(__file__).parent / "experiments"
FOLDER = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1] / "experiments"
"""Where they are: in the installed package, or beside it in a checkout."""

PATTERNS: dict[Preset, str] = {
    "experiment": "*.yaml",
    "ablation": "ablation*.yaml",
    "skeleton": "skeletons/*.yaml",
    "table": "tables/*.yaml",
}


def _files(kind: Preset) -> dict[str, Path]:
    others = set(FOLDER.glob(PATTERNS["ablation"])) if kind == "experiment" else set()
    return {file.stem: file for file in sorted(FOLDER.glob(PATTERNS[kind])) if file not in others}


def presets(kind: Preset) -> dict[str, str]:
    """The names of all presets of a kind, each with the first line of the comment at the head of its file."""
    return {name: _about(file) for name, file in _files(kind).items()}


def _about(file: Path) -> str:
    with open(file, encoding="utf-8") as lines:
        return next((line.lstrip("# ").rstrip() for line in lines if line.startswith("#")), "")


def is_preset_name(word: object) -> bool:
    """Whether a word can only be the name of a preset, and is never read as a path."""
    if not isinstance(word, str) or word in ("", ".", ".."):
        return False
    return "/" not in word and "\\" not in word and not word.lower().endswith((".yaml", ".yml"))


def preset_file(
    word: str | os.PathLike[str], kind: Preset, *, folder: Path = Path(), names: Iterable[str] = ()
) -> Path:
    """The file that a word stands for: that of a preset, or the one at a path.

    Args:
        word: name of a preset, or a path
        kind: what the file holds
        folder: which relative paths begin at
        names: that could be meant too, for the message

    Raises:
        FileNotFoundError: when there is no such preset or file, naming the nearest preset
    """
    files = _files(kind)
    known = list(dict.fromkeys([*names, *files]))
    if is_preset_name(word):
        if word in files:
            return files[str(word)]
        shown = str(word)[:60]
        near = difflib.get_close_matches(shown, known, n=1)
        instead = f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(known)}"
        others = [each for each in get_args(Preset) if each != kind and word in _files(each)]
        what = f"the preset of this name is for another use ({others[0]})" if others else "no preset has this name"
        raise FileNotFoundError(f"{shown}: {what}; {instead}; a file of yours is written {shown}.yaml or ./{shown}")
    path = folder / word
    if not path.exists():
        if path.stem in files:
            raise FileNotFoundError(f"{path}: no such file; the preset is called {path.stem}")
        raise FileNotFoundError(f"{path}: no such file; expected a YAML file or a name: {', '.join(known)}")
    return path
