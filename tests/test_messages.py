"""One-line texts, nearest names, and what reaches a terminal: safe names, from every verb, on every stream."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from kinetic.cli.main import VERBS, main
from kinetic.evaluation.report import Report, Row, write_report
from kinetic.messages import (
    LONGEST_MESSAGE,
    complain,
    error_line,
    listed,
    nearest,
    one_line,
    safe_line,
    say,
    settle_streams,
    speaking,
    suggestion,
)
from kinetic.metrics.score import Score
from kinetic.motion.storage import write_motions
from kinetic.motion.synthetic import synthesise
from kinetic.skeleton import NTU25

ROOT = Path(__file__).resolve().parent.parent
NAMES = {
    "newline": "walk\nrun",
    "return": "walk\rrun",
    "escape": "\x1b]0;title\x07\x1b[2J\x1b[31mred",
    "C0": "".join(map(chr, range(1, 32))),
    "C1": "\x7f\x80\x85\x9b31m\x9d0;title\x9c",
    "bidi": "\u202ewalk\u2066\u2069\u200f\u061c",
    "separators": "a\u2028b\u2029c\xa0d\u200be",
    "half pair": "walk\ud800",
    "unassigned": "\U000e0001\u0378\ufeff\ufffe\ue000",
    "long": "x" * 5000,
    "mathtext": "$\\frac{$",
    "pictures": "\U0001f483\u821e\u0645\u0634\u064a",
}
TEXTS = {kind: name for kind, name in NAMES.items() if kind != "half pair"}
"""The names that a set of motions accepts; it refuses half a surrogate pair."""


# ------------------------------------------------------------------------------------------------------ safe one-liners


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("walk", "walk"),
        ("wäg 走る 💃", "wäg 走る 💃"),
        ("", ""),
        (3, "3"),
        ("a\nb\tc\x1b[31m", r"a\nb\tc\x1b[31m"),
        ("\x9b\x7f\u202e\u2028\xa0\ud800\U000e0001", r"\x9b\x7f\u202e\u2028\xa0\ud800\U000e0001"),
        ("$\\frac{$", "$\\frac{$"),
    ],
)
def test_unprintable_characters_are_escaped(text, line):
    assert safe_line(text) == line


@pytest.mark.parametrize("most", [3, 4, 10, 59, 60, 600])
@pytest.mark.parametrize(
    "text", ["x" * 5000, "\x1b" * 5000, "ab\u202e" * 100, "begin" + "-" * 700 + "end"], ids=lambda text: ascii(text)[:6]
)
def test_a_long_line_loses_its_middle_but_no_half_of_an_escape(text, most):
    line = safe_line(text, most)
    assert len(line) <= most and line.isprintable() and "..." in line
    assert re.fullmatch(r"((x|a|b|e|g|i|n|d|-|\\x1b|\\u202e)*)\.\.\.((x|a|b|e|g|i|n|d|-|\\x1b|\\u202e)*)", line)
    if most >= 60 and text.startswith("begin"):
        assert line.startswith("begin-") and line.endswith("-end")


def test_a_line_without_a_limit_is_complete():
    assert safe_line("x" * 5000, None) == "x" * 5000


@pytest.mark.parametrize(
    ("text", "line"), [("a\nb\t  c ", "a b c"), ("", ""), (ValueError("a\n\x1b"), r"a \x1b"), (3, "3")]
)
def test_one_line_joins_lines_with_single_spaces(text, line):
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("error", "plain", "line"),
    [
        (ValueError("no\n class"), (), "ValueError: no class"),
        (ValueError("no class"), (ValueError,), "no class"),
        (UnicodeError("no class"), (ValueError,), "no class"),
        (ValueError(), (ValueError,), "ValueError"),
        (KeyError("a"), (ValueError,), "KeyError: 'a'"),
    ],
)
def test_an_error_line_names_the_type_unless_the_message_is_enough(error, plain, line):
    assert error_line(error, plain=plain) == line


def test_an_error_line_has_its_type_when_the_message_is_long():
    line = error_line(RuntimeError("x" * 5000), 60)
    assert len(line) == 60 and line.startswith("RuntimeError: x")


# ------------------------------------------------------------------------------------------------------ nearest names


def test_nearest_names_come_most_similar_first():
    names = ["walk", "walking", "jump"]
    assert nearest("wolk", names) == ["walk"]
    assert nearest("walkin", names, count=3) == ["walking", "walk"]
    assert nearest("sit", names) == []
    assert nearest("jxxx", names, cutoff=0.2) == ["jump"]


def test_long_words_and_names_are_compared_in_part():
    assert nearest("x" * 5000, ["x" * 100]) == ["x" * 100]
    assert nearest("x" * 5000, ["x" * 101]) == []
    assert nearest("name 1001", (f"name {i}" for i in range(5000)), cutoff=1.0) == []


@pytest.mark.parametrize(
    ("word", "names", "text"),
    [
        ("wolk", ["walk", "jump"], "did you mean walk?"),
        ("sit", ["walk", "jump"], "expected one of: walk, jump"),
        ("a\nc", ["a\nb"], r"did you mean a\nb?"),
        ("sit", [], "expected one of: "),
    ],
)
def test_a_suggestion_is_the_nearest_name_or_the_list(word, names, text):
    assert suggestion(word, names) == text


def test_a_list_of_names_stops_before_it_is_too_long():
    text = listed(f"name {i}" for i in range(1000))
    assert text.startswith("name 0, name 1, ") and text.endswith(" more")
    count = text.count("name")
    assert len(text) < 420 and text.endswith(f"name {count - 1} and {1000 - count} more")


# ------------------------------------------------------------------------------------------------------------ printing


def test_say_keeps_lines_and_complain_joins_them(capsys):
    say("one\ntwo\x1b[31m\rthree")
    say("four", error=True)
    complain("what came\n and " + "\x07" * 5000 + " what was expected")
    out, err = capsys.readouterr()
    assert out == "one\ntwo\\x1b[31m\\rthree\n"
    first, second = err.splitlines()
    assert first == "four"
    assert second.startswith(r"kinetic: what came and \x07") and second.endswith("what was expected")
    assert len(second) <= len("kinetic: ") + LONGEST_MESSAGE


def test_a_warning_is_one_safe_line(capsys):
    with speaking(), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("from a file:\n\x1b[31m", stacklevel=1)
    assert capsys.readouterr().err == "kinetic: warning: from a file: \\x1b[31m\n"


def test_only_messages_prints_to_the_terminal():
    """`print` to a file is allowed."""
    places = []
    for path in sorted((ROOT / "kinetic").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                target = [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "file"]
                if not target or target[0].startswith("sys."):
                    places.append(f"{path.name}, line {node.lineno}")
    assert {place.split(",")[0] for place in places} == {"messages.py"}


# -------------------------------------------------------------------------------------------------------- every verb


def assert_safe(capsys, *words, status=(0, 1, 2)):
    """Run a verb: every printed character is printable, an error is one line of bounded length."""
    try:
        code = main([str(word) for word in words])
    except SystemExit as stop:  # of --help
        code = stop.code
    out, err = capsys.readouterr()
    raw = sorted({letter for letter in out + err if not letter.isprintable() and letter != "\n"})
    assert not raw, f"{words}: {raw!r}"
    assert code in status, err
    assert "Traceback" not in err
    assert all(len(line) <= LONGEST_MESSAGE + len("kinetic: ") for line in err.splitlines())
    if code:
        assert err.splitlines()[-1].startswith("kinetic: ")
    return out, err


def named(name):
    """Two actions of four people in front of three cameras, with one name for classes, people, clips and skeleton."""
    plain = synthesise(["walk", "wave"], subjects=4, repeats=1, frames=16)
    n = len(plain)
    return replace(
        plain,
        class_names=(name, f"{name}b"),
        subject_names=tuple(f"{name}{i}" for i in range(4)),
        clip=tuple(f"{name}{i}" for i in range(n)),
        source=name,
        splits={name: {"by": "view", "train": [1, 2]}},
        skeleton=replace(NTU25, name=name[:900], joints=(f"{name[:900]} 0", *NTU25.joints[1:])),
    )


@pytest.fixture(params=list(TEXTS))
def motions(request, tmp_path):
    """A name, and a file of motions with this name everywhere."""
    write_motions(named(TEXTS[request.param]), tmp_path / "m.npz")
    return TEXTS[request.param], tmp_path / "m.npz"


def test_data_verbs_print_safe_names(capsys, motions):
    name, file = motions
    out, _ = assert_safe(capsys, "data", "info", file, status=(0,))
    assert max(map(len, out.splitlines())) < 1000
    out, _ = assert_safe(capsys, "data", "info", file, "--json", status=(0,))
    assert list(json.loads(out)["classes"]) == [name, f"{name}b"]
    assert_safe(capsys, "data", "info", file, "-o", file.with_suffix(".png"), status=(0,))
    out, _ = assert_safe(capsys, "data", "check", file)
    assert ("spelling" in out) == (safe_line(name, 200) != name)
    assert_safe(capsys, "data", "check", file, "--json")
    _, err = assert_safe(
        capsys, "data", "convert", file, "-o", file.with_name("n.npz"), "--label", "nobody", status=(2,)
    )
    assert "no class is called 'nobody'" in err
    assert_safe(capsys, "plot", file, "-o", file.with_name("n.png"), "--label", f"{name}c{name}", status=(2,))
    assert_safe(capsys, "data", "convert", file, "-o", file.with_name("n_data.npy"), "--split", name)
    assert_safe(capsys, "data", "convert", file, "-o", file.with_name("p.pkl"), "--split", f"{name}x", status=(2,))
    assert_safe(capsys, "fit", "--data.source", file, "--data.split", f"{name}x", "--out", file.with_name("run"))


def test_pictures_and_pages_take_any_name(capsys, motions):
    _, file = motions
    for picture in ("a.png", "a.gif"):
        assert_safe(capsys, "plot", file, "-o", file.with_name(picture), "--count", 2, status=(0,))
    assert_safe(capsys, "plot", file, "-o", file.with_name("b.png"), "--sheet", status=(0,))
    assert_safe(capsys, "view", file, "-o", file.with_name("a.html"), status=(0,))


def test_training_survives_all_names_at_once(capsys, tmp_path):
    """So do pictures, recognition, evaluation by class, the confusion chart and checkpoints."""
    plain = synthesise(subjects=4, repeats=1, frames=16)
    names = [*TEXTS.values(), *(f"class {i}" for i in range(12))][: len(plain.class_names)]
    assert set(TEXTS.values()) <= set(names)
    write_motions(replace(plain, class_names=tuple(names)), tmp_path / "m.npz")
    data = ["--data.source", tmp_path / "m.npz", "--data.frames", 16, "--training.accelerator", "cpu", "--quiet"]
    small = ["--generator.widths", "[8,8,8,8,8]", "--generator.latent", 8, "--critic.widths", "[8,8,8,8,8,8]"]
    run, network = tmp_path / "run", tmp_path / "network"
    assert_safe(capsys, "fit", *data, *small, "--training.steps", 2, "--out", run, status=(0,))
    assert list((run / "samples").iterdir())
    encoder = ["--model", "encoder", "--encoder.widths", "[8, 8]", "--training.steps", 2]
    assert_safe(capsys, "fit", *data, *encoder, "--out", network, status=(0,))
    words = ["--encoder", network, "--seeds", 1, "--only", "accuracy", "--per-class", "--count", 2]
    out, _ = assert_safe(capsys, "evaluate", run, *words, "--confusion", tmp_path / "c.png", status=(0,))
    assert r"walk\nrun" in out
    assert_safe(capsys, "sample", run, "-o", tmp_path / "s.npz", "--label", "nobody", status=(2,))
    assert_safe(capsys, "sample", run, "-o", tmp_path / "s.npz", "--label", TEXTS["escape"], "--count", 1, status=(0,))
    assert_safe(capsys, "plot", run, "-o", tmp_path / "curves.png", status=(0,))
    assert_safe(capsys, "fit", *data, *small, "--out", run, "--resume", "--data.classes", "nobody", status=(2,))


def score(name, **more):
    facts = {"estimator": name, "reference": name, "n_real": 3, "n_fake": 3, "frames": 16, "version": name}
    return Score(value=1.0, metric=name, **(facts | more))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_compare_prints_safe_names(capsys, tmp_path, name):
    for file, more in (("a", {}), ("b", {}), ("c", {"reference": f"{name}c"})):
        row = Row(score(name, **more), score(name, **more), "low")
        write_report(Report(name, (row,), (name,), (name,)), tmp_path / f"{file}.json")
    out, _ = assert_safe(capsys, "compare", tmp_path / "a.json", tmp_path / "b.json", status=(0,))
    assert max(map(len, out.splitlines())) < 2 * LONGEST_MESSAGE
    assert_safe(capsys, "compare", tmp_path / "a.json", tmp_path / "c.json", status=(2,))
    plain = json.loads((tmp_path / "a.json").read_text())
    for key, value in (("format", name), ("rows", [{**plain["rows"][0], "better": name}])):
        (tmp_path / "d.json").write_text(json.dumps({**plain, key: value}))
        assert_safe(capsys, "compare", tmp_path / "a.json", tmp_path / "d.json", status=(2,))
    (tmp_path / "metrics.csv").write_text(f'batches,"{name}"\n1,2\n', encoding="utf-8", errors="replace")
    assert_safe(capsys, "plot", tmp_path, "-o", tmp_path / "curves.png")


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_skeleton_verbs_print_safe_names(capsys, tmp_path, name):
    plain = {"joints": [name, "b", "c"], "bones": [[name, "b"], ["b", "c"]], "center": name, "name": name}
    for changes, status in (
        ({}, (0, 2)),
        ({"bones": [[name, "b"]]}, (2,)),
        ({"bones": [[f"{name}x", "b"]]}, (2,)),
        ({"joints": [name, name, "c"]}, (2,)),
        ({"center": f"{name}x"}, (2,)),
        ({"left": [name], "right": [name]}, (2,)),
        ({name: 1}, (2,)),
        ({"channels": name}, (2,)),
    ):
        file = tmp_path / "s.yaml"
        file.write_text(yaml.safe_dump(plain | changes), encoding="utf-8")
        assert_safe(capsys, "skeleton", "check", file, status=status)
        assert_safe(capsys, "skeleton", "check", file, "--json", status=status)
        assert_safe(capsys, "skeleton", "show", file, "-o", tmp_path / "s.png", status=status)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_wrong_settings_and_ablations_print_safe_names(capsys, tmp_path, name):
    file = tmp_path / "a.yaml"
    for plain in ({name: 1}, {"critic": {name: 1}}, {"critic": {"pooling": name}}, {"data": {"frames": name}}, name):
        file.write_text(yaml.safe_dump(plain), encoding="utf-8")
        assert_safe(capsys, "fit", file, status=(2,))
    file.write_text(yaml.safe_dump({"name": name, "data": {"classes": [name], "source": name}}), encoding="utf-8")
    out, _ = assert_safe(capsys, "fit", file, "--print-config")
    if out:
        assert yaml.safe_load(out)["name"] == name
    assert_safe(capsys, "fit", file, "--out", tmp_path / "run")
    assert_safe(capsys, "fit", "--data.classes", f"{name},", "--out", tmp_path / "run", status=(2,))
    grid = {"recipes": {"Baseline": {}, name: {"after": "Baseline", "changes": {"critic.pooling": "max"}}},
            "benchmarks": {name: {"settings": {"data": {"frames": 16}, "training": {"steps": 2}}}},
            "profiles": {name: {"seeds": 1}}, "name": name}  # fmt: skip
    file.write_text(yaml.safe_dump(grid), encoding="utf-8")
    for words in (["--profile", "x"], ["--recipes", "x"], ["--benchmarks", "x"], ["--profile", f"{name}x"]):
        assert_safe(capsys, "ablate", file, "-o", tmp_path / "grid", *words, status=(2,))
    file.write_text(yaml.safe_dump(grid | {"recipes": {name: {"after": f"{name}x", "changes": {}}}}), encoding="utf-8")
    assert_safe(capsys, "ablate", file, "-o", tmp_path / "grid", status=(2,))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names_of_files_and_archive_members_are_printed_safely(capsys, tmp_path, name):
    raw = tmp_path / "raw"
    raw.mkdir()
    for inner in (f"S001C001P001R001A001{name}.skeleton", f"{name}/S001C001P001R001A002.skeleton", f"{name}.npy"):
        with zipfile.ZipFile(raw / "a.zip", "w") as archive:
            archive.writestr(inner.encode("utf-8", "replace").decode(), f"1\n{name[:50]!r}\n")
        words = ["--raw", raw, "--benchmark", "ntu60-xsub", "-o", tmp_path / "out", "--workers", 1, "--quiet"]
        assert_safe(capsys, "data", "build", "ntu", *words, status=(1, 2))
        assert_safe(capsys, "data", "info", raw / "a.zip", status=(2,))
        (raw / "a.zip").rename(raw / "a.npz")
        assert_safe(capsys, "data", "info", raw / "a.npz", status=(2,))
        assert_safe(capsys, "data", "check", raw, status=(2,))
        (raw / "a.npz").unlink()
    for ending in (".npz", ".bvh", ".skeleton", ".pkl", ".csv", ".json", ".yaml"):
        file = Path(os.fsdecode(os.fsencode(str(raw / "a"))) + name.replace("/", "") + ending)
        assert_safe(capsys, "data", "info", file, status=(1, 2))
        assert_safe(capsys, "data", "recipes", file, "-o", tmp_path / "a.png", status=(1, 2))
        try:
            file.write_text(f"HIERARCHY {name} 1", encoding="utf-8", errors="replace")
        except (OSError, UnicodeError):
            continue  # the file system refuses the name
        assert_safe(capsys, "data", "info", file, status=(1, 2))
        assert_safe(capsys, "data", "recipes", file, "-o", tmp_path / "a.png", status=(1, 2))
    assert_safe(capsys, "data", "check", raw, status=(1, 2))
    words = ["--raw", raw, "--benchmark", "ntu60-xsub", "-o", tmp_path / "out", "--workers", 1, "--quiet"]
    assert_safe(capsys, "data", "build", "ntu", *words, status=(1, 2))
    assert_safe(capsys, "data", "example", "-o", tmp_path / f"new{name}", "--clips", 1)


@pytest.mark.parametrize(
    "name", [NAMES[kind] for kind in ("newline", "escape", "half pair", "long")], ids=lambda n: ascii(n)[:6]
)
@pytest.mark.parametrize("verb", list(VERBS))
def test_typed_words_are_printed_safely(capsys, verb, name):
    assert_safe(capsys, name, status=(2,))
    assert_safe(capsys, verb.split()[0], name, status=(1, 2))
    assert_safe(capsys, *verb.split(), f"--{name}", "x", status=(2,))
    assert_safe(capsys, *verb.split(), name, "--out", name, "--debugg", status=(1, 2))


def test_a_traceback_is_printed_safely(capsys, tmp_path):
    assert main(["data", "info", str(tmp_path / "\x1b[31m"), "--debug"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback") and "\x1b" not in err and err.count("\n") > 5


# ------------------------------------------------------------------------------------------------------------ streams


@pytest.fixture(scope="module")
def umlauts(tmp_path_factory):
    """Motions whose class names no ASCII terminal can show."""
    file = tmp_path_factory.mktemp("umlauts") / "m.npz"
    plain = synthesise(["walk", "wave"], subjects=4, repeats=1, frames=16)
    write_motions(replace(plain, class_names=("wäg±", "走る")), file)
    return file


def shell(command, **environment):
    done = subprocess.run(
        ["bash", "-c", f'kinetic() {{ {sys.executable} -m kinetic "$@"; }}; {command}'],
        capture_output=True,
        env={**os.environ, "PYTHONUNBUFFERED": "", **environment},  # buffered, so that the end has something to flush
        cwd=ROOT,
        check=False,
    )
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_every_encoding_shows_every_name(umlauts, encoding):
    done = shell(f"kinetic data info {umlauts}", LANG="C", PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    text = done.stdout.decode(encoding)
    assert {"ascii": r"w\xe4g+- 12", "latin-1": "wäg± 12", "cp437": "wäg± 12", "utf-8": "wäg± 12, 走る 12"}[
        encoding
    ] in text
    done = shell(f"kinetic data info {umlauts} --json", LANG="C", PYTHONIOENCODING=encoding)
    assert list(json.loads(done.stdout)["classes"]) == ["wäg±", "走る"]


def test_the_help_of_every_verb_is_ascii(capsys):
    for verb in VERBS:
        with pytest.raises(SystemExit, match="0"):
            main([*verb.split(), "--help"])
        assert capsys.readouterr().out.isascii()


@pytest.mark.parametrize(
    ("closed", "status"),
    [
        (">&-", 0),
        ("2>&-", 0),
        (">&- 2>&-", 0),
        ("<&- >&- 2>&-", 0),
        (">/dev/full", 1),
        (">/dev/full 2>&-", 1),
        (">/dev/full 2>/dev/full", 1),
    ],
)
def test_closed_and_full_streams_leave_no_traceback(umlauts, closed, status):
    if "full" in closed and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    assert shell(f"kinetic data info {umlauts} {closed}").returncode == status
    assert shell(f"kinetic data info nowhere {closed}").returncode == 2
    assert shell(f"kinetic fit --help {closed}").returncode == 0


def test_a_file_never_takes_the_number_of_a_closed_stream(umlauts, tmp_path):
    done = shell(f"kinetic plot {umlauts} -o {tmp_path}/a.png <&- >&- 2>&-")
    assert done.returncode == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_closed_pipe_is_no_error(umlauts):
    for command in (f"kinetic data info {umlauts}", "kinetic fit --help", "kinetic fit --print-config"):
        assert shell(f"{command} | true; exit ${{PIPESTATUS[0]}}").returncode == 0
    assert shell("kinetic data info nowhere 2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}").returncode == 2


def test_settling_leaves_working_streams_alone(capsys):
    print("a", end="")
    settle_streams()
    assert capsys.readouterr().out == "a"
