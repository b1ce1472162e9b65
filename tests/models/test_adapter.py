"""Adapted networks: their features, and the checkpoints that they accept."""

from __future__ import annotations

import argparse
import copy
import pickle
from collections import OrderedDict

import pytest
import torch
from torch import nn

from kinetic.metrics.frechet import FrechetDistance
from kinetic.models.adapter import LAYOUTS, Adapted, as_ctrgcn, as_pyskl, load_checkpoint_weights
from kinetic.models.tensors import weights_hash

JOINTS, CLASSES, WIDTH = 5, 7, 6


class Net(nn.Module):
    """Like CTR-GCN: bodies are normalised together, moved into the batch, and averaged before `fc`."""

    def __init__(self, bodies=2):
        super().__init__()
        self.data_bn = nn.BatchNorm1d(bodies * 3 * JOINTS)
        self.first = nn.Linear(3, 3)  # a Linear that is not the last
        self.blocks = nn.Sequential(nn.Conv2d(3, WIDTH, (3, 1)), nn.BatchNorm2d(WIDTH), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(WIDTH, CLASSES)
        with torch.no_grad():
            for norm in (self.data_bn, self.blocks[1]):
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2)

    def before_last(self, x):
        n, c, t, v, m = x.size()
        x = x.permute(0, 4, 3, 1, 2).contiguous().view(n, m * v * c, t)
        x = self.data_bn(x).view(n, m, v, c, t).permute(0, 1, 3, 4, 2).contiguous().view(n * m, c, t, v)
        x = self.first(x.movedim(1, -1)).movedim(-1, 1)
        x = self.blocks(x)
        return x.view(n, m, WIDTH, -1).mean(3).mean(1)

    def forward(self, x):
        return self.fc(self.drop(self.before_last(x)))


class Folded(nn.Module):
    """Bodies stay in the batch until after the last layer, a convolution, as in some ST-GCNs."""

    def __init__(self):
        super().__init__()
        self.fcn = nn.Conv2d(3, CLASSES, kernel_size=1)

    def forward(self, x):
        n, c, t, v, m = x.size()
        x = x.permute(0, 4, 1, 2, 3).reshape(n * m, c, t, v).mean((2, 3), keepdim=True)
        return self.fcn(x).view(n, m, CLASSES).mean(1)


class Step(nn.Module):
    """`fc` on the result of `step`."""

    def __init__(self, step, width):
        super().__init__()
        self.step, self.fc = step, nn.Linear(width, CLASSES)

    def forward(self, x):
        return self.fc(self.step(x))


