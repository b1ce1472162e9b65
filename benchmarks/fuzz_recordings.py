"""`python -m benchmarks.fuzz_recordings`: reads a hundred thousand damaged `.skeleton` files.

Each is a small recording with one to three damages: bits flip, lines vanish, repeat or change places, fields become
malformed numbers, files are cut or joined. A file may be read, or refused with a ValueError in one short line; nothing
else may happen: no other exception, no warning, no slow file, no memory beyond a limit. The quick reader and the
careful one must agree: what the quick one reads, the careful one reads as the same numbers to the last bit.

The number that matters is that of all other files: 0. The seed and its number alone make a file, so that any can be
made again (`--start`, `--files 1`).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import sys
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from kinetic.files import replacing
from kinetic.ntu import recording as reader
from kinetic.ntu.recording import Recording, read_recording, recording_bytes

NASTY = (
    *(b"0", b"-0", b"1", b"2", b"3", b"12", b"13", b"24", b"25", b"26", b"-1", b"3.0", b"1e1", b"1_0", b"+2", b"007"),
    *(b"nan", b"-nan", b"NaN", b"inf", b"-Infinity", b"-1.#IND", b"1.#QNAN", b"1e400", b"-1e400", b"1e-400"),
    *(b"1e99999999", b"1000000000", b"9223372036854775807", b"9223372036854775808", b"9" * 20, b"9" * 400),
    *(b"9" * 5000, b"0." + b"3" * 30, b"99.99999", b"100.0", b"100.00001", b"1000.0", b"0x10", b"1.2.3", b"--1"),
    *(b"1-1", b".", b"-", b".5", b"5.", b"-.5", b"+.5e-1", b"1e", b"e5", b"1,5", b"word", b"None", b"\xd9\xa2"),
    *(b"\xff\xfe", b"\x00", b""),
)  # fmt: skip
"""Texts that replace fields and counts."""

BYTES = b" \t\r\n\x0b\x0c\x00-+.,eE0123456789_#\x1a\x85\x8a\xa0\xad\xb2\xff"


def bases() -> list[bytes]:
    """Recordings of one to four frames, as varied as files of many programs."""
    files = []
    for number, counts in enumerate([(1,), (1, 1), (2, 1), (0, 1, 1), (1, 0, 2), (3,), (1, 1, 1, 0), (0, 0)]):
        rng = np.random.default_rng(number)
        b = sum(counts)
        joints = rng.normal([0, 0, 3], [0.5, 0.5, 0.3], (b, 25, 3)) * (1e-3 if number == 3 else 1)
        recording = Recording(
            "",
            len(counts),
            np.repeat(np.arange(len(counts)), counts),
            rng.integers(0, 2**63 - 1, b) if number % 2 else 72057594037931101 + np.arange(b),
            joints,
            rng.integers(0, 3, (b, 25)).astype(np.uint8),
        )
        files += [recording_bytes(recording, newline=end, digits=(7, 9, 17)[number % 3]) for end in ("\r\n", "\n")]
    return files


def damaged(rng: random.Random, files: Sequence[bytes]) -> bytes:
    """A file with one to three damages."""
    data = rng.choice(files)
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(DAMAGES)(data, rng, files)[:200_000]
    return data


def _on_lines(change: Callable[[list[bytes], random.Random], None]) -> Callable[..., bytes]:
    def damage(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
        lines = data.split(b"\n")
        change(lines, rng)
        return b"\n".join(lines)

    return damage


def flip(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
    """Up to eight bits change."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8)) if data else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
    """The end or the beginning is missing."""
    at = rng.randrange(len(data) + 1)
    return data[:at] if rng.random() < 0.7 else data[at:]


def hole(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
    """Some bytes in the middle are missing."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.choice((1, 2, 10, 500)) :]


def insert(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
    """Some bytes are inserted."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + bytes(rng.choices(BYTES, k=rng.choice((1, 1, 2, 3, 20)))) + data[at:]


def overwrite(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
    """Some bytes become others."""
    at, many = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 3))
    return data[:at] + bytes(rng.choices(BYTES, k=many)) + data[at + many :]


