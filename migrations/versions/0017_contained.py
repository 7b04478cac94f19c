"""Contained resources. Those there are wait for the run that the job worker begins when it starts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "index_contained",
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("container", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("pat", sa.BigInteger()),
        sa.Column("d", sa.DateTime(timezone=True)),
        sa.Column("d_hi", sa.DateTime(timezone=True)),
        sa.Column("present", sa.LargeBinary(), nullable=False),
        sa.Column("toks", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        comment="the resources that current versions contain, for searches with _contained",
    )
    op.create_index("index_contained_container", "index_contained", ["container"])
    op.create_index("index_contained_type", "index_contained", ["type", "pk"])
    op.create_index("index_contained_toks", "index_contained", ["toks"], postgresql_using="gin")
    op.execute(
        """INSERT INTO reindexing (state, version, ceiling, total, ended)
           SELECT 'finished', 3, 0, 0, now() WHERE NOT EXISTS (SELECT FROM resource)"""
    )
