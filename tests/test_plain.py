"""Plain values from YAML and JSON texts: their types, the limits, the messages and the time to read them."""

import json
import math
import time

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kinetic import plain
from kinetic.plain import DEEPEST, LONGEST_NUMBER, MOST_VALUES, TOO_DEEP, json_values, yaml_text, yaml_values


@pytest.fixture(params=["libyaml", "python"])
def scanner(request, monkeypatch):
    """Both scanners: libyaml, and the one in Python that replaces it."""
    if request.param == "python":
        monkeypatch.setattr(plain, "_EVENTS", yaml.SafeLoader)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-12", -12),
        ("+3", 3),
        ("0", 0),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e-4", 1e-4),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("2.", 2.0),
        ("6.02E+23", 6.02e23),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("", None),
        ("~", None),
        ("null", None),
        ("NULL", None),
        ("true", True),
        ("False", False),
        *((word, word) for word in ("yes", "No", "on", "OFF", "y", "n", "nUll", "tRUE", "inf", "nan", "none")),
        *((word, word) for word in ("12:30:00", "1:30", "2020-01-01", "2020-99-99", "2001-12-14T21:59:43Z")),
        *((word, word) for word in ("0777", "08", "-01", "00", "1_000", "0b11", "0o8", "0xG", "1e", "e5", ".")),
        *((word, word) for word in ("1.2.3", "--1", "<<", "=", "C:/a b", "\u0661", "1,5")),
        ("'1'", "1"),
        ('"null"', "null"),
        ("|\n  1\n", "1\n"),
        ("\ufeffa", "a"),
    ],
)
def test_words_and_numbers_follow_yaml_1_2(text, value, scanner):
    read = yaml_values(text)
    assert (type(read), read) == (type(value), value)


def test_nan_is_a_number():
    assert math.isnan(yaml_values(".nan"))


def test_words_keeps_every_word_and_number_as_text():
    assert yaml_values("[1e3, no, null, 08, 'a b']", words=True) == ["1e3", "no", "null", "08", "a b"]


def test_aliases_and_merge_keys_are_followed(scanner):
    text = "a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd: {z: 0, <<: [{x: 9}, *a]}\n'<<': 5\n"
    common = {"x": 1, "y": 2}
    assert yaml_values(text) == {
        "a": common,
        "b": common,
        "c": {"x": 1, "y": 3},
        "d": {"x": 9, "y": 2, "z": 0},
        "<<": 5,
    }


MERGES = "m0: &m0 {a: 1}\n" + "".join(f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}]}}\n" for i in range(1, 30))
LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
TOO_MANY = f"expected at most {MOST_VALUES} keys and values, found more"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MERGES, f"line 5: {TOO_MANY}"),
        (LAUGHS, f"line 5: {TOO_MANY}"),
        (f"a: &a [1]\nb: [{'*a, ' * MOST_VALUES}]", f"line 2: {TOO_MANY}"),
        ("- a\n" * MOST_VALUES, f"line {MOST_VALUES}: {TOO_MANY}"),
        ("[" * 1000, f"line 1: {TOO_DEEP}"),
        ("[\n" * 60, f"line 51: {TOO_DEEP}"),
        ("- " * 1000, f"line 1: {TOO_DEEP}"),
        ("a: &a " + "[" * 30 + "]" * 30 + "\nb: " + "[" * 30 + "*a" + "]" * 30, f"line 2: {TOO_DEEP}"),
        ("a: &a [*a]", "line 1: *a refers to no anchor that is complete before it"),
        ("a: &a 1\nb: &a [*a]", "line 2: *a refers to no anchor that is complete before it"),
        ("a: *b", "line 1: *b refers to no anchor"),
        ("a: {<<: 1}", "line 1: << takes a mapping or a list of them, found 1"),
        ("a: {<<: [1]}", "line 1: << takes a mapping or a list of them, found 1"),
        (
            "a:\n  - !!python/object/apply:os.system ['true']",
            "line 2: found the tag !!python/object/apply:os.system, expected",
        ),
        *((f"a: 1\nb: {tag} a", "line 2: found the tag ") for tag in ("!!binary", "!!str", "!own", "!", "!<x>")),
        ("a: !!set {x}", "line 1: found the tag !!set, expected plain values without tags"),
        ("%TAG ! x\n--- 1", "line 1: found %TAG, expected plain values without tags"),
        ("a: 1\n---\nb: 2", "line 2: a second document begins, expected one"),
        ("a: 1\nb: {c: 1, d: 2, c: 3}", "line 2: the key 'c' is repeated"),
        ("1: a\n'1': b", "line 2: the key '1' is repeated"),
        ("a: {<<: {}, <<: {}}", "line 1: the key '<<' is repeated"),
        ("null: a", "line 1: expected a word or a whole number as a key, found null; quote a word"),
        ("true: a", "line 1: expected a word or a whole number as a key, found true"),
        ("1.5: a", "line 1: expected a word or a whole number as a key, found 1.5"),
        ("[a, b]: c", "line 1: expected a word or a whole number as a key, found ['a', 'b']"),
        ("? {a: b}\n: c", "line 1: expected a word or a whole number as a key, found {'a': 'b'}"),
        (f"a: {'1' * 101}", f"line 1: expected a number of at most {LONGEST_NUMBER} letters, found one of 101"),
        (f"a: 0.{'3' * 101}", f"line 1: expected a number of at most {LONGEST_NUMBER} letters, found one of 103"),
        ("a: 1\nb: 12e4567", "line 2: 12e4567 is too large for a number; quote it if it is a word"),
        ("a: b\nc: \0", r"line 2: expected text, found the character \x00"),
        ("a: b\nc: \x1b[2J", r"line 2: expected text, found the character \x1b"),
        ("a\x00:\x00", r"line 1: expected text, found the character \x00"),  # UTF-16, read as UTF-8
        ("a: '\ud800'", r"line 1: expected text, found the character \ud800"),
        ("a:\n\t- b", "line 2: found character"),
    ],
)
def test_wrong_yaml_is_refused_in_one_short_line_with_its_number(text, message, scanner):
    with pytest.raises(ValueError, match=r"^line [0-9]+: ") as caught:
        yaml_values(text)
    assert str(caught.value).startswith(message)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_tabs_and_open_brackets_are_named(scanner):
    with pytest.raises(ValueError, match=r"^line 2: .*; YAML takes no tab there, write spaces$"):
        yaml_values("a:\n\tb: 1")
    with pytest.raises(ValueError, match=r"^line 2: .*expected ',' or '\]'.* while parsing a flow sequence$"):
        yaml_values("\na: [1")


