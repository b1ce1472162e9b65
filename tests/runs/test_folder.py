"""The folder of a run: whose it is, what it holds, and from where a training goes on."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
import torch
from tiny import GAN, tiny

from kinetic.families.experiments import load_experiment
from kinetic.runs import fit as fitting
from kinetic.runs import folder as run_folder
from kinetic.runs.fit import fit
from kinetic.training.checkpoint import read_checkpoint


def git(folder, *words):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_that_of_the_checkout_not_of_a_repository_around_an_installed_package(tmp_path, monkeypatch):
    def git(*words):
        names = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(["git", *names, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "theirs")
    for name in ("kinetic", ".venv/lib/site-packages/kinetic"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(run_folder, "__file__", str(tmp_path / "kinetic" / "runs" / "folder.py"))
    assert run_folder._commit() == git("rev-parse", "HEAD").strip()
    monkeypatch.setattr(run_folder, "__file__", str(tmp_path / ".venv/lib/site-packages/kinetic/runs/folder.py"))
    assert run_folder._commit() is None


def test_a_folder_with_a_run_is_not_overwritten(run):
    with pytest.raises(FileExistsError, match="--resume"):
        fit(tiny(), run, progress=False)


def test_a_folder_in_which_another_process_trains_is_left_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr("kinetic.runs.folder.PATIENCE", 0.1)
    fcntl = pytest.importorskip("fcntl")
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(FileExistsError, match="another process"):
        fit(tiny(), tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []
    os.close(handle)
    assert fit(tiny(), tmp_path, progress=False) == tmp_path


def test_what_a_folder_holds_is_looked_at_when_it_is_ours(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    claim = run_folder.claim
    folders = []

    def claim_and_look(folder, *args, **kwargs):
        handle = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
        folders.append(folder)
        return claim(folder, *args, **kwargs)

    monkeypatch.setattr(fitting, "claim", claim_and_look)
    fit(tiny(), tmp_path / "run", progress=False)
    assert folders == [tmp_path / "run"]


def test_a_run_that_failed_before_its_first_checkpoint_is_begun_anew(tmp_path):
    wrong = tiny(training={**GAN["training"], "accelerator": "gpu"})
    with pytest.raises(Exception, match=r"(?i)gpu|cuda"):
        fit(wrong, tmp_path / "run", progress=False)
    fit(tiny(), tmp_path / "run", progress=False)
    assert load_experiment(tmp_path / "run" / "config.yaml") == tiny()


def test_a_folder_with_something_else_is_not_touched(tmp_path):
    for name in ("thesis.tex", ".thesis.tmp", ".config.yaml.12.tmp"):
        (tmp_path / name).write_text("x")
    with pytest.raises(FileExistsError, match="no run"):
        fit(tiny(), tmp_path, progress=False)
    assert sorted(os.listdir(tmp_path)) == [".config.yaml.12.tmp", ".thesis.tmp", "thesis.tex"]


def test_a_folder_whose_config_is_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "config.yaml").write_text("optimizer: adam\n")
    (tmp_path / ".thesis.tmp").write_text("x")
    with pytest.raises(FileExistsError, match="config.yaml that is not of a run.*optimizer: unknown key"):
        fit(tiny(), tmp_path, resume=True, progress=False)
    assert (tmp_path / "config.yaml").read_text() == "optimizer: adam\n" and (tmp_path / ".thesis.tmp").exists()


@pytest.mark.parametrize("fault", ["flipped", "cut", "gone"])
def test_a_run_without_its_last_checkpoint_says_from_which_it_can_go_on_and_how(tmp_path, fault):
    experiment = tiny(training={**GAN["training"], "steps": 6, "save_every": 2, "keep_every": 2, "sample_every": 4})
    whole, broken = tmp_path / "whole", tmp_path / "it's broken"
    fit(experiment, whole, progress=False)
    shutil.copytree(whole, broken)
    last = broken / "checkpoints" / "last.ckpt"
    good = last.read_bytes()
    flipped = good[:5000] + bytes([good[5000] ^ 1]) + good[5001:]
    last.unlink() if fault == "gone" else last.write_bytes({"flipped": flipped, "cut": good[:-3000]}[fault])
    for name in ("step-6", "best"):
        (broken / "checkpoints" / f"{name}.ckpt").write_bytes(b"not whole")
    before = {file: file.read_bytes() for file in broken.rglob("*") if file.is_file()}
    with pytest.raises(ValueError, match=r"last\.ckpt: .* after 4 batches, type `cp ") as refused:
        fit(experiment, broken, resume=True, progress=False)
    assert {file: file.read_bytes() for file in broken.rglob("*") if file.is_file()} == before
    subprocess.run(str(refused.value).split("`")[1], shell=True, check=True)
    fit(experiment, broken, resume=True, progress=False)
    assert (broken / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    for name in ("last", "best", "step-6"):
        first, second = (read_checkpoint(folder / "checkpoints" / f"{name}.ckpt") for folder in (whole, broken))
        assert (first["batches"], first["best"]) == (second["batches"], second["best"])
        assert all(torch.equal(first["state_dict"][key], second["state_dict"][key]) for key in first["state_dict"])


def test_a_run_without_any_whole_checkpoint_begins_elsewhere(tmp_path):
    fit(tiny(training={**GAN["training"], "steps": 1}), tmp_path / "run", progress=False)
    for file in (tmp_path / "run" / "checkpoints").iterdir():
        file.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"last\.ckpt: .*no other whole checkpoint; begin anew with another --out"):
        fit(tiny(training={**GAN["training"], "steps": 2}), tmp_path / "run", resume=True, progress=False)


def test_going_on_with_other_settings_is_refused_by_name(run):
    with pytest.raises(ValueError, match=r"critic.pooling was mean, is max"):
        fit(tiny(critic={"widths": [8] * 6, "pooling": "max"}), run, resume=True, progress=False)


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path, run):
    def until(steps):
        return tiny(training={**GAN["training"], "steps": steps})

    fit(until(2), tmp_path / "a", progress=False)
    fit(until(4), tmp_path / "a", resume=True, progress=False)
    first, second = (
        read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"] for folder in (tmp_path / "a", run)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_a_killed_process_left_beside_its_settings_does_not_lock_a_folder(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".config.yaml.1.tmp").write_text("name: ")
    fit(load_experiment(**GAN), tmp_path / "run", progress=False)
    assert not list((tmp_path / "run").glob(".*.tmp"))


@pytest.mark.parametrize("name", ["samples", "checkpoints", "tensorboard", "wandb"])
def test_a_folder_that_is_a_link_is_refused_before_anything_is_written(tmp_path, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"run/{name}: expected no link, found one to '{tmp_path}/elsewhere'"):
        fit(tiny(), tmp_path / "run", progress=False)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert [path.name for path in (tmp_path / "run").iterdir()] == [name]


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_the_commit_of_a_checkout_is_read_as_git_tells_it(tmp_path, monkeypatch):
    (tmp_path / "one" / "kinetic").mkdir(parents=True)
    monkeypatch.setattr(run_folder, "__file__", str(tmp_path / "one" / "kinetic" / "runs" / "folder.py"))
    assert run_folder._commit() is None
    git(tmp_path / "one", "init")
    assert run_folder._commit() is None  # there is none yet
    for after in (["commit", "--allow-empty", "-m", "x"], ["pack-refs", "--all"], ["checkout", "--detach"]):
        git(tmp_path / "one", *after)
        assert run_folder._commit() == git(tmp_path / "one", "rev-parse", "HEAD")
    git(tmp_path / "one", "worktree", "add", "-b", "other", str(tmp_path / "two"))
    (tmp_path / "two" / "kinetic").mkdir()
    monkeypatch.setattr(run_folder, "__file__", str(tmp_path / "two" / "kinetic" / "runs" / "folder.py"))
    git(tmp_path / "two", "commit", "--allow-empty", "-m", "y")
    assert run_folder._commit() == git(tmp_path / "two", "rev-parse", "HEAD")
    (tmp_path / "one" / ".git" / "HEAD").unlink()
    os.mkfifo(tmp_path / "one" / ".git" / "HEAD")
    monkeypatch.setattr(run_folder, "__file__", str(tmp_path / "one" / "kinetic" / "runs" / "folder.py"))
    assert run_folder._commit() is None
