"""Deleted instances that are kept for a while, and studies under legal hold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "deleted_instance",
        sa.Column("pk", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("study_uid", C, nullable=False),
        sa.Column("series_uid", C, nullable=False),
        sa.Column("instance_uid", C, nullable=False),
        sa.Column("pat", sa.BigInteger()),
        sa.Column("imaging_study", sa.BigInteger()),
        sa.Column("labelled", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("account", sa.Text()),
        sa.Column("code", C),
        sa.Column("blob", C, nullable=False),
        sa.Column("study", JSON(), nullable=False),
        sa.Column("series", JSON(), nullable=False),
        sa.Column("instance", JSON(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("blob"),
        comment="instances that are deleted and not yet removed; see dicomweb/study/delete.py",
    )
    op.create_index("deleted_instance_study", "deleted_instance", ["study_uid"])
    op.create_index("deleted_instance_uid", "deleted_instance", ["instance_uid"])
    op.create_index("deleted_instance_deleted", "deleted_instance", ["deleted"])
    op.create_table(
        "study_hold",
        sa.Column("study_uid", C, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("account", sa.Text()),
        sa.Column("placed", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("study_uid"),
        comment="studies under legal hold; see dicomweb/study/hold.py",
    )
