"""The tables of subscriptions: what is in service, by what it is found, what happened, and who may bind a socket."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)

from healix_fhir.kernel.database import metadata

subscription = Table(
    "subscription",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),  # logical id of the Subscription
    Column("version", Integer, nullable=False),  # the version that the server made last
    Column("state", Text, nullable=False),  # asking (for a handshake), active or off
    Column("channel", Text, nullable=False),  # rest-hook, websocket or email
    Column("content", Text, nullable=False),  # subscription/guide.py: Content
    Column("topic", Text),  # canonical url; null: criteria as R4 has them
    Column("triggers", LargeBinary, nullable=False),  # JSON: when there is an event
    Column("endpoint", Text, nullable=False),  # empty for web sockets
    Column("headers", LargeBinary, nullable=False),  # JSON pairs
    Column("timeout", SmallInteger, nullable=False),  # seconds that a delivery may take
    Column("heartbeat", Integer, nullable=False),  # seconds between signs of life; 0: none
    Column("most", SmallInteger, nullable=False),  # events in one notification
    Column("ends", DateTime(timezone=True)),
    Column("owner", LargeBinary, nullable=False),  # JSON: the access of who wrote it, see smart_auth/access.py
    Column("account", Text),  # username of the owner
    Column("practitioner", Text),  # whom the owner's account is then
    Column("client", Text),
    Column("registered", Boolean, nullable=False),  # whether that is an app that is known
    Column("token", LargeBinary),  # hash of the access token that wrote it
    Column("grant_id", Text),  # of app_grant, which that token came of
    Column("events", BigInteger, nullable=False, server_default=text("0")),  # number of the last event
    Column("told", BigInteger, nullable=False, server_default=text("0")),  # of the last that was delivered
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),  # failures in a row
    Column("due", DateTime(timezone=True)),  # when there is something to deliver; null: nothing
    Column("leased", DateTime(timezone=True)),  # until when somebody delivers it
    Column("delivered", DateTime(timezone=True)),  # when something was taken last
    Column("failed", DateTime(timezone=True)),  # when a delivery failed last
    Column("reason", Text),  # why
    comment="Subscriptions in service and turned off; see healix_fhir/subscription/activate.py",
)
Index("subscription_due", subscription.c.due, postgresql_where=subscription.c.due.is_not(None))
Index("subscription_ends", subscription.c.ends, postgresql_where=subscription.c.ends.is_not(None))

subscription_key = Table(
    "subscription_key",
    metadata,
    Column("type", Text(collation="C"), primary_key=True),
    Column("key", BigInteger, primary_key=True),  # subscription/criteria.py
    Column("subscription", Text(collation="C"), primary_key=True),
    Column("trigger", SmallInteger, primary_key=True),  # its place among the triggers
    comment="by what a changed resource finds the subscriptions that may want it",
)
Index("subscription_key_subscription", subscription_key.c.subscription)

subscription_event = Table(
    "subscription_event",
    metadata,
    Column("subscription", Text(collation="C"), primary_key=True),
    Column("number", BigInteger, primary_key=True),  # counted for each subscription, from 1
    Column("type", Text(collation="C"), nullable=False),
    Column("id", Text(collation="C"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", Boolean, nullable=False),  # whether that version was the first
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="what subscribers are told, kept for a time to be asked for again",
)
Index(
    "subscription_event_what",
    *(subscription_event.c[name] for name in ("subscription", "type", "id", "version")),
    unique=True,
)
Index("subscription_event_at", subscription_event.c.at)

subscription_topic = Table(
    "subscription_topic",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),  # logical id of the Basic resource
    Column("url", Text(collation="C"), nullable=False),
    Column("topic", LargeBinary),  # JSON; null where it cannot be used
    Column("refused", Text),  # why
    Column("since", DateTime(timezone=True), nullable=False),  # when it came to have this url
    comment="topics that callers define; see healix_fhir/subscription/topic.py",
)
Index("subscription_topic_url", subscription_topic.c.url)

subscription_binding = Table(
    "subscription_binding",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of the token, which is nowhere
    Column("subscriptions", ARRAY(Text), nullable=False),
    Column("token", LargeBinary, nullable=False),  # hash of the access token that asked for it
    Column("expires", DateTime(timezone=True), nullable=False),
    comment="tokens by which web sockets bind themselves to subscriptions",
)
Index("subscription_binding_expires", subscription_binding.c.expires)
