"""Facts of NTU RGB+D 60 and 120: names of clips and actions, clips without a skeleton, and numbers of clips."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kinetic.motion.splits import SPLITS

__all__ = ["BENCHMARKS", "MISSING", "MUTUAL", "ClipName"]

LARGEST = {"setup": 32, "camera": 3, "performer": 106, "replication": 2, "action": 120}
"""The parts of a clip's name, and the largest number that each has in NTU RGB+D 120; the smallest is 1."""


@dataclass(frozen=True, order=True, slots=True)
class ClipName:
    """The parts of a name `SsssCcccPpppRrrrAaaa`: numbers of setup, camera, person, repetition and action, from 1 on.

    Names sort as their texts do.
    """

    setup: int
    camera: int
    performer: int
    replication: int
    action: int

    def __post_init__(self) -> None:
        for part, largest in LARGEST.items():
            if not 1 <= (number := getattr(self, part)) <= largest:
                raise ValueError(f"found {part} {number}, expected 1 to {largest}")

    @classmethod
    def parse(cls, text: str) -> ClipName:
        """The parts of a whole name, with or without `.skeleton`.

        Raises:
            ValueError: for any other name, and for numbers that NTU RGB+D 120 does not have
        """
        digits = re.fullmatch("S([0-9]{3})C([0-9]{3})P([0-9]{3})R([0-9]{3})A([0-9]{3})(?:[.]skeleton)?", text)
        if digits is None:
            raise ValueError(f"found the name {text[:80]!r}, expected one like S001C002P003R002A013")
        return cls(*map(int, digits.groups()))

    def __str__(self) -> str:
        return f"S{self.setup:03}C{self.camera:03}P{self.performer:03}R{self.replication:03}A{self.action:03}"


ACTIONS = (
    "drink water", "eat meal/snack", "brushing teeth", "brushing hair", "drop", "pickup", "throw", "sitting down",
    "standing up", "clapping", "reading", "writing", "tear up paper", "wear jacket", "take off jacket", "wear a shoe",
    "take off a shoe", "wear glasses", "take off glasses", "put on hat", "take off hat", "cheer up", "hand waving",
    "kicking something", "reach into pocket", "hopping", "jump up", "phone call", "playing with phone", "typing",
    "pointing", "selfie", "check time", "rub hands", "nod/bow", "shake head", "wipe face", "salute", "palms together",
    "cross hands in front", "sneeze/cough", "staggering", "falling", "headache", "chest pain", "back pain",
    "neck pain", "nausea/vomiting", "fan self", "punch/slap", "kick other", "push", "pat on back", "point at other",
    "hug", "give something", "touch pocket", "handshake", "walk towards", "walk apart", "put on headphone",
    "take off headphone", "shoot at basket", "bounce ball", "tennis swing", "juggle table-tennis balls", "hush",
    "flick hair", "thumb up", "thumb down", "ok sign", "victory sign", "staple book", "counting money",
    "cutting nails", "cutting paper", "snapping fingers", "open bottle", "sniff", "squat down", "toss coin",
    "fold paper", "ball up paper", "magic cube", "cream on face", "cream on hand back", "put on bag", "take off bag",
    "put into bag", "take out of bag", "open box", "move heavy objects", "shake fist", "throw up cap", "hands up",
    "cross arms", "arm circles", "arm swings", "running on the spot", "butt kicks", "cross toe touch", "side kick",
    "yawn", "stretch", "blow nose", "hit with object", "wield knife", "knock over", "grab stuff", "shoot with gun",
    "step on foot", "high-five", "cheers and drink", "carry together", "take photo of other", "follow", "whisper",
    "exchange things", "support somebody", "rock-paper-scissors",
)  # fmt: skip
"""The actions A001 to A120; NTU RGB+D 60 has the first 60. A motion's label is the number of its action minus 1."""

MUTUAL = frozenset({*range(50, 61), *range(106, 121)})
"""Numbers of the actions of two people; the other 94 are actions of one person."""

