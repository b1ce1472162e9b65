"""From a run to motions."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import tiny

from kinetic.families.motions import prepare
from kinetic.formats.reading import read_motions
from kinetic.runs.run import load_run
from kinetic.runs.sample import sample


def test_samples_leave_in_metres_near_the_training_motions(run):
    train = prepare(tiny()).train
    motions = sample(run, "wave", count=3)
    assert np.array_equal(sample(run, np.int64(5), count=1).label, [5])
    assert motions.shape == (3, 3, 16, 25) and motions.fps == train.fps
    gap = np.abs(motions.motion.mean(axis=(0, 2)) - train.motion.mean(axis=(0, 2)))
    assert gap.max() < 3 * train.motion.std() and set(motions.label) == {motions.class_names.index("wave")}


def test_same_seed_same_motions_and_the_average_is_sampled(run):
    first, second, other = sample(run, count=2), sample(run, count=2), sample(run, count=2, seed=1)
    assert np.array_equal(first.motion, second.motion) and not np.array_equal(first.motion, other.motion)
    opened = load_run(run)
    assert opened.sampler is opened.module.average


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


def test_published_weights_are_sampled(shared):
    motions = sample(shared / "data/reference/generator_ntu_mlp4.pth", [0, 59], count=2)
    assert motions.shape == (4, 3, 64, 25) and np.abs(motions.motion).max() <= 1
