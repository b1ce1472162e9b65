"""What is opened as a run, and what is refused."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch

from kinetic.families.experiments import load_experiment
from kinetic.runs.run import load_run
from kinetic.runs.sample import sample
from kinetic.skeleton import COCO17
from kinetic.training.checkpoint import read_checkpoint, write_checkpoint


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


def entry(name, value):
    """Sets one entry that describes the training data."""

    def spoil(content):
        content["kinetic"][name] = value

    return spoil


def a_nan(content):
    content["state_dict"]["generator.embedding.weight"][0, 0] = float("nan")


def a_weight_too_few(content):
    del content["state_dict"]["critic.score.weight"]


def odd_notes_on_weights(content):
    content["state_dict"] = OrderedDict(content["state_dict"])
    content["state_dict"]._metadata = 3


def test_a_checkpoint_needs_nothing_beside_it(run, tmp_path):
    moved = tmp_path / "alone.ckpt"
    moved.write_bytes((run / "checkpoints" / "last.ckpt").read_bytes())
    assert np.array_equal(sample(moved, count=1).motion, sample(run, count=1).motion)


def test_a_checkpoint_of_another_skeleton_is_refused(run, tmp_path):
    content = read_checkpoint(run / "checkpoints" / "last.ckpt")
    content["kinetic"]["skeleton"] = COCO17.to_dict()
    write_checkpoint(tmp_path / "other.ckpt", content)
    with pytest.raises(ValueError, match="other.ckpt"):
        load_run(tmp_path / "other.ckpt")


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
        (names_that_are_none, "class_names must be a list of names, got a int"),
        (entry("fps", float("nan")), "fps must be a number above 0 and at most 1000000.0, got nan"),
        (entry("fps", -30.0), "fps must be a number above 0 and at most 1000000.0, got -30.0"),
        (entry("fps", 10**400), "fps must be a number above 0 and at most 1000000.0, got 1000"),
        (entry("fps", "30"), "fps must be a number above 0 and at most 1000000.0, got 30"),
        (entry("data", ["a", "b"]), "data must be a text, got a list"),
        (entry("more", 3), "more and its notes must hold names and values"),
        (entry("more", {"notes": 3}), "more and its notes must hold names and values"),
        (entry("more", {"notes": {1: 2}}), "more: notes: expected names, got 1"),
        (entry("more", {"notes": {"x": torch.zeros(2)}}), "more: notes.x: expected a plain value"),
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


def test_a_run_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_run(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no checkpoint yet"):
        load_run(tmp_path / "empty")


def test_a_run_shows_its_path_family_and_training(run):
    text = "gan, 12 classes, 4 batches, trained on synthetic/xsub/train (36 motions)"
    assert repr(load_run(run)) == f"Run({str(run)!r}, {text})"


def test_a_text_from_a_checkpoint_is_shown_as_one_safe_line(run):
    opened = load_run(run)
    shown = repr(replace(opened, about=replace(opened.about, data="\x1b[2J\n" * 1000)))
    assert shown.isprintable()
    assert len(shown) < 1000


def test_a_generator_recognises_nothing(run):
    with pytest.raises(ValueError, match="model gan recognises nothing; expected a recognition network"):
        load_run(run).recogniser  # noqa: B018


def test_a_recognition_network_makes_no_motions(run):
    opened = load_run(run)
    network = replace(opened, experiment=load_experiment(model="encoder"))
    with pytest.raises(ValueError, match="model encoder makes no motions; expected a generator"):
        network.sampler  # noqa: B018
