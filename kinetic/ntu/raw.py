"""The raw files of NTU RGB+D: where recordings lie, in folders and zip archives, and which clip each one is of."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from kinetic.motion.arrays import mebibytes
from kinetic.ntu.facts import MISSING, Benchmark, ClipName
from kinetic.ntu.report import SKIPPED, UnusedFile

__all__ = ["Archives", "ClipFiles", "Source", "choose_clips", "find_sources", "in_words"]

LARGEST_MEMBER = 64 << 20
"""Bytes of the largest file that is taken out of a zip archive; those of NTU RGB+D have 0.2 to 4 MB."""


@dataclass(frozen=True, slots=True)
class Source:
    """A recording among the raw files.

    Attributes:
        name: of the file, without folders
        place: for people to find it, relative to the raw data
        path: of the file, or of the archive that holds it
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


ClipFiles: TypeAlias = tuple[ClipName, list[Source]]
"""A clip, and all files of it, the first to be tried first."""


def find_sources(raw: Path) -> tuple[list[Source], list[UnusedFile]]:
    """Everything that ends in .skeleton, in folders and archives; and folders and archives that cannot be read.

    Raises:
        FileNotFoundError: when there is no raw data
        ValueError: when no recording is in it
    """
    if not raw.exists():
        raise FileNotFoundError(f"{raw}: no such file or folder")
    sources: list[Source] = []
    unused: list[UnusedFile] = []

    def unreadable(error: OSError) -> None:
        place = Path(error.filename).relative_to(raw).as_posix()
        unused.append(UnusedFile(place, "failed", words=f"not a folder that can be read: {in_words(error)}"))

    for path in sorted(_files(raw, unreadable)) if raw.is_dir() else [raw]:
        place = path.relative_to(raw).as_posix() if raw.is_dir() else path.name
        ending = path.suffix.lower()
        if ending == ".skeleton":
            size = stamp = 0
            with suppress(OSError):  # the worker meets the same trouble, and reports it
                status = path.stat()
                size, stamp = status.st_size, status.st_mtime_ns
            sources.append(Source(path.name, place, str(path), -1, "", size, stamp))
        elif ending == ".zip":
            try:
                members = _members(path)
            except Exception as error:  # as varied as the ways in which an archive can be damaged
                words = f"not a zip archive that can be read: {in_words(error)}"
                unused.append(UnusedFile(place, "failed", words=words))
                continue
            for number, member in enumerate(members):
                inside, member_place = member.filename, f"{place}: {member.filename}"
                if inside.lower().endswith(".skeleton"):
                    name = inside.rpartition("/")[2]
                    sources.append(Source(name, member_place, str(path), number, inside, member.file_size, member.CRC))
                elif inside.lower().endswith(".zip"):
                    unused.append(UnusedFile(member_place, "nested"))
    if not sources:
        hint = f"; {unused[0].place} is {unused[0].words or SKIPPED[unused[0].why]}" if unused else ""
        raise ValueError(f"{raw}: expected .skeleton files or zip archives of them, found none{hint}")
    return sources, unused


def _files(raw: Path, unreadable: Callable[[OSError], None]) -> Iterator[Path]:
    """All files in a folder and in those below it, through links too, but no folder twice."""
    visited = set()
    for folder, below, names in os.walk(raw, followlinks=True, onerror=unreadable):
        try:
            status = os.stat(folder)
        except OSError as error:
            unreadable(error)
            continue
        if (status.st_dev, status.st_ino) in visited:  # a link to a folder above this one, say
            below.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        below.sort()  # the same order every time
        yield from (Path(folder, name) for name in names)


def _members(path: Path) -> list[zipfile.ZipInfo]:
    if not path.is_file():
        raise ValueError("not a plain file")
    with zipfile.ZipFile(path) as archive:
        return archive.infolist()


def choose_clips(
    sources: list[Source], unused: list[UnusedFile], benchmark: Benchmark
) -> tuple[list[ClipFiles], list[UnusedFile]]:
    """The clips that become motions, sorted by their names, and all files that are not used."""
    unused = list(unused)
    named: list[tuple[ClipName, Source]] = []
    for source in sources:
        try:
            named.append((ClipName.parse(Path(source.name).stem), source))
        except ValueError as error:
            unused.append(UnusedFile(source.place, "name", words=str(error)))
    named.sort(key=lambda pair: (pair[0], pair[1].member >= 0, pair[1].place))  # plain files before archives
    clips: list[ClipFiles] = []
    for clip, source in named:
        if not benchmark.holds(clip):
            unused.append(UnusedFile(source.place, "elsewhere", str(clip)))
        elif str(clip) in MISSING:
            unused.append(UnusedFile(source.place, "missing", str(clip), benchmark.side(clip)))
        elif clips and clips[-1][0] == clip:
            clips[-1][1].append(source)
        else:
            clips.append((clip, [source]))
    return clips, unused


def in_words(error: Exception) -> str:
    """An error in one line; with its type, unless readers raise that type on purpose."""
    text, kind = " ".join(str(error).split()), type(error).__name__
    if not text or not isinstance(error, (ValueError, OSError, zipfile.BadZipFile)):
        text = f"{kind}: {text}" if text else kind
    return text if len(text) <= 1000 else f"{text[:1000]} ..."


class Archives:
    """Zip archives to read from; the last one stays open, since members of one archive come behind each other."""

    def __init__(self) -> None:
        self._path = ""
        self._zip: zipfile.ZipFile | None = None
        self._members: list[zipfile.ZipInfo] = []

    def close(self) -> None:
        """Close the archive that is open."""
        if self._zip is not None:
            self._zip.close()
        self._zip, self._path, self._members = None, "", []

    def open(self, source: Source) -> Path | bytes:
        """A plain file as its path, a member as its bytes, of which no more are read than it may have.

        Raises:
            OSError: also when the member has another name, size or checksum than at the time of the search
        """
        if source.member < 0:
            return Path(source.path)
        if self._zip is None or source.path != self._path:
            self.close()
            self._zip, self._path = zipfile.ZipFile(source.path), source.path
            self._members = self._zip.infolist()
        info = self._members[source.member] if source.member < len(self._members) else None
        if info is None or (info.filename, info.file_size, info.CRC) != (source.inside, source.size, source.stamp):
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
