import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from kinetic.pictures.plot import CROSS, LEFT, RIGHT, _Canvas, animate, clip_strip, filmstrip, sheet, skeleton_levels
from kinetic.skeleton import COCO17, NTU25, SkeletonPyramid


def standing(n=2, frames=6):
    """People who face the camera with their arms a little spread: (n, 3, frames, 25)."""
    from kinetic.motion.synthetic import synthesise

    motions = synthesise(["wave"], subjects=2, repeats=1, frames=64, sensor_noise=0.0)
    return motions.motion[motions.view == 2][:1, :, :frames].repeat(n, axis=0)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def where(picture, colour):
    """Mean column of the pixels that have a colour."""
    return np.argwhere(np.abs(picture - np.array(colour)).sum(axis=2) < 30)[:, 1].mean()


def test_the_left_hand_of_a_person_who_faces_us_is_on_our_right(tmp_path):
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


def wild(kind):
    """A person, and one that a bad generator made of it."""
    motion = standing(2, 12).astype(float)
    middle = motion[1].mean(axis=(1, 2), keepdims=True)
    motion[1] = middle + {"collapsed": 0.001, "exploded": 20, "huge": 1e12}[kind] * (motion[1] - middle)
    return motion


def inked(picture):
    return (picture < 200).any(axis=2).sum()


@pytest.mark.parametrize("kind", ["collapsed", "exploded", "huge"])
@pytest.mark.parametrize("draw", [filmstrip, sheet])
def test_a_wild_motion_does_not_shrink_the_others(tmp_path, draw, kind):
    across = 1 if draw is sheet else 0
    alone, beside = (
        np.split(pixels(draw(motion, NTU25, tmp_path / "a.png")), 2, axis=across)[0]
        for motion in (standing(2, 12), wild(kind))
    )
    assert alone.shape == beside.shape and (alone != beside).mean() < 0.001  # not drawn over either


def test_a_wild_motion_does_not_shrink_the_others_of_an_animation(tmp_path):
    for kind in ("collapsed", "exploded"):
        pictures = []
        for motion in (standing(2, 12), wild(kind)):
            with Image.open(animate(motion, NTU25, tmp_path / "a.apng", size=120)) as image:
                pictures.append(np.asarray(image.convert("RGB")).astype(int))
        alone, beside = (picture[:, : picture.shape[1] // 2] for picture in pictures)
        assert alone.shape == beside.shape and (alone != beside).mean() < 0.001


def test_what_leaves_its_frame_is_labelled(tmp_path, monkeypatch):
    texts = []
    draw = _Canvas.text
    monkeypatch.setattr(
        _Canvas, "text", lambda self, x, y, text, *more: texts.append(text) or draw(self, x, y, text, *more)
    )
    for kind, count in (("collapsed", 0), ("exploded", 1)):
        for call in (filmstrip, sheet):
            texts.clear()
            call(wild(kind), NTU25, tmp_path / "a.png", titles=["a", "b"])
            assert texts.count("leaves the frame") == count and {"a", "b"} <= set(texts)


@pytest.mark.parametrize("title", ["a\nb", "\x1b[31m\x00", "\ud800", "x" * 5000, "$\\frac{$", "\u202e", "\U0001f483"])
def test_any_title_can_be_drawn(tmp_path, title):
    motion, named = standing(1), replace(NTU25, joints=(title, *NTU25.joints[1:]))
    for draw in (filmstrip, sheet):
        assert inked(pixels(draw(motion, NTU25, tmp_path / "a.png", titles=[title])))
    animate(motion, NTU25, tmp_path / "a.gif", titles=[title], size=80)
    clip_strip([np.moveaxis(motion, 1, -1)], NTU25, tmp_path / "a.png", titles=[f"{title}\nb"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        skeleton_levels(SkeletonPyramid.of(named), tmp_path / "a.png")


def test_two_coordinates_are_drawn_too(tmp_path):
    flat = np.random.default_rng(0).normal(size=(2, 2, 8, 17))
    assert pixels(filmstrip(flat, COCO17, tmp_path / "flat.png", titles=["a", "b"])).std() > 1


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_an_animation_lasts_as_long_as_the_motion(tmp_path, suffix):
    path = animate(standing(2, 15), NTU25, tmp_path / f"a{suffix}", fps=30, titles=["a", "b"], size=80)
    with Image.open(path) as image:
        total = 0
        for i in range(image.n_frames):
            image.seek(i)
            image.load()
            total += image.info["duration"]
    assert image.n_frames >= 14 and total == pytest.approx(500, abs=20)


def test_a_film_has_every_frame(tmp_path):
    av = pytest.importorskip("av")
    path = animate(standing(1, 12), NTU25, tmp_path / "a.mp4", size=81)
    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
    assert len(frames) == 12 and frames[0].width % 2 == 0 and frames[0].height % 2 == 0


@pytest.mark.parametrize("draw", [filmstrip, sheet])
def test_same_motion_same_bytes(tmp_path, draw):
    one, two = (draw(standing(), NTU25, tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert one == two


@pytest.mark.parametrize("skeleton", [NTU25, COCO17], ids=lambda s: s.name)
def test_all_levels_of_a_skeleton_are_drawn(tmp_path, skeleton):
    assert pixels(skeleton_levels(SkeletonPyramid.of(skeleton), tmp_path / "levels.png")).std() > 5


def test_everybody_stands_on_the_floor(tmp_path):
    motion = standing(2)
    motion[1, 1] += 0.75  # a sensor that hangs lower
    rows = np.split(pixels(sheet(motion, NTU25, tmp_path / "a.png")), 2, axis=1)
    assert (rows[0] != rows[1]).mean() < 0.01


def test_a_skeleton_faces_us(tmp_path):
    picture = pixels(skeleton_levels(SkeletonPyramid.of(NTU25), tmp_path / "a.png"))[:, :220]  # level 0
    assert where(picture, LEFT) > where(picture, RIGHT) + 20


def test_the_paper_of_a_gif_is_white(tmp_path):
    with Image.open(animate(standing(1), NTU25, tmp_path / "a.gif", size=80)) as image:
        image.seek(2)
        assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)


def test_nan_is_refused_by_motion_and_frame(tmp_path):
    motion = standing(3)
    motion[2, 0, 4, 0] = np.nan
    with pytest.raises(ValueError, match="motion 2 .* frame 4"):
        filmstrip(motion, NTU25, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda to: animate(standing(), NTU25, to / "a.avi"), "gif.*webp.*apng.*mp4"),
        (lambda to: filmstrip(standing(), NTU25, to / "a.jpg"), "png"),
        (lambda to: filmstrip(standing(), COCO17, to / "a.png"), "17 joints"),
        (lambda to: filmstrip(standing(2), NTU25, to / "a.png", titles=["one"]), "each of 2"),
        (lambda to: animate(standing(), NTU25, to / "a.gif", fps=0), "fps"),
    ],
)
def test_wrong_requests_are_refused(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        sheet(standing(), NTU25, tmp_path / "nowhere" / "a.png")


def test_drawing_needs_no_screen():
    program = "import sys, kinetic.pictures.plot; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_strip_of_clips_leaves_bodies_where_they_are(tmp_path):
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
