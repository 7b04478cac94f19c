"""The codes that stand anywhere, by themselves, so that those of a value set can be looked up.

Resources that are stored already are indexed anew when the server starts (see search/reindex.VERSION).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply; until the index is written anew, :in and its like find what is written from now on."""
    op.create_table(
        "index_code",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("system", C, nullable=False),
        sa.Column("code", C, nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("h", sa.BigInteger()),
        sa.Column("sys", sa.BigInteger()),
        sa.PrimaryKeyConstraint("param", "system", "code"),
        comment="every code of a system that stands somewhere, once for each parameter; of no resource in particular",
    )
    op.execute(
        """INSERT INTO reindexing (state, version, ceiling, total, ended)
           SELECT 'finished', 5, 0, 0, now() WHERE NOT EXISTS (SELECT FROM resource)"""
    )
