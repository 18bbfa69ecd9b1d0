"""Tables of the store. Times are Unix seconds, so that SQLite and PostgreSQL keep the same numbers.

The columns of events come from their models: a field that is added to `events.BaseEvent` is a column here, and needs a
migration that adds it to both tables.
"""

from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import sqlalchemy as sa
from pydantic import TypeAdapter

from avadclip.apps.service.schemas import REVIEW, StoredEvent, StoredLiveEvent
from avadclip.events import NamedSound

metadata = sa.MetaData()
LIVE_MEDIA = ("has_picture", "has_recording")  # of a live event: read from the disk when it is asked for


class SoundsColumn(sa.types.TypeDecorator[tuple[NamedSound, ...]]):
    """Named sounds as JSON text, without spaces: `store.py` searches it."""

    impl = sa.Text
    cache_ok = True
    _json = TypeAdapter(tuple[NamedSound, ...])

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:  # noqa: ARG002
        """To the database."""
        return self._json.dump_json(self._json.validate_python(value)).decode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> tuple[NamedSound, ...]:  # noqa: ARG002
        """From the database."""
        return self._json.validate_json(value)


_WORD = sa.String(16)  # of a few fixed words
_TYPES: dict[Any, type[sa.types.TypeEngine[Any]]] = {
    str: sa.Text,
    float: sa.Double,
    int: sa.Integer,
    bool: sa.Boolean,
    tuple[NamedSound, ...]: SoundsColumn,
}


def _columns(model: type[StoredEvent | StoredLiveEvent], *, leave_out: tuple[str, ...]) -> Iterator[sa.Column[Any]]:
    """A column for each other field of a model, by its annotation; NULL is allowed where None is."""
    for name, field in model.model_fields.items():
        if name not in leave_out:
            is_optional = NoneType in get_args(field.annotation)
            kind = get_args(field.annotation)[0] if is_optional else field.annotation
            yield sa.Column(name, _WORD if get_origin(kind) is Literal else _TYPES[kind], nullable=is_optional)


jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("origin", sa.String(8), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("requested_by", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("num_events", sa.Integer),
    sa.Column("peak_score", sa.Double),
    sa.Column("duration_seconds", sa.Double),
    sa.Column("network", sa.Text),
    sa.Index("jobs_by_state", "state", "created_at"),
    sa.Index("jobs_by_age", "created_at"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    *_columns(StoredEvent, leave_out=("id", "job_id", "source", *REVIEW)),  # the source is the job's name
    sa.Index("events_by_job", "job_id", "start"),
    sa.Index("events_by_label", "label", "score"),
)

live_events = sa.Table(
    "live_events",
    metadata,
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("source", sa.String(64), nullable=False),
    *_columns(StoredLiveEvent, leave_out=("id", "source", *LIVE_MEDIA, *REVIEW)),
    sa.Index("live_events_by_time", "start"),
    sa.Index("live_events_by_camera", "source", "start"),
)

camera_status = sa.Table(
    "camera_status",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("written_at", sa.Double, nullable=False),
    sa.Column("state", _WORD, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("network", sa.Text),
    sa.Column("dropped_seconds", sa.Double, nullable=False),
    sa.Column("picture_at", sa.Double),
    sa.Column("recordings", sa.Text),
    sa.Column("sounds", SoundsColumn, nullable=False),
)

camera_scores = sa.Table(
    "camera_scores",
    metadata,
    sa.Column("camera", sa.String(64), primary_key=True),
    sa.Column("start", sa.Double, primary_key=True),
    sa.Column("score", sa.Double, nullable=False),
)

verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE")),
    sa.Column("event_id", sa.String(64), sa.ForeignKey("events.id", ondelete="CASCADE"), unique=True),
    sa.Column("live_event_id", sa.String(200), sa.ForeignKey("live_events.id", ondelete="CASCADE"), unique=True),
    sa.Column("camera", sa.String(64)),  # with start and end: of a missed stretch
    sa.Column("verdict", _WORD, nullable=False),
    sa.Column("correct_label", sa.Text),
    sa.Column("start", sa.Double),
    sa.Column("end", sa.Double),
    sa.Column("judged_by", sa.Text, nullable=False),
    sa.Column("judged_at", sa.Double, nullable=False),
    sa.Index("verdicts_by_job", "job_id"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("method", sa.String(8), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("job_id", sa.String(32)),
    sa.Index("audit_by_time", "at"),
)

store = sa.Table(  # one row
    "store",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("has_folder", sa.Boolean, nullable=False),
    sa.Column("seen_until", sa.Double, nullable=False),
)
