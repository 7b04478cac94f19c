"""Closure tables of clients."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "closure",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("owner", C, nullable=False),
        sa.Column("name", C, nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner", "name", name="closure_of_owner"),
        comment="closure tables of clients",
    )
    op.create_table(
        "closure_concept",
        sa.Column("closure", sa.BigInteger(), nullable=False),
        sa.Column("system", C, nullable=False),
        sa.Column("code", C, nullable=False),
        sa.Column("code_system", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("closure", "system", "code"),
        sa.ForeignKeyConstraint(["closure"], ["closure.id"], name="concept_of_closure", ondelete="CASCADE"),
        comment="the concepts of closure tables",
    )
    op.create_table(
        "closure_pair",
        sa.Column("closure", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("system", C, nullable=False),
        sa.Column("code", C, nullable=False),
        sa.Column("above", C, nullable=False),
        sa.ForeignKeyConstraint(["closure"], ["closure.id"], name="pair_of_closure", ondelete="CASCADE"),
        comment="which concepts of closure tables stand above which",
    )
    op.create_index("closure_pair_version", "closure_pair", ["closure", "version"])
