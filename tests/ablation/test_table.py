"""The table of a grid: its entries against numbers worked out by hand, what it refuses, and what each format holds."""

import csv
import io
import json
import math
import random
import re
import warnings
from dataclasses import replace
from itertools import product

import pytest

from kinetic.ablation.statistics import Finding, RowInfo, holm
from kinetic.ablation.table import table_of
from kinetic.evaluation.report import Report, Row
from kinetic.metrics.intervals import interval
from kinetic.metrics.score import Score

FACTS = {"estimator": "gaussian", "reference": "nw_ucla/xsub/test", "n_real": 340, "n_fake": 340, "frames": 64,
         "version": "0.1.0", "seeds": (0, 1)}  # fmt: skip
BETTER = {"frechet": "low", "recall": "high", "diversity": "real"}
FLOORS = {"frechet": 0.5, "recall": 0.75, "diversity": 10.0}
ROWS = (RowInfo("Baseline"), RowInfo("A", "Baseline", "max pooling"), RowInfo("B", "A"))
T1 = math.tan(0.475 * math.pi)  # Student's t of 97.5% at one degree of freedom, 12.71
T2 = 0.95 * math.sqrt(2 / (4 * 0.975 * 0.025))  # at two, 4.303


def report(scores, floors=FLOORS, **label):
    facts = FACTS | label
    rows = [
        Row(Score(value=value, interval=(value - 9, value + 9), metric=name, **facts),
            Score(value=floors.get(name, 0.0), metric=name, **(facts | {"seeds": (0,)})), BETTER.get(name, "low"))
        for name, value in scores.items()
    ]  # fmt: skip
    return Report("a run", tuple(rows))


def findings(values, metric="frechet", benchmark="xsub", **label):
    """Row -> the scores of seeds 0, 1, ...; None where a seed has none."""
    return [
        Finding(benchmark, name, seed, report({metric: value}, **label))
        for name, scores in values.items()
        for seed, value in enumerate(scores)
        if value is not None
    ]


def table(values, metric="frechet", rows=ROWS, **options):
    return table_of(findings(values, metric), rows=rows, benchmarks=["xsub"], **options)


def large():
    """Three scores of three rows on two benchmarks, with a missing cell."""
    rng = random.Random(0)
    cells = []
    for benchmark in ("xsub", "xview"):
        for row in ROWS:
            for seed in range(3):
                if (benchmark, row.name, seed) != ("xsub", "B", 1):
                    scores = {name: rng.uniform(0, 1) for name in BETTER}
                    published = report({"mmd_frame": rng.uniform(1, 2)}, estimator="published")
                    cells.append(Finding(benchmark, row.name, seed, report(scores), published))
    return cells


def large_table(cells, **options):
    options = {"rows": ROWS, "benchmarks": ["xsub", "xview"], "missing": {("xsub", "B", 1): "killed"}} | options
    return table_of(cells, **options)


