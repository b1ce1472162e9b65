"""Families of models: how each reads its data, is built, watched and sampled, and the table that lists them."""
