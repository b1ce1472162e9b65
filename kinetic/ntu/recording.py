"""Recordings of a Kinect v2: the `.skeleton` files of NTU RGB+D 60 and 120, read and written.

A file is text. Its first line is the number of frames. Each frame begins with the number of its bodies, each body with
a line of 10 fields and the number of joints, which is 25; then follows a line of 12 fields for each joint. `_BODY` and
`_JOINT` name the fields.

There are two readers. The quick one processes all bytes at once and accepts only files of the usual form; it checks
every byte, and gives up at anything else. The careful one then goes line by line: it accepts all allowed forms, and
explains what is wrong with others. Both give the same result, to the last bit, for files that both accept.
"""

from __future__ import annotations

import functools
import os
import re
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from kinetic.files import open_plain
from kinetic.motion.arrays import mebibytes
from kinetic.skeleton import NTU25

__all__ = ["Recording", "read_recording", "recording_bytes"]

LARGEST = 64 << 20
"""Bytes of the largest file that is read; most files of NTU RGB+D have 0.2 to 1 million."""
MOST_FRAMES = 10_000
"""Frames of the longest recording that is read: over five minutes. Those of NTU RGB+D have about 85, at most 300."""
MOST_BODIES = 12
"""Bodies in one frame. A Kinect v2 tracks 6; a file may merge the recordings of two."""
FARTHEST = 100.0
"""Metres that a joint may be away along each axis. A Kinect v2 sees 8; joints that it guesses lie somewhat farther."""
LARGEST_ID = 2**63 - 1
LONGEST_LINE = 4096
"""Bytes of a line; that of a joint has about 120."""
LARGEST_QUICK = 4 << 20
"""Bytes of the largest file for the quick reader, which takes up to 20 bytes of memory for each byte of the file."""

_BODY = (
    "the id",
    "clipped edges",
    "left hand confidence",
    "left hand state",
    "right hand confidence",
    "right hand state",
    "restricted",
    "lean x",
    "lean y",
    "the body's tracking state",
)
_JOINT = (
    *("x", "y", "z", "depth x", "depth y", "colour x", "colour y"),
    *("orientation w", "orientation x", "orientation y", "orientation z", "the tracking state"),
)
_JOINTS = 25

# Python's int() and float() would also take `1_000`, `nan` and the digits of other scripts.
_WHOLE = re.compile(rb"[0-9]{1,19}")
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_PRINTED = re.compile(rb"[+-]?(?:nan|inf(?:inity)?|1\.#(?:ind|inf|qnan|snan)[0-9]{0,4})", re.IGNORECASE)
"""How C, C++ and C# programs print infinity and what is not a number."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording of a Kinect v2: bodies that come and go. B is the number of bodies over all frames (observations).

    Attributes:
        name: name of the file without its ending, as in S001C002P003R002A013
        frames: number of frames, those without a body included
        frame: (B,) int64, the frame of each observation, ascending; within a frame in the order of the file
        body: (B,) int64, the sensor's id of the body, which has 17 digits: more than a float64 holds
        joints: (B, 25, 3) float64, metres in the space of the camera: x to the sensor's left, y up, z away from it
        tracking: (B, 25) uint8: 0 not tracked, 1 inferred, 2 tracked
        remarks: sentences on what is odd but usable

    Raises:
        ValueError: where shapes or types do not fit each other, or the frames are not in order
    """

    name: str
    frames: int
    frame: np.ndarray
    body: np.ndarray
    joints: np.ndarray
    tracking: np.ndarray
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        b = len(self.frame)
        for name, dtype, shape in (
            ("frame", np.int64, (b,)),
            ("body", np.int64, (b,)),
            ("joints", np.float64, (b, _JOINTS, 3)),
            ("tracking", np.uint8, (b, _JOINTS)),
        ):
            part: np.ndarray = getattr(self, name)
            if part.dtype != dtype or part.shape != shape:
                raise ValueError(f"{name} must be {np.dtype(dtype)} of shape {shape}, got {part.dtype} {part.shape}")
        if b and not (0 <= self.frame[0] and self.frame[-1] < self.frames and (np.diff(self.frame) >= 0).all()):
            raise ValueError(f"frame must ascend within 0 to {self.frames - 1}, got {self.frame}")


