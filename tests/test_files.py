"""Bounded reads of plain files, atomic replacement, and no writing through links."""

import errno
import json
import multiprocessing
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import torch

from kinetic.files import (
    LARGEST_YAML,
    check_sealed,
    checked_target,
    clear_stale,
    holding,
    inside,
    make_folder,
    open_log,
    open_plain,
    read_bytes,
    read_json,
    read_text,
    read_yaml,
    replacing,
    sealed,
    stale,
    temporary,
    working_folder,
)

DEAD = 999_999_999
"""A number that no process has: Linux counts up to 2 ** 22."""


def test_yaml_is_read_as_plain_values(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: [1, 2.5, true]\nb: {c: caf\xc3\xa9}\n")
    assert read_yaml(file) == {"a": [1, 2.5, True], "b": {"c": "café"}}
    file.write_text("")
    assert read_yaml(file) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 1, d: 2, c: 3}", r"a\.yaml, line 2: the key 'c' is repeated$"),
        ("a: [1", r"a\.yaml, line 1: did not find expected ',' or '\]' while parsing a flow sequence$"),
        (
            "a:\n  - !!python/object/apply:os.system ['true']",
            r"a\.yaml, line 2: found the tag !!python/object/apply:os.system, ",
        ),
        ("[" * 100_000, r"a\.yaml, line 1: nested too deeply, expected at most 50 "),
        ("#" * (LARGEST_YAML + 1), r"a\.yaml: expected a YAML file of at most 1048576 bytes, found 1048577$"),
        (f"{'k' * 1000}: 1\n{'k' * 1000}: 2", r"a\.yaml, line 2: the key 'k+\.\.\.k+' is repeated$"),
    ],
)
def test_wrong_yaml_is_refused_in_one_short_line(text, message, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_yaml(file)


def test_yaml_must_be_text_in_a_plain_file(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"a\.yaml: expected text in UTF-8"):
        read_yaml(tmp_path / "a.yaml")
    with pytest.raises(ValueError, match="expected a YAML file, found a folder"):
        read_yaml(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"b\.yaml: there is no such file"):
        read_yaml(tmp_path / "b.yaml")


def test_json_is_read_as_plain_values(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"a": [1, 2.5, true, null, "caf\u00e9"]}', encoding="utf-8")
    assert read_json(file) == {"a": [1, 2.5, True, None, "café"]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"[NaN]", "found NaN, expected finite numbers"),
        (b'{"a": 1, "a": 2}', "the key 'a' is repeated"),
        (b"[" + b"1" * 5000 + b"]", "expected a number of at most 100 letters"),
        (b"{", "line 1, column 2: not JSON"),
        (b"\xff\xfe{\0}\0", "expected text in UTF-8, found something else at byte 0"),
        (b" " * 101, "expected a plain file of at most 100 bytes, found 101"),
    ],
)
def test_wrong_json_is_refused_with_the_name_of_the_file(data, message, tmp_path):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ValueError, match=rf"a\.json: {message}"):
        read_json(tmp_path / "a.json", 100 if message.endswith("found 101") else 1 << 20)


def test_json_must_be_a_plain_file(tmp_path):
    for name in ("b.json", "b" * 5000):
        with pytest.raises(FileNotFoundError, match=r"b: there is no such file|b\.json: there is no such file"):
            read_json(tmp_path / name)
    with pytest.raises(ValueError, match="expected a plain file, found a folder"):
        read_json(tmp_path)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_new_file_replaces_the_old_one(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with replacing(target) as beside:
        beside.write_text("new")
        assert (beside.parent, target.read_text()) == (tmp_path, "old")
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), RuntimeError("bad")])
def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(error, tmp_path):
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
    """The error of torch.save on a disk that takes some of the bytes."""
    try:
        file.write(b"0")
    except OSError:
        raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("write", [_unbuffered, _hidden, lambda file: torch.save(torch.zeros(9), file)])
