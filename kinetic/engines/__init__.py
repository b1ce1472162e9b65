"""Engines that run the cells of a grid: this process, processes of this machine, a Ray cluster, or Slurm."""
