"""Fields of a set of motions: names, numbers, rates, notes and rows, checked where they enter."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from kinetic.messages import safe_line
from kinetic.plain import json_values

__all__ = ["different_names", "frame_rates", "number_column", "plain_mapping", "row_index", "whole_numbers"]


def different_names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names as a tuple. Raises ValueError for anything but strings that differ."""
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"{what} must be a list of words, got {str(names)[:80]!r}")
    plain = tuple(str(name) for name in names)
    if any("\ud800" <= letter <= "\udfff" for name in plain for letter in name):
        raise ValueError(f"{what} has a name that is no text: {ascii(plain)[:80]}")
    if len(set(plain)) != len(plain):
        repeated = [name for name, count in Counter(plain).items() if count > 1]
        raise ValueError(f"{what} has a name twice: {', '.join(map(safe_line, repeated[:5]))}")
    return plain


def whole_numbers(what: str, values: Any, n: int, below: int | None = None) -> np.ndarray:
    """The numbers as (n,) int64. Raises ValueError for other shapes and types, and numbers outside 0 to `below` - 1."""
    values = np.asarray(values)
    if values.shape != (n,):
        raise ValueError(f"{what} has shape {values.shape}, expected one number per motion: ({n},)")
    if values.dtype.kind not in "iu" and n:
        raise ValueError(f"{what} has type {values.dtype}, expected whole numbers")
    if values.dtype == np.uint64 and n and values.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{what} has numbers beyond 64 bits")
    values = values.astype(np.int64)
    if below is not None and n:
        wrong = np.flatnonzero((values < 0) | (values >= below))
        if len(wrong):
            first = wrong[0]
            raise ValueError(
                f"{what} of motion {first} is {values[first]}, expected 0 to {below - 1} ({len(wrong)} such motions)"
            )
    return cast(np.ndarray, values)


def frame_rates(fps: Any, n: int) -> float | np.ndarray:
    """One rate, or (n,) rates. Raises ValueError for other shapes, and rates that are not positive."""
    values = np.asarray(fps, dtype=np.float64)
    if values.shape not in ((), (n,)):
        raise ValueError(f"fps has shape {values.shape}, expected one number, or one per motion: ({n},)")
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError("fps must be positive")
    return float(values) if values.ndim == 0 else values


def number_column(name: str, values: Any, n: int) -> np.ndarray:
    """(n,) numbers. Raises ValueError for other shapes and types, and a name that no file could hold."""
    values = np.asarray(values)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
        raise ValueError(f"a column needs a plain name, got {name!r}")
    if values.dtype.kind not in "biuf" or values.dtype.itemsize > 8:
        raise ValueError(f"column {name} has type {values.dtype}, expected numbers")
    if values.shape != (n,):
        raise ValueError(f"column {name} has shape {values.shape}, expected one number per motion: ({n},)")
    return cast(np.ndarray, values)


def plain_mapping(what: str, value: Any) -> dict[str, Any]:
    """A copy of the mapping, as a JSON file would return it."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} must be a mapping, got {type(value).__name__}")
    try:
        return cast(dict[str, Any], json_values(json.dumps(dict(value), allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{what} must be plain JSON (numbers, words, lists, mappings): {error}") from error


def row_index(chosen: Any, n: int) -> slice | np.ndarray:
    """Rows as a slice, where they are contiguous, or as numbers from 0 on: a mask, a list of rows or a slice.

    Raises:
        IndexError: for rows that do not exist, and a mask of another length
        TypeError: for anything else
    """
    if isinstance(chosen, slice):
        return chosen
    chosen = np.asarray(chosen.cpu() if hasattr(chosen, "cpu") else chosen)  # a tensor may be on another device
    if chosen.size == 0 and chosen.dtype.kind != "b":
        chosen = chosen.astype(np.int64)
    if chosen.ndim != 1 or chosen.dtype.kind not in "biu":
        raise TypeError(f"expected a mask, a list of rows or a slice, got {chosen.dtype} of shape {chosen.shape}")
    if chosen.dtype.kind == "b":
        if len(chosen) != n:
            raise IndexError(f"the mask has {len(chosen)} entries, the set {n} motions")
        chosen = np.flatnonzero(chosen)
    else:
        wrong = chosen[(chosen < -n) | (chosen >= n)]
        if len(wrong):
            raise IndexError(f"there is no motion {wrong[0]}: the set has {n} motions")
        chosen = chosen.astype(np.int64) % max(n, 1)
    if len(chosen) and (np.diff(chosen) == 1).all():
        return slice(int(chosen[0]), int(chosen[-1]) + 1)
    return cast(np.ndarray, chosen)
