"""From settings to the networks of Kinetic-GAN."""

from __future__ import annotations

from tiny import GAN, tiny

from kinetic.families.interface import About
from kinetic.families.kinetic_gan import build_networks
from kinetic.skeleton import NTU25


def test_every_option_reaches_the_networks():
    experiment = tiny(
        generator={**GAN["generator"], "last_width": 24, "upsampling": "linear", "padding": "edge",
                   "partition": "full"},
        critic={"widths": [8] * 6, "pooling": "gem", "noise": {"std": 0.5, "shared": "call"}, "label_smoothing": 0.25,
                "features": ["bone"], "label": "project"},
    )  # fmt: skip
    generator, critic = build_networks(experiment, About(class_names=("a", "b", "c"), data="", skeleton=NTU25))
    assert (generator.last_width, generator.upsampling, generator.partition) == (24, "linear", "full")
    assert generator.padding == "edge"
    assert critic.pooling.__name__ == "gem_pool" and (critic.input_noise.std, critic.input_noise.shared) == (
        0.5,
        "call",
    )
    assert critic.embedding.smoothing == 0.25 and critic.features == ("bone",) and not critic.painted
