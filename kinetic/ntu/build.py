"""From the raw files of NTU RGB+D to one set of motions, whatever befalls some of the files or the build itself."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal, TypeAlias

import numpy as np
from tqdm import tqdm

from kinetic.files import holding, inside, make_folder, read_text, replacing
from kinetic.messages import LONGEST_MESSAGE, safe_line
from kinetic.motion.arrays import mebibytes
from kinetic.motion.fitting import FITTING
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import MotionWriter, check_target, restore_target
from kinetic.ntu.cleaning import CLEANING, Unusable, restored
from kinetic.ntu.facts import BENCHMARKS, MISSING, MUTUAL, Benchmark, ClipName
from kinetic.ntu.recording import read_recording
from kinetic.plain import json_values
from kinetic.processes import isolated
from kinetic.skeleton import NTU25
from kinetic.version import __version__

__all__ = ["BuildReport", "build_ntu", "in_camera_space"]

RATE = 30.0
"""Frames per second of a Kinect v2."""
BLOCK = 128
"""Files that are worked on at a time, and lost at most when a process is killed."""
ATTEMPTS = 3
"""How many workers may die at one block before the build gives up."""
BATCH = 2 << 20
"""Bytes of motions that are written at a time."""
LARGEST_MEMBER = 64 << 20
"""Bytes of the largest file that is taken out of a zip archive; those of NTU RGB+D have 0.2 to 4 MB."""
LONGEST = 10_000
"""Frames that can be asked for at most."""

PUBLISHED: dict[str, tuple[str, int | None]] = {
    "st-gcn": ("pad", 300),
    "ctr-gcn": ("pad", 300),
    "pyskl": ("all", None),
    "kinetic": ("stretch", 64),
}
"""How a recipe brings its clips to one length, and to which (None = their own), where nothing else is asked."""
OTHERWISE = {"st-gcn": "pad", "ctr-gcn": "stretch", "pyskl": "stretch", "kinetic": "stretch"}
"""How it does so for another number of frames.

