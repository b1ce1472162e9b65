"""Every text that says what to install uses the name of the distribution."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

import kinetic
from kinetic.version import DISTRIBUTION, install_hint

ROOT = Path(__file__).resolve().parents[1]
TEXTS = [
    *(
        ROOT / name
        for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "requirements.txt", "setup.cfg")
    ),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(path for folder in ("kinetic", "benchmarks") for path in (ROOT / folder).rglob("*.py")),
    *sorted((ROOT / "experiments").rglob("*.yaml")),
]
OTHER = re.compile(r"kinetic\[|pip3? install[^\n`]*(?<![\w./-])kinetic(?![\w-])|(version|distribution)\(.kinetic.\)")
"""Installs or looks up PyPI's `kinetic`, a client for Kinetic devices."""


def setup() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_setup_cfg_has_the_name_and_reads_the_version():
    metadata = setup()["metadata"]
    assert metadata["name"] == DISTRIBUTION
    assert metadata["version"] == "attr: kinetic.version.__version__"


def test_the_citation_has_the_version():
    assert f"\nversion: {kinetic.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.parametrize("extra", ["ray", "slurm", "video", "tensorboard", "wandb"])
def test_a_hint_names_an_existing_extra(extra):
    assert install_hint(extra) == f"pip install 'kinetic-motion[{extra}]'"
    assert extra in setup()["options.extras_require"]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_text_installs_the_other_kinetic(path):
    assert [match.group() for match in OTHER.finditer(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("text", "matches"),
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
def test_the_pattern_finds_the_other_kinetic(text, matches):
    assert bool(OTHER.search(text)) is matches
