"""The table of a grid: its statistics against hand-worked numbers, what it refuses, and every format of it."""

import csv
import io
import json
import math
import random
import re
import warnings
from dataclasses import replace

import pytest

from kinetic.ablation.table import Finding, RowInfo, holm, paired, shown, table_of
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
    found = []
    for benchmark in ("xsub", "xview"):
        for row in ROWS:
            for seed in range(3):
                if (benchmark, row.name, seed) != ("xsub", "B", 1):
                    scores = {name: rng.uniform(0, 1) for name in BETTER}
                    published = report({"mmd_frame": rng.uniform(1, 2)}, estimator="published")
                    found.append(Finding(benchmark, row.name, seed, report(scores), published))
    return found


def large_table(found, **options):
    options = {"rows": ROWS, "benchmarks": ["xsub", "xview"], "missing": {("xsub", "B", 1): "killed"}} | options
    return table_of(found, **options)


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
    made = table({"A": [0.2, 0.1, 0.7], "B": [0.9, 0.1, 0.1]}, "recall", rows=[RowInfo("A"), RowInfo("B", "A")])
    entry = made.entries["xsub", "B", "recall"]
    assert entry.interval == interval([0.9, 0.1, 0.1], bounds=(0, 1)) and 0 < entry.interval[0] < 0.1
    low, high = entry.difference.interval  # of 0.7, 0, -0.6: Student's t, of a difference
    assert low == -1 and high == 1
    lines = lines_of(made.to_markdown(), "## xsub")
    assert lines[2][2] == r"0.33 \[0.03, 0.88\]" and lines[3][2].startswith(r"**0.37 \[")
    half = table({"A": [0.4, 0.6]}, "recall", rows=[RowInfo("A")])
    assert lines_of(half.to_markdown(), "## xsub")[2][2] == r"**0.50 \[0.03, 0.97\]**"
    assert lines_of(made.to_markdown(), "it builds on")[2][2].startswith(r"0.0 \[-1.0, 1.0\] (p ")


def test_a_score_outside_its_bounds_is_refused_by_name():
    with pytest.raises(ValueError, match="xsub: recall: 'A': a mean of 1.5 is outside its bounds, 0 to 1"):
        table({"A": [1.0, 2.0]}, "recall", rows=[RowInfo("A")])


def test_one_seed_has_no_interval_though_its_generator_was_sampled_several_times():
    entry = table({"A": [2.0]}, rows=[RowInfo("A")]).entries["xsub", "A", "frechet"]
    assert (entry.mean, entry.interval) == (2.0, None)


def test_a_difference_is_tested_in_pairs_of_seeds():
    found = paired({0: 2.0, 1: 4.0, 2: 3.0}, {0: 1.0, 1: 2.0, 2: 3.0}, after="A")  # 1, 2, 0: mean 1, deviation 1
    assert (found.after, found.seeds, found.mean) == ("A", (0, 1, 2), 1.0)
    half = T2 / math.sqrt(3)
    assert found.interval == pytest.approx((1 - half, 1 + half), rel=1e-12)
    assert found.p == pytest.approx(1 - math.sqrt(3 / 5), rel=1e-12)  # t = sqrt(3); at 2 degrees 1 - t / sqrt(2 + t^2)
    assert found.effect == pytest.approx(1 / math.sqrt(math.pi), rel=1e-12)  # d_z 1, J(2) = G(1) / G(1/2)


def test_the_effect_of_four_seeds_is_corrected_less():
    found = paired(dict(enumerate([2.0, 0.0, 4.0, 2.0])), dict.fromkeys(range(4), 0.0))  # mean 2, variance 8/3
    assert found.effect == pytest.approx(2 / math.sqrt(8 / 3) * math.sqrt(math.pi / 6), rel=1e-12)  # J(3) = sqrt(pi/6)


def test_two_seeds_have_a_test_and_no_effect_size():
    found = paired({0: 1.0, 1: 3.0}, {0: 0.0, 1: 0.0})
    assert found.p == pytest.approx(1 - 2 / math.pi * math.atan(2.0), rel=1e-12)  # t = 2 at 1 degree
    assert found.effect is None and found.interval == pytest.approx((2 - T1, 2 + T1))
    cut = paired({0: 1.0, 1: 3.0}, {0: 0.0, 1: 0.0}, bounds=(-4.0, 4.0))
    assert cut == replace(found, interval=(-4.0, 4.0))


