"""Intake of videos: from a client's request to a queued job with a complete, checked video."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from functools import partial
from http import HTTPStatus
from pathlib import Path, PurePosixPath, PureWindowsPath

import anyio.to_thread
from fastapi.concurrency import run_in_threadpool

from avadclip.apps.fetch.download import FetchError, FetchRules, fetch
from avadclip.apps.service.jobs.content_check import ContentCheck
from avadclip.apps.service.jobs.media_folder import Incoming, MediaFolder
from avadclip.apps.service.jobs.progress import ProgressHub
from avadclip.apps.service.jobs.queue import JobRunner
from avadclip.apps.service.problems import RefusedError
from avadclip.apps.service.schemas import Job, JobState, Origin
from avadclip.apps.service.settings import ServiceSettings
from avadclip.apps.service.store.store import Store
from avadclip.errors import MediaError
from avadclip.report.words import printable

WRITE_BYTES = 256 * 1024  # buffered before a thread writes them; the memory use of an upload
MAX_FETCHES = 4  # concurrently


class Intake:
    """Intake of videos by upload, from an allowed folder, or from an allowed URL."""

    def __init__(
        self, settings: ServiceSettings, store: Store, media: MediaFolder, runner: JobRunner, hub: ProgressHub
    ) -> None:
        self._settings, self._store, self._media, self._runner, self._hub = settings, store, media, runner, hub
        self._check = ContentCheck()
        self._fetches = asyncio.Semaphore(MAX_FETCHES)

    def close(self) -> None:
        """End the child process that probes files."""
        self._check.close()

    async def from_upload(self, name: str, chunks: AsyncIterator[bytes], who: str) -> Job:
        """Receive an upload; its bytes are on disk when the job exists.

        Raises:
            RefusedError: 413 too large, 415 not a video, 422 too long, 507 no room.
        """
        job_id = uuid.uuid4().hex
        with self._media.incoming(job_id) as incoming:
            waiting = bytearray()
            async for chunk in chunks:
                waiting += chunk
                if len(waiting) >= WRITE_BYTES:
                    await run_in_threadpool(incoming.write, waiting)
                    waiting = bytearray()
            await run_in_threadpool(incoming.write, waiting)
            return await self._take(job_id, incoming, name, Origin.UPLOAD, who)

    async def from_url(self, url: str, who: str) -> Job:
        """Download a video.

        Raises:
            RefusedError: as `from_upload`; 403, 502 and 504 as `fetch`.
        """
        job_id = uuid.uuid4().hex
        rules = FetchRules(self._settings.fetch_hosts, self._settings.fetch_networks)
        async with self._fetches:
            with self._media.incoming(job_id) as incoming:
                # A shutdown does not wait for the other server; the thread ends with its next piece.
                fetching = partial(fetch, url, incoming.write, rules=rules, redirect_rules=rules)
                try:
                    name = await anyio.to_thread.run_sync(fetching, abandon_on_cancel=True)
                except FetchError as error:
                    raise RefusedError(error.status, str(error)) from error
                return await self._take(job_id, incoming, name, Origin.URL, who)

    async def from_folder(self, named: str, who: str) -> Job:
        """Use a file of an allowed folder.

        Raises:
            RefusedError: 403 outside, 404 missing, 415 not a video, 422 too long.
        """
        path = await run_in_threadpool(self._media.find, named)
        await self._check_content(path, path.name)
        job = _job(uuid.uuid4().hex, path.name, Origin.FOLDER, path=path, size_bytes=path.stat().st_size, who=who)
        await run_in_threadpool(self._store.add_job, job)
        return self._announce(job)

    async def _take(self, job_id: str, incoming: Incoming, name: str, origin: Origin, who: str) -> Job:
        await run_in_threadpool(incoming.flush)
        name = _shown_name(name)
        await self._check_content(incoming.path, name)

        def keep() -> Job:  # in one thread, so that a shutdown cannot interrupt it
            incoming.rename(job_id, name)
            job = _job(job_id, name, origin, path=incoming.path, size_bytes=incoming.num_bytes, who=who)
            self._store.add_job(job)
            incoming.is_kept = True
            return job

        return self._announce(await run_in_threadpool(keep))

    async def _check_content(self, path: Path, name: str) -> None:
        try:
            media = await self._check.probe(path)
        except MediaError as error:
            reason = str(error).replace(str(path), name)
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, reason) from error
        limit = self._settings.max_video_seconds
        if media.duration_seconds > limit:
            raise RefusedError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"{name} is {media.duration_seconds:.0f} s long, the limit is {limit:g} s; cut it into parts",
            )

    def _announce(self, job: Job) -> Job:
        self._hub.publish(job)
        self._runner.wake()
        return job


def _job(job_id: str, name: str, origin: Origin, *, path: Path, size_bytes: int, who: str) -> Job:
    return Job(
        id=job_id,
        name=_shown_name(name),
        origin=origin,
        path=str(path),
        size_bytes=size_bytes,
        state=JobState.QUEUED,
        requested_by=who,
        created_at=time.time(),
    )


def _shown_name(name: str) -> str:
    """A name without folders and unprintable characters; "video" if nothing is left."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    return printable(last) if last.strip(". ") else "video"
