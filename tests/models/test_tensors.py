"""Weight files: no code in them runs, and their claims are checked before anything is allocated."""

import io
import pickle
import struct
import time
import zipfile

import pytest
import torch

from kinetic.models.encoder import Encoder
from kinetic.models.tensors import (
    check_like,
    named_tensors,
    read_weights,
    shortened,
    some_names,
    weights_hash,
    weights_like,
    write_weights,
)
from kinetic.skeleton import NTU25


class Exploit:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_file_that_would_run_code_is_refused(tmp_path, capsys):
    with open(tmp_path / "evil.pth", "wb") as file:
        pickle.dump(Exploit(), file)
    with pytest.raises(ValueError, match="evil.pth"):
        read_weights(tmp_path / "evil.pth")
    assert "code ran" not in capsys.readouterr().out


def test_unsafe_loading_by_environment_is_refused(tmp_path, monkeypatch):
    torch.save({}, tmp_path / "x.pth")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ValueError, match="run code"):
        read_weights(tmp_path / "x.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.pth"):
        read_weights(tmp_path / "none.pth")


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(1 << 22))
    monkeypatch.setattr("kinetic.models.tensors.LARGEST_FILE", 1 << 20)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match=r"bomb.pth: .* unpack to 4194304"):
        read_weights(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "found a list"),
        ({}, "found an empty table"),
        ({"a": 3}, "found a int named a"),
        ({3: torch.ones(1)}, "found a Tensor named 3"),
        ({"a": torch.ones(1).expand(1000)}, r"a claims shape \(1000,\)"),
        ({"a": torch.ones(2, 2).to_sparse()}, "a is no plain tensor"),
        ({"a": torch.ones(2, device="meta")}, "a is no plain tensor"),
    ],
)
def test_only_a_table_of_plain_tensors_is_accepted(content, message):
    with pytest.raises(ValueError, match=f"x.pth: .*{message}"):
        named_tensors("x.pth", content)


def test_a_tensor_must_have_the_shape_and_type_of_the_expected_one():
    expected = torch.zeros(2, 3)
    check_like("x.pth", "a", torch.ones(2, 3, dtype=torch.float64), expected)
    for value, message in (
        (torch.ones(3, 2), r"a must have shape \(2, 3\), found \(3, 2\)"),
        (torch.ones(2, 3, dtype=torch.long), "a must hold torch.float32, found torch.int64"),
        (torch.ones(2, 3, dtype=torch.complex64), "a must hold torch.float32"),
        (torch.full((2, 3), torch.nan), "a holds NaN"),
        (torch.full((2, 3), 1e300, dtype=torch.float64), "infinite"),
    ):
        with pytest.raises(ValueError, match=f"x.pth: .*{message}"):
            check_like("x.pth", "a", value, expected)


def test_names_from_a_file_stay_on_one_line():
    assert shortened("a\nb") == r"'a\nb'" and len(shortened("x" * 1000)) == 80
    assert some_names([]) == "" and some_names(["a", "b", "c", "d"]) == " (a, b, c, ...)"


def test_the_error_names_a_class_that_is_not_a_tensor(tmp_path):
    torch.save({"state_dict": {}, "meta": zipfile.ZipInfo("a")}, tmp_path / "x.pth")
    with pytest.raises(
        ValueError, match=r"x\.pth: holds zipfile\.ZipInfo beside plain tensors.*save the weights alone"
    ):
        read_weights(tmp_path / "x.pth")


def test_hash_is_that_of_the_encoder():
    encoder = Encoder(NTU25, classes=2, frames=16, widths=(4,))
    assert weights_hash(encoder) == encoder.hash


def test_hash_changes_with_weights_and_statistics_and_takes_any_precision():
    network = Encoder(NTU25, classes=2, frames=16, widths=(4,)).bfloat16()
    hashes = {weights_hash(network)}
    network.head.bias.data[0] += 1
    hashes.add(weights_hash(network))
    network.norm.running_var[0] += 1
    hashes.add(weights_hash(network))
    assert len(hashes) == 3
    assert all(len(digits) == 12 for digits in hashes)


PROTOCOL = b"\x80\x02"


def put(key: int) -> bytes:
    return b"r" + struct.pack("<I", key)


def get(key: int) -> bytes:
    return b"j" + struct.pack("<I", key)


def name(module: str, of: str) -> bytes:
    return f"c{module}\n{of}\n".encode()


def whole_number(value: int) -> bytes:
    return b"\x8a\x0a" + value.to_bytes(10, "little", signed=True)


PRIME = 2**61 - 1
"""Python's hash of its multiples is 0."""