def read_recording(source: Path | bytes, name: str = "") -> Recording:
    """The recording in a `.skeleton` file, given by its path or by its bytes.

    Args:
        name: name of the recording; "" = that of the file

    Raises:
        ValueError: (without the path) for any other content, with the line, what it holds and what was expected
        OSError: for a file that does not exist or cannot be read
    """
    if isinstance(source, bytes):
        data = source
        if len(data) > LARGEST:
            raise ValueError(f"found {mebibytes(len(data))}, expected at most {mebibytes(LARGEST)}")
    else:
        path = Path(source)
        name, data = name or path.stem, _contents(path)
    recording = _read_quickly(data, name) if len(data) <= LARGEST_QUICK else None
    return recording or _read_carefully(data, name)


def recording_bytes(recording: Recording, *, newline: str = "\r\n", digits: int = 9) -> bytes:
    """The text of a `.skeleton` file, with numbers printed as the Kinect SDK prints float32.

    Fields that a `Recording` lacks are computed: pixels are where an ideal camera sees the joints, orientations turn
    the y axis along the bone (0 at the ends of limbs), and the states of hands are unknown.

    Args:
        newline: `\\r\\n` as in NTU RGB+D, or `\\n`
        digits: significant digits; 9 distinguish all float32 numbers, the files of NTU RGB+D have 7

    Raises:
        ValueError: for a recording that `read_recording` would refuse
    """
    if newline not in ("\r\n", "\n"):
        raise ValueError(f"newline must be '\\r\\n' or '\\n', got {newline!r}")
    if not 1 <= digits <= 17:
        raise ValueError(f"digits must be 1 to 17, got {digits}")
    if not 1 <= recording.frames <= MOST_FRAMES:
        raise ValueError(f"a recording has 1 to {MOST_FRAMES} frames, got {recording.frames}")
    counts = np.bincount(recording.frame, minlength=recording.frames)
    if counts.max() > MOST_BODIES:
        raise ValueError(f"a frame has at most {MOST_BODIES} bodies, frame {counts.argmax()} has {counts.max()}")
    if (recording.body < 0).any():
        raise ValueError(f"ids must not be negative, got {recording.body.min()}")
    if (recording.tracking > 2).any():
        raise ValueError(f"tracking must be 0, 1 or 2, got {recording.tracking.max()}")
    if not (np.abs(recording.joints) <= FARTHEST).all():
        raise ValueError(
            f"joints must lie within {FARTHEST:g} m, got {recording.joints.min()} to {recording.joints.max()}"
        )
    number = f"%.{digits}G"
    head = f"%d 0 0 0 0 0 0 {number} {number} 2{newline}{_JOINTS}{newline}"
    rows = newline.join([" ".join([number] * len(_JOINT))] * _JOINTS) + newline
    fields = _fields(recording.joints.astype(np.float32).astype(np.float64), recording.tracking)
    lean = _directions(recording.joints)[:, 1, ::2]  # (B, 2), that of the lower spine
    lines = [f"{recording.frames}{newline}"]
    at = 0
    for count in counts.tolist():
        lines.append(f"{count}{newline}")
        for i in range(at, at + count):
            lines += [head % (recording.body[i], *lean[i]), rows % tuple(fields[i].ravel().tolist())]
        at += count
    return "".join(lines).encode("ascii")


