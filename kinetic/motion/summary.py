"""What a set of motions holds, in the numbers to check first: who does what how often, whether bodies keep shape."""

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
"""Bytes of motions looked at together, so that a set larger than memory can be summarised."""
FAST = 10.0
"""Metres per second that joints reach only where tracking fails: the fist of a boxer comes close to it."""
STILL = 1e-4
"""Metres that no joint leaves in a motion that stands still; sensors are noisier than that, rounding is not."""
HUGE = 1e15
"""Coordinates beyond which squares are infinite as float32: what holds them is counted as not finite."""
SPEEDS = np.geomspace(1e-3, 1e3, 181)
"""Edges of the classes in which speeds are counted, metres per second."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over a set finds, motion by motion; padding (frames from `columns["frames"]` on) is left out.

    A frame holds a body where any of its coordinates is not 0. Speeds and lengths are those between frames with bodies.
    Motions with NaN or infinite coordinates, or some beyond HUGE, are `finite` False and otherwise look empty.
    """

    frames: np.ndarray  # (N,) before the padding
    finite: np.ndarray  # (N,) whether all coordinates are, padding included
    bodies: np.ndarray  # (N,) frames that hold a body
    gaps: np.ndarray  # (N,) frames without a body, among the `frames`
    held: np.ndarray  # (N,) frames that repeat the one before exactly
    still: np.ndarray  # (N,) whether no joint goes further than STILL from where it is first
    tail: np.ndarray  # (N,) whether the padding is something else than zeros
    size: np.ndarray  # (N,) largest side of the box around a body, mean over frames; NaN without a body
    speed: np.ndarray  # (N,) of the fastest joint between two frames, units per second
    fast: np.ndarray  # (N,) frames to which a joint comes faster than FAST
    where: np.ndarray  # (N, 2) the frame and the joint of `speed`
    length: np.ndarray  # (N, bones) mean over frames
    variation: np.ndarray  # (N, bones) standard deviation over mean
    side: np.ndarray  # (N,) 1: left joints are on the left of where the feet point, -1: on the right; NaN: cannot tell
    rise: np.ndarray  # (N, C) from the feet to the head, mean over frames that show both; NaN: cannot tell
    digest: tuple[bytes, ...]  # (N,) of the coordinates before the padding: equal for exact copies
    partner: Survey | None  # the same of the second bodies, but for `digest`; None for a set without
    twin: np.ndarray  # (N,) frames in which the second body is an exact copy of the first
    speeds: np.ndarray  # (len(SPEEDS) - 1,) steps from frame to frame by the speed of their fastest joint
    low: np.ndarray  # (C,) least coordinate
    high: np.ndarray  # (C,) largest coordinate
    pose: np.ndarray  # (C, V) mean of all bodies, relative to the centre joint

    def copies(self) -> list[list[int]]:
        """Rows of motions that are exact copies of each other, group by group; empty motions are not copies."""
        groups = defaultdict(list)
        for row in np.flatnonzero(self.bodies > 0).tolist():
            groups[self.digest[row]].append(row)
        return [rows for rows in groups.values() if len(rows) > 1]

    def limit(self, metric: bool) -> float:
        """The speed above which motions are outliers: FAST (where `metric`), or less where the set is slower by far.

        That is three times the distance of the quartiles beyond the upper one, of the logarithms of `speed` (Tukey
        1977, "far out"), and three times the upper one at least; it takes twenty motions that move.
        """
        moving = self.speed[self.speed > 0]
        limit = FAST if metric else np.inf
        if len(moving) < 20:
            return limit
        lower, upper = np.quantile(np.log(moving), [0.25, 0.75])
        return min(limit, float(np.exp(upper + max(3 * (upper - lower), np.log(3)))))

    def outliers(self, metric: bool) -> np.ndarray:
        """Rows of motions in which a joint is faster than `limit`, the fastest first."""
        rows = np.flatnonzero(self.speed > self.limit(metric))
        return np.asarray(rows[np.argsort(-self.speed[rows], kind="stable")])