def test_an_error_of_the_disk_names_the_target(write, tmp_path):
    target = tmp_path / "a"
    expected = "No space left on device; the file was not written"
    with pytest.raises(OSError, match=expected) as caught, replacing(target), open("/dev/full", "wb", 0) as full:
        write(full)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(target))
    assert names(tmp_path) == []


def test_errors_about_other_files_stay_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError, match="other") as caught, replacing(tmp_path / "a"):
        (tmp_path / "other").read_bytes()
    assert "was not written" not in str(caught.value)


def test_a_folder_in_place_of_the_file_is_named(tmp_path):
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


def odd(folder, kind):
    """A pipe, device, socket or folder."""
    path = folder / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    else:
        path.mkdir()
    return path


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder"])
@pytest.mark.parametrize("read", [read_text, read_bytes, read_yaml])
def test_pipes_devices_sockets_and_folders_are_refused_at_once(tmp_path, kind, read):
    with pytest.raises(ValueError, match=f"/{kind}: expected a (plain|YAML) file, found a {kind}$"):
        read(odd(tmp_path, kind))


def test_a_plain_file_is_read_through_a_link_and_up_to_a_limit(tmp_path):
    (tmp_path / "a").write_bytes(b"caf\xc3\xa9")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert read_text(tmp_path / "link", 5) == "café"
    with pytest.raises(ValueError, match=r"a: expected a plain file of at most 4 bytes, found 5$"):
        read_text(tmp_path / "a", 4)
    with pytest.raises(FileNotFoundError, match="b: there is no such file"):
        read_text(tmp_path / "b")
    (tmp_path / "a").write_bytes(b"a\xff")
    with pytest.raises(ValueError, match="a: expected text in UTF-8, found something else at byte 1"):
        read_text(tmp_path / "a")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_a_file_in_proc_reads_as_empty(tmp_path):
    assert read_bytes("/proc/self/status") == b""  # its size is 0


def test_a_file_that_becomes_a_pipe_before_it_is_opened_is_refused(tmp_path, monkeypatch):
    path, real = tmp_path / "a", os.stat
    path.write_text("plain")

    def swapped(name, *more, **options):
        status = real(name, *more, **options)
        if name == path:
            path.unlink()
            os.mkfifo(path)
        return status

    monkeypatch.setattr(os, "stat", swapped)
    with pytest.raises(ValueError, match="found a pipe"):
        open_plain(path, 10)


def test_a_link_out_of_a_folder_is_named(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "other").mkdir()
    assert make_folder(tmp_path / "run", "a", "b") == tmp_path / "run" / "a" / "b"
    assert (tmp_path / "run" / "a" / "b").is_dir()
    for target in (tmp_path / "other", tmp_path / "nowhere"):
        link = tmp_path / "run" / target.name
        link.symlink_to(target)
        for names_of in ((link.name,), (link.name, "deeper")):
            with pytest.raises(ValueError, match=f"run/{link.name}: expected no link, found one to '{target}'"):
                inside(tmp_path / "run", *names_of)
            with pytest.raises(ValueError, match="remove the link"):
                make_folder(tmp_path / "run", *names_of)
    assert list((tmp_path / "other").iterdir()) == [] and not (tmp_path / "nowhere").exists()
    (tmp_path / "here").symlink_to(tmp_path / "run")  # the folder itself may be a link
    assert make_folder(tmp_path / "here", "c").is_dir()


def test_a_log_is_a_plain_file(tmp_path):
    for _ in range(2):
        with open(open_log(tmp_path / "log.txt"), "w") as file:
            file.write("line\n")
    assert (tmp_path / "log.txt").read_text() == "line\nline\n"
    (tmp_path / "link").symlink_to(tmp_path / "log.txt")
    with pytest.raises(ValueError, match="link: expected no link"):
        open_log(tmp_path / "link")
    for kind in ("pipe", "folder"):
        with pytest.raises(ValueError, match=f"{kind}: expected a plain file, found something else"):
            open_log(odd(tmp_path, kind))
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)  # now it could be opened
    with pytest.raises(ValueError, match="pipe: expected a plain file, found something else"):
        open_log(tmp_path / "pipe")
    os.close(reader)


