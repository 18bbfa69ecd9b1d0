"""Cameras as their watch writes them, and the score curves of their last hour."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "camera_status",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("written_at", sa.Double, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("network", sa.Text),
        sa.Column("dropped_seconds", sa.Double, nullable=False),
        sa.Column("picture_at", sa.Double),
        sa.Column("recordings", sa.Text),
        sa.Column("sounds", sa.Text, nullable=False),
    )
    op.create_table(
        "camera_scores",
        sa.Column("camera", sa.String(64), primary_key=True),
        sa.Column("start", sa.Double, primary_key=True),
        sa.Column("score", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("camera_scores")
    op.drop_table("camera_status")
