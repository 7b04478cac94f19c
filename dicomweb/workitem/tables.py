"""The tables of the worklist."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    func,
    text,
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
    Column("marks", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),  # see dicomweb/workitem/marks.py
    comment="one row for each Unified Procedure Step",
)
Index("workitem_scheduled", workitem.c.scheduled, workitem.c.pk)
Index("workitem_pat", workitem.c.pat, workitem.c.scheduled, workitem.c.pk)
Index("workitem_patient_id", workitem.c.patient_id)
Index("workitem_marks", workitem.c.marks, postgresql_using="gin")
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
Index("workitem_key_workitem", workitem_key.c.workitem, workitem_key.c.path)
Index("workitem_key_value", workitem_key.c.path, workitem_key.c.value)

workitem_subscriber = Table(
    "workitem_subscriber",
    metadata,
    Column("aet", C, primary_key=True),
    Column("client", Text),  # whose title it is: the app and the person that used it first
    Column("account", Text),
    # the Global Subscription State: null none, else whether new items are locked
    Column("locking", Boolean),
    Column("filter", LargeBinary),  # JSON: the matching keys of a filtered global subscription
    Column("seen", BigInteger, nullable=False, server_default="0"),  # the last event that a channel has delivered
    comment="the AE titles that have subscribed to the worklist or to items of it",
)

workitem_subscription = Table(
    "workitem_subscription",
    metadata,
    Column("workitem", BigInteger, ForeignKey("workitem.pk", ondelete="CASCADE"), primary_key=True),
    Column("aet", C, ForeignKey("workitem_subscriber.aet", ondelete="CASCADE"), primary_key=True),
    Column("locked", Boolean, nullable=False),  # a deletion lock
    comment="who hears of which item",
)
Index("workitem_subscription_aet", workitem_subscription.c.aet)

workitem_event = Table(
    "workitem_event",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("workitem", BigInteger, ForeignKey("workitem.pk", ondelete="CASCADE")),  # null: about the server
    Column("type", SmallInteger, nullable=False),  # Event Type ID
    Column("receivers", ARRAY(C), nullable=False),
    Column("report", LargeBinary, nullable=False),  # DICOM JSON
    Column("made", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="what subscribers are told; in the order of their numbers, see dicomweb/workitem/announce.py",
)
Index("workitem_event_made", workitem_event.c.made)
Index("workitem_event_workitem", workitem_event.c.workitem)