Kinetic-GAN takes the first 64 of 300 frames padded by st-gcn. CTR-GCN resizes its 300 padded frames, without the
padding, to 64 when it loads them; pyskl samples as many frames as it wants, spread over the clip.
"""
POLICY = {
    "pad": "the first {frames} frames; shorter clips end in frames of zeros",
    "crop": "{frames} frames from the middle; shorter clips hold their last pose",
    "stretch": "{frames} frames, linear in time over the whole clip; each has a rate of its own",
    "all": "every clip has its own length and ends in frames of zeros where others are longer",
}

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
"""What each recipe does to places and directions, for the notes of a set."""

SKIPPED = {
    "missing": "listed by the authors as missing or incomplete",
    "elsewhere": "not of this data set",
    "again": "a second file of the same clip",
    "broken": "a file that cannot be used, of a clip that has several",
    "name": "another name than those of NTU RGB+D",
    "nested": "a zip archive inside a zip archive, which is not opened",
}
"""Why files are left alone."""


# ------------------------------------------------------------------------------------------------------------ report


@dataclass(frozen=True, eq=False)
class BuildReport:
    """What became of the files, beside what the benchmark has.

    Attributes:
        out: the folder of motions
        listing: a file that names everything that is not in it, one JSON line each, and ends with this summary
        benchmark, recipe, fit, frames: what was asked; `frames` is None where clips keep their length
        found: motions of every class for `train` and `test`
        refused: clips that could be read, of which the recipe left nothing; likewise, and among the failures
        files: recordings that were found in the raw data
        skipped: (why, side) -> files that were left alone; the side is empty for names that say none
        failures: side -> clips that no file gives; the side is empty for folders and archives that cannot be read
        first: the first failures, in words
        remarked: motions with something odd that the recipe dealt with
        size: bytes of the recordings in use
        seconds: of this call
        resumed: clips that an interrupted build had done already
        restarted: whether an interrupted build was thrown away, because it was of other files or another recipe
    """

    out: Path
    listing: Path
    benchmark: Benchmark
    recipe: str
    fit: str
    frames: int | None
    found: Mapping[str, np.ndarray]
    files: int
    refused: Mapping[str, np.ndarray] = field(default_factory=dict)
    skipped: Mapping[tuple[str, str], int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    first: tuple[str, ...] = ()
    remarked: int = 0
    size: int = 0
    seconds: float = 0.0
    resumed: int = 0
    restarted: bool = False

    @property
    def failed(self) -> int:
        """How many clips could not be used, and folders and zip archives not be read."""
        return sum(self.failures.values())

    @property
    def motions(self) -> int:
        return int(sum(counts.sum() for counts in self.found.values()))

    @property
    def complete(self) -> bool:
        """Whether every class of both sides has as many motions as the benchmark."""
        expected = self.benchmark.expected()
        return all(np.array_equal(self.found[side], expected[side]) for side in expected)

    def verdict(self) -> str:
        if self.complete:
            return "complete: all counts are the official ones"
        expected = self.benchmark.expected()
        refused = int(sum(counts.sum() for counts in self.refused.values()))
        if all(np.array_equal(self.found[side] + self.refused.get(side, 0), expected[side]) for side in expected):
            return f"all files are there; the recipe could not use {refused:,} of them"
        whole = int(sum(counts.sum() for counts in expected.values()))
        more = f"; the recipe could not use {refused:,} that are there" if refused else ""
        return f"{self.motions:,} of {whole:,} clips; not the whole data set{more}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, the counts of every class included; not the time, which differs between equal builds."""
        expected = self.benchmark.expected()
        return {
            "benchmark": self.benchmark.name,
            "recipe": self.recipe,
            "fit": self.fit,
            "frames": "all" if self.frames is None else self.frames,
            "files": self.files,
            "motions": self.motions,
            "expected": {side: _summary(counts) for side, counts in expected.items()},
            "found": {side: _summary(counts) for side, counts in self.found.items()},
            "classes": {
                side: {"expected": counts.tolist(), "found": self.found[side].tolist()}
                for side, counts in expected.items()
            },
            "skipped": {
                reason: sum(count for (why, _), count in self.skipped.items() if why == reason) for reason in SKIPPED
            },
            "failed": self.failed,
            "refused": int(sum(counts.sum() for counts in self.refused.values())),
            "remarked": self.remarked,
            "complete": self.complete,
            "verdict": self.verdict(),
        }

    def to_text(self) -> str:
        """A table of expected, found, skipped and failed clips, and the verdict."""
        expected, sides = self.benchmark.expected(), ("train", "test")
        policy = POLICY[self.fit].format(frames=self.frames)
        lines = [f"{self.benchmark.name}, recipe {self.recipe}, {policy}", ""]
        lines.append(f"{'':<24}{'expected':>10}{'found':>10}{'failed':>10}{'absent':>10}")
        for side in sides:
            wanted, got = _summary(expected[side]), _summary(self.found[side])
            lines.append(_row(side, wanted["clips"], got["clips"], self.failures.get(side, 0)))
            for key, words in (("single", "one person"), ("mutual", "two people")):
                lines.append(_row(f"  {words}", wanted[key], got[key]))
            for key, words, of in (("fewest", "smallest class", "smallest"), ("most", "largest class", "")):
                name = f"  {words}" + (f" (A{wanted[of]:03})" if of else "")
                lines.append(_row(name, wanted[key], got[key]))
        whole = sum(int(counts.sum()) for counts in expected.values())
        lines.append(_row("in all", whole, self.motions, sum(self.failures.get(side, 0) for side in sides)))
        lines += ["", f"{self.files:,} recordings, {mebibytes(self.size)} in use, {self.seconds:.0f} s"]
        for reason, words in SKIPPED.items():
            counts = {side: count for (why, side), count in self.skipped.items() if why == reason}
            if counts:
                split = ", ".join(f"{counts[side]:,} {side}" for side in sides if side in counts)
                lines.append(f"{sum(counts.values()):,} skipped: {words}" + (f" ({split})" if split else ""))
        if self.resumed:
            lines.append(f"{self.resumed:,} files were done already by a build that was interrupted")
        if self.restarted:
            lines.append("an interrupted build of other files or with other settings was thrown away")
        if self.remarked:
            lines.append(f"{self.remarked:,} motions have something odd that the recipe dealt with")
        if self.failed:
            lines.append(f"{self.failed:,} failed:")
            lines += [f"  {safe_line(failure, LONGEST_MESSAGE)}" for failure in self.first]
            if (more := self.failed - len(self.first)) > 0:
                lines.append(f"  and {more:,} more, see {self.listing}")
        other = [
            f"A{number:03} {side} {int(self.found[side][number - 1]):,} of {int(expected[side][number - 1]):,}"
            for side in sides
            for number in 1 + np.flatnonzero(self.found[side] != expected[side])
        ]
        if 0 < len(other) <= 8:
            lines.append(f"classes with other counts: {', '.join(other)}")
        return "\n".join([*lines, "", self.verdict()])


def _row(name: str, expected: int, found: int, failed: int | None = None) -> str:
    """A line of the table. What is absent was neither found nor failed."""
    if failed is None:
        return f"{name:<24}{expected:>10,}{found:>10,}"
    return f"{name:<24}{expected:>10,}{found:>10,}{failed:>10,}{expected - found - failed:>10,}"


