"""The command line: `kinetic VERB ...`, each verb one plain function of what was typed.

Exit status: 0 done, 1 the work failed, 2 the request was wrong, 129 SIGHUP, 130 Ctrl-C, 143 SIGTERM. Errors are one
line on standard error, with `--debug` preceded by the traceback. What other programs read goes to standard output.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import traceback
from argparse import SUPPRESS, ArgumentParser, HelpFormatter, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kinetic.cli.arguments import (
    Verb,
    WrongRequest,
    declare_json,
    frame_rate,
    json_text,
    listed,
    natural,
    positive,
    wanted_classes,
)
from kinetic.cli.data import DATA_VERBS
from kinetic.messages import complain, open_streams, safe_line, say, settle_streams, speaking
from kinetic.processes import stop_signals
from kinetic.version import __version__

if TYPE_CHECKING:
    from types import FrameType

    from kinetic.motion.motion_set import MotionSet
    from kinetic.presets import Preset
    from kinetic.settings.reading import Setting

__all__ = ["VERBS", "main", "parse"]

WRONG_REQUEST = (
    ValueError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    ModuleNotFoundError,
)
"""Errors that are answers to what was asked, a missing extra among them; any other is a failure of the work."""


class Stopped(BaseException):
    """A signal asked to stop.

    Attributes:
        number: of the signal
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def fit(asked: Namespace) -> None:
    """Train what experiment files describe; the run folder is printed at the end."""
    from kinetic.families.experiments import load_experiment
    from kinetic.plain import yaml_text
    from kinetic.settings.reading import to_plain

    if asked.list:
        say(_presets_text("experiment"))
        return
    overrides = {key: value for key, value in vars(asked).items() if key in _settings()}
    experiment = load_experiment(
        *asked.files, **{key: _typed(_settings()[key], text) for key, text in overrides.items()}
    )
    if asked.print_config:
        say(yaml_text(to_plain(experiment)).rstrip("\n"))
        return
    if not asked.files and not overrides:
        raise WrongRequest("name a preset (--list shows them) or an experiment file, or at least --data.source")
    from kinetic.runs.fit import fit
    from kinetic.training.checkpoint import Interrupted

    try:
        folder = fit(experiment, out=asked.out, resume=asked.resume, progress=not asked.quiet)
    except Interrupted as stop:
        complain(f"{stop}; the same command with --resume goes on")
        raise Stopped(stop.number) from stop
    if os.environ.get("LOCAL_RANK", "0") == "0":  # one of several processes speaks
        say(str(folder))


def _declare_fit(parser: ArgumentParser) -> None:
    parser.usage = "kinetic fit [NAME|FILE ...] [--list] [--out FOLDER] [--resume] [--print-config] [--KEY X ...]"
    _declare_files(parser, "experiment")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="the run folder; default: runs/ and the name")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint of that folder")
    parser.add_argument("--print-config", action="store_true", help="print every setting as YAML and stop")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    group = parser.add_argument_group("settings, over those of the files")
    for key, setting in _settings().items():
        _declare_setting(group, key, setting)


def _declare_files(parser: ArgumentParser, kind: Preset) -> None:
    meaning = f"{kind}s: presets by name, or files; later ones win over earlier ones"
    parser.add_argument("files", nargs="*", metavar="NAME|FILE", help=meaning)
    parser.add_argument("--list", action="store_true", help="print the presets and what each is, and stop")


def _presets_text(kind: Preset) -> str:
    from kinetic.presets import presets

    return "\n".join(f"{name:22} {about}" for name, about in presets(kind).items())


def _declare_setting(group: Any, key: str, setting: Setting) -> None:
    default = "null" if setting.default is None else _shown(setting.default)
    meaning = f"{setting.meaning} ({setting.possible}; {default})".replace("%", "%%")
    group.add_argument(f"--{key}", default=SUPPRESS, metavar="X", help=meaning)


