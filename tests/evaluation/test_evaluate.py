"""The evaluation protocol: what good, bad and perfect motions score."""

import dataclasses
import json

import numpy as np
import pytest
from conftest import DATA

from kinetic.evaluation.evaluate import evaluate
from kinetic.evaluation.report import Report
from kinetic.metrics.intervals import COVERS
from kinetic.metrics.measures import BETTER


def names(report):
    return {row.score.metric for row in report.rows}


def test_an_untrained_generator_is_far_above_the_floor(gan, encoder):
    report = evaluate(gan, encoder=encoder, seeds=2)
    assert names(report) == set(BETTER) - {"frechet_infinity"}  # its features are as many as its motions
    for metric in ("frechet", "mmd_frame", "mmd_sequence"):
        assert report[metric].score.value > 2 * report[metric].floor.value
    assert report["accuracy"].score.value < report["accuracy"].floor.value
    assert all(row.score.interval is not None and row.score.seeds == (0, 1) for row in report.rows)
    assert report["frechet"].score.network_hash and report["frechet"].score.reference == "synthetic/xsub/test"
    assert any(COVERS in note for note in report.notes)


def test_the_reference_itself_is_perfect(encoder, prepared):
    report = evaluate(prepared.test, encoder=encoder)
    assert report["frechet"].score.value < 1e-6 and report["mmd_frame"].score.value == 0
    assert report["accuracy"].score.value == report["accuracy"].floor.value


def test_wrong_labels_and_collapse_show_in_scores(encoder, prepared):
    test = prepared.test
    rolled = dataclasses.replace(test, label=np.roll(test.label, len(test) // 3))
    assert evaluate(rolled, encoder=encoder, only=["accuracy"])["accuracy"].score.value < 0.5
    first = {k: int(np.flatnonzero(test.label == k)[0]) for k in range(3)}
    collapsed = test.select(np.array([first[k] for k in test.label.tolist()]))
    report = evaluate(collapsed, encoder=encoder, only=["mmd_frame", "frechet"])
    assert report["mmd_frame"].score.value > 3 * report["mmd_frame"].floor.value
    assert report["frechet"].score.value > 1.5 * report["frechet"].floor.value


def test_the_accuracy_is_that_which_training_reported(encoder, prepared):
    recognition = json.loads((encoder / "recognition.json").read_text())
    assert recognition["trained on"] == "synthetic/xsub/train (18 motions)"
    assert recognition["tested on"] == "synthetic/xsub/test (18 motions)" and recognition["batches"] == 60
    score = evaluate(prepared.test, encoder=encoder, only=["accuracy"])["accuracy"].score
    assert score.value == recognition["accuracy"] and score.network_hash == recognition["hash"]
    assert list(recognition["class accuracy"]) == DATA["classes"]


def test_without_an_encoder_coordinates_alone_are_compared(gan):
    report = evaluate(gan, seeds=1)
    assert {"mmd_frame", "apd", "jerk", "copying"} <= names(report)
    assert not {"frechet", "accuracy", "recall", "diversity"} & names(report)
    assert any(note.startswith("left out: frechet") and "without a feature network" in note for note in report.notes)


def test_a_report_is_a_table_and_plain_values(gan):
    report = evaluate(gan, seeds=1)
    assert "mmd_frame" in report.to_text() and "floor" in report.to_text()
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["rows"][0].keys() == {"score", "floor", "better"}
    assert Report.from_dict(plain).rows == report.rows and plain["classes"]["class_names"] == DATA["classes"]


def test_scores_are_chosen_by_name(gan, encoder):
    report = evaluate(gan, encoder=encoder, seeds=1, only=["accuracy", "jerk"])
    assert [row.score.metric for row in report.rows] == ["accuracy", "jerk"]
    with pytest.raises(ValueError, match="no score 'fid'"):
        evaluate(gan, seeds=1, only=["fid"])


def test_one_motion_has_the_scores_that_one_motion_allows(encoder, prepared):
    report = evaluate(prepared.test.select([0]), encoder=encoder)
    assert {"accuracy", "copying", "speed"} <= names(report) and "frechet" not in names(report)
    assert any(note.startswith("left out: ") and "frechet" in note for note in report.notes)


def test_the_same_run_has_the_same_scores(gan, encoder):
    assert evaluate(gan, encoder=encoder, seeds=2).to_dict() == evaluate(gan, encoder=encoder, seeds=2).to_dict()


def test_seeds_below_one_are_refused(gan):
    with pytest.raises(ValueError, match="seeds must be at least 1"):
        evaluate(gan, seeds=0)
