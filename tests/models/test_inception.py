"""The image network compared with that of pytorch-fid, and what it refuses.

`reference/inception_features.npy`, (4, 64), is every 32nd feature that pytorch-fid 0.2.0 gave, on the `inception.py` of
torchvision 0.29.2 and torch 2.13.0, for the weights of `seeded` (loaded strictly, in place of the downloaded ones) and
the images of `images`: its `InceptionV3().eval()(x)[0].flatten(1)[:, ::32]` for x = images in [0, 1], then for the same
in [-1, 1], which is the published fault.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from kinetic.models import inception
from kinetic.models.inception import Inception, InceptionFeatures, load_inception

REFERENCE = Path(__file__).parents[1] / "reference/inception_features.npy"


def seeded(shapes, seed=0):
    """Weights drawn name by name in sorted order from [0, 1), then scaled so that features stay between 0 and 200."""
    rng = torch.Generator().manual_seed(seed)
    state = {}
    for name in sorted(shapes):
        shape = shapes[name]
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.int64)
            continue
        draw = torch.rand(shape, generator=rng)
        if name.endswith("conv.weight"):
            state[name] = (2 * draw - 1) * (6 / (shape[1] * shape[2] * shape[3])) ** 0.5
        elif name.endswith(("bn.weight", "running_var")):
            state[name] = 0.5 + draw
        elif name == "fc.weight":
            state[name] = (2 * draw - 1) * (6 / shape[1]) ** 0.5
        else:
            state[name] = (2 * draw - 1) * 0.2
    return state


def images():
    """Two in [0, 1]: (2, 3, 64, 25)."""
    return torch.rand((2, 3, 64, 25), generator=torch.Generator().manual_seed(1))


def motions(n):
    return torch.rand((n, 3, 8, 5), generator=torch.Generator().manual_seed(2)) * 2 - 1


@pytest.fixture(scope="module")
def network():
    network = Inception()
    network.load_state_dict(seeded({name: value.shape for name, value in network.state_dict().items()}))
    return network


@pytest.fixture
def weights(tmp_path, network):
    """A file in the form of torch before 1.6, as the published one has it, without counters of batches."""
    path = tmp_path / "weights.pth"
    state = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    torch.save(state, path, _use_new_zipfile_serialization=False)
    yield path
    path.unlink()  # 96 MB


def reference():
    return torch.from_numpy(np.load(REFERENCE))


@torch.no_grad()
def test_features_are_those_of_pytorch_fid(network):
    features = network.features(images())
    assert features.shape == (2, 2048)
    torch.testing.assert_close(features[:, ::32], reference()[:2], rtol=1e-4, atol=1e-4)


def test_motions_in_the_published_range_have_the_features_of_pytorch_fid(network):
    features = InceptionFeatures(network).features(2 * images() - 1)
    torch.testing.assert_close(features[:, ::32], reference()[2:], rtol=1e-4, atol=1e-4)


def test_motions_in_the_right_range_are_images_from_0_to_1(network):
    features = InceptionFeatures(network, range_fault=False).features(2 * images() - 1)
    torch.testing.assert_close(features[:, ::32], reference()[:2], rtol=1e-4, atol=1e-4)


def counting(x):
    """torchvision's average, in which zeros beyond the edge count."""
    return torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1)


@pytest.mark.parametrize(
    ("block", "pool"),
    [("Mixed_5b", counting), ("Mixed_6c", counting), ("Mixed_7b", counting), ("Mixed_7c", inception._average)],
    ids=["5b", "6c", "7b", "7c"],
)
@torch.no_grad()
def test_the_pooling_of_torchvision_differs(network, monkeypatch, block, pool):
    monkeypatch.setattr(network.get_submodule(block), "pool", pool)
    expected = reference()[:1]
    assert ((network.features(images()[:1])[:, ::32] - expected).abs() > 1e-4 + 1e-4 * expected).any()


def test_rows_are_frames_and_columns_are_joints(network):
    inputs = []
    hook = network.Conv2d_1a_3x3.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    over_time = torch.linspace(-1, 1, 8).view(1, 1, -1, 1).expand(1, 3, 8, 5)
    for range_fault in (True, False):
        InceptionFeatures(network, range_fault=range_fault).features(over_time)
    hook.remove()
    for x, lowest in zip(inputs, (-3, -1), strict=True):
        assert x.shape == (1, 3, 299, 299)
        assert x.std(dim=3).max() < 1e-5
        torch.testing.assert_close(x[0, 0, [0, -1], 0], torch.tensor([lowest, 1.0]))


