"""What peers have asked this server to take responsibility for, and what it has asked of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Index, Integer, LargeBinary, Table, func
from sqlalchemy.dialects.postgresql import JSONB

from dicomweb.index.tables import C
from healix_fhir.kernel.database import metadata

commitment = Table(
    "commitment",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("transaction_uid", C, nullable=False),
    Column(
        "aet", C, nullable=False
    ),  # who asked, and is told: a peer, or over HTTP as dicomweb/commitment/at_once.py has it
    Column("digest", LargeBinary, nullable=False),  # xxh3-128 of the references
    Column("count", Integer, nullable=False),
    Column("list", LargeBinary, nullable=False),  # zstd: the references, see dicomweb/commitment/references.py
    Column("is_duplicate", Boolean, nullable=False),  # the UID was in use for other references
    Column("received", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="requests for storage commitment; see dicomweb/commitment/asked.py",
)
Index("commitment_transaction", commitment.c.transaction_uid)
Index("commitment_received", commitment.c.received)
Index("commitment_aet", commitment.c.aet)

commitment_sought = Table(
    "commitment_sought",
    metadata,
    Column("transaction_uid", C, primary_key=True),
    Column("aet", C, nullable=False),  # the peer that is asked
    Column("about", C, nullable=False),  # what was pushed there, in the words of the push
    Column("list", LargeBinary, nullable=False),  # zstd: the references, see dicomweb/commitment/references.py
    Column("sought", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("asked", DateTime(timezone=True)),  # when the peer took the request
    Column("reported", DateTime(timezone=True)),  # when it said what became of it
    Column("failed", JSONB),  # why, by the UID of an instance that is not committed; null for no reason
    comment="requests for storage commitment to peers; see dicomweb/commitment/sought.py",
)
Index("commitment_sought_sought", commitment_sought.c.sought)
