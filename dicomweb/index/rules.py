"""How long studies are kept."""

from __future__ import annotations

from sqlalchemy import ARRAY, Column, Integer, Table, Text

from dicomweb.index.tables import C
from healix_fhir.kernel.database import metadata

retention_rule = Table(
    "retention_rule",
    metadata,
    Column("name", C, primary_key=True),
    Column("days", Integer, nullable=False),  # after the day of the study
    Column("modalities", ARRAY(C)),  # null: of any
    Column("institution", Text),  # null: of any
    Column("until_age", Integer),  # and at least until the patient is so many years old
    comment="how long studies are kept; see dicomweb/study/retention.py",
)