def lines_of(markdown, title):
    """The cells of the Markdown table below a heading."""
    part = markdown.split(f"{title}\n\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in part.splitlines()]


# --- statistics ---------------------------------------------------------------------------------------------------


def test_means_have_student_intervals_over_training_seeds():
    entry = table({"A": [2.0, 4.0, 3.0]}, rows=[RowInfo("A")]).entries["xsub", "A", "frechet"]
    assert entry.values == {0: 2.0, 1: 4.0, 2: 3.0} and entry.mean == 3.0
    half = T2 / math.sqrt(3)  # standard deviation 1
    assert entry.interval == pytest.approx((3 - half, 3 + half), rel=1e-12)
    two = table({"A": [1.0, 3.0]}, rows=[RowInfo("A")]).entries["xsub", "A", "frechet"]
    assert two.interval == (0.0, pytest.approx(2 + T1, rel=1e-12))  # error of the mean 1; no distance is negative


def test_shares_have_intervals_between_0_and_1():
    shares = table({"A": [0.2, 0.1, 0.7], "B": [0.9, 0.1, 0.1]}, "recall", rows=[RowInfo("A"), RowInfo("B", "A")])
    entry = shares.entries["xsub", "B", "recall"]
    assert entry.interval == interval([0.9, 0.1, 0.1], bounds=(0, 1)) and 0 < entry.interval[0] < 0.1
    low, high = entry.difference.interval  # of 0.7, 0, -0.6: Student's t, of a difference
    assert low == -1 and high == 1
    lines = lines_of(shares.to_markdown(), "## xsub")
    assert lines[2][2] == r"0.33 \[0.03, 0.88\]" and lines[3][2].startswith(r"**0.37 \[")
    half = table({"A": [0.4, 0.6]}, "recall", rows=[RowInfo("A")])
    assert lines_of(half.to_markdown(), "## xsub")[2][2] == r"**0.50 \[0.03, 0.97\]**"
    assert lines_of(shares.to_markdown(), "it builds on")[2][2].startswith(r"0.0 \[-1.0, 1.0\] (p ")


def test_a_score_outside_its_bounds_is_refused_by_name():
    with pytest.raises(ValueError, match="xsub: recall: 'A': a mean of 1.5 is outside its bounds, 0 to 1"):
        table({"A": [1.0, 2.0]}, "recall", rows=[RowInfo("A")])


def test_one_training_seed_has_no_interval():
    entry = table({"A": [2.0]}, rows=[RowInfo("A")]).entries["xsub", "A", "frechet"]
    assert (entry.mean, entry.interval) == (2.0, None)


@pytest.mark.parametrize("noise", [0.0, 1e-8])
def test_the_same_difference_at_every_seed_is_not_tested(noise):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = table({"Baseline": [0.7, 0.72, 0.74], "A": [0.6 + noise, 0.62, 0.64]})
    difference = result.entries["xsub", "A", "frechet"].difference
    assert difference.mean == pytest.approx(-0.1) and (difference.p, difference.adjusted, difference.effect) == (
        None,
        None,
        None,
    )
    assert not difference.stands
    assert "(the same at every seed, no test)" in result.to_markdown()
    assert result.reading("xsub") == ()


def test_all_differences_of_a_benchmark_are_corrected_together():
    rows = [RowInfo("Baseline"), RowInfo("A", "Baseline"), RowInfo("B", "Baseline")]
    values = {"Baseline": (0.0, 0.0), "A": (0.01, 0.2), "B": (0.02, 0.3)}
    cells = []
    for benchmark, (name, (frechet, diversity)), seed in product(("xsub", "xview"), values.items(), range(3)):
        scores = {"frechet": frechet + 0.004 * seed, "diversity": diversity + 0.1 * seed**2}
        if name == "Baseline":
            scores = dict.fromkeys(scores, 0.0)
        cells.append(Finding(benchmark, name, seed, report(scores)))
    for metrics in (["frechet", "diversity"], ["frechet"]):  # of the scores that are shown
        entries = table_of(cells, rows=rows, benchmarks=["xsub", "xview"], metrics=metrics).entries
        for benchmark in ("xsub", "xview"):
            differences = [entries[benchmark, name, metric].difference for name in "AB" for metric in metrics]
            assert [d.adjusted for d in differences] == holm([d.p for d in differences])


def test_differences_without_a_test_are_not_counted():
    rows = [RowInfo("Baseline"), *(RowInfo(name, "Baseline") for name in "ABC")]
    values = {"Baseline": [0.0] * 3, "A": [9.9, 10.0, 10.1], "B": [1.0, 2.0, 0.0], "C": [1.0, None, None]}
    result = table(values, rows=rows)
    p = 1 - 10 / math.sqrt(10**2 + 2 / 3 * 0.1**2)  # t = 10 sqrt(3) / 0.1
    a, b, c = (result.entries["xsub", name, "frechet"].difference for name in "ABC")
    assert a.p == pytest.approx(p, rel=1e-6) and a.adjusted == pytest.approx(2 * p, rel=1e-6)
    assert b.adjusted == b.p == pytest.approx(1 - math.sqrt(3 / 5))
    assert (c.p, c.adjusted) == (None, None)  # one common seed: no test
    assert (a.stands, b.stands, c.stands) == (True, False, False)


def test_a_difference_above_0_05_after_correction_does_not_stand():
    rows = [RowInfo("Baseline"), RowInfo("A", "Baseline"), RowInfo("B", "Baseline")]
    values = {"Baseline": [0.0] * 3, "A": [1.0, 1.3, 0.7], "B": [1.0, -1.0, 0.5]}
    difference = table(values, rows=rows).entries["xsub", "A", "frechet"].difference
    assert (
        difference.p == pytest.approx(1 - 1 / math.sqrt(1 + 2 / 3 * 0.3**2), rel=1e-9) and 0.025 < difference.p < 0.05
    )
    assert difference.adjusted == pytest.approx(2 * difference.p) and not difference.stands


# --- best ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "means", "best"),
    [
        ("frechet", [3.0, 1.0, 2.0], {"A"}),
        ("recall", [0.2, 0.1, 0.3], {"B"}),
        ("diversity", [12.0, 9.5, 10.6], {"A"}),  # real motions have 10
        ("diversity", [11.0, 9.0, 7.0], {"Baseline", "A"}),
        ("frechet", [1.0, 1.0, 2.0], {"Baseline", "A"}),
        ("recall", [0.0, 0.0, 0.0], {"Baseline", "A", "B"}),
        ("frechet", [-0.1, 0.0, 0.1], {"Baseline"}),
        ("frechet", [3.0, None, 4.0], {"Baseline"}),
    ],
)
def test_the_best_mean_is_marked_and_ties_share_it(metric, means, best):
    result = table({row.name: [mean] for row, mean in zip(ROWS, means, strict=True)}, metric)
    assert {name for (_, name, _), entry in result.entries.items() if entry.best} == best
    in_bold = {line[0] for line in lines_of(result.to_markdown(), "## xsub")[2:] if line[2].startswith("**")}
    assert in_bold == best


