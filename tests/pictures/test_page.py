"""Pages of tables, pictures and motions: the content of the file, and what a browser shows."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from kinetic.motion.synthetic import synthesise
from kinetic.pictures.page import PictureBlock, Scene, TableBlock, TableCell, TextBlock, write_page
from kinetic.skeleton import NTU25, Skeleton

HOSTILE = (
    "<script>alert(1)</script>",
    "</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "{{7*7}}{% raw %}",
    "$\\frac{$",
    'it\'s "quoted" & &amp;',
    "<!-- <script>",
    "💃🏽 emoji",
    "مشي إلى الأمام",
    "line\u2028break",
    "__proto__",
    "x" * 10_000,
)


@pytest.fixture(scope="module")
def people():
    return synthesise(["walk", "wave", "sit down"], subjects=2, repeats=1)


@pytest.fixture(scope="module")
def walk(people):
    return people.motion[people.label == 0]


def scene(motion, *, rows=("walk",), columns=("real", "Baseline"), name="synthetic"):
    clips = {(row, column): motion for row in rows for column in columns}
    return Scene(name, NTU25, 30.0, tuple(columns), tuple(rows), clips)


class Parsed(HTMLParser):
    """The parts of a page: tags, attributes, scripts and styles, and the texts of names, options and paragraphs."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.attributes, self.blocks, self.texts = [], [], [], []
        self.target = None
        self.feed(path.read_text("utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.target = None
        if tag in ("script", "style"):
            self.target = self.blocks
            self.blocks.append((tag, dict(attrs), ""))
        elif tag in ("option", "li", "p") or dict(attrs).get("class") == "name":
            self.target = self.texts
            self.texts.append("")

    def handle_data(self, data):
        if self.target is self.blocks:
            tag, attrs, text = self.blocks[-1]
            self.blocks[-1] = (tag, attrs, text + data)
        elif self.target is self.texts:
            self.texts[-1] += data

    def handle_endtag(self, tag):
        self.target = None

    @property
    def policy(self):
        (text,) = (value for tag, name, value in self.attributes if name == "content" and "default-src" in value)
        return text

    @property
    def scenes(self):
        (text,) = (text for tag, attrs, text in self.blocks if attrs.get("type") == "application/json")
        return json.loads(text)


def hostile_blocks(motion):
    table = TableBlock(
        HOSTILE[1], HOSTILE, tuple(tuple(TableCell(text, note=text) for text in HOSTILE) for _ in range(2))
    )
    return [scene(motion, rows=HOSTILE, columns=HOSTILE, name=HOSTILE[2]), table, TextBlock(HOSTILE[5], HOSTILE)]


def test_a_page_is_complete_and_its_policy_loads_nothing_else(tmp_path, walk):
    Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
    blocks = [scene(walk), PictureBlock("curve", tmp_path / "a.png"), TextBlock("b", ("text",)), TextBlock("c", ())]
    page = Parsed(write_page(tmp_path / "a.html", title="A", blocks=blocks))
    links = [value for _, name, value in page.attributes if name in ("src", "href", "action", "data", "srcset")]
    assert links and all(value.startswith(("#", "data:image/png;base64,")) for value in links)
    assert page.policy.startswith("default-src 'none'; ") and "unsafe" not in page.policy
    for tag, attrs, text in page.blocks:
        if "type" not in attrs:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in page.policy
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]


def test_hostile_names_are_text_and_add_no_element(tmp_path, walk):
    tame = [f"name {i}" for i in range(len(HOSTILE))]
    table = TableBlock("a", tuple(tame), tuple(tuple(TableCell(text, note=text) for text in tame) for _ in range(2)))
    blocks = [scene(walk[:1], rows=tame, columns=tame), table, TextBlock("b", tuple(tame))]
    plain = Parsed(write_page(tmp_path / "a.html", title="A", subtitle="a", blocks=blocks))
    page = Parsed(
        write_page(tmp_path / "b.html", title=HOSTILE[0], subtitle=HOSTILE[1], blocks=hostile_blocks(walk[:1]))
    )
    assert page.tags == plain.tags
    assert {(tag, name) for tag, name, _ in page.attributes} == {(tag, name) for tag, name, _ in plain.attributes}
    assert [page.texts.count(text) >= 4 for text in HOSTILE] == [True] * len(
        HOSTILE
    )  # options, head, cells, paragraphs
    assert page.scenes[0]["rows"] == page.scenes[0]["columns"] == list(HOSTILE)


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path, walk):
    path = write_page(tmp_path / "a.html", title="a\ud800", blocks=[scene(walk[:1], rows=["b\udfff"])])
    page = Parsed(path)
    assert page.scenes[0]["rows"] == ["b?"] and "a?" in page.texts


