"""Tests of kinetic/ntu/example.py: synthetic people as raw NTU files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kinetic.ntu import example as example_module
from kinetic.ntu.example import write_example
from kinetic.ntu.facts import BENCHMARKS, MISSING, MUTUAL, ClipName
from kinetic.ntu.recording import Recording, read_recording

SHORT = {"frames": (14, 20)}


def read(folder: Path) -> dict[str, Recording]:
    return {path.stem: read_recording(path) for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("example") / "raw"
    write_example(folder, clips=114, **SHORT)
    return folder


def test_every_file_has_an_ntu_name_and_can_be_read(example):
    recordings = read(example)
    assert len(recordings) == 114
    for name, recording in recordings.items():
        assert str(ClipName.parse(name)) == name == recording.name
        assert BENCHMARKS["ntu120-xsub"].holds(ClipName.parse(name))
        assert 14 <= recording.frames <= 20 and recording.remarks == ()
        assert (recording.body > 2**53).all()


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_split_has_both_sides(example, name):
    clips = [ClipName.parse(path.name) for path in example.iterdir()]
    sides = Counter(BENCHMARKS[name].side(clip) for clip in clips if BENCHMARKS[name].holds(clip))
    assert min(sides["train"], sides["test"]) >= 20


def test_three_cameras_see_one_performance(example):
    recordings = read(example)
    for name, recording in recordings.items():
        if recording.name.startswith("S001C001") and int(name[-3:]) not in MUTUAL:
            others = [recordings[name.replace("C001", camera)] for camera in ("C002", "C003")]
            heights = [np.median(one.joints[:, 3, 1] - one.joints[:, 0, 1]) for one in (recording, *others)]
            assert np.ptp(heights) < 0.02 and len({one.frames for one in (recording, *others)}) == 1


def test_mutual_actions_have_two_people_who_face_each_other(example):
    mutual = {name: each for name, each in read(example).items() if int(name[-3:]) in MUTUAL}
    assert len({name[-3:] for name in mutual}) == 5
    for recording in mutual.values():
        one, other = (recording.joints[recording.body == body] for body in dict.fromkeys(recording.body.tolist()))
        assert len(one) == len(other) == recording.frames
        across = one[:, 8, [0, 2]] - one[:, 4, [0, 2]]  # from the left shoulder to the right one
        ahead = np.stack([across[:, 1], -across[:, 0]], axis=1)
        to_other = other[:, 0, [0, 2]] - one[:, 0, [0, 2]]
        cosine = (ahead * to_other).sum(axis=1) / np.linalg.norm(ahead, axis=1) / np.linalg.norm(to_other, axis=1)
        assert np.median(cosine) > 0.7
        assert 0.5 < np.linalg.norm(to_other, axis=1).min() < 3


def test_people_are_within_the_view_of_a_kinect(example):
    for recording in read(example).values():
        x, y, z = recording.joints[:, 0].T
        assert np.abs(x).max() < 2.5 and np.abs(y).max() < 1 and 1 < z.min() and z.max() < 5


def test_the_same_arguments_write_the_same_bytes_and_other_seeds_others(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_example(tmp_path / name, clips=9, faults=0.5, broken=2, seed=seed, **SHORT)
    same = [(tmp_path / "a" / path.name).read_bytes() == path.read_bytes() for path in (tmp_path / "b").iterdir()]
    other = [(tmp_path / "a" / path.name).read_bytes() == path.read_bytes() for path in (tmp_path / "c").iterdir()]
    assert len(same) == len(other) == 9 and all(same) and not any(other)


def test_faults_are_those_that_are_returned(tmp_path):
    faults = write_example(tmp_path / "raw", clips=90, faults=0.7, **SHORT)
    recordings = read(tmp_path / "raw")
    assert list(faults) == sorted(recordings)
    counts = Counter(faults.values())
    assert min(counts["a ghost"], counts["a new id"], counts["frames without a body"], counts[""]) >= 5
    for name, fault in faults.items():
        recording = recordings[name]
        people, ids = 1 + (int(name[-3:]) in MUTUAL), len(np.unique(recording.body))
        assert ids == people + (fault in ("a ghost", "a new id"))
        assert (len(np.unique(recording.frame)) < recording.frames) == (fault == "frames without a body")
        most = np.bincount(recording.frame).max()
        assert most == people + (fault == "a ghost")


def test_broken_files_cannot_be_read(tmp_path):
    faults = write_example(tmp_path / "raw", clips=9, broken=4, **SHORT)
    for name, fault in faults.items():
        if fault:
            with pytest.raises(ValueError, match="line [0-9]+: found"):
                read_recording(tmp_path / "raw" / f"{name}.skeleton")
        else:
            read_recording(tmp_path / "raw" / f"{name}.skeleton")
    assert sorted(filter(None, faults.values())) == ["a frame too few", "a frame too many", "a word", "cut"]


def test_missing_clips_hold_no_body(tmp_path, monkeypatch):
    monkeypatch.setattr(example_module, "MISSING", frozenset({"S001C002P001R001A001"}))
    faults = write_example(tmp_path / "raw", clips=3, **SHORT)
    assert list(faults.values()) == ["", "no body at all", ""]
    assert len(read_recording(tmp_path / "raw" / "S001C002P001R001A001.skeleton").frame) == 0


def test_the_missing_clips_occur():
    names = {str(ClipName(s, c, p, r, a)) for s, p, r, a in example_module._takes() for c in (1, 2, 3)}
    assert len(names) == 3648 and 0 < len(names & MISSING) < 20


@pytest.mark.parametrize(
    "wrong",
    [{"clips": 0}, {"clips": 100_000}, {"broken": 10}, {"faults": 1.5}, {"seed": -1}, {"frames": (9, 5)},
     {"frames": (1, 5)}],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="got"):
        write_example(tmp_path / "raw", **{"clips": 9, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="expected a new or an empty folder"):
        write_example(tmp_path, clips=3)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
