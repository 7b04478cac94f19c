"""Which images go where, by themselves."""

from __future__ import annotations

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Integer, Table, Text, func

from dicomweb.index.tables import C
from healix_fhir.kernel.database import metadata

route = Table(
    "route",
    metadata,
    Column("name", C, primary_key=True),
    Column("action", C, nullable=False),  # send or notice
    Column("peer", C),  # AE title; null where it goes to a URL
    Column("url", Text),  # DICOMweb base URL
    Column("token", Text),  # bearer token for the URL
    Column("allow_private", Boolean, nullable=False, server_default="false"),  # whether the URL may be internal
    Column("modalities", ARRAY(C)),  # null: of any
    Column("stations", ARRAY(Text)),  # patterns, null: of any
    Column("descriptions", ARRAY(Text)),  # patterns, null: of any
    Column("callers", ARRAY(C)),  # AE titles that sent them, null: whoever did
    Column("quiet", Integer, nullable=False),  # seconds without a new image after which a study counts as complete
    Column("added", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="which images go where by themselves; see dicomweb/routing/rules.py",
)

prefetch = Table(
    "prefetch",
    metadata,
    Column("name", C, primary_key=True),
    Column("peer", C, nullable=False),  # AE title that is asked for priors
    Column("modalities", ARRAY(C)),  # of what comes, null: of any
    Column("prior_modalities", ARRAY(C)),  # of what is fetched, null: of any
    Column("most", Integer, nullable=False),  # studies of a patient
    Column("years", Integer, nullable=False),  # how old they may be
    Column("added", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="whose earlier studies are fetched from where; see dicomweb/routing/priors.py",
)
