"""The files of a finished ablation: tables, pictures, and the page with motions of every recipe."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinetic.ablation.grid import ablate
from kinetic.ablation.page import FORMATS, _file_names, write_pages
from kinetic.ablation.recipes import REAL, Ablation, Benchmark, Recipe
from kinetic.ablation.results import read_grid
from kinetic.engines.interface import Event
from kinetic.families.experiments import load_experiment
from kinetic.formats.reading import read_motions
from kinetic.motion.storage import write_motions
from kinetic.settings.ablation import ScoresConfig
from kinetic.settings.reading import to_plain

HOSTILE = "<script>document.body.dataset.errors = 'run'</script>"


class Here:
    """An engine that runs all tasks in this process."""

    def run(self, work, tasks):
        for task in tasks:
            work(task.argument)
            yield Event("ended", task.name)


@pytest.fixture(scope="module")
def grid(gan, encoder, tmp_path_factory) -> Path:
    """An ablation of two recipes from two seeds; the name of one recipe is a script."""
    plain = to_plain(load_experiment(gan / "config.yaml"))
    ablation = Ablation(
        [Recipe("Baseline"), Recipe(HOSTILE, {"critic.pooling": "max"}, "Baseline", about=HOSTILE)],
        [Benchmark("by person", {name: plain[name] for name in ("data", "generator", "critic", "training")}, encoder)],
        name="Two recipes",
        seeds=2,
        scores=ScoresConfig(only=("frechet", "bones"), draws=1, points=2, shown=1),
    )
    folder = tmp_path_factory.mktemp("grids") / "grid"
    ablate(ablation, folder, engine=Here(), progress=False)
    return folder


def scenes(page: Path) -> list[dict]:
    text = page.read_text("utf-8").partition('<script type="application/json"')[2].partition(">")[2]
    return json.loads(text.partition("</script>")[0])


def test_every_format_has_its_file(grid):
    assert {file.suffix for file in grid.glob("table.*")} == set(FORMATS)


def test_the_page_has_real_motions_beside_one_of_each_seed_and_recipe(grid):
    (scene,) = scenes(grid / "report.html")
    assert scene["columns"] == [REAL, "Baseline", HOSTILE]
    assert scene["rows"] == ["walk", "sit down", "wave"]
    assert len(scene["clips"]) == 3 * 3
    assert {clip["samples"] for clip in scene["clips"]} == {2}


def test_the_scale_follows_the_real_motions(grid):
    (scene,) = scenes(grid / "report.html")
    assert len(scene["frames"]) == 3
    assert not any(any(clip["leaves"]) for clip in scene["clips"] if scene["columns"][clip["column"]] == REAL)


def test_an_exploded_generator_is_marked_and_real_people_keep_their_size(grid, tmp_path):
    shutil.copytree(grid, tmp_path / "wild")
    for file in (tmp_path / "wild").glob("cells/*-Baseline-*/samples.npz"):
        motions = read_motions(file)
        write_motions(replace(motions, motion=motions.motion * 30 + 1), file)
    write_pages(tmp_path / "wild")
    (before,), (after,) = (scenes(folder / "report.html") for folder in (grid, tmp_path / "wild"))
    out = {scene_column for clip in after["clips"] if any(clip["leaves"]) for scene_column in [clip["column"]]}
    assert after["columns"].index("Baseline") in out and after["columns"].index(REAL) not in out
    for old, new in zip(before["frames"], after["frames"], strict=True):
        assert np.all(np.array(new) <= np.array(old) + 1e-9)


def test_real_motions_are_held_out_ones_and_are_stored(grid, prepared):
    (file,) = (grid / "real").glob("by_person-*.npz")
    real = read_motions(file)
    assert real.counts() == {"walk": 2, "sit down": 2, "wave": 2}
    held_out = {motion.tobytes() for motion in np.asarray(prepared.test.motion)}
    assert all(motion.tobytes() in held_out for motion in np.asarray(real.motion))


def test_the_page_plays_in_a_browser_and_no_name_runs_as_a_script(browser, grid):
    browser.open(grid / "report.html", "#scene=0&row=0")
    assert browser.run("document.body.dataset.errors") == "0"
    assert browser.until("document.querySelector('.frame').value !== '0'"), "nothing moves"
    names = browser.run("[...document.querySelectorAll('th .name')].map((name) => name.textContent)")
    assert names.count(HOSTILE) >= 2  # a row of the table and a column of motions
    assert browser.run("document.images.length") == 2
    assert browser.run("[...document.images].every((image) => image.naturalWidth > 300)")


def test_a_second_write_gives_the_same_bytes(grid):
    names = ("report.html", "table.md", "scores_by_person.png", "curves_by_person.png")
    before = {name: (grid / name).read_bytes() for name in names}
    write_pages(grid)
    assert {name: (grid / name).read_bytes() for name in names} == before


def test_without_any_result_there_is_a_table_and_no_page(grid, tmp_path):
    shutil.copy(grid / "grid.json", tmp_path)
    write_pages(tmp_path)
    assert "no result of Baseline, seed 0: not run yet" in (tmp_path / "table.md").read_text()
    assert not (tmp_path / "report.html").exists()


def test_real_motions_of_other_data_are_stored_anew(grid, tmp_path):
    shutil.copytree(grid, tmp_path / "other")
    for config in (tmp_path / "other").glob("cells/*/run/config.yaml"):
        config.write_text(config.read_text().replace("    seed: 0", "    seed: 1"))
    write_pages(tmp_path / "other")
    old, new = sorted(
        (tmp_path / "other" / "real").glob("*.npz"), key=lambda file: not (grid / "real" / file.name).exists()
    )
    assert not np.array_equal(read_motions(old).motion, read_motions(new).motion)


def test_a_recipe_without_stored_motions_is_left_out_of_the_page(grid, tmp_path):
    shutil.copytree(grid, tmp_path / "less")
    for file in (tmp_path / "less").glob("cells/*-Baseline-*/samples.npz"):
        file.unlink()
    write_pages(tmp_path / "less")
    assert scenes(tmp_path / "less" / "report.html")[0]["columns"] == [REAL, HOSTILE]


def test_a_folder_can_be_moved(grid, tmp_path):
    shutil.copytree(grid, tmp_path / "moved")
    write_pages(tmp_path / "moved")
    assert (tmp_path / "moved" / "report.html").read_bytes() == (grid / "report.html").read_bytes()


def test_a_grid_has_its_results_missing_cells_and_time(grid, tmp_path):
    result = read_grid(grid)
    assert (result.name, result.metrics, len(result.findings), dict(result.missing)) == (
        "Two recipes", ("frechet", "bones"), 4, {},
    )  # fmt: skip
    assert result.seconds > 0
    shutil.copytree(grid, tmp_path / "less")
    (home,) = (tmp_path / "less" / "cells").glob("by-person-Baseline-1-*")
    (home / "result.json").unlink()
    less = read_grid(tmp_path / "less")
    assert less.missing == {("by person", "Baseline", 1): "not run yet"}
    assert less.table.done("by person", "Baseline") == (0,)


@pytest.mark.parametrize("content", ["", "[]", '{"format": "kinetic-grid"}', '{"format": "x"}'])
def test_a_file_without_an_ablation_is_named(tmp_path, content):
    (tmp_path / "grid.json").write_text(content)
    with pytest.raises(ValueError, match=r"grid.json: expected what `kinetic ablate` leaves"):
        read_grid(tmp_path)


def test_files_of_benchmarks_with_similar_names_have_unique_names():
    stems = _file_names(["a b", "a_b_2", "a-b", "A b", "", "äö", "x" * 100, "x" * 101])
    assert len({name.lower() for name in stems.values()}) == 8
    assert stems["a b"] == "a_b"
    assert all(0 < len(name) <= 63 for name in stems.values())
