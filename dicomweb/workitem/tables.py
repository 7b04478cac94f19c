"""The tables of the worklist."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
)

from healix_fhir.kernel.database import metadata

C = Text(collation="C")

workitem = Table(
    "workitem",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("uid", C, nullable=False, unique=True),
    Column("pat", BigInteger),  # patient_key; null while no patient has the item's PatientID
    Column("patient_id", C, nullable=False),  # empty where the item has none
    Column("issuer", C, nullable=False),
    Column("state", C, nullable=False),  # Procedure Step State
    Column("transaction_uid", C),  # the lock of who has claimed it: never told to anyone
    Column("scheduled", C, nullable=False),  # ScheduledProcedureStepStartDateTime in UTC, see dicomweb/workitem/keys.py
    Column("dataset", LargeBinary),  # DICOM JSON; null when retention has removed the item
    Column("updated", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="one row for each Unified Procedure Step",
)
Index("workitem_scheduled", workitem.c.scheduled, workitem.c.pk)
Index("workitem_pat", workitem.c.pat, workitem.c.scheduled, workitem.c.pk)
Index("workitem_patient_id", workitem.c.patient_id)
Index("workitem_final", workitem.c.updated, postgresql_where=workitem.c.state.in_(["COMPLETED", "CANCELED"]))

workitem_key = Table(
    "workitem_key",
    metadata,
    Column("workitem", BigInteger, ForeignKey("workitem.pk", ondelete="CASCADE"), nullable=False),
    Column("path", C, nullable=False),  # tags from the outside in, with dots
    Column("item", ARRAY(Integer), nullable=False),  # in which item of each of these sequences
    Column("value", C, nullable=False),  # in the form that matching compares
    comment="the values that workitems are found by",
)
Index("workitem_key_workitem", workitem_key.c.workitem)
Index("workitem_key_value", workitem_key.c.path, workitem_key.c.value)
