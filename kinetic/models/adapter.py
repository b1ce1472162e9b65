"""Recognition networks from elsewhere as feature networks, and their checkpoints, read strictly."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn import functional

from kinetic.metrics.checks import check_features, check_finite, check_motion
from kinetic.models.tensors import check_like, named_tensors, read_weights, some_names, weights_hash

__all__ = [
    "LAYOUTS",
    "PREFIXES",
    "Adapted",
    "as_ctrgcn",
    "as_motion",
    "as_pyskl",
    "load_checkpoint_weights",
]


def as_motion(motion: Tensor) -> Tensor:
    """The motion unchanged: (N, C, T, V)."""
    return motion


def as_ctrgcn(motion: Tensor, *, bodies: int = 2) -> Tensor:
    """Bodies last, as ST-GCN, 2s-AGCN and CTR-GCN take them: (N, C, T, V) -> (N, C, T, V, M).

    The motion is the first body; the others are zero, as those networks were trained on actions of one person.
    """
    _check_bodies(bodies)
    return functional.pad(rearrange(motion, "n c t v -> n c t v 1"), (0, bodies - 1))  # (N, C, T, V, M)


def as_pyskl(motion: Tensor, *, bodies: int = 2) -> Tensor:
    """Bodies after motions and coordinates last, as pyskl takes them: (N, C, T, V) -> (N, M, T, V, C).

    The motion is the first body; the others are zero.
    """
    _check_bodies(bodies)
    x = rearrange(motion, "n c t v -> n 1 t v c").contiguous()
    return functional.pad(x, (0, 0, 0, 0, 0, 0, 0, bodies - 1))  # (N, M, T, V, C)


def _check_bodies(bodies: int) -> None:
    if bodies < 1:
        raise ValueError(f"a motion is at least one body, got bodies={bodies}")


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "motion": as_motion,
    "ctrgcn": as_ctrgcn,
    "ctrgcn_one": partial(as_ctrgcn, bodies=1),
    "pyskl": as_pyskl,
    "pyskl_one": partial(as_pyskl, bodies=1),
}
"""Name -> layout of (N, C, T, V) for a network; those with `_one` are for networks of one body, the others of two."""


class Adapted(nn.Module):
    """Any recognition network in the place of an `Encoder`: (N, C, T, V) -> (N, classes).

    `features` are the inputs of the network's last layer, (N, D). If it has several rows per motion, such as persons in
    the batch, (N M, D), or frames, they are averaged; persons of a motion must follow each other. The network is put
    into evaluation mode and stays there.

    Only the layout of a motion is changed: if a network was trained on centred, turned or resampled motions, the caller
    or its `layout` must centre, turn or resample.

    The first motions pass the network a second time, in a smaller batch. If their features differ, because the network
    draws random numbers or mixes the motions of a batch, they are refused.

    Args:
        network: returns one row of scores per motion, (N, classes), for `layout(motion)`
        name: of the network, for the label of a score
        data: its training data, for the label of a score
        layout: (N, C, T, V) -> the input of the network; see `LAYOUTS`
        head: dotted name of the last layer, an `nn.Linear` or a convolution of one point; None = the last `nn.Linear`
        frames: T of the network; None = any
        class_names: of its scores, in their order; empty = unknown

    Raises:
        ValueError: for a network without such a layer, motions or features with NaN or infinity, another number of
            frames, and networks that do not return one row of scores per motion
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        data: str,
        layout: Callable[[Tensor], Tensor] = as_motion,
        head: str | None = None,
        frames: int | None = None,
        class_names: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.name, self.data, self.layout, self.frames = name, data, layout, frames
        self.head = _last_linear(network) if head is None else head
        self.width, self.classes = _sizes(network, self.head)
        self.class_names = tuple(class_names)
        if self.class_names and len(self.class_names) != self.classes:
            raise ValueError(f"{name} scores {self.classes} classes, got {len(self.class_names)} names")
        self.network = network
        self._checked = False
        self.eval()

    def train(self, mode: bool = True) -> Adapted:
        """Stay in evaluation mode."""
        return super().train(False)

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with any weight or statistic, the layout and the head."""
        return hashlib.sha256(f"{weights_hash(self.network)} {self.extra_repr()}".encode()).hexdigest()[:12]

    def features(self, motion: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, D)."""
        return self._features_and_output(motion)[0]

    def forward(self, motion: Tensor) -> Tensor:
        scores = self._features_and_output(motion)[1]
        if not isinstance(scores, Tensor) or scores.shape != (len(motion), self.classes):
            output = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
            raise ValueError(
                f"{self.name}: expected scores ({len(motion)}, {self.classes}), the network gives {output}"
            )
        check_finite(scores, f"scores of {self.name}")
        return scores

    def _features_and_output(self, motion: Tensor) -> tuple[Tensor, object]:
        """Features (N, D) and the output of the network."""
        check_motion(motion, "motions")
        if not len(motion):
            raise ValueError(f"{self.name}: there are no motions")
        if self.frames not in (None, motion.shape[2]):
            raise ValueError(f"{self.name} takes motions of {self.frames} frames, these have {motion.shape[2]}")
        self.network.eval()  # its owner may have changed its mode
        features, output = self._run(motion)
        check_features(features, f"features of {self.name}", width=self.width)
        if not self._checked:
            part = (len(motion) + 1) // 2
            with torch.no_grad():
                gap = (self._run(motion[:part])[0] - features[:part]).abs().max()
            if not gap <= 1e-3 * features.abs().max():
                raise ValueError(
                    f"{self.name}: the features of a motion changed by {float(gap):.3g} in a smaller batch; the "
                    f"network draws random numbers, or motions are not on the first axis of the input of {self.head!r}"
                )
            self._checked = len(motion) > 1
        return features, output

    def _run(self, motion: Tensor) -> tuple[Tensor, object]:
        inputs: list[Tensor] = []

        def catch(module: nn.Module, args: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
            inputs.append(args[0] if args else next(iter(named.values())))

        hook = self.network.get_submodule(self.head).register_forward_pre_hook(catch, with_kwargs=True)
        try:
            output = self.network(self.layout(motion))
        finally:
            hook.remove()
        if len(inputs) != 1:
            raise ValueError(f"{self.name}: {self.head!r} was called {len(inputs)} times instead of once; name another")
        (x,) = inputs
        if not isinstance(self.network.get_submodule(self.head), nn.Linear):
            x = x.movedim(1, -1)  # (..., D)
        if x.ndim < 2 or len(x) == 0 or len(x) % len(motion):
            raise ValueError(
                f"{self.name}: {self.head!r} sees shape {tuple(x.shape)}, whose first axis is not {len(motion)} motions"
            )
        return reduce(x.reshape(len(motion), -1, self.width), "n rows d -> n d", "mean"), output

    def extra_repr(self) -> str:
        layout = next((name for name, function in LAYOUTS.items() if function is self.layout), None)
        layout = layout or getattr(self.layout, "__name__", type(self.layout).__name__)
        return f"name={self.name!r}, data={self.data!r}, head={self.head!r}, layout={layout}, frames={self.frames}"


def _last_linear(network: nn.Module) -> str:
    if linear := [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]:
        return linear[-1]
    points = [name for name, module in network.named_modules() if _is_head(module)]
    hint = f"; it has {', '.join(points[-3:])}" if points else ""
    raise ValueError(f"{type(network).__name__} has no nn.Linear; pass head, the name of its last layer{hint}")


def _is_head(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (
        isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) and set(module.kernel_size) == {1} and module.groups == 1
    )


def _sizes(network: nn.Module, head: str) -> tuple[int, int]:
    """Inputs and outputs of the last layer."""
    modules = dict(network.named_modules(remove_duplicate=False))
    if head not in modules:
        last = ", ".join([name for name, module in modules.items() if _is_head(module)][-3:])
        raise ValueError(f"{type(network).__name__} has no layer {head!r}; its last layers are: {last or 'none'}")
    module = modules[head]
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) and _is_head(module):
        return module.in_channels, module.out_channels
    raise ValueError(f"{head!r} must be an nn.Linear or a convolution of one point, got {module}")


PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.", "cls_head.")
"""Beginnings of names of weights that wrappers add: DataParallel, torch.compile, Lightning, pyskl."""

TABLES = ("state_dict", "model_state_dict", "model")
"""Keys of the weights in a checkpoint that holds more than them."""

COUNTER = "num_batches_tracked"


def load_checkpoint_weights(
    network: nn.Module, path: str | os.PathLike[str], *, prefixes: Sequence[str] = PREFIXES
) -> None:
    """Load all weights of a checkpoint into a network, or leave the network unchanged.

    The file holds a table of tensors (CTR-GCN), or has one under `state_dict` and the like (pyskl, Lightning). A
    beginning that all names share, and any of `prefixes`, are dropped, but only if every name then fits. Counters of
    batches, which evaluation does not use and files from before torch 0.4.1 lack, may be missing. Real numbers of
    another precision are converted.

    Args:
        network: has the names and shapes that the weights must have
        path: a local file
        prefixes: beginnings of names that may be dropped

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: naming the file and what differs; also for an address, a file that holds more than tensors and plain
            values, and weights with NaN or infinity
    """
    if isinstance(prefixes, str):
        raise ValueError(f"prefixes must be a sequence of strings, got the string {prefixes!r}")
    table = _table(path)
    weights = network.state_dict()
    required = {name for name in weights if name.rpartition(".")[2] != COUNTER}
    best: dict[str, str] = {}
    for reading in _readings(list(table), set(weights), prefixes):
        if required <= reading.keys() <= weights.keys():
            break
        if not best or len(weights.keys() & reading.keys()) > len(weights.keys() & best.keys()):
            best = reading
    else:
        missing, unexpected = sorted(required - best.keys()), sorted(set(best) - weights.keys())
        raise ValueError(
            f"{path}: the weights are not those of {type(network).__name__}: {len(missing)} are missing"
            f"{some_names(missing)}, {len(unexpected)} are unexpected{some_names([best[name] for name in unexpected])}"
        )
    state = {}
    for name, original in reading.items():
        value, expected = table[original], weights[name]
        check_like(path, original, value, expected)
        state[name] = value.to(expected.dtype)
    network.load_state_dict({**weights, **state})


