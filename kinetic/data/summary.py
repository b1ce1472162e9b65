"""What a set of motions holds, in the numbers to check first: who does what how often, whether bodies keep shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kinetic.data.motion import MotionSet

__all__ = ["length_variation", "summarise", "summary_text"]

ROWS = 1024
"""Motions looked at together, so that a set larger than memory can be summarised."""


def length_variation(motion: np.ndarray, bones: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Standard deviation of each bone's length over the frames, as a share of its mean: (N, C, T, V) -> (N, bones).

    0 for a rigid body in three dimensions. Seen in two dimensions a rigid body changes too.
    """
    first, second = np.array(bones, dtype=np.int64).reshape(-1, 2).T
    length = np.linalg.norm(motion[..., first].astype(np.float64) - motion[..., second], axis=1)  # (N, T, bones)
    mean = length.mean(axis=1)
    return np.asarray(length.std(axis=1) / np.where(mean > 0, mean, 1.0))


def summarise(motions: MotionSet) -> dict[str, Any]:
    """Plain numbers and words about a set, ready for JSON."""
    n, channels, frames, joints = motions.shape
    skeleton = motions.skeleton
    low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
    variation = []
    for start in range(0, n, ROWS):
        rows = np.asarray(motions.motion[start : start + ROWS])
        low, high = np.minimum(low, rows.min(axis=(0, 2, 3))), np.maximum(high, rows.max(axis=(0, 2, 3)))
        if skeleton.bones:
            variation.append(length_variation(rows, skeleton.bones))
    found: dict[str, Any] = {"source": motions.source, "motions": n, "channels": channels, "frames": frames}
    found |= {
        "joints": joints,
        "skeleton": skeleton.name,
        "fps": sorted({float(rate) for rate in np.ravel(motions.fps)}),
    }
    found["range"] = [[round(float(a), 4), round(float(b), 4)] for a, b in zip(low, high, strict=True)] if n else []
    if variation and n:
        typical = np.median(np.concatenate(variation), axis=0)  # (bones,)
        a, b = skeleton.bones[int(typical.argmax())]
        found["bone_variation"] = {
            "median": round(float(np.median(typical)), 5),
            "worst": round(float(typical.max()), 5),
            "worst_bone": f"{skeleton.joints[a]} - {skeleton.joints[b]}",
        }
    found["classes"] = motions.counts()
    for name in ("subject", "view", "setup"):
        values = getattr(motions, name)
        if values is not None:
            names = motions.subject_names if name == "subject" else ()
            ids, counts = np.unique(values, return_counts=True)
            found[f"{name}s"] = {names[i] if names else str(i): int(k) for i, k in zip(ids, counts, strict=True)}
    if motions.clip:
        found["clips"] = len(set(motions.clip))
    found["splits"], found["remarks"] = {}, motions.check()
    for name in motions.split_rules():
        try:
            found["splits"][name] = list(map(len, motions.split(name)))
        except ValueError as error:  # one person, one camera
            found["remarks"].append(str(error))
    return found


def summary_text(found: Mapping[str, Any]) -> str:
    """The same for people."""
    rates = found["fps"]
    fps = f"{rates[0]:g}" if len(rates) == 1 else f"{rates[0]:g} to {rates[-1]:g}"
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
    if "bone_variation" in found:
        bones = found["bone_variation"]
        rows.append(("bones", f"vary by {bones['median']:.1%}; {bones['worst_bone']} by {bones['worst']:.1%}"))
    for name in ("classes", "subjects", "views", "setups"):
        if name in found:
            each = ", ".join(f"{key} {count}" for key, count in found[name].items())
            rows.append((name, f"{len(found[name])}: {each}"))
    if "clips" in found:
        rows.append(("clips", str(found["clips"])))
    for name, (train, test) in found["splits"].items():
        rows.append(("split", f"{name}: {train} to train, {test} to test"))
    rows += [("remark", remark) for remark in found["remarks"]]
    return "\n".join(f"{name:10}{text}" for name, text in rows)
