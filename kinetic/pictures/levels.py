"""Pictures of skeletons: the joints and bones of every level of a pyramid."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from kinetic.files import checked_target
from kinetic.messages import safe_line
from kinetic.pictures.charts import new_figure, plain_style, save_figure
from kinetic.pictures.drawing import INK, bone_colours
from kinetic.skeleton import Skeleton, SkeletonPyramid

__all__ = ["skeleton_levels"]

REST = {
    "ntu25": "0,0 0,3 0,6.2 0,7.6 1.6,5.3 2.2,3.4 2.6,1.5 2.8,.6 -1.6,5.3 -2.2,3.4 -2.6,1.5 -2.8,.6 .8,-.4 .9,-4 "
    ".9,-7.4 1.5,-8 -.8,-.4 -.9,-4 -.9,-7.4 -1.5,-8 0,5.5 3,-.3 2.3,.1 -3,-.3 -2.3,.1",
    "h36m16": "0,0 -.8,-.2 -.9,-4 -.9,-7.6 .8,-.2 .9,-4 .9,-7.6 0,3 0,5.5 0,7.6 1.6,5.3 2.2,3.4 2.6,1.5 -1.6,5.3 "
    "-2.2,3.4 -2.6,1.5",
    "coco17": "0,7 .5,7.5 -.5,7.5 1.1,7.2 -1.1,7.2 1.6,5.3 -1.6,5.3 2.2,3.4 -2.2,3.4 2.6,1.5 -2.6,1.5 .9,0 -.9,0 "
    ".9,-4 -.9,-4 .9,-7.6 -.9,-7.6",
}
"""Joints of a person who faces the camera: x to the person's left, which is the right of the picture, and y up."""


def _layout(skeleton: Skeleton) -> np.ndarray:
    """A place for each joint (V, 2): a standing person for the skeletons of `REST`, else the tree below its centre."""
    pairs = REST.get(skeleton.name.removesuffix("_2d"), "").split()
    if len(pairs) == len(skeleton.joints):
        return np.array([[float(value) for value in pair.split(",")] for pair in pairs])
    parents, place = skeleton.parents(), np.zeros((len(skeleton.joints), 2))
    hops = skeleton.hops()[skeleton.center]
    leaf = 0.0

    def put(joint: int) -> float:
        nonlocal leaf
        xs = [put(int(child)) for child in np.flatnonzero(parents == joint)]
        if not xs:
            leaf += 1
        place[joint] = (float(np.mean(xs)) if xs else leaf), -2.0 * hops[joint]
        return float(place[joint, 0])

    put(skeleton.center)
    return place


@plain_style
def skeleton_levels(pyramid: SkeletonPyramid, path: str | os.PathLike[str]) -> Path:
    """Write a PNG of all levels of a pyramid: joints with their numbers in level 0, and a list of their names."""
    target = checked_target(path, (".png",))
    place = _layout(pyramid.levels[0])
    figure = new_figure(11, 4.6)
    names = pyramid.levels[0].joints
    axes = figure.subplots(1, len(pyramid.levels) + 1, width_ratios=[*[1] * len(pyramid.levels), 0.9])
    for level, (skeleton, keep, ax) in enumerate(zip(pyramid.levels, pyramid.keep, axes, strict=False)):
        dots = place[list(keep)]
        for a, b, colour in bone_colours(skeleton):
            ax.plot(*dots[[a, b]].T, color=np.array(colour) / 255, linewidth=2.5, solid_capstyle="round", zorder=1)
        ax.scatter(*dots.T, s=120, color="white", edgecolors=np.array(INK) / 255, zorder=2)
        for number, (x, y) in zip(keep, dots, strict=True):
            ax.text(x, y, str(number), ha="center", va="center", fontsize=6.5, zorder=3)
        ax.set_title(f"level {level}: {len(keep)} joint{'s' if len(keep) > 1 else ''}", fontsize=10)
        ax.set_xlim(place[:, 0].min() - 1, place[:, 0].max() + 1)
        ax.set_ylim(place[:, 1].min() - 1, place[:, 1].max() + 1)
    for ax in axes:
        ax.axis("off")
    half = -(-len(names) // 2) if len(names) > 20 else len(names)
    for column, begin in enumerate(range(0, len(names), half)):
        text = "\n".join(f"{i} {safe_line(names[i], 24)}" for i in range(begin, min(begin + half, len(names))))
        axes[-1].text(0.55 * column, 0.95, text, fontsize=6.5, va="top", transform=axes[-1].transAxes, parse_math=False)
    return save_figure(figure, target)
