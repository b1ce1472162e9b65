"""Tests of kinetic/ntu/recording.py: files that are read, their exact numbers, and the message for every wrong file."""

from __future__ import annotations

import gzip
import os
import random
import re
import socket
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import fuzz_recordings
from benchmarks import recording as benchmark
from kinetic.ntu import recording as module
from kinetic.ntu.recording import LARGEST, Recording, read_recording, recording_bytes

ROOT = Path(__file__).resolve().parents[2]
ID = 72057594037931101  # more than a float64 can hold


def some_recording(counts=(1, 2, 1), *, seed=0, name="S001C002P003R002A013") -> Recording:
    """A recording with `counts` bodies in its frames; all numbers are float32."""
    rng = np.random.default_rng(seed)
    b = sum(counts)
    joints = rng.normal([0, 0, 3], [0.5, 0.5, 0.2], (b, 25, 3)).astype(np.float32).astype(np.float64)
    return Recording(
        name,
        len(counts),
        np.repeat(np.arange(len(counts)), counts),
        np.array([ID + i for count in counts for i in range(count)], dtype=np.int64),
        joints,
        rng.integers(0, 3, (b, 25)).astype(np.uint8),
    )


def assert_same(one: Recording, other: Recording, *, remarks: bool = True) -> None:
    """Equal to the last bit, -0 included."""
    assert (one.name, one.frames) == (other.name, other.frames)
    for name in ("frame", "body", "joints", "tracking"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes(), name
    assert not remarks or one.remarks == other.remarks


BODY = b"72057594037931101 0 1 1 1 1 0 0.02764709 0.05745083 2"
JOINT = b"0.2181153 0.1725972 3.785547 277.419 191.8218 1036.233 519.1677 -0.2059419 0.05349901 0.9692109 -0.1239193 2"
WHOLE = b"\n".join([b"2", b"1", BODY, b"25", *[JOINT] * 25, b"1", BODY, b"25", *[JOINT] * 25]) + b"\n"
"""Two frames with one body, whose joints are all in one point."""


def line(number: int, text: bytes, data: bytes = WHOLE) -> bytes:
    """The file with another line; the first line is number 1, as in messages."""
    lines = data.split(b"\n")
    lines[number - 1] = text
    return b"\n".join(lines)


def field(number: int, text: bytes, where: int = 6, data: bytes = WHOLE) -> bytes:
    """The file with another field in one line, by default that of the second joint."""
    words = data.split(b"\n")[where - 1].split(b" ")
    words[number] = text
    return line(where, b" ".join(words), data)


# ------------------------------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_literal_file_is_read(newline):
    data = WHOLE.replace(b"\n", newline)
    recording = read_recording(field(11, b"1", 7, field(0, b"-1.5E-05", 5, data)) if newline == b"\n" else data)
    assert (recording.name, recording.frames) == ("", 2)
    assert recording.frame.tolist() == [0, 1] and recording.body.tolist() == [ID, ID]
    assert recording.joints.shape == (2, 25, 3) and recording.tracking.shape == (2, 25)
    assert recording.joints[1, 24].tolist() == [0.2181153, 0.1725972, 3.785547]
    assert recording.joints[0, 0, 0] == (-1.5e-05 if newline == b"\n" else 0.2181153)
    assert recording.tracking[0, :4].tolist() == ([2, 2, 1, 2] if newline == b"\n" else [2, 2, 2, 2])
    assert recording.remarks == ()


def test_bodies_come_and_go():
    recording = some_recording((0, 2, 0, 3, 1))
    again = read_recording(recording_bytes(recording, digits=17), recording.name)
    assert_same(again, replace(recording, remarks=("frames without a body: 2 of 5", "bodies in a frame: up to 3")))


def test_a_recording_without_a_body_is_read():
    recording = read_recording(b"3\r\n0\r\n0\r\n0\r\n")
    assert recording.frames == 3 and recording.joints.shape == (0, 25, 3) and recording.tracking.shape == (0, 25)
    assert recording.remarks == ("frames without a body: 3 of 3",)


def test_the_file_gives_the_name(tmp_path):
    path = tmp_path / "S001C002P003R002A013.skeleton"
    path.write_bytes(WHOLE)
    assert read_recording(path).name == "S001C002P003R002A013"
    assert read_recording(path, "other").name == "other"
    assert_same(read_recording(path, "x"), read_recording(WHOLE, "x"))


def test_a_link_to_a_file_is_followed(tmp_path):
    (tmp_path / "real.skeleton").write_bytes(WHOLE)
    (tmp_path / "link.skeleton").symlink_to("real.skeleton")
    assert read_recording(tmp_path / "link.skeleton").frames == 2


@pytest.mark.parametrize("number", [0, 1, 2**53 + 1, ID, 2**63 - 1])
def test_ids_are_exact(number):
    for data in (field(0, b"%d" % number, 3), field(0, b"%d" % number, 3).replace(b"\n", b"\r\n")):
        assert read_recording(data).body.tolist() == [number, ID]


def test_an_id_that_occurs_twice_in_a_frame_is_noted():
    recording = some_recording((2, 3))
    recording.body[1], recording.body[4] = recording.body[0], recording.body[2]
    remarks = ("bodies in a frame: up to 3", "ids that stand twice in a frame: 2")
    assert read_recording(recording_bytes(recording)).remarks == remarks


ODD: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "lines end with LF": (lambda: WHOLE, ()),
    "lines end with CR LF": (lambda: WHOLE.replace(b"\n", b"\r\n"), ()),
    "lines end with CR": (lambda: WHOLE.replace(b"\n", b"\r"), ()),
    "lines end with either": (lambda: WHOLE.replace(b"\n", b"\r\n", 20), ()),
    "no line end at the end": (lambda: WHOLE[:-1], ()),
    "blank lines, also first and last": (lambda: b"\n \n" + WHOLE.replace(b"\n", b"\n\t\n\n") + b"\n  \n", ()),
    "tabs or many spaces between fields": (lambda: WHOLE.replace(b" ", b"\t").replace(b"\t0", b"  0"), ()),
    "spaces around lines": (lambda: WHOLE.replace(b"\n", b" \n "), ()),
    "a byte order mark (UTF-8)": (lambda: b"\xef\xbb\xbf" + WHOLE, ("begins with a byte order mark",)),
    "frames without a body": (lambda: b"3\n0" + WHOLE[1:], ("frames without a body: 1 of 3",)),
    "more than two bodies": (
        lambda: recording_bytes(some_recording((4, 1))),
        ("bodies in a frame: up to 4",),
    ),
    "ten bodies": (lambda: recording_bytes(some_recording((10, 1))), ("bodies in a frame: up to 10",)),
    "ids that change": (lambda: field(0, b"5", 3), ()),
    "the same id twice in a frame": (
        lambda: b"1\n2" + WHOLE[3:].replace(b"\n1\n", b"\n"),
        ("ids that stand twice in a frame: 1",),
    ),
    "exponents, signs, no digit before or after the point": (
        lambda: field(0, b"1.5E-05", 5, field(1, b"+.5", 6, field(2, b"3.", 7, field(2, b"4e0", 8)))),
        (),
    ),
    "numbers with many digits": (lambda: WHOLE.replace(b"0.2181153", b"0.21811530000000000000001"), ()),
    "numbers without a point": (lambda: WHOLE.replace(b"3.785547", b"4"), ()),
    "what C prints for no number, where it is not kept": (
        lambda: field(3, b"-1.#IND", 6, field(4, b"nan", 6, field(5, b"-Infinity", 9, field(7, b"nan", 3)))),
        ("fields without a number (not kept): 4, as in nan, -1.#IND, -Infinity",),
    ),
}  # fmt: skip
"""Unusual files that are accepted, and the remark on each."""


