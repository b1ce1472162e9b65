"""`kinetic data`, on raw files of synthetic people."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinetic.cli.data import FORMATS
from kinetic.cli.main import main
from kinetic.formats.pickles import decode_pickle
from kinetic.formats.reading import read_motions
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.storage import write_motions
from kinetic.skeleton import KINECT20, NTU25, NTU25_2D


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Raw files of 240 clips, one of them unreadable."""
    folder = tmp_path_factory.mktemp("ntu") / "raw"
    assert main(["data", "example", "--clips", "240", "--faults", "0.1", "--broken", "1", "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def built(raw):
    out = raw.parent / "ntu60"
    words = ["--raw", str(raw), "--benchmark", "ntu60-xsub", "--allow-failures", "--workers", "1", "--quiet"]
    assert main(["data", "build", "ntu", *words, "-o", str(out)]) == 0
    return out


def run(capsys, *words) -> tuple[int, str, str]:
    status = main(["data", *map(str, words)])
    return status, *capsys.readouterr()


# ----------------------------------------------------------------------------------------------------------- building


def test_a_build_ends_in_a_table_of_expected_and_actual_counts(capsys, raw, tmp_path):
    words = ("build", "ntu", "--raw", raw, "--benchmark", "ntu60-xsub", "--quiet", "--workers", 1)
    status, out, err = run(capsys, *words, "-o", tmp_path / "set")
    assert status == 1
    assert "40,091" in out and "not the whole data set" in out and "1 failed:" in out
    assert err.count("\n") == 1 and "--allow-failures accepts" in err
    assert (tmp_path / "set" / "motion.npy").is_file()  # holds the usable files
    status, out, err = run(capsys, *words, "--json", "--allow-failures", "-o", tmp_path / "set")
    assert (status, err) == (0, "")
    assert json.loads(out)["failed"] == 1
    assert not json.loads(out)["complete"]


def test_a_build_takes_a_recipe_and_a_length(capsys, raw, tmp_path):
    words = ("build", "ntu", "--raw", raw, "--benchmark", "ntu60-xview", "--quiet", "--workers", 1, "--allow-failures")
    status, out, _ = run(capsys, *words, "--recipe", "st-gcn", "--frames", "all", "-o", tmp_path / "set")
    assert status == 0 and "recipe st-gcn, every clip has its own length" in out
    motions = read_motions(tmp_path / "set")
    assert motions.shape[2] == motions.columns["frames"].max() > motions.columns["frames"].min()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--benchmark", "ntu60-xsetup"], "xsetup"),
        (["--benchmark", "ntu60-xsub", "--frames", "0"], "expected a whole number from 1 on"),
        (["--benchmark", "ntu60-xsub", "--recipe", "sgn"], "invalid choice: 'sgn'"),
    ],
)
def test_a_wrong_build_is_refused(capsys, raw, tmp_path, words, message):
    status, out, err = run(capsys, "build", "ntu", "--raw", raw, *words, "-o", tmp_path / "set")
    assert (status, out) == (2, "")
    assert message in err
    assert not list(tmp_path.iterdir())


def test_an_example_overwrites_nothing(capsys, raw):
    status, _, err = run(capsys, "example", "-o", raw)
    assert status == 2 and str(raw) in err


# ------------------------------------------------------------------------------------------------------------ looking


