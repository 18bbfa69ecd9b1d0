"""Named sounds of events, and events of sounds alone."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add their columns; events that are there are the model's, without sounds."""
    for table in ("events", "live_events"):
        op.add_column(table, sa.Column("kind", sa.String(16), nullable=False, server_default="model"))
        op.add_column(table, sa.Column("sounds", sa.Text, nullable=False, server_default="[]"))


def downgrade() -> None:
    """Drop them."""
    for table in ("events", "live_events"):
        for column in ("kind", "sounds"):
            op.drop_column(table, column)