def test_a_link_in_place_of_a_written_file_is_replaced(tmp_path):
    (tmp_path / "other").write_text("other")
    for path in (tmp_path / "a", temporary(tmp_path / "a")):
        path.symlink_to(tmp_path / "other")
    with replacing(tmp_path / "a") as beside:
        beside.write_text("new")
    assert not (tmp_path / "a").is_symlink() and (tmp_path / "a").read_text() == "new"
    assert (tmp_path / "other").read_text() == "other" and names(tmp_path) == ["a", "other"]


def left_by(folder, name, pid, kind="file"):
    path = folder / f".{name}.{pid}.tmp"
    if kind == "folder":
        path.mkdir()
        (path / "file.npz").write_text("half")
    else:
        path.write_text("half")
    return path


@pytest.fixture
def alive():
    """The number of a living process."""
    with subprocess.Popen(["sleep", "100"]) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_leftovers_of_a_killed_process_are_removed_by_the_next_write(tmp_path, alive, kind):
    left_by(tmp_path, "a", DEAD, kind)
    kept = [
        left_by(tmp_path, "a", alive, kind),  # still being written
        left_by(tmp_path, "b", DEAD, kind),  # another file
        left_by(tmp_path, "a.b", DEAD, kind),
        left_by(tmp_path, "a", "x", kind),  # not ours
        left_by(tmp_path, "a", "0", kind),
    ]
    (tmp_path / f".a.{DEAD - 1}.tmp").symlink_to(tmp_path)  # a link is never ours
    with replacing(tmp_path / "a") as beside:
        beside.write_text("new")
    assert names(tmp_path) == sorted(["a", f".a.{DEAD - 1}.tmp", *(path.name for path in kept)])
    assert all(path.is_file() or (path / "file.npz").exists() for path in kept)


def test_a_file_held_by_another_machine_stays(tmp_path):
    """Its process is unknown here, but it holds a lock."""
    left = left_by(tmp_path, "a", DEAD)
    with holding(left, patience=0):
        assert stale(tmp_path) == []
    assert stale(tmp_path) == [left] == stale(tmp_path, "a") and stale(tmp_path, "b") == []
    mine = left_by(tmp_path, "c", os.getpid())  # of an earlier process with this number, as in containers
    assert stale(tmp_path, "c") == [] and stale(tmp_path, "c", alone=True) == [mine]
    clear_stale(tmp_path, "c", alone=True)
    clear_stale(tmp_path)
    assert names(tmp_path) == []


def test_names_are_not_patterns(tmp_path):
    left = left_by(tmp_path, "aa", DEAD)
    with replacing(tmp_path / "a+"), working_folder(tmp_path / ".+"):
        pass
    assert left.exists()


def test_a_working_folder_is_empty_and_is_removed(tmp_path):
    left_by(tmp_path, "set", os.getpid(), "folder")  # of an earlier process with this number, as in containers
    with working_folder(tmp_path / "set") as folder:
        assert list(folder.iterdir()) == [] and folder == temporary(tmp_path / "set")
        with pytest.raises(FileExistsError), working_folder(tmp_path / "set"):
            pass
        (folder / "half").write_text("half")
    assert names(tmp_path) == []


def test_a_checksum_detects_every_change():
    plain = {"a": [1, 2.5, None, "café"], "b": {2: 0.1, 10: (1,)}}
    again = json.loads(json.dumps(sealed(plain)))
    check_sealed(again)
    for change in ({"a": [1, 2.5, None, "cafe"]}, {"c": 1}, {"b": {"2": 0.1, "10": [2]}}, {"checksum": "0" * 64}):
        with pytest.raises(ValueError, match="it does not match its checksum"):
            check_sealed({**again, **change})
    with pytest.raises(ValueError, match="it has no checksum"):
        check_sealed(plain)
