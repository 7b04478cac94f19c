"""The values of further attributes, a table for each level; see dicomweb/index/further.py."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, SmallInteger, Table

from dicomweb.index.attributes import Level
from dicomweb.index.tables import C
from healix_fhir.kernel.database import metadata

further_attribute = Table(
    "further_attribute",
    metadata,
    Column("code", Integer, primary_key=True, autoincrement=False),  # of level, name and value representation
    Column("level", SmallInteger, nullable=False),
    Column("name", C, nullable=False),
    Column("vr", C, nullable=False),
    Column("last_pk", BigInteger, nullable=False, server_default="0"),  # how far what was stored before is indexed
    Column("whole", Boolean, nullable=False, server_default="false"),  # whether all of it is
    comment="the attributes that are indexed by setting",
)


def _values(level: Level) -> Table:
    """The table of one level's values."""
    name = level.name.lower()
    table = Table(
        f"{name}_further",
        metadata,
        Column("pk", BigInteger, ForeignKey(f"{name}.pk", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        Column("code", Integer, primary_key=True, autoincrement=False),
        Column("item", C, primary_key=True),  # the places of the items that it is in, e.g. 0.2
        Column("place", Integer, primary_key=True, autoincrement=False),  # among the values
        Column("value", C, nullable=False),
        Column("number", Double),
        comment=f"values of further attributes of a {name}",
    )
    Index(f"{name}_further_value", table.c.code, table.c.value, table.c.pk)
    Index(f"{name}_further_number", table.c.code, table.c.number, table.c.pk)
    return table


VALUES = {level: _values(level) for level in Level}
