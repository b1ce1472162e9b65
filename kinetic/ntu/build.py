"""From the raw files of NTU RGB+D to one set of motions, even when files are damaged or the build is interrupted."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from kinetic.files import holding, inside, make_folder, replacing
from kinetic.motion.arrays import mebibytes
from kinetic.motion.fitting import FITTING
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import MotionWriter, check_target, restore_target
from kinetic.ntu.cleaning import CLEANING, restored
from kinetic.ntu.facts import BENCHMARKS, ClipName
from kinetic.ntu.parts import RATE, Part, body_shape, is_finished, part_makers, read_lines
from kinetic.ntu.raw import ClipFiles, Source, choose_clips, find_sources
from kinetic.ntu.report import POLICY, SKIPPED, BuildReport, UnusedFile
from kinetic.processes import processors
from kinetic.skeleton import NTU25
from kinetic.version import __version__

__all__ = ["BuildReport", "build_ntu", "in_camera_space"]

BLOCK = 128
"""Files in a part of the build: at most so many are lost when a process is killed."""
BATCH = 2 << 20
"""Bytes of motions that are written at a time."""
LONGEST = 10_000
"""The largest number of frames of a request."""

PUBLISHED: dict[str, tuple[str, int | None]] = {
    "st-gcn": ("pad", 300),
    "ctr-gcn": ("pad", 300),
    "pyskl": ("all", None),
    "kinetic": ("stretch", 64),
}
"""How a recipe as published brings its clips to one length, and to which (None = clips keep their length)."""
OTHERWISE = {"st-gcn": "pad", "ctr-gcn": "stretch", "pyskl": "stretch", "kinetic": "stretch"}
"""How a recipe does so for another number of frames.

