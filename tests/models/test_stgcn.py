import numpy as np
import pytest
import torch

from kinetic.models.stgcn import Critic, Generator, MappingNetwork
from kinetic.nn.noise import GaussianNoise
from kinetic.nn.pooling import POOLING
from kinetic.skeleton import COCO17, H36M16, NTU25, SkeletonPyramid

PYRAMID = SkeletonPyramid.of(NTU25)
SMALL = {"latent": 8, "widths": (16, 8, 8, 8, 8)}
NARROW = {"widths": (8, 8, 8, 8, 16, 16)}


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.randn(4, 3, 32, 25), torch.tensor([0, 1, 4, 1])


def critic(**options):
    torch.manual_seed(1)
    return Critic(PYRAMID, classes=5, frames=32, **NARROW, **options)


def test_published_sizes():
    generator = Generator(PYRAMID, classes=60)
    critic = Critic(PYRAMID, classes=60)
    assert sum(p.numel() for p in generator.parameters()) == 3_944_401
    assert sum(p.numel() for p in critic.parameters()) == 3_332_115


@pytest.mark.parametrize("skeleton", [NTU25, H36M16, COCO17], ids=lambda s: s.name)
@pytest.mark.parametrize("frames", [16, 48, 128])
@pytest.mark.parametrize("channels", [2, 3])
def test_any_skeleton_length_and_dimension(skeleton, frames, channels):
    pyramid, joints = SkeletonPyramid.of(skeleton), len(skeleton.joints)
    generator = Generator(pyramid, classes=3, frames=frames, channels=channels, mapping_depth=2, **SMALL)
    motion = generator(torch.randn(2, 8), torch.tensor([0, 2]))
    assert motion.shape == (2, channels, frames, joints)
    score = Critic(pyramid, classes=3, frames=frames, channels=channels, **NARROW)(motion, torch.tensor([0, 2]))
    assert score.shape == (2,) and score.isfinite().all()


@pytest.mark.parametrize(
    "options",
    [{"mapping": "equalized"}, {"upsampling": "linear"}, {"padding": "edge"}, {"output": "linear"},
     {"partition": "full"}, {"halved_top": False}, {"last_width": 16}, {"norm": "pixel"}],
    ids=lambda o: next(iter(o)),
)  # fmt: skip
def test_each_generator_option_changes_the_motion(options):
    z, label = torch.randn(3, 8), torch.tensor([0, 1, 2])
    motions = []
    for choice in ({}, options):
        torch.manual_seed(2)
        generator = Generator(PYRAMID, classes=3, **SMALL, **choice).eval()
        motions.append(generator(z, label, [torch.zeros(3, 1, t, v) for t, v in generator.noise_shapes]))
    assert not torch.allclose(motions[0], motions[1])


def test_switches_that_are_off_equal_the_baseline_bit_for_bit(batch):
    off = critic(input_noise=GaussianNoise(0.0, shared="call", decay=10), label_smoothing=0.0, pooling=POOLING["mean"])
    torch.manual_seed(3)
    a = critic()(*batch)
    torch.manual_seed(3)
    assert torch.equal(a, off(*batch))


@pytest.mark.parametrize(
    "options",
    [*({"pooling": POOLING[name]} for name in ("max", "gem", "attention")), {"input_noise": GaussianNoise(1.0)},
     {"label_smoothing": 1.0}, {"label": "project"}, {"features": ("velocity",)}, {"features": ("bone",)},
     {"partition": "full"}],
    ids=str,
)  # fmt: skip
def test_each_switch_alone_changes_the_score(batch, options):
    assert not torch.allclose(critic()(*batch), critic(**options)(*batch))


def test_critic_noise_falls_on_down_sampled_maps_only_while_training(batch):
    noisy = critic(input_noise=GaussianNoise(1.0))
    assert [block.noise is not None for block in noisy.blocks] == [True, False, True, False, True, False]
    assert not torch.equal(noisy(*batch), noisy(*batch))
    assert torch.equal(noisy.eval()(*batch), noisy(*batch))


def test_any_callable_can_pool(batch):
    def first(x):
        return x[:, :, 0, 0]

    assert critic(pooling=first)(*batch).shape == (4,)


def test_velocity_is_the_change_of_a_frame_and_bones_start_at_the_parent():
    model = critic(features=("velocity", "bone"))
    x = torch.randn(25, 2, 6, 3)
    inputs = model._inputs(x)
    torch.testing.assert_close(inputs[:, :, 3, 3:6], x[:, :, 3] - x[:, :, 2])
    assert inputs[:, :, 0, 3:6].abs().max() == 0
    torch.testing.assert_close(inputs[5, ..., 6:], x[5] - x[4])
    assert inputs[NTU25.center, ..., 6:].abs().max() < 1e-6


def test_mapping_starts_are_the_same_function_up_to_scale():
    torch.manual_seed(0)
    published = MappingNetwork(64, 1)
    equalized = MappingNetwork(64, 1, start="equalized")
    equalized.load_state_dict(published.state_dict())
    x = torch.randn(5, 64)
    torch.testing.assert_close(published(x) * equalized.gain, equalized(x))


