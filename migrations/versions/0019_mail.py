"""Mails that wait to be sent, and what their readers may do once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    now = sa.text("now()")
    op.create_table(
        "mail",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text()),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("given_up", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("seq"),
        comment="mails that are not sent yet; see kernel/mail/queue.py",
    )
    op.create_index("mail_due", "mail", ["due"], postgresql_where=sa.text("given_up IS NULL"))
    text = sa.Text(collation="C")
    op.create_table(
        "ticket",
        sa.Column("id", text, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary()),
        sa.Column("username", text),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
        comment="what the holder of a mailed secret may do once",
    )
    op.create_index("ticket_username", "ticket", ["username"])
    op.create_index("ticket_expires", "ticket", ["expires"])
