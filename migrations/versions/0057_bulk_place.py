"""Where a bulk import goes on after a kill."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("bulk_job", sa.Column("place", sa.LargeBinary()))
