"""Settings whose value is a name."""

from __future__ import annotations

import pytest

from kinetic.settings.choice import Choice


@pytest.mark.parametrize(("value", "name"), [("32", "32"), (32, "32"), ("mean", "mean")])
def test_a_name_or_the_number_with_its_text_is_the_name(value, name):
    assert Choice(("32", "mean")).check(value) == name


@pytest.mark.parametrize("value", ["men", 32.0, True, None, ["mean"], {"mean": 1}])
def test_any_other_value_is_refused_with_all_names(value):
    with pytest.raises(ValueError, match="^expected one of 32, mean, True$"):
        Choice(("32", "mean", "True")).check(value)


def test_a_name_that_joins_later_counts():
    names = {"mean": 1}
    choice = Choice(names)
    names["max"] = 2
    assert choice.check("max") == "max"
