"""Named sounds of events, and events of sounds alone."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add their columns, and room for ids with a sound; events that are there are the model's, without sounds."""
    for table in ("events", "live_events"):
        op.add_column(table, sa.Column("kind", sa.String(16), nullable=False, server_default="model"))
        op.add_column(table, sa.Column("sounds", sa.Text, nullable=False, server_default="[]"))
    _resize_live_ids(96, 200)


def downgrade() -> None:
    """Drop them."""
    _resize_live_ids(200, 96)
    for table in ("events", "live_events"):
        for column in ("kind", "sounds"):
            op.drop_column(table, column)


def _resize_live_ids(before: int, after: int) -> None:
    with op.batch_alter_table("live_events") as table:
        table.alter_column("id", existing_type=sa.String(before), type_=sa.String(after), existing_nullable=False)
