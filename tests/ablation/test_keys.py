"""Keys of cells: what changes them, what does not, and results under the keys of older versions."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from kinetic.ablation import keys
from kinetic.ablation.keys import OlderResults, digest
from kinetic.ablation.recipes import Cell
from kinetic.families.experiments import load_experiment
from kinetic.families.kinetic_gan import KINETIC_GAN
from kinetic.families.table import FAMILIES
from kinetic.settings.ablation import ScoresConfig
from kinetic.settings.experiment import DataConfig, Experiment
from kinetic.settings.reading import to_plain

ROOT = Path(__file__).resolve().parents[2]
DATA = {"classes": ["walk", "wave"], "frames": 16, "batch_size": 4, "synthetic": {"subjects": 2, "repeats": 1}}


def cell(**changes) -> Cell:
    default = Cell("xsub", "A", 0, load_experiment(data=DATA, training={"steps": 4}), ScoresConfig(), "net", "", 1, 1)
    return replace(default, **changes)


@pytest.mark.parametrize(
    "change",
    [
        {"experiment": load_experiment(data=DATA, training={"steps": 4}, seed=1)},
        {"experiment": load_experiment(data=DATA, training={"steps": 5})},
        {"experiment": load_experiment(data=DATA, training={"steps": 4}, critic={"noise": {"std": 0.1}})},
        {"scores": ScoresConfig(draws=2)},
        {"encoder": "another"},
        {"data": "ab"},
        {"threads": 2},
    ],
)
def test_whatever_changes_a_result_changes_its_key(change):
    assert cell(**change).key != cell().key


@pytest.mark.parametrize(
    "change",
    [
        {"benchmark": "renamed"},
        {"recipe": "renamed"},
        {"experiment": load_experiment(name="x", data={**DATA, "workers": 1}, training={"steps": 4, "save_every": 7})},
        {"network": Path("elsewhere")},
    ],
)
def test_names_and_places_do_not(change):
    assert cell(**change).key == cell().key


def test_a_key_is_the_same_in_every_process():
    code = "from test_keys import cell; print(cell().key)"
    environment = dict(
        os.environ, PYTHONHASHSEED="7", PYTHONPATH=os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    )
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == cell().key


def test_a_digest_tells_contents_names_and_sizes_apart(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"12")
    before = digest(tmp_path / "a")
    (tmp_path / "a" / "x").write_bytes(b"21")
    assert digest(tmp_path / "a") != before
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    (tmp_path / "a" / "y").write_bytes(b"12")
    assert digest(tmp_path / "a") != before
    assert len(before) == 16
    assert digest(None) == ""
    with pytest.raises(FileNotFoundError, match="nothing"):
        digest(tmp_path / "nothing")


def test_a_digest_of_a_large_file_looks_at_parts_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr("kinetic.ablation.keys.WHOLE", 10)
    monkeypatch.setattr("kinetic.ablation.keys.PART", 4)
    (tmp_path / "x").write_bytes(b"0123456789abcdef")
    before = digest(tmp_path / "x")
    (tmp_path / "x").write_bytes(b"0123456789abcdeF")
    assert digest(tmp_path / "x") != before


def test_a_procedure_that_gives_other_results_changes_the_keys_of_its_family(monkeypatch):
    before = cell().key
    monkeypatch.setitem(FAMILIES, "gan", replace(KINETIC_GAN, version=KINETIC_GAN.version + 1))
    assert cell().key != before


def test_other_scores_change_the_keys_of_generators_alone(monkeypatch):
    network = replace(cell(), scores=None)
    before = cell().key, network.key
    monkeypatch.setattr(keys, "SCORING", keys.SCORING + 1)
    assert cell().key != before[0] and replace(network).key == before[1]


def test_neither_a_release_nor_a_setting_at_its_default_changes_a_key(monkeypatch):
    before = cell().key
    monkeypatch.setattr(keys, "__version__", "99.0")
    spelt = load_experiment(data=DATA, training={"steps": 4, "critic_steps": 5}, critic={"pooling": "mean"})
    assert cell(experiment=spelt).key == before


@dataclass(frozen=True, kw_only=True)
class Extra:
    strength: float = 1.0


@dataclass(frozen=True, kw_only=True)
class OwnExperiment(Experiment):
    """Settings of a family of the user, with a default that differs from that of its section."""

    model: str = "own"
    data: DataConfig = field(default_factory=lambda: DataConfig(frames=32))
    extra: Extra | None = None
    options: dict[str, Any] = field(default_factory=lambda: {"a": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"data": DataConfig()},
        {"data": DataConfig(frames=32, batch_size=8)},
        {"extra": Extra()},
        {"options": {}},
        {"options": {"a": 1, "b": {"c": 2}}},
    ],
)
def test_whatever_differs_from_the_defaults_of_a_family_changes_its_key(monkeypatch, change):
    monkeypatch.setitem(FAMILIES, "own", replace(KINETIC_GAN, name="own", settings=OwnExperiment))
    assert cell(experiment=OwnExperiment(**change)).key != cell(experiment=OwnExperiment()).key


def test_a_section_with_nothing_but_silent_settings_changes_no_key(monkeypatch):
    monkeypatch.setitem(FAMILIES, "own", replace(KINETIC_GAN, name="own", settings=OwnExperiment))
    silent = OwnExperiment(data=DataConfig(frames=32, workers=2))
    assert cell(experiment=silent).key == cell(experiment=OwnExperiment()).key


def test_a_digest_takes_names_of_files_that_are_no_text(tmp_path):
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"12")
    assert len(digest(tmp_path)) == 16


DEFAULTS = {"gan": (1, "13d4b80b"), "encoder": (1, "9574ad69")}
"""Family -> (version, hash of its defaults)."""


@pytest.mark.parametrize("name", DEFAULTS)
def test_whoever_changes_a_default_raises_the_version_of_the_family(name):
    """A new key may join: write its hash down. A default that changed gives other results: raise `Family.version`."""
    family = FAMILIES[name]
    plain = json.dumps(to_plain(family.settings()), sort_keys=True).encode()
    assert (family.version, hashlib.sha256(plain).hexdigest()[:8]) == DEFAULTS[name]


def older(folder: Path, cell: Cell, version: str = "0.1.0", **changes) -> str:
    """A result as version 0.1 left it: the settings of all families, and a key of the first scheme."""
    everything = {**to_plain(load_experiment(model="encoder")), **to_plain(cell.experiment)}
    everything["data"] = {"scaling": "minmax", **everything["data"]}
    everything["training"] = {**to_plain(load_experiment())["training"], **everything["training"]}
    for name in ("generator", "critic"):
        everything.setdefault(name, to_plain(load_experiment())[name])
    scores = None if cell.scores is None else {**asdict(cell.scores), "inception": ""}
    counted = keys.without_silent(everything)
    whole = [1, version, counted, scores, cell.encoder, cell.data, cell.threads]
    key = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]
    home = folder / "cells" / f"x-{key}"
    (home / "run").mkdir(parents=True)
    (home / "run" / "environment.json").write_text(json.dumps({"versions": {"kinetic": version}}))
    (home / "cell.json").write_text(
        json.dumps({"format": "kinetic-cell", "key": key, "experiment": everything, **changes})
    )
    (home / "result.json").write_text("{}")
    return key


def test_a_result_of_an_older_version_is_known_by_its_old_key(tmp_path):
    generator = cell()
    network = replace(
        generator, experiment=load_experiment(model="encoder", data=DATA), scores=None, recipe="", encoder=""
    )
    old, old_network = older(tmp_path, generator), older(tmp_path, network)
    results = OlderResults(tmp_path)
    assert results.key(generator.experiment, generator.scores, **generator.circumstances) == old
    assert results.key(network.experiment, None, **network.circumstances) == old_network
    assert generator.key not in (old, old_network)


@pytest.mark.parametrize(
    "change",
    [
        {"experiment": load_experiment(data=DATA, training={"steps": 5})},
        {"data": "ab"},
        {"encoder": "another"},
        {"threads": 2},
        {"scores": ScoresConfig(draws=2)},
    ],
)
def test_an_older_result_of_something_else_is_not_taken(change, tmp_path):
    older(tmp_path, cell())
    other = cell(**change)
    assert OlderResults(tmp_path).key(other.experiment, other.scores, **other.circumstances) is None


def test_a_key_that_does_not_follow_from_its_settings_is_not_taken(tmp_path):
    older(tmp_path, cell(), key="0" * 12)
    assert OlderResults(tmp_path).key(cell().experiment, cell().scores, **cell().circumstances) is None


def test_a_result_of_this_scheme_is_no_older_one(tmp_path):
    older(tmp_path, cell(), keys=keys.SCHEME)
    assert OlderResults(tmp_path).cells == []