def decoded(clip):
    codes = np.frombuffer(base64.b64decode(clip["data"]), "<i2").astype(float)
    shape = (clip["samples"], clip["frames"], -1, clip["channels"])
    return clip["step"] * codes.reshape(shape).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("channels", [2, 3])
def test_stored_coordinates_are_the_motions_to_an_eighth_of_a_millimetre(tmp_path, channels):
    motion = np.random.default_rng(0).uniform(-8, 8, (2, channels, 5, 25)).astype(np.float32)
    (data,) = Parsed(write_page(tmp_path / "a.html", title="A", blocks=[scene(motion, columns=["real"])])).scenes
    assert [(clip["row"], clip["column"]) for clip in data["clips"]] == [(0, 0)]
    assert np.abs(decoded(data["clips"][0]) - motion).max() <= 0.000125 + 1e-9
    assert data["fps"] == 30.0 and data["center"] == NTU25.center and data["head"] == NTU25.joints.index("Head")
    sides = {kind: sum(bone[2] == kind for bone in data["bones"]) for kind in ("left", "right", "middle")}
    assert sides == {"left": 10, "right": 10, "middle": 4}


def test_far_coordinates_are_stored_more_coarsely_and_the_page_says_so(tmp_path, walk):
    far = walk + np.float32(80)
    path = write_page(tmp_path / "a.html", title="A", blocks=[scene(far)])
    clip = Parsed(path).scenes[0]["clips"][0]
    assert np.abs(decoded(clip) - far).max() <= clip["step"] / 2 + 1e-6 < 0.0014
    assert "stored in steps of 2.6 mm" in path.read_text("utf-8")
    near = write_page(tmp_path / "b.html", title="A", blocks=[scene(walk)])
    assert "stored in steps" not in near.read_text("utf-8")


def test_the_same_blocks_give_the_same_bytes(tmp_path, walk):
    one, other = (
        write_page(tmp_path / f"{i}.html", title="A", blocks=[*hostile_blocks(walk[:1]), scene(walk)]).read_bytes()
        for i in range(2)
    )
    assert one == other


def test_twelve_classes_in_eleven_columns_stay_small(tmp_path, walk):
    rows, columns = ([f"{what} {i}" for i in range(n)] for what, n in (("class", 12), ("recipe", 11)))
    path = write_page(tmp_path / "a.html", title="A", blocks=[scene(walk[:2], rows=rows, columns=columns)])
    assert path.stat().st_size < 4 << 20


