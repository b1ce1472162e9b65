"""Measurements of speed: one file per claim, all of them beside the published formulation. See `benchmarks.harness`."""
