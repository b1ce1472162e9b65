"""Summary of a set of motions: counts of classes and people, lengths of bones, speeds, gaps and copies."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kinetic.messages import safe_line
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.stored import release
from kinetic.skeleton import Skeleton

__all__ = ["Survey", "length_variation", "named", "overview", "summarise", "summary_text", "survey"]

PART = 8 << 20
"""Bytes of motions that are read at a time, so that a set larger than memory can be summarised."""
FAST = 10.0
"""Metres per second that joints exceed only where tracking fails; the fist of a boxer comes close."""
STILL = 1e-4
"""Metres within which all joints of a still motion stay: more than rounding, less than the noise of sensors."""
HUGE = 1e15
"""Coordinate from which on squares are infinite in float32; motions with larger ones count as not finite."""
SPEEDS = np.geomspace(1e-3, 1e3, 181)
"""Edges of the bins in which speeds are counted, metres per second."""


@dataclass(frozen=True, eq=False)
class Survey:
    """Measurements of every motion of a set, without the padding (frames from `columns["frames"]` on).

    A frame has a body where any of its coordinates is not 0. Speeds are measured between two frames with bodies.
    Motions with NaN, infinite coordinates or coordinates beyond HUGE have `finite` False and otherwise count as empty.
    """

    frames: np.ndarray  # (N,) before the padding
    finite: np.ndarray  # (N,) whether all coordinates are, padding included
    bodies: np.ndarray  # (N,) frames with a body
    gaps: np.ndarray  # (N,) frames without a body, among the `frames`
    held: np.ndarray  # (N,) frames that repeat the one before exactly
    still: np.ndarray  # (N,) whether all joints stay within STILL of their first place
    tail: np.ndarray  # (N,) whether the padding holds anything but zeros
    size: np.ndarray  # (N,) largest side of the box around a body, mean over frames; NaN without a body
    speed: np.ndarray  # (N,) of the fastest joint between two frames, units per second
    fast: np.ndarray  # (N,) frames that a joint reaches faster than FAST
    where: np.ndarray  # (N, 2) frame and joint of `speed`
    length: np.ndarray  # (N, bones) mean over frames
    variation: np.ndarray  # (N, bones) standard deviation over mean
    side: np.ndarray  # (N,) 1: left joints are to the left of the feet's direction, -1: to the right; NaN: unknown
    rise: np.ndarray  # (N, C) from the feet to the head, mean over frames with both; NaN: unknown
    digest: tuple[bytes, ...]  # (N,) hash of the coordinates before the padding, equal for exact copies
    partner: Survey | None  # the same for the second bodies, without `digest`; None for a set without partners
    twin: np.ndarray  # (N,) frames in which the second body is an exact copy of the first
    speeds: np.ndarray  # (len(SPEEDS) - 1,) steps from frame to frame by the speed of their fastest joint
    low: np.ndarray  # (C,) smallest coordinate
    high: np.ndarray  # (C,) largest coordinate
    pose: np.ndarray  # (C, V) mean of all bodies, relative to the centre joint

    def copies(self) -> list[list[int]]:
        """Groups of rows whose motions are exact copies of each other; empty motions are not copies."""
        groups = defaultdict(list)
        for row in np.flatnonzero(self.bodies > 0).tolist():
            groups[self.digest[row]].append(row)
        return [rows for rows in groups.values() if len(rows) > 1]

    def limit(self, metric: bool) -> float:
        """The speed above which motions are outliers: FAST (where `metric`), or less in a set that is much slower.

        The lower limit is the upper quartile of the logarithms of `speed` plus three times the distance of the
        quartiles (Tukey 1977, "far out"), and at least three times the upper quartile of `speed`. It needs twenty
        motions that move.
        """
        moving = self.speed[self.speed > 0]
        limit = FAST if metric else np.inf
        if len(moving) < 20:
            return limit
        lower, upper = np.quantile(np.log(moving), [0.25, 0.75])
        return min(limit, float(np.exp(upper + max(3 * (upper - lower), np.log(3)))))

    def outliers(self, metric: bool) -> np.ndarray:
        """Rows of motions with a joint faster than `limit`, the fastest first."""
        rows = np.flatnonzero(self.speed > self.limit(metric))
        return np.asarray(rows[np.argsort(-self.speed[rows], kind="stable")])


def length_variation(
    motion: np.ndarray, bones: tuple[tuple[int, int], ...], body: np.ndarray | None = None
) -> np.ndarray:
    """Standard deviation of each bone's length over the frames, as a share of its mean: (N, C, T, V) -> (N, bones).

    It is 0 for a rigid body in three dimensions, but not for its projection to two. `body` (N, T) marks the frames that
    count; None = all.
    """
    mean, deviation = _lengths(motion, bones, np.ones(motion.shape[::2], dtype=bool) if body is None else body)
    return np.asarray(deviation / np.where(mean > 0, mean, 1.0))


def _lengths(motion: np.ndarray, bones: tuple[tuple[int, int], ...], body: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the lengths over the frames with a body, both (N, bones)."""
    first, second = np.array(bones, dtype=np.int64).reshape(-1, 2).T
    length = np.zeros((len(motion), motion.shape[2], len(first)))  # (N, T, bones)
    for channel in range(motion.shape[1]):
        part = motion[:, channel]
        length += np.square(part[..., first].astype(np.float64) - part[..., second])
    np.sqrt(length, out=length)
    weight = body[:, :, None] / np.maximum(body.sum(axis=1), 1)[:, None, None]  # (N, T, 1)
    mean = (length * weight).sum(axis=1)
    return mean, np.sqrt((np.square(length - mean[:, None]) * weight).sum(axis=1))