def spoiled(value):
    motion = np.zeros((2, 3, 4, 25))
    motion[1, 0, 2, 7] = value
    return motion


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clips": {("walk", "real"): spoiled(np.nan)}}, "s, real, walk: motion 1 holds NaN or infinite .* frame 2"),
        ({"clips": {("walk", "real"): spoiled(np.inf)}}, "frame 2"),
        ({"clips": {("walk", "real"): spoiled(1e9)}}, r"a joint is 1e\+09 m from the origin"),
        ({"clips": {("walk", "real"): np.zeros((3, 4, 25))}}, r"of 25 joints in 2 or 3 .*got \(3, 4, 25\)"),
        ({"clips": {("walk", "real"): np.zeros((1, 3, 4, 24))}}, r"got \(1, 3, 4, 24\)"),
        ({"clips": {("walk", "real"): np.zeros((0, 3, 4, 25))}}, r"got \(0, 3, 4, 25\)"),
        ({"clips": {("run", "real"): np.zeros((1, 3, 4, 25))}}, "s, real, run: there is no such row and column"),
        ({"clips": {}}, "no motions"),
        ({"clips": {("walk", "real"): np.zeros((1, 3, 4, 25)), ("walk", "A"): np.zeros((1, 2, 4, 25))}}, "some 3"),
        ({"fps": 0.0}, "fps must be positive, got 0"),
        ({"fps": float("nan")}, "fps must be positive"),
        ({"reference": "B"}, "s: the reference 'B' is no column"),
        ({"rows": ("walk", "walk")}, "two rows are called 'walk'"),
        ({"columns": ("real", "A", "A")}, "two columns are called 'A'"),
    ],
)
def test_a_scene_refuses_wrong_clips_names_and_rates(changes, message):
    plain = {"name": "s", "skeleton": NTU25, "fps": 30.0, "columns": ("real", "A"), "rows": ("walk",)}
    plain["clips"] = {("walk", "real"): np.zeros((1, 3, 4, 25))}
    with pytest.raises(ValueError, match=message):
        Scene(**plain | changes)


def test_tables_have_bold_cells_aligned_numbers_and_numbered_notes(tmp_path):
    rows = (
        (TableCell("Baseline"), TableCell("−1.25 ± 0.1", bold=True, note="p = 0.5"), TableCell("some")),
        (TableCell("A"), TableCell("-", muted=True, note="p = 0.5"), TableCell("3")),
    )
    page = write_page(
        tmp_path / "a.html", title="A", blocks=[TableBlock("t", ("recipe", "FID", "words"), rows)]
    ).read_text("utf-8")
    assert (
        '<td class="number bold"><span class="name" dir="auto" title="p = 0.5">−1.25 ± 0.1</span><sup>1</sup>' in page
    )
    assert '<td class="number muted">' in page and '<th scope="row" class="">' in page and '<td class="">' in page
    assert page.count('<li dir="auto">p = 0.5</li>') == 1
    with pytest.raises(ValueError, match="t: row 0 has 3 cells, expected 2"):
        TableBlock("t", ("recipe", "FID"), rows)


def test_a_page_contains_its_pictures_which_must_be_png(tmp_path):
    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.png")
    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.gif")
    page = write_page(
        tmp_path / "a.html", title="A", blocks=[PictureBlock("p", tmp_path / "a.png", alt='"a"', caption="<b>")]
    ).read_text("utf-8")
    assert base64.b64encode((tmp_path / "a.png").read_bytes()).decode() in page
    assert 'width="30" height="20" alt="&#34;a&#34;"' in page and "&lt;b&gt;" in page
    with pytest.raises(ValueError, match=r"a\.gif: expected a PNG"):
        write_page(tmp_path / "b.html", title="A", blocks=[PictureBlock("p", tmp_path / "a.gif")])
    with pytest.raises(ValueError, match=r"\.html"):
        write_page(tmp_path / "b.htm", title="A", blocks=[])
    with pytest.raises(TypeError, match="got str"):
        write_page(tmp_path / "b.html", title="A", blocks=["text"])
    assert not (tmp_path / "b.html").exists()


WILD = {
    "other": lambda motion, middle: motion + [[[0.05]], [[0.0]], [[-0.05]]],
    "collapsed": lambda motion, middle: 0.01 * (motion - middle) + middle,
    "exploded": lambda motion, middle: 20 * (motion - middle) + middle,
    "drifting": lambda motion, middle: (
        motion + 20 * np.linspace(0, 1, motion.shape[2])[:, None] * [[[1.0]], [[0]], [[0]]]
    ),
    "sunk": lambda motion, middle: (
        motion - np.where(np.arange(motion.shape[2]) < 1, 9, 0)[:, None] * [[[0]], [[1.0]], [[0]]]
    ),
}
OUT = ["exploded", "drifting", "sunk"]