@pytest.mark.parametrize("name", ODD)
def test_unusual_but_usable_files_are_read(name):
    make, remarks = ODD[name]
    recording = read_recording(make())
    assert recording.remarks == remarks
    assert recording.joints[-1, -1].tolist() == pytest.approx(recording.joints[-1, -1].tolist())
    assert len(recording.frame) in (2, 5, 11) and np.isfinite(recording.joints).all()


def test_layout_does_not_change_the_recording():
    plain = read_recording(WHOLE)
    same = ("lines end", "no line end", "blank", "tabs", "spaces")
    for name in ODD:
        if name.startswith(same):
            assert_same(read_recording(ODD[name][0]()), plain)


def test_nan_and_infinity_as_c_prints_them_are_accepted():
    for word in (b"nan", b"-nan", b"NaN", b"inf", b"-INF", b"Infinity", b"-1.#IND", b"1.#QNAN0", b"1.#INF00"):
        assert "without a number" in read_recording(field(3, word)).remarks[0]


# --------------------------------------------------------------------------------------------------------- how exactly


def quick(data: bytes) -> Recording | None:
    return module._read_quickly(data, "")


def careful(data: bytes) -> Recording:
    return module._read_carefully(data, "")


NUMBERS = [
    "0", "-0", "0.0", "-0.0", "9", "-9.5", "0.1", "-0.3", "1.7976931", "9.99999999999999", "9.999999999999999",
    "0.00000001", "0.12345678", "0.123456789", "0.1234567890123", "0.12345678901234", "0.123456789012345",
    "0.1234567890123456789012345678901234567890", "12.5", "99.99999", "100", "-100.0", "1e-5", "1E+1", "-2.5e-300",
    "1e-400", "4.9406564584124654e-324", "0.30000000000000004", "0.000000000000000000000000000001", "007.5",
]  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_those_of_python(text):
    for where in (0, 1, 2):
        for newline in (b"\n", b"\r\n"):
            data = field(where, text.encode()).replace(b"\n", newline)
            one, other = quick(data), careful(data)
            assert one is not None
            assert one.joints[0, 1, where].tobytes() == np.float64(text).tobytes()
            assert_same(one, other)


