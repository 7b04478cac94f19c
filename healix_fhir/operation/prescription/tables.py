"""The table of interactions between substances, as an administrator has loaded them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text, text

from healix_fhir.kernel.database import metadata

C = Text(collation="C")

drug_interaction = Table(
    "drug_interaction",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text, nullable=False),  # who says so, as the administrator named it
    Column("a_system", C, nullable=False),
    Column("a_code", C, nullable=False),
    Column("b_system", C, nullable=False),
    Column("b_code", C, nullable=False),
    Column("names", Text, nullable=False),  # what people call the two
    Column("severity", C, nullable=False),  # DetectedIssue.severity
    Column("effect", Text, nullable=False),
    Column("management", Text, nullable=False),
    Column("loaded", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    comment="interactions between substances; kept by healix_fhir/operation/prescription/interactions.py",
)
Index("drug_interaction_pair", *(drug_interaction.c[name] for name in ("a_system", "a_code", "b_system", "b_code")))
Index("drug_interaction_source", drug_interaction.c.source)
