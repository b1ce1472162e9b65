"""The settings of experiments and ablations, and their reader."""
