"""What this server has to do at other systems."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)

from dicomweb.index.tables import C
from healix_fhir.kernel.database import metadata

errand = Table(
    "errand",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", C, nullable=False),
    Column("receiver", C, nullable=False),  # AE title of a peer, or the origin of a URL
    Column("about", C, nullable=False),  # what it is about, in the words of its kind
    Column("rule", C, nullable=False, server_default=""),  # the rule that asked for it, where one did
    Column("times", Integer, nullable=False, server_default="1"),  # how often it was asked for
    Column("after", BigInteger, nullable=False, server_default="0"),  # how far it is, in the words of its kind
    Column("attempts", SmallInteger, nullable=False, server_default="0"),  # in vain, since it was last asked for
    Column("asked", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("due", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended", DateTime(timezone=True)),
    Column("given_up", Boolean, nullable=False, server_default="false"),
    Column("reason", Text),  # why it failed when it was last tried
    comment="what is to be done at other systems, and what was; see dicomweb/errand/queue.py",
)
Index("errand_what", errand.c.kind, errand.c.receiver, errand.c.about, errand.c.rule, unique=True)
OPEN = text("ended IS NULL")
Index("errand_due", errand.c.receiver, errand.c.due, postgresql_where=OPEN)
Index("errand_next", errand.c.receiver, errand.c.kind, errand.c.due, errand.c.seq, postgresql_where=OPEN)
Index("errand_asked", errand.c.receiver, errand.c.asked, postgresql_where=OPEN)
Index("errand_given_up", errand.c.seq, postgresql_where=errand.c.given_up)

errand_away = Table(
    "errand_away",
    metadata,
    Column("receiver", C, primary_key=True),
    Column("failures", SmallInteger, nullable=False),  # one after the other
    Column("until", DateTime(timezone=True), nullable=False),  # when it is called again
    comment="receivers of errands that could not be reached",
)
