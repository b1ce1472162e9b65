"""Sets of motions from raw files, and what can go wrong on the way: kinetic/ntu/build.py, with raw.py and parts.py."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import kinetic
from kinetic import processes
from kinetic.files import holding
from kinetic.formats.reading import read_motions
from kinetic.motion.synthetic import synthesise
from kinetic.ntu import build, parts
from kinetic.ntu.build import BuildReport, build_ntu, in_camera_space
from kinetic.ntu.cleaning import CLEANING, Unusable
from kinetic.ntu.facts import ACTIONS, ClipName
from kinetic.ntu.parts import Part, is_finished, make_part, read_lines
from kinetic.ntu.raw import Archives, Source
from kinetic.ntu.recording import read_recording

CLIPS = 57


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(build, "BLOCK", 8)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def listed(report: BuildReport) -> list[dict]:
    return [json.loads(line) for line in report.listing.read_text(encoding="utf-8").splitlines()]


def assert_nothing_left(folder: Path, *names: str) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)


# ------------------------------------------------------------------------------------------------------------ the set


def test_the_set_says_everything_that_the_names_do(raw, built):
    motions = read_motions(built.out)
    clips = [ClipName.parse(name) for name in motions.clip]
    assert list(motions.clip) == sorted(path.stem for path in raw.iterdir())
    assert motions.source == "ntu120" and motions.class_names == ACTIONS
    for name, values in (
        ("action", motions.label + 1),
        ("performer", motions.subject),
        ("camera", motions.view),
        ("setup", motions.setup),
        ("replication", motions.columns["replication"]),
    ):
        assert values.tolist() == [getattr(clip, name) for clip in clips]
    assert motions.shape == (CLIPS, 3, 64, 25)
    assert isinstance(motions.motion, np.memmap)


def test_the_split_of_the_set_is_that_of_the_benchmark(built):
    train, test = read_motions(built.out).split("xsub")
    assert len(train) == built.found["train"].sum() and len(test) == built.found["test"].sum()
    assert len(train) + len(test) == CLIPS


def test_who_is_together_has_a_partner_and_who_is_alone_has_zeros(built):
    motions = read_motions(built.out)
    mutual = np.isin(motions.label + 1, [50, 51, 59, 112, 113])
    assert mutual.any()
    np.testing.assert_array_equal(motions.columns["bodies"], np.where(mutual, 2, 1))
    np.testing.assert_array_equal(np.asarray(motions.partner).any(axis=(1, 2, 3)), mutual)


def test_a_set_of_single_people_has_no_partner(raw, tmp_path):
    (tmp_path / "raw").mkdir()
    for path in raw.glob("*A001.skeleton"):
        shutil.copy(path, tmp_path / "raw")
    report = build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu60-xsub", workers=1)
    motions = read_motions(report.out)
    assert motions.partner is None and motions.class_names == ACTIONS[:60] and motions.source == "ntu60"


@pytest.mark.parametrize("recipe", list(CLEANING))
def test_the_place_in_the_recording_can_be_restored(raw, tmp_path, recipe):
    report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", recipe=recipe, frames="all", workers=1)
    motions = read_motions(report.out)
    columns, placed = motions.columns, in_camera_space(motions)
    for i in range(0, CLIPS, 4):
        recording = read_recording(raw / f"{motions.clip[i]}.skeleton")
        assert columns["start"][i] == 0
        turn = Rotation.from_quat([columns[f"turn_{part}"][i] for part in "xyzw"])
        origin = np.array([columns[f"origin_{part}"][i] for part in "xyz"])
        real = int(columns["frames"][i])
        motion = motions.motion[i, :, :real].transpose(1, 2, 0)  # (T, V, 3)
        restored = turn.inv().apply(motion.reshape(-1, 3)).reshape(motion.shape) + origin
        np.testing.assert_allclose(placed.motion[i, :, :real], restored.transpose(2, 0, 1), atol=1e-5)
        assert (placed.motion[i, :, real:] == 0).all()
        bodies = [recording.joints[recording.body == body] for body in np.unique(recording.body)]
        (who,) = [who for who, body in enumerate(bodies) if np.abs(body - restored).max() < 2e-5]
        if len(bodies) > 1:
            partner = motions.partner[i, :, :real].transpose(1, 2, 0)
            back = turn.inv().apply(partner.reshape(-1, 3)).reshape(motion.shape) + origin
            assert np.abs(bodies[1 - who] - back).max() < 2e-5
            np.testing.assert_allclose(placed.partner[i, :, :real], back.transpose(2, 0, 1), atol=1e-5)
        assert real == recording.frames and columns["turn_w"][i] >= 0


def test_a_stretched_motion_lasts_as_long_as_its_clip(raw, built):
    motions = read_motions(built.out)
    for i in range(0, CLIPS, 7):
        recording = read_recording(raw / f"{motions.clip[i]}.skeleton")
        assert 63 / motions.fps[i] == pytest.approx((recording.frames - 1) / 30)


@pytest.mark.parametrize(
    ("recipe", "frames", "fit", "length", "used"),
    [
        ("st-gcn", None, None, 300, "pad"),
        ("st-gcn", 16, None, 16, "pad"),
        ("st-gcn", "all", None, 23, "all"),
        ("ctr-gcn", None, None, 300, "pad"),
        ("ctr-gcn", 16, None, 16, "stretch"),
        ("pyskl", None, None, 23, "all"),
        ("pyskl", 16, None, 16, "stretch"),
        ("kinetic", None, None, 64, "stretch"),
        ("kinetic", 300, "pad", 300, "pad"),
        ("kinetic", 16, "crop", 16, "crop"),
    ],
)
def test_length_is_that_of_the_recipe_or_as_asked(raw, tmp_path, recipe, frames, fit, length, used):
    report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", recipe=recipe, frames=frames, fit=fit, workers=1)
    motions = read_motions(report.out)
    assert motions.shape == (CLIPS, 3, length, 25)
    real = motions.columns["frames"]
    if used == "stretch":
        assert set(real.tolist()) == {length} and isinstance(motions.fps, np.ndarray)
    else:
        assert (
            motions.fps == 30 and real.min() >= min(14, length) and real.max() == min(23, length)
        )  # the longest of these
    if used in ("pad", "all"):
        assert not any(motions.motion[i, :, count:].any() for i, count in enumerate(real))
    if used == "crop":
        short = int(real.argmin())
        held = motions.motion[short, :, real[short] - 1 :]
        assert real[short] < length and held.any() and (held == held[:, :1]).all()
    assert motions.notes["recipe"] == recipe and motions.notes["fit"] == used
    assert motions.notes["frames"] == ("all" if used == "all" else length)
    assert motions.notes["kinetic"] == kinetic.__version__ and motions.notes["benchmark"] == "ntu120-xsub"
    if used != "all":
        assert f"{length} frames" in motions.notes["length"]


# ------------------------------------------------------------------------------- whatever the order and the processes


def test_workers_do_not_change_a_byte(raw, built, tmp_path, small_blocks):
    report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=3)
    assert contents(report.out) == contents(built.out)
    assert report.listing.read_bytes() == built.listing.read_bytes()
    assert_nothing_left(tmp_path, "out", "out.report.jsonl")


def test_zip_archives_are_read_in_place(raw, built, tmp_path):
    (tmp_path / "raw" / "deep").mkdir(parents=True)
    paths = sorted(raw.iterdir())
    for name, part, how in (("a.zip", paths[::2], zipfile.ZIP_DEFLATED), ("deep/b.zip", paths[1:-4:2], 0)):
        with zipfile.ZipFile(tmp_path / "raw" / name, "w", how) as archive:
            archive.writestr("README.txt", "no skeleton")
            for path in part:
                archive.write(path, f"nturgb+d_skeletons/{path.name}")
    for path in set(paths[1::2]) - set(paths[1:-4:2]):
        shutil.copy(path, tmp_path / "raw" / "deep")
    before = sorted((tmp_path / "raw").rglob("*"))
    report = build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert contents(report.out) == contents(built.out)
    assert sorted((tmp_path / "raw").rglob("*")) == before
    one = build_ntu(tmp_path / "raw" / "a.zip", tmp_path / "one", benchmark="ntu120-xsub", workers=1)
    assert one.motions == len(paths[::2])


# ------------------------------------------------------------------------------------------------------ interruptions


class Interruption(BaseException):
    pass


def stopping(after: int, error: BaseException):
    """A `make_part` that fails after this many parts."""
    finished = []

    def make(part, archives):
        if len(finished) == after:
            raise error
        finished.append(part)
        original(part, archives)

    original = parts.make_part
    return make


def test_an_interrupted_build_goes_on(raw, built, tmp_path, small_blocks, monkeypatch):
    for after, error in ((2, Interruption()), (0, Interruption()), (3, OSError(errno.ENOSPC, "No space left"))):
        with monkeypatch.context() as patch, pytest.raises(type(error)):
            patch.setattr(parts, "make_part", stopping(after, error))
            build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
        assert not (tmp_path / "out").exists()
    report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert report.resumed == 5 * 8 and not report.restarted
    assert "40 files were done already" in report.to_text()
    assert contents(report.out) == contents(built.out)
    assert_nothing_left(tmp_path, "out", "out.report.jsonl")


def test_a_part_that_is_not_whole_is_made_again(raw, built, tmp_path, small_blocks, monkeypatch):
    monkeypatch.setattr(parts, "make_part", stopping(4, Interruption()))
    with pytest.raises(Interruption):
        build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    monkeypatch.undo()
    monkeypatch.setattr(build, "BLOCK", 8)
    one, two, three, _ = sorted((tmp_path / ".out.building").glob("*.jsonl"))
    one.write_text(one.read_text()[:-20])
    two.unlink()
    os.truncate(three.with_suffix(".f32"), 1000)
    (tmp_path / ".out.building" / ".x.f32.123.tmp").write_bytes(b"left by a killed process")
    report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert report.resumed == 8
    assert contents(report.out) == contents(built.out)
    assert_nothing_left(tmp_path, "out", "out.report.jsonl")


@pytest.mark.parametrize("other", [{"recipe": "st-gcn"}, {"frames": 32}, {"benchmark": "ntu120-xsetup"}, {"raw": ""}])
def test_parts_of_another_request_are_thrown_away(raw, tmp_path, small_blocks, monkeypatch, other):
    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(parts, "make_part", stopping(2, Interruption()))
        build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    if "raw" in other:
        shutil.copytree(raw, tmp_path / "raw")
        for path in list((tmp_path / "raw").iterdir())[:1]:
            path.unlink()
        other = {"raw": tmp_path / "raw"}
    report = build_ntu(**({"raw": raw, "out": tmp_path / "out", "benchmark": "ntu120-xsub", "workers": 1} | other))
    assert report.restarted and not report.resumed
    assert "thrown away" in report.to_text()


def children(pid: int) -> list[str]:
    """Processes that were started by this one, from any of its threads."""
    listed = []
    for path in Path("/proc").glob(f"{pid}/task/*/children"):
        with suppress(OSError):  # the thread has ended
            listed += path.read_text().split()
    return listed


@pytest.mark.parametrize("how", ["SIGKILL", "Ctrl-C"])
def test_a_build_that_was_killed_goes_on_and_leaves_no_worker(raw, built, tmp_path, monkeypatch, how):
    monkeypatch.setattr(build, "BLOCK", 1)
    code = (
        "import signal, sys; from kinetic.ntu import build\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "build.BLOCK = 1\n"
        "build.build_ntu(sys.argv[1], sys.argv[2], benchmark='ntu120-xsub', workers=2)"
    )
    out = tmp_path / "out"
    command = [sys.executable, "-c", code, str(raw), str(out)]
    where = {"cwd": Path(kinetic.__file__).parents[1], "stderr": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen(command, **where) as process:
        while len(list(tmp_path.glob(".out.building/*.jsonl"))) < 5 and process.poll() is None:
            time.sleep(0.002)
        workers = children(process.pid)
        if how == "SIGKILL":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGINT)
        error = process.communicate()[1].decode()
    assert process.returncode in (-signal.SIGKILL, -signal.SIGINT, 0)
    assert error.count("Traceback") == (process.returncode == -signal.SIGINT)
    report = build_ntu(raw, out, benchmark="ntu120-xsub", workers=1)
    assert report.resumed >= 5 or process.returncode == 0
    assert contents(report.out) == contents(built.out)
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers), "workers outlive their parent"
    assert_nothing_left(tmp_path, "out", "out.report.jsonl")


def in_a_process(code: str, raw: Path, out: Path) -> subprocess.Popen:
    """Runs this code, which knows `build`, and then a build with two workers."""
    code = (
        "import os, signal, sys; from kinetic import processes; from kinetic.ntu import build\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"{code}\n"
        "build.build_ntu(sys.argv[1], sys.argv[2], benchmark='ntu120-xsub', workers=2)"
    )
    where = {"cwd": Path(kinetic.__file__).parents[1], "stderr": subprocess.PIPE, "start_new_session": True}
    return subprocess.Popen([sys.executable, "-c", code, str(raw), str(out)], **where)


def test_ctrl_c_does_not_reach_workers_that_boot(raw, tmp_path):
    boot = "import os, time; os.write(2, b'boot\\n'); time.sleep(0.4)\n"
    with in_a_process(f"build.BLOCK = 8; processes.BOOT = {boot!r} + processes.BOOT", raw, tmp_path / "out") as process:
        assert process.stderr.readline() == b"boot\n"
        os.killpg(process.pid, signal.SIGINT)
        error = process.communicate()[1].decode()
    assert process.returncode == -signal.SIGINT
    assert error.count("Traceback") == 1, error


KILLED = {
    "while it writes": "build.MotionWriter.write = lambda *_, **__: os._exit(9)",
    "between the renames": "move = os.rename\n"
    "os.rename = lambda old, new: os._exit(9) if str(new) == sys.argv[2] else move(old, new)",
}


@pytest.mark.parametrize("when", list(KILLED))
def test_what_a_killed_writer_left_is_cleaned_up(raw, built, tmp_path, monkeypatch, when):
    out = tmp_path / "out"
    before = contents(build_ntu(raw, out, benchmark="ntu120-xsub", frames=16, workers=1).out)
    (tmp_path / ".out.other.tmp").mkdir()  # of another process, which writes to the same place
    with in_a_process(KILLED[when], raw, out) as process:
        process.communicate()
    assert process.returncode == 9
    assert out.exists() == (when == "while it writes")

    def interrupt(*_):
        raise Interruption

    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(build._Build, "make", interrupt)
        build_ntu(raw, out, benchmark="ntu120-xsub", workers=1)
    assert contents(out) == before
    assert not any(path.is_dir() for path in (tmp_path / ".out.building").iterdir())
    report = build_ntu(raw, out, benchmark="ntu120-xsub", workers=1)
    assert report.resumed == CLIPS
    assert contents(out) == contents(built.out)
    assert_nothing_left(tmp_path, "out", "out.report.jsonl", ".out.other.tmp")


def test_what_the_system_refused_is_tried_again(raw, built, tmp_path, small_blocks, monkeypatch):
    trouble = {
        3: OSError(errno.EIO, "Input/output error"),
        4: OSError(errno.EMFILE, "Too many open files"),
        12: MemoryError(),
        20: ValueError("line 1: found nothing"),  # this one is of the file
        30: Interruption(),
    }
    calls = []

    def read(source, name):
        calls.append(name)
        if len(calls) in trouble:
            raise trouble[len(calls)]
        return read_recording(source, name)

    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(parts, "read_recording", read)
        build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=2)
    assert report.resumed == 8  # the third part, with the failure that stays
    assert [line["error"] for line in listed(report)[:-1]] == ["line 1: found nothing"]
    assert report.motions == CLIPS - 1


def test_a_build_that_could_use_nothing_begins_anew(raw, built, tmp_path, monkeypatch):
    def refuse(source, name):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="none of 57 clips .*Input/output error"):
        patch.setattr(parts, "read_recording", refuse)
        build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert_nothing_left(tmp_path, "out.report.jsonl")
    assert contents(build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1).out) == contents(built.out)


def test_a_worker_that_is_killed_is_replaced(raw, built, tmp_path, small_blocks, monkeypatch):
    ask, killed = parts._ask, []

    def deadly(worker, part):
        if len(killed) < 2:
            killed.append(worker.process.pid)
            worker.process.kill()
        return ask(worker, part)

    monkeypatch.setattr(parts, "_ask", deadly)
    report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=2)
    assert len(killed) == 2
    assert contents(report.out) == contents(built.out)


def test_a_build_whose_workers_always_die_ends_and_says_where(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "BOOT", "import sys; sys.exit(7)")
    monkeypatch.setattr(build, "BLOCK", 40)
    with pytest.raises(
        ChildProcessError, match="3 workers ended with status 7 at the files from S0.* to S0.*; what is done is kept"
    ):
        build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=2)
    assert_nothing_left(tmp_path, ".out.building")


def test_what_the_disk_refuses_in_a_worker_is_told(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "BLOCK", 40)
    full = (
        "import errno, kinetic.ntu.parts as b\n"
        "def full(path): raise OSError(errno.ENOSPC, 'No space left on device', str(path))\n"
        "b.replacing = full\n"
    )
    monkeypatch.setattr(processes, "BOOT", processes.BOOT.replace("getattr", f"{full}getattr", 1))
    with pytest.raises(OSError, match="No space left on device"):
        build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=2)


def test_a_set_that_does_not_fit_on_the_disk_is_not_begun(raw, built, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(OSError, match="the set needs 2.1 MiB, 1000 bytes are free"):
        patch.setattr(build.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 1000))
        build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert report.resumed == CLIPS
    assert contents(report.out) == contents(built.out)


def test_one_process_at_a_time(raw, tmp_path):
    (tmp_path / ".out.building").mkdir()
    with holding(tmp_path / ".out.building", 0), pytest.raises(FileExistsError, match="another process is at work"):
        build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)


def test_a_folder_that_another_build_removed_and_made_again_is_that_of_another(raw, tmp_path, monkeypatch):
    @contextmanager
    def late(folder, patience):
        folder.rename(tmp_path / "removed")
        folder.mkdir()
        yield

    monkeypatch.setattr(build, "holding", late)
    with pytest.raises(FileExistsError, match="another process is at work"):
        build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)


def test_an_older_set_is_replaced_only_by_a_whole_one(raw, tmp_path, monkeypatch):
    out = tmp_path / "out"
    build_ntu(raw, out, benchmark="ntu120-xsub", frames=16, workers=1)
    before = contents(out)

    def fail(*_, **__):
        raise Interruption

    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(build.MotionWriter, "write", fail)
        build_ntu(raw, out, benchmark="ntu120-xsub", workers=1)
    assert contents(out) == before
    build_ntu(raw, out, benchmark="ntu120-xsub", workers=1)
    assert read_motions(out).shape[2] == 64


# ---------------------------------------------------------------------------------------------------------- bad files


@pytest.fixture
def mixed(raw, tmp_path) -> Path:
    """Files of which 18 are good, and one of every kind that is not."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    names = sorted(path.name for path in raw.iterdir())
    for name in names[:18]:
        shutil.copy(raw / name, folder)
    good = (raw / names[0]).read_bytes()
    (folder / "S001C002P005R002A008.skeleton").write_bytes(good)  # listed as missing
    (folder / "S018C001P045R001A061.skeleton").write_bytes(good)  # not of the 60 classes
    (folder / "S001C001P001R001A001 (1).skeleton").write_bytes(good)
    (folder / "S099C001P001R001A001.skeleton").write_bytes(good)
    (folder / "again").mkdir()
    (folder / "again" / names[1]).write_bytes(good)
    (folder / "notes.txt").write_text("nothing")
    (folder / "S002C001P001R001A002.skeleton").write_bytes(good[:-9])
    (folder / "S002C001P003R001A003.skeleton").write_bytes(b"")
    (folder / "S002C001P003R001A004.skeleton").symlink_to("nowhere")
    os.mkfifo(folder / "S002C001P003R001A005.skeleton")
    (folder / "bad.zip").write_bytes(b"PK nothing of the kind")
    with zipfile.ZipFile(folder / "good.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"x/{names[2]}", good)
        archive.writestr("S003C001P003R001A001.skeleton", b"0" * (65 << 20))
        archive.writestr("../S003C001P003R001A002.skeleton", b"../")
        archive.writestr("S003C001P003R001A003.skeleton", good)
        archive.writestr("S003C001P003R001A004.skeleton", good)
    data = bytearray((folder / "good.zip").read_bytes())
    begins = [i for i in range(len(data)) if data[i : i + 4] == b"PK\x01\x02"]
    data[begins[3] + 8] |= 1  # an encrypted member
    data[begins[4] + 16] ^= 1  # a wrong checksum
    (folder / "good.zip").write_bytes(data)
    return folder


def test_no_file_stops_the_build_and_every_one_is_named(raw, mixed, tmp_path):
    report = build_ntu(mixed, tmp_path / "out", benchmark="ntu60-xsub", workers=1)
    assert report.motions == 18 == len(read_motions(report.out))
    assert report.failed == 9 and report.files == 18 + 6 + 8
    *lines, last = listed(report)
    assert last == {"summary": report.to_dict()}
    failed = {line["file"]: line["error"] for line in lines if line["status"] == "failed"}
    expected = {
        "S002C001P001R001A002.skeleton": "line [0-9]+: found .* fields",
        "S002C001P003R001A003.skeleton": "found the end",
        "S002C001P003R001A004.skeleton": "No such file",
        "S002C001P003R001A005.skeleton": "plain file",
        "bad.zip": "not a zip archive that can be read",
        "good.zip: S003C001P003R001A001.skeleton": "claims 65.0 MiB in .* expected at most 64.0 MiB",
        "good.zip: ../S003C001P003R001A002.skeleton": "line 1: found",
        "good.zip: S003C001P003R001A003.skeleton": "encrypted",
        "good.zip: S003C001P003R001A004.skeleton": "CRC",
    }
    assert failed.keys() == expected.keys()
    for name, words in expected.items():
        assert re.search(words, failed[name]), failed[name]
    assert [line["line"] for line in lines if line["file"] == "S002C001P001R001A002.skeleton"][0] > 1
    skipped = Counter(line["reason"] for line in lines if line["status"] == "skipped")
    assert skipped == {"missing": 1, "elsewhere": 1, "again": 2, "name": 2}
    assert report.to_dict()["skipped"] == {"broken": 0, "nested": 0} | dict(skipped)
    again = [line for line in lines if line.get("reason") == "again"]
    first = sorted(path.name for path in raw.iterdir())[1]
    assert again[0]["file"] == f"again/{first}" and again[0]["why"].endswith(f"the one in use is {first}")


def test_the_text_of_the_report_says_what_was_skipped_and_why(mixed, tmp_path):
    text = build_ntu(mixed, tmp_path / "out", benchmark="ntu60-xsub", workers=1).to_text()
    assert "1 skipped: listed by the authors as missing or incomplete (1 train)" in text
    assert "1 skipped: not of this data set\n" in text
    assert "2 skipped: a second file of the same clip" in text
    assert "2 skipped: another name than those of NTU RGB+D\n" in text
    assert "9 failed:\n  bad.zip: not a zip archive" in text
    assert text.endswith("18 of 56,578 clips; not the whole data set")


def archive(path: Path, files) -> None:
    with zipfile.ZipFile(path, "w") as zipped:
        for file in files:
            zipped.write(file, file.name)


def test_an_archive_that_vanishes_takes_no_other_with_it(raw, tmp_path, monkeypatch):
    paths = sorted(raw.iterdir())
    (tmp_path / "raw").mkdir()
    for name, part in (("a.zip", paths[::2]), ("b.zip", paths[1::2])):
        archive(tmp_path / "raw" / name, part)
    choose = build.choose_clips

    def vanish(*arguments):
        (tmp_path / "raw" / "b.zip").unlink()
        return choose(*arguments)

    monkeypatch.setattr(build, "choose_clips", vanish)
    report = build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert list(read_motions(report.out).clip) == [path.stem for path in paths[::2]]
    assert report.failed == len(paths[1::2]) and all("b.zip" in words for words in report.first)


@pytest.mark.parametrize("members", [slice(6, 12), slice(1, 6), slice(0, 5)])
def test_an_archive_that_changed_gives_no_clip_of_another_name(raw, tmp_path, monkeypatch, members):
    paths = sorted(raw.iterdir())
    (tmp_path / "raw").mkdir()
    archive(tmp_path / "raw" / "a.zip", paths[:6])
    shutil.copy(paths[20], tmp_path / "raw")
    choose = build.choose_clips

    def swap(*arguments):
        archive(tmp_path / "raw" / "a.zip", paths[members])
        return choose(*arguments)

    monkeypatch.setattr(build, "choose_clips", swap)
    report = build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    kept = paths[:5] if members.start == 0 else []
    assert list(read_motions(report.out).clip) == [path.stem for path in [*kept, paths[20]]]
    assert all("the archive changed" in line["error"] for line in listed(report)[:-1])
    part = Part(str(tmp_path / "part"), "kinetic", "stretch", 64, [(paths[5].stem, [Source("", "", "a", 0, "", 1, 2)])])
    monkeypatch.setattr(Archives, "open", lambda *_: (_ for _ in ()).throw(OSError("the archive changed")))
    make_part(part, Archives())
    assert read_lines(part) and not is_finished(part)  # to be made again


def test_links_to_folders_are_followed_once(raw, built, tmp_path):
    folder = tmp_path / "raw" / "deep"
    folder.mkdir(parents=True)
    paths = sorted(raw.iterdir())
    shutil.copy(paths[0], folder)
    (tmp_path / "elsewhere").mkdir()
    for path in paths[1:]:
        shutil.copy(path, tmp_path / "elsewhere")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "raw" / "linked too").symlink_to(tmp_path / "elsewhere")
    (folder / "loop").symlink_to(tmp_path / "raw")
    (folder / "itself").symlink_to("itself")
    report = build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert report.files == CLIPS and not report.skipped
    assert contents(report.out) == contents(built.out)


