"""The size of frames: most motions fit, and wild motions do not set the scale."""

import numpy as np
import pytest

from kinetic.pictures.framing import body_size, room


@pytest.mark.parametrize(
    ("reach", "size", "expected"),
    [
        ([1.0], [1.7], 1.0),
        ([1.0, 1.5, 1.9], [1.7, 1.7, 1.7], 1.9),
        ([1.0, 20.0], [1.7, 34.0], 1.0),  # one of two exploded
        ([0.01, 1.0], [0.01, 1.7], 1.0),  # one of two collapsed
        ([0.01, 0.01, 0.01, 1.0, 20.0, 20.0], [0.01, 0.01, 0.01, 1.7, 34.0, 34.0], 1.0),  # one of six is a person
        ([1.0, 9.0], [1.7, 1.7], 2.0),  # one drifts away
        ([1.0, 1.1, 9.0], [1.7, 1.7, 1.7], 2.2),
        ([200.0, 210.0, 9000.0], [170.0, 170.0, 7000.0], 420.0),  # centimetres: no body has the size of a person
        ([0.01, 0.01], [0.01, 0.01], 0.01),
    ],
)
def test_a_frame_fits_people_and_ignores_wild_motions(reach, size, expected):
    assert room(np.array(reach), np.array(size)) == pytest.approx(expected)


def test_the_size_of_a_body_ignores_single_frames():
    motion = np.zeros((2, 3, 5, 3))
    motion[:, 1, :, 2] = 1.7
    motion[:, 0, :, 1] = 0.4
    motion[1, 2, 0, 0] = 50.0
    assert body_size(motion).tolist() == [1.7, 1.7]
