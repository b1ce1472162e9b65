"""Ablation files: profiles, their precedence, and the file that an error names."""

from __future__ import annotations

import pytest

from kinetic.settings.ablation import ablation_settings, load_ablation

PROFILES = {"small": {"seeds": 2, "scores": {"draws": 5}}}


@pytest.fixture
def write(tmp_path):
    def write(name: str, text: str):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_a_profile_wins_over_files_and_overrides_win_over_it(write):
    file = write("a.yaml", "seeds: 9\nscores: {draws: 9, shown: 9}\nprofiles: {small: {seeds: 2, scores: {draws: 5}}}")
    assert load_ablation(file).seeds == 9
    config = load_ablation(file, profile="small")
    assert (config.seeds, config.scores.draws, config.scores.shown) == (2, 5, 9)
    config = load_ablation(file, profile="small", seeds=4, **{"scores.draws": 1})
    assert (config.seeds, config.scores.draws, config.scores.shown) == (4, 1, 9)


def test_a_profile_without_seeds_leaves_those_of_the_file(write):
    file = write("a.yaml", "seeds: 9\nprofile: small\nprofiles: {small: {seeds: null}}")
    assert load_ablation(file).seeds == 9


def test_an_unknown_profile_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"^there is no profile 'smal'; did you mean small\?$"):
        load_ablation(profile="smal", profiles=PROFILES)
    with pytest.raises(ValueError, match=r"^there is no profile 'small'; the ablation has no profiles$"):
        load_ablation(profile="small")


@pytest.mark.parametrize("order", [("bad.yaml", "good.yaml"), ("good.yaml", "bad.yaml")])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scores: {drawz: 1}", "profiles.small.scores.drawz: unknown key; did you mean scores.draws"),
        ("scores: {draws: 0}", "profiles.small.scores.draws must be at least 1, got 0"),
        ("seeds: 0", "profiles.small.seeds must lie between 1 and 1000, got 0"),
        ("seedz: 1", "profiles.small.seedz: unknown key; did you mean profiles.small.seeds?"),
    ],
)
def test_an_error_in_a_profile_names_its_own_file(write, text, message, order):
    files = {
        "bad.yaml": write("bad.yaml", f"profile: small\nprofiles: {{small: {{{text}}}}}"),
        "good.yaml": write("good.yaml", "scores: {draws: 2}\nprofiles: {small: {}, other: {scores: {draws: 3}}}"),
    }  # fmt: skip
    with pytest.raises(ValueError, match=r".") as caught:
        load_ablation(*(files[name] for name in order))
    assert str(caught.value).startswith(f"{files['bad.yaml']}: {message}")


def test_an_error_in_the_file_does_not_name_a_file_with_a_profile(write):
    bad = write("bad.yaml", "scores: {draws: 0}")
    good = write("good.yaml", "profiles: {small: {scores: {draws: 3}}}")
    with pytest.raises(ValueError, match=r"bad\.yaml: scores\.draws must be at least 1, got 0"):
        load_ablation(bad, good)


def test_profiles_that_a_later_file_turns_on_may_be_null_in_an_earlier_one(write):
    off, on = write("off.yaml", "profiles:"), write("on.yaml", "profile: small\nprofiles: {small: {seeds: 2}}")
    assert load_ablation(off, on).seeds == 2


def test_the_command_line_sets_keys_without_names_of_the_user():
    settings = ablation_settings()
    assert {"seeds", "profile", "scores.draws", "slurm.minutes"} <= set(settings)
    assert not {"recipes", "benchmarks", "profiles", "published", "slurm.options"} & set(settings)
    assert all(entry.meaning for entry in settings.values())