def survey(motions: MotionSet) -> Survey:
    """The measurements of a set, which is read once and part by part; coordinates need not be finite."""
    n, _, frames, _ = motions.shape
    out = _empty_survey(motions)
    partner = None if motions.partner is None else _empty_survey(motions)
    rates = np.broadcast_to(motions.fps, (n,))
    digest: list[bytes] = []
    skeleton, front, height = motions.skeleton, _front(motions.skeleton), _height(motions.skeleton)
    for rows in _parts(motions.motion):
        motion = np.ascontiguousarray(motions.motion[rows])
        _measure(out, np.arange(n)[rows], motion, rates[rows], skeleton, front, height)
        digest += _digests(motion, out.frames[rows])
        release(motions.motion)
        if partner is not None and motions.partner is not None:
            second = np.asarray(motions.partner[rows])
            paired = np.flatnonzero((second != 0).any(axis=(1, 2, 3)))  # few motions have a partner
            if len(paired):
                pair_rows, second = rows.start + paired, second[paired]
                _measure(partner, pair_rows, second, rates[pair_rows], skeleton, front, height)
                body = (second != 0).any(axis=(1, 3)) & (np.arange(frames) < out.frames[pair_rows, None])  # (n, T)
                out.twin[pair_rows] = (body & (second == motion[paired]).all(axis=(1, 3))).sum(axis=1)
            release(motions.partner)
    for sums in (out, partner):
        if sums is not None:
            sums.pose[:] /= max(1, int(sums.bodies.sum()))
    return replace(out, digest=tuple(digest), partner=partner)


