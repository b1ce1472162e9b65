import numpy as np
import pytest
import torch

from kinetic.nn.noise import GaussianNoise, LabelEmbedding, QuantileNoise, plain_draw, quantile_mask


class Linear(torch.nn.Module):
    """A simple generator: every entry of the motion is a fixed multiple of the latent."""

    def __init__(self):
        super().__init__()
        self.steps = torch.arange(1.0, 97.0).view(1, 3, 16, 2)

    def draw_noise(self, n, *, like, rng=None):
        return []

    def forward(self, z, label, noise=None):
        return self.steps * z[:, :1, None, None]


def test_noise_is_off_by_default_and_in_eval():
    x = torch.randn(5, 2, 4, 3)
    assert GaussianNoise()(x) is x
    assert GaussianNoise(1.0).eval()(x) is x


@pytest.mark.parametrize(("shared", "different"), [("call", 1), ("sample", 2), ("entry", 120)])
def test_noise_is_shared_per_call_or_sample_or_entry(shared, different):
    x = torch.zeros(5, 2, 4, 3)
    y = GaussianNoise(1.0, shared=shared)(x)
    assert len(y.unique()) == different
    if shared == "sample":
        assert len(y[:, 0].unique()) == 1


def test_noise_has_its_standard_deviation_and_fades():
    noise, x = GaussianNoise(0.5, decay=100), torch.zeros(10, 10, 100, 10)
    assert noise(x).std().item() == pytest.approx(0.5, rel=0.02)
    noise.fade(50)
    assert noise(x).std().item() == pytest.approx(0.25, rel=0.02)
    noise.fade(200)
    assert noise(x) is x


@pytest.mark.parametrize("wrong", [{"std": -1.0}, {"std": float("nan")}, {"decay": 0}, {"shared": "joint"}])
def test_noise_refuses_wrong_options(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GaussianNoise(**wrong)


def test_label_embedding_is_disturbed_only_while_training():
    plain, smooth = LabelEmbedding(4, 100), LabelEmbedding(4, 100, smoothing=2.0)
    smooth.load_state_dict(plain.state_dict())
    label = torch.tensor([0, 3, 3])
    assert torch.equal(plain(label), smooth.eval()(label))
    gap = (smooth.train()(label) - plain(label)).detach()
    assert gap.std().item() == pytest.approx(2.0, rel=0.2)
    assert not torch.equal(gap[1], gap[2])
    assert "smoothing=2.0" in repr(smooth)


@pytest.mark.parametrize("q", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_mask_keeps_the_largest_changes(q):
    a, b = torch.zeros(100), torch.arange(100.0)
    assert quantile_mask(a, b, q).nonzero().min() == int(np.ceil(q * 99))


def test_plain_draw_returns_the_motions_of_the_generator():
    z, label = torch.randn(4, 7), torch.zeros(4, dtype=torch.int64)
    assert torch.equal(plain_draw(Linear(), z, label), Linear()(z, label))


def test_quantile_noise_falls_where_the_motion_moves_most():
    generator, z = Linear(), torch.ones(1, 1)
    motion = generator(z, None)
    changed = QuantileNoise(0.5, nudge=0.1, std=1.0)(generator, z, None) != motion
    assert changed.sum() == 48 and changed.flatten()[48:].all()


def test_quantile_gain_is_one_factor():
    generator, z = Linear(), torch.ones(2, 1)
    gain = QuantileNoise(0.5, nudge=0.1, std=1.0, kind="gain")(generator, z, None) / generator(z, None)
    assert len(gain.flatten().double().round(decimals=4).unique()) == 2


def test_quantile_noise_of_no_strength_changes_nothing():
    generator, z = Linear(), torch.randn(2, 1)
    assert torch.equal(QuantileNoise(std=0.0)(generator, z, None), generator(z, None))


def test_quantile_noise_passes_gradients_to_the_latent():
    z = torch.ones(1, 1, requires_grad=True)
    QuantileNoise(0.5, std=0.3)(Linear(), z, None).sum().backward()
    assert z.grad.item() == pytest.approx(96 * 97 / 2)


@pytest.mark.parametrize("wrong", [{"q": 1.5}, {"std": -1.0}, {"kind": "times"}])
def test_quantile_noise_refuses_wrong_options(wrong):
    with pytest.raises(ValueError):
        QuantileNoise(**wrong)
