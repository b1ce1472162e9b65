"""Notes below a table: what they say of missing scores, networks, numbers of motions and intervals."""

import torch

from kinetic.evaluation.evaluate import evaluate
from kinetic.evaluation.notes import interval_note, missing_notes
from kinetic.metrics.intervals import COVERS
from kinetic.models.adapter import Adapted


def test_missing_scores_are_grouped_by_reason():
    missing = {"frechet": "too few", "jerk": "no frames", "kernel": "too few"}
    assert missing_notes(missing) == ["left out: frechet, kernel: too few", "left out: jerk: no frames"]


def test_missing_scores_of_a_run_are_noted(gan, encoder):
    report = evaluate(gan, encoder=encoder, seeds=1, count=1, only=["frechet_infinity", "jerk"])
    assert any(note.startswith("left out: frechet_infinity") for note in report.notes)


def test_a_note_says_what_intervals_cover(prepared):
    assert interval_note(prepared.test, sets=1, bootstrap=0).startswith("no interval")
    assert interval_note(prepared.test, sets=2, bootstrap=0) == COVERS
    note = interval_note(prepared.test, sets=2, bootstrap=3)
    assert note.startswith("interval: 95%, over other people in the place of the 2 of the test side and over draws")
    alone = prepared.test.select(prepared.test.subject == prepared.test.subject[0])
    assert "over other test motions and over draws" in interval_note(alone, sets=2, bootstrap=3)


def test_a_note_says_whether_chance_explains_that_sides_are_told_apart(gan, encoder):
    (note,) = [note for note in evaluate(gan, encoder=encoder, seeds=1).notes if note.startswith("c2st")]
    assert note.startswith("c2st: p 0.001 for the first generated set, 0.")
    assert "c2st" not in evaluate(gan, encoder=encoder, seeds=1, only=["frechet"]).to_text()


def test_more_motions_than_the_floor_has_are_noted(gan, encoder):
    report = evaluate(gan, encoder=encoder, seeds=1, count=10, only=["frechet"])
    assert "the floor has 18 real training motions, because there are no more" in report.to_text()
    assert "some scores change with the number of motions; for as many generated ones: frechet " in report.to_text()


def test_a_network_that_recognises_few_motions_is_noted(gan, encoder, prepared):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1200, 4), torch.nn.Linear(4, 3))
    poor = Adapted(module, name="theirs", data="noise", class_names=prepared.test.class_names)
    text = "this network recognises few real motions: its scores of generated ones mean little"
    assert text in evaluate(gan, encoder=poor, seeds=1, only=["frechet"]).notes
    notes = evaluate(gan, encoder=encoder, seeds=1, only=["frechet"]).notes
    assert text not in notes and any("accuracy 1.000 on real test" in note for note in notes)
