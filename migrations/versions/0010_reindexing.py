"""Runs that write the search index anew. A store without resources needs none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "reindexing",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("last_pk", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ceiling", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("requested", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        comment="runs that write the search index of all resources anew",
    )
    op.execute(
        """INSERT INTO reindexing (state, version, ceiling, total, ended)
           SELECT 'finished', 1, 0, 0, now() WHERE NOT EXISTS (SELECT FROM resource)"""
    )
