"""The two knobs of a generator: truncation and the noise of its blocks."""

import numpy as np
import pytest
import torch
from PIL import Image

from kinetic.evaluation.comparison import open_comparison
from kinetic.evaluation.sweeps import (
    PUBLISHED_DEVIATION,
    draw_joint_variation,
    draw_truncation,
    joint_variation,
    truncation_curve,
)
from kinetic.families.experiments import load_experiment
from kinetic.families.motions import prepare
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs.fit import fit
from kinetic.runs.run import load_run
from kinetic.runs.sample import sample
from kinetic.skeleton import NTU25

EXPERIMENT = {
    "data": {"frames": 16, "batch_size": 8, "classes": ["walk", "wave"], "synthetic": {"subjects": 4, "repeats": 1}},
    "generator": {"latent": 8, "mapping_depth": 2, "widths": [8] * 5, "mapping": "equalized"},
    "critic": {"widths": [8] * 6},
    "training": {"steps": 2, "sample_every": 0, "accelerator": "cpu"},
}


@pytest.fixture(scope="module")
def train():
    return prepare(load_experiment(**EXPERIMENT)).train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load_run(fit(load_experiment(**EXPERIMENT), tmp_path_factory.mktemp("runs") / "gan", progress=False))


def test_variety_shrinks_with_truncation_and_the_curve_is_drawn(run, tmp_path):
    curve = truncation_curve(open_comparison(run), psi=(0.0, 0.5, 1.0), seeds=1)
    assert list(curve) == [0.0, 0.5, 1.0]
    apd = [report["apd"].score.value for report in curve.values()]
    assert apd[0] < apd[1] < apd[2]
    assert [report["apd"].score.truncation for report in curve.values()] == [0.0, 0.5, 1.0]
    with Image.open(draw_truncation(curve, tmp_path / "curve.png")) as image:
        assert np.asarray(image.convert("L")).std() > 5


def test_motions_of_a_file_have_no_curve(run, tmp_path):
    generated = sample(run, count=2, out=tmp_path / "generated.npz")
    write_motions(synthesise(["walk", "wave"], subjects=4, repeats=1, frames=16), tmp_path / "real.npz")
    comparison = open_comparison(generated, reference=tmp_path / "real.npz")
    with pytest.raises(ValueError, match="only a generator can be truncated"):
        truncation_curve(comparison)


def test_the_published_figure_has_every_joint():
    assert set(PUBLISHED_DEVIATION) == set(NTU25.joints)
    assert PUBLISHED_DEVIATION["SpineBase"] == 0.145 and PUBLISHED_DEVIATION["FootRight"] == 0.193


def test_joints_vary_with_the_noise_and_not_without(run, train, tmp_path):
    with torch.no_grad():
        weights = [weight for name, weight in run.sampler.named_parameters() if "noise" in name]
        assert len(weights) == 7
        for weight in weights:
            weight.zero_()
        assert max(joint_variation(run, train, latents=3, draws=3).metres) < 1e-6
        for weight in weights:
            weight.fill_(0.2)
    variation = joint_variation(run, train, latents=14, draws=3)
    assert min(variation.metres) > 1e-4 and len(variation.metres) == 25
    assert (
        joint_variation(run, train, latents=14, draws=3)
        == variation
        != joint_variation(run, train, latents=14, draws=3, seed=1)
    )
    ratio = np.array(variation.metres) / np.array(variation.scaled)
    assert ratio == pytest.approx(float(run.sampler.scaler.scale.max()))  # this run learned in [-1, 1]
    with Image.open(draw_joint_variation(variation, tmp_path / "joints.png")) as image:
        assert np.asarray(image.convert("L")).std() > 5


def test_too_few_draws_are_refused(run, train):
    with pytest.raises(ValueError, match="two draws"):
        joint_variation(run, train, draws=1)