def test_features_do_not_depend_on_chunks(network, monkeypatch):
    whole = InceptionFeatures(network).features(motions(2))
    monkeypatch.setattr(inception, "CHUNK", 1)
    torch.testing.assert_close(InceptionFeatures(network).features(motions(2)), whole, rtol=1e-4, atol=1e-4)


def test_motions_of_another_precision_are_converted(network):
    features = InceptionFeatures(network)
    torch.testing.assert_close(features.features(motions(1).double()), features.features(motions(1)))


def test_no_motions_have_no_features(network):
    assert InceptionFeatures(network).features(torch.zeros(0, 3, 8, 5)).shape == (0, 2048)


@torch.no_grad()
def test_scores_are_the_last_layer_on_the_features(network):
    scores = network(images()[:1])
    assert scores.shape == (1, 1008)
    torch.testing.assert_close(scores, network.fc(network.features(images()[:1])))


def test_the_network_stays_in_evaluation_mode(network):
    features = InceptionFeatures(network).train()
    assert not any(module.training for module in features.modules())
    assert not features.features(motions(1).requires_grad_()).requires_grad
    assert not Inception().train().Mixed_6a.training


def test_a_score_holds_name_data_and_hash_of_its_network(network):
    faulty, right = InceptionFeatures(network), InceptionFeatures(network, range_fault=False)
    assert faulty.width == right.width == 2048
    assert faulty.hash == right.hash == network.hash
    assert len(faulty.hash) == 12
    assert faulty.name != right.name
    assert "range_fault=True" in repr(faulty)


def test_weights_survive_a_file_of_the_old_form(network, weights, monkeypatch):
    assert load_inception(weights, published=False).hash == network.hash
    with pytest.raises(ValueError, match=r"weights.pth: expected the published pt_inception.*6726825d.*=False"):
        load_inception(weights)
    monkeypatch.setattr(inception, "PUBLISHED", hashlib.sha256(weights.read_bytes()).hexdigest())
    assert load_inception(weights).hash == network.hash
    monkeypatch.setattr(inception, "LARGEST", 1000)
    with pytest.raises(ValueError, match="expected the published"):
        load_inception(weights)


def test_a_missing_file_says_what_to_pass(tmp_path):
    message = r"none.pth: .*pt_inception-2015-12-05-6726825d.pth.*pytorch-fid on GitHub.*Nothing is downloaded"
    with pytest.raises(FileNotFoundError, match=message):
        load_inception(tmp_path / "none.pth")


@pytest.mark.parametrize("name", ["https://example.org/x.pth", "folder", "text.pth", "other.pth"])
def test_another_file_is_refused_by_name(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.pth").write_text("weights")
    torch.save({"fc.weight": torch.zeros(1008, 2048)}, tmp_path / "other.pth")
    path = name if "://" in name else tmp_path / name
    with pytest.raises(ValueError, match=name.rsplit("/", 1)[-1]):
        load_inception(path, published=False)


def test_missing_and_foreign_weights_are_named(tmp_path):
    torch.save({"fc.weight": torch.zeros(1008, 2048), "AuxLogits.fc.bias": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"471 are missing \(Conv2d_1a_3x3.*1 are unexpected \(AuxLogits.fc.bias\)"):
        load_inception(tmp_path / "other.pth", published=False)


@pytest.mark.parametrize(
    ("motion", "message"),
    [
        (torch.zeros(2, 2, 8, 5), "three colours.*2 coordinates"),
        (torch.zeros(3, 8, 5), "four axes"),
        (torch.full((2, 3, 8, 5), 3.0), "scaled to .* 3 from 0"),
        (torch.tensor([0.0, torch.nan]).view(2, 1, 1, 1).expand(2, 3, 8, 5), "rows 1"),
    ],
)
def test_motions_that_are_no_pictures_are_refused(network, motion, message):
    with pytest.raises(ValueError, match=message):
        InceptionFeatures(network).features(motion)


@pytest.mark.parametrize(
    ("image", "message"), [(torch.zeros(2, 1, 8, 8), "N, 3, H, W"), (torch.full((1, 3, 8, 8), torch.inf), "rows 0")]
)
def test_other_pictures_are_refused(network, image, message):
    with pytest.raises(ValueError, match=message):
        network.features(image)
