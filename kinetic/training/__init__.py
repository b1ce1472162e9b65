"""Training: losses, the modules that Lightning trains, their checkpoints, and what a run watches."""