decimals = st.one_of(
    st.floats(-100, 100, width=32).map(lambda x: f"{x:.7G}"),
    st.floats(-100, 100).map(repr),
    st.from_regex(r"-?[0-9]\.[0-9]{1,16}", fullmatch=True),
    st.from_regex(r"-?[0-9]{1,2}(\.[0-9]{1,12})?([eE]-[0-9]{1,3})?", fullmatch=True),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(decimals, min_size=75, max_size=75), st.sampled_from([b"\n", b"\r\n"]))
def test_every_number_is_that_of_python(texts, newline):
    rows = [
        b" ".join([*(text.encode() for text in texts[3 * j : 3 * j + 3]), *JOINT.split(b" ")[3:]]) for j in range(25)
    ]
    data = newline.join([b"1", b"1", BODY, b"25", *rows, b""])
    expected = np.array([float(text) for text in texts])
    recording = quick(data)
    assert recording is not None
    assert recording.joints.tobytes() == expected.tobytes()
    assert_same(careful(data), recording)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    counts = draw(st.lists(st.integers(0, 3), min_size=1, max_size=6))
    recording = some_recording(counts, seed=draw(st.integers(0, 99)), name="")
    b = len(recording.body)
    ids = draw(st.lists(st.integers(0, 2**63 - 1), min_size=b, max_size=b, unique=True))
    scale = draw(st.sampled_from([1.0, 1e-4, 20.0]))
    joints = np.clip(recording.joints * scale, -99, 99).astype(np.float32).astype(np.float64)
    return replace(recording, body=np.array(ids, dtype=np.int64), joints=joints)


@settings(max_examples=40, deadline=None)
@given(recordings(), st.sampled_from(["\n", "\r\n"]), st.integers(9, 12))
def test_written_recordings_come_back(recording, newline, digits):
    data = recording_bytes(recording, newline=newline, digits=digits)
    again = read_recording(data)
    np.testing.assert_array_equal(again.joints.astype(np.float32), recording.joints.astype(np.float32))
    assert_same(replace(again, joints=recording.joints), recording, remarks=False)
    assert_same(careful(data), again)


MUTATIONS: list[bytes] = [
    *(b"", b" ", b"\n", b"\r", b"\r\n", b"\t", b"-", b".", b"E", b"+", b"0", b"25", b"nan", b"\x00", b"\xad", b"\x8a"),
    *(b",", b" 1", b"1 ", b".5", b"5.", b"--1", b"1-1", b"1.2.3", b"1E5", b"1e", b"\x0b", b" \n", b"\n1\n", b"\xb2"),
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from([b"\n", b"\r\n"]))
def test_both_ways_of_reading_agree_on_damaged_files(data, newline):
    text = WHOLE.replace(b"\n", newline)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(MUTATIONS)) + text[at + data.draw(st.integers(0, 3)) :]
    assert_both_agree(text)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("digits", [300, 4000, 4096, 5000])