def _fields(joints: np.ndarray, tracking: np.ndarray) -> np.ndarray:
    """The fields of the joints in a file: (B, 25, 12)."""
    x, y, z = np.moveaxis(joints, -1, 0)
    away = np.where(z > 0, z, np.inf)  # puts joints behind the camera into the middle of its picture
    # Focal lengths, centres (pixels) and the distance of both cameras (metres) of an average Kinect v2.
    pixels = (256 + 365 * x / away, 208 - 365 * y / away, 960 + 1060 * (x + 0.052) / away, 540 - 1060 * y / away)
    x, y, z = np.moveaxis(_directions(joints), -1, 0)
    w = np.maximum(1 + y, 1e-9)
    turn = np.stack([4 * w, 4 * z + 3 * x, 3 * w, 3 * z - 4 * x], axis=-1)  # (B, 25, 4), after one about the bone
    turn /= np.linalg.norm(turn, axis=-1, keepdims=True)
    turn[:, np.bincount(np.ravel(NTU25.bones))[:_JOINTS] == 1] = 0
    return np.concatenate([joints, np.stack(pixels, axis=-1), turn, tracking[..., None]], axis=-1)  # (B, 25, 12)


def _directions(joints: np.ndarray) -> np.ndarray:
    """Unit vectors (B, 25, 3) to each joint, from its neighbour towards the base of the spine."""
    hops = NTU25.hops()
    near = hops[0]
    parent = [next((i for i in range(_JOINTS) if hops[i, j] == 1 and near[i] < near[j]), j) for j in range(_JOINTS)]
    bones = joints - joints[:, parent]
    return bones / np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)


def _contents(path: Path) -> bytes:
    """The content of a plain file of at most `LARGEST` bytes."""
    with open_plain(path, LARGEST) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1)
    if len(data) != size:
        raise ValueError(f"found {len(data)} bytes, expected {size}: the file changes while it is read")
    return data


def _finished(
    name: str,
    frames: int,
    frame: np.ndarray,
    body: np.ndarray,
    joints: np.ndarray,
    tracking: np.ndarray,
    odd: list[str],
) -> Recording:
    """The recording of either reader, with the remarks that both make."""
    counts = np.bincount(frame, minlength=frames)
    remarks = list(odd)
    if empty := frames - np.count_nonzero(counts):
        remarks.append(f"frames without a body: {empty} of {frames}")
    if (most := counts.max()) > 2:
        remarks.append(f"bodies in a frame: up to {most}")
    if most > 1 and (twice := len(body) - len(set(zip(frame.tolist(), body.tolist(), strict=True)))):
        remarks.append(f"ids that stand twice in a frame: {twice}")
    return Recording(name, frames, frame, body, joints, tracking, tuple(remarks))


# --------------------------------------------------------------------------------------------------------- carefully


def _read_carefully(data: bytes, name: str) -> Recording:
    """The recording, read line by line; an error explains what is wrong. Takes the memory of the result."""
    lines = _Lines(data)
    frames = lines.whole(1, MOST_FRAMES, f"the number of frames, 1 to {MOST_FRAMES}")
    frame, body, joints, tracking = array("q"), array("q"), array("d"), bytearray()
    for t in range(frames):
        lines.place = f"frame {t + 1} of {frames}"
        count = lines.whole(0, MOST_BODIES, f"the number of bodies, 0 to {MOST_BODIES}")
        for b in range(count):
            lines.place = f"frame {t + 1} of {frames}, body {b + 1} of {count}"
            words = lines.fields(_BODY, "a body")
            if not _WHOLE.fullmatch(words[0]) or int(words[0]) > LARGEST_ID:
                lines.fail(words[0], _BODY[0], f"a whole number from 0 to {LARGEST_ID}")
            lines.numbers(words, _BODY, 1)
            frame.append(t)
            body.append(int(words[0]))
            lines.whole(_JOINTS, _JOINTS, f"the number of joints, {_JOINTS}")
            place = lines.place
            for j in range(_JOINTS):
                lines.place = f"{place}, joint {j + 1} of {_JOINTS}"
                words = lines.fields(_JOINT, "a joint")
                for word, what in zip(words[:3], _JOINT, strict=False):
                    if not _NUMBER.fullmatch(word) or not abs(float(word)) <= FARTHEST:
                        lines.fail(word, what, f"metres from {-FARTHEST:g} to {FARTHEST:g}")
                    joints.append(float(word))
                lines.numbers(words[:11], _JOINT, 3)
                if words[11] not in (b"0", b"1", b"2"):
                    lines.fail(words[11], _JOINT[11], "0, 1 or 2")
                tracking.append(int(words[11]))
    lines.end(f"the end of the file after frame {frames}")
    b = len(frame)
    return _finished(
        name,
        frames,
        np.array(frame, dtype=np.int64),
        np.array(body, dtype=np.int64),
        np.array(joints, dtype=np.float64).reshape(b, _JOINTS, 3),
        np.frombuffer(tracking, dtype=np.uint8).reshape(b, _JOINTS),
        lines.remarks(),
    )


