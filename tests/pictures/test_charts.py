"""Diagrams: the same data give the same picture, any name is drawn, wrong data are refused."""

import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image

from kinetic.pictures.charts import confusion_chart, curves, heat_chart, joint_chart, overview_chart, truncation_chart

NAMES = ["walk", "$\\frac{$", "wave"]
PSI = [0.0, 0.5, 1.0]
SCORES = {"frechet": [3.0, 2.0, 1.0], "recall": [0.0, 0.5, 1.0]}


def pixels(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"), dtype=float)


def test_curves_take_any_name_and_nan(tmp_path):
    table = {"loss/$\\frac{$": ([1, 2, 3], [1.0, float("nan"), 0.1]), "norm": ([1, 2], [1.0, 1e6])}
    assert pixels(curves(table, tmp_path / "curves.png")).std() > 1


def test_a_style_of_the_current_folder_changes_nothing(tmp_path):
    plain = curves({"loss": ([1, 2], [0.5, 0.25])}, tmp_path / "plain.png").read_bytes()
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "red", "savefig.dpi": 7}):
        assert curves({"loss": ([1, 2], [0.5, 0.25])}, tmp_path / "styled.png").read_bytes() == plain
        assert matplotlib.rcParams["text.usetex"]  # the caller's stays


def test_confusion_shows_where_the_counts_are(tmp_path):
    right = pixels(confusion_chart(np.eye(3) * 5, NAMES, tmp_path / "a.png"))
    wrong = pixels(confusion_chart(np.roll(np.eye(3), 1, axis=1) * 5, NAMES, tmp_path / "b.png"))
    assert right.shape == wrong.shape and (right != wrong).any()


def test_a_row_without_counts_is_drawn_empty(tmp_path):
    assert pixels(confusion_chart([[0, 0], [1, 1]], NAMES[:2], tmp_path / "a.png")).std() > 1


def test_colours_stop_at_the_extent(tmp_path):
    one, two = (
        pixels(heat_chart([[value, 0.0]], ["row"], ["a", "b"], tmp_path / f"{value}.png", extent=2.0, texts=[["", ""]]))
        for value in (2.0, 200.0)
    )
    assert np.array_equal(one, two)


def test_truncation_shows_quality_against_variety(tmp_path):
    path = truncation_chart(
        PSI, SCORES, {"frechet": 0.5, "recall": 1.0}, tmp_path / "a.png", trade=("frechet", "recall")
    )
    again = truncation_chart(
        PSI, SCORES, {"frechet": 0.5, "recall": 1.0}, tmp_path / "b.png", trade=("frechet", "recall")
    )
    assert path.read_bytes() == again.read_bytes()


def test_joints_have_bars_of_several_sources_and_nan(tmp_path):
    bars = {"ours": [0.1, 0.2, 0.3], "theirs": [0.2, float("nan"), 0.1]}
    assert pixels(joint_chart(NAMES, bars, tmp_path / "a.png", unit="metres")).std() > 1


def overview(several=3, people=2, cameras=2, **changes):
    values = {
        "title": "test\n$\\frac{$",
        "classes": {f"{NAMES[i % 3]} {i}": i % 7 for i in range(several)},
        "table": np.arange(people * cameras).reshape(cameras, people),
        "rows": [f"view {i}" for i in range(cameras)],
        "columns": [f"$P_{i}" for i in range(people)],
        "lengths": np.array([5, 300, 64]),
        "bones": ["$a - b"],
        "variation": np.array([[0.1], [0.2], [0.3]]),
        "edges": np.geomspace(1e-3, 1e3, 11),
        "speeds": np.arange(10),
        "fast": 10.0,
        "poses": {"$mean": np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])},
        "links": ((0, 1),),
        "left": (0,),
        "right": (1,),
    }
    return values | changes


@pytest.mark.parametrize(("classes", "people", "cameras"), [(1, 1, 1), (8, 7, 3), (120, 106, 3), (500, 2, 40)])
def test_an_overview_takes_few_and_many_classes(tmp_path, classes, people, cameras):
    assert pixels(overview_chart(tmp_path / "a.png", **overview(classes, people, cameras))).std() > 10


@pytest.mark.parametrize(
    "changes",
    [
        {"lengths": np.array([], dtype=int), "speeds": np.zeros(10), "poses": {}, "fast": None},
        {"lengths": np.array([64, 64]), "bones": [], "variation": np.zeros((3, 0)), "links": ()},
        {"table": np.zeros((1, 1), dtype=int), "rows": [""], "columns": [""], "classes": {"walk": 0}},
        {"poses": {"flat": np.zeros((2, 3))}, "links": ((0, 2),), "left": (), "right": ()},
    ],
)
def test_an_overview_takes_sets_without_lengths_bones_or_poses(tmp_path, changes):
    assert pixels(overview_chart(tmp_path / "a.png", **overview(**changes))).std() > 5


def test_one_exploded_body_does_not_shrink_the_others(tmp_path):
    body = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    ink = []
    for other in (body, 50 * body):
        picture = pixels(
            overview_chart(tmp_path / "a.png", **overview(poses={"one": body, "two": body, "three": other}))
        )
        blue = np.abs(picture - (33, 113, 181)).sum(axis=2) < 20
        ink.append(blue[-200:, 400:].sum())  # the row of bodies
    assert ink[1] > 0.6 * ink[0]


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m\x00", "\ud800", "x" * 5000, "$\\frac{$", "\u202e", "\U0001f483"])
def test_diagrams_take_any_name(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a letter without a glyph is no news
        curves({name: ([1, 2], [1.0, 2.0])}, tmp_path / "a.png")
        confusion_chart([[1, 2], [3, 4]], [name, "b"], tmp_path / "b.png")
        joint_chart([name], {"ours": [1.0]}, tmp_path / "c.png", unit="m")
        names = {"title": name, "classes": {name: 1}, "columns": [name, "b"], "poses": {name: np.eye(3)[:, :2]}}
        overview_chart(tmp_path / "d.png", **overview(**names, bones=[name]))
    assert all(pixels(tmp_path / f"{letter}.png").std() > 5 for letter in "abcd")


def test_an_overview_shows_left_and_right_in_their_colours(tmp_path):
    one = pixels(overview_chart(tmp_path / "a.png", **overview()))
    two = pixels(overview_chart(tmp_path / "b.png", **overview(left=(), right=())))
    assert (one != two).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda to: curves({}, to / "a.png"), "nothing"),
        (lambda to: heat_chart([[1.0]], ["a", "b"], ["c"], to / "a.png"), "2 rows of 1"),
        (lambda to: joint_chart(NAMES, {"ours": [1.0]}, to / "a.png", unit="m"), "3 deviations"),
        (lambda to: joint_chart(NAMES, {}, to / "a.png", unit="m"), "3 deviations"),
        (lambda to: truncation_chart([1.0], {}, {}, to / "a.png", trade=("a", "b")), "two psi"),
        (lambda to: curves(SCORES, to / "a.gif"), "png"),
        (lambda to: overview_chart(to / "a.gif", **overview()), "png"),
        (lambda to: overview_chart(to / "a.png", **overview(rows=["one"])), "expected classes, 1 x 2 counts"),
        (lambda to: overview_chart(to / "a.png", **overview(0)), "got 0 classes"),
    ],
)
def test_wrong_requests_are_refused_and_leave_nothing(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []
