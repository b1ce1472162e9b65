import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import (
    copies,
    critic_step,
    cycle,
    damage,
    frechet,
    grid_kill,
    harness,
    intervals,
    literal,
    mmd,
    null_tables,
    options,
    pairs,
    rooms,
    sampling,
    scores,
)
from benchmarks.__main__ import NAMES, main
from kinetic.families.experiments import load_experiment
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs.fit import fit

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def few_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def golden(shared):
    with np.load(shared / "data/reference/golden.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def load(model, shared, name):
    model.load_state_dict(torch.load(shared / "data/reference" / name, weights_only=True))
    return model.eval()


def test_literal_networks_have_the_published_sizes():
    assert sum(p.numel() for p in literal.Generator().parameters()) == 3_944_401
    assert sum(p.numel() for p in literal.Critic().parameters()) == 3_332_115


def test_literal_critic_and_penalty_are_the_published_ones(shared, golden):
    critic = load(literal.Critic(), shared, "discriminator_ntu.pth")
    label = golden["label"]
    with torch.no_grad():
        for motion, score in (("real", "critic_real"), ("motion", "critic_fake")):
            torch.testing.assert_close(critic(golden[motion], label), golden[score], rtol=0, atol=1e-5)
    penalty = literal.gradient_penalty(critic, golden["real"], golden["motion"], label, golden["alpha"])
    assert penalty.item() == pytest.approx(golden["gradient_penalty"].item(), abs=1e-5)


def test_literal_generator_is_the_published_one(shared, golden):
    # w is about 4e5, so float32 knows what enters tanh to 1e-3 only; what it leaves is 1 or -1 for 99 of 100 entries
    generator = load(literal.Generator(), shared, "generator_ntu_mlp4.pth").double()
    z, label = golden["z"].double(), golden["label"]
    with torch.no_grad():
        w = generator.map(torch.cat([generator.label_emb(label), z], dim=1))
        torch.testing.assert_close(w.float(), golden["w"], rtol=1e-6, atol=0.5)
        motion = generator(z, label).float()
    saturated = motion.abs() == 1
    assert saturated.float().mean() > 0.98
    assert torch.equal(motion.sign(), golden["motion"].sign())
    torch.testing.assert_close(motion[saturated], golden["motion"][saturated], rtol=0, atol=1e-5)
    torch.testing.assert_close(motion, golden["motion"], rtol=0, atol=3e-3)


@pytest.mark.parametrize("training", [True, False])
def test_both_generators_make_the_same_motions(training):
    published, ours = (pairs.in_double(model).train(training) for model in pairs.generators(CPU))
    z, label = torch.randn(3, 512, dtype=torch.float64), torch.tensor([0, 7, 59])
    noise = ours.draw_noise(3, like=z)
    torch.testing.assert_close(published(z, label, noise), ours(z, label, noise), rtol=0, atol=1e-7)
    assert 0.01 < ours(z, label, noise).std() < 0.9


def test_truncation_to_zero_leaves_the_mean_which_is_drawn_anew(monkeypatch):
    monkeypatch.setattr(literal, "DRAWS", 10)
    generator = pairs.generators(CPU)[0].eval()
    noise = [torch.zeros(2, 1, *shape) for shape in pairs.generators(CPU)[1].noise_shapes]
    with torch.no_grad():
        first, second = (generator(torch.randn(2, 512), torch.tensor([0, 1]), noise, truncation=0.0) for _ in range(2))
    assert torch.allclose(first[0], first[1], atol=1e-6) and not torch.allclose(first[0], second[0], atol=1e-6)


def test_a_large_difference_is_refused():
    tensors = {"a": torch.ones(3), "b": torch.full((3,), 1e-9)}
    assert pairs.apart(tensors, {"a": torch.ones(3), "b": torch.full((3,), 2e-9)}) < 1e-5
    assert pairs.apart(tensors, tensors | {"a": torch.tensor([1.0, 1.0, 1.3])}) == pytest.approx(0.3 / 3**0.5)
    with pytest.raises(ValueError, match="score"):
        pairs.require({"loss": 0.0, "score": 1e-3})
    with pytest.raises(ValueError, match="score"):
        pairs.require({"score": float("nan")})


def test_check_refuses_a_weight_that_differs():
    state = critic_step.setup(CPU, batch=2)
    with torch.no_grad():
        state.ours.blocks[2].graph.importance[1, 0, 10] += 0.01
    with pytest.raises(ValueError, match="scores"):
        critic_step.check(state)


def test_multiply_adds_are_counted():
    a, b = torch.rand(3, 5), torch.rand(5, 7, requires_grad=True)
    assert harness.multiply_adds(lambda: a @ b) == 3 * 5 * 7
    assert harness.multiply_adds(lambda: (a @ b).sum().backward()) == 2 * 3 * 5 * 7
    assert harness.multiply_adds(lambda: torch.conv2d(torch.rand(2, 3, 4, 4), torch.rand(6, 3, 1, 1))) == 2 * 16 * 18


def test_ours_needs_a_third_of_the_multiply_adds_of_the_published_critic():
    published, ours = pairs.critics(CPU)
    batch = torch.rand(1, 3, 64, 25), torch.tensor([3])
    counts = [harness.multiply_adds(lambda m=m: m(*batch)) for m in (published, ours)]
    assert counts[0] / counts[1] > 2.9 and counts[1] < 90e6


def test_runs_take_turns_and_the_first_is_not_counted():
    order = []

    def way(name, result):
        order.append(name)
        return result

    seconds = harness.interleave({"a": lambda: way("a", 3.0), "b": lambda: way("b", torch.ones(1))}, repeats=2)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert seconds["a"] == [3.0, 3.0] and 0 < min(seconds["b"])


def test_results_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match="bad"):
        harness.interleave({"bad": lambda: torch.tensor(float("nan"))}, repeats=1)


