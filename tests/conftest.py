"""Fixtures of several test files: reference data, small runs, a browser."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browsing import CHROMIUM, Browser

import kinetic.nn.pooling  # noqa: F401, fills its table
from kinetic.families.experiments import load_experiment
from kinetic.families.motions import Prepared, prepare
from kinetic.families.table import FAMILIES
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs.fit import fit
from kinetic.settings.kinetic_gan import LOSSES, POOLING
from kinetic.training import losses  # noqa: F401, fills its table

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def own_parts_go() -> Iterator[None]:
    """Families, poolings and losses that a test adds are gone after it."""
    tables: list[dict] = [FAMILIES, POOLING, LOSSES]
    before = [dict(table) for table in tables]
    yield
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data and real motions; tests that need it are skipped without it."""
    folder = ROOT / os.environ.get("KINETIC_SHARED", "../shared")
    if not (folder / "data").is_dir():
        pytest.skip("no shared data here; KINETIC_SHARED names the folder")
    return folder


DATA = {"frames": 16, "batch_size": 8, "centering": "first", "classes": ["walk", "sit down", "wave"],
        "synthetic": {"subjects": 4, "repeats": 1}}  # fmt: skip
GAN = {
    "data": {**DATA, "scaling": "standard"},
    "generator": {"latent": 8, "mapping_depth": 2, "widths": [8] * 5, "mapping": "equalized", "output": "linear"},
    "critic": {"widths": [8] * 6},
    "training": {"steps": 3, "sample_every": 0, "accelerator": "cpu"},
}
ENCODER = {
    "model": "encoder",
    "data": DATA,
    "encoder": {"widths": [16, 16]},
    "training": {"steps": 60, "learning_rate": 1e-2, "sample_every": 0, "accelerator": "cpu"},
}


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> Path:
    """The run of a small recognition network; tests do not change it."""
    return fit(load_experiment(**ENCODER), tmp_path_factory.mktemp("runs") / "encoder", progress=False)


@pytest.fixture(scope="session")
def gan(tmp_path_factory) -> Path:
    """The run of a small, hardly trained generator; tests do not change it."""
    return fit(load_experiment(**GAN), tmp_path_factory.mktemp("runs") / "gan", progress=False)


@pytest.fixture(scope="session")
def prepared() -> Prepared:
    """The motions that both were trained on."""
    return prepare(load_experiment(**ENCODER))


@pytest.fixture
def padded_set(tmp_path: Path) -> Path:
    """Synthetic motions on the disk, whose first half is padded from frame 10 of 16 on."""
    motions = synthesise(["walk", "wave"], subjects=4, repeats=1, frames=16)
    frames = np.where(np.arange(len(motions)) < len(motions) // 2, 10, 16)
    motion = motions.motion * (np.arange(16) < frames[:, None])[:, None, :, None]
    write_motions(replace(motions, motion=motion, columns={"frames": frames}), tmp_path / "set")
    return tmp_path / "set"


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[Browser]:
    """A headless Chromium; tests are skipped without it."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    chromium = Browser(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()
