"""How a person signed in, kept with the session."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("session", sa.Column("methods", sa.ARRAY(sa.Text()), nullable=False, server_default="{pwd}"))
    op.alter_column("session", "methods", server_default=None)