def seeded(build, *args, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(*args)


def motions(n=4, t=8):
    return torch.randn(n, 3, t, JOINTS, generator=torch.Generator().manual_seed(n))


def adapted(network=None, **options):
    network = seeded(Net) if network is None else network
    return Adapted(network, **{"name": "ctr-gcn", "data": "ntu60 xsub train", "layout": as_ctrgcn, **options})


def plain(network, **options):
    return adapted(network, layout=LAYOUTS["motion"], **options)


# Layouts


def test_layouts_have_the_axes_of_their_networks():
    motion = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    assert LAYOUTS["motion"](motion) is motion
    for name, bodies in (("ctrgcn", 2), ("ctrgcn_one", 1)):
        x = LAYOUTS[name](motion)
        assert x.shape == (2, 3, 4, 5, bodies)
        assert torch.equal(x[..., 0], motion)
        assert not x[..., 1:].any()
    for name, bodies in (("pyskl", 2), ("pyskl_one", 1)):
        x = LAYOUTS[name](motion)
        assert x.shape == (2, bodies, 4, 5, 3)
        assert x.is_contiguous()
        assert x[1, 0, 2, 3, 1] == motion[1, 1, 2, 3]
        assert torch.equal(x[:, 0].permute(0, 3, 1, 2), motion)
        assert not x[:, 1:].any()


@pytest.mark.parametrize("layout", [as_ctrgcn, as_pyskl])
def test_a_layout_without_a_body_is_refused(layout):
    with pytest.raises(ValueError, match="bodies=0"):
        layout(motions(), bodies=0)


# Features


def test_features_are_the_inputs_of_the_last_layer():
    network = seeded(Net)
    features = adapted(network).features(motions())
    assert features.shape == (4, WIDTH)
    assert torch.equal(features, network.before_last(as_ctrgcn(motions())))


def test_scores_are_the_last_layer_on_the_features():
    network = seeded(Net)
    wrapped = adapted(network)
    assert torch.equal(wrapped(motions()), network(as_ctrgcn(motions())))
    assert torch.equal(wrapped(motions()), network.fc(wrapped.features(motions())))


def test_another_head_can_be_named():
    network = nn.Sequential(nn.Flatten(), nn.Linear(8 * 3 * JOINTS, 9), nn.ReLU(), nn.Linear(9, CLASSES))
    wrapped = plain(network, head="1")
    assert (wrapped.width, wrapped.classes) == (8 * 3 * JOINTS, 9)
    assert torch.equal(wrapped.features(motions()), motions().flatten(1))
    assert plain(network).head == "3"


def test_persons_that_stay_in_the_batch_are_averaged():
    network = seeded(Folded)
    wrapped = adapted(network, head="fcn")
    assert (wrapped.width, wrapped.classes) == (3, CLASSES)
    torch.testing.assert_close(wrapped.features(motions()), motions().mean((2, 3)) / 2)  # the second body is zero
    alone = adapted(network, head="fcn", layout=LAYOUTS["ctrgcn_one"])
    torch.testing.assert_close(alone.features(motions()), motions().mean((2, 3)))
    scores = network.fcn(alone.features(motions())[:, :, None, None]).flatten(1)
    torch.testing.assert_close(alone(motions()), scores)


def test_places_of_a_convolution_are_averaged():
    network = nn.Sequential(nn.Conv2d(3, CLASSES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    torch.testing.assert_close(plain(network, head="0").features(motions()), motions().mean((2, 3)))


def test_rows_of_frames_are_averaged():
    network = Step(lambda x: x.mean(3).transpose(1, 2), 3)  # (N, T, C)
    torch.testing.assert_close(plain(network).features(motions()), motions().mean((2, 3)))


def test_a_head_can_be_called_by_keyword():
    class Named(Step):
        def forward(self, x):
            return self.fc(input=self.step(x))

    features = plain(Named(lambda x: x.mean((2, 3)), 3)).features(motions())
    assert torch.equal(features, motions().mean((2, 3)))


def test_a_layout_can_normalise():
    def centred(motion):
        return as_ctrgcn(motion - motion[:, :, :1, :1])

    wrapped = adapted(layout=centred)
    torch.testing.assert_close(wrapped.features(motions() + 3), wrapped.features(motions()), rtol=1e-4, atol=1e-5)
    assert "layout=centred" in repr(wrapped)


def test_gradients_reach_the_motion():
    motion = motions().requires_grad_()
    adapted().features(motion).sum().backward()
    assert motion.grad.abs().sum() > 0


def test_evaluation_mode_is_kept():
    network = seeded(Net).train()
    wrapped = adapted(network).train()
    assert not any(module.training for module in wrapped.modules())
    expected = wrapped(motions())
    network.train()
    assert torch.equal(wrapped(motions()), expected)
    assert weights_hash(seeded(Net)) == weights_hash(network)  # no statistic has moved


def test_it_can_be_copied_and_used_in_a_metric():
    wrapped = adapted()
    metric = FrechetDistance(wrapped.features, wrapped.width)
    for real in (True, False):
        metric.update(motions(), real=real)
    assert metric.compute() < 1e-6
    for other in (copy.deepcopy(wrapped), pickle.loads(pickle.dumps(wrapped))):
        assert torch.equal(other.features(motions()), wrapped.features(motions()))


def test_the_hash_changes_with_layout_and_head():
    network = seeded(Net)
    facts = {"name": "ctr-gcn", "data": "ntu60"}
    two, one = (Adapted(network, **facts, layout=LAYOUTS[name]).hash for name in ("ctrgcn", "ctrgcn_one"))
    assert two != one and two == Adapted(network, **facts, layout=LAYOUTS["ctrgcn"]).hash


def test_no_hook_remains():
    network = seeded(Net)
    wrapped = adapted(network)
    wrapped.features(motions())
    with pytest.raises(RuntimeError):
        wrapped.features(torch.zeros(2, 3, 8, JOINTS + 1))
    assert not network.fc._forward_pre_hooks


def test_a_score_holds_name_data_and_hash_of_its_network():
    names = tuple("abcdefg")
    wrapped = adapted(frames=8, class_names=names)
    assert (wrapped.name, wrapped.data, wrapped.width, wrapped.classes) == ("ctr-gcn", "ntu60 xsub train", WIDTH, 7)
    assert (wrapped.frames, wrapped.class_names) == (8, names)
    assert "head='fc', layout=ctrgcn, frames=8" in repr(wrapped)


def first_frames_last(x):
    """Motions on the second axis: (T, N, C)."""
    return x.mean(3).permute(2, 0, 1)


@pytest.mark.parametrize(
    "step",
    [
        lambda x: x.mean((2, 3)) + torch.randn(len(x), 3),
        lambda x: x.mean((2, 3)) - x.mean((0, 2, 3)),
        first_frames_last,
    ],
    ids=["random", "by batch", "frames first"],
)
def test_features_that_change_with_the_batch_are_refused(step):
    with (
        torch.random.fork_rng(devices=[]),
        pytest.raises(ValueError, match="ctr-gcn.*changed by .* in a smaller batch"),
    ):
        plain(Step(step, 3)).features(motions(n=4, t=8))


def test_the_check_is_repeated_after_a_single_motion():
    wrapped = plain(Step(lambda x: x.mean((2, 3)) - x.mean((0, 2, 3)) + 1, 3))
    wrapped.features(motions(1))
    with pytest.raises(ValueError, match="in a smaller batch"):
        wrapped.features(motions(4))


@pytest.mark.parametrize("see", [lambda wrapped: wrapped.features, lambda wrapped: wrapped], ids=["features", "scores"])
def test_broken_motions_are_refused(see):
    look, broken = see(adapted(frames=8)), motions()
    broken[2, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="rows 2"):
        look(broken)
    with pytest.raises(ValueError, match="four axes"):
        look(motions()[0])
    with pytest.raises(ValueError, match="8 frames, these have 9"):
        look(motions(t=9))
    with pytest.raises(ValueError, match="no motions"):
        look(motions()[:0])


def test_broken_features_are_refused():
    with pytest.raises(ValueError, match="features of ctr-gcn: .* rows 0, 1, 2, 3"):
        plain(Step(lambda x: x.mean((2, 3)) / 0, 3)).features(motions())


@pytest.mark.parametrize(
    ("step", "times"),
    [(lambda fc, x: fc(x) + fc(x), 2), (lambda fc, x: nn.functional.linear(x, fc.weight), 0)],
    ids=["twice", "never"],
)
def test_a_head_that_is_not_called_once_is_refused(step, times):
    class Odd(Step):
        def forward(self, x):
            return step(self.fc, x.mean((2, 3)))

    with pytest.raises(ValueError, match=f"'fc' was called {times} times"):
        plain(Odd(None, 3)).features(motions())


def test_a_head_with_other_rows_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3, 3\), whose first axis is not 4 motions"):
        plain(Step(lambda x: x.mean((2, 3))[:3], 3)).features(motions())


@pytest.mark.parametrize(
    ("give", "output"),
    [(lambda y: y[None], r"shape \(1, 4, 7\)"), (lambda y: (y, y), "a tuple")],
    ids=["shape", "tuple"],
)
def test_scores_of_another_form_are_refused(give, output):
    class Odd(Step):
        def forward(self, x):
            return give(super().forward(x))

    wrapped = plain(Odd(lambda x: x.mean((2, 3)), 3))
    assert wrapped.features(motions()).shape == (4, 3)
    with pytest.raises(ValueError, match=rf"expected scores \(4, 7\), the network gives {output}"):
        wrapped(motions())


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (Net(), {"head": "fcc"}, "no layer 'fcc'; its last layers are: first, fc"),
        (Net(), {"head": "blocks"}, "'blocks' must be an nn.Linear or a convolution of one point"),
        (Net(), {"head": "blocks.0"}, "'blocks.0' must be"),
        (Folded(), {}, "Folded has no nn.Linear; pass head.* it has fcn"),
        (nn.ReLU(), {}, "ReLU has no nn.Linear; pass head, the name of its last layer$"),
        (Net(), {"class_names": ("walk", "run")}, "7 classes, got 2 names"),
    ],
)
def test_networks_without_a_last_layer_are_refused(network, options, message):
    with pytest.raises(ValueError, match=message):
        adapted(network, **options)