def test_both_ways_of_reading_agree_on_long_lines(newline, digits):
    for where in (0, 3, 11):
        assert_both_agree(field(where, b"0" * digits).replace(b"\n", newline))
        assert_both_agree(field(min(where, 9), b"0" * digits, 3).replace(b"\n", newline))


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_both_ways_of_reading_agree_at_every_place(newline):
    text = b"\n".join([b"1", b"1", b"7 0 0 0 0 0 0 0.5 -1 2", b"25", *[b"0 -1.5 2 0 1 2 3 -4 5.5 0 0 1"] * 25, b""])
    text = text.replace(b"\n", newline)
    for at in range(110):
        for put in MUTATIONS:
            assert_both_agree(text[:at] + put + text[at:])
            assert_both_agree(text[:at] + put + text[at + 1 :])
    for put in MUTATIONS:
        for at in range(len(text) - 4, len(text) + 1):
            assert_both_agree(text[:at] + put + text[at:])


def assert_both_agree(data: bytes) -> None:
    one = quick(data)
    if one is not None:
        assert_same(careful(data), one)


def test_files_damaged_by_chance_are_read_or_refused():
    bases = fuzz_recordings.bases()
    outcomes = [
        fuzz_recordings.outcome_of(fuzz_recordings.damaged(random.Random(seed), bases))[0] for seed in range(400)
    ]
    assert set(outcomes) == set(fuzz_recordings.FINE)


def test_the_readers_in_the_benchmark_agree():
    state = benchmark.setup(torch.device("cpu"), files=2, frames=3)
    assert benchmark.check(state) == {"files that differ": 0.0}
    state.files[1].write_bytes(ODD["a byte order mark (UTF-8)"][0]().replace(b"3.785547", b"3.7"))
    with pytest.raises(ValueError):
        benchmark.check(state)


def test_the_quick_reader_reads_published_files():
    for newline in ("\n", "\r\n"):
        assert quick(recording_bytes(some_recording((1, 0, 2)), newline=newline, digits=7)) is not None


def test_large_files_are_read_carefully(monkeypatch):
    expected = read_recording(WHOLE)
    monkeypatch.setattr(module, "LARGEST_QUICK", 100)
    monkeypatch.setattr(module, "_read_quickly", None)
    assert_same(read_recording(WHOLE), expected)


# ------------------------------------------------------------------------------------------------- what is refused


