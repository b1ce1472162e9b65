import pytest
import torch

from kinetic.models.stgcn import Critic, Generator
from kinetic.models.tensors import read_weights
from kinetic.models.weights import (
    load_published_critic,
    load_published_generator,
    save_published_critic,
    save_published_generator,
)
from kinetic.skeleton import H36M16, NTU25, SkeletonPyramid

PYRAMID = SkeletonPyramid.of(NTU25)
REFERENCE = {"generator_ntu_mlp4.pth": (load_published_generator, save_published_generator),
             "discriminator_ntu.pth": (load_published_critic, save_published_critic)}  # fmt: skip


def small_generator(**options):
    return Generator(PYRAMID, classes=4, latent=12, mapping_depth=3, widths=(24, 16, 8, 8, 8), **options)


def small_critic(**options):
    return Critic(PYRAMID, classes=4, widths=(8, 8, 8, 8, 16, 16), **options)


def same_weights(a, b):
    return all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())


@pytest.mark.parametrize("name", REFERENCE)
def test_published_files_survive_a_round_trip_bit_for_bit(shared, tmp_path, name):
    load, save = REFERENCE[name]
    source = shared / "data/reference" / name
    save(load(source), tmp_path / "out.pth")
    before, after = read_weights(source), read_weights(tmp_path / "out.pth")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) and before[key].dtype == after[key].dtype for key in before)


def test_sizes_are_inferred(tmp_path):
    generator, critic = small_generator(), small_critic()
    save_published_generator(generator, tmp_path / "g.pth")
    save_published_critic(critic, tmp_path / "c.pth")
    again = load_published_generator(tmp_path / "g.pth")
    assert (again.classes, again.latent, len(again.mapping.weights)) == (4, 12, 3)
    assert same_weights(generator, again)
    assert same_weights(critic, load_published_critic(tmp_path / "c.pth"))


@pytest.mark.parametrize("options", [{"mapping": "equalized"}, {"upsampling": "linear"}, {"padding": "edge"},
                                     {"output": "linear"},
                                     {"partition": "full"}, {"halved_top": False}])  # fmt: skip
def test_a_generator_with_unpublished_options_is_not_written(tmp_path, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        save_published_generator(small_generator(**options), tmp_path / "g.pth")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"label": "project"}, {"features": ("bone",)}, {"partition": "full"}])
def test_a_critic_with_unpublished_options_is_not_written(tmp_path, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        save_published_critic(small_critic(**options), tmp_path / "c.pth")


@pytest.fixture
def tensors(tmp_path):
    save_published_generator(small_generator(), tmp_path / "good.pth")
    return read_weights(tmp_path / "good.pth")


def without_a_weight(tensors):
    del tensors["st_gcn_networks.2.tcn.0.bias"]


def with_a_foreign_weight(tensors):
    tensors["extra.weight"] = torch.zeros(1)


def with_a_wrong_shape(tensors):
    tensors["edge_importance.4"] = torch.zeros(3, 11, 10)


def with_a_nan(tensors):
    tensors["label_emb.weight"][0, 0] = float("nan")


def with_integers(tensors):
    tensors["label_emb.weight"] = torch.zeros(4, 4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(without_a_weight, "1 weights are missing.*tcn.0.bias"), (with_a_foreign_weight, "unknown.*extra.weight"),
     (with_a_wrong_shape, "edge_importance.4.*11, 11.*11, 10"), (with_a_nan, "label_emb.weight.*NaN"),
     (with_integers, "float32.*int64")],
)  # fmt: skip
def test_damaged_weights_are_refused(tmp_path, tensors, spoil, message):
    spoil(tensors)
    torch.save(tensors, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match=f"bad.pth.*{message}"):
        load_published_generator(tmp_path / "bad.pth")


def test_a_shape_larger_than_its_file_is_refused(tmp_path, tensors):
    tensors["label_emb.weight"] = torch.zeros(1, 1).expand(60_000_000, 2)
    torch.save(tensors, tmp_path / "small.pth")
    with pytest.raises(ValueError, match="small.pth: label_emb.weight claims shape"):
        load_published_generator(tmp_path / "small.pth")


@pytest.mark.parametrize("width", [300_000, 3_000_000])
def test_a_width_that_only_one_shape_claims_is_refused_before_a_network_is_built(tmp_path, tensors, width):
    """A mapping network of that width would take hundreds of gigabytes."""
    tensors["mlp.mlp.0.weight"] = torch.zeros(1, width)
    torch.save(tensors, tmp_path / "wide.pth")
    with pytest.raises(ValueError, match=rf"wide.pth: mlp.mlp.0.weight must have shape \({width}, {width}\)"):
        load_published_generator(tmp_path / "wide.pth")


def test_weights_of_another_skeleton_are_refused(tmp_path, tensors):
    torch.save(tensors, tmp_path / "ntu.pth")
    with pytest.raises(ValueError, match="25 joints, the skeleton has 16"):
        load_published_generator(tmp_path / "ntu.pth", SkeletonPyramid.of(H36M16))


@pytest.mark.parametrize("name", ["https://example.org/x.pth", "folder", "cut.pth", "text.pth", "list.pth"])
def test_another_file_is_refused_by_name(tmp_path, name):
    (tmp_path / "folder").mkdir()
    torch.save({"a": torch.zeros(1000)}, tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:900])
    (tmp_path / "text.pth").write_text("weights")
    torch.save([1, 2], tmp_path / "list.pth")
    path = name if "://" in name else tmp_path / name
    with pytest.raises(ValueError, match=name.rsplit("/", 1)[-1]):
        load_published_generator(path)
