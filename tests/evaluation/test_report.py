"""Reports: what their tables print, that they come back from JSON, and that different labels are not compared."""

import json
from dataclasses import replace

import pytest

from kinetic.evaluation.report import ClassTable, Report, Row, compare, read_report, write_report
from kinetic.metrics.score import Score

FACTS = {"estimator": "gaussian", "reference": "nw_ucla/xsub/test", "n_real": 340, "n_fake": 340, "frames": 64,
         "version": "0.1.0", "seeds": (0, 1)}  # fmt: skip


def row(value, *, metric="frechet", better="low", **more):
    score = Score(value=value, interval=(value - 0.25, value + 0.25), metric=metric, **(FACTS | more))
    return Row(score, Score(value=0.5, metric=metric, **(FACTS | more | {"seeds": (0,)})), better)


def report(value=3.0, name="runs/a", **more):
    rows = (row(value, **more), row(0.75, metric="recall", better="high", **more))
    return Report(name, rows, ("340 real motions",), ("collapse: wave (0.02)",))


def test_a_table_has_score_interval_floor_direction_estimator_and_label():
    lines = report().to_text().splitlines()
    assert lines[0] == "runs/a"
    assert lines[1].split() == ["metric", "generated", "real", "(floor)", "better", "estimator", "label"]
    first = report().rows[0].score
    assert lines[3].split() == ["frechet", "3.000", "+-", "0.250", "0.500", "lower", "gaussian", first.fingerprint]
    assert lines[4].split()[:4] == ["recall", "0.750", "[0.500,", "1.000]"] and lines[4].split()[5] == "higher"
    assert lines[-2:] == ["ALARM: collapse: wave (0.02)", "340 real motions"]


def test_an_interval_that_is_not_symmetric_is_shown_by_its_ends():
    score, floor, better = row(1.0)
    cut = Report("a", (Row(replace(score, interval=(0.0, 3.5)), floor, better),))
    assert cut.to_text().splitlines()[3].split()[:4] == ["frechet", "1.000", "[0.000,", "3.500]"]


def test_a_report_of_an_earlier_version_has_half_widths():
    plain = report().to_dict()
    plain["rows"][0]["score"]["interval"] = 0.25
    assert Report.from_dict(plain) == report()


def test_equal_labels_have_equal_fingerprints_whatever_the_value():
    first, second = row(1.0).score, row(2.0).score
    assert first.fingerprint == second.fingerprint != row(1.0, n_fake=341).score.fingerprint
    assert len(first.fingerprint) == 6


def test_a_report_comes_back_from_json(tmp_path):
    write_report(report(), tmp_path / "a.json")
    again = read_report(tmp_path / "a.json")
    assert again == report()
    assert again["recall"].score.value == 0.75
    with pytest.raises(KeyError, match="'fid'.*frechet, recall"):
        again["fid"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "no report"),
        ("[1]", "no report"),
        ("not json", "line 1, column 1: not JSON: .*no report"),
        ('{"format": "kinetic-report"}', "incomplete report: it lacks alarms, notes, rows, subject"),
        ('{"format": "kinetic-report", "rows": 3, "notes": [], "alarms": [], "subject": "a"}', "rows must be a list"),
        (
            '{"format": "kinetic-report", "rows": [{"score": 1, "floor": {}, "better": "low"}], "notes": [], "alarms": '
            '[], "subject": "a"}',
            "a score is a table of names and values, got a int",
        ),
        ('{"format": "kinetic-report", "rows": [3], "notes": [], "alarms": [], "subject": "a"}', "incomplete report"),
        ("[" * 100_000, "nested too deeply.*no report"),
    ],
)
def test_a_file_that_is_no_report_is_refused_by_its_name(tmp_path, text, message):
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(ValueError, match=rf"b\.json: .*{message}"):
        read_report(tmp_path / "b.json")
    with pytest.raises(FileNotFoundError, match=r"c\.json"):
        read_report(tmp_path / "c.json")


def test_reports_stand_side_by_side():
    lines = compare([report(), report(2.0, "runs/b")]).splitlines()
    assert lines[0].split() == ["metric", "runs/a", "runs/b", "real", "(floor)", "better", "estimator"]
    assert lines[2].split()[:7] == ["frechet", "3.000", "+-", "0.250", "2.000", "+-", "0.250"]


def test_only_common_scores_are_compared():
    alone = Report("runs/b", report().rows[1:])
    lines = compare([report(), alone]).splitlines()
    assert [line.split()[0] for line in lines[2:3]] == ["recall"] and "not in all of them: frechet" in lines
    with pytest.raises(ValueError, match="no score in common"):
        compare([report(), Report("runs/b", (row(1.0, metric="kernel"),))])


def test_different_labels_are_refused_by_name_unless_they_may_differ():
    other = report(2.0, "theirs.npz", seeds=())
    with pytest.raises(ValueError, match=r"runs/a and theirs\.npz: frechet: .*seeds: \(0, 1\) and \(\)"):
        compare([report(), other])
    lines = compare([report(), other], ignore=["seeds"]).splitlines()
    assert "labels may differ in: seeds" in lines and lines[-1] == "theirs.npz: ALARM: collapse: wave (0.02)"
    with pytest.raises(ValueError, match="no weather"):
        compare([report(), other], ignore=["weather"])
    with pytest.raises(ValueError, match="estimator cannot be ignored"):
        compare([report(), other], ignore=["estimator"])
    with pytest.raises(ValueError, match="two reports"):
        compare([report()])


def test_each_class_has_a_row_with_the_class_it_is_taken_for():
    table = ClassTable(("walk", "wave"), {"accuracy": [0.5, 1.0], "mmd_frame": [0.25, None]}, [[2, 2], [0, 4]])
    lines = table.to_text().splitlines()
    assert lines[0].split() == ["class", "accuracy", "mmd_frame", "taken", "for"]
    assert lines[2].split() == ["walk", "0.500", "0.250", "wave", "(50.0%)"]
    assert lines[3].split() == ["wave", "1.000", "-"]
    assert ClassTable(("walk",), {"variance": [1.0]}).to_text().splitlines()[0].split() == ["class", "variance"]
    json.dumps(table.to_dict())
