import dataclasses

import numpy as np
import pytest

from kinetic.data.motion import write_motions
from kinetic.data.synthetic import synthesise
from kinetic.evaluation import evaluate
from kinetic.experiment import fit, prepare, sample
from kinetic.loading import load_experiment
from kinetic.skeleton import NTU25, save_skeleton

DATA = {"frames": 16, "batch_size": 8, "centering": "first", "classes": ["walk", "sit down", "wave"],
        "synthetic": {"subjects": 4, "repeats": 1}}  # fmt: skip
GAN = {
    "data": {**DATA, "scaling": "standard"},
    "generator": {"latent": 8, "mapping_depth": 2, "widths": [8] * 5, "mapping": "equalized", "output": "linear"},
    "critic": {"widths": [8] * 6},
    "training": {"steps": 3, "sample_every": 0, "accelerator": "cpu"},
}
ENCODER = {
    "model": "encoder",
    "data": DATA,
    "encoder": {"widths": [16, 16]},
    "training": {"steps": 60, "learning_rate": 1e-2, "sample_every": 0, "accelerator": "cpu"},
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return fit(load_experiment(**ENCODER), tmp_path_factory.mktemp("runs") / "encoder", progress=False)


@pytest.fixture(scope="module")
def gan(tmp_path_factory):
    return fit(load_experiment(**GAN), tmp_path_factory.mktemp("runs") / "gan", progress=False)


@pytest.fixture(scope="module")
def prepared():
    return prepare(load_experiment(**ENCODER))


def scores(report):
    return {row.score.metric: row for row in report.rows}


def test_an_untrained_generator_is_far_above_the_floor(gan, encoder):
    report = evaluate(gan, encoder=encoder, seeds=2)
    rows = scores(report)
    assert list(rows) == ["frechet", "accuracy", "mmd_frame", "mmd_sequence"]
    for metric in ("frechet", "mmd_frame", "mmd_sequence"):
        assert rows[metric].score.value > 2 * rows[metric].floor.value
    assert rows["accuracy"].score.value < rows["accuracy"].floor.value
    assert all(row.score.interval is not None and row.score.seeds == (0, 1) for row in report.rows)
    assert rows["frechet"].score.network_hash and rows["frechet"].score.reference == "synthetic/xsub/test"


def test_the_floor_scores_as_the_floor_when_it_is_handed_in(encoder, prepared):
    rows = scores(evaluate(prepared.train, encoder=encoder, seeds=1))
    for metric in ("frechet", "mmd_frame", "mmd_sequence"):
        assert rows[metric].score.value == pytest.approx(rows[metric].floor.value, rel=0.05)


def test_the_reference_itself_is_perfect(encoder, prepared):
    rows = scores(evaluate(prepared.test, encoder=encoder, seeds=1))
    assert rows["frechet"].score.value < 1e-6 and rows["mmd_frame"].score.value == 0
    assert rows["accuracy"].score.value == rows["accuracy"].floor.value


def test_wrong_labels_and_collapse_are_seen(encoder, prepared):
    test = prepared.test
    rolled = dataclasses.replace(test, label=np.roll(test.label, len(test) // 3))
    assert scores(evaluate(rolled, encoder=encoder, seeds=1))["accuracy"].score.value < 0.5
    first = {k: int(np.flatnonzero(test.label == k)[0]) for k in range(3)}
    collapsed = test.select(np.array([first[k] for k in test.label.tolist()]))
    rows = scores(evaluate(collapsed, encoder=encoder, seeds=1))
    assert rows["mmd_frame"].score.value > 3 * rows["mmd_frame"].floor.value
    assert rows["frechet"].score.value > 1.5 * rows["frechet"].floor.value


def test_a_file_by_anyone_is_scored_with_classes_matched_by_name(encoder, prepared, tmp_path):
    test = prepared.test
    order = ("wave", "walk", "sit down")
    number = np.array([order.index(name) for name in test.class_names])
    write_motions(dataclasses.replace(test, label=number[test.label], class_names=order), tmp_path / "theirs.npz")
    report = evaluate(tmp_path / "theirs.npz", encoder=encoder, seeds=1)
    assert scores(report)["mmd_sequence"].score.value == 0
    assert scores(report)["frechet"].score.seeds == () and scores(report)["frechet"].score.truncation is None


def test_without_an_encoder_coordinates_are_compared(gan):
    assert list(scores(evaluate(gan, seeds=1))) == ["mmd_frame", "mmd_sequence"]


def test_a_floor_of_all_training_motions_has_no_interval(gan, encoder):
    for row in evaluate(gan, encoder=encoder, seeds=2).rows:
        assert row.floor.interval is None and row.score.interval is not None


def test_a_reference_is_centred_as_the_samples_were_and_reduced_to_their_classes(gan, tmp_path):
    reference = tmp_path / "real.npz"
    write_motions(synthesise(subjects=4, repeats=1, frames=16), reference)
    of_the_run = scores(evaluate(gan, seeds=1))["mmd_frame"].score
    by_file = scores(evaluate(gan, reference=reference, seeds=1))["mmd_frame"].score
    assert by_file.value == pytest.approx(of_the_run.value, rel=0.01)  # its motions stand in another order
    made = sample(gan, count=2, out=tmp_path / "made.npz")
    write_motions(synthesise(DATA["classes"], subjects=4, repeats=1, frames=16), reference)
    assert "centred: first" in evaluate(made, reference=reference).to_text()


def test_a_run_is_scored_without_the_skeleton_file_it_was_trained_with(tmp_path):
    save_skeleton(NTU25, tmp_path / "mine.yaml")
    run = fit(load_experiment(**GAN, skeleton=str(tmp_path / "mine.yaml")), tmp_path / "run", progress=False)
    (tmp_path / "mine.yaml").unlink()
    assert len(evaluate(run, seeds=1).rows) == 2


def test_a_file_with_some_of_the_classes_is_scored_on_these(encoder, prepared):
    waving = prepared.test.where(classes=["wave"])
    report = evaluate(dataclasses.replace(waving, label=waving.label), encoder=encoder)
    assert scores(report)["mmd_frame"].score.value == 0 and scores(report)["mmd_frame"].score.n_real == len(waving)
    assert "only classes that there are motions of: wave" in report.to_text()


def test_a_class_without_test_motions_is_noted(tmp_path):
    motions = synthesise(DATA["classes"], subjects=4, repeats=1, frames=16)
    walk, seen = motions.class_names.index("walk"), motions.split("xsub")[1].subject
    kept = motions.select((motions.label != walk) | ~np.isin(motions.subject, seen))
    write_motions(kept, tmp_path / "a.npz")
    data = {**GAN["data"], "source": str(tmp_path / "a.npz"), "classes": None}
    run = fit(load_experiment(**{**GAN, "data": data}), tmp_path / "run", progress=False)
    assert "for want of real test motions: walk" in evaluate(run, seeds=1).to_text()


def test_floor_and_motions_are_as_many(encoder, prepared):
    few = prepared.test.select(np.flatnonzero(np.arange(len(prepared.test)) % 3 < 2))
    for row in evaluate(few, encoder=encoder, seeds=2).rows:
        assert row.score.metric == "accuracy" or row.floor.n_fake == row.score.n_fake == len(few)


def test_the_report_is_a_table_and_plain_values(gan):
    report = evaluate(gan, seeds=1)
    assert "mmd_frame" in report.to_text() and "floor" in report.to_text()
    plain = report.to_dict()
    assert plain["scores"]["mmd_frame"]["estimator"] == "sagcn" and plain["floors"].keys() == plain["scores"].keys()


def test_what_cannot_be_compared_is_refused(gan, encoder, prepared, tmp_path):
    with pytest.raises(ValueError, match="nothing says"):
        evaluate(prepared.test)
    with pytest.raises(ValueError, match="recognition network"):
        evaluate(gan, encoder=gan)
    with pytest.raises(ValueError, match="recognition network"):
        evaluate(encoder)
    with pytest.raises(TypeError, match="ndarray"):
        evaluate(np.zeros(3))
    for truncation in (7, -3, float("nan")):
        with pytest.raises(ValueError, match="truncation lies between"):
            evaluate(gan, truncation=truncation, seeds=1)
    with pytest.raises(ValueError, match="seeds"):
        evaluate(gan, seeds=0)
    with pytest.raises(ValueError, match="holds no motions out"):
        evaluate(gan, split="none")
    with pytest.raises(ValueError, match=r"gan: trained on synthetic split by xsub.*xview holds out"):
        evaluate(gan, split="xview")
    with pytest.raises(ValueError, match=r"encoder: trained on synthetic split by xsub"):
        evaluate(prepared.test, encoder=encoder, split="xview")
    with pytest.raises(ValueError, match=r"published\.pth.*\[-1, 1\]"):
        evaluate(tmp_path / "published.pth")
    strange = dataclasses.replace(prepared.test, class_names=("walk", "sit down", "fly"))
    with pytest.raises(ValueError, match="'fly'"):
        evaluate(strange, encoder=encoder)
