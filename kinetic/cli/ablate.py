"""`kinetic ablate`: train and score recipes on benchmarks from several seeds, and compare them in a table."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from kinetic.cli.arguments import (
    WRONG_REQUEST,
    Stopped,
    Verb,
    WrongRequest,
    declare_json,
    declare_presets,
    json_text,
    positive,
    print_presets,
    separated,
)
from kinetic.cli.settings import declare_settings, settings_of_ablations, settings_of_experiments, typed_settings
from kinetic.messages import complain, error_line, say

__all__ = ["ABLATE_VERBS"]

LONG = 15 * 60
"""Seconds of work above which an ablation prints its estimate before it begins."""


def ablate(request: Namespace) -> None:
    """Train and score every recipe of an ablation file on every benchmark from every seed, and print the table.

    The folder holds the table in four formats, pictures, and report.html with motions that play. The same command goes
    on where it stopped.
    """
    if request.list:
        print_presets("ablation")
        return
    if not request.files:
        raise WrongRequest("name a preset (--list shows them) or an ablation file")
    from kinetic.ablation.cost import estimate
    from kinetic.ablation.grid import ablate, engine_for, plan
    from kinetic.ablation.recipes import read_ablation
    from kinetic.training.checkpoint import Interrupted

    of_ablation = settings_of_ablations()
    of_experiments = {key: setting for key, setting in settings_of_experiments().items() if key not in of_ablation}
    ablation, config = read_ablation(
        *request.files,
        recipes=separated(request.recipes),
        benchmarks=separated(request.benchmarks),
        settings=typed_settings(request, of_experiments),
        **typed_settings(request, of_ablation),
    )
    out = request.out if request.out is not None else Path("runs") / ablation.name
    engine = engine_for(
        ablation, out, request.engine, jobs=request.jobs, code=request.code, ray=config.ray, slurm=config.slurm
    )
    jobs = getattr(engine, "jobs", None) or 1
    todo = plan(ablation, out)
    try:
        if request.dry_run:
            say(todo.to_text().rstrip("\n"))
            say(f"{todo.precision}\n{estimate(todo, retry=request.retry).to_text(jobs)}".rstrip("\n"))
            return
        complain(todo.precision)
        if request.engine == "local" and (cost := estimate(todo, retry=request.retry)).seconds / jobs > LONG:
            for line in (*cost.to_text(jobs).splitlines(), "it can be stopped, and the same command goes on"):
                complain(line)
    except Interrupted as stop:  # the estimate trains a little
        raise Stopped(stop.number) from stop
    except Exception as error:
        if request.dry_run:
            raise
        complain(f"note: how long it takes could not be measured: {error_line(error, plain=WRONG_REQUEST)}")
    table = ablate(ablation, out, engine=engine, retry=request.retry)
    page = out / "report.html"
    text = json_text(table.to_dict()) if request.json else f"{table.to_text()}{page if page.exists() else ''}"
    say(text.rstrip("\n"))
    if table.missing:
        raise RuntimeError(f"{len(table.missing)} cells have no result; --retry runs them again")


def _declare_ablate(parser: ArgumentParser) -> None:
    parser.usage = (
        "kinetic ablate NAME|FILE ... [--list] [--profile NAME] [--dry-run] [--engine local|ray|slurm] [-o FOLDER] "
        "[--KEY X ...]"
    )
    declare_presets(parser, "ablation")
    parser.add_argument("-o", "--out", type=Path, metavar="FOLDER", help="its folder; default: runs/ and the name")
    parser.add_argument("--recipes", action="append", metavar="NAME,...", help="rows to run; default: the profile's")
    parser.add_argument("--benchmarks", action="append", metavar="NAME,...", help="default: the profile's")
    parser.add_argument(
        "--engine", choices=("local", "ray", "slurm"), default="local", help="what runs the cells (local: this machine)"
    )
    parser.add_argument("--jobs", type=positive, metavar="N", help="cells at a time; default: what there is room for")
    parser.add_argument("--retry", action="store_true", help="also run cells again that failed before")
    parser.add_argument("--dry-run", action="store_true", help="list the cells, estimate what they cost, and stop")
    declare_json(parser)
    declare_settings(parser, "settings of the ablation, over those of the files", settings_of_ablations())
    title = "settings of all experiments, below those of recipes"
    declare_settings(parser, title, settings_of_experiments(), without=("name", "model", "seed"))


ABLATE_VERBS: dict[str, Verb] = {
    "ablate": Verb(ablate, _declare_ablate, "train and score recipes x benchmarks x seeds, and compare them"),
}
"""`kinetic ablate`."""
