"""The frame around people on a canvas."""

import subprocess
import sys

import numpy as np
import pytest
from drawn import inked, standing

from kinetic.pictures.drawing import Camera, Canvas, checked_motions, checked_titles, extent, grounded, rooted
from kinetic.skeleton import COCO17, NTU25


def test_lowest_feet_are_at_height_zero():
    view = grounded(Camera().see(standing(2) + 0.75))
    assert np.abs(np.quantile(view[:, 1].min(axis=2), 0.05, axis=1)).max() < 1e-6


def test_an_exploded_person_leaves_the_frame_of_the_others():
    view = grounded(Camera().see(standing(3)))
    view[1] *= 20
    half, high, leaves = extent(view)
    assert leaves.tolist() == [False, True, False] and half < 2 and 1 < high < 2.5


def test_a_person_stays_inside_its_edges():
    canvas = Canvas(100, 100)
    pose = grounded(rooted(Camera().see(standing(1)), NTU25))[0, :, 0]
    canvas.person(pose, NTU25, at=(50, 90), scale=45, inside=(0, 0, 50, 100))
    picture = np.asarray(canvas.done()).astype(int)
    assert inked(picture[:, :50]) > 0 and inked(picture[:, 50:]) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checked_motions(standing(), COCO17), "17 joints"),
        (lambda: checked_motions(standing()[:0], NTU25), "nothing to draw"),
        (lambda: checked_titles(["one"], 2), "each of 2"),
    ],
)
def test_wrong_motions_and_titles_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_drawing_needs_no_screen():
    program = "import sys, kinetic.pictures.drawing; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
