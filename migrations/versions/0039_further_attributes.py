"""The values of DICOM attributes that are indexed by setting."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "further_attribute",
        sa.Column("code", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("name", C, nullable=False),
        sa.Column("vr", C, nullable=False),
        sa.Column("last_pk", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("whole", sa.Boolean(), server_default="false", nullable=False),
        sa.PrimaryKeyConstraint("code"),
        comment="the attributes that are indexed by setting",
    )
    for level in ("study", "series", "instance"):
        name = f"{level}_further"
        op.create_table(
            name,
            sa.Column("pk", sa.BigInteger(), nullable=False, autoincrement=False),
            sa.Column("code", sa.Integer(), nullable=False, autoincrement=False),
            sa.Column("item", C, nullable=False),
            sa.Column("place", sa.Integer(), nullable=False, autoincrement=False),
            sa.Column("value", C, nullable=False),
            sa.Column("number", sa.Double()),
            sa.PrimaryKeyConstraint("pk", "code", "item", "place"),
            sa.ForeignKeyConstraint(["pk"], [f"{level}.pk"], ondelete="CASCADE"),
            comment=f"values of further attributes of a {level}",
        )
        op.create_index(f"{name}_value", name, ["code", "value", "pk"])
        op.create_index(f"{name}_number", name, ["code", "number", "pk"])
