"""Checks of settings."""

from __future__ import annotations

import math

import pytest

from kinetic.settings.checks import WIDEST, at_least, channel_counts, check_name, within


def test_values_at_the_limits_and_none_pass():
    at_least("a", 1, b=1, c=None)
    within("a", 0, 1, b=0, c=1, d=None)
    channel_counts("a", "b", [1, WIDEST])
    channel_counts("a", "b", [1] * 5, 5)
    check_name("a name.yaml")


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: at_least("a", 1, b=0), "a.b must be at least 1, got 0"),
        (lambda: at_least("", 1, b=math.nan), "b must be at least 1, got nan"),
        (lambda: within("a", 0, 1, b=2), "a.b must lie between 0 and 1, got 2"),
        (lambda: within("", 0, 1, "each is a process", b=math.nan), "b must lie between 0 and 1, because"),
        (lambda: channel_counts("a", "b", []), "a.b needs 1 to 64 channel counts from 1 to 16384, got []"),
        (lambda: channel_counts("a", "b", [0]), "a.b needs 1 to 64 channel counts from 1 to 16384, got [0]"),
        (lambda: channel_counts("a", "b", [1] * 65), "a.b needs 1 to 64 channel counts from 1 to 16384, got [1, 1"),
        (lambda: channel_counts("a", "b", [1, 2], 3), "a.b needs 3 channel counts from 1 to 16384, got [1, 2]"),
        *((lambda x=name: check_name(x), "name must be a plain file name, got") for name in ("", "a/b", "..", "\0")),
    ],
)  # fmt: skip
def test_a_value_outside_is_refused_with_the_setting(check, message):
    with pytest.raises(ValueError, match=r".") as caught:
        check()
    assert str(caught.value).startswith(message)
