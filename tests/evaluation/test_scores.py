"""Scores of all sets: their floor, their intervals, classes, and rows of several networks."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import DATA

from kinetic.evaluation.evaluate import evaluate
from kinetic.evaluation.report import compare, read_report, write_report
from kinetic.evaluation.scores import people_of, plain_value
from kinetic.families.experiments import load_experiment
from kinetic.metrics.classes import PerClass
from kinetic.metrics.measures import MEASURES
from kinetic.metrics.memory import aligned_memory, nearer
from kinetic.metrics.score import bounds_of
from kinetic.runs.fit import fit
from kinetic.skeleton import NTU25

ONE_SIDED = {name for kind in MEASURES if kind.floor in ("test", "left out") for name in kind.scores}


def test_a_score_of_classes_is_their_mean():
    number = torch.tensor(0.5)
    value, ones = torch.tensor([0.25, 0.75]), torch.ones(2, dtype=torch.long)
    assert plain_value(number) == plain_value(PerClass(value.mean(), value, torch.arange(2), ones, ones)) == 0.5


def test_motions_without_people_stand_for_themselves(prepared):
    people, number = people_of(prepared.test)
    assert number == 2 and (people == prepared.test.subject).all()
    for subject in (None, np.zeros(len(prepared.test), dtype=int)):
        people, number = people_of(dataclasses.replace(prepared.test, subject=subject, subject_names=()))
        assert number is None and len(set(people)) == len(prepared.test)


def test_the_floor_scores_as_the_floor_when_it_is_the_subject(encoder, prepared):
    report = evaluate(prepared.train, encoder=encoder, only=["frechet", "mmd_frame", "mmd_sequence"])
    for row in report.rows:
        assert row.score.value == pytest.approx(row.floor.value, rel=0.05)


def test_the_floor_is_a_mean_of_draws_that_are_not_independent(gan, encoder):
    for row in evaluate(gan, encoder=encoder, seeds=2).rows:
        assert row.floor.interval is None and row.score.interval is not None


def test_floor_and_generated_motions_are_as_many(encoder, prepared):
    few = prepared.test.select(np.flatnonzero(np.arange(len(prepared.test)) % 3 < 2))
    for row in evaluate(few, encoder=encoder).rows:
        floor = len(prepared.test) if row.score.metric in ONE_SIDED else len(few)
        assert row.score.n_fake == len(few) and row.floor.n_fake == floor


def test_the_floor_of_copying_leaves_training_motions_out_in_turn(gan, prepared):
    row = evaluate(gan, seeds=1, only=["copying"])["copying"]
    train, test = (torch.from_numpy(np.array(side.motion)) for side in (prepared.train, prepared.test))
    memory = aligned_memory(train, test, NTU25)
    rows = torch.arange(len(train))  # as many as test motions: all
    neighbours = memory.look(train, rows)
    assert row.floor.value == pytest.approx(float(nearer(neighbours.first, memory.unseen.first)))
    assert row.floor.n_fake == len(rows)


def test_intervals_stay_inside_the_bounds_of_their_score(gan, encoder):
    for row in evaluate(gan, encoder=encoder, seeds=2).rows:
        low, high = bounds_of(row.score.metric)
        start, end = row.score.interval
        assert low <= start <= row.score.value <= end <= high


def test_a_bootstrap_covers_other_people_too(gan, encoder):
    only = ["accuracy", "kernel", "mmd_frame", "apd", "copying"]
    plain = evaluate(gan, encoder=encoder, seeds=2, only=only)
    report = evaluate(gan, encoder=encoder, seeds=2, only=only, bootstrap=3)
    for row in report.rows:
        assert row.score.value == plain[row.score.metric].score.value
        low, high = row.score.interval
        assert low <= row.score.value <= high
    assert report["kernel"].score.interval != plain["kernel"].score.interval
    assert evaluate(gan, encoder=encoder, seeds=2, only=only, bootstrap=3) == report


def test_a_bootstrap_of_a_file_draws_its_motions_too(encoder, prepared):
    noisy = dataclasses.replace(prepared.test, motion=prepared.test.motion + np.float32(0.02))
    report = evaluate(noisy, encoder=encoder, only=["accuracy", "apd"], bootstrap=4)
    assert all(row.score.interval is not None for row in report.rows)
    with pytest.raises(ValueError, match="bootstrap 0 or at least 2, got 1 and 1"):
        evaluate(noisy, encoder=encoder, seeds=1, bootstrap=1)


def test_classes_have_scores_and_a_confusion(encoder, prepared):
    test = prepared.test
    label = test.label.copy()
    label[label == 2] = np.resize([2, 0], (label == 2).sum())  # half of the waving motions are labelled walk
    table = evaluate(dataclasses.replace(test, label=label), encoder=encoder).classes
    counts = np.array(table.confusion)
    assert counts.sum() == len(test) and counts[0, 2] == (test.label == 2).sum() // 2
    assert table.scores["accuracy"][1] == 1 and table.scores["accuracy"][0] < 1
    assert len(table.scores["mmd_frame"]) == 3
    assert evaluate(test, encoder=encoder).classes.scores["variance"] == pytest.approx([1, 1, 1])


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """Another recognition network."""
    experiment = load_experiment(
        model="encoder",
        data=DATA,
        encoder={"widths": [8]},
        training={"steps": 20, "sample_every": 0, "accelerator": "cpu"},
        seed=5,
    )
    return fit(experiment, tmp_path_factory.mktemp("second") / "run", progress=False)


def test_a_second_network_has_its_own_rows(gan, encoder, second, tmp_path):
    both = evaluate(gan, encoder=[encoder, second], seeds=2)
    first, alone = evaluate(gan, encoder=encoder, seeds=2), evaluate(gan, encoder=second, seeds=2)
    assert both.rows[: len(first.rows)] == first.rows
    more = {row.score.metric.removesuffix("@2"): row for row in both.rows[len(first.rows) :]}
    assert set(more) == {row.score.metric for row in alone.rows if row.score.network is not None}
    for name, row in more.items():
        assert dataclasses.replace(row.score, metric=name) == alone[name].score and row.better == alone[name].better
        assert dataclasses.replace(row.floor, metric=name) == alone[name].floor
    assert both["frechet@2"].score.network_hash != both["frechet"].score.network_hash
    assert both.classes.scores["frechet_class@2"] == alone.classes.scores["frechet_class"]
    assert both.classes.scores["accuracy@2"] == alone.classes.scores["accuracy"]
    assert both.classes.confusion == first.classes.confusion
    (note,) = [note for note in both.notes if note.startswith("features @2: ")]
    assert both["frechet@2"].score.network_hash in note and any(note.startswith("c2st@2: p ") for note in both.notes)
    write_report(both, tmp_path / "both.json")
    report = read_report(tmp_path / "both.json")
    assert report.rows == both.rows and "frechet@2" in compare([report, both])


def test_one_name_chooses_the_scores_of_all_networks(gan, encoder, second):
    def names(*only):
        return [row.score.metric for row in evaluate(gan, encoder=[encoder, second], seeds=1, only=only).rows]

    assert names("accuracy", "jerk") == ["accuracy", "jerk", "accuracy@2"]
    assert names("jerk") == ["jerk"]
    with pytest.raises(ValueError, match="no score 'accuracy@2'"):
        names("accuracy@2")
