"""Search parameters that clients define, and runs over some types only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "custom_parameter",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("definition", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("searchable", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="search parameters that clients have defined, one row for each resource type",
    )
    op.create_index("custom_parameter_resource", "custom_parameter", ["resource"])
    op.create_table(
        "parameter_generation",
        sa.Column("one", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("one"),
        comment="one row, once there was a change: how often the search parameters have changed",
    )
    op.add_column("reindexing", sa.Column("types", sa.ARRAY(sa.SmallInteger()), nullable=True))
    op.add_column("reindexing", sa.Column("generation", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("reindexing", sa.Column("settled", sa.DateTime(timezone=True), nullable=True))
    op.add_column("reindexing", sa.Column("barrier", sa.BigInteger(), nullable=True))
