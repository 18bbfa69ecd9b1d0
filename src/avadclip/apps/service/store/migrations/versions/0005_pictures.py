"""Pictures of events of cameras."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the path of the picture; events that are there have none."""
    op.add_column("live_events", sa.Column("picture", sa.Text))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("live_events", "picture")
