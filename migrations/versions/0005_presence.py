"""Which search parameters a resource has a value of. Resources written before are marked by `healix reindex`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("resource", sa.Column("present", sa.LargeBinary(), nullable=False, server_default=sa.text("''")))