def test_only_common_seeds_are_compared():
    found = paired({0: 5.0, 2: 4.0, 7: 1.0}, {2: 1.0, 3: 9.0})
    assert (found.seeds, found.mean, found.interval, found.p, found.effect) == ((2,), 3.0, None, None, None)
    assert paired({0: 1.0}, {1: 1.0}) is None


def test_identical_rows_differ_by_nothing_with_p_1_and_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = paired({0: 0.1, 1: 0.7}, {0: 0.1, 1: 0.7})
    assert (found.mean, found.interval, found.p, found.effect) == (0.0, (0.0, 0.0), 1.0, 0.0)


@pytest.mark.parametrize("noise", [0.0, 1e-8])
def test_the_same_difference_at_every_seed_is_not_tested(noise):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = table({"Baseline": [0.7, 0.72, 0.74], "A": [0.6 + noise, 0.62, 0.64]})
    found = made.entries["xsub", "A", "frechet"].difference
    assert found.mean == pytest.approx(-0.1) and (found.p, found.adjusted, found.effect) == (None, None, None)
    assert not found.stands
    assert "(the same at every seed, no test)" in made.to_markdown()
    assert made.reading("xsub") == ()


def test_holm_multiplies_the_smallest_most_and_never_falls():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02] and holm([]) == []


def test_all_differences_of_a_benchmark_are_corrected_together():
    rows = [RowInfo("Baseline"), RowInfo("A", "Baseline"), RowInfo("B", "Baseline")]
    values = {"Baseline": (0.0, 0.0), "A": (0.01, 0.2), "B": (0.02, 0.3)}
    found = [
        Finding(benchmark, name, seed, report({"frechet": one + 0.004 * seed, "diversity": other + 0.1 * seed**2}))
        for benchmark in ("xsub", "xview") for name, (one, other) in values.items() for seed in range(3)
    ]  # fmt: skip
    found = [
        replace(each, report=report({"frechet": 0.0, "diversity": 0.0})) if each.recipe == "Baseline" else each
        for each in found
    ]
    made = table_of(found, rows=rows, benchmarks=["xsub", "xview"])
    for benchmark in ("xsub", "xview"):
        here = [
            made.entries[benchmark, name, metric].difference for name in "AB" for metric in ("frechet", "diversity")
        ]
        assert [each.adjusted for each in here] == holm([each.p for each in here])
    alone = table_of(found, rows=rows, benchmarks=["xsub", "xview"], metrics=["frechet"])
    here = [alone.entries["xsub", name, "frechet"].difference for name in "AB"]
    assert [each.adjusted for each in here] == holm([each.p for each in here])  # of the scores that are shown


def test_differences_without_a_test_are_not_counted():
    rows = [RowInfo("Baseline"), *(RowInfo(name, "Baseline") for name in "ABC")]
    values = {"Baseline": [0.0] * 3, "A": [9.9, 10.0, 10.1], "B": [1.0, 2.0, 0.0], "C": [1.0, None, None]}
    made = table(values, rows=rows)
    p = 1 - 10 / math.sqrt(10**2 + 2 / 3 * 0.1**2)  # t = 10 sqrt(3) / 0.1
    a, b, c = (made.entries["xsub", name, "frechet"].difference for name in "ABC")
    assert a.p == pytest.approx(p, rel=1e-6) and a.adjusted == pytest.approx(2 * p, rel=1e-6)
    assert b.adjusted == b.p == pytest.approx(1 - math.sqrt(3 / 5))
    assert (c.p, c.adjusted) == (None, None)  # one common seed: it is no test and is not counted
    assert (a.stands, b.stands, c.stands) == (True, False, False)


def test_what_does_not_survive_the_correction_does_not_stand():
    rows = [RowInfo("Baseline"), RowInfo("A", "Baseline"), RowInfo("B", "Baseline")]
    values = {"Baseline": [0.0] * 3, "A": [1.0, 1.3, 0.7], "B": [1.0, -1.0, 0.5]}
    found = table(values, rows=rows).entries["xsub", "A", "frechet"].difference
    assert found.p == pytest.approx(1 - 1 / math.sqrt(1 + 2 / 3 * 0.3**2), rel=1e-9) and 0.025 < found.p < 0.05
    assert found.adjusted == pytest.approx(2 * found.p) and not found.stands


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
    made = table({row.name: [mean] for row, mean in zip(ROWS, means, strict=True)}, metric)
    assert {name for (_, name, _), entry in made.entries.items() if entry.best} == best
    in_bold = {line[0] for line in lines_of(made.to_markdown(), "## xsub")[2:] if line[2].startswith("**")}
    assert in_bold == best


