"""Raw files of an example, and the set that is built from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinetic.ntu.build import build_ntu
from kinetic.ntu.example import write_example
from kinetic.ntu.report import BuildReport


@pytest.fixture(scope="session")
def raw(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "raw"
    write_example(folder, clips=57, frames=(14, 24))
    return folder


@pytest.fixture(scope="session")
def built(raw) -> BuildReport:
    return build_ntu(raw, raw.parent / "built", benchmark="ntu120-xsub", workers=1)
