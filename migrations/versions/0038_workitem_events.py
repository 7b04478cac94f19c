"""Who subscribes to workitems, and what they are told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "workitem_subscriber",
        sa.Column("aet", C, nullable=False),
        sa.Column("client", sa.Text(), nullable=True),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("locking", sa.Boolean(), nullable=True),
        sa.Column("filter", sa.LargeBinary(), nullable=True),
        sa.Column("seen", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("aet"),
        comment="the AE titles that have subscribed to the worklist or to items of it",
    )
    op.create_table(
        "workitem_subscription",
        sa.Column("workitem", sa.BigInteger(), nullable=False),
        sa.Column("aet", C, nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["workitem"], ["workitem.pk"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["aet"], ["workitem_subscriber.aet"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("workitem", "aet"),
        comment="who hears of which item",
    )
    op.create_index("workitem_subscription_aet", "workitem_subscription", ["aet"])
    op.create_table(
        "workitem_event",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("workitem", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("receivers", postgresql.ARRAY(C), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["workitem"], ["workitem.pk"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq"),
        comment="what subscribers are told; in the order of their numbers, see dicomweb/workitem/announce.py",
    )
    op.create_index("workitem_event_made", "workitem_event", ["made"])
    op.create_index("workitem_event_workitem", "workitem_event", ["workitem"])
