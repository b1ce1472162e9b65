"""A family from a file of the user, in every verb; and a family that makes no motions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinetic.ablation.grid import ablate
from kinetic.ablation.recipes import Ablation, Benchmark, Recipe
from kinetic.engines.here import Here
from kinetic.evaluation.evaluate import evaluate
from kinetic.families.experiments import experiment_settings, load_experiment
from kinetic.families.interface import Watch
from kinetic.families.table import FAMILIES, family_of
from kinetic.processes import load_code
from kinetic.runs.fit import fit
from kinetic.runs.run import load_run
from kinetic.runs.sample import sample
from kinetic.settings.ablation import ScoresConfig
from kinetic.training.checkpoint import read_checkpoint

HERE = Path(__file__).parents[1] / "gaussian.py"
GAUSSIAN = load_code(HERE).GAUSSIAN
del FAMILIES["gaussian"]  # other tests do without
DATA = {"frames": 16, "batch_size": 8, "centering": "first", "classes": ["walk", "sit down", "wave"],
        "synthetic": {"subjects": 4, "repeats": 1}}  # fmt: skip
SETTINGS = {
    "model": "gaussian",
    "data": DATA,
    "training": {"steps": 6, "save_every": 2, "learning_rate": 0.1, "sample_every": 0, "accelerator": "cpu"},
}


@pytest.fixture(scope="module", autouse=True)
def gaussian():
    """The family, while these tests run."""
    FAMILIES["gaussian"] = GAUSSIAN
    yield
    del FAMILIES["gaussian"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fit(load_experiment(**SETTINGS), tmp_path_factory.mktemp("runs") / "gaussian", progress=False)


def test_its_settings_are_read_like_those_of_any_other():
    experiment = load_experiment(model="gaussian", gaussian={"spread": 2})
    assert type(experiment) is GAUSSIAN.settings and experiment.gaussian.spread == 2.0
    assert family_of(experiment) is GAUSSIAN
    assert experiment_settings()["gaussian.spread"].meaning.startswith("standard deviation around the mean")
    with pytest.raises(ValueError, match=r"^gaussian\.spred: unknown key; did you mean gaussian\.spread\?"):
        load_experiment(model="gaussian", gaussian={"spred": 2})
    with pytest.raises(ValueError, match=r"^critic: model gaussian does not read it; gan does"):
        load_experiment(model="gaussian", critic={"pooling": "max"})
    with pytest.raises(ValueError, match=r"^gaussian: model gan does not read it; gaussian does"):
        load_experiment(gaussian={"spread": 2})


def test_it_trains_in_a_run_folder_like_any_other(run):
    written = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {"config.yaml", "metrics.csv", "checkpoints/last.ckpt", "samples/latest.webp"} <= written
    assert load_experiment(run / "config.yaml") == load_experiment(**SETTINGS)


def test_it_goes_on_where_it_stopped_to_the_same_weights(run, tmp_path):
    short = load_experiment(**SETTINGS)
    FAMILIES["gaussian"] = replace(GAUSSIAN, free=("training.steps",))
    try:
        fit(replace(short, training=replace(short.training, steps=4)), tmp_path / "run", progress=False)
        fit(short, tmp_path / "run", resume=True, progress=False)
    finally:
        FAMILIES["gaussian"] = GAUSSIAN
    first, second = (
        read_checkpoint(folder / "checkpoints/last.ckpt")["state_dict"] for folder in (run, tmp_path / "run")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_it_is_sampled_with_options_of_its_own(run):
    motions = sample(run, "walk", count=3, seed=1)
    assert motions.shape == (3, 3, 16, 25) and motions.notes["tightness"] == 1.0
    still = sample(run, "walk", count=2, tightness=0.0)
    np.testing.assert_array_equal(still.motion[0], still.motion[1])
    with pytest.raises(ValueError, match=r"^truncation: no option of model gaussian; it has tightness"):
        sample(run, truncation=0.5)


def test_it_is_evaluated(run, encoder):
    report = evaluate(run, encoder=encoder, seeds=2, only=["frechet", "accuracy", "bones"])
    assert {row.score.metric for row in report.rows} == {"frechet", "accuracy", "bones"}


@pytest.mark.parametrize("code", [(), (HERE,)], ids=["in this process", "in processes of its own"])
def test_it_takes_part_in_an_ablation(code, tmp_path, encoder):
    ablation = Ablation(
        [Recipe("narrow", {"gaussian.spread": 0.1}), Recipe("wide", {"gaussian.spread": 3.0}, after="narrow")],
        [Benchmark("synthetic", {"data": DATA}, encoder)],
        base={"model": "gaussian", "training": SETTINGS["training"]},
        seeds=2,
        scores=ScoresConfig(only=("frechet", "variance"), draws=1, shown=1),
    )
    table = ablate(ablation, tmp_path, engine=None if code else Here(), code=code, progress=False)
    narrow, wide = (table.entries["synthetic", recipe, "variance"].mean for recipe in ("narrow", "wide"))
    assert len(table.missing) == 0 and narrow < wide


def test_recipes_of_several_families_are_cells_of_one_ablation():
    ablation = Ablation(
        [Recipe("gan"), Recipe("gaussian", {"model": "gaussian", "gaussian.spread": 0.5}, after="gan")],
        [Benchmark("synthetic", {"data": DATA}, {"training": {"steps": 2}})],
        base={"training": {"steps": 2, "penalty": 1.0}, "generator": {"latent": 8}, "data.scaling": "minmax"},
        seeds=1,
    )
    networks, cells = ablation.cells()
    assert [cell.experiment.model for cell in (*networks, *cells)] == ["encoder", "gan", "gaussian"]
    assert (cells[0].experiment.training.penalty, cells[1].experiment.gaussian.spread) == (1.0, 0.5)
    assert len({cell.key for cell in cells}) == 2


def test_a_family_that_makes_no_motions_trains_and_says_so_when_it_is_sampled(tmp_path, monkeypatch):
    """A model of pictures, for example: it follows the first protocol and not the second."""
    blind = Watch(lambda module, done: None, "nothing", selects=False)
    silent = replace(GAUSSIAN, sampler=None, watch=lambda *_: blind)
    monkeypatch.setitem(FAMILIES, "gaussian", silent)
    opened = load_run(fit(load_experiment(**SETTINGS), tmp_path / "run", progress=False))
    for verb in (lambda: sample(opened), lambda: evaluate(opened)):
        with pytest.raises(ValueError, match="model gaussian makes no motions; expected a generator"):
            verb()
