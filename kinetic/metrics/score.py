"""A score: a number with the facts that decide whether it may be compared with another."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields

__all__ = ["BOUNDS", "SHARE", "Score", "bounds_of", "half_width"]

RESULT = ("value", "interval")  # every other field is part of the label

SHARE = (0.0, 1.0)
"""Bounds of a share of motions."""

ROUNDING = 1e-9
"""Two numbers are equal when they differ by no more than this share of the larger one."""

BOUNDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("precision", "recall", "coverage", "accuracy", "c2st", "gan_train", "augmented"), SHARE),
    **dict.fromkeys(("copying", "copying_features", "duplicates", "duplicates_features"), SHARE),
    **dict.fromkeys(("frechet", "frechet_class", "fid", "mmd_frame", "mmd_sequence"), (0.0, math.inf)),
    **dict.fromkeys(("density", "diversity", "multimodality", "apd", "variance"), (0.0, math.inf)),
    **dict.fromkeys(("bones", "speed", "jerk", "skating"), (0.0, math.inf)),
    "vendi": (1.0, math.inf),
}
"""Least and largest value of the scores that have bounds; unbiased and extrapolated ones may be negative."""


def bounds_of(metric: str) -> tuple[float, float]:
    """Least and largest possible value of a score; infinite where there is no bound, and for unknown names.

    A score by a further network, such as `accuracy@2`, has the bounds of `accuracy`.
    """
    return BOUNDS.get(metric.partition("@")[0], (-math.inf, math.inf))


def half_width(value: float, interval: tuple[float, float]) -> float | None:
    """Half the width of an interval that is symmetric about the value, to rounding; None = it is not symmetric."""
    below, above = value - interval[0], interval[1] - value
    return (below + above) / 2 if math.isclose(below, above, rel_tol=1e-6, abs_tol=ROUNDING * abs(value)) else None


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number under a written protocol.

    Two scores may be compared when their labels agree, that is all fields except the result (`value`, `interval`). For
    different labels `<` and `-` raise ValueError with the fields that differ.

    Args:
        value: the number; the mean over `seeds` where there are several
        interval: lower and upper end of the 95% confidence interval of that mean, see `kinetic.metrics.intervals`;
            None = a single run
        metric: such as frechet, mmd_frame, mmd_sequence
        estimator: how it is estimated; several definitions share one name
        reference: split of the real motions, such as ntu/xsub/test
        reference_hash: of the real motions and classes of both splits, test and training
        n_real, n_fake: motions on either side; Frechet distances fall with their number
        balance: class counts of the fakes: reference = those of the real motions, balanced = all equal
        seeds: of the generator's noise, one per repetition
        truncation: psi; 1 = none; None = nothing was generated
        scaling: space of the coordinates: metres, or the name of a scaling
        frames: frames per motion
        fps: frames per second; None = clips of different rates
        network: recognition network whose features are compared; None = the coordinates
        network_data: its training data
        network_hash: hash of its weights
        version: of the library
    """

    value: float
    interval: tuple[float, float] | None = None
    metric: str
    estimator: str
    reference: str
    reference_hash: str | None = None
    n_real: int
    n_fake: int
    balance: str = "reference"
    seeds: tuple[int, ...] = ()
    truncation: float | None = None
    scaling: str = "metres"
    frames: int
    fps: float | None = None
    network: str | None = None
    network_data: str | None = None
    network_hash: str | None = None
    version: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", tuple(self.seeds))
        for name in ("value", "truncation", "fps"):
            number = getattr(self, name)
            if number is not None:
                object.__setattr__(self, name, number := float(number))
            if number is not None and not math.isfinite(number):
                raise ValueError(f"score {self.metric}: {name} is {number}; a score is a finite number")
        if self.interval is not None:
            object.__setattr__(self, "interval", self._checked_interval())
        for name in ("n_real", "n_fake", "frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"score {self.metric}: {name} must be at least 1, got {getattr(self, name)}")

    def _checked_interval(self) -> tuple[float, float]:
        """Both ends as floats. Raises ValueError unless they are two finite numbers around the value."""
        if not isinstance(self.interval, tuple | list) or len(self.interval) != 2:
            raise ValueError(f"score {self.metric}: interval is {self.interval}; expected its lower and upper end")
        low, high = map(float, self.interval)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"score {self.metric}: interval is {low} to {high}; a score is a finite number")
        rounding = ROUNDING * max(abs(low), abs(high), abs(self.value))
        if not low - rounding <= self.value <= high + rounding:
            raise ValueError(f"score {self.metric}: {self.value:g} is outside its interval, {low:g} to {high:g}")
        return low, high

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval, shown as `+-`; None without one, for an asymmetric one, and for shares."""
        if self.interval is None or bounds_of(self.metric) == SHARE:
            return None
        return half_width(self.value, self.interval)

    @property
    def label(self) -> dict[str, object]:
        """All fields except the result."""
        return {name: value for name, value in vars(self).items() if name not in RESULT}

    @property
    def fingerprint(self) -> str:
        """Six hexadecimal digits that identify the label: equal where scores may be compared."""
        text = json.dumps(self.label, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:6]

    def differences(self, other: Score, *, ignore: Iterable[str] = ()) -> dict[str, tuple[object, object]]:
        """The fields of the label that differ, with both values. Raises ValueError for an unknown name in `ignore`."""
        ignore, mine, theirs = set(ignore), self.label, other.label
        if unknown := ignore - set(mine):
            raise ValueError(f"a score's label has no {', '.join(sorted(unknown))}; it has {', '.join(mine)}")
        return {
            name: (value, theirs[name]) for name, value in mine.items() if name not in ignore and value != theirs[name]
        }

    def check_comparable(self, other: Score, *, ignore: Iterable[str] = ()) -> None:
        """Raise ValueError, with the fields that differ, unless the labels agree in all fields outside `ignore`."""
        if differing := self.differences(other, ignore=ignore):
            listed = "; ".join(f"{name}: {mine!r} and {theirs!r}" for name, (mine, theirs) in differing.items())
            raise ValueError(f"these scores cannot be compared, their labels differ in {listed}")

    def __sub__(self, other: Score) -> float:
        self.check_comparable(other)
        return self.value - other.value

    def __lt__(self, other: Score) -> bool:
        self.check_comparable(other)
        return self.value < other.value

    def __str__(self) -> str:
        interval = "" if self.interval is None else " [{:.4g}, {:.4g}]".format(*self.interval)
        if (half := self.half_width) is not None:
            interval = f" +- {half:.2g}"
        return f"{self.metric} {self.value:.4g}{interval} ({self.n_fake} fake, {self.n_real} real {self.reference})"

    def to_dict(self) -> dict[str, object]:
        """Plain numbers, strings and lists, as JSON and YAML hold them."""
        return asdict(self) | {
            "interval": None if self.interval is None else list(self.interval),
            "seeds": list(self.seeds),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Score:
        """The score of a table from `to_dict`. Raises ValueError for unknown or missing keys.

        A single number as interval, in reports of older versions, is half of its width.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"a score is a table of names and values, got a {type(values).__name__}")
        names = {field.name for field in fields(cls)}
        if unknown := sorted(map(str, set(values) - names)):
            raise ValueError(f"a score has no {', '.join(unknown)}; it has {', '.join(sorted(names))}")
        if missing := [field.name for field in fields(cls) if field.default is MISSING and field.name not in values]:
            raise ValueError(f"incomplete score: it lacks {', '.join(missing)}")
        value, interval = values["value"], values.get("interval")
        if not isinstance(value, float | int):
            raise ValueError("incomplete score: value must be a number")
        if isinstance(interval, float | int):
            interval = (value - interval, value + interval)
        elif interval is not None and not (
            isinstance(interval, list | tuple) and all(isinstance(end, float | int) for end in interval)
        ):
            raise ValueError("incomplete score: interval must be two numbers, its lower and upper end")
        return cls(**{**values, "interval": interval})  # type: ignore[arg-type]
