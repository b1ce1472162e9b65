"""Tests of kinetic/data/build.py: from raw files to a set of motions, through all that can go wrong."""

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
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import kinetic
from kinetic.data import build
from kinetic.data.build import BuildReport, build_ntu
from kinetic.data.cleaning import CLEANING
from kinetic.data.example import write_example
from kinetic.data.ntu import ACTIONS, BENCHMARKS, ClipName
from kinetic.data.reading import read_motions
from kinetic.data.recording import read_recording
from kinetic.files import holding

CLIPS = 57


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "raw"
    write_example(folder, clips=CLIPS, frames=(14, 24))
    return folder


@pytest.fixture(scope="module")
def built(raw) -> BuildReport:
    return build_ntu(raw, raw.parent / "built", benchmark="ntu120-xsub", workers=1)


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
    columns = motions.columns
    for i in range(0, CLIPS, 4):
        recording = read_recording(raw / f"{motions.clip[i]}.skeleton")
        turn = Rotation.from_quat([columns[f"turn_{part}"][i] for part in "xyzw"])
        origin = np.array([columns[f"origin_{part}"][i] for part in "xyz"])
        real = int(columns["frames"][i])
        motion = motions.motion[i, :, :real].transpose(1, 2, 0)  # (T, V, 3)
        restored = turn.inv().apply(motion.reshape(-1, 3)).reshape(motion.shape) + origin
        bodies = [recording.joints[recording.body == body] for body in np.unique(recording.body)]
        (who,) = [who for who, body in enumerate(bodies) if np.abs(body - restored).max() < 2e-5]
        if len(bodies) > 1:
            partner = motions.partner[i, :, :real].transpose(1, 2, 0)
            back = turn.inv().apply(partner.reshape(-1, 3)).reshape(motion.shape) + origin
            assert np.abs(bodies[1 - who] - back).max() < 2e-5
        assert real == recording.frames and columns["turn_w"][i] >= 0


def test_a_stretched_motion_lasts_as_long_as_its_clip(raw, built):
    motions = read_motions(built.out)
    for i in range(0, CLIPS, 7):
        recording = read_recording(raw / f"{motions.clip[i]}.skeleton")
        assert 63 / motions.fps[i] == pytest.approx((recording.frames - 1) / 30)


def test_quaternions_are_those_of_the_rotations():
    turns = Rotation.from_rotvec(2 * np.random.default_rng(0).normal(size=(200, 3)))
    half = Rotation.from_rotvec(np.pi * np.eye(3))  # no w at all
    for turn in [*turns, *half]:
        w, x, y, z = build._quaternion(turn.as_matrix())
        assert w >= 0
        np.testing.assert_allclose(Rotation.from_quat([x, y, z, w]).as_matrix(), turn.as_matrix(), atol=1e-14)
    assert build._quaternion(np.eye(3)).tolist() == [1, 0, 0, 0]


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
    """Makes so many parts, then fails."""
    made = []

    def make(job, archives):
        if len(made) == after:
            raise error
        made.append(job)
        original(job, archives)

    original = build._make
    return make


def test_an_interrupted_build_goes_on(raw, built, tmp_path, small_blocks, monkeypatch):
    for after, error in ((2, Interruption()), (0, Interruption()), (3, OSError(errno.ENOSPC, "No space left"))):
        with monkeypatch.context() as patch, pytest.raises(type(error)):
            patch.setattr(build, "_make", stopping(after, error))
            build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
        assert not (tmp_path / "out").exists()
    report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    assert report.resumed == 5 * 8 and not report.restarted
    assert "40 files were done already" in report.to_text()
    assert contents(report.out) == contents(built.out)
    assert_nothing_left(tmp_path, "out", "out.report.jsonl")


def test_a_part_that_is_not_whole_is_made_again(raw, built, tmp_path, small_blocks, monkeypatch):
    monkeypatch.setattr(build, "_make", stopping(4, Interruption()))
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
        patch.setattr(build, "_make", stopping(2, Interruption()))
        build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=1)
    if "raw" in other:
        shutil.copytree(raw, tmp_path / "raw")
        for path in list((tmp_path / "raw").iterdir())[:1]:
            path.unlink()
        other = {"raw": tmp_path / "raw"}
    report = build_ntu(**({"raw": raw, "out": tmp_path / "out", "benchmark": "ntu120-xsub", "workers": 1} | other))
    assert report.restarted and not report.resumed
    assert "thrown away" in report.to_text()


