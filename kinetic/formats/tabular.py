"""The reader of any .csv or .npz file of motions, with a YAML file that says what its columns or arrays are."""

from __future__ import annotations

import csv
import os
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from kinetic.files import read_yaml
from kinetic.formats.mocap import Take, assembled, brief, bytes_of, check_room, quoted
from kinetic.messages import nearest, one_line, safe_line
from kinetic.motion.arrays import MAX_TEXT, Archive
from kinetic.motion.motion_set import MotionSet
from kinetic.motion.splits import natural_order
from kinetic.presets import preset_file, presets
from kinetic.skeleton import SKELETONS, Skeleton, load_skeleton

__all__ = ["TableMapping", "read_table", "read_table_mapping"]

LARGEST = 512 << 20
"""Bytes of the largest .csv file."""
MOST_COLUMNS = 20_000
"""Columns of a .csv file: 20 for each of the at most 1000 joints of a skeleton."""
LONGEST_LINE = 64 * MOST_COLUMNS
"""Letters of a line of a .csv file."""
MOST_LINES = 10_000_000
"""Lines of a .csv file, each of which is an object in memory: four days at 30 frames per second."""
MOST_MOTIONS = 1_000_000
"""Motions of a set, each of which is an object in memory."""
LONGEST_WORD = 500
"""Letters of a text in a mapping; the name of each joint's columns combines several texts."""
LIMIT = 1e30
"""All numbers of a .csv file are below it, and so finite as float32."""
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "foot": 0.3048, "pixel": 1.0}
TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " "}
ABOUT = ("label", "subject", "view", "setup", "clip")
"""Facts that a file may give about a motion, besides its coordinates."""
ARRAYS = ("motion", "frames", "fps", *ABOUT)


