"""Checks of settings: numbers within their range, channel counts, names of files."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["WIDEST", "at_least", "channel_counts", "check_name", "within"]

WIDEST = 16384
"""Channels of the widest layer: one such layer of the mapping network takes a GiB."""


def at_least(owner: str, least: float, **values: float | None) -> None:
    """Raises ValueError that names the setting, `owner.name`, for a value below `least`; None passes."""
    for name, value in values.items():
        if value is not None and not value >= least:
            raise ValueError(f"{f'{owner}.' if owner else ''}{name} must be at least {least}, got {value}")


def within(owner: str, low: float, high: float, why: str = "", /, **values: float | None) -> None:
    """Raises ValueError that names the setting, `owner.name`, for a value outside [low, high]; None passes."""
    for name, value in values.items():
        if value is not None and not low <= value <= high:
            key = f"{owner}.{name}" if owner else name
            raise ValueError(f"{key} must lie between {low} and {high}{why and f', because {why}'}, got {value}")


def channel_counts(owner: str, name: str, values: Iterable[int], count: int | None = None) -> None:
    """Raises ValueError that names the setting unless `values` are `count` channel counts; None = 1 to 64 of them."""
    values = tuple(values)
    right_number = len(values) == count if count else 1 <= len(values) <= 64
    if not right_number or not all(1 <= width <= WIDEST for width in values):
        shown = f"{str(list(values[:10]))[:-1]}{', ...' if len(values) > 10 else ''}]"
        raise ValueError(f"{owner}.{name} needs {count or '1 to 64'} channel counts from 1 to {WIDEST}, got {shown}")


def check_name(name: str) -> None:
    """Raises ValueError for a name that no file can have."""
    if not name or any(letter in name for letter in "/\\\0") or name in {".", ".."}:
        raise ValueError(f"name must be a plain file name, got {name!r}")
