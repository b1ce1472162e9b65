"""Tests of kinetic/formats/tabular.py: motions from .csv and .npz files, with a mapping of their columns and arrays."""

from __future__ import annotations

import csv
import os
import zipfile

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kinetic.formats import mocap, tabular
from kinetic.formats.tabular import TableMapping, read_table, read_table_mapping
from kinetic.skeleton import NTU25, Skeleton, save_skeleton

STICK = {"joints": ["hip", "head"], "bones": [["hip", "head"]], "center": "hip"}
PLAIN = {"skeleton": STICK, "fps": 25, "constant": {"label": "walk"}}
HEAD = "hip_x,hip_y,hip_z,head_x,head_y,head_z"
KINDER_GATOR = """
skeleton:
  name: kinect20
  joints: [HipCenter, Spine, ShoulderCenter, Head, ShoulderLeft, ElbowLeft, WristLeft, HandLeft, ShoulderRight,
           ElbowRight, WristRight, HandRight, HipLeft, KneeLeft, AnkleLeft, FootLeft, HipRight, KneeRight, AnkleRight,
           FootRight]
  bones: [[0, 1], [1, 2], [2, 3], [2, 4], [4, 5], [5, 6], [6, 7], [2, 8], [8, 9], [9, 10], [10, 11], [0, 12], [12, 13],
          [13, 14], [14, 15], [0, 16], [16, 17], [17, 18], [18, 19]]
  center: ShoulderCenter
  left: [ShoulderLeft, ElbowLeft, WristLeft, HandLeft, HipLeft, KneeLeft, AnkleLeft, FootLeft]
  right: [ShoulderRight, ElbowRight, WristRight, HandRight, HipRight, KneeRight, AnkleRight, FootRight]
coordinates: "{joint}{axis}"
axis_names: {x: X, y: Y, z: Z}
columns: {time: Timestamp, label: Action, subject: User-ID}
time_unit: ms
fps: 30
source: kinder_gator
"""


def mapping(folder, **changes):
    file = folder / "mapping.yaml"
    plain = {key: value for key, value in {**PLAIN, **changes}.items() if value is not None}
    file.write_text(yaml.safe_dump(plain), encoding="utf-8")
    return file


def table(folder, *lines, name="a.csv", end="\n"):
    file = folder / name
    file.write_bytes(end.join(lines).encode("utf-8"))
    return file


ROWS = ("0,1,2,3,4,5", "6,7,8,9,10,11")


def test_a_small_table(tmp_path):
    motions = read_table(table(tmp_path, HEAD, *ROWS), mapping(tmp_path))
    assert motions.shape == (1, 3, 2, 2) and motions.fps == 25
    assert motions.motion[0, :, 0].tolist() == [[0, 3], [1, 4], [2, 5]]  # x, y, z of hip and head
    assert motions.motion[0, :, 1].tolist() == [[6, 9], [7, 10], [8, 11]]
    assert (motions.class_names, motions.clip, motions.columns) == (("walk",), ("a",), {})
    assert motions.skeleton.joints == ("hip", "head")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ([HEAD, *ROWS], "\r\n"),
        (["", HEAD, "", *ROWS, "", ""], "\n"),
        (["\ufeff" + HEAD, *ROWS], "\n"),
        ([HEAD + ",", ROWS[0] + ",", ROWS[1] + ","], "\n"),
        ([",".join(f'"{name}"' for name in HEAD.split(",")), ROWS[0], ROWS[1].replace("9", '"9"')], "\n"),
        ([HEAD.replace(",", " , "), ROWS[0].replace(",", " ,  "), ROWS[1]], "\n"),
        (["name," + HEAD, "# a," + ROWS[0], "b," + ROWS[1]], "\n"),
    ],
)
def test_ways_to_write_the_same_table(tmp_path, text, end):
    plain = read_table(table(tmp_path, HEAD, *ROWS), mapping(tmp_path))
    other = read_table(table(tmp_path, *text, end=end), mapping(tmp_path))
    assert np.array_equal(plain.motion, other.motion)


