"""An ablation's folder is what its grid.json says, and a grid.json that cannot be is refused by name."""

import json

import pytest

from kinetic.ablation.results import read_grid

GRID = {
    "format": "kinetic-grid",
    "name": "a",
    "about": "small",
    "scores": {"only": ["frechet"]},
    "rows": [{"name": "Baseline", "after": None, "about": ""}, {"name": "A", "after": "Baseline", "about": "x"}],
    "benchmarks": [{"name": "xsub", "about": "people"}],
    "cells": [{"benchmark": "xsub", "recipe": "A", "seed": 0, "key": "0123456789ab"}],
    "published": {"xsub": {"A": {"fid": 1.5}}},
}


def test_a_grid_tells_what_is_missing(tmp_path):
    (tmp_path / "grid.json").write_text(json.dumps(GRID))
    grid = read_grid(tmp_path)
    assert (grid.name, [row.after for row in grid.rows], grid.metrics) == ("a", [None, "Baseline"], ("frechet",))
    assert grid.missing == {("xsub", "A", 0): "not run yet"}
    assert grid.published == {"xsub": {"A": {"fid": 1.5}}}


def cell(**changes):
    return {"cells": [{**GRID["cells"][0], **changes}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "another format"),
        ({"rows": [1]}, "not subscriptable"),
        ({"rows": [{"name": "A", "after": "B", "about": ""}]}, "row 'A' builds on 'B'"),
        ({"rows": [{"name": "A", "after": "A", "about": ""}]}, "row 'A' builds on 'A'"),
        (cell(recipe="B"), r"found a cell of \('xsub', 'B', 0\)"),
        (cell(benchmark="a\n" * 500), r"found a cell of \('a\\"),
        (cell(key="*/../.."), r"found '\*/../\.\.' as the key of a cell"),
        (cell(key=""), "found '' as the key of a cell"),
        (cell(seed=[]), "int"),
        ({"published": 1}, "no attribute 'items'"),
        ({"published": {"xsub": {"A": {"fid": "x"}}}}, "could not convert"),
        ({"scores": None}, "not subscriptable"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_with_its_name(changes, message, tmp_path):
    (tmp_path / "grid.json").write_text(json.dumps(GRID | changes))
    with pytest.raises(ValueError, match=rf"grid\.json: expected what `kinetic ablate` leaves: .*{message}") as caught:
        read_grid(tmp_path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["[" * 100_000, "NaN", "", '{"format": 1, "format": 2}'])
def test_other_texts_are_refused_with_the_name_of_the_file(text, tmp_path):
    (tmp_path / "grid.json").write_text(text)
    with pytest.raises(ValueError, match=r"grid\.json: "):
        read_grid(tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no ablation"):
        read_grid(tmp_path / "nowhere")
