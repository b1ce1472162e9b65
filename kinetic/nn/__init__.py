"""Building blocks of the networks: graph convolution, pooling, noise."""
