"""`python -m benchmarks.rooms [CHECKOUT] [-o PNG]`: how the modules of a checkout import each other.

A room is a package of `kinetic`, or a module that lies flat in it. The numbers that matter: imports that run up, from a
room to one that needs it, directly or by way of others (none); modules that lie flat; and the longest import, the most
modules of which each loads the next.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

Arrow = tuple[str, str]
"""Who imports, and what is imported."""


def modules(checkout: Path) -> dict[str, Path]:
    """Dotted name -> file of every module of `kinetic` in a checkout."""
    files = sorted((checkout / "kinetic").rglob("*.py"))
    names = [".".join(file.relative_to(checkout).with_suffix("").parts) for file in files]
    return {name.removesuffix(".__init__"): file for name, file in zip(names, files, strict=True)}


def imported(tree: ast.AST, module: str, is_package: bool = False) -> Iterator[str]:
    """Every dotted name that the code of a module imports, also inside functions and for type checkers alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (entry.name for entry in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            base = parts[: len(parts) - node.level + is_package] if node.level else []
            home = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{home}.{entry.name}" for entry in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str))


class _AtLoad(ast.NodeTransformer):
    """Removes code that does not run when its module is loaded: functions, and what type checkers alone read."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        return None

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        return node.orelse if ast.unparse(node.test).endswith("TYPE_CHECKING") else self.generic_visit(node)


def arrows(files: Mapping[str, Path], *, at_load: bool = False) -> set[Arrow]:
    """The imports between modules; all of them, or those that run when a module is loaded."""
    pairs = set()
    for module, file in files.items():
        tree: ast.AST = ast.parse(file.read_text("utf-8"))
        if at_load:
            tree = _AtLoad().visit(tree)
        for name in imported(tree, module, is_package=file.name == "__init__.py"):
            target = name if name in files else name.rpartition(".")[0]
            if target in files and target != module:
                pairs.add((module, target))
    return pairs


def room(module: str) -> str:
    """The part of `kinetic` that a module lies in; empty for `kinetic` itself, which only gathers names."""
    return module.split(".")[1] if "." in module else ""


def between_rooms(pairs: Collection[Arrow]) -> Counter[Arrow]:
    """(importing room, imported room) -> the number of imports between their modules."""
    ways = ((room(module), room(target)) for module, target in pairs)
    return Counter((upper, lower) for upper, lower in ways if upper and lower and upper != lower)


def longest_import(pairs: Collection[Arrow]) -> list[str]:
    """The longest chain of modules, each of which imports the next. Raises graphlib.CycleError where it has no end."""
    targets = defaultdict(set)
    for module, target in pairs:
        if room(module) and room(target):
            targets[module].add(target)
    chains: dict[str, list[str]] = {}
    for module in TopologicalSorter(targets).static_order():
        chains[module] = [module, *max((chains[target] for target in sorted(targets[module])), key=len, default=[])]
    return max((chains[module] for module in sorted(chains)), key=len, default=[])


def stack(rooms: Collection[str], pairs: Collection[Arrow]) -> tuple[list[str], list[Arrow]]:
    """Rooms from the ground up, and the imports between rooms that run up, each of them within a circle of rooms.

    Where no room is free of needs, one of a lowest circle is next: that which needs few and which many need.
    """
    needs: dict[str, set[str]] = {name: set() for name in rooms}
    for upper, lower in between_rooms(pairs):
        needs[upper].add(lower)

    def reach(name: str) -> set[str]:
        """A room and all that it needs among the rest."""
        names, ahead = {name}, [name]
        while ahead:
            more = (needs[ahead.pop()] & rest) - names
            names |= more
            ahead += more
        return names

    def burden(name: str) -> tuple[int, int]:
        return len(reach(name)), len(needs[name] & rest) - sum(name in needs[other] for other in rest)

    order: list[str] = []
    while rest := needs.keys() - set(order):
        order += sorted(name for name in rest if not needs[name] & rest) or [min(sorted(rest), key=burden)]
    level = {name: number for number, name in enumerate(order)}
    return order, sorted((upper, lower) for upper in needs for lower in needs[upper] if level[lower] > level[upper])


def measure(checkout: Path) -> dict[str, int | str]:
    """The numbers of a checkout."""
    files = modules(checkout)
    pairs = arrows(files)
    order, up = stack({room(name) for name in files} - {""}, pairs)
    from_package = [module for module, target in pairs if room(module) and not room(target)]
    lines = {name: len(file.read_text("utf-8").splitlines()) for name, file in files.items()}
    largest = max(lines, key=lambda name: lines[name])
    try:
        longest: int | str = len(longest_import(arrows(files, at_load=True)))
    except CycleError as error:
        longest = f"endless, in a circle: {' -> '.join(reversed(error.args[1]))}"
    return {
        "files": len(files),
        "lines": sum(lines.values()),
        "modules that lie flat": sum(
            name.count(".") == 1 and file.name != "__init__.py" for name, file in files.items()
        ),
        "rooms": len(order),
        "arrows between modules": len(pairs),
        "arrows between rooms": len(between_rooms(pairs)),
        "arrows that run up": len(up) + len(from_package),
        "longest import, modules": longest,
        "largest module": f"{largest} ({lines[largest]} lines)",
    }


def draw(checkout: Path, out: Path) -> None:
    """Rooms from the ground up, an arc for each import between two of them, thick where many modules import."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Line

    files = modules(checkout)
    pairs = arrows(files)
    sizes = Counter(room(name) for name in files if room(name))
    order, _ = stack(sizes, pairs)
    level = {name: number for number, name in enumerate(order)}
    figure = Figure(figsize=(9, 0.34 * len(order) + 0.6), layout="constrained")
    axes = FigureCanvasAgg(figure).figure.add_subplot()
    for name, number in level.items():
        axes.text(0, number, f"{name}  ({sizes[name]})", ha="right", va="center", fontsize=9)
    for (upper, lower), count in between_rooms(pairs).items():
        high, low = level[upper], level[lower]
        reach = 0.35 * abs(high - low) + 0.4
        line = Line([(0.15, high), (reach, high), (reach, low), (0.15, low)], [1, 4, 4, 4])
        colour = "#b3331d" if low > high else "#33658a"
        axes.add_patch(PathPatch(line, fill=False, lw=0.4 + 0.25 * count**0.7, color=colour, alpha=0.45))
    axes.set(xlim=(-3, 0.27 * len(order) + 1.5), ylim=(-0.8, len(order) - 0.2))
    axes.axis("off")
    figure.savefig(out, dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rooms", description=__doc__.partition(":")[2])
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).parents[1], help="default: this one")
    parser.add_argument("-o", "--out", type=Path, metavar="PNG", help="draw the rooms and their imports")
    options = parser.parse_args(arguments)
    if not (options.checkout / "kinetic").is_dir():
        parser.error(f"{options.checkout}: expected a checkout, a folder with a folder kinetic")
    for name, value in measure(options.checkout).items():
        print(f"{name:24} {value}")
    if options.out is not None:
        draw(options.checkout, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
