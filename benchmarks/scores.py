"""`python -m benchmarks.scores`: scores of features beside packages of other fields.

The number that matters is how many times as fast `kinetic` is as each package at the same score of the same features;
the last column says how far the values lie apart, relative to the package's. Ways to one score run in turns.

Packages get features as they come, float32 or float64; kinetic computes in float64 either way. torchmetrics gets them
through a network that passes them on. A kernel distance is the mean of 100 subsets of 1000 motions; since each package
draws its own, values are compared on the first 1000 motions, as one subset. Beside it stands `kernel_distance`, which
uses all motions at once; beside `frechet_from_features`, which loses no digits, `FrechetDistance`, which sums products
of features as the packages do. torch-fidelity and prdc hold matrices of motions by motions, several GB by default.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import statistics
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from benchmarks.harness import interleave, machine, ratio
from benchmarks.pairs import TOLERANCE
from kinetic.metrics.frechet import FrechetDistance, flatten, frechet_from_features
from kinetic.metrics.kernel import kernel_distance, kernel_distance_subsets
from kinetic.metrics.manifold import manifold

PACKAGES = {
    "torch-fidelity": ("torch_fidelity", "torch-fidelity==0.4.0"),
    "prdc": ("prdc", "prdc==0.2 scikit-learn"),
    "torchmetrics": ("torchmetrics", "torchmetrics"),
}
"""Package -> its module, and the words that pip takes."""

NEIGHBOURS = 5
SUBSETS, SIZE = 100, 1000

Score = Callable[[Tensor, Tensor], Tensor]
"""(fake, real) -> the values, (K,)."""


class _Features(nn.Module):
    """A network that passes features on, since torchmetrics asks for a network."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features


def _from_sums(fake: Tensor, real: Tensor) -> Tensor:
    metric = FrechetDistance(flatten, fake.shape[1])
    for side, features in ((False, fake), (True, real)):
        metric.update(features[:, :, None, None], real=side)
    return metric.compute()[None]


BESIDE: dict[str, dict[str, Score]] = {
    "frechet": {"kinetic, FrechetDistance": _from_sums},
    "kernel": {"kinetic, all motions": lambda fake, real: kernel_distance(fake, real)[None]},
}
"""Other ways of kinetic to a score, which are timed too."""


