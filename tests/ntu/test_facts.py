"""Tests of kinetic/ntu/facts.py: names of clips, and the official counts."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetic.motion.splits import SPLITS
from kinetic.ntu.facts import ACTIONS, BENCHMARKS, MISSING, MUTUAL, ClipName

clips = st.builds(
    ClipName,
    setup=st.integers(1, 32),
    camera=st.integers(1, 3),
    performer=st.integers(1, 106),
    replication=st.integers(1, 2),
    action=st.integers(1, 120),
)


# -------------------------------------------------------------------------------------------------------------- names


def test_a_name_has_five_numbers():
    clip = ClipName.parse("S001C002P003R002A013")
    assert clip == ClipName(setup=1, camera=2, performer=3, replication=2, action=13)
    assert ClipName.parse("S001C002P003R002A013.skeleton") == clip


@given(clips, clips)
def test_names_come_back_and_sort_as_their_texts(one, other):
    assert ClipName.parse(str(one)) == one
    assert (one < other) == (str(one) < str(other))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S001C002P003R002A13",
        "s001c002p003r002a013",
        "S001C002P003R002A013.skeleton.gz",
        "S001C002P003R002A013\n",
        " S001C002P003R002A013",
        "raw/S001C002P003R002A013.skeleton",
        "S001C002P003R002A013 (1).skeleton",
        "S００1C002P003R002A013",
        "S001C002P003R002A013_rgb",
        "S0001C002P003R002A013",
    ],
)
def test_other_names_are_refused(text):
    with pytest.raises(ValueError, match="found the name .*, expected one like S001C002P003R002A013"):
        ClipName.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S000C002P003R002A013", "found setup 0, expected 1 to 32"),
        ("S033C002P003R002A013", "found setup 33, expected 1 to 32"),
        ("S001C004P003R002A013", "found camera 4, expected 1 to 3"),
        ("S001C002P107R002A013", "found performer 107, expected 1 to 106"),
        ("S001C002P003R003A013", "found replication 3, expected 1 to 2"),
        ("S001C002P003R002A121", "found action 121, expected 1 to 120"),
    ],
)
def test_numbers_out_of_range_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        ClipName.parse(text)


# ------------------------------------------------------------------------------------------------------------ actions


def test_there_are_120_different_actions_of_which_26_are_mutual():
    assert len(ACTIONS) == len(set(ACTIONS)) == 120
    assert len(MUTUAL) == 26
    assert [ACTIONS[number - 1] for number in (1, 24, 50, 55, 60, 61, 106, 112, 120)] == [
        "drink water",
        "kicking something",
        "punch/slap",
        "hug",
        "walk apart",
        "put on headphone",
        "hit with object",
        "high-five",
        "rock-paper-scissors",
    ]


# ------------------------------------------------------------------------------------------------- missing skeletons


def test_535_clips_are_missing_of_which_302_are_of_ntu_60():
    names = sorted(MISSING)
    assert len(names) == 535 and [str(ClipName.parse(name)) for name in names] == names
    old = [clip for clip in map(ClipName.parse, names) if BENCHMARKS["ntu60-xsub"].holds(clip)]
    assert len(old) == 302
    assert all(clip.setup > 17 for clip in set(map(ClipName.parse, names)) - set(old))
    assert all(BENCHMARKS["ntu120-xsub"].holds(ClipName.parse(name)) for name in names)
    assert Counter(clip.action for clip in old).most_common(1) == [(55, 42)]
    assert Counter(clip.camera for clip in old) == {1: 18960 - 18932, 2: 18960 - 18847, 3: 18960 - 18799}


def test_the_list_of_missing_clips_has_its_checksum():
    text = "\n".join(sorted(MISSING))
    assert text.startswith("S001C002P005R002A008\nS001C002P006R001A008\nS001C003P002R001A055\n")
    assert text.endswith("S032C003P067R002A075\nS032C003P067R002A076\nS032C003P067R002A077")
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "58d30a6fdf262ab9"


# --------------------------------------------------------------------------------------------------- official counts


@pytest.mark.parametrize(
    ("name", "train", "test", "single", "mutual", "train_range", "test_range"),
    [
        ("ntu60-xsub", 40_091, 16_487, 32_772, 7_319, (632, 672), (271, 276)),
        ("ntu60-xview", 37_646, 18_932, 30_757, 6_889, (597, 632), (309, 316)),
        ("ntu120-xsub", 63_026, 50_919, 49_954, 13_072, (374, 672), (271, 576)),
        ("ntu120-xsetup", 54_468, 59_477, 42_604, 11_864, (426, 468), (479, 504)),
    ],
)
def test_expected_counts_are_the_official_ones(name, train, test, single, mutual, train_range, test_range):
    benchmark = BENCHMARKS[name]
    counts = benchmark.expected()
    pairs = [number - 1 for number in sorted(MUTUAL) if number <= len(benchmark.class_names)]
    assert counts["train"].sum() == train and counts["test"].sum() == test
    assert counts["train"][pairs].sum() == mutual and counts["train"].sum() - counts["train"][pairs].sum() == single
    assert (counts["train"].min(), counts["train"].max()) == train_range
    assert (counts["test"].min(), counts["test"].max()) == test_range


@pytest.mark.parametrize(
    ("name", "side", "action"),
    [
        ("ntu60-xsub", "train", 55),
        ("ntu60-xsub", "test", 13),
        ("ntu60-xview", "train", 55),
        ("ntu120-xsub", "train", 61),
        ("ntu120-xsetup", "train", 55),
    ],
)
def test_the_smallest_class_is_the_known_one(name, side, action):
    assert BENCHMARKS[name].expected()[side].argmin() + 1 == action


def test_missing_clips_are_on_both_sides_as_published():
    for name, train, test in (("ntu60-xsub", 229, 73), ("ntu60-xview", 274, 28)):
        benchmark = BENCHMARKS[name]
        held = [clip for clip in map(ClipName.parse, MISSING) if benchmark.holds(clip)]
        assert Counter(map(benchmark.side, held)) == {"train": train, "test": test}


def test_every_benchmark_has_its_split():
    assert sorted(BENCHMARKS) == ["ntu120-xsetup", "ntu120-xsub", "ntu60-xsub", "ntu60-xview"]
    for name, benchmark in BENCHMARKS.items():
        assert benchmark.name == name and benchmark.split in SPLITS[benchmark.source]


@given(clips)
def test_ntu_120_has_all_clips_of_ntu_60(clip):
    if BENCHMARKS["ntu60-xsub"].holds(clip):
        assert BENCHMARKS["ntu120-xsub"].holds(clip)


def test_classes_and_setups_belong_together():
    for name, old, new in (("S017C001P001R001A060", True, True), ("S018C001P001R001A061", False, True),
                           ("S017C001P001R001A061", False, False), ("S018C001P001R001A060", False, False)):  # fmt: skip
        clip = ClipName.parse(name)
        assert (BENCHMARKS["ntu60-xsub"].holds(clip), BENCHMARKS["ntu120-xsub"].holds(clip)) == (old, new)
