"""The parts of a build: each is the motions of some clips in a file, and is made here or by one of several workers."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

import numpy as np

from kinetic.files import read_text, replacing
from kinetic.motion.fitting import FITTING
from kinetic.ntu.cleaning import CLEANING, Unusable
from kinetic.ntu.raw import Archives, Source, in_words
from kinetic.ntu.recording import read_recording
from kinetic.plain import json_values
from kinetic.processes import Child
from kinetic.skeleton import NTU25

__all__ = ["RATE", "Part", "body_shape", "is_finished", "make_part", "part_makers", "read_lines"]

RATE = 30.0
"""Frames per second of a Kinect v2."""
ATTEMPTS = 3
"""How many workers may die at one part before the build gives up."""
PATIENCE = 10.0
"""Seconds that a worker without work may take to end."""


@dataclass(frozen=True)
class Part:
    """The clips of a part, how they become motions, and where these go.

    Args:
        stem: path of its two files, without their suffixes `.f32` and `.jsonl`
        recipe, fit, frames: of the build; `frames` is None where clips keep their length
        files: clips, with the files to try one after the other
    """

    stem: str
    recipe: str
    fit: str
    frames: int | None
    files: list[tuple[str, list[Source]]]

    def path(self, suffix: str) -> Path:
        return Path(f"{self.stem}.{suffix}")


def make_part(part: Part, archives: Archives) -> None:
    """Write the motions of a part behind each other, without their padding, and a line of JSON for each clip.

    The lines are written last: where they are, the part is complete. A line has the failures of the clip's files up to
    the one in use; after a failure of the system, not of the file, the next call makes the part again.
    """
    lines = []
    with replacing(part.path("f32")) as beside, open(beside, "wb") as file:
        for clip, sources in part.files:
            line: dict[str, Any] = {"clip": clip, "failures": []}
            lines.append(line)
            for source in sources:
                try:
                    motion, facts = _motion(part, archives.open(source), clip)
                except Exception as error:  # whatever a file does to the code, the build goes on and reports it
                    failure = {
                        "error": in_words(error),
                        "refused": isinstance(error, Unusable),
                        "again": isinstance(error, (OSError, MemoryError)),
                    }
                    line["failures"].append(failure)
                    continue
                file.write(np.ascontiguousarray(motion.transpose(0, 3, 1, 2), dtype="<f4").data)  # (M, C, T, V)
                line |= facts
                break
    text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
    with replacing(part.path("jsonl")) as beside:
        beside.write_text(text, encoding="utf-8")


def _motion(part: Part, source: Path | bytes, clip: str) -> tuple[np.ndarray, dict[str, Any]]:
    """The motion of a file as (M, T, V, 3) without its padding, and the facts that its line of JSON has."""
    recording = read_recording(source, clip)
    cleaned = CLEANING[part.recipe](recording)
    motion, length = cleaned.motion, cleaned.motion.shape[1]
    rate, unpadded = RATE, length
    if part.frames is not None:
        motion = FITTING[part.fit](motion, part.frames)
        if part.fit == "stretch":
            unpadded = part.frames
            rate = RATE * (part.frames - 1) / (length - 1) if min(length, part.frames) > 1 else RATE
        else:
            unpadded = min(length, part.frames)
            motion = motion if motion[:, unpadded:].any() else motion[:, :unpadded]
    if not np.isfinite(motion).all():
        raise ValueError("the recipe made coordinates that are not finite")
    bodies = 2 if len(motion) > 1 and motion[1].any() else 1
    return motion[:bodies], {
        "stored": motion.shape[1],
        "frames": unpadded,
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
    quaternion: np.ndarray = np.linalg.eigh(symmetric)[1][:, -1]  # the largest eigenvalue is the last
    return quaternion * (-1.0 if quaternion[0] < 0 else 1.0) + 0.0  # not -0


# ------------------------------------------------------------------------------------------------------ finished parts


def is_finished(part: Part) -> bool:
    """Whether a part is complete, and no failure in it is worth another try."""
    lines = read_lines(part)
    return lines is not None and not any(failure["again"] for line in lines for failure in line["failures"])


def read_lines(part: Part) -> list[dict[str, Any]] | None:
    """The lines of JSON of a part, one for each clip; None where the part is absent or incomplete."""
    try:
        lines = [json_values(text) for text in read_text(part.path("jsonl")).splitlines()]
        size = part.path("f32").stat().st_size
        if [line["clip"] for line in lines] != [clip for clip, _ in part.files]:
            return None
        if not all(type(failure["again"]) is bool for line in lines for failure in line["failures"]):
            return None
        whole = sum(4 * int(np.prod(body_shape(line))) for line in lines if "stored" in line)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return lines if size == whole else None


def body_shape(line: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Shape of the bodies that a line describes: (M, C, T, V)."""
    return line["bodies"], NTU25.channels, line["stored"], len(NTU25.joints)


