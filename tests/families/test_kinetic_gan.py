"""From settings to the networks of Kinetic-GAN and the module that trains them."""

from __future__ import annotations

import pytest
import torch
from tiny import GAN, tiny

from kinetic.families.experiments import layered
from kinetic.families.interface import About
from kinetic.families.kinetic_gan import KINETIC_GAN
from kinetic.settings.experiment import TrainingConfig
from kinetic.settings.kinetic_gan import GanExperiment
from kinetic.settings.reading import settings_of
from kinetic.skeleton import NTU25

ABOUT = About(class_names=("a", "b", "c"), data="", skeleton=NTU25)
OTHER = {
    "generator.latent": 9,
    "generator.mapping_depth": 3,
    "generator.mapping": "published",
    "generator.widths": [16, 8, 8, 8, 9],
    "generator.last_width": 24,
    "generator.label_width": 5,
    "generator.upsampling": "linear",
    "generator.padding": "edge",
    "generator.output": "tanh",
    "generator.norm": "pixel",
    "generator.partition": "full",
    "generator.halved_top": False,
    "generator.ema": 0.9,
    "critic.widths": [9] * 6,
    "critic.label": "project",
    "critic.label_width": 5,
    "critic.features": ["bone"],
    "critic.pooling": "gem",
    "critic.noise.std": 0.5,
    "critic.noise.shared": "call",
    "critic.noise.decay": 7,
    "critic.label_smoothing": 0.25,
    "critic.partition": "full",
    "training.learning_rate": 1e-3,
    "training.betas": [0.1, 0.9],
    "training.loss": "softplus",
    "training.penalty": 3.0,
    "training.penalty_every": 2,
    "training.critic_steps": 3,
    "training.quantile": {"q": 0.9},
    "training.quantile.q": 0.1,
    "training.quantile.nudge": 0.3,
    "training.quantile.std": 0.3,
    "training.quantile.kind": "gain",
    "training.mismatch": 0.3,
    "training.diversity": 0.3,
    "training.max_norm": 5.0,
}
"""A value of every option that none of the settings below has."""

NEEDED = {
    "generator.output": {"data.scaling": "minmax"},
    "critic.noise.shared": {"critic.noise.std": 0.5},
    "training.quantile.q": {"training.quantile.nudge": 0.02},
    "training.quantile.nudge": {"training.quantile.std": 0.7},
    "training.quantile.std": {"training.quantile.nudge": 0.02},
    "training.quantile.kind": {"training.quantile.nudge": 0.02},
}
"""Settings without which an option is refused, or does nothing."""


def fingerprint(**changes):
    """What the module of an experiment is made of, and what its networks answer."""
    module = KINETIC_GAN.build(tiny(**layered(GAN, changes)), ABOUT)
    torch.manual_seed(0)
    label = torch.arange(3)
    fake = module.generator(torch.randn(3, module.generator.latent), label)
    scores = [module.critic.train()(3 * fake, label) for _ in range(2)]
    draw = vars(module.draw) if hasattr(module.draw, "__dict__") else {}
    plain = {name: value for name, value in vars(module).items() if isinstance(value, int | float | tuple | None)}
    weights = {name: (tuple(value.shape), float(value.sum())) for name, value in module.state_dict().items()}
    return (
        weights,
        fake.tolist(),
        [score.tolist() for score in scores],
        draw,
        plain,
        module.loss,
        module.critic.input_noise.decay,
    )


@pytest.mark.parametrize("key", OTHER)
def test_every_option_reaches_the_networks_or_their_training(key):
    needed = NEEDED.get(key, {})
    assert fingerprint(**needed) == fingerprint(**needed)
    assert fingerprint(**needed, **{key: OTHER[key]}) != fingerprint(**needed)


def test_the_seed_reaches_the_training():
    assert KINETIC_GAN.build(tiny(seed=5), ABOUT).seed == 5


def test_a_new_option_is_tested_too():
    """Those of the networks and of the adversarial training; those of any training reach the trainer."""
    shared = {f"training.{name}" for name in TrainingConfig.__dataclass_fields__} - {"training.learning_rate"}
    options = {key for key in settings_of(GanExperiment) if key.startswith(("generator.", "critic.", "training."))}
    assert options - shared == set(OTHER)