def sample(asked: Namespace) -> None:
    """Draw motions from a trained generator into a file."""
    from kinetic.runs.sample import sample

    sample(
        asked.run_folder,
        label=wanted_classes(asked.label),
        count=asked.count,
        seed=asked.seed,
        truncation=asked.truncation,
        space=asked.space,
        out=asked.out,
        progress=True,
    )
    say(str(asked.out))


def _declare_sample(parser: ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="a run folder, or a checkpoint in one")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="where they go: .npz or a folder")
    parser.add_argument(
        "--label", action="append", metavar="CLASS", help="name or number; again for more; default: all"
    )
    parser.add_argument("--count", type=positive, default=10, metavar="N", help="motions per class (10)")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="seed of the noise (0)")
    parser.add_argument("--truncation", type=float, metavar="PSI", help="pull latents to their mean: 1 = none, 0 = all")
    parser.add_argument("--space", choices=("w", "z"), default="w", help="which latents are truncated (w)")


def evaluate(asked: Namespace) -> None:
    """Score generated motions against real ones, with the floor that real ones reach among themselves."""
    from kinetic.evaluation.comparison import open_comparison
    from kinetic.evaluation.evaluate import evaluate
    from kinetic.evaluation.published import evaluate_published
    from kinetic.evaluation.report import write_report

    _check_evaluate(asked)
    comparison = open_comparison(
        asked.subject, encoder=asked.encoder, reference=asked.reference, split=asked.split, scaled=asked.scaled
    )
    if comparison.subject.run is None and asked.seeds:
        raise WrongRequest(f"{asked.subject}: --seeds needs a generator, these are motions")
    if comparison.subject.run is None and (asked.joints or asked.curve):
        raise WrongRequest(f"{asked.subject}: --joints and --curve need a generator, these are motions")
    if asked.protocol == "published":
        report = evaluate_published(
            comparison,
            inception=asked.inception,
            range_fault=not asked.no_range_fault,
            count=asked.count,
            truncation=asked.truncation,
            progress=True,
        )
    else:
        report = evaluate(
            comparison,
            count=asked.count,
            seeds=5 if asked.seeds is None else asked.seeds,
            truncation=asked.truncation,
            only=listed(asked.only),
            bootstrap=asked.bootstrap or 0,
            progress=True,
        )
    if asked.out is not None:  # before what takes longer
        write_report(report, asked.out)
    if asked.gan_train:
        from kinetic.evaluation.augmentation import train_on_generated
        from kinetic.runs.run import load_run

        rows = train_on_generated(
            comparison, load_run(asked.encoder[0]), seeds=asked.gan_train, truncation=asked.truncation, progress=True
        )
        report = replace(report, rows=(*report.rows, *rows))
        if asked.out is not None:
            write_report(report, asked.out)
    if asked.confusion is not None and report.classes is not None and report.classes.confusion is not None:
        from kinetic.pictures.charts import confusion_chart

        confusion_chart(report.classes.confusion, report.classes.class_names, asked.confusion)
    if asked.curve is not None:
        from kinetic.evaluation.sweeps import draw_truncation, truncation_curve

        curve = truncation_curve(comparison, seeds=asked.seeds or 3, count=asked.count, progress=True)
        draw_truncation(curve, asked.curve)
    if asked.joints is not None and comparison.subject.run is not None:
        from kinetic.evaluation.sweeps import draw_joint_variation, joint_variation

        draw_joint_variation(joint_variation(comparison.subject.run, comparison.reference.train), asked.joints)
    if asked.json:
        say(json_text(report.to_dict()))
    else:
        say((report if asked.per_class else replace(report, classes=None)).to_text().rstrip("\n"))


