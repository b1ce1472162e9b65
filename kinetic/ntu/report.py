"""What became of the raw files in a build: counts beside the official ones, and every file that is not used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kinetic.messages import LONGEST_MESSAGE, safe_line
from kinetic.motion.arrays import mebibytes
from kinetic.ntu.facts import MUTUAL, Benchmark

__all__ = ["POLICY", "SKIPPED", "BuildReport", "UnusedFile"]

POLICY = {
    "pad": "the first {frames} frames; shorter clips end in frames of zeros",
    "crop": "{frames} frames from the middle; shorter clips hold their last pose",
    "stretch": "{frames} frames, linear in time over the whole clip; each has a rate of its own",
    "all": "every clip has its own length and ends in frames of zeros where others are longer",
}
"""How clips come to one length, in words."""

SKIPPED = {
    "missing": "listed by the authors as missing or incomplete",
    "elsewhere": "not of this data set",
    "again": "a second file of the same clip",
    "broken": "a file that cannot be used, of a clip that has several",
    "name": "another name than those of NTU RGB+D",
    "nested": "a zip archive inside a zip archive, which is not opened",
}
"""Why files are left alone."""


@dataclass(frozen=True, slots=True)
class UnusedFile:
    """A file that is not used, and why.

    Args:
        place: for people to find it, relative to the raw data
        why: one of `SKIPPED`, or `failed`
        clip: its name, where the file has that of a clip
        side: of the benchmark; empty where the name says none
        words: the reason
        line: of the file, where the reason is in one line
    """

    place: str
    why: str
    clip: str = ""
    side: str = ""
    words: str = ""
    line: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in the listing of a build."""
        plain: dict[str, Any] = {"file": self.place}
        if self.clip:
            plain |= {"clip": self.clip, "side": self.side}
        if self.why != "failed":
            return plain | {"status": "skipped", "reason": self.why, "why": self.words or SKIPPED[self.why]}
        return plain | {"status": "failed", "error": self.words} | ({} if self.line is None else {"line": self.line})


@dataclass(frozen=True, eq=False)
class BuildReport:
    """What became of the files, and the counts of the benchmark.

    Attributes:
        out: the folder of motions
        listing: a file that names everything that is not in it, one JSON line each, and ends with this summary
        benchmark, recipe, fit, frames: the request; `frames` is None where clips keep their length
        found: motions of every class for `train` and `test`
        refused: readable clips of which the recipe left nothing, for every class and side; they count as failures too
        files: recordings in the raw data
        skipped: (why, side) -> files that were left alone; the side is empty for names that say none
        failures: side -> clips that no file gives; the side is empty for folders and archives that cannot be read
        first: the first failures, in words
        remarked: motions with something odd that the recipe dealt with
        size: bytes of the recordings in use
        seconds: of this call
        resumed: clips that an interrupted build had finished
        restarted: whether the parts of an interrupted build of other files or another recipe were thrown away
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
        """How many motions the set has."""
        return int(sum(counts.sum() for counts in self.found.values()))

    @property
    def complete(self) -> bool:
        """Whether every class of both sides has as many motions as the benchmark."""
        expected = self.benchmark.expected()
        return all(np.array_equal(self.found[side], expected[side]) for side in expected)

    @property
    def _all_refused(self) -> int:
        return int(sum(counts.sum() for counts in self.refused.values()))

    def verdict(self) -> str:
        """Whether the set is the whole benchmark, in one line."""
        if self.complete:
            return "complete: all counts are the official ones"
        expected, refused = self.benchmark.expected(), self._all_refused
        if all(np.array_equal(self.found[side] + self.refused.get(side, 0), expected[side]) for side in expected):
            return f"all files are there; the recipe could not use {refused:,} of them"
        whole = int(sum(counts.sum() for counts in expected.values()))
        more = f"; the recipe could not use {refused:,} that are there" if refused else ""
        return f"{self.motions:,} of {whole:,} clips; not the whole data set{more}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the counts of every class; without the time, which differs between equal builds."""
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
            "refused": self._all_refused,
            "remarked": self.remarked,
            "complete": self.complete,
            "verdict": self.verdict(),
        }

    def to_text(self) -> str:
        """A table of expected, found, failed and absent clips, the files that are not used, and the verdict."""
        policy = POLICY[self.fit].format(frames=self.frames)
        lines = [f"{self.benchmark.name}, recipe {self.recipe}, {policy}", "", *self._table(), ""]
        lines.append(f"{self.files:,} recordings, {mebibytes(self.size)} in use, {self.seconds:.0f} s")
        for reason, words in SKIPPED.items():
            counts = {side: count for (why, side), count in self.skipped.items() if why == reason}
            if counts:
                split = ", ".join(f"{counts[side]:,} {side}" for side in ("train", "test") if side in counts)
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
        expected = self.benchmark.expected()
        differences = [
            f"A{number:03} {side} {int(self.found[side][number - 1]):,} of {int(expected[side][number - 1]):,}"
            for side in ("train", "test")
            for number in 1 + np.flatnonzero(self.found[side] != expected[side])
        ]
        if 0 < len(differences) <= 8:
            lines.append(f"classes with other counts: {', '.join(differences)}")
        return "\n".join([*lines, "", self.verdict()])

    def _table(self) -> list[str]:
        expected, sides = self.benchmark.expected(), ("train", "test")
        lines = [f"{'':<24}{'expected':>10}{'found':>10}{'failed':>10}{'absent':>10}"]
        for side in sides:
            official, actual = _summary(expected[side]), _summary(self.found[side])
            lines.append(_row(side, official["clips"], actual["clips"], self.failures.get(side, 0)))
            for key, words in (("single", "one person"), ("mutual", "two people")):
                lines.append(_row(f"  {words}", official[key], actual[key]))
            smallest = f"  smallest class (A{official['smallest']:03})"
            lines.append(_row(smallest, official["fewest"], actual["fewest"]))
            lines.append(_row("  largest class", official["most"], actual["most"]))
        whole = sum(int(counts.sum()) for counts in expected.values())
        return [*lines, _row("in all", whole, self.motions, sum(self.failures.get(side, 0) for side in sides))]


def _row(name: str, expected: int, found: int, failed: int | None = None) -> str:
    """A line of the table. Absent clips were neither found nor failed."""
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
