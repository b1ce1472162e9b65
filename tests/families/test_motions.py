"""The motions of an experiment: selected, fitted, centred, split, scaled."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import GAN, tiny

from kinetic.families.experiments import save_experiment
from kinetic.families.motions import open_motions, prepare
from kinetic.formats.reading import read_motions
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs.fit import fit
from kinetic.skeleton import COCO17, NTU25, save_skeleton
from kinetic.training.watch import read_metrics


@pytest.mark.parametrize("fitting", ["stretch", "first", "pad"])
def test_clips_come_to_their_frames_as_asked(padded_set, fitting):
    motions = read_motions(padded_set)
    train = prepare(tiny(data={"source": str(padded_set), "frames": 16, "split": "none", "fitting": fitting})).train
    long, short = np.asarray(motions.motion[-1]), np.asarray(motions.motion[0])
    np.testing.assert_array_equal(train.motion[-1], long)
    last = {"stretch": short[:, 9], "first": short[:, 9], "pad": 0 * short[:, 9]}[fitting]
    np.testing.assert_array_equal(train.motion[0][:, -1], last)
    tenth = train.motion[0][:, 9]
    assert np.array_equal(tenth, short[:, 9]) == (fitting != "stretch")
    assert train.notes.get("padded", 0) == (len(train) // 2 if fitting == "pad" else 0)


def test_padding_stays_zeros_where_motions_are_centred(padded_set):
    data = {"source": str(padded_set), "frames": 16, "split": "none", "fitting": "pad", "centering": "first"}
    train = prepare(tiny(data=data)).train
    assert (train.motion[0][:, 10:] == 0).all() and (train.motion[0][:, 9] != 0).any()
    assert (train.motion[0][:, 0, NTU25.center] == 0).all()


def test_people_and_cameras_are_chosen(padded_set):
    motions = read_motions(padded_set)
    chosen = {
        "source": str(padded_set),
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


def test_single_motions_per_class_train(tmp_path):
    motions = synthesise(["walk", "wave"], subjects=2, repeats=1, frames=16)
    rows = [int(np.flatnonzero((motions.label == k) & (motions.subject == s))[0]) for k in (0, 1) for s in (0, 1)]
    write_motions(motions.select(np.array(rows)), tmp_path / "four.npz")
    data = {**GAN["data"], "source": str(tmp_path / "four.npz"), "batch_size": 2}
    run = fit(tiny(data=data), tmp_path / "run", progress=False)
    assert "mmd/train" not in read_metrics(run / "metrics.csv") and not (run / "checkpoints" / "best.ckpt").exists()


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
    message = "data.workers 1: the loader processes hand batches over in shared memory and need 142336 bytes, /dev/shm"
    assert message + " has 102400 bytes free; " in done.stderr and "combined_loader" not in done.stderr


def test_a_class_without_training_motions_is_named(tmp_path):
    motions = synthesise(["walk", "wave", "hop"], subjects=2, repeats=1, frames=16)
    hop = motions.class_names.index("hop")
    write_motions(
        motions.select((motions.label != hop) | (motions.subject == motions.subject.max())), tmp_path / "a.npz"
    )
    with pytest.raises(ValueError, match='no motions of hop; choose .* --data.classes "walk,wave"'):
        fit(tiny(data={**GAN["data"], "source": str(tmp_path / "a.npz")}), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_skeleton_file_replaces_that_of_the_data(tmp_path):
    save_skeleton(NTU25, tmp_path / "mine.yaml")
    assert prepare(tiny(skeleton=str(tmp_path / "mine.yaml"))).train.skeleton.hash == NTU25.hash
    save_skeleton(COCO17, tmp_path / "coco.yaml")
    with pytest.raises(ValueError, match="17"):
        prepare(tiny(skeleton=str(tmp_path / "coco.yaml")))


def test_a_skeleton_is_known_by_name_too():
    assert prepare(tiny(skeleton="ntu25")).train.skeleton == NTU25


def test_scaling_is_fitted_on_the_training_side_only():
    material = open_motions(tiny(), scaling="standard")
    train, test, scaler = material.train.motion, material.test.motion, material.about.scaler
    scaled = scaler(torch.from_numpy(train))
    assert scaled.mean(dim=(0, 2)).abs().max() < 1e-4
    whole = torch.from_numpy(np.concatenate([train, test]))
    assert scaler(whole).mean(dim=(0, 2)).abs().max() > 1e-3
