"""README and docs are true: their Python runs, their links have targets, their commands parse."""

from __future__ import annotations

import json
import pkgutil
import re
import shlex
import types
from pathlib import Path

import pytest

import kinetic
from benchmarks import damage, options
from kinetic.ablation.recipes import read_ablation
from kinetic.cli import main as cli
from kinetic.families.experiments import load_experiment
from kinetic.presets import is_preset_name, preset_file, presets
from kinetic.settings.ablation import load_ablation
from kinetic.skeleton import SkeletonPyramid, load_skeleton

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    page
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
    if page.exists()
]
ABLATIONS, EXPERIMENTS, SKELETONS = (
    [preset_file(name, kind) for name in presets(kind)] for kind in ("ablation", "experiment", "skeleton")
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(text: str, *languages: str) -> list[tuple[int, str]]:
    """(line, code) of each fenced block in one of these languages."""
    matches = re.finditer(r"^(`{3,})(\S*)[^\n]*\n(.*?)^\1\s*$", text, flags=re.MULTILINE | re.DOTALL)
    return [(text[: block.start(3)].count("\n"), block[3]) for block in matches if block[2] in languages]


def commands(text: str) -> list[list[str]]:
    """Every `kinetic ...` in a shell block, as words; prompts, comments and continued lines are handled."""
    lines = []
    for _, block in blocks(text, "sh", "console", "bash", "shell"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|;|\|(?!\S)", line.removeprefix("$ ")):
                words = shlex.split(part, comments=True)
                if words[:1] == ["kinetic"]:
                    lines.append(words[1:])
                elif words[1:3] == ["-m", "kinetic"]:
                    lines.append(words[3:])
    return lines


def links(text: str) -> list[str]:
    """The targets of links and pictures of a page, outside its code."""
    prose = re.sub(r"^(`{3,}).*?^\1\s*$", "", text, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"`[^`\n]*`", "", prose)
    return re.findall(r"\]\(([^)\s]+)", prose) + re.findall(r"(?:src|href)=\"([^\"]+)\"", prose)


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p.read_text("utf-8"), "python")], ids=name)
def test_python_of_a_page_runs_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "__main__"}
    for line, code in blocks(page.read_text("utf-8"), "python"):
        exec(compile("\n" * line + code, str(page), "exec", dont_inherit=True), scope)  # a reader has no __future__


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_have_targets(page):
    broken = []
    for link in links(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target.read_text("utf-8"))
        ):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize(
    ("page", "words"),
    [
        pytest.param(page, words, id=f"{name(page)}: {shlex.join(words)}")
        for page in PAGES
        for words in commands(page.read_text("utf-8"))
    ],
)
def test_commands_parse(page, words):
    request = cli.parse(words)
    for file in getattr(request, "files", ()):
        if is_preset_name(file):
            preset_file(file, "ablation" if words[0] == "ablate" else "experiment")
        elif file.startswith("experiments/"):
            assert (ROOT / file).is_file()


def test_every_command_of_the_tutorial_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    failures = {}
    for words in commands((ROOT / "docs" / "ntu.md").read_text("utf-8")):
        if status := cli.main(words):
            failures[shlex.join(words)] = (status, capsys.readouterr().err)
    assert failures == {}
    assert (tmp_path / "made.npz").is_file() and (tmp_path / "recipes_clip.png").is_file()


def test_commands_of_the_makefile_parse():
    lines = re.findall(r"^\t\$\(KINETIC\) (.*)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert lines
    for line in lines:
        cli.parse(shlex.split(line))


@pytest.mark.parametrize("file", EXPERIMENTS, ids=name)
def test_experiment_files_load(file):
    load_experiment(file)


@pytest.mark.parametrize("file", ABLATIONS, ids=name)
def test_ablation_files_load_at_every_profile(file):
    for profile in load_ablation(file).profiles:
        read_ablation(file, profile=profile)


@pytest.mark.parametrize("file", SKELETONS, ids=name)
def test_skeleton_files_are_sound(file):
    SkeletonPyramid.of(load_skeleton(file))


def test_there_are_experiments():
    assert EXPERIMENTS
    assert ABLATIONS


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks" / "results").glob("damage_*.json")), ids=name)
def test_tables_of_damage_match_their_results(file):
    results = json.loads(file.read_text("utf-8"))
    assert damage.table(results["found"]) in (ROOT / "docs" / "damage.md").read_text("utf-8")


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks" / "results").glob("options_*.json")), ids=name)
def test_tables_of_options_match_their_results(file):
    results = json.loads(file.read_text("utf-8"))
    assert options.table(results["cells"], results["minutes"]) in (ROOT / "docs" / "options.md").read_text("utf-8")


def test_the_parser_of_pages_finds_blocks_commands_links_and_anchors():
    text = (
        "# A b, c!\n[x](y.md#z) ![p](q.png) `[no](no)`\n"
        "```python\na = 1\n```\n"
        "```console\n$ kinetic fit a.yaml \\\n  --seed 1 && kinetic data info b.npz  # why\nan answer\n```\n"
        "```text\nkinetic nothing\n```\n"
    )
    assert blocks(text, "python") == [(3, "a = 1\n")]
    assert commands(text) == [["fit", "a.yaml", "--seed", "1"], ["data", "info", "b.npz"]]
    assert links(text) == ["y.md#z", "q.png"]
    assert anchors(text) == {"a-b-c"}


def test_the_reference_lists_every_public_name_and_they_exist():
    listed = re.findall(r"^\.\. auto\w+:: (kinetic\.[\w.]+)$", (ROOT / "docs/reference.md").read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed))
    for path in listed:
        assert pkgutil.resolve_name(path) is not None
    modules = [path for path in listed if isinstance(pkgutil.resolve_name(path), types.ModuleType)]
    homes = {name: f"{home}.{name}" for home, names in kinetic._NAMES.items() for name in names}
    missing = [name for name, path in homes.items() if path not in listed and path.rpartition(".")[0] not in modules]
    assert not missing
