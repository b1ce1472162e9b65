"""What `kinetic data info` says about a set of motions."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kinetic.data.motion import MotionSet
from kinetic.data.summary import length_variation, summarise, summary_text
from kinetic.skeleton import NTU25


def rigid(n=3, frames=4):
    """Bodies that move as one: no bone changes its length."""
    body = np.random.default_rng(0).normal(size=(1, 3, 1, 25))
    path = np.random.default_rng(1).normal(size=(n, 3, frames, 1))
    return (body + path).astype(np.float32)


def motions(**changes):
    values = {
        "motion": rigid(),
        "label": np.array([0, 0, 1]),
        "class_names": ("walk", "jump"),
        "skeleton": NTU25,
        "subject": np.array([0, 1, 1]),
        "subject_names": ("ann", "bob"),
        "view": np.array([1, 2, 2]),
        "source": "made up",
        "splits": {"xsub": {"by": "subject", "train": ["ann"]}},
    }
    return MotionSet(**(values | changes))


def test_a_split_with_an_empty_side_is_a_remark():
    found = summarise(motions(subject=np.array([0, 0, 0])))
    assert found["splits"] == {} and any("xsub" in remark for remark in found["remarks"])


def test_bones_of_a_rigid_body_do_not_vary():
    assert length_variation(rigid(), NTU25.bones).max() < 1e-6


def test_variation_is_the_standard_deviation_over_the_mean():
    motion = np.zeros((1, 3, 2, 2))
    motion[0, 0, :, 1] = [1.0, 3.0]  # lengths 1 and 3: mean 2, standard deviation 1
    assert length_variation(motion, ((0, 1),)).tolist() == [[0.5]]


def test_a_bone_without_length_does_not_divide_by_zero():
    assert length_variation(np.zeros((1, 3, 2, 2)), ((0, 1),)).tolist() == [[0.0]]


def test_counts_are_by_name():
    found = summarise(motions())
    assert found["classes"] == {"walk": 2, "jump": 1}
    assert found["subjects"] == {"ann": 1, "bob": 2}
    assert found["views"] == {"1": 1, "2": 2}
    assert found["splits"] == {"xsub": [1, 2]}
    assert found["fps"] == [30.0]
    assert "setups" not in found


def test_the_bone_that_varies_most_is_named():
    motion = rigid()
    motion[:, 0, ::2, 3] += 0.5  # the head, on the neck
    found = summarise(motions(motion=motion))["bone_variation"]
    assert set(found["worst_bone"].split(" - ")) == {NTU25.joints[2], NTU25.joints[3]}
    assert found["worst"] > 0.01
    assert found["median"] < 1e-5


def test_a_large_set_is_looked_at_in_parts(monkeypatch):
    whole = summarise(motions())
    monkeypatch.setattr("kinetic.data.summary.ROWS", 1)
    assert summarise(motions()) == whole


def test_the_range_is_that_of_each_axis():
    motion = rigid()
    motion[2, 1, 3, 7], motion[0, 1, 0, 0] = 50.0, -60.0
    found = summarise(motions(motion=motion))["range"]
    assert found[1] == [-60.0, 50.0]
    assert found[0] == [round(float(motion[:, 0].min()), 4), round(float(motion[:, 0].max()), 4)]


def test_it_is_json_and_text():
    found = summarise(motions(fps=np.array([15.0, 30.0, 30.0])))
    assert json.loads(json.dumps(found)) == found
    text = summary_text(found)
    assert "3 of 4 frames at 15 to 30 per second" in text
    assert "2: walk 2, jump 1" in text
    assert "xsub: 1 to train, 2 to test" in text


def test_empty_classes_are_remarked():
    assert any("squat" in remark for remark in summarise(motions(class_names=("walk", "jump", "squat")))["remarks"])


def test_nan_is_an_error():
    motion = rigid()
    motion[1, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="1"):
        summarise(motions(motion=motion))
