"""The tables of procedure steps: what is scheduled (the modality worklist) and what is performed (MPPS)."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Identity, Index, LargeBinary, Table, Text, func, text

from healix_fhir.kernel.database import metadata

C = Text(collation="C")

LISTED = "dataset IS NOT NULL AND state IN ('SCHEDULED', 'ARRIVED', 'READY') AND performed IN ('', 'STARTED')"
"""The condition on scheduled steps that are on the worklist."""

scheduled_step = Table(
    "scheduled_step",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("request", C, unique=True),  # logical id of the ServiceRequest; null for what an operator has put there
    Column("request_pk", BigInteger),  # its resource
    Column("pat", BigInteger),  # patient_key; null while no patient has the step's PatientID
    Column("patient_id", C, nullable=False, server_default=text("''")),
    Column("issuer", C, nullable=False, server_default=text("''")),
    Column("step_id", C, unique=True),  # ScheduledProcedureStepID
    Column("accession", C, nullable=False, server_default=text("''")),
    Column("study_uid", C, nullable=False, server_default=text("''")),
    Column("stations", ARRAY(C), nullable=False, server_default=text("'{}'")),  # AE titles; none: any station
    Column("modality", C, nullable=False, server_default=text("''")),
    Column("starts", C, nullable=False, server_default=text("''")),  # date and time as the data set has them
    Column("state", C, nullable=False),  # by who has ordered it; see dicomweb/procedure/scheduled/states.py
    Column("performed", C, nullable=False, server_default=text("''")),  # by who performs it
    Column("sources", ARRAY(C), nullable=False, server_default=text("'{}'")),  # "Type/id" of what it was made from
    Column("dataset", LargeBinary),  # DICOM JSON of a worklist item; null until it is first made
    Column("updated", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="one row for each Scheduled Procedure Step",
)
Index("scheduled_step_listed", scheduled_step.c.starts, scheduled_step.c.pk, postgresql_where=text(LISTED))
Index("scheduled_step_study_uid", scheduled_step.c.study_uid)
Index("scheduled_step_accession", scheduled_step.c.accession)
Index("scheduled_step_patient_id", scheduled_step.c.patient_id)
Index("scheduled_step_pat", scheduled_step.c.pat)
Index("scheduled_step_sources", scheduled_step.c.sources, postgresql_using="gin")

performed_step = Table(
    "performed_step",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("uid", C, nullable=False, unique=True),
    Column("pat", BigInteger),
    Column("patient_id", C, nullable=False),
    Column("issuer", C, nullable=False),
    Column("state", C, nullable=False),  # Performed Procedure Step Status
    Column("reason", C),  # the code of why it was discontinued
    Column("aet", C),  # who has created it, and alone may change it
    Column("study_uids", ARRAY(C), nullable=False),
    Column("steps", ARRAY(BigInteger), nullable=False),  # scheduled_step.pk of those that it performs
    Column("dataset", LargeBinary, nullable=False),  # DICOM JSON
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="one row for each Modality Performed Procedure Step",
)
Index("performed_step_study_uids", performed_step.c.study_uids, postgresql_using="gin")
Index("performed_step_steps", performed_step.c.steps, postgresql_using="gin")
Index("performed_step_patient_id", performed_step.c.patient_id)
Index("performed_step_pat", performed_step.c.pat)