def _table(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The named tensors of a checkpoint, at its top or under one of `TABLES`."""
    content = read_weights(path)
    if isinstance(content, Mapping):
        content = next((content[key] for key in TABLES if isinstance(content.get(key), Mapping)), content)
    try:
        return named_tensors(path, content)
    except ValueError as error:
        if "expected a table of named tensors" in str(error):
            raise ValueError(f"{error}; weights are looked for under {', '.join(TABLES)}") from None
        raise


def _readings(names: list[str], targets: set[str], prefixes: Sequence[str]) -> Iterator[dict[str, str]]:
    """Tables from a name in the network to a name in the file: first with whole names, then with shorter ones."""
    shared = os.path.commonprefix(names)
    ends = [0, *(dot.end() for dot in re.finditer(r"\.", shared))][:8]  # no wrapper goes deeper
    for end in ends:
        for read in (str, partial(_without, targets=targets, prefixes=prefixes)):
            reading = {read(name[end:]): name for name in names}
            if len(reading) == len(names):  # no two names became one
                yield reading


def _without(name: str, *, targets: set[str], prefixes: Sequence[str]) -> str:
    """The name without as many prefixes as make it a target; the whole name if nothing does."""
    rest = name
    while rest not in targets:
        prefix = next((prefix for prefix in prefixes if prefix and rest.startswith(prefix)), None)
        if prefix is None:
            return name
        rest = rest[len(prefix) :]
    return rest