def _empty_survey(motions: MotionSet) -> Survey:
    """Arrays for the measurements of a set."""
    n, channels, _, joints = motions.shape
    return Survey(
        frames=_real_frames(motions),
        finite=np.ones(n, dtype=bool),
        bodies=np.zeros(n, dtype=np.int64),
        gaps=np.zeros(n, dtype=np.int64),
        held=np.zeros(n, dtype=np.int64),
        still=np.zeros(n, dtype=bool),
        tail=np.zeros(n, dtype=bool),
        size=np.full(n, np.nan),
        speed=np.zeros(n),
        fast=np.zeros(n, dtype=np.int64),
        where=np.zeros((n, 2), dtype=np.int64),
        length=np.zeros((n, len(motions.skeleton.bones)), dtype=np.float32),
        variation=np.zeros((n, len(motions.skeleton.bones)), dtype=np.float32),
        side=np.full(n, np.nan),
        rise=np.full((n, channels), np.nan),
        digest=(),
        partner=None,
        twin=np.zeros(n, dtype=np.int64),
        speeds=np.zeros(len(SPEEDS) - 1, dtype=np.int64),
        low=np.full(channels, np.inf),
        high=np.full(channels, -np.inf),
        pose=np.zeros((channels, joints)),
    )


def _measure(
    out: Survey,
    rows: np.ndarray,
    motion: np.ndarray,
    fps: np.ndarray,
    skeleton: Skeleton,
    front: _Front | None,
    height: _Height | None,
) -> None:
    """Write the measurements of some motions (n, C, T, V) into their rows of `out`."""
    n, _, frames, _ = motion.shape
    real = np.arange(frames) < out.frames[rows, None]  # (n, T)
    if not (motion.min(initial=0) > -HUGE and motion.max(initial=0) < HUGE):  # NaN passes through both
        finite = (np.abs(motion) < HUGE).all(axis=(1, 2, 3))
        out.finite[rows] = finite
        motion = np.where(finite[:, None, None, None], motion, np.float32(0))
    present = (motion != 0).any(axis=1).any(axis=2)  # (n, T)
    body = present & real
    out.tail[rows] = (present & ~real).any(axis=1)
    bodies = body.sum(axis=1)
    out.bodies[rows], out.gaps[rows] = bodies, np.where(out.finite[rows], real.sum(axis=1) - bodies, 0)
    if body.all():
        out.low[:] = np.minimum(out.low, motion.min(axis=(0, 2, 3)))
        out.high[:] = np.maximum(out.high, motion.max(axis=(0, 2, 3)))
    elif body.any():
        mask = body[:, None, :, None]
        out.low[:] = np.minimum(out.low, np.where(mask, motion, np.inf).min(axis=(0, 2, 3)))
        out.high[:] = np.maximum(out.high, np.where(mask, motion, -np.inf).max(axis=(0, 2, 3)))

    first = motion[np.arange(n), :, body.argmax(axis=1)][:, :, None]  # (n, C, 1, V): the first frame with a body
    away = np.abs(motion - first).max(axis=(1, 3))  # (n, T)
    out.still[rows] = (bodies > 1) & (np.where(body, away, 0).max(axis=1) <= STILL)
    if frames > 1:
        both = body[:, 1:] & body[:, :-1]  # (n, T - 1)
        step = np.sqrt(np.square(np.diff(motion, axis=2)).sum(axis=1))  # (n, T - 1, V)
        fastest = np.where(both, step.max(axis=2), 0) * fps[:, None]  # (n, T - 1)
        frame, every = fastest.argmax(axis=1), np.arange(n)
        out.speed[rows], out.where[rows, 0] = fastest[every, frame], frame + 1
        out.where[rows, 1] = step[every, frame].argmax(axis=1)
        out.fast[rows] = (fastest > FAST).sum(axis=1)
        out.held[rows] = (both & (fastest == 0)).sum(axis=1)
        counted = np.clip(fastest[both], SPEEDS[0], SPEEDS[-1])
        out.speeds[:] += np.histogram(counted, SPEEDS)[0]

    weight = body / np.maximum(bodies, 1)[:, None]  # (n, T)
    box = (motion.max(axis=3) - motion.min(axis=3)).max(axis=1)  # (n, T)
    out.size[rows] = np.where(bodies > 0, (box * weight).sum(axis=1), np.nan)
    if skeleton.bones:
        mean, deviation = _lengths(motion, skeleton.bones, body)
        out.length[rows], out.variation[rows] = mean, deviation / np.where(mean > 0, mean, 1.0)
    if front is not None:
        turn = front.turn(motion)  # (n, T)
        out.side[rows] = np.where(bodies > 0, (turn * weight).sum(axis=1), np.nan)
    if height is not None:
        out.rise[rows] = height.rise(motion, body)
    center = skeleton.center
    np.add(out.pose, np.einsum("nctv,nt->cv", motion - motion[..., center : center + 1], body), out=out.pose)


