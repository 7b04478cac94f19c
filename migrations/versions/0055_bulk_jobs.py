"""Bulk exports and imports, and their files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")
NOTHING = sa.text("0")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "bulk_job",
        sa.Column("id", C, primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("account", sa.Text()),
        sa.Column("token", sa.LargeBinary()),
        sa.Column("access", sa.LargeBinary(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("asked", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False, server_default=NOTHING),
        sa.Column("done", sa.BigInteger(), nullable=False, server_default=NOTHING),
        sa.Column("note", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("failure", sa.LargeBinary()),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("moment", sa.DateTime(timezone=True)),
        sa.Column("ended", sa.DateTime(timezone=True)),
        sa.Column("expires", sa.DateTime(timezone=True)),
        sa.Column("next_poll", sa.DateTime(timezone=True)),
        comment="bulk exports and imports; see bulk/job.py",
    )
    op.create_index("bulk_job_client", "bulk_job", ["client", "state"])
    op.create_index("bulk_job_expires", "bulk_job", ["expires"])
    op.create_table(
        "bulk_file",
        sa.Column("job", C, primary_key=True),
        sa.Column("name", C, primary_key=True),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("list", sa.Text(), nullable=False),
        sa.Column("type", sa.Text()),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        comment="the files of bulk jobs that have ended",
    )