def _check_evaluate(asked: Namespace) -> None:
    """Refuses what does not go together, before anything long begins."""
    from kinetic.files import checked_target

    published = asked.protocol == "published"
    for option, given, only in (
        ("--inception", asked.inception is not None, published),
        ("--no-range-fault", asked.no_range_fault, published),
        ("--encoder", asked.encoder is not None, not published),
        ("--only", asked.only is not None, not published),
        ("--curve", asked.curve is not None, not published),
        ("--seeds", asked.seeds is not None, not published),
        ("--bootstrap", asked.bootstrap is not None, not published),
        ("--per-class", asked.per_class, not published),
    ):
        if given and not only:
            raise WrongRequest(f"{option} does not go with --protocol {asked.protocol}")
    for option, given in (("--gan-train", asked.gan_train), ("--confusion", asked.confusion)):
        if given and asked.encoder is None:
            raise WrongRequest(f"{option} needs the run of a recognition network: --encoder RUN")
    if asked.bootstrap == 1:
        raise WrongRequest("--bootstrap needs at least 2 halves, got 1")
    for path, ending in (
        (asked.out, ".json"),
        *((each, ".png") for each in (asked.confusion, asked.curve, asked.joints)),
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


def compare(asked: Namespace) -> None:
    """Put reports side by side; scores whose labels differ are refused."""
    from kinetic.evaluation.report import compare, read_report

    say(compare([read_report(file) for file in asked.reports], ignore=listed(asked.ignore) or ()).rstrip("\n"))


def _declare_compare(parser: ArgumentParser) -> None:
    parser.add_argument("reports", nargs="+", type=Path, metavar="JSON", help="what `kinetic evaluate -o` wrote")
    parser.add_argument(
        "--ignore", action="append", metavar="FIELD,...", help="fields of the label that may differ, such as seeds"
    )


LONG = 15 * 60
"""Seconds from which on an ablation says how long it will take before it begins."""


def ablate(asked: Namespace) -> None:
    """Train and score every recipe of an ablation file on every benchmark from every seed, and print the table.

    The folder holds the table in four formats, pictures, and report.html with motions that play. The same command goes
    on where it stopped.
    """
    if asked.list:
        say(_presets_text("ablation"))
        return
    if not asked.files:
        raise WrongRequest("name a preset (--list shows them) or an ablation file")
    from kinetic.ablation.cost import estimate
    from kinetic.ablation.grid import ablate, engine_for, plan
    from kinetic.ablation.recipes import read_ablation
    from kinetic.training.checkpoint import Interrupted

    known, own = _settings(), _ablation_settings()
    typed = {key: text for key, text in vars(asked).items() if isinstance(text, str)}
    ablation, config = read_ablation(
        *asked.files,
        recipes=listed(asked.recipes),
        benchmarks=listed(asked.benchmarks),
        settings={key: _typed(known[key], text) for key, text in typed.items() if key in known and key not in own},
        **{key: _typed(own[key], text) for key, text in typed.items() if key in own},
    )
    out = asked.out if asked.out is not None else Path("runs") / ablation.name
    engine = engine_for(ablation, out, asked.engine, jobs=asked.jobs, ray=config.ray, slurm=config.slurm)
    jobs = getattr(engine, "jobs", None) or 1
    found = plan(ablation, out)
    if asked.dry_run:
        say(found.to_text().rstrip("\n"))
    else:
        complain(found.precision)
    try:
        if asked.dry_run:
            say(f"{found.precision}\n{estimate(found, retry=asked.retry).to_text(jobs)}".rstrip("\n"))
            return
        if asked.engine == "local" and (cost := estimate(found, retry=asked.retry)).seconds / jobs > LONG:
            for line in (*cost.to_text(jobs).splitlines(), "it can be stopped, and the same command goes on"):
                complain(line)
    except Interrupted as stop:  # it trains a little
        raise Stopped(stop.number) from stop
    except Exception as error:
        if asked.dry_run:
            raise
        complain(f"note: how long it takes could not be measured: {_one_line(error)}")
    table = ablate(ablation, out, engine=engine, retry=asked.retry)
    page = out / "report.html"
    say(json_text(table.to_dict()) if asked.json else f"{table.to_text()}{page if page.exists() else ''}".rstrip("\n"))
    if table.missing:
        raise RuntimeError(f"{len(table.missing)} cells have no result; --retry runs them again")


def _declare_ablate(parser: ArgumentParser) -> None:
    parser.usage = (
        "kinetic ablate NAME|FILE ... [--list] [--profile NAME] [--dry-run] [--engine local|ray|slurm] [-o FOLDER] "
        "[--KEY X ...]"
    )
    _declare_files(parser, "ablation")
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
    group = parser.add_argument_group("settings of the ablation, over those of the files")
    for key, setting in _ablation_settings().items():
        _declare_setting(group, key, setting)
    group = parser.add_argument_group("settings of all experiments, below those of recipes")
    for key, setting in _settings().items():
        if key not in ("name", "model", "seed"):
            _declare_setting(group, key, setting)


def plot(asked: Namespace) -> None:
    """Draw motions as a still picture or an animation, or the metrics of a run as curves."""
    from kinetic.formats.reading import read_motions
    from kinetic.pictures.charts import curves
    from kinetic.pictures.plot import WRITERS, animate, filmstrip, sheet

    if asked.out.suffix.lower() not in (known := (".png", *WRITERS)):
        raise WrongRequest(f"{asked.out}: expected a name that ends in {', '.join(known)}")

    metrics = asked.subject / "metrics.csv"
    if metrics.is_file():
        from kinetic.training.watch import read_metrics

        curves(read_metrics(metrics), asked.out)
        return
    motions = read_motions(asked.subject)
    if asked.label is not None:
        motions = motions.where(classes=wanted_classes(asked.label))
    still = asked.out.suffix.lower() == ".png"
    motions = _drawable(_some(motions, asked.count), stretch=still)
    titles = [motions.class_names[label] for label in motions.label.tolist()]
    if still:
        (sheet if asked.sheet else filmstrip)(motions.motion, motions.skeleton, asked.out, titles=titles)
    else:
        rates = motions.fps
        fps = asked.fps or (float(rates) if isinstance(rates, float) else float(rates.mean()))
        animate(motions.motion, motions.skeleton, asked.out, fps=fps, titles=titles)


def _declare_plot(parser: ArgumentParser) -> None:
    parser.add_argument("subject", metavar="FILE|RUN", type=Path, help="a file of motions, or a run folder")
    kinds = "motions: .png, .gif, .webp, .apng or .mp4; run: .png"
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="PICTURE", help=kinds)
    parser.add_argument(
        "--label", action="append", metavar="CLASS", help="name or number; again for more; default: all"
    )
    parser.add_argument(
        "--count", type=positive, default=8, metavar="N", help="motions at most, of all classes in turn (8)"
    )
    parser.add_argument("--sheet", action="store_true", help="a .png with a cell instead of a row for each motion")
    parser.add_argument(
        "--fps", type=frame_rate, metavar="X", help="frames per second of an animation; default: as recorded"
    )