def _digests(motion: np.ndarray, lengths: np.ndarray) -> list[bytes]:
    """A hash of each motion without its padding."""
    motion = motion + np.float32(0)  # turns -0 into 0, which equals it
    return [
        hashlib.blake2b(np.ascontiguousarray(clip[:, :length]).data, digest_size=16).digest()
        for clip, length in zip(motion, lengths.tolist(), strict=True)
    ]


@dataclass(frozen=True)
class _Front:
    """Pairs of joints from left to right, and pairs from a joint to one in front of it."""

    sides: tuple[tuple[int, int], ...]
    ahead: tuple[tuple[int, int], ...]

    def turn(self, motion: np.ndarray) -> np.ndarray:
        """Cosine between the direction to the left joints and the left of the feet's direction: (n, 3, T, V) -> (n, T).

        y is up and coordinates are right-handed, so the left of a direction (x, z) is (z, -x).
        """

        def level(pairs: tuple[tuple[int, int], ...], sign: int) -> np.ndarray:
            a, b = np.array(pairs).T
            flat = motion[:, ::2]  # (n, 2, T, V): x and z
            return np.asarray(sign * (flat[..., b] - flat[..., a]).mean(axis=3))  # (n, 2, T)

        left, ahead = level(self.sides, -1), level(self.ahead, 1)
        long = np.sqrt(np.square(left).sum(axis=1) * np.square(ahead).sum(axis=1))
        return np.asarray((left[:, 0] * ahead[:, 1] - left[:, 1] * ahead[:, 0]) / np.where(long > 0, long, 1))


def _front(skeleton: Skeleton) -> _Front | None:
    """The pairs by the names of the joints; None where no names match."""
    names = [name.lower() for name in skeleton.joints]
    pairs = list(zip(skeleton.left, skeleton.right, strict=True))
    trunk = [pair for pair in pairs if any(word in names[pair[0]] for word in ("hip", "shoulder"))]
    ahead = []
    for side in (skeleton.left, skeleton.right):
        ankles = [joint for joint in side if "ankle" in names[joint]]
        feet = [joint for joint in side if "foot" in names[joint] or "toe" in names[joint]]
        ahead += list(zip(ankles, feet, strict=False))
    if skeleton.channels != 3 or not trunk or not ahead:
        return None
    return _Front(tuple(trunk), tuple(ahead))


