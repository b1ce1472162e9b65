"""The real motions of a comparison: which are opened, how many of them count, and the hash that stands for them."""

import dataclasses

import numpy as np
import pytest
from conftest import DATA, GAN

from kinetic.evaluation.comparison import open_comparison
from kinetic.evaluation.evaluate import evaluate
from kinetic.evaluation.reference import Reference, common_rate, like, open_reference
from kinetic.evaluation.report import compare
from kinetic.families.experiments import load_experiment
from kinetic.families.motions import Prepared
from kinetic.formats.reading import read_motions
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs.fit import fit
from kinetic.runs.sample import sample
from kinetic.skeleton import NTU25, save_skeleton


@pytest.fixture(scope="module")
def reference(gan) -> Reference:
    return open_comparison(gan).reference


def test_rows_are_as_many_of_each_class_as_labels():
    candidates = np.array([0, 0, 0, 1, 1, 2])
    rows = like(candidates, np.array([0, 0, 1, 1, 1]), seed=0)
    assert np.bincount(candidates[rows]).tolist() == [2, 2]
    assert (np.diff(rows) > 0).all()
    draws = [like(np.zeros(9), np.zeros(4), seed) for seed in (0, 0, 1)]
    assert (draws[0] == draws[1]).all() and (draws[0] != draws[2]).any()


def test_a_set_with_several_rates_has_no_common_rate(reference):
    assert common_rate(reference.test) == 30
    rates = np.where(np.arange(len(reference.test)) < 3, 12.0, 30.0)
    assert common_rate(dataclasses.replace(reference.test, fps=rates)) is None


def test_labels_to_generate_are_those_of_the_held_out_motions_or_a_count_of_each_class(reference):
    assert (reference.labels() == reference.test.label).all()
    assert np.bincount(reference.labels(3)).tolist() == [3, 3, 3]


def test_no_more_motions_are_generated_than_the_floor_has(reference):
    train = reference.train
    few = train.select(np.flatnonzero((train.label != 0) | (np.arange(len(train)) < 3)))
    counts = np.bincount(dataclasses.replace(reference, train=few).labels())
    assert counts.tolist() == np.minimum(np.bincount(reference.test.label), np.bincount(few.label)).tolist()
    assert counts[0] < counts[1]


def test_the_floor_is_drawn_once_where_it_takes_all_training_motions(reference):
    assert [len(rows) for rows in reference.floor(reference.test.label, 3)] == [len(reference.train)]
    assert [len(rows) for rows in reference.floor(np.array([0, 0, 1]), 3)] == [3, 3, 3]


def test_a_reference_is_centred_as_the_subject_was_and_reduced_to_its_classes(gan, tmp_path):
    path = tmp_path / "real.npz"
    write_motions(synthesise(subjects=4, repeats=1, frames=16), path)
    of_the_run = evaluate(gan, seeds=1, only=["mmd_frame"])["mmd_frame"].score
    of_a_file = evaluate(gan, reference=path, seeds=1, only=["mmd_frame"])["mmd_frame"].score
    assert of_a_file.value == pytest.approx(of_the_run.value, rel=0.01)  # its motions are in another order
    generated = sample(gan, count=2, out=tmp_path / "generated.npz")
    write_motions(synthesise(DATA["classes"], subjects=4, repeats=1, frames=16), path)
    comparison = open_comparison(generated, reference=path)
    assert "centred: first" in comparison.label(count=None, seeds=1, truncation=None)["scaling"]
    test = comparison.reference.test
    assert np.abs(test.motion[:, :, 0, test.skeleton.center]).max() == 0


@pytest.mark.parametrize(
    ("notes", "message"),
    [({"empty": 3}, "synthetic: 3 motions hold zeros only"), ({"padded": 2}, "synthetic: 2 motions end in frames of")],
)
def test_real_motions_of_zeros_are_refused(reference, monkeypatch, notes, message):
    real = Prepared(reference.train, dataclasses.replace(reference.test, notes=notes))
    monkeypatch.setattr("kinetic.evaluation.reference.prepare", lambda *_, **__: real)
    with pytest.raises(ValueError, match=message):
        open_reference(reference.experiment, None)


def test_a_run_is_scored_without_the_skeleton_file_it_was_trained_with(tmp_path):
    save_skeleton(NTU25, tmp_path / "mine.yaml")
    run = fit(load_experiment(**GAN, skeleton=str(tmp_path / "mine.yaml")), tmp_path / "run", progress=False)
    (tmp_path / "mine.yaml").unlink()
    assert len(evaluate(run, seeds=1, only=["mmd_frame"]).rows) == 1


