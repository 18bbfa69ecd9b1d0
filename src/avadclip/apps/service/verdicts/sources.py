"""Where verdicts and their footage are pulled from: a service over HTTP, or its data folder."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import quote, urljoin

import httpx2
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from avadclip.apps.service.jobs.result_folder import VIDEO_URL
from avadclip.apps.service.schemas import EventQuery, Origin, Page, ResultLink, StoredEvent
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.database import reason_of
from avadclip.apps.service.store.store import Store
from avadclip.apps.service.store.verdicts import VerdictStore
from avadclip.apps.service.verdicts.schemas import StoredVerdict, VerdictQuery
from avadclip.errors import DataError
from avadclip.files import atomic_path

PAGE = 1000  # the largest of the API
SECONDS = 60.0  # without an answer
ModelT = TypeVar("ModelT", bound=BaseModel)


class VerdictSource(Protocol):
    """What `pull` reads."""

    def verdicts(self) -> list[StoredVerdict]:
        """All verdicts; raises DataError where they cannot be had."""

    def events(self, job_id: str) -> list[StoredEvent]:
        """All events of a job."""

    def video(self, job_id: str) -> Path | None:
        """A job's video; None where it is gone."""


class StoreSource:
    """The data folder of a service on this machine, which may be running.

    Raises:
        DataError: there is no store.
    """

    def __init__(self, data: Path) -> None:
        self._settings = ServiceSettings(data=data)
        if not (data / "avadclip.sqlite").is_file():
            raise DataError(f"{data} holds no avadclip.sqlite; give the --data folder of a service, or --service URL")
        self._store = Store(self._settings.store_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()

    def verdicts(self) -> list[StoredVerdict]:
        """See VerdictSource."""
        verdicts = VerdictStore(self._store.database)
        try:
            return list(_all(lambda offset: verdicts.page(VerdictQuery(limit=PAGE, offset=offset))))
        except SQLAlchemyError as error:
            raise DataError(
                f"the store of {self._settings.data} cannot be read ({reason_of(error)}); try later"
            ) from error

    def events(self, job_id: str) -> list[StoredEvent]:
        """See VerdictSource."""
        return list(_all(lambda offset: self._store.events(EventQuery(job=job_id, limit=PAGE, offset=offset))))

    def video(self, job_id: str) -> Path | None:
        """See VerdictSource."""
        job = self._store.job(job_id)
        if job is None:
            return None
        is_own = job.origin is not Origin.FOLDER
        path = self._settings.uploads / Path(job.path).name if is_own else Path(job.path)
        return path if path.is_file() else None


class HttpSource:
    """A service at a URL; its videos are downloaded into a temporary folder, one at a time."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/") + "/"
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            self._client = httpx2.Client(base_url=self._url, headers=headers, timeout=SECONDS)
        except httpx2.InvalidURL as error:
            raise DataError(f"{url} is no URL ({error}); give one such as http://127.0.0.1:8000") from error
        self._folder = tempfile.TemporaryDirectory(prefix="avadclip-verdicts-")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._folder.cleanup()

    def verdicts(self) -> list[StoredVerdict]:
        """See VerdictSource."""
        return list(_all(lambda offset: self._page("api/verdicts", StoredVerdict, offset=offset)))

    def events(self, job_id: str) -> list[StoredEvent]:
        """See VerdictSource."""
        return list(_all(lambda offset: self._page("api/events", StoredEvent, offset=offset, job=job_id)))

    def video(self, job_id: str) -> Path | None:
        """See VerdictSource."""
        target = Path(self._folder.name) / job_id
        if target.exists():
            return target
        for other in target.parent.iterdir():
            other.unlink()
        answer = self._request("POST", f"api/jobs/{quote(job_id)}/link")
        if answer is None:
            return None
        link = ResultLink.model_validate_json(answer.content)
        try:
            with self._client.stream("GET", urljoin(self._url, link.href) + VIDEO_URL) as video:
                if video.status_code != httpx2.codes.OK:
                    return None
                with atomic_path(target) as temporary, temporary.open("wb") as file:
                    for chunk in video.iter_bytes():
                        file.write(chunk)
        except httpx2.HTTPError as error:
            raise self._away(error) from error
        return target

    def _page(self, path: str, item: type[ModelT], **query: Any) -> tuple[list[ModelT], int]:
        answer = self._request("GET", path, params={"limit": PAGE, **query})
        try:
            page = Page[item].model_validate_json(b"" if answer is None else answer.content)  # type: ignore[valid-type]
        except ValidationError as error:
            raise DataError(f"{self._url} is no service of this version of avadclip; check the URL") from error
        return page.items, page.total

    def _request(self, method: str, path: str, **options: Any) -> httpx2.Response | None:
        """The answer; None for 404."""
        try:
            answer = self._client.request(method, path, **options)
        except httpx2.HTTPError as error:
            raise self._away(error) from error
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return None
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            raise DataError(f"{self._url} needs another token; give it with --token-file FILE")
        if answer.is_error:
            raise DataError(f"{self._url}{path} failed with status {answer.status_code}; see the service's log")
        return answer

    def _away(self, error: Exception) -> DataError:
        return DataError(f"{self._url} cannot be reached ({error}); start the service, or check the URL")


def _all(read: Any) -> Iterator[Any]:
    """All items of a list that is read by pages from an offset."""
    offset, total = 0, 1
    while offset < total:
        items, total = read(offset)
        yield from items
        offset += max(len(items), 1)
