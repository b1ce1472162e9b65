"""What a build says about its files and counts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kinetic.ntu.facts import BENCHMARKS
from kinetic.ntu.report import BuildReport, UnusedFile

CLIPS = 57


def whole_report(built: BuildReport, name: str, counts: dict) -> BuildReport:
    benchmark = BENCHMARKS[name]
    return BuildReport(built.out, built.listing, benchmark, "kinetic", "stretch", 64, counts, files=len(counts))


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_all_official_counts_make_a_complete_set(built, name):
    report = whole_report(built, name, BENCHMARKS[name].expected())
    assert report.complete
    assert report.to_text().endswith("complete: all counts are the official ones")
    assert report.to_dict()["expected"] == report.to_dict()["found"]


def test_one_clip_too_few_is_not_the_whole_set(built):
    counts = BENCHMARKS["ntu60-xsub"].expected()
    counts["train"][54] -= 1
    report = whole_report(built, "ntu60-xsub", counts)
    assert not report.complete
    assert "classes with other counts: A055 train 631 of 632" in report.to_text()
    assert report.to_text().endswith("56,577 of 56,578 clips; not the whole data set")


def test_a_whole_set_with_clips_that_the_recipe_refused_says_that_all_files_are_there(built):
    counts, refused = (BENCHMARKS["ntu60-xsub"].expected() for _ in range(2))
    for side in refused:
        refused[side][:] = 0
    refused["train"][54] = counts["train"][54] - 1
    counts["train"][54] = 1
    report = replace(whole_report(built, "ntu60-xsub", counts), refused=refused)
    assert not report.complete
    assert report.to_text().endswith("all files are there; the recipe could not use 631 of them")
    refused["train"][[54, 53]] += [-1, 1]  # as many, but of other classes
    assert "not the whole data set" in report.verdict()


def test_the_right_number_of_clips_of_the_wrong_classes_is_not_the_whole_set(built):
    counts = BENCHMARKS["ntu60-xsub"].expected()
    counts["train"][[3, 4]] += [1, -1]
    assert not whole_report(built, "ntu60-xsub", counts).complete


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


def test_a_file_that_is_not_used_is_skipped_or_failed():
    assert UnusedFile("a.zip: b.zip", "nested").to_dict() == {
        "file": "a.zip: b.zip",
        "status": "skipped",
        "reason": "nested",
        "why": "a zip archive inside a zip archive, which is not opened",
    }
    failed = UnusedFile("a", "failed", "S001C001P001R001A001", "train", "line 3: no number", 3)
    assert failed.to_dict() == {
        "file": "a",
        "clip": "S001C001P001R001A001",
        "side": "train",
        "status": "failed",
        "error": "line 3: no number",
        "line": 3,
    }
