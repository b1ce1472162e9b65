"""`kinetic sample`: draw motions from a trained generator."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from kinetic.cli.arguments import Verb, declare_label, label_from_words, natural, positive
from kinetic.messages import say

if TYPE_CHECKING:
    from kinetic.families.interface import Option

__all__ = ["SAMPLE_VERBS"]


def sample(request: Namespace) -> None:
    """Draw motions from a trained generator into a file."""
    from kinetic.runs.sample import sample

    sample(
        request.run_folder,
        label=label_from_words(request.label),
        count=request.count,
        seed=request.seed,
        out=request.out,
        progress=True,
        **{name: value for name, value in vars(request).items() if name in _options()},
    )
    say(str(request.out))


def _declare_sample(parser: ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="a run folder, or a checkpoint in one")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="where they go: .npz or a folder")
    declare_label(parser)
    parser.add_argument("--count", type=positive, default=10, metavar="N", help="motions per class (10)")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="seed of the noise (0)")
    group = parser.add_argument_group("options of the model")
    for name, (option, models) in _options().items():
        default = "" if option.default is None else f"; {option.default}"
        meaning = f"{option.meaning} (model {' or '.join(models)}{default})".replace("%", "%%")
        choices = option.choices or None
        group.add_argument(f"--{name}", type=option.parse, choices=choices, default=SUPPRESS, metavar="X", help=meaning)


def _options() -> dict[str, tuple[Option, list[str]]]:
    """Every option of a sampler, by its name, with the models that have it."""
    from kinetic.families.table import FAMILIES

    options: dict[str, tuple[Option, list[str]]] = {}
    for family in FAMILIES.values():
        for name, option in family.options.items():
            options.setdefault(name, (option, []))[1].append(family.name)
    return options


SAMPLE_VERBS: dict[str, Verb] = {
    "sample": Verb(sample, _declare_sample, "draw motions from a trained generator"),
}
"""`kinetic sample`."""
