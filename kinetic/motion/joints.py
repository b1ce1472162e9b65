"""Maps of joints: Kinect v1, OpenPose, COCO, MediaPipe and Acclaim on the 25 joints of NTU RGB+D."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from kinetic.motion.arrays import CHUNK
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import ACCLAIM31, COCO17, KINECT20, MEDIAPIPE33, NTU25, NTU25_2D, OPENPOSE18, Skeleton

__all__ = ["MEDIAPIPE_AXES", "NTU25_MAPS", "NTU25Map", "on_ntu25", "to_ntu25"]

MEDIAPIPE_AXES = (-1.0, -1.0, 1.0)
"""Factors from the axes of MediaPipe's world landmarks (x right, y down, z away) to those of a Kinect."""

SIDES = ("Left", "Right")


@dataclass(frozen=True, eq=False)
class NTU25Map:
    """A map from the joints of a skeleton to those of `NTU25`.

    Attributes:
        skeleton: skeleton of the motions; only the names of its joints count
        matrix: (V, 25) float64: motion (..., V) @ matrix is (..., 25). The column of a copied joint has a single 1.
        hands: whether tips of hands and thumbs, whose columns are then empty, are placed along the arms, which is not
            linear (see `to_ntu25`)
    """

    skeleton: Skeleton
    matrix: np.ndarray
    hands: bool = False

    @property
    def derived(self) -> tuple[int, ...]:
        """Joints of `NTU25` that were not measured but are computed from other joints."""
        copied = (np.count_nonzero(self.matrix, axis=0) == 1) & (self.matrix.sum(axis=0) == 1)
        return tuple(int(joint) for joint in np.flatnonzero(~copied))


def _map(skeleton: Skeleton, parts: Mapping[str, Mapping[str, float]], hands: bool = False) -> NTU25Map:
    """A map that copies joints of the same name and sums others, of the skeleton or of `parts` listed before them."""
    source = dict(zip(skeleton.joints, np.eye(len(skeleton.joints)), strict=True))
    columns: dict[str, np.ndarray] = {}
    for joint, weights in parts.items():
        terms = [weight * (columns if other in columns else source)[other] for other, weight in weights.items()]
        columns[joint] = np.sum(terms, axis=0)
    matrix = [columns.get(joint, source.get(joint, np.zeros(len(source)))) for joint in NTU25.joints]
    return NTU25Map(skeleton, np.stack(matrix, axis=1), hands)


