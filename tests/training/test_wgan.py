import copy

import pytest
import torch
from pytorch_lightning import Trainer
from torch.utils.data import DataLoader, TensorDataset

from kinetic.models.stgcn import Critic, Generator
from kinetic.nn.noise import GaussianNoise, QuantileNoise
from kinetic.skeleton import NTU25, SkeletonPyramid
from kinetic.training.losses import SOFTPLUS
from kinetic.training.wgan import Diverged, KineticGAN

PYRAMID = SkeletonPyramid.of(NTU25)


def module(*, input_noise=None, label_smoothing=0.0, critic_options=None, **options):
    torch.manual_seed(0)
    generator = Generator(PYRAMID, classes=3, frames=16, latent=8, mapping_depth=2, widths=(16, 8, 8, 8, 8),
                          mapping="equalized")  # fmt: skip
    critic = Critic(PYRAMID, classes=3, frames=16, widths=(8, 8, 8, 8, 16, 16), input_noise=input_noise,
                    label_smoothing=label_smoothing, **(critic_options or {}))  # fmt: skip
    return KineticGAN(generator, critic, **options)


def train(gan, batches=6, **options):
    rng = torch.Generator().manual_seed(1)
    motion = torch.randn(8 * batches, 3, 16, 25, generator=rng).tanh()
    label = torch.arange(8 * batches) % 3
    trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, barebones=False,
                      enable_progress_bar=False, enable_model_summary=False, **options)  # fmt: skip
    trainer.fit(gan, DataLoader(TensorDataset(motion, label), batch_size=8))
    return gan


def weights(gan):
    return torch.cat([p.detach().flatten() for p in gan.parameters()])


def test_every_batch_trains_the_critic_and_every_fifth_the_generator():
    gan, networks = module(), []
    original = gan._step

    def spy(optimizer, model, loss):
        networks.append(type(model).__name__)
        return original(optimizer, model, loss)

    gan._step = spy
    train(gan, 7)
    assert networks == ["Critic", "Generator", *["Critic"] * 5, "Generator", "Critic"]
    assert int(gan.batches) == 7 and gan.latest.abs().min() > 0


def test_same_seed_same_weights_whatever_else_draws():
    first = train(module(seed=3))
    torch.manual_seed(99)
    assert torch.equal(weights(first), weights(train(module(seed=3))))
    assert not torch.equal(weights(first), weights(train(module(seed=4))))


def test_all_switches_off_equal_the_baseline_and_each_alone_does_not():
    baseline = weights(train(module()))
    off = module(input_noise=GaussianNoise(0.0, shared="call"), label_smoothing=0.0, draw=QuantileNoise(std=0.0))
    off.draw = module().draw
    assert torch.equal(baseline, weights(train(off)))
    for options in (
        {"input_noise": GaussianNoise(1.0)},
        {"label_smoothing": 1.0},
        {"draw": QuantileNoise()},
        {"draw": QuantileNoise(kind="gain")},
        {"loss": SOFTPLUS},
        {"penalty_every": 4},
        {"critic_steps": 2},
        {"mismatch": 0.5},
        {"diversity": 0.1},
    ):
        assert not torch.equal(baseline, weights(train(module(**options)))), options


def test_average_follows_slowly_and_is_what_samples():
    gan = module(ema=0.9, critic_steps=1, learning_rate=0.01)
    start = copy.deepcopy(gan.generator.state_dict())
    train(gan, 6)
    name = "blocks.3.time.weight"
    moved = gan.generator.state_dict()[name] - start[name]
    followed = gan.average.state_dict()[name] - start[name]
    assert 0 < followed.norm() < 0.95 * moved.norm()
    assert gan.sampler is gan.average and module().sampler.training
    counts = "blocks.1.norm.num_batches_tracked"
    assert torch.equal(gan.average.state_dict()[counts], gan.generator.state_dict()[counts])


def test_average_is_not_trained_by_an_optimizer():
    gan = module(ema=0.9)
    held = {
        id(p) for optimizer in gan.configure_optimizers() for group in optimizer.param_groups for p in group["params"]
    }
    assert not held & {id(p) for p in gan.average.parameters()}


def test_nan_in_the_data_stops_with_advice():
    gan = module()
    motion = torch.randn(8, 3, 16, 25)
    motion[3, 0, 0, 0] = float("nan")
    trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                      enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
    with pytest.raises(Diverged, match="after 0 batches.*learning_rate"):
        trainer.fit(gan, DataLoader(TensorDataset(motion, torch.arange(8) % 3), batch_size=8))


def test_an_exploding_critic_stops_with_advice():
    with pytest.raises(Diverged, match="training.max_norm"):
        train(module(max_norm=1e-6))


def test_what_is_logged_are_numbers():
    trainer_metrics = {}

    class Watch(KineticGAN):
        def log_dict(self, metrics, **options):
            trainer_metrics.update(metrics)

    gan = module()
    gan.__class__ = Watch
    train(gan, 1)
    assert set(trainer_metrics) == {"loss/critic", "loss/penalty", "score/real", "score/fake", "norm/critic",
                                    "loss/generator", "norm/generator"}  # fmt: skip
    assert all(value.isfinite() for value in trainer_metrics.values())


def test_bf16_trains():
    assert weights(train(module(), precision="bf16-mixed")).isfinite().all()


def test_networks_that_do_not_fit_are_refused():
    generator = Generator(PYRAMID, classes=3, latent=8, widths=(8,) * 5)
    critic = Critic(PYRAMID, classes=4, widths=(8,) * 6)
    with pytest.raises(ValueError, match="classes is 3 in one and 4"):
        KineticGAN(generator, critic)


@pytest.mark.parametrize("label", ["project", "paint"])
def test_motions_are_looked_at_once_under_right_and_wrong_labels_with_the_same_scores(label):
    gan = module(mismatch=0.5, critic_options={"label": label})
    real, fake, right = torch.randn(4, 3, 16, 25), torch.randn(4, 3, 16, 25), torch.tensor([0, 1, 2, 0])
    torch.manual_seed(5)
    scores = gan._scores(real, fake, right)
    torch.manual_seed(5)
    wrong = (right + torch.randint(1, 3, right.shape)) % 3
    assert (wrong != right).all()
    for score, motion, labels in zip(scores, (real, fake, real), (right, right, wrong), strict=True):
        torch.testing.assert_close(score, gan.critic(motion, labels))
