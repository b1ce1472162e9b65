"""Recognition networks that learn from generated motions: good motions teach, bad ones do not."""

import dataclasses

import numpy as np
import pytest

from kinetic.evaluation import augmentation
from kinetic.evaluation.augmentation import train_on_generated
from kinetic.evaluation.comparison import open_comparison
from kinetic.families.experiments import load_experiment
from kinetic.families.motions import prepare
from kinetic.runs.fit import fit
from kinetic.runs.run import load_run

ENCODER = {
    "model": "encoder",
    "data": {"frames": 16, "batch_size": 8, "centering": "first", "classes": ["walk", "sit down", "wave"],
             "synthetic": {"subjects": 4, "repeats": 1}},
    "encoder": {"widths": [16, 16]},
    "training": {"steps": 60, "learning_rate": 1e-2, "sample_every": 0, "accelerator": "cpu"},
}  # fmt: skip


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory):
    return load_run(fit(load_experiment(**ENCODER), tmp_path_factory.mktemp("runs") / "encoder", progress=False))


def rows(motions, recogniser, seeds):
    comparison = open_comparison(motions, encoder=recogniser)
    return {row.score.metric: row for row in train_on_generated(comparison, recogniser, seeds=seeds)}


def test_real_motions_teach_and_wrongly_labelled_ones_do_not(recogniser, capsys):
    train = prepare(recogniser.experiment).train
    good = rows(train, recogniser, 2)
    assert good["gan_train"].score.value > 0.9 and good["augmented"].score.value > 0.9
    assert good["gan_train"].score.value == good["gan_train"].floor.value  # the same motions, recipe and seeds
    bad = rows(dataclasses.replace(train, label=np.roll(train.label, 1)[::-1].copy()), recogniser, 1)
    assert bad["gan_train"].score.value < good["gan_train"].score.value - 0.3
    assert bad["gan_train"].score.interval is None and good["gan_train"].score.interval is not None
    assert 0.9 < good["augmented"].score.interval[1] <= 1
    assert good["augmented"].score.n_fake == 2 * len(train) and good["gan_train"].score.n_fake == len(train)
    assert good["gan_train"].better == "high" and good["gan_train"].score.seeds == (0, 1)
    assert "recognised" not in capsys.readouterr().err  # the inner trainings print nothing


def test_no_seeds_and_other_classes_are_refused(recogniser):
    comparison = open_comparison(prepare(recogniser.experiment).train, encoder=recogniser)
    with pytest.raises(ValueError, match="seeds"):
        train_on_generated(comparison, recogniser, seeds=0)
    other = dataclasses.replace(
        recogniser, about=dataclasses.replace(recogniser.about, class_names=("walk", "wave", "sit down"))
    )
    with pytest.raises(ValueError, match="other classes"):
        train_on_generated(comparison, other)


def test_each_row_learns_from_the_motions_it_names(recogniser, monkeypatch):
    train = prepare(recogniser.experiment).train
    four = np.sort(np.concatenate([np.flatnonzero(train.label == k)[:4] for k in range(3)]))
    comparison = open_comparison(train.select(four), encoder=recogniser)
    trainings = []

    def learn(run, motions, test, *, seed):
        trainings.append((len(motions), seed))
        return len(motions) / 100

    monkeypatch.setattr(augmentation, "learned", learn)
    rows = {row.score.metric: row for row in train_on_generated(comparison, recogniser, seeds=2)}
    assert trainings == [(12, 0), (30, 0), (18, 0), (12, 1), (30, 1), (18, 1)]
    assert (rows["gan_train"].score.value, rows["augmented"].score.value) == (0.12, 0.3)
    assert rows["gan_train"].floor.value == rows["augmented"].floor.value == 0.18


def test_intervals_of_scattered_accuracies_stay_between_0_and_1(recogniser, monkeypatch):
    scattered = iter([0.2, 0.3, 0.4, 0.9, 0.8, 0.7])  # two seeds of three trainings
    monkeypatch.setattr(augmentation, "learned", lambda *_, **__: next(scattered))
    for row in rows(prepare(recogniser.experiment).train, recogniser, 2).values():
        for low, high in (row.score.interval, row.floor.interval):
            assert 0 < low < high < 1


def test_a_generator_makes_motions_with_the_labels_of_the_training_side(gan, recogniser, monkeypatch):
    sets = []
    monkeypatch.setattr(augmentation, "learned", lambda run, motions, test, *, seed: sets.append(motions) or 0.5)
    comparison = open_comparison(gan)
    (row, _) = train_on_generated(comparison, recogniser, seeds=2, truncation=0.5)
    fakes = [motions for motions in sets if motions.source == "training" and len(motions) == 18][::2]
    assert all((motions.label == comparison.reference.train.label).all() for motions in fakes)
    assert not (fakes[0].motion == fakes[1].motion).all()
    assert (row.score.balance, row.score.truncation, row.floor.truncation) == ("training motions", 0.5, None)
