"""The verbs of `kinetic data`: making sets of motions, looking at them, bringing them to other formats."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from kinetic.arguments import Verb, declare_json, json_text

__all__ = ["DATA_VERBS"]


def data_info(asked: Namespace) -> None:
    """Say what a file of motions holds and whether it looks sound."""
    from kinetic.data.reading import read_motions
    from kinetic.data.summary import summarise, summary_text

    found = summarise(read_motions(asked.file))
    print(json_text(found) if asked.json else summary_text(found))


def _declare_data_info(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a file or folder of motions")
    declare_json(parser)


DATA_VERBS: dict[str, Verb] = {
    "data info": Verb(data_info, _declare_data_info, "what a file of motions holds"),
}
"""What may follow `kinetic data`, in the order of the help."""
