"""Families of models: their training data, networks, samplers, and the table of all families."""