# Checkpoints


class Recognizer(nn.Module):
    """A network with the names of pyskl."""

    def __init__(self):
        super().__init__()
        self.backbone = Net()
        self.cls_head = nn.Sequential(OrderedDict(fc_cls=nn.Linear(WIDTH, CLASSES)))


class Flat(nn.Module):
    """The layers of a recognizer at the top level, without the names of its two parts."""

    def __init__(self, recognizer):
        super().__init__()
        for name, module in (*recognizer.backbone.named_children(), *recognizer.cls_head.named_children()):
            self.add_module(name, module)


def with_lead(state, lead):
    return OrderedDict((lead + name, value) for name, value in state.items())


def same(a, b):
    return weights_hash(a) == weights_hash(b)


def save(content, path, **options):
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("lead", ["", "module.", "model.", "module.model.", "_orig_mod.", "my_net.", "wrapped.net."])
@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
def test_checkpoints_of_all_shapes_fill_the_network(tmp_path, lead, key):
    source, network = seeded(Net), seeded(Net, seed=1)
    state = with_lead(source.state_dict(), lead)
    content = state if key is None else {key: state, "epoch": 3, "meta": {"config": "text"}, "optimizer": [0.1]}
    load_checkpoint_weights(network, save(content, tmp_path / "x.pth"))
    assert same(network, source)


