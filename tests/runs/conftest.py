"""A run that several test files look at."""

import pytest
from tiny import tiny

from kinetic.runs.fit import fit


@pytest.fixture(scope="package")
def run(tmp_path_factory):
    return fit(tiny(), tmp_path_factory.mktemp("runs") / "tiny", progress=False)
