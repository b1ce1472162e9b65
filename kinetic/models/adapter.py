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
    """As it is: (N, C, T, V)."""
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
"""What becomes of (N, C, T, V) before a network sees it. `_one`: built for one body, without the second, zero one."""


class Adapted(nn.Module):
    """Any recognition network in the place of an `Encoder`: (N, C, T, V) -> (N, classes).

    `features` are what the network's last layer is given, (N, D). Where that layer sees several rows per motion, say
    of persons that were folded into the batch, (N M, D), or of frames, they are averaged; persons of a motion must
    follow each other. The network is put into evaluation mode and stays there.

    Nothing of a motion is changed but its layout: a network that was trained on centred, turned or resampled motions
    needs them so, either from the caller or from a `layout` that does it.

    The first motions are also seen a second time, in a smaller batch: features that then differ, because the network
    draws random numbers or lets motions of a batch see each other, are refused.

    Args:
        network: gives one row of scores per motion, (N, classes), for `layout(motion)`
        name: of the network, for the label of a score
        data: what it was trained on, for the label of a score
        layout: (N, C, T, V) -> what the network takes; see `LAYOUTS`
        head: dotted name of the last layer, an `nn.Linear` or a convolution of one point; None = the last `nn.Linear`
        frames: T that the network knows; None = any
        class_names: of its scores, in their order; empty = not known

    Raises:
        ValueError: for a network without such a layer, motions or features with NaN or infinity, frames other than
            those it knows, and networks that do not give one row of scores per motion
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
        self._steady = False
        self.eval()

    def train(self, mode: bool = True) -> Adapted:
        """Evaluation mode, whatever is asked for."""
        return super().train(False)

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with any weight or statistic, the layout and the head."""
        return hashlib.sha256(f"{weights_hash(self.network)} {self.extra_repr()}".encode()).hexdigest()[:12]

    def features(self, motion: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, D)."""
        return self._see(motion)[0]

    def forward(self, motion: Tensor) -> Tensor:
        scores = self._see(motion)[1]
        if not isinstance(scores, Tensor) or scores.shape != (len(motion), self.classes):
            found = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
            raise ValueError(f"{self.name}: expected scores ({len(motion)}, {self.classes}), the network gives {found}")
        check_finite(scores, f"scores of {self.name}")
        return scores

    def _see(self, motion: Tensor) -> tuple[Tensor, object]:
        """Features (N, D) and whatever the network gives."""
        check_motion(motion, "motions")
        if not len(motion):
            raise ValueError(f"{self.name}: there are no motions")
        if self.frames not in (None, motion.shape[2]):
            raise ValueError(f"{self.name} knows motions of {self.frames} frames, these have {motion.shape[2]}")
        self.network.eval()  # somebody else may hold it too
        features, output = self._run(motion)
        check_features(features, f"features of {self.name}", width=self.width)
        if not self._steady:
            part = (len(motion) + 1) // 2
            with torch.no_grad():
                gap = (self._run(motion[:part])[0] - features[:part]).abs().max()
            if not gap <= 1e-3 * features.abs().max():
                raise ValueError(
                    f"{self.name}: the features of a motion changed by {float(gap):.3g} when it was seen again in a "
                    f"smaller batch; the network draws random numbers, or motions are not on the first axis that "
                    f"{self.head!r} sees"
                )
            self._steady = len(motion) > 1
        return features, output

    def _run(self, motion: Tensor) -> tuple[Tensor, object]:
        seen: list[Tensor] = []

        def catch(module: nn.Module, args: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
            seen.append(args[0] if args else next(iter(named.values())))

        hook = self.network.get_submodule(self.head).register_forward_pre_hook(catch, with_kwargs=True)
        try:
            output = self.network(self.layout(motion))
        finally:
            hook.remove()
        if len(seen) != 1:
            raise ValueError(f"{self.name}: {self.head!r} was called {len(seen)} times instead of once; name another")
        (x,) = seen
        if not isinstance(self.network.get_submodule(self.head), nn.Linear):
            x = x.movedim(1, -1)  # (..., D)
        if x.ndim < 2 or len(x) == 0 or len(x) % len(motion):
            raise ValueError(
                f"{self.name}: {self.head!r} sees shape {tuple(x.shape)}, whose first axis is not {len(motion)} motions"
            )
        return reduce(x.reshape(len(motion), -1, self.width), "n rows d -> n d", "mean"), output

    def extra_repr(self) -> str:
        layout = next((name for name, each in LAYOUTS.items() if each is self.layout), None)
        layout = layout or getattr(self.layout, "__name__", type(self.layout).__name__)
        return f"name={self.name!r}, data={self.data!r}, head={self.head!r}, layout={layout}, frames={self.frames}"


def _last_linear(network: nn.Module) -> str:
    if found := [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]:
        return found[-1]
    points = [name for name, module in network.named_modules() if _is_head(module)]
    hint = f"; it has {', '.join(points[-3:])}" if points else ""
    raise ValueError(f"{type(network).__name__} has no nn.Linear; pass head, the name of its last layer{hint}")


def _is_head(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (
        isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) and set(module.kernel_size) == {1} and module.groups == 1
    )


def _sizes(network: nn.Module, head: str) -> tuple[int, int]:
    """Numbers that go into the last layer and come out of it."""
    modules = dict(network.named_modules(remove_duplicate=False))
    if head not in modules:
        known = ", ".join([name for name, module in modules.items() if _is_head(module)][-3:])
        raise ValueError(f"{type(network).__name__} has no layer {head!r}; the last that it has: {known or 'none'}")
    module = modules[head]
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) and _is_head(module):
        return module.in_channels, module.out_channels
    raise ValueError(f"{head!r} must be an nn.Linear or a convolution of one point, it is {module}")


PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.", "cls_head.")
"""What wrappers put before the names of weights: DataParallel, torch.compile, Lightning, pyskl."""

TABLES = ("state_dict", "model_state_dict", "model")
"""Where a checkpoint keeps its weights among other things."""

COUNTER = "num_batches_tracked"


def load_checkpoint_weights(
    network: nn.Module, path: str | os.PathLike[str], *, prefixes: Sequence[str] = PREFIXES
) -> None:
    """Fill a network with the weights of a checkpoint, all of them, or leave it as it was.

    It reads a table of tensors (CTR-GCN), or one under `state_dict` and the like (pyskl, Lightning). A beginning that
    all names share, and those of `prefixes` that a name begins with, are dropped, but only where every name then fits.
    Counters of batches, which evaluation does not use and files from before torch 0.4.1 lack, may be missing. Real
    numbers of another precision are converted.

    Args:
        network: whose names and shapes the weights must have
        path: a local file
        prefixes: beginnings of names that may be dropped

    Raises:
        FileNotFoundError: when there is no such file
        ValueError: names the file and what differs; also for an address, a file that holds more than tensors and plain
            values, and weights with NaN or infinity
    """
    if isinstance(prefixes, str):
        raise ValueError(f"prefixes must be several, got the one string {prefixes!r}")
    table = _table(path)
    own = network.state_dict()
    required = {name for name in own if name.rpartition(".")[2] != COUNTER}
    best: dict[str, str] = {}
    for reading in _readings(list(table), set(own), prefixes):
        if required <= reading.keys() <= own.keys():
            break
        if not best or len(own.keys() & reading.keys()) > len(own.keys() & best.keys()):
            best = reading
    else:
        missing, unexpected = sorted(required - best.keys()), sorted(set(best) - own.keys())
        raise ValueError(
            f"{path}: the weights are not those of {type(network).__name__}: {len(missing)} are missing"
            f"{some_names(missing)}, {len(unexpected)} are unexpected{some_names([best[name] for name in unexpected])}"
        )
    state = {}
    for name, original in reading.items():
        value, expected = table[original], own[name]
        check_like(path, original, value, expected)
        state[name] = value.to(expected.dtype)
    network.load_state_dict({**own, **state})


def _table(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The named tensors of a checkpoint, wherever in it they are."""
    content = read_weights(path)
    if isinstance(content, Mapping):
        content = next((content[key] for key in TABLES if isinstance(content.get(key), Mapping)), content)
    try:
        return named_tensors(path, content)
    except ValueError as error:
        if "expected a table of named tensors" in str(error):
            raise ValueError(f"{error}; weights are looked for under {', '.join(TABLES)}") from None
        raise


def _readings(names: list[str], known: set[str], prefixes: Sequence[str]) -> Iterator[dict[str, str]]:
    """Ways to read the names of a file, each from name to the file's name: as they are, then with less before them."""
    shared = os.path.commonprefix(names)
    ends = [0, *(found.end() for found in re.finditer(r"\.", shared))][:8]  # no wrapper goes deeper
    for end in ends:
        for read in (str, partial(_without, known=known, prefixes=prefixes)):
            reading = {read(name[end:]): name for name in names}
            if len(reading) == len(names):  # two names that become one are no reading
                yield reading


def _without(name: str, *, known: set[str], prefixes: Sequence[str]) -> str:
    """The name with as many prefixes dropped as make it known; none where nothing does."""
    rest = name
    while rest not in known:
        prefix = next((each for each in prefixes if each and rest.startswith(each)), None)
        if prefix is None:
            return name
        rest = rest[len(prefix) :]
    return rest