def test_old_checkpoints_without_counters_fill_the_network(tmp_path):
    source, network = seeded(Net), seeded(Net, seed=1)
    state = {name: value for name, value in source.state_dict().items() if "num_batches" not in name}
    load_checkpoint_weights(network, save(state, tmp_path / "x.pth", _use_new_zipfile_serialization=False))
    assert same(network, source)


def test_a_pyskl_checkpoint_fills_a_recognizer_and_one_without_its_parts(tmp_path):
    source = seeded(Recognizer)
    path = save({"meta": {"epoch": 1}, "state_dict": source.state_dict()}, tmp_path / "x.pth")
    whole, flat = seeded(Recognizer, seed=1), Flat(seeded(Recognizer, seed=2))
    load_checkpoint_weights(whole, path)
    load_checkpoint_weights(flat, path)
    assert same(whole, source)
    assert same(flat, Flat(source))


def test_names_that_fit_are_not_shortened(tmp_path):
    """A network can have parts with the name of a wrapper."""
    source = nn.ModuleDict({"module": nn.Linear(2, 2), "backbone": nn.ModuleDict({"module": nn.Linear(2, 2)})})
    network = copy.deepcopy(source)
    network["module"].weight.data += 1
    load_checkpoint_weights(network, save(with_lead(source.state_dict(), "module."), tmp_path / "x.pth"))
    assert same(network, source)


def test_the_caller_can_choose_prefixes(tmp_path):
    source = seeded(Net)
    state = {("student." if "fc" in name else "teacher.") + name: value for name, value in source.state_dict().items()}
    path, network = save(state, tmp_path / "x.pth"), seeded(Net, seed=1)
    with pytest.raises(ValueError, match="are unexpected"):
        load_checkpoint_weights(network, path)
    load_checkpoint_weights(network, path, prefixes=("student.", "teacher."))
    assert same(network, source)
    with pytest.raises(ValueError, match="must be a sequence of strings, got the string 'student.'"):
        load_checkpoint_weights(network, path, prefixes="student.")


def test_real_numbers_of_another_precision_are_converted(tmp_path):
    source, network = seeded(Net).half(), seeded(Net, seed=1)
    load_checkpoint_weights(network, save(source.state_dict(), tmp_path / "x.pth"))
    assert network.fc.weight.dtype == torch.float32
    assert same(network, source.float())


def without_a_weight(state):
    del state["fc.bias"]


def with_a_foreign_weight(state):
    state["extra.weight"] = torch.zeros(1)


def with_both_names(state):
    state["module.fc.bias"] = state["fc.bias"]


def with_a_wrong_shape(state):
    state["fc.weight"] = torch.zeros(60, WIDTH)


def with_a_nan(state):
    state["fc.bias"] = torch.full((CLASSES,), torch.nan)


def with_a_number_that_overflows(state):
    state["fc.bias"] = torch.full((CLASSES,), 1e300, dtype=torch.float64)


def with_integers(state):
    state["fc.bias"] = torch.zeros(CLASSES, dtype=torch.int64)


def with_complex_numbers(state):
    state["fc.bias"] = torch.zeros(CLASSES, dtype=torch.complex64)


def with_a_claim(state):
    state["fc.weight"] = torch.zeros(1, 1).expand(60_000_000, WIDTH)


def with_a_sparse_weight(state):
    state["fc.weight"] = torch.zeros(CLASSES, WIDTH).to_sparse()


def with_a_weight_of_nothing(state):
    state["fc.weight"] = torch.zeros(CLASSES, WIDTH, device="meta")


def with_a_word(state):
    state["note"] = "text"


def with_a_number_for_a_name(state):
    state[3] = torch.zeros(1)


