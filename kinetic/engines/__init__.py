"""Where the cells of a grid run: processes of this machine, a Ray cluster, or Slurm."""
