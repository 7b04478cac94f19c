"""Studies that may not go, whatever anybody asks."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Table, Text, func

from dicomweb.index.tables import C
from healix_fhir.kernel.database import metadata

study_hold = Table(
    "study_hold",
    metadata,
    Column("study_uid", C, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("account", Text),  # who placed it
    Column("placed", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="studies under legal hold; see dicomweb/study/hold.py",
)
