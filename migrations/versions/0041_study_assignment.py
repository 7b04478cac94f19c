"""Studies given to a patient by hand, and those whose patient was made for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply; whose patient was made is seen when something happens to a study or its patient."""
    op.create_table(
        "study_assignment",
        sa.Column("study_uid", C, nullable=False),
        sa.Column("patient", C, nullable=False),
        sa.Column("account", sa.Text()),
        sa.Column("assigned", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("study_uid"),
        comment="studies given to a patient by hand; see healix_fhir/imaging/reconcile.py",
    )
    op.add_column("study", sa.Column("patient_made", sa.Boolean(), server_default="false", nullable=False))
    op.create_index("study_unmatched", "study", ["pk"], postgresql_where=sa.text("patient_made"))
    op.execute(
        "INSERT INTO outbox (topic, payload)"
        " SELECT 'study', convert_to(json_build_object('study', study_uid)::text, 'UTF8') FROM study"
    )
