"""The history of a type and of the whole server: earlier versions in the order in which they were made.

Each earlier version tells when the next one took its place, and the surrogate key of its resource.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("resource_history", sa.Column("until", sa.DateTime(timezone=True)))
    op.add_column("resource_history", sa.Column("pk", sa.BigInteger()))
    op.execute(
        """WITH following AS (
             SELECT h.type, h.id, h.version, r.pk,
                    coalesce(lead(h.updated) OVER (PARTITION BY h.type, h.id ORDER BY h.version), r.updated) AS until
             FROM resource_history h JOIN resource r ON r.type = h.type AND r.id = h.id)
           UPDATE resource_history h SET until = f.until, pk = f.pk
           FROM following f WHERE f.type = h.type AND f.id = h.id AND f.version = h.version"""
    )
    op.alter_column("resource_history", "until", nullable=False)
    op.alter_column("resource_history", "pk", nullable=False)
    op.create_index("resource_history_type_updated", "resource_history", ["type", "updated", "pk"])