MALFORMED: dict[str, tuple[Callable[[], bytes], str]] = {
    "an empty file": (lambda: b"", "line 1: found the end of the file, expected the number of frames, 1 to 10000"),
    "blank lines only": (
        lambda: b"\n \r\n\t\n",
        "line 4: found the end of the file, expected the number of frames, 1 to 10000",
    ),
    "gzip": (lambda: gzip.compress(WHOLE), "line 1: found a gzip file, expected plain text"),
    "a zip archive": (lambda: b"PK\x03\x04" + bytes(40), "line 1: found a zip archive, expected plain text"),
    "UTF-16": (lambda: WHOLE.decode().encode("utf-16"), "line 1: found UTF-16, expected plain text"),
    "UTF-16 without its mark": (
        lambda: WHOLE.decode().encode("utf-16-le"),
        "line 1: found the byte 0x00, expected plain text",
    ),
    "binary": (lambda: b"2\n1\n" + bytes(range(256)), "line 3: found the byte 0x00, expected plain text"),
    "HTML": (
        lambda: b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n",
        "line 1: found '<!DOCTYPE html>', expected the number of frames, 1 to 10000",
    ),
    "another text": (
        lambda: b"frame,joint,x,y,z\n0,0,0.1,0.2,3.0\n",
        "line 1: found 'frame,joint,x,y,z', expected the number of frames, 1 to 10000",
    ),
    "a line of 2 MB": (
        lambda: b"2\n1\n" + b"0.5 " * 500_000 + b"\n",
        (
            "line 3: found 2000000 bytes in a line"
            ", expected the 10 fields of a body, in at most 4096 bytes (frame 1 of 2, body 1 of 1)"
        ),
    ),
    "a word of 2 MB": (
        lambda: b"9" * 2_000_000,
        "line 1: found 2000000 bytes in a line, expected the number of frames, 1 to 10000, in at most 4096 bytes",
    ),
    "0 frames": (lambda: line(1, b"0"), "line 1: found '0', expected the number of frames, 1 to 10000"),
    "a negative number of frames": (
        lambda: line(1, b"-2"),
        "line 1: found '-2', expected the number of frames, 1 to 10000",
    ),
    "3.0 frames": (lambda: line(1, b"3.0"), "line 1: found '3.0', expected the number of frames, 1 to 10000"),
    "1000000000 frames": (
        lambda: line(1, b"1000000000"),
        "line 1: found '1000000000', expected the number of frames, 1 to 10000",
    ),
    "1_0 frames": (lambda: line(1, b"1_0"), "line 1: found '1_0', expected the number of frames, 1 to 10000"),
    "frames in Arabic digits": (lambda: line(1, "٢".encode()), "line 1: found the byte 0xd9, expected plain text"),
    "two numbers of frames": (
        lambda: line(1, b"2 2"),
        "line 1: found '2 2', expected the number of frames, 1 to 10000",
    ),
    "fewer frames than announced": (
        lambda: line(1, b"3"),
        "line 58: found the end of the file, expected the number of bodies, 0 to 12 (frame 3 of 3)",
    ),
    "more frames than announced": (
        lambda: line(1, b"1"),
        "line 30: found '1', expected the end of the file after frame 1",
    ),
    "two files in one": (lambda: WHOLE + WHOLE, "line 58: found '2', expected the end of the file after frame 2"),
    "-1 bodies": (lambda: line(2, b"-1"), "line 2: found '-1', expected the number of bodies, 0 to 12 (frame 1 of 2)"),
    "13 bodies": (lambda: line(2, b"13"), "line 2: found '13', expected the number of bodies, 0 to 12 (frame 1 of 2)"),
    "fewer bodies than announced": (
        lambda: line(2, b"2"),
        "line 30: found 1 field '1', expected the 10 of a body (frame 1 of 2, body 2 of 2)",
    ),
    "more bodies than announced": (
        lambda: line(2, b"0"),
        (
            "line 3: found '72057594037931101 0 1 1 1 1 0 0.02764709 0.05745083 2'"
            ", expected the number of bodies, 0 to 12 (frame 2 of 2)"
        ),
    ),
    "a body of 9 fields": (
        lambda: line(3, BODY[:-2]),
        (
            "line 3: found 9 fields '72057594037931101 0 1 1 1 1 0 0.02764709 0.05745083'"
            ", expected the 10 of a body (frame 1 of 2, body 1 of 1)"
        ),
    ),
    "a body of 11 fields": (
        lambda: line(3, BODY + b" 2"),
        (
            "line 3: found 11 fields '72057594037931101 0 1 1 1 1 0 0.02764709 0.05745083 2 2'"
            ", expected the 10 of a body (frame 1 of 2, body 1 of 1)"
        ),
    ),
    "a negative id": (
        lambda: field(0, b"-1", 3),
        (
            "line 3: found '-1' as the id"
            ", expected a whole number from 0 to 9223372036854775807 (frame 1 of 2, body 1 of 1)"
        ),
    ),
    "an id of 2^63": (
        lambda: field(0, b"%d" % 2**63, 3),
        (
            "line 3: found '9223372036854775808' as the id"
            ", expected a whole number from 0 to 9223372036854775807 (frame 1 of 2, body 1 of 1)"
        ),
    ),
    "an id that went through float": (
        lambda: field(0, b"7.2057594037931101E16", 3),
        (
            "line 3: found '7.2057594037931101E16' as the id"
            ", expected a whole number from 0 to 9223372036854775807 (frame 1 of 2, body 1 of 1)"
        ),
    ),
    "a word in a body": (
        lambda: field(7, b"left", 3),
        "line 3: found 'left' as lean x, expected a number (frame 1 of 2, body 1 of 1)",
    ),
    "0 joints": (
        lambda: line(4, b"0"),
        "line 4: found '0', expected the number of joints, 25 (frame 1 of 2, body 1 of 1)",
    ),
    "24 joints": (
        lambda: line(4, b"24").replace(JOINT + b"\n", b"", 1),
        "line 4: found '24', expected the number of joints, 25 (frame 1 of 2, body 1 of 1)",
    ),
    "26 joints": (
        lambda: line(4, b"26\n" + JOINT),
        "line 4: found '26', expected the number of joints, 25 (frame 1 of 2, body 1 of 1)",
    ),
    "24 joints instead of 25": (
        lambda: WHOLE.replace(JOINT + b"\n", b"", 1),
        "line 29: found 1 field '1', expected the 12 of a joint (frame 1 of 2, body 1 of 1, joint 25 of 25)",
    ),
    "26 joints instead of 25": (
        lambda: line(5, JOINT + b"\n" + JOINT),
        (
            "line 30: found '0.2181153 0.1725972 3.785547 277.419 191 ... 09 -0.1239193 2'"
            ", expected the number of bodies, 0 to 12 (frame 2 of 2)"
        ),
    ),
    "a joint of 2 fields": (
        lambda: line(6, b"0.2181153 0.1725972"),
        (
            "line 6: found 2 fields '0.2181153 0.1725972'"
            ", expected the 12 of a joint (frame 1 of 2, body 1 of 1, joint 2 of 25)"
        ),
    ),
    "a joint of 3 fields": (
        lambda: line(6, b"0.2181153 0.1725972 3.785547"),
        (
            "line 6: found 3 fields '0.2181153 0.1725972 3.785547'"
            ", expected the 12 of a joint (frame 1 of 2, body 1 of 1, joint 2 of 25)"
        ),
    ),
    "a joint of 13 fields": (
        lambda: line(6, JOINT + b" 2"),
        (
            "line 6: found 13 fields '0.2181153 0.1725972 3.785547 277.419 191 ...  -0.1239193 2 2'"
            ", expected the 12 of a joint (frame 1 of 2, body 1 of 1, joint 2 of 25)"
        ),
    ),
    "commas between fields": (
        lambda: line(6, JOINT.replace(b" ", b",")),
        (
            "line 6: found 1 field '0.2181153,0.1725972,3.785547,277.419,191 ... 09,-0.1239193,2'"
            ", expected the 12 of a joint (frame 1 of 2, body 1 of 1, joint 2 of 25)"
        ),
    ),
    "decimal commas": (
        lambda: line(6, JOINT.replace(b".", b",")),
        "line 6: found '0,2181153' as x, expected metres from -100 to 100 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "a word as coordinate": (
        lambda: field(0, b"left"),
        "line 6: found 'left' as x, expected metres from -100 to 100 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "NaN as coordinate": (
        lambda: field(1, b"nan"),
        "line 6: found 'nan' as y, expected metres from -100 to 100 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "infinity as coordinate": (
        lambda: field(2, b"-Infinity"),
        "line 6: found '-Infinity' as z, expected metres from -100 to 100 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "1e400 as coordinate": (
        lambda: field(0, b"1e400"),
        "line 6: found '1e400' as x, expected metres from -100 to 100 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "a hexadecimal coordinate": (
        lambda: field(0, b"0x1p-2"),
        "line 6: found '0x1p-2' as x, expected metres from -100 to 100 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "1_0 as coordinate": (
        lambda: field(0, b"1_0"),
        "line 6: found '1_0' as x, expected metres from -100 to 100 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "a joint 1 km away": (
        lambda: field(2, b"1000.0"),
        "line 6: found '1000.0' as z, expected metres from -100 to 100 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "millimetres": (
        lambda: field(2, b"3785.547"),
        "line 6: found '3785.547' as z, expected metres from -100 to 100 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "a word as depth": (
        lambda: field(3, b"deep"),
        "line 6: found 'deep' as depth x, expected a number (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "a word as colour": (
        lambda: field(5, b"red"),
        "line 6: found 'red' as colour x, expected a number (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "a word as orientation": (
        lambda: field(10, b"up"),
        "line 6: found 'up' as orientation z, expected a number (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "tracking state 3": (
        lambda: field(11, b"3"),
        "line 6: found '3' as the tracking state, expected 0, 1 or 2 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "tracking state 2.0": (
        lambda: field(11, b"2.0"),
        "line 6: found '2.0' as the tracking state, expected 0, 1 or 2 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "tracking state -1": (
        lambda: field(11, b"-1"),
        "line 6: found '-1' as the tracking state, expected 0, 1 or 2 (frame 1 of 2, body 1 of 1, joint 2 of 25)",
    ),
    "cut off between frames": (
        lambda: WHOLE[: WHOLE.index(JOINT + b"\n1\n") + len(JOINT) + 1],
        "line 30: found the end of the file, expected the number of bodies, 0 to 12 (frame 2 of 2)",
    ),
    "cut off between joints": (
        lambda: b"\n".join(WHOLE.split(b"\n")[:40]) + b"\n",
        (
            "line 41: found the end of the file"
            ", expected the 12 fields of a joint (frame 2 of 2, body 1 of 1, joint 9 of 25)"
        ),
    ),
    "cut off in a line": (
        lambda: WHOLE[:-90],
        (
            "line 57: found 2 fields '0.2181153 0.1725972'"
            ", expected the 12 of a joint (frame 2 of 2, body 1 of 1, joint 25 of 25)"
        ),
    ),
    "a byte that is no text": (lambda: field(0, b"0.2\x001153"), "line 6: found the byte 0x00, expected plain text"),
    "a page break": (lambda: field(0, b"0.2\x0c1153"), "line 6: found the byte 0x0c, expected plain text"),
}
"""Files that are refused, and their messages."""


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_explained(name):
    make, message = MALFORMED[name]
    with pytest.raises(ValueError) as error:
        read_recording(make())
    assert str(error.value) == message


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)  # in the working folder: the names of sockets are short


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(1 << 40)


