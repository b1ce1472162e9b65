"""`kinetic data`: build sets of motions, look at them, convert them to other formats."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kinetic.cli.arguments import (
    Verb,
    WrongRequest,
    declare_json,
    declare_label,
    json_text,
    label_from_words,
    natural,
    positive,
)
from kinetic.messages import complain, say

if TYPE_CHECKING:
    from kinetic.motion.motion_set import MotionSet

__all__ = ["DATA_VERBS"]


# ----------------------------------------------------------------------------------------------------------- building


def data_build(request: Namespace) -> None:
    """Make a set of motions from the raw files of NTU RGB+D, and compare its counts with the official ones.

    Files that cannot be used are named in OUT.report.jsonl, and the rest is built; the exit status is 1 then. A build
    that was interrupted goes on with the same command.
    """
    from kinetic.ntu.build import build_ntu

    try:
        report = build_ntu(
            request.raw,
            request.out,
            benchmark=request.benchmark,
            recipe=request.recipe,
            frames=request.frames,
            fit=request.fit,
            workers=request.workers,
            progress=not request.quiet,
        )
    except KeyboardInterrupt:
        complain("what is done is kept; the same command goes on from there")
        raise
    say(json_text(report.to_dict()) if request.json else report.to_text())
    if report.failed and not request.allow_failures:
        raise RuntimeError(
            f"{report.failed} files could not be used, see {report.listing}; --allow-failures accepts it"
        )


def _declare_data_build(parser: ArgumentParser) -> None:
    from kinetic.motion.fitting import FITTING
    from kinetic.ntu.build import PUBLISHED
    from kinetic.ntu.facts import BENCHMARKS

    parser.usage = "kinetic data build ntu --raw DIR --benchmark NAME -o FOLDER [--recipe NAME] [--frames N|all] ..."
    parser.add_argument("source", choices=("ntu",), metavar="ntu", help="what is built: NTU RGB+D 60 and 120")
    parser.add_argument(
        "--raw", type=Path, required=True, metavar="DIR", help="folder of .skeleton files or zip archives, or a zip"
    )
    parser.add_argument(
        "--benchmark", choices=tuple(BENCHMARKS), required=True, help="the counts that are expected, and the data set"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER", help="where the motions go")
    parser.add_argument(
        "--recipe",
        choices=tuple(PUBLISHED),
        default="kinetic",
        help="how bodies become clips (kinetic)",
    )
    parser.add_argument(
        "--frames", type=_frames, metavar="N|all", help="length of the motions; default: as the recipe was published"
    )
    parser.add_argument("--fit", choices=tuple(FITTING), help="how clips come to that length; default: as published")
    parser.add_argument("--workers", type=positive, metavar="N", help="processes; default: one per core")
    parser.add_argument("--allow-failures", action="store_true", help="exit with 0 although files could not be used")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    declare_json(parser)


def _frames(text: str) -> int | Literal["all"]:
    return "all" if text == "all" else positive(text)


def data_example(request: Namespace) -> None:
    """Write generated people as raw NTU RGB+D files, so that everything can be tried without a licence."""
    from kinetic.ntu.example import write_example

    faults = write_example(
        request.out, clips=request.clips, faults=request.faults, broken=request.broken, seed=request.seed
    )
    faulty = sum(bool(words) for words in faults.values())
    say(f"{request.out}: {len(faults)} recordings{f', {faulty} of them with something wrong' if faulty else ''}")


def _declare_data_example(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER", help="a new folder for the files")
    parser.add_argument("--clips", type=positive, default=240, metavar="N", help="recordings (240)")
    parser.add_argument(
        "--faults",
        type=_share,
        default=0.0,
        metavar="X",
        help="share with ghosts, new ids or empty frames (0)",
    )
    parser.add_argument("--broken", type=natural, default=0, metavar="N", help="files that cannot be read (0)")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="seed of the people (0)")


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ArgumentTypeError(f"expected a share from 0 to 1, got {text!r}")
    return share


# ------------------------------------------------------------------------------------------------------------ looking


def data_info(request: Namespace) -> None:
    """Say what a set of motions holds and whether it looks sound."""
    from kinetic.files import checked_target
    from kinetic.motion.summary import overview, summarise, summary_text, survey
    from kinetic.pictures.charts import overview_chart

    if request.out is not None:
        checked_target(request.out, (".png",))
    motions = _opened(request, finite=False)
    facts = survey(motions)
    summary = summarise(motions, facts)
    if request.out is not None:
        overview_chart(request.out, **overview(motions, facts))
    say(json_text(summary) if request.json else summary_text(summary))


def _declare_data_info(parser: ArgumentParser) -> None:
    _declare_source(parser)
    parser.add_argument("-o", "--out", type=Path, metavar="PICTURE", help="draw it too: .png")
    declare_json(parser)


def data_check(request: Namespace) -> None:
    """Look for what spoils training or evaluation; the exit status is 2 when there is something."""
    from kinetic.evaluation.inspection import inspect, inspection_text

    findings = inspect(_opened(request, finite=False))
    faults = [finding for finding in findings if finding.severity == "fault"]
    plain = [asdict(finding) for finding in findings]
    say(json_text({"faults": len(faults), "found": plain}) if request.json else inspection_text(findings))
    if faults:
        raise WrongRequest(f"{request.file}: {', '.join(dict.fromkeys(fault.what for fault in faults))}")


def _declare_data_check(parser: ArgumentParser) -> None:
    _declare_source(parser)
    declare_json(parser)


def data_recipes(request: Namespace) -> None:
    """Draw one raw recording of NTU RGB+D as each recipe of `kinetic data build` leaves it, and say what it dropped."""
    from kinetic.files import checked_target
    from kinetic.ntu.cleaning import CLEANING, Unusable
    from kinetic.ntu.recording import read_recording
    from kinetic.pictures.strips import clip_strip
    from kinetic.skeleton import NTU25

    checked_target(request.out, (".png",))
    try:
        recording = read_recording(request.file)
    except ValueError as error:
        raise ValueError(f"{request.file}: {error}") from error
    clips, titles = {}, []
    for remark in recording.remarks:
        say(f"{'recording':10}{remark}")
    for name, recipe in CLEANING.items():
        try:
            clip = recipe(recording)
        except Unusable as error:
            say(f"{name:10}unusable: {error}")
            continue
        clips[name] = clip.motion
        bodies, frames = clip.motion.shape[:2]
        titles.append(f"{name}\n{frames} frames, {bodies} {'body' if bodies == 1 else 'bodies'}")
        for remark in clip.remarks or ("nothing dropped",):
            say(f"{name:10}{remark}")
    if not clips:
        raise ValueError(f"{request.file}: no recipe can use this recording")
    up = [2 if name == "pyskl" else 1 for name in clips]
    clip_strip(list(clips.values()), NTU25, request.out, titles=titles, up=up)


def _declare_data_recipes(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a .skeleton file")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="PICTURE", help="where it goes: .png")


# --------------------------------------------------------------------------------------------------------- converting


@dataclass(frozen=True)
class _Format:
    """A format that `kinetic data convert` writes.

    Attributes:
        suffix: the ending of its files
        write: writes motions, with a split if one is named, and returns the files
    """

    suffix: str
    write: Callable[[MotionSet, Path, str | None], list[Path]]


def _write_ours(motions: MotionSet, out: Path, split: str | None) -> list[Path]:
    from kinetic.motion.storage import write_motions

    if split is not None:
        raise WrongRequest("--split goes with the formats published, ctr-gcn and pyskl; this one keeps all splits")
    write_motions(motions, out)
    return [out]


def _write_published(motions: MotionSet, out: Path, split: str | None) -> list[Path]:
    from kinetic.formats.published import write_published

    if split is None:
        write_published(motions, out)
        return [out]
    train, test = motions.split(split)
    stem = out.stem.removesuffix("data")
    stem = f"{stem}_" if stem and not stem.endswith("_") else stem
    sides = {out.with_name(f"{stem}{side}_data.npy"): part for side, part in (("train", train), ("val", test))}
    for file, part in sides.items():
        write_published(part, file)
    return list(sides)


def _write_ctrgcn(motions: MotionSet, out: Path, split: str | None) -> list[Path]:
    from kinetic.formats.ctrgcn import write_ctrgcn

    write_ctrgcn(motions, out, split or "xsub", repeated=motions.source == "ntu120")
    return [out]


def _write_pyskl(motions: MotionSet, out: Path, split: str | None) -> list[Path]:
    from kinetic.formats.pyskl import write_pyskl

    names = (split,) if split is not None else tuple(_whole_splits(motions))
    write_pyskl(motions, out, names)
    return [out]


def _whole_splits(motions: MotionSet) -> Iterator[str]:
    """The splits with motions on both sides; none when motions share the name of a clip."""

    if len(set(motions.clip)) < len(motions):
        return
    for name in motions.split_rules():
        with suppress(ValueError):
            motions.split_rows(name)
            yield name


FORMATS: dict[str, _Format] = {
    "npz": _Format(".npz", _write_ours),
    "folder": _Format("", _write_ours),
    "published": _Format(".npy", _write_published),
    "ctr-gcn": _Format(".npz", _write_ctrgcn),
    "pyskl": _Format(".pkl", _write_pyskl),
}
"""The formats of `kinetic data convert`. An ending alone stands for the first format that has it."""


def data_convert(request: Namespace) -> None:
    """Bring motions of any known format to another, or to the joints, classes, frames or plane that are wanted."""
    suffix = request.out.suffix
    kind = request.to or next((name for name, form in FORMATS.items() if form.suffix == suffix), None)
    if kind is None or FORMATS[kind].suffix != suffix:
        endings = {name: form.suffix or "no ending, a folder" for name, form in FORMATS.items()}
        expected = f"one of: {', '.join(f'{ending} ({name})' for name, ending in endings.items())}"
        raise WrongRequest(
            f"{request.out}: expected a name that ends in {endings[request.to] if request.to else expected}"
        )
    motions = _opened(request)
    if request.label is not None:
        motions = motions.where(classes=label_from_words(request.label))
    if request.joints == "ntu25":
        from kinetic.motion.joints import on_ntu25

        motions = on_ntu25(motions)
    if request.camera is not None:
        from kinetic.motion.projection import projected

        motions = projected(motions, request.camera)
    if request.frames is not None:
        motions = motions.resampled(request.frames)
    request.out.parent.mkdir(parents=True, exist_ok=True)
    for file in FORMATS[kind].write(motions, request.out, request.split):
        say(str(file))


def _declare_data_convert(parser: ArgumentParser) -> None:
    _declare_source(parser)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="TARGET", help="a file, or a folder's name")
    parser.add_argument("--to", choices=tuple(FORMATS), help="the format; default: by the ending, .npz is our own")
    parser.add_argument(
        "--split", metavar="NAME", help="the split that a published format holds: xsub, xview, xsetup ..."
    )
    parser.add_argument("--joints", choices=("ntu25",), help="bring other skeletons to the 25 joints of NTU RGB+D")
    parser.add_argument(
        "--camera", choices=("orthographic", "kinect2", "kinect2-pixels"), help="leave two coordinates: NTU-2D"
    )
    parser.add_argument("--frames", type=positive, metavar="N", help="stretch every motion to so many frames")
    declare_label(parser)


def _declare_source(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a file or folder of motions")
    parser.add_argument(
        "--mapping", metavar="NAME|YAML", help="what the columns or arrays of a .csv or .npz file are: preset or file"
    )
    parser.add_argument("--metres", type=float, metavar="X", help="the unit of .bvh files, in metres (0.01)")


def _opened(request: Namespace, *, finite: bool = True) -> MotionSet:
    """The motions that a request names, in any format; `finite` as for `read_motions`."""
    if request.mapping is not None:
        from kinetic.formats.tabular import read_table

        return read_table(request.file, request.mapping)
    if request.metres is not None:
        from kinetic.formats.bvh import read_bvh

        try:
            return read_bvh(request.file, request.metres)
        except ValueError as error:
            raise ValueError(f"{request.file}: {error}") from error
    from kinetic.formats.reading import read_motions

    return read_motions(request.file, finite=finite)


DATA_VERBS: dict[str, Verb] = {
    "data info": Verb(data_info, _declare_data_info, "what a set of motions holds"),
    "data check": Verb(data_check, _declare_data_check, "whether something is wrong with it"),
    "data build": Verb(data_build, _declare_data_build, "make a set from the raw files of NTU RGB+D"),
    "data recipes": Verb(data_recipes, _declare_data_recipes, "draw what each recipe makes of a raw file"),
    "data convert": Verb(data_convert, _declare_data_convert, "write motions in another format"),
    "data example": Verb(data_example, _declare_data_example, "write generated people as raw files"),
}
"""The verbs of `kinetic data`, in the order of the help."""