def view(asked: Namespace) -> None:
    """Write a page on which motions play: one file that any browser opens, also without a network."""
    from kinetic.files import checked_target
    from kinetic.formats.reading import read_motions
    from kinetic.pictures.page import view
    from kinetic.runs.sample import sample

    target = checked_target(asked.out, (".html",))
    wanted = wanted_classes(asked.label)
    if (asked.subject / "config.yaml").exists() or asked.subject.suffix == ".ckpt":
        motions = sample(asked.subject, label=wanted, count=asked.count)
    else:
        motions = read_motions(asked.subject)
        motions = motions if wanted is None else motions.where(classes=wanted)
        motions = _drawable(_few(motions, asked.count), stretch=False)
    view(
        motions.motion,
        motions.label,
        motions.class_names,
        motions.skeleton,
        target,
        fps=motions.fps,
        title=asked.subject.name,
        most=asked.count,
    )
    say(str(target))


def _declare_view(parser: ArgumentParser) -> None:
    parser.add_argument("subject", metavar="FILE|RUN", type=Path, help="motions, or a run that is to make some")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="PAGE", help="where it goes: .html")
    parser.add_argument(
        "--label", action="append", metavar="CLASS", help="name or number; again for more; default: all"
    )
    parser.add_argument("--count", type=positive, default=4, metavar="N", help="motions of each class at most (4)")


