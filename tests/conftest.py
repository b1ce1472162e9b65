"""What several test files need."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data and real motions; tests that need it are skipped where it is absent."""
    folder = ROOT / os.environ.get("KINETIC_SHARED", "../shared")
    if not (folder / "data").is_dir():
        pytest.skip("no shared data here; KINETIC_SHARED names the folder")
    return folder
