"""`kinetic evaluate` and `kinetic compare`: wrong options, reports and pictures."""

from __future__ import annotations

import json

import pytest

from kinetic.cli.main import main


@pytest.mark.parametrize(
    ("words", "message"),
    [],
)
def test_a_wrong_request_is_refused_in_one_line(refusal, words, message):
    assert refusal(*words).startswith(message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--inception", "a.pth"], "--inception does not go with --protocol default"),
        (["--protocol", "published", "--encoder", "runs/e"], "--encoder does not go with --protocol published"),
        (["--protocol", "published", "--curve", "a.png"], "--curve does not go with --protocol published"),
        (["--gan-train", "3"], "--gan-train needs the run of a recognition network: --encoder RUN"),
        (["--confusion", "a.png"], "--confusion needs the run of a recognition network: --encoder RUN"),
        (["--joints", "a.gif"], "a.gif: expected a name that ends in .png, got .gif"),
        (["--gan-train", "0"], "evaluate: argument --gan-train: expected a whole number from 1 on, got '0'"),
        (["--bootstrap", "1"], "--bootstrap needs at least 2 halves, got 1"),
        (["--bootstrap", "9", "--protocol", "published"], "--bootstrap does not go with --protocol published"),
    ],
)
def test_contradictory_options_are_refused_before_anything_is_opened(refusal, words, message):
    assert refusal("evaluate", "nowhere", *words) == message


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the runs of a generator and of a recognition network."""
    folder = tmp_path_factory.mktemp("runs")
    settings = {"data.frames": 16, "data.classes": "[walk, wave]", "data.synthetic.subjects": 4,
                "data.synthetic.repeats": 1, "data.batch_size": 8, "training.sample_every": 0}  # fmt: skip
    data = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    small = ["--generator.widths", "[8,8,8,8,8]", "--generator.latent", "8", "--critic.widths", "[8,8,8,8,8,8]"]
    assert main(["fit", *data, *small, "--training.steps", "2", "--out", str(folder / "gan"), "--quiet"]) == 0
    encoder = ["--model", "encoder", "--encoder.widths", "[8, 8]", "--training.steps", "20"]
    assert main(["fit", *data, *encoder, "--out", str(folder / "encoder"), "--quiet"]) == 0
    return folder


def test_a_run_is_evaluated_drawn_and_compared(capsys, refusal, trained, tmp_path):
    gan, encoder = str(trained / "gan"), str(trained / "encoder")
    pictures = [tmp_path / f"{name}.png" for name in ("confusion", "curve", "joints")]
    drawn = [word for path in pictures for word in (f"--{path.stem}", str(path))]
    words = ["evaluate", gan, "--encoder", encoder, "--seeds", "2", "--only", "accuracy,apd"]
    assert main([*words, "--bootstrap", "3"]) == 0
    assert "interval: 95%, over other people in the place of the" in capsys.readouterr().out
    capsys.readouterr()
    assert main([*words, *drawn, "--gan-train", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["score"]["metric"] for row in report["rows"]] == ["accuracy", "apd", "gan_train", "augmented"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    for name, seeds in (("a", "2"), ("b", "2"), ("c", "3")):
        assert main(["evaluate", gan, "--only", "apd", "--seeds", seeds, "-o", str(tmp_path / f"{name}.json")]) == 0
    capsys.readouterr()
    a, b, c = (str(tmp_path / f"{name}.json") for name in "abc")
    assert main(["compare", a, b]) == 0 and "apd" in capsys.readouterr().out
    assert "labels differ in seeds: (0, 1) and (0, 1, 2)" in refusal("compare", a, c)
    assert main(["compare", a, c, "--ignore", "seeds"]) == 0
    assert main(["evaluate", gan, "--per-class", "--only", "mmd_frame", "--seeds", "1"]) == 0
    assert "wave" in capsys.readouterr().out
    assert main(["evaluate", gan, "--protocol", "published", "--count", "2"]) == 0
    assert "published" in capsys.readouterr().out


def test_joints_and_repeated_encoders_are_refused_for_a_file_of_motions(capsys, refusal, trained, tmp_path):
    motions = str(tmp_path / "motions.npz")
    assert main(["sample", str(trained / "gan"), "--count", "3", "-o", motions]) == 0
    capsys.readouterr()
    message = refusal("evaluate", motions, *2 * ("--encoder", trained / "encoder"))
    assert "encoder 2 has the weights of one before it" in message
    message = refusal("evaluate", motions, "--encoder", trained / "encoder", "--joints", tmp_path / "a.png")
    assert message == f"{motions}: --joints and --curve need a generator, these are motions"