# A setup and a camera (S1.2), then the missing clips of both as performer.replication:actions.
_MISSING = """
S1.2 5.2:8 6.1:8 S1.3 2.1:55 2.2:12 5.2:4-6 6.2:8 S2.2 11.2:30 S2.3 8.1:20 10.2:10 11.2:7,11 14.2:7 S3.1 19.1:55 S3.2
2.2:55 18.2:55 S3.3 2.1:55 16.1:55 18.2:24 S4.2 3.1:13 8.1:9 20.1:3,4,12,20,21,36 S5.2 4.1:1,3 10.1:16,17,48,49
16.1:9,10 18.1:3,28,29 S5.3 16.2:9 18.2:13 21.2:57 S6.1 1.2:55 S6.2 7.1:5,6 16.1:43,51,52 22.1:12 23.1:20-23
24.1:18,19 S6.3 1.2:13 7.2:9,10,25 16.1:60 17.1:55 17.2:13-15 22.2:13 S7.1 18.2:50 25.2:51 28.1:50-52 S7.2 8.2:8
15.2:55 26.1:8-12,50 27.1:11,13 28.2:55 S7.3 7.1:2,4 19.1:60 27.2:1-13 S8.2 1.1:9,10,14-16,18,19 8.2:59 25.1:60 29.1:4
31.1:5,6 32.1:18 34.1:18,19 35.1:59 35.2:2,5 S8.3 7.1:9,16-23,25,26,28,29 7.2:3 8.2:50
25.2:2,11,12,16,20,22,23,30-33,49,60 31.1:1 31.2:4,14-17 32.2:13 33.2:1,11,12 34.2:1,12,22-24,44,45 35.2:16-21 S9.2
7.1:1,3,14 8.1:14 15.2:50 16.1:2 17.1:28,29 S9.3 17.2:30 25.2:54 S10.1 7.2:20 S10.2 16.2:55 17.1:5,18,19 19.1:1
25.1:12 S10.3 7.2:43 8.2:3 16.1:55 17.2:55 S11.1 2.1:8 18.2:50 S11.2 8.2:59 16.2:55 17.1:20,21 18.2:55 27.1:9,10,37
S11.3 1.1:55 2.1:55 8.2:12 15.1:55 16.1:55 19.1:55 25.1:55 28.2:55 S12.1 19.1:60 19.2:60 S12.2 15.1:55 17.2:12 25.1:60
S12.3 8.1:57 15.1:55 15.2:55 16.1:55 17.2:55 18.1:55,57 19.2:11,12 25.1:55 27.1:55 27.2:9 28.1:35 28.2:55 S13.1
15.1:54 17.2:54 18.1:16 28.1:40 S13.2 15.1:54 17.2:54 28.1:40 S13.3 8.2:59 15.1:54 17.2:54 25.2:22 27.1:55 28.1:40
S14.1 27.2:40 S14.2 15.1:3 19.1:29 25.2:59 27.2:40 39.1:50 S14.3 7.2:59 15.2:55 19.2:55 25.1:48 27.2:40 S15.1 8.2:40
16.1:55 17.1:55 17.2:55 S15.2 7.1:59 8.1:3,4 8.2:40 15.1:2 16.1:1 16.2:55 S15.3 8.2:7,11,12,28,40
25.2:12,17,20,21,30,33,34,36,37,44 S16.1 19.2:40 25.1:11,12,60 40.1:55 40.2:55 S16.2 8.1:11 19.2:40 25.2:12 S16.3
8.1:11 8.2:2-4,6,9 19.2:40 39.2:16 S17.1 16.2:31 S17.2 7.1:13 8.1:9 15.1:42 16.2:31,55 S17.3 7.2:13 8.1:59 16.2:31
17.1:55 20.1:59 S19.1 46.1:75 S19.2 42.1:94-102 49.2:74,79 51.1:61 S19.3 46.1:61 46.2:61,62 S20.2 41.1:63,64
44.1:63,64,66,84 54.1:81 S21.1 59.1:108 S21.2 55.1:65,92,93 57.1:64 58.1:63,64 59.1:74-79 S21.3 57.2:78,79,94 S22.2
61.1:113 S22.3 61.2:61,62 63.2:61-64,78 64.2:61,62 65.2:61,62,119 67.2:64 S23.2 55.1:114 55.2:92 59.1:75 63.1:75 S23.3
55.2:93,94 61.2:61 64.1:92 S24.1 63.1:109 S24.2 62.2:74 67.1:100-103 S24.3 62.2:74 63.2:61,62 S25.1 55.2:119 S25.3
56.2:119 59.2:115 S26.2 44.1:61,62 70.1:92 S26.3 69.2:75 74.2:61,62 75.1:117,118 S27.1 82.1:63 S27.2 44.2:92
79.1:61-64 82.1:92 84.1:61,62 86.1:61 S27.3 41.2:87 80.2:61 82.2:61,62 86.2:61,62 S28.1 87.1:61 S28.2 41.1:91 87.1:61
S28.3 42.2:64 46.2:63,66-72,74,75,77,81-84 48.2:61,62,73 73.2:73 87.1:61 87.2:61,62 S29.1 43.2:92 44.2:92 48.1:73
89.1:63 S29.2 41.1:74,84 44.1:91 48.1:75,81 74.1:81,95,96 80.1:91 88.1:66 89.1:65 90.1:67 S29.3 8.2:65,67 41.1:89
43.1:80,92,105 43.2:85,86 44.2:106 48.1:65 48.2:73-76,92,94 51.2:73-86,110 67.1:98 74.2:110 80.2:66 88.2:78 89.1:75
89.2:61-63 90.2:92,95 S30.2 91.2:91-105 S30.3 44.2:65,81,84 S31.2 42.1:111 51.1:61,62 67.1:67-72 82.1:75 82.2:117
97.1:61,62 S31.3 43.2:74,75 44.2:94 82.2:67-73,75-77,84-86 S32.2 67.1:92 S32.3 67.2:66,67,75-77
"""


