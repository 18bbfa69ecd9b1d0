"""Events of cameras, as `avadclip watch` tells of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "live_events",
        sa.Column("id", sa.String(96), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("start", sa.Double, nullable=False),
        sa.Column("end", sa.Double),
        sa.Column("is_open", sa.Boolean, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("modality", sa.String(16), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("sound_gain", sa.Double),
    )
    op.create_index("live_events_by_time", "live_events", ["start"])
    op.create_index("live_events_by_camera", "live_events", ["source", "start"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("live_events")
