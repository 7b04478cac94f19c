"""Indexes over what is counted of tables that grow: what one owner has asked for, and the few that were given up."""

from __future__ import annotations

from alembic import op

revision = "0084"
down_revision = "0083"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. That of jobs is on a table of Procrastinate, which keeps none over what has ended."""
    op.execute("""
        CREATE INDEX commitment_aet ON commitment (aet);
        CREATE INDEX outbox_given_up ON outbox (seq) WHERE attempts >= 8;
        CREATE INDEX mail_given_up ON mail (seq) WHERE given_up IS NOT NULL;
        CREATE INDEX errand_given_up ON errand (seq) WHERE given_up;
        CREATE INDEX healix_jobs_failed ON procrastinate_jobs (id) WHERE status = 'failed';
    """)