def _clip_names(text: str) -> frozenset[str]:
    names = []
    setup = camera = 0
    for word in text.split():
        if word.startswith("S"):
            setup, camera = map(int, word[1:].split("."))
            continue
        take, _, actions = word.partition(":")
        performer, replication = map(int, take.split("."))
        for run in actions.split(","):
            first, _, last = run.partition("-")
            for action in range(int(first), int(last or first) + 1):
                names.append(str(ClipName(setup, camera, performer, replication, action)))
    return frozenset(names)


MISSING = _clip_names(_MISSING)
"""Clips whose skeletons are missing or incomplete, which nobody uses: 302 of NTU RGB+D 60, and 233 of 120 only.

The authors publish these lists (shahroudy/NTURGB-D).
"""


@dataclass(frozen=True)
class Benchmark:
    """One official protocol, and its numbers of clips.

    Args:
        source: `ntu60` or `ntu120`, as in `MotionSet.source`
        split: its name in `kinetic.motion.splits.SPLITS`
        recorded: numbers of train and test clips of every class, missing clips included: of A001 to A060, then of the
            later classes
    """

    source: str
    split: str
    recorded: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        return f"{self.source}-{self.split}"

    @property
    def class_names(self) -> tuple[str, ...]:
        return ACTIONS[: 60 * len(self.recorded)]

    def holds(self, clip: ClipName) -> bool:
        """Whether the data set has a clip of that name, perhaps a missing one."""
        if self.source == "ntu60":
            return clip.setup <= 17 and clip.performer <= 40 and clip.action <= 60
        return (clip.setup <= 17) == (clip.action <= 60)  # the second 60 classes were recorded later, in new setups

    def side(self, clip: ClipName) -> Literal["train", "test"]:
        """The side of the split that a clip is on."""
        rule = SPLITS[self.source][self.split]
        number = {"subject": clip.performer, "view": clip.camera, "setup": clip.setup}[rule["by"]]
        return "train" if number in rule["train"] else "test"

    def expected(self) -> Mapping[str, np.ndarray]:
        """The numbers of clips with a skeleton in each class, for `train` and `test`."""
        counts = {
            side: np.repeat(np.array([part[i] for part in self.recorded], dtype=np.int64), 60)
            for i, side in enumerate(("train", "test"))
        }
        for clip in map(ClipName.parse, MISSING):
            if self.holds(clip):
                counts[self.side(clip)][clip.action - 1] -= 1
        return counts


BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark("ntu60", "xsub", ((672, 276),)),
        Benchmark("ntu60", "xview", ((632, 316),)),
        Benchmark("ntu120", "xsub", ((672, 276), (384, 576))),
        Benchmark("ntu120", "xsetup", ((444, 504), (468, 492))),
    )
}
"""The official protocols by name: Shahroudy et al. 2016 for 60 classes, Liu et al. 2019 for 120."""
