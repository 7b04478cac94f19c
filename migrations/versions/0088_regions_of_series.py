"""The anatomic regions of series, by which their studies are found."""

from __future__ import annotations

from alembic import op

revision = "0088"
down_revision = "0087"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. What is there is read by a job, since it stands in the metadata of objects."""
    op.execute("""
        ALTER TABLE series
            ADD COLUMN region_code text COLLATE "C",
            ADD COLUMN region_scheme text COLLATE "C",
            ADD COLUMN region_meaning text COLLATE "C";
        CREATE INDEX series_region ON series (region_code, study_pk);
    """)
