"""`kinetic plot`, `kinetic view` and `kinetic skeleton`."""

from __future__ import annotations

import json

from PIL import Image

from kinetic.cli.main import main
from kinetic.skeleton import NTU25, save_skeleton


def test_plot_draws_a_strip_a_sheet_and_an_animation(motions, tmp_path):
    for name, options in [("a.png", []), ("b.png", ["--sheet"]), ("c.gif", ["--label", "jump", "--fps", "25"])]:
        assert main(["plot", str(motions), "-o", str(tmp_path / name), *options]) == 0
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 50
            assert getattr(picture, "is_animated", False) == name.endswith("gif")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_plot_of_a_run_draws_its_metrics(tmp_path):
    (tmp_path / "metrics.csv").write_text("batches,loss/critic\n10,1.5\n20,1.0\n")
    assert main(["plot", str(tmp_path), "-o", str(tmp_path / "curves.png")]) == 0
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_plot_refuses_other_pictures_and_unknown_classes(refusal, motions, tmp_path):
    assert "fly" in refusal("plot", motions, "-o", tmp_path / "a.png", "--label", "fly")
    assert ".bmp" in refusal("plot", motions, "-o", tmp_path / "a.bmp")
    assert "nowhere" in refusal("plot", tmp_path / "nowhere", "-o", tmp_path / "a.png")
    assert "--fps" in refusal("plot", motions, "-o", tmp_path / "a.gif", "--fps", "nan")


def test_view_makes_a_page_of_motions_and_of_a_run(capsys, motions, gan, tmp_path):
    for subject in (motions, gan):
        assert main(["view", str(subject), "-o", str(tmp_path / "page.html"), "--count", "1"]) == 0
        assert capsys.readouterr().out == f"{tmp_path / 'page.html'}\n"
        assert "walk" in (tmp_path / "page.html").read_text()


def test_view_refuses_another_ending(refusal, motions, tmp_path):
    assert "ends in .html" in refusal("view", motions, "-o", tmp_path / "page.png")


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


def test_skeleton_check_refuses_a_wrong_file(refusal, tmp_path):
    (tmp_path / "own.yaml").write_text("joints: [a, b]\nbones: [[0, 5]]\ncenter: 0\n")
    assert "own.yaml" in refusal("skeleton", "check", tmp_path / "own.yaml")


def test_skeleton_check_suggests_the_nearest_preset(refusal):
    assert refusal("skeleton", "check", "ntu2").startswith("ntu2: no preset has this name; did you mean ntu25?")
