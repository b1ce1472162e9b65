"""From an experiment to a run: what is written, resumed, refused."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import GAN, tiny

from kinetic.families.experiments import load_experiment
from kinetic.families.kinetic_gan import KINETIC_GAN
from kinetic.families.motions import prepare
from kinetic.formats.reading import read_motions
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs.fit import fit
from kinetic.runs.run import load_run
from kinetic.runs.sample import draw
from kinetic.skeleton import NTU25, save_skeleton
from kinetic.training import precision
from kinetic.training.checkpoint import read_checkpoint
from kinetic.training.watch import read_metrics


def a_nan(content):
    content["state_dict"]["generator.embedding.weight"][0, 0] = float("nan")


def trained(tmp_path, devices, **changes):
    """The last checkpoint of a run by so many processes."""
    settings = {**GAN, **changes, "training": {**GAN["training"], "devices": devices}}
    file, folder = tmp_path / f"{devices}.yaml", tmp_path / str(devices)
    file.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "kinetic", "fit", str(file), "--out", str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    return read_checkpoint(folder / "checkpoints" / "last.ckpt")


def test_a_run_folder_explains_itself(run):
    files = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    assert files == [
        "checkpoints/best.ckpt", "checkpoints/last.ckpt", "config.yaml", "environment.json", "metrics.csv",
        "samples/00000004.png", "samples/latest.webp",
    ]  # fmt: skip
    assert load_experiment(run / "config.yaml") == tiny()
    assert json.loads((run / "environment.json").read_text())["seed"] == 0
    metrics = read_metrics(run / "metrics.csv")
    assert metrics["loss/critic"][0] == [1, 2, 3, 4] and metrics["mmd/train"][0] == [4]


def test_a_split_of_the_set_itself_is_trained_on(padded_set, tmp_path):
    motions = read_motions(padded_set)
    splits = {"published": {"by": "view", "train": [1, 2], "test": [3]}}
    write_motions(replace(motions, splits=splits), tmp_path / "own")
    data = {"source": str(tmp_path / "own"), "frames": 16, "split": "published"}
    assert set(prepare(tiny(data=data)).test.view) == {3}
    with pytest.raises(ValueError, match="no split 'other'; splits it has: .*published"):
        prepare(tiny(data={**data, "split": "other"}))


def test_training_from_the_disk_gives_the_weights_of_training_from_memory(padded_set, tmp_path):
    write_motions(read_motions(padded_set), tmp_path / "set.npz")
    weights = []
    for source in (padded_set, tmp_path / "set.npz"):
        data = {**GAN["data"], "source": str(source)}
        run = fit(tiny(data=data), tmp_path / f"run{len(weights)}", progress=False)
        weights.append(read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_run_does_not_go_on_from_weights_that_are_no_numbers(tmp_path):
    experiment = tiny(training={**GAN["training"], "steps": 2})
    last = fit(experiment, tmp_path / "run", progress=False) / "checkpoints" / "last.ckpt"
    content = read_checkpoint(last)
    a_nan(content)
    torch.save(content, last)
    with pytest.raises(ValueError, match=r"last\.ckpt: .*generator.embedding.weight holds NaN"):
        fit(tiny(training={**GAN["training"], "steps": 4}), tmp_path / "run", resume=True, progress=False)


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is not None, reason="tensorboard is installed")
def test_a_logger_that_is_not_installed_names_its_extra(tmp_path):
    with pytest.raises(ModuleNotFoundError, match=r"kinetic-motion\[tensorboard\]"):
        fit(tiny(training={**GAN["training"], "loggers": ["tensorboard"]}), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_go_on_with_another_skeleton(tmp_path):
    file = tmp_path / "mine.yaml"
    save_skeleton(NTU25, file)
    fit(tiny(skeleton=str(file)), tmp_path / "run", progress=False)
    save_skeleton(replace(NTU25, name="other", center=5), file)
    longer = tiny(skeleton=str(file), training={**GAN["training"], "steps": 8})
    with pytest.raises(ValueError, match="its skeleton differ"):
        fit(longer, tmp_path / "run", resume=True, progress=False)


def test_a_run_is_used_from_other_folders(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    write_motions(synthesise(["walk", "wave"], subjects=2, repeats=1, frames=16), "a.npz")
    data = {**GAN["data"], "batch_size": 4}
    fit(tiny(data={**data, "source": "a.npz"}), "run", progress=False)
    monkeypatch.chdir(tmp_path)
    assert len(prepare(load_run("there/run").experiment).train) > 0
    again = tiny(data={**data, "source": str(tmp_path / "there" / "a.npz")})
    assert fit(again, "there/run", resume=True, progress=False).exists()


def test_what_is_no_experiment_and_no_folder_is_refused(tmp_path):
    with pytest.raises(TypeError, match="load_experiment"):
        fit("experiments/demo.yaml", tmp_path / "run")
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="file: is a file"):
        fit(tiny(), tmp_path / "file" / "run")
    with pytest.raises(ValueError, match="seed must lie"):
        tiny(seed=2**64)


def test_two_processes_train_one_model(tmp_path):
    content = trained(tmp_path, 2)
    assert content["batches"] == 4 and content["circumstances"]["processes"] == 2
    assert draw(load_run(tmp_path / "2"), np.array([0, 1])).shape == (2, 3, 16, 25)


def test_two_processes_end_with_the_weights_of_one(tmp_path):
    # pixel normalisation, since with batch normalisation each process knows the statistics of its own half only; the
    # noise that each process draws is its own, and biases have hardly a gradient yet
    generator = {**GAN["generator"], "norm": "pixel", "ema": 0.0}
    first, second = (trained(tmp_path, devices, generator=generator)["state_dict"] for devices in (1, 2))
    experiment = tiny(generator=generator)
    begun = KINETIC_GAN.build(experiment, KINETIC_GAN.open(experiment).about).state_dict()
    names = [name for name in begun if name.endswith(("weight", "importance"))]
    assert any("critic" in name for name in names) and any("generator" in name for name in names)
    for name in names:
        way, gap = (first[name] - begun[name]).norm(), (first[name] - second[name]).norm()
        assert gap <= 0.02 * way, name


def test_a_checkpoint_that_is_kept_is_there_before_the_last_one_goes_beyond_it(tmp_path, monkeypatch):
    """Killed between the two, a run goes on from before both, and writes both again."""
    written = []
    monkeypatch.setattr("kinetic.training.checkpoint.write_checkpoint", lambda path, content: written.append(path.name))
    experiment = load_experiment(
        **{**GAN, "training": {**GAN["training"], "steps": 2, "save_every": 2, "keep_every": 2}}
    )
    fit(experiment, tmp_path / "run", progress=False)
    assert [name for name in written if name != "best.ckpt"] == ["step-2.ckpt", "last.ckpt"]


def test_a_run_keeps_the_precision_that_auto_came_to(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(precision, "race", lambda: 2.0)
    experiment = tiny(**{"training.precision": "auto"})
    run = fit(experiment, tmp_path / "run", progress=False)
    assert "kinetic: precision bf16: a matrix product is 2.0 times as fast as" in capsys.readouterr().err
    assert load_experiment(run / "config.yaml").training.precision == "bf16"
    assert load_run(run).experiment.training.precision == "bf16"
    monkeypatch.setattr(precision, "race", lambda: 0.1)  # goes on elsewhere
    fit(replace(experiment, training=replace(experiment.training, steps=5)), run, resume=True, progress=False)
    assert "precision bf16: as the run was begun" in capsys.readouterr().err
    assert load_run(run).experiment.training.precision == "bf16"


def test_slow_bf16_that_is_asked_for_is_trained_and_warned_of(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(precision, "race", lambda: 0.1)
    run = fit(tiny(**{"training.precision": "bf16"}), tmp_path / "run", progress=False)
    assert "warning: training.precision bf16: a matrix product takes 10.0 times as long" in capsys.readouterr().err
    assert load_run(run).experiment.training.precision == "bf16"
