"""Which Patients were merged, and what that changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply; merges of before, by links alone, are not among them."""
    op.create_table(
        "patient_merge",
        sa.Column("pk", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source", C, nullable=False),
        sa.Column("target", C, nullable=False),
        sa.Column("merged", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("undone", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("pk"),
        comment="Patients merged into others; see healix_fhir/operation/merging",
    )
    op.create_index(
        "patient_merge_open",
        "patient_merge",
        ["source", "target"],
        unique=True,
        postgresql_where=sa.text("undone IS NULL"),
    )
    op.create_table(
        "patient_merge_change",
        sa.Column("merge", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("id", C, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("merge", "type", "id"),
        comment="the resources that a merge of Patients changed",
    )
