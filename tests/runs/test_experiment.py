import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from kinetic.runs.build import build_networks

from kinetic.families.experiments import load_experiment, save_experiment
from kinetic.families.motions import prepare
from kinetic.formats.reading import read_motions
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs import fit as fitting
from kinetic.runs import folder as run_folder
from kinetic.runs.fit import fit
from kinetic.runs.run import load_run
from kinetic.runs.sample import draw, sample
from kinetic.settings.reading import build
from kinetic.skeleton import COCO17, NTU25, save_skeleton
from kinetic.training import precision
from kinetic.training.checkpoint import read_checkpoint, write_checkpoint
from kinetic.training.watch import read_metrics

GAN = {
    "data": {"frames": 16, "batch_size": 8, "scaling": "standard", "centering": "first",
             "synthetic": {"subjects": 2, "repeats": 1}},
    "generator": {"latent": 8, "mapping_depth": 2, "widths": [16, 8, 8, 8, 8], "mapping": "equalized",
                  "output": "linear", "ema": 0.5},
    "critic": {"widths": [8] * 6},
    "training": {"steps": 4, "critic_steps": 2, "log_every": 1, "sample_every": 0, "accelerator": "cpu"},
}  # fmt: skip


def tiny(**changes):
    return load_experiment(**{**GAN, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fit(tiny(), tmp_path_factory.mktemp("runs") / "tiny", progress=False)


def test_a_run_folder_explains_itself(run):
    found = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    assert found == [
        "checkpoints/best.ckpt", "checkpoints/last.ckpt", "config.yaml", "environment.json", "metrics.csv",
        "samples/00000004.png", "samples/latest.webp",
    ]  # fmt: skip
    assert load_experiment(run / "config.yaml") == tiny()
    assert json.loads((run / "environment.json").read_text())["seed"] == 0
    metrics = read_metrics(run / "metrics.csv")
    assert metrics["loss/critic"][0] == [1, 2, 3, 4] and metrics["mmd/train"][0] == [4]


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


@pytest.fixture
def folder(tmp_path):
    """Synthetic motions on the disk, whose first half is padded from frame 10 of 16 on."""
    motions = synthesise(["walk", "wave"], subjects=4, repeats=1, frames=16)
    frames = np.where(np.arange(len(motions)) < len(motions) // 2, 10, 16)
    motion = motions.motion * (np.arange(16) < frames[:, None])[:, None, :, None]
    write_motions(replace(motions, motion=motion, columns={"frames": frames}), tmp_path / "set")
    return tmp_path / "set"


@pytest.mark.parametrize("fitting", ["stretch", "first", "pad"])
def test_clips_come_to_their_frames_as_asked(folder, fitting):
    motions = read_motions(folder)
    train = prepare(tiny(data={"source": str(folder), "frames": 16, "split": "none", "fitting": fitting})).train
    long, short = np.asarray(motions.motion[-1]), np.asarray(motions.motion[0])
    np.testing.assert_array_equal(train.motion[-1], long)
    last = {"stretch": short[:, 9], "first": short[:, 9], "pad": 0 * short[:, 9]}[fitting]
    np.testing.assert_array_equal(train.motion[0][:, -1], last)
    tenth = train.motion[0][:, 9]
    assert np.array_equal(tenth, short[:, 9]) == (fitting != "stretch")
    assert train.notes.get("padded", 0) == (len(train) // 2 if fitting == "pad" else 0)


def test_padding_stays_zeros_where_motions_are_centred(folder):
    data = {"source": str(folder), "frames": 16, "split": "none", "fitting": "pad", "centering": "first"}
    train = prepare(tiny(data=data)).train
    assert (train.motion[0][:, 10:] == 0).all() and (train.motion[0][:, 9] != 0).any()
    assert (train.motion[0][:, 0, NTU25.center] == 0).all()


def test_a_split_of_the_set_itself_is_trained_on(folder, tmp_path):
    motions = read_motions(folder)
    own = {"published": {"by": "view", "train": [1, 2], "test": [3]}}
    write_motions(replace(motions, splits=own), tmp_path / "own")
    data = {"source": str(tmp_path / "own"), "frames": 16, "split": "published"}
    assert set(prepare(tiny(data=data)).test.view) == {3}
    with pytest.raises(ValueError, match="no split 'other'; splits it has: .*published"):
        prepare(tiny(data={**data, "split": "other"}))


def test_people_and_cameras_are_chosen(folder):
    motions = read_motions(folder)
    chosen = {
        "source": str(folder),
        "frames": 16,
        "split": "none",
        "subjects": [motions.subject_names[1]],
        "views": [2],
    }
    train = prepare(tiny(data=chosen)).train
    assert set(train.view) == {2}
    assert {train.subject_names[person] for person in train.subject} == {motions.subject_names[1]}
    assert set(prepare(tiny(data={"split": "none", "views": [1], "frames": 16})).train.view) == {1}
    with pytest.raises(ValueError, match="set: no subject is called 'nobody'"):
        prepare(tiny(data={**chosen, "subjects": ["nobody"]}))


def test_training_from_the_disk_gives_the_weights_of_training_from_memory(folder, tmp_path):
    write_motions(read_motions(folder), tmp_path / "set.npz")
    weights = []
    for source in (folder, tmp_path / "set.npz"):
        data = {**GAN["data"], "source": str(source)}
        run = fit(tiny(data=data), tmp_path / f"run{len(weights)}", progress=False)
        weights.append(read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_samples_leave_in_metres_near_the_training_motions(run):
    train = prepare(tiny()).train
    motions = sample(run, "wave", count=3)
    assert np.array_equal(sample(run, np.int64(5), count=1).label, [5])
    assert motions.shape == (3, 3, 16, 25) and motions.fps == train.fps
    gap = np.abs(motions.motion.mean(axis=(0, 2)) - train.motion.mean(axis=(0, 2)))
    assert gap.max() < 3 * train.motion.std() and set(motions.label) == {motions.class_names.index("wave")}


def test_a_checkpoint_needs_nothing_beside_it(run, tmp_path):
    moved = tmp_path / "alone.ckpt"
    moved.write_bytes((run / "checkpoints" / "last.ckpt").read_bytes())
    assert np.array_equal(sample(moved, count=1).motion, sample(run, count=1).motion)


def test_same_seed_same_motions_and_the_average_is_sampled(run):
    one, two, other = sample(run, count=2), sample(run, count=2), sample(run, count=2, seed=1)
    assert np.array_equal(one.motion, two.motion) and not np.array_equal(one.motion, other.motion)
    opened = load_run(run)
    assert opened.generator is opened.module.average


def test_a_file_of_samples_is_what_memory_would_have_held(run, tmp_path):
    held = sample(run, ["walk", 0], count=150)
    kept = read_motions(sample(run, ["walk", 0], count=150, out=tmp_path / "motions.npz"))
    assert len(held) == 300 and np.array_equal(held.motion, kept.motion) and np.array_equal(held.label, kept.label)
    assert kept.notes == held.notes


def test_truncation_reaches_the_generator(run):
    plain, whole, half = (sample(run, "walk", count=4, truncation=psi).motion for psi in (None, 1.0, 0.5))
    assert np.allclose(plain, whole, atol=1e-6) and not np.allclose(plain, half, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "wlak"}, "walk"),
        ({"label": 12}, "0 to 11"),
        ({"label": []}, "no class"),
        ({"count": 0}, "count"),
        ({"count": 1.5}, "whole number"),
        ({"truncation": 2}, "between"),
    ],
)
def test_wrong_requests_for_samples_are_refused(run, options, message):
    with pytest.raises(ValueError, match=message):
        sample(run, **options)


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
    seen = []

    def asked(folder, *args, **kwargs):
        handle = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
        seen.append(folder)
        return claim(folder, *args, **kwargs)

    monkeypatch.setattr(fitting, "claim", asked)
    fit(tiny(), tmp_path / "run", progress=False)
    assert seen == [tmp_path / "run"]


def test_a_run_that_failed_before_its_first_checkpoint_is_begun_anew(tmp_path):
    wrong = tiny(training={**GAN["training"], "accelerator": "gpu"})
    with pytest.raises(Exception, match=r"(?i)gpu|cuda"):
        fit(wrong, tmp_path / "run", progress=False)
    fit(tiny(), tmp_path / "run", progress=False)
    assert load_experiment(tmp_path / "run" / "config.yaml") == tiny()


def test_single_motions_per_class_train(tmp_path):
    motions = synthesise(["walk", "wave"], subjects=2, repeats=1, frames=16)
    rows = [int(np.flatnonzero((motions.label == k) & (motions.subject == s))[0]) for k in (0, 1) for s in (0, 1)]
    write_motions(motions.select(np.array(rows)), tmp_path / "four.npz")
    data = {**GAN["data"], "source": str(tmp_path / "four.npz"), "batch_size": 2}
    made = fit(tiny(data=data), tmp_path / "run", progress=False)
    assert "mmd/train" not in read_metrics(made / "metrics.csv") and not (made / "checkpoints" / "best.ckpt").exists()


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
    asked = tiny(training={**GAN["training"], "steps": 6, "save_every": 2, "keep_every": 2, "sample_every": 4})
    whole, broken = tmp_path / "whole", tmp_path / "it's broken"
    fit(asked, whole, progress=False)
    shutil.copytree(whole, broken)
    last = broken / "checkpoints" / "last.ckpt"
    good = last.read_bytes()
    flipped = good[:5000] + bytes([good[5000] ^ 1]) + good[5001:]
    last.unlink() if fault == "gone" else last.write_bytes({"flipped": flipped, "cut": good[:-3000]}[fault])
    for name in ("step-6", "best"):
        (broken / "checkpoints" / f"{name}.ckpt").write_bytes(b"not whole")
    before = {file: file.read_bytes() for file in broken.rglob("*") if file.is_file()}
    with pytest.raises(ValueError, match=r"last\.ckpt: .* after 4 batches, type `cp ") as refused:
        fit(asked, broken, resume=True, progress=False)
    assert {file: file.read_bytes() for file in broken.rglob("*") if file.is_file()} == before
    subprocess.run(str(refused.value).split("`")[1], shell=True, check=True)
    fit(asked, broken, resume=True, progress=False)
    assert (broken / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    for name in ("last", "best", "step-6"):
        one, two = (read_checkpoint(folder / "checkpoints" / f"{name}.ckpt") for folder in (whole, broken))
        assert (one["batches"], one["best"]) == (two["batches"], two["best"])
        assert all(torch.equal(one["state_dict"][key], two["state_dict"][key]) for key in one["state_dict"])


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
    one, two = (read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"] for folder in (tmp_path / "a", run))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_checkpoint_of_another_skeleton_is_refused(run, tmp_path):
    content = read_checkpoint(run / "checkpoints" / "last.ckpt")
    content["kinetic"]["skeleton"] = COCO17.to_dict()
    write_checkpoint(tmp_path / "other.ckpt", content)
    with pytest.raises(ValueError, match="other.ckpt"):
        load_run(tmp_path / "other.ckpt")


def deep(content):
    content["kinetic"]["experiment"]["generator"]["mapping_depth"] = 10**7


def deeper_than_its_tensors(content):
    content["kinetic"]["experiment"]["generator"]["mapping_depth"] = 64


def wide(content):
    content["kinetic"]["experiment"]["generator"]["latent"] = 16384


def many_classes(content):
    content["kinetic"]["class_names"] = ["a"] * 400_000


def names_of_names(content):
    names = []
    for _ in range(60):
        names = [names, names]
    content["kinetic"]["class_names"] = names


def many_joints(content):
    content["kinetic"]["skeleton"]["joints"] = [str(i) for i in range(100_000)]


def no_experiment(content):
    content["kinetic"]["experiment"] = None


def names_that_are_none(content):
    content["kinetic"]["class_names"] = 3


def a_nan(content):
    content["state_dict"]["generator.embedding.weight"][0, 0] = float("nan")


def a_weight_too_few(content):
    del content["state_dict"]["critic.score.weight"]


def odd_notes_on_weights(content):
    content["state_dict"] = OrderedDict(content["state_dict"])
    content["state_dict"]._metadata = 3


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (deep, "generator.mapping_depth must lie between 1 and 64, got 10000000"),
        (deeper_than_its_tensors, r"248 weights are missing \("),  # biases and weights of the two copies
        (wide, r"embedding.weight|must have shape"),
        (many_classes, r"must have shape \(400000,"),
        (names_of_names, "50 deep"),
        (many_joints, "a skeleton has 1 to 1000 joints, got 100000"),
        (no_experiment, "expected settings"),
        (names_that_are_none, "class_names must be a list of names, found a int"),
        (a_nan, "generator.embedding.weight holds NaN"),
        (a_weight_too_few, r"1 weights are missing \(critic.score.weight\), 0 are unknown"),
        (odd_notes_on_weights, ""),
    ],
)
def test_a_checkpoint_that_claims_what_it_does_not_hold_is_refused_at_once_by_name(run, tmp_path, spoil, message):
    content = read_checkpoint(run / "checkpoints" / "last.ckpt")
    spoil(content)
    torch.save(content, tmp_path / "odd.ckpt")
    if not message:
        load_run(tmp_path / "odd.ckpt")
        return
    begun = time.process_time()
    with pytest.raises(ValueError, match=rf"odd\.ckpt: .*({message})"):
        load_run(tmp_path / "odd.ckpt")
    assert time.process_time() - begun < 10


def test_a_run_does_not_go_on_from_weights_that_are_no_numbers(tmp_path):
    asked = tiny(training={**GAN["training"], "steps": 2})
    last = fit(asked, tmp_path / "run", progress=False) / "checkpoints" / "last.ckpt"
    content = read_checkpoint(last)
    a_nan(content)
    torch.save(content, last)
    with pytest.raises(ValueError, match=r"last\.ckpt: .*generator.embedding.weight holds NaN"):
        fit(tiny(training={**GAN["training"], "steps": 4}), tmp_path / "run", resume=True, progress=False)


def test_a_run_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_run(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no checkpoint yet"):
        load_run(tmp_path / "empty")


def test_nan_in_the_data_names_the_file_and_the_motion(tmp_path):
    motions = synthesise(["walk", "wave"], subjects=2, repeats=1, frames=16)
    write_motions(motions, tmp_path / "bad.npz")
    with np.load(tmp_path / "bad.npz") as arrays:
        content = dict(arrays)
    content["motion"][5, 0, 0, 0] = np.nan
    np.savez(tmp_path / "bad.npz", **content)
    with pytest.raises(ValueError, match=r"bad.npz.*5"):
        fit(tiny(data={**GAN["data"], "source": str(tmp_path / "bad.npz")}), tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_coordinates_beyond_any_unit_name_the_file(tmp_path):
    motions = synthesise(["walk", "wave"], subjects=2, repeats=1, frames=16)
    far = motions.motion.copy()
    far[5, 0, 0, 0] = 1e37
    write_motions(replace(motions, motion=far), tmp_path / "far.npz")
    with pytest.raises(ValueError, match=r"far\.npz: training motions: the largest coordinate is 1e\+37"):
        fit(
            tiny(data={**GAN["data"], "source": str(tmp_path / "far.npz"), "split": "none"}),
            tmp_path / "run",
            progress=False,
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small /dev/shm of its own")
def test_a_shared_memory_that_is_too_small_is_named(tmp_path):
    save_experiment(tiny(data={**GAN["data"], "workers": 1}), tmp_path / "tiny.yaml")
    fitting = f"exec {sys.executable} -m kinetic fit {tmp_path / 'tiny.yaml'} --out {tmp_path / 'run'} --quiet"
    small = f"mount -t tmpfs -o size=100k tmpfs /dev/shm || exit 77; {fitting}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", small], capture_output=True, text=True, timeout=120)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no mount namespaces here")
    assert done.returncode == 2 and not (tmp_path / "run").exists()
    told = "data.workers 1: the loader processes hand batches over in shared memory and need 142336 bytes, /dev/shm"
    assert told + " has 102400 bytes free; " in done.stderr and "combined_loader" not in done.stderr


def test_a_class_without_training_motions_is_named(tmp_path):
    motions = synthesise(["walk", "wave", "hop"], subjects=2, repeats=1, frames=16)
    hop = motions.class_names.index("hop")
    write_motions(
        motions.select((motions.label != hop) | (motions.subject == motions.subject.max())), tmp_path / "a.npz"
    )
    with pytest.raises(ValueError, match='no motions of hop; choose .* --data.classes "walk,wave"'):
        fit(tiny(data={**GAN["data"], "source": str(tmp_path / "a.npz")}), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is not None, reason="tensorboard is installed")
def test_a_logger_that_is_not_installed_names_its_extra(tmp_path):
    with pytest.raises(ModuleNotFoundError, match=r"kinetic-motion\[tensorboard\]"):
        fit(tiny(training={**GAN["training"], "loggers": ["tensorboard"]}), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_skeleton_file_replaces_that_of_the_data(tmp_path):
    save_skeleton(NTU25, tmp_path / "mine.yaml")
    assert prepare(tiny(skeleton=str(tmp_path / "mine.yaml"))).train.skeleton.hash == NTU25.hash
    save_skeleton(COCO17, tmp_path / "coco.yaml")
    with pytest.raises(ValueError, match="17"):
        prepare(tiny(skeleton=str(tmp_path / "coco.yaml")))


def test_a_run_does_not_go_on_with_another_skeleton(tmp_path):
    file = tmp_path / "mine.yaml"
    save_skeleton(NTU25, file)
    fit(tiny(skeleton=str(file)), tmp_path / "run", progress=False)
    save_skeleton(replace(NTU25, name="other", center=5), file)
    longer = tiny(skeleton=str(file), training={**GAN["training"], "steps": 8})
    with pytest.raises(ValueError, match="its skeleton differ"):
        fit(longer, tmp_path / "run", resume=True, progress=False)


def test_a_skeleton_is_known_by_name_too():
    assert prepare(tiny(skeleton="ntu25")).train.skeleton == NTU25


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
    with pytest.raises(ValueError, match="experiment.seed"):
        tiny(seed=2**64)


def test_scaling_is_fitted_on_the_training_side_only():
    prepared = prepare(tiny())
    scaled = prepared.scaler(torch.from_numpy(prepared.train.motion))
    assert scaled.mean(dim=(0, 2)).abs().max() < 1e-4
    whole = torch.from_numpy(np.concatenate([prepared.train.motion, prepared.test.motion]))
    assert prepared.scaler(whole).mean(dim=(0, 2)).abs().max() > 1e-3


def test_published_weights_are_sampled(shared):
    motions = sample(shared / "data/reference/generator_ntu_mlp4.pth", [0, 59], count=2)
    assert motions.shape == (4, 3, 64, 25) and np.abs(motions.motion).max() <= 1


def test_every_option_reaches_the_networks():
    experiment = tiny(
        generator={**GAN["generator"], "last_width": 24, "upsampling": "linear", "padding": "edge",
                   "partition": "full"},
        critic={"widths": [8] * 6, "pooling": "gem", "noise": {"std": 0.5, "shared": "call"}, "label_smoothing": 0.25,
                "features": ["bone"], "label": "project"},
    )  # fmt: skip
    generator, critic = build_networks(experiment, skeleton=NTU25, classes=3)
    assert (generator.last_width, generator.upsampling, generator.partition) == (24, "linear", "full")
    assert generator.padding == "edge"
    assert critic.pooling.__name__ == "gem_pool" and (critic.input_noise.std, critic.input_noise.shared) == (
        0.5,
        "call",
    )
    assert critic.embedding.smoothing == 0.25 and critic.features == ("bone",) and not critic.painted


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


def test_two_processes_train_one_model(tmp_path):
    content = trained(tmp_path, 2)
    assert content["batches"] == 4 and content["circumstances"]["processes"] == 2
    assert draw(load_run(tmp_path / "2"), np.array([0, 1])).shape == (2, 3, 16, 25)


def test_two_processes_end_with_the_weights_of_one(tmp_path):
    # pixel normalisation, since with batch normalisation each process knows the statistics of its own half only; the
    # noise that each process draws is its own, and biases have hardly a gradient yet
    generator = {**GAN["generator"], "norm": "pixel", "ema": 0.0}
    one, two = (trained(tmp_path, devices, generator=generator)["state_dict"] for devices in (1, 2))
    begun = build(tiny(generator=generator), **of(prepare(tiny()))).state_dict()
    names = [name for name in begun if name.endswith(("weight", "importance"))]
    assert any("critic" in name for name in names) and any("generator" in name for name in names)
    for name in names:
        way, gap = (one[name] - begun[name]).norm(), (one[name] - two[name]).norm()
        assert gap <= 0.02 * way, name


def of(prepared):
    train = prepared.train
    return {"skeleton": train.skeleton, "classes": len(train.class_names), "scaler": prepared.scaler}


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


def git(folder, *words):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


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


def test_a_checkpoint_that_is_kept_is_there_before_the_last_one_goes_beyond_it(tmp_path, monkeypatch):
    """Killed between the two, a run goes on from before both, and writes both again."""
    written = []
    monkeypatch.setattr("kinetic.training.checkpoint.write_checkpoint", lambda path, content: written.append(path.name))
    asked = load_experiment(**{**GAN, "training": {**GAN["training"], "steps": 2, "save_every": 2, "keep_every": 2}})
    fit(asked, tmp_path / "run", progress=False)
    assert [name for name in written if name != "best.ckpt"] == ["step-2.ckpt", "last.ckpt"]


def test_a_run_keeps_the_precision_that_auto_came_to(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(precision, "race", lambda: 2.0)
    asked = tiny(**{"training.precision": "auto"})
    run = fit(asked, tmp_path / "run", progress=False)
    assert "kinetic: precision bf16: a matrix product is 2.0 times as fast as" in capsys.readouterr().err
    assert load_experiment(run / "config.yaml").training.precision == "bf16"
    assert load_run(run).experiment.training.precision == "bf16"
    monkeypatch.setattr(precision, "race", lambda: 0.1)  # goes on elsewhere
    fit(replace(asked, training=replace(asked.training, steps=5)), run, resume=True, progress=False)
    assert "precision bf16: as the run was begun" in capsys.readouterr().err
    assert load_run(run).experiment.training.precision == "bf16"


def test_slow_bf16_that_is_asked_for_is_trained_and_warned_of(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(precision, "race", lambda: 0.1)
    run = fit(tiny(**{"training.precision": "bf16"}), tmp_path / "run", progress=False)
    assert "warning: training.precision bf16: a matrix product takes 10.0 times as long" in capsys.readouterr().err
    assert load_run(run).experiment.training.precision == "bf16"
