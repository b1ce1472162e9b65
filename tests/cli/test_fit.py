"""`kinetic fit`: its settings, its files and the way it ends."""

from __future__ import annotations

import signal

import pytest
import yaml

from kinetic.cli.main import main
from kinetic.families.experiments import from_plain
from kinetic.settings.kinetic_gan import GanExperiment, QuantileConfig


def printed_config(capsys, *words):
    assert main(["fit", *map(str, words), "--print-config"]) == 0
    return from_plain(yaml.safe_load(capsys.readouterr().out))


def test_fit_without_words_is_refused(capsys):
    assert main(["fit"]) == 2
    assert "name a preset (--list shows them) or an experiment file" in capsys.readouterr().err


def test_settings_are_typed_on_the_command_line(capsys):
    words = ["--critic.pooling", "max", "--training.learning_rate=1e-3", "--data.classes", "walk,sit down"]
    experiment = printed_config(
        capsys, *words, "--data.balanced", "true", "--training.quantile.q", "0.9", "--name", "7"
    )
    assert experiment.critic.pooling == "max"
    assert experiment.training.learning_rate == 1e-3
    assert experiment.data.classes == ["walk", "sit down"]
    assert experiment.data.balanced is True
    assert experiment.training.quantile == QuantileConfig(q=0.9)
    assert experiment.name == "7"


def test_files_and_options_mix_and_options_win(capsys, tmp_path):
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text("seed: 1\nname: one\ndata: {frames: 32}")
    second.write_text("seed: 2\nname: two")
    experiment = printed_config(capsys, first, "--data.frames", "48", second, "--name", "three")
    assert (experiment.seed, experiment.name, experiment.data.frames) == (2, "three", 48)


def test_without_files_the_defaults_are_printed_whole(capsys):
    assert printed_config(capsys) == GanExperiment()


def test_fit_passes_its_options_on_and_prints_the_run_folder(capsys, monkeypatch, tmp_path):
    import kinetic.runs.fit

    arguments = {}

    def fit(experiment, out=None, resume=False, progress=True):
        arguments.update(experiment=experiment, out=out, resume=resume, progress=progress)
        return tmp_path / "a"

    monkeypatch.setattr(kinetic.runs.fit, "fit", fit)
    assert main(["fit", "--seed", "3", "--out", str(tmp_path / "a"), "--resume", "--quiet"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a'}\n"
    assert arguments == {"experiment": GanExperiment(seed=3), "out": tmp_path / "a", "resume": True, "progress": False}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--critic.poling", "max"], "fit: --critic.poling: unknown option; did you mean --critic.pooling?"),
        (["--critic.pooling", "median"], "critic.pooling: expected one of mean, max, gem, attention, got 'median'"),
        (["--data.frames", "abc"], "data.frames: expected a whole number, got 'abc'"),
        (["--data.frames", "30"], "data.frames must be a multiple of 16, got 30"),
        (["--training.quantile.q", "2"], "training.quantile.q must lie between 0 and 1, got 2.0"),
        (["--critic.class_path", "os.system"], "fit: --critic.class_path: unknown option"),
        (["--critic.pooling"], "fit: argument --critic.pooling: expected one argument"),
        (["--critic.pool", "max"], "fit: --critic.pool: unknown option; did you mean --critic.pooling?"),
        (["nowhere.yaml"], "nowhere.yaml: no such file; expected a YAML file or a name: demo, "),
    ],
)
def test_a_wrong_fit_is_refused_in_one_line(refusal, words, message):
    assert refusal("fit", *words).startswith(message)


def test_an_error_names_the_file(refusal, tmp_path):
    (tmp_path / "a.yaml").write_text("critic: {poling: max}")
    message = refusal("fit", tmp_path / "a.yaml")
    assert message == f"{tmp_path / 'a.yaml'}: critic.poling: unknown key; did you mean critic.pooling?"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_training_stopped_by_a_signal_says_how_to_resume(capsys, monkeypatch, number, status):
    import kinetic.runs.fit
    from kinetic.training.checkpoint import Interrupted

    def fit(*args, **options):
        raise Interrupted(number)

    monkeypatch.setattr(kinetic.runs.fit, "fit", fit)
    assert main(["fit", "--seed", "1"]) == status
    assert capsys.readouterr() == ("", f"kinetic: stopped by {number.name}; the same command with --resume goes on\n")
