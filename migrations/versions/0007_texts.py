"""Texts beside codes, for `:text`. Resources written before are indexed by `healix reindex`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "index_text",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("folded", sa.Text(collation="C"), nullable=False),
        sa.Column("h", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("param", "folded"),
        comment="every text that stands beside a code somewhere, once for each parameter; of no resource in particular",
    )
