"""The evaluation protocol: scores of generated motions beside the floor that real motions reach among themselves."""

from __future__ import annotations

import os
from collections.abc import Iterable

from kinetic.evaluation.alarms import collapse, copies, faults
from kinetic.evaluation.comparison import Comparison, as_comparison
from kinetic.evaluation.networks import Encoders
from kinetic.evaluation.notes import interval_note, missing_notes, network_notes, numbers_note
from kinetic.evaluation.report import Report
from kinetic.evaluation.scores import class_table, score_sets
from kinetic.metrics.measures import BETTER, choose
from kinetic.motion.motion_set import MotionSet
from kinetic.runs.run import Run

__all__ = ["evaluate"]


def evaluate(
    subject: Run | MotionSet | str | os.PathLike[str] | Comparison,
    *,
    encoder: Encoders = None,
    reference: str | os.PathLike[str] | None = None,
    split: str | None = None,
    count: int | None = None,
    seeds: int = 5,
    truncation: float | None = None,
    only: Iterable[str] | None = None,
    bootstrap: int = 0,
    scaled: bool = False,
    progress: bool = False,
) -> Report:
    """Score a run, or motions made by anyone, against held-out real motions.

    The real motions are those that the run did not train on, or, when motions are scored, those that the recognition
    network did not. Generated motions have the labels of the real ones unless `count` is given, in each class no more
    than there are training motions. The floor compares real training motions, as many as generated ones where there
    are, with the same real test motions; over several draws it is the mean. Where a score looks at one side only, its
    floor is that of the real test motions; the floor of copying is that of training motions, each left out of them in
    turn.

    Args:
        subject: a run of a generator, its folder or checkpoint, or motions with labels, or a file of them, or an open
            comparison
        encoder: a run of the recognition network, or any feature network as `kinetic.models.adapter.Adapted`; None
            leaves out all scores that compare features. With several, scores that look at features are those of the
            first, and follow again as `frechet@2` for the second and so on
        reference: a file of real motions; None = the data of the run, else of the encoder
        split: which of them are held out; None = as in the experiment
        count: motions generated per class; None = as many as there are real ones
        seeds: how often motions are generated; their spread gives the 95% interval of their mean
        truncation: psi of the generated motions; None = none
        only: names of scores, of `kinetic.metrics.measures.BETTER`; None = all
        bootstrap: halves of the test people that all is scored against, so that the interval covers other people too;
            0 = it covers other draws of the generator alone
        scaled: motions of a file lie in [-1, 1], by the extremes of the training motions, as published generators leave
            them
        progress: show a bar on a terminal

    Scores that lack a network or motions are left out, and the notes say why.

    Raises:
        ValueError: when nothing says what to compare with, when a network was trained on what is held out, joints,
            frames, classes or centering of the sides differ, or coordinates are not finite
        FileNotFoundError: when there is no such run or file
    """
    if seeds < 1 or bootstrap < 0 or bootstrap == 1:
        raise ValueError(f"seeds must be at least 1 and bootstrap 0 or at least 2, got {seeds} and {bootstrap}")
    names = tuple(BETTER if only is None else only)
    measures = choose(names)
    comparison = as_comparison(subject, encoder=encoder, reference=reference, split=split, scaled=scaled)
    fakes = comparison.fakes(count=count, seeds=seeds, truncation=truncation)
    parts = score_sets(comparison, fakes, measures, names, seeds=seeds, bootstrap=bootstrap, progress=progress)
    label = comparison.label(count=count, seeds=seeds, truncation=truncation)
    rows = [row for part in parts for row in part.rows(label)]
    missing = missing_notes({name: reason for part in parts for name, reason in part.missing().items()})
    if not rows:
        raise ValueError(f"{comparison.subject.name}: none of its scores can be computed: {'; '.join(missing)}")

    test, first = comparison.reference.test, parts[0]
    scored = {row.score.metric for row in rows}
    sets = "one set" if comparison.subject.run is None else f"{len(fakes)} seed{'s' * (len(fakes) > 1)}"
    notes = [*comparison.notes, *missing]
    notes.append(f"{len(test)} real motions ({label['reference']}), {len(fakes[0])} generated, {sets}")
    if len(first.floors["train"].samples[0].label) != len(fakes[0]):
        notes.append(numbers_note(first, measures, scored))
    for part in parts:
        notes += network_notes(part, scored)
    covers = interval_note(test, len(fakes), bootstrap)
    notes.append(f"coordinates: {label['scaling']}; floor: real motions; {covers}")

    table = class_table(parts, test.class_names)
    alarms = list(collapse(table))
    for part in parts:
        alarms += copies(rows, part, by_anyone=comparison.subject.run is None and part is first)
    for fault, text in faults(comparison, fakes[0]):
        (alarms if fault else notes).append(text)
    return Report(comparison.subject.name, tuple(rows), tuple(notes), tuple(alarms), table)
