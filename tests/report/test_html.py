import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from avadclip.inference.detector import Detection
from avadclip.report.exports import to_document
from avadclip.report.html import (
    IndexEntry,
    PageMedia,
    PagePlaces,
    asset_files,
    render_index,
    render_page,
    write_assets,
)

MakeDetection = Callable[..., Detection]
PAGE = Path(__file__).parents[2] / "src" / "avadclip" / "report" / "page"
PLACES = PagePlaces(assets="/static/", files="/results/7/", index="/", downloads={"JSON": "/results/7.json"})
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


class Tags(HTMLParser):
    """Every tag with its attributes, and the text inside <script>."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and data.strip():
            self.scripts.append(data)


def page_of(detection: Detection, media: PageMedia | None = None) -> str:
    document = to_document(detection, include_scores=True)
    return render_page(document, media or PageMedia("/videos/7"), PLACES)


def test_the_page_holds_the_document_and_where_everything_is(made_up: MakeDetection) -> None:
    detection = made_up(60)
    tags = Tags(
        page_of(
            detection, PageMedia("/videos/7", 1.5, "a copy", ("pictures/film-01.jpg", None), "pictures/waveform.png")
        )
    )
    (script,) = tags.scripts
    document = to_document(detection, include_scores=True)
    assert json.loads(script) == {
        "document": document,
        "offset_seconds": 1.5,
        "film": ["pictures/film-01.jpg", None],
        "waveform": "pictures/waveform.png",
        "files": "/results/7/",
        "service": None,
    }
    assert [attributes["src"] for tag, attributes in tags.tags if tag == "video"] == ["/videos/7"]
    sources = {attributes["src"] for tag, attributes in tags.tags if tag == "script" and "src" in attributes}
    styles = {attributes["href"] for tag, attributes in tags.tags if attributes.get("rel") == "stylesheet"}
    assert sources | styles == {f"/static/{name}" for name in asset_files()}
    assert {"/", "/results/7.json"} <= {attributes["href"] for tag, attributes in tags.tags if tag == "a"}


def test_nothing_in_a_result_becomes_markup(made_up: MakeDetection) -> None:
    plain = made_up(60, notes=("odd",))
    evil = made_up(60, source=EVIL, notes=(EVIL,), classes=("normal", EVIL))
    assert [tag for tag, _ in Tags(page_of(evil)).tags] == [tag for tag, _ in Tags(page_of(plain)).tags]
    (script,) = Tags(page_of(evil)).scripts
    assert json.loads(script)["document"]["source"] == EVIL
    row = IndexEntry(to_document(evil), "x/index.html")
    plain_row = IndexEntry(to_document(plain), "x/index.html")
    assert [tag for tag, _ in Tags(render_index([row], assets_url="")).tags] == [
        tag for tag, _ in Tags(render_index([plain_row], assets_url="")).tags
    ]


def test_pages_forbid_what_they_do_not_need(made_up: MakeDetection) -> None:
    for page in (page_of(made_up(5)), render_index([IndexEntry(to_document(made_up(5)), "x")], assets_url="")):
        tags = Tags(page).tags
        policies = [
            attributes["content"] for _, attributes in tags if attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        rules = dict(rule.split(" ", 1) for rule in policies[0].split("; "))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == "'self'"
        assert "unsafe" not in policies[0]
        assert [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"] == []


def test_the_scripts_stand_alone() -> None:
    for path in PAGE.glob("*.js"):
        text = path.read_text()
        assert '"use strict";' in text, path.name
        assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            path.name
        )
    assert {path.name for path in PAGE.glob("*.*") if path.suffix in (".js", ".css")} | {"plotly.min.js"} == set(
        asset_files()
    )


def test_the_list_puts_the_highest_score_first(made_up: MakeDetection) -> None:
    documents = [to_document(made_up(60, source="quiet.mp4", quiet=True)), to_document(made_up(60, source="loud.mp4"))]
    page = render_index([IndexEntry(document, "x") for document in documents], assets_url="assets/")
    assert page.index("loud.mp4") < page.index("quiet.mp4")
    assert "2 videos" in page


def test_assets_are_written_where_they_are_missing_or_differ(tmp_path: Path) -> None:
    write_assets(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(asset_files())
    kept = (tmp_path / "plotly.min.js").stat().st_mtime_ns
    (tmp_path / "page.js").write_text("old")
    write_assets(tmp_path)
    assert (tmp_path / "page.js").read_bytes() == (PAGE / "page.js").read_bytes()
    assert (tmp_path / "plotly.min.js").stat().st_mtime_ns == kept


def colours(theme: str) -> dict[str, str]:
    block = re.search(theme + r" \{(.*?)\n\}", (PAGE / "page.css").read_text(), re.DOTALL)
    assert block
    return dict(re.findall(r"--([\w-]+): (#\w{6})", block[1]))


def luminance(colour: str) -> float:
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [":root", r'\[data-theme="dark"\]'])
@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        ("ink", "card", 7),
        ("ink", "event-wash", 7),
        ("faint", "card", 4.5),
        ("faint", "ground", 4.5),
        ("faint", "event-wash", 4.5),
        ("strong", "card", 4.5),
        ("strong", "ground", 4.5),
        ("event", "card", 4.5),
        ("score", "card", 3),
        ("visual", "card", 3),
        ("audio", "card", 3),
        ("sound", "card", 4.5),
        ("ink", "sound-wash", 7),
        ("faint", "sound-wash", 4.5),
    ],
)
def test_contrast_is_that_of_the_accessibility_guidelines(theme: str, ink: str, ground: str, least: float) -> None:
    palette = colours(theme)
    lighter, darker = sorted((luminance(palette[ink]), luminance(palette[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= least
