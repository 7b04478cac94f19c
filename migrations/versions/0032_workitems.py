"""The worklist."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "workitem",
        sa.Column("pk", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("uid", C, nullable=False),
        sa.Column("pat", sa.BigInteger(), nullable=True),
        sa.Column("patient_id", C, nullable=False),
        sa.Column("issuer", C, nullable=False),
        sa.Column("state", C, nullable=False),
        sa.Column("transaction_uid", C, nullable=True),
        sa.Column("scheduled", C, nullable=False),
        sa.Column("dataset", sa.LargeBinary(), nullable=True),
        sa.Column("updated", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("uid"),
        comment="one row for each Unified Procedure Step",
    )
    op.create_index("workitem_scheduled", "workitem", ["scheduled", "pk"])
    op.create_index("workitem_pat", "workitem", ["pat", "scheduled", "pk"])
    op.create_index("workitem_patient_id", "workitem", ["patient_id"])
    op.create_index(
        "workitem_final", "workitem", ["updated"], postgresql_where=sa.text("state IN ('COMPLETED', 'CANCELED')")
    )
    op.create_table(
        "workitem_key",
        sa.Column("workitem", sa.BigInteger(), nullable=False),
        sa.Column("path", C, nullable=False),
        sa.Column("item", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("value", C, nullable=False),
        sa.ForeignKeyConstraint(["workitem"], ["workitem.pk"], ondelete="CASCADE"),
        comment="the values that workitems are found by",
    )
    op.create_index("workitem_key_workitem", "workitem_key", ["workitem"])
    op.create_index("workitem_key_value", "workitem_key", ["path", "value"])