def skeleton_check(asked: Namespace) -> None:
    """Say whether a skeleton file is sound, and the levels that networks will use."""
    from kinetic.skeleton import SkeletonPyramid, load_skeleton

    skeleton = load_skeleton(asked.skeleton)
    levels = SkeletonPyramid.of(skeleton).keep
    if asked.json:
        plain = {"name": skeleton.name, "hash": skeleton.hash, "levels": [list(level) for level in levels]}
        say(json_text({**plain, "joints": list(skeleton.joints), "bones": [list(bone) for bone in skeleton.bones]}))
        return
    say(f"{asked.skeleton}: sound; {len(skeleton.joints)} joints, {len(skeleton.bones)} bones")
    for number, level in enumerate(levels):
        say(f"level {number}: {len(level):2} joints: {', '.join(safe_line(skeleton.joints[joint]) for joint in level)}")


def _declare_skeleton_check(parser: ArgumentParser) -> None:
    parser.add_argument("skeleton", metavar="NAME|FILE", help="a built-in skeleton, a preset, or a YAML file of one")
    declare_json(parser)


def skeleton_show(asked: Namespace) -> None:
    """Draw a skeleton at all levels that networks use."""
    from kinetic.pictures.plot import skeleton_levels
    from kinetic.skeleton import SkeletonPyramid, load_skeleton

    skeleton_levels(SkeletonPyramid.of(load_skeleton(asked.skeleton)), asked.out)


def _declare_skeleton_show(parser: ArgumentParser) -> None:
    parser.add_argument("skeleton", metavar="NAME|FILE", help="a built-in skeleton, a preset, or a YAML file of one")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="PICTURE", help="where it goes: .png")


def _some(motions: MotionSet, count: int) -> MotionSet:
    """At most so many motions: the first of every class, then the second of every class, and so on."""
    seen: dict[int, int] = {}
    turns = []
    for row, label in enumerate(motions.label.tolist()):
        seen[label] = seen.get(label, -1) + 1
        turns.append((seen[label], label, row))
    chosen = sorted(turns)[:count]
    return motions.select([row for _, _, row in sorted(chosen, key=lambda turn: turn[1:])])


def _few(motions: MotionSet, count: int) -> MotionSet:
    """The first motions of each class, at most so many."""
    seen: dict[int, int] = {}
    rows = []
    for row, label in enumerate(motions.label.tolist()):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= count:
            rows.append(row)
    return motions.select(rows)


def _drawable(motions: MotionSet, *, stretch: bool) -> MotionSet:
    """Motions without their padding: over all frames of the longest, or holding their last pose."""
    motions = motions.upright()
    if "frames" not in motions.columns:
        return motions
    longest = max(1, int(motions.columns["frames"].max()))
    return motions.resampled(longest) if stretch else motions.cut(longest)


