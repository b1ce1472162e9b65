"""Writers: the digits of numbers, and names that stay text in every format."""

import csv
import io
import re

import pytest

from kinetic.ablation.writers import Section, Sheet, SheetCell, shown, to_csv, to_latex, to_markdown, to_text

NASTY = "=1|2 <b>&_%$#{}~^\\ *x* `y` [z](http://e.vil)\n# head \u202e\x1b[31m"
SCORES = Sheet(
    "",
    1,
    ["recipe", "seeds", "frechet ↓"],
    [
        [SheetCell("Baseline"), SheetCell("3 of 4 seeds"), SheetCell("2.3 [0.0, 6.1]")],
        [SheetCell(NASTY), SheetCell("3 of 4 seeds"), SheetCell("2.0 [0.0, 4.5]", marked=True)],
    ],
    [f"no result of {NASTY}, seed 3: a\n| b |\n</td>"],
)
DIFFERENCES = Sheet(
    "Differences",
    2,
    ["recipe", "builds on", "frechet ↓"],
    [[SheetCell(NASTY), SheetCell("Baseline"), SheetCell("-0.3 ± 5.2")]],
    ["d: Cohen's d_z"],
)
SECTIONS = [Section("@b|<i>", [SCORES, DIFFERENCES], [f"frechet: {NASTY} is better"])]
ABOUT = [(NASTY, "<script>|\n")]


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (345.069, None, "345"),
        (345.069, 12.34, "345 ± 12"),
        (345.069, 120.0, "345 ± 120"),
        (0.0123456, None, "0.0123"),
        (0.0123456, 0.0004, "0.01235 ± 0.00040"),
        (3.14159, 0.25, "3.14 ± 0.25"),
        (0.1, 5.3, "0.1 ± 5.3"),
        (-0.01, 5.3, "0.0 ± 5.3"),
        (0.0, None, "0.00"),
        (2.0, 0.0, "2.00 ± 0.00"),
        (2.0, 1e-15, "2.00 ± 0.00"),
        (0.0999999, None, "0.100"),
        (7.036, 0.0996, "7.04 ± 0.10"),
        (1234567.0, None, "1.23e+06"),
        (1e-12, None, "1.00e-12"),
    ],
)
def test_numbers_have_the_digits_that_mean_something(value, half, text):
    assert shown(value, None if half is None else (value - half, value + half)) == text


@pytest.mark.parametrize(
    ("value", "ends", "text"),
    [
        (0.32, (0.05, 0.81), "0.32 [0.05, 0.81]"),
        (0.948, (0.941, 0.954), "0.9480 [0.9410, 0.9540]"),
        (13.0, (0.0, 35.1), "13 [0, 35]"),
        (0.004, (-0.0, 0.5), "0.00 [0.00, 0.50]"),
        (0.0, (-1.0, 0.7), "0.00 [-1.00, 0.70]"),
        (2e6, (0.0, 5e6), "2.00e+06 [0.00e+00, 5.00e+06]"),
    ],
)
def test_intervals_that_are_not_symmetric_are_shown_by_their_ends(value, ends, text):
    assert shown(value, ends) == text


def test_intervals_of_shares_are_shown_by_their_ends():
    assert shown(0.5, (0.3, 0.7), brackets=True) == "0.50 [0.30, 0.70]"
    assert shown(1.0, (1.0, 1.0), brackets=True) == "1.00 [1.00, 1.00]"
    assert shown(0.5, brackets=True) == "0.500"


def test_differences_show_their_sign_but_for_zero():
    assert [shown(value, (value - 1, value + 1), sign=True) for value in (2.0, -2.0, 0.01)] == [
        "+2.0 ± 1.0",
        "-2.0 ± 1.0",
        "0.0 ± 1.0",
    ]


