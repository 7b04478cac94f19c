"""Workitems that were written before private attributes were searched are indexed anew by a job."""

from __future__ import annotations

from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; the job worker does it while the server runs (dicomweb/workitem/indexing.py)."""
    op.execute("""
        SELECT procrastinate_defer_jobs_v1(ARRAY[
            ROW('default', 'workitems.index', 0, 'workitems.index', NULL, '{}'::jsonb, NULL
                )::procrastinate_job_to_defer_v1])
        WHERE EXISTS (SELECT FROM workitem WHERE dataset IS NOT NULL)""")
