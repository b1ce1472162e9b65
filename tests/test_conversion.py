"""Tests of benchmarks/conversion.py: raw files become the motions that were made of them before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import conversion
from benchmarks.conversion import SETS, Agreement, agreement, main, table
from kinetic.formats.acclaim import read_amc
from kinetic.formats.kinect import read_irds, read_kinder_gator, read_nw_ucla, read_utd_mhad
from kinetic.formats.reading import read_motions
from kinetic.motion.joints import on_ntu25
from kinetic.motion.motion_set import MotionSet

READERS = {"utd_mhad": read_utd_mhad, "nw_ucla": read_nw_ucla, "kinder_gator": read_kinder_gator, "irds": read_irds}
READERS["hdm05"] = read_amc
ROUNDED = 0.05 * 3**0.5
"""Millimetres by which rounding to 0.1 mm along each axis moves a point at most."""


@pytest.fixture(params=SETS)
def source(request, shared) -> str:
    if not (shared / "data" / "raw" / request.param).is_dir():
        pytest.skip(f"no raw files of {request.param} here")
    return request.param


def test_all_joints_agree_to_the_rounding_of_the_windows(shared, source):
    result = agreement(shared / "data", source)
    assert result.matched == result.files >= 6 and result.windows >= result.files
    assert max(result.largest) < ROUNDED + 0.002  # a micrometre or two for single precision, metres from a sensor
    assert 0.04 < np.mean(result.mean) < 0.055


def test_classes_people_and_views_are_those_of_the_windows(shared, source):
    motions = READERS[source](shared / "data" / "raw" / source)
    windows = read_motions(shared / "data" / "motion" / f"{source}.npz")
    assert motions.source == windows.source == source

    def facts(motions: MotionSet, row: int) -> tuple[str, str, int]:
        view = 1 if motions.view is None else int(motions.view[row])  # one camera
        return motions.class_names[motions.label[row]], motions.subject_names[motions.subject[row]], view

    for row, clip in enumerate(motions.clip):
        assert facts(motions, row) == facts(windows, windows.clip.index(clip))


@pytest.mark.parametrize("name", ["utd_mhad", "nw_ucla", "hdm05"])
def test_rates_of_stretched_clips_are_those_of_the_windows(shared, name):
    motions = READERS[name](shared / "data" / "raw" / name).resampled(64)
    windows = read_motions(shared / "data" / "motion" / f"{name}.npz")
    for row, clip in enumerate(motions.clip):
        assert motions.fps[row] == pytest.approx(windows.fps[windows.clip.index(clip)], rel=1e-6)


def test_classes_of_the_windows_are_known(shared, source):
    windows = read_motions(shared / "data" / "motion" / f"{source}.npz")
    if source != "hdm05":  # whose names of files tell them
        assert set(windows.class_names) <= set(READERS[source](shared / "data" / "raw" / source).class_names)


def test_derived_joints_are_those_of_the_windows(shared, source):
    motions = on_ntu25(READERS[source](shared / "data" / "raw" / source))
    windows = read_motions(shared / "data" / "motion" / f"{source}.npz")
    assert motions.notes.get("derived_joints", []) == windows.notes["derived_joints"]


def test_another_conversion_would_be_seen(shared, monkeypatch):
    def shifted(path: Path) -> MotionSet:
        motions = read_utd_mhad(path)
        motion = motions.motion.copy()
        motion[..., 7] += 0.001 / 3**0.5  # HandLeft, which the tip follows
        return replace(motions, motion=motion)

    monkeypatch.setitem(SETS, "utd_mhad", ("*.mat", conversion.stretched(shifted)))
    result = agreement(shared / "data", "utd_mhad")
    assert result.mean[7] == pytest.approx(1, abs=0.01) and result.mean[6] < 0.06


def test_numbers_are_shown_again_as_they_were_kept(shared, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(conversion, "SETS", {name: SETS[name] for name in ("irds", "hdm05")})
    assert main(["--data", str(shared / "data"), "-o", str(tmp_path / "found.json")]) == 0
    shown = capsys.readouterr().out
    assert "| irds | 6 | 6 | 8 | 0.04" in shown and "| SpineMid | - | 0.04" in shown
    assert main(["--show", str(tmp_path / "found.json")]) == 0
    assert capsys.readouterr().out == shown


def test_the_kept_numbers_can_be_shown(capsys):
    results = Path(conversion.__file__).parent / "results" / "conversion.json"
    assert main(["--show", str(results)]) == 0
    assert capsys.readouterr().out.count("|\n") > 10


def test_a_folder_without_motions_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path)])
    assert "expected a folder with raw/ and motion/" in capsys.readouterr().err


def test_measured_and_derived_joints_are_told_apart():
    one = Agreement(1, 1, 2, mean=(1.0, 2.0, 6.0), largest=(3.0, 9.0, 7.0), measured=(True, False, True))
    assert one.of(True) == (3.5, 7.0) and one.of(False) == (2.0, 9.0)
    assert replace(one, measured=(True,) * 3).of(False) is None
    one = Agreement(1, 1, 2, mean=(1.0,) * 25, largest=(2.0,) * 25, measured=(True,) * 24 + (False,))
    assert table({"toy": one}).splitlines()[-1] == "| ThumbRight | 1.000 (2.000) |"