def glue(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
    """Another file, or its end, follows."""
    other = rng.choice(files)
    return data + other[rng.randrange(len(other)) * rng.choice((0, 1)) :]


def layout(data: bytes, rng: random.Random, files: Sequence[bytes]) -> bytes:
    """Ends of lines or blanks change, or a byte order mark comes first."""
    old, new = rng.choice(
        ((b"\r\n", b"\n"), (b"\n", b"\r\n"), (b"\n", b"\n\n"), (b" ", b"\t"), (b" ", b"  "), (b"\n", b"\r"))
    )
    mark = rng.choice((b"", b"", b"\xef\xbb\xbf", b"\xff\xfe"))
    return mark + data.replace(old, new, rng.choice((-1, -1, 1, 30)))


def repeat(lines: list[bytes], rng: random.Random) -> None:
    """Some lines are repeated."""
    at, many = rng.randrange(len(lines)), rng.choice((1, 1, 27, 100))
    lines[at:at] = lines[at : at + many] * rng.choice((1, 1, 2, 5))


def drop(lines: list[bytes], rng: random.Random) -> None:
    """Some lines are missing."""
    at = rng.randrange(len(lines))
    del lines[at : at + rng.choice((1, 1, 2, 27, 28))]


def swap_lines(lines: list[bytes], rng: random.Random) -> None:
    """Two lines change places."""
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def swap_fields(lines: list[bytes], rng: random.Random) -> None:
    """Two fields of a line change places."""
    at = rng.randrange(len(lines))
    if words := lines[at].split(b" "):
        one, other = rng.randrange(len(words)), rng.randrange(len(words))
        words[one], words[other] = words[other], words[one]
        lines[at] = b" ".join(words)


def replace_field(lines: list[bytes], rng: random.Random) -> None:
    """A field becomes a malformed number."""
    at = rng.randrange(len(lines))
    if words := lines[at].split(b" "):
        words[rng.randrange(len(words))] = rng.choice(NASTY)
        lines[at] = b" ".join(words)


def replace_count(lines: list[bytes], rng: random.Random) -> None:
    """A number that stands alone becomes another one."""
    alone = [i for i, line in enumerate(lines) if line.strip().isdigit()]
    if alone:
        lines[rng.choice(alone)] = rng.choice(NASTY)


def field_count(lines: list[bytes], rng: random.Random) -> None:
    """A line has one field more or less."""
    at = rng.randrange(len(lines))
    words = lines[at].split(b" ")
    if rng.random() < 0.5:
        words.insert(rng.randrange(len(words) + 1), rng.choice(NASTY))
    else:
        del words[rng.randrange(len(words))]
    lines[at] = b" ".join(words)


DAMAGES: tuple[Callable[..., bytes], ...] = (
    *(flip, cut, hole, insert, overwrite, glue, layout),
    *map(_on_lines, (repeat, drop, swap_lines, swap_fields, replace_field, replace_field, replace_count, field_count)),
)


class Late(BaseException):
    """A file takes too long. Not an Exception, so that no reader takes it for an error of the file."""


def outcome_of(data: bytes) -> tuple[str, str]:
    """The outcome of a file, which is right if it is in `FINE`, and the message."""
    try:
        recording = read_recording(data)
    except ValueError as error:
        try:
            reader._read_carefully(data, "")
        except ValueError:
            return "refused", str(error)
        return "refused by one way only", str(error)
    if reader._read_quickly(data, "") is None:
        return "read carefully", ""
    try:
        other = reader._read_carefully(data, "")
    except ValueError as error:
        return "read by the quick way only", str(error)
    if (recording.frames, recording.remarks) != (other.frames, other.remarks) or not all(
        getattr(recording, name).tobytes() == getattr(other, name).tobytes()
        for name in ("frame", "body", "joints", "tracking")
    ):
        return "read in two ways", ""
    return "read quickly", ""


FINE = ("read quickly", "read carefully", "refused")


def fuzz(numbers: range, seed: int, limit: float) -> dict[str, Any]:
    """Damage and read the files of these numbers; the counts of their outcomes."""
    files = bases()
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    messages: list[str] = []
    slowest, largest = 0.0, 0
    start = time.perf_counter()
    for number in numbers:
        data = damaged(random.Random(f"{seed} {number}"), files)
        largest = max(largest, len(data))
        signal.setitimer(signal.ITIMER_REAL, limit)
        since = time.perf_counter()
        message = ""
        try:
            outcome, message = outcome_of(data)
        except Late:
            outcome = "late"
        except Exception as error:  # the faults that this benchmark looks for
            outcome = f"failed with {type(error).__name__}"
        signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, time.perf_counter() - since)
        outcomes[outcome] += 1
        if outcome == "refused":
            reasons[message.partition("expected ")[2].partition(" (frame")[0]] += 1
            if not message.startswith("line ") or len(message) > 300:
                outcome = f"refused with the message {message[:400]!r}"
        if outcome not in FINE:
            messages.append(f"file {number}: {outcome}")
            print(messages[-1], file=sys.stderr, flush=True)
    return {
        "files": len(numbers),
        "first": numbers.start,
        "bases": len(files),
        "largest_bytes": largest,
        "outcomes": dict(outcomes),
        "expected": dict(reasons.most_common(20)),
        "slowest_seconds": round(slowest, 4),
        "seconds": round(time.perf_counter() - start, 1),
        "found": messages[:100],
    }


