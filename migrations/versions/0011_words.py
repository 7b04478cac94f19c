"""Words for full text. The resources there are wait for the run that the job worker begins when it starts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "index_words",
        sa.Column("pk", sa.BigInteger(), nullable=False),
        sa.Column("narrative", TSVECTOR()),
        sa.Column("content", TSVECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        comment="the words of each resource for full text, with a mark of its type",
    )
    op.create_index("index_words_narrative", "index_words", ["narrative"], postgresql_using="gin")
    op.create_index("index_words_content", "index_words", ["content"], postgresql_using="gin")
    op.execute(
        """INSERT INTO reindexing (state, version, ceiling, total, ended)
           SELECT 'finished', 2, 0, 0, now() WHERE NOT EXISTS (SELECT FROM resource)"""
    )