def _summary(counts: np.ndarray) -> dict[str, int]:
    """Clips of a side, of actions by one and by two people, and of its smallest and largest class."""
    pairs = [number - 1 for number in MUTUAL if number <= len(counts)]
    clips, mutual = int(counts.sum()), int(counts[pairs].sum())
    return {
        "clips": clips,
        "single": clips - mutual,
        "mutual": mutual,
        "fewest": int(counts.min()),
        "smallest": int(counts.argmin()) + 1,
        "most": int(counts.max()),
    }


# ----------------------------------------------------------------------------------------------------------- request


@dataclass(frozen=True)
class _Asked:
    """A request that was checked."""

    benchmark: str
    recipe: str
    fit: str
    frames: int | None


def _asked(benchmark: str, recipe: str, frames: int | Literal["all"] | None, fit: str | None) -> _Asked:
    for what, value, known in (("benchmark", benchmark, BENCHMARKS), ("recipe", recipe, CLEANING)):
        if value not in known:
            raise ValueError(f"unknown {what} {value!r}; expected one of: {', '.join(known)}")
    usual, length = PUBLISHED[recipe]
    if frames == "all" or (frames is None and fit is None and length is None):
        if fit is not None:
            raise ValueError(f"with frames all, clips keep their length: expected no fit, got {fit!r}")
        return _Asked(benchmark, recipe, "all", None)
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
    return _Asked(benchmark, recipe, fit, int(frames))


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
    """Clean the raw files of NTU RGB+D and keep them as a folder that `read_motions` opens, memory-mapped.

    The folder holds all clips of the data set, sorted by name, whatever the order or the number of processes; the
    benchmark's split is one of its splits. `columns` are `frames` (before padding), `bodies`, `replication`, and the
    place in the recording: `origin_x/y/z` in metres and `turn_w/x/y/z`, a quaternion, with
    recorded = inverse turn of the motion + origin, wherever a body is present; `start` is the frame of the recording
    where the cleaned clip begins. The notes name the recipe and how clips were brought to one length.

    A file that cannot be used is named in the report and in `OUT.report.jsonl`, and the build goes on, with the next
    file of the same clip where there are several. Interrupted in any way, the same call goes on where it stopped: what
    was done is kept in a hidden folder `.OUT.building` beside `out`, which takes the space of the set without its
    padding, and at the end that of the set; it may hold the older set after a kill, so let the same call clear it.
    Files that the system refused to give, or that changed meanwhile, are tried again then. Memory holds a few motions,
    and the names of all.

    Args:
        raw: a folder, searched with all folders in it and those that links lead to, for `.skeleton` files and for zip
            archives of them, or such an archive; archives are read in place
        out: the folder to make; an older set of motions in its place is replaced. Where it is a link, that to which it
            leads is made, and the report beside that
        benchmark: of `kinetic.ntu.facts.BENCHMARKS`
        recipe: of `kinetic.ntu.cleaning.CLEANING`
        frames: length of the motions, or `all` for clips that keep theirs; None = as the recipe was published
        fit: of `kinetic.motion.fitting.FITTING`; None = as the recipe's authors do for so many frames
        workers: processes; None = one per core. With 1, everything happens in this process
        progress: show a bar

    Raises:
        ValueError: for an unknown name, a target that is something else, a link in the place of the hidden folder, or
            raw data without a usable clip
        FileNotFoundError: when there is no raw data
        FileExistsError: when another process builds the same folder
        OSError: when the disk is full or refuses; the call can be repeated
        ChildProcessError: when workers are killed again and again at the same files
    """
    began = time.monotonic()
    raw, out = Path(raw), Path(out)
    asked = _asked(benchmark, recipe, frames, fit)
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if out.is_symlink():  # to another disk, say
        out = Path(os.path.realpath(out))
    if out.suffix or not out.name:
        raise ValueError(f"{out}: expected the name of a folder, without suffix")
    check_target(out)
    found, left = _search(raw)
    chosen, left = _choose((found, left), BENCHMARKS[benchmark])
    if not chosen:
        raise ValueError(f"{raw}: no clip of {BENCHMARKS[benchmark].source} is in it; {_reasons(left)}")
    out.parent.mkdir(parents=True, exist_ok=True)
    work = make_folder(out.parent, f".{out.name}.building")
    before = work.stat()
    with holding(work, patience=0):
        if not os.path.samestat(before, work.stat()):  # removed by a build that ended, and made by one that began
            raise FileExistsError(f"{work}: another process is at work in it")
        build = _Build(asked, chosen, left, len(found), work, out)
        build.make(workers or _cores(), progress)
        report = build.merge(progress, began)
        _clear(work)
        with suppress(OSError):  # what others put there stays
            work.rmdir()
    if not report.motions:
        raise ValueError(f"none of {len(chosen)} clips can be used, see {report.listing}; {report.first[0]}")
    return report


def in_camera_space(motions: MotionSet) -> MotionSet:
    """The motions of a set that `build_ntu` made, partners included, where the camera saw them.

    They come into memory, in metres: x to the sensor's left, y up, z away from it. Absent bodies stay zeros.

    Raises:
        ValueError: for a set without the columns `origin_x/y/z` and `turn_w/x/y/z`
    """
    if missing := [name for name in COLUMNS if name not in motions.columns]:
        raise ValueError(f"has no column {missing[0]}, which sets of `kinetic data build` have")
    x, y, z, *turn = (motions.columns[name] for name in COLUMNS)
    origin = np.stack([x, y, z], axis=1)  # (N, 3)
    rotation = _rotations(np.stack(turn, axis=1))

    def placed(motion: Any) -> np.ndarray:
        out = np.empty(motion.shape, dtype=np.float32)
        for row in range(len(motion)):
            bodies = motion[row].transpose(1, 2, 0)[None]  # (1, T, V, 3)
            out[row] = restored(bodies, origin[row], rotation[row])[0].transpose(2, 0, 1)
        return out

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


def _clear(work: Path, keep: str = "") -> bool:
    """Removes the files of a build but for those with this beginning; whether parts were among them."""
    other = [entry for entry in work.iterdir() if not (keep and entry.name.startswith(keep)) and not entry.is_dir()]
    for entry in other:
        entry.unlink(missing_ok=True)
    return any(entry.suffix == ".jsonl" for entry in other)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ---------------------------------------------------------------------------------------------------------- raw data


@dataclass(frozen=True, slots=True)
class _Source:
    """A recording that was found.

    Attributes:
        name: of the file, without folders
        place: for people to find it, relative to the raw data
        path: of the file, or of the archive that it is in
        member: its position in the archive; -1 for a plain file
        inside: its whole name in the archive; empty for a plain file
        size: bytes
        stamp: changes when the contents do: the checksum in an archive, else the time of the last change
    """

    name: str
    place: str
    path: str
    member: int
    inside: str
    size: int
    stamp: int


_Chosen: TypeAlias = tuple[ClipName, list[_Source]]
"""A clip, and all files of it that were found."""
_Copy: TypeAlias = tuple[str, int, str, int, int]
"""What a worker must know of such a file: its path, member, name inside, size and stamp."""


@dataclass(frozen=True, slots=True)
class _Left:
    """A file that is not used, and why: one of `SKIPPED`, or `failed` with the reason in words."""

    place: str
    why: str
    clip: str = ""
    side: str = ""
    words: str = ""
    line: int | None = None

    def to_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"file": self.place}
        if self.clip:
            plain |= {"clip": self.clip, "side": self.side}
        if self.why != "failed":
            return plain | {"status": "skipped", "reason": self.why, "why": self.words or SKIPPED[self.why]}
        return plain | {"status": "failed", "error": self.words} | ({} if self.line is None else {"line": self.line})


def _search(raw: Path) -> tuple[list[_Source], list[_Left]]:
    """Everything that ends in .skeleton, in folders and archives, and folders and archives that cannot be read."""
    if not raw.exists():
        raise FileNotFoundError(f"{raw}: no such file or folder")
    found: list[_Source] = []
    left: list[_Left] = []

    def unreadable(error: OSError) -> None:
        place = Path(error.filename).relative_to(raw).as_posix()
        left.append(_Left(place, "failed", words=f"not a folder that can be read: {_words(error)}"))

    for path in sorted(_files(raw, unreadable)) if raw.is_dir() else [raw]:
        place = path.relative_to(raw).as_posix() if raw.is_dir() else path.name
        ending = path.suffix.lower()
        if ending == ".skeleton":
            size = stamp = 0
            with suppress(OSError):  # the worker meets the same trouble, and tells
                status = path.stat()
                size, stamp = status.st_size, status.st_mtime_ns
            found.append(_Source(path.name, place, str(path), -1, "", size, stamp))
        elif ending == ".zip":
            try:
                members = _members(path)
            except Exception as error:  # as varied as the ways in which an archive can be damaged
                left.append(_Left(place, "failed", words=f"not a zip archive that can be read: {_words(error)}"))
                continue
            for number, member in enumerate(members):
                inside, where = member.filename, f"{place}: {member.filename}"
                if inside.lower().endswith(".skeleton"):
                    name = inside.rpartition("/")[2]
                    found.append(_Source(name, where, str(path), number, inside, member.file_size, member.CRC))
                elif inside.lower().endswith(".zip"):
                    left.append(_Left(where, "nested"))
    if not found:
        hint = f"; {left[0].place} is {left[0].words or SKIPPED[left[0].why]}" if left else ""
        raise ValueError(f"{raw}: expected .skeleton files or zip archives of them, found none{hint}")
    return found, left


