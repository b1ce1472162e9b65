"""`python -m benchmarks.conversion`: do raw files give the motions that other code made of them?

Five data sets exist in two forms: some files as their authors published them, and all clips as windows of 64 frames in
the joints of NTU RGB+D, which other code made. `kinetic` reads each raw file, maps it to these joints and cuts or
stretches it as the window was. The table shows the distance between both, for joints that were measured and for joints
that are computed (`derived_joints` of the windows). Windows are rounded to 0.1 mm; that alone gives a mean distance of
0.05 mm and at most 0.09 mm.
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
"""Name of a clip; our motion of a window (3, T, 25), and the stored one."""


@dataclass(frozen=True)
class Agreement:
    """Distances between our motions of one data set and the stored ones.

    Attributes:
        files: raw files; all of them are read
        matched: files whose clip is among the windows
        windows: windows of these clips
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
        chosen = [i for i, is_measured in enumerate(self.measured) if is_measured == measured]
        if not chosen:
            return None
        return float(np.mean([self.mean[i] for i in chosen])), max(self.largest[i] for i in chosen)


def stretched(read: Callable[[Path], MotionSet]) -> Callable[[Path, MotionSet], Iterator[Pair]]:
    """A way to pair whole clips with their windows."""

    def pairs(raw: Path, windows: MotionSet) -> Iterator[Pair]:
        motions = on_ntu25(read(raw)).resampled(FRAMES)
        for row, clip in enumerate(motions.clip):
            for window in np.flatnonzero(np.array(windows.clip) == clip):
                yield clip, np.asarray(motions.motion[row]), np.asarray(windows.motion[window])

    return pairs


def irds(raw: Path, windows: MotionSet) -> Iterator[Pair]:
    """Pairs for windows at 30 Hz that begin at `start`; shorter clips are stretched."""
    motions = read_irds(raw)
    for row, clip in enumerate(motions.clip):
        for window in np.flatnonzero(np.array(windows.clip) == clip):
            motion = motions.select([row])
            start = int(windows.columns["start"][window])
            frames = int(motion.columns["frames"][0])
            cut = motion.resampled(FRAMES).motion[0] if frames < FRAMES else motion.motion[0][:, start : start + FRAMES]
            yield clip, np.asarray(cut), np.asarray(windows.motion[window])


def kinder_gator(raw: Path, windows: MotionSet) -> Iterator[Pair]:
    """Pairs for windows at 30 Hz.

    The T-pose was cut off the raw recording, in front of the frame whose number is the `start` of the first window, and
    times were counted from there. So joints are mapped to NTU's first, and resampled evenly in time afterwards.
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
"""Pattern of the raw files of each data set, and the function that pairs them with windows."""


def agreement(data: Path, name: str) -> Agreement:
    """The agreement of one data set; `data` holds the folders `raw` and `motion`."""
    ending, pairs = SETS[name]
    raw = data / "raw" / name
    windows = read_motions(data / "motion" / f"{name}.npz")
    clips, distances = set(), []
    for clip, motion, window in pairs(raw, windows):
        if motion.shape != window.shape:
            raise ValueError(f"{clip}: our motion has shape {motion.shape}, the window {window.shape}")
        clips.add(clip)
        distances.append(1000 * np.linalg.norm(motion.astype(np.float64) - window, axis=0))  # (T, 25)
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


def table(agreements: Mapping[str, Agreement]) -> str:
    """Markdown: a row for each data set, and one for each joint that was not measured."""

    def words(pair: tuple[float, float] | None) -> str:
        return "- | -" if pair is None else f"{pair[0]:.3f} | {pair[1]:.3f}"

    lines = [
        "| data set | files | in the windows | windows | measured: mean, mm | largest | derived: mean, mm | largest |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, result in agreements.items():
        counts = f"{result.files} | {result.matched} | {result.windows}"
        lines.append(f"| {name} | {counts} | {words(result.of(True))} | {words(result.of(False))} |")
    derived = [i for i in range(len(NTU25.joints)) if not all(result.measured[i] for result in agreements.values())]
    lines += ["", "| derived joint: mean (largest), mm | " + " | ".join(agreements) + " |"]
    lines.append("| --- |" + " --- |" * len(agreements))
    for i in derived:
        cells = [
            "-" if result.measured[i] else f"{result.mean[i]:.3f} ({result.largest[i]:.3f})"
            for result in agreements.values()
        ]
        lines.append(f"| {NTU25.joints[i]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    description = __doc__.partition(":")[2].strip().partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversion", description=description)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with raw/ and motion/")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="where the numbers are kept (.json)")
    parser.add_argument("--show", type=Path, metavar="FILE", help="show the numbers of a file, and convert nothing")
    options = parser.parse_args(arguments)
    if options.show is not None:
        results = json.loads(options.show.read_text(encoding="utf-8"))
        agreements = {
            name: Agreement(
                **{key: tuple(value) if isinstance(value, list) else value for key, value in result.items()}
            )
            for name, result in results["found"].items()
        }
    else:
        if not (options.data / "raw").is_dir() or not (options.data / "motion").is_dir():
            parser.error(f"{options.data}: expected a folder with raw/ and motion/")
        agreements = {name: agreement(options.data, name) for name in SETS}
        if options.out is not None:
            with replacing(options.out) as beside:
                text = json.dumps({"found": {name: vars(result) for name, result in agreements.items()}})
                beside.write_text(text + "\n", encoding="utf-8")
    print(table(agreements))
    return 0


if __name__ == "__main__":
    sys.exit(main())