NO_FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a folder": (folder, "expected a plain file, found a folder"),
    "a pipe (which would wait for a writer)": (pipe, "expected a plain file, found a pipe"),
    "a socket": (bound_socket, "expected a plain file, found a socket"),
    "a link to a device": (endless, "expected a plain file, found a device"),
    "a sparse file of 1 TiB": (sparse, f"expected a plain file of at most {LARGEST} bytes, found {1 << 40}"),
}
"""Paths that are refused before they are opened: the function that makes one, and the message."""


@pytest.mark.parametrize("name", NO_FILES)
def test_other_things_than_plain_files_are_not_opened(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, message = NO_FILES[name]
    path = tmp_path / "x.skeleton"
    make(path)
    monkeypatch.setattr(os, "open", None)
    with pytest.raises(ValueError) as error:
        read_recording(path)
    assert str(error.value) == message


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_recording(tmp_path / "x.skeleton")


def test_bytes_have_the_same_limit():
    with pytest.raises(ValueError, match=r"^found 64\.0 MiB, expected at most 64\.0 MiB$"):
        read_recording(bytes(LARGEST + 1))


def test_a_pipe_that_takes_the_place_of_a_file_does_not_block(tmp_path, monkeypatch):
    path = tmp_path / "x.skeleton"
    os.mkfifo(path)
    monkeypatch.setattr(os, "stat", lambda path: os.stat_result((0o100644, 0, 0, 1, 0, 0, 10, 0, 0, 0)))
    with pytest.raises(ValueError, match=r"^expected a plain file, found a pipe$"):
        read_recording(path)


def test_a_file_that_changes_meanwhile_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.skeleton"
    path.write_bytes(WHOLE)
    monkeypatch.setattr(os, "fstat", lambda number: os.stat_result((0o100644, 0, 0, 1, 0, 0, 10, 0, 0, 0)))
    with pytest.raises(ValueError, match=r"^found 11 bytes, expected 10: the file changes while it is read$"):
        read_recording(path)


SHORT = b"\n".join([b"7 0 0 0 0 0 0 0 0 2", b"25", *[b"0 0 0 0 0 0 0 0 0 0 0 2"] * 25, b""])


@pytest.mark.parametrize(
    "data",
    [
        b"5\n" + b"-" * 500_000 + b"\n",
        b"5\n" + b"1 " * 250_000 + b"\n",
        b"1\n" * 250_000,
        b"250\n" + (b"3\n" + SHORT * 3) * 250,
    ],
    ids=["no digits", "one line", "many lines", "shortest bodies"],
)
def test_memory_is_a_small_multiple_of_the_file(data):
    tracemalloc.start()
    try:
        read_recording(data)
    except ValueError:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * len(data) + (1 << 20)


def test_no_cut_file_is_read():
    for newline in (b"\n", b"\r\n"):
        data = WHOLE.replace(b"\n", newline)
        for stop in range(0, len(data) - len(newline), 7):
            with pytest.raises(ValueError, match=r"^line \d+: found .*, expected "):
                read_recording(data[:stop])


def test_messages_are_short_for_any_file():
    for text in (b"x" * 4000, b"' \" \\ " * 500, b"\t" * 3000 + b"y"):
        for data in (line(1, text), line(3, text), line(6, text), field(0, b"z" * 3000), WHOLE + text):
            with pytest.raises(ValueError) as error:
                read_recording(data)
            assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_the_tables_of_the_page_are_true():
    page = (ROOT / "docs" / "malformed.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+?) \| `([^`]+)` \|$", page, flags=re.MULTILINE))
    assert rows == {name: message for name, (_, message) in {**MALFORMED, **NO_FILES}.items()}
    accepted = page.partition("## What is read")[2].partition("\n## ")[0]
    listed = dict(re.findall(r"^\| ([^|]+?) \| ([^`|]*) \|$", accepted, flags=re.MULTILINE))
    del listed["the file has"], listed["---"]
    assert listed == {name: "; ".join(remarks) for name, (_, remarks) in ODD.items()}