def _both(parts: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The parts for both sides: those of `Hand` become those of HandLeft and HandRight."""
    return {
        joint + side: {other + side: weight for other, weight in weights.items()}
        for side in SIDES
        for joint, weights in parts.items()
    }


def _middle(*joints: str) -> dict[str, float]:
    return {joint: 1 / len(joints) for joint in joints}


_HIPS, _SHOULDERS, _EARS = (_middle(f"{joint}Left", f"{joint}Right") for joint in ("Hip", "Shoulder", "Ear"))

# The recipe for MediaPipe; that for 2-D keypoints follows it.
_TRUNK = {
    "SpineBase": _HIPS,
    "SpineShoulder": _SHOULDERS,
    "SpineMid": _middle("SpineBase", "SpineShoulder"),
    "Head": _EARS,
    "Neck": {"SpineShoulder": 2 / 3, "Head": 1 / 3},
}

# Hands and feet that a sensor does not see continue forearm and shin, by least squares over people before a Kinect v2
# (IRDS). The residuals are 4 cm at the hand, 6 at its tip, 7 at the thumb and 9 at the foot, which points forwards.
_ENDS = _both(
    {
        "Hand": {"Wrist": 1.23, "Elbow": -0.23},
        "HandTip": {"Wrist": 1.53, "Elbow": -0.53},
        "Thumb": {"Wrist": 1.25, "Elbow": -0.25},
        "Foot": {"Ankle": 1.16, "Knee": -0.16},
    }
)

# HDM05 and CMU name a joint after the bone that ends there.
_ACCLAIM = {
    "SpineBase": {"root": 1.0},
    "SpineMid": {"lowerback": 0.27, "upperback": 0.73},
    "SpineShoulder": {"thorax": 1.0},
    "Neck": {"lowerneck": 1.0},
    "Head": {"upperneck": 1.0},
} | {
    joint + side: {side[0].lower() + bone: 1.0}
    for side in SIDES
    for joint, bone in {
        "Shoulder": "clavicle", "Elbow": "humerus", "Wrist": "wrist", "Hand": "hand", "HandTip": "fingers",
        "Thumb": "thumb", "Hip": "hipjoint", "Knee": "femur", "Ankle": "tibia", "Foot": "foot",
    }.items()
}  # fmt: skip

NTU25_MAPS: dict[str, NTU25Map] = {
    joint_map.skeleton.name: joint_map
    for joint_map in (
        _map(
            KINECT20,
            {
                "SpineBase": _HIPS,  # v1's own HipCenter lies higher than v2's
                "SpineShoulder": {"ShoulderCenter": 0.39, "ShoulderLeft": 0.305, "ShoulderRight": 0.305},
                "SpineMid": {"SpineShoulder": 0.577, "SpineBase": 0.423},
                "Neck": {"ShoulderCenter": 1.0},
            },
            hands=True,
        ),
        # OpenPose's Neck is the middle of the shoulders.
        _map(OPENPOSE18, {**_TRUNK, "SpineShoulder": {"Neck": 1.0}, **_ENDS}),
        _map(COCO17, {**_TRUNK, **_ENDS}),
        _map(
            MEDIAPIPE33,
            {
                **_TRUNK,
                **_both({"Hand": _middle("Pinky", "Index"), "HandTip": {"Hand": 2.0, "Wrist": -1.0}}),
                **_both({"Foot": {"FootIndex": 1.0}}),
            },
        ),
        _map(ACCLAIM31, _ACCLAIM),
    )
}
"""The maps by the name of the skeleton that they map from."""


def to_ntu25(motion: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The motion on the joints of `NTU25`: (N, C, T, V) -> (N, C, T, 25).

    Most joints are copies or fixed sums (`NTU25_MAPS`). A Kinect v1 sees neither tips of hands nor thumbs. With the
    forearm f from elbow to wrist, its length l, and unit vectors written as u(...), they are placed at

        tip = hand + 0.32 l u(u(f) + 2 u(hand - wrist))
        thumb = wrist + 0.27 f + 0.23 l u(part of (shoulder - elbow) + l/2 front that is perpendicular to f)

    where front = u(left shoulder - right) x u(SpineShoulder - SpineBase) is the direction of the chest. Frames of zeros
    stay zeros. A keypoint that was not detected (zeros in OpenPose's files) spoils the joints that are computed from
    it, so such gaps must be filled first.

    Raises:
        ValueError: for a skeleton without a map, motions of another number of joints, or a Kinect v1 in two dimensions
    """
    if motion.ndim != 4 or motion.shape[3] != len(skeleton.joints):
        raise ValueError(f"motion has shape {motion.shape}, expected (N, C, T, {len(skeleton.joints)})")
    if skeleton.joints == NTU25.joints:
        return motion
    joint_map = _map_of(skeleton)
    if joint_map.hands and motion.shape[1] != 3:
        raise ValueError(f"motion has {motion.shape[1]} channels, the thumbs of {joint_map.skeleton.name} need 3")
    mapped = np.asarray(motion) @ joint_map.matrix.astype(motion.dtype)  # (N, C, T, 25)
    if joint_map.hands:
        _place_hands(mapped)
    return mapped


def on_ntu25(motions: MotionSet) -> MotionSet:
    """The motions on the joints of `NTU25`, or of `NTU25_2D` for two coordinates.

    `notes` name the skeleton they come from (`joints_from`) and the joints that were not measured (`derived_joints`).

    Raises:
        ValueError: as `to_ntu25` does
    """
    old = motions.skeleton
    if old.joints == NTU25.joints:
        return motions
    notes = {**motions.notes, "joints_from": old.name, "derived_joints": list(_map_of(old).derived)}

    def mapped(motion: np.ndarray) -> np.ndarray:
        out = np.empty((*motion.shape[:3], len(NTU25.joints)), dtype=np.float32)
        step = max(1, CHUNK // max(1, out[:1].nbytes))
        for start in range(0, len(motion), step):
            rows = slice(start, start + step)
            out[rows] = to_ntu25(np.asarray(motion[rows]), old)
        return out

    return replace(
        motions,
        motion=mapped(motions.motion),
        partner=None if motions.partner is None else mapped(motions.partner),
        skeleton=NTU25 if old.channels == 3 else NTU25_2D,
        notes=notes,
    )


def _map_of(skeleton: Skeleton) -> NTU25Map:
    for joint_map in NTU25_MAPS.values():
        if joint_map.skeleton.joints == skeleton.joints:
            return joint_map
    name = f"skeleton {skeleton.name}" if skeleton.name else "this skeleton"
    raise ValueError(f"no map leads from {name} to ntu25; there are maps from {', '.join(NTU25_MAPS)}")


def _place_hands(motion: np.ndarray) -> None:
    """Fill in tips of hands and thumbs of (N, 3, T, 25), in place."""

    def at(joint: str) -> np.ndarray:
        return np.moveaxis(motion[..., NTU25.joints.index(joint)], 1, -1)  # (N, T, 3)

    across = _unit(at("ShoulderLeft") - at("ShoulderRight"))
    front = np.cross(across, _unit(at("SpineShoulder") - at("SpineBase")))
    for side in SIDES:
        shoulder, elbow, wrist, hand = (at(joint + side) for joint in ("Shoulder", "Elbow", "Wrist", "Hand"))
        forearm = wrist - elbow
        length, along = _length(forearm), _unit(forearm)
        tip = hand + 0.32 * length * _unit(along + 2 * _unit(hand - wrist))
        inwards = shoulder - elbow + 0.5 * length * front
        beside = _unit(inwards - (inwards * along).sum(axis=-1, keepdims=True) * along)
        at(f"HandTip{side}")[...] = tip
        at(f"Thumb{side}")[...] = wrist + 0.27 * forearm + 0.23 * length * beside


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1, keepdims=True)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length one; those of length zero stay as they are."""
    length = _length(vectors)
    return vectors / np.where(length > 0, length, 1)
