"""Put a code system with its concepts into the tables, with one statement.

So it is there as a whole or not at all, also where each statement is a transaction of its own. Who comes second, while
another one does the same, waits for him and then leaves it at that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement
from healix_fhir.terminology.hierarchy import literal
from healix_fhir.terminology.rows import Placed


class Origin(msgspec.Struct, frozen=True):
    """What a code system was made from: `stamp` changes with its content. See tables.py."""

    source: str
    stamp: str
    definition: int | None = None
    resource: int | None = None


def fill(placed: Placed, origin: Origin) -> Statement:
    """Make the rows; those of an earlier version of the same resource go."""
    concepts = list(zip(*placed.concepts(), strict=True)) or [()] * 9
    edges = list(zip(*placed.edges(), strict=True)) or [()] * 2
    designations = list(zip(*placed.designations(), strict=True)) or [()] * 6
    properties = list(zip(*placed.properties(), strict=True)) or [()] * 6
    return Statement(
        _FILL,
        (
            origin.resource,
            origin.stamp,
            *heading_params(placed, origin),
            arrays.int4(concepts[0]),
            *(arrays.text(column) for column in concepts[1:5]),
            *(_booleans(column) for column in concepts[5:7]),
            *(arrays.text(column) for column in concepts[7:]),
            *map(arrays.int4, edges),
            *_columns(designations),
            *_columns(properties),
        ),
        prepare=False,
    )


def forget(resources: Sequence[int]) -> Statement:
    """Take out what was made from CodeSystem resources that are there no more, by their surrogate keys."""
    return Statement("DELETE FROM code_system WHERE resource = ANY(%s::bigint[])", (arrays.int8(resources),))


def heading_params(placed: Placed, origin: Origin) -> Sequence[Any]:
    """The bound parameters of `HEADING`."""
    heading = placed.heading
    return (
        origin.source,
        heading.url,
        heading.version,
        heading.text("name"),
        heading.text("title"),
        heading.content,
        heading.case_sensitive,
        heading.text("hierarchyMeaning"),
        len(placed.entries),
        literal(placed.inactive()),
        literal(placed.abstract()),
        heading.text("valueSet"),
        msgspec.json.encode(heading.about),
        origin.stamp,
        origin.definition,
        origin.resource,
    )


def _booleans(values: Iterable[bool]) -> arrays.Array:
    return arrays.int2(int(value) for value in values)


def _columns(columns: Sequence[Sequence[Any]]) -> list[arrays.Array]:
    """Columns of text after one of numbers."""
    return [arrays.int4(columns[0]), *(arrays.text(column) for column in columns[1:])]


HEADING = """INSERT INTO code_system (source, url, version, name, title, content, case_sensitive, hierarchy, count,
       inactive, abstract, value_set, about, stamp, definition, resource, ready)
     VALUES (%s::text, %s::text, %s::text, %s::text, %s::text, %s::text, %s::boolean, %s::text, %s::int,
             %s::int4multirange, %s::int4multirange, %s::text, %s::bytea, %s::text, %s::bigint, %s::bigint, {ready})"""

_FILL = f"""
WITH gone AS (DELETE FROM code_system WHERE resource = %s::bigint AND stamp <> %s::text),
   made AS ({HEADING.format(ready="true")} ON CONFLICT ON CONSTRAINT code_system_once DO NOTHING RETURNING id),
   concepts AS (
     INSERT INTO concept (system, n, code, key, display, definition, inactive, abstract, below, words)
     SELECT made.id, x.n, x.code, x.key, x.display, x.definition, x.inactive = 1, x.abstract = 1,
            x.below::int4multirange, x.words::tsvector
     FROM made, unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::smallint[], %s::smallint[],
                       %s::text[], %s::text[])
            AS x (n, code, key, display, definition, inactive, abstract, below, words)),
   edges AS (
     INSERT INTO concept_parent (system, n, parent) SELECT made.id, x.* FROM made, unnest(%s::int[], %s::int[]) AS x),
   designations AS (
     INSERT INTO concept_designation (system, n, language, use_system, use_code, use_display, value)
     SELECT made.id, x.*
     FROM made, unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS x)
INSERT INTO concept_property (system, n, code, type, value, value_system, value_display)
SELECT made.id, x.* FROM made, unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS x"""
