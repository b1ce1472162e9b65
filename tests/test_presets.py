"""A bare word is a preset and a path is a path, for experiments, ablations, skeletons and tables."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import kinetic
from kinetic import presets as module
from kinetic.ablation.cell import prepare_place
from kinetic.ablation.recipes import read_ablation
from kinetic.cli.main import main
from kinetic.families.experiments import load_experiment
from kinetic.formats.tabular import read_table_mapping
from kinetic.presets import is_preset_name, preset_file, presets
from kinetic.settings.ablation import load_ablation
from kinetic.skeleton import KINECT20, NTU25, load_skeleton, save_skeleton

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("experiment", "ablation", "skeleton", "table")


def test_every_file_of_the_folder_is_one_preset():
    files = [preset_file(name, kind) for kind in KINDS for name in presets(kind)]
    assert sorted(files) == sorted((ROOT / "experiments").rglob("*.yaml"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_preset_has_a_description_of_one_line(kind):
    assert presets(kind)
    for name, about in presets(kind).items():
        assert is_preset_name(name)
        assert 20 < len(about) < 125, f"{name}: {about}"


@pytest.mark.parametrize("word", ["demo", "NTU60", "my experiment", "-", "dé", "a.b", "demo.json", "yaml"])
def test_a_bare_word_is_a_name(word):
    assert is_preset_name(word)


@pytest.mark.parametrize(
    "word", ["demo.yaml", "demo.YML", "./demo", "a/demo", "a\\demo", "/demo", ".", "..", "", Path("demo"), None, 3]
)
def test_paths_and_other_values_are_no_names(word):
    assert not is_preset_name(word)


def test_presets_are_loaded_by_name_and_later_ones_win():
    files = [ROOT / "experiments" / f"{name}.yaml" for name in ("demo", "fast")]
    assert load_experiment("demo", "fast", seed=3) == load_experiment(*files, seed=3)
    assert load_experiment("demo").training.steps == 2000
    assert load_ablation("ablation", profile="tiny") == load_ablation(
        ROOT / "experiments" / "ablation.yaml", profile="tiny"
    )
    assert read_table_mapping("kinect20_csv").skeleton == KINECT20


@pytest.mark.parametrize("profile", ["tiny", "small", "paper", "full"])
def test_an_ablation_by_name_finds_the_files_that_it_names(profile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ablation, _ = read_ablation("ablation", profile=profile)
    assert ablation == read_ablation(ROOT / "experiments" / "ablation.yaml", profile=profile)[0]


def test_files_of_the_current_folder_never_replace_a_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("demo", "demo.yaml"):
        Path(name).write_text("seed: 77", encoding="utf-8")
    assert load_experiment("demo").seed == 0
    for path in ("demo.yaml", "./demo", Path("demo"), tmp_path / "demo"):
        assert load_experiment(path).seed == 77


def test_a_file_without_ending_is_not_read_by_its_bare_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine").write_text("seed: 77", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"mine: no preset.*a file of yours is written mine\.yaml or \./mine$"):
        load_experiment("mine")


@pytest.mark.parametrize(
    ("load", "word", "message"),
    [
        (load_experiment, "dmo", "dmo: no preset has this name; did you mean demo?;"),
        (load_experiment, "qqq", "qqq: no preset has this name; expected one of: demo, demo_encoder, encoder, "),
        (
            load_experiment,
            "ablation",
            "ablation: the preset of this name is for another use (ablation); expected",
        ),
        (load_experiment, "../demo", "../demo: no such file; the preset is called demo"),
        (load_experiment, "experiments/fast.yaml", "experiments/fast.yaml: no such file; the preset is called fast"),
        (load_experiment, "x.yaml", "x.yaml: no such file; expected a YAML file or a name: demo, demo_encoder, "),
        (load_ablation, "demo", "demo: the preset of this name is for another use (experiment); expected one of: abl"),
        (load_ablation, "ablaton", "ablaton: no preset has this name; did you mean ablation?;"),
        (load_skeleton, "ntu2", "ntu2: no preset has this name; did you mean ntu25?;"),
        (load_skeleton, "kinect20.yaml", "kinect20.yaml: no such file; the preset is called kinect20"),
        (
            read_table_mapping,
            "kinect20",
            "kinect20: the preset of this name is for another use (skeleton); did you",
        ),
        (load_experiment, "a" * 5000, f"{'a' * 60}: no preset has this name"),
        (load_experiment, "a\0/b", "a\0/b: no such file"),
        (load_experiment, "/", "/: expected a YAML file, found a folder"),
    ],
)
def test_an_error_names_the_nearest_preset_or_all(load, word, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((FileNotFoundError, ValueError)) as refused:
        load(word)
    assert str(refused.value).startswith(message)
    assert len(str(refused.value)) < 500


def write(path: Path, plain: object) -> Path:
    path.write_text(yaml.safe_dump(plain), encoding="utf-8")
    return path


def own_ablation(folder: Path, encoder: str) -> Path:
    plain = {
        "profile": "own",
        "profiles": {"own": {"files": ["fast"], "settings": {"training": {"steps": 2}}}},
        "benchmarks": {"xsub": {"settings": {"data": {"split": "xsub"}}, "encoder": encoder}},
        "recipes": {"Baseline": {}},
    }
    return write(folder / "own.yaml", plain)


def test_an_ablation_file_names_presets(tmp_path):
    ablation, _ = read_ablation(own_ablation(tmp_path, "demo_encoder"))
    assert ablation.base["critic"] == yaml.safe_load(preset_file("fast", "experiment").read_text("utf-8"))["critic"]
    assert ablation.benchmarks[0].encoder["model"] == "encoder"


def test_a_run_beside_an_ablation_file_and_a_preset_are_told_apart(tmp_path):
    (tmp_path / "trained").mkdir()
    assert read_ablation(own_ablation(tmp_path, "trained"))[0].benchmarks[0].encoder == tmp_path / "trained"
    (tmp_path / "encoder").mkdir()
    with pytest.raises(ValueError, match=r"xsub\.encoder: encoder is a preset and there is .*; write \./encoder"):
        read_ablation(own_ablation(tmp_path, "encoder"))
    assert read_ablation(own_ablation(tmp_path, "./encoder"))[0].benchmarks[0].encoder == tmp_path / "encoder"


@pytest.fixture
def added(tmp_path, monkeypatch):
    """A folder of presets with a skeleton that is not built in."""
    folder = tmp_path / "presets"
    shutil.copytree(ROOT / "experiments", folder)
    save_skeleton(KINECT20, folder / "skeletons" / "added.yaml")
    monkeypatch.setattr(module, "FOLDER", folder)
    return folder


def test_a_skeleton_preset_is_used_by_name_everywhere(added, tmp_path, capsys):
    assert load_skeleton("added") == KINECT20
    assert load_skeleton("ntu25") is NTU25
    assert main(["skeleton", "check", "added"]) == 0
    assert main(["skeleton", "show", "added", "-o", str(tmp_path / "a.png")]) == 0
    capsys.readouterr()
    table = write(tmp_path / "table.yaml", {"skeleton": "added", "coordinates": "{joint}{axis}", "fps": 30})
    assert read_table_mapping(table).skeleton == KINECT20


def test_a_run_keeps_the_name_of_its_skeleton(added, tmp_path, monkeypatch):
    from kinetic.runs.fit import _placed

    monkeypatch.chdir(tmp_path)
    for name in ("added", "ntu25"):
        assert _placed(load_experiment(skeleton=name)).skeleton == name
    assert _placed(load_experiment(skeleton="./added")).skeleton == str(tmp_path / "added")


def test_cells_keep_the_name_of_a_skeleton_and_hash_its_content(added, tmp_path):
    def cell(skeleton):
        save_skeleton(skeleton, added / "skeletons" / "body.yaml")
        settings = {"skeleton": "body", "data": {"classes": ["walk"], "frames": 16, "synthetic": {"subjects": 2}}}
        chosen = {"recipes": ["Baseline"], "benchmarks": ["synthetic-xsub"], "seeds": 1, "settings": settings}
        return read_ablation("ablation", profile="tiny", **chosen)[0].cells()[1][0]

    home = prepare_place(tmp_path, cell(NTU25), None)
    assert json.loads((home / "cell.json").read_text("utf-8"))["experiment"]["skeleton"] == "body"
    assert cell(NTU25).key == cell(NTU25).key != cell(replace(NTU25, left=(), right=())).key


@pytest.mark.parametrize(("verb", "kind"), [("fit", "experiment"), ("ablate", "ablation")])
def test_the_list_has_every_preset_of_the_verb(verb, kind, capsys):
    assert main([verb, "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [tuple(line.split(maxsplit=1)) for line in lines] == list(presets(kind).items())


def test_verbs_take_presets_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "demo", "fast", "--seed", "4", "--print-config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["generator"]["latent"] == 64
    assert main(["fit", "dmo"]) == 2
    assert "did you mean demo?" in capsys.readouterr().err
    assert main(["ablate"]) == 2
    assert "name a preset (--list shows them) or an ablation file" in capsys.readouterr().err


def test_a_bare_checkout_finds_its_presets_from_any_folder(tmp_path):
    shutil.copytree(ROOT / "kinetic", tmp_path / "kinetic", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    (tmp_path / "elsewhere").mkdir()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from kinetic.presets import FOLDER; print(FOLDER)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()) == tmp_path / "experiments"
    shutil.copytree(tmp_path / "experiments", tmp_path / "kinetic" / "experiments")  # as in a wheel
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()) == tmp_path / "kinetic" / "experiments"
    assert Path(kinetic.__file__).parent == ROOT / "kinetic"
