"""Keys of cells: twelve hexadecimal digits for all causes of a result; and results under the keys of older schemes.

A key stands for the settings that the family of the model reads, as far as they differ from its defaults, and for whole
numbers that we raise by hand when the same settings give another result: `Family.version` and `SCORING`. So a new
option that is off by default, or a new release, leaves finished cells as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kinetic.families.experiments import from_plain
from kinetic.families.table import family_of
from kinetic.files import read_json
from kinetic.settings.ablation import ScoresConfig
from kinetic.settings.experiment import Experiment
from kinetic.settings.reading import differences, to_plain
from kinetic.version import __version__

__all__ = ["SCHEME", "SCORING", "SILENT", "OlderResults", "cell_key", "digest", "without_silent"]

SCHEME = 2
"""Number of this scheme of keys; `grid.json` and `cell.json` name it, where it is not 1."""

SCORING = 1
"""Version of the scores of cells; raised by hand when the same generator gets other numbers."""

SILENT = ("name", "data.source", "data.workers", "training.save_every", "training.log_every", "training.loggers")
"""Settings that change nothing in a result; of the motions' file, its content counts."""


def without_silent(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings without those that change nothing in a result."""
    kept = {name: dict(value) if isinstance(value, Mapping) else value for name, value in settings.items()}
    for key in SILENT:
        section, _, name = key.rpartition(".")
        (kept.get(section, {}) if section else kept).pop(name, None)
    return kept


def cell_key(experiment: Experiment, scores: ScoresConfig | None, *, encoder: str, data: str, threads: int) -> str:
    """The key of a cell.

    Args:
        scores: how it is scored; None = a recognition network
        encoder: key of the recognition network, or the hash of its weights
        data: digest of the motions
        threads: threads of the training
    """
    family = family_of(experiment)
    changes = differences(experiment)
    settings = {name: value for name, value in without_silent(changes).items() if value != {} or changes[name] == {}}
    scoring = None
    if scores is not None:
        scoring = [SCORING, differences(scores) | {"inception": digest(scores.inception)}]
    return _hash([SCHEME, family.name, family.version, settings, scoring, encoder, data, threads])


def _hash(content: list[Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


class OlderResults:
    """Results in an ablation's folder under the keys of scheme 1, of versions 0.1, which had a key for every release.

    They are used where settings, motions, recognition network and threads are the same, which the old key proves: it is
    computed again.

    Args:
        folder: folder of the ablation
    """

    def __init__(self, folder: Path) -> None:
        self.cells: list[tuple[Path, dict[str, Any], dict[str, Any]]] = []  # folder, cell.json, settings as of today
        for file in sorted(folder.glob("cells/*/cell.json")):
            try:
                plain = read_json(file)
                if "keys" in plain or not (file.parent / "result.json").exists():
                    continue
                settings = without_silent(to_plain(from_plain(plain["experiment"], strict=False)))
            except (ValueError, KeyError, TypeError, OSError):  # the one that needs the cell refuses it
                continue
            self.cells.append((file.parent, plain, settings))

    def key(
        self, experiment: Experiment, scores: ScoresConfig | None, *, encoder: str, data: str, threads: int
    ) -> str | None:
        """The old key of a cell that has a result, or None; the arguments are those of `cell_key`."""
        settings = without_silent(to_plain(experiment))
        scoring = None if scores is None else asdict(scores) | {"inception": digest(scores.inception)}
        for home, plain, old_settings in self.cells:
            if old_settings != settings:
                continue
            for version in _versions(home):
                whole = [1, version, without_silent(plain["experiment"]), scoring, encoder, data, threads]
                if _hash(whole) == plain.get("key"):
                    return str(plain["key"])
        return None


def _versions(home: Path) -> list[str]:
    """The versions that may have written a cell: the one that its run names, and this one."""
    try:
        version = read_json(home / "run" / "environment.json")["versions"]["kinetic"]
    except (ValueError, KeyError, TypeError, OSError):
        return [__version__]
    return list(dict.fromkeys([str(version), __version__]))


def digest(path: str | os.PathLike[str] | None) -> str:
    """Sixteen hexadecimal digits for the content of a file or folder; an empty text for None.

    Of files above 256 MiB, the size and 64 parts count.
    """
    if path is None:
        return ""
    root, content = Path(path), hashlib.sha256()
    if not root.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    for file in sorted(root.rglob("*")) if root.is_dir() else [root]:
        if not file.is_file():
            continue
        size = file.stat().st_size
        content.update(f"{file.relative_to(root) if file != root else ''}\0{size}\0".encode(errors="surrogateescape"))
        with open(file, "rb") as stream:
            if size <= WHOLE:
                content.update(hashlib.file_digest(stream, "sha256").digest())
                continue
            for start in np.linspace(0, size - PART, 64).astype(np.int64).tolist():
                stream.seek(start)
                content.update(stream.read(PART))
    return content.hexdigest()[:16]


WHOLE, PART = 256 << 20, 1 << 20
