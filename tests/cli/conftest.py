"""What the tests of several verbs need."""

from __future__ import annotations

import numpy as np
import pytest

from kinetic.cli.main import main
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.skeleton import NTU25


@pytest.fixture
def refusal(capsys):
    """A function that runs words which must fail with one line on standard error, and returns that line."""

    def run(*words, status=2):
        assert main(list(map(str, words))) == status
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("kinetic: ")
        return err.removeprefix("kinetic: ").rstrip("\n")

    return run


@pytest.fixture
def motions(tmp_path):
    """A file of four motions."""
    motion = np.random.default_rng(0).normal(size=(4, 3, 16, 25)).astype(np.float32)
    motions = MotionSet(
        motion, np.array([0, 0, 1, 1]), ("walk", "jump"), NTU25, view=np.array([1, 2, 1, 2]), source="test"
    )
    write_motions(motions, tmp_path / "motions.npz")
    return tmp_path / "motions.npz"
