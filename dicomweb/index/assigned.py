"""Studies that somebody has given to a patient, whatever their PatientID says."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Table, Text, func

from dicomweb.index.tables import C
from healix_fhir.kernel.database import metadata

study_assignment = Table(
    "study_assignment",
    metadata,
    Column("study_uid", C, primary_key=True),
    Column("patient", C, nullable=False),  # logical id of the Patient
    Column("account", Text),
    Column("assigned", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="studies given to a patient by hand; see healix_fhir/imaging/reconcile.py",
)
