"""The settings of a generator that trains in a second."""

from kinetic.families.experiments import load_experiment

GAN = {
    "data": {"frames": 16, "batch_size": 8, "scaling": "standard", "centering": "first",
             "synthetic": {"subjects": 2, "repeats": 1}},
    "generator": {"latent": 8, "mapping_depth": 2, "widths": [16, 8, 8, 8, 8], "mapping": "equalized",
                  "output": "linear", "ema": 0.5},
    "critic": {"widths": [8] * 6},
    "training": {"steps": 4, "critic_steps": 2, "log_every": 1, "sample_every": 0, "accelerator": "cpu"},
}  # fmt: skip


def tiny(**changes):
    return load_experiment(**{**GAN, **changes})
