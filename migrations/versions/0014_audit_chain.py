"""The hash chain over the audit trail. What is in the trail already is sealed by the job worker."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_block",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("spans", postgresql.INT8MULTIRANGE(), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        comment="append-only hash chain over audit_event; see kernel/audit_chain.py",
    )
    op.execute("ALTER TABLE audit_block ALTER COLUMN digests SET STORAGE EXTERNAL")
    op.create_table(
        "audit_gap",
        sa.Column("span", postgresql.INT8RANGE(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("horizon", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("span"),
        comment="numbers below the highest sealed one whose rows may still become visible",
    )
    op.execute(
        """CREATE TRIGGER audit_block_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_block
           FOR EACH STATEMENT EXECUTE FUNCTION audit_event_append_only()"""
    )