def wild_scene(people, *, reference="real", without=()):
    """Real motions of three classes, beside what bad generators make of them."""
    clips = {}
    for k, row in enumerate(people.class_names):
        motion = people.motion[people.label == k].astype(np.float64)
        clips[row, "real"] = motion[:2]
        middle = motion[:2].mean(axis=(2, 3), keepdims=True)
        clips |= {(row, column): make(motion[:2], middle) for column, make in WILD.items()}
    for pair in without:
        del clips[pair]
    return Scene("synthetic", NTU25, 30.0, ("real", *WILD), tuple(people.class_names), clips, reference)


def leaving(scene):
    """The clips with a motion that leaves its frame: (row, column)."""
    plain = scene.to_dict()
    names = {(plain["rows"][clip["row"]], plain["columns"][clip["column"]]): clip["leaves"] for clip in plain["clips"]}
    return {pair for pair, reasons in names.items() if any(reasons)}


def test_a_frame_fits_the_real_motions_and_other_motions_may_leave_it(people):
    scene = wild_scene(people)
    assert leaving(scene) == {(row, column) for row in people.class_names for column in OUT}
    alone = {pair: motion for pair, motion in scene.clips.items() if pair[1] in ("real", "other")}
    for row, frame in replace(scene, clips=alone).frames().items():
        assert np.allclose(scene.frames()[row], frame, atol=0.2)
    for side, front, below, above in scene.frames().values():
        assert 0.3 < side < 2 and 0.3 < front < 3 and 0.12 <= below < 0.5 and 1.5 < above < 2.5
    clip = next(clip for clip in scene.to_dict()["clips"] if clip["column"] == scene.columns.index("exploded"))
    assert re.fullmatch(r"reaches [23]\d\.\d m upwards, its frame 1\.\d+ m", clip["leaves"][0])


def test_motions_of_the_reference_never_leave_their_frames(people):
    for column in WILD:
        assert not {pair for pair in leaving(wild_scene(people, reference=column)) if pair[1] == column}


def test_a_row_without_real_motions_has_the_frame_of_the_others(people):
    scene = wild_scene(people, without=[("wave", "real")])
    assert leaving(scene) == {(row, column) for row in people.class_names for column in OUT}


def test_without_a_reference_the_frame_fits_most_motions(people):
    scene = wild_scene(people, reference=None)
    assert leaving(scene) >= {(row, column) for row in people.class_names for column in ("exploded", "drifting")}
    assert leaving(scene) <= {(row, column) for row in people.class_names for column in OUT}
    pairs = {pair: motion for pair, motion in scene.clips.items() if pair[1] in ("collapsed", "exploded", "real")}
    assert leaving(replace(scene, clips=pairs)) == {(row, "exploded") for row in people.class_names}
    collapsed = {pair: motion for pair, motion in scene.clips.items() if pair[1] == "collapsed"}
    assert leaving(replace(scene, clips=collapsed)) == set()
    assert min(replace(scene, clips=collapsed).frames()["walk"]) >= 0.12


def test_the_page_says_what_its_scale_follows(tmp_path, people):
    page = write_page(tmp_path / "a.html", title="A", blocks=[wild_scene(people)]).read_text("utf-8")
    assert "The scale of a class follows its motions in the column real; 18 of 36 motions leave their frames" in page
    page = write_page(tmp_path / "a.html", title="A", blocks=[wild_scene(people, reference=None)]).read_text("utf-8")
    assert "The scale of a class follows most of its motions; " in page
    page = write_page(tmp_path / "a.html", title="A", blocks=[scene(people.motion[:1])]).read_text("utf-8")
    assert "The scale of a class" not in page


