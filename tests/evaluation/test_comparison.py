"""A comparison: what is opened side by side, and what does not fit together."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import DATA, GAN

from kinetic.evaluation.comparison import open_comparison
from kinetic.evaluation.evaluate import evaluate
from kinetic.families.experiments import load_experiment
from kinetic.models.adapter import Adapted
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs.fit import fit


def test_a_run_is_compared_with_motions_that_it_did_not_learn(gan, encoder):
    comparison = open_comparison(gan, encoder=encoder)
    assert comparison.subject.run is not None and comparison.network.name == "st-gcn encoder"
    test, train = comparison.reference.test, comparison.reference.train
    assert set(test.subject) & set(train.subject) == set()
    first, second = comparison.fakes(count=None, seeds=2, truncation=None)
    assert (first.label == test.label).all() and (second.label == test.label).all()
    assert (first.motion != second.motion).any()
    (balanced,) = comparison.fakes(count=3, seeds=1, truncation=0.5)
    assert np.bincount(balanced.label).tolist() == [3, 3, 3]


def test_samples_have_features_where_there_is_a_network(gan, encoder):
    comparison = open_comparison(gan, encoder=encoder)
    test, train = comparison.sides
    assert test.features.shape == (len(comparison.reference.test), 16)
    assert train.features.shape == (len(comparison.reference.train), 16)
    plain = open_comparison(gan)
    assert plain.network is None and plain.sample(plain.reference.test).features is None


def test_a_comparison_is_taken_apart_by_network(gan, encoder):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1200, 4), torch.nn.Linear(4, 3))
    comparison = open_comparison(gan, encoder=[encoder, Adapted(module, name="theirs", data="noise")])
    first, second = comparison.by_network()
    assert first is comparison and first.network.name == "st-gcn encoder" and second.network.name == "theirs"
    alone = open_comparison(gan)
    assert alone.by_network() == [alone]


def test_motions_of_a_file_take_no_count_and_no_truncation(encoder, prepared):
    comparison = open_comparison(prepared.test, encoder=encoder)
    for option in ({"count": 3}, {"truncation": 0.5}):
        with pytest.raises(ValueError, match="only a generator takes a count and a truncation"):
            evaluate(comparison, **option)


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_refused(gan, count):
    with pytest.raises(ValueError, match="count must be at least 1"):
        evaluate(gan, count=count)


@pytest.mark.parametrize("truncation", [7, -3, float("nan")])
def test_a_truncation_out_of_range_is_refused(gan, truncation):
    with pytest.raises(ValueError, match="truncation lies between"):
        evaluate(gan, truncation=truncation, seeds=1)


def test_motions_alone_have_nothing_to_be_compared_with(prepared):
    with pytest.raises(ValueError, match="nothing says which real motions to compare with"):
        open_comparison(prepared.test)


def test_a_split_that_shows_motions_which_were_learned_is_refused(gan, encoder, prepared):
    with pytest.raises(ValueError, match="holds no motions out"):
        open_comparison(gan, split="none")
    with pytest.raises(ValueError, match=r"gan: trained on synthetic split by xsub.*xview holds out"):
        open_comparison(gan, split="xview")
    with pytest.raises(ValueError, match=r"encoder: trained on synthetic split by xsub"):
        open_comparison(prepared.test, encoder=encoder, split="xview")


def test_copies_of_learned_motions_are_refused_by_the_name_of_the_set(gan, tmp_path):
    write_motions(synthesise(DATA["classes"], subjects=4, repeats=1, frames=16), tmp_path / "copy.npz")
    with pytest.raises(ValueError, match="trained on synthetic split by xsub"):
        open_comparison(gan, reference=tmp_path / "copy.npz", split="xview")


def test_motions_that_lost_their_path_are_compared_with_such(prepared, encoder, tmp_path):
    framed = dataclasses.replace(prepared.test.centred("frame"), notes={"centering": "frame"})
    with pytest.raises(ValueError, match=r"learned motions centred: first, these are centred: frame"):
        open_comparison(framed, encoder=encoder)
    write_motions(synthesise(DATA["classes"], subjects=4, repeats=1, frames=16), tmp_path / "real.npz")
    score = evaluate(framed, reference=tmp_path / "real.npz", split="xsub", only=["mmd_frame"])["mmd_frame"].score
    assert score.value < 1e-3 and "centred: frame" in score.scaling


def without_tested_walk():
    """Synthetic motions whose class walk has training motions alone."""
    motions = synthesise(DATA["classes"], subjects=4, repeats=1, frames=16)
    tested = np.isin(motions.subject, motions.split("xsub")[1].subject)
    return motions.select((motions.label != motions.class_id("walk")) | ~tested)


def test_motions_of_classes_without_real_ones_are_left_out(prepared, tmp_path):
    write_motions(without_tested_walk(), tmp_path / "real.npz")
    report = evaluate(prepared.test, reference=tmp_path / "real.npz", split="xsub", only=["mmd_frame", "bones"])
    assert report["bones"].score.n_fake == 12 and "not scored, without real test motions: walk" in report.to_text()


def test_a_class_without_test_motions_is_not_generated_and_noted(tmp_path):
    write_motions(without_tested_walk(), tmp_path / "real.npz")
    data = {**GAN["data"], "source": str(tmp_path / "real.npz"), "classes": None}
    run = fit(load_experiment(**{**GAN, "data": data}), tmp_path / "run", progress=False)
    comparison = open_comparison(run)
    assert "not scored, without real test motions: walk" in comparison.notes
    (fake,) = comparison.fakes(count=2, seeds=1, truncation=None)
    assert set(fake.label) == set(comparison.reference.test.label)


def test_a_file_with_some_of_the_classes_is_scored_on_these(encoder, prepared):
    waving = prepared.test.where(classes=["wave"])
    report = evaluate(waving, encoder=encoder, only=["mmd_frame"])
    assert report["mmd_frame"].score.value == 0 and report["mmd_frame"].score.n_real == len(waving)
    assert "only these classes have motions: wave" in report.notes


def test_another_frame_rate_is_noted(encoder, prepared):
    slower = dataclasses.replace(prepared.test, fps=12.0)
    note = "these motions have 12 frames per second, real ones 30; frames are compared, not seconds"
    assert note in open_comparison(slower, encoder=encoder).notes
    assert note not in open_comparison(prepared.test, encoder=encoder).notes


def test_classes_in_another_order_are_those_of_the_network(prepared, encoder, tmp_path):
    motions = synthesise([*reversed(DATA["classes"]), "kick"], subjects=4, repeats=1, frames=16)
    write_motions(motions, tmp_path / "more.npz")
    report = evaluate(prepared.test, encoder=encoder, reference=tmp_path / "more.npz", split="xsub")
    assert report["accuracy"].score.value > 0.9 and report["frechet"].score.value < 1e-6


def test_an_open_comparison_takes_no_other_network(gan, encoder):
    with pytest.raises(ValueError, match="encoder belongs to open_comparison"):
        evaluate(open_comparison(gan), encoder=encoder)
