"""Numbers and quantities in the search index. Resources written before are indexed by `healix reindex`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "index_quantity",
        sa.Column("h", sa.BigInteger(), nullable=False),
        sa.Column("sys", sa.BigInteger(), nullable=True),
        sa.Column("lo", sa.Numeric(), nullable=False),
        sa.Column("hi", sa.Numeric(), nullable=True),
        sa.Column("unit", sa.BigInteger(), nullable=True),
        sa.Column("base_lo", sa.Numeric(), nullable=True),
        sa.Column("base_hi", sa.Numeric(), nullable=True),
        sa.Column("code", sa.BigInteger(), nullable=True),
        sa.Column("label", sa.BigInteger(), nullable=True),
        sa.Column("pat", sa.BigInteger(), nullable=True),
        sa.Column("pk", sa.BigInteger(), nullable=False),
        comment="numbers and quantities, as they are written and in base units",
    )
    op.create_index("index_quantity_lo", "index_quantity", ["h", "lo", "pk"])
    op.create_index(
        "index_quantity_hi", "index_quantity", ["h", "hi", "pk"], postgresql_where=sa.text("hi IS NOT NULL")
    )
    op.create_index(
        "index_quantity_base_lo",
        "index_quantity",
        ["h", "unit", "base_lo", "pk"],
        postgresql_where=sa.text("unit IS NOT NULL"),
    )
    op.create_index(
        "index_quantity_base_hi",
        "index_quantity",
        ["h", "unit", "base_hi", "pk"],
        postgresql_where=sa.text("base_hi IS NOT NULL"),
    )
    op.create_index("index_quantity_pk", "index_quantity", ["pk"])