@pytest.mark.parametrize("how", ["SIGKILL", "Ctrl-C"])
def test_a_build_that_was_killed_goes_on_and_leaves_no_worker(raw, built, tmp_path, monkeypatch, how):
    monkeypatch.setattr(build, "BLOCK", 1)
    code = (
        "import signal, sys; from kinetic.data import build\n"
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
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        workers = children.read_text().split() if children.exists() else []
        if how == "SIGKILL":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGINT)
        told = process.communicate()[1].decode()
    assert process.returncode in (-signal.SIGKILL, -signal.SIGINT, 0)
    assert told.count("Traceback") == (process.returncode == -signal.SIGINT)
    report = build_ntu(raw, out, benchmark="ntu120-xsub", workers=1)
    assert report.resumed >= 5 or process.returncode == 0
    assert contents(report.out) == contents(built.out)
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers), "workers outlive their parent"
    assert_nothing_left(tmp_path, "out", "out.report.jsonl")


def test_a_worker_that_is_killed_is_replaced(raw, built, tmp_path, small_blocks, monkeypatch):
    ask, killed = build._Worker.ask, []

    def deadly(worker, job):
        if len(killed) < 2:
            killed.append(worker.process.pid)
            worker.process.kill()
        return ask(worker, job)

    monkeypatch.setattr(build._Worker, "ask", deadly)
    report = build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=2)
    assert len(killed) == 2
    assert contents(report.out) == contents(built.out)


def test_a_build_whose_workers_always_die_ends_and_says_where(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "BOOT", "import sys; sys.stdin.readline(); sys.exit(7)")
    monkeypatch.setattr(build, "BLOCK", 40)
    with pytest.raises(
        ChildProcessError, match="3 workers ended with status 7 at the files from S0.* to S0.*; what is done is kept"
    ):
        build_ntu(raw, tmp_path / "out", benchmark="ntu120-xsub", workers=2)
    assert_nothing_left(tmp_path, ".out.building")


def test_what_the_disk_refuses_in_a_worker_is_told(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "BLOCK", 40)
    boot = build.BOOT.replace("_serve()", "").strip() + (
        "\nimport errno, kinetic.data.build as b\n"
        "def full(path): raise OSError(errno.ENOSPC, 'No space left on device', str(path))\n"
        "b.replacing = full\n_serve()"
    )
    monkeypatch.setattr(build, "BOOT", boot.replace("import _serve", "import _serve", 1))
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
    assert report.to_dict()["skipped"] == dict(skipped)
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


# ------------------------------------------------------------------------------------------------------------- counts


def whole_report(built: BuildReport, name: str, found: dict) -> BuildReport:
    benchmark = BENCHMARKS[name]
    return BuildReport(built.out, built.listing, benchmark, "kinetic", "stretch", 64, found, files=len(found))


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_all_official_counts_make_a_complete_set(built, name):
    report = whole_report(built, name, BENCHMARKS[name].expected())
    assert report.complete
    assert report.to_text().endswith("complete: all counts are the official ones")
    assert report.to_dict()["expected"] == report.to_dict()["found"]


def test_one_clip_too_few_is_not_the_whole_set(built):
    found = BENCHMARKS["ntu60-xsub"].expected()
    found["train"][54] -= 1
    report = whole_report(built, "ntu60-xsub", found)
    assert not report.complete
    assert "classes with other counts: A055 train 631 of 632" in report.to_text()
    assert report.to_text().endswith("56,577 of 56,578 clips; not the whole data set")


def test_the_right_number_of_clips_of_the_wrong_classes_is_not_the_whole_set(built):
    found = BENCHMARKS["ntu60-xsub"].expected()
    found["train"][[3, 4]] += [1, -1]
    assert not whole_report(built, "ntu60-xsub", found).complete


def test_the_table_has_the_official_counts(built):
    lines = [line.split() for line in built.to_text().splitlines()]
    train, test = (int(built.found[side].sum()) for side in ("train", "test"))
    assert ["train", "63,026", str(train), "0", f"{63_026 - train:,}"] in lines
    assert ["test", "50,919", str(test), "0", f"{50_919 - test:,}"] in lines
    assert ["in", "all", "113,945", str(CLIPS), "0", f"{113_945 - CLIPS:,}"] in lines
    assert ["one", "person", "49,954"] in [line[:3] for line in lines]
    assert ["two", "people", "13,072"] in [line[:3] for line in lines]


def test_the_report_is_plain(built):
    assert json.loads(json.dumps(built.to_dict())) == built.to_dict()
    assert built.failed == 0 and built.motions == CLIPS and built.seconds > 0


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
        ({"recipe": "pyskl", "fit": "pad"}, "frames must be"),
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
