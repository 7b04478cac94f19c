"""Links by which a document is sent: what of them is kept."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, LargeBinary, SmallInteger, Table, Text, func

from healix_fhir.kernel.database import metadata

document_link = Table(
    "document_link",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, unique=True),  # of its secret; null until its mail is sent
    Column("document", Text, nullable=False),  # logical id of the DocumentReference
    Column("patient", Text, nullable=False),  # logical id
    Column("account", Text, nullable=False),  # who sent it
    Column("access", LargeBinary, nullable=False),  # AccessContext.captured of who sent it, as JSON
    Column("recipient", Text, nullable=False),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires", DateTime(timezone=True), nullable=False),
    Column("uses", SmallInteger, nullable=False),  # how often it still opens
    Column("tries", SmallInteger, nullable=False, server_default="0"),  # birth dates tried since it last opened
    Column("opened", DateTime(timezone=True)),
    Column("revoked", DateTime(timezone=True)),
    comment="links by which documents are sent; see care/reports/link.py",
)
Index("document_link_document", document_link.c.document)