# --- missing results ----------------------------------------------------------------------------------------------


def test_missing_cells_are_listed_and_rows_count_their_seeds():
    values = {"Baseline": [1.0, 2.0, 3.0], "A": [1.0, None, 2.0]}
    result = table(values, missing={("xsub", "A", 1): "out of memory", ("xsub", "B", 0): "killed"})
    assert ("xsub", "B", "frechet") not in result.entries
    lines = lines_of(result.to_markdown(), "## xsub")
    assert lines[0] == ["recipe", "seeds", "frechet ↓"]
    assert lines[2:] == [
        ["Baseline", "3", r"2.0 \[0.0, 4.5\]"],
        ["A", "2 of 3 seeds", r"**1.5 \[0.0, 7.9\]**"],
        ["B", "0 of 3 seeds", "-"],
        ["real (floor)", "", "0.500"],
    ]
    assert "- no result of A, seed 1: out of memory\n- no result of B, seed 0: killed\n" in result.to_markdown()
    assert result.done("xsub", "A") == (0, 2) and result.seeds == {"xsub": (0, 1, 2)}


def test_a_grid_without_results_has_a_table():
    empty = table_of([], rows=ROWS, benchmarks=["xsub"], metrics=["frechet"], missing={("xsub", "A", 4): "killed"})
    assert lines_of(empty.to_markdown(), "## xsub")[3] == ["A", "0 of 1 seeds", "-"]
    assert empty.reading("xsub") == () and "killed" in empty.to_text() and "killed" in empty.to_latex()
    assert json.loads(json.dumps(empty.to_dict()))["missing"][0]["reason"] == "killed"


def test_a_score_that_only_some_cells_have_tells_their_number():
    cells = [
        Finding("xsub", "A", seed, report({"frechet": 1.0} | ({"recall": 0.5} if seed else {}))) for seed in (0, 1)
    ]
    result = table_of(cells, rows=[RowInfo("A")], benchmarks=["xsub"])
    assert lines_of(result.to_markdown(), "## xsub")[2] == ["A", "2", "**1.00 ± 0.00**", "**0.500 (n 1)**"]


