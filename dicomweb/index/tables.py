"""The tables of the study index; columns named as in dicomweb/index/attributes.py."""

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
    Table,
    Text,
    func,
    text,
)

from healix_fhir.kernel.database import metadata

C = Text(collation="C")
NO_TEXTS = text("'{}'")

study = Table(
    "study",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("pat", BigInteger),  # patient_key; null until the patient is matched
    Column("patient_made", Boolean, nullable=False, server_default="false"),  # whether `pat` was made for it
    Column("imaging_study", BigInteger),  # key of its ImagingStudy resource; null until that is made
    Column("study_uid", C, nullable=False, unique=True),
    Column("study_date", C),
    Column("study_time", C),
    Column("accession_number", C),
    Column("institution_name", C),
    Column("referring_physician", C),
    Column("referring_physician_folded", ARRAY(C), nullable=False, server_default=NO_TEXTS),
    Column("referring_physician_words", ARRAY(C), nullable=False, server_default=NO_TEXTS),
    Column("timezone_offset", C),
    Column("study_description", C),
    Column("patient_name", C),
    Column("patient_name_folded", ARRAY(C), nullable=False, server_default=NO_TEXTS),
    Column("patient_name_words", ARRAY(C), nullable=False, server_default=NO_TEXTS),
    Column("patient_id", C),
    Column("patient_id_issuer", C),
    Column("patient_birth_date", C),
    Column("patient_sex", C),
    Column("study_id", C),
    Column("modalities", ARRAY(C), nullable=False, server_default=NO_TEXTS),
    Column("sop_classes", ARRAY(C), nullable=False, server_default=NO_TEXTS),
    Column("series_count", Integer, nullable=False, server_default="0"),
    Column("instance_count", Integer, nullable=False, server_default="0"),
    Column("updated", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("grams", ARRAY(Integer), nullable=False, server_default=NO_TEXTS),  # see dicomweb/index/grams.py
    comment="one row for each study",
)
Index("study_pat_date", study.c.pat, study.c.study_date.desc().nulls_last(), study.c.pk.desc())
Index("study_date", study.c.study_date.desc().nulls_last(), study.c.pk.desc())
Index("study_unmatched", study.c.pk, postgresql_where=study.c.patient_made)
Index("study_patient_id", study.c.patient_id)
Index("study_accession_number", study.c.accession_number)
Index("study_modalities", study.c.modalities, postgresql_using="gin")
Index("study_grams", study.c.grams, postgresql_using="gin")

series = Table(
    "series",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("study_pk", BigInteger, ForeignKey("study.pk", ondelete="CASCADE"), nullable=False),
    Column("series_uid", C, nullable=False, unique=True),
    Column("series_date", C),
    Column("series_time", C),
    Column("modality", C),
    Column("manufacturer", C),
    Column("series_description", C),
    Column("station_name", C),
    Column("body_part", C),
    Column("region_code", C),  # see dicomweb/index/regions.py; empty: none, null: stored before it was read
    Column("region_scheme", C),
    Column("region_meaning", C),
    Column("series_number", BigInteger),
    Column("laterality", C),
    Column("performed_date", C),
    Column("performed_time", C),
    Column("request_attributes", LargeBinary),  # the sequence as a DICOM JSON attribute
    Column("scheduled_step_ids", ARRAY(C), nullable=False, server_default=NO_TEXTS),
    Column("requested_procedure_ids", ARRAY(C), nullable=False, server_default=NO_TEXTS),
    Column("instances_in_series", Integer, nullable=False, server_default="0"),
    Column("grams", ARRAY(Integer), nullable=False, server_default=NO_TEXTS),
    comment="one row for each series",
)
Index("series_study", series.c.study_pk, series.c.pk)
Index("series_region", series.c.region_code, series.c.study_pk)
Index("series_grams", series.c.grams, postgresql_using="gin")

instance = Table(
    "instance",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("series_pk", BigInteger, ForeignKey("series.pk", ondelete="CASCADE"), nullable=False),
    Column("instance_uid", C, nullable=False, unique=True),
    Column("sop_class_uid", C, nullable=False),
    Column("creation_date", C),
    Column("creation_time", C),
    Column("acquisition_date", C),
    Column("content_date", C),
    Column("content_time", C),
    Column("transfer_syntax", C, nullable=False),
    Column("acquisition_number", BigInteger),
    Column("instance_number", BigInteger),
    Column("frame_count", BigInteger),
    Column("row_count", BigInteger),
    Column("column_count", BigInteger),
    Column("bits_allocated", BigInteger),
    Column("blob", C, nullable=False, unique=True),  # key in the archive
    Column("size", BigInteger, nullable=False),  # bytes of the blob
    Column("digest", LargeBinary, nullable=False),  # xxh3-128 of the data set
    Column("layout", LargeBinary, nullable=False),  # msgpack: bulk data and frames, see dicomweb/pixel/layout.py
    Column("metadata", LargeBinary, nullable=False),  # zstd: DICOM JSON without bulk data
    Column("stored", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("source", C),  # AE title that sent it over DIMSE
    Column("via", ARRAY(C)),  # the servers through which it came over HTTP, as their requests said
    comment="one row for each SOP instance",
)
Index("instance_series", instance.c.series_pk, instance.c.pk)

study_patient = Table(
    "study_patient",
    metadata,
    Column("patient_id", C, primary_key=True),
    Column("issuer", C, primary_key=True),  # empty where the objects name none
    Column("pat", BigInteger, nullable=False),
    comment="whose studies carry a PatientID; kept by healix_fhir/imaging",
)