# --- what is there and what is not --------------------------------------------------------------------------------


def test_missing_cells_are_listed_and_rows_say_how_many_seeds_they_have():
    values = {"Baseline": [1.0, 2.0, 3.0], "A": [1.0, None, 2.0]}
    made = table(values, missing={("xsub", "A", 1): "out of memory", ("xsub", "B", 0): "killed"})
    assert ("xsub", "B", "frechet") not in made.entries
    lines = lines_of(made.to_markdown(), "## xsub")
    assert lines[0] == ["recipe", "seeds", "frechet ↓"]
    assert lines[2:] == [
        ["Baseline", "3", r"2.0 \[0.0, 4.5\]"],
        ["A", "2 of 3 seeds", r"**1.5 \[0.0, 7.9\]**"],
        ["B", "0 of 3 seeds", "-"],
        ["real (floor)", "", "0.500"],
    ]
    assert "- no result of A, seed 1: out of memory\n- no result of B, seed 0: killed\n" in made.to_markdown()
    assert made.done("xsub", "A") == (0, 2) and made.seeds == {"xsub": (0, 1, 2)}


def test_a_grid_of_which_nothing_is_done_is_still_a_table():
    made = table_of([], rows=ROWS, benchmarks=["xsub"], metrics=["frechet"], missing={("xsub", "A", 4): "killed"})
    assert lines_of(made.to_markdown(), "## xsub")[3] == ["A", "0 of 1 seeds", "-"]
    assert made.reading("xsub") == () and "killed" in made.to_text() and "killed" in made.to_latex()
    assert json.loads(json.dumps(made.to_dict()))["missing"][0]["reason"] == "killed"


def test_a_score_that_only_some_cells_have_says_of_how_many():
    found = [
        Finding("xsub", "A", seed, report({"frechet": 1.0} | ({"recall": 0.5} if seed else {}))) for seed in (0, 1)
    ]
    made = table_of(found, rows=[RowInfo("A")], benchmarks=["xsub"])
    assert lines_of(made.to_markdown(), "## xsub")[2] == ["A", "2", "**1.00 ± 0.00**", "**0.500 (n 1)**"]


def test_scores_come_in_the_order_of_the_report_or_in_that_asked_for():
    assert list(large_table(large()).metrics) == ["frechet", "recall", "diversity"]
    assert list(large_table(large(), metrics=["diversity", "frechet"]).metrics) == ["diversity", "frechet"]


def test_findings_in_any_order_give_the_same_bytes():
    found, first = large(), large_table(large())
    for seed in range(5):
        random.Random(seed).shuffle(found)
        again = large_table(found)
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
    made = large_table(large(), published=SEED_STUDY)
    assert {theirs for (where, _, _), (theirs, _) in made.published.items() if where == "xview"} == {None}
    assert {name for _, name, _ in made.published} == {"Baseline", "A", "B"}


def test_published_numbers_are_not_shown_where_nothing_was_scored_alike():
    bare = [replace(each, published=None) for each in large()]
    made = large_table(bare, published=SEED_STUDY)
    assert made.published == {} and "As published" not in made.to_markdown() and "345.069" not in made.to_csv()


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
    found = [*findings({"Baseline": [1.0, 2.0]}), Finding("xsub", "A", 1, report({"frechet": 1.0}, **label))]
    with pytest.raises(ValueError, match=rf"xsub: frechet: 'Baseline' seed 0 and 'A' seed 1: .*{fault}"):
        table_of(found, rows=ROWS, benchmarks=["xsub"])
    other = [*findings({"Baseline": [1.0, 2.0]}), *findings({"A": [1.0]}, benchmark="xview", **label)]
    assert len(table_of(other, rows=ROWS, benchmarks=["xsub", "xview"]).entries) == 2


