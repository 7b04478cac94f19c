"""What the integrity check has looked at, and what it found damaged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "integrity_check",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("begun", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True)),
        *(
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            for name in ("after", "checked", "bytes", "damaged", "repaired")
        ),
        sa.PrimaryKeyConstraint("id"),
        comment="runs over all blobs; see dicomweb/study/integrity.py",
    )
    op.create_table(
        "damaged_instance",
        sa.Column("instance_uid", C, nullable=False),
        sa.Column("blob", C, nullable=False),
        sa.Column("damage", sa.Text(), nullable=False),
        sa.Column("found", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("instance_uid"),
        comment="instances whose blob is missing or not what was stored",
    )
