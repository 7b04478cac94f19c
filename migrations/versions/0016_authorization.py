"""Authorization requests that wait for a person, launches, and remembered consent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    text = sa.Text(collation="C")
    now = sa.text("now()")
    op.create_table(
        "authorization_request",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("asked", sa.LargeBinary(), nullable=False),
        sa.Column("username", text),
        sa.Column("launched", sa.LargeBinary()),
        sa.Column("patient", sa.Text()),
        sa.Column("created", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        comment="authorization requests that wait for a person",
    )
    op.create_index("authorization_request_created", "authorization_request", ["created"])
    op.create_table(
        "launch",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("username", text, nullable=False),
        sa.Column("launched", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        comment="launches of apps that are not used yet",
    )
    op.create_index("launch_expires", "launch", ["expires"])
    op.create_table(
        "consent",
        sa.Column("username", text, nullable=False),
        sa.Column("client", text, nullable=False),
        sa.Column("offered", sa.LargeBinary(), nullable=False),
        sa.Column("granted", sa.Text(), nullable=False),
        sa.Column("given", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("username", "client", "offered"),
        comment="what people have granted to apps",
    )
