"""Pictures of a grid: they show every recipe, its spread and the floor."""

import numpy as np
import pytest
from PIL import Image

from kinetic.ablation import pictures
from kinetic.ablation.pictures import curve_chart, metric_chart
from kinetic.ablation.statistics import Finding, RowInfo
from kinetic.ablation.table import table_of
from kinetic.evaluation.report import Report, Row
from kinetic.metrics.intervals import interval
from kinetic.metrics.score import Score
from kinetic.pictures.charts import BLUE, RED

FACTS = {"estimator": "gaussian", "reference": "r", "n_real": 9, "n_fake": 9, "frames": 64, "version": "0.1.0"}
NASTY = "$\\frac{$ \u202e\n" + "x" * 60
ROWS = (RowInfo("Baseline"), RowInfo(NASTY, "Baseline"), RowInfo("never run", NASTY))


def findings(values=None, floor=0.5, epochs=(1, 2, 4)):
    """The findings of rows with scores of seeds 0, 1, ...; each curve ends in its score."""
    cells = []
    for name, scores in (values or {"Baseline": [3.0, 3.5, 4.0], NASTY: [1.0, 1.2, 1.1]}).items():
        for seed, value in enumerate(scores):
            rows = (
                Row(Score(value=value, metric="frechet", **FACTS), Score(value=floor, metric="frechet", **FACTS)),
                Row(Score(value=0.5, metric="recall", **FACTS), Score(value=0.7, metric="recall", **FACTS), "high"),
            )
            curve = tuple((epoch, {"frechet": value * epochs[-1] / epoch}) for epoch in epochs)
            cells.append(Finding("x$sub", name, seed, Report("", rows), None, curve))
    return cells


def table(cells):
    return table_of(cells, rows=ROWS, benchmarks=["x$sub", "empty"])


def pixels(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"), dtype=int)


def painted(path, colour):
    """Number of pixels with this colour."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(pixels(path) - rgb).max(axis=-1) < 8).sum())


def test_the_best_mean_is_red_and_the_others_blue(tmp_path):
    path = metric_chart(table(findings()), "x$sub", tmp_path / "a.png")
    assert painted(path, RED) > 30 and painted(path, BLUE) > 30
    alone = metric_chart(table(findings({"Baseline": [1.0, 2.0]})), "x$sub", tmp_path / "b.png")
    assert painted(alone, RED) > 30 and painted(alone, BLUE) == 0


def test_one_seed_has_no_bar(tmp_path):
    two_seeds, one_seed = (
        painted(metric_chart(table(findings({"Baseline": scores})), "x$sub", tmp_path / f"{len(scores)}.png"), RED)
        for scores in ([1.0, 2.0], [1.5])
    )
    assert one_seed < two_seeds / 2


def test_a_row_without_results_takes_room(tmp_path):
    cells = findings()
    full = table_of(cells, rows=ROWS, benchmarks=["x$sub"])
    less = table_of(cells, rows=ROWS[:2], benchmarks=["x$sub"])
    heights = [pixels(metric_chart(grid, "x$sub", tmp_path / "a.png")).shape[0] for grid in (full, less)]
    assert heights[0] > heights[1]


@pytest.mark.parametrize("values", [[1.0, 1000.0, 2.0], [0.0, 0.0], [-1.0, 1.0], [1e-9, 1e9]])
def test_scores_of_any_size_are_drawn(tmp_path, values):
    cells = findings({"Baseline": values, NASTY: values[::-1]})
    assert painted(metric_chart(table(cells), "x$sub", tmp_path / "a.png"), RED) > 30
    assert painted(curve_chart(cells, ROWS, "x$sub", "frechet", tmp_path / "b.png"), BLUE) > 30


def test_curves_of_several_seeds_have_a_band(tmp_path):
    three_seeds = curve_chart(findings(), ROWS, "x$sub", "frechet", tmp_path / "a.png")
    one_seed = curve_chart(findings({"Baseline": [3.0], NASTY: [1.0]}), ROWS, "x$sub", "frechet", tmp_path / "b.png")
    band = "#d3e2ef"  # BLUE at 0.2 on white
    assert painted(three_seeds, band) > 20 * painted(one_seed, band)


@pytest.fixture
def figures(monkeypatch):
    """All figures that are saved."""
    saved, save = [], pictures.save_figure
    monkeypatch.setattr(pictures, "save_figure", lambda figure, path: saved.append(figure) or save(figure, path))
    return saved


def shares(values):
    return [
        Finding(
            "x$sub", "Baseline", seed,
            Report("", (Row(*(Score(value=each, metric="recall", **FACTS) for each in (value, 0.7))),)),
            None, tuple((epoch, {"recall": value}) for epoch in (1, 2)),
        )
        for seed, value in enumerate(values)
    ]  # fmt: skip


def test_bars_and_bands_reach_from_one_end_of_the_interval_to_the_other(tmp_path, figures):
    values = [0.02, 0.1, 0.3]
    low, high = interval(values, bounds=(0, 1))
    metric_chart(table(shares(values)), "x$sub", tmp_path / "a.png")
    (bar,) = (line for line in figures[0].axes[0].lines if line.get_linewidth() == 1.6)
    left, right = bar.get_xdata()
    panel = figures[0].axes[0].get_xlim()
    assert (left, right) == pytest.approx((max(low, panel[0]), min(high, panel[1]))) and left == pytest.approx(low)
    curve_chart(shares(values), ROWS, "x$sub", "recall", tmp_path / "b.png")
    band = figures[1].axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((low, high))


def test_seeds_without_a_common_epoch_are_drawn_one_by_one(tmp_path):
    cells = [*findings({"Baseline": [3.0]}), *findings({"Baseline": [0.0, 9.0]}, epochs=(3, 5))[1:]]
    both = curve_chart(cells, ROWS, "x$sub", "frechet", tmp_path / "a.png")
    first = curve_chart(cells[:1], ROWS, "x$sub", "frechet", tmp_path / "b.png")
    assert painted(both, BLUE) > painted(first, BLUE)


def test_the_floor_is_a_line_in_each_panel(tmp_path):
    without, with_floor = (
        pixels(curve_chart(findings(), ROWS, "x$sub", "frechet", tmp_path / "a.png", floor=floor))
        for floor in (None, 2.0)
    )
    assert without.shape == with_floor.shape and (without != with_floor).any()


def test_findings_in_any_order_give_the_same_picture(tmp_path):
    cells = findings()
    for name, draw in {
        "metric": lambda some, to: metric_chart(table(some), "x$sub", to),
        "curve": lambda some, to: curve_chart(some, ROWS, "x$sub", "frechet", to, floor=0.5),
    }.items():
        first, second = (draw(some, tmp_path / f"{name}{i}.png") for i, some in enumerate((cells, cells[::-1])))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda to: metric_chart(table(findings()), "weather", to / "a.png"), "no benchmark 'weather'.*x.sub, empty"),
        (lambda to: metric_chart(table(findings()), "empty", to / "a.png"), "empty has no results"),
        (lambda to: metric_chart(table(findings()), "x$sub", to / "a.gif"), "png"),
        (lambda to: curve_chart(findings(), ROWS, "x$sub", "recall", to / "a.png"), "no cell of x.sub has .* recall"),
        (lambda to: curve_chart(findings(), ROWS, "empty", "frechet", to / "a.png"), "no cell of empty"),
        (lambda to: curve_chart(findings(), ROWS, "x$sub", "frechet", to / "a.gif"), "png"),
    ],
)
def test_wrong_requests_are_refused_and_leave_no_file(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []
