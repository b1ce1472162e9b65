"""Ablations: a grid of recipes, benchmarks and seeds that ends in one table."""
