"""The numbers of inactive and of abstract concepts with their code system: no concept is read to leave them out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import INT4MULTIRANGE

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; told of the code systems that there are."""
    none = sa.text("'{}'")
    for mark in ("inactive", "abstract"):
        op.add_column("code_system", sa.Column(mark, INT4MULTIRANGE(), server_default=none, nullable=False))
        op.execute(
            f"""UPDATE code_system s SET {mark} = m.numbers
                FROM (SELECT system, range_agg(int4range(n, n + 1)) AS numbers FROM concept WHERE {mark}
                      GROUP BY system) m
                WHERE m.system = s.id"""
        )
