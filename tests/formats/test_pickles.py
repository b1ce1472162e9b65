"""Tests of kinetic/formats/pickles.py: plain values from untrusted pickles."""

from __future__ import annotations

import mmap
import os
import pickle
import pickletools
import random
import struct
import subprocess
import sys
import tracemalloc
import warnings
from collections import Counter, OrderedDict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetic.formats import pickles
from kinetic.formats.pickles import LONG, Limits, decode_pickle
from kinetic.formats.published import read_labels
from kinetic.formats.pyskl import read_pyskl

ROOT = Path(__file__).resolve().parents[2]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
NAMES = [f"S001C00{i % 3 + 1}P001R001A{i + 1:03}.skeleton" for i in range(12)]
LABELS = np.arange(12)

GENUINE = {
    "names and labels": (NAMES, list(range(12))),
    "names and an array": (NAMES, LABELS),
    "labels twice": np.stack([LABELS, LABELS]),
    "scalars": list(LABELS),
    "a list": list(range(12)),
    "text": np.array([NAMES, [str(label) for label in LABELS]]),
    "text scalars": list(np.array(NAMES)),
    "other letters": ["é", "中\n\\u", "", "it's", '"', np.array(["é", "中"])],
    "bytes": [b"", b"\x00\xff\n'\\", np.array([b"ab", b"c"])],
    "numbers": [0, -1, 255, 65536, 2**31, -(2**63), 2**64 - 1, 0.1, -np.inf, True, False, None],
    "floats": np.array([[0.5, np.nan], [-np.inf, 4]], dtype=np.float16),
    "all bytes": np.arange(256, dtype=np.uint8),
    "truth": [np.array([True, False]), np.bool_(True)],
    "another byte order": np.arange(300, dtype=">i4").reshape(20, 15),
    "fortran": np.asfortranarray(np.arange(24).reshape(2, 3, 4)),
    "turned": np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
    "every second": np.arange(24).reshape(4, 6)[:, ::2],
    "empty": [np.zeros((0, 3)), [], (), {}],
    "no axes": np.array(7),
    "mappings": {"a": [1, (2.5,), {"b": ()}], 1: "x", None: True},
}


