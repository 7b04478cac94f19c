"""The tables of code systems and their concepts.

A row of `code_system` is one version of a code system from one source. Concepts are numbered within it, in the order of
its hierarchy: a concept comes before what is below it. `concept.below` has the numbers of a concept and of everything
below it, so that membership in a subtree is one test on numbers, and the size of a subtree is known without reading it
(docs/decisions/0141-code-systems-in-rows.md).

Spec: FHIR R4, hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

from sqlalchemy import (
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
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import INT4MULTIRANGE, TSVECTOR

from healix_fhir.kernel.database import metadata

C = Text(collation="C")

code_system = Table(
    "code_system",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("source", C, nullable=False),  # see catalog.Source
    Column("url", C, nullable=False),
    Column("version", C, nullable=False),  # empty without one
    Column("name", Text),
    Column("title", Text),
    Column("content", C, nullable=False),  # CodeSystem.content
    Column("case_sensitive", Boolean, nullable=False),
    Column("hierarchy", C),  # CodeSystem.hierarchyMeaning
    Column("count", Integer, nullable=False),
    Column("inactive", INT4MULTIRANGE, nullable=False, server_default=text("'{}'")),  # numbers of inactive concepts
    Column("abstract", INT4MULTIRANGE, nullable=False, server_default=text("'{}'")),  # numbers of abstract concepts
    Column("value_set", C),  # CodeSystem.valueSet
    Column("about", LargeBinary, nullable=False),  # JSON: the CodeSystem without its concepts
    Column("stamp", C, nullable=False),  # what of its source it was made from
    Column("definition", BigInteger, ForeignKey("definition.pk", name="code_system_definition", ondelete="CASCADE")),
    Column("resource", BigInteger),  # resource.pk
    Column("ready", Boolean, nullable=False),  # false while it is loaded
    Column("loaded", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    UniqueConstraint("url", "version", "source", "stamp", name="code_system_once"),
    comment="code systems, several versions of one side by side",
)
Index("code_system_of_definition", code_system.c.definition)
Index("code_system_of_resource", code_system.c.resource)


def _system() -> Column[int]:
    return Column("system", Integer, ForeignKey("code_system.id", ondelete="CASCADE"), nullable=False)


concept = Table(
    "concept",
    metadata,
    Column("system", Integer, ForeignKey("code_system.id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("code", C, nullable=False),
    Column("key", C, nullable=False),  # the code as codes of this system are compared
    Column("display", Text),
    Column("definition", Text),
    Column("inactive", Boolean, nullable=False),
    Column("abstract", Boolean, nullable=False),
    Column("below", INT4MULTIRANGE, nullable=False),
    Column("words", TSVECTOR, nullable=False),  # of code, display and designations
    UniqueConstraint("system", "key", name="concept_key"),
    comment="the concepts of code systems",
)
Index("concept_words", concept.c.words, postgresql_using="gin")

concept_parent = Table(
    "concept_parent",
    metadata,
    Column("system", Integer, ForeignKey("code_system.id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("parent", Integer, primary_key=True, autoincrement=False),
    comment="which concepts stand directly above a concept",
)
Index("concept_child", concept_parent.c.system, concept_parent.c.parent, concept_parent.c.n)

concept_designation = Table(
    "concept_designation",
    metadata,
    _system(),
    Column("n", Integer, nullable=False),
    Column("language", C),
    Column("use_system", C),
    Column("use_code", C),
    Column("use_display", Text),
    Column("value", Text, nullable=False),
    comment="further names of concepts",
)
Index("concept_designation_of", concept_designation.c.system, concept_designation.c.n)

concept_property = Table(
    "concept_property",
    metadata,
    _system(),
    Column("n", Integer, nullable=False),
    Column("code", C, nullable=False),
    Column("type", C, nullable=False),  # code, Coding, string, integer, boolean, dateTime, decimal
    Column("value", C, nullable=False),  # the code of a Coding
    Column("value_system", C),
    Column("value_display", Text),
    comment="properties of concepts, without those that are a place in the hierarchy",
)
Index("concept_property_of", concept_property.c.system, concept_property.c.n)
Index(
    "concept_property_value",
    concept_property.c.system,
    concept_property.c.code,
    text("left(value, 200)"),
    concept_property.c.n,
)
