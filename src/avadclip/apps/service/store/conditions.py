"""Conditions of the searches for events, from the queries of the API."""

import json
import re

import sqlalchemy as sa

from avadclip.apps.service.schemas import EventQuery, JobState, LiveEventQuery
from avadclip.apps.service.store.tables import events, jobs, live_events, verdicts


def _shared_conditions(
    table: sa.Table, time: sa.ColumnElement[float], query: EventQuery | LiveEventQuery
) -> list[sa.ColumnElement[bool]]:
    """`time`: what `since` and `until` are about. The table is joined with `verdicts`."""
    conditions: list[sa.ColumnElement[bool]] = [table.c.score >= query.min_score]
    if query.label is not None:
        conditions.append(table.c.label == query.label)
    if query.severity is not None:
        conditions.append(table.c.severity == query.severity)
    if query.kind is not None:
        conditions.append(table.c.kind == query.kind)
    if query.sound is not None:
        wanted = re.escape(json.dumps(query.sound, ensure_ascii=False)[1:-1])
        # An inner quote of a name is escaped, so only a key can stand before `":"`.
        inside_name = rf'(?i)"name":"([^"\\]|\\.)*{wanted}'
        conditions.append(sa.type_coerce(table.c.sounds, sa.Text).regexp_match(inside_name))
    if query.verdict is not None:
        is_judged = verdicts.c.verdict == query.verdict
        conditions.append(verdicts.c.id.is_(None) if query.verdict == "none" else is_judged)
    if query.since is not None:
        conditions.append(time >= query.since)
    if query.until is not None:
        conditions.append(time < query.until)
    return conditions


def live_conditions(query: LiveEventQuery) -> list[sa.ColumnElement[bool]]:
    """Conditions on `live_events`."""
    conditions = _shared_conditions(live_events, live_events.c.start, query)
    if query.camera is not None:
        conditions.append(live_events.c.source == query.camera)
    return conditions


def event_conditions(query: EventQuery) -> list[sa.ColumnElement[bool]]:
    """Conditions on `events` joined with `jobs`."""
    conditions = [*_shared_conditions(events, jobs.c.created_at, query), jobs.c.state != JobState.DELETING]
    if query.job is not None:
        conditions.append(events.c.job_id == query.job)
    if query.from_seconds is not None:
        conditions.append(events.c.end > query.from_seconds)
    if query.to_seconds is not None:
        conditions.append(events.c.start < query.to_seconds)
    return conditions