def test_scores_come_in_the_order_of_the_report_or_of_the_request():
    assert list(large_table(large()).metrics) == ["frechet", "recall", "diversity"]
    assert list(large_table(large(), metrics=["diversity", "frechet"]).metrics) == ["diversity", "frechet"]


def test_findings_in_any_order_give_the_same_bytes():
    cells, first = large(), large_table(large())
    for seed in range(5):
        random.Random(seed).shuffle(cells)
        again = large_table(cells)
        assert again.to_markdown() == first.to_markdown() and again.to_csv() == first.to_csv()
        assert again.to_latex() == first.to_latex() and again.to_text() == first.to_text()
        assert json.dumps(again.to_dict()) == json.dumps(first.to_dict())


# --- published numbers --------------------------------------------------------------------------------------------

SEED_STUDY = {"xsub": {"Baseline": {"fid": 345.069, "mmd_frame": 1.224}, "E": {"fid": 1.0}}, "ntu": {"A": {"fid": 2.0}}}


def test_published_numbers_stand_beside_scores_by_the_published_procedure():
    lines = lines_of(large_table(large(), published=SEED_STUDY).to_markdown(), "### As published")
    assert lines[0] == ["recipe", "fid theirs", "fid ours", r"mmd\_frame theirs", r"mmd\_frame ours"]
    assert lines[2][:4] == ["Baseline", "345.069", "-", "1.224"] and re.fullmatch(r"1\.\d+ ± 0\.\d+", lines[2][4])
    assert lines[3][:4] == ["A", "-", "-", "-"]


def test_published_numbers_of_another_benchmark_are_not_shown():
    result = large_table(large(), published=SEED_STUDY)
    assert {theirs for (where, _, _), (theirs, _) in result.published.items() if where == "xview"} == {None}
    assert {name for _, name, _ in result.published} == {"Baseline", "A", "B"}


def test_published_numbers_are_not_shown_without_scores_by_the_published_procedure():
    bare = [replace(finding, published=None) for finding in large()]
    result = large_table(bare, published=SEED_STUDY)
    assert result.published == {} and "As published" not in result.to_markdown() and "345.069" not in result.to_csv()


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "fault"),
    [
        ({"n_fake": 341}, "n_fake: 340 and 341"),
        ({"seeds": (0, 2)}, r"seeds: \(0, 1\) and \(0, 2\)"),
        ({"reference_hash": "abc"}, "reference_hash: None and 'abc'"),
    ],
)
def test_cells_with_other_labels_are_refused_by_name(label, fault):
    cells = [*findings({"Baseline": [1.0, 2.0]}), Finding("xsub", "A", 1, report({"frechet": 1.0}, **label))]
    with pytest.raises(ValueError, match=rf"xsub: frechet: 'Baseline' seed 0 and 'A' seed 1: .*{fault}"):
        table_of(cells, rows=ROWS, benchmarks=["xsub"])
    other = [*findings({"Baseline": [1.0, 2.0]}), *findings({"A": [1.0]}, benchmark="xview", **label)]
    assert len(table_of(other, rows=ROWS, benchmarks=["xsub", "xview"]).entries) == 2


def test_cells_with_another_floor_or_published_label_are_refused():
    higher = findings({"Baseline": [1.0]})
    lower = Finding("xsub", "A", 0, report({"frechet": 1.0}, {"frechet": 0.4}))
    with pytest.raises(ValueError, match="'Baseline' seed 0 and 'A' seed 0: the floor .* 0.5 and 0.4"):
        table_of([*higher, lower], rows=ROWS, benchmarks=["xsub"])
    close = replace(lower, report=report({"frechet": 1.0}, {"frechet": 0.5 + 1e-6}))
    result = table_of([*higher, close], rows=ROWS, benchmarks=["xsub"])
    assert result.columns["xsub", "frechet"].floor == pytest.approx(0.5 + 5e-7, abs=1e-12)
    cells = large()
    cells[1] = replace(cells[1], published=report({"mmd_frame": 1.0}, estimator="published", n_fake=9))
    with pytest.raises(ValueError, match="mmd_frame: 'Baseline' seed 0 and 'Baseline' seed 1: .*n_fake"):
        large_table(cells)


