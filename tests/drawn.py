"""People to draw, and the pixels of pictures."""

import numpy as np
from PIL import Image

from kinetic.motion.synthetic import synthesise


def standing(n=2, frames=6):
    """People who face the camera with their arms a little spread: (n, 3, frames, 25)."""
    motions = synthesise(["wave"], subjects=2, repeats=1, frames=64, sensor_noise=0.0)
    return motions.motion[motions.view == 2][:1, :, :frames].repeat(n, axis=0)


def pixels(path):
    """The colours of a picture: (height, width, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def where(picture, colour):
    """Mean column of the pixels that have a colour."""
    return np.argwhere(np.abs(picture - np.array(colour)).sum(axis=2) < 30)[:, 1].mean()


def wild(kind):
    """A person, and what a bad generator makes of it: (2, 3, 12, 25)."""
    motion = standing(2, 12).astype(float)
    middle = motion[1].mean(axis=(1, 2), keepdims=True)
    motion[1] = middle + {"collapsed": 0.001, "exploded": 20, "huge": 1e12}[kind] * (motion[1] - middle)
    return motion


def inked(picture):
    """How many pixels are dark."""
    return (picture < 200).any(axis=2).sum()
