"""Verbs for looking: `kinetic plot` and `kinetic view` show motions, `kinetic skeleton` shows skeletons."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from kinetic.cli.arguments import (
    Verb,
    declare_json,
    declare_label,
    frame_rate,
    json_text,
    label_from_words,
    positive,
)
from kinetic.messages import safe_line, say

if TYPE_CHECKING:
    from kinetic.motion.motion_set import MotionSet

__all__ = ["LOOK_VERBS", "SKELETON_VERBS"]


def plot(request: Namespace) -> None:
    """Draw motions as a still picture or an animation, or the metrics of a run as curves."""
    from kinetic.pictures.show import plot

    metrics = request.subject / "metrics.csv"
    if metrics.is_file():
        from kinetic.pictures.charts import curves
        from kinetic.training.watch import read_metrics

        curves(read_metrics(metrics), request.out)
        return
    plot(
        request.subject,
        request.out,
        label=label_from_words(request.label),
        count=request.count,
        sheet=request.sheet,
        fps=request.fps,
    )


def _declare_plot(parser: ArgumentParser) -> None:
    parser.add_argument("subject", metavar="FILE|RUN", type=Path, help="a file of motions, or a run folder")
    kinds = "motions: .png, .gif, .webp, .apng or .mp4; run: .png"
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="PICTURE", help=kinds)
    declare_label(parser)
    parser.add_argument(
        "--count", type=positive, default=8, metavar="N", help="motions at most, of all classes in turn (8)"
    )
    parser.add_argument("--sheet", action="store_true", help="a .png with a cell instead of a row for each motion")
    parser.add_argument(
        "--fps", type=frame_rate, metavar="X", help="frames per second of an animation; default: as recorded"
    )


def view(request: Namespace) -> None:
    """Write a page on which motions play: one file that any browser opens, also without a network."""
    from kinetic.pictures.show import view

    label = label_from_words(request.label)
    motions: MotionSet | Path = request.subject
    if (request.subject / "config.yaml").exists() or request.subject.suffix == ".ckpt":
        from kinetic.files import checked_target
        from kinetic.runs.sample import sample

        checked_target(request.out, (".html",))  # before the run draws
        motions, label = sample(request.subject, label=label, count=request.count), None
    say(str(view(motions, request.out, label=label, count=request.count, title=request.subject.name)))


def _declare_view(parser: ArgumentParser) -> None:
    parser.add_argument("subject", metavar="FILE|RUN", type=Path, help="motions, or a run that is to make some")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="PAGE", help="where it goes: .html")
    declare_label(parser)
    parser.add_argument("--count", type=positive, default=4, metavar="N", help="motions of each class at most (4)")


LOOK_VERBS: dict[str, Verb] = {
    "plot": Verb(plot, _declare_plot, "draw motions, or the metrics of a run"),
    "view": Verb(view, _declare_view, "write a page on which motions play"),
}
"""`kinetic plot` and `kinetic view`."""


# ------------------------------------------------------------------------------------------------------------ skeletons


def skeleton_check(request: Namespace) -> None:
    """Say whether a skeleton file is sound, and the levels that networks will use."""
    from kinetic.skeleton import SkeletonPyramid, load_skeleton

    skeleton = load_skeleton(request.skeleton)
    levels = SkeletonPyramid.of(skeleton).keep
    if request.json:
        plain = {"name": skeleton.name, "hash": skeleton.hash, "levels": [list(level) for level in levels]}
        say(json_text({**plain, "joints": list(skeleton.joints), "bones": [list(bone) for bone in skeleton.bones]}))
        return
    say(f"{request.skeleton}: sound; {len(skeleton.joints)} joints, {len(skeleton.bones)} bones")
    for number, level in enumerate(levels):
        say(f"level {number}: {len(level):2} joints: {', '.join(safe_line(skeleton.joints[joint]) for joint in level)}")


def _declare_skeleton_check(parser: ArgumentParser) -> None:
    parser.add_argument("skeleton", metavar="NAME|FILE", help="a built-in skeleton, a preset, or a YAML file of one")
    declare_json(parser)


def skeleton_show(request: Namespace) -> None:
    """Draw a skeleton at all levels that networks use."""
    from kinetic.pictures.levels import skeleton_levels
    from kinetic.skeleton import SkeletonPyramid, load_skeleton

    skeleton_levels(SkeletonPyramid.of(load_skeleton(request.skeleton)), request.out)


def _declare_skeleton_show(parser: ArgumentParser) -> None:
    parser.add_argument("skeleton", metavar="NAME|FILE", help="a built-in skeleton, a preset, or a YAML file of one")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="PICTURE", help="where it goes: .png")


SKELETON_VERBS: dict[str, Verb] = {
    "skeleton check": Verb(skeleton_check, _declare_skeleton_check, "whether a skeleton is sound, and its levels"),
    "skeleton show": Verb(skeleton_show, _declare_skeleton_show, "draw the levels of a skeleton"),
}
"""`kinetic skeleton check` and `kinetic skeleton show`."""
