"""The tables of objects that are of no patient."""

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
    text,
)

from healix_fhir.kernel.database import metadata

C = Text(collation="C")

non_patient_instance = Table(
    "non_patient_instance",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("instance_uid", C, nullable=False, unique=True),
    Column("sop_class_uid", C, nullable=False),
    Column("transfer_syntax", C, nullable=False),
    Column("blob", C, nullable=False, unique=True),  # key in the archive
    Column("size", BigInteger, nullable=False),  # bytes of the blob
    Column("digest", LargeBinary, nullable=False),  # xxh3-128 of the data set
    Column("layout", LargeBinary, nullable=False),  # msgpack: bulk data, see dicomweb/pixel/layout.py
    Column("metadata", LargeBinary, nullable=False),  # zstd: DICOM JSON without bulk data
    Column("marks", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),  # see dicomweb/workitem/marks.py
    Column("stored", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("source", C),  # AE title that sent it over DIMSE
    comment="one row for each SOP instance of no patient: hanging protocols, palettes, templates, protocols",
)
Index("non_patient_instance_class", non_patient_instance.c.sop_class_uid, non_patient_instance.c.pk)
Index("non_patient_instance_marks", non_patient_instance.c.marks, postgresql_using="gin")

non_patient_key = Table(
    "non_patient_key",
    metadata,
    Column("instance", BigInteger, ForeignKey("non_patient_instance.pk", ondelete="CASCADE"), nullable=False),
    Column("path", C, nullable=False),  # tags from the outside in, with dots
    Column("item", ARRAY(Integer), nullable=False),  # in which item of each of these sequences
    Column("value", C, nullable=False),  # in the form that matching compares
    comment="the values that objects of no patient are found by",
)
Index("non_patient_key_instance", non_patient_key.c.instance, non_patient_key.c.path)
Index("non_patient_key_value", non_patient_key.c.path, non_patient_key.c.value)
