"""A score gathered batch by batch, by one process and by two, is the score of all rows at once."""

from __future__ import annotations

import pickle
from functools import partial

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torch import Tensor, nn
from torchmetrics import MetricCollection

from kinetic.metrics.classes import PerClass
from kinetic.metrics.frechet import FrechetDistance, flatten, frechet_from_features, frechet_infinity, frechet_per_class
from kinetic.metrics.gathered import Gathered, evaluated
from kinetic.metrics.kernel import kernel_distance, kernel_distance_subsets
from kinetic.metrics.manifold import manifold
from kinetic.metrics.mmd import mmd_per_class

D = 12


def draw(n, seed=0, shift=0.0):
    """Motions and labels: (n, 3, 2, 2), (n,)."""
    rng = torch.Generator().manual_seed(seed)
    motion = torch.randn(n, 3, 2, 2, generator=rng, dtype=torch.float64) + shift
    return motion, torch.randint(3, (n,), generator=rng)


def first_rows(fake, real):
    """A score that depends on the order of rows only."""
    return fake[:5].sum() - real[:7].sum()


def first_labels(fake, fake_label, real, real_label):
    weight = torch.arange(1, 6, dtype=torch.float64)
    return (fake[:5, 0, 0, 0] * (fake_label[:5] + weight)).sum() - (real[:5, 0, 0, 0] * (real_label[:5] - weight)).sum()


METRICS = {
    "kernel": lambda: Gathered(kernel_distance, features=flatten),
    "kernel of subsets": lambda: Gathered(partial(kernel_distance_subsets, subsets=3, size=20), features=flatten),
    "manifold": lambda: Gathered(partial(manifold, neighbours=3), features=flatten),
    "mmd of classes": lambda: Gathered(mmd_per_class, labelled=True),
    "frechet of classes": lambda: Gathered(partial(frechet_per_class, least=4), features=flatten, labelled=True),
    "frechet at infinity": lambda: Gathered(partial(frechet_infinity, points=3), features=flatten),
    "first rows": lambda: Gathered(first_rows),
    "first labels": lambda: Gathered(first_labels, labelled=True),
    "frechet": lambda: FrechetDistance(flatten, D),
}
SIDES = {True: draw(61), False: draw(47, seed=1, shift=0.3)}


def feed(metric, rows, *, real, cut):
    motion, label = (x[rows] for x in SIDES[real])
    for m, k in zip(motion.split(cut), label.split(cut), strict=True):
        metric.update(m, k, real=real) if isinstance(metric, Gathered) else metric.update(m, real=real)


def numbers(result):
    """Any result as one vector."""
    if isinstance(result, dict):
        result = tuple(result.values())
    return torch.stack([x.double() for x in result]) if isinstance(result, tuple) else result.double().flatten()


def whole(name):
    metric = METRICS[name]()
    for real in SIDES:
        feed(metric, slice(None), real=real, cut=1000)
    return numbers(metric.compute())


def assert_same(a, b):
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


# Two processes. Who sees what: (rows of rank 0, rows of rank 1) of the real and of the fake side.

NONE, ALL, BEGIN, END = slice(0, 0), slice(None), slice(0, 30), slice(30, None)
SHARES = {
    "halves": {True: (BEGIN, END), False: (END, BEGIN)},
    "one side each": {True: (ALL, NONE), False: (NONE, ALL)},
    "one sees nothing": {True: (NONE, ALL), False: (NONE, ALL)},
    "one sees little": {True: (slice(0, 1), slice(1, None)), False: (NONE, ALL)},
}


def refused(metric):
    try:
        metric.compute()
    except ValueError as error:
        return str(error)
    return "nothing refused"