def test_a_folder_that_cannot_be_read_is_named(raw, tmp_path, monkeypatch):
    shutil.copytree(raw, tmp_path / "raw")
    (tmp_path / "raw" / "locked").mkdir()
    scan = os.scandir

    def refuse(path):
        if os.path.basename(str(path)) == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert report.motions == CLIPS and report.failed == 1
    assert report.first[0].startswith("locked: not a folder that can be read: [Errno 13] Permission denied")


def test_endings_may_be_in_capitals_and_archives_in_archives_are_named(raw, built, tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    paths = sorted(raw.iterdir())
    for path in paths[:30]:
        shutil.copy(path, folder / path.name.replace(".skeleton", ".SKELETON"))
    with zipfile.ZipFile(folder / "MORE.ZIP", "w") as file:
        for path in paths[30:]:
            file.write(path, path.name.replace(".skeleton", ".Skeleton"))
        inner = BytesIO()
        zipfile.ZipFile(inner, "w").close()
        file.writestr("deep/inner.Zip", inner.getvalue())
    report = build_ntu(folder, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert contents(report.out) == contents(built.out)
    assert not report.failed and report.files == CLIPS
    nested = {"file": "MORE.ZIP: deep/inner.Zip", "status": "skipped", "reason": "nested"}
    assert listed(report)[0] == nested | {"why": "a zip archive inside a zip archive, which is not opened"}
    assert "1 skipped: a zip archive inside a zip archive, which is not opened" in report.to_text()


def test_a_broken_file_does_not_hide_a_good_one_of_the_same_clip(raw, built, tmp_path):
    shutil.copytree(raw, tmp_path / "raw" / "b")
    one, two, *_ = sorted(raw.iterdir())
    for folder, broken in (("a", (one, two)), ("c", ()), ("d", ())):
        (tmp_path / "raw" / folder).mkdir()
        shutil.copy(one, tmp_path / "raw" / folder)
        for path in broken:
            (tmp_path / "raw" / folder / path.name).write_bytes(path.read_bytes()[:1000])
    report = build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu120-xsub", workers=2)
    assert {name: data for name, data in contents(report.out).items() if name != "meta.json"} == {
        name: data for name, data in contents(built.out).items() if name != "meta.json"
    }
    assert not report.failed and report.files == CLIPS + 4 and report.size == built.size
    lines = {line["file"]: line for line in listed(report)[:-1]}
    assert {name: line["reason"] for name, line in lines.items()} == {
        f"a/{one.name}": "broken", f"a/{two.name}": "broken", f"c/{one.name}": "again", f"d/{one.name}": "again"
    }  # fmt: skip
    assert re.fullmatch(f"line .*; the one in use is b/{one.name}", lines[f"a/{one.name}"]["why"])
    assert lines[f"c/{one.name}"]["why"].endswith(f"the one in use is b/{one.name}")
    assert "2 skipped: a file that cannot be used, of a clip that has several" in report.to_text()


def test_a_clip_of_which_all_files_are_broken_fails_once(raw, tmp_path):
    shutil.copytree(raw, tmp_path / "raw" / "b")
    one, *_ = sorted(raw.iterdir())
    (tmp_path / "raw" / "b" / one.name).write_bytes(b"")
    (tmp_path / "raw" / one.name).write_bytes(b"0")
    report = build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert report.failed == 1 and report.motions == CLIPS - 1
    lines = {line["file"]: line for line in listed(report)[:-1]}
    assert lines[f"b/{one.name}"]["why"].endswith("no file of this clip can be used")
    assert lines[one.name]["status"] == "failed" and lines[one.name]["error"].startswith("line 1: found")


def test_a_target_that_is_a_link_is_made_where_it_leads(raw, built, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "set")
    for _ in range(2):  # where nothing is, and where a set is
        report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
        assert (tmp_path / "out").is_symlink()
        assert contents(tmp_path / "disk" / "set") == contents(built.out)
        assert report.listing == tmp_path / "disk" / "set.report.jsonl"
        assert_nothing_left(tmp_path / "disk", "set", "set.report.jsonl")


def test_clips_say_where_they_begin_in_the_recording(raw, tmp_path, monkeypatch):
    def late(recording):
        clip = CLEANING["st-gcn"](recording)
        return replace(clip, motion=clip.motion[:, 4:], kept=clip.kept[4:])

    monkeypatch.setitem(build.CLEANING, "kinetic", late)
    motions = read_motions(build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1).out)
    assert motions.columns["start"].dtype == np.int64 and set(motions.columns["start"].tolist()) == {4}


def test_what_the_recipe_refuses_is_told_apart_from_what_is_absent(raw, tmp_path, monkeypatch):
    def recipe(recording):
        if recording.name.endswith("A007"):
            raise Unusable("nobody moves")
        return CLEANING["st-gcn"](recording)

    monkeypatch.setitem(build.CLEANING, "kinetic", recipe)
    paths = sorted(raw.iterdir())
    shutil.copytree(raw, tmp_path / "raw")
    broken = next(path for path in paths if "A008" in path.name)
    (tmp_path / "raw" / broken.name).write_bytes(b"")
    throws = sum("A007" in path.name for path in paths)
    report = build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert report.failed == throws + 1 and report.to_dict()["refused"] == throws
    assert report.refused["train"][6] + report.refused["test"][6] == throws
    assert report.verdict().startswith(f"{CLIPS - throws - 1} of 113,945 clips; not the whole data set; ")
    assert report.verdict().endswith(f"; the recipe could not use {throws} that are there")


def test_a_failure_of_the_code_is_one_of_the_file(raw, tmp_path, monkeypatch):
    def recipe(recording):
        if recording.name.endswith("A007"):
            raise IndexError("index 3 is out of bounds")
        clip = CLEANING["st-gcn"](recording)
        if recording.name.endswith("A008"):
            clip.motion[0, 0, 0, 0] = np.nan
        return clip

    monkeypatch.setitem(build.CLEANING, "kinetic", recipe)
    report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    errors = {line["clip"][-4:]: line["error"] for line in listed(report)[:-1]}
    assert errors == {
        "A007": "IndexError: index 3 is out of bounds",
        "A008": "the recipe made coordinates that are not finite",
    }
    assert report.failed == 6 and report.motions == CLIPS - 6


def test_where_nothing_can_be_used_the_report_says_so(raw, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "S001C001P001R001A001.skeleton").write_text("nothing")
    with pytest.raises(ValueError, match=r"none of 1 clips can be used, see .*out.report.jsonl; S001.*: line 1: found"):
        build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu60-xsub", workers=1)
    assert '"failed": 1' in (tmp_path / "out.report.jsonl").read_text()
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------------------------- the request


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"benchmark": "ntu60"}, "unknown benchmark 'ntu60'; expected one of: ntu60-xsub, ntu60-xview"),
        ({"recipe": "stgcn"}, "unknown recipe 'stgcn'; expected one of: st-gcn, ctr-gcn, pyskl, kinetic"),
        ({"fit": "shrink"}, "unknown fit 'shrink'; expected one of: pad, stretch, crop"),
        ({"frames": 0}, "frames must be 'all' or a number from 1 to 10000, got 0"),
        ({"frames": True}, "frames must be"),
        ({"frames": "some"}, "frames must be"),
        ({"frames": "all", "fit": "pad"}, "with frames all, clips keep their length: expected no fit, got 'pad'"),
        ({"recipe": "pyskl", "fit": "crop"}, "fit 'crop' needs a number of frames"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"out": "x.npz"}, "expected the name of a folder, without suffix"),
        ({"out": "."}, "expected the name of a folder"),
    ],
)
def test_wrong_requests_are_refused_at_once(raw, tmp_path, monkeypatch, wrong, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=words.replace("(", "[(]")):
        build_ntu(**({"raw": raw, "out": "out", "benchmark": "ntu60-xsub"} | wrong))
    assert_nothing_left(tmp_path)


