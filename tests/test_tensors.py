"""Tensors from strangers: nothing in a file is run, and what it claims is compared before it is believed."""

import pickle
import zipfile

import pytest
import torch

from kinetic.models.encoder import Encoder
from kinetic.models.tensors import check_like, named_tensors, read_weights, shortened, some_names, weights_hash
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
def test_what_is_no_table_of_plain_tensors_is_refused(content, message):
    with pytest.raises(ValueError, match=f"x.pth: .*{message}"):
        named_tensors("x.pth", content)


def test_a_tensor_must_be_like_the_one_it_replaces():
    own = torch.zeros(2, 3)
    check_like("x.pth", "a", torch.ones(2, 3, dtype=torch.float64), own)
    for value, message in (
        (torch.ones(3, 2), r"a must have shape \(2, 3\), found \(3, 2\)"),
        (torch.ones(2, 3, dtype=torch.long), "a must hold torch.float32, found torch.int64"),
        (torch.ones(2, 3, dtype=torch.complex64), "a must hold torch.float32"),
        (torch.full((2, 3), torch.nan), "a holds NaN"),
        (torch.full((2, 3), 1e300, dtype=torch.float64), "infinite"),
    ):
        with pytest.raises(ValueError, match=f"x.pth: .*{message}"):
            check_like("x.pth", "a", value, own)


def test_names_of_strangers_stay_on_one_line():
    assert shortened("a\nb") == r"'a\nb'" and len(shortened("x" * 1000)) == 80
    assert some_names([]) == "" and some_names(["a", "b", "c", "d"]) == " (a, b, c, ...)"


def test_a_file_that_names_other_classes_says_which(tmp_path):
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
    found = {weights_hash(network)}
    network.head.bias.data[0] += 1
    found.add(weights_hash(network))
    network.norm.running_var[0] += 1
    found.add(weights_hash(network))
    assert len(found) == 3
    assert all(len(each) == 12 for each in found)