def test_a_browser_shows_real_people_whole_and_marks_motions_that_leave_the_frame(browser, tmp_path, people):
    path = write_page(tmp_path / "a.html", title="A", blocks=[wild_scene(people)])
    marked = (
        "[...document.querySelectorAll('.cell')].map((cell) => [cell.className, cell.title, cell.innerText.trim(), "
        "cell.querySelector('canvas').ariaLabel, getComputedStyle(cell.querySelector('canvas')).outlineStyle])"
    )
    for row, turn in ((0, ""), (1, "&yaw=1.5&tilt=0.6"), (2, "&yaw=-2&tilt=-0.2")):
        for frame in (0, 30, 63):
            browser.open(path, f"#scene=0&row={row}&frame={frame}&paused{turn}", width=1400 if row else 420)
            assert browser.run("document.body.dataset.errors") == "0"
            for index in (0, 1):  # real and other: inside the frame, and large
                box = browser.run(f"({BOXES})({index})")
                left, right = (pick(box[side][end] for side in box) for pick, end in ((min, 0), (max, 1)))
                top, low = (pick(box[side][end] for side in box) for pick, end in ((min, 2), (max, 3)))
                assert left > 0.005 and right < 0.995 and top > 0.005 and low < 0.995
                assert low - top > 0.3
    for column, (kind, title, text, label, outline) in zip(("real", *WILD), browser.run(marked), strict=True):
        out = column in OUT
        assert (kind, text, outline) == (("cell leaves", "leaves the frame", "dashed") if out else ("cell", "", "none"))
        assert title.startswith("reaches ") is out and ("; leaves the frame: reaches " in label) is out


@pytest.fixture(scope="module")
def report(tmp_path_factory, people):
    """Three classes, three columns: one clip is missing, one is shorter, one has a single sample."""
    clips = {}
    for k, row in enumerate(people.class_names):
        for j, column in enumerate(("real", "Baseline", "A")):
            clips[row, column] = people.motion[people.label == k][j : j + 2]
    del clips["wave", "A"]
    clips["walk", "A"] = clips["walk", "A"][:1, :, :20]
    motions = Scene("synthetic", NTU25, 30.0, ("real", "Baseline", "A"), people.class_names, clips)
    folder = tmp_path_factory.mktemp("page")
    Image.new("RGB", (1100, 300), "teal").save(folder / "a.png")
    cells = tuple(tuple(TableCell(f"{i}.{j}25 ± 0.1") for j in range(12)) for i in range(3))
    blocks = [motions, TableBlock("t", tuple(f"score {j}" for j in range(12)), cells)]
    blocks += [PictureBlock("p", folder / "a.png"), TextBlock("text", ("a paragraph",) * 5)]
    return write_page(folder / "report.html", title="Report", blocks=blocks)


STILL = "#scene=0&row=0&frame=0&paused"
CANVAS = "document.querySelectorAll('canvas')"
PICTURES = f"[...{CANVAS}].map((canvas) => canvas.toDataURL())"
BOXES = """(index) => {
  const canvas = document.querySelectorAll('canvas')[index], { width, height } = canvas;
  const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  const boxes = {};
  for (const [name, colour] of [['left', [33, 113, 181]], ['right', [214, 69, 46]], ['middle', [45, 48, 56]]]) {
    const box = [1, 0, 1, 0];
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x);
      if (data[at + 3] < 250 || colour.some((value, i) => Math.abs(data[at + i] - value) > 3)) continue;
      box[0] = Math.min(box[0], x / width); box[1] = Math.max(box[1], x / width);
      box[2] = Math.min(box[2], y / height); box[3] = Math.max(box[3], y / height);
    }
    boxes[name] = box;
  }
  return boxes;
}"""


def test_a_browser_shows_the_page_without_an_error_or_a_request(browser, report):
    browser.open(report)
    assert browser.run("document.body.dataset.errors") == "0"
    assert [url for url in browser.asked_for() if not url.startswith(("data:", report.as_uri()))] == []
    assert browser.until("document.querySelector('.frame').value !== '0'"), "nothing moves"
    assert browser.run("document.querySelector('.play').textContent") == "Pause"
    browser.open(report, still=True)
    assert browser.run("document.querySelector('.play').textContent") == "Play"  # the reader prefers less motion
    assert browser.run(PICTURES)[0] != browser.run("document.createElement('canvas').toDataURL()")


