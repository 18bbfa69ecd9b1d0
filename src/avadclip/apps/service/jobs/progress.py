"""Telling clients how jobs go: the latest state of each job, to everybody who follows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from avadclip.apps.service.schemas import Job, JobState


class ProgressHub:
    """From the thread that does the jobs to the event loop that serves clients.

    A slow client never holds anything up, and memory stays bounded: of each job only the latest state waits for it.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._followers: set[_Follower] = set()
        self._running: Job | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the event loop that followers live in; what is published before is not passed on."""
        self._loop = loop

    def publish(self, job: Job) -> None:
        """Tell all followers; from any thread."""
        if job.state is JobState.RUNNING:
            self._running = job
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, job)

    def with_progress(self, job: Job) -> Job:
        """A job as stored, with how far it is."""
        running = self._running
        if running is None or (running.id, running.attempts, running.state) != (job.id, job.attempts, job.state):
            return job
        return job.model_copy(update={"progress": running.progress})

    async def follow(self, first: Callable[[], Awaitable[list[Job]]]) -> AsyncIterator[Job]:
        """What `first` gives, which is asked once nothing can be missed any more; then all news, without end."""
        follower = _Follower()
        self._followers.add(follower)
        try:
            for job in await first():
                yield job
            while True:
                await follower.has_news.wait()
                follower.has_news.clear()
                news, follower.news = follower.news, {}
                for job in news.values():
                    yield job
        finally:
            self._followers.discard(follower)

    def _tell(self, job: Job) -> None:
        for follower in self._followers:
            follower.news[job.id] = job
            follower.has_news.set()


class _Follower:
    def __init__(self) -> None:
        self.news: dict[str, Job] = {}
        self.has_news = asyncio.Event()
