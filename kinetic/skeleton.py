"""Skeletons: named joints, bones between them, and the same skeleton at several resolutions."""

from __future__ import annotations

import hashlib
import json
import os
import reprlib
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from kinetic.files import read_yaml, replacing
from kinetic.messages import nearest, one_line, safe_line
from kinetic.plain import yaml_text
from kinetic.presets import preset_file

__all__ = [
    "ACCLAIM31",
    "COCO17",
    "H36M16",
    "KINECT20",
    "MEDIAPIPE33",
    "NTU25",
    "NTU25_2D",
    "OPENPOSE18",
    "SKELETONS",
    "Skeleton",
    "SkeletonPyramid",
    "coarsen",
    "load_skeleton",
    "save_skeleton",
]

MOST_JOINTS = 1000
"""Joints of the largest skeleton; distances are a table of all pairs."""

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2  # nested lists would make long messages

_Value = TypeVar("_Value", bound=Hashable)


@dataclass(frozen=True)
class Skeleton:
    """Named joints, connected by bones.

    The bones of a body form a tree; skeleton files and `SkeletonPyramid.of` require one. Coarser levels of a pyramid
    may hold circles, because removing a joint joins its neighbours to each other.

    Attributes:
        joints: names of the joints
        bones: pairs of joints
        center: the joint from which distances are counted
        left, right: joints of the two sides, in matching order: left[i] mirrors right[i]
        keep: joints (by their number in this skeleton) that survive each reduction; () = as `coarsen` decides
        channels: coordinates per joint, 2 or 3
        name: name of the skeleton

    Raises:
        ValueError: when names or bones repeat, a bone points outside the joints, joints are not connected, sides
            overlap or differ in number, or `keep` does not list shrinking levels that hold the centre
    """

    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    center: int
    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    keep: tuple[tuple[int, ...], ...] = ()
    channels: int = 3
    name: str = ""

    def __post_init__(self) -> None:
        v = len(self.joints)
        if not 1 <= v <= MOST_JOINTS:
            raise ValueError(f"a skeleton has 1 to {MOST_JOINTS} joints, got {v}")
        if names := _repeated(self.joints):
            raise ValueError(f"joint names must differ, {', '.join(map(repr, names))} is listed more than once")
        for a, b in self.bones:
            if not (0 <= a < v and 0 <= b < v):
                raise ValueError(f"bone ({a}, {b}) points outside the {v} joints")
            if a == b:
                raise ValueError(f"bone ({a}, {b}) joins {self.joints[a]} to itself")
        if bones := _repeated([(min(bone), max(bone)) for bone in self.bones]):
            a, b = bones[0]
            raise ValueError(f"bone ({a}, {b}) from {self.joints[a]} to {self.joints[b]} is listed more than once")
        _check_ids("center", (self.center,), v)
        for name in ("left", "right"):
            _check_ids(name, getattr(self, name), v)
        if shared := sorted(set(self.left) & set(self.right)):
            raise ValueError(f"left and right must share no joint, both name {self._named(shared)}")
        if len(self.left) != len(self.right):
            raise ValueError(
                f"left and right must mirror each other, got {len(self.left)} joints on the left "
                f"({self._named(self.left)}) and {len(self.right)} on the right ({self._named(self.right)})"
            )
        if self.channels not in (2, 3):
            raise ValueError(f"channels must be 2 or 3, got {self.channels}")
        if unreached := [i for i, distance in enumerate(self._hops_from(self.center)) if distance < 0]:
            raise ValueError(f"not connected to the centre {self._named([self.center])}: {self._named(unreached)}")
        previous: set[int] = set(range(v))
        for i, kept in enumerate(self.keep):
            _check_ids(f"keep[{i}]", kept, v)
            if self.center not in kept:
                centre = self._named([self.center])
                raise ValueError(f"keep[{i}] must hold the centre {centre}, got {self._named(kept)}")
            if extra := sorted(set(kept) - previous):
                raise ValueError(f"keep[{i}] holds {self._named(extra)}, which did not survive the level before")
            if set(kept) == previous:
                raise ValueError(f"keep[{i}] must hold fewer joints than the level before, got all {len(previous)}")
            previous = set(kept)

    def _named(self, joints: Collection[int]) -> str:
        names = ", ".join(safe_line(self.joints[i]) for i in list(joints)[:10])
        return f"{names} and {len(joints) - 10} more" if len(joints) > 10 else names or "none"

    def _hops_from(self, start: int) -> list[int]:
        """Bones on the shortest way from `start` to every joint; -1 where no way leads there."""
        neighbours: list[list[int]] = [[] for _ in self.joints]
        for a, b in self.bones:
            neighbours[a].append(b)
            neighbours[b].append(a)
        hops = [-1] * len(self.joints)
        hops[start] = 0
        reached = [start]
        for i in reached:  # grows while it is read: breadth first
            for j in neighbours[i]:
                if hops[j] < 0:
                    hops[j] = hops[i] + 1
                    reached.append(j)
        return hops

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits of the joints, bones, centre and channels; name and sides do not count."""
        facts = [self.joints, sorted(sorted(bone) for bone in self.bones), self.center, self.channels]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]

    def adjacency(self) -> np.ndarray:
        """(V, V) booleans: True where two joints share a bone."""
        adjacency = np.zeros((len(self.joints),) * 2, dtype=bool)
        for a, b in self.bones:
            adjacency[a, b] = adjacency[b, a] = True
        return adjacency

    def hops(self) -> np.ndarray:
        """(V, V) integers: bones on the shortest way from joint to joint."""
        return np.array([self._hops_from(i) for i in range(len(self.joints))], dtype=np.int64)

    def partitions(self, reach: int | None = None) -> np.ndarray:
        """(3, V, V) normalised adjacency in three groups: self; as far from the centre or farther; nearer to it.

        Entry [k, v, w] is the weight of neighbour v in the sum of joint w; each column of the sum over k adds up to 1
        (Yan et al. 2018, section 3.3). Joints more than `reach` hops from the centre count as equally far:
        Kinetic-GAN was published and trained with `reach=1`.
        """
        if reach is not None and reach < 0:
            raise ValueError(f"reach is a number of hops, not negative, got {reach}")
        neighbours = self.adjacency() | np.eye(len(self.joints), dtype=bool)
        weight = neighbours / neighbours.sum(axis=0)  # (V, V)
        distance = np.array(self._hops_from(self.center), dtype=np.float64)
        if reach is not None:
            distance = np.where(distance <= reach, distance, np.inf)
        source, target = distance[:, None], distance[None, :]
        nearer = source < target
        same = np.eye(len(self.joints), dtype=bool)
        return np.stack([weight * same, weight * (~same & ~nearer), weight * (~same & nearer)])

    def parents(self) -> np.ndarray:
        """(V,) the first neighbour of each joint that is nearer to the centre; -1 for the centre."""
        distance, adjacency = np.array(self._hops_from(self.center)), self.adjacency()
        nearer = adjacency & (distance[None, :] < distance[:, None])
        return np.where(nearer.any(axis=1), nearer.argmax(axis=1), -1)

    def side(self, *joints: int) -> Literal["left", "right", "middle"]:
        """The side that any of the joints, such as the two ends of a bone, is on."""
        if set(joints) & set(self.left):
            return "left"
        return "right" if set(joints) & set(self.right) else "middle"

    def mirrored(self) -> np.ndarray:
        """(V,) the joints with left and right exchanged."""
        order = np.arange(len(self.joints))
        order[[*self.left, *self.right]] = [*self.right, *self.left]
        return order

    @property
    def head(self) -> int | None:
        """The joint called head, else the joint called nose, in any case of letters; None = neither."""
        names = [name.lower() for name in self.joints]
        return next((names.index(name) for name in ("head", "nose") if name in names), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, as in skeleton files and checkpoints."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Skeleton:
        """The skeleton, a tree, that plain values describe; they name joints or number them.

        Raises:
            ValueError: for unknown and missing keys, wrong types, unknown joints, a single joint, bones in a circle,
                and whatever `Skeleton` refuses
        """
        keys = [field.name for field in fields(cls)]
        for key in plain:
            if key not in keys:
                raise ValueError(f"unknown key {key!r}{_hint(str(key), keys)}; a skeleton has {', '.join(keys)}")
        if missing := [key for key in ("joints", "bones", "center") if key not in plain]:
            raise ValueError(f"a skeleton needs joints, bones and center; {missing[0]} is missing")
        joints = plain["joints"]
        if not isinstance(joints, (list, tuple)) or not all(isinstance(joint, str) for joint in joints):
            raise ValueError(f"joints must be a list of names, got {_SHORT.repr(joints)}")
        if len(joints) > MOST_JOINTS:
            raise ValueError(f"a skeleton has 1 to {MOST_JOINTS} joints, got {len(joints)}")
        joints = tuple(joints)

        def joint(value: Any) -> int:
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            if not isinstance(value, str):
                raise ValueError(f"a joint is a name or a number from 0 on, got {_SHORT.repr(value)}")
            if value not in joints:
                raise ValueError(f"there is no joint {value!r}{_hint(value, joints)}")
            return joints.index(value)

        def joint_list(value: Any, what: str) -> tuple[int, ...]:
            if not isinstance(value, (list, tuple)):
                raise ValueError(f"{what} must be a list of joints, got {_SHORT.repr(value)}")
            return tuple(joint(entry) for entry in value)

        bones = [joint_list(bone, "a bone") for bone in _list(plain["bones"], "bones")]
        if wrong := [bone for bone in bones if len(bone) != 2]:
            raise ValueError(f"a bone joins two joints, got {_SHORT.repr(list(wrong[0]))}")
        if not isinstance(plain.get("name", ""), str) or type(plain.get("channels", 3)) is not int:
            raise ValueError("name must be a string and channels a whole number")
        skeleton = cls(
            joints=joints,
            bones=tuple((bone[0], bone[1]) for bone in bones),
            center=joint(plain["center"]),
            left=joint_list(plain.get("left", []), "left"),
            right=joint_list(plain.get("right", []), "right"),
            keep=tuple(joint_list(level, "a level of keep") for level in _list(plain.get("keep", []), "keep")),
            channels=plain.get("channels", 3),
            name=plain.get("name", ""),
        )
        if len(joints) < 2:
            raise ValueError("a skeleton needs at least two joints and a bone between them, got one joint")
        _check_tree(skeleton)
        return skeleton


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{what} must be a list, got {_SHORT.repr(value)}")
    return list(value)


def _hint(word: str, names: Collection[str]) -> str:
    matches = nearest(word, names)
    return f" (did you mean {safe_line(matches[0])}?)" if matches else ""


def _repeated(values: Iterable[_Value]) -> list[_Value]:
    return [value for value, count in Counter(values).items() if count > 1]


def _check_tree(skeleton: Skeleton) -> None:
    """Raise ValueError for bones in a circle. They connect all joints, so only a tree has fewer bones than joints."""
    if len(skeleton.bones) < len(skeleton.joints):
        return
    neighbours = _neighbours(skeleton)
    while ends := [i for i, others in neighbours.items() if len(others) < 2]:
        for i in ends:
            for other in neighbours.pop(i):
                neighbours[other].discard(i)
    raise ValueError(f"bones run in a circle, a skeleton is a tree: see the bones among {skeleton._named(neighbours)}")


def _neighbours(skeleton: Skeleton) -> dict[int, set[int]]:
    return {i: set(np.flatnonzero(row).tolist()) for i, row in enumerate(skeleton.adjacency())}


def _check_ids(what: str, ids: Sequence[int], v: int) -> None:
    if wrong := [i for i in ids if not 0 <= i < v]:
        raise ValueError(f"{what} names joint {wrong[0]}, expected joints 0 to {v - 1}")
    if len(set(ids)) < len(ids):
        raise ValueError(f"{what} names a joint twice: {tuple(ids)}")


def coarsen(skeleton: Skeleton, protect: Collection[int] = ()) -> tuple[int, ...]:
    """The joints that survive one reduction, the centre among them, in order.

    Each round removes the joints of lowest degree that are not marked to stay, marks their neighbours and joins these
    to each other. When a single circle is left, its unmarked joints are removed (the rule of Kinetic-GAN, Degardin et
    al. 2022).

    Args:
        protect: joints that are marked from the start, like the centre

    Raises:
        ValueError: when `protect` names a joint twice or a joint that does not exist
    """
    _check_ids("protect", tuple(protect), len(skeleton.joints))
    return _reduce(skeleton, protect)[0]


def _reduce(skeleton: Skeleton, protect: Collection[int]) -> tuple[tuple[int, ...], dict[int, set[int]]]:
    """The surviving joints and their neighbours."""
    neighbours = _neighbours(skeleton)
    marked = {skeleton.center, *protect}
    while free := [i for i in neighbours if i not in marked]:
        if all(len(others) == 2 for others in neighbours.values()):  # connected, so it is one circle
            for i in free:
                _remove(neighbours, i)
            break
        least = min(len(neighbours[i]) for i in free)
        for i in [i for i in free if len(neighbours[i]) == least]:
            if i not in marked:
                marked |= neighbours[i]
                _remove(neighbours, i)
    return tuple(sorted(neighbours)), neighbours


def _remove(neighbours: dict[int, set[int]], joint: int) -> None:
    """Remove a joint and join its neighbours to each other."""
    others = neighbours.pop(joint)
    for other in others:
        neighbours[other] |= others - {other}
        neighbours[other].discard(joint)


@dataclass(frozen=True)
class SkeletonPyramid:
    """A skeleton at several resolutions, down to its centre.

    Attributes:
        levels: the skeletons, from all joints to one
        keep: the joints of each level, by their numbers in the first
    """

    levels: tuple[Skeleton, ...]
    keep: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, skeleton: Skeleton, depth: int = 4, keep: Sequence[Sequence[int]] | None = None) -> SkeletonPyramid:
        """The pyramid of a skeleton.

        The last level is always the centre alone: a large skeleton loses all other joints at once there, and a small
        one may reach its centre at an earlier level and repeat it.

        Args:
            depth: number of levels, the full skeleton included
            keep: joints of `skeleton` that survive each reduction; None = `skeleton.keep`. Further reductions follow
                the rule of `coarsen`.

        Raises:
            ValueError: when the bones of `skeleton` run in a circle, or `keep` does not list shrinking levels that
                hold the centre, the last of `depth` levels being the centre alone
        """
        if depth < 2:
            raise ValueError(f"a pyramid has at least 2 levels, got {depth}")
        _check_tree(skeleton)
        listed = tuple(tuple(level) for level in (skeleton.keep if keep is None else keep))
        replace(skeleton, keep=listed)  # checks them
        if len(listed) > depth - 1:
            raise ValueError(f"{depth} levels have {depth - 1} reductions, got joints to keep for {len(listed)}")
        if len(listed) == depth - 1 and len(listed[-1]) > 1:
            raise ValueError(
                f"the last of {depth} levels is the centre alone, keep[{depth - 2}] holds "
                f"{skeleton._named(listed[-1])}; leave it out, or ask for more levels"
            )
        levels, numbers = [skeleton], [tuple(range(len(skeleton.joints)))]
        for i in range(depth - 1):
            fine, originals = levels[-1], numbers[-1]
            if i == depth - 2:
                survivors: tuple[int, ...] = (fine.center,)
            elif i < len(listed):
                survivors = tuple(j for j, original in enumerate(originals) if original in listed[i])
            else:
                survivors = coarsen(fine)
            levels.append(_reduced(fine, survivors))
            numbers.append(tuple(originals[j] for j in survivors))
        return cls(tuple(levels), tuple(numbers))

    def down(self, level: int) -> np.ndarray:
        """(V of the level, V of the next level): 1 where a joint of the level is a joint of the next."""
        if not 0 <= level < len(self.levels) - 1:
            raise ValueError(f"level must be one of 0 to {len(self.levels) - 2}, the last has none below, got {level}")
        fine, coarse = self.keep[level], self.keep[level + 1]
        return (np.array(fine)[:, None] == np.array(coarse)[None, :]).astype(np.float64)

    def up(self, level: int, halved: bool = False) -> np.ndarray:
        """(V of the next, V of the level): kept joints are copied, others are the mean of their nearest kept joints.

        The nearest joints are the fewest bones away. `halved` takes half of that mean.
        """
        matrix = self.down(level).T  # (V of the next, V)
        kept = matrix.any(axis=0)
        hops = self.levels[level].hops()[kept]  # (V of the next, V)
        nearest = (hops == hops.min(axis=0)) & ~kept
        return matrix + nearest / np.maximum(nearest.sum(axis=0), 1) * (0.5 if halved else 1.0)


def _reduced(skeleton: Skeleton, survivors: Collection[int]) -> Skeleton:
    """The skeleton without the other joints; two joints that a removed joint connected share a bone."""
    survivors = sorted(survivors)
    ruled, neighbours = _reduce(skeleton, ())
    if list(ruled) != survivors:
        neighbours = _neighbours(skeleton)
        while removable := [i for i in neighbours if i not in survivors]:
            _remove(neighbours, min(removable, key=lambda i: (len(neighbours[i]), i)))
    number = {joint: i for i, joint in enumerate(survivors)}
    sides = zip(skeleton.left, skeleton.right, strict=True)
    pairs = [(number[a], number[b]) for a, b in sides if a in number and b in number]
    return Skeleton(
        joints=tuple(skeleton.joints[i] for i in survivors),
        bones=tuple(sorted((number[a], number[b]) for a in survivors for b in neighbours[a] if a < b)),
        center=number[skeleton.center],
        left=tuple(a for a, _ in pairs),
        right=tuple(b for _, b in pairs),
        channels=skeleton.channels,
        name=skeleton.name,
    )


def load_skeleton(path: str | os.PathLike[str], folder: Path = Path()) -> Skeleton:
    """The skeleton in a YAML file with the keys joints, bones, center and optionally left, right, keep, channels, name.

    Args:
        path: path of the file, or name of a built-in skeleton or of a preset (see `kinetic.presets`)
        folder: folder that relative paths start from

    Raises:
        FileNotFoundError: when no file or skeleton has that name
        ValueError: for a file that holds no skeleton, naming the file, what it holds and what was expected
    """
    if isinstance(path, str) and path in SKELETONS:
        return SKELETONS[path]
    file = preset_file(path, "skeleton", folder=folder, names=SKELETONS)
    plain = read_yaml(file)
    if not isinstance(plain, dict):
        raise ValueError(f"{path}: expected joints, bones and center, found {type(plain).__name__}")
    try:
        return Skeleton.from_dict({"name": file.stem, **plain})
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}") from error


def save_skeleton(skeleton: Skeleton, path: str | os.PathLike[str]) -> None:
    """Write a skeleton as a YAML file for `load_skeleton`; an old file is replaced once the new one is complete.

    Raises:
        ValueError: for a skeleton that `load_skeleton` would refuse: a single joint, or bones in a circle
    """
    Skeleton.from_dict(skeleton.to_dict())
    with replacing(path) as beside:
        beside.write_text(yaml_text(skeleton.to_dict()), encoding="utf-8")


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in (pair.split("-") for pair in text.split()))


NTU25 = Skeleton(
    name="ntu25",
    joints=tuple(
        "SpineBase SpineMid Neck Head ShoulderLeft ElbowLeft WristLeft HandLeft ShoulderRight ElbowRight WristRight "
        "HandRight HipLeft KneeLeft AnkleLeft FootLeft HipRight KneeRight AnkleRight FootRight SpineShoulder "
        "HandTipLeft ThumbLeft HandTipRight ThumbRight".split()
    ),
    bones=_pairs(
        "0-1 1-20 2-20 3-2 4-20 5-4 6-5 7-6 8-20 9-8 10-9 11-10 12-0 13-12 14-13 15-14 16-0 17-16 18-17 19-18 "
        "21-7 22-7 23-11 24-11"
    ),
    center=20,
    left=(4, 5, 6, 7, 12, 13, 14, 15, 21, 22),
    right=(8, 9, 10, 11, 16, 17, 18, 19, 23, 24),
)
"""NTU RGB+D, the 25 joints of Kinect v2 in its order, hand tips on the hands as in Kinetic-GAN."""

NTU25_2D = replace(NTU25, channels=2, name="ntu25_2d")
"""NTU RGB+D in the picture plane."""

H36M16 = Skeleton(
    name="h36m16",
    joints=tuple(
        "Pelvis HipRight KneeRight AnkleRight HipLeft KneeLeft AnkleLeft Spine Thorax Head "
        "ShoulderLeft ElbowLeft WristLeft ShoulderRight ElbowRight WristRight".split()
    ),
    bones=_pairs("1-2 2-3 0-1 4-5 5-6 0-4 0-7 7-8 8-9 8-10 10-11 11-12 8-13 13-14 14-15"),
    center=8,
    left=(4, 5, 6, 10, 11, 12),
    right=(1, 2, 3, 13, 14, 15),
    keep=((0, 2, 5, 8, 9, 11, 14), (0, 8), (8,)),
)
"""Human3.6M in the 16 joints of Kinetic-GAN, whose first reduction protects joint 9."""

COCO17 = Skeleton(
    name="coco17",
    joints=tuple(
        "Nose EyeLeft EyeRight EarLeft EarRight ShoulderLeft ShoulderRight ElbowLeft ElbowRight WristLeft WristRight "
        "HipLeft HipRight KneeLeft KneeRight AnkleLeft AnkleRight".split()
    ),
    bones=_pairs("0-1 0-2 1-3 2-4 0-5 0-6 5-7 7-9 6-8 8-10 5-11 6-12 11-13 13-15 12-14 14-16"),
    center=0,
    left=(1, 3, 5, 7, 9, 11, 13, 15),
    right=(2, 4, 6, 8, 10, 12, 14, 16),
    channels=2,
)
"""COCO keypoints as a tree: the head carries both shoulders, each shoulder its arm and, down the side, its leg."""

KINECT20 = Skeleton(
    name="kinect20",
    joints=tuple(
        "HipCenter Spine ShoulderCenter Head ShoulderLeft ElbowLeft WristLeft HandLeft ShoulderRight ElbowRight "
        "WristRight HandRight HipLeft KneeLeft AnkleLeft FootLeft HipRight KneeRight AnkleRight FootRight".split()
    ),
    bones=_pairs("0-1 1-2 2-3 2-4 4-5 5-6 6-7 2-8 8-9 9-10 10-11 0-12 12-13 13-14 14-15 0-16 16-17 17-18 18-19"),
    center=2,
    left=(4, 5, 6, 7, 12, 13, 14, 15),
    right=(8, 9, 10, 11, 16, 17, 18, 19),
)
"""Kinect v1, in the order of its SDK."""

OPENPOSE18 = Skeleton(
    name="openpose18",
    joints=tuple(
        "Nose Neck ShoulderRight ElbowRight WristRight ShoulderLeft ElbowLeft WristLeft HipRight KneeRight AnkleRight "
        "HipLeft KneeLeft AnkleLeft EyeRight EyeLeft EarRight EarLeft".split()
    ),
    bones=_pairs("0-1 1-2 2-3 3-4 1-5 5-6 6-7 2-8 8-9 9-10 5-11 11-12 12-13 0-14 0-15 14-16 15-17"),
    center=1,
    left=(5, 6, 7, 11, 12, 13, 15, 17),
    right=(2, 3, 4, 8, 9, 10, 14, 16),
    channels=2,
)
"""OpenPose with 18 keypoints, with the bones of ST-GCN: each shoulder carries its arm and, down the side, its leg."""

MEDIAPIPE33 = Skeleton(
    name="mediapipe33",
    joints=tuple(
        "Nose EyeInnerLeft EyeLeft EyeOuterLeft EyeInnerRight EyeRight EyeOuterRight EarLeft EarRight MouthLeft "
        "MouthRight ShoulderLeft ShoulderRight ElbowLeft ElbowRight WristLeft WristRight PinkyLeft PinkyRight "
        "IndexLeft IndexRight ThumbLeft ThumbRight HipLeft HipRight KneeLeft KneeRight AnkleLeft AnkleRight HeelLeft "
        "HeelRight FootIndexLeft FootIndexRight".split()
    ),
    bones=_pairs(
        "0-1 1-2 2-3 3-7 0-4 4-5 5-6 6-8 0-9 0-10 0-11 0-12 11-13 13-15 15-17 15-19 15-21 12-14 14-16 16-18 16-20 "
        "16-22 11-23 23-25 25-27 27-29 27-31 12-24 24-26 26-28 28-30 28-32"
    ),
    center=0,
    left=(1, 2, 3, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31),
    right=(4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32),
)
"""MediaPipe's landmarks of a body as a tree, whose head carries both shoulders as in COCO17."""

