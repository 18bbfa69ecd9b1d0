"""Verdicts in the store: one for an event at most, and any number of missed stretches."""

import time
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from avadclip.apps.service.schemas import JobState
from avadclip.apps.service.store.database import Database
from avadclip.apps.service.store.tables import events, jobs, live_events, verdicts
from avadclip.apps.service.verdicts.schemas import GivenVerdict, MissedSpan, StoredVerdict, VerdictQuery
from avadclip.labels import check_verdict

IS_SHOWN = jobs.c.id.is_(None) | (jobs.c.state != JobState.DELETING)  # of outer joins; cameras have no job


class VerdictStore:
    """The verdicts of a store's database. Safe from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def judge(self, event_id: str, given: GivenVerdict, *, by: str) -> StoredVerdict | None:
        """Set the verdict on a video's event; None where there is no such event.

        Raises:
            ValueError: the class that is called right is the event's own.
        """
        event = sa.select(events.c.label, events.c.job_id).select_from(events.join(jobs))
        found = event.where(events.c.id == event_id, jobs.c.state != JobState.DELETING)
        return self._set(verdicts.c.event_id, event_id, found, given, by)

    def judge_live(self, event_id: str, given: GivenVerdict, *, by: str) -> StoredVerdict | None:
        """As `judge`, of a camera's event."""
        found = sa.select(live_events.c.label).where(live_events.c.id == event_id)
        return self._set(verdicts.c.live_event_id, event_id, found, given, by)

    def on(self, event_id: str) -> StoredVerdict | None:
        """The verdict on a video's event."""
        return self._one(verdicts.c.event_id == event_id)

    def on_live(self, event_id: str) -> StoredVerdict | None:
        """The verdict on a camera's event."""
        return self._one(verdicts.c.live_event_id == event_id)

    def add_missed(self, missed: MissedSpan, *, by: str) -> StoredVerdict:
        """Keep a missed stretch of a job that is known, or of a camera."""
        row = {"job_id": missed.job, "camera": missed.camera, "start": missed.start, "end": missed.end}
        row |= {"verdict": "missed", "correct_label": missed.label, **_by(by)}
        with self._database.writing() as connection:
            connection.execute(sa.insert(verdicts).values(row))
        added = self._one(verdicts.c.id == row["id"])
        assert added is not None, "it was added, and its job is there"
        return added

    def withdraw(self, verdict_id: str) -> bool:
        """Delete a verdict; False where there is none of this id."""
        with self._database.writing() as connection:
            return connection.execute(sa.delete(verdicts).where(verdicts.c.id == verdict_id)).rowcount > 0

    def page(self, query: VerdictQuery) -> tuple[list[StoredVerdict], int]:
        """The verdicts that fit, in the order they were given, and how many there are."""
        found = _joined()
        if query.job is not None:
            found = found.where(verdicts.c.job_id == query.job)
        if query.camera is not None:
            found = found.where(sa.func.coalesce(live_events.c.source, verdicts.c.camera) == query.camera)
        if query.verdict is not None:
            found = found.where(verdicts.c.verdict == query.verdict)
        part = found.order_by(verdicts.c.judged_at, verdicts.c.id).limit(query.limit).offset(query.offset)
        with self._database.reading() as connection:
            rows = [StoredVerdict.model_validate(dict(row)) for row in connection.execute(part).mappings()]
            total = connection.execute(sa.select(sa.func.count()).select_from(found.subquery())).scalar_one()
        return rows, total

    def _set(
        self, column: sa.Column[Any], event_id: str, found: sa.Select[Any], given: GivenVerdict, by: str
    ) -> StoredVerdict | None:
        insert = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
        with self._database.writing() as connection:
            event = connection.execute(found).mappings().one_or_none()
            if event is None:
                return None
            check_verdict(given.verdict, event["label"], given.correct_label)
            values = {**given.model_dump(), **_by(by)}
            row = {**values, column.name: event_id, "job_id": event.get("job_id")}
            kept = {name: value for name, value in values.items() if name != "id"}
            connection.execute(insert(verdicts).values(row).on_conflict_do_update(index_elements=[column], set_=kept))
        return self._one(column == event_id)

    def _one(self, condition: sa.ColumnElement[bool]) -> StoredVerdict | None:
        with self._database.reading() as connection:
            row = connection.execute(_joined().where(condition)).mappings().one_or_none()
        return None if row is None else StoredVerdict.model_validate(dict(row))


def _by(name: str) -> dict[str, Any]:
    return {"id": uuid.uuid4().hex, "judged_by": name, "judged_at": time.time()}


def _joined() -> sa.Select[Any]:
    """Verdicts with what they are about, without those of hidden jobs."""

    def first(name: str, *tables: sa.Table) -> sa.Label[Any]:
        return sa.func.coalesce(*(table.c[name] for table in tables)).label(name)

    own = [verdicts.c[name] for name in ("id", "verdict", "correct_label", "job_id", "judged_by", "judged_at")]
    joined = verdicts.outerjoin(jobs).outerjoin(events, verdicts.c.event_id == events.c.id).outerjoin(live_events)
    return (
        sa.select(
            *own,
            sa.func.coalesce(verdicts.c.event_id, verdicts.c.live_event_id).label("event_id"),
            sa.func.coalesce(jobs.c.name, live_events.c.source, verdicts.c.camera).label("source"),
            first("start", verdicts, events, live_events),
            first("end", verdicts, events, live_events),
            first("label", events, live_events),
            first("score", events, live_events),
        )
        .select_from(joined)
        .where(IS_SHOWN)
    )
