"""Alignment of motions: changes are undone and reported, and other motions keep their distance."""

from __future__ import annotations

import pytest
import torch

from kinetic.formats.reading import read_motions
from kinetic.metrics import alignment as module
from kinetic.metrics.alignment import Poses, align, aligned_distances, nearest_aligned
from kinetic.motion.synthetic import synthesise
from kinetic.skeleton import H36M16, NTU25, NTU25_2D


@pytest.fixture(scope="module")
def people():
    """Eight walk, eight wave, eight kick, seen by one camera, (24, 3, 64, 25)."""
    motions = synthesise(["walk", "wave", "kick"], subjects=4, repeats=2, frames=64, seed=0)
    motions = motions.select(motions.view == 1)
    return torch.from_numpy(motions.motion[motions.label.argsort(kind="stable")])


def rotated(motion, degrees):
    c, s = torch.tensor(degrees).deg2rad().cos(), torch.tensor(degrees).deg2rad().sin()
    x, y, z = motion.unbind(dim=1)
    return torch.stack([c * x + s * z, y, c * z - s * x], dim=1)


def mirror(motion):
    order = torch.arange(25)
    order[[*NTU25.left, *NTU25.right]] = torch.tensor([*NTU25.right, *NTU25.left])
    return motion[..., order] * torch.tensor([-1.0, 1, 1])[:, None, None]


def played(motion, tempo, start=0.0):
    """The frames at start, start + tempo, ... of a motion, between which it is interpolated."""
    t = motion.shape[2]
    place = (start + tempo * torch.arange(t)).clamp(0, t - 1)
    low = place.floor().long().clamp(max=t - 2)
    return torch.lerp(motion[:, :, low], motion[:, :, low + 1], (place - low)[:, None])


def aligned(first, second, skeleton=NTU25):
    return align(*(Poses.of(x, skeleton).to(torch.float64) for x in (first, second)))


def test_two_points_that_differ_in_height_alone():
    first, second = torch.zeros(2, 1, 3, 1, 25)
    first[..., 0], second[..., 0] = torch.tensor([0.0, 1, 0])[:, None], torch.tensor([0.0, -1, 0])[:, None]
    fit = aligned(first, second)
    # Of 25 joints one is 1 m above the others: about the centre the sum of squares is 24 / 25. The best size is the
    # smallest, 1/2, for the inner product is negative: (1 + 1 + 1/4) 24 / 25 over 25 joints.
    assert fit.distance.item() == pytest.approx((2.25 * 24 / 625) ** 0.5)
    assert fit.size.item() == 2


@pytest.mark.parametrize(
    ("edit", "name", "value"),
    [
        (lambda x: x + torch.tensor([1.0, -2, 3])[:, None, None], "turn", 0),
        (lambda x: rotated(x, 70.0), "turn", 70),
        (lambda x: rotated(x, -120.0), "turn", -120),
        (lambda x: 1.25 * x, "size", 1.25),
        (lambda x: mirror(x), "mirrored", 1),
        (lambda x: mirror(rotated(1.25 * x, 40.0)) + 1, "turn", -40),
    ],
)
def test_a_change_is_undone_and_reported(people, edit, name, value):
    fit = aligned(edit(people), people)
    assert fit.distance.max() < 1e-6
    assert getattr(fit, name).double() == pytest.approx([value] * 24, abs=1e-3)


@pytest.mark.parametrize("shift", [-16, -5, 1, 12])
def test_a_shift_in_time_is_found(people, shift):
    fit = aligned(rotated(played(people, 1.0, -shift), 70.0), people)
    moving = (fit.shift == shift) & ((fit.turn - 70).abs() < 1)
    assert moving.double().mean() > 0.9
    assert fit.distance.max() < 0.02  # smoothing includes the frames that the clip repeats at its end


@pytest.mark.parametrize("tempo", [1 / 2, 2 / 3, 4 / 5, 5 / 4])
def test_another_tempo_is_found(people, tempo):
    fit = aligned(played(people, tempo), people)
    apart = aligned(people.roll(8, 0), people)
    assert fit.distance.median() < apart.distance.median() / 5
    assert (fit.tempo == tempo).double().mean() > 0.8


def test_a_motion_is_not_its_reverse(people):
    assert aligned(people.flip(2), people)[0][:8].median() > 0.02  # of those who walk


def test_smoothing_removes_most_of_the_trembling(people):
    noise = 0.01 * torch.randn(people.shape, generator=torch.Generator().manual_seed(0))
    fit = aligned(people + noise, people)
    assert 0.005 < fit.distance.median() < 0.01  # 17 mm a joint, the mean of five frames