def test_data_info_is_text_or_json(capsys, motions):
    assert main(["data", "info", str(motions)]) == 0
    text = capsys.readouterr().out
    assert "4 of 16 frames" in text
    assert "2: walk 2, jump 2" in text
    assert main(["data", "info", str(motions), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["views"] == {"1": 2, "2": 2}
    assert err == ""


def test_data_info_refuses_a_file_without_motions(refusal, tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no zip")
    assert "a.npz" in refusal("data", "info", tmp_path / "a.npz")


def test_data_info_names_a_missing_file(refusal):
    assert refusal("data", "info", "nowhere.npz").startswith("nowhere.npz: no such file")


def test_a_set_is_described_and_drawn(capsys, built, tmp_path):
    status, out, _ = run(capsys, "info", built, "-o", tmp_path / "set.png")
    assert status == 0 and "ntu60" in out and "partner" in out
    with Image.open(tmp_path / "set.png") as picture:
        assert min(picture.size) > 400
    _, out, _ = run(capsys, "info", built, "--json")
    assert json.loads(out)["motions"] == len(read_motions(built))


def test_a_sound_set_passes(capsys, built):
    status, out, err = run(capsys, "check", built)
    assert (status, err) == (0, "")
    assert "no faults" in out


def test_check_lists_faults_and_exits_with_two(capsys, built, tmp_path):
    motions = read_motions(built)
    motion = np.array(motions.motion)
    motion[3] = 0
    shutil.copytree(built, tmp_path / "set")
    np.save(tmp_path / "set" / "motion.npy", motion)
    status, out, err = run(capsys, "check", tmp_path / "set")
    assert status == 2
    assert motions.clip[3] in out
    assert err == f"kinetic: {tmp_path / 'set'}: empty\n"
    status, out, _ = run(capsys, "check", tmp_path / "set", "--json")
    assert status == 2
    assert [entry["motions"] for entry in json.loads(out)["found"] if entry["severity"] == "fault"] == [[3]]


@pytest.mark.parametrize("kind", ["set", "set.npz"])
def test_check_and_info_open_a_set_that_is_not_finite(capsys, built, tmp_path, kind):
    motions = read_motions(built)
    target = tmp_path / kind
    write_motions(motions, target)
    motion = np.array(motions.motion)
    motion[3, 0, 1, 2] = np.nan
    if target.is_dir():
        np.save(target / "motion.npy", motion)
    else:
        with np.load(target) as file:
            parts = {name: file[name] for name in file.files}
        np.savez(target, **{**parts, "motion": motion})
    status, out, err = run(capsys, "check", target)
    words = "not finite: 1 motion with coordinates that are NaN, infinite or beyond 1e15"
    assert status == 2 and f"{words}: 3 ({motions.clip[3]})" in out
    assert err == f"kinetic: {target}: not finite\n"
    status, out, err = run(capsys, "info", target, "--json", "-o", tmp_path / "set.png")
    assert (status, err) == (0, "") and (tmp_path / "set.png").is_file()
    assert json.loads(out)["odd"]["not finite"]["motions"] == 1
    status, _, err = run(capsys, "convert", target, "-o", tmp_path / "out.npz")
    assert status != 0 and "NaN or infinite" in err


def test_check_remarks_on_the_recipe_that_turns_motions(capsys, raw, tmp_path):
    words = ["--raw", raw, "--benchmark", "ntu60-xsub", "--recipe", "pyskl", "--allow-failures", "--workers", 1]
    assert run(capsys, "build", "ntu", *words, "--quiet", "-o", tmp_path / "set")[0] == 0
    status, out, _ = run(capsys, "check", tmp_path / "set")
    assert status == 0 and "remark  up: z points up" in out and "sides" not in out


def test_a_recording_is_drawn_under_each_recipe(capsys, raw, tmp_path):
    file = next(path for path in sorted(raw.iterdir()))
    status, out, _ = run(capsys, "recipes", file, "-o", tmp_path / "r.png")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if not line.startswith("recording")][0] == "st-gcn"
    assert {"st-gcn", "ctr-gcn", "pyskl", "kinetic"} <= {line.split()[0] for line in out.splitlines()}
    with Image.open(tmp_path / "r.png") as picture:
        assert picture.width == 1000


def test_an_unreadable_recording_is_refused_with_file_and_line(capsys, tmp_path):
    (tmp_path / "S001C001P001R001A001.skeleton").write_text("1\n1\nno body\n")
    status, out, err = run(capsys, "recipes", tmp_path / "S001C001P001R001A001.skeleton", "-o", tmp_path / "r.png")
    assert (status, out) == (2, "")
    assert "S001C001P001R001A001.skeleton: line 3" in err


# --------------------------------------------------------------------------------------------------------- converting


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (["-o", "set.npz"], ["set.npz"]),
        (["-o", "set"], ["set"]),
        (["-o", "x_data.npy"], ["x_data.npy"]),
        (["-o", "x_data.npy", "--split", "xsub"], ["x_train_data.npy", "x_val_data.npy"]),
        (["-o", "x.npy", "--split", "xsub"], ["x_train_data.npy", "x_val_data.npy"]),
        (["-o", "x/data.npy", "--split", "xview"], ["x/train_data.npy", "x/val_data.npy"]),
        (["-o", "set.npz", "--to", "ctr-gcn"], ["set.npz"]),
        (["-o", "set.pkl"], ["set.pkl"]),
        (["-o", "new/set.pkl", "--split", "xview"], ["new/set.pkl"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_every_format_keeps_the_motions(capsys, built, tmp_path, monkeypatch, words, files):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, "convert", built, *words)
    assert (status, err) == (0, "")
    assert out.splitlines() == files
    motions = read_motions(built)
    back = [read_motions(file) for file in files]
    assert sum(map(len, back)) == len(motions)
    for part in back:  # the same motions in another order
        sums = np.abs(np.asarray(part.motion, dtype=np.float64)).sum(axis=(1, 2, 3))
        originals = np.abs(np.asarray(motions.motion, dtype=np.float64)).sum(axis=(1, 2, 3))
        tolerance = 0.5 if str(words[1]).endswith(".pkl") else 1e-3  # float16
        assert all(np.abs(originals - value).min() < tolerance for value in sums)


def test_a_pickle_for_pyskl_holds_every_split_that_has_two_sides(capsys, built, tmp_path):
    assert run(capsys, "convert", built, "-o", tmp_path / "set.pkl")[0] == 0
    found = decode_pickle(tmp_path / "set.pkl")
    assert set(found["split"]) == {"xsub_train", "xsub_val", "xview_train", "xview_val"}
    assert sum(len(found["split"][f"xsub_{side}"]) for side in ("train", "val")) == len(found["annotations"])


def test_padding_is_not_drawn(capsys, built, tmp_path):
    motions = read_motions(built).select([0, 1])
    motion = np.array(motions.motion)
    motion[0, :, 20:] = 0
    padded = replace(motions, motion=motion, partner=None, columns={"frames": np.array([20, 64])})
    whole = replace(padded.resampled(64), fps=30.0)
    pictures = []
    for name, variant in (("padded", padded), ("whole", whole)):
        write_motions(variant, tmp_path / f"{name}.npz")
        assert main(["plot", str(tmp_path / f"{name}.npz"), "-o", str(tmp_path / f"{name}.png")]) == 0
        pictures.append((tmp_path / f"{name}.png").read_bytes())
        assert main(["view", str(tmp_path / f"{name}.npz"), "-o", str(tmp_path / f"{name}.html")]) == 0
        capsys.readouterr()
    assert pictures[0] == pictures[1]


def test_an_ending_stands_for_the_first_format_that_has_it():
    assert list(FORMATS) == ["npz", "folder", "published", "ctr-gcn", "pyskl"]
    assert next(name for name, form in FORMATS.items() if form.suffix == ".npz") == "npz"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["-o", "set.csv"],
            "expected a name that ends in one of: .npz (npz), no ending, a folder (folder), .npy",
        ),
        (["-o", "set.npz", "--to", "pyskl"], "expected a name that ends in .pkl"),
        (["-o", "set.npz", "--split", "xsub"], "this one keeps all splits"),
        (["-o", "set.npz", "--to", "ctr-gcn", "--split", "xsetup"], "no split 'xsetup'"),
        (["-o", "set", "--label", "flying"], "no class is called 'flying'"),
    ],
)
def test_a_wrong_conversion_is_refused(capsys, built, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, "convert", built, *words)
    assert (status, out) == (2, "")
    assert message in err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_convert_chooses_joints_classes_frames_and_plane(capsys, tmp_path):
    motion = np.random.default_rng(0).normal(size=(4, 3, 20, 20)).astype(np.float32) + 3
    old = MotionSet(motion, np.array([0, 1, 0, 1]), ("walk", "sit"), KINECT20)
    write_motions(old, tmp_path / "old.npz")
    words = ("convert", tmp_path / "old.npz", "--joints", "ntu25", "--label", "sit", "--frames", 30)
    assert run(capsys, *words, "-o", tmp_path / "new")[0] == 0
    new = read_motions(tmp_path / "new")
    assert (new.shape, new.class_names, new.skeleton) == ((2, 3, 30, 25), ("sit",), NTU25)
    assert run(capsys, *words, "--camera", "orthographic", "-o", tmp_path / "flat.npz")[0] == 0
    flat = read_motions(tmp_path / "flat.npz")
    assert flat.skeleton == NTU25_2D
    np.testing.assert_array_equal(flat.motion, np.asarray(new.motion)[:, :2])


