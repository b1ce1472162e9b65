"""The parts of an ablation: recipes that build on one another, benchmarks, seeds, and the keys of their cells."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from kinetic.ablation.recipes import REAL, Ablation, Benchmark, Cell, Recipe, read_ablation
from kinetic.families.experiments import load_experiment
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.settings.ablation import ScoresConfig

ROOT = Path(__file__).resolve().parents[2]
DATA = {"classes": ["walk", "wave"], "frames": 16, "batch_size": 4, "synthetic": {"subjects": 2, "repeats": 1}}
RECIPES = (
    Recipe("Baseline"),
    Recipe("A", {"critic.pooling": "max"}, "Baseline"),
    Recipe("B", {"critic": {"noise": {"std": 1.0}}}, "A"),
)


def ablation(**changes):
    defaults = {"benchmarks": [Benchmark("xsub", {"data": DATA}, {})], "base": {"training.steps": 4}, "seeds": 2}
    return Ablation(**{"recipes": RECIPES, **defaults, **changes})


def written(folder: Path, **content) -> Path:
    """An ablation file with an encoder beside it."""
    (folder / "encoder.yaml").write_text("data: {centering: first}\ntraining: {steps: 3}\n")
    plain = {
        "benchmarks": {"xsub": {"settings": {"data": DATA}, "encoder": "encoder.yaml"}},
        "recipes": {"Baseline": {}, "A": {"after": "Baseline", "changes": {"critic.pooling": "max"}}},
        **content,
    }
    (folder / "grid.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    return folder / "grid.yaml"


def test_a_recipe_has_the_changes_of_those_that_it_builds_on():
    experiment = ablation().experiment(ablation().benchmarks[0], RECIPES[2], seed=7)
    assert (experiment.critic.pooling, experiment.critic.noise.std) == ("max", 1.0)
    assert (experiment.seed, experiment.training.steps) == (7, 4)


def test_recipes_go_over_benchmarks_and_benchmarks_over_the_base():
    base = {"training.steps": 4, "generator.mapping_depth": 2, "critic.pooling": "gem"}
    other = Benchmark("deep", {"data": DATA, "generator": {"mapping_depth": 6}}, {})
    grid = ablation(base=base, benchmarks=[other])
    assert grid.experiment(other, RECIPES[0], 0).generator.mapping_depth == 6
    assert grid.experiment(other, RECIPES[0], 0).critic.pooling == "gem"
    assert grid.experiment(other, RECIPES[1], 0).critic.pooling == "max"


def test_there_is_a_cell_for_each_benchmark_recipe_and_seed_and_one_network_for_each_benchmark():
    networks, cells = ablation(benchmarks=[Benchmark(name, {"data": DATA}, {}) for name in ("one", "two")]).cells()
    assert [cell.benchmark for cell in networks] == ["one", "two"]
    assert [(cell.benchmark, cell.recipe, cell.seed) for cell in cells] == [
        (benchmark, recipe, seed)
        for benchmark in ("one", "two")
        for recipe in ("Baseline", "A", "B")
        for seed in (0, 1)
    ]


def test_all_cells_of_a_benchmark_wait_for_its_one_network():
    networks, cells = ablation().cells()
    assert {cell.encoder for cell in cells} == {networks[0].key}


def test_the_network_learns_the_motions_of_its_benchmark():
    grid = ablation(benchmarks=[Benchmark("xview", {"data": {**DATA, "split": "xview"}}, {"data": {"batch_size": 8}})])
    network = grid.recogniser(grid.benchmarks[0])
    assert (network.model, network.data.split, network.data.frames) == ("encoder", "xview", 16)
    assert network.data.classes == ["walk", "wave"]
    assert network.data.batch_size == 8


def test_the_network_is_centred_in_every_frame_where_generators_are():
    def centering(of_generators):
        grid = ablation(base={"data.centering": of_generators})
        return grid.recogniser(grid.benchmarks[0]).data.centering

    assert (centering("frame"), centering("first")) == ("frame", "none")


def test_epochs_become_steps():
    (*_, cell) = ablation(base={"training.epochs": 3}).cells()[1]
    assert cell.per_epoch == 1  # 6 training motions: one person, three cameras, two actions
    assert cell.experiment.training.steps == 3


def test_a_recipe_with_larger_batches_has_fewer_in_an_epoch():
    recipes = [Recipe("Baseline"), Recipe("large", {"data.batch_size": 6}, "Baseline")]
    data = {**DATA, "batch_size": 2}
    grid = ablation(
        recipes=recipes, benchmarks=[Benchmark("x", {"data": data}, {})], base={"training.epochs": 2}, seeds=1
    )
    assert [(cell.per_epoch, cell.experiment.training.steps) for cell in grid.cells()[1]] == [(3, 6), (1, 2)]


def test_checkpoints_are_kept_where_a_curve_has_points():
    def kept(points):
        return ablation(base={"training.steps": 10}, scores=ScoresConfig(points=points)).cells()[1][0]

    assert [kept(points).experiment.training.keep_every for points in (0, 1, 3, 10)] == [0, 10, 4, 1]


def test_motions_count_by_their_content_and_not_by_their_path(tmp_path):
    motions = synthesise(["walk", "wave"], subjects=2, repeats=1, frames=16)
    for name in ("one", "two", "other"):
        (tmp_path / name).mkdir()
        write_motions(
            motions if name != "other" else motions.select(np.arange(len(motions))[::-1]), tmp_path / name / "m.npz"
        )
    keys = []
    for name in ("one", "two", "other"):
        data = {"source": str(tmp_path / name / "m.npz"), "frames": 16, "batch_size": 4}
        keys.append(ablation(benchmarks=[Benchmark("xsub", {"data": data}, {})]).cells()[1][0].key)
    assert keys[0] == keys[1] != keys[2]


# ---------------------------------------------------------------------------------------------------------------- files


def test_a_file_says_the_same_as_python(tmp_path):
    grid, config = read_ablation(written(tmp_path, seeds=2), settings={"training.steps": 4})
    assert [recipe.name for recipe in grid.recipes] == ["Baseline", "A"]
    assert grid.seeds == config.seeds == 2
    from_python = ablation(
        recipes=RECIPES[:2], benchmarks=[Benchmark("xsub", {"data": DATA}, {"training": {"steps": 3}})]
    )
    from_file = replace(grid, scores=from_python.scores)
    keys = [[cell.key for cell in grid.cells()[1]] for grid in (from_python, from_file)]
    assert keys[0] != keys[1]  # another network: this one is centred
    assert [cell.experiment for cell in from_python.cells()[1]] == [cell.experiment for cell in from_file.cells()[1]]


def test_a_profile_goes_over_the_file_and_the_caller_over_both(tmp_path):
    (tmp_path / "base.yaml").write_text("critic: {pooling: gem}\ntraining: {steps: 9}\n")
    profile = {"files": ["base.yaml"], "settings": {"training": {"steps": 8}}, "seeds": 5, "scores": {"draws": 2}}
    file = written(tmp_path, profile="p", profiles={"p": profile}, scores={"draws": 4, "count": 3})
    grid, _ = read_ablation(file)
    first = grid.experiment(grid.benchmarks[0], grid.recipes[0], 0)
    assert (first.critic.pooling, first.training.steps) == ("gem", 8)
    assert (grid.seeds, grid.scores.draws, grid.scores.count, grid.name) == (5, 2, 3, "ablation_p")
    again, _ = read_ablation(file, seeds=1, scores={"draws": 3}, settings={"training.steps": 7})
    first = again.experiment(again.benchmarks[0], again.recipes[0], 0)
    assert (again.seeds, again.scores.draws, again.scores.count, first.training.steps) == (1, 3, 3, 7)


def test_a_sweep_is_a_row_for_each_value(tmp_path):
    recipes = {"Baseline": {}, "noise": {"after": "Baseline", "sweep": {"critic.noise.std": [0.1, 1]}}}
    grid, _ = read_ablation(written(tmp_path, recipes=recipes))
    assert [(row.name, row.after) for row in grid.recipes] == [
        ("Baseline", None),
        ("noise 0.1", "Baseline"),
        ("noise 1", "Baseline"),
    ]
    assert grid.experiment(grid.benchmarks[0], grid.recipes[2], 0).critic.noise.std == 1.0
    some, _ = read_ablation(written(tmp_path, recipes=recipes), recipes=["noise"])
    assert [row.name for row in some.recipes] == ["noise 0.1", "noise 1"]


def test_a_row_that_is_left_out_still_counts_in_those_that_build_on_it(tmp_path):
    recipes = {
        "Baseline": {},
        "A": {"after": "Baseline", "changes": {"critic.pooling": "max"}},
        "B": {"after": "A", "changes": {"critic.label_smoothing": 0.5}},
    }
    grid, _ = read_ablation(written(tmp_path, recipes=recipes), recipes=["B", "Baseline"])
    assert [(row.name, row.after) for row in grid.recipes] == [("Baseline", None), ("B", "Baseline")]
    assert grid.experiment(grid.benchmarks[0], grid.recipes[1], 0).critic.pooling == "max"


@pytest.mark.parametrize("profile", ["tiny", "small", "paper", "full"])
def test_the_ablation_of_the_project_is_sound_at_every_profile(profile):
    grid, _ = read_ablation(ROOT / "experiments" / "ablation.yaml", profile=profile)
    assert [row.name for row in grid.recipes][:5] == ["Baseline", "A", "B", "C", "D"]
    assert {row.name: row.after for row in grid.recipes}["C"] == "B"
    by_name = {row.name: grid.experiment(grid.benchmarks[0], row, 0) for row in grid.recipes}
    c, d = by_name["C"].critic, by_name["D"]
    assert (c.pooling, c.noise.std, c.label_smoothing) == ("max", 1.0, 1.0)
    assert (d.critic.pooling, d.critic.noise.std, d.training.quantile.kind) == ("max", 0.0, "add")


def test_published_sizes_are_those_of_the_fork_at_full_size():
    grid, _ = read_ablation(ROOT / "experiments" / "ablation.yaml", profile="paper")
    depths = [grid.experiment(benchmark, grid.recipes[0], 0).generator.mapping_depth for benchmark in grid.benchmarks]
    first = grid.experiment(grid.benchmarks[0], grid.recipes[0], 0)
    assert depths == [4, 6]
    assert first == replace(load_experiment(), name=first.name, data=first.data, training=first.training)
    assert (first.training.epochs, first.training.loss, first.training.critic_steps) == (20, "wasserstein", 5)
    assert grid.published["ntu60-xview"]["B"] == {"fid": 53.829, "mmd_frame": 0.870, "mmd_sequence": 0.937}


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recipes": []}, "takes one recipe or more"),
        ({"benchmarks": []}, "takes one benchmark or more"),
        ({"recipes": [Recipe("A"), Recipe("A")]}, "two recipes have the name 'A'"),
        ({"recipes": [Recipe("A", {}, "Bsaeline"), Recipe("Baseline")]}, "did you mean Baseline"),
        ({"recipes": [Recipe("A", {}, "B"), Recipe("B", {}, "A")]}, "builds on itself"),
        ({"recipes": [Recipe("A", {"critic.poling": "max"})]}, "xsub, A: critic.poling: unknown key; did you mean"),
        ({"recipes": [Recipe("A", {"critic.pooling": "most"})]}, "expected one of mean, max, gem, attention"),
        ({"recipes": [Recipe("A", {"model": "encoder"})]}, "compares generators"),
        ({"recipes": [Recipe(REAL)]}, "choose another name"),
        ({"recipes": [Recipe("real (floor)")]}, "choose another name"),
        ({"name": "a/b"}, "plain file name"),
        ({"base": {"data.split": "none"}}, "holds no motions out"),
        ({"recipes": [Recipe("A"), Recipe("B", {"data.centering": "first"})]}, "data.centering: a recipe must not"),
        ({"recipes": [Recipe("A"), Recipe("B", {"data.synthetic.seed": 1})]}, "data.synthetic: a recipe must not"),
        ({"seeds": 0}, "at least 1"),
        ({"scores": ScoresConfig(only=("frechett",))}, "there is no score 'frechett'"),
    ],
)
def test_an_impossible_ablation_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        ablation(**changes)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"profile": "huge", "profiles": {"tiny": {}}}, "no profile 'huge'"),
        ({"profiles": {"tiny": {"files": ["none.yaml"]}}, "profile": "tiny"}, "none.yaml"),
        ({"recipes": {"A": {"chnages": {}}}}, "recipes.A.chnages: unknown key; did you mean"),
        ({"recipes": {"A": {"sweep": {"critic.pooling": "max"}}}}, "recipes.A.sweep needs one setting"),
        ({"recipes": {1: {}}}, "quote a name that is a number"),
        ({"recipes": "all"}, "recipes: expected names, each with what it stands for"),
        ({"published": {"xsub": {"Z": {"fid": 1.0}}}}, "published.xsub.Z: no recipe"),
        ({"published": {"xsub": {"A": {"fidd": 1.0}}}}, "published.xsub.A.fidd: no score; did you mean fid"),
        ({"benchmarks": {"x": {"settings": {}, "encoder": "x" * 9999}}}, "benchmarks.x.encoder: "),
        ({"published": {"xsab": {}}}, "did you mean xsub"),
        ({"seeds": 0}, "seeds must lie between 1 and 1000, got 0"),
        ({"benchmarks": {"x": {"settings": {"data": DATA}}}}, "benchmarks.x.encoder: expected an experiment file"),
        (
            {"benchmarks": {"x": {"settings": {"dta": 1}, "encoder": "encoder.yaml"}}},
            "benchmarks.x.settings: dta: unknown",
        ),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_key(tmp_path, content, reason):
    file = written(tmp_path, **content)
    with pytest.raises((ValueError, FileNotFoundError), match=reason) as caught:
        read_ablation(file)
    assert str(tmp_path) in str(caught.value)


def test_what_is_chosen_must_be_there(tmp_path):
    with pytest.raises(ValueError, match="there is no recipe 'C'"):
        read_ablation(written(tmp_path), recipes=["C"])
    with pytest.raises(ValueError, match="there is no benchmark 'xview'"):
        read_ablation(written(tmp_path), benchmarks=["xview"])


def test_motions_that_are_not_there_are_named_with_their_benchmark():
    grid = ablation(benchmarks=[Benchmark("own", {"data": {"source": "none.npz", "frames": 16}}, {})])
    with pytest.raises(FileNotFoundError, match=r"benchmarks.own: none.npz"):
        grid.cells()


def test_a_folder_that_holds_no_network_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="recognition.json"):
        ablation(benchmarks=[Benchmark("xsub", {"data": DATA}, tmp_path)]).cells()


def test_a_network_that_learned_another_side_of_the_motions_is_refused_before_anything_is_trained(encoder):
    data = load_experiment(encoder / "config.yaml").data
    same = {"classes": data.classes, "frames": data.frames, "batch_size": 4, "synthetic": {"subjects": 4, "repeats": 1}}
    ablation(benchmarks=[Benchmark("xsub", {"data": same}, encoder)]).cells()
    with pytest.raises(ValueError, match=r"benchmarks.xview: .*learned motions with data.split xsub, these have xview"):
        ablation(benchmarks=[Benchmark("xview", {"data": {**same, "split": "xview"}}, encoder)]).cells()


def test_settings_of_recognition_networks_go_to_them_and_not_to_generators(tmp_path):
    settings = {"encoder.dropout": 0.5, "training.accelerator": "cpu", "training.steps": 5}
    grid, _ = read_ablation(written(tmp_path), settings=settings)
    network = grid.recogniser(grid.benchmarks[0])
    assert (network.encoder.dropout, network.training.accelerator, network.training.steps) == (0.5, "cpu", 3)
    plain, _ = read_ablation(written(tmp_path), settings={"training.accelerator": "cpu", "training.steps": 5})
    assert [cell.experiment for cell in grid.cells()[1]] == [cell.experiment for cell in plain.cells()[1]]


def test_a_title_is_one_printable_line():
    cell = Cell("xsub", "a\n\x1b[2Jb", 0, load_experiment(), ScoresConfig(), "", "", 1, 1)
    assert cell.title == r"xsub: a\n\x1b[2Jb, seed 0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipes: {A: {sweep: {seed: [SEEDS]}}}", "found 301 rows, expected at most 300"),
        ("benchmarks: {BENCHMARKS}", "found 301 benchmarks, expected at most 300"),
        ("profile: p\nprofiles: {p: {files: [FILES]}}", "found 301 files, expected at most 300"),
    ],
)
def test_an_ablation_that_is_too_large_is_refused_before_its_files_are_read(text, message, tmp_path):
    text = text.replace("SEEDS", ", ".join(map(str, range(301)))).replace("FILES", ", ".join(["x.yaml"] * 301))
    text = text.replace("BENCHMARKS", ", ".join(f"b{i}: {{encoder: x.yaml}}" for i in range(301)))
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"a\.yaml: {message}"):
        read_ablation(tmp_path / "a.yaml")


def test_rows_on_a_long_chain_of_rows_that_are_left_out_take_over_all_of_it(tmp_path):
    chain = "".join(
        f"  r{i}: {{after: r{i - 1}, changes: {{data: {{frames: {16 * (i % 9 + 1)}}}}}}}\n" for i in range(1, 150)
    )
    ends = "".join(f"  e{i}: {{after: r149, changes: {{seed: {i}}}}}\n" for i in range(149))
    (tmp_path / "e.yaml").write_text("model: encoder\n")
    (tmp_path / "a.yaml").write_text(
        f"benchmarks: {{s: {{encoder: e.yaml}}}}\nrecipes:\n  r0: {{changes: {{name: root}}}}\n{chain}{ends}"
    )
    since = time.process_time()
    grid, _ = read_ablation(tmp_path / "a.yaml", recipes=[f"e{i}" for i in range(149)])
    assert time.process_time() - since < 3  # 0.3 on a quiet machine; minutes where each end walks the chain
    assert [row.after for row in grid.recipes] == [None] * 149
    assert grid.recipes[7].changes == {"name": "root", "data": {"frames": 96}, "seed": 7}
