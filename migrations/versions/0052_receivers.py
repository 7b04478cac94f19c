"""Receivers of errands that could not be reached, apart from their errands, and what finds the next one of many."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply; who was away is called at once."""
    op.create_table(
        "errand_away",
        sa.Column("receiver", C, nullable=False),
        sa.Column("failures", sa.SmallInteger(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("receiver"),
        comment="receivers of errands that could not be reached",
    )
    op.drop_column("errand", "away")
    is_open = sa.text("ended IS NULL")
    op.create_index("errand_next", "errand", ["receiver", "kind", "due", "seq"], postgresql_where=is_open)
    op.create_index("errand_asked", "errand", ["receiver", "asked"], postgresql_where=is_open)