def test_texts_at_the_limits_are_read():
    deep = "[" * DEEPEST + "]" * DEEPEST
    assert json.dumps(yaml_values(deep)) == deep
    assert len(yaml_values("- a\n" * (MOST_VALUES - 1))) == MOST_VALUES - 1
    assert yaml_values("9" * LONGEST_NUMBER) == 10**LONGEST_NUMBER - 1


SIZE = (1 << 20) - 8
LONG = {
    "lists": "[" * SIZE,
    "dashes": "- " * (SIZE // 2),
    "rows": "- a\n" * (SIZE // 4),
    "anchors": "".join(f"a{i}: &a{i} 1\n" for i in range(SIZE // 16)),
    "empty keys": "? " * (SIZE // 2),
    "keys": "".join(f"k{i}: 1\n" for i in range(SIZE // 12)),
    "a key": "k" * SIZE + ": 1",
    "a word": "a: " + "x " * (SIZE // 2),
    "lines": "a: x" + "\n y" * (SIZE // 3),
    "a number": "a: 0." + "3" * SIZE,
    "numbers": "a: [" + "1e-4, " * (SIZE // 6) + "]",
    "escapes": 'a: "' + "\\u0041" * (SIZE // 6) + '"',
    "directives": "".join(f"%TAG !{i}! x\n" for i in range(SIZE // 16)) + "--- 1",
    "aliases": LAUGHS,
    "merge keys": MERGES,
    "documents": "---\n" * (SIZE // 4),
    "mappings": '{"a":' * (SIZE // 5),
}


@pytest.mark.parametrize("name", LONG)
def test_every_text_is_read_or_refused_quickly(name):
    begin = time.process_time()
    try:
        yaml_values(LONG[name])
    except ValueError as error:
        assert len(str(error)) < 300
    assert time.process_time() - begin < 1  # 0.2 on a quiet machine


ODD = ("yes", "on", "12:30:00", "0777", "08", "1e4", "1_000", "0o17", "0x1F", "null", "~", "2020-01-01", "<<", "=")
WORDS = st.sampled_from(
    [*ODD, ".inf", "-.5", "+1", "1.", " a ", "a: b", "- a", "# a", "a\nb\n", "\ufeff", "\x85", "*a"]
)
WORDS |= st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
NUMBERS = st.integers(-(10**98), 10**98) | st.floats(allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(WORDS, inner, max_size=8),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(WORDS, VALUES, max_size=8))
@example({word: [word, {word: word}] for word in ODD})
def test_written_values_are_read_back_equal(values):
    """By both scanners, and by readers of YAML 1.1."""
    text = yaml_text(values)
    with pytest.MonkeyPatch.context() as patch:
        readings = [yaml_values(text), yaml.safe_load(text)]
        patch.setattr(plain, "_EVENTS", yaml.SafeLoader)
        readings.append(yaml_values(text))
    for read in readings:
        assert repr(read) == repr(values)  # 1 is neither 1.0 nor true


def test_words_are_quoted_only_when_a_reader_needs_it():
    assert yaml_text({"a": ["walk", "sit down", "no", "1e4", "08"], "b": {"c": 1e-05, "d": None}}) == (
        "a: [walk, sit down, 'no', '1e4', '08']\nb:\n  c: 1.0e-05\n  d: null\n"
    )


def test_shared_values_are_written_out():
    shared = ["a"]
    assert yaml_text({"b": shared, "c": shared}) == "b: [a]\nc: [a]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, TOO_DEEP),
        ("[" * 51 + "]" * 51, TOO_DEEP),
        ('{"a": ' * 51 + "1" + "}" * 51, TOO_DEEP),
        ("[NaN]", "found NaN, expected finite numbers"),
        ('{"a": -Infinity}', "found -Infinity, expected finite numbers"),
        ('{"a": [1e999]}', "found a number that is too large"),
        (f'{{"a": {"9" * 101}}}', "expected a number of at most 100 letters, found one of "),
        (f"-{'9' * 100}", "expected a number of at most 100 letters, found one of "),
        ("9" * 5000, "expected a number of at most 100 letters, found one of "),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "the key 'c' is repeated"),
        ('{"a": 1,\n]', "line 2, column 1: not JSON: "),
        ("", "line 1, column 1: not JSON: "),
        ("\ufeff{}", "line 1, column 1: not JSON: "),
    ],
)
def test_wrong_json_is_refused_in_one_short_line(text, message):
    with pytest.raises(ValueError, match=r".") as caught:
        json_values(text)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 200


def test_json_within_the_limits_is_read():
    value = {"a": [1, -2.5, None, True, "x"], "b": {"c": 10**99, "d": []}}
    assert json_values(json.dumps(value)) == value
    assert json_values("[" * 50 + "1" + "]" * 50)
