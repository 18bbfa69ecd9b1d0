"""Settings of the operator; none can be changed over the API."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from avadclip.errors import ConfigError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
MIN_TOKEN_CHARACTERS = 20


class ServiceSettings(BaseModel):
    """Folders, limits and permissions of one service."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    data: Path
    """Folder of the service's own files: uploads, results, and the SQLite store."""
    database_url: str | None = None
    """SQLAlchemy URL; None uses the SQLite file in `data`."""
    folders: tuple[Path, ...] = ()
    """Resolved folders whose files jobs may use; they are only read."""
    tokens: dict[str, str] = {}
    """Secret token by name of the person or program. Empty: everyone who reaches the port has full access."""
    host_names: frozenset[str] = frozenset(LOOPBACK_NAMES)
    """Accepted host names of the service."""
    root_path: str = ""
    """Path of another site at which a proxy shows the service, such as /avadclip."""
    max_upload_bytes: int = Field(4 * 10**9, ge=1)
    quota_bytes: int = Field(50 * 10**9, ge=1)
    """Quota of all uploaded and fetched videos together."""
    min_free_bytes: int = Field(5 * 10**8, ge=0)
    """Disk space to leave free, regardless of the quota."""
    max_video_seconds: float = Field(24 * 3600, gt=0)
    """Limit of a video's length and of a job's running time."""
    retention_days: float | None = Field(30.0, gt=0)
    """Jobs, with videos and results, and camera events are deleted this long after they ended; None keeps them."""
    fetch_hosts: frozenset[str] = frozenset()
    """Hosts that videos may be fetched from."""
    fetch_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Private networks that those hosts may be in."""

    @property
    def uploads(self) -> Path:
        """Folder of uploaded and fetched videos."""
        return self.data / "uploads"

    @property
    def results(self) -> Path:
        """Parent folder of the results, one folder per finished job."""
        return self.data / "results"

    @property
    def cameras(self) -> Path:
        """Folder of the last pictures of cameras, and of recordings as browsers play them."""
        return self.data / "cameras"

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store."""
        return self.database_url or f"sqlite:///{self.data / 'avadclip.sqlite'}"


def default_data() -> Path:
    """Default folder of a service's files, per user."""
    import platformdirs

    return platformdirs.user_data_path("avadclip") / "service"


def read_tokens(path: Path) -> dict[str, str]:
    """Read a file with one `name: token` per line; `#` starts a comment.

    Raises:
        ConfigError: unreadable, a line of another form, a name or token given twice, or a token that is too short.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}); give a text file with one `name: token` per line"
        ) from error
    tokens: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, token = (part.strip() for part in line.partition(":"))
        if not name or not token.isascii() or len(token) < MIN_TOKEN_CHARACTERS:
            raise ConfigError(
                f"{path}, line {number}: needed `name: token` with {MIN_TOKEN_CHARACTERS} ASCII characters or more in "
                "the token; `openssl rand -hex 32` makes a good one"
            )
        if name in tokens or token in tokens.values():
            raise ConfigError(f"{path}, line {number}: duplicate name or token; both must be unique")
        tokens[name] = token
    if not tokens:
        raise ConfigError(f"{path}: contains no token; add a line `name: token`")
    return tokens


def resolve_folders(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Resolve links and dots in folders; ConfigError for one that does not exist."""
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder} is not a folder; give folders whose videos the service may read")
    return tuple(folder.resolve() for folder in folders)
