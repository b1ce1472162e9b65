"""A whole ablation: every cell once, failures alone, going on where it stopped, and the files that it ends in."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import kinetic
from kinetic.ablation.cell import failure, place, read_result, trained_batches
from kinetic.ablation.grid import PRELOAD, ablate, engine_for, plan, table
from kinetic.ablation.recipes import Ablation, Benchmark, Recipe
from kinetic.engines.interface import Event
from kinetic.engines.local import Local
from kinetic.engines.slurm import Slurm
from kinetic.files import sealed
from kinetic.settings.ablation import ScoresConfig

ENGINE = Local(2, preload=PRELOAD)
BASE = {
    "data": {
        "classes": ["walk", "wave"],
        "frames": 16,
        "batch_size": 4,
        "scaling": "standard",
        "synthetic": {"subjects": 4, "repeats": 1},
    },
    "generator": {"latent": 8, "mapping_depth": 2, "widths": [8] * 5, "mapping": "equalized", "output": "linear"},
    "critic": {"widths": [8] * 6},
    "training": {"steps": 4, "sample_every": 0, "accelerator": "cpu"},
}
RECIPES = (
    Recipe("Baseline", about="nothing <b>"),
    Recipe("A|$", {"critic.pooling": "max"}, "Baseline", "max"),
    Recipe("A again", {"critic.pooling": "max"}, "Baseline", "the same settings under another name"),
    Recipe("broken", {"training": {"max_norm": 1e-9}}, "Baseline", "diverges at once"),
)
ENCODER = {
    "data": {"batch_size": 4},
    "encoder": {"widths": [8, 8]},
    "training": {"steps": 4, "sample_every": 0, "accelerator": "cpu"},
}


def ablation(**changes) -> Ablation:
    defaults = {
        "name": "small <grid>",
        "recipes": RECIPES,
        "benchmarks": [Benchmark("xsub", {"data": {"split": "xsub"}}, ENCODER, "by person")],
        "base": BASE,
        "seeds": 2,
        "scores": ScoresConfig(only=("frechet", "mmd_frame"), draws=1, points=2, shown=1),
    }
    return Ablation(**{**defaults, **changes})


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """The folder of an ablation that was run."""
    folder = tmp_path_factory.mktemp("grids") / "grid"
    ablate(ablation(), folder, engine=ENGINE, progress=False)
    return folder


def test_every_recipe_has_a_result_from_every_seed_but_the_one_that_fails(done):
    result = table(done)
    assert result.done("xsub", "Baseline") == result.done("xsub", "A|$") == (0, 1)
    assert result.done("xsub", "broken") == ()
    assert set(result.missing) == {("xsub", "broken", 0), ("xsub", "broken", 1)}
    assert all(why.startswith("Diverged: ") for why in result.missing.values())


def test_recipes_with_the_same_settings_share_their_cells(done):
    result = table(done)
    assert result.entries["xsub", "A again", "frechet"].values == result.entries["xsub", "A|$", "frechet"].values
    assert len(list(done.glob("cells/*"))) == 1 + 3 * 2  # the network, and three recipes from two seeds


def test_a_cell_that_recipes_share_is_run_once(tmp_path, encoder):
    class Listing:
        folders: tuple = ()

        def run(self, work, tasks):
            self.folders += tuple(task.argument for task in tasks)
            yield from ()

    base = {**BASE, "data": {**BASE["data"], "classes": ["walk", "sit down", "wave"]}}
    engine = Listing()
    grid = ablation(recipes=RECIPES[:3], seeds=1, base=base, benchmarks=[Benchmark("xsub", {}, encoder)])
    ablate(grid, tmp_path / "grid", engine=engine, progress=False)
    assert len(engine.folders) == len(set(engine.folders)) == 2


def test_an_ablation_goes_on_with_the_precision_that_it_was_begun_with(tmp_path, monkeypatch):
    grid = ablation(recipes=RECIPES[:1], seeds=1, base={**BASE, "training": {**BASE["training"], "precision": "auto"}})
    monkeypatch.setattr("kinetic.training.precision.race", lambda: 0.1)
    ablate(grid, tmp_path, engine=ENGINE, progress=False)
    assert {cell.experiment.training.precision for cell in plan(grid, tmp_path).cells} == {"32"}
    monkeypatch.setattr("kinetic.training.precision.race", lambda: 2.0)  # another machine
    again = plan(grid, tmp_path)
    assert str(again.precision) == "precision 32: as this ablation was begun"
    assert set(again.states.values()) == {"done"}
    assert {cell.experiment.training.precision for cell in plan(grid, tmp_path / "new").cells} == {"bf16"}


def test_all_cells_of_a_benchmark_were_scored_with_one_network(done):
    networks, cells = ablation().cells()
    network = read_result(place(done, networks[0]), networks[0].key)
    results = [read_result(place(done, cell), cell.key) for cell in cells if cell.recipe != "broken"]
    assert {result.network for result in results} == {network.network}


def test_the_table_is_there_in_four_formats(done):
    assert table(done).to_markdown() == (done / "table.md").read_text()
    rows = list(csv.DictReader(io.StringIO((done / "table.csv").read_text())))
    entry = table(done).entries["xsub", "Baseline", "frechet"]
    (line,) = (row for row in rows if (row["row"], row["metric"]) == ("Baseline", "frechet"))
    assert float(line["mean"]) == entry.mean
    assert json.loads((done / "table.json").read_text())["format"] == "kinetic-table"
    assert "\\toprule" in (done / "table.tex").read_text()


def test_the_page_shows_every_recipe_and_nothing_of_their_names_runs(done):
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.texts, self.tags = [], set()

        def handle_starttag(self, tag, attrs):
            self.tags.add(tag)

        def handle_data(self, data):
            self.texts.append(data.strip())

    reader = Reader()
    reader.feed((done / "report.html").read_text())
    assert {"Baseline", "A|$", "small <grid>", "xsub: motions", "real (floor)"} <= set(reader.texts)
    assert "b" not in reader.tags
    assert {"select", "table", "img"} <= reader.tags


def test_pictures_are_there(done):
    assert {file.name for file in done.glob("*.png")} == {"scores_xsub.png", "curves_xsub.png"}


def test_what_is_done_is_not_done_again_and_what_failed_is_left_alone(done):
    class Idle:
        def run(self, work, tasks):
            raise AssertionError(f"expected no tasks, got {tasks}")

    before = {file: file.stat().st_mtime_ns for file in done.glob("cells/*/*.json")}
    again = ablate(ablation(), done, engine=Idle(), progress=False)
    assert again.to_markdown() == table(done).to_markdown()
    assert {file: file.stat().st_mtime_ns for file in done.glob("cells/*/*.json")} == before


def test_failed_cells_are_tried_again_when_asked(done):
    class Listing:
        tasks: tuple = ()

        def run(self, work, tasks):
            self.tasks = tuple(task.name for task in tasks)
            yield from ()

    engine = Listing()
    ablate(ablation(), done, engine=engine, retry=True, progress=False)
    assert [name.rpartition(" (")[0] for name in engine.tasks] == ["xsub: broken, seed 0", "xsub: broken, seed 1"]


def test_a_plan_tells_what_is_there(done, tmp_path):
    before, after = plan(ablation(), tmp_path), plan(ablation(), done)
    assert set(before.states.values()) == {"new"}
    assert [after.states[cell.key] for cell in after.cells if cell.recipe == "broken"] == ["failed", "failed"]
    assert [cell.seed for cell in after.cells] == [0] * 4 + [1] * 4
    assert after.to_text().endswith("8 cells: 6 done, 2 failed\n")
    assert list(tmp_path.iterdir()) == []


def test_another_recipe_runs_alone_beside_what_is_there(done, tmp_path):
    class Listing:
        tasks: tuple = ()

        def run(self, work, tasks):
            self.tasks += tuple(task.name for task in tasks)
            yield from ()

    engine = Listing()
    more = ablation(recipes=(*RECIPES, Recipe("new", {"critic.label_smoothing": 0.1}, "Baseline")), seeds=1)
    result = ablate(more, done, engine=engine, progress=False)
    assert [name.rpartition(" (")[0] for name in engine.tasks] == ["xsub: new, seed 0"]
    assert result.missing["xsub", "new", 0] == "not run yet"
    ablate(ablation(), done, engine=engine, progress=False)


def test_the_same_ablation_elsewhere_has_the_same_table(done, tmp_path):
    """An engine that runs cells one after another in this process gives the same tables."""

    class Here:
        def run(self, work, tasks):
            for task in reversed(tasks):
                yield Event("started", task.name)
                work(task.argument)
                yield Event("ended", task.name)

    ablate(ablation(), tmp_path / "grid", engine=Here(), progress=False)
    assert_same_tables(tmp_path / "grid", done)


def test_cells_whose_network_fails_fail_with_its_reason(tmp_path):
    wrong = {**ENCODER, "data": {"batch_size": 4000}}
    grid = ablation(benchmarks=[Benchmark("xsub", {}, wrong)], recipes=RECIPES[:2], seeds=1)
    result = ablate(grid, tmp_path / "grid", engine=ENGINE, progress=False)
    assert len(result.missing) == 2
    assert all(why.startswith("its recognition network failed: ") for why in result.missing.values())


def test_an_engine_that_claims_too_much_is_not_believed(tmp_path):
    class Liar:
        def run(self, work, tasks):
            for task in tasks:
                yield Event("ended", task.name)

    result = ablate(ablation(recipes=RECIPES[:1], seeds=1), tmp_path / "grid", engine=Liar(), progress=False)
    assert "its recognition network failed: it ended without a result" in result.missing["xsub", "Baseline", 0]


def test_a_task_that_an_engine_gives_up_is_a_failed_cell(done, tmp_path, encoder):
    class Broken:
        def run(self, work, tasks):
            for task in tasks:
                yield Event("started", task.name, "somewhere")
                yield Event("lost", task.name, "power cut")
                yield Event("tick")
                yield Event("failed", task.name, "power cut\nthree times")

    base = {**BASE, "data": {**BASE["data"], "classes": ["walk", "sit down", "wave"]}}
    grid = ablation(recipes=RECIPES[:1], seeds=1, base=base, benchmarks=[Benchmark("xsub", {}, encoder)])
    result = ablate(grid, tmp_path / "grid", engine=Broken(), progress=False)
    (cell,) = grid.cells()[1]
    assert failure(place(tmp_path / "grid", cell)) == "power cut three times"
    assert result.missing["xsub", "Baseline", 0] == "power cut three times"


def test_progress_says_what_became_of_each_cell(tmp_path, capsys, encoder):
    base = {**BASE, "data": {**BASE["data"], "classes": ["walk", "sit down", "wave"]}}
    grid = ablation(recipes=RECIPES[:1], seeds=1, base=base, benchmarks=[Benchmark("xsub", {}, encoder)])
    ablate(grid, tmp_path / "grid", engine=ENGINE)
    assert "kinetic: 1 of 1 done; xsub: Baseline, seed 0: done\n" in capsys.readouterr().err


def test_a_driver_that_is_killed_leaves_nobody_behind_and_another_goes_on(done, tmp_path):
    folder = tmp_path / "grid"
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_grid as t;"
        f"t.ablate(t.ablation(), {str(folder)!r}, engine=t.ENGINE, progress=False)"
    )
    environment = dict(os.environ, PYTHONPATH=str(Path(kinetic.__file__).parents[1]))
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        while not list(folder.glob("cells/xsub-A-0-*/run/metrics.csv")) and process.poll() is None:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    ablate(ablation(), folder, engine=ENGINE, progress=False)
    assert_same_tables(folder, done)


def test_cells_with_the_same_title_are_all_run(tmp_path, encoder):
    base = {**BASE, "data": {**BASE["data"], "classes": ["walk", "sit down", "wave"]}}
    names = [("a", Recipe("b: c")), ("a: b", Recipe("c", {"critic.pooling": "max"}))]
    grid = ablation(
        recipes=[recipe for _, recipe in names],
        benchmarks=[Benchmark(name, {}, encoder) for name, _ in names],
        base=base,
        seeds=1,
        scores=ScoresConfig(only=("bones",), draws=1, shown=1),
    )
    assert ablate(grid, tmp_path / "grid", engine=ENGINE, progress=False).missing == {}


def test_a_network_that_is_done_serves_also_where_an_old_error_lies_beside_it(done):
    networks, cells = ablation().cells()
    (place(done, networks[0]) / "error.json").write_text('{"format": "kinetic-cell", "key": "", "error": "old"}')

    class Listing:
        tasks: tuple = ()

        def run(self, work, tasks):
            self.tasks += tuple(tasks)
            yield from ()

    engine = Listing()
    ablate(ablation(), done, engine=engine, retry=True, progress=False)
    assert len(engine.tasks) == 2  # those of the broken recipe


def test_results_of_different_scores_are_not_put_into_one_table(done, tmp_path):
    """The recognition network of one cell was exchanged by hand."""
    _, cells = ablation().cells()
    home = place(done, cells[0])
    text = (home / "result.json").read_text()
    try:
        other = json.loads(text.replace(read_result(home, cells[0].key).network, "0" * 12))
        del other["checksum"]
        (home / "result.json").write_text(json.dumps(sealed(other)))
        with pytest.raises(ValueError, match="network_hash"):
            table(done)
    finally:
        (home / "result.json").write_text(text)


@pytest.mark.parametrize("name", ["folder", "file"])
def test_what_is_no_ablation_is_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no ablation"):
        table(tmp_path / name)


def test_a_folder_whose_name_is_taken_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="needs a folder"):
        ablate(ablation(), tmp_path / "file", engine=ENGINE)


def test_options_of_a_file_do_not_go_with_an_ablation_made_in_python(tmp_path):
    with pytest.raises(ValueError, match="profile: an option of ablation files; expected a file, got an Ablation"):
        ablate(ablation(), tmp_path, profile="tiny")


def test_as_many_cells_run_at_a_time_as_there_is_room_for():
    room = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert engine_for(ablation(), "x").jobs == room
    assert engine_for(replace(ablation(), threads=1000), "x").jobs == 1
    assert engine_for(ablation(), "x", jobs=5).jobs == 5


def assert_same_tables(first: Path, second: Path) -> None:
    for name in ("table.md", "table.csv", "table.tex", "table.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@pytest.mark.slurm
def test_on_slurm_the_table_is_the_same_also_where_the_time_of_a_job_runs_out(tmp_path):
    """A job is warned while it trains, as Slurm does before the end of its time: it saves, waits, and goes on."""
    pytest.importorskip("submitit", reason="submitit is not installed")
    from slurm_cluster import missing, slurm_cluster

    if lacking := missing():
        pytest.skip(f"no Slurm here: {', '.join(lacking)} not installed")
    longer = ablation(recipes=RECIPES[:2], seeds=1, base={**BASE, "training": {**BASE["training"], "steps": 400}})
    kinds = []

    class Warning:
        """Slurm, and a warning to the first job that has trained for a while."""

        def run(self, work, tasks):
            jobs = {}
            for event in Slurm(tmp_path / "jobs", poll=1.0, notice=1).run(work, tasks):
                kinds.append(event.kind)
                if event.kind == "started":
                    jobs[event.name] = event.detail.split()[1]
                for task in tasks if "warned" not in kinds else ():
                    if task.name in jobs and trained_batches(Path(task.argument)) >= 50:
                        subprocess.run(["scancel", "--batch", "--signal=USR2", jobs[task.name]], check=True)
                        kinds.append("warned")
                        break
                yield event

    with slurm_cluster():
        ablate(longer, tmp_path / "slurm", engine=Warning(), progress=False)
    ablate(longer, tmp_path / "local", engine=ENGINE, progress=False)
    assert kinds.index("warned") < kinds.index("lost")
    assert_same_tables(tmp_path / "slurm", tmp_path / "local")


@pytest.mark.ray
def test_on_ray_the_table_is_the_same_also_where_a_node_dies(tmp_path):
    from ray_cluster import HEAD, missing, ray_cluster

    if lacking := missing():
        pytest.skip(f"no Ray cluster here: {lacking}")
    training = {**BASE["training"], "steps": 400}
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_grid as t;"
        "from kinetic.engines.ray import Ray;"
        "grid = t.ablation(recipes=t.RECIPES[:2], base={**t.BASE, 'training': " + repr(training) + "});"
        f"t.ablate(grid, sys.argv[1], engine=Ray('{HEAD}:6379'))"
    )
    folder = tmp_path / "ray"
    with ray_cluster() as cluster:
        command = ["ip", "netns", "exec", cluster.spaces[0], sys.executable, "-c", code, str(folder)]
        with subprocess.Popen(command, env=cluster.environment, stderr=subprocess.PIPE, text=True) as driver:
            while driver.poll() is None and not any(
                trained_batches(home) >= 50 for home in folder.glob("cells/xsub-[!e]*")
            ):
                time.sleep(0.05)
            cluster.kill(cluster.nodes[11])
            output = driver.stderr.read()
    assert driver.returncode == 0, output
    assert "lost, to be tried again" in output
    grid = ablation(recipes=RECIPES[:2], base={**BASE, "training": training})
    ablate(grid, tmp_path / "local", engine=ENGINE, progress=False)
    assert_same_tables(folder, tmp_path / "local")
