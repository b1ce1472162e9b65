import pytest
import torch

from kinetic.nn.pooling import POOLING, attention_pool, gem_pool, max_pool, mean_pool

X = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[-1.0, -1.0], [-1.0, -5.0]]]])  # (1, 2, 2, 2)


def test_mean_and_max_of_a_small_map():
    assert mean_pool(X).tolist() == [[3.0, -2.0]]
    assert max_pool(X).tolist() == [[6.0, -1.0]]


def test_gem_lies_between_mean_and_max_and_reaches_both():
    positive = X.abs().double()
    assert torch.allclose(gem_pool(positive, power=1.0), mean_pool(positive))
    assert torch.allclose(gem_pool(positive, power=200.0), max_pool(positive), rtol=0.01)
    assert (gem_pool(positive) > mean_pool(positive)).all() and (gem_pool(positive) < max_pool(positive)).all()


def test_gem_of_negative_responses_is_finite():
    assert gem_pool(-X.abs()).isfinite().all()


def test_attention_of_a_flat_map_is_the_mean():
    flat = torch.full((2, 3, 4, 5), 0.7)
    assert torch.allclose(attention_pool(flat), mean_pool(flat))


def test_attention_looks_at_the_strongest_place():
    x = torch.zeros(1, 2, 1, 2)
    x[0, :, 0, 1] = 30.0
    assert torch.allclose(attention_pool(x), torch.tensor([[30.0, 30.0]]))


@pytest.mark.parametrize("name", POOLING)
def test_pooling_ignores_the_order_of_joints_and_frames(name):
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    shuffled = x[..., torch.randperm(5)][:, :, torch.randperm(4)]
    assert torch.allclose(POOLING[name](x), POOLING[name](shuffled))
    assert POOLING[name](x).shape == (2, 3)
