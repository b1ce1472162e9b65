"""`python -m benchmarks.conversion`: do raw files become the motions that were made of them before?

Five data sets are there twice: some files as their authors published them, and all clips as windows of 64 frames in
the joints of NTU RGB+D, made by other code. Each raw file is read by `kinetic`, brought to these joints and cut or
stretched as the window was. What is told is the distance between the two, over all joints that were measured, and
apart from them over those that are computed (`derived_joints` of the windows). Windows are rounded to 0.1 mm, which
leaves a mean distance of 0.05 mm and at most 0.09 mm where nothing else differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinetic.files import replacing
from kinetic.formats.acclaim import read_amc
from kinetic.formats.kinect import kinder_gator_take, read_irds, read_nw_ucla, read_utd_mhad
from kinetic.formats.mocap import evenly
from kinetic.formats.reading import read_motions
from kinetic.motion.joints import on_ntu25, to_ntu25
from kinetic.motion.motion_set import MotionSet
from kinetic.skeleton import NTU25

FRAMES = 64

Pair = tuple[str, np.ndarray, np.ndarray]
"""Name of a clip; our motion of a window (3, T, 25), and the one that was made before."""


@dataclass(frozen=True)
class Agreement:
    """How far our motions of one data set are from those made before.

    Attributes:
        files: raw files, all of which are read
        matched: files whose clip is among the windows
        windows: of these clips
        mean, largest: distance of each joint of NTU RGB+D, millimetres
        measured: joints that were measured
    """

    files: int
    matched: int
    windows: int
    mean: tuple[float, ...]
    largest: tuple[float, ...]
    measured: tuple[bool, ...]

    def of(self, measured: bool) -> tuple[float, float] | None:
        """Mean and largest distance over joints that were measured, or were not; None without such joints."""
        chosen = [i for i, each in enumerate(self.measured) if each == measured]
        if not chosen:
            return None
        return float(np.mean([self.mean[i] for i in chosen])), max(self.largest[i] for i in chosen)


def stretched(read: Callable[[Path], MotionSet]) -> Callable[[Path, MotionSet], Iterator[Pair]]:
    """Windows that hold a whole clip."""

    def pairs(raw: Path, windows: MotionSet) -> Iterator[Pair]:
        motions = on_ntu25(read(raw)).resampled(FRAMES)
        for row, clip in enumerate(motions.clip):
            for window in np.flatnonzero(np.array(windows.clip) == clip):
                yield clip, np.asarray(motions.motion[row]), np.asarray(windows.motion[window])

    return pairs


def irds(raw: Path, windows: MotionSet) -> Iterator[Pair]:
    """Windows at 30 Hz from `start` on; shorter clips are stretched."""
    motions = read_irds(raw)
    for row, clip in enumerate(motions.clip):
        for window in np.flatnonzero(np.array(windows.clip) == clip):
            one = motions.select([row])
            start = int(windows.columns["start"][window])
            frames = int(one.columns["frames"][0])
            cut = one.resampled(FRAMES).motion[0] if frames < FRAMES else one.motion[0][:, start : start + FRAMES]
            yield clip, np.asarray(cut), np.asarray(windows.motion[window])


def kinder_gator(raw: Path, windows: MotionSet) -> Iterator[Pair]:
    """Windows at 30 Hz.

    The T-pose was cut off the recording as it was, in front of the frame whose number is the `start` of the first
    window, and times were counted from there. So joints are brought to NTU's first, and made even in time then.
    """
    for file in sorted(raw.glob("*.csv")):
        take = kinder_gator_take(file)
        chosen = np.flatnonzero(np.array(windows.clip) == take.clip)
        if not len(chosen) or take.seconds is None:
            continue
        start = windows.columns["start"][chosen]
        first = int(start.min())
        motion = to_ntu25(take.motion[first:].transpose(2, 0, 1)[None], take.skeleton)[0]  # (3, T, 25)
        motion = evenly(motion.transpose(1, 2, 0), take.seconds[first:], 30.0).transpose(2, 0, 1)
        for window in chosen:
            at = int(windows.columns["start"][window]) - first
            yield take.clip, motion[:, at : at + FRAMES], np.asarray(windows.motion[window])


SETS: dict[str, tuple[str, Callable[[Path, MotionSet], Iterator[Pair]]]] = {
    "utd_mhad": ("*.mat", stretched(read_utd_mhad)),
    "nw_ucla": ("*.json", stretched(read_nw_ucla)),
    "kinder_gator": ("*.csv", kinder_gator),
    "irds": ("*.txt", irds),
    "hdm05": ("*.amc", stretched(read_amc)),
}
"""Endings of the raw files of each data set, and how they meet the windows."""


def agreement(data: Path, name: str) -> Agreement:
    """What one data set shows; `data` holds the folders `raw` and `motion`."""
    ending, pairs = SETS[name]
    raw = data / "raw" / name
    windows = read_motions(data / "motion" / f"{name}.npz")
    clips, distances = set(), []
    for clip, ours, theirs in pairs(raw, windows):
        if ours.shape != theirs.shape:
            raise ValueError(f"{clip}: our window has shape {ours.shape}, the other {theirs.shape}")
        clips.add(clip)
        distances.append(1000 * np.linalg.norm(ours.astype(np.float64) - theirs, axis=0))  # (T, 25)
    if not distances:
        raise ValueError(f"{raw}: no clip is among the windows")
    apart = np.stack(distances)  # (windows, T, 25)
    derived = windows.notes["derived_joints"]
    return Agreement(
        files=len(list(raw.glob(ending))),
        matched=len(clips),
        windows=len(distances),
        mean=tuple(round(float(value), 4) for value in apart.mean(axis=(0, 1))),
        largest=tuple(round(float(value), 4) for value in apart.max(axis=(0, 1))),
        measured=tuple(joint not in derived for joint in range(len(NTU25.joints))),
    )


def table(found: Mapping[str, Agreement]) -> str:
    """Markdown: each data set, and each joint that was not measured."""

    def words(pair: tuple[float, float] | None) -> str:
        return "- | -" if pair is None else f"{pair[0]:.3f} | {pair[1]:.3f}"

    lines = [
        "| data set | files | in the windows | windows | measured: mean, mm | largest | derived: mean, mm | largest |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, one in found.items():
        counts = f"{one.files} | {one.matched} | {one.windows}"
        lines.append(f"| {name} | {counts} | {words(one.of(True))} | {words(one.of(False))} |")
    derived = [i for i in range(len(NTU25.joints)) if not all(one.measured[i] for one in found.values())]
    lines += ["", "| derived joint: mean (largest), mm | " + " | ".join(found) + " |"]
    lines.append("| --- |" + " --- |" * len(found))
    for i in derived:
        cells = ["-" if one.measured[i] else f"{one.mean[i]:.3f} ({one.largest[i]:.3f})" for one in found.values()]
        lines.append(f"| {NTU25.joints[i]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    description = __doc__.partition(":")[2].strip().partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversion", description=description)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with raw/ and motion/")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="where the numbers are kept (.json)")
    parser.add_argument("--show", type=Path, metavar="FILE", help="show numbers that were kept, and convert nothing")
    options = parser.parse_args(arguments)
    if options.show is not None:
        kept = json.loads(options.show.read_text(encoding="utf-8"))
        found = {
            name: Agreement(**{key: tuple(value) if isinstance(value, list) else value for key, value in one.items()})
            for name, one in kept["found"].items()
        }
    else:
        if not (options.data / "raw").is_dir() or not (options.data / "motion").is_dir():
            parser.error(f"{options.data}: expected a folder with raw/ and motion/")
        found = {name: agreement(options.data, name) for name in SETS}
        if options.out is not None:
            with replacing(options.out) as beside:
                text = json.dumps({"found": {name: vars(one) for name, one in found.items()}})
                beside.write_text(text + "\n", encoding="utf-8")
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