def _files(raw: Path, unreadable: Callable[[OSError], None]) -> Iterator[Path]:
    """All files in a folder and in those below it, through links too, but no folder twice."""
    seen = set()
    for folder, below, names in os.walk(raw, followlinks=True, onerror=unreadable):
        try:
            status = os.stat(folder)
        except OSError as error:
            unreadable(error)
            continue
        if (status.st_dev, status.st_ino) in seen:  # a link to a folder above this one, say
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        below.sort()  # the same way is taken to them every time
        yield from (Path(folder, name) for name in names)


def _members(path: Path) -> list[zipfile.ZipInfo]:
    if not path.is_file():
        raise ValueError("not a plain file")
    with zipfile.ZipFile(path) as archive:
        return archive.infolist()


def _choose(searched: tuple[list[_Source], list[_Left]], benchmark: Benchmark) -> tuple[list[_Chosen], list[_Left]]:
    """The clips that become motions, sorted by their names, each with its files, the first to be tried first.

    And all files that are not used.
    """
    found, left = searched
    named: list[tuple[ClipName, _Source]] = []
    for source in found:
        try:
            named.append((ClipName.parse(Path(source.name).stem), source))
        except ValueError as error:
            left.append(_Left(source.place, "name", words=str(error)))
    named.sort(key=lambda pair: (pair[0], pair[1].member >= 0, pair[1].place))  # plain files before archives
    chosen: list[_Chosen] = []
    for clip, source in named:
        if not benchmark.holds(clip):
            left.append(_Left(source.place, "elsewhere", str(clip)))
        elif str(clip) in MISSING:
            left.append(_Left(source.place, "missing", str(clip), benchmark.side(clip)))
        elif chosen and chosen[-1][0] == clip:
            chosen[-1][1].append(source)
        else:
            chosen.append((clip, [source]))
    return chosen, left


def _reasons(left: Sequence[_Left]) -> str:
    counts = Counter(each.why for each in left)
    return ", ".join(f"{count:,} {SKIPPED.get(why, why)}" for why, count in counts.items())


# ------------------------------------------------------------------------------------------------- parts, by workers


@dataclass(frozen=True)
class _Job:
    """One part of the build: its files, and where its results go."""

    stem: str
    recipe: str
    fit: str
    frames: int | None
    files: list[tuple[str, list[_Copy]]]  # clips, with the files to try one after the other

    def path(self, suffix: str) -> Path:
        return Path(f"{self.stem}.{suffix}")


def _make(job: _Job, archives: _Archives) -> None:
    """Write the motions of one part behind each other, without their padding, and a line of JSON for each clip.

    The lines are written last: where they are, the part is complete. Each has the failures of the clip's files up to
    the one in use; one that is of the system and not of the file has the part made again by the next call.
    """
    lines = []
    with replacing(job.path("f32")) as beside, open(beside, "wb") as file:
        for clip, copies in job.files:
            line: dict[str, Any] = {"clip": clip, "failures": []}
            lines.append(line)
            for copy in copies:
                try:
                    motion, told = _motion(job, archives.open(*copy), clip)
                except Exception as error:  # whatever a file does to the code, the build goes on, and the report tells
                    failure = {
                        "error": _words(error),
                        "refused": isinstance(error, Unusable),
                        "again": isinstance(error, (OSError, MemoryError)),
                    }
                    line["failures"].append(failure)
                    continue
                file.write(np.ascontiguousarray(motion.transpose(0, 3, 1, 2), dtype="<f4").data)  # (M, C, T, V)
                line |= told
                break
    text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
    with replacing(job.path("jsonl")) as beside:
        beside.write_text(text, encoding="utf-8")


def _motion(job: _Job, source: Path | bytes, clip: str) -> tuple[np.ndarray, dict[str, Any]]:
    """One file as (M, T, V, 3) without its padding, and what is to be known about it."""
    recording = read_recording(source, clip)
    cleaned = CLEANING[job.recipe](recording)
    motion, length = cleaned.motion, cleaned.motion.shape[1]
    rate, real = RATE, length
    if job.frames is not None:
        motion = FITTING[job.fit](motion, job.frames)
        if job.fit == "stretch":
            real = job.frames
            rate = RATE * (job.frames - 1) / (length - 1) if min(length, job.frames) > 1 else RATE
        else:
            real = min(length, job.frames)
            motion = motion if motion[:, real:].any() else motion[:, :real]
    if not np.isfinite(motion).all():
        raise ValueError("the recipe made coordinates that are not finite")
    bodies = 2 if len(motion) > 1 and motion[1].any() else 1
    return motion[:bodies], {
        "stored": motion.shape[1],
        "frames": real,
        "bodies": bodies,
        "fps": float(rate),
        "origin": cleaned.origin.tolist(),
        "turn": _quaternion(cleaned.rotation).tolist(),
        "start": int(cleaned.kept[0]),
        "remarks": len(recording.remarks) + len(cleaned.remarks),
    }


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """w, x, y, z of a rotation (3, 3), w not negative: an eigenvector, which is accurate at any angle.

    Bar-Itzhack, New method for extracting the quaternion from a rotation matrix, 2000, eq. 4.
    """
    (a, b, c), (d, e, f), (g, h, i) = rotation.astype(np.float64)
    symmetric = [
        [a + e + i, h - f, c - g, d - b],
        [h - f, a - e - i, b + d, c + g],
        [c - g, b + d, e - a - i, f + h],
        [d - b, c + g, f + h, i - a - e],
    ]
    found: np.ndarray = np.linalg.eigh(symmetric)[1][:, -1]  # the largest eigenvalue is the last
    return found * (-1.0 if found[0] < 0 else 1.0) + 0.0  # not -0


