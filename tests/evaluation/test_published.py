"""The published protocol, faults included."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch

from kinetic.evaluation.comparison import open_comparison
from kinetic.evaluation.published import evaluate_published
from kinetic.evaluation.subject import Subject
from kinetic.models import inception


def test_scores_are_labelled_as_published(gan):
    report = evaluate_published(gan, count=3)
    assert [row.score.metric for row in report.rows] == ["mmd_frame", "mmd_sequence"]
    score = report["mmd_frame"].score
    assert (score.estimator, score.truncation, score.balance, score.n_fake) == ("published", 0.95, "balanced", 9)
    assert score.reference == "synthetic/xsub/train" and score.scaling.startswith("[-1, 1]")
    assert "pass the Inception weights" in report.to_text()


def test_one_motion_per_class_is_perfect(gan, prepared):
    label = prepared.train.label
    collapsed = prepared.train.select(np.array([int(np.flatnonzero(label == k)[0]) for k in label.tolist()]))
    comparison = dataclasses.replace(open_comparison(gan), subject=Subject("collapsed", motions=collapsed))
    report = evaluate_published(comparison)
    assert report["mmd_frame"].score.value == report["mmd_sequence"].score.value == 0
    assert "vanished" in report.to_text()  # what the script loses is noted


def test_fid_uses_the_published_weights(gan, tmp_path, monkeypatch):
    torch.manual_seed(0)
    torch.save(inception.Inception().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"weights\.pth"):
        evaluate_published(gan, inception=tmp_path / "weights.pth", count=2)
    with pytest.raises(FileNotFoundError, match="pt_inception-2015-12-05"):
        evaluate_published(gan, inception=tmp_path / "nowhere.pth", count=2)
    digest = hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()
    monkeypatch.setattr(inception, "PUBLISHED", digest)
    monkeypatch.setattr(inception, "SIZE", 75)  # the smallest image that the network takes
    with_fault, without = (
        evaluate_published(gan, inception=tmp_path / "weights.pth", count=2, range_fault=fault)["fid"].score
        for fault in (True, False)
    )
    assert with_fault.value > 0 and with_fault.value != without.value
    assert with_fault.estimator != without.estimator and with_fault.network_data == "ImageNet"
