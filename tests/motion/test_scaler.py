"""Tests of kinetic/motion/scaler.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kinetic.motion.scaler import Scaler


def test_minmax_takes_the_extremes_to_one():
    motion = np.zeros((2, 3, 4, 5), np.float32)
    motion[0, 1, 2, 3], motion[1, 0, 0, 0] = 3.0, -1.0
    scaler = Scaler.fit(motion)
    assert (scaler.shift == 1).all()
    assert (scaler.scale == 2).all()
    scaled = scaler(torch.from_numpy(motion))
    assert scaled.min() == -1
    assert scaled.max() == 1
    assert scaler.shift.shape == scaler.scale.shape == (3, 1, 5)


def test_standard_gives_every_joint_mean_zero_and_deviation_one():
    rng = np.random.default_rng(0)
    motion = rng.normal(size=(600, 3, 8, 5)) * rng.uniform(0.5, 2, (3, 1, 5)) + rng.normal(size=(3, 1, 5))
    scaled = Scaler.fit(motion.astype(np.float32), "standard")(torch.from_numpy(motion.astype(np.float32)))
    torch.testing.assert_close(scaled.mean((0, 2)), torch.zeros(3, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(scaled.std((0, 2), correction=0), torch.ones(3, 5), atol=1e-5, rtol=0)


def test_a_joint_that_does_not_move_stays_quiet():
    motion = np.random.default_rng(0).normal(size=(50, 3, 8, 2)).astype(np.float32)
    motion[..., 1] = 0.25
    scaler = Scaler.fit(motion, "standard")
    torch.testing.assert_close(scaler.scale[:, 0, 1], 0.05 * scaler.scale.max().expand(3))
    assert (scaler(torch.from_numpy(motion))[..., 1] == 0).all()


@pytest.mark.parametrize("kind", ["minmax", "standard", "none"])
def test_inverse_returns_to_metres(kind):
    motion = torch.randn(700, 3, 8, 5, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    scaler = Scaler.fit(motion, kind)
    torch.testing.assert_close(scaler.inverse(scaler(motion)), motion, atol=1e-6, rtol=0)
    if kind == "none":
        assert torch.equal(scaler(motion), motion)


def test_a_scaler_travels_in_a_state_dict():
    fitted = Scaler.fit(np.random.default_rng(0).normal(size=(9, 3, 4, 5)), "standard")
    empty = Scaler.for_shape(3, 5)
    empty.load_state_dict(fitted.state_dict())
    motion = torch.randn(2, 3, 7, 5)
    assert torch.equal(empty(motion), fitted(motion))
    assert empty.double()(motion.double()).dtype == torch.float64


def test_a_scaler_refuses_what_it_cannot_scale():
    with pytest.raises(ValueError, match="shape"):
        Scaler.fit(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="all coordinates here are the same"):
        Scaler.fit(np.ones((2, 3, 4, 5)))
    for kind in ("minmax", "standard"):
        with pytest.raises(ValueError, match="finite"):
            Scaler.fit(np.array([0, 1, np.nan]).reshape(1, 3, 1, 1), kind)
    with pytest.raises(ValueError, match="minmax, standard, none"):
        Scaler.fit(np.ones((2, 3, 4, 5)), "robust")
    with pytest.raises(ValueError, match=r"\(N, 3, T, 5\), got \(2, 3, 4, 6\)"):
        Scaler.for_shape(3, 5)(torch.zeros(2, 3, 4, 6))
