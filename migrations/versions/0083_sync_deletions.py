"""Deletions of images go to upstreams: how far that is for each study, and what one does not take."""

from __future__ import annotations

from alembic import op

revision = "0083"
down_revision = "0079"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. What was deleted before stays as it is there, as it was told."""
    op.execute("""
        ALTER TABLE sync_study ADD COLUMN gone bigint NOT NULL DEFAULT 0, ADD COLUMN kept text;
        UPDATE sync_study SET gone = coalesce((SELECT max(pk) FROM deleted_instance), 0) WHERE after > 0;
    """)
