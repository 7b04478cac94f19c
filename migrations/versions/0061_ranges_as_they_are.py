"""What is below a concept is kept as it is: to compress it saves little, and it is unpacked for every question."""

from __future__ import annotations

from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; to what is written from now on."""
    op.execute("ALTER TABLE concept ALTER COLUMN below SET STORAGE EXTERNAL")
