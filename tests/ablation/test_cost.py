"""What the rest of an ablation will cost."""

from __future__ import annotations

import json
import re

import pytest
import torch

from kinetic.ablation.cell import fail, prepare_place
from kinetic.ablation.cost import estimate, seconds_per_batch
from kinetic.ablation.grid import plan
from kinetic.ablation.recipes import Ablation, Benchmark, Recipe
from kinetic.families.experiments import load_experiment
from kinetic.files import sealed
from kinetic.settings.ablation import ScoresConfig


@pytest.fixture
def ablation(gan, encoder) -> Ablation:
    """Two recipes from two seeds, with a recognition network that is there."""
    data = load_experiment(gan / "config.yaml").data
    settings = {"data": {"classes": data.classes, "frames": data.frames, "batch_size": 8, "centering": "first"}}
    return Ablation(
        [Recipe("Baseline"), Recipe("A", {"critic.pooling": "max"}, "Baseline")],
        [Benchmark("xsub", {"data": {"synthetic": {"subjects": 4, "repeats": 1}}}, encoder)],
        base={**settings, "generator.widths": [8] * 5, "critic.widths": [8] * 6, "training.steps": 1000},
        seeds=2,
        scores=ScoresConfig(only=("frechet",)),
    )


def finish(folder, cell, seconds):
    """What a cell leaves that took so long."""
    home = prepare_place(folder, cell, None)
    plain = {"format": "kinetic-cell", "key": cell.key, "seconds": {"training": seconds, "scoring": 1.0}, "network": ""}
    (home / "result.json").write_text(json.dumps(sealed(plain)))


def test_cells_that_are_done_tell_what_the_others_take(ablation, tmp_path):
    for cell, seconds in zip(ablation.cells()[1][:2], (99.0, 299.0), strict=True):  # with scoring 0.1 and 0.3 a batch
        finish(tmp_path, cell, seconds)
    assert estimate(plan(ablation, tmp_path)).to_text() == (
        "2 cells: 0.200 s a batch (as 2 of them took), 7 min\nabout 7 min for one process at a time\n"
    )


def test_what_has_been_trained_is_not_counted_again(ablation, tmp_path):
    *done, half, new = ablation.cells()[1]
    for cell in done:
        finish(tmp_path, cell, 5999.0)
    home = prepare_place(tmp_path, half, None)
    (home / "run").mkdir()
    (home / "run" / "metrics.csv").write_text("batches,loss\n500,1\n")
    assert "2 cells: 6.000 s a batch (as 2 of them took), 2 h 35 min\n" in estimate(plan(ablation, tmp_path)).to_text()


def test_nothing_is_left_when_all_is_done(ablation, tmp_path):
    for cell in ablation.cells()[1]:
        finish(tmp_path, cell, 1.0)
    assert estimate(plan(ablation, tmp_path)).to_text() == "nothing is left to do\n"


def test_failed_cells_count_where_they_are_to_be_tried_again(ablation, tmp_path):
    *done, failed = ablation.cells()[1]
    for cell in done:
        finish(tmp_path, cell, 5999.0)
    fail(prepare_place(tmp_path, failed, None), "no reason")
    assert estimate(plan(ablation, tmp_path)).to_text() == "nothing is left to do\n"
    assert estimate(plan(ablation, tmp_path), retry=True).to_text().startswith("1 cells: 6.000 s a batch")


def test_where_nothing_is_done_a_few_batches_are_trained(ablation, tmp_path):
    text = estimate(plan(ablation, tmp_path)).to_text()
    assert re.fullmatch(
        r"4 cells: \d+\.\d{3} s a batch \(measured on Baseline, without scoring\), \d+ min\nabout .* at a time\n", text
    )
    assert list(tmp_path.iterdir()) == []


def test_measuring_leaves_threads_and_folders_as_they_were(ablation, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    assert seconds_per_batch(ablation.cells()[1][0].experiment, threads=before + 1) >= 0
    assert torch.get_num_threads() == before
    assert list(tmp_path.iterdir()) == []
