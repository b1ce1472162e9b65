"""From the settings of a recognition network to the module that trains it."""

from __future__ import annotations

import math

from kinetic.families.encoder import ENCODER
from kinetic.families.interface import About
from kinetic.settings.encoder import EncoderConfig, EncoderExperiment
from kinetic.skeleton import NTU25

ABOUT = About(class_names=("a", "b"), data="", skeleton=NTU25)


def test_every_option_reaches_the_training():
    for settings in (EncoderConfig(), EncoderConfig(facing=True, turn=90, mirror=True, weight_decay=0.5)):
        module = ENCODER.build(EncoderExperiment(encoder=settings), ABOUT)
        assert module.encoder.facing == settings.facing
        assert module.angle == math.radians(settings.turn)
        assert module.mirrored == (NTU25 if settings.mirror else None)
        assert module.weight_decay == settings.weight_decay


def test_options_are_off_by_default():
    assert EncoderConfig(facing=False, turn=30, mirror=False, weight_decay=0.01) == EncoderConfig()
    module = ENCODER.build(EncoderExperiment(), ABOUT)
    assert (module.angle, module.mirrored, module.weight_decay) == (math.pi / 6, None, 0.01)
