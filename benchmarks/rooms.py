"""How the code of a checkout hangs together: `python -m benchmarks.rooms [CHECKOUT] [-o PNG]`.

A room is a package of `kinetic`, or a module that lies flat in it. The numbers that matter: arrows that run up, where a
room imports one that itself needs it, by way of others or not (none); modules that lie flat; and the longest
import, the most modules that one leads through.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path


def modules(folder: Path) -> dict[str, Path]:
    """Dotted name -> file of every module of `kinetic` in a checkout."""
    files = sorted((folder / "kinetic").rglob("*.py"))
    return {".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def arrows(known: dict[str, Path], *, everywhere: bool = True) -> set[tuple[str, str]]:
    """(who imports, what is imported) between modules, also inside functions and for type checkers alone.

    Args:
        everywhere: False = only the imports that run when a module is imported
    """
    pairs = set()
    for module, file in known.items():
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree) if everywhere else tree.body:
            names = [entry.name for entry in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [f"{node.module}.{entry.name}" for entry in node.names]
            for name in names:
                target = name if name in known else name.rpartition(".")[0]
                if target in known and target != module:
                    pairs.add((module, target))
    return pairs


def room(module: str) -> str:
    """The part of `kinetic` that a module lies in; `kinetic` itself only gathers names."""
    return module.split(".")[1] if "." in module else ""


def between(pairs: set[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """How many imports lead from one room to another."""
    ways = ((room(one), room(other)) for one, other in pairs)
    return Counter((one, other) for one, other in ways if one and other and one != other)


def longest_walk(pairs: set[tuple[str, str]]) -> list[str]:
    """The most modules that one import leads through, one below the other."""
    below = defaultdict(set)
    for one, other in pairs:
        if room(one) and room(other):
            below[one].add(other)

    @cache
    def walk(module: str) -> tuple[str, ...]:
        ways = [walk(each) for each in sorted(below[module])]
        return (module, *max(ways, key=len, default=()))

    return list(max((walk(module) for module in sorted(below)), key=len))


def order(pairs: set[tuple[str, str]]) -> tuple[list[str], list[tuple[str, str]]]:
    """Rooms from the ground up, and the arrows between rooms that run up whatever the order."""
    needs: dict[str, set[str]] = defaultdict(set)
    for one, other in pairs:
        if room(one) and room(other) and room(one) != room(other):
            needs[room(one)].add(room(other))
    rooms = {*needs, *(other for others in needs.values() for other in others)}
    stacked: list[str] = []
    while rest := sorted(rooms - set(stacked)):
        free = [name for name in rest if needs[name] <= set(stacked)] or [
            min(rest, key=lambda name: len(needs[name] - set(stacked)))
        ]
        stacked += free
    level = {name: number for number, name in enumerate(stacked)}
    return stacked, sorted((one, other) for one in needs for other in needs[one] if level[other] > level[one])


def measure(folder: Path) -> dict[str, object]:
    """The numbers of a checkout."""
    known = modules(folder)
    pairs = arrows(known)
    stacked, up = order(pairs)
    home = [(one, other) for one, other in pairs if room(one) and not room(other)]
    lines = {name: len(file.read_text("utf-8").splitlines()) for name, file in known.items()}
    largest = max(lines, key=lambda name: lines[name])
    return {
        "files": len(known),
        "lines": sum(lines.values()),
        "modules that lie flat": sum(
            1 for name, file in known.items() if name.count(".") == 1 and file.name != "__init__.py"
        ),
        "rooms": len(stacked),
        "arrows between modules": len(pairs),
        "arrows between rooms": len(
            {(room(a), room(b)) for a, b in pairs if room(a) and room(b) and room(a) != room(b)}
        ),
        "arrows that run up": len(up) + len(home),
        "longest import, modules": len(longest_walk(arrows(known, everywhere=False))),
        "largest module": f"{largest} ({lines[largest]} lines)",
    }


def draw(folder: Path, out: Path) -> None:
    """Rooms from the ground up, an arc for each import between two of them, thick where many modules import."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Line

    known = modules(folder)
    pairs = arrows(known)
    stacked, _ = order(pairs)
    level = {name: number for number, name in enumerate(stacked)}
    sizes = Counter(room(name) for name in known)
    counts = between(pairs)
    figure = Figure(figsize=(9, 0.34 * len(stacked) + 0.6), layout="constrained")
    axes = FigureCanvasAgg(figure).figure.add_subplot()
    for name, number in level.items():
        axes.text(0, number, f"{name}  ({sizes[name]})", ha="right", va="center", fontsize=9)
    for (one, other), count in counts.items():
        high, low = level[one], level[other]
        reach = 0.35 * abs(high - low) + 0.4
        line = Line([(0.15, high), (reach, high), (reach, low), (0.15, low)], [1, 4, 4, 4])
        colour = "#b3331d" if low > high else "#33658a"
        axes.add_patch(PathPatch(line, fill=False, lw=0.4 + 0.25 * count**0.7, color=colour, alpha=0.45))
    axes.set(xlim=(-3, 0.27 * len(stacked) + 1.5), ylim=(-0.8, len(stacked) - 0.2))
    axes.axis("off")
    figure.savefig(out, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rooms", description=__doc__.splitlines()[0])
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("-o", "--out", type=Path, metavar="PNG")
    options = parser.parse_args()
    for name, value in measure(options.checkout).items():
        print(f"{name:24} {value}")
    if options.out is not None:
        draw(options.checkout, options.out)


if __name__ == "__main__":
    main()
