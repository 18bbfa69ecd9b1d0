"""Distribution of job updates to the clients that follow them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from avadclip.apps.service.schemas import Job, JobState


class ProgressHub:
    """Channel from the job thread to the event loop that serves clients.

    A slow client never blocks others, and memory is bounded: only the latest state of each job is queued for it.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._followers: set[_Follower] = set()
        self._running: Job | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the event loop of the followers; updates published earlier are dropped."""
        self._loop = loop

    def publish(self, job: Job) -> None:
        """Send an update to all followers, from any thread."""
        if job.state is JobState.RUNNING:
            self._running = job
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._notify, job)

    def with_progress(self, job: Job) -> Job:
        """A stored job with its current progress."""
        running = self._running
        if running is None or (running.id, running.attempts, running.state) != (job.id, job.attempts, job.state):
            return job
        return job.model_copy(update={"progress": running.progress})

    async def follow(self, first: Callable[[], Awaitable[list[Job]]]) -> AsyncIterator[Job]:
        """Yield the result of `first`, called after the subscription so that no update is lost, then all updates."""
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

    def _notify(self, job: Job) -> None:
        for follower in self._followers:
            follower.news[job.id] = job
            follower.has_news.set()


class _Follower:
    def __init__(self) -> None:
        self.news: dict[str, Job] = {}
        self.has_news = asyncio.Event()
