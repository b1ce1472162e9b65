"""What is compared with what: what is opened, brought into one form, and refused."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from conftest import DATA

from kinetic.evaluation.comparison import network_of, open_contest
from kinetic.evaluation.evaluate import evaluate
from kinetic.evaluation.report import compare
from kinetic.families.experiments import load_experiment
from kinetic.formats.reading import read_motions
from kinetic.models.adapter import Adapted
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.runs.fit import fit
from kinetic.runs.run import load_run


def scores(report):
    return {row.score.metric: row for row in report.rows}


def test_a_run_is_compared_with_what_it_did_not_learn(gan, encoder):
    contest = open_contest(gan, encoder=encoder)
    assert contest.run is not None and contest.motions is None
    assert set(contest.real.test.subject) & set(contest.real.train.subject) == set()
    two = contest.fakes(count=None, seeds=2, truncation=None)
    assert [(each.label == contest.real.test.label).all() for each in two] == [True, True]
    assert (two[0].motion != two[1].motion).any()
    (three,) = contest.fakes(count=3, seeds=1, truncation=0.5)
    assert np.bincount(three.label).tolist() == [3, 3, 3]


def test_motions_are_seen_through_the_network(gan, encoder):
    contest = open_contest(gan, encoder=encoder)
    seen = contest.look(contest.real.test)
    n = len(contest.real.test)
    assert seen.features.shape == (n, 16) and seen.features.dtype == torch.float64 and seen.predicted.shape == (n,)
    assert open_contest(gan).look(contest.real.test).features is None


def test_motions_of_a_file_take_no_count_and_no_truncation(encoder, prepared):
    contest = open_contest(prepared.test, encoder=encoder)
    for wrong in ({"count": 3}, {"truncation": 0.5}):
        with pytest.raises(ValueError, match="only a generator takes a count and a truncation"):
            evaluate(contest, **wrong)


def test_a_network_for_other_frames_is_refused(encoder, prepared):
    with pytest.raises(ValueError, match="knows 16 frames, motions have 32"):
        network_of(load_run(encoder), prepared.test.resampled(32))


def test_memory_mapped_motions_are_scored(prepared, encoder, tmp_path):
    write_motions(prepared.test, tmp_path / "folder")
    assert scores(evaluate(tmp_path / "folder", encoder=encoder, only=["mmd_frame"]))["mmd_frame"].score.value == 0


def test_what_cannot_be_compared_is_refused(gan, encoder, prepared, tmp_path):
    with pytest.raises(ValueError, match="nothing says"):
        evaluate(prepared.test)
    with pytest.raises(ValueError, match="recognition network"):
        evaluate(gan, encoder=gan)
    with pytest.raises(ValueError, match="recognition network"):
        evaluate(encoder)
    with pytest.raises(TypeError, match="ndarray"):
        evaluate(np.zeros(3))
    for truncation in (7, -3, float("nan")):
        with pytest.raises(ValueError, match="truncation lies between"):
            evaluate(gan, truncation=truncation, seeds=1)
    with pytest.raises(ValueError, match="seeds"):
        evaluate(gan, seeds=0)
    with pytest.raises(ValueError, match="holds no motions out"):
        evaluate(gan, split="none")
    with pytest.raises(ValueError, match=r"gan: trained on synthetic split by xsub.*xview holds out"):
        evaluate(gan, split="xview")
    with pytest.raises(ValueError, match=r"encoder: trained on synthetic split by xsub"):
        evaluate(prepared.test, encoder=encoder, split="xview")
    with pytest.raises(ValueError, match=r"published\.pth.*\[-1, 1\]"):
        evaluate(tmp_path / "published.pth")
    strange = dataclasses.replace(prepared.test, class_names=("walk", "sit down", "fly"))
    with pytest.raises(ValueError, match="'fly'"):
        evaluate(strange, encoder=encoder)


def test_any_network_gives_features(prepared, tmp_path):
    write_motions(synthesise(DATA["classes"], subjects=4, repeats=1, frames=16), tmp_path / "real.npz")
    torch.manual_seed(0)
    inner = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1200, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
    network = Adapted(inner, name="theirs", data="noise", class_names=prepared.test.class_names)
    found = {"encoder": network, "reference": tmp_path / "real.npz", "split": "xsub"}
    report = evaluate(prepared.test, **found)
    score = scores(report)["frechet"].score
    assert (score.network, score.network_data, score.network_hash) == ("theirs", "noise", network.hash)
    assert "accuracy" in scores(report) and "features: theirs" in report.to_text()
    nameless = Adapted(inner, name="theirs", data="noise")
    assert "accuracy" not in scores(evaluate(prepared.test, **(found | {"encoder": nameless})))
    with pytest.raises(TypeError, match="Sequential has no features"):
        evaluate(prepared.test, **(found | {"encoder": inner}))


@pytest.fixture
def theirs(tmp_path):
    """The synthetic test motions as a published generator would leave them: scaled, in an .npy with a label pickle."""
    motions = synthesise(DATA["classes"], subjects=4, repeats=1, frames=16)
    write_motions(motions, tmp_path / "real.npz")
    train, test = motions.split("xsub")
    low, high = train.motion.min(), train.motion.max()
    np.save(tmp_path / "gen_data.npy", (2 * (np.array(test.motion) - low) / (high - low) - 1).clip(-1, 1))
    with open(tmp_path / "gen_label.pkl", "wb") as file:
        pickle.dump((list(map(str, test.label)), test.label.tolist()), file)
    return tmp_path / "gen_data.npy"


def test_published_files_are_scaled_back_to_metres(theirs, encoder):
    reference = theirs.parent / "real.npz"
    rows = scores(evaluate(theirs, reference=reference, split="xsub", scaled=True))
    assert rows["mmd_frame"].score.value < 1e-3 and rows["variance"].score.value == pytest.approx(1, rel=0.01)
    centred = scores(evaluate(theirs, encoder=encoder, reference=reference, scaled=True))  # centred
    assert centred["frechet"].score.value < 0.01 and centred["accuracy"].score.value > 0.9
    with pytest.raises(ValueError, match=r"gen_data\.npy: its coordinates reach from -.*--scaled"):
        evaluate(theirs, reference=reference, split="xsub")


@pytest.mark.parametrize("form", ["npy", "folder"])
def test_motions_of_another_length_are_scored_from_the_disk(theirs, form):
    reference = theirs.parent / "real.npz"
    motions = read_motions(reference)
    longer = motions.split("xsub")[1].resampled(31)
    if form == "npy":
        low, high = (end(motions.split("xsub")[0].motion.ravel().tolist()) for end in (min, max))
        np.save(theirs, (2 * (np.array(longer.motion) - low) / (high - low) - 1).clip(-1, 1))
    else:
        theirs = theirs.parent / "longer"
        write_motions(longer, theirs)
    found = evaluate(theirs, reference=reference, split="xsub", scaled=form == "npy")
    assert scores(found)["mmd_frame"].score.value < 0.05
    assert "motions of 31 frames were resampled to 64" in found.notes


def test_scaled_motions_lie_in_the_range_that_they_claim(theirs, gan):
    with pytest.raises(ValueError, match=r"scaled motions lie in \[-1, 1\], these reach from"):
        evaluate(theirs.parent / "real.npz", reference=theirs.parent / "real.npz", split="xsub", scaled=True)
    with pytest.raises(ValueError, match="a run makes motions in metres"):
        evaluate(gan, scaled=True)
    motion = np.load(theirs)
    motion[:9, :, 12:] = 0
    np.save(theirs, motion)
    with pytest.raises(ValueError, match="9 motions end in frames of zeros"):
        evaluate(theirs, reference=theirs.parent / "real.npz", split="xsub", scaled=True)


def test_the_label_tells_references_apart(encoder, prepared, tmp_path):
    one, other = (
        evaluate(prepared.test.where(classes=[name]), encoder=encoder, only=["speed"]) for name in ("wave", "walk")
    )
    with pytest.raises(ValueError, match="labels differ in reference_hash"):
        compare([one, other])
    for seed in (0, 5):
        write_motions(
            dataclasses.replace(synthesise(DATA["classes"], subjects=4, repeats=1, frames=16, seed=seed), source=""),
            tmp_path / f"{seed}.npz",
        )
    digests = [
        open_contest(prepared.test, reference=tmp_path / f"{seed}.npz", split="xsub").reference_hash for seed in (0, 5)
    ]
    assert digests[0] != digests[1]
    zero = read_motions(tmp_path / "0.npz")
    write_motions(dataclasses.replace(zero, class_names=("walk", "wave", "sit down")), tmp_path / "renamed.npz")
    assert open_contest(prepared.test, reference=tmp_path / "renamed.npz", split="xsub").reference_hash not in digests
    again = dataclasses.replace(prepared.test, motion=np.array(prepared.test.motion) + np.float32(1e-8))
    assert open_contest(again, reference=tmp_path / "0.npz", split="xsub").reference_hash == digests[0]


def hashed(contest, **changes):
    """The hash of the references when the held-out side is another one."""
    real = dataclasses.replace(contest.real, test=dataclasses.replace(contest.real.test, **changes))
    return dataclasses.replace(contest, real=real).reference_hash


def one(edit):
    def all_of_it(x, label):
        x[7] = edit(x[7])

    return all_of_it


def mixed(x, label):
    a, b = np.flatnonzero(label == 1)[:2]
    x[[a, b], :, 8:] = x[[b, a], :, 8:]


def swapped(x, label):
    a, b = (np.flatnonzero(label == k)[0] for k in (0, 1))
    label[[a, b]] = label[[b, a]]


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda x, label: np.copyto(x, x[:, :, ::-1].copy()), id="all reversed"),
        pytest.param(one(lambda x: x[:, ::-1].copy()), id="one reversed"),
        pytest.param(one(lambda x: x[:, np.random.default_rng(0).permutation(16)]), id="frames of one shuffled"),
        pytest.param(lambda x, label: np.copyto(x, x[:, [0, 2, 1]]), id="axes swapped"),
        pytest.param(one(lambda x: x[[1, 0, 2]]), id="axes of one swapped"),
        pytest.param(one(lambda x: x[..., ::-1].copy()), id="joints of one"),
        pytest.param(one(lambda x: x + np.array([0.001, 0, 0])[:, None, None]), id="one moved by a millimetre"),
        pytest.param(swapped, id="labels of two swapped"),
        pytest.param(mixed, id="halves of two exchanged"),
    ],
)
def test_the_hash_of_a_reference_tells_other_motions(gan, edit):
    contest = open_contest(gan)
    motion, label = np.array(contest.real.test.motion), contest.real.test.label.copy()
    edit(motion, label)
    assert hashed(contest, motion=motion, label=label) != contest.reference_hash


def test_the_hash_of_a_reference_tells_sides_rates_and_skeletons(gan):
    contest = open_contest(gan)
    test, train = contest.real.test, contest.real.train
    exchanged = dataclasses.replace(contest.real, test=train, train=test)
    renamed = dataclasses.replace(test.skeleton, joints=("pelvis", *test.skeleton.joints[1:]))
    others = [
        dataclasses.replace(contest, real=exchanged).reference_hash,
        hashed(contest, fps=12.0),
        hashed(contest, skeleton=renamed),
        hashed(contest, class_names=("run", *test.class_names[1:])),
    ]
    assert len({contest.reference_hash, *others}) == 5


def test_rounding_and_order_leave_the_hash_of_a_reference_as_it_is(gan):
    contest = open_contest(gan)
    test, rng = contest.real.test, np.random.default_rng(0)
    order = rng.permutation(len(test))
    assert hashed(contest, motion=np.array(test.motion)[order], label=test.label[order]) == contest.reference_hash
    for _ in range(200):
        noise = 1 + 1e-7 * rng.standard_normal(test.shape)
        assert hashed(contest, motion=(test.motion * noise).astype(np.float32)) == contest.reference_hash
    numbers = (*test.class_names, "hop")  # a class without motions
    assert hashed(contest, class_names=numbers) == contest.reference_hash
    turned = {"label": 2 - test.label, "class_names": test.class_names[::-1]}
    assert hashed(contest, **turned) == contest.reference_hash


def test_the_hash_of_a_reference_on_the_disk_is_that_of_one_in_memory(gan, tmp_path):
    contest = open_contest(gan)
    write_motions(contest.real.test, tmp_path / "folder")
    stored = read_motions(tmp_path / "folder")
    real = dataclasses.replace(contest.real, test=stored)
    assert dataclasses.replace(contest, real=real).reference_hash == contest.reference_hash


def test_motions_that_lost_their_place_are_compared_with_such(prepared, encoder, tmp_path):
    framed = dataclasses.replace(prepared.test.centred("frame"), notes={"centering": "frame"})
    with pytest.raises(ValueError, match=r"learned motions centred: first, these are centred: frame"):
        open_contest(framed, encoder=encoder)
    write_motions(synthesise(DATA["classes"], subjects=4, repeats=1, frames=16), tmp_path / "real.npz")
    rows = scores(evaluate(framed, reference=tmp_path / "real.npz", split="xsub", only=["mmd_frame"]))
    assert rows["mmd_frame"].score.value < 1e-3 and "centred: frame" in rows["mmd_frame"].score.scaling


def test_motions_of_classes_without_real_ones_are_left_out(prepared, tmp_path):
    motions = synthesise(DATA["classes"], subjects=4, repeats=1, frames=16)
    seen = motions.split("xsub")[1].subject
    walk = motions.class_id("walk")
    write_motions(motions.select((motions.label != walk) | ~np.isin(motions.subject, seen)), tmp_path / "nowalk.npz")
    report = evaluate(prepared.test, reference=tmp_path / "nowalk.npz", split="xsub", only=["mmd_frame", "bones"])
    assert scores(report)["bones"].score.n_fake == 12 and "for want of real test motions: walk" in report.to_text()


def test_copies_of_what_a_network_saw_are_refused_by_the_name_of_the_set(gan, encoder, tmp_path):
    write_motions(synthesise(DATA["classes"], subjects=4, repeats=1, frames=16), tmp_path / "copy.npz")
    with pytest.raises(ValueError, match="trained on synthetic split by xsub"):
        open_contest(gan, reference=tmp_path / "copy.npz", split="xview")


def test_classes_in_another_order_are_those_of_the_network(prepared, encoder, tmp_path):
    motions = synthesise([*reversed(DATA["classes"]), "kick"], subjects=4, repeats=1, frames=16)
    write_motions(motions, tmp_path / "more.npz")
    rows = scores(evaluate(prepared.test, encoder=encoder, reference=tmp_path / "more.npz", split="xsub"))
    assert rows["accuracy"].score.value > 0.9 and rows["frechet"].score.value < 1e-6


def test_numbers_are_those_of_the_whole_reference(theirs, tmp_path):
    experiment = load_experiment(
        model="encoder",
        data={**DATA, "classes": ["sit down", "wave"], "source": str(theirs.parent / "real.npz")},
        encoder={"widths": [8]},
        training={"steps": 2, "sample_every": 0, "accelerator": "cpu"},
    )
    network = fit(experiment, tmp_path / "network", progress=False)
    with pytest.raises(ValueError, match="no class 'walk'"):
        open_contest(theirs, encoder=network, scaled=True)  # number 0 is walk there, though the network knows it not


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_of_none_is_refused(gan, count):
    with pytest.raises(ValueError, match="count must be at least 1"):
        evaluate(gan, count=count)