def test_cells_with_another_floor_or_published_label_are_refused():
    one = findings({"Baseline": [1.0]})
    lower = Finding("xsub", "A", 0, report({"frechet": 1.0}, {"frechet": 0.4}))
    with pytest.raises(ValueError, match="'Baseline' seed 0 and 'A' seed 0: the floor .* 0.5 and 0.4"):
        table_of([*one, lower], rows=ROWS, benchmarks=["xsub"])
    nearly = replace(lower, report=report({"frechet": 1.0}, {"frechet": 0.5 + 1e-6}))
    made = table_of([*one, nearly], rows=ROWS, benchmarks=["xsub"])
    assert made.columns["xsub", "frechet"].floor == pytest.approx(0.5 + 5e-7, abs=1e-12)
    found = large()
    found[1] = replace(found[1], published=report({"mmd_frame": 1.0}, estimator="published", n_fake=9))
    with pytest.raises(ValueError, match="mmd_frame: 'Baseline' seed 0 and 'Baseline' seed 1: .*n_fake"):
        large_table(found)


def test_scores_that_are_better_in_different_ways_are_refused():
    row = report({"recall": 0.5}).rows[0]
    found = [*findings({"A": [0.5]}, "recall"), Finding("xview", "A", 0, Report("", (row._replace(better="low"),)))]
    with pytest.raises(ValueError, match="xview: recall: better is 'low', elsewhere 'high'"):
        table_of(found, rows=ROWS, benchmarks=["xsub", "xview"])


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


def test_the_reading_tells_what_stands_from_noise():
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
    (told, _) = table({"Baseline": [20.0] * 3, "A": [9.9, 10.0, 10.1]}).reading("xsub")
    assert told.startswith("1 difference was tested; 1 has p <= 0.05 by itself, 0.05 would by luck; 1 stands after")
    (told,) = table({"Baseline": [20.0] * 3, "A": [21.0, 21.5, 20.5]}).reading("xsub")  # t = 2 sqrt(3), p = 0.074
    assert told == "1 difference was tested; 0 have p <= 0.05 by themselves, 0.05 would by luck; " + (
        "0 stand after correction over all 1"
    )


def test_differences_tell_p_effect_and_what_stands():
    values = {"Baseline": [20.0] * 3, "A": [21.0, 22.0, 20.0], "B": [10.1, 11.0, None]}  # B - A: -10.9 and -11.0
    lines = lines_of(table(values).to_markdown(), "### Differences to the row it builds on")
    assert lines[2:] == [
        ["A", "Baseline", "+1.0 ± 2.5 (p 0.23, d 0.6)"],
        ["B", "A", "**-10.95 ± 0.64 (p 0.0029, n 2)**"],
    ]


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (345.069, None, "345"),
        (345.069, 12.34, "345 ± 12"),
        (345.069, 120.0, "345 ± 120"),
        (0.0123456, None, "0.0123"),
        (0.0123456, 0.0004, "0.01235 ± 0.00040"),
        (3.14159, 0.25, "3.14 ± 0.25"),
        (0.1, 5.3, "0.1 ± 5.3"),
        (-0.01, 5.3, "0.0 ± 5.3"),
        (0.0, None, "0.00"),
        (2.0, 0.0, "2.00 ± 0.00"),
        (2.0, 1e-15, "2.00 ± 0.00"),
        (0.0999999, None, "0.100"),
        (7.036, 0.0996, "7.04 ± 0.10"),
        (1234567.0, None, "1.23e+06"),
        (1e-12, None, "1.00e-12"),
    ],
)
def test_numbers_have_the_digits_that_mean_something(value, half, text):
    assert shown(value, None if half is None else (value - half, value + half)) == text


@pytest.mark.parametrize(
    ("value", "ends", "text"),
    [
        (0.32, (0.05, 0.81), "0.32 [0.05, 0.81]"),
        (0.948, (0.941, 0.954), "0.9480 [0.9410, 0.9540]"),
        (13.0, (0.0, 35.1), "13 [0, 35]"),
        (0.004, (-0.0, 0.5), "0.00 [0.00, 0.50]"),
        (0.0, (-1.0, 0.7), "0.00 [-1.00, 0.70]"),
        (2e6, (0.0, 5e6), "2.00e+06 [0.00e+00, 5.00e+06]"),
    ],
)
def test_intervals_that_are_not_symmetric_are_shown_by_their_ends(value, ends, text):
    assert shown(value, ends) == text


