"""Projection: from three coordinates to two in the plane of a picture, as in NTU-2D."""

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
"""The colour camera of a Kinect v2, in pixels, by the values that the device reports (libfreenect2)."""
BESIDE = 0.052
"""Metres from the depth camera, where coordinates begin, to the colour camera."""


def _orthographic(motion: np.ndarray) -> np.ndarray:
    """x and y as they are, in metres: (n, 3, T, V) -> (n, 2, T, V)."""
    return motion[:, :2]


def _kinect2_pixels(motion: np.ndarray) -> np.ndarray:
    """Pixels, x to the right and y down from the corner of a picture of 1920 x 1080: (n, 3, T, V) -> (n, 2, T, V).

    The two joints whose colour pixels the description of NTU RGB+D lists (S001C001P001R001A001) come out 0.4 pixels
    beside these in x and 30 above in y: the cameras of every device are tilted a little, unlike the nominal ones.
    """
    x, y, z = motion[:, 0], motion[:, 1], motion[:, 2]
    across = (WIDTH - 1) / 2 + FOCAL * (x + BESIDE) / z
    down = (HEIGHT - 1) / 2 - FOCAL * y / z
    return np.stack([across, down], axis=1)  # (n, 2, T, V)


def _kinect2(motion: np.ndarray) -> np.ndarray:
    """Pixels scaled to -1 to 1 over the width, from the middle of the picture, y up: (n, 3, T, V) -> (n, 2, T, V)."""
    pixels = _kinect2_pixels(motion)
    pixels[:, 0] = (pixels[:, 0] - (WIDTH - 1) / 2) / (WIDTH / 2)
    pixels[:, 1] = ((HEIGHT - 1) / 2 - pixels[:, 1]) / (WIDTH / 2)
    return pixels


PROJECTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "orthographic": _orthographic,
    "kinect2": _kinect2,
    "kinect2-pixels": _kinect2_pixels,
}
"""Projections by name: (n, 3, T, V) -> (n, 2, T, V)."""


def projected(motions: MotionSet, camera: str = "orthographic") -> MotionSet:
    """The motions in two coordinates, partners too; `NTU25` becomes `NTU25_2D`.

    The camera is where the sensor was: x grows to the sensor's left, which is the right side of the mirrored pictures
    of a Kinect. Frames without a body stay zeros.

    Args:
        camera: `orthographic` drops z, so far bodies stay as large as near ones; `kinect2` is the perspective of the
            colour camera, -1 to 1 over the width of the picture, y up; `kinect2-pixels` counts pixels, y down

    Raises:
        ValueError: for motions in two coordinates, an unknown camera, and bodies that are not before the camera, such
            as those of a centred set
    """
    if motions.shape[1] != 3:
        raise ValueError(f"the motions have {motions.shape[1]} coordinates already, expected 3")
    if camera not in PROJECTIONS:
        raise ValueError(f"there is no camera {camera!r}, expected one of: {', '.join(PROJECTIONS)}")
    return replace(
        motions,
        motion=_projected(motions.motion, camera),
        partner=None if motions.partner is None else _projected(motions.partner, camera),
        skeleton=_two_dimensional(motions.skeleton),
        notes={**motions.notes, "camera": camera},
    )


def _projected(motion: np.ndarray, camera: str) -> np.ndarray:
    n, _, frames, joints = motion.shape
    out = np.zeros((n, 2, frames, joints), dtype=np.float32)
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
        out[rows] = np.where(body[:, None, :, None], PROJECTIONS[camera](part), 0)
        release(motion)
    return out


def _two_dimensional(skeleton: Skeleton) -> Skeleton:
    if skeleton == NTU25:
        return NTU25_2D
    return replace(skeleton, channels=2, name=skeleton.name and f"{skeleton.name}_2d")
