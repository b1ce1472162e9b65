"""Alarms of a report: what raises them, and what does not."""

import dataclasses

import numpy as np
import pytest
from conftest import DATA

from kinetic.evaluation.evaluate import evaluate
from kinetic.formats.reading import read_motions
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.skeleton import NTU25


def test_collapse_copies_and_held_out_motions_raise_an_alarm(encoder, prepared):
    test, only = prepared.test, ["variance", "duplicates"]
    noisy = dataclasses.replace(test, motion=test.motion + np.random.default_rng(0).normal(0, 0.05, test.shape))
    assert evaluate(noisy, encoder=encoder, only=only).alarms == ()
    (alarm,) = evaluate(test, encoder=encoder, only=only).alarms
    assert alarm.startswith("no test: 100% of these motions are held-out real motions that they are scored against: ")
    collapsed = noisy.select(np.array([int(np.flatnonzero(test.label == k)[0]) for k in test.label.tolist()]))
    (alarm,) = evaluate(collapsed, encoder=encoder, only=only).alarms
    assert alarm.startswith("collapse: ") and all(name in alarm for name in test.class_names)
    (alarm,) = evaluate(prepared.train, encoder=encoder, only=only).alarms
    assert alarm == (
        "copies: 100% of the motions belong to one training motion each, and not to its neighbours: "
        "as they are; less than 0.1 mm off in the median"
    )


def half_precision(motion):
    return motion.astype(np.float16)


def mirrored(motion):
    order = np.arange(25)
    order[[*NTU25.left, *NTU25.right]] = [*NTU25.right, *NTU25.left]
    return motion[..., order] * np.array([-1, 1, 1])[:, None, None]


def turned(motion):
    return np.stack([-motion[:, 2], motion[:, 1], motion[:, 0]], axis=1)


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (half_precision, "as they are"),
        (mirrored, "100% mirrored"),
        (turned, "100% turned"),
        (lambda motion: 1.2 * motion, "100% larger or smaller"),
    ],
)
def test_simple_edits_hide_neither_copies_nor_leaks(encoder, prepared, edit, text):
    for side, start in ((prepared.train, "copies: 100%"), (prepared.test, "no test: 100%")):
        edited = dataclasses.replace(side, motion=edit(np.array(side.motion)).astype(np.float32))
        alarms = evaluate(edited, encoder=encoder, only=["duplicates", "duplicates_features"]).alarms
        assert any(alarm.startswith(start) and text in alarm for alarm in alarms)


def test_motions_by_anyone_are_compared_with_held_out_ones_whatever_is_scored(encoder, prepared):
    (alarm,) = evaluate(prepared.test, encoder=encoder, only=["frechet"]).alarms
    assert alarm.startswith("no test: 100%")


def test_other_people_raise_no_alarm_of_copies(encoder):
    others = synthesise(DATA["classes"], subjects=4, repeats=2, frames=16, seed=5)
    assert evaluate(others, encoder=encoder, only=["copying", "duplicates", "duplicates_features"]).alarms == ()


def test_held_out_motions_that_are_training_motions_raise_an_alarm(prepared, tmp_path):
    train, test = prepared.train, prepared.test
    columns = {
        name: np.concatenate([getattr(side, name) for side in (train, test)]) for name in ("label", "subject", "view")
    }
    motion = np.concatenate([train.motion, test.motion])
    motion[18:21] = motion[:3]
    path = tmp_path / "leaky.npz"
    write_motions(dataclasses.replace(train, motion=motion, **columns, clip=()), path)
    alarms = evaluate(test, reference=path, split="xsub", only=["duplicates"]).alarms
    assert any(alarm.startswith("leak: 16.7% of the held-out real motions") for alarm in alarms)
    held_out = read_motions(path).split("xsub")[1]
    alarms = evaluate(held_out, reference=path, split="xsub", only=["duplicates"]).alarms
    assert not any(alarm.startswith("copies") for alarm in alarms)  # as many as among held-out ones


@pytest.mark.parametrize(
    ("edit", "alarm"),
    [
        (lambda x: 1000 * x, "units: bodies are "),
        (lambda x: np.stack([x[:, 0], -x[:, 2], x[:, 1]], axis=1), "up: z points up"),
        (lambda x: x * np.array([-1, 1, 1])[:, None, None], "sides: left joints are on the right"),
        (lambda x: x[..., np.random.default_rng(0).permutation(x.shape[3])], "joints: "),
    ],
)
def test_motions_in_other_units_or_axes_raise_the_alarm_of_data_check(prepared, tmp_path, edit, alarm):
    def edited(motions):
        return dataclasses.replace(motions, motion=np.ascontiguousarray(edit(motions.motion), dtype=np.float32))

    real, options = synthesise(DATA["classes"], subjects=4, repeats=1, frames=16), {"split": "xsub", "only": ["speed"]}
    write_motions(real, tmp_path / "real.npz")
    (text,) = evaluate(edited(prepared.test), reference=tmp_path / "real.npz", **options).alarms
    assert text.startswith(f"scored motions: {alarm}")
    write_motions(edited(real), tmp_path / "odd.npz")
    alarms = evaluate(prepared.test, reference=tmp_path / "odd.npz", **options).alarms
    assert any(text.startswith(f"real test motions: {alarm}") for text in alarms)


def test_poor_motions_are_no_broken_file(gan, encoder, prepared):
    test, rng = prepared.test, np.random.default_rng(0)
    stretch = rng.uniform(0.5, 1.5, (len(test), 1, 16, 1)).astype(np.float32)
    jumps = rng.normal(0, 0.2, test.shape).astype(np.float32)
    still = np.repeat(test.motion[:, :, :1], 16, axis=2)
    for motion in (test.motion * stretch, test.motion + jumps, still):
        report = evaluate(dataclasses.replace(test, motion=motion), encoder=encoder, only=["speed"])
        assert report.alarms == () and "motions: " not in "".join(report.notes).replace("floor: real motions: ", "")
    assert evaluate(gan, seeds=1, only=["speed"]).alarms == ()  # untrained