# ------------------------------------------------------------------------------------------------- what is written


def test_written_files_look_like_published_ones():
    text = recording_bytes(some_recording((1, 0)), digits=7).decode()
    lines = text.split("\r\n")
    assert (lines[0], lines[1], lines[3], lines[-2:]) == ("2", "1", "25", ["0", ""]) and len(lines) == 31
    assert re.fullmatch(r"72057594037931101( 0){6}( -?[0-9.]+(E-[0-9]+)?){2} 2", lines[2])
    for row in lines[4:29]:
        assert re.fullmatch(r"-?[0-9.]+(E-[0-9]{2})?( -?[0-9.]+(E-[0-9]{2})?){10} [012]", row)
    assert "\r" not in recording_bytes(some_recording(), newline="\n").decode()


def test_pixels_are_where_the_cameras_see_the_joints():
    recording = some_recording((1,))
    recording.joints[0, :3] = [[0, 0, 3], [0.3, 0.3, 3], [0, 0, 0]]
    rows = [[float(word) for word in row.split()] for row in recording_bytes(recording).decode().splitlines()[4:7]]
    assert rows[0][3:5] == [256, 208] and rows[0][6] == 540
    assert rows[1][3:5] == pytest.approx([292.5, 171.5]) and rows[1][5] > rows[0][5] and rows[1][6] < 540
    assert rows[2][3:7] == [256, 208, 960, 540]