def work(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    results = {}
    for share, rows in SHARES.items():
        for name, make in METRICS.items():
            metric = make()
            for real in SIDES:
                feed(metric, rows[real][rank], real=real, cut=7)
            results[share, name] = numbers(metric.compute())
    metric = METRICS["kernel"]()
    results["empty"] = refused(metric)
    feed(metric, ALL if rank == 0 else NONE, real=True, cut=9)
    results["no fakes"] = refused(metric)
    feed(metric, NONE if rank == 0 else ALL, real=False, cut=9)
    results["then fakes"] = numbers(metric.compute())
    results["kept"] = len(metric.real), len(metric.fake)
    results["whole result"] = numbers(metric.result())
    metric.reset()
    feed(metric, ALL, real=True, cut=1000)
    metric.update(torch.zeros(2, 3 + rank, 2, 2), real=False)
    results["shapes"] = refused(metric)
    metric = METRICS["frechet"]()
    feed(metric, ALL if rank == 0 else NONE, real=True, cut=9)
    results["no fakes for frechet"] = refused(metric)
    feed(metric, NONE if rank == 0 else ALL, real=False, cut=9)
    results["then fakes for frechet"] = numbers(metric.compute())
    mixed = Gathered(first_rows)
    for real, (motion, _) in SIDES.items():
        mixed.update(motion[BEGIN if rank == 0 else END].to(torch.float32 if rank == 0 else torch.float64), real=real)
    results["mixed"] = mixed.compute()
    together = MetricCollection(pair_of("frechet", Network(1.0), Network(3.0)))
    together.update(SIDES[True][0][:rank], real=True)  # none in one of the processes
    for real, rows in ((True, (slice(1, 30), END)), (False, (END, BEGIN))):
        together.update(SIDES[real][0][rows[rank]], real=real)
    results["together"] = together.compute()
    torch.save(results, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """The results of two processes."""
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.set_forkserver_preload(["kinetic.metrics.frechet", "kinetic.metrics.mmd"])  # torch, once
    torch.multiprocessing.start_processes(work, (str(folder),), nprocs=2, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", METRICS)
def test_two_processes_have_the_result_of_one(ranks, name, share):
    for results in ranks:
        assert_same(results[share, name], whole(name))


def test_all_processes_refuse_a_missing_side_and_continue(ranks):
    for results, kept in zip(ranks, [(7, 0), (0, 6)], strict=True):
        assert results["empty"].endswith("got no real ones")
        assert results["no fakes"].endswith("got no fake ones")
        assert results["no fakes for frechet"].endswith("got 61 real and 0 fake")
        assert_same(results["then fakes"], whole("kernel"))
        assert_same(results["then fakes for frechet"], whole("frechet"))
        assert_same(results["whole result"], whole("kernel"))
        assert results["kept"] == kept


def test_all_processes_refuse_rows_of_different_shapes(ranks):
    for results in ranks:
        assert "rows of different shapes: (12,), (16,)" in results["shapes"]


def test_two_networks_in_a_collection_have_their_own_results_in_two_processes(ranks):
    for results in ranks:
        assert_same(numbers(results["together"]["one"]), whole("frechet"))
        assert_same(numbers(results["together"]["other"]), 9 * whole("frechet"))


def test_processes_with_other_types_agree_on_the_wider_one(ranks):
    assert ranks[0]["mixed"].dtype == torch.float64
    assert ranks[0]["mixed"] == ranks[1]["mixed"]


# One process.


@pytest.mark.parametrize("cut", [1, 13])
@pytest.mark.parametrize("name", METRICS)
def test_the_result_does_not_depend_on_batches_and_order_of_arrival(name, cut):
    metric = METRICS[name]()
    for real in (False, True):
        feed(
            metric, torch.randperm(len(SIDES[real][0]), generator=torch.Generator().manual_seed(3)), real=real, cut=cut
        )
    assert_same(numbers(metric.compute()), whole(name))


@pytest.mark.parametrize("name", METRICS)
def test_merged_halves_are_the_whole(name):
    halves = [METRICS[name]() for _ in range(2)]
    for metric, some in zip(halves, (BEGIN, END), strict=True):
        for real in SIDES:
            feed(metric, some, real=real, cut=10)
    before = numbers(halves[0].compute())
    halves[0].merge_state(halves[1])
    assert not torch.equal(numbers(halves[0].compute()), before)
    assert_same(numbers(halves[0].compute()), whole(name))


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
@pytest.mark.parametrize("name", METRICS)
def test_pickle_keeps_the_rows_and_reset_removes_them(name):
    metric = METRICS[name]()
    for real in SIDES:
        feed(metric, ALL, real=real, cut=10)
    again = pickle.loads(pickle.dumps(metric))
    assert_same(numbers(again.compute()), whole(name))
    again.reset()
    with pytest.raises(ValueError, match="real"):
        again.compute()
    for real in SIDES:
        feed(again, ALL, real=real, cut=10)
    assert_same(numbers(again.compute()), whole(name))


@pytest.mark.parametrize("convert", [nn.Module.half, nn.Module.float, lambda m: m.to(torch.bfloat16)])
@pytest.mark.parametrize("name", METRICS)
def test_converting_a_module_around_it_changes_no_row_and_no_result(name, convert):
    model = nn.Module()
    model.metric = METRICS[name]()
    for real in SIDES:
        feed(model.metric, BEGIN, real=real, cut=10)
    before = numbers(model.metric.compute())
    convert(model)
    model.metric.set_dtype(torch.float16)
    assert_same(numbers(model.metric.compute()), before)
    for real in SIDES:
        feed(model.metric, END, real=real, cut=10)
    assert_same(numbers(model.metric.compute()), whole(name))


def test_the_score_gets_sorted_labels_with_their_motions():
    def score(fake, fake_label, real, real_label):
        assert torch.equal(fake_label, fake_label.sort().values)
        assert torch.equal(fake[:, 0], fake_label.double())
        assert len(real) == len(real_label) == 1
        return fake.sum()

    metric = Gathered(score, labelled=True)
    label = torch.tensor([2, 0, 1, 0, 2, 5, 3, 4, 7, 6])
    metric.update(label[:, None].double() + torch.tensor([0.0, 0.5]), label, real=False)
    metric.update(torch.zeros(1, 2), torch.tensor([7]), real=True)
    assert metric.compute() == 2 * 30 + 10 * 0.5


def test_the_order_does_not_depend_on_the_rounding_of_features():
    motion, _ = draw(50)
    values = []
    for error in (0, 1e-12):
        metric = Gathered(lambda fake, real: fake[:5].clone(), features=lambda m, e=error: m.flatten(1) * (1 + e))
        metric.update(motion, real=False)
        metric.update(motion, real=True)
        values.append(metric.compute())
    torch.testing.assert_close(values[0], values[1], rtol=1e-11, atol=0)


def test_compute_returns_the_mean_and_result_the_scores_per_class():
    metric = METRICS["mmd of classes"]()
    for real in SIDES:
        feed(metric, ALL, real=real, cut=10)
    assert isinstance(metric.compute(), Tensor)
    assert metric.compute() == metric.result().mean
    assert metric.result().label.tolist() == [0, 1, 2]
    count = torch.tensor([1])
    results = PerClass(torch.tensor(5.0), torch.tensor([5.0]), count, count, count)
    metric = Gathered(lambda fake, real: results)
    metric.update(torch.zeros(1, 1), real=True)
    metric.update(torch.zeros(1, 1), real=False)
    assert metric.compute() == 5
    assert metric.result() is results


def test_results_with_several_numbers_pass_through():
    for result in ({"a": torch.tensor(1.0)}, (torch.tensor(1.0), torch.tensor(2.0))):
        metric = Gathered(lambda fake, real, result=result: result)
        metric.update(torch.zeros(1, 1), real=True)
        metric.update(torch.zeros(1, 1), real=False)
        assert metric.compute() == result


def test_empty_batches_change_nothing():
    metric = Gathered(first_rows)
    metric.update(torch.zeros(0, 3, 2, 2), real=True)
    with pytest.raises(ValueError, match="got no real ones"):
        metric.compute()
    metric.update(torch.ones(3, 3, 2, 2), real=True)
    metric.update(torch.zeros(0, 3, 2, 2), real=True)
    with pytest.raises(ValueError, match="got no fake ones"):
        metric.compute()


def test_wrong_input_is_refused_and_not_stored():
    metric = Gathered(first_labels, features=lambda m: m.flatten(1).log(), labelled=True)
    metric.update(torch.ones(2, 3), torch.tensor([0, 1]), real=True)
    label = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="real motions: 1 of 2 rows hold NaN or infinity: rows 1"):
        metric.update(torch.tensor([[1.0], [float("nan")]]), label, real=True)
    with pytest.raises(ValueError, match="features of fake motions: 1 of 2 rows"):
        metric.update(torch.tensor([[1.0], [0.0]]), label, real=False)
    with pytest.raises(ValueError, match="needs labels"):
        metric.update(torch.ones(2, 3), real=True)
    with pytest.raises(ValueError, match="whole numbers"):
        metric.update(torch.ones(2, 3), torch.zeros(3), real=True)
    with pytest.raises(ValueError, match=r"real rows have shape \(4,\), those before had \(3,\)"):
        metric.update(torch.ones(2, 4), label, real=True)
    with pytest.raises(ValueError, match="expected a batch"):
        metric.update(torch.ones(2), label, real=True)
    with pytest.raises(ValueError, match="2 motions gave 1 rows"):
        Gathered(first_rows, features=lambda m: m[:1]).update(torch.ones(2, 3), real=True)
    assert [len(metric.real), len(metric.real_label), len(metric.real_digest)] == [1, 1, 1]
    assert [len(metric.fake), len(metric.fake_label), len(metric.fake_digest)] == [0, 0, 0]


def test_a_call_with_one_batch_is_refused_and_keeps_the_rows():
    metric = Gathered(first_rows)
    metric.update(torch.ones(2, 3), real=True)
    with pytest.raises(TypeError, match="call update"):
        metric(torch.ones(2, 3), real=False)
    assert len(metric.real) == 1


@pytest.mark.parametrize("name", METRICS)
def test_a_call_with_one_batch_is_refused_and_changes_no_state_alone_or_in_a_collection(name):
    metric = METRICS[name]()
    for real in SIDES:
        feed(metric, BEGIN, real=real, cut=10)
    before, updates = numbers(metric.compute()), metric.update_count
    motion, label = SIDES[True]
    for call in (metric, MetricCollection({"one": metric, "two": METRICS[name]()})):
        with pytest.raises(TypeError, match=r"call update\(motion, real=True\).* and then compute"):
            call(motion, label=label, real=True)
        assert metric.update_count == updates
        metric._computed = None
        assert torch.equal(numbers(metric.compute()), before)


# Several metrics in a collection, which torchmetrics lets share a state if theirs are equal after the first batch.


class Network(nn.Module):
    """Features of motions, and how often they were computed."""

    def __init__(self, factor):
        super().__init__()
        self.factor, self.calls = factor, 0

    def forward(self, motion):
        self.calls += 1
        return motion.flatten(1) * self.factor

    def features(self, motion):
        return self(motion) + 1


def pair_of(kind, first, second):
    """Two metrics of two networks."""
    if kind == "frechet":
        return {"one": FrechetDistance(first, D), "other": FrechetDistance(second, D)}
    score = kernel_distance if kind == "kernel" else first_rows
    return {"one": Gathered(score, features=first), "other": Gathered(score, features=second)}


FIRST_BATCHES = {"empty": torch.zeros(0, 3, 2, 2), "zero": torch.zeros(4, 3, 2, 2), "ordinary": draw(4, seed=5)[0]}


def pickled(collection):
    return pickle.loads(pickle.dumps(collection))


@pytest.mark.parametrize("copy", [lambda c: c, MetricCollection.clone, pickled], ids=["as it is", "clone", "pickle"])
@pytest.mark.parametrize("first", FIRST_BATCHES)
@pytest.mark.parametrize("kind", ["frechet", "kernel", "rows"])
def test_metrics_of_two_networks_in_a_collection_have_their_own_results(kind, first, copy):
    alone = pair_of(kind, Network(1.0), Network(3.0))
    together = copy(MetricCollection(pair_of(kind, Network(1.0), Network(3.0))))
    for i, batch in enumerate([FIRST_BATCHES[first], SIDES[True][0], SIDES[False][0]]):
        for metric in (*alone.values(), together):
            metric.update(batch, real=i < 2)
        together = copy(together)
    results = together.compute()
    for name, metric in alone.items():
        assert_same(numbers(results[name]), numbers(metric.compute()))
    assert not torch.equal(numbers(results["one"]), numbers(results["other"]))
    together.reset()
    for real, (motion, _) in SIDES.items():
        together.update(motion, real=real)
    assert not torch.equal(numbers(together.compute()["one"]), numbers(together.compute()["other"]))


def test_a_clone_that_is_given_another_network_has_its_own_result():
    metric = FrechetDistance(Network(1.0), D)
    metric.update(FIRST_BATCHES["zero"], real=True)
    other = metric.clone()
    metric.reset(), other.reset()
    other.features.factor = 3.0
    together = MetricCollection({"one": metric, "other": other})
    for batch, real in ((FIRST_BATCHES["zero"], True), (SIDES[True][0], True), (SIDES[False][0], False)):
        together.update(batch, real=real)
    assert together.compute()["other"].item() == pytest.approx(9 * together.compute()["one"].item())


@pytest.mark.parametrize("first", FIRST_BATCHES)
@pytest.mark.parametrize("method", [False, True])
def test_scores_of_one_network_share_its_features_and_have_their_own_results(first, method):
    network = Network(2.0)

    def features():  # a method is another object each time
        return network.features if method else network

    scores = {"kernel": kernel_distance, "rows": first_rows, "manifold": partial(manifold, neighbours=3)}
    alone = {name: Gathered(score, features=features()) for name, score in scores.items()}
    together = MetricCollection({name: Gathered(score, features=features()) for name, score in scores.items()})
    for i, batch in enumerate([FIRST_BATCHES[first], *SIDES[True][0].split(9), *SIDES[False][0].split(9)]):
        before = network.calls
        together.update(batch, real=i < 8)
        if i > 0:
            assert network.calls == before + 1
        for metric in alone.values():
            metric.update(batch, real=i < 8)
    assert len(together.compute_groups) == 1
    for name, results in together.compute().items():
        assert_same(numbers(results), numbers(alone[name].compute()))


def test_metrics_with_different_resets_do_not_share_a_state():
    network = Network(1.0)
    keeps = {name: FrechetDistance(network, D, reset_real_features=name == "forgets") for name in ("forgets", "keeps")}
    together = MetricCollection(keeps)
    for real, (motion, _) in SIDES.items():
        together.update(motion, real=real)
    together.reset()
    assert [together[name].counts for name in ("forgets", "keeps")] == [(0, 0), (61, 0)]


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_a_state_of_rows_alone_can_be_merged_and_a_kept_state_is_loaded():
    for name in ("kernel", "frechet"):
        halves = [METRICS[name]() for _ in range(2)]
        for metric, some in zip(halves, (BEGIN, END), strict=True):
            for real in SIDES:
                feed(metric, some, real=real, cut=10)
        rows = {key: value for key, value in halves[1].metric_state.items() if key != "origin"}
        halves[0].merge_state(rows)
        assert_same(numbers(halves[0].compute()), whole(name))
        halves[0].persistent(True)
        again = METRICS[name]()
        again.load_state_dict(halves[0].state_dict())
        assert_same(numbers(again.compute()), whole(name))


def test_features_are_computed_in_eval_mode_without_gradients():
    network = nn.Sequential(nn.Flatten(), nn.Linear(D, 4), nn.BatchNorm1d(4)).double()
    network[2].eval()
    before = network[2].running_mean.clone()
    metric = Gathered(kernel_distance, features=network)
    motion, _ = draw(9)
    metric.update(motion, real=True)
    assert [part.training for part in network.modules()] == [True, True, True, False]
    assert torch.equal(network[2].running_mean, before)
    assert not metric.real[0].requires_grad
    torch.testing.assert_close(metric.real[0], network.eval()(motion).detach(), rtol=0, atol=0)


def test_the_mode_is_restored_when_the_network_fails():
    network = nn.Linear(3, 1)
    with pytest.raises(RuntimeError):
        evaluated(network, torch.zeros(2, 4))
    assert network.training


def test_every_option_is_visible():
    text = repr(Gathered(partial(mmd_per_class, mode="sequence"), features=flatten, labelled=True))
    assert "mmd_per_class(mode='sequence'), features=flatten, labelled=True" in text


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("precision", ["64-true", "bf16-true"])
def test_it_works_inside_a_lightning_module(tmp_path, precision):
    import pytorch_lightning as pl  # here, because processes above import this file

    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 1)
            self.frechet, self.kernel, self.mmd = (METRICS[x]() for x in ("frechet", "kernel", "mmd of classes"))

        def validation_step(self, batch, index):
            motion, label, real = batch
            for metric in (self.kernel, self.mmd):
                metric.update(motion, label, real=real)
            self.frechet.update(motion, real=real)

        def on_validation_epoch_end(self):
            for name in ("frechet", "kernel", "mmd"):
                self.log(name, getattr(self, name))

    batches = [(m, k, real) for real, side in SIDES.items() for m, k in zip(*(x.split(9) for x in side), strict=True)]
    trainer = pl.Trainer(
        accelerator="cpu", precision=precision, logger=False, enable_progress_bar=False, default_root_dir=tmp_path
    )
    model = Model()
    (results,) = trainer.validate(model, torch.utils.data.DataLoader(batches, batch_size=None), verbose=False)
    if precision == "64-true":
        expected = frechet_from_features(SIDES[False][0].flatten(1), SIDES[True][0].flatten(1))
        assert results["frechet"] == pytest.approx(expected.item(), rel=1e-5)  # logged in float32
        for name in ("kernel", "mmd of classes"):
            assert results[name.split()[0]] == pytest.approx(whole(name).item(), rel=1e-5)
    assert model.frechet.real.dtype == torch.float64
