"""Models in repositories of the Hugging Face hub, named `hf://owner/name@revision`: fetched, and shared.

A repository holds either one checkpoint, FILE.safetensors, or an exported folder: manifest.json beside .onnx and
.safetensors files. Nothing else of it is read, and no pickle ever.
"""

import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from avadclip.encoders.downloads import notice
from avadclip.encoders.downloads.cache import check_sha256
from avadclip.encoders.downloads.hub import hub_endpoint
from avadclip.encoders.downloads.notice import FORBIDDEN, announce, is_offline
from avadclip.errors import WeightsError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

SCHEME = "hf://"
MANIFEST = "manifest.json"  # of an exported folder
WEIGHTS = ".safetensors"
MODEL_FILES = (MANIFEST, "*.onnx", f"*{WEIGHTS}")  # patterns of all that is fetched or shared
SUBFOLDERS = "*/*"  # pattern of what is left out
CARD_FILE = "README.md"  # what the hub shows of a repository
NEEDED = f"needed one {WEIGHTS} checkpoint, or an exported folder with {MANIFEST}"
MAX_NAMED_FILES = 5

_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+(?:/[\w.-]+)*))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubAddress(NamedTuple):
    """A repository of the hub, and a branch, tag or commit of it."""

    repo: str
    """`owner/name`."""
    revision: str = "main"

    def __str__(self) -> str:
        return f"{SCHEME}{self.repo}@{self.revision}"


def is_hub_address(name: str | Path) -> bool:
    """Whether a model is named by its address on the hub."""
    return str(name).startswith(SCHEME)


def read_address(text: str) -> HubAddress:
    """Split `hf://owner/name` or `hf://owner/name@revision`; without a revision it is `main`.

    Raises:
        WeightsError: it is neither.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise WeightsError(f"{text!r} is no address of the hub; needed hf://owner/name or hf://owner/name@revision")
    return HubAddress(match["repo"], match["revision"] or "main")


def obtain_model(address: HubAddress) -> Path:
    """The checkpoint file or exported folder of a repository, downloaded into the hub's cache if it is not there.

    A commit that is on this machine is used without a request. What a branch or tag names is asked for each time.

    Raises:
        WeightsError: it is not here, and downloads are forbidden or fail; or the repository holds no model.
    """
    if is_offline() or _COMMIT.fullmatch(address.revision):
        found = _in_cache(address)
        if found is not None:
            return found
    if is_offline():
        raise WeightsError(
            f"{address} is not on this machine, and {FORBIDDEN}: with a network, `avadclip weights get {address}`"
        )
    with _explained(address):
        return _download(address)


def push_files(files: Mapping[str, Path | bytes], address: HubAddress, *, card: str | None = None) -> HubAddress:
    """Make a repository hold these files and no other model, in one commit. A new repository is private.

    Args:
        files: by name: a path, or the content.
        address: its revision is a branch.
        card: for the repository's page, Markdown; a page that is there already stays.

    Returns:
        The address of the commit.

    Raises:
        WeightsError: downloads are forbidden, or the hub refuses.
    """
    if is_offline():
        raise WeightsError(f"{address} cannot be written: {FORBIDDEN}")
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with _explained(address):
        api = _client()
        api.create_repo(address.repo, private=True, exist_ok=True)
        present = set(api.list_repo_files(address.repo, revision=address.revision))
        added = dict(files)
        if card is not None and CARD_FILE not in present:
            added[CARD_FILE] = card.encode()
        replaced = [name for name in sorted(present) if _is_model_file(name) and name not in added]
        commit = api.create_commit(
            address.repo,
            [
                *(CommitOperationAdd(name, content) for name, content in added.items()),
                *(CommitOperationDelete(name) for name in replaced),
            ],
            commit_message="Model of avadclip",
            revision=address.revision,
        )
    return address._replace(revision=commit.oid)


def _check_model_files(names: Iterable[str], place: str) -> None:
    """Raise WeightsError unless a checkpoint or an exported folder is among the files of these names."""
    found = sorted(names)
    checkpoints = [name for name in found if name.endswith(WEIGHTS) and "/" not in name]
    if MANIFEST in found or len(checkpoints) == 1:
        return
    named = ", ".join((checkpoints or found)[:MAX_NAMED_FILES]) or "nothing"
    raise WeightsError(f"{place} holds no model of avadclip: found {named}; {NEEDED}")


def _in_cache(address: HubAddress) -> Path | None:
    """The model in the hub's cache, None where a file of it is missing."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            address.repo,
            revision=address.revision,
            local_files_only=True,
            allow_patterns=list(MODEL_FILES),
            ignore_patterns=SUBFOLDERS,
        )
    except LocalEntryNotFoundError:
        return None
    return _model_in(Path(folder), address)


def _download(address: HubAddress) -> Path:
    from huggingface_hub import snapshot_download

    info = _client().model_info(address.repo, revision=address.revision, files_metadata=True)
    siblings = {file.rfilename: file for file in info.siblings or ()}
    _check_model_files(siblings, str(address))
    wanted = {name: file for name, file in siblings.items() if _is_model_file(name)}
    commit = HubAddress(address.repo, str(info.sha))
    if _in_cache(commit) is None:
        announce("a model", sum(file.size or 0 for file in wanted.values()), str(commit))
    folder = Path(
        snapshot_download(
            address.repo,
            revision=address.revision,
            endpoint=hub_endpoint(),
            allow_patterns=list(wanted),
            ignore_patterns=SUBFOLDERS,
        )
    )
    for name, file in wanted.items():
        if file.lfs is not None:
            _check(folder / name, file.lfs.sha256)
    return _model_in(folder, address)


def _check(path: Path, sha256: str) -> None:
    """Compare a file with the hub's own hash; another one is removed."""
    try:
        check_sha256(path, sha256)
    except WeightsError:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise


def _model_in(folder: Path, address: HubAddress) -> Path:
    _check_model_files([path.name for path in folder.iterdir()], str(address))
    return folder if (folder / MANIFEST).exists() else next(folder.glob(f"*{WEIGHTS}"))


def _is_model_file(name: str) -> bool:
    return "/" not in name and (name == MANIFEST or name.endswith((".onnx", WEIGHTS)))


def _client() -> "HfApi":
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub_endpoint())


@contextmanager
def _explained(address: HubAddress) -> Iterator[None]:
    """Turn errors of the hub, of its client and of the network into a WeightsError of one line."""
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # without its lines on every repeated attempt
    if not notice.announces or not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    except WeightsError:
        raise
    except RepositoryNotFoundError as error:
        raise WeightsError(
            f"{address}: there is no such repository, or it is not open to you; correct owner and name, or log in with "
            "`hf auth login` or HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise WeightsError(f"{address}: the repository has no branch, tag or commit {address.revision}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        remedy = "; log in with a token that may do this" if status in {401, 403} else ""
        raise WeightsError(f"{address}: the hub answered with status {status}{remedy}") from error
    except Exception as error:  # the HTTP library of the hub's client has its own exceptions
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"{address}: the connection to the hub failed ({reason}); try again, or use a copy on this machine by "
            "--offline"
        ) from error