def test_orientations_are_turns_towards_the_joint():
    recording = some_recording((2,))
    rows = [row.split() for row in recording_bytes(recording).decode().splitlines()]
    turns = np.array([[float(word) for word in row[7:11]] for row in rows if len(row) == 12]).reshape(2, 25, 4)
    length = np.linalg.norm(turns, axis=-1)
    ends = [3, 15, 19, 21, 22, 23, 24]
    assert (length[:, ends] == 0).all()
    np.testing.assert_allclose(np.delete(length, ends, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": np.full((4, 25, 3), np.nan)}, "joints must lie within 100 m, got nan to nan"),
        ({"joints": np.full((4, 25, 3), 101.0)}, "joints must lie within 100 m, got 101.0 to 101.0"),
        ({"tracking": np.full((4, 25), 3, dtype=np.uint8)}, "tracking must be 0, 1 or 2, got 3"),
        ({"body": np.array([1, 2, -3, 4])}, "ids must not be negative, got -3"),
        ({"frames": 10_001}, "a recording has 1 to 10000 frames, got 10001"),
    ],
)
def test_a_recording_that_could_not_be_read_is_not_written(change, message):
    with pytest.raises(ValueError) as error:
        recording_bytes(replace(some_recording(), **change))
    assert str(error.value) == message


def test_too_many_bodies_are_not_written():
    with pytest.raises(ValueError, match=r"^a frame has at most 12 bodies, frame 1 has 13$"):
        recording_bytes(some_recording((1, 13)))


def test_unknown_layouts_are_not_written():
    with pytest.raises(ValueError, match=r"newline must be '\\r\\n' or '\\n', got '\\r'"):
        recording_bytes(some_recording(), newline="\r")
    with pytest.raises(ValueError, match="digits must be 1 to 17, got 0"):
        recording_bytes(some_recording(), digits=0)


@pytest.mark.parametrize(
    "change",
    [
        {"frame": np.array([0, 2, 1, 2])},
        {"frame": np.array([0, 1, 1, 3])},
        {"frame": np.array([-1, 1, 1, 2])},
        {"frame": np.zeros(4)},
        {"body": np.zeros(4)},
        {"body": np.zeros(3, dtype=np.int64)},
        {"joints": np.zeros((4, 24, 3))},
        {"joints": np.zeros((4, 25, 3), dtype=np.float32)},
        {"tracking": np.zeros((4, 25), dtype=np.int64)},
    ],
)
def test_a_recording_checks_itself(change):
    with pytest.raises(ValueError, match="must"):
        replace(some_recording(), **change)