ACCLAIM31 = Skeleton(
    name="acclaim31",
    joints=tuple(
        "root lhipjoint lfemur ltibia lfoot ltoes rhipjoint rfemur rtibia rfoot rtoes lowerback upperback thorax "
        "lowerneck upperneck head lclavicle lhumerus lradius lwrist lhand lfingers lthumb rclavicle rhumerus rradius "
        "rwrist rhand rfingers rthumb".split()
    ),
    bones=_pairs(
        "0-1 1-2 2-3 3-4 4-5 0-6 6-7 7-8 8-9 9-10 0-11 11-12 12-13 13-14 14-15 15-16 13-17 17-18 18-19 19-20 20-21 "
        "21-22 20-23 13-24 24-25 25-26 26-27 27-28 28-29 27-30"
    ),
    center=13,
    left=(1, 2, 3, 4, 5, 17, 18, 19, 20, 21, 22, 23),
    right=(6, 7, 8, 9, 10, 24, 25, 26, 27, 28, 29, 30),
)
"""The .asf files of HDM05 and CMU: the root and the far end of each bone, under the name of the bone."""

SKELETONS = {
    skeleton.name: skeleton
    for skeleton in (NTU25, NTU25_2D, H36M16, COCO17, KINECT20, OPENPOSE18, MEDIAPIPE33, ACCLAIM31)
}
"""The built-in skeletons by name."""
