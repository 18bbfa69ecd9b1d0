"""The page of one video, and the list of many, as HTML; what they load lies in page/ beside this file.

A page works from disk as well as from a server: browsers load neither modules nor JSON from file:// addresses, so the
scripts are classic ones and the result stands in the page itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from avadclip.files import write_atomically
from avadclip.report.words import clock, counted

SCRIPTS = (
    "plotly.min.js",
    "words.js",
    "events.js",
    "player.js",
    "chart.js",
    "marks.js",
    "event_list.js",
    "keyboard.js",
    "page.js",
)
"""Of a video's page, in the order they are loaded."""
THEME_SCRIPT = "theme.js"  # of every page, before it is drawn
STYLES = ("page.css",)
PLOTLY_STYLE = "plotly.css"  # stands in the page under the name by which Plotly finds it

PLOTLY_MAP_STYLE = "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='"
"""Of the one style, for maps, that Plotly writes into the page itself; another version's would only be refused."""

# Nothing from elsewhere, nothing inline. data: is how Plotly draws the class map, blob: a chosen video.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' {PLOTLY_MAP_STYLE}",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)

_templates = Environment(
    loader=PackageLoader("avadclip.report", "page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"clock": clock, "counted": counted}


@dataclass(frozen=True)
class PageMedia:
    """What the page plays."""

    url: str | None
    """Address of the video, relative to the page or whole; None: the page asks its reader for the file."""
    offset_seconds: float = 0.0
    """Where the first picture stands on the player's clock; the result counts from the first picture."""
    note: str | None = None
    """What the reader has to know about it: that it is a copy, and why."""


@dataclass(frozen=True)
class PagePlaces:
    """Addresses the page refers to, relative to the page or whole; those of folders end in a slash."""

    assets: str = "../assets/"
    """Folder of the scripts and styles, see `asset_files`."""
    files: str = ""
    """Folder that the events' snapshots are named from."""
    index: str | None = None
    """The list of all videos."""
    downloads: Mapping[str, str] = field(default_factory=dict)
    """Other forms of the result: what a link says, and where it leads."""


class IndexEntry(NamedTuple):
    """One video in the list."""

    document: Mapping[str, Any]
    url: str
    """Of its page."""


def render_page(document: Mapping[str, Any], media: PageMedia, places: PagePlaces) -> str:
    """The page of one video.

    Args:
        document: of `exports.to_document`, with scores.
        media: what is played.
        places: where everything else is found.
    """
    return _templates.get_template("page.html").render(
        document=document, media=media, places=places, policy=POLICY, scripts=SCRIPTS, styles=STYLES
    )


def render_index(entries: Sequence[IndexEntry], *, assets_url: str) -> str:
    """The list of videos, those with the highest scores first; documents need no scores per snippet."""
    ranked = sorted(entries, key=lambda entry: -entry.document["peak_score"])
    return _templates.get_template("index.html").render(
        entries=ranked, assets_url=assets_url, policy=POLICY, styles=STYLES
    )


def asset_files() -> dict[str, Path]:
    """Scripts and styles by the name a page gives them; none is made for a certain page."""
    own = Path(str(resources.files("avadclip.report"))) / "page"
    plotly = Path(str(resources.files("plotly"))) / "package_data" / "plotly.min.js"
    return {
        name: plotly if name == plotly.name else own / name for name in (THEME_SCRIPT, *SCRIPTS, *STYLES, PLOTLY_STYLE)
    }


def write_assets(folder: Path) -> None:
    """Write the scripts and styles that are missing from a folder, or differ."""
    for name, path in asset_files().items():
        content = path.read_bytes()
        target = folder / name
        if not target.is_file() or target.read_bytes() != content:
            write_atomically(target, content)