def most_memory(numbers: range, seed: int) -> float:
    """The most bytes that reading allocates at a time, per byte of a file, over the files of these numbers."""
    files = bases()
    most = 0.0
    tracemalloc.start()
    for number in numbers:
        data = damaged(random.Random(f"{seed} {number}"), files)
        if len(data) > 2000:  # in smaller files the constant part dominates
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                read_recording(data)
            except ValueError:
                pass
            most = max(most, (tracemalloc.get_traced_memory()[1] - before) / len(data))
    tracemalloc.stop()
    return most


def main(arguments: Sequence[str] | None = None) -> int:
    summary = (__doc__ or "").partition(":")[2].partition("\n")[0].strip()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_recordings", description=summary)
    parser.add_argument("--files", type=int, default=100_000, help="how many (default 100000)")
    parser.add_argument("--start", type=int, default=0, help="number of the first (default 0)")
    parser.add_argument("--seed", type=int, default=0, help="of the damages (default 0)")
    parser.add_argument("--limit", type=float, default=2.0, help="seconds that a file may take (default 2)")
    parser.add_argument("--memory", type=int, default=128, help="MiB that reading may add to the process (default 128)")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="where the numbers are kept (.json)")
    options = parser.parse_args(arguments)
    if options.files < 1 or options.start < 0 or options.limit <= 0 or options.memory < 1:
        parser.error("there must be files, and limits must be positive")
    numbers = range(options.start, options.start + options.files)
    for data in bases():  # so that Python has imported all that it imports on first use
        read_recording(data)

    def late(number: int, frame: FrameType | None) -> None:
        raise Late

    signal.signal(signal.SIGALRM, late)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (options.memory << 20), before[1]))
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = fuzz(numbers, options.seed, options.limit)
    resource.setrlimit(resource.RLIMIT_AS, before)
    result["grown_mebibytes"] = round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident) / 1024, 1)
    result["allocated_per_byte"] = round(most_memory(numbers[:2000], options.seed), 1)
    print(", ".join(f"{many} {outcome}" for outcome, many in result["outcomes"].items()))
    print(f"{result['seconds']:.0f} s, the slowest file {result['slowest_seconds']} s (both ways together)")
    print(
        f"{len(result['found'])} files were neither read nor refused; {result['grown_mebibytes']} MiB more memory, "
        f"at most {result['allocated_per_byte']} bytes allocated for each of a file"
    )
    if options.out is not None:
        import torch  # only here, so that the address space above is that of reading

        from benchmarks import harness

        document = {
            "machine": harness.machine(torch.device("cpu")) | {"numpy": np.__version__},
            "seed": options.seed,
            "limits": {"seconds": options.limit, "mebibytes": options.memory},
            "result": result,
        }
        with replacing(options.out) as beside:
            beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return int(bool(result["found"]))


if __name__ == "__main__":
    sys.exit(main())
