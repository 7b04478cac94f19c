"""Instances that were deleted and are kept for a while, apart from the others, so that no search has to leave them out.

Each row holds what it takes to put the instance back: its own row and those of its series and study.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Index, Table, Text, func
from sqlalchemy.dialects.postgresql import JSON

from dicomweb.index.tables import C
from healix_fhir.kernel.database import metadata

deleted_instance = Table(
    "deleted_instance",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("study_uid", C, nullable=False),
    Column("series_uid", C, nullable=False),
    Column("instance_uid", C, nullable=False),
    Column("pat", BigInteger),  # as that of the study
    Column("imaging_study", BigInteger),  # as that of the study
    Column("labelled", Boolean, nullable=False),  # whether a security label restricted the study
    Column("deleted", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("account", Text),  # who did it: a username
    Column("code", C),  # why, of CID 7011, or `replaced`; null: somebody asked for it
    Column("blob", C, nullable=False, unique=True),
    Column("study", JSON, nullable=False),
    Column("series", JSON, nullable=False),
    Column("instance", JSON, nullable=False),
    comment="instances that are deleted and not yet removed; see dicomweb/study/delete.py",
)
Index("deleted_instance_study", deleted_instance.c.study_uid)
Index("deleted_instance_uid", deleted_instance.c.instance_uid)
Index("deleted_instance_deleted", deleted_instance.c.deleted)