@dataclass(frozen=True, kw_only=True)
class TableMapping:
    """The columns or arrays in which a .csv or .npz file has its motions.

    Attributes:
        skeleton: the joints that the coordinates belong to
        coordinates: for .csv, a pattern of column names with `{joint}`, `{axis}` and `{number}` (of the joint, from 0
            on); or for each joint the names of its columns, in the order x, y, z
        joint_names: names of joints in the file, where they differ from the skeleton's
        axis_names: names of x, y and z in the file, where they differ
        unit: unit of the coordinates: m, cm, mm, inch, foot; pixel leaves them as they are
        axes: the axes of the file that become x, y (up) and z, with a minus for the opposite direction: [x, z, -y] for
            z up; () = x, y, z
        fps: frames per second; with a column of times, the rate that motions are resampled to (linearly)
        columns: for .csv, the columns of time, clip, label, subject, view and setup
        time_unit: unit of the column of times: s, ms, us or ns
        file_name: pattern of the names of files, such as `POSE-p{subject:d}_{:d}-{label}`: braces hold any text, with
            `:d` digits; the text in braces without a name is ignored
        constant: label, subject, view and setup of all motions, where no column and no name of a file gives them
        classes: names of the classes in their order: a list, or the file's label -> name
        header: whether the first line of a .csv names its columns; otherwise they are called 1, 2, 3 ...
        delimiter: between columns: comma, semicolon, tab or space
        arrays: for .npz, the arrays of motion, frames, fps, label, subject, view, setup and clip
        layout: axes of the array of motions: N, T, V and C in their order, letters of one axis together, as in `N T VC`
        joints: for .npz, the skeleton's names of the joints in the order of the array; () = those of the skeleton
        source: name of the set
    """

    skeleton: Skeleton
    coordinates: str | dict[str, tuple[str, ...]] = "{joint}_{axis}"
    joint_names: dict[str, str] = field(default_factory=dict)
    axis_names: dict[str, str] = field(default_factory=dict)
    unit: str = "m"
    axes: tuple[str, ...] = ()
    fps: float | None = None
    columns: dict[str, str] = field(default_factory=dict)
    time_unit: str = "s"
    file_name: str = ""
    constant: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    header: bool = True
    delimiter: str = "comma"
    arrays: dict[str, str] = field(default_factory=lambda: {"motion": "motion"})
    layout: str = "N C T V"
    joints: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        channels = self.skeleton.channels
        for name, choices in (("unit", UNITS), ("time_unit", TIMES), ("delimiter", DELIMITERS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: found {getattr(self, name)!r}, expected one of: {', '.join(choices)}")
        if self.axes and sorted(axis.removeprefix("-") for axis in self.axes) != list("xyz"[:channels]):
            raise ValueError(
                f"axes: found {', '.join(self.axes)}, expected {', '.join('xyz'[:channels])} in some order"
            )
        if self.fps is not None and not 0 < self.fps < 1e6:
            raise ValueError(f"fps: found {self.fps}, expected a positive number")
        by_joint = self.coordinates if isinstance(self.coordinates, dict) else {}
        _known("joint_names", self.joint_names, self.skeleton.joints, "joint")
        _known("coordinates", by_joint, self.skeleton.joints, "joint")
        _known("joints", self.joints, self.skeleton.joints, "joint")
        _known("axis_names", self.axis_names, "xyz"[:channels], "axis")
        _known("columns", self.columns, ("time", *ABOUT), "column")
        _known("constant", self.constant, ABOUT[:-1], "constant")
        _known("arrays", self.arrays, ARRAYS, "array")
        listed = set(self.joints)
        if missing := [joint for joint in self.skeleton.joints if listed and joint not in listed]:
            raise ValueError(f"joints: there is no {missing[0]}, which the skeleton has")
        if isinstance(self.coordinates, str):
            _fields("coordinates", self.coordinates, ("joint", "axis", "number"))
        for joint, columns in by_joint.items():
            if len(columns) != channels:
                raise ValueError(f"coordinates: found {len(columns)} columns for {joint}, expected {channels}")
        if sorted(self.layout.replace(" ", "")) not in (sorted("NCTV"), sorted("CTV")):
            raise ValueError(f"layout: found {self.layout!r}, expected the letters N C T V, or C T V for one motion")
        _pattern(self.file_name)

    def column_names(self) -> list[str]:
        """The names of the columns with coordinates, joint by joint (V * C)."""
        if isinstance(self.coordinates, dict):
            if missing := [joint for joint in self.skeleton.joints if joint not in self.coordinates]:
                raise ValueError(f"coordinates: there are no columns for {missing[0]}")
            return [column for joint in self.skeleton.joints for column in self.coordinates[joint]]
        names = []
        for number, joint in enumerate(self.skeleton.joints):
            for axis in "xyz"[: self.skeleton.channels]:
                fields = {
                    "joint": self.joint_names.get(joint, joint),
                    "axis": self.axis_names.get(axis, axis),
                    "number": str(number),
                }
                column = self.coordinates
                for field_name, value in fields.items():
                    column = column.replace(f"{{{field_name}}}", value)
                names.append(column)
        return names

    def metres(self, positions: np.ndarray) -> np.ndarray:
        """The file's coordinates (..., C) in metres and with y up, float32."""
        axes = self.axes or tuple("xyz"[: self.skeleton.channels])
        order = ["xyz".index(axis.removeprefix("-")) for axis in axes]
        scale = [UNITS[self.unit] * (-1 if axis.startswith("-") else 1) for axis in axes]
        return np.asarray(positions[..., order] * np.array(scale), dtype=np.float32)

    def facts(self, stem: str) -> dict[str, str]:
        """The facts of a motion that are constant, and those in the name of its file."""
        if not self.file_name:
            return dict(self.constant)
        match = _pattern(self.file_name).fullmatch(stem)
        if match is None:
            raise ValueError(f"is called {stem!r}, expected a name like {self.file_name!r}")
        return self.constant | match.groupdict()


_BRACES = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")


def _fields(what: str, text: str, known: Sequence[str]) -> None:
    for name, kind in _BRACES.findall(text):
        if name not in known or kind:
            raise ValueError(f"{what}: found {{{name}}}, expected {', '.join(f'{{{one}}}' for one in known)}")
    if "{" in _BRACES.sub("", text) or "}" in _BRACES.sub("", text):
        raise ValueError(f"{what}: found {text!r}, where a brace has no partner")


def _pattern(text: str) -> re.Pattern[str]:
    """The regular expression for a pattern of names of files.

    `{label}` is any text, `{subject:d}` is digits, and the text of `{}` and `{:d}` is ignored.
    """
    if re.search(r"\{[^{}:]*:d\}([0-9]|\{[^{}:]*:d\})", text):
        raise ValueError(f"file_name: found {text!r}, where digits follow {{:d}}, so that its end is ambiguous")
    parts: list[str] = []
    at = 0
    for match in _BRACES.finditer(text):
        name, kind = match[1], match[2]
        if name and name not in ABOUT:
            raise ValueError(f"file_name: found {{{name}}}, expected one of: {', '.join(ABOUT)}")
        if kind not in (None, "d"):
            raise ValueError(f"file_name: found {{{name}:{kind}}}, expected {{{name}}} or {{{name}:d}}")
        value = "[0-9]++" if kind == "d" else ".+"  # possessive: only texts make the search backtrack
        if name and f"(?P<{name}>" in "".join(parts):
            raise ValueError(f"file_name: found {{{name}}} twice")
        parts += [re.escape(text[at : match.start()]), f"(?P<{name}>{value})" if name else f"(?:{value})"]
        at = match.end()
    parts.append(re.escape(text[at:]))
    if (texts := "".join(parts).count(".+")) > 4:  # each multiplies the time of a search that fails
        raise ValueError(f"file_name: found {texts} fields of any text, expected at most 4; the others may be {{:d}}")
    return re.compile("".join(parts))


def _known(what: str, names: Sequence[str] | Mapping[str, Any], known: Sequence[str], kind: str) -> None:
    there = set(known)
    for name in names:
        if name not in there:
            raise ValueError(f"{what}: there is no {kind} {quoted(name)}{_near(name, known)}")


def _near(name: str, known: Sequence[str]) -> str:
    near = nearest(name, known, count=3, cutoff=0.5)
    return (
        f" (did you mean {' or '.join(map(safe_line, near))}?)"
        if near
        else f"; there are {', '.join(map(safe_line, known[:12]))}"
    )


# ------------------------------------------------------------------------------------------------------ the YAML file


def read_table_mapping(path: str | os.PathLike[str]) -> TableMapping:
    """The mapping in a YAML file, whose keys are the attributes of `TableMapping`.

    `skeleton` is the name of a built-in skeleton or of a preset, the path of a skeleton file (from the folder of this
    file), or a mapping of joints, bones and center.

    Args:
        path: the file, or the name of a preset (see `kinetic.presets`)

    Raises:
        FileNotFoundError: for a file or preset that does not exist
        ValueError: with the file and the key, what it holds and what was expected
    """
    file = preset_file(path, "table")
    plain = read_yaml(file)
    try:
        if not isinstance(plain, dict):
            raise ValueError(f"expected skeleton, coordinates and so on, found {type(plain).__name__}")
        keys = [attribute.name for attribute in fields(TableMapping)]
        for key in plain:
            if key not in keys:
                raise ValueError(f"unknown key {brief(key)}{_near(key, keys) if isinstance(key, str) else ''}")
        if "skeleton" not in plain:
            raise ValueError("there is no skeleton; expected a built-in name, a file, or joints, bones and center")
        values = {key: _typed(key, value) for key, value in plain.items() if key != "skeleton"}
        return TableMapping(skeleton=_skeleton(plain["skeleton"], file.parent), **values)
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}") from error


def _skeleton(value: Any, folder: Path) -> Skeleton:
    if isinstance(value, dict):
        try:
            return Skeleton.from_dict(value)
        except ValueError as error:
            raise ValueError(f"skeleton: {error}") from error
    if not isinstance(value, str):
        raise ValueError(f"skeleton: found {type(value).__name__}, expected a name, a file or a mapping")
    names = {*SKELETONS, *presets("skeleton")}
    if value in names or value.endswith((".yaml", ".yml")):
        return load_skeleton(value, folder)
    raise ValueError(f"skeleton: none is called {quoted(value)}{_near(value, sorted(names))}")


def _typed(key: str, value: Any) -> Any:
    """A value from YAML as the value of an attribute."""
    match key:
        case "fps":
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return float(value)
        case "header":
            if isinstance(value, bool):
                return value
        case "coordinates" if isinstance(value, dict):
            return {_word(key, joint): tuple(_words(f"{key}: {joint}", columns)) for joint, columns in value.items()}
        case "axes" | "joints":
            return tuple(_words(key, value))
        case "classes" if isinstance(value, list):
            return {name: name for name in _words(key, value)}
        case "joint_names" | "axis_names" | "columns" | "constant" | "classes" | "arrays":
            if isinstance(value, dict):
                return {_word(key, name): _word(f"{key}: {name}", text) for name, text in value.items()}
        case _:
            return _word(key, value)
    raise ValueError(f"{key}: found {brief(value)}, expected another kind of value")


def _word(key: str, value: Any) -> str:
    """Text, or a whole number as text."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise ValueError(f"{key}: found {brief(value)}, expected a text")
    if len(text := str(value)) > LONGEST_WORD:
        raise ValueError(f"{key}: found a text of {len(text)} letters, expected at most {LONGEST_WORD}")
    return text


def _words(key: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"{key}: found {brief(value)}, expected a list")
    return [_word(key, word) for word in value]


# ----------------------------------------------------------------------------------------------------------- the data


@dataclass(frozen=True, eq=False)
class _Motion:
    positions: np.ndarray  # (T, V, C) metres
    fps: float
    about: dict[str, str]


def read_table(path: str | os.PathLike[str], mapping: str | os.PathLike[str] | TableMapping) -> MotionSet:
    """The motions of a .csv or .npz file, or of all such files in a folder, in the order of their names.

    A .csv file has one frame in each line. It is one motion, or one for each value of a column of `clip`. Motions of
    different length are padded with zeros at their end; the column `frames` of the set says how many frames come
    before.

    Args:
        mapping: the columns or arrays of the motions, or the YAML file with them (see `read_table_mapping`)

    Raises:
        FileNotFoundError: for a path that does not exist
        ValueError: with the file, the line and the column (or the array), what it holds and what was expected
    """
    if not isinstance(mapping, TableMapping):
        mapping = read_table_mapping(mapping)
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    files = sorted(_files(path), key=lambda file: natural_order(file.name)) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path}: a folder without files that end in .csv or .npz")
    motions: list[_Motion] = []
    size = 0
    for file in files:
        try:
            if not file.is_file():  # opening a pipe would block
                raise ValueError("is not a plain file")
            if file.suffix.lower() not in (".csv", ".npz", ".txt", ".tsv"):
                raise ValueError(f"ends in {file.suffix or 'nothing'}, expected .csv, .tsv, .txt or .npz")
            for motion in (_from_arrays if file.suffix.lower() == ".npz" else _from_lines)(file, mapping):
                motions.append(motion)
                size += motion.positions.nbytes
                check_room(size, len(motions))
                _check_count(len(motions))
        except (ValueError, OSError, EOFError, RuntimeError, OverflowError, struct.error) as error:
            raise ValueError(f"{file}: {error}") from error
        except MemoryError as error:
            raise ValueError(f"{file}: needs more memory than this machine has") from error
        except (zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{file}: a damaged zip file: {error}") from error
    try:
        return _together(motions, mapping)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except MemoryError as error:
        raise ValueError(f"{path}: needs more memory than this machine has") from error


def _check_count(motions: int) -> None:
    if motions > MOST_MOTIONS:
        raise ValueError(f"found {motions} motions or more, expected at most {MOST_MOTIONS}")


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.iterdir() if file.suffix.lower() in (".csv", ".npz") and file.is_file())


def _together(motions: Sequence[_Motion], mapping: TableMapping) -> MotionSet:
    facts = {name: [motion.about[name] for motion in motions if name in motion.about] for name in ABOUT}
    for name, values in facts.items():
        if values and len(values) < len(motions):
            raise ValueError(f"{len(values)} of {len(motions)} motions have a {name}, expected all or none")
    if not facts["label"]:
        raise ValueError("has no labels, expected them in columns, arrays, file_name or constant")
    classes = mapping.classes or {name: name for name in sorted(set(facts["label"]), key=natural_order)}
    _known("label", facts["label"], list(classes), "class")
    people = sorted(set(facts["subject"]), key=natural_order)
    person_id = {name: i for i, name in enumerate(people)}
    takes = [
        Take(motion.about["clip"], motion.positions, mapping.skeleton, classes[motion.about["label"]], motion.fps)
        for motion in motions
    ]
    return replace(
        assembled(takes, source=mapping.source, classes=list(dict.fromkeys(classes.values()))),
        subject=np.array([person_id[name] for name in facts["subject"]]) if people else None,
        subject_names=tuple(people),
        view=_whole("view", facts["view"]),
        setup=_whole("setup", facts["setup"]),
    )


def _whole(name: str, values: Sequence[str]) -> np.ndarray | None:
    if wrong := [value for value in values if not re.fullmatch(r"[0-9]{1,9}", value)]:
        raise ValueError(f"{name} is {quoted(wrong[0])}, expected a whole number")
    return np.array([int(value) for value in values]) if values else None


# --------------------------------------------------------------------------------------------------------- .csv files


@dataclass(frozen=True)
class _Table:
    """The lines of a file, split into cells where the file has quotes, with their numbers in the file."""

    names: list[str]
    lines: list[str] | list[list[str]]
    numbers: list[int]
    delimiter: str
    places: dict[str, int]

    def cells(self, line: int) -> list[str]:
        text = self.lines[line]
        return _split(text, self.delimiter) if isinstance(text, str) else text

    def place(self, name: str) -> int:
        if name not in self.places:
            names = [column for column in self.names if column]
            other = next((word for word, mark in DELIMITERS.items() if any(mark in column for column in names)), None)
            hint = f"; is it delimiter: {other}?" if other and len(self.names) < 4 else ""
            raise ValueError(f"has no column {quoted(name)}{_near(name, names)}{hint}")
        return self.places[name]

    def values(self, names: Sequence[str]) -> np.ndarray:
        """The finite numbers in the named columns: (lines, names)."""
        places = [self.place(name) for name in names]
        try:
            if self.lines and isinstance(self.lines[0], str):
                delimiter = None if self.delimiter == " " else self.delimiter
                # numpy's own reader of text: 170 MB/s, twice as fast as the alternatives, and strict about numbers.
                table = np.loadtxt(self.lines, np.float64, comments=None, delimiter=delimiter, usecols=places, ndmin=2)
            else:
                table = np.array([[_number(cells[place]) for place in places] for cells in self.lines])
            wrong = not (np.abs(table) < LIMIT).all()  # also where a number is NaN
        except ValueError:
            wrong = True
        if wrong:
            self.explain(places)
        return table

    def explain(self, places: Sequence[int]) -> None:
        """Raises the error that names the first cell that is not a finite number."""
        for line, number in enumerate(self.numbers):
            cells = self.cells(line)
            for place in places:
                try:
                    _number(cells[place])
                    continue
                except ValueError:
                    pass
                cell = repr(cells[place].strip()[:40]) if cells[place].strip() else "nothing"
                raise ValueError(f"line {number}, column {quoted(self.names[place])}: found {cell}, expected a number")
        raise ValueError("holds numbers that cannot be read")  # pragma: no cover

    def texts(self, name: str) -> list[str]:
        place = self.place(name)
        return [self.cells(line)[place].strip() for line in range(len(self.lines))]


_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")


def _number(text: str) -> float:
    """The finite number in a cell; stricter than `float`, which also takes 1_000 and Arabic digits."""
    if not _NUMBER.fullmatch(text.strip()) or not abs(number := float(text)) < LIMIT:
        raise ValueError(f"found {text[:40]!r}")
    return number


def _split(line: str, delimiter: str) -> list[str]:
    return line.split() if delimiter == " " else line.split(delimiter)


def _table(path: Path, mapping: TableMapping) -> _Table:
    data = bytes_of(path, LARGEST)
    if b"\0" in data[:1000] or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("is not a text file in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"is not a text file in UTF-8: byte {error.start} is {data[error.start : error.start + 1]!r}"
        ) from None
    if (count := text.count("\n") + text.count("\r") - text.count("\r\n")) > MOST_LINES:
        raise ValueError(f"found {count} lines, expected at most {MOST_LINES}")
    delimiter = DELIMITERS[mapping.delimiter]
    lines: list[Any] = re.split(r"\r\n|\n|\r", text) if '"' not in text else []
    if lines:
        _check_lengths(lines)
        numbers = [number for number, line in enumerate(lines, start=1) if line.strip()]
        lines = [line for line in lines if line.strip()]
        # Counting delimiters is enough here; lines are split only where their cells are needed.
        counts = [len(line.split()) if delimiter == " " else line.count(delimiter) + 1 for line in lines]
    else:
        lines, numbers = _quoted(text, delimiter)
        counts = [len(line) for line in lines]
    if not lines:
        raise ValueError("holds no lines")
    if counts[0] > MOST_COLUMNS:
        raise ValueError(f"line {numbers[0]}: found {counts[0]} columns, expected at most {MOST_COLUMNS}")
    first = lines[0] if isinstance(lines[0], list) else _split(lines[0], delimiter)
    names = [name.strip() for name in first] if mapping.header else [str(number + 1) for number in range(len(first))]
    if twice := [name for name, times in Counter(names).items() if name and times > 1]:
        raise ValueError(f"line {numbers[0]}: found two columns called {quoted(min(twice))}")
    skip = int(mapping.header)
    for number, count in zip(numbers[skip:], counts[skip:], strict=True):
        if count != len(names):
            raise ValueError(f"line {number}: found {count} columns, expected {len(names)}")
    if len(lines) == skip:
        raise ValueError("holds the names of columns, and no frames")
    places = {name: place for place, name in enumerate(names)}
    return _Table(names, lines[skip:], numbers[skip:], delimiter, places)


def _check_lengths(lines: Sequence[str]) -> None:
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            raise ValueError(f"line {number}: found {len(line)} letters, expected at most {LONGEST_LINE}")


def _quoted(text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """The cells and numbers of the lines of a text in which some cells are in quotes."""
    lines = text.splitlines(keepends=True)
    _check_lengths(lines)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    rows, numbers, before = [], [], 0
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                numbers.append(before + 1)
            before = reader.line_num
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    return rows, numbers


def _from_lines(path: Path, mapping: TableMapping) -> Iterator[_Motion]:
    """The motions of a .csv file."""
    about = mapping.facts(path.stem)
    table = _table(path, mapping)
    columns, skeleton = mapping.columns, mapping.skeleton
    positions = table.values(mapping.column_names())
    positions = positions.reshape(-1, len(skeleton.joints), skeleton.channels)  # (T, V, C)
    times = table.values([columns["time"]])[:, 0] * TIMES[mapping.time_unit] if "time" in columns else None
    texts = {name: table.texts(column) for name, column in columns.items() if name != "time"}
    if times is None and mapping.fps is None:
        raise ValueError("has no rate, expected fps or a column of time")
    clips = texts.pop("clip", [about.get("clip", path.stem)] * len(positions))
    ends = [0, *(i for i, (a, b) in enumerate(pairwise(clips), start=1) if a != b), len(clips)]
    finished: set[str] = set()
    for begin, end in pairwise(ends):
        rows, clip = slice(begin, end), clips[begin]
        if clip in finished:
            raise ValueError(f"line {table.numbers[begin]}: clip {quoted(clip)} goes on after lines of another clip")
        finished.add(clip)
        for name, values in texts.items():
            other = next((i for i in range(begin, end) if values[i] != values[begin]), None)
            if other is not None or not values[begin]:
                line = begin if other is None else other
                raise ValueError(
                    f"line {table.numbers[line]}: {name} is {values[line][:40]!r}, expected one {name} for all frames "
                    f"of a motion"
                )
            about[name] = values[begin]
        space = mapping.metres(positions[rows])
        rate = mapping.fps
        if times is not None:
            space, rate = _even(space, times[rows], mapping.fps, table.numbers[rows])
        yield _Motion(space, float(rate or 0), {**about, "clip": clip})


def _even(
    positions: np.ndarray, times: np.ndarray, fps: float | None, numbers: Sequence[int]
) -> tuple[np.ndarray, float]:
    """Frames (T, V, C) resampled to `fps`, and that rate; without `fps`, the frames unchanged and their median rate."""
    steps = np.diff(times)
    if not len(steps):
        raise ValueError(f"line {numbers[0]}: a motion of one frame, whose times give no rate")
    if (steps <= 0).any():
        raise ValueError(
            f"line {numbers[int((steps <= 0).argmax()) + 1]}: the time is not later than in the line before"
        )
    if fps is None:
        if not (step := float(np.median(steps))) > 1e-6:
            raise ValueError(f"has {step:.4g} s between frames: is time_unit right?")
        return positions, 1 / step
    count = int(np.floor((times[-1] - times[0]) * fps + 1e-6)) + 1
    if count > 100 * len(times):
        raise ValueError(f"lasts {times[-1] - times[0]:.4g} s in {len(times)} frames: is time_unit right?")
    check_room(positions[:1].nbytes * count, 1)
    even = np.minimum(times[0] + np.arange(count) / fps, times[-1])
    below = np.clip(np.searchsorted(times, even, side="right") - 1, 0, len(times) - 2)
    share = ((even - times[below]) / steps[below])[:, None, None]
    return np.asarray(positions[below] * (1 - share) + positions[below + 1] * share, dtype=np.float32), fps


# --------------------------------------------------------------------------------------------------------- .npz files


def _from_arrays(path: Path, mapping: TableMapping) -> Iterator[_Motion]:
    """The motions of an .npz file."""
    about, names = mapping.facts(path.stem), mapping.arrays
    joints, channels = mapping.joints or mapping.skeleton.joints, mapping.skeleton.channels
    with Archive(path) as archive:
        motion = _laid_out(archive.array(names.get("motion", "motion"), "fiu"), mapping.layout, len(joints), channels)
        n, frames = motion.shape[:2]
        _check_count(n)
        texts = {name: _texts(archive, names[name], n) for name in ABOUT if name in names}
        lengths = _row(archive, names.get("frames"), "iu", n, frames)
        rates = _row(archive, names.get("fps"), "fiu", n, mapping.fps or 0.0)
    if (rates <= 0).any() or not np.isfinite(rates).all():
        raise ValueError("has no rate, expected fps or an array of positive rates")
    if wrong := [row for row in range(n) if not 0 < lengths[row] <= frames]:
        raise ValueError(f"motion {wrong[0]} has {lengths[wrong[0]]} frames, expected 1 to {frames}")
    order = [joints.index(joint) for joint in mapping.skeleton.joints]
    for row in range(n):
        positions = mapping.metres(motion[row, : lengths[row]][:, order])
        if not np.isfinite(positions).all():
            raise ValueError(f"motion {row} holds NaN or infinite coordinates")
        clip = {"clip": path.stem if n == 1 else f"{path.stem} {row}"}
        yield _Motion(
            positions, float(rates[row]), clip | about | {name: values[row] for name, values in texts.items()}
        )


def _laid_out(array: np.ndarray, layout: str, joints: int, channels: int) -> np.ndarray:
    """An array with its axes in any order as (N, T, V, C)."""
    groups = layout.split()
    if array.ndim != len(groups):
        raise ValueError(f"motion has shape {array.shape}, expected {len(groups)} axes: {layout}")
    sizes = {"V": joints, "C": channels}
    shape: list[int] = []
    for size, letters in zip(array.shape, groups, strict=True):
        product = int(np.prod([sizes.get(letter, 1) for letter in letters]))
        free = [letter for letter in letters if letter not in sizes]
        if len(free) > 1 or (not free and size != product) or size % product:
            raise ValueError(f"motion has shape {array.shape}, expected {layout} with V {joints} and C {channels}")
        shape += [sizes.get(letter, size // product) for letter in letters]
    letters = "".join(groups)
    array = array.reshape(shape)
    if "N" not in letters:
        array, letters = array[None], f"N{letters}"
    if not array.size:
        raise ValueError(f"motion has shape {array.shape}, which holds nothing")
    return array.transpose([letters.index(letter) for letter in "NTVC"])


def _row(archive: Archive, name: str | None, kinds: str, n: int, otherwise: float) -> np.ndarray:
    """The numbers (N,) of an array, which may have one number for all; `otherwise` without an array."""
    if name is None:
        return np.full(n, otherwise)
    values = archive.array(name, kinds)
    if values.shape not in ((), (n,)):
        raise ValueError(f"{name} has shape {values.shape}, expected one number, or one for each of {n} motions")
    return np.broadcast_to(values, (n,))


def _texts(archive: Archive, name: str, n: int) -> list[str]:
    values = archive.array(name, "iuU", MAX_TEXT)
    if values.shape not in ((), (n,)):
        raise ValueError(f"{name} has shape {values.shape}, expected one value, or one for each of {n} motions")
    return [str(values)] * n if values.shape == () else [str(value) for value in values.tolist()]