def assert_same(a, b) -> None:
    assert type(a) is type(b)
    if isinstance(b, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(b, dict):
        assert list(a) == list(b)
        for key in b:
            assert_same(a[key], b[key])
    elif isinstance(b, np.ndarray):
        assert a.dtype == b.dtype.newbyteorder("=") and not a.flags.writeable
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


# ----------------------------------------------------------------------------------------------------- genuine files


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", GENUINE)
def test_what_python_writes_comes_back(name, protocol):
    assert_same(decode_pickle(pickle.dumps(GENUINE[name], protocol)), GENUINE[name])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_1_wrote_its_names_without_underscore(protocol):
    data = pickle.dumps([np.int64(3), LABELS], protocol)
    for length in (len("numpy._core.numeric"), len("numpy._core.multiarray")):  # written before the name, from 4 on
        data = data.replace(b"\x8c%cnumpy._core." % length, b"\x8c%cnumpy.core." % (length - 1))
    data = data.replace(b"numpy._core.", b"numpy.core.")
    assert b"numpy.core." in data
    assert_same(decode_pickle(data), [np.int64(3), LABELS])


PYTHON_2 = {
    # (['S001A001', 'a\xff\n'], [3, 7L, True]) by pickle and cPickle of Python 2.7
    "lists, protocol 0": b"((lp0\nS'S001A001'\np1\naS'a\\xff\\n'\np2\na(lp3\nI3\naL7L\naI01\natp4\n.",
    "lists, protocol 2": b"\x80\x02]q\x00(U\x08S001A001q\x01U\x03a\xff\nq\x02e]q\x03(K\x03\x8a\x01\x07\x88e\x86q\x04.",
}
ARRAY_2 = (
    b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n(I1\n(I2\nI2\ntp6\n"
    b"cnumpy\ndtype\np7\n(S'i2'\np8\nI0\nI1\ntp9\nRp10\n(I3\nS'<'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\n"
    b"S'\\x01\\x00\\xff\\xff\\t\\x00\\'\"'\np13\ntp14\nb."
)


@pytest.mark.parametrize("name", PYTHON_2)
def test_strings_of_python_2_are_latin_1(name):
    assert_same(decode_pickle(PYTHON_2[name]), (["S001A001", "a\xff\n"], [3, 7, True]))


def test_arrays_of_python_2_come_back():
    assert_same(decode_pickle(ARRAY_2), np.array([[1, -1], [9, 0x2227]], dtype=np.int16))


def test_a_file_is_named_in_its_errors(tmp_path):
    path = tmp_path / "x_label.pkl"
    path.write_bytes(pickle.dumps([1, 2]))
    assert decode_pickle(path) == decode_pickle(str(path)) == [1, 2]
    path.write_bytes(b"\x80\x04K")
    with pytest.raises(ValueError, match=r"^x_label\.pkl: has a damaged BININT1 at byte 2"):
        decode_pickle(path)
    with pytest.raises(ValueError, match=r"absent\.pkl: is missing"):
        decode_pickle(tmp_path / "absent.pkl")
    os.mkfifo(tmp_path / "pipe.pkl")
    with pytest.raises(ValueError, match=r"pipe\.pkl: is missing, or not a plain file"):
        decode_pickle(tmp_path / "pipe.pkl")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda parts: (
        st.lists(parts, max_size=4)
        | st.lists(parts, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers(0, 9), parts, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(value=plain, protocol=st.sampled_from(PROTOCOLS))
def test_any_plain_value_comes_back(value, protocol):
    assert_same(decode_pickle(pickle.dumps(value, protocol)), value)


# ----------------------------------------------------------------------------------------------------- hostile files


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_command_is_named_and_not_run(tmp_path, protocol):
    bait = tmp_path / "ran"
    data = pickle.dumps(([1, 2], Runs(f"touch {bait}")), protocol)
    with pytest.raises(ValueError, match=rf"names '{os.system.__module__}\.system', which is not run"):
        decode_pickle(data)
    assert not bait.exists()
    pickle.loads(data)  # the bait would have worked
    assert bait.exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (OrderedDict(a=1), "collections.OrderedDict|copyreg|copy_reg"),
        (Counter("ab"), "collections.Counter|copyreg"),
        ({1, 2}, r"EMPTY_SET|\.set"),
        (Fraction(1, 2), "fractions.Fraction"),
        (Path("a"), "pathlib|copy_reg"),
        (int, r"\.(int|long)"),
        (np.zeros(2).view(np.recarray), "recarray"),
        (np.array([None, "a"]), "array of objects"),
        (np.array([1j]), "type 'c16'"),
        (np.zeros(2, dtype=[("a", "i4")]), "type 'V4'"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "type 'M8"),
        (np.longdouble(1), "type 'f16'"),
        (2**64, "whole number of 65 bits"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_what_labels_do_not_need_is_refused_by_name(value, message, protocol):
    with pytest.raises(ValueError, match=message):
        decode_pickle(pickle.dumps(value, protocol))


def array_pickle(shape: bytes, raw: bytes, kind: bytes = b"i8", version: bytes = b"K\x01") -> bytes:
    """A pickled array, protocol 3, that claims what it likes."""
    dtype = b"cnumpy\ndtype\n(X" + struct.pack("<I", len(kind)) + kind + b"\x89\x88tR(K\x03X\x01\0\0\0<NNN"
    dtype += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    head = b"\x80\x03cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tC\x01btR("
    return head + version + shape + dtype + b"\x89B" + struct.pack("<I", len(raw)) + raw + b"tb."


HUGE = b"\x8a\x06" + (1 << 40).to_bytes(6, "little")

# Two of numpy's names and raw bytes where a type says pointers: pickle.loads and a look at the result end numpy 2.4.6.
BOMB = (
    b"\x80\x02cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85c_codecs\nencode\nq\x00X\x01\x00\x00\x00bX"
    b"\x06\x00\x00\x00latin1q\x01\x86R\x87R(K\x01K\x01\x85cnumpy\ndtype\n%s\x89h\x00X\x08\x00\x00\x00AAAAAAAAh\x01\x86Rtb."
)
POINTERS = b"X\x02\x00\x00\x00O8\x89\x88\x87R(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
FIELDS = (
    b"q\x02X\x02\x00\x00\x00V8\x89\x88\x87R(K\x03X\x01\x00\x00\x00|NX\x01\x00\x00\x00aq\x03\x85}h\x03h\x02X\x02\x00\x00\x00O8"
    b"\x89\x88\x87RK\x00\x86sK\x08K\x01K\x00tb"
)

HOSTILE = {
    "a bomb": (BOMB % POINTERS, "array of objects"),
    "a bomb with parts": (BOMB % FIELDS, "type 'V8'"),
    "claims 2^40 bytes in an array": (array_pickle(b"(" + HUGE + b"t", b"\0" * 8), "claims shape .* but holds 8"),
    "claims 2^80": (array_pickle(b"(" + HUGE + HUGE + b"t", b"\0" * 8), "claims shape .* but holds 8"),
    "a negative length": (array_pickle(b"(J\xff\xff\xff\xfft", b"\0" * 8), "not at most 8 counts"),
    "a true length": (array_pickle(b"(\x88t", b"\0" * 8), "not at most 8 counts"),
    "nine axes": (array_pickle(b"(" + b"K\x01" * 9 + b"t", b"\0" * 8), "not at most 8 counts"),
    "claims 2^40 bytes in bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abc.", "damaged BINBYTES8"),
    "claims 2^40 bytes in text": (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"abc.", "damaged BINUNICODE8"),
    "claims 2^63 bytes": (b"\x80\x05\x96" + struct.pack("<Q", 1 << 63) + b".", "damaged BYTEARRAY8"),
    "letters of 2^30 bytes": (array_pickle(b")", b"", b"U268435456"), "type 'U268435456'"),
    "letters outside Unicode": (array_pickle(b"(K\x01t", b"\xff" * 4, b"U1"), "letters outside Unicode"),
    "truth of 2": (array_pickle(b"(K\x01t", b"\x02", b"b1"), "truth values other"),
    "another version": (array_pickle(b"(K\x01t", b"\0" * 8, version=b"K\x02"), "sets the state of an unfinished array"),
    "an unfinished array": (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\x01btR.",
        "holds an unfinished array where a value",
    ),
    "a name as a value": (b"cnumpy\nndarray\n.", "holds the name of NDARRAY where a value"),
    "ndarray called": (b"cnumpy\nndarray\n((K\x01ttR.", "calls NDARRAY with a tuple"),
    "a call of a number": (b"K\x01)R.", "calls a int with"),
    "bytes of a length": (b"cbuiltins\nbytes\n(J\xff\xff\xff\x7ftR.", "calls BYTES with"),
    "text in no latin letters": (b"\x80\x02c_codecs\nencode\n(X\x03\0\0\0\xe4\xb8\xadU\x06latin1tR.", "latin-1"),
    "a codec that runs": (b"c_codecs\nencode\n(U\x01aU\x05rot13tR.", "calls ENCODE with"),
    "an instance": (b"(ios\nsystem\n.", r"uses INST, .*\(byte 1\)"),
    "an object": (b"(cos\nsystem\no.", "names 'os.system'"),
    "a persistent id": (b"Pabc\n.", "uses PERSID"),
    "an extension": (b"\x82\x01.", "uses EXT1"),
    "a long name": (b"\x80\x04\x8c\xff" + b"a" * 255 + b"\x8c\x01b\x93.", "names 'a{60}.b'"),
    "names that are lists": (b"]]\x93.", "names 'a list.a list'"),
    "a list in itself": (b"]q\0h\0a.", "more than 16 deep"),
    "a mapping in itself": (b"}q\0(K\x01h\0u.", "more than 16 deep"),
    "deep tuples": (b")" + b"\x85" * 100_000 + b".", "more than 16 deep"),
    "deep marks": (b"(" * 100_000 + b".", "before a mark is used"),
    "a tuple as a key": (b"}()K\x01u.", "a tuple as a key"),
    "odd pairs": (b"}(K\x01u.", "puts 1 keys"),
    "pairs in a list": (b"](K\x01K\x02u.", "puts 2 keys and values into a list"),
    "an entry in a tuple": (b")K\x01a.", "appends to a tuple"),
    "an empty stack": (b"a.", "takes a value from an empty stack"),
    "no mark": (b"t.", "goes back to a mark, but has none"),
    "nothing stored": (b"h\x05.", "recalls 5, which it never stored"),
    "two values": (b"NN.", "leaves 2 values"),
    "no values": (b".", "takes a value"),
    "protocol 6": (b"\x80\x06N.", "protocol 6"),
    "cut": (b"\x80\x04]", "ends after 3 bytes"),
    "nothing": (b"", "ends after 0 bytes"),
    "bytes after the end": (b"N.N.", "has 2 bytes after its end"),
    "a page": (b"<html>", r"is not a pickle: it has b'<' where .*\(byte 0\)"),
    "a long number": (b"I" + b"9" * 5000 + b"\n.", "damaged INT"),
    "a longer number": (b"\x8b" + struct.pack("<I", 1 << 16) + b"\1" * (1 << 16) + b".", "number of 524281 bits"),
    "quotes that differ": (b"S'a\"\n.", "damaged STRING"),
    "an escape that python 2 does not write": (b"S'\\q'\n.", "damaged STRING"),
    "half an escape": (b"S'\\'\n.", "damaged STRING"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_pickle_is_refused(case):
    data, message = HOSTILE[case]
    with pytest.raises(ValueError, match=message):
        decode_pickle(data)


def laughing(levels: int, value: bytes = b"K\x01") -> bytes:
    """A few hundred bytes that stand for 20**levels values."""
    rows = (b"(" + b"h%c" % i * 20 + b"tq%c" % (i + 1) for i in range(levels))
    return b"(" + value + b"q\0" + b"".join(rows) + b"t."


def test_a_small_program_that_builds_many_values_is_refused():
    few = Limits(operations=10_000)
    assert len(decode_pickle(laughing(2), few)) == 3
    with pytest.raises(ValueError, match="holds more than 10000 values"):
        decode_pickle(laughing(9), few)
    with pytest.raises(ValueError, match="has more than 10000 operations"):
        decode_pickle(b"]" + b"Na" * 10_000 + b".", few)


def test_a_short_program_may_not_build_as_much_as_a_long_one():
    many = Limits(operations=1 << 40)
    with pytest.raises(ValueError, match="holds more than 1000848 values"):
        decode_pickle(laughing(9), many)


def test_a_long_program_needs_a_large_file(monkeypatch):
    monkeypatch.setattr(pickles, "OPERATIONS", 100)
    many = Limits(operations=1 << 40)
    with pytest.raises(ValueError, match="has more than 225 operations"):
        decode_pickle(b"]" + b"Na" * 1000 + b".", many)
    assert len(decode_pickle(b"(" + text(b"a" * 16_000) + b"]" + b"Na" * 500 + b"t.", many)) == 2


TEXT = b"X\xe8\x03\0\0" + b"a" * 1000 + b"q\0"
# Mappings that forget all but the last of twenty.
ENCODED = b"}(N" + TEXT + b"K\1c_codecs\nencode\nq\1h\0U\x06latin1q\2\x86R" + b"K\1h\1h\0h\2\x86R" * 20 + b"u."
SCALARS = (
    b"}(N" + TEXT + b"K\1cnumpy.core.multiarray\nscalar\nq\1cnumpy\ndtype\n(U\x05S1000\x89\x88tR"
    b"(K\x03U\x01|NNNK\0K\0K\0tbq\2h\0\x86R" + b"K\1h\1h\2h\0\x86R" * 20 + b"u."
)


@pytest.mark.parametrize("data", [b"(" + TEXT + b"h\0" * 20 + b"t.", ENCODED, SCALARS, laughing(3, TEXT)])
def test_each_use_of_one_text_counts_its_bytes(data):
    assert len(decode_pickle(data)) > 1
    with pytest.raises(ValueError, match=r"builds more than 10000 bytes"):
        decode_pickle(data, Limits(size=10_000))


def test_a_large_file_is_refused_unread(tmp_path):
    with open(tmp_path / "sparse.pkl", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match=r"sparse\.pkl: is 1048576\.0 MiB, more than the 8192\.0 MiB"):
        decode_pickle(tmp_path / "sparse.pkl")
    with pytest.raises(ValueError, match=r"sparse\.pkl: is 1048576\.0 MiB, more than the 128\.0 MiB"):
        read_labels(tmp_path / "sparse.pkl")
    with pytest.raises(ValueError, match="more than the 10 bytes"):
        decode_pickle(b"N" * 11, Limits(size=10))


# ------------------------------------------------------------------------------------ programs inside genuine files


def text(value: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value


def labels_with(fragment: bytes) -> bytes:
    """(names, labels), one of whose labels is what the fragment leaves on the stack."""
    return b"\x80\x04(](" + text(b"a") + text(b"b") + b"e](K\0" + fragment + b"et."


def annotations_with(fragment: bytes) -> bytes:
    """Two annotations; the keypoint of the second is what the fragment leaves on the stack."""
    first = pickle.dumps(
        {"frame_dir": "a", "label": 0, "keypoint": np.zeros((1, 2, 25, 3), "f2"), "total_frames": 2}, 2
    )
    second = b"}(" + text(b"frame_dir") + text(b"b") + text(b"label") + b"K\0" + text(b"keypoint") + fragment
    return b"\x80\x04](" + first[2:-1] + second + text(b"total_frames") + b"K\2ue."


# Each runs when Python unpickles it; %s is the name of a file that it then makes.
EXPLOITS = {
    "system by GLOBAL": (b"cos\nsystem\n(Vtouch %s\ntR", r"names '\w+\.system', which is not run"),
    "system by STACK_GLOBAL": (b"\x8c\2os\x8c\6system\x93(Vtouch %s\ntR", "names 'os.system', which is not run"),
    "system by INST": (b"(Vtouch %s\nios\nsystem\n", "uses INST, which plain values do not need"),
    "system by OBJ": (b"(cos\nsystem\nVtouch %s\no", "names 'os.system'"),
    "a Popen": (b"csubprocess\ncall\n((Vtouch\nV%s\nltR", "names 'subprocess.call'"),
    "eval": (b"cbuiltins\neval\n(Vopen('%s', 'w')\ntR", "names 'builtins.eval'"),
    "exec of Python 2's names": (b"c__builtin__\nexec\n(Vopen('%s', 'w')\ntR", "names '__builtin__.exec'"),
    "a file": (b"cio\nopen\n(V%s\nVw\ntR", "names 'io.open'"),
    "a method": (b"cpathlib\nPath.touch\n(cpathlib\nPath\n(V%s\ntRtR", "names 'pathlib.Path.touch'"),
    "numpy's own exec": (
        b"cnumpy.testing._private.utils\nrunstring\n(Vopen('%s', 'w')\n}tR",
        "names 'numpy.testing._private.utils.runstring'",
    ),
    "numpy's save": (b"cnumpy\nsavetxt\n(V%s\n(lK\1atR", "names 'numpy.savetxt'"),
    "a call of a call": (
        b"cfunctools\npartial\n(cos\nsystem\nVtouch %s\ntR)R",
        "names 'functools.partial'",
    ),
    "a new object": (b"cos\n_wrap_close\n)\x81cos\nsystem\n(Vtouch %s\ntR\x86", r"names 'os\._wrap_close'"),
    "an object put together": (
        b"ccopyreg\n_reconstructor\n(cbuiltins\nobject\ncbuiltins\nobject\nNtRcio\nopen\n(V%s\nVw\ntR\x86",
        "names 'copyreg._reconstructor'",
    ),
    "in a key": (b"}cio\nopen\n(V%s\nVw\ntRK\0s", "names 'io.open'"),
    "in a kept value": (b"cio\nopen\np7\n0K\0g7\n(V%s\nVw\ntR\x86", "names 'io.open'"),
    "in what is thrown away": (b"(cio\nopen\n(V%s\nVw\ntR1K\0", "names 'io.open'"),
}


@pytest.mark.parametrize("read", [read_labels, read_pyskl])
@pytest.mark.parametrize("case", EXPLOITS)
def test_a_program_in_a_file_is_not_run(tmp_path, case, read):
    fragment, message = EXPLOITS[case]
    bait, path = tmp_path / "ran", tmp_path / "x.pkl"
    fragment = fragment.replace(b"%s", str(bait).encode())
    path.write_bytes({read_labels: labels_with, read_pyskl: annotations_with}[read](fragment))
    with pytest.raises(ValueError, match=rf"^(x\.pkl: )?{message}"):
        read(path)
    assert not bait.exists()
    if "Python 2" not in case:
        pickle.loads(path.read_bytes())
        assert bait.exists()  # it would have worked


# References to objects outside the file, and calls of numpy, torch and Python itself.
GADGETS = {
    "EXT1": (b"\x82\1", "uses EXT1"),
    "EXT2": (b"\x83\1\0", "uses EXT2"),
    "EXT4": (b"\x84\1\0\0\0", "uses EXT4"),
    "PERSID": (b"Pabc\n", "uses PERSID"),
    "BINPERSID": (b"NQ", "uses BINPERSID"),
    "NEXT_BUFFER": (b"\x97", "uses NEXT_BUFFER"),
    "READONLY_BUFFER": (b"N\x98", "uses READONLY_BUFFER"),
    "NEWOBJ": (b"N)\x81", "uses NEWOBJ"),
    "NEWOBJ_EX": (b"N)}\x92", "uses NEWOBJ_EX"),
    "a set": (b"\x8f(K\1\x90", "uses EMPTY_SET"),
    "a frozen set": (b"(K\1\x91", "uses FROZENSET"),
    "torch's tensor": (b"ctorch._utils\n_rebuild_tensor_v2\n(tR", "names 'torch._utils._rebuild_tensor_v2'"),
    "torch's load": (b"ctorch.storage\n_load_from_bytes\n(C\0tR", "names 'torch.storage._load_from_bytes'"),
    "numpy's load": (b"cnumpy\nload\n(Vx\nN\x88tR", "names 'numpy.load'"),
    "numpy's file": (b"cnumpy\nfromfile\n(V/etc/passwd\ntR", "names 'numpy.fromfile'"),
    "numpy's map": (b"cnumpy\nmemmap\n(V/etc/passwd\ntR", "names 'numpy.memmap'"),
    "numpy's string": (b"cnumpy.core.multiarray\nfrombuffer\n(C\0tR", "names 'numpy.core.multiarray.frombuffer'"),
    "an array's method": (b"cnumpy\nndarray.tofile\n(tR", "names 'numpy.ndarray.tofile'"),
    "a type of code": (b"ctypes\nCodeType\n(tR", "names 'types.CodeType'"),
    "a codec": (b"c_codecs\ndecode\n(C\0Vzip\ntR", "names '_codecs.decode'"),
    "bytes of a codec": (b"c_codecs\nencode\n(VaaaaVpunycode\ntR", "takes|calls ENCODE"),
    "a state of a list": (b"]}b", "sets the state of a list"),
    "a state of a mapping": (b"}}b", "sets the state of a dict"),
    "a state of a name": (b"cnumpy\ndtype\n}b", "sets the state of the name of DTYPE"),
    "a call of a call": (b"cnumpy\ndtype\n(Vf2\n\x89\x88tR)R", "calls a type of numpy with a tuple"),
    "a type of a type": (b"cnumpy\ndtype\n(cnumpy\ndtype\n\x89\x88tR", "calls DTYPE with a tuple"),
    "an array of an array": (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(K\0tC\1btR", "calls ARRAY with"),
    "a scalar of objects": (b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(VO\n\x89\x88tRNtR", "array of objects"),
}


@pytest.mark.parametrize("read", [read_labels, read_pyskl])
@pytest.mark.parametrize("case", GADGETS)
def test_references_to_objects_outside_the_file_are_refused(tmp_path, case, read):
    fragment, message = GADGETS[case]
    (tmp_path / "x.pkl").write_bytes({read_labels: labels_with, read_pyskl: annotations_with}[read](fragment))
    with pytest.raises(ValueError, match=rf"^(x\.pkl: )?.*({message})"):
        read(tmp_path / "x.pkl")


def doubled(levels: int) -> bytes:
    """Lists of the same list twice, again and again."""
    return b"(]q\0K\1a" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(levels)) + b"l"


LETTERS = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20) + b"q\0"
BOMBS = {
    "2^40 numbers": array_pickle(b"(" + HUGE + b"t", b"\0" * 8)[2:-1],
    "2^40 half numbers": array_pickle(b"(" + HUGE + b"K\1K\x19K\3t", b"\0" * 8, b"f2")[2:-1],
    "2^40 times nothing": array_pickle(b"(" + HUGE + HUGE + b"K\0K\3t", b"", b"f2")[2:-1],
    "2^40 bytes": b"\x8e" + struct.pack("<Q", 1 << 40),
    "2^40 letters": b"\x8d" + struct.pack("<Q", 1 << 40),
    "2^31 letters of Python 2": b"T\xff\xff\xff\x7f",
    "a number of 2^31 bytes": b"\x8b\xff\xff\xff\x7f",
    "a frame of 2^60 bytes": b"\x95" + struct.pack("<Q", 1 << 60),
    "lists doubled forty times": doubled(40),
    "a text used a thousand times": b"(" + LETTERS + b"h\0" * 1000 + b"t",
    "a text made bytes a thousand times": (
        b"(" + LETTERS + b"c_codecs\nencode\nq\1(Vlatin1\ntq\2" + b"h\1h\0Vlatin1\n\x86R" * 1000 + b"t"
    ),
    "a number as long as a text a thousand times": (
        b"(B" + LETTERS[1:] + b"cnumpy.core.multiarray\nscalar\nq\1cnumpy\ndtype\n(VS1048576\n\x89\x88tR"
        b"(K\3V|\nNNNK\0K\0K\0tbq\2" + b"h\1h\2h\0\x86R" * 1000 + b"t"
    ),
    "a hundred thousand lists in lists": b"(" + b"]" * 100_000 + b"a" * 99_999 + b"t",
    "a hundred thousand tuples in tuples": b")" + b"\x85" * 100_000,
    "a list in itself": b"]q\0h\0a",
    "a mapping in itself": b"}q\0K\1h\0s",
}


@pytest.mark.parametrize("read", [read_labels, read_pyskl])
@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_takes_little_memory(tmp_path, case, read):
    data = {read_labels: labels_with, read_pyskl: annotations_with}[read](BOMBS[case])
    (tmp_path / "x.pkl").write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            read(tmp_path / "x.pkl")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2 * pickles.MAX_TEXT + 5 * len(data)


def test_keys_are_counted_and_so_are_the_collisions_of_numbers():
    many = pickle.dumps([dict.fromkeys(range(65)) for _ in range(3)])
    collisions = 3 * 65 * 64 // 2
    for limits in (Limits(), Limits(keys=195), Limits(collisions=collisions)):
        assert [len(mapping) for mapping in decode_pickle(many, limits)] == [65] * 3
    with pytest.raises(ValueError, match="mappings with more than 194 keys"):
        decode_pickle(many, Limits(keys=194))
    with pytest.raises(ValueError, match=f"whose keys may collide {collisions - 1} times"):
        decode_pickle(many, Limits(collisions=collisions - 1))
    names = {f"S{i:06}": None for i in range(50_000)}
    assert decode_pickle(pickle.dumps(names)) == names
    with pytest.raises(ValueError, match="may collide"):
        decode_pickle(pickle.dumps(dict.fromkeys(range(50_000))))


# --------------------------------------------------------------------------------------------------- large honest files


def clip_names(count: int) -> list[str]:
    return [
        f"S{i // 720 % 32 + 1:03}C{i % 3 + 1:03}P{i % 106 + 1:03}R{i % 2 + 1:03}A{i % 120 + 1:03}" for i in range(count)
    ]


@pytest.mark.parametrize("protocol", [2, 4])
def test_five_thousand_clips_with_names_are_read(tmp_path, protocol):
    names, rng = clip_names(5_000), np.random.default_rng(0)
    clips = [
        {
            "frame_dir": name,
            "label": int(name[-3:]) - 1,
            "keypoint": rng.normal(size=(1, i % 5 + 1, 25, 3)).astype(np.float16),
            "total_frames": i % 5 + 1,
            "img_shape": (1080, 1920),
            "original_shape": (1080, 1920),
        }
        for i, name in enumerate(names)
    ]
    path = tmp_path / "x.pkl"
    path.write_bytes(
        pickle.dumps({"split": {"xsub_train": names[:9], "xsub_val": names[9:]}, "annotations": clips}, protocol)
    )
    values = decode_pickle(path)
    assert [clip["frame_dir"] for clip in values["annotations"]] == values["split"]["xsub_train"] + names[9:] == names
    np.testing.assert_array_equal(values["annotations"][-1]["keypoint"], clips[-1]["keypoint"])
    motions = read_pyskl(path)
    assert motions.clip == tuple(names) and motions.columns["frames"].tolist() == [i % 5 + 1 for i in range(5_000)]


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_labels_as_many_as_in_ntu_120_are_read_in_little_memory(tmp_path, protocol):
    names = clip_names(114_480)
    label = [int(name[-3:]) - 1 for name in names]
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps((names, label), protocol))
    tracemalloc.start()
    try:
        labels, clip = read_labels(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert labels.tolist() == label and clip == tuple(names)
    assert most < 150 * 5 * len(names)


# ---------------------------------------------------------------------------------------------- what lies in the file


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_long_arrays_and_texts_come_back(protocol):
    value = [np.arange(LONG), "a" * LONG, "é中" * LONG, b"\xff" * LONG, np.array(["é" * LONG]), {"a": "b" * LONG}]
    value += [np.arange(LONG, dtype=">f2"), np.asfortranarray(np.ones((LONG, 2), "f2")), np.bytes_(b"c" * LONG)]
    assert_same(decode_pickle(pickle.dumps(value, protocol)), value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_are_views_of_the_file_where_they_lie_in_it(protocol):
    data = pickle.dumps(np.arange(LONG), protocol)
    file = np.frombuffer(data, dtype=np.uint8)
    assert np.shares_memory(decode_pickle(data), file) == (protocol >= 3)


def test_binary_arrays_of_python_2_are_views_too():
    data = array_pickle(b"(K\x10K\x10K\x10t", b"\1\xff" * 2048, b"u1")
    data = data[: data.rindex(b"B")] + b"T" + data[data.rindex(b"B") + 1 :]  # as a string
    array = decode_pickle(data)
    assert array.shape == (16, 16, 16) and set(array.ravel()) == {1, 255}
    assert np.shares_memory(array, np.frombuffer(data, dtype=np.uint8))


def test_a_large_file_is_mapped(tmp_path, monkeypatch):
    value = {"a": np.arange(LONG), "b": "é" * LONG, "c": [1.5, None]}
    for protocol in PROTOCOLS:
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(value, protocol))
        monkeypatch.setattr(pickles, "MAX_TEXT", 100)
        mapped = decode_pickle(tmp_path / "x.pkl")
        monkeypatch.undo()
        assert_same(mapped, value)
    base = mapped["a"]
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, memoryview) and isinstance(base.obj, mmap.mmap)


def test_a_long_text_is_no_key_and_no_name():
    long = b"X" + struct.pack("<I", LONG) + b"a" * LONG
    with pytest.raises(ValueError, match="has a long text as a key"):
        decode_pickle(b"}" + long + b"Ns.")
    with pytest.raises(ValueError, match="names 'a long text.a long text'"):
        decode_pickle(b"\x80\4" + long + long + b"\x93.")


def test_damaged_files_of_both_kinds_run_nothing(tmp_path):
    """In a process of its own, whose audit hook counts what Python reports."""
    command = [sys.executable, "-m", "benchmarks.fuzz_pickles", "--labels", "1500", "--pyskl", "500", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "0 files were neither read nor refused, or caused events: none" in done.stdout


CODES = bytes(ord(operation.code) for operation in pickletools.opcodes)
FILES = [pickle.dumps(value, protocol) for value in GENUINE.values() for protocol in PROTOCOLS]
FILES += [*PYTHON_2.values(), ARRAY_2]


def test_any_damaged_pickle_is_read_or_refused():
    rng, refused = random.Random(0), 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(10_000):
            data = bytearray(rng.choice(FILES))
            for _ in range(rng.choice([1, 1, 2, 8])):
                at = rng.randrange(len(data) + 1)
                match rng.randrange(4):
                    case 0:
                        data[at : at + 1] = bytes([rng.randrange(256)])
                    case 1:
                        data[at : at + rng.randrange(2)] = bytes(rng.choices(CODES, k=rng.randrange(1, 4)))
                    case 2:
                        del data[at : at + rng.randrange(1, 9)]
                    case 3:
                        other = rng.choice(FILES)
                        start = rng.randrange(len(other))
                        data[at:at] = other[start : start + rng.randrange(60)]
            try:
                decode_pickle(bytes(data))
            except ValueError:
                refused += 1
    assert 5_000 < refused < 10_000


@settings(max_examples=300, deadline=None)
@given(data=st.lists(st.sampled_from(list(CODES)) | st.integers(0, 255), max_size=40).map(bytes))
def test_any_bytes_are_read_or_refused(data):
    try:
        decode_pickle(data + b".")
    except ValueError as error:
        assert len(str(error)) < 400
