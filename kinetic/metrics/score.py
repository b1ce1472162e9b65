"""A score: a number together with everything that one must know before comparing it with another."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields

__all__ = ["Score"]

RESULT = ("value", "interval")  # what was found; every other field is the label


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number under a written protocol.

    Two scores may be compared when their labels agree, that is all fields but the result (`value`, `interval`). Scores
    with different labels refuse `<` and `-`, and name the fields that differ.

    Args:
        value: the number; the mean over `seeds` where there are several
        interval: half of the 95% confidence interval of that mean; None = a single run
        metric: such as frechet, mmd_frame, mmd_sequence
        estimator: how it is estimated; several definitions share one name
        reference: split that the real motions come from, such as ntu/xsub/test
        reference_hash: of the real motions and classes that were compared, those of the training side included
        n_real, n_fake: motions on either side; Frechet distances fall with their number
        balance: class counts of the fakes: reference = those of the real motions, balanced = all alike
        seeds: of the generator's noise, one per repetition
        truncation: psi; 1 = none; None = nothing was generated
        scaling: space of the coordinates: metres, or the name of a scaling
        frames: frames per motion
        fps: frames per second; None = clips of different rates
        network: recognition network whose features are compared; None = the coordinates
        network_data: what it was trained on
        network_hash: hash of its weights
        version: of the library
    """

    value: float
    interval: float | None = None
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
        for name in ("value", "interval", "truncation", "fps"):
            number = getattr(self, name)
            if number is not None:
                object.__setattr__(self, name, number := float(number))
            if number is not None and not math.isfinite(number):
                raise ValueError(f"score {self.metric}: {name} is {number}; a score is a finite number")
        for name in ("n_real", "n_fake", "frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"score {self.metric}: {name} must be at least 1, got {getattr(self, name)}")

    @property
    def label(self) -> dict[str, object]:
        """All but the result."""
        return {name: value for name, value in vars(self).items() if name not in RESULT}

    @property
    def fingerprint(self) -> str:
        """Six hexadecimal digits that stand for the label: equal where scores may be compared."""
        text = json.dumps(self.label, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:6]

    def differences(self, other: Score, *, ignore: Iterable[str] = ()) -> dict[str, tuple[object, object]]:
        """The fields of the label that differ, with both values. Raises ValueError for an unknown name in `ignore`."""
        ignore = set(ignore)
        if unknown := ignore - set(self.label):
            raise ValueError(f"a score's label has no {', '.join(sorted(unknown))}; it has {', '.join(self.label)}")
        return {
            name: (value, other.label[name])
            for name, value in self.label.items()
            if name not in ignore and value != other.label[name]
        }

    def comparable(self, other: Score, *, ignore: Iterable[str] = ()) -> bool:
        """Whether both labels agree, but for the fields in `ignore`."""
        return not self.differences(other, ignore=ignore)

    def check_comparable(self, other: Score, *, ignore: Iterable[str] = ()) -> None:
        """Raises ValueError that lists the differing fields of the labels, if there are any."""
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
        interval = "" if self.interval is None else f" +- {self.interval:.2g}"
        return f"{self.metric} {self.value:.4g}{interval} ({self.n_fake} fake, {self.n_real} real {self.reference})"

    def to_dict(self) -> dict[str, object]:
        """Plain numbers, strings and lists, as JSON and YAML hold them."""
        return asdict(self) | {"seeds": list(self.seeds)}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Score:
        """The score that `to_dict` wrote. Raises ValueError for unknown or missing keys."""
        if not isinstance(values, Mapping):
            raise ValueError(f"a score is a table of names and values, got a {type(values).__name__}")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(map(str, set(values) - known)):
            raise ValueError(f"a score has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        if missing := [field.name for field in fields(cls) if field.default is MISSING and field.name not in values]:
            raise ValueError(f"incomplete score: it lacks {', '.join(missing)}")
        if wrong := [name for name in ("value", "interval") if not isinstance(values.get(name, 0), float | int | None)]:
            raise ValueError(f"incomplete score: {wrong[0]} must be a number")
        return cls(**values)  # type: ignore[arg-type]
