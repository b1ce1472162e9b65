"""Motions: sets of them and their files, people made of nothing, and batches for training."""