def test_a_target_with_other_things_is_left_alone(raw, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match=r"holds other things \(thesis.tex\)"):
        build_ntu(raw, tmp_path / "out", benchmark="ntu60-xsub", workers=1)
    assert_nothing_left(tmp_path, "out")


def test_raw_data_without_a_clip_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu60-xsub")
    (tmp_path / "raw").mkdir()
    with pytest.raises(ValueError, match="expected .skeleton files or zip archives of them, found none"):
        build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu60-xsub")
    (tmp_path / "raw" / "a.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match="found none; a.zip is not a zip archive that can be read"):
        build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu60-xsub")
    (tmp_path / "raw" / "S018C001P001R001A061.skeleton").write_text("1\n")
    with pytest.raises(ValueError, match="no clip of ntu60 is in it; 1 failed, 1 not of this data set"):
        build_ntu(tmp_path / "raw", tmp_path / "out", benchmark="ntu60-xsub")
    assert_nothing_left(tmp_path, "raw")


def test_the_bar_is_silent_unless_asked_for(raw, tmp_path, capsys):
    build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert capsys.readouterr() == ("", "")


def test_a_set_without_its_place_is_not_put_back():
    motions = synthesise(["walk"], subjects=2, repeats=1)
    with pytest.raises(ValueError, match="has no column origin_x, which sets of `kinetic data build` have"):
        in_camera_space(motions)
