"""The installed package: the content of wheel and source distribution, and every verb without the checkout."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections import Counter
from configparser import ConfigParser
from pathlib import Path

import pytest

from kinetic.version import DISTRIBUTION, __version__

ROOT = Path(__file__).resolve().parents[1]
DATA = """--data.classes walk,wave --data.frames 16 --data.batch_size 8 --data.synthetic.subjects 4
    --training.accelerator cpu --training.sample_every 0"""
NETWORKS = "--generator.latent 8 --generator.widths 8,8,8,8,8 --critic.widths 8,8,8,8,8,8"
COMMANDS = f"""
fit demo_encoder --encoder.widths 16,16 --training.steps 3 {DATA} --out encoder --quiet
fit demo fast {NETWORKS} --training.steps 2 {DATA} --out gan --quiet
sample gan --count 2 -o motions.npz
evaluate gan --encoder encoder --seeds 2 --only frechet,variance -o report.json
compare report.json report.json
ablate ablation --profile tiny --recipes A --benchmarks synthetic-xsub --seeds 1 --scores.only frechet --scores.points 0
    --encoder.widths 8,8 {NETWORKS} --training.steps 2 {DATA} --out grid --jobs 1
plot motions.npz -o motions.png
plot gan -o curves.png
view motions.npz -o motions.html
data example --clips 12 -o raw
data build ntu --raw raw --benchmark ntu60-xsub -o built --workers 1 --quiet
data info built -o built.png
data check motions.npz
data recipes raw/S001C001P001R001A001.skeleton -o recipes.png
data convert motions.npz -o converted
skeleton check kinect20
skeleton show kinect20 -o skeleton.png
""".replace("\n    ", " ").strip()
"""The main use of every verb, small; a command may use the files of those before it."""

DRIVER = """
import json, sys, kinetic
from pathlib import Path
from kinetic.cli.main import main
statuses = [main(words) for words in json.loads(sys.argv[1])]
homes = {str(Path(m.__file__).parent) for n, m in list(sys.modules.items()) if n.split(".")[0] == "kinetic"}
Path("summary.json").write_text(json.dumps({"statuses": statuses, "home": kinetic.__path__[0], "homes": sorted(homes)}))
"""


def run(*words: str | Path, folder: Path) -> str:
    """The output of a program that cannot see the checkout: variables that point to it are removed."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run([str(word) for word in words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


def wheel_of(source: Path, target: Path) -> Path:
    """The wheel that pip builds with the installed setuptools, without a network."""
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check", "-q")
    run(sys.executable, "-m", "pip", "wheel", *options, "-w", target, source, folder=target.parent)
    (wheel,) = target.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy of the checkout without the leftovers of earlier builds."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT, folder / "source", ignore=left_out)
    return wheel_of(folder / "source", folder / "wheel")


@pytest.fixture(scope="module")
def sdist(wheel) -> Path:
    folder = wheel.parents[1]
    code = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    run(sys.executable, "-c", code, folder / "sdist", folder=folder / "source")
    (archive,) = (folder / "sdist").glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def python(wheel) -> Path:
    """The Python of a new environment with the wheel; other packages come from the environment of the tests."""
    home = wheel.parents[1] / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    options = ("--no-deps", "--no-index", "--disable-pip-version-check", "-q")
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel, folder=home)
    (packages,) = home.glob("lib/python*/site-packages")
    others = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "others.pth").write_text("\n".join(others), encoding="utf-8")
    return python


@pytest.fixture(scope="module")
def used(python, tmp_path_factory) -> Path:
    """A folder in which every command ran; `summary.json` has their exit status and the imported folders."""
    folder = tmp_path_factory.mktemp("elsewhere")
    run(python, "-I", "-c", DRIVER, json.dumps([shlex.split(line) for line in COMMANDS.splitlines()]), folder=folder)
    return folder


