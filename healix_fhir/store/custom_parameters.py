"""Custom search parameters as the database keeps them, and when they change.

Every change counts up the `generation`, and is announced when it commits. A process holds a shared advisory lock on the
generation that it works with (see server/parameter_watch), so that the run that writes the index anew can wait until
nobody extracts by an older one.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from healix_fhir.kernel.database import Statement, Work, metadata
from healix_fhir.model.custom import Custom
from healix_fhir.model.definitions import TYPE_NAME, standard_parameters
from healix_fhir.model.search_parameter import SearchParameter
from healix_fhir.store.guides import guides
from healix_fhir.store.reindexing import UNDER_WAY, indexed_version

CHANNEL = "healix_parameters"
"""Notified with the new generation."""
LOCK = 0x48505352
"""The first number of the advisory locks on a generation; the second is one more than it. 0: whoever changes it."""

custom_parameter = Table(
    "custom_parameter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # as in the index
    Column("type", SmallInteger, nullable=False),
    Column("resource", Text, nullable=False),  # logical id of the SearchParameter
    Column("definition", LargeBinary, nullable=False),  # model.search_parameter.SearchParameter
    Column("generation", BigInteger, nullable=False),  # with which it became what it is
    Column("searchable", Boolean, nullable=False, server_default=text("false")),  # all resources are indexed by it
    comment="search parameters that clients have defined, one row for each resource type",
)
Index("custom_parameter_resource", custom_parameter.c.resource)

parameter_generation = Table(
    "parameter_generation",
    metadata,
    Column("one", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("changed", DateTime(timezone=True), nullable=False),
    comment="one row, once there was a change: how often the search parameters have changed",
)

_COUNT = f"""
WITH counted AS (
     INSERT INTO parameter_generation (one, number, changed) VALUES (1, 1, now())
     ON CONFLICT (one) DO UPDATE SET number = parameter_generation.number + 1, changed = now() RETURNING number)
SELECT number, pg_notify('{CHANNEL}', number::text) FROM counted"""

ByType = dict[str, dict[str, SearchParameter]]


class Kept(NamedTuple):
    """A row of the table."""

    id: int
    type: int
    resource: str
    definition: bytes
    generation: int
    searchable: bool

    @property
    def parameter(self) -> SearchParameter:
        """What is defined."""
        return msgspec.msgpack.decode(self.definition, type=SearchParameter)


def changed() -> Work[int]:
    """Count a change, and announce it when it commits: the new generation."""
    rows = yield Statement(_COUNT)
    return int(rows[0][0])


def kept() -> Work[list[Kept]]:
    """Every row."""
    rows = yield Statement(
        "SELECT id, type, resource, definition, generation, searchable FROM custom_parameter ORDER BY id"
    )
    return [Kept(*row) for row in rows]


def generation() -> Work[int]:
    """The number of the last change."""
    rows = yield Statement("SELECT coalesce(max(number), 0) FROM parameter_generation")
    return int(rows[0][0])


def load() -> Work[Custom]:
    """What there is now. The generation is read first: what comes after it is announced."""
    rows = yield Statement("SELECT number, changed FROM parameter_generation")
    number, moment = rows[0] if rows else (0, None)
    version = yield from indexed_version()
    searchable: ByType = {}
    pending: ByType = {}
    for row in (yield from kept()):
        parameter = row.parameter
        (searchable if row.searchable else pending).setdefault(TYPE_NAME[row.type], {})[parameter.code] = parameter
    _hold_back(searchable, pending)
    return Custom(number, moment, version, searchable, pending, (yield from guides()))


def _hold_back(searchable: ByType, pending: ByType) -> None:
    """A composite can be searched by only while its components can."""
    for type_name, parameters in searchable.items():
        known = parameters.keys() | standard_parameters(type_name).keys()
        for code, parameter in list(parameters.items()):
            if any(component.code not in known for component in parameter.components):
                pending.setdefault(type_name, {})[code] = parameters.pop(code)


def waiting() -> Work[list[int]]:
    """The types whose resources lack a parameter, and that no run under way is about."""
    rows = yield Statement(
        """SELECT DISTINCT p.type FROM custom_parameter p
           WHERE NOT p.searchable AND NOT EXISTS (
             SELECT FROM reindexing r WHERE r.state = ANY(%s) AND r.generation >= p.generation
               AND (r.types IS NULL OR p.type = ANY(r.types)))
           ORDER BY p.type""",
        (list(UNDER_WAY),),
    )
    return [type_ for (type_,) in rows]


def indexed(run_id: int) -> Work[None]:
    """A run has ended: what it covers can be searched by."""
    yield Statement(
        """UPDATE custom_parameter p SET searchable = true FROM reindexing r
           WHERE r.id = %s AND NOT p.searchable AND p.generation <= r.generation
             AND (r.types IS NULL OR p.type = ANY(r.types))""",
        (run_id,),
    )
    yield from changed()
