"""Instances that a rejection note has taken out of use."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "rejected_instance",
        sa.Column("instance_uid", C, nullable=False),
        sa.Column("code", C, nullable=False),
        sa.Column("note", C, nullable=False),
        sa.Column("rejected", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("instance_uid"),
        comment="instances that are not stored again; see dicomweb/study/reject.py",
    )