TABLE = b"}" + put(0) + b"(" + b"".join(b"X\4\0\0\0%04xN" % i for i in range(50_000)) + b"u\x85" + put(1)
HOSTILE = {
    "names of 30 MB": (b"](" + b")" * (30 << 20) + b"e.", "expected at most 16777216"),
    "a long program": (b"](" + b")" * 600_000 + b"e.", "more than 500000 steps"),
    "a deep tuple": (b")" + b"\x85" * 100_000 + b".", "more than 50 deep"),
    "a deep list": (b"]" * 1000 + b"a" * 999 + b".", "more than 50 deep"),
    "a tuple that doubles as a key": (
        b"})" + b"".join(put(i) + get(i) + b"\x86" for i in range(60)) + b"Ns.",
        "a tuple of more than 1000 values",
    ),
    "a list that doubles": (
        b"](" + b"".join(b"]" + put(i) + b"(" + (get(i - 1) * 2 if i else b"") + b"e" for i in range(40)) + b"e.",
        "fill gigabytes",
    ),
    "keys of one hash": (
        b"}(" + b"".join(whole_number(PRIME * (i + 1)) + b"N" for i in range(50_000)) + b"u.",
        "more than 10000 keys",
    ),
    "copies of a table": (
        TABLE + b"](" + (name("collections", "OrderedDict") + get(1) + b"R") * 1000 + b"e\x86.",
        "more than 2000000 times",
    ),
    "gigabytes of zeros": (name("builtins", "bytearray") + whole_number(2**35) + b"\x85R.", "builtins.bytearray"),
    "a tensor from nothing": (name("torch", "FloatTensor") + whole_number(2**35) + b"\x85R.", "torch.FloatTensor"),
    "an encoding that takes long": (
        name("_codecs", "encode") + b"X\1\0\0\0aX\3\0\0\0hex\x86R.",
        "_codecs.encode",
    ),
}


def with_program(path, program: bytes) -> None:
    """A torch file whose names and plain values are this pickle."""
    torch.save({"a": torch.zeros(3)}, whole := io.BytesIO())
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.infolist():
            new.writestr(member, program if member.filename.endswith("data.pkl") else old.read(member))


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_pickle_that_would_take_long_is_refused_before_torch_runs_it(tmp_path, kind, form):
    program, message = HOSTILE[kind]
    path, program = tmp_path / "hostile.pth", PROTOCOL + program
    if form == "zip":
        with_program(path, program)
    else:
        numbers = b"".join(PROTOCOL + whole_number(number) + b"." for number in (0x1950A86A20F9469CFC6C, 1001))
        path.write_bytes(numbers + PROTOCOL + b"}." + program + PROTOCOL + b"].")
        message = "more than 500000 steps" if kind == "names of 30 MB" else message
    begun = time.process_time()
    with pytest.raises(ValueError, match=rf"hostile\.pth: .*{message}"):
        read_weights(path)
    assert time.process_time() - begun < 20  # it is 4 at most


def test_tensors_that_share_their_numbers_cannot_claim_many_times_the_file(tmp_path):
    one = torch.zeros(10_000)
    torch.save({str(i): one for i in range(3)}, tmp_path / "tied.pth")
    assert len(read_weights(tmp_path / "tied.pth")) == 3
    torch.save({str(i): one for i in range(200)}, tmp_path / "many.pth")
    with pytest.raises(ValueError, match=r"many\.pth: \d claims shape \(10000,\), more numbers than the file holds"):
        read_weights(tmp_path / "many.pth")


def test_a_written_file_is_read_back_also_by_torch_and_zip_readers(tmp_path):
    content = {"w": torch.arange(5.0), "b": torch.ones(2, dtype=torch.int64)}
    write_weights(tmp_path / "a.pth", content)
    again, plain = read_weights(tmp_path / "a.pth"), torch.load(tmp_path / "a.pth", weights_only=True)
    for table in (again, plain):
        assert table.keys() == content.keys() and all(torch.equal(table[key], content[key]) for key in content)
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        assert archive.testzip() is None and archive.comment.startswith(b"kinetic sha256 ")
    damaged = bytearray((tmp_path / "a.pth").read_bytes())
    damaged[300] ^= 1
    (tmp_path / "a.pth").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"a\.pth: is damaged: its content does not match its checksum"):
        read_weights(tmp_path / "a.pth")


def test_weights_must_be_those_of_the_module(tmp_path):
    with torch.device("meta"):
        module = torch.nn.Linear(3, 2)
    good = {"weight": torch.ones(2, 3), "bias": torch.ones(2)}
    assert weights_like("x.pth", good, module) == good
    for change, message in (
        ({"weight": torch.ones(3, 2)}, r"weight must have shape \(2, 3\)"),
        ({"bias": torch.full((2,), torch.nan)}, "bias holds NaN"),
        ({"more": torch.ones(1)}, r"0 weights are missing, 1 are unknown \(more\)"),
    ):
        with pytest.raises(ValueError, match=f"x.pth: {message}"):
            weights_like("x.pth", {**good, **change}, module)
