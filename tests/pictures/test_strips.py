"""Strips, contact sheets and clips: who stands where, in which colours."""

import numpy as np
import pytest
from drawn import inked, pixels, standing, where, wild

from kinetic.pictures.drawing import CROSS, LEFT, RIGHT, Canvas
from kinetic.pictures.strips import clip_strip, filmstrip, sheet
from kinetic.skeleton import COCO17, NTU25


def test_the_left_hand_of_a_person_who_faces_the_camera_is_on_the_right(tmp_path):
    picture = pixels(filmstrip(standing(1), NTU25, tmp_path / "a.png", frames=1))
    assert where(picture, LEFT) > where(picture, RIGHT) + 5


def test_a_strip_is_as_wide_as_a_page_and_has_a_row_for_each_motion(tmp_path):
    one, three = (pixels(filmstrip(standing(n), NTU25, tmp_path / f"{n}.png")).shape for n in (1, 3))
    assert one[1] == three[1] == 1000 and abs(three[0] - 3 * one[0]) <= 2


def test_a_joint_that_moves_changes_the_picture(tmp_path):
    motion = standing(1)
    before = pixels(sheet(motion, NTU25, tmp_path / "a.png", titles=["a"]))
    motion[0, 1, -1, 7] += 0.3
    assert (before != pixels(sheet(motion, NTU25, tmp_path / "b.png", titles=["a"]))).any()


@pytest.mark.parametrize("names", [("wäg", "wög"), ("shoulder-flexion-left", "shoulder-flexion-right")], ids=str)
def test_titles_tell_motions_apart(tmp_path, names):
    one, other = (pixels(filmstrip(standing(1), NTU25, tmp_path / f"{i}.png", titles=[names[i]])) for i in (0, 1))
    assert (one != other).any()


@pytest.mark.parametrize("kind", ["collapsed", "exploded", "huge"])
@pytest.mark.parametrize("draw", [filmstrip, sheet])
def test_a_wild_motion_does_not_shrink_the_others(tmp_path, draw, kind):
    across = 1 if draw is sheet else 0
    alone, beside = (
        np.split(pixels(draw(motion, NTU25, tmp_path / "a.png")), 2, axis=across)[0]
        for motion in (standing(2, 12), wild(kind))
    )
    assert alone.shape == beside.shape and (alone != beside).mean() < 0.001  # not drawn over either


def test_a_motion_that_leaves_its_frame_is_labelled(tmp_path, monkeypatch):
    texts = []
    draw = Canvas.text
    monkeypatch.setattr(
        Canvas, "text", lambda self, x, y, text, *more: texts.append(text) or draw(self, x, y, text, *more)
    )
    for kind, count in (("collapsed", 0), ("exploded", 1)):
        for call in (filmstrip, sheet):
            texts.clear()
            call(wild(kind), NTU25, tmp_path / "a.png", titles=["a", "b"])
            assert texts.count("leaves the frame") == count and {"a", "b"} <= set(texts)


@pytest.mark.parametrize("title", ["a\nb", "\x1b[31m\x00", "\ud800", "x" * 5000, "$\\frac{$", "\u202e", "\U0001f483"])
def test_strips_take_any_title(tmp_path, title):
    motion = standing(1)
    for draw in (filmstrip, sheet):
        assert inked(pixels(draw(motion, NTU25, tmp_path / "a.png", titles=[title])))
    clip_strip([np.moveaxis(motion, 1, -1)], NTU25, tmp_path / "a.png", titles=[f"{title}\nb"])


def test_two_coordinates_are_drawn_too(tmp_path):
    flat = np.random.default_rng(0).normal(size=(2, 2, 8, 17))
    assert pixels(filmstrip(flat, COCO17, tmp_path / "flat.png", titles=["a", "b"])).std() > 1


@pytest.mark.parametrize("draw", [filmstrip, sheet])
def test_the_same_motion_gives_the_same_bytes(tmp_path, draw):
    one, two = (draw(standing(), NTU25, tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert one == two


def test_all_people_stand_on_the_floor(tmp_path):
    motion = standing(2)
    motion[1, 1] += 0.75  # a sensor that hangs lower
    rows = np.split(pixels(sheet(motion, NTU25, tmp_path / "a.png")), 2, axis=1)
    assert (rows[0] != rows[1]).mean() < 0.01


def test_nan_is_refused_with_its_motion_and_frame(tmp_path):
    motion = standing(3)
    motion[2, 0, 4, 0] = np.nan
    with pytest.raises(ValueError, match="motion 2 .* frame 4"):
        filmstrip(motion, NTU25, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda to: filmstrip(standing(), NTU25, to / "a.jpg"), "png"),
        (lambda to: filmstrip(standing(), COCO17, to / "a.png"), "17 joints"),
        (lambda to: filmstrip(standing(2), NTU25, to / "a.png", titles=["one"]), "each of 2"),
        (lambda to: filmstrip(standing(), NTU25, to / "a.png", frames=0), "at least 1"),
    ],
)
def test_wrong_requests_are_refused(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        sheet(standing(), NTU25, tmp_path / "nowhere" / "a.png")


def test_a_strip_of_clips_keeps_bodies_at_their_places(tmp_path):
    actor = np.moveaxis(standing(1)[0], 0, -1)  # (T, V, 3)
    two = np.stack([actor, actor + [0.5, 0, 0]])
    alone, both, upright = (
        pixels(clip_strip([clip], NTU25, tmp_path / "a.png", titles=["a\nb"], up=[up]))
        for clip, up in ((actor[None], 1), (two, 1), (actor[None][..., [0, 2, 1]], 2))
    )
    np.testing.assert_array_equal(alone, upright)
    assert where(both, LEFT) == pytest.approx(where(alone, LEFT), abs=60)
    assert (both < 250).sum() > 1.2 * (alone < 250).sum()
    absent = np.zeros_like(actor[None])
    assert (pixels(clip_strip([absent], NTU25, tmp_path / "b.png")) == np.array(CROSS)).all(axis=2).any()


@pytest.mark.parametrize(
    ("clips", "message"),
    [([], "expected clips"), ([np.zeros((3, 4, 25))], "shape"), ([np.full((1, 2, 25, 3), np.nan)], "NaN")],
)
def test_clips_that_cannot_be_drawn_are_refused(tmp_path, clips, message):
    with pytest.raises(ValueError, match=message):
        clip_strip(clips, NTU25, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
