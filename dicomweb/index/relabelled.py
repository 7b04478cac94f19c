"""Studies that were given other labels, or series that were moved to another study: what was asked, and what became of
which object.
"""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, ForeignKey, Identity, Index, Table, Text, func
from sqlalchemy.dialects.postgresql import JSON

from dicomweb.index.tables import C
from healix_fhir.kernel.database import metadata

relabelling = Table(
    "relabelling",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("study_uid", C, nullable=False),
    Column("series_uids", ARRAY(C), nullable=False, server_default="{}"),  # those to be moved; empty: the study
    Column("target_uid", C, nullable=False),  # the study that they are in from then on
    Column("labels", JSON, nullable=False),  # values by keyword
    Column("reason", Text, nullable=False),
    Column("account", Text),
    Column("asked", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("state", C, nullable=False, server_default="asked"),  # asked, done, failed, undone
    Column("ended", DateTime(timezone=True)),  # when it came into that state
    Column("message", Text),  # why it failed
    Column("assigned", C),  # logical id of the Patient to whom the study was given by hand until then
    comment="changes of labels; see dicomweb/study/relabel",
)
Index("relabelling_study", relabelling.c.study_uid)

relabelled_instance = Table(
    "relabelled_instance",
    metadata,
    Column("relabelling", BigInteger, ForeignKey("relabelling.id", ondelete="CASCADE"), primary_key=True),
    Column("instance_uid", C, primary_key=True),
    Column("before", C, nullable=False),  # key of the blob that was set aside
    Column("after", C, nullable=False),  # key of the blob that took its place
    comment="the objects that a change of labels wrote anew",
)
