"""The command line: what it understands, what it refuses, what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace

import numpy as np
import pytest
import yaml

import kinetic
from kinetic.cli import main as cli
from kinetic.cli.arguments import Verb
from kinetic.cli.main import main, parse
from kinetic.families.experiments import from_plain
from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.settings.experiment import Experiment
from kinetic.settings.kinetic_gan import QuantileConfig
from kinetic.skeleton import NTU25, save_skeleton


@pytest.fixture
def motions(tmp_path):
    """A file of four motions."""
    motion = np.random.default_rng(0).normal(size=(4, 3, 16, 25)).astype(np.float32)
    made = MotionSet(
        motion, np.array([0, 0, 1, 1]), ("walk", "jump"), NTU25, view=np.array([1, 2, 1, 2]), source="made"
    )
    write_motions(made, tmp_path / "motions.npz")
    return tmp_path / "motions.npz"


def printed_config(capsys, *words):
    assert main(["fit", *map(str, words), "--print-config"]) == 0
    return from_plain(yaml.safe_load(capsys.readouterr().out))


def refusal(capsys, *words, status=2):
    assert main(list(map(str, words))) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("kinetic: ")
    return err.removeprefix("kinetic: ").rstrip("\n")


def verb(monkeypatch, run):
    monkeypatch.setitem(cli.VERBS, "work", Verb(run, lambda parser: None, "for a test"))


# ---------------------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_the_help_names_every_verb(capsys, words):
    with pytest.raises(SystemExit, match="0"):
        main(words)
    out = capsys.readouterr().out
    assert [name for name in cli.VERBS if f"  {name} " not in out] == []


def test_a_group_of_verbs_has_a_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["skeleton", "--help"])
    out = capsys.readouterr().out
    assert "skeleton check" in out
    assert "evaluate" not in out


@pytest.mark.parametrize("name", list(cli.VERBS))
def test_every_verb_has_a_help(capsys, name):
    with pytest.raises(SystemExit, match="0"):
        main([*name.split(), "--help"])
    assert capsys.readouterr().out.startswith(f"usage: kinetic {name} ")


def test_fit_of_nothing_is_refused(capsys):
    assert main(["fit"]) == 2
    assert "name a preset (--list shows them) or an experiment file" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"kinetic {kinetic.__version__}\n"


def test_help_and_settings_come_at_once_and_without_torch():
    code = (
        "import sys; from kinetic.cli.main import main\n"
        "try: main(['fit', '--help'])\n"
        "except SystemExit: pass\n"
        "main(['fit', '--print-config'])\n"
        "print([m for m in ('torch', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        spent.append(time.perf_counter() - start)
    assert done.stdout.endswith("[]\n")
    assert min(spent) < 1.0


# ----------------------------------------------------------------------------------------------------------------- fit


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


def test_files_may_stand_anywhere_and_the_command_line_wins(capsys, tmp_path):
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text("seed: 1\nname: one\ndata: {frames: 32}")
    second.write_text("seed: 2\nname: two")
    experiment = printed_config(capsys, first, "--data.frames", "48", second, "--name", "three")
    assert (experiment.seed, experiment.name, experiment.data.frames) == (2, "three", 48)


def test_without_files_the_defaults_are_printed_whole(capsys):
    assert printed_config(capsys) == Experiment()


def test_fit_passes_on_what_was_typed_and_prints_the_run_folder(capsys, monkeypatch, tmp_path):
    import kinetic.runs.fit

    asked = {}

    def fit(experiment, out=None, resume=False, progress=True):
        asked.update(experiment=experiment, out=out, resume=resume, progress=progress)
        return tmp_path / "a"

    monkeypatch.setattr(kinetic.runs.fit, "fit", fit)
    assert main(["fit", "--seed", "3", "--out", str(tmp_path / "a"), "--resume", "--quiet"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a'}\n"
    assert asked == {"experiment": Experiment(seed=3), "out": tmp_path / "a", "resume": True, "progress": False}


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
def test_a_wrong_fit_is_refused_in_one_line(capsys, words, message):
    assert refusal(capsys, "fit", *words).startswith(message)


def test_a_wrong_file_is_named(capsys, tmp_path):
    (tmp_path / "a.yaml").write_text("critic: {poling: max}")
    message = refusal(capsys, "fit", tmp_path / "a.yaml")
    assert message == f"{tmp_path / 'a.yaml'}: critic.poling: unknown key; did you mean critic.pooling?"


# ------------------------------------------------------------------------------------------------- the verbs after fit


def test_sample_knows_classes_by_name_and_number():
    asked = parse(["sample", "runs/a", "--label", "walk", "--label", "3", "--count", "7", "-o", "m.npz"])
    assert (asked.label, asked.count, asked.seed, asked.truncation, asked.space) == (["walk", "3"], 7, 0, None, "w")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "runs/a"], "sample: the following arguments are required: -o/--out"),
        (["sample", "a", "-o", "b", "--count", "0"], "sample: argument --count: expected a whole number from 1 on"),
        (["sample", "a", "-o", "b", "--seed", "-1"], "sample: argument --seed: expected a whole number from 0 on"),
        (["sample", "a", "-o", "b", "--space", "x"], "sample: argument --space: invalid choice: 'x'"),
        (["evaluate"], "evaluate: the following arguments are required: RUN|FILE"),
        (["evaluate", "a", "--jason"], "evaluate: --jason: unknown option; did you mean --json?"),
        (["evaluat"], "evaluat: unknown verb; did you mean evaluate?"),
        (["data"], "data: unknown verb; expected one of: data info"),
        (["data", "inof", "x"], "data inof: unknown verb; expected one of: data info"),
        (["skeleton", "x"], "skeleton x: unknown verb; expected one of: skeleton check, skeleton show"),
        (["data", "info", "nowhere.npz"], "nowhere.npz: no such file"),
        (["skeleton", "check", "ntu2"], "ntu2: no preset has this name; did you mean ntu25?"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(capsys, words, message):
    assert refusal(capsys, *words).startswith(message)


def test_data_info_is_text_or_json(capsys, motions):
    assert main(["data", "info", str(motions)]) == 0
    text = capsys.readouterr().out
    assert "4 of 16 frames" in text
    assert "2: walk 2, jump 2" in text
    assert main(["data", "info", str(motions), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["views"] == {"1": 2, "2": 2}
    assert err == ""


def test_data_info_refuses_what_is_not_a_motion(capsys, tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no zip")
    assert "a.npz" in refusal(capsys, "data", "info", tmp_path / "a.npz")


def test_plot_draws_a_strip_a_sheet_and_an_animation(motions, tmp_path):
    from PIL import Image

    for name, options in [("a.png", []), ("b.png", ["--sheet"]), ("c.gif", ["--label", "jump", "--fps", "25"])]:
        assert main(["plot", str(motions), "-o", str(tmp_path / name), *options]) == 0
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 50
            assert getattr(picture, "is_animated", False) == name.endswith("gif")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_a_few_motions_are_taken_from_all_classes_in_turn(motions):
    few = cli._some(read_motions(motions), 3)
    assert few.label.tolist() == [0, 0, 1]
    assert cli._some(read_motions(motions), 2).label.tolist() == [0, 1]
    assert len(cli._some(read_motions(motions), 9)) == 4


def test_plot_of_a_run_draws_its_metrics(tmp_path):
    (tmp_path / "metrics.csv").write_text("batches,loss/critic\n10,1.5\n20,1.0\n")
    assert main(["plot", str(tmp_path), "-o", str(tmp_path / "curves.png")]) == 0
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_plot_refuses_other_pictures_and_unknown_classes(capsys, motions, tmp_path):
    assert "fly" in refusal(capsys, "plot", motions, "-o", tmp_path / "a.png", "--label", "fly")
    assert ".bmp" in refusal(capsys, "plot", motions, "-o", tmp_path / "a.bmp")
    assert "nowhere" in refusal(capsys, "plot", tmp_path / "nowhere", "-o", tmp_path / "a.png")
    assert "--fps" in refusal(capsys, "plot", motions, "-o", tmp_path / "a.gif", "--fps", "nan")


def test_skeleton_show_draws_a_picture(tmp_path):
    assert main(["skeleton", "show", "h36m16", "-o", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_skeleton_check_lists_the_levels(capsys, tmp_path):
    save_skeleton(NTU25, tmp_path / "own.yaml")
    for name in ("ntu25", str(tmp_path / "own.yaml")):
        assert main(["skeleton", "check", name, "--json"]) == 0
        assert [len(level) for level in json.loads(capsys.readouterr().out)["levels"]] == [25, 11, 5, 1]
    assert main(["skeleton", "check", "ntu25"]) == 0
    assert "25 joints" in capsys.readouterr().out


def test_skeleton_check_refuses_a_wrong_file(capsys, tmp_path):
    (tmp_path / "own.yaml").write_text("joints: [a, b]\nbones: [[0, 5]]\ncenter: 0\n")
    assert "own.yaml" in refusal(capsys, "skeleton", "check", tmp_path / "own.yaml")


# ------------------------------------------------------------------------------------------------------------- endings


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("what came\n and what was expected"), 2, "kinetic: what came and what was expected\n"),
        (FileNotFoundError("a: no such file"), 2, "kinetic: a: no such file\n"),
        (FileExistsError("a: is there already"), 2, "kinetic: a: is there already\n"),
        (RuntimeError("the loss is not a number"), 1, "kinetic: RuntimeError: the loss is not a number\n"),
        (
            PermissionError(13, "Permission denied", "a"),
            1,
            "kinetic: PermissionError: [Errno 13] Permission denied: 'a'\n",
        ),
        (ModuleNotFoundError("an .mp4 needs PyAV"), 2, "kinetic: an .mp4 needs PyAV\n"),
        (KeyError("a"), 1, "kinetic: KeyError: 'a'\n"),
        (MemoryError(), 1, "kinetic: MemoryError\n"),
        (KeyboardInterrupt(), 130, "kinetic: interrupted\n"),
    ],
)
def test_errors_are_one_line_and_a_status(capsys, monkeypatch, error, status, line):
    def run(asked: Namespace) -> None:
        raise error

    verb(monkeypatch, run)
    assert main(["work"]) == status
    assert capsys.readouterr() == ("", line)


def test_debug_shows_the_traceback(capsys, monkeypatch):
    def run(asked: Namespace) -> None:
        raise RuntimeError("the loss is not a number")

    verb(monkeypatch, run)
    assert main(["work", "--debug"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("kinetic: RuntimeError: the loss is not a number\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_at_once_with_its_status(monkeypatch, number, status):
    before = signal.getsignal(number)

    def run(asked: Namespace) -> None:
        os.kill(os.getpid(), number)
        pytest.fail("the work went on")

    verb(monkeypatch, run)
    assert main(["work"]) == status
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_training_that_a_signal_stopped_tells_how_to_go_on(capsys, monkeypatch, number, status):
    import kinetic.runs.fit
    from kinetic.training.checkpoint import Interrupted

    def fit(*args, **options):
        raise Interrupted(number)

    monkeypatch.setattr(kinetic.runs.fit, "fit", fit)
    assert main(["fit", "--seed", "1"]) == status
    assert capsys.readouterr() == ("", f"kinetic: stopped by {number.name}; the same command with --resume goes on\n")


def test_python_m_kinetic_is_the_same_and_a_reader_may_leave(motions):
    command = f"{sys.executable} -m kinetic fit --print-config | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "name: kinetic-gan\n"
    assert done.stderr == ""


# ------------------------------------------------------------------------------------------------------- evaluation


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
def test_what_does_not_go_together_is_refused_before_anything_is_opened(capsys, words, message):
    assert refusal(capsys, "evaluate", "nowhere", *words) == message


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


def test_a_run_is_evaluated_drawn_and_compared(capsys, trained, tmp_path):
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
    assert "labels differ in seeds: (0, 1) and (0, 1, 2)" in refusal(capsys, "compare", a, c)
    assert main(["compare", a, c, "--ignore", "seeds"]) == 0
    assert main(["evaluate", gan, "--per-class", "--only", "mmd_frame", "--seeds", "1"]) == 0
    assert "wave" in capsys.readouterr().out
    assert main(["evaluate", gan, "--protocol", "published", "--count", "2"]) == 0
    assert "published" in capsys.readouterr().out


def test_motions_have_no_noise_to_draw_anew(capsys, trained, tmp_path):
    made = str(tmp_path / "made.npz")
    assert main(["sample", str(trained / "gan"), "--count", "3", "-o", made]) == 0
    capsys.readouterr()
    twice = refusal(capsys, "evaluate", made, *2 * ("--encoder", trained / "encoder"))
    assert "encoder 2 has the weights of one before it" in twice
    told = refusal(capsys, "evaluate", made, "--encoder", trained / "encoder", "--joints", tmp_path / "a.png")
    assert told == f"{made}: --joints and --curve need a generator, these are motions"


# --------------------------------------------------------------------------------------------------------------- ablate


GRID = {
    "profile": "least",
    "profiles": {"least": {"settings": {"training": {"steps": 2}}, "seeds": 1}},
    "recipes": {
        "Baseline": {},
        "A": {"after": "Baseline", "changes": {"critic.pooling": "max"}},
        "broken": {"after": "A", "changes": {"training.max_norm": 1.0e-9}},
    },
    "scores": {"only": ["bones"], "draws": 1, "shown": 1},
}


@pytest.fixture
def grid(tmp_path, gan, encoder):
    """An ablation file for the small generator of other tests."""
    plain = yaml.safe_load((gan / "config.yaml").read_text())
    settings = {name: plain[name] for name in ("data", "generator", "critic", "training")}
    settings["training"].pop("steps")
    benchmark = {"settings": settings, "encoder": str(encoder)}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump({**GRID, "benchmarks": {"xsub": benchmark}}, sort_keys=False))
    return tmp_path / "grid.yaml"


def test_an_ablation_ends_in_its_table_and_the_path_of_its_page(capsys, grid, tmp_path):
    words = ["ablate", grid, "-o", tmp_path / "out", "--recipes", "Baseline,A", "--seeds", 2, "--jobs", 2]
    assert main(list(map(str, words))) == 0
    out, err = capsys.readouterr()
    assert out.startswith("== xsub ==\n")
    assert out.endswith(f"{tmp_path / 'out' / 'report.html'}\n")
    assert "kinetic: 4 of 4 done; " in err
    assert main([*map(str, words), "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["Baseline", "A"]


def test_an_ablation_with_failed_cells_prints_its_table_and_fails(capsys, grid, tmp_path):
    assert main(["ablate", str(grid), "-o", str(tmp_path / "out"), "--recipes", "broken"]) == 1
    out, err = capsys.readouterr()
    assert "no result of broken, seed 0: Diverged" in out
    assert err.rstrip("\n").endswith("kinetic: RuntimeError: 1 cells have no result; --retry runs them again")


def test_a_long_ablation_says_so_before_it_begins(capsys, monkeypatch, grid, tmp_path):
    words = ["ablate", str(grid), "-o", str(tmp_path / "out"), "--recipes", "Baseline"]
    monkeypatch.setattr("kinetic.ablation.cost.seconds_per_batch", lambda experiment, threads: 1e4)
    assert main(words) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("kinetic: precision ")
    assert " cells: 10000.000 s a batch (measured on Baseline, without scoring), " in told[1]
    assert " for one process at a time" in told[2]
    assert told[3] == "kinetic: it can be stopped, and the same command goes on"
    monkeypatch.setattr("kinetic.ablation.cost.seconds_per_batch", lambda experiment, threads: 1 / 0)
    assert main([*words[:3], str(tmp_path / "other"), *words[4:]]) == 0
    assert "note: how long it takes could not be measured: ZeroDivisionError" in capsys.readouterr().err


def test_a_dry_run_lists_the_cells_and_what_they_cost_and_leaves_nothing(capsys, grid, tmp_path):
    assert main(["ablate", str(grid), "-o", str(tmp_path / "out"), "--dry-run", "--training.steps", "7"]) == 0
    out = capsys.readouterr().out
    assert "7 batches       xsub: A, seed 0\n" in out
    assert "3 cells: 3 new\n" in out
    assert "\nprecision " in out
    assert "for one process at a time" in out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--profile", "huge"], "there is no profile 'huge'; expected one of: least"),
        (["--recipes", "B"], "there is no recipe 'B'"),
        (["--critic.pooling", "most"], "critic.pooling: expected one of mean"),
        (["--scores.draws", "0"], "scores.draws must be at least 1"),
        (["--seed", "1"], "--seed: unknown option; did you mean --seeds?"),
        (["--engine", "cloud"], "invalid choice: 'cloud'"),
    ],
)
def test_an_ablation_that_cannot_be_is_refused(capsys, grid, tmp_path, words, reason):
    assert reason in refusal(capsys, "ablate", grid, "-o", tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


# ----------------------------------------------------------------------------------------------------------------- view


def test_motions_and_runs_become_a_page(capsys, motions, gan, tmp_path):
    for subject in (motions, gan):
        assert main(["view", str(subject), "-o", str(tmp_path / "page.html"), "--count", "1"]) == 0
        assert capsys.readouterr().out == f"{tmp_path / 'page.html'}\n"
        assert "walk" in (tmp_path / "page.html").read_text()


def test_a_page_has_the_ending_of_one(capsys, motions, tmp_path):
    assert "ends in .html" in refusal(capsys, "view", motions, "-o", tmp_path / "page.png")