def test_scores_against_other_real_motions_are_not_compared(encoder, prepared):
    wave, walk = (
        evaluate(prepared.test.where(classes=[name]), encoder=encoder, only=["speed"]) for name in ("wave", "walk")
    )
    with pytest.raises(ValueError, match="labels differ in reference_hash"):
        compare([wave, walk])


def test_the_hash_tells_files_apart(prepared, tmp_path):
    def hash_of(name, motions=prepared.test):
        return open_comparison(motions, reference=tmp_path / name, split="xsub").reference.hash

    for seed in (0, 5):
        motions = synthesise(DATA["classes"], subjects=4, repeats=1, frames=16, seed=seed)
        write_motions(dataclasses.replace(motions, source=""), tmp_path / f"{seed}.npz")
    zero = read_motions(tmp_path / "0.npz")
    write_motions(dataclasses.replace(zero, class_names=("walk", "wave", "sit down")), tmp_path / "renamed.npz")
    assert len({hash_of("0.npz"), hash_of("5.npz"), hash_of("renamed.npz")}) == 3
    shifted = dataclasses.replace(prepared.test, motion=np.array(prepared.test.motion) + np.float32(1e-8))
    assert hash_of("0.npz", shifted) == hash_of("0.npz")


def hash_with(reference, **changes):
    """The hash when the held-out side is changed."""
    return dataclasses.replace(reference, test=dataclasses.replace(reference.test, **changes)).hash


def edit_one(edit):
    def edit_all(x, label):
        x[7] = edit(x[7])

    return edit_all


def exchange_halves(x, label):
    a, b = np.flatnonzero(label == 1)[:2]
    x[[a, b], :, 8:] = x[[b, a], :, 8:]


def swap_labels(x, label):
    a, b = (np.flatnonzero(label == k)[0] for k in (0, 1))
    label[[a, b]] = label[[b, a]]


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda x, label: np.copyto(x, x[:, :, ::-1].copy()), id="all reversed"),
        pytest.param(edit_one(lambda x: x[:, ::-1].copy()), id="one reversed"),
        pytest.param(edit_one(lambda x: x[:, np.random.default_rng(0).permutation(16)]), id="frames of one shuffled"),
        pytest.param(lambda x, label: np.copyto(x, x[:, [0, 2, 1]]), id="axes swapped"),
        pytest.param(edit_one(lambda x: x[[1, 0, 2]]), id="axes of one swapped"),
        pytest.param(edit_one(lambda x: x[..., ::-1].copy()), id="joints of one"),
        pytest.param(edit_one(lambda x: x + np.array([0.001, 0, 0])[:, None, None]), id="one moved by a millimetre"),
        pytest.param(swap_labels, id="labels of two swapped"),
        pytest.param(exchange_halves, id="halves of two exchanged"),
    ],
)
def test_the_hash_tells_edited_motions_apart(reference, edit):
    motion, label = np.array(reference.test.motion), reference.test.label.copy()
    edit(motion, label)
    assert hash_with(reference, motion=motion, label=label) != reference.hash


def test_the_hash_tells_sides_rates_skeletons_and_classes_apart(reference):
    test = reference.test
    renamed = dataclasses.replace(test.skeleton, joints=("pelvis", *test.skeleton.joints[1:]))
    others = [
        dataclasses.replace(reference, test=reference.train, train=test).hash,
        hash_with(reference, fps=12.0),
        hash_with(reference, skeleton=renamed),
        hash_with(reference, class_names=("run", *test.class_names[1:])),
    ]
    assert len({reference.hash, *others}) == 5


def test_rounding_and_order_leave_the_hash_as_it_is(reference):
    test, rng = reference.test, np.random.default_rng(0)
    order = rng.permutation(len(test))
    assert hash_with(reference, motion=np.array(test.motion)[order], label=test.label[order]) == reference.hash
    for _ in range(200):
        noise = 1 + 1e-7 * rng.standard_normal(test.shape)
        assert hash_with(reference, motion=(test.motion * noise).astype(np.float32)) == reference.hash
    assert hash_with(reference, class_names=(*test.class_names, "hop")) == reference.hash  # a class without motions
    reversed_classes = {"label": 2 - test.label, "class_names": test.class_names[::-1]}
    assert hash_with(reference, **reversed_classes) == reference.hash


def test_the_hash_of_a_reference_on_the_disk_is_that_of_one_in_memory(reference, tmp_path):
    write_motions(reference.test, tmp_path / "folder")
    assert dataclasses.replace(reference, test=read_motions(tmp_path / "folder")).hash == reference.hash
