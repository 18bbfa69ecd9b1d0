"""Jobs, their events, events of cameras and the audit log in a database.

What must happen once happens in one transaction that names the state it starts from: a job is claimed only while it is
queued, and ends only while the same attempt is running.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from avadclip.apps.service.schemas import (
    ENDED,
    REVIEW,
    AuditEntry,
    EventQuery,
    Job,
    JobState,
    LiveEventQuery,
    Origin,
    StoredEvent,
    StoredLiveEvent,
)
from avadclip.apps.service.store.camera_store import CameraStore
from avadclip.apps.service.store.conditions import event_conditions, live_conditions
from avadclip.apps.service.store.database import Database
from avadclip.apps.service.store.tables import (
    LIVE_MEDIA,
    audit,
    camera_status,
    events,
    jobs,
    live_events,
    store,
    verdicts,
)


class StoreIdentity(NamedTuple):
    """What tells one store from another."""

    id: str
    has_folder: bool
    """Whether a data folder was given this id."""
    seen_until: float
    """Unix time until which the store has seen time pass."""


class Store:
    """The one place that speaks SQL. Safe from several threads."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.camera_store = CameraStore(self.database)

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    # identity

    def identity(self) -> StoreIdentity:
        """The id of the store, and what goes with it."""
        with self.database.reading() as connection:
            return StoreIdentity(**connection.execute(sa.select(store)).mappings().one())

    def note_folder(self) -> None:
        """Remember that a data folder holds the store's id."""
        with self.database.writing() as connection:
            connection.execute(sa.update(store).values(has_folder=True))

    def note_time(self, seen_until: float) -> None:
        """Remember until when the store has seen time pass."""
        with self.database.writing() as connection:
            connection.execute(sa.update(store).values(seen_until=seen_until))

    # jobs

    def add_job(self, job: Job) -> None:
        """Keep a new job."""
        with self.database.writing() as connection:
            connection.execute(sa.insert(jobs).values(_row(job)))

    def job(self, job_id: str) -> Job | None:
        """The job, unless it is unknown or being deleted."""
        query = sa.select(jobs).where(jobs.c.id == job_id, jobs.c.state != JobState.DELETING)
        with self.database.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else Job.model_validate(dict(row))

    def jobs(self, *, state: JobState | None = None, limit: int, offset: int = 0) -> tuple[list[Job], int]:
        """A part of the jobs, newest first, and how many there are."""
        condition = jobs.c.state != JobState.DELETING
        if state is not None:
            condition &= jobs.c.state == state
        query = sa.select(jobs).where(condition).order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit)
        rows, total = self._part(query.offset(offset), sa.select(sa.func.count()).where(condition))
        return [Job.model_validate(row) for row in rows], total

    def claim_next(self) -> Job | None:
        """Begin the oldest waiting job, or None."""
        oldest = sa.select(jobs.c.id).where(jobs.c.state == JobState.QUEUED).order_by(jobs.c.created_at, jobs.c.id)
        claim = (
            sa.update(jobs)
            .where(jobs.c.id == oldest.limit(1).scalar_subquery(), jobs.c.state == JobState.QUEUED)
            .values(state=JobState.RUNNING, started_at=time.time(), attempts=jobs.c.attempts + 1)
            .returning(jobs)
        )
        with self.database.writing() as connection:
            row = connection.execute(claim).mappings().one_or_none()
        return None if row is None else Job.model_validate(dict(row))

    def finish(self, job: Job, found: Sequence[StoredEvent], **summary: Any) -> bool:
        """End a claimed job with its events; False, and nothing is kept, where this attempt is no longer running."""
        values = {"state": JobState.DONE, "finished_at": time.time(), "num_events": len(found), **summary}
        with self.database.writing() as connection:
            if not self._end(connection, job, values):
                return False
            if found:
                connection.execute(
                    sa.insert(events), [event.model_dump(exclude={"source", *REVIEW}) for event in found]
                )
        return True

    def fail(self, job: Job, error: str) -> bool:
        """End a claimed job that cannot be done; False where this attempt is no longer running."""
        with self.database.writing() as connection:
            return self._end(connection, job, {"state": JobState.FAILED, "finished_at": time.time(), "error": error})

    def release(self, job: Job) -> None:
        """Let a claimed job wait again, as if it had not been begun."""
        with self.database.writing() as connection:
            self._end(connection, job, {"state": JobState.QUEUED, "started_at": None, "attempts": job.attempts - 1})

    def retry(self, job: Job) -> None:
        """Let a claimed job wait again; the attempt counts."""
        with self.database.writing() as connection:
            self._end(connection, job, {"state": JobState.QUEUED})

    def running(self) -> list[Job]:
        """Jobs that are claimed; at the start of a service, those that its predecessor left unfinished."""
        return self._in_state(JobState.RUNNING)

    def begin_deletion(self, job_id: str) -> Job | None:
        """Hide a job for good; None where it is unknown or hidden already."""
        hide = (
            sa.update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state != JobState.DELETING)
            .values(state=JobState.DELETING)
            .returning(jobs)
        )
        with self.database.writing() as connection:
            row = connection.execute(hide).mappings().one_or_none()
        return None if row is None else Job.model_validate(dict(row))

    def end_deletion(self, job_id: str) -> None:
        """Forget a hidden job and its events; SQLite overwrites them and empties its log."""
        with self.database.writing() as connection:
            connection.execute(sa.delete(jobs).where(jobs.c.id == job_id))
        self.database.empty_log()

    def half_deleted(self) -> list[Job]:
        """Jobs whose deletion has begun."""
        return self._in_state(JobState.DELETING)

    def ended_before(self, when: float) -> list[str]:
        """Ids of the jobs that ended before this time."""
        query = sa.select(jobs.c.id).where(jobs.c.state.in_(ENDED), jobs.c.finished_at < when)
        with self.database.reading() as connection:
            return list(connection.execute(query).scalars())

    def ids(self) -> set[str]:
        """All jobs, hidden ones too."""
        with self.database.reading() as connection:
            return set(connection.execute(sa.select(jobs.c.id)).scalars())

    def count_by_state(self) -> dict[str, int]:
        """How many jobs are in which state; states without jobs are left out."""
        query = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
        with self.database.reading() as connection:
            return {str(state): int(number) for state, number in connection.execute(query)}

    def ids_with_files(self) -> set[str]:
        """Jobs whose video or result is in the data folder."""
        has_files = (jobs.c.origin != Origin.FOLDER) | (jobs.c.state == JobState.DONE)
        query = sa.select(jobs.c.id).where(has_files, jobs.c.state != JobState.DELETING)
        with self.database.reading() as connection:
            return set(connection.execute(query).scalars())

    def kept_bytes(self) -> int:
        """Size of all videos that the service keeps."""
        query = sa.select(sa.func.coalesce(sa.func.sum(jobs.c.size_bytes), 0)).where(jobs.c.origin != Origin.FOLDER)
        with self.database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    # events

    def events(self, query: EventQuery) -> tuple[list[StoredEvent], int]:
        """Events that fit, those of the newest job first, in the order of the video, and how many there are."""
        conditions = event_conditions(query)
        joined = events.join(jobs).outerjoin(verdicts, verdicts.c.event_id == events.c.id)
        part = (
            sa.select(events, jobs.c.name.label("source"), *(verdicts.c[name] for name in REVIEW))
            .select_from(joined)
            .where(*conditions)
            .order_by(jobs.c.created_at.desc(), jobs.c.id, events.c.start, events.c.id)
            .limit(query.limit)
            .offset(query.offset)
        )
        rows, total = self._part(part, sa.select(sa.func.count()).select_from(joined).where(*conditions))
        return [StoredEvent.model_validate(row) for row in rows], total

    def best_events(self, job_ids: Sequence[str]) -> dict[str, str]:
        """The id of the highest-scored event of each of these jobs that has any, by job."""
        order = sa.func.row_number().over(
            partition_by=events.c.job_id, order_by=(events.c.score.desc(), events.c.start, events.c.id)
        )
        ranked = sa.select(events.c.job_id, events.c.id, order.label("place")).where(events.c.job_id.in_(job_ids))
        best = ranked.subquery()
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(best.c.job_id, best.c.id).where(best.c.place == 1)).mappings()
            return {row["job_id"]: row["id"] for row in rows}

    def labels(self) -> list[str]:
        """Classes that events have, those of cameras too."""
        labels = sa.union(sa.select(events.c.label), sa.select(live_events.c.label)).subquery()
        with self.database.reading() as connection:
            return list(connection.execute(sa.select(labels.c.label).order_by(labels.c.label)).scalars())

    # events of cameras

    def keep_live_event(self, event: StoredLiveEvent) -> None:
        """Keep what is known of an event by now. The same again changes nothing, and no older message a newer one."""
        # With the fields that the API leaves out.
        values = {name: value for name, value in event if name not in (*LIVE_MEDIA, *REVIEW)}
        insert = sqlite.insert if self.database.dialect == "sqlite" else postgresql.insert
        keep = (
            insert(live_events)
            .values(values)
            .on_conflict_do_update(
                index_elements=[live_events.c.id], set_=values, where=live_events.c.number < event.number
            )
        )
        with self.database.writing() as connection:
            connection.execute(keep)

    def live_events(self, query: LiveEventQuery) -> tuple[list[StoredLiveEvent], int]:
        """Events of cameras that fit, newest first, and how many there are."""
        conditions = live_conditions(query)
        joined = live_events.outerjoin(verdicts)
        part = (
            sa.select(live_events, *(verdicts.c[name] for name in REVIEW))
            .select_from(joined)
            .where(*conditions)
            .order_by(live_events.c.start.desc(), live_events.c.id)
            .limit(query.limit)
            .offset(query.offset)
        )
        rows, total = self._part(part, sa.select(sa.func.count()).select_from(joined).where(*conditions))
        return [StoredLiveEvent.model_validate(row) for row in rows], total

    def live_event(self, event_id: str) -> StoredLiveEvent | None:
        """The event of a camera; None for an unknown one."""
        query = sa.select(live_events).where(live_events.c.id == event_id)
        with self.database.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else StoredLiveEvent.model_validate(dict(row))

    def cameras(self) -> list[str]:
        """Cameras that events came from, or that a watch watches."""
        names = sa.union(sa.select(live_events.c.source), sa.select(camera_status.c.name)).subquery()
        with self.database.reading() as connection:
            return list(connection.execute(sa.select(names.c[0]).order_by(names.c[0])).scalars())

    def forget_live_events(self, before: float) -> None:
        """Delete those that were over before this time, or began before it and have no end; and missed stretches."""
        over = sa.func.coalesce(live_events.c.end, live_events.c.start) < before
        with self.database.writing() as connection:
            num_forgotten = connection.execute(sa.delete(live_events).where(over)).rowcount
            connection.execute(sa.delete(verdicts).where(verdicts.c.camera.is_not(None), verdicts.c.end < before))
        if num_forgotten:
            self.database.empty_log()

    # audit

    def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Keep entries."""
        with self.database.writing() as connection:
            connection.execute(sa.insert(audit), [entry.model_dump() for entry in entries])

    def audit(self, *, limit: int, offset: int = 0) -> tuple[list[AuditEntry], int]:
        """A part of the entries, newest first, and how many there are."""
        columns = [column for column in audit.c if column.name != "number"]
        query = sa.select(*columns).order_by(audit.c.number.desc()).limit(limit).offset(offset)
        rows, total = self._part(query, sa.select(sa.func.count()).select_from(audit))
        return [AuditEntry.model_validate(row) for row in rows], total

    def forget_audit(self, before: float) -> None:
        """Delete the entries from before this time."""
        with self.database.writing() as connection:
            connection.execute(sa.delete(audit).where(audit.c.at < before))

    def _part(self, part: sa.Select[Any], count: sa.Select[int]) -> tuple[list[dict[str, Any]], int]:
        with self.database.reading() as connection:
            rows = [dict(row) for row in connection.execute(part).mappings()]
            return rows, connection.execute(count).scalar_one()

    def _in_state(self, state: JobState) -> list[Job]:
        query = sa.select(jobs).where(jobs.c.state == state).order_by(jobs.c.created_at)
        with self.database.reading() as connection:
            return [Job.model_validate(dict(row)) for row in connection.execute(query).mappings()]

    @staticmethod
    def _end(connection: sa.Connection, job: Job, values: dict[str, Any]) -> bool:
        same_attempt = (jobs.c.id == job.id, jobs.c.state == JobState.RUNNING, jobs.c.attempts == job.attempts)
        return connection.execute(sa.update(jobs).where(*same_attempt).values(values)).rowcount == 1


def _row(job: Job) -> dict[str, Any]:
    return {**job.model_dump(exclude={"progress"}), "path": job.path}