@pytest.mark.parametrize(("word", "letter"), [("semicolon", ";"), ("tab", "\t"), ("space", "  ")])
def test_other_delimiters(tmp_path, word, letter):
    plain = read_table(table(tmp_path, HEAD, *ROWS), mapping(tmp_path))
    lines = [line.replace(",", letter) for line in (HEAD, *ROWS)]
    other = read_table(table(tmp_path, *lines), mapping(tmp_path, delimiter=word))
    assert np.array_equal(plain.motion, other.motion)


@pytest.mark.parametrize(("unit", "scale"), [("m", 1), ("cm", 0.01), ("mm", 0.001), ("inch", 0.0254), ("foot", 0.3048)])
def test_units_become_metres(tmp_path, unit, scale):
    motions = read_table(table(tmp_path, HEAD, *ROWS), mapping(tmp_path, unit=unit))
    assert motions.motion[0, 0, 1, 1] == pytest.approx(9 * scale)


def test_axes_are_put_in_order_and_turned(tmp_path):
    motions = read_table(table(tmp_path, HEAD, *ROWS), mapping(tmp_path, axes=["x", "z", "-y"]))
    assert motions.motion[0, :, 0, 1].tolist() == [3, 5, -4]


def test_two_coordinates_need_two_columns(tmp_path):
    flat = {"skeleton": {**STICK, "channels": 2}, "unit": "pixel"}
    motions = read_table(table(tmp_path, "hip_x,hip_y,head_x,head_y", "1,2,3,4"), mapping(tmp_path, **flat))
    assert motions.motion[0, :, 0].tolist() == [[1, 3], [2, 4]]
    turned = read_table(tmp_path / "a.csv", mapping(tmp_path, **flat, axes=["x", "-y"]))
    assert turned.motion[0, :, 0].tolist() == [[1, 3], [-2, -4]]


def test_joints_may_have_other_names_and_further_columns_are_ignored(tmp_path):
    head = "Comment,P0:X,P0:Y,P0:Z,Kopf:X,Kopf:Y,Kopf:Z"
    changes = {
        "coordinates": "{joint}:{axis}",
        "axis_names": {"x": "X", "y": "Y", "z": "Z"},
        "joint_names": {"hip": "P0", "head": "Kopf"},
    }
    motions = read_table(table(tmp_path, head, "words," + ROWS[0]), mapping(tmp_path, **changes))
    assert motions.motion[0, :, 0, 1].tolist() == [3, 4, 5]
    changes = {"coordinates": "P{number}{axis}"}
    motions = read_table(table(tmp_path, "P0x,P0y,P0z,P1x,P1y,P1z", ROWS[0]), mapping(tmp_path, **changes))
    assert motions.motion[0, :, 0, 1].tolist() == [3, 4, 5]


def test_columns_without_names_are_counted(tmp_path):
    changes = {"header": False, "coordinates": {"hip": [4, 5, 6], "head": [1, 2, 3]}}
    motions = read_table(table(tmp_path, *ROWS), mapping(tmp_path, **changes))
    assert motions.motion[0, :, 0].tolist() == [[3, 0], [4, 1], [5, 2]]


def test_a_column_of_clips_makes_several_motions(tmp_path):
    lines = ["take,who,what," + HEAD, *(f"t{i // 2},p{i // 2 % 2},{'ab'[i // 2 % 2]}," + ROWS[0] for i in range(5))]
    columns = {"clip": "take", "subject": "who", "label": "what"}
    motions = read_table(table(tmp_path, *lines), mapping(tmp_path, columns=columns, constant={"view": 2}))
    assert motions.clip == ("t0", "t1", "t2") and motions.label.tolist() == [0, 1, 0]
    assert motions.subject_names == ("p0", "p1") and motions.subject.tolist() == [0, 1, 0]
    assert motions.columns["frames"].tolist() == [2, 2, 1] and motions.view.tolist() == [2, 2, 2]
    assert not motions.motion[2, :, 1].any()


