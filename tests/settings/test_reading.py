"""The reader of settings on small dataclasses: nesting, errors, defaults, texts of the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch

from kinetic.settings.choice import Choice
from kinetic.settings.reading import (
    Layer,
    build,
    differences,
    dotted_keys,
    merged,
    nested,
    settings_of,
    to_plain,
    value_from_text,
)


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel.

    Args:
        size: its radius
            in metres
        colour: its colour
    """

    size: float = 1.0
    colour: Annotated[str, Choice(("red", "blue"))] = "red"

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise ValueError(f"size must be positive, got {self.size}")


@dataclass(frozen=True, kw_only=True)
class Engine:
    power: int
    fuel: Literal["petrol", "diesel"] = "petrol"


@dataclass(frozen=True, kw_only=True)
class Car:
    """A car.

    Args:
        name: its name
    """

    name: str = "car"
    doors: Literal[3, 5] = 5
    front: Wheel = field(default_factory=lambda: Wheel(size=2.0))
    spare: Wheel | None = None
    spares: dict[str, Wheel] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    seats: tuple[int, int] = (2, 3)
    tags: tuple[str, ...] = ()
    code: int | str = 0
    engine: Engine = field(default_factory=lambda: Engine(power=1))

    def __post_init__(self) -> None:
        if self.name == "silent":
            raise ValueError
        if self.name == "odd":
            raise AssertionError("name must not be odd")


def car(*layers: dict[str, Any], **settings: Any) -> Car:
    """The car of one layer without a place, or of several that are called a, b and so on."""
    return build(
        Car, [Layer(f"{'abc'[i]}: ", layer) for i, layer in enumerate(layers)] or [Layer("", nested(settings))]
    )


def refusal(*layers: dict[str, Any], **settings: Any) -> str:
    with pytest.raises(ValueError, match=r".?") as caught:
        car(*layers, **settings)
    return str(caught.value)


def test_dotted_keys_and_sections_nest_and_merge():
    assert nested({"a.b.c": 1, "a": {"b": {"d": 2}}}) == {"a": {"b": {"c": 1, "d": 2}}}
    assert nested({"a.b": 1}, dots=False) == {"a.b": 1}
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 4}, "d": {"e": 5}}) == {
        "a": {"b": 4, "c": 2},
        "d": {"e": 5},
    }
    assert dotted_keys({"a": {"b": 1}, "c": 2}) == {"a", "a.b", "c"}


def test_numbers_of_numpy_and_torch_are_plain_numbers():
    plain = nested(
        {"a": np.int64(3), "b": [np.float32(0.5)], "c": np.bool_(True), "d": torch.tensor(2), "e": np.str_("x")}
    )
    assert plain == {"a": 3, "b": [0.5], "c": True, "d": 2, "e": "x"}
    assert [type(plain[name]) for name in "acde"] == [int, bool, int, str]


def inside_itself() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["a"] = value
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(2), r"a\.b: expected a plain value, got array\(\[0\., 0\.\]\)"),
        (torch.zeros(2), r"a\.b: expected a plain value, got tensor"),
        (1j, r"a\.b: expected a plain value, got 1j"),
        ("\ud800", r"a\.b: expected text that UTF-8 can hold, got '\\ud800'"),
        ({"\ud800": 1}, r"a\.b: expected names, got '\\ud800'"),
        ({"": 1}, r"a\.b: expected names, got ''"),
        (2**400, r"a\.b: expected a number of at most 100 digits"),
        (inside_itself(), r"a\.b\..*: nested too deeply, expected at most 50"),
    ],
)
def test_a_value_that_no_file_can_hold_is_refused_with_its_key(value, message):
    with pytest.raises(ValueError, match=f"^x: {message}"):
        nested({"a.b": value}, "x: ")


