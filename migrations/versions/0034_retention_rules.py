"""How long studies are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "retention_rule",
        sa.Column("name", C, nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("modalities", sa.ARRAY(C)),
        sa.Column("institution", sa.Text()),
        sa.Column("until_age", sa.Integer()),
        sa.PrimaryKeyConstraint("name"),
        comment="how long studies are kept; see dicomweb/study/retention.py",
    )