def test_intervals_of_shares_are_shown_by_their_ends():
    assert shown(0.5, (0.3, 0.7), brackets=True) == "0.50 [0.30, 0.70]"
    assert shown(1.0, (1.0, 1.0), brackets=True) == "1.00 [1.00, 1.00]"
    assert shown(0.5, brackets=True) == "0.500"


def test_differences_show_their_sign_but_for_zero():
    assert [shown(value, (value - 1, value + 1), sign=True) for value in (2.0, -2.0, 0.01)] == [
        "+2.0 ± 1.0",
        "-2.0 ± 1.0",
        "0.0 ± 1.0",
    ]


# --- formats ------------------------------------------------------------------------------------------------------

NASTY = "=1|2 <b>&_%$#{}~^\\ *x* `y` [z](http://e.vil)\n# head \u202e\x1b[31m"
NASTY_ROWS = (RowInfo("Baseline"), RowInfo(NASTY, "Baseline", "<script>|\n"))


def nasty():
    found = findings({"Baseline": [1.0, 2.0, 4.0], NASTY: [3.0, 1.0, 2.0]}, benchmark="@b|<i>")
    return table_of(found, rows=NASTY_ROWS, benchmarks=["@b|<i>"], missing={("@b|<i>", NASTY, 3): "a\n| b |\n</td>"})


def test_names_stay_text_in_markdown():
    name = (
        r"=1\|2 &lt;b&gt;&amp;\_%\$\#\{\}\~\^\\ \*x\* \`y\` \[z\](http\://e.vil) \# head "
        r"\\u202e\\x1b\[31m"  # in one line
    )
    text = nasty().to_markdown()
    assert lines_of(text, "## \\@b\\|&lt;i&gt;")[3][0] == name
    assert f"- no result of {name}, seed 3: a \\| b \\| &lt;/td&gt;\n" in text
    assert f"- **{name}**: &lt;script&gt;\\|\n" in text
    assert not re.search(r"<\w|\u202e|\x1b", text)


def test_markdown_makes_one_table_of_names_and_no_markup():
    markdown_it = pytest.importorskip("markdown_it")
    page = markdown_it.MarkdownIt("gfm-like", {"linkify": False}).render(nasty().to_markdown())
    assert page.count("<table>") == 2 and page.count("<h2>") == 1
    assert set(re.findall(r"<(\w+)", page)) == {
        *("ul", "li", "strong", "h2", "h3", "table", "thead", "tbody", "tr", "th", "td")
    }
    assert (
        '<td style="text-align:left">=1|2 &lt;b&gt;&amp;_%$#{}~^\\ *x* `y` [z](http://e.vil) # head [31m</td>' in page
    )


def test_names_stay_text_in_latex():
    name = (
        r"=1\textbar{}2 \textless{}b\textgreater{}\&\_\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{} "
        r"{*}x{*} {`}y{`} {[}z{]}(http://e.vil) \# head "
        r"\textbackslash{}u202e\textbackslash{}x1b{[}31m"
    )
    text = nasty().to_latex()
    assert f"\n{name} & 3 of 4 seeds & \\textbf{{2.0 {{[}}0.0, 4.5{{]}}}} \\\\\n" in text
    assert "frechet $\\downarrow$" in text and "$-$0.3" in text
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 2
    assert text.count("\\toprule") == text.count("\\bottomrule") == 2
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")


def test_names_are_in_one_line_of_ascii_signs_in_a_terminal():
    lines = nasty().to_text().splitlines()
    assert lines[0] == "== @b|<i> =="
    assert lines[2].split() == ["recipe", "seeds", "frechet", "(lower)"]
    assert lines[4].split() == ["Baseline", "3", "of", "4", "seeds", "2.3", "[0.0,", "6.1]"]
    assert lines[5].startswith("=1|2 <b>&_%$#{}~^\\ *x* `y` ")
    assert " # head \\u202e\\x1b[31m  " in lines[5] and lines[5].endswith(" *")
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_columns_that_do_not_fit_come_below():
    wide, narrow = (large_table(large()).to_text(width=width) for width in (200, 40))
    headers = [[line for line in text.splitlines() if line.startswith("recipe ")] for text in (wide, narrow)]
    assert len(headers[0]) == 3 * 2 and max(len(line) for line in headers[1]) <= 45  # two names and one column
    for name in ("seeds", *BETTER, "mmd_frame"):
        assert sum(f"  {name}" in line for line in headers[1]) == sum(line.count(f"  {name}") for line in headers[0])


