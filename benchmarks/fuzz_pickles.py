"""`python -m benchmarks.fuzz_pickles`: reads a million damaged label files and a hundred thousand damaged pyskl files.

Genuine files of every protocol, of Python 2 and of numpy 1 and 2 are damaged at random, some with programs that an
unpickler would run, and read. Each file must be read or refused with a ValueError, in time and within an address space
that is barely larger than that of the process before. An audit hook counts the events that Python reports while a file
is read: imports, code that is run or compiled, programs that are started, other files that are opened. The numbers that
matter are those of other errors, late files and such events: 0.

The seed and its number alone make a file, so the work can be divided with --start.
"""

from __future__ import annotations

import argparse
import json
import pickle
import pickletools
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from kinetic.files import replacing
from kinetic.formats.published import read_labels
from kinetic.formats.pyskl import read_pyskl

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
CODES = bytes(ord(operation.code) for operation in pickletools.opcodes)

# (['S001A001', 'a\xff\n', ''], [3, 7L, 5]) and an array, as Python 2.7 writes them.
PYTHON_2 = (
    b"((lp0\nS'S001A001'\np1\naS'a\\xff\\n'\np2\naS''\na(lp3\nI3\naL7L\naI5\natp4\n.",
    b"\x80\x02]q\x00(U\x08S001A001q\x01U\x03a\xff\nq\x02U\x00e]q\x03(K\x03\x8a\x01\x07K\x05e\x86q\x04.",
    b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n(I1\n(I2\nI2\ntp6\n"
    b"cnumpy\ndtype\np7\n(S'i2'\np8\nI0\nI1\ntp9\nRp10\n(I3\nS'<'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\n"
    b"S'\\x01\\x00\\x01\\x00\\t\\x00\\x02\\x00'\np13\ntp14\nb.",
)

# Each has an effect if it runs; none takes anything from the stack.
PROGRAMS = (
    b"cos\nsystem\n(S'true'\ntR",
    b"(S'true'\nios\nsystem\n",
    b"(cos\nsystem\nS'true'\no",
    b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R",
    b"cbuiltins\neval\n(X\x01\0\0\x001tR",
    b"cbuiltins\nexec\n(X\x04\0\0\0passtR",
    b"c__builtin__\n__import__\n(S'antigravity'\ntR",
    b"cnumpy\nfromfile\n(S'/etc/passwd'\ntR",
    b"cnumpy.core.multiarray\nfrombuffer\n(S'ab'\ntR",
    b"ccopy_reg\n_reconstructor\n(cbuiltins\nobject\ncbuiltins\nobject\nNtR}b",
    b"ctypes\nFunctionType\n)\x81",
    b"ctorch\nload\n(S'x'\ntR",
    b"\x82\x01\x83\x01\x00\x84\x01\x00\x00\x00",
    b"Pid\nN\x51",
    b"\x97\x98",
    b"0" * 3 + b"2" * 3,
    b"cnumpy\nndarray\n(\x8a\x06\0\0\0\0\0\x01tR",
)
SIZES = [
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x80",
    b"\0" * 4,
    struct.pack("<Q", 1 << 40),
    struct.pack("<Q", 1 << 63),
]


def with_numpy_1(data: bytes) -> bytes:
    """A pickle with the names that numpy had before version 2."""
    for length in (
        len("numpy._core.numeric"),
        len("numpy._core.multiarray"),
    ):  # protocol 4 and later write the length before the name
        data = data.replace(b"\x8c%cnumpy._core." % length, b"\x8c%cnumpy.core." % (length - 1))
    return data.replace(b"numpy._core.", b"numpy.core.")


def label_files() -> list[bytes]:
    """Genuine files of labels."""
    names = [f"S001C00{i % 3 + 1}P001R001A{i + 1:03}.skeleton" for i in range(6)]
    labels = np.arange(6)
    values = [
        (names, labels.tolist()),
        [names, labels],
        np.stack([labels, labels]),
        list(labels),
        np.array([names, labels.astype(str)]),
        (np.array(names, dtype=bytes), labels.astype(np.uint8)),
        (["é", "中", "it's\n", ""], [0, 1, 2, 3]),
        labels.astype(">i4"),
        np.asfortranarray(np.stack([labels, labels])),
    ]
    written = [pickle.dumps(value, protocol) for value in values for protocol in PROTOCOLS]
    return [*PYTHON_2, *written, *(with_numpy_1(data) for data in written)]


def pyskl_files() -> list[bytes]:
    """Genuine files of annotations, in three and two dimensions."""
    rng = np.random.default_rng(0)
    solid: list[dict[str, Any]] = []
    flat: list[dict[str, Any]] = []
    for i, (bodies, frames) in enumerate([(1, 2), (2, 4), (1, 8)]):
        facts = {"frame_dir": f"S001C001P00{i + 1}R001A00{i + 1}", "label": i}
        joints = rng.normal(size=(bodies, frames, 25, 3)).astype(np.float16)
        solid.append({**facts, "keypoint": joints, "total_frames": frames})
        points = rng.uniform(0, 1000, (bodies, frames, 17, 2)).astype(np.float16)
        extras = {"img_shape": (1080, 1920), "keypoint_score": points[..., 0], "total_frames": frames}
        flat.append({**facts, "keypoint": points, **extras})
    of_other_types = [
        {**clip, "keypoint": clip["keypoint"].astype(kind)}
        for clip, kind in zip(flat, ("f4", ">f2", "f8"), strict=True)
    ]
    values: list[Any] = [solid, flat, of_other_types]
    for clips in (solid, flat):
        names = [clip["frame_dir"] for clip in clips]
        split = {"xsub_train": names[:2], "xsub_val": names[2:]}
        values.append({"split": split, "annotations": clips})
    written = [pickle.dumps(value, protocol) for value in values for protocol in PROTOCOLS]
    return [*written, *(with_numpy_1(data) for data in written)]


def damaged(rng: random.Random, files: Sequence[bytes]) -> bytes:
    """One of the files, with one to eight changes."""
    data = bytearray(rng.choice(files))
    for _ in range(rng.choice([1, 1, 1, 2, 4, 8])):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(10):
            case 0 | 1 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 3:  # an operation for another, or some more
                data[at : at + rng.randrange(2)] = bytes(rng.choices(CODES, k=rng.randrange(1, 4)))
            case 4:
                del data[at : at + rng.choice([1, 1, 2, 4, 8, 64])]
            case 5:
                del data[at:]
            case 6:  # a piece of another file
                other = rng.choice(files)
                start = rng.randrange(len(other))
                data[at:at] = other[start : start + rng.randrange(80)]
            case 7:  # a piece of itself, perhaps many times
                data[at:at] = data[at : at + rng.randrange(1, 60)] * rng.choice([1, 1, 2, 50])
            case 8:  # a length or number
                size = rng.choice(SIZES)
                data[at : at + len(size)] = size
            case 9:
                data[at:at] = rng.choice(PROGRAMS)
    return bytes(data)


class Late(BaseException):
    """A file takes too long. Not an Exception, so that no reader takes it for an error of the file."""


class Watch:
    """Counts the events that Python reports to audit hooks while a file is read."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)
        self.armed = False
        self.events: Counter[str] = Counter()
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.armed and not (event == "open" and str(arguments[0]) == self.file):
            self.events[event] += 1


def fuzz(
    kind: str,
    files: Sequence[bytes],
    read: Callable[[Path], object],
    watch: Watch,
    numbers: range,
    seed: int,
    limit: float,
) -> dict[str, Any]:
    """Damage and read the files of these numbers; the counts of their outcomes."""
    path = Path(watch.file)
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    messages: list[str] = []
    slowest, bad = 0.0, 0
    start = time.perf_counter()
    for number in numbers:
        data = damaged(random.Random(f"{seed} {kind} {number}"), files)
        path.write_bytes(data)
        before = watch.events.total()
        signal.setitimer(signal.ITIMER_REAL, limit)
        watch.armed, since = True, time.perf_counter()
        outcome = "read"
        try:
            read(path)
        except ValueError as error:
            outcome = "refused"
            reasons[" ".join(str(error).removeprefix(f"{path.name}: ").split()[:2])] += 1
        except Late:
            outcome = "late"
        except Exception as error:  # the faults that this benchmark looks for
            outcome = f"failed with {type(error).__name__}"
        watch.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, time.perf_counter() - since)
        outcomes[outcome] += 1
        if outcome not in ("read", "refused") or watch.events.total() != before:
            bad += 1
            messages.append(f"{kind} file {number}: {outcome}, {dict(watch.events)}")
            print(messages[-1], file=sys.stderr, flush=True)
    seconds = time.perf_counter() - start
    return {
        "files": len(numbers),
        "first": numbers.start,
        "bases": len(files),
        "outcomes": dict(outcomes),
        "reasons": dict(reasons.most_common(12)),
        "slowest_seconds": round(slowest, 4),
        "seconds": round(seconds, 1),
        "bad": bad,
        "found": messages[:20],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    summary = (__doc__ or "").partition(":")[2].partition("\n")[0].strip()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_pickles", description=summary)
    parser.add_argument("--labels", type=int, default=1_000_000, help="label files (default 1000000)")
    parser.add_argument("--pyskl", type=int, default=100_000, help="pyskl files (default 100000)")
    parser.add_argument("--start", type=int, default=0, help="number of the first of each (default 0)")
    parser.add_argument("--seed", type=int, default=0, help="of the damages (default 0)")
    parser.add_argument("--limit", type=float, default=5.0, help="seconds that a file may take (default 5)")
    parser.add_argument("--memory", type=int, default=512, help="MiB that reading may add to the process (default 512)")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="where the numbers are kept (.json)")
    options = parser.parse_args(arguments)
    if min(options.labels, options.pyskl, options.start) < 0 or options.limit <= 0 or options.memory < 1:
        parser.error("counts must not be negative, limits must be positive")
    shared = Path("/dev/shm")  # memory, where the system has it
    with tempfile.TemporaryDirectory(prefix="kinetic-fuzz-", dir=shared if shared.is_dir() else None) as scratch:
        watch = Watch(Path(scratch) / "x_label.pkl")
        kinds = {
            "labels": (label_files(), read_labels, options.labels),
            "pyskl": (pyskl_files(), read_pyskl, options.pyskl),
        }
        for bases, read, _ in kinds.values():  # so that Python has imported all that it imports on first use
            for data in bases:
                Path(watch.file).write_bytes(data)
                read(Path(watch.file))
        watch.armed = True
        pickle.loads(b"cos\ngetpid\n(tR.")
        watch.armed = False
        if not watch.events:
            print("this Python does not report to audit hooks what it unpickles", file=sys.stderr)
            return 1
        watch.events.clear()

        def late(number: int, frame: FrameType | None) -> None:
            raise Late

        signal.signal(signal.SIGALRM, late)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (options.memory << 20), before[1]))
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        results = {}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for kind, (bases, read, count) in kinds.items():
                numbers = range(options.start, options.start + count)
                results[kind] = fuzz(kind, bases, read, watch, numbers, options.seed, options.limit)
                summary = ", ".join(f"{many} {outcome}" for outcome, many in results[kind]["outcomes"].items())
                seconds, slowest = results[kind]["seconds"], results[kind]["slowest_seconds"]
                print(f"{kind}: {summary}; {seconds:.0f} s, the slowest {slowest} s", flush=True)
        resource.setrlimit(resource.RLIMIT_AS, before)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident) / 1024
    bad = sum(result["bad"] for result in results.values())
    print(
        f"{bad} files were neither read nor refused, or caused events: {dict(watch.events) or 'none'}; "
        f"{grown:.0f} MiB more memory"
    )
    if options.out is not None:
        import torch  # only here, so that the address space above is that of reading

        from benchmarks import harness

        document = {
            "machine": harness.machine(torch.device("cpu")) | {"numpy": np.__version__},
            "seed": options.seed,
            "limits": {"seconds": options.limit, "mebibytes": options.memory},
            "results": results,
            "events": dict(watch.events),
            "grown_mebibytes": round(grown, 1),
        }
        with replacing(options.out) as beside:
            beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
