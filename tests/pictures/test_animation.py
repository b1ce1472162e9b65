"""Animations: their length, pace and colours."""

import numpy as np
import pytest
from drawn import inked, pixels, standing, wild
from PIL import Image

from kinetic.pictures.animation import animate
from kinetic.skeleton import NTU25


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


def test_an_mp4_has_every_frame(tmp_path):
    av = pytest.importorskip("av")
    path = animate(standing(1, 12), NTU25, tmp_path / "a.mp4", size=81)
    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
    assert len(frames) == 12 and frames[0].width % 2 == 0 and frames[0].height % 2 == 0


def test_a_wild_motion_does_not_shrink_the_others_of_an_animation(tmp_path):
    for kind in ("collapsed", "exploded"):
        pictures = []
        for motion in (standing(2, 12), wild(kind)):
            with Image.open(animate(motion, NTU25, tmp_path / "a.apng", size=120)) as image:
                pictures.append(np.asarray(image.convert("RGB")).astype(int))
        alone, beside = (picture[:, : picture.shape[1] // 2] for picture in pictures)
        assert alone.shape == beside.shape and (alone != beside).mean() < 0.001


@pytest.mark.parametrize("title", ["a\nb", "\x1b[31m\x00", "\ud800", "x" * 5000, "$\\frac{$", "\u202e", "\U0001f483"])
def test_an_animation_takes_any_title(tmp_path, title):
    assert inked(pixels(animate(standing(1), NTU25, tmp_path / "a.gif", titles=[title], size=80)))


def test_the_paper_of_a_gif_is_white(tmp_path):
    with Image.open(animate(standing(1), NTU25, tmp_path / "a.gif", size=80)) as image:
        image.seek(2)
        assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda to: animate(standing(), NTU25, to / "a.avi"), "gif.*webp.*apng.*mp4"),
        (lambda to: animate(standing(), NTU25, to / "a.gif", fps=0), "fps"),
    ],
)
def test_wrong_requests_are_refused(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path)
