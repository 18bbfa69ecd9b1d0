"""What an operator decides about a service. Nothing of it can be changed over the API."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from avadclip.errors import ConfigError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
MIN_TOKEN_CHARACTERS = 20


class ServiceSettings(BaseModel):
    """Folders, limits and rights of one service."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    data: Path
    """Folder of the service's own files: uploads, results, and the SQLite store."""
    database_url: str | None = None
    """SQLAlchemy URL; None is the SQLite file in `data`."""
    folders: tuple[Path, ...] = ()
    """Folders, resolved, whose files may be named in a job. They are only read."""
    tokens: dict[str, str] = {}
    """Name of the person or program -> secret token. Empty: everybody who reaches the port may do everything."""
    host_names: frozenset[str] = frozenset(LOOPBACK_NAMES)
    """Names under which the service may be addressed."""
    max_upload_bytes: int = Field(4 * 10**9, ge=1)
    quota_bytes: int = Field(50 * 10**9, ge=1)
    """All uploaded and fetched videos together."""
    min_free_bytes: int = Field(5 * 10**8, ge=0)
    """Left free on the disk whatever the quota says."""
    max_video_seconds: float = Field(24 * 3600, gt=0)
    """Longer videos are refused, and a job that takes longer than this is stopped."""
    retention_days: float | None = Field(30.0, gt=0)
    """Jobs are deleted with video and results this long after they ended, events of cameras too; None keeps them."""
    fetch_hosts: frozenset[str] = frozenset()
    """Hosts that videos may be fetched from."""
    fetch_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks beside the public internet that those hosts may be in."""

    @property
    def uploads(self) -> Path:
        """Where uploaded and fetched videos lie."""
        return self.data / "uploads"

    @property
    def results(self) -> Path:
        """A folder per finished job."""
        return self.data / "results"

    @property
    def store_url(self) -> str:
        """The store as SQLAlchemy names it."""
        return self.database_url or f"sqlite:///{self.data / 'avadclip.sqlite'}"


def default_data() -> Path:
    """The folder of a service's own files where none is named: this user's."""
    import platformdirs

    return platformdirs.user_data_path("avadclip") / "service"


def read_tokens(path: Path) -> dict[str, str]:
    """Read a file with one `name: token` a line; `#` starts a comment.

    Raises:
        ConfigError: unreadable, a line of another form, a name or token given twice, or a token that is too short.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}); give a text file with one `name: token` a line"
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
            raise ConfigError(f"{path}, line {number}: name or token is there already; give each its own")
        tokens[name] = token
    if not tokens:
        raise ConfigError(f"{path}: holds no token; add a line `name: token`")
    return tokens


def resolve_folders(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Folders without links or dots; ConfigError for one that does not exist."""
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder} is not a folder; name the folders whose videos the service may read")
    return tuple(folder.resolve() for folder in folders)