class _Lines:
    """The lines of a file that are not blank, one after the other, and the errors in them."""

    _blank = re.compile(rb"[ \t\r\n]*")
    _rest = re.compile(rb"[^\r\n]*")
    _strange = re.compile(rb"[^\t\r\n -~]")
    _signatures = (
        (b"\x1f\x8b", "a gzip file"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\xff\xfe", "UTF-16"),
        (b"\xfe\xff", "UTF-16"),
    )

    def __init__(self, data: bytes) -> None:
        self.marked = data.startswith(b"\xef\xbb\xbf")
        self.data = data
        self.start = self.at = 3 if self.marked else 0
        self.place = ""
        self.printed: list[bytes] = []
        self.count = 0
        for signature, kind in self._signatures:
            if data.startswith(signature):
                raise ValueError(f"line 1: found {kind}, expected plain text")
        if strange := self._strange.search(data, self.at):
            self.start = strange.start()
            self._fail(f"the byte 0x{data[self.start]:02x}", "plain text")

    def words(self, expected: str) -> list[bytes]:
        """The words of the next line; at the end of the file, the error says what was `expected`."""
        blank = self._blank.match(self.data, self.at)
        self.start = blank.end() if blank else self.at
        line = self._rest.match(self.data, self.start)
        self.at = line.end() if line else self.start
        if self.at == self.start:
            self._fail("the end of the file", expected)
        if self.at - self.start > LONGEST_LINE:
            self._fail(f"{self.at - self.start} bytes in a line", f"{expected}, in at most {LONGEST_LINE} bytes")
        return self.data[self.start : self.at].split()

    def whole(self, low: int, high: int, expected: str) -> int:
        """The only number of a line."""
        words = self.words(expected)
        if len(words) != 1 or not _WHOLE.fullmatch(words[0]) or not low <= int(words[0]) <= high:
            self._fail(_short(b" ".join(words)), expected)
        return int(words[0])

    def fields(self, names: tuple[str, ...], thing: str) -> list[bytes]:
        """The words of the next line, one for each name."""
        words = self.words(f"the {len(names)} fields of {thing}")
        if len(words) != len(names):
            count = "1 field" if len(words) == 1 else f"{len(words)} fields"
            self._fail(f"{count} {_short(b' '.join(words))}", f"the {len(names)} of {thing}")
        return words

    def numbers(self, words: list[bytes], names: tuple[str, ...], first: int) -> None:
        """Checks that fields outside the result are numbers, or `nan` and the like."""
        for word, what in zip(words[first:], names[first:], strict=False):
            if not _NUMBER.fullmatch(word):
                if not _PRINTED.fullmatch(word):
                    self.fail(word, what, "a number")
                self.count += 1
                if len(self.printed) < 3 and word not in self.printed:
                    self.printed.append(word)

    def end(self, expected: str) -> None:
        """Checks that only blanks follow."""
        blank = self._blank.match(self.data, self.at)
        self.start = blank.end() if blank else self.at
        if self.start < len(self.data):
            self.place = ""
            line = self._rest.match(self.data, self.start, self.start + LONGEST_LINE)
            self._fail(_short(line[0] if line else b""), expected)

    def remarks(self) -> list[str]:
        odd = ["begins with a byte order mark"] if self.marked else []
        if self.count:
            odd.append(f"fields without a number (not kept): {self.count}, as in {b', '.join(self.printed).decode()}")
        return odd

    def fail(self, word: bytes, what: str, expected: str) -> NoReturn:
        self._fail(f"{_short(word)} as {what}", expected)

    def _fail(self, found: str, expected: str) -> NoReturn:
        feeds, returns, both = (self.data.count(end, 0, self.start) for end in (b"\n", b"\r", b"\r\n"))
        line = 1 + feeds + returns - both
        raise ValueError(
            f"line {line}: found {found}, expected {expected}" + (f" ({self.place})" if self.place else "")
        )


def _short(text: bytes) -> str:
    """Text from a file for a message: in quotes, on one line, and cut in the middle."""
    return repr(text.decode("ascii") if len(text) <= 60 else text[:40].decode("ascii") + " ... " + text[-15:].decode())


# ----------------------------------------------------------------------------------------------------------- quickly

_SPACE, _LF, _CR, _MINUS, _DOT, _NOUGHT = (np.uint8(ord(letter)) for letter in " \n\r-.0")
_AFTER = np.uint8(128)
"""Is added to the code of a byte that follows a byte other than a digit."""
_MOST_ODD = 1000
"""Numbers with an exponent, or with very many digits, that are read one by one."""
_WORDS = len(_BODY) + 1 + _JOINTS * len(_JOINT)
_ENDS = np.array([len(_BODY) - 1, len(_BODY), *range(len(_BODY) + len(_JOINT), _WORDS, len(_JOINT))])
"""The words of a body that end a line."""
_ROWS = np.concatenate([[-1], _ENDS])
_COLUMNS = len(_BODY) + np.arange(4)[:, None, None] + len(_JOINT) * np.arange(_JOINTS)
"""(4, 1, 25): the word before x, and x, y and z, of each joint."""
_DECIMALS = 14
"""Most digits after the point that are read quickly: with one digit before it, the number stays below 2^53."""
_TENS = 10 ** np.arange(_DECIMALS + 1)
_POWERS = _TENS.astype(np.float64)
_SIGNS = np.array([1.0, -1.0])
_MASKS = np.array(
    [(0xFFFFFFFFFFFFFFFF << 8 * max(0, 8 - kept)) & 0xFFFFFFFFFFFFFFFF for kept in range(_DECIMALS + 1)],
    dtype=np.uint64,
)
"""Masks for the last 0 to 8 of 8 bytes, as a little-endian number; for more than 8, all of them."""
_PAIRS = tuple(
    (np.uint64((10 ** (width // 8) << width) + 1), np.uint64(width), np.uint64(kept))
    for width, kept in ((8, 0x00FF00FF00FF00FF), (16, 0x0000FFFF0000FFFF), (32, 0xFFFFFFFF))
)


def _read_quickly(data: bytes, name: str) -> Recording | None:
    """The recording, read from all bytes at once; None for a file of an unusual form."""
    _keep_memory()
    words = _words(data)
    if words is None:
        return None
    bodies = _bodies(data, words)
    if bodies is None:
        return None
    frames, frame, body = bodies
    text, at, ends, _, point, windows = words

    rows = at.take(ends.take(body[:, None] + _ROWS))  # (B, 28) ends of lines, first of the line before the body
    counting, tracked = rows[:, 2], rows[:, 3:]
    tracking = text.take(tracked - 1) - _NOUGHT  # (B, 25)
    if not (
        np.diff(rows).max() <= LONGEST_LINE
        and (text.take(counting - 3) == _LF).all()
        and (text.take(counting - 2) == _NOUGHT + 2).all()
        and (text.take(counting - 1) == _NOUGHT + 5).all()
        and (text.take(tracked - 2) == _SPACE).all()
        and (tracking <= 2).all()
    ):
        return None
    start, stop = rows[:, 0] + 1 + windows, at.take(ends.take(body))
    ids = [data[begin:end] for begin, end in zip(start.tolist(), stop.tolist(), strict=True)]
    if (stop - start).max() > 19 or not b"".join(ids).isdigit() or max(numbers := list(map(int, ids))) > LARGEST_ID:
        return None

    q = ends.take(_COLUMNS + body[:, None])  # (4, B, 25)
    places = at.take(q)
    places[0] += windows
    q = q[1:] - 1  # the point, if the number has one
    start, stop = places[:3] + 1, places[1:]
    joints = _decimals(data, start.ravel(), stop.ravel(), np.where(point.take(q), at.take(q), stop).ravel())
    if joints is None or not (np.abs(joints) <= FARTHEST).all():
        return None
    return _finished(
        name,
        frames,
        np.array(frame, dtype=np.int64),
        np.array(numbers, dtype=np.int64),
        joints.reshape(3, -1, _JOINTS).transpose(1, 2, 0).copy(),  # (B, 25, 3)
        tracking,
        [],
    )


class _Words(NamedTuple):
    """The ends of words, which are spaces and ends of lines; a word is digits, perhaps with a minus and a point.

    Attributes:
        text: all bytes
        at: (Q,) the places of bytes other than digits
        ends: (W,) the numbers, among the Q, of those that end a word
        last: (Q,) whether each ends a line
        point: (Q,) whether each is a point
        windows: whether lines end with CR LF; the CR then ends the word
    """

    text: np.ndarray
    at: np.ndarray
    ends: np.ndarray
    last: np.ndarray
    point: np.ndarray
    windows: bool


def _words(data: bytes) -> _Words | None:
    """The words of a file; None where some are not numbers, or more than one byte separates them."""
    if not data.isascii():
        return None
    text = np.frombuffer(data, dtype=np.uint8)
    special = text - _NOUGHT > 9
    at = np.flatnonzero(special)
    if not len(at) or at[-1] != len(data) - 1 or not 0 < at[0] < 6:
        return None
    code = _codes(text, special).take(at)  # (Q,)
    windows = bool(code[0] == _CR)
    last = code == (_CR if windows else _LF)
    end = last | (code == _SPACE)
    minus, point = code == _MINUS + _AFTER, code == _DOT
    fine = end | minus | point
    begins = end  # a word begins after it
    if windows:
        feed = code == _LF + _AFTER
        if feed[0] or last[-1] or not np.array_equal(feed[1:], last[:-1]):
            return None
        fine |= feed
        begins = (end ^ last) | feed
    fine[1:] &= ~minus[1:] | begins[:-1]
    fine[1:] &= ~point[1:] | begins[:-1] | minus[:-1]
    if not (begins[-1] and last[0]):
        return None
    ends = np.flatnonzero(end)
    if not fine.all():  # some numbers have exponents, or are none
        odd = np.flatnonzero(~fine)
        if len(odd) > _MOST_ODD:
            return None
        for word in set(np.searchsorted(ends, odd).tolist()):
            before = ends[word - 1]
            begin = at[before] + 1 + (windows and last[before])
            if word == 0 or not _NUMBER.fullmatch(data, int(begin), int(at[ends[word]])):
                return None
    return _Words(text, at, ends, last, point, windows)


def _bodies(data: bytes, words: _Words) -> tuple[int, list[int], np.ndarray] | None:
    """The number of frames, and the frame and first word of each body; None unless all lines have their words."""
    text, at, ends, last = words[:4]
    frames = int(data[: at[0]])
    if not 1 <= frames <= MOST_FRAMES:
        return None
    heads, bodies, frame = [], [], []
    word, count = 1, len(ends)
    place, end = at.data, ends.data  # indexing a memoryview is faster
    for t in range(frames):
        if word >= count:
            return None
        heads.append(word)
        bodies_here = data[place[end[word]] - 1] - 48  # the value of the digit
        word += 1
        for _ in range(bodies_here):
            bodies.append(word)
            frame.append(t)
            word += _WORDS
    if word != count or not bodies:
        return None
    body = np.array(bodies)
    closing = ends.take(np.concatenate([[0], heads, (body[:, None] + _ENDS).ravel()]))
    alone = text.take(at.take(ends.take(heads)) - 2) == _LF  # one digit
    if not (alone.all() and last.take(closing).all() and np.count_nonzero(last) == len(closing)):
        return None
    return frames, frame, body


def _codes(text: np.ndarray, special: np.ndarray) -> np.ndarray:
    """The bytes, with 128 added to those that follow a special one."""
    codes = np.empty((len(text) + 7) & ~7, dtype=np.uint8)
    codes[0] = 0
    codes[1 : len(text)] = special[:-1]
    eights = codes.view(np.uint64)
    eights <<= np.uint64(7)  # 1 becomes 128 in each of its bytes, eight at a time
    codes = codes[: len(text)]
    codes |= text
    return codes


def _decimals(data: bytes, start: np.ndarray, stop: np.ndarray, point: np.ndarray) -> np.ndarray | None:
    """The numbers from `start` to `stop`, with a point (or `stop`) in between; None where too many are unusual.

    The digits make a whole number below 2^53, which is divided by a power of ten below 10^23: both are exact in
    float64, so the quotient is what float() gives (Clinger 1990). Eight digits are read at a time by multiplication
    (Lemire 2021, Number parsing at a gigabyte per second).
    """
    text = np.frombuffer(data, dtype=np.uint8)
    eights = np.ndarray((len(data) - 7,), dtype="V8", buffer=data, strides=(1,))  # 8 bytes from each byte on
    negative = (text.take(start) == _MINUS).astype(np.int64)
    decimals = np.maximum(stop - point - 1, 0)
    odd = np.flatnonzero((point - start - negative != 1) | (decimals > _DECIMALS))
    if len(odd) > _MOST_ODD:
        return None
    np.minimum(decimals, _DECIMALS, out=decimals)
    digits = _whole(eights[stop - 8].view("<u8") & _MASKS.take(decimals))
    if decimals.max() > 8:
        long = np.flatnonzero(decimals > 8)
        digits[long] += 10**8 * _whole(eights[stop[long] - 16].view("<u8") & _MASKS[decimals[long] - 8])
    first = text.take(point - 1).astype(np.int64)  # one type for all: mixed types are slow in numpy
    first -= int(_NOUGHT)
    first *= _TENS.take(decimals)
    digits += first
    values = digits / _POWERS.take(decimals)
    values *= _SIGNS.take(negative)
    for i in odd.tolist():
        values[i] = float(data[start[i] : stop[i]])
    return values


def _whole(eights: np.ndarray) -> np.ndarray:
    """Numbers of eight digits, the first in the lowest byte; a byte of 0 is the digit 0. Changes its argument."""
    eights &= np.uint64(0x0F0F0F0F0F0F0F0F)
    for factor, shift, kept in _PAIRS:
        eights *= factor
        eights >>= shift
        eights &= kept
    return eights.view(np.int64)


@functools.cache
def _keep_memory() -> None:
    """Makes the C library of Linux keep freed memory for the next file: fresh pages would double the time.

    It keeps as much as the largest block that was freed (M_TRIM_THRESHOLD in mallopt(3)). Elsewhere nothing changes.
    """
    np.empty(16 << 20, dtype=np.uint8)
