"""Splits: which motions train and which test, by who moves or by where the camera stands."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from kinetic.motion.fields import plain_mapping

__all__ = ["SPLITS", "checked_rules", "natural_order", "split_rules"]

_NTU60_TRAIN = [1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38]
_NTU120_TRAIN = [45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89]
_NTU120_TRAIN += [91, 92, 93, 94, 95, 97, 98, 100, 103]

SPLITS: dict[str, dict[str, dict[str, Any]]] = {
    "nw_ucla": {"xview": {"by": "view", "train": [1, 2], "test": [3]}},
    "ntu60": {
        "xsub": {"by": "subject", "train": _NTU60_TRAIN},
        "xview": {"by": "view", "train": [2, 3], "test": [1]},
    },
    "ntu120": {
        "xsub": {"by": "subject", "train": _NTU60_TRAIN + _NTU120_TRAIN},
        "xsetup": {"by": "setup", "train": list(range(2, 33, 2))},
    },
}
"""The official protocols by `MotionSet.source`, in the data sets' own numbers of people, cameras and setups.

NTU: Shahroudy et al. 2016, Liu et al. 2019. NW-UCLA: Wang et al. 2014, which tests on the third camera."""


def split_rules(
    source: str, splits: dict[str, dict[str, Any]], subject: np.ndarray | None, subject_names: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """The splits of a set by name; see `MotionSet.split_rules`."""
    rules = {**SPLITS.get(source, {}), **splits}
    if subject_names and "xsub" in rules and "xsub" not in splits:
        # The protocol's numbers are those in the names (P001), whatever the rows of `subject_names` are.
        train = set(rules["xsub"]["train"])
        names = [name for name in subject_names if int("0" + re.sub("[^0-9]", "", name)) in train]
        rules["xsub"] = {"by": "subject", "train": names}
    if "xsub" not in rules and subject is not None:
        if subject_names:
            people: list[Any] = sorted(subject_names, key=natural_order)
        else:
            people = [int(person) for person in np.unique(subject)]
        if len(people) > 1:
            rules = {"xsub": {"by": "subject", "train": people[::2], "test": people[1::2]}, **rules}
    return rules


def natural_order(name: str) -> tuple[Any, ...]:
    """Sorting key that puts 2 before 10, inside names too."""
    parts = re.split(r"([0-9]{1,18})", name)
    return tuple((0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part) for part in parts if part)


def checked_rules(splits: Any) -> dict[str, dict[str, Any]]:
    """A copy of `MotionSet.splits`. Raises ValueError for rules that do not say who trains."""
    rules = plain_mapping("splits", splits)
    for name, rule in rules.items():
        if not isinstance(rule, dict) or rule.get("by") not in ("subject", "view", "setup"):
            raise ValueError(f"split {name!r} needs `by`: subject, view or setup; got {str(rule)[:80]}")
        if set(rule) - {"by", "train", "test"} or not isinstance(rule.get("train"), list):
            raise ValueError(f"split {name!r} needs `by`, `train` and perhaps `test`, got {', '.join(rule)}")
        for side in ("train", "test"):
            values = rule.get(side, [])
            if not isinstance(values, list) or not all(type(value) in (str, int) for value in values):
                raise ValueError(f"split {name!r}: {side} must list names or whole numbers")
        shared = [value for value in rule["train"] if value in rule.get("test", [])]
        if shared:
            raise ValueError(f"split {name!r} has {rule['by']} {shared[0]!r} in train and in test")
    return rules
