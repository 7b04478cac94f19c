"""Since when a resource defines the topic of its url: of several the first is used, which no later one replaces."""

from __future__ import annotations

from alembic import op

revision = "0079"
down_revision = "0077"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Those that are there are as old as each other, so that of these the least id is used, as before."""
    op.execute("""
        ALTER TABLE subscription_topic ADD COLUMN since timestamptz NOT NULL DEFAULT now();
        ALTER TABLE subscription_topic ALTER COLUMN since DROP DEFAULT;
    """)