def draw(motions: int, width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Correlated features of fake and real motions, which differ a little: (motions, width) each."""
    rng = torch.Generator().manual_seed(0)
    mixed = torch.eye(width, dtype=torch.float64)
    mixed += torch.randn(width, width, generator=rng, dtype=torch.float64) / width**0.5
    fake, real = (torch.randn(motions, width, generator=rng, dtype=torch.float64) @ mixed for _ in range(2))
    return (1.02 * fake + 0.05).to(dtype), real.to(dtype)


def ours(subsets: int = SUBSETS, size: int = SIZE) -> dict[str, Score]:
    """kinetic's way to each score; `manifold` begins with the values that all packages have."""
    return {
        "frechet": lambda fake, real: frechet_from_features(fake, real)[None],
        "kernel": lambda fake, real: kernel_distance_subsets(fake, real, subsets=subsets, size=size)[0][None],
        "manifold": lambda fake, real: torch.stack(manifold(fake, real, neighbours=NEIGHBOURS)),
    }


def theirs(package: str, subsets: int = SUBSETS, size: int = SIZE) -> dict[str, Score]:
    """A package's way to the scores that it has. Raises ImportError where it is not installed."""
    importlib.import_module(PACKAGES[package][0])
    return {"torch-fidelity": _torch_fidelity, "prdc": _prdc, "torchmetrics": _torchmetrics}[package](subsets, size)


def _torch_fidelity(subsets: int, size: int) -> dict[str, Score]:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    def frechet(fake: Tensor, real: Tensor) -> Tensor:
        moments = [fid_features_to_statistics(features) for features in (fake, real)]
        return _values(fid_statistics_to_metric(*moments, verbose=False).values())

    def kernel(fake: Tensor, real: Tensor) -> Tensor:
        values = kid_features_to_metric(fake, real, kid_subsets=subsets, kid_subset_size=size, verbose=False)
        return _values([values[KEY_METRIC_KID_MEAN]])

    def precision_recall(fake: Tensor, real: Tensor) -> Tensor:
        values = prc_features_to_metric(fake, real, prc_neighborhood=NEIGHBOURS, verbose=False)
        return _values([values["precision"], values["recall"]])

    return {"frechet": frechet, "kernel": kernel, "manifold": precision_recall}


def _prdc(subsets: int, size: int) -> dict[str, Score]:
    from prdc import compute_prdc

    def prdc(fake: Tensor, real: Tensor) -> Tensor:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints how many motions there are
            values = compute_prdc(real.numpy(), fake.numpy(), nearest_k=NEIGHBOURS)
        return _values(values[name] for name in ("precision", "recall", "density", "coverage"))

    return {"manifold": prdc}


def _torchmetrics(subsets: int, size: int) -> dict[str, Score]:
    def computed(metric: Any, fake: Tensor, real: Tensor) -> Any:
        metric.update(fake, real=False)
        metric.update(real, real=True)
        return metric.compute()

    def frechet(fake: Tensor, real: Tensor) -> Tensor:
        return _values([computed(FrechetInceptionDistance(_Features(fake.shape[1])), fake, real)])

    def kernel(fake: Tensor, real: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save all")
            metric = KernelInceptionDistance(_Features(fake.shape[1]), subsets=subsets, subset_size=size)
        return _values([computed(metric, fake, real)[0]])

    return {"frechet": frechet, "kernel": kernel}


def _values(numbers: Any) -> Tensor:
    return torch.tensor([float(number) for number in numbers], dtype=torch.float64)


def apart(package: str, fake: Tensor, real: Tensor) -> dict[str, float]:
    """The largest relative difference between the package's values and kinetic's, by score."""
    few = min(SIZE, len(fake), len(real))
    differences = {}
    for score, way in theirs(package, subsets=1, size=few).items():
        rows = slice(few if score == "kernel" else None)
        expected, values = way(fake[rows], real[rows]), ours(subsets=1, size=few)[score](fake[rows], real[rows])
        differences[score] = float(((values[: len(expected)] - expected).abs() / expected.abs()).max())
    return differences


def measure(
    packages: Sequence[str], *, motions: int, width: int, dtype: torch.dtype, repeats: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Seconds of every run, and the difference of values, by score and by way.

    Raises ValueError where values in float64 differ by more than rounding.
    """
    fake, real = draw(motions, width, dtype)
    differences: dict[str, dict[str, float]] = {package: apart(package, fake, real) for package in packages}
    for package, by_score in differences.items():
        for score, difference in by_score.items():
            if dtype == torch.float64 and not difference < TOLERANCE:
                raise ValueError(f"{score}: kinetic and {package} differ by {difference:.1e} of the value")
    size = min(SIZE, motions)
    results: dict[str, dict[str, dict[str, Any]]] = {}
    for score, kinetic in ours(size=size).items():
        ways = {"kinetic": kinetic} | {
            package: theirs(package, size=size)[score] for package in packages if score in differences[package]
        }
        if len(ways) == 1:
            continue
        ways |= BESIDE.get(score, {})
        seconds = interleave({name: lambda w=way: w(fake, real) for name, way in ways.items()}, repeats=repeats)
        results[score] = {
            way: {"seconds": runs, "difference": differences.get(way, {}).get(score)} for way, runs in seconds.items()
        }
    return results


def table(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Markdown: a row for each score and way; how many times as fast kinetic is, run by run."""
    lines = ["| score | way | seconds | kinetic is ... times as fast | values differ by |", "|---|---|---|---|---|"]
    for score, ways in results.items():
        for way, result in ways.items():
            middle, low, high = ratio(result["seconds"], ways["kinetic"]["seconds"])
            times = "" if way.startswith("kinetic") else f"{middle:.2f} ({low:.2f} to {high:.2f})"
            difference = "" if result["difference"] is None else f"{result['difference']:.1e}"
            lines.append(f"| {score} | {way} | {statistics.median(result['seconds']):.3f} | {times} | {difference} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scores", description=__doc__.partition("\n")[0])
    parser.add_argument("packages", nargs="*", metavar="package", help=f"of: {', '.join(PACKAGES)}; none = all")
    parser.add_argument("--motions", type=int, default=10_000, help="on either side (default 10000)")
    parser.add_argument("--width", type=int, default=256, help="features of a motion (default 256)")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each way (default 3)")
    parser.add_argument("--threads", type=int, help="threads that torch may use; default: its own choice")
    parser.add_argument("--dtype", choices=("float32", "float64"), action="append", help="of features; default: both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to a file")
    options = parser.parse_args(arguments)
    packages = options.packages or list(PACKAGES)
    if unknown := [name for name in packages if name not in PACKAGES]:
        parser.error(f"there is no comparison with {unknown[0]!r}; there are: {', '.join(PACKAGES)}")
    too_few = options.motions <= max(options.width, NEIGHBOURS)
    if too_few or min(options.motions, options.repeats, options.threads or 1) < 1:
        parser.error("repeats and threads must be at least 1, and motions more than features and neighbours")
    if reasons := {name: why for name in packages if (why := _lacking(PACKAGES[name][0]))}:
        parser.error(
            f"{' and '.join(f'{name} cannot be imported ({why})' for name, why in reasons.items())}; type\n"
            f"    pip install {' '.join(PACKAGES[name][1] for name in reasons)}\n"
            f"or name the packages to compare with: {', '.join(name for name in PACKAGES if name not in reasons)}"
        )
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    where = machine(torch.device("cpu"))
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    results = {}
    for dtype in options.dtype or ("float32", "float64"):
        results[dtype] = measure(
            packages, motions=options.motions, width=options.width, dtype=getattr(torch, dtype), repeats=options.repeats
        )
        print(f"\n{options.motions} motions on either side, {options.width} features in {dtype}\n")
        print(table(results[dtype]), flush=True)
    if options.json is not None:
        document = {"machine": where, "motions": options.motions, "width": options.width, "scores": results}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


def _lacking(module: str) -> str | None:
    """Why a module cannot be imported; None where it can."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
