"""What peers were asked to commit themselves to, and what they said."""

from __future__ import annotations

from alembic import op

revision = "0087"
down_revision = "0086"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("""
        CREATE TABLE commitment_sought (
            transaction_uid text COLLATE "C" PRIMARY KEY,
            aet text COLLATE "C" NOT NULL,
            about text COLLATE "C" NOT NULL,
            list bytea NOT NULL,
            sought timestamptz NOT NULL DEFAULT now(),
            asked timestamptz,
            reported timestamptz,
            failed jsonb);
        COMMENT ON TABLE commitment_sought IS
            'requests for storage commitment to peers; see dicomweb/commitment/sought.py';
        CREATE INDEX commitment_sought_sought ON commitment_sought (sought);
    """)
