"""`kinetic sample`: its arguments."""

from __future__ import annotations

import pytest

from kinetic.cli.main import parse


def test_sample_takes_classes_by_name_and_number():
    request = parse(["sample", "runs/a", "--label", "walk", "--label", "3", "--count", "7", "-o", "m.npz"])
    assert (request.label, request.count, request.seed) == (["walk", "3"], 7, 0)


def test_options_are_those_of_the_families_and_passed_on_where_they_are_typed():
    request = parse(["sample", "runs/a", "-o", "m.npz", "--truncation", "0.5"])
    assert request.truncation == 0.5
    assert not hasattr(request, "space")  # the sampler has its own default


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "runs/a"], "sample: the following arguments are required: -o/--out"),
        (["sample", "a", "-o", "b", "--count", "0"], "sample: argument --count: expected a whole number from 1 on"),
        (["sample", "a", "-o", "b", "--seed", "-1"], "sample: argument --seed: expected a whole number from 0 on"),
        (["sample", "a", "-o", "b", "--space", "x"], "sample: argument --space: invalid choice: 'x'"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(refusal, words, message):
    assert refusal(*words).startswith(message)