def test_names_stay_text_in_markdown():
    name = (
        r"=1\|2 &lt;b&gt;&amp;\_%\$\#\{\}\~\^\\ \*x\* \`y\` \[z\](http\://e.vil) \# head "
        r"\\u202e\\x1b\[31m"  # in one line
    )
    text = to_markdown(SECTIONS, about=ABOUT)
    assert text.startswith(f"- **{name}**: &lt;script&gt;\\|\n\n## \\@b\\|&lt;i&gt;\n\n| recipe |")
    assert f"\n| {name} | 3 of 4 seeds | **2.0 \\[0.0, 4.5\\]** |\n" in text
    assert f"- no result of {name}, seed 3: a \\| b \\| &lt;/td&gt;\n" in text
    assert text.endswith(f"### Reading\n\n- frechet: {name} is better\n")
    assert not re.search(r"<\w|\u202e|\x1b", text)


def test_markdown_makes_one_table_of_names_and_no_markup():
    markdown_it = pytest.importorskip("markdown_it")
    page = markdown_it.MarkdownIt("gfm-like", {"linkify": False}).render(to_markdown(SECTIONS, about=ABOUT))
    assert page.count("<table>") == 2 and page.count("<h2>") == 1
    tags = {"ul", "li", "strong", "h2", "h3", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(re.findall(r"<(\w+)", page)) == tags
    name = "=1|2 &lt;b&gt;&amp;_%$#{}~^\\ *x* `y` [z](http://e.vil) # head \\u202e\\x1b[31m"
    assert f'<td style="text-align:left">{name}</td>' in page


def test_names_stay_text_in_latex():
    name = (
        r"=1\textbar{}2 \textless{}b\textgreater{}\&\_\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{} "
        r"{*}x{*} {`}y{`} {[}z{]}(http://e.vil) \# head "
        r"\textbackslash{}u202e\textbackslash{}x1b{[}31m"
    )
    text = to_latex(SECTIONS)
    assert f"\n{name} & 3 of 4 seeds & \\textbf{{2.0 {{[}}0.0, 4.5{{]}}}} \\\\\n" in text
    assert "frechet $\\downarrow$" in text and "$-$0.3 $\\pm$ 5.2" in text
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 2
    assert text.count("\\toprule") == text.count("\\bottomrule") == 2
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")


def test_names_are_in_one_line_of_ascii_signs_in_a_terminal():
    lines = to_text(SECTIONS, width=120).splitlines()
    assert lines[0] == "== @b|<i> =="
    assert lines[2].split() == ["recipe", "seeds", "frechet", "(lower)"]
    assert lines[4].split() == ["Baseline", "3", "of", "4", "seeds", "2.3", "[0.0,", "6.1]"]
    assert lines[5].startswith("=1|2 <b>&_%$#{}~^\\ *x* `y` ")
    assert " # head \\u202e\\x1b[31m  " in lines[5] and lines[5].endswith(" *")
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_columns_that_do_not_fit_come_below():
    numbers = [SheetCell("1.00"), SheetCell("2.00"), SheetCell("3.00")]
    sheet = Sheet("", 1, ["recipe", "first", "second", "third"], [[SheetCell("A"), *numbers]], [])
    section = Section("xsub", [sheet], [])
    assert to_text([section], width=40).splitlines()[2:] == [
        "recipe  first  second  third",
        "----------------------------",
        "A       1.00   2.00    3.00",
    ]
    assert to_text([section], width=21).splitlines()[2:] == [
        "recipe  first  second",
        "---------------------",
        "A       1.00   2.00",
        "",
        "recipe  third",
        "-------------",
        "A       3.00",
    ]


def test_csv_guards_texts_and_not_numbers():
    text = to_csv(("row", "number"), [[NASTY, -1.5], ["+1", None], ["-1", 3], ["@1", 0.1]])
    lines = list(csv.reader(io.StringIO(text)))
    assert lines[0] == ["row", "number"] and lines[1][0].startswith("'=1|2 <b>&")
    assert lines[2:] == [["'+1", ""], ["'-1", "3"], ["'@1", "0.1"]] and lines[1][1] == "-1.5"
