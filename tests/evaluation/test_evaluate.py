import dataclasses
import hashlib
import json

import numpy as np
import pytest
import torch
from conftest import DATA, GAN

from kinetic.evaluation.comparison import open_contest
from kinetic.evaluation.evaluate import evaluate, evaluate_published
from kinetic.evaluation.report import Report, compare, read_report, write_report
from kinetic.families.experiments import load_experiment
from kinetic.formats.reading import read_motions
from kinetic.metrics.intervals import COVERS
from kinetic.metrics.measures import BETTER, MEASURES
from kinetic.metrics.memory import aligned_memory, nearer
from kinetic.metrics.score import bounds_of
from kinetic.models import inception
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs.fit import fit
from kinetic.runs.sample import sample
from kinetic.skeleton import NTU25, save_skeleton

ONE_SIDED = {name for each in MEASURES if each.floor in ("test", "left out") for name in each.scores}


def scores(report):
    return {row.score.metric: row for row in report.rows}


def test_an_untrained_generator_is_far_above_the_floor(gan, encoder):
    report = evaluate(gan, encoder=encoder, seeds=2)
    rows = scores(report)
    assert set(rows) == set(BETTER) - {"frechet_infinity"}  # its features are as many as its motions
    for metric in ("frechet", "mmd_frame", "mmd_sequence"):
        assert rows[metric].score.value > 2 * rows[metric].floor.value
    assert rows["accuracy"].score.value < rows["accuracy"].floor.value
    assert all(row.score.interval is not None and row.score.seeds == (0, 1) for row in report.rows)
    assert rows["frechet"].score.network_hash and rows["frechet"].score.reference == "synthetic/xsub/test"


def test_intervals_stay_inside_the_bounds_of_their_score_and_a_note_says_what_they_cover(gan, encoder):
    report = evaluate(gan, encoder=encoder, seeds=2)
    for row in report.rows:
        low, high = bounds_of(row.score.metric)
        start, end = row.score.interval
        assert low <= start <= row.score.value <= end <= high
    assert any(COVERS in note for note in report.notes)


def test_a_recognition_network_says_how_good_it_is(encoder, prepared):
    told = json.loads((encoder / "recognition.json").read_text())
    assert told["trained on"] == "synthetic/xsub/train (18 motions)"
    assert told["tested on"] == "synthetic/xsub/test (18 motions)" and told["batches"] == 60
    rows = scores(evaluate(prepared.test, encoder=encoder, seeds=1, only=["accuracy"]))
    assert rows["accuracy"].score.value == told["accuracy"] and rows["accuracy"].score.network_hash == told["hash"]
    assert list(told["class accuracy"]) == DATA["classes"]


def test_the_floor_scores_as_the_floor_when_it_is_handed_in(encoder, prepared):
    rows = scores(evaluate(prepared.train, encoder=encoder, seeds=1))
    for metric in ("frechet", "mmd_frame", "mmd_sequence"):
        assert rows[metric].score.value == pytest.approx(rows[metric].floor.value, rel=0.05)


def test_the_reference_itself_is_perfect(encoder, prepared):
    rows = scores(evaluate(prepared.test, encoder=encoder, seeds=1))
    assert rows["frechet"].score.value < 1e-6 and rows["mmd_frame"].score.value == 0
    assert rows["accuracy"].score.value == rows["accuracy"].floor.value