def test_names_of_files_give_facts(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("P10_wave-hand_c2.csv", "P9_walk_c1.csv"):
        table(folder, HEAD, *ROWS, name=name)
    (folder / "readme.md").write_text("not data")
    changes = {"file_name": "P{subject:d}_{label}_c{view:d}", "constant": {}}
    motions = read_table(folder, mapping(tmp_path, **changes))
    assert motions.clip == ("P9_walk_c1", "P10_wave-hand_c2")
    assert motions.class_names == ("walk", "wave-hand") and motions.subject_names == ("9", "10")
    assert motions.view.tolist() == [1, 2]


def test_classes_give_order_and_names(tmp_path):
    lines = ["what,take," + HEAD, "2,a," + ROWS[0], "1,b," + ROWS[1]]
    columns = {"label": "what", "clip": "take"}
    named = read_table(table(tmp_path, *lines), mapping(tmp_path, columns=columns, classes={"1": "walk", "2": "run"}))
    assert named.class_names == ("walk", "run") and named.label.tolist() == [1, 0]
    listed = read_table(table(tmp_path, *lines), mapping(tmp_path, columns=columns, classes=["2", "3", "1"]))
    assert listed.class_names == ("2", "3", "1") and listed.label.tolist() == [0, 2]


def test_times_give_the_rate(tmp_path):
    lines = ["t," + HEAD, *(f"{1000 + 40 * i}," + ROWS[0] for i in range(4))]
    motions = read_table(table(tmp_path, *lines), mapping(tmp_path, fps=None, columns={"time": "t"}, time_unit="ms"))
    assert motions.fps == pytest.approx(25)


def test_uneven_times_are_resampled_to_a_rate(tmp_path):
    lines = ["t," + HEAD, *(f"{t}," + ",".join([str(10 * t)] * 6) for t in (0, 0.3, 0.5, 1.0, 1.1))]
    motions = read_table(table(tmp_path, *lines), mapping(tmp_path, fps=10, columns={"time": "t"}))
    assert motions.shape[2] == 12 and motions.fps == 10
    np.testing.assert_allclose(motions.motion[0, 0, :, 0], np.arange(12.0), atol=1e-5)


def test_the_skeleton_is_built_in_or_in_a_file(tmp_path):
    save_skeleton(Skeleton.from_dict(STICK), tmp_path / "stick.yaml")
    assert read_table_mapping(mapping(tmp_path, skeleton="stick.yaml")).skeleton.joints == ("hip", "head")
    assert read_table_mapping(mapping(tmp_path, skeleton="ntu25")).skeleton == NTU25


def test_a_mapping_made_in_python_does_the_same(tmp_path):
    direct = TableMapping(skeleton=Skeleton.from_dict(STICK), fps=25.0, constant={"label": "walk"})
    data = table(tmp_path, HEAD, *ROWS)
    assert np.array_equal(read_table(data, direct).motion, read_table(data, mapping(tmp_path)).motion)


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6), min_size=1, max_size=8), st.booleans())
def test_numbers_come_back(tmp_path_factory, rows, quoted):
    folder = tmp_path_factory.mktemp("table")
    with open(folder / "a.csv", "w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
        writer.writerow(HEAD.split(","))
        writer.writerows(rows)
    motions = read_table(folder / "a.csv", mapping(folder))
    expected = np.array(rows, dtype=np.float32).reshape(-1, 2, 3).transpose(2, 0, 1)
    assert np.array_equal(motions.motion[0], expected)


# -------------------------------------------------------------------------------------------------------------- .npz


def arrays(folder, **values):
    np.savez(folder / "a.npz", **values)
    return folder / "a.npz"


MOTION = np.random.default_rng(0).normal(size=(4, 3, 5, 2)).astype(np.float32)


@pytest.mark.parametrize(
    ("layout", "array"),
    [
        ("N C T V", MOTION),
        ("N T V C", MOTION.transpose(0, 2, 3, 1)),
        ("N T VC", MOTION.transpose(0, 2, 3, 1).reshape(4, 5, 6)),
        ("N T CV", MOTION.transpose(0, 2, 1, 3).reshape(4, 5, 6)),
        ("T NV C", MOTION.transpose(2, 0, 3, 1).reshape(5, 8, 3)),
        ("V T N C", MOTION.transpose(3, 2, 0, 1).astype(np.float64)),
    ],
)
def test_layouts_of_arrays(tmp_path, layout, array):
    motions = read_table(arrays(tmp_path, poses=array), mapping(tmp_path, layout=layout, arrays={"motion": "poses"}))
    assert np.array_equal(motions.motion, MOTION) and motions.clip == ("a 0", "a 1", "a 2", "a 3")


def test_arrays_beside_the_motion(tmp_path):
    file = arrays(
        tmp_path, poses=MOTION, y=np.array([1, 0, 1, 2]), who=np.array(["ann", "bob", "ann", "bob"]),
        n=np.array([5, 3, 1, 5]), rate=np.array([30.0, 30.0, 15.0, 30.0]),
    )  # fmt: skip
    changes = {
        "arrays": {"motion": "poses", "label": "y", "subject": "who", "frames": "n", "fps": "rate"},
        "classes": {"0": "walk", "1": "run", "2": "hop"},
    }
    motions = read_table(file, mapping(tmp_path, constant={}, **changes))
    assert motions.class_names == ("walk", "run", "hop") and motions.label.tolist() == [1, 0, 1, 2]
    assert motions.subject_names == ("ann", "bob") and motions.fps.tolist() == [30, 30, 15, 30]
    assert motions.columns["frames"].tolist() == [5, 3, 1, 5]
    assert np.array_equal(motions.motion[1, :, :3], MOTION[1, :, :3]) and not motions.motion[1, :, 3:].any()


def test_joints_of_an_array_in_another_order(tmp_path):
    wide = np.concatenate([MOTION[..., 1:], MOTION[..., :1]], axis=3)
    motions = read_table(arrays(tmp_path, motion=wide), mapping(tmp_path, joints=["head", "hip"]))
    assert np.array_equal(motions.motion, MOTION)


def test_one_motion_alone(tmp_path):
    motions = read_table(arrays(tmp_path, motion=MOTION[0]), mapping(tmp_path, layout="C T V"))
    assert motions.clip == ("a",) and np.array_equal(motions.motion, MOTION[:1])


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"skelton": "ntu25"}, r"unknown key 'skelton' \(did you mean skeleton"),
        ({"skeleton": None}, "there is no skeleton"),
        ({"skeleton": "ntu26"}, "none is called 'ntu26' .did you mean ntu25"),
        ({"skeleton": 5}, "found int"),
        ({"skeleton": {"joints": ["a"]}}, "skeleton: "),
        ({"unit": "yard"}, "found 'yard', expected one of: m, cm"),
        ({"axes": ["x", "y"]}, "expected x, y, z in some order"),
        ({"axes": ["x", "-x", "y"]}, "expected x, y, z in some order"),
        ({"axes": "xyz"}, "axes: found 'xyz', expected a list"),
        ({"fps": 0}, "positive"),
        ({"fps": "fast"}, "fps: found 'fast'"),
        ({"header": "yes"}, "header: found 'yes'"),
        ({"columns": {"lable": "a"}}, r"no column 'lable' \(did you mean label"),
        ({"columns": ["a"]}, "columns: found"),
        ({"constant": {"label": [1]}}, "expected a text"),
        ({"joint_names": {"hipp": "a"}}, "did you mean hip"),
        ({"axis_names": {"w": "a"}}, "no axis 'w'"),
        ({"coordinates": "{joint}_{axes}"}, "found {axes}, expected {joint}, {axis}, {number}"),
        ({"coordinates": "{joint_{axis}"}, "no partner"),
        ({"coordinates": "{joint.__class__}{axis}"}, "found {joint.__class__}"),
        ({"coordinates": {"hip": ["a", "b"]}}, "found 2 columns for hip, expected 3"),
        ({"file_name": "{who}"}, "found {who}, expected one of: label"),
        ({"file_name": "{label:x}"}, "expected {label} or {label:d}"),
        ({"file_name": "{label}_{label}"}, "twice"),
        ({"file_name": "{}{}{}{}{}"}, "at most 4"),
        ({"layout": "N T V"}, "layout"),
        ({"joints": ["hip"]}, "there is no head"),
        ({"delimiter": ","}, "delimiter: found ',', expected one of: comma"),
        ({"time_unit": "min"}, "time_unit"),
        ({"arrays": {"poses": "a"}}, "no array 'poses'"),
        ({"fps": 10**99}, r"fps: found 1e\+99, expected a positive number"),
        ({"file_name": "{:d}{label:d}"}, "digits follow"),
        ({"file_name": "{:d}5"}, "digits follow"),
        ({"source": "a" * 501}, "source: found a text of 501 letters, expected at most 500"),
        ({"coordinates": {"hip": ["a"] * 4}}, "found 4 columns for hip, expected 3"),
    ],
)
def test_wrong_mappings_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message) as error:
        read_table_mapping(mapping(tmp_path, **changes))
    assert str(tmp_path / "mapping.yaml") in str(error.value)