def test_scores_that_are_better_in_different_ways_are_refused():
    row = report({"recall": 0.5}).rows[0]
    cells = [*findings({"A": [0.5]}, "recall"), Finding("xview", "A", 0, Report("", (row._replace(better="low"),)))]
    with pytest.raises(ValueError, match="xview: recall: better is 'low', elsewhere 'high'"):
        table_of(cells, rows=ROWS, benchmarks=["xsub", "xview"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": [RowInfo("A")]}, "no row 'Baseline'; there are: A"),
        ({"rows": [*ROWS, RowInfo("A")]}, "row 'A' is given twice"),
        ({"rows": [*ROWS, RowInfo("C", "D")]}, "row 'C' builds on 'D'"),
        ({"rows": [*ROWS, RowInfo("C", "C")]}, "row 'C' builds on 'C'"),
        ({"benchmarks": ["xsub"]}, "no benchmark 'xview'"),
        ({"benchmarks": ["xsub", "xview", "xsub"]}, "benchmark 'xsub' is given twice"),
        ({"metrics": ["weather"]}, "no score 'weather'; there are: frechet"),
        ({"missing": {("xsub", "A", 0): "killed"}}, "'A' seed 0 is among the findings and among the missing"),
        ({"missing": {("xsub", "E", 0): "killed"}}, "no row 'E'"),
        ({"published": {"xsub": {"A": {"fid": math.nan}}}}, "published fid is nan"),
    ],
)
def test_wrong_requests_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        large_table(large(), **options)


def test_a_cell_given_twice_is_refused():
    with pytest.raises(ValueError, match="xsub: 'A' seed 0 is given twice"):
        table_of(findings({"A": [1.0]}) * 2, rows=ROWS, benchmarks=["xsub"])


# --- words and numbers --------------------------------------------------------------------------------------------


def test_the_reading_lists_significant_differences():
    rows = [RowInfo("Baseline"), *(RowInfo(name, "Baseline") for name in ("A", "B", "C", "D"))]
    values = {"Baseline": [20.0] * 3, "A": [9.9, 10.0, 10.1], "B": [29.9, 30.0, 30.1], "C": [21.0, 22.0, 20.0],
              "D": [19.0, None, None]}  # fmt: skip
    frechet = table(values, rows=rows).reading("xsub")
    assert frechet == (
        "3 differences were tested; 2 have p <= 0.05 by themselves, 0.15 would by luck; "
        "2 stand after correction over all 3",
        "frechet: A is better than Baseline (-10.00 ± 0.25, p < 0.001), "
        "B is worse than Baseline (+10.00 ± 0.25, p < 0.001)",
    )
    shares = {name: [None if v is None else v / 40 for v in row] for name, row in values.items()}
    recall = table(shares, "recall", rows=rows).reading("xsub")[1]
    assert "A is worse than Baseline" in recall and "B is better than Baseline" in recall
    diversity = table(values, "diversity", rows=rows).reading("xsub")[1]  # real motions have 10
    assert "A is lower, nearer to real, than Baseline" in diversity
    assert "B is higher, further from real, than Baseline" in diversity


def test_the_reading_counts_one_as_one():
    (counts, _) = table({"Baseline": [20.0] * 3, "A": [9.9, 10.0, 10.1]}).reading("xsub")
    assert counts.startswith("1 difference was tested; 1 has p <= 0.05 by itself, 0.05 would by luck; 1 stands after")
    (counts,) = table({"Baseline": [20.0] * 3, "A": [21.0, 21.5, 20.5]}).reading("xsub")  # t = 2 sqrt(3), p = 0.074
    assert counts == "1 difference was tested; 0 have p <= 0.05 by themselves, 0.05 would by luck; " + (
        "0 stand after correction over all 1"
    )


