"""Writers of tables: Markdown, LaTeX, CSV and plain text, in which names stay text, and numbers with fitting digits."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from kinetic.ablation.statistics import SAME
from kinetic.messages import safe_line
from kinetic.metrics.score import half_width

__all__ = ["ARROWS", "Section", "Sheet", "SheetCell", "shown", "to_csv", "to_latex", "to_markdown", "to_text"]

ARROWS = {"low": "↓", "high": "↑", "real": "→real"}
PLAIN = {"±": "+-", "↓": "(lower)", "↑": "(higher)", "→real": "(= real)"}

LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$", "↓": r"$\downarrow$",
    "↑": r"$\uparrow$", "→": r"$\rightarrow$", "[": "{[}", "]": "{]}", "*": "{*}", "`": "{`}",
} | {sign: f"\\{sign}" for sign in "&%_#${}"}  # fmt: skip
"""Characters with a meaning in LaTeX; it reads a bracket or star after the end of a line as an option."""


class SheetCell(NamedTuple):
    """A text of a sheet; marked ones are set in bold, or starred."""

    text: str
    marked: bool = False


class Sheet(NamedTuple):
    """One table, the same in every format; the first `names` columns are names."""

    title: str
    names: int
    header: list[str]
    lines: list[list[SheetCell]]
    notes: list[str]


class Section(NamedTuple):
    """A benchmark's part of the table: its sheets, and in words what they say."""

    title: str
    sheets: list[Sheet]
    reading: Sequence[str]


def to_markdown(sections: Iterable[Section], *, about: Iterable[tuple[str, str]]) -> str:
    """Sections in Markdown, after a list of (row, what it is)."""
    parts = ["\n".join(f"- **{_markdown(name)}**: {_markdown(words)}" for name, words in about)]
    for title, sheets, reading in sections:
        parts.append(f"## {_markdown(title)}")
        for sheet in sheets:
            parts += [f"### {sheet.title}"] if sheet.title else []
            rule = "|" + "".join(":--|" if i < sheet.names else "--:|" for i in range(len(sheet.header)))
            lines = [_bar(_markdown(cell) for cell in sheet.header), rule]
            lines += [_bar(_mark(cell, _markdown, "**{}**") for cell in line) for line in sheet.lines]
            parts += ["\n".join(lines), "\n".join(f"- {_markdown(note)}" for note in sheet.notes)]
        if reading:
            parts += ["### Reading", "\n".join(f"- {_markdown(line)}" for line in reading)]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_latex(sections: Iterable[Section]) -> str:
    """Sections as tables for a paper, which loads the package booktabs."""
    parts = ["% \\usepackage{booktabs}"]
    for title, sheets, _ in sections:
        for sheet in sheets:
            caption = _latex(f"{title}: {sheet.title}" if sheet.title else title)
            columns = "l" * sheet.names + "r" * (len(sheet.header) - sheet.names)
            lines = [" & ".join(_mark(cell, _latex, "\\textbf{{{}}}") for cell in line) for line in sheet.lines]
            parts += [
                "\\begin{table}\n\\centering",
                f"\\caption{{{caption}}}",
                f"\\begin{{tabular}}{{{columns}}}\n\\toprule",
                " & ".join(_latex(cell) for cell in sheet.header) + " \\\\\n\\midrule",
                *(f"{line} \\\\" for line in lines),
                "\\bottomrule\n\\end{tabular}\n",
                *(f"\\par {{\\footnotesize {_latex(note)}}}" for note in sheet.notes),
                "\\end{table}\n",
            ]
    return "\n".join(parts)


def to_text(sections: Iterable[Section], *, width: int) -> str:
    """Sections for a terminal, in ASCII except for names; columns that do not fit side by side come below."""
    parts = []
    for title, sheets, reading in sections:
        parts.append(f"== {_clean(title)} ==")
        for sheet in sheets:
            parts += [f"-- {sheet.title}"] if sheet.title else []
            lines = [list(sheet.header), *([_mark(cell, str, "{} *") for cell in line] for line in sheet.lines)]
            plain = [[safe_line(_plain(cell)) for cell in line] for line in lines]
            parts += [*_blocks(plain, sheet.names, width), "\n".join(_plain(note) for note in sheet.notes)]
        parts.append("\n".join(_plain(line) for line in reading))
    return "\n\n".join(part for part in parts if part) + "\n"


