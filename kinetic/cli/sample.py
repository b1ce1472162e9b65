"""`kinetic sample`: draw motions from a trained generator."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from kinetic.cli.arguments import Verb, declare_label, label_from_words, natural, positive
from kinetic.messages import say

__all__ = ["SAMPLE_VERBS"]


def sample(request: Namespace) -> None:
    """Draw motions from a trained generator into a file."""
    from kinetic.runs.sample import sample

    sample(
        request.run_folder,
        label=label_from_words(request.label),
        count=request.count,
        seed=request.seed,
        truncation=request.truncation,
        space=request.space,
        out=request.out,
        progress=True,
    )
    say(str(request.out))


def _declare_sample(parser: ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="a run folder, or a checkpoint in one")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="where they go: .npz or a folder")
    declare_label(parser)
    parser.add_argument("--count", type=positive, default=10, metavar="N", help="motions per class (10)")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="seed of the noise (0)")
    parser.add_argument("--truncation", type=float, metavar="PSI", help="pull latents to their mean: 1 = none, 0 = all")
    parser.add_argument("--space", choices=("w", "z"), default="w", help="which latents are truncated (w)")


SAMPLE_VERBS: dict[str, Verb] = {
    "sample": Verb(sample, _declare_sample, "draw motions from a trained generator"),
}
"""`kinetic sample`."""
