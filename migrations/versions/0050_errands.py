"""What is to be done at other systems, and what peers asked this server to take responsibility for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "errand",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", C, nullable=False),
        sa.Column("receiver", C, nullable=False),
        sa.Column("about", C, nullable=False),
        sa.Column("rule", C, server_default="", nullable=False),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False),
        sa.Column("after", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("away", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("asked", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True)),
        sa.Column("given_up", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("seq"),
        comment="what is to be done at other systems, and what was; see dicomweb/errand/queue.py",
    )
    op.create_index("errand_what", "errand", ["kind", "receiver", "about", "rule"], unique=True)
    op.create_index("errand_due", "errand", ["receiver", "due"], postgresql_where=sa.text("ended IS NULL"))
    op.create_table(
        "commitment",
        sa.Column("pk", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("transaction_uid", C, nullable=False),
        sa.Column("aet", C, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("list", sa.LargeBinary(), nullable=False),
        sa.Column("is_duplicate", sa.Boolean(), nullable=False),
        sa.Column("received", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        comment="requests for storage commitment; see dicomweb/commitment/asked.py",
    )
    op.create_index("commitment_transaction", "commitment", ["transaction_uid"])
    op.create_index("commitment_received", "commitment", ["received"])