def test_distance_is_at_the_size_of_the_second(people):
    first, second = people[8:16], people[16:]  # of about one size
    distance = aligned(first, second).distance
    torch.testing.assert_close(aligned(0.8 * first, second).distance, distance, rtol=1e-4, atol=0)
    torch.testing.assert_close(aligned(first, 0.8 * second).distance, 0.8 * distance, rtol=1e-4, atol=0)


def test_a_flat_skeleton_is_mirrored_but_not_turned(people):
    flat = people[:, :2]
    fit = aligned(mirror(people)[:, :2], flat, NTU25_2D)
    assert fit.mirrored.all() and fit.distance.max() < 1e-6
    assert (fit.turn == 0).all()
    assert aligned(-flat, flat, NTU25_2D).distance.min() > 0.2  # upside down is no turn of a picture


def test_frames_from_one_to_many():
    for frames in (1, 2, 3, 16, 65, 300):
        x = torch.randn(3, 3, frames, 25, generator=torch.Generator().manual_seed(0))
        fit = aligned(rotated(x, 30.0), x)
        assert fit.distance.max() < 1e-5, frames
        distance, number = nearest_aligned(Poses.of(x[:2], NTU25), Poses.of(x, NTU25))
        assert distance[:, 0].max() < 1e-5 and number[:, 0].tolist() == [0, 1]


def test_the_nearest_are_in_order_and_can_be_left_out(people):
    poses = Poses.of(people, NTU25)
    distance, number = nearest_aligned(poses, poses)
    assert torch.equal(number[:, 0], torch.arange(24))
    assert (distance.diff(dim=1) >= 0).all()
    without, others = nearest_aligned(poses, poses, left_out=torch.arange(24))
    assert (others != torch.arange(24)[:, None]).all()
    assert without.min() > 0.01


def test_with_few_training_motions_the_nearest_are_exact(people):
    poses, few = Poses.of(people[:6], NTU25), Poses.of(people[10:20], NTU25)  # all of them are candidates
    distance, number = nearest_aligned(poses, few)
    every = torch.stack([aligned(people[i : i + 1].expand(10, -1, -1, -1), people[10:20]).distance for i in range(6)])
    torch.testing.assert_close(distance[:, 0], every.min(dim=1).values)
    assert torch.equal(number[:, 0], every.argmin(dim=1))


def test_distances_do_not_depend_on_blocks(people, monkeypatch):
    poses = Poses.of(people, NTU25)
    whole = nearest_aligned(poses, poses)
    monkeypatch.setattr(module, "QUERIES", 5)
    monkeypatch.setattr(module, "PAIRS", 7)
    for part, expected in zip(nearest_aligned(poses, poses), whole, strict=True):
        torch.testing.assert_close(part, expected, atol=1e-7, rtol=1e-5)


def test_distances_of_pairs_are_computed_in_blocks(people, monkeypatch):
    monkeypatch.setattr(module, "PAIRS", 3)
    poses, rows = Poses.of(people, NTU25), torch.arange(8)
    fit = aligned_distances(poses, poses, rows, rows + 8, torch.float64)
    torch.testing.assert_close(fit, aligned(people[:8], people[8:16]).distance)
    assert aligned_distances(poses, poses, rows[:0], rows[:0]).shape == (0,)


def test_wrong_input_is_refused(people):
    with pytest.raises(ValueError, match="has 16 joints in 3 dimensions, the motions have 25 in 3"):
        Poses.of(people, H36M16)
    broken = people.clone()
    broken[3, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="1 of 24 rows hold NaN or infinity: rows 3"):
        Poses.of(broken, NTU25)
    poses = Poses.of(people, NTU25)
    with pytest.raises(ValueError, match=r"frames and joints \(32, 25\), training motions \(64, 25\)"):
        nearest_aligned(Poses.of(people[:, :, :32], NTU25), poses)
    with pytest.raises(ValueError, match="needs at least 2 to compare with, got 1"):
        nearest_aligned(poses.select(torch.arange(2)), poses.select(torch.arange(2)), left_out=torch.arange(2))


@pytest.mark.parametrize("name", ["nw_ucla", "utd_mhad", "hdm05"])
def test_changed_copies_of_real_motions_are_found(shared, name):
    train, _ = read_motions(shared / "data" / "motion" / f"{name}.npz").split("xsub")
    motion = torch.from_numpy(train.motion.copy())
    rows = torch.randperm(len(motion), generator=torch.Generator().manual_seed(0))[:40]
    copies = 1.1 * rotated(mirror(played(motion[rows], 1.0, 6)), 70.0) + 0.5
    distance, number = nearest_aligned(Poses.of(copies, NTU25), Poses.of(motion, NTU25))
    exact = aligned(copies, motion[rows]).distance
    torch.testing.assert_close(distance[:, 0], torch.minimum(distance[:, 0], exact))  # its original, or a nearer motion
    assert (number[:, 0] == rows).double().mean() > 0.85  # NW-UCLA holds some motions twice