def test_csv_guards_names_and_not_numbers():
    lines = list(csv.DictReader(io.StringIO(nasty().to_csv())))
    assert [line["row"][:3] for line in lines] == ["Bas", "'=1"] and {line["benchmark"] for line in lines} == {
        "'@b|<i>"
    }
    assert float(lines[1]["difference"]) == pytest.approx(-1 / 3)
    for sign in "+-@=":
        guarded = table_of(findings({f"{sign}1": [1.0]}), rows=[RowInfo(f"{sign}1")], benchmarks=["xsub"]).to_csv()
        assert f"xsub,'{sign}1,frechet" in guarded


def test_csv_holds_all_numbers():
    made = large_table(large(), published=SEED_STUDY)
    lines = list(csv.DictReader(io.StringIO(made.to_csv())))
    plain = [line for line in lines if line["scoring"] == "default"]
    assert len(plain) == 2 * 3 * 3
    for line in plain:
        entry = made.entries[line["benchmark"], line["row"], line["metric"]]
        assert {int(k): float(v) for k, v in (pair.split("=") for pair in line["values"].split())} == entry.values
        assert (float(line["interval_low"]), float(line["interval_high"])) == entry.interval
        assert float(line["mean"]) == entry.mean
        assert (int(line["seeds"]), int(line["planned"])) == (len(entry.values), 3)
        assert (line["best"] == "yes", line["better"]) == (entry.best, BETTER[line["metric"]])
        assert float(line["floor"]) == FLOORS[line["metric"]] and len(line["label"]) == 6
        found = entry.difference
        if found is None:
            assert line["row"] == "Baseline"
            assert {line[name] for name in ("difference", "difference_low", "difference_high", "p")} == {""}
        else:
            names = ("difference", "difference_low", "difference_high", "p", "p_holm", "effect")
            numbers = [line[name] for name in names]
            kept = (found.mean, *found.interval, found.p, found.adjusted, found.effect)
            assert line["stands"] == ("yes" if found.stands else "no")
            assert [None if each == "" else float(each) for each in numbers] == list(kept)
            assert (line["after"], int(line["common"])) == (found.after, len(found.seeds))
    theirs = {
        (line["benchmark"], line["row"], line["metric"]): line["published"] for line in lines if line["published"]
    }
    assert theirs == {("xsub", "Baseline", "fid"): "345.069", ("xsub", "Baseline", "mmd_frame"): "1.224"}


def test_json_is_strict_and_holds_all_numbers():
    made = large_table(large(), published=SEED_STUDY)
    plain = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert plain["format"] == "kinetic-table" and plain["metrics"] == BETTER
    assert plain["rows"][1] == {"name": "A", "after": "Baseline", "about": "max pooling"}
    assert plain["missing"] == [{"benchmark": "xsub", "row": "B", "seed": 1, "reason": "killed"}]
    first = plain["benchmarks"][0]
    assert (first["name"], first["seeds"], first["metrics"]["recall"]["floor"]) == ("xsub", [0, 1, 2], 0.75)
    assert first["metrics"]["recall"]["label"]["n_real"] == 340
    entry, kept = made.entries["xsub", "A", "recall"], first["rows"]["A"]["recall"]
    assert kept["values"] == {str(seed): value for seed, value in entry.values.items()}
    assert (kept["mean"], tuple(kept["interval"]), kept["best"]) == (entry.mean, entry.interval, entry.best)
    assert tuple(kept["difference"]["interval"]) == entry.difference.interval
    assert kept["difference"]["p"] == entry.difference.p and kept["difference"]["stands"] == entry.difference.stands
    assert first["published"]["Baseline"]["fid"] == {"theirs": 345.069, "ours": None}
    assert tuple(first["reading"]) == made.reading("xsub")


def test_json_of_degenerate_differences_is_strict_too():
    values = {"Baseline": [0.0, 0.0, 0.0], "A": [1.0, 1.0, 1.0], "B": [1.0, None, None]}
    assert "Infinity" not in json.dumps(table(values).to_dict(), allow_nan=False)