# ------------------------------------------------------------------------------------------------------------- workers

Make: TypeAlias = Callable[[Sequence[Part]], Iterator[Part]]
"""Makes parts, and yields each one when it is complete."""


@contextmanager
def part_makers(workers: int) -> Iterator[Make]:
    """A function that makes parts: in this process for one worker, else in so many others."""
    if workers > 1:
        team = _Team(workers)
        try:
            yield team.make
        finally:
            team.close()
        return
    archives = Archives()

    def make_here(parts: Sequence[Part]) -> Iterator[Part]:
        for part in parts:
            make_part(part, archives)
            yield part

    try:
        yield make_here
    finally:
        archives.close()


class _Team:
    """Several workers, replaced when they die."""

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers)
        self._idle: SimpleQueue[Child] = SimpleQueue()
        self._closing = False

    def make(self, parts: Sequence[Part]) -> Iterator[Part]:
        """Make the parts, and yield each one when it is complete."""
        futures = {self._threads.submit(self._make, part): part for part in parts}
        for future in as_completed(futures):
            future.result()
            yield futures.pop(future)

    def _make(self, part: Part) -> None:
        ending = ""
        for _ in range(ATTEMPTS):
            try:
                worker = self._idle.get_nowait()
            except Empty:
                worker = Child("kinetic.ntu.parts:_serve")
            try:
                error = _ask(worker, part)
            except EOFError:
                ending = worker.end(PATIENCE)
                if self._closing:
                    return
                continue
            self._idle.put(worker)
            if error is not None:
                raise error
            return
        raise ChildProcessError(
            f"{ATTEMPTS} workers {ending} at the files from {part.files[0][0]} to {part.files[-1][0]}; "
            "what is done is kept, the same call goes on from there"
        )

    def close(self) -> None:
        """Finish the parts in work, begin no others, and end the workers."""
        self._closing = True
        self._threads.shutdown(wait=True, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().end(PATIENCE)


def _ask(worker: Child, part: Part) -> Exception | None:
    """Have a worker make a part; its error, or None where the part is complete.

    Raises:
        EOFError: when the worker is dead
    """
    try:
        worker.orders.send(part)
        error: Exception | None = worker.replies.recv()
    except OSError as broken:
        raise EOFError from broken
    return error


def _serve(orders: Connection, replies: Connection) -> None:
    """Body of a worker: makes parts until there are no more orders."""
    os.dup2(2, 1)  # what libraries print is no part of the report on standard output
    archives = Archives()
    with suppress(EOFError, BrokenPipeError):  # the end of the orders, or of the build
        while True:
            part = orders.recv()
            replies.send(_error_of(part, archives))


def _error_of(part: Part, archives: Archives) -> Exception | None:
    """Make a part; the error that stops the build, if there is one."""
    try:
        make_part(part, archives)
    except OSError as error:
        return OSError(error.errno, error.strerror or str(error), error.filename)
    except Exception:
        return RuntimeError(f"a worker failed:\n{traceback.format_exc()}")
    return None
