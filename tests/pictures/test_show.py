"""`plot` and `view`: motions from a set or a file become a picture, an animation or a page."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import kinetic
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.pictures import show
from kinetic.pictures.show import plot, view


@pytest.fixture(scope="module")
def motions():
    """36 motions of three classes."""
    return synthesise(["walk", "wave", "sit down"], subjects=2, repeats=2, frames=16)


@pytest.fixture
def file(motions, tmp_path):
    """A file of these motions."""
    write_motions(motions, tmp_path / "motions.npz")
    return tmp_path / "motions.npz"


def scene(page):
    """The data of the only scene of a page."""
    (text,) = re.findall(r'<script type="application/json" id="scenes">(.*)</script>', page.read_text("utf-8"))
    (data,) = json.loads(text)
    return data


def test_the_package_has_both_names():
    assert (kinetic.plot, kinetic.view) == (plot, view)


def test_a_set_and_its_file_give_the_same_picture(motions, file, tmp_path):
    one, other = plot(motions, tmp_path / "a.png"), plot(str(file), tmp_path / "b.png")
    assert one == tmp_path / "a.png"
    assert one.read_bytes() == other.read_bytes()


def test_the_ending_decides_between_a_still_picture_and_an_animation(motions, tmp_path):
    for name, animated in (("a.png", False), ("a.gif", True), ("a.webp", True), ("a.PNG", False)):
        with Image.open(plot(motions, tmp_path / name, count=1)) as picture:
            assert getattr(picture, "is_animated", False) is animated


def test_a_sheet_is_another_picture_than_a_strip(motions, tmp_path):
    strip, sheet = plot(motions, tmp_path / "a.png"), plot(motions, tmp_path / "b.png", sheet=True)
    assert strip.read_bytes() != sheet.read_bytes()


def test_an_animation_lasts_as_long_as_its_frame_rate_says(motions, tmp_path):
    for fps, milliseconds in ((None, 1000 * 16 / 30), (8, 2000)):
        with Image.open(plot(motions, tmp_path / "a.apng", count=1, fps=fps)) as picture:
            total = 0
            for number in range(picture.n_frames):
                picture.seek(number)
                total += picture.info["duration"]
        assert total == pytest.approx(milliseconds, abs=2)


@pytest.mark.parametrize(
    ("count", "rows"), [(1, [0]), (2, [0, 2]), (3, [0, 2, 5]), (4, [0, 1, 2, 5]), (9, [0, 1, 3, 2, 4, 5])]
)
def test_classes_take_turns_and_motions_of_a_class_stay_together(count, rows):
    assert show._in_turn(np.array([0, 0, 1, 0, 1, 2]), count).tolist() == rows


def test_one_class_is_named_as_several_are(motions, tmp_path):
    pictures = [
        plot(motions, tmp_path / f"{i}.png", label=label).read_bytes() for i, label in enumerate(("wave", ["wave"], 1))
    ]
    assert pictures[0] == pictures[1] == pictures[2] != plot(motions, tmp_path / "a.png").read_bytes()


def test_padding_is_drawn_neither_in_a_picture_nor_on_a_page(motions, tmp_path):
    two = motions.select([0, 1])
    motion = np.array(two.motion)
    motion[0, :, 10:] = 0
    padded = replace(two, motion=motion, partner=None, columns={"frames": np.array([10, 12])})
    stretched = replace(padded.resampled(12), fps=30.0)
    one, other = plot(padded, tmp_path / "a.png"), plot(stretched, tmp_path / "b.png")
    assert one.read_bytes() == other.read_bytes()
    view(padded, tmp_path / "a.html")
    assert {clip["frames"] for clip in scene(tmp_path / "a.html")["clips"]} == {12}


def test_a_page_has_a_row_for_each_class_with_its_first_motions(motions, tmp_path):
    page = view(motions, tmp_path / "a.html", count=2)
    assert page == tmp_path / "a.html"
    data = scene(page)
    assert data["rows"] == ["walk (2)", "wave (2)", "sit down (2)"]
    assert data["columns"] == ["motion 1", "motion 2"]
    assert "6 motions of 3 classes, 16 frames at 30 per second<" in page.read_text("utf-8")
    some = scene(view(motions, page, label=["wave"], count=100))
    assert (some["rows"], len(some["clips"])) == (["wave (12)"], 12)


def test_a_page_is_called_as_its_file_or_as_the_caller_says(motions, file, tmp_path):
    for subject, options, title in (
        (motions, {}, "Motions"),
        (file, {}, "motions.npz"),
        (file, {"title": "<b>"}, "&lt;b&gt;"),
    ):
        page = view(subject, tmp_path / "a.html", **options).read_text("utf-8")
        assert f"<title>{title}</title>" in page


def test_motions_of_different_pace_play_at_their_median_and_the_page_says_so(motions, tmp_path):
    rates = np.linspace(10, 40, len(motions))
    page = view(replace(motions, fps=rates), tmp_path / "a.html", count=100)
    assert scene(page)["fps"] == 25.0
    assert "16 frames at 25 per second (the median: they were recorded at 10 to 40)" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda motions, to: plot(motions, to / "a.bmp"), r"a\.bmp: expected a name that ends in \.png, \.gif"),
        (lambda motions, to: view(motions, to / "a.png"), r"ends in \.html"),
        (lambda motions, to: plot(motions, to / "a.png", label="fly"), "no class is called 'fly'"),
        (lambda motions, to: plot(motions, to / "a.png", count=0), "count must be at least 1, got 0"),
        (lambda motions, to: view(motions, to / "a.html", count=0), "count must be at least 1, got 0"),
        (lambda motions, to: plot(motions.select([]), to / "a.png"), "the set holds no motions"),
        (lambda motions, to: view(motions.select([]), to / "a.html"), "the set holds no motions"),
        (lambda motions, to: plot(motions, to / "a.gif", fps=0), "fps must be positive"),
        (lambda motions, to: plot(to / "nowhere.npz", to / "a.png"), r"nowhere\.npz"),
        (lambda motions, to: view(motions, to / "nowhere" / "a.html"), "there is no folder"),
    ],
)
def test_wrong_requests_are_refused_and_leave_nothing(motions, tmp_path, call, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        call(motions, tmp_path)
    assert list(tmp_path.iterdir()) == []