def test_ratio_is_the_median_of_neighbouring_runs():
    assert harness.ratio([4.0, 40.0, 6.0], [2.0, 10.0, 6.0]) == (2.0, 1.0, 4.0)


@pytest.mark.parametrize("benchmark", [critic_step, cycle, sampling, frechet, mmd], ids=lambda b: b.__name__)
def test_every_benchmark_names_its_number_and_has_its_parts(benchmark):
    assert "number that matters" in benchmark.__doc__
    assert callable(getattr(benchmark, f"time_{benchmark.BASELINE}")) and callable(benchmark.time_kinetic)
    assert benchmark.__name__.rpartition(".")[2] in NAMES


def test_the_search_for_copies_agrees_and_reports_its_minutes(tmp_path, capsys):
    file = tmp_path / "found.json"
    changes = ["--set", "motions=40", "--set", "training=90", "--set", "frames=16", "--repeats", "1", "--threads", "1"]
    assert main(["memory", *changes, "--json", str(file)]) == 0
    (report,) = json.loads(file.read_text())["benchmarks"]
    assert report["checks"]["distance, of its size"] < 1e-9
    assert all(report["facts"][f"{way}: minutes at 10 times both sides"] > 0 for way in ("rows", "features"))


def test_command_prints_ratios_and_writes_them(tmp_path, capsys):
    file = tmp_path / "found.json"
    changes = ["--set", "batch=2", "--set", "motions=2", "--repeats", "1", "--threads", "1"]
    assert main(["critic_step", "sampling", *changes, "--json", str(file)]) == 0
    text = capsys.readouterr().out
    assert "threads 1" in text and "critic_step (batch 2)" in text and "sampling (motions 2)" in text
    document = json.loads(file.read_text())
    assert [report["name"] for report in document["benchmarks"]] == ["critic_step", "sampling"]
    for report in document["benchmarks"]:
        assert report["seconds"]["literal"]["ratio"] == 1 and report["seconds"]["kinetic"]["ratio"] > 0
    assert list(tmp_path.iterdir()) == [file]


def test_cycle_agrees_and_trains_under_lightning():
    state = cycle.setup(CPU, batch=2)
    assert len(cycle.check(state)) == 2
    before = int(state.gan.batches)
    assert cycle.time_lightning(state) > 0
    assert int(state.gan.batches) - before == 2 * cycle.CRITIC_STEPS


@pytest.mark.parametrize(
    "wrong", [["cycles"], ["--repeats", "0"], ["--set", "batch"], ["--set", "bats=3"], ["--set", "batch=0"]], ids=str
)
def test_wrong_requests_are_refused(wrong, capsys):
    with pytest.raises(SystemExit) as stop:
        main(wrong)
    assert stop.value.code == 2 and "error" in capsys.readouterr().err


SMALL = ["--motions", "60", "--width", "8", "--repeats", "1"]


def test_scores_are_compared_with_a_package_in_both_precisions(tmp_path, capsys):
    file = tmp_path / "found.json"
    assert scores.main(["torchmetrics", *SMALL, "--json", str(file)]) == 0
    results = json.loads(file.read_text())["scores"]
    assert list(results) == ["float32", "float64"] and list(results["float64"]) == ["frechet", "kernel"]
    for ways in results["float64"].values():
        assert ways["torchmetrics"]["difference"] < 1e-9 and ways["kinetic"]["difference"] is None
    assert capsys.readouterr().out.count("| frechet | torchmetrics |") == 2


@pytest.mark.parametrize("package", ["torch-fidelity", "prdc"])
def test_scores_agree_with_packages_that_are_installed(package):
    pytest.importorskip(scores.PACKAGES[package][0])
    results = scores.measure([package], motions=80, width=6, dtype=torch.float64, repeats=1)
    assert all(ways[package]["difference"] < 1e-6 for ways in results.values())


def test_a_score_that_differs_from_a_package_is_refused(monkeypatch):
    right = scores.ours

    def wrong(*sizes, **options):
        ways = right(*sizes, **options)
        return ways | {"frechet": lambda fake, real: 1.001 * ways["frechet"](fake, real)}

    monkeypatch.setattr(scores, "ours", wrong)
    with pytest.raises(ValueError, match="frechet: kinetic and torchmetrics differ by 1.0e-03 of the value"):
        scores.measure(["torchmetrics"], motions=60, width=8, dtype=torch.float64, repeats=1)


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "prdc", None)
    for wrong, message in (
        (["prdc", *SMALL], r"prdc cannot be imported .*\n *pip install prdc==0.2 scikit-learn\n.*torchmetrics"),
        (["clean-fid"], "no comparison with 'clean-fid'; there are: torch-fidelity, prdc, torchmetrics"),
        (["--motions", "8", "--width", "8"], "motions more than features"),
    ):
        with pytest.raises(SystemExit) as stop:
            scores.main(wrong)
        assert stop.value.code == 2 and re.search(message, capsys.readouterr().err)


def test_speeds_are_compared_run_by_run():
    results = {"frechet": {"kinetic": {"seconds": [1.0, 2.0, 4.0], "difference": None},
                         "prdc": {"seconds": [4.0, 4.0, 4.0], "difference": 1e-9}}}  # fmt: skip
    assert scores.table(results).splitlines()[2:] == [
        "| frechet | kinetic | 2.000 |  |  |",
        "| frechet | prdc | 4.000 | 2.00 (1.00 to 4.00) | 1.0e-09 |",
    ]


def cell(row, seed, *frechet):
    marks = [
        {"seconds": 60.0 * (i + 1), "batches": 100 * (i + 1), "frechet": value, "accuracy": 0.5, "mmd_frame": 0.25}
        for i, value in enumerate(frechet)
    ]
    floor = {"frechet": 0.5, "accuracy": 1.0, "mmd_frame": 0.125}
    return {"row": row, "seed": seed, "changes": {}, "marks": marks, "error": None, "floor": floor}


CELLS = [cell("start", 0, 9.0, 4.0), cell("start", 1, 8.0, 6.0), cell("ema 0", 0, 7.0, 3.0), cell("bad", 0, 7.0)]


def test_options_are_listed_by_their_last_score_with_the_spread_of_seeds():
    assert options.table(CELLS, [1, 2]).splitlines() == [
        "| row | frechet, 1 min | frechet, 2 min | accuracy | MMDa | batches |",
        "| --- | --- | --- | --- | --- | --- |",
        "| ema 0 | 7.0 | 3.0 | 0.50 | 0.25 | 200 |",
        "| start | 8.0 to 9.0 | 4.0 to 6.0 | 0.50 | 0.25 | 200 |",
        "| bad | diverged | diverged | diverged | diverged | diverged |",
        "| real (floor) |  | 0.5 |  | 0.12 |  |",
    ]


def test_options_that_were_measured_are_drawn_and_shown_again(tmp_path, capsys):
    options.picture(CELLS, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    file = tmp_path / "all.json"
    file.write_text(json.dumps({"minutes": [1, 2], "cells": CELLS}))
    assert options.main(["--show", str(file)]) == 0
    assert capsys.readouterr().out.strip() == options.table(CELLS, [1, 2])


def test_every_option_changes_the_recipe_that_the_study_starts_from():
    start = options.experiment("start", 0, "synthetic")
    assert all(options.experiment(row, 0, "synthetic") != start for row in options.ROWS if row != "start")
    assert options.experiment("fast", 0, "synthetic") == load_experiment(options.FAST, **{"data.source": "synthetic"})
    assert options.cells(["start", "ema 0"], 2) == [("start", 0), ("start", 1), ("ema 0", 0)]
    names = {options.name_of(row, 0) for row in options.ROWS}
    assert len(names) == len(options.ROWS) and not any(" " in name for name in names)


def test_a_cell_is_trained_scored_and_not_trained_again(tmp_path, capsys):
    file = tmp_path / "small.npz"
    write_motions(synthesise(["walk", "wave"], subjects=2, repeats=1), file)
    data = {"source": str(file), "batch_size": 4}
    encoder = fit(
        load_experiment(model="encoder", data=data, training={"steps": 1, "sample_every": 0}),
        tmp_path / "encoder",
        progress=False,
    )
    changed = {"data.batch_size": 4, "generator.widths": [8] * 5, "critic.widths": [8] * 6}
    command = ["small", "--source", str(file), "--encoder", str(encoder), "--minutes", "0.001,0.002", "--jobs", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(options.ROWS, "small", changed)
        options.train("small", 0, str(file), str(encoder), [0.06, 0.12], tmp_path / "small-0.json")
        before = (tmp_path / "small-0.json").read_bytes()
        assert options.main([*command, "-o", str(tmp_path)]) == 0
    assert (tmp_path / "small-0.json").read_bytes() == before
    result = json.loads(before)
    assert result["changes"] == options.START | changed and result["error"] is None and len(result["marks"]) == 2
    first, last = result["marks"]
    assert 0 < first["batches"] < last["batches"] and 0.06 <= first["seconds"] < last["seconds"]
    assert np.isfinite([first["frechet"], last["mmd_frame"]]).all() and result["floor"]["mmd_frame"] < last["mmd_frame"]
    assert "| small |" in capsys.readouterr().out and (tmp_path / "all.png").exists()


@pytest.fixture(scope="module")
def people():
    return synthesise(["walk", "wave"], subjects=4, repeats=2, frames=16).split("xsub")


def damaged(name, people):
    test, train = people
    return damage.DAMAGES[name](test, train, np.random.default_rng(0))


def test_damages_match_their_names(people):
    test, train = people
    motion = test.motion
    assert np.std(damaged("jitter: 1 cm in each frame", people).motion - motion) == pytest.approx(0.01, rel=0.05)
    off = damaged("noise: joints 3 cm off", people).motion - motion
    assert np.std(off) == pytest.approx(0.03, rel=0.05) and np.allclose(off, off[:, :, :1], atol=1e-5)
    frozen = damaged("frozen from the middle on", people).motion
    assert (frozen[:, :, 8:] == motion[:, :, 8:9]).all() and (frozen[:, :, :8] == motion[:, :, :8]).all()
    mirrored = damaged("mirrored", people)
    again = damage.DAMAGES["mirrored"](mirrored, train, np.random.default_rng(0))
    assert (again.motion == motion).all() and not np.allclose(mirrored.motion, motion)
    back = damaged("time reversed", people).motion
    assert np.allclose(np.diff(back, axis=2)[:, :, ::-1], -np.diff(motion, axis=2), atol=1e-5)
    slow = damaged("half speed", people).motion
    assert np.allclose(slow[:, :, ::2], motion[:, :, : slow[:, :, ::2].shape[2]], atol=0.1)
    assert np.allclose(damaged("sliding by 30 cm", people).motion[:, 0, -1] - motion[:, 0, -1], 0.3, atol=1e-5)
    turned = damaged("turned by 30 degrees", people).motion
    assert np.allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(motion, axis=1), atol=1e-5)
    assert np.allclose(damaged("10% larger", people).motion, 1.1 * motion, atol=1e-5)
    assert (
        np.abs(np.diff(damaged("smoothed over 15 frames", people).motion, axis=2)).mean()
        < 0.8 * np.abs(np.diff(motion, axis=2)).mean()
    )
    swapped = damaged("a fifth has another label", people)
    assert sorted(swapped.label) == sorted(test.label) and 0 < (swapped.label != test.label).sum() <= len(test) // 5
    mean = damaged("half-way to the class mean", people)
    assert mean.motion[test.label == 0].var(axis=0).sum() == pytest.approx(
        motion[test.label == 0].var(axis=0).sum() / 4, rel=1e-3
    )
    few = damaged("collapse: two motions a class", people).motion.round(2)
    assert len(np.unique(few[test.label == 1].reshape((test.label == 1).sum(), -1)[:, 0])) <= 4
    same = damaged("copies of training motions", people)
    assert all((motion == train.motion).all(axis=(1, 2, 3)).any() for motion in same.motion)
    larger = damaged("copies, 10% larger", people).motion / np.float32(1.1)
    assert all((np.abs(copy - train.motion) < 1e-5).all(axis=(1, 2, 3)).any() for copy in larger)
    later = damage.DAMAGES["the reference in half precision"](test, test, np.random.default_rng(0)).motion
    assert all((np.abs(copy - motion) < 1e-2).all(axis=(1, 2, 3)).any() for copy in later)
    assert damage.LEAKS == ("the reference in half precision", "the reference, trembling by 4 mm")


def test_halves_hold_each_class_equally_and_nothing_twice():
    label = np.array([0] * 7 + [1] * 4)
    first, second = damage.halves(label, np.random.default_rng(0))
    assert np.bincount(label[first]).tolist() == np.bincount(label[second]).tolist() == [3, 2]
    assert not set(first) & set(second)


def test_deviations_are_positive_where_motions_are_called_worse():
    scores_of = {
        "none": [{"frechet": 1.0, "recall": 0.5, "apd": 2.0, "apd of real": 2.0},
                 {"frechet": 3.0, "recall": 0.7, "apd": 4.0, "apd of real": 2.0}],
        "hurt": [{"frechet": 2.0, "recall": 0.3, "apd": 1.0, "apd of real": 2.0},
                 {"frechet": 4.0, "recall": 0.5, "apd": 2.0, "apd of real": 2.0}],
    }  # fmt: skip
    row = damage.deviations(scores_of)["hurt"]
    assert row == {
        "frechet": pytest.approx(1 / 2**0.5),
        "recall": pytest.approx(2**0.5),
        "apd": pytest.approx(-0.5 / 2**0.5),
    }


def test_the_study_shows_the_scores_that_see_copies_and_collapse(people, tmp_path, capsys):
    experiment = load_experiment(
        model="encoder",
        data={"frames": 16, "classes": ["walk", "wave"], "synthetic": {"subjects": 4, "repeats": 2}, "batch_size": 8},
        encoder={"widths": [8, 8]},
        training={"steps": 5, "sample_every": 0, "accelerator": "cpu"},
    )
    run = fit(experiment, tmp_path / "encoder", progress=False)
    chosen = ["collapse: two motions a class", "copies of training motions"]
    picked = [word for name in chosen for word in ("--damage", name)]
    out, drawn = tmp_path / "a.json", tmp_path / "a.png"
    command = [
        "--encoder",
        str(run),
        "--repeats",
        "3",
        "--trainings",
        "2",
        *picked,
        "-o",
        str(out),
        "--picture",
        str(drawn),
    ]
    assert damage.main(command) == 0
    row = damage.deviations(json.loads(out.read_text())["found"])
    assert row[chosen[0]]["apd"] > damage.SEEN and row[chosen[1]]["duplicates"] > damage.SEEN
    assert "gan_train" in row[chosen[0]] and "mmd_frame (published)" in row[chosen[0]]
    text = capsys.readouterr().out
    assert f"| {chosen[1]} |" in text and "`duplicates`" in text and drawn.stat().st_size > 1000
    drawn.unlink()
    assert damage.main(["--show", str(out), "--picture", str(drawn)]) == 0 and drawn.exists()


def test_copies_that_edits_hid_are_called_copies_now(people, tmp_path, capsys):
    test, train = people
    shares = copies.study(train, test)
    assert shares["held-out motions as they are"] == (1, 1)
    assert (
        shares["held-out motions in half precision"][0] == 0 and shares["held-out motions in half precision"][1] > 0.9
    )
    assert shares["training motions mirrored"][0] < 0.2 and shares["training motions mirrored"][1] > 0.9
    assert shares["held-out motions against training motions"][1] == 0
    write_motions(synthesise(["walk", "wave"], subjects=4, repeats=2, frames=16), tmp_path / "real.npz")
    assert copies.main([str(tmp_path / "real.npz")]) == 0
    assert "| what is handed in | real |" in capsys.readouterr().out


def run_alone(tmp_path, module, *words) -> dict:
    """The content of the file that a benchmark writes, run in a process of its own."""
    option = "--json" if module == "streaming" else "-o"
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, words), option, str(tmp_path / "kept.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads((tmp_path / "kept.json").read_text())


def test_damaged_recordings_are_read_or_refused(tmp_path):
    result = run_alone(tmp_path, "fuzz_recordings", "--files", 1500, "--seed", 1)["result"]
    assert result["found"] == []
    assert sum(result["outcomes"].values()) == 1500
    assert set(result["outcomes"]) == {"refused", "read quickly", "read carefully"}


def test_damaged_pickles_are_read_or_refused_and_nothing_runs(tmp_path):
    document = run_alone(tmp_path, "fuzz_pickles", "--labels", 1500, "--pyskl", 500, "--seed", 1)
    assert document["events"] == {}
    for name, files in (("labels", 1500), ("pyskl", 500)):
        assert document["results"][name]["bad"] == 0
        assert sum(document["results"][name]["outcomes"].values()) == files
        assert set(document["results"][name]["outcomes"]) == {"refused", "read"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a timer of processes")
def test_damaged_settings_are_read_or_refused(tmp_path):
    result = run_alone(tmp_path, "fuzz_settings", "--files", 800, "--seed", 1)["result"]
    assert result["found"] == []
    assert len(result["outcomes"]) == 8
    for outcomes in result["outcomes"].values():
        assert sum(outcomes.values()) == 100
        assert set(outcomes) == {"refused", "read"}


def test_builds_of_different_sizes_are_compared(tmp_path):
    document = run_alone(tmp_path, "build_scale", "--counts", "20,40", "--repeats", 1, "--different", 6)
    assert [(build["files"], build["workers"]) for build in document["builds"]] == [(20, 1), (40, 1), (20, 2), (40, 2)]
    assert all(build["seconds"] > 0 for build in document["builds"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory of a process is read as on Linux")
def test_training_from_the_disk_is_compared_with_training_from_memory(tmp_path):
    words = ("--clips", 400, "--frames", 20, "--batches", 3, "--steps", 1, "--repeats", 1, "--folder", tmp_path)
    document = run_alone(tmp_path, "streaming", *words)
    assert set(document["training"]["batches_per_second"]) == {"stored", "in memory"}
    assert document["batches, cold"]["motions_per_second"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]  # the set was removed


def test_both_precisions_are_timed_here_and_on_a_lesser_processor():
    command = [sys.executable, "-m", "benchmarks.precision", "--repeats", "1"]
    for word in ("data.frames=16", "data.batch_size=4", "data.synthetic.subjects=4", "data.synthetic.repeats=1"):
        command += ["--set", word]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    *_, this, lesser = done.stdout.splitlines()
    assert re.fullmatch(
        r"\| this one \| \d+\.\d\d times as fast \| (32|bf16) \| \d+ ms \| \d+ ms \| \d+\.\d\d \|", this
    )
    assert lesser.startswith("| playing AVX2 | ")


def test_coverage_counts_intervals_that_hold_the_truth():
    values = np.array([[0.0, 2.0], [4.0, 6.0], [1.0, 1.0]])
    result = intervals.coverage(
        values, {"ones": np.ones(3), "means": values.mean(axis=1)}, lambda row: (min(row), max(row)), (0.0, 5.0)
    )
    assert result.share == {"ones": pytest.approx(2 / 3), "means": 1.0}
    assert result.width == pytest.approx(4 / 3) and result.outside == pytest.approx(1 / 3)


def test_toy_people_have_the_expected_variance_and_distance():
    rng = torch.Generator().manual_seed(0)
    real = intervals.real_people(4000, 3, rng)
    assert real.var(dim=0).mean().item() == pytest.approx(1 + intervals.SPREAD**2, rel=0.05)
    within = real.unflatten(0, (4000, 3)).var(dim=1).mean().item()
    assert within == pytest.approx(1, rel=0.05)
    far = intervals.FEATURE_SCORES["frechet"](intervals.generated(20_000, rng), intervals.real_people(20_000, 1, rng))
    assert far.item() == pytest.approx(intervals.of_population(rng, 1)["frechet"], abs=0.05)


def test_intervals_cover_their_reference_and_not_other_people(capsys):
    rows = {(name, seeds): result.share for name, seeds, result in intervals.study_scores(40, progress=False)}
    assert set(rows) == {(name, seeds) for name in ("kernel", "frechet") for seeds in intervals.SEEDS}
    for share in rows.values():
        assert share["this reference"] > 0.8 > share["other people"]
    covered = intervals.study_people(12, progress=False)
    assert [people for name, people, _ in covered if name == "kernel"] == list(intervals.TESTED)
    assert all(kinds["people and draws"] > kinds["draws"] for _, _, kinds in covered)
    assert intervals.main(["--repeats", "3"]) == 0
    text = capsys.readouterr().out
    assert "| `kernel` | 3 |" in text and "| rates that scatter | 0.99 | 10 |" in text
    with pytest.raises(SystemExit):
        intervals.main(["--repeats", "0"])


def test_shares_are_drawn_with_their_rate_and_scatter():
    rng = np.random.default_rng(0)
    fixed, scattered = (intervals.drawn_shares(0.3, scatter, 200, 3, rng) for scatter in intervals.SCATTER.values())
    assert fixed.mean() == pytest.approx(0.3, abs=0.01) and scattered.mean() == pytest.approx(0.3, abs=0.03)
    assert fixed.std() == pytest.approx((0.21 / intervals.SHARED_MOTIONS) ** 0.5, rel=0.15)
    assert scattered.std() == pytest.approx(
        (0.21 / 11) ** 0.5, rel=0.15
    )  # of a beta distribution with 10 pseudo-counts


def test_a_difference_stands_by_the_number_of_comparisons():
    values = np.zeros((6, 3, 2))
    values[1:, :, 0] = 10.0
    values[:, :, 0] += [[0, 0, 0], [0.1, -0.1, 0.2], [0.9, -0.9, 0.3], [0, 0.4, 0.1], [0.5, 0, 0], [0.2, 0.8, -0.7]]
    values[:, :, 1] = np.random.default_rng(0).normal(size=(6, 3))
    table = null_tables.null_table(values)
    assert len(table.entries) == 12 and table.entries["null", "row 1", "score 0"].difference.after == "row 0"
    assert null_tables.standing(table) == {"uncorrected": True, "per column": True, "now": True}
    assert not any(null_tables.standing(null_tables.null_table(np.zeros((6, 3, 2)))).values())


def test_null_tables_rarely_have_a_difference_that_stands(capsys):
    shares = {}
    for case in ((3, 9, 0.7), (6, 9, 0.0)):
        rng = np.random.default_rng(0)
        tables = [null_tables.standing(null_tables.null_table(null_tables.null_values(*case, rng))) for _ in range(60)]
        shares[case] = {way: np.mean([table[way] for table in tables]) for way in tables[0]}
        assert shares[case]["uncorrected"] > shares[case]["per column"] > 0.15 > shares[case]["now"]
    text = null_tables.show(shares, 60)
    assert "| 3 | 9 | 0.7 | 45 |" in text and "60 tables each" in text
    with pytest.raises(SystemExit):
        null_tables.main(["--repeats", "0"])


def test_values_of_null_tables_are_correlated_as_documented():
    values = null_tables.null_values(2000, 2, 0.7, np.random.default_rng(0))
    assert values.shape == (6, 2000, 2) and values.var() == pytest.approx(2, rel=0.05)
    assert np.corrcoef(values[0, :, 0], values[0, :, 1])[0, 1] == pytest.approx(0.7, abs=0.05)
    assert np.corrcoef(values[0, :, 0], values[1, :, 0])[0, 1] == pytest.approx(0.5, abs=0.05)


def test_results_of_cells_are_compared_without_the_time_they_took(tmp_path):
    contents = {"key": "a", "network": "b", "seconds": {"training": 1.5}, "machine": "c", "checksum": "d"}
    (tmp_path / "cells" / "a").mkdir(parents=True)
    (tmp_path / "cells" / "a" / "result.json").write_text(json.dumps(contents))
    assert grid_kill.results(tmp_path) == {"a": {"key": "a", "network": "b"}}


CHECKOUT = {
    "__init__.py": "from kinetic.cli.main import main",
    "words.py": "def near():\n    from kinetic.cli import main",
    "nn/__init__.py": "",
    "nn/graph.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from kinetic.nn.noise import Noise",
    "nn/noise.py": "from .graph import Graph\nimport kinetic.words",
    "runs/__init__.py": "",
    "runs/fit.py": "from kinetic.nn import graph, noise\nimport torch",
    "cli/__init__.py": "",
    "cli/main.py": "import kinetic.runs.fit\nfrom kinetic import words",
}


def checkout(folder, **changes):
    """A small package in which `words` imports `cli`, which needs it."""
    for name, code in (CHECKOUT | changes).items():
        path = folder / "kinetic" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return folder


def test_rooms_are_counted_and_an_import_that_runs_up_is_too(tmp_path, capsys):
    assert rooms.measure(checkout(tmp_path)) == {
        "files": 9,
        "lines": 12,
        "modules that lie flat": 1,
        "rooms": 4,
        "arrows between modules": 9,
        "arrows between rooms": 5,
        "arrows that run up": 1,
        "longest import, modules": 4,
        "largest module": "kinetic.nn.graph (3 lines)",
    }
    pairs = rooms.arrows(rooms.modules(tmp_path))
    assert rooms.stack({"words", "nn", "runs", "cli"}, pairs) == (["words", "nn", "runs", "cli"], [("words", "cli")])
    assert rooms.main([str(tmp_path), "-o", str(tmp_path / "a.png")]) == 0
    assert "arrows that run up       1\n" in capsys.readouterr().out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_the_longest_import_leaves_out_what_runs_later(tmp_path):
    files = rooms.modules(checkout(tmp_path))
    loaded = ["kinetic.cli.main", "kinetic.runs.fit", "kinetic.nn.noise", "kinetic.nn.graph"]
    assert rooms.longest_import(rooms.arrows(files, at_load=True)) == loaded


def test_a_circle_of_imports_is_named(tmp_path):
    circle = {"nn/graph.py": "import kinetic.nn.noise"}
    longest = rooms.measure(checkout(tmp_path, **circle))["longest import, modules"]
    assert longest.startswith("endless, in a circle: ") and "kinetic.nn.graph -> kinetic.nn.noise" in longest


def test_a_folder_without_the_package_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        rooms.main([str(tmp_path)])
    assert "expected a checkout" in capsys.readouterr().err
