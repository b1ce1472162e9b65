"""`kinetic fit`: train what experiment files describe."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from kinetic.cli.arguments import Stopped, Verb, WrongRequest, declare_presets, print_presets
from kinetic.cli.settings import declare_settings, settings_of_experiments, typed_settings
from kinetic.messages import complain, say

__all__ = ["FIT_VERBS"]


def fit(request: Namespace) -> None:
    """Train what experiment files describe; the run folder is printed at the end."""
    from kinetic.families.experiments import load_experiment
    from kinetic.plain import yaml_text
    from kinetic.settings.reading import to_plain

    if request.list:
        print_presets("experiment")
        return
    overrides = typed_settings(request, settings_of_experiments())
    experiment = load_experiment(*request.files, **overrides)
    if request.print_config:
        say(yaml_text(to_plain(experiment)).rstrip("\n"))
        return
    if not request.files and not overrides:
        raise WrongRequest("name a preset (--list shows them) or an experiment file, or at least --data.source")
    from kinetic.runs.fit import fit
    from kinetic.training.checkpoint import Interrupted

    try:
        folder = fit(experiment, out=request.out, resume=request.resume, progress=not request.quiet)
    except Interrupted as stop:
        complain(f"{stop}; the same command with --resume goes on")
        raise Stopped(stop.number) from stop
    if os.environ.get("LOCAL_RANK", "0") == "0":  # the first of several processes
        say(str(folder))


def _declare_fit(parser: ArgumentParser) -> None:
    parser.usage = "kinetic fit [NAME|FILE ...] [--list] [--out FOLDER] [--resume] [--print-config] [--KEY X ...]"
    declare_presets(parser, "experiment")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="the run folder; default: runs/ and the name")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint of that folder")
    parser.add_argument("--print-config", action="store_true", help="print every setting as YAML and stop")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    declare_settings(parser, "settings, over those of the files", settings_of_experiments())


FIT_VERBS: dict[str, Verb] = {"fit": Verb(fit, _declare_fit, "train what experiment files describe")}
"""`kinetic fit`."""
