"""YAML holds plain values only; a file is replaced whole: the old one stays until the new one is complete."""

import errno
import json
import multiprocessing
import os
import signal

import pytest
import torch

from kinetic.files import LARGEST_YAML, check_sealed, checked_target, leftovers, read_yaml, replacing, sealed


def test_yaml_is_read_as_plain_values(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: [1, 2.5, yes]\nb: {c: caf\xc3\xa9}\n")
    assert read_yaml(file) == {"a": [1, 2.5, True], "b": {"c": "café"}}
    file.write_text("")
    assert read_yaml(file) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 1, d: 2, c: 3}", r"a\.yaml, line 2: 'c' stands there twice$"),
        ("a: [1", r"a\.yaml, line 1: expected ',' or ']', but got '<stream end>'$"),
        ("a:\n  - !!python/object/apply:os.system ['true']", r"a\.yaml, line 2: could not determine a constructor"),
        ("a: 2020-99-99", r"a\.yaml: not a YAML text file: month must be in"),
        ("[" * 100_000, r"a\.yaml: nested too deeply$"),
        ("#" * (LARGEST_YAML + 1), r"a\.yaml: expected a YAML file of at most 1048576 bytes, found 1048577$"),
        (f"{'k' * 1000}: 1\n{'k' * 1000}: 2", r"a\.yaml, line 2: 'k{99} \.\.\. k+' stands there twice$"),
    ],
)
def test_yaml_that_cannot_be_is_refused_in_one_short_line(text, message, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_yaml(file)


def test_yaml_that_is_no_text_or_no_file_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"a\.yaml: not a YAML text file"):
        read_yaml(tmp_path / "a.yaml")
    with pytest.raises(ValueError, match="expected a YAML file, found something else"):
        read_yaml(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"b\.yaml: there is no such file"):
        read_yaml(tmp_path / "b.yaml")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_new_file_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with replacing(target) as beside:
        beside.write_text("new")
        assert (beside.parent, target.read_text()) == (tmp_path, "old")
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), RuntimeError("bad")])
def test_what_goes_wrong_while_writing_leaves_the_old_file_and_nothing_else(error, tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(type(error)), replacing(target) as beside:
        beside.write_text("half")
        raise error
    assert (target.read_text(), names(tmp_path)) == ("old", ["a.txt"])


def _killed(target):
    with replacing(target) as beside:
        beside.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_while_writing_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(target,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert target.read_text() == "old"
    assert names(tmp_path) == [f".a.txt.{process.pid}.tmp", "a.txt"]


def _unbuffered(file):
    file.write(b"0")


def _hidden(file):
    """What torch.save makes of a disk that takes some of the bytes."""
    try:
        file.write(b"0")
    except OSError:
        raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("write", [_unbuffered, _hidden, lambda file: torch.save(torch.zeros(9), file)])
def test_what_the_disk_refused_is_told_with_the_name_of_the_target(write, tmp_path):
    target = tmp_path / "a"
    expected = "No space left on device; the file was not written"
    with pytest.raises(OSError, match=expected) as found, replacing(target), open("/dev/full", "wb", 0) as full:
        write(full)
    assert (found.value.errno, found.value.filename) == (errno.ENOSPC, str(target))
    assert names(tmp_path) == []


def test_errors_about_other_files_stay_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError, match="other") as found, replacing(tmp_path / "a"):
        (tmp_path / "other").read_bytes()
    assert "was not written" not in str(found.value)


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError, match=r"was not written: .*a'$"), replacing(tmp_path / "a") as beside:
        beside.write_text("new")
    assert names(tmp_path) == ["a"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone/a'$"), replacing(tmp_path / "gone" / "a") as beside:
        beside.write_text("new")


def test_files_have_the_usual_permissions(tmp_path):
    with replacing(tmp_path / "a") as beside:
        beside.write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_target_needs_a_known_ending_and_a_folder(tmp_path):
    assert checked_target(tmp_path / "a.PNG", (".png",)) == tmp_path / "a.PNG"
    with pytest.raises(ValueError, match=r"a\.jpg: expected a name that ends in \.png, \.gif, got \.jpg"):
        checked_target(tmp_path / "a.jpg", (".png", ".gif"))
    with pytest.raises(ValueError, match="no suffix"):
        checked_target(tmp_path / "a", (".png",))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        checked_target(tmp_path / "nowhere" / "a.png", (".png",))


def test_leftovers_are_those_of_our_names_and_nothing_else(tmp_path):
    mine = [tmp_path / ".metrics.csv.12.tmp", tmp_path / ".step-3.ckpt.7.tmp"]
    theirs = [".thesis.tmp", ".metrics.csv.tmp", ".metrics.csv.x.tmp", ".notes.csv.12.tmp", "metrics.csv.12.tmp"]
    for path in (*mine, *(tmp_path / name for name in theirs)):
        path.write_text("x")
    (tmp_path / ".last.ckpt.1.tmp").mkdir()
    assert sorted(leftovers(tmp_path, ["metrics.csv", "*.ckpt"])) == sorted(mine)
    assert leftovers(tmp_path / "nowhere", ["metrics.csv"]) == []


def test_a_checksum_tells_any_change_of_what_was_sealed():
    plain = {"a": [1, 2.5, None, "café"], "b": {2: 0.1, 10: (1,)}}
    again = json.loads(json.dumps(sealed(plain)))
    check_sealed(again)
    for change in ({"a": [1, 2.5, None, "cafe"]}, {"c": 1}, {"b": {"2": 0.1, "10": [2]}}, {"checksum": "0" * 64}):
        with pytest.raises(ValueError, match="it does not match its checksum"):
            check_sealed({**again, **change})
    with pytest.raises(ValueError, match="it has no checksum"):
        check_sealed(plain)
