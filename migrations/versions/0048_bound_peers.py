"""Bind DIMSE peers to networks and to TLS, and limit their associations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "dimse_peer", sa.Column("networks", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("dimse_peer", sa.Column("tls", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("dimse_peer", sa.Column("associations", sa.Integer(), nullable=True))