def _words(error: Exception) -> str:
    """An error in one line; its type too, unless it is one that readers raise on purpose."""
    text, kind = " ".join(str(error).split()), type(error).__name__
    if not text or not isinstance(error, (ValueError, OSError, zipfile.BadZipFile)):
        text = f"{kind}: {text}" if text else kind
    return text if len(text) <= 1000 else f"{text[:1000]} ..."


class _Archives:
    """Zip archives to read from, of which the last one stays open: members of one are asked for behind each other."""

    def __init__(self) -> None:
        self._path = ""
        self._zip: zipfile.ZipFile | None = None
        self._members: list[zipfile.ZipInfo] = []

    def close(self) -> None:
        if self._zip is not None:
            self._zip.close()
        self._zip, self._path, self._members = None, "", []

    def open(self, path: str, member: int, inside: str, size: int, stamp: int) -> Path | bytes:
        """A plain file as its path, a member as its bytes, of which no more are read than it may have.

        Raises:
            OSError: also for another member than the one that was found there with this name, size and checksum
        """
        if member < 0:
            return Path(path)
        if self._zip is None or path != self._path:
            self.close()
            self._zip, self._path = zipfile.ZipFile(path), path
            self._members = self._zip.infolist()
        info = self._members[member] if member < len(self._members) else None
        if info is None or (info.filename, info.file_size, info.CRC) != (inside, size, stamp):
            raise OSError("the archive changed after it was searched")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("is encrypted or compressed in an unusual way, expected a plain zip archive")
        if info.file_size > LARGEST_MEMBER or info.file_size > 1100 * max(1, info.compress_size):
            raise ValueError(
                f"claims {mebibytes(info.file_size)} in {mebibytes(info.compress_size)} of the archive, "
                f"expected at most {mebibytes(LARGEST_MEMBER)}"
            )
        with self._zip.open(info) as file:
            return file.read(info.file_size + 1)  # beyond its end, so that its length and checksum are compared