def left_out(folder: str, names: list[str]) -> set[str]:
    """The leftovers of builds, tests and training in a folder of the checkout; `kinetic/runs` is a package."""
    top = {"build", "dist", "runs"} if Path(folder) == ROOT else set()
    return top | shutil.ignore_patterns("__pycache__", "_build", "*.egg-info", ".*")(folder, names)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sources() -> dict[str, bytes]:
    """The files of the package under their names in the wheel."""
    files = [path for path in (ROOT / "kinetic").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    files += [path for path in (ROOT / "experiments").rglob("*") if path.is_file()]
    names = {path: path.relative_to(ROOT).as_posix() for path in files}
    return {
        name if name.startswith("kinetic/") else f"kinetic/{name}": path.read_bytes() for path, name in names.items()
    }


def test_every_folder_with_modules_is_a_package_that_setup_cfg_lists():
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = parser["options"]["packages"].split()
    folders = {path.parent for path in (ROOT / "kinetic").rglob("*.py")}
    assert [folder.name for folder in folders if not (folder / "__init__.py").is_file()] == []
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert sorted(listed) == sorted({*packages, "kinetic.experiments"}), "see [options] packages in setup.cfg"


def test_the_wheel_holds_the_package_its_pages_and_presets_and_nothing_else(wheel):
    about = f"{DISTRIBUTION.replace('-', '_')}-{__version__}"
    assert wheel.name == f"{about}-py3-none-any.whl"
    files = {name: content for name, content in contents(wheel).items() if not name.startswith(f"{about}.dist-info/")}
    assert files == sources()
    for name in ("py.typed", "pictures/page.html", "training/wgan.py", "experiments/demo.yaml"):
        assert f"kinetic/{name}" in files


def test_the_wheel_has_its_name_version_and_requirements(wheel):
    about = f"{DISTRIBUTION.replace('-', '_')}-{__version__}.dist-info"
    files = contents(wheel)
    metadata = files[f"{about}/METADATA"].decode()
    assert f"\nName: {DISTRIBUTION}\n" in metadata and f"\nVersion: {__version__}\n" in metadata
    assert "\nRequires-Dist: torch>=" in metadata and 'extra == "ray"' in metadata
    assert files[f"{about}/entry_points.txt"].decode() == "[console_scripts]\nkinetic = kinetic.cli.main:main\n"
    assert f"{about}/licenses/LICENSE" in files


def test_the_source_distribution_builds_the_same_wheel(wheel, sdist):
    again = contents(wheel_of(sdist, sdist.parent / "wheel"))
    assert {name: content for name, content in again.items() if not name.endswith("RECORD")} == {
        name: content for name, content in contents(wheel).items() if not name.endswith("RECORD")
    }


def test_the_source_distribution_leaves_tests_and_docs_out(sdist):
    with tarfile.open(sdist) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert not tops & {"tests", "benchmarks", "docs", "runs"}
    assert {"kinetic", "experiments", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"} <= tops


def test_the_installed_command_and_module_answer(python, tmp_path):
    assert run(python.parent / "kinetic", "--version", folder=tmp_path) == f"kinetic {__version__}\n"
    assert run(python, "-m", "kinetic", "fit", "--list", folder=tmp_path).startswith("demo ")
    assert run(python.parent / "kinetic", "ablate", "--list", folder=tmp_path).startswith("ablation ")
    code = f"from importlib.metadata import version; print(version({DISTRIBUTION!r}))"
    assert run(python, "-I", "-c", code, folder=tmp_path) == f"{__version__}\n"


def test_every_verb_has_a_command():
    from kinetic.cli.main import VERBS

    counts = Counter(verb for line in COMMANDS.splitlines() for verb in VERBS if f"{line} ".startswith(f"{verb} "))
    assert set(counts) == set(VERBS)


def test_every_verb_works_from_an_empty_folder(used):
    statuses = json.loads((used / "summary.json").read_text())["statuses"]
    assert dict(zip(COMMANDS.splitlines(), statuses, strict=True)) == dict.fromkeys(COMMANDS.splitlines(), 0)


@pytest.mark.parametrize(
    "name",
    """encoder/recognition.json gan/checkpoints/last.ckpt motions.npz report.json grid/table.md grid/report.html
    motions.png curves.png motions.html built/meta.json built.png recipes.png converted/meta.json
    skeleton.png""".split(),
)
def test_every_verb_writes_its_files(used, name):
    assert (used / name).stat().st_size > 100


def test_the_verbs_import_the_installed_package(used, python):
    summary = json.loads((used / "summary.json").read_text())
    installed = python.parents[1]
    assert Path(summary["home"]).is_relative_to(installed)
    assert all(Path(home).is_relative_to(installed) for home in summary["homes"])
    assert {Path(home).name for home in summary["homes"]} >= {"kinetic", "training", "ablation", "pictures"}


def test_a_run_of_an_installed_package_names_its_version_and_no_commit(used):
    environment = json.loads((used / "gan" / "environment.json").read_text())
    assert environment["versions"]["kinetic"] == __version__
    assert environment["commit"] is None