def test_published_mapping_grows_and_equalized_does_not():
    x = torch.randn(200, 572)
    growth = MappingNetwork(572, 1)(x).std() / x.std()
    assert 10 < growth < 25
    assert MappingNetwork(572, 8, start="equalized")(x).square().mean().sqrt().item() == pytest.approx(1.0, rel=0.3)


def test_truncation_pulls_towards_the_centre():
    generator = Generator(PYRAMID, classes=3, **SMALL)

    def draw(psi, **options):
        rng = torch.Generator().manual_seed(0)
        return generator.sample(6, truncation=psi, generator=rng, **options)

    assert torch.allclose(draw(None), draw(1.0), atol=1e-6)
    spread = [draw(psi).std(dim=0).mean().item() for psi in (0.0, 0.5, 1.0)]
    assert spread[0] < 1e-6 < spread[1] < spread[2]
    assert draw(0.0, space="z").reshape(2, 3, -1).std(dim=0).max() < 1e-6
    with pytest.raises(ValueError, match="space"):
        draw(0.5, space="x")


def test_centre_is_kept_until_a_weight_changes():
    generator = Generator(PYRAMID, classes=3, **SMALL)
    first = generator.center()
    assert generator.center() is first
    with torch.no_grad():
        generator.mapping.biases[0].add_(1)
    assert not torch.equal(generator.center(), first)
    second = generator.center()
    optimizer = torch.optim.Adam(generator.mapping.parameters(), lr=0.1, fused=True)  # counts no versions
    generator.mapping(torch.ones(1, generator.mapping.weights[0].shape[1])).sum().backward()
    optimizer.step()
    assert not torch.equal(generator.center(), second)


def test_a_seed_fixes_the_sample_and_the_mode_is_restored():
    generator = Generator(PYRAMID, classes=3, **SMALL).train()
    with torch.no_grad():
        for block in generator.blocks:
            block.noise.fill_(1.0)
    first, second = (generator.sample(5, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second) and generator.training


def test_samples_have_the_units_of_the_scaler():
    class Double(torch.nn.Module):
        def inverse(self, x):
            return 2 * x

    generator = Generator(PYRAMID, classes=3, **SMALL)
    plain = generator.sample(2, generator=torch.Generator().manual_seed(0))
    generator.scaler = Double()
    assert torch.equal(generator.sample(2, generator=torch.Generator().manual_seed(0)), 2 * plain)


@pytest.mark.parametrize("label", [torch.tensor([0, 5, 1, 1]), torch.tensor([0, -1, 1, 1]), torch.zeros(3).long()])
def test_wrong_labels_are_refused(batch, label):
    with pytest.raises(ValueError, match="label"):
        critic()(batch[0], label)


def test_a_motion_of_another_shape_is_refused(batch):
    with pytest.raises(ValueError, match=r"\(N, 3, 32, 25\)"):
        critic()(batch[0][..., :17], batch[1])


@pytest.mark.parametrize("wrong", [{"frames": 40}, {"frames": 8}, {"channels": 4}, {"classes": 0}])
def test_wrong_sizes_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Generator(PYRAMID, **{"classes": 3, **wrong})
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Critic(PYRAMID, **{"classes": 3, **wrong})


def test_golden_outputs_of_the_published_networks(shared):
    from kinetic.models.weights import load_published_critic, load_published_generator
    from kinetic.training.losses import gradient_penalty

    golden = {k: torch.from_numpy(v) for k, v in np.load(shared / "data/reference/golden.npz").items()}
    generator = load_published_generator(shared / "data/reference/generator_ntu_mlp4.pth")
    critic = load_published_critic(shared / "data/reference/discriminator_ntu.pth")
    label, real = golden["label"], golden["real"]
    with torch.no_grad():
        torch.testing.assert_close(generator.map(golden["z"], label), golden["w"], rtol=1e-5, atol=1.0)
        motion = generator(golden["z"], label)
        # Its w is about 4e5, so tanh is saturated nearly everywhere, and where it is not, float32 itself is uncertain
        # by 1e-3: float64 is as far from the golden file as float32 is.
        gap = (motion - golden["motion"]).abs()
        assert gap.mean() < 1e-6 and (gap > 1e-5).float().mean() < 0.005 and gap.max() < 2e-3
        for motions, scores in ((real, "critic_real"), (golden["motion"], "critic_fake")):
            torch.testing.assert_close(critic(motions, label)[:, None], golden[scores], rtol=1e-5, atol=1e-5)
    penalty = gradient_penalty(lambda x: critic(x, label), real, golden["motion"], golden["alpha"])
    assert penalty.item() == pytest.approx(golden["gradient_penalty"].item(), abs=1e-5)


def test_a_critic_that_projects_labels_observes_motions_once_for_all_labels():
    critic = Critic(PYRAMID, classes=3, frames=16, widths=(8, 8, 8, 8, 16, 16), label="project")
    motion, label = torch.randn(4, 3, 16, 25), torch.tensor([0, 1, 2, 0])
    features = critic.observe(motion)
    for shift in range(3):
        other = (label + shift) % 3
        torch.testing.assert_close(critic.judge(features, other), critic(motion, other))
    with pytest.raises(ValueError, match="painted labels"):
        Critic(PYRAMID, classes=3, frames=16, widths=(8, 8, 8, 8, 16, 16)).observe(motion)