def test_a_key_that_no_file_can_hold_is_unknown():
    with pytest.raises(ValueError, match=r"^a\\ud800: unknown key$"):
        nested({"a\ud800": 1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"front": {"sise": 1}}, "front.sise: unknown key; did you mean front.size?"),
        ({"spare": {"zz": 1}}, "spare.zz: unknown key; expected one of: spare.size, spare.colour"),
        ({"spares": {"x": {"sise": 1}}}, "spares.x.sise: unknown key; did you mean spares.x.size?"),
        ({"spares": {"x": {"size": "a"}}}, "spares.x.size: expected a number, got 'a'"),
        ({"spares": {"x": {"size": 0}}}, "spares.x.size must be positive, got 0.0"),
        ({"spares": {"x": 3}}, "spares.x: expected a section with size, colour, got 3"),
        ({"spare": {"colour": "blu"}}, "spare.colour: expected one of red, blue, got 'blu'; did you mean 'blue'?"),
        ({"seats": [1]}, "seats: expected a list of 2 whole numbers, got [1]"),
        ({"seats": [1, 2, 3]}, "seats: expected a list of 2 whole numbers, got [1, 2, 3]"),
        ({"seats": [1, 2.5]}, "seats: expected a whole number, got 2.5"),
        ({"doors": 4}, "doors: expected one of 3, 5, got 4"),
        ({"doors": "4"}, "doors: expected one of 3, 5, got '4'"),
        ({"code": 1.5}, "code: expected a whole number or a word, got 1.5"),
        ({"engine": {"fuel": "diesel"}}, "engine.power: expected a whole number, got nothing"),
        ({"name": "odd"}, "name must not be odd"),
        ({"name": "silent"}, ""),
    ],
)  # fmt: skip
def test_an_error_names_the_key_and_what_is_possible(settings, message):
    assert refusal(**settings) == message


def test_a_mapping_with_names_of_the_user_takes_any_plain_value():
    notes = {"a.b": [1, None, {"c": "d"}]}
    assert car(notes=notes).notes == notes


def test_the_last_layer_with_the_key_is_to_blame():
    assert refusal({"doors": 4}, {"name": "x"}).startswith("a: doors: ")
    assert refusal({"name": "x"}, {"doors": 4}).startswith("b: doors: ")
    assert refusal({"spares": {"w" * 100: {"size": 0}}}, {"name": "x"}).startswith("a: spares.www")


def test_a_layer_with_the_whole_key_is_to_blame_before_one_whose_key_ends_like_it():
    assert refusal({"name": "odd"}, {"spares": {"name": {"size": 3}}, "notes": {"name": 3}}).startswith("a: name must")


def test_settings_that_differ_from_a_default_section_differ_though_they_are_the_defaults_of_their_class():
    assert differences(Car()) == {}
    assert differences(Car(front=Wheel())) == {"front": {"size": 1.0}}
    assert differences(Car(spare=Wheel())) == {"spare": {}}
    assert differences(Car(spares={"x": Wheel(size=3.0)})) == {"spares": {"x": {"size": 3.0, "colour": "red"}}}
    assert differences(Engine(power=3)) == {"power": 3}


def test_the_plain_form_is_read_back_to_equal_settings():
    settings = car(spares={"x": {"size": 3}}, spare={}, tags=["a"], code="x", notes={"a": 1})
    assert build(Car, [Layer("", nested(to_plain(settings)))]) == settings
    assert settings.spares == {"x": Wheel(size=3.0)}


def test_meanings_come_from_docstrings_in_any_indentation():
    settings = settings_of(Wheel)
    assert {key: entry.meaning for key, entry in settings.items()} == {
        "size": "its radius in metres",
        "colour": "its colour",
    }

    class Indented:
        @dataclass(frozen=True, kw_only=True)
        class Inner:
            """A thing.

            Args:
                size: its size
            """

            size: float = 0.0

    assert settings_of(Indented.Inner)["size"].meaning == "its size"


def test_every_annotation_has_words():
    words = {key: entry.possible for key, entry in settings_of(Car).items()}
    assert words["spares"] == "names, each with what it stands for"
    assert words["code"] == "a whole number or a word"
    assert words["spare"] == "a section with size, colour, or null"
    assert words["tags"] == "a list of words"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("tags", "08,1e3", ["08", "1e3"]),
        ("doors", "3", 3),
        ("front.colour", "3", "3"),
        ("notes", "{a: 1}", {"a": 1}),
        ("spare", "null", None),
        ("code", "3", 3),
    ],
)
def test_a_text_becomes_the_value_that_its_key_takes(key, text, value):
    assert value_from_text(settings_of(Car)[key], text) == value
