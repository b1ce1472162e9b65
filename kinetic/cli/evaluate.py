"""`kinetic evaluate` and `kinetic compare`: scores of motions, and reports side by side."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from kinetic.cli.arguments import Verb, WrongRequest, declare_json, json_text, positive, separated
from kinetic.messages import say

__all__ = ["EVALUATE_VERBS"]


def evaluate(request: Namespace) -> None:
    """Score generated motions against real ones, with the floor that real ones reach among themselves."""
    from kinetic.evaluation.comparison import open_comparison
    from kinetic.evaluation.evaluate import evaluate
    from kinetic.evaluation.published import evaluate_published
    from kinetic.evaluation.report import write_report

    _check_evaluate(request)
    comparison = open_comparison(
        request.subject,
        encoder=request.encoder,
        reference=request.reference,
        split=request.split,
        scaled=request.scaled,
    )
    if comparison.subject.run is None and request.seeds:
        raise WrongRequest(f"{request.subject}: --seeds needs a generator, these are motions")
    if comparison.subject.run is None and (request.joints or request.curve):
        raise WrongRequest(f"{request.subject}: --joints and --curve need a generator, these are motions")
    if request.protocol == "published":
        report = evaluate_published(
            comparison,
            inception=request.inception,
            range_fault=not request.no_range_fault,
            count=request.count,
            truncation=request.truncation,
            progress=True,
        )
    else:
        report = evaluate(
            comparison,
            count=request.count,
            seeds=5 if request.seeds is None else request.seeds,
            truncation=request.truncation,
            only=separated(request.only),
            bootstrap=request.bootstrap or 0,
            progress=True,
        )
    if request.out is not None:  # now: the rest takes longer
        write_report(report, request.out)
    if request.gan_train:
        from kinetic.evaluation.augmentation import train_on_generated
        from kinetic.runs.run import load_run

        rows = train_on_generated(
            comparison,
            load_run(request.encoder[0]),
            seeds=request.gan_train,
            truncation=request.truncation,
            progress=True,
        )
        report = replace(report, rows=(*report.rows, *rows))
        if request.out is not None:
            write_report(report, request.out)
    if request.confusion is not None and report.classes is not None and report.classes.confusion is not None:
        from kinetic.pictures.charts import confusion_chart

        confusion_chart(report.classes.confusion, report.classes.class_names, request.confusion)
    if request.curve is not None:
        from kinetic.evaluation.sweeps import draw_truncation, truncation_curve

        curve = truncation_curve(comparison, seeds=request.seeds or 3, count=request.count, progress=True)
        draw_truncation(curve, request.curve)
    if request.joints is not None and comparison.subject.run is not None:
        from kinetic.evaluation.sweeps import draw_joint_variation, joint_variation

        draw_joint_variation(joint_variation(comparison.subject.run, comparison.reference.train), request.joints)
    if request.json:
        say(json_text(report.to_dict()))
    else:
        say((report if request.per_class else replace(report, classes=None)).to_text().rstrip("\n"))


def _check_evaluate(request: Namespace) -> None:
    """Refuse options that contradict each other before anything long begins."""
    from kinetic.files import checked_target

    published = request.protocol == "published"
    for option, typed, fits in (
        ("--inception", request.inception is not None, published),
        ("--no-range-fault", request.no_range_fault, published),
        ("--encoder", request.encoder is not None, not published),
        ("--only", request.only is not None, not published),
        ("--curve", request.curve is not None, not published),
        ("--seeds", request.seeds is not None, not published),
        ("--bootstrap", request.bootstrap is not None, not published),
        ("--per-class", request.per_class, not published),
    ):
        if typed and not fits:
            raise WrongRequest(f"{option} does not go with --protocol {request.protocol}")
    for option, typed in (("--gan-train", request.gan_train), ("--confusion", request.confusion)):
        if typed and request.encoder is None:
            raise WrongRequest(f"{option} needs the run of a recognition network: --encoder RUN")
    if request.bootstrap == 1:
        raise WrongRequest("--bootstrap needs at least 2 halves, got 1")
    for path, ending in (
        (request.out, ".json"),
        *((picture, ".png") for picture in (request.confusion, request.curve, request.joints)),
    ):
        if path is not None:
            checked_target(path, (ending,))


def _declare_evaluate(parser: ArgumentParser) -> None:
    parser.add_argument("subject", metavar="RUN|FILE", type=Path, help="a run folder, or a file of motions")
    parser.add_argument(
        "--encoder",
        type=Path,
        action="append",
        metavar="RUN",
        help="run folder of the recognition network for features; again for more, whose scores are named frechet@2 ...",
    )
    parser.add_argument("--reference", type=Path, metavar="FILE", help="real motions; default: those of the run")
    parser.add_argument("--split", metavar="NAME", help="which of them are the test set: xsub, xview, xsetup, none ...")
    parser.add_argument(
        "--count", type=positive, metavar="N", help="motions generated per class; default: as many as real ones"
    )
    parser.add_argument("--seeds", type=positive, metavar="N", help="how often they are generated (5; of a curve 3)")
    parser.add_argument("--truncation", type=float, metavar="PSI", help="of the generated motions; default: none")
    parser.add_argument(
        "--bootstrap",
        type=positive,
        metavar="N",
        help="score against N halves of the test people too, so that intervals cover other people (such as 50)",
    )
    parser.add_argument(
        "--only", action="append", metavar="SCORE,...", help="some scores, by their names in the table; default: all"
    )
    parser.add_argument(
        "--scaled", action="store_true", help="motions of FILE lie in [-1, 1], as published generators leave them"
    )
    parser.add_argument("-o", "--out", type=Path, metavar="JSON", help="write the whole report, for `kinetic compare`")
    parser.add_argument("--per-class", action="store_true", help="print the scores of each class too")
    parser.add_argument(
        "--gan-train",
        type=positive,
        metavar="N",
        help="also train N recognition networks on generated motions, alone and beside real ones",
    )
    parser.add_argument(
        "--protocol",
        choices=("default", "published"),
        default="default",
        help="published: as Kinetic-GAN was scored, faults included",
    )
    parser.add_argument("--inception", type=Path, metavar="FILE", help="pytorch-fid's Inception weights, for its FID")
    parser.add_argument(
        "--no-range-fault", action="store_true", help="feed Inception the range that it expects, unlike published"
    )
    parser.add_argument("--confusion", type=Path, metavar="PNG", help="draw what generated actions are taken for")
    parser.add_argument("--curve", type=Path, metavar="PNG", help="draw quality and variety from psi 0 to 1")
    parser.add_argument("--joints", type=Path, metavar="PNG", help="draw how far noise alone moves each joint")
    declare_json(parser)


def compare(request: Namespace) -> None:
    """Put reports side by side; scores whose labels differ are refused."""
    from kinetic.evaluation.report import compare, read_report

    say(compare([read_report(file) for file in request.reports], ignore=separated(request.ignore) or ()).rstrip("\n"))


def _declare_compare(parser: ArgumentParser) -> None:
    parser.add_argument("reports", nargs="+", type=Path, metavar="JSON", help="what `kinetic evaluate -o` wrote")
    parser.add_argument(
        "--ignore", action="append", metavar="FIELD,...", help="fields of the label that may differ, such as seeds"
    )


EVALUATE_VERBS: dict[str, Verb] = {
    "evaluate": Verb(evaluate, _declare_evaluate, "score generated motions against real ones"),
    "compare": Verb(compare, _declare_compare, "put several reports side by side"),
}
"""`kinetic evaluate` and `kinetic compare`."""
