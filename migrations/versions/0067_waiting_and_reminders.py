"""Offers to who waits, reminders that were sent, and links by which calendar programs read appointments."""

from __future__ import annotations

from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("""
        CREATE TABLE waiting_offer (
            appointment text COLLATE "C" NOT NULL,
            slot text COLLATE "C" NOT NULL,
            offered timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (appointment, slot)
        );
        COMMENT ON TABLE waiting_offer IS 'slots that were offered to who waits; see care/calendar/waiting.py';
        CREATE TABLE reminder (
            appointment text COLLATE "C" NOT NULL,
            start timestamptz NOT NULL,
            PRIMARY KEY (appointment, start)
        );
        COMMENT ON TABLE reminder IS 'appointments that people were reminded of; see care/calendar/reminding.py';
        CREATE TABLE calendar_link (
            username text COLLATE "C" NOT NULL PRIMARY KEY,
            secret bytea NOT NULL UNIQUE,
            created timestamptz NOT NULL DEFAULT now()
        );
        COMMENT ON TABLE calendar_link IS 'links by which calendar programs read appointments; see care/calendar'
    """)
