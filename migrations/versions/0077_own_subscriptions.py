"""Whose Subscriptions are that persons' apps have written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0077"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "owned",
        sa.Column("type", sa.SmallInteger, primary_key=True),
        sa.Column("id", sa.Text(collation="C"), primary_key=True),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("client", sa.Text),
        sa.Column("patient", sa.Text),
        comment="resources that belong to who wrote them; see store/owning.py",
    )
    op.create_index("owned_account", "owned", ["account"])
