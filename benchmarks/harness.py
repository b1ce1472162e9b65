"""Runs benchmarks: times the ways to do one thing in turns in one process, and takes the ratios between them.

A benchmark is a module with

    params          parameters that can be changed: name -> value, a whole number
    BASELINE        the way that the others are compared with
    setup(device, **params) -> state
    check(state) -> name -> number      differences between the ways; an error where they are too large; runs first
    time_<way>(state)                   does the work once and returns a tensor of it, or the seconds it measured
    facts(state, seconds) -> name -> number     facts from counts and from the median seconds of each way, and of a
                                                matrix product, under `PRODUCT`

Ways whose name begins with `compiled` run on request only. Machines are shared and clocks change, so a ratio is the
median of the ratios of neighbouring runs; absolute times are for orientation.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

__all__ = ["PRODUCT", "Report", "interleave", "machine", "multiply_adds", "product_seconds", "ratio", "run", "show"]


@dataclass(frozen=True)
class Report:
    """The results of one benchmark.

    Attributes:
        name, params, baseline: those of the benchmark
        checks: the differences that `check` returned
        seconds: way -> seconds of every run
        facts: the numbers that `facts` returned
    """

    name: str
    params: dict[str, int]
    baseline: str
    checks: dict[str, float]
    seconds: dict[str, list[float]]
    facts: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the median and the ratio of each way."""
        ways = {
            way: {"seconds": seconds, "median": statistics.median(seconds), "ratio": self.ratio(way)[0]}
            for way, seconds in self.seconds.items()
        }
        return asdict(self) | {"seconds": ways}

    def ratio(self, way: str) -> tuple[float, float, float]:
        """The speed of a way over that of the baseline: median, lowest and highest."""
        return ratio(self.seconds[self.baseline], self.seconds[way])


def ratio(baseline: list[float], seconds: list[float]) -> tuple[float, float, float]:
    """Median, lowest and highest of baseline / other, run by run."""
    ratios = [a / b for a, b in zip(baseline, seconds, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def interleave(ways: Mapping[str, Callable[[], Tensor | float]], *, repeats: int) -> dict[str, list[float]]:
    """Seconds of each way, run in turns after one run to warm up; the order rotates.

    A way that returns a number has measured itself. Raises ValueError when a result is not finite.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    names = list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for i in range(repeats + 1):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            began = time.perf_counter()
            result = ways[name]()
            if isinstance(result, Tensor) and result.is_cuda:
                torch.cuda.synchronize(result.device)
            elapsed = time.perf_counter() - began
            if isinstance(result, Tensor):
                if not result.isfinite().all():
                    raise ValueError(f"{name} computed NaN or infinite numbers")
            else:
                elapsed = result
            if i > 0:
                seconds[name].append(elapsed)
    return seconds


class _Counter(TorchDispatchMode):
    """Counts like torch's FlopCounterMode, which fails where a gradient penalty needs the gradient of a leaf."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        if (formula := flop_registry.get(function._overloadpacket)) is not None:
            self.operations += formula(*args, **kwargs, out_val=result)
        return result


def multiply_adds(work: Callable[[], object]) -> float:
    """Multiply-adds of all matrix products and convolutions in some work, backward passes included."""
    with _Counter() as counter:
        work()
    return counter.operations / 2


PRODUCT = "product"
"""The key of the seconds of a matrix product per multiply-add, which is timed between the other runs."""

SIZE = 1024
"""Rows of the square matrices of that product, which shows the speed of the machine."""


def product_seconds(device: torch.device, *, dtype: torch.dtype = torch.float32, repeats: int = 3) -> float:
    """Seconds of a product of square matrices, per multiply-add: the shortest of several."""
    a = torch.rand(SIZE, SIZE, device=device).to(dtype)
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - began)
    return best / SIZE**3


def run(
    benchmark: ModuleType, *, repeats: int, device: torch.device, changes: Mapping[str, int], compiled: bool = False
) -> Report:
    """Check, then time one benchmark. Changes of parameters that it does not have are ignored."""
    chosen = benchmark.params | {name: value for name, value in changes.items() if name in benchmark.params}
    state = benchmark.setup(device, **chosen)
    checks = benchmark.check(state)
    ways: dict[str, Callable[[], Tensor | float]] = {}
    for name, function in vars(benchmark).items():
        way = name.removeprefix("time_")
        if way != name and (compiled or not way.startswith("compiled")):
            ways[way] = lambda function=function: function(state)  # type: ignore[misc]
    seconds = interleave({**ways, PRODUCT: lambda: product_seconds(device)}, repeats=repeats)
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    del seconds[PRODUCT]
    name = benchmark.__name__.rpartition(".")[2]
    return Report(name, chosen, benchmark.BASELINE, checks, seconds, benchmark.facts(state, medians))


def machine(device: torch.device) -> dict[str, Any]:
    """The machine that the numbers come from."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _processor() -> str:
    """The name of the processor, with the vector instructions that torch uses on it."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def show(report: Report) -> str:
    """A report as lines of text."""
    chosen = ", ".join(f"{name} {value}" for name, value in report.params.items())
    lines = [f"{report.name} ({chosen})"]
    for way, seconds in report.seconds.items():
        middle, low, high = report.ratio(way)
        spread = f"  ({low:.2f} to {high:.2f})" if way != report.baseline else ""
        lines.append(f"  {way:<20} {1000 * statistics.median(seconds):10.1f} ms {middle:8.2f} x{spread}")
    lines += [f"  {name:<58} {value:10.4g}" for name, value in report.facts.items()]
    lines += [f"  {name:<58} {value:10.1e}" for name, value in report.checks.items()]
    return "\n".join(lines)
