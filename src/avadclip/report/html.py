"""HTML page of one video and index page of many; their scripts and styles are in page/ beside this file.

A page works from disk as well as from a server: browsers load neither modules nor JSON from file:// addresses, so the
scripts are classic scripts and the result is embedded in the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from avadclip.files import write_atomically
from avadclip.report.words import DEMONSTRATION_MODELS, clock, counted, describe_network, network_words

SCRIPTS = (
    "plotly.min.js",
    "words.js",
    "sounds.js",
    "events.js",
    "player.js",
    "chart.js",
    "verdicts.js",
    "marks.js",
    "service_marks.js",
    "event_list.js",
    "keyboard.js",
    "page.js",
)
"""Scripts of a video's page, in load order."""
THEME_SCRIPT = "theme.js"  # loaded by every page before it is drawn
STYLES = ("page.css",)
PLOTLY_STYLE = "plotly.css"  # linked in the page under the id that Plotly looks up

PLOTLY_MAP_STYLE = "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='"
"""Hash of the one style, for maps, that Plotly inserts inline; that of another version would be blocked."""

# No external and no inline resources. Plotly draws the class map as data: URLs, a chosen video is a blob: URL.
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
_templates.filters |= {
    "clock": clock,
    "counted": counted,
    "describe_network": describe_network,
    "network_words": network_words,
}


@dataclass(frozen=True)
class PageMedia:
    """The video of a page."""

    url: str | None
    """URL of the video, relative or absolute; None: the viewer has to choose the file."""
    offset_seconds: float = 0.0
    """Time of the first frame on the player's clock; the result's times start at the first frame."""
    note: str | None = None
    """Note for the viewer, for example that the video is a copy."""
    film: Sequence[str | None] = ()
    """Names of the pictures of equal parts of the video, in the folder of the snapshots."""
    waveform: str | None = None
    """Name of the picture of its sound, there too."""


@dataclass(frozen=True)
class PagePlaces:
    """URLs the page refers to, relative or absolute; those of folders end in a slash."""

    assets: str = "../assets/"
    """Folder of the scripts and styles, see `asset_files`."""
    files: str = ""
    """Folder of the pictures."""
    index: str | None = None
    """The index page of all videos."""
    downloads: Mapping[str, str] = field(default_factory=dict)
    """Link texts and URLs of the result in other formats."""
    service: Mapping[str, str] | None = None
    """Of a page that a service serves: `api`, the URL of its API, and `job`, the id of the page's job. Verdicts are
    then kept by the service, else by the browser."""

    @property
    def policy(self) -> str:
        """Content security policy of the page."""
        return POLICY if self.service is None else f"{POLICY}; connect-src 'self'"


class IndexEntry(NamedTuple):
    """One video of the index page."""

    document: Mapping[str, Any]
    url: str
    """URL of its page."""


def render_page(document: Mapping[str, Any], media: PageMedia, places: PagePlaces) -> str:
    """Render the page of one video.

    Args:
        document: from `exports.to_document`, with scores.
        media: the video to play.
        places: URLs of everything else.
    """
    return _templates.get_template("page.html").render(
        document=document,
        media=media,
        places=places,
        is_demonstration=document["model"] in DEMONSTRATION_MODELS,
        policy=places.policy,
        scripts=SCRIPTS,
        styles=STYLES,
    )


def render_index(entries: Sequence[IndexEntry], *, assets_url: str) -> str:
    """Render the index page, highest scores first; documents need no scores per snippet."""
    ranked = sorted(entries, key=lambda entry: -entry.document["peak_score"])
    return _templates.get_template("index.html").render(
        entries=ranked, assets_url=assets_url, policy=POLICY, styles=STYLES
    )


def asset_files() -> dict[str, Path]:
    """Scripts and styles by file name; the same for every page."""
    own = Path(str(resources.files("avadclip.report"))) / "page"
    plotly = Path(str(resources.files("plotly"))) / "package_data" / "plotly.min.js"
    return {
        name: plotly if name == plotly.name else own / name for name in (THEME_SCRIPT, *SCRIPTS, *STYLES, PLOTLY_STYLE)
    }


def write_assets(folder: Path) -> None:
    """Write the scripts and styles that are missing from a folder or differ."""
    for name, path in asset_files().items():
        content = path.read_bytes()
        target = folder / name
        if not target.is_file() or target.read_bytes() != content:
            write_atomically(target, content)
