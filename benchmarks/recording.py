"""Reading the raw `.skeleton` files of NTU RGB+D, from the disk to coordinates.

The number that matters is the ratio of `kinetic` to `dictionaries`: the reader that published scripts have in some
form. It splits line by line and converts all fields into nested dictionaries, without the checks of `kinetic`. `arrays`
also copies the coordinates into an array, as those scripts do; `coordinates` is as lean as a reader in plain Python can
be, and converts x, y, z and the tracking state only. Files are generated: as long as an average file of NTU RGB+D,
every second one with two bodies, numbers of 7 digits, lines that end with CR LF. Nothing here uses the threads of
numpy.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kinetic.ntu.recording import Recording, read_recording, recording_bytes

params = {"files": 20, "frames": 85}
BASELINE = "dictionaries"

BODY = (
    *("bodyID", "clippedEdges", "handLeftConfidence", "handLeftState", "handRightConfidence", "handRightState"),
    *("isRestricted", "leanX", "leanY", "trackingState"),
)
JOINT = (
    *("x", "y", "z", "depthX", "depthY", "colorX", "colorY"),
    *("orientationW", "orientationX", "orientationY", "orientationZ", "trackingState"),
)


@dataclass
class State:
    """Files in a folder that is removed with this object."""

    folder: tempfile.TemporaryDirectory[str]
    files: list[Path]


def some_recording(frames: int, bodies: int, seed: int) -> Recording:
    """Points that wander in front of a camera."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.01, (frames, bodies, 25, 3))
    joints = rng.normal([0, 0, 3], [0.4, 0.5, 0.2], (bodies, 25, 3)) + steps.cumsum(axis=0)
    return Recording(
        f"S001C001P{seed % 40 + 1:03d}R001A{seed % 60 + 1:03d}",
        frames,
        np.repeat(np.arange(frames), bodies),
        np.tile(72057594037931101 + np.arange(bodies), frames),
        joints.reshape(-1, 25, 3),
        rng.choice([1, 2, 2, 2], (frames * bodies, 25)).astype(np.uint8),
    )


def setup(device: torch.device, *, files: int, frames: int) -> State:
    folder = tempfile.TemporaryDirectory(prefix="kinetic-recording-")
    paths = []
    for number in range(files):
        recording = some_recording(frames, 1 + number % 2, number)
        paths.append(Path(folder.name) / f"{number:04d}_{recording.name}.skeleton")
        paths[-1].write_bytes(recording_bytes(recording, digits=7))
    return State(folder, paths)


def dictionaries(path: Path) -> dict[str, Any]:
    """Everything in a file, line by line."""
    with open(path) as file:
        frames = []
        for _ in range(int(file.readline())):
            bodies = []
            for _ in range(int(file.readline())):
                body: dict[str, Any] = {
                    key: float(text) for key, text in zip(BODY, file.readline().split(), strict=False)
                }
                count = int(file.readline())
                body["joints"] = [
                    {key: float(text) for key, text in zip(JOINT, file.readline().split(), strict=False)}
                    for _ in range(count)
                ]
                bodies.append(body)
            frames.append(bodies)
    return {"frames": frames}


def arrays(path: Path, most: int = 2) -> np.ndarray:
    """(3, T, 25, bodies): the coordinates in those dictionaries."""
    frames = dictionaries(path)["frames"]
    data = np.zeros((3, len(frames), 25, most))
    for t, bodies in enumerate(frames):
        for m, body in enumerate(bodies):
            for v, joint in enumerate(body["joints"]):
                data[:, t, v, m] = [joint["x"], joint["y"], joint["z"]]
    return data


def coordinates(path: Path) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Joints (B, 25, 3), tracking states (B, 25) and ids, as `kinetic` reads them, without a check."""
    joints, tracking, ids = [], [], []
    with open(path) as file:
        for _ in range(int(file.readline())):
            for _ in range(int(file.readline())):
                ids.append(int(file.readline().split(maxsplit=1)[0]))
                for _ in range(int(file.readline())):
                    x, y, z, *_, tracked = file.readline().split()
                    joints.append((float(x), float(y), float(z)))
                    tracking.append(int(tracked))
    return np.array(joints).reshape(-1, 25, 3), np.array(tracking, dtype=np.uint8).reshape(-1, 25), ids


def check(state: State) -> dict[str, float]:
    """Raise ValueError unless all ways read the same numbers, to the last bit."""
    for path in state.files:
        recording = read_recording(path)
        joints, tracking, ids = coordinates(path)
        bodies = len(ids) // recording.frames
        literal = np.moveaxis(arrays(path)[..., :bodies], 0, -1).swapaxes(1, 2)  # (T, bodies, 25, 3)
        if (
            not np.array_equal(recording.joints, joints)
            or not np.array_equal(recording.joints, literal.reshape(-1, 25, 3))
            or not np.array_equal(recording.tracking, tracking)
            or recording.body.tolist() != ids
        ):
            raise ValueError(f"{path.name} is read in different ways")
    return {"files that differ": 0.0}


def time_dictionaries(state: State) -> Tensor:
    total = sum(dictionaries(path)["frames"][-1][-1]["joints"][-1]["z"] for path in state.files)
    return torch.tensor(total)


def time_arrays(state: State) -> Tensor:
    return torch.tensor(sum(float(arrays(path)[2, -1, -1, 0]) for path in state.files))


def time_coordinates(state: State) -> Tensor:
    return torch.tensor(sum(float(coordinates(path)[0][-1, -1, 2]) for path in state.files))


def time_kinetic(state: State) -> Tensor:
    return torch.tensor(sum(float(read_recording(path).joints[-1, -1, 2]) for path in state.files))


def facts(state: State, seconds: dict[str, float]) -> dict[str, float]:
    size = sum(path.stat().st_size for path in state.files)
    per_file = seconds["kinetic"] / len(state.files)
    return {
        "kB a file": size / len(state.files) / 1e3,
        "files a second, dictionaries": len(state.files) / seconds["dictionaries"],
        "files a second, kinetic": 1 / per_file,
        "MB a second, dictionaries": size / seconds["dictionaries"] / 1e6,
        "MB a second, kinetic": size / seconds["kinetic"] / 1e6,
        "times faster than arrays, kinetic": seconds["arrays"] / seconds["kinetic"],
        "times faster than coordinates, kinetic": seconds["coordinates"] / seconds["kinetic"],
        "seconds for the 56,880 files of NTU RGB+D 60, kinetic": 56_880 * per_file,
        "seconds for the 114,480 files of NTU RGB+D 120, kinetic": 114_480 * per_file,
    }
