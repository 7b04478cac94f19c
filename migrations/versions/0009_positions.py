"""Positions, for `near`. Locations written before are indexed by `healix reindex`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "index_position",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=True),
        sa.Column("pk", sa.BigInteger(), nullable=False),
    )
    op.create_index("index_position_latitude", "index_position", ["param", "latitude", "longitude"])
    op.create_index("index_position_pk", "index_position", ["pk"])
