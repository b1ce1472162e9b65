"""Experiment files and overrides: accepted settings, refused settings, and the messages."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kinetic.families.experiments import experiment_settings as settings
from kinetic.families.experiments import from_plain, layered, load_experiment, read_by, save_experiment
from kinetic.families.kinetic_gan import KINETIC_GAN
from kinetic.families.table import FAMILIES
from kinetic.messages import suggestion
from kinetic.plain import yaml_text, yaml_values
from kinetic.settings.experiment import Experiment
from kinetic.settings.kinetic_gan import CriticConfig, GanExperiment, GanTrainingConfig, QuantileConfig
from kinetic.settings.reading import differences, to_plain, value_from_text


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path, text):
    with pytest.raises(ValueError, match=r".") as caught:
        load_experiment(write(path, text))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path)).lstrip(": ")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.yaml"


def test_nothing_said_is_the_defaults(file):
    assert load_experiment() == GanExperiment()
    assert load_experiment(write(file, "")) == GanExperiment()
    assert load_experiment(write(file, "# only words\n")) == GanExperiment()


def test_a_file_holds_differences(file):
    experiment = load_experiment(write(file, "seed: 3\ncritic: {pooling: max, noise: {std: 0.1}}\n"))
    assert (experiment.seed, experiment.critic.pooling, experiment.critic.noise.std) == (3, "max", 0.1)
    assert experiment.training == GanTrainingConfig()


def test_later_files_win_and_overrides_over_all(tmp_path):
    first = write(tmp_path / "1.yaml", "seed: 1\nname: one\ncritic: {pooling: max, label_smoothing: 0.5}\n")
    second = write(tmp_path / "2.yaml", "seed: 2\ncritic: {pooling: gem}\n")
    experiment = load_experiment(first, second, **{"critic.label": "project"}, data={"frames": 32})
    assert (experiment.name, experiment.seed, experiment.data.frames) == ("one", 2, 32)
    assert experiment.critic == CriticConfig(pooling="gem", label_smoothing=0.5, label="project")


def test_an_optional_section_is_turned_on_changed_and_turned_off(tmp_path):
    on = write(tmp_path / "on.yaml", "training: {quantile: {q: 0.9}}")
    assert load_experiment(on).training.quantile == QuantileConfig(q=0.9)
    assert load_experiment(on, **{"training.quantile.std": 2}).training.quantile == QuantileConfig(q=0.9, std=2.0)
    assert load_experiment(on, training={"quantile": None}).training.quantile is None
    assert load_experiment(training={"quantile": {}}).training.quantile == QuantileConfig()


def test_tuples_stay_tuples_and_whole_numbers_become_floats():
    training = load_experiment(training={"betas": [0, 0.9], "loggers": ["wandb"], "penalty": 1}).training
    assert training.betas == (0.0, 0.9)
    assert training.loggers == ("wandb",)
    assert isinstance(training.penalty, float)


def test_numbers_are_read_as_python_writes_them(file):
    training = load_experiment(write(file, "training: {learning_rate: 1e-4, precision: 32}")).training
    assert training.learning_rate == 1e-4
    assert training.precision == "32"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("critik: {}", "critik: unknown key; did you mean critic?"),
        ("critic: {poling: max}", "critic.poling: unknown key; did you mean critic.pooling?"),
        ("qqq: 1", "qqq: unknown key; expected one of: name, model, seed, "),
        ("critic: {noise: {sdt: 1}}", "critic.noise.sdt: unknown key; did you mean critic.noise.std?"),
        ("training: {quantile: {zz: 1}}", "training.quantile.zz: unknown key; expected one of: training.quantile.q, "),
        ("critic: {class_path: os.system}", "critic.class_path: unknown key; "),
        ("critic.pooling: max", "critic.pooling: unknown key; in a file, sections nest: critic: {pooling: ...}"),
        ("1: 2", "1: unknown key; "),
        ("critic: {pooling: maxx}", "critic.pooling: expected one of mean, max, gem, attention, got 'maxx'; did you"),
        ("critic: {pooling: [max]}", "critic.pooling: expected one of mean, max, gem, attention, got ['max']"),
        ("critic: 3", "critic: expected a section with widths, label, "),
        ("critic:", "critic: expected a section with widths, label, "),
        ("training: {quantile: 1}", "training.quantile: expected a section with q, nudge, std, kind, or null, got 1"),
        ("seed: zero", "seed: expected a whole number, got 'zero'"),
        ("seed: 1.5", "seed: expected a whole number, got 1.5"),
        ("seed: true", "seed: expected a whole number, got true"),
        ("seed: '1'", "seed: expected a whole number, got '1'"),
        ("seed:", "seed: expected a whole number, got null"),
        ("name: 3", "name: expected a word, got 3"),
        ("data: {balanced: 1}", "data.balanced: expected true or false, got 1"),
        ("data: {classes: walk}", "data.classes: expected a list of words, or null, got 'walk'"),
        ("data: {classes: [walk, 3]}", "data.classes: expected a word, got 3"),
        ("generator: {widths: [1, 2]}", "generator.widths: expected a list of 5 whole numbers, got [1, 2]"),
        ("critic: {features: [velocity, bones]}", "critic.features: expected one of velocity, bone, got 'bones'; did"),
        ("training: {max_norm: .nan}", "training.max_norm: expected a number, or null, got nan"),
        ("training: {penalty: .inf}", "training.penalty: expected a number, got inf"),
        ("[1, 2]", "expected settings such as `seed: 0`, got [1, 2]"),
        ("just words", "expected settings such as `seed: 0`, got 'just words'"),
        ("seed: 1\nname: a\nseed: 2", ", line 3: the key 'seed' is repeated"),
        ("seed: [1", ", line 1: "),
        ("seed: !!python/object/apply:os.system ['true']", ", line 1: found the tag !!python/object/apply:os.system"),
        ("seed: 2020-99-99", "seed: expected a whole number, got '2020-99-99'"),
        ("seed: 12:30:00", "seed: expected a whole number, got '12:30:00'"),
        ("seed: 0777", "seed: expected a whole number, got '0777'"),
        ("seed: 1e3", "seed: expected a whole number, got 1000.0; write 1000"),
        ("data: {balanced: yes}", "data.balanced: expected true or false, got 'yes'"),
        ("data: {classes: [walk, 3]}", "data.classes: expected a word, got 3; put a word in quotes"),
        ("data: {classes: {a: 1}}", "data.classes: expected a list of words, or null, got {'a': 1}"),
        ("training: {betas: [a, b]}", "training.betas: expected a number, got 'a'"),
        ("training: {1: 2}", "training: expected names, got 1; quote a name that is a number"),
        ("data: {2: {3: 4}}", "data: expected names, got 2; quote a name that is a number"),
        ("a: " + "[" * 5000, ", line 1: nested too deeply"),
        ("seed: -1", "seed must lie between 0 and 9223372036854775807, got -1"),
        ("data: {frames: 30}", "data.frames must be a multiple of 16, got 30"),
        ("data: {workers: 1000000}", "data.workers must lie between 0 and 256, because each is a process, got 1000000"),
        ("data: {synthetic: {subjects: 1000000}}", "synthetic.subjects must lie between 2 and 10000, got 1000000"),
        (
            "training: {devices: 1000000}",
            "training.devices must lie between 1 and 256, because each is a process of this",
        ),
        (
            "training: {nodes: 1000000}",
            "training.nodes must lie between 1 and 4096, because each is a machine, got",
        ),
        ("generator: {mapping_depth: 10000000}", "generator.mapping_depth must lie between 1 and 64, got 10000000"),
        ("generator: {latent: 100000}", "generator.latent must lie between 1 and 16384, got 100000"),
        ("critic: {label_width: 100000}", "critic.label_width must lie between 1 and 16384, got 100000"),
        ("generator: {widths: [8, 8, 8, 8, 1000000]}", "generator.widths needs 5 channel counts from 1 to 16384, got"),
        (
            f"model: encoder\nencoder: {{widths: {[8] * 65}}}",
            "encoder.widths needs 1 to 64 channel counts from 1 to 16384, got [8, 8,",
        ),
        ("name: a/b", "name must be a plain file name, got 'a/b'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_with_file_key_and_choices(file, text, message):
    assert refusal(file, text).startswith(message.removeprefix(": "))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: encoder\ntraining: {penalty: 99}", "training.penalty: model encoder does not read it; gan does"),
        ("model: encoder\ncritic: {pooling: max}", "critic: model encoder does not read it; gan does"),
        ("model: encoder\ndata: {scaling: standard}", "data.scaling: model encoder does not read it; gan does"),
        ("encoder: {widths: [8]}", "encoder: model gan does not read it; encoder does"),
        ("model: gam", "model: unknown family 'gam'; did you mean gan?"),
        ("model: 3", "model: unknown family 3; expected one of: gan, encoder"),
        ("model: encoder\ndata: {frames: 60}", "data.frames must be a multiple of 8, because the encoder takes"),
    ],
)
def test_a_setting_that_the_model_does_not_read_is_refused_by_name(file, text, message):
    assert refusal(file, text).startswith(message)


def test_each_family_checks_its_own_sizes():
    assert load_experiment(model="encoder", data={"frames": 60}, encoder={"widths": [16, 16]}).data.frames == 60
    with pytest.raises(ValueError, match=r"data\.frames must be a multiple of 16, got 60"):
        load_experiment(data={"frames": 60})


def test_a_later_layer_that_chooses_another_model_drops_what_earlier_ones_say_to_the_model_before(file):
    write(file, "data: {frames: 32, scaling: standard}\ngenerator: {output: linear}\ntraining: {penalty: 1, epochs: 7}")
    experiment = load_experiment(file, model="encoder")
    assert (experiment.data.frames, experiment.training.epochs) == (32, 7)
    with pytest.raises(ValueError, match=r"^training\.penalty: model encoder does not read it"):
        load_experiment(file, model="encoder", **{"training.penalty": 2})


def test_settings_of_all_families_as_version_0_1_wrote_them_are_read_where_they_are_not_strict():
    old = {**to_plain(load_experiment(model="encoder")), "critic": {"pooling": "max"}, "generator": {"latent": 8}}
    old["training"] = {**old["training"], "penalty": 5.0, "quantile": None}
    with pytest.raises(ValueError, match="model encoder does not read it"):
        from_plain(old)
    assert from_plain(old, strict=False) == load_experiment(model="encoder")
    with pytest.raises(ValueError, match="critik: unknown key"):
        from_plain({**old, "critik": {}}, strict=False)


@dataclass(frozen=True, kw_only=True)
class OwnExperiment(Experiment):
    """Settings of a family of the user, where `critic` is a mapping with names of the user."""

    model: str = "own"
    critic: dict[str, Any] = field(default_factory=dict)


def test_names_of_the_user_in_a_mapping_are_none_of_another_family(monkeypatch, file):
    monkeypatch.setitem(FAMILIES, "own", replace(KINETIC_GAN, name="own", settings=OwnExperiment))
    critic = {"pooling": "sum", "more": {"a.b": [1]}}
    assert load_experiment(model="own", critic=critic).critic == critic
    write(file, "critic: {pooling: sum}\ngenerator: {latent: 8}")
    assert load_experiment(file, model="own").critic == {"pooling": "sum"}
    plain = {"model": "own", "critic": critic, "generator": {"latent": 8}}
    assert from_plain(plain, strict=False).critic == critic
    assert layered({"model": "own", "critic": {"x": 1}}, {"critic.y": 2})["critic"] == {"x": 1, "y": 2}
    assert [family.name for family in read_by("critic.pooling")] == ["gan", "own"]


def test_a_word_that_a_user_adds_to_a_table_is_a_choice(monkeypatch):
    from kinetic.nn.pooling import POOLING

    with pytest.raises(ValueError, match=r"critic\.pooling: expected one of mean, max, gem, attention, got 'lse'"):
        load_experiment(critic={"pooling": "lse"})
    monkeypatch.setitem(POOLING, "lse", lambda x: x.logsumexp(dim=(2, 3)))
    assert load_experiment(critic={"pooling": "lse"}).critic.pooling == "lse"


def test_differences_are_what_is_not_as_by_default():
    assert differences(load_experiment()) == {}
    experiment = load_experiment(seed=3, data={"frames": 32}, training={"quantile": {"q": 0.9}})
    assert differences(experiment) == {"seed": 3, "data": {"frames": 32}, "training": {"quantile": {"q": 0.9}}}


def test_the_file_that_is_to_blame_is_named(tmp_path):
    good, bad = write(tmp_path / "good.yaml", "seed: 1"), write(tmp_path / "bad.yaml", "data: {frames: 30}")
    for order in ([good, bad], [bad, good]):
        with pytest.raises(ValueError, match=r"bad\.yaml: data\.frames must be") as caught:
            load_experiment(*order)
        assert "good" not in str(caught.value)


def test_a_wrong_override_blames_no_file(file):
    with pytest.raises(ValueError, match=r"^data\.frames must be a multiple"):
        load_experiment(write(file, "seed: 1"), data={"frames": 30})


def test_settings_that_clash_only_together_are_refused(tmp_path):
    first, second = write(tmp_path / "1.yaml", "data: {scaling: standard}"), write(tmp_path / "2.yaml", "seed: 1")
    with pytest.raises(ValueError, match="tanh cannot reach"):
        load_experiment(first, second)
    assert load_experiment(first, second, generator={"output": "linear"}).data.scaling == "standard"


def test_files_that_are_not_there_or_not_text_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.yaml: no such file; expected a YAML file or a name: demo, "):
        load_experiment(tmp_path / "nowhere.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match=r"binary\.yaml: expected text in UTF-8"):
        load_experiment(binary)
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * 1_048_577)
    with pytest.raises(ValueError, match="at most 1048576 bytes, found 1048577"):
        load_experiment(huge)


def test_nothing_is_imported_because_a_file_says_so(file):
    before = set(sys.modules)
    refusal(file, "skeleton: {class_path: wave.open, init_args: {f: x}}")
    assert load_experiment(write(file, "skeleton: wave.open")).skeleton == "wave.open"
    assert "wave" not in set(sys.modules) - before


def test_saving_and_loading_is_the_identity(tmp_path):
    experiment = load_experiment(
        name="two: words #1",
        seed=2**62,
        data={"classes": ["walk", "no", "1e3", "null", "äöü", "12:30:00", "0777", "08", "2020-01-01"], "source": "~"},
        training={"learning_rate": 1e-05, "quantile": {"q": 0.25}, "loggers": ["tensorboard"], "max_norm": 3e300},
        critic={"features": ["velocity", "bone"]},
    )
    path = tmp_path / "config.yaml"
    save_experiment(experiment, path)
    assert load_experiment(path) == experiment
    assert from_plain(to_plain(experiment)) == experiment
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.yaml"]


@given(
    st.floats(0, 1e300),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0"), min_size=1),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
)
def test_any_value_survives_yaml(penalty, name, classes):
    if name in {".", ".."}:
        return
    experiment = GanExperiment(name=name)
    plain = to_plain(experiment) | {"training": {"penalty": penalty}, "data": {"classes": classes}}
    again = from_plain(yaml_values(yaml_text(plain)))
    assert (again.name, again.training.penalty, again.data.classes) == (name, penalty, classes)


def test_files_that_were_written_as_yaml_1_1_are_read(file):
    experiment = load_experiment(
        seed=2**62,
        data={"classes": ["walk", "no", "null", "12:30:00", "0777", "08", "2020-01-01"]},
        training={"learning_rate": 1e-05, "quantile": {"q": 0.25}, "max_norm": 3e300},
    )
    assert load_experiment(write(file, yaml.safe_dump(to_plain(experiment)))) == experiment


@pytest.mark.parametrize(
    "plain",
    [
        {"k" * 100_000: 1},
        {"training": {"k" * 100_000: 1}},
        {"name": "a/" * 5000},
        {"data": {"scaling": "k" * 100_000}},
        {"data": {"classes": [["walk"] * 5000]}},
        {"data": {"bad\n\x1b[2J": 1}},
        {".".join("a" * 5000): 1, ".".join("a" * 4999) + ".b": 1},
        {"training": {"penalty": 10**400}},
    ],
)
def test_no_complaint_is_longer_than_600_letters_or_a_line(plain):
    for load in (lambda: load_experiment(**plain), lambda: from_plain(plain)):
        with pytest.raises(ValueError, match=r".") as caught:
            load()
        assert len(str(caught.value)) <= 600
        assert str(caught.value).isprintable()


def test_a_long_list_of_names_is_cut_short():
    assert suggestion("zzz", ["walk", "sit"]) == "expected one of: walk, sit"
    text = suggestion("zzz", [f"class number {i}" for i in range(1000)])
    assert text.startswith("expected one of: class number 0, class number 1, ")
    assert text.endswith("and 976 more")
    assert len(text) < 500


def test_the_plain_form_holds_plain_values_only():
    def check(value):
        assert type(value) in (dict, list, str, int, float, bool, type(None))
        for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(entry)

    check(to_plain(load_experiment(training={"quantile": {}})))


def test_from_plain_names_where_it_came_from():
    with pytest.raises(ValueError, match=r"^last\.ckpt: seed: expected a whole number"):
        from_plain({"seed": "x"}, where="last.ckpt")


def test_every_setting_has_a_meaning_and_says_what_is_possible():
    for key, setting in settings().items():
        assert setting.meaning, key
        assert setting.possible, key


def test_every_field_is_a_setting():
    def leaves(value, prefix=""):
        for entry in fields(value):
            inner = getattr(value, entry.name)
            if is_dataclass(inner):
                yield from leaves(inner, f"{prefix}{entry.name}.")
            else:
                yield prefix + entry.name

    assert set(leaves(GanExperiment())) <= set(settings())
    assert "training.quantile.q" in settings()


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("name", "1e3", "1e3"),
        ("name", "null", "null"),
        ("skeleton", "null", None),
        ("seed", "3", 3),
        ("data.balanced", "true", True),
        ("data.classes", "walk,sit down", ["walk", "sit down"]),
        ("data.classes", "[walk, 'no']", ["walk", "no"]),
        ("data.classes", "null", None),
        ("data.subjects", "1,P002", ["1", "P002"]),
        ("data.views", "1,2", [1, 2]),
        ("training.precision", "32", "32"),
        ("training.quantile", "{q: 0.5}", {"q": 0.5}),
        ("training.quantile", "null", None),
        ("critic.features", "", []),
        ("seed", "[", "["),
        ("seed", "1e3", 1000.0),
        ("training.steps", "1_000", "1_000"),
        ("training.learning_rate", "1e-4", 1e-4),
        ("data.balanced", "yes", "yes"),
        ("data.views", "[1, *a]", "[1, *a]"),
        ("data.subjects", "08,1e3,~", ["08", "1e3", "~"]),
    ],
)
def test_typed_text_becomes_the_value_that_was_meant(key, text, value):
    assert value_from_text(settings()[key], text) == value


def test_lists_that_nest_by_reference_are_refused_in_a_line(tmp_path):
    lines = ["&a [x, x]"]
    for old, new in pairwise("abcdefghijkl"):
        lines.append(f"&{new} [{', '.join([f'*{old}'] * 10)}]")  # ten times as long each, written out
    assert len(refusal(tmp_path / "bomb.yaml", f"data: {{classes: [{', '.join(lines)}]}}")) < 300