VERBS: dict[str, Verb] = {
    "fit": Verb(fit, _declare_fit, "train what experiment files describe"),
    "sample": Verb(sample, _declare_sample, "draw motions from a trained generator"),
    "evaluate": Verb(evaluate, _declare_evaluate, "score generated motions against real ones"),
    "compare": Verb(compare, _declare_compare, "put several reports side by side"),
    "ablate": Verb(ablate, _declare_ablate, "train and score recipes x benchmarks x seeds, and compare them"),
    "plot": Verb(plot, _declare_plot, "draw motions, or the metrics of a run"),
    "view": Verb(view, _declare_view, "write a page on which motions play"),
    **DATA_VERBS,
    "skeleton check": Verb(skeleton_check, _declare_skeleton_check, "whether a skeleton is sound, and its levels"),
    "skeleton show": Verb(skeleton_show, _declare_skeleton_show, "draw the levels of a skeleton"),
}
"""What may follow `kinetic`, in the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was typed; the exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in arguments
    open_streams()
    with _signals_stop(), speaking():
        try:
            asked = parse(arguments)
            asked.run(asked)
        except KeyboardInterrupt:
            complain("interrupted")
            return 130
        except Stopped as stop:
            return 128 + stop.number
        except BrokenPipeError:  # `kinetic ... | head`: nobody reads on
            return 0
        except Exception as error:
            if debug:
                say(traceback.format_exc().rstrip("\n"), error=True)
            complain(_one_line(error))
            return 2 if isinstance(error, WRONG_REQUEST) else 1
        finally:
            settle_streams()
        return 0


def parse(arguments: Sequence[str]) -> Namespace:
    """What was typed, with `run` the function to call with it. Raises WrongRequest; `--help` prints and exits."""
    words = list(arguments)
    verb = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in VERBS), None)
    if verb is None:
        _no_verb(words)
    parser = _Parser(prog=f"kinetic {verb}", description=VERBS[verb].run.__doc__, allow_abbrev=False)
    VERBS[verb].declare(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser.parse_intermixed_args(words[len(verb.split()) :], Namespace(run=VERBS[verb].run))


class _Parser(ArgumentParser):
    """An argument parser that complains in one line, and names the option that was probably meant."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, **options)

    def error(self, message: str) -> NoReturn:
        from kinetic.settings.reading import unknown

        if found := re.search(r"^unrecognized arguments: (--[^\s=]+)", message):
            word = found.group(1)
            known = [option for option in self._option_string_actions if option.startswith("--")]
            near = unknown(word, known)
            message = f"{word}: unknown option; {near if near.startswith('did') else f'see {self.prog} --help'}"
        raise WrongRequest(f"{self.prog.removeprefix('kinetic ')}: {message}")


class _Help(HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=min(120, shutil.get_terminal_size((100, 24)).columns))


@contextmanager
def _signals_stop() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise Stopped. Training puts its own handlers over these while it runs."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise Stopped(number)

    try:
        before = {number: signal.signal(number, stop) for number in stop_signals()}
    except ValueError:  # not the main thread, which alone may set handlers
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _no_verb(words: list[str]) -> NoReturn:
    from kinetic.settings.reading import unknown

    group = [verb for verb in VERBS if words and verb.startswith(f"{words[0]} ")]
    asks = {"-h", "--help"} & set(words[:2])
    if not words or asks:
        say("usage: kinetic VERB ...   (kinetic VERB --help says more)\n")
        for verb in group or VERBS:
            say(f"  {verb:16}{VERBS[verb].meaning}")
        if not group:
            say(f"\n{EXIT_STATUS}")
        raise SystemExit(0)
    if words[0] == "--version":
        say(f"kinetic {__version__}")
        raise SystemExit(0)
    if group:
        raise WrongRequest(f"{' '.join(words[:2])}: unknown verb; expected one of: {', '.join(group)}")
    raise WrongRequest(f"{words[0]}: unknown verb; {unknown(words[0], VERBS)}")


EXIT_STATUS = """\
Exit status: 0 done, 1 the work failed, 2 the request was wrong;
stopped: 130 by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP."""


def _settings() -> Any:
    from kinetic.families.experiments import experiment_settings as settings

    return settings()


def _ablation_settings() -> Any:
    from kinetic.settings.ablation import ablation_settings

    return ablation_settings()


def _typed(setting: Setting, text: str) -> object:
    from kinetic.settings.reading import value_from_text

    return value_from_text(setting, text)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, WRONG_REQUEST) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
