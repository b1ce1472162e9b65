"""Motions in the plane of a picture: three coordinates become two, as NTU-2D is made from NTU RGB+D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kinetic.motion.arrays import CHUNK
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.stored import release
from kinetic.skeleton import NTU25, NTU25_2D, Skeleton

__all__ = ["PROJECTIONS", "projected"]

FOCAL, WIDTH, HEIGHT = 1081.37, 1920, 1080
"""Of the colour camera of a Kinect v2, in pixels: the values that the device reports of itself (libfreenect2)."""
BESIDE = 0.052
"""Metres from the camera that measures depth, where coordinates begin, to the one that sees colour."""


def _orthographic(motion: np.ndarray) -> np.ndarray:
    """x and y as they are, in metres: (n, 3, T, V) -> (n, 2, T, V)."""
    return motion[:, :2]


def _kinect2_pixels(motion: np.ndarray) -> np.ndarray:
    """Pixels, x to the right and y down from the corner of a picture of 1920 x 1080: (n, 3, T, V) -> (n, 2, T, V).

    The two joints with colour pixels in the description of NTU RGB+D (S001C001P001R001A001) come out 0.4 pixels beside
    theirs in x, and 30 above in y: each device's cameras are a little tilted, which nominal values do not tell.
    """
    x, y, z = motion[:, 0], motion[:, 1], motion[:, 2]
    across = (WIDTH - 1) / 2 + FOCAL * (x + BESIDE) / z
    down = (HEIGHT - 1) / 2 - FOCAL * y / z
    return np.stack([across, down], axis=1)  # (n, 2, T, V)


def _kinect2(motion: np.ndarray) -> np.ndarray:
    """The same from -1 to 1 across the width of the picture, y up, 0 in its middle: (n, 3, T, V) -> (n, 2, T, V)."""
    pixels = _kinect2_pixels(motion)
    pixels[:, 0] = (pixels[:, 0] - (WIDTH - 1) / 2) / (WIDTH / 2)
    pixels[:, 1] = ((HEIGHT - 1) / 2 - pixels[:, 1]) / (WIDTH / 2)
    return pixels


PROJECTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "orthographic": _orthographic,
    "kinect2": _kinect2,
    "kinect2-pixels": _kinect2_pixels,
}
"""Ways to lose a coordinate, by name; (n, 3, T, V) -> (n, 2, T, V)."""


def projected(motions: MotionSet, camera: str = "orthographic") -> MotionSet:
    """A set in space as a set in the plane; `NTU25` becomes `NTU25_2D`, partners are projected too.

    All cameras are where the sensor was: x grows to the sensor's left, which is the right side of the mirrored pictures
    that a Kinect gives. Frames without a body stay zeros.

    Args:
        camera: `orthographic` drops z, as far bodies stay as large as near ones; `kinect2` is the perspective of the
            colour camera, in widths of the picture from its middle, y up; `kinect2-pixels` counts pixels, y down

    Raises:
        ValueError: for a set in the plane, an unknown camera, and bodies that are not before the camera, such as those
            of a centred set
    """
    if motions.shape[1] != 3:
        raise ValueError(f"the motions have {motions.shape[1]} coordinates already, expected 3")
    if camera not in PROJECTIONS:
        raise ValueError(f"there is no camera {camera!r}, expected one of: {', '.join(PROJECTIONS)}")
    return replace(
        motions,
        motion=_seen(motions.motion, camera),
        partner=None if motions.partner is None else _seen(motions.partner, camera),
        skeleton=_flat(motions.skeleton),
        notes={**motions.notes, "camera": camera},
    )


def _seen(motion: np.ndarray, camera: str) -> np.ndarray:
    n, _, frames, joints = motion.shape
    seen = np.zeros((n, 2, frames, joints), dtype=np.float32)
    step = max(1, CHUNK // (12 * max(1, frames * joints)))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        part = np.asarray(motion[rows])
        body = (part != 0).any(axis=(1, 3))  # (rows, T)
        if camera != "orthographic":
            behind = ((part[:, 2].min(axis=2) <= 0) & body).any(axis=1)
            if behind.any():
                first = int(behind.argmax())
                least = float(part[first, 2][body[first]].min())
                raise ValueError(
                    f"motion {start + first} reaches z = {least:.4g}, expected metres before the camera; "
                    f"a centred set has only the orthographic view"
                )
            part = np.where(body[:, None, :, None], part, 1)
        seen[rows] = np.where(body[:, None, :, None], PROJECTIONS[camera](part), 0)
        release(motion)
    return seen


def _flat(skeleton: Skeleton) -> Skeleton:
    if skeleton == NTU25:
        return NTU25_2D
    return replace(skeleton, channels=2, name=skeleton.name and f"{skeleton.name}_2d")
