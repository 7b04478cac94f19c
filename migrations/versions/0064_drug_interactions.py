"""Interactions between substances, as an administrator loads them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")
PAIR = ("a_system", "a_code", "b_system", "b_code")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "drug_interaction",
        sa.Column("pk", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        *(sa.Column(name, C, nullable=False) for name in PAIR),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("severity", C, nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("management", sa.Text(), nullable=False),
        sa.Column("loaded", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        comment="interactions between substances; kept by healix_fhir/operation/prescription/interactions.py",
    )
    op.create_index("drug_interaction_pair", "drug_interaction", list(PAIR))
    op.create_index("drug_interaction_source", "drug_interaction", ["source"])
