"""Weights in the layout of the published Kinetic-GAN code, read and written strictly."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from kinetic.models.stgcn import Critic, Generator
from kinetic.models.tensors import check_like, check_names, named_tensors, read_weights, some_names, write_weights
from kinetic.skeleton import NTU25, SkeletonPyramid

__all__ = [
    "load_published_critic",
    "load_published_generator",
    "save_published_critic",
    "save_published_generator",
]

Model = TypeVar("Model", bound=nn.Module)


def _conv(weight: Tensor) -> Tensor:
    return weight[:, :, None, None]


def _from_conv(weight: Tensor) -> Tensor:
    return weight[:, :, 0, 0]


def _names(model: nn.Module) -> dict[str, tuple[str, str]]:
    """Published name -> (our name, kind of layout) for every weight of a generator or critic."""
    names: dict[str, tuple[str, str]] = {"label_emb.weight": ("embedding.weight", "same")}
    generator = isinstance(model, Generator)
    if isinstance(model, Generator):
        for i in range(len(model.mapping.weights)):
            names[f"mlp.mlp.{2 * i}.weight"] = (f"mapping.weights.{i}", "same")
            names[f"mlp.mlp.{2 * i}.bias"] = (f"mapping.biases.{i}", "same")
    else:
        names["fcn.weight"], names["fcn.bias"] = ("score.weight", "same"), ("score.bias", "same")
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    for i, block in enumerate(model.blocks):  # type: ignore[arg-type]
        theirs, ours = f"st_gcn_networks.{i}", f"blocks.{i}"
        names[f"edge_importance.{i}"] = (f"{ours}.graph.importance", "same")
        names[f"{theirs}.gcn.conv.weight"] = (f"{ours}.graph.weight", "graph")
        time = f"{theirs}.tcn.0" if generator else f"{theirs}.tcn"
        skip = f"{theirs}.residual.0" if generator else f"{theirs}.residual"
        names[f"{time}.weight"], names[f"{time}.bias"] = (f"{ours}.time.weight", "time"), (f"{ours}.time.bias", "same")
        if block.skip is not None:
            names[f"{skip}.weight"] = (f"{ours}.skip.weight", "point")
            names[f"{skip}.bias"] = (f"{ours}.skip.bias", "same")
        if generator:
            names[f"{theirs}.noise.weight"] = (f"{ours}.noise", "channel")
            for part in norm:
                if block.norm is not None:
                    names[f"{theirs}.tcn.1.{part}"] = (f"{ours}.norm.{part}", "same")
                if block.skip_norm is not None:
                    names[f"{theirs}.residual.1.{part}"] = (f"{ours}.skip_norm.{part}", "same")
    return names


def _to_ours(value: Tensor, kind: str) -> Tensor:
    """A published tensor in our layout."""
    if kind == "graph":  # (3 D, C, 1, 1)
        return _from_conv(value).unflatten(0, (3, -1))  # (3, D, C)
    if kind == "time":  # (D, C, 3, 1)
        return value.transpose(2, 3)  # (D, C, 1, 3)
    return _from_conv(value) if kind == "point" else value.flatten() if kind == "channel" else value


def _to_published(value: Tensor, kind: str) -> Tensor:
    """Our tensor in the published layout."""
    if kind == "graph":
        return _conv(value.flatten(0, 1))  # (3 D, C, 1, 1)
    if kind == "time":
        return value.transpose(2, 3)  # (D, C, 3, 1)
    return _conv(value) if kind == "point" else value[None, :, None, None] if kind == "channel" else value


def _shape(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], name: str, axes: int) -> tuple[int, ...]:
    if name not in tensors:
        raise ValueError(f"{path}: expected published weights with {name}, found {len(tensors)} others")
    if tensors[name].ndim != axes:
        raise ValueError(f"{path}: expected {axes} axes in {name}, found shape {tuple(tensors[name].shape)}")
    return tuple(tensors[name].shape)


def _filled(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], make: Callable[[], Model]) -> Model:
    """A model with published weights, whose shapes are first compared with a model that takes no memory."""
    with torch.device("meta"):
        sketch = make()
    names, expected, state = _names(sketch), sketch.state_dict(), {}
    check_names(path, tensors, names)
    for name, (ours, kind) in names.items():
        check_like(path, name, tensors[name], _to_published(expected[ours], kind))
        state[ours] = _to_ours(tensors[name], kind)
    model = make()
    model.load_state_dict(state)
    return model.eval()


def _pyramid(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], name: str, pyramid: Any) -> SkeletonPyramid:
    pyramid = SkeletonPyramid.of(NTU25) if pyramid is None else pyramid
    _, joints, _ = _shape(path, tensors, name, 3)
    if joints != (expected := len(pyramid.levels[0].joints)):
        raise ValueError(f"{path}: the weights are for {joints} joints, the skeleton has {expected}; pass its pyramid")
    return pyramid


def load_published_generator(
    path: str | os.PathLike[str], pyramid: SkeletonPyramid | None = None, *, frames: int = 64
) -> Generator:
    """A generator with the weights of a published file, in evaluation mode.

    Classes, latent width, mapping depth, widths and channels follow from the shapes; every weight must be used.

    Args:
        pyramid: the skeleton; None = NTU-25
        frames: length of the motions, which does not follow from the weights

    Raises:
        ValueError: naming the file and what differs
    """
    tensors = named_tensors(path, read_weights(path))
    classes, label_width = _shape(path, tensors, "label_emb.weight", 2)
    _, width = _shape(path, tensors, "mlp.mlp.0.weight", 2)
    if width <= label_width:
        raise ValueError(f"{path}: mlp.mlp.0.weight takes {width} numbers, too few beside a label of {label_width}")
    depth = sum(bool(re.fullmatch(r"mlp\.mlp\.\d+\.weight", name)) for name in tensors)
    widths = [_shape(path, tensors, f"st_gcn_networks.{i}.tcn.0.weight", 4)[0] for i in range(6)]
    make = partial(
        Generator,
        _pyramid(path, tensors, "edge_importance.6", pyramid),
        classes=classes,
        frames=frames,
        channels=widths[5],
        latent=width - label_width,
        mapping_depth=depth,
        widths=widths[:5],
        label_width=label_width,
    )
    return _filled(path, tensors, make)


def load_published_critic(
    path: str | os.PathLike[str], pyramid: SkeletonPyramid | None = None, *, frames: int = 64
) -> Critic:
    """A critic with the weights of a published file, in evaluation mode; see `load_published_generator`."""
    tensors = named_tensors(path, read_weights(path))
    classes, label_width = _shape(path, tensors, "label_emb.weight", 2)
    widths = [_shape(path, tensors, f"st_gcn_networks.{i}.tcn.weight", 4)[0] for i in range(6)]
    inputs = _shape(path, tensors, "st_gcn_networks.0.gcn.conv.weight", 4)[1]
    make = partial(
        Critic,
        _pyramid(path, tensors, "edge_importance.0", pyramid),
        classes=classes,
        frames=frames,
        channels=inputs - label_width,
        widths=widths,
        label_width=label_width,
    )
    return _filled(path, tensors, make)


def _save(model: nn.Module, path: str | os.PathLike[str]) -> None:
    state = model.state_dict()
    names = _names(model)
    if rest := sorted(set(state) - {ours for ours, _ in names.values()} - {"scaler.shift", "scaler.scale"}):
        raise ValueError(f"the published layout has no place for{some_names(rest)}")
    tensors = {name: _to_published(state[ours], kind).contiguous() for name, (ours, kind) in names.items()}
    write_weights(path, tensors)


def _check_published(kind: str, options: Mapping[str, tuple[object, object]]) -> None:
    for name, (value, published) in options.items():
        if value != published:
            raise ValueError(f"the published layout has no {kind} with {name} {value!r}; it takes {published!r}")


def save_published_generator(generator: Generator, path: str | os.PathLike[str]) -> None:
    """Write a generator in the published layout.

    The layout holds weights only, so a generator with unpublished options is refused with ValueError: the published
    code would compute something else from the file.
    """
    _check_published(
        "generator",
        {
            "mapping": (generator.mapping.start, "published"),
            "upsampling": (generator.upsampling, "nearest"),
            "padding": (generator.padding, "zeros"),
            "output": (generator.output, "tanh"),
            "norm": (generator.norm, "batch"),
            "partition": (generator.partition, "published"),
            "halved_top": (generator.halved_top, True),
            "last_width": (generator.last_width, generator.channels),
        },
    )
    _save(generator, path)


def save_published_critic(critic: Critic, path: str | os.PathLike[str]) -> None:
    """Write a critic in the published layout; one with unpublished weights or inputs is refused with ValueError."""
    _check_published(
        "critic",
        {
            "label": ("paint" if critic.painted else "project", "paint"),
            "features": (critic.features, ()),
            "partition": (critic.partition, "published"),
        },
    )
    _save(critic, path)