def test_wrong_labels_and_collapse_are_seen(encoder, prepared):
    test = prepared.test
    rolled = dataclasses.replace(test, label=np.roll(test.label, len(test) // 3))
    assert scores(evaluate(rolled, encoder=encoder, seeds=1))["accuracy"].score.value < 0.5
    first = {k: int(np.flatnonzero(test.label == k)[0]) for k in range(3)}
    collapsed = test.select(np.array([first[k] for k in test.label.tolist()]))
    rows = scores(evaluate(collapsed, encoder=encoder, seeds=1))
    assert rows["mmd_frame"].score.value > 3 * rows["mmd_frame"].floor.value
    assert rows["frechet"].score.value > 1.5 * rows["frechet"].floor.value


def test_a_file_by_anyone_is_scored_with_classes_matched_by_name(encoder, prepared, tmp_path):
    test = prepared.test
    order = ("wave", "walk", "sit down")
    number = np.array([order.index(name) for name in test.class_names])
    write_motions(dataclasses.replace(test, label=number[test.label], class_names=order), tmp_path / "theirs.npz")
    report = evaluate(tmp_path / "theirs.npz", encoder=encoder, seeds=1)
    assert scores(report)["mmd_sequence"].score.value == 0
    assert scores(report)["frechet"].score.seeds == () and scores(report)["frechet"].score.truncation is None


def test_without_an_encoder_coordinates_are_compared(gan):
    found = scores(evaluate(gan, seeds=1))
    assert {"mmd_frame", "apd", "jerk", "copying"} <= set(found)
    assert not {"frechet", "accuracy", "recall", "diversity"} & set(found)


def test_the_floor_is_a_mean_of_draws_that_are_not_independent(gan, encoder):
    for row in evaluate(gan, encoder=encoder, seeds=2).rows:
        assert row.floor.interval is None and row.score.interval is not None


def test_a_reference_is_centred_as_the_samples_were_and_reduced_to_their_classes(gan, tmp_path):
    reference = tmp_path / "real.npz"
    write_motions(synthesise(subjects=4, repeats=1, frames=16), reference)
    of_the_run = scores(evaluate(gan, seeds=1))["mmd_frame"].score
    by_file = scores(evaluate(gan, reference=reference, seeds=1))["mmd_frame"].score
    assert by_file.value == pytest.approx(of_the_run.value, rel=0.01)  # its motions stand in another order
    made = sample(gan, count=2, out=tmp_path / "made.npz")
    write_motions(synthesise(DATA["classes"], subjects=4, repeats=1, frames=16), reference)
    assert "centred: first" in evaluate(made, reference=reference).to_text()
    real = open_contest(made, reference=reference).real.test
    assert np.abs(real.motion[:, :, 0, real.skeleton.center]).max() == 0


def test_a_run_is_scored_without_the_skeleton_file_it_was_trained_with(tmp_path):
    save_skeleton(NTU25, tmp_path / "mine.yaml")
    run = fit(load_experiment(**GAN, skeleton=str(tmp_path / "mine.yaml")), tmp_path / "run", progress=False)
    (tmp_path / "mine.yaml").unlink()
    assert len(evaluate(run, seeds=1, only=["mmd_frame"]).rows) == 1


def test_a_file_with_some_of_the_classes_is_scored_on_these(encoder, prepared):
    waving = prepared.test.where(classes=["wave"])
    report = evaluate(dataclasses.replace(waving, label=waving.label), encoder=encoder)
    assert scores(report)["mmd_frame"].score.value == 0 and scores(report)["mmd_frame"].score.n_real == len(waving)
    assert "only classes that there are motions of: wave" in report.to_text()


def test_a_class_without_test_motions_is_noted(tmp_path):
    motions = synthesise(DATA["classes"], subjects=4, repeats=1, frames=16)
    walk, seen = motions.class_names.index("walk"), motions.split("xsub")[1].subject
    kept = motions.select((motions.label != walk) | ~np.isin(motions.subject, seen))
    write_motions(kept, tmp_path / "a.npz")
    data = {**GAN["data"], "source": str(tmp_path / "a.npz"), "classes": None}
    run = fit(load_experiment(**{**GAN, "data": data}), tmp_path / "run", progress=False)
    assert "for want of real test motions: walk" in evaluate(run, seeds=1).to_text()


def test_floor_and_motions_are_as_many(encoder, prepared):
    few = prepared.test.select(np.flatnonzero(np.arange(len(prepared.test)) % 3 < 2))
    for row in evaluate(few, encoder=encoder, seeds=2).rows:
        floor_is_test = row.score.metric in ONE_SIDED
        assert row.score.n_fake == len(few) and row.floor.n_fake == (len(prepared.test) if floor_is_test else len(few))


def test_the_report_is_a_table_and_plain_values(gan):
    report = evaluate(gan, seeds=1)
    assert "mmd_frame" in report.to_text() and "floor" in report.to_text()
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["rows"][0].keys() == {"score", "floor", "better"}
    assert Report.from_dict(plain).rows == report.rows and plain["classes"]["class_names"] == DATA["classes"]


def test_collapse_copies_and_the_answers_themselves_raise_an_alarm(encoder, prepared):
    test, only = prepared.test, ["variance", "duplicates"]
    noisy = dataclasses.replace(test, motion=test.motion + np.random.default_rng(0).normal(0, 0.05, test.shape))
    assert evaluate(noisy, encoder=encoder, only=only).alarms == ()
    (alarm,) = evaluate(test, encoder=encoder, only=only).alarms
    assert alarm.startswith("no test: 100% of these motions are held-out real motions that they are scored against: ")
    still = noisy.select(np.array([int(np.flatnonzero(test.label == k)[0]) for k in test.label.tolist()]))
    (alarm,) = evaluate(still, encoder=encoder, only=only).alarms
    assert alarm.startswith("collapse: ") and all(name in alarm for name in test.class_names)
    (alarm,) = evaluate(prepared.train, encoder=encoder, only=only).alarms
    assert alarm == (
        "copies: 100% of the motions belong to one training motion each, and not to its neighbours: "
        "as they are; less than 0.1 mm off in the median"
    )


def test_trivial_edits_hide_neither_copies_nor_leaks(encoder, prepared):
    only = ["duplicates", "duplicates_features"]

    def told(motions, change):
        made = dataclasses.replace(motions, motion=change(np.array(motions.motion)).astype(np.float32))
        return evaluate(made, encoder=encoder, only=only).alarms

    def mirrored(motion):
        order = np.arange(25)
        order[[*NTU25.left, *NTU25.right]] = [*NTU25.right, *NTU25.left]
        return motion[..., order] * np.array([-1, 1, 1])[:, None, None]

    for what, change in {
        "as they are": lambda motion: motion.astype(np.float16),
        "100% mirrored": mirrored,
        "100% turned": lambda motion: np.stack([-motion[:, 2], motion[:, 1], motion[:, 0]], axis=1),
        "100% larger or smaller": lambda motion: 1.2 * motion,
    }.items():
        assert any(alarm.startswith("copies: 100%") and what in alarm for alarm in told(prepared.train, change)), what
        assert any(alarm.startswith("no test: 100%") and what in alarm for alarm in told(prepared.test, change)), what


def test_motions_by_anyone_are_held_against_the_answers_whatever_is_scored(encoder, prepared):
    (alarm,) = evaluate(prepared.test, encoder=encoder, only=["frechet"]).alarms
    assert alarm.startswith("no test: 100%")


def test_people_who_are_not_copies_raise_no_alarm_of_copies(encoder):
    others = synthesise(DATA["classes"], subjects=4, repeats=2, frames=16, seed=5)
    assert evaluate(others, encoder=encoder, only=["copying", "duplicates", "duplicates_features"]).alarms == ()


def test_the_floor_of_copying_is_that_of_training_motions_left_out_in_turn(gan, prepared):
    row = scores(evaluate(gan, seeds=1, only=["copying"]))["copying"]
    memory = aligned_memory(
        *(torch.from_numpy(np.array(each.motion)) for each in (prepared.train, prepared.test)), NTU25
    )
    rows = torch.arange(len(prepared.train))  # as many as test motions: all
    left = memory.look(torch.from_numpy(np.array(prepared.train.motion)), rows)
    assert row.floor.value == pytest.approx(float(nearer(left.first, memory.unseen.first)))
    assert row.floor.n_fake == len(rows)


def turned(x):
    return np.stack([x[:, 0], -x[:, 2], x[:, 1]], axis=1)


def mirrored(x):
    return x * np.array([-1, 1, 1], dtype=np.float32)[:, None, None]


@pytest.mark.parametrize(
    ("edit", "alarm"),
    [
        (lambda x: 1000 * x, "units: bodies are "),
        (turned, "up: z points up"),
        (mirrored, "sides: left joints are on the right"),
        (lambda x: x[..., np.random.default_rng(0).permutation(x.shape[3])], "joints: "),
    ],
)
def test_motions_in_other_units_or_axes_raise_the_alarm_of_data_check(prepared, tmp_path, edit, alarm):
    def edited(motions):
        return dataclasses.replace(motions, motion=np.ascontiguousarray(edit(motions.motion), dtype=np.float32))

    real, asked = synthesise(DATA["classes"], subjects=4, repeats=1, frames=16), {"split": "xsub", "only": ["speed"]}
    write_motions(real, tmp_path / "real.npz")
    found = evaluate(edited(prepared.test), reference=tmp_path / "real.npz", **asked).alarms
    assert [each.startswith(f"scored motions: {alarm}") for each in found] == [True]
    write_motions(edited(real), tmp_path / "odd.npz")
    found = evaluate(prepared.test, reference=tmp_path / "odd.npz", **asked).alarms
    assert any(each.startswith(f"real test motions: {alarm}") for each in found)


def test_poor_motions_are_not_called_a_broken_file(gan, encoder, prepared):
    test, rng = prepared.test, np.random.default_rng(0)
    stretch = rng.uniform(0.5, 1.5, (len(test), 1, 16, 1)).astype(np.float32)
    jumps = rng.normal(0, 0.2, test.shape).astype(np.float32)
    still = np.repeat(test.motion[:, :, :1], 16, axis=2)
    for motion in (test.motion * stretch, test.motion + jumps, still):
        report = evaluate(dataclasses.replace(test, motion=motion), encoder=encoder, only=["speed"])
        assert report.alarms == () and "motions: " not in "".join(report.notes).replace("floor: real motions: ", "")
    assert evaluate(gan, seeds=1, only=["speed"]).alarms == ()  # untrained


def test_classes_are_told_apart(encoder, prepared):
    test = prepared.test
    label = test.label.copy()
    label[label == 2] = np.resize([2, 0], (label == 2).sum())  # half of what waves is called walking
    table = evaluate(dataclasses.replace(test, label=label), encoder=encoder, seeds=1).classes
    counts = np.array(table.confusion)
    assert counts.sum() == len(test) and counts[0, 2] == (test.label == 2).sum() // 2
    assert table.scores["accuracy"][1] == 1 and table.scores["accuracy"][0] < 1
    assert len(table.scores["mmd_frame"]) == 3
    assert evaluate(test, encoder=encoder, seeds=1).classes.scores["variance"] == pytest.approx([1, 1, 1])


def test_a_note_says_whether_chance_explains_that_sides_are_told_apart(gan, encoder):
    (note,) = [note for note in evaluate(gan, encoder=encoder, seeds=1).notes if note.startswith("c2st")]
    assert note.startswith("c2st: p 0.001 for the first generated set, 0.")
    assert "c2st" not in evaluate(gan, encoder=encoder, seeds=1, only=["frechet"]).to_text()


def test_some_scores_alone(gan, encoder):
    assert list(scores(evaluate(gan, encoder=encoder, seeds=1, only=["accuracy", "jerk"]))) == ["accuracy", "jerk"]
    with pytest.raises(ValueError, match="no score 'fid'"):
        evaluate(gan, seeds=1, only=["fid"])


def test_one_motion_is_scored_by_what_one_motion_can_tell(encoder, prepared):
    report = evaluate(prepared.test.select([0]), encoder=encoder, seeds=1)
    assert {"accuracy", "copying", "speed"} <= set(scores(report)) and "frechet" not in scores(report)
    assert "left out: frechet, frechet_class: " in report.to_text() or "frechet" in report.to_text()


def test_more_motions_than_there_are_real_ones_are_noted(gan, encoder):
    report = evaluate(gan, encoder=encoder, seeds=1, count=10, only=["frechet"])
    assert "the floor has 18 real training motions, for there are no more" in report.to_text()
    assert "some scores change with the number of motions; of as many generated ones: frechet " in report.to_text()


def test_no_more_motions_are_generated_than_the_floor_has(gan, prepared):
    few = prepared.train.select(np.flatnonzero((prepared.train.label != 0) | (np.arange(len(prepared.train)) < 3)))
    contest = open_contest(gan)
    fakes = dataclasses.replace(contest, real=dataclasses.replace(contest.real, train=few)).fakes(
        count=None, seeds=1, truncation=None
    )
    counts, known = np.bincount(fakes[0].label), np.bincount(few.label)
    assert counts.tolist() == np.minimum(np.bincount(prepared.test.label), known).tolist() and counts[0] < counts[1]


def test_a_bootstrap_covers_other_people_too(gan, encoder):
    only = ["accuracy", "kernel", "mmd_frame", "apd", "copying"]
    plain = scores(evaluate(gan, encoder=encoder, seeds=2, only=only))
    report = evaluate(gan, encoder=encoder, seeds=2, only=only, bootstrap=3)
    assert "interval: 95%, over other people in the place of the 2 of the test side and over draws" in report.to_text()
    for name, row in scores(report).items():
        assert row.score.value == plain[name].score.value
        low, high = row.score.interval
        assert low <= row.score.value <= high
    assert scores(report)["kernel"].score.interval != plain["kernel"].score.interval
    again = evaluate(gan, encoder=encoder, seeds=2, only=only, bootstrap=3)
    assert again == report


def test_a_bootstrap_of_a_file_draws_its_motions_too(encoder, prepared):
    noisy = dataclasses.replace(prepared.test, motion=prepared.test.motion + np.float32(0.02))
    rows = scores(evaluate(noisy, encoder=encoder, only=["accuracy", "apd"], bootstrap=4))
    assert all(row.score.interval is not None for row in rows.values())
    with pytest.raises(ValueError, match="bootstrap 0 or at least 2, got 1 and 1"):
        evaluate(noisy, encoder=encoder, seeds=1, bootstrap=1)


@pytest.fixture(scope="module")
def second(encoder, tmp_path_factory):
    """Another recognition network."""
    experiment = load_experiment(
        model="encoder",
        data=DATA,
        encoder={"widths": [8]},
        training={"steps": 20, "sample_every": 0, "accelerator": "cpu"},
        seed=5,
    )
    return fit(experiment, tmp_path_factory.mktemp("second") / "run", progress=False)


def test_a_second_network_has_rows_of_its_own(gan, encoder, second, tmp_path):
    both = evaluate(gan, encoder=[encoder, second], seeds=2)
    first, alone = evaluate(gan, encoder=encoder, seeds=2), evaluate(gan, encoder=second, seeds=2)
    assert both.rows[: len(first.rows)] == first.rows
    more = {row.score.metric.removesuffix("@2"): row for row in both.rows[len(first.rows) :]}
    assert set(more) == {row.score.metric for row in alone.rows if row.score.network is not None}
    for name, row in more.items():
        own = alone[name]
        assert dataclasses.replace(row.score, metric=name) == own.score and row.better == own.better
        assert dataclasses.replace(row.floor, metric=name) == own.floor
    assert both["frechet@2"].score.network_hash != both["frechet"].score.network_hash
    (note,) = [note for note in both.notes if note.startswith("features @2: ")]
    assert both["frechet@2"].score.network_hash in note and any(note.startswith("c2st@2: p ") for note in both.notes)
    assert both.classes.scores["frechet_class@2"] == alone.classes.scores["frechet_class"]
    assert both.classes.scores["accuracy@2"] == alone.classes.scores["accuracy"]
    assert both.classes.confusion == first.classes.confusion
    write_report(both, tmp_path / "both.json")
    kept = read_report(tmp_path / "both.json")
    assert kept.rows == both.rows and "frechet@2" in compare([kept, both])


def test_scores_of_all_networks_are_chosen_by_one_name(gan, encoder, second):
    report = evaluate(gan, encoder=[encoder, second], seeds=1, only=["accuracy", "jerk"])
    assert list(scores(report)) == ["accuracy", "jerk", "accuracy@2"]
    assert list(scores(evaluate(gan, encoder=[encoder, second], seeds=1, only=["jerk"]))) == ["jerk"]
    left_out = evaluate(gan, encoder=[encoder, second], seeds=1, count=1, only=["frechet_infinity", "jerk"]).notes
    assert any(note.startswith("left out: frechet_infinity") for note in left_out)
    with pytest.raises(ValueError, match="no score 'accuracy@2'"):
        evaluate(gan, encoder=[encoder, second], only=["accuracy@2"])


def test_networks_that_are_alike_or_know_other_things_are_refused(gan, encoder, second, tmp_path):
    with pytest.raises(ValueError, match="encoder 3 has the weights of one before it"):
        evaluate(gan, encoder=[encoder, second, encoder])
    other = load_experiment(
        model="encoder",
        data={**DATA, "classes": ["walk", "wave"]},
        encoder={"widths": [8]},
        training={"steps": 1, "sample_every": 0, "accelerator": "cpu"},
    )
    run = fit(other, tmp_path / "other", progress=False)
    with pytest.raises(ValueError, match=f"{run}: the recognition network knows other classes"):
        evaluate(gan, encoder=[encoder, run])
    with pytest.raises(ValueError, match="found a generator"):
        evaluate(gan, encoder=[encoder, gan])


def test_a_contest_that_is_open_takes_no_other_network(gan, encoder):
    with pytest.raises(ValueError, match="encoder belongs to open_contest"):
        evaluate(open_contest(gan), encoder=encoder)


def test_held_out_motions_that_are_training_motions_raise_an_alarm(prepared, tmp_path):
    train, test = prepared.train, prepared.test
    both = {
        name: np.concatenate([getattr(side, name) for side in (train, test)]) for name in ("label", "subject", "view")
    }
    motion = np.concatenate([train.motion, test.motion])
    motion[18:21] = motion[:3]
    write_motions(dataclasses.replace(train, motion=motion, **both, clip=()), tmp_path / "leaky.npz")
    found = evaluate(test, reference=tmp_path / "leaky.npz", split="xsub", only=["duplicates"])
    assert any(alarm.startswith("leak: 16.7% of the held-out real motions") for alarm in found.alarms)
    held_out = read_motions(tmp_path / "leaky.npz").split("xsub")[1]
    alarms = evaluate(held_out, reference=tmp_path / "leaky.npz", split="xsub", only=["duplicates"]).alarms
    assert not any(alarm.startswith("copies") for alarm in alarms)  # as many as among held-out ones


def test_the_same_run_has_the_same_scores(gan, encoder):
    one, two = (evaluate(gan, encoder=encoder, seeds=2).to_dict() for _ in range(2))
    assert one == two


def test_the_published_protocol_sees_one_motion_of_a_class(gan, prepared):
    report = evaluate_published(gan, count=3)
    rows = scores(report)
    assert list(rows) == ["mmd_frame", "mmd_sequence"]
    score = rows["mmd_frame"].score
    assert (score.estimator, score.truncation, score.balance, score.n_fake) == ("published", 0.95, "balanced", 9)
    assert score.reference == "synthetic/xsub/train" and score.scaling.startswith("[-1, 1]")
    assert "pass the Inception weights" in report.to_text()
    collapsed = prepared.train.select(
        np.array([int(np.flatnonzero(prepared.train.label == k)[0]) for k in prepared.train.label.tolist()])
    )
    contest = dataclasses.replace(open_contest(gan), run=None, motions=collapsed)
    blind = scores(evaluate_published(contest))
    assert blind["mmd_frame"].score.value == blind["mmd_sequence"].score.value == 0
    assert "vanished" in evaluate_published(contest).to_text()  # and says what it lost


def test_the_published_fid_uses_the_weights_it_is_given(gan, tmp_path, monkeypatch):
    torch.manual_seed(0)
    torch.save(inception.Inception().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"weights\.pth"):
        evaluate_published(gan, inception=tmp_path / "weights.pth", count=2)
    with pytest.raises(FileNotFoundError, match="pt_inception-2015-12-05"):
        evaluate_published(gan, inception=tmp_path / "nowhere.pth", count=2)
    digest = hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()
    monkeypatch.setattr(inception, "PUBLISHED", digest)
    monkeypatch.setattr(inception, "SIZE", 75)  # the smallest image that the network takes
    fids = [
        scores(evaluate_published(gan, inception=tmp_path / "weights.pth", count=2, range_fault=fault))["fid"].score
        for fault in (True, False)
    ]
    assert fids[0].value > 0 and fids[0].value != fids[1].value
    assert fids[0].estimator != fids[1].estimator and fids[0].network_data == "ImageNet"
