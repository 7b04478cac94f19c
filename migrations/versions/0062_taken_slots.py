"""What of calendars is taken, once each, and which slots this server has marked as busy."""

from __future__ import annotations

from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Appointments that are there take nothing until they are written again."""
    op.execute("""
        CREATE TABLE taken (
            appointment text COLLATE "C" NOT NULL,
            span numrange NOT NULL,
            until timestamptz,
            CONSTRAINT taken_once EXCLUDE USING gist (span WITH &&)
        );
        COMMENT ON TABLE taken IS 'slots and times of calendars that Appointments take; see store/taken.py';
        CREATE INDEX taken_appointment ON taken (appointment);
        CREATE INDEX taken_until ON taken (until) WHERE until IS NOT NULL;
        CREATE TABLE slot_mark (
            slot text COLLATE "C" NOT NULL,
            appointment text COLLATE "C" NOT NULL,
            PRIMARY KEY (slot, appointment)
        );
        COMMENT ON TABLE slot_mark IS 'slots that this server has made busy; see care/calendar/marking.py';
        CREATE INDEX slot_mark_appointment ON slot_mark (appointment)
    """)