def test_a_table_is_read_by_its_mapping(capsys, tmp_path):
    (tmp_path / "walk.csv").write_text("a_x,a_y,a_z,b_x,b_y,b_z\n0,1,0,0,2,0\n100,1,0,0,2,0\n")
    (tmp_path / "map.yaml").write_text(
        "skeleton: {joints: [a, b], bones: [[a, b]], center: a}\nunit: cm\nfps: 10\nfile_name: '{label}'\n"
    )
    words = ("convert", tmp_path / "walk.csv", "--mapping", tmp_path / "map.yaml", "-o", tmp_path / "out.npz")
    assert run(capsys, *words)[0] == 0
    motions = read_motions(tmp_path / "out.npz")
    assert (motions.class_names, motions.fps) == (("walk",), 10)
    np.testing.assert_allclose(motions.motion[0, :, 1, 0], [1, 0.01, 0], rtol=1e-6)


BVH = """HIERARCHY
ROOT hips
{
  OFFSET 0 0 0
  CHANNELS 3 Xposition Yposition Zposition
  End Site
  {
    OFFSET 0 10 0
  }
}
MOTION
Frames: 2
Frame Time: 0.1
1 2 3
1 2 4
"""


def test_metres_is_the_unit_of_a_bvh_file(capsys, tmp_path):
    (tmp_path / "walk.bvh").write_text(BVH)
    for words, height in (((), 0.12), (("--metres", 1), 12)):
        assert run(capsys, "convert", tmp_path / "walk.bvh", *words, "-o", tmp_path / "out.npz")[0] == 0
        assert np.asarray(read_motions(tmp_path / "out.npz").motion)[0, 1].max() == pytest.approx(height)
    status, _, err = run(capsys, "convert", tmp_path / "walk.bvh", "--metres", -1, "-o", tmp_path / "out.npz")
    assert status == 2 and "walk.bvh" in err


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "experiments" / "tables").glob("*.yaml")), ids=str)
def test_mappings_of_the_package_are_sound(file):
    from kinetic.formats.tabular import read_table_mapping

    assert read_table_mapping(file).column_names()
