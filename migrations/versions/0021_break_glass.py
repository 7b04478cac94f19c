"""Records that clinicians open in an emergency."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    text = sa.Text(collation="C")
    no = sa.text("false")
    op.add_column("care_relationship", sa.Column("emergency", sa.Boolean(), server_default=no, nullable=False))
    op.add_column("care_relationship", sa.Column("lifts", sa.Boolean(), server_default=no, nullable=False))
    op.create_table(
        "break_glass",
        sa.Column("id", text, nullable=False),
        sa.Column("practitioner", text, nullable=False),
        sa.Column("patient", text, nullable=False),
        sa.Column("username", text),
        sa.Column("client", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="records that clinicians opened in an emergency; see smart_auth/break_glass.py",
    )
    op.create_index("break_glass_patient", "break_glass", ["patient", "opened"])
    op.create_index("break_glass_practitioner", "break_glass", ["practitioner", "ends"])
    op.create_index("break_glass_opened", "break_glass", ["opened"])