def test_a_browser_shows_hostile_names_as_text(browser, tmp_path, walk):
    path = write_page(tmp_path / "a.html", title=HOSTILE[0], subtitle=HOSTILE[1], blocks=hostile_blocks(walk[:1]))
    for width in (1400, 400):
        browser.open(path, "#scene=0&row=all&frame=3&paused", width=width)
        assert browser.run("document.body.dataset.errors") == "0"
        names = "[...document.querySelectorAll('.clips {} .name')].map((name) => name.textContent)"
        assert browser.run(names.format("thead")) == list(HOSTILE)
        assert browser.run(names.format("tbody")) == list(HOSTILE)
        assert browser.run("document.title") == HOSTILE[0]
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        assert browser.run("document.images.length + document.querySelectorAll('svg').length") == 0
    assert not [event for event in browser.events if event.get("method") == "Page.javascriptDialogOpening"]


def test_the_page_counts_errors_and_refusals(browser, tmp_path, report):
    page = report.read_text("utf-8")
    (tmp_path / "a.html").write_text(page.replace("<style>", "<style>\n"), "utf-8")
    browser.open(tmp_path / "a.html")
    assert browser.until("document.body.dataset.errors > 0"), "another style was let in"
    picture = '<img src="https://example.org/a.png" alt="">'
    (tmp_path / "b.html").write_text(page.replace("</main>", f"{picture}</main>"), "utf-8")
    browser.open(tmp_path / "b.html")
    assert browser.until("document.body.dataset.errors > 0"), "a picture was let in"
    (tmp_path / "c.html").write_text(page.replace("<script>", "<script>\n"), "utf-8")
    browser.open(tmp_path / "c.html", ready=False)
    browser.frames()
    assert browser.run("document.body.dataset.ready ?? 'another script was refused'") == "another script was refused"


def test_people_stand_upright_fill_their_cells_and_face_the_camera(browser, report):
    browser.open(report, "#scene=0&row=1&frame=0&paused")  # wave
    for index in range(2):
        box = browser.run(f"({BOXES})({index})")
        assert box["middle"][2] < 0.2 and max(box["left"][3], box["right"][3]) > 0.85  # head and feet
        assert sum(box["left"][:2]) > sum(box["right"][:2]) + 0.15  # the left side at the right of the picture
    waving = [browser.run(f"document.querySelector('.frame').value = {t}, document.querySelector('.frame')"
                          f".dispatchEvent(new Event('input')), new Promise(requestAnimationFrame).then(() => "
                          f"({BOXES})(0))") for t in range(0, 64, 4)]  # fmt: skip
    assert min(box[side][2] for box in waving for side in ("left", "right")) < 0.12  # the hand reaches the top
    assert all(0 < box[side][0] and box[side][1] < 0.999 for box in waving for side in box)  # nothing is cut off


def test_the_controls_work(browser, report):
    browser.open(report, "#scene=0&row=0&frame=10&paused")
    find = "document.querySelector('{}').{}"
    assert browser.run(find.format(".clock", "textContent")) == "11 of 64, 0.33 s"
    first = browser.run(PICTURES)
    browser.key(" ")
    assert browser.run(find.format(".play", "textContent")) == "Pause"
    assert browser.until("document.querySelector('.frame').value !== '10'")
    browser.key(" ")
    assert browser.run(find.format(".play", "textContent")) == "Play"
    browser.run("location.hash = '#scene=0&row=0&frame=30&paused'")
    browser.frames(3)
    assert browser.run(PICTURES)[2] == first[2]  # 20 frames long: frame 30 is frame 10
    assert browser.run(PICTURES)[0] != first[0]
    browser.run("location.hash = '#scene=0&row=1&frame=10&paused'")
    browser.frames(3)
    assert browser.run(f"{CANVAS}.length") == 2
    assert browser.run("document.querySelector('figure:nth-child(3) .note').textContent") == "no motion"
    choose = "const at = document.querySelector('{}'); at.value = '{}'; at.dispatchEvent(new Event('change'))"
    choose = f"(() => {{{{ {choose} }}}})()"
    browser.run(choose.format(".row", "all"))
    assert browser.run(f"{CANVAS}.length") == 8
    browser.run(choose.format(".sample", "1"))
    assert browser.run(f"{CANVAS}.length") == 7  # one clip has a single sample
    browser.run(choose.format(".row", "0"))
    browser.run(choose.format(".sample", "0"))
    browser.frames(3)
    assert browser.run(PICTURES)[0] == first[0]


