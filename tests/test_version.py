"""The library has one name for pip, its own, and everything that tells people what to install uses it."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

import kinetic
from kinetic.version import DISTRIBUTION, install_hint

ROOT = Path(__file__).resolve().parents[1]
TOLD = [
    *(
        ROOT / name
        for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "requirements.txt", "setup.cfg")
    ),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(path for folder in ("kinetic", "benchmarks") for path in (ROOT / folder).rglob("*.py")),
    *sorted((ROOT / "experiments").rglob("*.yaml")),
]
STRANGER = re.compile(r"kinetic\[|pip3? install[^\n`]*(?<![\w./-])kinetic(?![\w-])|(version|distribution)\(.kinetic.\)")
"""PyPI's `kinetic`, a client for Kinetic devices, where something is installed or looked up."""


def setup() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_setup_cfg_has_the_name_and_takes_the_version_from_here():
    metadata = setup()["metadata"]
    assert metadata["name"] == DISTRIBUTION
    assert metadata["version"] == "attr: kinetic.version.__version__"


def test_the_citation_has_the_version():
    assert f"\nversion: {kinetic.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.parametrize("extra", ["ray", "slurm", "video", "tensorboard", "wandb"])
def test_a_hint_names_an_extra_that_there_is(extra):
    assert install_hint(extra) == f"pip install 'kinetic-motion[{extra}]'"
    assert extra in setup()["options.extras_require"]


@pytest.mark.parametrize("path", TOLD, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nobody_is_sent_to_the_library_of_a_stranger(path):
    assert [found.group() for found in STRANGER.finditer(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pip install 'kinetic[ray]'", True),
        ("the extra kinetic[video]", True),
        ("pip install kinetic", True),
        ("pip install -U kinetic", True),
        ("pip install 'kinetic-motion[ray]'", False),
        ("pip install /somewhere/kinetic-motion", False),
        ("version('kinetic')", True),
        ("kinetic fit demo", False),
    ],
)
def test_the_name_of_the_stranger_is_found(text, found):
    assert bool(STRANGER.search(text)) is found
