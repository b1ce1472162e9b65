"""What is scored: which subjects are opened, and how motions by anyone are brought into the form of the real ones."""

import dataclasses
import pickle

import numpy as np
import pytest
from conftest import DATA

from kinetic.evaluation.comparison import open_comparison
from kinetic.evaluation.evaluate import evaluate
from kinetic.evaluation.subject import Subject, open_subject
from kinetic.families.experiments import load_experiment
from kinetic.formats.reading import read_motions
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs.fit import fit
from kinetic.runs.run import load_run


def test_a_subject_is_a_run_or_motions(gan, prepared, tmp_path):
    assert open_subject(gan).run.path == gan and open_subject(gan).motions is None
    assert open_subject(gan / "checkpoints" / "last.ckpt").run is not None
    assert open_subject(prepared.test).motions is prepared.test and open_subject(prepared.test).name == "synthetic"
    write_motions(prepared.test, tmp_path / "a.npz")
    subject = open_subject(tmp_path / "a.npz")
    assert subject.name.endswith("a.npz") and len(subject.motions) == len(prepared.test)
    for both in ({}, {"run": load_run(gan), "motions": prepared.test}):
        with pytest.raises(ValueError, match="a: a subject is either a run or motions"):
            Subject("a", **both)


def test_other_things_are_no_subjects(encoder, tmp_path):
    with pytest.raises(ValueError, match="model encoder makes no motions; expected a generator"):
        open_subject(encoder)
    with pytest.raises(TypeError, match="ndarray"):
        open_subject(np.zeros(3))
    with pytest.raises(ValueError, match=r"published\.pth.*\[-1, 1\]"):
        open_subject(tmp_path / "published.pth")


def test_motions_by_anyone_are_returned_as_they_are(prepared):
    assert open_subject(prepared.test).draw(np.zeros(2), seed=0, truncation=None) is prepared.test


def test_classes_of_a_file_are_matched_by_name(encoder, prepared, tmp_path):
    test = prepared.test
    order = ("wave", "walk", "sit down")
    number = np.array([order.index(name) for name in test.class_names])
    write_motions(dataclasses.replace(test, label=number[test.label], class_names=order), tmp_path / "theirs.npz")
    report = evaluate(tmp_path / "theirs.npz", encoder=encoder, only=["mmd_sequence"])
    score = report["mmd_sequence"].score
    assert score.value == 0 and score.seeds == () and score.truncation is None


def test_a_class_that_the_real_motions_lack_is_refused(encoder, prepared):
    strange = dataclasses.replace(prepared.test, class_names=("walk", "sit down", "fly"))
    with pytest.raises(ValueError, match="'fly'"):
        open_comparison(strange, encoder=encoder)


@pytest.fixture
def theirs(tmp_path):
    """The synthetic test motions as a published generator leaves them: scaled, in an .npy with a label pickle."""
    motions = synthesise(DATA["classes"], subjects=4, repeats=1, frames=16)
    write_motions(motions, tmp_path / "real.npz")
    train, test = motions.split("xsub")
    low, high = train.motion.min(), train.motion.max()
    np.save(tmp_path / "gen_data.npy", (2 * (np.array(test.motion) - low) / (high - low) - 1).clip(-1, 1))
    with open(tmp_path / "gen_label.pkl", "wb") as file:
        pickle.dump((list(map(str, test.label)), test.label.tolist()), file)
    return tmp_path / "gen_data.npy"


def test_published_files_are_scaled_back_to_metres(theirs, encoder):
    reference = theirs.parent / "real.npz"
    report = evaluate(theirs, reference=reference, split="xsub", scaled=True)
    assert report["mmd_frame"].score.value < 1e-3 and report["variance"].score.value == pytest.approx(1, rel=0.01)
    centred = evaluate(theirs, encoder=encoder, reference=reference, scaled=True)
    assert centred["frechet"].score.value < 0.01 and centred["accuracy"].score.value > 0.9
    with pytest.raises(ValueError, match=r"gen_data\.npy: its coordinates reach from -.*--scaled"):
        open_comparison(theirs, reference=reference, split="xsub")


@pytest.mark.parametrize("form", ["npy", "folder"])
def test_motions_of_another_length_are_scored_from_the_disk(theirs, form):
    reference = theirs.parent / "real.npz"
    train, test = read_motions(reference).split("xsub")
    longer = test.resampled(31)
    if form == "npy":
        low, high = train.motion.min(), train.motion.max()
        np.save(theirs, (2 * (np.array(longer.motion) - low) / (high - low) - 1).clip(-1, 1))
    else:
        theirs = theirs.parent / "longer"
        write_motions(longer, theirs)
    report = evaluate(theirs, reference=reference, split="xsub", scaled=form == "npy", only=["mmd_frame"])
    assert report["mmd_frame"].score.value < 0.05
    assert "motions of 31 frames were resampled to 64" in report.notes


def test_scaled_motions_lie_in_the_range_that_they_claim(theirs, gan):
    reference = theirs.parent / "real.npz"
    with pytest.raises(ValueError, match=r"scaled motions lie in \[-1, 1\], these reach from"):
        open_comparison(reference, reference=reference, split="xsub", scaled=True)
    with pytest.raises(ValueError, match="a run makes motions in metres"):
        open_comparison(gan, scaled=True)


def test_motions_that_end_in_zeros_are_refused(theirs):
    motion = np.load(theirs)
    motion[:9, :, 12:] = 0
    np.save(theirs, motion)
    with pytest.raises(ValueError, match="9 motions end in frames of zeros"):
        open_comparison(theirs, reference=theirs.parent / "real.npz", split="xsub", scaled=True)


def test_numbers_of_classes_are_those_of_the_whole_reference(theirs, tmp_path):
    experiment = load_experiment(
        model="encoder",
        data={**DATA, "classes": ["sit down", "wave"], "source": str(theirs.parent / "real.npz")},
        encoder={"widths": [8]},
        training={"steps": 2, "sample_every": 0, "accelerator": "cpu"},
    )
    network = fit(experiment, tmp_path / "network", progress=False)
    with pytest.raises(ValueError, match="no class 'walk'"):  # number 0 in the file, though the network lacks it
        open_comparison(theirs, encoder=network, scaled=True)