Kinetic-GAN takes the first 64 of 300 frames padded by st-gcn. CTR-GCN resizes its 300 padded frames, without the
padding, to 64 when it loads them; pyskl samples any number of frames, spread over the clip.
"""

COLUMNS = ("origin_x", "origin_y", "origin_z", "turn_w", "turn_x", "turn_y", "turn_z")
PLACE = (
    "recorded = inverse of the turn (turn_w/x/y/z, a quaternion) of the motion + origin_x/y/z, where there is a body"
)

CENTRED = {
    "st-gcn": ("as recorded", "none"),
    "ctr-gcn": ("0 is the middle of the actor's spine in its first frame", "none"),
    "pyskl": (
        "0 is the middle of the actor's spine in its first frame",
        "the spine points along z in that frame, and the line from the left to the right shoulder along x",
    ),
    "kinetic": (
        "0 is on the floor, under the base of the actor's spine in its first frame",
        "about the vertical: the actor faces the camera in its first frames",
    ),
}
"""What recipes do to places and directions, for the notes of a set."""


@dataclass(frozen=True)
class _Request:
    """A request without faults; `frames` is None where clips keep their length."""

    benchmark: str
    recipe: str
    fit: str
    frames: int | None


def _checked(benchmark: str, recipe: str, frames: int | Literal["all"] | None, fit: str | None) -> _Request:
    for kind, name, names in (("benchmark", benchmark, BENCHMARKS), ("recipe", recipe, CLEANING)):
        if name not in names:
            raise ValueError(f"unknown {kind} {name!r}; expected one of: {', '.join(names)}")
    usual, length = PUBLISHED[recipe]
    if frames == "all" or (frames is None and fit is None and length is None):
        if fit is not None:
            raise ValueError(f"with frames all, clips keep their length: expected no fit, got {fit!r}")
        return _Request(benchmark, recipe, "all", None)
    frames = length if frames is None else frames
    if frames is None:
        raise ValueError(
            f"fit {fit!r} needs a number of frames to bring clips to; by itself, recipe {recipe} keeps their length"
        )
    if isinstance(frames, (bool, str)) or not 1 <= frames <= LONGEST:
        raise ValueError(f"frames must be 'all' or a number from 1 to {LONGEST}, got {frames!r}")
    if fit is None:
        fit = usual if frames == length else OTHERWISE[recipe]
    if fit not in FITTING:
        raise ValueError(f"unknown fit {fit!r}; expected one of: {', '.join(FITTING)}")
    return _Request(benchmark, recipe, fit, int(frames))


def build_ntu(
    raw: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    benchmark: str,
    recipe: str = "kinetic",
    frames: int | Literal["all"] | None = None,
    fit: str | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> BuildReport:
    """Clean the raw files of NTU RGB+D and write them to a folder that `read_motions` opens, memory-mapped.

    The folder holds all clips of the data set, sorted by name, whatever the order or the number of processes; the
    benchmark's split is one of its splits. `columns` are `frames` (before padding), `bodies`, `replication`, and the
    place in the recording: `origin_x/y/z` in metres and `turn_w/x/y/z`, a quaternion, with
    recorded = inverse turn of the motion + origin, wherever a body is present; `start` is the frame of the recording
    where the cleaned clip begins. The notes name the recipe and how clips were brought to one length.

    A file that cannot be used is named in the report and in `OUT.report.jsonl`, and the build goes on, with the next
    file of the same clip where there are several. After any interruption, the same call goes on where it stopped:
    finished parts are in a hidden folder `.OUT.building` beside `out`, which takes the space of the set without its
    padding, and at the end that of the set; it may hold the older set after a kill, so let the same call clear it.
    That call also tries files again that the system refused to give, or that changed meanwhile. Memory holds a few
    motions, and the names of all.

    Args:
        raw: a folder, searched with all folders in it and those that links lead to, for `.skeleton` files and for zip
            archives of them, or such an archive; archives are read in place
        out: the folder to make; it replaces an older set of motions. Where it is a link, the build makes the folder
            that the link leads to, and the report beside that
        benchmark: of `kinetic.ntu.facts.BENCHMARKS`
        recipe: of `kinetic.ntu.cleaning.CLEANING`
        frames: length of the motions, or `all` for clips that keep their length; None = as the recipe was published
        fit: of `kinetic.motion.fitting.FITTING`; None = as the recipe's authors do for this number of frames
        workers: processes; None = one per processor. With 1, everything happens in this process
        progress: show a bar

    Raises:
        ValueError: for an unknown name, a target that is not a set of motions, a link in the place of the hidden
            folder, or raw data without a usable clip
        FileNotFoundError: when there is no raw data
        FileExistsError: when another process builds the same folder
        OSError: when the disk is full or refuses; the call can be repeated
        ChildProcessError: when several workers die at the same files
    """
    began = time.monotonic()
    raw, out = Path(raw), Path(out)
    request = _checked(benchmark, recipe, frames, fit)
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if out.is_symlink():  # to another disk, say
        out = Path(os.path.realpath(out))
    if out.suffix or not out.name:
        raise ValueError(f"{out}: expected the name of a folder, without suffix")
    check_target(out)
    sources, unused = find_sources(raw)
    clips, unused = choose_clips(sources, unused, BENCHMARKS[benchmark])
    if not clips:
        counts = Counter(file.why for file in unused)
        reasons = ", ".join(f"{count:,} {SKIPPED.get(why, why)}" for why, count in counts.items())
        raise ValueError(f"{raw}: no clip of {BENCHMARKS[benchmark].source} is in it; {reasons}")
    out.parent.mkdir(parents=True, exist_ok=True)
    work = make_folder(out.parent, f".{out.name}.building")
    before = work.stat()
    with holding(work, patience=0):
        if not os.path.samestat(before, work.stat()):  # one build ended and removed it, another began and made it
            raise FileExistsError(f"{work}: another process is at work in it")
        build = _Build(request, clips, unused, len(sources), work, out)
        build.make(workers or processors(), progress)
        report = build.merge(progress, began)
        _clear(work)
        with suppress(OSError):  # files of others stay
            work.rmdir()
    if not report.motions:
        raise ValueError(f"none of {len(clips)} clips can be used, see {report.listing}; {report.first[0]}")
    return report


def _clear(work: Path, keep: str = "") -> bool:
    """Remove the files of a build except those whose names begin with `keep`; whether parts were among them."""
    others = [entry for entry in work.iterdir() if not (keep and entry.name.startswith(keep)) and not entry.is_dir()]
    for entry in others:
        entry.unlink(missing_ok=True)
    return any(entry.suffix == ".jsonl" for entry in others)


class _Build:
    """The parts of a build, and how they become a set and a report."""

    def __init__(
        self, request: _Request, clips: list[ClipFiles], unused: list[UnusedFile], files: int, work: Path, out: Path
    ) -> None:
        self.request, self.clips, self.unused, self.files, self.out = request, clips, unused, files, out
        self.benchmark = BENCHMARKS[request.benchmark]
        self.writing = inside(work, "set")
        restore_target(out, self.writing)
        digest = hashlib.sha256(repr((request, __version__, BLOCK)).encode())
        for clip, sources in clips:
            digest.update(repr((clip, [(source.place, source.size, source.stamp) for source in sources])).encode())
        # Parts of another request, also those that a worker of it may still write, have other names.
        prefix = digest.hexdigest()[:16]
        self.restarted = _clear(work, keep=prefix)
        blocks = [clips[first : first + BLOCK] for first in range(0, len(clips), BLOCK)]
        self.parts = [
            Part(
                str(work / f"{prefix}-{number:06}"),
                request.recipe,
                request.fit,
                request.frames,
                [(str(clip), sources) for clip, sources in block],
            )
            for number, block in enumerate(blocks)
        ]
        self.sizes = {
            part.stem: sum(sources[0].size for _, sources in block)
            for part, block in zip(self.parts, blocks, strict=True)
        }
        self.resumed = 0

    def make(self, workers: int, progress: bool) -> None:
        """Make the parts that are absent, or had trouble that may be over."""
        unfinished = [part for part in self.parts if not is_finished(part)]
        self.resumed = len(self.clips) - sum(len(part.files) for part in unfinished)
        bar = tqdm(
            total=len(self.clips), initial=self.resumed, unit="file", desc="read", disable=None if progress else True
        )
        began, size = time.monotonic(), 0
        with bar, part_makers(min(workers, max(1, len(unfinished)))) as make:
            for part in make(unfinished):
                size += self.sizes[part.stem]
                bar.set_postfix_str(f"{size / 1e6 / max(time.monotonic() - began, 1e-9):.1f} MB/s", refresh=False)
                bar.update(len(part.files))

    def merge(self, progress: bool, began: float) -> BuildReport:
        """Write the set and the report from the parts."""
        found, refused = (
            {side: np.zeros(len(self.benchmark.class_names), dtype=np.int64) for side in ("train", "test")}
            for _ in range(2)
        )
        longest, partners, remarked, size = 0, False, 0, 0
        unused, clips = list(self.unused), iter(self.clips)
        for line in (line for part in self.parts for line in self._lines(part)):
            clip, sources = next(clips)
            side = self.benchmark.side(clip)
            unused += _unused(line, clip, sources, side)
            size += sources[min(len(line["failures"]), len(sources) - 1)].size
            if "stored" not in line:
                refused[side][clip.action - 1] += any(failure["refused"] for failure in line["failures"])
                continue
            found[side][clip.action - 1] += 1
            longest = max(longest, line["stored"])
            partners |= line["bodies"] > 1
            remarked += line["remarks"] > 0
        unused.sort(key=lambda file: (file.clip, file.place))
        failures = [file for file in unused if file.why == "failed"]
        report = BuildReport(
            out=self.out,
            listing=self.out.with_name(f"{self.out.name}.report.jsonl"),
            benchmark=self.benchmark,
            recipe=self.request.recipe,
            fit=self.request.fit,
            frames=self.request.frames,
            found=found,
            refused=refused,
            files=self.files,
            skipped=Counter((file.why, file.side) for file in unused if file.why != "failed"),
            failures=Counter(file.side for file in failures),
            first=tuple(f"{file.place}: {file.words}" for file in failures[:10]),
            remarked=remarked,
            size=size,
            resumed=self.resumed,
            restarted=self.restarted,
        )
        if report.motions:
            self._write(report, self.request.frames or longest, partners, progress)
        with replacing(report.listing) as beside, open(beside, "w", encoding="utf-8") as listing:
            listing.writelines(json.dumps(file.to_dict()) + "\n" for file in unused)
            listing.write(json.dumps({"summary": report.to_dict()}) + "\n")
        return replace(report, seconds=time.monotonic() - began)

    def _write(self, report: BuildReport, frames: int, partners: bool, progress: bool) -> None:
        size = 4 * NTU25.channels * frames * len(NTU25.joints)
        needed, free = report.motions * size * (1 + partners), shutil.disk_usage(self.out.parent).free
        if needed > free:
            raise OSError(
                errno.ENOSPC, f"the set needs {mebibytes(needed)}, {mebibytes(free)} are free; nothing is lost so far",
                str(self.out),
            )  # fmt: skip
        request = self.request
        writer = MotionWriter(
            self.out,
            report.motions,
            frames=frames,
            class_names=self.benchmark.class_names,
            skeleton=NTU25,
            fps=RATE,
            source=self.benchmark.source,
            notes={
                "benchmark": request.benchmark,
                "recipe": request.recipe,
                "fit": request.fit,
                "frames": "all" if request.frames is None else request.frames,
                "length": POLICY[request.fit].format(frames=request.frames),
                "centring": CENTRED[request.recipe][0],
                "rotation": CENTRED[request.recipe][1],
                "place": PLACE,
                "kinetic": __version__,
                "files": report.files,
                "failed": report.failed,
                "verdict": report.verdict(),
            },
            work=self.writing,
        )
        bar = tqdm(total=report.motions, unit="motion", desc="write", disable=None if progress else True)
        with bar, writer:
            for batch in self._batches(max(1, BATCH // size), frames, partners):
                writer.write(**batch)
                bar.update(len(batch["label"]))

    def _batches(self, size: int, frames: int, partners: bool) -> Iterator[dict[str, Any]]:
        """Arguments for the writer: `size` motions at a time, with their padding."""
        stored = self._stored()
        while rows := list(islice(stored, size)):
            motion = np.zeros((len(rows), NTU25.channels, frames, len(NTU25.joints)), dtype=np.float32)
            partner = np.zeros_like(motion) if partners else None
            for i, (_, _, bodies) in enumerate(rows):
                motion[i, :, : bodies.shape[2]] = bodies[0]
                if partner is not None and len(bodies) > 1:
                    partner[i, :, : bodies.shape[2]] = bodies[1]
            clips, lines = [clip for clip, _, _ in rows], [line for _, line, _ in rows]
            places = np.array([[*line["origin"], *line["turn"]] for line in lines])  # (n, 7)
            yield {
                "motion": motion,
                "partner": partner,
                "label": np.array([clip.action - 1 for clip in clips]),
                "subject": np.array([clip.performer for clip in clips]),
                "view": np.array([clip.camera for clip in clips]),
                "setup": np.array([clip.setup for clip in clips]),
                "clip": [str(clip) for clip in clips],
                "fps": np.array([line["fps"] for line in lines]) if self.request.fit == "stretch" else None,
                "columns": {
                    "frames": np.array([line["frames"] for line in lines]),
                    "bodies": np.array([line["bodies"] for line in lines]),
                    "replication": np.array([clip.replication for clip in clips]),
                    "start": np.array([line["start"] for line in lines], dtype=np.int64),
                }
                | dict(zip(COLUMNS, places.T, strict=True)),
            }

    def _stored(self) -> Iterator[tuple[ClipName, dict[str, Any], np.ndarray]]:
        """Every motion of the parts: its clip, its line, and its bodies (M, C, T, V)."""
        clips = iter(self.clips)
        for part in self.parts:
            with open(part.path("f32"), "rb") as file:
                for line in self._lines(part):
                    clip, _ = next(clips)
                    if "stored" in line:
                        shape = body_shape(line)
                        yield clip, line, np.fromfile(file, "<f4", int(np.prod(shape))).reshape(shape)

    def _lines(self, part: Part) -> list[dict[str, Any]]:
        lines = read_lines(part)
        if lines is None:
            raise RuntimeError(f"{part.stem}: this part of the build has vanished; the same call makes it again")
        return lines


def _unused(line: Mapping[str, Any], clip: ClipName, sources: Sequence[Source], side: str) -> Iterator[UnusedFile]:
    """The files of a clip except the one in use; where there is none, one of them stands for the clip as failed."""
    failures, failed = line["failures"], -1
    if "stored" in line:
        why = f"the one in use is {sources[len(failures)].place}"
    else:  # a readable file says more about the clip than one that cannot be read
        failed = next((i for i, failure in enumerate(failures) if failure["refused"]), 0)
        why = "no file of this clip can be used"
    for i, (source, failure) in enumerate(zip(sources, failures, strict=False)):
        error = failure["error"]
        if i == failed:
            number = re.match(r"line ([0-9]+)\b", error)
            yield UnusedFile(source.place, "failed", str(clip), side, error, int(number.group(1)) if number else None)
        else:
            yield UnusedFile(source.place, "broken", str(clip), side, f"{error}; {why}")
    for source in sources[len(failures) + 1 :]:
        yield UnusedFile(source.place, "again", str(clip), side, f"{SKIPPED['again']}; {why}")


# ---------------------------------------------------------------------------------------------------- in camera space


def in_camera_space(motions: MotionSet) -> MotionSet:
    """A set that `build_ntu` made, with its motions and partners at the places where the camera recorded them.

    They are read into memory, in metres: x to the sensor's left, y up, z away from it. Absent bodies stay zeros.

    Raises:
        ValueError: for a set without the columns `origin_x/y/z` and `turn_w/x/y/z`
    """
    if missing := [name for name in COLUMNS if name not in motions.columns]:
        raise ValueError(f"has no column {missing[0]}, which sets of `kinetic data build` have")
    x, y, z, *turn = (motions.columns[name] for name in COLUMNS)
    origin = np.stack([x, y, z], axis=1)  # (N, 3)
    rotation = _rotations(np.stack(turn, axis=1))

    def placed(motion: Any) -> np.ndarray:
        result = np.empty(motion.shape, dtype=np.float32)
        for row in range(len(motion)):
            bodies = motion[row].transpose(1, 2, 0)[None]  # (1, T, V, 3)
            result[row] = restored(bodies, origin[row], rotation[row])[0].transpose(2, 0, 1)
        return result

    partner = None if motions.partner is None else placed(motions.partner)
    return replace(motions, motion=placed(motions.motion), partner=partner)


def _rotations(turn: np.ndarray) -> np.ndarray:
    """Matrices of unit quaternions w, x, y, z: (N, 4) -> (N, 3, 3)."""
    w, x, y, z = turn.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=1)
