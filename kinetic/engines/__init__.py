"""Where the cells of a grid run: this process, processes of this machine, a Ray cluster, or Slurm."""
