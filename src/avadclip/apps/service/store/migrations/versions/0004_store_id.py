"""The id that a store shares with its data folder, and the time it has seen pass."""

import time
import uuid

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table with its one row; a store of 0.1.0 has seen time pass until its newest job or request."""
    table = op.create_table(
        "store",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("has_folder", sa.Boolean, nullable=False),
        sa.Column("seen_until", sa.Double, nullable=False),
    )
    newest: sa.CompoundSelect[tuple[float | None]] = sa.union_all(
        sa.select(sa.func.max(sa.column("created_at"))).select_from(sa.table("jobs")),
        sa.select(sa.func.max(sa.column("finished_at"))).select_from(sa.table("jobs")),
        sa.select(sa.func.max(sa.column("at"))).select_from(sa.table("audit")),
    )
    times = [when for when in op.get_bind().execute(newest).scalars() if when is not None]
    seen_until = max(times, default=time.time())
    op.bulk_insert(table, [{"id": uuid.uuid4().hex, "has_folder": False, "seen_until": seen_until}])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("store")
