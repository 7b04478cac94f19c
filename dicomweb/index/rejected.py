"""Instances that a rejection note has taken out of use for good: they are not stored again."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Table, func

from dicomweb.index.tables import C
from healix_fhir.kernel.database import metadata

rejected_instance = Table(
    "rejected_instance",
    metadata,
    Column("instance_uid", C, primary_key=True),
    Column("code", C, nullable=False),  # of CID 7011
    Column("note", C, nullable=False),  # SOPInstanceUID of the note; empty: an administrator did it
    Column("rejected", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="instances that are not stored again; see dicomweb/study/reject.py",
)
