"""What the integrity check has looked at, and what it found damaged."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Table, Text, func

from dicomweb.index.tables import C
from healix_fhir.kernel.database import metadata

integrity_check = Table(
    "integrity_check",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("begun", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("finished", DateTime(timezone=True)),
    Column("after", BigInteger, nullable=False, server_default="0"),  # the key of the last instance looked at
    Column("checked", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("damaged", BigInteger, nullable=False, server_default="0"),
    Column("repaired", BigInteger, nullable=False, server_default="0"),
    comment="runs over all blobs; see dicomweb/study/integrity.py",
)

damaged_instance = Table(
    "damaged_instance",
    metadata,
    Column("instance_uid", C, primary_key=True),
    Column("blob", C, nullable=False),
    Column("damage", Text, nullable=False),  # missing, corrupt
    Column("found", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="instances whose blob is missing or not what was stored",
)
