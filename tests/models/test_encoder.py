"""The recognition network: shapes, what its features do not depend on, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from kinetic.models.encoder import Encoder
from kinetic.models.tensors import weights_hash
from kinetic.skeleton import COCO17, H36M16, NTU25, NTU25_2D
from kinetic.training.encoder import turn

SMALL = (4, 4, 8)


def encoder(skeleton=NTU25, *, frames=16, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Encoder(skeleton, classes=5, frames=frames, widths=SMALL, **options).eval()


def motions(n=3, *, skeleton=NTU25, frames=16, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, skeleton.channels, frames, len(skeleton.joints), generator=rng)


@pytest.mark.parametrize("skeleton", [NTU25, NTU25_2D, H36M16, COCO17], ids=lambda skeleton: skeleton.name)
def test_motions_of_any_skeleton_become_features_and_scores(skeleton):
    network = encoder(skeleton)
    assert network.features(motions(skeleton=skeleton)).shape == (3, network.width) == (3, 8)
    assert network(motions(skeleton=skeleton)).shape == (3, 5)


def test_default_halves_the_frames_where_it_widens():
    network = Encoder(NTU25, classes=60)
    shapes = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape)))
    network(motions(2, frames=64))
    assert shapes == [(25, 2, t, c) for t, c in [(32, 32), (32, 32), (16, 64), (16, 64), (8, 128)]]


def test_scores_are_the_last_layer_on_the_features():
    network = encoder()
    torch.testing.assert_close(network(motions()), network.head(network.features(motions())))


def test_features_of_a_motion_do_not_depend_on_its_batch():
    network, motion = encoder(), motions(6)
    torch.testing.assert_close(network.features(motion)[2:3], network.features(motion[2:3]), rtol=1e-4, atol=1e-5)


def test_features_depend_on_movement_and_not_on_place():
    network, motion = encoder(), motions()
    moved = motion + torch.tensor([3.0, -1, 5]).view(1, 3, 1, 1)
    torch.testing.assert_close(network.features(moved), network.features(motion), rtol=1e-3, atol=1e-4)
    walking = motion + torch.linspace(0, 2, 16).view(1, 1, -1, 1)
    assert (network.features(walking) - network.features(motion)).abs().max() > 1e-2


@pytest.mark.parametrize("facing", [False, True])
def test_features_depend_on_direction_unless_facing(facing):
    network, motion = encoder(facing=facing), motions()
    turned = turn(motion, torch.tensor([0.3, 1.5, math.pi]))
    change = (network.features(turned) - network.features(motion)).abs().max()
    assert (change < 1e-4) == facing


def test_facing_turns_the_trunk_along_x():
    network = encoder(facing=True)
    across = network.normalise(motions())[:, :, 0] @ network.across
    assert (across[:, 0] > 0).all()
    assert across[:, 2].abs().max() < 1e-5


def test_the_trunk_ends_in_shoulders_and_hips():
    across = encoder(facing=True).across
    named = {NTU25.joints[joint]: float(across[joint]) for joint in across.nonzero().flatten()}
    assert named == {"ShoulderLeft": 0.5, "HipLeft": 0.5, "ShoulderRight": -0.5, "HipRight": -0.5}


def test_options_without_weights_leave_the_weights_and_change_the_hash():
    turned, plain = encoder(facing=True), encoder()
    assert weights_hash(turned) == weights_hash(plain) == plain.hash != turned.hash


def test_gradients_reach_the_motion():
    motion = motions().requires_grad_(True)
    encoder(facing=True).features(motion).sum().backward()
    assert torch.isfinite(motion.grad).all()
    assert motion.grad.abs().sum() > 0


def test_hash_changes_with_the_weights():
    one, same = encoder(), encoder()
    assert one.hash == same.hash
    assert len(one.hash) == 12
    with torch.no_grad():
        same.head.bias[0] += 1e-6
    assert one.hash != same.hash


def test_a_network_is_the_same_after_saving(tmp_path):
    one = encoder()
    torch.save(one.state_dict(), tmp_path / "encoder.pt")
    other = Encoder(NTU25, classes=5, frames=16, widths=SMALL).eval()
    other.load_state_dict(torch.load(tmp_path / "encoder.pt", weights_only=True))
    assert torch.equal(one(motions()), other(motions()))


@pytest.mark.parametrize("shape", [(3, 16, 25), (2, 2, 16, 25), (2, 3, 15, 25), (2, 3, 16, 24)])
def test_other_motions_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(N, 3, 16, 25\).*got shape"):
        encoder()(torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 1}, "two classes"),
        ({"widths": ()}, "a width"),
        ({"dropout": 1.0}, "dropout"),
        ({"frames": 15}, "pairs"),
        ({"frames": 10, "widths": (8, 16, 32)}, "halved"),
        ({"channels": 2}, "3 coordinates"),
        ({"kernel": 4}, "odd"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Encoder(NTU25, **{"classes": 5, **options})


def test_facing_needs_sides_and_three_coordinates():
    for skeleton in (NTU25_2D, replace(NTU25, left=(), right=())):
        with pytest.raises(ValueError, match="facing needs"):
            Encoder(skeleton, classes=5, facing=True)