def _serve() -> None:
    """A worker: makes parts as lines on its input say, until that ends, as it does when the parent dies.

    It is no child of `multiprocessing`, whose children import the user's script again and outlive a killed parent.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)  # what libraries print is no reply
        archives = _Archives()
        for line in sys.stdin:
            reply: dict[str, Any] = {}
            try:
                _make(_Job(**json.loads(line)), archives)
            except OSError as error:
                reply = {"errno": error.errno, "strerror": error.strerror or str(error), "file": error.filename}
            except Exception:
                reply = {"trace": traceback.format_exc()}
            try:
                print(json.dumps(reply), file=replies, flush=True)
            except BrokenPipeError:  # nobody is there any more
                os._exit(1)


class _Worker:
    """A process that runs `_serve`."""

    def __init__(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            isolated("kinetic.ntu.build:_serve"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | threads,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the parent; a part in work is finished
        )

    def ask(self, job: _Job) -> dict[str, Any] | None:
        """What the worker answers; None when it is dead."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(vars(job)) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except (OSError, ValueError):  # a broken pipe, or one that was closed because the build ends
            return None
        return json.loads(line) if line.endswith("\n") else None

    def end(self) -> int:
        """Let it finish what it does; its exit status."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return self.process.wait()


class _Team:
    """Several workers, replaced when they die."""

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers)
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._closing = False

    def make(self, jobs: Sequence[_Job]) -> Iterator[_Job]:
        """Makes the parts, and tells which one is there."""
        waiting = {self._threads.submit(self._make, job): job for job in jobs}
        for done in as_completed(waiting):
            done.result()
            yield waiting.pop(done)

    def _make(self, job: _Job) -> None:
        status = 0
        for _ in range(ATTEMPTS):
            try:
                worker = self._idle.get_nowait()
            except Empty:
                worker = _Worker()
            reply = worker.ask(job)
            if reply is None:
                status = worker.end()
                if self._closing:
                    return
                continue
            self._idle.put(worker)
            if "trace" in reply:
                raise RuntimeError(f"a worker failed:\n{reply['trace']}")
            if reply:
                raise OSError(reply["errno"], reply["strerror"], reply["file"])
            return
        raise ChildProcessError(
            f"{ATTEMPTS} workers ended with status {status} at the files from {job.files[0][0]} to {job.files[-1][0]}; "
            "what is done is kept, the same call goes on from there"
        )

    def close(self) -> None:
        """Parts in work are finished, others are not begun."""
        self._closing = True
        self._threads.shutdown(wait=True, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().end()


@contextmanager
def _makers(workers: int) -> Iterator[Any]:
    """A function that makes parts and tells of each when it is there: in this process, or in several others."""
    if workers == 1:
        archives = _Archives()

        def here(jobs: Sequence[_Job]) -> Iterator[_Job]:
            for job in jobs:
                _make(job, archives)
                yield job

        try:
            yield here
        finally:
            archives.close()
        return
    team = _Team(workers)
    try:
        yield team.make
    finally:
        team.close()


# ------------------------------------------------------------------------------------------------------ the whole set


class _Build:
    """The parts of one build, those that an interrupted one left included, and what becomes of them."""

    def __init__(
        self, asked: _Asked, chosen: list[_Chosen], left: list[_Left], files: int, work: Path, out: Path
    ) -> None:
        self.asked, self.chosen, self.left, self.files, self.out = asked, chosen, left, files, out
        self.benchmark = BENCHMARKS[asked.benchmark]
        self.writing = inside(work, "set")
        restore_target(out, self.writing)
        request = hashlib.sha256(repr((asked, __version__, BLOCK)).encode())
        for clip, copies in chosen:
            request.update(repr((clip, [(copy.place, copy.size, copy.stamp) for copy in copies])).encode())
        # What another request left, or a worker of it that is still alive leaves, has other names.
        prefix = request.hexdigest()[:16]
        self.restarted = _clear(work, keep=prefix)
        blocks = [chosen[first : first + BLOCK] for first in range(0, len(chosen), BLOCK)]
        self.jobs = [
            _Job(
                str(work / f"{prefix}-{number:06}"),
                asked.recipe,
                asked.fit,
                asked.frames,
                [
                    (str(clip), [(each.path, each.member, each.inside, each.size, each.stamp) for each in copies])
                    for clip, copies in block
                ],
            )
            for number, block in enumerate(blocks)
        ]
        self.sizes = {
            job.stem: sum(copies[0].size for _, copies in block) for job, block in zip(self.jobs, blocks, strict=True)
        }
        self.resumed = 0

    def make(self, workers: int, progress: bool) -> None:
        """Makes the parts that are not there, or met trouble that may be over."""
        todo = [job for job in self.jobs if not _done(job)]
        self.resumed = sum(len(job.files) for job in self.jobs) - sum(len(job.files) for job in todo)
        bar = tqdm(
            total=len(self.chosen), initial=self.resumed, unit="file", desc="read", disable=None if progress else True
        )
        began, done = time.monotonic(), 0
        with bar, _makers(min(workers, max(1, len(todo)))) as make:
            for job in make(todo):
                done += self.sizes[job.stem]
                bar.set_postfix_str(f"{done / 1e6 / max(time.monotonic() - began, 1e-9):.1f} MB/s", refresh=False)
                bar.update(len(job.files))

    def merge(self, progress: bool, began: float) -> BuildReport:
        """Writes the set and the report from the parts."""
        found, refused = (
            {side: np.zeros(len(self.benchmark.class_names), dtype=np.int64) for side in ("train", "test")}
            for _ in range(2)
        )
        longest, partners, remarked, size = 0, False, 0, 0
        left, place = list(self.left), iter(self.chosen)
        for line in (line for job in self.jobs for line in self._lines(job)):
            clip, copies = next(place)
            side = self.benchmark.side(clip)
            left += _unused(line, clip, copies, side)
            size += copies[min(len(line["failures"]), len(copies) - 1)].size
            if "stored" not in line:
                refused[side][clip.action - 1] += any(failure["refused"] for failure in line["failures"])
                continue
            found[side][clip.action - 1] += 1
            longest = max(longest, line["stored"])
            partners |= line["bodies"] > 1
            remarked += line["remarks"] > 0
        left.sort(key=lambda each: (each.clip, each.place))
        failures = [each for each in left if each.why == "failed"]
        report = BuildReport(
            out=self.out,
            listing=self.out.with_name(f"{self.out.name}.report.jsonl"),
            benchmark=self.benchmark,
            recipe=self.asked.recipe,
            fit=self.asked.fit,
            frames=self.asked.frames,
            found=found,
            refused=refused,
            files=self.files,
            skipped=Counter((each.why, each.side) for each in left if each.why != "failed"),
            failures=Counter(each.side for each in failures),
            first=tuple(f"{each.place}: {each.words}" for each in failures[:10]),
            remarked=remarked,
            size=size,
            resumed=self.resumed,
            restarted=self.restarted,
        )
        if report.motions:
            self._write(report, self.asked.frames or longest, partners, progress)
        with replacing(report.listing) as beside, open(beside, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(each.to_dict()) + "\n" for each in left)
            file.write(json.dumps({"summary": report.to_dict()}) + "\n")
        return replace(report, seconds=time.monotonic() - began)

    def _write(self, report: BuildReport, frames: int, partners: bool, progress: bool) -> None:
        size = 4 * NTU25.channels * frames * len(NTU25.joints)
        needed, free = report.motions * size * (1 + partners), shutil.disk_usage(self.out.parent).free
        if needed > free:
            raise OSError(
                errno.ENOSPC, f"the set needs {mebibytes(needed)}, {mebibytes(free)} are free; nothing is lost so far",
                str(self.out),
            )  # fmt: skip
        asked = self.asked
        writer = MotionWriter(
            self.out,
            report.motions,
            frames=frames,
            class_names=self.benchmark.class_names,
            skeleton=NTU25,
            fps=RATE,
            source=self.benchmark.source,
            notes={
                "benchmark": asked.benchmark,
                "recipe": asked.recipe,
                "fit": asked.fit,
                "frames": "all" if asked.frames is None else asked.frames,
                "length": POLICY[asked.fit].format(frames=asked.frames),
                "centring": CENTRED[asked.recipe][0],
                "rotation": CENTRED[asked.recipe][1],
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
        """Arguments for the writer: so many motions at a time, with their padding."""
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
                "fps": np.array([line["fps"] for line in lines]) if self.asked.fit == "stretch" else None,
                "columns": {
                    "frames": np.array([line["frames"] for line in lines]),
                    "bodies": np.array([line["bodies"] for line in lines]),
                    "replication": np.array([clip.replication for clip in clips]),
                    "start": np.array([line["start"] for line in lines], dtype=np.int64),
                }
                | dict(zip(COLUMNS, places.T, strict=True)),
            }

    def _stored(self) -> Iterator[tuple[ClipName, dict[str, Any], np.ndarray]]:
        """Every motion of the parts: its name, what is known about it, and its bodies (M, C, T, V)."""
        place = iter(self.chosen)
        for job in self.jobs:
            with open(job.path("f32"), "rb") as file:
                for line in self._lines(job):
                    clip, _ = next(place)
                    if "stored" in line:
                        shape = _shape(line)
                        yield clip, line, np.fromfile(file, "<f4", int(np.prod(shape))).reshape(shape)

    def _lines(self, job: _Job) -> list[dict[str, Any]]:
        lines = _lines(job)
        if lines is None:
            raise RuntimeError(f"{job.stem}: this part of the build has vanished; the same call makes it again")
        return lines


def _shape(line: Mapping[str, Any]) -> tuple[int, int, int, int]:
    return line["bodies"], NTU25.channels, line["stored"], len(NTU25.joints)


def _unused(line: Mapping[str, Any], clip: ClipName, copies: Sequence[_Source], side: str) -> Iterator[_Left]:
    """The files of a clip but for the one in use; where there is none, one of them stands for the clip as failed."""
    failures, failed = line["failures"], -1
    if "stored" in line:
        why = f"the one in use is {copies[len(failures)].place}"
    else:  # one that could be read says more about the clip than one that could not
        failed = next((i for i, failure in enumerate(failures) if failure["refused"]), 0)
        why = "no file of this clip can be used"
    for i, (copy, failure) in enumerate(zip(copies, failures, strict=False)):
        error = failure["error"]
        if i == failed:
            number = re.match(r"line ([0-9]+)\b", error)
            yield _Left(copy.place, "failed", str(clip), side, error, int(number.group(1)) if number else None)
        else:
            yield _Left(copy.place, "broken", str(clip), side, f"{error}; {why}")
    for copy in copies[len(failures) + 1 :]:
        yield _Left(copy.place, "again", str(clip), side, f"{SKIPPED['again']}; {why}")


def _done(job: _Job) -> bool:
    """Whether a part is there, and nothing of it is worth another try."""
    lines = _lines(job)
    return lines is not None and not any(failure["again"] for line in lines for failure in line["failures"])


def _lines(job: _Job) -> list[dict[str, Any]] | None:
    """What a part says about its files; None where it is not there, or not whole."""
    try:
        lines = [json_values(text) for text in read_text(job.path("jsonl")).splitlines()]
        size = job.path("f32").stat().st_size
        if [line["clip"] for line in lines] != [clip for clip, _ in job.files]:
            return None
        if not all(type(failure["again"]) is bool for line in lines for failure in line["failures"]):
            return None
        whole = sum(4 * int(np.prod(_shape(line))) for line in lines if "stored" in line)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return lines if size == whole else None
