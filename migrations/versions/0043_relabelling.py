"""Changes of labels of stored objects, and the objects that they wrote anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "relabelling",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("study_uid", C, nullable=False),
        sa.Column("series_uids", sa.ARRAY(C), server_default="{}", nullable=False),
        sa.Column("target_uid", C, nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("account", sa.Text()),
        sa.Column("asked", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("state", C, server_default="asked", nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True)),
        sa.Column("message", sa.Text()),
        sa.Column("assigned", C),
        sa.PrimaryKeyConstraint("id"),
        comment="changes of labels; see dicomweb/study/relabel",
    )
    op.create_index("relabelling_study", "relabelling", ["study_uid"])
    op.create_table(
        "relabelled_instance",
        sa.Column("relabelling", sa.BigInteger(), nullable=False),
        sa.Column("instance_uid", C, nullable=False),
        sa.Column("before", C, nullable=False),
        sa.Column("after", C, nullable=False),
        sa.ForeignKeyConstraint(["relabelling"], ["relabelling.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("relabelling", "instance_uid"),
        comment="the objects that a change of labels wrote anew",
    )
