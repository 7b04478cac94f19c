"""The tables of installed FHIR packages and of the definitions that came with them."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)

from healix_fhir.kernel.database import metadata

package = Table(
    "package",
    metadata,
    Column("name", Text(collation="C"), primary_key=True),
    Column("version", Text(collation="C"), primary_key=True),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the file
    Column("dependencies", ARRAY(Text(collation="C")), nullable=False, server_default=text("'{}'")),  # name#version
    Column("installed", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    comment="FHIR packages, several versions of one side by side",
)

definition = Table(
    "definition",
    metadata,
    Column("pk", BigInteger, Identity(always=True), primary_key=True),
    Column("package", Text(collation="C"), nullable=False),
    Column("package_version", Text(collation="C"), nullable=False),
    Column("type", Text(collation="C"), nullable=False),  # StructureDefinition, ValueSet, SearchParameter, ...
    Column("kind", Text(collation="C"), nullable=False),  # StructureDefinition.type, else empty
    Column("url", Text(collation="C"), nullable=False),
    Column("version", Text(collation="C"), nullable=False),
    Column("body", LargeBinary, nullable=False),  # JSON, zstd
    ForeignKeyConstraint(
        ["package", "package_version"],
        ["package.name", "package.version"],
        name="definition_package",
        ondelete="CASCADE",
    ),
    comment="the conformance resources of the installed packages",
)
Index("definition_url", definition.c.url, definition.c.type)
Index("definition_of_package", definition.c.package, definition.c.package_version)
