"""The tables of identity and access."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text

from healix_fhir.kernel.database import metadata

patient_key = Table(
    "patient_key",
    metadata,
    Column("pat", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Text(collation="C"), nullable=False, unique=True),  # logical id of the Patient
    comment="surrogate keys of patients, which every row of a compartment carries",
)

care_relationship = Table(
    "care_relationship",
    metadata,
    Column("practitioner", Text(collation="C"), primary_key=True),  # logical id of the Practitioner
    Column("pat", BigInteger, primary_key=True),
    Column("source", Text(collation="C"), primary_key=True),  # "Type/id" of the resource that says so
    Column("ends", DateTime(timezone=True)),  # null while open
    comment="which clinician cares for which patient; kept by healix_fhir/care/relationships.py",
)
Index("care_relationship_source", care_relationship.c.source)