@pytest.mark.parametrize(
    "key", ["axes", "joints", "fps", "header", "unit", "columns", "classes", "coordinates", "else"]
)
def test_only_the_shown_part_of_a_value_is_formatted(tmp_path, monkeypatch, key):
    class Deep:
        def __repr__(self):
            pytest.fail("written out")

    (tmp_path / "mapping.yaml").touch()
    for value in ([[[[[[Deep()]]]]]], {"a": [[[[[Deep()]]]]]}):
        monkeypatch.setattr(tabular, "read_yaml", lambda _, value=value: {"skeleton": "ntu25", key: value})
        with pytest.raises(ValueError, match=key):
            read_table_mapping(tmp_path / "mapping.yaml")


@pytest.mark.parametrize("key", ["axes", "fps", "unit", "classes"])
def test_a_yaml_bomb_is_refused_in_few_words(tmp_path, key):
    lines = ["skeleton: ntu25", f"{key}:", "  - &a0 [lol, lol]"]
    lines += [f"  - &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    (tmp_path / "mapping.yaml").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"mapping\.yaml, line 7: expected at most 20000 keys") as error:
        read_table_mapping(tmp_path / "mapping.yaml")
    assert len(str(error.value)) < 400
    (tmp_path / "mapping.yaml").write_text("\n".join(lines[:6]))
    with pytest.raises(ValueError, match=key) as error:
        read_table_mapping(tmp_path / "mapping.yaml")
    assert len(str(error.value)) < 400


def test_names_of_files_that_do_not_fit_are_refused_at_once(tmp_path):
    file = table(tmp_path, HEAD, *ROWS, name="1" * 200 + ".csv")
    fields = {"file_name": "{:d}{}{:d}{}{:d}_{label}"}
    with pytest.raises(ValueError, match="expected a name like"):
        read_table(file, mapping(tmp_path, **fields))


@pytest.mark.parametrize("text", ["- a", "5", "", "a: [", "skeleton: ntu25\nskeleton: ntu25"])
def test_other_yaml_is_refused(tmp_path, text):
    (tmp_path / "mapping.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"mapping\.yaml"):
        read_table_mapping(tmp_path / "mapping.yaml")


@pytest.mark.parametrize(
    ("lines", "changes", "message"),
    [
        ([], {}, "holds no lines"),
        ([HEAD], {}, "no frames"),
        ([HEAD, "1,2,3,4,5"], {}, "line 2: found 5 columns, expected 6"),
        ([HEAD, "", ROWS[0], ROWS[0] + ",7"], {}, "line 4: found 7 columns, expected 6"),
        ([HEAD, ROWS[0], "1,2,3,x,5,6"], {}, "line 3, column 'head_x': found 'x', expected a number"),
        ([HEAD, ROWS[0], "1,2,3,,5,6"], {}, "line 3, column 'head_x': found nothing"),
        ([HEAD, "", "1,2,3,nan,5,6"], {}, "line 3, column 'head_x': found 'nan'"),
        ([HEAD, "1,2,3,4,5,1e400"], {}, "line 2, column 'head_z': found '1e400'"),
        ([HEAD, "1,2,3,4,5,-1e39"], {}, "line 2, column 'head_z': found '-1e39'"),
        ([HEAD, "1_0,2,3,4,5,6"], {}, "line 2, column 'hip_x': found '1_0'"),
        ([HEAD, '1,2,3,4,5,"1_0"'], {}, "line 2, column 'head_z': found '1_0'"),
        ([HEAD, "\u0661,2,3,4,5,6"], {}, "line 2, column 'hip_x'"),
        ([HEAD, '1,2,3,4,5,"6'], {}, "line 2"),
        ([HEAD.replace("head_z", "hip_x"), ROWS[0]], {}, "two columns called 'hip_x'"),
        ([HEAD.replace("head_z", "heat_z"), ROWS[0]], {}, r"no column 'head_z' \(did you mean .*heat_z"),
        ([HEAD, ROWS[0]], {"fps": None}, "has no rate, expected fps"),
        ([HEAD, ROWS[0]], {"constant": {}}, "has no labels"),
        ([HEAD, ROWS[0]], {"classes": ["run"]}, "no class 'walk'"),
        ([HEAD, ROWS[0]], {"constant": {"label": "walk", "view": "left"}}, "view is 'left', expected a whole number"),
        ([HEAD, ROWS[0]], {"file_name": "b{label}"}, "is called 'a', expected a name like 'b{label}'"),
        (["t," + HEAD, "1," + ROWS[0], "1," + ROWS[0]], {"columns": {"time": "t"}}, "line 3: the time is not later"),
        (["t," + HEAD, "1," + ROWS[0]], {"columns": {"time": "t"}}, "line 2: a motion of one frame"),
        (
            ["t," + HEAD, "1000," + ROWS[0], "2000," + ROWS[0]],
            {"columns": {"time": "t"}, "fps": 30},
            "is time_unit right",
        ),
        (
            ["c," + HEAD, *(f"{c}," + ROWS[0] for c in "aba")],
            {"columns": {"clip": "c"}},
            "line 4: clip 'a' goes on",
        ),
        (["w," + HEAD, "a," + ROWS[0], "b," + ROWS[0]], {"columns": {"label": "w"}}, "line 3: label is 'b'"),
        (["w," + HEAD, " ," + ROWS[0]], {"columns": {"label": "w"}}, "line 2: label is ''"),
    ],
)
def test_wrong_tables_are_refused_with_line_and_column(tmp_path, lines, changes, message):
    file = table(tmp_path, *lines)
    with pytest.raises(ValueError, match=message) as error:
        read_table(file, mapping(tmp_path, **changes))
    assert str(error.value).startswith(str(file))


@pytest.mark.parametrize("data", [HEAD.encode("utf-16"), b"\x1f\x8b\0\0", b"a,\xff\xfe\xfd\n1,2,3"])
def test_other_files_are_refused(tmp_path, data):
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(ValueError, match="UTF-8"):
        read_table(tmp_path / "a.csv", mapping(tmp_path))


@pytest.mark.parametrize(
    ("values", "changes", "message"),
    [
        ({"poses": MOTION}, {}, "no array 'motion'; it holds poses"),
        ({"motion": MOTION[:, :2]}, {}, "shape .4, 2, 5, 2., expected N C T V with V 2 and C 3"),
        ({"motion": MOTION[0]}, {}, "expected 4 axes"),
        ({"motion": MOTION[:0]}, {}, "holds nothing"),
        ({"motion": np.array([[[[None]]]])}, {}, "motion"),
        ({"motion": MOTION * np.float32(np.nan)}, {}, "motion 0 holds NaN"),
        ({"motion": MOTION}, {"fps": None}, "has no rate, expected fps"),
        ({"motion": MOTION, "n": [9, 1, 1, 1]}, {"arrays": {"frames": "n"}}, "motion 0 has 9 frames, expected 1 to 5"),
        ({"motion": MOTION, "y": [1, 2]}, {"arrays": {"label": "y"}}, "y has shape .2,., expected one value"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, values, changes, message):
    with pytest.raises(ValueError, match=message):
        read_table(arrays(tmp_path, **values), mapping(tmp_path, **changes))


@pytest.mark.parametrize("name", ["a.npz", "a.csv"])
def test_a_pipe_is_not_opened(tmp_path, monkeypatch, name):
    os.mkfifo(tmp_path / name)
    monkeypatch.setattr(tabular, "Archive", lambda path: pytest.fail("opened"))
    with pytest.raises(ValueError, match=f"{name}: is not a plain file"):
        read_table(tmp_path / name, mapping(tmp_path))


def test_too_many_columns_are_refused(tmp_path):
    more = [f"c{i}" for i in range(tabular.MOST_COLUMNS - 6)]
    values = ",0" * len(more)
    file = table(tmp_path, ",".join([HEAD, *more]), *(row + values for row in ROWS))
    assert read_table(file, mapping(tmp_path)).shape == (1, 3, 2, 2)
    for end in ("", '"'):
        file = table(tmp_path, ",".join([HEAD, *more]) + f",{end}last{end}", *(row + values + ",0" for row in ROWS))
        with pytest.raises(ValueError, match="line 1: found 20001 columns, expected at most 20000"):
            read_table(file, mapping(tmp_path))


def test_the_search_of_columns_is_not_quadratic(tmp_path, monkeypatch):
    compared = []

    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other):
            compared.append(other)
            return str.__eq__(self, other)

        def strip(self):
            return self

    split = tabular._split
    head = ",".join([HEAD, *(f"c{i}" for i in range(100))])
    names = [Name(name) for name in head.split(",")]
    monkeypatch.setattr(tabular, "_split", lambda line, by: names if line == head else split(line, by))
    assert read_table(table(tmp_path, head, *(row + ",0" * 100 for row in ROWS)), mapping(tmp_path)).shape[0] == 1
    assert len(compared) < 5 * len(names)


def test_long_lines_and_many_lines_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tabular, "LONGEST_LINE", 100)
    for end in ("", '"'):
        file = table(tmp_path, HEAD, ROWS[0], end + "5" * 120 + end + ",1,2,3,4,5")
        with pytest.raises(ValueError, match="line 3: found 13[0-9] letters, expected at most 100"):
            read_table(file, mapping(tmp_path))
    monkeypatch.setattr(tabular, "MOST_LINES", 5)
    for end in ("\n", "\r", "\r\n"):
        with pytest.raises(ValueError, match="found 7 lines, expected at most 5"):
            read_table(table(tmp_path, HEAD, *ROWS * 3, "", end=end), mapping(tmp_path))


def test_motions_that_exceed_the_memory_limit_are_refused(tmp_path, monkeypatch):
    clips = [f"c{i}," + ROWS[0] for i in range(20)] + ["long," + ROWS[0]] * 80
    file = table(tmp_path, "c," + HEAD, *clips)
    clips_mapping = read_table_mapping(mapping(tmp_path, columns={"clip": "c"}))
    monkeypatch.setattr(mocap, "MAX_BYTES", 100 * 24)  # the frames fit, but 21 motions padded to 80 frames do not
    with pytest.raises(ValueError, match=r"a\.csv: 21 motions are 40320 bytes, more than the 2400 bytes"):
        read_table(file, clips_mapping)
    monkeypatch.setattr(mocap, "MAX_BYTES", 10 * 24)
    with pytest.raises(ValueError, match=r"a\.csv: 11 motions are 264 bytes"):
        read_table(file, clips_mapping)
    times = table(tmp_path, "t," + HEAD, *(f"{t}," + ROWS[0] for t in range(5)), name="t.csv")
    monkeypatch.setattr(mocap, "MAX_BYTES", 2400)
    with pytest.raises(ValueError, match=r"t\.csv: 1 motions are 4824 bytes"):
        read_table(times, mapping(tmp_path, columns={"time": "t"}, fps=50))
    monkeypatch.setattr(tabular, "MOST_MOTIONS", 3)
    with pytest.raises(ValueError, match=r"found 4 motions or more, expected at most 3"):
        read_table(file, clips_mapping)
    with pytest.raises(ValueError, match=r"found 4 motions or more, expected at most 3"):
        read_table(arrays(tmp_path, motion=MOTION), mapping(tmp_path))


def test_files_that_exhaust_the_memory_are_named(tmp_path, monkeypatch):
    file = table(tmp_path, HEAD, *ROWS)

    def fail(*_):
        raise MemoryError

    for part in ("_together", "_table"):
        with monkeypatch.context() as patch:
            patch.setattr(tabular, part, fail)
            with pytest.raises(ValueError, match=r"a\.csv: needs more memory than this machine has"):
                read_table(file, mapping(tmp_path))


def test_frames_at_an_impossible_rate_are_refused(tmp_path):
    file = table(tmp_path, "t," + HEAD, "0," + ROWS[0], "1e-320," + ROWS[0])
    with pytest.raises(ValueError, match="is time_unit right"):
        read_table(file, mapping(tmp_path, columns={"time": "t"}, fps=None))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_table(tmp_path / "b.csv", mapping(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="without files"):
        read_table(tmp_path / "empty", mapping(tmp_path))
    (tmp_path / "a.npz").write_bytes(b"PK\3\4 no zip")
    with pytest.raises(ValueError, match="zip"):
        read_table(tmp_path / "a.npz", mapping(tmp_path))
    with zipfile.ZipFile(tmp_path / "a.json", "w"), pytest.raises(ValueError, match="ends in .json"):
        read_table(tmp_path / "a.json", mapping(tmp_path))


# --------------------------------------------------------------------------------------------------------- real files


def test_a_real_data_set_is_read(shared, tmp_path):
    (tmp_path / "kinder_gator.yaml").write_text(KINDER_GATOR)
    folder = shared / "data" / "raw" / "kinder_gator"
    motions = read_table(folder, tmp_path / "kinder_gator.yaml")
    assert len(motions) == 12 and motions.fps == 30 and len(motions.class_names) == 12
    assert {"Raise-your-hand", "Kick-a-ball"} <= set(motions.class_names)
    assert set(motions.subject_names) >= {"103", "976"} and motions.shape[3] == 20
    heights = np.ptp(motions.motion[:, 1, 0], axis=1)  # from the lowest to the highest joint, first frame
    assert (0.8 < heights).all() and (heights < 2.1).all()
    first = motions.clip.index("POSE-p103_01-Raise-your-hand-1455370152780")
    assert motions.motion[first, :, 0, 0].tolist() == pytest.approx([-0.0419986, -0.1512957, 3.057717])


def test_names_of_real_files_give_the_same_facts_as_their_columns(shared, tmp_path):
    plain = yaml.safe_load(KINDER_GATOR)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(plain))
    named = {**plain, "columns": {"time": "Timestamp"}, "file_name": "POSE-p{subject:d}_{:d}-{label}-{:d}"}
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(named))
    folder = shared / "data" / "raw" / "kinder_gator"
    a, b = read_table(folder, tmp_path / "a.yaml"), read_table(folder, tmp_path / "b.yaml")
    assert np.array_equal(a.motion, b.motion) and a.subject_names == b.subject_names
    assert [a.class_names[i] for i in a.label] == [b.class_names[i] for i in b.label]
