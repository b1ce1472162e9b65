"""`kinetic ablate`: its table, its estimate and wrong requests."""

from __future__ import annotations

import json

import pytest
import yaml

from kinetic.cli.main import main

GRID = {
    "profile": "least",
    "profiles": {"least": {"settings": {"training": {"steps": 2}}, "seeds": 1}},
    "recipes": {
        "Baseline": {},
        "A": {"after": "Baseline", "changes": {"critic.pooling": "max"}},
        "broken": {"after": "A", "changes": {"training.max_norm": 1.0e-9}},
    },
    "scores": {"only": ["bones"], "draws": 1, "shown": 1},
}


@pytest.fixture
def grid(tmp_path, gan, encoder):
    """An ablation file for the small generator of other tests."""
    plain = yaml.safe_load((gan / "config.yaml").read_text())
    settings = {name: plain[name] for name in ("data", "generator", "critic", "training")}
    settings["training"].pop("steps")
    benchmark = {"settings": settings, "encoder": str(encoder)}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump({**GRID, "benchmarks": {"xsub": benchmark}}, sort_keys=False))
    return tmp_path / "grid.yaml"


def test_an_ablation_ends_in_its_table_and_the_path_of_its_page(capsys, grid, tmp_path):
    words = ["ablate", grid, "-o", tmp_path / "out", "--recipes", "Baseline,A", "--seeds", 2, "--jobs", 2]
    assert main(list(map(str, words))) == 0
    out, err = capsys.readouterr()
    assert out.startswith("== xsub ==\n")
    assert out.endswith(f"{tmp_path / 'out' / 'report.html'}\n")
    assert "kinetic: 4 of 4 done; " in err
    assert main([*map(str, words), "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["Baseline", "A"]


def test_an_ablation_with_failed_cells_prints_its_table_and_fails(capsys, grid, tmp_path):
    assert main(["ablate", str(grid), "-o", str(tmp_path / "out"), "--recipes", "broken"]) == 1
    out, err = capsys.readouterr()
    assert "no result of broken, seed 0: Diverged" in out
    assert err.rstrip("\n").endswith("kinetic: RuntimeError: 1 cells have no result; --retry runs them again")


def test_a_long_ablation_prints_its_estimate_before_it_begins(capsys, monkeypatch, grid, tmp_path):
    words = ["ablate", str(grid), "-o", str(tmp_path / "out"), "--recipes", "Baseline"]
    monkeypatch.setattr("kinetic.ablation.cost.seconds_per_batch", lambda experiment, threads: 1e4)
    assert main(words) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("kinetic: precision ")
    assert " cells: 10000.000 s a batch (measured on Baseline, without scoring), " in lines[1]
    assert " for one process at a time" in lines[2]
    assert lines[3] == "kinetic: it can be stopped, and the same command goes on"
    monkeypatch.setattr("kinetic.ablation.cost.seconds_per_batch", lambda experiment, threads: 1 / 0)
    assert main([*words[:3], str(tmp_path / "other"), *words[4:]]) == 0
    assert "note: how long it takes could not be measured: ZeroDivisionError" in capsys.readouterr().err


def test_a_dry_run_lists_the_cells_and_their_cost_and_writes_nothing(capsys, grid, tmp_path):
    assert main(["ablate", str(grid), "-o", str(tmp_path / "out"), "--dry-run", "--training.steps", "7"]) == 0
    out = capsys.readouterr().out
    assert "7 batches       xsub: A, seed 0\n" in out
    assert "3 cells: 3 new\n" in out
    assert "\nprecision " in out
    assert "for one process at a time" in out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--profile", "huge"], "there is no profile 'huge'; expected one of: least"),
        (["--recipes", "B"], "there is no recipe 'B'"),
        (["--critic.pooling", "most"], "critic.pooling: expected one of mean"),
        (["--scores.draws", "0"], "scores.draws must be at least 1"),
        (["--seed", "1"], "--seed: unknown option; did you mean --seeds?"),
        (["--engine", "cloud"], "invalid choice: 'cloud'"),
    ],
)
def test_a_wrong_ablation_is_refused(refusal, grid, tmp_path, words, reason):
    assert reason in refusal("ablate", grid, "-o", tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()
