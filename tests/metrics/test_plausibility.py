"""Physical quantities of motions against closed forms, known movements and real motions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scipy.stats import wasserstein_distance

from kinetic.formats.reading import read_motions
from kinetic.metrics import plausibility as module
from kinetic.metrics.plausibility import bone_variation, feet, foot_skating, gap, jerk, speed
from kinetic.motion.synthetic import synthesise
from kinetic.skeleton import COCO17, H36M16, NTU25, NTU25_2D, Skeleton

LEG = Skeleton(joints=("Hip", "Knee", "LeftAnkle"), bones=((0, 1), (1, 2)), center=0, name="leg")
QUANTITIES = {
    "bone_variation": bone_variation,
    "speed": lambda motion, _: speed(motion),
    "jerk": lambda motion, _: jerk(motion),
    "foot_skating": foot_skating,
}


def double(value):
    return torch.tensor(value, dtype=torch.float64)


def noise(*shape, seed=0, scale=1.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def along_x(positions, joints=3):
    """Motions of all joints along the first coordinate: (N, T) -> (N, 3, T, V)."""
    motion = torch.zeros(*positions.shape[:1], 3, positions.shape[1], joints, dtype=torch.float64)
    motion[:, 0] = positions[:, :, None]
    return motion


@pytest.fixture(scope="module")
def people():
    """Motions of a synthetic walk and wave, without sensor noise."""
    motions = synthesise(["walk", "wave"], subjects=3, repeats=2, sensor_noise=0.0)
    return torch.from_numpy(motions.motion.copy())


def upsampled(motion):
    """Every second frame twice, as nearest-neighbour resizing gives it."""
    return motion[:, :, ::2].repeat_interleave(2, dim=2)


def sliding(motion, per_frame):
    away = torch.zeros_like(motion)
    away[:, 0] = per_frame * torch.arange(motion.shape[2])[:, None]
    return motion + away


def test_a_bone_of_length_one_and_three_varies_by_a_half():
    motion = torch.zeros(1, 3, 2, 3)
    motion[0, :, 0, 1] = torch.tensor([1.0, 0, 0])  # Hip to Knee: 1, then 3
    motion[0, :, 1, 1] = torch.tensor([0.0, 0, 3])
    motion[0, :, :, 2] = motion[0, :, :, 1] + torch.tensor([0.0, 2, 0])[:, None]  # Knee to Ankle: 2 and 2
    assert bone_variation(motion, LEG).tolist() == [(0.5 + 0) / 2]


def test_rigid_people_have_rigid_bones(people):
    assert bone_variation(people, NTU25).max() < 1e-4


def test_a_slipping_joint_raises_the_bone_variation(people):
    slipped = people.clone()
    slipped[:, :, 20:, 4] += 0.05
    assert (bone_variation(slipped, NTU25) > bone_variation(people, NTU25) + 0.001).all()


def test_bones_of_no_length_are_left_out_and_a_point_has_none():
    motion = torch.zeros(2, 3, 2, 3)
    motion[0, 0, :, 1] = torch.tensor([1.0, 3.0])
    motion[0, 0, :, 2] = torch.tensor([1.0, 3.0])  # the ankle stays in the knee
    assert bone_variation(motion, LEG).tolist() == [0.5, 0]
    with pytest.raises(ValueError, match="'one' has no bone"):
        bone_variation(torch.zeros(1, 3, 4, 1), Skeleton(joints=("Foot",), bones=(), center=0, name="one"))


def test_constant_speed_is_that_speed():
    motion = along_x(torch.arange(8)[None] * double([[0.1], [0.2]]))
    torch.testing.assert_close(speed(motion), double([0.1, 0.2]))
    torch.testing.assert_close(speed(motion, 30), double([3.0, 6.0]))
    torch.testing.assert_close(speed(motion, double([10.0, 20.0])), double([1.0, 4.0]))


def test_jerk_of_a_cubic_is_constant_and_that_of_a_parabola_is_zero():
    t = torch.arange(10, dtype=torch.float64)
    motion = along_x(torch.stack([t**3, 5 * t**2 + t]))
    torch.testing.assert_close(jerk(motion), double([6.0, 0.0]), rtol=0, atol=1e-9)
    torch.testing.assert_close(jerk(motion, 2.0), double([48.0, 0.0]), rtol=0, atol=1e-8)


def test_jerk_of_noise_has_the_closed_form():
    # A third difference of noise has variance 1 + 9 + 9 + 1; its norm in 3 dimensions has mean sqrt(8 / pi).
    mean = jerk(noise(40, 3, 200, 10)).mean()
    assert mean.item() == pytest.approx(20**0.5 * (8 / torch.pi) ** 0.5, rel=0.02)


def test_repeated_frames_raise_jerk_and_not_speed(people):
    assert (jerk(upsampled(people)) > 5 * jerk(people)).all()
    assert ((speed(upsampled(people)) / speed(people) - 1).abs() < 0.1).all()


def test_seconds_do_not_depend_on_the_rate_of_a_smooth_movement():
    t = torch.arange(240, dtype=torch.float64) / 120
    motion = along_x(torch.sin(t)[None])
    torch.testing.assert_close(speed(motion, 120.0), speed(motion[:, :, ::4], 30.0), rtol=0.01, atol=0)
    torch.testing.assert_close(jerk(motion, 120.0), jerk(motion[:, :, ::4], 30.0), rtol=0.03, atol=0)


def test_the_planted_foot_counts():
    motion = torch.zeros(1, 3, 5, 25)
    for joint in feet(NTU25):
        motion[0, 0, :, joint] = torch.arange(5) * 0.3
    assert foot_skating(motion, NTU25).tolist() == pytest.approx([0.3])
    motion[0, 0, :, NTU25.joints.index("AnkleLeft")] = torch.arange(5) * 0.1
    assert foot_skating(motion, NTU25).tolist() == pytest.approx([0.1])
    assert foot_skating(motion, NTU25, 30).tolist() == pytest.approx([3.0])
    motion[0, 0, 2:, NTU25.joints.index("AnkleLeft")] = 0.2  # stands from the third frame on
    assert foot_skating(motion, NTU25).tolist() == pytest.approx([(0.1 + 0.1 + 0 + 0) / 4])


def test_only_horizontal_movement_of_feet_is_skating():
    motion = noise(4, 3, 8, 25)
    motion[:, [0, 2]] = 0
    assert (foot_skating(motion, NTU25) == 0).all()
    other = noise(4, 3, 8, 25)
    others = [v for v in range(25) if v not in feet(NTU25)]
    changed = other.clone()
    changed[..., others] += noise(4, 3, 8, len(others), seed=1)
    assert torch.equal(foot_skating(changed, NTU25), foot_skating(other, NTU25))


def test_skating_of_a_walk_is_small_and_that_of_sliding_is_its_speed(people):
    assert foot_skating(people, NTU25, 30.0).max() < 0.03
    skating = foot_skating(sliding(people, 0.5 / 30), NTU25, 30.0)
    assert 0.3 < skating.min()
    assert skating.max() < 0.55


def test_a_slanted_camera_changes_skating_little(people):
    turned = people.clone()
    tilt = double(0.35)
    turned[:, 1] = tilt.cos() * people[:, 1] - tilt.sin() * people[:, 2]
    turned[:, 2] = tilt.sin() * people[:, 1] + tilt.cos() * people[:, 2]
    assert foot_skating(turned, NTU25, 30.0).max() < 0.03


@pytest.mark.parametrize("skeleton", [NTU25, H36M16])
def test_feet_are_found_by_name(skeleton):
    assert feet(skeleton)
    assert all(word in "".join(skeleton.joints[i] for i in feet(skeleton)) for word in ("Left", "Right", "Ankle"))


def test_skating_needs_feet_and_a_floor():
    with pytest.raises(ValueError, match="horizontal.*'coco17' has two"):
        foot_skating(torch.zeros(1, 2, 4, 17), COCO17)
    with pytest.raises(ValueError, match="'ntu25_2d' has two"):
        foot_skating(torch.zeros(1, 2, 4, 25), NTU25_2D)
    arm = Skeleton(joints=("Shoulder", "Elbow"), bones=((0, 1),), center=0, name="arm")
    assert feet(arm) == []
    with pytest.raises(ValueError, match="no joint of 'arm' is called foot or ankle; it has Shoulder, Elbow"):
        foot_skating(torch.zeros(1, 3, 4, 2), arm)


@pytest.mark.parametrize("name", QUANTITIES)
def test_quantities_do_not_depend_on_place_and_direction(people, name):
    quantity = QUANTITIES[name]
    motion = people.double() + noise(*people.shape, scale=0.01)
    angle = double(0.7)
    turned = motion.clone()
    turned[:, 0] = angle.cos() * motion[:, 0] - angle.sin() * motion[:, 2]
    turned[:, 2] = angle.sin() * motion[:, 0] + angle.cos() * motion[:, 2]
    torch.testing.assert_close(quantity(turned + 5, NTU25), quantity(motion, NTU25), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", QUANTITIES)
def test_quantities_grow_with_noise_and_a_frozen_body_has_none(people, name):
    quantity = QUANTITIES[name]
    still = people[:, :, :1].expand_as(people)
    means = [quantity(still + noise(*people.shape, scale=s), NTU25).mean() for s in (0.0, 0.01, 0.02, 0.04)]
    assert means[0] < 1e-6
    assert means[0] < means[1] < means[2] < means[3]


@pytest.mark.parametrize("name", QUANTITIES)
def test_quantities_do_not_depend_on_chunks_and_precision(people, monkeypatch, name):
    quantity = QUANTITIES[name]
    whole = quantity(people, NTU25)
    assert whole.shape == (len(people),)
    assert whole.dtype == torch.float64
    monkeypatch.setattr(module, "CHUNK", 5)
    torch.testing.assert_close(quantity(people, NTU25), whole, rtol=1e-12, atol=0)
    torch.testing.assert_close(quantity(people[7:8], NTU25), whole[7:8], rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", QUANTITIES)
def test_motions_that_cannot_be_measured_are_refused(people, name):
    quantity = QUANTITIES[name]
    broken = people[:4].clone()
    broken[2, 0, 5, 3] = float("nan")
    with pytest.raises(ValueError, match="motions: 1 of 4 rows hold NaN or infinity: rows 2"):
        quantity(broken, NTU25)
    with pytest.raises(ValueError, match="four axes"):
        quantity(people[0], NTU25)
    with pytest.raises(ValueError, match="at least . frames, got 4 of 1 frames"):
        quantity(people[:4, :, :1], NTU25)
    with pytest.raises(ValueError, match="at least one motion"):
        quantity(people[:0], NTU25)


def test_motions_of_another_skeleton_are_refused(people):
    for quantity in (bone_variation, foot_skating):
        with pytest.raises(ValueError, match="'h36m16' has 16 joints in 3 dimensions, the motions have 25 in 3"):
            quantity(people, H36M16)
        with pytest.raises(ValueError, match="25 joints in 2 dimensions, the motions have 25 in 3"):
            quantity(people, replace(NTU25, channels=2))


@pytest.mark.parametrize("fps", [0, -30.0, float("nan"), float("inf"), torch.ones(3), torch.zeros(2)])
def test_rates_that_do_not_fit_are_refused(people, fps):
    for quantity in (speed, jerk, lambda motion, fps: foot_skating(motion, NTU25, fps)):
        with pytest.raises(ValueError, match="fps must be above 0, one number or one for each of 2 motions"):
            quantity(people[:2], fps)


def test_a_gap_of_one_is_one_standard_deviation():
    real = noise(500)
    torch.testing.assert_close(gap(real + real.std(correction=0), real), double(1.0))
    torch.testing.assert_close(gap(real - 2 * real.std(correction=0), real), double(2.0))


def test_gap_is_blind_to_order_unit_and_place_but_not_to_spread():
    real, fake = noise(60), noise(40, seed=1) * 2 + 1
    expected = gap(fake, real)
    torch.testing.assert_close(gap(fake.flip(0), real.flip(0)), expected)
    torch.testing.assert_close(gap(fake * 1000 + 3, real * 1000 + 3), expected)
    assert gap(real, real) == 0
    wide = (real - real.mean()) * 3 + real.mean()
    assert gap(wide, real) > 1


def test_two_samples_of_one_distribution_have_the_documented_gap():
    mean = torch.stack([gap(noise(100, seed=2 * i), noise(400, seed=2 * i + 1)) for i in range(30)]).mean()
    assert mean.item() == pytest.approx(1.3 * (1 / 100 + 1 / 400) ** 0.5, rel=0.2)


def test_gap_is_the_distance_of_scipy_by_the_deviation():
    fake, real = noise(30), noise(50, seed=1) + 0.5
    expected = wasserstein_distance(fake.numpy(), real.numpy()) / real.numpy().std()
    assert gap(fake.float(), real.float()).item() == pytest.approx(expected, rel=1e-6)


def test_values_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="fake values: 1 of 3 rows hold NaN or infinity: rows 1"):
        gap(double([0.0, float("nan"), 1.0]), double([0.0, 1.0]))
    with pytest.raises(ValueError, match="real values: expected one number per motion"):
        gap(double([0.0]), double([]))
    with pytest.raises(ValueError, match="fake values: expected one number per motion"):
        gap(noise(3, 2), noise(3))
    with pytest.raises(ValueError, match="3 real values are all the same"):
        gap(double([0.0]), double([0.1, 0.1, 0.1]))


def test_gaps_between_real_people_are_small_and_those_of_faults_large(shared):
    motions = read_motions(shared / "data" / "motion" / "utd_mhad.npz")
    x = torch.from_numpy(motions.motion.copy())
    some = torch.from_numpy(motions.subject % 2 == 0)
    faults = {
        "bone_variation": x[some] + 0.01 * noise(*x[some].shape).float(),
        "speed": x[some][:, :, :1].expand_as(x[some]),
        "jerk": upsampled(x[some]),
        "foot_skating": sliding(x[some], 0.5 / 30),
    }
    for name, fake in faults.items():
        real = QUANTITIES[name](x[~some], NTU25)
        alike = gap(QUANTITIES[name](x[some], NTU25), real)
        assert alike < 0.7
        assert gap(QUANTITIES[name](fake, NTU25), real) > max(0.9, 2 * float(alike))
