"""Subscriptions by keys, their numbered events, topics and sockets; those in service are taken into service anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None

C = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
ANEW = """INSERT INTO outbox (topic, payload)
  SELECT 'resource', convert_to(json_build_object('type', 'Subscription', 'id', id, 'version', version, 'method', 'PUT',
    'by', convert_from(owner, 'UTF8')::json)::text, 'UTF8') FROM subscription_active"""
AGAIN = """INSERT INTO outbox (topic, payload)
  SELECT 'resource', convert_to(json_build_object('type', type, 'id', id, 'version', max(version),
    'method', 'PUT')::text, 'UTF8') FROM delivery GROUP BY type, id"""
"""What still was to be delivered is looked at once more; it may be told twice, and is not lost."""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "subscription",
        sa.Column("id", C, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("state", "channel", "content")),
        sa.Column("topic", sa.Text()),
        sa.Column("triggers", sa.LargeBinary(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.Column("timeout", sa.SmallInteger(), nullable=False),
        sa.Column("heartbeat", sa.Integer(), nullable=False),
        sa.Column("most", sa.SmallInteger(), nullable=False),
        sa.Column("ends", TIME),
        sa.Column("owner", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("account", "practitioner", "client")),
        sa.Column("registered", sa.Boolean(), nullable=False),
        sa.Column("token", sa.LargeBinary()),
        sa.Column("grant_id", sa.Text()),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("told", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        *(sa.Column(name, TIME) for name in ("due", "leased", "delivered", "failed")),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        comment="Subscriptions in service and turned off; see healix_fhir/subscription/activate.py",
    )
    for name in ("due", "ends"):
        op.create_index(f"subscription_{name}", "subscription", [name], postgresql_where=sa.text(f"{name} IS NOT NULL"))
    op.create_table(
        "subscription_key",
        sa.Column("type", C, nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("subscription", C, nullable=False),
        sa.Column("trigger", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("type", "key", "subscription", "trigger"),
        comment="by what a changed resource finds the subscriptions that may want it",
    )
    op.create_index("subscription_key_subscription", "subscription_key", ["subscription"])
    op.create_table(
        "subscription_event",
        sa.Column("subscription", C, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("type", C, nullable=False),
        sa.Column("id", C, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.Boolean(), nullable=False),
        sa.Column("at", TIME, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("subscription", "number"),
        comment="what subscribers are told, kept for a time to be asked for again",
    )
    what = ["subscription", "type", "id", "version"]
    op.create_index("subscription_event_what", "subscription_event", what, unique=True)
    op.create_index("subscription_event_at", "subscription_event", ["at"])
    op.create_table(
        "subscription_topic",
        sa.Column("id", C, nullable=False),
        sa.Column("url", C, nullable=False),
        sa.Column("topic", sa.LargeBinary()),
        sa.Column("refused", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        comment="topics that callers define; see healix_fhir/subscription/topic.py",
    )
    op.create_index("subscription_topic_url", "subscription_topic", ["url"])
    op.create_table(
        "subscription_binding",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("subscriptions", ARRAY(sa.Text()), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        comment="tokens by which web sockets bind themselves to subscriptions",
    )
    op.create_index("subscription_binding_expires", "subscription_binding", ["expires"])
    op.execute(ANEW)
    op.execute(AGAIN)
    op.drop_table("delivery")
    op.drop_table("subscription_active")