def length_variation(
    motion: np.ndarray, bones: tuple[tuple[int, int], ...], body: np.ndarray | None = None
) -> np.ndarray:
    """Standard deviation of each bone's length over the frames, as a share of its mean: (N, C, T, V) -> (N, bones).

    0 for a rigid body in three dimensions. Seen in two dimensions a rigid body changes too. `body` (N, T) tells which
    frames count; None = all.
    """
    mean, deviation = _lengths(motion, bones, np.ones(motion.shape[::2], dtype=bool) if body is None else body)
    return np.asarray(deviation / np.where(mean > 0, mean, 1.0))


def _lengths(motion: np.ndarray, bones: tuple[tuple[int, int], ...], body: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over the frames with a body, both (N, bones)."""
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
    """Looks at every coordinate once, in parts, with the memory of one part; also where some are not finite."""
    n, _, frames, _ = motions.shape
    found = _blank(motions)
    partner = None if motions.partner is None else _blank(motions)
    rates = np.broadcast_to(motions.fps, (n,))
    digest: list[bytes] = []
    skeleton, front, height = motions.skeleton, _front(motions.skeleton), _height(motions.skeleton)
    for rows in _parts(motions.motion):
        motion = np.ascontiguousarray(motions.motion[rows])
        _look(found, np.arange(n)[rows], motion, rates[rows], skeleton, front, height)
        digest += _digests(motion, found.frames[rows])
        release(motions.motion)
        if partner is not None and motions.partner is not None:
            second = np.asarray(motions.partner[rows])
            there = np.flatnonzero((second != 0).any(axis=(1, 2, 3)))  # most motions have none
            if len(there):
                these, second = rows.start + there, second[there]
                _look(partner, these, second, rates[these], skeleton, front, height)
                body = (second != 0).any(axis=(1, 3)) & (np.arange(frames) < found.frames[these, None])  # (n, T)
                found.twin[these] = (body & (second == motion[there]).all(axis=(1, 3))).sum(axis=1)
            release(motions.partner)
    for each in (found, partner):
        if each is not None:
            each.pose[:] /= max(1, int(each.bodies.sum()))
    return replace(found, digest=tuple(digest), partner=partner)


def _blank(motions: MotionSet) -> Survey:
    """Before anything was looked at."""
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


def _look(
    found: Survey,
    rows: np.ndarray,
    motion: np.ndarray,
    fps: np.ndarray,
    skeleton: Skeleton,
    front: _Front | None,
    height: _Height | None,
) -> None:
    """Puts what some motions (n, C, T, V) show into their rows."""
    n, _, frames, _ = motion.shape
    real = np.arange(frames) < found.frames[rows, None]  # (n, T)
    if not (motion.min(initial=0) > -HUGE and motion.max(initial=0) < HUGE):  # NaN passes through both
        finite = (np.abs(motion) < HUGE).all(axis=(1, 2, 3))
        found.finite[rows] = finite
        motion = np.where(finite[:, None, None, None], motion, np.float32(0))
    present = (motion != 0).any(axis=1).any(axis=2)  # (n, T)
    body = present & real
    found.tail[rows] = (present & ~real).any(axis=1)
    bodies = body.sum(axis=1)
    found.bodies[rows], found.gaps[rows] = bodies, np.where(found.finite[rows], real.sum(axis=1) - bodies, 0)
    if body.all():
        found.low[:] = np.minimum(found.low, motion.min(axis=(0, 2, 3)))
        found.high[:] = np.maximum(found.high, motion.max(axis=(0, 2, 3)))
    elif body.any():
        seen = body[:, None, :, None]
        found.low[:] = np.minimum(found.low, np.where(seen, motion, np.inf).min(axis=(0, 2, 3)))
        found.high[:] = np.maximum(found.high, np.where(seen, motion, -np.inf).max(axis=(0, 2, 3)))

    first = motion[np.arange(n), :, body.argmax(axis=1)][:, :, None]  # (n, C, 1, V): the first frame with a body
    away = np.abs(motion - first).max(axis=(1, 3))  # (n, T)
    found.still[rows] = (bodies > 1) & (np.where(body, away, 0).max(axis=1) <= STILL)
    if frames > 1:
        both = body[:, 1:] & body[:, :-1]  # (n, T - 1)
        step = np.sqrt(np.square(np.diff(motion, axis=2)).sum(axis=1))  # (n, T - 1, V)
        fastest = np.where(both, step.max(axis=2), 0) * fps[:, None]  # (n, T - 1)
        at = fastest.argmax(axis=1)
        each = np.arange(n)
        found.speed[rows], found.where[rows, 0] = fastest[each, at], at + 1
        found.where[rows, 1] = step[each, at].argmax(axis=1)
        found.fast[rows] = (fastest > FAST).sum(axis=1)
        found.held[rows] = (both & (fastest == 0)).sum(axis=1)
        counted = np.clip(fastest[both], SPEEDS[0], SPEEDS[-1])
        found.speeds[:] += np.histogram(counted, SPEEDS)[0]

    weight = body / np.maximum(bodies, 1)[:, None]  # (n, T)
    box = (motion.max(axis=3) - motion.min(axis=3)).max(axis=1)  # (n, T)
    found.size[rows] = np.where(bodies > 0, (box * weight).sum(axis=1), np.nan)
    if skeleton.bones:
        mean, deviation = _lengths(motion, skeleton.bones, body)
        found.length[rows], found.variation[rows] = mean, deviation / np.where(mean > 0, mean, 1.0)
    if front is not None:
        turn = front.turn(motion)  # (n, T)
        found.side[rows] = np.where(bodies > 0, (turn * weight).sum(axis=1), np.nan)
    if height is not None:
        found.rise[rows] = height.rise(motion, body)
    center = skeleton.center
    np.add(found.pose, np.einsum("nctv,nt->cv", motion - motion[..., center : center + 1], body), out=found.pose)


def _digests(motion: np.ndarray, lengths: np.ndarray) -> list[bytes]:
    """Of each motion before its padding."""
    motion = motion + np.float32(0)  # -0 becomes 0, which it equals
    return [
        hashlib.blake2b(np.ascontiguousarray(one[:, :length]).data, digest_size=16).digest()
        for one, length in zip(motion, lengths.tolist(), strict=True)
    ]


@dataclass(frozen=True)
class _Front:
    """Joints that tell left from right (pairs), and behind from before (from a joint to one before it)."""

    sides: tuple[tuple[int, int], ...]
    ahead: tuple[tuple[int, int], ...]

    def turn(self, motion: np.ndarray) -> np.ndarray:
        """Cosine between the direction to the left joints, and the left of where feet point: (n, 3, T, V) -> (n, T).

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
    """None where the names of the joints do not tell."""
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
    """Joints that tell above from below. A joint at 0 was not found, unless everything is relative to it."""

    head: tuple[int, ...]
    feet: tuple[int, ...]
    center: int

    def rise(self, motion: np.ndarray, body: np.ndarray) -> np.ndarray:
        """From the feet to the head, mean over the frames that show both: (n, C, T, V), (n, T) -> (n, C)."""
        top, top_there = self._middle(motion, self.head)
        low, low_there = self._middle(motion, self.feet)
        both = body & top_there & low_there  # (n, T)
        with np.errstate(invalid="ignore"):  # NaN where no frame shows both
            return np.asarray(((top - low) * both[:, None]).sum(axis=2) / both.sum(axis=1)[:, None])

    def _middle(self, motion: np.ndarray, joints: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n, C, T) of those joints that were found, and where (n, T) there are any."""
        some = motion[..., list(joints)]  # (n, C, T, joints)
        there = (some != 0).any(axis=1) | (np.array(joints) == self.center)  # (n, T, joints)
        count = there.sum(axis=2)
        return (some * there[:, None]).sum(axis=3) / np.maximum(count, 1)[:, None], count > 0


def _height(skeleton: Skeleton) -> _Height | None:
    """None where the names of the joints do not tell."""

    def called(*words: str) -> tuple[int, ...]:
        return tuple(i for i, name in enumerate(skeleton.joints) if any(word in name.lower() for word in words))

    head, feet = called("head", "nose") or called("neck"), called("ankle", "foot", "toe")
    return _Height(head, feet, skeleton.center) if head and feet else None


def _real_frames(motions: MotionSet) -> np.ndarray:
    """(N,) frames before the padding; numbers that cannot be right count as near as possible."""
    n, _, frames, _ = motions.shape
    told = motions.columns.get("frames")
    if told is None:
        return np.full(n, frames, dtype=np.int64)
    plain = np.nan_to_num(np.asarray(told, dtype=np.float64), nan=frames)
    return np.asarray(np.clip(plain, 0, frames).astype(np.int64))


def _parts(motion: np.ndarray) -> Iterator[slice]:
    step = max(1, PART // max(1, 4 * int(np.prod(motion.shape[1:]))))
    for start in range(0, len(motion), step):
        yield slice(start, min(start + step, len(motion)))


def named(motions: MotionSet, rows: Sequence[int] | np.ndarray, most: int = 10) -> str:
    """The first motions of some, by number and clip: `12 (S001C001P001R001A001), 13 (...) and 5 more`."""
    words = [_one(motions, int(row)) for row in rows[:most]]
    return ", ".join(words) + (f" and {len(rows) - most} more" if len(rows) > most else "")


def _one(motions: MotionSet, row: int) -> str:
    return f"{row} ({safe_line(motions.clip[row])})" if motions.clip else str(row)


# ----------------------------------------------------------------------------------------------------------- in words


def summarise(motions: MotionSet, surveyed: Survey | None = None) -> dict[str, Any]:
    """Plain numbers and words about a set, ready for JSON; `surveyed` where `survey` has been there already."""
    seen = survey(motions) if surveyed is None else surveyed
    n, channels, frames, joints = motions.shape
    found: dict[str, Any] = {"source": safe_line(motions.source), "motions": n, "channels": channels, "frames": frames}
    found |= {
        "joints": joints,
        "skeleton": safe_line(motions.skeleton.name),
        "fps": sorted({float(rate) for rate in np.ravel(motions.fps)}),
    }
    held = np.isfinite(seen.low).all()
    found["range"] = (
        [[round(float(a), 4), round(float(b), 4)] for a, b in zip(seen.low, seen.high, strict=True)] if held else []
    )
    if "frames" in motions.columns and n:
        found["lengths"] = {
            "min": int(seen.frames.min()),
            "median": float(np.median(seen.frames)),
            "max": int(seen.frames.max()),
            "padded": int((seen.frames < frames).sum()),
        }
    bodily = seen.bodies > 0
    if motions.skeleton.bones and bodily.any():
        found["bone_variation"] = _bone_words(motions, seen, bodily)
    if bodily.any():
        found["speed"] = _speed_words(motions, seen)
        found["size"] = round(float(np.median(seen.size[bodily])), 3)
    found["odd"] = {
        what: {"motions": len(rows), "first": [_one(motions, row) for row in rows[:10].tolist()]}
        for what, rows in {
            "not finite": np.flatnonzero(~seen.finite),
            "empty": np.flatnonzero(seen.finite & ~bodily),
            "still": np.flatnonzero(seen.still),
            "frames without a body": np.flatnonzero(bodily & (seen.gaps > 0)),
            "frames that repeat the one before": np.flatnonzero((seen.held > 0) & ~seen.still),
        }.items()
        if len(rows)
    }
    copies = seen.copies()
    found["copies"] = {
        "motions": sum(len(group) - 1 for group in copies),
        "first": [[_one(motions, row) for row in group[:10]] for group in copies[:10]],
    }
    if (second := seen.partner) is not None:
        found["partner"] = {"motions": int((second.bodies > 0).sum()), "frames": int(second.bodies.sum())}
    found["classes"] = motions.counts()
    for name in ("subject", "view", "setup"):
        values = getattr(motions, name)
        if values is not None:
            names = motions.subject_names if name == "subject" else ()
            ids, counts = np.unique(values, return_counts=True)
            found[f"{name}s"] = {names[i] if names else str(i): int(k) for i, k in zip(ids, counts, strict=True)}
    if motions.clip:
        found["clips"] = len(set(motions.clip))
    found["splits"], found["remarks"] = {}, _remarks(found)
    for name in motions.split_rules():
        try:
            found["splits"][name] = list(map(len, motions.split_rows(name)))
        except ValueError as error:  # one person, one camera
            found["remarks"].append(str(error))
    return found


def _bone_words(motions: MotionSet, seen: Survey, bodily: np.ndarray) -> dict[str, Any]:
    typical = np.median(seen.variation[bodily], axis=0)  # (bones,)
    names = _bone_names(motions.skeleton)
    order = np.argsort(-typical, kind="stable")
    row = int(np.argmax(np.where(bodily, seen.variation.max(axis=1), -1)))
    return {
        "median": round(float(np.median(typical)), 5),
        "worst": round(float(typical.max()), 5),
        "worst_bone": names[order[0]],
        "bones": {names[i]: round(float(typical[i]), 5) for i in order},
        "worst_motion": _one(motions, row),
        "worst_motion_bone": names[int(seen.variation[row].argmax())],
        "worst_motion_variation": round(float(seen.variation[row].max()), 5),
    }


def _bone_names(skeleton: Skeleton) -> list[str]:
    return [f"{safe_line(skeleton.joints[a])} - {safe_line(skeleton.joints[b])}" for a, b in skeleton.bones]


def _speed_words(motions: MotionSet, seen: Survey) -> dict[str, Any]:
    metric = motions.shape[1] == 3
    limit, outliers = seen.limit(metric), seen.outliers(metric)
    return {
        "median": round(_quantile(seen.speeds, 0.5), 3),
        "high": round(_quantile(seen.speeds, 0.99), 3),
        "fastest": round(float(seen.speed.max()), 3),
        "frames_too_fast": int(seen.fast.sum()),
        "motions_too_fast": int((seen.fast > 0).sum()),
        "limit": round(limit, 3) if np.isfinite(limit) else None,
        "outliers": len(outliers),
        "worst": [
            {
                "motion": _one(motions, row),
                "speed": round(float(seen.speed[row]), 2),
                "frame": int(seen.where[row, 0]),
                "joint": safe_line(motions.skeleton.joints[seen.where[row, 1]]),
            }
            for row in outliers[:5].tolist()
        ],
    }


def _quantile(counts: np.ndarray, share: float) -> float:
    """Of speeds that are counted by SPEEDS: the upper edge of the class that holds it."""
    total = counts.sum()
    return float(SPEEDS[1:][np.searchsorted(counts.cumsum(), share * total)]) if total else 0.0


def _remarks(found: Mapping[str, Any]) -> list[str]:
    odd = []
    empty = [name for name, count in found["classes"].items() if not count]
    if empty:
        more = f" and {len(empty) - 8} more" if len(empty) > 8 else ""
        some = ", ".join(map(safe_line, empty[:8]))
        odd.append(f"no motions of {len(empty)} of {len(found['classes'])} classes: {some}{more}")
    largest = max((abs(end) for ends in found["range"] for end in ends), default=0.0)
    if found["channels"] == 3 and largest > 100:
        odd.append(f"the largest coordinate is {largest:.4g}: are these metres?")
    return odd


MOST = 24
"""Classes (people, cameras) that are listed with their counts; of more, the least and the most frequent are named."""


def summary_text(found: Mapping[str, Any]) -> str:
    """The same for people."""
    rates = found["fps"]
    fps = f"{rates[0]:g}" if len(rates) == 1 else f"{rates[0]:g} to {rates[-1]:g}" if rates else "0"
    rows = [
        ("source", found["source"] or "not said"),
        ("motions", f"{found['motions']} of {found['frames']} frames at {fps} per second"),
        (
            "skeleton",
            f"{found['skeleton'] or 'without a name'}: {found['joints']} joints, {found['channels']} coordinates",
        ),
        (
            "range",
            ", ".join(
                f"{axis} {low:.2f} to {high:.2f}" for axis, (low, high) in zip("xyz", found["range"], strict=False)
            ),
        ),
    ]
    unit = "m" if found["channels"] == 3 else "units"
    if "size" in found:
        rows.append(("size", f"{found['size']:.2f} {unit}, the largest side of the box around a body"))
    if "lengths" in found:
        span = found["lengths"]
        rows.append(
            ("lengths", f"{span['min']} to {span['max']} frames, median {span['median']:g}; {span['padded']} padded")
        )
    if "bone_variation" in found:
        bones = found["bone_variation"]
        worst = ", ".join(f"{name} by {share:.1%}" for name, share in list(bones["bones"].items())[:3])
        rows.append(("bones", f"vary by {bones['median']:.1%}; {worst}"))
        last = f"motion {bones['worst_motion']}: {bones['worst_motion_bone']} by {bones['worst_motion_variation']:.1%}"
        rows.append(("", last))
    if "speed" in found:
        rows += _speed_rows(found["speed"], f"{unit}/s")
    for what, odd in found["odd"].items():
        more = f" and {odd['motions'] - 3} more" if odd["motions"] > 3 else ""
        rows.append(("odd", f"{what} in {_motions(odd['motions'])}: {', '.join(odd['first'][:3])}{more}"))
    if count := found["copies"]["motions"]:
        rows.append(("copies", f"{_motions(count)} repeat{'s' * (count == 1)} another one exactly"))
        rows += [("", " = ".join(group)) for group in found["copies"]["first"][:3]]
    if "partner" in found:
        rows.append(("partner", f"a second body in {_motions(found['partner']['motions'])}"))
    for name in ("classes", "subjects", "views", "setups"):
        if name in found:
            rows.append((name, f"{len(found[name])}: {_counted(found[name])}"))
    if "clips" in found:
        rows.append(("clips", str(found["clips"])))
    for name, (train, test) in found["splits"].items():
        rows.append(("split", f"{safe_line(name)}: {train} to train, {test} to test"))
    rows += [("remark", remark) for remark in found["remarks"]]
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
    middle = float(np.median(list(counts.values())))
    return f"{counts[few]} ({safe_line(few)}) to {counts[many]} ({safe_line(many)}) motions each, median {middle:g}"


# --------------------------------------------------------------------------------------------------------- a picture


def overview(motions: MotionSet, surveyed: Survey | None = None) -> dict[str, Any]:
    """The arguments of `kinetic.pictures.charts.overview_chart` but for the path: names and numbers of a set."""
    seen = survey(motions) if surveyed is None else surveyed
    n, channels, frames, _ = motions.shape
    skeleton, bodily = motions.skeleton, seen.bodies > 0
    across = "view" if motions.view is not None else "setup" if motions.setup is not None else ""
    subjects, views = motions.subject, getattr(motions, across) if across else None
    none = np.zeros(n, dtype=np.int64)
    names = motions.subject_names
    people, person = np.unique(none if subjects is None else subjects, return_inverse=True)
    cameras, camera = np.unique(none if views is None else views, return_inverse=True)
    table = np.zeros((len(cameras), len(people)), dtype=np.int64)
    np.add.at(table, (camera, person), 1)
    quantiles = np.quantile(seen.variation[bodily], [0.1, 0.5, 0.9], axis=0) if bodily.any() else None
    rates = np.unique(np.ravel(motions.fps))
    fps = "no" if not len(rates) else f"{rates[0]:.3g}" + (f" to {rates[-1]:.3g}" if len(rates) > 1 else "")
    return {
        "title": f"{motions.source or 'motions'}: {n} motions of up to {frames} frames, {fps} per second",
        "classes": motions.counts(),
        "table": table,
        "columns": [""] if subjects is None else [names[i] if names else str(i) for i in people],
        "rows": [""] if views is None else [f"{across} {i}" for i in cameras],
        "lengths": seen.frames,
        "bones": _bone_names(skeleton),
        "variation": np.zeros((3, len(skeleton.bones))) if quantiles is None else quantiles,
        "edges": SPEEDS,
        "speeds": seen.speeds,
        "fast": FAST if channels == 3 else None,
        "poses": _poses(motions, seen),
        "links": skeleton.bones,
        "left": skeleton.left,
        "right": skeleton.right,
    }


def _poses(motions: MotionSet, seen: Survey, most: int = 9) -> dict[str, np.ndarray]:
    """The mean body, and of several classes the frame of one motion that is least like it: name -> (C, V)."""
    if not (seen.bodies > 0).any():
        return {}
    poses = {"mean": seen.pose}
    held = [label for label in range(len(motions.class_names)) if ((motions.label == label) & (seen.bodies > 0)).any()]
    chosen = np.unique(np.linspace(0, len(held) - 1, min(most - 1, len(held))).round().astype(int))
    center = motions.skeleton.center
    for label in [held[i] for i in chosen]:
        rows = np.flatnonzero((motions.label == label) & (seen.bodies > 0))
        motion = np.asarray(motions.motion[rows[len(rows) // 2]])[:, : seen.frames[rows[len(rows) // 2]]]  # (C, T, V)
        body = (motion != 0).any(axis=(0, 2))
        near = motion[:, body] - motion[:, body, center : center + 1]
        away = np.square(near - seen.pose[:, None]).sum(axis=(0, 2))
        poses[motions.class_names[label]] = near[:, int(away.argmax())]
    if motions.notes.get("recipe") == "pyskl":  # turns z up
        return {name: pose[[0, 2, 1]] for name, pose in poses.items()}
    return poses