def test_without_loop_a_motion_ends_at_its_last_frame(browser, report):
    browser.open(report, "#scene=0&row=0&frame=60&paused")
    browser.run("document.querySelector('.loop').click()")
    browser.run("document.querySelector('.play').click()")
    assert browser.until("document.querySelector('.play').textContent === 'Play'")
    assert browser.run("document.querySelector('.frame').value") == "63"


def test_dragging_turns_all_cells_and_a_double_click_turns_them_back(browser, report):
    browser.open(report, STILL)
    before = browser.run(PICTURES)
    box = browser.run(
        f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({CANVAS}[0].getBoundingClientRect())"
    )
    browser.mouse("mousePressed", *box)
    browser.mouse("mouseMoved", box[0] + 60, box[1])
    browser.mouse("mouseReleased", box[0] + 60, box[1])
    browser.frames()
    turned = browser.run(PICTURES)
    assert all(a != b for a, b in zip(before, turned, strict=True))
    browser.key("ArrowLeft")
    assert browser.run(PICTURES)[0] != turned[0]
    for count in (1, 2):
        browser.mouse("mousePressed", *box, count)
        browser.mouse("mouseReleased", *box, count)
    browser.frames()
    assert browser.run(PICTURES) == before


def test_only_visible_cells_are_drawn(browser, tmp_path, walk):
    path = write_page(tmp_path / "a.html", title="A", blocks=[scene(walk), scene(walk, name="below")])
    browser.open(path, height=300)
    assert browser.until("document.querySelectorAll('.clock')[0].textContent.startsWith('9 ')")
    assert browser.run("document.querySelectorAll('.clock')[1].textContent").startswith("1 of")
    assert browser.run(f"[{CANVAS}[2].width, {CANVAS}[2].height]") == [300, 150]  # the size of a new canvas


@pytest.mark.parametrize("dark", [False, True])
def test_a_narrow_window_is_enough(browser, report, dark):
    for fragment in (STILL, "#scene=0&row=all&frame=0&paused"):
        browser.open(report, fragment, width=400, height=900, dark=dark)
        assert browser.run("document.documentElement.scrollWidth") <= 400
        paper = browser.run("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") is not dark


def test_two_coordinates_and_skeletons_without_sides_can_be_shown(browser, tmp_path):
    stick = Skeleton(("foot", "hip", "top"), ((0, 1), (1, 2)), center=1, channels=2)
    motion = np.zeros((1, 2, 1, 3))
    motion[0, 1, 0] = 0, 0.9, 1.7
    path = write_page(
        tmp_path / "a.html", title="A", blocks=[Scene("", stick, 25, ("a",), ("b",), {("b", "a"): motion})]
    )
    browser.open(path)
    assert browser.run("document.body.dataset.errors") == "0"
    box = browser.run(f"({BOXES})(0)")["middle"]
    assert box[3] - box[2] > 0.8 and box[1] - box[0] < 0.1 and abs(box[0] + box[1] - 1) < 0.02


def test_nearer_people_look_larger(browser, tmp_path):
    joints = ("middle", "near foot", "near top", "far foot", "far top")
    poles = Skeleton(joints, ((0, 1), (1, 2), (0, 3), (3, 4)), center=0, left=(1, 2), right=(3, 4))
    places = [[0, 0, 3], [-0.5, 0, 2], [-0.5, 1, 2], [0.5, 0, 4], [0.5, 1, 4]]  # z is away from the camera
    motion = np.array(places, dtype=float).T[None, :, None]
    blocks = [Scene("", poles, 25, ("a",), ("b",), {("b", "a"): motion})]
    browser.open(write_page(tmp_path / "a.html", title="A", blocks=blocks), "#scene=0&yaw=0&tilt=0")
    box = browser.run(f"({BOXES})(0)")
    near, far = (box[side][3] - box[side][2] for side in ("left", "right"))
    assert near > 1.15 * far and box["left"][1] > box["right"][1]  # -x is at the right of the picture
