"""The tables of subscriptions: what is active, and what is still to be delivered."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    func,
)

from healix_fhir.kernel.database import metadata

subscription_active = Table(
    "subscription_active",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),  # logical id of the Subscription
    Column("version", Integer, nullable=False),  # the version that the server made when it activated it
    Column("type", Text, nullable=False),  # resource type of the criteria
    Column("query", Text, nullable=False),  # search parameters of the criteria
    Column("endpoint", Text, nullable=False),
    Column("headers", LargeBinary, nullable=False),  # JSON pairs
    Column("full", SmallInteger, nullable=False),  # 1: the resource is sent, 0: an empty notice
    Column("ends", DateTime(timezone=True)),
    Column("owner", LargeBinary, nullable=False),  # JSON: the access of who wrote it, see smart_auth/access.py
    Column("account", Text),  # username of the owner
    comment="active Subscriptions; kept by healix_fhir/subscription/activate.py",
)
Index("subscription_active_type", subscription_active.c.type)

delivery = Table(
    "delivery",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("subscription", Text(collation="C"), nullable=False),
    Column("type", Text(collation="C"), nullable=False),
    Column("id", Text(collation="C"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("due", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="notifications not yet delivered",
)
Index("delivery_due", delivery.c.due, delivery.c.seq)
Index("delivery_what", delivery.c.subscription, delivery.c.type, delivery.c.id, delivery.c.version, unique=True)
