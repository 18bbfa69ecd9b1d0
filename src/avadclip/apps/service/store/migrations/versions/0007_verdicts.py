"""People's verdicts on events."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make their table; a verdict goes with its job or event."""
    op.create_table(
        "verdicts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE")),
        sa.Column("event_id", sa.String(64), sa.ForeignKey("events.id", ondelete="CASCADE"), unique=True),
        sa.Column("live_event_id", sa.String(200), sa.ForeignKey("live_events.id", ondelete="CASCADE"), unique=True),
        sa.Column("camera", sa.String(64)),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("correct_label", sa.Text),
        sa.Column("start", sa.Double),
        sa.Column("end", sa.Double),
        sa.Column("judged_by", sa.Text, nullable=False),
        sa.Column("judged_at", sa.Double, nullable=False),
    )
    op.create_index("verdicts_by_job", "verdicts", ["job_id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("verdicts")
