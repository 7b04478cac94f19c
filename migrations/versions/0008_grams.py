"""Strings by threes of letters, for `:contains`. The strings there are wait for `healix reindex`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "index_string", sa.Column("grams", sa.ARRAY(sa.Integer()), nullable=False, server_default=sa.text("'{}'"))
    )
    op.create_index("index_string_grams", "index_string", ["grams"], postgresql_using="gin")