def with_a_name_that_moves_the_cursor(state):
    state["\x1b[2J" + "x" * 1000] = torch.zeros(1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_a_weight, r"not those of Net: 1 are missing \(fc.bias\), 0 are unexpected"),
        (with_a_foreign_weight, r"0 are missing, 1 are unexpected \(extra.weight\)"),
        (with_both_names, r"1 are unexpected \(module.fc.bias\)"),
        (with_a_wrong_shape, r"fc.weight must have shape \(7, 6\), found \(60, 6\)"),
        (with_a_nan, "fc.bias holds NaN"),
        (with_a_number_that_overflows, "fc.bias holds NaN or infinite"),
        (with_integers, "fc.bias must hold torch.float32, found torch.int64"),
        (with_complex_numbers, "fc.bias must hold torch.float32, found torch.complex64"),
        (with_a_claim, "fc.weight claims shape"),
        (with_a_sparse_weight, "_rebuild_sparse_tensor beside plain tensors"),
        (with_a_weight_of_nothing, "_rebuild_meta_tensor_no_storage beside plain tensors"),
        (with_a_word, "found a str named note; weights are looked for under state_dict"),
        (with_a_number_for_a_name, "found a Tensor named 3"),
        (with_a_name_that_moves_the_cursor, r"1 are unexpected \('\\x1b\[2Jxxx.{0,80} \.\.\.\)"),
    ],
)
def test_damaged_weights_are_refused_and_leave_the_network_unchanged(tmp_path, spoil, message):
    network = seeded(Net, seed=1)
    before, state = weights_hash(network), dict(seeded(Net).state_dict())
    spoil(state)
    with pytest.raises(ValueError, match=f"bad.pth: .*{message}"):
        load_checkpoint_weights(network, save({"state_dict": state}, tmp_path / "bad.pth"))
    assert weights_hash(network) == before


def test_errors_show_names_as_the_file_has_them(tmp_path):
    state = with_lead(seeded(Net).state_dict(), "module.")
    state["module.fc2.bias"] = state.pop("module.fc.bias")
    with pytest.raises(ValueError, match=r"1 are missing \(fc.bias\), 1 are unexpected \(module.fc2.bias\)"):
        load_checkpoint_weights(Net(), save(state, tmp_path / "x.pth"))


def test_two_names_that_would_become_one_are_refused(tmp_path):
    state = {"module.weight": torch.zeros(1, 1), "backbone.weight": torch.zeros(1, 1)}
    with pytest.raises(ValueError, match=r"1 are missing \(weight\), 2 are unexpected"):
        load_checkpoint_weights(nn.Linear(1, 1, bias=False), save(state, tmp_path / "x.pth"))


def test_a_checkpoint_with_objects_says_what_to_do(tmp_path):
    content = {"state_dict": Net().state_dict(), "meta": argparse.Namespace(config="x")}
    message = r"x.pth: holds argparse.Namespace beside plain tensors.*trust .*torch.save\(checkpoint\['state_dict'\]"
    with pytest.raises(ValueError, match=message):
        load_checkpoint_weights(Net(), save(content, tmp_path / "x.pth"))


class Exploit:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, capsys):
    with open(tmp_path / "evil.pth", "wb") as file:
        pickle.dump({"state_dict": Exploit()}, file, protocol=2)  # as torch does
    with pytest.raises(ValueError, match="evil.pth"):
        load_checkpoint_weights(Net(), tmp_path / "evil.pth")
    save({"state_dict": Net().state_dict(), "meta": Exploit()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="evil.pth: holds .*print beside plain tensors"):
        load_checkpoint_weights(Net(), tmp_path / "evil.pth")
    assert "code ran" not in capsys.readouterr().out


def test_a_table_that_holds_itself_is_refused(tmp_path):
    content = {}
    content["state_dict"] = content
    with pytest.raises(ValueError, match="x.pth: holds values more than 50 deep"):
        load_checkpoint_weights(Net(), save(content, tmp_path / "x.pth"))


@pytest.mark.parametrize(
    "name", ["https://example.org/x.pth", "folder", "cut.pth", "text.pth", "list.pth", "empty.pth"]
)
def test_a_file_that_is_no_checkpoint_is_refused_by_name(tmp_path, name):
    (tmp_path / "folder").mkdir()
    save(Net().state_dict(), tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:900])
    (tmp_path / "text.pth").write_text("weights")
    save([1, 2], tmp_path / "list.pth")
    save({"state_dict": {}}, tmp_path / "empty.pth")
    path = name if "://" in name else tmp_path / name
    with pytest.raises(ValueError, match=name.rsplit("/", 1)[-1]):
        load_checkpoint_weights(Net(), path)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.pth"):
        load_checkpoint_weights(Net(), tmp_path / "none.pth")
