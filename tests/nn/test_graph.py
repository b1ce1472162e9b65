import numpy as np
import pytest
import torch
from torch.nn import functional

from kinetic.nn.graph import (
    GraphConv,
    JointMap,
    PointConv,
    Resize,
    TemporalConv,
    from_joints_first,
    stride,
    to_joints_first,
)


def literal_graph_conv(module, x, spread=None, select=None, constant=None):
    """Spread, transform with one weight per group, aggregate, select: on (N, C, T, V)."""
    if spread is not None:
        x = x @ spread
    if constant is not None:
        n, _, t, v = x.shape
        x = torch.cat([constant[:, :, None, None].expand(n, -1, t, v), x], dim=1)
    y = torch.einsum("kdc,nctv->nkdtv", module.weight, x)
    y = torch.einsum("nkdtv,kvw->ndtw", y, module.adjacency.to(y) * module.importance)
    return y if select is None else y @ select


def random_graph(joints, seed=0, groups=3):
    rng = np.random.default_rng(seed)
    adjacency = rng.random((groups, joints, joints)) * (rng.random((groups, joints, joints)) < 0.5)
    adjacency[1] = 0
    return adjacency


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 8), (8, 3), (6, 6)])
@pytest.mark.parametrize("kind", ["plain", "spread", "select", "constant"])
def test_graph_conv_equals_its_literal_form(kind, inputs, outputs):
    torch.manual_seed(0)
    rng = np.random.default_rng(1)
    spread = rng.random((2, 7)) if kind == "spread" else None
    select = np.eye(7)[:, [1, 4]] if kind == "select" else None
    module = GraphConv(
        random_graph(7), inputs, outputs, spread=spread, select=select, constant=5 if kind == "constant" else 0
    ).double()
    torch.nn.init.normal_(module.importance)
    x = torch.randn(4, inputs, 6, 2 if kind == "spread" else 7, dtype=torch.float64)
    constant = torch.randn(4, 5, dtype=torch.float64) if kind == "constant" else None
    maps = [None if m is None else torch.as_tensor(m, dtype=torch.float32).double() for m in (spread, select)]
    expected = literal_graph_conv(module, x, *maps, constant)
    y = from_joints_first(module(to_joints_first(x), constant))
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)


def test_groups_without_edges_are_not_computed_but_keep_their_weights():
    module = GraphConv(random_graph(5), 3, 4)
    assert module.groups == [0, 2] and module.weight.shape[0] == 3
    module(torch.randn(5, 2, 4, 3)).sum().backward()
    assert module.weight.grad[1].abs().max() == 0 and module.weight.grad[0].abs().max() > 0


def test_the_cheaper_order_is_taken():
    assert GraphConv(random_graph(9), 32, 4, spread=np.ones((1, 9))).channels_first
    assert not GraphConv(random_graph(9), 32, 32, select=np.eye(9)[:, :1]).channels_first


@pytest.mark.parametrize("frames", [16, 8, 4, 1])
def test_temporal_conv_equals_convolution_then_nearest_resize(frames):
    module = TemporalConv(3, 5).double()
    x = torch.randn(2, 3, 16, 7, dtype=torch.float64)
    conv = functional.conv2d(x, module.weight.transpose(2, 3), module.bias, padding=(1, 0))
    expected = functional.interpolate(conv, size=(frames, 7))
    torch.testing.assert_close(from_joints_first(module(to_joints_first(x), frames)), expected)


@pytest.mark.parametrize("frames", [16, 8])
def test_temporal_conv_can_repeat_the_ends(frames):
    module = TemporalConv(3, 5, kernel=5, padding="edge").double()
    x = torch.randn(2, 3, 16, 7, dtype=torch.float64)
    beyond = functional.pad(x, (0, 0, 2, 2), mode="replicate")
    expected = functional.interpolate(
        functional.conv2d(beyond, module.weight.transpose(2, 3), module.bias), size=(frames, 7)
    )
    torch.testing.assert_close(from_joints_first(module(to_joints_first(x), frames)), expected)
    still = torch.randn(7, 2, 1, 3, dtype=torch.float64).expand(-1, -1, 16, -1)
    torch.testing.assert_close(module(still)[:, :, 0], module(still)[:, :, 8])  # the ends are like the middle


@pytest.mark.parametrize(("options", "message"), [({"kernel": 4}, "odd"), ({"padding": "wrap"}, "zeros or edge")])
def test_temporal_conv_refuses_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        TemporalConv(3, 3, **options)


@pytest.mark.parametrize("kind", ["nearest", "linear"])
@pytest.mark.parametrize(("frames", "to"), [(1, 4), (4, 8), (8, 8)])
def test_resize_equals_interpolation(kind, frames, to):
    x = torch.randn(2, 3, frames, 5)
    mode = "nearest" if kind == "nearest" else "bilinear"
    expected = functional.interpolate(x, size=(to, 5), mode=mode)
    y = from_joints_first(Resize(frames, to, kind=kind)(to_joints_first(x)))
    torch.testing.assert_close(y, expected)


def test_uneven_thinning_is_refused():
    assert stride(64, 16) == 4
    with pytest.raises(ValueError, match="64 frames .* 20"):
        stride(64, 20)


def test_joint_map_of_two_joints():
    mean = JointMap(np.array([[1.0, 0.5], [0.0, 0.5]]))
    x = torch.tensor([2.0, 4.0]).view(2, 1, 1, 1)
    assert mean(x).flatten().tolist() == [2.0, 3.0]


def test_point_conv_is_a_1x1_convolution():
    module = PointConv(3, 5)
    x = torch.randn(2, 3, 4, 6)
    expected = functional.conv2d(x, module.weight[:, :, None, None], module.bias)
    torch.testing.assert_close(from_joints_first(module(to_joints_first(x))), expected)
