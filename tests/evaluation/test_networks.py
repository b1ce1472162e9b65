"""Feature networks: which are accepted, and what they make of motions."""

import numpy as np
import pytest
import torch
from conftest import DATA

from kinetic.evaluation.evaluate import evaluate
from kinetic.evaluation.networks import network_of, open_encoders, open_networks, plain_sample
from kinetic.families.experiments import load_experiment
from kinetic.models.adapter import Adapted
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs.fit import fit
from kinetic.runs.run import load_run


def small_network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1200, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))


def test_a_network_adds_features_and_classes_to_motions(encoder, prepared):
    sample = network_of(load_run(encoder), prepared.test).sample(prepared.test)
    n = len(prepared.test)
    assert sample.features.shape == (n, 16) and sample.features.dtype == torch.float64
    assert sample.predicted.shape == (n,)
    plain = plain_sample(prepared.test)
    assert plain.features is None and plain.predicted is None and torch.equal(plain.motion, sample.motion)


def test_a_network_for_other_frames_is_refused(encoder, prepared):
    with pytest.raises(ValueError, match="knows 16 frames, motions have 32"):
        network_of(load_run(encoder), prepared.test.resampled(32))


def test_memory_mapped_motions_are_scored(prepared, encoder, tmp_path):
    write_motions(prepared.test, tmp_path / "folder")
    report = evaluate(tmp_path / "folder", encoder=encoder, only=["mmd_frame"])
    assert report["mmd_frame"].score.value == 0


def test_an_adapted_module_gives_features(prepared, tmp_path):
    write_motions(synthesise(DATA["classes"], subjects=4, repeats=1, frames=16), tmp_path / "real.npz")
    inner = small_network()
    network = Adapted(inner, name="theirs", data="noise", class_names=prepared.test.class_names)
    options = {"reference": tmp_path / "real.npz", "split": "xsub"}
    report = evaluate(prepared.test, encoder=network, **options)
    score = report["frechet"].score
    assert (score.network, score.network_data, score.network_hash) == ("theirs", "noise", network.hash)
    assert report["accuracy"] and "features: theirs" in report.to_text()
    nameless = Adapted(inner, name="theirs", data="noise")
    assert "accuracy" not in {row.score.metric for row in evaluate(prepared.test, encoder=nameless, **options).rows}
    with pytest.raises(TypeError, match="Sequential has no features"):
        evaluate(prepared.test, encoder=inner, **options)


def test_one_encoder_or_several_are_opened(encoder):
    inner = small_network()
    assert open_encoders(None) == [] and open_encoders(inner) == [inner]
    run, module = open_encoders([encoder, inner])
    assert run.path == encoder and module is inner


def test_the_run_of_a_generator_is_no_encoder(gan, encoder):
    with pytest.raises(ValueError, match="model gan recognises nothing; expected a recognition network"):
        open_encoders(gan)
    with pytest.raises(ValueError, match="recognises nothing"):
        open_encoders([encoder, gan])


def test_two_encoders_with_the_same_weights_are_refused(encoder, prepared):
    theirs = Adapted(small_network(), name="theirs", data="noise")
    run = load_run(encoder)
    assert [network.name for network in open_networks([run, theirs], prepared.test)] == ["st-gcn encoder", "theirs"]
    with pytest.raises(ValueError, match="encoder 3 has the weights of one before it"):
        open_networks([run, theirs, run], prepared.test)


def test_a_network_that_knows_other_classes_is_refused(gan, encoder, tmp_path):
    experiment = load_experiment(
        model="encoder",
        data={**DATA, "classes": ["walk", "wave"]},
        encoder={"widths": [8]},
        training={"steps": 1, "sample_every": 0, "accelerator": "cpu"},
    )
    run = fit(experiment, tmp_path / "other", progress=False)
    with pytest.raises(ValueError, match=f"{run}: the recognition network knows other classes"):
        evaluate(gan, encoder=[encoder, run])


def test_read_only_motions_are_copied(prepared):
    motion = np.array(prepared.test.motion)
    motion.flags.writeable = False
    sample = plain_sample(type(prepared.test)(motion, prepared.test.label, DATA["classes"], prepared.test.skeleton))
    sample.motion[0] = 0
    assert motion[0].any()