@dataclass(frozen=True)
class _Height:
    """Joints at the top and at the bottom. A joint at 0 was not detected, unless it is the centre."""

    head: tuple[int, ...]
    feet: tuple[int, ...]
    center: int

    def rise(self, motion: np.ndarray, body: np.ndarray) -> np.ndarray:
        """From the feet to the head, mean over the frames with both: (n, C, T, V), (n, T) -> (n, C)."""
        top, has_top = self._middle(motion, self.head)
        low, has_low = self._middle(motion, self.feet)
        both = body & has_top & has_low  # (n, T)
        with np.errstate(invalid="ignore"):  # NaN where no frame shows both
            return np.asarray(((top - low) * both[:, None]).sum(axis=2) / both.sum(axis=1)[:, None])

    def _middle(self, motion: np.ndarray, joints: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n, C, T) of the detected joints, and the frames (n, T) with at least one."""
        places = motion[..., list(joints)]  # (n, C, T, joints)
        detected = (places != 0).any(axis=1) | (np.array(joints) == self.center)  # (n, T, joints)
        count = detected.sum(axis=2)
        return (places * detected[:, None]).sum(axis=3) / np.maximum(count, 1)[:, None], count > 0


def _height(skeleton: Skeleton) -> _Height | None:
    """The joints by their names; None where no names match."""

    def joints(*words: str) -> tuple[int, ...]:
        return tuple(i for i, name in enumerate(skeleton.joints) if any(word in name.lower() for word in words))

    head, feet = joints("head", "nose") or joints("neck"), joints("ankle", "foot", "toe")
    return _Height(head, feet, skeleton.center) if head and feet else None


def _real_frames(motions: MotionSet) -> np.ndarray:
    """(N,) frames before the padding; impossible numbers become the nearest possible ones."""
    n, _, frames, _ = motions.shape
    column = motions.columns.get("frames")
    if column is None:
        return np.full(n, frames, dtype=np.int64)
    numbers = np.nan_to_num(np.asarray(column, dtype=np.float64), nan=frames)
    return np.asarray(np.clip(numbers, 0, frames).astype(np.int64))


def _parts(motion: np.ndarray) -> Iterator[slice]:
    step = max(1, PART // max(1, 4 * int(np.prod(motion.shape[1:]))))
    for start in range(0, len(motion), step):
        yield slice(start, min(start + step, len(motion)))


def named(motions: MotionSet, rows: Sequence[int] | np.ndarray, most: int = 10) -> str:
    """Numbers and clips of the first of the rows: `12 (S001C001P001R001A001), 13 (...) and 5 more`."""
    names = [_name(motions, int(row)) for row in rows[:most]]
    return ", ".join(names) + (f" and {len(rows) - most} more" if len(rows) > most else "")


def _name(motions: MotionSet, row: int) -> str:
    return f"{row} ({safe_line(motions.clip[row])})" if motions.clip else str(row)


# ----------------------------------------------------------------------------------------------------------- in words


def summarise(motions: MotionSet, surveyed: Survey | None = None) -> dict[str, Any]:
    """Plain numbers and strings about a set, ready for JSON; `surveyed` is the result of `survey`, if it ran before."""
    surveyed = survey(motions) if surveyed is None else surveyed
    n, channels, frames, joints = motions.shape
    summary: dict[str, Any] = {
        "source": safe_line(motions.source),
        "motions": n,
        "channels": channels,
        "frames": frames,
        "joints": joints,
        "skeleton": safe_line(motions.skeleton.name),
        "fps": sorted({float(rate) for rate in np.ravel(motions.fps)}),
    }
    summary["range"] = []
    if np.isfinite(surveyed.low).all():
        ranges = zip(surveyed.low, surveyed.high, strict=True)
        summary["range"] = [[round(float(low), 4), round(float(high), 4)] for low, high in ranges]
    if "frames" in motions.columns and n:
        summary["lengths"] = {
            "min": int(surveyed.frames.min()),
            "median": float(np.median(surveyed.frames)),
            "max": int(surveyed.frames.max()),
            "padded": int((surveyed.frames < frames).sum()),
        }
    has_body = surveyed.bodies > 0
    if motions.skeleton.bones and has_body.any():
        summary["bone_variation"] = _bone_summary(motions, surveyed, has_body)
    if has_body.any():
        summary["speed"] = _speed_summary(motions, surveyed)
        summary["size"] = round(float(np.median(surveyed.size[has_body])), 3)
    summary["odd"] = {
        what: {"motions": len(rows), "first": [_name(motions, row) for row in rows[:10].tolist()]}
        for what, rows in {
            "not finite": np.flatnonzero(~surveyed.finite),
            "empty": np.flatnonzero(surveyed.finite & ~has_body),
            "still": np.flatnonzero(surveyed.still),
            "frames without a body": np.flatnonzero(has_body & (surveyed.gaps > 0)),
            "frames that repeat the one before": np.flatnonzero((surveyed.held > 0) & ~surveyed.still),
        }.items()
        if len(rows)
    }
    copies = surveyed.copies()
    summary["copies"] = {
        "motions": sum(len(group) - 1 for group in copies),
        "first": [[_name(motions, row) for row in group[:10]] for group in copies[:10]],
    }
    if (second := surveyed.partner) is not None:
        summary["partner"] = {"motions": int((second.bodies > 0).sum()), "frames": int(second.bodies.sum())}
    summary["classes"] = motions.counts()
    for name in ("subject", "view", "setup"):
        values = getattr(motions, name)
        if values is not None:
            names = motions.subject_names if name == "subject" else ()
            ids, counts = np.unique(values, return_counts=True)
            summary[f"{name}s"] = {names[i] if names else str(i): int(k) for i, k in zip(ids, counts, strict=True)}
    if motions.clip:
        summary["clips"] = len(set(motions.clip))
    summary["splits"], summary["remarks"] = {}, _remarks(summary)
    for name in motions.split_rules():
        try:
            summary["splits"][name] = list(map(len, motions.split_rows(name)))
        except ValueError as error:  # a single person or camera
            summary["remarks"].append(str(error))
    return summary


def _bone_summary(motions: MotionSet, surveyed: Survey, has_body: np.ndarray) -> dict[str, Any]:
    typical = np.median(surveyed.variation[has_body], axis=0)  # (bones,)
    names = _bone_names(motions.skeleton)
    order = np.argsort(-typical, kind="stable")
    row = int(np.argmax(np.where(has_body, surveyed.variation.max(axis=1), -1)))
    return {
        "median": round(float(np.median(typical)), 5),
        "worst": round(float(typical.max()), 5),
        "worst_bone": names[order[0]],
        "bones": {names[i]: round(float(typical[i]), 5) for i in order},
        "worst_motion": _name(motions, row),
        "worst_motion_bone": names[int(surveyed.variation[row].argmax())],
        "worst_motion_variation": round(float(surveyed.variation[row].max()), 5),
    }


def _bone_names(skeleton: Skeleton) -> list[str]:
    return [f"{safe_line(skeleton.joints[a])} - {safe_line(skeleton.joints[b])}" for a, b in skeleton.bones]


def _speed_summary(motions: MotionSet, surveyed: Survey) -> dict[str, Any]:
    metric = motions.shape[1] == 3
    limit, outliers = surveyed.limit(metric), surveyed.outliers(metric)
    return {
        "median": round(_quantile(surveyed.speeds, 0.5), 3),
        "high": round(_quantile(surveyed.speeds, 0.99), 3),
        "fastest": round(float(surveyed.speed.max()), 3),
        "frames_too_fast": int(surveyed.fast.sum()),
        "motions_too_fast": int((surveyed.fast > 0).sum()),
        "limit": round(limit, 3) if np.isfinite(limit) else None,
        "outliers": len(outliers),
        "worst": [
            {
                "motion": _name(motions, row),
                "speed": round(float(surveyed.speed[row]), 2),
                "frame": int(surveyed.where[row, 0]),
                "joint": safe_line(motions.skeleton.joints[surveyed.where[row, 1]]),
            }
            for row in outliers[:5].tolist()
        ],
    }


def _quantile(counts: np.ndarray, share: float) -> float:
    """A quantile of speeds that are counted in the bins of SPEEDS: the upper edge of its bin."""
    total = counts.sum()
    return float(SPEEDS[1:][np.searchsorted(counts.cumsum(), share * total)]) if total else 0.0


def _remarks(summary: Mapping[str, Any]) -> list[str]:
    remarks = []
    empty = [name for name, count in summary["classes"].items() if not count]
    if empty:
        more = f" and {len(empty) - 8} more" if len(empty) > 8 else ""
        names = ", ".join(map(safe_line, empty[:8]))
        remarks.append(f"no motions of {len(empty)} of {len(summary['classes'])} classes: {names}{more}")
    largest = max((abs(end) for ends in summary["range"] for end in ends), default=0.0)
    if summary["channels"] == 3 and largest > 100:
        remarks.append(f"the largest coordinate is {largest:.4g}: are these metres?")
    return remarks


MOST = 24
"""Classes (people, cameras) that are listed with their counts; of more, the rarest and the most frequent are named."""


def summary_text(summary: Mapping[str, Any]) -> str:
    """The summary as lines of text."""
    rates = summary["fps"]
    fps = f"{rates[0]:g}" if len(rates) == 1 else f"{rates[0]:g} to {rates[-1]:g}" if rates else "0"
    rows = [
        ("source", summary["source"] or "not said"),
        ("motions", f"{summary['motions']} of {summary['frames']} frames at {fps} per second"),
        (
            "skeleton",
            f"{summary['skeleton'] or 'without a name'}: {summary['joints']} joints, {summary['channels']} coordinates",
        ),
        (
            "range",
            ", ".join(
                f"{axis} {low:.2f} to {high:.2f}" for axis, (low, high) in zip("xyz", summary["range"], strict=False)
            ),
        ),
    ]
    unit = "m" if summary["channels"] == 3 else "units"
    if "size" in summary:
        rows.append(("size", f"{summary['size']:.2f} {unit}, the largest side of the box around a body"))
    if "lengths" in summary:
        lengths = summary["lengths"]
        words = f"{lengths['min']} to {lengths['max']} frames, median {lengths['median']:g}; {lengths['padded']} padded"
        rows.append(("lengths", words))
    if "bone_variation" in summary:
        bones = summary["bone_variation"]
        worst = ", ".join(f"{name} by {share:.1%}" for name, share in list(bones["bones"].items())[:3])
        rows.append(("bones", f"vary by {bones['median']:.1%}; {worst}"))
        last = f"motion {bones['worst_motion']}: {bones['worst_motion_bone']} by {bones['worst_motion_variation']:.1%}"
        rows.append(("", last))
    if "speed" in summary:
        rows += _speed_rows(summary["speed"], f"{unit}/s")
    for what, odd in summary["odd"].items():
        more = f" and {odd['motions'] - 3} more" if odd["motions"] > 3 else ""
        rows.append(("odd", f"{what} in {_motions(odd['motions'])}: {', '.join(odd['first'][:3])}{more}"))
    if count := summary["copies"]["motions"]:
        rows.append(("copies", f"{_motions(count)} repeat{'s' * (count == 1)} another one exactly"))
        rows += [("", " = ".join(group)) for group in summary["copies"]["first"][:3]]
    if "partner" in summary:
        rows.append(("partner", f"a second body in {_motions(summary['partner']['motions'])}"))
    for name in ("classes", "subjects", "views", "setups"):
        if name in summary:
            rows.append((name, f"{len(summary[name])}: {_counted(summary[name])}"))
    if "clips" in summary:
        rows.append(("clips", str(summary["clips"])))
    for name, (train, test) in summary["splits"].items():
        rows.append(("split", f"{safe_line(name)}: {train} to train, {test} to test"))
    rows += [("remark", remark) for remark in summary["remarks"]]
    return "\n".join(f"{name:10}{text}" for name, text in rows)


def _speed_rows(speed: Mapping[str, Any], unit: str) -> list[tuple[str, str]]:
    words = f"fastest joint: median {speed['median']:.2f}, 99 % below {speed['high']:.2f}, at most "
    rows = [("speed", f"{words}{speed['fastest']:.2f} {unit}")]
    if speed["outliers"]:
        rows.append(("", f"{_motions(speed['outliers'])} faster than {speed['limit']:.4g} {unit}; the worst:"))
        rows += [
            ("", f"motion {worst['motion']}: {worst['speed']:g} {unit}, {worst['joint']}, frame {worst['frame']}")
            for worst in speed["worst"][:3]
        ]
    return rows


def _motions(count: int) -> str:
    return f"{count} motion{'s' * (count != 1)}"


def _counted(counts: Mapping[str, int]) -> str:
    if len(counts) <= MOST:
        return ", ".join(f"{safe_line(name)} {count}" for name, count in counts.items())
    order = sorted(counts, key=lambda name: counts[name])
    few, many = order[0], order[-1]
    median = float(np.median(list(counts.values())))
    return f"{counts[few]} ({safe_line(few)}) to {counts[many]} ({safe_line(many)}) motions each, median {median:g}"


# --------------------------------------------------------------------------------------------------------- a picture


def overview(motions: MotionSet, surveyed: Survey | None = None) -> dict[str, Any]:
    """Names and numbers of a set: the arguments of `kinetic.pictures.charts.overview_chart` without its path."""
    surveyed = survey(motions) if surveyed is None else surveyed
    n, channels, frames, _ = motions.shape
    skeleton, has_body = motions.skeleton, surveyed.bodies > 0
    across = "view" if motions.view is not None else "setup" if motions.setup is not None else ""
    subjects, views = motions.subject, getattr(motions, across) if across else None
    zeros = np.zeros(n, dtype=np.int64)
    names = motions.subject_names
    people, person = np.unique(zeros if subjects is None else subjects, return_inverse=True)
    cameras, camera = np.unique(zeros if views is None else views, return_inverse=True)
    table = np.zeros((len(cameras), len(people)), dtype=np.int64)
    np.add.at(table, (camera, person), 1)
    quantiles = np.quantile(surveyed.variation[has_body], [0.1, 0.5, 0.9], axis=0) if has_body.any() else None
    rates = np.unique(np.ravel(motions.fps))
    fps = "no" if not len(rates) else f"{rates[0]:.3g}" + (f" to {rates[-1]:.3g}" if len(rates) > 1 else "")
    return {
        "title": f"{motions.source or 'motions'}: {n} motions of up to {frames} frames, {fps} per second",
        "classes": motions.counts(),
        "table": table,
        "columns": [""] if subjects is None else [names[i] if names else str(i) for i in people],
        "rows": [""] if views is None else [f"{across} {i}" for i in cameras],
        "lengths": surveyed.frames,
        "bones": _bone_names(skeleton),
        "variation": np.zeros((3, len(skeleton.bones))) if quantiles is None else quantiles,
        "edges": SPEEDS,
        "speeds": surveyed.speeds,
        "fast": FAST if channels == 3 else None,
        "poses": _poses(motions, surveyed),
        "links": skeleton.bones,
        "left": skeleton.left,
        "right": skeleton.right,
    }


def _poses(motions: MotionSet, surveyed: Survey, most: int = 9) -> dict[str, np.ndarray]:
    """The mean body, and for several classes the pose of one motion that differs most from it: name -> (C, V)."""
    if not (surveyed.bodies > 0).any():
        return {}
    poses = {"mean": surveyed.pose}
    labels = np.unique(motions.label[surveyed.bodies > 0])
    chosen = np.unique(np.linspace(0, len(labels) - 1, min(most - 1, len(labels))).round().astype(int))
    center = motions.skeleton.center
    for label in labels[chosen]:
        rows = np.flatnonzero((motions.label == label) & (surveyed.bodies > 0))
        row = rows[len(rows) // 2]
        motion = np.asarray(motions.motion[row])[:, : surveyed.frames[row]]  # (C, T, V)
        body = (motion != 0).any(axis=(0, 2))
        centred = motion[:, body] - motion[:, body, center : center + 1]
        distance = np.square(centred - surveyed.pose[:, None]).sum(axis=(0, 2))
        poses[motions.class_names[label]] = centred[:, int(distance.argmax())]
    if motions.notes.get("recipe") == "pyskl":  # turns z up
        return {name: pose[[0, 2, 1]] for name, pose in poses.items()}
    return poses
