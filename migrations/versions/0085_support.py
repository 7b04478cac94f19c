"""Which versions of the server work on the schema; a queue for each job's task."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0085"
down_revision = "0084"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. A job is only taken by workers that know its queue."""
    support = op.create_table(
        "schema_support",
        sa.Column("oldest", sa.Text, primary_key=True),
        comment="the last migration of the oldest version that works on this schema; see server/migrate.py",
    )
    op.bulk_insert(support, [{"oldest": revision}])
    op.execute("UPDATE procrastinate_jobs SET queue_name = task_name WHERE status IN ('todo', 'doing', 'failed')")