def to_csv(header: Sequence[str], lines: Iterable[Iterable[str | float | None]]) -> str:
    """Lines of texts and numbers; None is an empty cell, and no spreadsheet takes a text for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for line in lines:
        writer.writerow([_no_formula(cell) if isinstance(cell, str) else cell for cell in line])
    return out.getvalue()


def shown(
    value: float, interval: tuple[float, float] | None = None, *, sign: bool = False, brackets: bool = False
) -> str:
    """`3.14 ± 0.25`, or `0.32 [0.05, 0.81]` where the interval is not symmetric; `3.14` without an interval.

    Digits go down to the second of half the interval's width, or to the value's third where there is no width.

    Args:
        interval: its lower and upper end
        sign: put a plus before a value above 0
        brackets: always show both ends, as for shares
    """
    half = 0.0 if interval is None else (interval[1] - interval[0]) / 2
    places = 2 - _power(value, 3)
    if half > SAME * abs(value):
        places = 1 - _power(half, 2)
    form = f".{max(0, places)}f"
    if max(abs(value), half) >= 1e6 or places > 8:
        form = ".2e"

    def digits(number: float, sign: str = "") -> str:
        text = f"{number:{sign}{form}}"
        return text.lstrip("-+") if re.fullmatch(r"[-+]?0(\.0*)?", text) else text  # no minus before zero

    text = digits(value, "+" if sign else "")
    if interval is None:
        return text
    if brackets or half_width(value, interval) is None:
        return f"{text} [{digits(interval[0])}, {digits(interval[1])}]"
    return f"{text} ± {half:{form}}"


def _power(value: float, digits: int) -> int:
    """Power of ten of the first digit of a number that is rounded to so many digits; 0 for zero."""
    return int(f"{value:.{digits - 1}e}".split("e")[1])


def _mark(cell: SheetCell, escape: Callable[[str], str], form: str) -> str:
    text = escape(cell.text)
    return form.format(text) if cell.marked else text


def _clean(text: str) -> str:
    """Text in one line, without characters that move the cursor, or hide or reverse other characters."""
    return safe_line(" ".join(text.split()), None)


def _plain(text: str) -> str:
    text = _clean(text)
    for sign, word in PLAIN.items():
        text = text.replace(sign, word)
    return text


def _markdown(text: str) -> str:
    """Text that stays text in Markdown and in the HTML made of it, also in a cell of a table."""
    marks = r"([\\`*_{}\[\]|~$#!@^]|:(?=//)|(?<=www)\.)"  # the last two make links of addresses
    return html.escape(re.sub(marks, r"\\\1", _clean(text)), quote=False)


def _bar(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex(text: str) -> str:
    escaped = "".join(LATEX.get(c, c) for c in _clean(text))
    return re.sub(r"(?<![\w$)}-])-(?=\d)", "$-$", escaped)


def _no_formula(text: str) -> str:
    """Text that a spreadsheet does not take for a formula: one that looks so begins with an apostrophe."""
    text = _clean(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _blocks(lines: Sequence[Sequence[str]], names: int, width: int) -> list[str]:
    """Aligned columns; each block repeats the columns of names and has as many others as fit side by side."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    fixed = list(range(names))
    blocks: list[list[int]] = [[]]
    for i in range(names, len(widths)):
        if blocks[-1] and sum(widths[j] + 2 for j in (*fixed, *blocks[-1], i)) - 2 > width:
            blocks.append([])
        blocks[-1].append(i)
    texts = []
    for block in blocks:
        columns = [*fixed, *block]
        text = ["  ".join(line[i].ljust(widths[i]) for i in columns).rstrip() for line in lines]
        texts.append("\n".join([text[0], "-" * (sum(widths[i] + 2 for i in columns) - 2), *text[1:]]))
    return texts