def test_differences_show_p_and_effect_and_mark_significant_ones():
    values = {"Baseline": [20.0] * 3, "A": [21.0, 22.0, 20.0], "B": [10.1, 11.0, None]}  # B - A: -10.9 and -11.0
    lines = lines_of(table(values).to_markdown(), "### Differences to the row it builds on")
    assert lines[2:] == [
        ["A", "Baseline", "+1.0 ± 2.5 (p 0.23, d 0.6)"],
        ["B", "A", "**-10.95 ± 0.64 (p 0.0029, n 2)**"],
    ]


# --- formats ------------------------------------------------------------------------------------------------------


def test_csv_holds_all_numbers():
    result = large_table(large(), published=SEED_STUDY)
    lines = list(csv.DictReader(io.StringIO(result.to_csv())))
    plain = [line for line in lines if line["scoring"] == "default"]
    assert len(plain) == 2 * 3 * 3
    for line in plain:
        entry = result.entries[line["benchmark"], line["row"], line["metric"]]
        assert {int(k): float(v) for k, v in (pair.split("=") for pair in line["values"].split())} == entry.values
        assert (float(line["interval_low"]), float(line["interval_high"])) == entry.interval
        assert float(line["mean"]) == entry.mean
        assert (int(line["seeds"]), int(line["planned"])) == (len(entry.values), 3)
        assert (line["best"] == "yes", line["better"]) == (entry.best, BETTER[line["metric"]])
        assert float(line["floor"]) == FLOORS[line["metric"]] and len(line["label"]) == 6
        difference = entry.difference
        if difference is None:
            assert line["row"] == "Baseline"
            assert {line[name] for name in ("difference", "difference_low", "difference_high", "p")} == {""}
        else:
            names = ("difference", "difference_low", "difference_high", "p", "p_holm", "effect")
            numbers = [line[name] for name in names]
            kept = (difference.mean, *difference.interval, difference.p, difference.adjusted, difference.effect)
            assert line["stands"] == ("yes" if difference.stands else "no")
            assert [None if number == "" else float(number) for number in numbers] == list(kept)
            assert (line["after"], int(line["common"])) == (difference.after, len(difference.seeds))
    theirs = {
        (line["benchmark"], line["row"], line["metric"]): line["published"] for line in lines if line["published"]
    }
    assert theirs == {("xsub", "Baseline", "fid"): "345.069", ("xsub", "Baseline", "mmd_frame"): "1.224"}


def test_json_is_strict_and_holds_all_numbers():
    result = large_table(large(), published=SEED_STUDY)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["format"] == "kinetic-table" and plain["metrics"] == BETTER
    assert plain["rows"][1] == {"name": "A", "after": "Baseline", "about": "max pooling"}
    assert plain["missing"] == [{"benchmark": "xsub", "row": "B", "seed": 1, "reason": "killed"}]
    first = plain["benchmarks"][0]
    assert (first["name"], first["seeds"], first["metrics"]["recall"]["floor"]) == ("xsub", [0, 1, 2], 0.75)
    assert first["metrics"]["recall"]["label"]["n_real"] == 340
    entry, kept = result.entries["xsub", "A", "recall"], first["rows"]["A"]["recall"]
    assert kept["values"] == {str(seed): value for seed, value in entry.values.items()}
    assert (kept["mean"], tuple(kept["interval"]), kept["best"]) == (entry.mean, entry.interval, entry.best)
    assert tuple(kept["difference"]["interval"]) == entry.difference.interval
    assert kept["difference"]["p"] == entry.difference.p and kept["difference"]["stands"] == entry.difference.stands
    assert first["published"]["Baseline"]["fid"] == {"theirs": 345.069, "ours": None}
    assert tuple(first["reading"]) == result.reading("xsub")


def test_json_of_degenerate_differences_is_strict_too():
    values = {"Baseline": [0.0, 0.0, 0.0], "A": [1.0, 1.0, 1.0], "B": [1.0, None, None]}
    assert "Infinity" not in json.dumps(table(values).to_dict(), allow_nan=False)
