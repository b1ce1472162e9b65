import numpy as np
import pytest
import torch
from torch.nn import functional

from kinetic.nn.blocks import NORMS, SLOPE, DownBlock, PixelNorm, UpBlock
from kinetic.nn.graph import from_joints_first, to_joints_first
from kinetic.nn.noise import GaussianNoise

ADJACENCY = np.random.default_rng(0).random((3, 5, 5))
SPREAD = np.random.default_rng(1).random((2, 5))
KEEP = np.eye(5)[:, [4, 1]]


def up_block(spread=SPREAD, frames=(4, 8), **options):
    torch.manual_seed(0)
    defaults = {"norm": None, "skip_norm": None, "residual": "none", "upsampling": "nearest", "padding": "zeros"}
    return UpBlock(ADJACENCY, spread, 3, 6, frames, activation=torch.tanh, **(defaults | options)).double()


def down_block(keep=KEEP, frames=(8, 4), **options):
    torch.manual_seed(0)
    defaults = {"residual": "none", "noise": GaussianNoise()}
    return DownBlock(ADJACENCY, keep, 3, 6, frames, **(defaults | options)).double()


def literal(block, x, frames):
    """Graph convolution of all joints, then convolution over all frames: (N, C, T, V) -> (N, D, T', V)."""
    y = torch.einsum("kdc,nctv,kvw->ndtw", block.graph.weight, x, torch.as_tensor(ADJACENCY))
    y = functional.interpolate(y, size=(frames, y.shape[3]))
    return functional.conv2d(y, block.time.weight.transpose(2, 3), block.time.bias, padding=(1, 0))


def run(block, x, *inputs):
    return from_joints_first(block(to_joints_first(x), *inputs))


@pytest.mark.parametrize("residual", ["none", "conv"])
def test_up_block_equals_spreading_joints_and_frames_first(residual):
    block, x = up_block(residual=residual), torch.randn(2, 3, 4, 2, dtype=torch.float64)
    wide = x @ torch.as_tensor(SPREAD)
    expected = literal(block, wide, 8)
    if residual == "conv":
        skip = functional.conv2d(wide, block.skip.weight[:, :, None, None], block.skip.bias)
        expected = expected + functional.interpolate(skip, size=(8, 5))
    y = run(block, x, torch.zeros(2, 1, 8, 5, dtype=torch.float64))
    torch.testing.assert_close(y, expected.tanh(), rtol=1e-5, atol=1e-6)  # the maps are kept in float32


def test_up_block_adds_its_input_where_the_residual_is_the_identity():
    block = UpBlock(
        ADJACENCY, None, 3, 3, (4, 8), norm=None, skip_norm=NORMS["batch"], residual="identity", upsampling="nearest",
        padding="zeros", activation=torch.nn.Identity(),
    )  # fmt: skip
    assert block.skip is None and block.skip_norm is None
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(2, 3, 4, 5)
    y = run(block, x, torch.zeros(2, 1, 8, 5))
    torch.testing.assert_close(y, functional.interpolate(x, size=(8, 5)))


def test_up_block_scales_its_stochastic_input_per_channel_from_zero():
    block, x = up_block(), torch.randn(2, 3, 4, 2, dtype=torch.float64)
    noise = torch.randn(2, 1, 8, 5, dtype=torch.float64)
    still = run(block, x, torch.zeros_like(noise))
    assert torch.equal(run(block, x, noise), still)
    with torch.no_grad():
        block.noise[2] = 0.5
    y = run(block, x, noise)
    torch.testing.assert_close(y[:, 2].atanh(), still[:, 2].atanh() + 0.5 * noise[:, 0])
    assert torch.equal(y[:, :2], still[:, :2])


def test_up_block_normalises_the_map_and_the_skip():
    block = up_block(norm=NORMS["pixel"], skip_norm=NORMS["batch"], residual="conv")
    assert type(block.norm) is PixelNorm and type(block.skip_norm) is NORMS["batch"]
    assert up_block(norm=NORMS["pixel"], skip_norm=NORMS["batch"]).skip_norm is None  # there is no skip


@pytest.mark.parametrize("residual", ["none", "conv"])
def test_down_block_equals_selecting_joints_and_frames_last(residual):
    block, x = down_block(residual=residual), torch.randn(2, 3, 8, 5, dtype=torch.float64)
    y = literal(block, x, 8)
    if residual == "conv":
        y = y + functional.conv2d(x, block.skip.weight[:, :, None, None], block.skip.bias)
    expected = functional.leaky_relu(y[:, :, ::2] @ torch.as_tensor(KEEP), SLOPE)
    torch.testing.assert_close(run(block, x), expected, rtol=1e-5, atol=1e-6)


def test_down_block_takes_the_label_as_constant_channels():
    block = down_block(constant=4)
    x, label = torch.randn(2, 3, 8, 5, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    painted = torch.cat([label[:, :, None, None].expand(-1, -1, 8, 5), x], dim=1)
    expected = functional.leaky_relu(literal(block, painted, 8)[:, :, ::2] @ torch.as_tensor(KEEP), SLOPE)
    torch.testing.assert_close(run(block, x, label), expected, rtol=1e-5, atol=1e-6)


def test_down_block_is_noisy_only_where_it_drops_joints():
    noise, x = GaussianNoise(1.0), torch.randn(2, 3, 8, 5, dtype=torch.float64)
    assert down_block(keep=None, noise=noise).noise is None
    block = down_block(noise=noise)
    assert not torch.equal(run(block, x), run(block, x))
    assert torch.equal(run(block.eval(), x), run(block, x))


def test_down_block_leaves_its_input_as_it_is():
    x = torch.randn(5, 2, 8, 3, dtype=torch.float64)
    before = x.clone()
    down_block(residual="conv")(x)
    assert torch.equal(x, before)


def test_blocks_refuse_frames_that_do_not_divide():
    with pytest.raises(ValueError, match="8 frames .* 3"):
        down_block(frames=(8, 3))
    with pytest.raises(ValueError, match="8 frames .* 3"):
        up_block(frames=(3, 8))


def test_pixel_norm_brings_channels_to_unit_size():
    norm, x = PixelNorm(4), 7 * torch.randn(5, 2, 3, 4)
    torch.testing.assert_close(norm(x).square().mean(dim=-1), torch.ones(5, 2, 3))
    assert norm(torch.zeros(1, 1, 1, 4)).abs().max() == 0
    with torch.no_grad():
        norm.weight.fill_(2.0)
        norm.bias.fill_(1.0)
    torch.testing.assert_close(norm(x), 2 * PixelNorm(4)(x) + 1)


def test_pixel_norm_is_blind_to_other_motions_and_batch_norm_is_not():
    x = torch.randn(5, 2, 3, 4)
    others = x.clone()
    others[:, 1] += 1
    for name, blind in (("pixel", True), ("batch", False)):
        norm = NORMS[name](4)
        assert torch.equal(norm(x)[:, 0], norm(others)[:, 0]) == blind
