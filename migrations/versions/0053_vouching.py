"""Which apps registered themselves, and the care relationships of before looked at again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; the trail of audit tells which apps registered themselves.

    A resource once stated relationships for patients in whose compartments it is not. Such rows are what the job worker
    takes out when it looks at their sources again; a source of many patients is looked at once.
    """
    op.add_column("client", sa.Column("vouched", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.execute(
        """UPDATE client SET vouched = false WHERE id IN (
             SELECT a.client FROM audit_event a
             WHERE a.subtype = 'client' AND a.action = 'C' AND a.account IS NULL
               AND a.entity = 'client/' || a.client)"""
    )
    op.execute(
        """INSERT INTO outbox (topic, payload)
           SELECT 'membership', convert_to(json_build_object('type', split_part(source, '/', 1),
                                                             'id', split_part(source, '/', 2))::text, 'UTF8')
           FROM (SELECT DISTINCT source FROM care_relationship) s"""
    )
